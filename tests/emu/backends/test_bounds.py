"""What is bounded says so: computed stacks, deep calls, long consoles, runs through nothing."""

from __future__ import annotations

import pytest

from emu.backends import unicorn_machine
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler

VARIABLE_LENGTH = """
NOINLINE int fill(int n) { volatile char text[n]; text[0] = 1; return text[0]; }
int main(void) { return fill(3000) - 1; }
"""
DEEP = """
NOINLINE int down(int n) { volatile int k = n; return n ? down(n - 1) + k - n : 0; }
int main(void) { return down(5000); }
"""


@pytest.mark.parametrize("timing", ["full", "none"])
def test_a_variable_length_array_counts_where_it_is_made(bench: Bench, timing: str) -> None:
    done = bench.run(VARIABLE_LENGTH, board_of(), timing=timing, measure=("fill",))
    (call,) = done.calls
    assert call.stack_peak_bytes is not None
    assert 3000 <= call.stack_peak_bytes < 3100


def test_a_variable_length_array_past_the_stack_is_an_overflow(bench: Bench) -> None:
    done = bench.run(VARIABLE_LENGTH.replace("3000", "100000"), board_of())
    assert done.fault is not None
    assert done.fault.kind == "stack_overflow"


def test_calls_deeper_than_can_be_followed_are_told(bench: Bench) -> None:
    done = bench.run(DEEP, board_of(set_={"stack_bytes": "100K", "heap_bytes": "1K"}))
    assert done.exit_code == 0
    assert any("deeper than 4096 levels" in note for note in done.notes)


def test_a_run_through_zeros_is_a_fault(bench: Bench) -> None:
    done = bench.run("int main(void) { ((void (*)(void))0x24010001)(); return 0; }", board_of())
    assert done.fault is not None
    assert done.fault.kind == "no_code"
    assert "zero-filled memory" in done.fault.sentence


def test_a_long_console_is_cut_in_the_report_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unicorn_machine, "_CONSOLE_BYTES", 100)
    shown: list[bytes] = []
    source = 'int main(void) { for (int i = 0; i < 50; i++) puts("0123456789"); return 0; }'
    done = bench.run(source, board_of(), on_console=shown.append)
    assert len(done.console) == 100
    assert len(b"".join(shown)) == 50 * 11
    assert any("first 100 bytes" in note for note in done.notes)
