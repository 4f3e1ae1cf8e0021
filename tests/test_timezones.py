"""The rows of `core.tz_spans` equal `zoneinfo`, which reads the same files with other code."""

from __future__ import annotations

import io
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olap.timezones import FIRST, HORIZON_YEAR, Span, spans, zone_names

MICROSECOND = timedelta(microseconds=1)
ODD_UNTIL = datetime(1979, 10, 1, 10, 40)  # the last offset that is no multiple of 15 minutes
HORIZON = datetime(HORIZON_YEAR + 1, 1, 1) - MICROSECOND

SPANS: dict[str, list[Span]] = {
    tz: list(found) for tz, found in groupby(spans(), key=lambda span: span.tz)
}


@cache
def zone(tz: str) -> ZoneInfo:
    """The zone of the package `tzdata`, not that of the operating system."""
    file = resources.files("tzdata").joinpath("zoneinfo", *tz.split("/"))
    return ZoneInfo.from_file(io.BytesIO(file.read_bytes()), key=tz)


def minutes_by_zoneinfo(tz: str, instant: datetime) -> float:
    """The offset of zoneinfo for an instant in UTC."""
    offset = instant.replace(tzinfo=UTC).astimezone(zone(tz)).utcoffset()
    assert offset is not None
    return offset / timedelta(minutes=1)


def minutes_by_spans(tz: str, instant: datetime) -> int:
    """The offset of the span of an instant in UTC."""
    starts = [span.from_utc or datetime(1, 1, 1) for span in SPANS[tz]]
    return SPANS[tz][bisect_right(starts, instant) - 1].offset_minutes


def test_every_zone_of_the_package_is_there() -> None:
    """The zones are exactly those of `tzdata`, links included."""
    root = resources.files("tzdata").joinpath("zones")
    listed = root.read_text(encoding="utf-8").split()
    assert len(listed) == len(set(listed)) > 500
    assert list(zone_names()) == sorted(listed) == list(SPANS)


def test_each_zone_appears_in_one_piece() -> None:
    """The spans of a zone are consecutive."""
    assert len(SPANS) == len([tz for tz, _ in groupby(spans(), key=lambda span: span.tz)])


def test_spans_cover_all_time_once() -> None:
    """The spans of a zone are unbounded at both ends and have neither gap nor overlap."""
    for tz, found in SPANS.items():
        assert found[0].from_utc is None, tz
        assert found[-1].to_utc is None, tz
        for left, right in pairwise(found):
            assert left.to_utc == right.from_utc, tz
        starts = [span.from_utc for span in found if span.from_utc is not None]
        assert starts == sorted(set(starts)), tz
        assert len(starts) == len(found) - 1, tz


def test_a_span_ends_only_where_the_offset_changes() -> None:
    """Neighbours differ: a change of name or daylight flag alone begins no span."""
    for tz, found in SPANS.items():
        for left, right in pairwise(found):
            assert left.offset_minutes != right.offset_minutes, (tz, right.from_utc)


def test_every_edge_is_where_zoneinfo_changes() -> None:
    """At each edge zoneinfo has the new offset, a microsecond before it the old one."""
    for tz, found in SPANS.items():
        for left, right in pairwise(found):
            edge = right.from_utc
            assert edge is not None
            assert minutes_by_zoneinfo(tz, edge - MICROSECOND) == left.offset_minutes, (tz, edge)
            assert minutes_by_zoneinfo(tz, edge) == right.offset_minutes, (tz, edge)


def test_no_change_is_missed() -> None:
    """In the middle of every month from 1972 to the horizon each zone has zoneinfo's offset."""
    months = [
        datetime(year, month, 15, 12)
        for year in range(FIRST.year, HORIZON_YEAR + 1)
        for month in range(1, 13)
    ]
    wrong = [
        (tz, instant)
        for tz in zone_names()
        for instant in months
        if minutes_by_zoneinfo(tz, instant) != minutes_by_spans(tz, instant)
    ]
    assert wrong == []


@given(st.sampled_from(zone_names()), st.datetimes(FIRST, HORIZON))
def test_any_zone_at_any_instant_has_zoneinfos_offset(tz: str, instant: datetime) -> None:
    """From January 1972 to the horizon the offset is that of zoneinfo."""
    assert minutes_by_spans(tz, instant) == minutes_by_zoneinfo(tz, instant)


def test_offsets_are_quarter_hours() -> None:
    """Rollups by quarter-hour serve every zone: since October 1979 all offsets are multiples."""
    odd = [span for span in spans() if span.offset_minutes % 15]
    assert odd == [Span("Pacific/Kiritimati", None, ODD_UNTIL, -640)]


def test_a_quarter_hour_is_cut_by_one_change_at_most() -> None:
    """A rollup has at most one more row for a quarter-hour within which a clock changed."""
    changes = {span.from_utc for span in spans() if span.from_utc and span.from_utc > ODD_UNTIL}
    cuts = [change for change in changes if change.minute % 15 or change.second]
    cut_quarter_hours = [
        change.replace(minute=change.minute // 15 * 15, second=0) for change in cuts
    ]
    assert len(cuts) == len(set(cut_quarter_hours)) > 0
    assert max(cuts) == datetime(2022, 10, 1, 16, 1)  # Casey's, the last until now


@pytest.mark.parametrize(
    ("tz", "instant", "before", "after"),
    [
        pytest.param("Europe/Berlin", datetime(2026, 3, 29, 1), 60, 120, id="Berlin, spring"),
        pytest.param("Europe/Berlin", datetime(2026, 10, 25, 1), 120, 60, id="Berlin, autumn"),
        pytest.param("Europe/Berlin", datetime(2049, 10, 31, 1), 120, 60, id="Berlin, by rule"),
        pytest.param("America/New_York", datetime(2026, 3, 8, 7), -300, -240, id="New York"),
        pytest.param("Pacific/Chatham", datetime(2026, 4, 4, 14), 825, 765, id="Chatham"),
        pytest.param("Australia/Lord_Howe", datetime(2026, 4, 4, 15), 660, 630, id="30 minutes"),
        pytest.param("America/St_Johns", datetime(2026, 3, 8, 5, 30), -210, -150, id="St. John's"),
        pytest.param("Africa/Cairo", datetime(2023, 4, 27, 22), 120, 180, id="Cairo, again"),
        pytest.param("Africa/Cairo", datetime(2026, 10, 29, 21), 180, 120, id="Cairo, midnight"),
        pytest.param("Pacific/Apia", datetime(2011, 12, 30, 10), -600, 840, id="a day left out"),
        pytest.param("Asia/Kathmandu", datetime(1985, 12, 31, 18, 30), 330, 345, id="Nepal"),
    ],
)
def test_known_changes(tz: str, instant: datetime, before: int, after: int) -> None:
    """Known legal changes of the clock happen to the minute."""
    assert minutes_by_spans(tz, instant - MICROSECOND) == before
    assert minutes_by_spans(tz, instant) == after


@pytest.mark.parametrize(("tz", "minutes"), [("Asia/Kathmandu", 345), ("UTC", 0)])
def test_zones_that_never_change_again(tz: str, minutes: int) -> None:
    """A zone without daylight time keeps one offset from 1986 on."""
    last = SPANS[tz][-1]
    assert (last.to_utc, last.offset_minutes) == (None, minutes)
    assert last.from_utc is None or last.from_utc < datetime(1986, 1, 2)
