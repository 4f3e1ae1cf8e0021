"""What the command line prints for people: results as text, errors, and the progress of a backfill.

The text is for terminals of 80 columns. Times are UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from etl.backfill import BackfillReport, Progress
from etl.check import CheckedTable, SourceCheck
from etl.cycle import CycleReport
from etl.erase import ErasureReceipt
from etl.feed.install import Script, Site
from etl.verify import Verification
from olap.brake import refusal_text
from olap.commands import call
from olap.generations import current
from olap.layout import Layout
from olap.manifest import Mode, Proof, SourceShape
from olap.status import Status, TableStatus

LINE_SECONDS = 5.0
# From here on several readers are worth it (etl/README.md).
BACKFILL_ROWS = 10_000_000


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
    lines = [*_columns(rows), "", f"{changes} {_seconds(report.steps_ms)}"]
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


def _proved_since(proof: Proof) -> str:
    if not proof.files:
        return ""
    return f"{proof.proved_at:%Y-%m-%d %H:%M}" if proof.proved_at else "not yet"


def generation_text(layout: Layout) -> str:
    """The published generation, described by its manifest: however large, it is not opened."""
    manifest, path = current(layout), layout.pointer.resolve()
    if manifest is None:
        return "No generation has been published."
    rows = {name: table.rows for name, table in manifest.tables.items()}
    return "\n".join(
        [
            f"Generation {manifest.generation} in {layout.pointer} ({_size(path.stat().st_size)}):",
            f"  data through {_instant(manifest.data_through)}",
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
        since = _instant(proof.proved_at) if proof.proved_at else "not yet"
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
    lines.append(_seconds(found.steps_ms))
    return "\n".join([*_columns(rows), "", *lines, "", generation_text(layout)])


def check_text(check: SourceCheck) -> str:
    """What a mapping makes of a source."""
    kinds = ("user", "conversation", "message", "event")
    ids = ", ".join(f"{kind} {check.ids.of(kind).value}" for kind in kinds)
    lines = [
        f"Mapping {check.mapping}, on PostgreSQL {check.version}, database {check.database}, as "
        f"role {check.role}.",
        f"Ids: {ids}.",
        "",
        *_source_tables(check),
        "",
        *_checked_tables(check),
    ]
    absent = [f"{t.name} is not available: {t.absence}." for t in check.tables if t.absence]
    lines += ["", *absent] if absent else []
    lines += ["", *_scanned(check)] if any(table.unkeyed for table in check.tables) else []
    for table in check.tables:
        if table.sample:
            lines += ["", f"{table.name}, for example"]
            cells = [(name, *(row[name] for row in table.sample)) for name in table.sample[0]]
            lines += [f"  {line}" for line in _columns(cells, are_words=True)]
    if check.inexact:
        lines += ["", "Not exact in this messenger:", *(f"- {s}" for s in check.inexact)]
    for finding in check.findings:
        where = f"{finding.file}: " if finding.file else ""
        lines += ["", f"{finding.level}: {where}{finding.message}", f"  {finding.hint}"]
    return "\n".join([*lines, "", *_load_estimate(check), _verdict(check)])


def installed_text(mode: Mode, site: Site, script: Script) -> str:
    """What was installed at the source, and what comes next."""
    lines = [
        f"Installed: a {mode} that the role {script.etl_role} reads. Followed by their keys:",
        *(f"  {table}" for table in site.followed),
    ]
    if site.scanned:
        lines += ["They stay scanned:", *(f"  {table}" for table in site.scanned)]
    lines += [f"Done besides: {statement}" for statement in script.afterwards]
    if mode is Mode.SLOT:
        next_ = (
            "The next cycle creates the slot, and later ones read it. WAL that the ETL has not "
            f"read stays on the source's disk: `{call('status')}` shows how much. If the ETL is "
            "not going to run for long, take the slot away: "
        )
    else:
        next_ = (
            "The next cycle scans once more, and later ones read the log. It grows until the ETL "
            "has read it. If the ETL is not going to run for long, take the log away: "
        )
    return "\n".join([*lines, f"{next_}`{call(f'source uninstall {mode}')}`."])


def uninstalled_text(mode: Mode, script: Script) -> str:
    """What was taken away at the source."""
    lines = [f"Taken away: the {mode}, and all that was installed for it."]
    lines += [f"Done besides: {statement}" for statement in script.afterwards]
    return "\n".join([*lines, "The next cycle scans the tables."])


def _source_tables(check: SourceCheck) -> list[str]:
    rows = [("source table", "kind", "select", "rows", "MB")]
    rows += [
        (
            relation.name,
            relation.kind or "missing",
            "yes" if relation.may_read else "no",
            "unknown" if relation.rows is None else f"{relation.rows:,}",
            f"{relation.bytes / 1e6:,.1f}",
        )
        for relation in check.relations
    ]
    return _columns(rows)


def _checked_tables(check: SourceCheck) -> list[str]:
    rows = [("table", "read", "rows", "scan s", "load s")]
    rows += [
        (
            table.name,
            _way(table),
            "" if table.rows is None else f"{table.rows:,}",
            "" if table.scan_seconds is None else f"{table.scan_seconds:,.2f}",
            "" if table.load_seconds is None else f"{table.load_seconds:,.2f}",
        )
        for table in check.tables
    ]
    return _columns(rows)


def _scanned(check: SourceCheck) -> list[str]:
    """What is scanned although a feed tells the keys of changed rows."""
    return [
        "With a feed of keys (ETL_MODE) these are scanned nevertheless:",
        *(f"- {table.name}: {table.unkeyed}." for table in check.tables if table.unkeyed),
    ]


def _way(table: CheckedTable) -> str:
    if table.absence:
        return "not available"
    return "whole in every cycle" if table.is_whole else "by row version"


def _load_estimate(check: SourceCheck) -> list[str]:
    read = sum(table.sample_rows for table in check.tables)
    rows = sum(table.rows or 0 for table in check.tables)
    if check.load_seconds is None:
        return ["A first load cannot be estimated: not every table could be read."]
    lines = [
        f"A first load takes about {_duration(check.load_seconds)}: {read:,} of {rows:,} rows were "
        "read, the time is scaled to all of them, and writing takes as long as reading."
    ]
    if rows > BACKFILL_ROWS:
        lines.append(f"`{call('backfill --jobs 4')}` reads with several readers.")
    return lines


def _verdict(check: SourceCheck) -> str:
    warnings = len(check.findings) - check.errors
    found = f"{_number(check.errors, 'error')}, {_number(warnings, 'warning')}."
    return f"{found[0].upper()}{found[1:]} " + (
        "Correct the errors and run the check again." if check.errors else f"Next: `{call('etl')}`."
    )


def _number(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    """A time to wait, in the unit that people would use."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:,.0f} minutes" if seconds < 6000 else f"{seconds / 3600:,.1f} hours"


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
    disk = status.disk
    lines += [
        f"disk used     lake {_size(disk.lake)}, warehouse {_size(disk.warehouse)}, "
        f"generations {_size(disk.generations)}",
        f"disk free     {_size(disk.free)}",
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
                _proved_since(t.proof),
            )
            for name, t in status.tables.items()
            if t.is_available
        ]
        lines += ["", *_columns(rows)]
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
        lines += ["", *_columns(last)]
    return "\n".join(lines)


