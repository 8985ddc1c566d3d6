"""The checks that need more than one number: overlaps, geometry, adjacency, room."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from emu.boardfile.check_peripherals import check_peripherals
from emu.boardfile.findings import Problem, place_problem, suggest
from emu.boardfile.override import SECTIONS
from emu.boardfile.spec import RESERVED_NAMES, BoardSpec, ClockSpec, RegionSpec
from emu.boardfile.tree import Mapping, Path_, find_nearest, quote
from emu.units import format_bytes, format_hz

_ADDRESS_SPACE_BYTES = 1 << 32
_GRAIN_BYTES = 32  # a cache line: no line may belong to two regions
# The system region from 0xE000_0000 holds the core's own registers: no memory [TRM-M7].
_SYSTEM_START = 0xE000_0000
_REGION_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def check(spec: BoardSpec, tree: Mapping, cores: tuple[str, ...]) -> list[Problem]:
    """Everything that is wrong with numbers that are each fine alone."""
    checks = _Check(spec, tree)
    return [
        *checks.core(cores),
        *checks.regions(),
        *checks.caches(),
        *checks.clocks(),
        *checks.placement(),
        *check_peripherals(spec, tree),
    ]


def clock_row(spec: BoardSpec) -> ClockSpec | None:
    """The row of the clocks table that serves the board's clock."""
    return next((row for row in spec.chip.clocks if spec.clock_hz <= row.up_to_hz), None)


def stated_wait_states(spec: BoardSpec, region: RegionSpec) -> int | None:
    """What a region, or the one it is an alias of, says itself."""
    if region.timing.wait_states is None and region.alias_of is not None:
        return spec.chip.regions[region.alias_of].timing.wait_states
    return region.timing.wait_states


