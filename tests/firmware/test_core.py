"""Exceptions, faults, sleep, MPU, caches and trace units as the architecture has them.

The programs state each expectation with its section of the Armv7-M Architecture Reference Manual
and check it themselves, so that they can be run on silicon too.
"""

from __future__ import annotations

import pytest

from tests.firmware.program_bench import BOARDS, checked, checks_made, checks_of, complaints

pytestmark = pytest.mark.needs_compiler

PROGRAMS = (
    "frames", "float_frames", "priorities", "faults", "rtos", "systick", "interrupted", "sleep",
    "mpu", "caches", "trace_units", "reset",
)  # fmt: skip


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_check_holds(program: str, board: str) -> None:
    report = checked(program, board)
    assert complaints(report) == []


@pytest.mark.parametrize("program", ["frames", "float_frames", "priorities", "sleep"])
def test_no_check_is_left_out(program: str) -> None:
    # These make each of their checks exactly once a call in the source.
    assert checks_made(checked(program, "h743")) >= checks_of(program)


@pytest.mark.parametrize("board", BOARDS)
def test_sleep_is_told_apart(board: str) -> None:
    report = checked("sleep", board)
    assert report.cycles_by_cause is not None
    assert report.latency_cycles is not None
    assert report.cycles_by_cause.sleep_cycles > report.latency_cycles / 2


@pytest.mark.parametrize("board", BOARDS)
def test_interrupts_are_counted(board: str) -> None:
    systick = {row.number: row for row in checked("systick", board).interrupts}[15]
    # 12 in the period test and the one pended by hand, the rest are milliseconds.
    assert systick.taken_count >= 12 + 1 + 5
    assert systick.total_cycles > 0
    # One of them was pended while PRIMASK held it back, for as long as a line takes to print.
    assert 100 < systick.latency_max_cycles < 20_000


@pytest.mark.parametrize("board", BOARDS)
def test_what_the_trace_port_says_is_console_output(board: str) -> None:
    assert "over the trace port\n" in checked("trace_units", board).console


@pytest.mark.parametrize("board", BOARDS)
def test_a_requested_reset_starts_the_program_again(board: str) -> None:
    lines = checked("reset", board).console.splitlines()
    assert lines[:2] == ["first start", "second start"]
