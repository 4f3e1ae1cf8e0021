"""The endpoints about what has been read, and what has not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from api.endpoints.declaration import EXISTS, endpoint, require_filters
from api.parameter_classes import Parameters
from api.parameters import ConversationFilter, Limit50, UserPath
from api.query import Ask, BoundQuery
from api.schemas import ReadConversation, UnreadConversation, UserId, structs


@dataclass(frozen=True, kw_only=True)
class UnreadParameters(Parameters):
    """The parameters of `/user/{user_id}/unread`."""

    user_id: UserPath


class Unread(msgspec.Struct, kw_only=True):
    """`GET /user/{user_id}/unread`."""

    user_id: UserId
    unread: list[UnreadConversation]
    generation: int
    data_through: datetime
    until: datetime


@endpoint(
    "/user/{user_id:str}/unread",
    "What one person has not read yet",
    metrics=("unread_v1",),
    checks=("user_activity_v2",),
)
async def unread(ask: Ask, query: BoundQuery[UnreadParameters]) -> Unread:
    """The number of unread messages in each conversation of a person."""
    user_id = query.parameters.user_id
    await require_filters(ask, query, None, user_id)
    rows = await ask("unread_v1", for_user=user_id, **query.scope)
    return Unread(
        user_id=user_id,
        unread=structs(UnreadConversation, rows),
        until=query.data_through,
        **query.about,
    )


@dataclass(frozen=True, kw_only=True)
class ReadThroughParameters(Parameters):
    """The parameters of `/read-through`."""

    conversation_id: ConversationFilter = None
    limit: Limit50 = 10


class ReadThrough(msgspec.Struct, kw_only=True):
    """`GET /read-through`."""

    conversations: list[ReadConversation]
    generation: int
    data_through: datetime
    until: datetime


@endpoint(
    "/read-through",
    "Who has read the newest messages",
    metrics=("read_through_v1",),
    checks=EXISTS,
)
async def read_through(ask: Ask, query: BoundQuery[ReadThroughParameters]) -> ReadThrough:
    """Which share of the members of each conversation have read its newest message."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "read_through_v1",
        for_conversation=given.conversation_id,
        top_n=given.limit,
        **query.scope,
    )
    return ReadThrough(
        conversations=structs(ReadConversation, rows), until=query.data_through, **query.about
    )
