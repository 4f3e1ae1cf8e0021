"""The endpoints about who comes, who stays and who comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from api.endpoints.declaration import EXISTS, endpoint, require_filters
from api.parameters import ConversationFilter, EveryDays, IntervalOfDays, PeopleOnly
from api.query import Ask, BoundQuery, Last30Days
from api.schemas import (
    Activated,
    ActiveBucket,
    ActiveHourOfWeek,
    CohortBucket,
    LifecycleBucket,
    plain,
    structs,
)


@dataclass(frozen=True, kw_only=True)
class ActiveTimelineParameters(Last30Days):
    """The parameters of `/active-timeline`."""

    HAS_BUCKETS = True

    interval: IntervalOfDays = EveryDays.DAILY


class ActiveTimeline(msgspec.Struct, kw_only=True):
    """`GET /active-timeline`."""

    active_timeline: list[ActiveBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/active-timeline", "Who is active over time", metrics=("active_timeline_v1",))
async def active_timeline(ask: Ask, query: BoundQuery[ActiveTimelineParameters]) -> ActiveTimeline:
    """The people of each day, week or month, and of the 7 and 30 days that end with it."""
    given = query.parameters
    rows = await ask(
        "active_timeline_v1", **query.within(), every=given.interval.value, tz=given.tz
    )
    return ActiveTimeline(active_timeline=structs(ActiveBucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class LifecycleParameters(Last30Days):
    """The parameters of `/lifecycle`."""

    HAS_BUCKETS = True

    interval: IntervalOfDays = EveryDays.DAILY


class Lifecycle(msgspec.Struct, kw_only=True):
    """`GET /lifecycle`."""

    lifecycle: list[LifecycleBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/lifecycle", "Who comes, stays, returns and leaves", metrics=("lifecycle_v1",))
async def lifecycle(ask: Ask, query: BoundQuery[LifecycleParameters]) -> Lifecycle:
    """The new, the staying and the returning people of each bucket, and those who left."""
    given = query.parameters
    rows = await ask("lifecycle_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return Lifecycle(lifecycle=structs(LifecycleBucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class RetentionParameters(Last30Days):
    """The parameters of `/retention`."""

    HAS_BUCKETS = True

    interval: IntervalOfDays = EveryDays.DAILY


class Retention(msgspec.Struct, kw_only=True):
    """`GET /retention`."""

    retention: list[CohortBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/retention", "Whether new people stay", metrics=("retention_v1",))
async def retention(ask: Ask, query: BoundQuery[RetentionParameters]) -> Retention:
    """How many people of each cohort were active so many buckets later, and the averages."""
    given = query.parameters
    rows = await ask("retention_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return Retention(retention=structs(CohortBucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class ActivationParameters(Last30Days):
    """The parameters of `/activation`."""

    include_bots: PeopleOnly = True


class Activation(Activated, kw_only=True):
    """`GET /activation`."""

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
