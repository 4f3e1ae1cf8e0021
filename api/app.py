"""Wires the application: who needs what, in which order things start and stop; nothing else."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

from litestar import Litestar, Router
from litestar.di import Provide

from api import problems
from api.cache import Cache, Memory
from api.desk import Desk
from api.events.routes import events_router
from api.events.service import Events
from api.front import Front, FrontMiddleware
from api.generations import Generations
from api.identity import IdentityMiddleware, Verifier
from api.limits import LimitMiddleware, Limits
from api.recipes import NEEDED_METRICS
from api.routes.analytics import AnalyticsController, Answering
from api.routes.parameters import period_90, period_365
from api.runner import Runner
from api.shared import SharedCache
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
        reader, threads=settings.api_threads, timeout_seconds=settings.query_timeout_seconds
    )
    shared = SharedCache(settings.redis_url, ttl_seconds=settings.cache_ttl_seconds)
    cache = Cache(Memory(settings.cache_memory_mb * 1_000_000), shared)
    generations = Generations(layout, reader, NEEDED_METRICS, directory=layout.root / "api")
    desk = Desk(generations, cache, runner, scope_max_age_seconds=settings.scope_max_age_seconds)
    events = Events(settings)
    front = Front()
    answering = Answering(desk, front, limits)

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        spill.mkdir(mode=0o700)  # DuckDB would let everybody look into it
        async with limits.shared(settings.redis_url), events.running():
            await generations.start()
            try:
                yield
            finally:
                await generations.stop()
                runner.close()
                await shared.close()
                reader.close()
                shutil.rmtree(spill, ignore_errors=True)

    async def provide_answering() -> Answering:
        return answering

    return Litestar(
        route_handlers=[
            Router(PREFIX, route_handlers=[AnalyticsController, events_router(events)])
        ],
        middleware=[
            IdentityMiddleware(verifier),
            LimitMiddleware(limits),
            FrontMiddleware(front, desk),
        ],
        dependencies={
            "answering": Provide(provide_answering),
            "period_90": Provide(period_90, sync_to_thread=False),
            "period_365": Provide(period_365, sync_to_thread=False),
        },
        plugins=[problems.plugin()],
        exception_handlers={500: problems.on_defect},
        lifespan=[running],
    )
