"""Reports and comparisons as continuous integration reads them.

GitHub annotations, a Markdown summary, JUnit XML, and the JSON of github-action-benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from emu.measure.compare import (
    GATES,
    Change,
    Comparison,
    FunctionChange,
    describe,
    describe_cause,
)
from emu.measure.quantity import format_change, format_quantity, numbers_of
from emu.measure.report import Report

_MOST_FUNCTIONS_COUNT = 10


def github_annotations(comparison: Comparison) -> str:
    """`::error file=,line=::` for each regression, at the source that it comes from."""
    lines = []
    for change in comparison.regressions:
        cause = comparison.cause_of(change)
        place = ""
        if cause is not None and cause.file is not None:
            place = f" file={_property(cause.file)},line={cause.line}"
            place += f",title={_property(change.key)}"
        else:
            place = f" title={_property(change.key)}"
        lines.append(f"::error{place}::{_data(describe(change, comparison))}\n")
    return "".join(lines)


def markdown(comparison: Comparison) -> str:
    """A summary for a pull request; empty when nothing changed."""
    if comparison.is_empty:
        return ""
    report = comparison.new
    regressions = comparison.regressions
    verdict = (
        f"{len(regressions)} number{'s' if len(regressions) != 1 else ''} over tolerance"
        if regressions
        else "within tolerance"
    )
    board = report.provenance.board
    lines = [f"### {board.title} ({board.name}): {verdict}", ""]
    if comparison.differences:
        lines += [f"Not like for like: {_cell('; '.join(comparison.differences))}", ""]
    if comparison.changes:
        lines += ["| number | was | is | change | |", "|---|---:|---:|---:|---|"]
        lines += [
            f"| {_cell(change.key)} | {format_quantity(change.key, change.old)} "
            f"| {format_quantity(change.key, change.new)} | {change.text} "
            f"| {'❌' if change.regression else ''} |"
            for change in comparison.changes
        ]
        lines.append("")
    if comparison.functions:
        lines += ["| function | was | is | change |", "|---|---:|---:|---:|"]
        lines += [_function_row(item) for item in comparison.functions[:_MOST_FUNCTIONS_COUNT]]
        rest = len(comparison.functions) - _MOST_FUNCTIONS_COUNT
        lines += ["", f"and {rest} more"] if rest > 0 else []
        lines.append("")
    lines.append(
        f"Latency is {report.cycles_kind}, {_cell(str(report.provenance.model_error))}; "
        f"board digest `{board.digest[:12]}`."
    )
    return "\n".join(lines) + "\n"


def junit_xml(comparison: Comparison) -> str:
    """One test case a number, failed where it grew beyond its tolerance."""
    by_key = {change.key: change for change in comparison.changes}
    keys = tuple(dict.fromkeys((*comparison.checked_keys, *by_key)))
    suite = ElementTree.Element(
        "testsuite",
        name=f"emu compare on {comparison.new.provenance.board.name}",
        tests=str(len(keys)),
        failures=str(len(comparison.regressions)),
        errors="0",
        skipped="0",
        time=f"{comparison.new.host_s:.3f}",
    )
    for key in keys:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"emu.{comparison.new.provenance.board.name}", name=key
        )
        change = by_key.get(key)
        if change is not None and change.regression:
            failure = ElementTree.SubElement(
                case, "failure", message=_xml(describe(change, comparison)), type="regression"
            )
            failure.text = _xml("\n".join(_grown(change, comparison)[:_MOST_FUNCTIONS_COUNT]))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _grown(change: Change, comparison: Comparison) -> list[str]:
    """What added to a number, largest first."""
    if change.key.endswith("_bytes"):
        return [describe_cause(item) for item in comparison.symbols_of(change)]
    functions: Sequence[FunctionChange] = comparison.functions
    if change.key == "instructions_count":
        functions = [item for item in functions if item.difference_instructions]
        functions.sort(key=lambda item: -abs(item.difference_instructions))
    return [describe_cause(item, change.key) for item in functions]


def benchmark_json(report: Report) -> str:
    """Numbers of one report in github-action-benchmark's `customSmallerIsBetter` form."""
    board, error = report.provenance.board, report.provenance.model_error
    numbers = numbers_of(report)
    keys = [key for key in numbers if key in GATES or key.startswith("calls.")]
    entries = [
        {
            "name": f"{board.name}: {key}",
            "unit": key.rsplit("_", 1)[-1],
            "value": numbers[key],
            "extra": f"{report.cycles_kind}, {error}\nboard digest {board.digest[:12]}",
        }
        for key in keys
        if numbers[key] is not None
    ]
    return json.dumps(entries, indent=1) + "\n"


def _function_row(item: FunctionChange) -> str:
    where = f" ({item.file}:{item.line})" if item.file else ""
    old, new = (
        (item.old_cycles, item.new_cycles)
        if item.is_timed
        else (item.old_instructions, item.new_instructions)
    )
    cells = (
        f"{item.name}{where}",
        format_quantity("", old),
        format_quantity("", new),
        format_change("", old, new),
    )
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _data(text: str) -> str:
    """Escapes that workflow commands ask for in a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The same in `key=value`, where commas and colons separate."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _xml(text: str) -> str:
    """XML 1.0 knows no control characters, not even escaped."""
    return "".join(sign for sign in text if sign in "\t\n" or ord(sign) >= 32)
