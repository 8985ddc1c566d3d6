"""Delays last their time at whatever core clock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from emu.peripherals.delay import FEMTOSECONDS_PER_US, Delay
from tests.emu.peripherals.bench import Bench


def test_a_delay_that_never_began_has_passed() -> None:
    assert Delay(Bench("f746", []).space).passed


@settings(max_examples=50, deadline=None)
@given(
    duration_us=st.integers(1, 10_000),
    clocks_hz=st.lists(st.sampled_from([16_000_000, 25_000_000, 216_000_000]), max_size=4),
    steps_cycles=st.lists(st.integers(1, 20_000), min_size=4, max_size=4),
)
def test_its_action_runs_when_it_has_passed_and_not_a_microsecond_later(
    duration_us: int, clocks_hz: list[int], steps_cycles: list[int]
) -> None:
    bench = Bench("f746", [])
    delay = Delay(bench.space)
    ran_us: list[float] = []
    delay.start(
        duration_us * FEMTOSECONDS_PER_US, lambda: ran_us.append(bench.space.time_fs() / 1e9)
    )
    for clock_hz, cycles in zip(clocks_hz, steps_cycles, strict=False):
        bench.run(cycles)
        bench.space.clocks.change({"core": clock_hz})
        delay.rearm()
    bench.run(16_000 * 216)
    assert len(ran_us) == 1
    assert duration_us <= ran_us[0] < duration_us + 1
    assert delay.passed


def test_work_that_queues_ends_after_the_work_before_it() -> None:
    bench = Bench("f746", [])
    delay = Delay(bench.space)
    ended: list[int] = []
    delay.start(10 * FEMTOSECONDS_PER_US)
    delay.extend(5 * FEMTOSECONDS_PER_US, lambda: ended.append(bench.cycles))
    bench.run(100_000)
    assert ended == [15 * 216]


def test_a_cancelled_delay_calls_nobody() -> None:
    bench = Bench("f746", [])
    delay = Delay(bench.space)
    delay.start(FEMTOSECONDS_PER_US, lambda: bench.note("ran"))
    delay.cancel()
    bench.run(10_000)
    assert bench.notes == []
