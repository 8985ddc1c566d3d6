"""Run the cases of a suite and hold each figure against the published one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emu.backends.protocol import AccessMode
from emu.boardfile import load_board
from emu.boardfile.tree import printable
from emu.errors import EmuError
from emu.measure.marks import Ends
from emu.measure.report import MeasuredCall, Report
from emu.measure.run import run, tool_version
from emu.measure.suite import SECONDS, Case, MeasureSpec, Suite
from emu.measure.validation import CaseResult, Status, Validation, summarise

_STRETCH = "stretch"  # how the report of a run calls what a case measures


@dataclass(frozen=True)
class Conditions:
    """What holds for every case of one validation.

    Attributes:
        images: folder that the paths of images start at.
        overrides: `--set`, over what a case sets itself.
    """

    images: Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    accesses: AccessMode = "reconstruct"


OnProgress = Callable[[int, int], None]  # cycles, instructions


def find_image(case: Case, conditions: Conditions) -> CaseResult | None:
    """None where the image is there and the right one; else the result that says what is wrong."""
    path = conditions.images / case.spec.image
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        return _without(case, "missing", f"{path}: {problem.strerror or problem}.")
    if found != case.spec.sha256:
        return _without(
            case, "changed", f"{path} is another image: its SHA-256 begins with {found[:12]}."
        )
    return None


def run_case(
    case: Case, conditions: Conditions, on_progress: OnProgress | None = None
) -> CaseResult:
    """Run one image and take its figure. What goes wrong is a result.

    Raises:
        KeyboardInterrupt: the run was interrupted.
    """
    wrong = find_image(case, conditions)
    if wrong is not None:
        return wrong
    spec, measure = case.spec, case.spec.measure
    try:
        board = load_board(case.board, set_={**spec.set_, **conditions.overrides})
        report = run(
            conditions.images / spec.image,
            board=board,
            entry=spec.entry,
            base=spec.base,
            measure=measure.call or (),
            accesses=conditions.accesses,
            max_time_s=spec.stop_after_s or spec.max_time_s,
            clock=spec.clock,
            ranges=_stretch(measure.from_, measure.to),
            uart_ranges=_stretch(measure.from_uart, measure.to_uart),
            uart_in=case.script,
            until=spec.until,
            on_progress=on_progress,
        )
    except EmuError as refusal:
        return _without(case, "failed", str(refusal))
    if report.outcome == "interrupted":
        raise KeyboardInterrupt
    return _result(case, report)


def not_run(case: Case) -> CaseResult:
    """The result of a case that was stopped, or whose turn did not come."""
    return _without(case, "not run", "It was stopped before it was through.")


def assemble(suite: Suite, results: Sequence[CaseResult], conditions: Conditions) -> Validation:
    return Validation(
        suite=suite.name,
        tool_version=tool_version(),
        overrides=dict(conditions.overrides),
        cases=tuple(results),
        groups=summarise(results),
    )


def _result(case: Case, report: Report) -> CaseResult:
    published = case.spec.published
    stopped_as_wanted = case.spec.stop_after_s is not None and report.outcome == "max_time"
    if not (report.finished or stopped_as_wanted):
        return _without(case, "failed", report.error or "It did not come to its end.", report)
    if published.clock_hz is not None and published.clock_hz != report.clock_hz:
        return _without(
            case,
            "failed",
            f"It ended at {report.clock_hz / 1e6:g} MHz; the figure is for "
            f"{published.clock_hz / 1e6:g} MHz.",
            report,
        )
    try:
        predicted = _figure(case.spec.measure, report)
    except ValueError as problem:
        return _without(case, "failed", f"No figure: {str(problem).rstrip('.')}.", report)
    wanted = published.cycles_at(report.clock_hz)
    return _without(case, "measured", None, report).model_copy(
        update={
            "predicted_cycles": predicted,
            "published_cycles": wanted,
            "error_ratio": predicted / wanted - 1,
        }
    )


def _figure(measure: MeasureSpec, report: Report) -> float:
    """The case's figure in cycles.

    Raises:
        ValueError: the run does not hold it; half a sentence says why.
    """
    if measure.value is not None:
        amount = measure.value.evaluate(_printed(measure, report))
        scale = SECONDS[measure.unit] * report.clock_hz if measure.unit in SECONDS else 1.0
        cycles = amount * scale
    elif measure.latency:
        if report.latency_cycles is None:
            raise ValueError("the run has no latency")
        cycles = float(report.latency_cycles)
    else:
        cycles = _pass_cycles(measure, report.call(measure.call or _STRETCH))
    if cycles <= 0:
        raise ValueError(f"it comes to {cycles:g} cycles")
    return cycles / measure.divide_by


def _pass_cycles(measure: MeasureSpec, call: MeasuredCall) -> float:
    found = call.cold_cycles if measure.pass_ == "cold" else call.warm_mean_cycles
    if found is None:
        ran = f"it ran {call.calls_count} times, so there is no {measure.pass_} pass"
        raise ValueError(call.error or ran)
    return found


def _printed(measure: MeasureSpec, report: Report) -> dict[str, list[float]]:
    """Numbers by name: what the script captured, and what `figures` finds in the output.

    Raises:
        ValueError: one that the formula names is no number; half a sentence says which.
    """
    texts = {capture.name: capture.values for capture in report.captures}
    output = report.console
    if measure.port is not None:
        output = next((item.text for item in report.serial if item.port == measure.port), "")
    for name, expression in measure.figures.items():
        matches = re.finditer(expression, output, re.MULTILINE)
        texts[name] = tuple(match[1 if match.re.groups else 0] or "" for match in matches)
    wanted = measure.value.names if measure.value is not None else frozenset()
    return {name: [_number(name, text) for text in texts.get(name, ())] for name in wanted}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as problem:
        raise ValueError(f"'{printable(text)[:40]}', found as '{name}', is no number") from problem


def _stretch(start: str | None, stop: str | None) -> dict[str, Ends] | None:
    return {_STRETCH: (start, stop)} if start is not None and stop is not None else None


def _without(
    case: Case, status: Status, error: str | None, report: Report | None = None
) -> CaseResult:
    """The result of a case that has no figure."""
    spec = case.spec
    return CaseResult(
        id=case.id,
        group=spec.group,
        board=report.provenance.board.name if report is not None else spec.board,
        status=status,
        error=error,
        image=spec.image,
        image_sha256=spec.sha256,
        predicted_cycles=None,
        published_cycles=spec.published.cycles,
        error_ratio=None,
        clock_hz=report.clock_hz if report is not None else None,
        fitted=spec.fitted,
        source=spec.published.source,
        note=spec.note,
        instructions_count=report.instructions_count if report is not None else None,
        cycles_by_cause=report.cycles_by_cause if report is not None else None,
        board_digest=report.provenance.board.digest if report is not None else None,
    )
