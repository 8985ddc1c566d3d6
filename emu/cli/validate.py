"""`emu validate`: predictions beside what silicon took."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emu.cli.run import EXIT_INTERRUPTED
from emu.cli.termination import EXIT_TERMINATED, termination_as_interrupt

if TYPE_CHECKING:
    from rich.status import Status

    from emu.measure.suite import Case, Suite
    from emu.measure.validate import Conditions
    from emu.measure.validation import CaseResult, Validation


def validate(
    suite: Annotated[
        Path,
        typer.Argument(
            metavar="SUITE.yaml",
            help="Images, how to drive them, published cycles (docs/validation.md).",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the images lie; without it beside the suite."),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Run this case alone. Repeatable."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="What if, for every case: --set dcache.ways=2."
        ),
    ] = None,
    accesses: Annotated[
        Literal["reconstruct", "hook"],
        typer.Option(help="How data accesses are seen: reconstruct (fast) or hook each (exact)."),
    ] = "reconstruct",
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Exit 1 when an error is greater: --limit mean=1%, --limit int8.worst=2.5%, "
            "--limit missing=0.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Cases run side by side; default: processors.", min=1),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write emu.validation/1; - is stdout."),
    ] = None,
) -> None:
    """Run firmware images with known silicon cycles; print predicted, published and error.

    Example: emu validate ci/validation/mlperf-tiny-v1.1-f746.yaml --images tiny_results_v1.1
    """
    # Late: help and usage errors need neither numpy nor the machine.
    from emu.boardfile import parse_assignments
    from emu.measure.suite import ALL, BLIND, FITTED, load_suite
    from emu.measure.validate import Conditions, assemble, not_run
    from emu.measure.validation import broken_bounds, parse_bounds
    from emu.measure.write_file import check_writable, write_file

    loaded = load_suite(suite)
    cases = _wanted(loaded, case or ())
    groups = (ALL, *(case.spec.group for case in cases), BLIND, FITTED)
    bounds = parse_bounds(limit or (), groups)
    if json is not None and json != "-":
        check_writable(Path(json))
    conditions = Conditions(
        images=images if images is not None else loaded.folder,
        overrides=parse_assignments("--set", set_ or ()),
        accesses=accesses,
    )
    with termination_as_interrupt() as termination:
        done, interrupted = _run(cases, conditions, jobs or _processors_count())
    results = [done.get(position) or not_run(case) for position, case in enumerate(cases)]
    validation = assemble(loaded, results, conditions)
    if json == "-":
        sys.stdout.write(validation.to_json())
        sys.stdout.flush()
    else:
        if json is not None:
            write_file(Path(json), validation.to_json())
        _render(validation, loaded)
    if interrupted:
        raise typer.Exit(EXIT_TERMINATED if termination.has_come else EXIT_INTERRUPTED)
    _end(validation, broken_bounds(validation, bounds))


def _wanted(suite: Suite, ids: list[str] | tuple[()]) -> tuple[Case, ...]:
    from emu.boardfile.findings import suggest
    from emu.errors import UsageError

    known = [case.id for case in suite.cases]
    for name in ids:
        if name not in known:
            raise UsageError(f"{suite.file} has no case '{name}'; {suggest(name, known)}")
    return tuple(case for case in suite.cases if not ids or case.id in ids)


def _run(
    cases: tuple[Case, ...], conditions: Conditions, jobs: int
) -> tuple[dict[int, CaseResult], bool]:
    """Results by position, and whether Ctrl-C or SIGTERM cut the rest off."""
    from emu.measure.case_workers import run_cases
    from emu.measure.render_validation import progress_line

    done: dict[int, CaseResult] = {}
    try:
        with _live(cases) as live:
            for position, result in run_cases(
                cases, conditions, jobs=jobs, on_progress=live.progress
            ):
                done[position] = result
                live.finished(result.id, progress_line(result))
    except KeyboardInterrupt:
        return done, True
    return done, False


def _render(validation: Validation, suite: Suite) -> None:
    from emu.cli.result_console import result_console
    from emu.measure.render_validation import render_validation

    render_validation(validation, result_console(), images_help=suite.images_help)


def _end(validation: Validation, breaches: tuple[str, ...]) -> None:
    from emu.errors import FirmwareError, LimitExceededError, UsageError

    if validation.count("missing", "changed") == len(validation.cases):
        raise UsageError("Not one image of the suite was found. Say where they are: --images DIR.")
    if breaches:
        raise LimitExceededError("\n".join(breaches))
    if count := validation.count("failed"):
        raise FirmwareError(f"{count} of {len(validation.cases)} cases gave no figure.")


def _processors_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Live:
    """What goes on while it does: a moving line on a terminal, a line a case elsewhere."""

    def __init__(self, count: int, status: Status | None) -> None:
        self._count, self._status = count, status
        self._running: dict[str, int] = {}
        self._finished_count = 0

    def progress(self, case: str, cycles: int, _instructions: int) -> None:
        self._running[case] = cycles
        self._show()

    def finished(self, case: str, line: str) -> None:
        self._running.pop(case, None)
        self._finished_count += 1
        if self._status is None:
            typer.echo(f"emu: {line}", err=True)
        self._show()

    def _show(self) -> None:
        if self._status is not None:
            running = ", ".join(
                f"{name} {cycles / 1e6:,.0f} million cycles"
                for name, cycles in self._running.items()
            )
            self._status.update(f"{self._finished_count} of {self._count} done; {running}")


@contextmanager
def _live(cases: tuple[Case, ...]) -> Iterator[_Live]:
    if not sys.stderr.isatty():
        yield _Live(len(cases), None)
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield _Live(len(cases), status)
