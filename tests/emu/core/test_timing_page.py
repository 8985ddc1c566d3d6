"""`docs/timing.md`: its tables are those of the boards and rules, its words are of this model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from emu.boardfile import load_board
from emu.core.timing_table import load_timing_table
from tests.emu.core.pipeline_rules import RULES

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "timing.md"
BOARDS = ("f746", "h743")
CORE = "cortex-m7"


def deviations() -> list[str]:
    rows = ["| rule | source | its cycles | the model's | why |", "|---|---|---|---|---|"]
    differing = [rule for rule in RULES if rule.model is not None]
    for rule in differing:
        cycles = f"{rule.documented:g} | {rule.model:g}"
        rows += [f"| {rule.name} | {rule.source} | {cycles} | {rule.why} |"]
    return rows


def _core_rows() -> Iterator[str]:
    """Groups of the core file whose source says that something in it is assumed."""
    text = (ROOT / "boards" / "cores" / f"{CORE}.yaml").read_text(encoding="utf-8")
    data = YAML(typ="safe").load(text)
    for key, source in load_timing_table(CORE).sources:
        if "assumed" not in source:
            continue
        group = data
        for part in key.split("."):
            group = group[part]
        values = "; ".join(
            f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in group.items()
            if name not in ("source", "needs")
        )
        needs = f" (to {' '.join(group['needs'])})" if "needs" in group else ""
        yield f"| core | {key}{needs} | {values} | {source} |"


def _board_rows(name: str) -> Iterator[str]:
    """Assumptions of a board, one row for numbers that share a place and a reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for assumption in load_board(name).assumptions:
        if assumption.source.startswith("assumed"):
            place, _, number = assumption.key.rpartition(".")
            place = place.removeprefix("chip.").removeprefix("regions.")
            reason = assumption.source.removeprefix("assumed:").strip()
            groups.setdefault((place, reason), []).append(f"{number} {assumption.value}")
    merged: dict[tuple[str, str], list[str]] = {}
    for (place, reason), values in groups.items():
        merged.setdefault(("; ".join(values), reason), []).append(place or "board")
    for (numbers, reason), places in merged.items():
        yield f"| {name} | {', '.join(places)} | {numbers} | {reason} |"


def assumed() -> list[str]:
    rows = ["| of | where | numbers | why |", "|---|---|---|---|", *_core_rows()]
    for name in BOARDS:
        rows += _board_rows(name)
    return rows


def with_section(page: str, name: str, lines: list[str]) -> str:
    pattern = re.compile(rf"(<!-- {name}: written by the tests -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(page), f"{PAGE.name} has no section {name}"
    body = "\n" + "\n".join(lines) + "\n\n"
    return pattern.sub(lambda found: found[1] + body + found[2], page)


def test_the_tables_are_current(request: pytest.FixtureRequest) -> None:
    page = PAGE.read_text(encoding="utf-8")
    made = with_section(with_section(page, "deviations", deviations()), "assumed", assumed())
    if request.config.getoption("--emu-update"):
        PAGE.write_text(made, encoding="utf-8")
        return
    assert page == made, "pytest tests/emu/core/test_timing_page.py --emu-update"


def test_every_assumed_number_is_in_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in BOARDS:
        for assumption in load_board(name).assumptions:
            if assumption.source.startswith("assumed"):
                number = assumption.key.rpartition(".")[2]
                assert f"{number} {assumption.value}" in page, assumption


def test_every_cause_is_explained() -> None:
    from emu.backends.protocol import CAUSES

    page = PAGE.read_text(encoding="utf-8")
    for cause in CAUSES:
        assert re.search(rf"^\| {cause.value} \|", page, re.MULTILINE), cause
