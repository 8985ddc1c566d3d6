"""The native hooks: what runs at every block (and, in the exact mode, at every access).

`enter_block` is the hot path. In order: find the block, stop where Python must look, settle the
branch that led here, follow calls, fetch, data accesses, and the memoised transition of the
pipeline. Every stop happens before anything was changed, so that the same block can be entered
again after Python has done its part.
"""

from __future__ import annotations

import numpy as np
from numba import carray, cfunc, types

from emu.backends.intrinsics import (
    call_with_handle,
    get,
    get8,
    get32,
    load_u8,
    load_u16,
    load_u32,
    pointer,
    put,
    put8,
    put32,
    read_registers,
)
from emu.backends.layout import (
    NODE_COLUMNS,
    PLACE_CACHEABLE,
    PLACE_FREE,
    TICKS,
    Block,
    BlockFlag,
    Clu,
    Cold,
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
)
from emu.backends.trace_hook import trace_access
from emu.core.addresses import Op
from emu.core.compiled import compiled, inlined
from emu.core.decode import End
from emu.core.pipeline import (
    D_COLUMNS,
    EDGE_MISPREDICTED,
    EDGE_REDIRECTED,
    EDGE_SEQUENTIAL,
    EDGE_TAKEN,
    FAULT_UNALIGNED,
    I_COLUMNS,
    S_COLUMNS,
    simulate_block,
)
from emu.core.timing_table import Need, Param, Producer

PRODUCERS, NEEDS, PARAMS = len(Producer), len(Need), len(Param)
_MANY = 1 << 40  # carray wants a length; the rows that are read are known to exist

W = {word.name: int(word) for word in Word}
W_MODE, W_HOOKED, W_REGISTERS, W_EMU_STOP = W["MODE"], W["HOOKED"], W["REGISTERS"], W["EMU_STOP"]
W_PAGES, W_LOOKUP, W_BLOCKS, W_ROWS = W["PAGES"], W["LOOKUP"], W["BLOCKS"], W["ROWS"]
W_USES, W_DEFS, W_NODES, W_GROUPS = W["USES"], W["DEFS"], W["NODES"], W["GROUPS"]
W_CLUSTERS, W_ROW_STALLS, W_SEQUENCE = W["CLUSTERS"], W["ROW_STALLS"], W["SEQUENCE"]
W_TRANSITIONS, W_TRANSITION_HASH = W["TRANSITIONS"], W["TRANSITION_HASH"]
W_STATES, W_STATE_HASH, W_LATENCY = W["STATES"], W["STATE_HASH"], W["LATENCY"]
W_FP_BUSY, W_SETTLED, W_PARAMS = W["FP_BUSY"], W["SETTLED"], W["PARAMS"]
W_REGIONS, W_BTAC, W_SHADOW = W["REGIONS"], W["BTAC"], W["SHADOW"]
W_COLD = W["COLD_BLOCKS"]
W_DEEPEST, W_FRAMES, W_MEASURED = W["DEEPEST"], W["FRAMES"], W["MEASURED"]
W_VALUES, W_TRACE = W["VALUES"], W["TRACE"]
W_READ_BATCH, W_BATCH_IDS, W_BATCH_POINTERS = W["READ_BATCH"], W["BATCH_IDS"], W["BATCH_POINTERS"]
W_SKIP_SYNC, W_SCRATCH = W["SKIP_SYNC"], W["SCRATCH"]
W_DTAGS, W_DSETS, W_FAST_DATA = W["DTAGS"], W["DSETS"], W["FAST_DATA"]
W_ATTRIBUTES = W["ATTRIBUTES"]
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
W_INSTRUCTIONS, W_NEXT_STOP, W_SPECIAL = W["INSTRUCTIONS"], W["NEXT_STOP"], W["SPECIAL"]
W_SKIP_EVENT, W_STATE_COUNT = W["SKIP_EVENT"], W["STATE_COUNT"]
W_TRANSITION_COUNT, W_ACCESS_INDEX = W["TRANSITION_COUNT"], W["ACCESS_INDEX"]
W_HOOKED_COUNT, W_STACK_LOWEST = W["HOOKED_COUNT"], W["STACK_LOWEST"]
W_FRAME_LOWEST, W_STACK_LIMIT = W["STACK_FRAME_LOWEST"], W["STACK_LIMIT"]
W_SHADOW_DEPTH, W_SHADOW_CAPACITY = W["SHADOW_DEPTH"], W["SHADOW_CAPACITY"]
W_DEEPEST_DEPTH, W_DEEPEST_ADDRESS = W["DEEPEST_DEPTH"], W["DEEPEST_ADDRESS"]
W_FRAME_DEPTH, W_FRAME_CAPACITY = W["FRAME_DEPTH"], W["FRAME_CAPACITY"]
W_DCACHE_ACCESSES = W["DCACHE_ACCESSES"]

