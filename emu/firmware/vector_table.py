"""Where a program's vector table is, and whether the core can start from it.

table + 0    initial stack pointer: in RAM, or one past its end
table + 4    reset handler: odd (Thumb), in memory
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emu.board import Board
from emu.errors import ImageError
from emu.firmware.image import Image

Read = Callable[[int, int], bytes]

# What start-up files call it: ST (g_pfnVectors), CMSIS (__Vectors, __VECTOR_TABLE, __isr_vector),
# this project (__vectors), IAR (__vector_table), Zephyr, libopencm3, ChibiOS, NuttX, Rust.
_SYMBOLS = (
    *("g_pfnVectors", "__Vectors", "__VECTOR_TABLE", "__isr_vector", "__vectors", "_vectors"),
    *("__vector_table", "_vector_table", "vector_table", "vectors", "__RESET_VECTOR"),
)
_SECTIONS = (
    *(".isr_vector", ".vectors", ".vector_table", ".intvec", "RESET", ".emu_vectors", "rom_start"),
    *(".isr_vector_text", ".interrupts", "vectors"),
)
_TABLE_ALIGNMENT_BYTES = 128  # the least that VTOR can hold [ARMv7-M B3.2.5]
_ERASED, _EMPTY = 0xFFFF_FFFF, 0


@dataclass(frozen=True)
class VectorTable:
    """Its first two words; the Thumb bit is cleared in `reset`."""

    address: int
    stack_top: int
    reset: int


def find_vector_table(image: Image, board: Board, read: Read) -> VectorTable:
    """Choose the table that the core starts from. `read(address, size)` reads loaded memory.

    A table that was named (`Image.vector_table`) is taken or refused. Otherwise, in this order: a
    symbol or section by its usual name, the start of flash, the start of anything that was loaded,
    any place whose reset handler is the file's entry. Among equals the one that agrees with the
    file's entry comes first.

    Raises:
        ImageError: there is none, or what is there points nowhere.
    """
    if image.vector_table is not None:
        found = _table(image.vector_table, board, read)
        if isinstance(found, VectorTable):
            return found
        raise ImageError(_refusal(image, board, image.vector_table, found))
    first: tuple[int, str] | None = None
    for candidates in (_named(image), _starts(image, board), _matching_entry(image)):
        plausible = []
        for address in candidates:
            found = _table(address, board, read)
            if isinstance(found, VectorTable):
                plausible.append(found)
            elif first is None:
                first = address, found
        if plausible:
            agreeing = [table for table in plausible if table.reset == image.entry & ~1]
            return (agreeing or plausible)[0]
    address, problem = first or (0, "is not there")
    raise ImageError(_refusal(image, board, address, problem))


def _named(image: Image) -> Iterator[int]:
    loads = {section.name: section for section in image.sections if section.kind != "bss"}
    for name in _SYMBOLS:
        symbol = image.symbol(name)
        if symbol is None:
            continue
        # A table that start-up code copies to RAM is read from where it was loaded.
        section = loads.get(symbol.section)
        if section is None:
            continue
        yield symbol.address - section.address + section.load_address
    for name in _SECTIONS:
        if name in loads:
            yield loads[name].load_address


def _starts(image: Image, board: Board) -> Iterator[int]:
    regions = board.chip.regions
    loaded = sorted(segment.address for segment in image.segments)
    flash = [region for region in regions if region.kind == "flash"]
    for region in sorted(flash, key=lambda item: item.alias_of is not None):
        if region.start in loaded:
            yield region.start
    yield from (at for at in loaded if any(r.start <= at < r.end for r in flash))
    yield from (at for at in loaded if not any(r.start <= at < r.end for r in flash))


def _matching_entry(image: Image) -> Iterator[int]:
    """Aligned places inside what was loaded that hold the file's entry as their reset handler."""
    if not image.entry & 1:
        return
    wanted = image.entry.to_bytes(4, "little")
    for segment in image.segments:
        at = segment.data.find(wanted)
        while at >= 0:
            if at >= 4 and (segment.address + at - 4) % _TABLE_ALIGNMENT_BYTES == 0:
                yield segment.address + at - 4
            at = segment.data.find(wanted, at + 1)


def _table(address: int, board: Board, read: Read) -> VectorTable | str:
    """The table at an address, or what is wrong with it."""
    words = read(address, 8)
    if len(words) < 8:
        return "lies outside the board's memory"
    top, reset = int.from_bytes(words[:4], "little"), int.from_bytes(words[4:], "little")
    if top == reset in (_ERASED, _EMPTY):
        return f"is empty ({top:#010x}): nothing is programmed there"
    regions = [region for region in board.chip.regions if region.kind != "device"]
    if not any(r.kind == "ram" and r.start <= top <= r.end for r in regions):
        return f"has the initial stack pointer {top:#010x}, which is not in RAM"
    if not any(region.start <= reset < region.end for region in regions):
        return f"has the reset handler {reset:#010x}, where the board has no memory"
    if not reset & 1:
        return (
            f"has the reset handler {reset:#010x}, which is even: Arm code, where a Cortex-M runs "
            "Thumb code only (assembly handlers need .thumb_func)"
        )
    if read(reset & ~1, 2) == b"\xff\xff":
        return f"has the reset handler {reset:#010x}, where nothing is programmed"
    return VectorTable(address, top & ~3, reset & ~1)  # the core clears the low bits of SP


def _refusal(image: Image, board: Board, address: int, problem: str) -> str:
    where = f"{image.path}: on board '{board.name}' the vector table at {address:#010x} {problem}."
    hint = "Was it linked for another part, or does the table lie elsewhere (--base ADDR)?"
    if (base := _likely_base(image)) is not None and board.chip.region_at(base) is not None:
        hint = f"It looks linked for another address: --base {base:#010x}?"
    entry = " Or start at a function: --entry SYMBOL." if image.symbols else ""
    return f"{where} {hint}{entry}"


def _likely_base(image: Image) -> int | None:
    """Where a raw image would have to lie to hold its own reset handler: the roundest address."""
    (*_, segment) = image.segments
    reset = int.from_bytes(segment.data[4:8], "little")
    if image.format != "raw" or segment.address <= reset < segment.end or not reset & 1:
        return None
    if reset in (_ERASED, _EMPTY) or reset < len(segment.data):
        return None
    lowest = reset - len(segment.data) + 1
    # Clearing low bits for as long as the result is not below `lowest` leaves the roundest one.
    base = reset
    while base & (base - 1) >= lowest:
        base &= base - 1
    return base
