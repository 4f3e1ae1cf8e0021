"""What can happen in a living messenger, each as one short transaction.

A deed finds what it acts on in the database, by queries that order their rows, so with the
same contents and the same chance it does the same. Where nothing fits (nobody to rejoin),
it does nothing and is not counted. The queries use the messenger's own indexes: live
traffic stays cheap beside millions of messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from etl.sandbox.echoes import DEVICES
from etl.sandbox.talk import TYPES

_LARGEST_ORDINARY_ID = 2**31 - 1
_TYPE_WEIGHTS = (857, 80, 40, 18, 5)


@dataclass(frozen=True, slots=True)
class Message:
    """What a deed needs to know of an existing message."""

    id: UUID
    conversation: UUID
    sender: int | None


@dataclass(slots=True)
class Scene:
    """Where deeds happen: one connection, one source of chance, one second of time.

    `happened` counts the deeds by name. `moment` moves on with each deed and never reaches
    `now`.
    """

    connection: psycopg.Connection
    chance: Random
    now: datetime
    texts: Sequence[str]
    happened: Counter[str] = field(default_factory=Counter)
    recent: list[Message] = field(default_factory=list)
    moment: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.moment = self.now - timedelta(seconds=1)
        self.recent = self.messages(self.now - timedelta(days=3650), newest=200)

    def pass_time(self) -> datetime:
        """The next moment within this second."""
        self.moment += (self.now - self.moment) * (self.chance.random() * 0.02)
        return self.moment

    def fetch(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(query, values).fetchall()

    def change(self, query: LiteralString, *values: object) -> bool:
        """Run one statement; true when it changed something."""
        return self.connection.execute(query, values).rowcount > 0

    def messages(self, since: datetime, *, newest: int = 0, oldest: int = 0) -> list[Message]:
        """The newest or the oldest few messages since then that are not deleted."""
        rows = self.fetch(
            "select id, conversation_id, sender_id from messages"
            " where deleted_at is null and created_at >= %s"
            " order by created_at desc, id limit %s"
            if newest
            else "select id, conversation_id, sender_id from messages"
            " where deleted_at is null and created_at >= %s order by created_at, id limit %s",
            since,
            newest or oldest,
        )
        return [Message(*row) for row in rows]

    def some_user(self) -> int | None:
        """A user who is not deleted."""
        return self._any("users where deleted_at is null")

    def some_conversation(self) -> UUID | None:
        """Mostly one that is active now, at times any."""
        if self.recent and self.chance.random() < 0.8:
            return self.chance.choice(self.recent).conversation
        rows = self.fetch(
            "select id from conversations order by id >= %s desc, id limit 1", self.new_id()
        )
        return rows[0][0] if rows else None

    def members(self, conversation: UUID) -> list[int]:
        """Who belongs to it now."""
        rows = self.fetch(
            "select user_id from conversation_participants"
            " where conversation_id = %s and left_at is null order by user_id",
            conversation,
        )
        return [row[0] for row in rows]

    def new_id(self) -> UUID:
        """A version-4 UUID."""
        return UUID(int=self.chance.getrandbits(128), version=4)

    def tell(
        self, event: str, user: int | None, conversation: UUID | None = None, **metadata: object
    ) -> None:
        """Write an analytics event."""
        self.change(
            "insert into analytics_events"
            " (id, event_type, user_id, conversation_id, metadata, created_at)"
            " values (%s, %s, %s, %s, %s, %s)",
            *(self.new_id(), event, user, conversation, Jsonb(metadata), self.moment),
        )
