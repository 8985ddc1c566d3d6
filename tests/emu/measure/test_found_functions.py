"""Programs without symbols: their code goes by addresses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emu.backends.protocol import PROFILE_DTYPE, Execution, RunOptions
from emu.boardfile import load_board
from emu.firmware.image import Image, Symbol
from emu.measure.found_functions import with_found_functions, with_named_addresses
from tests.emu.measure.fake_machine import plausible_execution

STRIPPED = Image(Path("app.bin"), "", 0, (), (), (), format="raw")
NAMED = replace(STRIPPED, symbols=(Symbol("main", 0x100, 8, "function", ".text"),))


def execution_of(entered: tuple[int, ...], *rows: tuple[int, int]) -> Execution:
    """One that entered functions and ran instructions of `(address, size)`."""
    profile = np.zeros(len(rows), PROFILE_DTYPE)
    profile["address"], profile["size_bytes"] = [row[0] for row in rows], [row[1] for row in rows]
    made_up = plausible_execution(NAMED, load_board("h743"), RunOptions())
    return replace(made_up, profile=profile, entered=entered)


def found(entered: tuple[int, ...], *rows: tuple[int, int]) -> list[tuple[str, int]]:
    image = with_found_functions(STRIPPED, execution_of(entered, *rows))
    return [(symbol.name, symbol.size_bytes) for symbol in image.functions]


def test_a_function_reaches_to_the_last_instruction_that_ran() -> None:
    assert found((0x100, 0x200), (0x100, 2), (0x102, 4), (0x200, 2)) == [
        ("sub_00000100", 6),
        ("sub_00000200", 2),
    ]


def test_a_function_ends_where_the_next_begins() -> None:
    assert found((0x100, 0x104), (0x100, 4), (0x104, 2)) == [
        ("sub_00000100", 4),
        ("sub_00000104", 2),
    ]


def test_code_before_the_first_function_has_no_name() -> None:
    image = with_found_functions(STRIPPED, execution_of((0x200,), (0x100, 2), (0x200, 2)))
    assert image.function_at(0x100) is None


def test_a_run_that_entered_nothing_has_no_functions() -> None:
    assert found((), (0x100, 2)) == []


def test_what_has_names_keeps_them() -> None:
    execution = execution_of((0x200,), (0x200, 2))
    assert with_found_functions(NAMED, execution) is NAMED


def test_an_address_is_a_function_to_measure() -> None:
    image = with_named_addresses(STRIPPED, ("0x08000101", "sub_08000200", "main"))
    assert [(symbol.name, symbol.address) for symbol in image.functions] == [
        ("0x08000101", 0x08000100),
        ("sub_08000200", 0x08000200),
    ]
    assert image.is_stripped


def test_a_name_that_the_program_has_stays_its_own() -> None:
    assert with_named_addresses(NAMED, ("main",)) is NAMED
