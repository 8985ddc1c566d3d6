"""How much a number may grow before `emu compare` calls it a regression.

A file (YAML or TOML) maps keys, or patterns with `*`, to a share, an amount, or both:

    latency_cycles: 1 %
    peak_sram_bytes: 256
    calls.*.warm_mean_cycles: {relative: 2 %, absolute: 100}
    flash_*: ignore

Without a file nothing may grow: runs are deterministic. The longest pattern that fits wins.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from emu.errors import UsageError
from emu.measure.quantity import Number, parse_quantity

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


@dataclass(frozen=True)
class Tolerance:
    """A number may be `relative_ratio` of its old value, or `absolute`, above it."""

    relative_ratio: float = 0.0
    absolute: Number = 0
    ignored: bool = False

    def allows(self, old: Number, new: Number) -> bool:
        return self.ignored or new - old <= max(self.absolute, old * self.relative_ratio)

    def __str__(self) -> str:
        parts = []
        if self.relative_ratio:
            parts.append(f"{self.relative_ratio * 100:g} %")
        if self.absolute:
            parts.append(f"{self.absolute:,}")
        return " or ".join(parts) or "0"


NONE = Tolerance()


@dataclass(frozen=True)
class Tolerances:
    """Patterns in the order of the file."""

    rules: tuple[tuple[str, Tolerance], ...] = ()
    file: str = ""

    def of(self, key: str) -> Tolerance:
        fitting = [
            (key == pattern, len(pattern), tolerance)
            for pattern, tolerance in self.rules
            if fnmatchcase(key, pattern)
        ]
        return max(fitting, key=lambda item: item[:2])[2] if fitting else NONE

    def names(self, key: str) -> bool:
        """Whether the file speaks of `key`, which makes a key a gate that is none by itself."""
        return any(fnmatchcase(key, pattern) for pattern, _ in self.rules)


def load_tolerances(path: Path) -> Tolerances:
    """Read a tolerance file; its suffix says which language: .toml, else YAML.

    Raises:
        UsageError: the file cannot be read, or an entry is no tolerance.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the tolerances {path}: {reason}.") from problem
    value = _parse(text, path)
    if value is None:
        return Tolerances(file=str(path))
    if not isinstance(value, Mapping):
        raise UsageError(f"{path}: tolerances are a mapping, as 'latency_cycles: 1 %'.")
    return Tolerances(
        tuple(
            (str(key), _tolerance(str(key), item, path)) for key, item in _flat(value, "").items()
        ),
        str(path),
    )


def _parse(text: str, path: Path) -> object:
    if path.suffix == ".toml":
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as problem:
            raise UsageError(f"{path} is not TOML: {problem}.") from problem
    # Late: only a YAML file needs its parser.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        what = getattr(problem, "problem", None) or type(problem).__name__
        raise UsageError(f"{path}{where} is not YAML: {what}.") from problem


def _flat(value: Mapping[object, object], prefix: str) -> dict[str, object]:
    """TOML's tables (`[calls.invoke]`) read like dotted keys."""
    found: dict[str, object] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping) and not {"relative", "absolute"} & set(item):
            found |= _flat(item, f"{name}.")
        else:
            found[name] = item
    return found


def _tolerance(key: str, value: object, path: Path) -> Tolerance:
    if value == "ignore":
        return Tolerance(ignored=True)
    if isinstance(value, Mapping):
        unknown = set(value) - {"relative", "absolute"}
        if unknown:
            raise _refusal(key, f"unknown '{sorted(map(str, unknown))[0]}'", path)
        absolute = value.get("absolute", 0)
        return Tolerance(_share(key, value.get("relative", 0), path), _amount(key, absolute, path))
    if isinstance(value, str) and _SHARE.fullmatch(value):
        return Tolerance(relative_ratio=_share(key, value, path))
    return Tolerance(absolute=_amount(key, value, path))


def _share(key: str, value: object, path: Path) -> float:
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return float(match.group(1)) / 100
    if value == 0:
        return 0.0
    raise _refusal(key, f"'{value}' is no share", path)


def _amount(key: str, value: object, path: Path) -> Number:
    if isinstance(value, str):
        try:
            return parse_quantity(key, value)
        except UsageError as problem:
            raise _refusal(key, str(problem), path) from problem
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value >= 0 and math.isfinite(value):
            return value
    raise _refusal(key, f"'{value}' is no amount", path)


def _refusal(key: str, what: str, path: Path) -> UsageError:
    return UsageError(
        f"{path}: {key}: {what.rstrip('.')}. Write '1 %', an amount such as 256, 'ignore', or "
        "{relative: 1 %, absolute: 256}."
    )
