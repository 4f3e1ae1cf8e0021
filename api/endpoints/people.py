"""The endpoints about people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from api.endpoints.declaration import endpoint
from api.generations import Generation
from api.parameter_classes import Last30Days, PeriodParameters
from api.parameters import Days1UpTo365, Days7UpTo365, Hours, UserPath
from api.problems import not_found
from api.query import Ask, BoundQuery
from api.schemas import ActiveUsersNow, Count, Decimals, LastActivity, OfReceipts, UserId, plain
from olap.ids import Id


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


@endpoint("/user/{user_id:str}", "What one person did", metrics=("user_activity_v2",))
async def user(ask: Ask, query: BoundQuery[UserParameters]) -> UserActivity:
    """What a person wrote and read, and where."""
    user_id = query.parameters.user_id
    rows = await ask("user_activity_v2", **query.within(), for_user=user_id)
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


@dataclass(frozen=True, kw_only=True)
class EngagementParameters(PeriodParameters):
    """The parameters of `/engagement`."""

    DAYS_DEFAULT = 7
    DAYS_MAX = 365

    days: Days7UpTo365 = None


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
async def engagement(ask: Ask, query: BoundQuery[EngagementParameters]) -> Engagement:
    """The number of people, and the share of them who wrote once, and five times."""
    rows = await ask("engagement_v1", **query.within())
    return msgspec.convert(
        plain(rows[0]) | {"period_days": query.span.days} | query.about, Engagement
    )


@dataclass(frozen=True, kw_only=True)
class ActiveUsersParameters(PeriodParameters):
    """The parameters of `/active-users`."""

    DAYS_DEFAULT = 1
    DAYS_MAX = 365

    days: Days1UpTo365 = None
    hours: Hours = None

    def _hours(self) -> int | None:
        return self.hours


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
    rows = await ask("active_users_v1", **query.within())
    return msgspec.convert(
        plain(rows[0])
        | {"period_hours": query.span.hours, "timestamp": query.span.until}
        | query.about,
        ActiveUsers,
    )
