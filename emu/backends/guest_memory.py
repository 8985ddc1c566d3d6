"""The guest's memory: host bytes for every region, mapped, loaded and described to the hooks."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import unicorn
from unicorn import unicorn_const

from emu.backends.layout import PLACE_CACHEABLE, PLACE_FREE, PLACE_REGION, TICKS, Reg
from emu.board import Board, Region
from emu.core.timing_table import Param, TimingTable
from emu.errors import BoardError
from emu.firmware.fit import check_segment
from emu.firmware.image import Image

_PAGE_BYTES = 4096
_WORD = struct.Struct("<I")


@dataclass(frozen=True)
class Stretch:
    """A region `[start, end)` and its bytes, padded to whole pages (which are none of the board).

    `view` is `data` for pieces of a few bytes, which NumPy takes its time for.
    """

    region: Region
    data: npt.NDArray[np.uint8]
    view: memoryview
    start: int
    end: int


def _ticks(cycles: float) -> int:
    return round(cycles * TICKS)


class GuestMemory:
    """All memory of a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        regions = [region for region in board.chip.regions if region.kind != "device"]
        if len(regions) >= PLACE_REGION:
            raise BoardError(
                f"Board '{board.name}' has {len(regions)} memory regions; the machine takes "
                f"{PLACE_REGION - 1}. Join regions that behave alike."
            )
        by_name: dict[str, npt.NDArray[np.uint8]] = {}
        for region in sorted(regions, key=lambda r: r.alias_of is not None):
            if region.start % _PAGE_BYTES:
                raise BoardError(
                    f"Board '{board.name}': region '{region.name}' starts at {region.start:#010x}; "
                    f"the machine maps pages of {_PAGE_BYTES} bytes, so it must be a multiple."
                )
            if region.alias_of is None:
                by_name[region.name] = self._allocate(region)
            else:
                by_name[region.name] = by_name[region.alias_of]
        self._by_page: dict[int, Stretch] = {}
        self._executed: set[int] = set()  # pages of RAM that code ran from
        self.stretches = tuple(
            Stretch(
                region, by_name[region.name], by_name[region.name].data, region.start, region.end
            )
            for region in regions
        )

    @staticmethod
    def _allocate(region: Region) -> npt.NDArray[np.uint8]:
        # Anonymous pages: address space is taken at once, memory only when it is touched.
        size = -(-region.size_bytes // _PAGE_BYTES) * _PAGE_BYTES
        raw = np.zeros(size + _PAGE_BYTES, np.uint8)
        start = -raw.ctypes.data % _PAGE_BYTES
        data = raw[start : start + size]
        if region.kind == "flash":
            data[:] = 0xFF  # erased
        return data

    def map_into(self, uc: unicorn.Uc) -> None:
        """Map everything, flash first: a small region before it makes Unicorn retranslate.

        RAM is mapped without the right to execute, page by page given when code first runs there
        (`allow_execution`): a store to an executable page takes the emulator's slow path, which
        looks for translated code to throw away.
        """
        ordered = sorted(
            self.stretches, key=lambda s: (s.region.kind != "flash", -s.region.size_bytes)
        )
        for stretch in ordered:
            region = stretch.region
            rights = unicorn_const.UC_PROT_READ
            if region.kind == "ram":
                rights |= unicorn_const.UC_PROT_WRITE
            elif region.executable:
                rights |= unicorn_const.UC_PROT_EXEC
            size = -(-region.size_bytes // _PAGE_BYTES) * _PAGE_BYTES
            uc.mem_map_ptr(region.start, size, rights, ctypes.c_void_p(stretch.data.ctypes.data))

    def may_execute(self, address: int) -> bool:
        """Whether the board's memory at an address is RAM that code may run from."""
        stretch = self.at(address)
        return stretch is not None and stretch.region.kind == "ram" and stretch.region.executable

    def allow_execution(self, uc: unicorn.Uc, address: int) -> None:
        """Give a page of RAM the right to execute. Only while the emulator stands still."""
        page = address & ~(_PAGE_BYTES - 1)
        self._executed.add(page // _PAGE_BYTES)
        uc.mem_protect(page, _PAGE_BYTES, unicorn_const.UC_PROT_ALL)

    def rights_of_page(self, page: int) -> int:
        """The rights that a page has without an MPU."""
        stretch = self.at(page * _PAGE_BYTES)
        if stretch is None:
            return 0
        rights = int(unicorn_const.UC_PROT_READ)
        if stretch.region.kind == "ram":
            rights |= int(unicorn_const.UC_PROT_WRITE)
            runs = page in self._executed
        else:
            runs = stretch.region.executable
        return rights | (int(unicorn_const.UC_PROT_EXEC) if runs else 0)

    def is_flash(self, address: int) -> bool:
        stretch = self.at(address)
        return stretch is not None and stretch.region.kind == "flash"

    def describe(
        self,
        attributes: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.int64],
        table: TimingTable,
        bus_ratio: int,
        flash_wait_states: int | None,
    ) -> None:
        """Write what the hooks need to know of each region: flags by page, costs by region.

        `flash_wait_states` is what the firmware set, None for the board's.
        """
        board, params = self._board, table.params
        self._describe_peripherals(attributes, rows[len(self.stretches) + 1], bus_ratio)
        for number, stretch in enumerate(self.stretches, start=1):
            region, timing, row = stretch.region, stretch.region.timing, rows[number]
            is_flash = region.kind == "flash"
            wait_states = timing.wait_states
            if is_flash and flash_wait_states is not None:
                wait_states = flash_wait_states
            first = (wait_states + 1) * bus_ratio
            free = region.bus in ("itcm", "dtcm") and not is_flash
            row[Reg.CACHEABLE] = int(region.cacheable)
            row[Reg.DFILL] = _ticks(first + timing.line_fill_overhead_cycles)
            row[Reg.IFILL] = _ticks(first + timing.code_fill_overhead_cycles)
            row[Reg.STORE_MISS] = _ticks(timing.store_miss_cycles)
            row[Reg.EVICTION] = _ticks(timing.eviction_cycles)
            row[Reg.UNCACHED_READ] = _ticks(first + timing.uncached_read_cycles)
            row[Reg.UNCACHED_WRITE] = _ticks(timing.uncached_write_cycles)
            row[Reg.FREE] = int(free)
            row[Reg.NARROW_RMW] = int(free and board.chip.tcm.byte_store_read_modify_write)
            row[Reg.FLASH] = int(is_flash)
            row[Reg.HOST] = stretch.data.ctypes.data - region.start
            if region.accelerator:
                row[Reg.FETCH_LINE] = _ticks(first - 1 + int(params[Param.ART_MISS_OVERHEAD]))
                row[Reg.FETCH_CHUNK] = _ticks(int(params[Param.ART_HIT]))
            else:
                # Uncached code from flash costs its wait states once a flash line; the 64-bit
                # fetches within the line overlap with issue. Fitted on the caches-off ratio of
                # CoreMark on H743 (2.91 on silicon, 3.0 so). From RAM each fetch is a bus read.
                row[Reg.FETCH_LINE] = _ticks(first if is_flash else 0)
                row[Reg.FETCH_CHUNK] = _ticks(0 if is_flash else bus_ratio)
            place = number
            place |= PLACE_FREE if free else 0
            place |= PLACE_CACHEABLE if region.cacheable else 0
            attributes[region.start >> 12 : (region.end + _PAGE_BYTES - 1) >> 12] = place

    def _describe_peripherals(
        self, attributes: npt.NDArray[np.uint8], row: npt.NDArray[np.int64], bus_ratio: int
    ) -> None:
        """Device memory: every access is made, and waits for its bus."""
        timing = self._board.chip.peripheral_timing
        first = (timing.wait_states + 1) * bus_ratio
        row[Reg.UNCACHED_READ] = _ticks(first + timing.uncached_read_cycles)
        row[Reg.UNCACHED_WRITE] = _ticks(timing.uncached_write_cycles)
        attributes[0x40000:0x60000] = len(self.stretches) + 1

    def load(self, image: Image) -> None:
        """Put the image's bytes where they load.

        Raises:
            ImageError: a segment lies outside the board's memory.
        """
        for segment in image.segments:
            check_segment(segment, image, self._board)
            at = segment.address
            while at < segment.end:  # across regions that adjoin, as banks of flash do
                stretch = self.at(at)
                assert stretch is not None  # checked
                end = min(segment.end, stretch.region.end)
                piece = segment.data[at - segment.address : end - segment.address]
                offset = at - stretch.region.start
                stretch.data[offset : offset + len(piece)] = np.frombuffer(piece, np.uint8)
                at = end

    def at(self, address: int) -> Stretch | None:
        """The stretch that holds an address."""
        page = address // _PAGE_BYTES
        found = self._by_page.get(page)
        if found is not None and found.start <= address < found.end:
            return found
        for stretch in self.stretches:
            if stretch.start <= address < stretch.end:
                self._by_page[page] = stretch
                return stretch
        return None

    def write(self, address: int, data: bytes) -> bool:
        """Put bytes into RAM; False, and nothing changed, where not all of it is RAM."""
        stretch = self.at(address)
        if stretch is None or stretch.region.kind != "ram":
            return False
        offset = address - stretch.region.start
        if offset + len(data) > stretch.region.size_bytes:
            return False
        stretch.view[offset : offset + len(data)] = data
        return True

    def program(self, address: int, data: bytes) -> bool:
        """Put bytes into flash; False where not all of it is flash."""
        stretch = self.at(address)
        if stretch is None or stretch.region.kind != "flash":
            return False
        offset = address - stretch.region.start
        if offset + len(data) > stretch.region.size_bytes:
            return False
        stretch.view[offset : offset + len(data)] = data
        return True

    def read(self, address: int, size_bytes: int) -> bytes:
        """Bytes of memory; short at a region's end, empty where there is none."""
        stretch = self.at(address)
        if stretch is None:
            return b""
        offset = address - stretch.start
        return bytes(stretch.view[offset : min(address + size_bytes, stretch.end) - stretch.start])

    def read_word(self, address: int) -> int | None:
        """A word of memory; None where not all of it is."""
        stretch = self.at(address)
        if stretch is None or address + 4 > stretch.end:
            return None
        word: int = _WORD.unpack_from(stretch.view, address - stretch.start)[0]
        return word
