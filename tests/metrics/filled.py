"""Fills an empty warehouse with the oracle's world, without a pipeline, and queries its metrics.

Tables are filled row by row, rollups by the product's own SQL. Each world exists in a transaction
that is rolled back, so one warehouse serves all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb

from olap import rollups
from olap.catalog import Metric, metrics, newest, set_period
from olap.staging import Staging
from olap.tables import FACTS
from olap.warehouse import Warehouse
from tests.metrics.oracle.world import Row, World

Answer = list[list[tuple[str, Any]]]


@dataclass(frozen=True, slots=True)
class Filled:
    """A database that has metrics."""

    connection: duckdb.DuckDBPyConnection

    def ask(self, metric: str, **arguments: Any) -> Answer:
        """The rows of a metric, each value with the name of its column; arguments are bound."""
        named = ", ".join(f"{name} := ${name}" for name in arguments)
        result = self.connection.execute(f"from metrics.{metric}({named})", arguments)
        names = [column[0] for column in result.description or ()]
        return [list(zip(names, map(plain, row), strict=True)) for row in result.fetchall()]


def called(metric: Metric) -> str:
    """The name by which tests call a version of a metric: bare for the newest one."""
    return metric.name if newest(metrics())[metric.name] == metric else metric.macro


def plain(value: Any) -> Any:
    """The value in a form that is equal only with equal decimal places."""
    if isinstance(value, Decimal):
        return f"decimal {value}"
    if isinstance(value, dict):
        return [(key, plain(part)) for key, part in value.items()]
    return value


def expected(rows: list[Row]) -> Answer:
    """Rows of the oracle in the same form."""
    return [[(name, plain(value)) for name, value in row.items()] for row in rows]


@contextmanager
def filled_with(warehouse: Warehouse, world: World) -> Iterator[Filled]:
    """The world in an empty warehouse, until the block ends."""
    connection = warehouse.connection
    connection.begin()
    try:
        _fill(connection, world)
        yield Filled(connection)
    finally:
        connection.rollback()


def _fill(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    users = {u.id: (u.username, u.is_bot, u.created_at, u.deleted_at, True) for u in world.users}
    rooms = {c.id: (c.type, c.title, c.created_at, True) for c in world.conversations}
    # Ids that are only mentioned get a placeholder.
    people = {m.sender_id for m in world.messages} | {e.user_id for e in world.events}
    people |= {r.user_id for r in world.receipts} | {r.user_id for r in world.reactions}
    people |= {p.user_id for p in world.participants} | {m.user_id for m in world.marks}
    places = {m.conversation_id for m in world.messages} | {e.conversation_id for e in world.events}
    places |= {p.conversation_id for p in world.participants}
    places |= {m.conversation_id for m in world.marks}
    user_keys = {user: key for key, user in enumerate(_all(users, people), 1)}
    room_keys = {room: key for key, room in enumerate(_all(rooms, places), 1)}
    messages = {m.id: m for m in world.messages}
    nobody, nowhere = (None, None, None, None, False), (None, None, None, False)
    _insert(
        connection, "dim_users", [(key, u, *users.get(u, nobody)) for u, key in user_keys.items()]
    )
    _insert(
        connection,
        "dim_conversations",
        [(key, c, *rooms.get(c, nowhere)) for c, key in room_keys.items()],
    )
    _insert(
        connection,
        "dim_participants",
        [
            (room_keys[p.conversation_id], user_keys[p.user_id], "member", p.joined_at, p.left_at)
            for p in world.participants
        ],
    )
    _insert(
        connection,
        "fact_messages",
        [
            (
                m.created_at,
                room_keys[m.conversation_id],
                user_keys.get(m.sender_id),
                m.message_type,
                m.content_length,
                None,
                m.deleted_at,
            )
            for m in world.messages
        ],
    )
    _insert(
        connection,
        "fact_read_receipts",
        [
            (
                r.read_at,
                room_keys[messages[r.message_id].conversation_id]
                if r.message_id in messages
                else None,
                user_keys[r.user_id],
                messages[r.message_id].created_at if r.message_id in messages else None,
            )
            for r in world.receipts
        ],
    )
    _insert(
        connection,
        "fact_reactions",
        [
            (
                r.created_at,
                room_keys[messages[r.message_id].conversation_id]
                if r.message_id in messages
                else None,
                user_keys[r.user_id],
                r.emoji,
                messages[r.message_id].created_at if r.message_id in messages else None,
            )
            for r in world.reactions
        ],
    )
    _insert(
        connection,
        "dim_read_marks",
        [
            (room_keys[m.conversation_id], user_keys[m.user_id], m.read_through_at, m.marked_at)
            for m in world.marks
        ],
    )
    _insert(
        connection,
        "fact_events",
        [
            (
                e.created_at,
                e.event_type,
                room_keys.get(e.conversation_id),
                user_keys.get(e.user_id),
            )
            for e in world.events
        ],
    )
    times = [m.created_at for m in world.messages] + [r.read_at for r in world.receipts]
    times += [e.created_at for e in world.events]
    for fact in FACTS:
        # A fold makes rollups from these temporary tables.
        keyed = f"temp.keyed_{fact.name}"
        connection.execute(
            f"create or replace temporary table {keyed} as from core.{fact.core_name}"
        )
    staging, days = Staging(connection), {time.date() for time in times}
    for rollup in (*rollups.DAY_ROLLUPS, *rollups.READ_ROLLUPS):
        rollups.derive_days(staging, rollup, days)
    for rollup in rollups.PERSON_ROLLUPS:
        rollups.derive_people(staging, rollup, days)
    rollups.start(staging)
    for rollup in rollups.CONVERSATION_ROLLUPS:
        rollups.derive_conversations(staging, rollup, days)
    first_day = min((time.date() for time in times), default=None)
    set_period(connection, first_day, world.data_through.replace(tzinfo=UTC))


def _all(known: dict[Any, Any], mentioned: set[Any]) -> list[Any]:
    return [*known, *sorted(mentioned - set(known) - {None})]


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        shown = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
        connection.execute(f"insert into core.{table} values {shown}")


def literal(value: Any) -> str:
    """A value as an SQL literal."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    if isinstance(value, UUID):
        return f"uuid '{value}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()
