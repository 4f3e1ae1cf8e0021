"""Wires the application: who needs what, in which order things start and stop; nothing else."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide

from api import documents, problems, telemetry, warmup
from api.cache import Cache, Memory
from api.desk import Desk
from api.events.routes import events_router
from api.events.service import Events
from api.front import Front, FrontMiddleware
from api.generations import Generations
from api.health import HealthController, MetricsController, refresh_gauges
from api.identity import IdentityMiddleware, Verifier
from api.limits import LimitMiddleware, Limits
from api.pages import favicon
from api.recipes import NEEDED_METRICS
from api.routes.analytics import AnalyticsController
from api.routes.answering import Answering
from api.routes.parameters import period_90, period_365
from api.runner import Runner
from api.shared import SharedCache
from api.telemetry import Telemetry
from olap.errors import disk_errors
from olap.layout import Layout
from olap.reader import Reader
from olap.settings import Settings

PREFIX = "/api/v1/messenger/analytics"


def create_app(settings: Settings) -> Litestar:
    """The application.

    Raises:
        SettingsError: no key is set that could verify a token, or a value cannot be used.
    """
    layout = Layout(settings.data_dir)
    verifier = Verifier.from_settings(settings)
    limits = Limits.from_settings(settings)
    spill = Path(tempfile.gettempdir(), f"analytics-api-{token_hex(8)}")
    reader = Reader(
        layout.generations,
        memory_limit=settings.api_memory_limit,
        threads=settings.threads,
        spill_directory=spill,
    )
    runner = Runner(
        reader,
        threads=settings.api_threads,
        timeout_seconds=settings.query_timeout_seconds,
        observe=lambda metric, seconds: telemetry.COMPUTED.labels(metric).observe(seconds),
    )
    shared = SharedCache(settings.redis_url, ttl_seconds=settings.cache_ttl_seconds)
    cache = Cache(Memory(settings.cache_memory_mb * 1_000_000), shared)
    generations = Generations(layout, reader, NEEDED_METRICS, directory=state_directory(settings))
    desk = Desk(generations, cache, runner, scope_max_age_seconds=settings.scope_max_age_seconds)
    generations.on_switch = cache.keep_only
    events = Events(settings)
    front = Front()
    generations.warm_up = warmup.warm_up_of(desk, front)
    answering = Answering(desk, front, limits)

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        spill.mkdir(mode=0o700)  # DuckDB would let everybody look into it
        async with limits.shared(settings.redis_url), events.running():
            await generations.start()
            gauges = asyncio.create_task(_keep_gauges(generations, shared), name="gauges")
            try:
                yield
            finally:
                gauges.cancel()
                await generations.stop()
                await asyncio.to_thread(runner.close)
                await shared.close()
                reader.close()
                shutil.rmtree(spill, ignore_errors=True)

    app = Litestar(
        route_handlers=[
            Router(PREFIX, route_handlers=[AnalyticsController, events_router(events)]),
            HealthController,
            MetricsController,
            favicon,
        ],
        middleware=[
            IdentityMiddleware(verifier),
            LimitMiddleware(limits),
            FrontMiddleware(front, desk),
        ],
        dependencies={
            "answering": _always(answering),
            "generations": _always(generations),
            "shared": _always(shared),
            "period_90": Provide(period_90, sync_to_thread=False),
            "period_365": Provide(period_365, sync_to_thread=False),
        },
        cors_config=_cors(settings),
        openapi_config=documents.config(),
        plugins=[problems.plugin()],
        exception_handlers={500: problems.on_defect},
        lifespan=[running],
        logging_config=None,  # `python -m api` has told all loggers where to write
    )
    # Around everything, also around what Litestar answers before any middleware.
    app.asgi_handler = Telemetry(app.asgi_handler)
    return app


def state_directory(settings: Settings) -> Path:
    """The directory that the workers share; made if need be.

    Raises:
        DataDirError, DiskFullError: it cannot be made or written.
    """
    directory = settings.api_dir or settings.data_dir / "api"
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))
    return directory


def _always(thing: Any) -> Provide:
    """A dependency that is one and the same for every request."""

    def provide() -> Any:
        return thing

    return Provide(provide, sync_to_thread=False)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-Request-ID"],
        expose_headers=list(documents.EXPOSED_HEADERS),
    )


async def _keep_gauges(generations: Generations, shared: SharedCache) -> None:
    while True:
        refresh_gauges(generations, shared)
        await asyncio.sleep(1.0)
