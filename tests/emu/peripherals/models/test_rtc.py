"""The real-time clock as ST's HAL uses it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.board import MappedPeripheral
from emu.peripherals.calendar import MASK_DATE, MASK_HOURS, MASK_MINUTES, MASK_SECONDS
from emu.peripherals.models.rtc import (
    ALRMAR,
    ALRMASSR,
    BKP0R,
    CR,
    DR,
    ISR,
    PRER,
    SHIFTR,
    SSR,
    TR,
    WPR,
    WUTR,
)
from tests.emu.peripherals.bench import Bench

CORE_HZ, LSE_HZ = 32_768_000, 32_768
TICK, SECOND = 1000, CORE_HZ
RSF, INITF, INIT, ALRAF, WUTF = 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 10


def bench(**settings: int) -> Bench:
    place = MappedPeripheral(
        "rtc", "rtc", 0x40002800, 0x400, (), "lse", tuple(settings.items())
    )  # fmt: skip
    made = Bench("f746", [place])
    made.space.clocks.change({"core": CORE_HZ, "lse": LSE_HZ, "rtc": LSE_HZ})
    return made


@pytest.fixture
def made() -> Bench:
    return bench()


def unlock(made: Bench) -> None:
    made.write("rtc", WPR, 0xCA)
    made.write("rtc", WPR, 0x53)


def wait(made: Bench, flag: int) -> None:
    for _ in range(4):
        if made.read("rtc", ISR) & flag:
            return
        made.run(TICK)
    raise AssertionError(f"flag {flag:#x} never came")


def set_clock(made: Bench, when: datetime) -> None:
    unlock(made)
    made.write("rtc", ISR, 0xFFFFFFFF)
    wait(made, INITF)
    made.write("rtc", PRER, 0xFF)
    made.write("rtc", PRER, 0x7F00FF)
    made.write("rtc", TR, int(when.strftime("%H%M%S"), 16))
    made.write("rtc", DR, int(when.strftime("%y%m%d"), 16) | when.isoweekday() << 13)
    made.write("rtc", ISR, made.read("rtc", ISR) & ~INIT)
    made.write("rtc", ISR, ~(INIT | RSF) & 0xFFFFFFFF)
    wait(made, RSF)
    made.write("rtc", WPR, 0xFF)


def read_clock(made: Bench) -> datetime:
    time, date = made.read("rtc", TR), made.read("rtc", DR)
    return datetime.strptime(f"{date & 0xFF1F3F:06x} {time:06x}", "%y%m%d %H%M%S")


def test_without_the_keys_nothing_is_written(made: Bench) -> None:
    made.write("rtc", CR, 1 << 6)
    assert made.read("rtc", CR) == 0
    made.write("rtc", WPR, 0xCA)
    made.write("rtc", WPR, 0x54)
    made.write("rtc", CR, 1 << 6)
    assert made.read("rtc", CR) == 0


def test_initialisation_takes_a_moment_to_begin(made: Bench) -> None:
    unlock(made)
    made.write("rtc", ISR, INIT)
    assert not made.read("rtc", ISR) & INITF
    made.run(2 * TICK)
    assert made.read("rtc", ISR) & INITF


@settings(deadline=None, max_examples=40)
@given(
    when=st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),
    seconds=st.lists(st.integers(0, 10**7), min_size=1, max_size=4),
)
def test_the_calendar_is_datetime_s(when: datetime, seconds: list[int]) -> None:
    made, when = bench(), when.replace(microsecond=0)
    set_clock(made, when)
    begin = made.cycles
    for more in seconds:
        made.run(more * SECOND)
        assert read_clock(made) == when + timedelta(seconds=(made.cycles - begin) // SECOND)


def test_subseconds_count_down(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20, 12))
    start = made.read("rtc", SSR)
    made.read("rtc", DR)
    made.run(SECOND // 4)
    assert made.read("rtc", SSR) == start - 64


def test_reading_the_time_holds_the_date_that_belongs_to_it(made: Bench) -> None:
    set_clock(made, datetime(2025, 12, 31, 23, 59, 59))
    assert made.read("rtc", TR) == 0x235959
    made.run(2 * SECOND)
    assert made.read("rtc", DR) & 0xFF1F3F == 0x251231
    assert read_clock(made).year == 2026


def test_an_alarm_pulls_its_line_at_its_second(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20, 12, 0, 0))
    unlock(made)
    wait(made, 1)
    made.write("rtc", ALRMAR, MASK_DATE | 0x120100)
    made.write("rtc", CR, 1 << 8 | 1 << 12)
    begin = made.cycles
    made.run(59 * SECOND)
    assert not made.space.signal("exti_line17")
    made.run(SECOND)
    assert made.space.signal("exti_line17")
    assert made.cycles - begin == 60 * SECOND
    assert made.read("rtc", ISR) & ALRAF
    made.write("rtc", ISR, ~(ALRAF | INIT) & 0xFFFFFFFF)
    assert not made.space.signal("exti_line17")


def test_an_alarm_on_every_second_comes_every_second(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20))
    unlock(made)
    made.write("rtc", ALRMAR, MASK_DATE | MASK_HOURS | MASK_MINUTES | MASK_SECONDS)
    rises: list[int] = []
    made.space.on_signal("exti_line17", lambda up: rises.append(made.cycles) if up else None)
    made.write("rtc", CR, 1 << 8 | 1 << 12)
    for _ in range(5):
        made.run(SECOND)
        made.write("rtc", ISR, ~(ALRAF | INIT) & 0xFFFFFFFF)
    assert len(rises) == 5
    assert {later - earlier for earlier, later in pairwise(rises)} == {SECOND}


def test_an_alarm_can_compare_subseconds(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20))
    unlock(made)
    made.write("rtc", ALRMAR, MASK_DATE | MASK_HOURS | MASK_MINUTES | MASK_SECONDS)
    made.write("rtc", ALRMASSR, 6 << 24 | 63)  # four times a second
    rises: list[int] = []
    made.space.on_signal("exti_line17", lambda up: rises.append(made.cycles) if up else None)
    made.write("rtc", CR, 1 << 8 | 1 << 12)
    for _ in range(8):
        made.run(SECOND // 4)
        made.write("rtc", ISR, ~(ALRAF | INIT) & 0xFFFFFFFF)
    assert {b - a for a, b in pairwise(rises)} == {SECOND // 4}


@pytest.mark.parametrize(("line", "settings"), [(22, {}), (19, {"wakeup_line": 19})])
def test_the_wakeup_timer_is_periodic(line: int, settings: dict[str, int]) -> None:
    made = bench(**settings)
    unlock(made)
    wait(made, 1 << 2)
    made.write("rtc", WUTR, 2047)
    made.write("rtc", CR, 1 << 10 | 1 << 14)  # RTC / 16
    for _ in range(3):
        made.run(SECOND - 1)
        assert not made.space.signal(f"exti_line{line}")
        made.run(1)
        assert made.space.signal(f"exti_line{line}")
        made.write("rtc", ISR, ~(WUTF | INIT) & 0xFFFFFFFF)


def test_a_running_wakeup_timer_cannot_be_set(made: Bench) -> None:
    unlock(made)
    made.write("rtc", CR, 1 << 10)
    assert not made.read("rtc", ISR) & 1 << 2
    made.write("rtc", WUTR, 1)
    assert made.read("rtc", WUTR) == 0xFFFF


def test_summer_time_moves_the_hour(made: Bench) -> None:
    set_clock(made, datetime(2026, 3, 29, 1, 59, 59))
    unlock(made)
    made.write("rtc", CR, 1 << 16)
    assert read_clock(made) == datetime(2026, 3, 29, 2, 59, 59)
    assert made.read("rtc", CR) == 0


def test_a_shift_moves_the_second(made: Bench) -> None:
    set_clock(made, datetime(2026, 3, 29))
    unlock(made)
    made.write("rtc", SHIFTR, 1 << 31)
    assert read_clock(made) == datetime(2026, 3, 29, 0, 0, 1)


def test_a_reset_of_the_chip_keeps_time_and_backup_registers(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20, 12, 0, 0))
    made.write("rtc", BKP0R, 0x32F2)
    made.run(SECOND)
    made.space.reset()
    made.run(SECOND)
    assert made.read("rtc", BKP0R) == 0x32F2
    assert read_clock(made) == datetime(2026, 11, 20, 12, 0, 2)


def test_a_reset_of_the_backup_domain_forgets_them(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20, 12, 0, 0))
    made.write("rtc", BKP0R, 0x32F2)
    made["rtc"].reset()
    assert made.read("rtc", BKP0R) == 0
    assert read_clock(made) == datetime(2000, 1, 1)


def test_without_a_clock_time_stands(made: Bench) -> None:
    set_clock(made, datetime(2026, 11, 20, 12, 0, 0))
    made.space.clocks.change({"rtc": 0})
    made.run(100 * SECOND)
    assert read_clock(made) == datetime(2026, 11, 20, 12, 0, 0)
