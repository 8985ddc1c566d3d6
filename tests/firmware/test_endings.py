"""Ends that the firmware does not handle are told as what they are."""

from __future__ import annotations

import pytest

from emu.measure.report import Report
from tests.firmware.program_bench import BOARDS, run_program

pytestmark = pytest.mark.needs_compiler


def _ending(number: int, board: str) -> Report:
    return run_program(
        "endings", board, defines={"ENDING": number}, max_cycles=20_000_000, timeout_s=20
    )


def _said(report: Report) -> str:
    assert report.console == "before\n"
    assert report.exit_code != 0
    assert report.error is not None
    return report.error.lower()


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("number", [1, 2, 6], ids=["in_hardfault", "faultmask", "no_vectors"])
def test_a_fault_that_cannot_be_taken_is_a_lockup(number: int, board: str) -> None:
    assert "lockup" in _said(_ending(number, board)).replace("locked up", "lockup")


@pytest.mark.parametrize("board", BOARDS)
def test_an_endless_handler_of_a_fault_names_the_fault(board: str) -> None:
    said = _said(_ending(3, board))
    assert "0x0a000000" in said
    assert "hardfault" in said or "busfault" in said or "bus error" in said


@pytest.mark.parametrize("board", BOARDS)
def test_an_endless_handler_of_an_interrupt_names_the_interrupt(board: str) -> None:
    said = _said(_ending(4, board))
    assert "40" in said or "exti" in said


@pytest.mark.parametrize("board", BOARDS)
def test_sleep_that_nothing_ends_ends_the_run(board: str) -> None:
    report = _ending(5, board)
    assert report.console == "before\n"
    assert report.host_s < 10
