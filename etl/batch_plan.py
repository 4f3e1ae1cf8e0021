"""What a batch reads besides the rows that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from olap.backfill_chunks import Chunks
from olap.days import EVERY_DAY, NO_DAY, DaySet, day_set
from olap.manifest import Places
from olap.tables import FACT_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What a batch reads besides the rows from the watermark on.

    Attributes:
        coverage: the days that are kept.
        is_full: read every table whole, and accept another source than last time.
        whole: days of facts to read whole: their counts do not match.
        prove: days to read whole and to compare with the lake; a dimension is compared whole.
        repair: replace the proved days by what was read; otherwise differences are only reported.
        lost: places in the lake with unusable files: read whole, and written again.
        chunks: what a backfill has read of days that are new to the coverage; this batch brings
            what has changed since, and makes one state of both.
        removal_max_percent: if the source lacks more of a table's rows than this, they stay and
            are reported as refused (`olap.brake`).
        is_scan: read no table by keys, whatever a feed tells.
    """

    coverage: DaySet = EVERY_DAY
    is_full: bool = False
    whole: Mapping[str, DaySet] = field(default_factory=dict)
    prove: Mapping[str, DaySet] = field(default_factory=dict)
    repair: bool = True
    lost: Places = frozenset()
    chunks: Chunks | None = None
    removal_max_percent: int = 5
    is_scan: bool = False

    @property
    def proved_days(self) -> DaySet:
        """The days to prove, of all facts."""
        return day_set(*(r for name in FACT_NAMES for r in self.prove.get(name, NO_DAY).ranges))
