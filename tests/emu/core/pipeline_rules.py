"""The micro-rules of the core, each as a few instructions and the cycles they are known to take.

`steady` cases repeat their body in a straight line and give cycles a repetition; `distance` cases
give by how many cycles the last instruction issues after the first one; `loop` cases enter their
body again through the predicted branch at its end. `.w` encodings keep fetch out of the way. Where
the model says something else than the source, `model` has its number and `why` the reason: nothing
is hidden in a tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

J, Q, L, T = "jnk0le-m7", "quinapalus-cm7", "llvm-m7", "TRM-M7"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        documented: cycles by the source.
        model: cycles by the model where they differ from it.
        banks: low address bits of each instruction's access; None alternates word banks.
        narrow_tcm: stores of bytes and half-words read first, as in a TCM with ECC.
    """

    kind: Literal["steady", "distance", "loop"]
    name: str
    assembly: str
    documented: float
    source: str
    model: float | None = None
    why: str = ""
    banks: tuple[int, ...] | None = None
    narrow_tcm: bool = False


def steady(
    name: str, assembly: str, documented: float, source: str = J, *,
    banks: tuple[int, ...] | None = None, narrow_tcm: bool = False,
    model: float | None = None, why: str = "",
) -> Rule:  # fmt: skip
    return Rule("steady", name, assembly, documented, source, model, why, banks, narrow_tcm)


def distance(
    name: str, assembly: str, documented: float, source: str = J, *,
    model: float | None = None, why: str = "",
) -> Rule:  # fmt: skip
    return Rule("distance", name, assembly, documented, source, model, why)


def loop(name: str, assembly: str, documented: float, source: str = J, *,
         model: float | None = None, why: str = "") -> Rule:  # fmt: skip
    return Rule("loop", name, assembly, documented, source, model, why)


