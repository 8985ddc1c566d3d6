"""A small board with its chip inline: what the tests of this room bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SMALL_BOARD = (Path(__file__).parent / "small_board.yaml").read_text(encoding="utf-8")

WriteBoard = Callable[[str], str]


@pytest.fixture
def small_board() -> str:
    return SMALL_BOARD


@pytest.fixture
def write_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteBoard:
    """Write a board file into a fresh working directory; its name is `b.yaml`, as in refusals."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("b.yaml").write_text(text, encoding="utf-8")
        return "b.yaml"

    return write
