"""Which bit of which enable and reset register belongs to which peripheral.

Bit positions: the RCC_xxxENR and RCC_xxxRSTR registers of RM0385 and RM0433. A bit may stand for
several peripherals, which are named as in the chips' files. Gates of memories are left out: memory
is always there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GateRegister:
    """The clock gates of one bus.

    Attributes:
        name: of the bus as in the registers' names ("AHB1").
        enable_offset: of the enable register.
        reset_offset: of the reset register.
        low_power_offset: of the enable register that counts in sleep.
        enable_reset: value of the enable register after reset.
        low_power_reset: value of the low-power enable register after reset.
        bits: bit number and the peripherals behind it.
        clocked_only: peripherals that this bus's reset register leaves alone.
    """

    name: str
    enable_offset: int
    reset_offset: int
    low_power_offset: int
    low_power_reset: int
    bits: tuple[tuple[int, tuple[str, ...]], ...]
    enable_reset: int = 0
    clocked_only: tuple[str, ...] = ()


def _bits(text: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """From "12 crc, 21 dma1 dmamux1": a bit number and the names behind it."""
    rows = [row.split() for row in text.split(",")]
    return tuple((int(row[0]), tuple(row[1:])) for row in rows)


_PORTS = ", ".join(f"{bit} gpio{letter}" for bit, letter in enumerate("abcdefghijk"))

# RM0385 chapter 5.
STM32F746_GATES = (
    GateRegister(
        "AHB1", 0x30, 0x10, 0x50, 0x7EF7B7FF,
        _bits(f"{_PORTS}, 12 crc, 21 dma1, 22 dma2, 23 dma2d, 25 eth,"
              "26 eth, 27 eth, 28 eth, 29 otg_hs, 30 otg_hs"),
        enable_reset=1 << 20,  # DTCMRAMEN
    ),
    GateRegister("AHB2", 0x34, 0x14, 0x54, 0xC1, _bits("0 dcmi, 6 rng, 7 otg_fs")),
    GateRegister("AHB3", 0x38, 0x18, 0x58, 0x3, _bits("0 fmc, 1 quadspi")),
    GateRegister(
        "APB1", 0x40, 0x20, 0x60, 0xFFFFCBFF,
        _bits("0 tim2, 1 tim3, 2 tim4, 3 tim5, 4 tim6, 5 tim7, 6 tim12, 7 tim13, 8 tim14,"
              "9 lptim1, 11 wwdg, 14 spi2, 15 spi3, 16 spdifrx, 17 usart2, 18 usart3, 19 uart4,"
              "20 uart5, 21 i2c1, 22 i2c2, 23 i2c3, 24 i2c4, 25 can1, 26 can2, 27 cec,"
              "28 pwr, 29 dac, 30 uart7, 31 uart8"),
    ),
    GateRegister(
        "APB2", 0x44, 0x24, 0x64, 0x04F77F33,
        # One enable bit a converter; that bit 8 resets all three of them is left out.
        _bits("0 tim1, 1 tim8, 4 usart1, 5 usart6, 8 adc1 adc_common,"
              "9 adc2 adc_common, 10 adc3 adc_common, 11 sdmmc1, 12 spi1, 13 spi4, 14 syscfg,"
              "16 tim9, 17 tim10, 18 tim11, 20 spi5, 21 spi6, 22 sai1, 23 sai2, 26 ltdc"),
    ),
)  # fmt: skip

# RM0433 chapter 8.
STM32H743_GATES = (
    GateRegister(
        "AHB3", 0xD4, 0x7C, 0xFC, 0xF0015131,
        _bits("0 mdma, 4 dma2d, 5 jpeg, 12 fmc, 14 quadspi, 16 sdmmc1"),
    ),
    GateRegister(
        "AHB1", 0xD8, 0x80, 0x100, 0x1E038023,
        _bits("0 dma1 dmamux1, 1 dma2 dmamux1, 5 adc1 adc2 adc12_common,"
              "15 eth, 16 eth, 17 eth, 25 otg_hs,"
              "26 otg_hs, 27 otg_fs, 28 otg_fs"),
        clocked_only=("dmamux1",),
    ),
    GateRegister(
        "AHB2", 0xDC, 0x84, 0x104, 0xE0000241,
        _bits("0 dcmi, 6 rng, 9 sdmmc2"),
    ),
    GateRegister(
        "AHB4", 0xE0, 0x88, 0x108, 0x312807FF,
        _bits(f"{_PORTS}, 19 crc, 21 bdma dmamux2, 24 adc3 adc3_common, 25 hsem"),
        clocked_only=("dmamux2",),
    ),
    GateRegister(
        "APB3", 0xE4, 0x8C, 0x10C, 0x48, _bits("3 ltdc, 6 wwdg1"), clocked_only=("wwdg1",),
    ),
    GateRegister(
        "APB1L", 0xE8, 0x90, 0x110, 0xE8FFC3FF,
        _bits("0 tim2, 1 tim3, 2 tim4, 3 tim5, 4 tim6, 5 tim7, 6 tim12, 7 tim13, 8 tim14,"
              "9 lptim1, 14 spi2, 15 spi3, 16 spdifrx, 17 usart2, 18 usart3, 19 uart4, 20 uart5,"
              "21 i2c1, 22 i2c2, 23 i2c3, 27 cec, 29 dac1, 30 uart7, 31 uart8"),
    ),
    GateRegister(
        "APB1H", 0xEC, 0x94, 0x114, 0x136,
        _bits("1 crs, 2 swpmi1, 4 opamp, 5 mdios, 8 fdcan1 fdcan2 fdcan_ccu fdcan_ram"),
    ),
    GateRegister(
        "APB2", 0xF0, 0x98, 0x118, 0x31D73033,
        _bits("0 tim1, 1 tim8, 4 usart1, 5 usart6, 12 spi1, 13 spi4, 16 tim15, 17 tim16,"
              "18 tim17, 20 spi5, 22 sai1, 23 sai2, 24 sai3, 28 dfsdm1, 29 hrtim1"),
    ),
    GateRegister(
        "APB4", 0xF4, 0x9C, 0x11C, 0x0021DEAA,
        _bits("1 syscfg, 3 lpuart1, 5 spi6, 7 i2c4, 9 lptim2, 10 lptim3, 11 lptim4, 12 lptim5,"
              "14 comp12, 15 vrefbuf, 16 rtc, 21 sai4"),
        enable_reset=1 << 16,  # RTCAPBEN
        clocked_only=("rtc",),
    ),
)  # fmt: skip
