"""Plays a send/expect script against the output of a firmware."""

from __future__ import annotations

from dataclasses import dataclass

from emu.backends.protocol import SerialCapture
from emu.backends.serial_link import Link, Timer
from emu.backends.serial_script import (
    CONSOLE,
    Expect,
    FailOn,
    LinePattern,
    Repeat,
    Send,
    SerialScript,
    Step,
    Wait,
)
from emu.backends.serial_stream import Cursor, SerialStreams
from emu.units import format_duration


@dataclass
class _Level:
    """Where play stands in one list of steps."""

    steps: tuple[Step, ...]
    rounds_left: int
    next_index: int = 0


class ScriptPlayer:
    """One play of a script.

    Args:
        console_port: where bytes for the console go.
        streams: the output of the ports.
    """

    def __init__(
        self,
        script: SerialScript,
        console_port: str,
        link: Link,
        streams: SerialStreams,
    ) -> None:
        self._script, self._console_port, self._link = script, console_port, link
        self._streams = streams
        self._levels = [_Level(script.steps, 1)]
        self._cursors: dict[str, Cursor] = {}
        self._watches: list[tuple[FailOn, Cursor]] = []
        self._watched_lines: set[int] = set()
        self._waiting_for: Expect | None = None
        self._timer: Timer | None = None
        self._answers = False  # an expectation was met just now, and nothing was sent since
        self._busy = False
        self._is_through = False
        self._has_failed = False
        self._captures: dict[str, list[str]] = {}
        for port in script.ports:
            self._cursors[port] = Cursor(streams[port])

    def start(self) -> None:
        self._advance()

    def look(self) -> None:
        """There is new output."""
        if self._busy or self._has_failed:
            return
        for step, cursor in self._watches:
            if cursor.find(step.pattern) is not None:
                self._fail(step.line, f"{step.pattern} was printed on {step.port}")
                return
        if self._waiting_for is not None and self._is_met(self._waiting_for):
            self._advance()

    def rearm(self) -> None:
        if self._timer is not None:
            self._timer.rearm()

    def captures(self) -> tuple[SerialCapture, ...]:
        return tuple(SerialCapture(name, tuple(found)) for name, found in self._captures.items())

    def unfinished(self) -> str | None:
        """Why the script is not satisfied by a firmware that has ended; None where it is."""
        if self._is_through or self._has_failed:
            return None
        waiting = self._waiting_for
        if waiting is None:
            line = self._next_line()
            return self._sentence(line, "the firmware ended before the script came to this line")
        return self._sentence(
            waiting.line,
            f"the firmware ended while {waiting.pattern} was awaited on {waiting.port}; "
            + self._what_came(waiting.port),
        )

    # Playing

    def _advance(self) -> None:
        """Play steps until one has to wait."""
        self._busy = True
        self._waiting_for = self._timer = None
        while (step := self._next()) is not None:
            match step:
                case Expect() if not self._begin(step):
                    break
                case Expect():
                    pass
                case Send() if self._answers and step.turnaround_s:
                    self._answers = False
                    self._back()
                    self._timer = Timer(self._link, step.turnaround_s, self._advance)
                    break
                case Send():
                    self._answers = False
                    port = self._console_port if step.port == CONSOLE else step.port
                    self._link.send(port, step.data)
                case Wait():
                    self._answers = False
                    self._timer = Timer(self._link, step.duration_s, self._advance)
                    break
                case FailOn():
                    self._watch(step)
                case Repeat():
                    self._levels.append(_Level(step.steps, step.count))
        else:
            self._is_through = True
            if not self._script.runs_on:
                self._link.finish("script_ended", None)
        self._busy = False

    def _next(self) -> Step | None:
        while self._levels:
            level = self._levels[-1]
            if level.next_index < len(level.steps):
                level.next_index += 1
                return level.steps[level.next_index - 1]
            level.rounds_left -= 1
            level.next_index = 0
            if not level.rounds_left:
                self._levels.pop()
        return None

    def _back(self) -> None:
        """Play the step in hand once more."""
        self._levels[-1].next_index -= 1

    def _next_line(self) -> int:
        for level in reversed(self._levels):
            if level.next_index < len(level.steps):
                return level.steps[level.next_index].line
        return self._levels[-1].steps[-1].line

    def _begin(self, step: Expect) -> bool:
        """Look at what was printed since the last match; wait where it does not do."""
        self._cursors[step.port].restart()
        if self._is_met(step):
            return True
        self._waiting_for = step
        self._timer = Timer(self._link, step.timeout_s, self._time_out)
        return False

    def _is_met(self, step: Expect) -> bool:
        found = self._cursors[step.port].find(step.pattern)
        if found is None:
            return False
        if self._timer is not None:
            self._timer.cancel()
        self._answers = True
        if step.capture is not None:
            text = found.decode("utf-8", "replace")
            self._captures.setdefault(step.capture, []).append(text)
        return True

    def _watch(self, step: FailOn) -> None:
        if step.line not in self._watched_lines:  # a repeat comes here again
            self._watched_lines.add(step.line)
            self._watches.append((step, Cursor(self._streams[step.port])))

    def _time_out(self) -> None:
        step = self._waiting_for
        if step is None:
            return
        self._fail(
            step.line,
            f"{step.pattern} did not come on {step.port} within {format_duration(step.timeout_s)} "
            f"of modelled time; {self._what_came(step.port)}",
        )

    def _what_came(self, port: str) -> str:
        stream = self._streams[port]
        last = stream.last_line()
        if last is None:
            others = self._streams.printed_on()
            came = f", but on {', '.join(others)}" if others else ""
            return f"nothing was printed on {port}{came}"
        step = self._waiting_for
        is_open = isinstance(step and step.pattern, LinePattern) and not stream.kept.endswith(b"\n")
        return f'the last line was "{last}"' + (", which has not ended" if is_open else "")

    def _fail(self, line: int, what: str) -> None:
        self._has_failed = True
        self._link.finish("script_failed", self._sentence(line, what))

    def _sentence(self, line: int, what: str) -> str:
        return f"{self._script.name}:{line}: {what}."
