"""The endpoints that answer from a generation, each declared once.

For each endpoint: the struct of its own parameters, the answer, and the function that computes one
from the other. A function runs metrics of one generation and arranges their rows; it never filters,
counts or rounds, because a metric's SQL defines what a number means and who may see it.

To add an endpoint, declare it here. The route, the OpenAPI document, the cache key and CSV follow
from the declaration.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec
from litestar import Request, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import SkipValidation
from litestar.types import Guard

from api import openapi
from api.auth import Principal, Role, require_role
from api.fast_path import EntryResponse, FastPath
from api.generations import Generation
from api.parameters import (
    ConversationFilter,
    ConversationPath,
    Every,
    Hours,
    Interval,
    Limit50,
    Limit100,
    Ranking,
    SortBy,
    UserFilter,
    UserPath,
)
from api.problems import bad_parameter, not_found
from api.query import (
    Ask,
    BoundQuery,
    Endpoint,
    Last7Days,
    Last30Days,
    Parameters,
    Query,
    RowsParameters,
    Window,
)
from api.schemas import (
    ActiveUsersNow,
    Bucket,
    ConversationId,
    Count,
    Decimals,
    EngagementMetrics,
    EventBucket,
    EventCount,
    LastActivity,
    LivelyConversation,
    MessageStats,
    OfReceipts,
    ReadConversation,
    Sender,
    UnreadConversation,
    UserId,
    plain,
    structs,
)
from api.service import AnalyticsService
from olap.ids import Id, IdTypes

ENDPOINTS: list[Endpoint] = []

_DASHBOARD_SENDERS = 5
_DASHBOARD_HOURS = 24


def endpoint(
    path: str,
    summary: str,
    *,
    metrics: tuple[str, ...],
    checks: tuple[str, ...] = (),
    rows: tuple[str, type[msgspec.Struct]] | None = None,
    tags: tuple[str, ...] = ("analytics",),
) -> Callable[[Callable[[Ask, Any], Awaitable[msgspec.Struct]]], Endpoint]:
    """Declare an endpoint; its parameters and its answer are those of the function's signature.

    Args:
        metrics: the metric versions whose numbers the answer shows.
        checks: the metric versions that only check whether an id of a filter exists.
        rows: the field of the answer that contains its rows, and their type.
    """

    def declare(compute: Callable[[Ask, Any], Awaitable[msgspec.Struct]]) -> Endpoint:
        hints = get_type_hints(compute)
        (parameters,) = get_args(hints["query"])
        declared = Endpoint(
            path=path,
            summary=summary,
            name=compute.__name__,
            metrics=(*metrics, *checks),
            checks=checks,
            parameters=parameters,
            answer=hints["return"],
            compute=compute,
            rows=rows,
            tags=tags,
        )
        ENDPOINTS.append(declared)
        return declared

    return declare


# The metrics that show a conversation and a person. Filters by id check with them, so that an id
# that has an answer on its own endpoint has one as a filter, and no other id has.
_EXISTS = ("conversation_stats_v1", "user_activity_v1")


async def _require_filters(
    ask: Ask, query: BoundQuery[Any], conversation: Id | None, person: Id | None = None
) -> None:
    """404 if a filter names what does not exist or what the viewer may not see."""
    if conversation is not None and not await ask(
        "conversation_stats_v1", for_conversation=conversation, **query.scope
    ):
        raise not_found()
    if person is None or person == query.viewer:
        return
    # An empty period: the row says whether the person exists, and nothing is counted.
    now = Window(query.data_through, query.data_through)
    if not await ask("user_activity_v1", for_user=person, **query.within(now)):
        raise not_found()


@dataclass(frozen=True, kw_only=True)
class DashboardParameters(Last7Days):
    """The parameters of `/dashboard`."""

    HAS_BUCKETS = True


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


@endpoint(
    "/dashboard",
    "Everything a dashboard shows, of one generation",
    metrics=(
        "message_stats_v1",
        "engagement_v1",
        "active_users_v1",
        "top_senders_v1",
        "message_timeline_v1",
    ),
)
async def dashboard(ask: Ask, query: BoundQuery[DashboardParameters]) -> Dashboard:
    """Message statistics, engagement, active users, the top five senders and a daily timeline."""
    within = query.within()
    last_day = query.last_hours(_DASHBOARD_HOURS)
    stats, engagement, active, senders, buckets = await asyncio.gather(
        ask("message_stats_v1", **within),
        ask("engagement_v1", **within),
        ask("active_users_v1", **query.within(last_day)),
        ask("top_senders_v1", **within, top_n=_DASHBOARD_SENDERS),
        ask("message_timeline_v1", **within, every="daily", tz=query.parameters.tz),
    )
    return Dashboard(
        period_days=query.span.days,
        generated_at=query.generation.generated_at,
        message_stats=msgspec.convert(plain(stats[0]), MessageStats),
        engagement_metrics=msgspec.convert(plain(engagement[0]), EngagementMetrics),
        active_users_24h=ActiveUsersNow(
            period_hours=_DASHBOARD_HOURS,
            active_users=active[0]["active_users"],
            timestamp=last_day.until,
        ),
        top_senders=structs(Sender, senders),
        message_timeline=structs(Bucket, buckets),
        **query.about,
    )


@dataclass(frozen=True, kw_only=True)
class MessagesParameters(Last30Days):
    """The parameters of `/messages`."""

    conversation_id: ConversationFilter = None
    user_id_filter: UserFilter = None


class Messages(MessageStats, kw_only=True):
    """`GET /messages`."""

    period_days: int
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/messages", "Message statistics", metrics=("message_stats_v1",), checks=_EXISTS)
async def messages(ask: Ask, query: BoundQuery[MessagesParameters]) -> Messages:
    """The number of messages in all and by type, of their senders, and their average length."""
    given = query.parameters
    await _require_filters(ask, query, given.conversation_id, given.user_id_filter)
    rows = await ask(
        "message_stats_v1",
        **query.within(),
        for_conversation=given.conversation_id,
        for_user=given.user_id_filter,
    )
    return msgspec.convert(
        plain(rows[0]) | {"period_days": query.span.days} | query.about, Messages
    )


@dataclass(frozen=True, kw_only=True)
class TimelineParameters(Last30Days, RowsParameters):
    """The parameters of `/timeline`."""

    HAS_BUCKETS = True

    interval: Interval = Every.DAILY
    conversation_id: ConversationFilter = None
    user_id_filter: UserFilter = None


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
    metrics=("message_timeline_v1",),
    checks=_EXISTS,
    rows=("timeline", Bucket),
)
async def timeline(ask: Ask, query: BoundQuery[TimelineParameters]) -> Timeline:
    """The number of messages in each hour, day, week or month, without gaps."""
    given = query.parameters
    await _require_filters(ask, query, given.conversation_id, given.user_id_filter)
    rows = await ask(
        "message_timeline_v1",
        **query.within(),
        for_conversation=given.conversation_id,
        for_user=given.user_id_filter,
        every=given.interval.value,
        tz=given.tz,
    )
    return Timeline(timeline=structs(Bucket, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class TopSendersParameters(Last30Days, RowsParameters):
    """The parameters of `/top-senders`."""

    conversation_id: ConversationFilter = None
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
    checks=_EXISTS,
    rows=("top_senders", Sender),
)
async def top_senders(ask: Ask, query: BoundQuery[TopSendersParameters]) -> TopSenders:
    """The people who wrote the most messages."""
    given = query.parameters
    await _require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "top_senders_v1",
        **query.within(),
        for_conversation=given.conversation_id,
        top_n=given.limit,
    )
    return TopSenders(top_senders=structs(Sender, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class UserParameters(Last30Days):
    """The parameters of `/user/{user_id}`."""

    user_id: UserPath


class UserActivity(msgspec.Struct, kw_only=True):
    """`GET /user/{user_id}`."""

    user_id: UserId
    period_days: int
    messages_sent: Count
    messages_read: OfReceipts[Count]
    active_conversations: Count
    avg_messages_per_day: Decimals
    first_message_date: datetime | None
    last_activity_date: LastActivity
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/user/{user_id:str}", "What one person did", metrics=("user_activity_v1",))
async def user(ask: Ask, query: BoundQuery[UserParameters]) -> UserActivity:
    """What a person wrote and read, and where."""
    user_id = query.parameters.user_id
    rows = await ask("user_activity_v1", **query.within(), for_user=user_id)
    if not rows and user_id != query.viewer:
        raise not_found()
    # The viewers themselves exist, even before the messenger's row for them has been extracted.
    found = plain(rows[0]) if rows else _no_activity(user_id, query.generation)
    return msgspec.convert(found | {"period_days": query.span.days} | query.about, UserActivity)


def _no_activity(user_id: Id, generation: Generation) -> dict[str, Any]:
    """What a person did of whom the messenger has no row."""
    return {
        "user_id": user_id,
        "messages_sent": 0,
        "messages_read": None if "read_receipts" in generation.missing else 0,
        "active_conversations": 0,
        "avg_messages_per_day": 0.0,
        "first_message_date": None,
        "last_activity_date": None,
    }


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


@endpoint("/engagement", "Which share of the people wrote", metrics=("engagement_v1",))
async def engagement(ask: Ask, query: BoundQuery[Last7Days]) -> Engagement:
    """The number of people, and the share of them who wrote once, and five times."""
    rows = await ask("engagement_v1", **query.within())
    return msgspec.convert(
        plain(rows[0]) | {"period_days": query.span.days} | query.about, Engagement
    )


@dataclass(frozen=True, kw_only=True)
class ActiveUsersParameters(Parameters):
    """The parameters of `/active-users`."""

    hours: Hours = 24


class ActiveUsers(ActiveUsersNow, kw_only=True):
    """`GET /active-users`."""

    active_readers: OfReceipts[Count]
    active_any: OfReceipts[Count]
    generation: int
    data_through: datetime
    since: datetime
    until: datetime


@endpoint("/active-users", "Who was active in the last hours", metrics=("active_users_v1",))
async def active_users(ask: Ask, query: BoundQuery[ActiveUsersParameters]) -> ActiveUsers:
    """The number of people who wrote, who read, and who did either, before `timestamp`."""
    hours = query.parameters.hours
    window = query.last_hours(hours)
    rows = await ask("active_users_v1", **query.within(window))
    return msgspec.convert(
        plain(rows[0])
        | {"period_hours": hours, "timestamp": window.until}
        | {"since": window.since, "until": window.until}
        | query.about,
        ActiveUsers,
    )


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
class TopConversationsParameters(Last30Days, RowsParameters):
    """The parameters of `/top-conversations`."""

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
    rows=("conversations", LivelyConversation),
)
async def top_conversations(
    ask: Ask, query: BoundQuery[TopConversationsParameters]
) -> TopConversations:
    """The conversations with the most messages, people, or messages per person."""
    given = query.parameters
    rows = await ask(
        "top_conversations_v1",
        **query.within(),
        top_n=given.limit,
        sort_by=given.sort_by.value,
    )
    return TopConversations(conversations=structs(LivelyConversation, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class UnreadParameters(RowsParameters):
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
    checks=("user_activity_v1",),
    rows=("unread", UnreadConversation),
)
async def unread(ask: Ask, query: BoundQuery[UnreadParameters]) -> Unread:
    """The number of unread messages in each conversation of a person."""
    user_id = query.parameters.user_id
    await _require_filters(ask, query, None, user_id)
    rows = await ask("unread_v1", for_user=user_id, **query.scope)
    return Unread(
        user_id=user_id,
        unread=structs(UnreadConversation, rows),
        until=query.data_through,
        **query.about,
    )


@dataclass(frozen=True, kw_only=True)
class ReadThroughParameters(RowsParameters):
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
    checks=_EXISTS,
    rows=("conversations", ReadConversation),
)
async def read_through(ask: Ask, query: BoundQuery[ReadThroughParameters]) -> ReadThrough:
    """Which share of the members of each conversation have read its newest message."""
    given = query.parameters
    await _require_filters(ask, query, given.conversation_id)
    rows = await ask(
        "read_through_v1",
        for_conversation=given.conversation_id,
        top_n=given.limit,
        **query.scope,
    )
    return ReadThrough(
        conversations=structs(ReadConversation, rows), until=query.data_through, **query.about
    )


@dataclass(frozen=True, kw_only=True)
class EventCountsParameters(Last30Days, RowsParameters):
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
    rows=("event_counts", EventCount),
    tags=("analytics", "events"),
)
async def event_counts(ask: Ask, query: BoundQuery[EventCountsParameters]) -> EventCounts:
    """The number of events of each type."""
    rows = await ask("event_counts_v1", **query.within())
    return EventCounts(event_counts=structs(EventCount, rows), **query.about)


@dataclass(frozen=True, kw_only=True)
class EventTimelineParameters(Last30Days, RowsParameters):
    """The parameters of `/events/timeline`."""

    HAS_BUCKETS = True

    interval: Interval = Every.DAILY


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
    rows=("event_timeline", EventBucket),
    tags=("analytics", "events"),
)
async def event_timeline(ask: Ask, query: BoundQuery[EventTimelineParameters]) -> EventTimeline:
    """The number of events of each type in each hour, day, week or month."""
    given = query.parameters
    rows = await ask("event_timeline_v1", **query.within(), every=given.interval.value, tz=given.tz)
    return EventTimeline(event_timeline=structs(EventBucket, rows), **query.about)


NEEDED_METRICS = frozenset(metric for one in ENDPOINTS for metric in one.metrics)


def handlers(
    service: AnalyticsService, fast_path: FastPath, ids: IdTypes
) -> list[HTTPRouteHandler]:
    """The handlers of all endpoints, for a messenger with these types of ids."""
    return [_handler(one, service, fast_path, ids) for one in ENDPOINTS]


def _handler(
    declared: Endpoint, service: AnalyticsService, fast_path: FastPath, ids: IdTypes
) -> HTTPRouteHandler:
    async def handle(
        request: Request[Principal, Any, Any],
        parameters: SkipValidation[NamedDependency[Parameters]],
    ) -> EntryResponse[Any]:
        principal = request.user
        query = Query(
            endpoint=declared, viewer=principal.viewer, parameters=parameters.with_ids(ids)
        )
        entry, source = await service.answer(query, principal)
        if parameters.generation is None:
            fast_path.put(request.scope, query)
        return EntryResponse(entry, source)

    # Litestar reads the operation's id and the type of the answer from the function.
    handle.__name__ = declared.name
    handle.__annotations__["return"] = EntryResponse[declared.answer]  # type: ignore[name-defined]
    return get(
        declared.path,
        guards=[_guard(declared.parameters.query_names())],
        # A class as a dependency: Litestar reads the struct's fields from the request.
        dependencies={"parameters": Provide(declared.parameters, sync_to_thread=False)},
        summary=declared.summary,
        description=openapi.description_of(declared),
        operation_class=openapi.Read if declared.rows is None else openapi.ReadRows,
        responses=openapi.problems_of(400, 401, 403, 404, 410, 429, 503),
        tags=declared.tags,
    )(handle)


def _guard(known: frozenset[str]) -> Guard:
    """A guard: only readers, and only parameters that the endpoint has.

    An unknown parameter is an error, because ignoring it would answer a different question.
    """

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        require_role(connection.user, Role.ADMIN, Role.MEMBER)
        given = Counter(name for name, _ in connection.query_params.multi_items())
        for name, times in given.items():
            if name not in known:
                raise bad_parameter(
                    name,
                    f"is not a parameter of this endpoint, which has {', '.join(sorted(known))}",
                )
            if times > 1:
                raise bad_parameter(name, "is given more than once")

    return guard
