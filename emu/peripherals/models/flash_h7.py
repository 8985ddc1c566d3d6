"""FLASH of STM32H742/H743/H753, RM0433 chapter 4: latency, two banks of 256-bit words, options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from emu.board import MappedPeripheral
from emu.peripherals.delay import FEMTOSECONDS_PER_US, Delay
from emu.peripherals.flash_interface import KEYS, OPTION_KEYS, FlashInterface, KeyLock, Sector
from emu.peripherals.peripheral import Register, Surroundings

ACR, OPTKEYR, OPTCR, OPTSR_CUR, OPTSR_PRG, OPTCCR = 0x00, 0x08, 0x18, 0x1C, 0x20, 0x24
KEYR1, CR1, SR1, CCR1, WPSN_CUR1 = 0x04, 0x0C, 0x10, 0x14, 0x38
BANK_STRIDE = 0x100  # from a register of bank 1 to bank 2's

START, BANK_BYTES, SECTOR_BYTES, WORD_BYTES = 0x08000000, 0x100000, 0x20000, 32

_LOCK, _PG, _SER, _BER, _FW, _STRT = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 6, 1 << 7
_BSY, _WBNE, _QW = 1 << 0, 1 << 1, 1 << 2
_EOP, _WRPERR, _PGSERR, _STRBERR, _INCERR = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 21
_FLAGS = 0x1FEF0000  # all of SR that CCR clears; the enables in CR have the same places
_OPTLOCK, _OPTSTART, _MASS_ERASE, _OPT_BUSY = 1 << 0, 1 << 1, 1 << 4, 1 << 0
_SWAP_BANK = 1 << 31
_FEMTOSECONDS_PER_MS = 1000 * FEMTOSECONDS_PER_US

# DS-H743, flash memory programming, typical, by PSIZE (8, 16, 32, 64 bits); second-hand.
PROGRAM_US = (290, 180, 130, 100)
SECTOR_ERASE_MS = (2_000, 1_800, 1_100, 1_000)
BANK_ERASE_MS = (13_000, 8_000, 6_000, 5_000)
OPTIONS_MS = 200  # assumed

# Option registers: as they are (CUR), as they will be (PRG); values as delivered are assumed: RDP
# level 0, no protection, watchdogs by software, boot from flash or system memory.
_OPTIONS = (
    ("OPTSR", 0x1C, 0x20, 0x0006AAD0),
    ("PRAR1", 0x28, 0x2C, 0x000000FF),
    ("SCAR1", 0x30, 0x34, 0x000000FF),
    ("WPSN1", 0x38, 0x3C, 0x000000FF),
    ("BOOT", 0x40, 0x44, 0x1FF00800),
    ("PRAR2", 0x128, 0x12C, 0x000000FF),
    ("SCAR2", 0x130, 0x134, 0x000000FF),
    ("WPSN2", 0x138, 0x13C, 0x000000FF),
)


@dataclass
class Bank:
    """What a bank has in hand: its lock and the flash word that its write buffer collects."""

    number: int  # 0 or 1
    busy: Delay
    lock: KeyLock = field(default_factory=lambda: KeyLock(KEYS))
    word: int | None = None  # address of the flash word in the buffer
    data: dict[int, int] = field(default_factory=dict)  # offset in it: byte

    @property
    def start(self) -> int:
        return START + self.number * BANK_BYTES

    def sectors(self, erase_ms: int) -> list[Sector]:
        return [
            Sector(self.start + at, SECTOR_BYTES, erase_ms)
            for at in range(0, BANK_BYTES, SECTOR_BYTES)
        ]

    def register(self, of_bank1: int) -> int:
        return of_bank1 + self.number * BANK_STRIDE

    def empty(self) -> None:
        self.word, self.data = None, {}


def _bank_registers() -> list[Register]:
    found = []
    for number in (1, 2):
        at = (number - 1) * BANK_STRIDE
        found += [
            Register(f"KEYR{number}", KEYR1 + at, writable=0),
            Register(f"CR{number}", CR1 + at, 0x31),
            Register(f"SR{number}", SR1 + at, writable=0),
            Register(f"CCR{number}", CCR1 + at, writable=0),
            Register(f"CRCCR{number}", 0x50 + at),
            Register(f"CRCSADD{number}", 0x54 + at),
            Register(f"CRCEADD{number}", 0x58 + at),
            Register(f"CRCDATA{number}", 0x5C + at, writable=0),
            Register(f"ECC_FA{number}", 0x60 + at, writable=0),
        ]
    return found


class FlashH7(FlashInterface):
    """Flash interface of STM32H743.

    Stores fill a 256-bit buffer; a full one, or FW, programs it. A refused store is a bus error
    (assumed from reports of users). The CRC unit, ECC and the bank swap are not modelled.
    """

    REGISTERS = (
        Register("ACR", ACR, 0x37, writable=0x3F),
        Register("OPTKEYR", OPTKEYR, writable=0),
        Register("OPTCR", OPTCR, _OPTLOCK),
        Register("OPTCCR", OPTCCR, writable=0),
        *_bank_registers(),
        *(Register(f"{name}_CUR", at, value, writable=0) for name, at, _, value in _OPTIONS),
        *(Register(f"{name}_PRG", at, value) for name, _, at, value in _OPTIONS),
    )
    BUS_CLOCK = "axi"
    # RM0433, recommended wait states at voltage scales 1 and 0, by AXI clock; second-hand.
    WAIT_STATE_LIMITS_HZ: ClassVar[tuple[int, ...]] = (
        70_000_000, 140_000_000, 210_000_000, 225_000_000, 240_000_000,
    )  # fmt: skip
    REFUSAL_IS_BUS_FAULT = True

    def __init__(self, place: MappedPeripheral, around: Surroundings) -> None:
        self._banks = [Bank(number, Delay(around)) for number in (0, 1)]
        self._options_busy = Delay(around)
        self._options: dict[int, int] = {}
        super().__init__(place, around)
        for bank in self._banks:
            for base in (KEYR1, CR1, SR1, CCR1):
                self._bind(bank, base)

    def reset(self) -> None:
        for bank in self._banks:
            bank.busy.cancel()
            bank.lock = KeyLock(KEYS)
            bank.empty()
        self._option_lock = KeyLock(OPTION_KEYS)
        self._options_busy.cancel()
        super().reset()
        self.values.update(self._options)

    def after_clock_change(self) -> None:
        for bank in self._banks:
            bank.busy.rearm()
        self._options_busy.rearm()

    def busy_fs(self, address: int) -> int:
        bank = self._bank_at(address)
        return 0 if bank is None else bank.busy.remaining_fs

    # Programming

    def write_flash(self, address: int, value: int, size_bytes: int) -> bool:
        bank = self._bank_at(address)
        if bank is None:
            return False
        if not bank.lock.is_open or not self.get(bank.register(CR1)) & _PG:
            self._fail(bank, _PGSERR)
            return False
        if self._is_protected(bank, (address - bank.start) // SECTOR_BYTES):
            self._fail(bank, _WRPERR)
            return False
        word = address & ~(WORD_BYTES - 1)
        if bank.word is not None and word != bank.word:
            self._fail(bank, _INCERR)
            return False
        bank.word = word
        for at, byte in enumerate(value.to_bytes(size_bytes, "little"), address - word):
            if at in bank.data:
                self._fail(bank, _STRBERR)
                return False
            bank.data[at] = byte
        if len(bank.data) == WORD_BYTES:
            self._program(bank)
        return True

    def _bank_at(self, address: int) -> Bank | None:
        number = (address - START) // BANK_BYTES
        return self._banks[number] if 0 <= number < len(self._banks) else None

    def _program(self, bank: Bank) -> None:
        assert bank.word is not None, "the buffer has data"
        self.program_bits(bank.word, bytes(bank.data.get(at, 0xFF) for at in range(WORD_BYTES)))
        bank.empty()
        duration_us = PROGRAM_US[self._parallelism(bank)]
        bank.busy.extend(duration_us * FEMTOSECONDS_PER_US, self._finisher(bank))

    def _start_erase(self, bank: Bank, control: int) -> None:
        whole = bool(control & _BER)
        if not control & (_SER | _BER):
            self._fail(bank, _PGSERR)
            return
        size = self._parallelism(bank)
        sectors = bank.sectors(SECTOR_ERASE_MS[size])
        numbers = range(len(sectors)) if whole else [control >> 8 & 7]
        if any(self._is_protected(bank, number) for number in numbers):
            self._fail(bank, _WRPERR)
            return
        for number in numbers:
            self.erase(sectors[number])
        erase_ms = BANK_ERASE_MS[size] if whole else SECTOR_ERASE_MS[size]
        control_register = bank.register(CR1)
        self.store(control_register, self.get(control_register) | _STRT)
        bank.busy.extend(erase_ms * _FEMTOSECONDS_PER_MS, self._finisher(bank))

    def _finisher(self, bank: Bank) -> Callable[[], None]:
        def finish() -> None:
            self.store(bank.register(CR1), self.get(bank.register(CR1)) & ~_STRT)
            self.store(OPTCR, self.get(OPTCR) & ~_MASS_ERASE)
            self.store(bank.register(SR1), self.get(bank.register(SR1)) | _EOP)
            self._set_interrupt()

        return finish

    def _fail(self, bank: Bank, flag: int) -> None:
        self.store(bank.register(SR1), self.get(bank.register(SR1)) | flag)
        self._set_interrupt()

    def _set_interrupt(self) -> None:
        self.set_irq(
            "global",
            any(
                self.get(bank.register(SR1)) & self.get(bank.register(CR1)) & _FLAGS
                for bank in self._banks
            ),
        )

    def _parallelism(self, bank: Bank) -> int:
        return self.get(bank.register(CR1)) >> 4 & 3

    def _is_protected(self, bank: Bank, sector: int) -> bool:
        return not self.get(bank.register(WPSN_CUR1)) >> sector & 1

    # Registers of a bank

    def _bind(self, bank: Bank, of_bank1: int) -> None:
        """Register methods that know their bank: one pair of registers, one method."""
        offset = bank.register(of_bank1)
        if of_bank1 == KEYR1:
            self._writers[offset] = lambda value: self._write_key(bank, value)
        elif of_bank1 == CR1:
            self._writers[offset] = lambda value: self._write_control(bank, value)
        elif of_bank1 == SR1:
            self._readers[offset] = lambda: self._read_status(bank)
            self._quiets[offset] = lambda: bank.busy.passes_at
        else:
            self._writers[offset] = lambda value: self._clear_status(bank, value)

    def _write_key(self, bank: Bank, value: int) -> None:
        bank.lock.give(value)
        if bank.lock.is_open:
            self.store(bank.register(CR1), self.get(bank.register(CR1)) & ~_LOCK)

    def _write_control(self, bank: Bank, value: int) -> None:
        if not bank.lock.is_open:
            return
        offset = bank.register(CR1)
        running = self.get(offset) & _STRT
        self.store(offset, value & 0x1FEF873E | running)
        if value & _LOCK:
            bank.lock.shut()
            self.store(offset, self.get(offset) | _LOCK)
        elif value & _STRT and not running:
            self._start_erase(bank, value)
        elif value & _FW and bank.word is not None:
            self._program(bank)
        self._set_interrupt()

    def _read_status(self, bank: Bank) -> int:
        value = self.get(bank.register(SR1))
        if bank.word is not None:
            value |= _WBNE
        return value if bank.busy.passed else value | _BSY | _QW

    def _clear_status(self, bank: Bank, value: int) -> None:
        self.store(bank.register(SR1), self.get(bank.register(SR1)) & ~(value & _FLAGS))
        self._set_interrupt()

    # Options

    def write_OPTKEYR(self, value: int) -> None:
        self._option_lock.give(value)
        if self._option_lock.is_open:
            self.store(OPTCR, self.get(OPTCR) & ~_OPTLOCK)

    def write_OPTCR(self, value: int) -> None:
        if not self._option_lock.is_open:
            return
        self.store(OPTCR, value & ~(_OPTSTART | _MASS_ERASE))
        if value & _OPTLOCK:
            self._option_lock.shut()
        elif value & _OPTSTART:
            self._options_busy.start(OPTIONS_MS * _FEMTOSECONDS_PER_MS, self._load_options)
        elif value & _MASS_ERASE and all(bank.lock.is_open for bank in self._banks):
            self.store(OPTCR, self.get(OPTCR) | _MASS_ERASE)
            for bank in self._banks:
                self._start_erase(bank, _BER)

    def read_OPTSR_CUR(self) -> int:
        return self.get(OPTSR_CUR) | (0 if self._options_busy.passed else _OPT_BUSY)

    def quiet_OPTSR_CUR(self) -> int:
        return self._options_busy.passes_at

    def _load_options(self) -> None:
        if self.get(OPTSR_PRG) & _SWAP_BANK:
            self.around.note(
                "The firmware swaps the flash banks in its options, which is not modelled: the "
                "banks stay at their own addresses."
            )
        for _, current, programmed, _ in _OPTIONS:
            self.store(current, self.get(programmed))
            self._options[current] = self._options[programmed] = self.get(programmed)


MODEL = FlashH7
