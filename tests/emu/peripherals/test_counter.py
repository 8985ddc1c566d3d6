"""The closed form of a timer's counter against one that counts tick by tick."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.peripherals.counter import Alignment, Counter

MAXIMUM = 15  # a range so small that everything happens soon


@dataclass
class Naive:
    """Counts one tick at a time, as the reference manual draws it."""

    subject: Counter  # where it starts
    updates: list[int] = field(default_factory=list)  # ticks at which they came
    matches: dict[int, list[int]] = field(default_factory=dict)
    time: int = 0

    def __post_init__(self) -> None:
        start = self.subject
        self.count, self.falling = start.count, start.falling
        self.prescaler, self.phase = start.prescaler, start.prescaler_phase
        self.reload, self.left = start.reload, start.repetitions_left
        self.compares, self.running = start.compares[:], start.running

    def tick(self) -> None:
        self.time += 1
        if not self.running or self.reload == 0:
            return
        self.phase += 1
        if self.phase > self.prescaler:
            self.phase = 0
            self.step()

    def step(self) -> None:
        centre, hits = self.subject.alignment, set()
        if centre and self.falling and self.count == 0:
            self.falling = False
        elif centre and not self.falling and self.count == self.reload:
            self.falling = True
        was_falling = self.falling
        if was_falling:
            rolls = self.count == (1 if centre else 0)
        else:
            rolls = self.count == (self.reload - 1 if centre else self.reload)
        at_end = rolls or (not was_falling and self.count == MAXIMUM)
        if not at_end:
            self.count += -1 if was_falling else 1
            shown = {
                Alignment.CENTRE_FALLING: was_falling, Alignment.CENTRE_RISING: not was_falling
            }.get(centre, True)  # fmt: skip
            if shown:
                hits |= {n for n, value in enumerate(self.compares) if value == self.count}
        else:
            if rolls and not (centre and was_falling):
                hits |= {n for n, value in enumerate(self.compares) if value > self.reload}
            if rolls:
                self.update()
            if not rolls:
                self.count, self.falling = 0, False
            elif centre:
                self.count, self.falling = (0, False) if was_falling else (self.reload, True)
            else:
                self.count = self.reload if was_falling else 0
            hits |= {n for n, value in enumerate(self.compares) if value == self.count}
        for channel in hits:
            self.matches.setdefault(channel, []).append(self.time)

    def update(self) -> None:
        start = self.subject
        if self.left:
            self.left -= 1
        elif not start.updates_disabled:
            self.updates.append(self.time)
            self.prescaler, self.reload = start.next_prescaler, start.next_reload
            self.left, self.compares = start.next_repetitions, start.next_compares[:]
            if start.one_pulse:
                self.running = False


small = st.integers(0, MAXIMUM)
compare_values = st.lists(small, min_size=6, max_size=6)


@st.composite
def counters(draw: st.DrawFn) -> Counter:
    prescaler = draw(st.integers(0, 3))
    compares, reload, repetitions = draw(compare_values), draw(small), draw(st.integers(0, 3))
    steady = draw(st.booleans())
    return Counter(
        maximum=MAXIMUM,
        count=draw(small),
        falling=draw(st.booleans()),
        alignment=draw(st.sampled_from(list(Alignment))),
        running=True,
        prescaler=prescaler,
        prescaler_phase=draw(st.integers(0, prescaler)),
        reload=reload,
        repetitions_left=draw(st.integers(0, 3)),
        compares=compares,
        next_prescaler=prescaler if steady else draw(st.integers(0, 3)),
        next_reload=reload if steady else draw(small),
        next_repetitions=repetitions,
        next_compares=compares[:] if steady else draw(compare_values),
        updates_disabled=draw(st.integers(0, 5)) == 0,
        one_pulse=draw(st.integers(0, 3)) == 0,
    )


@settings(max_examples=250, deadline=None)
@given(counters(), st.lists(st.integers(0, 150), min_size=1, max_size=5))
def test_any_stretch_of_ticks_equals_counting_them_one_by_one(
    subject: Counter, stretches: list[int]
) -> None:
    naive = Naive(subject._copy())
    for stretch in stretches:
        naive.updates.clear()
        naive.matches.clear()
        for _ in range(stretch):
            naive.tick()
        happened = subject.advance(stretch)
        assert subject.running == naive.running
        state = (subject.count, subject.prescaler_phase, subject.reload)
        assert state == (naive.count, naive.phase, naive.reload)
        if not naive.subject.alignment or 0 < naive.count < naive.reload:  # else at a turn
            assert subject.falling == naive.falling
        assert happened.updates == len(naive.updates)
        assert happened.matches == sum(1 << channel for channel in naive.matches)


@settings(max_examples=250, deadline=None)
@given(counters(), st.integers(0, 5))
def test_the_next_update_and_match_come_when_they_are_foretold(
    subject: Counter, channel: int
) -> None:
    naive = Naive(subject._copy())
    for _ in range(1500):
        naive.tick()
    assert subject.ticks_to_update() == (naive.updates[0] if naive.updates else None)
    assert subject.ticks_to_match(channel) == next(iter(naive.matches.get(channel, [])), None)


def test_a_year_of_ticks_takes_no_time() -> None:
    subject = Counter(running=True, reload=999, next_reload=999)
    assert subject.advance(10**16 + 5).updates == 10**13
    assert subject.count == 5


@pytest.mark.parametrize("alignment", list(Alignment))
def test_a_reload_value_of_zero_stops_the_counter(alignment: Alignment) -> None:
    subject = Counter(running=True, count=3, reload=0, alignment=alignment)
    assert subject.advance(100).updates == 0
    assert (subject.count, subject.ticks_to_update()) == (3, None)


def test_centre_aligned_counts_up_to_the_reload_value_and_down_again() -> None:
    subject = Counter(running=True, reload=3, next_reload=3, alignment=Alignment.CENTRE_BOTH)
    counts = []
    for _ in range(8):
        subject.advance(1)
        counts.append(subject.count)
    assert counts == [1, 2, 3, 2, 1, 0, 1, 2]
