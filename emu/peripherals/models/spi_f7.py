"""SPI master of STM32F7 [RM0385 SPI] with nothing on MISO but its pull-up: ones are received.

A frame takes its bits' time on the wire. Slave mode receives nothing; CRC and I2S are kept as
written. Interrupt output: "global". DMA requests: "<spi>_tx", "<spi>_rx".
"""

from __future__ import annotations

from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

CR1, CR2, SR, DR, CRCPR, RXCRCR, TXCRCR, I2SCFGR, I2SPR = range(0x00, 0x24, 4)
MSTR, SPE, RXONLY, BIDIOE, BIDIMODE = 1 << 2, 1 << 6, 1 << 10, 1 << 14, 1 << 15  # CR1
RXDMAEN, TXDMAEN, ERRIE, RXNEIE, TXEIE, FRXTH = 1, 2, 1 << 5, 1 << 6, 1 << 7, 1 << 12  # CR2
RXNE, TXE, OVR, BSY = 1, 1 << 1, 1 << 6, 1 << 7
FIFO_BYTES = 4


class SpiF7(TickingPeripheral):
    """Frames written are on the wire one after the other; what they bring waits in a FIFO."""

    REGISTERS = (
        Register("CR1", CR1, writable=0xFFFF),
        Register("CR2", CR2, reset=0x0700, writable=0x7FFF),
        Register("SR", SR, reset=TXE),
        Register("DR", DR),
        Register("CRCPR", CRCPR, reset=7, writable=0xFFFF),
        Register("RXCRCR", RXCRCR, writable=0),
        Register("TXCRCR", TXCRCR, writable=0),
        Register("I2SCFGR", I2SCFGR, writable=0x1FFF),
        Register("I2SPR", I2SPR, reset=2, writable=0x3FF),
    )
    _frames: list[tuple[int, int]]  # begin and end on the wire, in ticks
    _received_bytes: int
    _overrun: bool
    _receiving_since: int | None  # receive-only: end of the last frame that was counted

    def reset(self) -> None:
        super().reset()
        self._frames, self._received_bytes, self._overrun = [], 0, False
        self._receiving_since = None

    @property
    def _frame_bits(self) -> int:
        bits = (self.get(CR2) >> 8 & 15) + 1
        return bits if bits > 3 else 8  # [RM0385 SPI_CR2: what is not used means 8]

    @property
    def _frame_bytes(self) -> int:
        return 2 if self._frame_bits > 8 else 1

    @property
    def _frame_ticks(self) -> int:
        return self._frame_bits * (2 << (self.get(CR1) >> 3 & 7))

    @property
    def _masters(self) -> bool:
        return self.get(CR1) & (MSTR | SPE) == MSTR | SPE

    @property
    def _only_receives(self) -> bool:
        control = self.get(CR1)
        return bool(control & RXONLY or control & (BIDIMODE | BIDIOE) == BIDIMODE)

    @property
    def _only_sends(self) -> bool:
        return self.get(CR1) & (BIDIMODE | BIDIOE) == BIDIMODE | BIDIOE

    # Time

    def settle(self) -> None:
        now_tick = self.ticks()
        while self._frames and self._frames[0][1] <= now_tick:
            self._frames.pop(0)
            if not self._only_sends:
                self._take_frame()
        if self._receiving_since is not None:
            frames = (now_tick - self._receiving_since) // self._frame_ticks
            self._receiving_since += frames * self._frame_ticks
            for _ in range(min(frames, FIFO_BYTES + 1)):
                self._take_frame()
        self._update()

    def _take_frame(self) -> None:
        if self._received_bytes + self._frame_bytes > FIFO_BYTES:
            self._overrun = True
        else:
            self._received_bytes += self._frame_bytes

    def next_tick(self) -> int | None:
        if not self.get(CR2) & (RXDMAEN | TXDMAEN | ERRIE | RXNEIE | TXEIE):
            return None
        now_tick = self.ticks()
        found = [tick for frame in self._frames for tick in frame if tick > now_tick]
        if self._receiving_since is not None and not self._overrun:
            found.append(self._receiving_since + self._frame_ticks)
        return min(found, default=None)

    def _status(self) -> int:
        now_tick = self.ticks()
        waiting_bytes = self._frame_bytes * sum(begin > now_tick for begin, _ in self._frames)
        threshold_bytes = 1 if self.get(CR2) & FRXTH else 2
        status = self._received_bytes.bit_length() << 9 | waiting_bytes.bit_length() << 11
        status |= RXNE if self._received_bytes >= threshold_bytes else 0
        status |= TXE if waiting_bytes <= FIFO_BYTES // 2 else 0
        status |= OVR if self._overrun else 0
        return status | (BSY if self._frames or self._receiving_since is not None else 0)

    def _update(self) -> None:
        status, control = self._status(), self.get(CR2)
        self.drive(
            "global",
            bool(
                (status & RXNE and control & RXNEIE)
                or (status & TXE and control & TXEIE)
                or (status & OVR and control & ERRIE)
            ),
        )
        on = bool(self.get(CR1) & SPE)
        self.around.set_signal(f"{self.name}_rx", on and bool(control & RXDMAEN and status & RXNE))
        self.around.set_signal(f"{self.name}_tx", on and bool(control & TXDMAEN and status & TXE))

    # Registers

    def _changed(self) -> None:
        self._update()
        self.reschedule()

    def write_CR1(self, value: int) -> None:
        self.settle()
        self.store(CR1, value & 0xFFFF)
        receives = self._masters and self._only_receives
        if not value & SPE:
            self._frames = []
        self._receiving_since = (
            None if not receives else self.ticks() if self._receiving_since is None
            else self._receiving_since
        )  # fmt: skip
        self._changed()

    def write_CR2(self, value: int) -> None:
        self.settle()
        self.store(CR2, value & 0x7FFF)
        self._changed()

    def read_SR(self) -> int:
        self.settle()
        status = self._status()
        self._overrun = False  # assumed: by this read alone; silicon wants DR read before it
        return status

    def quiet_until(self, offset: int) -> int | None:
        return None if offset == DR else super().quiet_until(offset)

    def quiet_SR(self) -> int | None:
        self.settle()
        if self._overrun:
            return None
        now_tick = self.ticks()
        found = [tick for frame in self._frames for tick in frame if tick > now_tick]
        if self._receiving_since is not None:
            found.append(self._receiving_since + self._frame_ticks)
        return self.quiet_to(*found)

    def write_SR(self, value: int) -> None:
        """Read only but for the CRC error, which never comes."""

    def read(self, offset: int, size_bytes: int) -> int:
        if offset != DR:
            return super().read(offset, size_bytes)
        self.settle()
        taken_bytes = min(max(self._frame_bytes, size_bytes), self._received_bytes)
        self._received_bytes -= taken_bytes
        self._changed()
        bits = min(8 * size_bytes, 16 if self._frame_bits == 8 else self._frame_bits)
        return (1 << bits) - 1 if taken_bytes else 0

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        if offset != DR:
            super().write(offset, value, size_bytes)
            return
        self.settle()
        if self._masters and not self._only_receives:
            frames = 2 if size_bytes > 1 and self._frame_bytes == 1 else 1
            for _ in range(frames):
                begin = max(self.ticks(), self._frames[-1][1] if self._frames else 0)
                self._frames.append((begin, begin + self._frame_ticks))
        self._changed()


MODEL = SpiF7
