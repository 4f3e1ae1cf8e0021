"""The manifest: what a lake, a warehouse or a generation holds, as one record and as JSON.

The same record exists three times. The warehouse holds it as ledger tables, because it must move in
the transaction that moves the data. `lake/manifest.json` repeats it after each commit, so that the
warehouse can be rebuilt from the lake alone. `generations/NNNNNN/manifest.json` keeps it beside a
generation, readable without DuckDB; the lake files it references are not collected.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from olap.days import EVERY_DAY, DaySet
from olap.errors import LakeError, NewerVersionError
from olap.ids import IdTypes

# The format of the files below DATA_DIR. It is raised when an older version must not touch them:
# that version then stops (`NewerVersionError`). Other changes of the warehouse's tables need no
# number: their fingerprint differs, and the running version rebuilds them from the lake.
FORMAT = 3

# One (table, UTC day), or (dimension, None): what one lake file holds.
Place = tuple[str, date | None]
Places = frozenset[Place]


class SourceIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which database this is; it must be the same in every cycle.

    Attributes:
        system_identifier: of the PostgreSQL cluster (`pg_control_system()`), as text.
        timeline: changes at a failover or a point-in-time recovery.
        database: oid and name of the database within the cluster.
    """

    system_identifier: str
    timeline: int
    database: str


class SourceShape(msgspec.Struct, frozen=True, kw_only=True):
    """How the source was read; `core.state` has the same columns.

    Attributes:
        mapping: the name of the mapping.
        ids: the types of its ids; they never change within one `DATA_DIR`.
        inexact: what the mapping says this messenger cannot tell exactly.
        row_security: `refused` = PostgreSQL would have refused to hide a row; `trusted` = the
            operator's word that it hid none.
    """

    mapping: str = "messenger"
    ids: IdTypes = IdTypes()
    inexact: tuple[str, ...] = ()
    row_security: str = "refused"


class Mode(StrEnum):
    """How a batch found the rows that changed; see `etl.feed`."""

    SCAN = "scan"
    SLOT = "slot"
    LOG = "log"


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a feed has been read; see `etl.feed`.

    Attributes:
        mode: slot or log.
        identity: changes when the feed is another one, or may have missed something: it was dropped
            and made again, or its tables or columns were changed.
        ready_at: xid8; transactions from this one on are complete in the feed. A scan whose
            snapshot has no older one open makes the feed usable.
        position: how far it was read (a slot: LSN); None until it is usable.
    """

    mode: Mode
    identity: str
    ready_at: int
    position: int | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """All rows that one cycle read, under one snapshot.

    Attributes:
        batch: its number, from 1.
        data_through: the source's `now()` in the transaction of the snapshot, UTC.
        snapshot: `pg_current_snapshot()` as text, `xmin:xmax:xip_list`.
        rows_read: rows that the source sent.
        rows_changed: rows among these that were new or different, in days and dimensions.
        days_rebuilt: (table, day) pairs that got a new lake file or lost theirs.
        read_ms, fold_ms: milliseconds spent reading, and from there to the commit.
        held_back_by: the oldest transaction then open at the source, or null.
        mode: how it found the rows that changed.
        mode_reason: why it did not use a feed; null where none is wanted, or where it did.
    """

    batch: int
    data_through: datetime
    snapshot: str
    rows_read: int
    rows_changed: int
    days_rebuilt: int
    read_ms: int
    fold_ms: int
    held_back_by: str | None
    mode: Mode = Mode.SCAN
    mode_reason: str | None = None


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """How far one table has been read, and what it holds.

    Attributes:
        watermark: the next cycle reads every row whose xmin is at or after this xid8.
        relation: oid and storage of the source's table; another one forces a full read.
        columns: names, numbers and types of the columns read; others force a full read.
        source_rows: rows the source counted under the last snapshot, inside the coverage.
        rows: rows here after the last batch.
        outside_rows: rows the source counted outside the coverage; they are not kept.
        is_available: whether the source has the table; what it would tell is unknown, not 0.
        refused_rows: rows here that are gone at the source, too many to remove unasked.
    """

    watermark: int
    relation: str
    columns: str
    source_rows: int
    rows: int
    outside_rows: int = 0
    is_available: bool = True
    refused_rows: int = 0


class LakeFile(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One immutable Parquet file that the lake is made of.

    Attributes:
        day: the UTC day of its rows; null for a dimension, which is in one file.
        path: relative to the lake.
        batch: the batch that wrote it.
        proved_at: when (a `data_through`) these rows were last proved equal to the source's, row
            by row; kept when later batches change some of them. Null = not yet.
    """

    table: str
    day: date | None
    path: str
    batch: int
    rows: int
    bytes: int
    proved_at: datetime | None = None


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """When one table was last proved equal to the source.

    Attributes:
        files: day files of a fact, or the one file of a dimension.
        proved_files: of these, proved at least once.
        proved_at: every file has been proved since then, UTC; null = one has not been yet.
    """

    files: int
    proved_files: int
    proved_at: datetime | None


class MadeBy(StrEnum):
    """How the file of a generation was made; see `olap.generation_file`."""

    CLONE = "clone"
    DELTA = "delta"
    COPY = "copy"


