"""What every machine takes and gives. `emu.measure` knows this file and no machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from emu.backends.serial_script import SerialScript
from emu.board import Board
from emu.firmware.image import Image


class Cause(StrEnum):
    """Where a cycle went. The causes of a run add up to its cycles."""

    ISSUE = "issue"  # the cycles that perfect operands, branches and memory would leave
    LATENCY = "latency"  # waiting for a result of an earlier instruction
    BRANCH = "branch"  # mispredicted or unpredicted branches
    ICACHE = "icache"  # I-cache line fills
    DCACHE = "dcache"  # D-cache line fills, store misses and evictions
    FLASH = "flash"  # uncached reads of flash, ART misses
    BUS = "bus"  # other uncached accesses and the store buffer
    EXCEPTION = "exception"  # entering, chaining and leaving interrupts and faults
    SLEEP = "sleep"  # waiting in WFI or WFE, or in a loop that only an interrupt ends


CAUSES: tuple[Cause, ...] = tuple(Cause)

# One row an executed instruction, sorted by address. Cycles are cycles in the clock of the core.
PROFILE_DTYPE = np.dtype(
    [
        ("address", "<u4"),
        ("size_bytes", "<u1"),
        ("executions_count", "<u8"),
        *[(f"{cause.value}_cycles", "<f8") for cause in CAUSES],
    ]
)

Timing = Literal["full", "issue", "none"]
AccessMode = Literal["reconstruct", "hook"]
# How a run ended. By itself: `exited`, `halted`. Where it was asked to: `until` (a text came),
# `script_ended`. Else it was stopped.
Outcome = Literal[
    "exited",
    "halted",
    "until",
    "script_ended",
    "fault",
    "max_cycles",
    "max_time",
    "timeout",
    "interrupted",
    "script_failed",
]


ClockSource = Literal["auto", "board", "firmware"]


@dataclass(frozen=True)
class AddressRange:
    """From the execution of one instruction to that of another (`--from`, `--to`)."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class SerialRange:
    """From a line of serial output that holds one text to one that holds another."""

    name: str
    start_text: str
    stop_text: str


@dataclass(frozen=True)
class RunOptions:
    """How to run. Defaults are those of `emu run`.

    Attributes:
        timing: `full` pipeline and memory, `issue` pipeline only, `none` counts instructions.
        accesses: `reconstruct` data addresses at block entry (fast) or `hook` each access (exact).
        entry: start at this symbol instead of reset (`None`: reset through the vector table).
        measure: functions whose calls are measured apart.
        max_cycles: stop as a runaway after this many cycles (instructions with `timing="none"`).
        timeout_s: stop after this much host time.
        trace: keep the SRAM trace (implies `accesses="hook"`).
        clock: whose clock: the `board` file's until the firmware sets its own, what the
            `firmware` sets from reset on, or `auto`: the board's for programs that were built here
            or begin at `entry`, else the firmware's.
        ranges: stretches of code whose executions are measured, by address.
        serial_ranges: stretches between two outputs that are measured.
        serial_script: what the other side of the serial line sends and expects.
        until: stop, as finished (`until`), when this text was printed on any port.
        max_time_s: stop as a runaway after so much modelled time.
        on_console: called with each piece of console output as it appears.
        on_progress: called a few times a second with (cycles, instructions).
    """

    timing: Timing = "full"
    accesses: AccessMode = "reconstruct"
    entry: str | None = None
    measure: tuple[str, ...] = ()
    max_cycles: int | None = None
    timeout_s: float | None = None
    trace: bool = False
    arguments: tuple[str, ...] = ()
    clock: ClockSource = "auto"
    ranges: tuple[AddressRange, ...] = ()
    serial_ranges: tuple[SerialRange, ...] = ()
    serial_script: SerialScript | None = None
    until: str | None = None
    max_time_s: float | None = None
    on_console: Callable[[bytes], None] | None = None
    on_progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class CallStats:
    """Calls of one measured function. The first call is cold, the later ones warm.

    Cycles are inclusive of callees. `None` where the function was never called (or never again).
    `stack_peak_bytes` counts from the stack pointer at its entry.
    """

    name: str
    address: int
    calls_count: int
    cold_cycles: float | None
    cold_instructions: int | None
    warm_count: int
    warm_mean_cycles: float | None
    warm_min_cycles: float | None
    warm_max_cycles: float | None
    warm_mean_instructions: float | None
    stack_peak_bytes: int | None


@dataclass(frozen=True)
class StackMark:
    """The deepest point of the stack. `call_path` holds code addresses, outermost first, the
    last one being where the deepest point was reached.
    """

    top: int
    lowest: int
    limit: int | None
    call_path: tuple[int, ...]

    @property
    def peak_bytes(self) -> int:
        return self.top - self.lowest


@dataclass(frozen=True)
class HeapMark:
    """How far the heap reached. `peak_bytes` is the extent that had to be reserved."""

    start: int
    peak_bytes: int
    allocations_count: int
    live_at_exit_bytes: int


