"""The messenger that stands in for a real one while `DATABASE_URL` is not set.

Each set of data (generated traffic, the chitchat corpus) is a database of its own in the sandbox's
PostgreSQL, filled once and kept. A load is one transaction, so a database is full or has no tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from etl.sandbox import chitchat, traffic
from etl.sandbox.server import create_database, database_exists, database_url, postgres_server
from olap.settings import Secret, Settings


@contextmanager
def sandbox_messenger(
    settings: Settings, now: datetime, say: Callable[[str], None]
) -> Iterator[Secret]:
    """The URL of a running, filled messenger; the server stops with its last user.

    Args:
        now: the time up to which the traffic goes, UTC, when it has to be made.
        say: told what takes a while.

    Raises:
        SandboxError: the server cannot be started or the data cannot be loaded.
    """
    with postgres_server(settings.sandbox_dir / "postgres") as server:
        say(f"DATABASE_URL is not set: PostgreSQL {server.version} in {settings.sandbox_dir}")
        name = settings.sandbox_data
        url = database_url(server.url(), name)
        if not database_exists(server.url(), name):
            create_database(server.url(), name)
        if _is_empty(url):
            if name == "chitchat":
                say("filling it with the chitchat corpus")
                counts = chitchat.load(url, now)
            else:
                say(f"filling it with {settings.sandbox_messages:,} messages, receipts and events")
                counts = traffic.load(
                    url, traffic.TrafficPlan(messages=settings.sandbox_messages, until=now)
                )
            say(f"{counts.total:,} rows in its tables")
        yield Secret(url)


def _is_empty(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select to_regclass('messages') is null").fetchone()
    return bool(row and row[0])
