"""What address programs say, evaluated in plain Python, and what the emulator really accesses.

`evaluate` reads the documentation of `emu.core.addresses`, not the native hook. `run_straight`
executes the same code with every access hooked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unicorn import arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import Uc

from emu.core.addresses import AddressProgram, Node, Op
from emu.core.instruction import Instruction

CODE = 0x0800_0000
_MASK = 0xFFFFFFFF
Read = Callable[[int, int], int]  # address, bytes -> unsigned value


def signed(value: int, bits: int = 32) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _holds(condition: int, left: int, right: int) -> bool:
    """Arm's conditions after `cmp left, right`, by capstone's numbers."""
    difference = signed(left - right)
    overflow = signed(left) - signed(right) != difference
    return {
        1: left == right, 2: left != right, 3: left >= right, 4: left < right,
        5: difference < 0, 6: difference >= 0, 7: overflow, 8: not overflow,
        9: left > right, 10: left <= right, 11: signed(left) >= signed(right),
        12: signed(left) < signed(right), 13: signed(left) > signed(right),
        14: signed(left) <= signed(right),
    }[condition]  # fmt: skip


def _micro_op(node: Node, value: Callable[[int], int], read: Read) -> int:
    a = value(node.a) if node.a >= 0 else 0
    match node.op:
        case Op.LINEAR:
            b = value(node.b) * node.imm2 if node.b >= 0 else 0
            return a * node.imm + b + node.const
        case Op.LOAD:
            loaded = read((a + node.const) & _MASK, node.imm)
            return signed(loaded, 8 * node.imm) if node.imm2 else loaded
        case Op.AND_IMM:
            return a & node.imm
        case Op.ORR_IMM:
            return a | node.imm
        case Op.EOR_IMM:
            return a ^ node.imm
        case Op.LSR_IMM:
            return a >> node.imm
        case Op.ASR_IMM:
            return signed(a) >> node.imm
        case Op.ROR_IMM:
            return (a >> node.imm) | (a << (32 - node.imm))
        case Op.SIGN_EXTEND:
            return signed(a, node.imm)
    b = value(node.b)
    match node.op:
        case Op.AND:
            return a & b
        case Op.ORR:
            return a | b
        case Op.EOR:
            return a ^ b
        case Op.MUL:
            return a * b
        case Op.LSL:
            return a << (b & 0xFF)
        case Op.LSR:
            return a >> (b & 0xFF)
        case Op.ASR:
            return signed(a) >> (b & 0xFF)
        case Op.CONDITION:
            return int(_holds(node.imm, a, b))
        case Op.SELECT:
            return b if a else value(node.imm)
    raise AssertionError(node)


def evaluate(
    program: AddressProgram, registers: Sequence[int], read: Read
) -> list[tuple[int | None, bool]]:
    """For each instruction `(address, counted as executed)`; address None where it is not known."""
    results: list[int] = []

    def value(index: int) -> int:
        return registers[index] if index < 16 else results[index - 16]

    for node in program.nodes:
        results.append(_micro_op(node, value, read) & _MASK)  # noqa: PERF401  # reads the results
    placed: list[tuple[int | None, bool]] = []
    for group_number, offset in program.placed:
        if group_number < 0:
            placed.append((None, True))
            continue
        group = program.groups[group_number]
        base = sum(value(index) * coefficient for index, coefficient in group.terms)
        executed = group.predicate < 0 or value(group.predicate) != 0
        placed.append(((base + offset) & _MASK, executed))
    return placed


@dataclass(frozen=True)
class Seen:
    """One access the emulator made."""

    row: int
    address: int
    size_bytes: int
    is_store: bool


def pattern(address: int) -> int:
    """The byte that memory holds at an address before anything ran."""
    return ((address * 2654435761) >> 11) & 0xFF


def read_pattern(code: bytes) -> Read:
    """Memory as it is at the block's entry: code, and the pattern elsewhere."""

    def read(address: int, size_bytes: int) -> int:
        data = bytes(
            code[at - CODE] if 0 <= at - CODE < len(code) else pattern(at)
            for at in ((address + n) & _MASK for n in range(size_bytes))
        )
        return int.from_bytes(data, "little")

    return read


def run_straight(
    code: bytes, instructions: Sequence[Instruction], registers: Sequence[int]
) -> tuple[list[Seen], int]:
    """Execute once with every access hooked: the accesses, and the lowest stack pointer seen."""
    uc = Uc(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
    mapped: set[int] = set()

    def map_page(page: int) -> None:
        mapped.add(page)
        uc.mem_map(page, 0x1000)
        uc.mem_write(page, bytes(pattern(page + n) for n in range(0x1000)))

    for page in (CODE, 0xFFFFF000):  # the last page cannot be mapped from a hook
        map_page(page)
    uc.mem_write(CODE, code)
    rows = {instruction.address: row for row, instruction in enumerate(instructions)}
    seen: list[Seen] = []
    state = {"row": 0, "lowest": registers[13]}

    def on_code(machine: Uc, address: int, _size: int, _data: object) -> None:
        state["row"] = rows[address]
        state["lowest"] = min(state["lowest"], machine.reg_read(arm_const.UC_ARM_REG_SP))

    def on_access(_uc: Uc, kind: int, address: int, size: int, _value: int, _data: object) -> None:
        is_store = kind == unicorn_const.UC_MEM_WRITE
        seen.append(Seen(state["row"], address & _MASK, size, is_store))

    def on_unmapped(
        _uc: Uc, _kind: int, address: int, size: int, _value: int, _data: object
    ) -> bool:
        for page in {address & ~0xFFF & _MASK, (address + size - 1) & ~0xFFF & _MASK} - mapped:
            map_page(page)
        return True

    uc.hook_add(unicorn_const.UC_HOOK_CODE, on_code)
    uc.hook_add(unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE, on_access)
    uc.hook_add(unicorn_const.UC_HOOK_MEM_UNMAPPED, on_unmapped)
    names = [arm_const.UC_ARM_REG_R0 + n for n in range(13)]
    for name, number in zip((*names, arm_const.UC_ARM_REG_SP, arm_const.UC_ARM_REG_LR),
                            registers, strict=False):  # fmt: skip
        uc.reg_write(name, number)
    uc.emu_start(CODE | 1, CODE + len(code), count=len(instructions))
    lowest = min(state["lowest"], uc.reg_read(arm_const.UC_ARM_REG_SP))
    return seen, lowest
