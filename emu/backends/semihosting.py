"""Arm semihosting: `bkpt 0xAB` with an operation in r0 and a parameter block in r1.

Only what a firmware's console and exit need; files of the host are not offered.
Source: Arm "Semihosting for AArch32 and AArch64", operation numbers and parameter blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum


class Operation(IntEnum):
    """Operations that are carried out; any other answers -1."""

    OPEN = 0x01
    CLOSE = 0x02
    WRITEC = 0x03
    WRITE0 = 0x04
    WRITE = 0x05
    READ = 0x06
    READC = 0x07
    ISTTY = 0x09
    SEEK = 0x0A
    CLOCK = 0x10
    TIME = 0x11
    ERRNO = 0x13
    EXIT = 0x18
    EXIT_EXTENDED = 0x20


APPLICATION_EXIT = 0x20026
_MINUS_ONE = 0xFFFFFFFF
_MAX_TEXT_BYTES = 1 << 20


@dataclass
class Semihosting:
    """Console and exit of one run.

    Attributes:
        read: guest memory by address and length; raises nothing, short at a region's end.
        write_out: gets console bytes.
        time_us: modelled time since reset, for SYS_CLOCK.
        exit_code: set when the firmware exited.
    """

    read: Callable[[int, int], bytes]
    write_out: Callable[[bytes], None]
    time_us: Callable[[], float]
    exit_code: int | None = field(default=None)

    def call(self, operation: int, parameter: int) -> int:
        """Carry one call out; returns r0."""
        match operation:
            case Operation.WRITEC:
                self.write_out(self.read(parameter, 1))
            case Operation.WRITE0:
                self.write_out(self._text(parameter))
            case Operation.WRITE:
                handle, address, length = self._words(parameter, 3)
                if handle in (1, 2):
                    self.write_out(self.read(address, min(length, _MAX_TEXT_BYTES)))
                    return 0
                return length
            case Operation.OPEN:
                address, mode, length = self._words(parameter, 3)
                if self.read(address, min(length, 8)) == b":tt":
                    return 0 if mode < 4 else 1 if mode < 8 else 2
                return _MINUS_ONE
            case Operation.READ:
                return self._words(parameter, 3)[2]  # nothing was read
            case Operation.READC:
                return _MINUS_ONE
            case Operation.CLOSE | Operation.SEEK | Operation.ERRNO:
                return 0
            case Operation.ISTTY:
                return 1
            case Operation.CLOCK:
                return int(self.time_us() / 10_000) & _MINUS_ONE
            case Operation.TIME:
                return int(self.time_us() / 1_000_000) & _MINUS_ONE
            case Operation.EXIT:
                self.exit_code = 0 if parameter == APPLICATION_EXIT else 1
            case Operation.EXIT_EXTENDED:
                reason, code = self._words(parameter, 2)
                signed = code - (1 << 32) if code >> 31 else code
                self.exit_code = signed if reason == APPLICATION_EXIT else 1
            case _:
                return _MINUS_ONE
        return 0

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        data = self.read(address, 4 * count).ljust(4 * count, b"\0")
        return tuple(int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(count))

    def _text(self, address: int) -> bytes:
        text = bytearray()
        while len(text) < _MAX_TEXT_BYTES:
            piece = self.read(address + len(text), 64)
            end = piece.find(b"\0")
            if end >= 0 or not piece:
                return bytes(text + piece[: max(end, 0)])
            text += piece
        return bytes(text)
