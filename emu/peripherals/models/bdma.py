"""BDMA of STM32H7: eight channels in the D3 domain, behind DMAMUX2 [RM0433 BDMA].

Unlike the stream DMA it has no FIFO (unlike item sizes cut or extend each item), and a channel
that is done stays enabled until the firmware disables it.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.dma_controller import Channel, DmaController, Transfer
from emu.peripherals.peripheral import Register

ISR, IFCR, CHANNELS_START, CHANNEL_BYTES = 0x00, 0x04, 0x08, 0x14
CCR, CNDTR, CPAR, CM0AR, CM1AR = 0x00, 0x04, 0x08, 0x0C, 0x10
CHANNEL_REGISTERS = ("CCR", "CNDTR", "CPAR", "CM0AR", "CM1AR")

EN, TCIE, HTIE, TEIE, DIR, CIRC = (1 << bit for bit in range(6))
PINC, MINC, PSIZE_SHIFT, MSIZE_SHIFT, PL_SHIFT = 1 << 6, 1 << 7, 8, 10, 12
MEM2MEM, DBM, CT, CCR_WRITABLE = 1 << 14, 1 << 15, 1 << 16, 0x1FFFF
WRITABLE_WHILE_ON = EN | TCIE | HTIE | TEIE
GIF, TCIF, HTIF, TEIF = (1 << bit for bit in range(4))


class Bdma(DmaController):
    """Eight channels of the BDMA."""

    REGISTERS = (Register("ISR", ISR, writable=0), Register("IFCR", IFCR, writable=0))
    STEADY = ("IFCR",)

    def registers(self) -> Iterable[Register]:
        return (
            *self.REGISTERS,
            *(
                Register(f"{name}{channel}", CHANNELS_START + CHANNEL_BYTES * channel + 4 * row)
                for channel in range(self.CHANNELS_COUNT)
                for row, name in enumerate(CHANNEL_REGISTERS)
            ),
        )

    def reset(self) -> None:
        super().reset()
        self._flags = [0] * self.CHANNELS_COUNT

    # Registers

    def quiet_until(self, offset: int) -> int | None:
        index = (offset - CHANNELS_START) // CHANNEL_BYTES
        if 0 <= index < self.CHANNELS_COUNT:
            return self.items_quiet_until(self.channels[index])
        return super().quiet_until(offset)

    def quiet_ISR(self) -> int:
        return self.flags_quiet_until()

    def read_ISR(self) -> int:
        for channel in self.channels:
            self.settle_if_due(channel)
        return sum(
            (flags | (GIF if flags else 0)) << 4 * index for index, flags in enumerate(self._flags)
        )

    def read_IFCR(self) -> int:
        return 0

    def write_IFCR(self, value: int) -> None:
        for channel in self.channels:
            if cleared := value >> 4 * channel.index & 0xF:
                self.settle(channel)
                kept = 0 if cleared & GIF else self._flags[channel.index] & ~cleared
                self._flags[channel.index] = kept
                self._drive(channel)

    def read_word(self, offset: int) -> int:
        index, register = divmod(offset - CHANNELS_START, CHANNEL_BYTES)
        if 0 <= index < self.CHANNELS_COUNT:
            self.settle(self.channels[index])
            if register == CNDTR:
                return self.channels[index].remaining_count
        return super().read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        index, register = divmod(offset - CHANNELS_START, CHANNEL_BYTES)
        if not 0 <= index < self.CHANNELS_COUNT:
            super().write_word(offset, value)
            return
        channel = self.channels[index]
        self.settle(channel)
        on = bool(self._register(channel, CCR) & EN)
        if register == CCR:
            self._write_ccr(channel, value & CCR_WRITABLE)
        elif register == CNDTR:
            if not on:
                channel.remaining_count = value & 0xFFFF
        elif not on:
            self.store(offset, value)

    def _register(self, channel: Channel, register: int) -> int:
        return self.get(CHANNELS_START + CHANNEL_BYTES * channel.index + register)

    def _store_ccr(self, channel: Channel, value: int) -> None:
        self.store(CHANNELS_START + CHANNEL_BYTES * channel.index + CCR, value)

    def _write_ccr(self, channel: Channel, value: int) -> None:
        old = self._register(channel, CCR)
        if old & EN:
            value = old & ~WRITABLE_WHILE_ON | value & WRITABLE_WHILE_ON
        self._store_ccr(channel, value)
        if value & ~old & EN:
            self.begin(channel, self._transfer(channel), 1 if value & DBM and value & CT else 0)
        elif old & ~value & EN:
            self.end(channel)
        self._drive(channel)

    def _transfer(self, channel: Channel) -> Transfer:
        ccr = self._register(channel, CCR)
        peripheral_bytes = 1 << min(ccr >> PSIZE_SHIFT & 3, 2)
        memory_bytes = 1 << min(ccr >> MSIZE_SHIFT & 3, 2)
        memories: tuple[int, ...] = (self._register(channel, CM0AR),)
        if ccr & DBM:
            memories = (*memories, self._register(channel, CM1AR))
        return Transfer(
            to_memory=not ccr & DIR,
            on_request=not ccr & MEM2MEM,
            peripheral=self._register(channel, CPAR),
            memories=memories,
            peripheral_bytes=peripheral_bytes,
            memory_bytes=memory_bytes,
            peripheral_step_bytes=peripheral_bytes if ccr & PINC else 0,
            memory_step_bytes=memory_bytes if ccr & MINC else 0,
            items_count=channel.remaining_count,
            circular=bool(ccr & CIRC) and not ccr & MEM2MEM,
            priority=ccr >> PL_SHIFT & 3,
            packs=False,
        )

    # What happens

    def half(self, channel: Channel) -> None:
        self._raise(channel, HTIF)

    def complete(self, channel: Channel) -> None:
        ccr = self._register(channel, CCR)
        if channel.transfer is not None and ccr & DBM:
            self._store_ccr(channel, ccr | CT if channel.memory_index else ccr & ~CT)
        self._raise(channel, TCIF)

    def failed(self, channel: Channel) -> None:
        self._store_ccr(channel, self._register(channel, CCR) & ~EN)
        self._raise(channel, TEIF)

    def _raise(self, channel: Channel, flag: int) -> None:
        self._flags[channel.index] |= flag
        self._drive(channel)

    def _drive(self, channel: Channel) -> None:
        """The channel's interrupt: CCR bits 1..3 enable flag bits 1..3."""
        enabled = self._register(channel, CCR) & (TCIE | HTIE | TEIE)
        self.set_irq(f"channel{channel.index}", bool(self._flags[channel.index] & enabled))


MODEL = Bdma
