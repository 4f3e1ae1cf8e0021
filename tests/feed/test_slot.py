"""The slot: what a batch is told, and every way in which the slot stops being complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import make_conninfo

from etl.feed.changes import Reading, TableChanges
from etl.feed.reading import read_feed
from etl.feed.session import open_session
from etl.feed.slot import _log_end_on_disk
from olap.errors import SourceError
from olap.manifest import Mode
from olap.secret import Secret
from tests.feed.follower import Follower, install, keys, told
from tests.fix_postgres import READER_PASSWORD
from tests.world import World, uuid


@pytest.fixture
def follower(new_follower: Callable[[Mode], Follower]) -> Follower:
    """Reads the slot of a new database."""
    return new_follower(Mode.SLOT)


@pytest.fixture
def world(follower: Follower) -> Iterator[World]:
    """Writes to the messenger; each commit is on disk, where others can advance the slot to."""
    with World(follower.url) as world:
        world.execute("set synchronous_commit = on")
        yield world


def reason_of_scan(reading: Reading) -> str:
    """Why a batch is a scan."""
    assert (reading.mode, reading.changes) == (Mode.SCAN, None)
    assert reading.reason is not None
    return reading.reason


def require_back(follower: Follower, world: World) -> None:
    """The slot tells the batch after a scan what has changed since."""
    world.message(77)
    assert told(follower.read()).keys == keys(77)


def test_a_batch_is_told_what_changed_since_the_last(follower: Follower, world: World) -> None:
    """Keys, which of them are new, and how many rows were added, by table; once."""
    world.message(1)
    world.message(2)
    assert told(follower.read()) == TableChanges(
        columns=("id",), keys=keys(1, 2), inserted=keys(1, 2), added_rows=2
    )
    world.message(1, content="edited")
    world.execute("delete from messages where id = %s", uuid(2))
    world.message(3)
    world.message(3, content="edited")
    world.message(5)
    world.execute("delete from messages where id = %s", uuid(5))
    world.receipt(3)
    reading = follower.read()
    assert told(reading) == TableChanges(
        columns=("id",), keys=keys(1, 2, 3, 5), inserted=keys(3), passing=keys(5)
    )
    receipts = told(reading, "message_read_receipts")
    assert receipts.columns == ("message_id", "user_id")
    assert receipts.keys == receipts.inserted == {(str(uuid(3)), "2")}
    assert told(reading, "users") == TableChanges(columns=("id",))
    assert not told(follower.read()).keys


def test_a_crash_before_the_advance_repeats_keys_and_not_counts(
    follower: Follower, world: World
) -> None:
    """What was read, and not told to the slot, is read again; its rows are not counted twice."""
    world.message(1)
    assert told(follower.read(advances=False)).added_rows == 1
    again = told(follower.read(advances=False))
    assert (again.keys, again.added_rows) == (keys(1), 0)
    world.message(2)
    assert told(follower.read()).added_rows == 1
    assert told(follower.read()).keys == frozenset()


def test_an_open_transaction_is_read_when_it_has_committed(
    follower: Follower, world: World
) -> None:
    """Its rows are in no batch before its commit, and in the first one after it."""
    with World(follower.url) as late:
        late.connection.execute("begin")
        late.message(1)
        world.message(2)
        assert told(follower.read()).keys == keys(2)
        late.connection.execute("commit")
    assert told(follower.read()) == TableChanges(
        columns=("id",), keys=keys(1), inserted=keys(1), added_rows=1
    )


def test_an_idle_transaction_does_not_hold_up_a_batch(follower: Follower, world: World) -> None:
    """Its log stays in memory, and decoding reads the disk: the log is brought there before."""
    with (
        World(follower.url) as idle,
        open_session(Secret(follower.url), follower.settings) as session,
    ):
        world.message(1)
        idle.connection.execute("begin")
        idle.message(2)
        end = session.ask_one("slot/log_end")
        assert end["flushed"] < end["inserted"]
        until = _log_end_on_disk(session)
        assert session.ask_one("slot/log_end")["flushed"] >= until >= end["inserted"]
        assert told(follower.read()).keys == keys(1)


def test_a_truncated_table_is_told_alone(follower: Follower, world: World) -> None:
    """TRUNCATE marks its table; the others are read by keys."""
    world.message(1)
    world.receipt(1)
    world.execute("truncate message_read_receipts")
    reading = follower.read()
    assert told(reading, "message_read_receipts").is_truncated
    assert told(reading) == TableChanges(
        columns=("id",), keys=keys(1), inserted=keys(1), added_rows=1
    )


SLOT = "(select analytics_feed.slot_name())"


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (f"select pg_drop_replication_slot({SLOT})", "the slot was dropped"),
        (
            f"select pg_drop_replication_slot({SLOT});"
            f"select pg_create_logical_replication_slot({SLOT}, 'pgoutput')",
            "the slot was created again, or advanced by somebody else",
        ),
        (
            f"select pg_logical_emit_message(true, '', '');"
            f"select pg_replication_slot_advance({SLOT}, pg_current_wal_lsn())",
            "the slot was created again, or advanced by somebody else",
        ),
        (
            "alter publication analytics_feed drop table messages;"
            "insert into messages (id, conversation_id)"
            " values (gen_random_uuid(), gen_random_uuid());"
            "alter publication analytics_feed add table messages (id)",
            "the publication was changed",
        ),
        (
            "alter publication analytics_feed set (publish = 'insert');"
            "alter publication analytics_feed"
            " set (publish = 'insert, update, delete, truncate')",
            "the publication was changed",
        ),
        (
            "alter function analytics_feed.advance(pg_lsn) set work_mem = '4MB'",
            "the functions of the slot were changed",
        ),
    ],
)
def test_a_slot_with_a_gap_is_used_again_after_one_scan(
    follower: Follower, world: World, statements: str, reason: str
) -> None:
    """A slot that somebody drops, advances or changes causes one scan, with the reason."""
    world.message(1)
    for statement in statements.split(";"):
        world.execute(statement)
    assert reason_of_scan(follower.read()) == reason
    require_back(follower, world)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "alter publication analytics_feed set (publish = 'insert')",
            "the publication leaves out some kinds of changes",
        ),
        ("drop publication analytics_feed", "there is no publication"),
        ("drop function analytics_feed.changes(pg_lsn, integer)", "the slot is not installed"),
    ],
)
def test_a_slot_that_cannot_be_used_is_not(
    follower: Follower, world: World, statement: str, reason: str
) -> None:
    """As long as a part is missing, each batch is a scan with the reason."""
    world.execute(statement)
    assert [reason_of_scan(follower.read()) for _ in range(2)] == [reason, reason]
    assert follower.manifest is not None
    assert follower.manifest.feed is None


def test_a_change_that_is_not_committed_makes_a_scan(follower: Follower, world: World) -> None:
    """While somebody changes the publication, nothing is certain; afterwards nothing is lost."""
    with psycopg.connect(follower.url) as owner:
        owner.execute("alter publication analytics_feed drop table users")
        world.message(1)
        assert reason_of_scan(follower.read()) == "somebody is changing the publication"
        owner.rollback()
    world.message(2)
    assert told(follower.read()).keys == keys(1, 2)


def test_a_slot_that_somebody_reads_makes_a_scan(follower: Follower, world: World) -> None:
    """While another session has the slot, the batch is a scan; afterwards nothing is lost."""
    world.message(1)
    with streaming(follower.url) as pid:
        assert reason_of_scan(follower.read()) == f"the slot is in use by process {pid}"
    world.message(2)
    assert told(follower.read()).keys == keys(1, 2)


@contextmanager
def streaming(url: str) -> Iterator[int]:
    """Another reader of the slot, by the replication protocol; its process id."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select analytics_feed.slot_name()").fetchone()
    assert row is not None
    conninfo = make_conninfo(url, replication="database")
    other = pq.PGconn.connect(conninfo.encode())
    try:
        options = "proto_version '1', publication_names 'analytics_feed'"
        command = f"START_REPLICATION SLOT {row[0]} LOGICAL 0/0 ({options})"
        assert other.exec_(command.encode()).status == pq.ExecStatus.COPY_BOTH
        yield other.backend_pid
    finally:
        other.finish()


