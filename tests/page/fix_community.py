"""Fixtures of the community that the page shows, and of the API that serves both."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.app import PREFIX
from api.auth import Role
from etl.sandbox.postgres import create_database, drop_database
from olap.settings import Settings
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.fix_pipeline import Clock, Pipeline
from tests.page import community

_numbers = itertools.count(1)


@dataclass(slots=True)
class Site:
    """A community that can change, and the API on it.

    Attributes:
        server: the running one; another one after `restart`.
    """

    pipeline: Pipeline
    server: Server
    _start: Callable[..., Server]

    @property
    def url(self) -> str:
        """The URL of the page."""
        return self.server.url

    def publish(self, messages: int = 1) -> int:
        """Write messages of Alice in Engineering and publish a generation; returns its number."""
        community.write_messages(self.pipeline.url, messages, self.pipeline.clock.now)
        self.pipeline.clock.advance(minutes=1)
        self.pipeline.cycle()
        return self.pipeline.manifest().generation

    def stop(self) -> None:
        """Stop the API with SIGTERM."""
        assert self.server.stop() == 0

    def restart(self) -> None:
        """Start the API again, on the same port."""
        self.server = self._start("--port", str(self.server.port))


def admin_token() -> str:
    """A token of an administrator."""
    return token(Role.ADMIN, "boss")


def member_token(user: object = community.ALICE) -> str:
    """A token of one of the people."""
    return token(Role.MEMBER, user)


def answer(running: Server, bearer: str, path: str, **query: Any) -> dict[str, Any]:
    """What the API answers."""
    found = httpx.get(
        f"{running.url}{PREFIX}{path}",
        params={"ids": "text", **query},
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=600,
    )
    assert found.status_code == 200, found.text
    body: dict[str, Any] = found.json()
    return body


def today(running: Server, zone: str) -> date:
    """The date of the last data on the calendar of a zone."""
    through = datetime.fromisoformat(answer(running, admin_token(), "/generation")["data_through"])
    return through.astimezone(ZoneInfo(zone)).date()


def last_days(running: Server, zone: str, days: int) -> dict[str, str]:
    """The parameters of the last local days, today so far among them."""
    return {"start": (today(running, zone) - timedelta(days=days - 1)).isoformat(), "tz": zone}


@pytest.fixture(scope="session")
def community_database(postgres_url: str, template_database: str) -> Iterator[str]:
    """The name of a database with the community, which others are copied from."""
    name = f"test_{os.getpid()}_community_template"
    try:
        community.fill(create_database(postgres_url, name, template=template_database))
        yield name
    finally:
        drop_database(postgres_url, name)


@pytest.fixture(scope="session")
def community_site(
    postgres_url: str, community_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The community, published once; no test changes it."""
    name = f"test_{os.getpid()}_community"
    try:
        url = create_database(postgres_url, name, template=community_database)
        settings = Settings(data_dir=tmp_path_factory.mktemp("community") / "data")
        pipeline = Pipeline(url, settings, Clock(community.NOW))
        pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)


@pytest.fixture(scope="module")
def community_server(
    community_site: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The API on the community; no test changes it."""
    log = tmp_path_factory.mktemp("community_server") / "log"
    with server(community_site.layout.root, log) as running:
        yield running


@pytest.fixture
def new_site(
    postgres_url: str, community_database: str, tmp_path: Path
) -> Iterator[Callable[..., Site]]:
    """Makes communities that a test may change, each with an API that has these variables."""
    with ExitStack() as stack:

        def make(*arguments: str, **variables: str) -> Site:
            number = next(_numbers)
            name = f"test_{os.getpid()}_community_{number}"
            url = create_database(postgres_url, name, template=community_database)
            stack.callback(drop_database, postgres_url, name)
            settings = Settings(data_dir=tmp_path / f"data-{number}")
            # A run of all tests may have begun an hour ago.
            pipeline = Pipeline(url, settings, Clock(community.recent()))
            pipeline.cycle()

            def start(*more: str) -> Server:
                log = tmp_path / f"log-{number}"
                running = server(settings.data_dir, log, *arguments, *more, **variables)
                return stack.enter_context(running)

            return Site(pipeline, start(), start)

        yield make


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    """A community that a test may change, with an API of its own."""
    return new_site()
