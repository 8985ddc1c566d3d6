"""The default machine: Unicorn runs the instructions, native hooks run the timing model.

One run owns one emulator. Python is entered only where something new happens: a block never seen,
an allocation, a full table, a fault, the end. Between those the hooks keep every count themselves.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import arm_const, unicorn_const

from emu.backends.access_clock import AccessClock
from emu.backends.call_stats import call_stats
from emu.backends.call_tracking import finish_frames
from emu.backends.code_store import CodeStore, StoredBlock
from emu.backends.entered_functions import entered_functions
from emu.backends.faults import FaultFinder
from emu.backends.guest_memory import GuestMemory
from emu.backends.heap_watch import HeapWatch
from emu.backends.hooks import on_access, on_block, on_divide
from emu.backends.layout import (
    TICKS,
    Block,
    BlockFlag,
    Frm,
    Mea,
    Reason,
    Reg,
    Word,
)
from emu.backends.native_hook import add_native_hook
from emu.backends.profile_rows import (
    block_executions,
    collect_profile,
    count_accesses,
    count_branches,
)
from emu.backends.protocol import (
    AccessAccount,
    Execution,
    Fault,
    MemoryTraffic,
    Outcome,
    RunOptions,
    StackMark,
)
from emu.backends.register_access import (
    RegisterAccess,
    library_function,
    skip_sync_offset,
)
from emu.backends.semihosting import Semihosting
from emu.backends.start import RETURN_ADDRESS, find_start
from emu.backends.system_space import SYSTEM_BASE, SYSTEM_BYTES, SystemSpace
from emu.backends.trace_recorder import TraceRecorder
from emu.board import Board
from emu.core.pipeline import D_COLUMNS, EDGE_MISPREDICTED, S_COLUMNS
from emu.core.timing_table import Param, load_timing_table
from emu.errors import UsageError
from emu.firmware.image import Image

_FOREVER = 1 << 62
IDLE = b"\xfe\xe7"  # `b .`: nothing but an interrupt would end it
# How much modelled time passes between two looks at the clock, Ctrl-C and progress.
_SLICE_CYCLES = 20_000_000
_SHADOW_DEPTH = 4096
_FRAME_DEPTH = 4096
_XPSR_THUMB = 1 << 24
_MAX_VALUES = 256
_CONSOLE_BYTES = 1 << 22
# Zero bytes are instructions (`movs r0, r0`), but nobody writes this many of them.
_EMPTY_CODE_BYTES = 4096


class UnicornMachine:
    """Runs images on Unicorn with the modelled core, caches and memories of a board."""

    name = "unicorn"

    def run(self, image: Image, board: Board, options: RunOptions) -> Execution:
        """See `Machine.run`."""
        return _Run(image, board, options).execute()


class _Run:
    """One run, from memory allocation to the collected result."""

    def __init__(self, image: Image, board: Board, options: RunOptions) -> None:
        self.image, self.board, self.options = image, board, options
        self.table = load_timing_table(board.chip.core)
        self.machine = np.zeros(int(Word.COUNT), np.int64)
        self.console = bytearray()
        self.notes: list[str] = []
        self.keep: list[Any] = []  # arrays whose addresses the hooks hold
        self.store = CodeStore(self.machine, board, self.table, self._function_number)
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self.uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
        self.memory = GuestMemory(board)
        self.memory.map_into(self.uc)
        self.uc.mmio_map(
            SYSTEM_BASE, SYSTEM_BYTES, self._system_read, None, self._system_write, None
        )
        self.registers = RegisterAccess(self.uc, self.machine)
        self.clock = AccessClock(self.uc, self.machine, self.store)
        self.system = SystemSpace(
            self.machine, board, self.clock.cycles_at, self._want_divide_traps
        )
        self._set_up_words()
        self.semihosting = Semihosting(self.memory.read, self._write_console, self._time_us)
        self.faults = FaultFinder(self.uc, board, image, self.memory)
        self.heap = HeapWatch(image)
        self.trace = (
            TraceRecorder(self.machine, board, image, self.store) if options.trace else None
        )
        self.divide_sites: dict[int, npt.NDArray[np.int64]] = {}
        self.divides_armed = False
        self.empty_bytes = 0  # of zero-filled code met in a row
        self.first_fetch: int | None = None  # code in RAM whose page may not execute yet
        self.ended: Outcome | None = None
        self.fault: Fault | None = None
        self.failure: BaseException | None = None
        self._enable_fpu()
        self.memory.load(image)

    # Setting up

    def _array(self, word: Word, shape: int | tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        array = np.zeros(shape, dtype)
        self.machine[word] = array.ctypes.data
        self.keep.append(array)
        return array

    def _set_up_words(self) -> None:
        machine, board, options = self.machine, self.board, self.options
        chip, params = board.chip, self.table.params
        machine[Word.MODE] = {"none": 0, "issue": 1, "full": 2}[options.timing]
        machine[Word.HOOKED] = int(options.accesses == "hook" or options.trace)
        machine[Word.EMU_STOP] = library_function("uc_emu_stop")
        for word, array in (
            (Word.LATENCY, self.table.latency_cycles),
            (Word.FP_BUSY, self.table.fp_busy_cycles),
            (Word.SETTLED, self.table.settled_cycles),
            (Word.PARAMS, params),
        ):
            machine[word] = array.ctypes.data
        attributes = self._array(Word.ATTRIBUTES, 1 << 20, np.uint8)
        rows = self._array(
            Word.REGIONS, (len(self.memory.stretches) + 1, int(Reg.COLUMNS)), np.int64
        )
        self.memory.describe(attributes, rows, self.table)
        itags = self._array(Word.ITAGS, chip.icache.sets * chip.icache.ways, np.int32)
        self._array(Word.ISTAMPS, len(itags), np.int64)
        dtags = self._array(Word.DTAGS, chip.dcache.sets * chip.dcache.ways, np.int32)
        self._array(Word.DSTAMPS, len(dtags), np.int64)
        dirty = self._array(Word.DDIRTY, len(dtags), np.uint8)
        self.system.attach_tags(itags, dtags, dirty)
        machine[Word.ISETS], machine[Word.IWAYS] = chip.icache.sets, chip.icache.ways
        machine[Word.DSETS], machine[Word.DWAYS] = chip.dcache.sets, chip.dcache.ways
        machine[Word.ILRU] = int(chip.icache.replacement == "lru")
        machine[Word.DLRU] = int(chip.dcache.replacement == "lru")
        machine[Word.RANDOM] = 12345
        accelerator = chip.accelerator
        machine[Word.ART_ON] = int(accelerator is not None and accelerator.enabled)
        machine[Word.ART_LINES] = accelerator.lines if accelerator else 1
        machine[Word.ART_PREFETCH] = int(accelerator is not None and accelerator.prefetch)
        machine[Word.ART_LAST] = machine[Word.FLASH_LAST] = -1
        self._array(Word.ART, int(machine[Word.ART_LINES]), np.int64)
        entries = int(params[Param.BTAC_ENTRIES])
        machine[Word.BTAC_MASK] = entries - 1
        self._array(Word.BTAC, entries * 2, np.int64)
        self.shadow = self._array(Word.SHADOW, _SHADOW_DEPTH * 3, np.int64)
        self.deepest = self._array(Word.DEEPEST, _SHADOW_DEPTH, np.int64)
        self._array(Word.FRAMES, _FRAME_DEPTH * int(Frm.COLUMNS), np.int64)
        self.measured = self._array(
            Word.MEASURED, (max(1, len(options.measure)), int(Mea.COLUMNS)), np.int64
        )
        self._array(Word.VALUES, _MAX_VALUES, np.int64)
        self._array(Word.SCRATCH, S_COLUMNS + D_COLUMNS, np.int32)
        machine[Word.SHADOW_CAPACITY] = _SHADOW_DEPTH
        machine[Word.FRAME_CAPACITY] = _FRAME_DEPTH
        machine[Word.PREVIOUS] = -1
        machine[Word.STACK_LOWEST] = machine[Word.STACK_FRAME_LOWEST] = _FOREVER
        if machine[Word.HOOKED]:
            machine[Word.SKIP_SYNC] = skip_sync_offset(self.uc)
        self.measured_at: dict[int, int] = {}
        for index, name in enumerate(options.measure):
            symbol = self.image.symbol(name)
            if symbol is None or symbol.kind != "function":
                raise UsageError(
                    f"--measure {name}: the firmware has no function of that name. "
                    "Check the spelling; a static function may have been inlined "
                    "(__attribute__((noinline)) keeps it)."
                )
            self.measured_at[symbol.address] = index

    def _enable_fpu(self) -> None:
        uc = self.uc
        if self.board.chip.fpu != "none":
            uc.reg_write(arm_const.UC_ARM_REG_C1_C0_2, 0xF << 20)
            uc.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)

    def _start(self) -> int:
        """Set stack pointer and return address; the address of the first instruction."""
        start = find_start(self.image, self.board, self.memory, self.options.entry)
        if self.options.entry is not None:
            self.system.switch_caches_on()
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, start.stack_top)
        self.uc.reg_write(arm_const.UC_ARM_REG_LR, start.link)
        self.stack_top, self.stack_limit = start.stack_top, start.stack_limit
        self.machine[Word.STACK_LIMIT] = start.stack_limit or 0
        self.machine[Word.STACK_LOWEST] = start.stack_top
        self.machine[Word.STACK_FRAME_LOWEST] = start.stack_top
        return start.pc

    # While running

    def _function_number(self, address: int) -> int:
        symbol = self.image.function_at(address)
        return symbol.address if symbol is not None else 0

    def _time_us(self) -> float:
        return self.clock.cycles() * 1e6 / self.board.clock_hz

    def _write_console(self, data: bytes) -> None:
        room = _CONSOLE_BYTES - len(self.console)
        if 0 < room < len(data):
            self.notes.append(f"The report keeps the first {_CONSOLE_BYTES} bytes of the console.")
        self.console += data[: max(room, 0)]
        if self.options.on_console is not None:
            self.options.on_console(data)

    def _system_read(self, _uc: Any, offset: int, size: int, _data: Any) -> int:
        try:
            word = self.system.read(SYSTEM_BASE + (offset & ~3))
            return (word >> (8 * (offset & 3))) & ((1 << (8 * size)) - 1)
        except BaseException as failure:  # a callback must not raise into C
            self._fail(failure)
            return 0

    def _system_write(self, _uc: Any, offset: int, size: int, value: int, _data: Any) -> None:
        try:
            address = SYSTEM_BASE + (offset & ~3)
            if size < 4:
                shift = 8 * (offset & 3)
                mask = ((1 << (8 * size)) - 1) << shift
                value = (self.system.read(address) & ~mask) | ((value << shift) & mask)
            self.system.write(address, value)
        except BaseException as failure:  # a callback must not raise into C
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        self.failure = failure
        self.uc.emu_stop()

    def _want_divide_traps(self) -> None:
        self.machine[Word.NEXT_STOP] = self.machine[Word.LAST_STOP] = -1

    def _on_interrupt(self, uc: Any, number: int, _data: Any) -> None:
        try:
            pc = uc.reg_read(arm_const.UC_ARM_REG_PC)
            if number == 7:
                instruction = int.from_bytes(self.memory.read(pc, 2), "little")
                if instruction == 0xBEAB:
                    operation = uc.reg_read(arm_const.UC_ARM_REG_R0)
                    parameter = uc.reg_read(arm_const.UC_ARM_REG_R1)
                    result = self.semihosting.call(operation, parameter)
                    if self.semihosting.exit_code is not None:
                        self._end("exited")
                        return
                    uc.reg_write(arm_const.UC_ARM_REG_R0, result)
                    uc.reg_write(arm_const.UC_ARM_REG_PC, (pc + 2) | 1)
                    return
                self.fault = self.faults.breakpoint(pc, self._call_path(pc))
            elif number in (3, 8) and pc & ~1 == RETURN_ADDRESS:
                self._end_by_return()
                return
            elif number == 3 and pc < 0xFFFFFF00:  # a prefetch abort
                mapped = self.memory.at(pc) is not None
                c = unicorn_const
                access = c.UC_MEM_FETCH_PROT if mapped else c.UC_MEM_FETCH_UNMAPPED
                self.fault = self.faults.memory(access, pc, 2, pc, self._call_path(pc))
            else:
                self.fault = self.faults.exception(number, pc, self._call_path(pc))
            self._end("fault")
        except BaseException as failure:  # a callback must not raise into C
            self._fail(failure)

    def _on_invalid(
        self, uc: Any, access: int, address: int, size: int, _value: int, _data: Any
    ) -> bool:
        try:
            if access == unicorn_const.UC_MEM_FETCH_PROT and self.memory.may_execute(address):
                self.first_fetch = address  # rights change only while the emulator stands still
                return False
            pc = uc.reg_read(arm_const.UC_ARM_REG_PC)
            if access == unicorn_const.UC_MEM_FETCH_UNMAPPED and address == RETURN_ADDRESS:
                return False
            self.fault = self.faults.memory(access, address, size, pc, self._call_path(pc))
            self.ended = "fault"
        except BaseException as failure:  # a callback must not raise into C
            self._fail(failure)
        return False

    def _end(self, outcome: Outcome) -> None:
        self.ended = outcome
        self.uc.emu_stop()

    def _end_by_return(self) -> None:
        """The function that the run began with has returned: its measured calls end with it."""
        self.semihosting.exit_code = self._registers()[0]
        finish_frames(int(self.machine.ctypes.data), -1)
        self._end("exited")

    def _end_by_even_branch(self, pc: int) -> None:
        self.fault = self.faults.even_branch(pc, self._call_path(pc))
        self.ended = "fault"

    def _is_thumb(self) -> bool:
        """Whether the last branch kept bit 0, which a resumed run would set again."""
        return bool(self.uc.reg_read(arm_const.UC_ARM_REG_XPSR) & _XPSR_THUMB)

    def _is_rewritten(self, number: int) -> bool:
        """Whether memory no longer holds the code that was decoded there."""
        stored = self.store.stored[number]
        return self.memory.read(stored.address, stored.size_bytes) != stored.code

    def _meet_again(self, pc: int) -> None:
        """Go on at a block after a fault that only its old code, or its predecessor's, has."""
        for number in (self.store.number_at(pc), int(self.machine[Word.PREVIOUS])):
            if number >= 0 and self._is_rewritten(number):
                stored = self.store.stored[number]
                self._meet_block(stored.address, stored.size_bytes)
        self.machine[Word.PREVIOUS] = -1  # its branch was followed already

    def _call_path(self, address: int) -> tuple[int, ...]:
        depth = int(self.machine[Word.SHADOW_DEPTH])
        return (*(int(self.shadow[3 * level]) for level in range(depth)), address)

    def _add_hooks(self) -> None:
        uc, user = self.uc, int(self.machine.ctypes.data)
        add_native_hook(uc, unicorn_const.UC_HOOK_BLOCK, on_block.address, user)
        if self.machine[Word.HOOKED]:
            for kind in (unicorn_const.UC_HOOK_MEM_READ, unicorn_const.UC_HOOK_MEM_WRITE):
                add_native_hook(uc, kind, on_access.address, user)
        uc.hook_add(unicorn_const.UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_invalid)

    # The loop

    def execute(self) -> Execution:
        """Run to the end and collect."""
        self._add_hooks()
        pc = self._start()
        begun = time.perf_counter()
        try:
            self._loop(pc, begun)
        except KeyboardInterrupt:
            self.ended = "interrupted"
            self.notes.append("Stopped by Ctrl-C: the numbers are those up to then.")
        return self._collect(time.perf_counter() - begun)

    def _loop(self, pc: int, begun: float) -> None:
        options, machine, uc = self.options, self.machine, self.uc
        max_ticks = options.max_cycles * TICKS if options.max_cycles is not None else _FOREVER
        shown = begun
        while self.ended is None:
            # Whatever asked for this stop is looked after here, so that no request is lost.
            self.store.ensure_room()
            if self.system.divide_by_zero_traps and not self.divides_armed:
                self._arm_divides()
            now_ticks = int(machine[Word.CYCLES])
            machine[Word.LAST_STOP] = min(max_ticks, now_ticks + _SLICE_CYCLES * TICKS)
            # Registers that are copied want a look at every block.
            machine[Word.NEXT_STOP] = machine[Word.LAST_STOP] if self.registers.in_place else -1
            machine[Word.REASON] = 0
            try:
                uc.emu_start(pc | 1, RETURN_ADDRESS)
            except unicorn.UcError as error:
                self._after_error(error)
            if self.failure is not None:
                raise self.failure
            if self.ended is not None:
                return
            reason = int(machine[Word.REASON])
            pc = (
                int(machine[Word.WANTED_ADDRESS])
                if reason
                else uc.reg_read(arm_const.UC_ARM_REG_PC)
            )
            match reason:
                case Reason.RESUME:
                    pass
                case Reason.NEW_BLOCK if not self._is_thumb():
                    self._end_by_even_branch(pc)
                case Reason.NEW_BLOCK:
                    self._meet_block(pc, int(machine[Word.WANTED_SIZE]))
                case Reason.BUDGET:
                    if int(machine[Word.CYCLES]) >= max_ticks:
                        self.ended = "max_cycles"
                case Reason.EVENT if self.memory.read(pc, 2) == IDLE:
                    self.ended = "halted"
                case Reason.EVENT:
                    self.heap.event(pc, self._registers())
                    self._refresh_events()
                    # Let the block through once, if it is still watched at all.
                    flags = self.store.blocks.data[self.store.number_at(pc), Block.FLAGS]
                    machine[Word.SKIP_EVENT] = int(flags) & BlockFlag.EVENT
                case Reason.STACK_OVERFLOW:
                    self.fault = self.faults.stack_overflow(
                        pc, int(machine[Word.STACK_LIMIT]), self._call_path(pc)
                    )
                    self.ended = "fault"
                case Reason.UNALIGNED if self._is_rewritten(self.store.number_at(pc)):
                    self._meet_again(pc)
                case Reason.UNALIGNED:
                    stored = self.store.stored[self.store.number_at(pc)]
                    row = int(machine[Word.FAULT_ROW])
                    at = stored.instructions[row]
                    self._catch_up(stored, row)
                    self.fault = self.faults.unaligned(at, self._call_path(at.address))
                    self.ended = "fault"
                case Reason.EVEN_BRANCH if self._is_rewritten(int(machine[Word.PREVIOUS])):
                    self._meet_again(pc)
                case Reason.EVEN_BRANCH:
                    self._end_by_even_branch(pc)
                case Reason.DIVIDE_BY_ZERO:
                    self.fault = self.faults.divide_by_zero(pc, self._call_path(pc))
                    self.ended = "fault"
                case _ if pc & ~1 == RETURN_ADDRESS:
                    self._end_by_return()
                case _:
                    # WFI, WFE: nothing can wake the core until interrupts are modelled.
                    self.ended = "halted"
            now = time.perf_counter()
            if options.timeout_s is not None and now - begun > options.timeout_s:
                self.ended = self.ended or "timeout"
            if options.on_progress is not None and now - shown > 0.2:
                shown = now
                options.on_progress(
                    int(machine[Word.CYCLES]) // TICKS, int(machine[Word.INSTRUCTIONS])
                )

    def _after_error(self, error: unicorn.UcError) -> None:
        if self.first_fetch is not None:
            self.memory.allow_execution(self.uc, self.first_fetch)
            self.machine[Word.REASON] = Reason.RESUME
            self.machine[Word.WANTED_ADDRESS] = self.first_fetch
            self.first_fetch = None
            return
        if self.ended is not None or self.failure is not None:
            return
        pc = self.uc.reg_read(arm_const.UC_ARM_REG_PC)
        if error.errno == unicorn_const.UC_ERR_FETCH_UNMAPPED and pc & ~1 == RETURN_ADDRESS:
            return
        self.fault = self.faults.from_error(error.errno, pc, self._call_path(pc))
        self.ended = "fault"

    def _registers(self) -> list[int]:
        return self.faults.core_registers()

    def _catch_up(self, stored: StoredBlock, row: int) -> None:
        """Run from a block's start to its faulting instruction without accounting."""
        if row == 0:
            return
        self.machine[Word.REASON], self.machine[Word.NEXT_STOP] = Reason.PASS, -1
        until = stored.instructions[row].address
        # Code that is translated already would run past `until`.
        self.uc.ctl_remove_cache(stored.address, stored.address + stored.size_bytes)
        try:
            self.uc.emu_start(stored.address | 1, until, count=row)
        except unicorn.UcError:
            self.notes.append("The registers are those at the start of the faulting block.")

    def _meet_block(self, address: int, size_bytes: int) -> None:
        code = self.memory.read(address, size_bytes)
        self.empty_bytes = 0 if any(code) else self.empty_bytes + len(code)
        if self.empty_bytes >= _EMPTY_CODE_BYTES:
            self.fault = self.faults.empty_code(address, self._call_path(address))
            self.ended = "fault"
            return
        self.store.add(code, address)
        number = self.store.number_at(address)
        row = self.store.blocks.data[number]
        index = self.measured_at.get(address)
        if index is not None:
            row[Block.FLAGS] |= (index + 1) << 24
        if self.heap.watches(address) or code == IDLE:
            row[Block.FLAGS] |= BlockFlag.EVENT
        if self.divides_armed:
            self._arm_block(number)

    def _refresh_events(self) -> None:
        for address, wanted in self.heap.changed():
            number = self.store.number_at(address)
            if number < 0:
                continue
            if wanted:
                self.store.blocks.data[number, Block.FLAGS] |= BlockFlag.EVENT
            else:
                self.store.blocks.data[number, Block.FLAGS] &= ~int(BlockFlag.EVENT)

    def _arm_divides(self) -> None:
        self.divides_armed = True
        for number in range(len(self.store.stored)):
            self._arm_block(number)

    def _arm_block(self, number: int) -> None:
        """Look at each divisor: silicon traps on zero, the emulator does not."""
        stored = self.store.stored[number]
        for instruction in stored.instructions:
            if instruction.name not in ("sdiv", "udiv"):
                continue
            # A hook is compiled into code that is translated after it was added.
            self.uc.ctl_remove_cache(stored.address, stored.address + stored.size_bytes)
            if instruction.address in self.divide_sites:
                continue
            divisor = instruction.uses[-1][0]
            site = np.array([self.machine.ctypes.data, divisor], np.int64)
            self.divide_sites[instruction.address] = site
            add_native_hook(
                self.uc, unicorn_const.UC_HOOK_CODE, on_divide.address, int(site.ctypes.data),
                instruction.address, instruction.address,
            )  # fmt: skip

    # The result

    def _collect(self, host_s: float) -> Execution:
        machine, options = self.machine, self.options
        timed = options.timing != "none"
        profile, causes = collect_profile(self.store, timed)
        reconstructed, unresolved, predicated = count_accesses(self.store, timed)
        hooked = int(machine[Word.HOOKED_COUNT])
        accesses = (
            AccessAccount(0, hooked, 0)
            if machine[Word.HOOKED]
            else AccessAccount(reconstructed, 0, unresolved, predicated)
        )
        if lost := int(machine[Word.CALLS_LOST]):
            self.notes.append(
                f"{lost} calls went deeper than {_SHADOW_DEPTH} levels and were not followed: call "
                "paths end there, and measured calls among them are missing."
            )
        lowest = int(machine[Word.STACK_LOWEST])
        depth = int(machine[Word.DEEPEST_DEPTH])
        path = (
            *(int(self.deepest[level]) for level in range(depth)),
            int(machine[Word.DEEPEST_ADDRESS]),
        )
        stack = StackMark(self.stack_top, lowest, self.stack_limit, path)
        entered: tuple[int, ...] = ()
        if self.image.is_stripped:
            executions = block_executions(self.store, timed).tolist()
            entered = entered_functions(self.store.stored, executions)
        return Execution(
            outcome=self.ended or "interrupted",
            exit_code=self.semihosting.exit_code,
            backend="unicorn",
            cycles=int(machine[Word.CYCLES]) / TICKS if timed else None,
            instructions=int(machine[Word.INSTRUCTIONS]),
            cycles_by_cause=causes,
            profile=profile,
            stack=stack,
            heap=self.heap.mark(),
            calls=call_stats(self.image, options, self.measured),
            accesses=accesses,
            traffic=MemoryTraffic(
                icache_misses_count=int(machine[Word.ICACHE_MISSES]),
                dcache_accesses_count=int(machine[Word.DCACHE_ACCESSES]),
                dcache_misses_count=int(machine[Word.DCACHE_MISSES]),
                dcache_evictions_count=int(machine[Word.DCACHE_EVICTIONS]),
                branches_count=count_branches(self.store, timed),
                mispredicts_count=int(self.store.edges[EDGE_MISPREDICTED]) if timed else 0,
            ),
            console=bytes(self.console),
            host_s=host_s,
            fault=self.fault,
            trace=self.trace.result() if self.trace is not None else None,
            notes=tuple(self.notes),
            entered=entered,
        )


__all__ = ["UnicornMachine"]
