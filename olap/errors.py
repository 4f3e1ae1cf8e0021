"""All errors that this system raises on purpose, in one tree.

    AnalyticsError                 an error that a person can act on; carries a hint
    ├── SettingsError              an environment variable is invalid
    ├── MappingError               a mapping cannot be used
    ├── BusyError                  another process writes to this DATA_DIR
    ├── DataDirError               DATA_DIR is a file, or is not writable
    ├── DiskFullError              DATA_DIR has too little free space
    ├── NewerVersionError          a newer version of this program wrote DATA_DIR
    ├── SourceError                PostgreSQL cannot be read
    │   ├── SourceChangedError     it is not the database of the last cycle
    │   ├── SourceSilentError      it stopped answering
    │   └── DuplicateKeysError     several rows of a table have the same key
    ├── LakeError                  a Parquet file or the manifest of the lake is unusable
    ├── WarehouseError             the private DuckDB file is unusable
    │   └── WarehouseDamagedError  its bytes are damaged; it is rebuilt from the lake
    ├── VerifyError                source, lake and warehouse cannot be compared, or differ
    │   └── RepairRefusedError     a repair would remove more rows than REPAIR_MAX_PERCENT
    ├── BackfillError              a backfill cannot start or continue as requested
    ├── ErasureError               data of an erased person remain
    ├── CatalogError               a metric file is malformed
    ├── TranslationError           a file of sql has what no rule writes as Spark SQL
    ├── EngineError                an engine refuses a query, or cannot be used
    │   └── EngineUnavailableError it is absent, or does not answer in time
    ├── QuestionError              a metric is asked with wrong parameters
    ├── PublishError               a generation cannot be made, or disagrees with the ledger
    ├── DeltaError                 the lake cannot be published as Delta tables
    ├── GenerationUnreadableError  a published file cannot be opened or read
    │   └── GenerationDamagedError its bytes are damaged; it must not serve any more
    ├── StatementInterruptedError  a query was interrupted before it had a result
    ├── StateError                 the file of what people keep is unusable
    └── SandboxError               the development servers cannot be started or filled

The message says what happened and names the thing; the hint says what to do next. Any other
exception is a defect of this program and keeps its traceback.

Errors of the file system become `DiskFullError` or `DataDirError` in `disk_errors`, whether Python
or DuckDB reports them. Everything that writes below `DATA_DIR` holds its lock, and the lock
translates these errors. No cleanup is needed: the next cycle removes files that nothing refers to,
and files that something refers to are complete.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
# DuckDB repeats the operating system's text; the last one is its own, for a spill that fails.
_FULL_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "failed to offload data block",
)
_REFUSED_TEXTS = ("Permission denied", "Read-only file system", "Is a directory")


class AnalyticsError(Exception):
    """An error that a person can act on.

    Args:
        message: what happened; names the file, table or host.
        hint: what to do next, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(AnalyticsError):
    """An environment variable is invalid."""

    exit_code = 2


class MappingError(AnalyticsError):
    """A mapping cannot be used: a file is missing or wrong."""

    exit_code = 2


class BusyError(AnalyticsError):
    """Another process writes to this DATA_DIR."""


class DataDirError(AnalyticsError):
    """DATA_DIR is a file, or something in it is not writable."""


class NewerVersionError(AnalyticsError):
    """A newer version of this program wrote DATA_DIR, in a format that this one does not know."""


class DiskFullError(AnalyticsError):
    """DATA_DIR has too little free space for the next write."""


class SourceError(AnalyticsError):
    """PostgreSQL cannot be read.

    Attributes:
        sqlstate: PostgreSQL's code, where it reported the error; otherwise empty.
        position: the index in the statement at which it found the error; -1 where it names none.
    """

    sqlstate = ""
    position = -1


class SourceChangedError(SourceError):
    """The source is not the database of the last cycle, or is an older copy of it."""


class SourceSilentError(SourceError):
    """PostgreSQL, or the network in between, stopped answering."""


class FeedError(SourceError):
    """A feed cannot be used; the batch is a scan. The message completes "because …"."""


class DuplicateKeysError(SourceError):
    """Several rows of a table have the key that should identify one."""


class LakeError(AnalyticsError):
    """A Parquet file or the manifest of the lake is missing or unusable."""


class WarehouseError(AnalyticsError):
    """The private DuckDB file is unusable."""


class WarehouseDamagedError(WarehouseError):
    """The private DuckDB file is damaged; it is rebuilt from the lake."""


class VerifyError(AnalyticsError):
    """Source, lake and warehouse cannot be compared, or differ."""


class RepairRefusedError(VerifyError):
    """A repair would remove more rows than REPAIR_MAX_PERCENT allows."""


class BackfillError(AnalyticsError):
    """A backfill cannot start or continue as requested."""


class ErasureError(AnalyticsError):
    """A person cannot be erased, or data of them remain."""


class CatalogError(AnalyticsError):
    """A metric file does not start with a well-formed definition."""


class TranslationError(AnalyticsError):
    """A file of sql cannot be written as Spark SQL: no rule covers a construct of it."""


class EngineError(AnalyticsError):
    """An engine refuses a query, or cannot be used."""


class EngineUnavailableError(EngineError):
    """An engine is absent, or does not answer in time; the question may be asked again."""


class EngineSessionEndedError(EngineUnavailableError):
    """An engine has ended a session, after some time without a question; it may be opened again."""


class QuestionError(AnalyticsError):
    """A metric does not exist, or is asked with wrong parameters."""

    exit_code = 2


class PublishError(AnalyticsError):
    """A generation cannot be made, or disagrees with the ledger."""


class DeltaError(AnalyticsError):
    """The lake cannot be published as Delta tables; the generation is published all the same."""


class GenerationUnreadableError(AnalyticsError):
    """A published file cannot be opened or read."""


class GenerationDamagedError(GenerationUnreadableError):
    """Bytes of a published file are not those that were written: it must not serve any more."""


class StatementInterruptedError(AnalyticsError):
    """A query was interrupted before it had a result."""


class StateError(AnalyticsError):
    """The file of what people keep is damaged, or cannot be opened or written."""


class SandboxError(AnalyticsError):
    """The development servers cannot be started or filled."""


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Translate errors of the file system, of Python and of DuckDB.

    Raises:
        DiskFullError: no space is left, or a file has reached its maximum size.
        DataDirError: a file or a directory is not writable.
    """
    try:
        yield
    except (OSError, duckdb.Error) as error:
        found = disk_error(error, root)
        if found is None:
            raise
        raise found from error


def disk_error(error: Exception, root: Path) -> AnalyticsError | None:
    """The error as `DiskFullError` or `DataDirError`; None if its cause is not the disk."""
    number = error.errno if isinstance(error, OSError) else None
    text = " ".join(str(error).split()) if number is None else f"{error}"
    if number in _FULL or any(part in text for part in _FULL_TEXTS):
        return DiskFullError(
            f"there is no room for {root}: {text}",
            hint="Free disk space, or lower KEEP_GENERATIONS. The last generation is unchanged, "
            "and the next cycle starts where this one did.",
        )
    if number in _REFUSED or any(part in text for part in _REFUSED_TEXTS):
        return DataDirError(
            f"DATA_DIR {root} cannot be used: {text}",
            hint="Point DATA_DIR at a directory that this user may write, with all its contents.",
        )
    return None
