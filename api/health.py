"""Health checks and Prometheus metrics, for operators; they need no token."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Literal

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins.prometheus import PrometheusController

from api import telemetry
from api.auth import PUBLIC
from api.generations import Generations
from api.redis_cache import RedisCache, State


class Live(msgspec.Struct):
    """The process answers."""

    status: Literal["live"]


class Ready(msgspec.Struct, kw_only=True):
    """Whether requests can be answered, and from which generation.

    Attributes:
        status: ready, or not ready (503).
        generation: the number of the generation that serves; null = none.
        data_through: the end of its data.
        age_seconds: the age of `data_through`.
        refused: why the newest generation does not serve; null = it does.
        damage: what is wrong with the file of the generation that serves; null = nothing is known.
        redis: the state of the shared cache's breaker; nothing depends on it.
    """

    status: Literal["ready", "not ready"]
    generation: int | None
    data_through: datetime | None
    age_seconds: int | None
    refused: str | None
    damage: str | None
    redis: State


class HealthController(Controller):
    """`/health/…`"""

    path = "/health"
    tags = ("operation",)
    opt = {PUBLIC: True}  # noqa: RUF012 - Litestar's own attribute

    @get("/live", summary="The process answers")
    async def live(self) -> Live:
        """200 as long as the process answers."""
        return Live("live")

    @get(
        "/ready",
        summary="Requests can be answered",
        responses={503: ResponseSpec(Ready, description="No generation serves.")},
    )
    async def ready(
        self, generations: NamedDependency[Generations], redis_cache: NamedDependency[RedisCache]
    ) -> Response[Ready]:
        """200 while an undamaged generation serves, else 503; `refused` is about the newest."""
        current, damage = generations.serving, generations.damage
        refused = generations.refused
        is_ready = current is not None and damage is None
        body = Ready(
            status="ready" if is_ready else "not ready",
            generation=current.number if current else None,
            data_through=current.data_through if current else None,
            age_seconds=_age(current.data_through) if current else None,
            refused=f"generation {refused.number}: {refused.reason}" if refused else None,
            damage=damage,
            redis=redis_cache.state,
        )
        return Response(body, status_code=200 if is_ready else 503)


class MetricsController(PrometheusController):
    """`/metrics`."""

    tags = ("operation",)
    opt = {PUBLIC: True}  # noqa: RUF012 - Litestar's own attribute
    include_in_schema = False


def refresh_gauges(generations: Generations, redis_cache: RedisCache) -> None:
    """Set the gauges to the present state."""
    telemetry.BREAKER_OPEN.set(redis_cache.state is State.OPEN)
    current = generations.serving
    if current is None:
        return
    through = current.data_through.timestamp()
    telemetry.GENERATION.set(current.number)
    telemetry.DATA_THROUGH.set(through)
    telemetry.DATA_LAG.set(time.time() - through)
    if current.proved_at is not None:
        telemetry.proved().set(current.proved_at.timestamp())


def _age(instant: datetime) -> int:
    return round((datetime.now(UTC) - instant).total_seconds())
