"""Cycles in slot and log mode: what they read, when they scan instead, and what a crash leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

import etl.by_keys
from etl.cycle import CycleReport
from olap.days import EVERY_DAY, DaySet
from olap.manifest import Mode
from olap.removals import find_removed
from tests import contents
from tests.fix_feeds import install_feed, uninstall_feed
from tests.fix_pipeline import Pipeline
from tests.test_source_identity import MESSENGER, mapped
from tests.world import World, at, uuid

pytestmark = pytest.mark.slow

FEEDS = (Mode.SLOT, Mode.LOG)
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=FEEDS)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Each of the feeds."""
    found: Mode = request.param
    return found


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """The messenger."""
    with World(pipeline.url) as world:
        yield world


@pytest.fixture
def followed(pipeline: Pipeline, world: World, mode: Mode) -> Pipeline:
    """A pipeline that has read ten messages, with receipts and events, and now follows a feed."""
    following = of_mode(pipeline, mode)
    install_feed(following, mode)
    fill(world)
    following.cycle()
    return following


def of_mode(pipeline: Pipeline, mode: Mode) -> Pipeline:
    """The same pipeline in a mode, without the brake, because its tables are small."""
    settings = replace(pipeline.settings, etl_mode=mode.value, repair_max_percent=100)
    return replace(pipeline, settings=settings)


def fill(world: World) -> None:
    """Write two people in two conversations, and ten messages of five days that both have read."""
    for number in (1, 2):
        world.user(number)
        world.conversation(number)
        world.participant(number, 1)
        world.participant(number, 2)
    for number in range(10):
        sent = at(days=-(number % 5))
        world.message(number, conversation_id=uuid(1 + number % 2), created_at=sent)
        world.receipt(number, 2, read_at=sent)
        world.reaction(number, created_at=sent)
        world.event(number, created_at=sent)


def change(world: World) -> None:
    """Edit, move, add and delete rows of every table."""
    world.message(0, content="edited")
    world.message(1, conversation_id=uuid(2))
    world.message(2, created_at=at(days=-30))
    world.message(20, created_at=at(minutes=1))
    world.execute("delete from messages where id = %s", uuid(3))
    world.execute("delete from message_read_receipts where message_id = %s", uuid(4))
    world.execute("update message_read_receipts set message_id = %s where message_id = %s",
                  uuid(20), uuid(5))  # fmt: skip
    world.receipt(6, 1)
    world.execute("delete from message_reactions where message_id = %s", uuid(6))
    world.event(20)
    world.execute("delete from analytics_events where id = %s", uuid(7))
    world.user(1, username="renamed")
    world.execute("delete from users where id = 2")
    world.execute("delete from conversation_participants where user_id = 2")
    world.conversation(2, type="direct")


def lake(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """The rows of the lake's facts, with the ids of the source."""
    paths: dict[str, list[str]] = {}
    for file in pipeline.manifest().files:
        paths.setdefault(file.table, []).append(file.path)
    return contents.lake_ids(pipeline.layout.lake, paths)


def require_equal_to_a_first_load(pipeline: Pipeline) -> None:
    """Stop unless the pipeline has what a load from scratch has."""
    fresh = of_mode(pipeline.beside("fresh"), Mode.SCAN)
    fresh.cycle()
    assert contents.differences(lake(pipeline), lake(fresh)) == {}
    found, loaded = (contents.of_core(one.published) for one in (pipeline, fresh))
    assert contents.differences(found, loaded) == {}


def rows_read(report: CycleReport) -> dict[str, int]:
    """The rows that a cycle read, of the tables with any."""
    return {name: t.rows for name, t in report.extract.tables.items() if t.rows}


def test_a_cycle_reads_the_rows_that_changed_and_no_others(
    followed: Pipeline, world: World
) -> None:
    """Exactly the changed rows are read, and those about changed messages; nothing is counted."""
    world.message(0, content="edited")
    world.execute("delete from messages where id = %s", uuid(3))
    world.participant(1, 1, role="admin")
    report = followed.cycle()
    assert report.extract.mode is Mode(followed.settings.etl_mode)
    assert rows_read(report) == {
        "participants": 1,
        "messages": 1,
        "read_receipts": 2,
        "reactions": 2,
    }
    assert all(table.counts is None for table in report.extract.tables.values())
    require_equal_to_a_first_load(followed)


def test_an_idle_cycle_reads_nothing(followed: Pipeline) -> None:
    """Without a change no row is read, and nothing is published."""
    report = followed.cycle()
    assert rows_read(report) == {} and not report.is_published


def test_one_history_makes_the_same_lake_in_every_mode(pipeline: Pipeline, world: World) -> None:
    """A scan, a slot and a log that follow the same messenger have the same rows after each cycle,
    the counted ones of the scan included."""
    modes = {mode: of_mode(pipeline.beside(mode.value), mode) for mode in Mode}
    for feed in FEEDS:
        install_feed(pipeline, feed)
    fill(world)
    for changes in (lambda _: None, change, lambda _: world.message(30)):
        changes(world)
        reports = {mode: one.cycle() for mode, one in modes.items()}
        lakes = {mode: lake(one) for mode, one in modes.items()}
        assert lakes[Mode.SLOT] == lakes[Mode.LOG] == lakes[Mode.SCAN]
        counted = [
            {name: state.source_rows for name, state in report.manifest.tables.items()}
            for report in reports.values()
        ]
        assert counted[0] == counted[1] == counted[2]
    assert {mode: report.extract.mode for mode, report in reports.items()} == {m: m for m in Mode}


@pytest.mark.parametrize("moment", ["before the commit", "before the advance", "after the advance"])
def test_a_killed_cycle_loses_no_row(
    followed: Pipeline, world: World, mode: Mode, moment: str
) -> None:
    """After SIGKILL the next cycle reads by keys again, and has every row once."""
    change(world)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.feed.killed_cycle", moment],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": followed.url,
            "DATA_DIR": str(followed.settings.data_dir),
            "ETL_MODE": mode.value,
            "REPAIR_MAX_PERCENT": "100",
        },
        capture_output=True,
        timeout=300,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    world.message(21)
    report = followed.cycle()
    assert report.extract.mode is mode
    require_equal_to_a_first_load(followed)


