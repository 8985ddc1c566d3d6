"""Flexible memory controller [RM0385, RM0433: FMC]: its registers, and what SDRAM bring-up polls.

The memories behind it are regions of the board and answer whether or not they were brought up.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.peripheral import WORD, Register
from emu.peripherals.ticking import TickingPeripheral

PCR, SR, PMEM, PATT, ECCR = 0x80, 0x84, 0x88, 0x8C, 0x94
SDCR1, SDTR1, SDCMR, SDRTR, SDSR = 0x140, 0x148, 0x150, 0x154, 0x158
BUSY = 1 << 5
FIFO_EMPTY = 1 << 6
AUTO_REFRESH, SELF_REFRESH, POWER_DOWN = 3, 5, 6
COMMAND_CLOCKS = 2  # assumed: of the memory, for a command that is not a refresh


class FlexibleMemoryController(TickingPeripheral):
    """Commands to an SDRAM take memory clocks, during which SDSR is busy."""

    _busy_until: int

    def registers(self) -> Iterable[Register]:
        for bank in range(4):
            yield Register(f"BCR{bank + 1}", 8 * bank, reset=0x30D2 if bank else 0x30DB)
            yield Register(f"BTR{bank + 1}", 8 * bank + 4, reset=0x0FFFFFFF)
            yield Register(f"BWTR{bank + 1}", 0x104 + 8 * bank, reset=0x0FFFFFFF)
        yield Register("PCR", PCR, reset=0x18)
        yield Register("SR", SR, reset=FIFO_EMPTY, writable=0x3F)
        yield Register("PMEM", PMEM, reset=0xFCFCFCFC)
        yield Register("PATT", PATT, reset=0xFCFCFCFC)
        yield Register("ECCR", ECCR, writable=0)
        for bank in range(2):
            yield Register(f"SDCR{bank + 1}", SDCR1 + 4 * bank, reset=0x2D0)
            yield Register(f"SDTR{bank + 1}", SDTR1 + 4 * bank, reset=0x0FFFFFFF)
        yield Register("SDCMR", SDCMR)
        yield Register("SDRTR", SDRTR)
        yield Register("SDSR", SDSR, writable=0)

    def reset(self) -> None:
        super().reset()
        self._busy_until = 0

    def tick_hz(self) -> int:
        return self.kernel_clock_hz(self.name, otherwise_hz=self.clock_hz())

    def settle(self) -> None:
        """Nothing moves by itself."""

    def next_tick(self) -> int | None:
        return None

    def write_SDCMR(self, value: int) -> None:
        self.store(SDCMR, value)
        mode = value & 7
        if not mode and not value & 0x18:
            return  # no bank was addressed
        clocks = COMMAND_CLOCKS
        if mode == AUTO_REFRESH:
            row_cycle = (self.get(SDTR1) >> 12 & 15) + 1
            clocks = ((value >> 5 & 15) + 1) * row_cycle
        divider = max(self.get(SDCR1) >> 10 & 3, 1)
        self._busy_until = max(self._busy_until, self.ticks()) + clocks * divider
        state = {SELF_REFRESH: 1, POWER_DOWN: 2}.get(mode, 0)
        status = self.get(SDSR)
        if value & 1 << 4:
            status = status & ~0b00110 | state << 1
        if value & 1 << 3:
            status = status & ~0b11000 | state << 3
        self.store(SDSR, status)

    def read_SDSR(self) -> int:
        return self.get(SDSR) | (BUSY if self.ticks() < self._busy_until else 0)

    def quiet_SDSR(self) -> int:
        return self.quiet_to(self._busy_until if self.ticks() < self._busy_until else None)

    def write_SDRTR(self, value: int) -> None:
        self.store(SDRTR, value & WORD & ~1)  # CRE clears the error, which never comes


MODEL = FlexibleMemoryController
