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
(`tests/e2e/test_faults.py`, table in `tests/e2e/fault_cases.py`); after a change:

```sh
python -m pytest tests/e2e/test_faults.py --emu-update
```

Addresses of code are written as `0x08......`: they move with the compiler.
"""
# Code in flash and data behind it move with every change of compiler or runtime.
_MOVING_ADDRESS = re.compile(r"\b(0x)?(08|24)[0-9a-f]{6}\b")


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
    lines += [f"```text\n{_settled(said.stderr)}\n```", ""]
    if said.call_path:
        lines += [f"```text\n{_settled(said.call_path)}\n```", ""]
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


def _settled(text: str) -> str:
    return _MOVING_ADDRESS.sub(r"\g<1>\g<2>......", text.strip())
