"""What every page is to the core: its region's costs, whether it is cached, who may touch it.

The board's file says it first; clocks, flash settings and the MPU that the firmware sets change it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import unicorn_const

from emu.backends.guest_memory import GuestMemory
from emu.backends.layout import PLACE_CACHEABLE, PLACE_FREE
from emu.board import Board
from emu.core.timing_table import TimingTable
from emu.peripherals.clock_tree import ClockTree
from emu.peripherals.space import PERIPHERALS_END, PERIPHERALS_START
from emu.system.mpu import Mpu, MpuRegion

_PAGE_SHIFT = 12
_PAGE_BYTES = 1 << _PAGE_SHIFT
_PRIVATE_BUS = 0xE0000000
_READ, _WRITE, _EXECUTE = (
    unicorn_const.UC_PROT_READ,
    unicorn_const.UC_PROT_WRITE,
    unicorn_const.UC_PROT_EXEC,
)


class MemoryMap:
    """Costs and rights of one run's memory."""

    def __init__(
        self,
        uc: unicorn.Uc,
        memory: GuestMemory,
        board: Board,
        table: TimingTable,
        attributes: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.int64],
    ) -> None:
        self._uc, self._memory, self._board, self._table = uc, memory, board, table
        self._attributes, self._rows = attributes, rows
        self._version = 0
        self._privileged = True
        self._restricted: dict[int, int] = {}  # page: the rights that the MPU leaves
        self._mpu: Mpu | None = None
        self.set_costs(None)

    def set_costs(self, clocks: ClockTree | None) -> None:
        """Fill every region's costs for the present clocks; the board's own without them."""
        ratio = clocks.bus_ratio if clocks else self._board.bus_ratio
        wait_states = clocks.flash_wait_states if clocks else None
        self._memory.describe(self._attributes, self._rows, self._table, ratio, wait_states)
        self._default = self._attributes.copy()
        self._cache_by_mpu()

    # MPU

    def follow(self, mpu: Mpu, *, privileged: bool) -> bool:
        """Take over what the firmware changed in the MPU; True when anything did."""
        if mpu.version == self._version and (privileged == self._privileged or not mpu.enabled):
            return False
        self._version, self._privileged, self._mpu = mpu.version, privileged, mpu
        self._cache_by_mpu()
        self._restrict(mpu)
        return True

    def _cache_by_mpu(self) -> None:
        attributes = self._attributes
        attributes[:] = self._default
        mpu = self._mpu
        if mpu is None or not mpu.enabled:
            return
        for region in mpu.regions():
            for start, end in region.stretches():
                # A page that a smaller region shares goes with the region that has its start.
                pages = attributes[-(-start // _PAGE_BYTES) : -(-end // _PAGE_BYTES)]
                cached = (pages != 0) & (pages & PLACE_FREE == 0)
                if region.cacheable:
                    pages[cached] |= PLACE_CACHEABLE
                else:
                    pages[cached] &= 0xFF ^ PLACE_CACHEABLE

    def _restrict(self, mpu: Mpu) -> None:
        wanted = self._restrictions(mpu) if mpu.enabled else {}
        changed = {page for page, rights in wanted.items() if self._restricted.get(page) != rights}
        changed |= self._restricted.keys() - wanted.keys()
        self._restricted = wanted
        self._protect(sorted(changed))

    def _restrictions(self, mpu: Mpu) -> dict[int, int]:
        """Pages of memory that the MPU does not leave all their rights."""
        everything = _READ | _WRITE | _EXECUTE
        regions = mpu.regions()
        background = everything if mpu.background and self._privileged else 0
        found: dict[int, int] = {}
        for stretch in self._memory.stretches:
            first = stretch.region.start >> _PAGE_SHIFT
            count = -(-stretch.region.size_bytes >> _PAGE_SHIFT)
            rights = np.full(count, background, np.uint8)
            partial = np.full(count, everything, np.uint8)  # what parts of a page take away
            for region in regions:
                leaves = self._rights(region)
                for start, end in region.stretches():
                    whole_first = max(-(-start // _PAGE_BYTES) - first, 0)
                    whole_end = max((end >> _PAGE_SHIFT) - first, 0)
                    rights[whole_first:whole_end] = leaves
                    partial[whole_first:whole_end] = everything
                    for page in {start >> _PAGE_SHIFT, (end - 1) >> _PAGE_SHIFT}:
                        at = page - first
                        if 0 <= at < count and not whole_first <= at < whole_end:
                            partial[at] &= leaves
            rights &= partial
            for at in np.flatnonzero(rights != everything).tolist():
                found[first + at] = int(rights[at])
        return found

    def _rights(self, region: MpuRegion) -> int:
        may_read, may_write = region.rights(privileged=self._privileged)
        rights = _READ if may_read else 0
        rights |= _WRITE if may_write else 0
        return rights | (_EXECUTE if may_read and not region.execute_never else 0)

    def _protect(self, pages: Sequence[int]) -> None:
        """Give pages, lowest first, what their memory and the MPU leave them.

        A run of pages with equal rights is one call: the emulator's time goes with the calls.
        """
        start = end = rights = 0
        for page in pages:
            wanted = self._memory.rights_of_page(page) & self._restricted.get(page, 0xFF)
            if page == end and wanted == rights:
                end = page + 1
                continue
            self._protect_run(start, end, rights)
            start, end, rights = page, page + 1, wanted
        self._protect_run(start, end, rights)

    def _protect_run(self, start: int, end: int, rights: int) -> None:
        if end > start:
            self._uc.mem_protect(start << _PAGE_SHIFT, (end - start) << _PAGE_SHIFT, rights)

    # Questions of the fault path

    def denies(self, address: int, *, write: bool, execute: bool) -> bool:
        """Whether the MPU forbids an access that the board's memory would take."""
        mpu = self._mpu
        if mpu is None or not mpu.enabled:
            return False
        return not mpu.permits(address, write=write, execute=execute, privileged=self._privileged)

    def is_restricted(self, address: int) -> bool:
        return address >> _PAGE_SHIFT in self._restricted

    def open_page(self, address: int) -> None:
        """Give a restricted page the rights of its memory, for an access that is allowed."""
        page = address >> _PAGE_SHIFT
        extra = _WRITE if self._memory.is_flash(address) else 0
        self._uc.mem_protect(
            page << _PAGE_SHIFT, _PAGE_BYTES, self._memory.rights_of_page(page) | extra
        )

    def close_page(self, address: int) -> None:
        self._protect([address >> _PAGE_SHIFT])


def peripheral_holes(memory: GuestMemory, board: Board) -> list[tuple[int, int]]:
    """`[start, end)` stretches, in pages, where peripherals answer and no memory lies."""
    inside = sorted(
        (item.region.start, -(-item.region.end // _PAGE_BYTES) * _PAGE_BYTES)
        for item in memory.stretches
        if PERIPHERALS_START <= item.region.start < PERIPHERALS_END
    )
    holes, at = [], PERIPHERALS_START
    for start, end in inside:
        if at < start:
            holes.append((at, start))
        at = end
    holes.append((at, PERIPHERALS_END))
    pages: set[int] = set()
    for place in board.chip.peripherals:
        if PERIPHERALS_START <= place.start < PERIPHERALS_END or place.start >= _PRIVATE_BUS:
            continue
        pages.update(range(place.start >> _PAGE_SHIFT, ((place.end - 1) >> _PAGE_SHIFT) + 1))
    free = sorted(page for page in pages if memory.at(page << _PAGE_SHIFT) is None)
    return holes + [(page << _PAGE_SHIFT, (page + 1) << _PAGE_SHIFT) for page in free]
