"""What the linker step needs from a relocatable object: its symbols and the sections they lie in.

`pyelftools` reads the same, a hundred times slower; this is called for every object of every build.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SECTION = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")

_SHT_SYMTAB = 2
_SHT_NOBITS = 8
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SHN_UNDEF, _SHN_COMMON, _SHN_LORESERVE = 0, 0xFFF2, 0xFF00
_STB_LOCAL, _STB_GLOBAL, _STB_WEAK = 0, 1, 2
_STT_SECTION, _STT_FILE = 3, 4


@dataclass(frozen=True)
class ObjectSymbol:
    """A symbol that an object defines. `section` is empty for absolute and common symbols."""

    name: str
    section: str
    size_bytes: int
    is_local: bool


@dataclass(frozen=True)
class ObjectSection:
    """An allocated input section."""

    name: str
    size_bytes: int
    writable: bool
    executable: bool
    zero_filled: bool


@dataclass(frozen=True)
class ObjectSummary:
    """Symbols defined and needed, and the allocated sections, of one relocatable object."""

    symbols: tuple[ObjectSymbol, ...]
    needs: tuple[str, ...]  # strong undefined symbols
    sections: tuple[ObjectSection, ...]

    def defines(self, name: str) -> ObjectSymbol | None:
        """The global symbol of that name, if this object defines it."""
        for symbol in self.symbols:
            if symbol.name == name and not symbol.is_local:
                return symbol
        return None


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode("utf-8", "replace")


def _sections(data: bytes) -> list[tuple[int, ...]]:
    header = _HEADER.unpack_from(data)
    if header[0][:6] != b"\x7fELF\x01\x01":
        raise ValueError("not a 32-bit little-endian ELF object")
    offset, count = header[6], header[12]
    return [_SECTION.unpack_from(data, offset + index * _SECTION.size) for index in range(count)]


def summarize_object(data: bytes) -> ObjectSummary:
    """Read the symbols and allocated sections of an ELF32 relocatable object.

    Raises:
        ValueError: the bytes are not such an object.
    """
    try:
        rows = _sections(data)
        names_row = rows[_HEADER.unpack_from(data)[13]]
        names_table = data[names_row[4] : names_row[4] + names_row[5]]
        names = [_text(names_table, row[0]) for row in rows]
        symbols: list[ObjectSymbol] = []
        needs: list[str] = []
        for row in rows:
            if row[1] != _SHT_SYMTAB:
                continue
            strings_row = rows[row[6]]
            strings = data[strings_row[4] : strings_row[4] + strings_row[5]]
            for position in range(row[4], row[4] + row[5], _SYMBOL.size):
                name_at, _, size, info, _, index = _SYMBOL.unpack_from(data, position)
                binding, kind = info >> 4, info & 15
                if name_at == 0 or kind in (_STT_SECTION, _STT_FILE):
                    continue
                name = _text(strings, name_at)
                if index == _SHN_UNDEF:
                    if binding == _STB_GLOBAL:
                        needs.append(name)
                    continue
                if name.startswith("$"):  # mapping symbols: $t, $d
                    continue
                section = names[index] if index < _SHN_LORESERVE else ""
                if index == _SHN_COMMON:
                    section = "COMMON"
                symbols.append(ObjectSymbol(name, section, size, binding == _STB_LOCAL))
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"not a usable ELF object: {error}") from error
    sections = tuple(
        ObjectSection(
            name=name,
            size_bytes=row[5],
            writable=bool(row[2] & _SHF_WRITE),
            executable=bool(row[2] & _SHF_EXECINSTR),
            zero_filled=row[1] == _SHT_NOBITS,
        )
        for name, row in zip(names, rows, strict=True)
        if row[2] & _SHF_ALLOC and row[5]
    )
    return ObjectSummary(tuple(symbols), tuple(needs), sections)


def weaken(data: bytes) -> bytes:
    """Make every global definition weak.

    Runtime objects are linked as objects, not from an archive; weak definitions give them an
    archive's manners: a program's own `malloc` or `SysTick_Handler` wins without a clash.
    """
    patched = bytearray(data)
    for row in _sections(data):
        if row[1] != _SHT_SYMTAB:
            continue
        for position in range(row[4], row[4] + row[5], _SYMBOL.size):
            _, _, _, info, _, index = _SYMBOL.unpack_from(data, position)
            if index != _SHN_UNDEF and info >> 4 == _STB_GLOBAL:
                patched[position + 12] = (_STB_WEAK << 4) | (info & 15)
    return bytes(patched)
