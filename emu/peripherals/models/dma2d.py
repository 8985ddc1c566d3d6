"""Chrom-ART [RM0385, RM0433: DMA2D]: fills, copies, converts and blends rectangles of pixels.

Setting: bus_bytes, the width of its port to memory (4; H7: 8). Interrupt output: "global".
A transfer takes effect as a whole, when its time has passed.
assumed: one beat of the bus a clock, over all that is read and written; memories keep up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from emu.peripherals import pixels
from emu.peripherals.peripheral import BusError, Peripheral, Register
from emu.peripherals.pixels import PixelFormat, Pixels, line_bytes
from emu.peripherals.schedule import Event

CR, ISR, IFCR, FGMAR, FGOR, BGMAR, BGOR, FGPFCCR, FGCOLR, BGPFCCR, BGCOLR = range(0x00, 0x2C, 4)
FGCMAR, BGCMAR, OPFCCR, OCOLR, OMAR, OOR, NLR, LWR, AMTCR = range(0x2C, 0x50, 4)
FGCLUT, BGCLUT, END = 0x400, 0x800, 0xC00
START, SUSPEND, ABORT = 1, 1 << 1, 1 << 2
TEIF, TCIF, TWIF, CTCIF, CEIF = 1, 1 << 1, 1 << 2, 1 << 4, 1 << 5
LOAD_CLUT, CLUT_RGB888 = 1 << 5, 1 << 4  # of the format registers
COPY, CONVERT, BLEND, FILL, BLEND_FIXED_FRONT, BLEND_FIXED_BACK = range(6)
NAMES = (
    "CR", "ISR", "IFCR", "FGMAR", "FGOR", "BGMAR", "BGOR", "FGPFCCR", "FGCOLR", "BGPFCCR",
    "BGCOLR", "FGCMAR", "BGCMAR", "OPFCCR", "OCOLR", "OMAR", "OOR", "NLR", "LWR", "AMTCR",
)  # fmt: skip


class Dma2d(Peripheral):
    """One rectangle at a time, a line of it in one go."""

    STEADY = ("IFCR",)
    _event: Event | None = None

    def registers(self) -> Iterable[Register]:
        for row, name in enumerate(NAMES):
            yield Register(name, 4 * row)

    def reset(self) -> None:
        super().reset()
        self._stop()
        self._cluts = {FGCLUT: np.zeros(256, np.uint32), BGCLUT: np.zeros(256, np.uint32)}

    def _stop(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    # Registers

    def read_word(self, offset: int) -> int:
        if FGCLUT <= offset < END:
            return int(self._cluts[offset & ~0x3FF][offset >> 2 & 0xFF])
        return super().read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        if FGCLUT <= offset < END:
            self._cluts[offset & ~0x3FF][offset >> 2 & 0xFF] = value
        else:
            super().write_word(offset, value)

    def write_CR(self, value: int) -> None:
        busy = self.get(CR) & START
        if value & ABORT:
            self._stop()
            value, busy = value & ~(START | ABORT), 0
            for form in (FGPFCCR, BGPFCCR):
                self.store(form, self.get(form) & ~LOAD_CLUT)
        self.store(CR, value | busy)
        if value & START and not busy:
            self._after(self._transfer_bytes(), self._finish)
        self._update()

    def write_ISR(self, value: int) -> None:
        """Read only."""

    def write_IFCR(self, value: int) -> None:
        self.store(ISR, self.get(ISR) & ~value)
        self._update()

    def read_IFCR(self) -> int:
        return 0

    def write_FGPFCCR(self, value: int) -> None:
        self._write_format(FGPFCCR, value)

    def write_BGPFCCR(self, value: int) -> None:
        self._write_format(BGPFCCR, value)

    def _write_format(self, offset: int, value: int) -> None:
        self.store(offset, value)
        if value & LOAD_CLUT:
            entry_bytes = 3 if value & CLUT_RGB888 else 4
            self._after(((value >> 8 & 0xFF) + 1) * entry_bytes, lambda: self._load_clut(offset))

    def _update(self) -> None:
        self.set_irq("global", bool(self.get(ISR) & self.get(CR) >> 8 & 0x3F))

    def _raise(self, flags: int) -> None:
        self.store(ISR, self.get(ISR) | flags)
        self._update()

    # Work

    def _after(self, moved_bytes: int, action: Callable[[], None]) -> None:
        self._stop()
        ticks = -(-moved_bytes // int(self.settings.get("bus_bytes", 4)))
        self._event = self.around.after_ticks(ticks, self.clock_hz(), action)

    @property
    def _mode(self) -> int:
        return self.get(CR) >> 16 & 7

    @property
    def _size(self) -> tuple[int, int]:
        """Pixels a line, lines."""
        return self.get(NLR) >> 16 & 0x3FFF, self.get(NLR) & 0xFFFF

    def _format(self, register: int) -> PixelFormat:
        code = self.get(register) & 15
        try:
            return PixelFormat(code)
        except ValueError:
            self.around.note(
                f"{self.name.upper()} is given pixel format {code}, which is not modelled: it is "
                "taken for ARGB8888."
            )
            return PixelFormat.ARGB8888

    @property
    def _output_format(self) -> PixelFormat:
        """A plain copy knows one format only, the foreground's."""
        if self._mode == COPY:
            return self._format(FGPFCCR)
        return PixelFormat(min(self.get(OPFCCR) & 7, PixelFormat.ARGB4444))

    def _transfer_bytes(self) -> int:
        width, lines = self._size
        moved = line_bytes(width, self._output_format)
        if self._mode in (COPY, CONVERT, BLEND, BLEND_FIXED_BACK):
            moved += line_bytes(width, self._format(FGPFCCR))
        if self._mode in (BLEND, BLEND_FIXED_FRONT):
            moved += line_bytes(width, self._format(BGPFCCR))
        return moved * lines

    def _finish(self) -> None:
        self._event = None
        flags = TCIF | TWIF if 0 < self.get(LWR) <= self._size[1] else TCIF
        try:
            self._transfer()
        except BusError as problem:
            flags = TEIF
            self.around.note(
                f"{self.name.upper()} met {problem}, outside the memory of this board, and stopped."
            )
        self.store(CR, self.get(CR) & ~START)
        self._raise(flags)

    def _transfer(self) -> None:
        width, lines = self._size
        if not width:
            return
        output, target = self._output_format, self.get(OMAR)
        step = line_bytes(width + (self.get(OOR) & 0x3FFF), output)
        length = line_bytes(width, output)
        fill = self._fill_line(width) if self._mode == FILL else b""
        for line in range(lines):
            data = fill or self._line(line, width)
            self.around.bus_write(target + line * step, int.from_bytes(data, "little"), length)

    def _fill_line(self, width: int) -> bytes:
        """OCOLR is in the output's format already."""
        size_bytes = pixels.BITS[self._output_format] // 8
        mask = (1 << 8 * size_bytes) - 1
        return (self.get(OCOLR) & mask).to_bytes(size_bytes, "little") * width

    def _line(self, line: int, width: int) -> bytes:
        mode = self._mode
        if mode == COPY:
            return self._source(line, width, FGMAR, FGOR, FGPFCCR)
        front = self._pixels(line, width, FGMAR, FGOR, FGPFCCR, mode == BLEND_FIXED_FRONT)
        if mode != CONVERT:
            back = self._pixels(line, width, BGMAR, BGOR, BGPFCCR, mode == BLEND_FIXED_BACK)
            front = pixels.blend(front, back)
        return pixels.pack(self._swapped(front, OPFCCR), self._output_format)

    def _source(self, line: int, width: int, memory: int, offset: int, form: int) -> bytes:
        kind = self._format(form)
        step = line_bytes(width + (self.get(offset) & 0x3FFF), kind)
        length = line_bytes(width, kind)
        word = self.around.bus_read(self.get(memory) + line * step, length)
        return word.to_bytes(length, "little")

    def _pixels(
        self, line: int, width: int, memory: int, offset: int, form: int, fixed: bool
    ) -> Pixels:
        """A line of the foreground or background, alpha and order of colours as set."""
        control, colour = self.get(form), self.get(form + 4)
        if fixed:
            one = [pixels.OPAQUE, colour >> 16 & 0xFF, colour >> 8 & 0xFF, colour & 0xFF]
            found = np.tile(np.array(one, np.uint8), (width, 1))
        else:
            clut = self._cluts[FGCLUT if form == FGPFCCR else BGCLUT]
            data = self._source(line, width, memory, offset, form)
            found = pixels.unpack(data, self._format(form), clut, colour)[:width]
        return pixels.with_alpha(self._swapped(found, form), control >> 16 & 3, control >> 24)

    def _swapped(self, found: Pixels, form: int) -> Pixels:
        """AI inverts the alpha, RBS exchanges red and blue."""
        control = self.get(form)
        if control & 1 << 20:
            found[:, 0] = 255 - found[:, 0]
        if control & 1 << 21:
            found = found[:, [0, 3, 2, 1]]
        return found

    def _load_clut(self, form: int) -> None:
        self._event = None
        control = self.get(form)
        address = self.get(FGCMAR if form == FGPFCCR else BGCMAR)
        count, size_bytes = (control >> 8 & 0xFF) + 1, 3 if control & CLUT_RGB888 else 4
        self.store(form, control & ~LOAD_CLUT)
        try:
            data = self.around.bus_read(address, count * size_bytes)
        except BusError:
            self._raise(TEIF)
            return
        kind = PixelFormat.RGB888 if size_bytes == 3 else PixelFormat.ARGB8888
        found = pixels.unpack(
            data.to_bytes(count * size_bytes, "little"), kind, self._cluts[FGCLUT], 0
        )
        words = np.frombuffer(pixels.pack(found, PixelFormat.ARGB8888), "<u4")
        self._cluts[FGCLUT if form == FGPFCCR else BGCLUT][:count] = words
        self._raise(CTCIF)


MODEL = Dma2d
