"""Wires the application: which object receives which, and what starts and stops in which order."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State as AppState
from litestar.di import Provide
from litestar.exceptions import HTTPException, TooManyRequestsException

from api import batch, engine_session, openapi, problems, routes, spill, telemetry, warmup
from api.auth import AuthenticationMiddleware, Verifier
from api.background import Supervisor
from api.cache import Cache, Memory
from api.deployment import Deployment
from api.edge import Edge
from api.endpoints import NEEDED_METRICS
from api.engine import Engine, EngineState
from api.events.handlers import event_schema, events_router, no_events_router
from api.events.service import Events
from api.executor import Executor
from api.fast_path import FastPath, FastPathMiddleware
from api.generations import Generations
from api.headers import CrossOrigin
from api.health import Health, HealthController, MetricsController, refresh_gauges
from api.kept import document
from api.kept.routes import Kept, kept_router
from api.limits import LimitMiddleware, Limits
from api.live import socket, stream
from api.live.recent import RecentEvents
from api.live.service import Live
from api.pages import serving
from api.paths import Segments
from api.problems import ClientGoneError
from api.redis_cache import RedisCache, State
from api.seal import secret_of
from api.service import AnalyticsService
from api.telemetry import RequestRecord
from olap.errors import disk_errors
from olap.layout import Layout
from olap.log import get_logger
from olap.mapping import read_mapping
from olap.reader import Reader
from olap.redis_urls import require_usable
from olap.settings import Settings

log = get_logger(__name__)

PREFIX = "/api/v1/messenger/analytics"
_GAUGES_SECONDS = 1.0


def create_app(settings: Settings) -> Litestar:
    """The application.

    Raises:
        SettingsError: no key is set that could verify a token, or a value cannot be used.
        MappingError: the mapping cannot be used.
    """
    mapping = read_mapping(settings.source_mapping)
    ids = mapping.ids
    layout = Layout(settings.data_dir)
    verifier = Verifier.from_settings(settings)
    open_session = engine_session.opener(settings)
    engine = None if open_session is None else Engine(open_session, settings)
    limits = Limits.from_settings(settings)
    require_usable(settings)
    secret = secret_of(settings)
    if secret is None:
        log.warning(
            "redis.cache_not_used",
            reason="no secret authenticates what Redis returns",
            hint="Set CACHE_SECRET (32 bytes or more), the same in all processes.",
        )
    deployment = Deployment(settings)
    supervisor = Supervisor()
    spill_path = spill.new_path()
    reader = Reader(
        layout.generations,
        memory_limit=settings.api_memory_limit,
        threads=settings.threads,
        spill_directory=spill_path,
    )
    executor = Executor(
        reader,
        threads=settings.api_threads,
        timeout_seconds=settings.query_timeout_seconds,
        observe=lambda metric, seconds: telemetry.COMPUTED.labels(metric).observe(seconds),
    )
    redis_cache = RedisCache(settings.redis_url, ttl_seconds=settings.cache_ttl_seconds)
    cache = Cache(Memory(settings.cache_memory_mb * 1_000_000), redis_cache, secret)
    generations = Generations(
        layout,
        reader,
        NEEDED_METRICS,
        ids=ids,
        directory=state_directory(settings),
        deployment=deployment,
    )

    def redis_state() -> State:
        """Whether Redis is used; the cache is used most, if there is a secret for it."""
        if secret is not None:
            return redis_cache.state
        return State.AWAY if limits.is_away else State.OK

    health = Health(
        generations=generations,
        redis=redis_state,
        seals=secret is not None,
        supervisor=supervisor,
        engine=lambda: EngineState.OFF if engine is None else engine.state,
    )

    async def gauges() -> None:
        refresh_gauges(health)
        await asyncio.sleep(_GAUGES_SECONDS)

    service = AnalyticsService(
        generations,
        cache,
        executor,
        limits,
        scope_max_age_seconds=settings.scope_max_age_seconds,
        engine=engine,
    )
    kept = Kept(settings.state_dir or layout.state, service)
    fast_path = FastPath()
    executor.on_damage = generations.report_damage
    generations.warm_up = warmup.warm_up_of(service, fast_path)
    events = None if mapping.events_sink is None else Events(settings, deployment)
    socket_path = f"{PREFIX}{socket.PATH}".encode()
    live = Live(
        generations,
        service,
        verifier,
        limits,
        open_events=None
        if events is None or secret is None
        else lambda: RecentEvents(settings.redis_url, deployment, secret),
        connections_max=settings.api_connections,
        origins=frozenset(settings.cors_origins),
        socket_paths=frozenset({socket_path, settings.root_path.encode() + socket_path}),
    )

    def on_switch(prefixes: tuple[str, ...]) -> None:
        cache.memory.keep_only(prefixes)
        if engine is not None:
            engine.keep_only(prefixes)
        live.announce_generation()

    generations.on_switch = on_switch

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        with spill.spill_directory(spill_path):
            receiving = events.running(supervisor) if events is not None else nullcontext()
            sharing = limits.shared(settings.redis_url, lambda: deployment.keys, supervisor)
            async with sharing, receiving:
                try:
                    await generations.start()
                    async with (
                        supervisor.running("generations", generations.watch),
                        supervisor.running("gauges", gauges),
                        live.running(supervisor),
                    ):
                        yield
                finally:
                    await generations.stop()
                    if engine is not None:
                        await engine.stop()
                    await asyncio.to_thread(executor.close)
                    await asyncio.to_thread(kept.close)
                    await redis_cache.close()
                    reader.close()

    def on_no_route(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        """Answer a request for which there is no handler; it has passed no middleware."""
        try:
            if request.scope.get("user") is None:
                limits.charge_anonymous(request.scope)
        except TooManyRequestsException as refused:
            error = refused
        return problems.response_to(request, error)

    app = Litestar(
        route_handlers=[
            Router(
                PREFIX,
                route_handlers=[
                    *routes.handlers(service, fast_path, ids),
                    kept_router(kept),
                    events_router(events) if events else no_events_router(mapping.name),
                    stream.stream,
                    socket.no_socket,
                    socket.live_socket,
                ],
            ),
            HealthController,
            MetricsController,
            *serving.handlers(settings.root_path),
        ],
        middleware=[
            AuthenticationMiddleware(verifier, limits.charge_anonymous),
            LimitMiddleware(limits),
            FastPathMiddleware(fast_path, service),
        ],
        dependencies={"health": _constant(health), "live": _constant(live)},
        state=AppState({"live": live, "engine": engine}),  # for `api.server`
        openapi_config=openapi.config(
            document.thing_schemas() | ({} if events is None else {"Event": event_schema(ids)}),
            settings.root_path,
        ),
        plugins=[problems.plugin(), openapi.IdSchemas(ids)],
        exception_handlers={
            404: on_no_route,
            405: on_no_route,
            500: problems.on_defect,
            ClientGoneError.status_code: problems.on_gone,
        },
        lifespan=[running],
        logging_config=None,  # `python -m api` has configured all loggers
    )
    segments = Segments(
        app.asgi_handler,
        root_path=settings.root_path,
        routes=[route.path for route in app.routes],
    )
    app.asgi_handler = Edge(
        segments,
        RequestRecord(),
        _cross_origin(settings),
        frame_ancestors=settings.frame_ancestors,
        batch_path=f"{PREFIX}{batch.PATH}",
    )
    return app


def state_directory(settings: Settings) -> Path:
    """The directory that the workers share; created if it does not exist.

    Raises:
        DataDirError, DiskFullError: it cannot be created or written.
    """
    directory = settings.api_dir or settings.data_dir / "api"
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))
    return directory


def _constant(value: Any) -> Provide:
    """A dependency with the same value for every request."""

    async def provide() -> Any:
        return value

    return Provide(provide)


def _cross_origin(settings: Settings) -> CrossOrigin | None:
    if not settings.cors_origins:
        return None
    return CrossOrigin(
        settings.cors_origins,
        methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
        headers=["Authorization", "Content-Type", "If-Match", "If-None-Match", "X-Request-ID"],
        exposed=openapi.EXPOSED_HEADERS,
    )
