"""Periods and buckets at changes of the clock, leap days and midnights, and wrong arguments."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pytest

from olap.warehouse import Warehouse
from tests.metrics import oracle
from tests.metrics.filled import Filled, expected, filled_with
from tests.metrics.oracle.world import Conversation, Event, Message, Participant, User, World
from tests.metrics.random_worlds import INTERVALS, PARAMETERS, ROOMS, arguments_of

MICROSECOND = timedelta(microseconds=1)
# The instants at which the clocks change, by law; those of Kathmandu do not. Casey changed its
# clocks a minute past the hour until 2022.
CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1)),
    "America/St_Johns": (datetime(2026, 3, 8, 5, 30), datetime(2026, 11, 1, 4, 30)),
    "Asia/Kathmandu": (datetime(2026, 3, 28, 18, 15), datetime(2026, 10, 24, 18, 15)),
    "Pacific/Chatham": (datetime(2026, 4, 4, 14), datetime(2026, 9, 26, 14)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15), datetime(2026, 10, 3, 15, 30)),
    "Africa/Cairo": (datetime(2026, 4, 23, 22), datetime(2026, 10, 29, 21)),
    "Antarctica/Casey": (datetime(2021, 10, 2, 16, 1), datetime(2022, 10, 1, 16, 1)),
}


def busy(*instants: datetime) -> World:
    """A message and an event at each instant."""
    return World(
        data_through=max(instants) + timedelta(days=1),
        messages=[
            Message(n, instant, ROOMS[0], 1, "text", 1, None) for n, instant in enumerate(instants)
        ],
        events=[Event(instant, "odd", ROOMS[0], 1) for instant in instants],
    )


@pytest.mark.parametrize("tz", CHANGES)
def test_changes_of_the_clock(tz: str, empty_warehouse: Warehouse) -> None:
    """Around both changes of the year every kind of bucket equals the oracle's."""
    for change in CHANGES[tz]:
        steps = [timedelta(minutes=n) for n in (*range(-1650, 1651, 45), -7, -1, 0, 1, 7)]
        instants = [change + step + shift for step in steps for shift in (-MICROSECOND, 0 * step)]
        world = busy(*instants)
        with filled_with(empty_warehouse, world) as filled:
            for every in INTERVALS:
                for since, until in (
                    (change - timedelta(days=2), change + timedelta(days=2)),
                    # begins in the hour that is skipped, or in the one that comes twice
                    (change, change + timedelta(hours=1)),
                    (change + timedelta(minutes=20), change + timedelta(hours=30, minutes=7)),
                    (change - timedelta(hours=25, minutes=1), change - MICROSECOND),
                ):
                    asked = {"since": since, "until": until, "every": every, "tz": tz}
                    for metric in ("message_timeline", "event_timeline"):
                        answer = expected(oracle.metric(metric)(world, **asked))
                        assert filled.ask(metric, **asked) == answer, (metric, asked)
                        assert answer


@pytest.mark.parametrize("tz", [*CHANGES, "UTC"])
def test_every_message_is_in_its_bucket(tz: str, empty_warehouse: Warehouse) -> None:
    """Timelines of a user, of a conversation, of a viewer and without bots equal the oracle's, with
    messages day and night on both sides of midnight."""
    change = CHANGES.get(tz, CHANGES["Europe/Berlin"])[0]
    instants = [change + timedelta(minutes=20 * n, microseconds=-(n % 2)) for n in range(-250, 251)]
    long_ago = change - timedelta(days=99)
    world = replace(
        busy(*instants),
        users=[User(1, "ann", False, long_ago, None)],
        conversations=[Conversation(ROOMS[0], "group", None, long_ago)],
        participants=[Participant(ROOMS[0], 1, long_ago, None)],
    )
    equal_filters: list[dict[str, Any]] = [
        {"for_user": 1},
        {"for_conversation": ROOMS[0]},
        {"visible_to": 1},
        {"visible_to": 1, "for_user": 1},
        {"include_bots": False},
        {},
    ]
    window = {"since": instants[20] + MICROSECOND, "until": instants[-20], "tz": tz}
    with filled_with(empty_warehouse, world) as filled:
        for every in INTERVALS:
            answers = []
            for filters in equal_filters:
                asked = {**window, "every": every, **filters}
                answers.append(filled.ask("message_timeline", **asked))
                answer = oracle.metric("message_timeline")(world, **asked)
                assert answers[-1] == expected(answer), asked
            assert answers.count(answers[0]) == len(answers)
            assert sum(dict(row)["count"] for row in answers[0]) == 460


