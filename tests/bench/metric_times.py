"""How long the metrics of a generation take, without any cache of the API.

Each metric is called several times on one connection with two threads. After the first call the
file's blocks are in memory, as they are in a server that answers every few seconds.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb

from tests.bench.metric_calls import MetricCall, Scope, metric_calls, subjects_of
from tests.bench.source import Say

WINDOWS = (7, 30, 90, 365)
_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTime:
    """The times of one call, in milliseconds, in the order of measurement.

    Attributes:
        processor_ms: of both threads together; other programs disturb it less than the wall time.
    """

    scope: Scope
    metric: str
    about: str
    days: int
    ms: tuple[float, ...]
    processor_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The median of all times."""
        return median(self.ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTimes:
    """All calls on one generation.

    Attributes:
        member_conversations: the number of the member's conversations.
        bytes: of the generation's file.
        table_bytes: of the blocks that each table alone or together with others uses.
    """

    member_conversations: int
    bytes: int
    table_bytes: Mapping[str, int]
    times: tuple[MetricTime, ...]


def measure_metrics(
    published: Path, say: Say, *, times: int, windows: tuple[int, ...] = WINDOWS
) -> MetricTimes:
    """Make every call on the generation at `published`, `times` times each."""
    with opened(published) as connection:
        subjects = subjects_of(connection)
        found = tuple(_measured(connection, metric_calls(subjects, windows), times, say))
        sizes = table_bytes(connection)
    return MetricTimes(
        member_conversations=subjects.member_conversations,
        bytes=published.stat().st_size,
        table_bytes=sizes,
        times=found,
    )


@contextmanager
def opened(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a generation as the API does, with the number of threads that the bench states."""
    with duckdb.connect(str(published), read_only=True, config={"threads": _THREADS}) as connection:
        yield connection


def table_bytes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The bytes of each table of the schema `core`, the largest first.

    A block that several columns or tables share counts for each of the tables.
    """
    tables = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'core' order by table_name"
    ).fetchall()
    ((block_size,),) = connection.execute(
        "select block_size from pragma_database_size() where database_name = current_database()"
    ).fetchall()
    found = {}
    for (table,) in tables:
        ((blocks,),) = connection.execute(
            """
            select count(distinct block)
            from (
                select unnest(list_append(additional_block_ids, block_id)) as block
                from pragma_storage_info(concat('core.', $table))
            )
            where block >= 0
            """,
            {"table": table},
        ).fetchall()
        found[table] = blocks * block_size
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def rows_of(connection: duckdb.DuckDBPyConnection, call: MetricCall) -> list[tuple[object, ...]]:
    """Make a call and return its rows."""
    named = ", ".join(f"{name} := ${name}" for name in call.arguments)
    statement = f"from metrics.{call.metric}({named})"
    return connection.execute(statement, dict(call.arguments)).fetchall()


def _measured(
    connection: duckdb.DuckDBPyConnection, calls: Iterable[MetricCall], times: int, say: Say
) -> Iterator[MetricTime]:
    for call in calls:
        ms: list[float] = []
        processor_ms: list[float] = []
        for _ in range(times):
            before, started = _processor_seconds(), time.perf_counter()
            rows_of(connection, call)
            ms.append((time.perf_counter() - started) * 1000)
            processor_ms.append((_processor_seconds() - before) * 1000)
        found = MetricTime(
            scope=call.scope,
            metric=call.metric,
            about=call.about,
            days=call.days,
            ms=tuple(ms),
            processor_ms=tuple(processor_ms),
        )
        say(
            f"{found.scope}, {found.about}, {found.days} days: {found.median_ms:.0f} ms, "
            f"processor {median(found.processor_ms):.0f} ms"
        )
        yield found


def _processor_seconds() -> float:
    """The processor time of this process, all threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
