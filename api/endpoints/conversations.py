"""The endpoints about conversations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from api.endpoints.declaration import endpoint
from api.parameter_classes import Last30Days, Parameters
from api.parameters import ConversationPath, Limit50, Ranking, SortBy, TypeFilter
from api.problems import not_found
from api.query import Ask, BoundQuery
from api.schemas import ConversationId, Count, Decimals, LivelyConversation, plain, structs


@dataclass(frozen=True, kw_only=True)
class ConversationParameters(Parameters):
    """The parameters of `/conversation/{conversation_id}`."""

    conversation_id: ConversationPath


class Conversation(msgspec.Struct, kw_only=True):
    """`GET /conversation/{conversation_id}`."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    created_at: datetime | None
    participant_count: Count
    active_participants: Count
    message_count: Count
    messages_per_day: Decimals | None
    conversation_age_days: int | None
    first_message_date: datetime | None
    last_message_date: datetime | None
    generation: int
    data_through: datetime
    until: datetime


@endpoint(
    "/conversation/{conversation_id:str}", "One conversation", metrics=("conversation_stats_v1",)
)
async def conversation(ask: Ask, query: BoundQuery[ConversationParameters]) -> Conversation:
    """The participants of a conversation, and how much is written in it."""
    rows = await ask(
        "conversation_stats_v1",
        for_conversation=query.parameters.conversation_id,
        **query.scope,
    )
    if not rows:
        raise not_found()
    return msgspec.convert(
        plain(rows[0]) | query.about | {"until": query.data_through}, Conversation
    )


@dataclass(frozen=True, kw_only=True)
class TopConversationsParameters(Last30Days):
    """The parameters of `/top-conversations`."""

    type: TypeFilter = None
    limit: Limit50 = 10
    sort_by: SortBy = Ranking.MESSAGES


class TopConversations(msgspec.Struct, kw_only=True):
    """`GET /top-conversations`."""

    conversations: list[LivelyConversation]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/top-conversations",
    "The most active conversations",
    metrics=("top_conversations_v1",),
)
async def top_conversations(
    ask: Ask, query: BoundQuery[TopConversationsParameters]
) -> TopConversations:
    """The conversations with the most messages, people, or messages per person."""
    given = query.parameters
    rows = await ask(
        "top_conversations_v1",
        **query.within(),
        for_type=given.type,
        top_n=given.limit,
        sort_by=given.sort_by.value,
    )
    return TopConversations(conversations=structs(LivelyConversation, rows), **query.about)
