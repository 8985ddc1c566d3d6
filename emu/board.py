"""What a board is, as frozen values. `emu.boardfile` reads them from YAML.

Below the roof everything gets a `Board`; nothing there reads YAML or knows a board by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

RegionKind = Literal["flash", "ram", "device"]
Bus = Literal["axi", "ahb", "itcm", "dtcm"]
Section = Literal["code", "weights", "data", "heap", "stack"]


@dataclass(frozen=True)
class RegionTiming:
    """What an access costs beyond the core, in the clock that each name says.

    Attributes:
        wait_states: extra clocks of the region's bus for one read (flash: LATENCY), 0 or more.
        line_fill_overhead_cycles: core cycles a D-cache line fill stalls beyond
            `(wait_states + 1) * bus ratio`.
        code_fill_overhead_cycles: the same for an I-cache line fill.
        store_miss_cycles: core cycles a store that misses the D-cache stalls, visible part only.
        eviction_cycles: core cycles a dirty line written back to this region stalls, visible.
        uncached_read_cycles: core cycles an uncached read stalls past `(wait_states + 1) * ratio`.
        uncached_write_cycles: the same for an uncached write that the store buffer cannot hide.
    """

    wait_states: int = 0
    line_fill_overhead_cycles: float = 0.0
    code_fill_overhead_cycles: float = 0.0
    store_miss_cycles: float = 0.0
    eviction_cycles: float = 0.0
    uncached_read_cycles: float = 0.0
    uncached_write_cycles: float = 0.0


@dataclass(frozen=True)
class Region:
    """A stretch of addresses that behaves alike. `start` inclusive, `end` exclusive."""

    name: str
    start: int
    size_bytes: int
    kind: RegionKind
    bus: Bus
    cacheable: bool
    executable: bool
    alias_of: str | None = None  # the same storage as another region, seen at this address
    accelerator: bool = False  # reads go through the flash accelerator (ART)
    timing: RegionTiming = RegionTiming()

    @property
    def end(self) -> int:
        return self.start + self.size_bytes


@dataclass(frozen=True)
class Cache:
    """A level-one cache. `replacement` is undocumented on this core, so it is a parameter."""

    size_bytes: int
    ways: int
    line_bytes: int
    replacement: Literal["pseudo_random", "lru"]
    enabled: bool = True

    @property
    def sets(self) -> int:
        return self.size_bytes // (self.ways * self.line_bytes)


@dataclass(frozen=True)
class Accelerator:
    """A small line store in front of flash (ART): `lines` of `line_bytes`, next line prefetched."""

    lines: int
    line_bytes: int
    prefetch: bool
    enabled: bool = True


@dataclass(frozen=True)
class Tcm:
    """Facts of the tightly coupled memories that cost time.

    Attributes:
        byte_store_read_modify_write: byte and half-word stores read the word first (ECC parts).
    """

    byte_store_read_modify_write: bool


@dataclass(frozen=True)
class MappedPeripheral:
    """A peripheral of the chip: which model answers at which addresses.

    Attributes:
        name: as the reference manual has it, in lower case ("usart1").
        model: the file in `emu/peripherals/models` that behaves like it ("usart");
            "register_file" for one that only reads back what was written.
        irqs: output name of the model to interrupt number ("global", 37).
        clock: name in the clock tree of the clock it counts with ("apb2"), None for none.
        settings: what else the model takes, by key; texts and numbers.
    """

    name: str
    model: str
    start: int
    size_bytes: int
    irqs: tuple[tuple[str, int], ...] = ()
    clock: str | None = None
    settings: tuple[tuple[str, str | int], ...] = ()

    @property
    def end(self) -> int:
        return self.start + self.size_bytes


@dataclass(frozen=True)
class InterruptController:
    """What the chip's maker chose of the NVIC and MPU."""

    lines_count: int = 0  # external interrupts
    priority_bits: int = 4  # implemented, the top ones of eight
    mpu_regions_count: int = 8
    names: tuple[tuple[int, str], ...] = ()  # of interrupts, for reports
    # What a program calls their handlers, without `_IRQHandler`: (37, "USART1").
    handlers: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Chip:
    """One part number: its memory and caches."""

    name: str
    core: str  # key of the core file, e.g. "cortex-m7"
    fpu: Literal["none", "single", "double"]
    regions: tuple[Region, ...]
    icache: Cache
    dcache: Cache
    tcm: Tcm
    accelerator: Accelerator | None = None
    peripherals: tuple[MappedPeripheral, ...] = ()
    peripheral_timing: RegionTiming = RegionTiming()  # Device accesses at 0x4000_0000
    interrupts: InterruptController = InterruptController()

    def region(self, name: str) -> Region:
        """Raises KeyError when the chip has no such region."""
        for region in self.regions:
            if region.name == name:
                return region
        raise KeyError(name)

    def region_at(self, address: int) -> Region | None:
        for region in self.regions:
            if region.start <= address < region.end:
                return region
        return None


@dataclass(frozen=True)
class Placement:
    """Where the linker puts each section: a run of adjacent regions, lowest address first.

    `symbols` places single objects (by C name) apart from their section.
    """

    code: tuple[str, ...]
    weights: tuple[str, ...]  # .rodata
    data: tuple[str, ...]  # .data and .bss
    heap: tuple[str, ...]
    stack: tuple[str, ...]
    stack_bytes: int
    heap_bytes: int
    symbols: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Accuracy:
    """The timing model's published error on this board; null until it was measured."""

    mean_error_ratio: float | None = None
    worst_error_ratio: float | None = None
    source: str = "not published yet"


@dataclass(frozen=True)
class Assumption:
    """One number of a board file and where it came from."""

    key: str  # dotted path, e.g. "chip.regions.flash.timing.wait_states"
    value: str
    source: str  # "RM0433 4.3.8", "measured: ...", "fitted: ...", "assumed: ..."
    file: str
    line: int


@dataclass(frozen=True)
class Board:
    """A chip on a board at a clock: everything that a run depends on.

    Attributes:
        bus_ratio: core clocks a clock of AXI and AHB (1 or more).
        digest: SHA-256 over the resolved values, so that two runs on equal boards are comparable.
    """

    name: str
    title: str
    chip: Chip
    clock_hz: int
    bus_ratio: int
    placement: Placement
    accuracy: Accuracy = Accuracy()
    assumptions: tuple[Assumption, ...] = ()
    files: tuple[str, ...] = ()
    digest: str = ""
    oscillators_hz: tuple[tuple[str, int], ...] = ()  # crystals on the board: ("hse", 25_000_000)
    console: str | None = None  # the peripheral whose output is the terminal's ("usart1")
    overrides: tuple[tuple[str, str], ...] = field(default=())  # what --set and --place changed

    def line_fill_cycles(self, region: Region) -> float:
        """Visible stall of a D-cache line fill from `region`, core cycles."""
        timing = region.timing
        return (timing.wait_states + 1) * self.bus_ratio + timing.line_fill_overhead_cycles

    def code_fill_cycles(self, region: Region) -> float:
        """Visible stall of an I-cache line fill from `region`, core cycles."""
        timing = region.timing
        return (timing.wait_states + 1) * self.bus_ratio + timing.code_fill_overhead_cycles
