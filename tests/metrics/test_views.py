"""The views of `metrics`, for tools that list no macro, have the numbers of the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings

from olap import sqlfiles
from olap.catalog import set_missing, set_period
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics.filled import Answer, Filled, filled_with, plain
from tests.metrics.oracle.world import Message, User, World
from tests.metrics.random_worlds import ROOMS, worlds
from tests.metrics.test_availability import LONG_AGO, WORLD, without

MONTH = timedelta(days=30)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# A column with a zone cannot be fetched without the package pytz.
WITHOUT_ZONES = "select columns(lambda name: not ends_with(name, '_tz')) from metrics.{}"
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
# The views that rename columns of one call of a metric, or nothing: their metric and its arguments.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "hourly_messages_7d": ("message_timeline", {"since": WEEK, "every": "hourly"}),
    "active_users_30d": ("active_users", {"since": MONTH}),
    "engagement_30d": ("engagement", {"since": MONTH}),
    "top_senders_30d": ("top_senders", {"since": MONTH, "top_n": 100}),
    "top_conversations_30d": ("top_conversations", {"since": MONTH, "top_n": 100}),
    "top_reactions_30d": ("top_reactions", {"since": MONTH, "top_n": 100}),
    "event_counts_30d": ("event_counts", {"since": MONTH}),
    "read_through_now": ("read_through", {"top_n": 100}),
}
NEEDS = {
    "events_daily": "events",
    "event_counts_30d": "events",
    "top_reactions_30d": "reactions",
    "read_through_now": "read_marks",
}


def rows(filled: Filled, view: str) -> list[dict[str, Any]]:
    """The rows of a view, each by the names of its columns."""
    found = filled.connection.execute(WITHOUT_ZONES.format(view))
    names = [column[0] for column in found.description]
    return [dict(zip(names, map(plain, row), strict=True)) for row in found.fetchall()]


def values(answer: Answer) -> list[list[Any]]:
    """The rows of a metric without the names of its columns."""
    return [[value for _, value in row] for row in answer]


@contextmanager
def random_world(warehouse: Warehouse, world: World) -> Iterator[tuple[Filled, datetime]]:
    """A world in the warehouse, and its data_through."""
    with filled_with(warehouse, world) as filled:
        yield filled, world.data_through


@settings(max_examples=examples(20), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(drawn=worlds())
def test_a_view_is_a_call_of_its_metric(
    drawn: tuple[World, Any], empty_warehouse: Warehouse
) -> None:
    """Each view of one call has the rows of the metric, value by value, in order."""
    with random_world(empty_warehouse, drawn[0]) as (filled, through):
        for view, (metric, given_) in CALLS.items():
            arguments = dict(given_)
            if "since" in arguments:
                arguments["since"] = through - arguments["since"]
            expected = values(filled.ask(metric, **arguments))
            assert [list(row.values()) for row in rows(filled, view)] == expected, view
        (stats,) = filled.ask("message_stats", since=through - MONTH)
        *counts, (_, shares) = stats
        expected_stats = [value for _, value in counts] + [share for _, share in shares]
        assert [list(row.values()) for row in rows(filled, "message_stats_30d")] == [expected_stats]


@settings(max_examples=examples(20), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(drawn=worlds())
def test_a_view_by_day_or_week_has_the_numbers_of_each(
    drawn: tuple[World, Any], empty_warehouse: Warehouse
) -> None:
    """Each day and each week has the numbers of the metric for it, and none is left out."""
    with random_world(empty_warehouse, drawn[0]) as (filled, through):
        ((first,),) = filled.connection.execute("select core.data_from()").fetchall()
        timeline = values(filled.ask("message_timeline", since=first))
        daily = rows(filled, "daily_messages")
        assert [[r["day"], *list(r.values())[1:]] for r in daily] == [
            [at.date(), *rest] for at, *rest in timeline
        ]
        assert [list(row.values()) for row in rows(filled, "events_daily")] == [
            [at.date(), *rest] for at, *rest in values(filled.ask("event_timeline", since=first))
        ]
        people = rows(filled, "daily_active_users")
        assert [row.pop("day") for row in people] == [row["day"] for row in daily]
        for (at, *_), row in zip(timeline, people, strict=True):
            assert row.pop("is_partial") == (at + DAY > through)
            period = {"since": at, "until": min(at + DAY, through)}
            assert [list(row.items())] == filled.ask("active_users", **period)
        weeks = rows(filled, "weekly_engagement")
        start = first - timedelta(days=first.weekday())
        mondays = [start + WEEK * n for n in range(-((start - through) // WEEK))]
        assert [row.pop("week") for row in weeks] == [monday.date() for monday in mondays]
        for monday, row in zip(mondays, weeks, strict=True):
            assert row.pop("is_partial") == (monday + WEEK > through)
            period = {"since": monday, "until": min(monday + WEEK, through)}
            assert [list(row.items())] == filled.ask("engagement", **period)


@settings(max_examples=examples(20), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(drawn=worlds())
def test_a_view_by_person_or_conversation_has_the_numbers_of_each(
    drawn: tuple[World, Any], empty_warehouse: Warehouse
) -> None:
    """Each person and each conversation has the numbers of the metric, and no other has a row."""
    world = drawn[0]
    with random_world(empty_warehouse, world) as (filled, through):
        found = {row.pop("user_id"): row for row in rows(filled, "user_activity_30d")}
        for user in world.users:
            answer = filled.ask("user_activity", for_user=user.id, since=through - MONTH)
            row = found.pop(user.id, None)
            if row is None:
                assert answer == []
                continue
            assert row.pop("username") == (user.username if not user.deleted_at else None)
            assert row.pop("is_bot") == user.is_bot
            told = dict(answer[0])
            assert row == {name: told.get(name) for name in row}
        assert found == {}
        totals = {row["conversation_id"]: row for row in rows(filled, "conversation_totals")}
        for room in world.conversations:
            answer = filled.ask("conversation_stats", for_conversation=room.id)
            row = totals.pop(room.id, None)
            if row is None:
                assert answer == []
                continue
            stats = dict(answer[0])
            assert row == {name: stats.get(name) for name in row} | {
                "first_message_at": stats["first_message_date"],
                "last_message_at": stats["last_message_date"],
            }
        assert totals == {}


def test_limits_of_a_week_and_of_a_person(empty_warehouse: Warehouse) -> None:
    """Four messages do not engage and five do; a system message is nobody's; a week ends."""
    room, (ann, bob) = ROOMS[0], (1, 2)
    monday = datetime(2026, 1, 5)
    sent = [(ann, day) for day in range(5)] + [(bob, day) for day in range(4)]
    messages = [
        Message(number, monday + DAY * day, room, person, "text", 1, None)
        for number, (person, day) in enumerate(sent)
    ]
    messages += [
        Message(20, monday + DAY, room, bob, "system", 1, None),
        Message(21, monday + WEEK, room, bob, "text", 1, None),
    ]
    world = replace(
        WORLD,
        data_through=monday + WEEK + DAY,
        users=[
            User(one, name, False, LONG_AGO, None) for one, name in ((ann, "ann"), (bob, "bob"))
        ],
        messages=messages,
    )
    with filled_with(empty_warehouse, world) as filled:
        weeks = rows(filled, "weekly_engagement")
        people = rows(filled, "user_activity_30d")
    assert [(r["week"], r["active_users"], r["engaged_users"], r["is_partial"]) for r in weeks] == [
        (monday.date(), 2, 1, False),
        ((monday + WEEK).date(), 1, 0, True),
    ]
    assert {r["user_id"]: r["messages_sent"] for r in people} == {ann: 5, bob: 5}


