"""The laws of `emu.report/1`, and that it survives being written and read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from emu.backends.protocol import CAUSES, Cause, Fault, RunOptions
from emu.errors import ReportError
from emu.measure.quantity import numbers_of
from emu.measure.report import (
    CAUSE_FIELDS,
    CauseCycles,
    FunctionCost,
    LineCost,
    Report,
    load_report,
    parse_report,
    report_json_schema,
)

pytestmark = pytest.mark.needs_compiler
SCHEMA_FILE = Path(__file__).parents[2] / "golden" / "emu.report.1.schema.json"
Measure = Callable[..., Report]


@pytest.fixture(params=[1.0, 1.37, 0.001])
def any_report(request: pytest.FixtureRequest, measured: Measure) -> Report:
    return measured(cycle_factor=request.param)


def added(rows: list[CauseCycles]) -> CauseCycles:
    return CauseCycles(
        **{field: sum(getattr(row, field) for row in rows) for field in CAUSE_FIELDS.values()}
    )


def test_causes_add_up_to_the_total(any_report: Report) -> None:
    assert any_report.cycles_by_cause is not None
    assert any_report.cycles_by_cause.total_cycles == any_report.elapsed_cycles


@pytest.mark.parametrize("table", ["functions", "lines"])
def test_tables_add_up_to_the_total_for_each_cause(any_report: Report, table: str) -> None:
    rows = getattr(any_report, table)
    assert added([row.cycles_by_cause for row in rows]) == any_report.cycles_by_cause
    assert sum(row.self_cycles for row in rows) == any_report.elapsed_cycles
    assert sum(row.instructions_count for row in rows) == any_report.instructions_count
    assert sum(row.self_share_ratio for row in rows) == pytest.approx(1, abs=1e-4)


def test_each_row_adds_up_and_is_never_negative(any_report: Report) -> None:
    rows: list[FunctionCost | LineCost] = [*any_report.functions, *any_report.lines]
    for row in rows:
        assert row.cycles_by_cause is not None
        assert row.cycles_by_cause.total_cycles == row.self_cycles
        assert all(cycles >= 0 for _, cycles in row.cycles_by_cause.items())


def test_whole_cycles_are_right_to_one_a_cause(measured: Measure) -> None:
    report = measured(cycle_factor=1.37)
    conv = next(row for row in report.functions if row.name == "conv")
    exact = measured_exactly(measured, "conv")
    assert conv.cycles_by_cause is not None
    for cause, cycles in conv.cycles_by_cause.items():
        assert abs(cycles - exact[cause]) <= 1


def measured_exactly(measured: Measure, name: str) -> dict[Cause, float]:
    """The same run's floats, added up by hand."""
    from emu.boardfile import load_board
    from emu.measure.run import prepare
    from tests.emu.measure.conftest import SOURCE
    from tests.emu.measure.fake_machine import plausible_execution

    board = load_board("h743")
    report = measured()
    folder = Path(report.provenance.sources[0])
    assert folder.read_text() == SOURCE
    image = prepare(folder, board).image
    symbol = image.symbol(name)
    assert symbol is not None
    rows = plausible_execution(image, board, RunOptions(measure=("conv",)), 1.37).profile
    mine = rows[(rows["address"] >= symbol.address) & (rows["address"] < symbol.end)]
    return {cause: float(mine[f"{cause.value}_cycles"].sum()) for cause in CAUSES}


def test_functions_and_lines_are_where_the_source_says(report: Report) -> None:
    conv = next(row for row in report.functions if row.name == "conv")
    assert conv.file is not None
    assert conv.file.endswith("model.c")
    assert conv.line in range(7, 10)
    hot = next(row for row in report.lines if row.line == 10)
    assert hot.function == "conv"
    costs = [row.self_cycles or 0 for row in report.functions]
    assert costs == sorted(costs, reverse=True)


def test_peak_sram_is_static_plus_heap_plus_stack(report: Report) -> None:
    assert report.stack_peak_bytes is not None
    assert report.heap_peak_bytes is not None
    assert report.static_sram_bytes is not None
    parts = report.static_sram_bytes + report.heap_peak_bytes + report.stack_peak_bytes
    assert report.peak_sram_bytes == parts


def test_memory_adds_up_by_region_and_by_symbol(report: Report) -> None:
    memory = report.memory
    ram = [region for region in memory.regions if region.kind == "ram"]
    flash = [region for region in memory.regions if region.kind == "flash"]
    assert sum(region.static_bytes for region in ram) == report.static_sram_bytes
    assert sum(region.used_bytes for region in ram) == report.peak_sram_bytes
    assert sum(region.static_bytes for region in flash) == report.flash_bytes
    assert report.flash_bytes == (
        report.flash_code_bytes + report.flash_rodata_bytes + report.flash_data_image_bytes
    )
    for symbols, rest, total in (
        (memory.static_symbols, memory.static_unnamed_bytes, report.static_sram_bytes),
        (memory.flash_symbols, memory.flash_unnamed_bytes, report.flash_bytes),
    ):
        assert rest >= 0
        assert sum(symbol.size_bytes for symbol in symbols) + rest == total


def test_symbols_are_in_the_memory_they_take(report: Report) -> None:
    static = {symbol.name: symbol for symbol in report.memory.static_symbols}
    flash = {symbol.name: symbol for symbol in report.memory.flash_symbols}
    assert (static["activations"].size_bytes, static["activations"].kind) == (1200, "bss")
    assert (flash["weights"].size_bytes, flash["weights"].kind) == (256, "constants")
    assert flash["conv"].kind == "code"
    assert static["gains"].kind == flash["gains"].kind == "data"  # variable, and initial value
    assert "weights" not in static


