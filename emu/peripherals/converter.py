"""What the analogue-to-digital converters of F7 and H7 have in common: a sequence in time.

Settings: value, what every channel converts to at the full resolution (the middle), channel<n>
for one channel, triggers: the timers behind values of EXTSEL, by their trigger output or, with .2,
their second one ("11=tim2 8=tim8.2").
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from emu.peripherals.peripheral import Peripheral
from emu.peripherals.schedule import Event


@dataclass(frozen=True)
class Conversion:
    """One of a sequence: which channel, and how many clocks of the converter it takes."""

    channel: int
    clocks: int


class SequencedConverter(Peripheral):
    """Converts one channel after another; an event ends each."""

    BITS = 12  # of the full resolution
    _sequence: Sequence[Conversion] = ()
    _index = 0
    _event: Event | None = None
    _triggers: set[int]

    def reset(self) -> None:
        super().reset()
        self.stop_sequence()

    def connect(self) -> None:
        self._triggers = set()
        for text in str(self.settings.get("triggers", "")).split():
            number, _, source = text.partition("=")
            timer, _, second = source.partition(".")
            self._triggers.add(int(number))
            self.around.on_signal(f"{timer}_trgo{second}", partial(self._trigger, int(number)))

    @abstractmethod
    def converter_hz(self) -> int:
        """The converter's clock."""

    @abstractmethod
    def converted(self, conversion: Conversion, is_last: bool) -> None:
        """One is done. A sequence that goes on anew is begun here."""

    @abstractmethod
    def triggered(self, number: int) -> None:
        """An external trigger rose."""

    def sample(self, channel: int, bits: int) -> int:
        """What a channel converts to at a resolution."""
        middle = 1 << (self.BITS - 1)
        full = self.settings.get(f"channel{channel}", self.settings.get("value", middle))
        return int(full) >> (self.BITS - bits)

    def start_sequence(self, sequence: Sequence[Conversion]) -> None:
        self.stop_sequence()
        self._sequence, self._index = sequence, 0
        self._schedule()

    def stop_sequence(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    @property
    def is_converting(self) -> bool:
        return self._event is not None

    def note_trigger(self, number: int) -> None:
        """The firmware waits for an external trigger: say so if nothing is behind it."""
        if number not in self._triggers:
            self.around.note(
                f"{self.name.upper()} waits for the external trigger {number}, which is connected "
                "to nothing here: it never converts."
            )

    def _trigger(self, number: int, level: bool) -> None:
        if level:
            self.triggered(number)

    def _schedule(self) -> None:
        clocks = self._sequence[self._index].clocks
        self._event = self.around.after_ticks(clocks, self.converter_hz(), self._done)

    def _done(self) -> None:
        self._event = None
        conversion, is_last = self._sequence[self._index], self._index + 1 >= len(self._sequence)
        self._index += 1
        if not is_last:
            self._schedule()
        self.converted(conversion, is_last)
