"""`emu.report/1`: what a run cost, as frozen values and as JSON.

Laws, which `tests/emu/measure/test_report.py` states again as tests:

- cycles are whole; causes, functions and lines each add up to `elapsed_cycles`;
- `latency_cycles` equals `elapsed_cycles` when the firmware ended by itself or came to where it was
  to be stopped (`--until`, the end of a script), and is null otherwise;
- `peak_sram_bytes` = static RAM + heap peak + stack peak, null when one of them is;
- a number that was not obtained is null, and `error` or a note says why. Never 0, never -1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emu.backends.protocol import AccessMode, Cause, Outcome, Timing
from emu.errors import ReportError

SCHEMA: Final = "emu.report/1"
FINISHED: tuple[Outcome, ...] = ("exited", "halted", "until", "script_ended")


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CauseCycles(_Value):
    """Where cycles went; the fields add up to the cycles of the row that holds them."""

    issue_cycles: int = Field(0, description="what perfect operands, branches and memory leave")
    result_latency_cycles: int = Field(0, description="waiting for an earlier result")
    branch_cycles: int = Field(0, description="mispredicted branches")
    icache_cycles: int = Field(0, description="instruction cache line fills")
    dcache_cycles: int = Field(0, description="data cache fills, store misses, evictions")
    flash_cycles: int = Field(0, description="uncached flash reads and accelerator misses")
    bus_cycles: int = Field(0, description="other uncached accesses, store buffer")
    exception_cycles: int = Field(0, description="entering, chaining and leaving interrupts")
    sleep_cycles: int = Field(0, description="waiting in WFI or WFE for the next event")

    @property
    def total_cycles(self) -> int:
        return sum(cycles for _, cycles in self.items())

    def items(self) -> tuple[tuple[Cause, int], ...]:
        """Cycles of every cause, in the order of `Cause`."""
        return tuple((cause, getattr(self, CAUSE_FIELDS[cause])) for cause in Cause)


CAUSE_FIELDS: dict[Cause, str] = {
    cause: "result_latency_cycles" if cause is Cause.LATENCY else f"{cause.value}_cycles"
    for cause in Cause
}


class Frame(_Value):
    """One step of a call path, outermost first."""

    address: int
    function: str | None
    file: str | None
    line: int | None

    def __str__(self) -> str:
        name = self.function or "?"
        return (
            f"{name} ({self.file}:{self.line})" if self.file else f"{name} (0x{self.address:08x})"
        )


class FunctionCost(_Value):
    """One function without its callees. A null `name` gathers code outside every function."""

    name: str | None
    file: str | None
    line: int | None
    self_cycles: int | None
    self_share_ratio: float | None
    instructions_count: int
    calls_count: int | None = Field(description="executions of its first instruction")
    cycles_by_cause: CauseCycles | None


class LineCost(_Value):
    """One source line; a null `file` gathers code without line information."""

    file: str | None
    line: int | None
    function: str | None
    self_cycles: int | None
    self_share_ratio: float | None
    instructions_count: int
    cycles_by_cause: CauseCycles | None


class MeasuredCall(_Value):
    """What was measured apart, the first time cold and the rest warm.

    `function`: calls under `--measure`, callees included; `addresses`: from one instruction to
    another; `serial`: between two lines of output. Milliseconds are at the last clock of the run.
    """

    name: str
    kind: Literal["function", "addresses", "serial"] = "function"
    calls_count: int
    cold_cycles: float | None
    cold_ms: float | None
    cold_instructions_count: int | None
    warm_calls_count: int
    warm_mean_cycles: float | None
    warm_mean_ms: float | None
    warm_min_cycles: float | None
    warm_max_cycles: float | None
    warm_mean_instructions_count: float | None
    stack_peak_bytes: int | None = Field(description="below the stack pointer at its entry")
    error: str | None = None


class RegionUse(_Value):
    """A memory of the chip and what lies in it. Aliases are counted with the memory they show."""

    name: str
    kind: Literal["flash", "ram", "device"]
    start: int
    capacity_bytes: int
    code_bytes: int
    constants_bytes: int
    data_bytes: int = Field(description="initialised variables; in flash their initial values")
    bss_bytes: int
    stack_peak_bytes: int | None = Field(description="null where the stack is elsewhere")
    heap_peak_bytes: int | None = Field(description="null where the heap is elsewhere")

    @property
    def static_bytes(self) -> int:
        return self.code_bytes + self.constants_bytes + self.data_bytes + self.bss_bytes

    @property
    def used_bytes(self) -> int:
        return self.static_bytes + (self.stack_peak_bytes or 0) + (self.heap_peak_bytes or 0)


class SymbolUse(_Value):
    """Bytes of one object or function in one memory."""

    name: str
    region: str
    section: str
    kind: Literal["code", "constants", "data", "bss"]
    size_bytes: int
    file: str | None = None
    line: int | None = None


class Memory(_Value):
    """Bytes by region and by symbol; `*_unnamed_bytes` is what no listed symbol covers."""

    regions: tuple[RegionUse, ...]
    static_symbols: tuple[SymbolUse, ...] = Field(description="in RAM, largest first")
    static_unnamed_bytes: int
    flash_symbols: tuple[SymbolUse, ...] = Field(description="in flash, largest first")
    flash_unnamed_bytes: int
    stack_reserved_bytes: int | None
    stack_call_path: tuple[Frame, ...] = Field(description="at the deepest point of the stack")
    heap_reserved_bytes: int | None
    heap_allocations_count: int | None
    heap_live_at_exit_bytes: int | None


class Accesses(_Value):
    """How each executed data access reached the memory model."""

    reconstructed_count: int
    hooked_count: int
    unresolved_count: int
    predicated_count: int = Field(
        description="of the reconstructed: in an IT block, taken as executed"
    )


class Traffic(_Value):
    """Events of caches and branch prediction. Null where the timing did not model them."""

    icache_accesses_count: int | None
    icache_misses_count: int | None
    dcache_accesses_count: int | None
    dcache_misses_count: int | None
    dcache_evictions_count: int | None
    branches_count: int | None
    mispredicts_count: int | None


class Register(_Value):
    name: str
    value: int


class FaultReport(_Value):
    """What stopped the firmware, and where."""

    kind: str
    sentence: str
    pc: int
    address: int | None
    region: str | None = Field(description="memory that holds `address`, null outside every one")
    function: str | None
    file: str | None
    line: int | None
    registers: tuple[Register, ...]
    call_path: tuple[Frame, ...]


class ClockSetting(_Value):
    """From then on the core ran at this clock."""

    at_cycles: int
    at_ms: float
    clock_hz: int
    bus_ratio: int = Field(description="core clocks a clock of the bus")
    flash_wait_states: int


class InterruptCost(_Value):
    """An exception or interrupt that was taken. Cycles are core cycles."""

    name: str
    number: int = Field(description="of the exception: 15 is SysTick, 16 external interrupt 0")
    handler: int = Field(description="address of its handler")
    function: str | None
    file: str | None
    line: int | None
    taken_count: int
    tail_chained_count: int
    latency_max_cycles: int = Field(description="from pending to the handler's first instruction")
    latency_max_us: float = Field(description="at the last clock of the run")
    total_cycles: int = Field(description="entry to return, what preempted it included")
    share_ratio: float | None = Field(description="of the elapsed cycles")


class UnmodelledRegister(_Value):
    """A register without a model: it reads back what was written."""

    name: str
    address: int
    reads_count: int
    writes_count: int


class WaitingLoop(_Value):
    """A loop that did nothing but read one register when the run ended."""

    pc: int
    function: str | None
    file: str | None
    line: int | None
    register_name: str
    address: int
    value: int = Field(description="what it read last")
    sentence: str


class SerialOutput(_Value):
    """What the firmware printed on one port."""

    port: str
    text: str


class Capture(_Value):
    """What a step of the serial script caught, each time that it was played."""

    name: str
    values: tuple[str, ...]
    last_value: float | None = Field(description="the last one as a number, null when it is none")


class Override(_Value):
    key: str
    value: str


class BoardOrigin(_Value):
    name: str
    title: str
    chip: str
    digest: str
    files: tuple[str, ...]
    overrides: tuple[Override, ...]


class CompilerOrigin(_Value):
    name: str
    version: str
    flags: tuple[str, ...]


class Accuracy(_Value):
    """The model's published error on this board; null until it was measured."""

    mean_error_ratio: float | None
    worst_error_ratio: float | None
    source: str

    def __str__(self) -> str:
        if self.mean_error_ratio is None:
            return f"error {self.source}"
        worst = (
            f", worst ±{self.worst_error_ratio:.1%}" if self.worst_error_ratio is not None else ""
        )
        return f"error ±{self.mean_error_ratio:.1%}{worst} ({self.source})"


