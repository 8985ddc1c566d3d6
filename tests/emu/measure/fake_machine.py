"""A machine that executes nothing and makes up a plausible run: no more is needed to test reports.

Its profile has one row every two bytes of every function of the image, with fractions of cycles as
the real model has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from emu.backends.protocol import (
    CAUSES,
    PROFILE_DTYPE,
    AccessAccount,
    CallStats,
    Execution,
    HeapMark,
    MemoryTraffic,
    RunOptions,
    StackMark,
)
from emu.board import Board
from emu.firmware.image import Image


@dataclass
class FakeMachine:
    """Gives `changes` on top of a run made up from the image's functions."""

    name: str = "fake"
    changes: dict[str, object] = field(default_factory=dict)
    cycle_factor: float = 1.0
    runs: list[RunOptions] = field(default_factory=list)

    def run(self, image: Image, board: Board, options: RunOptions) -> Execution:
        self.runs.append(options)
        if options.on_console is not None:
            options.on_console(b"hello from the firmware\n")
        execution = plausible_execution(image, board, options, self.cycle_factor)
        return replace(execution, **self.changes)  # type: ignore[arg-type] # any field, by a test


def plausible_execution(
    image: Image, board: Board, options: RunOptions, factor: float = 1.0
) -> Execution:
    rows = []
    for order, function in enumerate(image.functions):
        for address in range(function.address, function.end, 2):
            executions = 10 * (order + 1)
            costs = [0.0] * len(CAUSES)
            if options.timing != "none":
                costs[0] = executions * 0.5 * factor
                costs[1] = executions * (address % 3) * 0.25
                costs[2] = (address % 5 == 0) * 8.0
                if options.timing == "full":
                    costs[4] = (address % 7 == 0) * 12.55 * factor
            rows.append((address, 2, executions, *costs))
    profile = np.array(rows, PROFILE_DTYPE)
    by_cause = {cause: float(profile[f"{cause.value}_cycles"].sum()) for cause in CAUSES}
    cycles = None if options.timing == "none" else sum(by_cause.values())
    main = image.symbol("main") or image.functions[0]
    ram = board.chip.region(board.placement.stack[0])
    return Execution(
        outcome="exited",
        exit_code=0,
        backend="fake",
        cycles=cycles,
        instructions=int(profile["executions_count"].sum()),
        cycles_by_cause=by_cause,
        profile=profile,
        stack=StackMark(
            top=ram.start + 8192,
            lowest=ram.start + 8192 - 616,
            limit=ram.start + 4096,
            call_path=tuple(function.address for function in image.functions[:3]),
        ),
        heap=HeapMark(
            start=board.chip.region(board.placement.heap[0]).start + 0x1000,
            peak_bytes=1024,
            allocations_count=3,
            live_at_exit_bytes=0,
        ),
        calls=tuple(_call(name, main.address, cycles) for name in options.measure),
        accesses=AccessAccount(9_000, 20, 5, 40),
        traffic=MemoryTraffic(5_000, 12, 9_025, 40, 3, 1_200, 31),
        console=b"hello from the firmware\n",
        host_s=0.25,
    )


def _call(name: str, address: int, cycles: float | None) -> CallStats:
    return CallStats(
        name=name,
        address=address,
        calls_count=4,
        cold_cycles=cycles / 4 + 100.25 if cycles is not None else None,
        cold_instructions=500,
        warm_count=3,
        warm_mean_cycles=cycles / 4 - 20 if cycles is not None else None,
        warm_min_cycles=cycles / 4 - 21 if cycles is not None else None,
        warm_max_cycles=cycles / 4 - 19 if cycles is not None else None,
        warm_mean_instructions=490.0,
        stack_peak_bytes=144,
    )
