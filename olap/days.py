"""Pure arithmetic of UTC days: the lake is kept by day, the warehouse rebuilt by runs of days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayRange:
    """The UTC days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        """The first instant of the range, as DuckDB's TIMESTAMP."""
        return datetime.combine(self.first, time.min)

    @property
    def until(self) -> datetime:
        """The first instant after the range; the last day there is ends with its last microsecond.

        `datetime` cannot hold the midnight after 9999-12-31, so that day's last microsecond is
        left to the next range, which does not exist.
        """
        if self.last == date.max:
            return datetime.combine(date.max, time.max)
        return datetime.combine(self.last + ONE_DAY, time.min)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def one_day(day: date) -> DayRange:
    """The range of a single day."""
    return DayRange(day, day)


def ranges(days: Iterable[date], *, at_most: int = 31) -> list[DayRange]:
    """The days as the fewest ranges of neighbours, none longer than `at_most` days.

    Rebuilding neighbours together costs about as much as rebuilding one of them; the limit keeps
    the memory of a first load bounded.
    """
    found: list[DayRange] = []
    for day in sorted(set(days)):
        current = found[-1] if found else None
        if current and day - current.last == ONE_DAY and (day - current.first).days < at_most:
            found[-1] = DayRange(current.first, day)
        else:
            found.append(one_day(day))
    return found
