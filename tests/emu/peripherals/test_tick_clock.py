"""Ticks of a clock beside the core."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emu.peripherals.tick_clock import TickClock

FREQUENCIES_HZ = st.sampled_from([32_768, 1_000_000, 48_000_000, 108_000_000, 216_000_000])


def test_ticks_of_a_clock_at_half_the_core_come_every_second_cycle() -> None:
    clock = TickClock(0, 108_000_000, 216_000_000)
    assert [clock.ticks(cycle) for cycle in range(5)] == [0, 0, 1, 1, 2]


def test_a_clock_that_stands_never_ticks() -> None:
    clock = TickClock(0, 0, 216_000_000)
    assert clock.ticks(10**12) == 0
    assert clock.cycles_at(1) is None
    assert clock.cycles_at(0) == 0


@given(FREQUENCIES_HZ, FREQUENCIES_HZ, st.integers(0, 10**15))
def test_the_cycle_of_a_tick_is_the_first_with_that_count(clock: int, core: int, at: int) -> None:
    subject = TickClock(0, clock, core)
    tick = subject.ticks(at) + 1
    cycle = subject.cycles_at(tick)
    assert cycle is not None
    assert subject.ticks(cycle) >= tick > subject.ticks(cycle - 1)


@given(
    FREQUENCIES_HZ,
    st.lists(st.tuples(st.integers(0, 10**9), FREQUENCIES_HZ), min_size=1, max_size=6),
)
def test_a_change_of_the_core_clock_loses_less_than_a_cycle_of_time(
    clock_hz: int, spans: list[tuple[int, int]]
) -> None:
    subject, now, time_s = TickClock(0, clock_hz, 216_000_000), 0, 0.0
    core_hz = 216_000_000
    for cycles, next_hz in spans:
        now += cycles
        time_s += cycles / core_hz
        ticks = subject.ticks(now)
        subject.change(now, clock_hz, next_hz)
        assert subject.ticks(now) == ticks
        core_hz = next_hz
    assert abs(subject.ticks(now) - time_s * clock_hz) <= 1 + len(spans) * clock_hz / 32_768
