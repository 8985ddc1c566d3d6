"""The counter inside a timer: prescaler, count, auto-reload, repetition and compare values.

                  +-----------+    +-----------+  roll  +------------+
    input ticks -->  / (PSC+1) +---> count, ARR +-------> / (RCR+1)   +--> update: the preloaded
                  +-----------+    +-----+-----+        +------------+    values become active
                                         +--- == CCRx --> match

A roll is an overflow or underflow; every (RCR+1)th is an update. Nothing here knows of registers,
cycles or interrupts: ticks go in, what happened comes out, in closed form however many ticks.
[RM0385 timers: counter modes, repetition counter]
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import IntEnum

CHANNELS = 6
RAMPS_ROUND = 4  # from anywhere: to the end of the range, up, down and up again


class Alignment(IntEnum):
    """CMS of CR1: which way the count goes, and when compare flags are set."""

    EDGE = 0
    CENTRE_FALLING = 1  # flags only while counting down
    CENTRE_RISING = 2  # only while counting up
    CENTRE_BOTH = 3


@dataclass(slots=True)
class Happened:
    """What a stretch of ticks brought. `matches` has bit n for channel n+1."""

    updates: int = 0
    matches: int = 0


NOTHING = Happened()  # never written to


@dataclass
class Counter:
    """State of the counter; attributes may be set between calls of `advance`.

    Attributes:
        maximum: largest count, 0xFFFF or 0xFFFFFFFF.
        falling: counting down.
        prescaler, reload, compares: the values at work (ARR, CCRx; PSC).
        prescaler_phase: input ticks of the count in progress, 0..prescaler.
        repetitions_left: rolls before the one that is an update.
        next_*: what an update makes active.
        updates_disabled: UDIS: rolls are no updates.
        one_pulse: stop at an update.
    """

    maximum: int = 0xFFFF
    count: int = 0
    falling: bool = False
    alignment: Alignment = Alignment.EDGE
    running: bool = False
    prescaler: int = 0
    prescaler_phase: int = 0
    reload: int = 0xFFFF
    repetitions_left: int = 0
    compares: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    next_prescaler: int = 0
    next_reload: int = 0xFFFF
    next_repetitions: int = 0
    next_compares: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    updates_disabled: bool = False
    one_pulse: bool = False

    # One roll at a time

    def _counts_to_roll(self) -> tuple[int, bool]:
        """Counts until the count turns or starts anew, and whether that is a roll.

        A count past the reload value goes on to the end of its range and starts anew from 0.
        assumed: without an update, as the comparison with ARR never was true.
        """
        if self.falling:
            return self.count if self.alignment else self.count + 1, True
        top = self.reload - 1 if self.alignment else self.reload
        if self.count <= top:
            return top + 1 - self.count, True
        return self.maximum + 1 - self.count, False

    def _turn_at_ends(self) -> None:
        """A centre-aligned count that stands on an end goes the other way."""
        if self.alignment:
            if self.falling and self.count == 0:
                self.falling = False
            elif not self.falling and self.count == self.reload:
                self.falling = True

    def _move(self, counts: int, happened: Happened) -> None:
        """Go on by counts that do not reach the roll."""
        if not counts:
            return
        first, last = self.count + 1, self.count + counts
        if self.falling:
            first, last = self.count - counts, self.count - 1
        if self._flags_between_ends():
            for channel, compare in enumerate(self.compares):
                if first <= compare <= last:
                    happened.matches |= 1 << channel
        self.count = first if self.falling else last

    def _flags_between_ends(self) -> bool:
        if self.alignment == Alignment.CENTRE_FALLING:
            return self.falling
        if self.alignment == Alignment.CENTRE_RISING:
            return not self.falling
        return True

    def _roll(self, is_roll: bool, happened: Happened) -> None:
        """The count turns or starts anew, the prescaler at 0."""
        was_falling = self.falling
        if is_roll:
            if not self.falling or not self.alignment:
                # At the top, or at the bottom of a down-count: also for those out of reach.
                for channel, compare in enumerate(self.compares):
                    if compare > self.reload:
                        happened.matches |= 1 << channel
            if self.repetitions_left:
                self.repetitions_left -= 1
            elif not self.updates_disabled:
                happened.updates += 1
                self.load()
                if self.one_pulse:
                    self.running = False
        if self.alignment:
            # The reload value is loaded before the count is: an overflow turns at the new one.
            self.count = 0 if was_falling or not is_roll else self.reload
            self.falling = not was_falling if is_roll else False
        else:
            self.count = self.reload if was_falling else 0
        for channel, compare in enumerate(self.compares):
            if compare == self.count:
                happened.matches |= 1 << channel

    def load(self) -> None:
        """What an update does to the preloaded values."""
        self.prescaler = self.next_prescaler
        self.reload = self.next_reload
        self.repetitions_left = self.next_repetitions
        self.compares[:] = self.next_compares

    def restart(self) -> None:
        """UG or a trigger in reset mode: the count begins anew, with what `load` brought."""
        self.prescaler_phase = 0
        if self.alignment:
            self.falling = False
        self.count = self.reload if self.falling else 0

    @property
    def _is_steady(self) -> bool:
        """Whether updates to come change nothing but the repetitions."""
        return self.updates_disabled or (
            self.prescaler == self.next_prescaler
            and self.reload == self.next_reload
            and self.compares == self.next_compares
        )

    @property
    def _goes_on(self) -> bool:
        return not self.one_pulse or self.updates_disabled

    # Many ticks

    def advance(self, ticks: int) -> Happened:
        """Count that many input ticks; a one-pulse stop swallows the rest."""
        if not self.alignment and not self.falling and self.running:
            # Most looks at a timer: it counts up, and has not come to its end since the last one.
            counts, phase = divmod(self.prescaler_phase + ticks, self.prescaler + 1)
            begin, end = self.count, self.count + counts
            if end <= self.reload and self.reload:
                self.count, self.prescaler_phase = end, phase
                for compare in self.compares:
                    if begin < compare <= end:
                        break
                else:
                    return NOTHING
                hits = (1 << n for n, compare in enumerate(self.compares) if begin < compare <= end)
                return Happened(0, sum(hits))
        happened = Happened()
        while ticks > 0 and self.running and self.reload:
            self._turn_at_ends()
            counts, is_roll = self._counts_to_roll()
            divider = self.prescaler + 1
            to_roll = counts * divider - self.prescaler_phase
            if ticks < to_roll:
                moved, self.prescaler_phase = divmod(self.prescaler_phase + ticks, divider)
                self._move(moved, happened)
                break
            ticks -= to_roll
            self.prescaler_phase = 0
            self._move(counts - 1, happened)
            self._roll(is_roll, happened)
            if is_roll and ticks and self.reload and self._is_steady and self._goes_on:
                ticks = self._skip_periods(ticks, happened)
        return happened

    def _skip_periods(self, ticks: int, happened: Happened) -> int:
        """Whole periods at once, from just after a roll; returns the ticks that are left."""
        period_counts = 2 * self.reload if self.alignment else self.reload + 1
        periods, left = divmod(ticks, period_counts * (self.prescaler + 1))
        if not periods:
            return ticks
        rolls = 2 * periods if self.alignment else periods
        happened.matches |= (1 << CHANNELS) - 1
        if not self.updates_disabled:
            if rolls <= self.repetitions_left:
                self.repetitions_left -= rolls
            else:
                rolls -= self.repetitions_left + 1
                updates, into = divmod(rolls, self.next_repetitions + 1)
                happened.updates += 1 + updates
                self.repetitions_left = self.next_repetitions - into
        else:
            self.repetitions_left = max(0, self.repetitions_left - rolls)
        return left

    # Looking ahead

    def ticks_to_count(self) -> int | None:
        """Input ticks until the count is another; None when it stands."""
        if not self.running or not self.reload:
            return None
        return max(self.prescaler + 1 - self.prescaler_phase, 1)

    def ticks_to_turn(self) -> int | None:
        """Input ticks until `falling` may be another; None when it stays."""
        if not self.running or not self.reload or not self.alignment:
            return None
        ahead = self._copy()
        ahead._turn_at_ends()
        return 1 if ahead.falling != self.falling else self.ticks_to_roll()

    def ticks_to_roll(self) -> int | None:
        """Input ticks until the count turns or starts anew; None when it stands."""
        if not self.running or not self.reload:
            return None
        self._turn_at_ends()
        return self._counts_to_roll()[0] * (self.prescaler + 1) - self.prescaler_phase

    def ticks_to_update(self) -> int | None:
        """Input ticks until the next update; None when there is none to come."""
        if not self.running or not self.reload or self.updates_disabled:
            return None
        self._turn_at_ends()
        counts, is_roll = self._counts_to_roll()
        if not is_roll:  # to the end of the range first, then a whole ramp from 0
            counts += self.reload + (0 if self.alignment else 1)
        ramp_counts = self.reload + (0 if self.alignment else 1)
        counts += self.repetitions_left * ramp_counts
        return counts * (self.prescaler + 1) - self.prescaler_phase

    def ticks_to_match(self, channel: int) -> int | None:
        """Input ticks until the count next reaches a compare value; None when it never does.

        `channel` is 0-based.
        """
        if not self.running or not self.reload:
            return None
        compare = self.compares[channel]
        if not self.alignment and not self.falling and self.count < compare <= self.reload:
            return (compare - self.count) * (self.prescaler + 1) - self.prescaler_phase
        ahead, passed, bit = self._copy(), 0, 1 << channel
        ramps_left = RAMPS_ROUND
        while ramps_left and ahead.running and ahead.reload:
            ahead._turn_at_ends()
            start, steady, ramp = ahead.count, ahead._is_steady, Happened()
            counts, is_roll = ahead._counts_to_roll()
            divider, phase = ahead.prescaler + 1, ahead.prescaler_phase
            ahead._move(counts - 1, ramp)
            if ramp.matches & bit:
                return passed + abs(ahead.compares[channel] - start) * divider - phase
            passed += counts * divider - phase
            ahead.prescaler_phase = 0
            ahead._roll(is_roll, ramp)
            if ramp.matches & bit:
                return passed
            ramps_left -= 1
            if steady:
                continue
            if ramp.updates:
                ramps_left = RAMPS_ROUND
            elif not ramps_left and (to_update := ahead.ticks_to_update()):
                # Only what the update will load can make it match.
                passed += to_update
                if ahead.advance(to_update).matches & bit:
                    return passed
                ramps_left = RAMPS_ROUND
        return None

    def _copy(self) -> Counter:
        ahead = copy.copy(self)
        ahead.compares, ahead.next_compares = self.compares[:], self.next_compares[:]
        return ahead
