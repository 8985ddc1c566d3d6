"""The date and time of a real-time clock, as its registers have them: BCD, years 2000 to 2099."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

DAY_SECONDS = 24 * 60 * 60
CENTURY_DAYS = (date(2100, 1, 1) - date(2000, 1, 1)).days
FIRST_DAY = date(2000, 1, 1)

# Bits of an alarm register that take a field out of the comparison [RM0385 RTC_ALRMAR].
MASK_SECONDS, MASK_MINUTES, MASK_HOURS, MASK_DATE = 1 << 7, 1 << 15, 1 << 23, 1 << 31
BY_WEEKDAY = 1 << 30
_DATE = 0xFF1F3F  # of the date register: all but the weekday
PM = 1 << 22  # of the time register and of alarms alike


def to_bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def from_bcd(value: int) -> int:
    return (value >> 4) * 10 + (value & 15)


@dataclass(frozen=True)
class Moment:
    """A second of the century.

    Attributes:
        day: days since 2000-01-01, 0-based.
        weekday: 1 Monday to 7 Sunday, as firmware set it; 0 when it never did.
        second: of the day.
        odd_date: year, month and day of DR where firmware wrote what is no date, such as day 0;
            silicon shows and compares it until midnight. None otherwise.
    """

    day: int = 0
    weekday: int = 1
    second: int = 0
    odd_date: int | None = None

    def later(self, seconds: int) -> Moment:
        """That many seconds on; the century goes round."""
        days, second = divmod(self.second + seconds, DAY_SECONDS)
        weekday = (self.weekday - 1 + days) % 7 + 1 if self.weekday else 0
        odd_date = None if days else self.odd_date
        return Moment((self.day + days) % CENTURY_DAYS, weekday, second, odd_date)

    # As registers

    @classmethod
    def of(cls, time_register: int, date_register: int, twelve_hours: bool = False) -> Moment:
        """What TR and DR say. What is no date counts on from the nearest one that is."""
        hours = from_bcd(time_register >> 16 & 0x3F)
        if twelve_hours:
            hours = hours % 12 + (12 if time_register & PM else 0)
        minutes, seconds = from_bcd(time_register >> 8 & 0x7F), from_bcd(time_register & 0x7F)
        year = 2000 + min(from_bcd(date_register >> 16 & 0xFF), 99)
        month = min(max(from_bcd(date_register >> 8 & 0x1F), 1), 12)
        day = from_bcd(date_register & 0x3F)  # 0: the day before the first
        ordinal = (date(year, month, 1) - FIRST_DAY).days + day - 1
        second = (hours * 60 + minutes) * 60 + seconds
        found = cls(ordinal % CENTURY_DAYS, date_register >> 13 & 7)
        written = date_register & _DATE
        if found.date_register() & _DATE != written:
            found = replace(found, odd_date=written)
        return found.later(second)

    def time_register(self, twelve_hours: bool = False) -> int:
        minutes, seconds = divmod(self.second, 60)
        hours, minutes = divmod(minutes, 60)
        flag = 0
        if twelve_hours:
            flag = PM if hours >= 12 else 0
            hours = (hours - 1) % 12 + 1
        return flag | to_bcd(hours) << 16 | to_bcd(minutes) << 8 | to_bcd(seconds)

    def date_register(self) -> int:
        if self.odd_date is not None:
            return self.odd_date | self.weekday << 13
        when = FIRST_DAY + timedelta(self.day)
        year, month, day = to_bcd(when.year - 2000), to_bcd(when.month), to_bcd(when.day)
        return year << 16 | self.weekday << 13 | month << 8 | day

    # Alarms

    def _day_matches(self, alarm: int) -> bool:
        if alarm & MASK_DATE:
            return True
        if alarm & BY_WEEKDAY:
            return self.weekday == alarm >> 24 & 15
        return self.date_register() & 0x3F == alarm >> 24 & 0x3F

    def matches(self, alarm: int, twelve_hours: bool = False) -> bool:
        """Whether an alarm register means this second."""
        compared = 0
        for ignored, field in (
            (MASK_SECONDS, 0x7F), (MASK_MINUTES, 0x7F00), (MASK_HOURS, 0x7F0000)
        ):  # fmt: skip
            compared |= 0 if alarm & ignored else field
        here = self.time_register(twelve_hours)
        return not (here ^ alarm) & compared and self._day_matches(alarm)

    def seconds_to(self, alarm: int, twelve_hours: bool = False) -> int | None:
        """Seconds to the first match at or after this one; None for what no month has."""
        here, passed = self, 0
        for _ in range(100):  # days: an alarm has no month, so that two of them are enough
            if here._day_matches(alarm):
                found = here._second_of_day(alarm, twelve_hours)
                if found is not None:
                    return passed + found - here.second
            passed += DAY_SECONDS - here.second
            here = here.later(DAY_SECONDS - here.second)
        return None

    def _second_of_day(self, alarm: int, twelve_hours: bool) -> int | None:
        """The first second of this day, from this one on, that the time fields match."""
        second = self.second
        while second < DAY_SECONDS:
            register = Moment(self.day, self.weekday, second).time_register(twelve_hours)
            differs = register ^ alarm
            if differs & 0x7F0000 and not alarm & MASK_HOURS:
                second = (second // 3600 + 1) * 3600
            elif differs & 0x7F00 and not alarm & MASK_MINUTES:
                second = (second // 60 + 1) * 60
            elif differs & 0x7F and not alarm & MASK_SECONDS:
                second += 1
            else:
                return second
        return None
