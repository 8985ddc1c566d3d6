"""`--set` and `--place`: what they change, what they refuse, and what the digest makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import boards
from emu.board import Board
from emu.boardfile import load_board, parse_assignments
from emu.errors import UsageError

WriteBoard = Callable[[str], str]


def overrides(board: Board) -> dict[str, str]:
    return dict(board.overrides)


def test_a_clock_brings_its_wait_states_and_bus_ratio_and_says_so() -> None:
    board = load_board("h743", set_={"clock_hz": "400M"})

    assert (board.clock_hz, board.bus_ratio) == (400_000_000, 2)
    assert board.chip.region("flash").timing.wait_states == 2
    assert board.overrides == (
        ("clock_hz", "400M"),
        ("bus_ratio", "2 (clocks table of STM32H743, up to 400 MHz)"),
        ("flash.wait_states", "2 (clocks table of STM32H743, up to 400 MHz)"),
    )


def test_a_clock_between_two_rows_takes_the_faster_row() -> None:
    for clock, wait_states in (("30M", 0), ("31M", 1), ("100M", 3), ("210M", 6), ("211M", 7)):
        board = load_board("f746", set_={"clock_hz": clock})
        assert board.chip.region("flash").timing.wait_states == wait_states


def test_explicit_wait_states_win_over_the_clocks_table() -> None:
    board = load_board("h743", set_={"clock_hz": "400M", "flash.wait_states": "5"})

    assert board.chip.region("flash").timing.wait_states == 5
    assert overrides(board)["flash.wait_states"] == "5"


def test_an_explicit_bus_ratio_wins_over_the_clocks_table() -> None:
    board = load_board("h743", set_={"clock_hz": "200M", "bus_ratio": "1"})

    assert board.bus_ratio == 1
    assert overrides(board)["bus_ratio"] == "1"


def test_a_clock_above_the_table_needs_both() -> None:
    set_ = {"clock_hz": "550M", "bus_ratio": "2", "flash.wait_states": "6"}

    assert load_board("h743", set_=set_).clock_hz == 550_000_000


def test_an_alias_follows_the_wait_states_of_its_flash() -> None:
    board = load_board("f746", set_={"flash.wait_states": "2"})

    assert board.chip.region("flash_itcm").timing.wait_states == 2


def test_a_clock_stated_in_the_file_keeps_what_the_file_states_with_it(
    small_board: str, write_board: WriteBoard
) -> None:
    path = write_board('bus_ratio: {value: 7, source: "assumed: test"}\n' + small_board)

    assert load_board(path).bus_ratio == 7
    assert load_board(path, set_={"clock_hz": "50M"}).bus_ratio == 1


def test_without_a_row_the_values_of_the_file_are_kept_and_told(
    small_board: str, write_board: WriteBoard
) -> None:
    path = write_board(
        'bus_ratio: {value: 7, source: "assumed: test"}\n'
        'flash_wait_states: {value: 9, source: "assumed: test"}\n' + small_board
    )

    board = load_board(path, set_={"clock_hz": "200M"})

    assert (board.bus_ratio, board.chip.region("flash").timing.wait_states) == (7, 9)
    assert overrides(board)["bus_ratio"] == "7 (kept: SMALL has no row)"


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("bus_ratio", "1", lambda board: board.bus_ratio == 1),
        ("stack_bytes", "8K", lambda board: board.placement.stack_bytes == 8192),
        ("heap_bytes", "64K", lambda board: board.placement.heap_bytes == 65536),
        ("dcache.size_bytes", "8K", lambda board: board.chip.dcache.size_bytes == 8192),
        ("dcache.enabled", "false", lambda board: not board.chip.dcache.enabled),
        ("icache.enabled", "false", lambda board: not board.chip.icache.enabled),
        ("icache.ways", "4", lambda board: board.chip.icache.ways == 4),
        ("dcache.replacement", "lru", lambda board: board.chip.dcache.replacement == "lru"),
        ("art.enabled", "false", lambda board: not board.chip.accelerator.enabled),
        ("art.prefetch", "false", lambda board: not board.chip.accelerator.prefetch),
        (
            "tcm.byte_store_read_modify_write",
            "true",
            lambda board: board.chip.tcm.byte_store_read_modify_write,
        ),
        ("sram1.cacheable", "false", lambda board: not board.chip.region("sram1").cacheable),
        ("flash.size_bytes", "1M", lambda board: board.chip.region("flash").end == 0x0810_0000),
        (
            "sram1.line_fill_overhead_cycles",
            "9.5",
            lambda board: board.chip.region("sram1").timing.line_fill_overhead_cycles == 9.5,
        ),
        (
            "dtcm.wait_states",
            "1",
            lambda board: board.chip.region("dtcm").timing.wait_states == 1,
        ),
    ],
)
def test_settable(key: str, value: str, read: Callable[[Board], bool]) -> None:
    board = load_board("f746", set_={key: value})

    assert read(board)
    assert board.overrides == ((key, value),)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "flash.wait_state",
            "2",
            "region 'flash' has no 'wait_state'; did you mean 'wait_states'?",
        ),
        (
            "flash.kind",
            "ram",
            "region 'flash' has no 'kind'; known are start, size_bytes, cacheable, executable, "
            "wait_states, line_fill_overhead_cycles, code_fill_overhead_cycles, store_miss_cycles, "
            "eviction_cycles, uncached_read_cycles, uncached_write_cycles.",
        ),
        (
            "speed",
            "2",
            "'speed' cannot be set; settable are clock_hz, bus_ratio, stack_bytes, heap_bytes, "
            "hse_hz, lse_hz, console, fields of dcache, icache, tcm, peripheral_timing such as "
            "dcache.size_bytes, and fields of the regions "
            "itcm, flash, dtcm, axi, sram1, sram2, sram3, sram4, backup such as flash.wait_states.",
        ),
        ("dcache.sets", "4", "dcache has no 'sets'; known are size_bytes, ways, line_bytes, "
         "replacement, enabled."),
        ("art.enabled", "false", "this chip has no ART accelerator."),
        ("clock_hz", "fast", "clock_hz: 'fast' is not a frequency. Write Hz, or k or M: 480M, "
         "216MHz."),
        (
            "clock_hz",
            "600M",
            "clock_hz 600 MHz is above the 480 MHz that the clocks table of STM32H743 ends at; "
            "lower it, or give --set bus_ratio=N and --set flash.wait_states=N too.",
        ),
        ("bus_ratio", "0", "bus_ratio: '0' is not a whole number from 1 to 512."),
        (
            "flash.wait_states",
            "-1",
            "regions.flash.timing.wait_states: '-1' is not a whole number from 0 to 1000.",
        ),
        ("dcache.size_bytes", "6K", "dcache: 6 KiB is not 4 ways x 32 bytes x a power of two of "
         "sets."),
        ("dcache.enabled", "0", "dcache.enabled: '0' is neither true nor false."),
        ("stack_bytes", "1M", "a stack of 1 MiB does not fit the 128 KiB of dtcm."),
        (
            "dtcm.size_bytes",
            "8K",
            "a stack of 16 KiB does not fit the 8 KiB of dtcm.",
        ),
        (
            "sram1.size_bytes",
            "256K",
            "region 'sram2' (0x30020000 to 0x3003ffff) overlaps 'sram1' (0x30000000 to "
            "0x3003ffff); move or shrink one.",
        ),
    ],
)  # fmt: skip
def test_what_set_refuses(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_board("h743", set_={key: value})

    assert str(refusal.value) == f"--set {key}={value}: {sentence}"


def test_place_moves_sections_and_single_objects() -> None:
    board = load_board(
        "f746", place={"weights": "dtcm", "data": "dtcm+sram1+sram2", "filter_table": "itcm"}
    )

    assert board.placement.weights == ("dtcm",)
    assert board.placement.data == ("dtcm", "sram1", "sram2")
    assert board.placement.symbols == (("filter_table", "itcm"),)
    assert board.placement.code == ("flash",)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "weights",
            "dtc",
            "weights is placed in 'dtc', which is no region of STM32H743; did you mean 'dtcm'?",
        ),
        (
            "data",
            "dtcm+axi",
            "data is placed in 'dtcm' and 'axi', which are not adjacent: 'dtcm' ends at "
            "0x20020000, 'axi' starts at 0x24000000.",
        ),
        ("stack", "flash", "stack is placed in 'flash', which is flash and cannot be written."),
        ("stack", "backup", "a stack of 16 KiB does not fit the 4 KiB of backup."),
        ("my-table", "dtcm", "'my-table' is neither code, weights, data, heap, stack nor the name "
         "of a C object."),
        ("table", "dtcm+axi", "symbol 'table' needs one region, not 'dtcm+axi'."),
    ],
)  # fmt: skip
def test_what_place_refuses(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_board("h743", place={key: value})

    assert str(refusal.value) == f"--place {key}={value}: {sentence}"


def test_assignments_as_they_are_typed() -> None:
    assert parse_assignments("--set", ["clock_hz=400M", " flash.wait_states = 2 "]) == {
        "clock_hz": "400M",
        "flash.wait_states": "2",
    }


@pytest.mark.parametrize("item", ["clock_hz", "=400M", "clock_hz=", ""])
def test_an_assignment_needs_both_sides(item: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_assignments("--set", [item])

    assert str(refusal.value) == f"--set '{item}' is not KEY=VALUE, as --set clock_hz=400M."


def test_an_assignment_given_twice() -> None:
    with pytest.raises(UsageError) as refusal:
        parse_assignments("--place", ["weights=dtcm", "weights=axi"])

    assert str(refusal.value) == "--place gives 'weights' twice: dtcm and axi; keep one."


def test_an_override_is_an_assumption_of_the_run() -> None:
    board = load_board("h743", set_={"dcache.size_bytes": "8K"})
    fact = next(fact for fact in board.assumptions if fact.key == "chip.dcache.size_bytes")

    assert (fact.value, fact.source) == ("8K", "assumed: set on the command line")


# The digest


def test_the_digest_is_the_same_in_another_process() -> None:
    code = "from emu.boardfile import load_board; print(load_board('h743').digest)"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert printed == {load_board("h743").digest}


def test_the_digest_is_over_values_not_over_text(small_board: str, write_board: WriteBoard) -> None:
    before = load_board(write_board(small_board)).digest
    rewritten = (
        small_board.replace("64K", "0x1_0000")
        .replace("assumed: test", "measured: on a bench")
        .replace("name: small", "# a comment\nname: other")
        .replace("name: SMALL", "name: OTHER")
    )

    assert load_board(write_board(rewritten)).digest == before


@pytest.mark.parametrize(
    "set_",
    [
        {"clock_hz": "90M"},
        {"bus_ratio": "3"},
        {"flash.wait_states": "9"},
        {"sram.eviction_cycles": "2.5"},
        {"dcache.enabled": "false"},
        {"dcache.replacement": "pseudo_random"},
        {"tcm.byte_store_read_modify_write": "true"},
        {"stack_bytes": "5K"},
    ],
    ids=lambda set_: next(iter(set_)),
)
def test_the_digest_changes_with_any_value(
    set_: dict[str, str], small_board: str, write_board: WriteBoard
) -> None:
    path = write_board(small_board)

    assert load_board(path, set_=set_).digest != load_board(path).digest


def test_setting_what_is_already_so_changes_no_digest() -> None:
    set_ = {"clock_hz": "480M", "flash.wait_states": "4", "dcache.enabled": "true"}

    assert load_board("h743", set_=set_).digest == load_board("h743").digest


def test_a_file_of_its_own_equals_the_shipped_board(tmp_path: Path) -> None:
    shipped = Path(boards.__file__).parent / "stm32h743.yaml"
    mine = tmp_path / "mine.yaml"
    mine.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")

    assert load_board(str(mine)).digest == load_board("h743").digest
    assert load_board(str(mine)).files[0] == str(mine)
