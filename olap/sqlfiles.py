"""The `sql/` tree: one file per duty, plain statements, no templating.

A value reaches a statement as a bound parameter (`$since`) and in no other way. `run` executes the
statements of a file in order and binds to each the parameters it names, so a file can hold a DELETE
and the INSERT that belongs to it. A file or directory is bound as a `Path`, never as text: DuckDB
then takes it literally (`olap.paths`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from olap.days import END_OF_TIME
from olap.ids import IdTypes
from olap.paths import literal, pattern
from olap.tables import Table

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"

_QUOTES = ("'", '"', "$$")
# The parameters that are files to read, and those that are files to write.
_READ = re.compile(r"\bread_parquet\(\$(\w+)")
_WRITTEN = re.compile(r"\bto \$(\w+) \(format\b")


@cache
def text(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL_DIR / f"{name}.sql").read_text(encoding="utf-8")


def names(folder: str) -> tuple[str, ...]:
    """The names, for `text` and `run`, of the files of a folder in alphabetical order."""
    files = sorted((SQL_DIR / folder).glob("*.sql"))
    return tuple(f"{folder}/{file.stem}" for file in files)


def run(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    table: Table | None = None,
    ids: IdTypes | None = None,
    **parameters: Any,
) -> list[tuple[Any, ...]]:
    """Execute `sql/<name>.sql` statement by statement.

    Args:
        table: the table for a statement that is shared by several; see `olap.tables`.
        ids: the types of the ids, for a statement that creates a table; see `olap.ids`.

    Returns:
        The rows of the last statement.

    Raises:
        duckdb.Error: a statement failed; the error has the file's name as a note.
    """
    rows: list[tuple[Any, ...]] = []
    try:
        adapted = table.adapt(text(name)) if table else text(name)
        adapted = ids.adapt(adapted) if ids else adapted
        for statement in connection.extract_statements(adapted):
            bound = _bound(statement, parameters)
            rows = connection.execute(statement, bound or None).fetchall()
    except duckdb.Error as error:
        error.add_note(f"in sql/{name}.sql")
        raise
    return rows


def _bound(statement: duckdb.Statement, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a statement names, as DuckDB takes them.

    Raises:
        TypeError: a file is given as text.
    """
    read, written = set(_READ.findall(statement.query)), set(_WRITTEN.findall(statement.query))
    bound = {}
    for name in statement.named_parameters:
        value = parameters[name]
        if name in read | written and not _holds_paths(value):
            raise TypeError(f"${name} is a file: bind a Path, not {value!r}")
        bound[name] = as_bound(value, pattern if name in read else literal)
    return bound


def as_bound(value: Any, path: Callable[[Path], str]) -> Any:
    """A value as DuckDB takes it.

    Args:
        path: makes the text of a `Path`; see `olap.paths`.
    """
    if isinstance(value, Path):
        return path(value)
    if isinstance(value, list):
        return [as_bound(item, path) for item in value]
    if value == END_OF_TIME:
        # DuckDB would convert it to an instant.
        return duckdb.Value("infinity", duckdb.sqltypes.TIMESTAMP)
    return value


def _holds_paths(value: Any) -> bool:
    return all(isinstance(item, Path) for item in (value if isinstance(value, list) else [value]))


@cache
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
