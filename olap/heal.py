"""Healing: an attempt that meets damage is made again, once the damage is known.

What the damage was is logged (`warehouse.rebuild`, `lake.damaged`), so that nobody has to wonder
why a cycle took longer; nobody has to do anything about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import duckdb

from olap import ledger
from olap.damage import NOWHERE, lake_manifest, unreadable
from olap.errors import WarehouseDamagedError, disk_error
from olap.layout import Layout
from olap.manifest import Places
from olap.recovery import discard_warehouse, lake_error
from olap.settings import Settings
from olap.warehouse import open_warehouse

T = TypeVar("T")


def healing(settings: Settings, layout: Layout, attempt: Callable[[Places], T]) -> T:
    """Make an attempt, again when it meets damage that can be healed.

    Args:
        attempt: gets the places in the lake whose files cannot be used: it reads these (table,
            day) again from the source.

    Raises:
        WarehouseDamagedError: the warehouse is damaged and was made anew just before.
        LakeError: the warehouse is damaged, and so is all that it could be made from.
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
            # Any read of the lake may have met it, and DuckDB does not always name the file.
            if disk_error(error, layout.root):
                raise
            found = _look_through(settings, layout) - lost
            if not found:
                raise
            lost |= found


@contextmanager
def damage_named(settings: Settings, layout: Layout) -> Iterator[None]:
    """For what cannot ask the source: name the files of the lake that could not be read.

    Raises:
        LakeError: the block met them.
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
    with open_warehouse(
        layout, memory_limit=settings.memory_limit, threads=settings.threads
    ) as warehouse:
        manifest = ledger.read(warehouse)
    manifest = manifest or lake_manifest(layout)
    return unreadable(layout, manifest) if manifest else NOWHERE