def hours(filled: Filled, first: datetime, last: datetime, tz: str) -> list[timedelta]:
    """The lengths of the days from one first instant to another."""
    rows = filled.ask("message_timeline", since=first, until=last, every="daily", tz=tz)
    begun = [dict(row)["timestamp"] for row in rows] + [last]
    assert [dict(row)["is_partial"] for row in rows] == [False] * len(rows)
    return [end - start for start, end in pairwise(begun)]


@pytest.mark.parametrize(
    ("tz", "first", "last", "length"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 23), datetime(2026, 3, 29, 22), 23),
        ("Europe/Berlin", datetime(2026, 10, 24, 22), datetime(2026, 10, 25, 23), 25),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 13, 30), datetime(2026, 10, 4, 13), 23.5),
        ("Pacific/Chatham", datetime(2026, 4, 4, 10, 15), datetime(2026, 4, 5, 11, 15), 25),
        ("Africa/Cairo", datetime(2026, 4, 23, 22), datetime(2026, 4, 24, 21), 23),
        ("America/St_Johns", datetime(2026, 3, 8, 3, 30), datetime(2026, 3, 9, 2, 30), 23),
        ("Asia/Kathmandu", datetime(2026, 3, 28, 18, 15), datetime(2026, 3, 29, 18, 15), 24),
    ],
)
def test_days_have_their_legal_length(
    tz: str, first: datetime, last: datetime, length: float, empty_warehouse: Warehouse
) -> None:
    """A local day on which the clock changes has 23, 23.5 or 25 hours, counted by hand."""
    with filled_with(empty_warehouse, busy(first)) as filled:
        assert hours(filled, first, last, tz) == [timedelta(hours=length)]


def test_a_leap_day_is_a_day(empty_warehouse: Warehouse) -> None:
    """29 February is a bucket of its own and part of February."""
    world = busy(*(datetime(2024, 2, day, 23, 59, 59, 999999) for day in (27, 28, 29)))
    asked = {"since": datetime(2024, 2, 1), "until": datetime(2024, 3, 1)}
    with filled_with(empty_warehouse, world) as filled:
        days = filled.ask("message_timeline", **asked)
        assert len(days) == 29
        assert dict(days[-1]) == {
            "timestamp": datetime(2024, 2, 29),
            "count": 1,
            "is_partial": False,
        }
        (month,) = filled.ask("message_timeline", **asked, every="monthly")
        assert dict(month) == {
            "timestamp": datetime(2024, 2, 1),
            "count": 3,
            "is_partial": False,
        }


@pytest.mark.parametrize(
    "instant", [datetime(2026, 3, 1), datetime(2026, 3, 1, 12, 7), datetime(2026, 3, 1, 12, 15)]
)
def test_one_microsecond(instant: datetime, empty_warehouse: Warehouse) -> None:
    """A period of one microsecond has what happened in it, and neither neighbour."""
    world = busy(instant - MICROSECOND, instant, instant, instant + MICROSECOND)
    asked = {"since": instant, "until": instant + MICROSECOND}
    with filled_with(empty_warehouse, world) as filled:
        for metric in PARAMETERS:
            arguments = arguments_of(metric, asked)
            answer = expected(oracle.metric(metric)(world, **arguments))
            assert filled.ask(metric, **arguments) == answer, metric
        (stats,) = filled.ask("message_stats", **asked)
        assert dict(stats)["total_messages"] == 2


