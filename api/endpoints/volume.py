"""The endpoints about how much is written, when, by how many, and who is there to write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from api.endpoints.declaration import EXISTS, endpoint, require_filters
from api.parameter_classes import InBuckets, InBucketsOfDays, Last30Days
from api.parameters import ConversationFilter, SystemInAll
from api.query import Ask, BoundQuery
from api.schemas import (
    Count,
    Decimals,
    OfReceipts,
    T,
    plain,
    structs,
)


class HourOfWeek(msgspec.Struct, kw_only=True):
    """One hour of the local week, Monday (1) at 0 to Sunday (7) at 23."""

    weekday: int
    hour: int
    messages: Count
    occurrences: Count
    per_occurrence: Decimals


class TypeBucket(msgspec.Struct, kw_only=True):
    """One bucket of a type of conversation."""

    timestamp: datetime
    conversation_type: str | None
    messages: Count
    reads: OfReceipts[Count]
    people: OfReceipts[Count]
    is_partial: bool


OfTheSite = Annotated[
    T | None, msgspec.Meta(description="null for a member, who sees memberships only")
]


class MembershipBucket(msgspec.Struct, kw_only=True):
    """One bucket: what is there at its end, and what came and went in it."""

    timestamp: datetime
    accounts: OfTheSite[Count]
    joined: OfTheSite[Count]
    deleted: OfTheSite[Count]
    memberships: Count
    memberships_joined: Count
    memberships_left: Count
    is_partial: bool


@dataclass(frozen=True, kw_only=True)
class MessageHeatmapParameters(Last30Days):
    """The parameters of `/message-heatmap`."""

    HAS_BUCKETS = True

    conversation_id: ConversationFilter = None
    include_system: SystemInAll = True


class MessageHeatmap(msgspec.Struct, kw_only=True):
    """`GET /message-heatmap`."""

    heatmap: list[HourOfWeek]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/message-heatmap",
    "When messages are sent",
    metrics=("message_heatmap_v1",),
    checks=EXISTS,
)
async def message_heatmap(ask: Ask, query: BoundQuery[MessageHeatmapParameters]) -> MessageHeatmap:
    """The number of messages by weekday and hour of the local clock, and how often each came."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "message_heatmap_v1",
        **query.within(),
        tz=given.tz,
        for_conversation=given.conversation_id,
        include_system=given.include_system,
    )
    return MessageHeatmap(heatmap=structs(HourOfWeek, rows), **query.about)


class ConversationMix(msgspec.Struct, kw_only=True):
    """`GET /conversation-mix`."""

    conversation_mix: list[TypeBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/conversation-mix",
    "Direct conversations, groups and channels over time",
    metrics=("conversation_mix_v1",),
)
async def conversation_mix(ask: Ask, query: BoundQuery[InBuckets]) -> ConversationMix:
    """Messages, reads and people of each type of conversation in each bucket."""
    given = query.parameters
    rows = await ask(
        "conversation_mix_v1", **query.within(), every=given.interval.value, tz=given.tz
    )
    return ConversationMix(conversation_mix=structs(TypeBucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ConcentrationParameters(Last30Days):
    """The parameters of `/concentration`."""

    conversation_id: ConversationFilter = None


class Concentration(msgspec.Struct, kw_only=True):
    """`GET /concentration`."""

    messages: Count
    writers: Count
    top_1_percent_share: Decimals
    top_10_percent_share: Decimals
    top_half_share: Decimals
    gini: Annotated[Decimals | None, msgspec.Meta(description="null where nobody wrote")]
    period_days: int
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/concentration",
    "Whether few people write most of the messages",
    metrics=("concentration_v1",),
    checks=EXISTS,
)
async def concentration(ask: Ask, query: BoundQuery[ConcentrationParameters]) -> Concentration:
    """The shares of the people who write the most, and the Gini coefficient."""
    conversation = query.parameters.conversation_id
    await require_filters(ask, query, conversation)
    rows = await ask("concentration_v1", **query.within(), for_conversation=conversation)
    return msgspec.convert(
        plain(rows[0]) | {"period_days": query.span.days} | query.about, Concentration
    )


class Membership(msgspec.Struct, kw_only=True):
    """`GET /membership`."""

    membership: list[MembershipBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/membership",
    "Accounts and memberships over time",
    metrics=("membership_v1",),
)
async def membership(ask: Ask, query: BoundQuery[InBucketsOfDays]) -> Membership:
    """How many accounts and memberships there are at the end of each bucket, came and went."""
    given = query.parameters
    rows = await ask("membership_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return Membership(membership=structs(MembershipBucket, rows), **query.about)
