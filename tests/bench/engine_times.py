"""The questions of the design and the rollups on an engine, beside DuckDB on the same data.

The engine is Sail as a server of its own: in one process (`local`), and as a driver with one or two
workers that speak by network (`local-cluster`). All of them are on this machine, so the figures say
what the way costs, and nothing about what more machines would give. Peak memory is the server's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from olap.engine.ask import ask
from olap.engine.lake import EngineGeneration, prepare
from olap.engine.parts import LakeState, files_of, fresh_parts
from olap.engine.rollups import make
from olap.engine.session import open_engine
from olap.errors import EngineError
from olap.generations import current
from olap.layout import Layout
from olap.manifest import Manifest, naive_utc
from tests.bench import stopwatch
from tests.bench.lake_copy import lake_copy
from tests.bench.metric_times import opened
from tests.bench.source import Say

_TIMEOUT_SECONDS = 3600.0
# Workers of each server that is measured; no worker = everything in one process.
SERVERS = (0, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionTime:
    """One question: the medians of its times, in milliseconds.

    Attributes:
        is_equal: whether the engine returned the rows of the file, in their order.
        failure: why the engine did not answer, if it did not.
    """

    about: str
    duckdb_ms: float
    engine_ms: float | None
    is_equal: bool
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTimes:
    """One server.

    Attributes:
        workers: 0 = everything in one process.
        rollups_seconds: to make all rollups as Parquet files; null where it failed.
        failure: why.
        peak_bytes: of the server, after the rollups and the questions.
    """

    workers: int
    rollups_seconds: float | None
    failure: str | None
    prepare_ms: float
    questions: tuple[QuestionTime, ...]
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A rebuild of the warehouse from the lake: its rollups derived here, or taken as made.

    Attributes:
        peak_bytes: of this process of the pipeline.
    """

    takes_rollups: bool
    seconds: float
    processor_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """Everything about one size."""

    rebuilds: tuple[Rebuild, ...]
    engines: tuple[EngineTimes, ...]


def measure_engine(
    lake: Path, here: Path, say: Say, *, servers: Sequence[int], times: int
) -> EngineFigures:
    """Measure every server on copies of the lake, and the rebuilds.

    Args:
        here: a directory for the copies.
        servers: the workers of each server; 0 = everything in one process.
        times: how often each question is asked.
    """
    engines: list[EngineTimes] = []
    rebuilds = [_rebuild(lake_copy(lake, here), say, takes_rollups=False)]
    for workers in servers:
        data_dir = lake_copy(lake, here)
        with _server(workers) as (address, peak):
            engines.append(_measured(data_dir, address, workers, peak, say, times=times))
        if len(rebuilds) == 1 and engines[-1].rollups_seconds is not None:
            rebuilds.append(_rebuild(data_dir, say, takes_rollups=True))
    return EngineFigures(rebuilds=tuple(rebuilds), engines=tuple(engines))


