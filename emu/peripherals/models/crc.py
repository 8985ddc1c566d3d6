"""CRC calculation unit [RM0385, RM0433: CRC]: any polynomial of 7, 8, 16 or 32 bits.

The result is there at once; on silicon the bus waits four clocks for a word.
"""

from __future__ import annotations

from functools import lru_cache

from emu.peripherals.peripheral import WORD, Peripheral, Register

DR, IDR, CR, INIT, POL = 0x00, 0x04, 0x08, 0x10, 0x14
RESET, REV_OUT = 1, 1 << 7
SIZES_BITS = (32, 16, 8, 7)  # by POLYSIZE


@lru_cache(maxsize=16)
def _table(polynomial: int, size_bits: int) -> tuple[int, ...]:
    """What a byte does to the top bits, in a register of 32 bits that the CRC's top bit tops."""
    shifted = polynomial << (32 - size_bits) & WORD
    rows = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (shifted if value >> 31 else 0)) & WORD
        rows.append(value)
    return tuple(rows)


def _reversed(value: int, size_bits: int) -> int:
    return int(f"{value:0{size_bits}b}"[::-1], 2)


class CrcUnit(Peripheral):
    """DR takes bytes, half-words and words, the most significant bit first."""

    REGISTERS = (
        Register("DR", DR, reset=WORD),
        Register("IDR", IDR),
        Register("CR", CR, writable=0xF8),
        Register("INIT", INIT, reset=WORD),
        Register("POL", POL, reset=0x04C11DB7),
    )
    STEADY = ("DR",)

    @property
    def _size_bits(self) -> int:
        return SIZES_BITS[self.get(CR) >> 3 & 3]

    def _restart(self) -> None:
        self.store(DR, self.get(INIT) & (1 << self._size_bits) - 1)

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        if offset & ~3 != DR:
            super().write(offset, value, size_bytes)
            return
        data = self._reversed_in(value, 8 * size_bytes).to_bytes(size_bytes, "big")
        size_bits = self._size_bits
        table = _table(self.get(POL) & (1 << size_bits) - 1, size_bits)
        crc = self.get(DR) << (32 - size_bits) & WORD
        for byte in data:
            crc = (crc << 8 ^ table[crc >> 24 ^ byte]) & WORD
        self.store(DR, crc >> (32 - size_bits))

    def _reversed_in(self, value: int, size_bits: int) -> int:
        """REV_IN: the bits of each byte, half-word or of the word; no wider than the access."""
        unit = (0, 8, 16, 32)[self.get(CR) >> 5 & 3]
        if not unit:
            return value
        unit = min(unit, size_bits)
        mask = (1 << unit) - 1
        parts = range(0, size_bits, unit)
        return sum(_reversed(value >> shift & mask, unit) << shift for shift in parts)

    def read_DR(self) -> int:
        value, size_bits = self.get(DR), self._size_bits
        return _reversed(value, size_bits) if self.get(CR) & REV_OUT else value

    def write_CR(self, value: int) -> None:
        self.store(CR, value & 0xF8)
        if value & RESET:
            self._restart()

    def write_INIT(self, value: int) -> None:
        self.store(INIT, value)
        self._restart()  # [RM0433 CRC_INIT: a write initialises DR too]


MODEL = CrcUnit
