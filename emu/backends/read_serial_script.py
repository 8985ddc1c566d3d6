r"""A script for a serial line, from its file. `docs/serial.md` tells the language.

    default-timeout 5s
    expect "m-ready"
    send "name%"
    capture board /^m-name-.*-\[(.+)\]/ within 100ms
    repeat 3
      send "infer 10 1%"
      expect "m-infer-done" within 2s
    done

Every refusal names file and line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emu.backends.serial_script import (
    CONSOLE,
    Expect,
    FailOn,
    LinePattern,
    Pattern,
    Repeat,
    Send,
    SerialScript,
    Step,
    TextPattern,
    Wait,
)
from emu.errors import UsageError
from emu.units import parse_duration_s

DEFAULT_TIMEOUT_S = 5.0
# Assumed: a USB serial adapter hands a byte over in its next 1 ms frame, and a program answers in
# the one after. A host that answered at once would talk into firmware that still prints.
DEFAULT_TURNAROUND_S = 0.001
_MOST_STEPS = 1_000_000
_MOST_FILE_BYTES = 16 * 1024**2

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_REGEX = re.compile(r"/(?:[^/\\]|\\.)*/")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"'}
_NAME = re.compile(r"[A-Za-z_]\w*")

_FORMS = {
    "expect": 'expect "text" [within 2s], or expect /regex/ [within 2s]',
    "capture": "capture NAME /regex/ [within 2s]",
    "send": 'send "text"',
    "send-hex": "send-hex 01 02 ff",
    "send-file": "send-file data.bin",
    "wait": "wait 10ms",
    "fail-on": 'fail-on "text", or fail-on /regex/',
    "port": "port usart1",
    "default-timeout": "default-timeout 5s",
    "turnaround": "turnaround 1ms",
    "repeat": "repeat 3",
    "done": "done",
    "end": "end",
    "run-on": "run-on",
}


def read_serial_script(path: Path) -> SerialScript:
    """Read a script.

    Raises:
        UsageError: the file or one that it names cannot be read, or a line is no step: file and
            line, and what is allowed there.
    """
    return parse_serial_script(_read_bytes(path), path.name, path.parent)


def parse_serial_script(data: bytes, name: str, folder: Path) -> SerialScript:
    """The same for a text in memory; files that it sends are looked up in `folder`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise UsageError(f"{name}:{line}: the script is not UTF-8 text.") from problem
    return _Reader(name, folder).read(text)


@dataclass
class _Block:
    """Steps of one level; `count` is None at the outermost."""

    line: int
    count: int | None
    steps: list[Step]
    expanded_count: int = 0


