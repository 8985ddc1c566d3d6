"""FLASH of STM32F74x/F75x, RM0385 chapter 3: latency and ART, programming, sectors, options."""

from __future__ import annotations

from typing import ClassVar

from emu.board import MappedPeripheral
from emu.peripherals.delay import FEMTOSECONDS_PER_US, Delay
from emu.peripherals.flash_interface import KEYS, OPTION_KEYS, FlashInterface, KeyLock, Sector
from emu.peripherals.peripheral import Register, Surroundings

ACR, KEYR, OPTKEYR, SR, CR, OPTCR, OPTCR1 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18

START = 0x08000000
_ARTEN = 1 << 9
_EOP, _OPERR, _WRPERR, _PGPERR, _ERSERR, _BSY = 1, 1 << 1, 1 << 4, 1 << 6, 1 << 7, 1 << 16
_ERRORS = 0xF0
_PG, _SER, _MER, _STRT = 1 << 0, 1 << 1, 1 << 2, 1 << 16
_EOPIE, _ERRIE, _LOCK = 1 << 24, 1 << 25, 1 << 31
_OPTLOCK, _OPTSTRT = 1 << 0, 1 << 1
_FEMTOSECONDS_PER_MS = 1000 * FEMTOSECONDS_PER_US

# DS-F746, flash memory programming, typical at 32 bits parallelism and 3.3 V; second-hand.
PROGRAM_US = 16
MASS_ERASE_MS = 4_000
OPTIONS_MS = 100  # assumed


def _sectors() -> tuple[Sector, ...]:
    """RM0385, flash module organization: 4 x 32, 1 x 128, 3 x 256 KiB."""
    found, start = [], START
    for size_kib, erase_ms, count in ((32, 200, 4), (128, 500, 1), (256, 1_000, 3)):
        for _ in range(count):
            found.append(Sector(start, size_kib * 1024, erase_ms))
            start += size_kib * 1024
    return tuple(found)


