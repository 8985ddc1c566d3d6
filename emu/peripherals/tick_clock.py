"""Ticks of a clock that runs beside the core: counted on demand, in integers."""

from __future__ import annotations


class TickClock:
    """How many ticks a clock has made, as a function of core cycles.

    The clock runs freely; who counts with it remembers tick numbers. A change of frequency keeps
    the part of a tick that has passed (rounded down to a core cycle's share).
    """

    def __init__(self, now_cycles: int = 0, clock_hz: int = 0, core_hz: int = 1) -> None:
        self.clock_hz, self.core_hz = clock_hz, core_hz
        self._from_cycles = now_cycles
        self._from_ticks = 0
        self._carry = 0  # of the tick in progress, in 1/core_hz of a tick

    def ticks(self, now_cycles: int) -> int:
        """Whole ticks made up to and including a cycle, since the clock was made."""
        passed = (now_cycles - self._from_cycles) * self.clock_hz + self._carry
        return self._from_ticks + passed // self.core_hz

    def cycles_at(self, tick: int) -> int | None:
        """The first core cycle at which that many ticks were made; None when the clock stands."""
        missing = (tick - self._from_ticks) * self.core_hz - self._carry
        if missing <= 0:
            return self._from_cycles
        if not self.clock_hz:
            return None
        return self._from_cycles + -(-missing // self.clock_hz)

    def change(self, now_cycles: int, clock_hz: int, core_hz: int) -> None:
        """From this cycle on the frequencies are these."""
        if (clock_hz, core_hz) == (self.clock_hz, self.core_hz):
            return
        passed = (now_cycles - self._from_cycles) * self.clock_hz + self._carry
        whole, part = divmod(passed, self.core_hz)
        self._from_ticks += whole
        self._carry = part * core_hz // self.core_hz
        self._from_cycles = now_cycles
        self.clock_hz, self.core_hz = clock_hz, core_hz
