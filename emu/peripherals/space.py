"""All peripherals of a chip, wired together: the machine's side of `Surroundings`."""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

from emu.board import Board, MappedPeripheral
from emu.errors import BoardError
from emu.peripherals.clock_tree import ClockTree
from emu.peripherals.models.register_file import RegisterFile
from emu.peripherals.peripheral import BusError, Peripheral
from emu.peripherals.schedule import Event, Schedule
from emu.peripherals.time_base import TimeBase

PERIPHERALS_START, PERIPHERALS_END = 0x40000000, 0x60000000


class Host(Protocol):
    """What runs the program: memory, time and interrupts, as `PeripheralSpace` needs them."""

    def now_cycles(self) -> int:
        """Core cycles since reset, of the access or event in hand."""
        ...

    def stop_by(self, cycles: int) -> None:
        """An event is due at that cycle: come back by then."""
        ...

    def set_interrupt(self, number: int, level: bool) -> None: ...

    def memory_read(self, address: int, size_bytes: int) -> bytes:
        """Short where memory ends."""
        ...

    def memory_write(self, address: int, data: bytes) -> bool:
        """False where it is not all RAM."""
        ...

    def program_flash(self, address: int, data: bytes) -> bool:
        """False where it is not all flash."""
        ...

    def clocks_changed(self, clocks: ClockTree) -> None:
        """The core clock, the bus ratio or the flash's settings are new."""
        ...

    def serial_out(self, port: str, data: bytes) -> None: ...

    def request_reset(self, reason: str) -> None: ...

    def note(self, sentence: str) -> None: ...


