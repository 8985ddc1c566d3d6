"""Basic, general-purpose and advanced timers [RM0385, RM0433: TIMx].

Settings: kind basic|general|advanced (general), bits 16|32 (16), channels 0..6 (by kind), and
itr0..itr12: the timer whose trigger output is that internal trigger input ("tim1"), and ti1..ti4:
the internal clocks that a channel can capture ("or[7:6] pin lsi lse").
Interrupt outputs: "global", or of advanced timers "update", "compare", "break" and "trigger".
Wires: drives "<tim>_trgo", "<tim>_trgo2", and the DMA requests "<tim>_up", "<tim>_ch1".. and
"<tim>_trig" and "<tim>_com". Pins are not modelled: of the captures only those of clocks.

The counter is settled whenever somebody looks; an event is only scheduled for the next update or
match that raises an interrupt, a DMA request or a trigger.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from emu.peripherals import timer_registers as reg
from emu.peripherals.counter import Alignment, Counter, Happened
from emu.peripherals.peripheral import FOREVER, Register
from emu.peripherals.timer_captures import TimerCaptures


class Timer(TimerCaptures):
    """One timer; see the module."""

    STEADY = ("EGR",)

    _tick: int  # of the clock, up to which the counter is settled
    _external: bool  # counts edges of a trigger instead of the clock
    _is_gated: bool  # counts only while a trigger is high
    _burst_index: int

    def registers(self) -> Iterable[Register]:
        settings = self.settings
        self.kind = str(settings.get("kind", "general"))
        self.bits = int(settings.get("bits", 16))
        self.channels = int(settings.get("channels", {"basic": 0, "advanced": 6}.get(self.kind, 4)))
        self.maximum = (1 << self.bits) - 1
        basic, wide = self.kind == "basic", self.channels >= 4
        cr1 = reg.CEN | reg.UDIS | reg.URS | reg.OPM | reg.ARPE | reg.UIFREMAP
        cr1 |= 0 if basic else 0x300
        cr1 |= 0x70 if wide else 0
        yield Register("CR1", reg.CR1, writable=cr1)
        yield Register("CR2", reg.CR2, writable=0x70 if basic else 0x00FFFFFF)
        yield Register("DIER", reg.DIER, writable=0x101 if basic else 0x7FFF)
        yield Register("SR", reg.SR)
        yield Register("EGR", reg.EGR)
        yield Register("CNT", reg.CNT)
        yield Register("PSC", reg.PSC, writable=0xFFFF)
        yield Register("ARR", reg.ARR, reset=self.maximum, writable=self.maximum)
        if basic:
            return
        yield Register("SMCR", reg.SMCR)
        yield Register("CCMR1", reg.CCMR1)
        yield Register("CCER", reg.CCER)
        if self.channels > 2:
            yield Register("CCMR2", reg.CCMR2)
        if self.channels > 4:
            yield Register("CCMR3", reg.CCMR3)
        for number, offset in enumerate(reg.COMPARES[: self.channels], 1):
            yield Register(f"CCR{number}", offset, writable=self.maximum)
        if self.kind == "advanced":
            yield Register("RCR", reg.RCR, writable=0xFFFF)
            yield Register("BDTR", reg.BDTR, writable=0x03FFFFFF)
        yield Register("DCR", reg.DCR, writable=0x1F1F)
        yield Register("DMAR", reg.DMAR)
        for name, offset in (
            ("OR", reg.OR),
            ("AF1", reg.AF1),
            ("AF2", reg.AF2),
            ("TISEL", reg.TISEL),
        ):
            yield Register(name, offset)

    def reset(self) -> None:
        super().reset()
        self.counter = Counter(maximum=self.maximum, reload=self.maximum, next_reload=self.maximum)
        self._tick, self._burst_index = 0, 0
        self._external = self._is_gated = False

    def connect(self) -> None:
        super().connect()
        self._triggers: dict[int, str] = {}
        for key, source in self.settings.items():
            if key.startswith("itr"):
                self._triggers[int(key[3:])] = f"{source}_trgo"
        for wire in set(self._triggers.values()):
            self.around.on_signal(wire, partial(self._trigger_in, wire))

    # Time

    @property
    def _counts_clock(self) -> bool:
        if not self.counter.running or self._external:
            return False
        return not self._is_gated or not self._gate_closed()

    def settle(self) -> None:
        if self._captures:
            self.take_captures()
        self.settle_to(self.ticks())

    def _on_event(self) -> None:
        if self._captures or self._due is None:
            super()._on_event()
        else:
            self.settle_to(self._due)  # which schedules the next, too

    def settle_to(self, now_tick: int) -> None:
        """Bring the counter to a tick, event by event where one is due."""
        while self._due is not None and self._due <= now_tick:
            self._advance_to(self._due)
        if now_tick > self._tick:
            if self._counts_clock:
                self._advance_to(now_tick)
            else:
                self._tick = now_tick

    def _advance_to(self, tick: int) -> None:
        """Count up to a tick at which, or up to which, nobody is to be told of anything else."""
        happened = self.counter.advance(tick - self._tick)
        self._tick = tick
        if happened.updates or happened.matches or tick == self._due:
            self._take(happened)

    def next_tick(self) -> int | None:
        ticks = self._ticks_to_visible() if self._counts_clock else None
        visible = None if ticks is None else self._tick + ticks
        if not self._captures:
            return visible
        found = [] if visible is None else [visible]
        return min(found + self.capture_ticks(self._tick + 1), default=None)

    def _ticks_to_visible(self) -> int | None:
        """Ticks until an update or match that somebody is told of."""
        enabled, outputs = self.values[reg.DIER], self._trigger_modes
        wanted = enabled & ~self.values[reg.SR] & (reg.UIF | reg.COMPARE_FLAGS)
        if not self._has_triggers and not (wanted & reg.COMPARE_FLAGS or enabled & reg.DMA_ENABLES):
            # Mostly somebody is told of updates, or of nothing.
            return self.counter.ticks_to_update() if wanted & reg.UIF else None
        update = bool(wanted & reg.UIF or enabled & reg.UDE) or reg.TRGO_UPDATE in outputs
        dma = enabled >> 9 & 0b1111
        if dma and self.get(reg.CR2) & reg.CCDS:
            update, dma = True, 0
        if reg.TRGO_ENABLE in outputs and self.counter.one_pulse:
            update = True
        channels = wanted >> 1 & 0b1111 | dma
        for mode in outputs:
            if mode == reg.TRGO_COMPARE_PULSE:
                channels |= 1
            elif mode >= reg.TRGO_REFERENCE:
                channels |= 1 << (mode - reg.TRGO_REFERENCE)
        candidates = [self.counter.ticks_to_update()] if update else []
        if any(mode >= reg.TRGO_REFERENCE for mode in outputs):
            candidates.append(self.counter.ticks_to_roll())
        candidates.extend(
            self.counter.ticks_to_match(channel)
            for channel in range(self.channels)
            if channels >> channel & 1 and self.compares(channel)
        )
        return min((item for item in candidates if item is not None), default=None)

    # What happened, and who is told

    def _take(self, happened: Happened) -> None:
        """Flags, then the next event, then the outside."""
        matched = happened.matches & self.output_channels
        # CC1IF to CC4IF, and apart from them CC5IF and CC6IF
        flags = self.values[reg.SR] | (matched & 0b1111) << 1 | (matched >> 4) << 16
        if happened.updates:
            flags |= reg.UIF
            if not self.counter.running:
                self.store(reg.CR1, self.get(reg.CR1) & ~reg.CEN)
        self.store(reg.SR, flags)
        self.reschedule()
        self.update_interrupts()
        if self.values[reg.DIER] & reg.DMA_ENABLES:
            self._request_dma(happened.updates, matched)
        if self._has_triggers:
            self.follow_references(matched)
            self.drive_triggers(update=happened.updates > 0, compare=bool(matched & 1))

    def _request_dma(self, updates: int, matched: int) -> None:
        enabled, requests = self.get(reg.DIER), []
        if updates and enabled & reg.UDE:
            requests.append("up")
        by_update = bool(self.get(reg.CR2) & reg.CCDS)
        for channel in range(min(self.channels, 4)):
            if enabled & (reg.CC1DE << channel):
                if updates if by_update else matched >> channel & 1:
                    requests.append(f"ch{channel + 1}")
        for request in requests:
            self.pulse(f"{self.name}_{request}")

    def update_interrupts(self) -> None:
        active = self.values[reg.SR] & self.values[reg.DIER] & 0xFF
        self.drive("global", bool(active))
        if self.kind == "advanced":
            self.drive("update", bool(active & reg.UIF))
            self.drive("compare", bool(active & reg.COMPARE_FLAGS))
            self.drive("break", bool(active & reg.BIF))
            self.drive("trigger", bool(active & (reg.TIF | reg.COMIF)))

    # Trigger input

    def _selected_trigger(self) -> str | None:
        smcr = self.get(reg.SMCR)
        number = smcr >> 4 & 7 | (smcr >> 20 & 3) << 3
        if 4 <= number <= 7:
            self.around.note(
                f"{self.name.upper()}'s slave mode is triggered by a pin, and timers have no pins "
                "here: the trigger never comes."
            )
            return None
        index = number if number < 4 else number - 4  # ITR4.. follow the pins' four codes
        if index not in self._triggers:
            self.around.note(
                f"{self.name.upper()}'s slave mode uses the internal trigger ITR{index}, which is "
                "connected to nothing here: the trigger never comes."
            )
        return self._triggers.get(index)

    def _slave_mode(self) -> int:
        smcr = self.get(reg.SMCR)
        return smcr & 7 | (smcr >> 16 & 1) << 3

    def _gate_closed(self) -> bool:
        wire = self._selected_trigger()
        return wire is None or not self.around.signal(wire)

    def _trigger_in(self, wire: str, level: bool) -> None:
        mode = self._slave_mode()
        if mode == reg.SLAVE_OFF or self._selected_trigger() != wire:
            return
        if mode == reg.SLAVE_GATED:
            # The wire has its new level already: what was counted, was so at the old one.
            now_tick = self.ticks()
            while self._due is not None and self._due <= now_tick:
                self._advance_to(self._due)
            if not level and self.counter.running and now_tick > self._tick:
                self._advance_to(now_tick)
            self._tick = max(self._tick, now_tick)
        else:
            self.settle()
        if not level and mode != reg.SLAVE_GATED:
            return
        self.store(reg.SR, self.get(reg.SR) | reg.TIF)
        if self.get(reg.DIER) & reg.TDE:
            self.pulse(f"{self.name}_trig")
        if mode in (reg.SLAVE_RESET, reg.SLAVE_RESET_TRIGGER):
            self._restart()
        if mode in (reg.SLAVE_TRIGGER, reg.SLAVE_RESET_TRIGGER) and not self.counter.running:
            self.counter.running = True
            self.store(reg.CR1, self.get(reg.CR1) | reg.CEN)
            self.drive_triggers()
        if mode == reg.SLAVE_CLOCK and self.counter.running:
            self._take(self.counter.advance(1))
        self.reschedule()
        self.update_interrupts()

    # Registers

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        if size_bytes < 4 and offset & ~3 == reg.CNT:
            self.store(reg.CNT, self.read_CNT())  # what the other half is merged with
        super().write(offset, value, size_bytes)

    def read_CR1(self) -> int:
        self.settle()
        value = self.get(reg.CR1)
        if self.counter.alignment:
            value = value & ~reg.DIR | (reg.DIR if self.counter.falling else 0)
        return value

    def quiet_CR1(self) -> int:
        """CEN falls at the update that ends one pulse, DIR turns with a centre-aligned count."""
        self.settle()
        counter = self.counter
        if not self._counts_clock:
            return FOREVER
        turn = counter.ticks_to_turn()
        stop = counter.ticks_to_update() if counter.one_pulse else None
        return self.quiet_to(*(self._tick + ticks for ticks in (turn, stop) if ticks is not None))

    def write_CR1(self, value: int) -> None:
        self.settle()
        was_on = self.counter.running
        value &= self._by_offset[reg.CR1].writable
        self.store(reg.CR1, value)
        counter = self.counter
        counter.alignment = Alignment(value >> 5 & 3)
        if not counter.alignment:
            counter.falling = bool(value & reg.DIR)
        counter.updates_disabled = bool(value & reg.UDIS)
        counter.one_pulse = bool(value & reg.OPM)
        counter.running = bool(value & reg.CEN)
        if not value & reg.ARPE:
            counter.reload = counter.next_reload
        if counter.running and not was_on:
            self._tick = self.ticks() + reg.START_TICKS
        self.reschedule()
        if counter.running != was_on:
            self.drive_triggers()

    def write_CR2(self, value: int) -> None:
        self.settle()
        self.store(reg.CR2, value & self._by_offset[reg.CR2].writable)
        self.select_triggers()
        self.reschedule()
        self.follow_references()
        self.drive_triggers()

    def write_SMCR(self, value: int) -> None:
        self.settle()
        self.store(reg.SMCR, value)
        mode = self._slave_mode()
        self._external = mode == reg.SLAVE_CLOCK or bool(value & 1 << 14)
        self._is_gated = mode == reg.SLAVE_GATED
        if mode in (1, 2, 3) or value & 1 << 14:
            self.around.note(
                f"{self.name.upper()} is set to count a pin (encoder or external clock mode 2), "
                "and timers have no pins here: it stands still."
            )
            self._external = True
        elif mode != reg.SLAVE_OFF:
            self._selected_trigger()
        self.reschedule()

    def write_DIER(self, value: int) -> None:
        self.settle()
        self.store(reg.DIER, value & self._by_offset[reg.DIER].writable)
        self.reschedule()
        self.update_interrupts()

    def read_SR(self) -> int:
        self.settle()
        return self.get(reg.SR)

    def quiet_SR(self) -> int:
        self.settle()
        flags, found = self.get(reg.SR), self.next_captures()
        if self._counts_clock:
            ahead = [] if flags & reg.UIF else [self.counter.ticks_to_update()]
            ahead += [
                self.counter.ticks_to_match(channel)
                for channel in range(self.channels)
                if self.compares(channel) and not flags & reg.CC_FLAGS[channel]
            ]
            found += [self._tick + ticks for ticks in ahead if ticks is not None]
        return self.quiet_to(*found)

    def write_SR(self, value: int) -> None:
        self.settle()
        self.values[reg.SR] &= value
        self.reschedule()
        self.update_interrupts()

    def read_EGR(self) -> int:
        return 0

    def write_EGR(self, value: int) -> None:
        self.settle()
        flags, matched = 0, 0
        for channel in range(min(self.channels, 4)):
            if value & reg.CC1IF << channel:
                flags |= reg.CC1IF << channel
                matched |= 1 << channel
                if not self.compares(channel):  # a capture, then
                    self._set_compare(channel, self.counter.count, at_once=True)
        if self.kind != "basic":
            flags |= value & reg.TIF
        if self.kind == "advanced":
            flags |= value & (reg.COMIF | reg.BIF)
            if value & (reg.BIF | 1 << 8):
                self.store(reg.BDTR, self.get(reg.BDTR) & ~reg.MOE)
        self.store(reg.SR, self.get(reg.SR) | flags)
        enabled = self.get(reg.DIER)
        if value & reg.UIF:
            self._restart()
        self.reschedule()
        self.update_interrupts()
        for channel in range(min(self.channels, 4)):
            if (
                matched >> channel & 1
                and enabled & reg.CC1DE << channel
                and not self.get(reg.CR2) & reg.CCDS
            ):
                self.pulse(f"{self.name}_ch{channel + 1}")
        if flags & reg.TIF and enabled & reg.TDE:
            self.pulse(f"{self.name}_trig")
        if flags & reg.COMIF and enabled & reg.COMDE:
            self.pulse(f"{self.name}_com")
        if matched & 1:
            self.drive_triggers(compare=True)

    def _restart(self) -> None:
        """UG or a trigger in reset mode."""
        counter = self.counter
        updates = not counter.updates_disabled
        if updates:
            counter.load()
        counter.restart()
        told = updates and not self.get(reg.CR1) & reg.URS
        if told:
            self.store(reg.SR, self.get(reg.SR) | reg.UIF)
        self.reschedule()
        self.update_interrupts()
        if told and self.get(reg.DIER) & reg.UDE:
            self.pulse(f"{self.name}_up")
        self.follow_references()
        self.drive_triggers(update=updates, restart=True)

    def read_CNT(self) -> int:
        self.settle()
        value = self.counter.count
        if self.get(reg.CR1) & reg.UIFREMAP:
            value = value & 0x7FFFFFFF | (self.get(reg.SR) & reg.UIF) << 31
        return value

    def quiet_CNT(self) -> int:
        self.settle()
        ticks = self.counter.ticks_to_count() if self._counts_clock else None
        return FOREVER if ticks is None else self.quiet_to(self._tick + ticks)

    def write_CNT(self, value: int) -> None:
        self.settle()
        self.counter.count = value & self.maximum
        self.reschedule()

    def write_PSC(self, value: int) -> None:
        self.settle()
        self.store(reg.PSC, value & 0xFFFF)
        self.counter.next_prescaler = value & 0xFFFF
        self.reschedule()

    def write_ARR(self, value: int) -> None:
        self.settle()
        value &= self.maximum
        self.store(reg.ARR, value)
        self.counter.next_reload = value
        if not self.get(reg.CR1) & reg.ARPE:
            self.counter.reload = value
        self.reschedule()

    def write_RCR(self, value: int) -> None:
        self.settle()
        self.store(reg.RCR, value & 0xFFFF)
        self.counter.next_repetitions = value & 0xFFFF
        self.reschedule()

    def _is_preloaded(self, channel: int) -> bool:
        offset = reg.CCMR3 if channel >= 4 else reg.CCMR1 + 4 * (channel // 2)
        return bool(self.get(offset) >> (8 * (channel % 2)) & 1 << 3)

    def _set_compare(self, channel: int, value: int, at_once: bool = False) -> None:
        self.settle()
        value &= self.maximum
        self.store(reg.COMPARES[channel], value)
        self.counter.next_compares[channel] = value
        if at_once or not self._is_preloaded(channel):
            self.counter.compares[channel] = value
        self.reschedule()
        self.show_references()

    def write_CCR1(self, value: int) -> None:
        self._set_compare(0, value)

    def write_CCR2(self, value: int) -> None:
        self._set_compare(1, value)

    def write_CCR3(self, value: int) -> None:
        self._set_compare(2, value)

    def write_CCR4(self, value: int) -> None:
        self._set_compare(3, value)

    def write_CCR5(self, value: int) -> None:
        self._set_compare(4, value & 0xFFFF)  # GC5C1.. shape outputs, which are not modelled

    def write_CCR6(self, value: int) -> None:
        self._set_compare(5, value)

    def _write_mode(self, offset: int, value: int) -> None:
        self.settle()
        self.store(offset, value)
        self.select_outputs()
        self.select_captures()
        for channel in range(self.channels):
            if not self._is_preloaded(channel):
                self.counter.compares[channel] = self.counter.next_compares[channel]
        self.reschedule()
        self.show_references()

    def write_CCMR1(self, value: int) -> None:
        self._write_mode(reg.CCMR1, value)

    def write_CCMR2(self, value: int) -> None:
        self._write_mode(reg.CCMR2, value)

    def write_CCMR3(self, value: int) -> None:
        self._write_mode(reg.CCMR3, value)

    def write_DCR(self, value: int) -> None:
        self.store(reg.DCR, value & 0x1F1F)
        self._burst_index = 0

    def _burst_offset(self) -> int:
        """The register that this access of DMAR means: DBA on, DBL+1 of them, round and round."""
        base, length = self.get(reg.DCR) & 0x1F, (self.get(reg.DCR) >> 8 & 0x1F) + 1
        offset = 4 * (base + self._burst_index)
        self._burst_index = (self._burst_index + 1) % length
        return offset

    def read_DMAR(self) -> int:
        return 0 if (offset := self._burst_offset()) == reg.DMAR else self.read_word(offset)

    def write_DMAR(self, value: int) -> None:
        if (offset := self._burst_offset()) != reg.DMAR:
            self.write_word(offset, value)


MODEL = Timer
