"""The run as its peripherals and its serial script see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.backends.constants import W_INSTRUCTIONS, W_LAST_STOP, W_NEXT_STOP
from emu.backends.layout import TICKS
from emu.backends.protocol import ClockChange
from emu.peripherals.clock_tree import ClockTree
from emu.peripherals.schedule import Event
from emu.system.exception_model import IRQ0

if TYPE_CHECKING:
    from emu.backends.serial_link import Ending
    from emu.backends.unicorn_machine import Run


class RunHost:
    """Implements `emu.peripherals.space.Host` and `emu.backends.serial_link.Link` for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.is_accessing = False  # whether a register access is being answered
        self.clock_changes: list[ClockChange] = []
        self.serial: dict[str, bytearray] = {}
        self.reset_wanted: str | None = None

    # Time

    def now_cycles(self) -> int:
        running = self._run.space.schedule.running_cycles if self._run.is_wired else None
        if running is not None:
            return running
        if self.is_accessing:
            return self._run.clock.access_cycles()
        return self._run.clock.cycles()

    def time_fs(self) -> int:
        return self._run.space.time.time_fs(self.now_cycles())

    def instructions(self) -> int:
        instructions: int = self._run.words[W_INSTRUCTIONS]
        return instructions

    def stop_by(self, cycles: int) -> None:
        words = self._run.words
        ticks = cycles * TICKS
        if ticks < words[W_LAST_STOP]:
            words[W_LAST_STOP] = ticks
            words[W_NEXT_STOP] = min(words[W_NEXT_STOP], ticks)

    def after_s(self, seconds: float, action: Callable[[], None]) -> Event:
        cycles = max(1, -int(-seconds * self._run.space.time.clock_hz // 1))
        return self._run.space.schedule.at(self.now_cycles() + cycles, action)

    # Interrupts

    def set_interrupt(self, number: int, level: bool) -> None:
        model = self._run.exceptions.model
        if number >= model.lines_count:
            return
        if level:
            model.raise_level(IRQ0 + number, self.now_cycles())
            self._run.look_soon()
        else:
            model.lower_level(IRQ0 + number)

    # Memory

    def memory_read(self, address: int, size_bytes: int) -> bytes:
        return self._run.memory.read(address, size_bytes)

    def memory_write(self, address: int, data: bytes) -> bool:
        written = self._run.memory.write(address, data)
        if written:
            self._run.forget_code(address, len(data))
        return written

    def program_flash(self, address: int, data: bytes) -> bool:
        written = self._run.memory.program(address, data)
        if written:
            self._run.forget_code(address, len(data))
        return written

    # The chip

    def clocks_changed(self, clocks: ClockTree) -> None:
        run = self._run
        wait_states = clocks.flash_wait_states
        if wait_states is None:
            flash = (r for r in run.board.chip.regions if r.kind == "flash")
            wait_states = next((region.timing.wait_states for region in flash), 0)
        change = ClockChange(self.now_cycles(), clocks.hz("core"), clocks.bus_ratio, wait_states)
        if self.clock_changes and self.clock_changes[-1].at_cycles == change.at_cycles:
            self.clock_changes.pop()
        self.clock_changes.append(change)
        run.clocks_changed(clocks)

    def request_reset(self, reason: str) -> None:
        self.reset_wanted = reason
        self._run.look_soon()

    def note(self, sentence: str) -> None:
        if sentence not in self._run.notes:
            self._run.notes.append(sentence)

    # Serial lines

    def serial_out(self, port: str, data: bytes) -> None:
        self.serial.setdefault(port, bytearray()).extend(data)
        self._run.serial_output(port, data)

    def send(self, port: str, data: bytes) -> None:
        for byte in data:
            self._run.space.serial_in(port, byte)

    def finish(self, outcome: Ending, sentence: str | None) -> None:
        self._run.finish_by_script(outcome, sentence)
