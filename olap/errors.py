"""Every error this system raises on purpose, in one tree.

    AnalyticsError                 something a person can act on; carries a hint
    ├── SettingsError              an environment variable has an unusable value
    ├── BusyError                  another process writes to this DATA_DIR
    ├── DataDirError               DATA_DIR is a file, or may not be written
    ├── DiskFullError              DATA_DIR has too little free space
    ├── NewerVersionError          DATA_DIR was written by a newer version than this one
    ├── SourceError                PostgreSQL could not be read
    │   ├── SourceChangedError     it is not the database that was read last time
    │   └── SourceSilentError      it has stopped answering
    ├── LakeError                  a Parquet file or the lake's manifest is unusable
    ├── WarehouseError             the private DuckDB file is unusable
    │   └── WarehouseDamagedError  its bytes are not what was written: it is made anew
    ├── VerifyError                what is here is not what it should be
    │   └── RepairRefusedError     a repair would remove more than it may without being told
    ├── BackfillError              a backfill cannot begin or go on as asked
    ├── ErasureError               something of an erased person is left
    ├── CatalogError               a metric's file is not as it must be
    ├── PublishError               a generation could not be made or does not add up
    └── SandboxError               the development servers could not be started or filled

An error says what happened, naming the thing, and its hint says what to do next.
Anything that is not in this tree is a defect of ours and keeps its traceback.
"""


class AnalyticsError(Exception):
    """Something went wrong that a person can act on.

    Args:
        message: what happened, naming the thing (file, table, host).
        hint: what to do next, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(AnalyticsError):
    """An environment variable has an unusable value."""

    exit_code = 2


class BusyError(AnalyticsError):
    """Another process writes to this DATA_DIR."""


class DataDirError(AnalyticsError):
    """DATA_DIR is a file, or something in it may not be written."""


class NewerVersionError(AnalyticsError):
    """DATA_DIR holds what a newer version wrote; this one would not understand all of it."""


class DiskFullError(AnalyticsError):
    """DATA_DIR has too little free space for what would be written next."""


class SourceError(AnalyticsError):
    """PostgreSQL could not be read."""


class SourceChangedError(SourceError):
    """The source is not the database that was read last time, or an older copy of it."""


class SourceSilentError(SourceError):
    """PostgreSQL, or the way to it, has stopped answering."""


class LakeError(AnalyticsError):
    """A Parquet file or the lake's manifest is missing or unusable."""


class WarehouseError(AnalyticsError):
    """The private DuckDB file is unusable."""


class WarehouseDamagedError(WarehouseError):
    """The private DuckDB file is damaged; the lake has all that is in it."""


class VerifyError(AnalyticsError):
    """What is here could not be compared with the source, or contradicts itself."""


class RepairRefusedError(VerifyError):
    """A repair would remove more rows than it may without being told."""


class BackfillError(AnalyticsError):
    """A backfill cannot begin or go on as it was asked for."""


class ErasureError(AnalyticsError):
    """A person could not be erased, or something of them is left."""


class CatalogError(AnalyticsError):
    """A metric's file does not begin with its definition as it must."""


class PublishError(AnalyticsError):
    """A generation could not be made, or does not hold what the ledger says."""


class SandboxError(AnalyticsError):
    """The development servers could not be started or filled."""
