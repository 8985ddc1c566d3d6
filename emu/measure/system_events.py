"""What happened around the program: clocks, interrupts, registers, serial lines."""

from __future__ import annotations

from itertools import pairwise

from emu.backends.protocol import BusyLoop, ClockChange, Execution
from emu.board import Board
from emu.firmware.image import Image
from emu.measure.report import (
    Capture,
    ClockSetting,
    InterruptCost,
    SerialOutput,
    UnmodelledRegister,
    WaitingLoop,
)
from emu.measure.source_path import SourcePaths
from emu.units import cycles_to_ms


def last_clock_hz(execution: Execution, board: Board) -> int:
    return execution.clocks[-1].clock_hz if execution.clocks else board.clock_hz


def clock_settings(changes: tuple[ClockChange, ...], board: Board) -> tuple[ClockSetting, ...]:
    """What the firmware set, with the time of each setting; before the first it ran as the board
    says.
    """
    if not changes:
        return ()
    times_ms = [cycles_to_ms(changes[0].at_cycles, board.clock_hz)]
    for before, after in pairwise(changes):
        passed = cycles_to_ms(after.at_cycles - before.at_cycles, before.clock_hz)
        times_ms.append(times_ms[-1] + passed)
    return tuple(
        ClockSetting(
            at_cycles=change.at_cycles,
            at_ms=round(at_ms, 6),
            clock_hz=change.clock_hz,
            bus_ratio=change.bus_ratio,
            flash_wait_states=change.flash_wait_states,
        )
        for change, at_ms in zip(changes, times_ms, strict=True)
    )


def interrupt_costs(
    execution: Execution, image: Image, clock_hz: int, elapsed: int | None, paths: SourcePaths
) -> tuple[InterruptCost, ...]:
    """Every exception that was taken, the most expensive first."""
    rows = []
    for stats in execution.interrupts:
        address = stats.handler & ~1
        function, source = image.function_at(address), image.line_at(address)
        rows.append(
            InterruptCost(
                name=stats.name,
                number=stats.number,
                handler=address,
                function=function.name if function else None,
                file=paths.present(source.file) if source else None,
                line=source.line if source else None,
                taken_count=stats.taken_count,
                tail_chained_count=stats.tail_chained_count,
                latency_max_cycles=stats.latency_max_cycles,
                latency_max_us=round(cycles_to_ms(stats.latency_max_cycles, clock_hz) * 1000, 3),
                total_cycles=round(stats.total_cycles),
                share_ratio=round(stats.total_cycles / elapsed, 6) if elapsed else None,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.total_cycles, row.number)))


def unknown_registers(execution: Execution) -> tuple[UnmodelledRegister, ...]:
    return tuple(
        UnmodelledRegister(
            name=found.name,
            address=found.address,
            reads_count=found.reads_count,
            writes_count=found.writes_count,
        )
        for found in sorted(execution.unknown_registers, key=lambda item: item.address)
    )


def waiting_loop(loop: BusyLoop, image: Image, paths: SourcePaths) -> WaitingLoop:
    function, source = image.function_at(loop.pc), image.line_at(loop.pc)
    return WaitingLoop(
        pc=loop.pc,
        function=function.name if function else None,
        file=paths.present(source.file) if source else None,
        line=source.line if source else None,
        register_name=loop.register,
        address=loop.address,
        value=loop.value,
        sentence=loop.sentence,
    )


def serial_outputs(execution: Execution, limit_bytes: int) -> tuple[SerialOutput, ...]:
    return tuple(
        SerialOutput(port=port, text=data[:limit_bytes].decode("utf-8", "replace"))
        for port, data in execution.serial
        if data
    )


def captures(execution: Execution) -> tuple[Capture, ...]:
    return tuple(
        Capture(name=found.name, values=found.values, last_value=_number(found.values[-1]))
        for found in execution.serial_captures
        if found.values
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None  # JSON knows neither infinity nor NaN
