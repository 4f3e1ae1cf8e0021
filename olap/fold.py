"""The fold: from a staged batch to new day files and one warehouse commit.

*Dirty by arrival, rebuilt by event time.* The batch tells which UTC days of which fact changed.
Each of these days gets a new lake file, in which staged rows replace old rows with the same key.
The warehouse's facts and rollups of these days are deleted and derived again from the lake. Nothing
is incremented, so a retry, a late row, an edit and a deletion are the same operation, and the
result is the same as that of a load from scratch.

A first load and a rebuild may have an engine make the rollups (`FOLD_ON`); they are inserted in the
same commit. Where the engine fails, they are derived here.

Files are written and fsynced first. The DuckDB transaction that follows moves data, ledger and
watermarks together: it is the only commit point. A crash before it leaves unreferenced files; a
crash after it loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

import msgspec

from olap import ledger, rollups
from olap.days import EVERY_DAY, DaySet, portions, ranges
from olap.extract import Extract, TableExtract
from olap.lake import DayChange, write_days, write_dimension
from olap.log import Timer
from olap.manifest import Batch, LakeFile, Manifest, Places, TableState
from olap.rollups import Made
from olap.tables import DIMENSIONS, FACTS, MEMBERS, Fact, Rollup
from olap.warehouse import Warehouse, count_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The result of a fold.

    Attributes:
        manifest: the state after the commit.
        days: the new file of each (fact, day) that changed.
        dimensions: rows changed in each dimension that changed.
    """

    manifest: Manifest
    days: Sequence[DayChange]
    dimensions: Mapping[str, int]

    @property
    def rows_changed(self) -> int:
        return sum(change.rows_changed for change in self.days) + sum(self.dimensions.values())


def fold(
    warehouse: Warehouse,
    before: Manifest | None,
    extract: Extract,
    timer: Timer,
    *,
    workers: int,
) -> Folded:
    """Add the staged batch to the lake and the warehouse, in one commit.

    Args:
        warehouse: with the batch staged in it.
        before: what its ledger holds.
        extract: the record of the staged batch.
        timer: receives the steps `days` (lake files), `facts`, `rollups` and `commit`.
        workers: how many day files are written at the same time.

    Raises:
        LakeError: a staged row has no event time.
    """
    number = before.last_batch.batch + 1 if before else 1
    started = time.perf_counter()
    with timer.step("days"):
        days = write_days(warehouse, extract, before, number, workers)
    with timer.step("dimensions"):
        # Outside of the transaction, which can write to the warehouse only.
        mentions_ids = bool(days) or any(extract.tables[table.name].rows for table in MEMBERS)
        if mentions_ids:
            _collect_mentions(warehouse)
    with warehouse.transaction():
        rollups.start(warehouse)
        attributes = rollups.Attributes(warehouse)
        with timer.step("dimensions"):
            dimensions, dimension_files = _merge_dimensions(
                warehouse, extract, before, number, attributes, mentions_ids=mentions_ids
            )
        made = None
        if before is None:
            with timer.step("rollups"):
                new = [change.file for change in days if change.file]
                made = rollups.made_by_engine(warehouse, [*new, *dimension_files])
        added = _load(warehouse, before, days, attributes, timer, made)
        rows_changed = sum(c.rows_changed for c in days) + sum(dimensions.values())
        # A source's clock may be set back; data_through never is.
        not_before = before.data_through if before else extract.data_through
        batch = Batch(
            batch=number,
            data_through=max(extract.data_through, not_before),
            snapshot=extract.snapshot,
            rows_read=sum(table.rows for table in extract.tables.values()),
            rows_changed=rows_changed,
            days_rebuilt=len(days),
            read_ms=extract.ms,
            fold_ms=round((time.perf_counter() - started) * 1000),
            held_back_by=extract.held_back_by,
            mode=extract.mode,
            mode_reason=extract.mode_reason,
        )
        _record(warehouse, extract, before, batch, days, _held(warehouse, before, added))
        commit_started = time.perf_counter()
    timer.steps["commit"] = round((time.perf_counter() - commit_started) * 1000)
    manifest = ledger.read(warehouse)
    assert manifest is not None
    return Folded(manifest=manifest, days=days, dimensions=dimensions)


