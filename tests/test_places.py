"""Reading by keys: the places of rows with given keys, and the rows at these places."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from etl.source import SourceTransaction
from olap.days import EVERY_DAY, DaySet, days_of
from olap.errors import SourceError
from olap.tables import MESSAGES, TABLES, Fact, Table
from tests.fix_pipeline import TIME_ZERO
from tests.test_source import reading
from tests.world import World, at, uuid

USERS = next(table for table in TABLES if table.name == "users")
RECEIPTS = next(t for t in TABLES if isinstance(t, Fact) and t.name == "read_receipts")

# Values that a text form, an array or JSON writes in a special way.
AWKWARD = ("plain", "it's", 'a "b"', "{c,d}", "back\\slash", "\\", "Zoë 🎉", "null", " ", "(0,1)")


def keys(*numbers: int) -> list[tuple[str, ...]]:
    """The keys of messages or events, as PostgreSQL writes them."""
    return [(str(uuid(number)),) for number in numbers]


def read(
    source: SourceTransaction,
    table: Table,
    *,
    own: list[str] | None = None,
    touching: list[str] | None = None,
    ids: list[str] | None = None,
    coverage: DaySet = EVERY_DAY,
) -> list[tuple[Any, ...]]:
    """The keys of the rows that are read, in order, each as often as it is."""
    rows = source.rows_at(table, own or [], touching or [], ids or [], coverage).read_all()
    assert set(rows["is_new"].to_pylist()) <= {True}
    found = zip(*(rows[name].to_pylist() for name in table.key), strict=True)
    return sorted(tuple(v.int if isinstance(v, UUID) else v for v in key) for key in found)


def test_rows_are_read_by_their_keys(database: str) -> None:
    """Exactly the rows with these keys are read; a key that is gone has no place."""
    with World(database) as world:
        for number in range(1, 6):
            world.message(number)
            world.user(number)
        with reading(database) as source:
            places = source.places("messages", ("id",), keys(2, 4, 9))
            assert len(places) == 2
            assert read(source, MESSAGES, own=places) == [(2,), (4,)]
            assert source.places("messages", ("id",), []) == []
            places = source.places("users", ("id",), [("3",), ("9",)])
            assert read(source, USERS, own=places) == [(3,)]


def test_the_rows_are_those_of_the_snapshot(database: str) -> None:
    """An update and a deletion after the snapshot change neither places nor rows."""
    with World(database) as world:
        world.message(1)
        world.message(2)
        with reading(database) as source:
            world.execute("update messages set content = 'much longer' where id = %s", uuid(1))
            world.execute("delete from messages where id = %s", uuid(2))
            places = source.places("messages", ("id",), keys(1, 2))
            rows = source.rows_at(MESSAGES, places).read_all()
    assert rows["content_length"].to_pylist() == [len("hello")] * 2


def test_every_column_is_read(database: str) -> None:
    """A row at a place has the values that a scan reads."""
    with World(database) as world:
        world.message(1, updated_at=at(hours=1), deleted_at="infinity", content=None)
        with reading(database) as source:
            rows = source.rows_at(MESSAGES, source.places("messages", ("id",), keys(1)))
            assert rows.read_all().to_pylist() == [
                {
                    "message_id": uuid(1),
                    "conversation_id": uuid(1),
                    "sender_id": 1,
                    "message_type": "text",
                    "content_length": None,
                    "created_at": TIME_ZERO.replace(tzinfo=None),
                    "edited_at": at(hours=1).replace(tzinfo=None),
                    "deleted_at": datetime(9999, 12, 31, 23, 59, 59, 999999),
                    "is_new": True,
                }
            ]


def test_rows_about_a_message_are_read_with_it(database: str) -> None:
    """Receipts are found by their own keys, by the places of messages, and by ids, each once."""
    with World(database) as world:
        for message in range(1, 6):
            world.message(message)
            world.receipt(message, user=2)
            world.receipt(message, user=3)
        with reading(database) as source:
            pair = [(str(uuid(1)), "3"), (str(uuid(4)), "2"), (str(uuid(4)), "7")]
            own = source.places("message_read_receipts", ("message_id", "user_id"), pair)
            assert read(source, RECEIPTS, own=own) == [(1, 3), (4, 2)]
            touching = source.places("messages", ("id",), keys(1, 2))
            assert read(source, RECEIPTS, own=own, touching=touching, ids=[str(uuid(5))]) == [
                (1, 2), (1, 3), (2, 2), (2, 3), (4, 2), (5, 2), (5, 3),
            ]  # fmt: skip
            assert sorted(source.touched_ids_at(RECEIPTS, touching)) == [
                str(uuid(1)),
                str(uuid(2)),
            ]
            assert source.touched_ids_at(MESSAGES, touching) == []


def test_the_columns_of_a_key_may_be_in_any_order(database: str) -> None:
    """Values belong to the columns that are named with them."""
    with World(database) as world:
        world.receipt(1, user=2)
        with reading(database) as source:
            key = [("2", str(uuid(1)))]
            found = source.places("message_read_receipts", ("user_id", "message_id"), key)
            assert read(source, RECEIPTS, own=found) == [(1, 2)]


def test_rows_of_other_days_than_the_coverage_are_not_read(database: str) -> None:
    """The coverage is about the row's own day, not about that of a message that touches it."""
    covered = days_of([at(days=1).date()])
    with World(database) as world:
        world.message(1)
        world.message(2, created_at=at(days=1))
        world.receipt(1, user=2)
        world.receipt(1, user=3, read_at=at(days=1))
        with reading(database) as source:
            places = source.places("messages", ("id",), keys(1, 2))
            assert read(source, MESSAGES, own=places, coverage=covered) == [(2,)]
            assert read(source, RECEIPTS, touching=places, coverage=covered) == [(1, 3)]


