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

Each table is read by one SELECT of the mapping, in the forms of `etl.forms`.

A value may change without a row version where the server computes it, and a row may be hidden where
a policy filters it. Neither can be noticed later, so both are settled when the transaction opens:
the SELECTs and all definitions they use are part of a table's identity (`Relation`), and with
`row_security = off` PostgreSQL refuses to read a table of which a policy would hide rows.

Rows arrive as Arrow data over binary COPY (the ADBC driver), batch by batch: memory is bounded
whatever the size of the table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from etl.connection import (
    APPLICATION_NAME,
    Stream,
    begin_transaction,
    column_names,
    connected,
    end_transaction,
    execute,
    rows_of,
)
from etl.forms import (
    form_of_rows,
    key_schema_of,
    schema_of,
    staged,
    statement,
    statement_of_places,
)
from etl.relations import NOT_AVAILABLE, READ_AS, VERSIONS, Relation, cast_to_write, relation_of
from etl.source_errors import source_errors
from etl.watchdog import Watchdog
from olap import sqlfiles
from olap.backfill_chunks import BlockRange
from olap.commands import call
from olap.days import EVERY_DAY, NO_DAY, DaySet
from olap.errors import SourceError
from olap.manifest import SourceIdentity, utc
from olap.mapping import SourceMapping
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import FACTS, TABLES, Dimension, Fact, Table

