"""Agreement: does the warehouse hold what the lake holds, row by row?

Proofs compare the lake with the source (see `olap.proofs`); what analysts open is a copy of the
warehouse. So `verify` ties the two: facts are added up by day on both sides, and rollups are made
again from the lake, inside a transaction that is undone, and compared with what was there.
"""

from __future__ import annotations

from collections.abc import Iterator

from olap.days import DaySet, portions
from olap.manifest import Manifest
from olap.tables import FACTS, ROLLUPS, Rollup
from olap.warehouse import Warehouse


def disagreements(warehouse: Warehouse, manifest: Manifest, days: DaySet) -> Iterator[str]:
    """Where the warehouse is not what the lake makes of these days, in words; nothing = well.

    Args:
        warehouse: with no open transaction.
        manifest: its present state.
    """
    for fact in FACTS:
        for window in days.ranges:
            files = [
                str(warehouse.layout.lake / file.path)
                for file in manifest.files
                if file.table == fact.name and file.day is not None and file.day in window
            ]
            # Rows without any file are what the check `row_counts` is for.
            bounds = {"since": window.since, "until": window.until}
            name = f"facts/{fact.name}/disagreeing_days"
            for (day,) in warehouse.run(name, files=files, **bounds) if files else ():
                yield f"{fact.name} of {day} are not those of the lake"
    for rollup in ROLLUPS:
        if rows := _rows_that_would_change(warehouse, manifest, rollup, days):
            yield f"{rollup.name} has {rows:,} rows that the lake does not make"


def _rows_that_would_change(
    warehouse: Warehouse, manifest: Manifest, rollup: Rollup, days: DaySet
) -> int:
    """How many rows of a rollup differ from what these days' facts make, either way."""
    kept, connection = "staging.kept_rollup", warehouse.connection
    files = {(f.table, f.day): str(warehouse.layout.lake / f.path) for f in manifest.files if f.day}
    known = (day for table, day in files if table in rollup.facts)
    connection.execute(f"create or replace table {kept} as from core.{rollup.name}")
    connection.begin()
    try:
        for portion in portions(day for day in known if day in days):
            for fact in rollup.facts:
                paths = [files[fact, day] for day in portion if (fact, day) in files]
                if paths:
                    warehouse.run(f"facts/{fact}/keyed", files=paths)
                else:
                    warehouse.run(f"facts/{fact}/keyed_none")
            warehouse.run(f"rollups/{rollup.name}", days=portion)
        made, here = connection.table(f"core.{rollup.name}"), connection.table(kept)
        return len(made.except_(here)) + len(here.except_(made))
    finally:
        connection.rollback()
        connection.execute(f"drop table {kept}")
