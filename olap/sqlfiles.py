"""The `sql/` tree: one file per duty, plain statements, no templating.

A value reaches a statement as a bound parameter (`$since`) and in no other way. `run` executes the
statements of a file in order and binds to each the parameters it names, so a file can hold a DELETE
and the INSERT that belongs to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from olap.days import END_OF_TIME
from olap.tables import Table

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"

_QUOTES = ("'", '"', "$$")


@cache
def text(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8")


def names(folder: str) -> tuple[str, ...]:
    """The names, for `text` and `run`, of the files of a folder in alphabetical order."""
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
        duckdb.Error: a statement failed; the error has the file's name as a note.
    """
    rows: list[tuple[Any, ...]] = []
    try:
        adapted = table.adapt(text(name)) if table else text(name)
        for statement in connection.extract_statements(adapted):
            bound = {key: _bound(parameters[key]) for key in statement.named_parameters}
            rows = connection.execute(statement, bound or None).fetchall()
    except duckdb.Error as error:
        error.add_note(f"in sql/{name}.sql")
        raise
    return rows


def _bound(value: Any) -> Any:
    """END_OF_TIME as DuckDB's infinity; DuckDB would convert it to an instant."""
    if value == END_OF_TIME:
        return duckdb.Value("infinity", duckdb.sqltypes.TIMESTAMP)
    return value


def statements(sql: str) -> str:
    """What DuckDB executes of a text: no comments, one space between tokens, lower case.

    Case is kept in quotes, and `--` in quotes is no comment: DuckDB's own tokenizer decides.
    """
    code = sql.encode()
    tokens = duckdb.tokenize(sql)
    starts = [*(start for start, _ in tokens), len(code)]
    found: list[str] = []
    for (_, kind), (start, end) in zip(tokens, pairwise(starts), strict=True):
        token = code[start:end].decode().strip()
        if kind != duckdb.token_type.comment:
            found.append(token if any(quote in token for quote in _QUOTES) else token.lower())
    return " ".join(found)


def fingerprint(files: Iterable[str], *, with_comments: bool = False) -> str:
    """A digest of the statements of these files, or of their whole text."""
    digest = hashlib.sha256()
    for name in files:
        found = text(name) if with_comments else statements(text(name))
        digest.update(f"{name}\0{found}\0".encode())
    return digest.hexdigest()[:16]