class Provenance(_Value):
    """Everything that a second run needs to give the same numbers."""

    tool_version: str
    backend: str
    timing: Timing
    accesses: AccessMode
    board: BoardOrigin
    compiler: CompilerOrigin | None = Field(description="null for an ELF that was built elsewhere")
    sources: tuple[str, ...]
    source_sha256: str | None
    image_sha256: str
    entry: str | None = Field(description="null: main of C sources, reset of an ELF")
    model_error: Accuracy


class Report(_Value):
    """What one run cost. Read and write it with `load_report` and `Report.to_json`."""

    schema_id: Literal["emu.report/1"] = Field(SCHEMA, alias="schema")
    outcome: Outcome
    exit_code: int | None = Field(description="what the firmware returned")
    error: str | None = Field(description="what went wrong, in a sentence")
    cycles_kind: Literal["modelled", "measured"]
    clock_hz: int = Field(description="of the core when the run ended")
    clocks: tuple[ClockSetting, ...] = Field(
        (), description="what the firmware set, in order; empty: the board's clock throughout"
    )
    latency_cycles: int | None
    latency_ms: float | None
    elapsed_cycles: int | None = Field(description="until the run ended or was stopped")
    elapsed_ms: float | None = Field(None, description="the same as modelled time")
    instructions_count: int
    ipc_ratio: float | None
    cycles_by_cause: CauseCycles | None
    peak_sram_bytes: int | None
    static_sram_bytes: int | None
    stack_peak_bytes: int | None
    heap_peak_bytes: int | None
    arena_bytes: int | None = Field(description="null for plain C")
    flash_bytes: int
    flash_code_bytes: int
    flash_rodata_bytes: int
    flash_data_image_bytes: int
    memory: Memory
    functions: tuple[FunctionCost, ...] = Field(description="most expensive first")
    lines: tuple[LineCost, ...] = Field(description="most expensive first")
    calls: tuple[MeasuredCall, ...]
    accesses: Accesses
    traffic: Traffic
    interrupts: tuple[InterruptCost, ...] = Field((), description="most expensive first")
    unknown_registers: tuple[UnmodelledRegister, ...] = Field((), description="by address")
    fault: FaultReport | None
    busy_loop: WaitingLoop | None = None
    console: str
    serial: tuple[SerialOutput, ...] = Field((), description="output by port")
    captures: tuple[Capture, ...] = Field((), description="what the serial script caught")
    provenance: Provenance
    host_s: float = Field(description="wall time of the run; the one number that varies")
    notes: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether the run ended where it was meant to, so that its latency is one."""
        return self.outcome in FINISHED and self.busy_loop is None

    def to_json(self) -> str:
        """The report as text, one key a line, ending in a newline.

        Equal runs give equal text but for `host_s`.
        """
        return json.dumps(self.model_dump(by_alias=True, mode="json"), indent=1) + "\n"

    def call(self, name: str) -> MeasuredCall:
        """The measured calls of the function `name`.

        Raises:
            KeyError: it was not asked for with `measure`.
        """
        for call in self.calls:
            if call.name == name:
                return call
        raise KeyError(name)


def load_report(path: Path) -> Report:
    """Read a report that `emu run --json` wrote.

    Raises:
        ReportError: no such file, not JSON, another schema, or a field that does not fit.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise ReportError(f"Cannot read the report {path}: {reason}.") from problem
    return parse_report(text, str(path))


def parse_report(text: str, name: str) -> Report:
    """The same for text in memory; `name` is how errors call it.

    Raises:
        ReportError: as `load_report`.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ReportError(
            f"{name} is not JSON ({problem}). Make it again with emu run --json."
        ) from problem
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        what = f"schema {found!r}" if found else "no schema"
        raise ReportError(
            f"{name} has {what}, wanted '{SCHEMA}'. Make it again with emu run --json."
        )
    try:
        return Report.model_validate(value)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReportError(
            f"{name} is no valid {SCHEMA}: '{where}': {first['msg']}. "
            "Make it again with emu run --json."
        ) from problem


def report_json_schema() -> str:
    """JSON Schema of `emu.report/1`, for editors and for consumers in other languages."""
    schema = Report.model_json_schema(by_alias=True, mode="serialization")
    schema["$id"] = SCHEMA
    return json.dumps(schema, indent=1) + "\n"
