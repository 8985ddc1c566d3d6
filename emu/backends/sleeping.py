"""Waiting for an interrupt: WFI, WFE, sleep on exit and `b .` pass modelled time and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.backends.layout import TICKS, Word
from emu.system.exception_model import NO_EXCEPTION

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run

# A firmware that only sleeps and ticks is done: nobody waits longer than this for a character.
_IDLE_LIMIT_S = 10.0


class Sleeping:
    """The core's sleep in one run.

    Attributes:
        ticks: time slept, by the address of the waiting instruction.
        event_register: what WFE looks at.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.ticks: dict[int, int] = {}
        self.event_register = False
        self._last_sign_cycles = 0  # when the firmware last did more than sleep and tick

    def sign(self) -> None:
        """The firmware does something."""
        self._last_sign_cycles = self._run.clock.cycles()

    def wait(self, pc: int) -> None:
        """After WFI or WFE, which end the emulator's run."""
        wfe = self._run.watch.ended_with(pc, "wfe")
        if wfe and self.event_register:
            self.event_register = False
            return
        if self._run.watch.ended_with(pc, "yield"):
            return
        self.sleep(pc - 2, wfe=wfe)

    def idle(self, pc: int) -> None:
        """At `b .`: only an interrupt ends it."""
        fault = self._run.delivery.endless()
        running = self._run.exceptions.running
        if fault is None and running and self._run.watch.is_first_of_handler(pc):
            name = self._run.exception_name(running)
            fault = self._run.faults.unhandled(name, running, pc, self._run.call_path(pc))
        if fault is not None:
            self._run.fault, self._run.ended = fault, "fault"
            return
        self.sleep(pc, loop=True)

    def _is_awake(self, *, wfe: bool, loop: bool) -> bool:
        model, special = self._run.exceptions.model, self._run.core.special()
        if not model.pending:
            return False
        if model.to_take(special.primask, special.basepri, special.faultmask) != NO_EXCEPTION:
            return True
        if wfe:
            return self._run.exceptions.control.pending_wakes_wfe
        return not loop and model.wakes(special.basepri)

    def sleep(self, pc: int, *, wfe: bool = False, loop: bool = False) -> None:
        """Let modelled time pass until something wakes the core; in no host time."""
        machine, schedule = self._run.machine, self._run.space.schedule
        limit = self._idle_limit_cycles()
        while not self._is_awake(wfe=wfe, loop=loop):
            due = schedule.next_cycles()
            now = int(machine[Word.CYCLES])
            if due is None:
                self._run.ended = "halted"
                return
            if limit is not None and due - self._last_sign_cycles > limit:
                self._run.notes.append(
                    f"Stopped after {_IDLE_LIMIT_S:g} s of modelled time in which the firmware "
                    "only slept; --max-time waits longer."
                )
                self._run.ended = "halted"
                return
            until = min(max(due * TICKS, now), self._run.max_ticks)
            machine[Word.CYCLES] = until
            if machine[Word.MODE]:
                self.ticks[pc] = self.ticks.get(pc, 0) + until - now
            if until >= self._run.max_ticks:
                self._run.ended = "max_cycles"
                return
            schedule.run_due(self._run.clock.cycles())
            self._run.look_at_host()
            if self._run.ended is not None or self._run.host.reset_wanted is not None:
                return

    def _idle_limit_cycles(self) -> int | None:
        if self._run.options.serial_script is not None or self._run.options.max_time_s is not None:
            return None
        return int(_IDLE_LIMIT_S * self._run.space.time.clock_hz)
