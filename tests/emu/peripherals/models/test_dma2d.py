"""Rectangles of pixels: filled, copied, converted, blended."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models import dma2d
from emu.peripherals.models.dma2d import (
    CR,
    FGCLUT,
    FGCMAR,
    FGPFCCR,
    IFCR,
    ISR,
    NLR,
    OCOLR,
    OMAR,
    OPFCCR,
)
from tests.emu.peripherals.bench import Bench

SOURCE, BACK, TARGET = 0x20000000, 0x20008000, 0x20010000
START, TCIE = 1, 1 << 9
COPY, CONVERT, BLEND, FILL = (mode << 16 for mode in range(4))
ARGB8888, RGB888, RGB565 = range(3)


@pytest.fixture
def made() -> Bench:
    bench = Bench(
        "f746", [MappedPeripheral("dma2d", "dma2d", 0x4002B000, 0xC00, (("global", 90),), "ahb")]
    )
    bench.space.clocks.change({"core": 200_000_000, "ahb": 200_000_000})
    return bench


def run(made: Bench, mode: int, width: int, lines: int, **registers: int) -> None:
    made.write("dma2d", NLR, width << 16 | lines)
    made.write("dma2d", OMAR, TARGET)
    for name, value in registers.items():
        made.write("dma2d", getattr(dma2d, name), value)
    made.write("dma2d", CR, mode | START)
    made.run(4 * width * lines + 100)
    assert not made.read("dma2d", CR) & START


def memory(made: Bench, address: int, size_bytes: int) -> bytes:
    return made.memory_read(address, size_bytes)


def test_a_fill_leaves_what_is_beside_it(made: Bench) -> None:
    run(made, FILL, 3, 2, OPFCCR=RGB565, OCOLR=0xF81F, OOR=2)
    line = b"\x1f\xf8" * 3
    assert memory(made, TARGET, 20) == line + bytes(4) + line + bytes(4)


def test_a_fill_of_three_bytes_a_pixel(made: Bench) -> None:
    run(made, FILL, 2, 1, OPFCCR=RGB888, OCOLR=0x00112233)
    assert memory(made, TARGET, 7) == b"\x33\x22\x11" * 2 + b"\0"


def test_a_copy_moves_a_rectangle_out_of_a_picture(made: Bench) -> None:
    picture = bytes(range(64))
    made.memory_write(SOURCE, picture)
    run(made, COPY, 2, 3, FGMAR=SOURCE, FGOR=2, FGPFCCR=ARGB8888, OOR=0)
    assert memory(made, TARGET, 24) == picture[0:8] + picture[16:24] + picture[32:40]


def test_a_conversion_changes_the_format(made: Bench) -> None:
    made.memory_write(SOURCE, b"\x00\xf8\xe0\x07\x1f\x00")
    run(made, CONVERT, 3, 1, FGMAR=SOURCE, FGPFCCR=RGB565, OPFCCR=ARGB8888)
    assert memory(made, TARGET, 12) == bytes.fromhex("0000ffff 00ff00ff ff0000ff")


def test_a_glyph_is_blended_in_its_colour(made: Bench) -> None:
    """What ST's fonts and many widgets do: an alpha map over the frame buffer."""
    made.memory_write(SOURCE, b"\x00\xff\x80")
    made.memory_write(BACK, bytes.fromhex("000000ff") * 3)
    run(
        made, BLEND, 3, 1, FGMAR=SOURCE, FGPFCCR=9, FGCOLR=0xFF0000, BGMAR=BACK,
        BGPFCCR=ARGB8888, BGCOLR=0, OPFCCR=ARGB8888,
    )  # fmt: skip
    assert memory(made, TARGET, 12) == bytes.fromhex("000000ff 0000ffff 000080ff")


def test_a_colour_table_is_loaded_and_used(made: Bench) -> None:
    made.memory_write(BACK, bytes.fromhex("332211ff 665544ff"))
    made.write("dma2d", FGCMAR, BACK)
    made.write("dma2d", FGPFCCR, 1 << 8 | 1 << 5 | 5)
    made.run(100)
    assert made.read("dma2d", FGPFCCR) == 1 << 8 | 5
    assert made.read("dma2d", ISR) == 1 << 4
    assert made.read("dma2d", FGCLUT + 4) == 0xFF445566
    made.memory_write(SOURCE, b"\x01\x00")
    run(made, CONVERT, 2, 1, FGMAR=SOURCE, OPFCCR=RGB888)
    assert memory(made, TARGET, 6) == bytes.fromhex("665544 332211")


def test_a_transfer_takes_its_time_and_interrupts(made: Bench) -> None:
    for offset, value in ((NLR, 240 << 16 | 272), (OMAR, TARGET), (OPFCCR, RGB565)):
        made.write("dma2d", offset, value)
    made.write("dma2d", CR, FILL | START | TCIE)
    beats = 240 * 272 // 2
    made.run(beats - 1)
    assert made.raised == []
    assert made.read("dma2d", CR) & START
    made.run(1)
    assert made.raised == [90]
    made.write("dma2d", IFCR, 2)
    assert not made.interrupts[90]


def test_an_address_outside_memory_is_an_error(made: Bench) -> None:
    run(made, COPY, 2, 1, FGMAR=0x10000000, FGPFCCR=ARGB8888)
    assert made.read("dma2d", ISR) == 1
    assert "DMA2D" in made.notes[0]


def test_an_abort_leaves_memory_alone(made: Bench) -> None:
    for offset, value in ((NLR, 4 << 16 | 4), (OMAR, TARGET), (OCOLR, 0xFFFFFFFF)):
        made.write("dma2d", offset, value)
    made.write("dma2d", CR, FILL | START)
    made.write("dma2d", CR, FILL | 1 << 2)
    made.run(1000)
    assert made.read("dma2d", CR) & START == 0
    assert memory(made, TARGET, 4) == bytes(4)
