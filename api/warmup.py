"""What is computed of a new generation before it answers anybody: what will be asked first.

That is the administrator's dashboards, for five seconds at most, and then whatever was asked last
of the generation before, for ten more at most. Otherwise all first questions would come at once:
sixty-four clients who ask fifty things waited up to five seconds then. Meanwhile the generation
before goes on answering, so what it costs is that the new one comes seconds later, of five minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from api.desk import Desk
from api.front import Front
from api.generations import Generation
from api.problems import Problem
from api.questions import Asked
from api.recipes import DASHBOARD
from api.windows import Period
from olap.errors import AnalyticsError
from olap.log import get_logger

log = get_logger(__name__)

DASHBOARD_DAYS = (1, 7, 30)
_DASHBOARDS_SECONDS = 5.0
_ASKED_LAST_SECONDS = 10.0
_ASKED_LAST = 50
# While one is planned, which takes one processor, another is computed. More of them would be in the
# way of whoever asks something that the old generation has not answered yet.
_AT_A_TIME = 2


def warm_up_of(desk: Desk, front: Front) -> Callable[[Generation], Awaitable[None]]:
    """Computes what will be asked first; in fifteen seconds at most."""

    async def warm_up(generation: Generation) -> None:
        async def compute(wanted: Iterator[Asked]) -> None:
            for asked in wanted:
                try:
                    await desk.compute_into_cache(asked, generation)
                except Problem:
                    continue  # a period that is none in this generation, or one too slow

        async def compute_all(wanted: Iterator[Asked], seconds: float) -> None:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for _ in range(_AT_A_TIME):
                    group.create_task(compute(wanted))

        try:
            await compute_all(_dashboards(), _DASHBOARDS_SECONDS)
            await compute_all(_asked_last(desk, front), _ASKED_LAST_SECONDS)
        except* TimeoutError:
            log.info("generation.not_all_warm", generation=generation.number)
        except* AnalyticsError as errors:
            error = str(errors.exceptions[0])
            log.warning("generation.not_warm", generation=generation.number, error=error)

    return warm_up


def _dashboards() -> Iterator[Asked]:
    """As they are asked with `days` and nothing else."""
    for days in DASHBOARD_DAYS:
        yield Asked(
            subject=DASHBOARD,
            viewer=None,
            period=Period(days=days, start=None, end=None, days_max=90),
            parameters={"tz": "UTC"},
        )


def _asked_last(desk: Desk, front: Front) -> Iterator[Asked]:
    """What was asked last and would be asked again by the same URL."""
    known = front.by_key()
    for key in desk.asked_last(_ASKED_LAST):
        if key in known:
            yield known[key]