def rebuild(warehouse: Warehouse, manifest: Manifest, *, lost: Places = frozenset()) -> None:
    """Fill an empty warehouse from the lake that `manifest` describes, in one commit.

    Args:
        lost: places to skip; the caller reads them again from the source. If a dimension is
            skipped, every id that a fact mentions gets a placeholder until then.
    """
    root = warehouse.layout.lake
    files = tuple(file for file in manifest.files if (file.table, file.day) not in lost)
    needs_placeholders = any((dimension.name, None) in lost for dimension in DIMENSIONS)
    if needs_placeholders:
        warehouse.run("tables/start_mentions")
        for fact in FACTS:
            paths = [root / file.path for file in files if file.table == fact.name]
            if paths:
                warehouse.run("tables/mention_files", fact, files=paths)
    with warehouse.transaction():
        for dimension in DIMENSIONS:
            paths = [root / file.path for file in files if file.table == dimension.name]
            if paths:
                warehouse.run("dimensions/restore", dimension, files=paths)
            if needs_placeholders and dimension.has_placeholders:
                warehouse.run(f"dimensions/{dimension.name}/add_placeholders")
        changes = [
            DayChange(fact, file.day, file, file.rows)
            for fact in FACTS
            for file in files
            if file.table == fact.name and file.day is not None
        ]
        rollups.start(warehouse)
        # Without lost places the lake has the dimensions as the warehouse has them.
        made = None if lost else rollups.made_by_engine(warehouse, files)
        _load(warehouse, None, changes, rollups.Attributes(warehouse), Timer(), made)
        ledger.record_files(warehouse, [], files)
        for batch in manifest.batches:
            ledger.record_batch(warehouse, batch)
        for table, state in manifest.tables.items():
            if (table, None) in lost:
                # With other columns the next process reads it whole if this one dies.
                state = msgspec.structs.replace(state, columns="")
            ledger.record_table(warehouse, table, state)
        ledger.record_state(
            warehouse,
            manifest.source,
            manifest.shape,
            manifest.coverage,
            changed_in_batch=manifest.changed_in_batch,
            generation=manifest.generation,
            generated_at=manifest.generated_at,
            feed=manifest.feed,
        )


def _collect_mentions(warehouse: Warehouse) -> None:
    """Collect the ids that staged rows mention."""
    warehouse.run("tables/start_mentions")
    for table in (*FACTS, *MEMBERS):
        warehouse.run("tables/mention_staged", table)


def _merge_dimensions(
    warehouse: Warehouse,
    extract: Extract,
    before: Manifest | None,
    batch: int,
    attributes: rollups.Attributes,
    *,
    mentions_ids: bool,
) -> tuple[dict[str, int], list[LakeFile]]:
    """Update the dimensions; write the lake file of each that changed.

    Users and conversations are merged before tables of members, which need their keys.

    Returns:
        How many rows changed, by dimension, and the new files.
    """
    changed: dict[str, int] = {}
    files: list[LakeFile] = []
    for dimension in DIMENSIONS:
        table, name = extract.tables[dimension.name], f"dimensions/{dimension.folder}"
        count = table.rows
        if count and before:
            count = warehouse.run(f"{name}/changed", dimension, is_proof=False)[0][0]
        may_change = before and (count or table.gone_rows)
        if may_change:
            attributes.remember(dimension)
        if count:
            warehouse.run(f"{name}/merge", dimension)
        if dimension.has_placeholders and mentions_ids:
            count += warehouse.run(f"{name}/add_placeholders")[0][0]
        if table.gone_rows and before:
            count += warehouse.run(f"{name}/remove_gone", dimension)[0][0]
        if may_change:
            attributes.compare(dimension)
        if count or table.is_lost:
            changed[dimension.name] = count
            old = before.file_of(dimension.name, None) if before else None
            file = write_dimension(
                warehouse, dimension, batch, proved_at=old.proved_at if old else None
            )
            ledger.record_files(warehouse, [(dimension.name, None)], [file])
            files.append(file)
    return changed, files


def _load(
    warehouse: Warehouse,
    before: Manifest | None,
    changes: Sequence[DayChange],
    attributes: rollups.Attributes,
    timer: Timer,
    made: Made | None = None,
) -> dict[str, int]:
    """Derive facts of the changed days again from the lake, and what is stale of the rollups.

    Args:
        made: the rollups of a warehouse without rows, where an engine has made them.

    Returns:
        How many rows more each fact has in the warehouse.
    """
    files = {(file.table, file.day): file for file in (before.files if before else ()) if file.day}
    for change in changes:
        files.pop((change.fact.name, change.day), None)
        if change.file:
            files[change.fact.name, change.day] = change.file
    dirty = {fact.name: {c.day for c in changes if c.fact == fact} for fact in FACTS}
    # The days on which a fact changed by more than edits: all that are dirty, until it is compared.
    changed = dict(dirty)
    added = dict.fromkeys(dirty, 0)

    def stale(rollup: Rollup) -> set[date]:
        causes = changed if rollup.ignores_edits else dirty
        return rollups.stale_days(rollup, causes, attributes.changed)

    for days in portions(chain(*dirty.values(), *map(stale, rollups.DAY_ROLLUPS))):
        for fact in FACTS:
            with timer.step("facts"):
                # A day of `user_days` needs the receipts even if only messages changed.
                needed = dirty[fact.name].union(
                    *(stale(rollup) for rollup in rollups.DAY_ROLLUPS if fact.name in rollup.facts)
                )
                paths = {
                    day: warehouse.layout.lake / files[fact.name, day].path
                    for day in days
                    if day in needed and (fact.name, day) in files
                }
                loaded = [day for day in days if day in dirty[fact.name]]
                is_first = before is None
                added[fact.name] += _load_fact(warehouse, fact, loaded, paths, is_first=is_first)
                if not is_first and fact.name in rollups.COMPARED:
                    found = rollups.changed_days(warehouse).get(fact.name, set())
                    changed[fact.name] = changed[fact.name].difference(days) | found
        with timer.step("rollups"):
            for rollup in rollups.DAY_ROLLUPS if made is None else ():
                rollups.derive_days(warehouse, rollup, stale(rollup).intersection(days))
    with timer.step("rollups"):
        if made is not None:
            rollups.insert(warehouse, made)
            return added
        for rollup in rollups.READ_ROLLUPS:
            if before is None:
                for days in portions(stale(rollup)):
                    rollups.derive_days(warehouse, rollup, days)
            else:
                rollups.derive_reads(warehouse, rollup)
        for rollup in rollups.PERSON_ROLLUPS:
            rollups.derive_people(warehouse, rollup, stale(rollup))
        for rollup in rollups.CONVERSATION_ROLLUPS:
            every_day = dirty["messages"] if before is None else ()
            rollups.derive_conversations(warehouse, rollup, every_day)
    return added


