"""Timers through their registers: the right cycle, the right flag, the right wire."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.errors import BoardError
from emu.peripherals import timer_registers
from emu.peripherals.timer_registers import (
    ARR,
    CCER,
    CCMR1,
    CCMR2,
    CCR1,
    CCR4,
    CNT,
    CR1,
    CR2,
    DCR,
    DIER,
    DMAR,
    EGR,
    OR,
    PSC,
    RCR,
    SMCR,
    SR,
)
from tests.emu.peripherals.bench import Bench

CORE_HZ = 216_000_000


def place(name: str, start: int = 0x40000000, **choices: str | int) -> MappedPeripheral:
    irqs = {"global": 28}
    if choices.get("kind") == "advanced":
        irqs = {"update": 25, "compare": 27, "break": 24, "trigger": 26}
    return MappedPeripheral(
        name, "timer", start, 0x400, tuple(irqs.items()), "apb1_timer", tuple(choices.items())
    )


def bench(*places: MappedPeripheral, timer_hz: int = CORE_HZ, core_hz: int = CORE_HZ) -> Bench:
    made = Bench("f746", list(places) or [place("tim2", bits=32)])
    made.space.clocks.change({"core": core_hz, "apb1_timer": timer_hz})
    return made


def pulses(made: Bench, wire: str) -> list[int]:
    """Cycles at which a wire rises, from now on."""
    found: list[int] = []
    made.space.on_signal(wire, lambda level: found.append(made.cycles) if level else None)
    return found


def test_the_counter_moves_one_tick_after_it_is_enabled() -> None:
    made = bench(timer_hz=108_000_000)
    made.write("tim2", CR1, 1)
    seen = []
    for cycle in range(8):
        made.run_to(cycle)
        seen.append(made.read("tim2", CNT))
    assert seen == [0, 0, 0, 0, 1, 1, 2, 2]


def test_a_prescaled_counter_counts_microseconds() -> None:
    made = bench(timer_hz=108_000_000)
    made.write("tim2", PSC, 107)
    made.write("tim2", EGR, 1)
    made.write("tim2", CR1, 1)
    made.run(2 + 216 * 1_000_000)
    assert made.read("tim2", CNT) == 1_000_000


def test_the_prescaler_is_buffered_until_an_update() -> None:
    made = bench()
    made.write("tim2", ARR, 9)
    made.write("tim2", PSC, 1)
    made.write("tim2", CR1, 1)
    made.run_to(1 + 10)
    assert made.read("tim2", CNT) == 0
    made.run(10)
    assert made.read("tim2", CNT) == 5


def test_the_update_interrupt_is_raised_at_the_exact_cycle_until_the_flag_is_cleared() -> None:
    made = bench(timer_hz=108_000_000)
    for offset, value in ((PSC, 107), (ARR, 999), (EGR, 1), (SR, 0), (DIER, 1), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run_to(2 + 215_999)
    assert made.raised == []
    made.run(1)
    assert made.raised == [28]
    assert made.read("tim2", SR) & 1
    made.write("tim2", SR, 0xFFFFFFFE)
    assert not made.interrupts[28]
    made.run(215_999)
    assert made.raised == [28]
    made.run(1)
    assert made.raised == [28, 28]


def test_writing_ones_to_the_status_clears_nothing() -> None:
    made = bench()
    made.write("tim2", EGR, 0b11110)
    made.write("tim2", SR, 0b10100)
    assert made.read("tim2", SR) == 0b10100
    made.write("tim2", SR, 0xFFFFFFFF)
    assert made.read("tim2", SR) == 0b10100


def test_without_an_enabled_interrupt_nothing_is_scheduled() -> None:
    made = bench()
    made.write("tim2", ARR, 9)
    made.write("tim2", CR1, 1)
    assert made.space.schedule.next_cycles() is None
    made.run(1_000_000)
    assert made.read("tim2", SR) & 1


def test_a_pending_update_interrupt_is_not_scheduled_again() -> None:
    made = bench()
    for offset, value in ((ARR, 9), (DIER, 1), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run(100)
    assert made.raised == [28]
    assert made.space.schedule.next_cycles() is None


def test_a_compare_interrupt_wakes_a_microsecond_ticker() -> None:
    """What mbed's us_ticker does: a free 32-bit counter, one compare value ahead at a time."""
    made = bench(timer_hz=108_000_000)
    for offset, value in ((PSC, 107), (EGR, 1), (SR, 0), (CR1, 1)):
        made.write("tim2", offset, value)
    for wake_us in (5, 1_000, 1_003, 2_000_000):
        made.write("tim2", CCR1, wake_us)
        made.write("tim2", SR, ~2 & 0xFFFFFFFF)
        made.write("tim2", DIER, 2)
        due = made.space.schedule.next_cycles()
        assert due == 2 + wake_us * 216
        made.run_to(due)
        assert made.interrupts[28]
        assert made.read("tim2", CNT) == wake_us
        made.write("tim2", DIER, 0)
    assert made.raised == [28] * 4


