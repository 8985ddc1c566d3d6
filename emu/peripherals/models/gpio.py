"""A GPIO port of STM32F7 and H7: sixteen pins [RM0385, RM0433 GPIO].

Wires: a pin's level goes out as "gpioa.0" (EXTI listens), and the world outside drives a pin by
"pin_pa0". A pin that nobody drives follows its pull resistor, low without one.

Settings: `starts_analog: 1` for H7, whose pins are analog after reset; those of F7 are inputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import Peripheral, Register, Surroundings

MODER, OTYPER, OSPEEDR, PUPDR, IDR, ODR, BSRR, LCKR = range(0x00, 0x20, 4)
AFRL, AFRH = 0x20, 0x24
PINS_COUNT = 16
INPUT, OUTPUT, ALTERNATE, ANALOG = range(4)
PULL_UP = 1
LCKK = 1 << 16
LOCKED_REGISTERS = (MODER, OTYPER, OSPEEDR, PUPDR, AFRL, AFRH)

# The debug pins (PA13 to PA15, PB3 and PB4) are alternate functions after reset
# [RM0385 GPIO, RM0433 GPIO]: MODER of inputs or analog pins, OSPEEDR and PUPDR.
DEBUG_PINS = {
    "a": ((0xA8000000, 0xABFFFFFF), 0x0C000000, 0x64000000),
    "b": ((0x00000280, 0xFFFFFEBF), 0x000000C0, 0x00000100),
}
OTHER_PINS = ((0x00000000, 0xFFFFFFFF), 0x00000000, 0x00000000)


class Gpio(Peripheral):
    """One port; its letter is the last of its name."""

    STEADY = ("IDR", "BSRR")

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self.letter = place.name[-1]
        self._driven: dict[int, bool] = {}  # by the world outside, which a reset leaves as it is
        super().__init__(place, around)

    def registers(self) -> Iterable[Register]:
        moder, ospeedr, pupdr = DEBUG_PINS.get(self.letter, OTHER_PINS)
        return (
            Register("MODER", MODER, moder[1 if self.settings.get("starts_analog") else 0]),
            Register("OTYPER", OTYPER, writable=0xFFFF),
            Register("OSPEEDR", OSPEEDR, ospeedr),
            Register("PUPDR", PUPDR, pupdr),
            Register("IDR", IDR, writable=0),
            Register("ODR", ODR, writable=0xFFFF),
            Register("BSRR", BSRR),
            Register("LCKR", LCKR),
            Register("AFRL", AFRL),
            Register("AFRH", AFRH),
        )

    def reset(self) -> None:
        super().reset()
        self._levels = 0  # of the pins, as IDR shows them
        self._lock_step = 0
        self._locked = 0
        self._configure()
        # All wires, as a reset of the chip has let them go.
        for pin in range(PINS_COUNT):
            self.around.set_signal(f"{self.name}.{pin}", bool(self._levels >> pin & 1))

    def connect(self) -> None:
        for pin in range(PINS_COUNT):
            self.around.on_signal(f"pin_p{self.letter}{pin}", partial(self._drive, pin))

    # Registers

    def read_IDR(self) -> int:
        return self._levels

    def read_BSRR(self) -> int:
        return 0

    def write_BSRR(self, value: int) -> None:
        # A pin that is both set and reset is set.
        self.store(ODR, self.get(ODR) & ~(value >> 16) | value & 0xFFFF)
        self._update()

    def write_LCKR(self, value: int) -> None:
        """LCKK 1, 0, 1 with the same pins locks their configuration until reset."""
        pins, key = value & 0xFFFF, bool(value & LCKK)
        if self._locked:
            return
        if key == (self._lock_step != 1) and (self._lock_step == 0 or pins == self.get(LCKR)):
            self._lock_step += 1
        else:
            self._lock_step = 0
        self.store(LCKR, pins)
        if self._lock_step == 3:
            self._locked, self._lock_step = pins, 0
            self.store(LCKR, pins | LCKK)

    def write_word(self, offset: int, value: int) -> None:
        if self._locked and offset in LOCKED_REGISTERS:
            mask = self._locked_bits(offset)
            value = value & ~mask | self.get(offset) & mask
        super().write_word(offset, value)
        if offset in (MODER, OTYPER, PUPDR):
            self._configure()
        elif offset == ODR:
            self._update()

    def _locked_bits(self, offset: int) -> int:
        """The fields of a register that belong to locked pins."""
        width = 1 if offset == OTYPER else 4 if offset in (AFRL, AFRH) else 2
        first = 8 if offset == AFRH else 0
        field = (1 << width) - 1
        return sum(
            field << (pin - first) * width
            for pin in range(first, min(PINS_COUNT, first + 32 // width))
            if self._locked >> pin & 1
        )

    # Pins

    def _drive(self, pin: int, level: bool) -> None:
        self._driven[pin] = level
        self._configure()

    def _configure(self) -> None:
        """Which pins follow ODR, and what the others are at."""
        moder, pupdr, otyper = self.get(MODER), self.get(PUPDR), self.get(OTYPER)
        self._push_pull = self._open_drain = self._let_go = 0
        for pin in range(PINS_COUNT):
            bit, mode = 1 << pin, moder >> 2 * pin & 3
            if mode == OUTPUT and not otyper & bit:
                self._push_pull |= bit
                continue
            if mode == OUTPUT:
                self._open_drain |= bit
            # An input, an open drain that lets go, or an alternate function, which is assumed to
            # idle: as the wire outside or the pull resistor has it. An analog pin reads 0.
            pulled_up = pupdr >> 2 * pin & 3 == PULL_UP
            if mode != ANALOG and self._driven.get(pin, pulled_up):
                self._let_go |= bit
        self._update()

    def _update(self) -> None:
        """IDR and the wires follow."""
        odr = self.get(ODR)
        levels = odr & self._push_pull | self._let_go & (odr | ~self._open_drain)
        changed, self._levels = levels ^ self._levels, levels
        while changed:
            pin = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            self.around.set_signal(f"{self.name}.{pin}", bool(levels >> pin & 1))


MODEL = Gpio
