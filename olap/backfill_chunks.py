"""Chunks: what an unfinished backfill has read so far, on disk, so that it can resume after a kill.

    DATA_DIR/backfill/
    ├── plan.json                 the days, the source and the ranges to read
    ├── messages-000017.parquet   the rows of one range, with full ids, in order of time
    └── messages-000017.json      written last: the snapshot that the range was read under

A range is a run of blocks of a table's heap; it is read once it has both files. Ranges may be read
under different snapshots, hours apart: the last batch of the backfill reads every row version from
the lowest of their watermarks on, and its rows replace the same rows in the chunks. The chunks
alone are not a state that ever existed; only that batch makes them one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from olap.commands import call
from olap.days import DaySet
from olap.errors import BackfillError
from olap.layout import Layout, fsync, write_durably
from olap.manifest import SourceIdentity, TableState

_Record = TypeVar("_Record")


class BlockRange(msgspec.Struct, frozen=True, kw_only=True):
    """A run of blocks of a table's heap; of every partition's heap, where there are partitions.

    Attributes:
        number: from 0, among the ranges of its table.
        first_block, until_block: half-open.
        blocks: how many blocks there were in it, over all heaps, when it was planned.
    """

    table: str
    number: int
    first_block: int
    until_block: int
    blocks: int

    @property
    def name(self) -> str:
        return f"{self.table}-{self.number:06d}"


class PlannedTable(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a source table when its ranges were planned; see `TableState`."""

    relation: str
    columns: str


class BackfillPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill reads.

    Attributes:
        days: the days it adds to the coverage.
        xmin, xmax: of the snapshot under which it was planned, as xid8.
    """

    days: DaySet
    source: SourceIdentity
    xmin: int
    xmax: int
    tables: dict[str, PlannedTable]
    ranges: tuple[BlockRange, ...]


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A range that has been read.

    Attributes:
        name: of the range.
        xmin, xmax: of the snapshot it was read under, as xid8.
        rows: inside the days that are read.
        bytes: as Arrow data.
    """

    name: str
    xmin: int
    xmax: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Chunks:
    """The plan of a backfill and what it has read so far, by the name of the range."""

    home: Path
    plan: BackfillPlan
    done: dict[str, Chunk]

    @property
    def days(self) -> DaySet:
        return self.plan.days

    @property
    def waiting(self) -> tuple[BlockRange, ...]:
        """The ranges that have not been read."""
        return tuple(found for found in self.plan.ranges if found.name not in self.done)

    @property
    def watermark(self) -> int:
        """Row versions from here on may be newer than a chunk: the lowest xmin of all snapshots."""
        return min((chunk.xmin for chunk in self.done.values()), default=self.plan.xmin)

    @property
    def xmax(self) -> int:
        """The highest xmax of all snapshots: a source with a lower next xid is an older copy."""
        return max([self.plan.xmax, *(chunk.xmax for chunk in self.done.values())])

    @property
    def blocks_done(self) -> int:
        return sum(found.blocks for found in self.plan.ranges if found.name in self.done)

    @property
    def blocks(self) -> int:
        return sum(found.blocks for found in self.plan.ranges)

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.done.values())

    def state(self, table: str) -> TableState:
        """How far the table has been read, as the guards compare it."""
        planned = self.plan.tables[table]
        return TableState(
            watermark=self.watermark,
            relation=planned.relation,
            columns=planned.columns,
            source_rows=0,
            rows=0,
        )

    def of(self, table: str) -> list[Chunk]:
        """The chunks of one table."""
        return [
            self.done[found.name]
            for found in self.plan.ranges
            if found.table == table and found.name in self.done
        ]

    def files(self, table: str) -> list[Path]:
        """Their Parquet files."""
        return [chunk_path(self.home, chunk.name) for chunk in self.of(table)]


def read_chunks(layout: Layout) -> Chunks | None:
    """The unfinished backfill of a `DATA_DIR`; None when there is none.

    Raises:
        BackfillError: its plan is damaged.
    """
    home = layout.backfill
    if not _plan_path(home).exists():
        return None
    plan = _decoded(_plan_path(home), BackfillPlan)
    found = (_described(home, planned.name) for planned in plan.ranges)
    return Chunks(home, plan, {chunk.name: chunk for chunk in found if chunk is not None})


def write_plan(layout: Layout, plan: BackfillPlan) -> Chunks:
    """Begin a backfill, or continue with another plan; chunks outside the plan are removed."""
    layout.backfill.mkdir(exist_ok=True)
    fsync(layout.root)
    write_durably(_plan_path(layout.backfill), msgspec.json.encode(plan))
    named = {planned.name for planned in plan.ranges}
    for path in list(layout.backfill.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path != _plan_path(layout.backfill) and path.stem not in named:
            path.unlink()
    chunks = read_chunks(layout)
    assert chunks is not None
    return chunks


def record_chunk(home: Path, chunk: Chunk) -> None:
    """Record that a range has been read; its Parquet file exists."""
    path = chunk_path(home, chunk.name)
    fsync(path)
    write_durably(path.with_suffix(".json"), msgspec.json.encode(chunk))


def forget_chunk(home: Path, name: str) -> None:
    """Forget a range, so that it is read again."""
    path = chunk_path(home, name)
    # In this order: a chunk without rows must not look like one that was read.
    path.with_suffix(".json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def discard_chunks(layout: Layout) -> None:
    """Remove a backfill that is finished or abandoned."""
    if not layout.backfill.exists():
        return
    plan = _plan_path(layout.backfill)
    for path in list(layout.backfill.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path != plan:
            path.unlink()
    # The plan is removed last: while it exists, the next cycle knows what else to remove.
    plan.unlink(missing_ok=True)
    layout.backfill.rmdir()


def chunk_path(home: Path, name: str) -> Path:
    """The Parquet file of a range."""
    return home / f"{name}.parquet"


def block_ranges(table: str, heaps: Sequence[int], *, at_most: int) -> Iterator[BlockRange]:
    """Ranges that cover every place of the heaps once; the last one has no end.

    Args:
        heaps: blocks of each heap; one for a plain table, one for each leaf of a partitioned one.
        at_most: blocks a range should have, over all heaps.
    """
    end = max(heaps, default=0)
    first, number = 0, 0
    while first < end or number == 0:
        longer = sum(blocks > first for blocks in heaps) or 1
        until = first + max(1, at_most // longer)
        blocks = sum(max(0, min(heap, until) - first) for heap in heaps)
        is_last = until >= end
        yield BlockRange(
            table=table,
            number=number,
            first_block=first,
            until_block=LAST_BLOCK if is_last else until,
            blocks=blocks,
        )
        first, number = until, number + 1


# PostgreSQL's InvalidBlockNumber: no row is at or after it.
LAST_BLOCK = 2**32 - 1


def _plan_path(home: Path) -> Path:
    return home / "plan.json"


def _described(home: Path, name: str) -> Chunk | None:
    path = chunk_path(home, name)
    if not path.exists() or not path.with_suffix(".json").exists():
        return None
    return _decoded(path.with_suffix(".json"), Chunk)


def _decoded(path: Path, kind: type[_Record]) -> _Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise BackfillError(
            f"{path}, which records the progress of the backfill, is damaged: {error}",
            hint=f"Start again: `{call('backfill --restart')}`, with the same days.",
        ) from error
