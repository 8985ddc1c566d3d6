"""DMAMUX of STM32H7: which request a DMA channel listens to [RM0433 DMAMUX].

Settings: `channels` (16 of DMAMUX1, 8 of DMAMUX2) and `request<id>`, the wire of a DMAREQ_ID
("usart1_rx"). Synchronisation and the request generators are registers that keep what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from emu.board import MappedPeripheral
from emu.peripherals.peripheral import Peripheral, Register, Surroundings

CSR, CFR, RGCR, RGSR, RGCFR = 0x80, 0x84, 0x100, 0x140, 0x144
GENERATORS_COUNT = 8
DMAREQ_ID = 0xFF
# DMAREQ_ID SOIE EGE SE SPOL NBREQ SYNC_ID
CCR_WRITABLE = 0x1FFF03FF


class Dmamux(Peripheral):
    """Channel x of the multiplexer belongs to one stream or channel of a DMA."""

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._listeners: list[Callable[[int], None]] = []
        super().__init__(place, around)

    @property
    def channels_count(self) -> int:
        return int(self.settings.get("channels", 16))

    def registers(self) -> Iterable[Register]:
        return (
            *(
                Register(f"C{channel}CR", 4 * channel, writable=CCR_WRITABLE)
                for channel in range(self.channels_count)
            ),
            Register("CSR", CSR, writable=0),
            Register("CFR", CFR, writable=0),
            *(Register(f"RG{row}CR", RGCR + 4 * row) for row in range(GENERATORS_COUNT)),
            Register("RGSR", RGSR, writable=0),
            Register("RGCFR", RGCFR, writable=0),
        )

    def reset(self) -> None:
        super().reset()
        for listener in self._listeners:
            for channel in range(self.channels_count):
                listener(channel)

    def request_signal(self, channel: int) -> str | None:
        """The wire that a channel was given by its DMAREQ_ID; None for none."""
        found = self.settings.get(f"request{self.get(4 * channel) & DMAREQ_ID}")
        return None if found is None else str(found)

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Call `listener` with each channel whose DMAREQ_ID changed."""
        self._listeners.append(listener)

    def write_word(self, offset: int, value: int) -> None:
        old = self.get(offset)
        super().write_word(offset, value)
        if offset < 4 * self.channels_count and (old ^ self.get(offset)) & DMAREQ_ID:
            for listener in self._listeners:
                listener(offset // 4)


MODEL = Dmamux
