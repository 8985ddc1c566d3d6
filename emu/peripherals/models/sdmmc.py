"""SD/MMC host [RM0385: SDMMC, RM0433: SDMMC] with no card in the slot: commands time out.

Setting: version 1 (F7) or 2 (H7). Interrupt output: "global".
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.peripheral import Register
from emu.peripherals.ticking import TickingPeripheral

POWER, CLKCR, ARG, CMD, RESPCMD, RESP1, RESP2, RESP3, RESP4 = range(0x00, 0x24, 4)
DTIMER, DLEN, DCTRL, DCOUNT, STA, ICR, MASK = range(0x24, 0x40, 4)
ACKTIME, IDMACTRL, FIFO = 0x40, 0x50, 0x80
CTIMEOUT, DTIMEOUT, CMDSENT, TXFIFOE, TXFIFOHE = 1 << 2, 1 << 3, 1 << 7, 1 << 18, 1 << 14

# From the end of a command to its time-out; and a command is 48 bits long [RM0385 SDMMC].
TIMEOUT_CLOCKS, COMMAND_CLOCKS = 64, 48
ASSUMED_HZ = 48_000_000


class SdHost(TickingPeripheral):
    """The command path: CMDSENT for commands without a response, CTIMEOUT for the others."""

    STEADY = ("ICR",)
    _ends: list[tuple[int, int]]  # tick, and the flag that it sets

    def registers(self) -> Iterable[Register]:
        names = ("POWER", "CLKCR", "ARG", "CMD", "RESPCMD", "RESP1", "RESP2", "RESP3", "RESP4")
        for row, name in enumerate((*names, "DTIMER", "DLEN", "DCTRL", "DCOUNT")):
            yield Register(name, 4 * row)
        yield Register("STA", STA, writable=0)
        yield Register("ICR", ICR)
        yield Register("MASK", MASK)
        if self._is_second:
            yield Register("ACKTIME", ACKTIME)
            for row, name in enumerate(("IDMACTRL", "IDMABSIZE", "IDMABASE0", "IDMABASE1")):
                yield Register(name, IDMACTRL + 4 * row)
        else:
            yield Register("FIFOCNT", 0x48, writable=0)
        yield Register("FIFO", FIFO)

    @property
    def _is_second(self) -> bool:
        return int(self.settings.get("version", 1)) == 2

    def reset(self) -> None:
        super().reset()
        self._ends = []

    def tick_hz(self) -> int:
        return self.kernel_clock_hz(self.name) or ASSUMED_HZ

    def settle(self) -> None:
        now_tick, flags = self.ticks(), self.get(STA)
        for tick, flag in self._ends:
            flags |= flag if tick <= now_tick else 0
        self._ends = [(tick, flag) for tick, flag in self._ends if tick > now_tick]
        self.store(STA, flags)
        self.drive("global", bool(flags & self.get(MASK)))

    def next_tick(self) -> int | None:
        return min((tick for tick, flag in self._ends if flag & self.get(MASK)), default=None)

    def _clock_divider(self) -> int:
        control = self.get(CLKCR)
        if self._is_second:
            return max(2 * (control & 0x3FF), 1)
        return 1 if control & 1 << 10 else (control & 0xFF) + 2

    def write_CMD(self, value: int) -> None:
        self.settle()
        self.store(CMD, value)
        enable, waits = (1 << 12, value >> 8 & 3) if self._is_second else (1 << 10, value >> 6 & 3)
        if value & enable:
            clocks = COMMAND_CLOCKS + (TIMEOUT_CLOCKS if waits else 0)
            end = self.ticks() + clocks * self._clock_divider()
            self._ends = [(end, CTIMEOUT if waits else CMDSENT)]
        self.reschedule()

    def write_DCTRL(self, value: int) -> None:
        self.settle()
        self.store(DCTRL, value)
        if value & 1:  # a card that is not there sends no data
            end = self.ticks() + max(self.get(DTIMER), 1) * self._clock_divider()
            self._ends.append((end, DTIMEOUT))
        self.reschedule()

    def read_STA(self) -> int:
        self.settle()
        return self.get(STA) | TXFIFOE | TXFIFOHE

    def quiet_STA(self) -> int:
        self.settle()
        return self.quiet_to(*(tick for tick, _ in self._ends))

    def write_ICR(self, value: int) -> None:
        self.settle()
        self.store(STA, self.get(STA) & ~value)
        self.settle()
        self.reschedule()

    def read_ICR(self) -> int:
        return 0

    def write_MASK(self, value: int) -> None:
        self.settle()
        self.store(MASK, value)
        self.settle()
        self.reschedule()


MODEL = SdHost
