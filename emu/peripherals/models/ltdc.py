"""LCD controller [RM0385, RM0433: LTDC]: its raster in time, without a picture.

Interrupt outputs: "global" (line, register reload), "error", which stays low.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

SSCR, BPCR, AWCR, TWCR, GCR, SRCR, BCCR = 0x08, 0x0C, 0x10, 0x14, 0x18, 0x24, 0x2C
IER, ISR, ICR, LIPCR, CPSR, CDSR = 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48
LTDCEN, IMR, VBR = 1, 1, 1 << 1
LIF, RRIF = 1, 1 << 3
LAYER_NAMES = ("CR", "WHPCR", "WVPCR", "CKCR", "PFCR", "CACR", "DCCR", "BFCR")
LAYER_STARTS, LAYER_BYTES = (0x84, 0x104), 0x80

# assumed: the 480 x 272 panel of the DISCO at 60 Hz, where the clock tree does not tell.
ASSUMED_PIXEL_HZ = 9_600_000


class LcdController(TickingPeripheral):
    """A frame is a number of pixel clocks; where the raster is follows from the time."""

    _start_tick: int
    _seen_tick: int

    def registers(self) -> Iterable[Register]:
        for name, offset in (
            ("SSCR", SSCR), ("BPCR", BPCR), ("AWCR", AWCR), ("TWCR", TWCR), ("BCCR", BCCR),
            ("IER", IER), ("ICR", ICR), ("LIPCR", LIPCR), ("SRCR", SRCR),
        ):  # fmt: skip
            yield Register(name, offset)
        yield Register("GCR", GCR, reset=0x2220)
        yield Register("ISR", ISR, writable=0)
        yield Register("CPSR", CPSR, writable=0)
        yield Register("CDSR", CDSR, writable=0)
        for number, start in enumerate(LAYER_STARTS, 1):
            for row, name in enumerate(LAYER_NAMES):
                reset = {"CACR": 0xFF, "BFCR": 0x0607}.get(name, 0)
                yield Register(f"L{number}{name}", start + 4 * row, reset=reset)
            for row, name in enumerate(("CFBAR", "CFBLR", "CFBLNR")):
                yield Register(f"L{number}{name}", start + 0x28 + 4 * row)
            yield Register(f"L{number}CLUTWR", start + 0x40)

    def reset(self) -> None:
        super().reset()
        self._start_tick = self._seen_tick = 0

    def tick_hz(self) -> int:
        return self.kernel_clock_hz(self.name) or ASSUMED_PIXEL_HZ

    # The raster

    @property
    def _runs(self) -> bool:
        return bool(self.get(GCR) & LTDCEN)

    @property
    def _width(self) -> int:
        return (self.get(TWCR) >> 16 & 0xFFF) + 1

    @property
    def _lines(self) -> int:
        return (self.get(TWCR) & 0xFFF) + 1

    def _position(self) -> tuple[int, int]:
        """Column and line."""
        passed = self.ticks() - self._start_tick if self._runs else 0
        line, column = divmod(passed % (self._width * self._lines), self._width)
        return column, line

    def _next_of_line(self, line: int) -> int | None:
        """The first tick after those seen at which a line begins."""
        if not self._runs or line >= self._lines:
            return None
        frame = self._width * self._lines
        first = self._start_tick + line * self._width
        frames = (self._seen_tick - first) // frame + 1
        return first + max(frames, 0) * frame

    @property
    def _blanking_line(self) -> int:
        return min((self.get(AWCR) & 0xFFF) + 1, self._lines - 1)

    def settle(self) -> None:
        now_tick, flags = self.ticks(), self.get(ISR)
        line = self._next_of_line(self.get(LIPCR) & 0xFFF)
        if line is not None and line <= now_tick:
            flags |= LIF
        blanking = self._next_of_line(self._blanking_line)
        if self.get(SRCR) & VBR and blanking is not None and blanking <= now_tick:
            self.store(SRCR, 0)
            flags |= RRIF
        self._seen_tick = now_tick
        self.store(ISR, flags)
        self.drive("global", bool(flags & self.get(IER) & (LIF | RRIF)))

    def next_tick(self) -> int | None:
        wanted, found = self.get(IER) & ~self.get(ISR), []
        if wanted & LIF:
            found.append(self._next_of_line(self.get(LIPCR) & 0xFFF))
        if wanted & RRIF and self.get(SRCR) & VBR:
            found.append(self._next_of_line(self._blanking_line))
        return min((tick for tick in found if tick is not None), default=None)

    # Registers

    def _write(self, offset: int, value: int) -> None:
        self.settle()
        self.store(offset, value)
        self.settle()
        self.reschedule()

    def write_GCR(self, value: int) -> None:
        self.settle()
        if value & LTDCEN and not self._runs:
            self._start_tick = self._seen_tick = self.ticks()
        self._write(GCR, value & 0x00010001 | self.get(GCR) & 0x7770 | value & 0xF0000000)

    def write_TWCR(self, value: int) -> None:
        self._write(TWCR, value)

    def write_AWCR(self, value: int) -> None:
        self._write(AWCR, value)

    def write_LIPCR(self, value: int) -> None:
        self._write(LIPCR, value)

    def write_IER(self, value: int) -> None:
        self._write(IER, value & 0xF)

    def write_SRCR(self, value: int) -> None:
        self.settle()
        # assumed: without a running raster there is no blanking to wait for.
        if value & IMR or (value & VBR and not self._runs):
            self.store(ISR, self.get(ISR) | RRIF)
            value = 0
        self._write(SRCR, value & VBR)

    def read_SRCR(self) -> int:
        self.settle()
        return self.get(SRCR)

    def quiet_SRCR(self) -> int:
        self.settle()
        line = None if self.get(ISR) & LIF else self._next_of_line(self.get(LIPCR) & 0xFFF)
        reloads = self.get(SRCR) & VBR
        return self.quiet_to(line, self._next_of_line(self._blanking_line) if reloads else None)

    def quiet_ISR(self) -> int:
        return self.quiet_SRCR()

    def quiet_CPSR(self) -> int:
        return self.quiet_to(self.ticks() + 1 if self._runs else None)

    def quiet_CDSR(self) -> int:
        """Until the column passes an end of its sync, porch, picture or line."""
        if not self._runs:
            return self.quiet_to(None)
        column, _ = self._position()
        ends = [(self.get(at) >> 16 & 0xFFF) + 1 for at in (SSCR, BPCR, AWCR)]
        following = min((end for end in ends if column < end < self._width), default=self._width)
        return self.quiet_to(self.ticks() + following - column)

    def read_ISR(self) -> int:
        self.settle()
        return self.get(ISR)

    def write_ICR(self, value: int) -> None:
        self.settle()
        self.store(ISR, self.get(ISR) & ~value)
        self._write(ICR, 0)

    def read_CPSR(self) -> int:
        column, line = self._position()
        return column << 16 | line

    def read_CDSR(self) -> int:
        """VDES HDES VSYNCS HSYNCS: inside the picture, inside the sync pulses."""
        column, line = self._position()
        back, active, sync = self.get(BPCR), self.get(AWCR), self.get(SSCR)
        return (
            int((back & 0xFFF) < line <= (active & 0xFFF))
            | int((back >> 16 & 0xFFF) < column <= (active >> 16 & 0xFFF)) << 1
            | int(line <= (sync & 0xFFF)) << 2
            | int(column <= (sync >> 16 & 0xFFF)) << 3
        )


MODEL = LcdController
