"""Models -> `emu.board.Board`: the operating point chosen, the values frozen, the digest taken."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

from emu.board import (
    Accelerator,
    Accuracy,
    Assumption,
    Board,
    Cache,
    Chip,
    InterruptController,
    MappedPeripheral,
    Placement,
    Region,
    RegionTiming,
    Tcm,
)
from emu.boardfile.check import check, clock_row, stated_wait_states
from emu.boardfile.findings import list_facts, refuse
from emu.boardfile.spec import BoardSpec, CacheSpec, PlacementSpec, RegionSpec
from emu.boardfile.tree import Leaf, Mapping, Path_, find
from emu.units import format_hz


@dataclass(frozen=True)
class _OperatingPoint:
    """What the clock asks of bus and flash, and what to say where an option chose it."""

    bus_ratio: int
    flash_wait_states: int | None  # None: every flash region states its own
    notes: tuple[tuple[str, str], ...]
    facts: tuple[Assumption, ...]


def resolve(
    spec: BoardSpec,
    tree: Mapping,
    *,
    cores: tuple[str, ...],
    overrides: tuple[tuple[str, str], ...],
    files: tuple[str, ...],
) -> Board:
    """Check the numbers against each other and freeze them.

    Raises:
        BoardError: the file contradicts itself, or a number has no source.
        UsageError: an option of the command line is to blame.
    """
    facts, problems = list_facts(tree, spec)
    problems += check(spec, tree, cores)
    if problems:
        raise refuse(problems)
    point = _operating_point(spec, tree)
    regions = [_region(name, region, spec, point) for name, region in spec.chip.regions.items()]
    art = spec.chip.art
    board = Board(
        name=spec.name,
        title=spec.title,
        chip=Chip(
            name=spec.chip.name,
            core=spec.chip.core,
            fpu=spec.chip.fpu,
            regions=tuple(sorted(regions, key=lambda region: region.start)),
            icache=_cache(spec.chip.icache),
            dcache=_cache(spec.chip.dcache),
            tcm=Tcm(byte_store_read_modify_write=spec.chip.tcm.byte_store_read_modify_write),
            accelerator=None
            if art is None
            else Accelerator(art.lines, art.line_bytes, art.prefetch, art.enabled),
            peripherals=_peripherals(spec),
            peripheral_timing=_peripheral_timing(spec),
            interrupts=_interrupts(spec),
        ),
        clock_hz=spec.clock_hz,
        bus_ratio=point.bus_ratio,
        placement=_placement(spec.placement),
        accuracy=_accuracy(spec, tree),
        assumptions=(*facts, *point.facts),
        files=files,
        oscillators_hz=_oscillators(spec),
        console=spec.console,
        overrides=(*overrides, *point.notes),
    )
    return dataclasses.replace(board, digest=digest(board))


@functools.cache
def _core_values(core: str) -> Any:
    """The core's timing table without its sources: cycles depend on it as on the board."""
    text = (resources.files("boards") / "cores" / f"{core}.yaml").read_text(encoding="utf-8")

    def bare(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: bare(value) for key, value in node.items() if key != "source"}
        return node

    return bare(YAML(typ="safe").load(text))


def digest(board: Board) -> str:
    """SHA-256 over everything a run depends on: not over names or sources."""
    chip = dataclasses.asdict(board.chip)
    del chip["name"]
    del chip["interrupts"]["names"], chip["interrupts"]["handlers"]
    values = {
        "format": 2,
        "chip": chip,
        "core": _core_values(board.chip.core),
        "clock_hz": board.clock_hz,
        "bus_ratio": board.bus_ratio,
        "placement": dataclasses.asdict(board.placement),
        "oscillators_hz": board.oscillators_hz,
        "console": board.console,
    }
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _operating_point(spec: BoardSpec, tree: Mapping) -> _OperatingPoint:
    """Explicit options win, then (for the clock of the file) the file, then the clocks table."""
    row = clock_row(spec)
    clock_chosen = _is_option(tree, ("clock_hz",))
    notes: list[tuple[str, str]] = []
    facts: list[Assumption] = []

    def choose(key: str, own: int | None, of_row: int | None, keys: list[str]) -> int | None:
        by_option = _is_option(tree, (key,))
        if own is not None and (of_row is None or by_option or not clock_chosen):
            if clock_chosen and not by_option:
                notes.extend((said, f"{own} (kept: {spec.chip.name} has no row)") for said in keys)
            return own
        if row is None or of_row is None:
            return own
        why = f"{of_row} (clocks table of {spec.chip.name}, up to {format_hz(row.up_to_hz)})"
        if clock_chosen:
            notes.extend((said, why) for said in keys)
        leaf = find(tree, ("chip", "clocks", spec.chip.clocks.index(row), key))
        if isinstance(leaf, Leaf):
            facts.extend(
                Assumption(
                    said if said == key else f"chip.regions.{said.replace('.', '.timing.')}",
                    str(of_row),
                    leaf.source or "",
                    leaf.place.file,
                    leaf.place.line,
                )
                for said in keys
            )
        return of_row

    flashes = [
        f"{name}.wait_states"
        for name, region in spec.chip.regions.items()
        if region.kind == "flash" and stated_wait_states(spec, region) is None
    ]
    bus_ratio = choose("bus_ratio", spec.bus_ratio, row.bus_ratio if row else None, ["bus_ratio"])
    assert bus_ratio is not None  # `check` refused a board without one
    wait_states = choose(
        "flash_wait_states", spec.flash_wait_states, row.flash_wait_states if row else None, flashes
    )
    return _OperatingPoint(bus_ratio, wait_states, tuple(notes), tuple(facts))


