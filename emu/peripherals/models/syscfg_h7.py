"""SYSCFG of STM32H742/H743/H753, RM0433 chapter 12."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from emu.peripherals.exti_selection import ExtiSelection
from emu.peripherals.peripheral import Register

CCCSR, PWRCR, PKGR, UR0 = 0x20, 0x2C, 0x124, 0x300

_EN, _READY = 1 << 0, 1 << 8
_ODEN = 1 << 0
_LQFP144 = 0b0010  # assumed: NUCLEO-H743ZI; package codes of SYSCFG_PKGR not seen

# Option bytes as delivered: RDP level 0, boot from flash or system memory, nothing protected.
_USER_REGISTERS = {
    0: 0x00AA0000, 2: 0x08000000, 3: 0x1FF0, 5: 0x00FF0000, 6: 0x000000FF, 7: 0x000000FF,
    9: 0x00FF00FF, 10: 0x00FF0000, 11: 0x00010000, 14: 0x1, 15: 0x00010000, 16: 0x1,
}  # fmt: skip


@runtime_checkable
class Regulator(Protocol):
    """What follows SYSCFG's over-drive bit: the power controller."""

    def voltage_changes(self) -> None: ...


class SyscfgH7(ExtiSelection):
    """System configuration of STM32H743: EXTI lines, compensation cell, the boost to scale 0."""

    REGISTERS = (
        Register("PMCR", 0x04),
        *ExtiSelection.EXTI_REGISTERS,
        Register("CFGR", 0x18),
        Register("CCCSR", CCCSR, writable=0x10003),
        Register("CCVR", 0x24, 0x88, writable=0),  # assumed: codes in the middle of their range
        Register("CCCR", 0x28),
        Register("PWRCR", PWRCR, writable=_ODEN),
        Register("PKGR", PKGR, _LQFP144, writable=0),
        *(
            Register(f"UR{number}", UR0 + 4 * number, _USER_REGISTERS.get(number, 0), writable=0)
            for number in range(18)
        ),
    )
    STEADY = ("CCCSR",)

    @property
    def over_drive(self) -> bool:
        """ODEN: voltage scale 1 is boosted to scale 0."""
        return bool(self.get(PWRCR) & _ODEN)

    def read_CCCSR(self) -> int:
        value = self.get(CCCSR)
        return value | _READY if value & _EN else value

    def write_PWRCR(self, value: int) -> None:
        changed = (self.get(PWRCR) ^ value) & _ODEN
        self.store(PWRCR, value & _ODEN)
        power = self.around.peripheral("pwr")
        if changed and isinstance(power, Regulator):
            power.voltage_changes()


MODEL = SyscfgH7
