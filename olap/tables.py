"""The tables that are copied from the source, each declared once; all other code walks these lists.

A **fact** happens at a time. It is kept by UTC day: one lake file per day, keyed facts in the
warehouse, rollups above them. Its event time is taken as immutable. A **dimension** describes who
or what. It is small and kept whole, with an integer key per id that never changes.

Statements that are the same for several tables exist once, in `sql/tables`, `sql/facts`,
`sql/dimensions` and `sql/source/forms`. They are written for a table `fact` (or `dimension`) with
the time `event_time`, the key `fact_id`, the person `person_id` and the id `touched_id`, and
`Table.adapt` replaces these identifiers by the declared ones. Values are always bound. (DuckDB
binds the name of a table that is read, `query_table($name)`, but neither a column nor the target of
CREATE, INSERT or DELETE; one mechanism for all three is simpler than two.)

To add a fact: an entry in `FACTS`, the SELECT in each mapping that has it (`olap.mapping`), the
table `core.fact_…` in `sql/schema`, its keyed rows in `sql/facts/keyed`, the view in `sql/views`;
`olap/README.md` shows it.

The type of an id is a matter of the mapping: a column has the type of a *kind* of id here, and
`Table.types` resolves it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from olap.ids import IdType, IdTypes

_IDENTIFIER = re.compile(
    r"(?<![a-z])"
    r"(fact_id|touched_id|dimension_id|event_time|person_id|core\.fact|core\.dimension|fact|dimension)"
    r"(?![a-z_])"
)


class Type(StrEnum):
    """The types a source column may have, by their PostgreSQL names, and the four kinds of ids."""

    USER_ID = "user"
    CONVERSATION_ID = "conversation"
    MESSAGE_ID = "message"
    EVENT_ID = "event"
    BIGINT = "bigint"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    UUID = "uuid"
    TIME = "timestamp with time zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is copied.

    Attributes:
        name: in the lake, in `staging`, and of the view for analysts.
        columns: what the source's SELECT returns, in the order of the lake's files.
        key: the columns that identify a row.
        is_required: whether every mapping has it. Any other table may be *not available*: it is
            empty here, and what depends on it is null or an error, never 0.
    """

    core_prefix: ClassVar[str]

    name: str
    columns: Mapping[str, Type] = field(hash=False)
    key: tuple[str, ...]
    is_required: bool = False

    @property
    def core_name(self) -> str:
        """The name in `core`, which no view has: many tools list tables without their schema."""
        return f"{self.core_prefix}_{self.name}"

    @property
    def times(self) -> tuple[str, ...]:
        """The columns that hold an instant."""
        return tuple(name for name, type_ in self.columns.items() if type_ is Type.TIME)

    @property
    def identifiers(self) -> Mapping[str, str]:
        """What the identifiers of a shared statement are called in this table."""
        key = ", ".join(self.key)
        return {
            "fact": self.name,
            "dimension": self.name,
            "core.fact": f"core.{self.core_name}",
            "core.dimension": f"core.{self.core_name}",
            "fact_id": key,
            "dimension_id": key,
            "person_id": "user_id",
        }

    def types(self, ids: IdTypes) -> Mapping[str, Type]:
        """The columns with the types that the ids have in a mapping."""
        return {name: resolved(type_, ids) for name, type_ in self.columns.items()}

    def adapt(self, statement: str) -> str:
        """A shared statement with this table's identifiers."""
        names = self.identifiers
        return _IDENTIFIER.sub(lambda found: names.get(found[0], found[0]), statement)


_ID_TYPES = {IdType.INTEGER: Type.BIGINT, IdType.UUID: Type.UUID, IdType.STRING: Type.TEXT}
ID_KINDS = (Type.USER_ID, Type.CONVERSATION_ID, Type.MESSAGE_ID, Type.EVENT_ID)


