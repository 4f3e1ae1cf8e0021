"""What a cycle read, as a record; the rows themselves lie in staging.

It is all that passes from the side that knows PostgreSQL to the side that knows DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from olap.manifest import SourceIdentity


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
