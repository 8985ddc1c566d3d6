"""The native hooks: what runs at every block (and, in the exact mode, at every access).

`enter_block` is the hot path. In order: find the block, stop where Python must look, settle the
branch that led here, follow calls, fetch, data accesses, and the memoised transition of the
pipeline. Every stop happens before anything was changed, so that the same block can be entered
again after Python has done its part.
"""

from __future__ import annotations

import numpy as np
from numba import cfunc, types

from emu.backends.address_values import copy_registers, evaluate_nodes, read_value
from emu.backends.branch_predictor import settle_branch
from emu.backends.call_tracking import begin_measured, follow_calls, note_deepest
from emu.backends.constants import (
    B_COLUMNS,
    B_EPOCH,
    B_EXECUTIONS,
    B_FLAGS,
    B_FLIP,
    B_KEY,
    B_NODES,
    B_PROGRAM,
    B_SHAPE,
    C_COLUMNS,
    C_ROW,
    C_WHERE,
    END_CALL,
    END_CALL_INDIRECT,
    END_FALL,
    F_ART,
    F_EVENT,
    F_FREE_FETCH,
    F_IN_CODE_CACHE,
    F_MASKS,
    F_STACK,
    F_STACK_ODD,
    F_STACK_PROBE,
    F_STACKS,
    F_TABLE_BRANCH,
    G_CLUSTERS,
    G_COLUMNS,
    G_KA,
    G_KB,
    G_LOW,
    G_MASK,
    G_PREDICATE,
    G_WHAT,
    K_BRANCH_TICKS,
    K_BUS_TICKS,
    K_COLUMNS,
    K_FIRST_ROW,
    K_FLASH_TICKS,
    K_FUNCTION,
    K_ICACHE_TICKS,
    K_SEQUENCE,
    R_COLUMNS,
    R_FETCH_CHUNK,
    R_FETCH_LINE,
    R_FLASH,
    R_NARROW_RMW,
    R_UNCACHED_READ,
    R_UNCACHED_WRITE,
    REASON_BUDGET,
    REASON_DIVIDE,
    REASON_EVEN,
    REASON_EVENT,
    REASON_FINISH,
    REASON_MASKS,
    REASON_NEW,
    REASON_OVERFLOW,
    REASON_PASS,
    REASON_RESUME,
    REASON_STACKS,
    REASON_UNALIGNED,
    T_COLUMNS,
    T_COUNT,
    T_RESULT,
    U32,
    W_ACCESS_INDEX,
    W_ART_ON,
    W_ATTRIBUTES,
    W_BLOCKS,
    W_CLUSTERS,
    W_COLD,
    W_CYCLES,
    W_DCACHE_ACCESSES,
    W_DCACHE_ON,
    W_DIVIDE_TRAP,
    W_DSETS,
    W_DTAGS,
    W_EMU_STOP,
    W_EPOCH,
    W_FALLTHROUGH,
    W_FAST_DATA,
    W_FAULT_ROW,
    W_FINISHING,
    W_FLASH_LAST,
    W_FRAME_LOWEST,
    W_GROUPS,
    W_HOOKED,
    W_HOOKED_COUNT,
    W_ICACHE_ON,
    W_ILRU,
    W_INSTRUCTIONS,
    W_LAST_STOP,
    W_LOOKUP,
    W_MODE,
    W_NEXT_STOP,
    W_PAGES,
    W_PREVIOUS,
    W_REASON,
    W_REGIONS,
    W_REGISTERS,
    W_ROW_STALLS,
    W_SEQUENCE,
    W_SKIP_EVENT,
    W_SKIP_STACKS,
    W_SKIP_SYNC,
    W_STALL,
    W_STATE,
    W_TRACE,
    W_TRANSITION,
    W_TRANSITIONS,
    W_VALUES,
    W_WANTED_ADDRESS,
    W_WANTED_SIZE,
    W_WATCH_MASKS,
)
from emu.backends.intrinsics import call_with_handle, get, get8, get32, load_u32, put, put8
from emu.backends.layout import (
    GROUP_ABSOLUTE,
    GROUP_NARROW,
    GROUP_NONE,
    GROUP_PLAIN,
    GROUP_PREDICATED,
    GROUP_VARIANT,
    PLACE_CACHEABLE,
    PLACE_FREE,
    PLACE_REGION,
    TICKS,
)
from emu.backends.memory_model import art_walk, dcache_access, icache_walk, region_at
from emu.backends.trace_hook import trace_access
from emu.backends.transitions import next_transition
from emu.core.compiled import compiled, inlined
from emu.core.pipeline import EDGE_SEQUENTIAL, FAULT_UNALIGNED


