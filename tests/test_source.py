"""Reading exactly: the fence, the lock and the guards against a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import make_conninfo

from etl.connection import rows_of
from etl.feed.session import open_session
from etl.forms import statement
from etl.source import ALL_ROWS, SourceTransaction, Window, open_source
from etl.streams import stage_stream
from etl.survey import open_survey
from olap import sqlfiles
from olap.errors import SourceError
from olap.mapping import read_mapping
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import FACTS, MESSAGES, TABLES, Fact, Table
from olap.warehouse import Warehouse
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import READER_PASSWORD
from tests.world import World, at, uuid

MESSENGER = read_mapping("messenger")
USERS = next(table for table in TABLES if table.name == "users")
EVENTS = next(table for table in TABLES if table.name == "events")
INSERT = "insert into messages (id, conversation_id) values (%s, gen_random_uuid())"


@contextmanager
def reading(url: str, **settings: Any) -> Iterator[SourceTransaction]:
    """An open reading transaction on `url`."""
    with open_source(Secret(url), Settings(**settings), MESSENGER) as source:
        yield source


def message_numbers(source: SourceTransaction, watermark: int | None) -> list[int]:
    """The numbers of the messages that are read from `watermark` on."""
    ids = (
        source.rows(MESSAGES, Window(watermark=watermark))
        .read_all()
        .column("message_id")
        .to_pylist()
    )
    return sorted(found.int for found in ids if found is not None)


def burn_xids(url: str, count: int) -> None:
    """Let foreign transactions, each with an xid of its own, come and go."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(count):
            connection.execute("select pg_current_xact_id()")


def test_the_base_is_where_the_next_reading_begins(database: str) -> None:
    """From the last snapshot's xmin on, exactly the rows written since are read."""
    with World(database) as world:
        world.message(1)
        with reading(database) as source:
            watermark = source.snapshot.xmin
            assert message_numbers(source, None) == [1]
        world.message(2)
        world.execute("update messages set content = 'edited' where id = %s", uuid(1))
        with reading(database) as source:
            assert message_numbers(source, watermark) == [1, 2]
            assert message_numbers(source, source.snapshot.xmin) == []


def test_foreign_transactions_before_the_reads_lose_no_row(database: str) -> None:
    """With 20 foreign xids between BEGIN and the reads the same rows are found.

    `age()` counts from the reading transaction's own next xid. An age computed before those xids
    were used, or on another connection, is 20 too young: the rows of the first 20 transactions
    after the watermark are lost silently.
    """
    with World(database) as world:
        world.message(0)
        with reading(database) as source:
            watermark = source.snapshot.xmin
        for number in range(1, 6):
            world.message(number)
        with reading(database) as first:
            burn_xids(database, 20)
            with psycopg.connect(database) as second:
                second.execute("begin isolation level repeatable read read only")
                row = second.execute(
                    "select count(*) from messages"
                    " where age(xmin) between 0 and age(%s::text::xid)",
                    [str(watermark)],
                ).fetchone()
                assert row == (5,)
                burn_xids(database, 20)
            assert message_numbers(first, watermark) == [1, 2, 3, 4, 5]


def test_an_age_carried_over_from_elsewhere_does_lose_rows(database: str) -> None:
    """The trap is real: an age computed before foreign xids were burned finds none of the rows."""
    with World(database) as world:
        world.message(0)
        with reading(database) as source:
            watermark = source.snapshot.xmin
        for number in range(1, 6):
            world.message(number)
        with psycopg.connect(database) as connection:
            row = connection.execute("select age(%s::text::xid)", [str(watermark)]).fetchone()
            assert row is not None
        burn_xids(database, 20)
        with psycopg.connect(database) as connection:
            query = "select count(*) from messages where age(xmin) between 0 and %s"
            assert connection.execute(query, row).fetchone() == (0,)


def test_a_transaction_that_commits_after_the_reading_is_read_next_time(
    pipeline: Pipeline,
) -> None:
    """A row written before the snapshot and committed after it is not lost."""
    with World(pipeline.url) as world, psycopg.connect(pipeline.url) as late:
        late.execute(INSERT, [uuid(1)])
        world.message(2, created_at=at(days=1))
        report = pipeline.cycle()
        assert report.extract.tables["messages"].rows == 1
        assert report.extract.held_back_by is not None
        assert str(late.info.backend_pid) in report.extract.held_back_by
        late.commit()
        report = pipeline.cycle()
    assert report.manifest.tables["messages"].rows == 2


def test_a_row_written_in_a_savepoint_is_read_when_it_commits(pipeline: Pipeline) -> None:
    """A subtransaction's xid, higher than its parent's, is fenced by the parent's."""
    with World(pipeline.url) as world, psycopg.connect(pipeline.url) as late:
        with late.transaction():
            late.execute(INSERT, [uuid(1)])
            with late.transaction():
                late.execute(INSERT, [uuid(2)])
            world.message(3)
            assert pipeline.cycle().extract.tables["messages"].rows == 1
        report = pipeline.cycle()
    assert report.manifest.tables["messages"].rows == 3


