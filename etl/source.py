"""Reading PostgreSQL exactly: one transaction, one snapshot, every row that may have changed.

A timestamp cursor loses rows: a transaction that began earlier may commit after the cursor has
passed. The cursor used here is the row version's own `xmin`, fenced by the reading snapshot. A row
version that snapshot S cannot see was written by a transaction that is still running or has not
begun, so its `xmin >= pg_snapshot_xmin(S)`. The next cycle therefore reads every visible row with
an `xmin` at or after that number, the *watermark*. Rows near it are read twice, which the merge
ignores. This needs no column, no index, no clock and no privilege but SELECT.

The order of statements matters. `LOCK TABLE` is first and takes no snapshot: otherwise a rewrite or
a TRUNCATE could commit after the snapshot, which then sees an empty table. Everything else runs
under the snapshot that the next statement takes, on this connection, because `age()` counts from
the transaction's own next xid.

Nothing relies on a session outside of a transaction, because a pooler in transaction mode gives
each transaction another one: every setting is `set local`, and what is asked before the snapshot
has its own transaction.

Each table is read by one SELECT in `sql/source/messenger`. Every way to read it (rows from the
watermark, a range of blocks, counts, ids) is a statement in `sql/source/forms` over that SELECT;
see `statement`. PostgreSQL pushes the conditions on `row_version` and `place` down to the table.

Rows arrive as Arrow data over binary COPY (the ADBC driver), batch by batch: memory is bounded
whatever the size of the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from etl.forms import (
    form_of_rows,
    schema_of,
    select,
    select_name,
    source_tables,
    statement,
    without_zone,
    without_zones,
)
from etl.watchdog import Watchdog, with_time_limits
from olap import sqlfiles
from olap.backfill_chunks import BlockRange
from olap.days import EVERY_DAY, NO_DAY, DaySet
from olap.errors import SourceError, SourceSilentError
from olap.manifest import SourceIdentity, utc
from olap.settings import Secret
from olap.tables import FACTS, TABLES, Dimension, Fact, Table, Type

T = TypeVar("T")

APPLICATION_NAME = "messenger-analytics"

_HINT_USER = "Check user and password in DATABASE_URL."
_HINT_DATABASE = "Check the database name in DATABASE_URL."
_HINT_STATEMENT_TIMEOUT = "Raise the role's statement_timeout; nothing was changed here."
_HINT_ENCRYPTION = (
    "If the server wants SSL, write sslmode=require in DATABASE_URL; if it wants none, "
    "sslmode=disable. Otherwise pg_hba.conf needs a line for this user, database and address."
)
_HINT_CERTIFICATE = (
    "Name the certificate's authority with sslrootcert= in DATABASE_URL, and the host as the "
    "certificate does; sslmode=require encrypts without checking the certificate."
)
_HINT_POOLER_LIMITS = (
    "Set PgBouncer's query_timeout, idle_transaction_timeout and client_idle_timeout to 0 for this "
    "pool, or read PostgreSQL without it."
)
_HINT_POOL_MODE = (
    "Set the pooler's pool_mode to transaction or session: a transaction needs one session."
)
_HINT_POOL_SIZE = (
    "Give a pooler a pool of two connections more than there are readers (JOBS), or raise its "
    "query_wait_timeout (etl/README.md)."
)

# What to do about an error, by words of PostgreSQL, libpq or PgBouncer. The first that fits counts.
_HINTS_BY_WORDS = {
    "permission denied for function pg_control": "Run, as a superuser: grant execute on function "
    "pg_control_system(), pg_control_checkpoint() to the role of DATABASE_URL.",
    "invalid byte sequence": "A text at the source is not in the encoding of its database, or the "
    "database has none (SQL_ASCII): correct the text. A database in UTF8 refuses such texts.",
    "statement timeout": _HINT_STATEMENT_TIMEOUT,
    "due to transaction timeout": "The transaction lifts transaction_timeout for itself, and "
    "something set it again: set it to 0 for the role.",
    "query_wait_timeout": _HINT_POOL_SIZE,
    "max_client_conn": "Raise PgBouncer's max_client_conn.",
    "query timeout": _HINT_POOLER_LIMITS,
    "idle transaction timeout": _HINT_POOLER_LIMITS,
    "client_idle_timeout": _HINT_POOLER_LIMITS,
    "statement pooling": _HINT_POOL_MODE,
    "unnamed prepared statement does not exist": _HINT_POOL_MODE,
    "due to administrator command": "PostgreSQL stopped, or somebody ended the session; the next "
    "cycle tries again.",
}

# By SQLSTATE, for errors of a statement.
_HINTS = {
    "28": _HINT_USER,
    "3D": _HINT_DATABASE,
    "42501": "Grant the role SELECT on the messenger's tables (etl/README.md).",
    "42P01": "Check that DATABASE_URL names the messenger's database and its search_path.",
    "42703": "The messenger's schema is not the one of sql/source/messenger/schema.sql.",
    "42883": "The messenger's schema is not the one of sql/source/messenger/schema.sql.",
    "55P03": "Something holds an exclusive lock (a migration?); the next cycle tries again.",
    "57014": _HINT_STATEMENT_TIMEOUT,
}

# There is no SQLSTATE when libpq cannot connect, or has lost the connection.
_HINTS_WITHOUT_STATE = {
    "unsupported startup parameter": "Leave this parameter out of DATABASE_URL and set it for the "
    "role (alter role … set …), or allow it in PgBouncer's ignore_startup_parameters.",
    "does not support SSL": "The server, or a pooler before it, has no SSL: write sslmode=prefer "
    "or sslmode=disable in DATABASE_URL, or set SSL up there.",
    "SSL required": "Write sslmode=require in DATABASE_URL.",
    "no pg_hba.conf entry": _HINT_ENCRYPTION,
    "pg_hba.conf rejects": _HINT_ENCRYPTION,
    "certificate": _HINT_CERTIFICATE,
    "could not translate host name": "Check the host in DATABASE_URL: its name cannot be resolved.",
    "too many": "Raise the role's CONNECTION LIMIT, or the server's max_connections.",
    "authentication failed": _HINT_USER,
    "no password supplied": _HINT_USER,
    'role "': _HINT_USER,
    "no such user": _HINT_USER,
    'database "': _HINT_DATABASE,
    "no such database": _HINT_DATABASE,
    "timeout expired": "Check host and port in DATABASE_URL, and what lies between: no answer.",
    "closed the connection unexpectedly": "PostgreSQL, a pooler (query_timeout?) or a firewall "
    "ended the connection: its log says why. The next cycle tries again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The source tables that one table is read from; see `TableState` for the two strings.

    Attributes:
        heap_blocks: blocks of each heap of the first source table; several if it is partitioned.
        is_available: false for an optional table that the source lacks or the role may not read.
    """

    relation: str
    columns: str
    heap_blocks: tuple[int, ...] = ()
    is_available: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a source transaction sees.

    Attributes:
        text: `xmin:xmax:xip_list`.
        xmin, xmax: as xid8: they grow for the life of the cluster.
        seen_at: the source's clock, UTC.
        held_back_by: the oldest transaction that keeps xmin below xmax; None when nothing does.
    """

    identity: SourceIdentity
    text: str
    xmin: int
    xmax: int
    seen_at: datetime
    held_back_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows of a table to read.

    Attributes:
        watermark: xid8; reads row versions at or after it; None = all rows.
        days: days to read whole in addition, whatever the version of their rows; for a dimension
            `EVERY_DAY` means all rows.
        coverage: rows of other days are not read.
        gone_messages: ids of deleted messages, as PostgreSQL's uuid[]; facts about them are read
            in addition.
    """

    watermark: int | None
    days: DaySet = NO_DAY
    coverage: DaySet = EVERY_DAY
    gone_messages: str = "{}"

    @property
    def settings(self) -> tuple[str, str, str, str]:
        """The first parameters of `sql/source/set_window.sql`."""
        # An xid on a row has 32 bits; age() compares on the circle, so the low half is enough.
        watermark = "" if self.watermark is None else str(self.watermark & 0xFFFF_FFFF)
        days, coverage = self.days.to_multirange(), self.coverage.to_multirange()
        return (watermark, days, coverage, self.gone_messages)


