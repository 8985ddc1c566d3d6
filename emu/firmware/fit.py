"""Whether an image fits a board: its memory refuses, its core only warns."""

from __future__ import annotations

from dataclasses import replace

from emu.board import Board, Region
from emu.errors import ImageError
from emu.firmware import build_attributes as arm
from emu.firmware.image import Image, Segment
from emu.units import format_bytes

# STM32 has its system memory here: the boot loader, one-time-programmable bytes and option bytes
# [RM0385 memory map]. Programmers write them from the same file; a program does not run from them.
_SYSTEM_MEMORY = range(0x1FF0_0000, 0x2000_0000)

# Where external memories appear: the default memory map of the FMC and of QUADSPI on both parts
# [RM0385 memory map, RM0433 memory map].
_EXTERNAL = (
    (range(0x6000_0000, 0x7000_0000), "the FMC's NOR and SRAM bank"),
    (range(0x8000_0000, 0x9000_0000), "the FMC's NAND bank"),
    (range(0x9000_0000, 0xA000_0000), "external QUADSPI flash"),
    (range(0xC000_0000, 0xE000_0000), "the FMC's SDRAM"),
)


def fit(image: Image, board: Board) -> Image:
    """The image as this board takes it: without option bytes, with notes on what may go wrong.

    Raises:
        ImageError: bytes load where the board has no memory.
    """
    left_out = [item for item in image.segments if _is_system_memory(item, board)]
    kept = [item for item in image.segments if not _is_system_memory(item, board)]
    for segment in kept:
        check_segment(segment, image, board)
    if not kept:
        raise ImageError(f"{image.path} holds only option bytes: there is no program in it.")
    notes = [
        f"{format_bytes(len(segment.data))} at {segment.address:#010x} were left out: option bytes "
        "and one-time-programmable memory are not modelled."
        for segment in left_out
    ]
    return replace(
        image,
        segments=tuple(kept),
        sections=tuple(
            section
            for section in image.sections
            if not any(part.address <= section.load_address < part.end for part in left_out)
        ),
        notes=(*image.notes, *notes, *_memory_notes(image, board), *_core_notes(image, board)),
    )


def check_segment(segment: Segment, image: Image, board: Board) -> None:
    """Refuse bytes outside the board's memory.

    Raises:
        ImageError: says which bytes, what is near, and what may be the reason.
    """
    at = segment.address
    while at < segment.end:
        region = _memory_at(at, board)
        if region is None:
            raise ImageError(_outside(segment, at, image, board))
        at = region.end


def _memory_at(address: int, board: Board) -> Region | None:
    region = board.chip.region_at(address)
    return region if region is not None and region.kind != "device" else None


def _is_system_memory(segment: Segment, board: Board) -> bool:
    return (
        segment.address in _SYSTEM_MEMORY
        and segment.end <= _SYSTEM_MEMORY.stop
        and _memory_at(segment.address, board) is None
    )


def _outside(segment: Segment, at: int, image: Image, board: Board) -> str:
    size = format_bytes(len(segment.data))
    named = segment.name or "a segment"
    if at > segment.address:
        last = _memory_at(at - 1, board)
        over = format_bytes(segment.end - at)
        into = f"region '{last.name}'" if last is not None else "memory"
        return (
            f"{image.path}: {named}, {size} at {segment.address:#010x}, is {over} larger than "
            f"{into} of board '{board.name}', which ends at {at:#010x}. Was it linked for another "
            "part?"
        )
    where = f"{image.path}: {named}, {size} at {at:#010x}, is in no memory of board '{board.name}'"
    for addresses, memory in _EXTERNAL:
        if at in addresses:
            return (
                f"{where}. That is {memory}: describe it as a region in a board file, --board FILE."
            )
    near = _nearest(at, board)
    if near is not None:
        where += f"; nearest is '{near.name}', {near.start:#010x} to {near.end - 1:#010x}"
    if image.format == "raw":
        return f"{where}. Give the address that it was linked for: --base ADDR."
    return f"{where}. Was it linked for another part?"


def _nearest(address: int, board: Board) -> Region | None:
    def distance(region: Region) -> int:
        return max(region.start - address, address - (region.end - 1), 0)

    memories = [region for region in board.chip.regions if region.kind != "device"]
    return min(memories, key=distance, default=None)


def _memory_notes(image: Image, board: Board) -> list[str]:
    """Sections that nothing loads, such as zeroed data, where the board has no memory."""
    return [
        f"Section {section.name}, {format_bytes(section.size_bytes)} at {section.address:#010x}, "
        f"is in no memory of board '{board.name}': touching it is a fault."
        for section in image.sections
        if section.kind == "bss" and board.chip.region_at(section.address) is None
    ]


def _core_notes(image: Image, board: Board) -> list[str]:
    """What the image was built for, where a Cortex-M7 or this chip differs from it."""
    built = image.attributes
    if built is None:
        return []
    notes = []
    name = f" ({built.cpu_name})" if built.cpu_name else ""
    if built.cpu_arch in (arm.V8_M_BASE, arm.V8_M_MAIN, arm.V8_1_M_MAIN):
        notes.append(
            f"Built for Armv8-M{name}: instructions that a Cortex-M7 lacks are undefined here and "
            "end in a UsageFault."
        )
    elif built.cpu_name.lower().startswith("cortex-") and built.cpu_name.lower() != board.chip.core:
        notes.append(f"Built for {built.cpu_name}: the cycles are those of a Cortex-M7 running it.")
    fpu = board.chip.fpu
    if (built.uses_fpu and fpu == "none") or (built.uses_double_registers and fpu == "single"):
        has = "no floating-point unit" if fpu == "none" else "a single-precision FPU"
        flag = "-mfloat-abi=soft" if fpu == "none" else "-mfpu=fpv5-sp-d16"
        kind = "" if fpu == "none" else "double-precision "
        notes.append(
            f"Built for {kind}floating-point hardware, but {board.chip.name} has {has}: the first "
            f"such instruction ends in a UsageFault. Compile with {flag}."
        )
    return notes