class PeripheralSpace:
    """The peripherals of a board at work. Implements `Surroundings` for all of them."""

    def __init__(self, board: Board, host: Host) -> None:
        self.board, self.host = board, host
        self.schedule = Schedule(host.stop_by)
        self.time = TimeBase(board.clock_hz)
        self.clocks = ClockTree(board, self._before_clock_change, self._after_clock_change)
        self._levels: dict[str, bool] = {}
        self._holders: dict[int, set[str]] = {}  # of an interrupt line that is high
        self._listeners: dict[str, list[Callable[[bool], None]]] = {}
        self._serial_listeners: dict[str, list[Callable[[int], None]]] = {}
        self.strays: dict[int, list[int]] = {}  # words that no peripheral claims: [reads, writes]
        self._stray_values: dict[int, int] = {}
        self._written: set[str] = set()  # peripherals that the firmware has written to
        places = sorted(board.chip.peripherals, key=lambda place: place.start)
        self._starts = [place.start for place in places]
        self._ends = [place.end for place in places]
        self.peripherals = [_model(place)(place, self) for place in places]
        self._by_name = {item.name: item for item in self.peripherals}
        for item in self.peripherals:
            item.connect()

    # The core's side

    def peripheral_at(self, address: int) -> Peripheral | None:
        row = bisect_right(self._starts, address) - 1
        if row < 0 or address >= self._ends[row]:
            return None
        return self.peripherals[row]

    def read(self, address: int, size_bytes: int) -> int:
        found = self.peripheral_at(address)
        if found is not None:
            return found.read(address - found.place.start, size_bytes)
        word = address & ~3
        self.strays.setdefault(word, [0, 0])[0] += 1
        value = self._stray_values.get(word, 0) >> (8 * (address & 3))
        return value & ((1 << (8 * size_bytes)) - 1)

    def write(self, address: int, value: int, size_bytes: int) -> None:
        found = self.peripheral_at(address)
        if found is not None:
            if found.name not in self._written:
                self._written.add(found.name)
                self._check_clock(found)
            found.write(address - found.place.start, value, size_bytes)
            return
        word, shift = address & ~3, 8 * (address & 3)
        self.strays.setdefault(word, [0, 0])[1] += 1
        mask = ((1 << (8 * size_bytes)) - 1) << shift
        old = self._stray_values.get(word, 0)
        self._stray_values[word] = (old & ~mask) | ((value << shift) & mask)

    def _check_clock(self, item: Peripheral) -> None:
        """Say so when firmware sets a peripheral up whose clock is off."""
        is_enabled = getattr(self._by_name.get("rcc"), "is_enabled", None)
        if is_enabled is not None and not is_enabled(item.name):
            self.note(
                f"The firmware writes to {item.name} before its clock is on in RCC: silicon "
                "ignores that."
            )

    def reset(self) -> None:
        """As a reset of the chip leaves them; what was scheduled is forgotten."""
        self.schedule.clear()
        self._levels.clear()
        self._holders.clear()
        for item in self.peripherals:
            item.chip_reset()

    def serial_in(self, port: str, byte: int) -> None:
        """The other side of a port puts a byte on the line."""
        for listener in self._serial_listeners.get(port, ()):
            listener(byte)

    def listens_to_serial(self, port: str) -> bool:
        return port in self._serial_listeners

    # The peripherals' side: `Surroundings`

    def now_cycles(self) -> int:
        return self.host.now_cycles()

    def time_fs(self) -> int:
        return self.time.time_fs(self.now_cycles())

    def cycles_at(self, time_fs: int) -> int:
        return self.time.cycles_at(time_fs)

    def at(self, cycles: int, action: Callable[[], None]) -> Event:
        return self.schedule.at(cycles, action)

    def after_ticks(self, ticks: int, clock_hz: int, action: Callable[[], None]) -> Event:
        cycles = -(-ticks * self.clocks.hz("core") // max(clock_hz, 1))
        return self.schedule.at(self.now_cycles() + cycles, action)

    def set_interrupt(self, number: int, level: bool, source: str = "") -> None:
        holders = self._holders.get(number)
        if holders is None:
            holders = self._holders[number] = set()
        if level:
            holders.add(source)
        else:
            holders.discard(source)
        self.host.set_interrupt(number, bool(holders))

    def set_signal(self, name: str, level: bool) -> None:
        if self._levels.get(name, False) == level:
            return
        self._levels[name] = level
        for listener in self._listeners.get(name, ()):
            listener(level)

    def signal(self, name: str) -> bool:
        return self._levels.get(name, False)

    def on_signal(self, name: str, listener: Callable[[bool], None]) -> None:
        self._listeners.setdefault(name, []).append(listener)

    def bus_read(self, address: int, size_bytes: int) -> int:
        if address >= PERIPHERALS_START and self.peripheral_at(address):
            return self.read(address, size_bytes)
        return int.from_bytes(self._read_memory(address, size_bytes), "little")

    def bus_write(self, address: int, value: int, size_bytes: int) -> None:
        if address >= PERIPHERALS_START and self.peripheral_at(address):
            self.write(address, value, size_bytes)
        else:
            self._write_memory(address, value.to_bytes(size_bytes, "little"))

    def bus_copy(self, source: int, target: int, size_bytes: int) -> None:
        self._write_memory(target, self._read_memory(source, size_bytes))

    def _read_memory(self, address: int, size_bytes: int) -> bytes:
        """Also across regions that follow one another, such as DTCM and SRAM1 of STM32F7."""
        data = self.host.memory_read(address, size_bytes)
        while len(data) < size_bytes:
            more = self.host.memory_read(address + len(data), size_bytes - len(data))
            if not more:
                raise BusError(address + len(data))
            data += more
        return data

    def _write_memory(self, address: int, data: bytes) -> None:
        while not self.host.memory_write(address, data):
            here = len(self.host.memory_read(address, len(data)))  # up to the region's end
            if not 0 < here < len(data) or not self.host.memory_write(address, data[:here]):
                raise BusError(address)
            address, data = address + here, data[here:]

    def program_flash(self, address: int, data: bytes) -> None:
        if not self.host.program_flash(address, data):
            raise BusError(address)

    def serial_out(self, port: str, data: bytes) -> None:
        self.host.serial_out(port, data)

    def on_serial_in(self, port: str, listener: Callable[[int], None]) -> None:
        self._serial_listeners.setdefault(port, []).append(listener)

    def peripheral(self, name: str) -> Peripheral | None:
        return self._by_name.get(name)

    def request_reset(self, reason: str) -> None:
        self.host.request_reset(reason)

    def note(self, sentence: str) -> None:
        self.host.note(sentence)

    # Clocks

    def _before_clock_change(self) -> None:
        for item in self.peripherals:
            item.before_clock_change()

    def _after_clock_change(self) -> None:
        self.time.change(self.now_cycles(), self.clocks.hz("core"))
        self.host.clocks_changed(self.clocks)
        for item in self.peripherals:
            item.after_clock_change()


def _model(place: MappedPeripheral) -> type[Peripheral]:
    """The class that a chip's file names.

    Raises:
        BoardError: there is no such model.
    """
    if place.model == "register_file":
        return RegisterFile
    name = f"emu.peripherals.models.{place.model}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name != name:
            raise
        raise BoardError(
            f"Peripheral '{place.name}' wants the model '{place.model}', which does not exist. "
            "Use register_file for one that only keeps what is written."
        ) from problem
    found: type[Peripheral] = module.MODEL
    return found
