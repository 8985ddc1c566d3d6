"""What stops the emulator by itself: faults, breakpoints, exception returns, page rights.

Callbacks must not raise into C and may not change the memory map: they leave requests, which the
run looks after once the emulator stands still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unicorn import arm_const, unicorn_const

from emu.backends.core_state import PC
from emu.backends.firmware_faults import Raised
from emu.backends.protocol import Fault
from emu.backends.start import RETURN_ADDRESS
from emu.system.exception_model import Exc
from emu.system.system_control import Cfsr, Hfsr

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run

_FIRST_EXC_RETURN = 0xFFFFFFE0


class EmulatorTraps:
    """The callbacks of one run and what they ask for.

    Attributes:
        failure: an exception that a callback could not raise.
        raised: a fault to deliver.
        exc_return: an EXC_RETURN value that was branched to.
        first_fetch: code in RAM whose page may not execute yet.
        opened: an access on a restricted page that the MPU allows.
        flash_store: address and size of a store to flash.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.failure: BaseException | None = None
        self.raised: Raised | None = None
        self.exc_return: int | None = None
        self.first_fetch: int | None = None
        self.opened: int | None = None
        self.flash_store: tuple[int, int] | None = None

    def fail(self, failure: BaseException) -> None:
        """Remember what went wrong in a callback; the loop raises it."""
        self.failure = failure
        self._run.uc.emu_stop()

    def on_interrupt(self, _handle: int, number: int, _data: int) -> None:
        try:
            pc = self._run.core.get(PC)
            if number == 7:
                self._on_breakpoint(pc)
            elif number == 2:
                fault = self._run.faults.exception(number, pc, self._run.call_path(pc))
                self.raised = Raised(fault, Exc.SVCALL, 0, pc)
                self._run.uc.emu_stop()
            elif number in (3, 8) and pc & ~1 == RETURN_ADDRESS:
                self._run.end_by_return()
            elif number in (3, 8) and pc >= _FIRST_EXC_RETURN:
                self.exc_return = pc | 1
                self._run.uc.emu_stop()
            elif number == 3:  # a prefetch abort
                c = unicorn_const
                mapped = self._run.memory.at(pc) is not None
                access = c.UC_MEM_FETCH_PROT if mapped else c.UC_MEM_FETCH_UNMAPPED
                self.raise_memory(access, pc, 2, pc)
                self._run.uc.emu_stop()
            elif number == 4:  # an exclusive access off its size
                fault = self._run.faults.unaligned_exclusive(pc, self._run.call_path(pc))
                self.raise_usage(fault, Cfsr.UNALIGNED, pc)
                self._run.uc.emu_stop()
            elif number == 17:  # the emulator's number for "no coprocessor"
                fault = self._run.faults.no_coprocessor(pc, self._run.call_path(pc))
                self.raise_usage(fault, Cfsr.NOCP, pc)
                self._run.uc.emu_stop()
            else:
                self._run.fault = self._run.faults.exception(number, pc, self._run.call_path(pc))
                self._run.end("fault")
        except BaseException as failure:  # a callback must not raise into C
            self.fail(failure)

    def _on_breakpoint(self, pc: int) -> None:
        if int.from_bytes(self._run.memory.read(pc, 2), "little") == 0xBEAB:
            operation, parameter = self._run.core.get(0), self._run.core.get(1)
            self._run.sleeping.sign()
            self._run.waiting.disturb()
            result = self._run.semihosting.call(operation, parameter)
            if self._run.semihosting.exit_code is not None:
                self._run.end("exited")
                return
            self._run.core.set(0, result)
            self._run.uc.reg_write(arm_const.UC_ARM_REG_PC, (pc + 2) | 1)
            return
        fault = self._run.delivery.blame()
        if fault is None and self._run.exceptions.running:
            name = self._run.exception_name(self._run.exceptions.running)
            fault = self._run.faults.unhandled(
                name, self._run.exceptions.running, pc, self._run.call_path(pc)
            )
        if fault is not None:
            self._run.fault = fault
            self._run.end("fault")
            return
        fault = self._run.faults.breakpoint(pc, self._run.call_path(pc))
        self.raised = Raised(fault, Exc.HARD_FAULT, Hfsr.DEBUGEVT, pc)
        self._run.uc.emu_stop()

    def on_invalid(
        self, uc: Any, access: int, address: int, size: int, _value: int, _data: Any
    ) -> bool:
        try:
            c = unicorn_const
            if (
                access == c.UC_MEM_FETCH_PROT
                and self._run.memory.may_execute(address)
                and not self._run.map.denies(address, write=False, execute=True)
            ):
                self.first_fetch = address  # rights change only while the emulator stands still
                return False
            pc = uc.reg_read(arm_const.UC_ARM_REG_PC)
            if access == c.UC_MEM_FETCH_UNMAPPED and address == RETURN_ADDRESS:
                return False
            protected = access in (c.UC_MEM_READ_PROT, c.UC_MEM_WRITE_PROT, c.UC_MEM_FETCH_PROT)
            if protected and self._run.map.is_restricted(address):
                write, fetch = access == c.UC_MEM_WRITE_PROT, access == c.UC_MEM_FETCH_PROT
                if self._run.map.denies(address, write=write, execute=fetch) and self._mpu_holds():
                    fault = self._run.faults.protected(
                        address, write, fetch, pc, self._run.call_path(pc)
                    )
                    status = Cfsr.IACCVIOL if fetch else Cfsr.DACCVIOL
                    where = None if fetch else address
                    self.raised = Raised(fault, Exc.MEM_MANAGE, status, pc, where)
                    return False
                if not (write and self._run.memory.is_flash(address)):
                    self.opened = address
                    return False
            if access == c.UC_MEM_WRITE_PROT and self._run.flash_stores.takes(address):
                self.flash_store = address, size
                return False
            self.raise_memory(access, address, size, pc)
        except BaseException as failure:  # a callback must not raise into C
            self.fail(failure)
        return False

    def _mpu_holds(self) -> bool:
        """Not for HardFault, NMI and FAULTMASK, unless HFNMIENA is set [ARMv7-M B3.5.5]."""
        if self._run.system.mpu.in_hard_fault:
            return True
        special = self._run.core.special()
        masks = special.primask, special.basepri, special.faultmask
        return self._run.exceptions.model.execution_priority(*masks) >= 0

    def denies(self, address: int, size_bytes: int, write: bool) -> bool:
        """Whether the MPU forbids the core to store or load an exception's frame."""
        ends = (address, address + size_bytes - 4)
        denied = any(self._run.map.denies(end, write=write, execute=False) for end in ends)
        return denied and self._mpu_holds()

    def raise_memory(self, access: int, address: int, size: int, pc: int) -> None:
        """A bus error, or code where the default memory map has none."""
        c = unicorn_const
        fault = self._run.faults.memory(access, address, size, pc, self._run.call_path(pc))
        if access == c.UC_MEM_FETCH_PROT:
            self.raised = Raised(fault, Exc.MEM_MANAGE, Cfsr.IACCVIOL, address)
        elif access == c.UC_MEM_FETCH_UNMAPPED:
            never = 0x40000000 <= address < 0x60000000 or address >= 0xA0000000
            if never:  # execute-never in the default memory map [ARMv7-M B3.1]
                self.raised = Raised(fault, Exc.MEM_MANAGE, Cfsr.IACCVIOL, address)
            else:
                self.raised = Raised(fault, Exc.BUS_FAULT, Cfsr.IBUSERR, address)
        elif access in (c.UC_MEM_WRITE_UNMAPPED, c.UC_MEM_WRITE_PROT):
            # The store buffer answers before the bus: the error comes late, without address.
            self.raised = Raised(fault, Exc.BUS_FAULT, Cfsr.IMPRECISERR, pc)
        else:
            self.raised = Raised(fault, Exc.BUS_FAULT, Cfsr.PRECISERR, pc, address)

    def raise_usage(self, fault: Fault, status: Cfsr, pc: int) -> None:
        self.raised = Raised(fault, Exc.USAGE_FAULT, status, pc)

    def after_error(self, error_code: int) -> None:
        """What the emulator reports without a callback of its own, by its number (UC_ERR_)."""
        if (
            self.first_fetch is not None or self.opened is not None
            or self.flash_store is not None or self.raised is not None
            or self._run.ended is not None or self.failure is not None
        ):  # fmt: skip
            return
        pc = self._run.core.get(15)
        if error_code == unicorn_const.UC_ERR_FETCH_UNMAPPED and pc & ~1 == RETURN_ADDRESS:
            return
        if self._run.watch.ended_with(pc, "wfe") or self._run.watch.ended_with(pc, "yield"):
            return
        fault = self._run.faults.from_error(error_code, pc, self._run.call_path(pc))
        status = Cfsr.UNDEFINSTR if self._run.is_thumb() else Cfsr.INVSTATE
        self.raise_usage(fault, status, pc)

    def is_ignored(self, raised: Raised) -> bool:
        """CCR.BFHFNMIGN: data bus errors of a handler that probes [ARMv7-M B3.2.8]."""
        data = raised.exception == Exc.BUS_FAULT and not raised.status & Cfsr.IBUSERR
        if not data or not self._run.system.ignores_bus_faults:
            return False
        special = self._run.core.special()
        masks = special.primask, special.basepri, special.faultmask
        return self._run.exceptions.model.execution_priority(*masks) <= -1
