"""How long a generation takes to answer: no cache of ours between the question and the file.

Each question is asked several times of one connection with two threads. The file's blocks are in
memory after the first time, as they are in a server that is asked every few seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb

from tests.bench.asked import Asked, Asker, questions, subjects_of
from tests.bench.source import Say

WINDOWS = (7, 30, 90, 365)
_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTime:
    """One question's times, in milliseconds, in the order they were taken."""

    asker: Asker
    metric: str
    about: str
    days: int
    ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        return median(self.ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTimes:
    """All questions of one generation.

    Attributes:
        member_conversations: in how many the member takes part.
        bytes: of the generation's file.
    """

    member_conversations: int
    bytes: int
    times: tuple[MetricTime, ...]


def measure_metrics(
    published: Path, say: Say, *, times: int, windows: tuple[int, ...] = WINDOWS
) -> MetricTimes:
    """Ask everything of the generation at `published`, so many times each."""
    with opened(published) as connection:
        subjects = subjects_of(connection)
        found = tuple(_measured(connection, questions(subjects, windows), times, say))
    return MetricTimes(
        member_conversations=subjects.member_conversations,
        bytes=published.stat().st_size,
        times=found,
    )


@contextmanager
def opened(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A generation as the API opens it, on as many cores as the bench states."""
    with duckdb.connect(str(published), read_only=True, config={"threads": _THREADS}) as connection:
        yield connection


def ask(connection: duckdb.DuckDBPyConnection, asked: Asked) -> list[tuple[object, ...]]:
    """The answer's rows."""
    named = ", ".join(f"{name} := ${name}" for name in asked.arguments)
    statement = f"from metrics.{asked.metric}({named})"
    return connection.execute(statement, dict(asked.arguments)).fetchall()


def _measured(
    connection: duckdb.DuckDBPyConnection, all_asked: Iterable[Asked], times: int, say: Say
) -> Iterator[MetricTime]:
    for asked in all_asked:
        ms: list[float] = []
        for _ in range(times):
            started = time.perf_counter()
            ask(connection, asked)
            ms.append((time.perf_counter() - started) * 1000)
        found = MetricTime(
            asker=asked.asker,
            metric=asked.metric,
            about=asked.about,
            days=asked.days,
            ms=tuple(ms),
        )
        say(f"{found.asker}, {found.about}, {found.days} days: {found.median_ms:.0f} ms")
        yield found