def test_a_place_of_another_partition_reads_a_row_too_many(database: str) -> None:
    """Each partition has its own places: the row that was meant is there, and another one too."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "drop table messages cascade;"
            "create table messages (id uuid, conversation_id uuid, sender_id bigint,"
            " message_type text, content text, created_at timestamptz, updated_at timestamptz,"
            " deleted_at timestamptz, primary key (id, created_at))"
            " partition by range (created_at);"
            "create table messages_old partition of messages"
            f" for values from (minvalue) to ('{TIME_ZERO}');"
            "create table messages_new partition of messages default"
        )
    with World(database) as world:
        for number in range(1, 4):
            world.message(number)
            world.message(number + 10, created_at=at(days=-1))
        with reading(database) as source:
            columns, key = ("id", "created_at"), (str(uuid(2)), str(TIME_ZERO))
            places = source.places("messages", columns, [key])
            assert len(places) == 1
            assert read(source, MESSAGES, own=places) == [(2,), (12,)]


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("uuid", [str(uuid(n)) for n in range(5)]),
        ("bigint", ["-9223372036854775808", "-1", "0", "9223372036854775807"]),
        ("text", AWKWARD),
        ('text collate "C"', AWKWARD),
        ("varchar(26)", AWKWARD),
        ("numeric", ["1.50", "-0.001", "10000000000000000000000"]),
        ("timestamptz", ["2026-02-02 02:51:00.000001+00", "infinity"]),
        ("mood", ["it's", "fine, thanks"]),
    ],
)
def test_keys_of_any_type_are_looked_up(database: str, type_: str, values: list[str]) -> None:
    """A key's texts are read as the types of its columns, whatever is in them, and in any name."""
    create = """
        create type mood as enum ('it''s', 'fine, thanks');
        create schema "Chat App";
        create table "Chat App"."The ""odd"" table" (
            "Key, of \\ two" {type}, "ordinary" bigint, primary key ("Key, of \\ two", "ordinary")
        )
    """
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL(create).format(type=sql.SQL(type_)))
        name = '"Chat App"."The ""odd"" table"'
        for number, value in enumerate(values):
            insert = f"insert into {name} values (%s, %s), (%s, -1)"
            connection.execute(insert.encode(), [value, number, value])
        rows = connection.execute(
            f"select ctid::text, ordinary from {name} where ordinary >= 0".encode()
        ).fetchall()
    expected = {place for place, number in rows if number != 1}
    wanted = [(value, str(number)) for number, value in enumerate(values) if number != 1]
    with reading(database) as source:
        found = source.places(name, ("Key, of \\ two", "ordinary"), wanted)
    assert (set(found), len(found)) == (expected, len(expected))


def test_a_key_whose_column_is_gone_is_an_error(database: str) -> None:
    """The error names the table and the column."""
    with reading(database) as source, pytest.raises(SourceError, match=r"users .* nickname") as e:
        source.places("users", ("id", "nickname"), [("1", "x")])
    assert "scans" in e.value.hint
