"""A timer's input that an internal clock feeds: how firmware measures its LSI by a crystal."""

from __future__ import annotations

import re

from emu.errors import BoardError
from emu.peripherals.tick_clock import TickClock
from emu.peripherals.timer_registers import OR, TISEL

_SHAPE = re.compile(r"(or|tisel)\[(\d+):(\d+)\]((?: [a-z0-9_]+)+)")


class ClockCapture:
    """The edges of the clock that a remap register selects, every so many of them one capture.

    Attributes:
        offset: of the register that selects.
        edges_count: rising edges taken so far.
    """

    def __init__(self, setting: str) -> None:
        """From a setting such as "or[7:6] pin lsi lse": register, bits, and an input a value.

        Raises:
            BoardError: it has not this shape.
        """
        found = _SHAPE.fullmatch(setting)
        if found is None:
            raise BoardError(
                f"A timer's input is '{setting}', which cannot be read. Write the register, its "
                "bits and an input for each value: or[7:6] pin lsi lse."
            )
        self.offset = OR if found[1] == "or" else TISEL
        self._shift, self._mask = int(found[3]), (2 << int(found[2]) - int(found[3])) - 1
        self._names = found[4].split()
        self._clock = TickClock()
        self._every = 1
        self.is_on = False
        self.edges_count = 0

    def source(self, remap: int) -> str | None:
        """The input that the register's value selects."""
        code = remap >> self._shift & self._mask
        return self._names[code] if code < len(self._names) else None

    def set(self, now_cycles: int, clock_hz: int, core_hz: int, every: int) -> None:
        """Capture every 1, 2, 4 or 8 edges of a clock; with 0 Hz none."""
        was_on, self.is_on = self.is_on, clock_hz > 0
        if was_on and self.is_on and every == self._every:
            self._clock.change(now_cycles, clock_hz, core_hz)
            return
        self._clock = TickClock(now_cycles, clock_hz, core_hz)
        self._every, self.edges_count = every, 0

    def next_cycles(self) -> int | None:
        """When the next capture is due."""
        return self._clock.cycles_at(self.edges_count + self._every) if self.is_on else None

    def take(self) -> None:
        """It was captured."""
        self.edges_count += self._every

    def skip_to_last(self, now_cycles: int) -> bool:
        """Leave out all captures but the last by a cycle; whether there were any."""
        behind = (self._clock.ticks(now_cycles) - self.edges_count) // self._every
        self.edges_count += max(behind - 1, 0) * self._every
        return behind > 1
