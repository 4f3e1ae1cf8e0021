"""The messengers that the bench reads: generated once per size, kept in the bench's own server.

A database with its final name is complete: it is filled under another name and renamed afterwards.
The cycles change a copy that exists for one run of the bench, so that every run finds the same
rows.

A larger messenger is an older one: up to five million messages span 120 days, more span three
years, which gives about the same number per day. A messenger of more than twenty million messages
keeps read receipts and events for 60 days only: with all of them its server would need twice the
disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
from psycopg import sql

from etl.sandbox.load import TableRows, load_rows
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

_YOUNG_MESSAGES_MAX, _YOUNG_DAYS, _OLD_DAYS = 5_000_000, 120, 1_095
_KEEPS_ALL_MESSAGES_MAX, _KEPT_DAYS = 20_000_000, 60
_KEPT_BY = {"message_read_receipts": "read_at", "analytics_events": "created_at"}

Say = Callable[[str], None]


def traffic_plan(messages: int) -> TrafficPlan:
    """The generator's plan of the messenger with this number of messages."""
    days = _YOUNG_DAYS if messages <= _YOUNG_MESSAGES_MAX else _OLD_DAYS
    return TrafficPlan(messages=messages, days=days, until=UNTIL)


def without_old_receipts_and_events(chunks: Iterable[TableRows]) -> Iterator[TableRows]:
    """The rows without the receipts and events that a large messenger does not keep."""
    kept_from = UNTIL - timedelta(days=_KEPT_DAYS)
    for chunk in chunks:
        time = _KEPT_BY.get(chunk.table)
        if time is None:
            yield chunk
        else:
            yield TableRows(chunk.table, chunk.rows.filter(pl.col(time) >= kept_from))


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
        found = Messengers(server.url(), server.version, messages, say)
        try:
            yield found
        finally:
            drop_database(server.url(), found.working_copy)


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
        self.working_copy = f"working_copy_{messages}"
        self._say = say

    def everything(self) -> str:
        """The URL of the whole messenger, which never changes."""
        if not database_exists(self.server_url, self.kept):
            self._say(f"generating a messenger with {self.messages:,} messages (once)")
            chunks = generate(traffic_plan(self.messages))
            if self.messages > _KEEPS_ALL_MESSAGES_MAX:
                chunks = without_old_receipts_and_events(chunks)
            with self._under_construction(self.kept, "template1") as url:
                load_rows(url, chunks)
        return database_url(self.server_url, self.kept)

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

    def to_change(self) -> str:
        """The URL of a new copy of the whole messenger, which this run may change."""
        self.everything()
        self._say("copying the messenger for this run's changes")
        drop_database(self.server_url, self.working_copy)
        # File by file, because the default strategy also writes every block to the WAL.
        copy = sql.SQL("create database {} template {} strategy file_copy").format(
            sql.Identifier(self.working_copy), sql.Identifier(self.kept)
        )
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(copy)
        return database_url(self.server_url, self.working_copy)

    @property
    def shape(self) -> str:
        """The whole messenger, in words."""
        days = f"over {traffic_plan(self.messages).days:,} days"
        if self.messages <= _KEEPS_ALL_MESSAGES_MAX:
            return days
        return f"{days}; receipts and events of the last {_KEPT_DAYS} days only"

    @contextmanager
    def _under_construction(self, name: str, template: str) -> Iterator[str]:
        draft = f"{name}_unfinished"
        drop_database(self.server_url, draft)
        yield create_database(self.server_url, draft, template=template)
        rename = sql.SQL("alter database {} rename to {}")
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
