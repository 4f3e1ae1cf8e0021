"""Real servers for people who have none: PostgreSQL and Valkey, and databases on the former.

Both run in a directory of ours and are shared by all processes that ask for the same one;
see `etl.sandbox.lease` for who starts and who stops them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from etl.sandbox.cluster import Cluster, PostgresServer
from etl.sandbox.lease import shared_server
from etl.sandbox.valkey import valkey_server

__all__ = [
    "PostgresServer",
    "create_database",
    "database_exists",
    "database_url",
    "drop_database",
    "postgres_server",
    "valkey_server",
]


@contextmanager
def postgres_server(directory: Path, *, version: int = 18) -> Iterator[PostgresServer]:
    """A PostgreSQL server whose data live in `directory`, shared with other processes.

    The first user makes the data directory where there is none and starts the server; the
    last one out stops it. Any length of path works.

    Args:
        directory: the sandbox's own directory; made when missing.
        version: major version, 18 or 16.

    Raises:
        SandboxError: the package is missing, the directory is unusable or holds another
            version, or the server does not start.
    """
    cluster = Cluster(directory.expanduser().resolve(), version)
    with shared_server(cluster.home, start=cluster.start, stop=cluster.stop) as server:
        yield server


def database_url(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))


def create_database(url: str, name: str, *, template: str = "template1") -> str:
    """Make a database on the server of `url` and return its URL.

    Args:
        url: any database of that server, but not `template` itself.
        name: the new database's name; it must be free.
        template: the database to copy; nobody may be connected to it.
    """
    statement = sql.SQL("create database {} template {}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return database_url(url, name)


def drop_database(url: str, name: str) -> None:
    """Remove a database, and whoever is still connected to it; nothing when there is none."""
    statement = sql.SQL("drop database if exists {} with (force)")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name)))


def database_exists(url: str, name: str) -> bool:
    """Whether the server of `url` has a database of this name."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("select from pg_database where datname = %s", [name])
        return found.fetchone() is not None
