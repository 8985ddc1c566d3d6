"""RCC of STM32H742/H743/H753, RM0433 chapter 8.

    HSI 64 MHz /HSIDIV -+------------------- SW 0 --+
    CSI 4 MHz ----------+------------------- SW 1 --+-- sys_ck -- D1CPRE -- core
    HSE ----------------+------------------- SW 2 --+               +-- HPRE -- AXI, AHB1..4
                        +-- /DIVM -- PLL1 P  SW 3 --+                     +-- D2PPRE1 -- APB1
                                     Q R                                  +-- D2PPRE2 -- APB2
        PLL2, PLL3: P Q R to the kernel clock selectors                   +-- D1PPRE --- APB3
                                                                          +-- D3PPRE --- APB4

MCO, the clock security systems and the autonomous mode of D3 are registers only.
"""

from __future__ import annotations

from typing import ClassVar

from emu.peripherals.clock_controller import LSE_START_UP_US, ClockController
from emu.peripherals.clock_dividers import ahb_divider, apb_divider, pll_hz, timer_hz
from emu.peripherals.clock_gates import STM32H743_GATES
from emu.peripherals.clock_sources import BusClocks, ClockSource, KernelMux
from emu.peripherals.peripheral import Register

HSI_HZ, CSI_HZ, HSI48_HZ = 64_000_000, 4_000_000, 48_000_000

CR, CRRCR, CFGR, D1CFGR, D2CFGR, D3CFGR = 0x00, 0x08, 0x10, 0x18, 0x1C, 0x20
PLLCKSELR, PLLCFGR, PLL1DIVR, PLL1FRACR = 0x28, 0x2C, 0x30, 0x34
D1CCIPR, D2CCIP1R, D2CCIP2R, D3CCIPR = 0x4C, 0x50, 0x54, 0x58
CIER, CIFR, CICR, CSR, RSR = 0x60, 0x64, 0x68, 0x74, 0xD0

_CR_WRITABLE = 0x150D129B  # all but ready flags and HSIDIVF
_HSIDIVF, _DOMAIN_CLOCKS_READY = 1 << 5, 0b11 << 14
_TIMPRE, _HRTIMSEL = 1 << 15, 1 << 14
_FEEDS = ("hsi", "csi", "hse", None)  # PLLSRC
_RMVF = 1 << 16
_CORE_ALIAS, _CORE_ALIAS_END, _CORE_ALIAS_SHIFT = 0x130, 0x180, 0x60  # RCC_C1_...

_SAI = ("pll1_q", "pll2_p", "pll3_p", "", "per")  # code 3 is a pin
_SERIAL = ("pll2_q", "pll3_q", "hsi_ker", "csi_ker")
_LOW_POWER_TIMER = ("pll2_p", "pll3_r", "lse", "lsi", "per")
_MEMORY = ("ahb", "pll1_q", "pll2_r", "per")


