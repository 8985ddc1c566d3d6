"""SysTick at 0xE000_E010: a 24-bit down-counter on modelled cycles [ARMv7-M B3.3]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SYST_CSR, SYST_RVR, SYST_CVR, SYST_CALIB = 0xE000E010, 0xE000E014, 0xE000E018, 0xE000E01C
_ENABLE, _TICKINT, _CLKSOURCE, _COUNTFLAG = 1, 2, 4, 1 << 16
_MASK = 0xFFFFFF
_FOREVER = 1 << 62


class TickEvent(Protocol):
    def cancel(self) -> None: ...


class SysTick:
    """Counts RVR..0 at the core clock, or at an eighth of it (HCLK/8 [RM0385, RM0433]).

    The count is computed when it is asked for; the only event is the next wrap to zero, and only
    while that raises an interrupt.
    """

    def __init__(
        self,
        now_cycles: Callable[[], int],
        at: Callable[[int, Callable[[], None]], TickEvent],
        on_tick: Callable[[], None],
    ) -> None:
        self._now, self._at, self._on_tick = now_cycles, at, on_tick
        self._event: TickEvent | None = None
        self.reset()

    def reset(self) -> None:
        self._cancel()
        self._control = 0
        self._reload = 0
        self._value = 0  # of the counter at `_since`
        self._since = 0
        self._wraps_seen = 0  # wraps since `_since` that COUNTFLAG has told

    @staticmethod
    def claims(address: int) -> bool:
        return SYST_CSR <= address <= SYST_CALIB

    def read(self, address: int) -> int:
        if address == SYST_RVR:
            return self._reload
        if address == SYST_CVR:
            return self._state()[0]
        if address == SYST_CALIB:
            # NOREF clear, SKEW set, TENMS 0: the value of the parts differs by clock and firmware
            # for them uses SystemCoreClock (assumed).
            return 1 << 30
        wraps = self._state()[1]
        flag = _COUNTFLAG if wraps > self._wraps_seen else 0
        self._wraps_seen = wraps
        return self._control | flag

    def quiet_until(self, address: int) -> int | None:
        """The cycle before which reads give the same and do nothing; None when not known.

        COUNTFLAG is set by the next wrap, and cleared by the read that tells it.
        """
        if not self._control & _ENABLE or address not in (SYST_CSR, SYST_CVR):
            return _FOREVER
        _, wraps = self._state()
        if address == SYST_CVR or wraps > self._wraps_seen:
            return None
        ticks = max(0, self._now() - self._since) // self._cycles_per_tick
        if ticks < self._value:
            wrap = self._value
        elif self._reload:
            period = self._reload + 1
            wrap = self._value + ((ticks - self._value) // period + 1) * period
        else:
            return _FOREVER
        return self._since + wrap * self._cycles_per_tick

    def write(self, address: int, value: int) -> None:
        if address == SYST_CSR:
            self._settle()
            self._control = value & (_ENABLE | _TICKINT | _CLKSOURCE)
        elif address == SYST_RVR:
            self._settle()
            self._reload = value & _MASK
        elif address == SYST_CVR:  # any write clears the counter and COUNTFLAG
            self._settle()
            self._value = self._wraps_seen = 0
        self._schedule()

    @property
    def _cycles_per_tick(self) -> int:
        return 1 if self._control & _CLKSOURCE else 8

    def _state(self) -> tuple[int, int]:
        """The counter, and how often it reached zero since `_since`."""
        if not self._control & _ENABLE:
            return self._value, 0
        ticks = max(0, self._now() - self._since) // self._cycles_per_tick
        if ticks <= self._value:
            return self._value - ticks, int(ticks == self._value and ticks > 0)
        period = self._reload + 1
        if not self._reload:
            return 0, int(self._value > 0)
        past = ticks - self._value - 1  # ticks since the first reload
        left = self._reload - past % period
        wraps = int(self._value > 0) + (past + 1) // period
        return left, wraps

    def _settle(self) -> None:
        """Begin counting anew from the present state; a flag not yet told stays."""
        value, wraps = self._state()
        pending = wraps > self._wraps_seen
        self._value, self._since = value, self._now()
        self._wraps_seen = -1 if pending else 0

    def _cancel(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def _schedule(self) -> None:
        self._cancel()
        if self._control & (_ENABLE | _TICKINT) != _ENABLE | _TICKINT:
            return
        value, _ = self._state()
        if not value and not self._reload:
            return
        ticks_done = max(0, self._now() - self._since) // self._cycles_per_tick
        ticks = ticks_done + (value if value else self._reload + 1)
        self._event = self._at(self._since + ticks * self._cycles_per_tick, self._tick)

    def _tick(self) -> None:
        self._event = None
        self._on_tick()
        self._schedule()
