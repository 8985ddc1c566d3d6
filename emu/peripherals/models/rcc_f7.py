"""RCC of STM32F74x/F75x, RM0385 chapter 5.

    HSI 16 MHz -+--------------------------- SW 0 --+
    HSE --------+--------------------------- SW 1 --+-- SYSCLK -- HPRE -- HCLK (core, AXI, AHB)
                +-- /M -- PLL     xN /P ---- SW 2 --+              +-- PPRE1 -- APB1, timers
                |                    /Q ---- CLK48                 +-- PPRE2 -- APB2, timers
                +--------- PLLI2S xN /P /Q /R
                +--------- PLLSAI xN /P /Q /R

MCO, the clock security system and spread spectrum are registers only.
"""

from __future__ import annotations

from typing import ClassVar

from emu.peripherals.clock_controller import LSE_START_UP_US, ClockController
from emu.peripherals.clock_dividers import ahb_divider, apb_divider, pll_hz, timer_hz
from emu.peripherals.clock_gates import STM32F746_GATES
from emu.peripherals.clock_sources import BusClocks, ClockSource, KernelMux
from emu.peripherals.peripheral import Register

HSI_HZ = 16_000_000

CR, PLLCFGR, CFGR, CIR, CSR = 0x00, 0x04, 0x08, 0x0C, 0x74
PLLI2SCFGR, PLLSAICFGR, DCKCFGR1, DCKCFGR2 = 0x84, 0x88, 0x8C, 0x90

_CR_WRITABLE = 0x150D00F9  # all but ready flags and HSICAL
_PLLSRC_HSE = 1 << 22
_TIMPRE = 1 << 24
_I2SSRC = 1 << 23
_RMVF = 1 << 24
_UART_INPUTS = ("", "sysclk", "hsi", "lse")  # the first is the bus of each


def _uart(name: str, bus: str, shift: int) -> KernelMux:
    return KernelMux((name,), DCKCFGR2, shift, 2, (bus, *_UART_INPUTS[1:]))


