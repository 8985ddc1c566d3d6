"""Turns of a loop: the machine at one block, again and again.

When all that decides what comes next is the same at two arrivals at a block, the turn between them
repeats for ever, but for events and for registers that change by themselves. Then it can be counted
without being run: every sum that it added to grows by the same again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emu.backends.address_values import evaluate_nodes
from emu.backends.layout import Block, BlockFlag, Cold, Tra, Word
from emu.core.addresses import Op

if TYPE_CHECKING:
    from emu.backends.code_store import StoredBlock
    from emu.backends.unicorn_machine import Run

# What decides how the next turn goes, beside the core and memory: where it came from, the pipeline,
# the call stack; and that no cache was filled, which leaves all of them as they were.
_STATE = np.array([
    Word.PREVIOUS, Word.FALLTHROUGH, Word.STATE, Word.SHADOW_DEPTH, Word.FRAME_DEPTH,
    Word.STACK_LOWEST, Word.STACK_FRAME_LOWEST, Word.CALLS_LOST, Word.TRANSITION_COUNT,
    Word.DCACHE_MISSES, Word.DCACHE_EVICTIONS, Word.ICACHE_MISSES, Word.RANDOM, Word.FLASH_LAST,
])  # fmt: skip
_SUMS = np.array([Word.CYCLES, Word.INSTRUCTIONS, Word.DCACHE_ACCESSES, Word.HOOKED_COUNT])
_COSTS = slice(Cold.BRANCH_TICKS, Cold.BUS_TICKS + 1)
FIRST_RESULT = 16  # of an address program's values: those below are registers
_U32 = 0xFFFFFFFF


@dataclass(frozen=True)
class Turn:
    """What a turn runs, by the tables that count it.

    Attributes:
        counted: transitions, or blocks without timing.
        lengths: instructions of each of those.
        blocks: all that run, `rows` their instructions in the tables.
        storing: addresses of those blocks that store.
        generation: of the transitions' numbers.
    """

    counted: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    storing: tuple[int, ...]
    generation: int


@dataclass
class Lap:
    """The machine at one arrival.

    Attributes:
        calm: counts of what may not happen within a turn.
        counts: executions of what the turn runs; of everything while it is not known.
        stored: bytes that the turn begun here has stored over, as they were, by address.
    """

    core: tuple[int, ...]
    state: bytes
    calm: tuple[int, ...]
    sums: npt.NDArray[np.int64]
    turn: Turn | None
    counts: npt.NDArray[np.int64]
    costs: npt.NDArray[np.int64]
    stalls: npt.NDArray[np.int64]
    stored: dict[int, bytes] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        return int(self.sums[0])

    @property
    def instructions(self) -> int:
        return int(self.sums[1])


class LoopTurns:
    """Compares and counts turns of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._timed = bool(run.machine[Word.MODE])

    def _counts(self) -> npt.NDArray[np.int64]:
        """Executions by transition, or by block without timing."""
        store, machine = self._run.store, self._run.machine
        if self._timed:
            return store.transitions.data[: int(machine[Word.TRANSITION_COUNT]), Tra.COUNT]
        return store.blocks.data[: store.blocks.count, Block.EXECUTIONS]

    def arrive(self, turn: Turn | None, *calm: int) -> Lap:
        """The machine now. Of a turn that is known, only what that one counts is kept."""
        run, store = self._run, self._run.store
        special = run.core.special()
        core = (
            *run.core.registers()[:15],
            special.xpsr, special.control, special.primask, special.basepri, special.faultmask,
            *run.core.all_floats(), int(run.sleeping.event_register),
        )  # fmt: skip
        arrays = run.arrays
        if turn is not None and turn.generation != store.generation:
            turn = None
        return Lap(
            core=core,
            state=run.machine[_STATE].tobytes() + arrays.btac.tobytes() + arrays.measured.tobytes(),
            calm=(*calm, run.space.schedule.ran_count, store.generation),
            sums=run.machine[_SUMS],
            turn=turn,
            counts=self._counts()[turn.counted] if turn else self._counts().copy(),
            costs=store.cold.data[turn.blocks, _COSTS] if turn else _NONE,
            stalls=store.row_stalls.data[turn.rows] if turn else _NONE,
        )

    # Comparisons

    def comes_back(self, before: Lap, now: Lap) -> bool:
        """Whether the core is as it was, and nobody but the loop has done anything."""
        return now.core == before.core and now.calm == before.calm and now.ticks > before.ticks

    def is_whole(self, before: Lap, now: Lap) -> bool:
        """Whether all that ran between two arrivals is of the turn that both know."""
        if now.turn is None or now.turn is not before.turn:
            return False
        ran = int((now.counts - before.counts) @ now.turn.lengths)
        return ran == now.instructions - before.instructions

    def repeats(self, before: Lap, now: Lap) -> bool:
        """Whether the rest of the machine is as it was, too."""
        read = self._run.memory.read
        return now.state == before.state and all(
            read(address, len(data)) == data for address, data in before.stored.items()
        )

    # What a turn is

    def between(self, before: Lap, now: Lap) -> Turn | None:
        """What ran between two arrivals; None when it cannot be told, or counted."""
        if before.turn is not None or now.turn is not None:
            return None
        store = self._run.store
        added = now.counts.copy()
        added[: len(before.counts)] -= before.counts
        counted = np.flatnonzero(added)
        numbers = store.transitions.data[counted, Tra.KEY] >> 24 if self._timed else counted
        lengths = store.blocks.data[numbers, Block.SHAPE] & 0xFFFF
        if int(added[counted] @ lengths) != now.instructions - before.instructions:
            return None
        blocks = np.unique(numbers)
        found = [store.stored[number] for number in blocks.tolist()]
        rows = [np.arange(b.first_row, b.first_row + len(b.instructions)) for b in found]
        storing = [block for block in found if _stores(block)]
        if not all(_is_resolved(block) for block in storing):
            return None
        return Turn(
            counted=counted,
            lengths=lengths,
            blocks=blocks,
            rows=np.concatenate(rows),
            storing=tuple(block.address for block in storing),
            generation=store.generation,
        )

    def is_watched(self, turn: Turn, address: int) -> bool:
        """Whether Python looks at another of the turn's blocks than the one at `address`."""
        store = self._run.store
        flags = store.blocks.data[turn.blocks, Block.FLAGS] & BlockFlag.EVENT
        return bool(flags[turn.blocks != store.number_at(address)].any())

    def keep_stored(self, lap: Lap, address: int) -> None:
        """The block at an address is about to run: keep what it will store over."""
        run, machine = self._run, self._run.machine
        number = run.store.number_at(address)
        nodes = int(run.store.blocks.data[number, Block.NODES])
        count = nodes >> 32 & 0xFFFF
        if count:
            evaluate_nodes(int(machine.ctypes.data), int(machine[Word.VALUES]), nodes & _U32, count)
        registers, values = run.core.registers(), run.arrays.values
        for group in run.store.stored[number].addresses.groups:
            base = sum(
                factor * (registers[term] if term < FIRST_RESULT else int(values[term]))
                for term, factor in group.terms
            )
            for access in group.accesses:
                if access.is_store:
                    at = (base + access.offset) & _U32
                    if len(lap.stored.get(at, b"")) < access.size_bytes:
                        lap.stored[at] = self._as_begun(lap, at, access.size_bytes)

    def _as_begun(self, lap: Lap, at: int, size_bytes: int) -> bytes:
        """Memory as it was at the arrival, where the turn may have stored already."""
        data = bytearray(self._run.memory.read(at, size_bytes))
        for address, old in lap.stored.items():
            for place, byte in enumerate(old, address - at):
                if 0 <= place < len(data):
                    data[place] = byte
        return bytes(data)

    # Counting

    def add(self, before: Lap, now: Lap, times: int) -> None:
        """Count the turn between two arrivals that many times more."""
        store, turn = self._run.store, now.turn
        assert turn is not None, "the turn is known"
        self._run.machine[_SUMS] += times * (now.sums - before.sums)
        self._counts()[turn.counted] += times * (now.counts - before.counts)
        store.cold.data[turn.blocks, _COSTS] += times * (now.costs - before.costs)
        store.row_stalls.data[turn.rows] += times * (now.stalls - before.stalls)


_NONE = np.zeros(0, np.int64)


def _stores(block: StoredBlock) -> bool:
    return any(item.memory is not None and item.memory.is_store for item in block.instructions)


def _is_resolved(block: StoredBlock) -> bool:
    """Whether the addresses of all its stores follow from the registers at its entry.

    Those that are loaded in the block do not: a store before it may have changed them.
    """
    program = block.addresses
    loaded: set[int] = set()
    for number, node in enumerate(program.nodes, FIRST_RESULT):
        operands = (node.a, node.b, node.imm if node.op is Op.SELECT else -1)
        if node.op is Op.LOAD or loaded.intersection(operands):
            loaded.add(number)
    for item, (group, _) in zip(block.instructions, program.placed, strict=True):
        if item.memory is not None and item.memory.is_store:
            if group < 0 or any(term in loaded for term, _ in program.groups[group].terms):
                return False
    return True
