"""Thumb-2 instructions as the timing model sees them: what they use, make and need of the pipe.

`decode_block` turns the bytes of a translated block into `Instruction` values. Everything that
decides a cycle is decided here once, from the mnemonic and operands that capstone gives; the
scoreboard only compares numbers.
"""

from __future__ import annotations

from typing import Any

from capstone import arm

from emu.core.decode_float import decode_float
from emu.core.instruction import (
    ALWAYS,
    DISASSEMBLER,
    FLAGS,
    GE_FLAGS,
    LR,
    PC,
    Attribute,
    Builder,
    End,
    Instruction,
    MemoryOperand,
    core_register,
    take_memory_operand,
    take_multiple,
)
from emu.core.timing_table import Need, Param, Producer, TimingTable

_SIMPLE_EARLY = frozenset({"add", "sub", "mov", "movw", "movt", "adr", "addw", "subw", "cpy"})
_LATE_ALU = frozenset(
    {
        "and",
        "orr",
        "eor",
        "bic",
        "orn",
        "adc",
        "sbc",
        "rsb",
        "mvn",
        "tst",
        "teq",
        "cmp",
        "cmn",
        "neg",
    }
)
_PLAIN_SHIFT = frozenset({"lsl", "lsr", "asr", "ror", "rrx"})
_EARLY_SOURCE_BITFIELD = frozenset({"ubfx", "sbfx", "rev", "rev16", "revsh", "rbit", "bfc"})
_EXTRACT_ADD = frozenset({"uxtab", "uxtah", "sxtab", "sxtah", "uxtab16", "sxtab16"})
_EXTEND = frozenset({"uxtb", "uxth", "sxtb", "sxth", "uxtb16", "sxtb16", "clz"})
_PARALLEL = frozenset(
    prefix + op
    for prefix in ("s", "u", "q", "uq", "sh", "uh")
    for op in ("add8", "add16", "sub8", "sub16", "asx", "sax")
)
_SATURATE = frozenset(
    {"ssat", "usat", "ssat16", "usat16", "qadd", "qsub", "qdadd", "qdsub", "usad8"}
)
_MULTIPLY_ACCUMULATE = frozenset(
    {"mla", "mls", "smmla", "smmlar", "smmls", "smmlsr", "smlad", "smladx", "smlsd", "smlsdx",
     "smlabb", "smlabt", "smlatb", "smlatt", "smlawb", "smlawt", "usada8"}
)  # fmt: skip
_MULTIPLY_PLAIN = frozenset(
    {"mul", "smmul", "smmulr", "smuad", "smuadx", "smusd", "smusdx", "smulbb", "smulbt", "smultb",
     "smultt", "smulwb", "smulwt"}
)  # fmt: skip
_MULTIPLY_LONG = frozenset({"umull", "smull"})
_MULTIPLY_LONG_ACCUMULATE = frozenset(
    {"umlal", "smlal", "umaal", "smlald", "smlaldx", "smlsld", "smlsldx", "smlalbb", "smlalbt",
     "smlaltb", "smlaltt"}
)  # fmt: skip
# name -> (bytes, signed)
_LOADS = {
    "ldr": (4, False), "ldrt": (4, False), "ldrb": (1, False), "ldrbt": (1, False),
    "ldrsb": (1, True), "ldrsbt": (1, True), "ldrh": (2, False), "ldrht": (2, False),
    "ldrsh": (2, True), "ldrsht": (2, True), "ldrex": (4, False), "ldrexb": (1, False),
    "ldrexh": (2, False), "lda": (4, False),
}  # fmt: skip
_STORES = {
    "str": 4, "strt": 4, "strb": 1, "strbt": 1, "strh": 2, "strht": 2,
    "strex": 4, "strexb": 1, "strexh": 2,
}  # fmt: skip
# What capstone calls by another name in some encodings.
_OTHER_NAMES = {"movs": "mov", "fmdhr": "vmov", "fmdlr": "vmov", "fmrdh": "vmov", "fmrdl": "vmov"}
_HINTS = frozenset({"nop", "hint", "yield", "sev", "wfe", "wfi", "pld", "pldw", "pli", "dbg"})


def _is_shifted_constant(mnemonic: str, value: int, size_bytes: int) -> bool:
    """Whether an immediate passes the shifter: an 8-bit value rotated, and no byte pattern."""
    if size_bytes == 2 or mnemonic.startswith(("movw", "movt", "addw", "subw")):
        return False
    value &= 0xFFFFFFFF
    low = value & 0xFF
    high = (value >> 8) & 0xFF
    return value > 0xFF and value not in (low * 0x00010001, high * 0x01000100, low * 0x01010101)


