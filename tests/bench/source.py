"""The messengers that the bench reads: generated once per size, kept in the bench's own server.

A database with its final name is complete: it is filled under another name and renamed afterwards.
The cycles change a messenger of their own; it is kept too, with its DATA_DIR, and each run begins
by undoing the changes of the last one (`tests.bench.changes`).

A larger messenger is an older one: up to five million messages span 120 days, more span as many
days as give each day as many messages as fifty million over three years. The server needs 0.6 GB
per million messages, with 1.4 million receipts and 1.1 million events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from etl.sandbox.load import load_rows
from etl.sandbox.postgres import (
    create_database,
    database_exists,
    database_url,
    drop_database,
    postgres_server,
)
from etl.sandbox.traffic import TrafficPlan, generate

# Midnight, so that the traffic's last two days are two whole UTC days.
UNTIL = datetime(2026, 7, 1, tzinfo=UTC)

_YOUNG_MESSAGES_MAX, _YOUNG_DAYS = 5_000_000, 120
_OLD_MESSAGES, _OLD_DAYS = 50_000_000, 1_095

Say = Callable[[str], None]


def traffic_plan(messages: int) -> TrafficPlan:
    """The generator's plan of the messenger with this number of messages."""
    is_young = messages <= _YOUNG_MESSAGES_MAX
    days = _YOUNG_DAYS if is_young else round(_OLD_DAYS * messages / _OLD_MESSAGES)
    return TrafficPlan(messages=messages, days=days, until=UNTIL)


@contextmanager
def messengers(directory: Path, messages: int, say: Say) -> Iterator[Messengers]:
    """Start the bench's server with the messengers of one size.

    Args:
        directory: of the server's data; made when missing.
        messages: how many messages each messenger has.
        say: receives lines about the progress.

    Raises:
        SandboxError: the server cannot be started or filled.
    """
    with postgres_server(directory) as server:
        yield Messengers(server.url(), server.version, messages, say)


class Messengers:
    """The databases of one size, each made on its first use.

    Attributes:
        server_url: a database from which others are created and renamed.
        server_version: as PostgreSQL reports it.
    """

    def __init__(self, server_url: str, server_version: str, messages: int, say: Say) -> None:
        self.server_url = server_url
        self.server_version = server_version
        self.messages = messages
        self.kept = f"traffic_{messages}"
        self.kept_messages_only = f"messages_only_{messages}"
        self.changed = f"changed_{messages}"
        self._say = say

    def everything(self) -> str:
        """The URL of the whole messenger, which never changes."""
        return self._generated(self.kept)

    def to_change(self) -> str:
        """The URL of another whole messenger, which the cycles change."""
        return self._generated(self.changed)

    def messages_only(self) -> str:
        """The URL of the messenger without receipts and events, which never changes."""
        if not database_exists(self.server_url, self.kept_messages_only):
            self.everything()
            self._say("copying it without receipts and events (once)")
            with (
                self._under_construction(self.kept_messages_only, self.kept) as url,
                psycopg.connect(url, autocommit=True) as connection,
            ):
                connection.execute("truncate message_read_receipts, analytics_events")
                connection.execute("vacuum (analyze)")
        return database_url(self.server_url, self.kept_messages_only)

    @property
    def shape(self) -> str:
        """The whole messenger, in words."""
        return f"over {traffic_plan(self.messages).days:,} days"

    def _generated(self, name: str) -> str:
        if not database_exists(self.server_url, name):
            self._say(f"generating a messenger with {self.messages:,} messages (once)")
            with self._under_construction(name, "template1") as url:
                load_rows(url, generate(traffic_plan(self.messages)))
        return database_url(self.server_url, name)

    @contextmanager
    def _under_construction(self, name: str, template: str) -> Iterator[str]:
        draft = f"{name}_unfinished"
        drop_database(self.server_url, draft)
        yield create_database(self.server_url, draft, template=template)
        rename = sql.SQL("alter database {} rename to {}")
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
