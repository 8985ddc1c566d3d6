"""What firmware writes to each kind of peripheral before it polls it: a few registers a model."""

from __future__ import annotations

from dataclasses import dataclass

from emu.peripherals import timer_registers as timer
from emu.peripherals.flash_interface import KEYS
from emu.peripherals.models import (
    adc_f7,
    adc_h7,
    bdma,
    crc,
    dma,
    dma2d,
    flash_f7,
    flash_h7,
    fmc,
    i2c,
    iwdg,
    lptim,
    ltdc,
    pwr_f7,
    pwr_h7,
    quadspi,
    rcc_f7,
    rcc_h7,
    rng,
    rtc,
    sdmmc,
    spi_f7,
    spi_h7,
    syscfg_h7,
    usart,
    wwdg,
)
from tests.emu.peripherals.bench import Bench

BDCR = 0x70
SRAM4 = 0x38000000  # what H7's BDMA reaches


@dataclass(frozen=True)
class Write:
    """One register write; `peripheral` None for the one that is set up."""

    offset: int
    value: int
    size_bytes: int = 4
    peripheral: str | None = None


@dataclass(frozen=True)
class Pass:
    """Time that passes."""

    cycles: int


@dataclass(frozen=True)
class Hear:
    """Bytes that the other side of a serial line sends."""

    data: bytes


Step = Write | Pass | Hear


def play(bench: Bench, target: str, steps: list[Step]) -> None:
    for step in steps:
        match step:
            case Write(offset, value, size_bytes, peripheral):
                bench.write(peripheral or target, offset, value, size_bytes)
            case Pass(cycles):
                bench.run(cycles)
            case Hear(data):
                for byte in data:
                    bench.space.serial_in(target, byte)


def _writes(*pairs: tuple[int, int]) -> list[Step]:
    return [Write(offset, value) for offset, value in pairs]


_RTC_CLOCK: list[Step] = [
    Write(0x00, 0x100, peripheral="pwr"),  # DBP
    Write(BDCR, 1 | 1 << 8 | 1 << 15, peripheral="rcc"),  # LSE on, for the RTC, which is enabled
    Pass(1_000_000),
]
_RTC_OPEN = _writes((rtc.WPR, 0xCA), (rtc.WPR, 0x53))
_SPI_H7 = _writes((spi_h7.CFG1, 0x70000007), (spi_h7.CFG2, spi_h7.MASTER), (spi_h7.CR2, 3),
                  (spi_h7.CR1, spi_h7.SPE), (spi_h7.CR1, spi_h7.SPE | spi_h7.CSTART))  # fmt: skip
_FLASH_KEYS = tuple((4, key) for key in KEYS)

