"""The fold: from a staged batch to new day files and one warehouse commit.

*Dirty by arrival, rebuilt by event time.* The batch tells which UTC days of which fact changed.
Each of these days gets a new, whole lake file (old rows with the staged ones put over them), and
the warehouse's facts and rollups of these days are thrown away and made again from the lake.
Nothing is added to or subtracted from what was there, so a retry, a late row, an edit and a
deletion are the same operation, and the result is what a load from scratch would give.

Files are written and fsynced first. The DuckDB transaction that follows moves data, ledger and
bases together: it is the only commit point. A crash before it leaves files that nothing names; a
crash after it loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow.parquet as pq

from olap.days import one_day, ranges
from olap.errors import LakeError
from olap.layout import Layout, fsync
from olap.manifest import Batch, LakeFile, Manifest, SourceIdentity, TableState
from olap.tables import DIMENSIONS, FACTS, ROLLUPS, Dimension, Fact
from olap.warehouse import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """What a cycle read of one table.

    Attributes:
        relation, columns: identity of the source table, see `TableState`.
        source_rows: rows the source counted under the snapshot.
        rows, bytes, ms: rows staged, their size as Arrow data, and how long that took.
        is_full: whether these are all rows of the table, and not those since the base.
        has_keys: whether the ids of all rows are staged too (dimensions only).
    """

    relation: str
    columns: str
    source_rows: int
    rows: int
    bytes: int
    ms: int
    is_full: bool
    has_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a cycle read, under one snapshot; the rows themselves are staged.

    Attributes:
        base: the snapshot's xmin as xid8; the next cycle reads from here.
        data_through: the source's clock at the snapshot, UTC.
        ms: milliseconds from connecting to the end of the source transaction.
    """

    source: SourceIdentity
    snapshot: str
    base: int
    data_through: datetime
    held_back_by: str | None
    ms: int
    tables: Mapping[str, TableReading]


@dataclass(slots=True)
class Timer:
    """Milliseconds spent in each step of a unit of work, in order."""

    steps: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time of the block to the step's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = round((time.perf_counter() - started) * 1000)
            self.steps[name] = self.steps.get(name, 0) + spent