def _sets_flags(name: str, mnemonic: str) -> bool:
    """From the mnemonic: capstone says that every adc sets flags."""
    return mnemonic.partition(".")[0].startswith(name + "s")


def decode_instruction(insn: Any, table: TimingTable) -> Instruction:
    """Classify one capstone instruction."""
    build = Builder(insn)
    name = DISASSEMBLER.insn_name(insn.id) or insn.mnemonic
    name = _OTHER_NAMES.get(name, name)
    mnemonic = insn.mnemonic
    if not _decode_core(build, name, mnemonic, table):
        decode_float(build, name, mnemonic)
    if insn.cc not in (ALWAYS, arm.ARM_CC_INVALID) and name not in ("b", "it"):
        build.attributes |= Attribute.PREDICATED
        build.uses.append((FLAGS, Need.FL))
    if build.end is End.FALL and any(number == PC for number, _, _ in build.defs):
        build.end = End.JUMP_INDIRECT
    if build.end is not End.FALL:
        build.attributes |= Attribute.BRANCH
    return Instruction(
        address=insn.address,
        size_bytes=insn.size,
        name=name,
        text=f"{mnemonic} {insn.op_str}".strip(),
        attributes=build.attributes,
        issue_cycles=build.issue_cycles,
        uses=tuple(dict.fromkeys(build.uses)),
        defs=tuple(build.defs),
        memory=build.memory,
        fp_busy=build.fp_busy,
        end=build.end,
        condition=insn.cc if insn.cc != arm.ARM_CC_INVALID else ALWAYS,
        target=build.target,
        capstone=insn,
    )


def _decode_core(build: Builder, name: str, mnemonic: str, table: TimingTable) -> bool:
    """Integer instructions. False when `name` is none of them."""
    insn = build.insn
    operands = insn.operands
    registers = [op.reg for op in operands if op.type == arm.ARM_OP_REG]
    if name in _SIMPLE_EARLY or name in _LATE_ALU:
        _decode_alu(build, name, mnemonic)
    elif name in _PLAIN_SHIFT:
        # `lsls r0, r1` and `lsl r0, #3` shift their own destination.
        sources = registers if len(operands) == 2 and name != "rrx" else registers[1:]
        for register in sources:
            build.use(register, Need.L)
        if name == "rrx":
            build.uses.append((FLAGS, Need.FL))
        build.make(registers[0], Producer.LATE_ALU)
        build.attributes |= Attribute.EARLY_ANY
        if _sets_flags(name, mnemonic):
            build.make_flags(Producer.LATE_ALU)
    elif (
        name in _EARLY_SOURCE_BITFIELD or name in ("bfi", "pkhbt", "pkhtb") or name in _EXTRACT_ADD
    ):
        build.attributes |= Attribute.OLDER_ONLY | Attribute.BITFIELD
        if name in ("bfi", "bfc"):
            build.use(registers[0], Need.L)
        if name in ("pkhbt", "pkhtb") or name in _EXTRACT_ADD:
            build.use(registers[-2], Need.L)
            build.use(registers[-1], Need.E)
        elif name != "bfc":
            build.use(registers[-1], Need.E)
        build.make(registers[0], Producer.BITFIELD)
    elif name in _EXTEND or name in _PARALLEL or name in _SATURATE or name == "sel":
        build.attributes |= Attribute.OLDER_ONLY
        shifted = any(op.shift.type for op in operands) and name in ("ssat", "usat")
        for register in registers[1:] if len(registers) > 1 else registers:
            build.use(register, Need.E if shifted else Need.L)
        build.make(registers[0], Producer.BITFIELD)
        if name == "sel":
            build.uses.append((GE_FLAGS, Need.FL))
        elif name in _PARALLEL and name[0] in "su" and name[:2] not in ("sh", "uh", "uq"):
            build.defs.append((GE_FLAGS, Producer.BITFIELD, 0))
    elif name in _MULTIPLY_PLAIN or name in _MULTIPLY_ACCUMULATE:
        build.attributes |= Attribute.MULTIPLY
        sources = registers[1:] if len(registers) > 2 or name in _MULTIPLY_ACCUMULATE else registers
        for register in sources[:2]:
            build.use(register, Need.M)
        if name in _MULTIPLY_ACCUMULATE:
            build.use(registers[3], Need.C)
        build.make(registers[0], Producer.MULTIPLY)
        if _sets_flags(name, mnemonic):
            build.make_flags(Producer.MULTIPLY)
    elif name in _MULTIPLY_LONG or name in _MULTIPLY_LONG_ACCUMULATE:
        build.attributes |= Attribute.MULTIPLY
        build.use(registers[2], Need.M)
        build.use(registers[3], Need.M)
        for register in registers[:2]:
            if name in _MULTIPLY_LONG_ACCUMULATE:
                build.use(register, Need.C)
            build.make(register, Producer.MULTIPLY)
    elif name in ("sdiv", "udiv"):
        build.attributes |= Attribute.SINGLE
        for register in registers[1:] if len(registers) > 2 else registers:
            build.use(register, Need.L)
        build.make(registers[0], Producer.DIVIDE)
        build.fp_busy = Producer.DIVIDE
    elif name in _LOADS or name in _STORES or name in ("ldrd", "strd", "ldrexd", "strexd"):
        _decode_transfer(build, name, table)
    elif name in _MULTIPLES:
        _decode_multiple(build, name)
    elif name in ("b", "bl", "blx", "bx", "cbz", "cbnz", "tbb", "tbh", "bxj"):
        _decode_branch(build, name, table)
    elif name == "it" or name in _HINTS:
        for op in operands:
            if op.type == arm.ARM_OP_MEM:
                build.use(op.mem.base, Need.A)
                if op.mem.index:
                    build.use(op.mem.index, Need.A)
    elif name in ("dsb", "dmb", "isb", "cps", "mrs", "msr", "svc", "bkpt", "udf", "clrex"):
        build.attributes |= Attribute.SINGLE
        params = table.params
        build.issue_cycles = int(
            {
                "dsb": params[Param.BARRIER],
                "dmb": params[Param.BARRIER],
                "isb": params[Param.INSTRUCTION_BARRIER],
                "svc": params[Param.EXCEPTION_ENTRY],
            }.get(name, params[Param.SPECIAL_REGISTER])
        )
        if name == "mrs":
            build.make(registers[0], Producer.LATE_ALU)
        elif name == "msr" and registers:
            build.use(registers[-1], Need.L)
            if "psr" in insn.op_str:
                build.make_flags(Producer.LATE_ALU)
    else:
        return False
    return True


