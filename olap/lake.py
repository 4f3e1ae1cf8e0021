"""The lake: immutable Parquet files, one per fact and UTC day, one per dimension and change.

A day with changed rows gets a new file beside the old one: staged rows replace old rows with the
same key. The old file stays until no kept generation references it. A file is on the disk before
its name is recorded anywhere, so a crash leaves only unreferenced files.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from olap.days import DayRange, one_day, portions
from olap.errors import LakeError
from olap.extract import Extract
from olap.ids import Id
from olap.layout import Layout, fsync
from olap.manifest import LakeFile, Manifest
from olap.tables import FACTS, Dimension, Fact
from olap.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class DayChange:
    """A changed day of a fact: its new file, or None if the day has no rows left."""

    fact: Fact
    day: date
    file: LakeFile | None
    rows_changed: int


def write_days(
    warehouse: Warehouse, extract: Extract, before: Manifest | None, batch: int, workers: int
) -> list[DayChange]:
    """Write the new file of every day with changed rows, and sync it to the disk.

    Args:
        warehouse: with the batch staged in it.
        before: the state before the batch; its files are not changed.
        batch: the number of the batch, in the names of the new files.
        workers: how many files are written concurrently.

    Raises:
        LakeError: a staged row has no event time.
    """
    dirty_days = {fact: _dirty_days(warehouse, extract, before, fact) for fact in FACTS}

    def write(dirty: _DirtyDay) -> DayChange:
        own = warehouse.cursor()
        try:
            return _write_day(own, dirty, batch)
        finally:
            own.connection.close()

    changes: list[DayChange] = []
    with ThreadPoolExecutor(workers) as pool:
        for fact, of_fact in dirty_days.items():
            if not extract.tables[fact.name].removed:
                warehouse.run("facts/start_removed", fact)
            for days in portions(of_fact):
                span = DayRange(days[0], days[-1])
                bounds = {"since": span.since, "until": span.until}
                warehouse.run("facts/portion", fact, days=days, **bounds)
                changes += pool.map(write, [of_fact[day] for day in days])
    lake = warehouse.layout.lake
    _sync_directories(lake / change.file.path for change in changes if change.file)
    return sorted(changes, key=lambda change: (change.fact.name, change.day))


@dataclass(frozen=True, slots=True)
class _DirtyDay:
    """A day that the batch changes.

    Attributes:
        old: its present file; None for a new day.
        staged_rows: how many of its rows are staged.
        changed_rows: how many of these are new or differ from the old file.
        removed_rows: how many rows of the old file are gone or on another day now; told by a feed.
        is_whole: whether all rows of the day are staged: rows that are not staged are gone.
    """

    fact: Fact
    day: date
    old: LakeFile | None
    staged_rows: int
    changed_rows: int
    removed_rows: int
    is_whole: bool

    @property
    def gone_rows(self) -> int:
        """How many rows leave the old file; of a day that was read whole, how many fewer it has."""
        if self.old is None:
            return 0
        return max(self.old.rows - self.staged_rows, 0) if self.is_whole else self.removed_rows

    @property
    def is_empty(self) -> bool:
        """Whether no row is left."""
        kept = 0 if self.old is None or self.is_whole else self.old.rows - self.removed_rows
        return not self.staged_rows and not kept


def _dirty_days(
    warehouse: Warehouse, extract: Extract, before: Manifest | None, fact: Fact
) -> dict[date, _DirtyDay]:
    """The days of a fact with changed rows."""
    files = before.files if before else ()
    known = {file.day: file for file in files if file.table == fact.name and file.day is not None}
    staged = dict(warehouse.run("facts/staged_days", fact))
    if None in staged:
        raise LakeError(
            f"the source has rows of {fact.name} without {fact.time}",
            hint=f"Set {fact.time} in every row of {fact.name}; a fact needs a time.",
        )
    table = extract.tables[fact.name]
    lost, whole, removed = table.lost, table.whole, table.removed
    # A lost file is not merged: all rows of its day are staged.
    for day in lost:
        known.pop(day, None)
    read_whole = {day for day in known if day in whole}
    changed = dict(staged)
    for days in portions(staged.keys() & known.keys()):
        paths = [warehouse.layout.lake / known[day].path for day in days]
        found = dict(warehouse.run("facts/changed", fact, days=days, files=paths))
        changed.update({day: found.get(day, 0) for day in days})
    found_days = [
        _DirtyDay(
            fact,
            day,
            known.get(day),
            staged.get(day, 0),
            changed.get(day, 0),
            removed.get(day, 0),
            is_whole=day in read_whole,
        )
        for day in sorted(staged.keys() | read_whole | lost | removed.keys())
    ]
    return {
        dirty.day: dirty
        for dirty in found_days
        if dirty.changed_rows or dirty.gone_rows or dirty.day in lost
    }


def _write_day(warehouse: Warehouse, dirty: _DirtyDay, batch: int) -> DayChange:
    """Write one day's new file; none if no row is left."""
    fact, old = dirty.fact, dirty.old
    changed = dirty.changed_rows + dirty.gone_rows
    if dirty.is_empty:
        return DayChange(fact, dirty.day, None, changed)
    layout = warehouse.layout
    relative = layout.day_file(fact.name, dirty.day, batch)
    path = layout.lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    window = one_day(dirty.day)
    values: dict[str, Any] = {"path": path, "since": window.since, "until": window.until}
    if old is None or dirty.is_whole:
        ((rows,),) = warehouse.run("facts/write_day", fact, **values)
    else:
        old_file = layout.lake / old.path
        ((rows,),) = warehouse.run("facts/merge_day", fact, old_file=old_file, **values)
    proved_at = old.proved_at if old else None
    file = _described(layout, fact.name, dirty.day, relative, batch, rows, proved_at=proved_at)
    return DayChange(fact, dirty.day, file, changed)


