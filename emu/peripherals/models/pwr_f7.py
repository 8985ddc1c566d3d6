"""PWR of STM32F74x/F75x, RM0385 chapter 4: voltage scale, over-drive, backup domain."""

from __future__ import annotations

from emu.board import MappedPeripheral
from emu.peripherals.delay import FEMTOSECONDS_PER_US, Delay
from emu.peripherals.peripheral import Register, Surroundings
from emu.peripherals.power_control import PowerControl

CR1, CSR1, CR2, CSR2 = 0x00, 0x04, 0x08, 0x0C

_DBP = 1 << 8
_ODEN, _ODSWEN = 1 << 16, 1 << 17
_VOS = 0b11 << 14
_CSBF, _SBF = 1 << 3, 1 << 1
_VOSRDY, _ODRDY, _ODSWRDY = 1 << 14, 1 << 16, 1 << 17
_BRE, _BRR = 1 << 9, 1 << 3
_WAKE_FLAGS = 0x3F

OVER_DRIVE_US = 45  # DS-F746, over-drive switch enable time with HSI; second-hand
VOLTAGE_US = 40  # assumed: as over-drive
# DS-F746: limits by VOS code, without over-drive and with it.
_LIMITS_HZ = {1: (144_000_000, 144_000_000), 2: (168_000_000, 180_000_000),
              3: (180_000_000, 216_000_000)}  # fmt: skip


class PwrF7(PowerControl):
    """Power controller of STM32F746.

    VOSRDY is assumed to clear for a while at each change of VOS, whether the PLL runs or not:
    silicon applies VOS when the PLL is switched on.
    """

    REGISTERS = (
        Register("CR1", CR1, 0xC000, writable=0x000FEFF3),
        Register("CSR1", CSR1, writable=0x300),
        Register("CR2", CR2, writable=0x3F00),
        Register("CSR2", CSR2, writable=0x3F00),
    )

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._voltage, self._over_drive, self._switch = (Delay(around) for _ in range(3))
        super().__init__(place, around)

    def reset(self) -> None:
        super().reset()
        for delay in (self._voltage, self._over_drive, self._switch):
            delay.cancel()

    def core_limit_hz(self) -> int:
        control = self.get(CR1)
        plain_hz, over_drive_hz = _LIMITS_HZ.get((control & _VOS) >> 14, _LIMITS_HZ[1])
        return over_drive_hz if control & _ODSWEN else plain_hz

    def backup_domain_is_open(self) -> bool:
        return bool(self.get(CR1) & _DBP)

    def write_CR1(self, value: int) -> None:
        old = self.get(CR1)
        if value & _CSBF:
            self.store(CSR1, self.get(CSR1) & ~_SBF)
        new = value & self._by_offset[CR1].writable
        self.store(CR1, new)
        for bits, delay, microseconds in (
            (_VOS, self._voltage, VOLTAGE_US),
            (_ODEN, self._over_drive, OVER_DRIVE_US),
            (_ODSWEN, self._switch, OVER_DRIVE_US),
        ):
            if (old ^ new) & bits:
                delay.start(microseconds * FEMTOSECONDS_PER_US)

    def read_CSR1(self) -> int:
        control, status = self.get(CR1), self.get(CSR1)
        ready = _VOSRDY if self._voltage.passed else 0
        ready |= _ODRDY if control & _ODEN and self._over_drive.passed else 0
        ready |= _ODSWRDY if control & _ODSWEN and self._switch.passed else 0
        ready |= _BRR if status & _BRE else 0  # assumed: the backup regulator is ready at once
        return status | ready

    def quiet_CSR1(self) -> int:
        return min(item.passes_at for item in (self._voltage, self._over_drive, self._switch))

    def write_CR2(self, value: int) -> None:
        self.store(CSR2, self.get(CSR2) & ~(value & _WAKE_FLAGS))
        self.store(CR2, value & 0x3F00)  # the clear bits read 0


MODEL = PwrF7
