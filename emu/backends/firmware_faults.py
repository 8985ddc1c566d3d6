"""Faults as the firmware sees them: which exception, which status bits, and who handles it.

Silicon takes every fault to a handler. Here it is taken to the firmware's, if it has one that does
more than stop; what nobody handles ends the run with its own sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emu.backends.core_state import CoreState
from emu.backends.exception_unit import ExceptionUnit, LockupError
from emu.backends.guest_memory import GuestMemory
from emu.backends.protocol import Fault
from emu.system.exception_model import Exc, exception_name
from emu.system.system_control import Cfsr, Hfsr

IDLE = b"\xfe\xe7"  # `b .`: nothing but an interrupt would end it
_BKPT = 0xBE


@dataclass(frozen=True)
class Raised:
    """A fault that an instruction caused.

    Attributes:
        fault: what the report says when nobody handles it.
        exception: which one it is before escalation.
        status: bits of CFSR; of HFSR for a HardFault.
        address: for MMFAR or BFAR, None when it is not valid.
        resumes_at: the address that is stacked.
    """

    fault: Fault
    exception: Exc
    status: int
    resumes_at: int
    address: int | None = None


class FaultDelivery:
    """Takes faults to the firmware's handlers."""

    def __init__(self, core: CoreState, exceptions: ExceptionUnit, memory: GuestMemory) -> None:
        self._core, self._exceptions, self._memory = core, exceptions, memory
        self._unresolved: list[tuple[int, Raised]] = []  # exception depth, what was raised
        self.delivered_count = 0

    def deliver(self, raised: Raised) -> int | Fault:
        """The handler's address, or the fault with which the run ends."""
        exceptions, control = self._exceptions, self._exceptions.control
        model, special = exceptions.model, self._core.special()
        number = raised.exception
        if number == Exc.HARD_FAULT:
            control.hfsr |= raised.status
        else:
            control.cfsr |= raised.status
        if raised.address is not None and number == Exc.MEM_MANAGE:
            control.mmfar = raised.address
            control.cfsr |= Cfsr.MMARVALID
        elif raised.address is not None and number == Exc.BUS_FAULT:
            control.bfar = raised.address
            control.cfsr |= Cfsr.BFARVALID
        masks = special.primask, special.basepri, special.faultmask
        if number == Exc.HARD_FAULT or model.escalates(number, *masks):
            if model.execution_priority(*masks) <= model.priority[Exc.HARD_FAULT]:
                return self._locked_up(raised)
            if number != Exc.HARD_FAULT:
                control.hfsr |= Hfsr.FORCED
            number = Exc.HARD_FAULT
        if (entry := self._vector(number)) is None:
            return self._locked_up(raised)
        if not self._is_handled(entry):
            return self.blame() or self._ended_in(raised.fault, number, entry)
        self._settle()
        self._unresolved.append((len(model.active), raised))
        self.delivered_count += 1
        model.pend(number, exceptions.now_cycles)
        try:
            thumb = not (number != Exc.SVCALL and raised.status & Cfsr.INVSTATE)
            return exceptions.enter(number, raised.resumes_at, thumb=thumb)
        except LockupError:
            return raised.fault

    def _vector(self, number: int) -> int | None:
        """The handler's entry in the vector table; None where no memory is."""
        vector = self._memory.read(self._exceptions.control.vtor + 4 * number, 4)
        return int.from_bytes(vector, "little") if len(vector) == 4 else None

    def _is_handled(self, entry: int) -> bool:
        """Whether the vector leads to code that does more than stop at once."""
        first = self._memory.read(entry & ~1, 2)
        return bool(entry & 1) and len(first) == 2 and first != IDLE and first[1] != _BKPT

    def _ended_in(self, fault: Fault, number: int, entry: int) -> Fault:
        """The fault, and where the firmware stops because of it."""
        if self._memory.read(entry & ~1, 2) != IDLE:
            return fault
        name = exception_name(number)
        return replace(fault, sentence=f"{fault.sentence} Its {name} handler is an endless loop.")

    def _locked_up(self, raised: Raised) -> Fault:
        """A fault where none can be taken any more [ARMv7-M B1.5.15]."""
        first = self.blame()
        why = f" While that was handled: {raised.fault.sentence}" if first is not None else ""
        fault = first or raised.fault
        return replace(
            fault,
            sentence=f"{fault.sentence}{why} No handler can take it: the core locks up (lockup).",
        )

    def _settle(self) -> None:
        """Forget the faults whose handlers have returned."""
        depth = len(self._exceptions.model.active)
        self._unresolved = [item for item in self._unresolved if item[0] < depth]

    def blame(self) -> Fault | None:
        """The fault whose handler is still active: why the firmware stands still."""
        self._settle()
        if not self._unresolved:
            return None
        return self._unresolved[0][1].fault

    def endless(self) -> Fault | None:
        """The same when the handler has reached an endless loop."""
        fault = self.blame()
        if fault is None:
            return None
        name = exception_name(self._exceptions.running)
        return replace(
            fault, sentence=f"{fault.sentence} Its {name} handler ends in an endless loop."
        )