def mask_day(
    warehouse: Warehouse, fact: Fact, old: LakeFile, batch: int, user_id: Id, pseudonym: Id
) -> LakeFile:
    """Rewrite a day file with a pseudonym in place of a user's id."""
    assert old.day is not None
    layout = warehouse.layout
    relative = layout.day_file(old.table, old.day, batch)
    path = layout.lake / relative
    ((rows,),) = warehouse.run(
        "facts/mask_day",
        fact,
        old_file=layout.lake / old.path,
        path=path,
        user_id=user_id,
        pseudonym=pseudonym,
    )
    _sync_directories([path])
    return _described(layout, old.table, old.day, relative, batch, rows, proved_at=old.proved_at)


def write_dimension(
    warehouse: Warehouse, dimension: Dimension, batch: int, *, proved_at: datetime | None
) -> LakeFile:
    """Write a dimension, keys included, as the open transaction has it."""
    layout = warehouse.layout
    relative = layout.dimension_file(dimension.name, batch)
    path = layout.lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    ((rows,),) = warehouse.run("dimensions/write", dimension, path=path)
    _sync_directories([path])
    return _described(layout, dimension.name, None, relative, batch, rows, proved_at=proved_at)


def _described(
    layout: Layout,
    table: str,
    day: date | None,
    relative: str,
    batch: int,
    rows: int,
    *,
    proved_at: datetime | None,
) -> LakeFile:
    """Sync a new file to the disk, and describe it."""
    path = layout.lake / relative
    fsync(path)
    return LakeFile(
        table=table,
        day=day,
        path=relative,
        batch=batch,
        rows=rows,
        bytes=path.stat().st_size,
        proved_at=proved_at,
    )


def _sync_directories(paths: Iterable[Path]) -> None:
    """Sync the names of new files to the disk: each parent directory once, deepest first."""
    parents = {path.parent for path in paths}
    for directory in (*sorted(parents), *sorted({parent.parent for parent in parents})):
        fsync(directory)
