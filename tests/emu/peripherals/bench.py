"""A test bench for peripherals: a chip's wiring without a core.

`Bench` stands where the emulator stands. Time moves only when a test says so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from emu.board import Board, MappedPeripheral
from emu.boardfile import load_board
from emu.peripherals.clock_tree import ClockTree
from emu.peripherals.peripheral import Peripheral
from emu.peripherals.space import PeripheralSpace

_load_board = cache(load_board)  # a law makes hundreds of benches


class Bench:
    """Peripherals of a board (or a few given ones), 256 KiB of RAM at 0x2000_0000."""

    RAM, RAM_BYTES = 0x20000000, 256 * 1024

    def __init__(self, board: str | Board, places: list[MappedPeripheral] | None = None) -> None:
        loaded = _load_board(board) if isinstance(board, str) else board
        if places is not None:
            loaded = replace(loaded, chip=replace(loaded.chip, peripherals=tuple(places)))
        self.board = loaded
        self.cycles = 0
        self.ram = bytearray(self.RAM_BYTES)
        self.flash: dict[int, int] = {}
        self.interrupts: dict[int, bool] = {}
        self.raised: list[int] = []  # interrupt numbers in the order of their rising edges
        self.output: dict[str, bytearray] = {}
        self.notes: list[str] = []
        self.resets: list[str] = []
        self.clock_history: list[tuple[int, int, int, int | None]] = []
        self.space = PeripheralSpace(loaded, self)

    # For tests

    def __getitem__(self, name: str) -> Peripheral:
        found = self.space.peripheral(name)
        assert found is not None, f"no peripheral {name}"
        return found

    def read(self, name: str, offset: int, size_bytes: int = 4) -> int:
        """What the core reads of a register of a peripheral."""
        return self.space.read(self[name].place.start + offset, size_bytes)

    def write(self, name: str, offset: int, value: int, size_bytes: int = 4) -> None:
        self.space.write(self[name].place.start + offset, value, size_bytes)
        self.space.schedule.run_due(self.cycles)

    def run_to(self, cycles: int) -> None:
        """Let time pass, event by event."""
        while (due := self.space.schedule.next_cycles()) is not None and due <= cycles:
            self.cycles = max(self.cycles, due)
            self.space.schedule.run_due(self.cycles)
        self.cycles = max(self.cycles, cycles)

    def run(self, cycles: int) -> None:
        self.run_to(self.cycles + cycles)

    # Host

    def now_cycles(self) -> int:
        return self.cycles

    def stop_by(self, cycles: int) -> None:
        """Nothing runs here between events."""

    def set_interrupt(self, number: int, level: bool) -> None:
        if level and not self.interrupts.get(number):
            self.raised.append(number)
        self.interrupts[number] = level

    def memory_read(self, address: int, size_bytes: int) -> bytes:
        region = self.board.chip.region_at(address)
        if region is not None and region.kind == "flash":
            return bytes(self.flash.get(address + at, 0xFF) for at in range(size_bytes))
        start = address - self.RAM
        return bytes(self.ram[start : start + size_bytes]) if start >= 0 else b""

    def memory_write(self, address: int, data: bytes) -> bool:
        start = address - self.RAM
        if start < 0 or start + len(data) > self.RAM_BYTES:
            return False
        self.ram[start : start + len(data)] = data
        return True

    def program_flash(self, address: int, data: bytes) -> bool:
        self.flash.update(enumerate(data, address))
        return True

    def clocks_changed(self, clocks: ClockTree) -> None:
        self.clock_history.append(
            (self.cycles, clocks.hz("core"), clocks.bus_ratio, clocks.flash_wait_states)
        )

    def serial_out(self, port: str, data: bytes) -> None:
        self.output.setdefault(port, bytearray()).extend(data)

    def request_reset(self, reason: str) -> None:
        self.resets.append(reason)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)
