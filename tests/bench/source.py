"""The messengers that are read: generated once per size, kept in the bench's own server.

A database that has its final name is whole: it is filled under another name and renamed then.
`everything` is a copy that lives for one run of the bench, because the cycles change it; so
every run finds the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from etl.sandbox.server import (
    create_database,
    database_exists,
    database_url,
    drop_database,
    postgres_server,
)
from etl.sandbox.traffic import TrafficPlan, load

# Midnight, so that the traffic's last two days are two whole UTC days.
UNTIL = datetime(2026, 7, 1, tzinfo=UTC)

Say = Callable[[str], None]


@contextmanager
def messengers(directory: Path, messages: int, say: Say) -> Iterator[Messengers]:
    """The bench's server with both messengers of a size on it; generates what is missing.

    Args:
        directory: of the server's data; made when missing.
        messages: how many messages each messenger has.
        say: told what takes a while.

    Raises:
        SandboxError: the server cannot be started or filled.
    """
    with postgres_server(directory) as server:
        found = Messengers(server.url(), server.version, messages)
        found.fill(say)
        try:
            yield found
        finally:
            drop_database(server.url(), found.working_copy)


class Messengers:
    """The databases of one size.

    Attributes:
        server_url: to create and rename databases from.
        server_version: as PostgreSQL says it.
    """

    def __init__(self, server_url: str, server_version: str, messages: int) -> None:
        self.server_url = server_url
        self.server_version = server_version
        self.messages = messages
        self.kept = f"traffic_{messages}"
        self.kept_messages_only = f"messages_only_{messages}"
        self.working_copy = f"working_copy_{messages}"

    def fill(self, say: Say) -> None:
        """Generate the databases that are not there yet."""
        if not database_exists(self.server_url, self.kept):
            say(f"generating a messenger with {self.messages:,} messages (once)")
            with self._under_construction(self.kept, "template1") as url:
                load(url, TrafficPlan(messages=self.messages, until=UNTIL))
        if not database_exists(self.server_url, self.kept_messages_only):
            say("copying it without receipts and events (once)")
            with (
                self._under_construction(self.kept_messages_only, self.kept) as url,
                psycopg.connect(url, autocommit=True) as connection,
            ):
                connection.execute("truncate message_read_receipts, analytics_events")
                connection.execute("vacuum (analyze)")

    def everything(self, say: Say) -> str:
        """The URL of a fresh copy of the whole messenger, for this run to change."""
        say("copying the messenger for this run's changes")
        drop_database(self.server_url, self.working_copy)
        return create_database(self.server_url, self.working_copy, template=self.kept)

    def messages_only(self) -> str:
        """The URL of the messenger without receipts and events; nobody changes it."""
        return database_url(self.server_url, self.kept_messages_only)

    @contextmanager
    def _under_construction(self, name: str, template: str) -> Iterator[str]:
        draft = f"{name}_unfinished"
        drop_database(self.server_url, draft)
        yield create_database(self.server_url, draft, template=template)
        rename = sql.SQL("alter database {} rename to {}")
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
