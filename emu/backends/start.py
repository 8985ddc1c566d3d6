"""Where a run begins: at reset through the vector table, or at a function."""

from __future__ import annotations

from dataclasses import dataclass

from emu.backends.guest_memory import GuestMemory
from emu.board import Board
from emu.errors import ImageError, UsageError
from emu.firmware.image import Image
from emu.firmware.vector_table import find_vector_table

RETURN_ADDRESS = 0xEFFFFFFE  # nothing is mapped there: a function that returns here is done


@dataclass(frozen=True)
class Start:
    """The first instruction and the registers that matter to it.

    `stack_limit` is the lowest address the stack may reach, None where nothing tells.
    `vector_table` is what VTOR holds, None where a function was entered and there is none.
    """

    pc: int
    link: int
    stack_top: int
    stack_limit: int | None
    vector_table: int | None = None


def find_start(image: Image, board: Board, memory: GuestMemory, entry: str | None) -> Start:
    """Read the vector table, or look `entry` up.

    Raises:
        UsageError: there is no function `entry`.
        ImageError: there is no vector table that points into the board's memory.
    """
    if entry is not None:
        symbol = image.symbol(entry)
        if symbol is None or symbol.kind != "function":
            raise UsageError(f"--entry {entry}: the firmware has no function of that name.")
        known = image.symbol("__stack_top")
        top = known.address if known else board.chip.region(board.placement.stack[-1]).end
        limit = _stack_limit(image, memory, top)
        table = _table_if_any(image, board, memory)
        return Start(symbol.address, RETURN_ADDRESS | 1, top, limit, table)
    found = find_vector_table(image, board, memory.read)
    # The core keeps no low bits of SP [ARMv7-M B1.4]; some vendors' tables end in ...FFFF.
    top = found.stack_top & ~3
    limit = _stack_limit(image, memory, top)
    return Start(found.reset, 0xFFFFFFFF, top, limit, found.address)


def _table_if_any(image: Image, board: Board, memory: GuestMemory) -> int | None:
    """For the interrupts of a function that is entered directly."""
    try:
        return find_vector_table(image, board, memory.read).address
    except ImageError:
        return None


def _stack_limit(image: Image, memory: GuestMemory, top: int) -> int | None:
    """`__stack_limit`, else where static data ends below the stack."""
    named = image.symbol("__stack_limit")
    if named is not None:
        return named.address
    stretch = memory.at(top - 1)
    if stretch is None:
        return None
    start = stretch.region.start
    # SRAM1 and SRAM2 of F746 are one run of memory to a program that was linked elsewhere.
    while (below := memory.at(start - 1)) is not None and below.region.kind == "ram":
        start = below.region.start
    # Armlink keeps the stack in the last zeroed section, as an object that ends at its top.
    own = [item.address for item in image.symbols if item.end == top and item.size_bytes]
    ends = [
        section.address + section.size_bytes
        for section in image.sections
        if start <= section.address < top
    ]
    return max([start, *own, *[end for end in ends if end < top]])
