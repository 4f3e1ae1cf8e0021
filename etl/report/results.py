"""What cycles, backfills, proofs and erasures have done, as text."""

from __future__ import annotations

from etl.backfill import BackfillReport
from etl.cycle import CycleReport
from etl.erase import ErasureReceipt
from etl.report.text import columns, instant_text, size_text, time_spent
from etl.verify import Verification
from olap.brake import refusal_text
from olap.commands import call
from olap.generations import current
from olap.layout import Layout


def cycle_text(report: CycleReport, layout: Layout) -> str:
    """What a cycle read and published."""
    rows = [("table", "read", "rows read", "MB", "ms", "rows now", "days")]
    for name, table in report.extract.tables.items():
        if not table.is_available:
            continue
        days = report.manifest.days(name)
        rows.append(
            (
                name,
                "all" if table.is_full else "changes",
                f"{table.rows:,}",
                f"{table.bytes / 1e6:,.1f}",
                f"{table.ms:,}",
                f"{report.manifest.tables[name].rows:,}",
                f"{days:,}" if days else "",
            )
        )
    changes = f"{report.rows_changed:,} rows new or changed, {report.days_rebuilt:,} days rebuilt."
    lines = [*columns(rows), "", f"{changes} {time_spent(report.steps_ms)}"]
    lines += [
        refusal_text(table, rows, report.manifest.tables[table].rows)
        for table, rows in report.reconciled.refused.items()
    ]
    if not report.is_published:
        lines.append("Nothing changed, so no new generation was published.")
    return "\n".join([*lines, "", generation_text(layout)])


def cycle_line(report: CycleReport) -> str:
    """A cycle in one line, for cycles that repeat."""
    batch = report.manifest.last_batch
    return (
        f"{batch.data_through:%H:%M:%S} UTC  generation {report.manifest.generation}: "
        f"{batch.rows_read:,} rows read, {report.rows_changed:,} changed, "
        f"{report.days_rebuilt:,} days rebuilt"
    )


def backfill_text(report: BackfillReport, layout: Layout) -> str:
    """What a backfill read, and the generation that it ended with."""
    progress = report.progress
    if not report.days and report.cycle is None:
        return "All of these days are covered already.\n\n" + generation_text(layout)
    lines = [
        f"{progress.blocks_done - report.resumed_blocks:,} blocks read in "
        f"{report.read_ms / 1000:,.1f} s, {report.resumed_blocks:,} by an earlier command; "
        f"{progress.rows:,} rows.",
        f"Days: {report.days}.",
    ]
    if report.cycle is None:
        left = progress.blocks - progress.blocks_done
        lines.append(f"Stopped with {left:,} blocks to go; the same command continues.")
        return "\n".join(lines)
    return "\n".join([*lines, "", cycle_text(report.cycle, layout)])


def generation_text(layout: Layout) -> str:
    """The published generation, described by its manifest: however large, it is not opened."""
    manifest = current(layout)
    if manifest is None:
        return "No generation has been published."
    size = size_text(layout.pointer.resolve().stat().st_size)
    rows = {name: table.rows for name, table in manifest.tables.items()}
    return "\n".join(
        [
            f"Generation {manifest.generation} in {layout.pointer} ({size}):",
            f"  data through {instant_text(manifest.data_through)}",
            f"  {rows['messages']:,} messages on {manifest.days('messages'):,} days, "
            f"{rows['users']:,} users, {rows['conversations']:,} conversations",
            f"`{call('shell')}` opens it in DuckDB.",
        ]
    )


def verification_text(found: Verification, layout: Layout) -> str:
    """What was compared with the source, and what differs."""
    reconciled, manifest = found.reconciled, found.manifest
    rows = [("table", "rows compared", "files proved", "all proved since")]
    for name, table in reconciled.extracts[0].tables.items():
        proof = manifest.proof(name)
        if not proof.files:
            continue
        here = {file.day: file.rows for file in manifest.files if file.table == name}
        counts = here if table.counts is None else table.counts
        compared = sum(n for day, n in counts.items() if day is None or day in table.proved)
        since = instant_text(proof.proved_at) if proof.proved_at else "not yet"
        rows.append((name, f"{compared:,}", f"{proof.proved_files:,}/{proof.files:,}", since))
    lines = []
    for found_day in reconciled.differences:
        lines.append(
            f"{found_day.table} {found_day.day or '(whole)'}: {found_day.missing_rows:,} rows are "
            f"missing here, {found_day.extra_rows:,} rows are missing at the source"
        )
    for name, days in reconciled.miscounted.items():
        lines.append(f"{name} {days}: the number of rows differs from the source")
    for name, gone in reconciled.refused.items():
        lines.append(refusal_text(name, gone, manifest.tables[name].rows))
    if not reconciled.is_settled:
        lines.append("These differ from the source; `--repair` reads them again.")
    elif found.is_repaired:
        lines.append("What differed was read again, and equals the source now.")
    else:
        lines.append("Everything compared equals the source.")
    lines.append(time_spent(found.steps_ms))
    return "\n".join([*columns(rows), "", *lines, "", generation_text(layout)])


def receipt_text(receipt: ErasureReceipt, layout: Layout) -> str:
    """The receipt of an erasure."""
    lines = [
        f"Rewritten: {receipt.lake_files:,} day files and the warehouse. Generation "
        f"{receipt.generation} is published, {receipt.generations_removed:,} older ones are "
        "removed.",
        f"Cache: {receipt.cache}.",
        f"Removed: {receipt.things:,} views and dashboards of the person's own.",
        f"Searched: {receipt.files_searched:,} files below {layout.root} and STATE_DIR, as "
        f"{receipt.bytes_searched:,} bytes and {receipt.values_searched:,} decoded values. Neither "
        "the id nor a name was found.",
    ]
    if receipt.chunks:
        lines.insert(1, f"{receipt.chunks:,} ranges of an unfinished backfill will be read again.")
    if receipt.renamed:
        lines.append(
            f"{receipt.renamed:,} views and dashboards of others had the id or a name in their "
            "names, and have others now."
        )
    if receipt.shared_names:
        lines.append(f"{receipt.shared_names} of the names are kept: another user has them too.")
    if receipt.plain_texts:
        lines.append(
            f"{receipt.plain_texts} of the texts are too short or too common to search for in "
            "bytes; they were searched for in decoded values."
        )
    if receipt.made_ids:
        lines.append(
            f"{receipt.made_ids:,} ids of conversations, messages or events contain the id or a "
            "name. They are kept, because another id would be another conversation."
        )
    lines.append(
        "Not covered: copies made by analysts, backups, and disk blocks that were not reused yet."
    )
    return "\n".join(lines)
