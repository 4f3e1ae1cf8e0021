"""Staging: an in-memory DuckDB with the schema `staging`, which spills to disk.

Rows arrive from the source as Arrow streams and are staged before anything is derived from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from olap import sqlfiles
from olap.ids import IdTypes
from olap.paths import literal, pattern
from olap.tables import Table


class Staging:
    """An open staging space; see `open_staging`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, ids: IdTypes | None = None) -> None:
        self.connection = connection
        self.ids = ids or IdTypes()
        self._variables: dict[str, Any] = {}

    def run(
        self, name: str, table: Table | None = None, **parameters: Any
    ) -> list[tuple[Any, ...]]:
        """Execute `sql/<name>.sql`, adapted to `table` if given; the rows of its last statement."""
        return sqlfiles.run(self.connection, name, table, self.ids, **parameters)

    def set_variable(self, name: str, value: Any) -> None:
        """Set what `getvariable` returns; a view cannot take a parameter in another way.

        A variable belongs to a connection; see `share_variables`. A `Path` is a file to read.
        """
        self._variables[name] = value
        bound = sqlfiles.as_bound(value, pattern)
        self.connection.execute(f"set variable {name} = $value", {"value": bound})

    def share_variables(self, other: Staging) -> None:
        """Set this connection's variables on another one."""
        for name, value in self._variables.items():
            other.set_variable(name, value)

    def stage(self, name: str, rows: Any, table: Table | None = None) -> None:
        """Execute `sql/<name>.sql` with an Arrow stream under the name `source_rows`."""
        self.connection.register("source_rows", rows)
        try:
            self.run(name, table)
        finally:
            self.connection.unregister("source_rows")

    def forget_staged(self) -> None:
        """Drop everything that is staged."""
        self.connection.execute("detach staging")
        self.connection.execute("attach ':memory:' as staging")


@contextmanager
def open_staging(*, memory_limit: str, threads: int, spill: Path) -> Iterator[Staging]:
    """Open a staging space of this process.

    Args:
        spill: the directory for what does not fit in memory.
    """
    connection = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": literal(spill),
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": True,
        }
    )
    try:
        connection.execute("set timezone = 'UTC'")
        connection.execute("attach ':memory:' as staging")
        yield Staging(connection)
    finally:
        connection.close()
