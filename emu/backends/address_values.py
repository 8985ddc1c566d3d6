"""The address program of a block, run natively: registers and micro-ops to values."""

from __future__ import annotations

from emu.backends.constants import (
    O_AND,
    O_AND_IMM,
    O_ASR,
    O_ASR_IMM,
    O_CONDITION,
    O_EOR,
    O_EOR_IMM,
    O_LINEAR,
    O_LOAD,
    O_LSL,
    O_LSR,
    O_LSR_IMM,
    O_MUL,
    O_ORR,
    O_ORR_IMM,
    O_ROR_IMM,
    O_SELECT,
    O_SIGN_EXTEND,
    R_COLUMNS,
    R_HOST,
    U32,
    W_BATCH_IDS,
    W_BATCH_POINTERS,
    W_NODES,
    W_READ_BATCH,
    W_REGIONS,
    W_REGISTERS,
)
from emu.backends.intrinsics import get, load_u8, load_u16, load_u32, put, read_registers
from emu.backends.layout import NODE_COLUMNS
from emu.backends.memory_model import region_at
from emu.core.compiled import compiled, inlined


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
    difference = (left - right) & U32
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
        result = 0
        if op == O_LINEAR:
            result = a * imm + get(nodes, at + 5)
            if b_index >= 0:
                result += read_value(machine, values, b_index) * get(nodes, at + 4)
        elif op == O_LOAD:
            address = (a + get(nodes, at + 5)) & U32
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
        put(values, 16 + position, result & U32)
