"""Blocks that the machine has met, in the arrays that the hooks read.

A block is decoded, packed for the scoreboard and given its address program once. Arrays grow by
doubling; after a growth their new addresses go back into the hook's words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from capstone import arm

from emu.backends.constants import (
    W_STATE_CAPACITY,
    W_STATE_COUNT,
    W_TRANSITION_CAPACITY,
    W_TRANSITION_COUNT,
)
from emu.backends.intrinsics import get8
from emu.backends.layout import (
    GROUP_ABSOLUTE,
    GROUP_NARROW,
    GROUP_NONE,
    GROUP_PLAIN,
    GROUP_PREDICATED,
    GROUP_VARIANT,
    NODE_COLUMNS,
    PLACE_CACHEABLE,
    Block,
    BlockFlag,
    Clu,
    Cold,
    Grp,
    Tra,
    Word,
)
from emu.backends.transitions import rebuild_hashes
from emu.backends.view_words import view_words
from emu.board import Board, Region
from emu.core.addresses import LINE_BYTES, Access, AddressProgram, Group, analyse_addresses
from emu.core.decode import decode_block
from emu.core.instruction import (
    ALWAYS,
    FIRST_DOUBLE,
    SP,
    Attribute,
    End,
    Instruction,
    MemoryOperand,
    core_register,
)
from emu.core.pipeline import (
    D_COLUMNS,
    D_ISSUE,
    I_COLUMNS,
    MAX_VARIANT_GROUPS,
    S_COLUMNS,
    VARIANT_BITS,
    initial_state,
    pack_block,
    simulate_block,
)
from emu.core.timing_table import TimingTable

MAX_TRANSITIONS = 1 << 17


class Grid:
    """A growing two-dimensional array; the hooks know its address when it has a word of theirs."""

    def __init__(
        self, machine: npt.NDArray[np.int64], word: Word | None, columns: int, dtype: Any, rows: int
    ) -> None:
        self._machine = machine
        self._word = word
        self.data = np.zeros((rows, columns), dtype)
        self.count = 0
        self._publish()

    def _publish(self) -> None:
        if self._word is not None:
            self._machine[self._word] = self.data.ctypes.data

    def reserve(self, rows: int) -> None:
        """Make room for `rows` more."""
        need = self.count + rows
        if need <= len(self.data):
            return
        grown = np.zeros((max(need, 2 * len(self.data)), self.data.shape[1]), self.data.dtype)
        grown[: len(self.data)] = self.data
        self.data = grown
        self._publish()

    def extend(self, rows: npt.NDArray[Any]) -> int:
        """Append; returns the index of the first new row."""
        first = self.count
        self.reserve(len(rows))
        self.data[first : first + len(rows)] = rows
        self.count = first + len(rows)
        return first


@dataclass(frozen=True)
class StoredBlock:
    """What Python keeps of a block for the report."""

    address: int
    size_bytes: int
    code: bytes
    instructions: tuple[Instruction, ...]
    addresses: AddressProgram
    first_row: int


def cluster_accesses(accesses: list[Access]) -> list[tuple[int, int, bool, int, int]]:
    """Accesses of one group as `(low, high, is_store, words, row)` no longer than a cache line.

    `high` is the last byte, inclusive. Longer accesses are cut at multiples of the line length
    from their start.
    """
    pieces: list[tuple[int, int, bool, int, int]] = []
    for access in accesses:
        offset, left, words = access.offset, access.size_bytes, access.words
        while left > 0:
            length = min(left, LINE_BYTES)
            part = min(words, max(1, length // 4)) if left > length else words
            pieces.append((offset, offset + length - 1, access.is_store, part, access.row))
            offset, left, words = offset + length, left - length, words - part
    pieces.sort(key=lambda piece: (piece[2], piece[0], piece[4]))
    clusters: list[tuple[int, int, bool, int, int]] = []
    for low, high, is_store, words, row in pieces:
        if clusters:
            last = clusters[-1]
            if last[2] == is_store and high - last[0] < LINE_BYTES and low >= last[0]:
                merged = (last[0], max(last[1], high), is_store, last[3] + words, min(last[4], row))
                clusters[-1] = merged
                continue
        clusters.append((low, high, is_store, words, row))
    clusters.sort(key=lambda cluster: cluster[4])
    return clusters


def reported_accesses(instruction: Instruction) -> int:
    """How many accesses the emulator's hooks report for an instruction that executes."""
    memory = instruction.memory
    if memory is None:
        return 0
    if instruction.name.startswith("strex"):
        return 2  # it compares before it stores
    registers = (op.reg for op in instruction.capstone.operands if op.type == arm.ARM_OP_REG)
    if any(core_register(register) >= FIRST_DOUBLE for register in registers):
        return memory.words // 2
    return memory.words


