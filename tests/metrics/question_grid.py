"""Calls of every metric on generated traffic: periods, filters, zones and viewers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.fix_pipeline import TIME_ZERO
from tests.metrics.filled import Filled
from tests.metrics.random_worlds import PARAMETERS, distinct_arguments

ZERO = TIME_ZERO.replace(tzinfo=None)
WINDOWS = (
    {"since": ZERO - timedelta(days=31, hours=5, microseconds=7), "until": ZERO},
    {"since": datetime(2026, 2, 1), "until": datetime(2026, 2, 22)},
    {"since": ZERO - timedelta(hours=30, minutes=7), "until": ZERO - timedelta(hours=27)},
)


def questions(filled: Filled) -> list[tuple[str, dict[str, Any]]]:
    """Calls of every metric about the most active people and conversations."""
    person, other = (row[0][1] for row in filled.ask("top_senders", **WINDOWS[0], top_n=2))
    rooms: list[UUID] = [
        row[0][1]
        for row in filled.ask("top_conversations", **WINDOWS[0], visible_to=person, top_n=2)
    ]
    variants: list[dict[str, Any]] = [
        {},
        {"visible_to": person, "tz": "Europe/Berlin"},
        {"include_bots": False, "every": "hourly", "tz": "Australia/Lord_Howe"},
        {"for_user": other, "every": "weekly", "sort_by": "activity"},
        {"for_conversation": rooms[0], "visible_to": person, "every": "monthly"},
        {"for_conversation": rooms[1], "for_user": person, "sort_by": "participants"},
        {"for_type": "group", "include_system": False, "tz": "Asia/Kathmandu"},
        {"for_type": "direct", "visible_to": person, "include_bots": False},
    ]
    (crowd,) = filled.ask("reply_times_by_conversation", **WINDOWS[0], top_n=1)
    mandatory = {"for_user": person, "for_conversation": crowd[0][1]}
    return [
        (metric, arguments)
        for metric in PARAMETERS
        for window in WINDOWS
        for arguments in distinct_arguments(metric, window, variants, mandatory)
    ]
