"""What `emu compare` finds, what it forgives, and how it tells other programs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from emu.backends.protocol import RunOptions
from emu.errors import UsageError
from emu.measure.ci_formats import benchmark_json, github_annotations, junit_xml, markdown
from emu.measure.compare import (
    Change,
    Comparison,
    FunctionChange,
    compare_reports,
    describe,
)
from emu.measure.render_comparison import comparison_json, render_comparison
from emu.measure.report import Report
from emu.measure.tolerance import Tolerance, Tolerances, load_tolerances

pytestmark = pytest.mark.needs_compiler
Measure = Callable[..., Report]


@pytest.fixture(scope="session")
def slower(measured: Measure, report: Report) -> Comparison:
    return compare_reports(report, measured(cycle_factor=1.25))


@pytest.fixture(scope="session")
def unchanged(measured: Measure, report: Report) -> Comparison:
    return compare_reports(report, measured())


def tolerances(tmp_path: Path, text: str, name: str = "tolerance.yaml") -> Tolerances:
    path = tmp_path / name
    path.write_text(text)
    return load_tolerances(path)


def test_equal_runs_differ_in_nothing(unchanged: Comparison) -> None:
    assert unchanged.is_empty
    assert unchanged.regressions == ()
    assert "latency_cycles" in unchanged.checked_keys


def test_zero_change_is_silent_in_every_format(unchanged: Comparison) -> None:
    assert markdown(unchanged) == ""
    assert github_annotations(unchanged) == ""
    assert "<failure" not in junit_xml(unchanged)


def test_slower_is_a_regression_and_says_where(slower: Comparison) -> None:
    keys = [change.key for change in slower.regressions]
    assert {"latency_cycles", "calls.conv.cold_cycles"} <= set(keys)
    assert "latency_ms" not in keys  # at one clock it says the same again
    change = next(change for change in slower.regressions if change.key == "latency_cycles")
    cause = slower.cause_of(change)
    assert cause is not None
    sentence = describe(change, slower)
    assert sentence.startswith("latency_cycles is ")
    assert f"most of it in {cause.name}" in sentence
    assert f"{cause.file}:{cause.line}" in sentence


def test_instructions_and_calls_say_where_too(slower: Comparison) -> None:
    function = FunctionChange("conv", "model.c", 7, 100, 300, 50, 90)
    more = replace(
        slower, functions=(replace(function, name="relu", new_instructions=51), function)
    )
    change = Change("instructions_count", 51, 91, None, True)
    assert describe(change, more).endswith("most of it in conv (model.c:7), +40 (+80 %).")
    part = Change("calls.conv.cold_cycles", 10.0, 20.0, None, True)
    assert "over the run the most was added by" in describe(part, more)


def test_without_cycles_functions_are_compared_by_instructions(measured: Measure) -> None:
    options = RunOptions(timing="none")
    one = measured(options_=options, cycles_by_cause={})
    rows = tuple(
        row.model_copy(update={"instructions_count": row.instructions_count + 5})
        for row in one.functions
    )
    comparison = compare_reports(one, one.model_copy(update={"functions": rows}))
    assert all(item.difference_instructions == 5 for item in comparison.functions)
    shown = io.StringIO()
    render_comparison(comparison, Console(file=shown, width=120), top=3)
    assert "instructions" in shown.getvalue()
    assert "+5" in markdown(comparison)


def test_functions_explain_the_whole_difference(slower: Comparison, report: Report) -> None:
    assert report.elapsed_cycles is not None
    assert slower.new.elapsed_cycles is not None
    explained = sum(item.difference_cycles for item in slower.functions)
    assert explained == slower.new.elapsed_cycles - report.elapsed_cycles
    assert not [change for change in slower.changes if change.key.startswith("functions.")]


def test_faster_is_a_change_and_no_regression(measured: Measure, report: Report) -> None:
    faster = compare_reports(report, measured(cycle_factor=0.5))
    assert faster.changes
    assert faster.regressions == ()


def test_growth_within_tolerance_is_no_regression(
    measured: Measure, report: Report, tmp_path: Path
) -> None:
    rules = tolerances(tmp_path, "latency_*: 30 %\ncalls.*.*: {relative: 30 %, absolute: 10}\n")
    assert compare_reports(report, measured(cycle_factor=1.25), rules).regressions == ()
    strict = tolerances(tmp_path, "latency_*: 1 %\ncalls.*.*: ignore\n")
    kept = compare_reports(report, measured(cycle_factor=1.25), strict).regressions
    assert [change.key for change in kept] == ["latency_cycles", "latency_ms"]


def test_a_tolerance_file_can_make_a_function_a_gate(
    measured: Measure, report: Report, tmp_path: Path
) -> None:
    rules = tolerances(
        tmp_path, '[functions.conv]\nself_cycles = "1 %"\n[latency]\n', "tolerance.toml"
    )
    found = compare_reports(report, measured(cycle_factor=1.25), rules)
    assert "functions.conv.self_cycles" in [change.key for change in found.regressions]


def test_a_number_that_is_no_longer_obtained_is_a_regression(
    measured: Measure, report: Report
) -> None:
    found = compare_reports(report, measured(stack=None))
    change = next(change for change in found.regressions if change.key == "stack_peak_bytes")
    assert "was not obtained now" in describe(change, found)


def test_a_number_obtained_for_the_first_time_is_no_regression(
    measured: Measure, report: Report
) -> None:
    found = compare_reports(measured(stack=None), report)
    assert [change.key for change in found.changes] == ["peak_sram_bytes", "stack_peak_bytes"]
    assert found.regressions == ()


def test_unlike_runs_say_so(report: Report) -> None:
    origin = report.provenance
    other = report.model_copy(
        update={
            "provenance": origin.model_copy(
                update={"board": origin.board.model_copy(update={"digest": "f" * 64})}
            )
        }
    )
    (difference,) = compare_reports(report, other).differences
    assert difference == f"board digest {origin.board.digest[:12]} -> ffffffffffff"


def test_a_larger_table_is_found_by_name(report: Report) -> None:
    memory = report.memory
    first = next(symbol for symbol in memory.flash_symbols if symbol.name == "conv")
    grown = first.model_copy(update={"size_bytes": first.size_bytes + 512})
    other = report.model_copy(
        update={
            "flash_bytes": report.flash_bytes + 512,
            "memory": memory.model_copy(
                update={
                    "flash_symbols": tuple(
                        grown if symbol is first else symbol for symbol in memory.flash_symbols
                    )
                }
            ),
        }
    )
    found = compare_reports(report, other)
    (change,) = found.regressions
    assert describe(change, found).endswith(
        f"most of it in {first.name} ({first.file}:{first.line}), "
        f"+512 B (+{512 / first.size_bytes * 100:,.0f} %)."
    )


def test_github_annotations_point_at_the_source(slower: Comparison) -> None:
    first = github_annotations(slower).splitlines()[0]
    cause = slower.cause_of(slower.regressions[0])
    assert cause is not None
    assert first.startswith(f"::error file={cause.file},line={cause.line},title=")
    assert " %25)" in first  # a bare per cent sign would start an escape
    assert "%)" not in first


def test_github_annotations_escape_what_would_end_them(slower: Comparison) -> None:
    odd = replace(slower.functions[0], name="a\nb", file="odd, name:1.c", old_cycles=0)
    text = github_annotations(replace(slower, functions=(odd,)))
    assert len(text.splitlines()) == len(slower.regressions)
    assert "file=odd%2C name%3A1.c,line=" in text
    assert "a%0Ab" in text


def test_markdown_names_the_error_of_the_model(slower: Comparison) -> None:
    text = markdown(slower)
    assert "over tolerance" in text
    assert "| latency_cycles |" in text
    assert "error not published yet" in text


def test_junit_has_a_case_a_number(slower: Comparison) -> None:
    suite = ElementTree.fromstring(junit_xml(slower))[0]
    assert int(suite.get("tests", "0")) == len(suite) > len(slower.regressions)
    assert int(suite.get("failures", "0")) == len(slower.regressions)
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == [change.key for change in slower.regressions]


def test_benchmark_json_is_smaller_is_better_with_units(report: Report) -> None:
    entries = {entry["name"]: entry for entry in json.loads(benchmark_json(report))}
    latency = entries["h743: latency_cycles"]
    assert (latency["unit"], latency["value"]) == ("cycles", report.latency_cycles)
    assert "error not published yet" in latency["extra"]
    assert "h743: arena_bytes" not in entries  # null: absent
    assert all(isinstance(entry["value"], int | float) for entry in entries.values())


def test_comparison_json_can_be_read(slower: Comparison) -> None:
    value = json.loads(comparison_json(slower))
    assert value["schema"] == "emu.comparison/1"
    assert value["regressions_count"] == len(slower.regressions)
    assert value["functions"][0]["name"] == slower.functions[0].name


def test_the_longest_pattern_wins_and_an_exact_key_before_all(tmp_path: Path) -> None:
    rules = tolerances(tmp_path, "'*': 50 %\nflash_*: 1 %\nflash_bytes: 16\n")
    assert rules.of("latency_cycles") == Tolerance(relative_ratio=0.5)
    assert rules.of("flash_code_bytes") == Tolerance(relative_ratio=0.01)
    assert rules.of("flash_bytes") == Tolerance(absolute=16)
    assert Tolerances().of("flash_bytes") == Tolerance()


def test_a_tolerance_allows_up_to_its_edge_and_no_further() -> None:
    assert Tolerance(relative_ratio=0.1).allows(100, 110)
    assert not Tolerance(relative_ratio=0.1).allows(100, 111)
    assert Tolerance(absolute=5).allows(0, 5)
    assert not Tolerance(absolute=5).allows(0, 6)
    assert not Tolerance().allows(100, 101)
    assert Tolerance().allows(100, 100)


def test_an_empty_tolerance_file_allows_nothing(tmp_path: Path) -> None:
    assert tolerances(tmp_path, "# nothing\n").of("latency_cycles") == Tolerance()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.yaml", "latency_cycles: [", "t.yaml line 1 is not YAML"),
        ("t.yaml", "- latency_cycles\n", "tolerances are a mapping"),
        ("t.yaml", "latency_cycles: much\n", "latency_cycles: 'much' is no number"),
        ("t.yaml", "latency_cycles: -5\n", "latency_cycles: '-5' is no amount"),
        ("t.yaml", "latency_cycles: .nan\n", "latency_cycles: 'nan' is no amount"),
        ("t.yaml", "latency_cycles: yes\n", "latency_cycles: 'yes' is no number"),
        ("t.yaml", "a: {relative: 1 %, most: 2}\n", "a: unknown 'most'"),
        ("t.yaml", "a: {relative: 1}\n", "a: '1' is no share"),
        ("t.toml", "a = \n", "t.toml is not TOML"),
    ],
)
def test_a_bad_tolerance_file_gets_one_sentence(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        tolerances(tmp_path, text, name)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
