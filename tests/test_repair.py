"""Closures and repairs: what leaves no row version behind is found in the same cycle."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import duckdb
import pytest

from etl.cycle import CycleReport
from olap.extract import Difference
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World, at, uuid

pytestmark = pytest.mark.both_schemas

DAY = {number: at(days=-number).date() for number in range(10)}


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline whose tables are so small that a repair may remove all of their rows."""
    return pipeline.without_brake()


def is_exact(pipeline: Pipeline) -> bool:
    """Whether the published file is what the source holds, and adds up."""
    found, expected = contents.of_views(pipeline.published), contents.of_source(pipeline.url)
    assert contents.differences(found, expected) == {}
    assert contents.offences(pipeline.published) == []
    return True


def rebuilt_days(pipeline: Pipeline, before: dict[tuple[str, date], str]) -> set[tuple[str, date]]:
    """The (table, day) pairs whose file is not the one of `before`."""
    after = files(pipeline)
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def files(pipeline: Pipeline) -> dict[tuple[str, date], str]:
    """The day files by table and day."""
    return {(f.table, f.day): f.path for f in pipeline.manifest().files if f.day}


def fill(world: World) -> None:
    """Six messages on six days, each read a day later, and an event a day."""
    for number in range(6):
        world.message(number, created_at=at(days=-number), conversation_id=uuid(number % 2))
        world.receipt(number, user=2, read_at=at(days=1 - number))
        world.event(number, created_at=at(days=-number))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "delete from messages where id = '00000000-0000-0000-0000-000000000003'",
            {("messages", DAY[3]), ("read_receipts", DAY[2])},
        ),
        (
            "delete from message_read_receipts where message_id = "
            "'00000000-0000-0000-0000-000000000003'",
            {("read_receipts", DAY[2])},
        ),
        (
            "delete from analytics_events where id = '00000000-0000-0000-0000-000000000003'",
            {("events", DAY[3])},
        ),
        (
            "update messages set created_at = created_at - interval '2 days' where id = "
            "'00000000-0000-0000-0000-000000000003'",
            {("messages", DAY[3]), ("messages", DAY[5]), ("read_receipts", DAY[2])},
        ),
        (
            "update message_read_receipts set read_at = read_at - interval '2 days' where "
            "message_id = '00000000-0000-0000-0000-000000000003'",
            {("read_receipts", DAY[2]), ("read_receipts", DAY[4])},
        ),
        (
            "update analytics_events set created_at = created_at - interval '2 days' where id = "
            "'00000000-0000-0000-0000-000000000003'",
            {("events", DAY[3]), ("events", DAY[5])},
        ),
        (
            "update messages set conversation_id = '00000000-0000-0000-0000-00000000000a' where "
            "id = '00000000-0000-0000-0000-000000000003'",
            {("messages", DAY[3]), ("read_receipts", DAY[2])},
        ),
    ],
)
def test_a_change_dirties_exactly_the_days_concerned(
    statement: str, expected: set[tuple[str, date]], pipeline: Pipeline
) -> None:
    """Removed, moved in time, moved elsewhere: these days are rebuilt in one cycle, no others."""
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        before = files(pipeline)
        world.execute(statement)
        pipeline.cycle()
    assert rebuilt_days(pipeline, before) == expected
    assert is_exact(pipeline)


def test_a_revived_message_counts_again(pipeline: Pipeline) -> None:
    """A soft delete that is taken back is a change of its day like any other."""
    with World(pipeline.url) as world:
        fill(world)
        world.execute("update messages set deleted_at = now() where id = %s", uuid(2))
        pipeline.cycle()
        before = files(pipeline)
        world.execute("update messages set deleted_at = null where id = %s", uuid(2))
        pipeline.cycle()
    assert rebuilt_days(pipeline, before) == {("messages", DAY[2])}
    assert is_exact(pipeline)


def test_receipts_are_read_again_when_the_messages_are_swapped(pipeline: Pipeline) -> None:
    """A TRUNCATE of the messages leaves no receipt with a conversation it no longer has."""
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        world.execute(f"truncate {world.table('messages')}")
        world.message(1, conversation_id=uuid(7))
        report = pipeline.cycle()
    assert report.extract.tables["read_receipts"].is_full
    assert is_exact(pipeline)


def test_deletes_and_news_that_cancel_out_are_told_apart(pipeline: Pipeline) -> None:
    """As many rows removed as added leave the count, and are found all the same."""
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        world.execute("delete from messages where id = %s", uuid(3))
        world.message(9, created_at=at(days=-3, minutes=1))
        pipeline.cycle()
    assert is_exact(pipeline)


def test_too_many_removals_wait_for_a_yes(pipeline: Pipeline) -> None:
    """More than REPAIR_MAX_PERCENT gone: the cycle keeps the rows, says so, and goes on."""
    careful = replace(pipeline, settings=replace(pipeline.settings, repair_max_percent=5))
    with World(pipeline.url) as world:
        fill(world)
        careful.cycle()
        world.execute("delete from messages where id in (%s, %s, %s, %s)", *map(uuid, range(1, 5)))
        world.message(8)
        report = careful.cycle()
    assert report.reconciled.refused == {"messages": 4}
    assert report.is_published
    state = careful.manifest().tables["messages"]
    assert (state.rows, state.source_rows, state.refused_rows) == (7, 3, 4)
    pipeline.cycle()
    assert is_exact(pipeline)


def test_a_silent_change_is_found_by_the_daily_proof(pipeline: Pipeline) -> None:
    """An edit that a cycle missed is found, and repaired, when its day is due for a proof."""
    with World(pipeline.url) as world:
        world.message(1, content="as it was")
        pipeline.cycle()
        # The watermark is set past the edit, as if a cycle had missed it.
        world.execute("update messages set content = 'longer than it was'")
        pretend_to_have_read(pipeline)
        report = prove_everything(pipeline)
    assert report.reconciled.differences == (Difference("messages", at().date(), 1, 1),)
    assert len(report.reconciled.extracts) == 1
    assert is_exact(pipeline)


def prove_everything(pipeline: Pipeline) -> CycleReport:
    """Run a cycle in which every day is due for a proof."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.batches set data_through = data_through - interval 2 days")
        connection.execute("update core.lake_files set batch = 0, proved_at = null")
    hour = pipeline.manifest().data_through.hour
    return replace(pipeline, settings=replace(pipeline.settings, verify_hour=hour)).cycle()


def pretend_to_have_read(pipeline: Pipeline) -> None:
    """Move every watermark to the source's present."""
    with World(pipeline.url) as world:
        row = world.connection.execute(
            "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        ).fetchone()
    assert row is not None
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute(
            "update core.table_states set watermark = $watermark", {"watermark": row[0]}
        )