def drop_slot(connection: psycopg.Connection[Any]) -> None:
    """Drop the slot; the next cycle makes a new one."""
    connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                       "where database = current_database()")  # fmt: skip


def consume_slot(connection: psycopg.Connection[Any]) -> None:
    """Advance the slot beyond what was read here."""
    connection.execute("set synchronous_commit = on")  # a slot advances over flushed log only
    connection.execute("insert into users (id) values (99)")
    connection.execute(
        "select pg_replication_slot_advance(slot_name, pg_current_wal_insert_lsn()) "
        "from pg_replication_slots where database = current_database()"
    )


def republish(connection: psycopg.Connection[Any]) -> None:
    """Take a table out of the publication, change it, and publish it again."""
    connection.execute("alter publication analytics_feed drop table users")
    connection.execute("insert into users (id) values (99)")
    connection.execute("alter publication analytics_feed add table users (id)")


def switch_trigger_off(connection: psycopg.Connection[Any]) -> None:
    """Change a table while its trigger is off."""
    connection.execute("alter table users disable trigger all")
    connection.execute("insert into users (id) values (99)")
    for event in ("insert", "update", "delete", "truncate"):
        name = f"analytics_feed_{event}"
        connection.execute(f"alter table users enable always trigger {name}".encode())


def shorten_log(connection: psycopg.Connection[Any]) -> None:
    """Let somebody else remove rows that were not read here."""
    connection.execute("insert into users (id) values (99)")
    connection.execute("select analytics_feed.forget(pg_current_xact_id()::text::xid8, null)")


BREAKS = [
    (Mode.SLOT, drop_slot),
    (Mode.SLOT, consume_slot),
    (Mode.SLOT, republish),
    (Mode.LOG, switch_trigger_off),
    (Mode.LOG, shorten_log),
]


@pytest.mark.parametrize(
    ("mode", "damage"), BREAKS, ids=[damage.__name__ for _, damage in BREAKS], indirect=["mode"]
)
def test_a_feed_that_missed_something_is_left_and_used_again(
    followed: Pipeline, world: World, mode: Mode, damage: Callable[..., None]
) -> None:
    """What the feed did not tell is read by a scan, with a reason; the feed returns by itself."""
    world.message(20)
    with psycopg.connect(followed.url, autocommit=True) as connection:
        damage(connection)
    scanned = followed.cycle()
    users = scanned.extract.tables["users"]
    assert users.counts is not None
    if scanned.extract.mode is Mode.SCAN:
        assert scanned.extract.mode_reason
    require_equal_to_a_first_load(followed)
    for number in (21, 22):
        world.message(number)
        world.user(number)
        report = followed.cycle()
    assert report.extract.mode is mode
    assert report.extract.tables["users"].counts is None
    require_equal_to_a_first_load(followed)


