"""SPI master of STM32H7 [RM0433 SPI] with nothing on MISO but its pull-up: ones are received.

A frame takes its bits' time on the wire. Slave mode receives nothing; CRC and I2S are kept as
written. Interrupt output: "global". DMA requests: "<spi>_tx", "<spi>_rx". Setting: fifo_bytes (16;
8 on SPI4 to SPI6).
"""

from __future__ import annotations

from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

CR1, CR2, CFG1, CFG2, IER, SR, IFCR = range(0x00, 0x1C, 4)
TXDR, RXDR, CRCPOLY, TXCRC, RXCRC, UDRDR, I2SCFGR = 0x20, 0x30, 0x40, 0x44, 0x48, 0x4C, 0x50
SPE, CSTART, CSUSP, HDDIR = 1, 1 << 9, 1 << 10, 1 << 11  # CR1
RXDMAEN, TXDMAEN = 1 << 14, 1 << 15  # CFG1
RXP, TXP, DXP, EOT, TXTF, OVR, SUSP, TXC, RXWNE = (
    1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 6, 1 << 11, 1 << 12, 1 << 15
)  # fmt: skip
LATCHED = 0xFF8 & ~RXP  # EOT to SUSP
MASTER = 1 << 22  # CFG2
SENDS_ONLY, RECEIVES_ONLY, HALF_DUPLEX = 1, 2, 3  # COMM


