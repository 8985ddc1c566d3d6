"""The system control block at 0xE000_ED00 [ARMv7-M B3.2]: exceptions' side of it.

Caches are maintained elsewhere, since they are the timing model's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Literal

from emu.system.exception_model import Exc, ExceptionModel

ICTR, ACTLR = 0xE000E004, 0xE000E008
CPUID, ICSR, VTOR, AIRCR, SCR, CCR = (
    0xE000ED00, 0xE000ED04, 0xE000ED08, 0xE000ED0C, 0xE000ED10, 0xE000ED14,
)  # fmt: skip
SHPR1, SHPR3, SHCSR, CFSR, HFSR, DFSR, MMFAR, BFAR = (
    0xE000ED18, 0xE000ED20, 0xE000ED24, 0xE000ED28, 0xE000ED2C, 0xE000ED30, 0xE000ED34, 0xE000ED38,
)  # fmt: skip
CPACR, FPCCR, FPCAR, FPDSCR, MVFR0, MVFR1, MVFR2 = (
    0xE000ED88, 0xE000EF34, 0xE000EF38, 0xE000EF3C, 0xE000EF40, 0xE000EF44, 0xE000EF48,
)  # fmt: skip
CPUID_CORTEX_M7_R1P1 = 0x411FC271
CCR_RESET = 0x00040200  # STKALIGN and branch prediction
_FPCCR_ASPEN, _FPCCR_LSPEN, _FPCCR_THREAD = 1 << 31, 1 << 30, 1 << 3
_SCR_SLEEPONEXIT, _SCR_SLEEPDEEP, _SCR_SEVONPEND = 1 << 1, 1 << 2, 1 << 4
_AIRCR_KEY, _AIRCR_READ_KEY = 0x05FA, 0xFA05
# Identification of the core's features, ID_PFR0 to ID_ISAR5 from 0xE000_ED40 [TRM-M7 3.2].
_ID_REGISTERS = (
    0x00000030, 0x00000200, 0x00100000, 0x00000000, 0x00100030, 0x00000000, 0x01000000, 0x00000000,
    0x01101110, 0x02112000, 0x20232231, 0x01111131, 0x01310132,
)  # fmt: skip
_FLOATING_POINT = {
    "none": (0, 0, 0),
    "single": (0x10110021, 0x11000011, 0x00000040),
    "double": (0x10110221, 0x12000011, 0x00000040),
}


class Cfsr(IntFlag):
    """Configurable fault status [ARMv7-M B3.2.15]."""

    IACCVIOL = 1 << 0
    DACCVIOL = 1 << 1
    MUNSTKERR = 1 << 3
    MSTKERR = 1 << 4
    MLSPERR = 1 << 5
    MMARVALID = 1 << 7
    IBUSERR = 1 << 8
    PRECISERR = 1 << 9
    IMPRECISERR = 1 << 10
    UNSTKERR = 1 << 11
    STKERR = 1 << 12
    BFARVALID = 1 << 15
    UNDEFINSTR = 1 << 16
    INVSTATE = 1 << 17
    INVPC = 1 << 18
    NOCP = 1 << 19
    UNALIGNED = 1 << 24
    DIVBYZERO = 1 << 25


class Hfsr(IntFlag):
    """HardFault status [ARMv7-M B3.2.16]."""

    VECTTBL = 1 << 1
    FORCED = 1 << 30
    DEBUGEVT = 1 << 31


_ACTIVE_BITS = {
    0: Exc.MEM_MANAGE, 1: Exc.BUS_FAULT, 3: Exc.USAGE_FAULT, 7: Exc.SVCALL, 8: Exc.DEBUG_MONITOR,
    10: Exc.PENDSV, 11: Exc.SYSTICK,
}  # fmt: skip
_PENDED_BITS = {12: Exc.USAGE_FAULT, 13: Exc.MEM_MANAGE, 14: Exc.BUS_FAULT, 15: Exc.SVCALL}
_ENABLE_BITS = {16: Exc.MEM_MANAGE, 17: Exc.BUS_FAULT, 18: Exc.USAGE_FAULT}


class SystemControl:
    """Registers of the system control block. `on_reset` is told of SYSRESETREQ."""

    def __init__(
        self,
        model: ExceptionModel,
        fpu: Literal["none", "single", "double"],
        now_cycles: Callable[[], int],
        on_reset: Callable[[str], None],
        uses_fpu: Callable[[], bool] = lambda: False,
    ) -> None:
        self._model, self._fpu = model, fpu
        self.uses_fpu = uses_fpu  # CONTROL.FPCA of the handler that runs
        self._now, self._on_reset = now_cycles, on_reset
        self.reset()

    def reset(self) -> None:
        self.vtor = 0
        self.cfsr = self.hfsr = self.dfsr = self.mmfar = self.bfar = 0
        self.scr = 0
        self.cpacr = 0
        self.fpccr = _FPCCR_ASPEN | _FPCCR_LSPEN
        self.fpcar = self.fpdscr = 0
        self.lazy_pending = False  # a frame waits for its floating-point state
        self._kept: dict[int, int] = {}

    @property
    def sleeps_on_exit(self) -> bool:
        return bool(self.scr & _SCR_SLEEPONEXIT)

    @property
    def pending_wakes_wfe(self) -> bool:
        return bool(self.scr & _SCR_SEVONPEND)

    @property
    def fpu_enabled(self) -> bool:
        """Whether privileged code may use the FPU: CP10 and CP11 not denied."""
        return self._fpu != "none" and (self.cpacr >> 20) & 0b0101 == 0b0101

    @property
    def stacks_lazily(self) -> bool:
        return bool(self.fpccr & _FPCCR_LSPEN)

    @property
    def stacks_automatically(self) -> bool:
        return bool(self.fpccr & _FPCCR_ASPEN)

    def note_frame(self, *, thread: bool, lazily: bool) -> None:
        """A frame with floating-point state was made."""
        self.fpccr = (self.fpccr & ~_FPCCR_THREAD) | (_FPCCR_THREAD if thread else 0)
        self.lazy_pending = lazily

    def claims(self, address: int) -> bool:
        return (
            address in (ICTR, ACTLR, CPACR)
            or CPUID <= address <= BFAR + 4
            or FPCCR <= address <= MVFR2
            or 0xE000ED40 <= address < 0xE000ED78
        ) and address != CCR

    def read(self, address: int) -> int:  # one line a register
        model = self._model
        if SHPR1 <= address <= SHPR3:
            first = 4 + (address - SHPR1)
            return int.from_bytes(bytes(model.priority[first : first + 4]), "little")
        if 0xE000ED40 <= address < 0xE000ED40 + 4 * len(_ID_REGISTERS):
            return _ID_REGISTERS[(address - 0xE000ED40) // 4]
        if MVFR0 <= address <= MVFR2:
            return _FLOATING_POINT[self._fpu][(address - MVFR0) // 4]
        match address:
            case 0xE000E004:
                return max(0, (model.lines_count - 1) // 32)
            case 0xE000ED00:
                return CPUID_CORTEX_M7_R1P1
            case 0xE000ED04:
                return self._icsr()
            case 0xE000ED08:
                return self.vtor
            case 0xE000ED0C:
                return (_AIRCR_READ_KEY << 16) | (model.priority_group << 8)
            case 0xE000ED10:
                return self.scr
            case 0xE000ED24:
                return self._shcsr()
            case 0xE000ED28:
                return self.cfsr
            case 0xE000ED2C:
                return self.hfsr
            case 0xE000ED30:
                return self.dfsr
            case 0xE000ED34:
                return self.mmfar
            case 0xE000ED38:
                return self.bfar
            case 0xE000ED88:
                return self.cpacr
            case 0xE000EF34:
                return self.fpccr | int(self.lazy_pending and not self.uses_fpu())
            case 0xE000EF38:
                return self.fpcar
            case 0xE000EF3C:
                return self.fpdscr
        return self._kept.get(address, 0)

    def write(self, address: int, value: int) -> None:
        model = self._model
        if SHPR1 <= address <= SHPR3:
            for n in range(4):
                number = 4 + (address - SHPR1) + n
                model.priority[number] = (value >> (8 * n)) & model.implemented_priority
            return
        match address:
            case 0xE000ED04:
                self._write_icsr(value)
            case 0xE000ED08:
                self.vtor = value & ~0x7F
            case 0xE000ED0C if value >> 16 == _AIRCR_KEY:
                model.priority_group = (value >> 8) & 7
                if value & 0b101:
                    self._on_reset("SYSRESETREQ" if value & 4 else "VECTRESET")
            case 0xE000ED10:
                self.scr = value & (_SCR_SLEEPONEXIT | _SCR_SLEEPDEEP | _SCR_SEVONPEND)
            case 0xE000ED24:
                self._write_shcsr(value)
            case 0xE000ED28:
                self.cfsr &= ~value
            case 0xE000ED2C:
                self.hfsr &= ~value
            case 0xE000ED30:
                self.dfsr &= ~value
            case 0xE000ED34:
                self.mmfar = value
            case 0xE000ED38:
                self.bfar = value
            case 0xE000ED88:
                self.cpacr = value & (0xF << 20) if self._fpu != "none" else 0
            case 0xE000EF34:
                self.fpccr = value & 0xC000017A
            case 0xE000EF38:
                self.fpcar = value & ~7
            case 0xE000EF3C:
                self.fpdscr = value & 0x07C00000
            case 0xE000E008:
                self._kept[address] = value

    def clears_by_one(self, address: int) -> bool:
        """Whether bytes of a register that are not written must not be merged in."""
        return address in (CFSR, HFSR, DFSR, ICSR)

    def _icsr(self) -> int:
        model = self._model
        running = model.active[-1] if model.active else 0
        value = running | (int(len(model.active) <= 1) << 11)
        value |= model.first_pending() << 12
        value |= int((model.pending & model.enabled) >> Exc.IRQ0 != 0) << 22
        value |= (model.pending >> Exc.SYSTICK & 1) << 26
        value |= (model.pending >> Exc.PENDSV & 1) << 28
        return value | ((model.pending >> Exc.NMI & 1) << 31)

    def _write_icsr(self, value: int) -> None:
        model, now = self._model, self._now()
        if value & 1 << 25:
            model.unpend(Exc.SYSTICK)
        if value & 1 << 27:
            model.unpend(Exc.PENDSV)
        for bit, number in ((26, Exc.SYSTICK), (28, Exc.PENDSV), (31, Exc.NMI)):
            if value >> bit & 1:
                model.pend(number, now)

    def _shcsr(self) -> int:
        model = self._model
        value = sum(1 << bit for bit, number in _ACTIVE_BITS.items() if number in model.active)
        for bit, number in _PENDED_BITS.items():
            value |= (model.pending >> number & 1) << bit
        for bit, number in _ENABLE_BITS.items():
            value |= (model.enabled >> number & 1) << bit
        return value

    def _write_shcsr(self, value: int) -> None:
        model, now = self._model, self._now()
        for bit, number in _ENABLE_BITS.items():
            if value >> bit & 1:
                model.enabled |= 1 << number
            else:
                model.enabled &= ~(1 << number)
        for bit, number in _PENDED_BITS.items():
            if value >> bit & 1:
                model.pend(number, now)
            else:
                model.unpend(number)
