"""The private peripheral bus at 0xE000_0000 as far as C programs touch it.

Caches are switched by CCR and maintained by set and way, the cycle counter answers with the
modelled count, identification registers are true. Every other register reads back what was
written.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from emu.backends.layout import Word
from emu.board import Board, Cache

SYSTEM_BASE = 0xE0000000
SYSTEM_BYTES = 0x100000
DWT_CTRL, DWT_CYCCNT, DEMCR = 0xE0001000, 0xE0001004, 0xE000EDFC
CPUID, CCR, CLIDR, CTR = 0xE000ED00, 0xE000ED14, 0xE000ED78, 0xE000ED7C
CCSIDR, CSSELR = 0xE000ED80, 0xE000ED84
ICIALLU, DCIMVAC, DCISW, DCCMVAU, DCCMVAC, DCCSW, DCCIMVAC, DCCISW = (
    0xE000EF50, 0xE000EF5C, 0xE000EF60, 0xE000EF64, 0xE000EF68, 0xE000EF6C, 0xE000EF70, 0xE000EF74,
)  # fmt: skip
ICIMVAU = 0xE000EF58
CCR_DIV_0_TRP, CCR_DC, CCR_IC = 1 << 4, 1 << 16, 1 << 17
DEMCR_TRCENA, DWT_CYCCNTENA = 1 << 24, 1
CPUID_CORTEX_M7_R1P1 = 0x411FC271
CTR_CORTEX_M7 = 0x8303C003


def cache_size_id(cache: Cache) -> int:
    """CCSIDR of a cache: 4 KiB, 2 ways, 32-byte lines gives 0xF007E009 [ARMv7-M B4.8]."""
    line_field = cache.line_bytes.bit_length() - 5  # log2(words) - 2
    low = ((cache.sets - 1) << 13) | ((cache.ways - 1) << 3) | line_field
    return 0xF0000000 | low


class SystemSpace:
    """Registers of the system control space, DWT and debug."""

    def __init__(
        self,
        machine: npt.NDArray[np.int64],
        board: Board,
        cycles_at: Callable[[int], int],
        on_divide_trap: Callable[[], None],
    ) -> None:
        self._machine = machine
        self._board = board
        self._cycles_at = cycles_at
        self._on_divide_trap = on_divide_trap
        self._counter_offset = 0
        self._written: dict[int, int] = {
            CPUID: CPUID_CORTEX_M7_R1P1,
            CTR: CTR_CORTEX_M7,
            CLIDR: 0x09000003,
            DWT_CTRL: 0x40000000,
            CCR: 0x00040200,
        }

    @property
    def divide_by_zero_traps(self) -> bool:
        return bool(self._written[CCR] & CCR_DIV_0_TRP)

    def read(self, address: int) -> int:
        """A word; `address` is word-aligned."""
        if address == DWT_CYCCNT:
            if self._counting:
                return (self._cycles_at(address) - self._counter_offset) & 0xFFFFFFFF
            return self._written.get(address, 0)
        if address == CCSIDR:
            instruction_side = bool(self._written.get(CSSELR, 0) & 1)
            chip = self._board.chip
            cache = chip.icache if instruction_side else chip.dcache
            return cache_size_id(cache)
        return self._written.get(address, 0)

    @property
    def _counting(self) -> bool:
        enabled = self._written[DWT_CTRL] & DWT_CYCCNTENA
        return bool(enabled and self._written.get(DEMCR, 0) & DEMCR_TRCENA)

    def write(self, address: int, value: int) -> None:
        if address == CPUID:
            return
        was_counting = self._counting
        now = self._cycles_at(address) if address in (DWT_CYCCNT, DWT_CTRL, DEMCR) else 0
        if address == DWT_CYCCNT:
            self._counter_offset = now - value
        self._written[address] = value
        if not was_counting and self._counting:
            self._counter_offset = now - self._written.get(DWT_CYCCNT, 0)
        elif was_counting and not self._counting:
            self._written[DWT_CYCCNT] = (now - self._counter_offset) & 0xFFFFFFFF
        if address == CCR:
            self._switch_caches(value)
        elif address in (ICIALLU, ICIMVAU):
            self._clear_icache()
        elif address in (DCISW, DCCSW, DCCISW):
            self._by_set_and_way(value, clean_only=address == DCCSW)
        elif address in (DCIMVAC, DCCMVAU, DCCMVAC, DCCIMVAC):
            self._by_address(value, clean_only=address in (DCCMVAU, DCCMVAC))

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
        self.write(CCR, self._written[CCR] | CCR_IC | CCR_DC)

    def _switch_caches(self, value: int) -> None:
        chip, machine = self._board.chip, self._machine
        machine[Word.ICACHE_ON] = int(bool(value & CCR_IC) and chip.icache.enabled)
        machine[Word.DCACHE_ON] = int(bool(value & CCR_DC) and chip.dcache.enabled)
        machine[Word.FAST_DATA] = int(
            machine[Word.DCACHE_ON] and chip.dcache.ways == 4 and not machine[Word.DLRU]
        )
        machine[Word.ICACHE_EPOCH] += 1
        machine[Word.DIVIDE_TRAP] = int(bool(value & CCR_DIV_0_TRP))
        if value & CCR_DIV_0_TRP:
            self._on_divide_trap()

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
