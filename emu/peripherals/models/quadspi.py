"""Quad-SPI controller [RM0385, RM0433: QUADSPI] with a flash that always is ready and erased.

Every command is acknowledged at once, indirect reads give 0xFF, and automatic polling finds what it
waits for, so that a board's flash driver initialises. What is written is not kept, and the
memory-mapped mode shows nothing unless the board has a memory there.
Interrupt output: "global". DMA request wire: the peripheral's name.
"""

from __future__ import annotations

from emu.peripherals.peripheral import Peripheral, Register

CR, DCR, SR, FCR, DLR, CCR, AR, ABR, DR, PSMKR, PSMAR, PIR, LPTR = range(0x00, 0x34, 4)
EN, ABORT, DMAEN, APMS = 1, 1 << 1, 1 << 2, 1 << 22
TEF, TCF, FTF, SMF, TOF, BUSY = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
INDIRECT_WRITE, INDIRECT_READ, AUTO_POLLING, MEMORY_MAPPED = range(4)
NO_PHASE = 0  # ADMODE, DMODE
FIFO_BYTES = 32
ERASED = 0xFF


class QuadSpi(Peripheral):
    """Indirect transfers count their bytes; all else is done when it is asked for."""

    REGISTERS = (
        Register("CR", CR),
        Register("DCR", DCR, writable=0x1F0701),
        Register("SR", SR),
        Register("FCR", FCR),
        Register("DLR", DLR),
        Register("CCR", CCR, writable=0xDFFFFFFF),
        Register("AR", AR),
        Register("ABR", ABR),
        Register("DR", DR),
        Register("PSMKR", PSMKR),
        Register("PSMAR", PSMAR),
        Register("PIR", PIR, writable=0xFFFF),
        Register("LPTR", LPTR, writable=0xFFFF),
    )
    STEADY = ("SR", "FCR")  # done when it is asked for
    _remaining_bytes: int  # of the data phase of an indirect transfer
    _waits_for_data: bool  # a write that begins with its first byte
    _polls_on: bool  # automatic polling that does not stop at its match

    def reset(self) -> None:
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._remaining_bytes, self._waits_for_data, self._polls_on = 0, False, False

    @property
    def _mode(self) -> int:
        return self.get(CCR) >> 26 & 3

    def _update(self) -> None:
        status, control = self.read_SR(), self.get(CR)
        # TEIE TCIE FTIE SMIE TOIE stand sixteen above their flags.
        self.set_irq("global", bool(status & control >> 16 & 0x1F))
        self.around.set_signal(self.name, bool(control & DMAEN and status & FTF))

    # The command

    def _begin(self) -> None:
        """The last register that the command needs was written."""
        mode, has_data = self._mode, self.get(CCR) >> 24 & 3 != NO_PHASE
        self._forget()
        if mode == AUTO_POLLING:
            self.store(SR, self.get(SR) | SMF)
            # The match comes of what the flash answers: the value that is waited for.
            self.store(DR, self.get(PSMAR))
            self._polls_on = not self.get(CR) & APMS
        elif mode in (INDIRECT_WRITE, INDIRECT_READ):
            if has_data:
                self._remaining_bytes = (self.get(DLR) + 1) & 0xFFFFFFFF
                self._waits_for_data = mode == INDIRECT_WRITE
            self._complete_when_done()
        self._update()

    def _complete_when_done(self) -> None:
        """A read has arrived as soon as the FIFO holds what is left of it."""
        in_fifo = FIFO_BYTES if self._mode == INDIRECT_READ else 0
        if self._remaining_bytes <= in_fifo:
            self.store(SR, self.get(SR) | TCF)

    def _move(self, size_bytes: int) -> None:
        self._waits_for_data = False
        self._remaining_bytes = max(self._remaining_bytes - size_bytes, 0)
        self._complete_when_done()
        # A DMA takes an item an edge.
        self.around.set_signal(self.name, False)
        self._update()

    # Registers

    def read(self, offset: int, size_bytes: int) -> int:
        if offset & ~3 != DR or self._mode != INDIRECT_READ or not self._remaining_bytes:
            return super().read(offset, size_bytes)
        taken_bytes = min(size_bytes, self._remaining_bytes)
        self._move(size_bytes)
        return int.from_bytes(bytes([ERASED]) * taken_bytes, "little")

    def quiet_until(self, offset: int) -> int | None:
        takes = offset == DR and self._mode == INDIRECT_READ and self._remaining_bytes
        return None if takes else super().quiet_until(offset)

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        if offset & ~3 == DR:
            if self._mode == INDIRECT_WRITE and self._remaining_bytes:
                self._move(size_bytes)
        else:
            super().write(offset, value, size_bytes)

    def write_CR(self, value: int) -> None:
        self.store(CR, value & ~ABORT)
        if value & ABORT:
            self._forget()
            self.store(SR, self.get(SR) | TCF)
        self._update()

    def write_CCR(self, value: int) -> None:
        self.store(CCR, value & 0xDFFFFFFF)
        if value >> 10 & 3 == NO_PHASE or self._mode == MEMORY_MAPPED:
            self._begin()
        elif not (self._waits_for_data and self._mode == INDIRECT_WRITE):
            self._forget()  # begins with AR; ST's driver sets the mode anew after that

    def write_AR(self, value: int) -> None:
        self.store(AR, value)
        if self.get(CCR) >> 10 & 3 != NO_PHASE and self._mode != MEMORY_MAPPED:
            self._begin()

    def read_SR(self) -> int:
        status = self.get(SR) & (TEF | TCF | SMF | TOF)
        if self._mode == MEMORY_MAPPED:
            return status
        threshold_bytes = (self.get(CR) >> 8 & 0x1F) + 1
        if self._remaining_bytes:
            status |= 0 if self._waits_for_data else BUSY
            if self._mode == INDIRECT_READ:
                level_bytes = min(self._remaining_bytes, FIFO_BYTES)
                status |= level_bytes << 8
                status |= FTF if level_bytes >= threshold_bytes or status & TCF else 0
            else:
                status |= FTF
        return status | (BUSY if self._polls_on else 0)

    def write_SR(self, value: int) -> None:
        """Read only."""

    def read_FCR(self) -> int:
        return 0

    def write_FCR(self, value: int) -> None:
        self.store(SR, self.get(SR) & ~(value & (TEF | TCF | SMF | TOF)))
        self._update()


MODEL = QuadSpi
