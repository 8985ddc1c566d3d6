"""The clock tree of STM32F746, through the registers that HAL writes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.peripherals.clock_dividers import ahb_divider, apb_divider
from emu.peripherals.models.rcc_f7 import HSI_HZ
from tests.emu.peripherals.clock_bench import F746_PLACES, ClockBench, crystals, f746

CR, PLLCFGR, CFGR, CIR, BDCR, CSR = 0x00, 0x04, 0x08, 0x0C, 0x70, 0x74
PLLI2SCFGR, PLLSAICFGR, DCKCFGR1, DCKCFGR2 = 0x84, 0x88, 0x8C, 0x90
AHB1RSTR, APB2RSTR, APB1ENR, APB2ENR = 0x10, 0x24, 0x40, 0x44
PWR_CR1, PWR_CSR1, ACR = 0x00, 0x04, 0x00

HSION, HSIRDY, HSEON, HSERDY, PLLON, PLLRDY = 1, 1 << 1, 1 << 16, 1 << 17, 1 << 24, 1 << 25
TREE = ("core", "axi", "ahb", "apb1", "apb2", "apb1_timer", "apb2_timer")


def mhz(*values: float) -> tuple[int, ...]:
    return tuple(round(value * 1_000_000) for value in values)


def pll(m: int, n: int, p: int, q: int, *, from_hse: bool) -> int:
    return m | n << 6 | (p // 2 - 1) << 16 | from_hse << 22 | q << 24 | 2 << 28


def system_clock_config(bench: ClockBench, configuration: int, *, from_hse: bool = True) -> None:
    """216 MHz with over-drive, in HAL's order."""
    bench.modify("rcc", APB1ENR, 0, 1 << 28)
    bench.modify("pwr", PWR_CR1, 3 << 14, 3 << 14)
    if from_hse:
        bench.modify("rcc", CR, 0, HSEON)
        bench.wait("rcc", CR, HSERDY, HSERDY)
    bench.modify("rcc", CR, PLLON, 0)
    bench.wait("rcc", CR, PLLRDY, 0)
    bench.write("rcc", PLLCFGR, configuration)
    bench.modify("rcc", CR, 0, PLLON)
    bench.wait("rcc", CR, PLLRDY, PLLRDY)
    bench.modify("pwr", PWR_CR1, 0, 1 << 16)
    bench.wait("pwr", PWR_CSR1, 1 << 16, 1 << 16)
    bench.modify("pwr", PWR_CR1, 0, 1 << 17)
    bench.wait("pwr", PWR_CSR1, 1 << 17, 1 << 17)
    bench.modify("flash", ACR, 0xF, 7)
    assert bench.read("flash", ACR) & 0xF == 7
    bench.modify("rcc", CFGR, 0x7 << 10 | 0x7 << 13, 7 << 10 | 7 << 13)
    bench.modify("rcc", CFGR, 0xF << 4, 0)
    bench.modify("rcc", CFGR, 3, 2)
    bench.wait("rcc", CFGR, 3 << 2, 2 << 2)
    bench.modify("rcc", CFGR, 7 << 10, 5 << 10)
    bench.modify("rcc", CFGR, 7 << 13, 4 << 13)


def test_after_reset_everything_runs_from_hsi() -> None:
    bench = f746()
    assert bench.read("rcc", CR) == 0x83
    assert bench.hz(*TREE) == mhz(*[16] * 7)
    assert bench.space.clocks.bus_ratio == 1
    assert bench.space.clocks.flash_wait_states == 0
    assert bench.space.clocks.accelerator is False


def test_216_mhz_from_the_discovery_boards_crystal() -> None:
    bench = f746()
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    assert bench.hz(*TREE) == mhz(216, 216, 216, 54, 108, 108, 216)
    assert bench.hz("usart1", "usart2", "rng", "lptim1") == mhz(108, 54, 48, 54)
    assert bench.space.clocks.bus_ratio == 1
    assert bench.clock_history[-1][1:] == (216_000_000, 1, 7)
    assert bench.notes == []


def test_216_mhz_from_hsi() -> None:
    bench = f746(hse_hz=None)
    system_clock_config(bench, pll(8, 216, 2, 9, from_hse=False), from_hse=False)
    assert bench.hz(*TREE) == mhz(216, 216, 216, 54, 108, 108, 216)
    assert bench.notes == []


