"""verify: prove, row by row, that the lake holds what the source holds, and the warehouse the lake.

A batch is read as in a cycle, and in the same scan the days to prove are read whole. Under its
snapshot they are compared with the lake (`olap.proofs`): a (table, day) that differs is reported,
and with `repair` replaced by what was read. Then the warehouse is compared with the lake; one that
differs is rebuilt from it, like a damaged one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from etl.batch_plan import BatchPlan
from etl.reconcile import Reconciled, reconcile
from olap.brake import how_to_accept
from olap.commands import call
from olap.days import DayRange, day_set
from olap.delta.publishing import follow
from olap.errors import RepairRefusedError, VerifyError
from olap.layout import Layout
from olap.log import Timer
from olap.manifest import Manifest, Places
from olap.proofs import require_agreement
from olap.publish import publish
from olap.recovery import recovering, restore
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import TABLE_NAMES
from olap.warehouse import open_warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was compared and found.

    Attributes:
        reconciled: the batches; its `differences` are those before a repair.
        is_repaired: whether everything is equal now although something was not.
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
    """Compare the days with the source, and publish the time of the proof.

    Files of the lake that are missing or unreadable are read again from the source first. A
    warehouse that differs from the lake is rebuilt.

    Args:
        days: of the facts; dimensions are always compared whole.
        repair: replace what differs by what was read.
        may_remove: let a repair remove more than `REPAIR_MAX_PERCENT` of a table.

    Raises:
        VerifyError: there is nothing to verify.
        RepairRefusedError: a repair would remove too much; nothing was removed.
        WarehouseDamagedError: a warehouse that was just rebuilt differs from the lake.
    """
    layout = Layout(settings.data_dir)

    def attempt(lost: Places) -> Verification:
        return _attempt(settings, url, clock, lost, days, repair=repair, may_remove=may_remove)

    with layout.locked():
        return recovering(settings, layout, attempt)


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
    with open_warehouse(settings) as warehouse:
        before, lost = restore(warehouse, lost)
        if before is None:
            raise VerifyError(
                f"there is nothing in {layout.root} to verify",
                hint=f"Run a cycle first: `{call('etl')}`.",
            )
        plan = BatchPlan(
            coverage=before.coverage,
            lost=lost,
            prove=dict.fromkeys(TABLE_NAMES, day_set(days)),
            repair=repair,
            removal_max_percent=100 if may_remove else settings.repair_max_percent,
        )
        reconciled = reconcile(warehouse, before, settings, url, timer, plan)
        with timer.step("compare"):
            require_agreement(warehouse, reconciled.manifest, day_set(days), is_thorough=True)
        with timer.step("publish"):
            manifest = publish(warehouse, clock())
        follow(settings)
    if repair and reconciled.refused:
        raise RepairRefusedError(
            "the repair would remove "
            + ", ".join(
                f"{rows:,} of {before.tables[table].rows:,} rows of {table}"
                for table, rows in reconciled.refused.items()
            )
            + f", more than {settings.repair_max_percent} %",
            hint=f"Nothing of these tables was removed; {how_to_accept()}.",
        )
    return Verification(
        reconciled=reconciled,
        is_repaired=bool(reconciled.differences or reconciled.miscounted) and reconciled.is_settled,
        manifest=manifest,
        steps_ms=timer.steps,
    )
