"""verify: days read whole and compared, proofs, repairs, and the daily round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pytest

from etl.source import SourceTransaction, Window
from olap.commands import call
from olap.days import DayRange, days_of
from olap.errors import RepairRefusedError, VerifyError
from olap.extract import Difference
from olap.proofs import due
from olap.tables import Table
from tests import contents
from tests.factories import TIME, a_batch, a_lake_file, a_manifest
from tests.fix_pipeline import Pipeline
from tests.test_repair import DAY, fill, pretend_to_have_read, prove_everything
from tests.world import World, at, uuid

pytestmark = pytest.mark.both_schemas


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """A messenger with a row in every table, loaded by one cycle."""
    with World(pipeline.url) as world:
        fill(world)
        for number in (1, 2):
            world.user(number, username="zoë | 3:x" if number == 1 else None)
            world.conversation(number)
            world.participant(number, number)
        world.message(
            11, message_type="späte|r", content=None, updated_at=at(), deleted_at=at(hours=1)
        )
        world.event(12, event_type="", user_id=None)
        world.receipt(77, user=5)
        pipeline.cycle()
        yield world


def test_all_of_it_is_proved(pipeline: Pipeline, world: World) -> None:
    """Equal data are proved file by file, and the generation says since when."""
    found = pipeline.verify()
    assert found.reconciled.is_settled and not found.reconciled.differences
    manifest = pipeline.manifest()
    assert found.reconciled.proved == len(manifest.files)
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        rows = connection.execute("select * from core.proofs order by table_name").fetchall()
    assert rows == sorted(
        (table, proof.files, proof.files, manifest.data_through.replace(tzinfo=None))
        for table in manifest.tables
        if (proof := manifest.proof(table)).files
    )
    assert len(rows) == 6


EDITS = {
    "messages": [
        "conversation_id = '00000000-0000-0000-0000-0000000000ff'", "sender_id = 99",
        "sender_id = null", "message_type = 'image'", "content = 'hellos'", "content = null",
        "updated_at = '2026-01-01'", "deleted_at = '2026-01-01'",
        "created_at = created_at + interval '1 microsecond'",
    ],
    "message_read_receipts": ["read_at = read_at + interval '1 microsecond'"],
    "analytics_events": [
        "event_type = 'other'", "user_id = 99", "user_id = null",
        "conversation_id = '00000000-0000-0000-0000-0000000000ff'",
        "created_at = created_at + interval '1 microsecond'",
    ],
    "users": [
        "username = 'other'", "username = ''", "is_bot = true", "created_at = '2026-01-01'",
        "deleted_at = '2026-01-01'",
    ],
    "conversations": ["type = 'direct'", "title = ''", "created_at = '2026-01-01'"],
    "conversation_participants": [
        "role = 'admin'", "joined_at = '2026-01-01'", "left_at = '2026-01-01'",
    ],
}  # fmt: skip
OURS = {
    "message_read_receipts": "read_receipts",
    "analytics_events": "events",
    "conversation_participants": "participants",
}


SILENT_DELETES = {
    "messages": "id = '00000000-0000-0000-0000-000000000003'",
    "message_read_receipts": "message_id = '00000000-0000-0000-0000-000000000003'",
    "analytics_events": "id = '00000000-0000-0000-0000-000000000003'",
}


@pytest.mark.slow
def test_every_silent_edit_is_found_and_repaired(pipeline: Pipeline, world: World) -> None:
    """An edit of any column that is kept is found by reading the days again, and repaired.

    On the second messenger's tables, one edit of each table.
    """
    missed, left = [], []
    for table in EDITS:
        for edit in EDITS[table][-1:] if pipeline.schema.is_renamed else EDITS[table]:
            world.execute(f"update {table} set {edit}")
            pretend_to_have_read(pipeline)
            found = pipeline.verify(repair=True, may_remove=True).reconciled
            if not any(d.table == OURS.get(table, table) for d in found.differences):
                missed.append((table, edit))
            expected = contents.of_source(pipeline.url)
            if contents.differences(contents.of_views(pipeline.published), expected):
                left.append((table, edit))
    assert (missed, left) == ([], [])


@pytest.mark.parametrize("table", SILENT_DELETES)
def test_a_hard_delete_is_named_and_left_without_repair(
    table: str, pipeline: Pipeline, world: World
) -> None:
    """A hard-deleted row is a difference of its day; without a repair the row stays."""
    world.execute(f"delete from {table} where {SILENT_DELETES[table]}")
    pretend_to_have_read(pipeline)
    found = pipeline.verify().reconciled
    name = OURS.get(table, table)
    rows = [(d.missing_rows, d.extra_rows) for d in found.differences if d.table == name]
    assert rows == [(0, 1)]
    assert not found.is_settled
    assert contents.of_views(pipeline.published) != contents.of_source(pipeline.url)


@pytest.mark.parametrize("days", [3, 40], ids=["a day with a file", "a new day"])
def test_a_missed_row_is_named_and_read_by_a_repair(
    days: int, pipeline: Pipeline, world: World
) -> None:
    """A row that a cycle missed is a difference of its day, whether or not the day has a file."""
    world.message(500, created_at=at(days=-days))
    pretend_to_have_read(pipeline)
    difference = Difference("messages", at(days=-days).date(), missing_rows=1, extra_rows=0)
    assert pipeline.verify().reconciled.differences == (difference,)
    assert pipeline.manifest().tables["messages"].rows == 7
    found = pipeline.verify(repair=True)
    assert found.reconciled.differences == (difference,) and found.is_repaired
    assert pipeline.manifest().tables["messages"].rows == 8


def test_receipts_of_a_message_that_just_changed_are_no_difference(
    pipeline: Pipeline, world: World
) -> None:
    """A message that moves before a verification changes its receipts, but not silently."""
    world.execute("update messages set conversation_id = %s where id = %s", uuid(9), uuid(3))
    found = pipeline.verify().reconciled
    assert found.differences == () and found.is_settled
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_a_difference_is_named_and_left_without_repair(pipeline: Pipeline, world: World) -> None:
    """What differs is named by table and day with both counts; nothing is replaced."""
    world.execute("update messages set message_type = 'image' where id = %s", uuid(3))
    pretend_to_have_read(pipeline)
    found = pipeline.verify()
    assert [(d.table, d.day) for d in found.reconciled.differences] == [("messages", DAY[3])]
    assert not found.reconciled.is_settled
    assert contents.of_views(pipeline.published) != contents.of_source(pipeline.url)
    assert pipeline.manifest().proof("messages").proved_at is None


def test_a_repair_reads_the_days_that_differ_and_proves_them(
    pipeline: Pipeline, world: World
) -> None:
    """`--repair` replaces exactly what differed, in facts and dimensions, and proves it."""
    before = {file.path for file in pipeline.manifest().files}
    world.execute("update messages set message_type = 'image' where id = %s", uuid(3))
    world.execute("update users set username = 'other' where id = 2")
    pretend_to_have_read(pipeline)
    found = pipeline.verify(repair=True)
    assert found.is_repaired and found.reconciled.is_settled
    manifest = pipeline.manifest()
    changed = {(f.table, f.day) for f in manifest.files if f.path not in before}
    assert changed == {("messages", DAY[3]), ("users", None)}
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    proofs = [manifest.proof(table) for table in manifest.tables]
    assert all(proof.proved_at is not None for proof in proofs if proof.files)


def test_traffic_during_a_verification_is_no_difference(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are written, edited and deleted while it runs make no false alarm."""
    numbers = iter(range(100, 200))
    rows = SourceTransaction.rows

    def rows_amid_traffic(
        self: SourceTransaction, table: Table, window: Window
    ) -> pa.RecordBatchReader:
        with World(pipeline.url) as other:
            other.message(next(numbers))
            other.execute("update messages set content = content || 'x'")
            other.execute("delete from analytics_events where id = %s", uuid(4))
        return rows(self, table, window)

    monkeypatch.setattr(SourceTransaction, "rows", rows_amid_traffic)
    found = pipeline.verify()
    assert found.reconciled.differences == ()
    assert found.reconciled.proved == len(pipeline.manifest().files)