B_KEY, B_FLAGS, B_SHAPE = int(Block.KEY), int(Block.FLAGS), int(Block.SHAPE)
B_PROGRAM, B_NODES, B_FLIP = int(Block.PROGRAM), int(Block.NODES), int(Block.FLIP)
B_EPOCH, B_EXECUTIONS, B_COLUMNS = int(Block.EPOCH), int(Block.EXECUTIONS), int(Block.COLUMNS)
K_FIRST_ROW, K_LAST_ROW = int(Cold.FIRST_ROW), int(Cold.LAST_ROW)
K_SEQUENCE, K_FUNCTION = int(Cold.SEQUENCE), int(Cold.FUNCTION)
K_BRANCH_TICKS, K_ICACHE_TICKS = int(Cold.BRANCH_TICKS), int(Cold.ICACHE_TICKS)
K_FLASH_TICKS, K_BUS_TICKS, K_COLUMNS = (
    int(Cold.FLASH_TICKS),
    int(Cold.BUS_TICKS),
    int(Cold.COLUMNS),
)

F_EVENT, F_PREDICATED_END = int(BlockFlag.EVENT), int(BlockFlag.PREDICATED_END)
F_TABLE_BRANCH = int(BlockFlag.TABLE_BRANCH)
F_BACKWARD, F_IN_CODE_CACHE = int(BlockFlag.BACKWARD), int(BlockFlag.IN_CODE_CACHE)
F_FREE_FETCH, F_ART = int(BlockFlag.FREE_FETCH), int(BlockFlag.ART)

T_RESULT, T_COUNT, T_KEY = int(Tra.RESULT), int(Tra.COUNT), int(Tra.KEY)
T_VARIANT, T_COLUMNS = int(Tra.VARIANT), int(Tra.COLUMNS)
T_GUESS, T_GUESS_VARIANT = int(Tra.GUESS), int(Tra.GUESS_VARIANT)
T_OTHER, T_OTHER_VARIANT = int(Tra.OTHER), int(Tra.OTHER_VARIANT)
G_A, G_KA, G_B, G_KB = int(Grp.A), int(Grp.KA), int(Grp.B), int(Grp.KB)
G_PREDICATE, G_MASK, G_SHIFT = int(Grp.PREDICATE), int(Grp.MASK), int(Grp.SHIFT)
G_CLUSTERS, G_COLUMNS = int(Grp.CLUSTERS), int(Grp.COLUMNS)
C_WHERE, C_ROW, C_COLUMNS = int(Clu.WHERE), int(Clu.ROW), int(Clu.COLUMNS)
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
def stop(machine: int, handle: int, reason: int) -> None:
    put(machine, W_REASON, reason)
    call_with_handle(get(machine, W_EMU_STOP), handle)


@compiled
def copy_registers(machine: int, handle: int) -> None:
    """Refresh the registers where they cannot be read in place."""
    if get(machine, W_READ_BATCH) != 0:
        read_registers(
            get(machine, W_READ_BATCH),
            handle,
            get(machine, W_BATCH_IDS),
            get(machine, W_BATCH_POINTERS),
        )


@inlined
def read_value(machine: int, values: int, index: int) -> int:
    """A register at block entry (below 16) or the result of a micro-op."""
    if index < 16:
        return load_u32(get(machine, W_REGISTERS) + 4 * index)
    return get(values, index)


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
def evaluate_nodes(machine: int, values: int, first: int, count: int) -> None:
    """Run a block's micro-ops: the values that its addresses need."""
    nodes = get(machine, W_NODES)
    for position in range(count):
        at = (first + position) * NODE_COLUMNS
        op = get(nodes, at)
        a_index = get(nodes, at + 1)
        b_index = get(nodes, at + 2)
        imm = get(nodes, at + 3)
        a = read_value(machine, values, a_index) if a_index >= 0 else 0
        result = np.int64(0)
        if op == O_LINEAR:
            result = a * imm + get(nodes, at + 5)
            if b_index >= 0:
                result += read_value(machine, values, b_index) * get(nodes, at + 4)
        elif op == O_LOAD:
            address = (a + get(nodes, at + 5)) & _U32
            host = get(get(machine, W_REGIONS), region_at(machine, address) * R_COLUMNS + R_HOST)
            if host != 0:
                if imm == 4:
                    result = load_u32(host + address)
                elif imm == 2:
                    result = load_u16(host + address)
                    if get(nodes, at + 4) != 0:
                        result = result - ((result & 0x8000) << 1)
                else:
                    result = load_u8(host + address)
                    if get(nodes, at + 4) != 0:
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
        put(values, 16 + position, result & _U32)


