"""A peripheral that counts the ticks of one clock, lazily."""

from __future__ import annotations

from abc import abstractmethod

from emu.peripherals.peripheral import FOREVER, Peripheral
from emu.peripherals.schedule import Event
from emu.peripherals.tick_clock import TickClock


class TickingPeripheral(Peripheral):
    """Keeps tick numbers of its clock, and one event: for the next tick that somebody will notice.

    A model settles its state whenever it is looked at, says in `next_tick` when something becomes
    visible by itself, and calls `reschedule` after each change of what that depends on. Interrupt
    levels are remembered, so that a reset lowers what was raised.
    """

    _clock: TickClock
    _due: int | None  # tick of the event
    _event: Event | None
    _levels: dict[str, bool]

    def reset(self) -> None:
        if not hasattr(self, "_clock"):
            self._clock, self._event, self._levels = TickClock(), None, {}
        self._drop_event()
        super().reset()
        for output in self._levels:
            self.drive(output, False)

    def connect(self) -> None:
        self.after_clock_change()

    # For models

    def tick_hz(self) -> int:
        """The clock that is counted."""
        return self.clock_hz()

    @abstractmethod
    def settle(self) -> None:
        """Bring the state to this cycle; called at the event too."""

    @abstractmethod
    def next_tick(self) -> int | None:
        """When something next becomes visible by itself; None when nothing will."""

    def ticks(self) -> int:
        """Ticks of the clock up to this cycle."""
        return self._clock.ticks(self.around.now_cycles())

    def quiet_to(self, *ticks: int | None) -> int:
        """The cycle of the first of some ticks to come, for `quiet_` methods; None: it never is."""
        found = [self._clock.cycles_at(tick) for tick in ticks if tick is not None]
        return min((at for at in found if at is not None), default=FOREVER)

    def reschedule(self) -> None:
        """Put the event where `next_tick` says."""
        due = self.next_tick()
        if due == self._due:
            return
        self._drop_event()
        self._due = due
        if due is not None and (at_cycles := self._clock.cycles_at(due)) is not None:
            self._event = self.around.at(at_cycles, self._on_event)

    def drive(self, output: str, level: bool) -> None:
        """An interrupt output, told only when it changes."""
        if self._levels.get(output, False) != level:
            self._levels[output] = level
            self.set_irq(output, level)

    # The machine's side

    def before_clock_change(self) -> None:
        self.settle()

    def after_clock_change(self) -> None:
        self._clock.change(self.around.now_cycles(), self.tick_hz(), self.around.clocks.hz("core"))
        self._drop_event()
        self.reschedule()

    def _on_event(self) -> None:
        self._drop_event()
        self.settle()
        self.reschedule()

    def _drop_event(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self._due = None
