"""A stripped program tells where its functions begin by running."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.backends.protocol import RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler

SOURCE = """
NOINLINE static int leaf(int x) { return x * 3; }
NOINLINE static int pointed(int x) { return x + 1; }
NOINLINE static int table(int x) {
    switch (x) {
    case 0: return leaf(5);
    case 1: sink = 3; return 8;
    case 2: return leaf(leaf(x));
    case 3: sink = 4; return 17;
    case 4: return leaf(2) + 1;
    default: return x ^ 21;
    }
}
NOINLINE static int recurse(int x) { return x ? leaf(recurse(x - 1)) : 1; }
NOINLINE static int tail(int x) { sink = x; return table(x); }
int (*volatile through)(int) = pointed;
int main(void) {
    int sum = recurse(4) + through(1);
    for (int i = 0; i < 6; i++) sum += tail(i);
    return sum == 0;
}
"""


@pytest.mark.parametrize("timing", ["full", "none"])
def test_the_functions_that_ran_are_found(bench: Bench, timing: str) -> None:
    board = board_of("h743")
    image = bench.image(SOURCE, board)
    stripped = replace(image, symbols=(), sections=(), vector_table=image.segments[0].address)

    run = UnicornMachine().run(stripped, board, RunOptions(timing=timing))  # type: ignore[arg-type]  # one of the Literal's values

    found = set(run.entered)
    for name in ("leaf", "pointed", "table", "recurse", "main", "Reset_Handler", "emu_boot"):
        symbol = image.symbol(name)
        assert symbol is not None
        assert symbol.address in found, name
    strangers = {at for at in found if (f := image.function_at(at)) is None or f.address != at}
    assert not strangers


def test_programs_with_names_are_not_searched(bench: Bench) -> None:
    assert bench.run(SOURCE).entered == ()