def test_proofs_are_spread_over_the_day_and_scan_their_tables(
    followed: Pipeline, world: World, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch by keys leads to a proof of a portion, for which its tables alone are scanned, and
    compared with the source row by row."""
    asked: list[bool] = []

    def one_table(*_: Any, is_spread: bool, **__: Any) -> dict[str, DaySet]:
        asked.append(is_spread)
        return {"messages": EVERY_DAY} if is_spread else {}

    monkeypatch.setattr("etl.cycle.due", one_table)
    world.message(20)
    assert followed.cycle().extract.mode is mode
    report = followed.cycle()
    assert asked == [False, True]
    assert report.extract.mode is mode
    counted = {n for n, t in report.extract.tables.items() if t.counts is not None}
    assert counted == {"messages"}
    assert report.reconciled.proved == 5  # days


def test_without_a_feed_every_cycle_is_a_scan_that_says_why(
    followed: Pipeline, world: World, mode: Mode
) -> None:
    """Once a feed is taken away cycles scan; what changed meanwhile is there."""
    uninstall_feed(followed, mode)
    world.message(20)
    report = followed.cycle()
    assert report.extract.mode is Mode.SCAN
    assert report.extract.mode_reason
    assert report.manifest.last_batch.mode_reason == report.extract.mode_reason
    require_equal_to_a_first_load(followed)


def test_auto_takes_the_feed_that_is_installed(
    pipeline: Pipeline, world: World, mode: Mode
) -> None:
    """By default a cycle scans until a feed is installed, uses it, and scans when it is gone."""
    automatic = replace(
        pipeline, settings=replace(pipeline.settings, etl_mode="auto", repair_max_percent=100)
    )
    fill(world)
    found: list[Mode] = []
    for step in (None, install_feed, None, uninstall_feed):
        if step:
            step(automatic, mode)
        world.message(len(found) + 20)
        found.append(automatic.cycle().extract.mode)
    assert found == [Mode.SCAN, Mode.SCAN, mode, Mode.SCAN]
    require_equal_to_a_first_load(automatic)


def test_a_table_that_cannot_be_followed_is_scanned_alone(
    pipeline: Pipeline, world: World, mode: Mode
) -> None:
    """A table without a primary key stays with the scan; the others are read by keys."""
    world.execute("alter table analytics_events drop constraint analytics_events_pkey")
    following = of_mode(pipeline, mode)
    install_feed(following, mode)
    fill(world)
    following.cycle()
    change(world)
    report = following.cycle()
    counted = {n for n, t in report.extract.tables.items() if t.counts is not None}
    assert report.extract.mode is mode
    assert counted == {"events"}
    require_equal_to_a_first_load(following)


def test_a_whole_table_that_changes_without_its_rows_is_always_read(
    pipeline: Pipeline, world: World, mode: Mode, tmp_path: Path
) -> None:
    """A function of the SELECT reads a table that no feed tells of: its value is read in every
    cycle, although no key changed."""
    world.execute("create table shown (name text)")
    world.execute("insert into shown values ('before')")
    world.execute(
        "create function shown_name() returns text language sql stable as 'select name from shown'"
    )
    toml = (MESSENGER / "mapping.toml").read_text()
    whole = toml.replace('reads = ["users"]\nkey = ["id"]', 'reads = ["users"]\nwhole = true')
    select = (
        "select id as user_id, shown_name() as username, is_bot, created_at, deleted_at from users"
    )
    own = mapped(pipeline, tmp_path / "own", **{"mapping.toml": whole}, users=select)
    following = of_mode(own, mode)
    install_feed(following, mode)
    fill(world)
    following.cycle()
    world.execute("update shown set name = 'after'")
    world.message(20)
    assert following.cycle().extract.mode is mode
    names = {row[1] for row in contents.of_views(following.published)["users"]}
    assert names == {"after"}


def test_a_truncated_table_is_scanned_alone(followed: Pipeline, world: World, mode: Mode) -> None:
    """TRUNCATE names no key: this table is read again, and the others by keys."""
    world.execute("truncate message_reactions")
    world.reaction(1)
    world.message(0, content="edited")
    report = followed.cycle()
    assert report.extract.mode is mode
    assert report.extract.tables["reactions"].counts is not None
    assert report.extract.tables["messages"].counts is None
    require_equal_to_a_first_load(followed)


def test_more_keys_than_a_scan_is_worth(
    followed: Pipeline, world: World, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst makes its table a scan for one batch; the next one is by keys."""
    monkeypatch.setattr("etl.ways.KEYS_ALWAYS", 3)
    for number in range(20, 24):
        world.message(number)
    report = followed.cycle()
    assert report.extract.tables["messages"].counts is not None
    assert report.extract.tables["events"].counts is None
    require_equal_to_a_first_load(followed)
    world.message(30)
    assert followed.cycle().extract.tables["messages"].counts is None


def test_what_is_gone_in_great_numbers_stays(followed: Pipeline, world: World) -> None:
    """The brake decides in every mode: the batch becomes a scan, and the rows stay."""
    careful = replace(followed, settings=replace(followed.settings, repair_max_percent=5))
    world.execute("delete from message_read_receipts")
    report = careful.cycle()
    assert report.extract.mode is Mode.SCAN
    assert report.reconciled.refused == {"read_receipts": 10}


def test_a_row_that_the_lake_keeps_is_found_by_its_count(
    followed: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inserts minus deletes tell that a deleted row is still here, and a scan finds its day."""
    monkeypatch.setattr(etl.by_keys, "find_removed", _finding_nothing)
    world.execute("delete from messages where id = %s", uuid(3))
    report = followed.cycle()
    assert [extract.mode is Mode.SCAN for extract in report.reconciled.extracts][:2] == [
        False,
        True,
    ]
    require_equal_to_a_first_load(followed)


def _finding_nothing(*arguments: Any, **options: Any) -> dict[date, int]:
    find_removed(*arguments, **options)
    warehouse, fact = arguments[:2]
    warehouse.connection.execute(f"delete from staging.removed_{fact.name}")
    return {}
