"""The messenger's table of events, written to with strict time limits.

It uses psycopg's asynchronous connection and not a thread with a synchronous one: a group costs a
few hundred microseconds of encoding either way (the rows are one JSON parameter, which PostgreSQL
unpacks), and on the event loop the result reaches the waiting requests without another thread.

A server that is stopped in the middle of a statement answers nothing, not even a request to cancel.
So a statement that exceeds its time is ended from this side, by shutting the socket down; libpq
then reports a lost connection at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import TupleRow

from api.events.event import Row
from olap import sqlfiles
from olap.manifest import SourceIdentity
from olap.secret import Secret

T = TypeVar("T")

_SESSION = "sink/session"
_DATABASE = "sink/database"
# Errors of the rows and not of the server; others like them would come again with every try.
_UNSTORABLE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.StatementTooComplex,  # JSON that is nested too deeply
    psycopg.errors.ProgramLimitExceeded,  # JSON that is too large
    psycopg.errors.RaiseException,  # a trigger's
    UnicodeDecodeError,
)
_STATEMENT_SECONDS = 2.0
# PostgreSQL cancels a statement itself (it may wait for a lock), and answers a little later.
_ANSWER_SECONDS = _STATEMENT_SECONDS + 0.5


class AwayError(Exception):
    """PostgreSQL did not confirm: it is not available, too slow, or refuses writes."""


class UnstorableError(Exception):
    """PostgreSQL can never store these rows."""


class EventTable:
    """One connection to the table, opened when needed and closed after any failure."""

    def __init__(self, url: Secret, insert: str) -> None:
        """Nothing is opened.

        Args:
            insert: inserts the events of a JSON array, its only parameter, that do not exist yet,
                and returns their ids as text; the mapping's `sink/events.sql`.
        """
        self._url = url
        self._insert = insert
        self._connection: AsyncConnection | None = None

    async def database(self) -> SourceIdentity | None:
        """Which database it is in; None if the role may not ask.

        Raises:
            AwayError: PostgreSQL does not answer.
        """
        try:
            connection = self._connection or await self._connect()
            row = await _within(connection, _one_row(connection))
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
            return None
        except (psycopg.Error, OSError) as error:
            await self.close()
            raise AwayError(self._url.redact(str(error) or type(error).__name__)) from None
        return SourceIdentity(system_identifier=row[0], timeline=row[1], database=row[2])

    async def write(self, rows: list[Row]) -> set[str]:
        """Commit the rows that do not exist yet; returns their ids.

        Raises:
            AwayError: it is not known whether they were committed.
            UnstorableError: one of them cannot be stored, and none was.
        """
        content = b"[" + b",".join([row.content for row in rows]) + b"]"
        try:
            connection = self._connection or await self._connect()
            statement = _insert(connection, self._insert, content.decode())
            written = await _within(connection, statement)
        except _UNSTORABLE as error:
            raise UnstorableError(str(error)) from None
        except (psycopg.Error, OSError) as error:
            await self.close()
            raise AwayError(self._url.redact(str(error) or type(error).__name__)) from None
        except BaseException:
            await self.close()
            raise
        return written

    async def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        connection = await AsyncConnection.connect(
            self._url.reveal(),
            autocommit=True,
            connect_timeout=int(_STATEMENT_SECONDS),
            # Leave nothing behind in a session that a pooler may pass to another client.
            prepare_threshold=None,
            cursor_factory=AsyncRawCursor,
        )
        self._connection = connection
        milliseconds = str(int(_STATEMENT_SECONDS * 1000))
        await _within(connection, _set_up(connection, milliseconds))
        return connection


async def _set_up(connection: AsyncConnection, milliseconds: str) -> None:
    await connection.execute(sqlfiles.text(_SESSION).encode(), [milliseconds])


async def _one_row(connection: AsyncConnection) -> TupleRow:
    cursor = await connection.execute(sqlfiles.text(_DATABASE).encode())
    row = await cursor.fetchone()
    assert row is not None
    return row


async def _insert(connection: AsyncConnection, insert: str, content: str) -> set[str]:
    cursor = await connection.execute(insert.encode(), [content])
    return {identity for (identity,) in await cursor.fetchall()}


async def _within(connection: AsyncConnection, statement: Coroutine[Any, Any, T]) -> T:
    """The statement's result; it fails when the time is over."""
    task = asyncio.ensure_future(statement)
    task.add_done_callback(_retrieve)
    try:
        await asyncio.wait({task}, timeout=_ANSWER_SECONDS)
    finally:
        if not task.done():
            _shut_down(connection)
    return await task


def _retrieve(task: asyncio.Future[Any]) -> None:
    """Retrieve the exception so that asyncio does not warn."""
    if not task.cancelled():
        task.exception()


def _shut_down(connection: AsyncConnection) -> None:
    """Shut the connection's socket down; a waiting statement then fails."""
    with suppress(OSError, psycopg.Error):
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