ALL_ROWS = Window(watermark=None)


class SourceTransaction:
    """An open reading transaction; every method sees the same snapshot.

    Attributes:
        failure: the error that ended a stream; its consumer only sees that the stream ended.
    """

    def __init__(
        self, connection: adbc_postgresql.Connection, url: Secret, watchdog: Watchdog
    ) -> None:
        self._connection = connection
        self._url = url
        self._watchdog = watchdog
        self.failure: SourceError | None = None
        self.snapshot = self._read_snapshot()
        self.relations = self._read_relations()
        for table in TABLES:
            if self.relations[table.name].is_available:
                self._require_declared_types(table)

    def rows(self, table: Table, window: Window) -> pa.RecordBatchReader:
        """The rows of a table that `window` selects, with the column `is_new`, as a stream.

        Raises:
            SourceError: the table cannot be read.
        """
        if not self.relations[table.name].is_available:
            return pa.RecordBatchReader.from_batches(schema_of(table), [])
        self._set(window)
        return self._stream(form_of_rows(table), table)

    def range_rows(self, planned: BlockRange, coverage: DaySet) -> pa.RecordBatchReader:
        """The rows of a range of blocks, whatever their version, as a stream."""
        table = next(fact for fact in FACTS if fact.name == planned.table)
        places = (f"({planned.first_block},0)", f"({planned.until_block},0)")
        self._set(Window(watermark=None, coverage=coverage), places)
        return self._stream("fact_range", table)

    def export_snapshot(self) -> str:
        """A name by which `open_source` sees the same snapshot while this transaction lasts."""
        return str(self._fetch("source/export_snapshot")[0]["snapshot_name"])

    def keys(self, dimension: Dimension) -> pa.RecordBatchReader:
        """The ids of all rows of a dimension, as a stream."""
        return self._stream("dimension_keys", dimension)

    def duplicate_keys(self, table: Table) -> pa.RecordBatchReader:
        """The keys that several rows of a table have, as a stream."""
        return self._stream("duplicate_keys", table)

    def counts(self, table: Table) -> dict[date | None, int]:
        """How many rows a table has by UTC day; a dimension has one count, under None."""
        if not self.relations[table.name].is_available:
            return {}
        self._set(ALL_ROWS)
        form = "fact_counts" if isinstance(table, Fact) else "dimension_counts"
        rows = self._ask(f"{form} of {table.name}", statement(form, table))
        return {row["day"] and row["day"].date(): row["row_count"] for row in rows}

    def _set(self, window: Window, places: tuple[str, str] = ("", "")) -> None:
        self._fetch("source/set_window", (*window.settings, *places))

    def _read_snapshot(self) -> Snapshot:
        row = self._fetch("source/snapshot")[0]
        self._watchdog.backend_pid = row["backend_pid"]
        holder = None
        if row["snapshot_xmin"] < row["snapshot_xmax"]:
            found = self._fetch("source/holder")
            holder = found[0]["holder"] if found else "a transaction this role may not see"
        if row["seen_at"] is None:
            raise SourceError(
                "the standby has not replayed any transaction yet, so it has no time",
                hint="Wait until it has caught up with its primary, or read the primary.",
            )
        return Snapshot(
            identity=SourceIdentity(
                system_identifier=row["system_identifier"],
                timeline=row["timeline"],
                database=row["database"],
            ),
            text=row["snapshot"],
            xmin=row["snapshot_xmin"],
            xmax=row["snapshot_xmax"],
            seen_at=utc(row["seen_at"].replace(tzinfo=None)),
            held_back_by=holder,
        )

    def _read_relations(self) -> Mapping[str, Relation]:
        entries = [
            {"table_name": table.name, "source_name": name, "statement": select(table)}
            for table in TABLES
            for name in source_tables(table)
        ]
        found = {
            (row["table_name"], row["source_name"]): row
            for row in self._fetch("source/relations", (json.dumps(entries),))
        }
        return {
            table.name: _relation(table, [found[table.name, name] for name in source_tables(table)])
            for table in TABLES
        }

    def _require_declared_types(self, table: Table) -> None:
        """Stop where a SELECT returns a column in another type than `olap.tables` declares.

        Raises:
            SourceError: it does, or the source lacks a column; the error names each.
        """
        name = select_name(table)
        found = self._ask(name, statement("types", table))[0]
        wrong = [
            f"{table.name}.{column} is {found[column]}, not {declared}"
            for column, declared in table.columns.items()
            if found[column] != declared
            and not (declared is Type.TEXT and found[column] == "character varying")
        ]
        if wrong:
            raise SourceError(
                f"columns of the source are not of the type that is read: {'; '.join(wrong)}",
                hint=_HINTS["42703"],
            )

    def _fetch(self, name: str, parameters: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
        return self._ask(name, sqlfiles.text(name), parameters)

    def _ask(
        self, name: str, text: str, parameters: tuple[str, ...] | None = None
    ) -> list[dict[str, Any]]:
        return self._call(name, lambda: _rows(self._connection, text, parameters))

    def _stream(self, form: str, table: Table) -> pa.RecordBatchReader:
        name, stream = select_name(table), _Stream(self._connection)
        schema = self._call(name, lambda: stream.open(statement(form, table)))

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                while (batch := self._call(name, stream.next)) is not None:
                    yield without_zones(batch)
            except SourceError as error:
                self.failure = error
                raise
            finally:
                with suppress(SourceError):
                    self._call(name, stream.close)

        return pa.RecordBatchReader.from_batches(without_zone(schema), batches())

    def _call(self, name: str, work: Callable[[], T]) -> T:
        with source_errors(self._url, f"reading {name} from PostgreSQL failed"):
            return self._watchdog.call(work)


class _Stream:
    """A running query. One object owns cursor and reader, so an abandoned call keeps both."""

    def __init__(self, connection: adbc_postgresql.Connection) -> None:
        self._cursor = connection.cursor()

    def open(self, text: str) -> pa.Schema:
        self._cursor.execute(text)
        self._reader = self._cursor.fetch_record_batch()
        schema: pa.Schema = self._reader.schema
        return schema

    def next(self) -> pa.RecordBatch | None:
        return next(self._reader, None)

    def close(self) -> None:
        self._cursor.close()


@contextmanager
def open_source(
    url: Secret,
    *,
    lock_timeout_seconds: int,
    stall_seconds: int = 60,
    snapshot_name: str | None = None,
) -> Iterator[SourceTransaction]:
    """Open a read-only transaction with the tables locked and a snapshot taken; end it afterwards.

    Args:
        stall_seconds: how long a call may take before the watchdog asks the server.
        snapshot_name: see what the transaction sees that exported it, and holds the locks.

    Raises:
        SourceError: PostgreSQL cannot be reached, refuses to be read, is locked or silent.
    """
    watchdog, connection = _connected(url, stall_seconds, f"cannot connect to {url}")

    def begin() -> None:
        # What is asked before the snapshot has a transaction of its own: outside of one, a pooler
        # may give each message to another session.
        _begin(connection)
        names, limits = _tables_to_lock(connection), _time_limits(connection)
        _end(connection)
        _begin(connection)
        _execute(connection, "set transaction isolation level repeatable read read only")
        _execute(connection, f"set local application_name = '{APPLICATION_NAME}'")
        _execute(connection, f"set local lock_timeout = {lock_timeout_seconds * 1000}")
        for limit in limits:
            _execute(connection, f"set local {limit} = 0")
        if snapshot_name is None:
            _execute(connection, f"lock table {', '.join(names)} in access share mode")
        else:
            _execute(connection, f"set transaction snapshot '{snapshot_name}'")

    def end() -> None:
        with suppress(adbc.Error):
            _end(connection)
        with suppress(adbc.Error):
            connection.close()

    try:
        with source_errors(url, "the messenger's tables cannot be locked for reading"):
            watchdog.call(begin, at_most=lock_timeout_seconds + stall_seconds)
        yield SourceTransaction(connection, url, watchdog)
    finally:
        with suppress(TimeoutError):
            watchdog.call(end, at_most=stall_seconds)


def replica_lag_bytes(url: Secret, *, stall_seconds: int = 60) -> int | None:
    """How many bytes of log the slowest replica is behind; None without replicas.

    Raises:
        SourceError: PostgreSQL cannot be reached, or the role may not see the replicas.
    """
    what = f"cannot ask {url} how far its replicas are"
    watchdog, connection = _connected(url, stall_seconds, what)

    def ask() -> dict[str, Any]:
        with connection:
            _begin(connection)
            found = _rows(connection, sqlfiles.text("source/replica_lag"))[0]
            _end(connection)
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


def _connected(
    url: Secret, stall_seconds: int, what: str
) -> tuple[Watchdog, adbc_postgresql.Connection]:
    conninfo = with_time_limits(url, stall_seconds)
    watchdog = Watchdog(conninfo, stall_seconds)
    with source_errors(url, what):
        return watchdog, watchdog.connect(
            lambda: adbc_postgresql.connect(conninfo, autocommit=True)
        )


@contextmanager
def source_errors(url: Secret, what: str) -> Iterator[None]:
    """Turn the driver's errors into ours: what failed, why, and what to do; never a password.

    Raises:
        SourceSilentError: the watchdog abandoned a call.
        SourceError: anything else that the driver reports.
    """
    try:
        yield
    except TimeoutError as error:
        raise SourceSilentError(
            f"{what}: {url.redact(str(error))}",
            hint="Check PostgreSQL and the network between; the next cycle tries again. "
            "ETL_STALL_SECONDS sets how long a silence may last. " + _HINT_POOL_SIZE,
        ) from None
    except (adbc.Error, pa.ArrowException, OSError) as error:  # the latter two from a stream
        state = getattr(error, "sqlstate", None) or ""
        detail = url.redact(" ".join(str(error).split()))
        raise SourceError(f"{what}: {detail}", hint=_hint(state, detail)) from None


def _hint(state: str, detail: str) -> str:
    by_words = _HINTS_BY_WORDS if state else {**_HINTS_BY_WORDS, **_HINTS_WITHOUT_STATE}
    found = next((hint for words, hint in by_words.items() if words in detail), None)
    found = found or _HINTS.get(state) or _HINTS.get(state[:2])
    return found or "Check that PostgreSQL is up and that DATABASE_URL is right."


def _tables_to_lock(connection: adbc_postgresql.Connection) -> list[str]:
    """The source tables that exist, or must."""
    names = {name for table in TABLES for name in source_tables(table)}
    required = {n for table in TABLES if not table.is_optional for n in source_tables(table)}
    found = _rows(connection, sqlfiles.text("source/existing"), (json.dumps(sorted(names)),))
    return sorted(required | {row["source_name"] for row in found})


def _time_limits(connection: adbc_postgresql.Connection) -> list[str]:
    """The server's limits to a transaction as long as ours, which a role may lift for itself."""
    return [row["name"] for row in _rows(connection, sqlfiles.text("source/time_limits"))]


def _relation(table: Table, rows: Sequence[Mapping[str, Any]]) -> Relation:
    """The identity of the source tables that `table` is read from.

    Raises:
        SourceError: one is missing, or is not a table.
    """
    for row in rows:
        if table.is_optional and not row["is_readable"]:
            return Relation(relation="", columns="", is_available=False)
        if row["kind"] is None:
            raise SourceError(
                f"the source has no table {row['source_name']}, or the role may not see it",
                hint=_HINTS["42P01"],
            )
        if row["kind"] not in ("r", "p"):
            raise SourceError(
                f"the source's {row['source_name']} is not a table (relkind {row['kind']}): "
                "no usable xmin",
                hint="Point DATABASE_URL at the database that owns the tables.",
            )
    first = rows[0]
    return Relation(
        relation=first["relation"],
        columns=first["columns"] or "",
        # A partitioned table without partitions has no heap.
        heap_blocks=tuple(map(int, (first["heap_blocks"] or "0").split(","))),
    )


def _rows(
    connection: adbc_postgresql.Connection, text: str, parameters: tuple[str, ...] | None = None
) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        rows: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
        return rows


def _begin(connection: adbc_postgresql.Connection) -> None:
    """Begin a transaction whose texts are UTF-8, whatever the encoding of the database is."""
    # The driver sends this as one message; it would prepare a `begin` of ours, outside of a
    # transaction, and a pooler could give the parts to different sessions.
    connection.adbc_connection.set_autocommit(False)
    _execute(connection, "set local client_encoding = 'UTF8'")


def _end(connection: adbc_postgresql.Connection) -> None:
    """End the transaction, if there is one; it has changed nothing."""
    connection.adbc_connection.set_autocommit(True)


def _execute(connection: adbc_postgresql.Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
