"""A backfill equals one load, whatever its chunks are and whatever changes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import etl.backfill
import etl.cycle
import etl.source
from etl.backfill import Progress
from etl.erase import erase
from etl.range_reader import RangeReader
from etl.source import SourceTransaction
from olap.backfill_chunks import BlockRange, Chunk, read_chunks
from olap.commands import call
from olap.days import DayRange
from olap.errors import BackfillError, BusyError, SourceChangedError
from olap.layout import Layout
from olap.status import status
from tests import contents
from tests.effort import examples
from tests.fix_pipeline import Pipeline
from tests.source_schemas import SourceSchema, is_pseudonym
from tests.test_incremental import Deed, deeds
from tests.world import World, at, uuid

pytestmark = [pytest.mark.slow, pytest.mark.both_schemas]

Show = Callable[[Progress], None]
MESSAGES, LONG_TEXT = 24, "x" * 150
FACT_TABLES = ("messages", "message_read_receipts", "analytics_events")


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a range one block, so that a small messenger has many."""
    monkeypatch.setattr(etl.backfill, "RANGE_BLOCKS", 1)


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """The messenger of the pipeline, with few rows per block."""
    with World(pipeline.url) as found:
        spread(found)
        yield found


def spread(world: World) -> None:
    """Write few rows per block: 8 blocks of messages, 3 of events, 4 of receipts."""
    percent = 13 if world.schema.is_renamed else 10  # texts are longer than numbers and uuids
    for table in FACT_TABLES:
        world.execute(f"alter table {world.table(table)} set (fillfactor = {percent})")
    for number in range(MESSAGES):
        sent_at = at(days=-(number % 6))
        world.message(number, sender_id=number % 3 + 1, content=LONG_TEXT, created_at=sent_at)
        for user in (2, 3):
            world.receipt(number, user=user, read_at=sent_at + timedelta(hours=1))
        world.event(number, created_at=sent_at)
    for number in (1, 2, 3):
        world.user(number)
    world.conversation(1)
    world.participant(1, 2)


@contextmanager
def ranges_read() -> Iterator[list[str]]:
    """Record the names of the ranges that are read, in order."""
    names: list[str] = []
    real = RangeReader.read

    def read(self: RangeReader, planned: BlockRange, days: Any) -> Chunk:
        names.append(planned.name)
        return real(self, planned, days)

    with patch.object(RangeReader, "read", read):
        yield names


@contextmanager
def after_range(number: int, action: Callable[[], None]) -> Iterator[None]:
    """Call `action` once, when `number` ranges have been read."""
    real, count, lock = RangeReader.read, 0, threading.Lock()

    def read(self: RangeReader, planned: BlockRange, days: Any) -> Chunk:
        nonlocal count
        chunk = real(self, planned, days)
        with lock:
            count += 1
            if count == number:
                action()
        return chunk

    with patch.object(RangeReader, "read", read):
        yield


def interrupted(pipeline: Pipeline, number: int, days: DayRange | None = None) -> None:
    """Start a backfill and stop it when it has read `number` ranges."""
    stop = threading.Event()
    options = {} if days is None else {"days": days}
    with after_range(number, stop.set):
        report = pipeline.backfill(jobs=1, stop=stop, **options)
    assert report.cycle is None
    assert report.progress.blocks_done < report.progress.blocks


def require_equal_to_source(pipeline: Pipeline) -> None:
    """Require that views and lake equal the source, and that no check returns a row."""
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    paths: dict[str, list[str]] = {}
    for file in pipeline.manifest().files:
        paths.setdefault(file.table, []).append(file.path)
    lake = contents.lake_ids(pipeline.layout.lake, paths)
    assert contents.differences(lake, contents.source_ids(pipeline.url)) == {}
    assert contents.offences(pipeline.published) == []