@pytest.mark.parametrize("instant", [datetime(2026, 3, 1), datetime(2026, 3, 1, 12, 7)])
def test_an_empty_period_is_empty(instant: datetime, empty_warehouse: Warehouse) -> None:
    """until = since returns zeros, empty lists and no bucket."""
    world = busy(instant, instant - timedelta(days=1))
    asked = {"since": instant, "until": instant}
    with filled_with(empty_warehouse, world) as filled:
        for metric in PARAMETERS:
            arguments = arguments_of(metric, asked)
            answer = expected(oracle.metric(metric)(world, **arguments))
            assert filled.ask(metric, **arguments) == answer, metric
        (stats,) = filled.ask("message_stats", **asked)
        assert dict(stats)["total_messages"] == 0
        assert filled.ask("message_timeline", **asked, every="hourly") == []


WORLDS = {
    "empty": World(data_through=datetime(2026, 3, 2)),
    "busy": busy(datetime(2026, 3, 1), datetime(2026, 3, 1, 7)),
}
GOOD = {"since": datetime(2026, 2, 1), "until": datetime(2026, 3, 2)}
TIMELINES = [name for name, parameters in PARAMETERS.items() if "every" in parameters]
WRONG: list[tuple[str, dict[str, Any], str]] = [
    *(
        (metric, {"since": GOOD["until"], "until": GOOD["since"]}, "since is after until")
        for metric in PARAMETERS
        if "since" in PARAMETERS[metric]
    ),
    *(
        (metric, {"since": None}, "since is missing")
        for metric in PARAMETERS
        if "since" in PARAMETERS[metric]
    ),
    *(
        (metric, {name: wrong}, f"unknown {name}")
        for metric in TIMELINES
        for name, wrong in (("every", "yearly"), ("tz", "Europe/Nowhere"), ("tz", "UTC+1"))
    ),
    *(
        (metric, {name: None}, f"unknown {name}")
        for metric in TIMELINES
        for name in ("every", "tz")
    ),
    *((metric, {"tz": "Mars", "since": GOOD["until"]}, "unknown tz") for metric in TIMELINES),
    ("top_conversations", {"sort_by": "size"}, "unknown sort_by"),
]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    ("metric", "wrong", "message"), WRONG, ids=[f"{m}-{next(iter(w))}" for m, w, _ in WRONG]
)
def test_wrong_arguments_are_an_error(
    metric: str, wrong: dict[str, Any], message: str, world: str, empty_warehouse: Warehouse
) -> None:
    """A wrong period and an unknown word raise an error with a reason, without data too."""
    with (
        filled_with(empty_warehouse, WORLDS[world]) as filled,
        pytest.raises(duckdb.Error, match=message),
    ):
        filled.ask(metric, **arguments_of(metric, GOOD) | wrong)


@pytest.mark.parametrize("metric", [name for name in PARAMETERS if "since" in PARAMETERS[name]])
def test_a_viewer_who_sees_nothing_gets_the_error_too(
    metric: str, empty_warehouse: Warehouse
) -> None:
    """A wrong period raises its error whatever the filters leave: a filter skips no check."""
    asked = {"since": GOOD["until"], "until": GOOD["since"]}
    filters: list[dict[str, Any]] = [
        {"visible_to": 99},
        {"visible_to": 99, "for_user": 1},
        {"for_user": 99, "include_bots": False},
        {"for_conversation": ROOMS[-1]},
        {"for_conversation": ROOMS[0], "visible_to": 99},
    ]
    for given in filters:
        with (
            filled_with(empty_warehouse, WORLDS["busy"]) as filled,
            pytest.raises(duckdb.Error, match="since is after until"),
        ):
            filled.ask(metric, **arguments_of(metric, asked | given))
