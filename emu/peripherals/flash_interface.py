"""What the flash interfaces of the STM32 families have in common: latency, keys, programming.

The machine maps flash read-only. It hands a store of the core into flash to `write_flash`; where
that refuses, `REFUSAL_IS_BUS_FAULT` says whether silicon answers with a bus error or drops the
write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import Peripheral, Surroundings
from emu.peripherals.time_base import FEMTOSECONDS

KEYS = (0x45670123, 0xCDEF89AB)  # RM0385 and RM0433, unlock sequence
OPTION_KEYS = (0x08192A3B, 0x4C5D6E7F)


@dataclass
class KeyLock:
    """A lock that two keys in a row open; a wrong one shuts it until the next reset."""

    keys: tuple[int, int]
    is_open: bool = False
    _given: int = 0
    _jammed: bool = False

    def give(self, key: int) -> None:
        if self.is_open or self._jammed:
            return
        if key != self.keys[self._given]:
            self._jammed = True
            return
        self._given += 1
        if self._given == len(self.keys):
            self.is_open, self._given = True, 0

    def shut(self) -> None:
        self.is_open, self._given = False, 0


@dataclass(frozen=True)
class Sector:
    """A stretch of flash that is erased at once. `end` exclusive."""

    start: int
    size_bytes: int
    erase_ms: int  # typical

    @property
    def end(self) -> int:
        return self.start + self.size_bytes


class FlashInterface(Peripheral):
    """ACR, and the array behind it."""

    ACR: ClassVar[int] = 0x00
    LATENCY: ClassVar[int] = 0xF
    BUS_CLOCK: ClassVar[str]  # what wait states count
    WAIT_STATE_LIMITS_HZ: ClassVar[tuple[int, ...]]  # of the bus clock, by wait states
    REFUSAL_IS_BUS_FAULT: ClassVar[bool]

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._said: set[str] = set()
        self._published = False
        super().__init__(place, around)

    def connect(self) -> None:
        self._published = self.around.peripheral("rcc") is None

    def reset(self) -> None:
        super().reset()
        if self._published:
            self.publish()

    def write_ACR(self, value: int) -> None:
        register = self._by_offset[self.ACR]
        self.store(self.ACR, value & register.writable)
        if self._published:
            self.publish()
            self.check_wait_states()

    def write_flash(self, address: int, value: int, size_bytes: int) -> bool:
        """A store of the core into flash, of 1, 2, 4 or 8 bytes.

        Returns:
            Whether it was taken as programming; when not, status flags say why.
        """
        raise NotImplementedError

    def busy_fs(self, address: int) -> int:
        """How long the bank that holds `address` still programs or erases; 0 when it rests."""
        raise NotImplementedError

    def read_stall_cycles(self, address: int) -> int:
        """Core cycles that silicon holds a fetch or a load from `address` up, as its bank is busy.

        The machine asks after a store that started something: a program in that bank does not
        poll BSY, it stands still.
        """
        return -(-self.busy_fs(address) * self.around.clocks.hz("core") // FEMTOSECONDS)

    def publish(self) -> None:
        """Tell the clock tree what ACR says, now and at each change.

        The clock controller calls it when the registers begin to decide the clock: until then the
        board's own latency goes with the board's own clock.
        """
        self._published = True
        self.around.clocks.change(
            {}, flash_wait_states=self.get(self.ACR) & self.LATENCY, accelerator=self.accelerates()
        )

    def accelerates(self) -> bool | None:
        """Whether the accelerator is on; None on parts without."""
        return None

    def check_wait_states(self) -> None:
        """Say so when there are fewer wait states than the bus clock needs."""
        wait_states = self.get(self.ACR) & self.LATENCY
        bus_hz = self.around.clocks.hz(self.BUS_CLOCK)
        if wait_states >= len(self.WAIT_STATE_LIMITS_HZ):
            return
        limit_hz = self.WAIT_STATE_LIMITS_HZ[wait_states]
        if bus_hz > limit_hz:
            sentence = (
                f"The firmware reads flash with {wait_states} wait states at a bus clock of "
                f"{bus_hz / 1e6:g} MHz, where {limit_hz / 1e6:g} MHz is the most: silicon may "
                "read wrong. Set FLASH_ACR before the clock."
            )
            if sentence not in self._said:
                self._said.add(sentence)
                self.around.note(sentence)

    def program_bits(self, address: int, data: bytes) -> None:
        """Programming clears bits and sets none."""
        old = bytes(self.around.bus_read(address + at, 1) for at in range(len(data)))
        new = bytes(before & wanted for before, wanted in zip(old, data, strict=True))
        self.around.program_flash(address, new)

    def erase(self, sector: Sector) -> None:
        self.around.program_flash(sector.start, b"\xff" * sector.size_bytes)
