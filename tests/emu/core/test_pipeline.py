"""The scoreboard: documented micro-rules one by one, then laws over any run of instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.core.decode import decode_block
from emu.core.instruction import Attribute, End, Instruction
from emu.core.pipeline import (
    D_BRANCH,
    D_BUS,
    D_COLUMNS,
    D_ISSUE,
    D_LATENCY,
    EDGE_MISPREDICTED,
    EDGE_REDIRECTED,
    EDGE_SEQUENTIAL,
    EDGE_TAKEN,
    S_COLUMNS,
    S_LEAD,
    cycles_of,
    initial_state,
    pack_block,
    simulate_block,
)
from tests.emu.core.assembler import assemble_each
from tests.emu.core.golden_forms import ADDRESS, golden_forms, table
from tests.emu.core.pipeline_rules import RULES, Rule

State = npt.NDArray[np.int32]
UNKNOWN_BANK = None


@dataclass(frozen=True)
class Simulated:
    """One block issued from one state."""

    cycles: int
    branch_cycles: int
    state: State
    detail: npt.NDArray[np.int32]


def simulate(
    instructions: Sequence[Instruction],
    banks: Sequence[int | None],
    *,
    state: State | None = None,
    edge: int = EDGE_SEQUENTIAL,
    narrow_tcm: bool = False,
    compiled: bool = True,
) -> Simulated:
    """Issue a block. A bank is the low address bits of an access, None where nobody knows them."""
    places = [
        (0, bank) if i.memory and bank is not None else (-1, 0)
        for i, bank in zip(instructions, banks, strict=True)
    ]
    packed, t = pack_block(instructions, places), table()
    out = initial_state()
    detail = np.zeros((len(instructions), D_COLUMNS), np.int32)
    function = simulate_block if compiled else simulate_block.py_func  # type: ignore[attr-defined]  # numba has no types
    result = function(
        initial_state() if state is None else state, edge, instructions[0].address, packed.rows,
        0, len(packed.rows), packed.uses, packed.defs, 8 if narrow_tcm else 0, t.latency_cycles,
        t.fp_busy_cycles, t.settled_cycles, t.params, out, detail, True,
    )  # fmt: skip
    return Simulated(int(result) // 64, int(result) % 64, out, detail)


def decode(code: bytes) -> list[Instruction]:
    return decode_block(code, ADDRESS, table())


def alternating(instructions: Sequence[Instruction]) -> tuple[int, ...]:
    return tuple(4 * (n & 1) for n in range(len(instructions)))


# The rules.


def measure(rule: Rule, code: bytes) -> float:
    body = decode(code)
    if rule.kind == "loop":
        return (cycles_of(body, table(), repeat=64) - cycles_of(body, table(), repeat=32)) / 32
    banks = rule.banks or alternating(body)

    def cycles(instructions: Sequence[Instruction], low: Sequence[int]) -> int:
        return simulate(instructions, low, narrow_tcm=rule.narrow_tcm).cycles

    if rule.kind == "distance":
        return cycles(body, banks) - cycles(body[:1], banks[:1])
    return (cycles(decode(code * 64), banks * 64) - cycles(decode(code * 32), banks * 32)) / 32


@pytest.mark.needs_compiler
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "_"))
def test_rule(rule: Rule) -> None:
    code = assemble_each([each.assembly for each in RULES])[RULES.index(rule)]
    expected = rule.documented if rule.model is None else rule.model
    assert measure(rule, code) == expected, f"{rule.assembly}: {rule.source} has {rule.documented}"


def test_every_deviation_says_why_and_is_one() -> None:
    for rule in RULES:
        if rule.model is not None:
            assert rule.model != rule.documented, rule.name
            assert rule.why, rule.name
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert sum(rule.model is None for rule in RULES) >= 60
    assert sum(rule.model is not None for rule in RULES) <= 4


# Branches between blocks.

NOP = "00bf"
CMP_BEQ = "8842" + "00d0"  # cmp r0, r1; beq
CBZ = "00b1"


def _entry(before: str, edge: int) -> Simulated:
    first = decode(bytes.fromhex(before))
    left = simulate(first, alternating(first))
    target = decode(bytes.fromhex(NOP))
    return simulate(target, (None,), state=left.state, edge=edge)


@pytest.mark.parametrize(
    ("before", "cycles"),
    [
        pytest.param(CMP_BEQ, 8, id="flags_just_set"),
        pytest.param("8842" + 6 * NOP + "00d0", 6, id="flags_set_three_cycles_before"),
        pytest.param("8842" + 2 * NOP + "00d0", 8, id="flags_set_one_cycle_before"),
        pytest.param("0068" + CBZ, 8, id="cbz_of_a_value_just_loaded"),
        pytest.param(6 * NOP + CBZ, 6, id="cbz_of_an_old_value"),
        pytest.param("0068" + 6 * NOP + "8047", 6, id="indirect_call_of_an_old_pointer"),
        pytest.param("10bd", 8, id="return_by_pop"),
    ],
)
def test_a_mispredicted_branch_costs_by_how_late_it_is_known(before: str, cycles: int) -> None:
    """The first instruction behind it issues 8 cycles after the branch, 6 with early flags."""
    entered = _entry(before, EDGE_MISPREDICTED)
    assert entered.cycles == cycles
    assert entered.branch_cycles == cycles - 1


def test_a_branch_found_at_decode_costs_less_than_a_mispredict_and_more_than_none() -> None:
    taken, redirected, missed = (
        _entry(CMP_BEQ, edge).cycles for edge in (EDGE_TAKEN, EDGE_REDIRECTED, EDGE_MISPREDICTED)
    )
    assert taken <= 1 < redirected < missed


# Laws.


@cache
def pool() -> tuple[bytes, ...]:
    """Every golden form that is one instruction and does not end a block."""
    found = []
    for _, code, _ in golden_forms():
        instructions = decode(code)
        if len(instructions) == 1 and instructions[0].end is End.FALL:
            found.append(code)
    return tuple(found)


def _law(max_examples: int) -> settings:
    return settings(max_examples=max_examples, deadline=None, derandomize=True)


runs = st.lists(st.integers(0, len(pool()) - 1), min_size=1, max_size=16)
edges = st.sampled_from([EDGE_SEQUENTIAL, EDGE_TAKEN, EDGE_MISPREDICTED, EDGE_REDIRECTED])


def _block(chosen: Sequence[int]) -> list[Instruction]:
    return decode(b"".join(pool()[index] for index in chosen))


def _banks(instructions: Sequence[Instruction], low: Sequence[int]) -> list[int]:
    """Low address bits, aligned where a multiple-word access would fault."""
    banks = []
    for number, instruction in enumerate(instructions):
        bits = low[number % len(low)]
        fp = instruction.attributes & Attribute.FP_TRANSFER
        wide = instruction.memory is not None and (instruction.memory.words > 1 or fp)
        banks.append(bits & ~3 if wide else bits)
    return banks


lows = st.lists(st.integers(0, 7), min_size=1, max_size=16)


@_law(150)
@given(before=runs, chosen=runs, low=lows, edge=edges, narrow=st.booleans())
def test_the_parts_of_a_block_add_up_to_its_cycles(
    before: list[int], chosen: list[int], low: list[int], edge: int, narrow: bool
) -> None:
    first, block = _block(before), _block(chosen)
    state = simulate(first, _banks(first, low)).state
    done = simulate(block, _banks(block, low), state=state, edge=edge, narrow_tcm=narrow)
    parts = done.detail[:, [D_ISSUE, D_LATENCY, D_BRANCH, D_BUS]]
    assert (parts >= 0).all()
    assert parts.sum() + done.branch_cycles == done.cycles


@_law(150)
@given(before=runs, chosen=runs, low=lows, edge=edges)
def test_issue_is_in_order_and_two_a_cycle_at_most(
    before: list[int], chosen: list[int], low: list[int], edge: int
) -> None:
    first, block = _block(before), _block(chosen)
    state = simulate(first, _banks(first, low)).state
    done = simulate(block, _banks(block, low), state=state, edge=edge)
    times = done.detail[:, 0]
    assert (np.diff(times) >= 0).all()
    assert np.unique(times, return_counts=True)[1].max() <= 2
    assert done.cycles == times[-1] >= 0
    assert done.cycles >= (len(block) - 1) // 2


@_law(150)
@given(before=runs, chosen=runs, cut=st.integers(0, 15))
def test_a_block_cut_in_two_costs_the_same(before: list[int], chosen: list[int], cut: int) -> None:
    """What the memo relies on: the state is all that the past has to say."""
    first, block = _block(before), _block(chosen)
    cut = min(cut, len(block))
    state = simulate(first, [None] * len(first)).state
    whole = simulate(block, [None] * len(block), state=state)
    cycles, at = 0, state
    for part in (block[:cut], block[cut:]):
        if part:
            done = simulate(part, [None] * len(part), state=at)
            cycles, at = cycles + done.cycles, done.state
    assert cycles == whole.cycles
    lead = [S_LEAD]  # see test_a_cut_does_not_shorten_the_lead_of_fetch
    assert (np.delete(at, lead) == np.delete(whole.state, lead)).all()
    assert abs(int(at[S_LEAD]) - int(whole.state[S_LEAD])) <= 1


@_law(150)
@given(chosen=runs, low=lows, cut=st.integers(1, 15))
def test_not_knowing_banks_across_a_cut_never_costs_more(
    chosen: list[int], low: list[int], cut: int
) -> None:
    """Banks are numbered anew in each block, so a pair across a cut is taken for a good one."""
    block = _block(chosen)
    cut = min(cut, len(block))
    banks = _banks(block, low)
    whole = simulate(block, banks).cycles
    first = simulate(block[:cut], banks[:cut])
    rest = block[cut:]
    cycles = first.cycles
    if rest:
        cycles += simulate(rest, banks[cut:], state=first.state).cycles
    assert whole - 5 <= cycles <= whole + 5


@_law(60)
@given(before=runs, chosen=runs, low=lows, edge=edges, narrow=st.booleans())
def test_compiled_code_and_python_agree(
    before: list[int], chosen: list[int], low: list[int], edge: int, narrow: bool
) -> None:
    first, block = _block(before), _block(chosen)
    state = simulate(first, _banks(first, low)).state
    one, two = (
        simulate(
            block, _banks(block, low), state=state, edge=edge, narrow_tcm=narrow, compiled=compiled
        )
        for compiled in (True, False)
    )
    assert (one.cycles, one.branch_cycles) == (two.cycles, two.branch_cycles)
    assert (one.state == two.state).all()
    assert (one.detail == two.detail).all()


@_law(100)
@given(before=runs, chosen=runs, edge=edges)
def test_a_pipe_at_rest_is_never_slower_than_a_busy_one(
    before: list[int], chosen: list[int], edge: int
) -> None:
    """From the state after other work a block takes at least what it takes after nothing, less
    the one cycle that an open slot can save.
    """
    first, block = _block(before), _block(chosen)
    state = simulate(first, [None] * len(first)).state
    rested = simulate(block, [None] * len(block), edge=edge).cycles
    busy = simulate(block, [None] * len(block), state=state, edge=edge).cycles
    assert busy >= rested - 2


@pytest.mark.parametrize(
    "opcode", [0xC800, 0xC000, 0xBC00, 0xB400], ids=["ldm", "stm", "pop", "push"]
)
def test_more_registers_are_never_cheaper(opcode: int) -> None:
    costs = []
    for count in range(1, 8):
        registers = ((1 << count) - 1) << 1 if opcode & 0xF000 == 0xC000 else (1 << count) - 1
        code = (opcode | registers).to_bytes(2, "little")
        body = decode(code * 16)
        costs.append(simulate(body, [0] * len(body)).cycles)
    assert costs == sorted(costs)
    assert costs[-1] > costs[0]


@_law(50)
@given(chosen=runs, low=lows)
def test_states_are_normalised(chosen: list[int], low: list[int]) -> None:
    """Long after, a run leaves nothing behind: equal futures share one state."""
    block = _block(chosen)
    state = simulate(block, _banks(block, low)).state
    idle = decode(bytes.fromhex("bff34f8f" * 24))  # dsb
    after = simulate(idle, [None] * len(idle), state=state).state
    rested = simulate(idle, [None] * len(idle)).state
    assert (after == rested).all()
    assert after.shape == (S_COLUMNS,)


def test_an_unaligned_multiple_access_is_told_by_its_row() -> None:
    body = decode(bytes.fromhex(NOP + "06c8"))  # nop; ldm r0!, {r1, r2}
    t = table()
    packed = pack_block(body, [(-1, 0), (0, 2)])
    result = simulate_block(
        initial_state(), EDGE_SEQUENTIAL, ADDRESS, packed.rows, 0, 2, packed.uses, packed.defs, 0,
        t.latency_cycles, t.fp_busy_cycles, t.settled_cycles, t.params, initial_state(),
        np.zeros((2, D_COLUMNS), np.int32), False,
    )  # fmt: skip
    assert result == -3


def test_a_cut_does_not_make_flags_early() -> None:
    """cmp, five nops, beq: the flags are two cycles old, cut before the branch or not."""
    body = decode(bytes.fromhex("8842" + 4 * NOP + "00d0"))
    whole = simulate(body, [None] * len(body)).state
    head = simulate(body[:-1], [None] * (len(body) - 1)).state
    cut = simulate(body[-1:], [None], state=head).state
    assert (cut == whole).all()


def test_a_cut_does_not_shorten_the_lead_of_fetch() -> None:
    """smull, two stores that wait for it, then code of the next eight bytes."""
    body = decode(bytes.fromhex("82fb0301" + 2 * "8850" + "0120"))
    whole = simulate(body, [None] * 4).state
    head = simulate(body[:3], [None] * 3).state
    assert (simulate(body[3:], [None], state=head).state == whole).all()