@dataclass(frozen=True)
class AccessAccount:
    """How each data access was seen by the memory model, executed accesses."""

    reconstructed_count: int
    hooked_count: int
    unresolved_count: int
    predicated_count: int = 0  # of the reconstructed: in an IT block, counted as executed


@dataclass(frozen=True)
class MemoryTraffic:
    """Events of the memory system over the run. None: not counted."""

    icache_accesses_count: int | None = None
    icache_misses_count: int = 0
    dcache_accesses_count: int = 0
    dcache_misses_count: int = 0
    dcache_evictions_count: int = 0
    branches_count: int = 0
    mispredicts_count: int = 0


@dataclass(frozen=True)
class Fault:
    """What stopped the firmware.

    `kind` is one of: unmapped_read, unmapped_write, unmapped_fetch, write_to_flash,
    undefined_instruction, divide_by_zero, unaligned, stack_overflow, breakpoint, no_execute,
    no_code, exception.
    """

    kind: str
    sentence: str
    pc: int
    address: int | None
    registers: tuple[tuple[str, int], ...]
    call_path: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """Reads and writes over address and time, bounded whatever the length of the run.

    `reads` and `writes` are counts `[time bins, granules]` for each SRAM region; a time bin is
    `bin_cycles` wide (it doubles when the run outgrows the array), a granule `granule_bytes`.
    `first_write_cycles` and `last_read_cycles` have one entry a 4-byte word, -1 for none.
    """

    bin_cycles: int
    regions: tuple[TraceRegion, ...]
    unwritten_reads: tuple[tuple[int, int, int], ...]  # (pc, address, count), first ones seen
    stray_writes: tuple[tuple[int, int, int], ...]  # (pc, address, count) outside every symbol


@dataclass(frozen=True)
class TraceRegion:
    name: str
    start: int
    size_bytes: int
    granule_bytes: int
    reads: npt.NDArray[np.uint32]
    writes: npt.NDArray[np.uint32]
    first_write_cycles: npt.NDArray[np.int64]
    last_read_cycles: npt.NDArray[np.int64]


@dataclass(frozen=True)
class InterruptStats:
    """One exception or interrupt and what it cost. Cycles are core cycles.

    Attributes:
        number: exception number: 15 is SysTick, 16 external interrupt 0.
        handler: address of its handler's first instruction.
        latency_max_cycles: longest wait from pending to the handler's first instruction.
        total_cycles: from entry to return, what preempted it included.
    """

    number: int
    name: str
    handler: int
    taken_count: int
    tail_chained_count: int
    latency_max_cycles: int
    total_cycles: float


@dataclass(frozen=True)
class ClockChange:
    """From this cycle on the core ran at this clock."""

    at_cycles: int
    clock_hz: int
    bus_ratio: int
    flash_wait_states: int


@dataclass(frozen=True)
class UnknownRegister:
    """A register that is not modelled: it read back what was written."""

    name: str  # "ltdc+0x18", or "0x40016818" where no peripheral is described
    address: int
    reads_count: int
    writes_count: int


@dataclass(frozen=True)
class BusyLoop:
    """A loop that did nothing but read, when the run ended.

    `register` names what it reads ("rcc.cr"), `sentence` says what it waits for.
    """

    pc: int
    address: int
    register: str
    value: int
    sentence: str


@dataclass(frozen=True)
class SerialCapture:
    """What a step of the serial script caught, each time that it was played."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Execution:
    """Everything one run produced. A number that was not obtained is None."""

    outcome: Outcome
    exit_code: int | None
    backend: str
    cycles: float | None
    instructions: int
    cycles_by_cause: dict[Cause, float]
    profile: npt.NDArray[np.void]  # PROFILE_DTYPE; its cycles add up to `cycles`
    stack: StackMark | None
    heap: HeapMark | None
    calls: tuple[CallStats, ...]
    accesses: AccessAccount
    traffic: MemoryTraffic
    console: bytes
    host_s: float
    fault: Fault | None = None
    trace: Trace | None = None
    notes: tuple[str, ...] = field(default=())
    elapsed_s: float | None = None  # modelled time; None: cycles at the board's clock
    clocks: tuple[ClockChange, ...] = ()  # what the firmware set, in order; empty: the board's
    interrupts: tuple[InterruptStats, ...] = ()
    unknown_registers: tuple[UnknownRegister, ...] = ()
    busy_loop: BusyLoop | None = None
    serial: tuple[tuple[str, bytes], ...] = ()  # output by port: ("usart1", b"...")
    serial_captures: tuple[SerialCapture, ...] = ()
    script_failure: str | None = None  # why the serial script was not satisfied
    entered: tuple[int, ...] = ()  # first instructions of functions that ran, as far as it shows


class Machine(Protocol):
    """A machine that can run an image for a board."""

    name: str

    def run(self, image: Image, board: Board, options: RunOptions) -> Execution:
        """Run until the firmware ends, faults or a bound is hit.

        Firmware faults are a result (`Execution.fault`), not an exception.

        Raises:
            ImageError: the image does not fit the board.
        """
        ...
