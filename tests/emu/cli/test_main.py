"""The command as a whole: help, version, speed of both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emu.cli.main import run_command
from emu.errors import EmuError, FirmwareError, LimitExceededError, ToolMissingError

Captured = pytest.CaptureFixture[str]


def all_refusals(kind: type[EmuError] = EmuError) -> list[type[EmuError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in all_refusals(child))]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["compare", "-h"]])
def test_help_says_the_exit_codes(arguments: list[str], capfd: Captured) -> None:
    assert run_command(arguments) == 0
    said = " ".join(capfd.readouterr().out.split())
    for code in ("0 fine", "1 a limit", "2 usage", "3 a tool", "4 the firmware", "130"):
        assert code in said


def test_every_refusal_has_a_documented_exit_code() -> None:
    assert {refusal.exit_code for refusal in all_refusals()} == {1, 2, 3, 4}
    assert LimitExceededError.exit_code == 1
    assert ToolMissingError.exit_code == 3
    assert FirmwareError.exit_code == 4


def test_every_option_of_run_is_a_sentence_of_help(capfd: Captured) -> None:
    run_command(["run", "--help"])
    said = capfd.readouterr().out
    for option in (
        *("--board", "--toolchain", "--include", "--define", "--cflags", "--optimise", "--entry"),
        *("--measure", "--timing", "--accesses", "--set", "--place", "--limit", "--max-cycles"),
        *("--timeout", "--json", "--benchmark", "--trace", "--top", "--quiet"),
    ):
        assert option in said


def test_version(capfd: Captured) -> None:
    assert run_command(["--version"]) == 0
    assert capfd.readouterr().out.startswith("emu ")


def test_no_arguments_is_help(capfd: Captured) -> None:
    assert run_command([]) == 2
    assert "Usage: emu" in "".join(capfd.readouterr())


def test_boards_are_a_group_of_their_own(capfd: Captured) -> None:
    assert run_command(["boards", "list"]) == 0
    assert "h743" in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["compare", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from emu.cli.main import run_command\n"
        f"run_command({arguments!r})\n"
        "heavy = {'numpy', 'numba', 'unicorn', 'elftools', 'ruamel', 'capstone', 'jinja2'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("heavy: []\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [["boards", "list"], ["boards", "schema"]])
def test_a_full_disk_is_a_sentence(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from emu.cli.main import main; main()", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "emu: Cannot write all of the output: No space left on device.\n"


def test_the_package_offers_its_api_late() -> None:
    code = (
        "import sys, emu\n"
        "assert 'numpy' not in sys.modules\n"
        "assert {'run', 'Report', 'load_board'} <= set(dir(emu))\n"
        "assert callable(emu.run) and callable(emu.load_board)\n"
        "assert emu.Report.__name__ == 'Report'\n"
        "try:\n"
        "    emu.nothing\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "module 'emu' has no attribute 'nothing'\n"
