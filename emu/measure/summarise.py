"""One execution becomes one report."""

from __future__ import annotations

from typing import Literal

from emu.backends.protocol import AccessAccount, CallStats, Execution, Fault, RunOptions
from emu.board import Board
from emu.firmware.image import Image
from emu.measure.footprint import Footprint, Marks, footprint, memory_name
from emu.measure.found_functions import with_found_functions
from emu.measure.profile import Profile, attribute
from emu.measure.report import (
    FINISHED,
    Accesses,
    Accuracy,
    BoardOrigin,
    CompilerOrigin,
    FaultReport,
    Frame,
    MeasuredCall,
    Memory,
    Override,
    Provenance,
    Register,
    Report,
    Traffic,
)
from emu.measure.source_path import SourcePaths
from emu.measure.system_events import (
    captures,
    clock_settings,
    interrupt_costs,
    last_clock_hz,
    serial_outputs,
    unknown_registers,
    waiting_loop,
)
from emu.measure.verdict import verdict
from emu.units import cycles_to_ms

_CONSOLE_LIMIT_BYTES = 1024**2
CallKind = Literal["function", "addresses", "serial"]
_NEVER_BEGUN: dict[CallKind, str] = {
    "function": "was never called.",
    "addresses": "was never come to: its --from was not executed.",
    "serial": "never began: its --from-uart was not printed.",
}
_NEVER_OVER: dict[CallKind, str] = {
    "function": "was called but never returned.",
    "addresses": "was begun but its --to was not executed.",
    "serial": "was begun but its --to-uart was not printed.",
}
_PARTIAL_NOTE = "The run stopped before its end: peaks are those reached until then."


def summarise(
    execution: Execution,
    image: Image,
    board: Board,
    options: RunOptions,
    *,
    paths: SourcePaths,
    tool_version: str,
    compiler: CompilerOrigin | None = None,
    sources: tuple[str, ...] = (),
    source_sha256: str | None = None,
    entry: str | None = None,
) -> Report:
    """Put the numbers of a run into a report, by function, line, region and symbol."""
    named = with_found_functions(image, execution)
    profile = attribute(execution, named, paths)
    stack, heap = execution.stack, execution.heap
    stack_bytes = stack.peak_bytes if stack is not None else None
    heap_bytes = heap.peak_bytes if heap is not None else _heap_without_allocator(image)
    static = footprint(
        image,
        board,
        Marks(
            stack=(stack.top - 1, stack.peak_bytes) if stack else None,
            heap=(heap.start, heap.peak_bytes) if heap else None,
        ),
        paths,
    )
    finished = execution.outcome in FINISHED and execution.busy_loop is None
    elapsed = profile.elapsed_cycles
    clock_hz = last_clock_hz(execution, board)
    elapsed_ms = _elapsed_ms(execution, elapsed, board)
    modelled = options.timing == "full"
    return Report(
        schema_id="emu.report/1",
        outcome=execution.outcome,
        exit_code=execution.exit_code,
        error=verdict(execution, options, elapsed),
        cycles_kind="modelled",
        clock_hz=clock_hz,
        clocks=clock_settings(execution.clocks, board),
        latency_cycles=elapsed if finished else None,
        latency_ms=elapsed_ms if finished else None,
        elapsed_cycles=elapsed,
        elapsed_ms=elapsed_ms,
        instructions_count=execution.instructions,
        ipc_ratio=round(execution.instructions / elapsed, 4) if elapsed else None,
        cycles_by_cause=profile.cycles_by_cause,
        peak_sram_bytes=(
            static.static_sram_bytes + stack_bytes + heap_bytes
            if stack_bytes is not None and heap_bytes is not None
            else None
        ),
        static_sram_bytes=static.static_sram_bytes if image.knows_sections else None,
        stack_peak_bytes=stack_bytes,
        heap_peak_bytes=heap_bytes,
        arena_bytes=None,
        flash_bytes=static.flash_bytes,
        flash_code_bytes=static.flash_code_bytes,
        flash_rodata_bytes=static.flash_rodata_bytes,
        flash_data_image_bytes=static.flash_data_image_bytes,
        memory=_memory(execution, static, named, paths),
        functions=profile.functions,
        lines=profile.lines,
        calls=tuple(_call(stats, clock_hz, options) for stats in execution.calls),
        accesses=_accesses(execution.accesses),
        traffic=_traffic(execution, modelled),
        interrupts=interrupt_costs(execution, named, clock_hz, elapsed, paths),
        unknown_registers=unknown_registers(execution),
        fault=_fault(execution.fault, named, board, paths) if execution.fault else None,
        busy_loop=waiting_loop(execution.busy_loop, named, paths) if execution.busy_loop else None,
        console=_console(execution.console),
        serial=serial_outputs(execution, _CONSOLE_LIMIT_BYTES),
        captures=captures(execution),
        provenance=Provenance(
            tool_version=tool_version,
            backend=execution.backend,
            timing=options.timing,
            accesses=options.accesses,
            board=_board(board),
            compiler=compiler,
            sources=sources,
            source_sha256=source_sha256,
            image_sha256=image.sha256,
            entry=entry,
            model_error=Accuracy(
                mean_error_ratio=board.accuracy.mean_error_ratio,
                worst_error_ratio=board.accuracy.worst_error_ratio,
                source=board.accuracy.source,
            ),
        ),
        host_s=round(execution.host_s, 3),
        notes=_notes(execution, profile, image, finished),
    )


