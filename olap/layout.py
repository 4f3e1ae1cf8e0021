"""Where things lie below `DATA_DIR`, and the lock that makes one process its only writer.

DATA_DIR/
├── analytics.duckdb          symlink to the newest generation: what analysts open
├── generations/              analytics-000123.duckdb (0444) and its manifest .json
├── lake/<table>/day=…/       immutable Parquet files, and lake/manifest.json
├── warehouse.duckdb          private to the ETL; rebuildable from the lake
├── staging/                  scratch of the running cycle; emptied by the next one
├── backfill/                 what an unfinished backfill has read so far
├── backfill.lock             held by the one backfill that reads
├── api/                      the API's own: which generation its workers answer from
└── etl.lock                  held by the one writer
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from olap.disk import disk_errors
from olap.errors import BusyError, DiskFullError


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one `DATA_DIR`."""

    root: Path

    @property
    def pointer(self) -> Path:
        """The symlink that analysts open; switched atomically, never written through."""
        return self.root / "analytics.duckdb"

    @property
    def generations(self) -> Path:
        return self.root / "generations"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def lake_manifest(self) -> Path:
        return self.lake / "manifest.json"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def backfill(self) -> Path:
        return self.root / "backfill"

    @property
    def lock(self) -> Path:
        return self.root / "etl.lock"

    @property
    def backfill_lock(self) -> Path:
        return self.root / "backfill.lock"

    @property
    def sandbox_marker(self) -> Path:
        """Is there when all of this came from the sandbox: then `make clean` may remove it."""
        return self.root / ".sandbox"

    def generation(self, number: int) -> Path:
        return self.generations / f"analytics-{number:06d}.duckdb"

    def generation_manifest(self, number: int) -> Path:
        return self.generations / f"analytics-{number:06d}.json"

    def day_file(self, table: str, day: date, batch: int) -> str:
        """The path, relative to the lake, of `table`'s rows of one UTC day."""
        return f"{table}/day={day}/{batch:06d}.parquet"

    def dimension_file(self, table: str, batch: int) -> str:
        """The path, relative to the lake, of a whole dimension as of `batch`."""
        return f"{table}/{batch:06d}.parquet"

    def create(self) -> None:
        """Make the directories.

        Raises:
            DataDirError: `DATA_DIR` is a file, or may not be written.
            DiskFullError: not even a directory fits in.
        """
        directories = (self.root, self.generations, self.lake, self.staging)
        with disk_errors(self.root):
            for directory in directories:
                try:
                    directory.mkdir(parents=True, exist_ok=True)
                except FileExistsError:
                    raise NotADirectoryError(
                        errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)
                    ) from None
                if not os.access(directory, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))

    def require_space(self, needed: int, purpose: str) -> None:
        """Stop before the disk is full rather than in the middle of a file.

        Args:
            needed: bytes about to be written; a tenth is added for what comes along.
            purpose: what needs them.

        Raises:
            DiskFullError: there are fewer bytes free.
        """
        free = shutil.disk_usage(self.root).free
        if free < needed * 1.1:
            raise DiskFullError(
                f"{self.root} has {free:,} bytes free, {purpose} needs {needed:,}",
                hint="Free disk space, or lower KEEP_GENERATIONS; the last generation stands.",
            )

    @contextmanager
    def locked(self, *, wait_seconds: float = 0) -> Iterator[None]:
        """Be the only writer below this `DATA_DIR` until the block ends.

        Args:
            wait_seconds: how long to wait for another one to end.

        Raises:
            BusyError: another process holds the lock.
            DataDirError, DiskFullError: what the disk said to anything in the block.
        """
        with self._locked(self.lock, "another ETL", wait_seconds):
            yield

    @contextmanager
    def backfill_locked(self) -> Iterator[None]:
        """Be the only one that reads or changes the chunks of a backfill; cycles go on beside it.

        Raises:
            BusyError: another process holds the lock.
        """
        with self._locked(self.backfill_lock, "a backfill", 0):
            yield

    @contextmanager
    def _locked(self, path: Path, who: str, wait_seconds: float) -> Iterator[None]:
        # The kernel drops the lock when the process dies, however it dies.
        self.create()
        deadline = time.monotonic() + wait_seconds
        with disk_errors(self.root), path.open("a+") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() < deadline:
                        time.sleep(0.1)
                        continue
                    file.seek(0)
                    raise BusyError(
                        f"{who} (pid {file.read().strip() or 'unknown'}) writes to {self.root}",
                        hint="Wait for it, stop it, or give this one its own DATA_DIR.",
                    ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield


def fsync(path: Path) -> None:
    """Force a file's bytes, or a directory's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by `content`: a reader sees the old or the new bytes, a crash keeps one."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    draft.write_bytes(content)
    draft.chmod(mode)
    fsync(draft)
    draft.replace(path)
    fsync(path.parent)