def test_reserved_stack_and_heap_are_no_static_memory(report: Report) -> None:
    assert report.static_sram_bytes is not None
    assert report.static_sram_bytes < 4096
    assert report.memory.heap_reserved_bytes is not None
    assert report.memory.heap_reserved_bytes >= 4096


def test_numbers_that_were_not_obtained_are_null(measured: Measure) -> None:
    report = measured(options_=RunOptions(timing="none"), stack=None, heap=None, cycles_by_cause={})
    numbers = numbers_of(report)
    for key in (
        "latency_cycles",
        "latency_ms",
        "elapsed_cycles",
        "ipc_ratio",
        "peak_sram_bytes",
        "stack_peak_bytes",
        "traffic.dcache_misses_count",
        "traffic.mispredicts_count",
        "functions.conv.self_cycles",
    ):
        assert numbers[key] is None, key
    assert report.cycles_by_cause is None
    assert all(row.self_cycles is None for row in report.lines)
    assert report.instructions_count > 0


def test_a_program_without_an_allocator_has_a_heap_of_nothing(measured: Measure) -> None:
    report = measured(heap=None)
    assert report.heap_peak_bytes == 0
    assert report.static_sram_bytes is not None
    assert report.peak_sram_bytes == report.static_sram_bytes + (report.stack_peak_bytes or 0)
    assert report.memory.heap_allocations_count is None


def test_a_run_that_was_stopped_has_no_latency_but_says_how_far_it_came(
    measured: Measure,
) -> None:
    report = measured(options_=RunOptions(max_cycles=5000), outcome="max_cycles", exit_code=None)
    assert report.latency_cycles is report.latency_ms is None
    assert report.elapsed_cycles
    assert report.error is not None
    assert "still running after 5,000 cycles (--max-cycles)" in report.error
    assert any("peaks are those reached until then" in note for note in report.notes)


def test_a_firmware_that_returns_other_than_zero_failed_but_has_a_latency(
    measured: Measure,
) -> None:
    report = measured(exit_code=3)
    assert report.latency_cycles == report.elapsed_cycles
    assert report.error == "The firmware returned 3, where 0 means that all is well."


def test_a_fault_is_told_with_its_place(measured: Measure, report: Report) -> None:
    address = next(frame for frame in report.memory.stack_call_path).address
    fault = Fault(
        kind="unmapped_read",
        sentence="Read of 0x90000000, where there is no memory.",
        pc=address,
        address=0x90000000,
        registers=(("r0", 1), ("pc", address)),
        call_path=(address,),
    )
    told = measured(outcome="fault", exit_code=None, fault=fault)
    assert told.error == fault.sentence
    assert told.fault is not None
    assert told.fault.region is None
    assert told.fault.function == told.fault.call_path[-1].function
    assert told.fault.file is not None
    assert told.latency_cycles is None


def test_a_measured_function_that_never_ran_says_so(measured: Measure) -> None:
    from emu.backends.protocol import CallStats

    call = CallStats("conv", 0, 0, None, None, 0, None, None, None, None, None)
    told = measured(calls=(call,)).call("conv")
    assert told.error == "conv was never called."
    assert told.cold_cycles is told.cold_ms is told.stack_peak_bytes is None


def test_it_says_where_its_numbers_come_from(report: Report) -> None:
    origin = report.provenance
    assert report.cycles_kind == "modelled"
    assert origin.backend == "fake"
    assert origin.board.name == "h743"
    assert origin.board.digest
    assert origin.board.files == (
        "boards/stm32h743.yaml",
        "boards/chips/stm32h743.yaml",
        "boards/cores/cortex-m7.yaml",
    )
    assert origin.compiler is not None
    assert origin.compiler.name == "zig"
    assert "-O2" in origin.compiler.flags
    assert len(origin.source_sha256 or "") == len(origin.image_sha256) == 64
    assert origin.model_error.mean_error_ratio is None
    assert str(origin.model_error) == "error not published yet"


def test_equal_runs_give_equal_text(measured: Measure) -> None:
    assert measured().to_json() == measured().to_json()


def test_writing_and_reading_gives_the_same_report(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(report.to_json())
    assert load_report(path) == report
    assert load_report(path).to_json() == report.to_json()


def test_the_text_keeps_to_the_json_schema(report: Report) -> None:
    jsonschema.validate(json.loads(report.to_json()), json.loads(report_json_schema()))


def test_the_json_schema_is_the_published_one(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--emu-update"):
        SCHEMA_FILE.write_text(report_json_schema())
    assert SCHEMA_FILE.read_text() == report_json_schema()


def test_every_number_wears_its_unit(report: Report) -> None:
    units = ("_bytes", "_cycles", "_hz", "_ms", "_s", "_count", "_ratio")
    plain = {"line", "address", "pc", "value", "start", "exit_code"}  # places, not quantities

    def walk(value: object, key: str) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, name)
        elif isinstance(value, list):
            for item in value:
                walk(item, key)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            assert key.endswith(units) or key in plain, key

    walk(json.loads(report.to_json()), "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "is not JSON", id="empty"),
        pytest.param('{"schema": "emu.re', "is not JSON", id="cut"),
        pytest.param("[" * 100_000, "is not JSON", id="deep"),
        pytest.param("[]", "has no schema", id="list"),
        pytest.param('{"schema": "emu.report/2"}', "has schema 'emu.report/2'", id="later"),
        pytest.param('{"schema": "emu.report/1"}', "'outcome': Field required", id="fields"),
    ],
)
def test_a_bad_report_gets_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ReportError) as refusal:
        parse_report(text, "old.json")
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("old.json ")
    assert "\n" not in str(refusal.value)


def test_a_missing_report_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"Cannot read the report .*: No such file"):
        load_report(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ReportError, match="it is not UTF-8 text"):
        load_report(tmp_path / "binary.json")
