"""What a peripheral is: registers on one side, the machine around it on the other.

A model derives from `Peripheral` and declares its registers. It sees the machine only through
`Surroundings`, so that it can be tested with a few lines of Python and no emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from emu.board import MappedPeripheral
from emu.peripherals.schedule import Event

WORD = 0xFFFFFFFF
FOREVER = 1 << 62  # a cycle that never comes


class Clocks(Protocol):
    """The frequencies of the chip, as its registers set them at this moment."""

    def hz(self, name: str) -> int:
        """Frequency of a clock: core ahb axi apb1 apb1_timer apb2 apb2_timer apb3 apb4 hsi hse
        lsi lse, or a kernel clock named as its peripheral (usart1). 0 when it does not run.

        Raises:
            KeyError: the chip has no clock of that name.
        """
        ...

    def change(
        self,
        frequencies_hz: Mapping[str, int],
        *,
        bus_ratio: int | None = None,
        flash_wait_states: int | None = None,
        accelerator: bool | None = None,
    ) -> None:
        """New frequencies or flash settings. Counting peripherals are told before and after."""
        ...

    def declare(self, frequencies_hz: Mapping[str, int]) -> None:
        """Clocks that the chip has, as they are before the firmware sets any; nobody is told.

        A clock that is known already keeps its frequency.
        """
        ...


class Surroundings(Protocol):
    """What a peripheral may ask of the machine around it. Times are core cycles since reset."""

    @property
    def clocks(self) -> Clocks: ...

    def now_cycles(self) -> int:
        """The cycle of the access being answered, or of the event being run."""
        ...

    def time_fs(self) -> int:
        """Femtoseconds since reset."""
        ...

    def cycles_at(self, time_fs: int) -> int:
        """The first cycle at or after a time, at the present clock."""
        ...

    def at(self, cycles: int, action: Callable[[], None]) -> Event:
        """Call `action` at that cycle, or at once after this access when it has passed."""
        ...

    def after_ticks(self, ticks: int, clock_hz: int, action: Callable[[], None]) -> Event:
        """Call `action` when `ticks` periods of a clock of that frequency have passed."""
        ...

    def set_interrupt(self, number: int, level: bool, source: str = "") -> None:
        """The level of an interrupt line of the NVIC: high while any source holds it high."""
        ...

    def set_signal(self, name: str, level: bool) -> None:
        """Drive a wire between peripherals, such as the DMA request "usart1_tx" or the EXTI input
        "gpioc.13".
        """
        ...

    def signal(self, name: str) -> bool:
        """The level of a wire; False for one that nobody drives."""
        ...

    def on_signal(self, name: str, listener: Callable[[bool], None]) -> None:
        """Call `listener` with each new level of a wire."""
        ...

    def bus_read(self, address: int, size_bytes: int) -> int:
        """Read as a bus master (DMA): memory or another peripheral's register.

        Raises:
            BusError: nothing answers there.
        """
        ...

    def bus_write(self, address: int, value: int, size_bytes: int) -> None:
        """Write as a bus master.

        Raises:
            BusError: nothing answers there, or it is flash.
        """
        ...

    def bus_copy(self, source: int, target: int, size_bytes: int) -> None:
        """Move bytes from memory to memory at once.

        Raises:
            BusError: a byte of either is no memory.
        """
        ...

    def program_flash(self, address: int, data: bytes) -> None:
        """Put bytes into flash (programming, or 0xFF for erasing); code there is read again.

        Raises:
            BusError: not flash.
        """
        ...

    def serial_out(self, port: str, data: bytes) -> None:
        """Bytes that left the chip on a serial port ("usart1", "itm")."""
        ...

    def on_serial_in(self, port: str, listener: Callable[[int], None]) -> None:
        """Call `listener` with each byte that the other side puts on a port's line.

        The model queues them and lets each take its time on the wire.
        """
        ...

    def peripheral(self, name: str) -> Peripheral | None:
        """Another peripheral of the chip, for the few that look into each other."""
        ...

    def request_reset(self, reason: str) -> None:
        """Reset the chip (watchdog, SYSRESETREQ), in a word or two: "iwdg"."""
        ...

    def note(self, sentence: str) -> None:
        """Something that the user should read in the report; said once."""
        ...


class BusError(Exception):
    """A bus master met an address where nothing answers."""

    def __init__(self, address: int) -> None:
        super().__init__(f"no memory at {address:#010x}")
        self.address = address


@dataclass(frozen=True)
class Register:
    """A register as declared by a model.

    Attributes:
        reset: value after reset.
        writable: bits that a write changes; the rest keep their value.
        clear_by_one: bits that writing 1 clears (rc_w1).
    """

    name: str
    offset: int
    reset: int = 0
    writable: int = WORD
    clear_by_one: int = 0


class Peripheral:
    """Registers of 32 bits with side effects.

    A model lists `REGISTERS` and, for those that do something, defines `read_NAME(self) -> int`
    and `write_NAME(self, value: int) -> None`, where `value` is the whole word as written (bytes
    and half-words are merged into the stored word first) and the stored word is still the old one:
    the method calls `self.store` itself when it wants to keep something. Without a method a
    register keeps what its `writable` bits were given. Registers that are not declared read back
    what was written, and are counted as unknown.

    Firmware polls registers; loops that do are passed over as long as what they read is known to
    stay (`quiet_until`). A register with a reader says so by `quiet_NAME(self) -> int | None`, or
    by its name in `STEADY` where only writes and events change what is read.
    """

    REGISTERS: ClassVar[tuple[Register, ...]] = ()
    STEADY: ClassVar[tuple[str, ...]] = ()

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self.place = place
        self.name = place.name
        self.around = around
        self.settings = dict(place.settings)
        self.values: dict[int, int] = {}
        self.unknown: dict[int, list[int]] = {}  # offset: [reads, writes]
        self._by_offset = {register.offset: register for register in self.registers()}
        self._readers: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[int], None]] = {}
        self._quiets: dict[int, Callable[[], int | None]] = {}
        for register in self._by_offset.values():
            if reader := getattr(self, f"read_{register.name}", None):
                self._readers[register.offset] = reader
            if writer := getattr(self, f"write_{register.name}", None):
                self._writers[register.offset] = writer
            if register.name in self.STEADY:
                self._quiets[register.offset] = _forever
            elif quiet := getattr(self, f"quiet_{register.name}", None):
                self._quiets[register.offset] = quiet
        self._irqs = dict(place.irqs)
        self.reset()

    def registers(self) -> Iterable[Register]:
        """The registers of this instance; override where they depend on the settings."""
        return self.REGISTERS

    def reset(self) -> None:
        """Registers to their reset values. Models with other state add to it."""
        self.values = {item.offset: item.reset for item in self._by_offset.values()}

    def chip_reset(self) -> None:
        """A reset of the whole chip, which some survive in part (what a battery keeps)."""
        self.reset()

    def connect(self) -> None:
        """Called once when every peripheral of the chip exists: subscribe to wires here."""

    # The bus's side

    def read(self, offset: int, size_bytes: int) -> int:
        """A read of 1, 2 or 4 bytes; `offset` is a multiple of the size."""
        aligned, shift = offset & ~3, 8 * (offset & 3)
        return (self.read_word(aligned) >> shift) & ((1 << (8 * size_bytes)) - 1)

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        """A write of 1, 2 or 4 bytes."""
        aligned, shift = offset & ~3, 8 * (offset & 3)
        if size_bytes < 4:
            mask = ((1 << (8 * size_bytes)) - 1) << shift
            register = self._by_offset.get(aligned)
            # Bits that a one clears must not be written back as ones.
            kept = self.values.get(aligned, 0) & ~(register.clear_by_one if register else 0)
            value = (kept & ~mask) | ((value << shift) & mask)
        self.write_word(aligned, value)

    def read_word(self, offset: int) -> int:
        reader = self._readers.get(offset)
        if reader is not None:
            return reader()
        if offset not in self._by_offset:
            self.unknown.setdefault(offset, [0, 0])[0] += 1
        return self.values.get(offset, 0)

    def write_word(self, offset: int, value: int) -> None:
        writer = self._writers.get(offset)
        if writer is not None:
            writer(value)
            return
        register = self._by_offset.get(offset)
        if register is None:
            self.unknown.setdefault(offset, [0, 0])[1] += 1
            self.values[offset] = value
            return
        old = self.values[offset]
        kept = (old & ~register.writable) | (value & register.writable)
        cleared = old & value & register.clear_by_one
        self.values[offset] = (kept & ~register.clear_by_one) | (
            old & register.clear_by_one & ~cleared
        )

    # For models

    def get(self, offset: int) -> int:
        """The stored word of a register, without side effects."""
        return self.values.get(offset, 0)

    def store(self, offset: int, value: int) -> None:
        self.values[offset] = value & WORD

    def set_irq(self, output: str, level: bool) -> None:
        """Drive one of the interrupt outputs that the chip's file connects; others go nowhere."""
        number = self._irqs.get(output)
        if number is not None:
            self.around.set_interrupt(number, level, f"{self.name}.{output}")

    def quiet_until(self, offset: int) -> int | None:
        """The cycle before which reads of a register give the same value, events and writes aside.

        It is later than now, and reads until then change nothing either. None when that is not
        known, or when a read does something; a register that is only stored keeps its value for
        ever. `offset` is that of the register's word.
        """
        quiet = self._quiets.get(offset)
        if quiet is not None:
            return quiet()
        return None if offset in self._readers else FOREVER

    def clock_hz(self) -> int:
        """The clock that the chip's file gives this peripheral."""
        return self.around.clocks.hz(self.place.clock) if self.place.clock else 0

    def kernel_clock_hz(self, *names: str, otherwise_hz: int = 0) -> int:
        """The first of these clocks that the chip's clock tree has."""
        for name in names:
            try:
                return self.around.clocks.hz(name)
            except KeyError:
                continue
        return otherwise_hz

    def before_clock_change(self) -> None:
        """Settle what was counted at the old frequencies."""

    def after_clock_change(self) -> None:
        """Schedule anew at the present frequencies."""

    def register_name(self, offset: int) -> str:
        """For reports: "usart1.cr1", or "usart1+0x40" for one that is not declared."""
        register = self._by_offset.get(offset)
        return f"{self.name}.{register.name.lower()}" if register else f"{self.name}+{offset:#x}"


def _forever() -> int:
    return FOREVER
