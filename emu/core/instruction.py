"""What an instruction is to the timing model, and how a decoder notes it down."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

import capstone
from capstone import arm

from emu.core.timing_table import Need, Producer

FLAGS = 16  # N Z C V
GE_FLAGS = 17  # set by parallel adds, read by sel
FIRST_S = 18  # s0; d1 is s2 and s3
FP_STATUS = 50
REGISTER_COUNT = 51
FIRST_DOUBLE = 100  # d0 in `core_register`; the scoreboard knows d0 as s0 and s1
SP, LR, PC = 13, 14, 15
ALWAYS = arm.ARM_CC_AL


class Attribute(IntFlag):
    """What an instruction asks of the issue stage; pairs are refused on these."""

    NONE = 0
    SINGLE = 1  # never pairs
    OLDER_ONLY = 2  # bitfield, extend and DSP: the one SIMD-capable ALU
    SHIFTER = 4  # inline-shifted operand or shifted constant
    BITFIELD = 8  # bfi, ubfx, rev, *xta*, pkh: not beside SHIFTER
    MULTIPLY = 16
    LOAD = 32
    STORE = 64
    BRANCH = 128
    FP_ARITHMETIC = 256
    EARLY_OLDER = 512  # add, sub, mov: early ALU in the older slot
    EARLY_ANY = 1024  # plain shift: early ALU in either slot
    MULTIPLE = 2048  # ldm, stm, ldrd, strd, push, pop
    FP_FUSED = 4096  # vfma, vmla: the next may be no vldr, vstr, vmov
    FP_TRANSFER = 8192
    NARROW = 16384  # byte or half-word access
    PREDICATED = 32768


class End(IntEnum):
    """How control leaves a block."""

    FALL = 0  # split by the translator, or not a branch
    CONDITIONAL = 1
    JUMP = 2
    CALL = 3
    CALL_INDIRECT = 4
    JUMP_INDIRECT = 5
    RETURN = 6


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """One instruction's data access: `base + (index << shift) + displacement`, `words` in a row.

    Attributes:
        base: core register, 15 for a literal (then `displacement` is the absolute address).
        step_bytes: what the base grows by (write-back), 0 without.
        registers: transferred registers, lowest address first.
    """

    base: int
    index: int
    shift: int
    displacement: int
    word_bytes: int
    words: int
    is_store: bool
    step_bytes: int
    signed: bool
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction.

    Attributes:
        issue_cycles: cycles it holds the issue stage (1; ldm of n words: ceil(n / 2)).
        uses: `(register, need)`.
        defs: `(register, producer, delay)`: the value counts as issued `delay` cycles later.
        fp_busy: producer whose hold of the floating-point pipe applies, NONE for others.
    """

    address: int
    size_bytes: int
    name: str
    text: str
    attributes: Attribute
    issue_cycles: int
    uses: tuple[tuple[int, Need], ...]
    defs: tuple[tuple[int, Producer, int], ...]
    memory: MemoryOperand | None
    fp_busy: Producer
    end: End
    condition: int  # capstone condition code, 15 = always
    target: int | None
    capstone: Any  # the operands again, for the address pass


DISASSEMBLER = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
DISASSEMBLER.detail = True


def _register_names() -> dict[int, int]:
    numbers = {f"r{n}": n for n in range(16)}
    numbers |= {"sb": 9, "sl": 10, "fp": 11, "ip": 12, "sp": SP, "lr": LR, "pc": PC}
    numbers |= {f"s{n}": FIRST_S + n for n in range(32)}
    found: dict[int, int] = {}
    for register in range(1, 300):
        name = DISASSEMBLER.reg_name(register)
        if name in numbers:
            found[register] = numbers[name]
        elif name and name[0] == "d" and name[1:].isdigit() and int(name[1:]) < 16:
            found[register] = FIRST_DOUBLE + int(name[1:])
    return found


REGISTERS = _register_names()


def core_register(register: int) -> int:
    return REGISTERS.get(register, -1)