def test_a_truncate_that_waits_for_the_lock_is_not_seen_half(database: str) -> None:
    """The lock is taken before the snapshot: a TRUNCATE commits before both or after both."""
    with World(database) as world:
        world.message(1)
        with reading(database) as source:
            truncate = threading.Thread(target=world.execute, args=("truncate messages",))
            truncate.start()
            with psycopg.connect(database, autocommit=True) as observer:
                _wait_until_blocked(observer)
            assert message_numbers(source, None) == [1]
        truncate.join()
        with reading(database) as source:
            assert message_numbers(source, None) == []


def test_a_truncate_between_lock_and_snapshot_cannot_happen(database: str) -> None:
    """While a TRUNCATE is under way no snapshot is taken; the reading waits and sees its end."""
    found: list[list[int]] = []

    def read() -> None:
        with reading(database) as source:
            found.append(message_numbers(source, None))

    with World(database) as world, psycopg.connect(database) as other:
        world.message(1)
        other.execute("truncate messages")
        reader = threading.Thread(target=read)
        reader.start()
        _wait_until_blocked(world.connection)
        other.execute(INSERT, [uuid(2)])
        other.commit()
        reader.join()
    assert found == [[2]]


def test_a_rewritten_table_is_read_whole(pipeline: Pipeline) -> None:
    """TRUNCATE and VACUUM FULL change the storage, and such a table is read as a whole."""
    with World(pipeline.url) as world:
        world.message(1)
        world.message(2)
        pipeline.cycle()
        assert not pipeline.cycle().extract.tables["messages"].is_full
        world.execute("vacuum full messages")
        report = pipeline.cycle()
        assert report.extract.tables["messages"].is_full
        assert not report.extract.tables["events"].is_full
        assert report.days_rebuilt == 0
        world.execute("truncate messages")
        report = pipeline.without_brake().cycle()
    assert report.manifest.tables["messages"].rows == 0


def test_a_partition_with_old_rows_is_read_when_it_is_attached(
    pipeline: Pipeline,
) -> None:
    """ATTACH PARTITION brings rows with old xmins; the table is read whole."""
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        connection.execute("alter table messages rename to messages_old")
        connection.execute(
            "create table messages (like messages_old including defaults)"
            " partition by range (created_at)"
        )
        connection.execute("create table messages_new partition of messages default")
        connection.execute("create table messages_2020 (like messages_old including defaults)")
        connection.execute(INSERT.replace("messages", "messages_2020"), [uuid(1)])
        connection.execute("update messages_2020 set created_at = '2020-05-05'")
        assert pipeline.cycle().manifest.tables["messages"].rows == 0
        connection.execute(
            "alter table messages attach partition messages_2020"
            " for values from ('2020-01-01') to ('2021-01-01')"
        )
        report = pipeline.cycle()
    assert report.extract.tables["messages"].is_full
    assert report.manifest.tables["messages"].rows == 1


def test_a_lock_that_cannot_be_had_is_a_clear_error(database: str) -> None:
    """A table under an exclusive lock ends the cycle after the lock timeout, and says so."""
    with psycopg.connect(database) as migration:
        migration.execute("lock table messages in access exclusive mode")
        with (
            pytest.raises(SourceError, match="cannot be locked") as caught,
            reading(database, lock_timeout_seconds=1),
        ):
            pass
    assert "next cycle tries again" in caught.value.hint


def test_a_role_without_select_is_told_which_grant_is_missing(database: str) -> None:
    """A role that may not read one table gets an error that names it and the way out."""
    role = f"reader_{time.time_ns()}"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"create role {role} login password 'secret-word'".encode())
        try:
            tables = "users, conversations, conversation_participants, messages, analytics_events"
            owner.execute(f"grant select on {tables} to {role}".encode())
            url = make_conninfo(database, user=role, password="secret-word")
            with pytest.raises(SourceError, match="message_read_receipts") as caught, reading(url):
                pass
            assert "Grant the role SELECT" in caught.value.hint
            assert "secret-word" not in str(caught.value) + caught.value.hint
            owner.execute(f"grant select on message_read_receipts to {role}".encode())
            with reading(url) as source:
                assert message_numbers(source, None) == []
        finally:
            owner.execute(f"drop owned by {role}".encode())
            owner.execute(f"drop role {role}".encode())


def test_the_message_text_is_not_selected(database: str) -> None:
    """No column that is read holds the text of a message or the metadata of an event."""
    with World(database) as world:
        world.message(1, content="the secret text")
        world.event(1)
        with reading(database) as source:
            messages = source.rows(MESSAGES, ALL_ROWS).read_all()
            events = source.rows(EVENTS, ALL_ROWS).read_all()
    assert "the secret text" not in str(messages.to_pylist())
    assert messages.column("content_length").to_pylist() == [len("the secret text")]
    assert set(events.column_names) == {
        "event_id", "event_type", "user_id", "conversation_id", "created_at", "is_new",
    }  # fmt: skip


