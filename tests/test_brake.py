"""The brake: a mass disappearance at the source is told and accepted before it happens here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from unittest.mock import patch

import pytest

import etl.backfill
from etl.cycle import CycleReport
from olap.brake import FEW_ROWS, is_too_many
from olap.commands import call
from olap.errors import RepairRefusedError, SourceError
from olap.manifest import read_manifest
from olap.settings import Program, settings_table
from olap.status import Level, Status, status
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.test_backfill import after_range
from tests.test_duplicate_keys import proving_day_by_day
from tests.test_repair import pretend_to_have_read, prove_everything
from tests.world import World, at, uuid

ROWS = 12
INTERVAL = 300


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """A messenger with twelve rows in every table, on three days, loaded by one cycle."""
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        yield world


def fill(world: World) -> None:
    """Twelve rows in every table; the facts on three days."""
    for number in range(1, ROWS + 1):
        sent_at = at(days=-(number % 3))
        world.user(number)
        world.conversation(number)
        world.participant(number, number)
        world.message(number, conversation_id=uuid(number), created_at=sent_at)
        world.receipt(number, user=number, read_at=sent_at + timedelta(minutes=5))
        world.reaction(number, user=number, created_at=sent_at + timedelta(minutes=5))
        world.event(number, user_id=number, created_at=sent_at)


def news(world: World) -> None:
    """A new row in every table, and a changed message."""
    world.user(50)
    world.conversation(50)
    world.participant(50, 50)
    world.message(50, conversation_id=uuid(50), created_at=at(days=-1))
    world.receipt(50, user=50)
    world.reaction(50, user=50)
    world.event(50, user_id=50, created_at=at(days=-2))
    world.message(ROWS, conversation_id=uuid(ROWS), content="edited", created_at=at(days=0))


def status_of(pipeline: Pipeline) -> Status:
    """The status just after the last cycle."""
    return status(
        pipeline.layout,
        pipeline.manifest().data_through + timedelta(seconds=1),
        interval_seconds=INTERVAL,
    )


def require_equal_to_source(pipeline: Pipeline) -> None:
    """Require that the views hold what the source holds, and that nothing is refused."""
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []
    assert status_of(pipeline).level is Level.OK


def accept_by_full(pipeline: Pipeline) -> None:
    """`run --full --yes`"""
    pipeline.cycle(is_full=True, may_remove=True)


def accept_by_verify(pipeline: Pipeline) -> None:
    """`verify --repair --yes`"""
    assert pipeline.verify(repair=True, may_remove=True).reconciled.is_settled


@pytest.mark.parametrize(
    ("gone", "held", "max_percent", "expected"),
    [
        (0, 0, 5, False),
        (1, 10, 5, False),
        (10, 10, 5, True),
        (5, 10, 5, True),
        (4, 9, 5, False),
        (1, 1, 5, True),
        (FEW_ROWS, 41, 5, False),
        (FEW_ROWS, 40, 5, True),
        (FEW_ROWS + 1, 399, 5, True),
        (50, 1_000, 5, False),
        (51, 1_000, 5, True),
        (1, 1_000_000, 0, True),
        (0, 10, 0, False),
        (10, 10, 100, False),
    ],
)
def test_a_few_rows_go_and_a_mass_does_not(
    gone: int, held: int, max_percent: int, expected: bool
) -> None:
    """Above the percentage rows stay, but for a few of which more stay than go."""
    assert is_too_many(gone, held, max_percent=max_percent) is expected


def test_the_setting_names_the_few_rows() -> None:
    """The documentation of REPAIR_MAX_PERCENT has the number of rows that always may go."""
    (line,) = re.findall(r".*REPAIR_MAX_PERCENT.*", settings_table(Program.PIPELINE))
    assert f"up to {FEW_ROWS} rows" in line


@dataclass(frozen=True)
class Loss:
    """How rows of one table disappear, and how many do."""

    table: str
    gone: int
    statements: str


SEVENTH, TWELFTH = (f"'{uuid(number)}'" for number in (7, 12))


def swap(table: str, rows: str) -> str:
    """Statements that put a copy with only some of the rows in a table's place."""
    return (
        f"create table copied (like {table} including all); "
        f"insert into copied select * from {table} where {rows}; "
        f"drop table {table}; alter table copied rename to {table}"
    )


