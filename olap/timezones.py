"""The rows of `core.tz_spans`: which offset each time zone has when, from one tz database.

A join on this table is several times faster than ICU, returns the same in every DuckDB version, and
shows where a local day begins. The source is the package `tzdata`. Its files have the TZif format
(RFC 9636): explicit transitions while the history of a zone is irregular (Berlin's end in 1996),
then a rule in the footer. The rule is expanded through `zoneinfo` from the last explicit transition
to the end of `HORIZON_YEAR`.

Spans begin in January 1972, when Liberia gave up the last offset with a fraction of a minute. The
first span of a zone has no beginning, and the last one no end.
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
_OLDEST_SECONDS = -60 * 60 * 24 * 366 * 100  # older transitions are ignored
_MINUTE = timedelta(minutes=1)
_STEP = timedelta(minutes=15)
VERSION: str = tzdata.IANA_VERSION


@dataclass(frozen=True, slots=True)
class Span:
    """A constant offset of one zone over [from_utc, to_utc); None = unbounded."""

    tz: str
    from_utc: datetime | None
    to_utc: datetime | None
    offset_minutes: int


@cache
def zone_names() -> tuple[str, ...]:
    """Every IANA name of the tz database, links included."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return tuple(sorted(listed.split()))


@cache
def spans() -> tuple[Span, ...]:
    """The spans of all zones, by name and time; those of a zone have no gap."""
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
    """A TZif file: offsets in minutes, each from a transition on, and the rule after the last."""

    initial: int
    transitions: list[tuple[datetime, int]]
    rule: bytes


@cache
def _changes(content: bytes) -> list[tuple[datetime | None, int]]:
    """Each change of a TZif file: instant and new offset in minutes.

    Cached, because four names in ten are links to the same content.
    """
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
    """The transitions of a footer rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.

    They are found by bisection on a zone that consists of the rule alone; a rule without a comma
    has none. A rule changes the clock at most twice a year, months apart, and at the start of a
    quarter-hour of UTC (`tests/test_timezones.py` checks this).
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
    """A zone without history: a TZif file that has only a footer."""
    part = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 1) + bytes(7)
    return ZoneInfo.from_file(io.BytesIO(part + part + b"\n" + rule + b"\n"))
