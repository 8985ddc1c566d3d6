"""Caches, the flash accelerator and uncached memory, compiled for the hooks.

All costs are visible stalls in 1/256 cycle, taken from the board's regions.
"""

from __future__ import annotations

from emu.backends.constants import (
    R_COLUMNS,
    R_DFILL,
    R_EVICTION,
    R_FETCH_LINE,
    R_FREE,
    R_IFILL,
    R_STORE_MISS,
    R_UNCACHED_READ,
    R_UNCACHED_WRITE,
    W_ART,
    W_ART_LAST,
    W_ART_LINES,
    W_ART_PREFETCH,
    W_ATTRIBUTES,
    W_DCACHE_ON,
    W_DDIRTY,
    W_DLRU,
    W_DMISSES,
    W_DSETS,
    W_DSTAMPS,
    W_DTAGS,
    W_DWAYS,
    W_EPOCH,
    W_EVICTIONS,
    W_ILRU,
    W_IMISSES,
    W_ISETS,
    W_ISTAMPS,
    W_ITAGS,
    W_IWAYS,
    W_RANDOM,
    W_REGIONS,
    W_STAMP,
)
from emu.backends.intrinsics import get, get8, get32, put, put8, put32
from emu.backends.layout import PLACE_CACHEABLE, PLACE_REGION
from emu.core.compiled import compiled, inlined


@inlined
def region_at(machine: int, address: int) -> int:
    """Region number of an address, 0 where nothing is mapped."""
    return get8(get(machine, W_ATTRIBUTES), address >> 12) & PLACE_REGION


@compiled
def choose_way(machine: int, tags: int, stamps: int, base: int, ways: int, lru: int) -> int:
    """The way to replace: an empty one, else by the board's policy."""
    for way in range(ways):
        if get32(tags, base + way) == 0:
            return way
    if lru != 0:
        oldest = 0
        for way in range(1, ways):
            if get(stamps, base + way) < get(stamps, base + oldest):
                oldest = way
        return oldest
    put(machine, W_RANDOM, (get(machine, W_RANDOM) * 1103515245 + 12345) & 0x7FFFFFFF)
    return (get(machine, W_RANDOM) >> 16) % ways


@compiled
def dcache_miss(machine: int, line: int, region: int, is_store: bool) -> int:
    """Fill a line that was not found; ticks of visible stall."""
    regions = get(machine, W_REGIONS)
    tags = get(machine, W_DTAGS)
    stamps = get(machine, W_DSTAMPS)
    dirty = get(machine, W_DDIRTY)
    ways = get(machine, W_DWAYS)
    base = (line & (get(machine, W_DSETS) - 1)) * ways
    put(machine, W_DMISSES, get(machine, W_DMISSES) + 1)
    way = choose_way(machine, tags, stamps, base, ways, get(machine, W_DLRU))
    ticks = 0
    if get32(tags, base + way) != 0 and get8(dirty, base + way) != 0:
        put(machine, W_EVICTIONS, get(machine, W_EVICTIONS) + 1)
        victim = region_at(machine, (get32(tags, base + way) - 1) << 5)
        ticks += get(regions, victim * R_COLUMNS + R_EVICTION)
    put32(tags, base + way, line + 1)
    put(machine, W_STAMP, get(machine, W_STAMP) + 1)
    put(stamps, base + way, get(machine, W_STAMP))
    if is_store:
        put8(dirty, base + way, 1)
        return ticks + get(regions, region * R_COLUMNS + R_STORE_MISS)
    put8(dirty, base + way, 0)
    return ticks + get(regions, region * R_COLUMNS + R_DFILL)


@compiled
def dcache_access(machine: int, line: int, region: int, is_store: bool) -> int:
    """One line of a cacheable region is read or written; ticks of visible stall, 0 for a hit."""
    tags = get(machine, W_DTAGS)
    ways = get(machine, W_DWAYS)
    base = (line & (get(machine, W_DSETS) - 1)) * ways
    wanted = line + 1
    for way in range(ways):
        if get32(tags, base + way) == wanted:
            if is_store:
                put8(get(machine, W_DDIRTY), base + way, 1)
            if get(machine, W_DLRU) != 0:
                put(machine, W_STAMP, get(machine, W_STAMP) + 1)
                put(get(machine, W_DSTAMPS), base + way, get(machine, W_STAMP))
            return 0
    return dcache_miss(machine, line, region, is_store)


@compiled
def icache_walk(machine: int, first_line: int, last_line: int, region: int) -> int:
    """Look every code line of a block up; ticks of visible stall."""
    tags = get(machine, W_ITAGS)
    stamps = get(machine, W_ISTAMPS)
    ways = get(machine, W_IWAYS)
    ticks = 0
    for line in range(first_line, last_line + 1):
        base = (line & (get(machine, W_ISETS) - 1)) * ways
        found = -1
        for way in range(ways):
            if get32(tags, base + way) == line + 1:
                found = way
        if found < 0:
            found = choose_way(machine, tags, stamps, base, ways, get(machine, W_ILRU))
            put32(tags, base + found, line + 1)
            put(machine, W_IMISSES, get(machine, W_IMISSES) + 1)
            put(machine, W_EPOCH, get(machine, W_EPOCH) + 1)
            ticks += get(get(machine, W_REGIONS), region * R_COLUMNS + R_IFILL)
        if get(machine, W_ILRU) != 0:
            put(machine, W_STAMP, get(machine, W_STAMP) + 1)
            put(stamps, base + found, get(machine, W_STAMP))
    return ticks


@compiled
def art_walk(machine: int, first_line: int, last_line: int, region: int) -> int:
    """Fetch through the flash accelerator: a direct-mapped store of lines, next line prefetched."""
    lines = get(machine, W_ART)
    count = get(machine, W_ART_LINES)
    ticks = 0
    for line in range(first_line, last_line + 1):
        slot = line % count
        if get(lines, slot) != line + 1:
            sequential = get(machine, W_ART_PREFETCH) != 0 and get(machine, W_ART_LAST) == line - 1
            put(lines, slot, line + 1)
            put(machine, W_IMISSES, get(machine, W_IMISSES) + 1)
            if not sequential:
                ticks += get(get(machine, W_REGIONS), region * R_COLUMNS + R_FETCH_LINE)
        put(machine, W_ART_LAST, line)
    return ticks


@compiled
def stack_frame_stall(machine: int, address: int, words: int, is_store: bool) -> int:
    """Ticks that storing or loading an exception's frame waits for memory."""
    regions = get(machine, W_REGIONS)
    place = get8(get(machine, W_ATTRIBUTES), address >> 12)
    region = place & PLACE_REGION
    into = region * R_COLUMNS
    if get(regions, into + R_FREE) != 0:
        return 0
    if place & PLACE_CACHEABLE == 0 or get(machine, W_DCACHE_ON) == 0:
        if is_store:
            return words * get(regions, into + R_UNCACHED_WRITE)
        return words * get(regions, into + R_UNCACHED_READ)
    ticks = 0
    for line in range(address >> 5, ((address + 4 * words - 1) >> 5) + 1):
        ticks += dcache_access(machine, line, region, is_store)
    return ticks