@compiled
def hash_step(value: int, more: int) -> int:
    mixed = (value ^ more) * 0x2545F4914F6CDD1D
    return mixed ^ ((mixed >> 29) & 0x7FFFFFFFF)


@compiled
def intern_state(machine: int, row: int) -> int:
    """The number of a pipeline state, new or known."""
    states = get(machine, W_STATES)
    table = get(machine, W_STATE_HASH)
    mask = get(machine, W_STATE_MASK)
    slot = hash_state(row, 0) & mask
    while True:
        number = get32(table, slot)
        if number == 0:
            break
        same = True
        at = (number - 1) * S_COLUMNS
        for column in range(S_COLUMNS):
            if get32(states, at + column) != get32(row, column):
                same = False
                break
        if same:
            return number - 1
        slot = (slot + 1) & mask
    number = get(machine, W_STATE_COUNT)
    put(machine, W_STATE_COUNT, number + 1)
    for column in range(S_COLUMNS):
        put32(states, number * S_COLUMNS + column, get32(row, column))
    put32(table, slot, number + 1)
    if number + 2 >= get(machine, W_STATE_CAPACITY):
        put(machine, W_NEXT_STOP, -1)  # Python makes room at the next block
    return number


@compiled
def hash_state(row: int, at: int) -> int:
    key = np.int64(88172645463325252)
    for column in range(S_COLUMNS):
        key = hash_step(key, get32(row, at + column) + 1)
    return key


@compiled
def hash_transition(key: int, variant: int) -> int:
    return hash_step(hash_step(key, variant), np.int64(7))


@compiled
def rebuild_hashes(machine: int) -> None:
    """Fill the hash tables from the states and transitions that are known."""
    states = get(machine, W_STATES)
    table = get(machine, W_STATE_HASH)
    mask = get(machine, W_STATE_MASK)
    for slot in range(mask + 1):
        put32(table, slot, 0)
    for number in range(get(machine, W_STATE_COUNT)):
        slot = hash_state(states, number * S_COLUMNS) & mask
        while get32(table, slot) != 0:
            slot = (slot + 1) & mask
        put32(table, slot, number + 1)
    transitions = get(machine, W_TRANSITIONS)
    table = get(machine, W_TRANSITION_HASH)
    mask = get(machine, W_TRANSITION_MASK)
    for slot in range(mask + 1):
        put32(table, slot, 0)
    for number in range(get(machine, W_TRANSITION_COUNT)):
        at = number * T_COLUMNS
        slot = (
            hash_transition(get(transitions, at + T_KEY), get(transitions, at + T_VARIANT)) & mask
        )
        while get32(table, slot) != 0:
            slot = (slot + 1) & mask
        put32(table, slot, number + 1)


@compiled
def find_transition(machine: int, key: int, variant: int, block: int, edge: int) -> int:
    """The transition for this state, block, edge and variant, simulated on first sight.

    Returns its number, or `FAULT_UNALIGNED` minus the offending row.
    """
    transitions = get(machine, W_TRANSITIONS)
    table = get(machine, W_TRANSITION_HASH)
    mask = get(machine, W_TRANSITION_MASK)
    slot = hash_transition(key, variant) & mask
    while True:
        number = get32(table, slot)
        if number == 0:
            break
        at = (number - 1) * T_COLUMNS
        if get(transitions, at + T_KEY) == key and get(transitions, at + T_VARIANT) == variant:
            return number - 1
        slot = (slot + 1) & mask
    cold = get(machine, W_COLD)
    first = get(cold, block * K_COLUMNS + K_FIRST_ROW)
    last = get(cold, block * K_COLUMNS + K_LAST_ROW)
    address = get(get(machine, W_BLOCKS), block * B_COLUMNS + B_KEY) & _U32
    rows = carray(pointer(get(machine, W_ROWS)), (last, I_COLUMNS), np.int32)
    scratch = get(machine, W_SCRATCH)
    result = simulate_block(
        carray(pointer(get(machine, W_STATES) + 4 * S_COLUMNS * get(machine, W_STATE)), (S_COLUMNS,), np.int32),
        edge, address, rows, first, last,
        carray(pointer(get(machine, W_USES)), (_MANY,), np.int32),
        carray(pointer(get(machine, W_DEFS)), (_MANY,), np.int32),
        variant,
        carray(pointer(get(machine, W_LATENCY)), (PRODUCERS, NEEDS), np.int64),
        carray(pointer(get(machine, W_FP_BUSY)), (PRODUCERS,), np.int64),
        carray(pointer(get(machine, W_SETTLED)), (PRODUCERS,), np.int64),
        carray(pointer(get(machine, W_PARAMS)), (PARAMS,), np.int64),
        carray(pointer(scratch), (S_COLUMNS,), np.int32),
        carray(pointer(scratch + 4 * S_COLUMNS), (1, D_COLUMNS), np.int32),
        False,
    )  # fmt: skip
    if result <= FAULT_UNALIGNED:
        return result
    next_state = intern_state(machine, scratch)
    number = get(machine, W_TRANSITION_COUNT)
    put(machine, W_TRANSITION_COUNT, number + 1)
    into = number * T_COLUMNS
    put(transitions, into + T_RESULT, (result >> 6) | ((result & 63) << 24) | (next_state << 32))
    put(transitions, into + T_COUNT, 0)
    put(transitions, into + T_GUESS, -1)
    put(transitions, into + T_OTHER, -1)
    put(transitions, into + T_KEY, key)
    put(transitions, into + T_VARIANT, variant)
    put32(table, slot, number + 1)
    if number + 2 >= get(machine, W_TRANSITION_CAPACITY):
        put(machine, W_NEXT_STOP, -1)
    return number