def test_hal_deinit_returns_to_hsi() -> None:
    bench = f746()
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    bench.modify("rcc", CR, 0, HSION)
    bench.wait("rcc", CR, HSIRDY, HSIRDY)
    bench.write("rcc", CFGR, 0)
    bench.wait("rcc", CFGR, 0xC, 0)
    bench.modify("rcc", CR, HSEON, 0)
    bench.wait("rcc", CR, HSERDY, 0)
    bench.modify("rcc", CR, PLLON, 0)
    bench.wait("rcc", CR, PLLRDY, 0)
    bench.write("rcc", PLLCFGR, 0x24003010)
    assert bench.hz(*TREE) == mhz(*[16] * 7)


def test_hse_takes_two_milliseconds_and_the_time_is_modelled_time() -> None:
    bench = f746()
    bench.modify("rcc", CR, 0, HSEON)
    assert bench.wait("rcc", CR, HSERDY, HSERDY) == pytest.approx(2_000, abs=2)


def test_a_crystal_that_the_board_lacks_never_gets_ready_and_is_said_once() -> None:
    bench = f746(hse_hz=None)
    for _ in range(2):
        bench.modify("rcc", CR, 0, HSEON)
        bench.run(16_000_000)
        assert not bench.read("rcc", CR) & HSERDY
        bench.modify("rcc", CR, HSEON, 0)
    assert len(bench.notes) == 1
    assert "HSE" in bench.notes[0]
    assert "oscillators_hz" in bench.notes[0]


def test_sysclk_switches_when_its_new_source_is_ready() -> None:
    bench = f746()
    bench.modify("rcc", CR, 0, HSEON)
    bench.modify("rcc", CFGR, 3, 1)
    bench.run(16_000)  # 1 ms
    assert bench.read("rcc", CFGR) & 0xC == 0
    assert bench.hz("core") == mhz(16)
    bench.run(16_100)
    assert bench.read("rcc", CFGR) & 0xC == 4
    assert bench.hz("core") == mhz(25)
    cycles, core_hz, _, _ = bench.clock_history[-1]
    assert (cycles, core_hz) == (32_000, 25_000_000)


def test_what_sysclk_runs_from_cannot_be_switched_off() -> None:
    bench = f746()
    bench.modify("rcc", CR, HSION, 0)
    assert bench.read("rcc", CR) & (HSION | HSIRDY) == HSION | HSIRDY
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    bench.modify("rcc", CR, HSEON | PLLON | HSION, 0)
    assert bench.read("rcc", CR) & (HSEON | PLLON | HSION) == HSEON | PLLON


def test_a_pll_without_its_source_does_not_lock() -> None:
    bench = f746()
    bench.write("rcc", PLLCFGR, pll(25, 432, 2, 9, from_hse=True))
    bench.modify("rcc", CR, 0, PLLON)
    bench.run(160_000)
    assert not bench.read("rcc", CR) & PLLRDY


@pytest.mark.parametrize(("timpre", "timers_mhz"), [(0, (108, 216)), (1, (216, 216))])
def test_timpre_doubles_the_timers_of_a_slow_bus(timpre: int, timers_mhz: tuple[int, int]) -> None:
    bench = f746()
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    bench.write("rcc", DCKCFGR1, timpre << 24)
    assert bench.hz("apb1_timer", "apb2_timer") == mhz(*timers_mhz)


@pytest.mark.parametrize(("code", "expected_hz"), [(1, 216_000_000), (2, HSI_HZ), (3, 32_768)])
def test_a_usart_selects_its_kernel_clock(code: int, expected_hz: int) -> None:
    bench = f746()
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    bench.modify("pwr", PWR_CR1, 0, 1 << 8)
    bench.write("rcc", BDCR, 1)
    bench.modify("rcc", CR, 0, HSION)
    bench.write("rcc", DCKCFGR2, code | code << 2)
    assert bench.hz("usart1", "usart2") == (expected_hz, expected_hz)


def test_48_mhz_can_come_from_pllsai() -> None:
    bench = f746()
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    bench.write("rcc", PLLSAICFGR, 384 << 6 | 3 << 16 | 2 << 24 | 2 << 28)
    bench.modify("rcc", CR, 0, 1 << 28)
    bench.wait("rcc", CR, 1 << 29, 1 << 29)
    bench.write("rcc", DCKCFGR2, 1 << 27)
    assert bench.hz("rng", "sdmmc1") == mhz(48, 48)


def test_writes_that_decide_no_frequency_change_no_clock() -> None:
    bench = f746(from_reset=False)
    for offset in (0x30, 0x34, 0x38, 0x40, 0x44):
        bench.write("rcc", offset, 0xFFFFFFFF)
    assert bench.clock_history == []
    assert not bench.space.clocks.firmware_set


