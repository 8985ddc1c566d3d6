"""Address programs: the forms they find, and the law that they agree with execution."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emu.core.addresses import AddressProgram, Op, analyse_addresses
from emu.core.decode import decode_block
from tests.emu.core.address_reference import (
    CODE,
    Seen,
    evaluate,
    read_pattern,
    run_straight,
)
from tests.emu.core.assembler import assemble_each
from tests.emu.core.golden_forms import table

pytestmark = pytest.mark.needs_compiler
# Far apart, so that bases with small offsets never meet.
_REGISTERS = (*(0x2000_0000 + 0x0100_0100 * n for n in range(13)), 0x3800_8000, 0)


def _analyse(assembly: str) -> AddressProgram:
    (code,) = assemble_each([assembly])
    return analyse_addresses(decode_block(code, CODE, table()))


def _shape(program: AddressProgram) -> list[tuple[tuple[tuple[int, int], ...], list[int]]]:
    """`(terms, offsets)` of each group."""
    return [(g.terms, [a.offset for a in g.accesses]) for g in program.groups]


@pytest.mark.parametrize(
    ("assembly", "groups"),
    [
        pytest.param("ldr r0, [r1, #8]", [(((1, 1),), [8])], id="base_and_offset"),
        pytest.param("ldr r0, [r1, #-8]", [(((1, 1),), [-8])], id="negative_offset"),
        pytest.param("ldr r0, [r1, r2]", [(((1, 1), (2, 1)), [0])], id="two_registers"),
        pytest.param("ldr r0, [r1, r2, lsl #3]", [(((1, 1), (2, 8)), [0])], id="scaled_index"),
        pytest.param("ldr r0, [r1], #4; ldr r0, [r1], #4", [(((1, 1),), [0, 4])], id="post_index"),
        pytest.param("ldr r0, [r1, #4]!; ldr r0, [r1]", [(((1, 1),), [4, 4])], id="pre_index"),
        pytest.param("ldm r1!, {r2, r3}; ldr r0, [r1]", [(((1, 1),), [0, 8])], id="ldm"),
        pytest.param("push {r4, r5}; ldr r0, [sp]", [(((13, 1),), [-8, -8])], id="push"),
        pytest.param("pop {r4, r5}; ldr r0, [sp]", [(((13, 1),), [0, 8])], id="pop"),
        pytest.param("vpush {d8, d9}; vldr s0, [sp, #4]", [(((13, 1),), [-16, -12])], id="vpush"),
        pytest.param("add r1, r2, #16; ldr r0, [r1, #4]", [(((2, 1),), [20])], id="sum"),
        pytest.param("sub r1, r2, r3; ldr r0, [r1]",
                     [(((2, 1), (3, 0xFFFFFFFF)), [0])], id="difference"),
        pytest.param("rsb r1, r2, #16; ldr r0, [r1]",
                     [(((2, 0xFFFFFFFF),), [16])], id="reverse_difference"),
        pytest.param("lsl.w r1, r2, #2; ldr r0, [r3, r1]",
                     [(((2, 4), (3, 1)), [0])], id="shifted_index"),
        pytest.param("add.w r1, r2, r2, lsl #1; ldr r0, [r1]", [(((2, 3),), [0])], id="times_3"),
        pytest.param("movw r1, #0x5678; movt r1, #0x2001; ldr r0, [r1, #4]",
                     [((), [0x2001_567C])], id="absolute"),
        pytest.param("ldr r0, [pc, #16]", [((), [CODE + 20])], id="literal"),
        pytest.param("nop; mov r1, pc; ldr r0, [r1]", [((), [CODE + 6])], id="pc_not_aligned"),
        pytest.param("nop; adr.w r1, 1f; ldr r0, [r1]; nop; 1: nop",
                     [((), [CODE + 10])], id="adr_from_aligned_pc"),
        pytest.param("str r0, [r1]; ldr r2, [r1]; ldr r3, [r2]",
                     [(((1, 1),), [0, 0]), (((0, 1),), [0])], id="store_forwarded"),
    ],
)  # fmt: skip
def test_an_address_is_a_linear_form_over_the_registers_at_entry(
    assembly: str, groups: list[tuple[tuple[tuple[int, int], ...], list[int]]]
) -> None:
    program = _analyse(assembly)
    assert _shape(program) == groups
    assert program.nodes == ()
    assert program.unresolved_count == program.predicated_count == 0


@pytest.mark.parametrize(
    ("assembly", "ops"),
    [
        pytest.param("ldr r1, [r2]; ldr r0, [r1]", {Op.LOAD}, id="loaded_pointer"),
        pytest.param("ldrsh r1, [r2]; ldr r0, [r3, r1, lsl #2]", {Op.LOAD}, id="loaded_index"),
        pytest.param("and r1, r2, #255; ldr r0, [r3, r1]", {Op.AND_IMM}, id="masked_index"),
        pytest.param("uxtb r1, r2; ldr r0, [r3, r1]", {Op.AND_IMM}, id="extended_index"),
        pytest.param("sxth r1, r2; ldr r0, [r3, r1]", {Op.SIGN_EXTEND}, id="sign_extended"),
        pytest.param("mul r1, r2, r4; ldr r0, [r3, r1]", {Op.MUL}, id="product"),
        pytest.param("mla r1, r2, r4, r3; ldr r0, [r1]", {Op.MUL}, id="product_and_sum"),
        pytest.param("ubfx r1, r2, #4, #8; ldr r0, [r3, r1]",
                     {Op.LSR_IMM, Op.AND_IMM}, id="bit_field"),
        pytest.param("asrs r1, r2, #3; ldr r0, [r3, r1]", {Op.ASR_IMM}, id="shift_right"),
    ],
)  # fmt: skip
def test_other_values_are_made_by_micro_ops(assembly: str, ops: set[Op]) -> None:
    program = _analyse(assembly)
    assert {node.op for node in program.nodes} == ops
    assert program.unresolved_count == 0


def test_only_what_addresses_need_is_computed() -> None:
    program = _analyse("mul r5, r6, r7; and r1, r2, #255; ldr r0, [r3, r1]; mul r6, r5, r5")
    assert [node.op for node in program.nodes] == [Op.AND_IMM]


@pytest.mark.parametrize(
    "assembly",
    [
        "smlad r1, r2, r3, r4; ldr r0, [r1]",
        "bfi r1, r2, #0, #4; ldr r0, [r1]",
        "umull r1, r5, r2, r3; ldr r0, [r1]",
        "sdiv r1, r2, r3; ldr r0, [r1]",
        "vmov r1, s0; ldr r0, [r1]",
        "strb r5, [r2]; ldr r1, [r2]; ldr r0, [r1]",  # half known: stored over in part
    ],
)
def test_an_address_that_nobody_can_know_is_counted_as_unresolved(assembly: str) -> None:
    program = _analyse(assembly)
    assert program.unresolved_count == 1
    assert program.placed[-1][0] == -1


def test_words_are_counted_not_instructions() -> None:
    program = _analyse("ldm r0, {r1, r2, r3}; ldrd r4, r5, [r6]; strb r4, [r7]")
    assert (program.resolved_count, program.unresolved_count) == (6, 0)


def test_a_known_condition_predicates_its_accesses() -> None:
    program = _analyse("cmp r5, #3; ite eq; ldreq r0, [r1]; ldrne r0, [r2]")
    conditions = [program.nodes[group.predicate - 16] for group in program.groups]
    assert [(node.op, node.imm) for node in conditions] == [(Op.CONDITION, 1), (Op.CONDITION, 2)]
    assert program.predicated_count == 0


def test_a_conditional_base_is_a_select() -> None:
    program = _analyse("cmp r5, #3; it lt; movlt r1, r2; ldr r0, [r1]")
    assert Op.SELECT in {node.op for node in program.nodes}
    assert program.unresolved_count == 0


def test_an_unknown_condition_counts_as_executed_and_is_said() -> None:
    program = _analyse("it eq; ldreq r0, [r1]")
    assert (program.resolved_count, program.predicated_count) == (1, 1)
    assert program.groups[0].predicate == -1


def test_after_a_compare_that_may_not_execute_the_condition_is_unknown() -> None:
    program = _analyse("cmp r0, r1; it eq; cmpeq r2, r3; it eq; streq r4, [r5]")
    assert program.predicated_count == 1
    assert program.groups[0].predicate == -1


def test_what_may_not_have_been_stored_is_not_forwarded() -> None:
    program = _analyse("cmp r0, #0; it eq; streq r1, [r2]; ldr r3, [r2]; ldr r4, [r3]")
    assert program.unresolved_count == 1


@pytest.mark.parametrize(
    ("assembly", "delta_bytes"),
    [
        ("push {r4, r5, r6, lr}", -16),
        ("push {r4, lr}; sub sp, #64", -72),
        ("sub sp, #64; add sp, #64", -64),
        ("pop {r4, lr}", 0),
        ("pop {r4, lr}; push {r4, r5, r6}", -4),
        ("str lr, [sp, #-4]!", -4),
        ("vpush {d8, d9}; push {r4}", -20),
        ("sub.w sp, sp, #0x400", -1024),
        ("ldr r0, [r1]", 0),
    ],
)
def test_the_lowest_stack_pointer_is_known(assembly: str, delta_bytes: int) -> None:
    assert _analyse(assembly).stack_delta_bytes == delta_bytes


def test_a_value_needs_a_bounded_number_of_micro_ops() -> None:
    """A block of 300 dependent loads: past the bound accesses are unresolved, and counted."""
    program = _analyse("; ".join(["ldr r0, [r0]"] * 300))
    assert program.resolved_count + program.unresolved_count == 300
    assert program.unresolved_count > 0
    assert len(program.nodes) <= 240


# The law: whatever the program resolves is what the emulator does.

_ALU = (
    "add.w {d}, {a}, {b}", "sub.w {d}, {a}, {b}", "add.w {d}, {a}, {b}, lsl #{s}",
    "sub.w {d}, {a}, {b}, asr #{s}", "rsb {d}, {a}, {b}", "add.w {d}, {a}, #{i}",
    "sub.w {d}, {a}, #{i}", "subs.w {d}, {a}, #{i}", "subs.w {d}, {a}, {b}",
    "adds {d}, {a}, #{t}", "subs {d}, {a}, #{t}", "rsb {d}, {a}, #{i}", "movw {d}, #{w}",
    "movt {d}, #{w}", "mov {d}, {a}", "mov.w {d}, #{i}", "mvn {d}, {a}", "mvn {d}, #{i}",
    "and.w {d}, {a}, {b}", "and {d}, {a}, #{i}", "ands {d}, {a}, #{i}", "orr.w {d}, {a}, {b}",
    "orr {d}, {a}, #{i}", "eor.w {d}, {a}, {b}", "eor {d}, {a}, #{i}", "bic {d}, {a}, #{i}",
    "bic.w {d}, {a}, {b}", "orn {d}, {a}, {b}", "and.w {d}, {a}, {b}, lsr #{s}",
    "lsl.w {d}, {a}, #{s}", "lsr.w {d}, {a}, #{s}", "asr.w {d}, {a}, #{s}", "ror.w {d}, {a}, #{s}",
    "lsl.w {d}, {a}, {b}", "lsr.w {d}, {a}, {b}", "asr.w {d}, {a}, {b}", "ror.w {d}, {a}, {b}",
    "lsls {d}, {a}, #{s}", "lsrs {d}, {a}, #{s}", "asrs {d}, {a}, #{s}", "lsls {d}, {a}",
    "lsrs {d}, {a}", "movs {d}, #{t}", "movs {d}, {a}",
    "uxtb {d}, {a}", "uxth {d}, {a}", "sxtb {d}, {a}", "sxth {d}, {a}", "uxtb.w {d}, {a}, ror #8",
    "sxth.w {d}, {a}, ror #16", "ubfx {d}, {a}, #{s}, #4", "sbfx {d}, {a}, #{s}, #5",
    "mul {d}, {a}, {b}", "mla {d}, {a}, {b}, {c}", "mls {d}, {a}, {b}, {c}", "muls {d}, {a}, {d}",
    "smull {d}, {e}, {a}, {b}", "smlabb {d}, {a}, {b}, {c}", "bfi {d}, {a}, #3, #7",
    "bfc {d}, #{s}, #4", "pkhbt {d}, {a}, {b}", "uxtab {d}, {a}, {b}", "clz {d}, {a}",
    "rev {d}, {a}", "sadd8 {d}, {a}, {b}", "ssat {d}, #8, {a}", "adc.w {d}, {a}, {b}",
    "adr.w {d}, #{f}", "sdiv {d}, {a}, {b}", "add {d}, sp, #{f}", "rrx {d}, {a}",
    "vmov s0, {a}", "vmov {d}, s0", "mrs {d}, apsr",
    "add {d}, {a}", "ands {d}, {a}", "rsbs {d}, {a}, #0",
)  # fmt: skip
_FLAGS = (
    "cmp {a}, {b}", "cmp {a}, #{i}", "cmp.w {a}, {b}, lsl #{s}", "cmn {a}, {b}", "tst {a}, #{i}",
    "tst {a}, {b}", "teq {a}, {b}", "lsls {d}, {a}, #{s}", "subs.w {d}, {a}, {b}",
    "adds.w {d}, {a}, {b}", "ands.w {d}, {a}, {b}", "movs.w {d}, {a}", "rsbs.w {d}, {a}, {b}",
    "asrs.w {d}, {a}, {b}", "muls {d}, {a}, {d}", "bics.w {d}, {a}, #{i}", "mvns {d}, {a}",
)  # fmt: skip
_ACCESSES = (
    "ldr {d}, [{a}, #{o}]", "ldr {d}, [{a}, {b}, lsl #{x}]", "ldr {d}, [{a}], #{o}",
    "ldr {d}, [{a}, #{o}]!", "ldrb {d}, [{a}, {b}]", "ldrb {d}, [{a}], #1",
    "ldrsb.w {d}, [{a}, #{o}]",
    "ldrh {d}, [{a}, #{o}]", "ldrsh {d}, [{a}, {b}]", "ldrh {d}, [{a}], #-2",
    "ldr {d}, [{a}, #-{o}]",
    "ldrd {d}, {e}, [{a}, #{o}]", "ldrd {d}, {e}, [{a}], #8", "ldrd {d}, {e}, [{a}, #-{o}]!",
    "ldr {d}, [pc, #{f}]", "ldr {d}, [sp, #{f}]", "str {c}, [sp, #{f}]",
    "str {c}, [{a}, #{o}]", "str {c}, [{a}, {b}, lsl #{x}]", "str {c}, [{a}], #{o}",
    "str {c}, [{a}, #{o}]!", "strb {c}, [{a}, {b}]", "strh {c}, [{a}], #2", "strb {c}, [{a}, #{o}]",
    "strd {c}, {b}, [{a}, #{o}]", "strd {c}, {b}, [{a}, #-{o}]!", "ldm {a}, {{r5, r6, r7}}",
    "ldm.w {a}!, {{r8, r9}}", "stm.w {a}!, {{r8, r9, r10}}", "stmdb {a}!, {{r8, r9}}",
    "push {{r4, r5}}", "pop {{r4, r5}}", "vldr s0, [{a}, #{f}]", "vstr s0, [{a}, #{f}]",
    "vldm {a}!, {{s0, s1, s2}}", "vldr d1, [{a}, #{f}]", "pld [{a}, #{o}]",
)  # fmt: skip
_CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_PREDICATED = (
    "it {k}; mov{k} {d}, {a}", "it {k}; add{k}.w {d}, {a}, #{i}", "it {k}; ldr{k} {d}, [{a}, #{o}]",
    "it {k}; str{k} {c}, [{a}], #4", "ite {k}; ldr{k} {d}, [{a}]; ldr{n} {d}, [{b}]",
    "itt {k}; sub{k}.w {d}, {d}, {b}; ldr{k} {e}, [{a}, {b}]", "it {k}; and{k} {d}, {a}, #255",
    "ite {k}; mov{k} {d}, {a}; mov{n} {d}, {b}",
)  # fmt: skip


def _fill(template: str, chance: random.Random) -> str:
    low = [f"r{n}" for n in range(8)]
    first, second = chance.sample(low, 2)
    base = chance.choice([r for r in low if r not in (first, second)])
    condition = chance.randrange(14)
    return template.format(
        d=first, e=second, a=base, b=chance.choice([r for r in low if r != base]),
        c=chance.choice([r for r in low if r != base]), s=chance.randint(1, 28),
        i=chance.choice([1, 4, 15, 255, 0x1FE, 0xFF00, 0x00AB00AB]), t=chance.randint(0, 7),
        w=chance.randrange(65536), f=4 * chance.randrange(30), o=4 * chance.randint(1, 30),
        x=chance.randrange(4), k=_CONDITIONS[condition], n=_CONDITIONS[condition ^ 1],
    )  # fmt: skip


def _pool() -> list[str]:
    chance = random.Random(20250)
    kinds = ((_ALU, 8), (_FLAGS, 10), (_ACCESSES, 12), (_PREDICATED, 30))
    return [
        _fill(template, chance)
        for templates, copies in kinds
        for template in templates
        for _ in range(copies)
    ]


_POOL = _pool()


def _overlaps_through_another_base(seen: Sequence[Seen], program: AddressProgram) -> bool:
    """A load of bytes that the block stored before, through a base not known to be the same."""
    for later, load in enumerate(seen):
        if load.is_store:
            continue
        for store in seen[:later]:
            near = (load.address - store.address) & 0xFFFFFFFF
            meets = near < store.size_bytes or (-near & 0xFFFFFFFF) < load.size_bytes
            if store.is_store and meets:
                if program.placed[store.row][0] != program.placed[load.row][0]:
                    return True
    return False


@settings(
    max_examples=250, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(
    chosen=st.lists(st.integers(0, len(_POOL) - 1), min_size=2, max_size=14),
    small=st.lists(st.integers(0, 300), min_size=2, max_size=2),
)
def test_resolved_addresses_are_those_of_execution(chosen: list[int], small: list[int]) -> None:
    codes = assemble_each(_POOL)
    text = "; ".join(_POOL[index] for index in chosen)
    code = b"".join(codes[index] for index in chosen)
    _check_against_execution(text, code, small)


@pytest.mark.parametrize(
    "assembly",
    [
        pytest.param("movs r3, r4; ldr r0, [r3]", id="movs_r3_r4_is_no_unknown_instruction"),
        pytest.param("adr r3, #4; ldr r0, [r3]", id="narrow_adr_is_relative_to_pc"),
        pytest.param("movs r3, #1; cmp r3, #0; lsls r5, r3, #31; it hs; ldrhs r0, [r1]",
                     id="carry_of_a_shift"),
        pytest.param("tst r1, r2; it lo; ldrlo r0, [r1]", id="carry_of_tst"),
        pytest.param("ands r3, r4; it hi; strhi r0, [r1]", id="carry_of_and"),
        pytest.param("movs.w r3, r4; it hs; ldrhs r0, [r1]", id="carry_of_movs"),
    ],
)  # fmt: skip
def test_what_once_went_wrong(assembly: str) -> None:
    (code,) = assemble_each([assembly])
    _check_against_execution(assembly, code, [3, 5])


def _check_against_execution(text: str, code: bytes, small: list[int]) -> None:
    """Whatever the address program resolves is what the emulator does."""
    instructions = decode_block(code, CODE, table())
    program = analyse_addresses(instructions)
    registers = list(_REGISTERS)
    registers[6], registers[7] = small  # as counts and indices are
    seen, lowest = run_straight(code, instructions, registers)
    if _overlaps_through_another_base(seen, program):
        return  # said in the module: such a store is not seen by a pointer loaded later
    expected = evaluate(program, registers, read_pattern(code))
    unconditional = 0
    for row, (instruction, (address, executed)) in enumerate(
        zip(instructions, expected, strict=True)
    ):
        real = [access for access in seen if access.row == row]
        if instruction.memory is None:
            assert not real, (text, instruction.text)
            continue
        unconditional += instruction.memory.words
        if address is None:
            continue
        said = f"{instruction.text} in: {text}"
        known = program.groups[program.placed[row][0]].predicate >= 0
        if instruction.condition == 15 or known:
            assert bool(real) is executed, said
        if real:
            assert real[0].address == address, said
            assert sum(a.size_bytes for a in real) == (
                instruction.memory.words * instruction.memory.word_bytes
            ), said
    assert program.resolved_count + program.unresolved_count == unconditional
    assert registers[13] + program.stack_delta_bytes == lowest, text