def _heap_without_allocator(image: Image) -> int | None:
    """0 where no allocator is linked in; None where there may be one that was not watched."""
    allocators = ("malloc", "_malloc_r", "sbrk", "_sbrk", "_sbrk_r", "pvPortMalloc")
    if not image.symbols or any(image.symbol(name) is not None for name in allocators):
        return None
    return 0


def call_path(addresses: tuple[int, ...], image: Image, paths: SourcePaths) -> tuple[Frame, ...]:
    """Name code addresses, outermost first."""
    frames = []
    for address in addresses:
        function, source = image.function_at(address), image.line_at(address)
        frames.append(
            Frame(
                address=address,
                function=function.name if function else None,
                file=paths.present(source.file) if source else None,
                line=source.line if source else None,
            )
        )
    return tuple(frames)


def _notes(execution: Execution, profile: Profile, image: Image, finished: bool) -> tuple[str, ...]:
    notes = [*image.notes, *execution.notes]
    if not finished:
        notes.append(_PARTIAL_NOTE)
    if image.format == "elf" and image.line_table.error is not None:
        notes.append(f"No costs by source line: {image.line_table.error}. Compile with -g.")
    if not image.symbols:
        what = "The ELF has no symbol table" if image.format == "elf" else "The file has no symbols"
        notes.append(f"{what}: functions that were called go by their addresses (sub_08001234).")
    if len(execution.console) > _CONSOLE_LIMIT_BYTES:
        notes.append(f"Console output is cut after {_CONSOLE_LIMIT_BYTES // 1024**2} MiB.")
    elapsed = profile.elapsed_cycles
    if elapsed is not None and execution.cycles is not None:
        missing = execution.cycles - elapsed
        if abs(missing) > 1:
            notes.append(f"The profile misses {missing:.0f} cycles of the run.")
    return tuple(notes)


def _memory(execution: Execution, static: Footprint, image: Image, paths: SourcePaths) -> Memory:
    stack, heap = execution.stack, execution.heap
    return Memory(
        regions=static.regions,
        static_symbols=static.static_symbols,
        static_unnamed_bytes=static.static_unnamed_bytes,
        flash_symbols=static.flash_symbols,
        flash_unnamed_bytes=static.flash_unnamed_bytes,
        stack_reserved_bytes=(
            stack.top - stack.limit if stack is not None and stack.limit is not None else None
        ),
        stack_call_path=call_path(stack.call_path, image, paths) if stack else (),
        heap_reserved_bytes=static.heap_reserved_bytes,
        heap_allocations_count=heap.allocations_count if heap else None,
        heap_live_at_exit_bytes=heap.live_at_exit_bytes if heap else None,
    )


