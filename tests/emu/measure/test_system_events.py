"""Laws of what a report tells beside the program: clocks, interrupts, registers, serial lines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from emu.backends.protocol import (
    AddressRange,
    BusyLoop,
    CallStats,
    Cause,
    ClockChange,
    InterruptStats,
    RunOptions,
    SerialCapture,
    SerialRange,
    UnknownRegister,
)
from emu.measure.compare import compare_reports
from emu.measure.limits import check_limits, parse_limits
from emu.measure.report import Report, parse_report
from tests.emu.measure.test_render import printed

pytestmark = pytest.mark.needs_compiler
Measure = Callable[..., Report]

WAITS = BusyLoop(0x08000104, 0x40023800, "rcc.cr", 0x83, "It waits for HSERDY (bit 17) of RCC_CR.")
BOOT = (
    ClockChange(0, 64_000_000, 1, 1),
    ClockChange(64_000, 64_000_000, 1, 4),  # 1 ms at 64 MHz
    ClockChange(128_000, 480_000_000, 2, 4),  # another one
)


def stats(name: str, calls_count: int = 1, cycles: float | None = 100.0) -> CallStats:
    count = 50 if cycles is not None else None
    return CallStats(name, 0, calls_count, cycles, count, 0, None, None, None, None, None)


class TestClocks:
    def test_the_last_clock_is_the_reports_and_time_is_the_machines(
        self, measured: Measure
    ) -> None:
        report = measured(clocks=BOOT, elapsed_s=0.0125)
        assert report.clock_hz == 480_000_000
        assert (report.latency_ms, report.elapsed_ms) == (12.5, 12.5)
        assert [setting.at_ms for setting in report.clocks] == [0.0, 1.0, 2.0]

    def test_without_changes_it_is_the_boards(self, report: Report) -> None:
        assert report.clocks == ()
        assert report.clock_hz == 480_000_000
        assert report.elapsed_ms == report.latency_ms

    def test_the_page_says_since_when(self, measured: Measure) -> None:
        line = "from 2 ms on (64 MHz before), 4 wait states, bus 1:2"
        assert line in printed(measured(clocks=BOOT))
        assert "Clock " not in printed(measured())

    def test_time_counts_apart_where_the_clock_has_changed(self, measured: Measure) -> None:
        old, new = (measured(clocks=BOOT, elapsed_s=seconds) for seconds in (0.01, 0.02))
        (change,) = compare_reports(old, new).changes
        assert change.key == "latency_ms"
        assert change.regression

    def test_another_clock_is_not_like_for_like(self, measured: Measure, report: Report) -> None:
        other = measured(clocks=(ClockChange(0, 64_000_000, 1, 1),))
        assert "clock 480 MHz -> 64 MHz" in compare_reports(report, other).differences


class TestInterrupts:
    TICK = InterruptStats(15, "SysTick", 0x08000101, 120, 3, 24, 4_800.0)
    SERIAL = InterruptStats(53, "usart1", 0x08000201, 2_000, 0, 480, 90_000.4)

    def test_they_are_sorted_by_what_they_took(self, measured: Measure) -> None:
        report = measured(interrupts=(self.TICK, self.SERIAL))
        assert [row.name for row in report.interrupts] == ["usart1", "SysTick"]
        row = report.interrupts[0]
        assert (row.latency_max_us, row.total_cycles) == (1.0, 90_000)
        assert row.share_ratio == pytest.approx(90_000 / (report.elapsed_cycles or 0), abs=1e-3)

    def test_a_limit_may_be_put_on_each(self, measured: Measure) -> None:
        report = measured(interrupts=(self.SERIAL,))
        (breach,) = check_limits(report, parse_limits(["interrupts.usart1.latency_max_cycles=400"]))
        assert breach.found == 480

    def test_the_handler_goes_by_its_function(self, measured: Measure, report: Report) -> None:
        conv = report.memory.stack_call_path[0].address
        changed = measured(interrupts=(InterruptStats(15, "SysTick", conv | 1, 1, 0, 12, 40.0),))
        assert changed.interrupts[0].function == report.memory.stack_call_path[0].function

    @pytest.mark.parametrize("width", [80, 120])
    def test_the_page_has_a_table_of_them(self, measured: Measure, width: int) -> None:
        page = printed(measured(interrupts=(self.TICK, self.SERIAL)), width, top=1)
        assert "480 = 1 us" in page
        assert "1 more (--top 2 shows all)" in page

    def test_exceptions_and_sleep_are_causes_of_their_own(self, measured: Measure) -> None:
        page = printed(measured())
        assert "exceptions" not in page
        report = measured()
        causes = report.cycles_by_cause
        assert causes is not None
        changed = causes.model_copy(update={"sleep_cycles": 7, "exception_cycles": 5})
        assert dict(changed.items())[Cause.SLEEP] == 7
        page = printed(report.model_copy(update={"cycles_by_cause": changed}))
        assert "asleep" in page
        assert "exceptions" in page


class TestRegistersAndLoops:
    def test_unknown_registers_are_listed_once_by_address(self, measured: Measure) -> None:
        found = tuple(UnknownRegister(f"ltdc+0x{4 * n:x}", 4 * n, n, 1) for n in range(12, 0, -1))
        report = measured(unknown_registers=found)
        assert [row.address for row in report.unknown_registers] == [4 * n for n in range(1, 13)]
        page = printed(report)
        assert page.count("ltdc+") == 10
        assert "2 more, all of them in --json" in page

    @pytest.mark.parametrize(
        ("changes", "options", "bound"),
        [
            ({"outcome": "max_cycles"}, RunOptions(max_cycles=1000), "1,000 cycles (--max-cycles)"),
            ({"outcome": "max_time"}, RunOptions(max_time_s=0.25), "250 ms of modelled time"),
            ({"outcome": "timeout"}, RunOptions(timeout_s=3.0), "3 s of this machine's time"),
            ({"outcome": "interrupted"}, RunOptions(), "Interrupted after"),
        ],
    )
    def test_a_firmware_that_was_stopped_is_told_what_it_waits_for(
        self, measured: Measure, changes: dict[str, object], options: RunOptions, bound: str
    ) -> None:
        report = measured(options_=options, exit_code=None, busy_loop=WAITS, **changes)
        assert report.error is not None
        assert bound in report.error
        assert report.error.endswith(WAITS.sentence)
        assert report.latency_cycles is None
        page = printed(report, 80)
        assert "Waits in a loop" in page
        assert "rcc.cr at 0x40023800 held 0x00000083" in page

    def test_a_firmware_that_waits_for_ever_has_not_finished(self, measured: Measure) -> None:
        idle = measured(outcome="halted", exit_code=None)
        assert (idle.finished, idle.error) == (True, None)
        report = measured(outcome="halted", exit_code=None, busy_loop=WAITS)
        assert report.error == f"The firmware waits for what never comes. {WAITS.sentence}"
        assert not report.finished
        assert report.latency_cycles is None


class TestSerial:
    def test_output_by_port_is_kept_and_what_the_console_lacks_is_said(
        self, measured: Measure
    ) -> None:
        serial = (("usart1", b"hello from the firmware\n"), ("uart4", b"\xff!" * 50), ("itm", b""))
        report = measured(serial=serial)
        assert [output.port for output in report.serial] == ["usart1", "uart4"]
        page = printed(report)
        assert "printed elsewhere (serial in --json): uart4" in page

    def test_a_script_that_was_not_satisfied_is_the_error(self, measured: Measure) -> None:
        sentence = 'a.uart:3: "m-ready" did not come on console within 2 s of modelled time.'
        report = measured(
            outcome="script_failed", exit_code=None, script_failure=sentence, busy_loop=WAITS
        )
        assert report.error == f"{sentence} {WAITS.sentence}"
        assert not report.finished

    @pytest.mark.parametrize(
        ("outcome", "words"),
        [("until", "until the text of --until"), ("script_ended", "until the script was through")],
    )
    def test_a_run_that_came_to_its_meant_end_has_a_latency(
        self, measured: Measure, outcome: str, words: str
    ) -> None:
        report = measured(outcome=outcome, exit_code=None)
        assert report.error is None
        assert report.latency_cycles == report.elapsed_cycles
        assert words in printed(report)

    def test_captures_have_a_number_where_they_are_one(self, measured: Measure) -> None:
        found = (
            SerialCapture("lap_us", ("120", "99.5")),
            SerialCapture("board", ("f746",)),
            SerialCapture("endless", ("inf",)),
        )
        report = measured(serial_captures=found)
        assert [row.last_value for row in report.captures] == [99.5, None, None]
        (breach,) = check_limits(report, parse_limits(["captures.lap_us.last_value=99"]))
        assert breach.found == 99.5
        assert "120, 99.5" in printed(report, 80)


class TestStretches:
    OPTIONS = RunOptions(
        ranges=(AddressRange("boot..infer", 0x08000400, 0x08000500),),
        serial_ranges=(SerialRange("infer", "m-start", "m-done"),),
    )

    def test_they_stand_beside_measured_functions(self, measured: Measure) -> None:
        calls = (stats("boot..infer"), stats("infer", cycles=960.0))
        report = measured(options_=self.OPTIONS, calls=calls)
        assert [call.kind for call in report.calls] == ["addresses", "serial"]
        assert report.call("infer").cold_ms == 0.002
        assert "boot..infer" in printed(report, 80)

    def test_one_that_did_not_happen_says_so(self, measured: Measure) -> None:
        calls = (stats("boot..infer", 0, None), stats("infer", 1, None))
        report = measured(options_=self.OPTIONS, calls=calls)
        assert [call.error for call in report.calls] == [
            "boot..infer was never come to: its --from was not executed.",
            "infer was begun but its --to-uart was not printed.",
        ]

    def test_a_name_with_points_is_a_gate_like_any_other(self, measured: Measure) -> None:
        old, new = (
            measured(options_=self.OPTIONS, calls=(stats("boot..infer", cycles=cycles),))
            for cycles in (100.0, 101.0)
        )
        assert [change.key for change in compare_reports(old, new).regressions] == [
            "calls.boot..infer.cold_cycles"
        ]


def test_a_report_of_before_can_be_read(report: Report) -> None:
    value = json.loads(report.to_json())
    for key in ("clocks", "elapsed_ms", "interrupts", "unknown_registers", "busy_loop", "serial"):
        del value[key]
    del value["captures"]
    for row in [value, *value["functions"], *value["lines"]]:
        del row["cycles_by_cause"]["exception_cycles"], row["cycles_by_cause"]["sleep_cycles"]
    for call in value["calls"]:
        del call["kind"]
    old = parse_report(json.dumps(value), "old.json")
    assert old == report.model_copy(update={"elapsed_ms": None})
