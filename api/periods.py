"""Periods: what a request asks for, the window that it is in a generation, and the earlier one.

A window is half-open. `days=7` is the week that ends at the generation's `data_through`. `start`
and `end` are an instant with an offset (`2026-11-01T08:00:00+01:00`) or a date, which means local
midnight in `tz`; an end that is a date includes that day. A later end is moved to `data_through`:
the answer says so (`is_cut`).

`whole_days` leaves nothing but whole local days of `tz`: the end moves back, and the start forward,
to the first instant of a local day. `days` then are local days: 23 or 25 hours where the clock
changes.

`compare` adds the answer for an earlier window:

* `previous`: the end moves back by the number of local days of the period, to the same local time
  of day. That number is `days`, or `hours` in days, rounded up; of a period with `start` it is the
  length by the local clock, rounded up, and at least 1.
* `year`: the end moves to the same local date and time of the year before. Weekdays are not
  aligned.

A period in `days` or `hours` keeps its length, which is one of 24-hour days. The start of a period
by `start`, or of whole days, moves as its end does, so dates are compared with dates. What is
midnight stays midnight, also where the clock skips it. A local time that comes twice is the first
of both, and one that the clock skips is as long after midnight as if it did not; where this would
leave nothing, the earlier window has the length of the period.

29 February is 28 February of the year before. A period that ends within it moves by 366 days as a
whole; one that ends with 28 February ends with that day in the year before as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from api.parameters import Comparison
from api.problems import bad_parameter
from olap.timezones import zone_names

ONE_DAY = timedelta(days=1)
ONE_HOUR = timedelta(hours=1)
_LEAP_YEAR = timedelta(days=366)
# A month and a time zone away from the first and the last instant of Python and DuckDB, so that
# every bucket that a period cuts has its own.
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open period of an answer, in aware UTC."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """The time that passes."""
        return self.until - self.since

    @property
    def days(self) -> int:
        """The length in days, rounded up; the hour by which a clock is set back makes no day."""
        return _rounded_up(max(self.length - ONE_HOUR, min(self.length, ONE_HOUR)), ONE_DAY)

    @property
    def hours(self) -> int:
        """The length in hours, rounded up."""
        return _rounded_up(self.length, ONE_HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period as requested, before it is bound to a generation.

    Attributes:
        length: back from the end; None if there is a start.
        start, end: instants in UTC; without an end the period ends at `data_through`.
        days_max: the longest period that is allowed.
        tz: the zone of local days.
        whole_days: whether it is rounded to whole local days.
        compare: which earlier window is answered as well.
    """

    length: timedelta | None
    start: datetime | None
    end: datetime | None
    days_max: int
    tz: str
    whole_days: bool = False
    compare: Comparison | None = None

    @property
    def key(self) -> str:
        """The same text for the same period, however it was written."""
        end = "" if self.end is None else self.end.isoformat()
        parts = [f"{self._beginning}~{end}"]
        parts += ["whole_days"] if self.whole_days else []
        parts += [self.compare] if self.compare else []
        return "+".join(parts if len(parts) == 1 else [*parts, self.tz])

    @property
    def _beginning(self) -> str:
        if self.start is not None:
            return self.start.isoformat()
        assert self.length is not None
        is_whole = not self.length % ONE_DAY
        return f"{self.length // ONE_DAY}d" if is_whole else f"{self.length // ONE_HOUR}h"

    def window(self, data_through: datetime) -> Window:
        """The period in a generation.

        Raises:
            Problem: 400, it ends before it begins, is too long, or has no whole day.
        """
        until = data_through if self.end is None else min(self.end, data_through)
        if self.start is None:
            assert self.length is not None
            if until - _EARLIEST < self.length:
                days = _rounded_up(self.length, ONE_DAY)
                raise bad_parameter("end", f"is too early for a period of {days} days")
            if not self.whole_days:
                return Window(until - self.length, until)
            zone = known_zone(self.tz)
            last = _floor(until, zone)
            first_date = last.astimezone(zone).date() - self.length
            return Window(day_start(first_date, zone), last)
        if self.start > until:
            raise bad_parameter(
                "start", f"is after the end of the period, {until:%Y-%m-%dT%H:%M:%SZ}"
            )
        # A day more than the limit: dates of a leap year, and the hour of a clock change.
        if until - self.start > (self.days_max + 1) * ONE_DAY:
            raise bad_parameter("start", f"is more than {self.days_max} days before the end")
        if not self.whole_days:
            return Window(self.start, until)
        zone = known_zone(self.tz)
        whole = Window(_ceiling(self.start, zone), _floor(until, zone))
        if whole.since >= whole.until:
            raise bad_parameter("whole_days", f"leaves nothing: no whole day of {self.tz} is in it")
        return whole

    def is_cut(self, data_through: datetime) -> bool:
        """Whether the end is moved because there are no data up to it yet."""
        return self.end is not None and self.end > data_through

    def earlier(self, window: Window) -> Window:
        """The earlier window with which a window of this period is compared.

        The window must be some years away from the first one of `datetime`.
        """
        zone = known_zone(self.tz)
        start, end = _local(window.since, zone), _local(window.until, zone)
        keeps_length = self.length is not None and not self.whole_days
        if self.compare is Comparison.YEAR:
            moved_start, moved_end = _a_year_before(start, end)
        else:
            length = self.length if self.length is not None else end - start
            back = max(1, _rounded_up(length, ONE_DAY)) * ONE_DAY
            moved_start, moved_end = start - back, end - back
        since, until = _instant_of(moved_start, zone), _instant_of(moved_end, zone)
        if keeps_length or since >= until:
            since = until - window.length
        return Window(since, until)