@compiled
def stop(machine: int, handle: int, reason: int) -> None:
    put(machine, W_REASON, reason)
    call_with_handle(get(machine, W_EMU_STOP), handle)


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
        if get(machine, W_ILRU) == 0:
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
    place = get8(get(machine, W_ATTRIBUTES), address >> 12)
    region = place & PLACE_REGION
    into = region * R_COLUMNS
    if place & PLACE_FREE != 0:
        return 0
    put(machine, W_DCACHE_ACCESSES, get(machine, W_DCACHE_ACCESSES) + accesses)
    if place & PLACE_CACHEABLE != 0 and get(machine, W_DCACHE_ON) != 0:
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
    ticks = 0
    variant = 0
    accesses = 0
    tags = get(machine, W_DTAGS)
    sets = get(machine, W_DSETS) - 1
    attributes = get(machine, W_ATTRIBUTES)
    registers = get(machine, W_REGISTERS)
    at = (program & U32) * G_COLUMNS
    stop_at = at + (program >> 32) * G_COLUMNS
    while at < stop_at:
        what = get(groups, at + G_WHAT)
        index = what & 0xFF
        if what & GROUP_PLAIN != 0:
            base = load_u32(registers + 4 * index)
        else:
            base = 0
            if index != GROUP_NONE:
                base = read_value(machine, values, index) * get(groups, at + G_KA)
            index = (what >> 8) & 0xFF
            if index != GROUP_NONE:
                base += read_value(machine, values, index) * get(groups, at + G_KB)
            base &= U32
            if what & GROUP_VARIANT != 0:
                shift = (what >> 24) & 0xFF
                variant |= (base & get(groups, at + G_MASK)) << shift
                if what & GROUP_NARROW != 0:
                    region = region_at(machine, base)
                    if get(regions, region * R_COLUMNS + R_NARROW_RMW) != 0:
                        variant |= 8 << shift
            if what & GROUP_PREDICATED != 0 and get(values, get(groups, at + G_PREDICATE)) == 0:
                at += G_COLUMNS
                continue
        clusters_at = at + G_CLUSTERS
        first_low = get(groups, at + G_LOW)
        at += G_COLUMNS
        if not with_caches:
            continue
        if what & GROUP_ABSOLUTE == 0:
            # All accesses of a group lie in one region; absolute addresses may not.
            place = get8(attributes, ((base + first_low) & U32) >> 12)
            if place & PLACE_FREE != 0:
                continue
            lookup = place & PLACE_CACHEABLE != 0 and get(machine, W_FAST_DATA) != 0
        else:
            lookup = False
        present = -1  # the line looked up last, which neighbouring clusters share
        packed = get(groups, clusters_at)
        into = (packed & U32) * C_COLUMNS
        end = into + (packed >> 32) * C_COLUMNS
        while into < end:
            where = get(clusters, into + C_WHERE)
            address = (base + where) & U32
            last = (address + ((where >> 32) & 0xFF)) & U32
            # Nearly every access is a load that hits: settle it without a call.
            line = address >> 5
            if (
                lookup
                and where & (1 << 40) == 0
                and (line == present or four_way_hit(tags, sets, line))
                and ((last >> 5) == line or four_way_hit(tags, sets, last >> 5))
            ):
                accesses += where >> 48
                present = last >> 5
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
def enter_block(machine: int, handle: int, address: int, size: int) -> None:
    """One execution of a block begins."""
    if get(machine, W_CYCLES) >= get(machine, W_NEXT_STOP):
        if get(machine, W_REASON) == REASON_PASS:
            return
        if get(machine, W_REASON) == REASON_FINISH:
            if get(machine, W_FINISHING) != 0:
                put(machine, W_FINISHING, 0)
                return
            put(machine, W_WANTED_ADDRESS, address)
            stop(machine, handle, REASON_RESUME)
            return
        copy_registers(machine, handle)
        if get(machine, W_CYCLES) >= get(machine, W_LAST_STOP):
            put(machine, W_WANTED_ADDRESS, address)
            stop(machine, handle, REASON_BUDGET)
            return
        if get(machine, W_WATCH_MASKS) == 2:
            put(machine, W_WATCH_MASKS, 1)
        elif get(machine, W_WATCH_MASKS) != 0 and get(machine, W_PREVIOUS) >= 0:
            ended = get(get(machine, W_BLOCKS), get(machine, W_PREVIOUS) * B_COLUMNS + B_FLAGS)
            if ended & F_MASKS != 0:
                put(machine, W_WANTED_ADDRESS, address)
                stop(machine, handle, REASON_MASKS)
                return
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
    flags = get(record, at + B_FLAGS)
    if (flags & F_EVENT) != 0:
        if get(machine, W_SKIP_EVENT) == 0:
            put(machine, W_WANTED_ADDRESS, address)
            put(machine, W_WANTED_SIZE, number)
            stop(machine, handle, REASON_EVENT)
            return
        put(machine, W_SKIP_EVENT, 0)

    # The branch that led here.
    edge = EDGE_SEQUENTIAL
    previous = get(machine, W_PREVIOUS)
    before = previous * B_COLUMNS
    end = END_FALL
    moved = flags & (F_STACK | F_STACK_PROBE)
    if previous >= 0:
        previous_flags = get(record, before + B_FLAGS)
        end = (previous_flags >> 16) & 15
        moved |= previous_flags & F_STACK_ODD
        if previous_flags & F_STACKS != 0:
            if get(machine, W_SKIP_STACKS) == 0:
                put(machine, W_WANTED_ADDRESS, address)
                stop(machine, handle, REASON_STACKS)
                return
            put(machine, W_SKIP_STACKS, 0)
        if end != END_FALL:
            if mode != 0:
                edge = settle_branch(
                    machine, get(record, before + B_SHAPE), previous_flags, address
                )
            if end >= END_CALL and (previous_flags & F_TABLE_BRANCH) == 0:
                follow_calls(machine, end, address, load_u32(get(machine, W_REGISTERS) + 52))
                target = (previous_flags >> 20) & 15
                if target != 15 and load_u32(get(machine, W_REGISTERS) + 4 * target) & 1 == 0:
                    put(machine, W_WANTED_ADDRESS, address)
                    stop(machine, handle, REASON_EVEN)
                    return
    measured = flags >> 24
    if measured != 0 and (
        previous < 0
        or end == END_CALL
        or end == END_CALL_INDIRECT
        or get(get(machine, W_COLD), previous * K_COLUMNS + K_FUNCTION)
        != get(get(machine, W_COLD), number * K_COLUMNS + K_FUNCTION)
    ):
        begin_measured(machine, measured - 1, load_u32(get(machine, W_REGISTERS) + 52))

    # Only a block that moves the stack pointer down can reach deeper than any before.
    shape = get(record, at + B_SHAPE)
    if moved != 0:
        lowest = load_u32(get(machine, W_REGISTERS) + 52) - (shape >> 32)
        if flags & F_STACK_PROBE != 0:
            nodes = get(record, at + B_NODES)
            values = get(machine, W_VALUES)
            evaluate_nodes(machine, values, nodes & U32, (nodes >> 32) & 0xFFFF)
            lowest = min(lowest, read_value(machine, values, nodes >> 48))
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
        ticks = 0
        if mode == 2 and (flags & F_FREE_FETCH) == 0:
            # Lines that were all present at this epoch still are: every fill starts a new one.
            if get(record, at + B_EPOCH) != get(machine, W_EPOCH):
                ticks += fetch_block(machine, number, flags, address, size)
        variant = 0
        program = get(record, at + B_PROGRAM)
        if program >> 32 != 0:
            nodes = get(record, at + B_NODES)
            count = (nodes >> 32) & 0xFFFF
            if count != 0:
                evaluate_nodes(machine, get(machine, W_VALUES), nodes & U32, count)
            stalls, variant = data_accesses(
                machine, program, mode == 2 and get(machine, W_HOOKED) == 0
            )
            ticks += stalls
            flip = get(record, at + B_FLIP)
            if (variant & (flip & -flip)) != 0:
                variant ^= flip
        transition = next_transition(machine, number, edge, variant)
        if transition <= FAULT_UNALIGNED:
            put(machine, W_CYCLES, get(machine, W_CYCLES) + ticks)  # charged to the block already
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
        put(machine, W_STALL, ticks)
        put(machine, W_CYCLES, get(machine, W_CYCLES) + ticks + (result & 0xFFFFFF) * TICKS)
    put(machine, W_INSTRUCTIONS, get(machine, W_INSTRUCTIONS) + (shape & 0xFFFF))
    put(machine, W_PREVIOUS, number)
    put(machine, W_FALLTHROUGH, address + size)


