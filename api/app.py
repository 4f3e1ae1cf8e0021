"""Wires the application: which object receives which, and what starts and stops in which order."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide

from api import openapi, pages, problems, routes, spill, telemetry, warmup
from api.auth import AuthenticationMiddleware, Verifier
from api.cache import Cache, Memory
from api.edge import Edge
from api.endpoints import NEEDED_METRICS
from api.events.handlers import event_schema, events_router, no_events_router
from api.events.service import Events
from api.executor import Executor
from api.fast_path import FastPath, FastPathMiddleware
from api.generations import Generations
from api.headers import CrossOrigin
from api.health import HealthController, MetricsController, refresh_gauges
from api.limits import LimitMiddleware, Limits
from api.paths import Segments
from api.problems import ClientGoneError
from api.redis_cache import RedisCache
from api.service import AnalyticsService
from api.telemetry import RequestRecord
from olap.errors import disk_errors
from olap.layout import Layout
from olap.mapping import read_mapping
from olap.reader import Reader
from olap.settings import Settings

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
    limits = Limits.from_settings(settings)
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
    cache = Cache(Memory(settings.cache_memory_mb * 1_000_000), redis_cache)
    generations = Generations(
        layout, reader, NEEDED_METRICS, ids=ids, directory=state_directory(settings)
    )
    service = AnalyticsService(
        generations,
        cache,
        executor,
        limits,
        scope_max_age_seconds=settings.scope_max_age_seconds,
    )
    fast_path = FastPath()
    executor.on_damage = generations.report_damage
    generations.on_switch = cache.memory.keep_only
    generations.warm_up = warmup.warm_up_of(service, fast_path)
    events = None if mapping.events_sink is None else Events(settings)

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        with spill.spill_directory(spill_path):
            receiving = events.running() if events is not None else nullcontext()
            async with limits.shared(settings.redis_url), receiving:
                await generations.start()
                gauges = asyncio.create_task(_keep_gauges(generations, redis_cache), name="gauges")
                try:
                    yield
                finally:
                    gauges.cancel()
                    await generations.stop()
                    await asyncio.to_thread(executor.close)
                    await redis_cache.close()
                    reader.close()

    app = Litestar(
        route_handlers=[
            Router(
                PREFIX,
                route_handlers=[
                    *routes.handlers(service, fast_path, ids),
                    events_router(events) if events else no_events_router(mapping.name),
                ],
            ),
            HealthController,
            MetricsController,
            *pages.FILES,
        ],
        middleware=[
            AuthenticationMiddleware(verifier),
            LimitMiddleware(limits),
            FastPathMiddleware(fast_path, service),
        ],
        dependencies={"generations": _constant(generations), "redis_cache": _constant(redis_cache)},
        openapi_config=openapi.config(
            {} if events is None else {"Event": event_schema(ids)}, settings.root_path
        ),
        plugins=[problems.plugin(), openapi.IdSchemas(ids)],
        exception_handlers={
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
    app.asgi_handler = Edge(segments, RequestRecord(), _cross_origin(settings))
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
        methods=["GET", "HEAD", "POST"],
        headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-ID"],
        exposed=openapi.EXPOSED_HEADERS,
    )


async def _keep_gauges(generations: Generations, redis_cache: RedisCache) -> None:
    while True:
        refresh_gauges(generations, redis_cache)
        await asyncio.sleep(_GAUGES_SECONDS)