def period(
    *,
    days: int | None,
    start: str | None,
    end: str | None,
    tz: str,
    default: int,
    days_max: int,
    hours: int | None = None,
    whole_days: bool = False,
    compare: Comparison | None = None,
) -> Period:
    """The period of these parameters, of which `days` and `hours` are already within their limits.

    Args:
        default: its days, if nothing says where it begins.

    Raises:
        Problem: 400, it names the parameter that cannot be used.
    """
    beginnings = {"days": days, "hours": hours, "start": start}
    name, *others = [name for name, value in beginnings.items() if value is not None] or ["days"]
    if others:
        raise bad_parameter(name, f"and {others[0]} exclude each other: give one of them")
    if hours is not None and whole_days:
        raise bad_parameter("hours", "and whole_days exclude each other: give days")
    zone = known_zone(tz)
    first = None if start is None else _instant("start", start, zone, is_end=False)
    last = None if end is None else _instant("end", end, zone, is_end=True)
    # A date as end is the midnight after it, which may be the start itself.
    if first is not None and last is not None and first >= last:
        raise bad_parameter("start", "is not before end")
    length = hours * ONE_HOUR if hours is not None else (days or default) * ONE_DAY
    return Period(
        length=length if first is None else None,
        start=first,
        end=last,
        days_max=days_max,
        tz=tz,
        whole_days=whole_days,
        compare=compare,
    )


def known_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        Problem: 400, there is no zone of this name.
    """
    if name not in _zone_names():
        raise bad_parameter("tz", "must be an IANA time zone such as Europe/Berlin")
    return _zone(name)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC."""
    # fold=0 is the first instant, also where midnight is skipped or occurs twice.
    return _instant_of(datetime.combine(day, time.min), zone)


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(zone_names())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    """From the package tzdata, as `core.tz_spans` is, not from the machine's own files."""
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as content:
        return ZoneInfo.from_file(content, key=name)


def _instant(name: str, text: str, zone: ZoneInfo, *, is_end: bool) -> datetime:
    hint = "must be a date (2026-11-01) or an instant with an offset (2026-11-01T08:00:00Z)"
    try:
        if len(text) == 10:
            found = day_start(date.fromisoformat(text) + (ONE_DAY if is_end else 0 * ONE_DAY), zone)
        else:
            # A plus sign that is not written as %2B arrives as a blank.
            given = datetime.fromisoformat(text.replace(" ", "+"))
            if given.tzinfo is None:
                raise bad_parameter(name, f"has no offset: it {hint}")
            found = given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(name, hint) from None
    if not _EARLIEST <= found <= _LATEST:
        raise bad_parameter(name, "is outside the years 2 to 9998")
    return found


def _rounded_up(length: timedelta, unit: timedelta) -> int:
    return -(-length // unit)


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The local time of an instant, without its zone; midnight for the first one of a day."""
    local = instant.astimezone(zone)
    if instant == day_start(local.date(), zone):
        return datetime.combine(local.date(), time.min)
    return local.replace(tzinfo=None, fold=0)


def _instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _floor(instant: datetime, zone: ZoneInfo) -> datetime:
    """The last first instant of a local day that is not after an instant."""
    day = instant.astimezone(zone).date()
    while (start := day_start(day, zone)) > instant:
        day -= ONE_DAY
    return start


def _ceiling(instant: datetime, zone: ZoneInfo) -> datetime:
    """The first first instant of a local day that is not before an instant."""
    day = instant.astimezone(zone).date()
    # Twice where a clock that is set back shows the day before again.
    while (start := day_start(day, zone)) < instant:
        day += ONE_DAY
    return start


def _a_year_before(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """A local period on the same dates of the year before."""
    if (end.month, end.day) != (2, 29):
        return _same_date_before(start), _same_date_before(end)
    if end.time() == time.min:
        # Its last day is 28 February; a year before that is the last day of the month.
        return _same_date_before(start), datetime(end.year - 1, 3, 1)
    return start - _LEAP_YEAR, end - _LEAP_YEAR


def _same_date_before(local: datetime) -> datetime:
    is_leap_day = (local.month, local.day) == (2, 29)
    return local.replace(year=local.year - 1, day=28 if is_leap_day else local.day)
