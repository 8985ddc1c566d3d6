"""What an image occupies before its first instruction: flash and static RAM by region, symbol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from emu.board import Board, Region
from emu.firmware.image import Image, Section, Symbol
from emu.measure.report import RegionUse, SymbolUse
from emu.measure.source_path import SourcePaths

# Sections that only reserve room for stack and heap: what these really take is measured instead.
# `.heap` and `.stack` are common names, `._user_heap_stack` is that of ST's linker scripts.
_RESERVATION = re.compile(r"heap|stack", re.IGNORECASE)
_LARGEST_SYMBOLS_COUNT = 200
_OUTSIDE = "outside"  # addresses in no memory of the chip


@dataclass(frozen=True)
class Footprint:
    """Static bytes. RAM holds run-time addresses, flash what must be programmed into it."""

    regions: tuple[RegionUse, ...]
    static_sram_bytes: int
    static_symbols: tuple[SymbolUse, ...]
    flash_code_bytes: int
    flash_rodata_bytes: int
    flash_data_image_bytes: int
    flash_symbols: tuple[SymbolUse, ...]
    heap_reserved_bytes: int | None

    @property
    def flash_bytes(self) -> int:
        return self.flash_code_bytes + self.flash_rodata_bytes + self.flash_data_image_bytes

    @property
    def static_unnamed_bytes(self) -> int:
        return self.static_sram_bytes - sum(item.size_bytes for item in self.static_symbols)

    @property
    def flash_unnamed_bytes(self) -> int:
        return self.flash_bytes - sum(item.size_bytes for item in self.flash_symbols)


@dataclass(frozen=True)
class Marks:
    """Where stack and heap were at their peak: `(an address inside, bytes)`, None if unknown."""

    stack: tuple[int, int] | None = None
    heap: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Stay:
    """A section in one memory. A copied section stays in two: its image in flash, itself in RAM."""

    section: Section
    region: str
    kind: Literal["flash", "ram"]


def footprint(image: Image, board: Board, marks: Marks, paths: SourcePaths) -> Footprint:
    """Account for every allocated section in the memories of `board`."""
    stays = [stay for section in image.sections for stay in _stays(section, board)]
    flash = [stay for stay in stays if stay.kind == "flash"]
    ram = [stay for stay in stays if stay.kind == "ram"]
    reserved = [
        section.size_bytes
        for section in image.sections
        if "heap" in section.name.lower() and "stack" not in section.name.lower()
    ]
    return Footprint(
        regions=_regions(board, stays, marks),
        static_sram_bytes=_size(ram),
        static_symbols=_symbols(ram, image, paths),
        flash_code_bytes=_size(flash, "code"),
        flash_rodata_bytes=_size(flash, "constants"),
        flash_data_image_bytes=_size(flash, "data"),
        flash_symbols=_symbols(flash, image, paths),
        heap_reserved_bytes=sum(reserved) if reserved else None,
    )


def memory_name(region: Region) -> str:
    """The memory that a region shows: an alias goes by the name of what it is an alias of."""
    return region.alias_of or region.name


def _stays(section: Section, board: Board) -> list[_Stay]:
    if section.kind == "bss" and _RESERVATION.search(section.name):
        return []
    places = [section.address]
    if section.kind != "bss" and section.load_address != section.address:
        places.append(section.load_address)
    found = []
    for address in places:
        region = board.chip.region_at(address)
        if region is None:
            found.append(_Stay(section, _OUTSIDE, "ram"))
        elif region.kind != "device":
            found.append(_Stay(section, memory_name(region), region.kind))
    return found


def _size(stays: list[_Stay], kind: str | None = None) -> int:
    return sum(s.section.size_bytes for s in stays if kind is None or s.section.kind == kind)


def _regions(board: Board, stays: list[_Stay], marks: Marks) -> tuple[RegionUse, ...]:
    found = []
    for region in board.chip.regions:
        if region.alias_of is not None or region.kind == "device":
            continue
        here = [stay for stay in stays if stay.region == region.name]
        found.append(
            RegionUse(
                name=region.name,
                kind=region.kind,
                start=region.start,
                capacity_bytes=region.size_bytes,
                code_bytes=_size(here, "code"),
                constants_bytes=_size(here, "constants"),
                data_bytes=_size(here, "data"),
                bss_bytes=_size(here, "bss"),
                stack_peak_bytes=_mark_in(region, board, marks.stack),
                heap_peak_bytes=_mark_in(region, board, marks.heap),
            )
        )
    return tuple(found)


def _mark_in(region: Region, board: Board, mark: tuple[int, int] | None) -> int | None:
    if mark is None:
        return None
    at = board.chip.region_at(mark[0])
    return mark[1] if at is not None and memory_name(at) == region.name else None


def _symbols(stays: list[_Stay], image: Image, paths: SourcePaths) -> tuple[SymbolUse, ...]:
    found = []
    for symbol, size_bytes in image.owned_bytes:
        stay = _stay_of(symbol, stays)
        if stay is None:
            continue
        source = image.declared_at(symbol) if symbol.kind == "function" else None
        found.append(
            SymbolUse(
                name=symbol.name,
                region=stay.region,
                section=stay.section.name,
                kind=stay.section.kind,
                size_bytes=size_bytes,
                file=paths.present(source.file) if source else None,
                line=source.line if source else None,
            )
        )
    found.sort(key=lambda item: (-item.size_bytes, item.name))
    return tuple(found[:_LARGEST_SYMBOLS_COUNT])


def _stay_of(symbol: Symbol, stays: list[_Stay]) -> _Stay | None:
    for stay in stays:
        if stay.section.address <= symbol.address and symbol.end <= stay.section.end:
            return stay
    return None
