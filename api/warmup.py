"""What is computed of a new generation before it answers anybody: what will be asked first.

That is the administrator's dashboards, and then whatever was asked last of the generation before,
as far as five seconds go. Otherwise all first questions would come at once.
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

LIMIT_SECONDS = 5.0
DASHBOARD_DAYS = (1, 7, 30)
_ASKED_LAST = 50


def warm_up_of(desk: Desk, front: Front) -> Callable[[Generation], Awaitable[None]]:
    """Computes what will be asked first; in five seconds at most."""

    async def warm_up(generation: Generation) -> None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                for asked in [*_dashboards(), *_asked_last(desk, front)]:
                    try:
                        await desk.compute_into_cache(asked, generation)
                    except Problem:
                        continue  # a period that is none in this generation, or one too slow
        except TimeoutError:
            log.info("generation.not_all_warm", generation=generation.number)
        except AnalyticsError as error:
            log.warning("generation.not_warm", generation=generation.number, error=error.message)

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