@inlined
def settle_branch(machine: int, shape: int, flags: int, address: int) -> int:
    """How the branch that ended the block before was predicted: the edge into this one.

    A BTAC entry is `branch | two-bit counter << 32`, then the last target.
    """
    end = (flags >> 16) & 15
    after = get(machine, W_FALLTHROUGH)
    btac = get(machine, W_BTAC)
    branch = after - ((shape >> 16) & 0xFFFF)
    slot = ((branch >> 1) & get(machine, W_BTAC_MASK)) * 2
    entry = get(btac, slot)
    known = (entry & _U32) == branch
    if end == END_CONDITIONAL or (flags & F_PREDICATED_END) != 0:
        taken = address != after
        predicted = (entry >> 33) != 0 if known else (flags & F_BACKWARD) != 0
        if taken:
            if not known:
                put(btac, slot, branch | (2 << 32))
                put(btac, slot + 1, address)
            elif entry >> 32 < 3:
                put(btac, slot, entry + (1 << 32))
        elif known and entry >> 32 > 0:
            put(btac, slot, entry - (1 << 32))
        if predicted != taken:
            return EDGE_MISPREDICTED
        if not taken:
            return EDGE_SEQUENTIAL
        if end == END_CONDITIONAL:
            return EDGE_TAKEN if known else EDGE_REDIRECTED
    elif end == END_JUMP or end == END_CALL:
        if known:
            return EDGE_TAKEN
        put(btac, slot, branch | (2 << 32))
        put(btac, slot + 1, address)
        return EDGE_REDIRECTED
    # Indirect: right when the target is the one of last time.
    right = known and get(btac, slot + 1) == address
    put(btac, slot, branch | (2 << 32))
    put(btac, slot + 1, address)
    return EDGE_TAKEN if right else EDGE_MISPREDICTED


@compiled
def finish_frames(machine: int, depth: int) -> None:
    """End the measured calls that were made at a call depth above `depth`."""
    frames = get(machine, W_FRAMES)
    measured = get(machine, W_MEASURED)
    while get(machine, W_FRAME_DEPTH) > 0:
        at = (get(machine, W_FRAME_DEPTH) - 1) * FR_COLUMNS
        if get(frames, at + FR_DEPTH) <= depth:
            return
        put(machine, W_FRAME_DEPTH, get(machine, W_FRAME_DEPTH) - 1)
        into = get(frames, at + FR_INDEX) * M_COLUMNS
        cycles = get(machine, W_CYCLES) - get(frames, at + FR_CYCLES)
        instructions = get(machine, W_INSTRUCTIONS) - get(frames, at + FR_INSTRUCTIONS)
        lowest = get(machine, W_FRAME_LOWEST)
        peak = get(frames, at + FR_STACK) - lowest
        put(measured, into + M_STACK_PEAK, max(get(measured, into + M_STACK_PEAK), peak))
        if get(measured, into + M_CALLS) == 0:
            put(measured, into + M_COLD_CYCLES, cycles)
            put(measured, into + M_COLD_INSTRUCTIONS, instructions)
        else:
            if get(measured, into + M_WARM) == 0:
                put(measured, into + M_WARM_MIN, cycles)
                put(measured, into + M_WARM_MAX, cycles)
            put(measured, into + M_WARM, get(measured, into + M_WARM) + 1)
            put(measured, into + M_WARM_CYCLES, get(measured, into + M_WARM_CYCLES) + cycles)
            put(
                measured,
                into + M_WARM_INSTRUCTIONS,
                get(measured, into + M_WARM_INSTRUCTIONS) + instructions,
            )
            put(measured, into + M_WARM_MIN, min(get(measured, into + M_WARM_MIN), cycles))
            put(measured, into + M_WARM_MAX, max(get(measured, into + M_WARM_MAX), cycles))
        put(measured, into + M_CALLS, get(measured, into + M_CALLS) + 1)
        put(machine, W_FRAME_LOWEST, min(lowest, get(frames, at + FR_OUTER_LOWEST)))


