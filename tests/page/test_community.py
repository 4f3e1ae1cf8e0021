"""The community that the page's tests look at is the same whenever they run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.page import community


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> list[tuple[Any, ...]]:
    """Its messages when `NOW` is another time; the last column, when one was deleted, left out."""
    monkeypatch.setattr(community, "NOW", now)
    return [row[:-1] for row in community.messages()]


def test_earlier_days_do_not_depend_on_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before a day is the same at its begin and at its end."""
    midnight = datetime(2026, 11, 27, tzinfo=UTC)
    early = at(monkeypatch, midnight + timedelta(minutes=3))
    late = at(monkeypatch, midnight + timedelta(hours=23, minutes=58))
    assert early == late[: len(early)]
    assert len(early) > 3000 and {row[5].date() for row in late[len(early) :]} == {midnight.date()}
