"""Output of a serial port, and places in it up to which somebody has read."""

from __future__ import annotations

from emu.backends.serial_script import LinePattern, Pattern

_MOST_KEPT_BYTES = 4 * 1024**2
_SHOWN_BYTES = 120


class SerialStream:
    """What a port has printed, the last 4 MiB of it. Positions count from the first byte."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.first = 0  # position of the first byte that is kept

    @property
    def end(self) -> int:
        return self.first + len(self.kept)

    def append(self, data: bytes) -> None:
        self.kept += data
        if len(self.kept) > 2 * _MOST_KEPT_BYTES:
            dropped = len(self.kept) - _MOST_KEPT_BYTES
            del self.kept[:dropped]
            self.first += dropped

    def last_line(self) -> str | None:
        """The last line that is not blank, as text; None where nothing was printed."""
        tail = bytes(self.kept[-4096:]).rstrip()
        if not tail:
            return None
        line = tail.splitlines()[-1].strip()
        cut = line if len(line) <= _SHOWN_BYTES else line[:_SHOWN_BYTES] + b"..."
        text = cut.decode("utf-8", "replace")
        return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


class Cursor:
    """A reader's place in a stream."""

    def __init__(self, stream: SerialStream) -> None:
        self._stream = stream
        self._position = stream.end
        self._searched = stream.end

    def restart(self) -> None:
        """Look again at everything past the last match: for another pattern."""
        self._searched = self._position

    def find(self, pattern: Pattern) -> bytes | None:
        """The next match past the last one: what it, or its first group, holds."""
        if isinstance(pattern, LinePattern):
            return self._find_line(pattern)
        stream, text = self._stream, pattern.data
        begin = max(self._position, self._searched - len(text) + 1, stream.first)
        found = stream.kept.find(text, begin - stream.first)
        if found < 0:
            self._searched = stream.end
            return None
        self._position = self._searched = stream.first + found + len(text)
        return text

    def _find_line(self, pattern: LinePattern) -> bytes | None:
        stream = self._stream
        # Whole lines: `_searched` is where the first line begins that was not looked at.
        while True:
            begin = max(self._searched, stream.first) - stream.first
            newline = stream.kept.find(b"\n", begin)
            if newline < 0:
                return None
            line = bytes(stream.kept[begin:newline]).rstrip(b"\r")
            self._searched = stream.first + newline + 1
            match = pattern.regex.search(line)
            if match is not None:
                self._position = self._searched
                return match.group(1) or b"" if pattern.regex.groups else match.group()


class SerialStreams:
    """The streams of all ports, by name; one begins when it is first asked for."""

    def __init__(self) -> None:
        self._streams: dict[str, SerialStream] = {}

    def __getitem__(self, port: str) -> SerialStream:
        return self._streams.setdefault(port, SerialStream())

    def printed_on(self) -> tuple[str, ...]:
        """The ports that something was printed on."""
        return tuple(port for port, stream in self._streams.items() if stream.end)