class RccH7(ClockController):
    """Reset and clock control of STM32H743."""

    REGISTERS = (
        Register("CR", CR, 0x1),
        Register("HSICFGR", 0x04, 0x40000000),
        Register("CRRCR", CRRCR, writable=0),
        Register("CSICFGR", 0x0C, 0x20000000),
        Register("CFGR", CFGR),
        Register("D1CFGR", D1CFGR, writable=0xF7F),
        Register("D2CFGR", D2CFGR, writable=0x770),
        Register("D3CFGR", D3CFGR, writable=0x70),
        Register("PLLCKSELR", PLLCKSELR, 0x02020200, writable=0x03F3F3F3),
        Register("PLLCFGR", PLLCFGR, 0x01FF0000, writable=0x01FF0FFF),
        *(
            item
            for number in range(3)
            for item in (
                Register(f"PLL{number + 1}DIVR", PLL1DIVR + 8 * number, 0x01010280),
                Register(f"PLL{number + 1}FRACR", PLL1FRACR + 8 * number, writable=0xFFF8),
            )
        ),
        Register("D1CCIPR", D1CCIPR),
        Register("D2CCIP1R", D2CCIP1R),
        Register("D2CCIP2R", D2CCIP2R),
        Register("D3CCIPR", D3CCIPR),
        Register("CIER", CIER),
        Register("CIFR", CIFR, writable=0),
        Register("CICR", CICR, writable=0),
        Register("BDCR", 0x70),
        Register("CSR", CSR),
        Register("GCR", 0xA0),
        Register("D3AMR", 0xA8),
        Register("RSR", RSR),
    )
    STEADY = ("CFGR", "CRRCR")  # the switch of SYSCLK is an event
    GATES = STM32H743_GATES
    # Start-up times: DS-H743, typical, second-hand; of the PLLs assumed as typical lock time.
    SOURCES = (
        ClockSource("hsi", CR, 0, 2, 2, 2),
        ClockSource("csi", CR, 7, 8, 2, 4),
        ClockSource("hsi48", CR, 12, 13, 3, 5),
        ClockSource("hse", CR, 16, 17, 2_000, 3, crystal=True),
        ClockSource("pll1", CR, 24, 25, 50, 6),
        ClockSource("pll2", CR, 26, 27, 50, 7),
        ClockSource("pll3", CR, 28, 29, 50, 8),
        ClockSource("lse", 0x70, 0, 1, LSE_START_UP_US, 1, crystal=True),
        ClockSource("lsi", CSR, 0, 1, 80, 0),
    )
    SYSTEM_SOURCES = ("hsi", "csi", "hse", "pll1")
    CLOCK_REGISTERS = (
        "CR", "CFGR", "D1CFGR", "D2CFGR", "D3CFGR", "PLLCKSELR", "PLLCFGR",
        "PLL1DIVR", "PLL1FRACR", "PLL2DIVR", "PLL2FRACR", "PLL3DIVR", "PLL3FRACR",
        "D1CCIPR", "D2CCIP1R", "D2CCIP2R", "D3CCIPR", "CSR",
    )  # fmt: skip
    MUXES = (
        KernelMux(("fmc",), D1CCIPR, 0, 2, _MEMORY),
        KernelMux(("quadspi",), D1CCIPR, 4, 2, _MEMORY),
        KernelMux(("sdmmc1", "sdmmc2"), D1CCIPR, 16, 1, ("pll1_q", "pll2_r")),
        KernelMux(("sai1",), D2CCIP1R, 0, 3, _SAI),
        KernelMux(("sai2", "sai3"), D2CCIP1R, 6, 3, _SAI),
        KernelMux(("spi1", "spi2", "spi3"), D2CCIP1R, 12, 3, _SAI),
        KernelMux(("spi4", "spi5"), D2CCIP1R, 16, 3, ("apb2", *_SERIAL, "hse")),
        KernelMux(("spdifrx",), D2CCIP1R, 20, 2, ("pll1_q", "pll2_r", "pll3_r", "hsi_ker")),
        KernelMux(("dfsdm1",), D2CCIP1R, 24, 1, ("apb2", "sysclk")),
        KernelMux(("fdcan1", "fdcan2"), D2CCIP1R, 28, 2, ("hse", "pll1_q", "pll2_q")),
        KernelMux(("swpmi1",), D2CCIP1R, 31, 1, ("apb1", "hsi_ker")),
        KernelMux(
            ("usart2", "usart3", "uart4", "uart5", "uart7", "uart8"),
            D2CCIP2R, 0, 3, ("apb1", *_SERIAL, "lse"),
        ),
        KernelMux(("usart1", "usart6"), D2CCIP2R, 3, 3, ("apb2", *_SERIAL, "lse")),
        KernelMux(("rng",), D2CCIP2R, 8, 2, ("hsi48", "pll1_q", "lse", "lsi")),
        KernelMux(("i2c1", "i2c2", "i2c3"), D2CCIP2R, 12, 2,
                  ("apb1", "pll3_r", "hsi_ker", "csi_ker")),
        KernelMux(("usb",), D2CCIP2R, 20, 2, ("", "pll1_q", "pll3_q", "hsi48")),
        KernelMux(("cec",), D2CCIP2R, 22, 2, ("lse", "lsi", "csi_122")),
        KernelMux(("lptim1",), D2CCIP2R, 28, 3, ("apb1", *_LOW_POWER_TIMER)),
        KernelMux(("lpuart1",), D3CCIPR, 0, 3, ("apb4", *_SERIAL, "lse")),
        KernelMux(("i2c4",), D3CCIPR, 8, 2, ("apb4", "pll3_r", "hsi_ker", "csi_ker")),
        KernelMux(("lptim2",), D3CCIPR, 10, 3, ("apb4", *_LOW_POWER_TIMER)),
        KernelMux(("lptim3", "lptim4", "lptim5"), D3CCIPR, 13, 3, ("apb4", *_LOW_POWER_TIMER)),
        KernelMux(("adc",), D3CCIPR, 16, 2, ("pll2_p", "pll3_r", "per")),
        KernelMux(("sai4a",), D3CCIPR, 21, 3, _SAI),
        KernelMux(("sai4b",), D3CCIPR, 24, 3, _SAI),
        KernelMux(("spi6",), D3CCIPR, 28, 3, ("apb4", *_SERIAL, "hse")),
    )  # fmt: skip
    RESET_FLAGS_OFFSET = RSR
    RESET_FLAGS_MASK = 0x55FA0000 | 1 << 18
    POWER_ON_FLAGS = 0x00FA0000  # POR, PIN, BOR, both domains, CPU
    # Every internal reset pulls NRST as well: PINRSTF (22) and CPURSTF (17) with each.
    RESET_FLAGS: ClassVar[tuple[tuple[str, int], ...]] = (
        ("iwdg", 1 << 26 | 1 << 22 | 1 << 17),
        ("wwdg", 1 << 28 | 1 << 22 | 1 << 17),
        ("pin", 1 << 22 | 1 << 17),
        ("power", 0x00FA0000),
        ("low", 1 << 30 | 1 << 22 | 1 << 17),
        ("software", 1 << 24 | 1 << 22 | 1 << 17),
    )

    def reset(self) -> None:
        self._fractions = [0, 0, 0]
        super().reset()

    # Registers

    def quiet_until(self, offset: int) -> int | None:
        return super().quiet_until(_without_alias(offset))

    def read_word(self, offset: int) -> int:
        return super().read_word(_without_alias(offset))

    def write_word(self, offset: int, value: int) -> None:
        super().write_word(_without_alias(offset), value)

    def read_CR(self) -> int:
        return self.with_ready_bits(CR) | _HSIDIVF | _DOMAIN_CLOCKS_READY

    def quiet_CR(self) -> int:
        return self.quiet_ready_bits(CR)

    def write_CR(self, value: int) -> None:
        self.write_switches(CR, value, _CR_WRITABLE)

    def read_CRRCR(self) -> int:
        return 0x200 if self.is_on("hsi48") else 0  # assumed: calibrated to the middle

    def read_CFGR(self) -> int:
        return self.get(CFGR) & ~(0b111 << 3) | self._source << 3

    def write_PLLCFGR(self, value: int) -> None:
        # FRACN is taken over where its enable bit rises.
        rising = value & ~self.get(PLLCFGR)
        for number in range(3):
            if rising & 1 << 4 * number:
                self._fractions[number] = self.get(PLL1FRACR + 8 * number) >> 3 & 0x1FFF
        self.store(PLLCFGR, value & self._by_offset[PLLCFGR].writable)

    def read_CSR(self) -> int:
        return self.with_ready_bits(CSR)

    def quiet_CSR(self) -> int:
        return self.quiet_ready_bits(CSR)

    def write_CSR(self, value: int) -> None:
        self.write_switches(CSR, value, 1)

    def write_RSR(self, value: int) -> None:
        if value & _RMVF:
            self.store(RSR, 0)

    def write_CIER(self, value: int) -> None:
        self.write_interrupt_enables(CIER, value & 0x3FF)

    def write_CICR(self, value: int) -> None:
        self.store(CIFR, self.get(CIFR) & ~value)
        self._set_interrupt_output()

    # What the family's base asks

    def interrupt_enables(self) -> int:
        return self.get(CIER) & 0x1FF

    def ready_flags(self) -> int:
        return self.get(CIFR) & 0x1FF

    def set_ready_flag(self, number: int) -> None:
        self.store(CIFR, self.get(CIFR) | 1 << number)

    def wanted_source(self) -> str | None:
        code = self.get(CFGR) & 0b111
        return self.SYSTEM_SOURCES[code] if code < len(self.SYSTEM_SOURCES) else None

    def pll_input(self, name: str) -> str | None:
        return _FEEDS[self.get(PLLCKSELR) & 3] if self._input_divider(name) else None

    def nominal_hz(self) -> dict[str, int]:
        return {"hsi": self._hsi_hz(), "csi": CSI_HZ, "lsi": self.LSI_HZ, "hsi48": HSI48_HZ}

    def fixed_kernels(self) -> dict[str, str]:
        return {"iwdg": "lsi_forced", "iwdg1": "lsi_forced", "ltdc": "pll3_r", "hrtim1": "hrtim"}

    def bus_clocks(self) -> BusClocks:
        domain1, domain2 = self.get(D1CFGR), self.get(D2CFGR)
        sysclk_hz = self.source_hz(self.system_source())
        core_hz = sysclk_hz // ahb_divider(domain1 >> 8 & 0xF)
        bus_ratio = ahb_divider(domain1 & 0xF)
        ahb_hz = core_hz // bus_ratio
        apb1, apb2 = apb_divider(domain2 >> 4 & 7), apb_divider(domain2 >> 8 & 7)
        apb3, apb4 = apb_divider(domain1 >> 4 & 7), apb_divider(self.get(D3CFGR) >> 4 & 7)
        fast = bool(self.get(CFGR) & _TIMPRE)
        return BusClocks(
            sysclk_hz=sysclk_hz,
            core_hz=core_hz,
            bus_ratio=bus_ratio,
            ahb_hz=ahb_hz,
            apb_hz=tuple(
                (f"apb{number}", ahb_hz // divider)
                for number, divider in enumerate((apb1, apb2, apb3, apb4), 1)
            ),
            timers_hz=(
                ("apb1_timer", timer_hz(ahb_hz, apb1, fast)),
                ("apb2_timer", timer_hz(ahb_hz, apb2, fast)),
            ),
        )

    def kernel_inputs(self, buses: BusClocks) -> dict[str, int]:
        hsi_hz = self._hsi_hz() if self.is_on("hsi") else 0
        csi_hz = CSI_HZ if self.is_on("csi") else 0
        hse_hz = self.crystal_hz("hse") if self.is_on("hse") else 0
        prescaler = self.get(CFGR) >> 8 & 0x3F
        named = buses.named()
        return {
            **named,
            **{
                f"pll{number}_{output}": self._pll_output_hz(number, output)
                for number in (1, 2, 3) for output in "pqr"
            },
            "sysclk": buses.sysclk_hz,
            "hsi_ker": hsi_hz,
            "csi_ker": csi_hz,
            "csi_122": csi_hz // 122,
            "hsi48": HSI48_HZ if self.is_on("hsi48") else 0,
            "hse": hse_hz,
            "lse": self.crystal_hz("lse") if self.is_on("lse") else 0,
            "lsi": self.LSI_HZ if self.is_on("lsi") else 0,
            "lsi_forced": self.LSI_HZ,  # the watchdog starts it by itself
            "per": (hsi_hz, csi_hz, hse_hz, 0)[self.get(D1CCIPR) >> 28 & 3],
            "hrtim": buses.core_hz if self.get(CFGR) & _HRTIMSEL else named["apb2_timer"],
            "rtc": self.rtc_hz(hse_hz // prescaler if prescaler > 1 else 0),
        }  # fmt: skip

    def _hsi_hz(self) -> int:
        return HSI_HZ >> (self.get(CR) >> 3 & 3)

    def source_hz(self, name: str) -> int:
        if name == "pll1":
            return self._pll_output_hz(1, "p")
        return {"hsi": self._hsi_hz(), "csi": CSI_HZ}.get(name) or self.crystal_hz(name)

    def _input_divider(self, name: str) -> int:
        return self.get(PLLCKSELR) >> (8 * int(name[3]) - 4) & 0x3F

    def _pll_output_hz(self, number: int, output: str) -> int:
        """Of PLL 1 to 3; 0 when it is off or its output is."""
        name, place, at = f"pll{number}", number - 1, "pqr".index(output)
        feed = self.pll_input(name)
        configuration = self.get(PLLCFGR)
        if feed is None or not self.is_on(name) or not configuration >> 16 + 3 * place + at & 1:
            return 0
        dividers = self.get(PLL1DIVR + 8 * place)
        return pll_hz(
            self.source_hz(feed),
            self._input_divider(name),
            (dividers & 0x1FF) + 1,
            self._fractions[place] if configuration & 1 << 4 * place else 0,
            (dividers >> (9, 16, 24)[at] & 0x7F) + 1,
        )


def _without_alias(offset: int) -> int:
    """RSR and the enable registers appear again as the core's own (RCC_C1_RSR and so on)."""
    inside = _CORE_ALIAS <= offset < _CORE_ALIAS_END
    return offset - _CORE_ALIAS_SHIFT if inside else offset


MODEL = RccH7
