"""The good programs that mutations begin from: built here, in every format."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

from emu.boardfile import load_board
from emu.firmware.build import BuildOptions, build
from emu.firmware.elf_image import load_elf
from emu.firmware.image import Image

HERE = Path(__file__).parent
PROGRAMS = ("kernel", "system")
BOARDS = ("f746", "h743")


@dataclass(frozen=True)
class Seed:
    """A program that runs, and where in its file the code is: `(offset, bytes)` a stretch."""

    name: str
    board: str
    suffix: str
    data: bytes
    code: tuple[tuple[int, int], ...]


def build_corpus() -> tuple[Seed, ...]:
    """Every program on every board, as ELF, ELF without sections, Intel HEX and raw image."""
    seeds = []
    for program in PROGRAMS:
        for name in BOARDS:
            built = build([HERE / f"{program}.c"], load_board(name), BuildOptions())
            image = load_elf(built.elf)
            data = built.elf.read_bytes()
            elf = Seed(f"{program}-{name}", name, ".elf", data, _code_in(data, image))
            raw, start = _flat(image)
            places = tuple(
                (section.load_address - start, section.size_bytes)
                for section in image.sections
                if section.kind == "code" and section.load_address >= start
            )
            seeds += [
                elf,
                replace(elf, name=f"{elf.name}-stripped", data=_without_sections(data)),
                Seed(f"{program}-{name}-hex", name, ".hex", _hex(image), ()),
                Seed(f"{program}-{name}-raw", name, ".bin", raw, places),
            ]
    return tuple(seeds)


def _code_in(elf: bytes, image: Image) -> tuple[tuple[int, int], ...]:
    found = []
    for section in image.sections:
        if section.kind != "code":
            continue
        for segment in image.segments:
            if segment.address <= section.load_address < segment.end:
                at = elf.find(segment.data) + section.load_address - segment.address
                found.append((at, section.size_bytes))
    return tuple(found)


def _without_sections(elf: bytes) -> bytes:
    """What the strictest stripping leaves: segments alone."""
    stripped = bytearray(elf)
    struct.pack_into("<I", stripped, 32, 0)
    struct.pack_into("<HHH", stripped, 46, 40, 0, 0)
    return bytes(stripped)


def _flat(image: Image) -> tuple[bytes, int]:
    start = min(segment.address for segment in image.segments)
    end = max(segment.end for segment in image.segments)
    flat = bytearray(b"\xff" * (end - start))
    for segment in image.segments:
        flat[segment.address - start : segment.end - start] = segment.data
    return bytes(flat), start


def _hex(image: Image) -> bytes:
    lines = []
    for segment in image.segments:
        for at in range(0, len(segment.data), 16):
            address = segment.address + at
            lines.append(hex_record(4, 0, (address >> 16).to_bytes(2, "big")))
            lines.append(hex_record(0, address & 0xFFFF, segment.data[at : at + 16]))
    lines.append(hex_record(5, 0, image.entry.to_bytes(4, "big")))
    return b"".join([*lines, hex_record(1, 0, b"")])


def hex_record(kind: int, address: int, data: bytes) -> bytes:
    """One line of Intel HEX with its checksum."""
    body = bytes([len(data) & 255, address >> 8 & 255, address & 255, kind]) + data
    return b":" + (body + bytes([-sum(body) & 255])).hex().upper().encode() + b"\n"