def _load_fact(
    warehouse: Warehouse,
    fact: Fact,
    stale: Sequence[date],
    paths: Mapping[date, Path],
    *,
    is_first: bool,
) -> int:
    """Derive keyed rows from the files `paths`, and load those of the stale days.

    Returns:
        How many rows more the warehouse has.
    """
    added = 0
    if paths:
        warehouse.run(f"facts/keyed/{fact.name}", files=list(paths.values()))
    else:
        warehouse.run("facts/keyed_none", fact)
    if not is_first:
        for window in ranges(stale):
            if fact.name in rollups.COMPARED:
                warehouse.run(f"stale/{fact.name}", since=window.since, until=window.until)
            bounds = {"since": window.since, "until": window.until}
            added -= warehouse.run("facts/clear", fact, **bounds)[0][0]
    refilled = [day for day in stale if day in paths]
    if refilled:
        added += warehouse.run("facts/load", fact, days=refilled)[0][0]
    return added


def _held(
    warehouse: Warehouse, before: Manifest | None, added: Mapping[str, int]
) -> dict[str, int]:
    """How many rows each table has in the warehouse.

    Facts are not counted: they have the rows of the lake before, plus those that the statements
    inserted, minus those that they deleted.
    """
    held = dict(added)
    for file in before.files if before else ():
        if file.table in held:
            held[file.table] += file.rows
    return held | count_rows(warehouse.connection, DIMENSIONS)


def _record(
    warehouse: Warehouse,
    extract: Extract,
    before: Manifest | None,
    batch: Batch,
    days: Sequence[DayChange],
    held: Mapping[str, int],
) -> None:
    """Write the ledger: files, batch, watermarks.

    Args:
        held: the rows of each table in the warehouse.
    """
    ledger.record_files(
        warehouse,
        [(change.fact.name, change.day) for change in days] if before else [],
        [change.file for change in days if change.file],
    )
    ledger.record_batch(warehouse, batch)
    for name, table in extract.tables.items():
        known = before.tables.get(name) if before else None
        source_rows, outside_rows = _rows_at_source(table, known, held[name], extract.coverage)
        # A batch that does not read the same days whole does not count these rows again.
        still_refused = known.refused_rows if known and held[name] != source_rows else 0
        state = TableState(
            watermark=extract.watermark,
            relation=table.relation,
            columns=table.columns,
            source_rows=source_rows,
            rows=held[name],
            outside_rows=outside_rows,
            is_available=table.is_available,
            refused_rows=table.refused_rows or still_refused,
        )
        ledger.record_table(warehouse, name, state)
    is_change = bool(batch.rows_changed or batch.days_rebuilt)
    ledger.record_state(
        warehouse,
        extract.source,
        extract.shape,
        extract.coverage,
        changed_in_batch=batch.batch if is_change or not before else before.changed_in_batch,
        generation=before.generation if before else 0,
        generated_at=before.generated_at if before else None,
        feed=extract.feed,
    )


def _rows_at_source(
    table: TableExtract, known: TableState | None, held: int, coverage: DaySet
) -> tuple[int, int]:
    """How many rows the source has inside and outside of the coverage.

    Where nothing was counted it has as many more as were added. Which of these are inside of a
    limited coverage nobody told, so as many are as are here.
    """
    if table.source_rows is not None:
        return table.source_rows, table.outside_rows
    assert known is not None
    if table.added_rows is None:
        return held, known.outside_rows
    expected = known.source_rows + known.outside_rows + table.added_rows
    inside = expected if coverage == EVERY_DAY else min(expected, held)
    return inside, expected - inside
