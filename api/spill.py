"""The directory into which DuckDB spills what does not fit into memory: one per worker.

A worker that is killed cannot remove its directory, so every worker that starts removes those that
no process uses. A directory is in use while a process holds the lock (`flock`) on it, and a lock
ends with its process. Only directories of the same user are touched.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

_PREFIX = "analytics-api-"


def new_path() -> Path:
    """A path in the temporary directory that no worker uses yet."""
    return Path(tempfile.gettempdir(), f"{_PREFIX}{token_hex(8)}")


@contextmanager
def spill_directory(path: Path) -> Iterator[None]:
    """Within the block the directory exists and is locked; at its end it is removed.

    Also removes what killed workers have left beside it.

    Raises:
        OSError: it cannot be created.
    """
    remove_abandoned(path.parent)
    lock = _create(path)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def remove_abandoned(parent: Path) -> None:
    """Remove the directories of this user's workers that do not run any more."""
    for path in parent.glob(f"{_PREFIX}*"):
        # Somebody else's, gone in between, or locked by a living worker.
        with suppress(OSError):
            lock = _open(path)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _create(path: Path) -> int:
    """Create and lock the directory; the open lock."""
    while True:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)  # DuckDB's own would be readable by everybody
        try:
            lock = _open(path)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another worker that starts may have removed it before it was locked.
        if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
            return lock
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
