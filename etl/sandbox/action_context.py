"""What the actions of live traffic share: the database, random choices, time and look-ups.

Every look-up orders its rows, so equal contents and equal random numbers give equal results. The
look-ups use the messenger's own keys and indexes, so they are cheap beside millions of messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

# An event as `POST /events` accepts it.
Event = dict[str, Any]

_ORDINARY_IDS = 2**31  # larger ids come from an older system


@dataclass(frozen=True, slots=True)
class Message:
    """What an action needs of an existing message."""

    id: UUID
    conversation: UUID
    sender: int | None


@dataclass(slots=True)
class ActionContext:
    """One second of live traffic.

    Attributes:
        connection: in autocommit mode.
        now: the end of this second; every time that is written is before it.
        texts: contents of messages.
        posted: receives events in place of the table, as the API accepts them; None = the table.
        recent: the newest messages at the start of the second.
        moment: the time of the current action.
    """

    connection: psycopg.Connection
    random: Random
    now: datetime
    texts: Sequence[str]
    posted: list[Event] | None = None
    recent: list[Message] = field(init=False)
    moment: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.moment = self.now - timedelta(seconds=1)
        self.recent = self._messages(
            "select id, conversation_id, sender_id from messages"
            " where deleted_at is null and created_at < %s"
            " order by created_at desc, id limit 200",
            self.now,
        )

    def advance(self) -> None:
        """Move on to the next moment."""
        self.moment += (self.now - self.moment) * (self.random.random() * 0.02)

    def fetch(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(query, values).fetchall()

    def change(self, query: LiteralString, *values: object) -> bool:
        """Run one statement; true when it changed a row."""
        return self.connection.execute(query, values).rowcount > 0

    def write_event(
        self, event: str, user: int | None, conversation: UUID | None = None, **metadata: object
    ) -> None:
        """Write an analytics event of this moment, or have it posted."""
        id_ = self.new_id()
        if self.posted is not None:
            self.posted.append(
                {
                    "id": str(id_),
                    "event_type": event,
                    "user_id": user,
                    "conversation_id": None if conversation is None else str(conversation),
                    "metadata": metadata,
                }
            )
            return
        self.change(
            "insert into analytics_events"
            " (id, event_type, user_id, conversation_id, metadata, created_at)"
            " values (%s, %s, %s, %s, %s, %s)",
            *(id_, event, user, conversation, Jsonb(metadata), self.moment),
        )

    def new_id(self) -> UUID:
        """A version-4 UUID."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def text(self) -> str:
        """The content of a message."""
        return self.random.choice(self.texts)

    def old_message(self) -> Message | None:
        """A message of any age."""
        found = self._messages(
            "select id, conversation_id, sender_id from messages"
            " where deleted_at is null and created_at >= %s"
            " order by created_at, id limit 1",
            self.past_time(),
        )
        return found[0] if found else None

    def past_time(self) -> datetime:
        """A time between the oldest message and now."""
        [(oldest,)] = self.fetch("select min(created_at) from messages where deleted_at is null")
        return self.now - (self.now - (oldest or self.moment)) * (1 - self.random.random())

    def user(self) -> int | None:
        """A user who is not deleted."""
        migrated = self.random.random() < 0.05
        [(low, high)] = self.fetch(
            "select min(id), max(id) from users where id >= %s and id < %s",
            *((_ORDINARY_IDS, 2**63 - 1) if migrated else (0, _ORDINARY_IDS)),
        )
        rows = self.fetch(
            "select id from users where id >= %s and deleted_at is null order by id limit 1",
            self.random.randint(low, high) if low is not None else 0,
        )
        return rows[0][0] if rows else None

    def conversation(self) -> UUID | None:
        """Usually a conversation with recent messages, sometimes any."""
        if self.recent and self.random.random() < 0.8:
            return self.random.choice(self.recent).conversation
        rows = self.fetch(
            "(select id from conversations where id >= %s order by id limit 1)"
            " union all (select id from conversations order by id limit 1) limit 1",
            self.new_id(),
        )
        return rows[0][0] if rows else None

    def conversation_and_members(self) -> tuple[UUID | None, list[int]]:
        """A conversation and its members."""
        conversation = self.conversation()
        return conversation, self.members(conversation) if conversation else []

    def members(self, conversation: UUID) -> list[int]:
        """The members of a conversation who are not deleted."""
        rows = self.fetch(
            "select p.user_id from conversation_participants p join users u on u.id = p.user_id"
            " where p.conversation_id = %s and p.left_at is null and u.deleted_at is null"
            " order by p.user_id",
            conversation,
        )
        return [row[0] for row in rows]

    def _messages(self, query: LiteralString, bound: datetime) -> list[Message]:
        return [Message(*row) for row in self.fetch(query, bound)]
