"""Reading by keys: the rows that a feed names are looked up, and what is gone is found by its key.

Nothing is scanned or counted at the source. The keys lead to places (ctid) under the batch's
snapshot, and the places to rows of the mapping's SELECT. A key that was updated or deleted and has
no row any more is gone, and its row here is removed; a row that is on another day now leaves the
day where it was (`olap.removals`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from etl.feed.changes import TableChanges
from etl.forms import schema_of
from etl.source import SourceTransaction
from etl.streams import Tally, require_unique_keys, stage_stream
from etl.ways import ByKeys, KeysToFind, added_rows
from olap.brake import Brake
from olap.days import NO_DAY, DaySet
from olap.erasures import Erasures
from olap.extract import TableExtract
from olap.manifest import Manifest
from olap.removals import count_gone, find_removed, stage_changed_keys
from olap.tables import Dimension, Fact
from olap.warehouse import Warehouse


class ScanNeededError(Exception):
    """What the feed tells is not enough to decide; the batch is read by scans instead."""


class KeyReader:
    """Stages tables by keys, in one source transaction."""

    def __init__(
        self,
        warehouse: Warehouse,
        source: SourceTransaction,
        before: Manifest,
        changes: Mapping[str, TableChanges],
        erasures: Erasures,
        brake: Brake,
        coverage: DaySet,
    ) -> None:
        self._warehouse = warehouse
        self._source = source
        self._before = before
        self._changes = changes
        self._erasures = erasures
        self._brake = brake
        self._coverage = coverage

    def unchanged(self, table: Dimension | Fact) -> TableExtract:
        """Stage a table of which nothing has changed: no row."""
        schema = schema_of(table, self._source.mapping.ids)
        rows = pa.RecordBatchReader.from_batches(schema, [])
        stage_stream(self._warehouse, self._source, "tables/stage", rows, table)
        if isinstance(table, Fact):
            self._warehouse.run("facts/forget_is_new", table)
        return self._extract(table, Tally(self._erasures), time.perf_counter())

    def read(self, table: Dimension | Fact, way: ByKeys, gone_messages: list[str]) -> TableExtract:
        """Stage the rows of a table that changed, and find those that are gone.

        Args:
            gone_messages: ids of messages that are gone: rows about them are read again.

        Raises:
            ScanNeededError: so many rows are gone that only a scan can decide about them.
            SourceError: the table cannot be read.
        """
        started, tally = time.perf_counter(), Tally(self._erasures)
        mapped = self._source.mapping.tables[table.name]
        own, others = self._places(way.own), self._places(way.others)
        touching = own + others if mapped.touched or mapped.follows else []
        rows = self._source.rows_at(
            table,
            own,
            touched_places=touching,
            touched_ids=gone_messages,
            coverage=self._coverage,
        )
        stage_stream(self._warehouse, self._source, "tables/stage", tally.count(rows), table)
        require_unique_keys(self._warehouse, self._source, self._erasures, table)
        touched: list[str] = []
        if isinstance(table, Fact):
            self._warehouse.run("facts/forget_is_new", table)
            if mapped.is_filtered and touching:
                touched = [*self._source.touched_ids_at(table, touching), *gone_messages]
        removed: Mapping[date, int] = {}
        gone_rows = 0
        if not way.is_only_new:
            stage_changed_keys(
                self._warehouse,
                table,
                self._erasures,
                changed=way.updated,
                inserted=way.inserted,
                touched=touched,
            )
            if isinstance(table, Fact):
                removed = find_removed(self._warehouse, table, self._before)
            else:
                gone_rows = count_gone(self._warehouse, table)
        self._require_few_gone(table, removed, gone_rows)
        return self._extract(table, tally, started, removed=removed, gone_rows=gone_rows)

    def _places(self, to_find: Mapping[str, KeysToFind]) -> list[str]:
        return [
            place
            for name, found in to_find.items()
            for place in self._source.places(name, found.columns, found.keys)
        ]

    def _require_few_gone(
        self, table: Dimension | Fact, removed: Mapping[date, int], gone_rows: int
    ) -> None:
        if isinstance(table, Fact):
            gone = self._brake.gone(table, NO_DAY, None, removed)
            is_refused = bool(gone.refused_rows) or gone.stays
        else:
            is_refused = self._brake.is_too_many(gone_rows, table)
        if is_refused:
            raise ScanNeededError(f"many rows of {table.name} are gone")

    def _extract(
        self,
        table: Dimension | Fact,
        tally: Tally,
        started: float,
        *,
        removed: Mapping[date, int] | None = None,
        gone_rows: int = 0,
    ) -> TableExtract:
        mapped = self._source.mapping.tables.get(table.name)
        relation = self._source.relations[table.name]
        return TableExtract(
            relation=relation.relation,
            columns=relation.columns,
            counts=None,
            added_rows=added_rows(mapped, self._changes) if mapped else 0,
            outside_rows=0,
            is_available=relation.is_available,
            rows=tally.rows,
            bytes=tally.bytes,
            ms=round((time.perf_counter() - started) * 1000),
            whole=NO_DAY,
            removed=removed or {},
            gone_rows=gone_rows,
        )
