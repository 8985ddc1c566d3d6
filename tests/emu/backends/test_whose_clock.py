"""The clock that a run begins with: the board's, or what the chip has after reset."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.backends.protocol import ClockSource, RunOptions
from emu.backends.unicorn_machine import UnicornMachine
from emu.board import Board
from emu.firmware.image import Image
from tests.emu.backends.machine_bench import Bench, board_of

pytestmark = pytest.mark.needs_compiler
RESET_HZ = {"f746": 16_000_000, "h743": 64_000_000}  # HSI [RM0385 RCC, RM0433 RCC]
SOURCE = "int main(void) { return 0; }\n"


def _first_clock_hz(
    image: Image, board: Board, clock: ClockSource = "auto", entry: str | None = None
) -> int:
    run = UnicornMachine().run(image, board, RunOptions(clock=clock, entry=entry))
    return run.clocks[0].clock_hz if run.clocks else board.clock_hz


@pytest.mark.parametrize("name", ["f746", "h743"])
def test_our_start_up_leaves_the_clock_to_the_board(bench: Bench, name: str) -> None:
    board = board_of(name)
    image = bench.image(SOURCE, board)
    assert _first_clock_hz(image, board) == board.clock_hz
    assert _first_clock_hz(image, board, "firmware") == RESET_HZ[name]


@pytest.mark.parametrize("name", ["f746", "h743"])
def test_other_programs_begin_as_after_reset(bench: Bench, name: str) -> None:
    board = board_of(name)
    image = bench.image(SOURCE, board)
    others = tuple(symbol for symbol in image.symbols if symbol.name != "emu_boot")
    foreign = replace(image, symbols=others)
    assert _first_clock_hz(foreign, board) == RESET_HZ[name]
    assert _first_clock_hz(foreign, board, "board") == board.clock_hz
    assert _first_clock_hz(foreign, board, entry="main") == board.clock_hz
