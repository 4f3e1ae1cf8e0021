"""Catching up: batches until this side holds what the source holds, and that is shown.

One batch is the rule. After its fold the row counts of every table, and the sums that were taken
under the same snapshot, must agree with what is here. Where they do not, rows were hard-deleted at
the source, or an event time was changed, or something was missed; then a second batch reads the
days that differ whole and puts them in the place of what was there. Only then is it published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from etl.batch import BatchPlan, read_batch
from olap import ledger
from olap.days import EVERY_DAY, DaySet, days_of
from olap.extract import Extract
from olap.fold import Folded, fold
from olap.layout import write_durably
from olap.log import Timer, get_logger
from olap.manifest import Manifest
from olap.proofs import FACT_NAMES, DaySum, Tier, differing, sums_here
from olap.settings import Secret, Settings
from olap.tables import TABLES
from olap.warehouse import Warehouse

log = get_logger(__name__)

# A repair reads under a later snapshot, which may bring news of its own; more often than this in
# one cycle means that somebody deletes as fast as we read, and the next cycle goes on.
BATCHES_MAX = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A (table, day) that was not what the source had; `day` is None for a dimension."""

    table: str
    day: date | None
    source: DaySum
    here: DaySum


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What catching up did.

    Attributes:
        manifest: the state after it.
        extracts, folds: one for each batch.
        differences: what the first batch found to differ, by sums.
        miscounted: facts whose counts did not add up after the first batch.
        proved: (table, day) pairs that were proved in full and are equal now.
        refused: rows by table that are gone at the source, too many to remove without being told.
        is_settled: whether counts and sums agree now.
    """

    manifest: Manifest
    extracts: tuple[Extract, ...]
    folds: tuple[Folded, ...]
    differences: tuple[Difference, ...]
    miscounted: frozenset[str]
    proved: int
    refused: Mapping[str, int]
    is_settled: bool

    @property
    def rows_changed(self) -> int:
        return sum(folded.rows_changed for folded in self.folds)

    @property
    def days_rebuilt(self) -> int:
        return sum(len(folded.days) for folded in self.folds)


def reconcile(
    warehouse: Warehouse,
    before: Manifest | None,
    settings: Settings,
    url: Secret,
    timer: Timer,
    plan: BatchPlan,
    *,
    repair: bool = True,
) -> Reconciled:
    """Read and fold by `plan`, then, if need be and `repair`, what differs as well.

    Raises:
        AnalyticsError: with what to do next; nothing has been published.
    """
    layout, manifest = warehouse.layout, before
    extracts: list[Extract] = []
    folds: list[Folded] = []
    first: tuple[Difference, ...] = ()
    miscounted: frozenset[str] = frozenset()
    proved = 0
    while True:
        with timer.step("read"):
            extract = read_batch(warehouse, manifest, settings, url, plan)
        layout.require_space(sum(table.bytes for table in extract.tables.values()), "what was read")
        folded = fold(warehouse, extract, timer, workers=settings.threads)
        manifest = folded.manifest
        with timer.step("compare"):
            differences = tuple(_differences(warehouse, manifest, extract))
            proved += _record_proofs(warehouse, manifest, extract, differences)
        if proved:
            recorded = ledger.read(warehouse)
            assert recorded is not None
            manifest = recorded
        write_durably(layout.lake_manifest, manifest.to_json())
        suspects = _miscounted(manifest)
        if not extracts:
            first, miscounted = differences, suspects
        extracts.append(extract)
        folds.append(folded)
        refused = {n: t.refused_rows for n, t in extract.tables.items() if t.refused_rows}
        is_settled = not differences and not suspects
        if is_settled or not repair or refused or len(extracts) == BATCHES_MAX:
            break
        plan = _repair(plan, extract, differences, suspects)
        log.warning("repair", tables=sorted({*suspects, *plan.whole}), days=_said(plan.whole))
    return Reconciled(
        manifest=manifest,
        extracts=tuple(extracts),
        folds=tuple(folds),
        differences=first,
        miscounted=miscounted,
        proved=proved,
        refused=refused,
        is_settled=is_settled,
    )


def _differences(
    warehouse: Warehouse, manifest: Manifest, extract: Extract
) -> Iterator[Difference]:
    """What this side does not have as the source had it under the reading's snapshot."""
    nothing = DaySum(0, None)
    for table, taken in extract.sums.items():
        here = sums_here(warehouse, manifest, table, taken.days, taken.tier)
        for day in sorted(differing(taken.sums, here), key=lambda day: day or date.min):
            source = taken.sums.get(day, nothing)
            yield Difference(table, day, source, here.get(day, nothing))


def _record_proofs(
    warehouse: Warehouse,
    manifest: Manifest,
    extract: Extract,
    differences: tuple[Difference, ...],
) -> int:
    """Note what was found equal in full; how many files that is."""
    wrong = {(difference.table, difference.day) for difference in differences}
    equal = [
        (file.table, file.day)
        for file in manifest.files
        if (taken := extract.sums.get(file.table)) is not None
        and taken.tier is Tier.FULL
        and (file.day is None or file.day in taken.days)
        and (file.table, file.day) not in wrong
    ]
    if equal:
        ledger.record_proofs(warehouse, equal, extract.data_through)
    return len(equal)


def _miscounted(manifest: Manifest) -> frozenset[str]:
    """The facts that do not have as many rows as the source counted."""
    return frozenset(
        name
        for name, state in manifest.tables.items()
        if name in FACT_NAMES and state.rows != state.source_rows
    )


def _repair(
    plan: BatchPlan,
    extract: Extract,
    differences: tuple[Difference, ...],
    suspects: frozenset[str],
) -> BatchPlan:
    """What the next batch reads to put the differences right, and to prove that it did."""
    days: dict[str, set[date]] = {}
    whole: dict[str, DaySet] = {}
    for difference in differences:
        if difference.day is None:
            whole[difference.table] = EVERY_DAY
        else:
            days.setdefault(difference.table, set()).add(difference.day)
    whole |= {table: days_of(found) for table, found in days.items()}
    proving = {t: d for t, d in whole.items() if extract.sums[t].tier is Tier.FULL}
    return replace(
        plan,
        is_full=False,
        lost=frozenset(),
        suspects=suspects,
        whole=whole,
        prove=proving,
        chunks=None,
    )


def _said(whole: Mapping[str, DaySet]) -> dict[str, str]:
    return {table: str(whole[table]) for table in TABLES if table in whole}
