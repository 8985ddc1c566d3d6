"""PWR of STM32H742/H743/H753, RM0433 chapter 6: supply, voltage scale, backup domain, wake-up."""

from __future__ import annotations

from emu.board import MappedPeripheral
from emu.peripherals.delay import FEMTOSECONDS_PER_US, Delay
from emu.peripherals.models.syscfg_h7 import SyscfgH7
from emu.peripherals.peripheral import Register, Surroundings
from emu.peripherals.power_control import PowerControl

CR1, CSR1, CR2, CR3, CPUCR, D3CR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x18
WKUPCR, WKUPFR, WKUPEPR = 0x20, 0x24, 0x28

_DBP = 1 << 8
_READY = 1 << 13  # ACTVOSRDY and VOSRDY
_VOS = 0b11 << 14
_BREN, _BRRDY = 1 << 0, 1 << 16
_SUPPLY, _SCUEN = 0b111, 1 << 2
_USB33DEN, _USBREGEN, _USB33RDY = 1 << 24, 1 << 25, 1 << 26
_CSSF, _STOP_FLAGS = 1 << 9, 0b1111 << 5

VOLTAGE_US = 10  # assumed: a small part of the millisecond that HAL allows
# DS-H743: core clock by VOS code; scale 0 is scale 1 with SYSCFG's over-drive, on revision V.
_LIMITS_HZ = {0: 200_000_000, 1: 200_000_000, 2: 300_000_000, 3: 400_000_000}
_BOOST_LIMIT_HZ = 480_000_000


class PwrH7(PowerControl):
    """Power controller of STM32H743.

    The supply in CR3 is written once after power-on and outlives a reset. Silicon stays in Run*
    mode without that write; here the voltage is ready all the same and a note says what is missing.
    """

    REGISTERS = (
        Register("CR1", CR1, 0xF000C000),
        Register("CSR1", CSR1, 0x4000, writable=0),
        Register("CR2", CR2, writable=0x11),
        Register("CR3", CR3, 0x6),
        Register("CPUCR", CPUCR),
        Register("D3CR", D3CR, 0x4000, writable=_VOS),
        Register("WKUPCR", WKUPCR, writable=0),
        Register("WKUPFR", WKUPFR, writable=0),
        Register("WKUPEPR", WKUPEPR),
    )
    STEADY = ("CR2", "CR3")

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._voltage = Delay(around)
        self._noted = False
        super().__init__(place, around)

    def reset(self) -> None:
        supply = self.values.get(CR3)
        super().reset()
        if supply is not None:
            self.store(CR3, supply)
        self._voltage.cancel()

    def core_limit_hz(self) -> int:
        scale = (self.get(D3CR) & _VOS) >> 14
        syscfg = self.around.peripheral("syscfg")
        if scale == 3 and isinstance(syscfg, SyscfgH7) and syscfg.over_drive:
            return _BOOST_LIMIT_HZ
        return _LIMITS_HZ[scale]

    def backup_domain_is_open(self) -> bool:
        return bool(self.get(CR1) & _DBP)

    def voltage_changes(self) -> None:
        """The regulator is on its way: the ready flags clear for a while."""
        self._voltage.start(VOLTAGE_US * FEMTOSECONDS_PER_US)

    def quiet_CSR1(self) -> int:
        return self._voltage.passes_at

    def quiet_D3CR(self) -> int:
        return self._voltage.passes_at

    def read_CSR1(self) -> int:
        # ACTVOS has the codes of VOS and follows it.
        return self.get(D3CR) & _VOS | (_READY if self._voltage.passed else 0)

    def read_CR2(self) -> int:
        value = self.get(CR2)
        return value | _BRRDY if value & _BREN else value  # assumed: ready at once

    def read_CR3(self) -> int:
        value = self.get(CR3) & ~_USB33RDY
        return value | _USB33RDY if value & (_USB33DEN | _USBREGEN) else value

    def write_CR3(self, value: int) -> None:
        old = self.get(CR3)
        if not old & _SCUEN:
            value = value & ~_SUPPLY | old & _SUPPLY
        elif not value & _SCUEN:
            self.voltage_changes()
        self.store(CR3, value)

    def write_CPUCR(self, value: int) -> None:
        kept = 0 if value & _CSSF else self.get(CPUCR) & _STOP_FLAGS
        self.store(CPUCR, value & ~(_CSSF | _STOP_FLAGS) | kept)

    def read_D3CR(self) -> int:
        return self.get(D3CR) | (_READY if self._voltage.passed else 0)

    def write_D3CR(self, value: int) -> None:
        if self.get(CR3) & _SCUEN and not self._noted:
            self._noted = True
            self.around.note(
                "The firmware changes the voltage scale before it wrote the supply into PWR_CR3 "
                "(HAL_PWREx_ConfigSupply): silicon may never report it ready."
            )
        if (self.get(D3CR) ^ value) & _VOS:
            self.voltage_changes()
        self.store(D3CR, value & _VOS)

    def write_WKUPCR(self, value: int) -> None:
        self.store(WKUPFR, self.get(WKUPFR) & ~value)


MODEL = PwrH7