@compiled
def follow_calls(machine: int, end: int, address: int, stack: int) -> None:
    """Keep the shadow stack of return addresses after a call or a return."""
    shadow = get(machine, W_SHADOW)
    depth = get(machine, W_SHADOW_DEPTH)
    if end == END_CALL or end == END_CALL_INDIRECT:
        if address != get(machine, W_FALLTHROUGH) and depth < get(machine, W_SHADOW_CAPACITY):
            put(shadow, 3 * depth, get(machine, W_FALLTHROUGH))
            put(shadow, 3 * depth + 1, stack)
            put(machine, W_SHADOW_DEPTH, depth + 1)
        return
    look = depth - 1
    while look >= 0 and look >= depth - 64:
        if get(shadow, 3 * look) == address and get(shadow, 3 * look + 1) <= stack:
            put(machine, W_SHADOW_DEPTH, look)
            if get(machine, W_FRAME_DEPTH) > 0:
                finish_frames(machine, look)
            return
        look -= 1


@compiled
def begin_measured(machine: int, index: int, stack: int) -> None:
    frames = get(machine, W_FRAMES)
    depth = get(machine, W_FRAME_DEPTH)
    if depth >= get(machine, W_FRAME_CAPACITY):
        return
    at = depth * FR_COLUMNS
    put(frames, at + FR_INDEX, index)
    put(frames, at + FR_DEPTH, get(machine, W_SHADOW_DEPTH))
    put(frames, at + FR_CYCLES, get(machine, W_CYCLES))
    put(frames, at + FR_INSTRUCTIONS, get(machine, W_INSTRUCTIONS))
    put(frames, at + FR_STACK, stack)
    put(frames, at + FR_OUTER_LOWEST, get(machine, W_FRAME_LOWEST))
    put(machine, W_FRAME_LOWEST, stack)
    put(machine, W_FRAME_DEPTH, depth + 1)


@compiled
def note_deepest(machine: int, address: int, lowest: int) -> bool:
    """A new low of the stack pointer: keep the call path. True when it left the stack."""
    put(machine, W_FRAME_LOWEST, min(get(machine, W_FRAME_LOWEST), lowest))
    if lowest >= get(machine, W_STACK_LOWEST):
        return False
    if lowest < get(machine, W_STACK_LIMIT):
        return True
    put(machine, W_STACK_LOWEST, lowest)
    shadow = get(machine, W_SHADOW)
    deepest = get(machine, W_DEEPEST)
    for level in range(get(machine, W_SHADOW_DEPTH)):
        put(deepest, level, get(shadow, 3 * level))
    put(machine, W_DEEPEST_DEPTH, get(machine, W_SHADOW_DEPTH))
    put(machine, W_DEEPEST_ADDRESS, address)
    return False


@compiled
def fetch_block(machine: int, number: int, flags: int, address: int, size: int) -> int:
    """Stall of fetching a block's code, in ticks; charged to the block."""
    cold = get(machine, W_COLD)
    at = number * K_COLUMNS
    first = address >> 5
    last = (address + size - 1) >> 5
    region = region_at(machine, address)
    if (flags & F_ART) != 0 and get(machine, W_ART_ON) != 0:
        ticks = art_walk(machine, first, last, region)
        put(cold, at + K_FLASH_TICKS, get(cold, at + K_FLASH_TICKS) + ticks)
        return ticks
    if (flags & F_IN_CODE_CACHE) != 0 and get(machine, W_ICACHE_ON) != 0:
        ticks = icache_walk(machine, first, last, region)
        put(cold, at + K_ICACHE_TICKS, get(cold, at + K_ICACHE_TICKS) + ticks)
        if get(machine, W_LRU) == 0:
            put(get(machine, W_BLOCKS), number * B_COLUMNS + B_EPOCH, get(machine, W_EPOCH))
        return ticks
    regions = get(machine, W_REGIONS)
    into = region * R_COLUMNS
    chunks = ((address + size - 1) >> 3) - (address >> 3) + 1
    ticks = chunks * get(regions, into + R_FETCH_CHUNK)
    lines = last - first + 1
    if first == get(machine, W_FLASH_LAST):
        lines -= 1
    put(machine, W_FLASH_LAST, last)
    ticks += lines * get(regions, into + R_FETCH_LINE)
    if get(regions, into + R_FLASH) != 0:
        put(cold, at + K_FLASH_TICKS, get(cold, at + K_FLASH_TICKS) + ticks)
    else:
        put(cold, at + K_BUS_TICKS, get(cold, at + K_BUS_TICKS) + ticks)
    return ticks


