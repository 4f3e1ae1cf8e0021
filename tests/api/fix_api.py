"""Fixtures of the API: a published small messenger, and the application on it in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import msgspec
import pytest
import redis
from litestar import Litestar
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.auth import Role, make_token
from api.limits import Limits
from etl.sandbox.postgres import create_database, drop_database
from olap.ids import Id
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.api import small_messenger as messenger
from tests.api.servers import Server, server
from tests.fix_pipeline import Clock, Pipeline
from tests.tokens import SECRET
from tests.world import World

NO_REDIS = Secret("redis://127.0.0.1:1/0")
UNLIMITED = 10**9
NEVER_SECONDS = 365 * 86_400


@dataclass(slots=True)
class Caller:
    """A client of the application with one token."""

    client: TestClient[Litestar]
    token: str | None

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        """GET below the prefix; parameters that are None are omitted."""
        given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        return self._send("GET", path, headers, params=given or None)

    def put(self, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """PUT JSON, or the bytes that are given."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self._send("PUT", path, headers, content=content)

    def delete(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """DELETE below the prefix."""
        return self._send("DELETE", path, headers)

    def _send(
        self, method: str, path: str, headers: dict[str, str] | None, **more: Any
    ) -> httpx.Response:
        own = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return self.client.request(method, PREFIX + path, headers=own | (headers or {}), **more)


@dataclass(slots=True)
class Api:
    """A running application."""

    client: TestClient[Litestar]
    settings: Settings

    def token(self, role: Role, subject: object) -> str:
        """A token that expires in an hour."""
        return make_token(
            self.settings,
            subject=str(subject),
            role=role,
            lifetime=timedelta(hours=1),
            now=datetime.now(UTC),
        )

    def admin(self, subject: object = "boss") -> Caller:
        """An administrator, who sees the whole site."""
        return Caller(self.client, self.token(Role.ADMIN, subject))

    def member(self, user: Id) -> Caller:
        """A member, who sees what this user may see."""
        return Caller(self.client, self.token(Role.MEMBER, user))

    def anonymous(self) -> Caller:
        """A client without a token."""
        return Caller(self.client, None)


def wait_for_key(client: redis.Redis, pattern: str) -> bytes:
    """The one answer in Redis whose key matches; answers are stored in the background."""
    deadline = time.monotonic() + 300
    while True:
        keys = cast("list[bytes]", client.keys(pattern))
        found = [key for key in keys if not key.endswith(b":lead")]
        if found:
            (key,) = found
            return key
        assert time.monotonic() < deadline, pattern
        time.sleep(0.01)


def api_settings(pipeline: Pipeline, **changes: Any) -> Settings:
    """Settings on a pipeline's DATA_DIR: no Redis, and limits that no test reaches by accident."""
    defaults: dict[str, Any] = {
        "jwt_secret": Hidden(SECRET),
        "redis_url": NO_REDIS,
        "rate_limit": UNLIMITED,
        "compute_limit": UNLIMITED,
        "anonymous_limit": UNLIMITED,
        "query_timeout_seconds": 600,
        "scope_max_age_seconds": NEVER_SECONDS,
        "threads": 1,
    }
    return replace(pipeline.settings, **defaults | changes)


@pytest.fixture
def new_api() -> Iterator[Callable[..., Api]]:
    """A function that starts an application on a pipeline's DATA_DIR, with these settings."""
    with ExitStack() as stack:

        def make(pipeline: Pipeline, **changes: Any) -> Api:
            settings = api_settings(pipeline, **changes)
            return Api(stack.enter_context(TestClient(create_app(settings))), settings)

        yield make


@pytest.fixture
def stopped_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the rate limits, so that no charge expires during a test."""

    def from_settings(settings: Settings) -> Limits:
        return Limits(
            settings.rate_limit,
            settings.compute_limit,
            settings.anonymous_limit,
            clock=lambda: 1_800_000_000.0,
        )

    monkeypatch.setattr(Limits, "from_settings", from_settings)


@pytest.fixture(scope="session")
def small_site(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The small messenger, published once; no test changes it."""
    name = f"test_{os.getpid()}_small"
    try:
        url = create_database(postgres_url, name, template=template_database)
        with World(url) as world:
            messenger.fill(world)
        pipeline = Pipeline(
            url, Settings(data_dir=tmp_path_factory.mktemp("small") / "data"), Clock(messenger.NOW)
        )
        pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)


@pytest.fixture(scope="module")
def small_api(small_site: Pipeline) -> Iterator[Api]:
    """The application on the small messenger, without Redis."""
    settings = api_settings(small_site)
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)


@pytest.fixture(scope="session")
def small_server(
    small_site: Pipeline,
    postgres_url: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The API on the small messenger in a process of its own, with a database for events."""
    name = f"test_{os.getpid()}_server"
    url = create_database(postgres_url, name, template=template_database)
    log = tmp_path_factory.mktemp("server") / "log"
    try:
        state = str(tmp_path_factory.mktemp("state"))
        with server(
            small_site.layout.root, log, EVENTS_DATABASE_URL=url, STATE_DIR=state
        ) as running:
            yield running
    finally:
        drop_database(postgres_url, name)
