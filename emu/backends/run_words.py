"""The hooks' words at the start of a run, and the arrays that they point to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from emu.backends.layout import Frm, Mea, Reg, Word
from emu.backends.protocol import RunOptions
from emu.backends.register_access import library_function
from emu.board import Board
from emu.core.pipeline import D_COLUMNS, S_COLUMNS
from emu.core.timing_table import Param, TimingTable

SHADOW_DEPTH = 4096
_FRAME_DEPTH = 4096
_MAX_VALUES = 256
FOREVER = 1 << 62
_FIRST_RANDOM = 12345  # any number would do, as long as it is always the same


@dataclass
class RunArrays:
    """Arrays that the hooks share with Python; holding them keeps their addresses good."""

    attributes: npt.NDArray[np.uint8]
    regions: npt.NDArray[np.int64]
    itags: npt.NDArray[np.int32]
    dtags: npt.NDArray[np.int32]
    dirty: npt.NDArray[np.uint8]
    btac: npt.NDArray[np.int64]
    values: npt.NDArray[np.int64]
    shadow: npt.NDArray[np.int64]
    deepest: npt.NDArray[np.int64]
    measured: npt.NDArray[np.int64]
    kept: list[npt.NDArray[Any]] = field(default_factory=list)


def set_up_words(
    machine: npt.NDArray[np.int64],
    board: Board,
    options: RunOptions,
    table: TimingTable,
    regions_count: int,
) -> RunArrays:
    """Fill the words that a run begins with."""
    chip, params = board.chip, table.params
    kept: list[npt.NDArray[Any]] = []

    def array(word: Word, shape: int | tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        made = np.zeros(shape, dtype)
        machine[word] = made.ctypes.data
        kept.append(made)
        return made

    machine[Word.MODE] = {"none": 0, "issue": 1, "full": 2}[options.timing]
    machine[Word.HOOKED] = int(options.accesses == "hook" or options.trace)
    machine[Word.EMU_STOP] = library_function("uc_emu_stop")
    for word, values in (
        (Word.LATENCY, table.latency_cycles),
        (Word.FP_BUSY, table.fp_busy_cycles),
        (Word.SETTLED, table.settled_cycles),
        (Word.PARAMS, params),
    ):
        machine[word] = values.ctypes.data
    icache, dcache = chip.icache, chip.dcache
    machine[Word.ISETS], machine[Word.IWAYS] = icache.sets, icache.ways
    machine[Word.DSETS], machine[Word.DWAYS] = dcache.sets, dcache.ways
    machine[Word.ILRU] = int(icache.replacement == "lru")
    machine[Word.DLRU] = int(dcache.replacement == "lru")
    machine[Word.RANDOM] = _FIRST_RANDOM
    accelerator = chip.accelerator
    machine[Word.ART_ON] = int(accelerator is not None and accelerator.enabled)
    machine[Word.ART_LINES] = accelerator.lines if accelerator else 1
    machine[Word.ART_PREFETCH] = int(accelerator is not None and accelerator.prefetch)
    machine[Word.ART_LAST] = machine[Word.FLASH_LAST] = -1
    entries = int(params[Param.BTAC_ENTRIES])
    machine[Word.BTAC_MASK] = entries - 1
    machine[Word.SHADOW_CAPACITY] = SHADOW_DEPTH
    machine[Word.FRAME_CAPACITY] = _FRAME_DEPTH
    machine[Word.PREVIOUS] = -1
    machine[Word.STACK_LOWEST] = machine[Word.STACK_FRAME_LOWEST] = FOREVER
    itags = array(Word.ITAGS, icache.sets * icache.ways, np.int32)
    array(Word.ISTAMPS, len(itags), np.int64)
    dtags = array(Word.DTAGS, dcache.sets * dcache.ways, np.int32)
    array(Word.DSTAMPS, len(dtags), np.int64)
    array(Word.ART, int(machine[Word.ART_LINES]), np.int64)
    array(Word.FRAMES, _FRAME_DEPTH * int(Frm.COLUMNS), np.int64)
    array(Word.SCRATCH, S_COLUMNS + D_COLUMNS, np.int32)
    return RunArrays(
        attributes=array(Word.ATTRIBUTES, 1 << 20, np.uint8),
        regions=array(Word.REGIONS, (regions_count, int(Reg.COLUMNS)), np.int64),
        itags=itags,
        dtags=dtags,
        dirty=array(Word.DDIRTY, len(dtags), np.uint8),
        btac=array(Word.BTAC, entries * 2, np.int64),
        values=array(Word.VALUES, _MAX_VALUES, np.int64),
        shadow=array(Word.SHADOW, SHADOW_DEPTH * 3, np.int64),
        deepest=array(Word.DEEPEST, SHADOW_DEPTH, np.int64),
        measured=array(Word.MEASURED, (max(1, len(options.measure)), int(Mea.COLUMNS)), np.int64),
        kept=kept,
    )
