"""A send/expect script for a serial line: what it says, as values.

`emu.backends.read_serial_script` reads one from a file, `emu.backends.serial_player` plays it.
Ports and timeouts stand in each step already: what a line of the file sets holds for the lines
below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CONSOLE = "console"  # the board's console, semihosting and ITM, whichever the firmware prints on
CONSOLE_SOURCES = ("semihosting", "itm")  # print on the console beside the board's own port


@dataclass(frozen=True)
class TextPattern:
    """These bytes, anywhere in the output."""

    data: bytes
    written: str  # as the script has it, for messages

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True)
class LinePattern:
    """An expression that a whole line of output must hold; it is looked at when the line ends."""

    regex: re.Pattern[bytes]
    written: str

    def __str__(self) -> str:
        return self.written


Pattern = TextPattern | LinePattern


@dataclass(frozen=True)
class Expect:
    """Wait for output. With `capture` what it matched (its first group) is kept under that name."""

    line: int
    port: str
    pattern: Pattern
    timeout_s: float
    capture: str | None = None


@dataclass(frozen=True)
class Send:
    """Put bytes on the line.

    Attributes:
        turnaround_s: how long the other side takes to answer what it was waiting for, when it
            waited just before.
    """

    line: int
    port: str
    data: bytes
    turnaround_s: float = 0.0


@dataclass(frozen=True)
class Wait:
    """Do nothing for so much modelled time."""

    line: int
    duration_s: float


@dataclass(frozen=True)
class FailOn:
    """From here on, this output fails the script."""

    line: int
    port: str
    pattern: Pattern


@dataclass(frozen=True)
class Repeat:
    """Play the steps so many times."""

    line: int
    count: int
    steps: tuple[Step, ...]


Step = Expect | Send | Wait | FailOn | Repeat


@dataclass(frozen=True)
class SerialScript:
    """The steps of a script, in order.

    Attributes:
        name: for messages: the file.
        runs_on: the firmware goes on when the script is through (its last line is `run-on`);
            else the run ends there, as finished.
    """

    name: str
    steps: tuple[Step, ...] = ()
    runs_on: bool = False

    @property
    def ports(self) -> tuple[str, ...]:
        """Every port that a step names, in the order of the file."""
        return tuple(
            dict.fromkeys(
                step.port for step in _flat(self.steps) if isinstance(step, Expect | Send | FailOn)
            )
        )

    @property
    def sending_ports(self) -> tuple[str, ...]:
        """Those that the script puts bytes on."""
        return tuple(
            dict.fromkeys(step.port for step in _flat(self.steps) if isinstance(step, Send))
        )


def _flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Repeat):
            yield from _flat(step.steps)
        else:
            yield step
