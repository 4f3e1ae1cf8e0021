"""Freshness and health: OK, WARNING or CRITICAL, from the manifests.

`status` opens neither PostgreSQL nor DuckDB. It therefore works while a cycle runs and while the
source is down, and a monitoring system can call it every few seconds. What a feed costs the source
(`FeedCosts`) is asked by the caller, and may be unknown.

The lag is measured from the last batch, not from the last generation: when nothing changes, no new
generation is published for a while, and the current one is still correct.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from olap.backfill_chunks import read_chunks
from olap.brake import refusal_text
from olap.commands import call
from olap.damage import damage
from olap.errors import BackfillError
from olap.generations import current, manifests
from olap.layout import Layout
from olap.manifest import Batch, Manifest, Mode, Proof, SourceShape, read_manifest

LAG_INTERVALS_WARNING = 2
LAG_INTERVALS_CRITICAL = 6

RETAINED_BYTES_WARNING = 10**9
# Of what the source lets a slot retain; beyond that it gives the slot up.
RETAINED_SHARE_CRITICAL = 0.8


class Level(StrEnum):
    """Overall health; `exit_code` follows the convention of monitoring systems."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"

    @property
    def exit_code(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """One table: rows here, rows at the source in the last batch, UTC days, and proofs.

    Attributes:
        refused_rows: rows here that are gone at the source, too many to remove unasked.
        is_available: whether the source has the table; its other numbers mean nothing if not.
    """

    is_available: bool
    rows: int
    source_rows: int
    outside_rows: int
    refused_rows: int
    days: int
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkStatus:
    """The xid from which the next cycle reads.

    Attributes:
        xid: the watermark, as xid8.
        age_xids: transactions that have started since; each cycle reads their rows again.
        age_seconds: how long the watermark has not moved, within the recorded batches.
        held_back_by: the oldest transaction that was open during the last batch.
    """

    xid: int
    age_xids: int
    age_seconds: float
    held_back_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStatus:
    """Bytes used below DATA_DIR, and bytes free on its file system."""

    lake: int
    warehouse: int
    generations: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCosts:
    """What the slot keeps the source from removing.

    Attributes:
        wal_status: as PostgreSQL calls it; `lost` = it has given the slot up.
        retained_bytes: of its log.
        limit_bytes: `max_slot_wal_keep_size`; None = no limit.
    """

    slot_name: str
    wal_status: str | None
    retained_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCosts:
    """The change log: an estimate of its rows, and its bytes."""

    log_rows: int
    log_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCosts:
    """What feeds cost the source now; see `etl.feed`."""

    slot: SlotCosts | None
    log: LogCosts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaStatus:
    """The lake as Delta tables; see `olap.delta`.

    Attributes:
        generation: the newest one whose lake is published so; None = none that is kept.
        versions: the version of each table.
    """

    generation: int | None
    versions: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of one DATA_DIR.

    Attributes:
        mode, mode_reason: how the last batch found what changed; see `Batch`.
        feed: what feeds cost the source; None where it was not asked, or does not answer.
        delta: the lake as Delta tables; None where LAKE_FORMAT does not ask for it.
        shape: how the source is read: by which mapping, and whose word it is that no policy hides
            rows.
        coverage: the days that are kept, as text.
        backfill: the progress of an unfinished backfill, as text.
    """

    level: Level
    reasons: tuple[str, ...]
    generation: int | None
    data_through: datetime | None
    generated_at: datetime | None
    lag_seconds: float | None
    shape: SourceShape | None
    coverage: str | None
    backfill: str | None
    tables: dict[str, TableStatus]
    batches: tuple[dict[str, Any], ...]
    watermark: WatermarkStatus | None
    disk: DiskStatus
    mode: Mode | None
    mode_reason: str | None
    feed: FeedCosts | None
    delta: DeltaStatus | None


def status(
    layout: Layout,
    now: datetime,
    *,
    interval_seconds: int,
    wanted_mode: str = "auto",
    lake_format: str = "parquet",
    feed: FeedCosts | None = None,
) -> Status:
    """The status of `layout` at `now`, UTC.

    It tells whether somebody changed or locked the published file, without opening it in DuckDB.

    Args:
        wanted_mode, lake_format: the settings ETL_MODE and LAKE_FORMAT.
        feed: what feeds cost the source, if that is known.

    Raises:
        LakeError: a manifest is damaged.
    """
    generation = current(layout)
    latest = read_manifest(layout.lake_manifest) if layout.lake_manifest.exists() else generation
    reasons: list[tuple[Level, str]] = []
    lag = None
    if generation is None:
        reasons.append((Level.CRITICAL, "no generation has been published"))
    elif (reason := damage(layout, generation)) is not None:
        text = f"generation {generation.generation} is not as it was published: {reason}"
        reasons.append((Level.CRITICAL, f"{text}; the next cycle publishes a new one"))
    if latest is not None:
        lag = (now - latest.data_through).total_seconds()
        reasons += _lag_reasons(lag, interval_seconds)
        reasons += _row_reasons(latest)
        reasons += _mode_reasons(latest.last_batch, wanted_mode)
    if feed is not None:
        reasons += _feed_reasons(feed)
    delta = _delta(layout) if lake_format == "delta" else None
    if delta is not None and generation is not None and delta.generation != generation.generation:
        text = f"the lake of generation {generation.generation} is not published as Delta tables"
        way_out = "the next cycle does it; if one did not, `delta.failed` in its log says why"
        reasons.append((Level.WARNING, f"{text}: {way_out}"))
    level = max((level for level, _ in reasons), default=Level.OK, key=lambda item: item.exit_code)
    return Status(
        level=level,
        reasons=tuple(reason for _, reason in reasons),
        generation=generation.generation if generation else None,
        data_through=generation.data_through if generation else None,
        generated_at=generation.generated_at if generation else None,
        lag_seconds=lag,
        shape=latest.shape if latest else None,
        coverage=str(latest.coverage) if latest else None,
        backfill=_backfill(layout),
        tables=_tables(latest),
        batches=_batches(latest),
        watermark=_watermark(latest),
        disk=_disk(layout),
        mode=latest.last_batch.mode if latest else None,
        mode_reason=latest.last_batch.mode_reason if latest else None,
        feed=feed,
        delta=delta,
    )


def _lag_reasons(lag: float, interval_seconds: int) -> list[tuple[Level, str]]:
    if -lag > LAG_INTERVALS_WARNING * interval_seconds:
        # A real lag would go unnoticed.
        text = f"the last batch is {-lag:,.0f} s in the future: compare the source's clock"
        return [(Level.WARNING, f"{text} with this machine's")]
    for intervals, level in (
        (LAG_INTERVALS_CRITICAL, Level.CRITICAL),
        (LAG_INTERVALS_WARNING, Level.WARNING),
    ):
        if lag > intervals * interval_seconds:
            text = f"the last batch is {lag:,.0f} s old, more than {intervals} intervals"
            return [(level, f"{text} of {interval_seconds} s")]
    return []


def _row_reasons(manifest: Manifest) -> Iterator[tuple[Level, str]]:
    """The tables that do not have the rows of the source, and what to do."""
    repair = call("verify --repair")
    for name, state in manifest.tables.items():
        missing = state.source_rows - state.rows
        counts = f"{name} has {state.rows:,} rows here and {state.source_rows:,} at the source"
        if state.refused_rows:
            yield Level.CRITICAL, refusal_text(name, state.refused_rows, state.rows)
        elif missing > 0:
            yield Level.WARNING, f"{counts}: `{repair}` reads what is missing"
        elif missing < 0:
            yield Level.WARNING, f"{counts}: `{repair}` removes what is gone"


def _mode_reasons(batch: Batch, wanted: str) -> Iterator[tuple[Level, str]]:
    """That the last batch did not find what changed as ETL_MODE says."""
    if wanted in (Mode.SLOT, Mode.LOG) and batch.mode is Mode.SCAN:
        reason = batch.mode_reason or "it was read whole, or repaired"
        yield Level.WARNING, f"ETL_MODE is {wanted}, and the last batch was a scan: {reason}"


def _feed_reasons(feed: FeedCosts) -> Iterator[tuple[Level, str]]:
    """That the slot retains much of the source's log, or was given up, and the way out."""
    slot = feed.slot
    if slot is None:
        return
    way_out = (
        "cycles read it, and move it on; where none will run any more, "
        f"`{call('source uninstall slot')}` removes it"
    )
    limit = slot.limit_bytes
    retained = f"the slot {slot.slot_name} keeps {slot.retained_bytes / 1e9:,.1f} GB of log at "
    retained += "the source" + (f", of {limit / 1e9:,.1f} GB that it may" if limit else "")
    if slot.wal_status == "lost":
        text = f"the source has given up the slot {slot.slot_name}, which retained too much log"
        yield Level.CRITICAL, f"{text}: {way_out}"
    elif slot.wal_status == "unreserved" or (
        limit and slot.retained_bytes >= RETAINED_SHARE_CRITICAL * limit
    ):
        yield Level.CRITICAL, f"{retained}: {way_out}"
    elif slot.retained_bytes > RETAINED_BYTES_WARNING:
        yield Level.WARNING, f"{retained}: {way_out}"


def _tables(manifest: Manifest | None) -> dict[str, TableStatus]:
    if manifest is None:
        return {}
    return {
        name: TableStatus(
            is_available=state.is_available,
            rows=state.rows,
            source_rows=state.source_rows,
            outside_rows=state.outside_rows,
            refused_rows=state.refused_rows,
            days=manifest.days(name),
            proof=manifest.proof(name),
        )
        for name, state in manifest.tables.items()
    }


def _batches(manifest: Manifest | None) -> tuple[dict[str, Any], ...]:
    if manifest is None:
        return ()
    return tuple(
        {name: getattr(batch, name) for name in batch.__struct_fields__}
        for batch in manifest.batches[-5:]
    )


def _watermark(manifest: Manifest | None) -> WatermarkStatus | None:
    if manifest is None:
        return None
    last = manifest.last_batch
    xmin, xmax = (int(number) for number in last.snapshot.split(":")[:2])
    since = last.data_through
    for batch in reversed(manifest.batches):
        if int(batch.snapshot.split(":")[0]) != xmin:
            break
        since = batch.data_through
    return WatermarkStatus(
        xid=xmin,
        age_xids=xmax - xmin,
        age_seconds=(last.data_through - since).total_seconds(),
        held_back_by=last.held_back_by,
    )


def _backfill(layout: Layout) -> str | None:
    try:
        chunks = read_chunks(layout)
    except BackfillError as error:
        return error.message
    if chunks is None:
        return None
    return (
        f"unfinished: {chunks.blocks_done:,} of {chunks.blocks:,} blocks read "
        f"({chunks.rows:,} rows); days: {chunks.days}"
    )


def _delta(layout: Layout) -> DeltaStatus:
    """The newest generation whose lake is published as Delta tables."""
    for known in manifests(layout):
        if known.delta:
            return DeltaStatus(generation=known.generation, versions=known.delta)
    return DeltaStatus(generation=None, versions={})


def _disk(layout: Layout) -> DiskStatus:
    def size(*patterns: str) -> int:
        found = (path for pattern in patterns for path in layout.root.glob(pattern))
        return sum(
            path.stat().st_size for path in found if path.is_file() and not path.is_symlink()
        )

    existing = next(
        path for path in (layout.root, *layout.root.absolute().parents) if path.exists()
    )
    return DiskStatus(
        lake=size("lake/**/*"),
        warehouse=size("warehouse.duckdb*"),
        generations=size("generations/*/*"),
        free=shutil.disk_usage(existing).free,
    )
