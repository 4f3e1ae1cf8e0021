"""One cycle: read, fold, publish, collect. The only place where source and warehouse meet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from etl.batch_plan import BatchPlan
from etl.reconcile import Reconciled, reconcile
from olap.backfill_chunks import Chunks, discard_chunks, read_chunks
from olap.brake import how_to_accept
from olap.collection import collect
from olap.commands import call
from olap.days import EVERY_DAY, NO_DAY
from olap.delta.publishing import follow
from olap.errors import BackfillError, LakeError
from olap.extract import Extract
from olap.layout import Layout, write_durably
from olap.log import Timer, get_logger
from olap.manifest import Manifest, Mode, Place, Places, read_manifest
from olap.proofs import due, require_agreement
from olap.publish import is_due, publish
from olap.recovery import (
    lake_error,
    lake_manifest,
    missing,
    recover,
    recovering,
    restore,
    unreadable,
)
from olap.secret import Secret
from olap.settings import Settings
from olap.warehouse import Warehouse, open_warehouse

log = get_logger(__name__)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """What a cycle did.

    Attributes:
        manifest: the state after it.
        reconciled: what was read and folded, batch by batch.
        is_published: whether it made a new generation.
        steps_ms: milliseconds of each step, in order.
        bytes_freed: what collection removed.
    """

    manifest: Manifest
    reconciled: Reconciled
    is_published: bool
    steps_ms: dict[str, int]
    bytes_freed: int

    @property
    def extract(self) -> Extract:
        """What the first batch read; further batches only repair what did not match."""
        return self.reconciled.extracts[0]

    @property
    def rows_changed(self) -> int:
        """Rows that were new or different."""
        return self.reconciled.rows_changed

    @property
    def days_rebuilt(self) -> int:
        """(table, day) pairs rebuilt."""
        return self.reconciled.days_rebuilt


def plan_of(
    settings: Settings,
    before: Manifest | None,
    *,
    is_full: bool,
    may_remove: bool,
    chunks: Chunks | None,
) -> BatchPlan:
    """What a cycle reads: what is new, and the days that are due for a proof."""
    coverage = before.coverage if before else NO_DAY if chunks is not None else EVERY_DAY
    proofs = (
        due(
            before,
            hour=settings.verify_hour,
            rows_max=settings.verify_budget_rows,
            # A scan has the rows at hand; to a batch by keys, each proof is a scan of its own.
            is_spread=before.last_batch.mode is not Mode.SCAN,
        )
        if before
        else {}
    )
    return BatchPlan(
        coverage=coverage | chunks.days if chunks is not None else coverage,
        is_full=is_full,
        prove=proofs,
        chunks=chunks,
        removal_max_percent=100 if may_remove else settings.repair_max_percent,
    )


def run_cycle(
    settings: Settings,
    url: Secret,
    clock: Clock,
    *,
    is_full: bool = False,
    may_remove: bool = False,
    chunks: Chunks | None = None,
    wait_seconds: float = 0,
) -> CycleReport:
    """Bring the warehouse up to the source's present state, and publish it if anything changed.

    Args:
        url: the source.
        clock: returns the present, UTC; a generation is dated with its publication.
        is_full: read every table whole and accept another source than last time.
        may_remove: remove what is gone at the source, however much it is.
        chunks: a backfill that has read all its ranges: this cycle adds it to the warehouse.
        wait_seconds: how long to wait for another writer to finish.

    Raises:
        AnalyticsError: with what to do next; the last generation is untouched.
    """
    layout = Layout(settings.data_dir)

    attempts = 0

    def attempt(lost: Places) -> CycleReport:
        nonlocal attempts
        attempts += 1
        return _attempt(
            settings,
            url,
            clock,
            lost,
            is_full=is_full,
            may_remove=may_remove,
            chunks=chunks,
            has_leftovers=has_failed or attempts > 1,
        )

    with layout.locked(wait_seconds=wait_seconds) as has_failed:
        report = recovering(settings, layout, attempt)
    _log(report)
    return report


def _attempt(
    settings: Settings,
    url: Secret,
    clock: Clock,
    lost: Places,
    *,
    is_full: bool,
    may_remove: bool,
    chunks: Chunks | None,
    has_leftovers: bool,
) -> CycleReport:
    layout, timer = Layout(settings.data_dir), Timer()
    with ExitStack() as stack:
        with timer.step("open"):
            warehouse = stack.enter_context(open_warehouse(settings))
            before, lost = restore(warehouse, lost)
        if before is None and chunks is None:
            _require_no_backfill(layout)
        if before:
            _repair_lake_manifest(layout, before)
        if before and has_leftovers:
            _collect(settings, layout, before, clock())
        plan = plan_of(settings, before, is_full=is_full, may_remove=may_remove, chunks=chunks)
        plan = replace(plan, lost=lost)
        reconciled = reconcile(warehouse, before, settings, url, timer, plan)
        manifest = reconciled.manifest
        if reconciled.proved:
            with timer.step("compare"):
                require_agreement(warehouse, manifest, plan.proved_days, is_thorough=False)
        is_published = bool(reconciled.proved) or is_due(
            layout, manifest, clock(), idle_seconds=settings.publish_idle_seconds
        )
        if is_published:
            with timer.step("rewrite"):
                _rewrite_if_bloated(warehouse, is_first=before is None)
            with timer.step("publish"):
                manifest = publish(warehouse, clock(), compare_hour=settings.verify_hour)
        if settings.lake_format == "delta":
            with timer.step("delta"):
                follow(settings)
        with timer.step("collect"):
            if has_left_chunks(layout, manifest):
                discard_chunks(layout)
            # Once a day, with the proofs, everywhere: a power failure leaves no sign of itself.
            rebuilt = None if reconciled.proved else reconciled.places
            freed = _collect(settings, layout, manifest, clock(), rebuilt)
    return CycleReport(
        manifest=manifest,
        reconciled=reconciled,
        is_published=is_published,
        steps_ms=timer.steps,
        bytes_freed=freed,
    )


def _repair_lake_manifest(layout: Layout, before: Manifest) -> None:
    """Write the lake's manifest again if it is damaged or behind the ledger.

    A crash after the last commit may have left it behind; it must not reference a file that is
    removed now.
    """
    with suppress(LakeError):
        if msgspec.structs.replace(read_manifest(layout.lake_manifest), file=None) == before:
            return
    write_durably(layout.lake_manifest, before.to_json())


def rebuild_warehouse(settings: Settings, clock: Clock) -> Manifest:
    """Rebuild the warehouse from the lake alone and publish it; PostgreSQL is not needed.

    Raises:
        LakeError: there is no lake, or its files are missing or damaged.
    """
    layout = Layout(settings.data_dir)
    with layout.locked():
        _require_lake(layout)
        for path in (layout.warehouse, layout.warehouse.with_suffix(".duckdb.wal")):
            path.unlink(missing_ok=True)
        with open_warehouse(settings) as warehouse:
            manifest = recover(warehouse)
            assert manifest is not None
            manifest = publish(warehouse, clock())
        follow(settings)
        return manifest


def publish_again(settings: Settings, clock: Clock) -> Manifest:
    """Publish the warehouse again, with this version's views and metrics.

    For use after an upgrade with new metrics: nothing is read, so `data_through` stays the same.
    The lake is not touched, and PostgreSQL is not needed.

    Raises:
        PublishError: nothing has been loaded yet.
    """
    layout = Layout(settings.data_dir)
    with (
        layout.locked(),
        open_warehouse(settings) as warehouse,
    ):
        recover(warehouse)
        manifest = publish(warehouse, clock(), compare_hour=settings.verify_hour)
        follow(settings)
        _collect(settings, layout, manifest, clock())
        return manifest


def _require_lake(layout: Layout) -> None:
    """Stop unless the lake is complete: a rebuild cannot read missing files from the source."""
    described = lake_manifest(layout) or read_manifest(layout.lake_manifest)
    lost = missing(layout, described) or unreadable(layout, described)
    if lost:
        raise lake_error(layout, lost)


def has_left_chunks(layout: Layout, manifest: Manifest | None) -> bool:
    """Whether a finished backfill left its chunks: all their days are in the coverage."""
    try:
        chunks = read_chunks(layout)
    except BackfillError:
        return False
    return chunks is not None and manifest is not None and not chunks.days - manifest.coverage


def _require_no_backfill(layout: Layout) -> None:
    """Stop a first load beside an unfinished backfill, which may cover fewer days."""
    if read_chunks(layout) is not None:
        raise BackfillError(
            f"a backfill into {layout.root} is unfinished, and nothing else has been loaded yet",
            hint=f"Finish it (`{call('backfill')}`, with the same days), or remove "
            f"{layout.backfill} to load everything.",
        )


def _rewrite_if_bloated(warehouse: Warehouse, *, is_first: bool) -> None:
    if is_first:
        warehouse.remember_fresh_size()
    elif warehouse.is_bloated():
        before = warehouse.layout.warehouse.stat().st_size
        warehouse.rewrite()
        after = warehouse.layout.warehouse.stat().st_size
        log.info("warehouse.rewritten", bytes_before=before, bytes_after=after)


def _collect(
    settings: Settings,
    layout: Layout,
    manifest: Manifest,
    now: datetime,
    rebuilt: Collection[Place] | None = None,
) -> int:
    return collect(
        layout,
        manifest,
        now,
        keep=settings.keep_generations,
        grace_seconds=settings.grace_seconds,
        keeps_spare=settings.reuse_generations,
        rebuilt=rebuilt,
    )


def _log(report: CycleReport) -> None:
    """Log the cycle's one canonical line, and one error per table that keeps what is gone."""
    batch, reconciled = report.manifest.last_batch, report.reconciled
    published = report.manifest.file if report.is_published else None
    tables = {n: table for n, table in report.extract.tables.items() if table.is_available}
    log.info(
        "cycle",
        batch=batch.batch,
        batches=len(reconciled.extracts),
        mode=batch.mode,
        mode_reason=batch.mode_reason,
        generation=report.manifest.generation,
        is_published=report.is_published,
        published_by=published.made_by if published else None,
        bytes_published=published.written if published else 0,
        data_through=batch.data_through.isoformat(),
        rows_read={name: table.rows for name, table in tables.items()},
        bytes_read={name: table.bytes for name, table in tables.items()},
        read_ms={name: table.ms for name, table in tables.items()},
        full_reads=[name for name, table in tables.items() if table.is_full],
        rows_changed=report.rows_changed,
        dimensions_changed={k: n for f in reconciled.folds for k, n in f.dimensions.items()},
        days_rebuilt=report.days_rebuilt,
        files_proved=reconciled.proved,
        lake_bytes_written=sum(c.file.bytes for f in reconciled.folds for c in f.days if c.file),
        bytes_freed=report.bytes_freed,
        step_ms=report.steps_ms,
        held_back_by=batch.held_back_by,
    )
    for table, rows in reconciled.refused.items():
        log.error(
            "removal.refused",
            table=table,
            gone_rows=rows,
            held_rows=report.manifest.tables[table].rows,
            hint=f"the rows are gone at the source and stay here; {how_to_accept()}",
        )
