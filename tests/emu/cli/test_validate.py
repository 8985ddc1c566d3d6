"""`emu validate` from end to end: an image of ours, and made-up figures of silicon for it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import emu.measure.validate
from emu.boardfile import load_board
from emu.cli.main import run_command
from emu.firmware.build import BuildOptions, build
from emu.measure.run import run
from emu.measure.suite import load_suite
from emu.measure.validate import Conditions, run_case

pytestmark = pytest.mark.needs_compiler

Captured = pytest.CaptureFixture[str]

SOURCE = """\
#include <stdint.h>
#include <stdio.h>

#define CYCLES (*(volatile uint32_t *)0xE0001004)

volatile int sink;

__attribute__((noinline)) void infer(void) {
    for (int i = 0; i < 1000; i++)
        sink += i;
}

int main(void) {
    *(volatile uint32_t *)0xE000EDFC |= 1u << 24;
    *(volatile uint32_t *)0xE0001000 |= 1u;
    for (int round = 0; round < 3; round++) {
        uint32_t begun = CYCLES;
        infer();
        infer();
        uint32_t over = CYCLES;
        printf("lap %lu for %s\\n", (unsigned long)(over - begun), "us");
    }
    return 0;
}
"""
FOREVER = """\
volatile int turns;
__attribute__((noinline)) void turn(void) { turns++; }
int main(void) { for (;;) turn(); }
"""
BOARD = """\
name: mine
title: A part of mine
clock_hz: {value: 280M, source: "assumed: mine"}
chip:
  name: STM32MINE
  extends: stm32h743
  clocks:
    - {up_to_hz: 280M, bus_ratio: 1, flash_wait_states: 6, source: "assumed: mine"}
placement:
  code: flash
  weights: flash
  data: axi
  heap: axi
  stack: dtcm
  stack_bytes: 8K
  heap_bytes: 8K
  source: "assumed: enough"
