"""The shapes of the answers, in the requirement's names, order and JSON types.

What the requirement shows comes first and as it shows it; fields of ours come after. Times are
RFC 3339 with `Z`. Numbers with decimals stay such (83.0, not 83). Every answer says from which
generation it is, how fresh that is, and where it makes sense which period it is about.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

UserId = int
ConversationId = UUID
Count = Annotated[int, msgspec.Meta(ge=0)]
Decimals = Annotated[float, msgspec.Meta(ge=0)]


class Format(StrEnum):
    """In what form an answer is wanted."""

    JSON = "json"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """As it stands in `Content-Type`."""
        return "application/json" if self is Format.JSON else "text/csv; charset=utf-8"


class TypeDistribution(msgspec.Struct, kw_only=True):
    """Percent of all messages, by type."""

    text: Decimals
    image: Decimals
    file: Decimals
    system: Decimals
    other: Decimals


class MessageStats(msgspec.Struct, kw_only=True):
    """How many messages, of which types, by how many people, how long."""

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
    """Which share of the people wrote."""

    total_users: Count
    active_users: Count
    engaged_users: Count
    engagement_rate: Decimals
    deep_engagement_rate: Decimals


class ActiveUsersNow(msgspec.Struct, kw_only=True):
    """Who was active in the last hours before `timestamp`."""

    period_hours: int
    active_users: Count
    timestamp: datetime


class Sender(msgspec.Struct, kw_only=True):
    """Somebody who wrote; no name for people who are deleted, or whom the asker cannot see."""

    user_id: UserId
    username: str | None
    message_count: Count


class Bucket(msgspec.Struct, kw_only=True):
    """One bucket of a timeline, named by its first instant."""

    timestamp: datetime
    count: Count
    is_partial: bool


class EventCount(msgspec.Struct, kw_only=True):
    """How often one type of event happened."""

    event_type: str
    count: Count


class EventBucket(msgspec.Struct, kw_only=True):
    """How often one type of event happened in one bucket."""

    timestamp: datetime
    event_type: str
    count: Count
    is_partial: bool


class LivelyConversation(msgspec.Struct, kw_only=True):
    """A conversation and how lively it was."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    message_count: Count
    participant_count: Count
    messages_per_day: Decimals


class Dashboard(msgspec.Struct, kw_only=True):
    """`GET /dashboard`."""

    period_days: int
    generated_at: datetime
    message_stats: MessageStats
    engagement_metrics: EngagementMetrics
    active_users_24h: ActiveUsersNow
    top_senders: list[Sender]
    message_timeline: list[Bucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class Messages(MessageStats, kw_only=True):
    """`GET /messages`."""

    period_days: int
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class Timeline(msgspec.Struct, kw_only=True):
    """`GET /timeline`."""

    timeline: list[Bucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class TopSenders(msgspec.Struct, kw_only=True):
    """`GET /top-senders`."""

    top_senders: list[Sender]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class UserActivity(msgspec.Struct, kw_only=True):
    """`GET /user/{user_id}`."""

    user_id: UserId
    period_days: int
    messages_sent: Count
    messages_read: Count
    active_conversations: Count
    avg_messages_per_day: Decimals
    first_message_date: datetime | None
    last_activity_date: datetime | None
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class Engagement(msgspec.Struct, kw_only=True):
    """`GET /engagement`."""

    period_days: int
    total_users: Count
    active_users: Count
    engaged_users: Count
    engagement_rate: Decimals
    deep_engagement_rate: Decimals
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class ActiveUsers(ActiveUsersNow, kw_only=True):
    """`GET /active-users`."""

    active_readers: Count
    active_any: Count
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class Conversation(msgspec.Struct, kw_only=True):
    """`GET /conversation/{conversation_id}`."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    created_at: datetime
    participant_count: Count
    active_participants: Count
    message_count: Count
    messages_per_day: Decimals
    conversation_age_days: int
    first_message_date: datetime | None
    last_message_date: datetime | None
    generation: int
    data_through: datetime
    until: datetime


class TopConversations(msgspec.Struct, kw_only=True):
    """`GET /top-conversations`."""

    conversations: list[LivelyConversation]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class EventCounts(msgspec.Struct, kw_only=True):
    """`GET /events/counts`."""

    event_counts: list[EventCount]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


class EventTimeline(msgspec.Struct, kw_only=True):
    """`GET /events/timeline`."""

    event_timeline: list[EventBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of DuckDB in the types of JSON: aware times, decimals as numbers with decimals."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return plain(value)
    return value


_encoder = msgspec.json.Encoder()


def to_json(answer: msgspec.Struct) -> bytes:
    """The answer as JSON."""
    return _encoder.encode(answer)


def to_csv(kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> bytes:
    """Rows as CSV (RFC 4180) with a header; an empty list still has its header.

    A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula, and names and
    titles are other people's words: such a text gets an apostrophe before it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = [field.name for field in msgspec.structs.fields(kind)]
    writer.writerow(names)
    writer.writerows(_cells(getattr(row, name) for name in names) for row in rows)
    return text.getvalue().encode()


def _cells(values: Iterable[Any]) -> list[Any]:
    return [_cell(value) for value in values]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return msgspec.to_builtins(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
