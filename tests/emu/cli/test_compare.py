"""`emu compare` as CI uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emu.cli.main import run_command
from emu.measure.run import run

pytestmark = pytest.mark.needs_compiler
Captured = pytest.CaptureFixture[str]

SOURCE = """\
volatile int sink;
__attribute__((noinline)) void conv(int n) { for (int i = 0; i < n; i++) sink += i; }
__attribute__((noinline)) void relu(int n) { for (int i = 0; i < n; i++) sink ^= i; }
int main(void) { conv(ROUNDS); relu(50); return 0; }
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], str]:
    """Measures the program with so many rounds and writes NAME.json."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.c").write_text(SOURCE)

    def make(name: str, rounds: int) -> str:
        # The define goes through a header: it is no flag, which would make the runs unlike.
        (tmp_path / "model.c").write_text(SOURCE.replace("ROUNDS", str(rounds)))
        (tmp_path / f"{name}.json").write_text(run("model.c", board="h743").to_json())
        return f"{name}.json"

    return make


@pytest.fixture
def slower(report: Callable[[str, int], str]) -> tuple[str, str]:
    return report("old", 100), report("new", 150)


def test_no_change_is_silent_on_stdout(
    report: Callable[[str, int], str], capfd: Captured, tmp_path: Path
) -> None:
    old, new = report("old", 100), report("new", 100)
    arguments = ["--github", "--markdown", "summary.md"]
    assert run_command(["compare", old, new, *arguments]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("emu: no change in ")
    assert (tmp_path / "summary.md").read_text() == ""


def test_slower_exits_1_and_says_what_and_where(slower: tuple[str, str], capfd: Captured) -> None:
    assert run_command(["compare", *slower]) == 1
    out, err = capfd.readouterr()
    assert "worse" in out
    assert "conv" in out
    assert "relu" not in out
    assert "most of it in conv (model.c:2)" in err


def test_faster_exits_0(slower: tuple[str, str], capfd: Captured) -> None:
    assert run_command(["compare", *reversed(slower)]) == 0
    out, err = capfd.readouterr()
    assert "latency_cycles" in out
    assert "worse" not in out
    assert err.startswith("emu: nothing worse than it may be in ")


def test_a_tolerance_file_forgives(
    slower: tuple[str, str], tmp_path: Path, capfd: Captured
) -> None:
    (tmp_path / "t.toml").write_text('"latency_*" = "90 %"\ninstructions_count = "90 %"\n')
    assert run_command(["compare", *slower, "--tolerance", "t.toml"]) == 0
    assert "latency_cycles" in capfd.readouterr().out


def test_files_for_ci_are_written(slower: tuple[str, str], tmp_path: Path) -> None:
    arguments = ["--markdown", "s.md", "--junit", "j.xml", "--benchmark", "b.json"]
    assert run_command(["compare", *slower, *arguments, "--json", "c.json"]) == 1
    assert "| latency_cycles |" in (tmp_path / "s.md").read_text()
    assert int(ElementTree.parse(tmp_path / "j.xml").getroot()[0].get("failures", "0")) >= 1
    assert json.loads((tmp_path / "b.json").read_text())
    assert json.loads((tmp_path / "c.json").read_text())["schema"] == "emu.comparison/1"


def test_annotations_point_at_the_line(slower: tuple[str, str], capfd: Captured) -> None:
    assert run_command(["compare", *slower, "--github"]) == 1
    assert "::error file=model.c,line=2,title=latency_cycles::" in capfd.readouterr().out


def test_json_to_stdout_is_json_alone(slower: tuple[str, str], capfd: Captured) -> None:
    assert run_command(["compare", *slower, "--json", "-", "--github"]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["regressions_count"] >= 1
    assert "::error " in err


def test_unlike_runs_are_no_regression_unless_asked(
    slower: tuple[str, str], tmp_path: Path, capfd: Captured
) -> None:
    value = json.loads((tmp_path / "new.json").read_text())
    value["provenance"]["compiler"]["version"] = "clang 99"
    (tmp_path / "new.json").write_text(json.dumps(value))
    assert run_command(["compare", *slower]) == 2
    out, err = capfd.readouterr()
    assert "not like for like: compiler zig " in out
    assert "says nothing about the program" in err
    assert run_command(["compare", *slower, "--allow-different"]) == 1
