"""Which vector table a program starts from, and why one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.board import Board
from emu.boardfile import load_board
from emu.errors import ImageError
from emu.firmware.elf_image import parse_elf
from emu.firmware.image import Image, ImageFormat, Segment
from emu.firmware.vector_table import VectorTable, find_vector_table
from tests.emu.firmware.program_files import (
    FLASH,
    ITCM_FLASH,
    LOOP_FOR_EVER,
    RAM,
    STACK_TOP,
    ElfFile,
    Part,
    vector_table,
)

RESET = FLASH + 0x40
PATH = Path("app.elf")


@pytest.fixture(scope="module")
def f746() -> Board:
    return load_board("f746")


def elf_of(*parts: Part, entry: int = 0, symbols: tuple[tuple[str, int, int], ...] = ()) -> Image:
    return parse_elf(ElfFile(parts, symbols, entry).to_bytes(), PATH)


def raw(*blocks: tuple[int, bytes], base: int | None = None, entry: int = 0) -> Image:
    format_: ImageFormat = "hex" if base is None else "raw"
    segments = tuple(Segment(address, data) for address, data in blocks)
    return Image(
        PATH, "", entry, segments, (), (), format=format_, vector_table=base
    )  # as the loaders make it


def found(image: Image, board: Board) -> VectorTable:
    memory: dict[int, int] = {}
    for segment in image.segments:
        for at, byte in enumerate(segment.data):
            memory[segment.address + at] = byte

    def read(address: int, size_bytes: int) -> bytes:
        region = board.chip.region_at(address)
        if region is None:
            return b""
        erased = 0xFF if region.kind == "flash" else 0
        return bytes(memory.get(address + at, erased) for at in range(size_bytes))

    return find_vector_table(image, board, read)


def test_a_raw_image_begins_with_its_table(f746: Board) -> None:
    image = raw((FLASH, vector_table()), base=FLASH)
    assert found(image, f746) == VectorTable(FLASH, STACK_TOP, RESET)


def test_the_start_of_flash_comes_before_other_loaded_places(f746: Board) -> None:
    other = vector_table(reset=FLASH + 0x8041)
    image = raw((0, other), (FLASH, vector_table()), (FLASH + 0x8000, other))
    assert found(image, f746).address == FLASH


def test_an_application_behind_a_boot_loader_that_is_not_there(f746: Board) -> None:
    app = FLASH + 0x8000
    image = raw((app, vector_table(reset=app + 0x41)))
    assert found(image, f746) == VectorTable(app, STACK_TOP, app + 0x40)


def test_flash_by_its_other_address(f746: Board) -> None:
    image = raw((ITCM_FLASH, vector_table(reset=ITCM_FLASH + 0x41)))
    assert found(image, f746).address == ITCM_FLASH


def test_a_program_in_ram(f746: Board) -> None:
    image = raw((RAM, vector_table(reset=RAM + 0x41)))
    assert found(image, f746).address == RAM


@pytest.mark.parametrize("name", ["g_pfnVectors", "__Vectors", "__isr_vector", "__vector_table"])
def test_the_usual_symbol_names_the_table(name: str, f746: Board) -> None:
    image = elf_of(
        Part(".text", FLASH, vector_table() + bytes(432) + vector_table(reset=FLASH + 0x241)),
        symbols=((name, FLASH + 0x200, 1),),
    )
    assert found(image, f746) == VectorTable(FLASH + 0x200, STACK_TOP, FLASH + 0x240)


def test_the_usual_section_holds_the_table(f746: Board) -> None:
    app = FLASH + 0x8000
    image = elf_of(
        Part(".boot", FLASH, vector_table()),
        Part(".isr_vector", app, vector_table(reset=app + 0x41)),
    )
    assert found(image, f746).address == app


def test_a_table_that_is_copied_to_ram_is_read_from_flash(f746: Board) -> None:
    image = elf_of(
        Part(".vectors", RAM, vector_table(), load_address=FLASH, flags=3),
        symbols=(("__Vectors", RAM, 1),),
    )
    assert found(image, f746).address == FLASH


def test_a_table_inside_a_stripped_program_is_found_by_its_entry(f746: Board) -> None:
    padding = LOOP_FOR_EVER * 0x100
    image = elf_of(
        Part(".text", FLASH, padding + vector_table(reset=FLASH + 0x241)), entry=FLASH + 0x241
    )
    assert found(image, f746).address == FLASH + 0x200


def test_of_several_tables_the_one_with_the_entry_is_taken(f746: Board) -> None:
    first, second = FLASH + 0x4000, FLASH + 0x8000
    image = raw(
        (first, vector_table(reset=first + 0x41)),
        (second, vector_table(reset=second + 0x41)),
        entry=second + 0x41,
    )
    assert found(image, f746).address == second


@pytest.mark.parametrize("top", [RAM, RAM + 0x1_0000, RAM + 0x5_0000])
def test_a_stack_may_begin_at_either_end_of_ram(top: int, f746: Board) -> None:
    assert found(raw((FLASH, vector_table(top)), base=FLASH), f746).stack_top == top


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (b"\xff" * 64, "at 0x08000000 is empty .* nothing is programmed there"),
        (bytes(64), "is empty"),
        (vector_table(0x2408_0000), "stack pointer 0x24080000, which is not in RAM"),
        (vector_table(FLASH), "is not in RAM"),
        (vector_table(reset=0x0900_0001), "reset handler 0x09000001, where the board has no"),
        (vector_table(reset=FLASH + 0x40), "is even: Arm code"),
        (vector_table(reset=FLASH + 0x8001), "reset handler 0x08008001, where nothing is prog"),
        (vector_table()[:6], "reset handler 0xffff0041"),
    ],
    ids=[
        *("erased", "zeros", "stack_of_another_part", "stack_in_flash", "reset_nowhere"),
        *("reset_even", "reset_in_erased_flash", "cut"),
    ],
)
def test_a_table_that_points_nowhere_is_refused(table: bytes, sentence: str, f746: Board) -> None:
    with pytest.raises(ImageError, match=f"{sentence}.*(another part|--base )"):
        found(raw((FLASH, table), base=FLASH), f746)


def test_a_table_outside_memory_is_refused(f746: Board) -> None:
    with pytest.raises(ImageError, match="at 0x70000000 lies outside"):
        found(raw((FLASH, vector_table()), base=0x7000_0000), f746)


def test_a_named_table_is_not_replaced_by_another(f746: Board) -> None:
    image = elf_of(
        Part(".isr_vector", FLASH, vector_table(0x2408_0000)),
        symbols=(("g_pfnVectors", FLASH, 1),),
    )
    with pytest.raises(ImageError, match="stack pointer 0x24080000"):
        found(image, f746)


@pytest.mark.parametrize(
    ("reset", "base"), [(0x0802_0041, 0x0802_0000), (0x0800_8031, 0x0800_8000)]
)
def test_a_raw_image_says_where_it_looks_linked_for(reset: int, base: int, f746: Board) -> None:
    with pytest.raises(ImageError, match=f"linked for another address: --base {base:#010x}"):
        found(raw((FLASH, vector_table(reset=reset)), base=FLASH), f746)
