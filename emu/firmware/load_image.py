"""A linked program in any format that is read, and where it goes on a board."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from emu.board import Board
from emu.errors import ImageError
from emu.firmware.elf_image import parse_elf
from emu.firmware.fit import fit
from emu.firmware.image import Image, ImageFormat, Section, Segment
from emu.firmware.intel_hex import parse_intel_hex
from emu.units import format_bytes

# Beyond these nothing is a program for a microcontroller; an ELF may carry much debug information,
# a HEX file takes three bytes for one.
_MAX_FILE_BYTES = {"elf": 256 * 1024**2, "hex": 64 * 1024**2, "raw": 64 * 1024**2}
_ERASED = b"\xff"
_UNTOLD = "does not tell code from data, so all of it counts as code"


def load_image(path: Path, format_: ImageFormat, board: Board, base: int | None = None) -> Image:
    """Read a program that was linked elsewhere.

    Args:
        format_: as `recognise` found it.
        base: where a raw image lies (None: at the start of the main flash); of the others, where
            their vector table is (None: it is looked for).

    Raises:
        ImageError: the file cannot be read, is broken, is for another core, or does not fit.
    """
    data = _read(path, _MAX_FILE_BYTES[format_])
    if format_ == "elf":
        image = replace(_elf_image(data, path, board), vector_table=base)
    elif format_ == "hex":
        image = replace(_hex_image(data, path, board), vector_table=base)
    else:
        image = _raw_image(data, path, _flash_start(board) if base is None else base, board)
    return fit(image, board)


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as problem:
        raise ImageError(f"Cannot read {path}: {problem.strerror or problem}.") from problem
    if not data:
        raise ImageError(f"{path} is empty.")
    if len(data) > most_bytes:
        raise ImageError(f"{path} is larger than {format_bytes(most_bytes)}: no such program fits.")
    return data


def _elf_image(data: bytes, path: Path, board: Board) -> Image:
    image = parse_elf(data, path)
    if image.sections:
        return image
    note = f"An ELF without section headers {_UNTOLD}."
    return replace(image, sections=_sections(image.segments, board), notes=(note,))


def _hex_image(data: bytes, path: Path, board: Board) -> Image:
    contents = parse_intel_hex(data, path)
    segments = tuple(
        Segment(block.address, block.data, f"the block from line {block.line} on")
        for block in contents.blocks
    )
    return Image(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        entry=contents.start_address or 0,
        segments=segments,
        sections=_sections(segments, board),
        symbols=(),
        format="hex",
        notes=(f"An Intel HEX file {_UNTOLD}.",),
    )


def _raw_image(data: bytes, path: Path, base: int, board: Board) -> Image:
    segments = (Segment(base, data, "the image"),)
    return Image(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        entry=0,
        segments=segments,
        sections=_sections(segments, board),
        symbols=(),
        format="raw",
        vector_table=base,
        notes=(f"A raw image {_UNTOLD}.",),
    )


def _sections(segments: tuple[Segment, ...], board: Board) -> tuple[Section, ...]:
    """One for each stretch of memory that is taken; erased flash at an end is not."""
    found = []
    for segment in segments:
        region = board.chip.region_at(segment.address)
        used = segment.data
        if region is not None and region.kind == "flash":
            used = used.rstrip(_ERASED)
        if used:
            found.append(Section("", segment.address, len(used), "code", segment.address))
    return tuple(found)


def _flash_start(board: Board) -> int:
    for region in board.chip.regions:
        if region.kind == "flash" and region.alias_of is None:
            return region.start
    raise ImageError(f"Board '{board.name}' has no flash: say where the image lies, --base ADDR.")
