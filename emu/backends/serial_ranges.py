"""Stretches of a run between two lines of its serial output, measured.

A stretch begins when the line that holds its start text has ended, and is over when the first
character of its stop text begins to leave: what printing the two lines costs is outside. Where both
stand in one line it is from the last character of the one to the first of the other.

A port tells of a byte when its last bit has left. When its first one did is told by the bytes that
follow it: those that are sent without a pause are as far apart as one takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from emu.backends.protocol import CallStats, SerialRange

_MOST_LINE_BYTES = 64 * 1024
_MOST_COMPARED_BYTES = 64

Stamp = tuple[int, int]  # cycles, instructions


@dataclass
class _Line:
    """The line that a port is printing, with the moment of each byte."""

    data: bytearray = field(default_factory=bytearray)
    stamps: list[Stamp] = field(default_factory=list)

    def begin_of(self, index: int) -> Stamp:
        """When a byte began to leave."""
        following = self.stamps[index : index + _MOST_COMPARED_BYTES]
        cycles, instructions = min(
            ((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(following)), default=(0, 0)
        )
        return self.stamps[index][0] - cycles, self.stamps[index][1] - instructions


@dataclass
class _Meter:
    """One stretch and what its passes took."""

    wanted: SerialRange
    begun: Stamp | None = None
    begun_on: _Line | None = None  # the start text's line, while it has not ended
    looked: int = 0  # bytes of `looked_on` that are behind us
    looked_on: _Line | None = None
    passes: list[Stamp] = field(default_factory=list)

    def see(self, line: _Line) -> None:
        """The line has grown."""
        if self.looked_on is not line:
            self.looked_on, self.looked = line, 0
        if self.begun is None:
            text = self.wanted.start_text.encode()
            found = line.data.find(text, self.looked)
            if found < 0:
                self.looked = max(self.looked, len(line.data) - len(text) + 1)
                return
            self.looked = found + len(text)
            self.begun, self.begun_on = line.stamps[self.looked - 1], line
        text = self.wanted.stop_text.encode()
        found = line.data.find(text, self.looked)
        if found < 0:
            self.looked = max(self.looked, len(line.data) - len(text) + 1)
            return
        cycles, instructions = line.begin_of(found)
        self.passes.append((max(cycles - self.begun[0], 0), max(instructions - self.begun[1], 0)))
        self.begun = self.begun_on = None
        self.looked = _MOST_LINE_BYTES + 1  # a line that ends one pass begins no other

    def end_line(self, line: _Line) -> None:
        """The line is complete; its last byte is the newline."""
        if self.begun_on is line:
            self.begun, self.begun_on = line.stamps[-1], None
        self.looked_on = None

    def stats(self, timed: bool) -> CallStats:
        warm = self.passes[1:]
        cycles = [float(taken) for taken, _ in warm] if timed else []
        return CallStats(
            name=self.wanted.name,
            address=0,
            # One that was begun and never ended counts where there is no other to tell of.
            calls_count=len(self.passes) or int(self.begun is not None),
            cold_cycles=float(self.passes[0][0]) if self.passes and timed else None,
            cold_instructions=self.passes[0][1] if self.passes else None,
            warm_count=len(warm),
            warm_mean_cycles=sum(cycles) / len(cycles) if cycles else None,
            warm_min_cycles=min(cycles, default=None),
            warm_max_cycles=max(cycles, default=None),
            warm_mean_instructions=sum(count for _, count in warm) / len(warm) if warm else None,
            stack_peak_bytes=None,
        )


class RangeMeters:
    """All stretches of a run. Ports print lines of their own; a stretch may use two of them."""

    def __init__(self, ranges: tuple[SerialRange, ...], timed: bool) -> None:
        self._meters = [_Meter(wanted) for wanted in ranges]
        self._timed = timed
        self._lines: dict[str, _Line] = {}

    def see(self, port: str, data: bytes, stamp: Stamp) -> None:
        for piece in data.splitlines(keepends=True) if b"\n" in data else (data,):
            line = self._lines.setdefault(port, _Line())
            line.data += piece
            line.stamps += [stamp] * len(piece)
            for meter in self._meters:
                meter.see(line)
            if piece.endswith(b"\n") or len(line.data) > _MOST_LINE_BYTES:
                for meter in self._meters:
                    meter.end_line(line)
                del self._lines[port]

    def stats(self) -> tuple[CallStats, ...]:
        return tuple(meter.stats(self._timed) for meter in self._meters)
