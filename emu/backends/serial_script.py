"""A send/expect script for a serial line: what it says, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SerialScript:
    """The steps of a script, in order."""

    name: str  # for messages: the file
    steps: tuple[object, ...] = ()
