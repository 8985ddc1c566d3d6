"""The memory controller: what bringing an SDRAM up asks of it."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models.fmc import BUSY, SDCMR, SDCR1, SDSR, SDTR1
from tests.emu.peripherals.bench import Bench


@pytest.fixture
def made() -> Bench:
    bench = Bench("f746", [MappedPeripheral("fmc", "fmc", 0xA0000000, 0x1000, (), "ahb")])
    bench.space.clocks.change({"core": 216_000_000, "ahb": 216_000_000})
    return bench


def test_values_after_reset(made: Bench) -> None:
    assert made.read("fmc", 0x00) == 0x30DB
    assert made.read("fmc", 0x08) == 0x30D2
    assert made.read("fmc", 0x04) == 0x0FFFFFFF
    assert made.read("fmc", SDCR1) == 0x2D0


def test_the_bring_up_of_an_sdram_ends(made: Bench) -> None:
    made.write("fmc", SDCR1, 2 << 10 | 0x154)
    made.write("fmc", SDTR1, 6 << 12)
    for command in (1, 2, 3 | 7 << 5, 4 | 0x230 << 9):
        made.write("fmc", SDCMR, command | 1 << 4)
        assert made.read("fmc", SDSR) & BUSY
        made.run(2 * 8 * 7)
        assert made.read("fmc", SDSR) == 0


def test_self_refresh_shows_in_the_status_of_its_bank(made: Bench) -> None:
    made.write("fmc", SDCMR, 5 | 1 << 3)
    made.run(1000)
    assert made.read("fmc", SDSR) == 1 << 3
