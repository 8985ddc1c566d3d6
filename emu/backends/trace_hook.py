"""The SRAM trace: reads and writes over address and time, in arrays of fixed size.

When a run outgrows the time axis, neighbouring bins are added up and the bin width doubles, so
that the arrays stay as they are however long the firmware runs.
"""

from __future__ import annotations

from enum import IntEnum, auto

from emu.backends.intrinsics import get, get32, load_u8, put, put8, put32
from emu.backends.layout import TICKS, Word
from emu.core.compiled import compiled

TIME_BINS = 512
MAX_FINDINGS = 256


class Trc(IntEnum):
    """Words of the trace; then `REGION_COLUMNS` words for each traced region."""

    REGIONS = 0
    BIN_TICKS = auto()
    UNWRITTEN = auto()  # address of int64 [MAX_FINDINGS, 3]: row, address, count
    UNWRITTEN_COUNT = auto()
    STRAY = auto()
    STRAY_COUNT = auto()
    HEADER = 8


class TrcRegion(IntEnum):
    START = 0
    END = auto()
    GRANULE_SHIFT = auto()
    GRANULES = auto()
    READS = auto()  # address of uint32 [TIME_BINS, granules]
    WRITES = auto()
    FIRST_WRITE = auto()  # address of int64 [words]
    LAST_READ = auto()
    WRITTEN = auto()  # address of uint8 [bytes]: 1 written, 2 owned by a symbol, stack or heap
    COLUMNS = 12


REGION_COLUMNS = int(TrcRegion.COLUMNS)
_HEADER, _REGIONS, _BIN = int(Trc.HEADER), int(Trc.REGIONS), int(Trc.BIN_TICKS)
_UNWRITTEN, _UNWRITTEN_COUNT = int(Trc.UNWRITTEN), int(Trc.UNWRITTEN_COUNT)
_STRAY, _STRAY_COUNT = int(Trc.STRAY), int(Trc.STRAY_COUNT)
_START, _END, _SHIFT = int(TrcRegion.START), int(TrcRegion.END), int(TrcRegion.GRANULE_SHIFT)
_GRANULES, _READS, _WRITES = int(TrcRegion.GRANULES), int(TrcRegion.READS), int(TrcRegion.WRITES)
_FIRST, _LAST, _WRITTEN = (
    int(TrcRegion.FIRST_WRITE),
    int(TrcRegion.LAST_READ),
    int(TrcRegion.WRITTEN),
)
_CYCLES = int(Word.CYCLES)


@compiled
def fold_time(trace: int) -> None:
    """Halve the time axis of every region: bin n becomes bins 2n and 2n + 1 together."""
    for region in range(get(trace, _REGIONS)):
        at = _HEADER + region * REGION_COLUMNS
        width = get(trace, at + _GRANULES)
        for column in range(_READS, _WRITES + 1):
            bins = get(trace, at + column)
            for index in range(TIME_BINS // 2):
                for granule in range(width):
                    left = get32(bins, 2 * index * width + granule)
                    right = get32(bins, (2 * index + 1) * width + granule)
                    put32(bins, index * width + granule, left + right)
            for index in range(TIME_BINS // 2 * width, TIME_BINS * width):
                put32(bins, index, 0)
    put(trace, _BIN, get(trace, _BIN) * 2)


@compiled
def find(trace: int, table_slot: int, count_slot: int, row: int, address: int) -> None:
    """Count a finding once an instruction; keep the first `MAX_FINDINGS`."""
    table = get(trace, table_slot)
    for index in range(get(trace, count_slot)):
        if get(table, 3 * index) == row:
            put(table, 3 * index + 2, get(table, 3 * index + 2) + 1)
            return
    index = get(trace, count_slot)
    if index < MAX_FINDINGS:
        put(table, 3 * index, row)
        put(table, 3 * index + 1, address)
        put(table, 3 * index + 2, 1)
        put(trace, count_slot, index + 1)


@compiled
def trace_access(
    machine: int, trace: int, address: int, size: int, is_store: bool, row: int
) -> None:
    """Enter one access into the trace, when it falls into a traced region."""
    now = get(machine, _CYCLES)
    for region in range(get(trace, _REGIONS)):
        at = _HEADER + region * REGION_COLUMNS
        start = get(trace, at + _START)
        if address < start or address + size > get(trace, at + _END):
            continue
        while now // get(trace, _BIN) >= TIME_BINS:
            fold_time(trace)
        width = get(trace, at + _GRANULES)
        cell = (now // get(trace, _BIN)) * width + ((address - start) >> get(trace, at + _SHIFT))
        word = (address - start) >> 2
        last_word = (address + size - 1 - start) >> 2
        column = _WRITES if is_store else _READS
        bins = get(trace, at + column)
        put32(bins, cell, get32(bins, cell) + 1)
        marks = get(trace, at + _WRITTEN) + address - start
        if is_store:
            first = get(trace, at + _FIRST)
            for index in range(word, last_word + 1):
                if get(first, index) < 0:
                    put(first, index, now // TICKS)
            stray = False
            for byte in range(size):
                mark = load_u8(marks + byte)
                if (mark & 2) == 0:
                    stray = True
                if (mark & 1) == 0:
                    put8(marks, byte, mark | 1)
            if stray:
                find(trace, _STRAY, _STRAY_COUNT, row, address)
        else:
            last = get(trace, at + _LAST)
            for index in range(word, last_word + 1):
                put(last, index, now // TICKS)
            for byte in range(size):
                if (load_u8(marks + byte) & 1) == 0:
                    find(trace, _UNWRITTEN, _UNWRITTEN_COUNT, row, address)
                    break
        return
