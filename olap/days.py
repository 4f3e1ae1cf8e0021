"""Arithmetic of UTC days: the lake has a file per day, the warehouse is rebuilt by days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

ONE_DAY = timedelta(days=1)

# `sqlfiles.run` binds it as infinity, so a range up to the last day includes its last microsecond.
END_OF_TIME = datetime.combine(date.max, time.max)


@dataclass(frozen=True, slots=True, order=True)
class DayRange:
    """The UTC days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        """The first instant of the range, UTC without a zone."""
        return datetime.combine(self.first, time.min)

    @property
    def until(self) -> datetime:
        """The first instant after the range; `END_OF_TIME` if the range has the last day."""
        if self.last == date.max:
            return END_OF_TIME
        return datetime.combine(self.last + ONE_DAY, time.min)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class DaySet:
    """A set of UTC days: ordered ranges that do not touch; made by `day_set`."""

    ranges: tuple[DayRange, ...]

    def __contains__(self, day: date) -> bool:
        return any(day in found for found in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __or__(self, other: DaySet) -> DaySet:
        return day_set(*self.ranges, *other.ranges)

    def __sub__(self, other: DaySet) -> DaySet:
        left: list[DayRange] = []
        for found in self.ranges:
            first: date | None = found.first
            for taken in other.ranges:
                if first is None or taken.last < first or taken.first > found.last:
                    continue
                if taken.first > first:
                    left.append(DayRange(first, taken.first - ONE_DAY))
                first = None if taken.last >= found.last else taken.last + ONE_DAY
            if first is not None:
                left.append(DayRange(first, found.last))
        return DaySet(tuple(left))

    def to_multirange(self) -> str:
        """The days as PostgreSQL's tstzmultirange; unbounded at `date.min` and `date.max`.

        So these two days include infinite times and times that the driver cannot represent.
        """
        spans = (
            f"[{'' if found.first == date.min else f'{found.first} 00:00:00+00'},"
            f"{'' if found.last == date.max else f'{found.last + ONE_DAY} 00:00:00+00'})"
            for found in self.ranges
        )
        return "{" + ",".join(spans) + "}"

    def __str__(self) -> str:
        if self == EVERY_DAY:
            return "every day"
        return ", ".join(_words(found) for found in self.ranges) or "no day"


def day_set(*ranges: DayRange) -> DaySet:
    """The union of these ranges."""
    joined: list[DayRange] = []
    for found in sorted(ranges):
        last = joined[-1].last if joined else None
        if last is not None and (last == date.max or found.first <= last + ONE_DAY):
            joined[-1] = DayRange(joined[-1].first, max(last, found.last))
        else:
            joined.append(found)
    return DaySet(tuple(joined))


def days_of(days: Iterable[date]) -> DaySet:
    """The set of these days."""
    return day_set(*(one_day(day) for day in days))


def slot_of(now: datetime, hour: int) -> datetime:
    """The last instant up to `now` at which it was this hour, from 0 to 23."""
    slot = datetime.combine(now.date(), time(hour), tzinfo=now.tzinfo)
    return slot if slot <= now else slot - ONE_DAY


def one_day(day: date) -> DayRange:
    """The range of one day."""
    return DayRange(day, day)


EVERY_DAY = DaySet((DayRange(date.min, date.max),))
NO_DAY = DaySet(())


def ranges(days: Iterable[date]) -> list[DayRange]:
    """The days as the fewest ranges of consecutive days."""
    return list(days_of(days).ranges)


def portions(days: Iterable[date], *, at_most: int = 31) -> list[list[date]]:
    """The days in order, in the fewest lists of at most `at_most` days.

    Days are rebuilt a list at a time, consecutive or not: one statement for many days uses every
    processor thread, and the limit bounds the memory of a first load.
    """
    ordered = sorted(set(days))
    return [ordered[i : i + at_most] for i in range(0, len(ordered), at_most)]


def spans(days: Iterable[date], *, at_most: int = 31, apart: int = 7) -> list[DayRange]:
    """Ranges of at most `at_most` days that cover these days and few others.

    Days at most `apart` days from each other share a range: a few days more cost less than another
    statement, and a year more costs more.
    """
    found: list[DayRange] = []
    for day in sorted(set(days)):
        last = found[-1] if found else None
        if last and (day - last.first).days < at_most and (day - last.last).days <= apart:
            found[-1] = DayRange(last.first, day)
        else:
            found.append(one_day(day))
    return found


def _words(days: DayRange) -> str:
    if days.first == date.min:
        return f"until {days.last}"
    return f"from {days.first}" + ("" if days.last == date.max else f" to {days.last}")
