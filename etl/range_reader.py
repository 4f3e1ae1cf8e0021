"""The reader of a backfill: ranges of blocks, each into a chunk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.source import SourceTransaction
from etl.streams import Tally, require_unique_keys, stage_stream
from olap.backfill_chunks import BlockRange, Chunk, chunk_path, record_chunk
from olap.days import DaySet
from olap.erasures import Erasures
from olap.staging import Staging, open_staging
from olap.tables import FACTS

RANGE_MEMORY_LIMIT = "256MB"


class RangeReader:
    """Reads block ranges into chunks, in one source transaction; see `range_reader`.

    A range is small enough to be staged and sorted in bounded memory, whatever the table's size.
    """

    def __init__(
        self, staging: Staging, home: Path, source: SourceTransaction, erasures: Erasures
    ) -> None:
        self._staging = staging
        self._home = home
        self._source = source
        self._erasures = erasures

    def read(self, planned: BlockRange, days: DaySet) -> Chunk:
        """Read the rows of a range that are on these days, and record that it has been read."""
        tally = Tally(self._erasures)
        stream = tally.count(self._source.range_rows(planned, days))
        table = next(fact for fact in FACTS if fact.name == planned.table)
        path = chunk_path(self._home, planned.name)
        self._staging.forget_staged()
        stage_stream(self._staging, self._source, "tables/stage", stream, table)
        require_unique_keys(self._staging, self._source, self._erasures, table)
        self._staging.run("facts/forget_is_new", table)
        self._staging.run("facts/write_chunk", table, path=path)
        self._staging.forget_staged()
        snapshot = self._source.snapshot
        chunk = Chunk(
            name=planned.name,
            xmin=snapshot.xmin,
            xmax=snapshot.xmax,
            rows=tally.rows,
            bytes=tally.bytes,
        )
        record_chunk(self._home, chunk)
        return chunk


@contextmanager
def range_reader(
    home: Path, source: SourceTransaction, erasures: Erasures, *, number: int
) -> Iterator[RangeReader]:
    """A reader of ranges into `home`.

    Args:
        number: of the reader; unique among those that run.
    """
    spill = home / f"spill-{number}"
    with open_staging(memory_limit=RANGE_MEMORY_LIMIT, threads=1, spill=spill) as staging:
        yield RangeReader(staging, home, source, erasures)
