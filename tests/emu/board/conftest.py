"""A small board with its chip inline: what the tests of this room bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SMALL_BOARD = (Path(__file__).parent / "small_board.yaml").read_text(encoding="utf-8")

_PERIPHERALS = """\
  interrupts: {lines_count: 40, priority_bits: 3, mpu_regions_count: 16, source: "assumed: test"}
  peripheral_timing:
    uncached_read_cycles: 7
    uncached_write_cycles: 5
    source: "assumed: test"
  peripherals:
    source: RM0385 memory map
    usart1: {model: usart, start: 0x4001_1000, irqs: {global: 37}, clock: apb2}
    tim1:
      model: timer
      start: 0x4001_0000
      size_bytes: 512
      irqs: {update: 25, compare: 27}
      clock: apb2_timer
      settings: {kind: advanced, bits: 16}
      source: "assumed: another reason"
    dbgmcu: {model: register_file, start: 0xE004_2000, settings: {idcode@0x0: 0x1001_6449}}
"""
_CONNECTED = """\
oscillators_hz: {hse: 25M, lse: 32768, source: "assumed: test"}
console: usart1
"""
# The small board with a few peripherals; line 62 is `interrupts:`, 67 `peripherals:`.
BOARD_WITH_PERIPHERALS = SMALL_BOARD.replace(
    "placement:\n", f"{_PERIPHERALS}{_CONNECTED}placement:\n"
)

WriteBoard = Callable[[str], str]


@pytest.fixture
def small_board() -> str:
    return SMALL_BOARD


@pytest.fixture
def write_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteBoard:
    """Write a board file into a fresh working directory; its name is `b.yaml`, as in refusals."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("b.yaml").write_text(text, encoding="utf-8")
        return "b.yaml"

    return write


@pytest.fixture
def board_text() -> str:
    """The small board with a few peripherals."""
    return BOARD_WITH_PERIPHERALS
