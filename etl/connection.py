"""Connections to PostgreSQL by ADBC: how a statement is sent, and how its rows arrive.

Every call may wait for the server without end, so callers make it through an `etl.watchdog`. Every
statement is in a transaction, because a pooler in transaction mode gives each transaction another
session.
"""

from __future__ import annotations

from typing import Any

import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from etl.source_errors import source_errors
from etl.watchdog import Watchdog, with_time_limits
from olap.secret import Secret

APPLICATION_NAME = "messenger-analytics"


def connected(
    url: Secret, stall_seconds: int, what: str
) -> tuple[Watchdog, adbc_postgresql.Connection]:
    """A new connection, and the watchdog that its calls are made through.

    Args:
        what: cannot be done if this fails, for the error.

    Raises:
        SourceError: PostgreSQL cannot be reached.
    """
    conninfo = with_time_limits(url, stall_seconds)
    watchdog = Watchdog(conninfo, stall_seconds)
    with source_errors(url, what):
        return watchdog, watchdog.connect(
            lambda: adbc_postgresql.connect(conninfo, autocommit=True)
        )


def begin_transaction(connection: adbc_postgresql.Connection) -> None:
    """Begin a transaction whose texts are UTF-8, whatever the encoding of the database is.

    Its statements are not compiled (`jit`). That takes a second of the questions about the catalog,
    which take milliseconds, and makes no scan faster.
    """
    # The driver sends this as one message; it would prepare a `begin` of ours, outside of a
    # transaction, and a pooler could give the parts to different sessions.
    connection.adbc_connection.set_autocommit(False)
    execute(connection, "set local client_encoding = 'UTF8'")
    execute(connection, "set local jit = off")


def end_transaction(connection: adbc_postgresql.Connection) -> None:
    """Commit the transaction, if there is one."""
    connection.adbc_connection.set_autocommit(True)


def execute(connection: adbc_postgresql.Connection, statement: str) -> None:
    """Execute a statement that returns nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def rows_of(
    connection: adbc_postgresql.Connection, text: str, parameters: tuple[str, ...] | None = None
) -> list[dict[str, Any]]:
    """The rows of a statement, by column."""
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        rows: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
        return rows


class Stream:
    """A running query. One object owns cursor and reader, so an abandoned call keeps both."""

    def __init__(self, connection: adbc_postgresql.Connection) -> None:
        self._cursor = connection.cursor()

    def open(self, text: str) -> pa.Schema:
        """Send the query; returns the schema of its rows."""
        try:
            self._cursor.execute(text)
            self._reader = self._cursor.fetch_record_batch()
        except BaseException:
            self._cursor.close()
            raise
        schema: pa.Schema = self._reader.schema
        return schema

    def next(self) -> pa.RecordBatch | None:
        """The next rows; None after the last."""
        return next(self._reader, None)

    def close(self) -> None:
        """End the query."""
        self._cursor.close()


def column_names(connection: adbc_postgresql.Connection, text: str) -> list[str]:
    """The names of the columns that a SELECT returns."""
    stream = Stream(connection)
    names = list(stream.open(text).names)
    stream.close()
    return names
