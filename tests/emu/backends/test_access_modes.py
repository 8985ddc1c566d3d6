"""Reconstructed against hooked accesses, parts against total, and other equal ways of running."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emu.backends import code_store, unicorn_machine
from emu.backends.protocol import CAUSES, Cause, Execution, RunOptions
from emu.backends.register_access import RegisterAccess
from emu.backends.unicorn_machine import UnicornMachine
from tests.emu.backends.machine_bench import Bench, board_of
from tests.emu.backends.programs import BRANCHY, INT8_GEMM, PROGRAMS

pytestmark = pytest.mark.needs_compiler
PLACES = {"f746": ("f746", {}), "h743": ("h743", {}), "h743_tcm": ("h743", {"data": "dtcm"})}


def fingerprint(execution: Execution) -> tuple[object, ...]:
    """Everything of a run that must repeat."""
    return (
        execution.outcome, execution.exit_code, execution.cycles, execution.instructions,
        tuple(execution.cycles_by_cause.items()), execution.stack, execution.heap,
        execution.calls, execution.accesses, execution.traffic, execution.console,
        hashlib.sha256(execution.profile.tobytes()).hexdigest(),
    )  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_reconstructed_and_hooked_accesses_give_the_same_cycles(
    bench: Bench, program: str, place: str
) -> None:
    name, where = PLACES[place]
    board = board_of(name, place=where)
    fast = bench.run(PROGRAMS[program], board)
    exact = bench.run(PROGRAMS[program], board, accesses="hook")
    assert (fast.outcome, fast.exit_code) == ("exited", 0)
    assert fast.instructions == exact.instructions
    assert fast.cycles == pytest.approx(exact.cycles, rel=0.005)
    assert exact.accesses.reconstructed_count == exact.accesses.unresolved_count == 0
    assert fast.accesses.hooked_count == 0
    counted = fast.accesses.reconstructed_count + fast.accesses.unresolved_count
    skipped = fast.accesses.predicated_count
    assert exact.accesses.hooked_count <= counted
    doubles = counted * 0.002  # one access to the emulator, two words to the model
    assert counted - exact.accesses.hooked_count <= skipped + doubles


def test_both_ways_charge_misses_to_the_same_instruction(bench: Bench) -> None:
    """Also behind a double, which is one access to the emulator and two words to the model."""
    source = """
    static double x[8]; static uint32_t words[16384];
    NAKED void load(double *p, uint32_t *q) {
        __asm__ volatile("vldr d0, [r0]\\n vldr d1, [r0, #8]\\n nop\\n ldr r2, [r1]\\n bx lr");
    }
    int main(void) { for (int i = 0; i < 2048; i++) load(x, words + 8 * i); return 0; }
    """
    fast, exact = bench.run(source), bench.run(source, accesses="hook")
    worst = [
        int(done.profile["address"][np.argmax(done.profile["dcache_cycles"])])
        for done in (fast, exact)
    ]
    assert worst[0] == worst[1]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("timing", ["full", "issue"])
@pytest.mark.parametrize("accesses", ["reconstruct", "hook"])
def test_parts_add_up(bench: Bench, program: str, timing: str, accesses: str) -> None:
    done = bench.run(PROGRAMS[program], timing=timing, accesses=accesses)
    assert done.cycles is not None
    assert set(done.cycles_by_cause) == set(CAUSES)
    assert sum(done.cycles_by_cause.values()) == pytest.approx(done.cycles, abs=1e-3)
    for cause in CAUSES:
        of_rows = done.profile[f"{cause.value}_cycles"].sum()
        assert of_rows == pytest.approx(done.cycles_by_cause[cause], abs=1e-3)
    assert int(done.profile["executions_count"].sum()) == done.instructions
    assert (np.diff(done.profile["address"].astype(np.int64)) > 0).all()


def test_issue_alone_knows_no_memory(bench: Bench) -> None:
    full, issue = (bench.run(INT8_GEMM, timing=timing) for timing in ("full", "issue"))
    memory = (Cause.ICACHE, Cause.DCACHE, Cause.FLASH)
    assert all(issue.cycles_by_cause[cause] == 0 for cause in memory)
    assert issue.instructions == full.instructions
    assert full.cycles is not None
    assert issue.cycles is not None
    assert issue.cycles < full.cycles
    for cause in (Cause.ISSUE, Cause.LATENCY, Cause.BRANCH):
        assert issue.cycles_by_cause[cause] == pytest.approx(full.cycles_by_cause[cause])


def test_no_timing_counts_instructions_only(bench: Bench) -> None:
    full, none = (bench.run(BRANCHY, timing=timing) for timing in ("full", "none"))
    assert none.cycles is None
    assert none.instructions == full.instructions
    assert sum(none.cycles_by_cause.values()) == 0
    assert (none.profile["executions_count"] == full.profile["executions_count"]).all()
    assert none.stack == full.stack


def test_two_runs_are_equal_to_the_last_bit(bench: Bench) -> None:
    one, two = (bench.run(INT8_GEMM, "f746", measure=("gemm",)) for _ in range(2))
    assert fingerprint(one) == fingerprint(two)


_ALONE = """
import sys
from pathlib import Path
from tests.emu.backends.machine_bench import Bench
from tests.emu.backends.programs import PROGRAMS
from tests.emu.backends.test_access_modes import fingerprint
print(fingerprint(Bench(Path(sys.argv[1])).run(PROGRAMS["pointer_chasing"])))
"""


def test_two_processes_are_equal_to_the_last_bit(bench: Bench, tmp_path: Path) -> None:
    here = fingerprint(bench.run(PROGRAMS["pointer_chasing"]))
    there = subprocess.run(
        [sys.executable, "-c", _ALONE, str(tmp_path)], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    ).stdout  # fmt: skip
    assert there.strip() == str(here)


@pytest.mark.parametrize("program", ["branchy", "copying"])
def test_registers_copied_give_what_registers_in_place_give(
    bench: Bench, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of systems where the emulator's registers cannot be found in memory."""
    in_place = bench.run(PROGRAMS[program])

    class Copied(RegisterAccess):
        def __init__(self, *arguments: object, **_: object) -> None:
            super().__init__(*arguments, in_place=False)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(unicorn_machine, "RegisterAccess", Copied)
    assert fingerprint(bench.run(PROGRAMS[program])) == fingerprint(in_place)


