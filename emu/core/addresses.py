"""Where a block's loads and stores go, as formulas over the registers at its entry.

Hooking every access makes the emulator ten times slower. Instead a block is read once
symbolically: each address becomes `constant + sum of coefficient * value`, a value being a register
at block entry or the result of a micro-op (a loaded word, a masked index, a select of an IT block).
The native hook evaluates the few values that addresses really need, at block entry, and knows
every access of the block before it runs.

What can go wrong is counted, not hidden: an address that needs a value no micro-op can give is
`unresolved`; an access in an IT slot whose condition is unknown is `predicated` and counts as
executed; a loaded pointer is read at block entry, so a store to that very pointer through another
base in the same block is not seen. The exact mode of the machine measures the sum of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from capstone import arm

from emu.core.instruction import FLAGS, PC, SP, Instruction, MemoryOperand, core_register

LINE_BYTES = 32
MAX_NODES = 238  # their numbers, from 16, fit a byte with 0xFF to spare
_MASK = 0xFFFFFFFF


class Op(IntEnum):
    """Micro-ops. `a`, `b` are value indices (0-14: registers at entry, from 16: results)."""

    LINEAR = 0  # a * imm + b * imm2 + const (b may be -1)
    LOAD = 1  # load at a + const; imm = bytes, imm2 = 1 when signed
    AND = 2
    ORR = 3
    EOR = 4
    MUL = 5
    LSL = 6  # b = amount
    LSR = 7
    ASR = 8
    AND_IMM = 9
    ORR_IMM = 10
    EOR_IMM = 11
    LSR_IMM = 12
    ASR_IMM = 13
    SIGN_EXTEND = 14  # imm = bits
    CONDITION = 15  # imm = condition over a compare of a and b: 1 or 0
    SELECT = 16  # a ? b : imm (imm is a value index)
    ROR_IMM = 17


class Node(NamedTuple):
    op: Op
    a: int
    b: int
    imm: int
    imm2: int
    const: int


class Value(NamedTuple):
    """`const + sum of coefficient * node`, modulo 2**32."""

    const: int
    terms: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Access:
    """One access of a group: bytes `[offset, offset + size_bytes)` from the group's base."""

    offset: int
    size_bytes: int
    is_store: bool
    row: int  # index of the instruction in the block
    words: int


@dataclass
class Group:
    """Accesses whose addresses differ by constants."""

    terms: tuple[tuple[int, int], ...]
    predicate: int  # value index of 0 or 1, -1: always
    accesses: list[Access] = field(default_factory=list)


@dataclass(frozen=True)
class AddressProgram:
    """What the native hook evaluates for one block.

    Attributes:
        nodes: micro-ops in order, result `i` is value `16 + i`.
        groups: with bases of at most two terms.
        placed: per instruction `(group, offset)`, group -1 for no or unknown address.
        resolved_count: accesses a block execution makes whose address is known.
        unresolved_count: those whose address is not.
        predicated_count: those counted as executed because their condition is unknown.
        stack_delta_bytes: lowest stack pointer within the block, relative to its entry (0 or less).
        stack_known: the stack pointer at the end is its value at the entry plus a constant.
        stack_probe: value index of a stack pointer that the block computes (a variable-length
            array), -1 for none.
    """

    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    placed: tuple[tuple[int, int], ...]
    resolved_count: int
    unresolved_count: int
    predicated_count: int
    stack_delta_bytes: int
    stack_known: bool = True
    stack_probe: int = -1


_ALWAYS = arm.ARM_CC_AL
_SHIFT_IMMEDIATE = {
    arm.ARM_SFT_ASR: "asr", arm.ARM_SFT_LSL: "lsl", arm.ARM_SFT_LSR: "lsr", arm.ARM_SFT_ROR: "ror",
}  # fmt: skip


_FOLDED: dict[Op, Callable[[int, int], int]] = {
    Op.AND_IMM: lambda value, imm: value & imm,
    Op.ORR_IMM: lambda value, imm: value | imm,
    Op.EOR_IMM: lambda value, imm: value ^ imm,
    Op.LSR_IMM: lambda value, imm: value >> imm,
}


