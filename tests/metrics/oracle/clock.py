"""Buckets of local time, by reading a clock on the wall."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@cache
def zone(tz: str) -> ZoneInfo:
    """The zone as the package `tzdata` has it, never as the machine has it."""
    file = resources.files("tzdata").joinpath("zoneinfo", *tz.split("/"))
    return ZoneInfo.from_file(io.BytesIO(file.read_bytes()), key=tz)


def label(instant: datetime, every: str, tz: str) -> Any:
    """What a clock and a calendar on the wall say: equal within a bucket, later in the next one."""
    local = instant.replace(tzinfo=UTC).astimezone(zone(tz))
    if every == "hourly":
        return local.date(), local.hour, local.utcoffset()
    if every == "daily":
        return local.date()
    if every == "weekly":
        return local.date() - timedelta(days=local.weekday())
    return local.date().replace(day=1)


@lru_cache(maxsize=1000)
def starts(first_day: datetime, last_day: datetime, every: str, tz: str) -> list[datetime]:
    """Where buckets begin, by reading the clock every quarter-hour, and every minute of a
    quarter-hour in which it changes.

    Decides: an hour that the clock shows twice is two buckets, and a change in the middle of an
    hour cuts it; a day, a week, a month begins when its date is seen for the first time, and goes
    on when a clock that is set back shows the previous day again.
    """
    found, seen, instant = [], label(first_day, every, tz), first_day
    while instant < last_day:
        end = instant + QUARTER
        step = QUARTER if offset(instant, tz) == offset(end, tz) else MINUTE
        while instant < end:
            instant += step
            shown = label(instant, every, tz)
            if shown != seen if every == "hourly" else shown > seen:
                found.append(instant)
                seen = shown
    return found


def offset(instant: datetime, tz: str) -> timedelta | None:
    """Local time minus UTC."""
    return instant.replace(tzinfo=UTC).astimezone(zone(tz)).utcoffset()


def buckets(
    since: datetime, until: datetime, every: str, tz: str
) -> list[tuple[datetime, datetime]]:
    """The buckets that [since, until) meets, in order; none if it is empty."""
    around = {"hourly": 2, "daily": 3, "weekly": 9, "monthly": 33}[every] * DAY
    midnights = (datetime(t.year, t.month, t.day) for t in (since - around, until + around))
    edges = starts(*midnights, every, tz)
    pairs = pairwise(edges)
    return [(start, end) for start, end in pairs if max(start, since) < min(end, until)]
