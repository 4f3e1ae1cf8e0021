"""Keys that do not identify one row: every path ends with the same error, and publishes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from unittest.mock import patch

import duckdb
import pytest

import etl.backfill
from olap.commands import call
from olap.errors import DuplicateKeysError
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World, at, uuid

CONSTRAINTS = {
    "users": "users_pkey",
    "conversations": "conversations_pkey",
    "conversation_participants": "conversation_participants_pkey",
    "messages": "messages_pkey",
    "message_read_receipts": "message_read_receipts_pkey",
    "message_reactions": "message_reactions_pkey",
    "analytics_events": "analytics_events_pkey",
}
AGAIN = "insert into {0} select * from {0} where {1}"


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """Six rows in every table on three days, loaded by one cycle; nothing makes keys unique."""
    with World(pipeline.url) as world:
        for number in range(6):
            world.user(number)
            world.conversation(number)
            world.participant(number, number)
            world.message(number, created_at=at(days=-(number % 3)))
            world.receipt(number, user=number, read_at=at(days=-(number % 3), minutes=5))
            world.reaction(number, user=number, created_at=at(days=-(number % 3), minutes=5))
            world.event(number, created_at=at(days=-(number % 3)))
        for table, constraint in CONSTRAINTS.items():
            world.execute(f"alter table {table} drop constraint {constraint}")
        pipeline.cycle()
        yield world


def duplicate(world: World, table: str, key: str, number: int) -> None:
    """Write a row of a table once more."""
    value = number if key == "user_id" or table == "users" else f"'{uuid(number)}'"
    world.execute(AGAIN.format(table, f"{key} = {value}"))


TABLES = {
    "users": ("users", "id", "(user_id)", "{0.int}"),
    "conversations": ("conversations", "id", "(conversation_id)", "{0}"),
    "conversation_participants": (
        "participants", "user_id", "(conversation_id, user_id)", "{0} / {0.int}",
    ),
    "messages": ("messages", "id", "(message_id)", "{0}"),
    "message_read_receipts": (
        "read_receipts", "message_id", "(message_id, user_id)", "{0} / {0.int}",
    ),
    "message_reactions": (
        "reactions", "message_id", "(message_id, user_id, emoji)", "{0} / {0.int} / 👍",
    ),
    "analytics_events": ("events", "id", "(event_id)", "{0}"),
}  # fmt: skip


@pytest.mark.parametrize("source_table", TABLES)
def test_every_path_ends_with_the_same_error(
    source_table: str, pipeline: Pipeline, world: World
) -> None:
    """A cycle, a full read, a first load and verify name table, key, number and three examples."""
    table, key, columns, example = TABLES[source_table]
    for number in (4, 3, 2, 1):
        duplicate(world, source_table, key, number)
    examples = "; ".join(example.format(uuid(number)) for number in (1, 2, 3))
    expected = f"4 keys of {table} {columns} have several rows at the source, such as {examples}"
    before = pipeline.published.resolve()
    views = contents.of_views(pipeline.published)
    paths: tuple[Callable[[], object], ...] = (
        pipeline.cycle,
        pipeline.cycle,
        lambda: pipeline.cycle(is_full=True),
        pipeline.verify,
        pipeline.beside("first").cycle,
        pipeline.beside("backfilled").backfill,
    )
    for path in paths:
        with pytest.raises(DuplicateKeysError) as caught:
            path()
        assert caught.value.message == expected
        assert "unique index" in caught.value.hint
    assert pipeline.published.resolve() == before
    assert contents.of_views(pipeline.published) == views
    world.execute(
        f"delete from {source_table} as one using {source_table} as other "
        f"where one.{key} = other.{key} and one.ctid > other.ctid"
    )
    pipeline.cycle()
    assert (
        contents.differences(
            contents.of_views(pipeline.published), contents.of_source(pipeline.url)
        )
        == {}
    )


def test_a_key_on_another_day_is_found_by_what_reads_both_days(
    pipeline: Pipeline, world: World
) -> None:
    """A cycle takes it for a row that moves in time; verify, a full read and a first load do not.

    Events are what has no rows about it: a message that is there twice is found by its receipts.
    """
    world.execute(
        "insert into analytics_events (id, event_type, created_at) "
        "select id, event_type, created_at - interval '9 days' from analytics_events "
        f"where id = '{uuid(2)}'"
    )
    pipeline.cycle()
    paths: tuple[Callable[[], object], ...] = (
        pipeline.verify,
        lambda: pipeline.cycle(is_full=True),
        pipeline.beside("first").cycle,
    )
    for path in paths:
        with pytest.raises(DuplicateKeysError, match="1 keys of events"):
            path()


def test_the_daily_proof_of_one_day_looks_at_the_others(pipeline: Pipeline, world: World) -> None:
    """A proof finds a key of its day on another day, in every cycle until it is gone there."""
    world.execute(
        "insert into analytics_events (id, event_type, created_at) "
        "select id, event_type, created_at - interval '9 days' from analytics_events "
        f"where id = '{uuid(2)}'"
    )
    pipeline.cycle()
    careful = proving_day_by_day(pipeline)
    for _ in range(2):
        with pytest.raises(DuplicateKeysError, match="1 keys of events"):
            for _ in range(3):
                careful.cycle()
    world.execute("delete from analytics_events where created_at < %s", at(days=-8))
    assert sum(careful.cycle().reconciled.proved for _ in range(2)) == 1
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_a_row_that_moves_while_days_are_proved_is_no_duplicate(
    pipeline: Pipeline, world: World
) -> None:
    """Old and new day are proved in different cycles, and each row is there once."""
    careful = proving_day_by_day(pipeline)
    for number in range(4):
        world.execute(
            "update analytics_events set created_at = created_at - interval '1 day' where id = %s",
            uuid(number % 6),
        )
        assert careful.cycle().reconciled.is_settled
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def proving_day_by_day(pipeline: Pipeline) -> Pipeline:
    """A pipeline that proves one file in each cycle, the three days of events first."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.batches set data_through = data_through - interval 2 days")
        connection.execute("update core.lake_files set batch = 0 where table_name = 'events'")
    hour = pipeline.manifest().data_through.hour
    daily = replace(pipeline.settings, verify_hour=hour, verify_budget_rows=1)
    return replace(pipeline, settings=daily)


