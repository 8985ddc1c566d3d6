"""From the hooks' counts to one row an instruction: executions and cycles by cause."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emu.backends.code_store import CodeStore
from emu.backends.layout import TICKS, Block, Cold
from emu.backends.protocol import CAUSES, PROFILE_DTYPE, Cause
from emu.core.instruction import End
from emu.core.pipeline import D_BRANCH, D_BUS, D_ISSUE, D_LATENCY


def block_executions(store: CodeStore, timed: bool) -> npt.NDArray[np.int64]:
    """How often each block ran."""
    count = store.blocks.count
    if not timed:
        return store.blocks.data[:count, Block.EXECUTIONS].copy()
    store.fold()
    return store.block_executions.data[:count, 0].copy()


def count_accesses(store: CodeStore, timed: bool) -> tuple[int, int, int]:
    """Executed accesses: reconstructed, unresolved, and of the former predicated."""
    executions = block_executions(store, timed)
    programs = [stored.addresses for stored in store.stored]
    reconstructed = np.array([p.resolved_count for p in programs], np.int64)
    unresolved = np.array([p.unresolved_count for p in programs], np.int64)
    predicated = np.array([p.predicated_count for p in programs], np.int64)
    return (
        int(executions @ reconstructed) if len(programs) else 0,
        int(executions @ unresolved) if len(programs) else 0,
        int(executions @ predicated) if len(programs) else 0,
    )


def count_branches(store: CodeStore, timed: bool) -> int:
    """Executed branches, taken or not."""
    executions = block_executions(store, timed)
    ends = np.array([s.instructions[-1].end is not End.FALL for s in store.stored], np.int64)
    return int(executions @ ends) if len(ends) else 0


def collect_profile(
    store: CodeStore, timed: bool
) -> tuple[npt.NDArray[np.void], dict[Cause, float]]:
    """Rows by address and the cycles of the run by cause; the rows add up to the causes."""
    rows = store.rows.count
    cycles = {cause: np.zeros(rows, np.float64) for cause in CAUSES}
    executions = np.zeros(rows, np.int64)
    per_block = block_executions(store, timed)
    for number, stored in enumerate(store.stored):
        first, last = stored.first_row, stored.first_row + len(stored.instructions)
        executions[first:last] = per_block[number]
        record = store.cold.data[number]
        cycles[Cause.BRANCH][last - 1] += int(record[Cold.BRANCH_TICKS]) / TICKS
        cycles[Cause.ICACHE][first] += int(record[Cold.ICACHE_TICKS]) / TICKS
        cycles[Cause.FLASH][first] += int(record[Cold.FLASH_TICKS]) / TICKS
        cycles[Cause.BUS][first] += int(record[Cold.BUS_TICKS]) / TICKS
    if timed:
        for cause, column in (
            (Cause.ISSUE, D_ISSUE),
            (Cause.LATENCY, D_LATENCY),
            (Cause.BRANCH, D_BRANCH),
            (Cause.BUS, D_BUS),
        ):
            cycles[cause] += store.row_cycles.data[:rows, column - D_ISSUE]
    stalls = store.row_stalls.data[:rows]
    for column, cause in enumerate((Cause.DCACHE, Cause.FLASH, Cause.BUS)):
        cycles[cause] += stalls[:, column] / TICKS
    return _merge(store, executions, cycles), {
        cause: float(values.sum()) for cause, values in cycles.items()
    }


def _merge(
    store: CodeStore,
    executions: npt.NDArray[np.int64],
    cycles: dict[Cause, npt.NDArray[np.float64]],
) -> npt.NDArray[np.void]:
    """One row an address: overlapping blocks share instructions."""
    addresses = np.zeros(store.rows.count, np.uint32)
    sizes = np.zeros(store.rows.count, np.uint8)
    for stored in store.stored:
        for row, instruction in enumerate(stored.instructions, start=stored.first_row):
            addresses[row], sizes[row] = instruction.address, instruction.size_bytes
    unique, first, inverse = np.unique(addresses, return_index=True, return_inverse=True)
    profile = np.zeros(len(unique), PROFILE_DTYPE)
    profile["address"] = unique
    profile["size_bytes"] = sizes[first]
    profile["executions_count"] = np.bincount(inverse, executions, minlength=len(unique))
    for cause, values in cycles.items():
        profile[f"{cause.value}_cycles"] = np.bincount(inverse, values, minlength=len(unique))
    # A block that faulted at its entry never ran, but may have waited for its code.
    counted = profile["executions_count"] > 0
    for cause in CAUSES:
        counted |= profile[f"{cause.value}_cycles"] > 0
    return profile[counted]
