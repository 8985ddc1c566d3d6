"""The page on a terminal: everything there, nothing cut that is a number."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from emu.backends.protocol import Fault, RunOptions
from emu.measure.render import render_report
from emu.measure.report import FunctionCost, Report

pytestmark = pytest.mark.needs_compiler
Measure = Callable[..., Report]


def printed(report: Report, width: int = 120, top: int = 10) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    render_report(report, console, top=top)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.fixture
def large(report: Report) -> Report:
    """A report with numbers and names as large networks have them."""
    functions = tuple(
        row.model_copy(
            update={
                "name": f"{row.name}_s8_k3x3_s1_hwc_with_a_very_long_name__dsp_m7_4x2",
                "self_cycles": 2_123_456_789,
                "instructions_count": 3_123_456_789,
                "calls_count": 1_234_567,
                "file": "src/some_kernels.c",
                "line": 1234,
            }
        )
        for row in report.functions
    )
    return report.model_copy(update={"functions": functions, "elapsed_cycles": 9_876_543_210})


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("which", ["report", "large"])
def test_lines_keep_to_the_width_and_numbers_are_whole(
    which: str, width: int, request: pytest.FixtureRequest
) -> None:
    page = printed(request.getfixturevalue(which), width)
    assert max(len(line.rstrip()) for line in page.splitlines()) <= width
    assert not re.search(r"\d…", page)
    if which == "large":
        assert "2,123,456,789" in page
        assert "1,234,567" in page


def test_the_parts_come_in_order(report: Report) -> None:
    page = printed(report)
    headings = ["Latency", "Where the cycles", "Functions", "Lines", "Memory", "Measured", "board"]
    places = [page.index(heading) for heading in headings]
    assert places == sorted(places)


def test_rows_that_are_left_out_are_counted(report: Report) -> None:
    page = printed(report, top=2)
    assert f"{len(report.functions) - 2} more, " in page
    assert f"(--top {len(report.functions)} shows all)" in page


def test_memories_that_are_empty_are_left_out(report: Report) -> None:
    page = printed(report)
    memory = page[page.index("\n Memory") : page.index("largest in RAM")]
    used = {region.name for region in report.memory.regions if region.used_bytes}
    assert {line.split()[0] for line in memory.splitlines()[2:] if line.strip()} == used


def test_a_published_error_is_printed_with_every_latency(report: Report) -> None:
    origin = report.provenance
    published = origin.model_error.model_copy(
        update={"mean_error_ratio": 0.021, "worst_error_ratio": 0.05, "source": "docs/accuracy.md"}
    )
    page = printed(
        report.model_copy(
            update={"provenance": origin.model_copy(update={"model_error": published})}
        )
    )
    assert page.count("error ±2.1%, worst ±5.0% (docs/accuracy.md)") == 2  # latency, measured


def test_a_fault_shows_path_and_registers(measured: Measure, report: Report) -> None:
    address = report.memory.stack_call_path[0].address
    fault = Fault(
        "unmapped_read",
        "Read of nothing.",
        address,
        0x90000000,
        (("r0", 0x90000000), ("r1", 5), ("sp", 0x20001000), ("lr", 0), ("pc", address)),
        (address, *[address + 2] * 50),
    )
    page = printed(measured(outcome="fault", exit_code=None, fault=fault))
    assert "Call path" in page
    assert "... called itself, 49 more times" in page
    assert page.count("model.c") < 30
    assert "r0 90000000" in page
    assert "stopped after" in page


def test_a_run_without_timing_shows_instructions(measured: Measure) -> None:
    page = printed(measured(options_=RunOptions(timing="none"), cycles_by_cause={}))
    assert "not timed (--timing none)" in page
    assert "instructions" in page
    assert "Where the cycles went" not in page


def test_a_program_without_symbols_or_lines_has_a_page(report: Report) -> None:
    nothing = FunctionCost(
        name=None,
        file=None,
        line=None,
        self_cycles=report.elapsed_cycles,
        self_share_ratio=1.0,
        instructions_count=report.instructions_count,
        calls_count=None,
        cycles_by_cause=report.cycles_by_cause,
    )
    page = printed(report.model_copy(update={"functions": (nothing,), "lines": ()}))
    assert "(no symbol)" in page
    assert "Lines" not in page


def test_markup_in_names_is_text(report: Report) -> None:
    odd = report.functions[0].model_copy(update={"name": "operator[bold]"})
    page = printed(report.model_copy(update={"functions": (odd,)}))
    assert "operator[bold]" in page
