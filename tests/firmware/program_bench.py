"""Builds and runs a program of `tests/firmware/programs`, which checks the machine it runs on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import emu
from emu.measure.report import Report

PROGRAMS = Path(__file__).parent / "programs"
BOARDS = ("f746", "h743")
PARTS = {"f746": "STM32F746", "h743": "STM32H743"}
_SUMMARY = re.compile(r"(\d+) checks, (\d+) failed")
_MOST_SECONDS = 60.0


def run_program(
    name: str,
    board: str,
    *,
    defines: Mapping[str, str | int] | None = None,
    script: Path | None = None,
    **options: Any,
) -> Report:
    """Run `programs/NAME.c` on a board. `options` are those of `emu.run`."""
    options.setdefault("max_cycles", 2_000_000_000)
    options.setdefault("timeout_s", _MOST_SECONDS)
    return emu.run(
        PROGRAMS / f"{name}.c",
        board=board,
        defines={PARTS[board]: 1, **(defines or {})},
        uart_in=script,
        **options,
    )


@cache
def checked(name: str, board: str) -> Report:
    """The report of a program without arguments, run once a process."""
    return run_program(name, board)


def checks_of(name: str) -> int:
    """How many checks a program's source makes at the least: each call of `check` is one."""
    return len(re.findall(r"\bcheck(?:_between)?\(\"", (PROGRAMS / f"{name}.c").read_text()))


def complaints(report: Report) -> list[str]:
    """What is wrong with a run: failed checks, a run that did not end well. Empty: nothing."""
    wrong = [line for line in report.console.splitlines() if line.startswith("FAIL")]
    summary = _SUMMARY.search(report.console)
    if summary is None:
        wrong.append(f"no summary; the run says {report.error!r}, the console: {report.console!r}")
    elif int(summary[1]) < 1:
        wrong.append("no check was made")
    if not wrong and (report.exit_code != 0 or report.error):
        wrong.append(f"exit code {report.exit_code}, {report.error}")
    return wrong


def checks_made(report: Report) -> int:
    summary = _SUMMARY.search(report.console)
    return int(summary[1]) if summary else 0
