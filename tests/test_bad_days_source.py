"""A source that is not what was expected: one clear error, exit code 1, and nothing is changed."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import duckdb
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from olap.errors import SourceChangedError, SourceError
from olap.layout import Layout
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.test_cli import Command, command
from tests.world import World, at

__all__ = ["command"]

PASSWORD = "hunter2-and-more"


@pytest.fixture
def reader(database: str) -> Iterator[str]:
    """A role of its own that may read everything; its name."""
    name = f"reader_{time.time_ns()}"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"create role {name} login password '{PASSWORD}'".encode())
        owner.execute(f"grant select on all tables in schema public to {name}".encode())
        try:
            yield name
        finally:
            owner.execute(f"drop owned by {name}".encode())
            owner.execute(f"drop role {name}".encode())


def refused(pipeline: Pipeline, match: str) -> SourceError:
    """The error of a cycle that must not change anything."""
    before = pipeline.manifest().generation if pipeline.published.exists() else None
    with pytest.raises(SourceError, match=match) as caught:
        pipeline.cycle()
    assert PASSWORD not in caught.value.message + caught.value.hint
    assert (pipeline.manifest().generation if pipeline.published.exists() else None) == before
    return caught.value


SYNTAX = [
    f"postgresql://u:{PASSWORD}@h:port/messenger",
    f"postgresql://u:{PASSWORD} x@h/messenger",
    f"postgresql://u:{PASSWORD}@h/messenger?bogus=1",
    f"http://u:{PASSWORD}@h/messenger",
    f"host=h password=open {PASSWORD}",
    f"host=h password='{PASSWORD}",
    PASSWORD,
]


@pytest.mark.parametrize("url", SYNTAX)
def test_a_url_that_cannot_be_read_is_not_repeated(pipeline: Pipeline, url: str) -> None:
    """Bad syntax names the variable and the form it should have, and shows none of it."""
    pipeline.url = url
    error = refused(pipeline, "DATABASE_URL|invalid")
    assert "open" not in error.message
    assert "postgresql://user:password@host" in error.hint or "DATABASE_URL" in error.hint


@pytest.mark.parametrize(
    ("host", "words", "hint"),
    [
        ("nobody.invalid:5432", "nobody.invalid", "host in DATABASE_URL"),
        ("127.0.0.1:1", "127.0.0.1", "PostgreSQL is up"),
    ],
    ids=["unknown host", "refused port"],
)
def test_a_server_that_cannot_be_reached_is_named(
    pipeline: Pipeline, host: str, words: str, hint: str
) -> None:
    """The error names host and port as they were given, and what to look at."""
    pipeline.url = f"postgresql://u:{PASSWORD}@{host}/messenger"
    error = refused(pipeline, words)
    assert hint in error.hint


def test_an_unknown_user_or_database_is_named(pipeline: Pipeline) -> None:
    """What the server refuses is named, with the part of DATABASE_URL that says it."""
    given = pipeline.url
    pipeline.url = make_conninfo(given, user="nobody_of_this_name", password=PASSWORD)
    assert "user and password" in refused(pipeline, "nobody_of_this_name").hint
    pipeline.url = make_conninfo(given, dbname="no_such_database", password=PASSWORD)
    assert "database name" in refused(pipeline, "no_such_database").hint


def test_a_wrong_password_is_said_and_not_shown(command: Command) -> None:
    """The CLI ends with 1 and names the user; the password is nowhere, in whatever form."""
    # The sandbox's server trusts everybody, so one that does not is played here.
    with _strict_server() as port:
        given = quote(PASSWORD, safe="")
        url = f"postgresql://someone:{given}@127.0.0.1:{port}/messenger?sslmode=disable"
        finished = command.run("run", DATABASE_URL=url)
    assert finished.returncode == 1
    assert "password authentication failed" in finished.stderr
    assert "user and password" in finished.stderr
    assert PASSWORD not in finished.stderr + finished.stdout
    assert "Traceback" not in finished.stderr


TYPES = [
    ("messages", "created_at", "timestamp", "messages.created_at is timestamp without time zone"),
    ("messages", "deleted_at", "text", "messages.deleted_at is text, not timestamp with"),
    ("messages", "id", "text", "messages.message_id is text, not uuid"),
    ("messages", "content", "bytea", "char_length(bytea) does not exist"),
    ("users", "id", "text", "users.user_id is text, not bigint"),
    ("users", "is_bot", "text", "users.is_bot is text, not boolean"),
    ("conversations", "title", "bytea", "conversations.title is bytea, not text"),
    ("conversation_participants", "joined_at", "date", "participants.joined_at is date, not"),
    ("message_read_receipts", "user_id", "numeric", "read_receipts.user_id is numeric, not"),
    ("analytics_events", "event_type", "char(9)", "events.event_type is character, not text"),
]


@pytest.mark.parametrize(("table", "column", "made", "named"), TYPES, ids=lambda part: str(part))
def test_a_column_of_another_type_is_named_before_anything_is_read(
    pipeline: Pipeline, table: str, column: str, made: str, named: str
) -> None:
    """Table, column, the type it has and the one that is read; the last generation stands."""
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.execute(f"alter table {table} alter {column} drop default")
        world.execute(
            f"alter table {table} alter {column} type {made} using {_convert(column, made)}"
        )
    assert "schema.sql" in refused(pipeline, re.escape(named)).hint


def test_a_varchar_is_as_good_as_a_text(pipeline: Pipeline) -> None:
    """Texts of limited length are read like any other."""
    with World(pipeline.url) as world:
        world.execute("alter table users alter username type varchar(80)")
        world.user(1, username="Zoë")
    pipeline.cycle()
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_a_role_without_select_on_one_table_is_told_which(pipeline: Pipeline, reader: str) -> None:
    """The table is named and the grant is the way out; the last generation stands."""
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.execute(f"revoke select on analytics_events from {reader}")
    pipeline.url = make_conninfo(pipeline.url, user=reader, password=PASSWORD)
    assert "Grant the role SELECT" in refused(pipeline, "analytics_events").hint


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("alter table message_read_receipts rename to receipts", "message_read_receipts"),
        ("alter table messages drop column updated_at", 'column "updated_at" does not exist'),
    ],
    ids=["table", "column"],
)
def test_what_is_missing_is_named(pipeline: Pipeline, statement: str, named: str) -> None:
    """A missing table or column is named, with the schema that is expected."""
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.execute(statement)
    refused(pipeline, named)


def test_the_roles_statement_timeout_is_named(pipeline: Pipeline, reader: str) -> None:
    """A query that the role's own timeout ends is a clear error with the setting to raise."""
    with World(pipeline.url) as world:
        pipeline.cycle()
        world.execute(
            "insert into messages (id, conversation_id) select gen_random_uuid(),"
            " gen_random_uuid() from generate_series(1, 20000)"
        )
        world.execute(f"alter role {reader} set statement_timeout = '3ms'")
    pipeline.url = make_conninfo(pipeline.url, user=reader, password=PASSWORD)
    assert "statement_timeout" in refused(pipeline, "timeout").hint


