"""A time that has to pass, whatever the core clock does meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from emu.peripherals.peripheral import FOREVER, Surroundings
from emu.peripherals.schedule import Event

FEMTOSECONDS_PER_US = 10**9
_FEMTOSECONDS_PER_NS = 10**6
_NS_HZ = 10**9


class Delay:
    """Runs from `start` on. `passed` is computed on read; only an `action` costs an event.

    The owner calls `rearm` from `after_clock_change`, as an event's cycle is that of one clock.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._until_fs = 0
        self._action: Callable[[], None] | None = None
        self._event: Event | None = None

    @property
    def passed(self) -> bool:
        return self._around.time_fs() >= self._until_fs

    @property
    def passes_at(self) -> int:
        """The cycle at which `passed` becomes true; `FOREVER` when it has."""
        return FOREVER if self.passed else self._around.cycles_at(self._until_fs)

    @property
    def remaining_fs(self) -> int:
        return max(self._until_fs - self._around.time_fs(), 0)

    def start(self, duration_fs: int, action: Callable[[], None] | None = None) -> None:
        """Begin anew; `action` is called once when it has passed."""
        self.cancel()
        self._until_fs = self._around.time_fs() + duration_fs
        self._action = action
        self.rearm()

    def extend(self, duration_fs: int, action: Callable[[], None] | None = None) -> None:
        """Begin when the present one ends: work that queues behind other work."""
        self.start(self.remaining_fs + duration_fs, action)

    def cancel(self) -> None:
        """As if it had passed; the action is forgotten."""
        self._until_fs = 0
        self._action = None
        self._drop_event()

    def rearm(self) -> None:
        """The core clock is another: find the event's cycle again."""
        self._drop_event()
        if self._action is not None:
            ticks = -(-self.remaining_fs // _FEMTOSECONDS_PER_NS)
            self._event = self._around.after_ticks(ticks, _NS_HZ, self._due)

    def _drop_event(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def _due(self) -> None:
        self._event = None
        if not self.passed:  # rounding to whole cycles at a clock that changed
            self.rearm()
            return
        action, self._action = self._action, None
        if action is not None:
            action()
