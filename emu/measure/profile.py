"""Costs by address become costs by function and by source line, in whole cycles that add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emu.backends.protocol import CAUSES, Execution
from emu.firmware.image import Image
from emu.measure.report import CAUSE_FIELDS, CauseCycles, FunctionCost, LineCost
from emu.measure.source_path import SourcePaths

_EPSILON_CYCLES = 1e-6  # below it a fraction is rounding noise of adding up floats


@dataclass(frozen=True)
class Profile:
    """The tables of a run. Cycles are None when its timing gave none."""

    elapsed_cycles: int | None
    cycles_by_cause: CauseCycles | None
    functions: tuple[FunctionCost, ...]
    lines: tuple[LineCost, ...]


def attribute(execution: Execution, image: Image, paths: SourcePaths) -> Profile:
    """Add up the costs of every executed instruction by function and by line.

    An instruction costs fractions of a cycle (a line fill of 12.55 cycles), a report holds whole
    ones. Each cause is rounded along the addresses with the remainder carried on, so any stretch of
    code is right to a cycle a cause, and every table adds up to the same total exactly.
    """
    rows = execution.profile
    addresses = np.ascontiguousarray(rows["address"])
    executions = rows["executions_count"].astype(np.int64)
    timed = execution.cycles is not None
    cells = _whole_cycles(rows, execution.cycles) if execution.cycles is not None else None

    owners = image.function_indices(addresses)
    line_rows = image.line_table.rows_at(addresses)
    entry_counts = dict(zip(addresses.tolist(), executions.tolist(), strict=True))
    total = int(cells.sum()) if cells is not None else None

    functions = []
    for owner, members in _groups(owners):
        symbol = image.functions[owner] if owner >= 0 else None
        source = image.declared_at(symbol) if symbol else None
        causes = _causes(cells, members)
        functions.append(
            FunctionCost(
                name=symbol.name if symbol else None,
                file=paths.present(source.file) if source else None,
                line=source.line if source else None,
                self_cycles=causes.total_cycles if causes else None,
                self_share_ratio=_share(causes, total),
                instructions_count=int(executions[members].sum()),
                calls_count=entry_counts.get(symbol.address, 0) if symbol else None,
                cycles_by_cause=causes,
            )
        )

    table = image.line_table
    # One key a (file, line); -1 where the address has none. Lines fit 31 bits, files far fewer.
    keys = np.where(
        line_rows >= 0,
        (_take(table.file_indices, line_rows) << 32) | _take(table.lines, line_rows),
        np.int64(-1),
    )
    lines = []
    for key, members in _groups(keys):
        causes = _causes(cells, members)
        owner = _costliest_owner(owners[members], cells[members] if cells is not None else None)
        lines.append(
            LineCost(
                file=paths.present(table.files[key >> 32]) if key >= 0 else None,
                line=key & 0xFFFFFFFF if key >= 0 else None,
                function=image.functions[owner].name if owner >= 0 else None,
                self_cycles=causes.total_cycles if causes else None,
                self_share_ratio=_share(causes, total),
                instructions_count=int(executions[members].sum()),
                cycles_by_cause=causes,
            )
        )
    return Profile(
        elapsed_cycles=total,
        cycles_by_cause=_causes(cells, np.arange(len(rows))) if timed else None,
        functions=tuple(
            sorted(functions, key=lambda row: (*_dearest(row), row.name or "", row.line or 0))
        ),
        lines=tuple(sorted(lines, key=lambda row: (*_dearest(row), row.file or "", row.line or 0))),
    )


def _dearest(row: FunctionCost | LineCost) -> tuple[int, int]:
    return -(row.self_cycles or 0), -row.instructions_count


def _whole_cycles(rows: npt.NDArray[np.void], cycles: float) -> npt.NDArray[np.int64]:
    """`[instructions, causes]`, whole, adding up to `cycles` rounded."""
    exact = np.stack([rows[f"{cause.value}_cycles"] for cause in CAUSES], axis=1)
    running = np.cumsum(exact, axis=0, dtype=np.float64)
    ends = running[-1] if len(running) else np.zeros(len(CAUSES))
    floors = np.floor(ends + _EPSILON_CYCLES)
    # Largest remainder: the causes nearest to their next whole cycle round up.
    missing = round(cycles) - int(floors.sum())
    upward = np.zeros(len(CAUSES), bool)
    upward[np.argsort(floors - ends, kind="stable")[: max(0, missing)]] = True
    whole = np.where(
        upward, np.ceil(running - _EPSILON_CYCLES), np.floor(running + _EPSILON_CYCLES)
    )
    return np.diff(whole, axis=0, prepend=0).astype(np.int64)


def _groups(keys: npt.NDArray[np.int64]) -> list[tuple[int, npt.NDArray[np.int64]]]:
    order = np.argsort(keys, kind="stable")
    values, starts = np.unique(keys[order], return_index=True)
    return list(zip(values.tolist(), np.split(order, starts[1:]), strict=True)) if len(keys) else []


def _take(values: npt.NDArray[np.int32], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if not len(values):
        return np.zeros(len(rows), np.int64)
    return values[np.maximum(rows, 0)].astype(np.int64)


def _causes(
    cells: npt.NDArray[np.int64] | None, members: npt.NDArray[np.int64]
) -> CauseCycles | None:
    if cells is None:
        return None
    sums = cells[members].sum(axis=0).tolist()
    return CauseCycles(
        **{CAUSE_FIELDS[cause]: cycles for cause, cycles in zip(CAUSES, sums, strict=True)}
    )


def _share(causes: CauseCycles | None, total: int | None) -> float | None:
    return round(causes.total_cycles / total, 6) if causes and total else None


def _costliest_owner(owners: npt.NDArray[np.int64], cells: npt.NDArray[np.int64] | None) -> int:
    """The function that a line belongs to; of an inlined line, the one where it costs most."""
    values, positions = np.unique(owners, return_inverse=True)
    weights = cells.sum(axis=1) if cells is not None else np.ones(len(owners))
    return int(values[np.argmax(np.bincount(positions, weights=weights))])
