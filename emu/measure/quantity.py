"""Numbers of a report by name: the last word of a name is its unit, here read and printed.

A key is a field of the report or a dotted path into it; an item of a table goes by its name:
`latency_ms`, `cycles_by_cause.branch_cycles`, `calls.invoke.cold_cycles`,
`memory.regions.dtcm.used_bytes`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from emu.errors import UsageError
from emu.measure.report import Report
from emu.units import format_bytes, format_hz, parse_frequency_hz, parse_size_bytes

Number = int | float
_NOT_A_COST = ("schema", "console", "host_s", "exit_code")


def numbers_of(report: Report) -> dict[str, Number | None]:
    """Every number of the report by its key; None where it was not obtained."""
    return dict(_walk(report, ""))


def find_number(report: Report, key: str) -> Number | None:
    """The number called `key`.

    Raises:
        UsageError: the report has no number of that name; near names are said.
    """
    numbers = numbers_of(report)
    if key in numbers:
        return numbers[key]
    near = difflib.get_close_matches(key, numbers, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}?" if near else "See the keys of emu run --json."
    raise UsageError(f"'{key}' is no number of this report. {hint}")


def check_key(key: str) -> None:
    """Refuse early a key whose first word no report can have.

    Raises:
        UsageError: there is no such field; near names are said.
    """
    fields = Report.model_fields
    first, dot, _ = key.partition(".")
    if first in fields and (dot or _is_numeric(fields[first].annotation)):
        return
    numeric = [name for name, field in fields.items() if _is_numeric(field.annotation)]
    near = difflib.get_close_matches(first, numeric, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(near)}?" if near else "See the keys of emu run --json."
    raise UsageError(f"'{key}' is no number of a report. {hint}")


def parse_quantity(key: str, text: str) -> Number:
    """Read a value in the unit that `key` ends in: sizes as 320K, clocks as 480M, else a number.

    Raises:
        UsageError: the text is no such value.
    """
    if key.endswith("_bytes"):
        return parse_size_bytes(text)
    if key.endswith("_hz"):
        return parse_frequency_hz(text)
    try:
        value = float(text.replace("_", "").replace(",", ""))
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise UsageError(f"'{text}' is no number for {key}. Write for instance {key}=1000.")
    return int(value) if value.is_integer() else value


def format_quantity(key: str, value: Number | None) -> str:
    """Print a value with its unit; a dash where it was not obtained."""
    if value is None:
        return "-"
    if key.endswith("_bytes"):
        return format_bytes(int(value))
    if key.endswith("_hz"):
        return format_hz(int(value))
    if key.endswith("_ms"):
        return f"{value:,.4g} ms" if value < 1000 else f"{value:,.0f} ms"
    if key.endswith("_ratio"):
        return f"{value:.3g}"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return f"{text} cycles" if key.endswith("_cycles") else text


def format_ms(value: float) -> str:
    """Print a time at four digits, in the unit that suits it: `1.234 ms`, `56.7 us`, `2.1 s`."""
    if value >= 1000:
        return f"{value / 1000:.4g} s"
    if value >= 1 or value == 0:
        return f"{value:.4g} ms" if value < 100 else f"{value:.1f} ms"
    return f"{value * 1000:.4g} us"


def format_change(key: str, old: Number | None, new: Number | None) -> str:
    """Print a difference with its sign and share: `+1,200 cycles (+1.2 %)`."""
    if old is None or new is None:
        return "new" if old is None else "gone"
    difference = new - old
    sign = "+" if difference >= 0 else "-"
    percent = difference / old * 100 if old else 0.0
    digits = ",.0f" if abs(percent) >= 10 else ".2g"
    share = f" ({percent:+{digits}} %)" if old else ""
    if key.endswith("_bytes") and abs(difference) < 64 * 1024:
        return f"{sign}{abs(int(difference)):,} B{share}"
    return f"{sign}{format_quantity(key, abs(difference))}{share}"


def _walk(value: BaseModel, prefix: str) -> Iterator[tuple[str, Number | None]]:
    fields = type(value).model_fields
    properties = [
        name
        for name, member in vars(type(value)).items()
        if isinstance(member, property) and name.endswith("_bytes")
    ]
    for name in (*fields, *properties):
        if name in _NOT_A_COST:
            continue
        item = getattr(value, name)
        key = f"{prefix}{name}"
        if isinstance(item, BaseModel):
            if name != "provenance":
                yield from _walk(item, f"{key}.")
        elif isinstance(item, tuple):
            for member in item:
                label = getattr(member, "name", None)
                if isinstance(member, BaseModel) and label is not None:
                    yield from _walk(member, f"{key}.{label}.")
        elif isinstance(item, bool | str):
            continue
        elif item is not None or _is_numeric(fields[name].annotation):
            yield key, item


def _is_numeric(annotation: object) -> bool:
    return bool({int, float} & {annotation, *get_args(annotation)})
