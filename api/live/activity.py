"""Counts of events by type, in seconds and in the minutes of the last hour.

The time of an event is when the API received it. A second is sent when it is over; what is added to
it later is sent as a further part of it. A minute is the sum of its seconds that were sent, so a
client that has the minutes and adds the seconds that follow counts each event once.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

HOUR_SECONDS = 3600
_MINUTE_SECONDS = 60
# The clocks of the API's hosts may differ by so much.
_AHEAD_SECONDS = 60


class Activity:
    """The events of the last hour. All times are in whole seconds since 1970."""

    def __init__(self) -> None:
        self._seconds: dict[int, Counter[str]] = {}
        self._minutes: dict[int, Counter[str]] = {}
        self._gap_at: int | None = None
        self._is_gap_unsent = False

    def add(self, second: int, kind: str, now: int) -> None:
        """Count an event of this type, unless it is older than an hour."""
        if now - HOUR_SECONDS <= second <= now + _AHEAD_SECONDS:
            self._seconds.setdefault(second, Counter())[kind] += 1

    def note_gap(self, second: int) -> None:
        """Events of this time were not seen."""
        self._gap_at = second
        self._is_gap_unsent = True

    def over(self, now: int) -> list[dict[str, Any]]:
        """The seconds that are over and were not sent yet, in order; they count in the minutes."""
        found = []
        for second in sorted(second for second in self._seconds if second < now):
            counts = self._seconds.pop(second)
            minute = second - second % _MINUTE_SECONDS
            self._minutes.setdefault(minute, Counter()).update(counts)
            found.append(
                {
                    "second": instant(second),
                    "counts": dict(sorted(counts.items())),
                    "has_gap": self._is_gap_unsent,
                }
            )
            self._is_gap_unsent = False
        return found

    def last_hour(self, now: int) -> dict[str, Any]:
        """The minutes of the last hour that have events, oldest first."""
        first = now - HOUR_SECONDS
        for minute in [minute for minute in self._minutes if minute <= first - _MINUTE_SECONDS]:
            del self._minutes[minute]
        return {
            "minutes": [
                {"minute": instant(minute), "counts": dict(sorted(counts.items()))}
                for minute, counts in sorted(self._minutes.items())
            ],
            "has_gap": self._gap_at is not None and self._gap_at > first,
        }


def instant(second: int) -> str:
    """`2026-11-26T12:31:00Z`"""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