def scoreboard_registers(register: int) -> tuple[int, ...]:
    """A capstone register as scoreboard registers: d3 is s6 and s7."""
    number = REGISTERS.get(register, -1)
    if number >= FIRST_DOUBLE:
        single = FIRST_S + 2 * (number - FIRST_DOUBLE)
        return single, single + 1
    return (number,) if number >= 0 else ()


class Builder:
    """Collects one instruction's uses and defs."""

    def __init__(self, insn: Any) -> None:
        self.insn = insn
        self.attributes = Attribute.NONE
        self.issue_cycles = 1
        self.uses: list[tuple[int, Need]] = []
        self.defs: list[tuple[int, Producer, int]] = []
        self.memory: MemoryOperand | None = None
        self.fp_busy = Producer.NONE
        self.end = End.FALL
        self.target: int | None = None

    def use(self, register: int, need: Need) -> None:
        for number in scoreboard_registers(register):
            if number != PC:
                self.uses.append((number, need))

    def make(self, register: int, producer: Producer, delay: int = 0) -> None:
        for number in scoreboard_registers(register):
            self.defs.append((number, producer, delay))

    def make_flags(self, producer: Producer) -> None:
        self.defs.append((FLAGS, producer, 0))


def take_memory_operand(
    build: Builder, word_bytes: int, registers: tuple[int, ...], is_store: bool, signed: bool
) -> None:
    insn = build.insn
    op = next(op for op in insn.operands if op.type == arm.ARM_OP_MEM)
    base, index = core_register(op.mem.base), core_register(op.mem.index) if op.mem.index else -1
    displacement, step = op.mem.disp, 0
    if op.subtracted and displacement > 0:
        displacement = -displacement
    post = bool(insn.post_index)
    if post:
        immediate = insn.operands[-1]
        step = immediate.imm if immediate.type == arm.ARM_OP_IMM else op.mem.disp
        if immediate.subtracted and step > 0:
            step = -step
        displacement = 0
    elif insn.writeback:
        step = displacement
    if base == PC:
        displacement += (insn.address + 4) & ~3
    build.memory = MemoryOperand(
        base=base,
        index=index,
        shift=op.shift.value if op.shift.type else op.mem.lshift,
        displacement=displacement,
        word_bytes=word_bytes,
        words=max(len(registers), 1),
        is_store=is_store,
        step_bytes=step,
        signed=signed,
        registers=registers,
    )
    build.use(op.mem.base, Need.A)
    if op.mem.index:
        build.use(op.mem.index, Need.A)
    if step:
        build.make(op.mem.base, Producer.WRITEBACK)


def take_multiple(
    build: Builder,
    base_register: int,
    listed: list[int],
    writeback: bool,
    is_store: bool,
    down: bool,
) -> None:
    numbers = [number for register in listed for number in scoreboard_registers(register)]
    if not numbers:  # d16 and above, which this core lacks: it faults where it runs
        return
    words = len(numbers)
    build.attributes |= Attribute.SINGLE | Attribute.MULTIPLE
    build.attributes |= Attribute.STORE if is_store else Attribute.LOAD
    build.issue_cycles = max(1, (words + 1) // 2)
    build.use(base_register, Need.A)
    for position, number in enumerate(numbers):
        floating = number >= FIRST_S
        if is_store:
            # Data of the i-th word leaves i / 2 cycles later; ask only for what the first two need.
            if position < 2:
                build.uses.append((number, Need.FS if floating else Need.S))
        else:
            kind = Producer.FP_LOAD if floating else Producer.LOAD_WORD
            build.defs.append((number, kind, position // 2))
    if writeback:
        build.make(base_register, Producer.WRITEBACK)
    size = 4 * words
    build.memory = MemoryOperand(
        base=core_register(base_register),
        index=-1,
        shift=0,
        displacement=-size if down else 0,
        word_bytes=4,
        words=words,
        is_store=is_store,
        step_bytes=(-size if down else size) if writeback else 0,
        signed=False,
        registers=tuple(numbers),
    )
