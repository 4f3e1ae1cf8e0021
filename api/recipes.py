"""How each answer is made: which metrics it asks, and how their rows become its fields.

A recipe is all that an endpoint computes. It asks metrics of one generation and rearranges their
rows; it never filters, counts or rounds: what a number means and who may see it is decided in the
metric's SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from api import answers
from api.answers import plain
from api.problems import not_found
from api.questions import Question
from api.windows import Window
from olap.reader import Rows

T = TypeVar("T")

DASHBOARD_SENDERS = 5


class Ask(Protocol):
    """Asks one metric of the question's generation."""

    async def __call__(self, metric: str, /, **parameters: Any) -> Rows:
        """The metric's rows, each by the names of its columns."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of answer is made.

    Attributes:
        name: as it stands in keys, logs and metrics.
        metrics: the versions it asks; a generation without them cannot answer.
        make: from a question to the answer. Raises a Problem where there is none.
        table: the field of the answer that is its rows, and their type; for CSV.
        checks: of these metrics, those that only tell whether what is asked about is there.
    """

    name: str
    metrics: tuple[str, ...]
    make: Callable[[Ask, Question], Awaitable[msgspec.Struct]]
    table: tuple[str, type[msgspec.Struct]] | None = None
    checks: tuple[str, ...] = ()

    @property
    def tells(self) -> tuple[str, ...]:
        """The metrics whose numbers the answer shows."""
        return tuple(metric for metric in self.metrics if metric not in self.checks)


async def _dashboard(ask: Ask, question: Question) -> answers.Dashboard:
    day = Window(question.data_through - timedelta(hours=24), question.data_through)
    within = question.within()
    stats, engaged, active, senders, buckets = await asyncio.gather(
        ask("message_stats_v1", **within),
        ask("engagement_v1", **within),
        ask("active_users_v1", **question.within(day)),
        ask("top_senders_v1", **within, top_n=DASHBOARD_SENDERS),
        ask("message_timeline_v1", **within, every="daily", tz=question["tz"]),
    )
    return answers.Dashboard(
        period_days=question.span.days,
        generated_at=question.generation.generated_at,
        message_stats=msgspec.convert(plain(stats[0]), answers.MessageStats),
        engagement_metrics=msgspec.convert(plain(engaged[0]), answers.EngagementMetrics),
        active_users_24h=answers.ActiveUsersNow(
            period_hours=24, active_users=active[0]["active_users"], timestamp=day.until
        ),
        top_senders=_all(senders, answers.Sender),
        message_timeline=_all(buckets, answers.Bucket),
        **question.about,
    )


async def _messages(ask: Ask, question: Question) -> answers.Messages:
    await _require_filters(ask, question)
    rows = await ask("message_stats_v1", **question.within(), **_filters(question))
    return msgspec.convert(
        plain(rows[0]) | {"period_days": question.span.days} | question.about, answers.Messages
    )


async def _timeline(ask: Ask, question: Question) -> answers.Timeline:
    await _require_filters(ask, question)
    rows = await ask(
        "message_timeline_v1",
        **question.within(),
        **_filters(question),
        every=question["interval"],
        tz=question["tz"],
    )
    return answers.Timeline(timeline=_all(rows, answers.Bucket), **question.about)


async def _top_senders(ask: Ask, question: Question) -> answers.TopSenders:
    await _require_filters(ask, question)
    rows = await ask(
        "top_senders_v1",
        **question.within(),
        for_conversation=question["conversation_id"],
        top_n=question["limit"],
    )
    return answers.TopSenders(top_senders=_all(rows, answers.Sender), **question.about)


async def _user(ask: Ask, question: Question) -> answers.UserActivity:
    rows = await ask("user_activity_v1", **question.within(), for_user=question["user_id"])
    if not rows and question["user_id"] != question.asked.viewer:
        raise not_found()
    # Whoever asks exists, also before the messenger's row for him has come through.
    found = plain(rows[0]) if rows else _NOBODY_YET | {"user_id": question["user_id"]}
    return msgspec.convert(
        found | {"period_days": question.span.days} | question.about, answers.UserActivity
    )


_NOBODY_YET = {
    "messages_sent": 0,
    "messages_read": 0,
    "active_conversations": 0,
    "avg_messages_per_day": 0.0,
    "first_message_date": None,
    "last_activity_date": None,
}


async def _engagement(ask: Ask, question: Question) -> answers.Engagement:
    rows = await ask("engagement_v1", **question.within())
    return msgspec.convert(
        plain(rows[0]) | {"period_days": question.span.days} | question.about, answers.Engagement
    )


