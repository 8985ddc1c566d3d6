"""EXTICR1..4 of SYSCFG: which port's pin an EXTI line listens to."""

from __future__ import annotations

from typing import ClassVar

from emu.peripherals.peripheral import Peripheral, Register


class ExtiSelection(Peripheral):
    """Four bits a line, four lines a register (RM0385 and RM0433, SYSCFG_EXTICR1)."""

    EXTICR: ClassVar[int] = 0x08
    EXTI_REGISTERS: ClassVar[tuple[Register, ...]] = tuple(
        Register(f"EXTICR{number + 1}", 0x08 + 4 * number, writable=0xFFFF) for number in range(4)
    )

    def exti_port(self, line: int) -> str:
        """The letter of the port whose pin `line` (0 to 15) is watched: "a" to "k"."""
        code = self.get(self.EXTICR + 4 * (line // 4)) >> 4 * (line % 4) & 0xF
        return "abcdefghijklmnop"[code]
