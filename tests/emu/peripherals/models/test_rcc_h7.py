"""The clock tree of STM32H743, through the registers that HAL writes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.peripherals.clock_dividers import ahb_divider, apb_divider
from tests.emu.peripherals.clock_bench import ClockBench, h743

CR, CFGR, D1CFGR, D2CFGR, D3CFGR = 0x00, 0x10, 0x18, 0x1C, 0x20
PLLCKSELR, PLLCFGR, PLL1DIVR, PLL1FRACR = 0x28, 0x2C, 0x30, 0x34
D1CCIPR, D2CCIP1R, D2CCIP2R, D3CCIPR = 0x4C, 0x50, 0x54, 0x58
CIER, CIFR, CICR, BDCR, CSR, RSR = 0x60, 0x64, 0x68, 0x70, 0x74, 0xD0
APB2RSTR, APB2ENR, APB4ENR = 0x98, 0xF0, 0xF4
PWR_CR1, PWR_CSR1, PWR_CR3, PWR_D3CR, PWRCR, ACR = 0x00, 0x04, 0x0C, 0x18, 0x2C, 0x00

HSION, HSIRDY, CSION, CSIRDY = 1, 1 << 2, 1 << 7, 1 << 8
HSEON, HSERDY, PLL1ON, PLL1RDY = 1 << 16, 1 << 17, 1 << 24, 1 << 25
VOSRDY = 1 << 13
BUSES = ("core", "axi", "ahb", "apb1", "apb2", "apb3", "apb4")


def mhz(*values: float) -> tuple[int, ...]:
    return tuple(round(value * 1_000_000) for value in values)


def dividers(n: int, p: int, q: int, r: int) -> int:
    return n - 1 | (p - 1) << 9 | (q - 1) << 16 | (r - 1) << 24


def set_voltage_scale(bench: ClockBench, scale: int) -> None:
    """Supply by LDO, then scale 1 or 0."""
    bench.modify("pwr", PWR_CR3, 0b111, 0b010)
    bench.wait("pwr", PWR_CSR1, VOSRDY, VOSRDY)
    bench.modify("pwr", PWR_D3CR, 3 << 14, 3 << 14)
    bench.wait("pwr", PWR_D3CR, VOSRDY, VOSRDY)
    if scale == 0:
        bench.modify("rcc", APB4ENR, 0, 2)
        bench.modify("syscfg", PWRCR, 0, 1)
        bench.wait("pwr", PWR_D3CR, VOSRDY, VOSRDY)


def start_pll1(bench: ClockBench, source: int, m: int, ratios: int, fraction: int = 0) -> None:
    """As HAL_RCC_OscConfig does."""
    bench.modify("rcc", CR, PLL1ON, 0)
    bench.wait("rcc", CR, PLL1RDY, 0)
    bench.modify("rcc", PLLCKSELR, 3 | 0x3F << 4, source | m << 4)
    bench.write("rcc", PLL1DIVR, ratios)
    bench.modify("rcc", PLLCFGR, 1, 0)
    bench.write("rcc", PLL1FRACR, fraction << 3)
    bench.modify("rcc", PLLCFGR, 0, 7 << 16 | 1)
    bench.modify("rcc", CR, 0, PLL1ON)
    bench.wait("rcc", CR, PLL1RDY, PLL1RDY)


def system_clock_config(bench: ClockBench, scale: int, n: int, wait_states: int) -> None:
    """PLL1 from an 8 MHz crystal, core to AXI 2:1, all APB at half the AXI clock."""
    set_voltage_scale(bench, scale)
    bench.modify("rcc", CR, 0, HSEON)
    bench.wait("rcc", CR, HSERDY, HSERDY)
    start_pll1(bench, 2, 4, dividers(n, 2, 8, 2))
    bench.modify("rcc", D1CFGR, 7 << 4, 4 << 4)
    bench.modify("rcc", D2CFGR, 7 << 4, 4 << 4)
    bench.modify("rcc", D2CFGR, 7 << 8, 4 << 8)
    bench.modify("rcc", D3CFGR, 7 << 4, 4 << 4)
    bench.modify("rcc", D1CFGR, 0xF, 8)
    bench.modify("rcc", D1CFGR, 0xF << 8, 0)
    bench.modify("rcc", CFGR, 7, 3)
    bench.wait("rcc", CFGR, 7 << 3, 3 << 3)
    bench.modify("flash", ACR, 0xF, wait_states)
    assert bench.read("flash", ACR) & 0xF == wait_states


def test_after_reset_everything_runs_from_hsi() -> None:
    bench = h743()
    assert bench.read("rcc", CR) == 0xC025
    assert bench.hz(*BUSES) == mhz(*[64] * 7)
    assert bench.space.clocks.bus_ratio == 1
    assert bench.space.clocks.flash_wait_states == 7


def test_400_mhz_at_voltage_scale_1() -> None:
    bench = h743()
    system_clock_config(bench, scale=1, n=400, wait_states=2)
    assert bench.hz(*BUSES) == mhz(400, 200, 200, 100, 100, 100, 100)
    assert bench.hz("apb1_timer", "apb2_timer") == mhz(200, 200)
    assert bench.hz("usart1", "usart3", "lpuart1", "i2c4") == mhz(100, 100, 100, 100)
    assert bench.clock_history[-1][1:] == (400_000_000, 2, 2)
    assert bench.notes == []


def test_480_mhz_at_voltage_scale_0() -> None:
    bench = h743()
    system_clock_config(bench, scale=0, n=480, wait_states=4)
    assert bench.hz(*BUSES) == mhz(480, 240, 240, 120, 120, 120, 120)
    assert bench.hz("apb1_timer", "apb2_timer") == mhz(240, 240)
    assert bench.clock_history[-1][1:] == (480_000_000, 2, 4)
    assert bench.notes == []


def test_480_mhz_without_the_boost_is_said() -> None:
    bench = h743()
    system_clock_config(bench, scale=1, n=480, wait_states=4)
    assert any("480 MHz" in note and "400 MHz" in note for note in bench.notes)


def test_too_few_wait_states_are_said() -> None:
    bench = h743()
    system_clock_config(bench, scale=0, n=480, wait_states=2)
    assert any("2 wait states" in note and "240 MHz" in note for note in bench.notes)


@pytest.mark.parametrize(
    ("code", "ratio", "core_mhz", "axi_mhz"),
    [(0x000, 1, 64, 64), (0x008, 2, 64, 32), (0x808, 2, 32, 16), (0x009, 4, 64, 16)],
)
def test_d1cpre_divides_the_core_and_hpre_its_buses(
    code: int, ratio: int, core_mhz: int, axi_mhz: int
) -> None:
    bench = h743()
    bench.write("rcc", D1CFGR, code)
    assert bench.hz("core", "axi", "ahb") == mhz(core_mhz, axi_mhz, axi_mhz)
    assert bench.space.clocks.bus_ratio == ratio


@pytest.mark.parametrize(("timpre", "expected_mhz"), [(0, 120), (1, 240)])
def test_timpre(timpre: int, expected_mhz: int) -> None:
    bench = h743()
    system_clock_config(bench, scale=0, n=480, wait_states=4)
    bench.write("rcc", D2CFGR, 5 << 4 | 5 << 8)
    bench.modify("rcc", CFGR, 1 << 15, timpre << 15)
    assert bench.hz("apb1_timer", "apb2_timer") == mhz(expected_mhz, expected_mhz)


def test_hsi_divider_and_csi_as_system_clock() -> None:
    bench = h743()
    bench.modify("rcc", CR, 3 << 3, 3 << 3)
    assert bench.read("rcc", CR) & 1 << 5, "HSIDIVF"
    assert bench.hz("core") == mhz(8)
    bench.modify("rcc", CR, 0, CSION)
    bench.wait("rcc", CR, CSIRDY, CSIRDY)
    bench.modify("rcc", CFGR, 7, 1)
    bench.wait("rcc", CFGR, 7 << 3, 1 << 3)
    assert bench.hz("core") == mhz(4)


def test_hal_deinit_returns_to_hsi() -> None:
    bench = h743()
    system_clock_config(bench, scale=0, n=480, wait_states=4)
    bench.modify("flash", ACR, 0xF, 7)
    bench.modify("rcc", CR, 0, HSION)
    bench.wait("rcc", CR, HSIRDY, HSIRDY)
    bench.write("rcc", CFGR, 0)
    bench.wait("rcc", CFGR, 7 << 3, 0)
    bench.modify("rcc", CR, HSEON | 1 << 1 | 3 << 3 | 1 << 5 | CSION | 1 << 9 | 1 << 12, 0)
    bench.wait("rcc", CR, HSERDY, 0)
    bench.modify("rcc", CR, PLL1ON, 0)
    bench.wait("rcc", CR, PLL1RDY, 0)
    for offset in (D1CFGR, D2CFGR, D3CFGR):
        bench.write("rcc", offset, 0)
    bench.write("rcc", PLLCKSELR, 0x02020200)
    bench.write("rcc", PLLCFGR, 0x01FF0000)
    bench.write("rcc", PLL1DIVR, 0x01010280)
    assert bench.hz(*BUSES) == mhz(*[64] * 7)
    assert bench.notes == []


def test_an_output_that_is_off_is_not_switched_to() -> None:
    bench = h743()
    bench.modify("rcc", CR, 0, HSEON)
    bench.wait("rcc", CR, HSERDY, HSERDY)
    start_pll1(bench, 2, 4, dividers(400, 2, 8, 2))
    bench.modify("rcc", PLLCFGR, 1 << 16, 0)
    bench.modify("rcc", CFGR, 7, 3)
    assert bench.read("rcc", CFGR) & 7 << 3 == 0
    assert bench.hz("core") == mhz(64)


def test_stopping_the_running_plls_output_is_said_and_survived() -> None:
    bench = h743()
    system_clock_config(bench, scale=1, n=400, wait_states=2)
    bench.modify("rcc", PLLCFGR, 1 << 16, 0)
    assert bench.hz("core") == mhz(400)
    assert "stands still" in bench.notes[0]


def test_an_input_divider_of_zero_keeps_the_pll_unlocked() -> None:
    bench = h743()
    bench.modify("rcc", PLLCKSELR, 3 | 0x3F << 4, 0)
    bench.modify("rcc", CR, 0, PLL1ON)
    bench.run(64_000)
    assert not bench.read("rcc", CR) & PLL1RDY


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 63),
    n=st.integers(4, 512),
    p=st.integers(1, 128),
    q=st.integers(1, 128),
    r=st.integers(1, 128),
    fraction=st.integers(0, 8191),
    d1cpre=st.integers(0, 15),
    hpre=st.integers(0, 15),
    ppre=st.integers(0, 7),
)
def test_the_tree_is_the_manuals_formulas(
    m: int, n: int, p: int, q: int, r: int, fraction: int, d1cpre: int, hpre: int, ppre: int
) -> None:
    bench = h743()
    start_pll1(bench, 0, m, dividers(n, p, q, r), fraction)
    bench.write("rcc", D1CFGR, d1cpre << 8 | hpre | ppre << 4)
    bench.modify("rcc", CFGR, 7, 3)
    bench.write("rcc", D2CCIP2R, 1 << 8)
    vco_hz = Fraction(64_000_000, m) * (n + Fraction(fraction, 8192))
    core_hz = int(vco_hz / p) // ahb_divider(d1cpre)
    axi_hz = core_hz // ahb_divider(hpre)
    assert bench.hz("core", "axi", "apb3") == (core_hz, axi_hz, axi_hz // apb_divider(ppre))
    assert bench.hz("rng") == (int(vco_hz / q),)


def test_a_fraction_counts_once_its_enable_bit_rises() -> None:
    bench = h743()
    start_pll1(bench, 0, 32, dividers(129, 2, 2, 2))
    bench.write("rcc", D2CCIP2R, 1 << 8)
    bench.write("rcc", PLL1FRACR, 4096 << 3)
    assert bench.hz("rng") == mhz(129)
    bench.modify("rcc", PLLCFGR, 1, 0)
    assert bench.hz("rng") == mhz(129)
    bench.modify("rcc", PLLCFGR, 0, 1)
    assert bench.hz("rng") == mhz(129.5)


KERNELS = [
    # name, selecting register, shift, code, expected MHz with the clocks of `everything_on`
    ("usart1", D2CCIP2R, 3, 0, 64), ("usart1", D2CCIP2R, 3, 1, 60), ("usart1", D2CCIP2R, 3, 2, 40),
    ("usart1", D2CCIP2R, 3, 3, 64), ("usart1", D2CCIP2R, 3, 4, 4),
    ("usart1", D2CCIP2R, 3, 5, 0.032768), ("usart3", D2CCIP2R, 0, 1, 60),
    ("lpuart1", D3CCIPR, 0, 5, 0.032768), ("i2c1", D2CCIP2R, 12, 1, 30),
    ("i2c4", D3CCIPR, 8, 2, 64), ("rng", D2CCIP2R, 8, 0, 48), ("rng", D2CCIP2R, 8, 3, 0.032),
    ("usb", D2CCIP2R, 20, 3, 48),
    ("lptim1", D2CCIP2R, 28, 3, 0.032768), ("lptim2", D3CCIPR, 10, 1, 120),
    ("lptim4", D3CCIPR, 13, 4, 0.032), ("spi1", D2CCIP1R, 12, 1, 120), ("spi4", D2CCIP1R, 16, 5, 8),
    ("spi6", D3CCIPR, 28, 4, 4), ("adc", D3CCIPR, 16, 1, 30), ("fdcan1", D2CCIP1R, 28, 0, 8),
    ("fmc", D1CCIPR, 0, 2, 80), ("quadspi", D1CCIPR, 4, 0, 64), ("sdmmc1", D1CCIPR, 16, 1, 80),
    ("cec", D2CCIP2R, 22, 2, 4 / 122),
]  # fmt: skip


@pytest.mark.parametrize(("name", "register", "shift", "code", "expected_mhz"), KERNELS)
def test_kernel_clock_selectors(
    name: str, register: int, shift: int, code: int, expected_mhz: float
) -> None:
    bench = h743()
    bench.modify("pwr", PWR_CR1, 0, 1 << 8)
    bench.write("rcc", BDCR, 1)
    bench.write("rcc", CSR, 1)
    bench.modify("rcc", CR, 0, CSION | 1 << 12 | HSEON)
    bench.modify("rcc", PLLCKSELR, 3 | 0x3F << 12 | 0x3F << 20, 2 | 4 << 12 | 4 << 20)
    bench.write("rcc", PLL1DIVR + 8, dividers(120, 2, 4, 3))
    bench.write("rcc", PLL1DIVR + 16, dividers(60, 1, 3, 4))
    bench.modify("rcc", CR, 0, 1 << 26 | 1 << 28)
    bench.write("rcc", register, code << shift)
    assert bench.hz(name) == (int(expected_mhz * 1_000_000),)


def test_the_peripheral_clock_feeds_what_selects_it() -> None:
    bench = h743()
    bench.modify("rcc", CR, 0, HSEON)
    bench.write("rcc", D2CCIP1R, 4 << 12)
    for code, expected_mhz in ((0, 64), (1, 0), (2, 8)):
        bench.write("rcc", D1CCIPR, code << 28)
        assert bench.hz("spi1") == mhz(expected_mhz)


def test_the_boards_clock_stands_through_a_start_up_that_resets_the_registers() -> None:
    bench = h743(from_reset=False)
    bench.modify("rcc", CR, 0, 1)
    bench.write("rcc", CFGR, 0)
    bench.write("rcc", CR, bench.read("rcc", CR) & 0xEAF6ED7F)
    for offset in (D1CFGR, D2CFGR, D3CFGR):
        bench.write("rcc", offset, 0)
    bench.write("rcc", PLLCKSELR, 0x02020200)
    bench.write("rcc", PLLCFGR, 0x01FF0000)
    assert bench.hz("core", "axi") == mhz(480, 240)
    bench.write("rcc", D1CFGR, 8)
    assert bench.hz("core", "axi") == mhz(64, 32)


def test_reset_flags() -> None:
    bench = h743()
    assert bench.read("rcc", RSR) == 0x00FA0000
    bench.modify("rcc", RSR, 0, 1 << 16)
    assert bench.read("rcc", RSR) == 0
    bench.space.reset()
    bench.rcc.reset_by("sysresetreq")
    assert bench.read("rcc", RSR) == 1 << 24 | 1 << 22 | 1 << 17


def test_the_cores_own_registers_are_the_same_ones() -> None:
    bench = h743()
    bench.write("rcc", APB2ENR + 0x60, 1 << 4)
    assert bench.read("rcc", APB2ENR) == 1 << 4
    assert bench.rcc.is_enabled("usart1")
    assert bench.read("rcc", 0x130) == bench.read("rcc", RSR)


def test_a_reset_bit_resets_the_peripheral() -> None:
    bench = h743()
    bench.write("usart1", 0x0C, 0x1234)
    bench.write("rcc", APB2RSTR, 1 << 4)
    assert bench.read("usart1", 0x0C) == 0


def test_a_ready_interrupt() -> None:
    bench = h743()
    bench.write("rcc", CIER, 1 << 4)
    bench.modify("rcc", CR, 0, CSION)
    bench.run(1_000)
    assert bench.raised == [5]
    assert bench.read("rcc", CIFR) == 1 << 4
    bench.write("rcc", CICR, 1 << 4)
    assert not bench.interrupts[5]
