"""Proofs: does this side hold what the source holds, and the warehouse what the lake holds?

Three comparisons answer that, each of rows and not of sums.

* **Lake and source.** Days are read whole, in the scan and under the snapshot that a batch is read
  with, and compared row by row with their day files (`differences`). Rows that are new since the
  watermark are not differences, so live traffic causes no false alarm. A batch that repairs puts
  the rows it read in place of the day's; the time of the proof is kept with the file
  (`LakeFile.proved_at`). Every day is proved once a day (`due`).
* **Counts.** Each batch counts the source's rows by UTC day, and the lake must have as many after
  the fold (`miscounted_days`). That finds hard deletes and moved event times at once.
* **Warehouse and lake.** Facts and rollups are derived from the lake again and compared with what
  the warehouse holds (`disagreements`); `sql/checks` selects contradictions within a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta

import duckdb

from olap import sqlfiles
from olap.days import DayRange, DaySet, days_of, portions
from olap.extract import Difference, Extract
from olap.manifest import LakeFile, Manifest
from olap.tables import FACTS, ROLLUPS, TABLE_NAMES, Dimension, Fact, Rollup
from olap.warehouse import Warehouse


def differences(
    warehouse: Warehouse, table: Dimension | Fact, days: DaySet, files: Iterable[LakeFile]
) -> tuple[Difference, ...]:
    """Where the staged rows of `days`, which are all that the source has, differ from the lake's.

    Args:
        warehouse: with the table staged, `is_new` included.
        days: of a fact; a dimension is compared whole.
        files: the day files of the fact that can be read.
    """
    if isinstance(table, Dimension):
        rows = warehouse.run(f"dimensions/{table.name}/changed", is_proof=True)[0][0]
        return (Difference(table.name, None, rows, 0),) if rows else ()
    return tuple(_differing_days(warehouse, table, days, files))


def _differing_days(
    warehouse: Warehouse, fact: Fact, days: DaySet, files: Iterable[LakeFile]
) -> Iterator[Difference]:
    paths = {
        file.day: str(warehouse.layout.lake / file.path)
        for file in files
        if file.day is not None and file.day in days
    }
    staged = {day for day, _ in warehouse.run("facts/staged_days", fact) if day in days}
    for portion in portions(paths):
        values = {"days": portion, "files": [paths[day] for day in portion]}
        for day, extra, missing in warehouse.run("facts/differing_days", fact, **values):
            yield Difference(fact.name, day, missing, extra)
    for portion in portions(staged - paths.keys()):
        for day, extra, missing in warehouse.run("facts/missing_days", fact, days=portion):
            yield Difference(fact.name, day, missing, extra)


def miscounted_days(manifest: Manifest, extract: Extract) -> dict[str, DaySet]:
    """The days of each fact on which the lake has not as many rows as the source counted."""
    found: dict[str, DaySet] = {}
    for fact in FACTS:
        here = {file.day: file.rows for file in manifest.files if file.table == fact.name}
        source = extract.tables[fact.name].counts
        days = {day for day in {*here, *source} if here.get(day, 0) != source.get(day, 0)}
        if days:
            found[fact.name] = days_of(day for day in days if day is not None)
    return found


def due(manifest: Manifest, *, hour: int, rows_max: int) -> dict[str, DaySet]:
    """What to prove next: every (table, day) once a day, the longest unproved first.

    Args:
        manifest: the present state; its `data_through` is the time of day, so that only the
            source's clock decides.
        hour: of the UTC day, 0 to 23: from then on, everything not proved since is due.
        rows_max: stop before more rows than this; one file is always taken.

    Returns:
        The days by table, empty when all is proved; the days of a dimension have no meaning.
    """
    now = manifest.data_through
    slot = datetime.combine(now.date(), time(hour), tzinfo=now.tzinfo)
    if now < slot:
        slot -= timedelta(days=1)
    written_at = {batch.batch: batch.data_through for batch in manifest.batches}
    oldest = datetime.min.replace(tzinfo=now.tzinfo)
    waiting = sorted(
        (
            file.proved_at or written_at.get(file.batch, oldest),
            file.table,
            file.day or date.min,
            file,
        )
        for file in manifest.files
    )
    chosen: dict[str, set[date]] = {}
    rows = 0
    for since, table, day, file in waiting:
        if since >= slot or (chosen and rows + file.rows > rows_max):
            break
        rows += file.rows
        chosen.setdefault(table, set()).add(day)
    return {table: days_of(chosen[table]) for table in TABLE_NAMES if table in chosen}


def disagreements(warehouse: Warehouse, manifest: Manifest, days: DaySet) -> Iterator[str]:
    """Where the warehouse does not hold what the lake holds on these days, in words.

    Rollups are rebuilt in a transaction that is rolled back.

    Args:
        warehouse: with no open transaction.
        manifest: its present state.
    """
    files = {(f.table, f.day): str(warehouse.layout.lake / f.path) for f in manifest.files if f.day}
    for fact in FACTS:
        filed = {d: p for (name, d), p in files.items() if name == fact.name and d in days}
        for portion in portions(filed):
            _derive_keyed(warehouse, fact, [filed[day] for day in portion])
            span = DayRange(portion[0], portion[-1])
            values = {"days": portion, "since": span.since, "until": span.until}
            for (day,) in warehouse.run("facts/disagreeing_days", fact, **values):
                yield f"{fact.name} of {day} differ from the lake"
    for rollup in ROLLUPS:
        if rows := _rows_that_would_change(warehouse, files, rollup, days):
            yield f"{rollup.name} has {rows:,} rows that the lake does not produce"


def offences(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Run `sql/checks` on a warehouse or a generation; each offence with the name of its check."""
    for name in sqlfiles.names("checks"):
        tables = FACTS if "core.fact" in sqlfiles.text(name) else (None,)
        for table in tables:
            for offence in sqlfiles.run(connection, name, table):
                yield name.rpartition("/")[2], offence


def _rows_that_would_change(
    warehouse: Warehouse,
    files: Mapping[tuple[str, date], str],
    rollup: Rollup,
    days: DaySet,
) -> int:
    """How many rows of a rollup differ from what the facts of these days produce, either way."""
    kept, connection = "staging.kept_rollup", warehouse.connection
    known = (day for table, day in files if table in rollup.facts)
    connection.execute(f"create or replace table {kept} as from core.{rollup.name}")
    connection.begin()
    try:
        for portion in portions(day for day in known if day in days):
            for fact in (fact for fact in FACTS if fact.name in rollup.facts):
                paths = [files[fact.name, day] for day in portion if (fact.name, day) in files]
                _derive_keyed(warehouse, fact, paths)
            warehouse.run(f"rollups/{rollup.name}", days=portion)
        made, here = connection.table(f"core.{rollup.name}"), connection.table(kept)
        return len(made.except_(here)) + len(here.except_(made))
    finally:
        connection.rollback()
        connection.execute(f"drop table {kept}")


def _derive_keyed(warehouse: Warehouse, fact: Fact, paths: list[str]) -> None:
    """Derive the keyed rows of a fact from these day files."""
    if paths:
        warehouse.run(f"facts/keyed/{fact.name}", files=paths)
    else:
        warehouse.run("facts/keyed_none", fact)
