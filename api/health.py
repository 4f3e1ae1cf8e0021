"""Whether it lives, whether it can answer, and its numbers; for who runs it, without a token."""

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
from api.generations import Generations
from api.identity import FOR_ANYBODY
from api.shared import SharedCache, State


class Live(msgspec.Struct):
    """The process answers."""

    status: Literal["live"]


class Ready(msgspec.Struct, kw_only=True):
    """Whether questions can be answered, and from what.

    Attributes:
        status: ready, or not ready (503).
        generation: that answers; null = none.
        data_through: as of when it is.
        age_seconds: how old that is.
        refused: why the newest generation is not answered from, where it is not.
        redis: whether the shared cache is asked; nothing depends on it.
    """

    status: Literal["ready", "not ready"]
    generation: int | None
    data_through: datetime | None
    age_seconds: int | None
    refused: str | None
    redis: State


class HealthController(Controller):
    """`/health/…`"""

    path = "/health"
    tags = ("operation",)
    opt = {FOR_ANYBODY: True}  # noqa: RUF012 - Litestar's own attribute

    @get("/live", summary="The process answers", sync_to_thread=False)
    def live(self) -> Live:
        """200 as long as the process can answer at all."""
        return Live("live")

    @get(
        "/ready",
        summary="Questions can be answered",
        responses={503: ResponseSpec(Ready, description="They cannot; it says why.")},
    )
    async def ready(
        self, generations: NamedDependency[Generations], shared: NamedDependency[SharedCache]
    ) -> Response[Ready]:
        """200 while a generation answers, else 503; it says what is wrong with the newest one."""
        current = generations.serving
        refused = generations.refused
        body = Ready(
            status="ready" if current else "not ready",
            generation=current.number if current else None,
            data_through=current.data_through if current else None,
            age_seconds=_age(current.data_through) if current else None,
            refused=f"generation {refused.number}: {refused.reason}" if refused else None,
            redis=shared.state,
        )
        return Response(body, status_code=200 if current else 503)


class MetricsController(PrometheusController):
    """`/metrics`, with the gauges brought up to date."""

    tags = ("operation",)
    opt = {FOR_ANYBODY: True}  # noqa: RUF012 - Litestar's own attribute
    include_in_schema = False


def refresh_gauges(generations: Generations, shared: SharedCache) -> None:
    """Set what is a state and not an event."""
    telemetry.BREAKER_OPEN.set(shared.state is State.OPEN)
    current = generations.serving
    if current is None:
        return
    through = current.data_through.timestamp()
    telemetry.GENERATION.set(current.number)
    telemetry.DATA_THROUGH.set(through)
    telemetry.DATA_LAG.set(time.time() - through)
    telemetry.PROVED.set(current.proved_at.timestamp() if current.proved_at else 0)


def _age(instant: datetime) -> int:
    return round((datetime.now(UTC) - instant).total_seconds())
