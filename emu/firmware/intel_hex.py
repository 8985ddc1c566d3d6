"""Intel HEX: lines of records to stretches of bytes, with the line of whatever is wrong.

    :LLAAAATT DD..DD CC    length, address, type, data, checksum (all bytes add up to 0 mod 256)

Types: 00 data, 01 end of file, 02 and 04 the upper part of later addresses, 03 and 05 where the
program starts [INTEL-HEX].

Written here instead of taken from a library: errors must name their line, a file that ends early
or goes on behind its end must not pass, and a hostile one must not take a hundred bytes of memory
for each of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from emu.errors import ImageError

_DATA, _END, _UPPER_SEGMENT, _START_SEGMENT, _UPPER_LINEAR, _START_LINEAR = range(6)
_FIXED_BYTES = {_END: 0, _UPPER_SEGMENT: 2, _START_SEGMENT: 4, _UPPER_LINEAR: 2, _START_LINEAR: 4}
_SHORTEST_BYTES = 5  # length, two of address, type, checksum
_MAX_BLOCKS_COUNT = 10_000
_ADDRESS_SPACE_BYTES = 1 << 32
_BLANK = b" \t\r\n\x1a"  # 0x1a ends text files of old DOS tools


@dataclass(frozen=True)
class HexBlock:
    """Adjacent bytes. `line` is the first that wrote any of them, counted from 1."""

    address: int
    data: bytes
    line: int


@dataclass(frozen=True)
class HexContents:
    """What a file loads, by address, and its start address (record 05) if it has one."""

    blocks: tuple[HexBlock, ...]
    start_address: int | None


@dataclass(frozen=True)
class _Record:
    line: int
    kind: int
    address: int
    data: bytes


def parse_intel_hex(text: bytes, path: Path) -> HexContents:
    """Read a whole file; `path` is its name in refusals.

    Raises:
        ImageError: a line is no record, a checksum is wrong, data overlap, or the end is missing.
    """
    upper = 0
    start_address: int | None = None
    end_line: int | None = None
    written: list[_Record] = []
    for line, raw in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        stripped = raw.strip(_BLANK)
        if not stripped:
            continue
        if end_line is not None:
            _refuse(
                path,
                line,
                f"goes on behind the end-of-file record of line {end_line}. Were two files put "
                "together? Merge them with a tool for HEX files, such as srec_cat or hexmerge.py.",
            )
        record = _record(stripped, line, path)
        if record.kind == _DATA:
            address = upper + record.address
            if address + len(record.data) > _ADDRESS_SPACE_BYTES:
                _refuse(path, line, "writes beyond the 4 GiB address space.")
            if record.data:
                written.append(_Record(line, _DATA, address, record.data))
        elif record.kind == _END:
            end_line = line
        elif record.kind == _UPPER_SEGMENT:
            upper = int.from_bytes(record.data) << 4
        elif record.kind == _UPPER_LINEAR:
            upper = int.from_bytes(record.data) << 16
        elif record.kind == _START_LINEAR:
            start_address = int.from_bytes(record.data)
    if end_line is None:
        raise ImageError(
            f"{path} is cut short: it has no end-of-file record (:00000001FF). Copy it again."
        )
    if not written:
        raise ImageError(f"{path} holds no data. Write it again from the ELF.")
    return HexContents(_joined(written, path), start_address)


def _record(text: bytes, line: int, path: Path) -> _Record:
    if not text.startswith(b":"):
        shown = text[:20].decode("ascii", "replace")
        _refuse(path, line, f"is no Intel HEX record: it begins with {shown!r}, wanted ':'.")
    try:
        # fromhex passes over spaces, which no record has.
        data = bytes.fromhex(text[1:].decode("ascii")) if not text[1:].count(b" ") else None
    except ValueError:
        data = None
    if data is None:
        odd = len(text) % 2 == 0 and text[1:].isalnum()
        _refuse(
            path,
            line,
            "has an odd number of hexadecimal digits. Was it cut?"
            if odd
            else "has characters that are no hexadecimal digits.",
        )
    if len(data) < _SHORTEST_BYTES:
        _refuse(path, line, "is too short for an Intel HEX record. Was the file cut?")
    if len(data) != _SHORTEST_BYTES + data[0]:
        _refuse(
            path,
            line,
            f"says that it has {data[0]} bytes of data but has {len(data) - _SHORTEST_BYTES}.",
        )
    if sum(data) & 0xFF:
        right = -sum(data[:-1]) & 0xFF
        _refuse(
            path,
            line,
            f"has checksum {data[-1]:02X}, wanted {right:02X}: the file was damaged or edited. "
            "Copy it again, or write it again from the ELF.",
        )
    kind = data[3]
    if kind > _START_LINEAR:
        _refuse(path, line, f"has record type {kind:02X}, which Intel HEX does not have.")
    if kind in _FIXED_BYTES and data[0] != _FIXED_BYTES[kind]:
        _refuse(
            path,
            line,
            f"is a record of type {kind:02X} with {data[0]} bytes of data, wanted "
            f"{_FIXED_BYTES[kind]}.",
        )
    return _Record(line, kind, int.from_bytes(data[1:3]), data[4:-1])


def _joined(written: list[_Record], path: Path) -> tuple[HexBlock, ...]:
    """Records as the blocks that they make up, in the order of addresses."""
    blocks: list[HexBlock] = []
    pieces: list[_Record] = []

    def close() -> None:
        if pieces:
            data = b"".join(piece.data for piece in pieces)
            first = min(piece.line for piece in pieces)
            blocks.append(HexBlock(pieces[0].address, data, first))
            pieces.clear()
        if len(blocks) > _MAX_BLOCKS_COUNT:
            raise ImageError(
                f"{path} is scattered over more than {_MAX_BLOCKS_COUNT:,} places: no program is."
            )

    end = -1
    for record in sorted(written, key=lambda item: (item.address, item.line)):
        if record.address < end:
            earlier, later = sorted((pieces[-1].line, record.line))
            _refuse(
                path,
                later,
                f"writes address {record.address:#010x} a second time, after line {earlier}. "
                "Were two programs merged that share flash?",
            )
        if record.address != end:
            close()
        pieces.append(record)
        end = record.address + len(record.data)
    close()
    return tuple(blocks)


def _refuse(path: Path, line: int, what: str) -> NoReturn:
    raise ImageError(f"{path}:{line}: this line {what}")
