"""The endpoints about who replies to whom, how fast, and what is answered and read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from api.endpoints.declaration import endpoint, require_filters
from api.parameter_classes import Last30Days
from api.parameters import (
    ConversationFilter,
    ConversationPath,
    Every,
    Interval,
    Limit50,
    Limit1000,
    PeopleOnly,
)
from api.query import Ask, BoundQuery
from api.schemas import (
    ConversationId,
    Count,
    Decimals,
    OfReceipts,
    UserId,
    structs,
)

Pause = Annotated[
    Count | None, msgspec.Meta(description="whole seconds; null = there is none, or not known")
]


NotYet = Annotated[
    Decimals | None,
    msgspec.Meta(description="percent; null = 24 hours have not passed yet, or not known"),
]


class ReplyTimesOfType(msgspec.Struct, kw_only=True):
    """How fast people reply in conversations of one type, or in all (null)."""

    conversation_type: str | None
    replies: Count
    half_seconds: Pause
    nine_tenths_seconds: Pause
    judged_messages: Count
    answered_in_1_hour_rate: NotYet
    answered_in_24_hours_rate: NotYet
    relative_error: Decimals


class ReplyBucket(msgspec.Struct, kw_only=True):
    """How fast people reply in one bucket of a timeline."""

    timestamp: datetime
    replies: Count
    half_seconds: Pause
    nine_tenths_seconds: Pause
    judged_messages: Count
    answered_in_1_hour_rate: NotYet
    answered_in_24_hours_rate: NotYet
    is_partial: bool


class ReplyTimesOfConversation(msgspec.Struct, kw_only=True):
    """How fast people reply in one conversation."""

    conversation_id: ConversationId
    type: str | None
    title: str | None
    replies: Count
    half_seconds: Pause
    nine_tenths_seconds: Pause
    judged_messages: Count
    answered_in_1_hour_rate: NotYet
    answered_in_24_hours_rate: NotYet


class ReadRateOfType(msgspec.Struct, kw_only=True):
    """Which share of messages is read in conversations of one type, or in all (null)."""

    conversation_type: str | None
    judged_messages: Count
    read_messages: OfReceipts[Count]
    read_rate: NotYet
    median_seconds: Pause


class Responses(msgspec.Struct, kw_only=True):
    """How often one person replies to another, and how fast."""

    from_user_id: UserId
    from_username: str | None
    to_user_id: UserId
    to_username: str | None
    replies: Count
    half_seconds: Count


@dataclass(frozen=True, kw_only=True)
class ReplyTimesParameters(Last30Days):
    """The parameters of `/reply-times`."""

    include_bots: PeopleOnly = True
    conversation_id: ConversationFilter = None


class ReplyTimes(msgspec.Struct, kw_only=True):
    """`GET /reply-times`."""

    reply_times: list[ReplyTimesOfType]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/reply-times",
    "How fast people reply to each other",
    metrics=("reply_times_v1",),
    checks=("conversation_stats_v1",),
)
async def reply_times(ask: Ask, query: BoundQuery[ReplyTimesParameters]) -> ReplyTimes:
    """The pauses before replies and the share of answered messages, in all and by type of
    conversation."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask("reply_times_v1", **query.of_people(), for_conversation=given.conversation_id)
    return ReplyTimes(reply_times=structs(ReplyTimesOfType, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ReplyTimelineParameters(ReplyTimesParameters):
    """The parameters of `/reply-times/timeline`."""

    HAS_BUCKETS = True

    interval: Interval = Every.DAILY


class ReplyTimeline(msgspec.Struct, kw_only=True):
    """`GET /reply-times/timeline`."""

    timeline: list[ReplyBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/reply-times/timeline",
    "Reply times over time",
    metrics=("reply_timeline_v1",),
    checks=("conversation_stats_v1",),
)
async def reply_timeline(ask: Ask, query: BoundQuery[ReplyTimelineParameters]) -> ReplyTimeline:
    """The pauses before replies and the share of answered messages in each hour, day, week or
    month, without gaps."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "reply_timeline_v1",
        **query.of_people(),
        for_conversation=given.conversation_id,
        every=given.interval.value,
        tz=given.tz,
    )
    return ReplyTimeline(timeline=structs(ReplyBucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ReplyConversationsParameters(Last30Days):
    """The parameters of `/reply-times/conversations`."""

    include_bots: PeopleOnly = True
    limit: Limit50 = 10


class ReplyConversations(msgspec.Struct, kw_only=True):
    """`GET /reply-times/conversations`."""

    conversations: list[ReplyTimesOfConversation]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/reply-times/conversations",
    "The conversations with the most replies",
    metrics=("reply_times_by_conversation_v1",),
)
async def reply_conversations(
    ask: Ask, query: BoundQuery[ReplyConversationsParameters]
) -> ReplyConversations:
    """The conversations of five or more people in which people reply the most, and how fast."""
    rows = await ask(
        "reply_times_by_conversation_v1", **query.of_people(), top_n=query.parameters.limit
    )
    return ReplyConversations(conversations=structs(ReplyTimesOfConversation, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ReadRateParameters(ReplyTimesParameters):
    """The parameters of `/read-rate`."""


class ReadRate(msgspec.Struct, kw_only=True):
    """`GET /read-rate`."""

    read_rates: list[ReadRateOfType]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/read-rate",
    "Which share of messages is read",
    metrics=("read_rate_v1",),
    checks=("conversation_stats_v1",),
)
async def read_rate(ask: Ask, query: BoundQuery[ReadRateParameters]) -> ReadRate:
    """The share of messages that somebody else reads within 24 hours, and how soon, in all and by
    type of conversation."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask("read_rate_v1", **query.of_people(), for_conversation=given.conversation_id)
    return ReadRate(read_rates=structs(ReadRateOfType, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ResponseMatrixParameters(Last30Days):
    """The parameters of `/conversation/{conversation_id}/response-matrix`."""

    include_bots: PeopleOnly = True
    conversation_id: ConversationPath
    limit: Limit1000 = 100


class ResponseMatrix(msgspec.Struct, kw_only=True):
    """`GET /conversation/{conversation_id}/response-matrix`."""

    conversation_id: ConversationId
    responses: list[Responses]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/conversation/{conversation_id:str}/response-matrix",
    "Who replies to whom in one conversation",
    metrics=("response_matrix_v1",),
    checks=("conversation_stats_v1",),
)
async def response_matrix(ask: Ask, query: BoundQuery[ResponseMatrixParameters]) -> ResponseMatrix:
    """The pairs of people of whom one replies to the other; none where fewer than five people are
    present."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "response_matrix_v1",
        **query.of_people(),
        for_conversation=given.conversation_id,
        top_n=given.limit,
    )
    return ResponseMatrix(
        conversation_id=given.conversation_id, responses=structs(Responses, rows), **query.about
    )
