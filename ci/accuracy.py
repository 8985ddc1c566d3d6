"""The page of published errors, `docs/accuracy.md`, from recorded predictions.

    python ci/accuracy.py            write it
    python ci/accuracy.py --check    exit 1 when it is not what the records say

Records lie in `ci/validation/results/`: what `emu validate --json` wrote for each suite of
`ci/validation/`, and `recompiled.json`, facts about public code that was built outside this
repository, with one prediction for each compiler. No image is needed to make the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emu.measure.report import CauseCycles
from emu.measure.suite import load_suite
from emu.measure.validation import load_validation, percent, signed_percent

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "ci" / "validation"
RECORDS = SUITES / "results"
PAGE = ROOT / "docs" / "accuracy.md"

EXACT, RECOMPILED = "the published image", "recompiled"
CLASSES = {
    "int8": "int8 networks, whole firmware",
    "assembly": "hand-written assembly",
    "program": "integer program",
    "fp": "floating point",
    "layers": "layers of an int8 network",
    "network": "int8 network",
    "uncached": "caches off",
}

METHOD = """\
Each case is a program whose cycles somebody measured on silicon and published. The error is what
the model predicts over what was published, less one: +1 % is too slow. Means are of absolute
errors.

- **The published image**: the very binary that was measured, driven as it was then.
  `emu validate` runs these ([validation.md](validation.md)); the images stay where they are
  published.
- **Recompiled**: the published source or library, built or linked outside this repository. The
  compiler is rarely the published one, and a compiler alone is worth 3 to 15 %: the error is that
  of the first build named, the range that of all of them.
