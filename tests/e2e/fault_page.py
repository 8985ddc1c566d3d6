"""`docs/faults.md`: every case of the table with what it gets to read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.fault_cases import FaultCase

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_HEAD = """\
# Faults and bad input

Everything that was tried, and the sentence it gets. The tests make this page and check it
(`tests/e2e/test_faults.py`); after a change:

```sh
python -m pytest tests/e2e/test_faults.py --emu-update
```

The tests compare words, not numbers: sizes and addresses move with compiler and runtime.
"""
_NUMBER = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{12}\b|\d[\d,.]*(e[+-]\d+)?( (B|KiB|MiB|us|ms|cycles)\b)?"
)


@dataclass(frozen=True)
class Said:
    """What a command ended with and said."""

    exit_code: int
    stderr: str
    call_path: str  # of a fault, from stdout


def section(case: FaultCase, said: Said) -> str:
    """The part of the page for one case."""
    command = " ".join(part if part and " " not in part else f'"{part}"' for part in case.command)
    lines = [f"### {case.title}", ""]
    if case.shows_source:
        lines += [f"```c\n{next(iter(case.files.values()))!s}```", ""]
    setting = " ".join(f"{name}={value}" for name, value in case.environment)
    lines += [f"`{f'{setting} ' if setting else ''}emu {command}` ends with {said.exit_code}:", ""]
    lines += [f"```text\n{said.stderr.strip()}\n```", ""]
    if said.call_path:
        lines += [f"```text\n{said.call_path.strip()}\n```", ""]
    return "\n".join(lines)


def page(sections: list[tuple[FaultCase, str]]) -> str:
    """The whole page."""
    parts = [_HEAD]
    chapter = ""
    for case, text in sections:
        if case.chapter != chapter:
            chapter = case.chapter
            parts.append(f"\n## {chapter}\n")
        parts.append(f"\n{text}")
    return "".join(parts).rstrip() + "\n"


def words(text: str) -> str:
    """The text without its numbers."""
    return _NUMBER.sub("#", text)