def writes_stack_registers(instruction: Instruction) -> bool:
    """Whether an msr chooses or sets a stack pointer; of the others masks alone matter."""
    target = instruction.text.lower().split()[1].rstrip(",")
    return target in ("control", "msp", "psp")


def splits_by_eight(memory: MemoryOperand) -> bool:
    """Whether timing asks if the address is a multiple of eight, not only how banks differ."""
    return memory.is_store and memory.words > 1 and memory.words % 2 == 0


def variant_masks(
    instructions: tuple[Instruction, ...], program: AddressProgram
) -> list[tuple[int, bool]]:
    """For each group the low address bits that timing depends on, and whether it stores narrowly.

    Two plain loads side by side may pair when their word banks differ, so their groups keep all
    three bits; otherwise only the bits that decide alignment matter.
    """
    masks = [0] * len(program.groups)
    narrow = [False] * len(program.groups)
    previous: int | None = None
    for instruction, (group, _) in zip(instructions, program.placed, strict=True):
        memory = instruction.memory
        if memory is None:
            previous = None
            continue
        plain = not instruction.attributes & Attribute.SINGLE
        if group >= 0:
            # The stack pointer is a multiple of four at every block.
            if program.groups[group].terms != ((SP, 1),):
                masks[group] |= memory.word_bytes - 1
            if memory.is_store and memory.word_bytes < 4:
                narrow[group] = True
            if splits_by_eight(memory):
                masks[group] |= 4
        if plain and not memory.is_store:
            if previous is not None and previous >= 0 and group >= 0:
                masks[group] |= 7
                masks[previous] |= 7
            previous = group
        else:
            previous = None
    return [
        (7 if is_narrow else mask, is_narrow) for mask, is_narrow in zip(masks, narrow, strict=True)
    ]


