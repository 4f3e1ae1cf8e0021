"""The messenger that is read when `DATABASE_URL` is not set.

Each set of data (generated traffic, the chitchat corpus) is a database in the sandbox's PostgreSQL,
filled once and kept. A load is one transaction, so a database is either full or has no tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from etl.sandbox import chitchat, traffic
from etl.sandbox.postgres import create_database, database_exists, database_url, postgres_server
from olap.secret import Secret
from olap.settings import Settings


@contextmanager
def sandbox_messenger(
    settings: Settings, now: datetime, say: Callable[[str], None]
) -> Iterator[Secret]:
    """The URL of a running, filled messenger; the server stops with its last user.

    Args:
        now: the end of the traffic, UTC, if it is generated now.
        say: called with a sentence before and after what takes time.

    Raises:
        SandboxError: the server does not start, or the data cannot be loaded.
    """
    name = settings.sandbox_data
    with postgres_server(settings.sandbox_dir / "postgres") as server:
        url = database_url(server.url(), name)
        if not database_exists(server.url(), name):
            create_database(server.url(), name)
        if _is_empty(url):
            if name == "chitchat":
                say("Loading the chitchat corpus ...")
                counts = chitchat.load(url, now)
            else:
                plan = traffic.TrafficPlan(messages=settings.sandbox_messages, until=now)
                say(f"Generating {plan.messages:,} messages over {plan.days} days ...")
                counts = traffic.load(url, plan)
            say(f"Loaded {counts.total:,} rows into PostgreSQL {server.version}.")
        yield Secret(url)


def _is_empty(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select to_regclass('messages') is null").fetchone()
    return bool(row and row[0])
