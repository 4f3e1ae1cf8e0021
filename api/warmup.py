"""What is computed of a new generation before it serves: the answers that will be asked for first.

These are the administrator's dashboards, for five seconds at most, and then the queries that were
asked last of the generation before, for ten more at most. Without this all first requests would
arrive at once: 64 clients with fifty queries waited up to five seconds. Meanwhile the generation
before serves, so the price is that a new generation serves some seconds later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from api.endpoints.dashboard import DashboardParameters, dashboard
from api.fast_path import FastPath
from api.generations import Generation
from api.problems import Problem
from api.query import Query
from api.service import AnalyticsService
from olap.errors import AnalyticsError
from olap.log import get_logger

log = get_logger(__name__)

DASHBOARD_DAYS = (1, 7, 30)
_DASHBOARDS_SECONDS = 5.0
_RECENT_SECONDS = 10.0
_RECENT_MAX = 50
# While one query is planned, which occupies one processor, another one runs. More of them would
# delay requests that the old generation has not answered yet.
_CONCURRENCY = 2


def warm_up_of(
    service: AnalyticsService, fast_path: FastPath
) -> Callable[[Generation], Awaitable[None]]:
    """A function that computes what will be asked first, in fifteen seconds at most."""

    async def warm_up(generation: Generation) -> None:
        async def compute(queries: Iterator[Query]) -> None:
            for query in queries:
                try:
                    await service.precompute(query, generation)
                except Problem:
                    continue  # a period that is not valid in this generation, or a slow query

        async def compute_all(queries: Iterator[Query], seconds: float) -> None:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for _ in range(_CONCURRENCY):
                    group.create_task(compute(queries))

        try:
            await compute_all(_dashboards(), _DASHBOARDS_SECONDS)
            await compute_all(_recent(service, fast_path), _RECENT_SECONDS)
        except* TimeoutError:
            log.info("generation.not_all_warm", generation=generation.number)
        except* AnalyticsError as errors:
            error = str(errors.exceptions[0])
            log.warning("generation.not_warm", generation=generation.number, error=error)
        except* Exception as errors:
            # A defect in one answer must not keep the generation from all others.
            log.error("generation.not_warm", generation=generation.number, exc_info=errors)

    return warm_up


def _dashboards() -> Iterator[Query]:
    """The administrator's dashboards, as requested with `days` and nothing else."""
    for days in DASHBOARD_DAYS:
        yield Query(endpoint=dashboard, viewer=None, parameters=DashboardParameters(days=days))


def _recent(service: AnalyticsService, fast_path: FastPath) -> Iterator[Query]:
    """The queries that were asked last and whose URLs are known."""
    known = fast_path.by_key()
    for key in service.recent_keys(_RECENT_MAX):
        if key in known:
            yield from known[key].queries
