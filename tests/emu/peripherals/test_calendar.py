"""Date and time in BCD against Python's own calendar, and alarms against counting seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from emu.peripherals.calendar import (
    BY_WEEKDAY,
    DAY_SECONDS,
    MASK_DATE,
    MASK_HOURS,
    MASK_MINUTES,
    MASK_SECONDS,
    PM,
    Moment,
)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(
    lambda when: when.replace(microsecond=0)
)


def registers(when: datetime) -> tuple[int, int]:
    time = int(when.strftime("%H%M%S"), 16)
    return time, int(when.strftime("%y%m%d"), 16) | when.isoweekday() << 13


@given(moments, st.integers(0, 10**9))
def test_any_time_later_is_what_datetime_says(when: datetime, seconds: int) -> None:
    later = when + timedelta(seconds=seconds)
    if later.year < 2100:
        found = Moment.of(*registers(when)).later(seconds)
        assert (found.time_register(), found.date_register()) == registers(later)


@given(moments)
def test_twelve_hours_have_a_flag_for_the_afternoon(when: datetime) -> None:
    time, date = registers(when)
    moment = Moment.of(time, date)
    twelve = moment.time_register(twelve_hours=True)
    assert bool(twelve & PM) == (when.hour >= 12)
    assert twelve >> 16 & 0x3F == int(when.strftime("%I"), 16)
    assert Moment.of(twelve, date, twelve_hours=True) == moment


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_any_bits_are_some_date(time: int, date: int) -> None:
    moment = Moment.of(time, date)
    moment.date_register()
    assert 0 <= moment.second < 86_400


@settings(deadline=None, max_examples=60)
@given(
    when=moments,
    goal=moments,
    distance=st.integers(0, 20_000),
    masks=st.lists(
        st.sampled_from([MASK_SECONDS, MASK_MINUTES, MASK_HOURS, MASK_DATE, BY_WEEKDAY]),
        max_size=4,
    ),
)
def test_an_alarm_is_where_counting_seconds_finds_it(
    when: datetime, goal: datetime, distance: int, masks: list[int]
) -> None:
    goal = when + timedelta(seconds=distance) if when.year < 2099 else goal
    time, date = registers(goal)
    flags = sum(set(masks))
    day = goal.isoweekday() if flags & BY_WEEKDAY else date & 0x3F
    alarm = time | day << 24 | flags
    start = Moment.of(*registers(when))
    found = start.seconds_to(alarm)
    assert found is not None
    assert start.later(found).matches(alarm)
    naive = next((n for n in range(25_000) if start.later(n).matches(alarm)), None)
    assert naive is None or found == naive


def test_a_date_that_no_month_has_never_comes() -> None:
    assert Moment().seconds_to(0x39 << 24) is None


def test_the_century_goes_round() -> None:
    last = Moment.of(0x235959, 0x99_1231)
    assert last.later(1).date_register() & 0xFF1FFF == 0x00_0101


def test_day_0_is_shown_and_compared_until_midnight() -> None:
    # HAL's time base on an RTC alarm writes DR 0 and an alarm on day 0, 00:00:01.
    moment = Moment.of(0, 0)
    assert moment.date_register() == 0
    assert moment.seconds_to(0x01) == 1
    assert moment.later(DAY_SECONDS).date_register() & ~(7 << 13) == 0x0101
