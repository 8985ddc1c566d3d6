"""Window watchdog [RM0385, RM0433: WWDG]: resets the chip when refreshed too early or too late.

Setting: timebase_bit, the lowest bit of WDGTB (7; on H7 11). Interrupt output: "global".
"""

from __future__ import annotations

from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

CR, CFR, SR = 0x00, 0x04, 0x08
WDGA, COUNT, EWI, EWIF = 1 << 7, 0x7F, 1 << 9, 1
LOWEST = 0x40  # one below it, the chip is reset
PRESCALER = 4096


class WindowWatchdog(TickingPeripheral):
    """Counts the bus clock / 4096 / 2**WDGTB down from what CR was given."""

    REGISTERS = (
        Register("CR", CR, reset=COUNT, writable=0xFF),
        Register("CFR", CFR, reset=COUNT, writable=0x3FFF),
        Register("SR", SR, writable=EWIF),
    )
    _loaded_tick: int

    def reset(self) -> None:
        super().reset()
        self._loaded_tick = 0

    @property
    def _divider(self) -> int:
        bit = int(self.settings.get("timebase_bit", 7))
        return PRESCALER << (self.get(CFR) >> bit & (3 if bit == 7 else 7))

    def _count(self) -> int:
        """What is left; the stored CR has what it was given."""
        if not self.get(CR) & WDGA:
            return self.get(CR) & COUNT
        return (self.get(CR) & COUNT) - (self.ticks() - self._loaded_tick) // self._divider

    def settle(self) -> None:
        if not self.get(CR) & WDGA:
            return
        count = self._count()
        if count <= LOWEST:
            self.store(SR, EWIF)
            self._update_interrupt()
        if count < LOWEST:
            self.store(CR, COUNT)
            self.around.request_reset("wwdg")

    def next_tick(self) -> int | None:
        if not self.get(CR) & WDGA:
            return None
        counts = (self.get(CR) & COUNT) - LOWEST
        if not self.get(CFR) & EWI or self.get(SR) & EWIF:
            counts += 1
        return self._loaded_tick + counts * self._divider

    def _update_interrupt(self) -> None:
        self.drive("global", bool(self.get(CFR) & EWI and self.get(SR) & EWIF))

    def read_CR(self) -> int:
        return self.get(CR) & WDGA | self._count() & COUNT

    def _tick_of(self, counts: int) -> int:
        """The tick at which that many were counted down since CR was written."""
        return self._loaded_tick + counts * self._divider

    def quiet_CR(self) -> int | None:
        if not self.get(CR) & WDGA:
            return self.quiet_to(None)
        counted = (self.get(CR) & COUNT) - self._count()
        return self.quiet_to(self._tick_of(counted + 1))

    def quiet_SR(self) -> int | None:
        self.settle()
        if not self.get(CR) & WDGA:
            return self.quiet_to(None)
        counts = (self.get(CR) & COUNT) - LOWEST + (1 if self.get(SR) & EWIF else 0)
        return self.quiet_to(self._tick_of(counts))

    def write_CR(self, value: int) -> None:
        was_on = self.get(CR) & WDGA
        early = was_on and self._count() > (self.get(CFR) & COUNT)
        self.store(CR, (value & 0xFF) | was_on)
        self._loaded_tick = self.ticks()
        if self.get(CR) & WDGA and (early or value & COUNT < LOWEST):
            self.store(CR, COUNT)
            self.around.request_reset("wwdg window" if early else "wwdg")
        self.reschedule()

    def write_CFR(self, value: int) -> None:
        self.store(CFR, value & 0x3FFF | self.get(CFR) & EWI)
        self._update_interrupt()
        self.reschedule()

    def read_SR(self) -> int:
        self.settle()
        return self.get(SR)

    def write_SR(self, value: int) -> None:
        self.store(SR, self.get(SR) & value)
        self._update_interrupt()
        self.reschedule()


MODEL = WindowWatchdog
