"""The messengers of the tests: our own, and one that holds the same under other names and types.

What is proved for our messenger is proved for `MIXED` too. A test writes and reads both by the same
SQL: in `MIXED`, `users`, `messages` and so on in `public` are views with INSTEAD OF triggers over
the physical tables, which the pipeline reads through the mapping in `tests/mappings/mixed`. The
views call functions, so no table has a dependent and each can be dropped, swapped and altered. Only
statements about a table itself, such as TRUNCATE, need its physical name (`SourceSchema.table`).

Ids of the tests are numbers and uuids; `MIXED` holds texts that end with them. `our_id` leads back
from such a text, and rows of a generation are compared through it (`tests/contents.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from etl.sandbox.load import create_schema
from olap.ids import Id

FOLDER = Path(__file__).parent / "mappings" / "mixed"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of column: its type in a view and in the table, and the conversions by SQL."""

    type: str
    physical_type: str
    encode: str = "{}"
    decode: str = "{}"


USER = Kind("bigint", "text", "facade.user_text({})", "facade.user_number({})")
ROOM = Kind("uuid", "text", "facade.room_text({})", "facade.uuid_of({})")
MESSAGE = Kind("uuid", "text", "facade.message_text({})", "facade.uuid_of({})")
EVENT = Kind("uuid", "text", "facade.event_text({})", "facade.uuid_of({})")
TIME = Kind("timestamptz", "numeric", "facade.milliseconds({})", "facade.time_of({})")
OPPOSITE = Kind("boolean", "boolean", "not {}", "not {}")
JSON = Kind("jsonb", "jsonb")
# The cast, because a test makes the column a varchar.
TEXT = Kind("text", "text", decode="{}::text")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `MIXED`: its physical name, kind and default."""

    name: str
    kind: Kind
    default: str | None = None


@dataclass(frozen=True, slots=True)
class PhysicalTable:
    """A table of `MIXED`: its physical name, and its columns and keys by the names of the view."""

    name: str
    keys: tuple[str, ...]
    columns: Mapping[str, Column]

    def facade(self, view: str) -> str:
        """The view and the triggers by which the tests read and write the table."""
        columns = self.columns.items()
        typed = ", ".join(f"{name} {column.kind.type}" for name, column in columns)
        decoded = ", ".join(c.kind.decode.format(f"physical.{c.name}") for _, c in columns)
        names = ", ".join(column.name for _, column in columns)
        encoded = ", ".join(c.kind.encode.format(f"new.{name}") for name, c in columns)
        matches = " and ".join(
            f"{column.name} = {column.kind.encode.format(f'old.{key}')}"
            for key, column in columns
            if key in self.keys
        )
        defaults = "".join(
            f"alter view {view} alter column {name} set default {column.default};"
            for name, column in columns
            if column.default is not None
        )
        table = f'"Chat App".{self.name}'
        return f"""
            create function facade.{view}() returns table ({typed}) stable language plpgsql as $$
            begin return query select {decoded} from {table} as physical; end $$;

            create view {view} as select * from facade.{view}();
            {defaults}

            create function facade.write_{view}() returns trigger language plpgsql as $$
            begin
                if tg_op = 'DELETE' then
                    delete from {table} where {matches};
                elsif tg_op = 'UPDATE' then
                    update {table} set ({names}) = row({encoded}) where {matches};
                else
                    insert into {table} ({names}) values ({encoded}) on conflict do nothing;
                end if;
                if not found then return null; end if;
                return case when tg_op = 'DELETE' then old else new end;
            end $$;

            create trigger write instead of insert or update or delete on {view}
            for each row execute function facade.write_{view}();
        """


TABLES: Mapping[str, PhysicalTable] = {
    "users": PhysicalTable(
        '"User"',
        ("id",),
        {
            "id": Column("id", USER),
            "username": Column('"displayName"', TEXT),
            "is_bot": Column('"isHuman"', OPPOSITE, "false"),
            "created_at": Column('"createdAt"', TIME, "now()"),
            "deleted_at": Column('"deletedAt"', TIME),
        },
    ),
    "conversations": PhysicalTable(
        '"Room"',
        ("id",),
        {
            "id": Column("id", ROOM),
            "type": Column("kind", TEXT),
            "title": Column("name", TEXT),
            "created_at": Column('"createdAt"', TIME, "now()"),
        },
    ),
    "conversation_participants": PhysicalTable(
        '"RoomMember"',
        ("conversation_id", "user_id"),
        {
            "conversation_id": Column('"roomId"', ROOM),
            "user_id": Column('"userId"', USER),
            "role": Column("role", TEXT, "'member'"),
            "joined_at": Column('"joinedAt"', TIME, "now()"),
            "left_at": Column('"leftAt"', TIME),
        },
    ),
    "messages": PhysicalTable(
        '"Message"',
        ("id",),
        {
            "id": Column("id", MESSAGE),
            "conversation_id": Column('"roomId"', ROOM),
            "sender_id": Column('"from"', USER),
            "message_type": Column("kind", TEXT, "'text'"),
            "content": Column("body", TEXT),
            "created_at": Column('"createdAt"', TIME, "now()"),
            "updated_at": Column('"editedAt"', TIME),
            "deleted_at": Column('"deletedAt"', TIME),
        },
    ),
    "message_read_receipts": PhysicalTable(
        '"Read.Receipt"',
        ("message_id", "user_id"),
        {
            "message_id": Column('"messageId"', MESSAGE),
            "user_id": Column('"userId"', USER),
            "read_at": Column('"readAt"', TIME, "now()"),
        },
    ),
    "analytics_events": PhysicalTable(
        '"Event"',
        ("id",),
        {
            "id": Column("id", EVENT),
            "event_type": Column("name", TEXT),
            "user_id": Column('"userId"', USER),
            "conversation_id": Column('"roomId"', ROOM),
            "metadata": Column("payload", JSON, "'{}'"),
            "created_at": Column("at", TIME, "now()"),
        },
    ),
    "message_reactions": PhysicalTable(
        '"Reaction"',
        ("message_id", "user_id", "emoji"),
        {
            "message_id": Column('"messageId"', MESSAGE),
            "user_id": Column('"userId"', USER),
            "emoji": Column("emoji", TEXT),
            "created_at": Column("at", TIME, "now()"),
        },
    ),
}


@dataclass(frozen=True, slots=True)
class SourceSchema:
    """A messenger's tables, as the tests create and name them.

    Attributes:
        mapping: SOURCE_MAPPING.
        namespace: the schema of the physical tables.
        is_renamed: whether tables and columns have the names, types and ids of `TABLES`.
    """

    name: str
    mapping: str
    namespace: str
    is_renamed: bool

    def __str__(self) -> str:
        return self.name

    def create(self, connection: psycopg.Connection[Any]) -> None:
        """Create the tables in an empty database."""
        if not self.is_renamed:
            create_schema(connection)
            return
        for script in ("schema.sql", "ids.sql"):
            connection.execute((FOLDER / script).read_bytes())
        for view, table in TABLES.items():
            connection.execute(table.facade(view).encode())

    def bare_table(self, name: str) -> str:
        """A table's physical name without its schema, as SQL writes it."""
        return TABLES[name].name if self.is_renamed else name

    def table(self, name: str) -> str:
        """A table's physical name, as SQL writes it."""
        return f"{self.namespace}.{self.bare_table(name)}"

    def column(self, table: str, name: str) -> tuple[str, str]:
        """A column's physical name, as SQL writes it, and its type."""
        found = TABLES[table].columns[name]
        if self.is_renamed:
            return found.name, found.kind.physical_type
        return name, found.kind.type

    def value(self, table: str, name: str, expression: str) -> str:
        """What a column holds for a value of the tests, as SQL computes it."""
        kind = TABLES[table].columns[name].kind
        return kind.encode.format(expression) if self.is_renamed else expression

    def id(self, kind: str, number: int) -> Id:
        """The id at the source that a number of `tests.world` stands for."""
        ours = number if kind == "user" else UUID(int=number)
        return _TEXTS[kind](ours) if self.is_renamed else ours


