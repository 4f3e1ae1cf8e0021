"""The table `core.tz_spans`: when each time zone had which offset, from one tz database.

Zone arithmetic by a join on this table is several times faster than ICU, gives the same answer in
every DuckDB version, and can be read by whoever doubts a local day. The source is the package
`tzdata`, whose files are in the TZif format (RFC 9636): explicit transitions while a zone's history
is irregular (Berlin's end in 1996), then a rule in the file's footer. The rule is followed from the
last explicit transition to the end of `HORIZON_YEAR` through `zoneinfo`.

Spans begin in January 1972, when Liberia gave up the last offset of a fraction of a minute. The
first span of a zone reaches back without end and the last one forward without end.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import tzdata

EPOCH = datetime(1970, 1, 1)
FIRST = datetime(1972, 1, 8)
HORIZON_YEAR = 2050
_HORIZON = datetime(HORIZON_YEAR + 1, 1, 1)
VERSION: str = tzdata.IANA_VERSION


@dataclass(frozen=True, slots=True)
class Span:
    """One zone's constant offset over [from_utc, to_utc); null = without end."""

    tz: str
    from_utc: datetime | None
    to_utc: datetime | None
    offset_minutes: int


@cache
def zone_names() -> tuple[str, ...]:
    """Every IANA name in the tz database, links included."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return tuple(sorted(listed.split()))


@cache
def spans() -> tuple[Span, ...]:
    """The spans of all zones, by name and time; those of one zone follow without a gap."""
    return tuple(span for name in zone_names() for span in _spans_of(name))


def _spans_of(name: str) -> list[Span]:
    content = resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    changes = _changes(content)
    ends = [instant for instant, _ in changes[1:]]
    return [
        Span(name, start, end, minutes)
        for (start, minutes), end in zip(changes, [*ends, None], strict=True)
    ]


@cache
def _changes(content: bytes) -> list[tuple[datetime | None, int]]:
    """From when a TZif file has which offset in minutes; cached, as four names in ten are links."""
    zone = ZoneInfo.from_file(io.BytesIO(content))

    def offset(instant: datetime) -> int:
        local = instant.replace(tzinfo=UTC).astimezone(zone)
        shift = local.utcoffset()
        assert shift is not None
        return round(shift.total_seconds() / 60)

    explicit = [t for t in _transitions(content) if FIRST < t < _HORIZON]
    ruled = _ruled_transitions(content, offset, since=explicit[-1] if explicit else FIRST)
    changes: list[tuple[datetime | None, int]] = [(None, offset(FIRST))]
    for instant in [*explicit, *ruled]:
        after = offset(instant)
        if after != changes[-1][1]:
            changes.append((instant, after))
    return changes


def _transitions(content: bytes) -> list[datetime]:
    """The instants at which a TZif file's local time changes, UTC (RFC 9636, section 3)."""
    header = struct.Struct(">4sc15x6l")
    _, version, isut, isstd, leap, times, types, chars = header.unpack_from(content)
    if version < b"2":
        raise ValueError("a TZif file without 64-bit data")
    skip = times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    second = header.size + skip
    count = header.unpack_from(content, second)[5]
    seconds = struct.unpack_from(f">{count}q", content, second + header.size)
    latest = (_HORIZON - EPOCH).total_seconds()
    return [EPOCH + timedelta(seconds=s) for s in seconds if 0 < s < latest]


def _ruled_transitions(
    content: bytes, offset: Callable[[datetime], int], *, since: datetime
) -> list[datetime]:
    """The transitions after `since`, found by looking: a footer holds a rule, or none (no comma).

    A rule changes the clock at most twice a year, months apart, and always on a whole minute.
    """
    footer = content.rsplit(b"\n", 2)[1]
    if b"," not in footer:
        return []
    months = (datetime(y, m, 1) for y in range(since.year, HORIZON_YEAR + 1) for m in range(1, 13))
    steps = [since, *(month for month in months if month > since), _HORIZON]
    found: list[datetime] = []
    for (low, before), (high, after) in pairwise((step, offset(step)) for step in steps):
        if before == after:
            continue
        while high - low > timedelta(minutes=1):
            middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
            low, high = (low, middle) if offset(middle) != before else (middle, high)
        found.append(high)
    return found