T = TypeVar("T")


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
        gone_messages: ids of deleted messages, as texts; facts about them are read in addition.
    """

    watermark: int | None
    days: DaySet = NO_DAY
    coverage: DaySet = EVERY_DAY
    gone_messages: Sequence[str] = ()

    @property
    def settings(self) -> tuple[str, str, str, str]:
        """The first parameters of `sql/source/set_window.sql`."""
        # An xid on a row has 32 bits; age() compares on the circle, so the low half is enough.
        watermark = "" if self.watermark is None else str(self.watermark & 0xFFFF_FFFF)
        days, coverage = self.days.to_multirange(), self.coverage.to_multirange()
        return (watermark, days, coverage, json.dumps(list(self.gone_messages)))


ALL_ROWS = Window(watermark=None)

# More changed rows of a table than this are not looked up by their places, but read while they are
# found: neither the server nor this process must hold them all.
CHANGES_MAX = 200_000


def _array(places: Sequence[str]) -> str:
    """Places as PostgreSQL writes an array of them."""
    return "{" + ",".join(f'"{place}"' for place in places) + "}"


class SourceTransaction:
    """An open reading transaction; every method sees the same snapshot.

    Attributes:
        failure: the error that ended a stream; its consumer only sees that the stream ended.
    """

    def __init__(
        self,
        connection: adbc_postgresql.Connection,
        url: Secret,
        watchdog: Watchdog,
        mapping: SourceMapping,
    ) -> None:
        self._connection = connection
        self._url = url
        self._watchdog = watchdog
        self.mapping = mapping
        self.failure: SourceError | None = None
        self.snapshot = self._read_snapshot()
        self.relations = self._read_relations()
        for table in TABLES:
            if self.relations[table.name].is_available:
                self._require_declared_columns(table)

    def rows(self, table: Table, window: Window) -> pa.RecordBatchReader:
        """The rows of a table that `window` selects, with the column `is_new`, as a stream.

        Raises:
            SourceError: the table cannot be read.
        """
        if not self.relations[table.name].is_available:
            return pa.RecordBatchReader.from_batches(schema_of(table, self.mapping.ids), [])
        self._set(window)
        return self._stream(form_of_rows(table, window.watermark), table)

    def places(
        self, source_table: str, columns: tuple[str, ...], keys: Collection[tuple[str, ...]]
    ) -> list[str]:
        """The places (ctid) of a source table's rows with these keys, which an index must have.

        A place in one partition may be that of another row in another one.

        Args:
            source_table: as the mapping's `reads` writes it.
            columns: of the key, by their names in the catalog.
            keys: the values of these columns, as PostgreSQL writes them as texts.

        Raises:
            SourceError: the table lacks a column, or cannot be read.
        """
        if not keys:
            return []
        found = {
            row["column_name"]: row
            for row in self._fetch("source/key_types", (source_table, json.dumps(columns)))
        }
        if missing := [name for name in columns if name not in found]:
            raise SourceError(
                f"the source's {source_table} no longer has the column {missing[0]} of its key",
                hint="Run the cycle again: it scans a table whose columns have changed.",
            )
        types = {found[name]["quoted_name"]: found[name]["type_name"] for name in columns}
        self._set_places()
        entries = [dict(zip(columns, key, strict=True)) for key in keys]
        text = statement_of_places(source_table, types)
        rows = self._ask(source_table, text, (json.dumps(entries, ensure_ascii=False),))
        return [row["place"] for row in rows]

    def rows_at(
        self,
        table: Table,
        places: Sequence[str],
        touched_places: Sequence[str] = (),
        touched_ids: Sequence[str] = (),
        coverage: DaySet = EVERY_DAY,
    ) -> pa.RecordBatchReader:
        """The rows of a table at these places, each once and with `is_new` true, as a stream.

        The table's SELECT must return places (`MappedTable.has_place`), and so must its `touched`
        (`touched_has_place`).

        Args:
            places: of rows of the source tables that have the table's places.
            touched_places: of rows of other source tables, which touch rows of a fact.
            touched_ids: ids of messages, or a fact's own, as texts; facts with them are read
                besides.
            coverage: rows of other days are not read.

        Raises:
            SourceError: the table cannot be read.
        """
        self._set_places(places, touched_places, touched_ids, coverage)
        form = "fact_places" if isinstance(table, Fact) else "dimension_places"
        return self._stream(form, table)

    def touched_ids_at(self, table: Fact, touched_places: Sequence[str]) -> list[str]:
        """The ids, as texts, by which rows of other tables at these places touch rows of a fact."""
        self._set_places((), touched_places)
        return [row["id_text"] for row in self._ask_form("touched_ids", table)]

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
        return self._stream("dimension_keys", dimension, key_schema_of(dimension, self.mapping.ids))

    def duplicate_keys(self, table: Table) -> pa.RecordBatchReader:
        """The keys that several rows of a table have, as a stream."""
        return self._stream("duplicate_keys", table, key_schema_of(table, self.mapping.ids))

    def counts(self, table: Table) -> dict[date | None, int]:
        """How many rows a table has by UTC day; a dimension has one count, under None."""
        if not self.relations[table.name].is_available:
            return {}
        self._set(ALL_ROWS)
        form = "fact_counts" if isinstance(table, Fact) else "dimension_counts"
        rows = self._ask_form(form, table)
        return {row["day"] and row["day"].date(): row["row_count"] for row in rows}

    def survey(
        self, table: Fact, watermark: int
    ) -> tuple[dict[date | None, int], list[str] | None]:
        """Count a fact's rows by day, and find those that changed, in one pass.

        Its SELECT must return places (`MappedTable.has_place`).

        Args:
            watermark: xid8; changed is what has a version at or after it.

        Returns:
            What `counts` returns, and the places of the rows that changed, whatever the coverage
            is; None for these = more than `CHANGES_MAX`.
        """
        self._set_versions(watermark)
        counts: Counter[date | None] = Counter()
        places: list[str] | None = []
        for batch in self._batches("fact_survey", table):
            days = pa.Table.from_batches([batch]).group_by("day")
            for row in days.aggregate([("row_count", "sum")]).to_pylist():
                counts[row["day"] and row["day"].date()] += row["row_count_sum"]
            if places is not None:
                places += map(str, batch["place"].drop_null().to_pylist())
                places = places if len(places) <= CHANGES_MAX else None
        return dict(counts), places

    def touched_ids(self, table: Fact, watermark: int) -> list[str] | None:
        """The ids, as texts, by which rows of other tables touch rows of a fact, if they changed.

        Args:
            watermark: xid8; changed is what has a version at or after it.

        Returns:
            None = more than `CHANGES_MAX`.
        """
        self._set_versions(watermark)
        ids = [row["id_text"] for row in self._ask_form("touched_changes", table)]
        return ids if len(ids) <= CHANGES_MAX else None

    def _set_versions(self, watermark: int) -> None:
        self._set(ALL_ROWS)
        xids = (str(xid & 0xFFFF_FFFF) for xid in (watermark, self.snapshot.xmax))
        self._fetch("source/set_versions", tuple(xids))

    def count_rows(self, source_table: str, at_most: int) -> int:
        """How many rows a source table has, counted up to a number."""
        text = sqlfiles.text("source/check/row_count").replace("source_table", source_table)
        count: int = self._ask(source_table, text, (str(at_most),))[0]["row_count"]
        return count

    def first_rows(self, table: Table) -> pa.RecordBatchReader:
        """At most 100,000 rows of a table, wherever they are."""
        self._set(ALL_ROWS)
        return self._stream("first_rows", table)

    def plan(
        self,
        form: str,
        table: Table,
        window: Window = ALL_ROWS,
        places: tuple[str, str] = ("", ""),
        *,
        avoid_scans: bool = False,
    ) -> Mapping[str, Any]:
        """The server's plan of a form, as `explain (verbose, format json)` returns it.

        Args:
            avoid_scans: scan a table whole only where no index can be used, however small it is.
        """
        self._set(window, places)
        if avoid_scans:
            self._fetch("source/check/avoid_scans")
        text = statement(form, table, self.mapping)
        return self._call(self._file_of(table), lambda: _plan(self._connection, text))

    def time_limits(self) -> dict[str, int]:
        """The server's limits that apply to this transaction, in milliseconds."""
        rows = self._fetch("source/check/time_limits")
        return {row["setting"]: row["milliseconds"] for row in rows}

    def holders(self, seconds: int) -> list[dict[str, Any]]:
        """The transactions that have held the watermark back for so long."""
        return self._fetch("source/check/holders", (str(seconds),))

    def _set_places(
        self,
        places: Sequence[str] = (),
        touched_places: Sequence[str] = (),
        touched_ids: Sequence[str] = (),
        coverage: DaySet = EVERY_DAY,
    ) -> None:
        ids, days = json.dumps(list(touched_ids), ensure_ascii=False), coverage.to_multirange()
        self._fetch("source/set_places", (_array(places), _array(touched_places), ids, days))

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
            {
                "table_name": name,
                "source_name": source_name,
                "statement": f"{mapped.select}\n{mapped.touched or ''}",
            }
            for name, mapped in self.mapping.tables.items()
            for source_name in mapped.reads
        ]
        parameters = (json.dumps(entries),)
        found = {
            (row["table_name"], row["source_name"]): row
            for row in self._fetch("source/relations", parameters)
        }
        definitions = self._fetch("source/definitions", parameters)
        relations = {
            name: relation_of(
                mapped,
                {source_name: found[name, source_name] for source_name in mapped.reads},
                [row for row in definitions if row["table_name"] == name],
            )
            for name, mapped in self.mapping.tables.items()
        }
        return {table.name: relations.get(table.name, NOT_AVAILABLE) for table in TABLES}

    def _require_declared_columns(self, table: Table) -> None:
        """Stop where a SELECT lacks a column, or returns one in a type that is not read.

        Raises:
            SourceError: it does; the error names each column, and the cast to write.
        """
        names = self._names("columns", table)
        versions = () if self.relations[table.name].is_whole else VERSIONS[type(table)]
        missing = [name for name in (*table.columns, *versions) if name not in names]
        if missing:
            raise SourceError(
                f"{self._file_of(table)} does not return {', '.join(missing)}",
                hint="Return every column by the name that the table has here: `xmin as "
                "row_version` and, of a fact, `ctid as place` besides; "
                f"`{call('source check')}`.",
            )
        found = self._ask_form("types", table)[0]
        wrong = [
            f"{name} is {found[name]}, not {declared}: write "
            + cast_to_write(name, found[name], declared)
            for name, declared in table.types(self.mapping.ids).items()
            if found[name] not in READ_AS[declared]
        ]
        if wrong:
            raise SourceError(
                f"{self._file_of(table)} returns columns in other types than are read: "
                + "; ".join(wrong),
                hint="Cast them in the SELECT, or correct [ids] in mapping.toml.",
            )

    def _file_of(self, table: Table) -> str:
        """The mapping's file, as people find it."""
        return f"{self.mapping.name}/{table.name}.sql"

    def _fetch(self, name: str, parameters: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
        return self._ask(name, sqlfiles.text(name), parameters)

    def _names(self, form: str, table: Table) -> list[str]:
        """The names of the columns that a form returns."""
        text = statement(form, table, self.mapping)
        return self._call(self._file_of(table), lambda: column_names(self._connection, text))

    def _ask_form(self, form: str, table: Table) -> list[dict[str, Any]]:
        return self._ask(self._file_of(table), statement(form, table, self.mapping))

    def _ask(
        self, name: str, text: str, parameters: tuple[str, ...] | None = None
    ) -> list[dict[str, Any]]:
        return self._call(name, lambda: rows_of(self._connection, text, parameters))

    def _stream(
        self, form: str, table: Table, schema: pa.Schema | None = None
    ) -> pa.RecordBatchReader:
        """The rows of a form, with the types of `schema`, or of the staged table."""
        found = schema or schema_of(table, self.mapping.ids)
        batches = (staged(batch, found) for batch in self._batches(form, table))
        return pa.RecordBatchReader.from_batches(found, batches)

    def _batches(self, form: str, table: Table) -> Iterator[pa.RecordBatch]:
        """The rows of a form, which is sent at once, as they arrive."""
        name, stream = self._file_of(table), Stream(self._connection)
        text = statement(form, table, self.mapping)
        self._call(name, lambda: stream.open(text))

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

        return batches()

    def _call(self, name: str, work: Callable[[], T]) -> T:
        with source_errors(self._url, f"reading {name} from PostgreSQL failed"):
            return self._watchdog.call(work)


@contextmanager
def open_source(
    url: Secret,
    settings: Settings,
    mapping: SourceMapping,
    *,
    snapshot_name: str | None = None,
) -> Iterator[SourceTransaction]:
    """Open a read-only transaction with the tables locked and a snapshot taken; end it afterwards.

    Args:
        settings: the time limits, and whether policies on rows are trusted.
        mapping: what is read.
        snapshot_name: see what the transaction sees that exported it, and holds the locks.

    Raises:
        SourceError: PostgreSQL cannot be reached, refuses to be read, is locked or silent.
    """
    lock_seconds, stall_seconds = settings.lock_timeout_seconds, settings.stall_seconds
    watchdog, connection = connected(url, stall_seconds, f"cannot connect to {url}")

    def begin() -> None:
        # What is asked before the snapshot has a transaction of its own: outside of one, a pooler
        # may give each message to another session.
        begin_transaction(connection)
        names, limits = _tables_to_lock(connection, mapping), _time_limits(connection)
        end_transaction(connection)
        begin_transaction(connection)
        execute(connection, "set transaction isolation level repeatable read read only")
        execute(connection, f"set local application_name = '{APPLICATION_NAME}'")
        # A mapping may turn a timestamp into a date; it means UTC, as everywhere.
        execute(connection, "set local time zone 'UTC'")
        if settings.source_row_security != "trusted":
            execute(connection, "set local row_security = off")
        execute(connection, f"set local lock_timeout = {lock_seconds * 1000}")
        for limit in limits:
            execute(connection, f"set local {limit} = 0")
        if snapshot_name is None:
            execute(connection, f"lock table {', '.join(names)} in access share mode")
        else:
            execute(connection, f"set transaction snapshot '{snapshot_name}'")

    def end() -> None:
        with suppress(adbc.Error):
            end_transaction(connection)
        with suppress(adbc.Error):
            connection.close()

    try:
        with source_errors(url, "the messenger's tables cannot be locked for reading"):
            watchdog.call(begin, at_most=lock_seconds + stall_seconds)
        yield SourceTransaction(connection, url, watchdog, mapping)
    finally:
        with suppress(TimeoutError):
            watchdog.call(end, at_most=stall_seconds)


# The relkinds that LOCK TABLE takes.
_LOCKABLE = ("r", "p", "v")


def _tables_to_lock(connection: adbc_postgresql.Connection, mapping: SourceMapping) -> list[str]:
    """The source tables that exist, or must; asked before the transaction takes its snapshot."""
    names = {name for mapped in mapping.tables.values() for name in mapped.reads}
    required = {n for m in mapping.tables.values() if not m.is_optional for n in m.reads}
    found = rows_of(connection, sqlfiles.text("source/existing"), (json.dumps(sorted(names)),))
    kinds = {row["source_name"]: row["kind"] for row in found}
    return sorted(name for name in required | kinds.keys() if kinds.get(name, "r") in _LOCKABLE)


def _time_limits(connection: adbc_postgresql.Connection) -> list[str]:
    """The server's limits to a transaction as long as ours, which a role may lift for itself."""
    return [row["name"] for row in rows_of(connection, sqlfiles.text("source/time_limits"))]


def _plan(connection: adbc_postgresql.Connection, text: str) -> Mapping[str, Any]:
    with connection.cursor() as cursor:
        # The driver reads by COPY, which takes no EXPLAIN.
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute(f"explain (verbose, format json) {text}")
        (row,) = cursor.fetch_arrow_table().to_pylist()
        plan: Mapping[str, Any] = json.loads(next(iter(row.values())))[0]["Plan"]
        return plan
