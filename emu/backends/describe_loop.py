"""A waiting loop in words: where it is and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.backends.loop_turns import FIRST_RESULT, Turn
from emu.backends.protocol import BusyLoop
from emu.core.addresses import Group, Op
from emu.core.instruction import SP

if TYPE_CHECKING:
    from emu.backends.code_store import StoredBlock
    from emu.backends.unicorn_machine import Run


def describe_loop(
    run: Run, pc: int, registers: Sequence[tuple[int, int]], turn: Turn | None
) -> BusyLoop:
    """What a loop at `pc` waits for: registers (address and value), else a variable it reads."""
    symbol = run.image.function_at(pc)
    where = f"in {symbol.name}" if symbol is not None else f"at {pc:#010x}"
    if registers:
        address, value = registers[0]
        name = run.buses.register_name(address)
        sentence = (
            f"The code {where} polls {name} ({address:#010x}), which reads {value:#x} every time."
        )
        return BusyLoop(pc, address, name, value, sentence)
    variable = _variable(run, turn) if turn is not None else None
    if variable is None:
        sentence = f"The code {where} turns in a loop that changes nothing and reads no register."
        return BusyLoop(pc, pc, "no register", 0, sentence)
    address, size_bytes = variable
    value = int.from_bytes(run.memory.read(address, size_bytes), "little")
    data = run.image.object_at(address)
    name = data.name if data is not None else f"{address:#010x}"
    sentence = f"The code {where} waits for {name} ({address:#010x}) to change from {value:#x}."
    return BusyLoop(pc, address, name, value, sentence)


def _variable(run: Run, turn: Turn) -> tuple[int, int] | None:
    """Address and size of what a turn loads from RAM outside of the stack, where that is plain.

    Plain are addresses that the code spells out, and registers that the turn leaves alone.
    """
    blocks = [run.store.stored[number] for number in turn.blocks.tolist()]
    changed = {
        number for block in blocks for item in block.instructions for number, *_ in item.defs
    }
    kept = {number: run.core.get(number) for number in range(SP) if number not in changed}
    for block in blocks:
        for group in block.addresses.groups:
            base = _base(run, block, group, kept)
            for access in group.accesses:
                if base is None or access.is_store:
                    continue
                address = base + access.offset & 0xFFFFFFFF
                stretch = run.memory.at(address)
                if stretch is not None and stretch.region.kind == "ram":
                    return address, access.size_bytes
    return None


def _base(run: Run, block: StoredBlock, group: Group, kept: dict[int, int]) -> int | None:
    if not group.terms:
        return 0
    (term, factor), *more = group.terms
    if more or factor != 1:
        return None
    if term < FIRST_RESULT:
        return kept.get(term)
    node = block.addresses.nodes[term - FIRST_RESULT]
    if node.op is not Op.LOAD or node.a >= 0:
        return None
    return int.from_bytes(run.memory.read(node.const & 0xFFFFFFFF, 4), "little")  # a literal