def test_no_statement_is_compiled(database: str, reader: str) -> None:
    """The server compiles no statement of ours, also where it would compile every one."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"alter role {reader} set jit = on".encode())
    url = Secret(make_conninfo(database, user=reader, password=READER_PASSWORD))
    asked = b"select current_setting('jit') as jit"
    with (
        open_source(url, Settings(), MESSENGER) as source,
        open_survey(url, Settings()) as survey,
        open_session(url, Settings()) as session,
    ):
        found = [
            *source._ask("jit", asked.decode()),
            *rows_of(survey._connection, asked.decode()),
            *session._connection.execute(asked).fetchall(),
        ]
    assert found == [{"jit": "off"}, {"jit": "off"}, ("off",)]


def test_a_missing_table_or_column_is_named(database: str) -> None:
    """A column or table that the source lacks is named, and the command that checks a mapping."""
    with World(database) as world:
        world.execute("alter table users drop column is_bot")
        with pytest.raises(SourceError, match="is_bot") as caught, reading(database):
            pass
        assert "check-source" in caught.value.hint
        world.execute("drop table analytics_events")
        with pytest.raises(SourceError, match="analytics_events"), reading(database):
            pass


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """A wrong host gives one error that names it and keeps the password to itself."""
    url = "postgresql://someone:hunter2@127.0.0.1:1/messenger"
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught, reading(url):
        pass
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_a_server_that_goes_away_in_the_middle_of_a_table_is_a_clear_error(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection cut while rows flow ends the cycle with our error, and nothing is changed."""
    counts = SourceTransaction.counts

    def counts_then_cut(self: SourceTransaction, table: Table) -> dict[date | None, int]:
        found = counts(self, table)
        with psycopg.connect(pipeline.url, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'messenger-analytics'"
            )
        return found

    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        world.message(2)
        with monkeypatch.context() as patch:
            patch.setattr(SourceTransaction, "counts", counts_then_cut)
            with pytest.raises(SourceError, match="from PostgreSQL failed"):
                pipeline.cycle()
        assert pipeline.manifest().last_batch.batch == 1
        pipeline.cycle()
    assert pipeline.manifest().tables["messages"].rows == 2


def test_an_error_inside_a_stream_is_raised_as_itself(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends a stream while DuckDB pulls from it is raised as our error, not as DuckDB's."""

    def cut(self: SourceTransaction, table: Table, window: Window) -> pa.RecordBatchReader:
        schema = pa.schema([("user_id", pa.int64())])

        def batches() -> Iterator[pa.RecordBatch]:
            yield pa.RecordBatch.from_pydict({"user_id": [1]}, schema=schema)
            self.failure = SourceError("the server went away", hint="Wait.")
            raise self.failure

        return pa.RecordBatchReader.from_batches(schema, batches())

    monkeypatch.setattr(SourceTransaction, "rows", cut)
    monkeypatch.setattr(
        "olap.sqlfiles.run",
        lambda connection, name, *_: connection.execute("select * from source_rows").fetchall(),
    )
    with reading(pipeline.url) as source, duckdb.connect() as connection:
        warehouse = Warehouse(connection, pipeline.layout, MESSENGER.ids)
        with pytest.raises(SourceError, match="the server went away"):
            stage_stream(warehouse, source, "any", source.rows(USERS, ALL_ROWS), USERS)


def _wait_until_blocked(connection: psycopg.Connection) -> None:
    """Wait until some session of this database waits for a lock."""
    query = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    for _ in range(3000):
        row = connection.execute(query).fetchone()
        if row and row[0]:
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


_NUMBERED = "from generate_series(1, 20000) n"
_ID = "lpad(to_hex(n), 32, '0')::uuid"
# So many rows that a scan of the whole table looks cheap to the planner.
_TEMPTING = {
    "messages": f"insert into messages (id, conversation_id) select {_ID}, {_ID} {_NUMBERED}",
    "message_read_receipts": "insert into message_read_receipts (message_id, user_id) "
    f"select {_ID}, n {_NUMBERED}",
    "analytics_events": "insert into analytics_events (id, event_type) "
    f"select {_ID}, 'message.sent' {_NUMBERED}",
    "message_reactions": "insert into message_reactions (message_id, user_id, emoji) "
    f"select {_ID}, n, 'x' {_NUMBERED}",
}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_a_range_of_blocks_reads_only_these_blocks(database: str, fact: Fact) -> None:
    """The plan of a range scans its places, and looks messages up one by one, at any size."""
    window = (*ALL_ROWS.settings, "(0,0)", "(512,0)")
    with psycopg.connect(database, cursor_factory=psycopg.RawCursor) as connection:
        (name,) = MESSENGER.tables[fact.name].places
        connection.execute(_TEMPTING[name].encode())
        connection.execute(f"analyze {name}".encode())
        for cost in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            connection.execute(f"set {cost} = 0".encode())
        connection.execute(sqlfiles.text("source/set_window").encode(), window)
        rows = connection.execute(
            f"explain {statement('fact_range', fact, MESSENGER)}".encode()
        ).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert f"Tid Range Scan on {name}" in plan
    assert "Seq Scan" not in plan and "Hash" not in plan and "Merge" not in plan