@pytest.mark.parametrize("bound", [1500, 4096])
def test_memo_tables_that_start_anew_give_the_same(
    bench: Bench, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flat memory: past a bound the tables are emptied, what they counted is kept."""
    whole = bench.run(PROGRAMS["copying"])
    monkeypatch.setattr(code_store, "MAX_TRANSITIONS", bound)
    folded = bench.run(PROGRAMS["copying"])
    assert folded.cycles == whole.cycles
    assert folded.instructions == whole.instructions
    assert (folded.profile["executions_count"] == whole.profile["executions_count"]).all()
    for cause in CAUSES:
        assert folded.cycles_by_cause[cause] == pytest.approx(whole.cycles_by_cause[cause])


def test_a_chip_that_is_one_file_runs(bench: Bench) -> None:
    board = board_of(str(Path(__file__).parents[1] / "board" / "stm32h7a3.yaml"))
    done = bench.run(INT8_GEMM, board)
    assert (done.outcome, done.exit_code) == ("exited", 0)
    h743 = bench.run(INT8_GEMM, "h743")
    assert done.cycles_by_cause[Cause.ISSUE] == pytest.approx(
        h743.cycles_by_cause[Cause.ISSUE], rel=0.01
    )
    assert done.cycles != h743.cycles


def test_an_image_runs_twice_from_its_first_state(bench: Bench) -> None:
    """Nothing of a run is left in the image: .data is loaded anew."""
    source = "static int runs = 41; int main(void) { return ++runs; }"
    board = board_of()
    image = bench.image(source, board)
    codes = [UnicornMachine().run(image, board, RunOptions()).exit_code for _ in range(2)]
    assert codes == [42, 42]