def test_a_second_etl_beside_the_first_is_refused(command: Command, pipeline: Pipeline) -> None:
    """While somebody writes to the DATA_DIR the CLI ends with 1 and names the process."""
    with Layout(Path(command.environment["DATA_DIR"])).locked():
        finished = command.run("run")
    assert finished.returncode == 1
    assert "another ETL (pid" in finished.stderr and "Wait for it" in finished.stderr


def test_an_older_copy_of_the_same_cluster_is_refused(pipeline: Pipeline) -> None:
    """A source whose next xid lies before the last one seen stops the cycle, and says how to go on.

    A restored data directory and a replica that lags both look like this: the same cluster, the
    same timeline, and less history than was read before.
    """
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.message(1, created_at=at())
        pipeline.cycle()
    _pretend_to_have_read_further(pipeline)
    error = refused(pipeline, "older than at the last cycle")
    assert isinstance(error, SourceChangedError)
    assert "--full" in error.hint and "replica" in error.hint
    assert pipeline.cycle(is_full=True).manifest.tables["messages"].rows == 1


def _pretend_to_have_read_further(pipeline: Pipeline) -> None:
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute(
            "update core.batches set snapshot = split_part(snapshot, ':', 1) || ':9000000000:'"
        )


def _convert(column: str, made: str) -> str:
    return f"null::{made}" if made in ("bytea", "date") else f"{column}::text::{made}"


@contextmanager
def _strict_server() -> Iterator[int]:
    """The port of a server that asks for a password and takes none."""
    said = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "someone"\0\0'

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(1024)
                    client.sendall(b"R" + struct.pack("!II", 8, 3))
                    client.recv(1024)
                    client.sendall(b"E" + struct.pack("!I", len(said) + 4) + said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    server.join()
