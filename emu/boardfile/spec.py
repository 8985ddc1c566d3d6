"""What a board file may say, as pydantic models. They check one value at a time.

A field whose type has a `FactMark` is a number or property of the hardware: `findings` asks for
its source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from emu.board import Bus, RegionKind
from emu.boardfile.tree import quote
from emu.errors import UsageError
from emu.units import format_bytes, parse_frequency_hz, parse_size_bytes

# Names that `--set NAME.FIELD` uses for something else than a region.
RESERVED_NAMES = frozenset(
    {"dcache", "icache", "art", "tcm", "peripheral_timing", "chip", "board", "placement"}
)
_LONGEST_NUMBER_COUNT = 40  # characters; keeps absurd digit strings away from float()
_ADDRESS_SPACE_BYTES = 1 << 32
_SLOWEST_CLOCK_HZ, _FASTEST_CLOCK_HZ = 1_000_000, 2_000_000_000
_LARGEST_CACHE_BYTES = 1024**2
_MOST_WAIT_STATES_COUNT = 1000  # serial flash read in place is the slowest memory there is
_HIGHEST_COST_CYCLES = 10_000.0
_HIGHEST_BUS_RATIO = 512  # the largest divider of the AHB prescalers
_HIGHEST_COUNT = 4096
_SLOWEST_OSCILLATOR_HZ, _FASTEST_OSCILLATOR_HZ = 1_000, 200_000_000
_HIGHEST_IRQ = 239  # [TRM-M7]: 240 external interrupts at most
_LONGEST_SETTING_COUNT = 200  # characters
PERIPHERAL_SIZE_BYTES = 1024  # the slot that most peripherals have on these chips' buses

SOURCE_HELP = (
    "a document key and where in it (RM0433 2.4), or measured:, fitted: or assumed: and why"
)
# A document key holds a digit, as every manual's number does: 'datasheet' names no document.
_SOURCE = re.compile(
    r"(?:measured|fitted|assumed):\s*\S.*|(?=\S*\d)[A-Za-z][\w-]*(?:[ :;,].*)?", re.S
)


class FactMark:
    """Metadata of a type whose values need a source."""


_FACT = FactMark()


def is_source(text: str) -> bool:
    """Whether `text` says where a number came from."""
    return _SOURCE.fullmatch(text) is not None


def _refuse(sentence: str) -> PydanticCustomError:
    # Braces are pydantic's template marks; a user's text may hold them.
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


def _number_text(value: object) -> str:
    if not isinstance(value, str):
        raise _refuse("give one number, or {value: NUMBER, source: WHERE FROM}.")
    if len(value) > _LONGEST_NUMBER_COUNT:
        raise _refuse(f"'{value[:12]}...' is too long for a number.")
    return re.sub(r"(?<=[0-9a-fA-FxX])_(?=[0-9a-fA-F])", "", value.strip())


def _size(value: object) -> int:
    try:
        size_bytes = parse_size_bytes(_number_text(value))
    except UsageError as error:
        raise _refuse(str(error)) from error
    if not 0 < size_bytes <= _ADDRESS_SPACE_BYTES:
        raise _refuse(f"{value} is not a size of 1 byte to 4 GiB.")
    return size_bytes


def _cache_size(value: object) -> int:
    size_bytes = _size(value)
    if size_bytes > _LARGEST_CACHE_BYTES:
        raise _refuse(f"{format_bytes(size_bytes)} is no level-one cache; 1 MiB is the limit.")
    return size_bytes


def _address(value: object) -> int:
    text = _number_text(value)
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", text) is None:
        raise _refuse(f"'{value}' is not an address; write it as 0x2000_0000.")
    address = int(text, 0) if text[:2] in ("0x", "0X") else int(text)
    if address >= _ADDRESS_SPACE_BYTES:
        raise _refuse(f"{value} lies outside the 32-bit address space.")
    return address


def _clock(value: object) -> int:
    try:
        clock_hz = parse_frequency_hz(_number_text(value))
    except UsageError as error:
        raise _refuse(str(error)) from error
    if not _SLOWEST_CLOCK_HZ <= clock_hz <= _FASTEST_CLOCK_HZ:
        raise _refuse(f"{value} is no clock of this core; 1M to 2G are, for example 480M.")
    return clock_hz


def _oscillator(value: object) -> int:
    try:
        oscillator_hz = parse_frequency_hz(_number_text(value))
    except UsageError as error:
        raise _refuse(str(error)) from error
    if not _SLOWEST_OSCILLATOR_HZ <= oscillator_hz <= _FASTEST_OSCILLATOR_HZ:
        raise _refuse(f"{value} is no crystal's frequency; 1k to 200M are, for example 25M.")
    return oscillator_hz


def _setting(value: object) -> str | int:
    """A whole number where it reads as one, a text otherwise."""
    if not isinstance(value, str) or not value:
        raise _refuse("give a text or a whole number.")
    if re.fullmatch(r"(?:0[xX][0-9a-fA-F_]+|\d[\d_]*)", value):
        text = _number_text(value)
        return int(text, 16) if text[:2] in ("0x", "0X") else int(text)
    if len(value) > _LONGEST_SETTING_COUNT:
        raise _refuse(f"'{quote(value)}' is too long for a setting.")
    return value


def _console(value: object) -> object:
    return None if value == "none" else value  # as `--set console=none` says it


def _whole(lowest: int, highest: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = _number_text(value)
        if re.fullmatch(r"[+-]?\d+", text) is None or not lowest <= int(text) <= highest:
            raise _refuse(f"'{value}' is not a whole number from {lowest} to {highest}.")
        return int(text)

    return read


def _real(lowest: float, highest: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        text = _number_text(value)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not lowest <= number <= highest:  # false for nan as well
            raise _refuse(f"'{value}' is not a number from {lowest:g} to {highest:g}.")
        return number

    return read


def _flag(value: object) -> bool:
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in ("true", "false"):
        raise _refuse(f"'{quote(str(value))}' is neither true nor false.")
    return text == "true"


def _region_names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        names = tuple(name.strip() for name in value.split("+"))
    elif isinstance(value, list) and all(isinstance(name, str) for name in value):
        names = tuple(value)
    else:
        names = ()
    if not names or not all(names):
        raise _refuse("name a region, or adjacent regions as [sram1, sram2] or sram1+sram2.")
    return names


def _fact_schema(number: dict[str, Any]) -> WithJsonSchema:
    sourced = {
        "type": "object",
        "properties": {"value": number, "source": {"type": "string", "description": SOURCE_HELP}},
        "required": ["value", "source"],
        "additionalProperties": False,
    }
    return WithJsonSchema({"anyOf": [number, sourced]})


_SIZE_SCHEMA = {"type": ["integer", "string"], "examples": ["128K", "2M", "0x4000"]}
_ADDRESS_SCHEMA = {"type": ["integer", "string"], "examples": ["0x2000_0000"]}
_CLOCK_SCHEMA = {"type": ["integer", "string"], "examples": ["480M"]}
_FLAG_SCHEMA = {"type": "boolean"}
_NAMES_SCHEMA = {"type": ["string", "array"], "items": {"type": "string"}}


def _whole_schema(lowest: int, highest: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": lowest, "maximum": highest}


SizeBytes = Annotated[int, BeforeValidator(_size), _FACT, _fact_schema(_SIZE_SCHEMA)]
CacheSizeBytes = Annotated[int, BeforeValidator(_cache_size), _FACT, _fact_schema(_SIZE_SCHEMA)]
Address = Annotated[int, BeforeValidator(_address), _FACT, _fact_schema(_ADDRESS_SCHEMA)]
ClockHz = Annotated[int, BeforeValidator(_clock), _FACT, _fact_schema(_CLOCK_SCHEMA)]
WaitStates = Annotated[
    int,
    BeforeValidator(_whole(0, _MOST_WAIT_STATES_COUNT)),
    _FACT,
    _fact_schema(_whole_schema(0, _MOST_WAIT_STATES_COUNT)),
]
BusRatio = Annotated[
    int,
    BeforeValidator(_whole(1, _HIGHEST_BUS_RATIO)),
    _FACT,
    _fact_schema(_whole_schema(1, _HIGHEST_BUS_RATIO)),
]
Count = Annotated[
    int,
    BeforeValidator(_whole(1, _HIGHEST_COUNT)),
    _FACT,
    _fact_schema(_whole_schema(1, _HIGHEST_COUNT)),
]
CostCycles = Annotated[
    float,
    BeforeValidator(_real(0.0, _HIGHEST_COST_CYCLES)),
    _FACT,
    _fact_schema({"type": "number", "minimum": 0, "maximum": _HIGHEST_COST_CYCLES}),
]
ErrorRatio = Annotated[
    float,
    BeforeValidator(_real(0.0, 10.0)),
    _FACT,
    _fact_schema({"type": "number", "minimum": 0, "maximum": 10}),
]
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema(_FLAG_SCHEMA)]
FlagFact = Annotated[bool, BeforeValidator(_flag), _FACT, _fact_schema(_FLAG_SCHEMA)]
Replacement = Annotated[
    Literal["pseudo_random", "lru"],
    _FACT,
    _fact_schema({"enum": ["pseudo_random", "lru"]}),
]
Fpu = Annotated[
    Literal["none", "single", "double"], _FACT, _fact_schema({"enum": ["none", "single", "double"]})
]
RegionNames = Annotated[
    tuple[str, ...], BeforeValidator(_region_names), WithJsonSchema(_NAMES_SCHEMA)
]
OscillatorHz = Annotated[int, BeforeValidator(_oscillator), _FACT, _fact_schema(_CLOCK_SCHEMA)]
Irq = Annotated[
    int,
    BeforeValidator(_whole(0, _HIGHEST_IRQ)),
    _FACT,
    _fact_schema(_whole_schema(0, _HIGHEST_IRQ)),
]
PriorityBits = Annotated[
    int, BeforeValidator(_whole(3, 8)), _FACT, _fact_schema(_whole_schema(3, 8))
]
MpuRegions = Annotated[
    int, BeforeValidator(_whole(0, 16)), _FACT, _fact_schema(_whole_schema(0, 16))
]
Setting = Annotated[
    str | int, BeforeValidator(_setting), _FACT, _fact_schema({"type": ["string", "integer"]})
]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class FileSpec(BaseModel):
    """A mapping of a YAML file; `what` is how refusals call it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    what: ClassVar[str] = "the file"


