"""pgoutput: transactions, keys and counts from real streams; damaged streams are errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.feed.pgoutput import Decoder, RelationChanges, Transaction
from olap.errors import FeedError

TABLES = """
create table notes (id integer primary key, body text);
create table readings (note_id integer, who text, at timestamptz, primary key (who, note_id));
create table measured (at timestamptz, body text, primary key (at)) partition by range (at);
create table measured_2026 partition of measured for values from ('2026-01-01') to ('2027-01-01');
create publication decoded for table notes (id), readings (note_id, who), measured (at)
    with (publish_via_partition_root = true);
"""


@pytest.fixture
def slot(empty_database: str) -> Iterator[Callable[[str], list[bytes]]]:
    """Executes statements, each in a transaction of its own, and returns the stream about them."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(TABLES)
        # Decoding reads what is on disk, and the sandbox does not wait for it.
        connection.execute("set synchronous_commit = on")
        name = f"decoded_{connection.info.backend_pid}"
        connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])

        def stream(statements: str) -> list[bytes]:
            for statement in statements.strip().split("\n"):
                connection.execute(statement.encode())
            rows = connection.execute(
                "select data from pg_logical_slot_get_binary_changes(%s, pg_current_wal_lsn(),"
                " null, 'proto_version', '1', 'publication_names', 'decoded')",
                [name],
            )
            return [bytes(row[0]) for row in rows]

        try:
            yield stream
        finally:
            connection.execute("select pg_drop_replication_slot(%s)", [name])


def decoded(messages: list[bytes]) -> tuple[Decoder, list[Transaction]]:
    """The transactions of a stream, and their decoder."""
    decoder = Decoder()
    return decoder, list(decoder.transactions(messages))


def by_name(decoder: Decoder, transaction: Transaction) -> dict[str, RelationChanges]:
    """The changes of a transaction by the relation's name."""
    return {decoder.relations[oid].name: found for oid, found in transaction.relations.items()}


def test_keys_and_counts_of_each_transaction(slot: Callable[[str], list[bytes]]) -> None:
    """Inserts, updates, changed keys and deletes give keys, and how many rows more have them."""
    decoder, found = decoded(
        slot(
            """
            insert into notes values (1, 'one'), (2, 'two'), (3, 'three')
            update notes set body = 'other' where id = 1
            update notes set id = 20 where id = 2
            delete from notes where id = 3
            """
        )
    )
    assert [by_name(decoder, transaction) for transaction in found] == [
        {"notes": RelationChanges({("1",), ("2",), ("3",)}, {("1",): 1, ("2",): 1, ("3",): 1})},
        {"notes": RelationChanges({("1",)}, {})},
        {"notes": RelationChanges({("2",), ("20",)}, {("2",): -1, ("20",): 1})},
        {"notes": RelationChanges({("3",)}, {("3",): -1})},
    ]
    assert [found.xid for found in found] == sorted(found.xid for found in found)
    assert [found.commit_lsn for found in found] == sorted(found.commit_lsn for found in found)


def test_a_key_of_several_columns_is_in_the_order_of_the_table(
    slot: Callable[[str], list[bytes]],
) -> None:
    """The columns of the key, and its values with any letter, come in the table's order."""
    decoder, (found,) = decoded(
        slot("insert into readings values (7, 'Zoë \U0001f600 '' \\', '2026-03-01 12:00+00')")
    )
    (relation,) = decoder.relations.values()
    assert (relation.schema, relation.name) == ("public", "readings")
    assert relation.columns == relation.key == ("note_id", "who")
    assert by_name(decoder, found)["readings"].keys == {("7", "Zoë \U0001f600 ' \\")}


