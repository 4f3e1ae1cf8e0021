"""Run in the environment of the readers: asks one of them, and prints its rows.

`python readers.py READER` reads statements from its standard input, a JSON text a line each, and
prints a JSON list of rows for each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Rows = list[list[Any]]


def by_duckdb() -> Callable[[str], Rows]:
    """DuckDB with its extension, loaded from its package."""
    import duckdb
    import duckdb_extension_delta  # type: ignore[import-not-found]

    connection = duckdb.connect()
    package = Path(str(duckdb_extension_delta.__file__)).parent
    (extension,) = package.rglob("delta.duckdb_extension")
    connection.execute(f"load '{extension}'")
    return lambda sql: [list(row) for row in connection.execute(sql).fetchall()]


def by_chdb() -> Callable[[str], Rows]:
    """ClickHouse in this process."""
    import chdb  # type: ignore[import-not-found]

    # It reads files below the directory in which it runs.
    os.chdir("/")

    def run(sql: str) -> Rows:
        answer = json.loads(str(chdb.query(sql, "JSONCompact")))
        rows: Rows = answer["data"]
        return rows

    return run


READERS = {"duckdb": by_duckdb, "chdb": by_chdb}

if __name__ == "__main__":
    ask = READERS[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps(ask(json.loads(line)), default=str), flush=True)
