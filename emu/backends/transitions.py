"""The memoised pipeline: (state, edge, block, variant) to cycles and the next state.

What was seen before is looked up; what was not is simulated on the spot, without leaving the hook.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from emu.backends.constants import (
    B_COLUMNS,
    B_KEY,
    K_COLUMNS,
    K_FIRST_ROW,
    K_LAST_ROW,
    MANY,
    NEEDS,
    PARAMS,
    PRODUCERS,
    T_COLUMNS,
    T_COUNT,
    T_GUESS,
    T_GUESS_VARIANT,
    T_KEY,
    T_OTHER,
    T_OTHER_VARIANT,
    T_RESULT,
    T_VARIANT,
    U32,
    W_BLOCKS,
    W_COLD,
    W_DEFS,
    W_FP_BUSY,
    W_LAST_STOP,
    W_LATENCY,
    W_NEXT_STOP,
    W_PARAMS,
    W_ROWS,
    W_SCRATCH,
    W_SETTLED,
    W_STATE,
    W_STATE_CAPACITY,
    W_STATE_COUNT,
    W_STATE_HASH,
    W_STATE_MASK,
    W_STATES,
    W_TRANSITION,
    W_TRANSITION_CAPACITY,
    W_TRANSITION_COUNT,
    W_TRANSITION_HASH,
    W_TRANSITION_MASK,
    W_TRANSITIONS,
    W_USES,
)
from emu.backends.intrinsics import get, get32, pointer, put, put32
from emu.core.compiled import compiled, inlined
from emu.core.pipeline import D_COLUMNS, FAULT_UNALIGNED, I_COLUMNS, S_COLUMNS, simulate_block


@compiled
def hash_step(value: int, more: int) -> int:
    mixed = (value ^ more) * 0x2545F4914F6CDD1D
    return mixed ^ ((mixed >> 29) & 0x7FFFFFFFF)


@compiled
def hash_state(row: int, at: int) -> int:
    key = 88172645463325252
    for column in range(S_COLUMNS):
        key = hash_step(key, get32(row, at + column) + 1)
    return key


@compiled
def hash_transition(key: int, variant: int) -> int:
    return hash_step(hash_step(key, variant), 7)


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
        put(machine, W_NEXT_STOP, -1)
        put(machine, W_LAST_STOP, -1)  # Python makes room at the next block
    return number


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
    address = get(get(machine, W_BLOCKS), block * B_COLUMNS + B_KEY) & U32
    rows = carray(pointer(get(machine, W_ROWS)), (last, I_COLUMNS), np.int32)
    scratch = get(machine, W_SCRATCH)
    state = get(machine, W_STATES) + 4 * S_COLUMNS * get(machine, W_STATE)
    result = simulate_block(
        carray(pointer(state), (S_COLUMNS,), np.int32),
        edge, address, rows, first, last,
        carray(pointer(get(machine, W_USES)), (MANY,), np.int32),
        carray(pointer(get(machine, W_DEFS)), (MANY,), np.int32),
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
        put(machine, W_LAST_STOP, -1)
    return number


@inlined
def next_transition(machine: int, number: int, edge: int, variant: int) -> int:
    """The transition into a block: from what followed the current one before, else looked up."""
    transitions = get(machine, W_TRANSITIONS)
    at = get(machine, W_TRANSITION) * T_COLUMNS
    wanted = edge | (number << 2)
    guess = get(transitions, at + T_GUESS)
    if guess & U32 == wanted and get(transitions, at + T_GUESS_VARIANT) == variant:
        return guess >> 32
    other = get(transitions, at + T_OTHER)
    if other & U32 == wanted and get(transitions, at + T_OTHER_VARIANT) == variant:
        return other >> 32
    key = get(machine, W_STATE) | (edge << 22) | (number << 24)
    found = find_transition(machine, key, variant, number, edge)
    if found > FAULT_UNALIGNED:
        put(transitions, at + T_OTHER, guess)
        put(transitions, at + T_OTHER_VARIANT, get(transitions, at + T_GUESS_VARIANT))
        put(transitions, at + T_GUESS, wanted | (found << 32))
        put(transitions, at + T_GUESS_VARIANT, variant)
    return found
