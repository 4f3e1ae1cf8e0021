"""Every metric against PostgreSQL, by the queries of `postgres_queries`.

They run on the database that a cycle read: generated traffic, and chats of real people (chitchat).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
from psycopg.rows import dict_row

from etl.sandbox.packages import package_directory
from tests.fix_pipeline import TIME_ZERO, Pipeline
from tests.metrics import postgres_growth
from tests.metrics.filled import Filled, expected
from tests.metrics.oracle.world import Row
from tests.metrics.postgres_queries import MEMBERS, QUERIES, SEEN
from tests.metrics.random_worlds import WITHOUT_MARKS, arguments_of, distinct_arguments

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Both:
    """A generation and its source."""

    published: Filled
    source: psycopg.Connection[dict[str, Any]]
    data_through: datetime

    def in_postgres(self, metric: str, arguments: dict[str, Any]) -> list[Row]:
        """The rows of PostgreSQL, times as UTC without a zone."""
        defaults = dict.fromkeys(
            ("for_conversation", "for_user", "for_type", "visible_to", "include_system")
        )
        values: dict[str, Any] = defaults | {
            "include_bots": True,
            "every": "daily",
            "tz": "UTC",
            "top_n": 100 if metric == "response_matrix" else 10,
            "sort_by": "messages",
            "engaged_from": 5,
            "until": self.data_through,
            "since": datetime(1, 1, 1),
        }
        values |= {k: v for k, v in arguments.items() if v is not None or k in defaults}
        values = {
            k: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for k, v in values.items()
        }
        values["data_through"] = self.data_through.replace(tzinfo=UTC)
        values["from"] = values["since"]
        if metric in ("user_activity", "user_activity_v1") or metric in postgres_growth.QUERIES:
            values["since"] = datetime(1, 1, 1, tzinfo=UTC)
        rows = self.source.execute((SEEN + MEMBERS + QUERIES[metric]).encode(), values).fetchall()
        return [{name: _bare(value) for name, value in row.items()} for row in rows]


def _bare(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, dict):
        order = ("text", "image", "file", "system", "other")
        return {name: Decimal(value[name]) for name in order}
    return value


@contextmanager
def both_of(pipeline: Pipeline) -> Iterator[Both]:
    """The generation of a pipeline and its source."""
    with (
        closing(duckdb.connect(str(pipeline.published), read_only=True)) as published,
        psycopg.connect(
            pipeline.url, row_factory=dict_row, autocommit=True, options="-c jit=off"
        ) as source,
    ):
        # Estimates of what a query has just made up are wrong: loops over it take minutes.
        source.execute("set enable_nestloop = off")
        source.execute("set jit = off")
        data_through = pipeline.manifest().data_through.replace(tzinfo=None)
        yield Both(Filled(published), source, data_through)


@pytest.fixture
def both(busy: Pipeline) -> Iterator[Both]:
    """Generated traffic, in PostgreSQL and read by one cycle."""
    with both_of(busy) as found:
        yield found


# At least, and until one has an answer that is not zero.
QUESTIONS, QUESTIONS_MAX = 5, 12
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "Africa/Cairo")
ZERO = TIME_ZERO.replace(tzinfo=None)
WINDOWS = {
    "a month, ragged": (ZERO - timedelta(days=31, hours=5, microseconds=7), ZERO),
    "whole days": (datetime(2026, 2, 1), datetime(2026, 2, 22)),
    "three hours": (ZERO - timedelta(hours=30, minutes=7), ZERO - timedelta(hours=27)),
    "everything": (datetime(2025, 1, 1), None),
    "over the change of the clock": (datetime(2025, 10, 20, 1, 1), datetime(2025, 11, 5)),
}


def people_and_rooms(both: Both) -> tuple[list[int], list[UUID], int]:
    """Two members of many conversations, two active conversations, and a bot."""
    ask = both.source.execute
    people = ask(
        "select user_id as id from conversation_participants where left_at is null"
        " group by 1 order by count(*) desc, 1 limit 2"
    ).fetchall()
    rooms = ask(
        "select conversation_id as id from conversation_participants where user_id = %s"
        " order by (select count(*) from messages m where m.conversation_id ="
        " conversation_participants.conversation_id) desc limit 2",
        [people[0]["id"]],
    ).fetchall()
    bots = ask("select id from users where is_bot order by 1 limit 1").fetchall()
    return [p["id"] for p in people], [r["id"] for r in rooms], bots[0]["id"]


# Conversations in which five people are present, and the most people write.
CROWDS = """
    select conversation_id as id, array_agg(u.id order by u.id) as members
    from conversation_participants p join users u on u.id = user_id
    where left_at is null and not is_bot and deleted_at is null
    group by 1 having count(*) >= 5
    order by (
        select count(distinct sender_id) from messages m where m.conversation_id = p.conversation_id
    ) desc, 1
    limit 3