def test_software_can_fire_the_compare_interrupt() -> None:
    made = bench()
    made.write("tim2", DIER, 2)
    made.write("tim2", EGR, 2)
    assert made.raised == [28]


def test_one_pulse_stops_at_the_update() -> None:
    made = bench()
    for offset, value in ((ARR, 99), (DIER, 1), (CR1, 0b1001)):
        made.write("tim2", offset, value)
    made.run(1000)
    assert made.read("tim2", CR1) == 0b1000
    assert (made.read("tim2", CNT), made.raised) == (0, [28])


def test_counting_down_begins_at_the_reload_value() -> None:
    made = bench()
    for offset, value in ((ARR, 99), (CR1, 1 << 4), (EGR, 1), (CR1, 1 | 1 << 4)):
        made.write("tim2", offset, value)
    assert made.read("tim2", CNT) == 99
    made.run(1 + 30)
    assert made.read("tim2", CNT) == 69


def test_centre_aligned_shows_its_direction() -> None:
    made = bench()
    for offset, value in ((ARR, 100), (CR1, 1 | 3 << 5)):
        made.write("tim2", offset, value)
    made.run_to(1 + 50)
    assert not made.read("tim2", CR1) & 1 << 4
    made.run_to(1 + 130)
    assert made.read("tim2", CR1) & 1 << 4
    assert made.read("tim2", CNT) == 70


def test_the_reload_value_is_buffered_when_asked() -> None:
    made = bench()
    for offset, value in ((ARR, 99), (CR1, 1 | 1 << 7)):
        made.write("tim2", offset, value)
    made.write("tim2", ARR, 9)
    made.run_to(1 + 50)
    assert made.read("tim2", CNT) == 50
    made.run_to(1 + 100 + 12)
    assert made.read("tim2", CNT) == 2


def test_update_events_can_be_disabled_and_software_updates_kept_silent() -> None:
    made = bench()
    made.write("tim2", CR1, 1 << 2)
    made.write("tim2", EGR, 1)
    assert made.read("tim2", SR) == 0
    for offset, value in ((ARR, 9), (CR1, 0b11)):
        made.write("tim2", offset, value)
    made.run(100)
    assert not made.read("tim2", SR) & 1