RECEIPTS, EVENTS, MEMBERS = "message_read_receipts", "analytics_events", "conversation_participants"
LOSSES = {
    "messages deleted": Loss("messages", 11, f"delete from messages where id < {TWELFTH}"),
    "receipts halved": Loss("read_receipts", 7, f"delete from {RECEIPTS} where user_id <= 7"),
    "events halved": Loss("events", 7, f"delete from {EVENTS} where id <= {SEVENTH}"),
    "reactions deleted": Loss("reactions", 12, "delete from message_reactions"),
    "messages truncated": Loss("messages", 11, "truncate messages"),
    "events swapped": Loss("events", 7, swap(EVENTS, f"id > {SEVENTH}")),
    "users swapped": Loss("users", 7, swap("users", "id > 7")),
    "users deleted": Loss("users", 12, "delete from users"),
    "users halved": Loss("users", 7, "delete from users where id <= 7"),
    "conversations deleted": Loss("conversations", 12, "delete from conversations"),
    "rooms halved": Loss("conversations", 7, f"delete from conversations where id <= {SEVENTH}"),
    "members deleted": Loss("participants", 12, f"delete from {MEMBERS}"),
    "members halved": Loss("participants", 7, f"delete from {MEMBERS} where user_id <= 7"),
    "members truncated": Loss("participants", 12, f"truncate {MEMBERS}"),
}


@pytest.mark.parametrize(
    ("loss", "accept"),
    [
        (loss, (accept_by_full, accept_by_verify)[number % 2])
        for number, loss in enumerate(LOSSES.values())
    ],
    ids=LOSSES,
)
def test_a_mass_disappearance_is_told_and_accepted_before_it_happens(
    loss: Loss, accept: Callable[[Pipeline], None], pipeline: Pipeline, world: World
) -> None:
    """Rows that are gone at once stay beside what is new and changed, until a yes removes them."""
    before = contents.of_views(pipeline.published)
    world.execute(loss.statements)
    news(world)
    source = contents.of_source(pipeline.url)
    report = pipeline.cycle()
    assert report.reconciled.refused == {loss.table: loss.gone}
    expected = {table: before[table] | rows for table, rows in source.items()}
    for table in ("read_receipts", "reactions"):
        # Where the message is gone, the source has the row without a conversation.
        expected[table] = Counter({row: n for row, n in expected[table].items() if row[1]})
    (edited,) = (row for row in before["messages"] if row[1] == uuid(ROWS))
    del expected["messages"][edited]
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []
    found = status_of(pipeline)
    assert found.level is Level.CRITICAL
    assert [reason.split(" are gone")[0] for reason in found.reasons] == [
        f"{loss.gone} of {report.manifest.tables[loss.table].rows} rows of {loss.table}"
    ]
    accept(pipeline)
    require_equal_to_source(pipeline)


def test_a_full_read_alone_accepts_nothing(pipeline: Pipeline, world: World) -> None:
    """`--full` replaces no table that lost most of its rows, cycle after cycle."""
    before = contents.of_views(pipeline.published)
    world.execute("delete from messages")
    world.execute("delete from users")
    refused = {"messages": ROWS, "users": ROWS}
    for is_full in (True, False, True, False):
        assert pipeline.cycle(is_full=is_full).reconciled.refused == refused
    assert contents.differences(contents.of_views(pipeline.published), before) == {}


def test_a_repair_without_a_yes_is_refused(pipeline: Pipeline, world: World) -> None:
    """`verify --repair` names every table that it would shorten, facts and dimensions alike."""
    world.execute("delete from analytics_events")
    world.execute("delete from conversation_participants")
    with pytest.raises(RepairRefusedError) as caught:
        pipeline.verify(repair=True)
    assert "12 of 12 rows of events" in caught.value.message
    assert "12 of 12 rows of participants" in caught.value.message
    assert call("etl --full --yes") in caught.value.hint
    assert call("verify --repair --yes") in caught.value.hint
    assert pipeline.manifest().proof("participants").proved_at is None
    found = pipeline.verify()
    assert not found.reconciled.is_settled
    assert found.reconciled.refused == {"events": ROWS, "participants": ROWS}


def test_a_person_who_leaves_is_gone_at_the_next_cycle(pipeline: Pipeline, world: World) -> None:
    """One of twelve memberships is 8 %: a hard-deleted one is no mass, because it authorizes."""
    world.execute("delete from conversation_participants where user_id = 3")
    world.execute("delete from messages where id = %s", uuid(3))
    report = pipeline.cycle()
    assert report.reconciled.refused == {}
    require_equal_to_source(pipeline)


