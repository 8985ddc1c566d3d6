"""A suite for `emu validate`: firmware images, how each is driven, and what silicon took.

`docs/validation.md` tells the format. Refusals name file and line, as those of board files do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from emu.backends.read_serial_script import parse_serial_script, read_serial_script
from emu.backends.serial_script import SerialScript
from emu.boardfile.findings import place_problem, read_as, refuse
from emu.boardfile.spec import FileSpec
from emu.boardfile.tree import FileKind, Mapping, Path_, find_nearest, printable, read_tree
from emu.errors import SuiteError, UsageError
from emu.measure.formula import Formula
from emu.units import parse_duration_s, parse_frequency_hz

SUITE_FILE = FileKind("suite", "name: my boards", SuiteError)

Unit = Literal["cycles", "us", "ms", "s"]
SECONDS: dict[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
# Groups that every suite has; a class cannot be called so.
ALL, BLIND, FITTED = "all", "blind", "fitted"


def _positive(value: object) -> object:
    text = re.sub(r"(?<=\d)[_,](?=\d)", "", value) if isinstance(value, str) else value
    try:
        number = float(text) if isinstance(text, str) else 0.0
    except ValueError:
        number = 0.0
    if not 0 < number < 1e18:
        raise ValueError(f"{_shown(value)} is no number above zero.")
    return number


def _digest(value: object) -> object:
    if not isinstance(value, str) or re.fullmatch(r"[0-9a-fA-F]{64}", value) is None:
        raise ValueError(
            f"{_shown(value)} is no SHA-256: give the 64 digits that sha256sum prints."
        )
    return value.lower()


def _formula(value: object) -> Formula:
    if not isinstance(value, str):
        raise ValueError("write for instance (lap[1] - lap[0]) / 10.")
    return Formula(value)


def _regex(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("give a regular expression.")
    try:
        re.compile(value, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as problem:
        raise ValueError(f"'{printable(value)}' is no regular expression: {problem}.") from problem
    return value


def _duration(value: object) -> float:
    try:
        return parse_duration_s(value if isinstance(value, str) else "")
    except UsageError as problem:
        raise ValueError(str(problem)) from problem


def _clock(value: object) -> int:
    try:
        return parse_frequency_hz(value if isinstance(value, str) else "")
    except UsageError as problem:
        raise ValueError(str(problem)) from problem


def _shown(value: object) -> str:
    return f"'{printable(value)}'" if isinstance(value, str) else "this"


Positive = Annotated[float, BeforeValidator(_positive)]
Seconds = Annotated[float, BeforeValidator(_duration)]
Text = Annotated[str, StringConstraints(min_length=1)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]


class PublishedSpec(FileSpec):
    """What silicon took, in one of the units, and who says so."""

    what = "a published figure"

    cycles: Positive | None = None
    us: Positive | None = None
    ms: Positive | None = None
    s: Positive | None = None
    clock_hz: Annotated[int, BeforeValidator(_clock)] | None = Field(
        None, description="of the core; a run that ends at another clock is no prediction"
    )
    source: Text = Field(description="document or repository, commit and file")

    def cycles_at(self, clock_hz: int) -> float:
        for unit, scale in SECONDS.items():
            amount = getattr(self, unit)
            if amount is not None:
                return float(amount) * scale * clock_hz
        assert self.cycles is not None  # checked when the suite was read
        return self.cycles


class MeasureSpec(FileSpec):
    """Where a run's figure is taken: one way of five."""

    what = "a measurement"

    value: Annotated[Formula, BeforeValidator(_formula)] | None = Field(
        None, description="from what the firmware printed: (lap[1] - lap[0]) / 10"
    )
    unit: Unit = "cycles"
    figures: dict[Name, Annotated[str, BeforeValidator(_regex)]] = Field(
        default_factory=dict,
        description="by name: an expression whose first group is a number, searched in the output; "
        "what the script captures has its names already",
    )
    port: Name | None = Field(None, description="whose output is searched; the console's without")
    call: Text | None = Field(None, description="calls of this function")
    from_: Text | None = Field(None, alias="from", description="an instruction ...")
    to: Text | None = Field(None, description="... to another: 0x08000400, SYMBOL, SYMBOL+0x24")
    from_uart: Text | None = Field(None, description="a text that is printed ...")
    to_uart: Text | None = Field(None, description="... to another")
    latency: bool = Field(False, description="the whole run, to where it was meant to end")
    pass_: Literal["cold", "warm"] = Field(
        "warm", alias="pass", description="first pass, or the mean of the later ones"
    )
    divide_by: Positive = Field(1.0, description="iterations that the figure holds")


