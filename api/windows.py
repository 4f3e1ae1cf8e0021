"""Which time an answer is about: from what is asked to `[since, until)` in UTC.

`days=7` is the week that ends at the generation's `data_through`. `start` and `end` are an instant
with an offset (`2026-11-01T08:00:00+01:00`) or a date, which means local midnight in `tz`; an end
that is a date is included. Nothing lies after `data_through`, so a later end is brought back to it.

A `Period` is what was asked, checked as far as it can be without a generation; it is part of a
question's key. A `Window` is what it means in one generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from api.problems import bad_parameter
from olap.timezones import zone_names

ONE_DAY = timedelta(days=1)
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open period that an answer is about, in aware UTC."""

    since: datetime
    until: datetime

    @property
    def days(self) -> int:
        """Its length in days of 24 hours, rounded up."""
        return -((self.since - self.until) // ONE_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What was asked for.

    Attributes:
        days: days of 24 hours back from the end; None when there is a start.
        start, end: instants in UTC; no end means `data_through`.
        days_max: the longest period that may be asked.
    """

    days: int | None
    start: datetime | None
    end: datetime | None
    days_max: int

    @property
    def key(self) -> str:
        """The same text for the same period, whatever way it was written."""
        start = f"{self.days}d" if self.start is None else self.start.isoformat()
        return f"{start}~{'' if self.end is None else self.end.isoformat()}"

    def window(self, data_through: datetime) -> Window:
        """What the period is in a generation.

        Raises:
            Problem: 400, it ends before it begins, or is too long.
        """
        until = data_through if self.end is None else min(self.end, data_through)
        if self.start is None:
            assert self.days is not None
            return Window(until - self.days * ONE_DAY, until)
        if self.start > until:
            raise bad_parameter(
                "start", f"is after the end of the period, {until:%Y-%m-%dT%H:%M:%SZ}"
            )
        # A day more than the limit: dates of a leap year, and the hour of a change of clock.
        if until - self.start > (self.days_max + 1) * ONE_DAY:
            raise bad_parameter("start", f"lies more than {self.days_max} days before the end")
        return Window(self.start, until)


def period(
    *, days: int | None, start: str | None, end: str | None, tz: str, default: int, days_max: int
) -> Period:
    """Check what was asked.

    Raises:
        Problem: 400, names the parameter that cannot be used.
    """
    if days is not None and start is not None:
        raise bad_parameter("days", "and start contradict each other: give one of them")
    zone = known_zone(tz)
    first = None if start is None else _instant("start", start, zone, is_end=False)
    last = None if end is None else _instant("end", end, zone, is_end=True)
    if first is not None and last is not None and first > last:
        raise bad_parameter("start", "is after end")
    back = None if first is not None else (default if days is None else days)
    return Period(days=back, start=first, end=last, days_max=days_max)


def known_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        Problem: 400, there is none of this name.
    """
    if name not in _names():
        raise bad_parameter("tz", "must be an IANA time zone such as Europe/Berlin")
    return _zone(name)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(zone_names())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    """From the package tzdata, as `core.tz_spans` is, and not from the machine's own files."""
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with file.open("rb") as content:
        return ZoneInfo.from_file(content, key=name)


def _instant(name: str, text: str, zone: ZoneInfo, *, is_end: bool) -> datetime:
    hint = "must be a date (2026-11-01) or an instant with an offset (2026-11-01T08:00:00Z)"
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + (ONE_DAY if is_end else timedelta(0))
            # fold=0 is the day's first instant, also where midnight is skipped or comes twice.
            found = datetime.combine(day, time.min, zone).astimezone(UTC)
        else:
            # A plus sign that was not written as %2B arrives as a blank.
            given = datetime.fromisoformat(text.replace(" ", "+"))
            if given.tzinfo is None:
                raise bad_parameter(name, f"has no offset: it {hint}")
            found = given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(name, hint) from None
    if not _EARLIEST <= found <= _LATEST:
        raise bad_parameter(name, "lies outside the years 1 to 9999")
    return found
