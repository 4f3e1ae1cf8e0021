"""Extract: read everything that may have changed, under one snapshot, into staging.

One transaction of the source holds the locks and the snapshot. What a feed tells of the changes is
asked beside it, up to that snapshot (`etl.feed`); `etl.batch_reader` then reads each table.

A backfill reads ranges of blocks instead, each into a chunk (`etl.range_reader`).
"""

from __future__ import annotations

import time

from etl.batch_plan import BatchPlan
from etl.batch_reader import BatchReader
from etl.by_keys import ScanNeededError
from etl.feed.reading import prepare, read_feed
from etl.guards import require_same_source, require_same_tables
from etl.source import open_source
from olap.extract import Extract
from olap.log import get_logger
from olap.manifest import Manifest, Mode, SourceShape
from olap.mapping import SourceMapping, read_mapping
from olap.secret import Secret
from olap.settings import Settings
from olap.warehouse import Warehouse

log = get_logger(__name__)


def read_batch(
    warehouse: Warehouse,
    before: Manifest | None,
    settings: Settings,
    url: Secret,
    plan: BatchPlan,
) -> Extract:
    """Read a batch into staging.

    The source's transaction ends before the rows are processed, so that our work does not hold
    back the source's vacuum.

    Raises:
        SourceError: PostgreSQL cannot be read, or is not the database of the last cycle.
    """
    started = time.perf_counter()
    warehouse.forget_staged()
    mapping = read_mapping(settings.source_mapping)
    prepared = prepare(settings, url, before)
    with open_source(url, settings, mapping) as source:
        if not plan.is_full:
            require_same_source(before, source.snapshot)
            require_same_tables(before, source.relations)
        reading = read_feed(settings, url, prepared, source, before)
        changes = None if plan.is_full or plan.is_scan or plan.chunks else reading.changes
        reason = reading.reason
        reader = BatchReader(warehouse, source, before, plan, changes)
        try:
            tables = reader.read_all()
        except ScanNeededError as error:
            log.warning("feed.not_used", reason=str(error))
            warehouse.forget_staged()
            reason = str(error)
            reader = BatchReader(warehouse, source, before, plan, None)
            tables = reader.read_all()
        snapshot = source.snapshot
    return Extract(
        source=snapshot.identity,
        shape=shape_of(settings, mapping),
        coverage=plan.coverage,
        snapshot=snapshot.text,
        watermark=snapshot.xmin,
        data_through=snapshot.seen_at,
        held_back_by=snapshot.held_back_by,
        ms=round((time.perf_counter() - started) * 1000),
        tables=tables,
        mode=reading.mode if reader.has_read_by_keys else Mode.SCAN,
        mode_reason=reason,
        feed=reading.state,
    )


def shape_of(settings: Settings, mapping: SourceMapping) -> SourceShape:
    """How the source is read, for the record."""
    return SourceShape(
        mapping=mapping.name,
        ids=mapping.ids,
        inexact=mapping.inexact,
        row_security=settings.source_row_security,
    )
