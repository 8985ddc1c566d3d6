"""What a program calls the handlers of a chip's interrupts."""

from __future__ import annotations

import re

import pytest

from emu.boardfile import load_board
from emu.errors import BoardError
from tests.emu.board.conftest import WriteBoard

WITH_HANDLERS = "lines_count: 40, handlers: {{{}}},"


@pytest.mark.parametrize("name", ["f746", "h743"])
def test_every_interrupt_that_something_drives_has_a_handlers_name(name: str) -> None:
    interrupts = load_board(name).chip.interrupts
    assert dict(interrupts.handlers).keys() == dict(interrupts.names).keys()


@pytest.mark.parametrize("name", ["f746", "h743"])
@pytest.mark.parametrize("kind", ["usart", "uart", "spi", "i2c", "tim7", "sdmmc", "ltdc"])
def test_it_is_named_after_what_drives_it(name: str, kind: str) -> None:
    interrupts = load_board(name).chip.interrupts
    handlers = dict(interrupts.handlers)
    driven = {line: names for line, names in interrupts.names if names.startswith(kind)}
    assert driven
    for line, names in driven.items():
        assert handlers[line].startswith(names.partition(".")[0].partition("/")[0].upper())


def test_they_do_not_change_the_board(board_text: str, write_board: WriteBoard) -> None:
    """They say how to build, and the report says what was built."""
    before = load_board(write_board(board_text)).digest
    named = load_board(
        write_board(board_text.replace("lines_count: 40,", WITH_HANDLERS.format("USART1: 37")))
    )
    assert named.chip.interrupts.handlers == ((37, "USART1"),)
    assert named.digest == before


@pytest.mark.parametrize(
    ("handlers", "sentence"),
    [
        ("USART-1: 37", "'USART-1' is no name of a C function; write for instance USART1: 37."),
        ("A: 3, B: 3", "interrupt 3 has two handlers, A and B; leave one out."),
        ("USART1: 40", "interrupt 'USART1' is 40, and"),
    ],
)
def test_a_wrong_one_is_refused_with_its_line(
    handlers: str, sentence: str, board_text: str, write_board: WriteBoard
) -> None:
    text = board_text.replace("lines_count: 40,", WITH_HANDLERS.format(handlers))
    with pytest.raises(BoardError, match=rf"b\.yaml:62: .*{re.escape(sentence)}"):
        load_board(write_board(text))
