"""`emu compare`: what changed between two reports, and whether it may."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emu.measure.compare import Comparison


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", help="The baseline.")],
    new: Annotated[Path, typer.Argument(metavar="NEW.json", help="What is held against it.")],
    tolerance: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML or TOML: how much numbers may grow, as 'latency_cycles: 1 %'. "
            "Without it nothing may grow: runs are deterministic.",
        ),
    ] = None,
    allow_different: Annotated[
        bool,
        typer.Option(
            help="Call it a regression even if board or compiler differ. Without this, growth "
            "between unlike runs ends in exit code 2."
        ),
    ] = False,
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write the changes; - is stdout, alone."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write a summary; an empty file when nothing changed."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="PATH", help="Write JUnit XML.")] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write NEW as github-action-benchmark JSON."),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print GitHub annotations for regressions.")
    ] = False,
    top: Annotated[int, typer.Option(metavar="N", help="Rows a table.", min=0)] = 10,
) -> None:
    """Say what changed between two reports of emu run --json; exit 1 when it got worse.

    Example: emu compare main.json branch.json --tolerance ci/tolerance.yaml
    """
    # Late: help and usage errors do without.
    from emu.cli.result_console import result_console
    from emu.errors import LimitExceededError, UsageError
    from emu.measure import ci_formats
    from emu.measure.compare import compare_reports, describe
    from emu.measure.render_comparison import comparison_json, render_comparison
    from emu.measure.report import load_report
    from emu.measure.tolerance import load_tolerances
    from emu.measure.write_file import write_file

    rules = load_tolerances(tolerance) if tolerance is not None else None
    comparison = compare_reports(
        load_report(old), load_report(new), rules, old_name=str(old), new_name=str(new)
    )
    for path, content in (
        (markdown, ci_formats.markdown),
        (junit, ci_formats.junit_xml),
    ):
        if path is not None:
            write_file(path, content(comparison))
    if benchmark is not None:
        write_file(benchmark, ci_formats.benchmark_json(comparison.new))
    if json is not None and json != "-":
        write_file(Path(json), comparison_json(comparison))
    if json == "-":
        sys.stdout.write(comparison_json(comparison))
    elif not comparison.is_empty:
        render_comparison(comparison, result_console(), top=top)
    if github:
        # Beside pure JSON they go where the runner reads them as well.
        typer.echo(ci_formats.github_annotations(comparison), nl=False, err=json == "-")

    if comparison.differences and comparison.regressions and not allow_different:
        raise UsageError(_unlike(comparison))
    if comparison.regressions:
        raise LimitExceededError(
            "\n".join(describe(change, comparison) for change in comparison.regressions)
        )
    count = len(comparison.checked_keys)
    verdict = "no change" if comparison.is_empty else "nothing worse than it may be"
    typer.echo(f"emu: {verdict} in {count} numbers.", err=True)


def _unlike(comparison: Comparison) -> str:
    grown = ", ".join(change.key for change in comparison.regressions)
    return (
        f"{comparison.old_name} and {comparison.new_name} are not like for like "
        f"({'; '.join(comparison.differences)}), so that {grown} grew says nothing about the "
        "program. Make the baseline again, or give --allow-different."
    )
