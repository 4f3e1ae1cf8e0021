"""Health checks and Prometheus metrics, for operators; they need no token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins.prometheus import PrometheusController

from api import telemetry
from api.auth import PUBLIC
from api.background import Supervisor, TaskState
from api.engine import EngineState
from api.generations import Generations
from api.openapi import problems_of
from api.redis_cache import State

_METRICS_SECONDS = 1.0
_now = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the health is read from.

    Attributes:
        redis: whether Redis is used.
        seals: whether there is a secret, without which nothing that is read from Redis is used.
        engine: whether there is an engine, and whether it is used.
    """

    generations: Generations
    redis: Callable[[], State]
    seals: bool
    supervisor: Supervisor
    engine: Callable[[], EngineState] = lambda: EngineState.OFF


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
        redis: ok, or away: answers are computed and limits counted by each process alone.
        shared_cache: on, or off where no secret is set that authenticates what Redis returns.
        engine: off without one; away while it is not asked, because it failed: then only answers
            about long periods, which it gives, are 503.
        tasks: the state of each background task; one that fails is tried again.
    """

    status: Literal["ready", "not ready"]
    generation: int | None
    data_through: datetime | None
    age_seconds: int | None
    refused: str | None
    damage: str | None
    redis: State
    shared_cache: Literal["on", "off"]
    engine: EngineState
    tasks: dict[str, TaskState]


class HealthController(Controller):
    """`/health/…`"""

    path = "/health"
    tags = ("operation",)
    opt = {PUBLIC: True}  # noqa: RUF012 - Litestar's own attribute

    @get("/live", summary="The process answers", responses=problems_of(429))
    async def live(self) -> Live:
        """200 as long as the process answers."""
        return Live("live")

    @get(
        "/ready",
        summary="Requests can be answered",
        responses={
            503: ResponseSpec(Ready, description="No generation serves."),
            **problems_of(429),
        },
    )
    async def ready(self, health: NamedDependency[Health]) -> Response[Ready]:
        """200 while an undamaged generation serves, else 503; `refused` is about the newest."""
        current, damage = health.generations.serving, health.generations.damage
        refused = health.generations.refused
        is_ready = current is not None and damage is None
        body = Ready(
            status="ready" if is_ready else "not ready",
            generation=current.number if current else None,
            data_through=current.data_through if current else None,
            age_seconds=_age(current.data_through) if current else None,
            refused=f"generation {refused.number}: {refused.reason}" if refused else None,
            damage=damage,
            redis=health.redis(),
            shared_cache="on" if health.seals else "off",
            engine=health.engine(),
            tasks=health.supervisor.states,
        )
        return Response(body, status_code=200 if is_ready else 503)


class MetricsController(PrometheusController):
    """`/metrics`, computed at most once a second: with several workers it reads all their files."""

    tags = ("operation",)
    opt = {PUBLIC: True}  # noqa: RUF012 - Litestar's own attribute
    include_in_schema = False
    _answer: Response[Any] | None = None
    _computed_at = 0.0

    @get()
    async def get(self) -> Response[Any]:
        """The metrics of all workers."""
        now = _now()
        if self._answer is None or now - self._computed_at >= _METRICS_SECONDS:
            whole: Any = PrometheusController.get
            self._answer, self._computed_at = await whole.fn(self), now
        return self._answer


def refresh_gauges(health: Health) -> None:
    """Set the gauges to the present state."""
    telemetry.BREAKER_OPEN.set(health.redis() is State.AWAY)
    telemetry.ENGINE_AWAY.set(health.engine() is EngineState.AWAY)
    current = health.generations.serving
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
