"""Reading one batch: everything that may have changed, under one snapshot, into staging.

Each table is read from its watermark on. Three things widen that. A table with an unusable
watermark (see `guards`) is read whole. Days that differ are read whole: a row that was
hard-deleted, or whose event time was changed, leaves no version behind that a reader could find,
only a count that does not add up. And what hangs on a changed row is read with it: receipts carry
their message's conversation and time, so those of changed and of removed messages are read again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import msgspec
import pyarrow as pa

from etl.guards import require_same_source, watermark_to_read_from
from etl.source import SourceTransaction, Window, open_source
from olap.backfill_chunks import Chunk, Chunks
from olap.days import EVERY_DAY, NO_DAY, DaySet, days_of
from olap.erasures import Erasures, read_erasures
from olap.extract import Extract, TableExtract, TakenSums
from olap.log import get_logger
from olap.manifest import Manifest, Places
from olap.proofs import FACT_NAMES, Tier, differing, recent_days, sums_here
from olap.settings import Secret, Settings
from olap.staging import Staging
from olap.tables import TABLES
from olap.warehouse import Warehouse

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What a batch reads besides the rows since the watermark.

    Attributes:
        coverage: the days that are kept.
        is_full: read every table whole, and accept another source than last time.
        suspects: facts whose counts do not add up: find the days that differ, read these whole.
        whole: days to read whole in any case; a dimension can only be read whole.
        lost: places in the lake whose files cannot be used: read whole, and written anew.
        prove: days to add up in full, for comparison after the fold.
        chunks: what a backfill has read of days that are new to the coverage; this batch brings
            what has changed since, and makes one state of it all.
        removal_max_percent: when days that are read whole lack more of a table's rows than this,
            its rows stay and are reported as refused.
    """

    coverage: DaySet = EVERY_DAY
    is_full: bool = False
    suspects: frozenset[str] = frozenset()
    whole: Mapping[str, DaySet] = field(default_factory=dict)
    lost: Places = frozenset()
    prove: Mapping[str, DaySet] = field(default_factory=dict)
    chunks: Chunks | None = None
    removal_max_percent: float = 5


def read_batch(
    warehouse: Warehouse,
    before: Manifest | None,
    settings: Settings,
    url: Secret,
    plan: BatchPlan,
) -> Extract:
    """Read a batch into staging.

    The source's transaction ends before anything is made of the rows, so that the source's vacuum
    is not held back by our work.

    Raises:
        SourceError: PostgreSQL cannot be read, or is not what it was.
    """
    started = time.perf_counter()
    warehouse.forget_staged()
    with open_source(
        url,
        lock_timeout_seconds=settings.lock_timeout_seconds,
        stall_seconds=settings.stall_seconds,
    ) as source:
        if not plan.is_full:
            require_same_source(before, source.snapshot)
        reader = _BatchReader(warehouse, source, before, plan)
        tables = {table: reader.read(table) for table in TABLES}
        sums = reader.sums()
        snapshot = source.snapshot
    return Extract(
        source=snapshot.identity,
        coverage=plan.coverage,
        snapshot=snapshot.text,
        watermark=snapshot.xmin,
        data_through=snapshot.seen_at,
        held_back_by=snapshot.held_back_by,
        ms=round((time.perf_counter() - started) * 1000),
        tables=tables,
        sums=sums,
    )


