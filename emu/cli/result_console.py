"""Where results are printed: stdout, in colour only on a terminal."""

from __future__ import annotations

import io
import re
import sys
from typing import IO, TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120  # columns where there is no terminal to ask
_TRAILING_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)


def result_console(pipe_width: int = PIPE_WIDTH) -> Console:
    """A console on stdout, `pipe_width` columns wide where that is no terminal."""
    # Late, as everything that costs time to import.
    from rich.console import Console

    forgive_encoding(sys.stdout)
    if sys.stdout.isatty():
        return Console(markup=False, emoji=False, highlight=False)
    return Console(
        file=cast("IO[str]", _Trimmed(sys.stdout)),
        width=pipe_width,
        markup=False,
        emoji=False,
        highlight=False,
    )


def forgive_encoding(stream: TextIO) -> None:
    """Let a stream that is not Unicode print a question mark for what it cannot say."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


class _Trimmed(io.TextIOBase):
    """A stream without the blanks that tables end their lines with: logs are compared."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read only, here and in every file
        return self._stream.encoding

    def write(self, text: str) -> int:
        return self._stream.write(_TRAILING_BLANKS.sub("", text))

    def flush(self) -> None:
        self._stream.flush()
