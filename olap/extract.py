"""What a cycle read, as a record; the rows themselves lie in staging.

It is all that passes from the side that knows PostgreSQL to the side that knows DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from olap.days import EVERY_DAY, DaySet
from olap.manifest import SourceIdentity
from olap.proofs import Sums, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class TableExtract:
    """What a cycle read of one table.

    Attributes:
        relation, columns: identity of the source table, see `TableState`.
        source_rows: rows the source counted under the snapshot, inside the coverage.
        rows, bytes, ms: rows staged, their size as Arrow data, and how long that took.
        outside_rows: rows the source has besides, outside the coverage; they are not read.
        whole: days whose rows were all read, whatever their version: they replace what was there.
        refused_rows: rows that are gone at the source, too many to remove them without being told.
        lost: days whose lake file cannot be used; they were read whole.
        is_lost: whether a dimension's file cannot be used; it was read whole.
        has_keys: whether the ids of all rows are staged too (dimensions only).
    """

    relation: str
    columns: str
    source_rows: int
    outside_rows: int
    rows: int
    bytes: int
    ms: int
    whole: DaySet
    refused_rows: int = 0
    lost: frozenset[date] = frozenset()
    is_lost: bool = False
    has_keys: bool = False

    @property
    def is_full(self) -> bool:
        """Whether all rows of the table were read, and not those since the watermark."""
        return self.whole == EVERY_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenSums:
    """What the source had of one table on some days, added up in one tier."""

    days: DaySet
    tier: Tier
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What a cycle read, under one snapshot; the rows themselves are staged.

    Attributes:
        coverage: the days that are kept; rows of other days are not read.
        watermark: the snapshot's xmin as xid8; the next cycle reads from here.
        data_through: the source's clock at the snapshot, UTC.
        sums: what the source's rows added up to under the snapshot, for comparison after the fold.
        ms: milliseconds from connecting to the end of the source transaction.
    """

    source: SourceIdentity
    coverage: DaySet
    snapshot: str
    watermark: int
    data_through: datetime
    held_back_by: str | None
    ms: int
    tables: Mapping[str, TableExtract]
    sums: Mapping[str, TakenSums]