@compiled
def charge_row(machine: int, row: int, column: int, ticks: int) -> None:
    put(
        get(machine, W_ROW_STALLS),
        row * 4 + column,
        get(get(machine, W_ROW_STALLS), row * 4 + column) + ticks,
    )


@compiled
def touch(machine: int, address: int, last: int, accesses: int, is_store: bool, row: int) -> int:
    """Accesses to bytes `[address, last]`, at most two lines; ticks of stall."""
    regions = get(machine, W_REGIONS)
    region = region_at(machine, address)
    into = region * R_COLUMNS
    if get(regions, into + R_FREE) != 0:
        return 0
    put(machine, W_DCACHE_ACCESSES, get(machine, W_DCACHE_ACCESSES) + accesses)
    if get(regions, into + R_CACHEABLE) != 0 and get(machine, W_DCACHE_ON) != 0:
        line = address >> 5
        ticks = dcache_access(machine, line, region, is_store)
        if (last >> 5) != line:
            ticks += dcache_access(machine, last >> 5, region, is_store)
        if ticks != 0:
            charge_row(machine, row, 0, ticks)
            charge_row(machine, row, 3, 1)
        return ticks
    if is_store:
        ticks = accesses * get(regions, into + R_UNCACHED_WRITE)
    else:
        ticks = accesses * get(regions, into + R_UNCACHED_READ)
    charge_row(machine, row, 1 if get(regions, into + R_FLASH) != 0 else 2, ticks)
    return ticks


@inlined
def four_way_hit(tags: int, sets: int, line: int) -> bool:
    """Whether a four-way cache holds a line; `sets` is the number of sets minus one."""
    base = (line & sets) << 2
    wanted = line + 1
    return (
        get32(tags, base) == wanted
        or get32(tags, base + 1) == wanted
        or get32(tags, base + 2) == wanted
        or get32(tags, base + 3) == wanted
    )


@inlined
def data_accesses(machine: int, program: int, with_caches: bool) -> tuple[int, int]:
    """Evaluate a block's access groups: `(stall in ticks, variant)`."""
    groups = get(machine, W_GROUPS)
    clusters = get(machine, W_CLUSTERS)
    values = get(machine, W_VALUES)
    regions = get(machine, W_REGIONS)
    ticks = np.int64(0)
    variant = np.int64(0)
    accesses = np.int64(0)
    tags = get(machine, W_DTAGS)
    sets = get(machine, W_DSETS) - 1
    attributes = get(machine, W_ATTRIBUTES)
    first = program & _U32
    for group in range(first, first + (program >> 32)):
        at = group * G_COLUMNS
        base = np.int64(0)
        index = get(groups, at + G_A)
        if index >= 0:
            base = read_value(machine, values, index) * get(groups, at + G_KA)
        index = get(groups, at + G_B)
        if index >= 0:
            base += read_value(machine, values, index) * get(groups, at + G_KB)
        base &= _U32
        shift = get(groups, at + G_SHIFT)
        if shift >= 0:
            variant |= (base & get(groups, at + G_MASK)) << (shift & 0xFF)
            if shift >= 256:
                region = region_at(machine, base)
                if get(regions, region * R_COLUMNS + R_NARROW_RMW) != 0:
                    variant |= 8 << (shift & 0xFF)
        if not with_caches:
            continue
        index = get(groups, at + G_PREDICATE)
        if index >= 0 and get(values, index) == 0:
            continue
        packed = get(groups, at + G_CLUSTERS)
        into = (packed & _U32) * C_COLUMNS
        end = into + (packed >> 32) * C_COLUMNS
        if get(groups, at + G_A) >= 0:
            # All accesses of a group lie in one region; absolute addresses may not.
            place = get8(attributes, ((base + get(clusters, into + C_WHERE)) & _U32) >> 12)
            if place & PLACE_FREE != 0:
                continue
            lookup = place & PLACE_CACHEABLE != 0 and get(machine, W_FAST_DATA) != 0
        else:
            lookup = False
        while into < end:
            where = get(clusters, into + C_WHERE)
            address = (base + where) & _U32
            last = (address + ((where >> 32) & 0xFF)) & _U32
            # Nearly every access is a load that hits: settle it without a call.
            if (
                lookup
                and where & (1 << 40) == 0
                and four_way_hit(tags, sets, address >> 5)
                and ((last >> 5) == (address >> 5) or four_way_hit(tags, sets, last >> 5))
            ):
                accesses += where >> 48
            else:
                ticks += touch(
                    machine, address, last, where >> 48, where & (1 << 40) != 0,
                    get(clusters, into + C_ROW),
                )  # fmt: skip
            into += C_COLUMNS
    put(machine, W_DCACHE_ACCESSES, get(machine, W_DCACHE_ACCESSES) + accesses)
    return ticks, variant