class _Symbolic:
    """Runs a block over symbolic values. `None` is a value nobody can know at block entry."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.known: dict[Node, int] = {}
        self.registers: list[Value | None] = [Value(0, ((n, 1),)) for n in range(15)]
        self.flags: tuple[Value, Value] | None = None  # compared pair
        self.only_zero_and_sign = False  # after logic, carry and overflow are somebody else's
        self.stores: list[tuple[Value, int, Value | None]] = []

    # Values

    def constant(self, number: int) -> Value:
        return Value(number & _MASK, ())

    def add(self, left: Value | None, right: Value | None, scale: int = 1) -> Value | None:
        if left is None or right is None:
            return None
        terms = dict(left.terms)
        for node, coefficient in right.terms:
            terms[node] = (terms.get(node, 0) + coefficient * scale) & _MASK
        kept = tuple(sorted((node, c) for node, c in terms.items() if c))
        value = Value((left.const + right.const * scale) & _MASK, kept)
        if len(kept) > 2:
            return self.shrink(value)
        return value

    def scale(self, value: Value | None, factor: int) -> Value | None:
        return self.add(self.constant(0), value, factor)

    def node(self, op: Op, a: int, b: int = -1, imm: int = 0, imm2: int = 0, const: int = 0) -> int:
        node = Node(op, a, b, imm, imm2, const)
        if node not in self.known:
            if len(self.nodes) >= MAX_NODES:
                return -1
            self.known[node] = 16 + len(self.nodes)
            self.nodes.append(node)
        return self.known[node]

    def wrap(self, index: int) -> Value | None:
        return None if index < 0 else Value(0, ((index, 1),))

    def shrink(self, value: Value) -> Value | None:
        """The same value with at most one term, by materialising it."""
        index = self.index_of(value)
        return None if index is None else Value(0, ((index, 1),))

    def index_of(self, value: Value | None) -> int | None:
        """A value index that holds `value`; None when it is unknown or the block is too large."""
        if value is None:
            return None
        if value.const == 0 and len(value.terms) == 1 and value.terms[0][1] == 1:
            return value.terms[0][0]
        terms = list(value.terms) or [(0, 0)]
        (a, ka), rest = terms[0], terms[1:]
        b, kb = rest[0] if rest else (-1, 0)
        index = self.node(Op.LINEAR, a, b, ka, kb, value.const)
        for node, coefficient in rest[1:]:
            if index < 0:
                return None
            index = self.node(Op.LINEAR, index, node, 1, coefficient, 0)
        return None if index < 0 else index

    def unary(self, op: Op, value: Value | None, imm: int) -> Value | None:
        if value is not None and not value.terms and op in _FOLDED:
            return self.constant(_FOLDED[op](value.const, imm))
        index = self.index_of(value)
        return None if index is None else self.wrap(self.node(op, index, -1, imm))

    def binary(self, op: Op, left: Value | None, right: Value | None) -> Value | None:
        a, b = self.index_of(left), self.index_of(right)
        if a is None or b is None:
            return None
        return self.wrap(self.node(op, a, b))

    def logic(self, op: Op, immediate: Op, left: Value | None, right: Value | None) -> Value | None:
        if right is not None and not right.terms:
            return self.unary(immediate, left, right.const)
        return self.binary(op, left, right)

    def shift(self, kind: str, value: Value | None, amount: int) -> Value | None:
        if amount == 0:
            return value
        if kind == "lsl":
            return self.scale(value, 1 << amount) if amount < 32 else self.constant(0)
        if kind == "lsr":
            return self.unary(Op.LSR_IMM, value, amount) if amount < 32 else self.constant(0)
        if kind == "asr":
            return self.unary(Op.ASR_IMM, value, min(amount, 31))
        return self.unary(Op.ROR_IMM, value, amount & 31)

    # Reading operands

    def read(self, register: int, instruction: Instruction) -> Value | None:
        if register == PC:  # not aligned, as it is for literals and adr
            return self.constant(instruction.address + 4)
        return self.registers[register] if 0 <= register < 15 else None

    def operand(self, op: object, instruction: Instruction) -> Value | None:
        kind = op.type  # type: ignore[attr-defined]  # capstone has no types
        if kind == arm.ARM_OP_IMM:
            return self.constant(op.imm)  # type: ignore[attr-defined]
        if kind != arm.ARM_OP_REG:
            return None
        from_register = core_register(op.reg)  # type: ignore[attr-defined]
        value = self.read(from_register, instruction)
        shift = op.shift  # type: ignore[attr-defined]
        if shift.type:
            if shift.type not in _SHIFT_IMMEDIATE:
                return None
            value = self.shift(_SHIFT_IMMEDIATE[shift.type], value, shift.value)
        return value

    # Loads and stores

    def address(self, memory: MemoryOperand, instruction: Instruction) -> Value | None:
        if memory.base == PC:
            base: Value | None = self.constant(memory.displacement)
        else:
            base = self.add(self.registers[memory.base], self.constant(memory.displacement))
        if memory.index >= 0:
            base = self.add(
                base, self.scale(self.read(memory.index, instruction), 1 << memory.shift)
            )
        return base

    def load(self, address: Value | None, size_bytes: int, signed: bool) -> Value | None:
        if address is None:
            return None
        for stored, stored_bytes, data in reversed(self.stores):
            if stored.terms != address.terms:
                continue
            distance = (address.const - stored.const) & _MASK
            if distance == 0 and size_bytes == stored_bytes == 4:
                return data
            if distance < stored_bytes or (-distance & _MASK) < size_bytes:
                return None
        if not address.terms:
            address = Value(address.const, ((0, 0),))
        base = self.index_of(Value(0, address.terms)) if address.terms != ((0, 0),) else 0
        if base is None:
            return None
        factor = 0 if address.terms == ((0, 0),) else 1
        return self.wrap(
            self.node(Op.LOAD, base if factor else -1, -1, size_bytes, int(signed), address.const)
        )


_ZERO_OR_SIGN = (arm.ARM_CC_EQ, arm.ARM_CC_NE, arm.ARM_CC_MI, arm.ARM_CC_PL)


def _condition(symbolic: _Symbolic, condition: int) -> int | None:
    """Value index of an IT slot's condition, None when the flags are not known."""
    if symbolic.flags is None:
        return None
    if symbolic.only_zero_and_sign and condition not in _ZERO_OR_SIGN:
        return None
    a, b = (symbolic.index_of(value) for value in symbolic.flags)
    if a is None or b is None:
        return None
    index = symbolic.node(Op.CONDITION, a, b, condition)
    return None if index < 0 else index


