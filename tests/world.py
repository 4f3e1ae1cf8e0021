"""Writes rows of a messenger with defaults, so that a test names only what it tests.

Ids are numbers here; a conversation, message or event number becomes a uuid. What they are at the
source is a matter of `tests.source_schemas`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from tests.fix_pipeline import TIME_ZERO
from tests.source_schemas import schema_of

TABLES = {
    "users": ("id",),
    "conversations": ("id",),
    "conversation_participants": ("conversation_id", "user_id"),
    "messages": ("id",),
    "message_read_receipts": ("message_id", "user_id"),
    "analytics_events": ("id",),
    "message_reactions": ("message_id", "user_id", "emoji"),
}


def uuid(number: int) -> UUID:
    """The uuid of a number."""
    return UUID(int=number)


def at(**offset: float) -> datetime:
    """TIME_ZERO moved by the arguments of `timedelta`."""
    return TIME_ZERO + timedelta(**offset)


class World:
    """A connection to the messenger's database in autocommit mode."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.schema = schema_of(self.connection)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def user(self, number: int = 1, **values: Any) -> None:
        """Write a user."""
        defaults = {"username": f"user {number}", "created_at": at(days=-90)}
        self.write("users", {"id": number, **defaults, **values})

    def conversation(self, number: int = 1, **values: Any) -> None:
        """Write a conversation."""
        defaults = {"type": "group", "title": f"room {number}", "created_at": at(days=-90)}
        self.write("conversations", {"id": uuid(number), **defaults, **values})

    def participant(self, conversation: int = 1, user: int = 1, **values: Any) -> None:
        """Write a membership."""
        keys = {"conversation_id": uuid(conversation), "user_id": user}
        self.write("conversation_participants", {**keys, "joined_at": at(days=-80), **values})

    def message(self, number: int = 1, **values: Any) -> None:
        """Write a message, by default user 1's `hello` in conversation 1 at TIME_ZERO."""
        defaults = {
            "conversation_id": uuid(1),
            "sender_id": 1,
            "content": "hello",
            "created_at": TIME_ZERO,
        }
        self.write("messages", {"id": uuid(number), **defaults, **values})

    def receipt(self, message: int = 1, user: int = 2, **values: Any) -> None:
        """Write a read receipt, by default a minute after TIME_ZERO."""
        keys = {"message_id": uuid(message), "user_id": user}
        self.write("message_read_receipts", {**keys, "read_at": at(minutes=1), **values})

    def reaction(self, message: int = 1, user: int = 2, emoji: str = "👍", **values: Any) -> None:
        """Write a reaction, by default a minute after TIME_ZERO."""
        keys = {"message_id": uuid(message), "user_id": user, "emoji": emoji}
        self.write("message_reactions", {**keys, "created_at": at(minutes=1), **values})

    def event(self, number: int = 1, **values: Any) -> None:
        """Write an event."""
        defaults = {"event_type": "message.sent", "user_id": 1, "created_at": TIME_ZERO}
        self.write("analytics_events", {"id": uuid(number), **defaults, **values})

    def write(self, table: str, values: dict[str, Any]) -> None:
        """Insert a row, or update the row with the same key."""
        # Two statements, because `on conflict do update` is impossible in a view.
        keys = TABLES[table]
        others = [column for column in values if column not in keys]
        if others:
            statement = sql.SQL("update {} set {} where {}").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(_equal, others)),
                sql.SQL(" and ").join(map(_equal, keys)),
            )
            if self.connection.execute(statement, values).rowcount:
                return
        statement = sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        self.connection.execute(statement, values)

    def table(self, name: str) -> str:
        """The physical name of a table, for a statement that a view does not take."""
        return self.schema.table(name)

    def execute(self, statement: str, *parameters: Any) -> None:
        """Execute another statement."""
        self.connection.execute(statement.encode(), parameters or None)


def _equal(column: str) -> sql.Composed:
    """`column = value`, in a condition or an assignment."""
    return sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column))
