"""A new Cortex-M7 part is a YAML file and no Python: in one, in two, or as a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.boardfile import load_board
from emu.errors import BoardError

HERE = Path(__file__).parent
H7A3 = str(HERE / "stm32h7a3.yaml")


def test_a_part_described_in_one_file() -> None:
    board = load_board(H7A3)
    flash, axi = board.chip.region("flash"), board.chip.region("axi")

    assert (board.name, board.clock_hz, board.bus_ratio) == ("h7a3", 280_000_000, 1)
    assert (flash.size_bytes, flash.timing.wait_states) == (2 * 1024 * 1024, 6)
    assert board.line_fill_cycles(flash) == pytest.approx(11.1)
    assert board.line_fill_cycles(axi) == pytest.approx(5.65)
    assert board.chip.core == "cortex-m7"
    assert board.files == (H7A3,)
    assert load_board(H7A3, set_={"clock_hz": "80M"}).chip.region("flash").timing.wait_states == 1


def test_every_number_of_it_has_a_source() -> None:
    assert all(fact.source for fact in load_board(H7A3).assumptions)


BOARD = """\
name: mine
title: My board
chip: {chip}
clock_hz: {{value: 200M, source: "assumed: my crystal"}}
placement:
  code: flash
  weights: flash
  data: axi
  heap: axi
  stack: dtcm
  stack_bytes: 8K
  heap_bytes: 8K
  source: "assumed: enough"
"""


def test_a_chip_file_beside_the_board(tmp_path: Path) -> None:
    lines = Path(H7A3).read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith("chip:"))
    end = next(i for i, line in enumerate(lines) if line.startswith("placement:"))
    chip = "".join(line.removeprefix("  ") for line in lines[start + 1 : end])
    (tmp_path / "my_chip.yaml").write_text(chip, encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(BOARD.format(chip="my_chip.yaml"), encoding="utf-8")

    board = load_board(str(tmp_path / "mine.yaml"))

    assert board.chip == load_board(H7A3, set_={"clock_hz": "200M"}).chip
    assert board.files == (str(tmp_path / "mine.yaml"), str(tmp_path / "my_chip.yaml"))


def test_a_chip_that_extends_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        BOARD.format(
            chip="""
  name: STM32H750
  extends: stm32h743
  regions:
    flash:
      size_bytes: {value: 128K, source: DS-H750}
    sram4: null"""
        ),
        encoding="utf-8",
    )

    board, base = load_board(str(path)), load_board("h743")

    assert board.chip.name == "STM32H750"
    assert board.chip.region("flash").size_bytes == 128 * 1024
    assert board.chip.region("flash").start == base.chip.region("flash").start
    assert {r.name for r in base.chip.regions} - {r.name for r in board.chip.regions} == {"sram4"}
    assert board.chip.dcache == base.chip.dcache
    assert board.files[1:] == ("boards/chips/stm32h743.yaml",)


def test_a_number_that_replaces_another_needs_a_source_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    chip = "{name: X, extends: stm32h743, regions: {flash: {size_bytes: 128K}}}"
    path.write_text(BOARD.format(chip=chip), encoding="utf-8")

    with pytest.raises(
        BoardError, match=r"mine.yaml:3: chip.regions.flash.size_bytes has no source"
    ):
        load_board(str(path))
