"""SYSCFG of STM32F74x/F75x, RM0385 chapter 7."""

from __future__ import annotations

from emu.peripherals.exti_selection import ExtiSelection
from emu.peripherals.peripheral import Register

MEMRMP, CMPCR = 0x00, 0x20

_SWP_FMC = 0b11 << 10
_CMP_PD, _READY = 1 << 0, 1 << 8


class SyscfgF7(ExtiSelection):
    """System configuration of STM32F746: EXTI lines, fast-mode pins, compensation cell."""

    REGISTERS = (
        Register("MEMRMP", MEMRMP, writable=_SWP_FMC),
        Register("PMC", 0x04, writable=0x00870000 | 0xFF),
        *ExtiSelection.EXTI_REGISTERS,
        Register("CMPCR", CMPCR, writable=_CMP_PD),
    )
    STEADY = ("CMPCR",)

    def write_MEMRMP(self, value: int) -> None:
        if value & _SWP_FMC:
            self.around.note(
                "The firmware swaps the FMC banks (SYSCFG_MEMRMP.SWP_FMC), which is not modelled: "
                "SDRAM and NOR stay at their own addresses."
            )
        self.store(MEMRMP, value & _SWP_FMC)

    def read_CMPCR(self) -> int:
        value = self.get(CMPCR)
        return value | _READY if value & _CMP_PD else value  # CMP_PD set means powered


MODEL = SyscfgF7