async def _active_users(ask: Ask, question: Question) -> answers.ActiveUsers:
    hours = question["hours"]
    window = Window(question.data_through - timedelta(hours=hours), question.data_through)
    rows = await ask("active_users_v1", **question.within(window))
    return msgspec.convert(
        plain(rows[0])
        | {"period_hours": hours, "timestamp": window.until}
        | {"since": window.since, "until": window.until}
        | question.about,
        answers.ActiveUsers,
    )


async def _conversation(ask: Ask, question: Question) -> answers.Conversation:
    rows = await ask(
        "conversation_stats_v1", for_conversation=question["conversation_id"], **question.scope
    )
    if not rows:
        raise not_found()
    return msgspec.convert(
        plain(rows[0]) | question.about | {"until": question.data_through}, answers.Conversation
    )


async def _top_conversations(ask: Ask, question: Question) -> answers.TopConversations:
    rows = await ask(
        "top_conversations_v1",
        **question.within(),
        top_n=question["limit"],
        sort_by=question["sort_by"],
    )
    return answers.TopConversations(
        conversations=_all(rows, answers.LivelyConversation), **question.about
    )


async def _event_counts(ask: Ask, question: Question) -> answers.EventCounts:
    rows = await ask("event_counts_v1", **question.within())
    return answers.EventCounts(event_counts=_all(rows, answers.EventCount), **question.about)


async def _event_timeline(ask: Ask, question: Question) -> answers.EventTimeline:
    rows = await ask(
        "event_timeline_v1", **question.within(), every=question["interval"], tz=question["tz"]
    )
    return answers.EventTimeline(event_timeline=_all(rows, answers.EventBucket), **question.about)


async def _require_filters(ask: Ask, question: Question) -> None:
    """404 where the answer would be about what is not there, or may not be seen.

    The metrics that say whether somebody or something is there are those of the endpoints that
    show them, so that the two always agree.
    """
    conversation, person = question["conversation_id"], question["user_id_filter"]
    if conversation is not None and not await ask(
        "conversation_stats_v1", for_conversation=conversation, **question.scope
    ):
        raise not_found()
    if person is None or person == question.asked.viewer:
        return
    # An empty period: whether he is there, and nothing of what he did.
    now = Window(question.data_through, question.data_through)
    if not await ask("user_activity_v1", for_user=person, **question.within(now)):
        raise not_found()


def _filters(question: Question) -> dict[str, Any]:
    return {
        "for_conversation": question["conversation_id"],
        "for_user": question["user_id_filter"],
    }


def _all(rows: Rows, kind: type[T]) -> list[T]:
    return [msgspec.convert(plain(row), kind) for row in rows]


_SEEN = ("conversation_stats_v1", "user_activity_v1")
DASHBOARD = Recipe(
    "dashboard",
    (
        "message_stats_v1",
        "engagement_v1",
        "active_users_v1",
        "top_senders_v1",
        "message_timeline_v1",
    ),
    _dashboard,
)
MESSAGES = Recipe("messages", ("message_stats_v1", *_SEEN), _messages, checks=_SEEN)
TIMELINE = Recipe(
    "timeline",
    ("message_timeline_v1", *_SEEN),
    _timeline,
    ("timeline", answers.Bucket),
    checks=_SEEN,
)
TOP_SENDERS = Recipe(
    "top_senders",
    ("top_senders_v1", *_SEEN),
    _top_senders,
    ("top_senders", answers.Sender),
    checks=_SEEN,
)
USER = Recipe("user", ("user_activity_v1",), _user)
ENGAGEMENT = Recipe("engagement", ("engagement_v1",), _engagement)
ACTIVE_USERS = Recipe("active_users", ("active_users_v1",), _active_users)
CONVERSATION = Recipe("conversation", ("conversation_stats_v1",), _conversation)
TOP_CONVERSATIONS = Recipe(
    "top_conversations",
    ("top_conversations_v1",),
    _top_conversations,
    ("conversations", answers.LivelyConversation),
)
EVENT_COUNTS = Recipe(
    "event_counts", ("event_counts_v1",), _event_counts, ("event_counts", answers.EventCount)
)
EVENT_TIMELINE = Recipe(
    "event_timeline",
    ("event_timeline_v1",),
    _event_timeline,
    ("event_timeline", answers.EventBucket),
)
RECIPES = (
    DASHBOARD,
    MESSAGES,
    TIMELINE,
    TOP_SENDERS,
    USER,
    ENGAGEMENT,
    ACTIVE_USERS,
    CONVERSATION,
    TOP_CONVERSATIONS,
    EVENT_COUNTS,
    EVENT_TIMELINE,
)
NEEDED_METRICS = frozenset(metric for recipe in RECIPES for metric in recipe.metrics)
