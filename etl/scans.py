"""Scans: the rows of facts that changed since a watermark, found without a feed.

One pass over a fact counts its rows by day, which a batch compares, and names the places of those
that changed, which are then looked up. A fact that follows the messages takes their places from the
pass over them.

Where days are read whole, or so much has changed that the places would not be held in memory, rows
are read as they are found, in a pass of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from etl.source import SourceTransaction, Window
from olap.mapping import MappedTable
from olap.tables import Fact


@dataclass(frozen=True, slots=True)
class _Changed:
    """The places of a fact's rows that changed since a watermark."""

    watermark: int
    places: Sequence[str]


class FactScanner:
    """Reads what changed of facts in one source transaction, in the order of `olap.tables`."""

    def __init__(self, source: SourceTransaction) -> None:
        self._source = source
        self._changed: dict[str, _Changed] = {}

    def read(
        self, table: Fact, window: Window
    ) -> tuple[pa.RecordBatchReader, Mapping[date | None, int] | None]:
        """The rows of a fact that `window` selects, and its counts if they are known by the way.

        Raises:
            SourceError: the table cannot be read.
        """
        mapped = self._source.mapping.tables.get(table.name)
        if mapped is None or window.watermark is None or not self._has_places(table, window):
            return self._source.rows(table, window), None
        counts, places = self._source.survey(table, window.watermark)
        if places is not None:
            self._changed[table.name] = _Changed(window.watermark, places)
            found = self._rows_at(table, mapped, window, places)
            if found is not None:
                return found, counts
        return self._source.rows(table, window), counts

    def _has_places(self, table: Fact, window: Window) -> bool:
        """Whether the rows can be looked up by places, and none are read for another reason."""
        mapped = self._source.mapping.tables[table.name]
        is_available = self._source.relations[table.name].is_available
        return is_available and mapped.has_place and mapped.touched_has_place and not window.days

    def _rows_at(
        self, table: Fact, mapped: MappedTable, window: Window, places: Sequence[str]
    ) -> pa.RecordBatchReader | None:
        """The rows at these places and those that are touched; None where too many are."""
        assert window.watermark is not None
        touched_places: Sequence[str] = ()
        touched_ids: Sequence[str] | None = ()
        if mapped.follows is not None:
            followed = self._changed.get(mapped.follows)
            if followed is None or followed.watermark > window.watermark:
                return None
            touched_places = followed.places
        elif mapped.touched is not None:
            touched_ids = self._source.touched_ids(table, window.watermark)
        if touched_ids is None:
            return None
        ids = [*touched_ids, *window.gone_messages]
        return self._source.rows_at(table, places, touched_places, ids, window.coverage)