- **Fitted**: a number of the model was chosen with the help of this case. **Blind**: none was.
"""


@dataclass(frozen=True)
class Row:
    """A case as the page shows it; the first of `predictions` counts."""

    id: str
    group: str
    board: str
    binary: str
    what: str
    predictions: tuple[tuple[str, float], ...]
    published_cycles: float
    fitted: bool
    source: str
    note: str
    causes: str = ""

    @property
    def error_ratio(self) -> float:
        return self.predictions[0][1] / self.published_cycles - 1

    @property
    def range_text(self) -> str:
        errors = [cycles / self.published_cycles - 1 for _, cycles in self.predictions]
        return f"{min(errors):+.1%} to {max(errors):+.1%}" if len(errors) > 1 else ""


def make_page(records: Path = RECORDS) -> str:
    """The text of `docs/accuracy.md`."""
    rows = sorted((*_validated(records), *_recompiled(records)), key=lambda row: _order(row.group))
    parts = [
        "# How far the cycles are to be believed",
        "<!-- Made by `python ci/accuracy.py` from ci/validation/results: do not edit. -->",
        METHOD.strip(),
        "## In short",
        _summary(rows),
        "## Published images",
        _exact([row for row in rows if row.binary == EXACT]),
        "## Recompiled code",
        _builds([row for row in rows if row.binary == RECOMPILED]),
        "## Known gaps",
        "What the model is known to have wrong, worst first, and how much that is likely worth.",
        (SUITES / "gaps.md").read_text("utf-8").strip(),
        "## Sources",
        _sources(rows),
        "## Make it again",
        _again(),
    ]
    return "\n\n".join(parts) + "\n"


def _validated(records: Path) -> Iterable[Row]:
    for suite in sorted(SUITES.glob("*.yaml")):
        record = records / f"{suite.stem}.json"
        if not record.exists():
            continue
        named = load_suite(suite).name
        for case in load_validation(record).cases:
            if case.predicted_cycles is None or case.published_cycles is None:
                continue
            yield Row(
                id=case.id,
                group=case.group,
                board=case.board,
                binary=EXACT,
                what=named,
                predictions=((EXACT, case.predicted_cycles),),
                published_cycles=case.published_cycles,
                fitted=case.fitted,
                source=case.source,
                note=case.note or "",
                causes=_causes(case.cycles_by_cause),
            )


def _recompiled(records: Path) -> Iterable[Row]:
    for case in json.loads((records / "recompiled.json").read_text("utf-8"))["cases"]:
        yield Row(
            id=case["id"],
            group=case["group"],
            board=case["board"],
            binary=RECOMPILED,
            what=case["what"],
            predictions=tuple(case["predictions"].items()),
            published_cycles=case["published_cycles"],
            fitted=case["fitted"],
            source=case["source"],
            note=case["note"] or "",
        )


def _causes(causes: CauseCycles | None) -> str:
    if causes is None:
        return ""
    shares = [(cause.value, cycles / causes.total_cycles) for cause, cycles in causes.items()]
    return ", ".join(
        f"{name} {share:.0%}" for name, share in sorted(shares, key=lambda item: -item[1])[:3]
    )


def _summary(rows: Sequence[Row]) -> str:
    lines: list[tuple[str, ...]] = [("class", "binary", "cases", "of them fitted", "mean", "worst")]
    for group in sorted({row.group for row in rows}, key=_order):
        for binary in (EXACT, RECOMPILED):
            lines += _summary_row(
                CLASSES.get(group, group),
                binary,
                [row for row in rows if (row.group, row.binary) == (group, binary)],
            )
    lines += _summary_row("**all**", EXACT, [row for row in rows if row.binary == EXACT])
    return _table(lines)


def _summary_row(name: str, binary: str, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    if not rows:
        return []
    worst = max(rows, key=lambda row: abs(row.error_ratio))
    mean = sum(abs(row.error_ratio) for row in rows) / len(rows)
    fitted = sum(row.fitted for row in rows)
    return [
        (
            name,
            binary,
            str(len(rows)),
            str(fitted),
            percent(mean),
            f"{signed_percent(worst.error_ratio)} ({worst.id})",
        )
    ]


def _exact(rows: Sequence[Row]) -> str:
    heading = ("case", "board", "predicted", "published", "error", "", "where its cycles go")
    return _table(
        [
            heading,
            *(
                (
                    row.id,
                    row.board,
                    f"{row.predictions[0][1]:,.0f}",
                    f"{row.published_cycles:,.0f}",
                    signed_percent(row.error_ratio),
                    "fitted" if row.fitted else "blind",
                    row.causes,
                )
                for row in rows
            ),
        ]
    )


def _builds(rows: Sequence[Row]) -> str:
    heading = ("case", "build", "predicted", "published", "error", "over all builds", "")
    return _table(
        [
            heading,
            *(
                (
                    row.id,
                    row.predictions[0][0],
                    f"{row.predictions[0][1]:,.0f}",
                    f"{row.published_cycles:,.0f}",
                    signed_percent(row.error_ratio),
                    row.range_text,
                    "fitted" if row.fitted else "blind",
                )
                for row in rows
            ),
        ]
    )


def _sources(rows: Sequence[Row]) -> str:
    told: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        layer = row.group == "layers"
        told.setdefault((row.source, "" if layer else row.what), []).append(row)
    lines = []
    for (source, what), of in told.items():
        names = of[0].id if len(of) == 1 else f"{of[0].id} to {of[-1].id}"
        notes = "; ".join(dict.fromkeys(row.note for row in of if row.note))
        sentence = f"- **{names}**: {what or 'one layer each'}. {source}."
        lines.append(f"{sentence} Note: {notes}." if notes else sentence)
    return "\n".join(lines)


def _again() -> str:
    suites = "\n".join(
        f"emu validate ci/validation/{suite.name} --images DIR \\\n"
        f"    --json ci/validation/results/{suite.stem}.json"
        for suite in sorted(SUITES.glob("*.yaml"))
    )
    return (
        "The first lines of each suite say how to get its images.\n\n"
        f"```sh\n{suites}\npython ci/accuracy.py\n```"
    )


def _order(group: str) -> int:
    return list(CLASSES).index(group) if group in CLASSES else len(CLASSES)


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    rows = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit 1 when the page is out of date")
    page = make_page()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page:
        print("docs/accuracy.md is out of date: python ci/accuracy.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
