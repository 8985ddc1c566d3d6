"""The private peripheral bus at 0xE000_0000: who answers at which address.

Exceptions, SysTick and MPU are `emu.system`'s; the caches, the cycle counter and the ITM's console
live here, because they touch the hooks' arrays and the run.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emu.backends.layout import Word
from emu.board import Board, Cache
from emu.peripherals.peripheral import FOREVER
from emu.system.mpu import Mpu
from emu.system.nvic import Nvic
from emu.system.system_control import CCR, CCR_RESET, SystemControl
from emu.system.systick import SysTick

SYSTEM_BASE = 0xE0000000
SYSTEM_BYTES = 0x100000
ITM_STIM, ITM_STIM_END, ITM_TER, ITM_TCR = 0xE0000000, 0xE0000400, 0xE0000E00, 0xE0000E80
DWT_CTRL, DWT_CYCCNT, DEMCR = 0xE0001000, 0xE0001004, 0xE000EDFC
CLIDR, CTR, CCSIDR, CSSELR = 0xE000ED78, 0xE000ED7C, 0xE000ED80, 0xE000ED84
ICIALLU, DCIMVAC, DCISW, DCCMVAU, DCCMVAC, DCCSW, DCCIMVAC, DCCISW = (
    0xE000EF50, 0xE000EF5C, 0xE000EF60, 0xE000EF64, 0xE000EF68, 0xE000EF6C, 0xE000EF70, 0xE000EF74,
)  # fmt: skip
ICIMVAU = 0xE000EF58
CCR_NONBASETHRDENA, CCR_UNALIGN_TRP, CCR_DIV_0_TRP = 1, 1 << 3, 1 << 4
CCR_BFHFNMIGN, CCR_DC, CCR_IC = 1 << 8, 1 << 16, 1 << 17
DEMCR_TRCENA, DWT_CYCCNTENA = 1 << 24, 1
CTR_CORTEX_M7 = 0x8303C003


def cache_size_id(cache: Cache) -> int:
    """CCSIDR of a cache: 4 KiB, 2 ways, 32-byte lines gives 0xF007E009 [ARMv7-M B4.8]."""
    line_field = cache.line_bytes.bit_length() - 5  # log2(words) - 2
    low = ((cache.sets - 1) << 13) | ((cache.ways - 1) << 3) | line_field
    return 0xF0000000 | low


class SystemSpace:
    """Dispatches words of the private peripheral bus.

    `changed` is called after each write that may let an exception in or change the memory map.
    """

    def __init__(
        self,
        machine: npt.NDArray[np.int64],
        board: Board,
        parts: tuple[Nvic, SystemControl, SysTick, Mpu],
        now_cycles: Callable[[], int],
        changed: Callable[[], None],
        write_itm: Callable[[bytes], None],
    ) -> None:
        self._machine = machine
        self._board = board
        self.nvic, self.control, self.systick, self.mpu = parts
        self._now_cycles = now_cycles
        self._changed = changed
        self._write_itm = write_itm
        self.unknown: dict[int, list[int]] = {}  # words that nobody answers for: [reads, writes]
        self.reset()

    def reset(self) -> None:
        self._counter_offset = 0
        self._written: dict[int, int] = {
            CTR: CTR_CORTEX_M7,
            CLIDR: 0x09000003,
            DWT_CTRL: 0x40000000,
            DWT_CYCCNT: 0,
            DEMCR: 0,
            CCR: CCR_RESET,
            CSSELR: 0,
            # As a debugger leaves them that shows what firmware prints through the ITM.
            ITM_TER: 1,
            ITM_TCR: 1,
        }

    @property
    def ccr(self) -> int:
        return self._written[CCR]

    @property
    def divide_by_zero_traps(self) -> bool:
        return bool(self.ccr & CCR_DIV_0_TRP)

    @property
    def unaligned_traps(self) -> bool:
        return bool(self.ccr & CCR_UNALIGN_TRP)

    @property
    def ignores_bus_faults(self) -> bool:
        """Of data accesses, at the priority of HardFault and above."""
        return bool(self.ccr & CCR_BFHFNMIGN)

    # The bus

    def read(self, address: int) -> int:
        """A word; `address` is word-aligned."""
        if self.systick.claims(address):
            return self.systick.read(address)
        if self.control.claims(address):
            return self.control.read(address)
        if self.nvic.claims(address):
            return self.nvic.read(address)
        if self.mpu.claims(address):
            return self.mpu.read(address)
        if address == DWT_CYCCNT and self._counting:
            return (self._now_cycles() - self._counter_offset) & 0xFFFFFFFF
        if address == CCSIDR:
            chip = self._board.chip
            return cache_size_id(chip.icache if self._written[CSSELR] & 1 else chip.dcache)
        if ITM_STIM <= address < ITM_STIM_END:
            return 1  # the port takes a character
        if address not in self._written and not ICIALLU <= address <= DCCISW:
            self.unknown.setdefault(address, [0, 0])[0] += 1
        return self._written.get(address, 0)

    def quiet_until(self, address: int) -> int | None:
        """The cycle before which a word reads the same, writes and exceptions aside; or None."""
        if self.systick.claims(address):
            return self.systick.quiet_until(address)
        return None if address == DWT_CYCCNT and self._counting else FOREVER

    @property
    def _counting(self) -> bool:
        enabled = self._written[DWT_CTRL] & DWT_CYCCNTENA
        return bool(enabled and self._written[DEMCR] & DEMCR_TRCENA)

    def write(self, address: int, value: int, size_bytes: int = 4) -> None:
        """`value` at a byte address; bytes and half-words keep the rest of their word."""
        word, shift = address & ~3, 8 * (address & 3)
        if ITM_STIM <= word < ITM_STIM_END:
            if self._written[ITM_TER] >> ((word - ITM_STIM) // 4) & 1:
                self._write_itm(value.to_bytes(4, "little")[:size_bytes])
            return
        value <<= shift
        if size_bytes < 4 and not self.control.clears_by_one(word):
            mask = ((1 << (8 * size_bytes)) - 1) << shift
            if self.nvic.claims(word) and word < 0xE000E400:
                mask = 0xFFFFFFFF  # set- and clear-registers: what is not written changes nothing
            value |= self.read(word) & ~mask
        self._write_word(word, value & 0xFFFFFFFF)

    def _write_word(self, address: int, value: int) -> None:
        for part in (self.systick, self.control, self.nvic, self.mpu):
            if part.claims(address):
                part.write(address, value)
                self._changed()
                return
        if ICIALLU <= address <= DCCISW:
            self._maintain(address, value)
            return
        was_counting = self._counting
        now = self._now_cycles() if address in (DWT_CYCCNT, DWT_CTRL, DEMCR) else 0
        if address == DWT_CYCCNT:
            self._counter_offset = now - value
        if address not in self._written:
            self.unknown.setdefault(address, [0, 0])[1] += 1
        self._written[address] = value
        if not was_counting and self._counting:
            self._counter_offset = now - self._written[DWT_CYCCNT]
        elif was_counting and not self._counting:
            self._written[DWT_CYCCNT] = (now - self._counter_offset) & 0xFFFFFFFF
        if address == CCR:
            self._switch_caches(value)
            self._changed()

    # Caches

    def attach_tags(
        self,
        itags: npt.NDArray[np.int32],
        dtags: npt.NDArray[np.int32],
        dirty: npt.NDArray[np.uint8],
    ) -> None:
        """The modelled caches that maintenance acts on."""
        self._itags, self._dtags, self._dirty = itags, dtags, dirty

    def switch_caches_on(self) -> None:
        """As start-up code would have left them; for runs that begin at a function."""
        self._write_word(CCR, self.ccr | CCR_IC | CCR_DC)

    def switch_caches_off(self) -> None:
        """As a reset leaves them; what they held stays."""
        self._switch_caches(CCR_RESET)

    def _maintain(self, address: int, value: int) -> None:
        if address in (ICIALLU, ICIMVAU):
            self._clear_icache()
        elif address in (DCISW, DCCSW, DCCISW):
            self._by_set_and_way(value, clean_only=address == DCCSW)
        elif address in (DCIMVAC, DCCMVAU, DCCMVAC, DCCIMVAC):
            self._by_address(value, clean_only=address in (DCCMVAU, DCCMVAC))

    def _switch_caches(self, value: int) -> None:
        chip, machine = self._board.chip, self._machine
        machine[Word.ICACHE_ON] = int(bool(value & CCR_IC) and chip.icache.enabled)
        machine[Word.DCACHE_ON] = int(bool(value & CCR_DC) and chip.dcache.enabled)
        machine[Word.FAST_DATA] = int(
            machine[Word.DCACHE_ON] and chip.dcache.ways == 4 and not machine[Word.DLRU]
        )
        machine[Word.ICACHE_EPOCH] += 1
        machine[Word.DIVIDE_TRAP] = int(bool(value & CCR_DIV_0_TRP))

    def _clear_icache(self) -> None:
        self._itags[:] = 0
        self._machine[Word.ICACHE_EPOCH] += 1

    def _by_set_and_way(self, value: int, *, clean_only: bool) -> None:
        cache = self._board.chip.dcache
        way = value >> (32 - (cache.ways - 1).bit_length())
        index = ((value >> 5) & (cache.sets - 1)) * cache.ways + way
        if index < len(self._dtags):
            self._dirty[index] = 0
            if not clean_only:
                self._dtags[index] = 0

    def _by_address(self, address: int, *, clean_only: bool) -> None:
        cache = self._board.chip.dcache
        line = address >> 5
        base = (line & (cache.sets - 1)) * cache.ways
        for index in range(base, base + cache.ways):
            if self._dtags[index] == line + 1:
                self._dirty[index] = 0
                if not clean_only:
                    self._dtags[index] = 0
