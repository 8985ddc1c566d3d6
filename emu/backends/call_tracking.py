"""Calls and the stack: shadow stack, measured functions, the deepest point."""

from __future__ import annotations

from emu.backends.constants import (
    END_CALL,
    END_CALL_INDIRECT,
    FR_COLUMNS,
    FR_CYCLES,
    FR_DEPTH,
    FR_INDEX,
    FR_INSTRUCTIONS,
    FR_OUTER_LOWEST,
    FR_STACK,
    M_CALLS,
    M_COLD_CYCLES,
    M_COLD_INSTRUCTIONS,
    M_COLUMNS,
    M_STACK_PEAK,
    M_WARM,
    M_WARM_CYCLES,
    M_WARM_INSTRUCTIONS,
    M_WARM_MAX,
    M_WARM_MIN,
    W_CALLS_LOST,
    W_CYCLES,
    W_DEEPEST,
    W_DEEPEST_ADDRESS,
    W_DEEPEST_DEPTH,
    W_FALLTHROUGH,
    W_FRAME_CAPACITY,
    W_FRAME_DEPTH,
    W_FRAME_LOWEST,
    W_FRAMES,
    W_INSTRUCTIONS,
    W_MEASURED,
    W_SHADOW,
    W_SHADOW_CAPACITY,
    W_SHADOW_DEPTH,
    W_STACK_LIMIT,
    W_STACK_LOWEST,
)
from emu.backends.intrinsics import get, put
from emu.core.compiled import compiled


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
    """Keep the shadow stack of return addresses after a call or a return.

    A return that leaves several levels at once (longjmp) ends them all. Deeper levels have lower
    stack pointers, which bounds the search; a second stack may hide a few of them.
    """
    shadow = get(machine, W_SHADOW)
    depth = get(machine, W_SHADOW_DEPTH)
    if end == END_CALL or end == END_CALL_INDIRECT:
        if address == get(machine, W_FALLTHROUGH):
            return
        if depth >= get(machine, W_SHADOW_CAPACITY):
            put(machine, W_CALLS_LOST, get(machine, W_CALLS_LOST) + 1)
        else:
            put(shadow, 3 * depth, get(machine, W_FALLTHROUGH))
            put(shadow, 3 * depth + 1, stack)
            put(machine, W_SHADOW_DEPTH, depth + 1)
        return
    look = depth - 1
    while look >= 0 and (look >= depth - 64 or get(shadow, 3 * look + 1) <= stack):
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
