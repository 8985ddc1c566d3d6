"""What a serial script asks of the machine: the line, and modelled time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from emu.peripherals.schedule import Event

FEMTOSECONDS = 10**15  # in a second
Ending = Literal["until", "script_ended", "script_failed"]


class Link(Protocol):
    """The machine, as `SerialMonitor` sees it. Cycles and instructions count since reset."""

    def now_cycles(self) -> int:
        """The cycle of the output or event in hand."""
        ...

    def time_fs(self) -> int:
        """Modelled time since reset, femtoseconds; right across changes of the clock."""
        ...

    def instructions(self) -> int: ...

    def after_s(self, seconds: float, action: Callable[[], None]) -> Event:
        """Call `action` after so much time at the clock of now, one cycle at least."""
        ...

    def send(self, port: str, data: bytes) -> None:
        """Put bytes on a port's line; each takes its time there."""
        ...

    def finish(self, outcome: Ending, sentence: str | None) -> None:
        """End the run. The sentence says what a failed script waited for."""
        ...


class Timer:
    """An action at a point in time, whatever becomes of the clock until then."""

    def __init__(self, link: Link, duration_s: float, action: Callable[[], None]) -> None:
        self._link, self._action = link, action
        self._due_fs = link.time_fs() + round(duration_s * FEMTOSECONDS)
        self._arm()

    def cancel(self) -> None:
        self._event.cancel()

    def rearm(self) -> None:
        """The clock has changed, or the schedule was cleared."""
        self._event.cancel()
        self._arm()

    def _arm(self) -> None:
        left_fs = max(self._due_fs - self._link.time_fs(), 1)
        self._event = self._link.after_s(left_fs / FEMTOSECONDS, self._fire)

    def _fire(self) -> None:
        if self._link.time_fs() < self._due_fs:
            self._arm()
        else:
            self._action()
