"""The tables this system copies, declared once; everything else walks these lists.

A **fact** happens at a time and is kept by UTC day: one lake file per day, keyed rows in the
warehouse, rollups above them. Its event time is taken as immutable. A **dimension** says who or
what; it is small and kept whole, with an integer key per id that stays for good.

Ids are opaque. How an id is written is declared by the source's mapping (`IdType`), and no code
orders ids, splits ranges by them or uses one as a cursor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IdType(StrEnum):
    """How a source writes an id; the API validates and renders by it."""

    INTEGER = "integer"
    UUID = "uuid"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Fact:
    """A table of things that happened.

    Attributes:
        name: of the table here: in the lake, in `core` and in staging.
        time_column: when it happened, UTC; decides the row's day.
    """

    name: str
    time_column: str


@dataclass(frozen=True, slots=True)
class Dimension:
    """A table of who and what, kept whole.

    Attributes:
        name: of the table here.
        has_placeholders: whether an id that only facts mention gets a row, and so a key.
    """

    name: str
    has_placeholders: bool


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table derived from facts by day; rebuilt whole for every day one of them changed."""

    name: str
    facts: tuple[str, ...]


DIMENSIONS = (
    Dimension("users", has_placeholders=True),
    Dimension("conversations", has_placeholders=True),
    Dimension("participants", has_placeholders=False),
)

FACTS = (
    Fact("messages", "created_at"),
    Fact("read_receipts", "read_at"),
    Fact("events", "created_at"),
)

ROLLUPS = (
    Rollup("message_days", ("messages",)),
    Rollup("message_quarter_hours", ("messages",)),
    Rollup("user_days", ("messages", "read_receipts")),
    Rollup("read_days", ("read_receipts",)),
    Rollup("event_days", ("events",)),
    Rollup("event_quarter_hours", ("events",)),
)

TABLES = (*(d.name for d in DIMENSIONS), *(f.name for f in FACTS))

# What the messenger's schema declares; a mapping of another messenger brings its own.
MESSENGER_IDS = {
    "user": IdType.INTEGER,
    "conversation": IdType.UUID,
    "message": IdType.UUID,
    "event": IdType.UUID,
}
