"""Entering and leaving exceptions: what silicon does between two instructions [ARMv7-M B1.5].

Frames are those of silicon: eight words, or twenty-six with floating-point state. That state is
stored at entry; with lazy stacking its cycles are charged only when the handler uses the FPU.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emu.backends.call_tracking import finish_frames
from emu.backends.constants import (
    W_CYCLES,
    W_FALLTHROUGH,
    W_FRAME_DEPTH,
    W_FRAME_LOWEST,
    W_MODE,
    W_PREVIOUS,
    W_SHADOW_CAPACITY,
    W_SHADOW_DEPTH,
    W_SKIP_EVENT,
    W_STACK_LIMIT,
    W_STACK_LOWEST,
    W_STATE,
    W_TRANSITION,
    W_WATCH_MASKS,
)
from emu.backends.core_state import (
    CONTROL_FPCA,
    CONTROL_PSP,
    CONTROL_UNPRIVILEGED,
    LR,
    SP,
    XPSR_FLAGS,
    XPSR_IT,
    XPSR_THUMB,
    CoreState,
    Special,
)
from emu.backends.guest_memory import GuestMemory
from emu.backends.layout import TICKS
from emu.backends.memory_model import stack_frame_stall
from emu.backends.protocol import InterruptStats
from emu.backends.view_words import view_words
from emu.core.timing_table import Param, TimingTable
from emu.system.exception_model import NO_EXCEPTION, Exc, ExceptionModel
from emu.system.mpu import Mpu
from emu.system.system_control import Cfsr, Hfsr, SystemControl

_BASIC_BYTES, _EXTENDED_BYTES = 0x20, 0x68
_BASIC_FRAME = struct.Struct("<8I")
_FOREVER = 1 << 62
_CCR_NONBASETHRDENA = 1


@dataclass(slots=True)
class _Active:
    """An exception being handled, and what it interrupted."""

    number: int
    handler: int
    frame: int
    entered_cycles: float
    resumes_at: int
    previous: int
    fallthrough: int
    depth: int
    frame_lowest: int
    floats: bytes  # state that lazy stacking has not stored yet


@dataclass
class _Thread:
    """Calls of a thread that is not running, by the address of its frame."""

    shadow: npt.NDArray[np.int64]
    previous: int
    fallthrough: int
    resumes_at: int


@dataclass(slots=True)
class _Totals:
    handler: int = 0
    taken: int = 0
    chained: int = 0
    latency_max_cycles: int = 0
    cycles: float = 0.0


class LockupError(Exception):
    """A fault that cannot be handled: the core stops for good."""


class ExceptionUnit:
    """Exceptions of one run."""

    def __init__(
        self,
        core: CoreState,
        machine: npt.NDArray[np.int64],
        shadow: npt.NDArray[np.int64],
        memory: GuestMemory,
        table: TimingTable,
        model: ExceptionModel,
        control: SystemControl,
        mpu: Mpu,
        name_of: Callable[[int], str],
    ) -> None:
        self._core, self._shadow = core, shadow
        self._words, self._shadow_words = view_words(machine), view_words(shadow)
        self._words_at = int(machine.ctypes.data)
        self._memory = memory
        self._entry_ticks, self._chain_ticks, self._return_ticks, self._floats_ticks = (
            int(table.params[cost]) * TICKS
            for cost in (
                Param.EXCEPTION_ENTRY, Param.EXCEPTION_CHAIN, Param.EXCEPTION_RETURN,
                Param.EXCEPTION_FLOATS,
            )
        )  # fmt: skip
        self.model, self.control = model, control
        self._name_of = name_of
        self.charged_ticks: dict[int, int] = {}  # by handler: entry, chaining, return
        self._active: list[_Active] = []
        self._threads: dict[int, _Thread] = {}
        self._totals: dict[int, _Totals] = {}
        self._mpu = mpu
        # Whether it forbids an access: address, size and whether it is a write.
        self.denies: Callable[[int, int, bool], bool] = lambda _address, _size, _write: False
        self.masks_seen = False  # the block at which the masks were looked at may pass
        self.allow_nested_thread_return = False  # CCR.NONBASETHRDENA

    # Time

    @property
    def now_cycles(self) -> int:
        cycles: int = self._words[W_CYCLES] // TICKS
        return cycles

    def _charge(self, handler: int, ticks: int) -> None:
        if self._words[W_MODE]:
            self._words[W_CYCLES] += ticks
            self.charged_ticks[handler] = self.charged_ticks.get(handler, 0) + ticks

    def _stall(self, address: int, words: int, *, is_store: bool) -> int:
        if self._words[W_MODE] != 2:
            return 0
        return stack_frame_stall(self._words_at, address, words, is_store)

    # Entry

    def to_take(self, special: Special | None = None) -> int:
        """The exception to take now, `NO_EXCEPTION` for none; arms the watch on the masks."""
        model = self.model
        if not model.pending & model.enabled:
            self._words[W_WATCH_MASKS] = 0
            return NO_EXCEPTION
        special = special or self._core.special()
        number = model.to_take(special.primask, special.basepri, special.faultmask)
        masked = number == NO_EXCEPTION and model.would_take_unmasked()
        self._words[W_WATCH_MASKS] = (2 if self.masks_seen else 1) if masked else 0
        return number

    def enter(
        self, number: int, resumes_at: int, special: Special | None = None, *, thumb: bool = True
    ) -> int:
        """Take an exception; returns the handler's address.

        `special` is what the registers hold, where that is known; `thumb` is what the frame says.

        Raises:
            LockupError: its frame cannot be stored, and that fault cannot be handled either.
        """
        core, control = self._core, self.control
        special = special or core.special()
        uses_psp, nested = special.uses_psp, bool(special.exception)
        with_fp = bool(
            special.control & CONTROL_FPCA and control.fpu_enabled and control.stacks_automatically
        )
        registers = core.registers()
        size = _EXTENDED_BYTES if with_fp else _BASIC_BYTES
        stack = registers[SP] & ~3
        frame = (stack - size) & ~7
        padded = (stack - size) & 4
        xpsr = (special.xpsr & ~(XPSR_THUMB | 1 << 9)) | (padded << 7)
        xpsr |= XPSR_THUMB if thumb else 0
        ticks = self._entry_ticks
        data = _BASIC_FRAME.pack(*registers[0:4], registers[12], registers[LR], resumes_at, xpsr)
        if special.control & CONTROL_FPCA:
            self._store_floats()
        floats = b""
        if with_fp:
            values = core.floats()
            floats = struct.pack("<8QII", *values, 0)
            control.fpcar = frame + _BASIC_BYTES
            control.note_frame(thread=not nested, lazily=control.stacks_lazily)
            if not control.stacks_lazily:
                ticks += self._floats_ticks
                data, floats = data + floats, b""
        forbidden = self._mpu.enabled and self.denies(frame, size, True)
        stored = not forbidden and self._memory.write(frame, data)
        ticks += self._stall(frame, 8, is_store=True)
        words = self._words
        thread_end = 0b0100 if uses_psp else 0
        exc_return = 0xFFFFFFE1 | (0 if nested else 0b1000) | thread_end | (0 if with_fp else 0x10)
        state = _Active(
            number, 0, frame, words[W_CYCLES] / TICKS, resumes_at, words[W_PREVIOUS],
            words[W_FALLTHROUGH], words[W_SHADOW_DEPTH], words[W_FRAME_LOWEST], floats,
        )  # fmt: skip
        core.set(SP, frame)
        if uses_psp and not special.privileged:
            core.set_exception(number)
            core.set_control(0)  # privileged, so that the next write of CONTROL counts
            core.set_exception(0)
        # A handler runs on MSP, with a floating-point context of its own.
        core.enter_handler(0, number, (special.xpsr & XPSR_FLAGS) | XPSR_THUMB | number)
        if special.control & CONTROL_UNPRIVILEGED:
            core.set_control(CONTROL_UNPRIVILEGED)
        core.forget_exclusive()
        core.set(LR, exc_return)
        if uses_psp:
            self._use_main_stack()
        if not stored:
            return self._stacking_failed(state, number, ticks, forbidden)
        return self._run_handler(state, ticks, chained=False)

    def _store_floats(self) -> None:
        """Make up for lazy stacking: what runs has used the FPU since its entry (CONTROL.FPCA).

        Silicon stores at the first such instruction; here it is seen at the next exception or
        return, before anybody else can look at the frame.
        """
        # An outer handler that has not used the FPU leaves its frame to an inner one.
        for state in reversed(self._active):
            if state.floats:
                self._flush(state)
                return

    def _flush(self, state: _Active) -> None:
        self._memory.write(state.frame + _BASIC_BYTES, state.floats)
        state.floats = b""
        self.control.lazy_pending = False
        self._charge(state.handler, self._floats_ticks)

    def _stacking_failed(self, state: _Active, number: int, ticks: int, forbidden: bool) -> int:
        """The frame met no memory, or the MPU: that fault goes first if it may [B1.5.11]."""
        if number in (Exc.HARD_FAULT, Exc.NMI):
            raise LockupError
        self.control.cfsr |= Cfsr.MSTKERR if forbidden else Cfsr.STKERR
        derived = Exc.MEM_MANAGE if forbidden else Exc.BUS_FAULT
        fault = self._pend_derived(derived)
        first = self.model.first_pending()
        state.number = first if first != NO_EXCEPTION else fault
        self._core.set_exception(state.number)
        return self._run_handler(state, ticks, chained=False)

    def _pend_derived(self, fault: Exc) -> Exc:
        """Pend a fault of entry or return, as HardFault where it cannot be taken itself."""
        special = self._core.special()
        masks = special.primask, special.basepri, special.faultmask
        if self.model.escalates(fault, *masks):
            if self.model.execution_priority(*masks) <= self.model.priority[Exc.HARD_FAULT]:
                raise LockupError
            self.control.hfsr |= Hfsr.FORCED
            fault = Exc.HARD_FAULT
        self.model.pend(fault, self.now_cycles)
        return fault

    def _failed_return(self, state: _Active, fault: Exc, status: Cfsr, exc_return: int) -> int:
        """A return that cannot be made: its fault follows, on the frame that is there."""
        self.control.cfsr |= status
        return self._chain(state, self._pend_derived(fault), exc_return)

    def _run_handler(self, state: _Active, ticks: int, *, chained: bool) -> int:
        """Vector to the handler of `state.number`.

        The exception that goes first at this moment is the one taken: a later one of higher
        priority takes the place of an earlier one whose frame was being stored (late arrival).
        """
        model, words = self.model, self._words
        number = state.number
        pended = model.enter(number)
        handler = state.handler = (self._memory.read_word(self.control.vtor + 4 * number) or 0) & ~1
        totals = self._totals.get(number)
        if totals is None:
            totals = self._totals[number] = _Totals()
        totals.handler = handler
        totals.taken += 1
        totals.chained += int(chained)
        self._charge(handler, ticks)
        latency_cycles = self.now_cycles - pended
        if latency_cycles > totals.latency_max_cycles:
            totals.latency_max_cycles = latency_cycles
        self._active.append(state)
        depth = state.depth
        if depth < words[W_SHADOW_CAPACITY]:
            at = 3 * depth
            self._shadow_words[at], self._shadow_words[at + 1] = state.resumes_at, state.frame
            words[W_SHADOW_DEPTH] = depth + 1
        words[W_PREVIOUS] = -1
        words[W_STATE] = words[W_TRANSITION] = words[W_SKIP_EVENT] = 0
        return handler

    # Return

    def leave(self, exc_return: int) -> int | None:
        """Return from the exception that runs; the address to go on at.

        None outside of exceptions, where EXC_RETURN is no address.

        Raises:
            LockupError: the return fails, and that fault cannot be handled.
        """
        core, model, words = self._core, self.model, self._words
        special = core.special()
        number = special.exception
        if not self._active or not number:
            return None
        to_handler = exc_return & 0xF == 1
        nested = len(model.active) > 1
        valid = exc_return & 0xFFFFFFE3 == 0xFFFFFFE1 and exc_return & 0xF in (1, 9, 0xD)
        valid &= nested if to_handler else not nested or self.allow_nested_thread_return
        state = self._active.pop()
        now = words[W_CYCLES] / TICKS
        self._totals[number].cycles += now - state.entered_cycles
        if special.faultmask and number != Exc.NMI:
            core.clear_faultmask()
        if number in model.active:
            model.leave(number, self.now_cycles)
        if special.control & CONTROL_FPCA:
            self._active.append(state)
            self._store_floats()
            self._active.pop()
        words[W_SHADOW_DEPTH] = state.depth
        if words[W_FRAME_DEPTH]:
            finish_frames(self._words_at, state.depth)
        if not valid:
            exc_return |= 0xF0000000
            return self._failed_return(state, Exc.USAGE_FAULT, Cfsr.INVPC, exc_return)
        if model.pending & model.enabled:
            chained = model.to_take(special.primask, special.basepri, 0)
            if chained != NO_EXCEPTION:
                return self._chain(state, chained, exc_return)
        return self._unstack(state, special.control, exc_return)

    def _chain(self, state: _Active, number: int, exc_return: int) -> int:
        """Go straight to the next handler: the frame stays where it is."""
        core = self._core
        core.set_exception(number)
        core.set_control(core.special().control & ~CONTROL_FPCA)
        core.forget_exclusive()
        core.set(LR, exc_return)
        state.number = number
        state.entered_cycles = self._words[W_CYCLES] / TICKS
        if exc_return & 4:
            # PendSV's switch of threads may follow: the frame is where PSP says by then.
            state.frame = core.psp()
        return self._run_handler(state, self._chain_ticks, chained=True)

    def _unstack(self, state: _Active, control: int, exc_return: int) -> int:
        core = self._core
        to_psp, with_fp = bool(exc_return & 4), not exc_return & 0x10
        frame = core.psp() if to_psp else core.get(SP)
        size = _EXTENDED_BYTES if with_fp else _BASIC_BYTES
        if state.floats and frame != state.frame:
            self._flush(state)  # another thread goes on
        if self._mpu.enabled and self.denies(frame, size, False):
            return self._failed_return(state, Exc.MEM_MANAGE, Cfsr.MUNSTKERR, exc_return)
        data = self._memory.read(frame, size)
        if len(data) < size:
            return self._failed_return(state, Exc.BUS_FAULT, Cfsr.UNSTKERR, exc_return)
        registers = list(_BASIC_FRAME.unpack_from(data))
        xpsr, resumes_at = registers.pop(), int(registers.pop()) & ~1
        back_to = self.model.active[-1] if exc_return & 0xF == 1 else 0
        if bool(xpsr & 0x1FF) != bool(back_to):
            return self._failed_return(state, Exc.USAGE_FAULT, Cfsr.INVPC, exc_return)
        core.set_stacked(registers)
        if state.floats and frame == state.frame:
            state.floats = b""  # never stored, and still in the registers
        elif with_fp:
            core.set_floats(list(struct.unpack_from("<8QI", data, _BASIC_BYTES)))
        self.control.lazy_pending = False
        after = (frame + size) | (4 if xpsr & 1 << 9 else 0)
        new_control = (control & 1) | (CONTROL_FPCA if with_fp else 0)
        if to_psp:
            core.set_psp(after)
            new_control |= CONTROL_PSP
        else:
            core.set(SP, after)
        status = (xpsr & (XPSR_FLAGS | XPSR_IT)) | XPSR_THUMB | back_to
        if back_to:
            core.enter_handler(new_control, back_to, status)
        else:
            core.enter_thread(new_control, status)
        core.forget_exclusive()
        ticks = self._return_ticks
        if with_fp and not self.control.stacks_lazily:
            ticks += self._floats_ticks
        ticks += self._stall(frame, 8, is_store=False)
        self._charge(state.handler, ticks)
        self._restore_tracking(state, frame, resumes_at, to_psp)
        self._words[W_STATE] = self._words[W_TRANSITION] = 0
        return resumes_at

    # Calls and stacks across switches

    def _restore_tracking(self, state: _Active, frame: int, resumes_at: int, to_psp: bool) -> None:
        words = self._words
        if frame == state.frame:
            same = resumes_at == state.resumes_at
            words[W_PREVIOUS] = state.previous if same else -1
            words[W_FALLTHROUGH] = state.fallthrough
            if to_psp or state.frame_lowest < words[W_FRAME_LOWEST]:
                words[W_FRAME_LOWEST] = state.frame_lowest
            if to_psp:
                self._main_lowest = words[W_STACK_LOWEST]
                words[W_STACK_LOWEST], words[W_STACK_LIMIT] = -1, 0
            return
        # Another thread goes on: keep the calls of the one that was interrupted.
        depth = state.depth
        self._threads[state.frame] = _Thread(
            self._shadow[: 3 * depth].copy(), state.previous, state.fallthrough, state.resumes_at
        )
        found = self._threads.pop(frame, None)
        depth = len(found.shadow) // 3 if found else 0
        if found:
            self._shadow[: 3 * depth] = found.shadow
        words[W_SHADOW_DEPTH] = depth
        same = found is not None and found.resumes_at == resumes_at
        words[W_PREVIOUS] = found.previous if found and same else -1
        words[W_FALLTHROUGH] = found.fallthrough if found else 0
        words[W_FRAME_LOWEST] = _FOREVER
        if to_psp:
            self.use_process_stack()

    _main_lowest = -1
    _main_limit = 0

    def use_process_stack(self) -> None:
        """Thread mode goes on with PSP: its stack is not the one whose depth is reported."""
        words = self._words
        if words[W_STACK_LOWEST] != -1:
            self._main_lowest = words[W_STACK_LOWEST]
            self._main_limit = words[W_STACK_LIMIT]
        words[W_STACK_LOWEST], words[W_STACK_LIMIT] = -1, 0

    def _use_main_stack(self) -> None:
        words = self._words
        if words[W_STACK_LOWEST] == -1 and self._main_lowest != -1:
            words[W_STACK_LOWEST] = self._main_lowest
            words[W_STACK_LIMIT] = self._main_limit
        words[W_FRAME_LOWEST] = _FOREVER

    use_main_stack = _use_main_stack

    @property
    def main_stack_lowest(self) -> int:
        """The deepest point of the main stack so far."""
        lowest = self._words[W_STACK_LOWEST]
        return self._main_lowest if lowest == -1 else lowest

    # For reports

    @property
    def running(self) -> int:
        """The exception being handled, `NO_EXCEPTION` in thread mode."""
        return self._active[-1].number if self._active else NO_EXCEPTION

    @property
    def handler(self) -> int:
        """Where the handler that runs begins, 0 in thread mode."""
        return self._active[-1].handler if self._active else 0

    def stats(self) -> tuple[InterruptStats, ...]:
        return tuple(
            InterruptStats(
                number=number,
                name=self._name_of(number),
                handler=item.handler,
                taken_count=item.taken,
                tail_chained_count=item.chained,
                latency_max_cycles=item.latency_max_cycles,
                total_cycles=item.cycles,
            )
            for number, item in sorted(self._totals.items())
        )

    def reset(self) -> None:
        """As after a reset of the chip; what was counted stays."""
        self._active.clear()
        self._threads.clear()