def _execute(symbolic: _Symbolic, instruction: Instruction) -> None:
    """The instruction's effect on registers, flags and known stores (its addresses are taken)."""
    name, insn = instruction.name, instruction.capstone
    before = list(symbolic.registers)
    conditional = instruction.condition != _ALWAYS and name not in ("b", "it")
    predicate = _condition(symbolic, instruction.condition) if conditional else None
    memory = instruction.memory
    if memory is not None:
        _transfer(symbolic, instruction, memory)
    elif instruction.defs or name in ("cmp", "tst", "cmn", "teq"):
        result = _result(symbolic, instruction)
        compares = name in ("cmp", "tst", "cmn", "teq")
        core = [register for register, _, _ in instruction.defs if register < 15]
        left = symbolic.operand(insn.operands[0], instruction) if insn.operands else None
        for register in core:
            symbolic.registers[register] = result if len(core) == 1 and not compares else None
        if any(register == FLAGS for register, _, _ in instruction.defs):
            symbolic.flags = None
            symbolic.only_zero_and_sign = name not in ("cmp", "sub")
            zero = symbolic.constant(0)
            if name == "cmp":
                right = symbolic.operand(insn.operands[1], instruction)
                if left is not None and right is not None:
                    symbolic.flags = (left, right)
            elif name == "sub" and result is not None:
                sources = insn.operands[-2:]
                first = sources[0]
                number = core_register(first.reg)
                minuend = before[number] if 0 <= number < 15 else None
                right = symbolic.operand(sources[1], instruction)
                if sources[1].type == arm.ARM_OP_REG:
                    number = core_register(sources[1].reg)
                    right = (
                        before[number] if 0 <= number < 15 and not sources[1].shift.type else None
                    )
                if minuend is not None and right is not None:
                    symbolic.flags = (minuend, right)
            elif name == "tst" and left is not None:
                masked = symbolic.logic(
                    Op.AND, Op.AND_IMM, left, symbolic.operand(insn.operands[1], instruction)
                )
                if masked is not None:
                    symbolic.flags = (masked, zero)
            elif name in ("and", "orr", "eor", "mov", "lsl", "lsr", "asr") and result is not None:
                symbolic.flags = (result, zero)
    if conditional:
        if any(register == FLAGS for register, _, _ in instruction.defs):
            symbolic.flags = None  # of one compare or the other
        for register in range(15):
            new, old = symbolic.registers[register], before[register]
            if new != old:
                symbolic.registers[register] = _select(symbolic, predicate, new, old)