class CodeStore:
    """All blocks of one run."""

    def __init__(
        self,
        machine: npt.NDArray[np.int64],
        board: Board,
        table: TimingTable,
        function_number: Callable[[int], int],
    ) -> None:
        self._machine, self._words = machine, view_words(machine)
        self._board = board
        self._table = table
        self._function_number = function_number
        self.stored: list[StoredBlock] = []
        self._numbers: dict[tuple[int, bytes], int] = {}
        self.pages = np.full(1 << 18, -1, np.int32)
        machine[Word.PAGES] = self.pages.ctypes.data
        self.lookup = Grid(machine, Word.LOOKUP, 1 << 13, np.int32, 16)
        self.blocks = Grid(machine, Word.BLOCKS, int(Block.COLUMNS), np.int64, 1024)
        self.cold = Grid(machine, Word.COLD_BLOCKS, int(Cold.COLUMNS), np.int64, 1024)
        self.rows = Grid(machine, Word.ROWS, I_COLUMNS, np.int32, 8192)
        self.row_stalls = Grid(machine, Word.ROW_STALLS, 4, np.int64, 8192)
        self.uses = Grid(machine, Word.USES, 2, np.int32, 16384)
        self.defs = Grid(machine, Word.DEFS, 3, np.int32, 16384)
        self.nodes = Grid(machine, Word.NODES, NODE_COLUMNS, np.int64, 1024)
        self.groups = Grid(machine, Word.GROUPS, int(Grp.COLUMNS), np.int64, 4096)
        self.clusters = Grid(machine, Word.CLUSTERS, int(Clu.COLUMNS), np.int64, 8192)
        self.row_cycles = Grid(machine, None, 4, np.float64, 8192)
        self.edges = np.zeros(4, np.int64)  # how often blocks were entered by each kind of edge
        self.block_executions = Grid(machine, None, 1, np.int64, 1024)
        self.sequence = Grid(machine, Word.SEQUENCE, 1, np.int32, 8192)
        self.transitions = Grid(machine, Word.TRANSITIONS, int(Tra.COLUMNS), np.int64, 4096)
        self.states = Grid(machine, Word.STATES, S_COLUMNS, np.int32, 2048)
        self.transition_hash = np.zeros(0, np.int32)
        self.state_hash = np.zeros(0, np.int32)
        self.states.extend(initial_state()[None])
        machine[Word.STATE_COUNT] = 1
        # Transition 0 is the reset: nothing but a place for what follows it.
        start = np.zeros((1, int(Tra.COLUMNS)), np.int64)
        start[0, [Tra.KEY, Tra.GUESS, Tra.OTHER]] = -1
        self.transitions.extend(start)
        machine[Word.TRANSITION_COUNT] = 1
        self.generation = 0  # counts how often transitions were forgotten
        self.make_room()

    def fold(self) -> None:
        """Add what the transitions counted to the rows, and forget the transitions' counts."""
        self.row_cycles.reserve(self.rows.count - self.row_cycles.count)
        self.row_cycles.count = self.rows.count
        self.block_executions.reserve(self.blocks.count - self.block_executions.count)
        self.block_executions.count = self.blocks.count
        count = int(self._machine[Word.TRANSITION_COUNT])
        for number in range(1, count):
            times = int(self.transitions.data[number, Tra.COUNT])
            if not times:
                continue
            key = int(self.transitions.data[number, Tra.KEY])
            block = key >> 24
            self.edges[(key >> 22) & 3] += times
            first = self.stored[block].first_row
            detail = self.detail(number)
            self.row_cycles.data[first : first + len(detail)] += times * detail[:, D_ISSUE:]
            self.block_executions.data[block, 0] += times
        self.transitions.data[:count, Tra.COUNT] = 0

    def forget(self) -> None:
        """Empty the memo tables; the pipe's present state becomes state 1."""
        machine = self._machine
        self.fold()
        self.generation += 1
        current = self.states.data[int(machine[Word.STATE])].copy()
        self.states.data[1] = current
        machine[Word.STATE] = 1
        machine[Word.STATE_COUNT] = 2
        self.transitions.data[0, [Tra.GUESS, Tra.OTHER]] = -1
        machine[Word.TRANSITION] = 0
        machine[Word.TRANSITION_COUNT] = 1

    def ensure_room(self) -> None:
        """Grow the memo tables when the hooks could fill them before the next stop."""
        words = self._words
        if (
            words[W_STATE_COUNT] + 8 >= words[W_STATE_CAPACITY]
            or words[W_TRANSITION_COUNT] + 8 >= words[W_TRANSITION_CAPACITY]
        ):
            self.make_room()

    def make_room(self) -> None:
        """Grow the memo tables and rebuild their hashes, which compiled code looks up.

        Past `MAX_TRANSITIONS` they are emptied instead, so that memory stays flat however many
        address patterns a program shows.
        """
        machine = self._machine
        if max(machine[Word.TRANSITION_COUNT], machine[Word.STATE_COUNT]) >= MAX_TRANSITIONS - 8:
            self.forget()
        self.states.count = int(machine[Word.STATE_COUNT])
        self.transitions.count = int(machine[Word.TRANSITION_COUNT])
        self.states.reserve(max(1024, self.states.count // 2))
        self.transitions.reserve(max(2048, self.transitions.count // 2))
        machine[Word.STATE_CAPACITY] = min(len(self.states.data), MAX_TRANSITIONS)
        machine[Word.TRANSITION_CAPACITY] = min(len(self.transitions.data), MAX_TRANSITIONS)
        for word, mask, rows, name in (
            (Word.STATE_HASH, Word.STATE_MASK, len(self.states.data), "state_hash"),
            (
                Word.TRANSITION_HASH,
                Word.TRANSITION_MASK,
                len(self.transitions.data),
                "transition_hash",
            ),
        ):
            size = 1 << (2 * rows - 1).bit_length()
            if len(getattr(self, name)) != size:
                table = np.zeros(size, np.int32)
                setattr(self, name, table)
                machine[word] = table.ctypes.data
                machine[mask] = size - 1
        rebuild_hashes(machine.ctypes.data)

    def add(self, code: bytes, address: int) -> StoredBlock:
        """Publish a block to the hooks; decode it when these bytes were not seen there before.

        Code that is copied over other code again and again (overlays) thus takes no new memory.
        """
        known = self._numbers.get((address, code))
        if known is not None:
            self._publish(address, known)
            return self.stored[known]
        table = self._table
        instructions = tuple(decode_block(code, address, table))
        program = analyse_addresses(instructions)
        packed = pack_block(instructions, program.placed, self.uses.count, self.defs.count)
        self.uses.extend(packed.uses.reshape(-1, 2))
        self.defs.extend(packed.defs.reshape(-1, 3))
        self.row_stalls.reserve(len(packed.rows))
        first_row = self.rows.extend(packed.rows)
        self.row_stalls.count = self.rows.count
        # What capstone holds of an instruction is the largest part of it and not wanted again.
        kept = tuple(replace(instruction, capstone=None) for instruction in instructions)
        stored = StoredBlock(address, len(code), code, kept, program, first_row)
        self.stored.append(stored)

        row = np.zeros(int(Block.COLUMNS), np.int64)
        row[Block.KEY] = address | (len(code) << 32)
        row[Block.FLAGS] = self._flags(instructions, address)
        if program.stack_delta_bytes:
            row[Block.FLAGS] |= BlockFlag.STACK
        if not program.stack_known:
            row[Block.FLAGS] |= BlockFlag.STACK_ODD
        row[Block.SHAPE] = (
            len(instructions)
            | (instructions[-1].size_bytes << 16)
            | (-program.stack_delta_bytes << 32)
        )
        row[Block.EPOCH] = -1
        first_node, node_count = self._add_nodes(program)
        row[Block.NODES] = first_node | (node_count << 32)
        if program.stack_probe >= 0:
            row[Block.NODES] |= program.stack_probe << 48
            row[Block.FLAGS] |= BlockFlag.STACK_PROBE
        first_group, flip = self._add_groups(instructions, program, first_row)
        row[Block.PROGRAM] = first_group | (len(program.groups) << 32)
        row[Block.FLIP] = flip
        words = [
            first_row + position
            for position, instruction in enumerate(instructions)
            for _ in range(reported_accesses(instruction))
        ]
        first_word = self.sequence.extend(np.array(words, np.int32).reshape(-1, 1))
        cold = np.zeros(int(Cold.COLUMNS), np.int64)
        cold[Cold.FIRST_ROW] = first_row
        cold[Cold.LAST_ROW] = first_row + len(instructions)
        cold[Cold.SEQUENCE] = first_word | (len(words) << 32)
        cold[Cold.FUNCTION] = self._function_number(address)
        self.cold.extend(cold[None])
        number = self.blocks.extend(row[None])
        self._numbers[address, code] = number
        self._publish(address, number)
        return stored

    def _flags(self, instructions: tuple[Instruction, ...], address: int) -> int:
        last = instructions[-1]
        flags = 0
        end = last.end
        if end is not End.FALL and last.attributes & Attribute.PREDICATED:
            flags |= BlockFlag.PREDICATED_END
        flags |= 15 << 20
        if last.name in ("bx", "blx") and last.uses and last.condition == ALWAYS:
            flags = (flags & ~(15 << 20)) | (last.uses[0][0] << 20)
        if last.name in ("tbb", "tbh"):
            flags |= BlockFlag.TABLE_BRANCH
        if last.name == "cps":
            flags |= BlockFlag.MASKS
        if last.name == "msr":
            flags |= BlockFlag.STACKS if writes_stack_registers(last) else BlockFlag.MASKS
        if last.target is not None and last.target <= last.address:
            flags |= BlockFlag.BACKWARD
        region = self._board.chip.region_at(address)
        if region is not None:
            flags |= self._fetch_flag(region, address)
        return flags | (int(end) << 16)

    def _fetch_flag(self, region: Region, address: int) -> int:
        if region.accelerator:
            return BlockFlag.ART
        if region.bus in ("itcm", "dtcm"):
            return BlockFlag.FREE_FETCH
        place = get8(int(self._machine[Word.ATTRIBUTES]), address >> 12)
        return BlockFlag.IN_CODE_CACHE if place & PLACE_CACHEABLE else 0

    def refresh_fetch_flags(self) -> None:
        """The memory attributes have changed: what is fetched through the I-cache as well."""
        for number, stored in enumerate(self.stored):
            region = self._board.chip.region_at(stored.address)
            if region is None:
                continue
            flags = int(self.blocks.data[number, Block.FLAGS]) & ~int(BlockFlag.IN_CODE_CACHE)
            self.blocks.data[number, Block.FLAGS] = flags | self._fetch_flag(region, stored.address)

    def _add_nodes(self, program: AddressProgram) -> tuple[int, int]:
        rows = np.array(
            [[int(n.op), n.a, n.b, n.imm, n.imm2, n.const, 0, 0] for n in program.nodes], np.int64
        ).reshape(-1, NODE_COLUMNS)
        return self.nodes.extend(rows), len(rows)

    def _add_groups(
        self, instructions: tuple[Instruction, ...], program: AddressProgram, first_row: int
    ) -> tuple[int, int]:
        masks = variant_masks(instructions, program)
        rows = np.zeros((len(program.groups), int(Grp.COLUMNS)), np.int64)
        flip = 0
        for number, (row, group) in enumerate(zip(rows, program.groups, strict=True)):
            self._add_group(row, group, first_row)
            mask, narrow = masks[number]
            what = int(row[Grp.WHAT])
            if number < MAX_VARIANT_GROUPS and group.terms and (mask or narrow):
                shift = VARIANT_BITS * number
                what |= GROUP_VARIANT | (GROUP_NARROW if narrow else 0) | (shift << 24)
                row[Grp.MASK] = mask
                if mask & 4:
                    flip |= 4 << shift
            elif what & 0xFFFF < (GROUP_NONE << 8 | 16) and what >> 8 & 0xFF == GROUP_NONE:
                if row[Grp.KA] == 1 and group.predicate < 0:
                    what |= GROUP_PLAIN
            row[Grp.WHAT] = what
        if any(i.memory is not None and splits_by_eight(i.memory) for i in instructions):
            flip = 0  # which bank is which matters here
        return self.groups.extend(rows), flip

    def _add_group(self, row: npt.NDArray[np.int64], group: Group, first_row: int) -> None:
        nodes = [GROUP_NONE, GROUP_NONE]
        for place, (node, coefficient) in enumerate(group.terms):
            nodes[place] = node
            row[Grp.KA + place] = coefficient - (1 << 32) if coefficient >> 31 else coefficient
        row[Grp.WHAT] = nodes[0] | (nodes[1] << 8)
        if group.predicate >= 0:
            row[Grp.WHAT] |= GROUP_PREDICATED
            row[Grp.PREDICATE] = group.predicate
        if not group.terms:
            row[Grp.WHAT] |= GROUP_ABSOLUTE
        found = cluster_accesses(group.accesses)
        clusters = np.zeros((len(found), int(Clu.COLUMNS)), np.int64)
        for cluster, (low, high, is_store, words, access_row) in zip(clusters, found, strict=True):
            cluster[Clu.WHERE] = (
                (low & 0xFFFFFFFF) | ((high - low) << 32) | (int(is_store) << 40) | (words << 48)
            )
            cluster[Clu.ROW] = first_row + access_row
        row[Grp.LOW] = found[0][0]
        row[Grp.CLUSTERS] = self.clusters.extend(clusters) | (len(found) << 32)

    def _publish(self, address: int, number: int) -> None:
        page = address >> 14
        if self.pages[page] < 0:
            fresh = np.full((1, 1 << 13), -1, np.int32)
            self.pages[page] = self.lookup.extend(fresh) << 13
        base = int(self.pages[page]) >> 13
        self.lookup.data[base, (address & 0x3FFF) >> 1] = number

    def detail(self, transition: int) -> npt.NDArray[np.int32]:
        """A transition simulated again: time and cycles by cause for each instruction."""
        row = self.transitions.data[transition]
        key = int(row[Tra.KEY])
        state, edge, number = key & 0x3FFFFF, (key >> 22) & 3, key >> 24
        stored, table = self.stored[number], self._table
        last = stored.first_row + len(stored.instructions)
        detail = np.zeros((len(stored.instructions), D_COLUMNS), np.int32)
        simulate_block(
            self.states.data[state], edge, stored.address, self.rows.data,
            stored.first_row, last, self.uses.data.reshape(-1), self.defs.data.reshape(-1),
            int(row[Tra.VARIANT]), table.latency_cycles, table.fp_busy_cycles,
            table.settled_cycles, table.params, initial_state(), detail, True,
        )  # fmt: skip
        return detail

    def number_at(self, address: int) -> int:
        """The number of the block that starts at an address, -1 for none."""
        base = int(self.pages[address >> 14])
        if base < 0:
            return -1
        return int(self.lookup.data[base >> 13, (address & 0x3FFF) >> 1])
