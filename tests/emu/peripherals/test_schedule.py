"""What happens when."""

from __future__ import annotations

from emu.peripherals.schedule import SWEEP_COUNT, Schedule


def test_events_run_in_the_order_of_their_cycles_then_of_their_making() -> None:
    subject, ran = Schedule(), []
    for name, cycles in (("c", 20), ("a", 10), ("d", 20), ("b", 10)):
        subject.at(cycles, lambda name=name: ran.append(name))  # type: ignore[misc]  # a name each
    assert subject.run_due(15) == 2
    assert subject.run_due(20) == 2
    assert ran == ["a", "b", "c", "d"]


def test_events_taken_back_do_not_pile_up() -> None:
    subject = Schedule()
    kept = subject.at(10**9, lambda: None)
    for cycles in range(100_000):
        subject.at(10**12 + cycles, lambda: None).cancel()
    assert len(subject._events) <= SWEEP_COUNT
    assert kept.is_waiting
    assert subject.next_cycles() == 10**9
