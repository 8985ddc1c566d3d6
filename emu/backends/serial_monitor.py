"""The other side of the serial lines: the script, marks in the output, and the text to stop at.

The machine tells it each piece of output in the order of modelled time; it answers through `Link`.
"""

from __future__ import annotations

from emu.backends.protocol import CallStats, RunOptions, SerialCapture
from emu.backends.serial_link import Link
from emu.backends.serial_player import ScriptPlayer
from emu.backends.serial_ranges import RangeMeters
from emu.backends.serial_script import CONSOLE, CONSOLE_SOURCES, TextPattern
from emu.backends.serial_stream import Cursor, SerialStreams

__all__ = ["Link", "SerialMonitor"]


class SerialMonitor:
    """What `RunOptions` asks of the serial output of one run.

    Args:
        options: its script, `until` and serial ranges.
        default_port: the board's console, such as "usart1".
        link: the machine.
    """

    def __init__(self, options: RunOptions, default_port: str, link: Link) -> None:
        self._link = link
        self._default_port = default_port
        self._streams = SerialStreams()
        self._meters = (
            RangeMeters(options.serial_ranges, options.timing != "none")
            if options.serial_ranges
            else None
        )
        self._until = TextPattern(options.until.encode(), options.until) if options.until else None
        self._until_cursors: dict[str, Cursor] = {}
        self._player = (
            ScriptPlayer(options.serial_script, default_port, link, self._streams)
            if options.serial_script is not None
            else None
        )

    def start(self) -> None:
        """The chip leaves reset for the first time."""
        if self._player is not None:
            self._player.start()

    def output(self, port: str, data: bytes) -> None:
        """The firmware has printed this: a port's name, "semihosting" or "itm"."""
        if self._meters is not None:
            self._meters.see(port, data, (self._link.now_cycles(), self._link.instructions()))
        if self._until is None and self._player is None:
            return
        stream = self._streams[port]
        if self._until is not None:
            cursor = self._until_cursors.setdefault(port, Cursor(stream))
        stream.append(data)
        if port == self._default_port or port in CONSOLE_SOURCES:
            self._streams[CONSOLE].append(data)
        if self._until is not None and cursor.find(self._until) is not None:
            self._link.finish("until", None)
            return
        if self._player is not None:
            self._player.look()

    def rearm(self) -> None:
        """The core clock has changed, or what was scheduled was cleared by a reset."""
        if self._player is not None:
            self._player.rearm()

    def unfinished(self) -> str | None:
        """When the firmware has ended by itself: why the script is not satisfied with that."""
        return self._player.unfinished() if self._player is not None else None

    def calls(self) -> tuple[CallStats, ...]:
        """The serial ranges, in the order asked for."""
        return self._meters.stats() if self._meters is not None else ()

    def captures(self) -> tuple[SerialCapture, ...]:
        return self._player.captures() if self._player is not None else ()