_ALU = (
    steady("independent ALU pair", "add.w r0, r1, r2; add.w r3, r4, r5", 1),
    steady("independent late ALU pair", "and.w r0, r1, r2; eor.w r3, r4, r5", 1),
    steady("dependent ALU chain", "add.w r0, r0, r1", 1),
    steady("dependent late ALU chain", "eor.w r0, r0, r1", 1),
    distance("early ALU into late ALU", "add.w r0, r1, r2; eor.w r3, r0, r4", 0),
    distance("mov into late ALU", "mov.w r0, r1; orr.w r3, r0, r4", 0),
    distance("plain shift into late ALU", "lsl.w r0, r1, #3; orr.w r3, r0, r4", 0),
    distance("early ALU of a simple constant", "sub.w r0, r1, #5; eor.w r3, r0, r4", 0),
    distance("late ALU into late ALU", "and.w r0, r1, r2; eor.w r3, r0, r4", 1),
    distance("base write-back into late ALU", "ldr.w r5, [r0], #4; eor.w r3, r0, r4", 0),
    distance("rev into late ALU", "rev.w r0, r1; eor.w r3, r0, r4", 0),
    distance("rbit into late ALU", "rbit r0, r1; eor.w r3, r0, r4", 0),
    distance("flags of an early ALU into adc", "adds.w r0, r1, r2; adc.w r3, r4, r5", 1),
    distance("flags of a comparison into an IT slot", "cmp.w r0, r1; it eq; moveq.w r2, r3", 1),
    steady("movw and movt of one register", "movw r0, #1; movt r0, #2", 1),
    steady("two inline shifts", "add.w r0, r1, r2, lsl #2; add.w r3, r4, r5, lsl #2", 2),
    steady("two shifted constants", "add.w r0, r1, #0x1fe00; add.w r3, r4, #0x1fe00", 2),
    steady("inline shift and shifted constant",
           "add.w r0, r1, r2, lsl #2; add.w r3, r4, #0x1fe00", 2),
    steady("two simple constants", "add.w r0, r1, #200; add.w r3, r4, #200", 1),
    steady("two constant patterns", "eor r0, r1, #0xff00ff00; eor r3, r4, #0x00ff00ff", 1),
    steady("simple constant beside an inline shift", "add.w r0, r1, #9; add.w r3, r4, r5, lsl #2",
           1),
    steady("two plain shifts", "lsl.w r0, r1, #2; asr.w r3, r4, #5", 1),
    steady("plain shift beside an inline shift", "lsl.w r0, r1, #2; add.w r3, r4, r5, lsl #2", 1),
    distance("early ALU into an inline shift", "add.w r0, r1, r2; add.w r3, r4, r0, lsl #2", 1),
    distance("late ALU into an inline shift", "and.w r0, r1, r2; add.w r3, r4, r0, lsl #2", 2),
    distance("late ALU beside an inline shift", "and.w r0, r1, r2; add.w r3, r0, r4, lsl #2", 1),
    distance("inline shift into late ALU", "add.w r0, r1, r2, lsl #2; eor.w r3, r0, r4", 1),
    steady("read ports: six sources", "add.w r0, r1, r2; and.w r3, r4, r5, lsl #1", 1),
)  # fmt: skip
_BITFIELD = (
    steady("two extensions", "uxtb.w r0, r1; uxtb.w r2, r3", 2),
    steady("two parallel adds", "sadd16 r0, r1, r2; sadd16 r3, r4, r5", 2),
    steady("extension older, ALU younger", "uxtb.w r0, r1; add.w r2, r3, r4", 1),
    distance("extension behind ALU waits for the older slot", "add.w r0, r1, r2; uxtb.w r3, r4", 1),
    distance("bit field into address", "ubfx r0, r1, #4, #8; ldr.w r2, [r0]", 2),
    distance("extension into index", "uxtb.w r0, r1; ldr.w r2, [r3, r0]", 2),
    distance("bit field into late ALU", "ubfx r0, r1, #4, #8; eor.w r2, r0, r3", 0),
    distance("early ALU into ubfx", "add.w r0, r1, r2; ubfx r3, r0, #4, #8", 1),
    distance("late ALU into ubfx", "and.w r0, r1, r2; ubfx r3, r0, #4, #8", 2),
    distance("late ALU into rev", "and.w r0, r1, r2; rev.w r3, r0", 2),
    distance("late ALU into the extracted operand of uxtab", "and.w r0, r1, r2; uxtab r3, r4, r0",
             2),
    distance("late ALU into the other operand of uxtab", "and.w r0, r1, r2; uxtab r3, r0, r4", 1),
    distance("late ALU into the shifted operand of pkhbt",
             "and.w r0, r1, r2; pkhbt r3, r4, r0, lsl #16", 2),
    steady("bit field beside an inline shift", "ubfx r0, r1, #4, #8; add.w r3, r4, r5, lsl #2", 2),
    steady("pkhbt beside a shifted constant", "pkhbt r0, r1, r2; add.w r3, r4, #0x1fe00", 2),
    steady("sadd16 beside an inline shift", "sadd16 r0, r1, r2; add.w r3, r4, r5, lsl #2", 1),
)  # fmt: skip
_MULTIPLY = (
    steady("two multiplies", "mul r0, r1, r2; mul r3, r4, r5", 2),
    steady("multiply beside ALU", "mul r0, r1, r2; add.w r3, r4, r5", 1),
    steady("smlad beside an extension", "sxtb16 r6, r7; smlad r0, r1, r2, r0", 1),
    steady("smulbb beside an inline shift", "smulbb r0, r1, r2; add.w r3, r4, r5, lsl #2", 1),
    steady("multiply beside a store", "mul r0, r1, r2; str.w r3, [r4]", 2),
    steady("multiply beside a load", "mul r0, r1, r2; ldr.w r3, [r4]", 1),
    distance("multiply into late ALU", "mul r0, r1, r2; eor.w r3, r0, r4", 2),
    distance("multiply into multiplicand", "mul r0, r1, r2; mul r3, r0, r4", 2),
    distance("multiply into accumulator", "mul r0, r1, r2; mla r3, r4, r5, r0", 1),
    steady("accumulator chain", "mla r0, r1, r2, r0", 1),
    steady("smlad chain", "smlad r0, r1, r2, r0", 1),
    steady("smlal chain", "smlal r0, r1, r2, r3", 1),
    distance("word load into multiplicand", "ldr.w r0, [r1]; mul r2, r0, r3", 2),
    distance("byte load into accumulator", "ldrb.w r0, [r1]; mla r2, r3, r4, r0", 1),
    distance("late ALU into accumulator", "and.w r0, r1, r2; mla r3, r4, r5, r0", 0),
    distance("late ALU into multiplicand", "and.w r0, r1, r2; mul r3, r0, r4", 1),
    steady("divide", "sdiv r0, r1, r2", 7, L),
    steady("divide never pairs", "sdiv r0, r1, r2; add.w r3, r4, r5", 7, L),
    distance("divide into late ALU", "sdiv r0, r1, r2; eor.w r3, r0, r4", 7, L),
)  # fmt: skip
_LOAD = (
    distance("word load into late ALU", "ldr.w r0, [r1]; eor.w r2, r0, r3", 1),
    distance("word load into inline shift", "ldr.w r0, [r1]; add.w r2, r3, r0, lsl #2", 2),
    distance("word load into address", "ldr.w r0, [r1]; ldr.w r2, [r0]", 2),
    steady("pointer chase", "ldr.w r0, [r0]", 3, Q, model=2,
           why="the sources differ: jnk0le-m7 has an address one cycle after a late ALU operand"),
    distance("byte load into late ALU", "ldrb.w r0, [r1]; eor.w r2, r0, r3", 2),
    distance("half-word load into late ALU", "ldrsh.w r0, [r1]; eor.w r2, r0, r3", 2),
    distance("byte load into address", "ldrb.w r0, [r1]; ldr.w r2, [r3, r0]", 3),
    distance("load into store data", "ldr.w r0, [r1]; str.w r0, [r2]", 0),
    distance("multiply into store data", "mul r0, r1, r2; nop.w; str.w r0, [r3]", 1,
             why="store data may be any result of the same cycle; here the slots are taken"),
    distance("late ALU into store data", "and.w r0, r1, r2; str.w r0, [r3]", 0),
    distance("late ALU into address", "and.w r0, r1, r2; ldr.w r3, [r0]", 2),
    distance("early ALU into address", "add.w r0, r1, r2; ldr.w r3, [r0]", 1),
    distance("base write-back into address", "ldr.w r0, [r1], #4; ldr.w r2, [r1]", 1),
    steady("two loads, different banks", "ldr.w r0, [r1]; ldr.w r2, [r3]", 1, banks=(0, 4)),
    steady("two loads, same bank", "ldr.w r0, [r1]; ldr.w r2, [r3]", 2, banks=(0, 0)),
    steady("load and store", "ldr.w r0, [r1]; str.w r2, [r3]", 1),
    steady("two stores", "str.w r0, [r1]; str.w r2, [r3]", 2),
    steady("post-indexed load beside ALU", "ldr.w r0, [r1], #4; add.w r2, r3, r4", 1),
    steady("unaligned load, older", "ldr.w r0, [r1]; nop.w", 4, banks=(1, 0)),
    steady("unaligned load, younger", "nop.w; ldr.w r0, [r1]", 5, banks=(0, 1)),
    steady("unaligned load, alone", "ldr.w r0, [r1]", 4, banks=(1,)),
    steady("unaligned stores from the sixth on", "str.w r0, [r1]", 4, banks=(1,)),
    steady("ldm of two", "ldm.w r0, {r1, r2}", 1),
    steady("ldm of three", "ldm.w r0, {r1, r2, r3}", 2),
    steady("ldm of eight", "ldm.w r0, {r1, r2, r3, r4, r5, r6, r7, r8}", 4),
    steady("stm of four", "stm.w r0, {r1, r2, r3, r4}", 2),
    steady("ldrd", "ldrd r0, r1, [r2]", 1),
    steady("ldrd never pairs", "ldrd r0, r1, [r2]; add.w r3, r4, r5", 2),
    steady("strd never pairs", "strd r0, r1, [r2]; add.w r3, r4, r5", 2),
    steady("stm of two, 8-byte aligned to 4 only", "stm.w r0, {r1, r2}", 2, banks=(4,)),
    steady("byte stores to TCM, same bank", "strb.w r0, [r1]", 4, banks=(0,), narrow_tcm=True),
    steady("byte stores to TCM, alternating banks", "strb.w r0, [r1]; strb.w r2, [r3]", 4,
           banks=(0, 4), narrow_tcm=True),
    steady("byte stores to TCM, unit stride",
           "; ".join(f"strb.w r0, [r1, #{n}]" for n in range(8)), 19.2,
           banks=tuple(range(8)), narrow_tcm=True, model=16,
           why="each word bank drains on its own in the model: 2 cycles a store, not 2.4"),
    steady("byte stores elsewhere", "strb.w r0, [r1]", 1, banks=(0,)),
)  # fmt: skip
_FLOAT = (
    steady("two float adds", "vadd.f32 s0, s1, s2; vadd.f32 s3, s4, s5", 2),
    steady("float add beside integer", "vadd.f32 s0, s1, s2; add.w r0, r1, r2", 1),
    distance("vadd.f32 into vadd.f32", "vadd.f32 s0, s1, s2; vadd.f32 s3, s0, s4", 3),
    distance("vmul.f32 into vadd.f32", "vmul.f32 s0, s1, s2; vadd.f32 s3, s0, s4", 3),
    distance("vfma.f32 into vadd.f32", "vfma.f32 s0, s1, s2; vadd.f32 s3, s0, s4", 5),
    steady("vfma.f32 accumulator chain", "vfma.f32 s0, s1, s2", 3),
    distance("vmla.f32 into vadd.f32", "vmla.f32 s0, s1, s2; vadd.f32 s3, s0, s4", 6),
    steady("vmla.f32 accumulator chain", "vmla.f32 s0, s1, s2", 3),
    distance("vldr into vadd.f32", "vldr s0, [r0]; vadd.f32 s1, s0, s2", 1),
    distance("vldr into vfma accumulator", "vldr s0, [r0]; vfma.f32 s0, s1, s2", 3),
    steady("vdiv.f32", "vdiv.f32 s0, s1, s2", 16),
    steady("vsqrt.f32", "vsqrt.f32 s0, s1", 14),
    steady("vdiv.f32 pairs with one integer instruction", "vdiv.f32 s0, s1, s2; add.w r0, r1, r2",
           16),
    distance("core to float", "vmov s0, r0; vadd.f32 s1, s0, s2", 3),
    distance("float to core", "vmov r0, s0; eor.w r1, r0, r2", 1),
    distance("float to accumulator", "vmov r0, s0; mla r1, r2, r3, r0", 0),
    distance("vldr behind vfma", "vfma.f32 s0, s1, s2; vldr s5, [r0]", 1),
    distance("vmov behind vfma", "vfma.f32 s0, s1, s2; vmov.f32 s5, s6", 1),
    distance("vldr behind vadd", "vadd.f32 s0, s1, s2; vldr s5, [r0]", 0),
    steady("vmla does not follow vdiv", "vdiv.f32 s0, s1, s2; vmul.f32 s3, s4, s5", 17),
    distance("vadd.f64 into vadd.f64", "vadd.f64 d0, d1, d2; vadd.f64 d3, d0, d4", 3),
    distance("vmul.f64 into vadd.f64", "vmul.f64 d0, d1, d2; vadd.f64 d3, d0, d4", 5),
    distance("vfma.f64 into vadd.f64", "vfma.f64 d0, d1, d2; vadd.f64 d3, d0, d4", 7),
    steady("vfma.f64 accumulator chain", "vfma.f64 d0, d1, d2", 6),
    distance("vmla.f64 into vadd.f64", "vmla.f64 d0, d1, d2; vadd.f64 d3, d0, d4", 8),
    steady("vmla.f64 accumulator chain", "vmla.f64 d0, d1, d2", 5),
    steady("vdiv.f64", "vdiv.f64 d0, d1, d2", 30),
    steady("vldm of four", "vldm r0, {s0, s1, s2, s3}", 2),
)  # fmt: skip
_BRANCH = (
    steady("not-taken branch beside ALU", "add.w r0, r1, r2; beq.w #4", 1),
    steady("IT of one", "it eq; moveq r0, r1", 1),
    steady("IT is not folded with two more", "it eq; moveq.w r0, r1; add.w r2, r3, r4; nop.w", 2),
    loop("taken branch beside the first instruction at its target",
         "add.w r0, r1, r2; add.w r3, r4, r5; add.w r6, r7, r8; b.w #-16", 2),
    loop("counting loop of two", "subs.w r0, r0, #1; bne.w #-8", 1),
    loop("loop of three", "add.w r1, r2, r3; subs.w r0, r0, #1; bne.w #-12", 2),
    loop("tbb alone, two cycles", "tbb [r1, r0]", 2, L),
    loop("table branch never pairs", "add.w r2, r3, r4; tbb [r1, r0]", 3, L),
    steady("predicated-off ldm", "it eq; ldmeq.w r0, {r1, r2, r3, r4}", 3),
    steady("fetch: two wide instructions a cycle", "add.w r0, r1, r2; add.w r3, r4, r5", 1, T),
    steady("fetch: four narrow instructions in two cycles",
           "adds r0, #1; adds r1, #1; adds r2, #1; adds r3, #1", 2, T),
)  # fmt: skip

RULES = (*_ALU, *_BITFIELD, *_MULTIPLY, *_LOAD, *_FLOAT, *_BRANCH)
