"""PostgreSQL for the tests: one server per session, one fresh database per test.

The server is the sandbox's, in a directory of its own: version 18, or what
TEST_POSTGRES_VERSION says. TEST_DATABASE_URL points the whole suite at any other server
instead; its account must be allowed to create databases.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from etl.sandbox.load import create_schema
from etl.sandbox.postgres import create_database, database_url, drop_database, postgres_server

POSTGRES_VERSION = int(os.environ.get("TEST_POSTGRES_VERSION", "18"))
FOREIGN_SERVER = os.environ.get("TEST_DATABASE_URL")


def pytest_report_header() -> str:
    """Say against which PostgreSQL the suite runs."""
    if FOREIGN_SERVER is None:
        return f"postgresql: sandbox, version {POSTGRES_VERSION}"
    with psycopg.connect(FOREIGN_SERVER) as connection:
        version = connection.info.parameter_status("server_version")
    return f"postgresql: TEST_DATABASE_URL, version {version}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a database on the server under test, to create others from."""
    if FOREIGN_SERVER is not None:
        yield FOREIGN_SERVER
        return
    # Not pytest's own temporary directory: it is private to one account, which as root is
    # not the server's.
    with (
        tempfile.TemporaryDirectory(prefix="test-pg-") as directory,
        postgres_server(Path(directory), version=POSTGRES_VERSION) as server,
    ):
        yield server.url()


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """The name of a database that has the messenger's tables and no rows."""
    with _database(postgres_url, f"test_{os.getpid()}_template", "template1") as url:
        with psycopg.connect(url) as connection:
            create_schema(connection)
        yield f"test_{os.getpid()}_template"


@pytest.fixture
def new_database(postgres_url: str, template_database: str) -> Iterator[Callable[[], str]]:
    """Make any number of fresh databases with the messenger's tables; returns each one's URL."""
    with _factory(postgres_url, template_database) as make:
        yield make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a fresh database with the messenger's tables and no rows."""
    return new_database()


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    with _factory(postgres_url, "template1") as make:
        yield make()


_numbers = itertools.count(1)


@contextmanager
def _factory(server: str, template: str) -> Iterator[Callable[[], str]]:
    names: list[str] = []

    def make() -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        names.append(name)
        return create_database(server, name, template=template)

    try:
        yield make
    finally:
        for name in names:
            drop_database(server, name)


@contextmanager
def _database(server: str, name: str, template: str) -> Iterator[str]:
    create_database(server, name, template=template)
    try:
        yield database_url(server, name)
    finally:
        drop_database(server, name)