def test_as_many_new_rows_as_gone_ones_hide_nothing(pipeline: Pipeline, world: World) -> None:
    """Rows are counted by key: twelve others on the same days leave every count as it was."""
    world.execute("truncate messages")
    world.execute("truncate users")
    for number in range(101, 101 + ROWS):
        world.message(number, created_at=at(days=-(number % 3)))
        world.user(number)
    report = pipeline.cycle()
    assert report.reconciled.refused == {"messages": ROWS, "users": ROWS}
    assert report.manifest.tables["messages"].rows == 2 * ROWS
    assert report.manifest.tables["users"].rows == 2 * ROWS


def test_rows_that_move_in_time_are_not_gone(pipeline: Pipeline, world: World) -> None:
    """All messages and receipts move to another day: none is gone, and none is refused."""
    world.execute("update messages set created_at = created_at - interval '9 days'")
    world.execute("update message_read_receipts set read_at = read_at - interval '9 days'")
    assert pipeline.cycle().reconciled.refused == {}
    require_equal_to_source(pipeline)


def test_receipts_of_messages_that_stay_keep_their_conversation(
    pipeline: Pipeline, world: World
) -> None:
    """While gone messages stay here, receipts that are read again or new still belong to them."""
    before = contents.of_views(pipeline.published)["read_receipts"]
    world.execute("truncate messages")
    pipeline.cycle()
    assert contents.of_views(pipeline.published)["read_receipts"] == before
    world.receipt(3, user=99)
    world.execute("update message_read_receipts set read_at = read_at where user_id = 4")
    prove_everything(pipeline)
    found = contents.of_views(pipeline.published)["read_receipts"]
    added = (at(minutes=1).replace(tzinfo=None), uuid(3), 99, at().replace(tzinfo=None))
    assert found - before == {added: 1} and not before - found
    accept_by_verify(pipeline)
    require_equal_to_source(pipeline)


def detach(world: World) -> None:
    """Detach the partition that has most messages."""
    world.execute("alter table messages detach partition messages_most")


def no_inherit(world: World) -> None:
    """Take the table that has most messages out of the inheritance."""
    world.execute("alter table messages_most no inherit messages")


@pytest.mark.parametrize("lose", [detach, no_inherit])
def test_a_part_that_is_taken_out_stays_until_it_is_back(
    lose: Callable[[World], None], pipeline: Pipeline
) -> None:
    """DETACH PARTITION and NO INHERIT of most rows are refused alike; back again, all is well."""
    is_partitioned = lose is detach
    with World(pipeline.url) as world:
        fill(world)
        world.execute("alter table messages rename to messages_old")
        by_time = " partition by range (created_at)" if is_partitioned else ""
        world.execute(f"create table messages (like messages_old including defaults){by_time}")
        bounds = f"for values from ('{at(days=-1).date()}') to (maxvalue)"
        if is_partitioned:
            world.execute(f"create table messages_most partition of messages {bounds}")
            world.execute("create table messages_rest partition of messages default")
            world.execute("insert into messages select * from messages_old")
        else:
            world.execute("create table messages_most () inherits (messages)")
            recent = f"created_at >= '{at(days=-1).date()}'"
            world.execute(f"insert into messages_most select * from messages_old where {recent}")
            world.execute(f"insert into messages select * from messages_old where not {recent}")
        pipeline.cycle()
        before = contents.of_views(pipeline.published)
        lose(world)
        assert pipeline.cycle().reconciled.refused == {"messages": 8}
        assert contents.differences(contents.of_views(pipeline.published), before) == {}
        assert status_of(pipeline).level is Level.CRITICAL
        world.execute(
            f"alter table messages attach partition messages_most {bounds}"
            if is_partitioned
            else "alter table messages_most inherit messages"
        )
        assert pipeline.cycle().reconciled.refused == {}
    require_equal_to_source(pipeline)


def test_the_daily_proof_removes_no_mass(pipeline: Pipeline, world: World) -> None:
    """A proof that meets a mass disappearance keeps the rows, and does not call them proved."""
    world.execute("delete from analytics_events")
    world.execute("delete from users")
    pretend_to_have_read(pipeline)
    report: CycleReport = prove_everything(pipeline)
    assert report.reconciled.refused == {"events": ROWS, "users": ROWS}
    manifest = pipeline.manifest()
    assert [manifest.proof(name).proved_files for name in ("events", "users")] == [0, 0]
    assert manifest.proof("messages").proved_at is not None
    assert manifest.tables["events"].rows == ROWS and manifest.tables["users"].rows == ROWS