class Spec(FileSpec):
    """A mapping of a board file. `source` covers the numbers directly in it."""

    what = "a board file"

    source: str | None = Field(default=None, description=SOURCE_HELP)


class TimingSpec(Spec):
    """What an access costs; see `emu.board.RegionTiming`."""

    what = "a region's timing"

    wait_states: WaitStates | None = Field(
        default=None, description="left out for flash: taken from the chip's clocks table"
    )
    line_fill_overhead_cycles: CostCycles
    code_fill_overhead_cycles: CostCycles
    store_miss_cycles: CostCycles
    eviction_cycles: CostCycles
    uncached_read_cycles: CostCycles
    uncached_write_cycles: CostCycles


class RegionSpec(Spec):
    """A stretch of addresses that behaves alike."""

    what = "a region"

    start: Address
    size_bytes: SizeBytes
    kind: RegionKind
    bus: Bus
    cacheable: Flag
    executable: Flag
    alias_of: str | None = Field(default=None, description="the region whose storage this is")
    art: Flag = Field(default=False, description="read through the flash accelerator")
    timing: TimingSpec


class CacheSpec(Spec):
    """A level-one cache."""

    what = "a cache"

    size_bytes: CacheSizeBytes
    ways: Count
    line_bytes: Count
    replacement: Replacement
    enabled: Flag = True


