"""Captures of a timer: the count at the edges of an internal clock."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

from emu.peripherals import timer_registers as reg
from emu.peripherals.clock_capture import ClockCapture
from emu.peripherals.timer_outputs import TimerOutputs


class TimerCaptures(TimerOutputs):
    """The layer of a timer that has its inputs; those of pins never see an edge."""

    _captures: Mapping[int, ClockCapture] = MappingProxyType({})  # of channels, 0-based

    @abstractmethod
    def settle_to(self, now_tick: int) -> None:
        """Bring the counter to a tick."""

    @abstractmethod
    def update_interrupts(self) -> None:
        """Drive the interrupt outputs as flags and enables stand."""

    def reset(self) -> None:
        super().reset()
        for capture in self._captures.values():
            capture.set(0, 0, 1, 1)

    def connect(self) -> None:
        self._captures = {
            int(key[2:]) - 1: ClockCapture(str(text))
            for key, text in self.settings.items()
            if key[:2] == "ti" and key[2:].isdecimal()
        }
        super().connect()

    def after_clock_change(self) -> None:
        self.select_captures()
        super().after_clock_change()

    def select_captures(self) -> None:
        """By CCER, CCMRx and the remap register: which channels capture which clock."""
        now_cycles, core_hz = self.around.now_cycles(), self.around.clocks.hz("core")
        for channel, capture in self._captures.items():
            half = self.get(reg.CCMR1 + 4 * (channel // 2)) >> (8 * (channel % 2))
            captures = self.get(reg.CCER) >> 4 * channel & 1 and half & 3 == 1
            source = capture.source(self.get(capture.offset)) if captures else None
            clock_hz = self.kernel_clock_hz(source) if source else 0
            capture.set(now_cycles, clock_hz, core_hz, 1 << (half >> 2 & 3))

    def _capture_tick(self, capture: ClockCapture) -> int | None:
        """The first tick at or after the edge that is captured next."""
        cycles = capture.next_cycles()
        return None if cycles is None else self._clock.ticks(cycles - 1) + 1

    def capture_ticks(self, earliest_tick: int) -> list[int]:
        """When captures come that somebody is told of."""
        told = self.get(reg.DIER) & ~self.get(reg.SR) | self.get(reg.DIER) >> 8
        found = [
            self._capture_tick(capture)
            for channel, capture in self._captures.items()
            if told & reg.CC1IF << channel
        ]
        return [max(tick, earliest_tick) for tick in found if tick is not None]

    def next_captures(self) -> list[int]:
        """The tick of each channel's next capture, whoever is told of it."""
        found = [self._capture_tick(item) for item in self._captures.values() if item.is_on]
        return [tick for tick in found if tick is not None]

    def quiet_until(self, offset: int) -> int | None:
        channel = (offset - reg.CCR1) // 4
        if channel in self._captures and not self.compares(channel):
            return None  # reading what was captured clears its flag
        return super().quiet_until(offset)

    def take_captures(self) -> None:
        """All that are due: one by one where a DMA takes them, else the last of each channel."""
        if not self._captures or not any(item.is_on for item in self._captures.values()):
            return
        now_tick = self.ticks()
        tick_began = self._clock.cycles_at(now_tick)
        while True:
            due = [
                (tick, channel)
                for channel, capture in self._captures.items()
                if (tick := self._capture_tick(capture)) is not None and tick <= now_tick
            ]
            if not due:
                return
            tick, channel = min(due)
            capture, flag = self._captures[channel], reg.CC1IF << channel
            over = bool(self.get(reg.SR) & flag)
            if tick_began is not None and not self.get(reg.DIER) & reg.CC1DE << channel:
                over |= capture.skip_to_last(tick_began)
                tick = self._capture_tick(capture) or tick
            capture.take()
            self.settle_to(tick)
            self.store(reg.CCR1 + 4 * channel, self.counter.count)
            self.store(reg.SR, self.get(reg.SR) | flag | (flag << 8 if over else 0))
            self.reschedule()
            self.update_interrupts()
            if self.get(reg.DIER) & reg.CC1DE << channel:
                self.pulse(f"{self.name}_ch{channel + 1}")

    def read_word(self, offset: int) -> int:
        channel = (offset - reg.CCR1) // 4
        if channel in self._captures and not self.compares(channel):
            self.settle()
            self.store(reg.SR, self.get(reg.SR) & ~(reg.CC1IF << channel))
            self.reschedule()
            self.update_interrupts()
        return super().read_word(offset)

    def _write_selection(self, offset: int, value: int) -> None:
        self.settle()
        self.store(offset, value)
        self.select_captures()
        self.reschedule()

    def write_CCER(self, value: int) -> None:
        self._write_selection(reg.CCER, value)

    def write_OR(self, value: int) -> None:
        self._write_selection(reg.OR, value)

    def write_TISEL(self, value: int) -> None:
        self._write_selection(reg.TISEL, value)
