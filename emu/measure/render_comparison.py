"""A comparison as a page for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from emu.measure.compare import Change, Comparison, FunctionChange, SymbolChange, describe
from emu.measure.quantity import format_change, format_quantity

COMPARISON_SCHEMA = "emu.comparison/1"


def render_comparison(comparison: Comparison, console: Console, *, top: int = 10) -> None:
    """Print what changed; nothing where nothing did."""
    for difference in comparison.differences:
        console.print(Text(f"not like for like: {difference}", style="yellow"))
    if comparison.changes:
        console.print(_changes(comparison.changes))
    if comparison.functions and top:
        console.print()
        console.print(_functions(comparison.functions[:top]))
        _rest(len(comparison.functions) - top, console)
    for title, symbols in (
        ("In RAM", comparison.static_symbols),
        ("In flash", comparison.flash_symbols),
    ):
        if symbols and top:
            console.print()
            console.print(_symbols(title, symbols[:top]))
            _rest(len(symbols) - top, console)
    if comparison.changes or comparison.functions:
        error = comparison.new.provenance.model_error
        console.print()
        console.print(Text(f"cycles are {comparison.new.cycles_kind}, {error}", style="dim"))


def comparison_json(comparison: Comparison) -> str:
    """`emu.comparison/1`: the same for programs."""
    value = {
        "schema": COMPARISON_SCHEMA,
        "old": comparison.old_name,
        "new": comparison.new_name,
        "differences": list(comparison.differences),
        "regressions_count": len(comparison.regressions),
        "changes": [
            {
                "key": change.key,
                "old": change.old,
                "new": change.new,
                "regression": change.regression,
                "tolerance": str(change.tolerance),
                "sentence": describe(change, comparison),
            }
            for change in comparison.changes
        ],
        "functions": [vars(item) for item in comparison.functions],
        "static_symbols": [vars(item) for item in comparison.static_symbols],
        "flash_symbols": [vars(item) for item in comparison.flash_symbols],
    }
    return json.dumps(value, indent=1) + "\n"


def _table(title: str, *headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(Text(title, style="bold"), overflow="fold", min_width=18)
    for heading in headings:
        table.add_column(Text(heading, style="dim"), justify="right", no_wrap=True)
    return table


def _changes(changes: Sequence[Change]) -> Table:
    table = _table("Changed", "was", "is", "change", "may grow by", "")
    for change in changes:
        worse = change.regression
        better = change.old is not None and change.new is not None and change.new < change.old
        style = "red" if worse else "green" if better else ""
        table.add_row(
            Text(change.key),
            format_quantity(change.key, change.old),
            format_quantity(change.key, change.new),
            Text(change.text, style=style),
            str(change.tolerance) if worse else "",
            Text("worse", style="bold red") if worse else "",
        )
    return table


def _functions(functions: Sequence[FunctionChange]) -> Table:
    timed = any(item.is_timed for item in functions)
    table = _table("Functions", "was", "is", "cycles" if timed else "instructions", "where")
    for item in functions:
        old, new = (
            (item.old_cycles, item.new_cycles)
            if timed
            else (item.old_instructions, item.new_instructions)
        )
        table.add_row(
            Text(item.name),
            format_quantity("", old),
            format_quantity("", new),
            format_change("", old, new)
            if old is not None and new is not None
            else f"{(new or 0) - (old or 0):+,}",
            Text(_where(item)),
        )
    return table


def _symbols(title: str, symbols: Sequence[SymbolChange]) -> Table:
    table = _table(title, "memory", "was", "is", "bytes", "where")
    for item in symbols:
        table.add_row(
            Text(item.name),
            Text(item.region),
            format_quantity("size_bytes", item.old_bytes),
            format_quantity("size_bytes", item.new_bytes),
            f"{item.difference_bytes:+,}",
            Text(_where(item)),
        )
    return table


def _where(item: FunctionChange | SymbolChange) -> str:
    return f"{item.file}:{item.line}" if item.file else ""


def _rest(count: int, console: Console) -> None:
    if count > 0:
        console.print(Text(f"and {count} more", style="dim"))
