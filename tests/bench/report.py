"""The results of the bench: one record, as JSON for programs and as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from olap.manifest import Mode
from tests.bench import engine_times
from tests.bench.api_figures import (
    CachedTimes,
    PageTimes,
    Switches,
    UncachedTimes,
    per_second,
    percentile,
    processor_us,
)
from tests.bench.changes import CHANGES
from tests.bench.delta_commits import delta_rows
from tests.bench.etl_run import EtlRun
from tests.bench.goals import NOT_MEASURED, Verdict, judge
from tests.bench.hostile import HostileCase
from tests.bench.live_times import LiveTimes
from tests.bench.loads import Loads
from tests.bench.metric_times import MetricTimes
from tests.bench.page_views import rows_of
from tests.bench.parts import Part, PartName
from tests.bench.peer_times import PeerTime
from tests.bench.proofs import Proofs
from tests.bench.soak import Soak
from tests.bench.source_costs import SourceCost, beside_nothing

FORMAT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """The comparison of one messenger's first loads: medians, in rows of all tables per second.

    Attributes:
        beside_copy: the ETL's rows per second as a share of COPY's.
        beside_dlt: the same as a multiple of dlt's; null without dlt.
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
        """Compare the medians of all rounds."""
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
    """The median of each figure over the cycles of one mode, in milliseconds.

    Attributes:
        load_average: the highest of the cycles.
        fold_ms: day files, dimensions, facts, rollups and the commit.
        cycle_ms: all steps.
        process_ms: wall time of the whole process.
        processor_ms, server_ms: processor time of the process, and of the server meanwhile.
    """

    mode: Mode
    changes: int
    cycles: int
    load_average: float
    rows_read: float
    days_rebuilt: float
    read_ms: float
    fold_ms: float
    publish_ms: float
    cycle_ms: float
    process_ms: float
    processor_ms: float
    server_ms: float

    @classmethod
    def of(cls, cycles: Sequence[EtlRun]) -> CycleTimes:
        """Take the medians of some cycles of one mode."""
        return cls(
            mode=cycles[0].mode,
            load_average=max(cycle.load_average for cycle in cycles),
            changes=CHANGES,
            cycles=len(cycles),
            rows_read=median(sum(cycle.rows_read.values()) for cycle in cycles),
            days_rebuilt=median(cycle.days_rebuilt for cycle in cycles),
            read_ms=median(cycle.read_ms for cycle in cycles),
            fold_ms=median(cycle.fold_ms for cycle in cycles),
            publish_ms=median(cycle.publish_ms for cycle in cycles),
            cycle_ms=median(cycle.cycle_ms for cycle in cycles),
            process_ms=median(round(cycle.seconds * 1000) for cycle in cycles),
            processor_ms=median(cycle.processor_seconds * 1000 for cycle in cycles),
            server_ms=median(cycle.server_seconds * 1000 for cycle in cycles),
        )

    @classmethod
    def by_mode(cls, cycles: Sequence[EtlRun]) -> tuple[CycleTimes, ...]:
        """The medians of each mode that was measured."""
        runs = {mode: [cycle for cycle in cycles if cycle.mode is mode] for mode in Mode}
        return tuple(cls.of(found) for found in runs.values() if found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The content of `build/bench.json`: the verdicts, then every single run behind them."""

    format: int
    verdicts: tuple[Verdict, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Report:
        """Judge the parts."""
        return cls(format=FORMAT, verdicts=tuple(judge(parts)), parts=tuple(parts))

    def with_part(self, part: Part) -> Report:
        """The report with `part` in the place of an earlier part of the same name and size."""
        others = [p for p in self.parts if (p.name, p.messages) != (part.name, part.messages)]
        order = list(PartName)
        return Report.of(
            sorted([*others, part], key=lambda p: (order.index(p.name), p.messages)),
        )

    def to_json(self) -> bytes:
        """The indented JSON text."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read_report(path: Path) -> Report:
    """The report of earlier runs; an empty one if there is none, or only one of another format."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError):
        return Report.of(())


def report_text(report: Report) -> str:
    """The report as tables for people."""
    parts = [text for part in report.parts for text in (_head(part), *_part_texts(part))]
    return "\n\n".join([*parts, _goals_text(report.verdicts)])


def _head(part: Part) -> str:
    machine = part.machine
    missing = f"; {part.missing_peer} {NOT_MEASURED}" if part.missing_peer else ""
    return (
        f"## {part.name}: {part.messages:,} messages {part.shape}\n"
        f"{part.measured_at:%Y-%m-%d %H:%M} UTC; {machine.cores} cores ({machine.processor}), "
        f"{machine.memory_bytes / 1e9:.1f} GB, load {machine.load_average}; "
        f"Python {machine.python}, DuckDB {machine.packages['duckdb']}, "
        f"PostgreSQL {machine.postgresql}{missing}"
    )


def _part_texts(part: Part) -> list[str]:
    texts: list[str] = []
    for loads in part.loads:
        texts += [_loads_text(loads, Speeds.of(loads)), _steps_text(loads), _disk_text(loads)]
    if part.backfills:
        texts.append(_backfill_text(part.backfills))
    if part.cycles:
        texts.append(_cycles_text(CycleTimes.by_mode(part.cycles)))
    if part.source_costs:
        texts.append(_source_costs_text(part.source_costs))
    if part.proofs:
        texts.append(_proofs_text(part.proofs))
    if part.metrics:
        texts += [_metrics_text(part.metrics), _tables_text(part.metrics)]
    if part.peers:
        texts.append(_peers_text(part.peers))
    if part.api:
        texts += [_cached_text(part.api.cached), _uncached_text(part.api.uncached)]
        texts.append(_page_text(part.api.page))
        texts.append(_switches_text(part.api.switches))
    if part.hostile:
        texts.append(_hostile_text(part.hostile))
    if part.soak:
        texts.append(_soak_text(part.soak))
    if part.live:
        texts.append(_live_text(part.live))
    if part.delta:
        texts.append(_table(delta_rows(part.delta)))
    if part.page:
        texts.append(_table(rows_of(part.page)))
    if part.engine:
        texts.append(_table(engine_times.rows_of(part.engine)))
    return texts


def _loads_text(loads: Loads, speeds: Speeds) -> str:
    rows = [("First load: " + loads.name, "s", "rows/s", "peak MB")]
    rows.append(("COPY to /dev/null", *_speed(loads.copy_seconds, speeds.copy_rows_per_second), ""))
    peak = f"{loads.peak_bytes / 1e6:,.0f}"
    rows.append(("python -m etl run", *_speed(loads.seconds, speeds.our_rows_per_second), peak))
    if loads.dlt_seconds is None or speeds.dlt_rows_per_second is None:
        rows.append(("dlt", NOT_MEASURED, "", ""))
    else:
        peak = f"{max(load.peak_bytes for load in loads.dlt) / 1e6:,.0f}"
        rows.append(("dlt", *_speed(loads.dlt_seconds, speeds.dlt_rows_per_second), peak))
    beside_dlt = f"{speeds.beside_dlt:.2f} x dlt" if speeds.beside_dlt else f"dlt {NOT_MEASURED}"
    return (
        f"{_table(rows)}\n{speeds.rows:,} rows; {speeds.beside_copy:.2f} x COPY, {beside_dlt}, "
        f"{loads.speed_beside_two_cores:.2f} of what two cores allow"
    )


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


def _backfill_text(runs: Sequence[EtlRun]) -> str:
    seconds, rows = median(run.seconds for run in runs), sum(runs[0].rows_read.values())
    peak = f"{max(run.peak_bytes for run in runs) / 1e6:,.0f}"
    table = [
        (f"Backfill with 2 readers, median of {len(runs)}", "s", "rows/s", "peak MB"),
        ("python -m etl backfill", *_speed(seconds, rows / seconds), peak),
    ]
    return f"{_table(table)}\n{rows:,} rows"


def _cycles_text(modes: Sequence[CycleTimes]) -> str:
    head = f"A cycle with {modes[0].changes:,} changes, median of {modes[0].cycles}, ms"
    rows: list[tuple[str, ...]] = [(head, *(times.mode for times in modes))]
    for name, figure in (
        ("read", "read_ms"),
        ("fold", "fold_ms"),
        ("publish", "publish_ms"),
        ("the whole cycle", "cycle_ms"),
        ("the whole process", "process_ms"),
        ("processor time of it", "processor_ms"),
        ("of the server", "server_ms"),
        ("rows read", "rows_read"),
        ("days rebuilt", "days_rebuilt"),
    ):
        rows.append((name, *(f"{getattr(times, figure):,.0f}" for times in modes)))
    rows.append(("highest load", *(f"{times.load_average:.1f}" for times in modes)))
    return _table(rows)


def _source_costs_text(costs: Sequence[SourceCost]) -> str:
    rows = [("Cost at the source, medians", "mode", "processor s", "times none", "WAL MB")]
    for cost in costs:
        mode = "none" if cost.mode is Mode.SCAN else cost.mode.value
        seconds, beside = median(cost.processor_seconds), beside_nothing(costs, cost)
        wal = _mb(median(cost.wal_bytes))
        rows.append((cost.about, mode, f"{seconds:.3f}", f"{beside:.2f}", wal))
    return _table(rows)


def _metrics_text(found: MetricTimes) -> str:
    windows = sorted({time.days for time in found.times if time.days})
    head = f"Uncached, median of {len(found.times[0].ms)}, ms (of the processor), over days:"
    rows = [(head, *(f"{days}" for days in windows))]
    calls = {(time.scope, time.about): None for time in found.times}
    for scope, about in calls:
        ms = {
            t.days: f"{t.median_ms:,.0f} ({median(t.processor_ms):,.0f})"
            for t in found.times
            if (t.scope, t.about) == (scope, about)
        }
        # A call without a window is about all time: its figure is in the last column.
        cells = [ms.get(days, "") for days in windows[:-1]] + [ms.get(windows[-1], ms.get(0, ""))]
        rows.append((f"{scope}: {about}", *cells))
    return (
        f"{_table(rows)}\nthe member is in {found.member_conversations:,} conversations; "
        f"the generation takes {found.bytes / 1e9:.1f} GB"
    )


def _tables_text(found: MetricTimes) -> str:
    total = sum(found.table_bytes.values())
    rows: list[tuple[str, ...]] = [("Tables of the generation", "MB", "share")]
    rows += [
        (table, _mb(size), f"{size / total:.3f}")
        for table, size in found.table_bytes.items()
        if size >= total / 1000
    ]
    return f"{_table(rows)}\n{_mb(total)} MB together"


def _peers_text(times: Sequence[PeerTime]) -> str:
    rows = [("Same answer, times ours", "days", "ours, ms", "PostgreSQL", "chDB")]
    for time in times:
        chdb = f"{time.beside_chdb:.1f} x" if time.beside_chdb else NOT_MEASURED
        ours, postgresql = f"{median(time.our_ms):,.0f}", f"{time.beside_postgresql:.1f} x"
        rows.append((time.about, f"{time.days}", ours, postgresql, chdb))
    return _table(rows)


def _cached_text(cached: CachedTimes) -> str:
    head = f"Cached dashboard, median of {len(cached.ours)}"
    rows: list[tuple[str, ...]] = [
        (head, "per second", "server, us each", "load generator's share of a core")
    ]
    for who, times in (("bare Litestar handler", cached.bare), ("API with a token", cached.ours)):
        us = processor_us(times)
        share = median(time.throughput.generator_share for time in times)
        each = NOT_MEASURED if us is None else f"{us:,.0f}"
        rows.append((who, f"{per_second(times):,.0f}", each, f"{share:.2f}"))
    by_processor = cached.beside_bare_by_processor
    also = "" if by_processor is None else f", by processor time {by_processor:.2f} x"
    return (
        f"{_table(rows)}\n{cached.beside_bare:.2f} x bare{also}; {cached.clients} clients, "
        f"{cached.body_bytes:,} bytes, load by {cached.generator}"
    )


def _uncached_text(uncached: Sequence[UncachedTimes]) -> str:
    rows: list[tuple[str, ...]] = [
        ("Uncached dashboard, one client, no Redis", "times", "p50, ms", "p95", "worst", "server")
    ]
    for some in uncached:
        figures = (percentile(some.ms, 50), percentile(some.ms, 95), max(some.ms))
        each = NOT_MEASURED if some.processor_ms is None else f"{some.processor_ms:,.0f}"
        cells = (f"{len(some.ms)}", *(f"{ms:,.0f}" for ms in figures), each)
        rows.append((f"{some.days} days", *cells))
    return f"{_table(rows)}\nserver: processor time of each, ms"


def _page_text(page: PageTimes) -> str:
    head = f"Page of {page.answers} answers in one batch, {page.days} days, one client"
    rows: list[tuple[str, ...]] = [(head, "times", "p50, ms", "p95", "worst", "server")]
    for name, ms, taken in (
        ("uncached", page.uncached_ms, page.uncached_processor_ms),
        ("cached", page.cached_ms, page.cached_processor_ms),
    ):
        each = NOT_MEASURED if taken is None else f"{taken:,.1f}"
        figures = (percentile(ms, 50), percentile(ms, 95), max(ms))
        rows.append((name, f"{len(ms)}", *(f"{figure:,.1f}" for figure in figures), each))
    return f"{_table(rows)}\nserver: processor time of each, ms"


def _switches_text(found: Switches) -> str:
    rows: list[tuple[str, ...]] = [
        (f"{found.clients} clients", "responses", "waited", "503", "p50, ms", "p99", "worst")
    ]
    for some in found.times:
        when = "around a switch" if some.is_around_switch else "all the time"
        rows.append(
            (
                f"{when}, {'warmed keys' if some.is_warmed else 'other keys'}",
                f"{some.responses:,}",
                f"{some.responses - some.hits:,}",
                f"{some.refused:,}",
                *(f"{ms:,.1f}" for ms in (some.p50_ms, some.p99_ms, some.worst_ms)),
            )
        )
    memory = "" if found.peak_bytes is None else f"; peak memory {found.peak_bytes / 1e6:,.0f} MB"
    return (
        f"{_table(rows)}\nwaited: for a computation, their own or a running one\n"
        f"{found.keys} keys, {found.switches} switches, each published in "
        f"{median(found.publish_seconds):.1f} s; {found.per_second:,.0f} responses per second, "
        f"load generator {found.generator_share:.2f} of a core{memory}"
    )


def _hostile_text(cases: Sequence[HostileCase]) -> str:
    rows: list[tuple[str, ...]] = [
        (f"Beside {cases[-1].connections:,} connections", "requests", "failed", "p50, ms", "worst",
         "closed", "log lines")
    ]  # fmt: skip
    rows += [
        (
            case.about,
            *(f"{count:,}" for count in (len(case.ms), case.failed)),
            *(f"{ms:,.0f}" for ms in (percentile(case.ms, 50), max(case.ms))),
            *(f"{count:,}" for count in (case.reopened, case.log_lines)),
        )
        for case in cases
    ]
    return f"{_table(rows)}\nclosed: of the connections, by the API; each was opened again"


def _soak_text(soak: Soak) -> str:
    tenths = soak.resident_bytes[9::10]
    rows = [("Changes of generation", "resident MB")]
    rows += [
        (f"{soak.changes * (number + 1) // 10:,}", f"{size / 1e6:,.1f}")
        for number, size in enumerate(tenths)
    ]
    return f"{_table(rows)}\ngrowth from the second fifth to the last: {_mb(soak.growth_bytes)} MB"


def _live_text(live: LiveTimes) -> str:
    last = [max(ms) for ms in live.told_ms]
    rows = [
        (f"{live.streams} streams on one worker", "without", "with"),
        ("share of a core while idle", f"{live.idle_share_without:.2%}", f"{live.idle_share:.2%}"),
        (
            "cached dashboards a second",
            f"{median(live.per_second_without):,.0f}",
            f"{median(live.per_second):,.0f}",
        ),
        (
            "processor time of one, µs",
            f"{median(live.processor_us_without):,.0f}",
            f"{median(live.processor_us):,.0f}",
        ),
    ]
    beside = f"{live.rate_beside - 1:+.1%} dashboards, {live.processor_beside - 1:+.1%} time of one"
    told = f"{median(last):,.0f} ms (worst {max(last):,.0f} of {len(last)} changes)"
    return (
        f"{_table(rows)}\nwith streams {beside}; from the pointer to the last client {told}; "
        f"stopped in {live.stop_seconds:.1f} s"
    )


def _mb(size: float) -> str:
    return f"{size / 1e6:,.1f}"


def _proofs_text(proofs: Proofs) -> str:
    named = {
        "SELECT count(*) in PostgreSQL": proofs.count_seconds,
        "sum of md5 of the same columns in PostgreSQL": proofs.md5_seconds,
        "python -m etl verify": proofs.verify_seconds,
    }
    head = (f"Full verify, median of {len(proofs.verify_seconds)}", "s", "s per million rows")
    rows = [
        (name, f"{median(seconds):,.1f}", f"{proofs.per_million_rows(seconds):.3f}")
        for name, seconds in named.items()
    ]
    return f"{_table([head, *rows])}\n{proofs.rows:,} rows"


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
