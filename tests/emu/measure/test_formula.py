"""Formulas over what a run printed."""

from __future__ import annotations

import pytest

from emu.measure.formula import Formula

LAPS = {"lap": [100.0, 250.0, 1050.0], "n": [4.0]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("lap[0]", 100),
        ("lap[-1]", 1050),
        ("lap[1] - lap[0]", 150),
        ("(lap[2] - lap[1]) / n[0]", 200),
        ("-lap[0] + 2 * 3.5", -93),
        (" 1 / 4 ", 0.25),
    ],
)
def test_a_formula_is_arithmetic_over_items(text: str, value: float) -> None:
    assert Formula(text).evaluate(LAPS) == value


def test_it_tells_its_names() -> None:
    assert Formula("(lap[1] - lap[0]) / n[0]").names == {"lap", "n"}


@pytest.mark.parametrize(
    "text",
    ["", "lap", "lap[x]", "lap[0:1]", "lap[True]", "f(1)", "1 ** 9", "a.b", "'x'", "1 if 1 else 2",
     "True", "1j", "lap[0][1]", "(" * 300, "1+" * 400 + "1", "x := 1", "[1]", "1 < 2"],
)  # fmt: skip
def test_nothing_else_is_a_formula(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write for instance \(lap\[1\] - lap\[0\]\) / 10\.$"):
        Formula(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lap[3]", r"the run gave 3 values of 'lap', so there is no lap\[3\]"),
        ("lap[-4]", "no lap"),
        ("other[0]", "gave 0 values of 'other'"),
        ("1 / (lap[0] - 100)", "divides by zero"),
        ("1e300 * 1e300", "too large"),
    ],
)
def test_what_cannot_be_computed_says_why(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Formula(text).evaluate(LAPS)
