"""The calls of metrics that the bench measures, by scope and number of days.

The user and the conversation are the ones with the most messages; the member is the one whose
number of conversations is nearest to two thousand, as the goal says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import duckdb

MEMBER_CONVERSATIONS = 2_000

_COUNTERS = ("message_stats", "active_users", "engagement", "event_counts")
COUNTERS_AND_RANKINGS = (*_COUNTERS, "top_senders", "top_conversations")
HEATMAPS = ("message_heatmap", "people_heatmap")
COHORTS = ("lifecycle", "retention")
REPLIES_READS_AND_MIX = ("reply_times", "read_rate", "conversation_mix")
OTHER_QUESTIONS = (
    "activation",
    "concentration",
    "membership",
    "reply_times_by_conversation",
    "reply_timeline",
)
# The questions that were added after the others, whose goals are stated by metric.
NEW_METRICS = (
    "active_timeline",
    *HEATMAPS,
    *COHORTS,
    *REPLIES_READS_AND_MIX,
    *OTHER_QUESTIONS,
    "response_matrix",
)
EARLIER_METRICS = (
    *COUNTERS_AND_RANKINGS,
    "message_timeline",
    "user_activity",
    "conversation_stats",
)
EVERY_METRIC = (*EARLIER_METRICS, *NEW_METRICS)
_SORTS = ("messages", "participants", "activity")
_ZONE = "Europe/Berlin"
_ZONES = (("daily", _ZONE), ("hourly", "Asia/Kathmandu"))
# Of a metric that has parameters besides the period and the scope.
_OWN_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "active_timeline": {"every": "daily", "tz": _ZONE},
    "message_heatmap": {"tz": _ZONE},
    "people_heatmap": {"tz": _ZONE},
    "lifecycle": {"every": "weekly", "tz": _ZONE},
    "retention": {"every": "weekly", "tz": _ZONE},
    "conversation_mix": {"every": "daily", "tz": _ZONE},
    "membership": {"every": "daily", "tz": _ZONE},
    "reply_timeline": {"every": "daily", "tz": _ZONE},
}
_OF_ONE_CONVERSATION = ("message_heatmap", "concentration", "reply_times", "read_rate")


class Scope(StrEnum):
    """Which rows a call is about; the goals are stated by scope."""

    ADMINISTRATOR = "administrator"
    ONE_CONVERSATION = "one conversation"
    ONE_USER = "one user"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCall:
    """One call of a metric.

    Attributes:
        about: the metric and what distinguishes this call from its other calls, in words.
        days: the length of the window, which ends at `until`; 0 = all time.
    """

    scope: Scope
    metric: str
    about: str
    days: int
    arguments: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """The users and the conversation that the calls are about.

    Attributes:
        until: the end of every window: data_through, or a caller's own instant.
        user, conversation: with the most messages of the last year.
        member: a user in about `MEMBER_CONVERSATIONS` conversations.
        member_conversations: the exact number.
    """

    until: datetime
    user: Any
    conversation: Any
    member: Any
    member_conversations: int


def subjects_of(published: duckdb.DuckDBPyConnection) -> Subjects:
    """Choose the subjects from a generation."""

    def row(question: str, **values: Any) -> tuple[Any, ...]:
        (found,) = published.execute(question, values).fetchall()
        return tuple(found)

    (data_through,) = row("select core.data_through()")
    year = {"since": data_through - timedelta(days=365)}
    (user,) = row("select user_id from metrics.top_senders($since, top_n := 1)", **year)
    (conversation,) = row(
        "select conversation_id from metrics.top_conversations($since, top_n := 1)", **year
    )
    member, count = row(
        """
        select users.user_id, count(*) as conversation_count
        from core.dim_participants as participants
        inner join core.dim_users as users using (user_key)
        where core.is_present(joined_at, left_at, core.data_through())
        group by users.user_id
        order by abs(conversation_count - $wanted), users.user_id
        limit 1
        """,
        wanted=MEMBER_CONVERSATIONS,
    )
    return Subjects(
        until=data_through,
        user=user,
        conversation=conversation,
        member=member,
        member_conversations=count,
    )


def metric_calls(subjects: Subjects, windows: Sequence[int]) -> Iterator[MetricCall]:
    """Every call, over windows of these numbers of days."""
    for days in windows:
        since = {"since": subjects.until - timedelta(days=days)}

        def call(scope: Scope, metric: str, detail: str = "", /, **arguments: Any) -> MetricCall:
            return MetricCall(
                scope=scope,
                metric=metric,
                about=f"{metric} {detail}".strip(),
                days=days,  # noqa: B023
                arguments=since | arguments,  # noqa: B023
            )

        for scope, seen in (
            (Scope.ADMINISTRATOR, {}),
            (Scope.MEMBER, {"visible_to": subjects.member}),
        ):
            for metric in _COUNTERS:
                yield call(scope, metric, **seen)
            yield call(scope, "top_senders", **seen)
            for order in _SORTS:
                yield call(scope, "top_conversations", f"by {order}", sort_by=order, **seen)
            for every, zone in _ZONES:
                detail = f"{every}, {zone}"
                yield call(scope, "message_timeline", detail, every=every, tz=zone, **seen)
            for metric in NEW_METRICS:
                if metric != "response_matrix":
                    yield call(scope, metric, **_OWN_ARGUMENTS.get(metric, {}), **seen)
        for metric in _OF_ONE_CONVERSATION:
            yield call(
                Scope.ONE_CONVERSATION,
                metric,
                for_conversation=subjects.conversation,
                **_OWN_ARGUMENTS.get(metric, {}),
            )
        yield call(
            Scope.ONE_CONVERSATION, "response_matrix", for_conversation=subjects.conversation
        )
        for scope, narrowed in (
            (Scope.ONE_CONVERSATION, {"for_conversation": subjects.conversation}),
            (Scope.ONE_USER, {"for_user": subjects.user}),
        ):
            yield call(scope, "message_stats", **narrowed)
            yield call(scope, "message_timeline", "daily, UTC", **narrowed)
            yield call(scope, "message_timeline", f"daily, {_ZONE}", tz=_ZONE, **narrowed)
        yield call(Scope.ONE_CONVERSATION, "top_senders", for_conversation=subjects.conversation)
        yield call(Scope.ONE_USER, "user_activity", for_user=subjects.user)
    yield MetricCall(
        scope=Scope.ONE_CONVERSATION,
        metric="conversation_stats",
        about="conversation_stats, all time",
        days=0,
        arguments={"for_conversation": subjects.conversation},
    )