class FlashF7(FlashInterface):
    """Flash interface of STM32F746: one bank of 1 MiB, programmed on the AXI address only.

    A refused store sets its flag in SR and is dropped (assumed: silicon gives no bus error).
    What is programmed or erased reads back at once; BSY says how long silicon would take.
    """

    REGISTERS = (
        Register("ACR", ACR, writable=0xB0F),
        Register("KEYR", KEYR, writable=0),
        Register("OPTKEYR", OPTKEYR, writable=0),
        Register("SR", SR, writable=0, clear_by_one=_ERRORS | _OPERR | _EOP),
        Register("CR", CR, _LOCK),
        Register("OPTCR", OPTCR, 0xC0FFAAFD),
        Register("OPTCR1", OPTCR1, 0x00400080),
    )
    SECTORS: ClassVar[tuple[Sector, ...]] = _sectors()
    BUS_CLOCK = "ahb"
    # RM0385, wait states at 2.7 V and above: 30 MHz a step.
    WAIT_STATE_LIMITS_HZ = (*(30_000_000 * (count + 1) for count in range(7)), 216_000_000)
    REFUSAL_IS_BUS_FAULT = False

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._busy = Delay(around)
        self._options: dict[int, int] = {}
        super().__init__(place, around)

    def reset(self) -> None:
        self._lock, self._option_lock = KeyLock(KEYS), KeyLock(OPTION_KEYS)
        self._busy.cancel()
        super().reset()
        self.values.update(self._options)

    def accelerates(self) -> bool:
        return bool(self.get(ACR) & _ARTEN)

    def after_clock_change(self) -> None:
        self._busy.rearm()

    def busy_fs(self, address: int) -> int:  # noqa: ARG002 - there is one bank
        return self._busy.remaining_fs

    # Programming

    def write_flash(self, address: int, value: int, size_bytes: int) -> bool:
        control = self.get(CR)
        sector = self._sector_at(address)
        if sector is None:  # the ITCM alias takes no writes
            return False
        if not control & _PG or control & (_SER | _MER):
            self._fail(_ERSERR)
            return False
        if self._is_protected(sector):
            self._fail(_WRPERR)
            return False
        # The compiler splits a double word in two stores.
        allowed = {3: (4, 8)}.get(control >> 8 & 3, (1 << (control >> 8 & 3),))
        if size_bytes not in allowed:
            self._fail(_PGPERR)
            return False
        self.program_bits(address, value.to_bytes(size_bytes, "little"))
        self._busy.extend(PROGRAM_US * FEMTOSECONDS_PER_US, self._finish)
        return True

    def _start_erase(self, control: int) -> None:
        if control & _MER:
            chosen = list(enumerate(self.SECTORS))
        else:
            number = control >> 3 & 0xF
            chosen = list(enumerate(self.SECTORS))[number : number + 1]
        if not chosen or not control & (_SER | _MER):
            self._fail(_ERSERR)
            return
        if any(self._is_protected(number) for number, _ in chosen):
            self._fail(_WRPERR)
            return
        for _, sector in chosen:
            self.erase(sector)
        erase_ms = MASS_ERASE_MS if control & _MER else chosen[0][1].erase_ms
        self.store(CR, self.get(CR) | _STRT)
        self._busy.extend(erase_ms * _FEMTOSECONDS_PER_MS, self._finish)

    def _finish(self) -> None:
        self.store(CR, self.get(CR) & ~_STRT)
        self.store(OPTCR, self.get(OPTCR) & ~_OPTSTRT)
        if self.get(CR) & _EOPIE:
            self.store(SR, self.get(SR) | _EOP)
        self._set_interrupt()

    def _fail(self, flag: int) -> None:
        """OPERR tells only those that asked for the interrupt (RM0385 FLASH_SR)."""
        self.store(SR, self.get(SR) | flag | (_OPERR if self.get(CR) & _ERRIE else 0))
        self._set_interrupt()

    def _set_interrupt(self) -> None:
        control, status = self.get(CR), self.get(SR)
        done = control & _EOPIE and status & _EOP
        self.set_irq("global", bool(done or (control & _ERRIE and status & _OPERR)))

    def _sector_at(self, address: int) -> int | None:
        for number, sector in enumerate(self.SECTORS):
            if sector.start <= address < sector.end:
                return number
        return None

    def _is_protected(self, number: int) -> bool:
        return not self.get(OPTCR) >> 16 + number & 1

    # Registers

    def write_KEYR(self, value: int) -> None:
        self._lock.give(value)
        if self._lock.is_open:
            self.store(CR, self.get(CR) & ~_LOCK)

    def write_OPTKEYR(self, value: int) -> None:
        self._option_lock.give(value)
        if self._option_lock.is_open:
            self.store(OPTCR, self.get(OPTCR) & ~_OPTLOCK)

    def read_SR(self) -> int:
        return self.get(SR) | (0 if self._busy.passed else _BSY)

    def quiet_SR(self) -> int:
        return self._busy.passes_at

    def write_SR(self, value: int) -> None:
        self.store(SR, self.get(SR) & ~(value & (_ERRORS | _OPERR | _EOP)))
        self._set_interrupt()

    def write_CR(self, value: int) -> None:
        if not self._lock.is_open:
            return
        running = self.get(CR) & _STRT
        self.store(CR, value & 0x030003FF | running)
        if value & _LOCK:
            self._lock.shut()
            self.store(CR, self.get(CR) | _LOCK)
        elif value & _STRT and not running:
            self._start_erase(value)
        self._set_interrupt()

    def write_OPTCR(self, value: int) -> None:
        if not self._option_lock.is_open:
            return
        self.store(OPTCR, value)
        if value & _OPTLOCK:
            self._option_lock.shut()
        elif value & _OPTSTRT:
            self._options = {
                OPTCR: value & ~_OPTSTRT | _OPTLOCK, OPTCR1: self.get(OPTCR1),
            }  # fmt: skip
            self._busy.extend(OPTIONS_MS * _FEMTOSECONDS_PER_MS, self._finish)

    def write_OPTCR1(self, value: int) -> None:
        if self._option_lock.is_open:
            self.store(OPTCR1, value)


MODEL = FlashF7