class _Reader:
    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        self._line = 0
        self._port = CONSOLE
        self._timeout_s, self._turnaround_s = DEFAULT_TIMEOUT_S, DEFAULT_TURNAROUND_S
        self._blocks = [_Block(0, None, [])]
        self._ended_by: str | None = None
        self._readers: dict[str, Callable[[str], None]] = {
            "expect": self._expect,
            "capture": self._capture,
            "send": self._send,
            "send-hex": self._send_hex,
            "send-file": self._send_file,
            "wait": self._wait,
            "fail-on": self._fail_on,
            "port": self._set_port,
            "default-timeout": self._set_timeout,
            "turnaround": self._set_turnaround,
            "repeat": self._repeat,
            "done": self._done,
            "end": self._end,
            "run-on": self._end,
        }

    def read(self, text: str) -> SerialScript:
        for number, line in enumerate(text.split("\n"), start=1):
            self._line = number
            word, *others = line.split(maxsplit=1) or [""]
            if not word or word.startswith("#"):
                continue
            if self._ended_by is not None:
                raise self._refusal(f"nothing may follow '{self._ended_by}'")
            if word not in self._readers:
                raise self._refusal(_unknown(word))
            self._word = word
            self._readers[word](_without_comment(others[0].strip() if others else ""))
        if len(self._blocks) > 1:
            self._line = self._blocks[-1].line
            raise self._refusal("this repeat has no 'done'")
        return SerialScript(self._name, tuple(self._blocks[0].steps), self._ended_by == "run-on")

    # Steps

    def _expect(self, rest: str) -> None:
        pattern, rest = self._pattern(rest)
        self._add(Expect(self._line, self._port, pattern, self._within(rest)))

    def _capture(self, rest: str) -> None:
        name, _, rest = rest.partition(" ")
        if not _NAME.fullmatch(name):
            raise self._wrong()
        pattern, rest = self._pattern(rest.strip())
        if not isinstance(pattern, LinePattern):
            raise self._wrong()
        self._add(Expect(self._line, self._port, pattern, self._within(rest), name))

    def _send(self, rest: str) -> None:
        match = _TEXT.match(rest)
        if match is None or match.end() != len(rest):
            raise self._wrong()
        self._add_send(self._bytes(match.group()))

    def _send_hex(self, rest: str) -> None:
        try:
            data = bytes.fromhex(rest)
        except ValueError:
            raise self._wrong() from None
        self._add_send(data)

    def _send_file(self, rest: str) -> None:
        name = rest
        if _TEXT.fullmatch(rest):
            name = self._bytes(rest).decode("utf-8", "surrogateescape")
        if not name or "\0" in name:
            raise self._wrong()
        try:
            data = _read_bytes(self._folder / name)
        except UsageError as problem:
            raise UsageError(f"{self._name}:{self._line}: {problem}") from problem
        self._add_send(data)

    def _add_send(self, data: bytes) -> None:
        if not data:
            raise self._refusal("there is nothing to send")
        self._add(Send(self._line, self._port, data, self._turnaround_s))

    def _wait(self, rest: str) -> None:
        self._add(Wait(self._line, self._duration(rest)))

    def _fail_on(self, rest: str) -> None:
        pattern, rest = self._pattern(rest)
        if rest:
            raise self._wrong()
        self._add(FailOn(self._line, self._port, pattern))

    def _repeat(self, rest: str) -> None:
        if not (rest.isascii() and rest.isdecimal()) or not 1 <= int(rest[:9]) <= _MOST_STEPS:
            raise self._wrong()
        self._blocks.append(_Block(self._line, int(rest), []))

    def _done(self, rest: str) -> None:
        self._nothing_after(rest)
        block = self._blocks.pop()
        if block.count is None:
            raise self._refusal("there is no 'repeat' for this 'done'")
        if not block.steps:
            raise self._refusal(f"the repeat of line {block.line} holds no step")
        self._add(
            Repeat(block.line, block.count, tuple(block.steps)), block.count * block.expanded_count
        )

    # What holds for the lines below

    def _set_port(self, rest: str) -> None:
        if not _NAME.fullmatch(rest):
            raise self._wrong()
        self._port = rest.lower()

    def _set_timeout(self, rest: str) -> None:
        self._timeout_s = self._duration(rest)

    def _set_turnaround(self, rest: str) -> None:
        self._turnaround_s = 0.0 if rest in ("0", "0s", "0ms", "0us") else self._duration(rest)

    def _end(self, rest: str) -> None:
        self._nothing_after(rest)
        if len(self._blocks) > 1:
            raise self._refusal(f"'{self._word}' stands inside a repeat; write 'done' before it")
        self._ended_by = self._word

    # Parts of a line

    def _pattern(self, rest: str) -> tuple[Pattern, str]:
        """A text or an expression, and what follows it."""
        if match := _TEXT.match(rest):
            data = self._bytes(match.group())
            if not data:
                raise self._refusal('"" is no text to wait for')
            return TextPattern(data, match.group()), rest[match.end() :].strip()
        if match := _REGEX.match(rest):
            source = match.group()[1:-1].replace("\\/", "/")
            try:
                regex = re.compile(source.encode())
            except (re.error, OverflowError, RecursionError) as problem:
                raise self._refusal(
                    f"{match.group()} is no regular expression ({problem})"
                ) from problem
            return LinePattern(regex, match.group()), rest[match.end() :].strip()
        raise self._wrong()

    def _within(self, rest: str) -> float:
        if not rest:
            return self._timeout_s
        word, _, duration = rest.partition(" ")
        if word != "within":
            raise self._wrong()
        return self._duration(duration.strip())

    def _duration(self, text: str) -> float:
        try:
            return parse_duration_s(text)
        except UsageError as problem:
            raise UsageError(f"{self._name}:{self._line}: {problem}") from problem

    def _bytes(self, quoted: str) -> bytes:
        """What a text between quotes stands for."""
        parts: list[bytes] = []
        at = 1
        for match in _ESCAPE.finditer(quoted, 1, len(quoted) - 1):
            parts.append(quoted[at : match.start()].encode())
            code = match.group(1)
            if code.startswith("x") and len(code) == 3:
                parts.append(bytes((int(code[1:], 16),)))
            elif code in _ESCAPES:
                parts.append(_ESCAPES[code].encode())
            else:
                raise self._refusal(
                    rf"\{code} in {quoted} is no escape; there are \n \r \t \0 \\ \" and \x41"
                )
            at = match.end()
        parts.append(quoted[at:-1].encode())
        return b"".join(parts)

    def _nothing_after(self, rest: str) -> None:
        if rest:
            raise self._wrong()

    def _add(self, step: Step, expanded_count: int = 1) -> None:
        block = self._blocks[-1]
        block.steps.append(step)
        block.expanded_count += expanded_count
        if block.expanded_count > _MOST_STEPS:
            raise self._refusal(f"this makes more than {_MOST_STEPS:,} steps; repeat fewer times")

    def _wrong(self) -> UsageError:
        return self._refusal(f"'{self._word}' is not written so; write {_FORMS[self._word]}")

    def _refusal(self, what: str) -> UsageError:
        return UsageError(f"{self._name}:{self._line}: {what}.")


def _without_comment(rest: str) -> str:
    """The line up to a `#` that stands in no text and no expression."""
    at = 0
    while at < len(rest):
        begins = at == 0 or rest[at - 1].isspace()  # an expression does; a path has slashes too
        quoted = _TEXT.match(rest, at) or (_REGEX.match(rest, at) if begins else None)
        if quoted is not None:
            at = quoted.end()
        elif rest[at] == "#" and begins:
            return rest[:at].rstrip()
        else:
            at += 1
    return rest


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word, _FORMS, n=1)
    hint = f"perhaps '{near[0]}' is meant" if near else f"steps are {', '.join(_FORMS)}"
    return f"'{word[:40]}' is no step; {hint}"


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_FILE_BYTES + 1)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise UsageError(f"Cannot read {path}: {reason}. Check the path.") from problem
    if len(data) > _MOST_FILE_BYTES:
        raise UsageError(f"{path} is larger than {_MOST_FILE_BYTES // 1024**2} MiB.")
    return data
