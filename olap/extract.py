"""What a cycle read, as a record; the rows themselves are in staging.

This record is all that passes from the side that knows PostgreSQL to the side that knows DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from olap.days import EVERY_DAY, NO_DAY, DaySet
from olap.manifest import FeedState, Mode, SourceIdentity, SourceShape


@dataclass(frozen=True, slots=True)
class Difference:
    """A (table, day) that silently differs from the source; `day` is None for a dimension.

    Attributes:
        missing_rows: rows that the source has and the lake lacks, as they are now.
        extra_rows: rows that the lake has and the source lacks, as they are here.
    """

    table: str
    day: date | None
    missing_rows: int
    extra_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableExtract:
    """What a cycle read of one table.

    Attributes:
        relation, columns: identity of the source table, see `TableState`.
        counts: the source's rows by UTC day under the snapshot, inside the coverage; a dimension
            has one count, under None. None where a feed told what changed and nothing was counted.
        added_rows: where nothing was counted: how many rows more the source has than at the last
            batch; None = unknown, because not every row of the source is a row here.
        outside_rows: the source's rows outside the coverage; they are not read. Without meaning
            where nothing was counted.
        is_available: whether the source has the table.
        rows, bytes, ms: rows staged, their size as Arrow data, and the time that took.
        whole: days of which all rows are staged: they replace the day's rows here.
        proved: days that were compared with the source row by row.
        colliding: days that share a key with another day: a row has moved, or is there twice.
        differences: what that comparison found.
        refused_rows: rows that the source no longer has, too many to remove unasked: they stay.
        lost: days whose lake file cannot be used; they were read whole.
        is_lost: whether a dimension's file cannot be used; it was read whole.
        removed: rows that leave the file of each UTC day, by `olap.removals` (facts only).
        gone_rows: rows here that are gone at the source, by `olap.removals` (dimensions only).
    """

    relation: str
    columns: str
    counts: Mapping[date | None, int] | None
    outside_rows: int
    is_available: bool
    rows: int
    bytes: int
    ms: int
    whole: DaySet
    proved: DaySet = NO_DAY
    colliding: DaySet = NO_DAY
    differences: tuple[Difference, ...] = ()
    refused_rows: int = 0
    lost: frozenset[date] = frozenset()
    is_lost: bool = False
    removed: Mapping[date, int] = field(default_factory=dict)
    gone_rows: int = 0
    added_rows: int | None = None

    @property
    def source_rows(self) -> int | None:
        """Rows the source counted under the snapshot, inside the coverage; None = not counted."""
        return None if self.counts is None else sum(self.counts.values())

    @property
    def is_full(self) -> bool:
        """Whether the table was read whole, and not from its watermark on."""
        return self.whole == EVERY_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What a cycle read, under one snapshot; the rows themselves are staged.

    Attributes:
        shape: by which mapping it was read.
        coverage: the days that are kept; rows of other days are not read.
        watermark: the snapshot's xmin as xid8; the next cycle reads from here.
        data_through: the source's clock at the snapshot, UTC.
        ms: milliseconds from connecting to the end of the source transaction.
        mode, mode_reason: see `Batch`.
        feed: how far the feed was read; to record with the batch.
    """

    source: SourceIdentity
    shape: SourceShape
    coverage: DaySet
    snapshot: str
    watermark: int
    data_through: datetime
    held_back_by: str | None
    ms: int
    tables: Mapping[str, TableExtract]
    mode: Mode = Mode.SCAN
    mode_reason: str | None = None
    feed: FeedState | None = None

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What the comparison found in all tables."""
        return tuple(found for table in self.tables.values() for found in table.differences)
