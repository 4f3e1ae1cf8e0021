"""The `sql/` tree, read as it stands: one file, one duty, plain statements, no templating.

A value reaches a statement as a bound parameter (`$since`) and in no other way. `run` executes the
statements of one file in order and binds to each the parameters that it names, so that a file can
hold a DELETE and the INSERT that belongs to it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from olap.days import END_OF_TIME
from olap.tables import Table

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"


@cache
def text(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8")


def names(folder: str) -> tuple[str, ...]:
    """The names, for `text` and `run`, of the files of one folder in alphabetical order."""
    files = sorted((SQL_DIR / folder).glob("*.sql"))
    return tuple(f"{folder}/{file.stem}" for file in files)


def run(
    connection: duckdb.DuckDBPyConnection, name: str, table: Table | None = None, **parameters: Any
) -> list[tuple[Any, ...]]:
    """Execute `sql/<name>.sql` statement by statement.

    Args:
        table: the table for a statement that is shared by several; see `olap.tables`.

    Returns:
        The rows of the last statement.

    Raises:
        duckdb.Error: a statement failed; it carries the file's name as a note.
    """
    rows: list[tuple[Any, ...]] = []
    try:
        statements = table.adapt(text(name)) if table else text(name)
        for statement in connection.extract_statements(statements):
            bound = {key: _bound(parameters[key]) for key in statement.named_parameters}
            rows = connection.execute(statement, bound or None).fetchall()
    except duckdb.Error as error:
        error.add_note(f"in sql/{name}.sql")
        raise
    return rows


def _bound(value: Any) -> Any:
    """The end of time is no instant, which DuckDB's own conversion takes it for."""
    if value == END_OF_TIME:
        return duckdb.Value("infinity", duckdb.sqltypes.TIMESTAMP)
    return value


def fingerprint(*folders: str) -> str:
    """A digest of every file in these folders: changes when any statement does."""
    digest = hashlib.sha256()
    for folder in folders:
        for name in names(folder):
            digest.update(f"{name}\0{text(name)}\0".encode())
    return digest.hexdigest()[:16]