class _Check:
    """The checks of one board. A problem is placed at the option that made it, if one did."""

    def __init__(self, spec: BoardSpec, tree: Mapping) -> None:
        self._spec = spec
        self._tree = tree

    def _problem(self, sentence: str, *paths: Path_) -> Problem:
        """A problem that the values at `paths` make together; the first one is shown."""
        return place_problem(self._tree, sentence, *paths)

    def core(self, cores: tuple[str, ...]) -> Iterator[Problem]:
        core = self._spec.chip.core
        if core not in cores:
            sentence = f"core '{quote(core)}' is not known; {suggest(core, cores)}"
            yield self._problem(sentence, ("chip", "core"))

    def regions(self) -> Iterator[Problem]:
        regions = self._spec.chip.regions
        for name, region in regions.items():
            path: Path_ = ("chip", "regions", name)
            start, size = (*path, "start"), (*path, "size_bytes")
            if not _REGION_NAME.fullmatch(name) or name in RESERVED_NAMES:
                why = "is taken" if name in RESERVED_NAMES else "is no region name"
                yield self._problem(
                    f"'{quote(name)}' {why}; use lower-case letters, digits and '_'.", path
                )
            if region.start + region.size_bytes > _ADDRESS_SPACE_BYTES:
                yield self._problem(
                    f"region '{name}' ends at 0x{region.start + region.size_bytes:x}, outside the "
                    "32-bit address space; move or shrink it.",
                    size,
                    start,
                )
            elif region.start + region.size_bytes > _SYSTEM_START:
                yield self._problem(
                    f"region '{name}' reaches into the core's own registers at 0xE000_0000; "
                    "move or shrink it.",
                    size,
                    start,
                )
            if region.start % _GRAIN_BYTES or region.size_bytes % _GRAIN_BYTES:
                yield self._problem(
                    f"region '{name}' must start at and span whole {_GRAIN_BYTES}-byte lines.",
                    size if region.size_bytes % _GRAIN_BYTES else start,
                    start,
                    size,
                )
            yield from self._properties(name, region)
        yield from self._overlaps()

    def _properties(self, name: str, region: RegionSpec) -> Iterator[Problem]:
        path: Path_ = ("chip", "regions", name)
        regions = self._spec.chip.regions
        if region.cacheable and region.bus in ("itcm", "dtcm"):
            yield self._problem(
                f"region '{name}' is on the {region.bus} bus, which passes the caches by; "
                "cacheable must be false.",
                (*path, "cacheable"),
            )
        if region.art and self._spec.chip.art is None:
            yield self._problem(
                f"region '{name}' is read through ART, and the chip describes none; add 'art:' to "
                "the chip.",
                (*path, "art"),
            )
        if region.alias_of is not None:
            target = regions.get(region.alias_of)
            alias = (*path, "alias_of")
            if target is None or region.alias_of == name:
                others = [other for other in regions if other != name]
                yield self._problem(
                    f"region '{name}' is an alias of '{quote(region.alias_of)}', which is no "
                    f"other region; {suggest(region.alias_of, others)}",
                    alias,
                )
            elif target.alias_of is not None:
                yield self._problem(
                    f"region '{name}' is an alias of '{region.alias_of}', itself an alias; name "
                    f"'{quote(target.alias_of)}'.",
                    alias,
                )
            elif (region.kind, region.size_bytes) != (target.kind, target.size_bytes):
                yield self._problem(
                    f"region '{name}' ({region.kind}, {format_bytes(region.size_bytes)}) is an "
                    f"alias of '{region.alias_of}' ({target.kind}, "
                    f"{format_bytes(target.size_bytes)}); kind and size must agree.",
                    (*path, "size_bytes"),
                    ("chip", "regions", region.alias_of, "size_bytes"),
                )
        if region.kind != "flash" and region.timing.wait_states is None:
            yield self._problem(
                f"region '{name}' has no timing.wait_states; only flash takes it from the clocks "
                "table.",
                (*path, "timing"),
            )

    def _overlaps(self) -> Iterator[Problem]:
        ordered = sorted(self._spec.chip.regions.items(), key=lambda item: item[1].start)
        for (name, region), (next_name, following) in pairwise(ordered):
            if region.start + region.size_bytes > following.start:
                yield self._problem(
                    f"region '{next_name}' ({_span(following)}) overlaps '{name}' "
                    f"({_span(region)}); move or shrink one.",
                    ("chip", "regions", next_name),
                    ("chip", "regions", next_name, "start"),
                    ("chip", "regions", name, "start"),
                    ("chip", "regions", name, "size_bytes"),
                )

    def caches(self) -> Iterator[Problem]:
        for name, cache in (("icache", self._spec.chip.icache), ("dcache", self._spec.chip.dcache)):
            path: Path_ = ("chip", name)
            paths = tuple((*path, part) for part in ("size_bytes", "ways", "line_bytes"))
            if not _is_power_of_two(cache.line_bytes) or cache.line_bytes < 4:
                yield self._problem(
                    f"{name}: a line of {cache.line_bytes} bytes is no power of two from 4.",
                    (*path, "line_bytes"),
                )
                continue
            way_bytes = cache.ways * cache.line_bytes
            if cache.size_bytes % way_bytes or not _is_power_of_two(cache.size_bytes // way_bytes):
                yield self._problem(
                    f"{name}: {format_bytes(cache.size_bytes)} is not {cache.ways} ways x "
                    f"{cache.line_bytes} bytes x a power of two of sets.",
                    *paths,
                )
        art = self._spec.chip.art
        if art is not None and (not _is_power_of_two(art.line_bytes) or art.line_bytes < 4):
            yield self._problem(
                f"art: a line of {art.line_bytes} bytes is no power of two from 4.",
                ("chip", "art", "line_bytes"),
            )

    def clocks(self) -> Iterator[Problem]:
        spec = self._spec
        limits = [row.up_to_hz for row in spec.chip.clocks]
        if any(after <= before for before, after in pairwise(limits)):
            yield self._problem(
                "the clocks table must rise from row to row by up_to_hz.", ("chip", "clocks")
            )
        if clock_row(spec) is not None:
            return
        lacking = [] if spec.bus_ratio is not None else ["bus_ratio"]
        if spec.flash_wait_states is None and self._needs_wait_states():
            lacking.append("flash_wait_states")
        if not lacking:
            return
        clock = ("clock_hz",)
        give = f"give {' and '.join(lacking)} too"
        if find_nearest(self._tree, clock).place.is_option:
            options = [name.replace("flash_", "flash.", 1) for name in lacking]
            give = f"give {' and '.join(f'--set {option}=N' for option in options)} too"
        if limits:
            yield self._problem(
                f"clock_hz {format_hz(spec.clock_hz)} is above the {format_hz(max(limits))} that "
                f"the clocks table of {spec.chip.name} ends at; lower it, or {give}.",
                clock,
            )
        else:
            yield self._problem(
                f"{spec.chip.name} has no clocks table to take bus_ratio and wait states from; "
                f"{give}.",
                clock,
            )

    def _needs_wait_states(self) -> bool:
        regions = self._spec.chip.regions.values()
        return any(
            region.kind == "flash"
            and region.timing.wait_states is None
            and (region.alias_of is None or region.alias_of not in self._spec.chip.regions)
            for region in regions
        )

    def placement(self) -> Iterator[Problem]:
        placed: dict[str, tuple[str, ...]] = {
            section: getattr(self._spec.placement, section) for section in SECTIONS
        }
        sound = True
        for section, names in placed.items():
            for problem in self._run(section, names, ("placement", section)):
                sound = False
                yield problem
        for symbol, name in self._spec.placement.symbols.items():
            path = ("placement", "symbols", symbol)
            if "+" in name:
                yield self._problem(
                    f"symbol '{quote(symbol)}' needs one region, not '{quote(name)}'.", path
                )
            else:
                yield from self._run(f"symbol '{quote(symbol)}'", (name,), path)
        if sound:
            yield from self._room(placed)

    def _run(self, what: str, names: tuple[str, ...], path: Path_) -> Iterator[Problem]:
        """Whether `what` may lie in the regions `names`."""
        regions = self._spec.chip.regions
        for name in names:
            if name not in regions:
                yield self._problem(
                    f"{what} is placed in '{quote(name)}', which is no region of "
                    f"{self._spec.chip.name}; {suggest(name, regions)}",
                    path,
                )
                return
        for name, next_name in pairwise(names):
            end, start = regions[name].start + regions[name].size_bytes, regions[next_name].start
            if end != start:
                yield self._problem(
                    f"{what} is placed in '{name}' and '{next_name}', which are not adjacent: "
                    f"'{name}' ends at 0x{end:08x}, '{next_name}' starts at 0x{start:08x}.",
                    path,
                    ("chip", "regions", name, "size_bytes"),
                    ("chip", "regions", name, "start"),
                    ("chip", "regions", next_name, "start"),
                )
                return
        for name in names:
            region = regions[name]
            if what == "code" and not region.executable:
                yield self._problem(
                    f"code is placed in '{name}', which is not executable.",
                    path,
                    ("chip", "regions", name, "executable"),
                )
            elif region.kind == "device":
                yield self._problem(
                    f"{what} is placed in '{name}', which is a device, no memory.", path
                )
            elif what in ("data", "heap", "stack") and region.kind != "ram":
                yield self._problem(
                    f"{what} is placed in '{name}', which is {region.kind} and cannot be written.",
                    path,
                )

    def _room(self, placed: dict[str, tuple[str, ...]]) -> Iterator[Problem]:
        """Whether stack and heap fit their regions, together where they share one."""
        placement = self._spec.placement
        wants = {"stack": placement.stack_bytes, "heap": placement.heap_bytes}
        for section, want_bytes in wants.items():
            room_bytes = self._size_bytes(placed[section])
            if want_bytes > room_bytes:
                yield self._problem(
                    f"a {section} of {format_bytes(want_bytes)} does not fit the "
                    f"{format_bytes(room_bytes)} of {'+'.join(placed[section])}.",
                    ("placement", f"{section}_bytes"),
                    ("placement", section),
                    *self._sizes(placed[section]),
                )
                return
        shared = tuple(dict.fromkeys(placed["stack"] + placed["heap"]))
        room_bytes = self._size_bytes(shared)
        if set(placed["stack"]) & set(placed["heap"]) and sum(wants.values()) > room_bytes:
            yield self._problem(
                f"a stack of {format_bytes(wants['stack'])} and a heap of "
                f"{format_bytes(wants['heap'])} do not fit the {format_bytes(room_bytes)} of "
                f"{'+'.join(shared)} together.",
                ("placement", "heap_bytes"),
                ("placement", "stack_bytes"),
                ("placement", "heap"),
                ("placement", "stack"),
                *self._sizes(shared),
            )

    def _size_bytes(self, names: tuple[str, ...]) -> int:
        return sum(self._spec.chip.regions[name].size_bytes for name in names)

    def _sizes(self, names: tuple[str, ...]) -> list[Path_]:
        return [("chip", "regions", name, "size_bytes") for name in names]


def _is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _span(region: RegionSpec) -> str:
    return f"0x{region.start:08x} to 0x{region.start + region.size_bytes - 1:08x}"
