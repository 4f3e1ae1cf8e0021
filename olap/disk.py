"""What the disk says: full, or not ours to write. In Python's words, and in DuckDB's.

Everything that writes below `DATA_DIR` does so under its lock, so this is the one place where
such an error becomes ours. Nothing has to be cleaned up first: what was written and not named is
removed by the next cycle, and what was named is whole.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from olap.errors import AnalyticsError, DataDirError, DiskFullError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
# DuckDB passes the system's words on; the last are its own when it cannot spill.
_FULL_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "failed to offload data block",
)
_REFUSED_WORDS = ("Permission denied", "Read-only file system", "Is a directory")


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn the disk's errors into ours.

    Raises:
        DiskFullError: there is no room, or a file may not grow any more.
        DataDirError: a file or a directory may not be written.
    """
    try:
        yield
    except (OSError, duckdb.Error) as error:
        found = of_disk(error, root)
        if found is None:
            raise
        raise found from error


def of_disk(error: Exception, root: Path) -> AnalyticsError | None:
    """The error as one of ours; None when it is not the disk's."""
    number = error.errno if isinstance(error, OSError) else None
    said = " ".join(str(error).split()) if number is None else f"{error}"
    if number in _FULL or any(word in said for word in _FULL_WORDS):
        return DiskFullError(
            f"there is no room for {root}: {said}",
            hint="Free disk space, or lower KEEP_GENERATIONS; the last generation stands, and the "
            "next cycle begins where this one did.",
        )
    if number in _REFUSED or any(word in said for word in _REFUSED_WORDS):
        return DataDirError(
            f"DATA_DIR {root} cannot be used: {said}",
            hint="Point DATA_DIR at a directory this user may write, with all that is in it.",
        )
    return None
