"""Ids: how a messenger writes them, and the one form that each has here.

Ids are opaque: no code orders them, splits ranges by them or counts with them. But two spellings of
one id (`7` and `+7`, a uuid in capitals) must not become two subjects, two viewers or two cache
keys, so each type has one form and any other spelling is refused.

A mapping declares the type of each kind of id (`olap.mapping`). SQL that depends on it is written
with the pseudo-types `user_id_type`, `conversation_id_type`, `message_id_type` and `event_id_type`,
which `IdTypes.adapt` replaces.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import msgspec

Id: TypeAlias = int | UUID | str

# An id of -7 is possible: erased people have negative ids.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_INTEGERS = range(-(2**63), 2**63)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
STRING_LENGTH_MAX = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PSEUDO_TYPE = re.compile(r"\b(user|conversation|message|event)_id_type\b")


class IdType(StrEnum):
    """How a source writes an id; the API validates and renders ids by it."""

    INTEGER = "integer"
    UUID = "uuid"
    STRING = "string"

    @property
    def sql(self) -> str:
        """The type in PostgreSQL and in DuckDB, by a name that both know."""
        return {"integer": "bigint", "uuid": "uuid", "string": "text"}[self.value]


class IdTypes(msgspec.Struct, frozen=True, kw_only=True):
    """The types of a messenger's ids, as its mapping declares them; by default our own's."""

    user: IdType = IdType.INTEGER
    conversation: IdType = IdType.UUID
    message: IdType = IdType.UUID
    event: IdType = IdType.UUID

    def adapt(self, statement: str) -> str:
        """A statement with the types in place of the pseudo-types."""
        return _PSEUDO_TYPE.sub(lambda found: self.of(found[1]).sql, statement)

    def of(self, kind: str) -> IdType:
        """The type of a kind of id: user, conversation, message or event."""
        found: IdType = getattr(self, kind)
        return found


def parse_id(kind: IdType, text: str) -> Id:
    """The id that `text` spells.

    Raises:
        ValueError: it does not spell an id of this type; the message shows the form.
    """
    match kind:
        case IdType.INTEGER:
            if not _INTEGER.fullmatch(text) or int(text) not in _INTEGERS:
                raise ValueError("must be a whole number such as 7")
            return int(text)
        case IdType.UUID:
            if not _UUID.fullmatch(text):
                raise ValueError("must be a uuid such as f47ac10b-58cc-4372-a567-0e02b2c3d479")
            return UUID(text)
        case IdType.STRING:
            # A zero-width joiner is not printable, but is a part of names; a line break is neither.
            if not 0 < len(text) <= STRING_LENGTH_MAX or _CONTROL.search(text):
                raise ValueError(
                    f"must have 1 to {STRING_LENGTH_MAX} characters, without control characters"
                )
            return text
