"""Hardware semaphores [RM0433: HSEM], as seen by the one core that is here.

Interrupt output: "global".
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.peripherals.peripheral import WORD, Peripheral, Register

SEMAPHORES_COUNT = 32
RLR, IER, ICR, ISR, MISR, CR, KEYR = 0x80, 0x100, 0x104, 0x108, 0x10C, 0x140, 0x144
LOCK, CORE = 1 << 31, 3 << 8  # the Cortex-M7 is core 3 [RM0433 HSEM: COREID]
OWNER = 0xFFF


class HardwareSemaphores(Peripheral):
    """R takes with a process number, RLR by reading; R without LOCK gives back."""

    def registers(self) -> Iterable[Register]:
        for number in range(SEMAPHORES_COUNT):
            yield Register(f"R{number}", 4 * number)
            yield Register(f"RLR{number}", RLR + 4 * number)
        yield Register("IER", IER)
        yield Register("ICR", ICR)
        yield Register("ISR", ISR)
        yield Register("MISR", MISR)
        yield Register("CR", CR)
        yield Register("KEYR", KEYR)

    STEADY = ("MISR",)

    def quiet_until(self, offset: int) -> int | None:
        if RLR <= offset < IER and not self.get(offset - RLR) & LOCK:
            return None  # reading takes it
        return super().quiet_until(offset)

    def read_word(self, offset: int) -> int:
        if RLR <= offset < IER:
            number = (offset - RLR) // 4
            if not self.get(4 * number) & LOCK:
                self.store(4 * number, LOCK | CORE)
            return self.get(4 * number)
        return super().read_word(offset)

    def write_word(self, offset: int, value: int) -> None:
        if offset < RLR:
            self._write_semaphore(offset, value)
        elif offset >= IER:
            super().write_word(offset, value)

    def _write_semaphore(self, offset: int, value: int) -> None:
        owner, held = self.get(offset) & OWNER, self.get(offset) & LOCK
        if value & LOCK:
            if not held and value & 0xF00 == CORE:
                self.store(offset, LOCK | value & OWNER)
        elif held and value & OWNER == owner:
            self.store(offset, 0)
            self._freed(1 << offset // 4)

    def _freed(self, which: int) -> None:
        self.store(ISR, self.get(ISR) | which)
        self._update_interrupt()

    def _update_interrupt(self) -> None:
        self.set_irq("global", bool(self.get(ISR) & self.get(IER)))

    def write_IER(self, value: int) -> None:
        self.store(IER, value)
        self._update_interrupt()

    def write_ICR(self, value: int) -> None:
        self.store(ISR, self.get(ISR) & ~value)
        self._update_interrupt()

    def write_ISR(self, value: int) -> None:
        """Read only."""

    def read_MISR(self) -> int:
        return self.get(ISR) & self.get(IER)

    def write_CR(self, value: int) -> None:
        """With the key, all semaphores of a core are given back."""
        if value >> 16 != self.get(KEYR) >> 16 or value & 0xF00 != CORE:
            return
        for number in range(SEMAPHORES_COUNT):
            if self.get(4 * number) & LOCK:
                self.store(4 * number, 0)
                self._freed(1 << number)

    def write_KEYR(self, value: int) -> None:
        self.store(KEYR, value & WORD & ~0xFFFF)


MODEL = HardwareSemaphores
