"""Basic, general-purpose and advanced timers [RM0385, RM0433: TIMx].

Settings: kind basic|general|advanced (general), bits 16|32 (16), channels 0..6 (by kind), and
itr0..itr12: the timer whose trigger output is that internal trigger input ("tim1").
Interrupt outputs: "global", or of advanced timers "update", "compare", "break" and "trigger".
Wires: drives "<tim>_trgo", "<tim>_trgo2", and the DMA requests "<tim>_up", "<tim>_ch1".. and
"<tim>_trig" and "<tim>_com". Pins are not modelled: no captures, no output levels.

The counter is settled whenever somebody looks; an event is only scheduled for the next update or
match that raises an interrupt, a DMA request or a trigger.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from emu.peripherals.counter import Alignment, Counter, Happened
from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

CR1, CR2, SMCR, DIER, SR, EGR, CCMR1, CCMR2, CCER = range(0x00, 0x24, 4)
CNT, PSC, ARR, RCR, CCR1, CCR2, CCR3, CCR4, BDTR, DCR, DMAR, OR = range(0x24, 0x54, 4)
CCMR3, CCR5, CCR6, AF1, AF2, TISEL = range(0x54, 0x6C, 4)
COMPARES = (CCR1, CCR2, CCR3, CCR4, CCR5, CCR6)

CEN, UDIS, URS, OPM, DIR, ARPE, UIFREMAP = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 7, 1 << 11
CCDS = 1 << 3  # CR2: compare DMA requests come with the update
UIF, CC1IF, COMIF, TIF, BIF = 1, 1 << 1, 1 << 5, 1 << 6, 1 << 7  # SR; DIER and EGR alike
COMPARE_FLAGS = 0b1111 << 1
UDE, CC1DE, COMDE, TDE = 1 << 8, 1 << 9, 1 << 13, 1 << 14  # DIER
MOE = 1 << 15  # BDTR
CC_FLAGS = (1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 16, 1 << 17)  # CC5IF and CC6IF sit apart

TRGO_RESET, TRGO_ENABLE, TRGO_UPDATE, TRGO_COMPARE_PULSE, TRGO_REFERENCE = range(5)
SLAVE_OFF, SLAVE_RESET, SLAVE_GATED, SLAVE_TRIGGER, SLAVE_CLOCK, SLAVE_RESET_TRIGGER = (
    0,
    4,
    5,
    6,
    7,
    8,
)

# The counter starts one tick of its clock after CEN [RM0385 TIM counter: "1 clock cycle after"].
START_TICKS = 1


class Timer(TickingPeripheral):
    """One timer; see the module."""

    counter: Counter
    _tick: int  # of the clock, up to which the counter is settled
    _external: bool  # counts edges of a trigger instead of the clock
    _references: list[bool]  # OCxREF, kept up where a trigger output follows it
    _burst_index: int

    def registers(self) -> Iterable[Register]:
        settings = self.settings
        self.kind = str(settings.get("kind", "general"))
        self.bits = int(settings.get("bits", 16))
        self.channels = int(settings.get("channels", {"basic": 0, "advanced": 6}.get(self.kind, 4)))
        self.maximum = (1 << self.bits) - 1
        basic, wide = self.kind == "basic", self.channels >= 4
        cr1 = CEN | UDIS | URS | OPM | ARPE | UIFREMAP
        cr1 |= 0 if basic else 0x300
        cr1 |= 0x70 if wide else 0
        yield Register("CR1", CR1, writable=cr1)
        yield Register("CR2", CR2, writable=0x70 if basic else 0x00FFFFFF)
        yield Register("DIER", DIER, writable=0x101 if basic else 0x7FFF)
        yield Register("SR", SR)
        yield Register("EGR", EGR)
        yield Register("CNT", CNT)
        yield Register("PSC", PSC, writable=0xFFFF)
        yield Register("ARR", ARR, reset=self.maximum, writable=self.maximum)
        if basic:
            return
        yield Register("SMCR", SMCR)
        yield Register("CCMR1", CCMR1)
        yield Register("CCER", CCER)
        if self.channels > 2:
            yield Register("CCMR2", CCMR2)
        if self.channels > 4:
            yield Register("CCMR3", CCMR3)
        for number, offset in enumerate(COMPARES[: self.channels], 1):
            yield Register(f"CCR{number}", offset, writable=self.maximum)
        if self.kind == "advanced":
            yield Register("RCR", RCR, writable=0xFFFF)
            yield Register("BDTR", BDTR, writable=0x03FFFFFF)
        yield Register("DCR", DCR, writable=0x1F1F)
        yield Register("DMAR", DMAR)
        for name, offset in (("OR", OR), ("AF1", AF1), ("AF2", AF2), ("TISEL", TISEL)):
            yield Register(name, offset)

    def reset(self) -> None:
        super().reset()
        self.counter = Counter(maximum=self.maximum, reload=self.maximum, next_reload=self.maximum)
        self._tick, self._external, self._burst_index = 0, False, 0
        self._references = [False] * 6

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
        return self.counter.running and not self._external and not self._gate_closed()

    def settle(self) -> None:
        """Bring the counter to this cycle, event by event where one is due."""
        now_tick = self.ticks()
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
        return None if ticks is None else self._tick + ticks

    def _ticks_to_visible(self) -> int | None:
        """Ticks until an update or match that somebody is told of."""
        enabled, flags, cr2 = self.get(DIER), self.get(SR), self.get(CR2)
        outputs = self._trigger_modes(cr2)
        wanted = enabled & ~flags & (UIF | COMPARE_FLAGS)
        update = bool(wanted & UIF or enabled & UDE) or TRGO_UPDATE in outputs
        dma = enabled >> 9 & 0b1111
        if dma and cr2 & CCDS:
            update, dma = True, 0
        if TRGO_ENABLE in outputs and self.counter.one_pulse:
            update = True
        channels = wanted >> 1 & 0b1111 | dma
        for mode in outputs:
            if mode == TRGO_COMPARE_PULSE:
                channels |= 1
            elif mode >= TRGO_REFERENCE:
                channels |= 1 << (mode - TRGO_REFERENCE)
        candidates = [self.counter.ticks_to_update()] if update else []
        if any(mode >= TRGO_REFERENCE for mode in outputs):
            candidates.append(self.counter.ticks_to_roll())
        candidates.extend(
            self.counter.ticks_to_match(channel)
            for channel in range(self.channels)
            if channels >> channel & 1 and self._compares(channel)
        )
        return min((item for item in candidates if item is not None), default=None)

    # What happened, and who is told

    def _take(self, happened: Happened) -> None:
        """Flags, then the next event, then the outside."""
        flags, cr2, enabled = self.get(SR), self.get(CR2), self.get(DIER)
        matched = 0
        if happened.updates:
            flags |= UIF
            if not self.counter.running:
                self.store(CR1, self.get(CR1) & ~CEN)
        for channel in range(self.channels):
            if happened.matches >> channel & 1 and self._compares(channel):
                flags |= CC_FLAGS[channel]
                matched |= 1 << channel
        self.store(SR, flags)
        self.reschedule()
        self._update_interrupts()
        requests = []
        if happened.updates and enabled & UDE:
            requests.append("up")
        by_update = bool(cr2 & CCDS)
        for channel in range(min(self.channels, 4)):
            if enabled & (CC1DE << channel):
                if happened.updates if by_update else matched >> channel & 1:
                    requests.append(f"ch{channel + 1}")
        for request in requests:
            self._pulse(f"{self.name}_{request}")
        self._follow_references(matched)
        self._drive_triggers(update=happened.updates > 0, compare=bool(matched & 1))

    def _update_interrupts(self) -> None:
        active = self.get(SR) & self.get(DIER) & 0xFF
        self.drive("global", bool(active))
        if self.kind == "advanced":
            self.drive("update", bool(active & UIF))
            self.drive("compare", bool(active & COMPARE_FLAGS))
            self.drive("break", bool(active & BIF))
            self.drive("trigger", bool(active & (TIF | COMIF)))

    def _pulse(self, wire: str) -> None:
        self.around.set_signal(wire, True)
        self.around.set_signal(wire, False)

    def _compares(self, channel: int) -> bool:
        """Whether a channel is an output: CCxS = 0. Inputs would need pins."""
        if channel >= 4:
            return True
        return not self.get(CCMR1 + 4 * (channel // 2)) >> (8 * (channel % 2)) & 3

    # Trigger outputs

    def _trigger_modes(self, cr2: int) -> tuple[int, ...]:
        """MMS, and MMS2 of those that have it (0..7 of it: TRGO2's double modes act as reset)."""
        mms = cr2 >> 4 & 7
        if self.kind != "advanced" or self.channels < 6:
            return (mms,)
        mms2 = cr2 >> 20 & 15
        return (mms, mms2 if mms2 < 8 else TRGO_RESET)

    def _drive_triggers(
        self, *, update: bool = False, compare: bool = False, restart: bool = False
    ) -> None:
        for number, mode in enumerate(self._trigger_modes(self.get(CR2))):
            wire = f"{self.name}_trgo" + ("2" if number else "")
            if mode == TRGO_ENABLE:
                self.around.set_signal(wire, bool(self.get(CR1) & CEN))
            elif mode >= TRGO_REFERENCE:
                self.around.set_signal(wire, self._references[mode - TRGO_REFERENCE])
            elif (
                (mode == TRGO_RESET and restart)
                or (mode == TRGO_UPDATE and update)
                or (mode == TRGO_COMPARE_PULSE and compare)
            ):
                self._pulse(wire)

    def _follow_references(self, matched: int = 0) -> None:
        """OCxREF by the output mode OCxM, where a trigger output shows it."""
        counter = self.counter
        for mode in self._trigger_modes(self.get(CR2)):
            channel = mode - TRGO_REFERENCE
            if not 0 <= channel < self.channels or not self._compares(channel):
                continue
            half = self.get(CCMR1 + 4 * (channel // 2)) >> (8 * (channel % 2))
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

    # Trigger input

    def _selected_trigger(self) -> str | None:
        smcr = self.get(SMCR)
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
        smcr = self.get(SMCR)
        return smcr & 7 | (smcr >> 16 & 1) << 3

    def _gate_closed(self) -> bool:
        if self._slave_mode() != SLAVE_GATED:
            return False
        wire = self._selected_trigger()
        return wire is None or not self.around.signal(wire)

    def _trigger_in(self, wire: str, level: bool) -> None:
        mode = self._slave_mode()
        if mode == SLAVE_OFF or self._selected_trigger() != wire:
            return
        if mode == SLAVE_GATED:
            # The wire has its new level already: what was counted, was so at the old one.
            now_tick = self.ticks()
            while self._due is not None and self._due <= now_tick:
                self._advance_to(self._due)
            if not level and self.counter.running and now_tick > self._tick:
                self._advance_to(now_tick)
            self._tick = max(self._tick, now_tick)
        else:
            self.settle()
        if not level and mode != SLAVE_GATED:
            return
        self.store(SR, self.get(SR) | TIF)
        if self.get(DIER) & TDE:
            self._pulse(f"{self.name}_trig")
        if mode in (SLAVE_RESET, SLAVE_RESET_TRIGGER):
            self._restart()
        if mode in (SLAVE_TRIGGER, SLAVE_RESET_TRIGGER) and not self.counter.running:
            self.counter.running = True
            self.store(CR1, self.get(CR1) | CEN)
            self._drive_triggers()
        if mode == SLAVE_CLOCK and self.counter.running:
            self._take(self.counter.advance(1))
        self.reschedule()
        self._update_interrupts()

    # Registers

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        if size_bytes < 4 and offset & ~3 == CNT:
            self.store(CNT, self.read_CNT())  # what the other half is merged with
        super().write(offset, value, size_bytes)

    def read_CR1(self) -> int:
        self.settle()
        value = self.get(CR1)
        if self.counter.alignment:
            value = value & ~DIR | (DIR if self.counter.falling else 0)
        return value

    def write_CR1(self, value: int) -> None:
        self.settle()
        was_on = self.counter.running
        value &= self._by_offset[CR1].writable
        self.store(CR1, value)
        counter = self.counter
        counter.alignment = Alignment(value >> 5 & 3)
        if not counter.alignment:
            counter.falling = bool(value & DIR)
        counter.updates_disabled = bool(value & UDIS)
        counter.one_pulse = bool(value & OPM)
        counter.running = bool(value & CEN)
        if not value & ARPE:
            counter.reload = counter.next_reload
        if counter.running and not was_on:
            self._tick = self.ticks() + START_TICKS
        self.reschedule()
        if counter.running != was_on:
            self._drive_triggers()

    def write_CR2(self, value: int) -> None:
        self.settle()
        self.store(CR2, value & self._by_offset[CR2].writable)
        self.reschedule()
        self._follow_references()
        self._drive_triggers()

    def write_SMCR(self, value: int) -> None:
        self.settle()
        self.store(SMCR, value)
        mode = self._slave_mode()
        self._external = mode == SLAVE_CLOCK or bool(value & 1 << 14)
        if mode in (1, 2, 3) or value & 1 << 14:
            self.around.note(
                f"{self.name.upper()} is set to count a pin (encoder or external clock mode 2), "
                "and timers have no pins here: it stands still."
            )
            self._external = True
        elif mode != SLAVE_OFF:
            self._selected_trigger()
        self.reschedule()

    def write_DIER(self, value: int) -> None:
        self.settle()
        self.store(DIER, value & self._by_offset[DIER].writable)
        self.reschedule()
        self._update_interrupts()

    def read_SR(self) -> int:
        self.settle()
        return self.get(SR)

    def write_SR(self, value: int) -> None:
        self.settle()
        self.store(SR, self.get(SR) & value)
        self.reschedule()
        self._update_interrupts()

    def read_EGR(self) -> int:
        return 0

    def write_EGR(self, value: int) -> None:
        self.settle()
        flags, matched = 0, 0
        for channel in range(min(self.channels, 4)):
            if value & CC1IF << channel:
                flags |= CC1IF << channel
                matched |= 1 << channel
                if not self._compares(channel):  # a capture, then
                    self._set_compare(channel, self.counter.count, at_once=True)
        if self.kind != "basic":
            flags |= value & TIF
        if self.kind == "advanced":
            flags |= value & (COMIF | BIF)
            if value & (BIF | 1 << 8):
                self.store(BDTR, self.get(BDTR) & ~MOE)
        self.store(SR, self.get(SR) | flags)
        enabled = self.get(DIER)
        if value & UIF:
            self._restart()
        self.reschedule()
        self._update_interrupts()
        for channel in range(min(self.channels, 4)):
            if matched >> channel & 1 and enabled & CC1DE << channel and not self.get(CR2) & CCDS:
                self._pulse(f"{self.name}_ch{channel + 1}")
        if flags & TIF and enabled & TDE:
            self._pulse(f"{self.name}_trig")
        if flags & COMIF and enabled & COMDE:
            self._pulse(f"{self.name}_com")
        if matched & 1:
            self._drive_triggers(compare=True)

    def _restart(self) -> None:
        """UG or a trigger in reset mode."""
        counter = self.counter
        updates = not counter.updates_disabled
        if updates:
            counter.load()
        counter.restart()
        told = updates and not self.get(CR1) & URS
        if told:
            self.store(SR, self.get(SR) | UIF)
        self.reschedule()
        self._update_interrupts()
        if told and self.get(DIER) & UDE:
            self._pulse(f"{self.name}_up")
        self._follow_references()
        self._drive_triggers(update=updates, restart=True)

    def read_CNT(self) -> int:
        self.settle()
        value = self.counter.count
        if self.get(CR1) & UIFREMAP:
            value = value & 0x7FFFFFFF | (self.get(SR) & UIF) << 31
        return value

    def write_CNT(self, value: int) -> None:
        self.settle()
        self.counter.count = value & self.maximum
        self.reschedule()

    def write_PSC(self, value: int) -> None:
        self.settle()
        self.store(PSC, value & 0xFFFF)
        self.counter.next_prescaler = value & 0xFFFF
        self.reschedule()

    def write_ARR(self, value: int) -> None:
        self.settle()
        value &= self.maximum
        self.store(ARR, value)
        self.counter.next_reload = value
        if not self.get(CR1) & ARPE:
            self.counter.reload = value
        self.reschedule()

    def write_RCR(self, value: int) -> None:
        self.settle()
        self.store(RCR, value & 0xFFFF)
        self.counter.next_repetitions = value & 0xFFFF
        self.reschedule()

    def _is_preloaded(self, channel: int) -> bool:
        offset = CCMR3 if channel >= 4 else CCMR1 + 4 * (channel // 2)
        return bool(self.get(offset) >> (8 * (channel % 2)) & 1 << 3)

    def _set_compare(self, channel: int, value: int, at_once: bool = False) -> None:
        self.settle()
        value &= self.maximum
        self.store(COMPARES[channel], value)
        self.counter.next_compares[channel] = value
        if at_once or not self._is_preloaded(channel):
            self.counter.compares[channel] = value
        self.reschedule()
        self._follow_references()
        self._drive_triggers()

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
        for channel in range(self.channels):
            if not self._is_preloaded(channel):
                self.counter.compares[channel] = self.counter.next_compares[channel]
        self.reschedule()
        self._follow_references()
        self._drive_triggers()

    def write_CCMR1(self, value: int) -> None:
        self._write_mode(CCMR1, value)

    def write_CCMR2(self, value: int) -> None:
        self._write_mode(CCMR2, value)

    def write_CCMR3(self, value: int) -> None:
        self._write_mode(CCMR3, value)

    def write_DCR(self, value: int) -> None:
        self.store(DCR, value & 0x1F1F)
        self._burst_index = 0

    def _burst_offset(self) -> int:
        """The register that this access of DMAR means: DBA on, DBL+1 of them, round and round."""
        base, length = self.get(DCR) & 0x1F, (self.get(DCR) >> 8 & 0x1F) + 1
        offset = 4 * (base + self._burst_index)
        self._burst_index = (self._burst_index + 1) % length
        return offset

    def read_DMAR(self) -> int:
        return 0 if (offset := self._burst_offset()) == DMAR else self.read_word(offset)

    def write_DMAR(self, value: int) -> None:
        if (offset := self._burst_offset()) != DMAR:
            self.write_word(offset, value)


MODEL = Timer