@inlined
def find_block(machine: int, address: int, block_key: int) -> int:
    """The number of a known block, -1 for one never seen (or seen with another size)."""
    base = get32(get(machine, W_PAGES), address >> 14)
    if base < 0:
        return -1
    number = get32(get(machine, W_LOOKUP), base + ((address & 0x3FFF) >> 1))
    if number >= 0 and get(get(machine, W_BLOCKS), number * B_COLUMNS + B_KEY) == block_key:
        return number
    return -1


@inlined
def next_transition(machine: int, number: int, edge: int, variant: int) -> int:
    """The transition into a block: from what followed the current one before, else looked up."""
    transitions = get(machine, W_TRANSITIONS)
    at = get(machine, W_TRANSITION) * T_COLUMNS
    wanted = edge | (number << 2)
    guess = get(transitions, at + T_GUESS)
    if guess & _U32 == wanted and get(transitions, at + T_GUESS_VARIANT) == variant:
        return guess >> 32
    other = get(transitions, at + T_OTHER)
    if other & _U32 == wanted and get(transitions, at + T_OTHER_VARIANT) == variant:
        return other >> 32
    key = get(machine, W_STATE) | (edge << 22) | (number << 24)
    found = find_transition(machine, key, variant, number, edge)
    if found > FAULT_UNALIGNED:
        put(transitions, at + T_OTHER, guess)
        put(transitions, at + T_OTHER_VARIANT, get(transitions, at + T_GUESS_VARIANT))
        put(transitions, at + T_GUESS, wanted | (found << 32))
        put(transitions, at + T_GUESS_VARIANT, variant)
    return found


@inlined
def enter_block(machine: int, handle: int, address: int, size: int) -> None:
    """One execution of a block begins."""
    if get(machine, W_SPECIAL) != 0:
        if get(machine, W_REASON) == REASON_PASS:
            return
        copy_registers(machine, handle)
    record = get(machine, W_BLOCKS)
    block_key = address | (size << 32)
    number = find_block(machine, address, block_key)
    if number < 0:
        put(machine, W_WANTED_ADDRESS, address)
        put(machine, W_WANTED_SIZE, size)
        stop(machine, handle, REASON_NEW)
        return
    at = number * B_COLUMNS
    mode = get(machine, W_MODE)
    if get(machine, W_CYCLES) >= get(machine, W_NEXT_STOP):
        put(machine, W_WANTED_ADDRESS, address)
        stop(machine, handle, REASON_BUDGET)
        return
    flags = get(record, at + B_FLAGS)
    if (flags & F_EVENT) != 0:
        if get(machine, W_SKIP_EVENT) == 0:
            put(machine, W_WANTED_ADDRESS, address)
            put(machine, W_WANTED_SIZE, number)
            stop(machine, handle, REASON_EVENT)
            return
        put(machine, W_SKIP_EVENT, 0)
    stack = load_u32(get(machine, W_REGISTERS) + 52)

    # The branch that led here.
    edge = np.int64(EDGE_SEQUENTIAL)
    previous = get(machine, W_PREVIOUS)
    before = previous * B_COLUMNS
    end = np.int64(END_FALL)
    if previous >= 0:
        previous_flags = get(record, before + B_FLAGS)
        end = (previous_flags >> 16) & 15
        if end != END_FALL:
            if mode != 0:
                edge = settle_branch(
                    machine, get(record, before + B_SHAPE), previous_flags, address
                )
            if end >= END_CALL and (previous_flags & F_TABLE_BRANCH) == 0:
                follow_calls(machine, end, address, stack)
    measured = flags >> 24
    if measured != 0 and (
        previous < 0
        or end == END_CALL
        or end == END_CALL_INDIRECT
        or get(get(machine, W_COLD), previous * K_COLUMNS + K_FUNCTION)
        != get(get(machine, W_COLD), number * K_COLUMNS + K_FUNCTION)
    ):
        begin_measured(machine, measured - 1, stack)

    # Stack.
    shape = get(record, at + B_SHAPE)
    lowest = stack - (shape >> 32)
    if lowest < get(machine, W_FRAME_LOWEST):
        if note_deepest(machine, address, lowest):
            put(machine, W_WANTED_ADDRESS, address)
            stop(machine, handle, REASON_OVERFLOW)
            return

    put(machine, W_ACCESS_INDEX, 0)
    if mode == 0:
        put(record, at + B_EXECUTIONS, get(record, at + B_EXECUTIONS) + 1)
        put(machine, W_CYCLES, get(machine, W_CYCLES) + (shape & 0xFFFF) * TICKS)
    else:
        ticks = np.int64(0)
        if mode == 2 and (flags & F_FREE_FETCH) == 0:
            # Lines that were all present at this epoch still are: every fill starts a new one.
            if get(record, at + B_EPOCH) != get(machine, W_EPOCH):
                ticks += fetch_block(machine, number, flags, address, size)
        variant = np.int64(0)
        program = get(record, at + B_PROGRAM)
        if program >> 32 != 0:
            nodes = get(record, at + B_NODES)
            if nodes >> 32 != 0:
                evaluate_nodes(machine, get(machine, W_VALUES), nodes & _U32, nodes >> 32)
            stalls, variant = data_accesses(
                machine, program, mode == 2 and get(machine, W_HOOKED) == 0
            )
            ticks += stalls
            flip = get(record, at + B_FLIP)
            if (variant & (flip & -flip)) != 0:
                variant ^= flip
        transition = next_transition(machine, number, edge, variant)
        if transition <= FAULT_UNALIGNED:
            put(machine, W_FAULT_ROW, FAULT_UNALIGNED - transition)
            put(machine, W_WANTED_ADDRESS, address)
            stop(machine, handle, REASON_UNALIGNED)
            return
        transitions = get(machine, W_TRANSITIONS)
        into = transition * T_COLUMNS
        put(transitions, into + T_COUNT, get(transitions, into + T_COUNT) + 1)
        result = get(transitions, into + T_RESULT)
        branch = (result >> 24) & 0xFF
        if branch != 0:
            charged = previous * K_COLUMNS + K_BRANCH_TICKS
            cold = get(machine, W_COLD)
            put(cold, charged, get(cold, charged) + branch * TICKS)
        put(machine, W_STATE, result >> 32)
        put(machine, W_TRANSITION, transition)
        put(machine, W_CYCLES, get(machine, W_CYCLES) + ticks + (result & 0xFFFFFF) * TICKS)
    put(machine, W_INSTRUCTIONS, get(machine, W_INSTRUCTIONS) + (shape & 0xFFFF))
    put(machine, W_PREVIOUS, number)
    put(machine, W_FALLTHROUGH, address + size)