def _feed_lines(status: Status) -> Iterator[str]:
    """How the last batch found what changed, and what feeds cost the source."""
    if status.mode is not None:
        reason = f": {status.mode_reason}" if status.mode_reason else ""
        yield f"mode          {status.mode}{reason}"
    slot, log = (status.feed.slot, status.feed.log) if status.feed else (None, None)
    if slot is not None:
        limit = f" of {_size(slot.limit_bytes)}" if slot.limit_bytes else ", without a limit"
        yield f"slot          {_size(slot.retained_bytes)}{limit} of log retained at the source"
    if log is not None:
        yield f"change log    some {log.log_rows:,} rows, {_size(log.log_bytes)} at the source"


def _shape_lines(shape: SourceShape, tables: Mapping[str, TableStatus]) -> Iterator[str]:
    """How the source is read, and what it does not have."""
    lacking = [name for name, table in tables.items() if not table.is_available]
    yield f"mapping       {shape.mapping}" + (
        f"; not available: {', '.join(lacking)}" if lacking else ""
    )
    if shape.row_security == "trusted":
        yield "row security  trusted: it is your word that no policy hides rows from the role"


@contextmanager
def shown_progress(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """A function that shows the progress of a backfill: a bar on a terminal, lines elsewhere."""
    if stream.isatty():
        with _bar(Console(file=stream)) as show:
            yield show
    else:
        yield _progress_lines(stream, time.monotonic)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("reading", total=None, rows="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=_activity(progress),
                total=max(progress.blocks, 1),
                completed=progress.blocks_done,
                rows=f"{progress.rows:,} rows",
            )

        yield show


def _progress_lines(stream: TextIO, monotonic: Callable[[], float]) -> Callable[[Progress], None]:
    last: tuple[float, Progress] | None = None

    def show(progress: Progress) -> None:
        nonlocal last
        now = monotonic()
        is_end = progress.blocks_done == progress.blocks
        if last and ((now - last[0] < LINE_SECONDS and not is_end) or progress == last[1]):
            return
        last = (now, progress)
        percent = 100 * progress.blocks_done / max(progress.blocks, 1)
        print(
            f"{_activity(progress)}: {progress.blocks_done:,} of {progress.blocks:,} blocks "
            f"({percent:.0f} %), {progress.rows:,} rows",
            file=stream,
            flush=True,
        )

    return show


def _activity(progress: Progress) -> str:
    if progress.lag_bytes is None:
        return "reading"
    return f"waiting for a replica that is {progress.lag_bytes / 1e6:,.0f} MB behind"


def _seconds(steps_ms: Mapping[str, int]) -> str:
    return f"Time: {sum(steps_ms.values()) / 1000:,.1f} s."


def _columns(rows: Iterable[tuple[str, ...]], *, are_words: bool = False) -> list[str]:
    """Rows as aligned text: words, or everything, to the left, and numbers to the right."""
    table = list(rows)
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    to_the_left = [are_words or column[-1][:1].isalpha() for column in columns]
    return [
        "  ".join(
            cell.ljust(width) if is_word else cell.rjust(width)
            for cell, width, is_word in zip(row, widths, to_the_left, strict=True)
        ).rstrip()
        for row in table
    ]


def _instant(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "never"


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
