"""Publishing: a numbered, immutable generation that any number of people can open.

A generation is a directory with a checkpointed copy of the warehouse with the views that analysts
use, and a manifest that can be read without DuckDB, both mode 0444. `analytics.duckdb` is a symlink
that is switched to the new file. Renaming over the old file does not work: a process that still
holds a connection to the path gets the *old* database when it opens the path again (measured on
DuckDB 2.0).

Every step can be repeated: a draft has another name until it is complete, a published number is
never used twice, and the symlink is switched last. `collect` removes what a crash leaves, and the
generations of versions before 0.2, which were files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import struct
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec

from olap import ledger, sqlfiles
from olap.catalog import missing_tables, set_missing, set_period
from olap.commands import call
from olap.errors import LakeError, PublishError
from olap.layout import Layout, fsync, write_durably
from olap.log import get_logger
from olap.manifest import FileMark, Manifest, read_manifest
from olap.paths import open_read_only
from olap.tables import FACTS, TABLE_NAMES
from olap.warehouse import Warehouse, count_rows

log = get_logger(__name__)

# <linux/fs.h>: share the blocks of another file, where the file system can (XFS, btrfs).
_FICLONE = 0x40049409
_NAME = re.compile(r"\d{6,}")
# DuckDB's main header and its two database headers, one of which each checkpoint writes.
_HEAD_BYTES = 3 * 4096
# struct flock: what fcntl(2) is asked, and answers, about the locks of a file.
_LOCK = struct.Struct("@qqihh" if sys.platform == "darwin" else "@hhqqi")


def publish(warehouse: Warehouse, now: datetime) -> Manifest:
    """Publish the warehouse as a new generation and switch the symlink to it.

    Args:
        warehouse: with no open transaction.
        now: the time of publication, UTC.

    Returns:
        The manifest of the generation.

    Raises:
        PublishError: there is nothing to publish, or the copy does not match the ledger.
        DiskFullError: there is no space for the copy.
    """
    layout = warehouse.layout
    recorded = ledger.read(warehouse)
    if recorded is None:
        raise PublishError(
            f"the warehouse {layout.warehouse} is empty",
            hint=f"Run a cycle first: `{call('etl')}`.",
        )
    number = max([recorded.generation, *generation_numbers(layout)]) + 1
    # The warehouse has the number before it is copied: a crash from here on only skips a number.
    # One transaction, because a ledger without its state looks like an empty warehouse.
    with warehouse.transaction():
        ledger.record_state(
            warehouse,
            recorded.source,
            recorded.shape,
            recorded.coverage,
            changed_in_batch=recorded.changed_in_batch,
            generation=number,
            generated_at=now,
        )
        set_period(warehouse.connection, recorded.first_day, recorded.data_through)
        set_missing(warehouse, missing_tables(recorded))
    warehouse.checkpoint()
    manifest = recorded.with_generation(number, now)
    layout.require_space(layout.warehouse.stat().st_size, "a generation")
    draft = layout.generations / f".{number:06d}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        manifest = _write(draft, layout, manifest)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.rename(layout.generation_directory(number))
    fsync(layout.generations)
    _switch(layout, layout.generation(number))
    write_durably(layout.lake_manifest, manifest.to_json())
    return manifest


def _write(draft: Path, layout: Layout, manifest: Manifest) -> Manifest:
    """Write the files of a generation to a new directory, durably.

    Returns:
        The manifest with the mark of the file.
    """
    draft.mkdir()
    file = draft / layout.generation(manifest.generation).name
    _copy(layout.warehouse, file)
    _verify(file, manifest)
    file.chmod(0o444)
    fsync(file)
    marked = msgspec.structs.replace(manifest, file=_mark(file))
    described = draft / layout.generation_manifest(manifest.generation).name
    write_durably(described, marked.to_json(), mode=0o444)
    return marked


def is_due(layout: Layout, manifest: Manifest, now: datetime, *, idle_seconds: int) -> bool:
    """Whether to publish: something is new, or the present generation is too old or damaged."""
    try:
        published = current(layout)
    except LakeError as error:
        log.warning("generation.damaged", reason=error.message)
        return True
    if published is None or published.last_batch.batch < manifest.changed_in_batch:
        return True
    if (reason := damage(layout, published) or _unreadable(layout, published)) is not None:
        log.warning("generation.damaged", generation=published.generation, reason=reason)
        return True
    assert published.generated_at is not None
    # After a clock was set back the generation seems to come from the future.
    age = now - published.generated_at
    return age < timedelta(0) or age >= timedelta(seconds=idle_seconds)


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


def _mark(file: Path) -> FileMark:
    found = file.stat()
    return FileMark(bytes=found.st_size, modified=int(found.st_mtime), head=_head(file))


def _head(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.blake2b(opened.read(_HEAD_BYTES), digest_size=16).hexdigest()


def _writer(file: Path) -> int | None:
    """The process that has locked a file for writing; None = no process has."""
    is_darwin = sys.platform == "darwin"
    asked = (0, 0, 0, fcntl.F_RDLCK, 0) if is_darwin else (fcntl.F_RDLCK, 0, 0, 0, 0)
    with file.open("rb") as opened:
        answer = _LOCK.unpack(fcntl.fcntl(opened, fcntl.F_GETLK, _LOCK.pack(*asked)))
    kind, pid = (answer[3], answer[2]) if is_darwin else (answer[0], answer[4])
    return None if kind == fcntl.F_UNLCK else pid


def _unreadable(layout: Layout, published: Manifest) -> str | None:
    """Why analysts cannot read the file that the symlink names; None if they can."""
    try:
        with open_read_only(layout.pointer.resolve()) as connection:
            stamped = connection.execute("select generation from main.generation").fetchone()
    except (OSError, duckdb.Error) as error:
        return " ".join(str(error).split())
    return None if stamped == (published.generation,) else f"its generation is {stamped}"


def current(layout: Layout) -> Manifest | None:
    """The manifest of the generation that the symlink names; None before the first.

    Raises:
        LakeError: the manifest is missing or damaged.
    """
    number = layout.published
    return None if number is None else read_manifest(layout.generation_manifest(number))


def generation_numbers(layout: Layout) -> list[int]:
    """The numbers of the generations on disk, oldest first."""
    names = (path.name for path in layout.generations.glob("[0-9]*"))
    return sorted(int(name) for name in names if _NAME.fullmatch(name))


def collect(
    layout: Layout, manifest: Manifest, now: datetime, *, keep: int, grace_seconds: int
) -> int:
    """Remove what is no longer needed.

    That is: generations beyond the newest `keep` that are older than the grace time; drafts of
    generations; lake files that neither `manifest` nor a kept generation references. A process
    that has a removed file open continues to read it.

    Args:
        manifest: the state of the warehouse.

    Returns:
        Bytes freed.
    """
    freed = 0
    kept: list[Manifest] = [manifest]
    opened = layout.pointer.resolve() if layout.pointer.is_symlink() else None
    newest_first = sorted(generation_numbers(layout), reverse=True)
    for position, number in enumerate(newest_first):
        path = layout.generation(number)
        try:
            generation = read_manifest(layout.generation_manifest(number))
        except LakeError:
            generation = None
        if generation is not None and generation.generated_at is not None and path.exists():
            # One from the future was published before a clock was set back; it is not young.
            age = now - generation.generated_at
            is_young = timedelta(0) <= age < timedelta(seconds=grace_seconds)
            if position < keep or is_young or path.resolve() == opened:
                kept.append(generation)
                continue
        elif path.exists() and path.resolve() == opened:
            continue  # it still answers without its manifest, until the next publication
        freed += _remove_directory(layout.generation_directory(number))
    for draft in layout.generations.glob(".[0-9]*"):
        freed += _remove_directory(draft)
    freed += _remove(_of_earlier_versions(layout))
    freed += _remove([*layout.root.glob(".analytics*.tmp"), *layout.lake.glob(".*.tmp")])
    named = {file.path for kept_manifest in kept for file in kept_manifest.files}
    for path in list(layout.lake.rglob("*.parquet")):
        if str(path.relative_to(layout.lake)) not in named:
            freed += _remove([path])
    for day in list(layout.lake.glob("*/day=*")):
        if not any(day.iterdir()):
            day.rmdir()
    return freed


def _of_earlier_versions(layout: Layout) -> list[Path]:
    """The generations of versions before 0.2, which were files; not the one that is published."""
    opened = layout.pointer.resolve()
    found = [*layout.generations.glob("analytics-*"), *layout.generations.glob(".analytics-*")]
    return [path for path in found if path.with_suffix(".duckdb").resolve() != opened]


def _copy(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer, _FICLONE, reader.fileno())
            return
        except OSError:
            pass
    shutil.copyfile(source, target)


def _verify(draft: Path, manifest: Manifest) -> None:
    """Open the copy as an analyst does, and compare it with the ledger."""
    connection = open_read_only(draft)
    try:
        held = count_rows(connection)
        offences = [
            offence
            for fact in FACTS
            for offence in sqlfiles.run(connection, "checks/row_counts", fact)
        ]
        stamped = connection.execute("select generation from main.generation").fetchone()
    finally:
        connection.close()
    # A lake of an earlier version may lack a table, which the next cycle reads.
    expected = dict.fromkeys(TABLE_NAMES, 0)
    expected |= {table: state.rows for table, state in manifest.tables.items()}
    if held != expected or offences or stamped != (manifest.generation,):
        raise PublishError(
            f"generation {manifest.generation} does not match the ledger: "
            f"{held} instead of {expected}; {offences}",
            hint=f"Run `{call('rebuild')}`: it rebuilds the warehouse from the lake.",
        )


def _switch(layout: Layout, target: Path) -> None:
    """Point the symlink at `target`; a reader gets the old or the new generation."""
    draft = layout.root / ".analytics.duckdb.tmp"
    draft.unlink(missing_ok=True)
    draft.symlink_to(os.path.relpath(target, layout.root))
    draft.replace(layout.pointer)
    fsync(layout.root)


def _remove_directory(directory: Path) -> int:
    freed = _remove(directory.iterdir())
    directory.rmdir()
    return freed


def _remove(paths: Iterable[Path]) -> int:
    freed = 0
    for path in paths:
        if path.exists() or path.is_symlink():
            freed += path.lstat().st_size
            path.unlink()
    return freed
