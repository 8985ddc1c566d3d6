"""Small programs as files, written byte by byte: ELF, Intel HEX, attributes, vector tables."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

FLASH, ITCM_FLASH, RAM = 0x0800_0000, 0x0020_0000, 0x2000_0000
STACK_TOP = RAM + 0x1000
LOOP_FOR_EVER = b"\xfe\xe7"


def vector_table(stack_top: int = STACK_TOP, reset: int = FLASH + 0x41) -> bytes:
    """Sixteen words, and behind them an endless loop, where `reset` points by default."""
    return struct.pack("<II", stack_top, reset) + bytes(56) + LOOP_FOR_EVER * 8


def record(kind: int, address: int = 0, data: bytes = b"") -> str:
    """One line of Intel HEX."""
    body = bytes([len(data), address >> 8, address & 255, kind]) + data
    return f":{(body + bytes([-sum(body) & 255])).hex().upper()}\n"


END_OF_FILE = record(1)


def intel_hex(blocks: Sequence[tuple[int, bytes]], start: int | None = None) -> str:
    """A file with 16 bytes a line."""
    lines = []
    for address, data in blocks:
        for at in range(0, len(data), 16):
            upper, lower = divmod(address + at, 1 << 16)
            lines.append(record(4, data=upper.to_bytes(2, "big")))
            lines.append(record(0, lower, data[at : at + 16]))
    if start is not None:
        lines.append(record(5, data=start.to_bytes(4, "big")))
    return "".join(lines) + END_OF_FILE


def uleb(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def attributes(values: dict[int, int | str], vendor: bytes = b"aeabi\0") -> bytes:
    """A section .ARM.attributes with tags of the whole file."""
    body = b""
    for tag, value in values.items():
        body += uleb(tag) + (value.encode() + b"\0" if isinstance(value, str) else uleb(value))
    scope = b"\1" + struct.pack("<I", len(body) + 5) + body
    return b"A" + struct.pack("<I", len(vendor) + len(scope) + 4) + vendor + scope


@dataclass(frozen=True)
class Part:
    """A section with a segment of its own; with `size_bytes` and no data, zeroed memory."""

    name: str
    address: int
    data: bytes
    load_address: int | None = None
    flags: int = 6  # allocated, executable
    size_bytes: int = 0


@dataclass(frozen=True)
class ElfFile:
    """What is written into an ELF."""

    parts: Sequence[Part]
    symbols: Sequence[tuple[str, int, int]] = ()  # name, value, number of its part from 1
    entry: int = 0
    attributes: bytes | None = None
    elf_flags: int = 0x0500_0000
    machine: int = 40

    def to_bytes(self) -> bytes:
        headers, segments, content = [], b"", b""
        at = 52 + 32 * len(self.parts)
        names = b"\0"

        def add(
            name: str, kind: int, flags: int, address: int, data: bytes, takes: int = 0, **more: int
        ) -> None:
            nonlocal content, names
            size_bytes = max(len(data), takes)
            place = (len(names), kind, flags, address, at + len(content), size_bytes)
            extra = (more.get("link", 0), more.get("info", 0), 1, more.get("entry_bytes", 0))
            headers.append(struct.pack("<10I", *place, *extra))
            names += name.encode() + b"\0"
            content += data

        for part in self.parts:
            load = part.address if part.load_address is None else part.load_address
            size = len(part.data)
            takes = max(size, part.size_bytes)
            segments += struct.pack(
                "<8I", 1, at + len(content), part.address, load, size, takes, 7, 4
            )
            add(part.name, 1 if size else 8, part.flags, part.address, part.data, takes)
        if self.attributes is not None:
            add(".ARM.attributes", 0x7000_0003, 0, 0, self.attributes)
        if self.symbols:
            strings, table = b"\0", bytes(16)
            for name, value, number in self.symbols:
                kind = 0x12 if value & 1 else 0x11
                table += struct.pack("<IIIBBH", len(strings), value, 4, kind, 0, number)
                strings += name.encode() + b"\0"
            add(".strtab", 3, 0, 0, strings)
            add(".symtab", 2, 0, 0, table, link=len(headers), info=1, entry_bytes=16)
        names += b".shstrtab\0"
        headers.append(
            struct.pack("<10I", len(names) - 10, 3, 0, 0, at + len(content), len(names), 0, 0, 1, 0)
        )
        content += names
        counts = (32, len(self.parts), 40, len(headers) + 1, len(headers))
        places = (self.entry, 52, at + len(content), self.elf_flags, 52)
        header = b"\x7fELF\1\1\1".ljust(16, b"\0")
        header += struct.pack("<HHI", 2, self.machine, 1)
        header += struct.pack("<IIIIH5H", *places, *counts)
        return header + segments + content + bytes(40) + b"".join(headers)