_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "user": lambda number: ('Zoë "O\'Neil":' if number % 3 == 2 else "user:") + str(number),
    "conversation": lambda id_: ("Café «à côté» " if id_.int % 2 == 0 else "room ") + str(id_),
    "message": lambda id_: f"M{id_}".upper(),
    "event": lambda id_: f"🎉 it's 100% \\ {id_}",
}


def is_pseudonym(user_id: Id | None) -> bool:
    """Whether an id, as `our_id` gives it, is one of an erased user."""
    if isinstance(user_id, str):
        return user_id.startswith("erased-")
    return isinstance(user_id, int) and user_id < -(2**60)


def our_id(kind: str, value: Any) -> Any:
    """The id that a text of `MIXED` stands for; every other value unchanged."""
    if not isinstance(value, str):
        return value
    try:
        found = int(value.rpartition(":")[2]) if kind == "user" else UUID(value[-36:])
    except ValueError:
        return value
    return found if _TEXTS[kind](found) == value else value


MESSENGER = SourceSchema("messenger", "messenger", "public", is_renamed=False)
MIXED = SourceSchema("mixed", str(FOLDER), '"Chat App"', is_renamed=True)
SCHEMAS = (MESSENGER, MIXED)


def schema_mapped_by(mapping: str) -> SourceSchema:
    """The messenger with this SOURCE_MAPPING."""
    return next(schema for schema in SCHEMAS if schema.mapping == mapping)


def copy_rows(source: str, target: str) -> None:
    """Write the rows of our messenger's tables into the tables of another database."""
    with psycopg.connect(source) as reading, psycopg.connect(target) as writing:
        for table in TABLES:
            with (
                reading.cursor().copy(f"copy {table} to stdout".encode()) as rows,
                writing.cursor().copy(f"copy {table} from stdin".encode()) as copy,
            ):
                for data in rows:
                    copy.write(data)


def schema_of(connection: psycopg.Connection[Any]) -> SourceSchema:
    """The messenger whose tables a database has."""
    row = connection.execute("select to_regnamespace('\"Chat App\"') is not null").fetchone()
    return MIXED if row == (True,) else MESSENGER
