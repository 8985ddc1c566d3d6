"""Firmware that is driven over its serial line: the example that ships, and what may go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import emu
from emu.cli.main import run_command
from emu.measure.report import Report
from examples.digits import reference

pytestmark = pytest.mark.needs_compiler

FOLDER = Path(__file__).parents[2] / "examples" / "serial_runner"
SCRIPT = FOLDER / "runner.uart"
CLOCKS_HZ = {"f746": 216_000_000, "h743": 480_000_000}
CHARACTER_US = 10 / 115_200 * 1e6  # start bit, eight bits, stop bit


@pytest.fixture(scope="module", params=["f746", "h743"])
def report(request: pytest.FixtureRequest) -> Report:
    return emu.run(
        FOLDER,
        board=request.param,
        uart_in=SCRIPT,
        uart_ranges={"infer": ("m-lap-us", "m-lap-us")},
        measure="model_invoke",
        max_time_s=2.0,
    )


def values(report: Report, name: str) -> tuple[str, ...]:
    return next(capture.values for capture in report.captures if capture.name == name)


def test_the_session_runs_to_its_end(report: Report) -> None:
    assert (report.outcome, report.error) == ("script_ended", None)
    assert report.latency_ms is not None
    assert report.console.count("m-ready") == 1 + len(_sent())
    assert values(report, "board") == (report.provenance.board.name,)


def test_the_answers_are_those_of_the_network(report: Report) -> None:
    images, labels = reference.read_test_images()
    logits, predicted = reference.invoke(images[:1], reference.read_network())
    assert predicted[0] == labels[0] == 1
    assert values(report, "logits") == (",".join(map(str, logits[0])),) * 3


def test_the_firmware_sets_its_clocks(report: Report) -> None:
    clock_hz = CLOCKS_HZ[report.provenance.board.name]
    assert report.clock_hz == clock_hz
    assert report.clocks[-1].clock_hz == clock_hz


def test_the_stretch_between_two_lines_is_the_inferences(report: Report) -> None:
    stretch, call = report.call("infer"), report.call("model_invoke")
    assert (stretch.calls_count, call.calls_count) == (3, 36)
    assert stretch.warm_mean_cycles is not None
    assert call.warm_mean_cycles is not None
    assert stretch.warm_mean_cycles == pytest.approx(10 * call.warm_mean_cycles, rel=0.005)


def test_the_firmwares_own_clock_agrees(report: Report) -> None:
    """A timer at its true clock, read before the first line is printed and after the inferences."""
    line_us = len("m-lap-us-12345\r\n") * CHARACTER_US
    stretch = report.call("infer")
    assert stretch.cold_ms is not None
    begun, over = (int(values(report, name)[0]) for name in ("started_us", "stopped_us"))
    assert over - begun == pytest.approx(stretch.cold_ms * 1000 + line_us, abs=30)


def test_the_serial_interrupt_takes_every_byte(report: Report) -> None:
    (row,) = report.interrupts
    received_count = sum(map(len, _sent()))
    assert row.function is not None
    assert row.function.endswith("_IRQHandler")
    assert row.taken_count >= len(report.console) + received_count
    assert report.cycles_by_cause is not None
    assert report.cycles_by_cause.sleep_cycles > report.cycles_by_cause.total_cycles / 2


def _sent() -> list[str]:
    """The commands of the session; `infer` is sent three times."""
    lines = [line.strip() for line in SCRIPT.read_text().splitlines()]
    commands = [line.split('"')[1] for line in lines if line.startswith("send")]
    return [text for text in commands for _ in range(3 if text.startswith("infer") else 1)]


def test_the_same_script_gives_the_same_report() -> None:
    first, second = (
        emu.run(FOLDER, board="f746", uart_in=SCRIPT, until="m-infer-done") for _ in range(2)
    )
    assert first.outcome == "until"
    assert first == second.model_copy(update={"host_s": first.host_s})


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            'expect "m-ready"\nsend "nonsense%"\nexpect "m-lap" within 50ms',
            'wrong.uart:3: "m-lap" did not come on console within 50 ms of modelled time; the last '
            'line was "m-ready".',
        ),
        (
            'fail-on /^e-/\nexpect "m-ready"\nsend "infer 0%"\nwait 1s',
            "wrong.uart:1: /^e-/ was printed on console.",
        ),
        (
            'port usart2\nexpect "m-ready" within 10ms',
            'wrong.uart:2: "m-ready" did not come on usart2 within 10 ms of modelled time; nothing '
            "was printed on usart2, but on",
        ),
    ],
)
def test_what_does_not_come_is_one_sentence_and_exit_code_4(
    script: str, sentence: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.uart"
    wrong.write_text(script)
    assert run_command(["run", str(FOLDER), "-b", "f746", "-q", "--uart-in", str(wrong)]) == 4
    err = capfd.readouterr().err
    assert err.startswith(f"emu: {sentence}")
    assert len(err.splitlines()) == 1


def test_a_text_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", str(FOLDER), "-b", "f746", "-q", "--until", "m-init-done"]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "m-init-done"
