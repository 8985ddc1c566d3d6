"""`--limit key=value`: bounds on any number of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emu.errors import LimitExceededError, UsageError
from emu.measure.quantity import (
    Number,
    check_key,
    find_number,
    format_change,
    format_quantity,
    parse_quantity,
)
from emu.measure.report import Report


@dataclass(frozen=True)
class Limit:
    """The number `key` may be `most` and no more."""

    key: str
    most: Number


@dataclass(frozen=True)
class Breach:
    """A limit that was not kept; `found` is None where the number was not obtained."""

    limit: Limit
    found: Number | None
    sentence: str


class LimitError(LimitExceededError):
    """At least one limit was not kept; carries the report, which is complete."""

    def __init__(self, breaches: tuple[Breach, ...], report: Report) -> None:
        super().__init__(" ".join(breach.sentence for breach in breaches))
        self.breaches = breaches
        self.report = report


def parse_limits(limits: Iterable[str] | Mapping[str, str | Number]) -> tuple[Limit, ...]:
    """Read `key=value` texts, or a mapping of them.

    Raises:
        UsageError: a text without `=`, a value that does not suit the unit of its key, or a key
            that no report has.
    """
    pairs: list[tuple[str, str | Number]] = []
    if isinstance(limits, Mapping):
        pairs.extend(limits.items())
    else:
        for text in limits:
            key, found, value = text.partition("=")
            if not found or not key.strip() or not value.strip():
                raise UsageError(
                    f"'{text}' is no limit. Write key=value, for instance latency_ms=50 or "
                    "peak_sram_bytes=320K."
                )
            pairs.append((key.strip(), value.strip()))
    for key, _ in pairs:
        check_key(key)
    return tuple(
        Limit(key, parse_quantity(key, value) if isinstance(value, str) else value)
        for key, value in pairs
    )


def check_limits(report: Report, limits: Iterable[Limit]) -> tuple[Breach, ...]:
    """Every limit that the report does not keep; empty when all is well.

    Raises:
        UsageError: a limit on something that is no number of the report.
    """
    breaches = []
    for limit in limits:
        found = find_number(report, limit.key)
        most = format_quantity(limit.key, limit.most)
        if found is None:
            reason = report.error or "this run did not measure it"
            breaches.append(
                Breach(
                    limit,
                    None,
                    f"{limit.key} has no value to hold against its limit of {most}: "
                    f"{reason.rstrip('.')}.",
                )
            )
        elif found > limit.most:
            breaches.append(
                Breach(
                    limit,
                    found,
                    f"{limit.key} is {format_quantity(limit.key, found)}, over its limit of {most} "
                    f"by {format_change(limit.key, limit.most, found).lstrip('+')}.",
                )
            )
    return tuple(breaches)
