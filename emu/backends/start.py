"""Where a run begins: at reset through the vector table, or at a function."""

from __future__ import annotations

from dataclasses import dataclass

from emu.backends.guest_memory import GuestMemory
from emu.board import Board
from emu.errors import ImageError, UsageError
from emu.firmware.image import Image

RETURN_ADDRESS = 0xEFFFFFFE  # nothing is mapped there: a function that returns here is done


@dataclass(frozen=True)
class Start:
    """The first instruction and the registers that matter to it.

    `stack_limit` is the lowest address the stack may reach, None where nothing tells.
    """

    pc: int
    link: int
    stack_top: int
    stack_limit: int | None


def find_start(image: Image, board: Board, memory: GuestMemory, entry: str | None) -> Start:
    """Read the vector table, or look `entry` up.

    Raises:
        UsageError: there is no function `entry`.
        ImageError: the vector table does not point into the board's memory.
    """
    if entry is not None:
        symbol = image.symbol(entry)
        if symbol is None or symbol.kind != "function":
            raise UsageError(f"--entry {entry}: the firmware has no function of that name.")
        known = image.symbol("__stack_top")
        top = known.address if known else board.chip.region(board.placement.stack[-1]).end
        return Start(symbol.address, RETURN_ADDRESS | 1, top, _stack_limit(image, memory, top))
    vectors = _vector_table(image, board)
    words = memory.read(vectors, 8).ljust(8, b"\0")
    top, pc = int.from_bytes(words[:4], "little"), int.from_bytes(words[4:], "little")
    stack, code = memory.at(top - 1), memory.at(pc & ~1)
    if stack is None or stack.region.kind != "ram" or code is None or not pc & 1:
        raise ImageError(
            f"{image.path.name}: the vector table at {vectors:#010x} holds stack {top:#010x} and "
            f"reset {pc:#010x}, which point nowhere on board '{board.name}'. Was it linked for "
            "another part? Or start at a function: --entry SYMBOL."
        )
    return Start(pc & ~1, 0xFFFFFFFF, top, _stack_limit(image, memory, top))


def _vector_table(image: Image, board: Board) -> int:
    symbol = image.symbol("__vectors")
    if symbol is not None:
        return symbol.address
    starts = [segment.address for segment in image.segments if segment.data]
    flash = [r.start for r in board.chip.regions if r.kind == "flash" and not r.alias_of]
    for start in flash:
        if start in starts:
            return start
    return min(starts, default=flash[0] if flash else 0)


def _stack_limit(image: Image, memory: GuestMemory, top: int) -> int | None:
    """`__stack_limit`, else where static data ends below the stack."""
    named = image.symbol("__stack_limit")
    if named is not None:
        return named.address
    stretch = memory.at(top - 1)
    if stretch is None:
        return None
    region = stretch.region
    ends = [
        section.address + section.size_bytes
        for section in image.sections
        if region.start <= section.address < top
    ]
    return max([region.start, *[end for end in ends if end <= top]])
