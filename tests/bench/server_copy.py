"""The reference that no reader can beat: the server's own COPY of the same SELECTs.

`COPY (…) TO '/dev/null' (FORMAT binary)` makes the server do all it has to do for a reader (scan,
join, text length, binary rows) and throws the rows away: no socket, no client. The statements
are those of `sql/source/messenger`, word for word, with an empty `analytics.watermark`, as a first
load has it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from etl.source import MAPPING
from olap import sqlfiles
from olap.days import EVERY_DAY, NO_DAY
from olap.tables import TABLE_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCopy:
    """One COPY of every table, one after the other: rows and seconds by table."""

    rows: dict[str, int]
    table_seconds: dict[str, float]

    @property
    def seconds(self) -> float:
        """All tables together."""
        return sum(self.table_seconds.values())


def server_copy(url: str) -> ServerCopy:
    """COPY every table to nowhere; `url` must belong to a superuser."""
    rows: dict[str, int] = {}
    seconds: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        whole = ("", NO_DAY.to_multirange(), EVERY_DAY.to_multirange(), "{}")
        for name, value in zip(
            ("watermark", "days", "coverage", "lost_messages"), whole, strict=True
        ):
            connection.execute("select set_config(%s, %s, false)", (f"analytics.{name}", value))
        for table in TABLE_NAMES:
            select = sqlfiles.text(f"{MAPPING}/{table}")
            statement = f"copy (\n{select}\n) to '/dev/null' (format binary)"
            started = time.perf_counter()
            rows[table] = connection.execute(statement.encode()).rowcount
            seconds[table] = time.perf_counter() - started
    return ServerCopy(rows=rows, table_seconds=seconds)
