"""The endpoints that count events; `api.events` stores them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from api.endpoints.declaration import endpoint
from api.parameter_classes import InBuckets, Last30Days
from api.query import Ask, BoundQuery
from api.schemas import EventBucket, EventCount, structs


@dataclass(frozen=True, kw_only=True)
class EventCountsParameters(Last30Days):
    """The parameters of `/events/counts`."""


class EventCounts(msgspec.Struct, kw_only=True):
    """`GET /events/counts`."""

    event_counts: list[EventCount]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/events/counts",
    "Events by type",
    metrics=("event_counts_v1",),
    tags=("analytics", "events"),
)
async def event_counts(ask: Ask, query: BoundQuery[EventCountsParameters]) -> EventCounts:
    """The number of events of each type."""
    rows = await ask("event_counts_v1", **query.within())
    return EventCounts(event_counts=structs(EventCount, rows), **query.about)


class EventTimeline(msgspec.Struct, kw_only=True):
    """`GET /events/timeline`."""

    event_timeline: list[EventBucket]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint(
    "/events/timeline",
    "Events over time",
    metrics=("event_timeline_v1",),
    tags=("analytics", "events"),
)
async def event_timeline(ask: Ask, query: BoundQuery[InBuckets]) -> EventTimeline:
    """The number of events of each type in each hour, day, week or month."""
    given = query.parameters
    rows = await ask("event_timeline_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return EventTimeline(event_timeline=structs(EventBucket, rows), **query.about)
