"""What is computed of a new generation before it answers anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from api.desk import Desk
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


def warm_up_of(desk: Desk) -> Callable[[Generation], Awaitable[None]]:
    """Computes the administrator's dashboards; in five seconds at most."""

    async def warm_up(generation: Generation) -> None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                for asked in _dashboards():
                    await desk.compute_into_cache(asked, generation)
        except TimeoutError:
            log.warning("generation.not_warm", generation=generation.number, after=LIMIT_SECONDS)
        except (Problem, AnalyticsError) as error:
            log.warning("generation.not_warm", generation=generation.number, reason=str(error))

    return warm_up


def _dashboards() -> list[Asked]:
    """As they are asked with `days` and nothing else."""
    return [
        Asked(
            subject=DASHBOARD,
            viewer=None,
            period=Period(days=days, start=None, end=None, days_max=90),
            parameters={"tz": "UTC"},
        )
        for days in DASHBOARD_DAYS
    ]