@compiled
def accessing_row(machine: int, index: int) -> int:
    """The instruction that makes the `index`-th access of the present block."""
    previous = get(machine, W_PREVIOUS)
    if previous < 0:
        return 0
    cold = get(machine, W_COLD)
    sequence = get(cold, previous * K_COLUMNS + K_SEQUENCE)
    if index < sequence >> 32:
        return get32(get(machine, W_SEQUENCE), (sequence & U32) + index)
    return get(cold, previous * K_COLUMNS + K_FIRST_ROW)


@inlined
def hooked_access(machine: int, address: int, size: int, is_store: bool) -> None:
    """One access that the emulator reports (exact mode)."""
    put(machine, W_HOOKED_COUNT, get(machine, W_HOOKED_COUNT) + 1)
    index = get(machine, W_ACCESS_INDEX)
    put(machine, W_ACCESS_INDEX, index + 1)
    place = get8(get(machine, W_ATTRIBUTES), address >> 12)
    if get(machine, W_MODE) == 2 and place & PLACE_FREE == 0:
        if (
            not is_store
            and place & PLACE_CACHEABLE != 0
            and get(machine, W_FAST_DATA) != 0
            and ((address + size - 1) ^ address) >> 5 == 0
            and four_way_hit(get(machine, W_DTAGS), get(machine, W_DSETS) - 1, address >> 5)
        ):
            put(machine, W_DCACHE_ACCESSES, get(machine, W_DCACHE_ACCESSES) + 1)
        else:
            row = accessing_row(machine, index)
            ticks = touch(machine, address, address + size - 1, 1, is_store, row)
            put(machine, W_CYCLES, get(machine, W_CYCLES) + ticks)
    if get(machine, W_TRACE) != 0:
        row = accessing_row(machine, index)
        trace_access(machine, get(machine, W_TRACE), address, size, is_store, row)