@dataclass(frozen=True, slots=True)
class DayChange:
    """What became of one day of a fact: its new file, or None when the day has no rows left."""

    fact: Fact
    day: date
    file: LakeFile | None
    rows_changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The result of a fold.

    Attributes:
        manifest: the state after the commit.
        days: what became of each (fact, day) that changed.
        dimensions: rows changed in each dimension that changed.
    """

    manifest: Manifest
    days: Sequence[DayChange]
    dimensions: Mapping[str, int]

    @property
    def rows_changed(self) -> int:
        return sum(change.rows_changed for change in self.days) + sum(self.dimensions.values())

    @property
    def is_change(self) -> bool:
        """Whether anything an analyst could see is different now."""
        return bool(self.days or self.dimensions)


def fold(warehouse: Warehouse, reading: Reading, timer: Timer, *, workers: int) -> Folded:
    """Make the staged batch part of the lake and the warehouse, in one commit.

    Args:
        warehouse: with the batch staged in it.
        reading: what the staged batch is.
        timer: gets the steps `days` (lake files), `facts`, `rollups` and `commit`.
        workers: how many day files are written at the same time.

    Raises:
        LakeError: a staged row has no event time.
    """
    before = warehouse.manifest()
    number = before.last_batch.batch + 1 if before else 1
    started = time.perf_counter()
    with timer.step("days"):
        days = _write_days(warehouse, reading, before, number, workers)
    with warehouse.transaction():
        with timer.step("dimensions"):
            dimensions = _merge_dimensions(
                warehouse, reading, number, days, is_first=before is None
            )
        _load(warehouse, before, days, timer)
        rows_changed = sum(c.rows_changed for c in days) + sum(dimensions.values())
        batch = Batch(
            batch=number,
            data_through=max(reading.data_through, before.data_through)
            if before
            else reading.data_through,
            snapshot=reading.snapshot,
            rows_read=sum(table.rows for table in reading.tables.values()),
            rows_changed=rows_changed,
            days_rebuilt=len(days),
            read_ms=reading.ms,
            fold_ms=round((time.perf_counter() - started) * 1000),
            held_back_by=reading.held_back_by,
        )
        _record(warehouse, reading, before, batch, days)
        commit_started = time.perf_counter()
    timer.steps["commit"] = round((time.perf_counter() - commit_started) * 1000)
    manifest = warehouse.manifest()
    assert manifest is not None
    return Folded(manifest=manifest, days=days, dimensions=dimensions)


def rebuild(warehouse: Warehouse, manifest: Manifest) -> None:
    """Fill an empty warehouse from the lake that `manifest` describes, in one commit."""
    root = warehouse.layout.lake
    with warehouse.transaction():
        for dimension in DIMENSIONS:
            paths = [str(root / f.path) for f in manifest.files if f.table == dimension.name]
            if paths:
                warehouse.run(f"dimensions/{dimension.name}/restore", files=paths)
        changes = [
            DayChange(fact, file.day, file, file.rows)
            for fact in FACTS
            for file in manifest.files
            if file.table == fact.name and file.day is not None
        ]
        _load(warehouse, None, changes, Timer())
        warehouse.record_files([], manifest.files)
        for batch in manifest.batches:
            warehouse.record_batch(batch)
        for table, state in manifest.tables.items():
            warehouse.record_table(table, state)
        warehouse.record_state(
            manifest.source,
            changed_in_batch=manifest.changed_in_batch,
            generation=manifest.generation,
            generated_at=manifest.generated_at,
        )


def require_files(layout: Layout, manifest: Manifest) -> None:
    """Stop unless every file that `manifest` names is there.

    Raises:
        LakeError: one is missing.
    """
    for file in manifest.files:
        if not (layout.lake / file.path).is_file():
            raise LakeError(
                f"the lake file {layout.lake / file.path} is missing",
                hint="Restore it from a backup, or remove DATA_DIR and load everything again.",
            )


def _write_days(
    warehouse: Warehouse, reading: Reading, before: Manifest | None, batch: int, workers: int
) -> list[DayChange]:
    """Write the new file of every day whose rows changed; the directories are on disk too."""
    tasks: list[tuple[Fact, date, LakeFile | None]] = []
    for fact in FACTS:
        known = {
            file.day: file
            for file in (before.files if before else ())
            if file.table == fact.name and file.day is not None
        }
        staged = [row[0] for row in warehouse.run(f"facts/{fact.name}/staged_days")]
        if None in staged:
            raise LakeError(
                f"the source has rows in {fact.name} without {fact.time_column}",
                hint=f"Give every row of {fact.name} its {fact.time_column}; a fact has a time.",
            )
        dirty = set(staged) | (set(known) if reading.tables[fact.name].is_full else set())
        tasks += [(fact, day, known.get(day)) for day in sorted(dirty)]

    def work(share: Sequence[tuple[Fact, date, LakeFile | None]]) -> list[DayChange]:
        own = warehouse.cursor()
        try:
            changes = (
                _write_day(own, *task, batch, is_full=reading.tables[task[0].name].is_full)
                for task in share
            )
            return [change for change in changes if change is not None]
        finally:
            own.connection.close()

    if len(tasks) < 2:
        return work(tasks)
    with ThreadPoolExecutor(workers) as pool:
        shares = pool.map(work, [tasks[i::workers] for i in range(workers)])
        changes = [change for share in shares for change in share]
    return sorted(changes, key=lambda change: (change.fact.name, change.day))


def _write_day(
    warehouse: Warehouse,
    fact: Fact,
    day: date,
    old: LakeFile | None,
    batch: int,
    *,
    is_full: bool,
) -> DayChange | None:
    """Write one day's new file; None when its rows are what they were."""
    layout = warehouse.layout
    relative = layout.day_file(fact.name, day, batch)
    path = layout.lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    window = one_day(day)
    bounds = {"since": window.since, "until": window.until}
    rows_changed: int | None = None
    if old is not None:
        old_file = str(layout.lake / old.path)
        rows_changed = warehouse.run(f"facts/{fact.name}/changed", old_file=old_file, **bounds)[0][
            0
        ]
        if not is_full:
            if not rows_changed:
                return None
            warehouse.run(
                f"facts/{fact.name}/merge_day", old_file=old_file, path=str(path), **bounds
            )
    if old is None or is_full:
        warehouse.run(f"facts/{fact.name}/write_day", path=str(path), **bounds)
    rows = pq.read_metadata(path).num_rows
    if is_full and old is not None and not rows_changed and rows == old.rows:
        path.unlink()
        return None
    if not rows:
        path.unlink()
        return DayChange(fact, day, None, old.rows if old else 0)
    fsync(path)
    fsync(path.parent)
    fsync(path.parent.parent)
    file = LakeFile(
        table=fact.name, day=day, path=relative, batch=batch, rows=rows, bytes=path.stat().st_size
    )
    lost = max(old.rows - rows, 0) if old and is_full else 0
    return DayChange(fact, day, file, rows if rows_changed is None else rows_changed + lost)