def questions_of(manifest: Manifest, file: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """The fifteen questions of the design: two months, a viewer and a person with much to see."""
    until = naive_utc(manifest.data_through)
    since = {"since": until - timedelta(days=55, hours=18)}
    months = {"since": until - timedelta(days=114)}
    ((person,),) = file.execute(
        "select user_id from core.dim_users join core.user_days using (user_key)"
        " where not is_bot group by all order by sum(sent_count) desc, 1 limit 1"
    ).fetchall()
    ((viewer,),) = file.execute(
        "select user_id from core.dim_users join core.dim_participants using (user_key)"
        " where in_source and deleted_at is null group by all order by count(*) desc, 1 limit 1"
    ).fetchall()
    return {
        "message_stats": since,
        "engagement": since | {"include_bots": False},
        "message_timeline": since | {"every": "hourly", "tz": "Europe/Berlin"},
        "message_timeline by day": since | {"tz": "America/New_York", "include_bots": False},
        "message_timeline by month": months | {"every": "monthly", "tz": "Australia/Lord_Howe"},
        "active_users": since,
        "event_counts": since,
        "event_timeline": since | {"every": "weekly", "tz": "Europe/Berlin"},
        "top_conversations": since | {"top_n": 7},
        "top_senders": since | {"top_n": 7},
        "user_activity": since | {"for_user": person},
        "message_stats of a viewer": since | {"visible_to": viewer},
        "engagement of a viewer": since | {"visible_to": viewer},
        "message_timeline of a person": since | {"for_user": person, "tz": "Europe/Berlin"},
        "active_users of a viewer": since | {"visible_to": viewer},
    }


def _measured(
    data_dir: Path, address: str, workers: int, peak: Callable[[], int], say: Say, *, times: int
) -> EngineTimes:
    layout = Layout(data_dir)
    manifest = current(layout)
    assert manifest is not None
    generation = EngineGeneration.of(manifest, str(data_dir))
    state = LakeState(
        layout=layout,
        data_dir=str(data_dir),
        files=manifest.files,
        ids=generation.empty.ids,
        connection=generation.empty.connection,
    )
    engine = open_engine(address, timeout_seconds=_TIMEOUT_SECONDS)
    seconds, failure = None, None
    try:
        started = time.perf_counter()
        try:
            make(engine, state)
            seconds = time.perf_counter() - started
        except EngineError as error:
            failure = error.message
        say(f"engine with {workers} workers: rollups {seconds or failure}")
        generation = replace(generation, rollups=files_of(fresh_parts(state)))
        started = time.perf_counter()
        prepare(engine, generation)
        prepare_ms = (time.perf_counter() - started) * 1000
        with opened(layout.pointer) as file:
            questions = tuple(
                _question(about, given, engine, generation, file, times)
                for about, given in questions_of(manifest, file).items()
            )
        say(f"engine with {workers} workers: {len(questions)} questions")
        return EngineTimes(
            workers=workers,
            rollups_seconds=seconds,
            failure=failure,
            prepare_ms=prepare_ms,
            questions=questions,
            peak_bytes=peak(),
        )
    finally:
        engine.close()
        generation.close()


def _question(
    about: str,
    given: Mapping[str, Any],
    engine: Any,
    generation: EngineGeneration,
    file: duckdb.DuckDBPyConnection,
    times: int,
) -> QuestionTime:
    macro = about.split()[0]
    statement = f"from metrics.{macro}({', '.join(f'{name} := ${name}' for name in given)})"
    expected, duckdb_ms = _timed(times, lambda: file.execute(statement, dict(given)).fetchall())
    try:
        found, engine_ms = _timed(times, lambda: ask(engine, generation, macro, given).rows)
    except EngineError as error:
        return QuestionTime(
            about=about,
            duckdb_ms=duckdb_ms,
            engine_ms=None,
            is_equal=False,
            failure=error.message,
        )
    return QuestionTime(
        about=about, duckdb_ms=duckdb_ms, engine_ms=engine_ms, is_equal=found == expected
    )


def _timed(times: int, question: Callable[[], Any]) -> tuple[Any, float]:
    """The answer, and the median of the times after the first one."""
    answer, ms = question(), []
    for _ in range(times):
        started = time.perf_counter()
        answer = question()
        ms.append((time.perf_counter() - started) * 1000)
    return answer, median(ms)


def _rebuild(data_dir: Path, say: Say, *, takes_rollups: bool) -> Rebuild:
    """Rebuild the warehouse in a process of its own.

    Args:
        takes_rollups: those that were made before; the address is one where nothing listens, so
            that none is made now.
    """
    address = {"FOLD_ON": "sc://127.0.0.1:1"} if takes_rollups else {}
    run = stopwatch.run(
        [sys.executable, "-m", "etl", "rebuild"], {"DATA_DIR": str(data_dir), **address}
    )
    say(f"rebuild{' with rollups that were made' if takes_rollups else ''}: {run.seconds:.1f} s")
    return Rebuild(
        takes_rollups=takes_rollups,
        seconds=run.seconds,
        processor_seconds=run.processor_seconds,
        peak_bytes=run.peak_bytes,
    )


@contextmanager
def _server(workers: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """Sail as a server: its address, and what returns its peak memory in bytes."""
    mode = {"SAIL_MODE": "local"}
    if workers:
        mode = {
            "SAIL_MODE": "local-cluster",
            "SAIL_CLUSTER__WORKER_INITIAL_COUNT": str(workers),
            "SAIL_CLUSTER__WORKER_MAX_COUNT": str(workers),
        }
    with tempfile.NamedTemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "pysail", "spark", "server", "--port", "0"],
            env=os.environ | mode | {"RUST_LOG": "info"},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )

        def peak() -> int:
            status = Path(f"/proc/{server.pid}/status").read_text()
            found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
            return int(found[1]) * 1024 if found else 0

        try:
            yield f"sc://{_listening(server, Path(log.name))}", peak
        finally:
            server.terminate()
            server.wait(30)


def _listening(server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(1200):
        if found := re.search(r"server on (127\.0\.0\.1:[1-9]\d*)", log.read_text()):
            return found[1]
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"Sail does not start: {log.read_text()}")


def rows_of(figures: EngineFigures) -> list[tuple[str, ...]]:
    """The figures as a table."""
    names = {0: "one process", 1: "1 worker", 2: "2 workers"}
    heads = [names[engine.workers] for engine in figures.engines]
    rows: list[tuple[str, ...]] = [("", "DuckDB", *heads)]
    here = next(rebuild for rebuild in figures.rebuilds if not rebuild.takes_rollups)
    seconds = [engine.rollups_seconds for engine in figures.engines]
    made = [f"{found:.1f} s" if found is not None else "failed" for found in seconds]
    rows.append(("rollups", "in the rebuild", *made))
    peaks = [f"{engine.peak_bytes / 1e6:,.0f} MB" for engine in figures.engines]
    rows.append(("peak memory", f"{here.peak_bytes / 1e6:,.0f} MB", *peaks))
    for rebuild in figures.rebuilds:
        how = "rebuild, rollups taken" if rebuild.takes_rollups else "rebuild, all derived here"
        shown = f"{rebuild.seconds:.1f} s, {rebuild.peak_bytes / 1e6:,.0f} MB"
        rows.append((how, shown, *("" for _ in heads)))
    for position, question in enumerate(figures.engines[0].questions):
        cells = []
        for engine in figures.engines:
            found = engine.questions[position]
            if found.engine_ms is None:
                cells.append("failed")
                continue
            ratio = found.engine_ms / found.duckdb_ms
            differs = "" if found.is_equal else " DIFFERENT"
            cells.append(f"{found.engine_ms:,.0f} ms, {ratio:.1f} x{differs}")
        rows.append((question.about, f"{question.duckdb_ms:,.0f} ms", *cells))
    return rows
