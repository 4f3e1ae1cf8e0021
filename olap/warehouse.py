"""The warehouse: the private DuckDB file in which a batch becomes durable.

One process writes to it, under the lock of its `DATA_DIR`. It holds dimensions, keyed facts,
rollups and the ledger, and can be rebuilt from the lake alone. When the SQL that shapes its tables
changes, it is rebuilt, not migrated. It has no primary keys and no indexes, because replaying them
after a crash has broken files; uniqueness comes from the merge (see `sql/checks`).

The file is attached to an in-memory DuckDB as `warehouse`, beside the `staging` of the running
cycle, which spills to `DATA_DIR/staging` beyond the memory limit. The storage version lets
analysts open its copies with DuckDB 1.4.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from olap import catalog, sqlfiles, timezones
from olap.commands import call
from olap.comments import load_comments
from olap.errors import WarehouseDamagedError, WarehouseError, disk_error
from olap.ids import IdTypes
from olap.layout import Layout, fsync
from olap.mapping import read_mapping
from olap.paths import literal
from olap.secret import Hidden
from olap.settings import Settings
from olap.staging import Staging, open_staging
from olap.tables import DIMENSIONS, FACTS, TABLES, Dimension, Table

STORAGE_VERSION = "v1.4.0"
REWRITE_ABOVE = 1.3
REWRITE_BYTES_MIN = 32 * 1024 * 1024

# DuckDB checks every block and log entry that it reads.
_DAMAGE = (
    "Corrupt database file",
    "not a valid DuckDB database file",
    "Failure while replaying WAL file",
)


def shaping_files() -> list[str]:
    """The SQL files that make the tables from the lake: all that a rebuild runs but bookkeeping."""
    placeholders = [d.name for d in DIMENSIONS if d.has_placeholders]
    return [
        *sqlfiles.names("schema"),
        "views/clock_changes",
        "ledger/fill_tz_spans",
        "tables/start_mentions",
        "tables/mention_files",
        "dimensions/restore",
        *(f"dimensions/{name}/add_placeholders" for name in placeholders),
        *sqlfiles.names("facts/keyed"),
        "facts/keyed_none",
        "facts/load",
        "stale/start",
        "stale/whole_days",
        *sqlfiles.names("rollups"),
        *sqlfiles.names("rollups/reads"),
    ]


def schema_fingerprint() -> str:
    """A digest of what makes the tables and their file; a new one means that they are rebuilt."""
    return f"{sqlfiles.fingerprint(shaping_files())}-{timezones.VERSION}-{STORAGE_VERSION}"


def views_fingerprint() -> str:
    """A digest of views, macros, metrics and all comments; a new one means that they are renewed.

    Comments count here, because DuckDB's comments and the catalogue are made from them.
    """
    folders = ("schema", "views", "views/metrics", "catalog", "macros", "metrics")
    names = [name for folder in folders for name in sqlfiles.names(folder)]
    return sqlfiles.fingerprint(names, with_comments=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOn:
    """The engine that makes rollups.

    Attributes:
        address: see `olap.engine.session.open_engine`; it may have a token.
        data_dir: where the engine sees `DATA_DIR`.
    """

    address: Hidden
    data_dir: str


class Warehouse(Staging):
    """An open warehouse with its staging space; see `open_warehouse`.

    Attributes:
        fold_on: what makes the rollups of a first load and of a rebuild; None = this process.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        layout: Layout,
        ids: IdTypes,
        fold_on: FoldOn | None = None,
    ) -> None:
        super().__init__(connection, ids)
        self.layout = layout
        self.fold_on = fold_on

    def cursor(self) -> Warehouse:
        """The same warehouse for another thread."""
        cursor = self.connection.cursor()
        cursor.execute("use warehouse")
        other = Warehouse(cursor, self.layout, self.ids, self.fold_on)
        self.share_variables(other)
        return other

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the whole block at its end, or nothing of it."""
        self.connection.begin()
        try:
            yield
        except BaseException:
            # After a fatal error (a full disk at COMMIT) there is nothing to roll back.
            with suppress(duckdb.Error):
                self.connection.rollback()
            raise
        self.connection.commit()

    def has_ids_of_mapping(self) -> bool:
        """Whether the tables were created for the types of ids that the mapping declares."""
        return bool(self.run("ledger/has_ids")[0][0])

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file: only then is a copy complete."""
        self.connection.execute("force checkpoint warehouse")

    def recreate(self) -> None:
        """Replace the file by one with empty tables."""
        self.connection.execute("use staging")
        self.connection.execute("detach warehouse")
        for path in (self.layout.warehouse, self.layout.warehouse.with_suffix(".duckdb.wal")):
            path.unlink(missing_ok=True)
        self._attach(self.layout.warehouse, "warehouse")
        self.connection.execute("use warehouse")
        _create_schema(self)

    def refresh_views(self) -> None:
        """Renew views, metrics and comments if the SQL that made them has changed."""
        states, fingerprint = self.records("ledger/read_state"), views_fingerprint()
        if not states or states[0]["views_fingerprint"] == fingerprint:
            return
        with self.transaction():
            _create_views(self)
            self.run("ledger/set_views_fingerprint", fingerprint=fingerprint)

    def is_bloated(self) -> bool:
        """Whether the file is larger than its rows needed when it was last rewritten."""
        fresh_bytes, fresh_rows = self.fresh_size()
        size = self.layout.warehouse.stat().st_size
        if not fresh_rows or size < REWRITE_BYTES_MIN:
            return False
        return size > REWRITE_ABOVE * fresh_bytes * max(1.0, self._rows() / fresh_rows)

    def rewrite(self) -> None:
        """Rewrite the file without the space of deleted rows.

        A crash leaves the old file or the new one, never a mix.
        """
        # Otherwise the old log would be replayed on the new file.
        self.checkpoint()
        draft = self.layout.staging / "rewritten.duckdb"
        draft.unlink(missing_ok=True)
        self._attach(draft, "rewritten")
        self.connection.execute("copy from database warehouse to rewritten")
        self.connection.execute("force checkpoint rewritten")
        self.connection.execute("use staging")
        self.connection.execute("detach rewritten")
        self.connection.execute("detach warehouse")
        fsync(draft)
        draft.replace(self.layout.warehouse)
        fsync(self.layout.root)
        self._attach(self.layout.warehouse, "warehouse")
        self.connection.execute("use warehouse")
        self.remember_fresh_size()

    def remember_fresh_size(self) -> None:
        """Record size and rows as those of a file without the space of deleted rows."""
        self.checkpoint()
        self.run(
            "ledger/set_fresh_size",
            fresh_bytes=self.layout.warehouse.stat().st_size,
            fresh_rows=self._rows(),
        )
        self.checkpoint()

    def _attach(self, path: Path, name: str) -> None:
        attach(self.connection, path, name)

    def _rows(self) -> int:
        return sum(count_rows(self.connection, FACTS).values())

    def fresh_size(self) -> tuple[int, int]:
        """Bytes and fact rows of the file when it was last rewritten; zeros before that."""
        states = self.records("ledger/read_state")
        return (states[0]["fresh_bytes"], states[0]["fresh_rows"]) if states else (0, 0)

    def records(self, name: str) -> list[dict[str, Any]]:
        """The rows of the one SELECT in `sql/<name>.sql`, by column name."""
        result = self.connection.execute(sqlfiles.text(name))
        columns = [column[0] for column in result.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def count_rows(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table] = TABLES
) -> dict[str, int]:
    """How many rows a warehouse or a generation has by table, without placeholders."""
    counts = {}
    for table in tables:
        has_placeholders = isinstance(table, Dimension) and table.has_placeholders
        name = "tables/count_without_placeholders" if has_placeholders else "tables/count"
        counts[table.name] = sqlfiles.run(connection, name, table)[0][0]
    return counts


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Attach a DuckDB file for writing; a new one has the storage version that analysts can open.

    DuckDB refuses a version that is lower than that of an existing file. One with another version
    has another `schema_fingerprint` too, so it is rebuilt as soon as it is open.
    """
    option = "" if path.exists() else f" (storage_version '{STORAGE_VERSION}')"
    connection.execute(f"attach $path as {name}{option}", {"path": literal(path)})


@contextmanager
def open_warehouse(settings: Settings) -> Iterator[Warehouse]:
    """Open the warehouse, create it if necessary, and empty staging before and after.

    The caller holds the lock of its `DATA_DIR`.

    Raises:
        MappingError: the mapping, which has the types of the ids, cannot be used.
        WarehouseDamagedError: the file or its log is damaged, found at once or in the block.
        WarehouseError: another process has the file open.
    """
    layout = Layout(settings.data_dir)
    clear_staging(layout)
    try:
        with damage_distinguished(layout), _opened(layout, settings) as warehouse:
            yield warehouse
    finally:
        clear_staging(layout)


@contextmanager
def damage_distinguished(layout: Layout) -> Iterator[None]:
    """Distinguish damage of the warehouse from other errors: a lock, a full disk, a bug.

    Raises:
        WarehouseDamagedError: its file or its log is damaged.
    """
    try:
        yield
    except duckdb.Error as error:
        said = " ".join(str(error).split())
        # DuckDB names a database by its real path.
        is_cut = f'Could not read enough bytes from file "{layout.warehouse.resolve()}' in said
        if disk_error(error, layout.root) or not (is_cut or any(word in said for word in _DAMAGE)):
            raise
        raise WarehouseDamagedError(
            f"the warehouse {layout.warehouse} is damaged: {said}",
            hint=f"Run a cycle, or `{call('rebuild')}`: both rebuild it from the lake.",
        ) from error


@contextmanager
def _opened(layout: Layout, settings: Settings) -> Iterator[Warehouse]:
    ids = read_mapping(settings.source_mapping).ids
    with open_staging(
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        spill=layout.staging / "spill",
    ) as staging:
        connection = staging.connection
        try:
            attach(connection, layout.warehouse, "warehouse")
        except duckdb.IOException as error:
            if "lock on file" not in str(error):
                raise
            raise WarehouseError(
                f"the warehouse {layout.warehouse} is in use: {error}",
                hint="Close the program that has it open; analysts open analytics.duckdb.",
            ) from error
        connection.execute("use warehouse")
        warehouse = Warehouse(connection, layout, ids, _fold_on(settings))
        if not _has_schema(connection):
            _create_schema(warehouse)
        yield warehouse


def _fold_on(settings: Settings) -> FoldOn | None:
    if settings.fold_on is None:
        return None
    return FoldOn(address=settings.fold_on, data_dir=settings.seen_by_engine)


def clear_staging(layout: Layout) -> None:
    """Empty the staging directory: what an earlier cycle left there was not committed."""
    shutil.rmtree(layout.staging, ignore_errors=True)
    layout.staging.mkdir(parents=True, exist_ok=True)


def _has_schema(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "select 1 from duckdb_schemas() where database_name = 'warehouse' and schema_name = 'core'"
    ).fetchone()
    return found is not None


def _create_schema(warehouse: Warehouse) -> None:
    """Create the empty tables, and fill in the time zones."""
    with warehouse.transaction():
        warehouse.connection.execute("create schema core")
        for name in sqlfiles.names("schema"):
            warehouse.run(name)
        _create_views(warehouse)
        fill_tz_spans(warehouse)
    warehouse.checkpoint()


def fill_tz_spans(staging: Staging) -> None:
    """Fill the empty `core.tz_spans`."""
    zones = pl.DataFrame(
        [(s.tz, s.from_utc, s.to_utc, s.offset_minutes) for s in timezones.spans()],
        schema={
            "tz": pl.String,
            "from_utc": pl.Datetime("us"),
            "to_utc": pl.Datetime("us"),
            "offset_minutes": pl.Int16,
        },
        orient="row",
    ).to_arrow()
    staging.stage("ledger/fill_tz_spans", zones)


def _create_views(warehouse: Warehouse) -> None:
    """Create the macros of all metrics, their catalogue, the views, and every comment."""
    # Publishing sets the period; until then no metric sees a row.
    nothing = datetime.min.replace(tzinfo=UTC)
    catalog.set_period(warehouse.connection, nothing.date(), nothing)
    catalog.load_metrics(warehouse)
    for name in (*sqlfiles.names("views"), *sqlfiles.names("views/metrics")):
        warehouse.run(name)
    load_comments(warehouse, "schema", "views", "views/metrics")
