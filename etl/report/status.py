"""The status as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from etl.report.text import columns, instant_text, proved_since, size_text
from olap.manifest import SourceShape
from olap.status import DeltaStatus, Status, TableStatus


def status_text(status: Status) -> str:
    """The status for a terminal."""
    lines = [f"{status.level}", *(f"  {reason}" for reason in status.reasons), ""]
    if status.generation is not None:
        lines += [
            f"generation    {status.generation}, published {instant_text(status.generated_at)}",
            f"data through  {instant_text(status.data_through)}",
        ]
    if status.lag_seconds is not None:
        lines.append(f"lag           {status.lag_seconds:,.0f} s since the last batch")
    if status.shape is not None:
        lines += _shape_lines(status.shape, status.tables)
    if status.watermark is not None:
        watermark = status.watermark
        lines.append(
            f"watermark     xid {watermark.xid}, {watermark.age_xids:,} transactions and "
            f"{watermark.age_seconds:,.0f} s behind the last snapshot"
        )
        if watermark.held_back_by is not None:
            lines.append(f"held back by  {watermark.held_back_by}")
    lines += _feed_lines(status)
    if status.delta is not None:
        lines.append(f"delta         {_delta_text(status.delta)}")
    disk = status.disk
    lines += [
        f"disk used     lake {size_text(disk.lake)}, warehouse {size_text(disk.warehouse)}, "
        f"generations {size_text(disk.generations)}",
        f"disk free     {size_text(disk.free)}",
    ]
    if status.coverage:
        lines.append(f"coverage      {status.coverage}")
    if status.backfill:
        lines.append(f"backfill      {status.backfill}")
    if status.tables:
        rows = [("table", "rows", "at source", "outside", "days", "proved", "all since (UTC)")]
        rows += [
            (
                name,
                f"{t.rows:,}",
                f"{t.source_rows:,}",
                f"{t.outside_rows:,}",
                f"{t.days:,}" if t.days else "",
                f"{t.proof.proved_files:,}/{t.proof.files:,}",
                proved_since(t.proof),
            )
            for name, t in status.tables.items()
            if t.is_available
        ]
        lines += ["", *columns(rows)]
    if status.batches:
        last = [("batch", "data through (UTC)", "rows read", "changed", "days rebuilt", "ms")]
        last += [
            (
                str(batch["batch"]),
                f"{batch['data_through']:%Y-%m-%d %H:%M:%S}",
                f"{batch['rows_read']:,}",
                f"{batch['rows_changed']:,}",
                f"{batch['days_rebuilt']:,}",
                f"{batch['read_ms'] + batch['fold_ms']:,}",
            )
            for batch in status.batches
        ]
        lines += ["", *columns(last)]
    return "\n".join(lines)


def _feed_lines(status: Status) -> Iterator[str]:
    """How the last batch found what changed, and what feeds cost the source."""
    if status.mode is not None:
        reason = f": {status.mode_reason}" if status.mode_reason else ""
        yield f"mode          {status.mode}{reason}"
    slot, log = (status.feed.slot, status.feed.log) if status.feed else (None, None)
    if slot is not None:
        limit = f" of {size_text(slot.limit_bytes)}" if slot.limit_bytes else ", without a limit"
        yield f"slot          {size_text(slot.retained_bytes)}{limit} of log retained at the source"
    if log is not None:
        yield f"change log    some {log.log_rows:,} rows, {size_text(log.log_bytes)} at the source"


def _delta_text(delta: DeltaStatus) -> str:
    """Which generation the Delta tables have."""
    if delta.generation is None:
        return "no generation that is kept is published as Delta tables"
    versions = ", ".join(f"{table} {version}" for table, version in delta.versions.items())
    return f"generation {delta.generation}; versions: {versions}"


def _shape_lines(shape: SourceShape, tables: Mapping[str, TableStatus]) -> Iterator[str]:
    """How the source is read, and what it does not have."""
    lacking = [name for name, table in tables.items() if not table.is_available]
    yield f"mapping       {shape.mapping}" + (
        f"; not available: {', '.join(lacking)}" if lacking else ""
    )
    if shape.row_security == "trusted":
        yield "row security  trusted: it is your word that no policy hides rows from the role"
