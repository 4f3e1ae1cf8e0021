"""The lake: immutable Parquet files, one per fact and UTC day, one per dimension and change.

A day whose rows changed gets a new file beside the old one: the old rows with the staged ones put
over them by id. The old file stays until no kept generation names it. A file is on the disk before
its name is written down anywhere, so a crash leaves only files that nothing names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow.parquet as pq

from olap.days import one_day
from olap.errors import LakeError
from olap.layout import Layout, fsync
from olap.manifest import LakeFile, Manifest
from olap.reading import Reading
from olap.tables import FACTS, Dimension, Fact
from olap.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class DayChange:
    """What became of one day of a fact: its new file, or None when the day has no rows left."""

    fact: Fact
    day: date
    file: LakeFile | None
    rows_changed: int


def write_days(
    warehouse: Warehouse, reading: Reading, before: Manifest | None, batch: int, workers: int
) -> list[DayChange]:
    """Write the new file of every day whose rows changed, and get it to the disk.

    Args:
        warehouse: with the batch staged in it.
        before: the state that the batch changes; its files are left as they are.
        batch: the number of the batch, in the names of the new files.
        workers: how many files are written at the same time.

    Raises:
        LakeError: a staged row has no event time.
    """
    tasks: list[tuple[Fact, date, LakeFile | None]] = []
    for fact in FACTS:
        known = {
            file.day: file
            for file in (before.files if before else ())
            if file.table == fact.name and file.day is not None
        }
        lost = reading.tables[fact.name].lost
        staged = [row[0] for row in warehouse.run(f"facts/{fact.name}/staged_days")]
        if None in staged:
            raise LakeError(
                f"the source has rows in {fact.name} without {fact.time_column}",
                hint=f"Give every row of {fact.name} its {fact.time_column}; a fact has a time.",
            )
        whole = reading.tables[fact.name].whole
        dirty = set(staged) | {day for day in known if day in whole} | lost
        # What is lost is not merged with: all of its day is staged.
        tasks += [(fact, day, None if day in lost else known.get(day)) for day in sorted(dirty)]

    def work(share: Sequence[tuple[Fact, date, LakeFile | None]]) -> list[DayChange]:
        own = warehouse.cursor()
        try:
            changes = (
                _write_day(
                    own, *task, batch, is_whole=task[1] in reading.tables[task[0].name].whole
                )
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
    is_whole: bool,
) -> DayChange | None:
    """Write one day's new file; None when its rows are what they were.

    Args:
        is_whole: whether all rows of the day are staged, and those not among them are gone.
    """
    layout, name = warehouse.layout, f"facts/{fact.name}"
    relative = layout.day_file(fact.name, day, batch)
    path = layout.lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    window = one_day(day)
    bounds = {"since": window.since, "until": window.until}
    if old is None:
        warehouse.run(f"{name}/write_day", path=str(path), **bounds)
        file = _described(layout, fact.name, day, relative, batch)
        if not file.rows:
            path.unlink()
        return DayChange(fact, day, file if file.rows else None, file.rows)
    old_file = str(layout.lake / old.path)
    ((changed,),) = warehouse.run(f"{name}/changed", old_file=old_file, **bounds)
    if not is_whole:
        if not changed:
            return None
        warehouse.run(f"{name}/merge_day", old_file=old_file, path=str(path), **bounds)
        file = _described(layout, fact.name, day, relative, batch, proved_at=old.proved_at)
        return DayChange(fact, day, file, changed)
    warehouse.run(f"{name}/write_day", path=str(path), **bounds)
    file = _described(layout, fact.name, day, relative, batch, proved_at=old.proved_at)
    if file.rows and (changed or file.rows != old.rows):
        return DayChange(fact, day, file, changed + max(old.rows - file.rows, 0))
    path.unlink()
    return None if file.rows else DayChange(fact, day, None, old.rows)


def rewrite_day(
    warehouse: Warehouse, old: LakeFile, batch: int, name: str, values: Mapping[str, Any]
) -> LakeFile:
    """Write the rows of a day file anew, as `sql/<name>.sql` changes them."""
    assert old.day is not None
    layout = warehouse.layout
    relative = layout.day_file(old.table, old.day, batch)
    path = layout.lake / relative
    old_file = str(layout.lake / old.path)
    warehouse.run(name, old_file=old_file, path=str(path), **values)
    return _described(layout, old.table, old.day, relative, batch, proved_at=old.proved_at)


def write_dimension(
    warehouse: Warehouse, dimension: Dimension, batch: int, *, proved_at: datetime | None
) -> LakeFile:
    """Write a dimension, keys included, as the open transaction has it."""
    layout = warehouse.layout
    relative = layout.dimension_file(dimension.name, batch)
    path = layout.lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    warehouse.run(f"dimensions/{dimension.name}/write", path=str(path))
    return _described(layout, dimension.name, None, relative, batch, proved_at=proved_at)


def _described(
    layout: Layout,
    table: str,
    day: date | None,
    relative: str,
    batch: int,
    *,
    proved_at: datetime | None = None,
) -> LakeFile:
    """The record of a file just written, once it and its directories are on the disk."""
    path = layout.lake / relative
    for item in (path, path.parent, path.parent.parent):
        fsync(item)
    return LakeFile(
        table=table,
        day=day,
        path=relative,
        batch=batch,
        rows=pq.read_metadata(path).num_rows,
        bytes=path.stat().st_size,
        proved_at=proved_at,
    )
