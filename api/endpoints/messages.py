"""The endpoints about messages, and who wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from api.endpoints.declaration import EXISTS, endpoint, require_filters
from api.parameter_classes import InBuckets, Last30Days
from api.parameters import (
    ConversationFilter,
    Limit100,
    System,
    TypeFilter,
    UserFilter,
)
from api.query import Ask, BoundQuery
from api.schemas import Bucket, MessageStats, Sender, plain, structs


@dataclass(frozen=True, kw_only=True)
class MessagesParameters(Last30Days):
    """The parameters of `/messages`."""

    conversation_id: ConversationFilter = None
    user_id_filter: UserFilter = None
    type: TypeFilter = None


class Messages(MessageStats, kw_only=True):
    """`GET /messages`."""

    period_days: int
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/messages", "Message statistics", metrics=("message_stats_v1",), checks=EXISTS)
async def messages(ask: Ask, query: BoundQuery[MessagesParameters]) -> Messages:
    """The number of messages in all and by type, of their senders, and their average length."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id, given.user_id_filter)
    rows = await ask(
        "message_stats_v1",
        **query.within(),
        for_conversation=given.conversation_id,
        for_user=given.user_id_filter,
        for_type=given.type,
    )
    return msgspec.convert(
        plain(rows[0]) | {"period_days": query.span.days} | query.about, Messages
    )


@dataclass(frozen=True, kw_only=True)
class TimelineParameters(InBuckets):
    """The parameters of `/timeline`."""

    conversation_id: ConversationFilter = None
    user_id_filter: UserFilter = None
    type: TypeFilter = None
    include_system: System = None


class Timeline(msgspec.Struct, kw_only=True):
    """`GET /timeline`."""

    timeline: list[Bucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/timeline",
    "Messages over time",
    metrics=("message_timeline_v2",),
    checks=EXISTS,
)
async def timeline(ask: Ask, query: BoundQuery[TimelineParameters]) -> Timeline:
    """The number of messages in each hour, day, week or month, without gaps."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id, given.user_id_filter)
    rows = await ask(
        "message_timeline_v2",
        **query.within(),
        for_conversation=given.conversation_id,
        for_user=given.user_id_filter,
        for_type=given.type,
        every=given.interval.value,
        tz=given.tz,
        include_system=given.include_system,
    )
    return Timeline(timeline=structs(Bucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class TopSendersParameters(Last30Days):
    """The parameters of `/top-senders`."""

    conversation_id: ConversationFilter = None
    type: TypeFilter = None
    limit: Limit100 = 10


class TopSenders(msgspec.Struct, kw_only=True):
    """`GET /top-senders`."""

    top_senders: list[Sender]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/top-senders",
    "Who wrote the most",
    metrics=("top_senders_v1",),
    checks=EXISTS,
)
async def top_senders(ask: Ask, query: BoundQuery[TopSendersParameters]) -> TopSenders:
    """The people who wrote the most messages."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "top_senders_v1",
        **query.within(),
        for_conversation=given.conversation_id,
        for_type=given.type,
        top_n=given.limit,
    )
    return TopSenders(top_senders=structs(Sender, rows), **query.about)
