"""Load rows into an empty database: the messenger's tables, COPY, indexes, in one transaction.

A load that is killed leaves the database empty. Indexes are created after the rows, which is
several times faster than maintaining indexes of random UUIDs during the load; they are dropped and
created again from the server's own definitions, so the result is what schema.sql defines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import psycopg
from psycopg import sql

from etl.sandbox import pgcopy
from olap.errors import SandboxError

SCHEMA = Path(__file__).parents[2] / "sql" / "source" / "messenger" / "schema.sql"
TABLES = (
    "users",
    "conversations",
    "conversation_participants",
    "messages",
    "message_read_receipts",
    "analytics_events",
)

_COPY_ROWS = 65_536  # encoded and sent at a time

_CONSTRAINTS = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    from pg_constraint
    where contype = 'p' and connamespace = 'public'::regnamespace
    order by conname
"""
_TYPES = """
    select attname, format_type(atttypid, null)
    from pg_attribute
    where attrelid = %s::regclass and attnum > 0
"""
_INDEXES = """
    select indexname, indexdef
    from pg_indexes
    where schemaname = 'public'
    order by indexname
"""


@dataclass(frozen=True, slots=True)
class TableRows:
    """Some rows of one table, in the order in which they are written.

    The frame has the table's column names; UUIDs and JSON are strings.
    """

    table: str
    rows: pl.DataFrame


@dataclass(slots=True)
class Counts:
    """Rows by table."""

    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))

    def add(self, table: str, count: int) -> None:
        """Count further rows of a table."""
        self.rows[table] += count

    def __getitem__(self, table: str) -> int:
        return self.rows[table]

    @property
    def total(self) -> int:
        """Rows of all tables together."""
        return sum(self.rows.values())


Progress = Callable[[Counts], None]


def create_schema(connection: psycopg.Connection) -> None:
    """Run schema.sql on an empty database."""
    connection.execute(SCHEMA.read_bytes())


def load_rows(url: str, parts: Iterable[TableRows], progress: Progress | None = None) -> Counts:
    """Create the messenger's tables in an empty database and fill them.

    Args:
        url: of a database without tables.
        parts: the rows; parts of different tables may alternate.
        progress: called after each part with the counts so far.

    Raises:
        SandboxError: the database is not empty.
    """
    counts = Counts()
    with psycopg.connect(url) as connection:
        _require_empty(connection)
        create_schema(connection)
        create_indexes = _drop_indexes(connection)
        for part in parts:
            _copy(connection, part)
            counts.add(part.table, len(part.rows))
            if progress is not None:
                progress(counts)
        connection.execute("set local maintenance_work_mem = '512MB'")
        for statement in create_indexes:
            connection.execute(statement)
    with psycopg.connect(url, autocommit=True) as connection:
        # What autovacuum does on a real server: statistics and visibility maps.
        connection.execute("vacuum (analyze)")
    return counts


def _require_empty(connection: psycopg.Connection) -> None:
    row = connection.execute(
        "select string_agg(relname, ', ' order by relname) from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    ).fetchone()
    if row is not None and row[0] is not None:
        raise SandboxError(
            f"The database {connection.info.dbname} is not empty: it has {row[0]}.",
            hint="Load into a new database, or drop these tables first.",
        )


def _drop_indexes(connection: psycopg.Connection) -> list[sql.Composed | sql.SQL]:
    """Drop primary keys and indexes; return the statements that create them again."""
    restore: list[sql.Composed | sql.SQL] = []
    for table, name, definition in connection.execute(_CONSTRAINTS).fetchall():
        names = sql.Identifier(table), sql.Identifier(name)
        connection.execute(sql.SQL("alter table {} drop constraint {}").format(*names))
        add = sql.SQL("alter table {} add constraint {} {}")
        restore.append(add.format(*names, sql.SQL(definition)))
    for name, definition in connection.execute(_INDEXES).fetchall():
        connection.execute(sql.SQL("drop index {}").format(sql.Identifier(name)))
        restore.append(sql.SQL(definition))
    return restore


def _copy(connection: psycopg.Connection, part: TableRows) -> None:
    # FREEZE: the table was created in this transaction, so its rows need no second write to be
    # marked as visible to everyone.
    statement = sql.SQL("copy {} ({}) from stdin (format binary, freeze)").format(
        sql.Identifier(part.table), sql.SQL(", ").join(map(sql.Identifier, part.rows.columns))
    )
    types: dict[str, str] = dict(connection.execute(_TYPES, [part.table]).fetchall())
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(pgcopy.HEADER)
        for rows in part.rows.iter_slices(_COPY_ROWS):
            copy.write(pgcopy.encode(rows, types))
        copy.write(pgcopy.TRAILER)
