"""Core cycles to time, across changes of the clock."""

from __future__ import annotations

from dataclasses import dataclass

FEMTOSECONDS = 10**15


@dataclass(frozen=True)
class ClockSpan:
    """A stretch of time at one core clock, from `from_cycles` on."""

    from_cycles: int
    from_fs: int
    clock_hz: int


class TimeBase:
    """When a cycle was, in femtoseconds since reset: integers, so that no host rounds otherwise."""

    def __init__(self, clock_hz: int) -> None:
        self.spans = [ClockSpan(0, 0, clock_hz)]

    @property
    def clock_hz(self) -> int:
        return self.spans[-1].clock_hz

    def change(self, now_cycles: int, clock_hz: int) -> None:
        """From this cycle on the core runs at `clock_hz`."""
        if clock_hz == self.clock_hz:
            return
        span = ClockSpan(now_cycles, self.time_fs(now_cycles), clock_hz)
        if now_cycles == self.spans[-1].from_cycles:
            self.spans.pop()
        self.spans.append(span)

    def time_fs(self, cycles: int) -> int:
        """Time since reset of a cycle; of one in the past in its own span."""
        span = self.spans[-1]
        if cycles < span.from_cycles:
            span = next(item for item in reversed(self.spans) if item.from_cycles <= cycles)
        return span.from_fs + (cycles - span.from_cycles) * FEMTOSECONDS // span.clock_hz

    def cycles_at(self, time_fs: int) -> int:
        """The first cycle at or after a time, at the present clock."""
        span = self.spans[-1]
        return span.from_cycles + -(-(time_fs - span.from_fs) * span.clock_hz // FEMTOSECONDS)
