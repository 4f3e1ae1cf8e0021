"""How long the metrics of a generation take, without any cache of the API.

Each metric is called several times on one connection with two threads. After the first call the
file's blocks are in memory, as they are in a server that answers every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
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
    """The times of one call, in milliseconds, in the order of measurement."""

    scope: Scope
    metric: str
    about: str
    days: int
    ms: tuple[float, ...]

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
    """

    member_conversations: int
    bytes: int
    times: tuple[MetricTime, ...]


def measure_metrics(
    published: Path, say: Say, *, times: int, windows: tuple[int, ...] = WINDOWS
) -> MetricTimes:
    """Make every call on the generation at `published`, `times` times each."""
    with opened(published) as connection:
        subjects = subjects_of(connection)
        found = tuple(_measured(connection, metric_calls(subjects, windows), times, say))
    return MetricTimes(
        member_conversations=subjects.member_conversations,
        bytes=published.stat().st_size,
        times=found,
    )


@contextmanager
def opened(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a generation as the API does, with the number of threads that the bench states."""
    with duckdb.connect(str(published), read_only=True, config={"threads": _THREADS}) as connection:
        yield connection


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
        for _ in range(times):
            started = time.perf_counter()
            rows_of(connection, call)
            ms.append((time.perf_counter() - started) * 1000)
        found = MetricTime(
            scope=call.scope,
            metric=call.metric,
            about=call.about,
            days=call.days,
            ms=tuple(ms),
        )
        say(f"{found.scope}, {found.about}, {found.days} days: {found.median_ms:.0f} ms")
        yield found
