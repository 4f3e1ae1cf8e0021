"""The paths below `DATA_DIR`, and the lock that allows one writer at a time.

DATA_DIR/
├── analytics.duckdb          symlink to the newest generation; analysts open it
├── generations/000123/       analytics.duckdb and its manifest.json, both 0444
├── generations/.spare/       the file of a removed generation, for the next one to be written into
├── lake/<table>/day=…/       immutable Parquet files, and lake/manifest.json
├── lake/<table>/_delta_log/  the log of its Delta table, and lake/README.md: with LAKE_FORMAT=delta
├── warehouse.duckdb          private to the ETL; can be rebuilt from the lake
├── staging/                  temporary files of the running cycle; the next one empties it
├── rollups/                  rollups that an engine has made; see `olap.engine.parts`
├── backfill/                 the chunks of an unfinished backfill
├── backfill.lock             held by the process that runs a backfill
├── api/                      written by the API: the generation that its workers use
├── state/                    written by the API: what people keep; elsewhere with STATE_DIR
└── etl.lock                  held by the writer
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

from olap.errors import BusyError, DiskFullError, disk_errors


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one `DATA_DIR`."""

    root: Path

    @property
    def pointer(self) -> Path:
        """The symlink that analysts open; replaced atomically."""
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
    def rollups(self) -> Path:
        return self.root / "rollups"

    @property
    def backfill(self) -> Path:
        return self.root / "backfill"

    @property
    def state(self) -> Path:
        """`STATE_DIR`, unless it is set."""
        return self.root / "state"

    @property
    def lock(self) -> Path:
        return self.root / "etl.lock"

    @property
    def backfill_lock(self) -> Path:
        return self.root / "backfill.lock"

    @property
    def rollups_lock(self) -> Path:
        return self.root / "rollups.lock"

    @property
    def sandbox_marker(self) -> Path:
        """Exists if all data come from the sandbox; they may be removed then."""
        return self.root / ".sandbox"

    def generation_directory(self, number: int) -> Path:
        return self.generations / f"{number:06d}"

    def generation(self, number: int) -> Path:
        """The file of a generation.

        DuckDB names a database after its file, so that it is `analytics` in every client and every
        generation: what a tool saves with the name stays valid.
        """
        return self.generation_directory(number) / "analytics.duckdb"

    def generation_manifest(self, number: int) -> Path:
        return self.generation_directory(number) / "manifest.json"

    @property
    def spare(self) -> Path:
        """The file of a generation that collection has removed; see `olap.generation_file`."""
        return self.generations / ".spare" / "analytics.duckdb"

    @property
    def published(self) -> int | None:
        """The number of the generation that the symlink names; None before the first."""
        try:
            return int(self.pointer.readlink().parent.name)
        except (OSError, ValueError):
            return None

    def day_file(self, table: str, day: date, batch: int) -> str:
        """The path, relative to the lake, of the rows of `table` of one UTC day."""
        return f"{table}/day={day}/{batch:06d}.parquet"

    def dimension_file(self, table: str, batch: int) -> str:
        """The path, relative to the lake, of a whole dimension as of `batch`."""
        return f"{table}/{batch:06d}.parquet"

    def lake_directory(self, table: str, day: date | None) -> Path:
        """The directory of `day_file`, or (day None) of `dimension_file`."""
        return self.lake / table / f"day={day}" if day else self.lake / table

    def create(self) -> None:
        """Create the directories.

        Raises:
            DataDirError: `DATA_DIR` is a file, or is not writable.
            DiskFullError: no space is left.
        """
        directories = (self.root, self.generations, self.lake, self.staging)
        with disk_errors(self.root):
            for directory in directories:
                try:
                    directory.mkdir(parents=True, exist_ok=True)
                except (FileExistsError, FileNotFoundError):
                    # The second one comes from a file system without directories, such as /proc.
                    raise NotADirectoryError(
                        errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)
                    ) from None
                if not os.access(directory, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))

    def require_space(self, needed: int, purpose: str) -> None:
        """Fail before a write that the disk has no space for.

        Args:
            needed: bytes to be written; 10 percent are added for overhead.
            purpose: what needs the space; part of the message.

        Raises:
            DiskFullError: fewer bytes are free.
        """
        free = shutil.disk_usage(self.root).free
        if free < needed * 1.1:
            raise DiskFullError(
                f"{self.root} has {free:,} bytes free, {purpose} needs {needed:,}",
                hint="Free disk space, or lower KEEP_GENERATIONS. The last generation is "
                "unchanged.",
            )

    @contextmanager
    def locked(self, *, wait_seconds: float = 0) -> Iterator[bool]:
        """Hold the lock of the only writer during the block.

        Args:
            wait_seconds: how long to wait for the lock.

        Returns:
            Whether the last writer failed or was killed, so that files may be left of it.

        Raises:
            BusyError: another process holds the lock.
            DataDirError, DiskFullError: the block failed with such an error of the file system.
        """
        with self._locked(self.lock, "another ETL", wait_seconds) as has_failed:
            yield has_failed

    @contextmanager
    def backfill_locked(self) -> Iterator[None]:
        """Hold the lock of the chunks of a backfill during the block; cycles do not need it.

        Raises:
            BusyError: another process holds the lock.
        """
        with self._locked(self.backfill_lock, "a backfill", 0):
            yield

    @contextmanager
    def rollups_locked(self, *, wait_seconds: float = 0) -> Iterator[None]:
        """Hold the lock of the parts that an engine makes during the block; readers need none.

        Args:
            wait_seconds: how long to wait for the lock.

        Raises:
            BusyError: another process holds the lock.
        """
        with self._locked(self.rollups_lock, "another run that makes rollups", wait_seconds):
            yield

    @contextmanager
    def _locked(self, path: Path, who: str, wait_seconds: float) -> Iterator[bool]:
        # The file has a pid while it is locked, and afterwards unless its holder ended in order.
        # The kernel releases the lock when the process ends, even by SIGKILL.
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
                        hint="Wait until it ends, stop it, or use another DATA_DIR.",
                    ) from None
            file.seek(0)
            has_failed = bool(file.read())
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield has_failed
            file.truncate(0)


def fsync(path: Path) -> None:
    """Flush a file, or the entries of a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file atomically: readers, also after a crash, see the old or the new content."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    draft.write_bytes(content)
    draft.chmod(mode)
    fsync(draft)
    draft.replace(path)
    fsync(path.parent)
