"""The upper limit for any reader: the server's own COPY of the SELECTs of the ETL.

`COPY (…) TO '/dev/null' (FORMAT binary)` makes the server do everything that it does for a reader
(scan, join, text length, binary rows) and discards the rows: no socket, no client.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from tests.bench.source_selects import prepare, selects


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCopy:
    """One COPY of every table, one after the other: rows and seconds by table."""

    rows: dict[str, int]
    table_seconds: dict[str, float]

    @property
    def seconds(self) -> float:
        """The time of all tables together."""
        return sum(self.table_seconds.values())


def server_copy(url: str) -> ServerCopy:
    """COPY every table to `/dev/null`; the role of `url` must be a superuser."""
    rows: dict[str, int] = {}
    seconds: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        prepare(connection)
        for table, select in selects().items():
            statement = f"copy (\n{select}\n) to '/dev/null' (format binary)"
            started = time.perf_counter()
            rows[table] = connection.execute(statement.encode()).rowcount
            seconds[table] = time.perf_counter() - started
    return ServerCopy(rows=rows, table_seconds=seconds)