def resolved(type_: Type, ids: IdTypes) -> Type:
    """The type of a column, with a kind of id replaced by its type."""
    return _ID_TYPES[ids.of(type_.value)] if type_ in ID_KINDS else type_


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Table):
    """A table of what happens.

    Attributes:
        time: the column that decides the row's UTC day.
        person: the column with the user's id.
        is_about_message: whether rows carry their message's conversation and time, so that they
            are read again when that message changes.
    """

    core_prefix = "fact"

    time: str
    person: str = "user_id"
    is_about_message: bool = False

    @property
    def touched_by(self) -> str:
        """The column by which rows are found that changed because a row of another table did."""
        return self.key[0]

    @property
    def identifiers(self) -> Mapping[str, str]:
        """What the identifiers of a shared statement are called in this fact."""
        own = {
            "event_time": self.time,
            "person_id": self.person,
            "touched_id": self.touched_by,
        }
        return {**super(Fact, self).identifiers, **own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension(Table):
    """A table of who and what, kept whole.

    Attributes:
        has_placeholders: whether an id that only facts mention gets a row, and so a key.
    """

    core_prefix = "dim"

    has_placeholders: bool

    @property
    def folder(self) -> str:
        """Its folder in `sql/dimensions`; tables of members share one."""
        return "members" if self.key == ("conversation_id", "user_id") else self.name

    @property
    def key_folder(self) -> str:
        """The folder of the statements that know its key only; users and conversations share it."""
        return "with_placeholders" if self.has_placeholders else self.folder


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table derived from facts and from attributes of dimensions; see `olap.rollups`.

    Attributes:
        facts: the facts that it is derived from.
        dimensions: those with an attribute in it: `is_bot` of users, `conversation_type` of
            conversations.
        is_by_conversation: whether a change makes days of a conversation stale, and not a day.
        knows_senders: whether it tells who sent the messages that were read on a day: they may be
            of any day, and what it tells is also stale when they have other senders.
        ignores_edits: whether an edit of a message changes nothing in it.
        is_by_person: whether it has a row per person, of all their days.
    """

    name: str
    facts: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    is_by_conversation: bool = False
    knows_senders: bool = False
    ignores_edits: bool = False
    is_by_person: bool = False


PARTICIPANTS = Dimension(
    name="participants",
    key=("conversation_id", "user_id"),
    columns={
        "conversation_id": Type.CONVERSATION_ID,
        "user_id": Type.USER_ID,
        "role": Type.TEXT,
        "joined_at": Type.TIME,
        "left_at": Type.TIME,
    },
    has_placeholders=False,
    is_required=True,
)

READ_MARKS = Dimension(
    name="read_marks",
    key=("conversation_id", "user_id"),
    columns={
        "conversation_id": Type.CONVERSATION_ID,
        "user_id": Type.USER_ID,
        "read_through_at": Type.TIME,
        "marked_at": Type.TIME,
    },
    has_placeholders=False,
)

MEMBERS = (PARTICIPANTS, READ_MARKS)

DIMENSIONS = (
    Dimension(
        name="users",
        key=("user_id",),
        columns={
            "user_id": Type.USER_ID,
            "username": Type.TEXT,
            "is_bot": Type.BOOLEAN,
            "created_at": Type.TIME,
            "deleted_at": Type.TIME,
        },
        has_placeholders=True,
        is_required=True,
    ),
    Dimension(
        name="conversations",
        key=("conversation_id",),
        columns={
            "conversation_id": Type.CONVERSATION_ID,
            "conversation_type": Type.TEXT,
            "title": Type.TEXT,
            "created_at": Type.TIME,
        },
        has_placeholders=True,
        is_required=True,
    ),
    *MEMBERS,
)

MESSAGES = Fact(
    name="messages",
    key=("message_id",),
    time="created_at",
    person="sender_id",
    is_required=True,
    columns={
        "message_id": Type.MESSAGE_ID,
        "conversation_id": Type.CONVERSATION_ID,
        "sender_id": Type.USER_ID,
        "message_type": Type.TEXT,
        "content_length": Type.INTEGER,
        "created_at": Type.TIME,
        "edited_at": Type.TIME,
        "deleted_at": Type.TIME,
    },
)

FACTS = (
    MESSAGES,
    Fact(
        name="read_receipts",
        key=("message_id", "user_id"),
        time="read_at",
        is_about_message=True,
        columns={
            "message_id": Type.MESSAGE_ID,
            "user_id": Type.USER_ID,
            "conversation_id": Type.CONVERSATION_ID,
            "read_at": Type.TIME,
            "message_created_at": Type.TIME,
        },
    ),
    Fact(
        name="events",
        key=("event_id",),
        time="created_at",
        columns={
            "event_id": Type.EVENT_ID,
            "event_type": Type.TEXT,
            "user_id": Type.USER_ID,
            "conversation_id": Type.CONVERSATION_ID,
            "created_at": Type.TIME,
        },
    ),
    Fact(
        name="reactions",
        key=("message_id", "user_id", "emoji"),
        time="created_at",
        is_about_message=True,
        columns={
            "message_id": Type.MESSAGE_ID,
            "user_id": Type.USER_ID,
            "emoji": Type.TEXT,
            "conversation_id": Type.CONVERSATION_ID,
            "created_at": Type.TIME,
            "message_created_at": Type.TIME,
        },
    ),
)

_ACTIVITY = ("messages", "read_receipts")
_ATTRIBUTES = ("users", "conversations")

ROLLUPS = (
    Rollup("message_days", ("messages",)),
    Rollup("user_days", _ACTIVITY, ignores_edits=True),
    Rollup("read_days", ("read_receipts",), knows_senders=True),
    Rollup("event_days", ("events",)),
    Rollup("event_quarter_hours", ("events",)),
    Rollup("message_quarter_hours", ("messages",), _ATTRIBUTES, ignores_edits=True),
    Rollup("read_quarter_hours", ("read_receipts",), _ATTRIBUTES, ignores_edits=True),
    Rollup("user_type_days", _ACTIVITY, ("conversations",), ignores_edits=True),
    Rollup("user_firsts", _ACTIVITY, is_by_person=True, ignores_edits=True),
    Rollup(
        "message_outcomes",
        _ACTIVITY,
        _ATTRIBUTES,
        is_by_conversation=True,
    ),
)

TABLES: tuple[Dimension | Fact, ...] = (*DIMENSIONS, *FACTS)
TABLE_NAMES = tuple(table.name for table in TABLES)
FACT_NAMES = frozenset(fact.name for fact in FACTS)
PERSON_COLUMNS = frozenset({"user_id", *(fact.person for fact in FACTS)})