class ArtSpec(Spec):
    """The flash accelerator."""

    what = "the ART accelerator"

    lines: Count
    line_bytes: Count
    prefetch: FlagFact
    enabled: Flag = True


class TcmSpec(Spec):
    """What the tightly coupled memories cost."""

    what = "the TCM's properties"

    byte_store_read_modify_write: FlagFact


class ClockSpec(Spec):
    """A row of the clocks table: what a core clock asks of the bus and the flash."""

    what = "a row of the clocks table"

    up_to_hz: ClockHz
    bus_ratio: BusRatio
    flash_wait_states: WaitStates


class PeripheralSpec(Spec):
    """A peripheral: which model answers at which addresses; see `emu.board.MappedPeripheral`."""

    what = "a peripheral"

    model: Word = Field(
        description="a file of emu/peripherals/models, or register_file: only keeps what is written"
    )
    start: Address
    size_bytes: SizeBytes = PERIPHERAL_SIZE_BYTES
    irqs: dict[str, Irq] = Field(
        default={}, description="output of the model to interrupt number; 'global' for the only one"
    )
    clock: Annotated[Word, _FACT] | None = Field(
        default=None, description="the clock that it counts with, such as apb2"
    )
    settings: dict[str, Setting] = Field(default={}, description="what else the model takes")


