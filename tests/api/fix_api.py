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
from etl.sandbox.postgres import create_database, drop_database
from olap.settings import Hidden, Secret, Settings
from tests.api import team
from tests.fix_pipeline import Clock, Pipeline
from tests.tokens import SECRET
from tests.world import World

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
        return self.client.get(PREFIX + path, params=given or None, headers=own | (headers or {}))


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


@pytest.fixture(scope="session")
def team_site(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The small messenger of `team`, published once; nobody changes it."""
    name = f"test_{os.getpid()}_team"
    try:
        url = create_database(postgres_url, name, template=template_database)
        with World(url) as world:
            team.fill(world)
        pipeline = Pipeline(
            url, Settings(data_dir=tmp_path_factory.mktemp("team") / "data"), Clock(team.NOW)
        )
        pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)


@pytest.fixture(scope="module")
def team_api(team_site: Pipeline) -> Iterator[Api]:
    """The application on the small messenger, without Redis."""
    settings = api_settings(team_site)
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)
