"""The core's timing table: `boards/cores/*.yaml` as arrays that the scoreboard indexes.

Rows are kinds of producer, columns are needs of the consumer; both are drawn above the table in
the YAML file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from emu.errors import BoardError


class Producer(IntEnum):
    """What made a register's value; the row of the latency table. NONE: ready long ago."""

    NONE = 0
    EARLY_ALU = 1
    LATE_ALU = 2
    BITFIELD = 3
    WRITEBACK = 4
    LOAD_WORD = 5
    LOAD_NARROW = 6
    MULTIPLY = 7
    DIVIDE = 8
    FP_TO_CORE = 9
    FP_ADD = 10
    FP_MULTIPLY = 11
    FP_FUSED = 12
    FP_CHAINED = 13
    FP_DIVIDE = 14
    FP_ROOT = 15
    FP_CONVERT = 16
    FP_LOAD = 17
    FP_FROM_CORE = 18
    FP_MOVE = 19
    FP_FLAGS = 20
    FP_ADD_DOUBLE = 21
    FP_MULTIPLY_DOUBLE = 22
    FP_FUSED_DOUBLE = 23
    FP_CHAINED_DOUBLE = 24
    FP_DIVIDE_DOUBLE = 25
    FP_ROOT_DOUBLE = 26


class Need(IntEnum):
    """Where in the pipe a consumer wants its operand; the column of the latency table."""

    A = 0
    E = 1
    EA = 2
    L = 3
    X = 4
    M = 5
    C = 6
    S = 7
    F = 8
    FC = 9
    FS = 10
    FL = 11


class Param(IntEnum):
    """Index into `TimingTable.params`, so that compiled code reads one integer array."""

    READ_PORTS = 0
    WRITE_PORTS = 1
    DIVIDE_BUSY = 2
    TABLE_BRANCH = 3
    FETCH_BYTES = 4
    FETCH_QUEUE = 5
    MISPREDICT = 6
    MISPREDICT_EARLY = 7
    EARLY_AGE = 8
    BTAC_ENTRIES = 9
    DECODE_REDIRECT = 10
    UNALIGNED_OLDER = 11
    UNALIGNED_YOUNGER = 12
    UNALIGNED_STORE = 13
    NARROW_STORE = 14
    STORE_ENTRIES = 15
    BARRIER = 16
    INSTRUCTION_BARRIER = 17
    SPECIAL_REGISTER = 18
    EXCLUSIVE = 19
    EXCEPTION_ENTRY = 20
    ART_HIT = 21
    ART_MISS_OVERHEAD = 22
    STM_UNALIGNED = 23
    EXCEPTION_CHAIN = 24
    EXCEPTION_RETURN = 25
    EXCEPTION_FLOATS = 26
    UNALIGNED_TRAPS = 27  # not a time: CCR.UNALIGN_TRP, which a run sets in its own copy


_PARAM_KEYS: dict[Param, tuple[str, str]] = {
    Param.READ_PORTS: ("issue", "read_ports_count"),
    Param.WRITE_PORTS: ("issue", "write_ports_count"),
    Param.DIVIDE_BUSY: ("issue", "divide_busy_cycles"),
    Param.TABLE_BRANCH: ("issue", "table_branch_cycles"),
    Param.FETCH_BYTES: ("fetch", "bytes_per_cycle"),
    Param.FETCH_QUEUE: ("fetch", "queue_entries_count"),
    Param.MISPREDICT: ("branch", "mispredict_cycles"),
    Param.MISPREDICT_EARLY: ("branch", "mispredict_early_flags_cycles"),
    Param.EARLY_AGE: ("branch", "early_flags_age_cycles"),
    Param.BTAC_ENTRIES: ("branch", "btac_entries_count"),
    Param.DECODE_REDIRECT: ("branch", "decode_redirect_cycles"),
    Param.UNALIGNED_OLDER: ("memory", "unaligned_load_older_cycles"),
    Param.UNALIGNED_YOUNGER: ("memory", "unaligned_load_younger_cycles"),
    Param.UNALIGNED_STORE: ("memory", "unaligned_store_drain_cycles"),
    Param.NARROW_STORE: ("memory", "narrow_tcm_store_drain_cycles"),
    Param.STORE_ENTRIES: ("memory", "store_buffer_entries_count"),
    Param.STM_UNALIGNED: ("memory", "even_store_multiple_off_eight_bytes_cycles"),
    Param.BARRIER: ("system", "barrier_cycles"),
    Param.INSTRUCTION_BARRIER: ("system", "instruction_barrier_cycles"),
    Param.SPECIAL_REGISTER: ("system", "special_register_cycles"),
    Param.EXCLUSIVE: ("system", "exclusive_cycles"),
    Param.EXCEPTION_ENTRY: ("system", "exception_entry_cycles"),
    Param.EXCEPTION_CHAIN: ("system", "exception_chain_cycles"),
    Param.EXCEPTION_RETURN: ("system", "exception_return_cycles"),
    Param.EXCEPTION_FLOATS: ("system", "exception_floats_cycles"),
    Param.ART_HIT: ("art", "hit_cycles"),
    Param.ART_MISS_OVERHEAD: ("art", "miss_overhead_cycles"),
}