SETUPS: dict[str, list[list[Step]]] = {
    "usart": [
        [
            *_writes((usart.BRR, 938), (usart.CR1, usart.UE | usart.TE | usart.RE)),
            Write(0x28, ord("x")),
            Hear(b"ab"),
        ],
        [
            *_writes((usart.BRR, 100), (usart.CR1, usart.UE | usart.TE | usart.FIFOEN)),
            *(Write(0x28, byte, 1) for byte in b"several"),
        ],
    ],
    "timer": [
        _writes((timer.PSC, 9999), (timer.ARR, 20), (timer.CCR1, 7), (timer.EGR, 1), (timer.SR, 0),
                (timer.CR1, timer.CEN | timer.UIFREMAP)),
        _writes((timer.PSC, 99), (timer.ARR, 50), (timer.CCR2, 49), (timer.EGR, 1), (timer.SR, 0),
                (timer.CR1, timer.CEN | timer.OPM)),
        _writes((timer.PSC, 3), (timer.ARR, 9), (timer.CCR1, 4), (timer.EGR, 1), (timer.SR, 0),
                (timer.CR1, timer.CEN | 1 << 5)),
    ],
    "lptim": [
        _writes((lptim.CFGR, 7 << 9), (lptim.CR, lptim.ENABLE), (lptim.ARR, 40), (lptim.CMP, 9),
                (lptim.CR, lptim.ENABLE | lptim.CNTSTRT)),
    ],
    "rtc": [
        [*_RTC_CLOCK, *_RTC_OPEN, *_writes((rtc.ISR, rtc.INIT))],
        [
            *_RTC_CLOCK, *_RTC_OPEN, *_writes((rtc.ISR, rtc.INIT)), Pass(100_000),
            *_writes((rtc.PRER, 1 << 16 | 3), (rtc.TR, 0x235959), (rtc.ISR, 0)),
            *_writes((rtc.ALRMAR, 0x80808000), (rtc.CR, rtc.ALRAE | rtc.WUTE | rtc.BYPSHAD)),
        ],
    ],
    "rcc_f7": [
        _writes((rcc_f7.CR, 0x10083), (rcc_f7.PLLCFGR, 0x29405400 | 25), (rcc_f7.CSR, 1),
                (rcc_f7.CR, 0x1010083)),
    ],
    "rcc_h7": [
        _writes((rcc_h7.CR, 0x10001), (rcc_h7.CSR, 1), (rcc_h7.CR, 0x1011081)),
    ],
    "pwr_f7": [_writes((pwr_f7.CR1, 0x1C000)), _writes((pwr_f7.CR1, 0x4000))],
    "pwr_h7": [_writes((pwr_h7.CR3, 2), (pwr_h7.D3CR, 0xC000))],
    "flash_f7": [[*_writes(*_FLASH_KEYS), *_writes((flash_f7.CR, 1 << 16 | 1 << 1 | 3 << 3))]],
    "flash_h7": [
        [*_writes(*_FLASH_KEYS), *_writes((flash_h7.CR1, 1 << 7 | 1 << 2 | 3 << 8))],
    ],
    "syscfg_h7": [_writes((syscfg_h7.PWRCR, 1), (syscfg_h7.CCCSR, 1))],
    "rng": [_writes((rng.CR, rng.RNGEN))],
    "crc": [_writes((crc.DR, 0x12345678))],
    "iwdg": [_writes((iwdg.KR, 0x5555), (iwdg.PR, 2), (iwdg.RLR, 99), (iwdg.KR, 0xCCCC))],
    "wwdg": [_writes((wwdg.CR, 0xFF)), _writes((wwdg.CFR, 0x180 | 0x7F), (wwdg.CR, 0xC2))],
    "fmc": [_writes((fmc.SDCMR, 0x73 | 0x8), (fmc.SDCMR, 0x14))],
    "ltdc": [
        _writes((ltdc.SSCR, 40 << 16 | 9), (ltdc.BPCR, 53 << 16 | 11), (ltdc.AWCR, 533 << 16 | 283),
                (ltdc.TWCR, 565 << 16 | 285), (ltdc.LIPCR, 100), (ltdc.GCR, 1), (ltdc.SRCR, 2)),
    ],
    "spi_f7": [
        [
            *_writes((spi_f7.CR1, spi_f7.MSTR | spi_f7.SPE | 5 << 3)),
            *(Write(spi_f7.DR, 0x55, 1) for _ in range(3)),
        ],
        _writes((spi_f7.CR1, spi_f7.MSTR | spi_f7.SPE | spi_f7.RXONLY | 7 << 3)),
    ],
    "spi_h7": [[*_SPI_H7, *(Write(spi_h7.TXDR, 0x55, 1) for _ in range(3))]],
    "sdmmc": [
        _writes((sdmmc.POWER, 3), (sdmmc.CLKCR, 0x176), (sdmmc.CMD, 0x400)),
        _writes((sdmmc.POWER, 3), (sdmmc.CLKCR, 0x176), (sdmmc.CMD, 0x1148), (sdmmc.DTIMER, 99),
                (sdmmc.DCTRL, 1)),
    ],
    "adc_f7": [_writes((adc_f7.CR2, adc_f7.ADON), (adc_f7.CR2, adc_f7.ADON | adc_f7.SWSTART))],
    "adc_h7": [
        _writes((adc_h7.CR, adc_h7.ADVREGEN | adc_h7.ADCAL)),
        _writes((adc_h7.CR, adc_h7.ADVREGEN | 1), (adc_h7.CR, adc_h7.ADVREGEN | 5)),
    ],
    "i2c": [_writes((i2c.TIMINGR, 0x40912732), (i2c.CR1, 1), (i2c.CR2, 0x02012070))],
    "dma": [
        _writes((dma.STREAMS_START + dma.NDTR, 200), (dma.STREAMS_START + dma.PAR, Bench.RAM),
                (dma.STREAMS_START + dma.M0AR, Bench.RAM + 0x1000),
                (dma.STREAMS_START + dma.CR,
                 dma.MEMORY_TO_MEMORY << dma.DIR_SHIFT | dma.PINC | dma.MINC | dma.EN)),
    ],
    "bdma": [
        _writes((bdma.CHANNELS_START + bdma.CNDTR, 20), (bdma.CHANNELS_START + bdma.CPAR, SRAM4),
                (bdma.CHANNELS_START + bdma.CM0AR, SRAM4 + 0x100),
                (bdma.CHANNELS_START + bdma.CCR,
                 bdma.MEM2MEM | bdma.PINC | bdma.MINC | bdma.EN)),
    ],
    "quadspi": [_writes((quadspi.CR, 1), (quadspi.DLR, 40), (quadspi.CCR, 0x05000103))],
    "dma2d": [
        _writes((dma2d.OMAR, Bench.RAM), (dma2d.NLR, 20 << 16 | 10), (dma2d.CR, 3 << 16 | 1)),
    ],
}  # fmt: skip
