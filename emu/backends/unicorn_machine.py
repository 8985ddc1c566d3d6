"""The default machine: Unicorn runs the instructions, native hooks run the timing model.

One run owns one emulator. Python is entered only where something new happens: a block never seen,
an event of a peripheral, an interrupt, an allocation, a fault, the end. Between those the hooks
keep every count themselves.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import unicorn
from unicorn import arm_const, unicorn_const

from emu.backends import constants
from emu.backends.access_clock import AccessClock
from emu.backends.address_marks import AddressMarks
from emu.backends.block_watch import BlockWatch
from emu.backends.bus_callbacks import BusCallbacks
from emu.backends.call_tracking import finish_frames
from emu.backends.code_store import CodeStore, StoredBlock
from emu.backends.collect import collect
from emu.backends.constants import (
    W_CYCLES,
    W_INSTRUCTIONS,
    W_LAST_STOP,
    W_NEXT_STOP,
    W_REASON,
    W_WANTED_ADDRESS,
    W_WATCH_MASKS,
)
from emu.backends.core_state import LR, PC, SP, CoreState, Special
from emu.backends.direct_calls import hook_interrupts, starter
from emu.backends.emulator_traps import EmulatorTraps
from emu.backends.exception_unit import ExceptionUnit, LockupError
from emu.backends.faults import FaultFinder
from emu.backends.firmware_faults import FaultDelivery, Raised
from emu.backends.flash_stores import FlashStores
from emu.backends.guest_memory import GuestMemory
from emu.backends.heap_watch import HeapWatch
from emu.backends.hooks import on_access, on_block
from emu.backends.layout import TICKS, Word
from emu.backends.memory_map import MemoryMap
from emu.backends.native_hook import add_native_hook
from emu.backends.protocol import BusyLoop, Execution, Fault, Outcome, RunOptions
from emu.backends.register_access import RegisterAccess, skip_sync_offset
from emu.backends.run_host import RunHost
from emu.backends.run_words import FOREVER, set_up_words
from emu.backends.semihosting import Semihosting
from emu.backends.serial_link import Timer
from emu.backends.serial_monitor import SerialMonitor
from emu.backends.sleeping import Sleeping
from emu.backends.start import RETURN_ADDRESS, find_start
from emu.backends.system_space import (
    CCR_NONBASETHRDENA,
    SystemSpace,
)
from emu.backends.trace_recorder import TraceRecorder
from emu.backends.view_words import view_words
from emu.backends.waiting_loops import WaitingLoops
from emu.board import Board
from emu.core.timing_table import load_timing_table
from emu.errors import UsageError
from emu.firmware.image import Image
from emu.peripherals.clock_tree import ClockTree
from emu.peripherals.space import PeripheralSpace
from emu.system.exception_model import NO_EXCEPTION, Exc, ExceptionModel, exception_name
from emu.system.mpu import Mpu
from emu.system.nvic import Nvic
from emu.system.system_control import Cfsr, Hfsr, SystemControl
from emu.system.systick import SysTick

# How much modelled time passes between two looks at the clock, Ctrl-C and progress.
_SLICE_TICKS = 4_000_000 * TICKS
_XPSR_THUMB = 1 << 24
_CONSOLE_BYTES = 1 << 22
_RUNTIME_MARK = "emu_boot"  # a function of our own start-up code
_MOST_RESETS_COUNT = 100
_SYSTICK = int(Exc.SYSTICK)  # members of enums are slow to look up

# At these the block that is to come has not begun: an exception goes first.
_NOT_TAKEN_YET = (constants.REASON_EVENT, constants.REASON_STACKS, constants.REASON_NEW)


class UnicornMachine:
    """Runs images on Unicorn with the modelled core, memories and peripherals of a board."""

    name = "unicorn"

    def run(self, image: Image, board: Board, options: RunOptions) -> Execution:
        """See `Machine.run`."""
        return Run(image, board, options).execute()


class Run:
    """One run, from memory allocation to the collected result."""

    def __init__(self, image: Image, board: Board, options: RunOptions) -> None:
        self.image, self.board, self.options = image, board, options
        table = load_timing_table(board.chip.core)
        self.table = replace(table, params=table.params.copy())  # CCR changes one of them
        self.machine = np.zeros(int(Word.COUNT), np.int64)
        self.words = view_words(self.machine)
        self.console = bytearray()
        self.notes: list[str] = []
        self.is_wired = False  # whether the peripherals exist
        self.ended: Outcome | None = None
        self.fault: Fault | None = None
        self.script_failure: str | None = None
        self.busy_loop: BusyLoop | None = None
        self._pc = 0
        self._soon = False
        self._resets_count = 0
        self.max_ticks = FOREVER
        self.time_limit: Timer | None = None
        self._begun = self._shown = 0.0

        self.store = CodeStore(self.machine, board, self.table, self._function_number)
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self.uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
        self.memory = GuestMemory(board)
        self.memory.map_into(self.uc)
        self.registers = RegisterAccess(self.uc, self.machine)
        self.arrays = set_up_words(
            self.machine, board, options, self.table, len(self.memory.stretches) + 2
        )
        if self.machine[Word.HOOKED]:
            self.machine[Word.SKIP_SYNC] = skip_sync_offset(self.uc)
        self.map = MemoryMap(
            self.uc, self.memory, board, self.table, self.arrays.attributes, self.arrays.regions
        )
        self.core = CoreState(self.uc, self.registers.address)
        self.clock = AccessClock(self.core, self.machine, self.store)
        self.host = RunHost(self)
        self.traps = EmulatorTraps(self)
        self.sleeping = Sleeping(self)
        self._wire_system()
        self.exceptions.denies = self.traps.denies
        self.buses = BusCallbacks(self)
        self.semihosting = Semihosting(self.memory.read, self._write_semihosting, self._time_us)
        self.faults = FaultFinder(self.uc, board, image, self.memory)
        self.delivery = FaultDelivery(self.core, self.exceptions, self.memory)
        self.heap = HeapWatch(image)
        self.marks = AddressMarks(options.ranges)
        self.watch = BlockWatch(self)
        self.flash_stores = FlashStores(self)
        self.waiting = WaitingLoops(self)
        self.trace = (
            TraceRecorder(self.machine, board, image, self.store) if options.trace else None
        )
        self.monitor = SerialMonitor(options, board.console or "semihosting", self.host)
        self.uc.reg_write(arm_const.UC_ARM_REG_FPEXC, 1 << 30)
        self.uc.reg_write(arm_const.UC_ARM_REG_C1_C0_2, 0xF << 20)
        self.memory.load(image)

    # Setting up

    def _wire_system(self) -> None:
        """The core's own registers, the peripherals, and the addresses at which they answer."""
        chip, now = self.board.chip, self.host.now_cycles
        model = ExceptionModel(chip.interrupts.lines_count, chip.interrupts.priority_bits)
        control = SystemControl(model, chip.fpu, now, self.host.request_reset, self.core.uses_fpu)
        mpu = Mpu(chip.interrupts.mpu_regions_count)
        self._irq_names = dict(chip.interrupts.names)
        self.exceptions = ExceptionUnit(
            self.core, self.machine, self.arrays.shadow, self.memory, self.table, model, control,
            mpu, self.exception_name,
        )  # fmt: skip
        self.space = PeripheralSpace(self.board, self.host)
        self.is_wired = True
        systick = SysTick(now, self.space.schedule.at, self._tick)
        self.system = SystemSpace(
            self.machine, self.board, (Nvic(model, now), control, systick, mpu),
            now, self._system_changed, lambda data: self.host.serial_out("itm", data),
        )  # fmt: skip
        self.system.attach_tags(self.arrays.itags, self.arrays.dtags, self.arrays.dirty)

    def exception_name(self, number: int) -> str:
        return self._irq_names.get(number - Exc.IRQ0) or exception_name(number)

    def _follow_firmware_clock(self) -> bool:
        choice = self.options.clock
        if choice != "auto":
            return choice == "firmware"
        return self.options.entry is None and self.image.symbol(_RUNTIME_MARK) is None

    def _start(self) -> int:
        """Stack pointer, vector table and clock; the address of the first instruction."""
        start = find_start(self.image, self.board, self.memory, self.options.entry)
        control = self.exceptions.control
        control.vtor = start.vector_table or 0
        if self.options.entry is not None:
            self.system.switch_caches_on()
            control.cpacr = 0xF << 20 if self.board.chip.fpu != "none" else 0
        elif self._follow_firmware_clock():
            for item in self.space.peripherals:
                if item.name == "rcc" and (publish := getattr(item, "publish", None)):
                    publish()
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, start.stack_top)
        self.uc.reg_write(arm_const.UC_ARM_REG_LR, start.link)
        self.stack_top, self.stack_limit = start.stack_top, start.stack_limit
        machine = self.machine
        machine[Word.STACK_LIMIT] = start.stack_limit or 0
        machine[Word.STACK_LOWEST] = machine[Word.STACK_FRAME_LOWEST] = start.stack_top
        if self.options.max_cycles is not None:
            self.max_ticks = self.options.max_cycles * TICKS
        if self.options.max_time_s is not None:
            self.time_limit = Timer(self.host, self.options.max_time_s, self._out_of_time)
        self.monitor.start()
        self.watch.follow_system()
        return start.pc

    def _out_of_time(self) -> None:
        self.ended = self.ended or "max_time"

    # What happens around the core

    def look_soon(self) -> None:
        """Something may let an exception in: stop at the next block."""
        self.words[W_NEXT_STOP] = self.words[W_LAST_STOP] = -1

    def _system_changed(self) -> None:
        """The core's own registers were written."""
        self.watch.system_is_new = True
        self.look_soon()

    def look_soon_after(self) -> None:
        """Stop at the block after the one that is about to run."""
        self._soon = True

    def entry_of(self, name: str) -> int:
        """Where a function begins.

        Raises:
            UsageError: there is none of that name.
        """
        symbol = self.image.symbol(name)
        if symbol is None or symbol.kind != "function":
            raise UsageError(
                f"--measure {name}: the firmware has no function of that name. "
                "Check the spelling; a static function may have been inlined "
                "(__attribute__((noinline)) keeps it)."
            )
        return symbol.address

    def present_block(self) -> StoredBlock | None:
        """The block that was entered last."""
        number = int(self.machine[Word.PREVIOUS])
        return self.store.stored[number] if number >= 0 else None

    def _tick(self) -> None:
        self.exceptions.model.pend(_SYSTICK, self.host.now_cycles())

    def clocks_changed(self, clocks: ClockTree) -> None:
        """The firmware has set clocks or flash timing."""
        self.map.set_costs(clocks)
        machine, accelerator = self.machine, self.board.chip.accelerator
        if accelerator is not None and clocks.accelerator is not None:
            machine[Word.ART_ON] = int(accelerator.enabled and clocks.accelerator)
        if self.is_wired:
            self._rearm_timers()
        self.look_soon()

    def _rearm_timers(self) -> None:
        """The clock is another, or a reset has cleared the schedule."""
        self.monitor.rearm()
        if self.time_limit is not None:
            self.time_limit.rearm()

    def forget_code(self, address: int, size_bytes: int) -> None:
        """Memory was written behind the emulator's back: translate what lies there again."""
        self.uc.ctl_remove_cache(address, address + size_bytes)

    def serial_output(self, port: str, data: bytes) -> None:
        """Bytes left the chip: to the terminal, the report and the script."""
        self.sleeping.sign()
        if port in (self.board.console, "itm", "semihosting"):
            self._write_console(data)
        self.monitor.output(port, data)

    def finish_by_script(self, outcome: Outcome, sentence: str | None) -> None:
        self.ended = self.ended or outcome
        self.script_failure = sentence
        self.uc.emu_stop()
        self.look_soon()

    def _function_number(self, address: int) -> int:
        symbol = self.image.function_at(address)
        return symbol.address if symbol is not None else 0

    def _time_us(self) -> float:
        return self.host.time_fs() / 1e9

    def _write_semihosting(self, data: bytes) -> None:
        self.serial_output("semihosting", data)

    def _write_console(self, data: bytes) -> None:
        room = _CONSOLE_BYTES - len(self.console)
        if 0 < room < len(data):
            self.notes.append(f"The report keeps the first {_CONSOLE_BYTES} bytes of the console.")
        self.console += data[: max(room, 0)]
        if self.options.on_console is not None:
            self.options.on_console(data)

    def end(self, outcome: Outcome) -> None:
        self.ended = outcome
        self.uc.emu_stop()

    def end_by_return(self) -> None:
        """The function that the run began with has returned: its measured calls end with it."""
        self.semihosting.exit_code = self.core.get(0)
        finish_frames(int(self.machine.ctypes.data), -1)
        self.end("exited")

    def is_thumb(self) -> bool:
        """Whether the last branch kept bit 0, which a resumed run would set again."""
        return bool(self.core.special().xpsr & _XPSR_THUMB)

    def call_path(self, address: int) -> tuple[int, ...]:
        shadow, depth = self.arrays.shadow, int(self.machine[Word.SHADOW_DEPTH])
        return (*(int(shadow[3 * level]) for level in range(depth)), address)

    def _add_hooks(self) -> None:
        uc, user = self.uc, int(self.machine.ctypes.data)
        add_native_hook(uc, unicorn_const.UC_HOOK_BLOCK, on_block.address, user)
        if self.machine[Word.HOOKED]:
            for kind in (unicorn_const.UC_HOOK_MEM_READ, unicorn_const.UC_HOOK_MEM_WRITE):
                add_native_hook(uc, kind, on_access.address, user)
        self._interrupt_hook = hook_interrupts(uc, self.traps.on_interrupt)
        uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self.traps.on_invalid)

    # The loop

    def execute(self) -> Execution:
        """Run to the end and collect."""
        self._add_hooks()
        self._pc = self._start()
        self._begun = self._shown = time.perf_counter()
        try:
            self._loop()
        except KeyboardInterrupt:
            self.ended = "interrupted"
            self.notes.append("Stopped by Ctrl-C: the numbers are those up to then.")
        host_s = time.perf_counter() - self._begun
        if self.ended in ("max_cycles", "max_time", "timeout", "interrupted", "script_failed"):
            self.busy_loop = self.busy_loop or self.waiting.describe()
        if self.ended in ("exited", "halted") and self.script_failure is None:
            self.script_failure = self.monitor.unfinished()
            if self.script_failure is not None:
                self.ended = "script_failed"
        return collect(self, host_s)

    def _loop(self) -> None:
        words, schedule = self.words, self.space.schedule
        run_from = starter(self.uc, RETURN_ADDRESS)
        while self.ended is None:
            # Whatever asked for this stop is looked after here, so that no request is lost.
            self.store.ensure_room()
            self._attend()
            if self.ended is not None:
                return
            now_ticks = words[W_CYCLES]
            stop = min(self.max_ticks, now_ticks + _SLICE_TICKS)
            due = schedule.next_cycles()
            if due is not None:
                stop = min(stop, due * TICKS)
            if self._soon:
                self._soon, stop = False, min(stop, now_ticks + 1)
            words[W_LAST_STOP] = stop
            # Registers that are copied, and masks that may fall, want a look at every block.
            each = not self.registers.in_place or words[W_WATCH_MASKS]
            words[W_NEXT_STOP] = -1 if each else stop
            words[W_REASON] = 0
            self.exceptions.masks_seen = False
            if error_code := run_from(self._pc | 1):
                self.traps.after_error(error_code)
            if self.traps.failure is not None:
                raise self.traps.failure
            self.watch.count_marks()
            self.watch.align_stack()
            if self.ended is None:
                self._after_stop(words[W_REASON])
                self.look_at_host()

    def _attend(self) -> None:
        """Events that are due, a reset, and the exception that goes first."""
        self.flash_stores.stall(self._pc)
        self.space.schedule.run_due(self.clock.cycles())
        if self.host.reset_wanted is not None:
            self._reset(self.host.reset_wanted)
        self.watch.follow_system()
        model = self.exceptions.model
        special = self.core.special() if model.pending & model.enabled else None
        number = self.exceptions.to_take(special)
        if number != NO_EXCEPTION and self.ended is None:
            self._enter(number, special)

    def _enter(self, number: int, special: Special | None) -> None:
        interrupted = self._pc
        self.sleeping.event_register = True
        try:
            self._pc = self.exceptions.enter(number, self._pc, special)
        except LockupError:
            path = self.call_path(interrupted)
            self.fault = self.faults.locked_up(interrupted, self.core.get(SP), path)
            self.ended = "fault"
            return
        if self.memory.at(self._pc) is None or not self._pc:
            if self._missing_vector(number, interrupted):
                return
            name = self.exception_name(number)
            self.fault = self.faults.unhandled(
                name, number, interrupted, self.call_path(interrupted)
            )
            self.ended = "fault"
        elif self.exceptions.model.priority[number] >= 0 and number != _SYSTICK:
            self.sleeping.sign()

    def _missing_vector(self, number: int, interrupted: int) -> bool:
        """A vector that cannot be read is a HardFault, if that has a handler [B1.5.14]."""
        if self.memory.read(self.exceptions.control.vtor + 4 * number, 4):
            return False
        path = self.call_path(interrupted)
        fault = self.faults.no_vector(
            self.exception_name(number), self.exceptions.control.vtor, interrupted, path
        )
        self.traps.raised = Raised(fault, Exc.HARD_FAULT, Hfsr.VECTTBL, interrupted)
        self._deliver()
        return True

    def _after_stop(self, reason: int) -> None:
        """Go on from where the emulator stopped: sets `_pc`, or ends the run."""
        self.waiting.stopped(reason)
        if self._take_requests():
            return
        self._pc = pc = self.words[W_WANTED_ADDRESS] if reason else self.core.get(PC)
        if reason in _NOT_TAKEN_YET:
            # The block is entered again after it.
            self.space.schedule.run_due(self.clock.cycles())
            if self.exceptions.to_take() != NO_EXCEPTION or self.ended is not None:
                return
        match reason:
            case constants.REASON_RESUME | constants.REASON_BUDGET:
                if self.words[W_CYCLES] >= self.max_ticks:
                    self.ended = "max_cycles"
                self.waiting.look(pc)
            case constants.REASON_MASKS:
                self.exceptions.masks_seen = True
            case constants.REASON_STACKS:
                self._stack_changed()
            case constants.REASON_EVENT:
                self.watch.event(pc)
            case constants.REASON_OVERFLOW:
                if not self.watch.borrows_stack(pc):
                    limit = int(self.machine[Word.STACK_LIMIT])
                    self.fault = self.faults.stack_overflow(pc, limit, self.call_path(pc))
                    self.ended = "fault"
            case 0 if pc & ~1 == RETURN_ADDRESS:
                self.end_by_return()
            case 0:
                self.sleeping.wait(pc)
            case _:
                self.watch.block_fault(reason, pc)
        if self.traps.raised is not None:
            self._deliver()

    def _take_requests(self) -> bool:
        """What the callbacks left to do; True when it was all there was."""
        if self.traps.first_fetch is not None:
            self.memory.allow_execution(self.uc, self.traps.first_fetch)
            self._pc, self.traps.first_fetch = self.traps.first_fetch, None
            return True
        if self.traps.opened is not None:
            address, self.traps.opened = self.traps.opened, None
            self.map.open_page(address)
            self._pc = self.watch.finish_block(self.core.get(15))
            self.map.close_page(address)
            if self.traps.raised is not None:
                self._deliver()
            return True
        if self.traps.flash_store is not None:
            (address, size), self.traps.flash_store = self.traps.flash_store, None
            self._pc = self.flash_stores.carry_out(address, size, self.core.get(15))
            if self.traps.raised is not None:
                self._deliver()
            return True
        if self.traps.raised is not None:
            self._deliver()
            return True
        if self.traps.exc_return is not None:
            self._return_from_exception()
            return True
        return False

    def _deliver(self) -> None:
        raised, self.traps.raised = self.traps.raised, None
        assert raised is not None
        if self.traps.is_ignored(raised):
            self.exceptions.control.cfsr |= raised.status
            self._pc = self.watch.skip(raised.resumes_at)
            return
        if raised.exception == Exc.SVCALL and self.options.entry is not None:
            taken: int | Fault = raised.fault
        else:
            taken = self.delivery.deliver(raised)
        if isinstance(taken, Fault):
            self.fault, self.ended = taken, "fault"
        else:
            self._pc = taken
            self.sleeping.sign()

    def _return_from_exception(self) -> None:
        exc_return, self.traps.exc_return = self.traps.exc_return or 0, None
        self.sleeping.event_register = True
        self.exceptions.allow_nested_thread_return = bool(self.system.ccr & CCR_NONBASETHRDENA)
        try:
            pc = self.exceptions.leave(exc_return)
        except LockupError:
            at = self.core.get(LR)
            self.fault = self.faults.locked_up(self.core.get(15), at, self.call_path(at))
            self.ended = "fault"
            return
        if pc is None:
            at = exc_return & ~1
            fault = self.faults.exception(8, at, self.call_path(at))
            self.traps.raise_usage(fault, Cfsr.INVPC, at)
            self._deliver()
            return
        self._pc = pc
        if (
            exc_return & 8
            and self.exceptions.control.sleeps_on_exit
            and not self.exceptions.running
        ):
            self.sleeping.sleep(pc)
        else:
            self.waiting.resumed(pc)

    def _stack_changed(self) -> None:
        self.machine[Word.SKIP_STACKS] = 1
        if self.core.special().uses_psp:
            self.exceptions.use_process_stack()
        else:
            self.exceptions.use_main_stack()
            stack = self.core.get(SP)
            machine = self.machine
            if not int(machine[Word.STACK_LIMIT]) <= stack <= self.stack_top:
                # The firmware moved its main stack: what was known of the old one is no limit.
                machine[Word.STACK_LIMIT] = 0
                self.exceptions.use_process_stack()

    def _reset(self, reason: str) -> None:
        """The chip resets; memory keeps what it holds."""
        self.host.reset_wanted = None
        self._resets_count += 1
        if self._resets_count == 1:
            self.notes.append(f"The firmware reset the chip ({reason}).")
        if self._resets_count > _MOST_RESETS_COUNT:
            self.notes.append(f"Stopped after {_MOST_RESETS_COUNT} resets of the chip.")
            self.ended = "halted"
            return
        control = self.exceptions.control
        self.space.reset()
        rcc: Any = self.space.peripheral("rcc")
        if rcc is not None and hasattr(rcc, "reset_by"):
            rcc.reset_by(reason)
        self.exceptions.model.reset()
        self.exceptions.reset()
        control.reset()
        self.watch.system_is_new = True
        self.system.systick.reset()
        self.system.mpu.reset()
        self.system.reset()
        self.system.switch_caches_off()
        self.core.set_exception(0)
        start = find_start(self.image, self.board, self.memory, None)
        control.vtor = start.vector_table or 0
        self.core.reset(start.stack_top)
        self.machine[Word.PREVIOUS] = -1
        self.machine[Word.SHADOW_DEPTH] = 0
        self._rearm_timers()
        self._pc = start.pc

    def look_at_host(self) -> None:
        """Time of this machine, and progress."""
        options = self.options
        if options.timeout_s is None and options.on_progress is None:
            return
        now = time.perf_counter()
        if options.timeout_s is not None and now - self._begun > options.timeout_s:
            self.ended = self.ended or "timeout"
        if options.on_progress is not None and now - self._shown > 0.2:
            self._shown = now
            options.on_progress(self.words[W_CYCLES] // TICKS, self.words[W_INSTRUCTIONS])


__all__ = ["Run", "UnicornMachine"]
