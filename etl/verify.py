"""verify: prove, row by row, that this side holds what the source holds; repair what does not.

A batch is read, and under its snapshot the source adds up its rows in full, day by day. After the
fold this side adds up its own. Equal sums are a proof and their time is noted; different ones name
the (table, day) to look at. With `repair` a second batch reads these days whole and puts them in
the place of what was there, and the sums of these days are taken again under that batch's snapshot.
The sums are of the lake; at last the warehouse must be what the lake makes (`olap.agreement`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from etl.batch import BatchPlan
from etl.reconcile import Reconciled, reconcile
from olap import sqlfiles
from olap.agreement import disagreements
from olap.days import DayRange, day_set
from olap.errors import RepairRefusedError, VerifyError
from olap.heal import healing
from olap.layout import Layout
from olap.log import Timer
from olap.manifest import Manifest, Places
from olap.publish import publish
from olap.recovery import restore
from olap.settings import Secret, Settings
from olap.tables import TABLES
from olap.warehouse import open_warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was compared and found.

    Attributes:
        reconciled: the batches; its `differences` are what differed before a repair.
        is_repaired: whether all is equal now although something was not.
        manifest: the generation that carries the proofs.
        steps_ms: milliseconds of each step.
    """

    reconciled: Reconciled
    is_repaired: bool
    manifest: Manifest
    steps_ms: dict[str, int]


def verify(
    settings: Settings,
    url: Secret,
    clock: Callable[[], datetime],
    *,
    days: DayRange,
    repair: bool = False,
    may_remove: bool = False,
) -> Verification:
    """Compare the days with the source, in full, and publish when that was.

    Files of the lake that are missing, or cannot be read, are read again from the source first.

    Args:
        days: of the facts; dimensions are always compared whole.
        repair: read what differs again and replace it.
        may_remove: let a repair remove more than `REPAIR_MAX_PERCENT` of a table.

    Raises:
        VerifyError: there is nothing to verify, or the warehouse contradicts itself.
        RepairRefusedError: a repair would remove too much; nothing was removed.
    """
    layout = Layout(settings.data_dir)

    def attempt(lost: Places) -> Verification:
        return _attempt(settings, url, clock, lost, days, repair=repair, may_remove=may_remove)

    with layout.locked():
        return healing(settings, layout, attempt)


def _attempt(
    settings: Settings,
    url: Secret,
    clock: Callable[[], datetime],
    lost: Places,
    days: DayRange,
    *,
    repair: bool,
    may_remove: bool,
) -> Verification:
    layout, timer = Layout(settings.data_dir), Timer()
    with open_warehouse(
        layout, memory_limit=settings.memory_limit, threads=settings.threads
    ) as warehouse:
        before, lost = restore(warehouse, lost)
        if before is None:
            raise VerifyError(
                f"there is nothing in {layout.root} to verify",
                hint="Run a cycle first: `make etl`.",
            )
        plan = BatchPlan(
            coverage=before.coverage,
            lost=lost,
            prove=dict.fromkeys(TABLES, day_set(days)),
            removal_max_percent=100 if may_remove else settings.repair_max_percent,
        )
        reconciled = reconcile(warehouse, before, settings, url, timer, plan, repair=repair)
        offences = [
            f"{name.removeprefix('checks/')}: {row}"
            for name in sqlfiles.names("checks")
            for row in warehouse.run(name)
        ]
        with timer.step("agree"):
            offences += disagreements(warehouse, reconciled.manifest, day_set(days))
        if offences:
            raise VerifyError(
                f"the warehouse contradicts itself: {'; '.join(offences[:5])}",
                hint="Run `make rebuild`: it is made anew from the lake.",
            )
        with timer.step("publish"):
            manifest = publish(warehouse, clock())
    if reconciled.refused:
        raise RepairRefusedError(
            "the repair would remove "
            + ", ".join(
                f"{rows:,} of {before.tables[table].rows:,} rows of {table}"
                for table, rows in reconciled.refused.items()
            )
            + f", more than {settings.repair_max_percent} %",
            hint="If the source is right, run it again with `--repair --yes`.",
        )
    return Verification(
        reconciled=reconciled,
        is_repaired=bool(reconciled.differences or reconciled.miscounted) and reconciled.is_settled,
        manifest=manifest,
        steps_ms=timer.steps,
    )
