"""Publishing: a numbered, immutable generation that any number of people can open.

A generation is a directory with a checkpointed copy of the warehouse with the views that analysts
use, and a manifest that can be read without DuckDB, both mode 0444. `analytics.duckdb` is a symlink
that is switched to the new file. Renaming over the old file does not work: a process that still
holds a connection to the path gets the *old* database when it opens the path again (measured on
DuckDB 2.0).

Every step can be repeated: a draft has another name until it is complete, a published number is
never used twice, and the symlink is switched last. `olap.collection` removes what a crash leaves.

The copy is made by `olap.generation_file`, and checked as an analyst reads it. Once a day it is
also read back from the disk and compared with the warehouse byte for byte.
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from olap import generation_file, ledger, sqlfiles
from olap.catalog import missing_tables, set_missing, set_period
from olap.commands import call
from olap.damage import damage, mark_of, unreadable
from olap.days import slot_of
from olap.errors import LakeError, PublishError
from olap.generation_file import Made
from olap.generations import current, generation_numbers
from olap.layout import Layout, fsync, write_durably
from olap.log import get_logger
from olap.manifest import Manifest
from olap.paths import open_read_only
from olap.tables import FACTS, TABLE_NAMES
from olap.warehouse import Warehouse, count_rows

log = get_logger(__name__)


def publish(warehouse: Warehouse, now: datetime, *, compare_hour: int | None = None) -> Manifest:
    """Publish the warehouse as a new generation and switch the symlink to it.

    Args:
        warehouse: with no open transaction.
        now: the time of publication, UTC.
        compare_hour: of the UTC day, 0 to 23: the first generation from then on is read back and
            compared with the warehouse; None = this one is not.

    Returns:
        The manifest of the generation.

    Raises:
        PublishError: there is nothing to publish, or the copy does not match the ledger, or the
            disk does not return what was written.
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
            feed=recorded.feed,
        )
        set_period(warehouse.connection, recorded.first_day, recorded.data_through)
        set_missing(warehouse, missing_tables(recorded))
    warehouse.checkpoint()
    manifest = recorded.with_generation(number, now)
    draft = layout.generations / f".{number:06d}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        manifest = _write(draft, layout, manifest, compare_hour)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    draft.rename(layout.generation_directory(number))
    fsync(layout.generations)
    _switch(layout, layout.generation(number))
    write_durably(layout.lake_manifest, manifest.to_json())
    return manifest


def _write(draft: Path, layout: Layout, manifest: Manifest, compare_hour: int | None) -> Manifest:
    """Write the files of a generation to a new directory, durably.

    Returns:
        The manifest with the mark of the file.
    """
    assert manifest.generated_at is not None
    draft.mkdir()
    file = draft / layout.generation(manifest.generation).name
    made = generation_file.make(layout, file)
    _finish(file, manifest)
    compared_at = _compared_at(layout)
    if compare_hour is not None and (
        compared_at is None or compared_at < slot_of(manifest.generated_at, compare_hour)
    ):
        made = _compared(layout, file, manifest, made)
        compared_at = manifest.generated_at
    mark = msgspec.structs.replace(
        mark_of(file), made_by=made.by, written=made.bytes, compared_at=compared_at
    )
    marked = msgspec.structs.replace(manifest, file=mark)
    described = draft / layout.generation_manifest(manifest.generation).name
    write_durably(described, marked.to_json(), mode=0o444)
    return marked


def _finish(file: Path, manifest: Manifest) -> None:
    """Check the file, and make it durable and read-only."""
    _verify(file, manifest)
    file.chmod(0o444)
    fsync(file)


def _compared(layout: Layout, file: Path, manifest: Manifest, made: Made) -> Made:
    """Compare the file, as the disk returns it, with the warehouse; copy it if it differs.

    Raises:
        PublishError: the copy differs as well.
    """
    if not (found := generation_file.differs(layout, file)):
        return made
    log.error(
        "generation.differs",
        generation=manifest.generation,
        made_by=made.by,
        bytes=found,
        hint="it is made again by a full copy; check the disk and the memory of this machine",
    )
    made = generation_file.copy(layout, file)
    _finish(file, manifest)
    if generation_file.differs(layout, file):
        raise PublishError(
            f"the disk of {file} does not return what was written",
            hint="Check the disk and the memory of this machine. The last generation is unchanged.",
        )
    return made


def _compared_at(layout: Layout) -> datetime | None:
    """When a published file was last compared with the warehouse."""
    try:
        published = current(layout)
    except LakeError:
        return None
    return published.file.compared_at if published is not None and published.file else None


def is_due(layout: Layout, manifest: Manifest, now: datetime, *, idle_seconds: int) -> bool:
    """Whether to publish: something is new, or the present generation is too old or damaged."""
    try:
        published = current(layout)
    except LakeError as error:
        log.warning("generation.damaged", reason=error.message)
        return True
    if published is None or published.last_batch.batch < manifest.changed_in_batch:
        return True
    if (reason := damage(layout, published) or unreadable(layout, published)) is not None:
        log.warning("generation.damaged", generation=published.generation, reason=reason)
        return True
    assert published.generated_at is not None
    # After a clock was set back the generation seems to come from the future.
    age = now - published.generated_at
    return age < timedelta(0) or age >= timedelta(seconds=idle_seconds)


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
