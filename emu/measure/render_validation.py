"""A validation as a page for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from emu.measure.page import count_text, plain_table
from emu.measure.validation import CaseResult, Group, Validation, percent, signed_percent


def render_validation(validation: Validation, console: Console, *, images_help: str | None) -> None:
    """Print the cases, their groups, what has no figure and why, and one line for all."""
    table = plain_table("Case", "board", "class", "", "predicted", "published", "error", left=4)
    for case in validation.cases:
        table.add_row(
            case.id,
            case.board,
            case.group,
            "fitted" if case.fitted else "blind",
            count_text(case.predicted_cycles),
            count_text(case.published_cycles),
            signed_percent(case.error_ratio) if case.error_ratio is not None else case.status,
        )
    console.print(table)
    if groups := [group for group in validation.groups[1:] if group.cases_count]:
        console.print()
        console.print(_groups(groups))
    _unmeasured(validation, console, images_help)
    console.print()
    console.print(Text(verdict(validation), style="bold"), soft_wrap=True)


def verdict(validation: Validation) -> str:
    """One line: how many cases, mean and worst absolute error, what is missing."""
    everything = validation.groups[0]
    count = len(validation.cases)
    said = f"{everything.cases_count} of {count} cases measured"
    if everything.mean_error_ratio is not None and everything.worst_error_ratio is not None:
        said += (
            f": mean error {percent(everything.mean_error_ratio)}, worst "
            f"{percent(abs(everything.worst_error_ratio))} ({everything.worst_case})"
        )
    rest = {
        "missing": validation.count("missing"),
        "with another image": validation.count("changed"),
        "failed": validation.count("failed"),
        "not run": validation.count("not run"),
    }
    for what, number in rest.items():
        said += f"; {number} {what}" if number else ""
    return f"{said}."


def progress_line(case: CaseResult) -> str:
    """A finished case in a line, for logs."""
    if case.predicted_cycles is None or case.error_ratio is None:
        return f"{case.id}: {case.status}. {case.error or ''}".rstrip()
    return f"{case.id}: {case.predicted_cycles:,.0f} cycles, {signed_percent(case.error_ratio)}"


def _groups(groups: list[Group]) -> object:
    table = plain_table("Group", "cases", "mean", "worst", "")
    for group in groups:
        assert group.mean_error_ratio is not None
        assert group.worst_error_ratio is not None
        table.add_row(
            group.name,
            count_text(group.cases_count),
            percent(group.mean_error_ratio),
            signed_percent(group.worst_error_ratio),
            group.worst_case,
        )
    return table


def _unmeasured(validation: Validation, console: Console, images_help: str | None) -> None:
    without = [case for case in validation.cases if case.error is not None]
    if without:
        console.print()
    for case in without:
        console.print(Text(f"{case.id}: {case.status}: {case.error}", style="yellow"))
    if validation.count("missing") and images_help:
        console.print(Text(f"The images: {images_help}", style="dim"))