@pytest.mark.parametrize(
    ("first_day", "expected"),
    [
        (date(1, 1, 1), datetime(2016, 3, 1)),
        (date(2026, 2, 1), datetime(2026, 2, 1)),
        (date(2027, 1, 1), datetime(2026, 3, 2)),
        (None, datetime(2026, 3, 2)),
    ],
    ids=["long ago", "known", "future", "no data"],
)
def test_the_views_begin_with_the_data(
    first_day: date | None, expected: datetime, empty_warehouse: Warehouse
) -> None:
    """A wrong time makes no chart of centuries, and one of the future no error."""
    with filled_with(empty_warehouse, WORLD) as filled:
        set_period(filled.connection, first_day, WORLD.data_through.replace(tzinfo=UTC))
        assert filled.connection.execute("select core.data_from()").fetchall() == [(expected,)]
        assert len(rows(filled, "daily_messages")) == (WORLD.data_through - expected).days


def test_every_view_of_the_metrics_is_compared() -> None:
    """The tests of this module know each view of `metrics`."""
    compared = {*CALLS, "message_stats_30d", "daily_messages", "events_daily"}
    compared |= {"daily_active_users", "weekly_engagement", "user_activity_30d"}
    compared |= {"conversation_totals"}
    assert {name.rpartition("/")[2] for name in sqlfiles.names("views/metrics")} == compared


