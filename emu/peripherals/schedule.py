"""What happens when: actions of peripherals at a number of core cycles."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

SWEEP_COUNT = 64  # events at which those that were taken back are thrown out


@dataclass(slots=True)
class Event:
    """An action that waits for its cycle. Events of one cycle run in the order of scheduling."""

    at_cycles: int
    action: Callable[[], None] | None

    def cancel(self) -> None:
        """Take it back; harmless when it ran already."""
        self.action = None

    @property
    def is_waiting(self) -> bool:
        return self.action is not None


class Schedule:
    """Events in the order of their cycles.

    `on_earlier` is called when a new event comes before all others, so that whoever runs the
    program can stop in time.
    """

    def __init__(self, on_earlier: Callable[[int], None] = lambda _at_cycles: None) -> None:
        self._events: list[tuple[int, int, Event]] = []  # a heap: cycle and number come first
        self._count = 0
        self.running_cycles: int | None = None  # the time of the event being run
        self.ran_count = 0  # since the start
        self._sweep_at = SWEEP_COUNT
        self._on_earlier = on_earlier

    def at(self, cycles: int, action: Callable[[], None]) -> Event:
        """Call `action` once that many core cycles have passed since reset."""
        self._count += 1
        if len(self._events) >= self._sweep_at:
            # Events taken back far from now would pile up: who counts with timers takes back many.
            self._events = [entry for entry in self._events if entry[2].is_waiting]
            heapq.heapify(self._events)
            self._sweep_at = max(SWEEP_COUNT, 2 * len(self._events))
        event = Event(cycles, action)
        heapq.heappush(self._events, (cycles, self._count, event))
        if self._events[0][2] is event:
            self._on_earlier(cycles)
        return event

    def clear(self) -> None:
        """Forget everything that waits."""
        for _, _, event in self._events:
            event.cancel()
        self._events.clear()

    def next_cycles(self) -> int | None:
        """When the next event is due; None when nothing waits."""
        events = self._events
        while events and events[0][2].action is None:
            heapq.heappop(events)
        return events[0][0] if events else None

    def run_due(self, now_cycles: int) -> int:
        """Run what is due, the actions' own new events included; returns how many ran."""
        ran = 0
        while self._events and self._events[0][0] <= now_cycles:
            event = heapq.heappop(self._events)[2]
            action, event.action = event.action, None
            if action is not None:
                self.running_cycles = event.at_cycles
                try:
                    action()
                finally:
                    self.running_cycles = None
                ran += 1
        self.ran_count += ran
        return ran
