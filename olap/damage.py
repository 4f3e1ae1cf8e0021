"""Is the file of a generation still the one that was published?

Its manifest has a mark of it: size, time and a digest of its headers. A file that somebody changed
or locked is not repaired; the next cycle publishes a new generation.
"""

from __future__ import annotations

import fcntl
import hashlib
import struct
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from olap.blocks import HEAD_BYTES
from olap.layout import Layout
from olap.manifest import FileMark, Manifest
from olap.paths import open_read_only

# struct flock: what fcntl(2) is asked, and answers, about the locks of a file.
_LOCK = struct.Struct("@qqihh" if sys.platform == "darwin" else "@hhqqi")


def mark_of(file: Path) -> FileMark:
    """The mark of a file as it is now."""
    found = file.stat()
    return FileMark(bytes=found.st_size, modified=int(found.st_mtime), head=_head(file))


def damage(layout: Layout, published: Manifest) -> str | None:
    """What was done to the file of a generation after its publication; None = nothing is known.

    This finds a file that is missing, or has another size or time; one that DuckDB has changed,
    whatever its time; the log of a program that opened it for writing, which readers apply; and a
    program that has it open for writing now, because no reader can open it meanwhile. A damaged
    block is found by its first reader, because DuckDB checks each one; a digest of all bytes would
    cost a second per gigabyte in every cycle.

    A process that has the file open in DuckDB must not call this, but `changed`: the locks of a
    file are those of a process, and end when the process closes any descriptor of it.
    """
    file = layout.generation(published.generation)
    if published.file is None:
        return None
    if (reason := changed(file, published.file)) is not None:
        return reason
    try:
        if (writer := _writer(file)) is not None:
            return f"process {writer} has it open for writing"
        return None if _head(file) == published.file.head else "its headers have changed"
    except OSError as error:
        return str(error.strerror)


def changed(file: Path, mark: FileMark) -> str | None:
    """The part of `damage` that does not open the file."""
    try:
        found = file.stat()
        logs = [path.name for path in file.parent.glob(f"{file.name}?*")]
    except OSError as error:
        return str(error.strerror)
    if found.st_size != mark.bytes:
        return f"it has {found.st_size:,} bytes instead of {mark.bytes:,}"
    if logs:
        return f"a program opened it for writing and left {', '.join(sorted(logs))}"
    if int(found.st_mtime) != mark.modified:
        moment = datetime.fromtimestamp(int(found.st_mtime), UTC)
        return f"it was modified at {moment:%Y-%m-%d %H:%M:%S} UTC"
    return None


def unreadable(layout: Layout, published: Manifest) -> str | None:
    """Why analysts cannot read the file that the symlink names; None if they can."""
    try:
        with open_read_only(layout.pointer.resolve()) as connection:
            stamped = connection.execute("select generation from main.generation").fetchone()
    except (OSError, duckdb.Error) as error:
        return " ".join(str(error).split())
    return None if stamped == (published.generation,) else f"its generation is {stamped}"


def _head(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.blake2b(opened.read(HEAD_BYTES), digest_size=16).hexdigest()


def _writer(file: Path) -> int | None:
    """The process that has locked a file for writing; None = no process has."""
    is_darwin = sys.platform == "darwin"
    asked = (0, 0, 0, fcntl.F_RDLCK, 0) if is_darwin else (fcntl.F_RDLCK, 0, 0, 0, 0)
    with file.open("rb") as opened:
        answer = _LOCK.unpack(fcntl.fcntl(opened, fcntl.F_GETLK, _LOCK.pack(*asked)))
    kind, pid = (answer[3], answer[2]) if is_darwin else (answer[0], answer[4])
    return None if kind == fcntl.F_UNLCK else pid