DAMAGES = {
    "update core.fact_messages set content_length = content_length + 1 "
    "where created_at = (select min(created_at) from core.fact_messages)": "messages of 20",
    "update core.fact_messages set sender_key = 3 - sender_key where content_length = 5 "
    "and created_at = (select min(created_at) from core.fact_messages)": "messages of 20",
    "update core.fact_read_receipts set message_created_at = null": "read_receipts of 20",
    "update core.fact_events set event_type = 'other' where event_type = ''": "events of 20",
    **{
        f"update core.{rollup} set {change}": f"{rollup} has"
        for rollup, change in {
            "message_days": "length_sum = length_sum + 1",
            "message_quarter_hours": "quarter_at = quarter_at + interval 15 minutes",
            "read_quarter_hours": "is_bot = not is_bot",
            "user_days": "read_quarter_hours_low = xor(read_quarter_hours_low, 1)",
            "user_type_days": "conversation_type = 'other'",
            "message_outcomes": "read_seconds = coalesce(read_seconds, 0) + 1",
            "read_days": "day = day + 1",
            "event_days": "event_type = 'other'",
            "event_quarter_hours": "event_type = 'other'",
        }.items()
    },
}


@pytest.mark.slow
@pytest.mark.our_schema("the next test is enough for the comparison by other ids")
def test_a_warehouse_that_differs_from_the_lake_is_rebuilt(
    pipeline: Pipeline, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row changed by hand, in any fact or rollup and with no count changed, is found.

    The warehouse is rebuilt from the lake, and the published file holds what the source holds.
    """
    missed, expected = [], contents.of_source(pipeline.url)
    for damage, words in DAMAGES.items():
        with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
            connection.execute(damage)
        capsys.readouterr()
        assert pipeline.verify().reconciled.is_settled
        log = capsys.readouterr().out
        if "warehouse.rebuild" not in log or words not in log:
            missed.append(damage)
        assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert missed == []


def test_the_daily_proof_finds_a_warehouse_that_differs(
    pipeline: Pipeline, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cycle that proves a day also compares it with the warehouse, and rebuilds the warehouse."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.fact_messages set content_length = 99")
    prove_everything(pipeline)
    assert "warehouse.rebuild" in capsys.readouterr().out
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_only_the_days_asked_for_are_proved(pipeline: Pipeline, world: World) -> None:
    """With --from and --to no other day of a fact is compared; dimensions always are."""
    pipeline.verify(DayRange(DAY[3], DAY[2]))
    proved = {(f.table, f.day) for f in pipeline.manifest().files if f.proved_at}
    assert {day for _, day in proved if day} == {DAY[3], DAY[2]}
    assert {table for table, day in proved if day is None} == {
        "users", "conversations", "participants",
    }  # fmt: skip


def test_a_repair_that_removes_too_much_asks(pipeline: Pipeline, world: World) -> None:
    """More than 5 % of a table: refused with counts and the way out, and done with --yes."""
    world.execute("delete from messages where id in (%s, %s, %s, %s)", *map(uuid, range(4)))
    with pytest.raises(RepairRefusedError, match="remove 4 of 7 rows of messages") as caught:
        pipeline.verify(repair=True)
    assert call("verify --repair --yes") in caught.value.hint
    assert pipeline.manifest().tables["messages"].rows == 7
    found = pipeline.verify(repair=True, may_remove=True)
    assert found.reconciled.is_settled
    assert pipeline.manifest().tables["messages"].rows == 3


def test_there_must_be_something_to_verify(pipeline: Pipeline) -> None:
    """Before the first cycle there is nothing to verify, and the error says what to do."""
    with pytest.raises(VerifyError, match="nothing in") as caught:
        pipeline.verify()
    assert call("etl") in caught.value.hint


def test_the_daily_round_takes_the_longest_unproved_within_its_budget() -> None:
    """From the hour on everything not proved since is due, oldest first, up to the budget."""
    files = tuple(
        a_lake_file(
            day=TIME.date() - timedelta(days=n),
            rows=40,
            proved_at=TIME - timedelta(days=n, hours=-2 if n else 0),
        )
        for n in range(4)
    )
    manifest = a_manifest(files=files, batches=(a_batch(data_through=TIME),))
    since = {n: TIME.date() - timedelta(days=n) for n in range(4)}
    assert due(manifest, hour=TIME.hour, rows_max=10**9) == {
        "messages": days_of([since[1], since[2], since[3]])
    }
    assert due(manifest, hour=TIME.hour, rows_max=80) == {"messages": days_of([since[2], since[3]])}
    assert due(manifest, hour=TIME.hour, rows_max=1) == {"messages": days_of([since[3]])}
    # An hour later than now means yesterday's round, which the last day has behind it.
    assert due(manifest, hour=TIME.hour + 1, rows_max=10**9) == {
        "messages": days_of([since[2], since[3]])
    }


def spread_round(hours: Sequence[float], *, files: int, rows_max: int) -> list[list[int]]:
    """The files that are due so many hours after the slot began, each proved when it was due.

    Each has ten rows; the first one has been unproved for longest.
    """
    days = [TIME.date() - timedelta(days=n) for n in range(files)]
    proved_at = {day: TIME - timedelta(days=1) + timedelta(minutes=n) for n, day in enumerate(days)}
    rounds = []
    for hour in hours:
        now = TIME + timedelta(hours=hour)
        manifest = a_manifest(
            files=tuple(a_lake_file(day=day, rows=10, proved_at=proved_at[day]) for day in days),
            batches=(a_batch(data_through=now),),
        )
        found = due(manifest, hour=TIME.hour, rows_max=rows_max, is_spread=True)
        chosen = [day for day in days if found and day in found["messages"]]
        proved_at |= dict.fromkeys(chosen, now)
        rounds.append([days.index(day) for day in chosen])
    return rounds


def test_a_spread_round_has_its_portions_evenly_over_the_day() -> None:
    """Of N rows ceil(N / B) portions are due, each a part of the day after the one before it."""
    hours = (0, 0.1, 5.9, 6, 6.1, 11.9, 12, 17.9, 18, 18.1, 23.9)
    assert spread_round(hours, files=7, rows_max=20) == [
        [0, 1], [], [], [2, 3], [], [], [4, 5], [], [6], [], [],
    ]  # fmt: skip
    # A portion that one file does not fill takes the next one in the next cycle.
    assert spread_round((0, 0.1, 0.2, 8, 8.1, 16), files=4, rows_max=15) == [
        [0], [1], [], [2], [], [3],
    ]  # fmt: skip
    # What is within the budget is due at once, as in a round that is not spread.
    assert spread_round((0, 1), files=3, rows_max=30) == [[0, 1, 2], []]


def test_a_spread_round_catches_up_with_what_it_missed() -> None:
    """Where no cycle ran until the evening, each one after that proves a portion."""
    assert spread_round((20, 20.1, 20.2, 20.3), files=3, rows_max=10) == [[0], [1], [2], []]


@pytest.mark.our_schema("about the budget of rows, not about the rows")
def test_cycles_prove_everything_once_a_day(pipeline: Pipeline, world: World) -> None:
    """Cycle by cycle within the budget every file is proved, and then none again that day."""
    late = a_hour_that_has_begun(pipeline)
    small = replace(
        pipeline, settings=replace(pipeline.settings, verify_hour=late, verify_budget_rows=8)
    )
    _age_all_batches(pipeline)
    proved = [small.cycle().reconciled.proved for _ in range(8)]
    total = len(pipeline.manifest().files)
    assert sum(proved) == total and proved[-1] == 0 and max(proved) < total


def a_hour_that_has_begun(pipeline: Pipeline) -> int:
    """The hour of the source's clock."""
    return pipeline.manifest().data_through.hour


def _age_all_batches(pipeline: Pipeline) -> None:
    """Make it look as if everything had been read two days ago."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.batches set data_through = data_through - interval 2 days")
        connection.execute("update core.lake_files set batch = 0")


def test_the_last_day_there_is_has_a_proof_too(pipeline: Pipeline, world: World) -> None:
    """Rows of the years 1 and 9999 are proved like any other."""
    world.message(900, created_at=date(1, 1, 1))
    world.execute(
        "update messages set created_at = 'infinity', deleted_at = '-infinity' where id = %s",
        uuid(0),
    )
    world.event(901, created_at="9999-12-31 23:59:59.999999+00")
    found = pipeline.verify(repair=True, may_remove=True)
    assert found.reconciled.is_settled
    assert pipeline.manifest().proof("messages").proved_at is not None
