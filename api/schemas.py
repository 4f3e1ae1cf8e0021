"""The parts that answers are made of, and how answers become bytes.

Names, order and JSON types are those of the requirement; our own fields come after them. Times are
RFC 3339 with `Z`. Numbers with decimals keep them (83.0, not 83). The answers themselves are beside
their endpoints in `endpoints`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec.structs import fields

from olap.ids import Id
from olap.reader import Rows


@dataclass(frozen=True, slots=True)
class IdOf:
    """Marks an id in an annotation; its type is the mapping's (`openapi.IdSchemas`).

    Attributes:
        kind: user, conversation or event.
        is_text: whether it is spelled as text, as in a URL, whatever its type.
    """

    kind: str
    is_text: bool = False


# JSON has integers as numbers, uuids and strings as strings; msgspec writes each id by its type.
if TYPE_CHECKING:
    UserId = Id
    ConversationId = Id
    EventId = Id
else:
    UserId = Annotated[Any, IdOf("user")]
    ConversationId = Annotated[Any, IdOf("conversation")]
    EventId = Annotated[Any, IdOf("event")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Decimals = Annotated[float, msgspec.Meta(ge=0)]

T = TypeVar("T")
# What a messenger does not keep is unknown, and not 0.
OfReceipts = Annotated[
    T | None, msgspec.Meta(description="null where the messenger has no read receipts")
]
LastActivity = Annotated[
    datetime | None, msgspec.Meta(description="null = none yet, or no read receipts to tell it")
]


class Format(StrEnum):
    """The format of an answer."""

    JSON = "json"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """The value of `Content-Type`."""
        return "application/json" if self is Format.JSON else "text/csv; charset=utf-8"


class IdForm(StrEnum):
    """How JSON has ids that are whole numbers."""

    NUMBER = "number"
    TEXT = "text"


class TypeDistribution(msgspec.Struct, kw_only=True):
    """Percent of all messages, by type."""

    text: Decimals
    image: Decimals
    file: Decimals
    system: Decimals
    other: Decimals


class MessageStats(msgspec.Struct, kw_only=True):
    """The number of messages in all and by type, of their senders, and their average length."""

    total_messages: Count
    text_messages: Count
    image_messages: Count
    file_messages: Count
    system_messages: Count
    unique_senders: Count
    avg_message_length: Decimals
    message_type_distribution: TypeDistribution
    other_messages: Count


class EngagementMetrics(msgspec.Struct, kw_only=True):
    """The share of people who wrote."""

    total_users: Count
    active_users: Count
    engaged_users: Count
    engagement_rate: Decimals
    deep_engagement_rate: Decimals


class ActiveUsersNow(msgspec.Struct, kw_only=True):
    """The number of people who were active in the hours before `timestamp`."""

    period_hours: int
    active_users: Count
    timestamp: datetime


class Sender(msgspec.Struct, kw_only=True):
    """A person who wrote; without a name if they are deleted or the viewer may not see them."""

    user_id: UserId
    username: str | None
    message_count: Count


class Bucket(msgspec.Struct, kw_only=True):
    """One bucket of a timeline, named by its first instant."""

    timestamp: datetime
    count: Count
    is_partial: bool


class EventCount(msgspec.Struct, kw_only=True):
    """The number of events of one type."""

    event_type: str
    count: Count


class EventBucket(msgspec.Struct, kw_only=True):
    """The number of events of one type in one bucket."""

    timestamp: datetime
    event_type: str
    count: Count
    is_partial: bool


class LivelyConversation(msgspec.Struct, kw_only=True):
    """A conversation and its activity."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    message_count: Count
    participant_count: Count
    messages_per_day: Decimals


class UnreadConversation(msgspec.Struct, kw_only=True):
    """What one person has not read yet in one conversation."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    unread_count: Count
    first_unread_at: datetime | None
    newest_message_at: datetime | None
    read_through_at: datetime | None
    marked_at: datetime | None


class ReadConversation(msgspec.Struct, kw_only=True):
    """How many members of a conversation have read its newest message."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    member_count: Count
    read_count: Count
    read_share: Decimals
    newest_message_at: datetime


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of DuckDB in JSON's types: aware times, and decimals as numbers with decimals."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return plain(value)
    return value


def structs(kind: type[T], rows: Rows) -> list[T]:
    """Each row of DuckDB as a struct of this kind."""
    return [msgspec.convert(plain(row), kind) for row in rows]


to_json = msgspec.json.Encoder().encode


def with_text_ids(answer: T) -> T:
    """The answer itself, with its ids as texts: JavaScript rounds numbers beyond 2^53."""
    if isinstance(answer, msgspec.Struct):
        for name, is_id in _are_ids(type(answer)).items():
            value = getattr(answer, name)
            setattr(answer, name, str(value) if is_id else with_text_ids(value))
    elif isinstance(answer, list):
        for element in answer:
            with_text_ids(element)
    return answer


@cache
def _are_ids(kind: type[msgspec.Struct]) -> dict[str, bool]:
    """The fields of a struct, and whether each is an id."""
    marks = {one.name: getattr(one.type, "__metadata__", ()) for one in fields(kind)}
    return {name: any(isinstance(one, IdOf) for one in found) for name, found in marks.items()}
