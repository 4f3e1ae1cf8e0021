"""What a source cannot tell is null or an error that says so, and never 0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import duckdb
import pytest

from olap.catalog import metrics, missing_tables, set_missing
from olap.manifest import SourceShape
from olap.tables import TABLES
from olap.warehouse import Warehouse
from tests.factories import a_manifest, a_table_state
from tests.metrics.filled import Filled, called, filled_with
from tests.metrics.oracle.world import Conversation, Message, Participant, User, World
from tests.metrics.random_worlds import PARAMETERS, ROOMS, arguments_of

OPTIONAL = [table.name for table in TABLES if not table.is_required]
LONG_AGO, SENT = datetime(2026, 1, 1), datetime(2026, 1, 9)
WORLD = World(
    data_through=datetime(2026, 3, 2),
    users=[User(1, "ann", False, LONG_AGO, None)],
    conversations=[Conversation(ROOMS[0], "group", "room", LONG_AGO)],
    participants=[Participant(ROOMS[0], 1, LONG_AGO, None)],
    messages=[Message(1, SENT, ROOMS[0], 1, "text", 5, None)],
)
# The world has one person.
NEEDS_FIVE_PEOPLE = {"reply_times_by_conversation", "response_matrix"}
ASKED: list[dict[str, Any]] = [
    {},
    {"visible_to": 1},
    {"visible_to": 9},
    {"include_bots": False},
    {"for_user": 1},
    {"for_user": 9, "visible_to": 1, "for_conversation": ROOMS[1]},
    {"for_conversation": ROOMS[0]},
    {"every": "hourly", "tz": "Europe/Berlin"},
    {"since": datetime(2026, 2, 1, 0, 7), "until": datetime(2026, 2, 1, 0, 7)},
]
QUERIES = [
    "select count(*) from {}",
    "from {} limit 1",
    "from {} where user_id = 1",
    "select count(*) from {} where conversation_id is null and user_id is not null",
    "select user_id, count(*) from {} as told join main.users using (user_id) group by all",
    "select exists(from {})",
]


def why(table: str) -> str:
    """Why a table is not available."""
    words = table.replace("_", " ")
    return f"{words} are not available: the source has none by its mapping, plain"


@contextmanager
def without(warehouse: Warehouse, *tables: str) -> Iterator[Filled]:
    """A small messenger that lacks these tables, until the block ends."""
    with filled_with(warehouse, WORLD) as filled:
        set_missing(warehouse, {table: why(table) for table in tables})
        yield filled


@pytest.fixture
def filled(empty_warehouse: Warehouse) -> Iterator[Filled]:
    """A small messenger without any table that a source may lack."""
    with without(empty_warehouse, *OPTIONAL) as filled:
        yield filled


def test_numbers_of_a_missing_table_are_null(filled: Filled) -> None:
    """Reads and what they decide are null, everything else of the same row is counted."""
    (active,) = filled.ask("active_users", since=LONG_AGO)
    assert active == [("active_users", 1), ("active_readers", None), ("active_any", None)]
    (activity,) = filled.ask("user_activity", for_user=1, since=LONG_AGO)
    assert dict(activity) == {
        "user_id": 1,
        "messages_sent": 1,
        "messages_read": None,
        "active_conversations": 1,
        "avg_messages_per_day": "decimal 0.02",
        "first_message_date": SENT,
        "last_activity_date": None,
    }


@pytest.mark.parametrize(
    "metric", [called(m) for m in metrics() if m.needs is not None and not m.needs.columns]
)
def test_a_metric_of_a_missing_table_is_an_error(metric: str, empty_warehouse: Warehouse) -> None:
    """Any question about a missing table is answered by an error that names the table."""
    needs = {called(m): m.needs for m in metrics()}[metric]
    assert needs is not None
    for asked in ASKED:
        arguments = arguments_of(metric, {"since": LONG_AGO, **asked}) | {
            # some buckets are days at least
            key: value
            for key, value in asked.items()
            if key in PARAMETERS[metric] and key != "every"
        }
        with (
            without(empty_warehouse, needs.table) as filled,
            pytest.raises(duckdb.InvalidInputException, match=f"Error: {why(needs.table)}$"),
        ):
            filled.ask(metric, **arguments)


def test_every_other_metric_answers(empty_warehouse: Warehouse) -> None:
    """What needs no such table is as it is with all of them."""
    others = [called(m) for m in metrics() if m.needs is None]
    answers = []
    for missing in (OPTIONAL, []):
        with without(empty_warehouse, *missing) as filled:
            answers.append(
                {m: filled.ask(m, **arguments_of(m, {"since": LONG_AGO})) for m in others}
            )
    assert answers[0] == answers[1]
    assert {m for m, answer in answers[0].items() if not answer} == NEEDS_FIVE_PEOPLE


@pytest.mark.parametrize("table", OPTIONAL)
@pytest.mark.parametrize("query", QUERIES)
def test_a_view_of_a_missing_table_is_an_error(query: str, table: str, filled: Filled) -> None:
    """However the view is queried, with filters that no row can meet too, it is the error."""
    with pytest.raises(duckdb.InvalidInputException, match=f"Error: {why(table)}$"):
        filled.connection.execute(query.format(f"main.{table}")).fetchall()


def test_a_missing_table_has_columns(filled: Filled) -> None:
    """Tools that list columns get the names and types that the view has with the table."""
    told = {
        table: filled.connection.execute(f"describe main.{table}").fetchall() for table in OPTIONAL
    }
    filled.connection.execute(
        "create or replace macro core.why_not_available(of_table) as (cast(null as varchar))"
    )
    for table, columns in told.items():
        assert filled.connection.execute(f"describe main.{table}").fetchall() == columns
        assert filled.connection.execute(f"from main.{table}").fetchall() == []


@pytest.mark.parametrize("table", OPTIONAL)
def test_what_is_available_costs_nothing(table: str, empty_warehouse: Warehouse) -> None:
    """A query of an available table has the plan that it has if nothing can be missing."""
    calls: list[tuple[str, dict[str, Any]]] = [(q.format(f"main.{table}"), {}) for q in QUERIES]
    for metric in metrics():
        if metric.needs is not None and metric.needs.table == table:
            arguments = arguments_of(called(metric), {"since": LONG_AGO})
            named = ", ".join(f"{name} := ${name}" for name in arguments)
            calls.append((f"from metrics.{called(metric)}({named})", arguments))
    with without(empty_warehouse, *(other for other in OPTIONAL if other != table)) as filled:
        ask = filled.connection.execute
        plans = [ask(f"explain {call}", bound).fetchall() for call, bound in calls]
        for macro in ("is_available", "is_there"):
            ask(f"create or replace macro core.{macro}(of_table) as (true)")
        assert [ask(f"explain {call}", bound).fetchall() for call, bound in calls] == plans


def test_availability_is_told_of_known_tables(filled: Filled) -> None:
    """`core.is_available` tells of each table, and refuses a name that is none."""
    ask = filled.connection.execute
    told = {
        table.name: ask("select core.is_available($table)", {"table": table.name}).fetchall()
        for table in TABLES
    }
    assert told == {table.name: [(table.is_required,)] for table in TABLES}
    with pytest.raises(duckdb.InvalidInputException, match="unknown of_table: it is one of users"):
        ask("select core.is_available('event')")


def test_the_catalogue_says_what_is_missing(filled: Filled, empty_warehouse: Warehouse) -> None:
    """`not_available` is the reason and its consequence, and null again once the table is there."""

    def told() -> dict[str, str | None]:
        rows = filled.connection.execute("select metric, not_available from metrics.catalog")
        return dict(rows.fetchall())

    missing = told()
    assert missing["active_users"] == (
        f"{why('read_receipts')}; active_readers and active_any are null"
    )
    assert missing["event_counts"] == f"{why('events')}; the metric is an error"
    assert missing["message_stats"] is None
    set_missing(empty_warehouse, {})
    assert set(told().values()) == {None}


def test_the_reason_is_of_the_manifest() -> None:
    """A table that the mapping or the source lacks is told from one that was not read yet."""
    tables = {table.name: a_table_state() for table in TABLES}
    assert missing_tables(a_manifest(tables=tables)) == {}
    tables["events"] = a_table_state(is_available=False)
    del tables["read_marks"]
    assert missing_tables(a_manifest(tables=tables, shape=SourceShape(mapping="plain"))) == {
        "events": why("events"),
        "read_marks": "read marks are not available: they have not been read yet",
    }
