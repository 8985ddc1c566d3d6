"""`emu.validation/1`: predictions beside what silicon took, case by case and together.

Equal runs give equal text: nothing here depends on the machine that it was made on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emu.errors import ReportError, UsageError
from emu.measure.report import CauseCycles
from emu.measure.suite import ALL, BLIND, FITTED

SCHEMA: Final = "emu.validation/1"
_RATIO = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")

Status = Literal["measured", "missing", "changed", "failed", "not run"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CaseResult(_Value):
    """One case. What was not obtained is null, and `error` says why."""

    id: str
    group: str
    board: str
    status: Status = Field(
        description="missing: no image; changed: another image than the suite names; failed: the "
        "run gave no figure; not run: stopped before its turn"
    )
    error: str | None = Field(description="why there is no prediction, in a sentence")
    image: str
    image_sha256: str
    predicted_cycles: float | None
    published_cycles: float | None = Field(description="at the clock that the run ended with")
    error_ratio: float | None = Field(description="predicted over published, less one")
    clock_hz: int | None
    fitted: bool
    source: str
    note: str | None
    instructions_count: int | None = Field(description="of the whole run")
    cycles_by_cause: CauseCycles | None = Field(description="of the whole run")
    board_digest: str | None


class Group(_Value):
    """Errors of several cases together."""

    name: str
    cases_count: int = Field(description="that have a prediction")
    mean_error_ratio: float | None = Field(description="mean of the absolute errors")
    worst_error_ratio: float | None = Field(description="signed")
    worst_case: str | None


class Validation(_Value):
    """What `emu validate` found."""

    schema_id: Literal["emu.validation/1"] = Field(SCHEMA, alias="schema")
    suite: str
    tool_version: str
    overrides: dict[str, str] = Field(description="--set, for every case")
    cases: tuple[CaseResult, ...]
    groups: tuple[Group, ...] = Field(description="all, by class, blind and fitted")

    def group(self, name: str) -> Group:
        """The group called `name`.

        Raises:
            KeyError: no case belongs to such a group.
        """
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    def count(self, *statuses: Status) -> int:
        return sum(case.status in statuses for case in self.cases)

    def to_json(self) -> str:
        return json.dumps(self.model_dump(by_alias=True, mode="json"), indent=1) + "\n"


def summarise(cases: Sequence[CaseResult]) -> tuple[Group, ...]:
    """All cases, each class in the order of the suite, and blind and fitted ones apart."""
    names = [ALL, *dict.fromkeys(case.group for case in cases), BLIND, FITTED]
    return tuple(
        _group(name, [case for case in cases if name in _groups_of(case)]) for name in names
    )


def load_validation(path: Path) -> Validation:
    """Read what `emu validate --json` wrote.

    Raises:
        ReportError: no such file, or it holds something else.
    """
    try:
        return Validation.model_validate_json(path.read_bytes())
    except OSError as problem:
        raise ReportError(f"Cannot read {path}: {problem.strerror}.") from problem
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReportError(
            f"{path} is no {SCHEMA}{f' at {where}' if where else ''}: {first['msg']}. "
            "Make it again with emu validate --json."
        ) from problem


@dataclass(frozen=True)
class Bound:
    """`--limit`: the mean or worst absolute error of a group, or a count of cases."""

    key: str
    group: str
    quantity: Literal["mean", "worst", "missing", "failed"]
    most: float


def parse_bounds(texts: Iterable[str], groups: Iterable[str]) -> tuple[Bound, ...]:
    """Read `mean=1%`, `int8.worst=2.5%`, `missing=0`.

    Args:
        texts: as given.
        groups: names that a suite has.

    Raises:
        UsageError: a text is none of these, or names a group that the suite lacks.
    """
    return tuple(_bound(text, tuple(dict.fromkeys(groups))) for text in texts)


def broken_bounds(validation: Validation, bounds: Iterable[Bound]) -> tuple[str, ...]:
    """A sentence for every bound that was not kept; a bound without a figure is one."""
    return tuple(filter(None, (_breach(validation, bound) for bound in bounds)))


def percent(ratio: float) -> str:
    return f"{ratio * 100:.2f} %"


def signed_percent(ratio: float) -> str:
    return f"{ratio * 100:+.2f} %"


def _groups_of(case: CaseResult) -> tuple[str, str, str]:
    return ALL, case.group, FITTED if case.fitted else BLIND


def _group(name: str, cases: Sequence[CaseResult]) -> Group:
    errors = {case.id: case.error_ratio for case in cases if case.error_ratio is not None}
    if not errors:
        return Group(
            name=name, cases_count=0, mean_error_ratio=None, worst_error_ratio=None, worst_case=None
        )
    worst = max(errors, key=lambda case: abs(errors[case]))
    return Group(
        name=name,
        cases_count=len(errors),
        mean_error_ratio=sum(map(abs, errors.values())) / len(errors),
        worst_error_ratio=errors[worst],
        worst_case=worst,
    )


def _bound(text: str, groups: tuple[str, ...]) -> Bound:
    key, _, value = (part.strip() for part in text.partition("="))
    group, dot, quantity = key.rpartition(".")
    group = group if dot else ALL
    amount = _RATIO.fullmatch(value)
    if amount is not None and group in groups:
        number = float(amount.group(1)) / (100 if amount.group(2) else 1)
        if quantity in ("missing", "failed") and not dot and not amount.group(2):
            return Bound(key, ALL, "missing" if quantity == "missing" else "failed", number)
        if quantity in ("mean", "worst"):
            return Bound(key, group, "mean" if quantity == "mean" else "worst", number)
    raise UsageError(
        f"'{text}' is no limit of a validation. Write mean=1%, worst=2.5%, missing=0 or failed=0; "
        f"of one group, for instance {groups[1]}.mean=1%. Groups: {', '.join(groups)}."
    )


def _breach(validation: Validation, bound: Bound) -> str | None:
    if bound.quantity in ("missing", "failed"):
        count = (
            validation.count("missing", "changed")
            if bound.quantity == "missing"
            else validation.count("failed")
        )
        if count <= bound.most:
            return None
        return f"{count} cases are {bound.quantity}, over the limit of {bound.most:g}."
    group = validation.group(bound.group)
    found = group.mean_error_ratio if bound.quantity == "mean" else group.worst_error_ratio
    if found is None:
        return f"{bound.key} has no value to hold against its limit: no case of it was measured."
    if abs(found) <= bound.most:
        return None
    of = f" ({group.worst_case})" if bound.quantity == "worst" else ""
    return f"{bound.key} is {percent(abs(found))}{of}, over its limit of {percent(bound.most)}."
