"""Damage: what to do about files that are not what was written.

Each file here can be made anew from another: the warehouse from the lake, a day file and a
dimension from PostgreSQL, the lake's manifest from the ledger or from a generation's, a generation
from the warehouse. So damage is never a reason to stop; it has to be seen, and said.

It is seen in two ways. Each cycle looks whether the lake's files are there and as long as they
were (`missing`). What that does not show comes up when a file is read: then every file is read
through, and those that cannot be are found (`unreadable`). DuckDB checks each block of its own
file. Parquet pages as DuckDB writes them carry no checksum, so a flipped bit may also read as
another value: the daily proof finds that, and the repair reads the day again (see `proofs`).

A file that is locked, or that we may not read, or a full disk, is no damage.
"""

from __future__ import annotations

import duckdb

from olap import sqlfiles
from olap.errors import LakeError, NewerVersionError, disk_error
from olap.layout import Layout
from olap.log import get_logger
from olap.manifest import Manifest, Place, Places, read_manifest
from olap.publish import generation_numbers

log = get_logger(__name__)

NOWHERE: Places = frozenset()


def missing(layout: Layout, manifest: Manifest) -> Places:
    """Where the lake lacks a file, or has one of another length; each is logged."""
    found: set[Place] = set()
    for file in manifest.files:
        try:
            size = (layout.lake / file.path).stat().st_size
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
            path = str(layout.lake / file.path)
            try:
                ((rows,),) = sqlfiles.run(connection, "lake/read_through", path=path)
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
