"""Questions to PostgreSQL that lock nothing and read no row of a table: what there is, how far its
replicas are.

They are asked where nothing is extracted: by `source check`, which tries a mapping, and by a
backfill that waits for replicas. Extraction is `etl.source`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql

from etl.connection import (
    APPLICATION_NAME,
    begin_transaction,
    column_names,
    connected,
    end_transaction,
    execute,
    rows_of,
)
from etl.forms import statement
from etl.source_errors import source_errors
from etl.watchdog import Watchdog
from olap import sqlfiles
from olap.errors import SourceError
from olap.mapping import SourceMapping
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import Table

T = TypeVar("T")


class Survey:
    """Asks the source what it has: nothing is locked, and no row of a table is read.

    A question that fails leaves the others possible.
    """

    def __init__(
        self, connection: adbc_postgresql.Connection, url: Secret, watchdog: Watchdog, limit: int
    ) -> None:
        self._connection = connection
        self._url = url
        self._watchdog = watchdog
        self._limit = limit

    def ask(self, name: str, parameters: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
        """The rows of a statement of `sql/`."""
        return self._call(lambda: rows_of(self._connection, sqlfiles.text(name), parameters))

    def columns(self, table: Table, mapping: SourceMapping) -> list[str]:
        """The names of the columns that a SELECT returns.

        Raises:
            SourceError: PostgreSQL cannot plan the SELECT; `position` is that in the SELECT.
        """
        text, select = statement("columns", table, mapping), mapping.tables[table.name].select
        try:
            return self._call(lambda: column_names(self._connection, text))
        except SourceError as error:
            error.position -= text.index(select)
            raise

    def types(self, table: Table, mapping: SourceMapping) -> dict[str, str]:
        """The types of the columns that a SELECT returns, by PostgreSQL's names."""
        text = statement("types", table, mapping)
        return self._call(lambda: rows_of(self._connection, text))[0]

    def _call(self, work: Callable[[], T]) -> T:
        def tried() -> T:
            execute(self._connection, "savepoint tried")
            try:
                return work()
            finally:
                execute(self._connection, "rollback to savepoint tried")

        with source_errors(self._url, "asking PostgreSQL failed"):
            return self._watchdog.call(tried, at_most=self._limit)


@contextmanager
def open_survey(url: Secret, settings: Settings) -> Iterator[Survey]:
    """Open a read-only transaction for questions that need no lock; end it afterwards.

    Raises:
        SourceError: PostgreSQL cannot be reached.
    """
    limit = settings.stall_seconds
    watchdog, connection = connected(url, limit, f"cannot connect to {url}")

    def begin() -> None:
        execute(connection, "begin read only")
        execute(connection, "set local client_encoding = 'UTF8'")
        execute(connection, "set local jit = off")
        execute(connection, f"set local application_name = '{APPLICATION_NAME}'")
        execute(connection, f"set local lock_timeout = {settings.lock_timeout_seconds * 1000}")

    try:
        with source_errors(url, f"cannot ask {url}"):
            watchdog.call(begin, at_most=limit)
        yield Survey(connection, url, watchdog, limit)
    finally:
        with suppress(adbc.Error, TimeoutError):
            watchdog.call(connection.close, at_most=limit)


def replica_lag_bytes(url: Secret, *, stall_seconds: int = 60) -> int | None:
    """How many bytes of log the slowest replica is behind; None without replicas.

    Raises:
        SourceError: PostgreSQL cannot be reached, or the role may not see the replicas.
    """
    what = f"cannot ask {url} how far its replicas are"
    watchdog, connection = connected(url, stall_seconds, what)

    def ask() -> dict[str, Any]:
        with connection:
            begin_transaction(connection)
            found = rows_of(connection, sqlfiles.text("source/replica_lag"))[0]
            end_transaction(connection)
            return found

    with source_errors(url, what):
        row = watchdog.call(ask, at_most=stall_seconds)
    if row["hidden_replicas"]:
        raise SourceError(
            f"the role may not see the position of {row['hidden_replicas']} replicas",
            hint="Grant it pg_read_all_stats, or leave out --pause-above-lag.",
        )
    lag: int | None = row["lag_bytes"]
    return lag
