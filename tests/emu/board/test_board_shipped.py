"""The boards that are shipped: what they say, and that every number says where it came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import boards
from emu.board import Board, Region
from emu.boardfile import list_boards, load_board, schema
from emu.boardfile.spec import FactMark
from emu.errors import UsageError

SHIPPED = Path(boards.__file__).parent
NAMES = ("f746", "h743")
# Keys that docs/sources.md resolves.
DOCUMENTS = {"RM0385", "RM0433", "DS-F746", "DS-H743", "TRM-M7", "PM0253", "UM1907", "UM1974",
             "AN4667", "AN4891", "jnk0le-m7"}  # fmt: skip


def region(board: Board, name: str) -> Region:
    return board.chip.region(name)


def test_the_list_names_every_file() -> None:
    summaries = list_boards()

    assert tuple(summary.name for summary in summaries) == NAMES
    assert {summary.file for summary in summaries} == {
        f"boards/{path.name}" for path in SHIPPED.glob("*.yaml")
    }


def test_every_chip_is_used_by_a_board() -> None:
    used = {file for name in NAMES for file in load_board(name).files}

    assert {f"boards/chips/{path.name}" for path in (SHIPPED / "chips").glob("*.yaml")} <= used


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_files_is_an_assumption_with_a_source(name: str) -> None:
    """The loader's list of numbers against the digits a plain search finds in the files."""
    board = load_board(name)
    listed = {(fact.file, fact.line) for fact in board.assumptions}
    missed = []
    for file in board.files:
        path = SHIPPED.parent / file
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            written = re.match(r"\s*(?:- \{)?(\w+): (?:\{value: )?-?[\d][\w.]*\s*(?:,|$)", text)
            if written is None or written.group(1) == "value":
                continue
            if (file, line) not in listed:
                missed.append(f"{file}:{line}: {text}")

    assert not missed
    assert len(listed) > 50


@pytest.mark.parametrize("name", NAMES)
def test_every_document_key_is_known(name: str) -> None:
    documents = {
        re.split(r"[ :;,]", fact.source)[0]
        for fact in load_board(name).assumptions
        if not fact.source.startswith(("assumed:", "fitted:", "measured:"))
    }

    assert documents <= DOCUMENTS


@pytest.mark.parametrize("name", NAMES)
def test_the_file_stem_and_capitals_are_names_too(name: str) -> None:
    assert load_board(name.upper()) == load_board(name)
    assert load_board(f"stm32{name}") == load_board(name)


def test_the_line_of_an_assumption_is_the_line_of_its_number() -> None:
    for fact in load_board("h743").assumptions:
        if fact.line and fact.file.startswith("boards/"):
            text = (SHIPPED.parent / fact.file).read_text(encoding="utf-8").splitlines()
            near = " ".join(text[fact.line - 1 : fact.line + 1])
            assert fact.value in near or "TRM-M7" in fact.source


def test_f746_is_the_part_of_its_manual() -> None:
    board = load_board("f746")

    assert (board.clock_hz, board.bus_ratio, board.chip.fpu) == (216_000_000, 1, "single")
    assert [(r.name, r.start, r.size_bytes) for r in board.chip.regions] == [
        ("itcm", 0x0000_0000, 16 * 1024),
        ("flash_itcm", 0x0020_0000, 1024 * 1024),
        ("flash", 0x0800_0000, 1024 * 1024),
        ("dtcm", 0x2000_0000, 64 * 1024),
        ("sram1", 0x2001_0000, 240 * 1024),
        ("sram2", 0x2004_C000, 16 * 1024),
        ("backup", 0x4002_4000, 4 * 1024),
        ("sdram", 0xC000_0000, 8 * 1024 * 1024),
    ]
    assert region(board, "flash_itcm").alias_of == "flash"
    assert region(board, "flash_itcm").accelerator
    assert region(board, "flash").timing.wait_states == 7
    assert region(board, "flash_itcm").timing.wait_states == 7
    assert (board.chip.icache.size_bytes, board.chip.icache.ways) == (4096, 2)
    assert (board.chip.dcache.size_bytes, board.chip.dcache.ways) == (4096, 4)
    assert (board.chip.icache.sets, board.chip.dcache.sets) == (64, 32)
    assert board.chip.accelerator is not None
    assert (board.chip.accelerator.lines, board.chip.accelerator.line_bytes) == (64, 32)
    assert not board.chip.tcm.byte_store_read_modify_write


def test_h743_is_the_part_of_its_manual() -> None:
    board = load_board("h743")

    assert (board.clock_hz, board.bus_ratio, board.chip.fpu) == (480_000_000, 2, "double")
    assert [(r.name, r.start, r.size_bytes) for r in board.chip.regions] == [
        ("itcm", 0x0000_0000, 64 * 1024),
        ("flash", 0x0800_0000, 2 * 1024 * 1024),
        ("dtcm", 0x2000_0000, 128 * 1024),
        ("axi", 0x2400_0000, 512 * 1024),
        ("sram1", 0x3000_0000, 128 * 1024),
        ("sram2", 0x3002_0000, 128 * 1024),
        ("sram3", 0x3004_0000, 32 * 1024),
        ("sram4", 0x3800_0000, 64 * 1024),
        ("backup", 0x3880_0000, 4 * 1024),
    ]
    assert region(board, "flash").timing.wait_states == 4
    assert (board.chip.icache.size_bytes, board.chip.dcache.size_bytes) == (16384, 16384)
    assert board.chip.accelerator is None
    assert board.chip.tcm.byte_store_read_modify_write


def test_line_fills_are_the_fitted_ones() -> None:
    f746, h743 = load_board("f746"), load_board("h743", set_={"clock_hz": "400M"})

    assert f746.line_fill_cycles(region(f746, "flash")) == pytest.approx(12.55)
    assert f746.line_fill_cycles(region(f746, "sram1")) == pytest.approx(7.24)
    assert h743.line_fill_cycles(region(h743, "flash")) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_tightly_coupled_memory_never_waits(name: str) -> None:
    for tcm in ("itcm", "dtcm"):
        timing = region(load_board(name), tcm).timing
        assert set(vars(timing).values()) == {0}


def test_accuracy_is_absent_until_it_was_measured() -> None:
    for name in NAMES:
        assert load_board(name).accuracy.mean_error_ratio is None


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as refusal:
        load_board("h74")

    assert str(refusal.value) == (
        "Board 'h74' is not known. Known boards: f746, h743. Or pass a file: --board my.yaml."
    )


def test_no_path_of_this_machine_is_in_a_board() -> None:
    for name in NAMES:
        assert str(SHIPPED) not in repr(load_board(name))


def test_the_schema_knows_every_key_and_both_ways_to_write_a_number() -> None:
    made = schema()

    assert set(made["properties"]) >= {"name", "title", "chip", "clock_hz", "placement"}
    assert made["properties"]["chip"]["anyOf"][0]["type"] == "string"
    sizes = made["$defs"]["RegionSpec"]["properties"]["size_bytes"]["anyOf"]
    assert sizes[1]["required"] == ["value", "source"]
    assert FactMark.__name__ not in repr(made)