def test_a_change_of_clock_in_mid_count_keeps_the_count() -> None:
    made = bench(timer_hz=16_000_000, core_hz=16_000_000)
    for offset, value in ((PSC, 15), (EGR, 1), (SR, 0), (CCR1, 300), (DIER, 2), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run(1 + 16 * 100)
    assert made.read("tim2", CNT) == 100
    made.space.clocks.change({"core": CORE_HZ, "apb1_timer": CORE_HZ // 2})
    assert made.read("tim2", CNT) == 100
    made.run(32 * 200 - 1)
    assert (made.read("tim2", CNT), made.raised) == (299, [])
    made.run(1)
    assert (made.read("tim2", CNT), made.raised) == (300, [28])


def test_a_sixteen_bit_timer_wraps_and_cuts() -> None:
    made = bench(place("tim3"))
    made.write("tim3", ARR, 0x12345)
    assert made.read("tim3", ARR) == 0x2345
    made.write("tim3", ARR, 0xFFFF)
    made.write("tim3", CR1, 1)
    made.run(1 + 0x10007)
    assert made.read("tim3", CNT) == 7


def test_a_basic_timer_has_no_compare() -> None:
    made = bench(place("tim6", kind="basic"))
    for offset, value in ((ARR, 9), (DIER, 0xFFFF), (CR1, 0xFFF1)):
        made.write("tim6", offset, value)
    made.run(1000)
    assert made.read("tim6", SR) == 1
    assert made.read("tim6", DIER) == 0x101


def test_an_advanced_timer_updates_after_its_repetitions_on_a_line_of_its_own() -> None:
    made = bench(place("tim1", kind="advanced"))
    for offset, value in ((ARR, 9), (RCR, 2), (EGR, 1), (SR, 0), (DIER, 3), (CCR1, 5), (CR1, 1)):
        made.write("tim1", offset, value)
    made.run_to(1 + 29)
    assert made.raised == [27]
    made.run(1)
    assert made.raised == [27, 25]


def test_the_copy_of_the_update_flag_rides_on_the_count() -> None:
    made = bench(place("tim3"))
    for offset, value in ((ARR, 9), (CR1, 1 | 1 << 11)):
        made.write("tim3", offset, value)
    made.run_to(1 + 13)
    assert made.read("tim3", CNT) == 1 << 31 | 3


def test_dma_is_asked_at_each_update_and_each_match() -> None:
    made = bench()
    updates, matches = pulses(made, "tim2_up"), pulses(made, "tim2_ch1")
    for offset, value in ((ARR, 9), (CCR1, 4), (DIER, 1 << 8 | 1 << 9), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run_to(1 + 35)
    assert updates == [11, 21, 31]
    assert matches == [5, 15, 25, 35]


def test_compare_requests_can_come_with_the_update() -> None:
    made = bench()
    matches = pulses(made, "tim2_ch1")
    for offset, value in ((CR2, 1 << 3), (ARR, 9), (CCR1, 4), (DIER, 1 << 9), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run_to(1 + 25)
    assert matches == [11, 21]


def test_a_dma_burst_goes_round_its_registers() -> None:
    made = bench()
    made.write("tim2", DCR, 2 << 8 | ARR // 4)  # ARR, RCR (not there), CCR1
    for value in (99, 0, 50, 199):
        made.write("tim2", DMAR, value)
    assert made.read("tim2", ARR) == 199
    assert made.read("tim2", CCR1) == 50


# Timers that drive timers

PAIR = (place("tim3"), place("tim2", 0x40001000, bits=32, itr2="tim3"))
UPDATE_OUT, ENABLE_OUT, REFERENCE_OUT = 2 << 4, 1 << 4, 4 << 4
ITR2 = 2 << 4


def test_a_timer_counts_the_updates_of_another() -> None:
    made = bench(*PAIR)
    for offset, value in ((SMCR, ITR2 | 7), (CR1, 1)):
        made.write("tim2", offset, value)
    for offset, value in ((CR2, UPDATE_OUT), (ARR, 999), (CR1, 1)):
        made.write("tim3", offset, value)
    made.run_to(1 + 42_999)
    assert made.read("tim2", CNT) == 42
    made.run(1)
    assert made.read("tim2", CNT) == 43


def test_a_counted_trigger_raises_the_compare_interrupt() -> None:
    made = bench(*PAIR)
    for offset, value in ((SMCR, ITR2 | 7), (CCR1, 3), (DIER, 2), (CR1, 1)):
        made.write("tim2", offset, value)
    for offset, value in ((CR2, UPDATE_OUT), (ARR, 9), (CR1, 1)):
        made.write("tim3", offset, value)
    made.run_to(30)
    assert made.raised == []
    made.run(1)
    assert made.raised == [28]


def test_a_gated_timer_counts_while_the_other_is_enabled() -> None:
    made = bench(*PAIR)
    made.write("tim3", CR2, ENABLE_OUT)
    for offset, value in ((SMCR, ITR2 | 5), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run_to(100)
    made.write("tim3", CR1, 1)
    made.run_to(150)
    made.write("tim3", CR1, 0)
    made.run_to(400)
    assert made.read("tim2", CNT) == 50


def test_a_gate_follows_the_width_of_a_pulse() -> None:
    made = bench(*PAIR)
    for offset, value in ((CR2, REFERENCE_OUT), (CCMR1, 6 << 4), (ARR, 9), (CCR1, 3)):
        made.write("tim3", offset, value)
    for offset, value in ((SMCR, ITR2 | 5), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run_to(20)
    before = made.read("tim2", CNT)
    made.write("tim3", CR1, 1)
    made.run_to(21)
    start = made.read("tim2", CNT)
    made.run_to(21 + 100)
    assert made.read("tim2", CNT) - start == 30
    assert start - before <= 1


def test_a_trigger_starts_a_timer() -> None:
    made = bench(*PAIR)
    made.write("tim2", SMCR, ITR2 | 6)
    for offset, value in ((CR2, UPDATE_OUT), (ARR, 99), (CR1, 1)):
        made.write("tim3", offset, value)
    made.run_to(1 + 130)
    assert made.read("tim2", CR1) == 1
    assert made.read("tim2", CNT) == 30
    assert made.read("tim2", SR) & 1 << 6


def test_a_trigger_resets_a_timer() -> None:
    made = bench(*PAIR)
    for offset, value in ((SMCR, ITR2 | 4), (CR1, 1)):
        made.write("tim2", offset, value)
    for offset, value in ((CR2, UPDATE_OUT), (ARR, 99), (CR1, 1)):
        made.write("tim3", offset, value)
    made.run_to(1 + 230)
    assert made.read("tim2", CNT) == 30


@pytest.mark.parametrize("value", [1, ITR2 | 1 << 14, 5 << 4 | 7], ids=["encoder", "etr", "ti1"])
def test_counting_pins_is_told_once_and_stands_still(value: int) -> None:
    made = bench()
    for offset, word in ((SMCR, value), (CR1, 1)):
        made.write("tim2", offset, word)
    made.run(1000)
    assert made.read("tim2", CNT) == 0
    assert "TIM2" in made.notes[0]
    assert "pin" in made.notes[0]


def test_two_timers_share_an_interrupt_line() -> None:
    made = bench(place("tim2"), place("tim3", 0x40001000))
    for name in ("tim2", "tim3"):
        made.write(name, DIER, 2)
        made.write(name, EGR, 2)
    made.write("tim2", SR, 0)
    assert made.interrupts[28]
    made.write("tim3", SR, 0)
    assert not made.interrupts[28]


def test_a_reset_by_the_clock_controller_stops_it() -> None:
    made = bench()
    for offset, value in ((ARR, 9), (DIER, 1), (CR1, 1)):
        made.write("tim2", offset, value)
    made.run(15)
    made["tim2"].reset()
    assert not made.interrupts[28]
    made.run(1000)
    assert (made.read("tim2", CNT), made.read("tim2", CR1)) == (0, 0)
    assert made.raised == [28]


# Clocks as inputs: how firmware measures its LSI

LSI_HZ = 32_000
LSI_CYCLES = CORE_HZ // LSI_HZ


def measuring(capture_divider: int = 0, **more: int) -> Bench:
    made = bench(place("tim2", bits=32, ti4="or[7:6] pin lsi lse"), timer_hz=CORE_HZ // 2)
    made.space.clocks.change({"lsi": LSI_HZ})
    for offset, value in (
        (OR, 1 << 6), (CCMR2, 1 << 8 | capture_divider << 10), (CCER, 1 << 12), (CR1, 1)
    ):  # fmt: skip
        made.write("tim2", offset, value)
    for name, value in more.items():
        made.write("tim2", getattr(timer_registers, name), value)
    return made


def test_captures_of_a_clock_are_its_period_apart() -> None:
    made = measuring(capture_divider=3, DIER=1 << 4)
    captured: list[int] = []
    for _ in range(3):
        made.run(8 * LSI_CYCLES)
        assert made.raised == [28] * (len(captured) + 1)
        captured.append(made.read("tim2", CCR4))
        assert not made.interrupts[28]
    assert [later - earlier for earlier, later in pairwise(captured)] == [8 * LSI_CYCLES // 2] * 2


def test_without_an_interrupt_the_last_capture_is_there_and_the_overrun() -> None:
    made = measuring()
    assert made.space.schedule.next_cycles() is None
    made.run(1000 * LSI_CYCLES + 17)
    assert made.read("tim2", SR) & (1 << 4 | 1 << 12) == 1 << 4 | 1 << 12
    assert made.read("tim2", CCR4) == 1000 * LSI_CYCLES // 2 - 1
    assert not made.read("tim2", SR) & 1 << 4


def test_captures_ask_for_dma_one_by_one() -> None:
    made = measuring(DIER=1 << 12)
    asked = pulses(made, "tim2_ch4")
    made.run(5 * LSI_CYCLES + 10)
    assert len(asked) == 5


def test_a_pin_as_input_captures_nothing() -> None:
    made = measuring(OR=0)
    made.run(100 * LSI_CYCLES)
    assert not made.read("tim2", SR) & 1 << 4


def test_an_input_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(BoardError, match=r"or\[7:6\] pin lsi lse"):
        bench(place("tim2", ti4="lsi"))


# Laws

registers = st.sampled_from([PSC, ARR, CCR1, CNT, CR1, DIER, SR, EGR])


@settings(max_examples=100, deadline=None)
@given(
    timer_hz=st.sampled_from([CORE_HZ, CORE_HZ // 2, CORE_HZ // 4, 16_000_000]),
    steps=st.lists(
        st.tuples(registers, st.integers(0, 40), st.integers(0, 300)), min_size=1, max_size=12
    ),
)
def test_looking_more_often_changes_nothing(
    timer_hz: int, steps: list[tuple[int, int, int]]
) -> None:
    """A timer that is read at every cycle and one that is left alone agree, interrupts included."""
    watched, alone = bench(timer_hz=timer_hz), bench(timer_hz=timer_hz)
    for made in (watched, alone):
        made.write("tim2", ARR, 37)
        made.write("tim2", DIER, 3)
    for offset, value, cycles in steps:
        for made in (watched, alone):
            made.write("tim2", offset, value)
        for _ in range(cycles):
            watched.run(1)
            watched.read("tim2", CNT)
        alone.run(cycles)
        for register in (CNT, SR, CR1):
            assert watched.read("tim2", register) == alone.read("tim2", register)
        assert watched.raised == alone.raised
