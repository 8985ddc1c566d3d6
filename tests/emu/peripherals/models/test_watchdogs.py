"""Watchdogs bite when they should, and only then."""

from __future__ import annotations

import pytest

from emu.board import MappedPeripheral
from emu.peripherals.models import iwdg, wwdg
from tests.emu.peripherals.bench import Bench

CORE_HZ, LSI_HZ, BUS_HZ = 216_000_000, 32_000, 54_000_000
LSI_TICK, BUS_TICK = CORE_HZ // LSI_HZ, CORE_HZ // BUS_HZ


@pytest.fixture
def independent() -> Bench:
    made = Bench("f746", [MappedPeripheral("iwdg", "iwdg", 0x40003000, 0x400, (), "lsi")])
    made.space.clocks.change({"core": CORE_HZ, "lsi": LSI_HZ})
    return made


@pytest.fixture(params=[7, 11], ids=["f7", "h7"])
def window(request: pytest.FixtureRequest) -> Bench:
    place = MappedPeripheral(
        "wwdg", "wwdg", 0x40002C00, 0x400, (("global", 0),), "apb1",
        (("timebase_bit", request.param),),
    )  # fmt: skip
    made = Bench("f746", [place])
    made.space.clocks.change({"core": CORE_HZ, "apb1": BUS_HZ})
    return made


def start(made: Bench, prescaler: int, reload: int) -> None:
    for offset, value in (
        (iwdg.KR, iwdg.START), (iwdg.KR, iwdg.UNLOCK), (iwdg.PR, prescaler), (iwdg.RLR, reload)
    ):  # fmt: skip
        made.write("iwdg", offset, value)
    while made.read("iwdg", iwdg.SR):
        made.run(LSI_TICK)
    made.write("iwdg", iwdg.KR, iwdg.REFRESH)


def test_an_unfed_watchdog_resets_after_its_time(independent: Bench) -> None:
    start(independent, 2, 999)
    independent.run(1000 * 16 * LSI_TICK - 1)
    assert independent.resets == []
    independent.run(1)
    assert independent.resets == ["iwdg"]


def test_a_fed_watchdog_lets_live(independent: Bench) -> None:
    start(independent, 2, 999)
    for _ in range(20):
        independent.run(900 * 16 * LSI_TICK)
        independent.write("iwdg", iwdg.KR, iwdg.REFRESH)
    assert independent.resets == []


def test_registers_are_locked_without_the_key(independent: Bench) -> None:
    independent.write("iwdg", iwdg.RLR, 5)
    assert independent.read("iwdg", iwdg.RLR) == 0xFFF
    independent.write("iwdg", iwdg.KR, iwdg.UNLOCK)
    independent.write("iwdg", iwdg.RLR, 5)
    assert independent.read("iwdg", iwdg.RLR) == 5
    assert independent.read("iwdg", iwdg.SR) == iwdg.RVU
    independent.run(5 * LSI_TICK)
    assert independent.read("iwdg", iwdg.SR) == 0


def test_a_refresh_before_the_window_resets(independent: Bench) -> None:
    start(independent, 2, 999)
    independent.write("iwdg", iwdg.KR, iwdg.UNLOCK)
    independent.write("iwdg", iwdg.WINR, 500)
    independent.run(400 * 16 * LSI_TICK)
    independent.write("iwdg", iwdg.KR, iwdg.REFRESH)
    assert independent.resets == ["iwdg window"]


def test_a_stopped_lsi_does_not_stop_the_watchdog(independent: Bench) -> None:
    independent.space.clocks.change({"lsi": 0})
    start(independent, 0, 9)
    independent.run(40 * LSI_TICK)
    assert independent.resets == ["iwdg"]


def test_the_window_watchdog_resets_below_its_lowest_count(window: Bench) -> None:
    window.write("wwdg", wwdg.CR, 0x80 | 0x50)
    window.run(0x11 * 4096 * BUS_TICK - 1)
    assert window.resets == []
    assert window.read("wwdg", wwdg.CR) == 0x80 | 0x40
    window.run(1)
    assert window.resets == ["wwdg"]


def test_the_early_wakeup_comes_one_count_before(window: Bench) -> None:
    timebase = 2 << (7 if window["wwdg"].settings["timebase_bit"] == 7 else 11)
    window.write("wwdg", wwdg.CFR, 1 << 9 | 0x7F | timebase)
    window.write("wwdg", wwdg.CR, 0x80 | 0x50)
    window.run(0x10 * 4 * 4096 * BUS_TICK)
    assert window.raised == [0]
    window.write("wwdg", wwdg.CR, 0x80 | 0x50)
    window.write("wwdg", wwdg.SR, 0)
    assert not window.interrupts[0]
    assert window.resets == []


def test_a_refresh_above_the_window_resets(window: Bench) -> None:
    window.write("wwdg", wwdg.CFR, 0x50)
    window.write("wwdg", wwdg.CR, 0x80 | 0x7F)
    window.run(4096 * BUS_TICK)
    window.write("wwdg", wwdg.CR, 0x80 | 0x7F)
    assert window.resets == ["wwdg window"]


def test_clearing_the_top_bit_resets_at_once(window: Bench) -> None:
    window.write("wwdg", wwdg.CR, 0x80 | 0x3F)
    assert window.resets == ["wwdg"]
