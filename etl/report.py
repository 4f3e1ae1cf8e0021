"""What the command line prints for people: a cycle, the status, a few numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import duckdb

from etl.backfill import BackfillReport
from etl.cycle import CycleReport
from etl.erase import ErasureReceipt
from etl.verify import Verification
from olap import sqlfiles
from olap.layout import Layout
from olap.publish import current
from olap.status import Status


def cycle_text(report: CycleReport, layout: Layout) -> str:
    """What a cycle read and what it published."""
    rows = [("table", "rows read", "MB", "ms", "rows now", "days")]
    for name, table in report.extract.tables.items():
        state = report.manifest.tables[name]
        days = report.manifest.days(name)
        rows.append(
            (
                name + (" (whole)" if table.is_full else ""),
                f"{table.rows:,}",
                f"{table.bytes / 1e6:,.1f}",
                f"{table.ms:,}",
                f"{state.rows:,}",
                f"{days:,}" if days else "",
            )
        )
    steps = ", ".join(f"{step} {ms:,} ms" for step, ms in report.steps_ms.items() if ms)
    lines = [*_columns(rows), "", f"{report.rows_changed:,} rows were new or different."]
    lines += [f"Steps: {steps}.", ""]
    if not report.is_published:
        lines.append("Nothing changed, so the last generation stands.")
    return "\n".join([*lines, generation_text(layout)])


def backfill_text(report: BackfillReport, layout: Layout) -> str:
    """What a backfill read, and the generation that it ended with."""
    progress = report.progress
    if not report.days and report.cycle is None:
        return "All of these days are covered already.\n" + generation_text(layout)
    read = progress.blocks_done - report.resumed_blocks
    lines = [
        f"{read:,} blocks read in {report.read_ms / 1000:,.1f} s, "
        f"{report.resumed_blocks:,} had been read before; {progress.rows:,} rows; days: "
        f"{report.days}."
    ]
    if report.cycle is None:
        left = progress.blocks - progress.blocks_done
        lines.append(f"Stopped with {left:,} blocks to go; the same command goes on.")
    else:
        lines += ["", cycle_text(report.cycle, layout)]
    return "\n".join(lines)


def generation_text(layout: Layout) -> str:
    """Which generation stands, where, and a few numbers out of it."""
    manifest, path = current(layout), layout.pointer.resolve()
    if manifest is None:
        return "No generation has been published."
    return "\n".join(
        [
            f"Generation {manifest.generation}: {layout.pointer} -> {path.name} "
            f"({path.stat().st_size / 1e6:,.1f} MB)",
            f"  data through {_instant(manifest.data_through)}",
            *few_numbers(path),
            "Look into it with `make shell`.",
        ]
    )


def few_numbers(generation: Path) -> list[str]:
    """A few numbers, computed from the published file as anybody would."""
    with duckdb.connect(str(generation), read_only=True) as connection:
        row = sqlfiles.run(connection, "report/few_numbers")[0]
    messages, deleted, days, conversations, users, sender_days, week_senders = row
    return [
        f"  {messages:,} messages on {days:,} days, {deleted:,} of them deleted",
        f"  {users:,} users in {conversations:,} conversations",
        f"  in its last 7 UTC days {week_senders:,} people wrote, "
        f"{sender_days / 7:,.0f} on an average day",
    ]


def verification_text(found: Verification, layout: Layout) -> str:
    """What was proved, and what differed."""
    reconciled, manifest = found.reconciled, found.manifest
    rows = [("table", "rows compared", "files proved", "all proved since")]
    for name, table in reconciled.extracts[0].tables.items():
        proof = manifest.proof(name)
        if not proof.files:
            continue
        compared = sum(n for day, n in table.counts.items() if day is None or day in table.proved)
        since = _instant(proof.proved_at) if proof.proved_at else "not yet"
        rows.append((name, f"{compared:,}", f"{proof.proved_files:,}/{proof.files:,}", since))
    lines = [*_columns(rows), ""]
    for difference in reconciled.differences:
        lines.append(
            f"{difference.table} {difference.day or '(whole)'}: {difference.missing_rows:,} rows "
            f"of the source are missing, {difference.extra_rows:,} rows here are not at the source"
        )
    for name, days in reconciled.miscounted.items():
        lines.append(f"{name} {days}: not as many rows as at the source")
    if not reconciled.is_settled:
        lines.append("These differ from the source. `--repair` reads them again.")
    elif found.is_repaired:
        lines.append("What differed was read again, and is now equal to the source.")
    else:
        lines.append("Everything compared is equal to the source.")
    steps = ", ".join(f"{step} {ms:,} ms" for step, ms in found.steps_ms.items() if ms)
    return "\n".join([*lines, f"Steps: {steps}.", "", generation_text(layout)])


def receipt_text(receipt: ErasureReceipt, layout: Layout) -> str:
    """The receipt of an erasure."""
    lines = [
        f"{receipt.lake_files:,} day files were written anew, and the warehouse; generation "
        f"{receipt.generation} was published, {receipt.generations_removed:,} older ones removed.",
        f"Cache: {receipt.cache}.",
        f"Searched afterwards: {receipt.files_searched:,} files below {layout.root}, "
        f"{receipt.bytes_searched:,} bytes as they lie and {receipt.values_searched:,} values "
        "decoded: neither the id nor a name was found.",
    ]
    if receipt.chunks:
        lines.insert(1, f"{receipt.chunks:,} ranges of an unfinished backfill are read again.")
    if receipt.shared_names:
        lines.append(f"{receipt.shared_names} of the names another user has too; it stays theirs.")
    if receipt.plain_texts:
        lines.append(
            f"{receipt.plain_texts} of the texts are too short or too common to search for byte by "
            "byte; they were searched for as values."
        )
    lines.append(
        "Out of reach: what analysts copied away, backups, and blocks the disk has not reused."
    )
    return "\n".join(lines)


def status_text(status: Status) -> str:
    """The status for a terminal."""
    lines = [f"{status.level}", *(f"  {reason}" for reason in status.reasons), ""]
    if status.generation is not None:
        lines += [
            f"generation    {status.generation}, published {_instant(status.generated_at)}",
            f"data through  {_instant(status.data_through)}",
        ]
    if status.lag_seconds is not None:
        lines.append(f"lag           {status.lag_seconds:,.0f} s since the last batch")
    if status.watermark is not None:
        watermark = status.watermark
        lines.append(
            f"watermark     xid {watermark.xid}, {watermark.age_xids:,} transactions and "
            f"{watermark.age_seconds:,.0f} s behind the last snapshot"
        )
        lines.append(f"held back by  {watermark.held_back_by or 'nobody'}")
    disk = status.disk
    lines.append(
        f"disk          lake {_mb(disk.lake)}, warehouse {_mb(disk.warehouse)}, "
        f"generations {_mb(disk.generations)}, free {_mb(disk.free)}"
    )
    if status.coverage:
        lines.append(f"coverage      {status.coverage}")
    if status.backfill:
        lines.append(f"backfill      {status.backfill}")
    if status.tables:
        rows = [("table", "rows", "at the source", "outside", "days", "proved", "all since")]
        rows += [
            (
                name,
                f"{t.rows:,}",
                f"{t.source_rows:,}",
                f"{t.outside_rows:,}",
                f"{t.days:,}" if t.days else "",
                f"{t.proof.proved_files:,}/{t.proof.files:,}",
                _instant(t.proof.proved_at) if t.proof.proved_at else "not yet",
            )
            for name, t in status.tables.items()
        ]
        lines += ["", *_columns(rows)]
    if status.batches:
        last = [("batch", "data through", "read", "changed", "days rebuilt", "ms")]
        last += [
            (
                str(batch["batch"]),
                _instant(batch["data_through"]),
                f"{batch['rows_read']:,}",
                f"{batch['rows_changed']:,}",
                f"{batch['days_rebuilt']:,}",
                f"{batch['read_ms'] + batch['fold_ms']:,}",
            )
            for batch in status.batches
        ]
        lines += ["", *_columns(last)]
    return "\n".join(lines)


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows as aligned text: the first column to the left, the others to the right."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _instant(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "never"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
