"""The law of this room: whatever a file or an option says, the answer is a board or a sentence."""

from __future__ import annotations

import re
import string
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emu.board import Board
from emu.boardfile import load_board
from emu.errors import BoardError, EmuError, UsageError
from tests.emu.board.conftest import BOARD_WITH_PERIPHERALS

BASE = BOARD_WITH_PERIPHERALS
LINES = BASE.splitlines()
TOKENS = sorted(set(re.findall(r"[\w.-]+", BASE)))
ODD = ("null", "~", "0", "-1", "1e400", "[]", "{}", "[[", "*cache", "&x", "!!binary", "0x",
       "9" * 30, "{value: 1}", "{value: 1, source: x}", "''", "<<", "? a", "|", ".inf", "\\", "%",
       "2026-01-01", "\t", "é", "\u2028", "a+b", "true", "stm32h743", "b.yaml")  # fmt: skip
NAMES = st.sampled_from(TOKENS + list(ODD))


@st.composite
def edited_files(draw: st.DrawFn) -> str:
    """The small board after a few edits of lines, words and characters."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        edit = draw(st.integers(0, 6))
        if edit == 0:
            del lines[at]
        elif edit == 1:
            lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
        elif edit == 2:
            lines[at] = re.sub(r"[\w.-]+$", lambda _: draw(NAMES), lines[at])
        elif edit == 3:
            lines[at] = re.sub(r"[\w.-]+", lambda _: draw(NAMES), lines[at], count=1)
        elif edit == 4:
            lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
        elif edit == 5:
            cut = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:cut] + draw(st.text(max_size=3)) + lines[at][cut:]
        else:
            lines[at] = re.sub(r": .*$", lambda _: ": " + draw(NAMES), lines[at])
        if not lines:
            break
    return "\n".join(lines) + "\n"


def answer(text: bytes, **options: dict[str, str]) -> Board | EmuError:
    """What `load_board` says. Anything but a board or one of the two refusals ends the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.yaml"
        path.write_bytes(text)
        try:
            return load_board(str(path), **options)
        except (BoardError, UsageError) as refusal:
            for sentence in str(refusal).splitlines():
                assert re.match(r".*b\.yaml:(\d+: |.*and \d+ more\.)|--(set|place) ", sentence), (
                    sentence
                )
                assert sentence.endswith((".", "?")), sentence
            return refusal


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edited_files())
def test_an_edited_file_is_a_board_or_a_sentence(text: str) -> None:
    answer(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
@example(b"%YAML 9.9\n---\na: 1\n")
@example(b"%YAML 1.1\n---\nname: 0o8\n")
@example(b"\xfe\xff\x00a")
@example(b"? [a]\n: b\n")
def test_any_bytes_are_a_board_or_a_sentence(data: bytes) -> None:
    answer(data)


@settings(max_examples=50, deadline=None)
@given(st.text(string.printable, max_size=60))
def test_any_text_is_a_board_or_a_sentence(text: str) -> None:
    answer(text.encode())


KEYS = st.one_of(
    st.sampled_from(
        ["clock_hz", "bus_ratio", "stack_bytes", "heap_bytes", "flash.wait_states", "flash.start",
         "dtcm.size_bytes", "dcache.size_bytes", "dcache.ways", "icache.enabled", "art.lines",
         "sram.cacheable", "sram.executable", "tcm.byte_store_read_modify_write", "flash.", ".",
         "chip.name", "sram.source", "hse_hz", "lse_hz", "console",
         "peripheral_timing.uncached_read_cycles"]
    ),
    st.text(max_size=12),
)  # fmt: skip
VALUES = st.one_of(NAMES, st.integers(-2, 1 << 33).map(str), st.text(max_size=8))
SECTIONS = st.one_of(
    st.sampled_from(["code", "weights", "data", "heap", "stack", "lut", "source", "value"]),
    st.text(max_size=5),
)
REGIONS = st.lists(st.sampled_from(["flash", "dtcm", "sram", "x", ""]), max_size=3).map("+".join)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=3), st.dictionaries(SECTIONS, REGIONS, max_size=3))
@example({"flash.size_bytes": "4G"}, {})
@example({"clock_hz": "9" * 30}, {})
@example({}, {"source": "dtcm"})
def test_any_option_is_a_board_or_blamed_on_an_option(
    set_: dict[str, str], place: dict[str, str]
) -> None:
    said = answer(BASE.encode(), set_=set_, place=place)

    assert isinstance(said, Board | UsageError)
