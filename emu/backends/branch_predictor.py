"""The modelled branch predictor: a BTAC with two-bit counters, static prediction beyond it."""

from __future__ import annotations

from emu.backends.constants import (
    END_CALL,
    END_CONDITIONAL,
    END_JUMP,
    F_BACKWARD,
    F_PREDICATED_END,
    U32,
    W_BTAC,
    W_BTAC_MASK,
    W_FALLTHROUGH,
)
from emu.backends.intrinsics import get, put
from emu.core.compiled import inlined
from emu.core.pipeline import EDGE_MISPREDICTED, EDGE_REDIRECTED, EDGE_SEQUENTIAL, EDGE_TAKEN


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
    known = (entry & U32) == branch
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