def _merge_dimensions(
    warehouse: Warehouse,
    reading: Reading,
    batch: int,
    days: Sequence[DayChange],
    *,
    is_first: bool,
) -> dict[str, int]:
    """Bring the dimensions up to date; write the lake file of each that changed.

    Users and conversations come before participants, which need their keys.
    """
    mentions_ids = bool(days) or bool(reading.tables["participants"].rows)
    changed: dict[str, int] = {}
    for dimension in DIMENSIONS:
        table, name = reading.tables[dimension.name], f"dimensions/{dimension.name}"
        count = table.rows
        if count and not is_first:
            count = warehouse.run(f"{name}/changed")[0][0]
        if count:
            warehouse.run(f"{name}/merge")
        if dimension.has_stand_ins and mentions_ids:
            count += warehouse.run(f"{name}/mentioned")[0][0]
        if table.has_keys and not is_first:
            count += warehouse.run(f"{name}/gone")[0][0]
        if count:
            changed[dimension.name] = count
            file = _write_dimension(warehouse, dimension, batch)
            warehouse.record_files([(dimension.name, None)], [file])
    return changed


def _write_dimension(warehouse: Warehouse, dimension: Dimension, batch: int) -> LakeFile:
    layout = warehouse.layout
    relative = layout.dimension_file(dimension.name, batch)
    path = layout.lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    warehouse.run(f"dimensions/{dimension.name}/write", path=str(path))
    fsync(path)
    fsync(path.parent)
    return LakeFile(
        table=dimension.name,
        day=None,
        path=relative,
        batch=batch,
        rows=pq.read_metadata(path).num_rows,
        bytes=path.stat().st_size,
    )


def _load(
    warehouse: Warehouse, before: Manifest | None, changes: Sequence[DayChange], timer: Timer
) -> None:
    """Make facts and rollups of the changed days anew from the lake."""
    current = {
        (file.table, file.day): file for file in (before.files if before else ()) if file.day
    }
    for change in changes:
        current.pop((change.fact.name, change.day), None)
        if change.file:
            current[change.fact.name, change.day] = change.file
    dirty = {fact.name: {c.day for c in changes if c.fact == fact} for fact in FACTS}
    with timer.step("facts"):
        for fact in FACTS:
            for window in ranges(dirty[fact.name]):
                bounds = {"since": window.since, "until": window.until}
                if before:
                    warehouse.run(f"facts/{fact.name}/clear", **bounds)
                files = [
                    str(warehouse.layout.lake / file.path)
                    for (table, day), file in sorted(current.items(), key=lambda item: item[0])
                    if table == fact.name and day in window
                ]
                if files:
                    warehouse.run(f"facts/{fact.name}/load", files=files)
    with timer.step("rollups"):
        for rollup in ROLLUPS:
            for window in ranges(set().union(*(dirty[name] for name in rollup.facts))):
                warehouse.run(f"rollups/{rollup.name}", since=window.since, until=window.until)


def _record(
    warehouse: Warehouse,
    reading: Reading,
    before: Manifest | None,
    batch: Batch,
    days: Sequence[DayChange],
) -> None:
    """Write the ledger: files, batch, bases."""
    warehouse.record_files(
        [(change.fact.name, change.day) for change in days] if before else [],
        [change.file for change in days if change.file],
    )
    warehouse.record_batch(batch)
    held = dict(warehouse.run("ledger/count_tables"))
    for name, table in reading.tables.items():
        state = TableState(
            base=reading.base,
            relation=table.relation,
            columns=table.columns,
            source_rows=table.source_rows,
            rows=held[name],
        )
        warehouse.record_table(name, state)
    is_change = bool(batch.rows_changed or batch.days_rebuilt)
    warehouse.record_state(
        reading.source,
        changed_in_batch=batch.batch if is_change or not before else before.changed_in_batch,
        generation=before.generation if before else 0,
        generated_at=before.generated_at if before else None,
    )