@inlined
def signed(value: int) -> int:
    """Unicorn's unsigned argument in the signed arithmetic of the hooks."""
    return np.int64(value)  # type: ignore[return-value]  # an integer once compiled


@cfunc(types.void(types.int64, types.uint64, types.uint32, types.int64), cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def on_block(handle: int, address: int, size: int, user: int) -> None:
    enter_block(user, handle, signed(address), signed(size))


@cfunc(
    types.void(types.int64, types.int32, types.uint64, types.int32, types.int64, types.int64),
    cache=True,
)  # type: ignore[untyped-decorator]  # numba has no types
def on_access(handle: int, kind: int, address: int, size: int, value: int, user: int) -> None:  # noqa: ARG001  # unicorn's signature
    machine = user
    if get(machine, W_SKIP_SYNC) != 0:
        put8(handle, get(machine, W_SKIP_SYNC), 1)
    hooked_access(machine, signed(address), signed(size), kind == 17)


@cfunc(types.void(types.int64, types.uint64, types.uint32, types.int64), cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def on_divide(handle: int, address: int, size: int, user: int) -> None:  # noqa: ARG001  # unicorn's signature
    """Before a division whose zero divisor traps; `user` holds (words, divisor's register)."""
    machine = get(user, 0)
    passing = get(machine, W_REASON) == REASON_PASS or get(machine, W_REASON) == REASON_FINISH
    if passing or get(machine, W_DIVIDE_TRAP) == 0:
        return
    copy_registers(machine, handle)
    if load_u32(get(machine, W_REGISTERS) + 4 * get(user, 1)) == 0:
        put(machine, W_WANTED_ADDRESS, signed(address))
        stop(machine, handle, REASON_DIVIDE)
