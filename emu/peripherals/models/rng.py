"""Random number generator [RM0385, RM0433: RNG]: the same numbers in every run.

Settings: seed (any number), which picks another sequence. Interrupt output: "global".
"""

from __future__ import annotations

from emu.peripherals.peripheral import WORD, Register
from emu.peripherals.ticking import TickingPeripheral

CR, SR, DR = 0x00, 0x04, 0x08
RNGEN, IE = 1 << 2, 1 << 3
CED = 1 << 5  # clock error detection is off
DRDY, CECS, CEIS = 1, 1 << 1, 1 << 5

TICKS_A_NUMBER = 40  # of RNG_CLK [RM0385 RNG]; assumed for H7
ASSUMED_HZ = 48_000_000  # PLL48CLK, where the clock tree does not tell
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # SplitMix64
LONG = (1 << 64) - 1


class RandomNumberGenerator(TickingPeripheral):
    """A number is ready 40 ticks after the one before was read."""

    REGISTERS = (
        Register("CR", CR, writable=0x3C),
        Register("SR", SR),
        Register("DR", DR),
    )
    _state: int
    _ready_tick: int | None  # None while off

    def reset(self) -> None:
        super().reset()
        self._state = int(self.settings.get("seed", 0))
        self._ready_tick = None

    def tick_hz(self) -> int:
        return self.kernel_clock_hz(self.name, otherwise_hz=ASSUMED_HZ)

    def settle(self) -> None:
        self._update_interrupt()

    def next_tick(self) -> int | None:
        return None if self._is_ready() or not self.get(CR) & IE else self._ready_tick

    def _is_ready(self) -> bool:
        return self._ready_tick is not None and self.ticks() >= self._ready_tick

    def _update_interrupt(self) -> None:
        self.drive("global", bool(self.get(CR) & IE) and self._is_ready())

    def _next_number(self) -> int:
        self._state = (self._state + STEP) & LONG
        mixed = ((self._state ^ self._state >> 30) * FIRST) & LONG
        mixed = ((mixed ^ mixed >> 27) * SECOND) & LONG
        return (mixed ^ mixed >> 31) & WORD

    def write_CR(self, value: int) -> None:
        was_on = self.get(CR) & RNGEN
        self.store(CR, value & 0x3C)
        if not value & RNGEN:
            self._ready_tick = None
        elif not was_on:
            self._ready_tick = self.ticks() + TICKS_A_NUMBER
        self._update_interrupt()
        self.reschedule()

    def _clock_is_slow(self) -> bool:
        """[RM0385 RNG: the clock checker wants RNG_CLK above HCLK/16]."""
        checks = self.get(CR) & RNGEN and not self.get(CR) & CED
        return bool(checks) and self.tick_hz() * 16 < self.around.clocks.hz("ahb")

    def read_SR(self) -> int:
        if self._clock_is_slow():
            return CECS | CEIS
        return DRDY if self._is_ready() else 0

    def quiet_SR(self) -> int:
        return self.quiet_to(None if self._is_ready() else self._ready_tick)

    def quiet_DR(self) -> int | None:
        return None if self._is_ready() else self.quiet_SR()

    def write_SR(self, value: int) -> None:
        """The latched errors are cleared by 0: they show what is the case, and go with it."""

    def read_DR(self) -> int:
        if not self._is_ready():
            return 0
        self._ready_tick = self.ticks() + TICKS_A_NUMBER
        self._update_interrupt()
        self.reschedule()
        return self._next_number()


MODEL = RandomNumberGenerator
