"""The dual-issue scoreboard: how many cycles a block takes from a given state of the pipe.

`simulate_block` is plain integer code over arrays. Numba compiles it for the native hooks; tests
call the same function, compiled or as Python (`simulate_block.py_func`).

The state of the pipe between two blocks is one row of integers: for each register who made it and
how long ago, what sits in the open issue slot, how far fetch runs ahead, what the store buffer
still has to drain. Rows are normalised (what can no longer delay anybody is cleared), so that a
program's hot code visits few distinct rows and each (row, edge, block, variant) is simulated once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emu.core.compiled import compiled
from emu.core.instruction import (
    FIRST_S,
    FLAGS,
    FP_STATUS,
    GE_FLAGS,
    REGISTER_COUNT,
    Attribute,
    Instruction,
)
from emu.core.timing_table import Need, Param, Producer, TimingTable

# Columns of an instruction row.
I_SIZE, I_ATTR, I_CYCLES, I_USES, I_USES_END, I_DEFS, I_DEFS_END, I_BUSY = range(8)
I_READS, I_WRITES, I_GROUP, I_OFFSET, I_WORD, I_WORDS = range(8, 14)
I_COLUMNS = 16  # one cache line of the host

# Columns of a state row.
S_OPEN = REGISTER_COUNT  # 1: the last instruction left the younger slot free
S_ATTR, S_READS, S_WRITES, S_BANK, S_BUSY, S_FP_BUSY, S_DIVIDE = range(S_OPEN + 1, S_OPEN + 8)
S_LEAD, S_DRAIN0, S_DRAIN1, S_EARLY = range(S_OPEN + 8, S_OPEN + 12)
S_COLUMNS = 64
_AGE_BIAS = 16  # a value of ldm counts as issued up to 8 cycles after the instruction
_AGE_SPAN = 128

# Edges into a block.
EDGE_SEQUENTIAL, EDGE_TAKEN, EDGE_MISPREDICTED, EDGE_REDIRECTED = range(4)

# Columns of the detail that a simulation can leave behind, one row an instruction.
D_TIME, D_ISSUE, D_LATENCY, D_BRANCH, D_BUS = range(5)
D_COLUMNS = 5

# Variant bits of a memory group: three low address bits, then 1 if narrow stores read-modify-write.
VARIANT_BITS = 4
MAX_VARIANT_GROUPS = 15

FAULT_UNALIGNED = -2

_A = {name: int(value) for name, value in Attribute.__members__.items()}
A_SINGLE, A_OLDER_ONLY, A_SHIFTER = _A["SINGLE"], _A["OLDER_ONLY"], _A["SHIFTER"]
A_BITFIELD, A_MULTIPLY, A_LOAD, A_STORE = _A["BITFIELD"], _A["MULTIPLY"], _A["LOAD"], _A["STORE"]
A_BRANCH, A_FP_ARITHMETIC = _A["BRANCH"], _A["FP_ARITHMETIC"]
A_EARLY_OLDER, A_EARLY_ANY = _A["EARLY_OLDER"], _A["EARLY_ANY"]
A_FP_FUSED, A_FP_TRANSFER, A_NARROW = _A["FP_FUSED"], _A["FP_TRANSFER"], _A["NARROW"]
A_PREDICATED = _A["PREDICATED"]
K_EARLY, K_LATE, K_DIVIDE = int(Producer.EARLY_ALU), int(Producer.LATE_ALU), int(Producer.DIVIDE)
N_EA, N_L = int(Need.EA), int(Need.L)
P_READ_PORTS, P_WRITE_PORTS = int(Param.READ_PORTS), int(Param.WRITE_PORTS)
P_DIVIDE_BUSY, P_FETCH_QUEUE = int(Param.DIVIDE_BUSY), int(Param.FETCH_QUEUE)
P_MISPREDICT, P_MISPREDICT_EARLY = int(Param.MISPREDICT), int(Param.MISPREDICT_EARLY)
P_EARLY_AGE, P_REDIRECT = int(Param.EARLY_AGE), int(Param.DECODE_REDIRECT)
P_UNALIGNED_OLDER, P_UNALIGNED_YOUNGER = int(Param.UNALIGNED_OLDER), int(Param.UNALIGNED_YOUNGER)
P_UNALIGNED_STORE, P_NARROW_STORE = int(Param.UNALIGNED_STORE), int(Param.NARROW_STORE)
P_UNALIGNED_TRAPS = int(Param.UNALIGNED_TRAPS)
P_STORE_ENTRIES, P_STM_UNALIGNED = int(Param.STORE_ENTRIES), int(Param.STM_UNALIGNED)


@dataclass(frozen=True)
class PackedBlock:
    """A block as the scoreboard reads it."""

    rows: npt.NDArray[np.int32]  # [n, I_COLUMNS]
    uses: npt.NDArray[np.int32]  # flat (register, need)
    defs: npt.NDArray[np.int32]  # flat (register, producer, delay)


def pack_block(
    instructions: Sequence[Instruction],
    groups: Sequence[tuple[int, int]],
    uses_base: int = 0,
    defs_base: int = 0,
) -> PackedBlock:
    """Flatten decoded instructions.

    Args:
        instructions: one block, in order.
        groups: for each instruction `(memory group, offset in it)`, group -1 where it is unknown.
        uses_base: index of the first use in the caller's flat array, in pairs.
        defs_base: the same for defs, in triples.
    """
    rows = np.zeros((len(instructions), I_COLUMNS), np.int32)
    uses: list[int] = []
    defs: list[int] = []
    for row, instruction, (group, offset) in zip(rows, instructions, groups, strict=True):
        core = {r for r, _ in instruction.uses if r < FLAGS}
        written = {r for r, _, _ in instruction.defs if r < FLAGS}
        row[I_SIZE] = instruction.size_bytes
        row[I_ATTR] = int(instruction.attributes)
        row[I_CYCLES] = instruction.issue_cycles
        row[I_USES] = uses_base + len(uses) // 2
        for register, need in instruction.uses:
            uses += (register, int(need))
        row[I_USES_END] = uses_base + len(uses) // 2
        row[I_DEFS] = defs_base + len(defs) // 3
        for register, producer, delay in instruction.defs:
            if register < REGISTER_COUNT:
                defs += (register, int(producer), delay)
        row[I_DEFS_END] = defs_base + len(defs) // 3
        row[I_BUSY] = int(instruction.fp_busy)
        row[I_READS] = len(core)
        row[I_WRITES] = len(written)
        row[I_GROUP] = -1
        memory = instruction.memory
        if memory is not None:
            row[I_GROUP] = group if group < MAX_VARIANT_GROUPS else -1
            row[I_OFFSET] = offset & 0x7FFFFFFF
            row[I_WORD] = memory.word_bytes
            row[I_WORDS] = memory.words
    return PackedBlock(rows, np.array(uses, np.int32), np.array(defs, np.int32))


def initial_state() -> npt.NDArray[np.int32]:
    """The pipe after reset: nothing in flight."""
    return np.zeros(S_COLUMNS, np.int32)


@compiled
def simulate_block(
    state: npt.NDArray[np.int32],
    edge: int,
    address: int,
    rows: npt.NDArray[np.int32],
    first: int,
    last: int,
    uses: npt.NDArray[np.int32],
    defs: npt.NDArray[np.int32],
    variant: int,
    latency: npt.NDArray[np.int64],
    fp_busy: npt.NDArray[np.int64],
    settled: npt.NDArray[np.int64],
    params: npt.NDArray[np.int64],
    out: npt.NDArray[np.int32],
    detail: npt.NDArray[np.int32],
    with_detail: bool,
) -> int:
    """Issue rows `[first, last)` after `state` and write the new state to `out`.

    Time 0 is the issue of the last instruction before the block. The cycles of consecutive blocks
    add up.

    Args:
        edge: how control came in (`EDGE_*`).
        address: of the first instruction; its low bits decide fetch.
        variant: packed address bits of the memory groups, `VARIANT_BITS` each.
        detail: `[n, D_COLUMNS]`, filled when `with_detail`.

    Returns:
        `cycles * 64 + branch cycles to charge to the branch before`, or `FAULT_UNALIGNED` minus
        the index of the instruction whose multiple-word access is not aligned.
    """
    kinds = np.empty(REGISTER_COUNT, np.int64)
    times = np.empty(REGISTER_COUNT, np.int64)
    for register in range(REGISTER_COUNT):
        packed = state[register]
        kinds[register] = packed // _AGE_SPAN
        times[register] = -(packed % _AGE_SPAN - _AGE_BIAS) if packed != 0 else -_AGE_SPAN
    time = 0
    slot_open = state[S_OPEN] != 0
    open_attr = state[S_ATTR]
    open_reads = state[S_READS]
    open_writes = state[S_WRITES]
    open_bank = state[S_BANK]
    busy_until = state[S_BUSY]
    fp_free = state[S_FP_BUSY]
    divide_free = state[S_DIVIDE]
    drain0 = state[S_DRAIN0]
    drain1 = state[S_DRAIN1]
    queue = params[P_FETCH_QUEUE]
    chunk_time = -state[S_LEAD]
    branch_charge = 0
    if edge == EDGE_MISPREDICTED or edge == EDGE_REDIRECTED:
        if edge == EDGE_REDIRECTED:
            penalty = params[P_REDIRECT] + 1
        elif state[S_EARLY] != 0:
            penalty = params[P_MISPREDICT_EARLY]
        else:
            penalty = params[P_MISPREDICT]
        branch_charge = penalty - 1
        time = branch_charge
        slot_open = False
        chunk_time = time
        drain0 = max(0, drain0 - time)
        drain1 = max(0, drain1 - time)
    elif edge == EDGE_TAKEN or (address & 7) == 0:
        chunk_time = max(chunk_time + 1, time - queue + 1)
    position = address & 7
    is_older = True

    for index in range(first, last):
        attr = rows[index, I_ATTR]
        before = time
        # Structure: may this instruction share the cycle of the one before?
        pair = slot_open and (attr & (A_SINGLE | A_OLDER_ONLY)) == 0
        bank = -1
        group = rows[index, I_GROUP]
        low = 0
        narrow_rmw = False
        if group >= 0:
            bits = (variant >> (VARIANT_BITS * group)) & 15
            low = (bits & 7) + rows[index, I_OFFSET]
            bank = (low >> 2) & 1
            narrow_rmw = (bits & 8) != 0
        if pair:
            both = attr & open_attr
            either = attr | open_attr
            if both & (A_SHIFTER | A_MULTIPLY | A_STORE | A_BRANCH | A_FP_ARITHMETIC) != 0:
                pair = False
            elif (attr & A_SHIFTER) != 0 and (open_attr & A_BITFIELD) != 0:
                pair = False
            elif (either & A_MULTIPLY) != 0 and (either & A_STORE) != 0:
                pair = False
            elif (both & A_LOAD) != 0 and bank >= 0 and open_bank == bank:
                pair = False
            elif (open_attr & A_FP_FUSED) != 0 and (attr & A_FP_TRANSFER) != 0:
                pair = False
            elif rows[index, I_READS] + open_reads > params[P_READ_PORTS]:
                pair = False
            elif rows[index, I_WRITES] + open_writes > params[P_WRITE_PORTS]:
                pair = False
        issue = time if pair else time + 1
        if busy_until > issue and not pair:
            issue = busy_until
        structural = issue

        # Fetch: the chunk that holds the last byte must have arrived.
        end = position + rows[index, I_SIZE]
        if position >= 8:
            position -= 8
            end -= 8
            chunk_time = max(chunk_time + 1, before - queue + 1)
        if end > 8:
            chunk_time = max(chunk_time + 1, before - queue + 1)
            position -= 8
            end -= 8
        if chunk_time > issue:
            issue = chunk_time
        fetched = issue

        # Operands.
        for use in range(rows[index, I_USES], rows[index, I_USES_END]):
            register = uses[2 * use]
            ready = times[register] + latency[kinds[register], uses[2 * use + 1]]
            if ready > issue:
                issue = ready
        held = rows[index, I_BUSY]
        if held == K_DIVIDE:
            if divide_free > issue:
                issue = divide_free
        elif (attr & A_FP_ARITHMETIC) != 0 and fp_free > issue:
            issue = fp_free
        ready_time = issue

        # Store buffer: what cannot drain in time holds the store back.
        elapsed = issue - before
        drain0 = max(0, drain0 - elapsed)
        drain1 = max(0, drain1 - elapsed)
        if (attr & A_STORE) != 0 and group >= 0:
            extra = 0
            if narrow_rmw and (attr & A_NARROW) != 0:
                extra = params[P_NARROW_STORE]
            elif (low & (rows[index, I_WORD] - 1)) != 0:
                extra = params[P_UNALIGNED_STORE]
            if extra > 0:
                room = (params[P_STORE_ENTRIES] - 1) * params[P_NARROW_STORE]
                while drain0 + drain1 > room:
                    issue += 1
                    drain0 = max(0, drain0 - 1)
                    drain1 = max(0, drain1 - 1)
                if bank == 0:
                    drain0 += extra
                else:
                    drain1 += extra

        is_older = not (pair and issue == before)
        time = issue
        # A pair beside an unaligned access does not end the wait that the access began.
        held_until = busy_until if pair and issue == before else 0
        busy_until = 0
        if rows[index, I_CYCLES] > 1:
            busy_until = time + rows[index, I_CYCLES]
            if (attr & A_STORE) != 0 and (rows[index, I_WORDS] & 1) == 0 and (low & 4) != 0:
                busy_until += params[P_STM_UNALIGNED]
        elif (attr & A_STORE) != 0 and rows[index, I_WORDS] == 2 and (low & 4) != 0:
            busy_until = time + 1 + params[P_STM_UNALIGNED]
        if group >= 0 and (low & (rows[index, I_WORD] - 1)) != 0:
            traps = params[P_UNALIGNED_TRAPS] != 0
            if rows[index, I_WORDS] > 1 or (attr & A_FP_TRANSFER) != 0 or traps:
                # In an IT block it may not execute at all, and then its base may be anything.
                if (attr & A_PREDICATED) == 0:
                    return FAULT_UNALIGNED - (index - first)
            if (attr & A_LOAD) != 0:
                extra = params[P_UNALIGNED_OLDER] if is_older else params[P_UNALIGNED_YOUNGER]
                busy_until = time + 1 + extra
        busy_until = max(busy_until, held_until)

        # Results. Early or late ALU is decided here, by slot and by when the operands came.
        early = (attr & A_EARLY_OLDER) != 0 and is_older
        if (attr & A_EARLY_ANY) != 0:
            early = is_older or (open_attr & (A_SHIFTER | A_BITFIELD)) == 0
        if early:
            for use in range(rows[index, I_USES], rows[index, I_USES_END]):
                register = uses[2 * use]
                if uses[2 * use + 1] == N_L:
                    if times[register] + latency[kinds[register], N_EA] > time:
                        early = False
        for make in range(rows[index, I_DEFS], rows[index, I_DEFS_END]):
            kind = defs[3 * make + 1]
            if early and kind == K_LATE:
                kind = K_EARLY
            register = defs[3 * make]
            kinds[register] = kind
            times[register] = time + defs[3 * make + 2]
        if held == K_DIVIDE:
            divide_free = time + params[P_DIVIDE_BUSY]
        elif held != 0:
            fp_free = time + max(1, fp_busy[held])

        slot_open = is_older and (attr & A_SINGLE) == 0
        open_attr = attr
        open_reads = rows[index, I_READS]
        open_writes = rows[index, I_WRITES]
        open_bank = bank
        position = end
        if with_detail:
            row = index - first
            detail[row, D_TIME] = time
            detail[row, D_ISSUE] = structural - before
            if edge == EDGE_SEQUENTIAL:
                detail[row, D_ISSUE] += fetched - structural
                detail[row, D_BRANCH] = 0
            else:
                detail[row, D_BRANCH] = fetched - structural
            detail[row, D_LATENCY] = ready_time - fetched
            detail[row, D_BUS] = time - ready_time

    # The new state, relative to the last issue and normalised.
    for column in range(S_COLUMNS):
        out[column] = 0
    for register in range(REGISTER_COUNT):
        age = time - times[register]
        kind = kinds[register]
        # How a branch resolves depends on the age of its flags or register beyond any latency.
        keep = settled[kind]
        if register <= FLAGS and keep < params[P_EARLY_AGE]:
            keep = params[P_EARLY_AGE]
        if kind != 0 and age < keep:
            out[register] = kind * _AGE_SPAN + age + _AGE_BIAS
    if slot_open:
        out[S_OPEN] = 1
        out[S_ATTR] = open_attr
        out[S_READS] = open_reads
        out[S_WRITES] = open_writes
        out[S_BANK] = -1  # the next block's banks are numbered anew
    out[S_BUSY] = max(0, busy_until - time)
    out[S_FP_BUSY] = max(0, fp_free - time)
    out[S_DIVIDE] = max(0, divide_free - time)
    out[S_LEAD] = min(max(0, time - chunk_time), queue)
    out[S_DRAIN0] = drain0
    out[S_DRAIN1] = drain1
    if last > first and (rows[last - 1, I_ATTR] & A_BRANCH) != 0:
        early_resolve = 1
        if kinds[FLAGS] != 0 and time - times[FLAGS] < params[P_EARLY_AGE]:
            early_resolve = 0
        if rows[last - 1, I_USES_END] > rows[last - 1, I_USES]:
            early_resolve = 1
            for use in range(rows[last - 1, I_USES], rows[last - 1, I_USES_END]):
                register = uses[2 * use]
                if kinds[register] != 0 and time - times[register] < params[P_EARLY_AGE]:
                    early_resolve = 0
        if rows[last - 1, I_WORDS] > 0:
            early_resolve = 0  # the target itself is loaded
        out[S_EARLY] = early_resolve
    return time * 64 + branch_charge


def cycles_of(
    instructions: Sequence[Instruction],
    table: TimingTable,
    *,
    banks: Sequence[int] | None = None,
    repeat: int = 1,
    edge: int = EDGE_SEQUENTIAL,
    address: int | None = None,
) -> int:
    """Cycles of a straight run of instructions, all memory hitting. For micro-tests.

    Args:
        banks: for each instruction the low address bits of its access (default 0, 4, 0, 4, ...).
        repeat: run the block this often, entering again as a taken branch when it ends in one.
    """
    if banks is None:
        banks = [4 * (n & 1) for n in range(len(instructions))]
    groups = [
        (0, bank) if i.memory else (-1, 0) for i, bank in zip(instructions, banks, strict=True)
    ]
    packed = pack_block(instructions, groups)
    state = initial_state()
    out = initial_state()
    detail = np.zeros((1, D_COLUMNS), np.int32)
    total = 0
    for turn in range(repeat):
        entry = edge if turn == 0 else EDGE_TAKEN
        if not instructions[-1].attributes & Attribute.BRANCH:
            entry = EDGE_SEQUENTIAL
        result = simulate_block(
            state, entry, instructions[0].address if address is None else address,
            packed.rows, 0, len(packed.rows), packed.uses, packed.defs, 0,
            table.latency_cycles, table.fp_busy_cycles, table.settled_cycles, table.params,
            out, detail, False,
        )  # fmt: skip
        total += result // 64
        state, out = out, state
    return int(total)


__all__ = [
    "FIRST_S", "FP_STATUS", "GE_FLAGS", "PackedBlock", "cycles_of", "initial_state", "pack_block",
    "simulate_block",
]  # fmt: skip