class SpiH7(TickingPeripheral):
    """A transfer runs from CSTART; TSIZE frames end it, or CSUSP does."""

    REGISTERS = (
        Register("CR1", CR1, writable=0x1FFFF),
        Register("CR2", CR2),
        Register("CFG1", CFG1, reset=0x00070007),
        Register("CFG2", CFG2),
        Register("IER", IER, writable=0x7FF),
        Register("SR", SR, reset=TXP | TXC),
        Register("IFCR", IFCR),
        Register("TXDR", TXDR),
        Register("RXDR", RXDR),
        Register("CRCPOLY", CRCPOLY, reset=0x107),
        Register("TXCRC", TXCRC, writable=0),
        Register("RXCRC", RXCRC, writable=0),
        Register("UDRDR", UDRDR),
        Register("I2SCFGR", I2SCFGR),
    )
    STEADY = ("IFCR",)
    _queued_count: int  # frames in the transmit FIFO
    _received_count: int  # frames in the receive FIFO
    _frame_end: int | None  # tick, of the frame on the wire
    _done_count: int  # frames since CSTART
    _loaded_count: int  # frames written since SPE

    def reset(self) -> None:
        super().reset()
        self._frame_end: int | None = None
        self._queued_count = self._received_count = self._done_count = self._loaded_count = 0

    def tick_hz(self) -> int:
        return self.kernel_clock_hz(self.name) or self.clock_hz()

    # What is set

    @property
    def _frame_bits(self) -> int:
        return (self.get(CFG1) & 0x1F) + 1

    @property
    def _frame_bytes(self) -> int:
        return 1 if self._frame_bits <= 8 else 2 if self._frame_bits <= 16 else 4

    @property
    def _fifo_frames(self) -> int:
        return int(self.settings.get("fifo_bytes", 16)) // self._frame_bytes

    @property
    def _packet_frames(self) -> int:
        return (self.get(CFG1) >> 5 & 15) + 1

    @property
    def _frame_ticks(self) -> int:
        return self._frame_bits * (2 << (self.get(CFG1) >> 28 & 7))

    @property
    def _size_count(self) -> int:
        return self.get(CR2) & 0xFFFF

    @property
    def _direction(self) -> int:
        """COMM, with half duplex taken for the way that it goes."""
        found = self.get(CFG2) >> 17 & 3
        if found == HALF_DUPLEX:
            return SENDS_ONLY if self.get(CR1) & HDDIR else RECEIVES_ONLY
        return found

    # Time

    def settle(self) -> None:
        now_tick = self.ticks()
        while self._frame_end is not None and self._frame_end <= now_tick:
            end, self._frame_end = self._frame_end, None
            self._done_count += 1
            if self._direction != SENDS_ONLY:
                self._received_count += 1
            if self._done_count == self._size_count:
                self._flag(EOT)
                self.store(CR1, self.get(CR1) & ~CSTART)
            self._begin_frame(end)
        self._update()

    def _begin_frame(self, tick: int) -> None:
        """The next frame, if there is one to send and room for what it brings."""
        control = self.get(CR1)
        starts = control & (SPE | CSTART) == SPE | CSTART and self.get(CFG2) & MASTER
        if not starts or self._frame_end is not None:
            return
        if self._direction != SENDS_ONLY and self._received_count >= self._fifo_frames:
            return  # the clock pauses; silicon does so with MASRX, and else overruns
        if self._direction != RECEIVES_ONLY:
            if not self._queued_count:
                return
            self._queued_count -= 1
        self._frame_end = tick + self._frame_ticks

    def next_tick(self) -> int | None:
        watched = self.get(IER) or self.get(CFG1) & (RXDMAEN | TXDMAEN)
        return self._frame_end if watched else None

    def _flag(self, flags: int) -> None:
        self.store(SR, self.get(SR) | flags)

    def _status(self) -> int:
        status, size = self.get(SR) & LATCHED, self._size_count
        room = self._queued_count + self._packet_frames <= self._fifo_frames
        # All frames of the transfer are loaded: no more are asked for.
        status |= TXP if room and not (size and self._loaded_count >= size) else 0
        status |= RXP if self._received_count >= self._packet_frames else 0
        status |= DXP if status & (TXP | RXP) == TXP | RXP else 0
        word_frames = 4 // self._frame_bytes
        if self._received_count >= word_frames:
            status |= RXWNE
        status |= (self._received_count % word_frames & 3) << 13
        if self._frame_end is None and (not self._queued_count or status & EOT):
            status |= TXC
        left_count = max(size - self._done_count, 0) if self.get(CR1) & CSTART else 0
        return status | left_count << 16

    def _update(self) -> None:
        status, config = self._status(), self.get(CFG1)
        on = bool(self.get(CR1) & SPE)
        self.drive("global", on and bool(status & self.get(IER) & 0x7FF))
        self.around.set_signal(f"{self.name}_rx", on and bool(config & RXDMAEN and status & RXP))
        self.around.set_signal(f"{self.name}_tx", on and bool(config & TXDMAEN and status & TXP))

    def _changed(self) -> None:
        self._begin_frame(self.ticks())
        self._update()
        self.reschedule()

    # Registers

    def write_CR1(self, value: int) -> None:
        self.settle()
        old = self.get(CR1)
        if not value & SPE:
            value &= ~CSTART
            self._frame_end = None
            self._queued_count = self._received_count = self._loaded_count = 0
        elif value & CSTART and not old & CSTART:
            self._done_count = 0
        if value & CSUSP and old & CSTART:
            value &= ~CSTART
            self._flag(SUSP)
        self.store(
            CR1, (value | (old & CSTART if value & SPE and not value & CSUSP else 0)) & ~CSUSP
        )
        self._changed()

    def read_CR1(self) -> int:
        self.settle()  # CSTART falls with the last frame
        return self.get(CR1)

    def write_CR2(self, value: int) -> None:
        self.settle()
        self.store(CR2, value)
        self._changed()

    def write_CFG1(self, value: int) -> None:
        self.settle()
        self.store(CFG1, value)
        self._changed()

    def write_IER(self, value: int) -> None:
        self.settle()
        self.store(IER, value & 0x7FF)
        self._changed()

    def read_SR(self) -> int:
        self.settle()
        return self._status()

    def quiet_until(self, offset: int) -> int | None:
        return None if offset == RXDR else super().quiet_until(offset)

    def quiet_SR(self) -> int:
        self.settle()
        return self.quiet_to(self._frame_end)

    def quiet_CR1(self) -> int:
        return self.quiet_SR()

    def write_SR(self, value: int) -> None:
        """Read only."""

    def write_IFCR(self, value: int) -> None:
        self.settle()
        self.store(SR, self.get(SR) & ~(value & LATCHED))
        self._changed()

    def read_IFCR(self) -> int:
        return 0

    def read(self, offset: int, size_bytes: int) -> int:
        if offset != RXDR:
            return super().read(offset, size_bytes)
        self.settle()
        frames = max(size_bytes // self._frame_bytes, 1)
        found = bool(self._received_count)
        self._received_count = max(self._received_count - frames, 0)
        self._changed()
        bits = self._frame_bits if frames == 1 else 8 * size_bytes
        return (1 << min(bits, 8 * size_bytes)) - 1 if found else 0

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        if offset != TXDR:
            super().write(offset, value, size_bytes)
            return
        self.settle()
        if self.get(CR1) & SPE:
            frames = max(size_bytes // self._frame_bytes, 1)
            self._queued_count = min(self._queued_count + frames, self._fifo_frames)
            self._loaded_count += frames
            if self._size_count and self._loaded_count >= self._size_count:
                self._flag(TXTF)
        self._changed()


MODEL = SpiH7
