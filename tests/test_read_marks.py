"""Read marks: how far each member has read, for messengers that keep a mark and no receipts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from olap.ids import IdType
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.own_mapping import create_marks, write_mapping
from tests.world import World, at, uuid

Rows = list[tuple[Any, ...]]


@pytest.fixture
def pipeline(pipeline: Pipeline, tmp_path: Path) -> Pipeline:
    """A pipeline that also reads the table `marks`."""
    mapping = write_mapping(tmp_path / "mapping", IdType.INTEGER)
    settings = replace(pipeline.settings, source_mapping=mapping, repair_max_percent=100)
    return replace(pipeline, settings=settings)


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """A reader (1) and a writer (2), who wrote three messages, the last one an hour ago."""
    with World(pipeline.url) as world:
        create_marks(world)
        world.conversation(1)
        for user in (1, 2):
            world.user(user)
            world.participant(1, user)
        for number in range(3):
            world.message(number, sender_id=2, created_at=at(hours=-1 - number))
        yield world


def mark(world: World, user: int, read_through: datetime, conversation: int = 1) -> None:
    """Set the mark of a member."""
    world.execute(
        "insert into marks values (%s, %s, %s) on conflict (conversation_id, user_id)"
        " do update set read_through_at = excluded.read_through_at",
        uuid(conversation),
        user,
        read_through,
    )


def ask(pipeline: Pipeline, query: str) -> Rows:
    """The rows of a query of the published file."""
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        return connection.execute(query).fetchall()


UNREAD = "select unread_count, newest_message_at from metrics.unread(for_user := 1)"
READ_THROUGH = (
    "select member_count, read_count, cast(read_share as float) from metrics.read_through()"
)
NEWEST = at(hours=-1).replace(tzinfo=None)


def test_marks_follow_the_source(pipeline: Pipeline, world: World) -> None:
    """New, moved and removed marks are published by the next cycle, and so are their numbers."""
    pipeline.cycle()
    assert ask(pipeline, UNREAD) == [(3, NEWEST)]
    assert ask(pipeline, READ_THROUGH) == [(2, 1, 50.0)]
    mark(world, 1, at(hours=-2))
    pipeline.cycle()
    assert ask(pipeline, UNREAD) == [(1, NEWEST)]
    mark(world, 1, at(hours=-1))
    pipeline.cycle()
    assert ask(pipeline, UNREAD) == [(0, NEWEST)]
    assert ask(pipeline, READ_THROUGH) == [(2, 2, 100.0)]
    world.execute("delete from marks")
    pipeline.cycle()
    assert ask(pipeline, "from main.read_marks") == []
    assert ask(pipeline, UNREAD) == [(3, NEWEST)]
    assert pipeline.verify().reconciled.is_settled


def test_a_mark_of_an_unknown_member_is_kept(pipeline: Pipeline, world: World) -> None:
    """Ids that only a mark mentions get a placeholder, and each id still has one key."""
    mark(world, 77, at(hours=-1), conversation=99)
    pipeline.cycle()
    columns = "conversation_id, user_id, read_through_at"
    assert ask(pipeline, f"select {columns} from main.read_marks") == [
        (uuid(99), 77, at(hours=-1).replace(tzinfo=None))
    ]
    assert contents.offences(pipeline.published) == []
    pipeline.rebuild()
    assert ask(pipeline, "select user_id from main.read_marks") == [(77,)]


def test_marks_stay_with_their_people_when_users_are_lost(pipeline: Pipeline, world: World) -> None:
    """Where the lake's users are damaged, keys are given again, and marks are read again."""
    mark(world, 1, at(hours=-1))
    pipeline.cycle()
    (lost,) = (pipeline.layout.lake / "users").glob("*.parquet")
    lost.write_bytes(b"damaged")
    pipeline.layout.warehouse.unlink()
    pipeline.cycle()
    assert ask(pipeline, "select user_id from main.read_marks") == [(1,)]
    assert ask(pipeline, UNREAD) == [(0, NEWEST)]
    assert contents.offences(pipeline.published) == []


def test_a_messenger_without_marks_says_so(pipeline: Pipeline) -> None:
    """The shipped mapping of our messenger has none: its views and metrics are errors."""
    pipeline.settings = replace(pipeline.settings, source_mapping="messenger")
    pipeline.cycle()
    why = "read marks are not available: the source has none by its mapping, messenger"
    for query in ("main.read_marks", "metrics.read_through()", "metrics.unread(for_user := 1)"):
        with pytest.raises(duckdb.InvalidInputException, match=why):
            ask(pipeline, f"from {query}")
    assert ask(
        pipeline, "select metric from metrics.catalog where not_available is not null order by all"
    ) == [("read_through",), ("unread",)]
