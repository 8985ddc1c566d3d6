"""Blocks that Python looks at: new ones, watched ones, and those in which something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import unicorn_const

from emu.backends.code_store import StoredBlock
from emu.backends.core_state import PC, SP
from emu.backends.firmware_faults import IDLE
from emu.backends.hooks import on_divide
from emu.backends.layout import Block, BlockFlag, Reason, Word
from emu.backends.native_hook import add_native_hook
from emu.backends.start import RETURN_ADDRESS
from emu.core.timing_table import Param
from emu.system.system_control import Cfsr

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run

# Zero bytes are instructions (`movs r0, r0`), but nobody writes this many of them.
_EMPTY_CODE_BYTES = 4096
_WAITS = {"wfi", "wfe", "yield"}
_STACK_LOADS = ("ldr sp,", "ldr.w sp,", "mov sp,", "msr msp,", "msr psp,")


class BlockWatch:
    """The blocks of one run, as far as Python has to do with them.

    Attributes:
        system_is_new: whether registers of the system may have changed since the last look.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._divide_sites: dict[int, npt.NDArray[np.int64]] = {}
        self._divides_armed = False
        self.system_is_new = True
        self._fpu_enabled = True
        self._floating: set[int] = set()  # blocks that use the FPU, met while it was off
        self._empty_bytes = 0  # of zero-filled code met in a row
        self._marked: tuple[int, tuple[int, ...]] | None = None  # block and rows just let through
        self._stack_is_loaded = False  # by the block that was let through
        self._borrows_stack = False
        self._measured_at: dict[int, int] = {}
        for index, name in enumerate(run.options.measure):
            self._measured_at[run.entry_of(name)] = index

    # New blocks

    def meet(self, address: int, size_bytes: int) -> None:
        """Decode a block that runs for the first time, or whose bytes have changed."""
        run = self._run
        code = run.memory.read(address, size_bytes)
        self._empty_bytes = 0 if any(code) else self._empty_bytes + len(code)
        if self._empty_bytes >= _EMPTY_CODE_BYTES:
            run.fault = run.faults.empty_code(address, run.call_path(address))
            run.ended = "fault"
            return
        stored = run.store.add(code, address)
        number = run.store.number_at(address)
        row = run.store.blocks.data[number]
        index = self._measured_at.get(address)
        if index is not None:
            row[Block.FLAGS] |= (index + 1) << 24
        if self._is_watched(stored):
            row[Block.FLAGS] |= BlockFlag.EVENT
        if _loads_stack(stored):
            self._stack_is_loaded = True
            run.look_soon_after()
        if self._divides_armed:
            self._arm_block(number)
        if not self._fpu_enabled and _first_floating(stored) >= 0:
            self._floating.add(number)
            row[Block.FLAGS] |= BlockFlag.EVENT

    def _is_watched(self, stored: StoredBlock) -> bool:
        return (
            self._run.heap.watches(stored.address)
            or stored.code == IDLE
            or self._run.marks.touches(stored.address, stored.size_bytes)
            or self._run.waiting.watches(stored.address)
            or any(instruction.text == "sev" for instruction in stored.instructions)
        )

    def refresh(self, address: int) -> None:
        """A block became, or is no longer, of interest."""
        store = self._run.store
        number = store.number_at(address)
        if number < 0:
            return
        wanted = self._is_watched(store.stored[number]) or number in self._floating
        flags = int(store.blocks.data[number, Block.FLAGS]) & ~int(BlockFlag.EVENT)
        store.blocks.data[number, Block.FLAGS] = flags | (BlockFlag.EVENT if wanted else 0)

    # Watched blocks

    def event(self, pc: int) -> None:
        """A watched block is about to run."""
        run = self._run
        machine, store = run.machine, run.store
        number = store.number_at(pc)
        stored = store.stored[number]
        if number in self._floating and not self._fpu_enabled:
            self._no_coprocessor(stored)
            return
        if stored.code == IDLE:
            run.sleeping.idle(pc)
            return
        if not run.waiting.watches(pc):
            run.waiting.disturb()
        elif run.waiting.passes(pc):
            return
        if any(instruction.text == "sev" for instruction in stored.instructions):
            run.sleeping.event_register = True
        if rows := run.marks.rows_of(stored):
            self._marked = number, rows
            run.look_soon_after()
        run.heap.event(pc, run.core.registers())
        for address, _ in run.heap.changed():
            self.refresh(address)
        # Let the block through once, if it is still watched at all.
        flags = int(store.blocks.data[store.number_at(pc), Block.FLAGS])
        machine[Word.SKIP_EVENT] = flags & BlockFlag.EVENT

    def align_stack(self) -> None:
        """SP has no low bits [ARMv7-M B1.4]; the emulator keeps those of a start-up's `_estack`."""
        if self._stack_is_loaded:
            self._stack_is_loaded = False
            run = self._run
            stack = run.core.get(SP)
            if stack & 3:
                run.core.set(SP, stack & ~3)
            limit = run.stack_limit
            if self._borrows_stack and limit is not None and limit <= stack <= run.stack_top:
                self._borrows_stack = False
                run.exceptions.use_main_stack()

    def borrows_stack(self, pc: int) -> bool:
        """Whether start-up code has left the stack for another, as that of armlink's library does.

        Never where the linker said how far the stack reaches: there it is a large local.
        """
        run = self._run
        if run.image.symbol("__stack_limit") is not None:
            return False
        numbers = (run.store.number_at(pc), int(run.machine[Word.PREVIOUS]))
        if not any(number >= 0 and _loads_stack(run.store.stored[number]) for number in numbers):
            return False
        self._borrows_stack = True
        run.exceptions.use_process_stack()
        previous = numbers[1]
        if previous >= 0 and run.store.blocks.data[previous, Block.FLAGS] & BlockFlag.STACKS:
            # The stop after its msr was looked after: again, it would take the stack back.
            run.machine[Word.SKIP_STACKS] = 1
        return True

    def count_marks(self) -> None:
        """After the stop that follows a marked block: tell when its marks issued."""
        if self._marked is None:
            return
        (number, rows), self._marked = self._marked, None
        run = self._run
        if int(run.machine[Word.PREVIOUS]) != number:
            return  # the block did not run, it will be met again
        stored = run.store.stored[number]
        after = int(run.machine[Word.INSTRUCTIONS])
        for row in rows:
            run.marks.passed(
                stored.instructions[row].address,
                run.clock.cycles_of_row(row),
                after - (len(stored.instructions) - row),
            )

    def _no_coprocessor(self, stored: StoredBlock) -> None:
        run, row = self._run, _first_floating(stored)
        at = stored.instructions[row]
        self._catch_up(stored, row)
        fault = run.faults.no_fpu(at, run.call_path(at.address))
        run.traps.raise_usage(fault, Cfsr.NOCP, at.address)

    def ended_with(self, pc: int, name: str) -> bool:
        """Whether the last block ended just before `pc` with the hint `name`."""
        number = int(self._run.machine[Word.PREVIOUS])
        if number < 0:
            return False
        last = self._run.store.stored[number].instructions[-1]
        return last.address + last.size_bytes == pc and last.text.split(".")[0] == name

    def is_first_of_handler(self, pc: int) -> bool:
        return self._run.exceptions.handler == pc

    # What the firmware switches

    def follow_system(self) -> None:
        """Take over what was written to CCR, CPACR and the MPU since the last look."""
        if self.system_is_new:
            self.system_is_new = False
            self._follow_settings()
        elif not self._run.system.mpu.enabled:
            return
        run = self._run
        privileged = not run.system.mpu.enabled or run.core.special().privileged
        if run.map.follow(run.system.mpu, privileged=privileged):
            run.store.refresh_fetch_flags()

    def _follow_settings(self) -> None:
        run = self._run
        if run.system.divide_by_zero_traps and not self._divides_armed:
            self._arm_divides()
        traps = run.table.params[Param.UNALIGNED_TRAPS : Param.UNALIGNED_TRAPS + 1]
        if traps[0] != int(run.system.unaligned_traps):
            run.store.forget()  # transitions hold whether their accesses fault
            traps[0] = int(run.system.unaligned_traps)
            run.store.make_room()
        enabled = run.exceptions.control.fpu_enabled
        if enabled != self._fpu_enabled:
            self._fpu_enabled = enabled
            self._switch_fpu()

    def _switch_fpu(self) -> None:
        store = self._run.store
        if not self._fpu_enabled:
            for number, stored in enumerate(store.stored):
                if _first_floating(stored) >= 0:
                    self._floating.add(number)
                    store.blocks.data[number, Block.FLAGS] |= BlockFlag.EVENT
            return
        floating, self._floating = self._floating, set()
        for number in floating:
            self.refresh(store.stored[number].address)

    def _arm_divides(self) -> None:
        self._divides_armed = True
        for number in range(len(self._run.store.stored)):
            self._arm_block(number)

    def _arm_block(self, number: int) -> None:
        """Look at each divisor: silicon traps on zero, the emulator does not."""
        run = self._run
        stored = run.store.stored[number]
        for instruction in stored.instructions:
            if instruction.name not in ("sdiv", "udiv"):
                continue
            # A hook is compiled into code that is translated after it was added.
            run.uc.ctl_remove_cache(stored.address, stored.address + stored.size_bytes)
            if instruction.address in self._divide_sites:
                continue
            divisor = instruction.uses[-1][0]
            site = np.array([run.machine.ctypes.data, divisor], np.int64)
            self._divide_sites[instruction.address] = site
            add_native_hook(
                run.uc, unicorn_const.UC_HOOK_CODE, on_divide.address, int(site.ctypes.data),
                instruction.address, instruction.address,
            )  # fmt: skip

    # Blocks that stop the run

    def block_fault(self, reason: int, pc: int) -> None:
        """A reason of the hook that is about what a block does."""
        run = self._run
        match reason:
            case Reason.NEW_BLOCK if not run.is_thumb():
                self._even_branch(pc)
            case Reason.NEW_BLOCK:
                self.meet(pc, int(run.machine[Word.WANTED_SIZE]))
            case Reason.UNALIGNED if self._is_rewritten(run.store.number_at(pc)):
                self._meet_again(pc)
            case Reason.UNALIGNED:
                stored = run.store.stored[run.store.number_at(pc)]
                row = int(run.machine[Word.FAULT_ROW])
                at = stored.instructions[row]
                self._catch_up(stored, row)
                fault = run.faults.unaligned(at, run.call_path(at.address))
                run.traps.raise_usage(fault, Cfsr.UNALIGNED, at.address)
            case Reason.EVEN_BRANCH if self._is_rewritten(int(run.machine[Word.PREVIOUS])):
                self._meet_again(pc)
            case Reason.EVEN_BRANCH:
                self._even_branch(pc)
            case Reason.DIVIDE_BY_ZERO:
                fault = run.faults.divide_by_zero(pc, run.call_path(pc))
                run.traps.raise_usage(fault, Cfsr.DIVBYZERO, pc)

    def _even_branch(self, pc: int) -> None:
        run = self._run
        run.traps.raise_usage(run.faults.even_branch(pc, run.call_path(pc)), Cfsr.INVSTATE, pc)

    def _is_rewritten(self, number: int) -> bool:
        """Whether memory no longer holds the code that was decoded there."""
        stored = self._run.store.stored[number]
        return self._run.memory.read(stored.address, stored.size_bytes) != stored.code

    def _meet_again(self, pc: int) -> None:
        """Go on at a block after a fault that only its old code, or its predecessor's, has."""
        run = self._run
        for number in (run.store.number_at(pc), int(run.machine[Word.PREVIOUS])):
            if number >= 0 and self._is_rewritten(number):
                stored = run.store.stored[number]
                self.meet(stored.address, stored.size_bytes)
        run.machine[Word.PREVIOUS] = -1  # its branch was followed already

    # Parts of blocks

    def _catch_up(self, stored: StoredBlock, row: int) -> None:
        """Run from a block's start to its faulting instruction without accounting."""
        if row == 0:
            return
        run = self._run
        # Code that is translated already would run past the instruction.
        run.uc.ctl_remove_cache(stored.address, stored.address + stored.size_bytes)
        if not self._pass(stored.address, stored.instructions[row].address, row):
            run.notes.append("The registers are those at the start of the faulting block.")

    def finish_block(self, pc: int) -> int:
        """Run from within the present block, counted already, to its end; returns the next pc."""
        return self._finish(pc, 0)

    def skip(self, pc: int) -> int:
        """Leave one instruction of the present block out and run the rest; the next pc."""
        run = self._run
        first = int.from_bytes(run.memory.read(pc, 2), "little")
        after = pc + (4 if first >> 11 in (0b11101, 0b11110, 0b11111) else 2)
        block = run.present_block()
        if block is not None and block.address < after < block.address + block.size_bytes:
            return self.finish_block(after)
        return after

    def step(self, pc: int) -> int:
        """Run one instruction of the present block without accounting; returns the next pc."""
        # Code that is translated already would run past the instruction.
        self._run.uc.ctl_remove_cache(pc, pc + 4)
        return self._finish(pc, 1)

    def _finish(self, pc: int, count: int) -> int:
        run, machine = self._run, self._run.machine
        machine[Word.REASON], machine[Word.NEXT_STOP] = Reason.FINISH, -1
        machine[Word.FINISHING] = 1
        try:
            run.uc.emu_start(pc | 1, RETURN_ADDRESS, count=count)
        except unicorn.UcError as error:
            run.traps.after_error(error.errno)
        reason = int(machine[Word.REASON])
        machine[Word.REASON] = Reason.NONE
        return int(machine[Word.WANTED_ADDRESS]) if reason == Reason.RESUME else run.core.get(PC)

    def _pass(self, pc: int, until: int, count: int) -> bool:
        machine = self._run.machine
        machine[Word.REASON], machine[Word.NEXT_STOP] = Reason.PASS, -1
        try:
            self._run.uc.emu_start(pc | 1, until, count=count)
        except unicorn.UcError:
            return False
        finally:
            machine[Word.REASON] = Reason.NONE
        return True


def _first_floating(stored: StoredBlock) -> int:
    """The first instruction that needs the FPU, -1 for none."""
    return next(
        (row for row, item in enumerate(stored.instructions) if item.name.startswith("v")), -1
    )


def _loads_stack(stored: StoredBlock) -> bool:
    return any(instruction.text.startswith(_STACK_LOADS) for instruction in stored.instructions)
