"""The messenger's table `analytics_events`, written to with time limits that hold.

psycopg's asynchronous connection, and not a thread with a synchronous one: what a group costs is a
few hundred microseconds of encoding either way (the rows are one JSON parameter, unpacked by
PostgreSQL), and on the loop the answer goes to those who wait without another hop.

A server that is stopped in the middle of a statement answers nothing, not even a request to cancel
it. So a statement that is over its time is ended from this side, by shutting the socket down; libpq
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

from api.events.event import Row
from olap import sqlfiles
from olap.settings import Secret

T = TypeVar("T")

_INSERT = "sink/messenger/events"
_SESSION = "sink/session"
_STATEMENT_SECONDS = 2.0
# PostgreSQL ends a statement itself (a lock that somebody holds); then it answers, a little later.
_ANSWER_SECONDS = _STATEMENT_SECONDS + 0.5


class AwayError(Exception):
    """PostgreSQL did not confirm: it is not there, too slow, or may not be written to."""


class UnstorableError(Exception):
    """PostgreSQL is there and says that these rows can never be stored."""


class EventTable:
    """One connection to it, made when needed and thrown away after any failure."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._connection: AsyncConnection | None = None

    async def write(self, rows: list[Row]) -> set[str]:
        """Commit the rows that are not there yet; the uuids of those.

        Raises:
            AwayError: it is not known whether they were committed.
            UnstorableError: one of them cannot be stored, and none was.
        """
        content = b"[" + b",".join([row.content for row in rows]) + b"]"
        try:
            connection = self._connection or await self._connect()
            written = await _within(connection, _insert(connection, content.decode()))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise UnstorableError(str(error)) from None
        except (psycopg.Error, OSError) as error:
            await self.close()
            raise AwayError(self._url.redact(str(error) or type(error).__name__)) from None
        except BaseException:
            await self.close()
            raise
        return written

    async def close(self) -> None:
        """Let the connection go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> AsyncConnection:
        connection = await AsyncConnection.connect(
            self._url.reveal(),
            autocommit=True,
            connect_timeout=int(_STATEMENT_SECONDS),
            # Nothing stays behind in a session that a pooler may hand to somebody else.
            prepare_threshold=None,
            cursor_factory=AsyncRawCursor,
        )
        self._connection = connection
        milliseconds = str(int(_STATEMENT_SECONDS * 1000))
        await _within(connection, _set_up(connection, milliseconds))
        return connection


async def _set_up(connection: AsyncConnection, milliseconds: str) -> None:
    await connection.execute(sqlfiles.text(_SESSION).encode(), [milliseconds])


async def _insert(connection: AsyncConnection, content: str) -> set[str]:
    cursor = await connection.execute(sqlfiles.text(_INSERT).encode(), [content])
    return {identity for (identity,) in await cursor.fetchall()}


async def _within(connection: AsyncConnection, statement: Coroutine[Any, Any, T]) -> T:
    """The statement's result, or its failure when the time is over."""
    task = asyncio.ensure_future(statement)
    task.add_done_callback(_seen)
    try:
        await asyncio.wait({task}, timeout=_ANSWER_SECONDS)
    finally:
        if not task.done():
            _break_off(connection)
    return await task


def _seen(task: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody waits for any more, or asyncio would complain of it."""
    if not task.cancelled():
        task.exception()


def _break_off(connection: AsyncConnection) -> None:
    """Shut the connection's socket down; whoever waits for it is told that it is lost."""
    with suppress(OSError, psycopg.Error):
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
