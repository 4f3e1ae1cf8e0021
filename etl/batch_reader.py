"""Reads the tables of one batch into staging: each by keys, by a scan from its watermark, or whole.

Keys suffice where a feed tells everything that a scan would find (`etl.ways`). Three things widen a
scan:

* A table with an unusable watermark (see `guards`) is read whole.
* Days that must be proved, that have too many or too few rows, or whose lake file is unusable, are
  read whole in the same scan. A hard-deleted row and a changed event time leave no row version
  that a reader could find, only a count that does not match.
* Rows that depend on a changed row are read with it: receipts carry their message's conversation
  and time, so receipts of changed and of deleted messages are read again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import date

import msgspec
import pyarrow as pa

from etl.batch_plan import BatchPlan
from etl.by_keys import KeyReader
from etl.feed.changes import TableChanges
from etl.guards import watermark_to_read_from
from etl.scans import FactScanner
from etl.source import SourceTransaction, Window
from etl.streams import (
    Tally,
    committed_erasures,
    require_unique_keys,
    require_unique_keys_at_source,
    stage_stream,
)
from etl.ways import Scan, Unchanged, Way, way_to_read
from olap.backfill_chunks import Chunks
from olap.brake import NOTHING_GONE, Brake
from olap.commands import call
from olap.days import EVERY_DAY, NO_DAY, DaySet, days_of
from olap.errors import SourceError
from olap.extract import Difference, TableExtract
from olap.log import get_logger
from olap.manifest import LakeFile, Manifest
from olap.proofs import differences
from olap.removals import count_missing
from olap.tables import MESSAGES, TABLES, Dimension, Fact, Table
from olap.warehouse import Warehouse

log = get_logger(__name__)


class BatchReader:
    """Reads the tables of one batch in order; what it learns from one it uses for the next."""

    def __init__(
        self,
        warehouse: Warehouse,
        source: SourceTransaction,
        before: Manifest | None,
        plan: BatchPlan,
        changes: Mapping[str, TableChanges] | None,
    ) -> None:
        self._warehouse = warehouse
        self._source = source
        self._before = before
        self._plan = plan
        self._changes = changes
        self._erasures = committed_erasures(warehouse)
        self._scanner = FactScanner(source)
        self._gone_messages: list[str] = []
        self.has_read_by_keys = False
        self._is_messages_full = False
        self._chunks = self._usable_chunks()
        self._brake = (
            Brake(
                warehouse=warehouse,
                before=before,
                lost=plan.lost,
                max_percent=plan.removal_max_percent,
            )
            if before
            else None
        )
        state = before.tables.get(MESSAGES.name) if before else None
        self._keeps_messages = state is not None and state.refused_rows > 0

    def read_all(self) -> dict[str, TableExtract]:
        """Stage every table.

        Raises:
            ScanNeededError: what the feed tells is not enough.
            SourceError: a table cannot be read.
        """
        return {table.name: self._read(table) for table in TABLES}

    def _read(self, table: Dimension | Fact) -> TableExtract:
        self._require_still_there(table)
        watermark = self._watermark(table)
        way = self._way(table, watermark)
        if isinstance(way, Scan):
            if way.reason:
                log.info("table.scan", table=table.name, reason=way.reason)
            if isinstance(table, Fact):
                return self._read_fact(table, watermark)
            return self._read_dimension(table, watermark)
        self.has_read_by_keys = True
        reader = self._key_reader()
        if isinstance(way, Unchanged):
            return reader.unchanged(table)
        about = self._gone_messages if isinstance(table, Fact) and table.is_about_message else []
        extract = reader.read(table, way, about)
        if table == MESSAGES and extract.removed:
            self._gone_messages = self._message_ids("facts/gone_message_ids")
        return extract

    def _way(self, table: Dimension | Fact, watermark: int | None) -> Way:
        """How to read a table: a scan where days are read whole, or what is here is not certain."""
        relation = self._source.relations[table.name]
        state = self._before.tables.get(table.name) if self._before else None
        if self._changes is None or state is None:
            return Scan()
        if not relation.is_available:
            return Unchanged()
        is_lost = any(name == table.name for name, _ in self._plan.lost)
        is_asked = table.name in self._plan.prove or table.name in self._plan.whole
        is_about_kept = isinstance(table, Fact) and table.is_about_message and self._keeps_messages
        if is_lost or is_asked or is_about_kept or relation.shifts:
            return Scan()
        if watermark is None and not relation.is_whole:
            return Scan()
        is_touched = (
            isinstance(table, Fact) and table.is_about_message and bool(self._gone_messages)
        )
        mapped = self._source.mapping.tables[table.name]
        return way_to_read(table, mapped, self._changes, state, is_touched=is_touched)

    def _key_reader(self) -> KeyReader:
        assert self._before is not None and self._brake is not None and self._changes is not None
        return KeyReader(
            self._warehouse,
            self._source,
            self._before,
            self._changes,
            self._erasures,
            self._brake,
            self._plan.coverage,
        )

    def _read_dimension(self, table: Dimension, watermark: int | None) -> TableExtract:
        started, tally = time.perf_counter(), Tally(self._erasures)
        is_proved = table.name in self._plan.prove and watermark is not None
        days = EVERY_DAY if is_proved else NO_DAY
        window = Window(watermark=watermark, days=days)
        self._stage(table, self._source.rows(table, window), tally)
        found = self._prove(table, days) if is_proved else ()
        counts = self._source.counts(table)
        gone = self._count_merged(table) - counts.get(None, 0)
        refused = 0
        if self._brake:
            refused = self._brake.refused_rows_of_dimension(table, gone, counts.get(None, 0))
        gone_rows = 0
        if gone > 0 and not refused:
            self._stage_keys(table, is_full=watermark is None)
            gone_rows = count_missing(self._warehouse, table)
        elif gone < 0:
            # Only one row of several with a key is staged when the others were read before.
            require_unique_keys_at_source(self._warehouse, self._source, self._erasures, table)
        return TableExtract(
            relation=self._source.relations[table.name].relation,
            columns=self._source.relations[table.name].columns,
            counts=counts,
            outside_rows=0,
            is_available=self._source.relations[table.name].is_available,
            rows=tally.rows,
            bytes=tally.bytes,
            ms=_ms_since(started),
            whole=EVERY_DAY if watermark is None else NO_DAY,
            proved=EVERY_DAY if table.name in self._plan.prove and not refused else NO_DAY,
            differences=found,
            refused_rows=refused,
            is_lost=(table.name, None) in self._plan.lost,
            gone_rows=gone_rows,
        )

    def _count_merged(self, table: Dimension) -> int:
        """How many rows a dimension will have if none is gone at the source."""
        count: int = self._warehouse.run(f"dimensions/{table.key_folder}/count", table)[0][0]
        return count

    def _stage_keys(self, table: Dimension, *, is_full: bool) -> None:
        """Stage the keys of all rows that the source has."""
        if is_full:
            self._warehouse.run("dimensions/keys_of_full_read", table)
            return
        keys = Tally(self._erasures).count(self._source.keys(table))
        stage_stream(self._warehouse, self._source, "dimensions/keys", keys, table)

    def _read_fact(self, table: Fact, watermark: int | None) -> TableExtract:
        started, tally = time.perf_counter(), Tally(self._erasures)
        lost = frozenset(d for name, d in self._plan.lost if name == table.name and d is not None)
        whole = self._days_to_read_whole(table, lost)
        prove = self._days_to_prove(table) - whole  # what is read whole is equal afterwards
        if watermark is None:
            whole = prove = NO_DAY
        window = Window(
            watermark=watermark,
            days=whole | prove,
            coverage=self._plan.coverage,
            gone_messages=self._gone_messages,
        )
        rows, counts = self._scanner.read(table, window)
        self._stage(table, rows, tally)
        if self._brake and self._keeps_messages and table.is_about_message:
            self._brake.keep_messages_of(table, MESSAGES)
        colliding = self._colliding_days(table, whole | prove) if prove else NO_DAY
        found = self._prove(table, prove, lost) if prove else ()
        if self._plan.repair:
            whole |= prove
        counts = self._source.counts(table) if counts is None else counts
        covered = {day: n for day, n in counts.items() if day is None or day in window.coverage}
        replaced = EVERY_DAY if watermark is None else whole
        proved = self._days_to_prove(table) - colliding
        gone = self._brake.gone(table, replaced, covered) if self._brake else NOTHING_GONE
        if self._brake and gone.stays:
            self._brake.keep(table, replaced)
            # A full read compares nothing, so any of its days may differ.
            differing = days_of(difference.day for difference in found if difference.day)
            proved = NO_DAY if watermark is None else proved - differing
        if table == MESSAGES:
            # Which messages of a lost day are gone is unknown, and so are their receipts.
            self._is_messages_full = watermark is None or bool(lost)
            self._keeps_messages |= gone.stays
            self._find_gone_messages(table, whole)
        self._warehouse.run("facts/forget_is_new", table)
        if self._chunks is not None and self._chunks.of(table.name) and watermark is not None:
            self._warehouse.set_variable(f"chunks_of_{table.name}", self._chunks.files(table.name))
            self._warehouse.run("facts/join_chunks", table)
            tally.add(self._chunks.of(table.name))
            require_unique_keys(self._warehouse, self._source, self._erasures, table)
            replaced |= self._chunks.days
        return TableExtract(
            relation=self._source.relations[table.name].relation,
            columns=self._source.relations[table.name].columns,
            counts=covered,
            outside_rows=sum(counts.values()) - sum(covered.values()),
            is_available=self._source.relations[table.name].is_available,
            rows=tally.rows,
            bytes=tally.bytes,
            ms=_ms_since(started),
            whole=replaced,
            proved=proved,
            colliding=colliding,
            differences=found,
            refused_rows=gone.refused_rows,
            lost=lost,
        )

    def _stage(self, table: Table, rows: pa.RecordBatchReader, tally: Tally) -> None:
        stage_stream(self._warehouse, self._source, "tables/stage", tally.count(rows), table)
        require_unique_keys(self._warehouse, self._source, self._erasures, table)

    def _prove(
        self, table: Dimension | Fact, days: DaySet, lost: frozenset[date] = frozenset()
    ) -> tuple[Difference, ...]:
        """Compare the staged rows of these days with the lake.

        Without a repair, only new rows stay staged, and the rows of lost days.
        """
        assert self._before is not None
        found = differences(self._warehouse, table, days, self._files(table.name, days))
        if self._plan.repair:
            return found
        if isinstance(table, Fact):
            self._warehouse.run("facts/keep_new", table, days=sorted(lost))
        else:
            self._warehouse.run("dimensions/keep_new", table)
        return found

    def _colliding_days(self, table: Fact, staged: DaySet) -> DaySet:
        """The days that share a key with another day: a row has moved, or is there twice.

        Which of the two it is shows when all of these days are staged together.
        """
        others = self._files(table.name, EVERY_DAY - staged)
        if not others:
            return NO_DAY
        paths = [self._warehouse.layout.lake / file.path for file in others]
        rows = self._warehouse.run("facts/colliding_days", table, files=paths)
        return days_of(day for (day,) in rows)

    def _find_gone_messages(self, table: Fact, whole: DaySet) -> None:
        """Note the messages that are gone: rows about them are read again."""
        if whole and not self._is_messages_full:
            self._gone_messages = self._message_ids("facts/gone_message_ids")

    def _message_ids(self, name: str) -> list[str]:
        """The ids, as texts, that a statement returns as a JSON array."""
        ids: list[str] = json.loads(self._warehouse.run(name)[0][0])
        return ids

    def _watermark(self, table: Dimension | Fact) -> int | None:
        """The watermark to read a table from; None for a full read, with the reason logged."""
        known = self._before.tables.get(table.name) if self._before else None
        if self._chunks is not None and isinstance(table, Fact):
            known = known or self._chunks.state(table.name)
            oldest = min(known.watermark, self._chunks.watermark)
            known = msgspec.structs.replace(known, watermark=oldest)
        relation = self._source.relations[table.name]
        watermark, reason = watermark_to_read_from(known, relation, self._source.snapshot)
        if self._plan.is_full:
            watermark, reason = None, "requested"
        elif isinstance(table, Fact) and table.is_about_message and self._is_messages_full:
            watermark, reason = None, reason or "its messages are read whole"
        elif (table.name, None) in self._plan.lost:
            watermark, reason = None, "its lake file is damaged"
        elif relation.is_whole:
            watermark, reason = None, None
        if reason and self._before:
            log.info("table.full_read", table=table.name, reason=reason)
        return watermark

    def _require_still_there(self, table: Table) -> None:
        """Stop before an optional table that was here is taken for an empty one."""
        known = self._before.tables.get(table.name) if self._before else None
        is_known = known is not None and known.is_available
        if is_known and not self._source.relations[table.name].is_available:
            if self._plan.is_full:
                return
            raise SourceError(
                f"the source no longer has the table that {table.name} are read from, "
                "or the role may not see it",
                hint="Restore the table or the role's access. If it was dropped on purpose, run "
                f"`{call('etl --full --yes')}` once.",
            )

    def _usable_chunks(self) -> Chunks | None:
        """The plan's chunks, unless a table was swapped or recreated after they were read."""
        chunks = self._plan.chunks
        if chunks is None:
            return None
        for table in chunks.plan.tables:
            relation = self._source.relations[table]
            _, reason = watermark_to_read_from(chunks.state(table), relation, self._source.snapshot)
            if reason:
                log.warning("backfill.chunks_unusable", table=table, reason=reason)
                return None
        return chunks

    def _days_to_read_whole(self, table: Fact, lost: frozenset[date]) -> DaySet:
        days = self._plan.whole.get(table.name, NO_DAY) | days_of(lost)
        if self._plan.chunks is not None and self._chunks is None:
            days |= self._plan.chunks.days
        return days

    def _days_to_prove(self, table: Fact) -> DaySet:
        return self._plan.prove.get(table.name, NO_DAY)

    def _files(self, table: str, days: DaySet) -> list[LakeFile]:
        """The usable lake files of these days."""
        assert self._before is not None
        return [
            file
            for file in self._before.files
            if file.table == table and file.day is not None and file.day in days
            if (table, file.day) not in self._plan.lost
        ]


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
