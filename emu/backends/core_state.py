"""The core's registers while the emulator stands still: read and written in as few calls as may be.

An interrupt costs two stops, and each register read through the emulator's Python layer costs
microseconds; batches prepared once cost about one.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import unicorn
from unicorn import arm_const

from emu.backends.register_access import REGISTER_IDS, exclusive_offset, handle_of

SP, LR, PC = 13, 14, 15
CONTROL_UNPRIVILEGED, CONTROL_PSP, CONTROL_FPCA = 1, 2, 4
XPSR_THUMB = 1 << 24
XPSR_IT = 0x0600FC00
XPSR_FLAGS = 0xF80F0000
_ALL_FP_IDS = (*(arm_const.UC_ARM_REG_D0 + n for n in range(16)), arm_const.UC_ARM_REG_FPSCR)
_FP_IDS = (*(arm_const.UC_ARM_REG_D0 + n for n in range(8)), arm_const.UC_ARM_REG_FPSCR)


class _Batch:
    """Registers that are read or written together."""

    def __init__(self, uc: unicorn.Uc, ids: tuple[int, ...]) -> None:
        from unicorn.unicorn_py3.unicorn import uclib

        count = len(ids)
        self.values = (ctypes.c_uint64 * count)()
        first = ctypes.addressof(self.values)
        self._ids = (ctypes.c_int * count)(*ids)
        self._pointers = (ctypes.c_void_p * count)(*(first + 8 * n for n in range(count)))
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
        )
        arguments = (
            ctypes.c_size_t(handle_of(uc)),
            ctypes.c_void_p(ctypes.addressof(self._ids)),
            ctypes.c_void_p(ctypes.addressof(self._pointers)),
            ctypes.c_int(count),
        )
        reader: Any = prototype(("uc_reg_read_batch", uclib))
        writer: Any = prototype(("uc_reg_write_batch", uclib))
        self._read, self._write, self._arguments = reader, writer, arguments

    def read(self) -> Any:
        self._read(*self._arguments)
        return self.values

    def write(self, *values: int) -> None:
        self.values[:] = list(values)
        self._write(*self._arguments)


class Special(NamedTuple):
    """The special registers of one moment."""

    xpsr: int
    control: int
    primask: int
    basepri: int
    faultmask: int

    @property
    def exception(self) -> int:
        return self.xpsr & 0x1FF

    @property
    def uses_psp(self) -> bool:
        return self.control & CONTROL_PSP != 0 and not self.exception

    @property
    def privileged(self) -> bool:
        return bool(self.exception) or not self.control & CONTROL_UNPRIVILEGED


class CoreState:
    """Registers of one emulator. `core` are r0 to r15 (sp is the stack in use)."""

    def __init__(self, uc: unicorn.Uc, in_place: int | None) -> None:
        self._uc = uc
        self._core = (ctypes.c_uint32 * 16).from_address(in_place) if in_place else None
        offset = exclusive_offset() if in_place else None
        self._exclusive = (
            ctypes.c_uint64.from_address(in_place + offset) if in_place and offset else None
        )
        a = arm_const
        self._general = _Batch(uc, REGISTER_IDS)
        self._special = _Batch(
            uc,
            (
                a.UC_ARM_REG_XPSR,
                a.UC_ARM_REG_CONTROL,
                a.UC_ARM_REG_PRIMASK,
                a.UC_ARM_REG_BASEPRI,
                a.UC_ARM_REG_FAULTMASK,
            ),
        )
        self._control = _Batch(uc, (a.UC_ARM_REG_CONTROL,))
        self._exception = _Batch(uc, (a.UC_ARM_REG_IPSR,))
        self._psp = _Batch(uc, (a.UC_ARM_REG_PSP,))
        status = (a.UC_ARM_REG_XPSR, a.UC_ARM_REG_XPSR_NZCVQG)
        mode = (a.UC_ARM_REG_CONTROL, a.UC_ARM_REG_IPSR)
        self._status = _Batch(uc, status)
        self._to_handler = _Batch(uc, (*mode, *status))
        self._to_thread = _Batch(uc, (*mode, a.UC_ARM_REG_CONTROL, *status))
        self._faultmask = _Batch(uc, (a.UC_ARM_REG_FAULTMASK,))
        self._floats = _Batch(uc, _FP_IDS)
        self._all_floats = _Batch(uc, _ALL_FP_IDS)

    def uses_fpu(self) -> bool:
        """CONTROL.FPCA: a floating-point instruction ran since this context began."""
        return bool(self.special().control & CONTROL_FPCA)

    def forget_exclusive(self) -> None:
        """Clear the exclusive monitor: the next strex fails [ARMv7-M A3.4]."""
        if self._exclusive is not None:
            self._exclusive.value = 0xFFFFFFFFFFFFFFFF

    def registers(self) -> list[int]:
        """r0 to r15."""
        values: list[int] = (self._core if self._core is not None else self._general.read())[:]
        return values

    def get(self, number: int) -> int:
        return self._core[number] if self._core is not None else int(self._general.read()[number])

    def set(self, number: int, value: int) -> None:
        if self._core is not None and number != PC:
            self._core[number] = value
        else:
            self._uc.reg_write(REGISTER_IDS[number], value)

    def set_stacked(self, values: list[int]) -> None:
        """r0 to r3, r12 and lr, as they lie in an exception's frame."""
        if self._core is not None:
            core = self._core
            core[0], core[1], core[2], core[3], core[12], core[LR] = values
        else:
            for number, value in zip((0, 1, 2, 3, 12, LR), values, strict=True):
                self.set(number, value)

    def special(self) -> Special:
        return Special(*self._special.read()[:])

    def set_control(self, value: int) -> None:
        self._control.write(value)

    def set_exception(self, number: int) -> None:
        """IPSR: 0 for thread mode. The stack pointer in use follows the mode."""
        self._exception.write(number)

    def psp(self) -> int:
        """The process stack pointer; only while privileged and not in use."""
        return int(self._psp.read()[0])

    def set_psp(self, value: int) -> None:
        self._psp.write(value)

    def set_status(self, xpsr: int) -> None:
        """Flags, IT state and exception number."""
        self._status.write(xpsr, xpsr)

    def enter_handler(self, control: int, exception: int, xpsr: int) -> None:
        """What `set_control`, `set_exception` and `set_status` do, in one call."""
        self._to_handler.write(control, exception, xpsr, xpsr)

    def enter_thread(self, control: int, xpsr: int) -> None:
        """The same for thread mode."""
        # Privileged first, so that CONTROL counts when the mode is the other.
        self._to_thread.write(0, 0, control, xpsr, xpsr)

    def reset(self, stack_top: int) -> None:
        """As a reset leaves the core; only from thread mode."""
        a = arm_const
        for register in (a.UC_ARM_REG_PRIMASK, a.UC_ARM_REG_BASEPRI, a.UC_ARM_REG_FAULTMASK):
            self._uc.reg_write(register, 0)
        self.set_control(0)
        self.set(SP, stack_top)
        self.set(LR, 0xFFFFFFFF)
        self.set_status(XPSR_THUMB)

    def clear_faultmask(self) -> None:
        self._faultmask.write(0)

    def floats(self) -> list[int]:
        """d0 to d7 and FPSCR."""
        return list(self._floats.read())

    def all_floats(self) -> list[int]:
        """d0 to d15 and FPSCR."""
        return list(self._all_floats.read())

    def set_floats(self, values: list[int]) -> None:
        self._floats.write(*values)
