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
import os
import re
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from olap import ledger, sqlfiles
from olap.catalog import missing_tables, set_data_through, set_missing
from olap.commands import call
from olap.errors import LakeError, PublishError
from olap.layout import Layout, fsync, write_durably
from olap.log import get_logger
from olap.manifest import Manifest, read_manifest
from olap.paths import open_read_only
from olap.tables import FACTS, TABLE_NAMES
from olap.warehouse import Warehouse, count_rows

log = get_logger(__name__)

# <linux/fs.h>: share the blocks of another file, where the file system can (XFS, btrfs).
_FICLONE = 0x40049409
_NAME = re.compile(r"\d{6,}")


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
        set_data_through(warehouse.connection, recorded.data_through)
        set_missing(warehouse, missing_tables(recorded))
    warehouse.checkpoint()
    manifest = recorded.with_generation(number, now, layout.warehouse.stat().st_size)
    layout.require_space(layout.warehouse.stat().st_size, "a generation")
    draft = layout.generations / f".{number:06d}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _write(draft, layout, manifest)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.rename(layout.generation_directory(number))
    fsync(layout.generations)
    _switch(layout, layout.generation(number))
    write_durably(layout.lake_manifest, manifest.to_json())
    return manifest


def _write(draft: Path, layout: Layout, manifest: Manifest) -> None:
    """Write the files of a generation to a new directory, durably."""
    assert manifest.generation is not None
    draft.mkdir()
    file = draft / layout.generation(manifest.generation).name
    _copy(layout.warehouse, file)
    _verify(file, manifest)
    file.chmod(0o444)
    fsync(file)
    described = draft / layout.generation_manifest(manifest.generation).name
    write_durably(described, manifest.to_json(), mode=0o444)


def is_due(layout: Layout, manifest: Manifest, now: datetime, *, idle_seconds: int) -> bool:
    """Whether to publish: something is new, or the present generation is too old or damaged."""
    try:
        published = current(layout)
    except LakeError as error:
        log.warning("generation.damaged", reason=error.message)
        return True
    if published is None or published.last_batch.batch < manifest.changed_in_batch:
        return True
    if (reason := _damage(layout, published)) is not None:
        log.warning("generation.damaged", generation=published.generation, reason=reason)
        return True
    assert published.generated_at is not None
    # After a clock was set back the generation seems to come from the future.
    age = now - published.generated_at
    return age < timedelta(0) or age >= timedelta(seconds=idle_seconds)


def _damage(layout: Layout, published: Manifest) -> str | None:
    """What is wrong with the file that analysts open; None if it is sound.

    This finds a missing, truncated or overwritten file. A damaged page is found by its first
    reader (DuckDB checks each page), and is replaced by the next publication.
    """
    try:
        size = layout.pointer.stat().st_size
        if published.file_bytes is not None and size != published.file_bytes:
            return f"{size} bytes instead of {published.file_bytes}"
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
