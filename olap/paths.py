"""Paths as DuckDB takes them: each names one file or directory, whatever characters it has.

`read_parquet` takes a pattern, in which `[x]` is the character x. The path of a database, of a file
that is written and of a directory is taken as it is, with two exceptions for which DuckDB has no
escape: it reads `\\` in the path of a database as a separator, and writes the log of a database
before a `?`, which for it begins the parameters of a URL. `Settings` refuses a DATA_DIR with these.
An absolute path cannot begin like a URL (`s3:`), another kind of database (`md:`) or `~`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb

_IMPOSSIBLE = re.compile(r"[?\\]")


def literal(path: Path) -> str:
    """The path of a database, of a directory, or of a file that is written."""
    return str(path.absolute())


def pattern(path: Path) -> str:
    """The pattern for `read_parquet` that only this file matches."""
    return re.sub(r"[*?[]", r"[\g<0>]", literal(path))


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file as an analyst does."""
    return duckdb.connect(literal(path), read_only=True)


def directory_for_databases(text: str) -> Path:
    """The directory that a setting names.

    Raises:
        ValueError: DuckDB cannot write a database in it.
    """
    found = _IMPOSSIBLE.search(os.path.realpath(text))
    if found:
        raise ValueError(f"DuckDB cannot write a database below a {found[0]} in the path")
    return Path(text)