def test_a_new_slot_waits_for_older_transactions(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is open, batches are scans and name it; the slot is made as soon as it ends."""
    monkeypatch.setattr("etl.feed.slot.CREATE_SECONDS_MAX", 1)
    world.execute(f"select pg_drop_replication_slot({SLOT})")
    with World(follower.url) as late:
        late.connection.execute("begin")
        late.message(1)
        assert reason_of_scan(follower.read()) == (
            "the slot cannot be created: transactions that are older did not end in 1 s"
        )
        late.connection.execute("commit")
    assert reason_of_scan(follower.read()) == "the slot is new"
    require_back(follower, world)


def test_a_slot_is_not_used_before_it_is_complete(follower: Follower, world: World) -> None:
    """A transaction that is older than the slot's start is read by a scan, not by the slot."""
    world.execute("select pg_logical_emit_message(true, '', '')")
    world.execute(f"select pg_replication_slot_advance({SLOT}, pg_current_wal_lsn())")
    with World(follower.url) as late:
        late.connection.execute("begin")
        late.message(1)
        assert reason_of_scan(follower.read()) == (
            "the slot was created again, or advanced by somebody else"
        )
        assert follower.state.position is None
        late.connection.execute("commit")
    # This one sees the row, so the slot is complete from here on.
    assert follower.read().mode is Mode.SCAN
    require_back(follower, world)


def test_too_many_changes_make_a_scan_and_are_not_read_again(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the slot is moved on: the scan has read what it told."""
    monkeypatch.setattr("etl.feed.reading.CHANGES_MAX", 50)
    world.execute(
        "insert into messages (id, conversation_id)"
        " select gen_random_uuid(), gen_random_uuid() from generate_series(1, 60)"
    )
    assert reason_of_scan(follower.read()) == "more than 50 changes are in the slot"
    assert follower.read().mode is Mode.SCAN  # the slot starts here
    require_back(follower, world)


def test_a_stream_that_is_not_understood_makes_a_scan(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the decoder refuses is left behind."""
    world.message(1)
    with monkeypatch.context() as patched:
        patched.setattr("etl.feed.pgoutput.Decoder._define", lambda *_: int("unknown"))
        assert reason_of_scan(follower.read()).startswith("the slot's stream has a message")
    assert follower.read().mode is Mode.SCAN
    require_back(follower, world)


def test_a_stream_that_takes_too_long_makes_a_scan(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be decoded in time is left behind; another error is not, and is read later."""

    def failing(state: str) -> Callable[..., Iterator[bytes]]:
        def fail(*_: object) -> Iterator[bytes]:
            error = SourceError("it failed", hint="")
            error.sqlstate = state
            raise error

        return fail

    world.message(1)
    with monkeypatch.context() as patched:
        patched.setattr("etl.feed.slot._messages", failing("08006"))
        assert reason_of_scan(follower.read()) == "it failed"
    assert told(follower.read()).keys == keys(1)
    with monkeypatch.context() as patched:
        patched.setattr("etl.feed.slot._messages", failing("57014"))
        assert reason_of_scan(follower.read()) == "it failed"
    assert follower.read().mode is Mode.SCAN
    require_back(follower, world)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "alter table messages replica identity full",
            "its REPLICA IDENTITY is not its key, so PostgreSQL refuses to change its rows",
        ),
        (
            "alter table messages drop constraint messages_pkey",
            "the publication has other columns than its key",
        ),
        (
            "create table more () inherits (messages)",
            "it has child tables, whose rows the publication lacks",
        ),
    ],
)
def test_a_table_that_the_publication_does_not_cover_is_scanned(
    follower: Follower, world: World, statement: str, reason: str
) -> None:
    """Without a key, or with rows elsewhere, a table has no keys; the others have."""
    world.execute(statement)
    world.receipt(1)
    reading = follower.read()
    assert reading.uncovered == {"messages": reason}
    assert reading.changes is not None
    assert "messages" not in reading.changes
    assert told(reading, "message_read_receipts").added_rows == 1


def test_a_table_that_is_not_published_is_scanned(follower: Follower, world: World) -> None:
    """It stays without keys, and the others are read from the slot."""
    world.execute("alter publication analytics_feed drop table users")
    assert reason_of_scan(follower.read()) == "the publication was changed"
    reading = follower.read()
    assert reading.uncovered == {"users": "it is not in the publication"}
    assert reading.mode is Mode.SLOT


def test_a_role_that_only_reads_needs_no_more_than_the_functions(
    database: str, reader: str
) -> None:
    """A role with SELECT and the functions reads the slot; without them it scans, and says so."""
    install(database, Mode.SLOT, etl_role=reader)
    url = make_conninfo(database, user=reader, password=READER_PASSWORD)
    follower = Follower(url, Mode.SLOT)
    follower.read()
    with World(database) as world:
        world.message(1)
        assert told(follower.read()).keys == keys(1)
        world.execute(f"revoke usage on schema analytics_feed from {reader}")
        reason = "the role may not execute the functions of the slot"
        assert reason_of_scan(follower.read()) == reason
        world.execute(f"grant usage on schema analytics_feed to {reader}")
        follower.read()
        require_back(follower, world)


def test_a_slot_that_was_given_up_is_created_again(follower: Follower, world: World) -> None:
    """What lags behind max_slot_wal_keep_size is lost, and the next batch starts a new slot."""
    world.message(1)
    try:
        world.execute("alter system set max_slot_wal_keep_size = '1MB'")
        world.execute("select pg_reload_conf()")
        for _ in range(3):
            world.execute("select pg_logical_emit_message(true, '', repeat('x', 100000))")
            world.execute("select pg_switch_wal()")
        world.execute("checkpoint")
        assert reason_of_scan(follower.read()).startswith("the source has given the slot up (")
    finally:
        world.execute("alter system set max_slot_wal_keep_size = '1GB'")
        world.execute("select pg_reload_conf()")
    require_back(follower, world)


def test_no_text_is_in_the_stream(follower: Follower, world: World) -> None:
    """Texts inserted, changed and deleted leave no byte in it; with all columns they would."""
    mark = "MARKED"
    for number, length in enumerate([1, 300, 9_000]):
        world.message(number, content=mark * length)
        world.message(number, content=mark + "!" * length)
        world.execute("update messages set id = %s where id = %s", uuid(number + 9), uuid(number))
        world.execute("delete from messages where id = %s", uuid(number + 9))
    world.user(1, username=mark)
    world.conversation(1, title=mark)
    world.execute("create publication everything for table messages, users, conversations")
    peek = (
        "select sum(position('MARKED'::bytea in data)), sum(length(data))"
        " from pg_logical_slot_peek_binary_changes(analytics_feed.slot_name(), null, null,"
        " 'proto_version', '1', 'publication_names', '{}')"
    )
    found = world.connection.execute(peek.format("analytics_feed").encode()).fetchone()
    assert found is not None
    assert (found[0], found[1] > 0) == (0, True)
    # A publication sees only what was written after it was made.
    world.message(99, content=mark)
    found = world.connection.execute(peek.format("everything").encode()).fetchone()
    assert found is not None
    assert found[0] > 0


def test_a_commit_after_the_snapshot_is_told_again(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its key is harmless in this batch, which does not see the row; the next one counts it."""

    def read_later(*arguments: Any) -> Reading:
        world.message(1)
        return read_feed(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("tests.feed.follower.read_feed", read_later)
        early = told(follower.read())
    assert (early.keys, early.added_rows) == (keys(1), 0)
    again = told(follower.read())
    assert (again.keys, again.added_rows) == (keys(1), 1)
