"""From the hooks' totals to what a report says of measured calls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emu.backends.layout import TICKS, Mea
from emu.backends.protocol import CallStats, RunOptions
from emu.firmware.image import Image


def call_stats(
    image: Image, options: RunOptions, totals: npt.NDArray[np.int64]
) -> tuple[CallStats, ...]:
    """One entry a measured function, in the order asked for."""
    timed = options.timing != "none"
    return tuple(
        _one(name, image, row, timed) for name, row in zip(options.measure, totals, strict=False)
    )


def _one(name: str, image: Image, row: npt.NDArray[np.int64], timed: bool) -> CallStats:
    calls, warm = int(row[Mea.CALLS]), int(row[Mea.WARM])
    symbol = image.symbol(name)

    def cycles(column: Mea) -> float:
        return int(row[column]) / TICKS

    return CallStats(
        name=name,
        address=symbol.address if symbol else 0,
        calls_count=calls,
        cold_cycles=cycles(Mea.COLD_CYCLES) if calls and timed else None,
        cold_instructions=int(row[Mea.COLD_INSTRUCTIONS]) if calls else None,
        warm_count=warm,
        warm_mean_cycles=cycles(Mea.WARM_CYCLES) / warm if warm and timed else None,
        warm_min_cycles=cycles(Mea.WARM_MIN) if warm and timed else None,
        warm_max_cycles=cycles(Mea.WARM_MAX) if warm and timed else None,
        warm_mean_instructions=int(row[Mea.WARM_INSTRUCTIONS]) / warm if warm else None,
        stack_peak_bytes=int(row[Mea.STACK_PEAK]) if calls else None,
    )
