"""Caches, the flash accelerator and uncached memory, compiled for the hooks.

All costs are visible stalls in 1/256 cycle, taken from the board's regions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from emu.backends.intrinsics import pointer
from emu.backends.layout import Reg, Word
from emu.core.compiled import compiled

W_DTAGS, W_DSTAMPS, W_DDIRTY = int(Word.DTAGS), int(Word.DSTAMPS), int(Word.DDIRTY)
W_DSETS, W_DWAYS, W_LRU, W_RANDOM = (
    int(Word.DSETS),
    int(Word.DWAYS),
    int(Word.LRU),
    int(Word.RANDOM),
)
W_STAMP, W_ITAGS, W_ISTAMPS = int(Word.STAMP), int(Word.ITAGS), int(Word.ISTAMPS)
W_ISETS, W_IWAYS, W_EPOCH = int(Word.ISETS), int(Word.IWAYS), int(Word.ICACHE_EPOCH)
W_IMISSES, W_DMISSES = int(Word.ICACHE_MISSES), int(Word.DCACHE_MISSES)
W_EVICTIONS, W_ART, W_ART_LINES = int(Word.DCACHE_EVICTIONS), int(Word.ART), int(Word.ART_LINES)
W_ART_LAST, W_ART_PREFETCH = int(Word.ART_LAST), int(Word.ART_PREFETCH)
W_REGIONS, W_ATTRIBUTES = int(Word.REGIONS), int(Word.ATTRIBUTES)
R_DFILL, R_IFILL, R_STORE_MISS = int(Reg.DFILL), int(Reg.IFILL), int(Reg.STORE_MISS)
R_EVICTION, R_COLUMNS = int(Reg.EVICTION), int(Reg.COLUMNS)
R_FETCH_LINE = int(Reg.FETCH_LINE)
_MANY = 1 << 40


@compiled
def words64(machine: Any, slot: int) -> Any:
    return carray(pointer(machine[slot]), (_MANY,), np.int64)


@compiled
def words32(machine: Any, slot: int) -> Any:
    return carray(pointer(machine[slot]), (_MANY,), np.int32)


@compiled
def bytes8(machine: Any, slot: int) -> Any:
    return carray(pointer(machine[slot]), (_MANY,), np.uint8)


@compiled
def region_at(machine: Any, address: int) -> int:
    """Region number of an address, 0 where nothing is mapped."""
    return np.int64(bytes8(machine, W_ATTRIBUTES)[address >> 12])


@compiled
def choose_way(machine: Any, tags: Any, stamps: Any, base: int, ways: int) -> int:
    """The way to replace: an empty one, else by the board's policy."""
    for way in range(ways):
        if tags[base + way] == 0:
            return way
    if machine[W_LRU] != 0:
        oldest = 0
        for way in range(1, ways):
            if stamps[base + way] < stamps[base + oldest]:
                oldest = way
        return oldest
    machine[W_RANDOM] = (machine[W_RANDOM] * 1103515245 + 12345) & 0x7FFFFFFF
    return (machine[W_RANDOM] >> 16) % ways


@compiled
def dcache_miss(machine: Any, line: int, region: int, is_store: bool) -> int:
    """Fill a line that was not found; ticks of visible stall."""
    regions = words64(machine, W_REGIONS)
    tags = words32(machine, W_DTAGS)
    stamps = words64(machine, W_DSTAMPS)
    dirty = bytes8(machine, W_DDIRTY)
    ways = machine[W_DWAYS]
    base = (line & (machine[W_DSETS] - 1)) * ways
    machine[W_DMISSES] += 1
    way = choose_way(machine, tags, stamps, base, ways)
    ticks = 0
    if tags[base + way] != 0 and dirty[base + way] != 0:
        machine[W_EVICTIONS] += 1
        victim = region_at(machine, (np.int64(tags[base + way]) - 1) << 5)
        ticks += regions[victim * R_COLUMNS + R_EVICTION]
    tags[base + way] = np.int32(line + 1)
    machine[W_STAMP] += 1
    stamps[base + way] = machine[W_STAMP]
    if is_store:
        dirty[base + way] = 1
        return ticks + regions[region * R_COLUMNS + R_STORE_MISS]
    dirty[base + way] = 0
    return ticks + regions[region * R_COLUMNS + R_DFILL]


@compiled
def dcache_access(machine: Any, line: int, region: int, is_store: bool) -> int:
    """One line of a cacheable region is read or written; ticks of visible stall, 0 for a hit."""
    tags = words32(machine, W_DTAGS)
    ways = machine[W_DWAYS]
    base = (line & (machine[W_DSETS] - 1)) * ways
    wanted = line + 1
    for way in range(ways):
        if tags[base + way] == wanted:
            if is_store:
                bytes8(machine, W_DDIRTY)[base + way] = 1
            if machine[W_LRU] != 0:
                machine[W_STAMP] += 1
                words64(machine, W_DSTAMPS)[base + way] = machine[W_STAMP]
            return 0
    return dcache_miss(machine, line, region, is_store)


@compiled
def icache_walk(machine: Any, first_line: int, last_line: int, region: int) -> int:
    """Look every code line of a block up; ticks of visible stall."""
    tags = words32(machine, W_ITAGS)
    stamps = words64(machine, W_ISTAMPS)
    ways = machine[W_IWAYS]
    ticks = 0
    for line in range(first_line, last_line + 1):
        base = (line & (machine[W_ISETS] - 1)) * ways
        found = -1
        for way in range(ways):
            if tags[base + way] == line + 1:
                found = way
        if found < 0:
            found = choose_way(machine, tags, stamps, base, ways)
            tags[base + found] = np.int32(line + 1)
            machine[W_IMISSES] += 1
            machine[W_EPOCH] += 1
            ticks += words64(machine, W_REGIONS)[region * R_COLUMNS + R_IFILL]
        if machine[W_LRU] != 0:
            machine[W_STAMP] += 1
            stamps[base + found] = machine[W_STAMP]
    return ticks


@compiled
def art_walk(machine: Any, first_line: int, last_line: int, region: int) -> int:
    """Fetch through the flash accelerator: a direct-mapped store of lines, next line prefetched."""
    lines = words64(machine, W_ART)
    count = machine[W_ART_LINES]
    ticks = 0
    for line in range(first_line, last_line + 1):
        slot = line % count
        if lines[slot] != line + 1:
            sequential = machine[W_ART_PREFETCH] != 0 and machine[W_ART_LAST] == line - 1
            lines[slot] = line + 1
            machine[W_IMISSES] += 1
            if not sequential:
                ticks += words64(machine, W_REGIONS)[region * R_COLUMNS + R_FETCH_LINE]
        machine[W_ART_LAST] = line
    return ticks
