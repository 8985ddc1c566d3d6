"""One small program for h743, and reports of made-up runs of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.measure.report import Report
from emu.measure.run import Firmware, execute, prepare
from tests.emu.measure.fake_machine import FakeMachine

SOURCE = """\
#include <stdint.h>

static int16_t activations[600];
int8_t gains[4] = {1, 2, 3, 4};
const int8_t weights[256] = {5, 4, 3};

__attribute__((noinline)) int conv(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += activations[i % 600] * weights[i & 255];
    return sum;
}

__attribute__((noinline)) int relu(int x) {
    gains[x & 3]++;
    return x > 0 ? x * gains[1] : 0;
}

int main(void) {
    int sum = 0;
    for (int i = 0; i < 4; i++)
        sum += relu(conv(100));
    activations[0] = (int16_t)sum;
    return 0;
}
"""


@pytest.fixture(scope="session")
def board() -> Board:
    return load_board("h743")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "model.c"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="session")
def firmware(source: Path, board: Board) -> Firmware:
    return prepare(source, board)


@pytest.fixture(scope="session")
def measured(firmware: Firmware, board: Board) -> Callable[..., Report]:
    """Makes a report; keyword arguments change the run, `options_` the options."""
    from emu.backends.protocol import RunOptions

    def measure(
        *, cycle_factor: float = 1.0, options_: RunOptions | None = None, **changes: object
    ) -> Report:
        options = options_ or RunOptions(measure=("conv",))
        machine = FakeMachine(changes=changes, cycle_factor=cycle_factor)
        return execute(firmware, board, options, machine=machine)

    return measure


@pytest.fixture(scope="session")
def report(measured: Callable[..., Report]) -> Report:
    return measured()