class PeripheralTimingSpec(Spec):
    """What an access to a peripheral costs; see `emu.board.RegionTiming`."""

    what = "the peripherals' timing"

    uncached_read_cycles: CostCycles
    uncached_write_cycles: CostCycles


class InterruptsSpec(Spec):
    """What the chip's maker chose of the NVIC and the MPU."""

    what = "the chip's interrupts"

    lines_count: Count | None = Field(
        default=None, description="left out: up to the highest number that a peripheral names"
    )
    priority_bits: PriorityBits = 4
    mpu_regions_count: MpuRegions = 8
    names: dict[str, Irq] = Field(
        default={}, description="name to number of interrupts that no peripheral here drives"
    )
    handlers: dict[str, Irq] = Field(
        default={}, description="name in CMSIS, without _IRQHandler, to number"
    )


class ChipSpec(Spec):
    """A part number."""

    what = "a chip"

    name: Text
    extends: str | None = Field(default=None, description="a chip to start from, name or file")
    core: str = Field(description="key of the core's timing table, such as cortex-m7")
    fpu: Fpu
    clocks: tuple[ClockSpec, ...] = ()
    regions: dict[str, RegionSpec]
    icache: CacheSpec
    dcache: CacheSpec
    tcm: TcmSpec
    art: ArtSpec | None = None
    interrupts: InterruptsSpec = InterruptsSpec()
    peripheral_timing: PeripheralTimingSpec | None = None
    peripherals: dict[str, PeripheralSpec] = {}


class OscillatorsSpec(Spec):
    """Crystals on the board, and clocks that it feeds into the chip."""

    what = "the board's oscillators"

    hse: OscillatorHz | None = Field(default=None, description="at OSC_IN")
    lse: OscillatorHz | None = Field(default=None, description="at OSC32_IN")


class PlacementSpec(Spec):
    """Where the linker puts each section."""

    what = "a placement"

    code: RegionNames
    weights: RegionNames
    data: RegionNames
    heap: RegionNames
    stack: RegionNames
    stack_bytes: SizeBytes
    heap_bytes: SizeBytes
    symbols: dict[str, str] = Field(
        default={}, description="C objects placed apart: name to region"
    )


class AccuracySpec(Spec):
    """The timing model's published error on this board."""

    what = "the published accuracy"

    mean_error_ratio: ErrorRatio
    worst_error_ratio: ErrorRatio


class BoardSpec(Spec):
    """A chip at a clock, with a default placement."""

    what = "a board"

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    title: Text
    chip: ChipSpec
    clock_hz: ClockHz
    bus_ratio: BusRatio | None = Field(
        default=None, description="left out: taken from the chip's clocks table"
    )
    flash_wait_states: WaitStates | None = Field(
        default=None, description="left out: taken from the chip's clocks table"
    )
    oscillators_hz: OscillatorsSpec = OscillatorsSpec()
    console: Annotated[str | None, BeforeValidator(_console)] = Field(
        default=None, description="the serial port that is the terminal's, such as usart1"
    )
    regions: dict[str, RegionSpec] = Field(
        default={}, description="memory on the board, outside the chip"
    )
    placement: PlacementSpec
    accuracy: AccuracySpec | None = Field(default=None, description="null until it was measured")


def schema() -> dict[str, Any]:
    """JSON Schema of a board file, for editors: key names, types and ranges.

    A chip is a name, a file or a mapping. Completeness is left to the loader, because a chip that
    `extends` another may leave anything out.
    """
    made = BoardSpec.model_json_schema()
    for definition in made["$defs"].values():
        definition.pop("required", None)
    chip = made["properties"]["chip"]
    reference = {"type": "string", "description": "a chip by name (stm32h743) or file (my.yaml)"}
    made["properties"]["chip"] = {"anyOf": [reference, chip]}
    # One source may cover all peripherals; `catalogue` hands it down to each of them.
    peripherals = made["$defs"]["ChipSpec"]["properties"]["peripherals"]
    peripherals["properties"] = {"source": {"type": "string", "description": SOURCE_HELP}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
