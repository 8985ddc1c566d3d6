"""The pytest plugin, used as a project with kernels uses it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from emu.firmware.cache import default_cache_dir
from tests.emu.measure.conftest import SOURCE

# What is imported inside an inner pytest is forgotten after it: import it out here, once.
for module in ("emu.firmware.build", "emu.measure.golden", "emu.measure.run"):
    import_module(module)

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.needs_compiler

KERNEL_TEST = """\
import pytest
from tests.emu.measure.fake_machine import FakeMachine

@pytest.mark.board("h743", "f746")
def test_conv(emu, board):
    report = emu.run("conv.c", machine=MACHINE, measure="conv")
    assert report.provenance.board.name == board
    emu.check(report, f"conv.{board}")
"""


@pytest.fixture(scope="module")
def build_cache() -> str | None:
    folder = default_cache_dir()
    return str(folder) if folder else None


@pytest.fixture
def project(
    build_cache: str | None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    # pytester gives each test a home of its own, where every build would start from nothing.
    if build_cache is not None:
        monkeypatch.setenv("EMU_CACHE_DIR", build_cache)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:hypothesispytest\n")
    (pytester.path / "conv.c").write_text(SOURCE)
    return pytester


def write_test(project: pytest.Pytester, text: str = KERNEL_TEST, machine: str = "") -> None:
    machine = machine or "FakeMachine()"
    project.makepyfile(test_kernel=f"{text.replace('MACHINE', machine)}\n")


def golden(project: pytest.Pytester, name: str) -> dict[str, dict[str, float]]:
    value: dict[str, dict[str, float]] = json.loads(
        (project.path / "golden" / f"{name}.json").read_text()
    )
    return value


def test_a_missing_golden_file_says_how_to_make_it(project: pytest.Pytester) -> None:
    write_test(project)
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*There is no golden/conv.h743.json yet: run pytest --emu-update test_kernel.py::*"]
    )


def test_update_writes_one_file_a_board_and_then_holds(project: pytest.Pytester) -> None:
    write_test(project)
    project.runpytest_inprocess("--emu-update").assert_outcomes(passed=2)
    folder = project.path / "golden"
    assert sorted(path.name for path in folder.iterdir()) == ["conv.f746.json", "conv.h743.json"]
    project.runpytest_inprocess().assert_outcomes(passed=2)
    numbers = golden(project, "conv.h743")["numbers"]
    assert {"latency_cycles", "peak_sram_bytes", "calls.conv.cold_cycles"} <= set(numbers)


def test_a_change_says_what_was_what_is_and_where(project: pytest.Pytester) -> None:
    write_test(project)
    project.runpytest_inprocess("--emu-update").assert_outcomes(passed=2)
    write_test(project, machine="FakeMachine(cycle_factor=1.5)")
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*conv.h743 is not what golden/conv.h743.json holds:*",
            "*latency_cycles is * cycles, was * cycles (+* cycles (+* %))*",
            "*  conv: +* cycles, now *",
            "*If that is meant: pytest --emu-update *",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py:*")  # the failure is the test's, not ours


def test_another_compiler_is_named_as_the_reason(project: pytest.Pytester) -> None:
    write_test(project)
    project.runpytest_inprocess("--emu-update").assert_outcomes(passed=2)
    path = project.path / "golden" / "conv.h743.json"
    value = json.loads(path.read_text())
    value["made_with"]["compiler"] = "zig clang 1.0"
    value["numbers"]["latency_cycles"] = 5
    path.write_text(json.dumps(value))
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*made with another compiler: now *, golden zig clang 1.0*"])


def test_an_update_without_a_change_does_not_touch_the_file(project: pytest.Pytester) -> None:
    write_test(project)
    project.runpytest_inprocess("--emu-update")
    before = (project.path / "golden" / "conv.h743.json").stat().st_mtime_ns
    project.runpytest_inprocess("--emu-update").assert_outcomes(passed=2)
    assert (project.path / "golden" / "conv.h743.json").stat().st_mtime_ns == before


def test_a_broken_golden_file_gets_a_sentence(project: pytest.Pytester) -> None:
    write_test(project)
    (project.path / "golden").mkdir()
    (project.path / "golden" / "conv.h743.json").write_text("{")
    result = project.runpytest_inprocess("-k", "h743")
    result.stdout.fnmatch_lines(["*conv.h743.json is no golden file (JSONDecodeError)*"])


def test_one_name_belongs_to_one_test(project: pytest.Pytester) -> None:
    write_test(project, KERNEL_TEST.replace("conv.{board}", "conv"))
    result = project.runpytest_inprocess("--emu-update")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*golden/conv.json belongs to test_kernel.py::test_conv?h743?*"])


def test_numbers_of_ones_own_can_be_held(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="def test_ratio(emu):\n    emu.check({'cycles_per_mac_ratio': 0.87}, 'ratio')\n"
    )
    project.runpytest_inprocess("--emu-update").assert_outcomes(passed=1)
    project.runpytest_inprocess().assert_outcomes(passed=1)
    assert golden(project, "ratio")["numbers"] == {"cycles_per_mac_ratio": 0.87}


@pytest.mark.parametrize("name", ["", "a/b", "../up"])
def test_a_name_stays_inside_its_folder(project: pytest.Pytester, name: str) -> None:
    project.makepyfile(test_own=f"def test_it(emu):\n    emu.check({{'a_count': 1}}, {name!r})\n")
    result = project.runpytest_inprocess("--emu-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*is no name for a golden file*"])


def test_a_run_is_made_once_while_nothing_changes(project: pytest.Pytester) -> None:
    write_test(
        project,
        """\