def _select(
    symbolic: _Symbolic, predicate: int | None, new: Value | None, old: Value | None
) -> Value | None:
    new_index, old_index = symbolic.index_of(new), symbolic.index_of(old)
    if predicate is None or new_index is None or old_index is None:
        return None
    return symbolic.wrap(symbolic.node(Op.SELECT, predicate, new_index, old_index))


def _transfer(symbolic: _Symbolic, instruction: Instruction, memory: MemoryOperand) -> None:
    start = symbolic.address(memory, instruction)
    base = memory.base
    if memory.is_store:
        if start is not None:
            for position, register in enumerate(memory.registers):
                # What may not have been stored cannot be forwarded.
                certain = register < 15 and instruction.condition == _ALWAYS
                data = symbolic.registers[register] if certain else None
                at = symbolic.add(start, symbolic.constant(4 * position))
                if at is not None:
                    symbolic.stores.append((at, memory.word_bytes, data))
        if instruction.name.startswith("strex"):
            for register, _, _ in instruction.defs:
                if register < 15:
                    symbolic.registers[register] = None
    loaded: list[tuple[int, Value | None]] = []
    if not memory.is_store:
        for position, register in enumerate(memory.registers):
            if 0 <= register < 15:
                at = symbolic.add(start, symbolic.constant(4 * position))
                loaded.append((register, symbolic.load(at, memory.word_bytes, memory.signed)))
    if memory.step_bytes and 0 <= base < 15:
        symbolic.registers[base] = symbolic.add(
            symbolic.registers[base], symbolic.constant(memory.step_bytes)
        )
    for register, value in loaded:
        symbolic.registers[register] = value


def _result(symbolic: _Symbolic, instruction: Instruction) -> Value | None:
    """The value an instruction without memory gives its one destination; None when not known."""
    name, insn = instruction.name, instruction.capstone
    if name == "bl" or name == "blx":
        return symbolic.constant((instruction.address + instruction.size_bytes) | 1)
    operands = list(insn.operands)
    if not operands:
        return None
    if name == "adr":  # relative to the aligned program counter
        return symbolic.constant(((instruction.address + 4) & ~3) + operands[-1].imm)
    if instruction.text.startswith("movt"):
        low = symbolic.unary(Op.AND_IMM, symbolic.operand(operands[0], instruction), 0xFFFF)
        return symbolic.add(low, symbolic.constant(operands[1].imm << 16))
    if name in ("mov", "movw", "cpy", "uxtb", "uxth", "sxtb", "sxth", "mvn", "neg"):
        value = symbolic.operand(operands[-1], instruction)
        match name:
            case "uxtb" | "uxth" if operands[-1].shift.type == 0:
                return symbolic.unary(Op.AND_IMM, value, 0xFF if name == "uxtb" else 0xFFFF)
            case "sxtb" | "sxth" if operands[-1].shift.type == 0:
                return symbolic.unary(Op.SIGN_EXTEND, value, 8 if name == "sxtb" else 16)
            case "mvn":
                return symbolic.add(symbolic.constant(-1), value, -1)
            case "neg":
                return symbolic.add(symbolic.constant(0), value, -1)
            case "mov" | "movw" | "cpy":
                return value
            case _:
                return None
    if name in ("ubfx", "sbfx"):
        low, width = operands[2].imm, operands[3].imm
        value = symbolic.shift("lsr", symbolic.operand(operands[1], instruction), low)
        if name == "ubfx":
            return symbolic.unary(Op.AND_IMM, value, (1 << width) - 1)
        return symbolic.unary(Op.SIGN_EXTEND, value, width)
    sources = operands if len(operands) == 2 else operands[1:]
    if name == "mul":
        return symbolic.binary(
            Op.MUL,
            symbolic.operand(sources[0], instruction),
            symbolic.operand(sources[1], instruction),
        )
    if name in ("mla", "mls"):
        product = symbolic.binary(
            Op.MUL,
            symbolic.operand(operands[1], instruction),
            symbolic.operand(operands[2], instruction),
        )
        addend = symbolic.operand(operands[3], instruction)
        return symbolic.add(addend, product, 1 if name == "mla" else -1)
    if len(sources) != 2:
        return None
    left = symbolic.operand(sources[0], instruction)
    right = symbolic.operand(sources[1], instruction)
    first, second = sources
    if first.type == arm.ARM_OP_REG and core_register(first.reg) == PC:
        if second.type == arm.ARM_OP_IMM:  # adr by another name
            left = symbolic.constant((instruction.address + 4) & ~3)
    match name:
        case "add" | "addw":
            return symbolic.add(left, right)
        case "sub" | "subw":
            return symbolic.add(left, right, -1)
        case "rsb":
            return symbolic.add(right, left, -1)
        case "and":
            return symbolic.logic(Op.AND, Op.AND_IMM, left, right)
        case "bic" if right is not None and not right.terms:
            return symbolic.unary(Op.AND_IMM, left, ~right.const & _MASK)
        case "orr":
            return symbolic.logic(Op.ORR, Op.ORR_IMM, left, right)
        case "eor":
            return symbolic.logic(Op.EOR, Op.EOR_IMM, left, right)
        case "lsl" | "lsr" | "asr" | "ror":
            if right is not None and not right.terms:
                return symbolic.shift(name, left, right.const & 0xFF)
            if name == "ror":
                return None
            return symbolic.binary({"lsl": Op.LSL, "lsr": Op.LSR, "asr": Op.ASR}[name], left, right)
        case _:
            return None


