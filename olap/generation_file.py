"""How the file of a generation is made: the first way that works.

* **clone**: the file system shares the blocks of the warehouse (XFS, btrfs).
* **delta**: the file of a generation that was removed, the *spare*, is written over. Only the
  blocks in which it differs from the warehouse are copied; all others have just been compared.
* **copy**: all bytes.

A reader keeps the bytes that it opened, for as long as it has them open. So the spare is written
only under a lease (`olap.leases`), which the kernel grants when nobody has the file open. By then
the file has no public name: collection has renamed it (`olap.collection`), so that nobody opens it
any more. Whatever is doubtful about the spare ends with its removal and a copy.

The three ways make files with the same bytes. What one of them wrote is compared with the warehouse
once a day, as the disk returns it (`differs`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from olap import blocks
from olap.layout import Layout, fsync
from olap.leases import leased
from olap.log import get_logger
from olap.manifest import MadeBy

log = get_logger(__name__)

# <linux/fs.h>: share the blocks of another file, where the file system can (XFS, btrfs).
_FICLONE = 0x40049409


@dataclass(frozen=True, slots=True)
class Made:
    """How a file was made, and how many bytes were written for it."""

    by: MadeBy
    bytes: int


def make(layout: Layout, target: Path) -> Made:
    """Make `target` a copy of the warehouse, which is checkpointed and does not change meanwhile.

    The spare is used up, or removed.

    Raises:
        DiskFullError: there is no space for what the way needs.
    """
    return _clone(layout.warehouse, target) or _delta(layout, target) or copy(layout, target)


def copy(layout: Layout, target: Path) -> Made:
    """Copy the whole warehouse.

    Raises:
        DiskFullError: there is no space for it.
    """
    size = layout.warehouse.stat().st_size
    layout.require_space(size, "a generation")
    target.unlink(missing_ok=True)
    shutil.copyfile(layout.warehouse, target)
    return Made(MadeBy.COPY, size)


def differs(layout: Layout, file: Path) -> int:
    """How many bytes are in the blocks of a durable `file` that differ from the warehouse's.

    The file is read from the disk, as far as the kernel forgets what it has in memory.
    """
    with _opened(layout.warehouse, os.O_RDONLY) as source, _opened(file, os.O_RDONLY) as target:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
        return sum(one.length for one in blocks.differing(source, target))


def _clone(source: Path, target: Path) -> Made | None:
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer, _FICLONE, reader.fileno())
        except OSError:
            return None
    return Made(MadeBy.CLONE, 0)


def _delta(layout: Layout, target: Path) -> Made | None:
    """Write over the spare; None if there is none, or if it cannot be used."""
    if not layout.spare.exists():
        return None
    growth = layout.warehouse.stat().st_size - layout.spare.stat().st_size
    layout.require_space(max(0, growth), "a generation")
    try:
        layout.spare.replace(target)
        # The old name must not return with the new bytes after a loss of power.
        fsync(target.parent)
        fsync(layout.spare.parent)
        target.chmod(0o600)
        with (
            _opened(layout.warehouse, os.O_RDONLY) as source,
            _opened(target, os.O_RDWR) as written,
            leased(written),
        ):
            return Made(MadeBy.DELTA, blocks.make_equal(source, written))
    except OSError as error:
        log.info("generation.spare_refused", reason=str(error))
        return None


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
