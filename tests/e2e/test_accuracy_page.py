"""The published errors: the page says what the records say, and the records are the model's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ci.accuracy import PAGE, RECORDS, SUITES, make_page
from emu.boardfile import load_board
from emu.measure.suite import Case, load_suite
from emu.measure.validate import Conditions, find_image, run_case
from emu.measure.validation import load_validation

ROOT = Path(__file__).parents[2]
CASES = [
    pytest.param(path.stem, case, id=f"{path.stem}-{case.id}")
    for path in sorted(SUITES.glob("*.yaml"))
    for case in load_suite(path).cases
]


def test_the_page_says_what_the_records_say() -> None:
    assert PAGE.read_text("utf-8") == make_page(), "run python ci/accuracy.py"


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_record_holds_the_cases_of_its_suite(path: Path) -> None:
    recorded = load_validation(RECORDS / f"{path.stem}.json").cases
    cases = load_suite(path).cases
    assert [(case.id, case.spec.sha256, case.spec.fitted) for case in cases] == [
        (case.id, case.image_sha256, case.fitted) for case in recorded
    ]
    assert [case.spec.published.cycles for case in cases] == [
        case.published_cycles for case in recorded
    ]
    assert all(case.status == "measured" for case in recorded)


@pytest.mark.parametrize(("suite", "case"), CASES)
def test_a_record_is_what_the_model_predicts(suite: str, case: Case) -> None:
    """With EMU_VALIDATION_IMAGES=DIR; docs/validation.md says how to get the images."""
    conditions = Conditions(Path(os.environ.get("EMU_VALIDATION_IMAGES", ROOT / "no images")))
    if find_image(case, conditions) is not None:
        pytest.skip(f"the image of '{case.id}' is not in EMU_VALIDATION_IMAGES")
    recorded = load_validation(RECORDS / f"{suite}.json").cases
    assert run_case(case, conditions) == next(item for item in recorded if item.id == case.id)


def test_the_board_of_the_manual_can_be_loaded(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "validation.md").read_text("utf-8")
    board = next(block for block in text.split("```") if block.startswith("yaml\nname: my-h7a3"))
    (tmp_path / "my_h7a3.yaml").write_text(board.removeprefix("yaml\n"), encoding="utf-8")
    loaded = load_board(str(tmp_path / "my_h7a3.yaml"))
    assert (loaded.clock_hz, loaded.bus_ratio) == (280_000_000, 1)


def test_the_suite_of_the_manual_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "validation.md").read_text("utf-8")
    suite = next(block for block in text.split("```") if block.startswith("yaml\nname: my boards"))
    (tmp_path / "suite.yaml").write_text(suite.removeprefix("yaml\n"), encoding="utf-8")
    assert [case.id for case in load_suite(tmp_path / "suite.yaml").cases] == ["keyword"]
