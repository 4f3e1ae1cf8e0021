"""Streams of the source into staging: counted, masked, and with unique keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from etl.source import SourceTransaction
from olap.backfill_chunks import Chunk
from olap.commands import call
from olap.erasures import Erasures, read_erasures
from olap.errors import DuplicateKeysError
from olap.staging import Staging
from olap.tables import MESSAGES, Fact, Table
from olap.warehouse import Warehouse


def committed_erasures(warehouse: Warehouse) -> Erasures:
    """The people erased from this warehouse, even if the command was killed after its commit."""
    erasures = read_erasures(warehouse.layout, warehouse.ids.user)
    rows = warehouse.run("erasure/committed", pseudonyms=erasures.begun) if erasures.begun else []
    return erasures.with_committed(row[0] for row in rows)


@dataclass(slots=True)
class Tally:
    """Counts a stream while it flows, and masks the people in it who were erased."""

    erasures: Erasures
    rows: int = 0
    bytes: int = 0

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Count what an earlier process put into chunks."""
        for chunk in chunks:
            self.rows += chunk.rows
            self.bytes += chunk.bytes

    def count(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """The same stream, counted and masked."""

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                self.rows += batch.num_rows
                self.bytes += batch.nbytes
                yield self.erasures.mask(batch)

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


def stage_stream(
    staging: Staging, source: SourceTransaction, name: str, rows: pa.RecordBatchReader, table: Table
) -> None:
    """Stage a stream; an error of the source is raised as itself, not as DuckDB reports it."""
    try:
        staging.stage(name, rows, table)
    except Exception:
        if source.failure is not None:
            raise source.failure from None
        raise


def require_unique_keys(
    staging: Staging, source: SourceTransaction, erasures: Erasures, table: Table
) -> None:
    """Stop unless each staged row has its own key: of several, a merge would keep any one.

    Raises:
        DuplicateKeysError: several rows have the same key.
    """
    if staging.run("tables/has_unique_keys", table)[0][0]:
        return
    require_unique_keys_at_source(staging, source, erasures, table)
    if staging.run("tables/staged_duplicates", table)[0][0]:
        raise DuplicateKeysError(
            f"the backfill has read several rows of {table.name} with the same "
            f"{', '.join(table.key)}; by now the source has only one of them",
            hint=f"Start again: `{call('backfill --restart')}`, with the same days.",
        )


def require_unique_keys_at_source(
    staging: Staging, source: SourceTransaction, erasures: Erasures, table: Table
) -> None:
    """Stop if several rows of the source have the same key.

    How many of them are staged depends on the path. This asks the source for all of them, so that
    every path ends with the same error.

    Raises:
        DuplicateKeysError: several rows have the same key.
    """
    # A message that is there twice multiplies the rows about it.
    is_about_message = isinstance(table, Fact) and table.is_about_message
    for suspect in (MESSAGES, table) if is_about_message else (table,):
        keys = Tally(erasures).count(source.duplicate_keys(suspect))
        stage_stream(staging, source, "tables/stage_duplicate_keys", keys, suspect)
        ((number, examples),) = staging.run("tables/duplicate_keys", suspect)
        if number:
            raise DuplicateKeysError(
                f"{number:,} keys of {suspect.name} ({', '.join(suspect.key)}) have several rows "
                f"at the source, such as {'; '.join(examples)}",
                hint="Remove the superfluous rows at the source (a unique index prevents them), or "
                "let the SELECT return what identifies a row. Nothing is published until then.",
            )
