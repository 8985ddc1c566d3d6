"""Low-power timer [RM0385, RM0433: LPTIM]: counts its kernel clock, or a bus clock without one.

Interrupt output: "global". Pins (external clock, external trigger, output) are not modelled.
Settings: kernel_clock, the clock's name in the clock tree where it is not the peripheral's own.
"""

from __future__ import annotations

from emu.peripherals.counter import Counter
from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

ISR, ICR, IER, CFGR, CR, CMP, ARR, CNT, OR, CFGR2 = range(0x00, 0x28, 4)
CMPM, ARRM, CMPOK, ARROK = 1, 1 << 1, 1 << 3, 1 << 4
ENABLE, SNGSTRT, CNTSTRT, COUNTRST, RSTARE = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 4
PRELOAD, CKSEL, COUNTMODE, TRIGEN = 1 << 22, 1, 1 << 23, 3 << 17

# assumed: registers are written through two flip-flops of the kernel clock; the manual gives no
# number.
WRITE_TICKS = 2
CMP_CHANNEL, ARR_CHANNEL = 0, 1


class LowPowerTimer(TickingPeripheral):
    """A 16-bit counter; compare and reload values arrive a few kernel clocks after their write."""

    REGISTERS = (
        Register("ISR", ISR),
        Register("ICR", ICR),
        Register("IER", IER, writable=0x7F),
        Register("CFGR", CFGR, writable=0x01FFFFFF),
        Register("CR", CR, writable=0x1F),
        Register("CMP", CMP, writable=0xFFFF),
        Register("ARR", ARR, reset=1, writable=0xFFFF),
        Register("CNT", CNT),
        Register("OR", OR),
        Register("CFGR2", CFGR2),
    )
    STEADY = ("ICR",)
    counter: Counter
    _tick: int
    _written: dict[int, int]  # CMPOK or ARROK: the tick at which it comes

    def reset(self) -> None:
        super().reset()
        self.counter = Counter(maximum=0xFFFF, reload=1, next_reload=1)
        self._tick, self._written = 0, {}

    def tick_hz(self) -> int:
        named = str(self.settings.get("kernel_clock", self.name))
        return self.kernel_clock_hz(named, otherwise_hz=self.clock_hz())

    @property
    def _counts(self) -> bool:
        return self.counter.running and not self.get(CFGR) & (CKSEL | COUNTMODE)

    def settle(self) -> None:
        now_tick, flags = self.ticks(), self.get(ISR)
        if now_tick > self._tick and self._counts:
            matches = self.counter.advance(now_tick - self._tick).matches
            flags |= CMPM if matches & 1 << CMP_CHANNEL else 0
            flags |= ARRM if matches & 1 << ARR_CHANNEL else 0
        self._tick = max(self._tick, now_tick)
        for flag, tick in list(self._written.items()):
            if tick <= now_tick:
                flags |= flag
                del self._written[flag]
        self.store(ISR, flags)
        self.drive("global", bool(flags & self.get(IER)))

    def next_tick(self) -> int | None:
        wanted = self.get(IER) & ~self.get(ISR)
        found = [tick for flag, tick in self._written.items() if wanted & flag]
        if self._counts:
            for flag, channel in ((CMPM, CMP_CHANNEL), (ARRM, ARR_CHANNEL)):
                if wanted & flag and (ticks := self.counter.ticks_to_match(channel)) is not None:
                    found.append(self._tick + ticks)
        return min(found, default=None)

    def read_ISR(self) -> int:
        self.settle()
        return self.get(ISR)

    def quiet_ISR(self) -> int:
        self.settle()
        flags, found = self.get(ISR), list(self._written.values())
        if self._counts:
            for flag, channel in ((CMPM, CMP_CHANNEL), (ARRM, ARR_CHANNEL)):
                ticks = None if flags & flag else self.counter.ticks_to_match(channel)
                found += [] if ticks is None else [self._tick + ticks]
        return self.quiet_to(*found)

    def write_ISR(self, value: int) -> None:
        """Read only."""

    def write_ICR(self, value: int) -> None:
        self.settle()
        self.store(ISR, self.get(ISR) & ~value)
        self.settle()
        self.reschedule()

    def read_ICR(self) -> int:
        return 0

    def write_IER(self, value: int) -> None:
        self.settle()
        self.store(IER, value & 0x7F)
        self.settle()
        self.reschedule()

    def write_CFGR(self, value: int) -> None:
        self.settle()
        self.store(CFGR, value & 0x01FFFFFF)
        self.counter.prescaler = self.counter.next_prescaler = (1 << (value >> 9 & 7)) - 1
        self.counter.prescaler_phase &= self.counter.prescaler
        if value & (CKSEL | COUNTMODE | TRIGEN):
            self.around.note(
                f"{self.name.upper()} is set to count or to be triggered by a pin, and timers have "
                "no pins here: it stands still."
            )
        self.reschedule()

    def write_CR(self, value: int) -> None:
        self.settle()
        counter = self.counter
        if not value & ENABLE:
            self.store(CR, 0)
            counter.running, counter.count, counter.prescaler_phase = False, 0, 0
        else:
            self.store(CR, value & (ENABLE | RSTARE))
            if value & COUNTRST:
                counter.count = counter.prescaler_phase = 0
            if value & (SNGSTRT | CNTSTRT) and not self.get(CFGR) & TRIGEN:
                counter.one_pulse = not value & CNTSTRT
                counter.running = True
        self.reschedule()

    def _write_value(self, offset: int, value: int, flag: int) -> None:
        self.settle()
        self.store(offset, value & 0xFFFF)
        counter = self.counter
        counter.next_compares[CMP_CHANNEL] = self.get(CMP)
        counter.next_compares[ARR_CHANNEL] = counter.next_reload = self.get(ARR)
        if not self.get(CFGR) & PRELOAD or not counter.running:
            counter.load()
        self._written[flag] = self.ticks() + WRITE_TICKS
        self.reschedule()

    def write_CMP(self, value: int) -> None:
        self._write_value(CMP, value, CMPOK)

    def write_ARR(self, value: int) -> None:
        self._write_value(ARR, value, ARROK)

    def read_CNT(self) -> int:
        self.settle()
        if self.get(CR) & RSTARE:  # reading starts the count anew
            value, self.counter.count = self.counter.count, 0
            self.reschedule()
            return value
        return self.counter.count

    def quiet_CNT(self) -> int | None:
        if self.get(CR) & RSTARE:
            return None
        self.settle()
        ticks = self.counter.ticks_to_count() if self._counts else None
        return self.quiet_to(None if ticks is None else self._tick + ticks)

    def write_CNT(self, value: int) -> None:
        """Read only."""


MODEL = LowPowerTimer