def _decode_alu(build: Builder, name: str, mnemonic: str) -> None:
    insn = build.insn
    operands = insn.operands
    compares = name in ("cmp", "cmn", "tst", "teq")
    sources = operands if compares else operands[1:]
    if not compares and (
        len(operands) == 2 and name not in ("mov", "mvn", "adr", "movw", "cpy", "neg")
    ):
        sources = operands  # add sp, #16: the destination is a source
    if name == "movt" or mnemonic.startswith("movt"):
        sources = operands[:1]
    shifted = any(op.shift.type for op in operands)
    constant = any(
        op.type == arm.ARM_OP_IMM and _is_shifted_constant(mnemonic, op.imm, insn.size)
        for op in operands
    )
    for op in sources:
        if op.type != arm.ARM_OP_REG:
            continue
        if op.shift.type:
            build.use(op.reg, Need.E)
            if op.shift.type >= arm.ARM_SFT_ASR_REG:
                build.use(op.shift.value, Need.E)
            elif op.shift.type == arm.ARM_SFT_RRX:
                build.uses.append((FLAGS, Need.FL))
        else:
            build.use(op.reg, Need.X if shifted else Need.L)
    if name in ("adc", "sbc"):
        build.uses.append((FLAGS, Need.FL))
    if shifted or constant:
        build.attributes |= Attribute.SHIFTER
    elif name in _SIMPLE_EARLY:
        build.attributes |= Attribute.EARLY_OLDER
    if not compares:
        build.make(operands[0].reg, Producer.LATE_ALU)
    if compares or _sets_flags(name, mnemonic):
        build.make_flags(Producer.LATE_ALU)


