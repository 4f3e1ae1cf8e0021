"""What the bench found: one record, as JSON for machines and as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from tests.bench.changes import CHANGES
from tests.bench.etl_run import EtlRun
from tests.bench.goals import NOT_MEASURED, Verdict
from tests.bench.loads import Loads
from tests.bench.machine import Machine

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """The comparison of one messenger's first loads: medians, in all rows a second.

    Attributes:
        beside_copy: our rows a second as a share of COPY's.
        beside_dlt: how many times dlt's they are; null without dlt.
    """

    messenger: str
    rows: int
    copy_rows_per_second: float
    our_rows_per_second: float
    dlt_rows_per_second: float | None
    beside_copy: float
    beside_dlt: float | None
    peak_bytes: int

    @classmethod
    def of(cls, loads: Loads) -> Speeds:
        """Taken from all rounds."""
        rows, dlt = loads.total_rows, loads.dlt_seconds
        return cls(
            messenger=loads.name,
            rows=rows,
            copy_rows_per_second=rows / loads.copy_seconds,
            our_rows_per_second=rows / loads.seconds,
            dlt_rows_per_second=rows / dlt if dlt else None,
            beside_copy=loads.speed_beside_copy,
            beside_dlt=loads.speed_beside_dlt,
            peak_bytes=loads.peak_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTimes:
    """Medians over the cycles, each figure by itself, in milliseconds.

    Attributes:
        fold_ms: day files, dimensions, facts, rollups and the commit.
        process_ms: wall time of the whole process.
    """

    changes: int
    cycles: int
    rows_read: float
    days_rebuilt: float
    read_ms: float
    fold_ms: float
    publish_ms: float
    process_ms: float

    @classmethod
    def of(cls, cycles: Sequence[EtlRun]) -> CycleTimes:
        """Taken from all cycles."""
        return cls(
            changes=CHANGES,
            cycles=len(cycles),
            rows_read=median(sum(cycle.rows_read.values()) for cycle in cycles),
            days_rebuilt=median(cycle.days_rebuilt for cycle in cycles),
            read_ms=median(cycle.read_ms for cycle in cycles),
            fold_ms=median(cycle.fold_ms for cycle in cycles),
            publish_ms=median(cycle.publish_ms for cycle in cycles),
            process_ms=median(round(cycle.seconds * 1000) for cycle in cycles),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything `build/bench.json` holds: what was found, then every single run behind it."""

    format: int
    measured_at: datetime
    messages: int
    rounds: int
    machine: Machine
    verdicts: tuple[Verdict, ...]
    speeds: tuple[Speeds, ...]
    cycle: CycleTimes
    loads: tuple[Loads, ...]
    cycles: tuple[EtlRun, ...]


def report_text(report: Report) -> str:
    """The report as tables."""
    machine = report.machine
    head = (
        f"{report.messages:,} messages, rounds: {report.rounds}; {machine.cores} cores "
        f"({machine.processor}), {machine.memory_bytes / 1e9:.1f} GB, load {machine.load_average}; "
        f"Python {machine.python}, DuckDB {machine.packages['duckdb']}, "
        f"PostgreSQL {machine.postgresql}"
    )
    parts = [head]
    for loads, speeds in zip(report.loads, report.speeds, strict=True):
        parts += [_loads_text(loads, speeds), _steps_text(loads), _disk_text(loads)]
    return "\n\n".join([*parts, _cycle_text(report.cycle), _goals_text(report.verdicts)])


def _loads_text(loads: Loads, speeds: Speeds) -> str:
    rows = [("First load: " + loads.name, "s", "rows/s", "peak MB")]
    rows.append(("COPY to nowhere", *_speed(loads.copy_seconds, speeds.copy_rows_per_second), ""))
    peak = f"{loads.peak_bytes / 1e6:,.0f}"
    rows.append(("python -m etl run", *_speed(loads.seconds, speeds.our_rows_per_second), peak))
    if loads.dlt_seconds is None or speeds.dlt_rows_per_second is None:
        rows.append(("dlt", NOT_MEASURED, "", ""))
    else:
        peak = f"{max(load.peak_bytes for load in loads.dlt) / 1e6:,.0f}"
        rows.append(("dlt", *_speed(loads.dlt_seconds, speeds.dlt_rows_per_second), peak))
    beside_dlt = f"{speeds.beside_dlt:.2f} x dlt" if speeds.beside_dlt else f"dlt {NOT_MEASURED}"
    return f"{_table(rows)}\n{speeds.rows:,} rows; {speeds.beside_copy:.2f} x COPY, {beside_dlt}"


def _steps_text(loads: Loads) -> str:
    middle = sorted(loads.ours, key=lambda load: load.seconds)[len(loads.ours) // 2]
    steps = ", ".join(f"{step} {ms:,}" for step, ms in middle.steps_ms.items())
    outside = round(middle.seconds * 1000) - sum(middle.steps_ms.values())
    return f"Steps of the middle load, ms: {steps}; outside them {outside:,}"


def _disk_text(loads: Loads) -> str:
    disk = loads.disk
    parts = {
        "lake": disk.lake_bytes,
        "warehouse": disk.warehouse_bytes,
        "generation": disk.generation_bytes,
    }
    sizes = ", ".join(f"{name} {size / disk.messages:,.1f}" for name, size in parts.items())
    return f"Disk, MB per million messages with what belongs to them: {sizes}"


def _cycle_text(cycle: CycleTimes) -> str:
    rows = [
        (f"A cycle with {cycle.changes:,} changes, median of {cycle.cycles}", "ms"),
        ("read", f"{cycle.read_ms:,.0f}"),
        ("fold", f"{cycle.fold_ms:,.0f}"),
        ("publish", f"{cycle.publish_ms:,.0f}"),
        ("the whole process", f"{cycle.process_ms:,.0f}"),
    ]
    return (
        f"{_table(rows)}\n{cycle.rows_read:,.0f} rows read, {cycle.days_rebuilt:,.0f} days rebuilt"
    )


def _goals_text(verdicts: Sequence[Verdict]) -> str:
    rows = [("Goal", "messenger", "at messages", "limit", "measured", "verdict")]
    rows += [
        (
            verdict.about,
            verdict.messenger,
            f"{verdict.at_messages:,}",
            f"{'>=' if verdict.is_minimum else '<'} {verdict.limit:g} {verdict.unit}",
            "" if verdict.measured is None else f"{verdict.measured:.2f}",
            verdict.verdict,
        )
        for verdict in verdicts
    ]
    return _table(rows)


def _speed(seconds: float, rows_per_second: float) -> tuple[str, str]:
    return f"{seconds:,.1f}", f"{rows_per_second:,.0f}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Aligned text: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
