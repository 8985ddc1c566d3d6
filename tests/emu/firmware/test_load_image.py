"""Programs in every format onto a board: what loads where, what is left out, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.errors import ImageError
from emu.firmware.image import Image, ImageFormat
from emu.firmware.load_image import load_image
from tests.emu.firmware.program_files import (
    FLASH,
    ITCM_FLASH,
    RAM,
    ElfFile,
    Part,
    attributes,
    intel_hex,
    vector_table,
)

CORTEX_M7: dict[int, int | str] = {5: "Cortex-M7", 6: 13, 7: ord("M")}


@pytest.fixture(scope="module")
def f746() -> Board:
    return load_board("f746")


def loaded(
    folder: Path,
    content: bytes | str | ElfFile,
    board: Board,
    format_: ImageFormat = "elf",
    base: int | None = None,
) -> Image:
    path = folder / "app"
    if isinstance(content, ElfFile):
        content = content.to_bytes()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_image(path, format_, board, base)


def places(image: Image) -> list[tuple[int, bytes]]:
    return [(segment.address, segment.data) for segment in image.segments]


def test_a_raw_image_lies_at_the_start_of_flash(tmp_path: Path, f746: Board) -> None:
    image = loaded(tmp_path, vector_table(), f746, "raw")
    assert places(image) == [(FLASH, vector_table())]
    assert (image.format, image.vector_table) == ("raw", FLASH)


def test_a_raw_image_lies_where_it_is_told(tmp_path: Path, f746: Board) -> None:
    image = loaded(tmp_path, vector_table(), f746, "raw", base=FLASH + 0x8000)
    assert places(image) == [(FLASH + 0x8000, vector_table())]
    assert image.vector_table == FLASH + 0x8000


def test_the_base_of_an_elf_is_its_vector_table(tmp_path: Path, f746: Board) -> None:
    elf = ElfFile([Part(".text", FLASH, vector_table())])
    image = loaded(tmp_path, elf, f746, base=FLASH + 0x200)
    assert (image.vector_table, image.segments[0].address) == (FLASH + 0x200, FLASH)


def test_a_hex_file_loads_its_regions_and_keeps_its_gaps(tmp_path: Path, f746: Board) -> None:
    blocks = [(ITCM_FLASH, vector_table()), (FLASH + 0x4_0000, b"weights"), (RAM, b"data")]
    image = loaded(tmp_path, intel_hex(blocks, start=FLASH + 0x41), f746, "hex")
    assert places(image) == sorted(blocks)
    assert image.entry == FLASH + 0x41


def test_segments_load_at_their_load_addresses(tmp_path: Path, f746: Board) -> None:
    elf = ElfFile(
        [
            Part(".text", ITCM_FLASH, vector_table(), load_address=FLASH),
            Part(".itcm", 0, b"fast", load_address=FLASH + 0x1000),
            Part(".data", RAM, b"data", load_address=FLASH + 0x2000, flags=3),
            Part(".sram", RAM + 0x1_0000, b"here", flags=3),
        ]
    )
    assert places(loaded(tmp_path, elf, f746)) == [
        (FLASH, vector_table()),
        (FLASH + 0x1000, b"fast"),
        (FLASH + 0x2000, b"data"),
        (RAM + 0x1_0000, b"here"),
    ]


def test_file_headers_below_flash_are_not_loaded(tmp_path: Path, f746: Board) -> None:
    """As GNU ld lays a first segment out where pages are larger than the headers."""
    data = bytearray(ElfFile([Part(".text", FLASH, vector_table())]).to_bytes())
    offset = int.from_bytes(data[52 + 4 : 52 + 8], "little")
    size = len(vector_table())
    for at, value in ((4, 0), (8, FLASH - offset), (12, FLASH - offset)):
        data[52 + at : 52 + at + 4] = value.to_bytes(4, "little")
    for at in (16, 20):
        data[52 + at : 52 + at + 4] = (size + offset).to_bytes(4, "little")
    assert places(loaded(tmp_path, bytes(data), f746)) == [(FLASH, vector_table())]


def test_bytes_may_cross_adjoining_regions(tmp_path: Path, f746: Board) -> None:
    across = intel_hex([(FLASH, vector_table()), (RAM + 0x1_0000 - 4, b"dtcmsram")])
    assert len(loaded(tmp_path, across, f746, "hex").segments) == 2


def test_option_bytes_are_left_out_and_told(tmp_path: Path, f746: Board) -> None:
    text = intel_hex([(FLASH, vector_table()), (0x1FFF_0000, bytes(32)), (0x1FF0_F000, b"otp")])
    image = loaded(tmp_path, text, f746, "hex")
    assert places(image) == [(FLASH, vector_table())]
    assert len(image.sections) == 1
    told = [note for note in image.notes if "left out" in note]
    assert "32 B at 0x1fff0000" in told[1]
    with pytest.raises(ImageError, match="only option bytes"):
        loaded(tmp_path, intel_hex([(0x1FFF_0000, bytes(32))]), f746, "hex")


def test_erased_flash_behind_a_raw_image_is_not_counted(tmp_path: Path, f746: Board) -> None:
    image = loaded(tmp_path, vector_table() + b"\xff" * 1000, f746, "raw")
    assert [section.size_bytes for section in image.sections] == [len(vector_table())]
    assert any("counts as code" in note for note in image.notes)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (0x2400_0000, "segment 1 \\(.more\\), 4 B at 0x24000000, is in no memory of board"),
        (0x2400_0000, "nearest is 'sram2', 0x2004c000 to 0x2004ffff. Was it linked for another"),
        (0x9000_0000, "external QUADSPI flash: describe it as a region in a board file"),
        (FLASH + 0x10_0000 - 2, "is 2 B larger than region 'flash' .* ends at 0x08100000"),
        (0x4001_1000, "is in no memory"),
    ],
    ids=["another_part", "nearest", "external", "beyond_the_end", "peripheral"],
)
def test_a_load_address_outside_the_board_is_refused(
    address: int, sentence: str, tmp_path: Path, f746: Board
) -> None:
    elf = ElfFile([Part(".text", FLASH, vector_table()), Part(".more", address, b"more")])
    with pytest.raises(ImageError, match=sentence):
        loaded(tmp_path, elf, f746)


def test_a_raw_image_outside_the_board_is_asked_for_its_base(tmp_path: Path, f746: Board) -> None:
    with pytest.raises(ImageError, match=r"the image, .* in no memory .* --base ADDR"):
        loaded(tmp_path, vector_table(), f746, "raw", base=0x7000_0000)
    with pytest.raises(ImageError, match="4 B larger than region 'flash'"):
        loaded(tmp_path, bytes((1 << 20) + 4), f746, "raw")


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (CORTEX_M7, None),
        ({5: "Cortex-M4", 6: 13, 7: ord("M")}, "Built for Cortex-M4: the cycles are those of"),
        ({5: "7E-M", 6: 13, 7: ord("M")}, None),
        ({5: "Cortex-M33", 6: 17, 7: ord("M")}, r"Built for Armv8-M \(Cortex-M33\)"),
        ({**CORTEX_M7, 10: 8}, "double-precision .* UsageFault. Compile with -mfpu=fpv5-sp-d16"),
        ({**CORTEX_M7, 10: 8, 27: 1}, None),
    ],
    ids=["cortex_m7", "cortex_m4", "architecture_alone", "cortex_m33", "double", "single"],
)
def test_what_another_core_lacks_is_noted(
    values: dict[int, int | str], note: str | None, tmp_path: Path, f746: Board
) -> None:
    elf = ElfFile([Part(".text", FLASH, vector_table())], attributes=attributes(values))
    notes = loaded(tmp_path, elf, f746).notes
    if note is None:
        assert notes == ()
    else:
        (told,) = notes
        assert re.search(note, told)


def test_zeroed_data_outside_the_board_is_noted(tmp_path: Path, f746: Board) -> None:
    sdram = Part(".sdram_bss", 0xC200_0000, b"", size_bytes=4096)
    image = loaded(tmp_path, ElfFile([Part(".text", FLASH, vector_table()), sdram]), f746)
    assert any("Section .sdram_bss, 4 KiB at 0xc2000000" in note for note in image.notes)


def test_double_precision_is_fine_where_the_chip_has_it(tmp_path: Path) -> None:
    elf = ElfFile(
        [Part(".text", FLASH, vector_table())], attributes=attributes({**CORTEX_M7, 10: 8})
    )
    assert loaded(tmp_path, elf, load_board("h743")).notes == ()


@pytest.mark.parametrize(
    ("elf", "sentence"),
    [
        (
            ElfFile([Part(".text", FLASH, b"x")], attributes=attributes({5: "7-A", 6: 10, 7: 65})),
            r"is for a Cortex-A \(7-A\); the boards have a Cortex-M7",
        ),
        (
            ElfFile([Part(".text", FLASH, b"x")], attributes=attributes({6: 10, 7: ord("R")})),
            "is for a Cortex-R; ",
        ),
        (
            ElfFile([Part(".text", FLASH, b"x")], attributes=attributes({6: 5, 8: 1})),
            "is for an Arm core that is no Cortex-M; ",
        ),
        (ElfFile([Part(".text", FLASH, b"x")], machine=243), "is for RISC-V, not for Arm"),
        (ElfFile([Part(".text", FLASH, b"x")], elf_flags=0x0580_0000), r"big-endian ELF \(BE8\)"),
    ],
    ids=["cortex_a", "cortex_r", "arm9", "riscv", "be8"],
)
def test_other_cores_are_refused(elf: ElfFile, sentence: str, tmp_path: Path, f746: Board) -> None:
    with pytest.raises(ImageError, match=sentence):
        loaded(tmp_path, elf, f746)


@pytest.mark.parametrize("format_", ["elf", "hex", "raw"])
def test_an_empty_file_is_called_so(format_: ImageFormat, tmp_path: Path, f746: Board) -> None:
    with pytest.raises(ImageError, match="is empty"):
        loaded(tmp_path, b"", f746, format_)
