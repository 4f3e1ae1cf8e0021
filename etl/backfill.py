"""Backfill: the first load of a large messenger, and any later widening of the coverage.

The tables are read in ranges of blocks, by several readers at once, in **rounds**. The readers of a
round share one exported snapshot, and a round lasts no longer than a minute or so, so that the
source's vacuum is not held back for hours. The rows of a range are on disk before the next one
begins (`olap.backfill_chunks`): after a kill, the same command resumes.

Ranges of different rounds do not fit together by themselves. A row may have been changed, or moved
to another block, after its range was read; but then its new version's xmin is at or after that
snapshot's. So the backfill ends with a cycle whose watermark is the lowest xmin of all rounds. What
that cycle reads replaces the same rows in the chunks, its counts reveal hard deletes, and its one
commit adds all of it to the warehouse and to the coverage. Nothing is published before.

Cycles go on while ranges are read; only that last cycle needs the lock of the `DATA_DIR`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

from etl.cycle import Clock, CycleReport, has_left_chunks, run_cycle
from etl.guards import (
    require_later_snapshot,
    require_same_source,
    require_same_tables,
    watermark_to_read_from,
)
from etl.range_reader import range_reader
from etl.source import SourceTransaction, open_source
from etl.survey import replica_lag_bytes
from olap.backfill_chunks import (
    BackfillPlan,
    BlockRange,
    Chunk,
    Chunks,
    PlannedTable,
    block_ranges,
    discard_chunks,
    forget_chunk,
    read_chunks,
    write_plan,
)
from olap.commands import call
from olap.days import NO_DAY, DayRange, DaySet, day_set
from olap.erasures import read_erasures
from olap.errors import BackfillError
from olap.layout import Layout
from olap.log import get_logger
from olap.manifest import Manifest, read_manifest
from olap.mapping import read_mapping
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import FACTS, MESSAGES

log = get_logger(__name__)

# 64 MB of heap: a second or two of reading, and half a million rows to sort in memory.
RANGE_BLOCKS = 8192
BLOCK_BYTES = 8192
# How long a snapshot is kept: the source's vacuum waits no longer than this and one range.
ROUND_SECONDS = 60.0
LAG_POLL_SECONDS = 2.0
# The last cycle waits for a running one; that of a large messenger takes a while.
LOCK_WAIT_SECONDS = 600.0
# Receipts carry their message's conversation and time, so they are read after all messages: a
# message deleted in between changes the count of messages, and its receipts are read again.
ABOUT_MESSAGES = frozenset(fact.name for fact in FACTS if fact.is_about_message)
ORDER = tuple(fact.name for fact in sorted(FACTS, key=lambda fact: fact.is_about_message))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the reading is.

    Attributes:
        blocks, blocks_done: of all fact tables.
        rows: that were read.
        lag_bytes: how far replicas are behind, while the reading pauses for them; else None.
    """

    blocks: int
    blocks_done: int
    rows: int
    lag_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What a backfill did.

    Attributes:
        days: that it added to the coverage; none when all were covered.
        progress: how far the reading is.
        resumed_blocks: of these, read by an earlier command.
        read_ms: of this command.
        cycle: the one that ended it; None when it was stopped before, or there was nothing to do.
    """

    days: DaySet
    progress: Progress
    resumed_blocks: int
    read_ms: int
    cycle: CycleReport | None


def backfill(
    settings: Settings,
    url: Secret,
    clock: Clock,
    *,
    days: DayRange,
    jobs: int = 2,
    pause_above_lag_mb: int | None = None,
    restart: bool = False,
    show: Callable[[Progress], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> BackfillReport:
    """Read the days that are not covered yet, and add them to the warehouse.

    Args:
        days: the coverage to reach.
        jobs: how many readers.
        pause_above_lag_mb: read nothing while a replica is further behind, in MB of log.
        restart: discard what an unfinished backfill has read.
        show: called now and then with the progress.
        stop: when set, the readers stop after their present range, and nothing is folded.

    Raises:
        AnalyticsError: with what to do next; what was read is kept and not read again.
    """
    layout, started = Layout(settings.data_dir), time.monotonic()
    stop = stop or threading.Event()
    with layout.backfill_locked():
        if restart:
            discard_chunks(layout)
        before = read_manifest(layout.lake_manifest) if layout.lake_manifest.exists() else None
        if has_left_chunks(layout, before):
            discard_chunks(layout)
        chunks = read_chunks(layout)
        wanted = day_set(days) - (before.coverage if before else NO_DAY)
        _require_same_days(chunks, wanted)
        resumed = chunks.blocks_done if chunks else 0
        if wanted:
            rounds = _Rounds(layout, settings, url, before, jobs, pause_above_lag_mb, show, stop)
            chunks = rounds.read(chunks, wanted)
        progress = _progress_of(chunks)
        read_ms = round((time.monotonic() - started) * 1000)
        cycle = None
        if chunks is not None and not chunks.waiting and not stop.is_set():
            cycle = run_cycle(settings, url, clock, chunks=chunks, wait_seconds=LOCK_WAIT_SECONDS)
    return BackfillReport(
        days=wanted, progress=progress, resumed_blocks=resumed, read_ms=read_ms, cycle=cycle
    )


def _require_same_days(chunks: Chunks | None, wanted: DaySet) -> None:
    if chunks is not None and chunks.days != wanted:
        raise BackfillError(
            f"a backfill of other days is unfinished: {chunks.days}, not {wanted}",
            hint="Finish it with its own days first, or discard what it has read: --restart.",
        )


def _progress_of(chunks: Chunks | None, lag_bytes: int | None = None) -> Progress:
    return Progress(
        blocks=chunks.blocks if chunks else 0,
        blocks_done=chunks.blocks_done if chunks else 0,
        rows=chunks.rows if chunks else 0,
        lag_bytes=lag_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Rounds:
    """Round after round until every range has been read."""

    layout: Layout
    settings: Settings
    url: Secret
    before: Manifest | None
    jobs: int
    pause_above_lag_mb: int | None
    show: Callable[[Progress], None]
    stop: threading.Event

    def read(self, chunks: Chunks | None, wanted: DaySet) -> Chunks | None:
        """Read what is missing; the chunks, some still waiting when it was stopped."""
        while (chunks is None or chunks.waiting) and not self.stop.is_set():
            lag = self._lag_above_limit()
            if lag is not None:
                self.show(_progress_of(chunks, lag))
                self.stop.wait(LAG_POLL_SECONDS)
                continue
            with self._transaction() as source:
                chunks = self._planned(source, chunks, wanted)
                chunks = self._round(source.export_snapshot(), chunks)
        return chunks

    @contextmanager
    def _transaction(self, snapshot_name: str | None = None) -> Iterator[SourceTransaction]:
        mapping = read_mapping(self.settings.source_mapping)
        with open_source(self.url, self.settings, mapping, snapshot_name=snapshot_name) as source:
            yield source

    def _planned(self, source: SourceTransaction, chunks: Chunks | None, wanted: DaySet) -> Chunks:
        """The chunks by a plan that fits what the source is now."""
        require_same_source(self.before, source.snapshot)
        require_same_tables(self.before, source.relations)
        stale = self._stale(source, chunks)
        if chunks is not None and not stale:
            return chunks
        ranges: list[BlockRange] = []
        for table in ORDER:
            relation = source.relations[table]
            if not relation.is_available or relation.is_whole:
                continue
            if chunks is not None and table not in stale:
                ranges += [planned for planned in chunks.plan.ranges if planned.table == table]
            else:
                ranges += block_ranges(table, relation.heap_blocks, at_most=RANGE_BLOCKS)
        for chunk in (chunk for table in stale for chunk in chunks.of(table)) if chunks else ():
            forget_chunk(self.layout.backfill, chunk.name)
        snapshot = source.snapshot
        return write_plan(
            self.layout,
            BackfillPlan(
                days=wanted,
                source=snapshot.identity,
                xmin=snapshot.xmin,
                xmax=snapshot.xmax,
                tables={
                    table: PlannedTable(relation=found.relation, columns=found.columns)
                    for table, found in source.relations.items()
                    if table in ORDER
                },
                ranges=tuple(ranges),
            ),
        )

    def _stale(self, source: SourceTransaction, chunks: Chunks | None) -> set[str]:
        """The tables that were swapped or recreated since their ranges were planned."""
        if chunks is None:
            return set(ORDER)
        require_later_snapshot(
            chunks.plan.source,
            chunks.xmax,
            source.snapshot,
            way_out=f"If this is intended, run `{call('backfill --restart')}`. "
            "If not, correct DATABASE_URL.",
        )
        stale: set[str] = set()
        for table in ORDER:
            relation = source.relations[table]
            state = chunks.state(table) if table in chunks.plan.tables else None
            _, reason = watermark_to_read_from(state, relation, source.snapshot)
            if reason:
                log.warning("backfill.read_again", table=table, reason=reason)
                stale.add(table)
        if MESSAGES.name in stale:
            stale |= ABOUT_MESSAGES
        return stale

    def _round(self, snapshot_name: str, chunks: Chunks) -> Chunks:
        """Read ranges until none is left, the time is over, or it must pause."""
        queue = _Queue(chunks, self.stop, deadline=time.monotonic() + ROUND_SECONDS)

        def work(number: int) -> None:
            with (
                queue.ending_on_error(),
                self._transaction(snapshot_name) as source,
                range_reader(
                    self.layout.backfill,
                    source,
                    read_erasures(self.layout, source.mapping.ids.user),
                    number=number,
                ) as reader,
            ):
                while (planned := queue.take()) is not None:
                    self.layout.require_space(
                        planned.blocks * BLOCK_BYTES, "a chunk of the backfill"
                    )
                    queue.finish(planned, reader.read(planned, chunks.days))

        with ThreadPoolExecutor(self.jobs) as pool:
            running = {pool.submit(work, number) for number in range(self.jobs)}
            try:
                while running:
                    self.show(_progress_of(queue.chunks()))
                    _, running = wait(running, LAG_POLL_SECONDS / 4, FIRST_EXCEPTION)
                    if self._lag_above_limit() is not None:
                        queue.end()
            finally:
                queue.end()
        queue.raise_failure()
        self.show(_progress_of(queue.chunks()))
        return queue.chunks()

    def _lag_above_limit(self) -> int | None:
        """How far replicas are behind, in bytes, if that is too far."""
        if self.pause_above_lag_mb is None:
            return None
        lag = replica_lag_bytes(self.url, stall_seconds=self.settings.stall_seconds)
        return lag if lag is not None and lag > self.pause_above_lag_mb * 1_000_000 else None


class _Queue:
    """The ranges of a round: who reads which, what has been read, and whether to go on."""

    def __init__(self, chunks: Chunks, stop: threading.Event, *, deadline: float) -> None:
        self._chunks = chunks
        self._stop = stop
        self._deadline = deadline
        self._changed = threading.Condition()
        self._waiting = sorted(chunks.waiting, key=lambda found: ORDER.index(found.table))
        self._done = dict(chunks.done)
        self._reading: set[str] = set()
        self._is_over = False
        self._failure: BaseException | None = None

    def take(self) -> BlockRange | None:
        """The next range to read; None when this round is over."""
        with self._changed:
            while not self._must_end() and self._waiting:
                if self._waiting[0].table in ABOUT_MESSAGES and self._reads(MESSAGES.name):
                    self._changed.wait(1)
                    continue
                planned = self._waiting.pop(0)
                self._reading.add(planned.name)
                return planned
            return None

    def finish(self, planned: BlockRange, chunk: Chunk) -> None:
        """Note that a range has been read."""
        with self._changed:
            self._reading.remove(planned.name)
            self._done[planned.name] = chunk
            self._changed.notify_all()

    def end(self) -> None:
        """Let the readers end with the range they are at."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    @contextmanager
    def ending_on_error(self) -> Iterator[None]:
        """What fails one reader ends the round for all; the first failure is the one to tell."""
        try:
            yield
        except BaseException as error:
            with self._changed:
                self._failure = self._failure or error
            self.end()

    def raise_failure(self) -> None:
        """Raise what ended the round, if anything did."""
        if self._failure is not None:
            raise self._failure

    def chunks(self) -> Chunks:
        """What has been read so far."""
        with self._changed:
            return Chunks(self._chunks.home, self._chunks.plan, dict(self._done))

    def _reads(self, table: str) -> bool:
        return any(
            planned.table == table and planned.name in self._reading
            for planned in self._chunks.plan.ranges
        )

    def _must_end(self) -> bool:
        return self._is_over or self._stop.is_set() or time.monotonic() > self._deadline
