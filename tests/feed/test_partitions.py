"""Partitioned tables: their keys, whichever way a row is written."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from etl.feed.changes import TableChanges
from olap.manifest import Mode
from tests.feed.follower import Follower, install

TABLES = """
drop table messages;
create table messages (
    id uuid not null, conversation_id uuid not null, sender_id bigint,
    message_type text not null default 'text', content text,
    created_at timestamptz not null default now(), updated_at timestamptz, deleted_at timestamptz,
    primary key (id, created_at)
) partition by range (created_at);
create table messages_2025 partition of messages for values from (minvalue) to ('2026-01-01Z');
create table messages_2026 partition of messages for values from ('2026-01-01Z') to ('2027-01-01Z');
"""
OLD, NEW = "2025-03-01 12:00:00+00", "2026-03-01 12:00:00+00"
ID = "00000000-0000-0000-0000-00000000000{}"


@pytest.fixture(params=[Mode.SLOT, Mode.LOG])
def follower(database: str, request: pytest.FixtureRequest) -> Follower:
    """Reads a feed of a database whose messages are partitioned."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    install(database, request.param)
    follower = Follower(database, request.param)
    follower.read()
    return follower


@pytest.fixture
def connection(follower: Follower) -> Iterator[psycopg.Connection]:
    """A connection to the database."""
    with psycopg.connect(follower.url, autocommit=True) as connection:
        yield connection


def write(connection: psycopg.Connection, table: str, number: int, created_at: str) -> None:
    """Insert a message."""
    statement = f"insert into {table} (id, conversation_id, created_at) values (%s, %s, %s)"
    connection.execute(statement.encode(), (ID.format(number), ID.format(0), created_at))


def told(follower: Follower) -> TableChanges:
    """What a batch was told of the messages."""
    reading = follower.read()
    assert reading.changes is not None, reading.reason
    return reading.changes["messages"]


def test_rows_of_a_partition_are_those_of_its_table(
    follower: Follower, connection: psycopg.Connection
) -> None:
    """Written through the table or to a partition, moved or deleted, a row has one key."""
    write(connection, "messages", 1, OLD)
    write(connection, "messages_2026", 2, NEW)
    keys = frozenset({(ID.format(1), OLD), (ID.format(2), NEW)})
    assert told(follower) == TableChanges(
        columns=("id", "created_at"), keys=keys, inserted=keys, added_rows=2
    )
    connection.execute("update messages set created_at = %s where id = %s", (NEW, ID.format(1)))
    moved = told(follower)
    assert moved.keys == frozenset({(ID.format(1), OLD), (ID.format(1), NEW)})
    assert moved.inserted == frozenset({(ID.format(1), NEW)})
    assert moved.added_rows == 0
    connection.execute("delete from messages_2026")
    gone = told(follower)
    assert gone.keys == frozenset({(ID.format(1), NEW), (ID.format(2), NEW)})
    assert gone.added_rows == -2


def test_a_new_partition(follower: Follower, connection: psycopg.Connection) -> None:
    """A slot follows it at once; a log has no triggers on it until it is installed again."""
    connection.execute(
        "create table messages_2027 partition of messages"
        " for values from ('2027-01-01Z') to (maxvalue)"
    )
    write(connection, "messages_2027", 1, "2027-03-01Z")
    if follower.mode == Mode.SLOT:
        assert told(follower).added_rows == 1
        return
    reading = follower.read()
    assert reading.uncovered == {
        "messages": "messages_2027 lacks triggers of the log, or they are disabled"
    }
    install(follower.url, Mode.LOG)
    assert follower.read().reason == "no table is followed: its triggers are new"
    write(connection, "messages_2027", 2, "2027-03-01Z")
    assert told(follower).added_rows == 1


def test_a_truncated_partition_is_told_by_a_log(
    follower: Follower, connection: psycopg.Connection
) -> None:
    """A slot does not tell it: another storage of a partition makes the batch scan the table."""
    connection.execute("truncate messages_2026")
    assert told(follower).is_truncated is (follower.mode == Mode.LOG)


def test_another_identity_of_a_partition(
    follower: Follower, connection: psycopg.Connection
) -> None:
    """A partition that logs its rows otherwise than by the key is not covered by a slot."""
    connection.execute("alter table messages_2025 replica identity full")
    uncovered = follower.read().uncovered
    reason = "these partitions have another replica identity: messages_2025"
    assert uncovered == ({"messages": reason} if follower.mode == Mode.SLOT else {})
