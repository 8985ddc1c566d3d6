"""The LCD controller: reloads, lines and frames in time."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models.ltdc import (
    AWCR,
    BPCR,
    CDSR,
    CPSR,
    GCR,
    ICR,
    IER,
    IMR,
    ISR,
    LIPCR,
    SRCR,
    TWCR,
    VBR,
)
from tests.emu.peripherals.bench import Bench

PIXEL = 20  # cycles
WIDTH, LINES = 565, 286
LINE, FRAME = WIDTH * PIXEL, WIDTH * LINES * PIXEL
LIF, RRIF = 1, 8


@pytest.fixture
def made() -> Bench:
    place = MappedPeripheral(
        "ltdc", "ltdc", 0x40016800, 0x400, (("global", 88), ("error", 89)), "apb2"
    )
    bench = Bench("f746", [place])
    bench.space.clocks.change({"core": 192_000_000, "ltdc": 9_600_000})
    for offset, value in (
        (BPCR, 53 << 16 | 11), (AWCR, 533 << 16 | 283), (TWCR, (WIDTH - 1) << 16 | LINES - 1)
    ):  # fmt: skip
        bench.write("ltdc", offset, value)
    return bench


def test_an_immediate_reload_is_done(made: Bench) -> None:
    made.write("ltdc", SRCR, IMR)
    assert made.read("ltdc", SRCR) == 0
    assert made.read("ltdc", ISR) == RRIF


def test_a_reload_waits_for_the_vertical_blanking(made: Bench) -> None:
    made.write("ltdc", GCR, 1)
    made.write("ltdc", IER, RRIF)
    made.write("ltdc", SRCR, VBR)
    made.run(284 * LINE - 1)
    assert made.read("ltdc", SRCR) == VBR
    made.run(1)
    assert made.read("ltdc", SRCR) == 0
    assert made.raised == [88]


def test_a_reload_without_a_raster_does_not_wait(made: Bench) -> None:
    made.write("ltdc", SRCR, VBR)
    assert made.read("ltdc", SRCR) == 0


def test_a_line_interrupts_once_a_frame(made: Bench) -> None:
    made.write("ltdc", LIPCR, 100)
    made.write("ltdc", IER, LIF)
    made.write("ltdc", GCR, 1)
    made.run(100 * LINE)
    assert made.raised == [88]
    for _ in range(3):
        made.write("ltdc", ICR, LIF)
        made.run(FRAME - 1)
        assert not made.interrupts[88]
        made.run(1)
        assert made.interrupts[88]


def test_the_raster_is_where_the_time_says(made: Bench) -> None:
    made.write("ltdc", GCR, 1)
    made.run(FRAME + 120 * LINE + 77 * PIXEL)
    assert made.read("ltdc", CPSR) == 77 << 16 | 120
    assert made.read("ltdc", CDSR) == 0b0011
