"""What the page makes of the stream: events from its text, and the last hour from the events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.page.modules import Modules

NEWS = Modules("news.js")
LIVE = {"is_connected": True, "minutes": [], "has_gap": False, "until": ""}


def read(*pieces: str) -> list[list[Any]]:
    """The events that each piece of a stream completes."""
    found: list[list[Any]] = NEWS.run(
        "(pieces) => { const read = createReader(); return pieces.map(read); }", list(pieces)
    )
    return found


def after(live: Any, *news: tuple[str, Any]) -> Any:
    """What is known after some events."""
    return NEWS.run(
        "(live, news) => news.reduce(afterNews, live)",
        live,
        [{"name": name, "data": data} for name, data in news],
    )


def test_a_stream_may_be_cut_anywhere() -> None:
    """An event is read when its last byte is there; comments and what is unknown are left out."""
    text = 'retry: 3000\n\nevent: a\ndata: {"x":"é\\n"}\n\n: beat\n\nevent: b\ndata: 7\n\nevent: c'
    expected = [{"name": "a", "data": {"x": "é\n"}}, {"name": "b", "data": 7}]
    assert read(text) == [expected]
    assert [one for piece in read(*text) for one in piece] == expected


def test_seconds_are_added_to_their_minutes() -> None:
    """Each second once, in minutes in order, also if it comes in parts or before others."""
    minute = {"minute": "2026-11-26T12:30:00Z", "counts": {"a": 1}}
    seconds = [("12:31:05", {"a": 2}), ("12:30:59", {"b": 3}), ("12:31:05", {"a": 1})]
    found = after(
        LIVE,
        ("activity", {"minutes": [minute], "has_gap": False}),
        *(
            ("feed", {"second": f"2026-11-26T{at}Z", "counts": counts, "has_gap": False})
            for at, counts in seconds
        ),
    )
    assert found["minutes"] == [
        {"minute": "2026-11-26T12:30:00Z", "counts": {"a": 1, "b": 3}},
        {"minute": "2026-11-26T12:31:00Z", "counts": {"a": 3}},
    ]


def test_the_hour_is_told_again() -> None:
    """A second `activity` replaces what was known; a gap stays until then."""
    gap = ("feed", {"second": "2026-11-26T12:30:00Z", "counts": {"a": 1}, "has_gap": True})
    none = ("feed", {"second": "2026-11-26T12:30:01Z", "counts": {}, "has_gap": False})
    hour = ("activity", {"minutes": [], "has_gap": False})
    assert after(LIVE, hour, gap, none)["has_gap"] is True
    found = after(LIVE, hour, gap, hour)
    assert (found["has_gap"], found["minutes"]) == (False, [])


def test_without_a_feed_nothing_is_counted() -> None:
    """A member's page has no minutes, whatever comes; a lost stream is known as such."""
    unknown = LIVE | {"minutes": None, "is_connected": False}
    feed = ("feed", {"second": "2026-11-26T12:30:00Z", "counts": {"a": 1}, "has_gap": False})
    assert after(unknown, feed) == unknown | {"is_connected": True}
    assert after(unknown, feed, ("lost", None)) == unknown


@pytest.mark.parametrize(
    ("now", "kept"), [("12:29:59", 2), ("12:30:00", 2), ("13:29:59", 2), ("13:30:00", 1)]
)
def test_sixty_minutes_are_shown(now: str, kept: int) -> None:
    """Those up to the present one; older ones go, and what has not changed stays the same."""
    minutes = [
        {"minute": f"2026-11-26T12:{minute}:00Z", "counts": {"a": 1}} for minute in ("30", "31")
    ]
    found = NEWS.run(
        """(live, now) => {
          const shown = atMinute(live, Date.parse(now));
          const columns = minutesUntil(shown.until);
          return [shown.until, shown.minutes.length, columns[0], columns.length, columns.at(-1),
            atMinute(shown, Date.parse(now)) === shown];
        }""",
        LIVE | {"minutes": minutes},
        f"2026-11-26T{now}Z",
    )
    until = f"2026-11-26T{now[:5]}:00Z"
    hour = int(now[:2]) - 1 + (int(now[3:5]) + 1) // 60
    first = f"2026-11-26T{hour:02}:{(int(now[3:5]) + 1) % 60:02}:00Z"
    assert found == [until, kept, first, 60, until, True]
