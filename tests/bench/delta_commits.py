"""What it costs to publish a generation's lake as Delta tables, and how its logs grow.

The lake has every table, three years of days, and files without content: a publication opens none.
Each generation has two new days in each of three facts, and a new file of two dimensions, as a
cycle of a busy messenger makes them; every hundredth changes nothing. The files of old generations
are collected as a cycle does it, so that the logs are trimmed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

from olap.collection import collect
from olap.delta.publishing import publish_tables
from olap.delta.table_log import log_directory
from olap.layout import Layout
from olap.manifest import Batch, LakeFile, Manifest, SourceIdentity
from olap.tables import DIMENSIONS, FACTS, TABLES
from tests.bench.source import Say

DAYS = 1095
COMMITS = 300
_KEPT = 3
_FACTS_THAT_CHANGE, _DIMENSIONS_THAT_CHANGE = 3, 2
_BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaCommits:
    """Publications of one lake, one after the other.

    Attributes:
        days: of each fact.
        first_ms: processor time of the first publication, of all files.
        processor_ms, wall_ms: of each later one, all tables and the manifest.
        idle_ms: processor time of those without a change.
        log_bytes: of all logs, after each.
        log_files: of all logs, after the last.
    """

    days: int
    first_ms: float
    processor_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]
    idle_ms: tuple[float, ...]
    log_bytes: tuple[int, ...]
    log_files: int


def measure_delta(
    directory: Path, say: Say, *, days: int = DAYS, commits: int = COMMITS
) -> DeltaCommits:
    """Publish a first generation and `commits` more below an empty `directory`."""
    shutil.rmtree(directory, ignore_errors=True)
    layout = Layout(directory)
    layout.create()
    files = {
        (file.table, file.day): file
        for file in (
            *(_file(layout, table.name, None, 1) for table in DIMENSIONS),
            *(
                _file(layout, fact.name, _BEGIN.date() - timedelta(days=n), 1)
                for fact in FACTS
                for n in range(days)
            ),
        )
    }
    first, _ = _publish(layout, files.values(), 1)
    times: list[tuple[float, float]] = []
    idle: list[float] = []
    log_bytes: list[int] = []
    for number in range(2, commits + 2):
        is_idle = number % 100 == 0
        if not is_idle:
            for file in _changed(layout, number):
                files[file.table, file.day] = file
        taken = _publish(layout, files.values(), number)
        if is_idle:
            idle.append(taken[0])
        else:
            times.append(taken)
        log_bytes.append(sum(path.stat().st_size for path in _log_files(layout)))
        if number % 100 == 1:
            say(f"{number - 1} publications, logs of {log_bytes[-1] / 1e6:.1f} MB")
    found = DeltaCommits(
        days=days,
        first_ms=first,
        processor_ms=tuple(processor for processor, _ in times),
        wall_ms=tuple(wall for _, wall in times),
        idle_ms=tuple(idle),
        log_bytes=tuple(log_bytes),
        log_files=len(_log_files(layout)),
    )
    shutil.rmtree(directory)
    return found


def delta_rows(found: DeltaCommits) -> list[tuple[str, str]]:
    """The figures as the rows of a table, its head first."""
    publications = len(found.processor_ms) + len(found.idle_ms)
    return [
        (f"{publications} publications of all tables, {found.days:,} days", ""),
        ("the first, processor time", f"{found.first_ms:,.0f} ms"),
        ("each, processor time", f"{median(found.processor_ms):,.0f} ms"),
        ("each, worst", f"{max(found.processor_ms):,.0f} ms"),
        ("each, wall time", f"{median(found.wall_ms):,.0f} ms"),
        ("without a change, processor time", f"{median(found.idle_ms or (0.0,)):,.1f} ms"),
        ("all logs, after the last", f"{found.log_bytes[-1] / 1e6:,.2f} MB"),
        ("all logs, at most", f"{max(found.log_bytes) / 1e6:,.2f} MB"),
        ("files of all logs, after the last", f"{found.log_files}"),
    ]


def _changed(layout: Layout, number: int) -> Iterable[LakeFile]:
    for fact in FACTS[:_FACTS_THAT_CHANGE]:
        # Today, and a late row of another day.
        for days_ago in (0, number * 7 % 30 + 1):
            day = _BEGIN.date() - timedelta(days=days_ago)
            yield _file(layout, fact.name, day, number)
    for table in DIMENSIONS[:_DIMENSIONS_THAT_CHANGE]:
        yield _file(layout, table.name, None, number)


def _file(layout: Layout, table: str, day: date | None, batch: int) -> LakeFile:
    path = (
        layout.day_file(table, day, batch)
        if day is not None
        else layout.dimension_file(table, batch)
    )
    (layout.lake / path).parent.mkdir(parents=True, exist_ok=True)
    (layout.lake / path).touch()
    return LakeFile(
        table=table, day=day, path=path, batch=batch, rows=5000 + batch, bytes=60_000 + batch
    )


def _publish(layout: Layout, files: Iterable[LakeFile], number: int) -> tuple[float, float]:
    """Publish a generation of these files; milliseconds of processor and wall time for its lake."""
    moment = _BEGIN + timedelta(minutes=5 * number)
    generation = Manifest(
        generation=number,
        generated_at=moment,
        schema_fingerprint="",
        source=SourceIdentity(system_identifier="1", timeline=1, database="1"),
        changed_in_batch=number,
        batches=(
            Batch(
                batch=number,
                data_through=moment,
                snapshot="1:1:",
                rows_read=0,
                rows_changed=0,
                days_rebuilt=0,
                read_ms=0,
                fold_ms=0,
                held_back_by=None,
            ),
        ),
        tables={},
        files=tuple(sorted(files, key=lambda file: file.path)),
    )
    directory = layout.generation_directory(number)
    directory.mkdir()
    layout.generation(number).touch()
    layout.generation_manifest(number).write_bytes(generation.to_json())
    before = time.process_time(), time.perf_counter()
    published = publish_tables(layout, generation)
    processor, wall = time.process_time() - before[0], time.perf_counter() - before[1]
    collect(layout, published, moment, keep=_KEPT, grace_seconds=0)
    return processor * 1000, wall * 1000


def _log_files(layout: Layout) -> list[Path]:
    directories = (log_directory(layout, table.name) for table in TABLES)
    return [path for directory in directories for path in directory.iterdir()]
