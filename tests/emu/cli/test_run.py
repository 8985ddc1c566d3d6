"""`emu run` as people and programs use it: what goes where, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import emu.measure.run
from emu.cli.main import run_command
from emu.measure.report import load_report, parse_report
from emu.measure.trace import load_trace

pytestmark = [pytest.mark.needs_compiler, pytest.mark.usefixtures("folder")]

SOURCE = """\
#include <stdio.h>
static int counts[64];
__attribute__((noinline)) int count(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) { counts[i & 63] += i; sum += counts[(i * 7) & 63]; }
    return sum;
}
int main(void) {
    int sum = 0;
    for (int i = 0; i < 3; i++) sum += count(200);
    printf("sum %d\\n", sum);
    return 0;
}
"""
LOOP = '#include <stdio.h>\nint main(void) { puts("begins"); for (volatile int i = 0;; i++); }\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.c").write_text(SOURCE)
    return tmp_path


Captured = pytest.CaptureFixture[str]


def emu_process(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from emu.cli.main import main; sys.argv[0] = 'emu'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_page_comes_after_the_console_of_the_firmware(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--measure", "count"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("sum ")
    for word in ("Latency", "Where the cycles went", "Functions", "Lines", "Memory", "Measured"):
        assert word in out
    assert "model.c:5" in out
    assert "for (int i = 0; i < n; i++)" in out  # the source line itself
    assert err == ""


def test_a_quiet_run_prints_what_the_firmware_printed(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "-q"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("sum ")
    assert out.count("\n") == 1
    assert err == ""


def test_a_log_has_no_blanks_at_the_ends_of_lines(capfd: Captured) -> None:
    for command in (["run", "model.c"], ["boards", "show", "f746"]):
        assert run_command(command) == 0
        assert not [line for line in capfd.readouterr().out.splitlines() if line.endswith(" ")]


def test_with_progress_on_a_terminal_the_firmware_still_prints_to_stdout(folder: Path) -> None:
    terminal, stderr = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", "from emu.cli.main import main; main()", "run", "model.c", "-q"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=stderr,
    )
    os.close(stderr)
    os.close(terminal)
    assert done.returncode == 0
    assert done.stdout.startswith(b"sum ")


def test_no_latency_without_the_error_of_the_model(capfd: Captured) -> None:
    run_command(["run", "model.c", "--measure", "count"])
    out = capfd.readouterr().out
    latency = next(line for line in out.splitlines() if "Latency" in line)
    assert "error not published yet" in latency
    measured = out[out.index("Measured") :]
    assert "error not published yet" in measured


def test_piped_output_has_no_colour_and_no_progress(folder: Path) -> None:
    process = emu_process("run", "model.c", cwd=folder)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "\x1b" not in out + err
    assert err == ""


def test_json_to_stdout_is_json_alone(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--json", "-"]) == 0
    out, err = capfd.readouterr()
    report = parse_report(out, "stdout")
    assert report.console.startswith("sum ")
    assert err.startswith("sum ")


def test_json_to_a_file_leaves_the_page(folder: Path, capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--json", "report.json"]) == 0
    assert "Latency" in capfd.readouterr().out
    report = load_report(folder / "report.json")
    assert report.outcome == "exited"
    assert [row.file for row in report.functions if row.name == "count"] == ["model.c"]


def test_equal_runs_write_equal_reports(folder: Path) -> None:
    texts = []
    for name in ("one.json", "two.json"):
        run_command(["run", "model.c", "--quiet", "--json", name])
        value = json.loads((folder / name).read_text())
        del value["host_s"]
        texts.append(value)
    assert texts[0] == texts[1]


def test_quiet_prints_no_page(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--quiet"]) == 0
    assert "Latency" not in capfd.readouterr().out


def test_top_decides_how_many_rows(capfd: Captured) -> None:
    run_command(["run", "model.c", "--top", "1"])
    few = capfd.readouterr().out
    run_command(["run", "model.c", "--top", "0"])
    none = capfd.readouterr().out
    assert "more, " in few
    assert "--top" in few
    assert "Functions" not in none


def test_without_timing_only_instructions_are_counted(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--timing", "none", "--json", "-"]) == 0
    report = parse_report(capfd.readouterr().out, "stdout")
    assert report.latency_cycles is None
    assert report.instructions_count > 1000
    assert run_command(["run", "model.c", "--timing", "none"]) == 0
    assert "not timed (--timing none)" in capfd.readouterr().out


def test_issue_timing_has_no_memory_in_it(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--timing", "issue", "--json", "-"]) == 0
    causes = parse_report(capfd.readouterr().out, "stdout").cycles_by_cause
    assert causes is not None
    assert causes.issue_cycles > 0
    assert causes.icache_cycles == causes.dcache_cycles == causes.flash_cycles == 0


def test_what_if_is_in_the_report(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--set", "clock_hz=400M", "--json", "-"]) == 0
    report = parse_report(capfd.readouterr().out, "stdout")
    assert report.clock_hz == 400_000_000
    changed = {item.key: item.value for item in report.provenance.board.overrides}
    assert changed["clock_hz"] == "400M"
    run_command(["run", "model.c", "--set", "clock_hz=400M"])
    assert "clock_hz=400M" in capfd.readouterr().out


def test_defines_flags_and_several_sources_reach_the_compiler(
    folder: Path, capfd: Captured
) -> None:
    (folder / "inc").mkdir()
    (folder / "inc" / "more.h").write_text("int more(void);\n")
    (folder / "more.c").write_text("int more(void) { return MORE; }\n")
    (folder / "main.c").write_text('#include "more.h"\nint main(void) { return more() - 7; }\n')
    arguments = ["main.c", "more.c", "-I", "inc", "-D", "MORE=7", "-O", "s"]
    assert run_command(["run", *arguments, "--cflags", "-Wall -Wextra", "--json", "-"]) == 0
    compiler = parse_report(capfd.readouterr().out, "stdout").provenance.compiler
    assert compiler is not None
    assert {"-Os", "-DMORE=7", "-Wall", "-Wextra"} <= set(compiler.flags)


def test_warnings_of_the_compiler_go_to_stderr(folder: Path, capfd: Captured) -> None:
    (folder / "model.c").write_text("int main(void) { int unused; return 0; }\n")
    assert run_command(["run", "model.c", "--cflags", "-Wall"]) == 0
    out, err = capfd.readouterr()
    assert "model.c:1:22: " in err
    assert "unused" in err
    assert "unused" not in out.replace("int unused", "")


def test_a_kept_limit_is_silent(capfd: Captured) -> None:
    assert run_command(["run", "model.c", "--limit", "latency_ms=50"]) == 0
    assert capfd.readouterr().err == ""


def test_an_exceeded_limit_still_writes_everything(folder: Path, capfd: Captured) -> None:
    arguments = ["run", "model.c", "--limit", "latency_ms=0", "--json", "report.json"]
    assert run_command(arguments) == 1
    out, err = capfd.readouterr()
    assert "Latency" in out
    assert err.startswith("emu: latency_ms is ")
    assert load_report(folder / "report.json").latency_ms


def test_the_trace_is_bounded_and_can_be_read(folder: Path) -> None:
    assert run_command(["run", "model.c", "--quiet", "--trace", "out.npz"]) == 0
    trace = load_trace(folder / "out.npz")
    assert {region.name for region in trace.regions} >= {"dtcm", "axi"}
    assert any(region.writes.any() for region in trace.regions)
    assert (folder / "out.npz").stat().st_size < 4 * 1024**2


def test_benchmark_json_is_written(folder: Path) -> None:
    assert run_command(["run", "model.c", "--quiet", "--benchmark", "bench.json"]) == 0
    entries = json.loads((folder / "bench.json").read_text())
    assert {"name", "unit", "value", "extra"} <= set(entries[0])


def test_a_terminal_without_unicode_gets_plain_signs(folder: Path) -> None:
    code = "from emu.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "model.c"],
        cwd=folder,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert b"####" in done.stdout
    done.stdout.decode("ascii")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_what_was_measured_until_then(
    folder: Path, number: signal.Signals, code: int
) -> None:
    (folder / "loop.c").write_text(LOOP)
    process = emu_process("run", "loop.c", "--json", "-", cwd=folder)
    assert process.stderr is not None
    assert process.stderr.readline() == "begins\n"  # it runs
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    report = parse_report(out, "stdout")
    assert report.outcome == "interrupted"
    assert report.latency_cycles is None
    assert report.elapsed_cycles
    assert "emu: Interrupted after" in err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_reader_that_goes_away_is_no_defect(folder: Path) -> None:
    process = emu_process("run", "model.c", "--json", "-", cwd=folder)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=60) == 141, err
    assert "Traceback" not in err
    assert "defect" not in err


def test_a_defect_is_one_sentence_and_a_traceback_on_request(
    capfd: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by design\nsecond line")

    monkeypatch.setattr(emu.measure.run, "run", broken)
    assert run_command(["run", "model.c"]) == 70
    err = capfd.readouterr().err
    assert err.startswith("emu: A defect of emu itself: ZeroDivisionError in broken (test_run.py:")
    assert "by design. Run again with EMU_DEBUG=1" in err
    assert len(err.splitlines()) == 1
    monkeypatch.setenv("EMU_DEBUG", "1")
    assert run_command(["run", "model.c"]) == 70
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run_command(["run", "model.c", "--quiet"]) == 0
    assert "building" in terminal.getvalue()
