"""The API for the tests: a site that was published, and the application on it, asked in process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.identity import Role, make_token
from etl.sandbox import traffic
from etl.sandbox.server import create_database, drop_database
from olap.settings import Hidden, Secret, Settings
from tests.fix_pipeline import Clock, Pipeline
from tests.tokens import SECRET

NOWHERE = Secret("redis://127.0.0.1:1/0")


@dataclass(slots=True)
class Caller:
    """Asks the application as one person."""

    client: TestClient[Litestar]
    token: str | None

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
        """GET below the prefix; parameters that are None are left out."""
        given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        own = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return self.client.get(PREFIX + path, params=given, headers=own | (headers or {}))


@dataclass(slots=True)
class Api:
    """A running application."""

    client: TestClient[Litestar]
    settings: Settings

    def token(self, role: Role, subject: object) -> str:
        """A token that is good for an hour."""
        return make_token(
            self.settings,
            subject=str(subject),
            role=role,
            lifetime=timedelta(hours=1),
            now=datetime.now(UTC),
        )

    def admin(self, subject: object = "boss") -> Caller:
        """Somebody who sees the whole site."""
        return Caller(self.client, self.token(Role.ADMIN, subject))

    def member(self, user: int) -> Caller:
        """Somebody who sees what this user may see."""
        return Caller(self.client, self.token(Role.MEMBER, user))

    def nobody(self) -> Caller:
        """Somebody without a token."""
        return Caller(self.client, None)


@pytest.fixture(scope="session")
def site(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Generated traffic of 3,000 messages up to now, read by one cycle; nobody changes it."""
    name = f"test_{os.getpid()}_site"
    now = datetime.now(UTC)
    try:
        url = create_database(postgres_url, name, template="template1")
        traffic.load(url, traffic.TrafficPlan(messages=3_000, until=now))
        pipeline = Pipeline(
            url, Settings(data_dir=tmp_path_factory.mktemp("site") / "data"), Clock(now)
        )
        pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)


def api_settings(pipeline: Pipeline, **changes: Any) -> Settings:
    """Settings of an API on a pipeline's DATA_DIR: no Redis, and limits that nobody reaches."""
    defaults: dict[str, Any] = {
        "jwt_secret": Hidden(SECRET),
        "redis_url": NOWHERE,
        "rate_limit": 10**9,
        "compute_limit": 10**9,
        "threads": 1,
    }
    return replace(pipeline.settings, **defaults | changes)


@pytest.fixture
def new_api() -> Iterator[Callable[..., Api]]:
    """Start applications on a pipeline's DATA_DIR; settings may be given."""
    with ExitStack() as stack:

        def make(pipeline: Pipeline, **changes: Any) -> Api:
            settings = api_settings(pipeline, **changes)
            return Api(stack.enter_context(TestClient(create_app(settings))), settings)

        yield make


@pytest.fixture(scope="module")
def api(site: Pipeline) -> Iterator[Api]:
    """The application on the site, without Redis."""
    settings = api_settings(site)
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)
