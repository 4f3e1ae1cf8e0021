"""Every metric against PostgreSQL, by queries written by hand from the requirement and the issue.

They are asked of the very database that a cycle read: generated traffic, and chats of real people
(chitchat). A query takes
`since`, `until` (already decided), a viewer, and what its metric takes; null means: all. Nothing
here reads a file of `sql/`.
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

from etl.sandbox.wheels import find_wheel
from tests.fix_pipeline import TIME_ZERO, Pipeline
from tests.metrics.ground import Ground, expected
from tests.metrics.oracle import Row
from tests.metrics.worlds import PARAMETERS, asking

# What an asker sees. `present`, `room`: membership at the moment that was read; `m`: messages that
# count; `w`: those that somebody wrote; `r`: receipts; `e`: events.
SEEN = """
with now as (select %(data_through)s::timestamptz as t),
present as (
    select p.* from conversation_participants p, now
    where p.joined_at < t and (p.left_at is null or p.left_at >= t)
),
room as (
    select distinct conversation_id as id from present where user_id = %(visible_to)s
),
person as (
    select user_id as id from present where conversation_id in (select id from room)
    union select %(visible_to)s
),
bot as (select id from users where is_bot and not %(include_bots)s),
m as (
    select * from messages
    where created_at >= %(since)s and created_at < %(until)s and deleted_at is null
        and (%(visible_to)s::bigint is null or conversation_id in (select id from room))
        and (%(for_conversation)s::uuid is null or conversation_id = %(for_conversation)s)
        and (
            %(for_user)s::bigint is null
            or (
                sender_id = %(for_user)s
                and (%(visible_to)s::bigint is null or sender_id in (select id from person))
            )
        )
        and not exists (select from bot where bot.id = sender_id)
),
w as (select * from m where message_type <> 'system' and sender_id is not null),
r as (
    select x.* from message_read_receipts x left join messages y on y.id = x.message_id
    where read_at >= %(since)s and read_at < %(until)s
        and (%(visible_to)s::bigint is null or y.conversation_id in (select id from room))
        and not exists (select from bot where bot.id = user_id)
),
e as (
    select * from analytics_events
    where created_at >= %(since)s and created_at < %(until)s
        and (
            %(visible_to)s::bigint is null
            or conversation_id in (select id from room)
            or (conversation_id is null and user_id = %(visible_to)s)
        )
        and not exists (select from bot where bot.id = user_id)
),
asked as (select extract(epoch from %(until)s::timestamptz - %(since)s)::numeric / 86400 as days),
-- PostgreSQL's own calendar and its own copy of the time zones
slot as (
    select
        unit,
        s at time zone %(tz)s as starts_at,
        (s + step) at time zone %(tz)s as ends_at
    from
        (
            select case %(every)s when 'hourly' then interval '1 hour' when 'daily'
                then interval '1 day' when 'weekly' then interval '1 week' else interval '1 month'
                end as step, case %(every)s when 'hourly' then 'hour' when 'daily' then 'day'
                when 'weekly' then 'week' else 'month' end as unit
        ) u,
        generate_series(
            date_trunc(unit, %(since)s::timestamptz at time zone %(tz)s),
            %(until)s::timestamptz at time zone %(tz)s,
            step
        ) s
    where (s at time zone %(tz)s) < %(until)s and %(since)s::timestamptz < %(until)s
)
"""

QUERIES = {
    "message_stats": """
        select count(*) as total_messages,
            count(*) filter (where message_type = 'text') as text_messages,
            count(*) filter (where message_type = 'image') as image_messages,
            count(*) filter (where message_type = 'file') as file_messages,
            count(*) filter (where message_type = 'system') as system_messages,
            count(*) filter (where message_type not in ('text', 'image', 'file', 'system'))
                as other_messages,
            (select count(distinct sender_id) from w) as unique_senders,
            round(coalesce(avg(char_length(content)), 0), 1) as avg_message_length,
            (
                select jsonb_object_agg(
                    t, (
                        select round(coalesce(100.0 * sum((
                            case when message_type in ('text', 'image', 'file', 'system')
                                then message_type else 'other' end = t
                        )::int) / nullif(count(*), 0), 0), 2) from m
                    )::text)
                from unnest(array['text', 'image', 'file', 'system', 'other']) t
            ) as message_type_distribution
        from m""",
    "message_timeline": """
        select starts_at as timestamp,
            (select count(*) from m where created_at >= starts_at and created_at < ends_at)
                as count,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from slot order by 1""",
    "top_senders": """
        select sender_id as user_id, max(u.username) as username, count(*) as message_count
        from w left join users u on u.id = sender_id and u.deleted_at is null
        where %(visible_to)s::bigint is null
            or sender_id in (
                select user_id from present
                where conversation_id in (select id from room)
                    and (
                        %(for_conversation)s::uuid is null
                        or conversation_id = %(for_conversation)s
                    )
            )
            or (sender_id = %(visible_to)s and %(for_conversation)s::uuid is null)
        group by 1 order by 3 desc, 1 limit %(top_n)s""",
    "user_activity": """
        select id as user_id,
            (select count(*) from w where created_at >= %(from)s) as messages_sent,
            (select count(*) from r where user_id = id and read_at >= %(from)s) as messages_read,
            (select count(distinct conversation_id) from w where created_at >= %(from)s)
                as active_conversations,
            (select round(count(*) / nullif(extract(epoch from %(until)s::timestamptz - %(from)s)
                ::numeric / 86400, 0), 2) from w where created_at >= %(from)s)
                as avg_messages_per_day,
            (select min(created_at) from w) as first_message_date,
            greatest(
                (select max(created_at) from w), (select max(read_at) from r where user_id = id)
            ) as last_activity_date
        from users where id = %(for_user)s and created_at < %(until)s
            and (%(visible_to)s::bigint is null or id in (select id from person))""",
    "active_users": """
        select (select count(distinct sender_id) from w) as active_users,
            (select count(distinct user_id) from r) as active_readers,
            (select count(*) from (select sender_id from w union select user_id from r) b)
                as active_any""",
    "engagement": """
        select count(*) as total_users, count(*) filter (where n >= 1) as active_users,
            count(*) filter (where n >= %(engaged_from)s) as engaged_users,
            round(coalesce(100.0 * count(*) filter (where n >= 1) / nullif(count(*), 0), 0), 2)
                as engagement_rate,
            round(coalesce(100.0 * count(*) filter (where n >= %(engaged_from)s)
                / nullif(count(*), 0), 0), 2) as deep_engagement_rate
        from (
            select u.id, (select count(*) from w where sender_id = u.id) as n from users u
            where created_at < %(until)s and (deleted_at is null or deleted_at >= %(until)s)
                and (%(visible_to)s::bigint is null or u.id in (select id from person))
                and u.id not in (select id from bot)
        ) counted""",
    "conversation_stats": """
        select c.id as conversation_id, type, title, c.created_at,
            (select count(*) from members) as participant_count,
            (select count(*) from members where user_id in (select sender_id from w))
                as active_participants,
            (select count(*) from m) as message_count,
            round((select count(*) from m) / age.days, 2) as messages_per_day,
            age.days::bigint as conversation_age_days,
            (select min(created_at) from m) as first_message_date,
            (select max(created_at) from m) as last_message_date
        from conversations c,
            lateral (select greatest(1, ceil(extract(
                epoch from %(until)s::timestamptz - c.created_at)::numeric / 86400)) as days) age
        where c.id = %(for_conversation)s and c.created_at < %(until)s
            and (%(visible_to)s::bigint is null or c.id in (select id from room))""",
    "top_conversations": """
        select conversation_id, type, title, message_count, participant_count,
            round(message_count / nullif(days, 0), 2) as messages_per_day
        from (
            select conversation_id, count(*) as message_count,
                count(distinct case when message_type <> 'system' then sender_id end)
                    as participant_count
            from m group by 1
        ) g left join conversations c on c.id = conversation_id, asked
        order by case %(sort_by)s when 'participants' then participant_count when 'activity'
                then coalesce(message_count::numeric / nullif(participant_count, 0), 0)
                else message_count end desc,
            message_count desc, participant_count desc, conversation_id
        limit %(top_n)s""",
    "event_counts": """
        select event_type, count(*) as count from e group by 1
        order by 2 desc, event_type collate "C" """,
    "event_timeline": """
        select starts_at as timestamp, event_type, coalesce(n, 0) as count,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from slot cross join (select distinct event_type from e) kind left join (
            select
                date_trunc((select max(unit) from slot), created_at at time zone %(tz)s)
                    at time zone %(tz)s as starts_at,
                event_type,
                count(*) as n
            from e group by 1, 2
        ) counted using (starts_at, event_type)
        order by starts_at, event_type collate "C" """,
}
MEMBERS = """, members as (
    select user_id from conversation_participants
    where conversation_id = %(for_conversation)s and joined_at < %(until)s
        and (left_at is null or left_at >= %(until)s)
        and user_id not in (select id from bot)
)"""


@dataclass(frozen=True, slots=True)
class Both:
    """A generation and the database it was read from."""

    published: Ground
    source: psycopg.Connection[dict[str, Any]]
    data_through: datetime

    def by_hand(self, metric: str, arguments: dict[str, Any]) -> list[Row]:
        """What PostgreSQL answers, with times as UTC without a zone."""
        defaults = dict.fromkeys(("for_conversation", "for_user", "visible_to"))
        values: dict[str, Any] = defaults | {
            "include_bots": True,
            "every": "daily",
            "tz": "UTC",
            "top_n": 10,
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
        if metric == "user_activity":
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
    """What a cycle has read, at both ends."""
    with (
        closing(duckdb.connect(str(pipeline.published), read_only=True)) as published,
        psycopg.connect(pipeline.url, row_factory=dict_row, autocommit=True) as source,
    ):
        data_through = pipeline.manifest().data_through.replace(tzinfo=None)
        yield Both(Ground(published), source, data_through)


@pytest.fixture
def both(busy: Pipeline) -> Iterator[Both]:
    """Generated traffic, in PostgreSQL and read by one cycle."""
    with both_of(busy) as found:
        yield found


ZERO = TIME_ZERO.replace(tzinfo=None)
WINDOWS = {
    "a month, ragged": (ZERO - timedelta(days=31, hours=5, microseconds=7), ZERO),
    "whole days": (datetime(2026, 2, 1), datetime(2026, 2, 22)),
    "three hours": (ZERO - timedelta(hours=30, minutes=7), ZERO - timedelta(hours=27)),
    "everything": (datetime(2025, 1, 1), None),
    "over the change of the clock": (datetime(2025, 10, 20, 1, 1), datetime(2025, 11, 5)),
}


def people_and_rooms(both: Both) -> tuple[list[int], list[UUID], int]:
    """Two members of many conversations, two lively conversations, and a bot."""
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


@pytest.mark.parametrize("metric", PARAMETERS)
def test_every_metric_is_what_postgresql_says(metric: str, both: Both) -> None:
    """Windows, viewers, filters, bots, intervals and zones: equal field by field, in order."""
    people, rooms, bot = people_and_rooms(both)
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
    ]
    zero = 0
    for since, until in WINDOWS.values():
        for variant in variants:
            mandatory = {"for_user": people[0], "for_conversation": rooms[0]}
            arguments = asking(metric, {"since": since, "until": until} | variant, mandatory)
            answer = expected(both.by_hand(metric, arguments))
            assert both.published.ask(metric, **arguments) == answer, (metric, arguments)
            zero += not any(isinstance(v, int) and v for row in answer for _, v in row)
    assert zero < len(WINDOWS) * len(variants) / 2


installed = pytest.mark.skipif(
    find_wheel("chitchat_dataset") is None, reason="the optional group `chitchat` is not installed"
)


@pytest.mark.parametrize("metric", PARAMETERS)
@pytest.mark.parametrize("messenger", ["busy", pytest.param("chats", marks=installed)])
def test_any_question_is_answered_as_postgresql_does(
    messenger: str, metric: str, request: pytest.FixtureRequest
) -> None:
    """Random windows, filters, zones and viewers, on traffic and on real chats: equal in order."""
    draw = random.Random(f"{messenger} {metric}")
    with both_of(request.getfixturevalue(messenger)) as found:
        subjects = drawn_from(found, draw)
        answered = 0
        for _ in range(QUESTIONS):
            arguments = a_question(metric, subjects, draw)
            answer = expected(found.by_hand(metric, arguments))
            assert found.published.ask(metric, **arguments) == answer, (metric, arguments)
            answered += any(isinstance(v, int) and v for row in answer for _, v in row)
    # Chitchat has no events.
    assert answered or (messenger == "chats" and metric.startswith("event"))


QUESTIONS = 8
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "Africa/Cairo")


@dataclass(frozen=True, slots=True)
class Subjects:
    """Messages drawn at random, as (sender, conversation): busy ones are drawn more often."""

    writings: list[tuple[int, UUID]]
    first: datetime
    last: datetime


def drawn_from(found: Both, draw: random.Random) -> Subjects:
    """Some people who wrote, where they did, and the time in which all of it happened."""
    rows = found.source.execute(
        "select sender_id, conversation_id from messages where sender_id is not null order by id"
    ).fetchall()
    times = found.source.execute("select min(created_at), max(created_at) from messages").fetchall()
    first, last = (_bare(time) for time in times[0].values())
    drawn = draw.sample(rows, 20)
    return Subjects([(r["sender_id"], r["conversation_id"]) for r in drawn], first, last)


def a_question(metric: str, subjects: Subjects, draw: random.Random) -> dict[str, Any]:
    """Whoever asks is mostly somebody who may see what he asks for."""
    person, room = draw.choice(subjects.writings)
    days = draw.choice((0.1, 7, 30, 200, 1000))
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
        "sort_by": draw.choice(("messages", "participants", "activity")),
        "top_n": draw.randrange(1, 30),
        "engaged_from": draw.randrange(1, 9),
    }
    mandatory = {"for_user": person, "for_conversation": room}
    return asking(metric, asked, mandatory)