@compiled
def hooked_access(machine: int, address: int, size: int, is_store: bool) -> None:
    """One access that the emulator reports (exact mode)."""
    put(machine, W_HOOKED_COUNT, get(machine, W_HOOKED_COUNT) + 1)
    row = np.int64(-1)
    previous = get(machine, W_PREVIOUS)
    if previous >= 0:
        cold = get(machine, W_COLD)
        sequence = get(cold, previous * K_COLUMNS + K_SEQUENCE)
        index = get(machine, W_ACCESS_INDEX)
        put(machine, W_ACCESS_INDEX, index + 1)
        row = get(cold, previous * K_COLUMNS + K_FIRST_ROW)
        if index < sequence >> 32:
            row = get32(get(machine, W_SEQUENCE), (sequence & _U32) + index)
    if get(machine, W_MODE) == 2 and row >= 0:
        put(
            machine,
            W_CYCLES,
            get(machine, W_CYCLES) + touch(machine, address, address + size - 1, 1, is_store, row),
        )
    if get(machine, W_TRACE) != 0:
        trace_access(machine, get(machine, W_TRACE), address, size, is_store, row)


@cfunc(types.void(types.int64, types.uint64, types.uint32, types.int64), cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def on_block(handle: int, address: int, size: int, user: int) -> None:
    enter_block(user, handle, np.int64(address), np.int64(size))


@cfunc(
    types.void(types.int64, types.int32, types.uint64, types.int32, types.int64, types.int64),
    cache=True,
)  # type: ignore[untyped-decorator]  # numba has no types
def on_access(handle: int, kind: int, address: int, size: int, value: int, user: int) -> None:  # noqa: ARG001  # unicorn's signature
    machine = user
    if get(machine, W_SKIP_SYNC) != 0:
        put8(handle, get(machine, W_SKIP_SYNC), 1)
    hooked_access(machine, np.int64(address), np.int64(size), kind == 17)


@cfunc(types.void(types.int64, types.uint64, types.uint32, types.int64), cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def on_divide(handle: int, address: int, size: int, user: int) -> None:  # noqa: ARG001  # unicorn's signature
    """Before a division whose zero divisor traps; `user` holds (words, divisor's register)."""
    machine = get(user, 0)
    if get(machine, W_REASON) == REASON_PASS:
        return
    copy_registers(machine, handle)
    if load_u32(get(machine, W_REGISTERS) + 4 * get(user, 1)) == 0:
        put(machine, W_WANTED_ADDRESS, np.int64(address))
        stop(machine, handle, REASON_DIVIDE)
