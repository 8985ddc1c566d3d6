"""Golden numbers of a kernel or a model, kept beside its test as one small JSON file.

Runs are deterministic, so numbers are equal or something changed: the program, the compiler, the
board's description or the model. A failure says which.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emu.errors import ReportError
from emu.measure.compare import GATES
from emu.measure.quantity import Number, format_change, format_quantity, numbers_of
from emu.measure.report import Report
from emu.measure.write_file import write_file

GOLDEN_SCHEMA = "emu.golden/1"
_CALL_NUMBERS = ("calls_count", "cold_cycles", "warm_mean_cycles", "stack_peak_bytes")
_MOST_FUNCTIONS_COUNT = 5


@dataclass(frozen=True)
class Golden:
    """Numbers by key, the functions that explain them, and what they were made with."""

    numbers: dict[str, Number | None]
    functions: dict[str, int]
    made_with: dict[str, str]


def golden_of(measured: Report | Mapping[str, Number | None]) -> Golden:
    """What is kept of a report, or of numbers that a test made itself."""
    if not isinstance(measured, Report):
        return Golden(dict(measured), {}, {})
    every = numbers_of(measured)
    # Of one latency its cycles are kept: milliseconds say the same again.
    keys = [key for key in GATES if key != "latency_ms"]
    keys += [f"calls.{call.name}.{number}" for call in measured.calls for number in _CALL_NUMBERS]
    origin = measured.provenance
    compiler = origin.compiler
    return Golden(
        numbers={key: every.get(key) for key in keys},
        functions={
            row.name: row.self_cycles
            for row in measured.functions
            if row.name is not None and row.self_cycles
        },
        made_with={
            "board": f"{origin.board.name} {origin.board.digest[:12]}",
            "compiler": f"{compiler.name} {compiler.version}" if compiler else "unknown",
            "timing": f"{origin.timing}, {origin.accesses}",
        },
    )


def save_golden(golden: Golden, path: Path) -> None:
    """Write a golden file, only if it differs.

    Raises:
        UsageError: it cannot be written.
    """
    value = {
        "schema": GOLDEN_SCHEMA,
        "made_with": golden.made_with,
        "numbers": golden.numbers,
        "functions_cycles": golden.functions,
    }
    text = json.dumps(value, indent=1) + "\n"
    if not path.exists() or path.read_text("utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text)


def load_golden(path: Path) -> Golden:
    """Read a golden file.

    Raises:
        ReportError: it is broken or of another schema.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
        if value["schema"] != GOLDEN_SCHEMA:
            raise ReportError(f"{path} is no {GOLDEN_SCHEMA}. Make it again with --emu-update.")
        return Golden(
            dict(value["numbers"]), dict(value["functions_cycles"]), dict(value["made_with"])
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ReportError(
            f"{path} is no golden file ({type(problem).__name__}). Make it again with --emu-update."
        ) from problem


def differences(golden: Golden, now: Golden) -> tuple[str, ...]:
    """What differs, one sentence a line; empty when nothing does."""
    lines = []
    for key in dict.fromkeys((*golden.numbers, *now.numbers)):
        was, is_ = golden.numbers.get(key), now.numbers.get(key)
        if was != is_:
            change = format_change(key, was, is_)
            lines.append(f"{key} is {_exact(key, is_)}, was {_exact(key, was)} ({change})")
    if not lines:
        return ()
    grown = sorted(
        (
            (now.functions.get(name, 0) - golden.functions.get(name, 0), name)
            for name in {*golden.functions, *now.functions}
        ),
        key=lambda item: (-abs(item[0]), item[1]),
    )
    lines += [
        f"  {name}: {change:+,} cycles, now {now.functions.get(name, 0):,}"
        for change, name in grown[:_MOST_FUNCTIONS_COUNT]
        if change
    ]
    lines += [
        f"  made with another {what}: now {now.made_with.get(what)}, golden {was}"
        for what, was in golden.made_with.items()
        if now.made_with.get(what) != was
    ]
    return tuple(lines)


def _exact(key: str, value: Number | None) -> str:
    if value is not None and key.endswith("_bytes"):
        return f"{value:,} bytes"
    return format_quantity(key, value)