class CaseSpec(FileSpec):
    """One image with one published figure."""

    what = "a case"

    image: Text = Field(description="path below --images, or below the suite's own folder")
    sha256: Annotated[str, BeforeValidator(_digest)]
    board: Text = Field(description="a name, or a YAML file beside the suite")
    set_: dict[str, str] = Field(default_factory=dict, alias="set")
    base: Text | None = None
    clock: Literal["auto", "board", "firmware"] = "auto"
    script: Text | None = Field(None, description="steps for the serial line (docs/serial.md)")
    script_file: Text | None = Field(None, description="the same, in a file beside the suite")
    entry: Text | None = Field(None, description="start at this function")
    until: Text | None = Field(None, description="stop, as finished, when this was printed")
    max_time_s: Seconds | None = Field(
        None, alias="max_time", description="modelled; a run that takes longer has failed"
    )
    stop_after_s: Seconds | None = Field(
        None, alias="stop_after", description="modelled; for firmware that never comes to an end"
    )
    measure: MeasureSpec
    published: PublishedSpec
    group: Word = Field(alias="class", description="what its error is grouped by: int8, fp, memory")
    fitted: bool = Field(description="whether a number of the model was fitted on this figure")
    note: Text | None = None


class SuiteSpec(FileSpec):
    """The file."""

    what = "a suite"

    name: Text
    images: Text | None = Field(None, description="how to get the images, as a sentence")
    cases: dict[Word, CaseSpec]


@dataclass(frozen=True)
class Case:
    """A case, its references resolved but for the image.

    Attributes:
        board: a name, or the path of a YAML file.
    """

    id: str
    spec: CaseSpec
    board: str
    script: SerialScript | None


@dataclass(frozen=True)
class Suite:
    name: str
    file: str
    folder: Path
    images_help: str | None
    cases: tuple[Case, ...]


def load_suite(path: Path) -> Suite:
    """Read a suite.

    Raises:
        SuiteError: it is refused; a sentence a line, each with file and line.
    """
    label = printable(str(path))
    tree = read_tree(path, label, SUITE_FILE)
    spec = read_as(SuiteSpec, tree, SUITE_FILE)
    problems = [
        place_problem(tree, sentence, ("cases", name, *below))
        for name, case in spec.cases.items()
        for below, sentence in _contradictions(case)
    ]
    if not spec.cases:
        problems.append(place_problem(tree, "the suite has no cases.", ("cases",)))
    if problems:
        raise refuse(problems, SUITE_FILE)
    cases = []
    for name, case in spec.cases.items():
        try:
            cases.append(Case(name, case, _board(case, path), _script(name, case, path, tree)))
        except UsageError as refusal:
            raise SuiteError(str(refusal)) from refusal  # it says file and line itself
    return Suite(spec.name, label, path.parent, spec.images, tuple(cases))


def _contradictions(case: CaseSpec) -> Iterator[tuple[Path_, str]]:
    """What the values of a case say against each other, each at a path below the case."""
    if case.group in (ALL, BLIND, FITTED):
        yield ("class",), f"every suite has a group '{case.group}'; take another word."
    if case.max_time_s is not None and case.stop_after_s is not None:
        yield ("stop_after",), "give max_time or stop_after, not both."
    units = [unit for unit in ("cycles", *SECONDS) if getattr(case.published, unit) is not None]
    if len(units) != 1:
        yield ("published",), "give the figure as one of cycles, us, ms or s."
    if case.script is not None and case.script_file is not None:
        yield ("script_file",), "give script or script_file, not both."
    measure = case.measure
    for first, second in (("from", "to"), ("from_uart", "to_uart")):
        start = measure.from_ if first == "from" else measure.from_uart
        if (start is None) != (getattr(measure, second) is None):
            yield ("measure",), f"'{first}' and '{second}' belong together."
    ways = [
        way
        for way, given in (
            ("value", measure.value),
            ("call", measure.call),
            ("from", measure.from_),
            ("from_uart", measure.from_uart),
            ("latency", measure.latency or None),
        )
        if given is not None
    ]
    if len(ways) != 1:
        said = " and ".join(ways) or "none"
        yield ("measure",), f"give one of value, call, from, from_uart or latency; here is {said}."
    if measure.latency and case.stop_after_s is not None:
        yield (
            ("stop_after",),
            "a run that is stopped anywhere has no latency; measure something else.",
        )
    if measure.figures and measure.value is None:
        yield ("measure", "figures"), "figures are for 'value', which is not given."


def _board(case: CaseSpec, path: Path) -> str:
    return str(path.parent / case.board) if case.board.endswith((".yaml", ".yml")) else case.board


def _script(name: str, case: CaseSpec, path: Path, tree: Mapping) -> SerialScript | None:
    if case.script_file is not None:
        return read_serial_script(path.parent / case.script_file)
    if case.script is None:
        return None
    key = find_nearest(tree, ("cases", name, "script")).place
    # Steps say the lines of the suite: the text of a block begins in the line after its key.
    lines_before_count = key.line if "\n" in case.script else key.line - 1
    text = "\n" * lines_before_count + case.script
    return parse_serial_script(text.encode(), key.file, path.parent)
