"""Independent watchdog [RM0385, RM0433: IWDG]: resets the chip unless it is refreshed."""

from __future__ import annotations

from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

KR, PR, RLR, SR, WINR = range(0x00, 0x14, 4)
REFRESH, UNLOCK, START = 0xAAAA, 0x5555, 0xCCCC
PVU, RVU, WVU = 1, 1 << 1, 1 << 2
FULL = 0xFFF
ASSUMED_LSI_HZ = 32_000  # assumed: typical of both parts, where the clock tree does not tell
UPDATE_TICKS = 5  # of the LSI until a written value is taken over [RM0385 IWDG_SR: up to 5]


class IndependentWatchdog(TickingPeripheral):
    """Counts down at LSI / 4 .. LSI / 256; only its expiry costs an event."""

    REGISTERS = (
        Register("KR", KR),
        Register("PR", PR, writable=7),
        Register("RLR", RLR, reset=FULL, writable=FULL),
        Register("SR", SR),
        Register("WINR", WINR, reset=FULL, writable=FULL),
    )
    STEADY = ("KR",)
    _started: bool
    _unlocked: bool
    _loaded: int  # what the counter was last reloaded with
    _loaded_tick: int  # and when
    _updated: dict[int, int]  # PVU, RVU, WVU: until which tick

    def reset(self) -> None:
        super().reset()
        self._started = self._unlocked = False
        self._loaded, self._loaded_tick, self._updated = FULL, 0, {}

    def tick_hz(self) -> int:
        # The watchdog keeps the LSI running whatever RCC says.
        return self.kernel_clock_hz(self.name, "lsi_forced", "lsi") or ASSUMED_LSI_HZ

    @property
    def _divider(self) -> int:
        return 4 << min(self.get(PR), 6)

    def _count(self) -> int:
        return self._loaded - (self.ticks() - self._loaded_tick) // self._divider

    def _reload(self) -> None:
        self._loaded, self._loaded_tick = self.get(RLR), self.ticks()

    def settle(self) -> None:
        if self._started and self._count() < 0:
            self._started = False
            self.around.request_reset("iwdg")

    def next_tick(self) -> int | None:
        if not self._started:
            return None
        return self._loaded_tick + (self._loaded + 1) * self._divider

    def write_KR(self, value: int) -> None:
        key = value & 0xFFFF
        self._unlocked = key == UNLOCK
        if key == REFRESH and self._started and self._count() > self.get(WINR):
            self._started = False
            self.around.request_reset("iwdg window")
            return
        if key in (REFRESH, START):
            self._reload()
            self._started = self._started or key == START
            self.reschedule()

    def read_KR(self) -> int:
        return 0

    def _write_protected(self, offset: int, value: int, busy: int) -> None:
        if not self._unlocked:
            return
        self.store(offset, value)
        self._updated[busy] = self.ticks() + UPDATE_TICKS
        self.reschedule()

    def write_PR(self, value: int) -> None:
        self._write_protected(PR, value & 7, PVU)

    def write_RLR(self, value: int) -> None:
        self._write_protected(RLR, value & FULL, RVU)

    def write_WINR(self, value: int) -> None:
        if self._unlocked:
            self._reload()  # [RM0385 IWDG: writing the window reloads, too]
        self._write_protected(WINR, value & FULL, WVU)

    def read_SR(self) -> int:
        now_tick = self.ticks()
        return sum(flag for flag, tick in self._updated.items() if now_tick < tick)

    def quiet_SR(self) -> int:
        now_tick = self.ticks()
        return self.quiet_to(*(tick for tick in self._updated.values() if tick > now_tick))

    def write_SR(self, value: int) -> None:
        """Read only."""


MODEL = IndependentWatchdog
