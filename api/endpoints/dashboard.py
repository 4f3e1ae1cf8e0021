"""`GET /dashboard`: several metrics of one generation in one answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from api.endpoints.declaration import endpoint
from api.parameter_classes import Last7Days
from api.parameters import DashboardTable, Table
from api.periods import Window
from api.query import Ask, BoundQuery
from api.schemas import (
    ActiveUsersNow,
    Bucket,
    EngagementMetrics,
    MessageStats,
    Sender,
    plain,
    structs,
)

_SENDERS = 5
_LAST_DAY = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class DashboardParameters(Last7Days):
    """The parameters of `/dashboard`."""

    HAS_BUCKETS = True

    table: Table = DashboardTable.SUMMARY


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
        "message_timeline_v2",
    ),
)
async def dashboard(ask: Ask, query: BoundQuery[DashboardParameters]) -> Dashboard:
    """Message statistics, engagement, active users, the top five senders and a daily timeline."""
    within = query.within()
    until = query.span.until
    last_day = Window(until - _LAST_DAY, until)
    stats, engagement, active, senders, buckets = await asyncio.gather(
        ask("message_stats_v1", **within),
        ask("engagement_v1", **within),
        ask("active_users_v1", **query.within(last_day)),
        ask("top_senders_v1", **within, top_n=_SENDERS),
        ask("message_timeline_v2", **within, every="daily", tz=query.parameters.tz),
    )
    return Dashboard(
        period_days=query.span.days,
        generated_at=query.generation.generated_at,
        message_stats=msgspec.convert(plain(stats[0]), MessageStats),
        engagement_metrics=msgspec.convert(plain(engagement[0]), EngagementMetrics),
        active_users_24h=ActiveUsersNow(
            period_hours=last_day.hours,
            active_users=active[0]["active_users"],
            timestamp=last_day.until,
        ),
        top_senders=structs(Sender, senders),
        message_timeline=structs(Bucket, buckets),
        **query.about,
    )
