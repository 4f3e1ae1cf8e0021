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
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import tzdata

EPOCH = datetime(1970, 1, 1)
FIRST = datetime(1972, 1, 8)
HORIZON_YEAR = 2050
_HORIZON = datetime(HORIZON_YEAR + 1, 1, 1)
_OLDEST_SECONDS = -60 * 60 * 24 * 366 * 100  # a century before the epoch is old enough
_MINUTE = timedelta(minutes=1)
_STEP = timedelta(minutes=15)
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


@dataclass(frozen=True, slots=True)
class _Tzif:
    """A TZif file: the offset in minutes from each transition on, and the rule for afterwards."""

    initial: int
    transitions: list[tuple[datetime, int]]
    rule: bytes


@cache
def _changes(content: bytes) -> list[tuple[datetime | None, int]]:
    """From when a TZif file has which offset in minutes; cached, as four names in ten are links."""
    file = _read_tzif(content)
    before = [minutes for instant, minutes in file.transitions if instant <= FIRST]
    changes: list[tuple[datetime | None, int]] = [(None, before[-1] if before else file.initial)]
    explicit = [(t, minutes) for t, minutes in file.transitions if FIRST < t < _HORIZON]
    since = explicit[-1][0] if explicit else FIRST
    ruled = [(t, minutes) for t, minutes in _ruled_transitions(file.rule) if since < t < _HORIZON]
    for instant, minutes in [*explicit, *ruled]:
        if minutes != changes[-1][1]:
            changes.append((instant, minutes))
    return changes


def _read_tzif(content: bytes) -> _Tzif:
    """The 64-bit part of a TZif file (RFC 9636, section 3)."""
    header = struct.Struct(">4sc15x6l")
    _, version, isut, isstd, leaps, times, types, chars = header.unpack_from(content)
    if version < b"2":
        raise ValueError("a TZif file without 64-bit data")
    second = header.size + times * 5 + types * 6 + chars + leaps * 8 + isstd + isut
    times, types = header.unpack_from(content, second)[5:7]
    start = second + header.size
    seconds = struct.unpack_from(f">{times}q", content, start)
    kinds = content[start + times * 8 : start + times * 9]
    minutes = [
        round(struct.unpack_from(">l", content, start + times * 9 + kind * 6)[0] / 60)
        for kind in range(types)
    ]
    return _Tzif(
        initial=minutes[0],
        transitions=[
            (EPOCH + timedelta(seconds=at), minutes[kind])
            for at, kind in zip(seconds, kinds, strict=True)
            if at >= _OLDEST_SECONDS
        ],
        rule=content.rsplit(b"\n", 2)[1],
    )


@cache
def _ruled_transitions(rule: bytes) -> tuple[tuple[datetime, int], ...]:
    """The transitions that a file's last line gives, such as `CET-1CEST,M3.5.0,M10.5.0/3`.

    They are found by looking, through a zone that has nothing but the rule; one without a comma
    never changes. A rule changes the clock at most twice a year, months apart, and on a whole
    quarter-hour of UTC (if one did not, `tests/test_timezones.py` would say so).
    """
    if b"," not in rule:
        return ()
    zone = _zone_of_rule(rule)

    def offset(instant: datetime) -> int:
        shift = zone.fromutc(instant).utcoffset()
        assert shift is not None
        return shift // _MINUTE

    years = range(FIRST.year, HORIZON_YEAR + 2)
    steps = [datetime(year, month, 1, tzinfo=zone) for year in years for month in (1, 4, 7, 10)]
    found: list[tuple[datetime, int]] = []
    for (low, before), (high, after) in pairwise((step, offset(step)) for step in steps):
        if before == after:
            continue
        while high - low > _STEP:
            middle = low + (high - low) // 2 // _STEP * _STEP
            low, high = (low, middle) if offset(middle) != before else (middle, high)
        found.append((high.replace(tzinfo=None), after))
    return tuple(found)


def _zone_of_rule(rule: bytes) -> ZoneInfo:
    """A zone without a history: a TZif file that is all last line."""
    part = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 1) + bytes(7)
    return ZoneInfo.from_file(io.BytesIO(part + part + b"\n" + rule + b"\n"))