"""


def crowd_of(both: Both) -> tuple[list[int], list[UUID]]:
    """Two members of the liveliest conversation of five, and it in the place of both rooms."""
    liveliest = both.source.execute(CROWDS).fetchall()[0]
    return liveliest["members"][:2], [liveliest["id"]] * 2


@pytest.mark.parametrize("metric", WITHOUT_MARKS)
def test_every_metric_equals_postgresql(metric: str, both: Both) -> None:
    """Periods, viewers, filters, bots, buckets and zones: rows are equal, in order."""
    people, rooms, bot = people_and_rooms(both)
    if metric == "response_matrix":
        people, rooms = crowd_of(both)
    variants: list[dict[str, Any]] = [
        {},
        {"visible_to": people[0]},
        {"include_bots": False},
        {"for_conversation": rooms[0], "visible_to": people[1], "sort_by": "activity"},
        {"for_conversation": rooms[1], "for_user": people[0], "sort_by": "participants"},
        {"for_user": people[1], "visible_to": people[0], "engaged_from": 2, "top_n": 3},
        {"for_user": bot, "visible_to": people[0], "include_bots": False, "tz": "Africa/Cairo"},
        {"tz": "Europe/Berlin", "every": "weekly"},
        {"tz": "America/St_Johns", "every": "monthly", "for_conversation": rooms[0]},
        {"tz": "Asia/Kathmandu", "every": "daily", "visible_to": people[1]},
        {"tz": "UTC", "every": "hourly", "for_user": people[0], "for_conversation": rooms[0]},
        {"for_type": "group", "include_system": False, "tz": "Europe/Berlin"},
        {"for_type": "direct", "include_bots": False, "visible_to": people[0]},
    ]
    mandatory = {"for_user": people[0], "for_conversation": rooms[0]}
    calls = [
        arguments
        for since, until in WINDOWS.values()
        for arguments in distinct_arguments(
            metric, {"since": since, "until": until}, variants, mandatory
        )
    ]
    zero = 0
    for arguments in calls:
        answer = expected(both.in_postgres(metric, arguments))
        assert both.published.ask(metric, **arguments) == answer, (metric, arguments)
        zero += not any(isinstance(v, int) and v for row in answer for _, v in row)
    # In two of five periods nobody replies in the one conversation of the matrix.
    assert zero <= len(calls) * (0.7 if metric == "response_matrix" else 0.5)


installed = pytest.mark.skipif(
    package_directory("chitchat_dataset") is None,
    reason="the optional group `chitchat` is not installed",
)


@pytest.mark.parametrize("metric", WITHOUT_MARKS)
@pytest.mark.parametrize("messenger", ["busy", pytest.param("chats", marks=installed)])
def test_random_calls_equal_postgresql(
    messenger: str, metric: str, request: pytest.FixtureRequest
) -> None:
    """Random periods, filters, zones and viewers, on traffic and on real chats: rows are equal."""
    draw = random.Random(f"{messenger} {metric}")
    with both_of(request.getfixturevalue(messenger)) as found:
        subjects = drawn_from(found, draw)
        answered = 0
        for number in range(QUESTIONS_MAX):
            if number >= QUESTIONS and answered:
                break
            arguments = a_question(metric, subjects, draw)
            answer = expected(found.in_postgres(metric, arguments))
            assert found.published.ask(metric, **arguments) == answer, (metric, arguments)
            answered += any(isinstance(v, int) and v for row in answer for _, v in row)
    # Chitchat has neither events nor reactions, and no conversation of five people.
    has_none = {"event_counts", "event_timeline", "top_reactions"}
    has_none |= {"reply_times_by_conversation", "response_matrix"}
    assert answered or (messenger == "chats" and metric in has_none)


@dataclass(frozen=True, slots=True)
class Subjects:
    """Random messages, as (sender, conversation); active ones are drawn more often.

    `of_five` are those of `CROWDS`.
    """

    writings: list[tuple[int, UUID]]
    of_five: list[tuple[int, UUID]]
    first: datetime
    last: datetime


def drawn_from(found: Both, draw: random.Random) -> Subjects:
    """Some people who wrote, where, and the time span of all messages."""
    rows = found.source.execute(
        "select sender_id, conversation_id from messages where sender_id is not null order by id"
    ).fetchall()
    times = found.source.execute("select min(created_at), max(created_at) from messages").fetchall()
    first, last = (_bare(time) for time in times[0].values())
    crowds = {row["id"] for row in found.source.execute(CROWDS).fetchall()}
    of_five = [r for r in rows if r["conversation_id"] in crowds]
    drawn, drawn_of_five = (
        [
            (row["sender_id"], row["conversation_id"])
            for row in draw.sample(some, min(len(some), 20))
        ]
        for some in (rows, of_five)
    )
    return Subjects(drawn, drawn_of_five, first, last)


def a_question(metric: str, subjects: Subjects, draw: random.Random) -> dict[str, Any]:
    """Random arguments; the viewer mostly may see what is asked for."""
    of_five = subjects.of_five if metric == "response_matrix" else []
    person, room = draw.choice(of_five or subjects.writings)
    days = draw.choice((200, 1000) if of_five else (0.1, 7, 30, 200, 1000))
    span = (subjects.last - subjects.first) / timedelta(microseconds=1)
    until = subjects.first + timedelta(microseconds=draw.randrange(round(span)))
    asked: dict[str, Any] = {
        "since": until - timedelta(days=days, microseconds=draw.randrange(10**10)),
        "until": until if draw.random() < 0.8 else None,
        "every": draw.choice(("daily", "weekly", "monthly", "hourly" if days < 30 else "daily")),
        "tz": draw.choice(ZONES),
        "for_conversation": room if draw.random() < 0.3 else None,
        "for_user": person if draw.random() < 0.3 else None,
        "visible_to": draw.choice((person, person, None, draw.choice(subjects.writings)[0])),
        "include_bots": draw.random() < 0.7,
        "include_system": draw.choice((None, None, True, False)),
        "for_type": draw.choice((None, None, None, "direct", "group", "channel")),
        "sort_by": draw.choice(("messages", "participants", "activity")),
        "top_n": draw.randrange(1, 30),
        "engaged_from": draw.randrange(1, 9),
    }
    mandatory = {"for_user": person, "for_conversation": room}
    return arguments_of(metric, asked, mandatory)
