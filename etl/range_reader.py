"""Reading one range of a backfill into a chunk: Arrow stream → staging → sorted Parquet file.

A range is small enough to be staged and sorted in a bounded memory, whatever the table's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.batch import Tally, stage_stream
from etl.source import SourceTransaction
from olap.backfill_chunks import BlockRange, Chunk, chunk_path, record_chunk
from olap.days import DaySet
from olap.erasures import Erasures
from olap.staging import Staging, open_staging

MEMORY_LIMIT = "256MB"


class RangeReader:
    """Reads ranges one after the other, in one source transaction; made by `range_reader`."""

    def __init__(
        self, staging: Staging, home: Path, source: SourceTransaction, erasures: Erasures
    ) -> None:
        self._staging = staging
        self._home = home
        self._source = source
        self._erasures = erasures

    def read(self, planned: BlockRange, days: DaySet) -> Chunk:
        """Read the rows of a range that lie on these days, and note that it has been read."""
        tally = Tally(self._erasures)
        stream = tally.count(self._source.range_rows(planned, days))
        folder, path = f"facts/{planned.table}", chunk_path(self._home, planned.name)
        self._staging.forget_staged()
        stage_stream(self._staging, self._source, f"{folder}/stage", stream)
        self._staging.run(f"{folder}/write_chunk", path=str(path))
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
        number: of the reader; no two at once have the same.
    """
    spill = home / f"spill-{number}"
    with open_staging(memory_limit=MEMORY_LIMIT, threads=1, spill=spill) as staging:
        yield RangeReader(staging, home, source, erasures)
