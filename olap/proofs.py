"""Proofs: does this side hold what the source holds, and the warehouse what the lake holds?

Three comparisons answer that.

* **Lake and source.** Days are read whole, in the scan and under the snapshot that a batch is read
  with, and compared row by row with their day files (`differences`). Rows that are new since the
  watermark are not differences, so live traffic causes no false alarm. A batch that repairs puts
  the rows it read in place of the day's; the time of the proof is kept with the file
  (`LakeFile.proved_at`). Every day is proved once a day (`due`).
* **Counts.** A scan counts the source's rows by UTC day, and the lake must have as many after the
  fold (`miscounted_days`). That finds hard deletes and moved event times at once. A batch that was
  told of changes by a feed counts nothing: the table must have as many rows as before, plus those
  inserted, minus those deleted (`miscounted_tables`).
* **Warehouse and lake.** Facts of the proved days are derived from the lake again and compared with
  what the warehouse holds (`require_agreement`). `verify` also compares the rollups, and runs
  `sql/checks`, which select contradictions within a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb

from olap import rollups, sqlfiles
from olap.commands import call
from olap.days import ONE_DAY, DayRange, DaySet, days_of, portions, slot_of
from olap.errors import WarehouseDamagedError
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
        name = f"dimensions/{table.folder}/changed"
        rows = warehouse.run(name, table, is_proof=True)[0][0]
        return (Difference(table.name, None, rows, 0),) if rows else ()
    return tuple(_differing_days(warehouse, table, days, files))


def _differing_days(
    warehouse: Warehouse, fact: Fact, days: DaySet, files: Iterable[LakeFile]
) -> Iterator[Difference]:
    paths = {
        file.day: warehouse.layout.lake / file.path
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
        source = extract.tables[fact.name].counts
        if source is None:
            continue
        here = {file.day: file.rows for file in manifest.files if file.table == fact.name}
        days = {day for day in {*here, *source} if here.get(day, 0) != source.get(day, 0)}
        if days:
            found[fact.name] = days_of(day for day in days if day is not None)
    return found


def miscounted_tables(manifest: Manifest, extract: Extract) -> dict[str, int]:
    """The tables that were not counted and have another number of rows here than they should.

    That is what the source had at the last batch, and what a feed told of rows inserted and
    deleted since. It cannot tell how many of these are inside of a limited coverage, so that there
    only too many rows here are found.

    Returns:
        How many rows more are here than at the source, by table; negative if they are fewer.
    """
    uncounted = {name for name, table in extract.tables.items() if table.counts is None}
    return {
        name: state.rows - state.source_rows
        for name, state in manifest.tables.items()
        if name in uncounted and state.rows != state.source_rows
    }


def due(
    manifest: Manifest, *, hour: int, rows_max: int, is_spread: bool = False
) -> dict[str, DaySet]:
    """What to prove next: every (table, day) once a day, the longest unproved first.

    Args:
        manifest: the present state; its `data_through` is the time of day, so that only the
            source's clock decides.
        hour: of the UTC day, 0 to 23: from then on, everything not proved since is due.
        rows_max: stop before more rows than this; one file is always taken.
        is_spread: it is due in portions of `rows_max` rows, evenly over the 24 hours: for a batch
            that reads nothing of these tables otherwise, so that each proof costs a scan of them.

    Returns:
        The days by table, empty when all is proved; the days of a dimension have no meaning.
    """
    now = manifest.data_through
    slot = slot_of(now, hour)
    written_at = {batch.batch: batch.data_through for batch in manifest.batches}
    oldest = datetime.min.replace(tzinfo=now.tzinfo)
    since = {file: file.proved_at or written_at.get(file.batch, oldest) for file in manifest.files}
    waiting = sorted(
        (since[file], file.table, file.day or date.min, file)
        for file in manifest.files
        if since[file] < slot
    )
    if is_spread:
        total = sum(file.rows for file in manifest.files)
        proved = total - sum(file.rows for *_, file in waiting)
        begun = (now - slot) * max(1, -(-total // rows_max)) // ONE_DAY + 1
        if proved >= begun * rows_max:
            return {}
    chosen: dict[str, set[date]] = {}
    rows = 0
    for _, table, day, file in waiting:
        if chosen and rows + file.rows > rows_max:
            break
        rows += file.rows
        chosen.setdefault(table, set()).add(day)
    return {table: days_of(chosen[table]) for table in TABLE_NAMES if table in chosen}


def require_agreement(
    warehouse: Warehouse, manifest: Manifest, days: DaySet, *, is_thorough: bool
) -> None:
    """Stop unless the warehouse holds what the lake holds on these days.

    Args:
        warehouse: with no open transaction.
        manifest: its present state.
        is_thorough: also rebuild each rollup for comparison, and run `sql/checks`.

    Raises:
        WarehouseDamagedError: it does not; `olap.recovery` rebuilds it.
    """
    found = list(_disagreeing_facts(warehouse, manifest, days))
    if is_thorough:
        found += [f"{name}: {' '.join(row)}" for name, row in offences(warehouse.connection)]
        found += _disagreeing_rollups(warehouse, manifest, days)
    if found:
        raise WarehouseDamagedError(
            f"the warehouse {warehouse.layout.warehouse} differs from the lake: "
            + "; ".join(found[:5]),
            hint=f"Run `{call('rebuild')}`: it rebuilds the warehouse from the lake.",
        )


def _disagreeing_facts(warehouse: Warehouse, manifest: Manifest, days: DaySet) -> Iterator[str]:
    """The days of facts on which the warehouse differs from the lake, in words."""
    for fact in FACTS:
        filed = {
            day: path for day, path in _paths(warehouse, manifest, fact).items() if day in days
        }
        for portion in portions(filed):
            _derive_keyed(warehouse, fact, [filed[day] for day in portion])
            span = DayRange(portion[0], portion[-1])
            values = {"days": portion, "since": span.since, "until": span.until}
            for (day,) in warehouse.run("facts/disagreeing_days", fact, **values):
                yield f"{fact.name} of {day} differ from the lake"


def _disagreeing_rollups(warehouse: Warehouse, manifest: Manifest, days: DaySet) -> Iterator[str]:
    """The rollups with rows that the lake does not produce, in words."""
    for rollup in ROLLUPS:
        if rows := _rows_that_would_change(warehouse, manifest, rollup, days):
            yield f"{rollup.name} has {rows:,} rows that the lake does not produce"


def _rows_that_would_change(
    warehouse: Warehouse, manifest: Manifest, rollup: Rollup, days: DaySet
) -> int:
    """How many rows of a rollup differ from what the facts of these days produce, either way.

    The rollup is rebuilt in a transaction that is rolled back.
    """
    kept, connection = "staging.kept_rollup", warehouse.connection
    facts = [fact for fact in FACTS if fact.name in rollup.facts]
    files = {fact: _paths(warehouse, manifest, fact) for fact in facts}
    known = {day for paths in files.values() for day in paths if day in days}
    connection.execute(f"create or replace table {kept} as from core.{rollup.name}")
    connection.begin()
    try:
        # The facts of the warehouse have been compared with the lake's.
        if rollup.is_by_conversation:
            rollups.start(warehouse)
            rollups.derive_conversations(warehouse, rollup, known)
        elif rollup.is_by_person:
            rollups.derive_people(warehouse, rollup, known)
        else:
            for portion in portions(known):
                for fact, paths in files.items():
                    _derive_keyed(warehouse, fact, [paths[day] for day in portion if day in paths])
                rollups.derive_days(warehouse, rollup, portion)
        made, here = connection.table(f"core.{rollup.name}"), connection.table(kept)
        return len(made.except_(here)) + len(here.except_(made))
    finally:
        connection.rollback()
        connection.execute(f"drop table {kept}")


def _paths(warehouse: Warehouse, manifest: Manifest, fact: Fact) -> dict[date, Path]:
    """The day files of a fact."""
    return {
        file.day: warehouse.layout.lake / file.path
        for file in manifest.files
        if file.table == fact.name and file.day is not None
    }


def offences(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Run `sql/checks` on a warehouse or a generation; each offence with the name of its check."""
    for name in sqlfiles.names("checks"):
        tables = FACTS if "core.fact" in sqlfiles.text(name) else (None,)
        for table in tables:
            for offence in sqlfiles.run(connection, name, table):
                yield name.rpartition("/")[2], offence


def _derive_keyed(warehouse: Warehouse, fact: Fact, paths: list[Path]) -> None:
    """Derive the keyed rows of a fact from these day files."""
    if paths:
        warehouse.run(f"facts/keyed/{fact.name}", files=paths)
    else:
        warehouse.run("facts/keyed_none", fact)
