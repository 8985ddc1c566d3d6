"""What is made of the cases of a suite: groups, bounds, one line for all, JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.errors import ReportError, UsageError
from emu.measure.render_validation import verdict
from emu.measure.validation import (
    CaseResult,
    Status,
    Validation,
    broken_bounds,
    load_validation,
    parse_bounds,
    summarise,
)


def case(
    name: str,
    error: float | None,
    group: str = "int8",
    *,
    fitted: bool = False,
    status: Status = "measured",
) -> CaseResult:
    return CaseResult(
        id=name,
        group=group,
        board="f746",
        status=status,
        error=None if status == "measured" else "It was not.",
        image=f"{name}.bin",
        image_sha256="0" * 64,
        predicted_cycles=None if error is None else 1000 * (1 + error),
        published_cycles=1000,
        error_ratio=error,
        clock_hz=216_000_000,
        fitted=fitted,
        source="a paper",
        note=None,
        instructions_count=2000,
        cycles_by_cause=None,
        board_digest="d",
    )


def together(*cases: CaseResult) -> Validation:
    return Validation(
        suite="mine", tool_version="1", overrides={}, cases=cases, groups=summarise(cases)
    )


MIXED = together(
    case("ad", -0.01, fitted=True),
    case("ic", 0.02),
    case("fft", -0.06, "fp"),
    case("gone", None, "fp", status="missing"),
    case("hung", None, status="failed"),
)


def test_groups_are_all_each_class_blind_and_fitted() -> None:
    assert [group.name for group in MIXED.groups] == ["all", "int8", "fp", "blind", "fitted"]
    assert [group.cases_count for group in MIXED.groups] == [3, 2, 1, 2, 1]


def test_a_mean_is_of_absolute_errors_and_the_worst_keeps_its_sign() -> None:
    everything = MIXED.group("all")
    assert everything.mean_error_ratio == pytest.approx(0.03)
    assert (everything.worst_error_ratio, everything.worst_case) == (-0.06, "fft")
    assert MIXED.group("int8").mean_error_ratio == pytest.approx(0.015)


def test_a_group_without_a_figure_has_none() -> None:
    assert together(case("a", 0.1)).group("fitted").mean_error_ratio is None


def test_one_line_says_mean_worst_and_what_is_missing() -> None:
    assert verdict(MIXED) == (
        "3 of 5 cases measured: mean error 3.00 %, worst 6.00 % (fft); 1 missing; 1 failed."
    )
    assert verdict(together(case("a", None, status="not run"))) == (
        "0 of 1 cases measured; 1 not run."
    )


@pytest.mark.parametrize(
    ("limit", "sentences"),
    [
        ("mean=3%", ()),
        ("mean=0.03", ()),
        ("worst=6%", ()),
        ("int8.worst=2%", ()),
        ("missing=1", ()),
        ("mean=2.9%", ("mean is 3.00 %, over its limit of 2.90 %.",)),
        ("worst=2.5%", ("worst is 6.00 % (fft), over its limit of 2.50 %.",)),
        ("int8.mean = 1 %", ("int8.mean is 1.50 %, over its limit of 1.00 %.",)),
        ("blind.worst=5%", ("blind.worst is 6.00 % (fft), over its limit of 5.00 %.",)),
        ("missing=0", ("1 cases are missing, over the limit of 0.",)),
        ("failed=0", ("1 cases are failed, over the limit of 0.",)),
    ],
)
def test_bounds(limit: str, sentences: tuple[str, ...]) -> None:
    names = [group.name for group in MIXED.groups]
    assert broken_bounds(MIXED, parse_bounds([limit], names)) == sentences


def test_a_bound_on_nothing_is_broken() -> None:
    validation = together(case("a", None, status="missing"))
    bounds = parse_bounds(["worst=5%"], ["all"])
    assert broken_bounds(validation, bounds) == (
        "worst has no value to hold against its limit: no case of it was measured.",
    )


@pytest.mark.parametrize(
    "text",
    ["mean", "mean=", "mean=-1%", "mean=x", "median=1%", "fp8.mean=1%", "int8.missing=1",
     "missing=1%", "=1%", "int8=1%", "mean=1%%"],
)  # fmt: skip
def test_what_is_no_bound(text: str) -> None:
    with pytest.raises(UsageError, match=r"no limit of a validation\. Write mean=1%.*Groups: all"):
        parse_bounds([text], ["all", "int8"])


def test_json_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_text(MIXED.to_json(), encoding="utf-8")
    assert load_validation(path) == MIXED
    assert '"schema": "emu.validation/1"' in MIXED.to_json()


@pytest.mark.parametrize("content", [None, "{", "{}", '{"schema": "emu.report/1"}'])
def test_json_of_another_kind_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "v.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ReportError, match=r"v\.json"):
        load_validation(path)