def test_proofs_of_a_day_each_remove_no_mass_bit_by_bit(pipeline: Pipeline, world: World) -> None:
    """A proof of one day keeps the few rows that are gone there, if many are on all days."""
    world.execute(f"delete from {EVENTS} where id <= {SEVENTH}")
    careful = proving_day_by_day(pipeline)
    for _ in range(3):
        report = careful.cycle()
        assert [
            extract.tables["events"].refused_rows for extract in report.reconciled.extracts
        ] == [0, 7]
        assert report.manifest.tables["events"].rows == ROWS


def test_another_table_is_repaired_beside_one_that_stays(pipeline: Pipeline, world: World) -> None:
    """A full read that keeps one table does not keep the cycle from repairing another."""
    world.execute("truncate analytics_events")
    world.execute("delete from messages where id = %s", uuid(5))
    assert pipeline.cycle().reconciled.refused == {"events": ROWS}
    assert pipeline.manifest().tables["messages"].rows == ROWS - 1


def test_the_last_cycle_of_a_backfill_removes_no_mass(pipeline: Pipeline) -> None:
    """What disappears at the source after it was read by a backfill stays, and is told."""
    with (
        World(pipeline.url) as world,
        patch.object(etl.backfill, "RANGE_BLOCKS", 1),
    ):
        fill(world)

        def lose() -> None:
            world.execute("delete from analytics_events")

        with after_range(4, lose):
            report = pipeline.backfill(jobs=1)
    assert report.cycle is not None
    assert report.cycle.reconciled.refused == {"events": ROWS}
    assert status_of(pipeline).level is Level.CRITICAL
    accept_by_full(pipeline)
    require_equal_to_source(pipeline)


def test_a_lost_day_that_is_gone_at_the_source_stops_the_cycle(
    pipeline: Pipeline, world: World
) -> None:
    """Rows whose lake files and source rows are both gone cannot stay: that is an error."""
    for file in pipeline.manifest().files:
        if file.table == "events":
            (pipeline.layout.lake / file.path).unlink()
    world.execute("delete from analytics_events")
    pipeline.layout.warehouse.unlink()
    for _ in range(2):
        with pytest.raises(SourceError, match="12 of 12 rows of events are gone") as caught:
            pipeline.cycle()
    assert "backup" in caught.value.hint and call("etl --full --yes") in caught.value.hint
    assert pipeline.manifest().tables["events"].rows == ROWS
    # The rebuilt warehouse lacks the rows already, so the acceptance changes nothing in it.
    pipeline.clock.advance(hours=1)
    accept_by_full(pipeline)
    require_equal_to_source(pipeline)


def test_a_lost_dimension_that_is_gone_at_the_source_stops_the_cycle(
    pipeline: Pipeline, world: World
) -> None:
    """A dimension that lake, warehouse and source have all lost is not published as empty."""
    file = pipeline.manifest().file_of("participants", None)
    assert file is not None
    (pipeline.layout.lake / file.path).unlink()
    world.execute("delete from conversation_participants")
    assert pipeline.cycle().reconciled.refused == {"participants": ROWS}
    file = read_manifest(pipeline.layout.lake_manifest).file_of("participants", None)
    assert file is not None and file.rows == ROWS
    (pipeline.layout.lake / file.path).unlink()
    pipeline.layout.warehouse.unlink()
    for _ in range(2):
        with pytest.raises(SourceError, match="12 of 12 rows of participants are gone"):
            pipeline.cycle()
    pipeline.clock.advance(hours=1)
    accept_by_full(pipeline)
    require_equal_to_source(pipeline)


def test_a_rebuild_remembers_what_stays(pipeline: Pipeline, world: World) -> None:
    """A warehouse that is rebuilt from the lake still says which rows are gone at the source."""
    world.execute("delete from analytics_events")
    pipeline.cycle()
    pipeline.rebuild()
    assert pipeline.manifest().tables["events"].refused_rows == ROWS
    assert status_of(pipeline).level is Level.CRITICAL


def test_with_zero_percent_not_one_row_goes_unasked(pipeline: Pipeline, world: World) -> None:
    """REPAIR_MAX_PERCENT=0 keeps even a single row, in a fact and in a dimension."""
    strict = replace(pipeline, settings=replace(pipeline.settings, repair_max_percent=0))
    world.execute("delete from messages where id = %s", uuid(5))
    world.execute("delete from users where id = 5")
    assert strict.cycle().reconciled.refused == {"messages": 1, "users": 1}
