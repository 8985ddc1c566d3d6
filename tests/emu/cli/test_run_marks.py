"""The options of `emu run` that say where to measure, what to send and when to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

import emu.measure.run
from emu.backends.protocol import AddressRange, RunOptions, SerialRange
from emu.cli.main import run_command
from emu.measure.report import load_report
from tests.emu.measure.fake_machine import FakeMachine

pytestmark = pytest.mark.needs_compiler

SOURCE = """\
__attribute__((noinline)) int twice(int n) { return 2 * n; }
int main(void) { return twice(0); }
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """`emu run` in a folder with a program, on a machine that keeps what it was asked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.c").write_text(SOURCE)
    fake = FakeMachine()
    monkeypatch.setattr(emu.measure.run, "_default_machine", lambda: fake)
    return fake


def options_of(machine: FakeMachine, *arguments: str) -> RunOptions:
    assert run_command(["run", "model.c", "-q", *arguments]) == 0
    return machine.runs[-1]


def test_each_option_reaches_the_machine(machine: FakeMachine) -> None:
    Path("a.uart").write_text('expect "ready" within 1s\nsend "name%"\n')
    options = options_of(
        machine, "--board", "f746", "--from", "t=twice+2", "--to", "0x08000301",
        "--from-uart", "m-start", "--to-uart", "m-done", "--uart-in", "a.uart",
        "--until", "bye", "--max-time", "250ms", "--clock", "firmware",
    )  # fmt: skip
    (stretch,) = options.ranges
    assert stretch == AddressRange("t", stretch.start, 0x08000300)
    assert options.serial_ranges == (SerialRange("m-start..m-done", "m-start", "m-done"),)
    assert options.serial_script is not None
    assert [step.line for step in options.serial_script.steps] == [1, 2]
    assert (options.until, options.max_time_s, options.clock) == ("bye", 0.25, "firmware")


@pytest.mark.parametrize("clock", ["auto", "board", "firmware"])
def test_whose_clock_rules_is_asked_of_the_machine(machine: FakeMachine, clock: str) -> None:
    assert options_of(machine, "--clock", clock).clock == clock
    assert options_of(machine).clock == "auto"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--from", "main"), "--from is given 1 times and --to 0 times"),
        (("--from", "mian", "--to", "main"), "no symbol 'mian'. Did you mean main?"),
        (("--to-uart", "a"), "--from-uart is given 0 times and --to-uart 1 times"),
        (("--uart-in", "none.uart"), "Cannot read none.uart: No such file or directory."),
        (("--uart-in", "bad.uart"), "bad.uart:2: 'sned' is no step; perhaps 'send' is meant."),
        (("--uart-in", "port.uart"), "board 'h743' has no serial port 'usart99'."),
        (("--until", ""), "--until wants a text"),
        (("--max-time", "5"), "'5' is no duration. Write a number and s, ms or us: 2s, 10ms."),
    ],
)
def test_what_cannot_be_gets_one_sentence(
    machine: FakeMachine, arguments: tuple[str, ...], sentence: str, capfd: Captured
) -> None:
    Path("bad.uart").write_text('expect "a"\nsned "b"\n')
    Path("port.uart").write_text('port usart99\nsend "b"\n')
    assert run_command(["run", "model.c", *arguments]) == 2
    err = capfd.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not machine.runs


def test_a_script_that_was_not_satisfied_is_the_firmwares_failure(
    machine: FakeMachine, capfd: Captured
) -> None:
    sentence = 'a.uart:1: "ready" did not come on console within 1 s of modelled time.'
    machine.changes = {
        "outcome": "script_failed",
        "exit_code": None,
        "script_failure": sentence,
    }
    assert run_command(["run", "model.c", "-q", "--json", "out.json"]) == 4
    assert capfd.readouterr().err == f"emu: {sentence}\n"
    assert load_report(Path("out.json")).error == sentence
