"""Where functions begin in a program without symbols: told by what ran.

Certain: where executed `bl` lead. Likely: code that is reached in no way that stays within a
function (fall-through, branch, return, switch) and does not resume inside of other code. Those are
reset, handlers, and functions that are called through pointers.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from emu.backends.code_store import StoredBlock
from emu.core.instruction import End

_GOES_ON = (End.FALL, End.CONDITIONAL, End.CALL, End.CALL_INDIRECT)


def entered_functions(
    stored: Sequence[StoredBlock], executions: Sequence[int] | None = None
) -> tuple[int, ...]:
    """First instructions of functions, sorted. `executions` counts runs of each block, if known."""
    ran = [block for number, block in enumerate(stored) if executions is None or executions[number]]
    starts = sorted({block.address for block in ran})
    called: set[int] = set()
    explained: set[int] = set()
    switches: list[int] = []
    jumps: list[tuple[int, int]] = []
    for block in ran:
        last = block.instructions[-1]
        if last.end in _GOES_ON:
            explained.add(block.address + block.size_bytes)
        if last.target is not None:
            (called if last.end is End.CALL else explained).add(last.target & ~1)
        if last.end is End.JUMP_INDIRECT:
            switches.append(last.address)
        if last.end is End.JUMP and last.target is not None:
            jumps.append((last.address, last.target & ~1))
    called |= {block.address for block in ran[:1]}  # where the run began
    entries = sorted(called.intersection(starts))
    inside = _inside(ran)
    switches.sort()
    for address in starts:
        if address in explained or address in inside or address in called:
            continue
        if not _any_between(switches, _owner(entries, address), address):
            insort(entries, address)
    # A jump into another function is a call in the place of a return.
    tails = {to for at, to in jumps if _owner(entries, at) != _owner(entries, to)}
    return tuple(sorted(tails.union(entries).intersection(starts)))


def _owner(entries: Sequence[int], address: int) -> int:
    """The last entry at or before an address."""
    at = bisect_right(entries, address)
    return entries[at - 1] if at else 0


def _inside(ran: Sequence[StoredBlock]) -> set[int]:
    """Addresses of instructions that some block runs through, its first one apart."""
    return {instruction.address for block in ran for instruction in block.instructions[1:]}


def _any_between(places: list[int], start: int, end: int) -> bool:
    at = bisect_right(places, start)
    return at < len(places) and places[at] < end
