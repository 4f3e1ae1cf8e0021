"""Recovery: the state to go on from, after the warehouse was made anew where that is called for."""

from __future__ import annotations

from olap import ledger
from olap.damage import NOWHERE, lake_manifest, missing, require_known_format
from olap.errors import LakeError, WarehouseDamagedError
from olap.fold import rebuild
from olap.layout import Layout, write_durably
from olap.log import get_logger
from olap.manifest import Manifest, Places
from olap.tables import DIMENSIONS
from olap.warehouse import Warehouse, schema_fingerprint

log = get_logger(__name__)


def recover(warehouse: Warehouse) -> Manifest | None:
    """The state of the warehouse, after making it anew from the lake where that is called for.

    Raises:
        LakeError: files of the lake that are needed for it are damaged or missing.
    """
    manifest, lost = restore(warehouse, NOWHERE)
    if lost:
        raise lake_error(warehouse.layout, lost)
    return manifest


def lake_error(layout: Layout, lost: Places) -> LakeError:
    """What to say where nothing can be read again from the source."""
    named = sorted(f"{table} of {day}" if day else table for table, day in lost)
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return LakeError(
        f"files of the lake {layout.lake} are missing or damaged: {', '.join(named[:5])}{more}",
        hint="Run `make verify`: it reads these again from PostgreSQL.",
    )


def restore(warehouse: Warehouse, lost: Places) -> tuple[Manifest | None, Places]:
    """The state of the warehouse, and the places of the lake that have to be read again.

    An empty warehouse beside a lake is filled from it (somebody removed the file, or it was
    damaged), and so are one whose tables were made by other SQL than this version's, and one that
    is behind the lake: a log that was cut short is replayed without a word. One that has rows but
    does not know of which state they are is emptied first, so that no row is ever put in twice.

    Args:
        lost: places whose files cannot be read although they look well.

    Raises:
        NewerVersionError: a newer version has been here.
        LakeError: the warehouse is to be made anew, and no manifest says from what.
    """
    layout = warehouse.layout
    require_known_format(layout)
    manifest = ledger.read(warehouse)
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
    """Remove a damaged warehouse, if it can be made anew.

    Raises:
        LakeError: no manifest says from what.
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
        return "its tables were made by another version"
    try:
        described = lake_manifest(layout)
    except LakeError:
        return None
    if described and described.last_batch.batch > manifest.last_batch.batch:
        return "its log was cut short: it is behind the lake"
    return None


def _with_dependents(lost: Places) -> Places:
    """What cannot be used without these: memberships, when the keys they name are given anew."""
    keyed = {(dimension.name, None) for dimension in DIMENSIONS if dimension.has_placeholders}
    return frozenset({("participants", None)}) if keyed & lost else NOWHERE
