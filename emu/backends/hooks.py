"""The native hooks: what runs at every block (and, in the exact mode, at every access).

`enter_block` is the hot path. In order: find the block, stop where Python must look, settle the
branch that led here, follow calls, fetch, data accesses, and the memoised transition of the
pipeline. Every stop happens before anything was changed, so that the same block can be entered
again after Python has done its part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, types

from emu.backends.intrinsics import (
    call_with_handle,
    load_u8,
    load_u16,
    load_u32,
    pointer,
    read_registers,
    store_u8,
)
from emu.backends.layout import (
    NODE_COLUMNS,
    TICKS,
    Block,
    BlockFlag,
    Clu,
    Frm,
    Grp,
    Mea,
    Reason,
    Reg,
    Tra,
    Word,
)
from emu.backends.memory_model import (
    art_walk,
    dcache_access,
    icache_walk,
    region_at,
    words32,
    words64,
)
from emu.backends.trace_hook import trace_access
from emu.core.addresses import Op
from emu.core.compiled import compiled
from emu.core.decode import End
from emu.core.pipeline import (
    D_COLUMNS,
    EDGE_MISPREDICTED,
    EDGE_REDIRECTED,
    EDGE_SEQUENTIAL,
    EDGE_TAKEN,
    FAULT_UNALIGNED,
    S_COLUMNS,
    simulate_block,
)

W_COUNT = int(Word.COUNT)
W = {word.name: int(word) for word in Word}
W_MODE, W_HOOKED, W_REGISTERS, W_EMU_STOP = W["MODE"], W["HOOKED"], W["REGISTERS"], W["EMU_STOP"]
W_PAGES, W_LOOKUP, W_BLOCKS, W_ROWS = W["PAGES"], W["LOOKUP"], W["BLOCKS"], W["ROWS"]
W_USES, W_DEFS, W_NODES, W_GROUPS = W["USES"], W["DEFS"], W["NODES"], W["GROUPS"]
W_CLUSTERS, W_ROW_STALLS, W_SEQUENCE = W["CLUSTERS"], W["ROW_STALLS"], W["SEQUENCE"]
W_TRANSITIONS, W_TRANSITION_HASH = W["TRANSITIONS"], W["TRANSITION_HASH"]
W_STATES, W_STATE_HASH, W_LATENCY = W["STATES"], W["STATE_HASH"], W["LATENCY"]
W_FP_BUSY, W_SETTLED, W_PARAMS = W["FP_BUSY"], W["SETTLED"], W["PARAMS"]
W_REGIONS, W_BTAC, W_SHADOW = W["REGIONS"], W["BTAC"], W["SHADOW"]
W_DEEPEST, W_FRAMES, W_MEASURED = W["DEEPEST"], W["FRAMES"], W["MEASURED"]
W_VALUES, W_TRACE = W["VALUES"], W["TRACE"]
W_READ_BATCH, W_BATCH_IDS, W_BATCH_POINTERS = W["READ_BATCH"], W["BATCH_IDS"], W["BATCH_POINTERS"]
W_SKIP_SYNC = W["SKIP_SYNC"]
W_TRANSITION_CAPACITY, W_STATE_CAPACITY = W["TRANSITION_CAPACITY"], W["STATE_CAPACITY"]
W_TRANSITION_MASK, W_STATE_MASK = W["TRANSITION_MASK"], W["STATE_MASK"]
W_ICACHE_ON, W_DCACHE_ON, W_ART_ON = W["ICACHE_ON"], W["DCACHE_ON"], W["ART_ON"]
W_LRU, W_EPOCH, W_FLASH_LAST, W_BTAC_MASK = (
    W["LRU"],
    W["ICACHE_EPOCH"],
    W["FLASH_LAST"],
    W["BTAC_MASK"],
)
W_REASON, W_WANTED_ADDRESS, W_WANTED_SIZE = W["REASON"], W["WANTED_ADDRESS"], W["WANTED_SIZE"]
W_FAULT_ROW, W_PREVIOUS, W_FALLTHROUGH = W["FAULT_ROW"], W["PREVIOUS"], W["FALLTHROUGH"]
W_STATE, W_TRANSITION, W_CYCLES = W["STATE"], W["TRANSITION"], W["CYCLES"]
W_ENTRY_CYCLES, W_INSTRUCTIONS, W_NEXT_STOP = W["ENTRY_CYCLES"], W["INSTRUCTIONS"], W["NEXT_STOP"]
W_SKIP_EVENT, W_STATE_COUNT = W["SKIP_EVENT"], W["STATE_COUNT"]
W_TRANSITION_COUNT, W_ACCESS_INDEX = W["TRANSITION_COUNT"], W["ACCESS_INDEX"]
W_HOOKED_COUNT, W_STACK_LOWEST = W["HOOKED_COUNT"], W["STACK_LOWEST"]
W_FRAME_LOWEST, W_STACK_LIMIT = W["STACK_FRAME_LOWEST"], W["STACK_LIMIT"]
W_SHADOW_DEPTH, W_SHADOW_CAPACITY = W["SHADOW_DEPTH"], W["SHADOW_CAPACITY"]
W_DEEPEST_DEPTH, W_DEEPEST_ADDRESS = W["DEEPEST_DEPTH"], W["DEEPEST_ADDRESS"]
W_FRAME_DEPTH, W_FRAME_CAPACITY = W["FRAME_DEPTH"], W["FRAME_CAPACITY"]
W_DCACHE_ACCESSES, W_BRANCHES, W_MISPREDICTS = W["DCACHE_ACCESSES"], W["BRANCHES"], W["MISPREDICTS"]

B = {column.name: int(column) for column in Block}
B_KEY, B_LAST_KEY, B_LAST_VARIANT = B["KEY"], B["LAST_KEY"], B["LAST_VARIANT"]
B_LAST_TRANSITION, B_FLAGS, B_PROGRAM = B["LAST_TRANSITION"], B["FLAGS"], B["PROGRAM"]
B_EPOCH, B_SHAPE, B_NODES, B_VARIANT = B["EPOCH"], B["SHAPE"], B["NODES"], B["VARIANT"]
B_BRANCH_ADDRESS, B_TARGET, B_FIRST_ROW = B["BRANCH_ADDRESS"], B["TARGET"], B["FIRST_ROW"]
B_LAST_ROW, B_SEQUENCE, B_FUNCTION = B["LAST_ROW"], B["SEQUENCE"], B["FUNCTION"]
B_EXECUTIONS, B_BRANCH_TICKS, B_ICACHE_TICKS = B["EXECUTIONS"], B["BRANCH_TICKS"], B["ICACHE_TICKS"]
B_FLASH_TICKS, B_BUS_TICKS, B_COLUMNS = B["FLASH_TICKS"], B["BUS_TICKS"], B["COUNT"]

F_EVENT, F_PREDICATED_END = int(BlockFlag.EVENT), int(BlockFlag.PREDICATED_END)
F_BACKWARD, F_IN_CODE_CACHE = int(BlockFlag.BACKWARD), int(BlockFlag.IN_CODE_CACHE)
F_FREE_FETCH, F_ART = int(BlockFlag.FREE_FETCH), int(BlockFlag.ART)

T_CYCLES, T_BRANCH, T_NEXT, T_COUNT = (
    int(Tra.CYCLES),
    int(Tra.BRANCH),
    int(Tra.NEXT),
    int(Tra.COUNT),
)
T_KEY, T_VARIANT, T_COLUMNS = int(Tra.KEY), int(Tra.VARIANT), int(Tra.COLUMNS)
G_A, G_KA, G_B, G_KB = int(Grp.A), int(Grp.KA), int(Grp.B), int(Grp.KB)
G_PREDICATE, G_MASK, G_SHIFT = int(Grp.PREDICATE), int(Grp.MASK), int(Grp.SHIFT)
G_CLUSTERS, G_COLUMNS = int(Grp.CLUSTERS), int(Grp.COLUMNS)
C_LOW, C_HIGH, C_STORE, C_ACCESSES = int(Clu.LOW), int(Clu.HIGH), int(Clu.STORE), int(Clu.ACCESSES)
C_ROW, C_COLUMNS = int(Clu.ROW), int(Clu.COLUMNS)
R_CACHEABLE, R_UNCACHED_READ = int(Reg.CACHEABLE), int(Reg.UNCACHED_READ)
R_UNCACHED_WRITE, R_FREE = int(Reg.UNCACHED_WRITE), int(Reg.FREE)
R_NARROW_RMW, R_FLASH, R_HOST = int(Reg.NARROW_RMW), int(Reg.FLASH), int(Reg.HOST)
R_FETCH_CHUNK, R_FETCH_LINE, R_COLUMNS = int(Reg.FETCH_CHUNK), int(Reg.FETCH_LINE), int(Reg.COLUMNS)
R_END = int(Reg.END)
FR_INDEX, FR_DEPTH, FR_CYCLES = int(Frm.INDEX), int(Frm.DEPTH), int(Frm.CYCLES)
FR_INSTRUCTIONS, FR_STACK = int(Frm.INSTRUCTIONS), int(Frm.STACK)
FR_OUTER_LOWEST, FR_COLUMNS = int(Frm.OUTER_LOWEST), int(Frm.COLUMNS)
M_CALLS, M_COLD_CYCLES = int(Mea.CALLS), int(Mea.COLD_CYCLES)
M_COLD_INSTRUCTIONS, M_WARM = int(Mea.COLD_INSTRUCTIONS), int(Mea.WARM)
M_WARM_CYCLES, M_WARM_MIN, M_WARM_MAX = int(Mea.WARM_CYCLES), int(Mea.WARM_MIN), int(Mea.WARM_MAX)
M_WARM_INSTRUCTIONS, M_STACK_PEAK = int(Mea.WARM_INSTRUCTIONS), int(Mea.STACK_PEAK)
M_COLUMNS = int(Mea.COLUMNS)

O_LINEAR, O_LOAD, O_AND, O_ORR, O_EOR = (
    int(o) for o in (Op.LINEAR, Op.LOAD, Op.AND, Op.ORR, Op.EOR)
)
O_MUL, O_LSL, O_LSR, O_ASR = int(Op.MUL), int(Op.LSL), int(Op.LSR), int(Op.ASR)
O_AND_IMM, O_ORR_IMM, O_EOR_IMM = int(Op.AND_IMM), int(Op.ORR_IMM), int(Op.EOR_IMM)
O_LSR_IMM, O_ASR_IMM, O_SIGN_EXTEND = int(Op.LSR_IMM), int(Op.ASR_IMM), int(Op.SIGN_EXTEND)
O_CONDITION, O_SELECT, O_ROR_IMM = int(Op.CONDITION), int(Op.SELECT), int(Op.ROR_IMM)

END_FALL, END_CONDITIONAL, END_JUMP = int(End.FALL), int(End.CONDITIONAL), int(End.JUMP)
END_CALL, END_CALL_INDIRECT, END_RETURN = int(End.CALL), int(End.CALL_INDIRECT), int(End.RETURN)
REASON_NEW, REASON_BUDGET = int(Reason.NEW_BLOCK), int(Reason.BUDGET)
REASON_EVENT, REASON_OVERFLOW = int(Reason.EVENT), int(Reason.STACK_OVERFLOW)
REASON_UNALIGNED, REASON_PASS = int(Reason.UNALIGNED), int(Reason.PASS)
REASON_DIVIDE = int(Reason.DIVIDE_BY_ZERO)
_U32 = 0xFFFFFFFF


@compiled
def stop(machine: Any, handle: int, reason: int) -> None:
    machine[W_REASON] = reason
    call_with_handle(machine[W_EMU_STOP], handle)


@compiled
def read_value(machine: Any, values: Any, index: int) -> int:
    """A register at block entry (below 16) or the result of a micro-op."""
    if index < 16:
        return load_u32(machine[W_REGISTERS] + 4 * index)
    return values[index]


@compiled
def holds(condition: int, left: int, right: int) -> int:
    """Whether an Arm condition (capstone's numbering) holds after `cmp left, right`."""
    signed_left = left - ((left & 0x80000000) << 1)
    signed_right = right - ((right & 0x80000000) << 1)
    difference = (left - right) & _U32
    if condition == 1:
        return int(left == right)
    if condition == 2:
        return int(left != right)
    if condition == 3:
        return int(left >= right)
    if condition == 4:
        return int(left < right)
    if condition == 5:
        return int((difference & 0x80000000) != 0)
    if condition == 6:
        return int((difference & 0x80000000) == 0)
    if condition == 7 or condition == 8:
        overflow = signed_left - signed_right != difference - ((difference & 0x80000000) << 1)
        return int(overflow == (condition == 7))
    if condition == 9:
        return int(left > right)
    if condition == 10:
        return int(left <= right)
    if condition == 11:
        return int(signed_left >= signed_right)
    if condition == 12:
        return int(signed_left < signed_right)
    if condition == 13:
        return int(signed_left > signed_right)
    if condition == 14:
        return int(signed_left <= signed_right)
    return 1


@compiled
def evaluate_nodes(machine: Any, values: Any, first: int, count: int) -> None:
    """Run a block's micro-ops: the values that its addresses need."""
    nodes = words64(machine, W_NODES)
    for position in range(count):
        at = (first + position) * NODE_COLUMNS
        op = nodes[at]
        a_index = nodes[at + 1]
        b_index = nodes[at + 2]
        imm = nodes[at + 3]
        a = read_value(machine, values, a_index) if a_index >= 0 else 0
        result = np.int64(0)
        if op == O_LINEAR:
            result = a * imm + nodes[at + 5]
            if b_index >= 0:
                result += read_value(machine, values, b_index) * nodes[at + 4]
        elif op == O_LOAD:
            address = (a + nodes[at + 5]) & _U32
            host = words64(machine, W_REGIONS)[region_at(machine, address) * R_COLUMNS + R_HOST]
            if host != 0:
                if imm == 4:
                    result = load_u32(host + address)
                elif imm == 2:
                    result = load_u16(host + address)
                    if nodes[at + 4] != 0:
                        result = result - ((result & 0x8000) << 1)
                else:
                    result = load_u8(host + address)
                    if nodes[at + 4] != 0:
                        result = result - ((result & 0x80) << 1)
        elif op == O_AND_IMM:
            result = a & imm
        elif op == O_ORR_IMM:
            result = a | imm
        elif op == O_EOR_IMM:
            result = a ^ imm
        elif op == O_LSR_IMM:
            result = a >> imm
        elif op == O_ASR_IMM:
            result = (a - ((a & 0x80000000) << 1)) >> imm
        elif op == O_ROR_IMM:
            result = (a >> imm) | (a << (32 - imm))
        elif op == O_SIGN_EXTEND:
            masked = a & ((1 << imm) - 1)
            result = masked - ((masked >> (imm - 1)) << imm)
        else:
            b = read_value(machine, values, b_index)
            if op == O_AND:
                result = a & b
            elif op == O_ORR:
                result = a | b
            elif op == O_EOR:
                result = a ^ b
            elif op == O_MUL:
                result = a * b
            elif op == O_LSL:
                result = a << (b & 63) if (b & 0xFF) < 32 else 0
            elif op == O_LSR:
                result = a >> (b & 63) if (b & 0xFF) < 32 else 0
            elif op == O_ASR:
                result = (a - ((a & 0x80000000) << 1)) >> min(b & 0xFF, 31)
            elif op == O_CONDITION:
                result = holds(imm, a, b)
            elif op == O_SELECT:
                result = b if a != 0 else read_value(machine, values, imm)
        values[16 + position] = result & _U32


@compiled
def hash_step(value: int, more: int) -> int:
    mixed = (value ^ more) * 0x2545F4914F6CDD1D
    return mixed ^ ((mixed >> 29) & 0x7FFFFFFFF)


@compiled
def intern_state(machine: Any, row: Any) -> int:
    """The number of a pipeline state, new or known."""
    states = words32(machine, W_STATES)
    table = words32(machine, W_STATE_HASH)
    mask = machine[W_STATE_MASK]
    slot = hash_state(row, 0) & mask
    while True:
        number = np.int64(table[slot])
        if number == 0:
            break
        same = True
        at = (number - 1) * S_COLUMNS
        for column in range(S_COLUMNS):
            if states[at + column] != row[column]:
                same = False
                break
        if same:
            return number - 1
        slot = (slot + 1) & mask
    number = machine[W_STATE_COUNT]
    machine[W_STATE_COUNT] = number + 1
    for column in range(S_COLUMNS):
        states[number * S_COLUMNS + column] = row[column]
    table[slot] = np.int32(number + 1)
    if number + 2 >= machine[W_STATE_CAPACITY]:
        machine[W_NEXT_STOP] = -1  # Python makes room at the next block
    return number


@compiled
def hash_state(row: Any, at: int) -> int:
    key = np.int64(88172645463325252)
    for column in range(S_COLUMNS):
        key = hash_step(key, np.int64(row[at + column]) + 1)
    return key


@compiled
def hash_transition(key: int, variant: int) -> int:
    return hash_step(hash_step(key, variant), np.int64(7))


@compiled
def rebuild_hashes(machine: Any) -> None:
    """Fill the hash tables from the states and transitions that are known."""
    states = words32(machine, W_STATES)
    table = words32(machine, W_STATE_HASH)
    mask = machine[W_STATE_MASK]
    for slot in range(mask + 1):
        table[slot] = 0
    for number in range(machine[W_STATE_COUNT]):
        slot = hash_state(states, number * S_COLUMNS) & mask
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = np.int32(number + 1)
    transitions = words64(machine, W_TRANSITIONS)
    table = words32(machine, W_TRANSITION_HASH)
    mask = machine[W_TRANSITION_MASK]
    for slot in range(mask + 1):
        table[slot] = 0
    for number in range(machine[W_TRANSITION_COUNT]):
        at = number * T_COLUMNS
        slot = hash_transition(transitions[at + T_KEY], transitions[at + T_VARIANT]) & mask
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = np.int32(number + 1)


@compiled
def find_transition(machine: Any, key: int, variant: int, block: int, edge: int) -> int:
    """The transition for this state, block, edge and variant, simulated on first sight.

    Returns its number, or `FAULT_UNALIGNED` minus the offending row.
    """
    transitions = words64(machine, W_TRANSITIONS)
    table = words32(machine, W_TRANSITION_HASH)
    mask = machine[W_TRANSITION_MASK]
    slot = hash_transition(key, variant) & mask
    while True:
        number = np.int64(table[slot])
        if number == 0:
            break
        at = (number - 1) * T_COLUMNS
        if transitions[at + T_KEY] == key and transitions[at + T_VARIANT] == variant:
            return number - 1
        slot = (slot + 1) & mask
    record = words64(machine, W_BLOCKS)
    at = block * B_COLUMNS
    first = record[at + B_FIRST_ROW]
    last = record[at + B_LAST_ROW]
    rows = carray(pointer(machine[W_ROWS]), (last, 16), np.int32)
    state = carray(
        pointer(machine[W_STATES] + machine[W_STATE] * S_COLUMNS * 4), (S_COLUMNS,), np.int32
    )
    out = np.zeros(S_COLUMNS, np.int32)
    detail = np.zeros((1, D_COLUMNS), np.int32)
    result = simulate_block(
        state, edge, record[at + B_KEY] & _U32, rows, first, last,
        words32(machine, W_USES), words32(machine, W_DEFS), variant,
        carray(pointer(machine[W_LATENCY]), (27, 12), np.int64),
        words64(machine, W_FP_BUSY), words64(machine, W_SETTLED), words64(machine, W_PARAMS),
        out, detail, False,
    )  # fmt: skip
    if result <= FAULT_UNALIGNED:
        return result
    next_state = intern_state(machine, out)
    number = machine[W_TRANSITION_COUNT]
    machine[W_TRANSITION_COUNT] = number + 1
    into = number * T_COLUMNS
    transitions[into + T_CYCLES] = result // 64
    transitions[into + T_BRANCH] = result % 64
    transitions[into + T_NEXT] = next_state
    transitions[into + T_COUNT] = 0
    transitions[into + T_KEY] = key
    transitions[into + T_VARIANT] = variant
    table[slot] = np.int32(number + 1)
    if number + 2 >= machine[W_TRANSITION_CAPACITY]:
        machine[W_NEXT_STOP] = -1
    return number


@compiled
def settle_branch(machine: Any, record: Any, before: int, flags: int, address: int) -> int:
    """How the branch that ended the block before was predicted: the edge into this one."""
    end = (flags >> 16) & 15
    taken = address != machine[W_FALLTHROUGH]
    machine[W_BRANCHES] += 1
    btac = words64(machine, W_BTAC)
    branch = record[before + B_BRANCH_ADDRESS]
    slot = ((branch >> 1) & machine[W_BTAC_MASK]) * 4
    known = btac[slot] == branch
    conditional = end == END_CONDITIONAL or (flags & F_PREDICATED_END) != 0
    if conditional:
        if known:
            predicted = btac[slot + 1] >= 2
        else:
            predicted = (flags & F_BACKWARD) != 0
        if taken:
            if not known:
                btac[slot] = branch
                btac[slot + 1] = 2
                btac[slot + 2] = address
            elif btac[slot + 1] < 3:
                btac[slot + 1] += 1
        elif known and btac[slot + 1] > 0:
            btac[slot + 1] -= 1
        if predicted != taken:
            machine[W_MISPREDICTS] += 1
            return EDGE_MISPREDICTED
        if not taken:
            return EDGE_SEQUENTIAL
        if end == END_CONDITIONAL:
            return EDGE_TAKEN if known else EDGE_REDIRECTED
    elif not known:
        btac[slot] = branch
        btac[slot + 1] = 2
        if end == END_JUMP or end == END_CALL:
            btac[slot + 2] = address
            return EDGE_REDIRECTED
    elif end == END_JUMP or end == END_CALL:
        return EDGE_TAKEN
    # Indirect: right when the target is the one of last time.
    right = known and btac[slot + 2] == address
    btac[slot + 2] = address
    if right:
        return EDGE_TAKEN
    machine[W_MISPREDICTS] += 1
    return EDGE_MISPREDICTED


@compiled
def finish_frames(machine: Any, depth: int) -> None:
    """End the measured calls that were made at a call depth above `depth`."""
    frames = words64(machine, W_FRAMES)
    measured = words64(machine, W_MEASURED)
    while machine[W_FRAME_DEPTH] > 0:
        at = (machine[W_FRAME_DEPTH] - 1) * FR_COLUMNS
        if frames[at + FR_DEPTH] <= depth:
            return
        machine[W_FRAME_DEPTH] -= 1
        into = frames[at + FR_INDEX] * M_COLUMNS
        cycles = machine[W_CYCLES] - frames[at + FR_CYCLES]
        instructions = machine[W_INSTRUCTIONS] - frames[at + FR_INSTRUCTIONS]
        lowest = machine[W_FRAME_LOWEST]
        peak = frames[at + FR_STACK] - lowest
        measured[into + M_STACK_PEAK] = max(measured[into + M_STACK_PEAK], peak)
        if measured[into + M_CALLS] == 0:
            measured[into + M_COLD_CYCLES] = cycles
            measured[into + M_COLD_INSTRUCTIONS] = instructions
        else:
            if measured[into + M_WARM] == 0:
                measured[into + M_WARM_MIN] = cycles
                measured[into + M_WARM_MAX] = cycles
            measured[into + M_WARM] += 1
            measured[into + M_WARM_CYCLES] += cycles
            measured[into + M_WARM_INSTRUCTIONS] += instructions
            measured[into + M_WARM_MIN] = min(measured[into + M_WARM_MIN], cycles)
            measured[into + M_WARM_MAX] = max(measured[into + M_WARM_MAX], cycles)
        measured[into + M_CALLS] += 1
        machine[W_FRAME_LOWEST] = min(lowest, frames[at + FR_OUTER_LOWEST])


@compiled
def follow_calls(machine: Any, end: int, address: int, stack: int) -> None:
    """Keep the shadow stack of return addresses after a call or a return."""
    shadow = words64(machine, W_SHADOW)
    depth = machine[W_SHADOW_DEPTH]
    if end == END_CALL or end == END_CALL_INDIRECT:
        if address != machine[W_FALLTHROUGH] and depth < machine[W_SHADOW_CAPACITY]:
            shadow[3 * depth] = machine[W_FALLTHROUGH]
            shadow[3 * depth + 1] = stack
            machine[W_SHADOW_DEPTH] = depth + 1
        return
    look = depth - 1
    while look >= 0 and look >= depth - 64:
        if shadow[3 * look] == address and shadow[3 * look + 1] <= stack:
            machine[W_SHADOW_DEPTH] = look
            if machine[W_FRAME_DEPTH] > 0:
                finish_frames(machine, look)
            return
        look -= 1


@compiled
def begin_measured(machine: Any, index: int, stack: int) -> None:
    frames = words64(machine, W_FRAMES)
    depth = machine[W_FRAME_DEPTH]
    if depth >= machine[W_FRAME_CAPACITY]:
        return
    at = depth * FR_COLUMNS
    frames[at + FR_INDEX] = index
    frames[at + FR_DEPTH] = machine[W_SHADOW_DEPTH]
    frames[at + FR_CYCLES] = machine[W_CYCLES]
    frames[at + FR_INSTRUCTIONS] = machine[W_INSTRUCTIONS]
    frames[at + FR_STACK] = stack
    frames[at + FR_OUTER_LOWEST] = machine[W_FRAME_LOWEST]
    machine[W_FRAME_LOWEST] = stack
    machine[W_FRAME_DEPTH] = depth + 1


@compiled
def note_deepest(machine: Any, address: int, lowest: int) -> bool:
    """A new low of the stack pointer: keep the call path. True when it left the stack."""
    machine[W_FRAME_LOWEST] = min(machine[W_FRAME_LOWEST], lowest)
    if lowest >= machine[W_STACK_LOWEST]:
        return False
    if lowest < machine[W_STACK_LIMIT]:
        return True
    machine[W_STACK_LOWEST] = lowest
    shadow = words64(machine, W_SHADOW)
    deepest = words64(machine, W_DEEPEST)
    for level in range(machine[W_SHADOW_DEPTH]):
        deepest[level] = shadow[3 * level]
    machine[W_DEEPEST_DEPTH] = machine[W_SHADOW_DEPTH]
    machine[W_DEEPEST_ADDRESS] = address
    return False


@compiled
def fetch_block(machine: Any, record: Any, at: int, flags: int, address: int, size: int) -> int:
    """Stall of fetching a block's code, in ticks; charged to the block."""
    first = address >> 5
    last = (address + size - 1) >> 5
    region = region_at(machine, address)
    if (flags & F_ART) != 0 and machine[W_ART_ON] != 0:
        ticks = art_walk(machine, first, last, region)
        record[at + B_FLASH_TICKS] += ticks
        return ticks
    if (flags & F_IN_CODE_CACHE) != 0 and machine[W_ICACHE_ON] != 0:
        ticks = icache_walk(machine, first, last, region)
        record[at + B_ICACHE_TICKS] += ticks
        record[at + B_EPOCH] = machine[W_EPOCH]
        return ticks
    regions = words64(machine, W_REGIONS)
    into = region * R_COLUMNS
    chunks = ((address + size - 1) >> 3) - (address >> 3) + 1
    ticks = chunks * regions[into + R_FETCH_CHUNK]
    lines = last - first + 1
    if first == machine[W_FLASH_LAST]:
        lines -= 1
    machine[W_FLASH_LAST] = last
    ticks += lines * regions[into + R_FETCH_LINE]
    if regions[into + R_FLASH] != 0:
        record[at + B_FLASH_TICKS] += ticks
    else:
        record[at + B_BUS_TICKS] += ticks
    return ticks


@compiled
def charge_row(machine: Any, row: int, column: int, ticks: int) -> None:
    words64(machine, W_ROW_STALLS)[row * 4 + column] += ticks


@compiled
def touch(machine: Any, address: int, last: int, accesses: int, is_store: bool, row: int) -> int:
    """Accesses to bytes `[address, last]`, at most two lines; ticks of stall."""
    regions = words64(machine, W_REGIONS)
    region = region_at(machine, address)
    into = region * R_COLUMNS
    if regions[into + R_FREE] != 0:
        return 0
    machine[W_DCACHE_ACCESSES] += accesses
    if regions[into + R_CACHEABLE] != 0 and machine[W_DCACHE_ON] != 0:
        line = address >> 5
        ticks = dcache_access(machine, line, region, is_store)
        if (last >> 5) != line:
            ticks += dcache_access(machine, last >> 5, region, is_store)
        if ticks != 0:
            charge_row(machine, row, 0, ticks)
            charge_row(machine, row, 3, 1)
        return ticks
    if is_store:
        ticks = accesses * regions[into + R_UNCACHED_WRITE]
    else:
        ticks = accesses * regions[into + R_UNCACHED_READ]
    charge_row(machine, row, 1 if regions[into + R_FLASH] != 0 else 2, ticks)
    return ticks


@compiled
def data_accesses(machine: Any, program: int, with_caches: bool) -> tuple[int, int]:
    """Evaluate a block's access groups: `(stall in ticks, variant)`."""
    groups = words64(machine, W_GROUPS)
    clusters = words64(machine, W_CLUSTERS)
    values = words64(machine, W_VALUES)
    regions = words64(machine, W_REGIONS)
    ticks = np.int64(0)
    variant = np.int64(0)
    first = program & _U32
    for group in range(first, first + (program >> 32)):
        at = group * G_COLUMNS
        base = np.int64(0)
        index = groups[at + G_A]
        if index >= 0:
            base = read_value(machine, values, index) * groups[at + G_KA]
        index = groups[at + G_B]
        if index >= 0:
            base += read_value(machine, values, index) * groups[at + G_KB]
        base &= _U32
        shift = groups[at + G_SHIFT]
        region = np.int64(-1)
        if shift >= 0:
            variant |= (base & groups[at + G_MASK]) << (shift & 0xFF)
            if shift >= 256:
                region = region_at(machine, base)
                if regions[region * R_COLUMNS + R_NARROW_RMW] != 0:
                    variant |= 8 << (shift & 0xFF)
        if not with_caches:
            continue
        index = groups[at + G_PREDICATE]
        if index >= 0 and values[index] == 0:
            continue
        packed = groups[at + G_CLUSTERS]
        start = packed & _U32
        low = (base + clusters[start * C_COLUMNS + C_LOW]) & _U32
        region = region_at(machine, low)
        if regions[region * R_COLUMNS + R_FREE] != 0:
            continue
        for cluster in range(start, start + (packed >> 32)):
            into = cluster * C_COLUMNS
            ticks += touch(
                machine,
                (base + clusters[into + C_LOW]) & _U32,
                (base + clusters[into + C_HIGH]) & _U32,
                clusters[into + C_ACCESSES],
                clusters[into + C_STORE] != 0,
                clusters[into + C_ROW],
            )
    return ticks, variant


@compiled
def enter_block(machine: Any, handle: int, address: int, size: int) -> None:
    """One execution of a block begins."""
    if machine[W_REASON] == REASON_PASS:
        return
    if machine[W_READ_BATCH] != 0:
        read_registers(
            machine[W_READ_BATCH], handle, machine[W_BATCH_IDS], machine[W_BATCH_POINTERS]
        )
    base = np.int64(words32(machine, W_PAGES)[address >> 14])
    number = np.int64(-1)
    if base >= 0:
        number = np.int64(words32(machine, W_LOOKUP)[base + ((address & 0x3FFF) >> 1)])
    record = words64(machine, W_BLOCKS)
    at = number * B_COLUMNS
    if number < 0 or record[at + B_KEY] != (address | (size << 32)):
        machine[W_WANTED_ADDRESS] = address
        machine[W_WANTED_SIZE] = size
        stop(machine, handle, REASON_NEW)
        return
    mode = machine[W_MODE]
    if (machine[W_CYCLES] if mode != 0 else machine[W_INSTRUCTIONS] << 8) >= machine[W_NEXT_STOP]:
        machine[W_WANTED_ADDRESS] = address
        stop(machine, handle, REASON_BUDGET)
        return
    flags = record[at + B_FLAGS]
    if (flags & F_EVENT) != 0:
        if machine[W_SKIP_EVENT] == 0:
            machine[W_WANTED_ADDRESS] = address
            machine[W_WANTED_SIZE] = number
            stop(machine, handle, REASON_EVENT)
            return
        machine[W_SKIP_EVENT] = 0
    stack = load_u32(machine[W_REGISTERS] + 52)

    # The branch that led here.
    edge = np.int64(EDGE_SEQUENTIAL)
    previous = machine[W_PREVIOUS]
    before = previous * B_COLUMNS
    end = np.int64(END_FALL)
    if previous >= 0:
        previous_flags = record[before + B_FLAGS]
        end = (previous_flags >> 16) & 15
        if end != END_FALL:
            if mode != 0:
                edge = settle_branch(machine, record, before, previous_flags, address)
            if end >= END_CALL:
                follow_calls(machine, end, address, stack)
    measured = flags >> 24
    if measured != 0 and (
        previous < 0
        or end == END_CALL
        or end == END_CALL_INDIRECT
        or record[before + B_FUNCTION] != record[at + B_FUNCTION]
    ):
        begin_measured(machine, measured - 1, stack)

    # Stack.
    shape = record[at + B_SHAPE]
    lowest = stack - (shape >> 32)
    if lowest < machine[W_FRAME_LOWEST] or lowest < machine[W_STACK_LOWEST]:
        if note_deepest(machine, address, lowest):
            machine[W_WANTED_ADDRESS] = address
            stop(machine, handle, REASON_OVERFLOW)
            return

    machine[W_ACCESS_INDEX] = 0
    machine[W_ENTRY_CYCLES] = machine[W_CYCLES]
    if mode == 0:
        record[at + B_EXECUTIONS] += 1
    else:
        ticks = np.int64(0)
        if mode == 2:
            if (flags & F_FREE_FETCH) == 0:
                fresh = record[at + B_EPOCH] == machine[W_EPOCH] and machine[W_LRU] == 0
                if not (fresh and machine[W_ICACHE_ON] != 0 and (flags & F_IN_CODE_CACHE) != 0):
                    ticks += fetch_block(machine, record, at, flags, address, size)
        variant = np.int64(0)
        program = record[at + B_PROGRAM]
        if program >> 32 != 0:
            nodes = record[at + B_NODES]
            if nodes >> 32 != 0:
                evaluate_nodes(machine, words64(machine, W_VALUES), nodes & _U32, nodes >> 32)
            stalls, variant = data_accesses(machine, program, mode == 2 and machine[W_HOOKED] == 0)
            ticks += stalls
            flip = record[at + B_VARIANT]
            if (variant & (flip & -flip)) != 0:
                variant ^= flip
        key = machine[W_STATE] | (edge << 22) | (number << 24)
        if record[at + B_LAST_KEY] == key and record[at + B_LAST_VARIANT] == variant:
            transition = record[at + B_LAST_TRANSITION]
        else:
            transition = find_transition(machine, key, variant, number, edge)
            if transition <= FAULT_UNALIGNED:
                machine[W_FAULT_ROW] = FAULT_UNALIGNED - transition
                machine[W_WANTED_ADDRESS] = address
                stop(machine, handle, REASON_UNALIGNED)
                return
            record[at + B_LAST_KEY] = key
            record[at + B_LAST_VARIANT] = variant
            record[at + B_LAST_TRANSITION] = transition
        transitions = words64(machine, W_TRANSITIONS)
        into = transition * T_COLUMNS
        transitions[into + T_COUNT] += 1
        branch = transitions[into + T_BRANCH]
        if branch != 0:
            record[before + B_BRANCH_TICKS] += branch * TICKS
        machine[W_STATE] = transitions[into + T_NEXT]
        machine[W_TRANSITION] = transition
        machine[W_CYCLES] += ticks + transitions[into + T_CYCLES] * TICKS
    machine[W_INSTRUCTIONS] += shape & _U32
    machine[W_PREVIOUS] = number
    machine[W_FALLTHROUGH] = address + size


@compiled
def hooked_access(machine: Any, address: int, size: int, is_store: bool) -> None:
    """One access that the emulator reports (exact mode)."""
    machine[W_HOOKED_COUNT] += 1
    row = np.int64(-1)
    previous = machine[W_PREVIOUS]
    if previous >= 0:
        record = words64(machine, W_BLOCKS)
        sequence = record[previous * B_COLUMNS + B_SEQUENCE]
        index = machine[W_ACCESS_INDEX]
        machine[W_ACCESS_INDEX] = index + 1
        row = record[previous * B_COLUMNS + B_FIRST_ROW]
        if index < sequence >> 32:
            row = np.int64(words32(machine, W_SEQUENCE)[(sequence & _U32) + index])
    if machine[W_MODE] == 2 and row >= 0:
        machine[W_CYCLES] += touch(machine, address, address + size - 1, 1, is_store, row)
    if machine[W_TRACE] != 0:
        trace_access(machine, machine[W_TRACE], address, size, is_store, row)


@cfunc(types.void(types.int64, types.uint64, types.uint32, types.int64), cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def on_block(handle: int, address: int, size: int, user: int) -> None:
    machine = carray(pointer(user), (W_COUNT,), np.int64)
    enter_block(machine, handle, np.int64(address), np.int64(size))


@cfunc(
    types.void(types.int64, types.int32, types.uint64, types.int32, types.int64, types.int64),
    cache=True,
)  # type: ignore[untyped-decorator]  # numba has no types
def on_access(handle: int, kind: int, address: int, size: int, value: int, user: int) -> None:  # noqa: ARG001  # unicorn's signature
    machine = carray(pointer(user), (W_COUNT,), np.int64)
    if machine[W_SKIP_SYNC] != 0:
        store_u8(handle + machine[W_SKIP_SYNC], 1)
    hooked_access(machine, np.int64(address), np.int64(size), kind == 17)


@cfunc(types.void(types.int64, types.uint64, types.uint32, types.int64), cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def on_divide(handle: int, address: int, size: int, user: int) -> None:  # noqa: ARG001  # unicorn's signature
    """Before a division whose zero divisor traps; `user` holds (words, divisor's register)."""
    site = carray(pointer(user), (2,), np.int64)
    machine = carray(pointer(site[0]), (W_COUNT,), np.int64)
    if machine[W_REASON] == REASON_PASS:
        return
    if machine[W_READ_BATCH] != 0:
        read_registers(
            machine[W_READ_BATCH], handle, machine[W_BATCH_IDS], machine[W_BATCH_POINTERS]
        )
    if load_u32(machine[W_REGISTERS] + 4 * site[1]) == 0:
        machine[W_WANTED_ADDRESS] = np.int64(address)
        stop(machine, handle, REASON_DIVIDE)