def test_the_boards_clock_stands_until_the_registers_say_something_new() -> None:
    bench = f746(from_reset=False)
    before = bench.hz(*TREE)
    bench.write("rcc", CFGR, 0)  # a start-up file that puts everything to reset values
    bench.modify("rcc", CR, 0, HSEON)
    bench.write("flash", ACR, 0x300)
    assert bench.hz(*TREE) == before
    assert not bench.rcc.rules
    bench.wait("rcc", CR, HSERDY, HSERDY)
    bench.modify("rcc", CFGR, 3, 1)
    assert bench.rcc.rules
    assert bench.hz(*TREE) == mhz(*[25] * 7)
    assert bench.space.clocks.flash_wait_states == 0
    assert bench.space.clocks.accelerator is True


def test_kernel_clocks_follow_their_selectors_while_the_boards_clock_stands() -> None:
    bench = f746(from_reset=False)
    assert bench.hz("usart1", "usart2") == bench.hz("apb2", "apb1")
    bench.write("rcc", DCKCFGR2, 2)
    assert bench.hz("usart1", "core") == (HSI_HZ, bench.board.clock_hz)


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(2, 63),
    n=st.integers(50, 432),
    p=st.sampled_from([2, 4, 6, 8]),
    q=st.integers(2, 15),
    hpre=st.integers(0, 15),
    ppre1=st.integers(0, 7),
    ppre2=st.integers(0, 7),
    hse_hz=st.integers(4_000_000, 26_000_000),
)
def test_the_tree_is_the_manuals_formulas(
    m: int, n: int, p: int, q: int, hpre: int, ppre1: int, ppre2: int, hse_hz: int
) -> None:
    bench = f746(hse_hz)
    bench.modify("rcc", CR, 0, HSEON)
    bench.write("rcc", PLLCFGR, pll(m, n, p, q, from_hse=True))
    bench.modify("rcc", CR, 0, PLLON)
    bench.wait("rcc", CR, PLLRDY, PLLRDY)
    bench.write("rcc", CFGR, 2 | hpre << 4 | ppre1 << 10 | ppre2 << 13)
    sysclk_hz = hse_hz * n // (m * p)
    core_hz = sysclk_hz // ahb_divider(hpre)
    assert bench.hz("core", "axi", "ahb") == (core_hz,) * 3
    assert bench.hz("apb1", "apb2") == (
        core_hz // apb_divider(ppre1), core_hz // apb_divider(ppre2),
    )  # fmt: skip
    assert bench.hz("rng") == (hse_hz * n // (m * q),)


# Interrupts


def test_a_ready_interrupt_comes_when_the_source_is_ready() -> None:
    bench = f746()
    bench.write("rcc", CIR, 1 << 11)
    bench.modify("rcc", CR, 0, HSEON)
    bench.run(31_900)
    assert bench.raised == []
    bench.run(200)
    assert bench.raised == [5]
    assert bench.read("rcc", CIR) & 0xFF == 1 << 3
    bench.write("rcc", CIR, 1 << 19)
    assert not bench.interrupts[5]


def test_enabling_the_interrupt_of_a_source_that_is_ready_raises_nothing() -> None:
    bench = f746()
    bench.write("rcc", CIR, 1 << 10)
    bench.run(1_000)
    assert bench.raised == []


# Backup domain


def test_the_backup_domain_is_closed_until_dbp() -> None:
    bench = f746()
    bench.write("rcc", BDCR, 1)
    assert bench.read("rcc", BDCR) == 0
    assert "DBP" in bench.notes[0]
    bench.modify("pwr", PWR_CR1, 0, 1 << 8)
    bench.write("rcc", BDCR, 1)
    bench.wait("rcc", BDCR, 2, 2)


@pytest.mark.parametrize(
    ("select", "expected_hz"), [(0, 0), (1, 32_768), (2, 32_000), (3, 1_000_000)]
)
def test_rtcsel_chooses_the_rtcs_clock(select: int, expected_hz: int) -> None:
    bench = f746()
    bench.modify("pwr", PWR_CR1, 0, 1 << 8)
    bench.modify("rcc", CR, 0, HSEON)
    bench.modify("rcc", CSR, 0, 1)
    bench.modify("rcc", CFGR, 0, 25 << 16)
    bench.write("rcc", BDCR, 1 | select << 8 | 1 << 15)
    assert bench.hz("rtc") == (expected_hz,)


def test_rtcsel_is_chosen_once_until_the_backup_domain_is_reset() -> None:
    bench = f746()
    bench.modify("pwr", PWR_CR1, 0, 1 << 8)
    bench.write("rcc", BDCR, 1 << 8)
    bench.write("rcc", BDCR, 2 << 8)
    assert bench.read("rcc", BDCR) == 1 << 8
    bench.write("rtc", 0x50, 0xCAFE)
    bench.write("rcc", BDCR, 1 << 16)
    assert bench.read("rtc", 0x50) == 0
    bench.write("rcc", BDCR, 0)
    bench.write("rcc", BDCR, 2 << 8)
    assert bench.read("rcc", BDCR) == 2 << 8


# Resets and gates


def test_power_on_flags_then_those_of_each_reset_until_rmvf() -> None:
    bench = f746()
    assert bench.read("rcc", CSR) >> 24 == 0x0E
    bench.modify("rcc", CSR, 0, 1 << 24)
    assert bench.read("rcc", CSR) >> 24 == 0
    for reason, flag in (("sysresetreq", 28), ("iwdg", 29), ("wwdg", 30)):
        bench.space.reset()
        bench.rcc.reset_by(reason)
        assert bench.read("rcc", CSR) & (1 << flag | 1 << 26) == 1 << flag | 1 << 26
        bench.modify("rcc", CSR, 0, 1 << 24)


def test_a_reset_returns_to_hsi_and_keeps_the_backup_domain() -> None:
    bench = f746()
    system_clock_config(bench, pll(25, 432, 2, 9, from_hse=True))
    bench.modify("pwr", PWR_CR1, 0, 1 << 8)
    bench.write("rcc", BDCR, 1)
    bench.wait("rcc", BDCR, 2, 2)
    bench.space.reset()
    assert bench.hz(*TREE) == mhz(*[16] * 7)
    assert bench.space.clocks.flash_wait_states == 0
    assert bench.read("rcc", BDCR) == 0b11
    assert bench.read("rcc", CR) == 0x83


def test_a_reset_bit_resets_the_peripheral_as_it_rises() -> None:
    bench = f746()
    bench.write("usart1", 0x0C, 0x1234)
    bench.write("rcc", APB2RSTR, 1 << 4)
    assert bench.read("usart1", 0x0C) == 0
    bench.write("rcc", APB2RSTR, 0)
    bench.write("usart1", 0x0C, 0x1234)
    bench.write("rcc", AHB1RSTR, 0xFFFFFFFF)
    assert bench.read("usart1", 0x0C) == 0x1234


def test_gates_say_whether_a_peripherals_clock_is_on() -> None:
    bench = f746()
    assert not bench.rcc.is_enabled("usart1")
    bench.modify("rcc", APB2ENR, 0, 1 << 4)
    assert bench.rcc.is_enabled("usart1")
    assert bench.rcc.is_enabled("exti"), "no gate"


# What silicon would not do


def test_too_few_wait_states_are_said() -> None:
    bench = f746(hse_hz=None)
    bench.write("rcc", PLLCFGR, pll(8, 216, 4, 9, from_hse=False))
    bench.modify("rcc", CR, 0, PLLON)
    bench.wait("rcc", CR, PLLRDY, PLLRDY)
    bench.modify("rcc", CFGR, 3, 2)
    assert len(bench.notes) == 1
    assert "0 wait states" in bench.notes[0]
    assert "108 MHz" in bench.notes[0]


def test_216_mhz_without_over_drive_is_said() -> None:
    bench = f746(hse_hz=None)
    bench.write("flash", ACR, 7)
    bench.write("rcc", PLLCFGR, pll(8, 216, 2, 9, from_hse=False))
    bench.modify("rcc", CR, 0, PLLON)
    bench.wait("rcc", CR, PLLRDY, PLLRDY)
    bench.modify("rcc", CFGR, 3, 2)
    assert bench.notes == [
        "The firmware sets a core clock of 216 MHz at a voltage scale that allows 180 MHz: "
        "silicon may fail."
    ]


def test_start_up_times_can_be_set_by_the_chips_file() -> None:
    places = [
        replace(place, settings=(("hse_start_up_us", 10),)) if place.name == "rcc" else place
        for place in F746_PLACES
    ]
    bench = ClockBench(crystals("f746", 25_000_000), places, from_reset=True)
    bench.modify("rcc", CR, 0, HSEON)
    assert bench.wait("rcc", CR, HSERDY, HSERDY) == pytest.approx(10, abs=2)
