"""Reconcile: read batches until this side holds what the source holds.

One batch is the rule. After its fold the lake must have as many rows of every fact and day as the
source counted under the batch's snapshot. Where it has not, rows were hard-deleted, an event time
was changed, or something was missed: a second batch reads these days whole and replaces them. Days
that are due for a proof are read whole and compared in the first batch. Only then is it published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from etl.batch_plan import BatchPlan
from etl.extract import read_batch
from etl.feed.reading import advance
from olap import ledger
from olap.days import NO_DAY, DaySet, days_of
from olap.extract import Difference, Extract
from olap.fold import Folded, fold
from olap.layout import write_durably
from olap.log import Timer, get_logger
from olap.manifest import Manifest, Place
from olap.proofs import miscounted_days, miscounted_tables
from olap.secret import Secret
from olap.settings import Settings
from olap.warehouse import Warehouse

log = get_logger(__name__)

# A repair reads under a later snapshot, which may contain news. More batches than this in one cycle
# mean that somebody deletes as fast as we read; the next cycle continues.
BATCHES_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What reconciling did.

    Attributes:
        manifest: the state after it.
        extracts, folds: one for each batch.
        differences: what the proofs of the first batch found.
        miscounted: days on which the counts did not match after the first batch, by fact.
        proved: (table, day) pairs that were proved and are equal now.
        refused: rows by table that are gone at the source and stay here (`olap.brake`).
        is_settled: whether everything that was counted and proved is equal now.
    """

    manifest: Manifest
    extracts: tuple[Extract, ...]
    folds: tuple[Folded, ...]
    differences: tuple[Difference, ...]
    miscounted: Mapping[str, DaySet]
    proved: int
    refused: Mapping[str, int]
    is_settled: bool

    @property
    def rows_changed(self) -> int:
        """Rows that were new or different."""
        return sum(folded.rows_changed for folded in self.folds)

    @property
    def places(self) -> frozenset[Place]:
        """Where files were written into the lake."""
        days = {(day.fact.name, day.day) for folded in self.folds for day in folded.days}
        dimensions = {(name, None) for folded in self.folds for name in folded.dimensions}
        return frozenset(days | dimensions)

    @property
    def days_rebuilt(self) -> int:
        """(table, day) pairs that were rebuilt."""
        return sum(len(folded.days) for folded in self.folds)


def reconcile(
    warehouse: Warehouse,
    before: Manifest | None,
    settings: Settings,
    url: Secret,
    timer: Timer,
    plan: BatchPlan,
) -> Reconciled:
    """Read and fold by `plan`; then, if the plan repairs, read again what does not match.

    Raises:
        AnalyticsError: with what to do next; nothing has been published.
    """
    layout, manifest = warehouse.layout, before
    extracts: list[Extract] = []
    folds: list[Folded] = []
    miscounted: dict[str, DaySet] = {}
    proved = 0
    while True:
        with timer.step("read"):
            extract = read_batch(warehouse, manifest, settings, url, plan)
        layout.require_space(sum(table.bytes for table in extract.tables.values()), "what was read")
        folded = fold(warehouse, manifest, extract, timer, workers=settings.threads)
        manifest = folded.manifest
        newly_proved = _record_proofs(warehouse, manifest, extract, plan)
        if newly_proved:
            recorded = ledger.read(warehouse)
            assert recorded is not None
            manifest = recorded
        proved += newly_proved
        write_durably(layout.lake_manifest, manifest.to_json())
        if extract.feed is not None:
            advance(settings, url, extract.feed)
        # Where nothing was counted, a scan must find the days.
        unknown = dict.fromkeys(miscounted_tables(manifest, extract), NO_DAY)
        wrong = unknown | miscounted_days(manifest, extract)
        if not extracts:
            miscounted = wrong
        extracts.append(extract)
        folds.append(folded)
        refused = {name for read in extracts for name, t in read.tables.items() if t.refused_rows}
        unclear = {n: t.colliding for n, t in extract.tables.items() if t.colliding}
        left = {
            table: wrong.get(table, NO_DAY) | unclear.get(table, NO_DAY)
            for table in {*wrong, *unclear} - refused
        }
        if plan.repair and (repaired := {*left, *(d.table for d in extract.differences)}):
            log.warning("repair", tables=sorted(repaired), days=_days_by_table(left, extract))
        if not left or not plan.repair or len(extracts) == BATCHES_MAX:
            break
        plan = replace(
            plan,
            is_full=False,
            is_scan=True,
            lost=frozenset(),
            whole=left,
            prove={},
            chunks=None,
        )
    differences = extracts[0].differences
    still_refused = {n: t.refused_rows for n, t in manifest.tables.items() if t.refused_rows}
    return Reconciled(
        manifest=manifest,
        extracts=tuple(extracts),
        folds=tuple(folds),
        differences=differences,
        miscounted=miscounted,
        proved=proved,
        refused=still_refused,
        is_settled=not (wrong or unclear or still_refused) and (plan.repair or not differences),
    )


def _record_proofs(
    warehouse: Warehouse, manifest: Manifest, extract: Extract, plan: BatchPlan
) -> int:
    """Record which files were proved and are equal now; how many that is."""
    unequal = {(found.table, found.day) for found in extract.differences if not plan.repair}
    equal = [
        (file.table, file.day)
        for file in manifest.files
        if _is_proved(extract.tables[file.table].proved, file.day)
        and (file.table, file.day) not in unequal
    ]
    if equal:
        ledger.record_proofs(warehouse, equal, extract.data_through)
    return len(equal)


def _is_proved(days: DaySet, day: date | None) -> bool:
    return bool(days) if day is None else day in days


def _days_by_table(wrong: Mapping[str, DaySet], extract: Extract) -> dict[str, str]:
    """The days that do not match, in words; a dimension has none."""
    days = dict(wrong)
    for found in extract.differences:
        if found.day is not None:
            days[found.table] = days.get(found.table, NO_DAY) | days_of([found.day])
    return {table: str(found) for table, found in sorted(days.items())}
