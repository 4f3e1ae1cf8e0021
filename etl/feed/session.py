"""A session at the source beside the batch's own, in which a feed is asked.

It is short, and none of its statements may take long: a feed that does not answer makes the batch a
scan. Settings hold for one transaction, because of poolers; see `etl.source`. The driver is
psycopg: it connects several times faster than ADBC, which asks for all types first, and few rows
come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from etl.connection import APPLICATION_NAME
from etl.source_errors import hint_of, source_errors
from etl.watchdog import Watchdog, with_time_limits
from olap import sqlfiles
from olap.errors import SourceError
from olap.secret import Secret
from olap.settings import Settings

T = TypeVar("T")

# Decoding reads the log since the last batch.
STATEMENT_SECONDS_MAX = 60
# How many rows of a stream are received at once.
_ROWS = 10_000


class Session:
    """An open transaction; `commit` ends it and begins another one."""

    def __init__(
        self,
        connection: psycopg.Connection,
        url: Secret,
        watchdog: Watchdog,
        settings: Settings,
        statement_seconds: int,
    ) -> None:
        self._connection = connection
        self._url = url
        self._watchdog = watchdog
        self._limit = statement_seconds + settings.stall_seconds
        self._settings = (
            "local client_encoding = 'UTF8'",
            "local jit = off",
            f"local application_name = '{APPLICATION_NAME}'",
            f"local lock_timeout = {settings.lock_timeout_seconds * 1000}",
            f"local statement_timeout = {statement_seconds * 1000}",
        )
        self.set(*self._settings)

    def ask(self, name: str, *parameters: str) -> list[dict[str, Any]]:
        """The rows of a statement of `sql/feed`.

        Raises:
            SourceError: PostgreSQL refuses it, or does not answer.
        """
        text = sqlfiles.text(f"feed/{name}").encode()

        def ask() -> list[dict[str, Any]]:
            cursor = psycopg.RawCursor(self._connection, row_factory=dict_row)
            return cursor.execute(text, parameters or None).fetchall()

        return self._call(name, ask)

    def ask_one(self, name: str, *parameters: str) -> dict[str, Any]:
        """The one row of a statement of `sql/feed`.

        Raises:
            SourceError: PostgreSQL refuses it, or does not answer.
        """
        return self.ask(name, *parameters)[0]

    def stream(self, name: str, *parameters: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a statement of `sql/feed`, some at a time, as they arrive.

        Raises:
            SourceError: PostgreSQL refuses it, or does not answer.
        """
        text = sqlfiles.text(f"feed/{name}").encode()
        cursor = psycopg.RawCursor(self._connection)
        size = _ROWS if psycopg.capabilities.has_stream_chunked() else 1
        rows = cursor.stream(text, parameters or None, binary=True, size=size)
        try:
            while found := self._call(name, lambda: list(islice(rows, _ROWS))):
                yield found
        finally:
            self._call(name, rows.close)  # type: ignore[attr-defined]

    def set(self, *settings: str) -> None:
        """Set something for this transaction: `local synchronous_commit = local`.

        Raises:
            SourceError: PostgreSQL refuses it, or does not answer.
        """
        text = "; ".join(f"set {setting}" for setting in settings).encode()
        self._call("set", lambda: self._connection.execute(text))

    def commit(self) -> None:
        """End the transaction and begin another one.

        Raises:
            SourceError: PostgreSQL refuses to, or does not answer.
        """
        self.end()
        self.set(*self._settings)

    def end(self) -> None:
        """Commit.

        Raises:
            SourceError: PostgreSQL refuses to, or does not answer.
        """
        self._call("commit", self._connection.commit)

    def _call(self, name: str, work: Callable[[], T]) -> T:
        return _called(
            self._watchdog, self._url, f"asking the feed ({name}) failed", work, self._limit
        )


@contextmanager
def open_session(
    url: Secret,
    settings: Settings,
    *,
    snapshot_name: str | None = None,
    statement_seconds: int = STATEMENT_SECONDS_MAX,
) -> Iterator[Session]:
    """Open a session; commit its transaction at the end of the block, unless that fails.

    Args:
        snapshot_name: see what the transaction sees that exported it, and read only.
        statement_seconds: how long a statement may take.

    Raises:
        SourceError: PostgreSQL cannot be reached, or does not answer.
    """
    limit = settings.stall_seconds
    conninfo = with_time_limits(url, limit)
    watchdog = Watchdog(conninfo, limit)
    # A pooler gives the next transaction another session, which lacks a prepared statement.
    connection = _called(
        watchdog,
        url,
        f"cannot ask {url} what changed",
        lambda: psycopg.connect(conninfo, prepare_threshold=None),
        limit,
    )
    try:
        session = Session(connection, url, watchdog, settings, statement_seconds)
        if snapshot_name is not None:
            session.set(
                "transaction isolation level repeatable read read only",
                f"transaction snapshot '{snapshot_name}'",
            )
        yield session
        session.end()
    finally:
        with suppress(psycopg.Error, TimeoutError):
            watchdog.call(connection.close, at_most=limit)


def _called(watchdog: Watchdog, url: Secret, what: str, work: Callable[[], T], limit: float) -> T:
    """The result of a call of the driver.

    Raises:
        SourceError: PostgreSQL refuses it, or does not answer.
    """
    with source_errors(url, what):
        try:
            return watchdog.call(work, at_most=limit)
        except psycopg.Error as error:
            detail = url.redact(" ".join(str(error).split()))
            state = error.sqlstate or ""
            raised = SourceError(f"{what}: {detail}", hint=hint_of(state, detail))
            raised.sqlstate = state
            raise raised from None