def test_a_message_on_another_day_is_found_by_its_receipts(
    pipeline: Pipeline, world: World
) -> None:
    """The rows about a message that is there twice are there twice, and the message is named."""
    world.execute(
        "insert into messages (id, conversation_id, content, created_at) "
        "select id, conversation_id, content, created_at - interval '9 days' from messages "
        f"where id = '{uuid(2)}'"
    )
    with pytest.raises(DuplicateKeysError, match=f"1 keys of messages .* {uuid(2)}$"):
        pipeline.cycle()


def test_ranges_that_have_a_key_twice_are_found_by_the_last_cycle(
    pipeline: Pipeline, world: World
) -> None:
    """Each range of a backfill has one of two rows; together they are an error, also afterwards."""
    fresh = pipeline.beside("backfilled")
    world.execute("alter table analytics_events set (fillfactor = 10)")
    world.execute("insert into analytics_events (id, event_type) select gen_random_uuid(), 'x' "
                  "from generate_series(1, 300)")  # fmt: skip
    duplicate(world, "analytics_events", "id", 2)
    with patch.object(etl.backfill, "RANGE_BLOCKS", 1):
        with pytest.raises(DuplicateKeysError, match="1 keys of events"):
            fresh.backfill(jobs=1)
        world.execute(
            "delete from analytics_events as one using analytics_events as other "
            "where one.id = other.id and one.ctid > other.ctid"
        )
        with pytest.raises(DuplicateKeysError, match="only one of them") as caught:
            fresh.backfill(jobs=1)
        assert call("backfill --restart") in caught.value.hint
        fresh.backfill(jobs=1, restart=True)
    assert (
        contents.differences(contents.of_views(fresh.published), contents.of_source(pipeline.url))
        == {}
    )
