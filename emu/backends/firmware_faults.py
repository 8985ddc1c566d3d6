"""Faults as the firmware sees them: which exception, which status bits, and who handles it.

Silicon takes every fault to a handler. Here it is taken to the firmware's, if it has one that does
more than stop; what nobody handles ends the run with its own sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.backends.core_state import CoreState
from emu.backends.exception_unit import ExceptionUnit, LockupError
from emu.backends.guest_memory import GuestMemory
from emu.backends.protocol import Fault
from emu.system.exception_model import Exc
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
                return self.blame() or raised.fault  # lockup
            if number != Exc.HARD_FAULT:
                control.hfsr |= Hfsr.FORCED
            number = Exc.HARD_FAULT
        if not self._is_handled(number):
            return self.blame() or raised.fault
        self._settle()
        self._unresolved.append((len(model.active), raised))
        self.delivered_count += 1
        model.pend(number, exceptions.now_cycles)
        try:
            return exceptions.enter(number, raised.resumes_at)
        except LockupError:
            return raised.fault

    def _is_handled(self, number: int) -> bool:
        """Whether the vector leads to code that does more than stop at once."""
        vector = self._memory.read(self._exceptions.control.vtor + 4 * number, 4)
        entry = int.from_bytes(vector, "little") if len(vector) == 4 else 0
        first = self._memory.read(entry & ~1, 2)
        return bool(entry & 1) and len(first) == 2 and first != IDLE and first[1] != _BKPT

    def _settle(self) -> None:
        """Forget the faults whose handlers have returned."""
        depth = len(self._exceptions.model.active)
        self._unresolved = [item for item in self._unresolved if item[0] < depth]

    def blame(self) -> Fault | None:
        """The fault whose handler is still active: why the firmware stands still."""
        self._settle()
        return self._unresolved[0][1].fault if self._unresolved else None