class RccF7(ClockController):
    """Reset and clock control of STM32F746."""

    REGISTERS = (
        Register("CR", CR, 0x81),
        Register("PLLCFGR", PLLCFGR, 0x24003010),
        Register("CFGR", CFGR),
        Register("CIR", CIR),
        Register("BDCR", 0x70),
        Register("CSR", CSR),
        Register("SSCGR", 0x80),
        Register("PLLI2SCFGR", PLLI2SCFGR, 0x24003000),
        Register("PLLSAICFGR", PLLSAICFGR, 0x24003000),
        Register("DCKCFGR1", DCKCFGR1),
        Register("DCKCFGR2", DCKCFGR2),
    )
    STEADY = ("CFGR",)  # the switch of SYSCLK is an event
    GATES = STM32F746_GATES
    # Start-up times: DS-F746, typical; of the PLLs assumed, within the 75 to 300 us that it allows.
    SOURCES = (
        ClockSource("hsi", CR, 0, 1, 2, 2),
        ClockSource("hse", CR, 16, 17, 2_000, 3, crystal=True),
        ClockSource("pll", CR, 24, 25, 100, 4),
        ClockSource("plli2s", CR, 26, 27, 100, 5),
        ClockSource("pllsai", CR, 28, 29, 100, 6),
        ClockSource("lse", 0x70, 0, 1, LSE_START_UP_US, 1, crystal=True),
        ClockSource("lsi", CSR, 0, 1, 15, 0),
    )
    SYSTEM_SOURCES = ("hsi", "hse", "pll")
    CLOCK_REGISTERS = (
        "CR", "PLLCFGR", "CFGR", "CSR", "PLLI2SCFGR", "PLLSAICFGR", "DCKCFGR1", "DCKCFGR2",
    )  # fmt: skip
    MUXES = (
        _uart("usart1", "apb2", 0),
        _uart("usart2", "apb1", 2),
        _uart("usart3", "apb1", 4),
        _uart("uart4", "apb1", 6),
        _uart("uart5", "apb1", 8),
        _uart("usart6", "apb2", 10),
        _uart("uart7", "apb1", 12),
        _uart("uart8", "apb1", 14),
        *(
            KernelMux((f"i2c{number}",), DCKCFGR2, 14 + 2 * number, 2, ("apb1", "sysclk", "hsi"))
            for number in (1, 2, 3, 4)
        ),
        KernelMux(("lptim1",), DCKCFGR2, 24, 2, ("apb1", "lsi", "hsi", "lse")),
        KernelMux(("cec",), DCKCFGR2, 26, 1, ("lse", "hsi_488")),
        KernelMux(("rng", "otg_fs", "clk48"), DCKCFGR2, 27, 1, ("pll_q", "pllsai_p")),
        KernelMux(("sdmmc1",), DCKCFGR2, 28, 1, ("clk48", "sysclk")),
        KernelMux(("sai1",), DCKCFGR1, 20, 2, ("pllsai_sai", "plli2s_sai")),
        KernelMux(("sai2",), DCKCFGR1, 22, 2, ("pllsai_sai", "plli2s_sai")),
        KernelMux(("i2s",), CFGR, 23, 1, ("plli2s_r",)),
    )
    RESET_FLAGS_OFFSET = CSR
    RESET_FLAGS_MASK = 0xFE000000
    POWER_ON_FLAGS = 0x0E000000  # BOR, PIN, POR
    # Every internal reset pulls NRST as well (RM0385, reset circuit): PINRSTF (26) with each.
    RESET_FLAGS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("iwdg", 1 << 29 | 1 << 26),
        ("wwdg", 1 << 30 | 1 << 26),
        ("pin", 1 << 26),
        ("power", 0x0E000000),
        ("low", 1 << 31 | 1 << 26),
        ("software", 1 << 28 | 1 << 26),
    )

    # Registers

    def read_CR(self) -> int:
        return self.with_ready_bits(CR)

    def quiet_CR(self) -> int:
        return self.quiet_ready_bits(CR)

    def write_CR(self, value: int) -> None:
        self.write_switches(CR, value, _CR_WRITABLE)

    def read_CFGR(self) -> int:
        return self.get(CFGR) & ~0b1100 | self.SYSTEM_SOURCES.index(self.system_source()) << 2

    def read_CSR(self) -> int:
        return self.with_ready_bits(CSR)

    def quiet_CSR(self) -> int:
        return self.quiet_ready_bits(CSR)

    def write_CSR(self, value: int) -> None:
        if value & _RMVF:
            self.store(CSR, self.get(CSR) & ~self.RESET_FLAGS_MASK)
        self.write_switches(CSR, value, 1)

    def write_CIR(self, value: int) -> None:
        flags = self.get(CIR) & 0xFF & ~(value >> 16 & 0xFF)
        self.write_interrupt_enables(CIR, value & 0x7F00 | flags)

    # What the family's base asks

    def interrupt_enables(self) -> int:
        return self.get(CIR) >> 8 & 0x7F

    def ready_flags(self) -> int:
        return self.get(CIR) & 0x7F

    def set_ready_flag(self, number: int) -> None:
        self.store(CIR, self.get(CIR) | 1 << number)

    def wanted_source(self) -> str | None:
        code = self.get(CFGR) & 0b11
        return self.SYSTEM_SOURCES[code] if code < len(self.SYSTEM_SOURCES) else None

    def pll_input(self, name: str) -> str | None:  # noqa: ARG002 - one input for all three
        # The three PLLs share source and input divider; a divider below 2 is wrong (PLLM).
        configuration = self.get(PLLCFGR)
        if configuration & 0x3F < 2:
            return None
        return "hse" if configuration & _PLLSRC_HSE else "hsi"

    def nominal_hz(self) -> dict[str, int]:
        return {"hsi": HSI_HZ, "lsi": self.LSI_HZ}

    def fixed_kernels(self) -> dict[str, str]:
        return {
            "spi1": "apb2", "spi2": "apb1", "spi3": "apb1", "spi4": "apb2", "spi5": "apb2",
            "spi6": "apb2", "adc": "apb2", "iwdg": "lsi_forced", "ltdc": "ltdc",
            "spdifrx": "plli2s_p", "quadspi": "ahb", "fmc": "ahb",
        }  # fmt: skip

    def bus_clocks(self) -> BusClocks:
        configuration = self.get(CFGR)
        sysclk_hz = self.source_hz(self.system_source())
        ahb_hz = sysclk_hz // ahb_divider(configuration >> 4 & 0xF)
        dividers = [
            ("apb1", apb_divider(configuration >> 10 & 7)),
            ("apb2", apb_divider(configuration >> 13 & 7)),
        ]
        fast = bool(self.get(DCKCFGR1) & _TIMPRE)
        return BusClocks(
            sysclk_hz=sysclk_hz,
            core_hz=ahb_hz,
            bus_ratio=1,
            ahb_hz=ahb_hz,
            apb_hz=tuple((bus, ahb_hz // divider) for bus, divider in dividers),
            timers_hz=tuple(
                (f"{bus}_timer", timer_hz(ahb_hz, divider, fast)) for bus, divider in dividers
            ),
        )

    def kernel_inputs(self, buses: BusClocks) -> dict[str, int]:
        i2s, sai, dividers = self.get(PLLI2SCFGR), self.get(PLLSAICFGR), self.get(DCKCFGR1)
        sai_r_hz = self._pll_hz("pllsai", sai, sai >> 28 & 7)
        inputs = {
            **buses.named(),
            "sysclk": buses.sysclk_hz,
            "hsi": HSI_HZ if self.is_on("hsi") else 0,
            "hsi_488": HSI_HZ // 488,
            "lse": self.crystal_hz("lse") if self.is_on("lse") else 0,
            "lsi": self.LSI_HZ if self.is_on("lsi") else 0,
            "lsi_forced": self.LSI_HZ,  # the watchdog starts it by itself
            "pll_q": self._pll_hz("pll", self.get(PLLCFGR), self.get(PLLCFGR) >> 24 & 0xF),
            "plli2s_p": self._pll_hz("plli2s", i2s, 2 * (i2s >> 16 & 3) + 2),
            "plli2s_r": self._pll_hz("plli2s", i2s, i2s >> 28 & 7),
            "pllsai_p": self._pll_hz("pllsai", sai, 2 * (sai >> 16 & 3) + 2),
            "plli2s_sai": self._pll_hz("plli2s", i2s, i2s >> 24 & 0xF) // ((dividers & 0x1F) + 1),
            "pllsai_sai": self._pll_hz("pllsai", sai, sai >> 24 & 0xF)
            // ((dividers >> 8 & 0x1F) + 1),
            "ltdc": sai_r_hz // (2 << (dividers >> 16 & 3)),
        }
        uses_sai = self.get(DCKCFGR2) >> 27 & 1
        inputs["clk48"] = inputs["pllsai_p" if uses_sai else "pll_q"]
        prescaler = self.get(CFGR) >> 16 & 0x1F
        hse_hz = self.crystal_hz("hse") if self.is_on("hse") else 0
        inputs["rtc"] = self.rtc_hz(hse_hz // prescaler if prescaler > 1 else 0)
        return inputs

    def source_hz(self, name: str) -> int:
        if name == "hsi":
            return HSI_HZ
        if name == "hse":
            return self.crystal_hz("hse")
        configuration = self.get(PLLCFGR)
        return self._pll_hz("pll", configuration, 2 * (configuration >> 16 & 3) + 2)

    def _pll_hz(self, name: str, configuration: int, divider: int) -> int:
        """An output of a PLL, where N is at the same place in all three registers."""
        feed = self.pll_input(name)
        if feed is None or divider == 0 or not self.is_on(name):
            return 0
        source_hz = HSI_HZ if feed == "hsi" else self.crystal_hz("hse")
        return pll_hz(source_hz, self.get(PLLCFGR) & 0x3F, configuration >> 6 & 0x1FF, 0, divider)


MODEL = RccF7
