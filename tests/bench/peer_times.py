"""The same questions to a generation, to PostgreSQL and to chDB, in one run.

All three have the same rows: the messenger in PostgreSQL, the generation that was read from it, and
MergeTree tables made from the generation's facts. The bench stops when two answers differ, because
a time of a wrong answer means nothing. PostgreSQL is vacuumed and analyzed first, and has the
settings of the sandbox.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import psycopg

from olap.errors import AnalyticsError
from olap.manifest import naive_utc
from tests.bench.etl_run import etl_run
from tests.bench.metric_calls import Subjects, subjects_of
from tests.bench.metric_times import opened
from tests.bench.peer_questions import PEER_QUESTIONS, PeerQuestion
from tests.bench.peers import Peers
from tests.bench.people_questions import PEOPLE_QUESTIONS
from tests.bench.source import UNTIL, Say
from tests.bench.stopwatch import run

WINDOWS = (7, 30, 90)
QUESTIONS = (*PEER_QUESTIONS, *PEOPLE_QUESTIONS)
_THREADS = 2
_EXPORTED = {
    "messages": "fact_messages",
    "read_receipts": "fact_read_receipts",
    "users": "dim_users",
    "conversations": "dim_conversations",
}

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTime:
    """One question over one window, in milliseconds; `chdb_ms` is null without peers."""

    about: str
    days: int
    our_ms: tuple[float, ...]
    postgresql_ms: tuple[float, ...]
    chdb_ms: tuple[float, ...] | None

    @property
    def beside_postgresql(self) -> float:
        """PostgreSQL's time as a multiple of ours, by medians."""
        return median(self.postgresql_ms) / median(self.our_ms)

    @property
    def beside_chdb(self) -> float | None:
        """chDB's time as a multiple of ours, by medians; None without peers."""
        return median(self.chdb_ms) / median(self.our_ms) if self.chdb_ms else None


def measure_peers(
    url: str, data_dir: Path, *, peers: Peers | None, times: int, say: Say
) -> tuple[PeerTime, ...]:
    """Read the messenger at `url` into `data_dir`, and ask each engine every question.

    Args:
        peers: the environment that has chDB; without it PostgreSQL is the only reference.
        times: how often each question is asked of each engine.

    Raises:
        AnalyticsError: a program failed, or two answers differ.
    """
    shutil.rmtree(data_dir, ignore_errors=True)
    etl_run(url, data_dir)
    with opened(data_dir / "analytics.duckdb") as published:
        subjects = replace(subjects_of(published), until=naive_utc(UNTIL))
        asked = [(question, days) for days in WINDOWS for question in QUESTIONS]
        chdb = iter(
            _chdb(published, subjects, asked, data_dir / "chdb", peers, times) if peers else ()
        )
        with psycopg.connect(url, autocommit=True) as source:
            source.execute("vacuum (analyze)")
            return tuple(_compared(published, source, subjects, asked, chdb, times, say))


def _compared(
    published: duckdb.DuckDBPyConnection,
    source: psycopg.Connection,
    subjects: Subjects,
    asked: Sequence[tuple[PeerQuestion, int]],
    chdb: Iterator[tuple[Rows, tuple[float, ...]]],
    times: int,
    say: Say,
) -> Iterator[PeerTime]:
    for question, days in asked:
        values = _values(subjects, days)
        used = {name: value for name, value in values.items() if f"${name}" in question.ours}
        ours, our_ms = _timed(partial(_of_duckdb, published, question.ours, used), times)
        aware = {k: _aware(v) for k, v in values.items()}
        theirs, postgresql_ms = _timed(
            partial(_of_postgresql, source, question.postgresql, aware), times
        )
        _require_same("PostgreSQL", question, days, ours, theirs)
        other, chdb_ms = next(chdb, (None, None))
        if other is not None:
            _require_same("chDB", question, days, ours, other)
        found = PeerTime(
            about=question.about,
            days=days,
            our_ms=our_ms,
            postgresql_ms=postgresql_ms,
            chdb_ms=chdb_ms,
        )
        say(
            f"{found.about}, {days} days: {median(our_ms):.0f} ms, "
            f"PostgreSQL {median(postgresql_ms):.0f}"
            + (f", chDB {median(chdb_ms):.0f}" if chdb_ms else "")
        )
        yield found


def _of_duckdb(
    published: duckdb.DuckDBPyConnection, statement: str, values: dict[str, Any]
) -> Rows:
    return published.execute(statement, values).fetchall()


def _of_postgresql(source: psycopg.Connection, statement: str, values: dict[str, Any]) -> Rows:
    return source.execute(statement.encode(), values).fetchall()


def _timed(ask: Callable[[], Rows], times: int) -> tuple[Rows, tuple[float, ...]]:
    rows: Rows = []
    ms: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        rows = ask()
        ms.append((time.perf_counter() - started) * 1000)
    return rows, tuple(ms)


def _chdb(
    published: duckdb.DuckDBPyConnection,
    subjects: Subjects,
    asked: Sequence[tuple[PeerQuestion, int]],
    home: Path,
    peers: Peers,
    times: int,
) -> list[tuple[Rows, tuple[float, ...]]]:
    home.mkdir(parents=True)
    files = {table: home / f"{table}.parquet" for table in _EXPORTED}
    for table, file in files.items():
        published.sql(f"from core.{_EXPORTED[table]}").write_parquet(str(file))
    order = {
        "files": {table: str(file) for table, file in files.items()},
        "database": str(home / "database"),
        "threads": _THREADS,
        "times": times,
        "questions": [
            {
                "sql": question.chdb,
                "values": {k: _plain(v) for k, v in _values(subjects, days).items()},
            }
            for question, days in asked
        ],
    }
    script = Path(__file__).with_name("chdb_metrics.py")
    finished = run([peers.python, "-P", script, json.dumps(order)], {"TZ": "UTC"})
    answers = json.loads(finished.stdout.splitlines()[-1])
    shutil.rmtree(home)
    return [([tuple(row) for row in a["rows"]], tuple(a["ms"])) for a in answers]


def _values(subjects: Subjects, days: int) -> dict[str, Any]:
    return {
        "since": subjects.until - timedelta(days=days),
        "until": subjects.until,
        "conversation": subjects.conversation,
        "person": subjects.user,
    }


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def _require_same(who: str, question: PeerQuestion, days: int, ours: Rows, theirs: Rows) -> None:
    if [tuple(map(_comparable, row)) for row in ours] != [
        tuple(map(_comparable, row)) for row in theirs
    ]:
        raise AnalyticsError(
            f"{who} answers {question.about} over {days} days differently:\n{ours}\n{theirs}",
            hint="One of the two is wrong; correct it before comparing times.",
        )


def _comparable(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal | float) else value
