"""An unexpected source is one clear error with exit code 1, and nothing is changed."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
from psycopg.conninfo import make_conninfo

from olap.commands import call
from olap.errors import SourceChangedError, SourceError
from olap.layout import Layout
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import READER_PASSWORD
from tests.test_cli import Run, home, run
from tests.world import World, at

__all__ = ["home", "run"]


def refused(pipeline: Pipeline, match: str) -> SourceError:
    """Run a cycle that must fail without changes, and return its error."""
    before = pipeline.manifest().generation if pipeline.published.exists() else None
    with pytest.raises(SourceError, match=match) as caught:
        pipeline.cycle()
    assert READER_PASSWORD not in caught.value.message + caught.value.hint
    assert (pipeline.manifest().generation if pipeline.published.exists() else None) == before
    return caught.value


SYNTAX = [
    f"postgresql://u:{READER_PASSWORD}@h:port/messenger",
    f"postgresql://u:{READER_PASSWORD} x@h/messenger",
    f"postgresql://u:{READER_PASSWORD}@h/messenger?bogus=1",
    f"http://u:{READER_PASSWORD}@h/messenger",
    f"host=h password=open {READER_PASSWORD}",
    f"host=h password='{READER_PASSWORD}",
    READER_PASSWORD,
]


@pytest.mark.parametrize("url", SYNTAX)
def test_an_invalid_url_is_not_repeated(pipeline: Pipeline, url: str) -> None:
    """The error of an invalid URL names the variable and the right form, and never the value."""
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
def test_an_unreachable_server_is_named(
    pipeline: Pipeline, host: str, words: str, hint: str
) -> None:
    """The error names host and port as given, and what to check."""
    pipeline.url = f"postgresql://u:{READER_PASSWORD}@{host}/messenger"
    error = refused(pipeline, words)
    assert hint in error.hint


def test_an_unknown_user_or_database_is_named(pipeline: Pipeline) -> None:
    """What the server refuses is named, with the part of DATABASE_URL that says it."""
    given = pipeline.url
    pipeline.url = make_conninfo(given, user="nobody_of_this_name", password=READER_PASSWORD)
    assert "user and password" in refused(pipeline, "nobody_of_this_name").hint
    pipeline.url = make_conninfo(given, dbname="no_such_database", password=READER_PASSWORD)
    assert "database name" in refused(pipeline, "no_such_database").hint


def test_a_wrong_password_is_reported_and_not_shown(run: Run) -> None:
    """The CLI ends with 1 and names the cause; no output contains the password."""
    # The sandbox's server accepts every password, so a fake server refuses it.
    with _strict_server() as port:
        given = quote(READER_PASSWORD, safe="")
        url = f"postgresql://someone:{given}@127.0.0.1:{port}/messenger?sslmode=disable"
        finished = run("run", DATABASE_URL=url)
    assert finished.code == 1
    assert "password authentication failed" in finished.errors
    assert "user and password" in finished.errors
    assert READER_PASSWORD not in finished.errors + finished.output
    assert "Traceback" not in finished.errors


TYPES = [
    ("messages", "created_at", "timestamp", "created_at is timestamp without time zone"),
    ("messages", "deleted_at", "text", "deleted_at is text, not timestamp with"),
    ("messages", "id", "text", "message_id is text, not uuid"),
    ("messages", "content", "bytea", "char_length(bytea) does not exist"),
    ("users", "id", "text", "user_id is text, not bigint"),
    ("users", "is_bot", "text", "is_bot is text, not boolean"),
    ("conversations", "title", "bytea", "title is bytea, not text"),
    ("conversation_participants", "joined_at", "date", "joined_at is date, not"),
    ("message_read_receipts", "user_id", "numeric", "user_id is numeric, not"),
    ("analytics_events", "event_type", "char(9)", "event_type is character, not text"),
]


@pytest.mark.parametrize(("table", "column", "made", "named"), TYPES, ids=lambda part: str(part))
def test_a_column_of_another_type_is_named_before_anything_is_read(
    pipeline: Pipeline, table: str, column: str, made: str, named: str
) -> None:
    """The error names table, column, type and expected type; the last generation stays."""
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.execute(f"alter table {table} alter {column} drop default")
        world.execute(
            f"alter table {table} alter {column} type {made} using {_convert(column, made)}"
        )
    hint = refused(pipeline, re.escape(named)).hint
    assert "check-source" in hint or "Cast them in the SELECT" in hint


def test_a_varchar_is_read_like_a_text(pipeline: Pipeline) -> None:
    """A column of type varchar is accepted for a text."""
    with World(pipeline.url) as world:
        world.execute("alter table users alter username type varchar(80)")
        world.user(1, username="Zoë")
    pipeline.cycle()
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_a_missing_privilege_names_its_table(pipeline: Pipeline, reader: str) -> None:
    """The error names the table and the missing GRANT; the last generation stays."""
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.execute(f"revoke select on analytics_events from {reader}")
    pipeline.url = make_conninfo(pipeline.url, user=reader, password=READER_PASSWORD)
    assert "Grant the role SELECT" in refused(pipeline, "analytics_events").hint


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("alter table message_read_receipts rename to receipts", "message_read_receipts"),
        ("alter table messages drop column updated_at", 'column "updated_at" does not exist'),
    ],
    ids=["table", "column"],
)
def test_a_missing_table_or_column_is_named(pipeline: Pipeline, statement: str, named: str) -> None:
    """The error names a missing table or column."""
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.execute(statement)
    refused(pipeline, named)


def test_a_statement_timeout_of_the_role_is_named(pipeline: Pipeline, reader: str) -> None:
    """A query that the role's timeout ends is a clear error with the setting to raise."""
    with World(pipeline.url) as world:
        pipeline.cycle()
        world.execute(
            "insert into messages (id, conversation_id) select gen_random_uuid(),"
            " gen_random_uuid() from generate_series(1, 20000)"
        )
        world.execute(f"alter role {reader} set statement_timeout = '3ms'")
    pipeline.url = make_conninfo(pipeline.url, user=reader, password=READER_PASSWORD)
    assert "statement_timeout" in refused(pipeline, "timeout").hint


def test_a_second_etl_beside_the_first_is_refused(run: Run, home: Path) -> None:
    """While another process writes to the DATA_DIR, the CLI ends with 1 and names the process."""
    with Layout(home / "data").locked():
        finished = run("run")
    assert finished.code == 1
    assert "another ETL (pid" in finished.errors and "Wait until it ends" in finished.errors


def test_an_older_copy_of_the_same_cluster_is_refused(pipeline: Pipeline) -> None:
    """A source with a next xid below the last one stops the cycle, and `--full` accepts it.

    A restored data directory and a lagging replica both look like this: the same cluster, the same
    timeline, and less history than was read before.
    """
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.message(1, created_at=at())
        pipeline.cycle()
    _pretend_to_have_read_further(pipeline)
    error = refused(pipeline, "older than at the last cycle")
    assert isinstance(error, SourceChangedError)
    assert call("etl --full") in error.hint and "replica" in error.hint
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
    """The port of a server that requires a password and accepts none."""
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
