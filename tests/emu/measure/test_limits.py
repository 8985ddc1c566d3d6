"""Limits on numbers of a report, and numbers by their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emu.backends.protocol import RunOptions
from emu.board import Board
from emu.errors import LimitExceededError, UsageError
from emu.measure.limits import LimitError, check_limits, parse_limits
from emu.measure.quantity import find_number, format_change, format_quantity, parse_quantity
from emu.measure.report import Report
from emu.measure.run import run
from tests.emu.measure.fake_machine import FakeMachine

pytestmark = pytest.mark.needs_compiler


@pytest.mark.parametrize(
    ("text", "key", "most"),
    [
        ("latency_ms=50", "latency_ms", 50),
        ("latency_ms = 0.5", "latency_ms", 0.5),
        ("peak_sram_bytes=320K", "peak_sram_bytes", 320 * 1024),
        ("flash_bytes=0x4000", "flash_bytes", 0x4000),
        ("clock_hz=480M", "clock_hz", 480_000_000),
        ("latency_cycles=1_000_000", "latency_cycles", 1_000_000),
        ("calls.conv.cold_cycles=2,000", "calls.conv.cold_cycles", 2000),
    ],
)
def test_a_limit_is_read_in_the_unit_of_its_key(text: str, key: str, most: float) -> None:
    (limit,) = parse_limits([text])
    assert (limit.key, limit.most) == (key, most)


def test_limits_may_be_a_mapping() -> None:
    assert parse_limits({"latency_ms": 5, "peak_sram_bytes": "1K"}) == parse_limits(
        ["latency_ms=5", "peak_sram_bytes=1K"]
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("latency_ms", "'latency_ms' is no limit. Write key=value"),
        ("=5", "'=5' is no limit"),
        ("latency_ms=", "'latency_ms=' is no limit"),
        ("latency_ms=fast", "'fast' is no number for latency_ms"),
        ("latency_ms=nan", "'nan' is no number for latency_ms"),
        ("peak_sram_bytes=1.5", "'1.5' is not a whole number of bytes"),
        ("peak_sram_bytes=lots", "'lots' is not a size"),
    ],
)
def test_a_text_that_is_no_limit_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_limits([text])
    assert sentence in str(refusal.value)


def test_a_limit_that_is_kept_is_silent(report: Report) -> None:
    exactly = {"latency_cycles": report.latency_cycles or 0}
    assert check_limits(report, parse_limits(exactly)) == ()


def test_a_limit_that_is_not_kept_says_what_and_by_how_much(report: Report) -> None:
    peak = report.peak_sram_bytes
    assert peak is not None
    (breach,) = check_limits(report, parse_limits({"peak_sram_bytes": peak - 100}))
    assert breach.found == peak
    assert breach.sentence.startswith("peak_sram_bytes is ")
    assert "over its limit of" in breach.sentence
    assert "by 100 B (+" in breach.sentence


def test_a_number_that_was_not_obtained_breaks_its_limit(
    measured: Callable[..., Report],
) -> None:
    stopped = measured(options_=RunOptions(timeout_s=0.5), outcome="timeout", exit_code=None)
    (breach,) = check_limits(stopped, parse_limits(["latency_ms=1000"]))
    assert breach.found is None
    assert "latency_ms has no value to hold against its limit of 1,000 ms" in breach.sentence


def test_any_number_of_the_report_can_be_limited(report: Report) -> None:
    for key in (
        "cycles_by_cause.branch_cycles",
        "calls.conv.warm_mean_cycles",
        "functions.conv.self_cycles",
        "memory.regions.dtcm.used_bytes",
        "accesses.unresolved_count",
        "traffic.dcache_misses_count",
    ):
        assert isinstance(find_number(report, key), int | float), key
        assert check_limits(report, parse_limits([f"{key}=0"])), key


def test_an_unknown_key_gets_near_names(report: Report) -> None:
    with pytest.raises(UsageError, match=r"'latency_cycle' is no number .* latency_cycles"):
        find_number(report, "latency_cycle")
    with pytest.raises(UsageError, match="'latency_cycle' is no number of a report"):
        parse_limits(["latency_cycle=1"])


def test_run_raises_with_the_whole_report(source: Path, board: Board) -> None:
    with pytest.raises(LimitError) as exceeded:
        run(source, board=board, machine=FakeMachine(), limits={"latency_cycles": 1})
    assert isinstance(exceeded.value, LimitExceededError)
    assert exceeded.value.report.latency_cycles
    assert exceeded.value.exit_code == 1


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("peak_sram_bytes", 35 * 1024, "35 KiB"),
        ("latency_ms", 0.05, "0.05 ms"),
        ("latency_ms", 12.3456, "12.35 ms"),
        ("latency_ms", 1234.5, "1,234 ms"),
        ("latency_cycles", 1234567, "1,234,567 cycles"),
        ("clock_hz", 480_000_000, "480 MHz"),
        ("ipc_ratio", 1.2345, "1.23"),
        ("arena_bytes", None, "-"),
    ],
)
def test_numbers_are_printed_with_their_unit(key: str, value: float | None, text: str) -> None:
    assert format_quantity(key, value) == text


def test_changes_are_printed_with_sign_and_share() -> None:
    assert format_change("flash_bytes", 1000, 1100) == "+100 B (+10 %)"
    assert format_change("latency_cycles", 1000, 990) == "-10 cycles (-1 %)"
    assert format_change("latency_cycles", 0, 5) == "+5 cycles"
    assert format_change("latency_cycles", None, 5) == "new"
    assert format_change("latency_cycles", 5, None) == "gone"


def test_parse_quantity_refuses_infinity() -> None:
    with pytest.raises(UsageError):
        parse_quantity("latency_ms", "inf")
