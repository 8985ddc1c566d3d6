"""Intel HEX: every file that a writer makes is read, every broken line is named."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intelhex import IntelHex

from emu.errors import ImageError
from emu.firmware.intel_hex import HexContents, parse_intel_hex
from tests.emu.firmware.program_files import END_OF_FILE, FLASH, intel_hex, record

PATH = Path("app.hex")
UPPER = record(4, data=b"\x08\x00")


def parse(text: str | bytes) -> HexContents:
    return parse_intel_hex(text.encode() if isinstance(text, str) else text, PATH)


def blocks(text: str) -> list[tuple[int, bytes]]:
    return [(block.address, block.data) for block in parse(text).blocks]


@st.composite
def disjoint_blocks(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    found, at = [], draw(st.integers(0, 1 << 31))
    for _ in range(draw(st.integers(1, 5))):
        data = draw(st.binary(min_size=1, max_size=70))
        found.append((at, data))
        at += len(data) + draw(st.integers(1, 1 << 17))
    return found


@given(disjoint_blocks(), st.none() | st.integers(1, (1 << 32) - 1))
def test_what_another_writer_wrote_is_read_back(
    written: list[tuple[int, bytes]], start: int | None
) -> None:
    other = IntelHex()
    for address, data in written:
        other.frombytes(data, address)
    if start is not None:
        other.start_addr = {"EIP": start}
    text = io.StringIO()
    other.write_hex_file(text)

    contents = parse(text.getvalue())

    assert [(block.address, block.data) for block in contents.blocks] == written
    assert contents.start_address == start


@given(st.permutations(range(8)))
def test_the_order_of_records_does_not_matter(order: list[int]) -> None:
    lines = [record(0, 4 * number, bytes([number] * 4)) for number in order]
    expected = b"".join(bytes([number] * 4) for number in range(8))
    assert blocks(UPPER + "".join(lines) + END_OF_FILE) == [(FLASH, expected)]


def test_a_block_says_where_it_begins_in_the_file() -> None:
    text = intel_hex([(FLASH + 0x100, bytes(4)), (FLASH, bytes(20))])
    assert [(block.address, block.line) for block in parse(text).blocks] == [
        (FLASH, 4),
        (FLASH + 0x100, 2),
    ]


def test_segment_addresses_count_in_paragraphs() -> None:
    assert blocks(record(2, data=b"\x12\x34") + record(0, 1, b"x") + END_OF_FILE) == [
        (0x12341, b"x")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + UPPER + record(0, 0, b"x") + END_OF_FILE,
        (UPPER + record(0, 0, b"x") + END_OF_FILE).replace("\n", "\r\n"),
        UPPER.lower() + record(0, 0, b"x").lower() + END_OF_FILE.lower() + "\n\n\x1a",
        UPPER + "\n  \n" + record(0, 0, b"x") + record(0, 7) + END_OF_FILE.strip(),
    ],
    ids=["byte_order_mark", "dos_lines", "lower_case_and_ctrl_z", "blank_lines_and_empty_record"],
)
def test_harmless_oddities_are_accepted(text: str) -> None:
    assert blocks(text) == [(FLASH, b"x")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            UPPER + ":0100000001FF\n" + END_OF_FILE,
            "app.hex:2: this line has checksum FF, wanted FE",
            id="wrong_checksum",
        ),
        pytest.param(UPPER + record(0, 0, b"xy")[:-2], "app.hex:2: .* odd number", id="odd_digits"),
        pytest.param(
            UPPER + record(0, 0, b"xyzabc")[:-3], "app.hex:2: .* says that .* 6 .* has 5", id="cut"
        ),
        pytest.param(UPPER + ":0000\n", "app.hex:2: .* too short", id="short_record"),
        pytest.param(UPPER + ":00 0000 01FF\n", "app.hex:2: .* no hexadecimal", id="spaces"),
        pytest.param(UPPER + ":00G00001FF\n", "app.hex:2: .* no hexadecimal", id="no_digits"),
        pytest.param(UPPER + "; a comment\n", "app.hex:2: .* wanted ':'", id="comment"),
        pytest.param(UPPER + record(6), "app.hex:2: .* record type 06", id="unknown_type"),
        pytest.param(record(4, data=b"\x08"), "app.hex:1: .* wanted 2", id="upper_of_one_byte"),
        pytest.param(
            UPPER + record(0, 0, b"abcd") + record(0, 3, b"e") + END_OF_FILE,
            "app.hex:3: .* writes address 0x08000003 a second time, after line 2",
            id="overlap",
        ),
        pytest.param(
            record(4, data=b"\xff\xff") + record(0, 0xFFFF, b"ab") + END_OF_FILE,
            "app.hex:2: .* beyond the 4 GiB",
            id="beyond_the_address_space",
        ),
        pytest.param(UPPER + record(0, 0, b"abcd"), "no end-of-file record", id="no_end"),
        pytest.param(
            2 * (UPPER + record(0, 0, b"abcd") + END_OF_FILE),
            "app.hex:4: .* behind the end-of-file record of line 3",
            id="two_files",
        ),
        pytest.param(
            UPPER + "".join(record(0, 2 * at, b"x") for at in range(10_002)) + END_OF_FILE,
            "more than 10,000 places",
            id="scattered",
        ),
        pytest.param(END_OF_FILE, "holds no data", id="nothing"),
        pytest.param(b":\xff\xfe\n", "app.hex:1: ", id="no_text"),
    ],
)
def test_a_broken_line_is_named(text: str | bytes, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        parse(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_program_or_a_sentence(data: bytes) -> None:
    with suppress(ImageError):
        parse(b":" + data)