class FileMark(msgspec.Struct, frozen=True, kw_only=True):
    """By what the file of a generation is recognized (see `olap.damage`), and how it was made.

    Attributes:
        bytes: its size.
        modified: the second of its last modification, since 1970 UTC; copies keep no more.
        head: a digest of the headers, which DuckDB changes with whatever it writes.
        made_by: the way; null where an earlier version made it.
        written: bytes that were written for it.
        compared_at: when the file of this generation, or of the last one before it that was, has
            been read back from the disk and found equal to the warehouse, UTC; null = never.
    """

    bytes: int
    modified: int
    head: str
    made_by: MadeBy | None = None
    written: int = 0
    compared_at: datetime | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is recorded about one state of the data.

    Attributes:
        generation: the generation this state was last published as; 0 = never.
        generated_at: when, UTC.
        changed_in_batch: the last batch that changed any row; older generations are out of date.
        batches: the last hundred, oldest first.
        file: the generation's file; null where the state is not a generation's.
        coverage: the days that are kept; the source's rows of other days are counted, not read.
        feed: how far the source's feed was read; null where it has none.
        delta: the version of each table whose files are this generation's (`olap.delta`); empty
            where the lake is not published as Delta tables. It is written after the generation, and
            stands last, so that the bytes before it never change.
    """

    format: int = FORMAT
    generation: int
    generated_at: datetime | None
    schema_fingerprint: str
    source: SourceIdentity
    shape: SourceShape = SourceShape()
    changed_in_batch: int
    batches: Annotated[tuple[Batch, ...], msgspec.Meta(min_length=1)]
    tables: dict[str, TableState]
    files: tuple[LakeFile, ...]
    coverage: DaySet = EVERY_DAY
    file: FileMark | None = None
    feed: FeedState | None = None
    delta: dict[str, int] = {}

    @property
    def last_batch(self) -> Batch:
        return self.batches[-1]

    @property
    def data_through(self) -> datetime:
        """As seen at this instant of the source's clock, UTC."""
        return self.last_batch.data_through

    @property
    def first_day(self) -> date | None:
        """The first UTC day with a row of a fact; None = there is none."""
        return min((file.day for file in self.files if file.day is not None), default=None)

    def days(self, table: str) -> int:
        """How many UTC days of `table` have rows; 0 for a dimension."""
        return sum(file.table == table and file.day is not None for file in self.files)

    def file_of(self, table: str, day: date | None) -> LakeFile | None:
        """The file of one day of a fact, or (day None) of a dimension."""
        found = (file for file in self.files if file.table == table and file.day == day)
        return next(found, None)

    @property
    def proved_at(self) -> datetime | None:
        """Since when every file has been proved, UTC; None = one has not been yet."""
        return _proved_since(self.files)

    def proof(self, table: str) -> Proof:
        """When `table` was last proved; the view core.proofs has the same rows."""
        files = [file for file in self.files if file.table == table]
        return Proof(
            files=len(files),
            proved_files=sum(file.proved_at is not None for file in files),
            proved_at=_proved_since(files),
        )

    def with_generation(
        self, generation: int, generated_at: datetime, file: FileMark | None = None
    ) -> Manifest:
        """The same state, published."""
        return msgspec.structs.replace(
            self, generation=generation, generated_at=generated_at, file=file
        )

    def to_json(self) -> bytes:
        """Indented JSON; times are RFC 3339 with `Z`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def _proved_since(files: Iterable[LakeFile]) -> datetime | None:
    times = [file.proved_at for file in files]
    proved = [time for time in times if time is not None]
    return min(proved) if proved and len(proved) == len(times) else None


def utc(naive: datetime) -> datetime:
    """DuckDB's TIMESTAMP, which is UTC by our convention, as an aware datetime."""
    return naive.replace(tzinfo=UTC)


def naive_utc(aware: datetime) -> datetime:
    """An aware datetime as DuckDB's TIMESTAMP in UTC."""
    return aware.astimezone(UTC).replace(tzinfo=None)


def identity(content: bytes) -> bytes:
    """The bytes of a generation's manifest by which it is recognized.

    That is: all that is written when it is published, and not the versions of the Delta tables,
    which are added a moment later.
    """
    return content.partition(b'\n "delta": {')[0]


def read_manifest(path: Path) -> Manifest:
    """The manifest stored at `path`.

    Raises:
        LakeError: it is missing, or not a manifest.
        NewerVersionError: it was written by a newer version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LakeError(
            f"the manifest {path} cannot be read: {error.strerror}",
            hint="Check DATA_DIR; without a manifest, run one cycle to make it.",
        ) from error
    try:
        head: dict[str, Any] = msgspec.json.decode(content)
        if head.get("format", 0) > FORMAT:
            raise NewerVersionError(
                f"the manifest {path} has format {head['format']}, this version knows {FORMAT}",
                hint="Use the version that wrote it, or a newer one.",
            )
        if head.get("format") == 1:
            _convert_format_1(head)
        if head.get("format") == 2:
            _convert_format_2(head)
        return msgspec.convert(head, Manifest)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        AttributeError,
        KeyError,
        TypeError,
    ) as error:
        raise LakeError(
            f"the manifest {path} is damaged: {error}",
            hint="Restore it from a backup, or remove DATA_DIR and load again.",
        ) from error


def _convert_format_1(manifest: dict[str, Any]) -> None:
    """Rename what format 2 renamed: a table's `base` is its `watermark`."""
    manifest["format"] = 2
    for state in manifest["tables"].values():
        state["watermark"] = state.pop("base")


def _convert_format_2(manifest: dict[str, Any]) -> None:
    """Say what format 3 says: a table without a source is not available."""
    manifest["format"] = FORMAT
    for state in manifest["tables"].values():
        state["is_available"] = bool(state["relation"])