def _decode_transfer(build: Builder, name: str, table: TimingTable) -> None:
    registers = [op.reg for op in build.insn.operands if op.type == arm.ARM_OP_REG]
    exclusive = "ex" in name
    if exclusive:
        build.attributes |= Attribute.SINGLE
        build.issue_cycles = int(table.params[Param.EXCLUSIVE])
    if name in ("ldrd", "strd", "ldrexd", "strexd"):
        build.attributes |= Attribute.SINGLE | Attribute.MULTIPLE
        is_store = name.startswith("st")
        pair = registers[-2:] if is_store else registers[:2]
        build.attributes |= Attribute.STORE if is_store else Attribute.LOAD
        for register in pair:
            if is_store:
                build.use(register, Need.S)
            else:
                build.make(register, Producer.LOAD_WORD)
        take_memory_operand(build, 4, tuple(core_register(r) for r in pair), is_store, False)
        return
    if name in _LOADS:
        word_bytes, signed = _LOADS[name]
        build.attributes |= Attribute.LOAD
        build.make(registers[0], Producer.LOAD_WORD if word_bytes == 4 else Producer.LOAD_NARROW)
        take_memory_operand(build, word_bytes, (core_register(registers[0]),), False, signed)
    else:
        word_bytes = _STORES[name]
        build.attributes |= Attribute.STORE
        data = registers[1] if exclusive else registers[0]
        build.use(data, Need.S)
        if exclusive:
            build.make(registers[0], Producer.LOAD_NARROW)
        take_memory_operand(build, word_bytes, (core_register(data),), True, False)
    if word_bytes < 4:
        build.attributes |= Attribute.NARROW


_MULTIPLES = frozenset(
    {"push", "pop", "ldm", "ldmdb", "stm", "stmdb", "ldmia", "stmia", "ldmfd", "stmfd"}
)


def _decode_multiple(build: Builder, name: str) -> None:
    insn = build.insn
    registers = [op.reg for op in insn.operands if op.type == arm.ARM_OP_REG]
    if name in ("push", "pop"):
        base_register, listed, writeback = arm.ARM_REG_SP, registers, True
    else:
        base_register, listed, writeback = registers[0], registers[1:], insn.writeback
    is_store = name.startswith(("push", "st"))
    down = name in ("push", "stmdb", "ldmdb", "stmfd")
    take_multiple(build, base_register, listed, writeback, is_store, down)
    if not is_store and any(core_register(register) == PC for register in listed):
        build.end = End.RETURN


def _decode_branch(build: Builder, name: str, table: TimingTable) -> None:
    insn = build.insn
    op = insn.operands[0]
    if name in ("tbb", "tbh"):
        build.attributes |= Attribute.SINGLE
        build.issue_cycles = int(table.params[Param.TABLE_BRANCH])
        build.use(op.mem.base, Need.A)
        build.use(op.mem.index, Need.A)
        base = core_register(op.mem.base)
        half = name == "tbh"
        build.memory = MemoryOperand(
            base, core_register(op.mem.index), int(half), insn.address + 4 if base == PC else 0,
            2 if half else 1, 1, False, 0, False, (),
        )  # fmt: skip
        build.end = End.JUMP_INDIRECT
        return
    if name in ("cbz", "cbnz"):
        build.end = End.CONDITIONAL
        build.target = insn.operands[1].imm
        build.uses.append((core_register(op.reg), Need.S))  # resolved late: never stalls the issue
        return
    if op.type == arm.ARM_OP_IMM:
        build.target = op.imm
        if name in ("bl", "blx"):
            build.end = End.CALL
            build.make(arm.ARM_REG_LR, Producer.LATE_ALU)
        else:
            conditional = insn.cc not in (ALWAYS, arm.ARM_CC_INVALID)
            build.end = End.CONDITIONAL if conditional else End.JUMP
        return
    build.use(op.reg, Need.L)
    if name == "blx":
        build.end = End.CALL_INDIRECT
        build.make(arm.ARM_REG_LR, Producer.LATE_ALU)
    else:
        build.end = End.RETURN if core_register(op.reg) == LR else End.JUMP_INDIRECT


def decode_block(code: bytes, address: int, table: TimingTable) -> list[Instruction]:
    """Decode the bytes of one translated block.

    Bytes that capstone cannot read become one-issue unknown instructions, so that sizes still add
    up; such an instruction faults in the machine when it is executed.
    """
    instructions = [decode_instruction(insn, table) for insn in DISASSEMBLER.disasm(code, address)]
    done = sum(instruction.size_bytes for instruction in instructions)
    while done < len(code):
        size = 2
        if len(code) - done >= 4 and code[done + 1] >> 3 in (0b11101, 0b11110, 0b11111):
            size = 4
        instructions.append(
            Instruction(
                address + done, size, "unknown", "unknown", Attribute.SINGLE, 1, (), (), None,
                Producer.NONE, End.FALL, ALWAYS, None, None,
            )
        )  # fmt: skip
        done += size
        rest = [
            decode_instruction(i, table) for i in DISASSEMBLER.disasm(code[done:], address + done)
        ]
        instructions += rest
        done += sum(instruction.size_bytes for instruction in rest)
    return instructions
