"""What a timer shows the rest of the chip: DMA requests and trigger outputs."""

from __future__ import annotations

from emu.peripherals import timer_registers as reg
from emu.peripherals.counter import Counter
from emu.peripherals.ticking import TickingPeripheral


class TimerOutputs(TickingPeripheral):
    """The lower half of a timer: its wires, as its registers and counter stand.

    Attributes:
        kind: basic, general or advanced.
        channels: how many compare channels it has.
    """

    kind: str
    channels: int
    counter: Counter
    output_channels: int  # bits of the channels that are: CCxS = 0. Inputs would need pins
    _trigger_modes: tuple[int, ...]
    _has_triggers: bool  # whether a mode shows more than what resets the counter
    _references: list[bool]  # OCxREF, kept up where a trigger output follows it

    def reset(self) -> None:
        super().reset()
        self._references = [False] * 6
        self.select_outputs()
        self.select_triggers()

    def pulse(self, wire: str) -> None:
        self.around.set_signal(wire, True)
        self.around.set_signal(wire, False)

    def compares(self, channel: int) -> bool:
        """Whether a channel is an output."""
        return bool(self.output_channels >> channel & 1)

    def select_outputs(self) -> None:
        """By CCMRx: which channels compare."""
        self.output_channels = 0
        for channel in range(self.channels):
            half = self.get(reg.CCMR1 + 4 * (channel // 2)) >> (8 * (channel % 2))
            if channel >= 4 or not half & 3:
                self.output_channels |= 1 << channel

    def select_triggers(self) -> None:
        """By CR2: MMS, and MMS2 of those that have it (TRGO2's double modes act as reset)."""
        cr2 = self.get(reg.CR2)
        modes = [cr2 >> 4 & 7]
        if self.kind == "advanced" and self.channels >= 6:
            mms2 = cr2 >> 20 & 15
            modes.append(mms2 if mms2 < 8 else reg.TRGO_RESET)
        self._trigger_modes = tuple(modes)
        self._has_triggers = any(mode != reg.TRGO_RESET for mode in modes)

    def drive_triggers(
        self, *, update: bool = False, compare: bool = False, restart: bool = False
    ) -> None:
        if not self._has_triggers and not restart:
            return
        for number, mode in enumerate(self._trigger_modes):
            wire = f"{self.name}_trgo" + ("2" if number else "")
            if mode == reg.TRGO_ENABLE:
                self.around.set_signal(wire, bool(self.get(reg.CR1) & reg.CEN))
            elif mode >= reg.TRGO_REFERENCE:
                self.around.set_signal(wire, self._references[mode - reg.TRGO_REFERENCE])
            elif (
                (mode == reg.TRGO_RESET and restart)
                or (mode == reg.TRGO_UPDATE and update)
                or (mode == reg.TRGO_COMPARE_PULSE and compare)
            ):
                self.pulse(wire)

    def follow_references(self, matched: int = 0) -> None:
        """OCxREF by the output mode OCxM, where a trigger output shows it."""
        if not self._has_triggers:
            return
        counter = self.counter
        for mode in self._trigger_modes:
            channel = mode - reg.TRGO_REFERENCE
            if not 0 <= channel < self.channels or not self.compares(channel):
                continue
            half = self.get(reg.CCMR1 + 4 * (channel // 2)) >> (8 * (channel % 2))
            output, hit = half >> 4 & 7, bool(matched >> channel & 1)
            if output in (6, 7):  # PWM
                above = counter.count - counter.compares[channel]
                on = above <= 0 if counter.falling else above < 0
                self._references[channel] = on == (output == 6)
            elif output in (4, 5):  # forced
                self._references[channel] = output == 5
            elif hit and output:  # active, inactive, toggle
                was = self._references[channel]
                self._references[channel] = not was if output == 3 else output == 1

    def show_references(self) -> None:
        """A register that shapes OCxREF was written."""
        if max(self._trigger_modes) >= reg.TRGO_REFERENCE:
            self.follow_references()
            self.drive_triggers()