def test_three_interrupted_parts_equal_one_load_and_increments(
    new_database: Callable[[], str], new_pipeline: Callable[[str], Pipeline], schema: SourceSchema
) -> None:
    """A backfill in three commands, with changes between them, equals one load."""

    @settings(
        max_examples=examples(1 if schema.is_renamed else 2),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    @given(
        parts=st.lists(st.lists(deeds, max_size=15), min_size=2, max_size=2),
        cuts=st.lists(st.integers(1, 7), min_size=2, max_size=2),
    )
    def holds(parts: list[list[Deed]], cuts: list[int]) -> None:
        pipeline = new_pipeline(new_database())
        pipeline.settings = replace(pipeline.settings, repair_max_percent=100)
        other = pipeline.beside(f"{pipeline.settings.data_dir.name}-incremental")
        with World(pipeline.url) as world:
            spread(world)
            other.cycle()
            for part, cut in zip(parts, cuts, strict=True):
                interrupted(pipeline, cut)
                for deed in part:
                    deed.happen(world)
                other.cycle()
        report = pipeline.backfill(jobs=2)
        assert report.cycle is not None
        assert report.cycle.reconciled.is_settled
        require_equal_to_source(pipeline)
        once = pipeline.beside(f"{pipeline.settings.data_dir.name}-once")
        once.cycle()
        for equal in (once, other):
            expected = contents.of_core(equal.published)
            assert contents.differences(contents.of_core(pipeline.published), expected) == {}

    holds()


def test_no_range_is_read_twice(pipeline: Pipeline, world: World) -> None:
    """After two interruptions every range has been read exactly once."""
    with ranges_read() as names:
        interrupted(pipeline, 3)
        interrupted(pipeline, 4)
        report = pipeline.backfill()
    assert len(names) == len(set(names)) > 8
    assert (report.resumed_blocks, report.progress.blocks_done) == (7, report.progress.blocks)
    require_equal_to_source(pipeline)


def test_a_finished_backfill_leaves_no_chunks(pipeline: Pipeline, world: World) -> None:
    """The chunks are gone, the coverage is complete, and a cycle finds no changes."""
    pipeline.backfill()
    assert not pipeline.layout.backfill.exists()
    assert str(pipeline.manifest().coverage) == "every day"
    assert pipeline.cycle().rows_changed == 0


def test_a_row_that_moves_to_another_block_is_neither_lost_nor_doubled(
    pipeline: Pipeline, world: World
) -> None:
    """Rows that move between blocks before and after these are read are loaded exactly once."""
    world.execute("delete from messages where id in (%s, %s)", uuid(0), uuid(1))
    world.execute(f"vacuum {world.table('messages')}")

    def move() -> None:
        # The first block has free space, which receives updated rows of the last one.
        world.execute("update messages set content = repeat('y', 1500) where id >= %s", uuid(15))
        world.execute("update messages set content = repeat('z', 1500) where id < %s", uuid(5))

    with after_range(2, move):
        report = pipeline.backfill(jobs=1)
    require_equal_to_source(pipeline)
    # By the watermark alone, without a further read.
    assert report.cycle is not None
    assert len(report.cycle.reconciled.extracts) == 1


def test_receipts_read_before_their_message_is_deleted_are_read_again(
    pipeline: Pipeline, world: World
) -> None:
    """Receipts are read again when their message is hard-deleted after they were read."""

    def delete() -> None:
        world.execute("delete from messages where id = %s", uuid(3))

    with ranges_read() as names:
        interrupted(pipeline, 3)
        with after_range(10, delete):
            pipeline.backfill(jobs=2)
    tables = [name.split("-")[0] for name in names]
    assert tables.index("read_receipts") > max(
        place for place, table in enumerate(tables) if table == "messages"
    )
    require_equal_to_source(pipeline)


def test_only_the_requested_days_are_kept(pipeline: Pipeline, world: World) -> None:
    """Rows of other days are counted and not kept, also in later cycles; `status` reports this."""
    day = at(days=-2).date()
    pipeline.backfill(DayRange(day, at(days=-1).date()))
    world.message(90, created_at=at(days=-2, minutes=1))
    world.message(91, created_at=at(days=1))
    pipeline.cycle()
    state = pipeline.manifest().tables["messages"]
    inside = contents.of_views(pipeline.published)["messages"]
    assert {row[0].date() for row in inside} == {day, at(days=-1).date()}
    assert (state.rows, state.source_rows, state.outside_rows) == (9, 9, 17)
    found = status(pipeline.layout, pipeline.clock(), interval_seconds=300)
    assert found.coverage == f"from {day} to {at(days=-1).date()}"
    assert found.tables["messages"].outside_rows == 17


def test_the_coverage_widens_to_every_day(pipeline: Pipeline, world: World) -> None:
    """Days added before and after, with cycles in between, equal one load."""
    middle = at(days=-3).date()
    pipeline.backfill(DayRange(middle, middle))
    world.message(90, created_at=at(days=-3, hours=2))
    world.message(91, created_at=at(days=-5, hours=2))
    pipeline.cycle()
    pipeline.backfill(DayRange(date.min, middle))
    world.execute("update messages set content = 'edited' where id = %s", uuid(91))
    report = pipeline.backfill()
    assert str(report.days) == f"from {at(days=-2).date()}"
    require_equal_to_source(pipeline)
    once = pipeline.beside("once")
    once.cycle()
    expected = contents.of_core(once.published)
    assert contents.differences(contents.of_core(pipeline.published), expected) == {}


def test_covered_days_are_not_read_again(pipeline: Pipeline, world: World) -> None:
    """A backfill of covered days reads nothing and publishes nothing."""
    pipeline.cycle()
    with ranges_read() as names:
        report = pipeline.backfill(DayRange(at(days=-9).date(), at().date()))
    assert (names, report.cycle, bool(report.days)) == ([], None, False)
    assert pipeline.generations() == [1]


def test_cycles_run_while_ranges_are_read(pipeline: Pipeline, world: World) -> None:
    """A backfill that widens the coverage does not block cycles, and the result is exact."""
    today = at().date()
    pipeline.backfill(DayRange(today, date.max))
    reports = []

    def write_and_cycle() -> None:
        world.message(90, created_at=at(minutes=9))
        world.message(91, created_at=at(days=-4, minutes=9))
        reports.append(pipeline.cycle())

    with after_range(3, write_and_cycle):
        pipeline.backfill(jobs=1)
    assert [report.is_published for report in reports] == [True]
    require_equal_to_source(pipeline)


@pytest.mark.parametrize("table", FACT_TABLES)
def test_a_table_that_was_rewritten_is_read_again(
    table: str, pipeline: Pipeline, world: World
) -> None:
    """After VACUUM FULL, which moves rows with old xmins, the ranges are read again."""
    interrupted(pipeline, 13)
    world.execute(f"delete from {world.table(table)} where ctid < '(1,0)'")
    world.execute(f"vacuum full {world.table(table)}")
    with ranges_read() as names:
        pipeline.backfill()
    again = {"messages": "messages", "analytics_events": "events"}.get(table, "read_receipts")
    assert f"{again}-000000" in names
    require_equal_to_source(pipeline)


def test_a_table_rewritten_before_the_last_cycle_is_read_whole(
    pipeline: Pipeline, world: World
) -> None:
    """When the chunks of a rewritten table are invalid, the days are read whole instead.

    A cycle in between has already read the new table, so that the last cycle knows it.
    """
    pipeline.backfill(DayRange(at().date(), date.max))
    real = etl.cycle.run_cycle

    def rewrite_and_run(*arguments: Any, **options: Any) -> Any:
        world.execute("delete from messages where id = %s", uuid(4))
        world.execute(f"vacuum full {world.table('messages')}")
        pipeline.cycle()
        return real(*arguments, **options)

    with patch.object(etl.backfill, "run_cycle", rewrite_and_run):
        report = pipeline.backfill()
    require_equal_to_source(pipeline)
    # At once, without a repair of wrong chunks.
    assert report.cycle is not None
    assert len(report.cycle.reconciled.extracts) == 1


def test_a_partitioned_table_is_read_partition_by_partition(
    pipeline: Pipeline, world: World
) -> None:
    """Ranges cover the same blocks of every partition, and each row is read once."""
    messages, schema = world.table("messages"), world.schema
    plain, old, new = (f"{schema.namespace}.{name}" for name in ("plain", "old", "new"))
    time, _ = schema.column("messages", "created_at")
    edge = schema.value("messages", "created_at", f"timestamptz '{at(days=-2).date()}'")
    world.execute(f"alter table {messages} rename to plain")
    world.execute(
        f"create table {messages} (like {plain} including defaults) partition by range ({time})"
    )
    part = f"partition of {messages} for values"
    world.execute(f"create table {old} {part} from (minvalue) to ({edge})")
    world.execute(f"create table {new} {part} from ({edge}) to (maxvalue)")
    world.execute(f"alter table {old} set (fillfactor = 10)")
    world.execute(f"insert into {messages} select * from {plain}")
    with ranges_read() as names:
        pipeline.backfill()
    assert sum(name.startswith("messages") for name in names) > 1
    require_equal_to_source(pipeline)


@pytest.mark.our_schema("about the command, not about rows")
def test_an_unfinished_backfill_refuses_other_days(pipeline: Pipeline, world: World) -> None:
    """An unfinished backfill refuses other days, and `--restart` discards it."""
    interrupted(pipeline, 2)
    one = DayRange(at().date(), at().date())
    with pytest.raises(BackfillError, match="a backfill of other days is unfinished: every day"):
        pipeline.backfill(one)
    pipeline.backfill(one, restart=True)
    assert str(pipeline.manifest().coverage) == f"from {at().date()} to {at().date()}"


@pytest.mark.our_schema("about the command, not about rows")
def test_a_cycle_refuses_an_unfinished_first_backfill(pipeline: Pipeline, world: World) -> None:
    """A cycle does not load every day while a first backfill is unfinished."""
    interrupted(pipeline, 2)
    with pytest.raises(BackfillError, match="is unfinished, and nothing else has been loaded"):
        pipeline.cycle()
    assert not pipeline.published.exists()
    found = status(pipeline.layout, pipeline.clock(), interval_seconds=300)
    assert found.backfill is not None
    assert found.backfill.startswith("unfinished: 2 of ")


@pytest.mark.our_schema("about the lock, not about rows")
def test_two_backfills_exclude_each_other(pipeline: Pipeline, world: World) -> None:
    """The error of the second backfill names the pid of the first."""
    with (
        Layout(pipeline.settings.data_dir).backfill_locked(),
        pytest.raises(BusyError, match=r"a backfill \(pid \d+\) writes to"),
    ):
        pipeline.backfill()


@pytest.mark.our_schema("about the cluster, not about rows")
def test_another_cluster_does_not_continue_it(pipeline: Pipeline, world: World) -> None:
    """A backfill of one cluster is not continued with another."""
    interrupted(pipeline, 2)
    plan = pipeline.layout.backfill / "plan.json"
    found = read_chunks(pipeline.layout)
    assert found is not None
    known = found.plan.source.system_identifier.encode()
    plan.write_bytes(plan.read_bytes().replace(known, b"42"))
    with pytest.raises(SourceChangedError, match="of cluster 42") as caught:
        pipeline.backfill()
    assert call("backfill --restart") in caught.value.hint


@pytest.mark.our_schema("about files, not about rows")
def test_chunks_left_by_a_kill_are_removed_by_the_next_cycle(
    pipeline: Pipeline, world: World
) -> None:
    """The next cycle removes the chunks of a finished backfill."""
    with patch("etl.cycle.discard_chunks"):
        pipeline.backfill()
    assert pipeline.layout.backfill.exists()
    pipeline.cycle()
    assert not pipeline.layout.backfill.exists()


@pytest.mark.our_schema("about replicas, not about rows")
def test_it_reads_nothing_while_a_replica_is_behind(pipeline: Pipeline, world: World) -> None:
    """Above the lag limit it opens no transaction and reports the lag; below the limit it reads."""
    lags = iter([5_000_000, 5_000_000])
    opened: list[int] = []
    shown: list[int | None] = []
    real = etl.source.open_source

    def lag(_: object, **options: int) -> int | None:
        return next(lags, 900_000)

    def counting(*arguments: Any, **options: Any) -> Any:
        opened.append(len(shown))
        return real(*arguments, **options)

    def show(progress: Progress) -> None:
        shown.append(progress.lag_bytes)

    with (
        patch.object(etl.backfill, "replica_lag_bytes", lag),
        patch.object(etl.backfill, "open_source", counting),
        patch.object(etl.backfill, "LAG_POLL_SECONDS", 0.01),
    ):
        pipeline.backfill(pause_above_lag_mb=1, show=show)
    assert shown[:2] == [5_000_000, 5_000_000]
    assert set(shown[2:]) == {None}
    assert min(opened) == 2
    require_equal_to_source(pipeline)


def test_a_failing_reader_ends_the_round_and_loses_nothing(
    pipeline: Pipeline, world: World
) -> None:
    """The error is raised, the ranges that were read stay, and the same command continues."""

    def fail() -> None:
        raise OSError("the disk is gone")

    with after_range(4, fail), pytest.raises(OSError, match="the disk is gone"):
        pipeline.backfill(jobs=2)
    with ranges_read() as names:
        report = pipeline.backfill()
    assert len(names) < report.progress.blocks
    require_equal_to_source(pipeline)


@pytest.mark.our_schema("about rounds, not about rows")
def test_every_round_takes_a_new_snapshot(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot lasts one round: with rounds of one range, each range has its own."""
    names: list[str] = []
    real = SourceTransaction.export_snapshot

    def exported(self: SourceTransaction) -> str:
        names.append(real(self))
        return names[-1]

    class OneRange(etl.backfill._Queue):
        def _must_end(self) -> bool:
            return bool(self._reading) or len(self._done) > len(self._chunks.done)

    monkeypatch.setattr(SourceTransaction, "export_snapshot", exported)
    monkeypatch.setattr(etl.backfill, "_Queue", OneRange)
    with ranges_read() as ranges:
        pipeline.backfill(jobs=1)
    assert len(set(names)) == len(ranges) > 10
    require_equal_to_source(pipeline)


def test_a_person_is_erased_from_an_unfinished_backfill(pipeline: Pipeline, world: World) -> None:
    """Ranges that mention the erased user are read again, and contain the pseudonym."""
    pipeline.backfill(DayRange(at().date(), date.max))
    world.execute("update messages set sender_id = 123456788 where id = %s", uuid(3))
    stop = threading.Event()
    with after_range(9, stop.set):
        pipeline.backfill(jobs=1, stop=stop)
    receipt = erase(pipeline.settings, pipeline.schema.id("user", 123456788), pipeline.clock)
    assert receipt.chunks > 0
    pipeline.backfill()
    senders = {row[2] for row in contents.of_views(pipeline.published)["messages"]}
    assert 123456788 not in senders
    assert any(map(is_pseudonym, senders))
    with psycopg.connect(pipeline.url) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
    assert row == (sum(contents.of_views(pipeline.published)["messages"].values()),)
