"""Reading one range of a backfill into a piece: Arrow stream → staging → sorted Parquet file.

A range is small enough to be staged and sorted in a bounded memory, whatever the table's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.batch import Tally, stage_stream
from etl.source import SourceTransaction
from olap.days import DaySet
from olap.erasures import Erasures
from olap.pieces import BlockRange, Piece, piece_path, record_piece
from olap.scratch import Scratch, open_scratch

MEMORY_LIMIT = "256MB"


class RangeReader:
    """Reads ranges one after the other, in one source transaction; made by `range_reader`."""

    def __init__(
        self, scratch: Scratch, home: Path, source: SourceTransaction, erasures: Erasures
    ) -> None:
        self._scratch = scratch
        self._home = home
        self._source = source
        self._erasures = erasures

    def read(self, planned: BlockRange, days: DaySet) -> Piece:
        """Read the rows of a range that lie on these days, and note that it has been read."""
        tally = Tally(self._erasures)
        stream = tally.count(self._source.range_rows(planned, days))
        folder, path = f"facts/{planned.table}", piece_path(self._home, planned.name)
        self._scratch.forget_staged()
        stage_stream(self._scratch, self._source, f"{folder}/stage", stream)
        self._scratch.run(f"{folder}/write_piece", path=str(path))
        self._scratch.forget_staged()
        snapshot = self._source.snapshot
        piece = Piece(
            name=planned.name,
            xmin=snapshot.xmin,
            xmax=snapshot.xmax,
            rows=tally.rows,
            bytes=tally.bytes,
        )
        record_piece(self._home, piece)
        return piece


@contextmanager
def range_reader(
    home: Path, source: SourceTransaction, erasures: Erasures, *, number: int
) -> Iterator[RangeReader]:
    """A reader of ranges into `home`.

    Args:
        number: of the reader; no two at once have the same.
    """
    spill = home / f"spill-{number}"
    with open_scratch(memory_limit=MEMORY_LIMIT, threads=1, spill=spill) as scratch:
        yield RangeReader(scratch, home, source, erasures)
