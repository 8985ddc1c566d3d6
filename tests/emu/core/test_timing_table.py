"""Reading the core's timing table: every number is read, every mistake is refused."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import emu.core.timing_table as timing_table
from emu.core.timing_table import Need, Param, Producer, TimingTable, load_timing_table
from emu.errors import BoardError

Load = Callable[[dict[str, Any] | str], TimingTable]
_FILE = Path(timing_table.__file__).parents[2] / "boards" / "cores" / "cortex-m7.yaml"


def shipped() -> dict[str, Any]:
    data = YAML(typ="safe").load(_FILE.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a table from values or text instead of the shipped file."""
    load_timing_table("cortex-m7")  # into the process's memory before its file is out of reach
    (tmp_path / "cores").mkdir()
    monkeypatch.setattr("emu.core.timing_table.resources.files", lambda _package: tmp_path)

    def load_text(content: dict[str, Any] | str) -> TimingTable:
        if not isinstance(content, str):
            stream = io.StringIO()
            YAML(typ="safe").dump(content, stream)
            content = stream.getvalue()
        (tmp_path / "cores" / "mine.yaml").write_text(content, encoding="utf-8")
        return load_timing_table.__wrapped__("mine")  # past the memory of the process

    return load_text


def numbers(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every number in the file."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from numbers(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from numbers(value, (*path, index))
    elif isinstance(data, int | float):
        yield path


def changed(data: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    other = copy.deepcopy(data)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return other


def contents(table: TimingTable) -> bytes:
    return b"".join(
        array.tobytes() for array in (table.latency_cycles, table.fp_busy_cycles, table.params)
    )


def test_the_shipped_table_is_the_one_that_the_core_names(load: Load) -> None:
    table = load_timing_table("cortex-m7")
    assert table.name == "cortex-m7"
    assert contents(load(shipped())) == contents(table)
    assert load_timing_table("cortex-m7") is table


def test_every_number_in_the_file_is_read(load: Load) -> None:
    data = shipped()
    known = contents(load(data))
    paths = list(numbers(data))
    assert len(paths) > 150
    unread = [
        ".".join(map(str, path))
        for path in paths
        if not _notices(load, changed(data, path, _other(data, path)), known)
    ]
    assert unread == []


def _notices(load: Load, data: dict[str, Any], known: object) -> bool:
    """Whether a changed file gives another table, or is refused."""
    try:
        return bool(contents(load(data)) != known)
    except BoardError:
        return True


def _other(data: dict[str, Any], path: tuple[str | int, ...]) -> int:
    value: Any = data
    for key in path:
        value = value[key]
    return int(value) + 1


def test_every_producer_has_a_row_and_every_parameter_a_number() -> None:
    data = shipped()
    rows = {
        row.upper()
        for table in data["latency_cycles"].values()
        for row in table
        if row not in ("needs", "source")
    }
    assert rows == set(Producer.__members__) - {"NONE"}
    table = load_timing_table("cortex-m7")
    assert len(table.params) == len(Param)
    assert {need for t in data["latency_cycles"].values() for need in t["needs"]} == set(
        Need.__members__
    )


def test_what_was_ready_long_ago_delays_nobody() -> None:
    table = load_timing_table("cortex-m7")
    assert (table.latency_cycles[Producer.NONE] == 0).all()
    assert table.settled_cycles[Producer.NONE] == 0


def test_settled_is_when_no_need_and_no_pipe_waits_any_more() -> None:
    table = load_timing_table("cortex-m7")
    for producer in Producer:
        assert table.settled_cycles[producer] >= table.latency_cycles[producer].max()
        assert table.settled_cycles[producer] >= table.fp_busy_cycles[producer]


def test_the_arrays_cannot_be_changed() -> None:
    table = load_timing_table("cortex-m7")
    for array in (table.latency_cycles, table.fp_busy_cycles, table.settled_cycles, table.params):
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(array).flat[0] = 1


@pytest.mark.parametrize(
    "group",
    ["latency_cycles.core", "latency_cycles.fpu", "fp_busy_cycles", "issue", "fetch", "branch",
     "memory", "system", "art"],
)  # fmt: skip
@pytest.mark.parametrize("source", [None, "", "  "], ids=["absent", "empty", "blank"])
def test_numbers_without_a_source_are_refused(load: Load, group: str, source: str | None) -> None:
    path = (*group.split("."), "source")
    with pytest.raises(BoardError, match=rf"cores/mine.yaml: '{path[-2]}' has no source\. Add"):
        load(changed(shipped(), path, source))


def test_every_group_of_numbers_gives_its_source() -> None:
    data = shipped()
    groups = {f"latency_cycles.{name}" for name in data["latency_cycles"]}
    groups |= set(data) - {"name", "latency_cycles"}
    assert {key for key, _ in load_timing_table("cortex-m7").sources} == groups


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param(("latency_cycles", "core", "warp_drive"), [1] * 8, "WARP_DRIVE", id="row"),
        pytest.param(("latency_cycles", "core", "needs"), ["A", "Q"], "'Q'", id="need"),
        pytest.param(("fp_busy_cycles", "fp_lunch"), 3, "FP_LUNCH", id="busy_row"),
        pytest.param(("branch", "mispredict_cycles"), None, "mispredict_cycles", id="no_number"),
        pytest.param(("memory",), None, "memory", id="no_group"),
        pytest.param(("latency_cycles",), None, "latency_cycles", id="no_latencies"),
    ],
)
def test_what_is_missing_or_unknown_is_refused(
    load: Load, path: tuple[str, ...], value: object, said: str
) -> None:
    with pytest.raises(BoardError, match=rf"cores/mine.yaml: .*{said}.* is missing or not a known"):
        load(changed(shipped(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        pytest.param(("fetch", "bytes_per_cycle"), 16, "must be 8", id="another_fetch_width"),
        pytest.param(("branch", "btac_entries_count"), 48, "no power of two", id="btac_of_48"),
    ],
)
def test_what_the_model_takes_for_granted_is_checked(
    load: Load, path: tuple[str, str], value: int, sentence: str
) -> None:
    with pytest.raises(BoardError, match=sentence):
        load(changed(shipped(), path, value))


def test_an_unknown_scalar_is_refused(load: Load) -> None:
    with pytest.raises(BoardError, match="warp_cycles"):
        load(changed(shipped(), ("branch", "warp_cycles"), 3))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("latency_cycles", "core", "load_word"), [1, 2], id="row_too_short"),
        pytest.param(("latency_cycles", "core", "load_word"), "fast", id="row_of_words"),
        pytest.param(("branch", "mispredict_cycles"), "eight", id="no_number"),
    ],
)
def test_what_is_no_number_is_refused(load: Load, path: tuple[str, ...], value: object) -> None:
    with pytest.raises(BoardError):
        load(changed(shipped(), path, value))


def test_broken_yaml_is_refused_with_its_place(load: Load) -> None:
    with pytest.raises(BoardError, match=r"cores/mine.yaml: (.|\n)*line 1"):
        load("name: [")


def test_a_core_without_a_file_is_refused() -> None:
    with pytest.raises(BoardError, match=r"Core 'z80' is not known: there is no boards/cores/z80"):
        load_timing_table("z80")
