"""What the bench asks of the metrics: who asks, about what, over how many days.

The people and conversations are the liveliest there are; the member is the one whose conversations
are nearest to two thousand, as many as the goal names.
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
EVERY_METRIC = (
    *COUNTERS_AND_RANKINGS,
    "message_timeline",
    "user_activity",
    "conversation_stats",
)
_SORTS = ("messages", "participants", "activity")
_ZONES = (("daily", "Europe/Berlin"), ("hourly", "Asia/Kathmandu"))


class Asker(StrEnum):
    """Whose question it is; goals are stated by them."""

    ADMINISTRATOR = "administrator"
    ONE_CONVERSATION = "one conversation"
    ONE_USER = "one user"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question.

    Attributes:
        about: the metric and what tells this question from others of it, in words.
        days: the length of its window, which ends at `until`.
    """

    asker: Asker
    metric: str
    about: str
    days: int
    arguments: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """Who and what the questions are about.

    Attributes:
        until: the end of every window: data_through, unless the messenger has been silent since.
        user, conversation: with the most messages of the last year.
        member: one who takes part in about `MEMBER_CONVERSATIONS`; in how many says
            `member_conversations`.
    """

    until: datetime
    user: Any
    conversation: Any
    member: Any
    member_conversations: int


def subjects_of(published: duckdb.DuckDBPyConnection) -> Subjects:
    """Choose them from a generation."""

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
        from core.participants
        inner join core.users using (user_key)
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


def questions(subjects: Subjects, windows: Sequence[int]) -> Iterator[Asked]:
    """Every question, over each window of so many days."""
    for days in windows:
        since = {"since": subjects.until - timedelta(days=days)}

        def ask(asker: Asker, metric: str, detail: str = "", /, **arguments: Any) -> Asked:
            return Asked(
                asker=asker,
                metric=metric,
                about=f"{metric} {detail}".strip(),
                days=days,  # noqa: B023
                arguments=since | arguments,  # noqa: B023
            )

        for asker, seen in (
            (Asker.ADMINISTRATOR, {}),
            (Asker.MEMBER, {"visible_to": subjects.member}),
        ):
            for metric in _COUNTERS:
                yield ask(asker, metric, **seen)
            yield ask(asker, "top_senders", **seen)
            for order in _SORTS:
                yield ask(asker, "top_conversations", f"by {order}", sort_by=order, **seen)
            for every, zone in _ZONES:
                detail = f"{every}, {zone}"
                yield ask(asker, "message_timeline", detail, every=every, tz=zone, **seen)
        for asker, narrowed in (
            (Asker.ONE_CONVERSATION, {"for_conversation": subjects.conversation}),
            (Asker.ONE_USER, {"for_user": subjects.user}),
        ):
            yield ask(asker, "message_stats", **narrowed)
            yield ask(asker, "message_timeline", "daily, UTC", **narrowed)
        yield ask(Asker.ONE_CONVERSATION, "top_senders", for_conversation=subjects.conversation)
        yield ask(Asker.ONE_USER, "user_activity", for_user=subjects.user)
    yield Asked(
        asker=Asker.ONE_CONVERSATION,
        metric="conversation_stats",
        about="conversation_stats, all time",
        days=0,
        arguments={"for_conversation": subjects.conversation},
    )