"""
MEASURES = {
    "figure": "{figures: {lap: 'lap (\\d+) for'}, value: 'lap[2]', divide_by: 2}",
    "call": "{call: infer}",
    "cold": "{call: infer, pass: cold}",
    "stretch": "{from: infer, to: infer}",
    "whole": "{latency: true}",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, source in (("laps", SOURCE), ("forever", FOREVER)):
        (folder / f"{name}.c").write_text(source)
        built = build([folder / f"{name}.c"], load_board("h743"), BuildOptions())
        shutil.copyfile(built.elf, folder / f"{name}.elf")
    return folder


def case_text(
    images: Path, name: str, measure: str, *, image: str = "laps.elf", **keys: str
) -> str:
    digest = hashlib.sha256((images / image).read_bytes()).hexdigest()
    keys = {
        "image": image, "sha256": digest, "board": "h743", "class": "int8", "clock": "board",
        "measure": measure, "published": "{cycles: 6000, source: made up}", "fitted": "false",
    } | keys  # fmt: skip
    return f"  {name}:\n" + "".join(f"    {key}: {value}\n" for key, value in keys.items())


@pytest.fixture
def suite(images: Path, tmp_path: Path) -> Path:
    """A suite with one case for each way to measure."""
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: mine\nimages: ask me\ncases:\n"
        + "".join(case_text(images, name, text) for name, text in MEASURES.items())
    )
    return path


def run_json(capsys: Captured, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run_command(["validate", "--json", "-", *arguments]) == code
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_each_way_to_measure_gives_a_figure(images: Path, suite: Path, capsys: Captured) -> None:
    found = run_json(capsys, str(suite), "--images", str(images))
    cycles = {case["id"]: case["predicted_cycles"] for case in found["cases"]}
    assert list(cycles) == list(MEASURES)
    assert cycles["call"] == pytest.approx(cycles["figure"], rel=0.02)
    assert cycles["cold"] > cycles["call"]
    assert cycles["whole"] > 6 * cycles["call"]
    for case in found["cases"]:
        assert case["error_ratio"] == pytest.approx(case["predicted_cycles"] / 6000 - 1)
        assert case["clock_hz"] == 480_000_000


def test_the_last_line_says_mean_and_worst(images: Path, suite: Path, capsys: Captured) -> None:
    assert run_command(["validate", str(suite), "--images", str(images), "--case", "call"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["Case", "board", "class"]
    assert lines[-1].startswith("1 of 1 cases measured: mean error ")
    assert lines[-1].endswith("% (call).")


def test_processes_and_order_change_nothing(images: Path, suite: Path, tmp_path: Path) -> None:
    for jobs in ("1", "3"):
        out = tmp_path / f"{jobs}.json"
        arguments = ["--images", str(images), "--jobs", jobs, "--json", str(out)]
        assert run_command(["validate", str(suite), *arguments]) == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "3.json").read_bytes()


def test_a_broken_limit_ends_in_1(images: Path, suite: Path, capsys: Captured) -> None:
    arguments = ["validate", str(suite), "--images", str(images), "--case", "whole"]
    assert run_command([*arguments, "--limit", "worst=1%"]) == 1
    assert "worst is " in capsys.readouterr().err
    assert run_command([*arguments, "--limit", "missing=0", "--limit", "failed=0"]) == 0


def test_missing_and_other_images_are_named_and_counted(
    images: Path, tmp_path: Path, capsys: Captured
) -> None:
    suite = tmp_path / "suite.yaml"
    cases = (
        case_text(images, "there", "{call: infer}")
        + case_text(images, "gone", "{call: infer}").replace("laps.elf", "gone.elf")
        + case_text(images, "other", "{call: infer}", sha256="1" * 64)
    )
    suite.write_text(f"name: mine\nimages: ask me\ncases:\n{cases}")

    assert run_command(["validate", str(suite), "--images", str(images)]) == 0
    out = capsys.readouterr().out
    assert f"gone: missing: {images / 'gone.elf'}" in out.replace("\n", "")
    assert "other: changed:" in out
    assert "The images: ask me" in out
    assert out.splitlines()[-1].startswith("1 of 3 cases measured: ")
    assert out.splitlines()[-1].endswith("; 1 missing; 1 with another image.")

    assert (
        run_command(["validate", str(suite), "--images", str(images), "--limit", "missing=1"]) == 1
    )
    assert "2 cases are missing" in capsys.readouterr().err


def test_no_image_at_all_ends_in_2(suite: Path, capsys: Captured) -> None:
    assert run_command(["validate", str(suite)]) == 2
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "0 of 5 cases measured; 5 missing."
    assert "Say where they are: --images DIR." in captured.err


@pytest.mark.parametrize(
    ("measure", "keys", "sentence"),
    [
        ("{call: infre}", {}, "Did you mean infer"),
        ("{figures: {lap: 'lap (.)'}, value: 'lap[7]'}", {}, "the run gave 3 values of 'lap'"),
        ("{figures: {lap: 'for (..)'}, value: 'lap[0]'}", {}, "'us', found as 'lap', is no number"),
        ("{figures: {lap: 'lap (.)'}, value: '0 * lap[0]'}", {}, "it comes to 0 cycles"),
        ("{call: main}", {}, "it ran 1 times, so there is no warm pass"),
        ("{from: main, to: main}", {}, "its --from was not executed."),
        ("{call: infer}", {"published": "{us: 1, clock_hz: 216M, source: x}"}, "ended at 480 MHz"),
        ("{latency: true}", {"max_time": "1us"}, "still running"),
        ("{call: infer}", {"board": "f747"}, "Board 'f747' is not known"),
    ],
)
def test_a_run_without_a_figure_says_why(
    images: Path, tmp_path: Path, measure: str, keys: dict[str, str], sentence: str
) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"name: mine\ncases:\n{case_text(images, 'one', measure, **keys)}")
    result = run_case(load_suite(suite).cases[0], Conditions(images))
    assert (result.status, result.predicted_cycles) == ("failed", None)
    assert result.error is not None
    assert sentence in result.error
    assert run_command(["validate", str(suite), "--images", str(images)]) == 4


def test_a_board_of_the_users_own_runs_its_image(
    images: Path, tmp_path: Path, capsys: Captured
) -> None:
    """An STM32H7 at 280 MHz with a 1:1 bus, as a YAML beside the suite and no Python."""
    (tmp_path / "mine.yaml").write_text(BOARD)
    suite = tmp_path / "suite.yaml"
    published = "{us: 25, clock_hz: 280M, source: made up}"
    suite.write_text(
        "name: mine\ncases:\n"
        + case_text(images, "own", "{call: infer}", board="mine.yaml", published=published)
    )
    (case,) = run_json(capsys, str(suite), "--images", str(images))["cases"]
    assert (case["board"], case["clock_hz"], case["status"]) == ("mine", 280_000_000, "measured")
    assert case["published_cycles"] == pytest.approx(25e-6 * 280e6)


def test_set_is_a_what_if_for_every_case(images: Path, suite: Path, capsys: Captured) -> None:
    arguments = (str(suite), "--images", str(images), "--case", "cold")
    slow = run_json(capsys, *arguments, "--set", "flash.wait_states=100")
    fast = run_json(capsys, *arguments)
    assert slow["overrides"] == {"flash.wait_states": "100"}
    assert slow["cases"][0]["predicted_cycles"] > fast["cases"][0]["predicted_cycles"]


def test_firmware_that_never_ends_is_stopped(images: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: mine\ncases:\n"
        + case_text(images, "loop", "{call: turn}", image="forever.elf", stop_after="100us")
        + case_text(images, "hung", "{call: turn}", image="forever.elf", max_time="100us")
    )
    loop, hung = (run_case(case, Conditions(images)) for case in load_suite(suite).cases)
    assert loop.predicted_cycles is not None
    assert 1 < loop.predicted_cycles < 30
    assert hung.status == "failed"
    assert hung.error is not None
    assert "still running after 100 us" in hung.error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("gone.yaml",), "there is no such file"),
        (("SUITE", "--case", "whale"), "has no case 'whale'; did you mean 'whole'?"),
        (("SUITE", "--limit", "mean"), "'mean' is no limit of a validation"),
        (("SUITE", "--json", "no/such/folder.json"), "there is no folder no/such"),
        (("SUITE", "--set", "x"), "--set"),
    ],
)
def test_bad_requests_end_in_2_before_anything_runs(
    suite: Path, capsys: Captured, arguments: tuple[str, ...], sentence: str
) -> None:
    given = [str(suite) if argument == "SUITE" else argument for argument in arguments]
    assert run_command(["validate", *given]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""


def test_ctrl_c_keeps_what_is_done(
    images: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    runs: Iterator[int] = iter(range(9))

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(runs) == 2:
            raise KeyboardInterrupt
        return run(*arguments, **options)

    monkeypatch.setattr(emu.measure.validate, "run", interrupted)
    out = tmp_path / "v.json"
    arguments = ["--images", str(images), "--jobs", "1", "--json", str(out)]
    assert run_command(["validate", str(suite), *arguments]) == 130
    statuses = [case["status"] for case in json.loads(out.read_text())["cases"]]
    assert statuses == ["measured"] * 2 + ["not run"] * 3
    assert "; 3 not run." in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on POSIX")
def test_ctrl_c_ends_every_process(images: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    cases = case_text(images, "done", "{call: infer}") + "".join(
        case_text(images, name, "{latency: true}", image="forever.elf") for name in ("a", "b")
    )
    suite.write_text(f"name: mine\ncases:\n{cases}")
    out = tmp_path / "v.json"
    command = [
        sys.executable,
        "-c",
        "from emu.cli.main import main; main()",
        "validate",
        str(suite),
    ]
    process = subprocess.Popen(
        [*command, "--images", str(images), "--jobs", "2", "--json", str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("emu: done: ")
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begun < 30
    assert "2 not run." in stdout.splitlines()[-1]
    assert [case["status"] for case in json.loads(out.read_text())["cases"]] == [
        "measured", "not run", "not run",
    ]  # fmt: skip
