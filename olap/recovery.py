"""Recovery: what happens when a file is not what was written.

Every file can be rebuilt from another: the warehouse from the lake, a day file and a dimension from
PostgreSQL, the lake's manifest from the ledger or from a generation's, a generation from the
warehouse. So damage never stops the pipeline; it is detected, logged and repaired.

It is detected in three ways. Each cycle checks that the lake's files exist and have their recorded
length (`missing`). Other damage appears when a file is read: then every file is read to find those
that cannot be read (`unreadable`). DuckDB checks each block of its own file. Parquet pages as
DuckDB writes them have no checksum, so a flipped bit may read as another value: the daily proof
finds that (`olap.proofs`), and the day is read again.

`recovering` repeats an attempt after damage; `restore` returns the state to continue from. A locked
file, missing permissions and a full disk are not damage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import duckdb

from olap import ledger, sqlfiles
from olap.commands import call
from olap.errors import (
    LakeError,
    MappingError,
    NewerVersionError,
    WarehouseDamagedError,
    disk_error,
)
from olap.fold import rebuild
from olap.generations import generation_numbers
from olap.layout import Layout, write_durably
from olap.log import get_logger
from olap.manifest import Manifest, Place, Places, read_manifest
from olap.settings import Settings
from olap.tables import DIMENSIONS, MEMBERS
from olap.warehouse import Warehouse, open_warehouse, schema_fingerprint

log = get_logger(__name__)

T = TypeVar("T")

NOWHERE: Places = frozenset()


def recovering(settings: Settings, layout: Layout, attempt: Callable[[Places], T]) -> T:
    """Make an attempt, and repeat it after damage that can be repaired.

    Args:
        attempt: takes the places in the lake with unusable files and reads these (table, day)
            again from the source.

    Raises:
        WarehouseDamagedError: the warehouse is damaged although it was just rebuilt.
        LakeError: the warehouse is damaged, and so is everything it could be rebuilt from.
    """
    lost, has_discarded = NOWHERE, False
    while True:
        try:
            return attempt(lost)
        except WarehouseDamagedError as error:
            if has_discarded:
                raise
            discard_warehouse(layout, error)
            has_discarded = True
        except duckdb.Error as error:
            # Any read of the lake may fail this way, and DuckDB does not always name the file.
            if disk_error(error, layout.root):
                raise
            found = _look_through(settings, layout) - lost
            if not found:
                raise
            lost |= found


@contextmanager
def damage_named(settings: Settings, layout: Layout) -> Iterator[None]:
    """Name the unreadable files of the lake, for commands that cannot ask the source.

    Raises:
        LakeError: the block failed because of them.
    """
    try:
        yield
    except duckdb.Error as error:
        if disk_error(error, layout.root):
            raise
        found = _look_through(settings, layout)
        if not found:
            raise
        raise lake_error(layout, found) from error


def _look_through(settings: Settings, layout: Layout) -> Places:
    with open_warehouse(settings) as warehouse:
        manifest = ledger.read(warehouse)
    manifest = manifest or lake_manifest(layout)
    return unreadable(layout, manifest) if manifest else NOWHERE


def recover(warehouse: Warehouse) -> Manifest | None:
    """Return the state of the warehouse, rebuilt from the lake if necessary.

    Raises:
        LakeError: files of the lake that the rebuild needs are damaged or missing.
    """
    manifest, lost = restore(warehouse, NOWHERE)
    if lost:
        raise lake_error(warehouse.layout, lost)
    return manifest


def lake_error(layout: Layout, lost: Places) -> LakeError:
    """The error for commands that cannot read from the source again."""
    named = sorted(f"{table} of {day}" if day else table for table, day in lost)
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return LakeError(
        f"files of the lake {layout.lake} are missing or damaged: {', '.join(named[:5])}{more}",
        hint=f"Run `{call('verify')}`: it reads these again from PostgreSQL.",
    )


def restore(warehouse: Warehouse, lost: Places) -> tuple[Manifest | None, Places]:
    """Return the state of the warehouse, and the places of the lake that must be read again.

    The warehouse is rebuilt from the lake if it is empty (somebody removed the file, or it was
    damaged), if the SQL of another version shaped its tables, and if it is behind the lake: DuckDB
    replays a truncated log silently. A warehouse with rows but no recorded state is emptied first,
    so that no row is inserted twice.

    Args:
        lost: places with files that have the right length but cannot be read.

    Raises:
        NewerVersionError: a newer version wrote the files.
        LakeError: the warehouse must be rebuilt, and no manifest describes the lake.
    """
    layout = warehouse.layout
    require_known_format(layout)
    manifest = ledger.read(warehouse)
    require_same_ids(warehouse, manifest or lake_manifest(layout))
    reason = _reason_to_rebuild(layout, manifest)
    if manifest and reason:
        log.warning("warehouse.rebuild", reason=reason)
        described: Manifest | None = lake_manifest(layout)
        if described is None or described.last_batch.batch < manifest.last_batch.batch:
            described = manifest
            write_durably(layout.lake_manifest, manifest.to_json())
        warehouse.recreate()
        manifest = None
    else:
        if manifest is None and warehouse.run("ledger/holds_rows")[0][0]:
            log.warning("warehouse.rebuild", reason="it has rows but no state")
            warehouse.recreate()
        elif manifest is None and not warehouse.has_ids_of_mapping():
            warehouse.recreate()
        described = None if manifest else lake_manifest(layout)
    if described is not None:
        lost |= missing(layout, described)
        lost |= _with_dependents(lost)
        rebuild(warehouse, described, lost=lost)
        warehouse.remember_fresh_size()
        manifest = ledger.read(warehouse)
    elif manifest is not None:
        lost |= missing(layout, manifest)
    warehouse.refresh_views()
    return manifest, lost


def discard_warehouse(layout: Layout, error: WarehouseDamagedError) -> None:
    """Remove a damaged warehouse, if it can be rebuilt.

    Raises:
        WarehouseDamagedError: no manifest describes a lake to rebuild it from.
    """
    if lake_manifest(layout) is None:
        raise error
    log.warning("warehouse.rebuild", reason=error.message)
    for path in (layout.warehouse, layout.warehouse.with_suffix(".duckdb.wal")):
        path.unlink(missing_ok=True)


def _reason_to_rebuild(layout: Layout, manifest: Manifest | None) -> str | None:
    if manifest is None:
        return None
    if manifest.schema_fingerprint != schema_fingerprint():
        return "another version shaped its tables"
    try:
        described = lake_manifest(layout)
    except LakeError:
        return None
    if described and described.last_batch.batch > manifest.last_batch.batch:
        return "its log was truncated: it is behind the lake"
    return None


def _with_dependents(lost: Places) -> Places:
    """What is unusable without these: rows of members, because lost keys are assigned again."""
    keyed = {(dimension.name, None) for dimension in DIMENSIONS if dimension.has_placeholders}
    return frozenset((table.name, None) for table in MEMBERS) if keyed & lost else NOWHERE


def missing(layout: Layout, manifest: Manifest) -> Places:
    """Where the lake lacks a file, or has one of another length; each is logged."""
    found: set[Place] = set()
    lake = str(layout.lake)
    for file in manifest.files:
        try:
            # Not Path.stat(): every cycle asks for each day of the history.
            size = os.stat(f"{lake}/{file.path}").st_size  # noqa: PTH116
        except FileNotFoundError:
            size = None
        if size != file.bytes:
            reason = "missing" if size is None else f"{size} bytes instead of {file.bytes}"
            log.warning("lake.damaged", file=file.path, reason=reason)
            found.add((file.table, file.day))
    return frozenset(found)


def unreadable(layout: Layout, manifest: Manifest) -> Places:
    """Where the lake has a file that cannot be read through; each is logged.

    Raises:
        AnalyticsError: it is not the file's fault.
    """
    found: set[Place] = set()
    with duckdb.connect() as connection:
        for file in manifest.files:
            path = layout.lake / file.path
            try:
                ((rows,),) = sqlfiles.run(connection, "lake/read_through", files=path)
                reason = f"{rows} rows instead of {file.rows}" if rows != file.rows else None
            except duckdb.Error as error:
                if ours := disk_error(error, layout.root):
                    raise ours from error
                reason = " ".join(str(error).split())
            if reason:
                log.warning("lake.damaged", file=file.path, reason=reason)
                found.add((file.table, file.day))
    return frozenset(found)


def lake_manifest(layout: Layout) -> Manifest | None:
    """The lake's manifest; when it is damaged, that of the newest generation that has one.

    Raises:
        LakeError: it is damaged, and no generation has one.
        NewerVersionError: a newer version wrote it.
    """
    try:
        return read_manifest(layout.lake_manifest)
    except LakeError as error:
        is_there = layout.lake_manifest.exists()
        for number in sorted(generation_numbers(layout), reverse=True):
            try:
                found = read_manifest(layout.generation_manifest(number))
            except LakeError:
                continue
            log.warning("lake.manifest.lost", reason=error.message, used=f"generation {number}'s")
            return found
        if is_there:
            raise
        return None


def require_same_ids(warehouse: Warehouse, described: Manifest | None) -> None:
    """Stop where the mapping declares other types of ids than the data have.

    Raises:
        MappingError: it does.
    """
    if described is None or described.shape.ids == warehouse.ids:
        return
    kinds = [
        f"{kind} ids are {described.shape.ids.of(kind)} there and {warehouse.ids.of(kind)} in it"
        for kind in warehouse.ids.__struct_fields__
        if described.shape.ids.of(kind) != warehouse.ids.of(kind)
    ]
    raise MappingError(
        f"SOURCE_MAPPING is not the mapping that {warehouse.layout.root} was loaded with, "
        f"{described.shape.mapping}: {'; '.join(kinds)}",
        hint="Set SOURCE_MAPPING to that mapping, or use another DATA_DIR.",
    )


def require_known_format(layout: Layout) -> None:
    """Stop before anything is written where a newer version has been.

    Raises:
        NewerVersionError: a newer version wrote the lake's manifest.
    """
    try:
        if layout.lake_manifest.exists():
            read_manifest(layout.lake_manifest)
    except NewerVersionError:
        raise
    except LakeError as error:
        log.warning("lake.manifest.damaged", reason=error.message)