class _BatchReader:
    """Reads the tables of one batch in order; what it learns from one it uses for the next."""

    def __init__(
        self,
        warehouse: Warehouse,
        source: SourceTransaction,
        before: Manifest | None,
        plan: BatchPlan,
    ) -> None:
        self._warehouse = warehouse
        self._source = source
        self._before = before
        self._plan = plan
        self._counts = source.counts(plan.coverage)
        self._erasures = committed_erasures(warehouse)
        self._lost_messages = "{}"
        self._is_messages_full = False
        self._chunks = self._usable_chunks()

    def read(self, table: str) -> TableExtract:
        """Stage one table."""
        started, tally = time.perf_counter(), Tally(self._erasures)
        is_fact = table in FACT_NAMES
        folder = f"{'facts' if is_fact else 'dimensions'}/{table}"
        relation = self._source.relations[table]
        source_rows, outside_rows = self._counts[table]
        watermark = self._watermark(table)
        chunks = self._chunks if watermark is not None and is_fact else None
        lost = frozenset(d for name, d in self._plan.lost if name == table and d is not None)
        days = self._days_to_read_whole(table) if watermark is not None and is_fact else NO_DAY
        window = Window(
            watermark=watermark,
            days=days,
            coverage=self._plan.coverage,
            lost_messages=self._lost_messages,
        )
        stream = tally.count(self._source.rows(table, window))
        stage_stream(self._warehouse, self._source, f"{folder}/stage", stream)
        if chunks is not None:
            self._warehouse.set_variable(f"{table}_chunks", chunks.files(table))
            self._warehouse.run(f"{folder}/join_chunks")
            tally.add(chunks.of(table))
        refused = self._refused_rows(table, days) if days else 0
        whole = EVERY_DAY if watermark is None else days_of(lost) if refused else days
        has_keys = not is_fact and (watermark is None or self._lacks_keys(folder, source_rows))
        if has_keys and watermark is None:
            self._warehouse.run(f"{folder}/keys_of_full_read")
        elif has_keys:
            keys = Tally(self._erasures).count(self._source.keys(table))
            stage_stream(self._warehouse, self._source, f"{folder}/keys", keys)
        if table == "messages":
            # Which of a lost day's messages are gone cannot be told, so neither can their receipts.
            self._is_messages_full = watermark is None or bool(lost)
            if days and not refused and not self._is_messages_full and self._files(table, days):
                self._lost_messages = self._warehouse.run("facts/messages/lost_ids")[0][0]
        return TableExtract(
            relation=relation.relation,
            columns=relation.columns,
            source_rows=source_rows,
            outside_rows=outside_rows,
            rows=tally.rows,
            bytes=tally.bytes,
            ms=round((time.perf_counter() - started) * 1000),
            whole=whole | chunks.days if chunks is not None else whole,
            refused_rows=refused,
            lost=lost,
            is_lost=(table, None) in self._plan.lost,
            has_keys=has_keys,
        )

    def sums(self) -> dict[str, TakenSums]:
        """The source's sums: in full what is to be proved, and the last two days cheaply.

        After a first load or a full read everything is as it was read; there is nothing to find.
        """
        recent = recent_days(self._source.snapshot.seen_at)
        taken: dict[str, TakenSums] = {}
        erased = self._erased_people() if self._plan.prove else "{}"
        for table in TABLES:
            days, tier = self._plan.prove.get(table, NO_DAY), Tier.FULL
            if not days and table in FACT_NAMES and self._before and not self._plan.is_full:
                days, tier = recent, Tier.CHEAP
            if not days:
                continue
            found = self._source.sums(table, days, tier, erased)
            taken[table] = TakenSums(
                days=days,
                tier=tier,
                sums={d: s for d, s in found.items() if self._is_covered(d)},
            )
        return taken

    def _erased_people(self) -> str:
        """The source's ids of erased people, as JSON: its sums must see what is here for them."""
        if not self._erasures:
            return "{}"
        people = self._source.people().read_all().column("user_id").to_pylist()
        return self._erasures.pseudonyms(u for u in people if u is not None)

    def _is_covered(self, day: date | None) -> bool:
        return day is None or day in self._plan.coverage

    def _watermark(self, table: str) -> int | None:
        known = self._before.tables.get(table) if self._before else None
        if self._chunks is not None and table in FACT_NAMES:
            known = known or self._chunks.state(table)
            known = msgspec.structs.replace(
                known, watermark=min(known.watermark, self._chunks.watermark)
            )
        relation = self._source.relations[table]
        watermark, reason = watermark_to_read_from(known, relation, self._source.snapshot)
        if self._plan.is_full:
            watermark, reason = None, "asked for"
        elif table == "read_receipts" and self._is_messages_full and watermark is not None:
            watermark, reason = None, "its messages are read whole"
        elif table not in FACT_NAMES and self._plan.whole.get(table):
            watermark, reason = None, "it differs from the source"
        elif (table, None) in self._plan.lost:
            watermark, reason = None, "its lake file is damaged"
        if reason and self._before:
            log.info("table.full_read", table=table, reason=reason)
        return watermark

    def _usable_chunks(self) -> Chunks | None:
        """The plan's chunks, unless a table was swapped or made anew after they were read."""
        chunks = self._plan.chunks
        if chunks is None:
            return None
        for table in chunks.plan.tables:
            relation = self._source.relations[table]
            _, reason = watermark_to_read_from(chunks.state(table), relation, self._source.snapshot)
            if reason:
                log.warning("backfill.pieces_unusable", table=table, reason=reason)
                return None
        return chunks

    def _days_to_read_whole(self, table: str) -> DaySet:
        days = self._plan.whole.get(table, NO_DAY)
        if self._plan.chunks is not None and self._chunks is None:
            days |= self._plan.chunks.days
        days |= days_of(day for name, day in self._plan.lost if name == table and day is not None)
        if table in self._plan.suspects:
            assert self._before is not None
            found = self._source.sums(table, EVERY_DAY, Tier.COUNT, "{}")
            covered = {day: s for day, s in found.items() if self._is_covered(day)}
            here = sums_here(self._warehouse, self._before, table, EVERY_DAY, Tier.COUNT)
            days |= days_of(day for day in differing(covered, here) if day is not None)
        return days

    def _refused_rows(self, table: str, days: DaySet) -> int:
        """How many rows are gone, if they are too many to remove; 0 when all is well."""
        assert self._before is not None
        files = self._files(table, days)
        lost = self._warehouse.run(f"facts/{table}/lost", files=files)[0][0] if files else 0
        held = self._before.tables[table].rows
        return lost if lost * 100 > self._plan.removal_max_percent * held else 0

    def _files(self, table: str, days: DaySet) -> list[str]:
        """The lake's files of these days, as far as they can be used."""
        assert self._before is not None
        return [
            str(self._warehouse.layout.lake / file.path)
            for file in self._before.files
            if file.table == table and file.day is not None and file.day in days
            if (table, file.day) not in self._plan.lost
        ]

    def _lacks_keys(self, folder: str, source_rows: int) -> bool:
        return bool(self._warehouse.run(f"{folder}/count")[0][0] != source_rows)


def committed_erasures(warehouse: Warehouse) -> Erasures:
    """Who has been erased from this warehouse, even if the command was killed after its commit."""
    erasures = read_erasures(warehouse.layout)
    rows = warehouse.run("erasure/committed", pseudonyms=erasures.begun) if erasures.begun else []
    return erasures.with_committed(row[0] for row in rows)


@dataclass(slots=True)
class Tally:
    """Counts a stream while it flows, and masks the people in it who were erased."""

    erasures: Erasures
    rows: int = 0
    bytes: int = 0

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Count what flowed before, into chunks."""
        for chunk in chunks:
            self.rows += chunk.rows
            self.bytes += chunk.bytes

    def count(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                self.rows += batch.num_rows
                self.bytes += batch.nbytes
                yield self.erasures.mask(batch)

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def stage_stream(
    staging: Staging, source: SourceTransaction, name: str, rows: pa.RecordBatchReader
) -> None:
    """Stage a stream; an error of the source is raised as itself, not as DuckDB shows it."""
    try:
        staging.stage(name, rows)
    except Exception:
        if source.failure is not None:
            raise source.failure from None
        raise
