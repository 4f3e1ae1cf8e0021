"""Every rollup equals a naive count in Python over rows read from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.sandbox import traffic
from olap.tables import ROLLUPS
from tests import contents, naive_rollups
from tests.fix_pipeline import TIME_ZERO, Pipeline
from tests.world import World, at


def assert_rollups(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """Every rollup of the generation equals the naive count."""
    expected = naive_rollups.of_source(contents.of_source(pipeline.url))
    assert set(expected) == {rollup.name for rollup in ROLLUPS}
    assert contents.differences(contents.of_core(pipeline.published), expected) == {}
    return expected


def test_rollups_of_generated_traffic_equal_a_naive_count(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """Each rollup equals a count in Python, row for row, and none is empty."""
    traffic.load(empty_database, traffic.TrafficPlan(messages=5_000, days=20, until=TIME_ZERO))
    pipeline = new_pipeline(empty_database)
    pipeline.cycle()
    expected = assert_rollups(pipeline)
    assert all(len(bag) > 100 for bag in expected.values())
    masks = [row[4:] for row in expected["user_days"]]
    assert all(any(row[position] for row in masks) for position in range(4))


@pytest.mark.parametrize("minutes", [0, 14, 15, 719, 720, 1439])
def test_rows_at_an_edge_count_on_their_own_side(minutes: int, pipeline: Pipeline) -> None:
    """Messages and receipts on both sides of a quarter-hour, noon or midnight stay apart."""
    edge = at(hours=-12, minutes=minutes)
    with World(pipeline.url) as world:
        world.message(1, created_at=edge)
        world.message(2, created_at=edge - timedelta(microseconds=1))
        world.receipt(1, user=1, read_at=edge)
        world.receipt(2, user=1, read_at=edge - timedelta(microseconds=1))
        pipeline.cycle()
    assert_rollups(pipeline)


def test_deleted_system_and_senderless_messages_count_where_they_should(
    pipeline: Pipeline,
) -> None:
    """Deleted messages count nowhere, system messages in totals only, others without a user."""
    with World(pipeline.url) as world:
        world.message(1, deleted_at=at(days=1))
        world.message(2, message_type="system")
        world.message(3, message_type="system", sender_id=None, content=None)
        world.message(4, sender_id=None, message_type="sticker", content="")
        world.message(5)
        pipeline.cycle()
    expected = assert_rollups(pipeline)
    assert sum(row[4] for row in expected["message_days"]) == 4
    assert [row[2] for row in expected["user_days"]] == [1]


def test_an_own_read_follows_the_sender_of_its_message(pipeline: Pipeline) -> None:
    """Reads of one's own messages are told apart, and again when a message of another day gets
    another sender, and not when one is deleted."""
    with World(pipeline.url) as world:
        for number, sender in ((1, 1), (2, 2), (3, 1)):
            world.message(number, sender_id=sender, created_at=at(days=-9, minutes=number))
            world.receipt(number, user=1, read_at=at(days=-2, minutes=number))
        pipeline.cycle()
        assert own_reads(pipeline) == [(3, 2)]
        world.message(1, sender_id=2, created_at=at(days=-9, minutes=1))
        pipeline.cycle()
        assert own_reads(pipeline) == [(3, 1)]
        world.message(3, created_at=at(days=-9, minutes=3), deleted_at=at(days=-1))
        pipeline.cycle()
        assert own_reads(pipeline) == [(3, 1)]


def test_the_first_activity_of_a_person_follows_what_becomes_of_it(pipeline: Pipeline) -> None:
    """It moves to an earlier late row, to the next activity when it is deleted, on whatever day
    that is, and goes with the last one."""
    with World(pipeline.url) as world:
        world.message(1, sender_id=1, created_at=at(days=-9))
        world.message(2, sender_id=1, created_at=at(days=-3))
        world.message(3, sender_id=2, created_at=at(days=-9))
        world.receipt(3, user=1, read_at=at(days=-1))
        pipeline.cycle()
        assert firsts(pipeline) == [at(days=-9), at(days=-9)]
        world.message(4, sender_id=1, created_at=at(days=-20))
        pipeline.cycle()
        assert firsts(pipeline) == [at(days=-20), at(days=-9)]
        world.message(4, sender_id=1, created_at=at(days=-20), deleted_at=at(hours=-1))
        world.message(1, sender_id=1, created_at=at(days=-9), deleted_at=at(hours=-1))
        pipeline.cycle()
        assert firsts(pipeline) == [at(days=-9), at(days=-3)]
        world.message(2, sender_id=1, created_at=at(days=-3), deleted_at=at(hours=-1))
        world.message(3, sender_id=2, created_at=at(days=-9), deleted_at=at(hours=-1))
        pipeline.cycle()
        assert firsts(pipeline) == [at(days=-1)]


def firsts(pipeline: Pipeline) -> list[datetime]:
    """The times in `user_firsts`, after every rollup was compared."""
    found = assert_rollups(pipeline)["user_firsts"]
    return sorted(first_at.replace(tzinfo=UTC) for _, first_at in found.elements())


def own_reads(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    """The reads and own reads in `read_days`, after every rollup was compared."""
    return sorted(row[3:5] for row in assert_rollups(pipeline)["read_days"].elements())
