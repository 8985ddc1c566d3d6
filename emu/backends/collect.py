"""From a finished run to its `Execution`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emu.backends.call_stats import call_stats
from emu.backends.entered_functions import entered_functions
from emu.backends.layout import TICKS, Word
from emu.backends.profile_rows import (
    block_executions,
    collect_profile,
    count_accesses,
    count_branches,
)
from emu.backends.protocol import (
    PROFILE_DTYPE,
    AccessAccount,
    Cause,
    Execution,
    MemoryTraffic,
    StackMark,
    UnknownRegister,
)
from emu.backends.run_words import SHADOW_DEPTH
from emu.core.pipeline import EDGE_MISPREDICTED
from emu.peripherals.time_base import FEMTOSECONDS

if TYPE_CHECKING:
    from emu.backends.unicorn_machine import Run


def collect(run: Run, host_s: float) -> Execution:
    """Everything that the hooks and the models counted."""
    machine, options, store = run.machine, run.options, run.store
    timed = options.timing != "none"
    profile, causes = collect_profile(store, timed)
    profile = _with_extra(profile, Cause.EXCEPTION, run.exceptions.charged_ticks, causes)
    profile = _with_extra(profile, Cause.SLEEP, run.sleeping.ticks, causes)
    profile = _with_extra(profile, Cause.FLASH, run.flash_stores.stall_ticks, causes)
    reconstructed, unresolved, predicated = count_accesses(store, timed)
    accesses = (
        AccessAccount(0, int(machine[Word.HOOKED_COUNT]), 0)
        if machine[Word.HOOKED]
        else AccessAccount(reconstructed, 0, unresolved, predicated)
    )
    if lost := int(machine[Word.CALLS_LOST]):
        run.notes.append(
            f"{lost} calls went deeper than {SHADOW_DEPTH} levels and were not followed: call "
            "paths end there, and measured calls among them are missing."
        )
    deepest = run.arrays.deepest
    path = (
        *(int(deepest[level]) for level in range(int(machine[Word.DEEPEST_DEPTH]))),
        int(machine[Word.DEEPEST_ADDRESS]),
    )
    stack = StackMark(run.stack_top, run.exceptions.main_stack_lowest, run.stack_limit, path)
    now = run.clock.cycles()
    return Execution(
        outcome=run.ended or "interrupted",
        exit_code=run.semihosting.exit_code,
        backend="unicorn",
        cycles=int(machine[Word.CYCLES]) / TICKS if timed else None,
        instructions=int(machine[Word.INSTRUCTIONS]),
        cycles_by_cause=causes,
        profile=profile,
        stack=stack,
        heap=run.heap.mark(),
        calls=(
            *call_stats(run.image, options, run.arrays.measured),
            *run.marks.stats(timed),
            *run.monitor.calls(),
        ),
        accesses=accesses,
        traffic=MemoryTraffic(
            icache_misses_count=int(machine[Word.ICACHE_MISSES]),
            dcache_accesses_count=int(machine[Word.DCACHE_ACCESSES]),
            dcache_misses_count=int(machine[Word.DCACHE_MISSES]),
            dcache_evictions_count=int(machine[Word.DCACHE_EVICTIONS]),
            branches_count=count_branches(store, timed),
            mispredicts_count=int(store.edges[EDGE_MISPREDICTED]) if timed else 0,
        ),
        console=bytes(run.console),
        host_s=host_s,
        fault=run.fault,
        trace=run.trace.result() if run.trace is not None else None,
        notes=tuple(run.notes),
        elapsed_s=run.space.time.time_fs(now) / FEMTOSECONDS if timed else None,
        clocks=tuple(run.host.clock_changes),
        interrupts=run.exceptions.stats(),
        unknown_registers=_unknown_registers(run),
        busy_loop=run.busy_loop,
        serial=tuple((port, bytes(data)) for port, data in sorted(run.host.serial.items())),
        serial_captures=run.monitor.captures(),
        script_failure=run.script_failure,
        entered=_entered(run, timed),
    )


def _with_extra(
    profile: npt.NDArray[np.void],
    cause: Cause,
    ticks_by_address: dict[int, int],
    causes: dict[Cause, float],
) -> npt.NDArray[np.void]:
    """Add cycles that belong to an address but to none of its executions."""
    column = f"{cause.value}_cycles"
    causes[cause] = causes.get(cause, 0.0) + sum(ticks_by_address.values()) / TICKS
    missing = [address for address in sorted(ticks_by_address) if address not in profile["address"]]
    if missing:
        rows = np.zeros(len(missing), PROFILE_DTYPE)
        rows["address"], rows["size_bytes"] = missing, 2
        profile = np.sort(np.concatenate([profile, rows]), order="address")
    places = np.searchsorted(profile["address"], list(ticks_by_address))
    for place, ticks in zip(places.tolist(), ticks_by_address.values(), strict=True):
        profile[column][place] += ticks / TICKS
    return profile


def _entered(run: Run, timed: bool) -> tuple[int, ...]:
    """Functions of a program without symbols."""
    if not run.image.is_stripped:
        return ()
    executions = block_executions(run.store, timed).tolist()
    return entered_functions(run.store.stored, executions)


def _unknown_registers(run: Run) -> tuple[UnknownRegister, ...]:
    found = [
        UnknownRegister(item.register_name(offset), item.place.start + offset, counts[0], counts[1])
        for item in run.space.peripherals
        for offset, counts in item.unknown.items()
    ]
    for strays in (run.space.strays, run.system.unknown):
        found += [
            UnknownRegister(f"{address:#010x}", address, counts[0], counts[1])
            for address, counts in strays.items()
        ]
    return tuple(sorted(found, key=lambda item: item.address))
