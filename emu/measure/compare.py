"""Two reports: what changed, where, and whether it got worse than it may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emu.measure.quantity import Number, format_change, format_quantity, numbers_of
from emu.measure.report import FunctionCost, Report, SymbolUse
from emu.measure.tolerance import Tolerance, Tolerances
from emu.units import format_hz

# What a project promises; smaller is better for each. Functions explain changes of these, they are
# no gates unless a tolerance file names them: work may move from one to another.
GATES = (
    "latency_cycles",
    "latency_ms",
    "instructions_count",
    "peak_sram_bytes",
    "static_sram_bytes",
    "stack_peak_bytes",
    "heap_peak_bytes",
    "arena_bytes",
    "flash_bytes",
    "flash_code_bytes",
    "flash_rodata_bytes",
    "flash_data_image_bytes",
)
_CALL_GATES = ("cold_cycles", "warm_mean_cycles", "stack_peak_bytes")


_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Change:
    """One number that differs. `tolerance` is None where the number is no gate."""

    key: str
    old: Number | None
    new: Number | None
    tolerance: Tolerance | None
    regression: bool

    @property
    def text(self) -> str:
        return format_change(self.key, self.old, self.new)


@dataclass(frozen=True)
class FunctionChange:
    """What one function takes without its callees; None where a report has no such function."""

    name: str
    file: str | None
    line: int | None
    old_cycles: int | None
    new_cycles: int | None
    old_instructions: int | None = None
    new_instructions: int | None = None

    @property
    def difference_cycles(self) -> int:
        return (self.new_cycles or 0) - (self.old_cycles or 0)

    @property
    def difference_instructions(self) -> int:
        return (self.new_instructions or 0) - (self.old_instructions or 0)

    @property
    def is_timed(self) -> bool:
        """Whether there are cycles: `--timing none` has instructions alone."""
        return self.old_cycles is not None or self.new_cycles is not None


@dataclass(frozen=True)
class SymbolChange:
    """Bytes of one symbol in one memory; None where a report has no such symbol."""

    name: str
    region: str
    file: str | None
    line: int | None
    old_bytes: int | None
    new_bytes: int | None

    @property
    def difference_bytes(self) -> int:
        return (self.new_bytes or 0) - (self.old_bytes or 0)


@dataclass(frozen=True)
class Comparison:
    """What differs between two reports, largest first.

    Attributes:
        differences: what makes the runs unlike each other besides the program, in words.
        changes: numbers that a project promises, and those that a tolerance file names.
        checked_count: numbers that were held against each other.
    """

    old_name: str
    new_name: str
    differences: tuple[str, ...]
    changes: tuple[Change, ...]
    functions: tuple[FunctionChange, ...]
    static_symbols: tuple[SymbolChange, ...]
    flash_symbols: tuple[SymbolChange, ...]
    checked_keys: tuple[str, ...]
    new: Report

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.regression)

    @property
    def is_empty(self) -> bool:
        return not (self.changes or self.functions or self.static_symbols or self.flash_symbols)

    def cause_of(self, change: Change) -> FunctionChange | SymbolChange | None:
        """The function or symbol that grew most in what `change` counts."""
        if change.key.endswith(("_cycles", "_ms")):
            return _largest(self.functions, lambda item: item.difference_cycles)
        if change.key == "instructions_count":
            return _largest(self.functions, lambda item: item.difference_instructions)
        return _largest(self.symbols_of(change), lambda item: item.difference_bytes)

    def symbols_of(self, change: Change) -> tuple[SymbolChange, ...]:
        """The symbols that `change` counts the bytes of, if it counts bytes of any."""
        if change.key.startswith("flash_"):
            return self.flash_symbols
        if change.key in ("peak_sram_bytes", "static_sram_bytes"):
            return self.static_symbols
        return ()


def compare_reports(
    old: Report,
    new: Report,
    tolerances: Tolerances | None = None,
    *,
    old_name: str = "old",
    new_name: str = "new",
) -> Comparison:
    """Hold `new` against `old`. Any growth beyond its tolerance is a regression."""
    rules = tolerances or Tolerances()
    before, after = numbers_of(old), numbers_of(new)
    # At one clock, the same throughout, milliseconds say what cycles say.
    is_one_clock = old.clock_hz == new.clock_hz and not (old.clocks or new.clocks)
    needless = {"latency_ms"} if is_one_clock else set()
    keys = [
        key
        for key in dict.fromkeys((*before, *after))
        if (_is_gate(key) and key not in needless) or rules.names(key)
    ]
    changes = [
        _change(key, before.get(key), after.get(key), rules)
        for key in keys
        if before.get(key) != after.get(key)
    ]
    return Comparison(
        old_name=old_name,
        new_name=new_name,
        differences=_differences(old, new),
        changes=tuple(changes),
        functions=_function_changes(old.functions, new.functions),
        static_symbols=_symbol_changes(old.memory.static_symbols, new.memory.static_symbols),
        flash_symbols=_symbol_changes(old.memory.flash_symbols, new.memory.flash_symbols),
        checked_keys=tuple(key for key in keys if after.get(key) is not None),
        new=new,
    )


def describe(change: Change, comparison: Comparison) -> str:
    """One sentence: what grew, from what to what, and where."""
    was = format_quantity(change.key, change.old)
    now = format_quantity(change.key, change.new)
    if change.new is None:
        reason = comparison.new.error or "this run did not measure it"
        return f"{change.key} was {was} and was not obtained now: {reason.rstrip('.')}."
    sentence = f"{change.key} is {now}, was {was}: {change.text}"
    cause = comparison.cause_of(change) if change.regression else None
    if cause is None:
        return f"{sentence}."
    # Functions are known over the whole run, of which a measured call is a part.
    part = change.key.startswith("calls.")
    link = "; over the run the most was added by" if part else ", most of it in"
    return f"{sentence}{link} {describe_cause(cause, change.key)}."


def describe_cause(cause: FunctionChange | SymbolChange, key: str = "self_cycles") -> str:
    """What a function or symbol added to the number `key`, and where it is."""
    where = f" ({cause.file}:{cause.line})" if cause.file else ""
    if isinstance(cause, SymbolChange):
        key, old, new = "size_bytes", cause.old_bytes, cause.new_bytes
    elif key == "instructions_count":
        old, new = cause.old_instructions, cause.new_instructions
    else:
        key, old, new = "self_cycles", cause.old_cycles, cause.new_cycles
    grown = format_change(key, old or 0, new or 0)
    return f"{cause.name}{where}, {grown}{', new' if old is None else ''}"


def _largest(items: tuple[_Item, ...], difference: Callable[[_Item], int]) -> _Item | None:
    grown = [item for item in items if difference(item) > 0]
    return max(grown, key=difference, default=None)


def _is_gate(key: str) -> bool:
    if key in GATES:
        return True
    # The name of a measured stretch may hold points itself: `0x08000400..0x08000480`.
    return key.startswith("calls.") and key.rpartition(".")[2] in _CALL_GATES


def _change(key: str, old: Number | None, new: Number | None, rules: Tolerances) -> Change:
    tolerance = rules.of(key)
    if new is None:
        regression = not tolerance.ignored
    else:
        regression = old is not None and not tolerance.allows(old, new)
    return Change(key, old, new, tolerance, regression)


def _differences(old: Report, new: Report) -> tuple[str, ...]:
    """Why a difference may say nothing about the program."""
    a, b = old.provenance, new.provenance
    pairs = [
        ("board", a.board.name, b.board.name),
        ("board digest", a.board.digest[:12], b.board.digest[:12]),
        ("compiler", _compiler(old), _compiler(new)),
        ("clock", format_hz(old.clock_hz), format_hz(new.clock_hz)),
        ("timing", a.timing, b.timing),
        ("accesses", a.accesses, b.accesses),
        ("backend", a.backend, b.backend),
        ("kind of cycles", old.cycles_kind, new.cycles_kind),
        ("emu version", a.tool_version, b.tool_version),
    ]
    if a.board.name != b.board.name:
        pairs = [pair for pair in pairs if pair[0] != "board digest"]
    return tuple(f"{what} {was} -> {now}" for what, was, now in pairs if was != now)


def _compiler(report: Report) -> str:
    compiler = report.provenance.compiler
    if compiler is None:
        return "unknown"
    return " ".join((compiler.name, compiler.version, *compiler.flags))


def _function_changes(
    old: tuple[FunctionCost, ...], new: tuple[FunctionCost, ...]
) -> tuple[FunctionChange, ...]:
    before = {(item.name, Path(item.file or "").name): item for item in old}
    after = {(item.name, Path(item.file or "").name): item for item in new}
    found = []
    for key in dict.fromkeys((*after, *before)):
        was, now = before.get(key), after.get(key)
        shown = now or was
        change = FunctionChange(
            name=key[0] or "(no symbol)",
            file=shown.file if shown else None,
            line=shown.line if shown else None,
            old_cycles=was.self_cycles if was else None,
            new_cycles=now.self_cycles if now else None,
            old_instructions=was.instructions_count if was else None,
            new_instructions=now.instructions_count if now else None,
        )
        if change.difference_cycles or change.difference_instructions:
            found.append(change)
    return tuple(
        sorted(
            found,
            key=lambda item: (
                -abs(item.difference_cycles),
                -abs(item.difference_instructions),
                item.name,
            ),
        )
    )


def _symbol_changes(
    old: tuple[SymbolUse, ...], new: tuple[SymbolUse, ...]
) -> tuple[SymbolChange, ...]:
    before = {(item.name, item.region, Path(item.file or "").name): item for item in old}
    after = {(item.name, item.region, Path(item.file or "").name): item for item in new}
    found = []
    for key in dict.fromkeys((*after, *before)):
        was, now = before.get(key), after.get(key)
        shown = now or was
        change = SymbolChange(
            name=key[0],
            region=key[1],
            file=shown.file if shown else None,
            line=shown.line if shown else None,
            old_bytes=was.size_bytes if was else None,
            new_bytes=now.size_bytes if now else None,
        )
        if change.difference_bytes:
            found.append(change)
    return tuple(sorted(found, key=lambda item: (-abs(item.difference_bytes), item.name)))
