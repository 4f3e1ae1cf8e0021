"""PostgreSQL for the tests: one server per worker, one new database per test.

The server is the sandbox's, in a temporary directory. TEST_POSTGRES_VERSION selects its version (18
by default). TEST_DATABASE_URL runs the whole suite on another server instead; its role must be
allowed to create databases.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from etl.sandbox.postgres import create_database, database_url, drop_database, postgres_server
from tests.source_schemas import MESSENGER, MIXED, SourceSchema

POSTGRES_VERSION = int(os.environ.get("TEST_POSTGRES_VERSION", "18"))
READER_PASSWORD = "hunter2-and-more"
FOREIGN_SERVER = os.environ.get("TEST_DATABASE_URL")


def pytest_report_header() -> str:
    """The PostgreSQL of this run."""
    if FOREIGN_SERVER is None:
        return f"postgresql: sandbox, version {POSTGRES_VERSION}"
    with psycopg.connect(FOREIGN_SERVER) as connection:
        version = connection.info.parameter_status("server_version")
    return f"postgresql: TEST_DATABASE_URL, version {version}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `both_schemas` on each of the messengers."""
    marker = metafunc.definition.get_closest_marker
    if "schema" in metafunc.fixturenames and marker("both_schemas") and not marker("our_schema"):
        second = pytest.param(MIXED, marks=pytest.mark.slow)
        # Of the module's scope, so that tests stay with their module.
        metafunc.parametrize("schema", [MESSENGER, second], ids=str, indirect=True, scope="module")


@pytest.fixture(scope="session")
def schema(request: pytest.FixtureRequest) -> SourceSchema:
    """The messenger that the test's databases have; our own unless it is marked."""
    found: SourceSchema = getattr(request, "param", MESSENGER)
    return found


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a database on the server of the tests, from which others are created."""
    if FOREIGN_SERVER is not None:
        yield FOREIGN_SERVER
        return
    # Not pytest's temporary directory, which only its own account may enter.
    with (
        tempfile.TemporaryDirectory(prefix="test-pg-") as directory,
        postgres_server(Path(directory), version=POSTGRES_VERSION) as server,
    ):
        with psycopg.connect(server.url(), autocommit=True) as connection:
            # Bounds the size of a server in memory.
            connection.execute("alter system set max_wal_size = '256MB'")
            # Without a limit no slot is installed.
            connection.execute("alter system set max_slot_wal_keep_size = '1GB'")
            connection.execute("select pg_reload_conf()")
        yield server.url()


@pytest.fixture(scope="session")
def template_databases(postgres_url: str) -> Iterator[Callable[[SourceSchema], str]]:
    """The names of databases with a messenger's tables and no rows, each made when first used."""
    with ExitStack() as stack:

        @cache
        def template(schema: SourceSchema) -> str:
            name = f"test_{os.getpid()}_{schema.name}"
            url = stack.enter_context(_database(postgres_url, name, "template1"))
            with psycopg.connect(url) as connection:
                schema.create(connection)
            return name

        yield template


@pytest.fixture(scope="session")
def template_database(template_databases: Callable[[SourceSchema], str]) -> str:
    """The name of a database with our messenger's tables and no rows."""
    return template_databases(MESSENGER)


@pytest.fixture
def new_database(
    postgres_url: str, template_databases: Callable[[SourceSchema], str], schema: SourceSchema
) -> Iterator[Callable[[], str]]:
    """Makes new databases with the messenger's tables; each call returns a URL."""
    with databases(postgres_url, template_databases(schema)) as make:
        yield make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of a new database with the messenger's tables and no rows."""
    return new_database()


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """The URL of a new database without tables."""
    with databases(postgres_url, "template1") as make:
        yield make()


@pytest.fixture
def reader(database: str) -> Iterator[str]:
    """The name of a new role that may read everything, with the password `READER_PASSWORD`."""
    name = f"reader_{time.time_ns()}"
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"create role {name} login password '{READER_PASSWORD}'".encode())
        owner.execute(f"grant select on all tables in schema public to {name}".encode())
        try:
            yield name
        finally:
            owner.execute(f"drop owned by {name}".encode())
            owner.execute(f"drop role {name}".encode())


def copy_database(server: str, name: str, template: str) -> str:
    """Create a database and return its URL.

    From version 15 on, the strategy is named: the default one also writes every block to the WAL,
    and takes four times as long.
    """
    names = sql.Identifier(name), sql.Identifier(template)
    with psycopg.connect(server, autocommit=True) as connection:
        strategy = "strategy file_copy" if connection.info.server_version >= 150000 else ""
        statement = sql.SQL("create database {} template {} " + strategy)
        connection.execute(statement.format(*names))
    return database_url(server, name)


_numbers = itertools.count(1)


@contextmanager
def databases(server: str, template: str) -> Iterator[Callable[[], str]]:
    """Make any number of databases, which are removed at the end of the block."""
    names: list[str] = []

    def make() -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        names.append(name)
        return copy_database(server, name, template)

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
