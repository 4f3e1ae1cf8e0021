"""What `source check`, `source install` and `source uninstall` have found and done, as text."""

from __future__ import annotations

from etl.check import CheckedTable, SourceCheck
from etl.feed.install import Script, Site
from etl.report.text import columns, duration, number
from olap.commands import call
from olap.manifest import Mode

# From here on several readers are worth it (etl/README.md).
BACKFILL_ROWS = 10_000_000


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
            lines += [f"  {line}" for line in columns(cells, are_words=True)]
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
    lines += [f"Also done: {statement}" for statement in script.afterwards]
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
    lines += [f"Also done: {statement}" for statement in script.afterwards]
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
    return columns(rows)


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
    return columns(rows)


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
        f"A first load takes about {duration(check.load_seconds)}: {read:,} of {rows:,} rows were "
        "read, the time is scaled to all of them, and writing takes as long as reading."
    ]
    if rows > BACKFILL_ROWS:
        lines.append(f"`{call('backfill --jobs 4')}` reads with several readers.")
    return lines


def _verdict(check: SourceCheck) -> str:
    warnings = len(check.findings) - check.errors
    found = f"{number(check.errors, 'error')}, {number(warnings, 'warning')}."
    return f"{found[0].upper()}{found[1:]} " + (
        "Correct the errors and run the check again." if check.errors else f"Next: `{call('etl')}`."
    )
