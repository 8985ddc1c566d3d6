"""Floating-point instructions: FPv5, single and double."""

from __future__ import annotations

from capstone import arm

from emu.core.instruction import (
    FIRST_S,
    FLAGS,
    FP_STATUS,
    REGISTERS,
    Attribute,
    Builder,
    scoreboard_registers,
    take_memory_operand,
    take_multiple,
)
from emu.core.timing_table import Need, Producer

_FP_THREE = {
    "vadd": Producer.FP_ADD, "vsub": Producer.FP_ADD, "vabs": Producer.FP_MOVE,
    "vneg": Producer.FP_MOVE, "vmul": Producer.FP_MULTIPLY, "vnmul": Producer.FP_MULTIPLY,
    "vdiv": Producer.FP_DIVIDE, "vsqrt": Producer.FP_ROOT,
    "vmaxnm": Producer.FP_ADD, "vminnm": Producer.FP_ADD,
}  # fmt: skip
_FP_FUSED = frozenset({"vfma", "vfms", "vfnma", "vfnms"})
_FP_CHAINED = frozenset({"vmla", "vmls", "vnmla", "vnmls"})
_DOUBLE = {
    Producer.FP_ADD: Producer.FP_ADD_DOUBLE,
    Producer.FP_MULTIPLY: Producer.FP_MULTIPLY_DOUBLE,
    Producer.FP_FUSED: Producer.FP_FUSED_DOUBLE,
    Producer.FP_CHAINED: Producer.FP_CHAINED_DOUBLE,
    Producer.FP_DIVIDE: Producer.FP_DIVIDE_DOUBLE,
    Producer.FP_ROOT: Producer.FP_ROOT_DOUBLE,
}


def decode_float(build: Builder, name: str, mnemonic: str) -> None:
    """Floating-point instructions; what is not known issues alone and is ready at once."""
    insn = build.insn
    operands = insn.operands
    registers = [op.reg for op in operands if op.type == arm.ARM_OP_REG]
    double = ".f64" in mnemonic
    if name.startswith(("vldm", "vstm", "vpush", "vpop", "fldm", "fstm")):
        if name in ("vpush", "vpop"):
            base, listed, writeback = arm.ARM_REG_SP, registers, True
        else:
            base, listed, writeback = registers[0], registers[1:], insn.writeback
        is_store = name.startswith(("vst", "vpush", "fst"))
        down = name == "vpush" or name.endswith("db")
        take_multiple(build, base, listed, writeback, is_store, down)
    elif name in ("vldr", "vstr"):
        is_store = name == "vstr"
        numbers = scoreboard_registers(registers[0])
        build.attributes |= Attribute.FP_TRANSFER
        build.attributes |= Attribute.STORE if is_store else Attribute.LOAD
        if len(numbers) == 2:
            build.attributes |= Attribute.MULTIPLE | Attribute.SINGLE
        if is_store:
            build.use(registers[0], Need.FS)
        else:
            build.make(registers[0], Producer.FP_LOAD)
        take_memory_operand(build, 4, numbers, is_store, False)
    elif name in _FP_FUSED or name in _FP_CHAINED:
        producer = Producer.FP_FUSED if name in _FP_FUSED else Producer.FP_CHAINED
        producer = _DOUBLE[producer] if double else producer
        build.attributes |= Attribute.FP_ARITHMETIC | Attribute.FP_FUSED
        build.use(registers[0], Need.FC)
        build.use(registers[1], Need.F)
        build.use(registers[2], Need.F)
        build.make(registers[0], producer)
        build.fp_busy = producer
    elif name in _FP_THREE:
        producer = _FP_THREE[name]
        producer = _DOUBLE.get(producer, producer) if double else producer
        build.attributes |= Attribute.FP_ARITHMETIC
        sources = registers[1:] if len(registers) > 1 else registers
        for register in sources:
            build.use(register, Need.F)
        build.make(registers[0], producer)
        build.fp_busy = producer
    elif name.startswith(("vcmp", "fcmp")):
        build.attributes |= Attribute.FP_ARITHMETIC
        for register in registers:
            build.use(register, Need.F)
        build.defs.append((FP_STATUS, Producer.FP_FLAGS, 0))
    elif name == "vmsr":
        build.attributes |= Attribute.FP_TRANSFER
        build.use(registers[-1], Need.L)
        build.defs.append((FP_STATUS, Producer.FP_FROM_CORE, 0))
    elif name in ("fmstat", "vmrs"):
        build.attributes |= Attribute.FP_TRANSFER
        build.uses.append((FP_STATUS, Need.F))
        if name == "fmstat":
            build.make_flags(Producer.FP_TO_CORE)
        else:
            build.make(registers[0], Producer.FP_TO_CORE)
    elif name.startswith(("vcvt", "vrint")):
        build.attributes |= Attribute.FP_ARITHMETIC
        build.use(registers[-1], Need.F)
        build.make(registers[0], Producer.FP_CONVERT)
    elif name.startswith("vsel"):
        build.attributes |= Attribute.FP_ARITHMETIC
        build.use(registers[1], Need.F)
        build.use(registers[2], Need.F)
        build.uses.append((FLAGS, Need.FL))
        build.make(registers[0], Producer.FP_MOVE)
    elif name.startswith(("vmov", "fconst", "fmdrr", "fmrrd")):
        _decode_fp_move(build, registers)
    else:
        build.attributes |= Attribute.SINGLE


def _decode_fp_move(build: Builder, registers: list[int]) -> None:
    """The six forms of vmov; core to FP and back cross the pipes."""
    kinds = [REGISTERS.get(register, -1) >= FIRST_S for register in registers]
    build.attributes |= Attribute.FP_TRANSFER
    if len(registers) == 1:  # a constant
        build.make(registers[0], Producer.FP_MOVE)
    elif all(kinds):
        build.use(registers[1], Need.F)
        build.make(registers[0], Producer.FP_MOVE)
    elif kinds[0]:
        floating = [register for register, is_fp in zip(registers, kinds, strict=True) if is_fp]
        for register, is_fp in zip(registers, kinds, strict=True):
            if not is_fp:
                build.use(register, Need.L)
        for register in floating:
            build.make(register, Producer.FP_FROM_CORE)
    else:
        for register, is_fp in zip(registers, kinds, strict=True):
            if is_fp:
                build.use(register, Need.F)
            else:
                build.make(register, Producer.FP_TO_CORE)