from pathlib import Path
from tests.emu.measure.fake_machine import FakeMachine
machine = FakeMachine()

def test_twice(emu):
    first = emu.run("conv.c", machine=machine)
    assert emu.run("conv.c", machine=machine) is first
    assert emu.run("conv.c", machine=machine, measure="conv") is not first
    source = Path(__file__).parent / "conv.c"
    source.write_text(source.read_text() + "\\n")
    assert emu.run("conv.c", machine=machine) is not first
    assert len(machine.runs) == 3
""",
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_serial_script_lies_beside_the_test_and_counts_as_a_source(
    project: pytest.Pytester,
) -> None:
    write_test(
        project,
        """\
from pathlib import Path
from tests.emu.measure.fake_machine import FakeMachine
machine = FakeMachine()

def test_twice(emu):
    script = Path(__file__).parent / "line.uart"
    (script.parent / "data.bin").write_bytes(b"1")
    script.write_text("send-file data.bin")
    first = emu.run("conv.c", machine=machine, uart_in="line.uart", until="done")
    assert machine.runs[-1].serial_script.steps[0].data == b"1"
    assert emu.run("conv.c", machine=machine, uart_in="line.uart", until="done") is first
    (script.parent / "data.bin").write_bytes(b"2")
    assert emu.run("conv.c", machine=machine, uart_in="line.uart", until="done") is not first
""",
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_the_board_is_h743_unless_the_marker_says_another(project: pytest.Pytester) -> None:
    write_test(
        project,
        """\
import pytest

def test_plain(board):
    assert board == "h743"

@pytest.mark.board("f746")
def test_marked(board):
    assert board == "f746"

@pytest.mark.board("f746")
def test_marked_without_the_fixture(emu):
    assert emu.board == "f746"
""",
    )
    project.runpytest_inprocess().assert_outcomes(passed=3)


def test_workers_do_not_disturb_each_other(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    project.makepyfile(
        test_many="""\
import pytest

@pytest.mark.parametrize("number", range(12))
def test_own(emu, number):
    emu.check({"a_count": number}, f"own-{number}")
"""
    )
    for options in (["--emu-update"], []):
        result = project.runpytest_subprocess("-n", "2", *options)
        result.assert_outcomes(passed=12)
    assert len(list((project.path / "golden").iterdir())) == 12


def test_a_project_without_firmware_pays_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_lazy="""\
import subprocess, sys

def test_plugin_import_is_light():
    code = "import sys, emu.measure.pytest_plugin; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
"""
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_golden_files_hold_no_paths(project: pytest.Pytester) -> None:
    write_test(project)
    project.runpytest_inprocess("--emu-update")
    text = Path(project.path / "golden" / "conv.h743.json").read_text()
    assert str(project.path) not in text
