"""The SRAM trace: reads and writes over address and time, in arrays of fixed size.

When a run outgrows the time axis, neighbouring bins are added up and the bin width doubles, so
that the arrays stay as they are however long the firmware runs.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any

import numpy as np
from numba import carray

from emu.backends.intrinsics import load_u8, pointer, store_u8
from emu.backends.layout import Word
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
_INSTRUCTIONS = int(Word.INSTRUCTIONS)
_MODE = int(Word.MODE)


@compiled
def fold_time(trace: Any) -> None:
    """Halve the time axis of every region: bin n becomes bins 2n and 2n + 1 together."""
    for region in range(trace[_REGIONS]):
        at = _HEADER + region * REGION_COLUMNS
        width = trace[at + _GRANULES]
        for column in range(_READS, _WRITES + 1):
            bins = carray(pointer(trace[at + column]), (TIME_BINS * width,), np.uint32)
            for index in range(TIME_BINS // 2):
                for granule in range(width):
                    bins[index * width + granule] = (
                        bins[2 * index * width + granule] + bins[(2 * index + 1) * width + granule]
                    )
            for index in range(TIME_BINS // 2 * width, TIME_BINS * width):
                bins[index] = 0
    trace[_BIN] *= 2


@compiled
def find(trace: Any, table_slot: int, count_slot: int, row: int, address: int) -> None:
    """Count a finding once an instruction; keep the first `MAX_FINDINGS`."""
    table = carray(pointer(trace[table_slot]), (MAX_FINDINGS * 3,), np.int64)
    for index in range(trace[count_slot]):
        if table[3 * index] == row:
            table[3 * index + 2] += 1
            return
    index = trace[count_slot]
    if index < MAX_FINDINGS:
        table[3 * index] = row
        table[3 * index + 1] = address
        table[3 * index + 2] = 1
        trace[count_slot] = index + 1


@compiled
def trace_access(
    machine: Any, address_of_trace: int, address: int, size: int, is_store: bool, row: int
) -> None:
    """Enter one access into the trace, when it falls into a traced region."""
    trace = carray(pointer(address_of_trace), (1 << 16,), np.int64)
    now = machine[_CYCLES] if machine[_MODE] != 0 else machine[_INSTRUCTIONS] << 8
    for region in range(trace[_REGIONS]):
        at = _HEADER + region * REGION_COLUMNS
        start = trace[at + _START]
        if address < start or address + size > trace[at + _END]:
            continue
        while now // trace[_BIN] >= TIME_BINS:
            fold_time(trace)
        width = trace[at + _GRANULES]
        cell = (now // trace[_BIN]) * width + ((address - start) >> trace[at + _SHIFT])
        word = (address - start) >> 2
        last_word = (address + size - 1 - start) >> 2
        column = _WRITES if is_store else _READS
        bins = carray(pointer(trace[at + column]), (TIME_BINS * width,), np.uint32)
        bins[cell] += np.uint32(1)
        marks = trace[at + _WRITTEN] + address - start
        if is_store:
            first = carray(pointer(trace[at + _FIRST]), (1 << 40,), np.int64)
            for index in range(word, last_word + 1):
                if first[index] < 0:
                    first[index] = now >> 8
            stray = False
            for byte in range(size):
                mark = load_u8(marks + byte)
                if (mark & 2) == 0:
                    stray = True
                if (mark & 1) == 0:
                    store_u8(marks + byte, mark | 1)
            if stray:
                find(trace, _STRAY, _STRAY_COUNT, row, address)
        else:
            last = carray(pointer(trace[at + _LAST]), (1 << 40,), np.int64)
            for index in range(word, last_word + 1):
                last[index] = now >> 8
            for byte in range(size):
                if (load_u8(marks + byte) & 1) == 0:
                    find(trace, _UNWRITTEN, _UNWRITTEN_COUNT, row, address)
                    break
        return
