"""Reading PostgreSQL exactly: one transaction, one snapshot, every row that may have changed.

A timestamp cursor loses rows: a transaction that began earlier commits after the cursor has passed
it. The cursor used here is the row version's own `xmin`, fenced by the reading snapshot. A version
that snapshot S cannot see was written by a transaction still running or not yet begun, so its
`xmin >= pg_snapshot_xmin(S)`; the next cycle therefore reads every visible row whose `xmin` is at
or after that number, the *watermark*. Rows near it are read again; the merge makes nothing of that.
It needs no column, no index, no clock and no privilege but SELECT.

The order of statements matters. `LOCK TABLE` comes first and takes no snapshot: a rewrite or a
TRUNCATE that waited for readers would otherwise commit after the snapshot, and show it an empty
table. Everything else runs under the snapshot that the next statement takes, on this connection,
because `age()` counts from the transaction's own next xid.

Rows come as Arrow data over binary COPY (the ADBC driver), batch by batch: memory stays bounded
whatever the size of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from etl.watchdog import Watchdog, with_time_limits
from olap import sqlfiles
from olap.backfill_chunks import BlockRange
from olap.days import EVERY_DAY, NO_DAY, DaySet
from olap.errors import SourceError, SourceSilentError
from olap.manifest import SourceIdentity, utc
from olap.proofs import DaySum, Sums, Tier
from olap.settings import Secret
from olap.tables import TABLES

T = TypeVar("T")

APPLICATION_NAME = "messenger-analytics"
MAPPING = "source/messenger"

# What PostgreSQL's SQLSTATE asks of the reader of our error.
_HINTS = {
    "28": "Check user and password in DATABASE_URL.",
    "3D": "Check the database name in DATABASE_URL.",
    "42501": "Grant the role SELECT on the messenger's tables (etl/README.md).",
    "42P01": "Check that DATABASE_URL names the messenger's database and its search_path.",
    "42703": "The messenger's schema is not the one of sql/source/messenger/schema.sql.",
    "55P03": "Something holds an exclusive lock (a migration?); the next cycle tries again.",
    "57014": "Raise the role's statement_timeout; nothing was changed here.",
}

# There is no SQLSTATE when libpq cannot connect, nor in a stream; these words are its own or the
# server's.
_HINTS_BY_WORDS = {
    "invalid byte sequence": "A text there is not in the encoding of its database, or that has "
    "none (SQL_ASCII): correct the text; UTF8 as the database's encoding keeps such out.",
    "statement timeout": _HINTS["57014"],
    "could not translate host name": "Check the host in DATABASE_URL: nobody knows its name here.",
    "authentication failed": _HINTS["28"],
    "no password supplied": _HINTS["28"],
    'role "': _HINTS["28"],
    'database "': _HINTS["3D"],
    "timeout expired": "Check host and port in DATABASE_URL, and what lies between: no answer.",
    "too many": "Raise the role's CONNECTION LIMIT, or the server's max_connections.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A source table as the catalogue describes it; see `TableState` for the two strings."""

    relation: str
    columns: str


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
        days: whole days besides, whatever the version of their rows.
        coverage: no row of another day.
        lost_messages: ids, as PostgreSQL's uuid[], whose receipts are to be read besides.
    """

    watermark: int | None
    days: DaySet = NO_DAY
    coverage: DaySet = EVERY_DAY
    lost_messages: str = "{}"


class SourceTransaction:
    """An open reading transaction; every method sees the same snapshot.

    Attributes:
        failure: the error that ended a stream, for whoever sees only that the stream has ended.
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

    def rows(self, table: str, window: Window) -> pa.RecordBatchReader:
        """The rows of `table` that `window` asks for, as a stream.

        Raises:
            SourceError: the table cannot be read.
        """
        self._set(window)
        return self._stream(f"{MAPPING}/{table}")

    def range_rows(self, planned: BlockRange, coverage: DaySet) -> pa.RecordBatchReader:
        """The rows of a run of blocks, whatever their version, as a stream."""
        places = (f"({planned.first_block},0)", f"({planned.until_block},0)")
        self._fetch("source/set_range", (*places, coverage.to_multirange()))
        return self._stream(f"{MAPPING}/ranges/{planned.table}")

    def heaps(self) -> Mapping[str, list[int]]:
        """How many blocks each heap of each fact has; more than one where it is partitioned."""
        found: dict[str, list[int]] = {}
        for row in self._fetch(f"{MAPPING}/blocks"):
            found.setdefault(row["table_name"], []).append(row["block_count"])
        return found

    def export_snapshot(self) -> str:
        """A name, good while this transaction lasts, by which `open_source` sees what it sees."""
        return str(self._fetch("source/export_snapshot")[0]["snapshot_name"])

    def keys(self, dimension: str) -> pa.RecordBatchReader:
        """The ids of all rows of a dimension, as a stream."""
        return self._stream(f"{MAPPING}/keys/{dimension}")

    def counts(self, coverage: DaySet) -> Mapping[str, tuple[int, int]]:
        """How many rows each table has, inside the coverage and outside it."""
        self._set(Window(watermark=None, coverage=coverage))
        rows = self._fetch(f"{MAPPING}/counts")
        return {row["table_name"]: (row["source_rows"], row["outside_rows"]) for row in rows}

    def people(self) -> pa.RecordBatchReader:
        """Every user id that any row mentions, as a stream."""
        return self._stream(f"{MAPPING}/people")

    def sums(self, table: str, days: DaySet, tier: Tier, erased: str) -> Sums:
        """What the rows of `table` on these days add up to, by day; a dimension's under None.

        Args:
            erased: JSON; what stands here for the ids of erased people.
        """
        self._fetch("source/set_sums", (days.to_multirange(), tier, erased))
        rows = self._fetch(f"{MAPPING}/sums/{table}")
        return {row["day"]: DaySum(row["row_count"], row["total"]) for row in rows}

    def _set(self, window: Window) -> None:
        # An xid on a row has 32 bits; age() compares on the circle, so the low half is enough.
        watermark = "" if window.watermark is None else str(window.watermark & 0xFFFF_FFFF)
        days, coverage = window.days.to_multirange(), window.coverage.to_multirange()
        self._fetch("source/set_window", (watermark, days, coverage, window.lost_messages))

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
        relations: dict[str, Relation] = {}
        for row in self._fetch(f"{MAPPING}/relations"):
            name = row["source_name"]
            if row["missing"]:
                raise SourceError(
                    f"the source's table {name} lacks the columns {row['missing']}",
                    hint=_HINTS["42703"],
                )
            if row["mistyped"]:
                raise SourceError(
                    f"columns of the source are not of the type that is read: {row['mistyped']}",
                    hint=_HINTS["42703"],
                )
            if row["kind"] not in ("r", "p"):
                raise SourceError(
                    f"the source's {name} is not a table (relkind {row['kind']}): no usable xmin",
                    hint="Point DATABASE_URL at the database that owns the tables.",
                )
            relations[row["table_name"]] = Relation(
                relation=row["relation"], columns=row["columns"]
            )
        return {table: relations[table] for table in TABLES}

    def _fetch(self, name: str, parameters: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
        return self._call(name, lambda: _rows(self._connection, name, parameters))

    def _stream(self, name: str) -> pa.RecordBatchReader:
        stream = _Stream(self._connection)
        schema = self._call(name, lambda: stream.open(sqlfiles.text(name)))

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                while (batch := self._call(name, stream.next)) is not None:
                    yield batch
            except SourceError as error:
                self.failure = error
                raise
            finally:
                with suppress(SourceError):
                    self._call(name, stream.close)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _call(self, name: str, work: Callable[[], T]) -> T:
        with source_errors(self._url, f"reading {name} from PostgreSQL failed"):
            return self._watchdog.call(work)


class _Stream:
    """A running query. One object owns cursor and reader, so an abandoned call keeps both."""

    def __init__(self, connection: adbc_postgresql.Connection) -> None:
        self._cursor = connection.cursor()

    def open(self, statement: str) -> pa.Schema:
        self._cursor.execute(statement)
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
    """Begin a read-only transaction with the tables locked and a snapshot taken; end it after.

    Args:
        stall_seconds: how long a call may take before the watchdog asks the server.
        snapshot_name: see what the transaction sees that exported it, and holds the locks.

    Raises:
        SourceError: PostgreSQL cannot be reached, does not let us read, is locked or silent.
    """
    watchdog, connection = _connected(url, stall_seconds, f"cannot connect to {url}")

    def begin() -> None:
        # A database in another encoding would send its own bytes, which are not text here.
        _execute(connection, "set client_encoding = 'UTF8'")
        _execute(connection, "begin isolation level repeatable read read only")
        _execute(connection, f"set local application_name = '{APPLICATION_NAME}'")
        _execute(connection, f"set local lock_timeout = {lock_timeout_seconds * 1000}")
        _execute(connection, "set local idle_in_transaction_session_timeout = 0")
        if snapshot_name is None:
            _execute(connection, sqlfiles.text(f"{MAPPING}/lock"))
        else:
            _execute(connection, f"set transaction snapshot '{snapshot_name}'")

    def end() -> None:
        with suppress(adbc.Error):
            _execute(connection, "rollback")
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
    """How many bytes of log the slowest replica is behind; None when there is none.

    Raises:
        SourceError: PostgreSQL cannot be asked, or does not say.
    """
    what = f"cannot ask {url} how far its replicas are"
    watchdog, connection = _connected(url, stall_seconds, what)

    def ask() -> dict[str, Any]:
        with connection:
            return _rows(connection, "source/replica_lag")[0]

    with source_errors(url, what):
        row = watchdog.call(ask, at_most=stall_seconds)
    if row["hidden_replicas"]:
        raise SourceError(
            f"the role may not see how far {row['hidden_replicas']} replicas are",
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
            "ETL_STALL_SECONDS sets how long a silence may last.",
        ) from None
    except (adbc.Error, pa.ArrowException, OSError) as error:  # the latter two from a stream
        state = getattr(error, "sqlstate", None) or ""
        detail = url.redact(" ".join(str(error).split()))
        hint = _HINTS.get(state) or _HINTS.get(state[:2])
        if not state:
            hint = next((h for words, h in _HINTS_BY_WORDS.items() if words in detail), None)
        raise SourceError(
            f"{what}: {detail}",
            hint=hint or "Check that PostgreSQL is up and that DATABASE_URL is right.",
        ) from None


def _rows(
    connection: adbc_postgresql.Connection, name: str, parameters: tuple[str, ...] | None = None
) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sqlfiles.text(name), parameters)
        rows: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
        return rows


def _execute(connection: adbc_postgresql.Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
