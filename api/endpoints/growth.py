"""The endpoints about who comes, who stays and who comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from api.endpoints.declaration import EXISTS, endpoint, require_filters
from api.parameter_classes import InBucketsOfDays, Last30Days
from api.parameters import ConversationFilter, PeopleOnly
from api.query import Ask, BoundQuery
from api.schemas import (
    Count,
    Decimals,
    OfReceipts,
    T,
    plain,
    structs,
)

OfCoveredDays = Annotated[
    T | None,
    msgspec.Meta(description="null until the data have so many days, or without read receipts"),
]


class ActiveBucket(msgspec.Struct, kw_only=True):
    """The people of one bucket, and of the days that end with it."""

    timestamp: datetime
    active_people: OfReceipts[Count]
    writers: Count
    readers_only: OfReceipts[Count]
    active_7_days: OfCoveredDays[Count]
    active_30_days: OfCoveredDays[Count]
    stickiness: Annotated[
        Decimals | None, msgspec.Meta(description="null as active_30_days, and if is_partial")
    ]
    is_partial: bool


OfLaterBuckets = Annotated[
    T | None,
    msgspec.Meta(
        description="null up to the first bucket with data, where everybody would be new, or "
        "without read receipts"
    ),
]


class LifecycleBucket(msgspec.Struct, kw_only=True):
    """The people of one bucket by when they were active before, and those who left."""

    timestamp: datetime
    active_people: OfReceipts[Count]
    new_people: OfLaterBuckets[Count]
    stayed_people: OfLaterBuckets[Count]
    returned_people: OfLaterBuckets[Count]
    left_people: Annotated[
        Count | None, msgspec.Meta(description="null as new_people, and if is_partial")
    ]
    is_partial: bool


class CohortBucket(msgspec.Struct, kw_only=True):
    """A cohort so many buckets later, or an average of cohorts."""

    row_type: Annotated[str, msgspec.Meta(description="cohort, others or average")]
    cohort: Annotated[
        datetime | None,
        msgspec.Meta(description="first instant of its bucket; null for others and average"),
    ]
    cohort_size: Count
    bucket_number: Count
    people: Count
    retention_rate: Decimals
    is_partial: bool


class ActiveHourOfWeek(msgspec.Struct, kw_only=True):
    """The people of one hour of the local week, Monday (1) at 0 to Sunday (7) at 23."""

    weekday: int
    hour: int
    people: OfReceipts[Count]
    occurrences: Count
    per_occurrence: OfReceipts[Decimals]


class ActiveTimeline(msgspec.Struct, kw_only=True):
    """`GET /active-timeline`."""

    active_timeline: list[ActiveBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/active-timeline", "Who is active over time", metrics=("active_timeline_v1",))
async def active_timeline(ask: Ask, query: BoundQuery[InBucketsOfDays]) -> ActiveTimeline:
    """The people of each day, week or month, and of the 7 and 30 days that end with it."""
    given = query.parameters
    rows = await ask(
        "active_timeline_v1", **query.within(), every=given.interval.value, tz=given.tz
    )
    return ActiveTimeline(active_timeline=structs(ActiveBucket, rows), **query.about)


class Lifecycle(msgspec.Struct, kw_only=True):
    """`GET /lifecycle`."""

    lifecycle: list[LifecycleBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/lifecycle", "Who comes, stays, returns and leaves", metrics=("lifecycle_v1",))
async def lifecycle(ask: Ask, query: BoundQuery[InBucketsOfDays]) -> Lifecycle:
    """The new, the staying and the returning people of each bucket, and those who left."""
    given = query.parameters
    rows = await ask("lifecycle_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return Lifecycle(lifecycle=structs(LifecycleBucket, rows), **query.about)


class Retention(msgspec.Struct, kw_only=True):
    """`GET /retention`."""

    retention: list[CohortBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/retention", "Whether new people stay", metrics=("retention_v1",))
async def retention(ask: Ask, query: BoundQuery[InBucketsOfDays]) -> Retention:
    """How many people of each cohort were active so many buckets later, and the averages."""
    given = query.parameters
    rows = await ask("retention_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return Retention(retention=structs(CohortBucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ActivationParameters(Last30Days):
    """The parameters of `/activation`."""

    include_bots: PeopleOnly = True


class Activation(msgspec.Struct, kw_only=True):
    """`GET /activation`."""

    accounts: Count
    judged_after_24_hours: Count
    wrote_in_24_hours: Count
    wrote_in_24_hours_rate: Decimals
    judged_after_7_days: Count
    wrote_in_7_days: Count
    wrote_in_7_days_rate: Decimals
    judged_after_8_days: Count
    answered: Count
    answered_rate: Decimals
    judged_after_14_days: Count
    came_back: OfReceipts[Count]
    came_back_rate: OfReceipts[Decimals]
    period_days: int
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/activation", "What new accounts do", metrics=("activation_v1",))
async def activation(ask: Ask, query: BoundQuery[ActivationParameters]) -> Activation:
    """The shares of the new accounts that wrote, were answered, and came back."""
    (row,) = await ask("activation_v1", **query.of_people())
    return msgspec.convert(plain(row) | {"period_days": query.span.days} | query.about, Activation)


@dataclass(frozen=True, kw_only=True)
class PeopleHeatmapParameters(Last30Days):
    """The parameters of `/people-heatmap`."""

    HAS_BUCKETS = True

    conversation_id: ConversationFilter = None


class PeopleHeatmap(msgspec.Struct, kw_only=True):
    """`GET /people-heatmap`."""

    heatmap: list[ActiveHourOfWeek]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/people-heatmap", "When people are active", metrics=("people_heatmap_v1",), checks=EXISTS
)
async def people_heatmap(ask: Ask, query: BoundQuery[PeopleHeatmapParameters]) -> PeopleHeatmap:
    """The number of active people by weekday and hour of the local clock."""
    given = query.parameters
    await require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "people_heatmap_v1",
        **query.within(),
        tz=given.tz,
        for_conversation=given.conversation_id,
    )
    return PeopleHeatmap(heatmap=structs(ActiveHourOfWeek, rows), **query.about)