def _call(stats: CallStats, clock_hz: int, options: RunOptions) -> MeasuredCall:
    kind = _kind(stats.name, options)
    error = None
    if stats.calls_count == 0:
        error = f"{stats.name} {_NEVER_BEGUN[kind]}"
    elif stats.cold_instructions is None:
        error = f"{stats.name} {_NEVER_OVER[kind]}"
    return MeasuredCall(
        name=stats.name,
        kind=kind,
        calls_count=stats.calls_count,
        cold_cycles=_rounded(stats.cold_cycles),
        cold_ms=_ms(stats.cold_cycles, clock_hz),
        cold_instructions_count=stats.cold_instructions,
        warm_calls_count=stats.warm_count,
        warm_mean_cycles=_rounded(stats.warm_mean_cycles),
        warm_mean_ms=_ms(stats.warm_mean_cycles, clock_hz),
        warm_min_cycles=_rounded(stats.warm_min_cycles),
        warm_max_cycles=_rounded(stats.warm_max_cycles),
        warm_mean_instructions_count=_rounded(stats.warm_mean_instructions),
        stack_peak_bytes=stats.stack_peak_bytes,
        error=error,
    )


def _kind(name: str, options: RunOptions) -> CallKind:
    if any(wanted.name == name for wanted in options.serial_ranges):
        return "serial"
    return "addresses" if any(wanted.name == name for wanted in options.ranges) else "function"


def _rounded(value: float | None) -> float | None:
    return round(float(value), 2) if value is not None else None


def _ms(cycles: float | None, clock_hz: int) -> float | None:
    return round(cycles_to_ms(cycles, clock_hz), 6) if cycles is not None else None


def _elapsed_ms(execution: Execution, elapsed: int | None, board: Board) -> float | None:
    """Modelled time; the machine knows it where the clock has changed."""
    if elapsed is None or execution.elapsed_s is None:
        return _ms(elapsed, board.clock_hz)
    return round(execution.elapsed_s * 1000, 6)


def _accesses(account: AccessAccount) -> Accesses:
    return Accesses(
        reconstructed_count=account.reconstructed_count,
        hooked_count=account.hooked_count,
        unresolved_count=account.unresolved_count,
        predicated_count=account.predicated_count,
    )


def _traffic(execution: Execution, modelled: bool) -> Traffic:
    traffic = execution.traffic
    timed = execution.cycles is not None
    return Traffic(
        icache_accesses_count=traffic.icache_accesses_count if modelled else None,
        icache_misses_count=traffic.icache_misses_count if modelled else None,
        dcache_accesses_count=traffic.dcache_accesses_count if modelled else None,
        dcache_misses_count=traffic.dcache_misses_count if modelled else None,
        dcache_evictions_count=traffic.dcache_evictions_count if modelled else None,
        branches_count=traffic.branches_count if timed else None,
        mispredicts_count=traffic.mispredicts_count if timed else None,
    )


def _fault(fault: Fault, image: Image, board: Board, paths: SourcePaths) -> FaultReport:
    region = board.chip.region_at(fault.address) if fault.address is not None else None
    function, source = image.function_at(fault.pc), image.line_at(fault.pc)
    return FaultReport(
        kind=fault.kind,
        sentence=fault.sentence,
        pc=fault.pc,
        address=fault.address,
        region=memory_name(region) if region else None,
        function=function.name if function else None,
        file=paths.present(source.file) if source else None,
        line=source.line if source else None,
        registers=tuple(Register(name=name, value=value) for name, value in fault.registers),
        call_path=call_path(fault.call_path, image, paths),
    )


def _board(board: Board) -> BoardOrigin:
    return BoardOrigin(
        name=board.name,
        title=board.title,
        chip=board.chip.name,
        digest=board.digest,
        files=(*board.files, f"boards/cores/{board.chip.core}.yaml"),
        overrides=tuple(Override(key=key, value=value) for key, value in board.overrides),
    )


def _console(console: bytes) -> str:
    return console[:_CONSOLE_LIMIT_BYTES].decode("utf-8", "replace")
