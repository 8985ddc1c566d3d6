"""Every fault and bad input gets its exit code and its sentence; `docs/faults.md` shows them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from emu.cli.main import run_command
from tests.e2e.bad_input_cases import BAD_INPUT, LIMITS
from tests.e2e.fault_cases import FIRMWARE, FaultCase
from tests.e2e.fault_page import PAGE, Said, page, section, words

pytestmark = pytest.mark.needs_compiler
CASES = (*FIRMWARE, *LIMITS, *BAD_INPUT)
Run = Callable[[FaultCase], Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a case in a folder of its own, in this process."""

    def run_case(case: FaultCase) -> Said:
        folder = tmp_path / case.name
        folder.mkdir()
        monkeypatch.chdir(folder)
        for name, content in case.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, str):
                path.write_text(content)
            else:
                path.write_bytes(content)
        if case.prepare is not None:
            case.prepare(folder)
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name, value in case.environment:
                patch.setenv(name, value)
            exit_code = run_command(case.command)
        out, err = capfd.readouterr()
        path_lines = re.search(r"^ Call path *\n((?: .*\n)+?) *\n", out, re.MULTILINE)
        call_path = path_lines.group(1) if path_lines else ""
        return Said(
            exit_code,
            _tidy(err).replace(str(folder), ".").replace(os.path.realpath(folder), "."),
            "\n".join(line.rstrip()[1:] for line in call_path.splitlines()),
        )

    return run_case


def _tidy(text: str) -> str:
    """Without the box that usage errors are drawn in, whose width is the terminal's."""
    rows = [re.sub(r"^[│╭╰](.*?)[│╮╯]?$", r"\1", line).strip(" ─") for line in text.splitlines()]
    return "\n".join(row for row in rows if row and row != "Error")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_with_its_code_and_a_sentence(
    case: FaultCase, run: Run, request: pytest.FixtureRequest
) -> None:
    said = run(case)
    assert said.exit_code == case.exit_code, said.stderr
    assert "Traceback" not in said.stderr
    assert "A defect of emu itself" not in said.stderr
    assert said.stderr.strip()
    assert case.name.isascii()
    if not request.config.getoption("--emu-update"):
        assert words(section(case, said)) in words(PAGE.read_text("utf-8"))


def test_the_page_holds_every_case_and_no_other() -> None:
    headings = re.findall(r"^### (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert headings == [case.title for case in CASES]


def test_titles_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_is_made_by_one_command(run: Run, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--emu-update"):
        pytest.skip("only with --emu-update")
    PAGE.write_text(page([(case, section(case, run(case))) for case in CASES]), "utf-8")
