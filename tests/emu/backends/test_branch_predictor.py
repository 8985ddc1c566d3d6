"""Branch prediction through tiny programs: mispredicts as the pattern changes."""

from __future__ import annotations

import pytest

from emu.backends.protocol import Cause, Execution
from tests.emu.backends.machine_bench import Bench

pytestmark = pytest.mark.needs_compiler

LOOP = """
NAKED void loop(int n) { __asm__ volatile("1: subs.w r0, r0, #1\\n bne.w 1b\\n bx lr"); }
NAKED void pattern(int n, uint32_t bits) {
    /* the branch in the middle is taken where the lowest bit is set; bits go round */
    __asm__ volatile("1: ror.w r1, r1, #1\\n tst.w r1, #1\\n nop.w\\n bne.w 2f\\n nop.w\\n"
                     "2: subs.w r0, r0, #1\\n bne.w 1b\\n bx lr");
}
NAKED int one(void) { __asm__ volatile("movs r0, #1\\n bx lr"); }
NAKED int two(void) { __asm__ volatile("movs r0, #2\\n bx lr"); }
typedef int (*fn)(void);
fn volatile table[2] = {one, two};
NOINLINE int indirect(int n, int mask) {
    int s = 0;
    for (int i = 0; i < n; i++) s += table[i & mask]();
    return s;
}
int main(void) { RUN; return 0; }
"""


def run(bench: Bench, what: str) -> Execution:
    done = bench.run(LOOP.replace("RUN", what))
    assert done.exit_code == 0
    return done


def mispredicts_between(bench: Bench, few: str, many: str) -> int:
    return run(bench, many).traffic.mispredicts_count - run(bench, few).traffic.mispredicts_count


def test_a_counting_loop_is_wrong_about_its_end_only(bench: Bench) -> None:
    assert mispredicts_between(bench, "loop(100)", "loop(10100)") == 0
    assert mispredicts_between(bench, "loop(100)", "loop(100); loop(100)") in (1, 2)


def test_a_loop_of_two_instructions_takes_a_cycle(bench: Bench) -> None:
    few, many = run(bench, "loop(100)").cycles, run(bench, "loop(10100)").cycles
    assert many is not None
    assert few is not None
    assert many - few == pytest.approx(10_000)


@pytest.mark.parametrize(
    ("bits", "wrong"),
    [
        pytest.param("0", 0, id="never_taken"),
        pytest.param("0xFFFFFFFF", 0, id="always_taken"),
        pytest.param("0x80008000", 2 / 32, id="two_in_32"),
        pytest.param("0x7FFF7FFF", 2 / 32, id="all_but_two_in_32"),
    ],
)
def test_two_bit_counters_are_wrong_about_the_rare_case(
    bench: Bench, bits: str, wrong: float
) -> None:
    missed = mispredicts_between(bench, f"pattern(320, {bits}u)", f"pattern(3520, {bits}u)")
    assert missed == pytest.approx(3200 * wrong, abs=2)


def test_an_alternating_branch_is_wrong_half_the_time_or_more(bench: Bench) -> None:
    """No history: a simple 2-bit predictor cannot learn it (silicon counts say it is one)."""
    missed = mispredicts_between(bench, "pattern(320, 0x55555555u)", "pattern(3520, 0x55555555u)")
    assert 1600 <= missed <= 3200


def test_an_indirect_call_is_right_while_its_target_stays(bench: Bench) -> None:
    steady = mispredicts_between(bench, "sink = indirect(100, 0)", "sink = indirect(1100, 0)")
    assert steady == 0
    moving = mispredicts_between(bench, "sink = indirect(100, 1)", "sink = indirect(1100, 1)")
    assert moving >= 1000


def test_a_mispredict_costs_its_cycles_as_branch(bench: Bench) -> None:
    """3200 rounds, 200 of them wrong, flags three instructions old."""
    rare, never = (run(bench, f"pattern(3520, {bits})") for bits in ("0x80008000u", "0u"))
    wrong = rare.traffic.mispredicts_count - never.traffic.mispredicts_count
    cost = rare.cycles_by_cause[Cause.BRANCH] - never.cycles_by_cause[Cause.BRANCH]
    assert wrong == pytest.approx(220, abs=2)
    assert 5 * wrong <= cost <= 8 * wrong


def test_branches_are_counted(bench: Bench) -> None:
    few, many = run(bench, "loop(100)"), run(bench, "loop(600)")
    assert many.traffic.branches_count - few.traffic.branches_count == 500