def _is_option(tree: Mapping, path: Path_) -> bool:
    node = find(tree, path)
    return node is not None and node.place.is_option


def _region(name: str, region: RegionSpec, spec: BoardSpec, point: _OperatingPoint) -> Region:
    wait_states = stated_wait_states(spec, region)
    if wait_states is None:
        wait_states = point.flash_wait_states
    assert wait_states is not None  # `check` refused a board without them
    timing = region.timing
    return Region(
        name=name,
        start=region.start,
        size_bytes=region.size_bytes,
        kind=region.kind,
        bus=region.bus,
        cacheable=region.cacheable,
        executable=region.executable,
        alias_of=region.alias_of,
        accelerator=region.art,
        timing=RegionTiming(
            wait_states=wait_states,
            line_fill_overhead_cycles=timing.line_fill_overhead_cycles,
            code_fill_overhead_cycles=timing.code_fill_overhead_cycles,
            store_miss_cycles=timing.store_miss_cycles,
            eviction_cycles=timing.eviction_cycles,
            uncached_read_cycles=timing.uncached_read_cycles,
            uncached_write_cycles=timing.uncached_write_cycles,
        ),
    )


def _cache(cache: CacheSpec) -> Cache:
    return Cache(cache.size_bytes, cache.ways, cache.line_bytes, cache.replacement, cache.enabled)


def _peripherals(spec: BoardSpec) -> tuple[MappedPeripheral, ...]:
    peripherals = (
        MappedPeripheral(
            name=name,
            model=item.model,
            start=item.start,
            size_bytes=item.size_bytes,
            irqs=tuple(sorted(item.irqs.items(), key=lambda irq: (irq[1], irq[0]))),
            clock=item.clock,
            settings=tuple(sorted(item.settings.items())),
        )
        for name, item in spec.chip.peripherals.items()
    )
    return tuple(sorted(peripherals, key=lambda peripheral: peripheral.start))


def _peripheral_timing(spec: BoardSpec) -> RegionTiming:
    timing = spec.chip.peripheral_timing
    if timing is None:
        return RegionTiming()
    return RegionTiming(
        uncached_read_cycles=timing.uncached_read_cycles,
        uncached_write_cycles=timing.uncached_write_cycles,
    )


def _interrupts(spec: BoardSpec) -> InterruptController:
    """With a name for each interrupt: of what drives it, with "/" between those that share one."""
    interrupts = spec.chip.interrupts
    drivers = {number: [name] for name, number in interrupts.names.items()}
    for peripheral in _peripherals(spec):
        for output, number in peripheral.irqs:
            sole = output == "global"
            name = peripheral.name if sole else f"{peripheral.name}.{output}"
            drivers.setdefault(number, []).append(name)
    lines_count = interrupts.lines_count
    return InterruptController(
        lines_count=max(drivers, default=-1) + 1 if lines_count is None else lines_count,
        priority_bits=interrupts.priority_bits,
        mpu_regions_count=interrupts.mpu_regions_count,
        names=tuple((number, "/".join(names)) for number, names in sorted(drivers.items())),
        handlers=tuple(sorted((number, name) for name, number in interrupts.handlers.items())),
    )


def _oscillators(spec: BoardSpec) -> tuple[tuple[str, int], ...]:
    given = {"hse": spec.oscillators_hz.hse, "lse": spec.oscillators_hz.lse}
    return tuple((name, hz) for name, hz in given.items() if hz is not None)


def _placement(placement: PlacementSpec) -> Placement:
    return Placement(
        code=placement.code,
        weights=placement.weights,
        data=placement.data,
        heap=placement.heap,
        stack=placement.stack,
        stack_bytes=placement.stack_bytes,
        heap_bytes=placement.heap_bytes,
        symbols=tuple(sorted(placement.symbols.items())),
    )


def _accuracy(spec: BoardSpec, tree: Mapping) -> Accuracy:
    if spec.accuracy is None:
        return Accuracy()
    leaf = find(tree, ("accuracy", "mean_error_ratio"))
    source = leaf.source if isinstance(leaf, Leaf) and leaf.source else ""
    return Accuracy(spec.accuracy.mean_error_ratio, spec.accuracy.worst_error_ratio, source)