def analyse_addresses(instructions: Sequence[Instruction]) -> AddressProgram:
    """Find every access of a block as group, offset and condition."""
    symbolic = _Symbolic()
    groups: dict[tuple[tuple[tuple[int, int], ...], int], Group] = {}
    order: list[Group] = []
    placed: list[tuple[int, int]] = []
    resolved = unresolved = predicated = 0
    lowest = 0
    stack_known = True
    probe: int | None = None
    for row, instruction in enumerate(instructions):
        memory = instruction.memory
        place = (-1, 0)
        if memory is not None:
            address = symbolic.address(memory, instruction)
            predicate = -1
            if instruction.condition != _ALWAYS:
                known = _condition(symbolic, instruction.condition)
                if known is None:
                    predicated += memory.words
                else:
                    predicate = known
            if address is None:
                unresolved += memory.words
            else:
                key = (address.terms, predicate)
                if key not in groups:
                    groups[key] = Group(address.terms, predicate)
                    order.append(groups[key])
                offset = (
                    address.const - (1 << 32)
                    if address.const >> 31 and address.terms
                    else address.const
                )
                groups[key].accesses.append(
                    Access(
                        offset, memory.word_bytes * memory.words, memory.is_store, row, memory.words
                    )
                )
                place = (order.index(groups[key]), offset)
                resolved += memory.words
        placed.append(place)
        _execute(symbolic, instruction)
        stack = symbolic.registers[SP]
        if stack is not None and stack.terms == ((SP, 1),):
            delta = stack.const - (1 << 32) if stack.const >> 31 else stack.const
            lowest = min(lowest, delta)
        stack_known = stack is not None and stack.terms == ((SP, 1),)
        if not stack_known and probe is None:
            probe = symbolic.index_of(stack)
    nodes, groups_out, moved_probe = _needed(symbolic.nodes, order, -1 if probe is None else probe)
    return AddressProgram(
        nodes, groups_out, tuple(placed), resolved, unresolved, predicated, lowest, stack_known,
        moved_probe,
    )  # fmt: skip


def _needed(
    nodes: list[Node], groups: list[Group], probe: int
) -> tuple[tuple[Node, ...], tuple[Group, ...], int]:
    """Keep the micro-ops that some address needs, renumbered."""
    wanted: set[int] = set()
    stack = [node for group in groups for node, _ in group.terms]
    stack += [group.predicate for group in groups]
    stack.append(probe)
    while stack:
        index = stack.pop()
        if index < 16 or index in wanted:
            continue
        wanted.add(index)
        node = nodes[index - 16]
        stack += [node.a, node.b]
        if node.op is Op.SELECT:
            stack.append(node.imm)
    number = {index: 16 + position for position, index in enumerate(sorted(wanted))}

    def moved(index: int) -> int:
        return number.get(index, index)

    kept = []
    for index in sorted(wanted):
        node = nodes[index - 16]
        imm = moved(node.imm) if node.op is Op.SELECT else node.imm
        kept.append(node._replace(a=moved(node.a), b=moved(node.b), imm=imm))
    out = tuple(
        Group(
            tuple((moved(node), c) for node, c in group.terms),
            moved(group.predicate),
            group.accesses,
        )
        for group in groups
    )
    return tuple(kept), out, moved(probe)


__all__ = ["LINE_BYTES", "Access", "AddressProgram", "Group", "Node", "Op", "analyse_addresses"]
