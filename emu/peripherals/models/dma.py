"""Stream DMA of STM32F7 and H7 (DMA1, DMA2): eight streams [RM0385, RM0433 DMA].

On F7 the stream's CHSEL picks one of eight request lines: settings `stream<s>_channel<c>` name the
wire ("usart1_rx"; several apart by spaces). On H7 requests come through a DMAMUX: setting `mux`.
Bursts are not modelled: they move the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.dma_controller import Channel, DmaController, Transfer
from emu.peripherals.peripheral import Register

LISR, HISR, LIFCR, HIFCR = 0x00, 0x04, 0x08, 0x0C
STREAMS_START, STREAM_BYTES = 0x10, 0x18
CR, NDTR, PAR, M0AR, M1AR, FCR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
STREAM_REGISTERS = ("CR", "NDTR", "PAR", "M0AR", "M1AR", "FCR")

EN, DMEIE, TEIE, HTIE, TCIE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4
DIR_SHIFT, CIRC, PINC, MINC = 6, 1 << 8, 1 << 9, 1 << 10
PSIZE_SHIFT, MSIZE_SHIFT, PINCOS, PL_SHIFT = 11, 13, 1 << 15, 16
DBM, CT, CHSEL_SHIFT = 1 << 18, 1 << 19, 25
WRITABLE_WHILE_ON = EN | DMEIE | TEIE | HTIE | TCIE
PERIPHERAL_TO_MEMORY, MEMORY_TO_PERIPHERAL, MEMORY_TO_MEMORY = 0, 1, 2

FTH, DMDIS, FS, FEIE, FCR_RESET = 3, 1 << 2, 7 << 3, 1 << 7, 0x21
FEIF, DMEIF, TEIF, HTIF, TCIF = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 5
FLAGS = FEIF | DMEIF | TEIF | HTIF | TCIF
FLAG_SHIFTS = (0, 6, 16, 22)  # of streams 0..3 in LISR, 4..7 in HISR


class Dma(DmaController):
    """Eight streams of one controller."""

    REGISTERS = (
        Register("LISR", LISR, writable=0),
        Register("HISR", HISR, writable=0),
        Register("LIFCR", LIFCR, writable=0),
        Register("HIFCR", HIFCR, writable=0),
    )
    CHANNEL_WORD = "stream"
    STEADY = ("LIFCR", "HIFCR")

    def registers(self) -> Iterable[Register]:
        return (
            *self.REGISTERS,
            *(
                Register(
                    f"S{stream}{name}",
                    STREAMS_START + STREAM_BYTES * stream + 4 * row,
                    FCR_RESET if name == "FCR" else 0,
                )
                for stream in range(self.CHANNELS_COUNT)
                for row, name in enumerate(STREAM_REGISTERS)
            ),
        )

    def reset(self) -> None:
        super().reset()
        self._flags = [0] * self.CHANNELS_COUNT
        self._programmed_count = [0] * self.CHANNELS_COUNT  # NDTR as it was last written

    # Registers

    def read_LISR(self) -> int:
        return self._status(0)

    def read_HISR(self) -> int:
        return self._status(4)

    def write_LIFCR(self, value: int) -> None:
        self._clear(0, value)

    def write_HIFCR(self, value: int) -> None:
        self._clear(4, value)

    def read_LIFCR(self) -> int:
        return 0

    def read_HIFCR(self) -> int:
        return 0

    def quiet_until(self, offset: int) -> int | None:
        stream = (offset - STREAMS_START) // STREAM_BYTES
        if 0 <= stream < self.CHANNELS_COUNT:
            return self.items_quiet_until(self.channels[stream])
        if offset in (LISR, HISR):
            return self.flags_quiet_until()
        return super().quiet_until(offset)

    def _status(self, first: int) -> int:
        for channel in self.channels:
            self.settle_if_due(channel)
        return sum(self._flags[first + row] << shift for row, shift in enumerate(FLAG_SHIFTS))

    def _clear(self, first: int, value: int) -> None:
        for row, shift in enumerate(FLAG_SHIFTS):
            if cleared := value >> shift & FLAGS:
                stream = first + row
                self.settle(self.channels[stream])
                self._flags[stream] &= ~cleared
                self._drive(stream)

    def read_word(self, offset: int) -> int:
        stream, register = divmod(offset - STREAMS_START, STREAM_BYTES)
        if 0 <= stream < self.CHANNELS_COUNT:
            channel = self.channels[stream]
            self.settle(channel)
            if register == NDTR:
                return channel.remaining_count
            if register == FCR:
                return self.get(offset) & ~FS | self._fifo_status(channel)
        return super().read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        stream, register = divmod(offset - STREAMS_START, STREAM_BYTES)
        if not 0 <= stream < self.CHANNELS_COUNT:
            super().write_word(offset, value)
            return
        channel = self.channels[stream]
        self.settle(channel)
        on = bool(self._register(channel, CR) & EN)
        if register == CR:
            self._write_cr(channel, value)
        elif register == NDTR:
            if not on:
                self._programmed_count[stream] = channel.remaining_count = value & 0xFFFF
        elif register == FCR:
            kept = self.get(offset)
            self.store(offset, kept & ~FEIE | value & FEIE if on else value & (FTH | DMDIS | FEIE))
            self._drive(stream)
        elif register in (M0AR, M1AR):
            self._write_memory(channel, register, offset, value, on)
        elif not on:
            self.store(offset, value)

    def _register(self, channel: Channel, register: int) -> int:
        return self.get(STREAMS_START + STREAM_BYTES * channel.index + register)

    def _store_cr(self, channel: Channel, value: int) -> None:
        self.store(STREAMS_START + STREAM_BYTES * channel.index + CR, value)

    def _write_cr(self, channel: Channel, value: int) -> None:
        old = self._register(channel, CR)
        if old & EN:
            # The rest is locked while the stream is on.
            value = old & ~WRITABLE_WHILE_ON | value & WRITABLE_WHILE_ON
        self._store_cr(channel, value)
        if value & ~old & EN:
            transfer = self._transfer(channel)
            second = value & DBM and value & CT and len(transfer.memories) > 1
            self.begin(channel, transfer, 1 if second else 0)
        elif old & ~value & EN:
            self.end(channel)
            # [RM0385, RM0433 DMA stream suspension]: TCIF tells that the stream is off.
            self._flags[channel.index] |= TCIF
        self._drive(channel.index)

    def _write_memory(
        self, channel: Channel, register: int, offset: int, value: int, on: bool
    ) -> None:
        """The address of the buffer that is not in use may change under way."""
        if on:
            index = 0 if register == M0AR else 1
            transfer = channel.transfer
            if transfer is None or len(transfer.memories) < 2 or channel.memory_index == index:
                return
            self.store(offset, value)
            channel.transfer = self._transfer(channel)
            return
        self.store(offset, value)

    def _fifo_status(self, channel: Channel) -> int:
        """FS: quarters filled, 4 for empty, 5 for full."""
        held = len(channel.fifo)
        level = 4 if not held else 5 if held >= 16 else held // 4
        return level << 3

    def _transfer(self, channel: Channel) -> Transfer:
        cr, fcr = self._register(channel, CR), self._register(channel, FCR)
        direction = cr >> DIR_SHIFT & 3
        copies = direction == MEMORY_TO_MEMORY
        peripheral_bytes = 1 << min(cr >> PSIZE_SHIFT & 3, 2)
        fifo = bool(fcr & DMDIS) or copies
        # Direct mode has one item size, the peripheral's.
        memory_bytes = 1 << min(cr >> MSIZE_SHIFT & 3, 2) if fifo else peripheral_bytes
        memories: tuple[int, ...] = (self._register(channel, M0AR),)
        if cr & DBM and not copies:
            memories = (*memories, self._register(channel, M1AR))
        return Transfer(
            to_memory=direction != MEMORY_TO_PERIPHERAL,
            on_request=not copies,
            peripheral=self._register(channel, PAR),
            memories=memories,
            peripheral_bytes=peripheral_bytes,
            memory_bytes=memory_bytes,
            peripheral_step_bytes=(4 if cr & PINCOS else peripheral_bytes) if cr & PINC else 0,
            memory_step_bytes=memory_bytes if cr & MINC else 0,
            items_count=self._programmed_count[channel.index],
            circular=bool(cr & CIRC) and not copies,
            priority=cr >> PL_SHIFT & 3,
            gather_bytes=4 * ((fcr & FTH) + 1) if fifo else memory_bytes,
        )

    def request_names(self, channel: Channel) -> str | None:
        if "mux" in self.settings:
            return super().request_names(channel)
        line = self._register(channel, CR) >> CHSEL_SHIFT & 7
        found = self.settings.get(f"stream{channel.index}_channel{line}")
        return None if found is None else str(found)

    # What happens

    def half(self, channel: Channel) -> None:
        self._raise(channel, HTIF)

    def complete(self, channel: Channel) -> None:
        cr = self._register(channel, CR)
        if channel.transfer is None:
            self._store_cr(channel, cr & ~EN)
        elif cr & DBM:
            self._store_cr(channel, cr | CT if channel.memory_index else cr & ~CT)
        self._raise(channel, TCIF)

    def failed(self, channel: Channel) -> None:
        self._store_cr(channel, self._register(channel, CR) & ~EN)
        self._raise(channel, TEIF)

    def _raise(self, channel: Channel, flag: int) -> None:
        self._flags[channel.index] |= flag
        self._drive(channel.index)

    def _drive(self, stream: int) -> None:
        """The stream's interrupt: CR bits 1..4 enable flag bits 2..5."""
        channel = self.channels[stream]
        flags, cr = self._flags[stream], self._register(channel, CR)
        level = flags >> 1 & cr & (DMEIE | TEIE | HTIE | TCIE)
        fifo = flags & FEIF and self._register(channel, FCR) & FEIE
        self.set_irq(f"stream{stream}", bool(level or fifo))


MODEL = Dma
