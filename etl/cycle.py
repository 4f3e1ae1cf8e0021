"""One cycle: read, fold, publish, collect. The only place where source and warehouse meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from etl.guards import base_to_read_from, require_same_source
from etl.source import SourceTransaction, open_source
from olap import ledger
from olap.fold import Folded, fold, rebuild
from olap.lake import require_files
from olap.layout import Layout, write_durably
from olap.log import get_logger
from olap.manifest import Manifest, read_manifest
from olap.publish import collect, is_due, publish
from olap.reading import Reading, TableReading
from olap.settings import Secret, Settings
from olap.tables import DIMENSIONS, TABLES
from olap.timer import Timer
from olap.warehouse import Warehouse, open_warehouse, schema_fingerprint

log = get_logger(__name__)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """What a cycle did.

    Attributes:
        manifest: the state after it.
        reading: what was read.
        rows_changed: rows that were new or different.
        days_rebuilt: (table, day) pairs rebuilt.
        is_published: whether it made a new generation.
        steps_ms: milliseconds of each step, in order.
        bytes_freed: what collection removed.
    """

    manifest: Manifest
    reading: Reading
    rows_changed: int
    days_rebuilt: int
    is_published: bool
    steps_ms: dict[str, int]
    bytes_freed: int


def run_cycle(
    settings: Settings, url: Secret, clock: Clock, *, is_full: bool = False
) -> CycleReport:
    """Bring the warehouse up to the source's present state and publish it if there is news.

    Args:
        url: the source.
        clock: gives the present, UTC; a generation is dated with the moment it is published.
        is_full: read every table whole and accept another source than last time.

    Raises:
        AnalyticsError: with what to do next; the last generation is untouched.
    """
    layout, timer = Layout(settings.data_dir), Timer()
    with (
        layout.locked(),
        open_warehouse(
            layout, memory_limit=settings.memory_limit, threads=settings.threads
        ) as warehouse,
    ):
        before = recover(warehouse)
        if before:
            _collect(settings, layout, before, clock())
        with timer.step("read"):
            reading = read_batch(warehouse, before, settings, url, is_full=is_full)
        layout.require_space(sum(table.bytes for table in reading.tables.values()), "what was read")
        folded = fold(warehouse, reading, timer, workers=settings.threads)
        manifest = folded.manifest
        write_durably(layout.lake_manifest, manifest.to_json())
        is_published = is_due(layout, manifest, clock(), idle_seconds=settings.publish_idle_seconds)
        if is_published:
            with timer.step("rewrite"):
                _rewrite_if_bloated(warehouse, is_first=before is None)
            with timer.step("publish"):
                manifest = publish(warehouse, clock())
        with timer.step("collect"):
            freed = _collect(settings, layout, manifest, clock())
    report = CycleReport(
        manifest=manifest,
        reading=reading,
        rows_changed=folded.rows_changed,
        days_rebuilt=len(folded.days),
        is_published=is_published,
        steps_ms=timer.steps,
        bytes_freed=freed,
    )
    _log(report, folded)
    return report


def rebuild_warehouse(settings: Settings, clock: Clock) -> Manifest:
    """Make the warehouse anew from the lake alone and publish it; PostgreSQL is not needed.

    Raises:
        LakeError: there is no lake, or files of it are missing.
    """
    layout = Layout(settings.data_dir)
    with layout.locked():
        require_files(layout, read_manifest(layout.lake_manifest))
        for path in (layout.warehouse, layout.warehouse.with_suffix(".duckdb.wal")):
            path.unlink(missing_ok=True)
        with open_warehouse(
            layout, memory_limit=settings.memory_limit, threads=settings.threads
        ) as warehouse:
            manifest = recover(warehouse)
            assert manifest is not None
            return publish(warehouse, clock())


def recover(warehouse: Warehouse) -> Manifest | None:
    """The state of the warehouse, after making it anew from the lake where that is called for.

    An empty warehouse beside a lake is filled from it (somebody removed the file), and so is one
    whose tables were made by other SQL than this version's.
    """
    layout, manifest = warehouse.layout, ledger.read(warehouse)
    if manifest and manifest.schema_fingerprint != schema_fingerprint():
        log.info("warehouse.rebuild", reason="its tables were made by another version")
        write_durably(layout.lake_manifest, manifest.to_json())
        warehouse.recreate()
        manifest = None
    if manifest is None and layout.lake_manifest.exists():
        described = read_manifest(layout.lake_manifest)
        require_files(layout, described)
        rebuild(warehouse, described)
        warehouse.remember_fresh_size()
        manifest = ledger.read(warehouse)
    warehouse.refresh_views()
    return manifest


def read_batch(
    warehouse: Warehouse,
    before: Manifest | None,
    settings: Settings,
    url: Secret,
    *,
    is_full: bool,
) -> Reading:
    """Read everything that may have changed, under one snapshot, into staging.

    The source's transaction ends before anything is made of the rows, so that the source's vacuum
    is not held back by our work.
    """
    started = time.perf_counter()
    with open_source(url, lock_timeout_seconds=settings.lock_timeout_seconds) as source:
        if not is_full:
            require_same_source(before, source.snapshot)
        counts = source.counts()
        tables = {
            table: _read_table(
                warehouse, source, before, table, source_rows=counts[table], is_full=is_full
            )
            for table in TABLES
        }
        snapshot = source.snapshot
    return Reading(
        source=snapshot.identity,
        snapshot=snapshot.text,
        base=snapshot.xmin,
        data_through=snapshot.seen_at,
        held_back_by=snapshot.held_back_by,
        ms=round((time.perf_counter() - started) * 1000),
        tables=tables,
    )


@dataclass(slots=True)
class _Tally:
    """Counts a stream while it flows."""

    rows: int = 0
    bytes: int = 0

    def count(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                self.rows += batch.num_rows
                self.bytes += batch.nbytes
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _read_table(
    warehouse: Warehouse,
    source: SourceTransaction,
    before: Manifest | None,
    table: str,
    *,
    source_rows: int,
    is_full: bool,
) -> TableReading:
    started, tally = time.perf_counter(), _Tally()
    relation = source.relations[table]
    state = before.tables.get(table) if before else None
    base, reason = base_to_read_from(state, relation, source.snapshot)
    if is_full:
        base, reason = None, "asked for"
    if reason and before:
        log.info("table.full_read", table=table, reason=reason)
    is_dimension = any(dimension.name == table for dimension in DIMENSIONS)
    folder = f"{'dimensions' if is_dimension else 'facts'}/{table}"
    stage_stream(warehouse, source, f"{folder}/stage", tally.count(source.rows(table, base)))
    has_keys = False
    if is_dimension and base is None:
        has_keys = True
        warehouse.run(f"{folder}/keys_of_full_read")
    elif is_dimension and warehouse.run(f"{folder}/count")[0][0] != source_rows:
        has_keys = True
        stage_stream(warehouse, source, f"{folder}/keys", source.keys(table))
    return TableReading(
        relation=relation.relation,
        columns=relation.columns,
        source_rows=source_rows,
        rows=tally.rows,
        bytes=tally.bytes,
        ms=round((time.perf_counter() - started) * 1000),
        is_full=base is None,
        has_keys=has_keys,
    )


def stage_stream(
    warehouse: Warehouse, source: SourceTransaction, name: str, rows: pa.RecordBatchReader
) -> None:
    """Stage a stream; an error of the source is raised as itself, not as DuckDB shows it."""
    try:
        warehouse.stage(name, rows)
    except Exception:
        if source.failure is not None:
            raise source.failure from None
        raise


def _rewrite_if_bloated(warehouse: Warehouse, *, is_first: bool) -> None:
    if is_first:
        warehouse.remember_fresh_size()
    elif warehouse.is_bloated():
        before = warehouse.layout.warehouse.stat().st_size
        warehouse.rewrite()
        after = warehouse.layout.warehouse.stat().st_size
        log.info("warehouse.rewritten", bytes_before=before, bytes_after=after)


def _collect(settings: Settings, layout: Layout, manifest: Manifest, now: datetime) -> int:
    return collect(
        layout,
        manifest,
        now,
        keep=settings.keep_generations,
        grace_seconds=settings.grace_seconds,
    )


def _log(report: CycleReport, folded: Folded) -> None:
    """The cycle's one canonical line, and one warning per table that does not add up."""
    batch = report.manifest.last_batch
    tables = report.reading.tables
    log.info(
        "cycle",
        batch=batch.batch,
        generation=report.manifest.generation,
        is_published=report.is_published,
        data_through=batch.data_through.isoformat(),
        rows_read={name: table.rows for name, table in tables.items()},
        bytes_read={name: table.bytes for name, table in tables.items()},
        read_ms={name: table.ms for name, table in tables.items()},
        full_reads=[name for name, table in tables.items() if table.is_full],
        rows_changed=report.rows_changed,
        dimensions_changed=dict(folded.dimensions),
        days_rebuilt=report.days_rebuilt,
        lake_bytes_written=sum(c.file.bytes for c in folded.days if c.file),
        bytes_freed=report.bytes_freed,
        step_ms=report.steps_ms,
        held_back_by=batch.held_back_by,
    )
    for name, state in report.manifest.tables.items():
        if state.rows != state.source_rows:
            log.warning(
                "table.count_differs",
                table=name,
                source_rows=state.source_rows,
                rows=state.rows,
                hint="rows were hard-deleted or changed their time; `run --full` reads all again",
            )