@dataclass(frozen=True)
class TimingTable:
    """One core's timing as arrays.

    Attributes:
        latency_cycles: `[producer, need]`, issue distance in cycles.
        fp_busy_cycles: `[producer]`, cycles the floating-point pipe is held.
        settled_cycles: `[producer]`, age from which no consumer waits any more.
        params: the scalars, indexed by `Param`.
        sources: `(dotted key, source)` for every group of numbers.
    """

    name: str
    latency_cycles: npt.NDArray[np.int64]
    fp_busy_cycles: npt.NDArray[np.int64]
    settled_cycles: npt.NDArray[np.int64]
    params: npt.NDArray[np.int64]
    sources: tuple[tuple[str, str], ...]


def _source(file: str, key: str, table: dict[str, Any]) -> str:
    source = table.get("source")
    if not isinstance(source, str) or not source.strip():
        raise BoardError(f"{file}: '{key}' has no source. Add `source:` beside its numbers.")
    return source


def _cycles(file: str, key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BoardError(f"{file}: '{key}' is {value!r}; a whole number, 0 or more, is wanted.")
    return value


def _check_shape(file: str, params: npt.NDArray[np.int64]) -> None:
    """What the scoreboard and the predictor take for granted."""
    if params[Param.FETCH_BYTES] != 8:
        raise BoardError(f"{file}: fetch.bytes_per_cycle must be 8, the width the model knows.")
    entries = int(params[Param.BTAC_ENTRIES])
    if entries < 1 or entries & (entries - 1):
        raise BoardError(f"{file}: branch.btac_entries_count is {entries}, no power of two.")


def _refuse_unread(file: str, data: dict[str, Any], groups: Iterable[str]) -> None:
    """A key that nothing reads is a mistake, not a remark."""
    known = {"name", "latency_cycles", "fp_busy_cycles", *groups}
    unread = [key for key in data if key not in known]
    read = set(_PARAM_KEYS.values())
    for group in groups:
        unread += [
            f"{group}.{key}" for key in data[group] if key != "source" and (group, key) not in read
        ]
    if unread:
        raise BoardError(f"{file}: '{unread[0]}' is not known. Remove it or correct its name.")


@cache
def load_timing_table(core: str) -> TimingTable:
    """Read `boards/cores/{core}.yaml`.

    Raises:
        BoardError: the core is unknown, or its file lacks a number or a source.
    """
    file = f"cores/{core}.yaml"
    path = resources.files("boards") / "cores" / f"{core}.yaml"
    try:
        data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BoardError(f"Core '{core}' is not known: there is no boards/{file}.") from None
    except YAMLError as error:
        raise BoardError(f"{file}: {error}") from None

    latency = np.ones((len(Producer), len(Need)), np.int64)
    latency[Producer.NONE, :] = 0
    sources: list[tuple[str, str]] = []
    try:
        for group, table in data["latency_cycles"].items():
            sources.append((f"latency_cycles.{group}", _source(file, group, table)))
            needs = [Need[name] for name in table["needs"]]
            for row, values in table.items():
                if row in ("needs", "source"):
                    continue
                if not isinstance(values, list) or len(values) != len(needs):
                    raise BoardError(
                        f"{file}: row '{row}' of '{group}' needs {len(needs)} numbers, one for "
                        f"each of {', '.join(table['needs'])}."
                    )
                latency[Producer[row.upper()], needs] = [
                    _cycles(file, row, value) for value in values
                ]
        busy = np.zeros(len(Producer), np.int64)
        sources.append(("fp_busy_cycles", _source(file, "fp_busy_cycles", data["fp_busy_cycles"])))
        for row, value in data["fp_busy_cycles"].items():
            if row != "source":
                busy[Producer[row.upper()]] = _cycles(file, row, value)
        params = np.zeros(len(Param), np.int64)
        for param, (group, key) in _PARAM_KEYS.items():
            params[param] = _cycles(file, key, data[group][key])
        _check_shape(file, params)
        groups = dict.fromkeys(group for group, _ in _PARAM_KEYS.values())
        sources += [(group, _source(file, group, data[group])) for group in groups]
        _refuse_unread(file, data, groups)
    except KeyError as error:
        raise BoardError(f"{file}: {error} is missing or not a known row.") from None
    settled = np.maximum(latency.max(axis=1), busy)
    settled[Producer.NONE] = 0
    for array in (latency, busy, params, settled):
        array.setflags(write=False)
    return TimingTable(data["name"], latency, busy, settled, params, tuple(sources))
