"""What compilers and linkers say, cut down to what a person can act on."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

_ERROR = re.compile(
    r"^(?P<place>[^\s:][^:\n]*:\d+(?::\d+)?): (?:fatal )?error: (?P<text>.*)$", re.M
)
_PLACE = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<rest>\d+:)", re.M)
_DISK_FULL = "No space left on device"
_MAX_ERRORS = 5


def displayed(name: str, root: Path) -> str:
    """A source's name as the user would type it here."""
    path = os.path.normpath(root / name)
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if relative.startswith("..") else relative


def with_displayed_paths(text: str, root: Path) -> str:
    """Rewrite the file names that lead diagnostic lines from `root` to the current folder."""
    return _PLACE.sub(lambda match: f"{displayed(match['file'], root)}:{match['rest']}", text)


def compile_sentence(failures: Sequence[tuple[str, str]], root: Path, compiler: str) -> str:
    """Tell why sources did not compile: the first errors, each as file:line:column: text.

    Args:
        failures: (source, what the compiler said).
        root: folder that the names are relative to.
        compiler: its name and version.
    """
    names = ", ".join(displayed(name, root) for name, _ in failures[:3])
    if len(failures) > 3:
        names += f" and {len(failures) - 3} more"
    said = [text for _, text in failures]
    if any(_DISK_FULL in text for text in said):
        return f"{names} did not compile: no space is left on the disk. Free some and try again."
    lines = [
        f"{displayed_place(match['place'], root)}: {match['text']}"
        for text in said
        for match in _ERROR.finditer(text)
    ]
    if not lines:  # a crash, or a flag that the driver refused
        lines = [line for text in said for line in text.splitlines() if line.strip()]
    lines = list(dict.fromkeys(lines))
    shown = "\n  ".join(lines[:_MAX_ERRORS])
    rest = len(lines) - _MAX_ERRORS
    tail = f"\n  and {rest} more" if rest > 0 else ""
    return f"{names} did not compile with {compiler}:\n  {shown}{tail}"


def displayed_place(place: str, root: Path) -> str:
    name, _, rest = place.partition(":")
    return f"{displayed(name, root)}:{rest}"
