"""Staging: an in-memory DuckDB with the schema `staging`, which spills to disk when it outgrows.

Rows come from the source as Arrow streams and are staged before anything is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from olap import sqlfiles


class Staging:
    """An open scratch space; made by `open_staging`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._variables: dict[str, Any] = {}

    def run(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Execute `sql/<name>.sql`; the rows of its last statement."""
        return sqlfiles.run(self.connection, name, **parameters)

    def set_variable(self, name: str, value: Any) -> None:
        """Set what `getvariable` gives; a view can take a parameter in no other way.

        A variable belongs to a connection; see `share_variables`.
        """
        self._variables[name] = value
        self.connection.execute(f"set variable {name} = $value", {"value": value})

    def share_variables(self, other: Staging) -> None:
        """Set this connection's variables on another one."""
        for name, value in self._variables.items():
            other.set_variable(name, value)

    def stage(self, name: str, rows: Any) -> None:
        """Execute `sql/<name>.sql` with an Arrow stream under the name `source_rows`."""
        self.connection.register("source_rows", rows)
        try:
            self.run(name)
        finally:
            self.connection.unregister("source_rows")

    def forget_staged(self) -> None:
        """Drop everything that is staged."""
        self.connection.execute("detach staging")
        self.connection.execute("attach ':memory:' as staging")


@contextmanager
def open_staging(*, memory_limit: str, threads: int, spill: Path) -> Iterator[Staging]:
    """Open a scratch space that nobody else sees.

    Args:
        spill: the directory for what does not fit in memory.
    """
    connection = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(spill),
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
