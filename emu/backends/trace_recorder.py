"""Allocates the SRAM trace's arrays and turns them into a `Trace`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emu.backends.code_store import CodeStore
from emu.backends.layout import TICKS, Word
from emu.backends.protocol import Trace, TraceRegion
from emu.backends.trace_hook import MAX_FINDINGS, REGION_COLUMNS, TIME_BINS, Trc, TrcRegion
from emu.board import Board, Region
from emu.firmware.image import Image

_MAX_GRANULES = 1024
_FIRST_BIN_CYCLES = 256


class TraceRecorder:
    """The trace of one run, over every RAM region that the image or its stack and heap use."""

    def __init__(
        self, machine: npt.NDArray[np.int64], board: Board, image: Image, store: CodeStore
    ) -> None:
        self._store = store
        self._regions = [r for r in board.chip.regions if r.kind == "ram" and r.alias_of is None]
        self._words = np.zeros(int(Trc.HEADER) + REGION_COLUMNS * len(self._regions), np.int64)
        self._arrays: dict[tuple[str, TrcRegion], npt.NDArray[Any]] = {}
        self._unwritten = np.zeros((MAX_FINDINGS, 3), np.int64)
        self._stray = np.zeros((MAX_FINDINGS, 3), np.int64)
        words = self._words
        words[Trc.REGIONS] = len(self._regions)
        words[Trc.BIN_TICKS] = _FIRST_BIN_CYCLES * TICKS
        words[Trc.UNWRITTEN] = self._unwritten.ctypes.data
        words[Trc.STRAY] = self._stray.ctypes.data
        for number, region in enumerate(self._regions):
            self._add_region(number, region, image)
        machine[Word.TRACE] = words.ctypes.data

    def _add_region(self, number: int, region: Region, image: Image) -> None:
        at = int(Trc.HEADER) + REGION_COLUMNS * number
        shift = 5
        while region.size_bytes >> shift > _MAX_GRANULES:
            shift += 1
        granules = (region.size_bytes + (1 << shift) - 1) >> shift
        self._words[at + TrcRegion.START] = region.start
        self._words[at + TrcRegion.END] = region.end
        self._words[at + TrcRegion.GRANULE_SHIFT] = shift
        self._words[at + TrcRegion.GRANULES] = granules
        word_count = region.size_bytes // 4
        arrays: dict[TrcRegion, npt.NDArray[Any]] = {
            TrcRegion.READS: np.zeros((TIME_BINS, granules), np.uint32),
            TrcRegion.WRITES: np.zeros((TIME_BINS, granules), np.uint32),
            TrcRegion.FIRST_WRITE: np.full(word_count, -1, np.int64),
            TrcRegion.LAST_READ: np.full(word_count, -1, np.int64),
            TrcRegion.WRITTEN: self._owners(region, image),
        }
        for column, array in arrays.items():
            self._words[at + column] = array.ctypes.data
            self._arrays[region.name, column] = array

    def _owners(self, region: Region, image: Image) -> npt.NDArray[np.uint8]:
        """Bit 0: written (loaded bytes count); bit 1: a symbol, the stack or the heap owns it."""
        marks = np.zeros(region.size_bytes, np.uint8)

        def mark(start: int, size_bytes: int, bits: int) -> None:
            low, high = max(start, region.start), min(start + size_bytes, region.end)
            if low < high:
                marks[low - region.start : high - region.start] |= bits

        for segment in image.segments:
            mark(segment.address, len(segment.data), 1)
        owned = [s for s in image.symbols if s.kind != "other" and s.size_bytes]
        for symbol in owned:
            # Start-up clears whole words: the padding after an object belongs to it.
            mark(symbol.address, (symbol.size_bytes + 3) & ~3, 2)
        for first, last in (("__stack_limit", "__stack_top"), ("__heap_start", "__heap_limit")):
            start, end = image.symbol(first), image.symbol(last)
            if start is not None and end is not None:
                mark(start.address, end.address - start.address, 2)
        if not owned:  # a stripped image: nothing can be called stray
            marks |= 2
        return marks

    def _findings(
        self, table: npt.NDArray[np.int64], count: int
    ) -> tuple[tuple[int, int, int], ...]:
        rows = {
            row: instruction.address
            for stored in self._store.stored
            for row, instruction in enumerate(stored.instructions, start=stored.first_row)
        }
        return tuple(
            (rows.get(int(row), 0), int(address), int(times))
            for row, address, times in table[:count]
        )

    def result(self) -> Trace:
        """The trace; regions that nothing touched are left out."""
        regions = []
        for number, region in enumerate(self._regions):
            arrays = {
                c: self._arrays[region.name, c]
                for c in TrcRegion
                if (region.name, c) in self._arrays
            }
            if not arrays[TrcRegion.READS].any() and not arrays[TrcRegion.WRITES].any():
                continue
            at = int(Trc.HEADER) + REGION_COLUMNS * number
            regions.append(
                TraceRegion(
                    name=region.name,
                    start=region.start,
                    size_bytes=region.size_bytes,
                    granule_bytes=1 << int(self._words[at + TrcRegion.GRANULE_SHIFT]),
                    reads=arrays[TrcRegion.READS],
                    writes=arrays[TrcRegion.WRITES],
                    first_write_cycles=arrays[TrcRegion.FIRST_WRITE],
                    last_read_cycles=arrays[TrcRegion.LAST_READ],
                )
            )
        words = self._words
        return Trace(
            bin_cycles=int(words[Trc.BIN_TICKS]) // TICKS,
            regions=tuple(regions),
            unwritten_reads=self._findings(self._unwritten, int(words[Trc.UNWRITTEN_COUNT])),
            stray_writes=self._findings(self._stray, int(words[Trc.STRAY_COUNT])),
        )
