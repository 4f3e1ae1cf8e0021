"""Proofs: is what is here, day by day, what the source has?

Both sides add up their rows per (table, UTC day): the source inside the very snapshot that a batch
was read under, this side from the lake after that batch was folded. Under one snapshot the two must
agree, so live traffic makes no false alarm and there is no settling time. What an analyst opens is
tied to the lake by `olap.agreement`, by `sql/checks`, and by making a day from its files alone.

There are three tiers. `count` finds the days where rows were removed or moved away. `cheap` adds
times and lengths up, which finds an edit that was missed. `full` adds up 60 bits of an md5 of every
row's canonical text; it is a proof, and its time is kept with the file (`LakeFile.proved_at`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from olap.days import ONE_DAY, DaySet, days_of
from olap.manifest import Manifest
from olap.tables import FACTS, TABLES
from olap.warehouse import Warehouse

FACT_NAMES = frozenset(fact.name for fact in FACTS)


class Tier(StrEnum):
    """How much is added up; each tier finds all that the one before it does."""

    COUNT = "count"
    CHEAP = "cheap"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class DaySum:
    """What the rows of one (table, day) add up to; `total` is null in the count tier."""

    rows: int
    total: str | None


# By UTC day; a dimension has one sum, under None.
Sums = Mapping[date | None, DaySum]


def sums_here(
    warehouse: Warehouse, manifest: Manifest, table: str, days: DaySet, tier: Tier
) -> Sums:
    """What this side has of `table` on these days; days without rows are left out.

    Args:
        manifest: the present state.
        days: of no meaning for a dimension, which is added up whole.
    """
    if table not in FACT_NAMES:
        rows = warehouse.run(f"dimensions/{table}/sums", tier=tier)
        return _by_day(rows)
    files = [f for f in manifest.files if f.table == table and f.day is not None and f.day in days]
    if not files:
        return {}
    if tier is Tier.COUNT:
        return {file.day: DaySum(file.rows, None) for file in files}
    paths = [str(warehouse.layout.lake / file.path) for file in files]
    return _by_day(warehouse.run(f"facts/{table}/sums", files=paths, tier=tier))


def differing(source: Sums, here: Sums) -> frozenset[date | None]:
    """The days on which the two sides do not agree."""
    nothing = DaySum(0, None)
    return frozenset(
        day
        for day in {*source, *here}
        if source.get(day, nothing) != here.get(day, nothing)
        and (source.get(day, nothing).rows or here.get(day, nothing).rows)
    )


def recent_days(data_through: datetime) -> DaySet:
    """The UTC day of this instant and the one before it: where nearly everything happens."""
    today = data_through.date()
    return days_of({today, max(today, date.min + ONE_DAY) - ONE_DAY})


def due(manifest: Manifest, *, hour: int, rows_max: int) -> dict[str, DaySet]:
    """What to prove in full next: every (table, day) once a day, the longest unproved first.

    Args:
        manifest: the present state; its `data_through` is the time of day, so that no other clock
            than the source's decides.
        hour: of the UTC day, 0 to 23: from then on, whatever has not been proved since is due.
        rows_max: stop before more rows than this; one file is always taken.

    Returns:
        The days by table, empty when all is proved; a dimension's days mean nothing.
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
    return {table: days_of(chosen[table]) for table in TABLES if table in chosen}


def _by_day(rows: Iterable[tuple[date | None, int, str | None]]) -> Sums:
    return {day: DaySum(count, total) for day, count, total in rows}