@pytest.mark.parametrize("view", NEEDS)
def test_a_view_of_a_missing_table_is_an_error(view: str, empty_warehouse: Warehouse) -> None:
    """The view says which table the source lacks, as the metric does."""
    with (
        without(empty_warehouse, NEEDS[view]) as filled,
        pytest.raises(duckdb.InvalidInputException, match="the source has none by its mapping"),
    ):
        filled.connection.execute(f"select count(*) from metrics.{view}").fetchall()


def test_reads_that_the_source_does_not_tell_are_null(empty_warehouse: Warehouse) -> None:
    """Without receipts, readers and reads are null in every view, and the rest is counted."""
    with without(empty_warehouse, "read_receipts") as filled:
        daily = rows(filled, "daily_active_users")
        assert {(row["active_readers"], row["active_any"]) for row in daily} == {(None, None)}
        assert sum(row["active_users"] for row in daily) == 1
        assert [row["messages_read"] for row in rows(filled, "user_activity_30d")] == [None]
        set_missing(empty_warehouse, {})
        assert [row["messages_read"] for row in rows(filled, "user_activity_30d")] == [0]


def timed(filled: Filled) -> list[tuple[str, str]]:
    """Each column with a zone, after its view."""
    return filled.connection.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns()"
        " where database_name = 'warehouse' and data_type = 'TIMESTAMP WITH TIME ZONE'"
        " order by all"
    ).fetchall()


@settings(max_examples=examples(5), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(drawn=worlds())
def test_a_column_with_a_zone_is_the_same_instant(
    drawn: tuple[World, Any], empty_warehouse: Warehouse
) -> None:
    """In every zone of the session, each `_tz` column is the instant of the column before it."""
    with filled_with(empty_warehouse, drawn[0]) as filled:
        columns = timed(filled)
        assert len(columns) > 20 and {name[-3:] for _, name in columns} == {"_tz"}
        try:
            for zone in ZONES:
                filled.connection.execute(f"set timezone = '{zone}'")
                for view, name in columns:
                    # A day and a week are a DATE, which is compared as its first instant.
                    naive = name.removesuffix("_tz")
                    naive = {"day_at": "day", "week_at": "week"}.get(naive, naive)
                    different = filled.connection.execute(
                        f"select count(*) from {view} where epoch_us({name})"
                        f" is distinct from epoch_us(cast({naive} as timestamp))"
                    ).fetchall()
                    assert different == [(0,)], (zone, view, name)
        finally:
            filled.connection.execute("reset timezone")


@pytest.mark.parametrize("zone", ZONES)
def test_a_condition_on_a_column_with_a_zone_is_right_in_every_session(
    zone: str, empty_warehouse: Warehouse
) -> None:
    """Messages since an instant that has a zone are the same ones in every zone of the session."""
    sent = WORLD.messages[0].created_at
    counted = "select count(*) from main.messages where created_at_tz {} timestamptz '{}+00'"
    with filled_with(empty_warehouse, WORLD) as filled:
        try:
            filled.connection.execute(f"set timezone = '{zone}'")
            found = [
                filled.connection.execute(counted.format(*condition)).fetchall()
                for condition in (
                    (">=", sent),
                    (">", sent),
                    ("<", sent + timedelta(microseconds=1)),
                )
            ]
        finally:
            filled.connection.execute("reset timezone")
    assert found == [[(1,)], [(0,)], [(1,)]]


def test_the_views_are_those_of_their_folders() -> None:
    """Each file of sql/views creates the view of its name in the schema of its folder."""
    for folder, schemas in (("views", ("main", "core")), ("views/metrics", ("metrics",))):
        for name in sqlfiles.names(folder):
            stem = name.rpartition("/")[2]
            text = sqlfiles.text(name)
            assert any(f"create or replace view {s}.{stem} as\n" in text for s in schemas), name