def test_a_row_of_a_partition_is_one_of_its_root(slot: Callable[[str], list[bytes]]) -> None:
    """Rows written to a partition have the partitioned table's oid."""
    decoder, (one, other) = decoded(
        slot(
            """
            insert into measured values ('2026-03-01 12:00+00', 'x')
            delete from measured_2026
            """
        )
    )
    (found,), (gone,) = by_name(decoder, one).items(), by_name(decoder, other).items()
    (key,) = found[1].keys
    assert found == ("measured", RelationChanges({key}, {key: 1}))
    assert gone == ("measured", RelationChanges({key}, {key: -1}))


def test_a_truncated_table_is_told(slot: Callable[[str], list[bytes]]) -> None:
    """TRUNCATE names its tables; keys written in the same transaction stay."""
    decoder, (found,) = decoded(slot("truncate notes, readings"))
    assert {decoder.relations[oid].name for oid in found.truncated} == {"notes", "readings"}


def test_what_was_rolled_back_is_not_there(slot: Callable[[str], list[bytes]]) -> None:
    """Only the committed part of a transaction is decoded, under the id of the whole."""
    decoder, (found,) = decoded(
        slot(
            "begin; insert into notes values (1, '');"
            " savepoint a; insert into notes values (2, ''); rollback to a;"
            " savepoint b; insert into notes values (3, ''); release b; commit\n"
            "begin; insert into notes values (4, ''); rollback"
        )
    )
    committed = RelationChanges({("1",), ("3",)}, {("1",): 1, ("3",): 1})
    assert by_name(decoder, found) == {"notes": committed}


def test_a_key_that_changes_within_the_stream_is_told(slot: Callable[[str], list[bytes]]) -> None:
    """A table whose published columns change is named; its first and later keys are not alike."""
    decoder, found = decoded(
        slot(
            """
            insert into notes values (1, '')
            alter publication decoded set table notes (id, body)
            insert into notes values (2, 'x')
            """
        )
    )
    assert {decoder.relations[oid].name for oid in decoder.redefined} == {"notes"}
    assert [by_name(decoder, one)["notes"].keys for one in found] == [{("1",)}, {("2",)}]


@contextmanager
def refused() -> Iterator[None]:
    """The block must end with the error of a stream that is not understood."""
    with pytest.raises(FeedError, match="the slot's stream") as caught:
        yield
    assert caught.value.hint


def test_a_damaged_stream_is_an_error(slot: Callable[[str], list[bytes]]) -> None:
    """Messages that are cut, missing, repeated, out of place or unknown end with an error."""
    stream = slot("insert into notes values (1, 'one')")
    begin, relation, insert, commit = stream
    for wrong in (
        [begin, relation, insert],
        [relation, insert, commit],
        [begin, insert, commit],
        [begin, begin, relation, insert, commit],
        [begin, relation, insert, commit, commit],
        [begin, relation, insert.replace(b"\0\0\0\x011", b"\0\0\0\x021"), commit],
        [begin, relation, insert[:5], commit],
        [begin, relation, b"Q", commit],
        [begin, relation, b"", commit],
        [begin, relation, insert[:8] + b"n", commit],
        [begin, relation, insert[:8] + b"u", commit],
        [begin, b"T\0\0\0\1\0\0\0\0\7", commit],
    ):
        with refused():
            decoded(wrong)
    assert len(decoded(stream)[1]) == 1


@given(st.data())
def test_no_damage_raises_another_error(data: st.DataObject) -> None:
    """Whatever bytes come, decoding succeeds or ends with the error of a stream."""
    begin = b"B" + bytes(20)
    relation = b"R\0\0\0\7public\0notes\0d\0\1\1id\0\0\0\0\x17\xff\xff\xff\xff"
    insert = b"I\0\0\0\7N\0\1t\0\0\0\x011"
    messages = [begin, relation, insert, b"C" + bytes(25)]
    number = data.draw(st.integers(0, 3))
    message = bytearray(messages[number])
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place] = data.draw(st.integers(0, 255))
    messages[number] = bytes(message[: data.draw(st.integers(0, len(message)))])
    try:
        decoded(messages)
    except FeedError as error:
        assert error.message.startswith("the slot's stream")
