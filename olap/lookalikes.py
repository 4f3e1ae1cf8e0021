"""Numbers that look alike and differ: the pairs that a reader may take for one another, and why.

`engagement` of one week has 664 active users and `message_stats` 665 senders. Both are right, and
who sees both asks which one is wrong. Each pair is declared once, here; `sql/README.md` and the
API's `/catalog` show it at both of its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """Two numbers that are not the same.

    Attributes:
        metric, column: the one number; the newest version of the metric is meant.
        other_metric, other_column: the other number.
        reason: why they differ, in a sentence that names both.
    """

    metric: str
    column: str
    other_metric: str
    other_column: str
    reason: str

    @property
    def names(self) -> tuple[str, str]:
        """Both numbers as `metric.column`."""
        return f"{self.metric}.{self.column}", f"{self.other_metric}.{self.other_column}"

    def __str__(self) -> str:
        one, other = self.names
        return f"`{one}` and `{other}`. {self.reason}"


LOOKALIKES = (
    Lookalike(
        metric="message_stats",
        column="unique_senders",
        other_metric="engagement",
        other_column="active_users",
        reason="unique_senders are all who wrote, accounts that were deleted since then included; "
        "active_users are only those of them who are among total_users, as a rate demands.",
    ),
    Lookalike(
        metric="active_users",
        column="active_users",
        other_metric="engagement",
        other_column="active_users",
        reason="active_users of active_users are all who wrote, accounts that were deleted since "
        "then included; those of engagement are only those of them who are among total_users.",
    ),
    Lookalike(
        metric="message_stats",
        column="total_messages",
        other_metric="top_senders",
        other_column="message_count",
        reason="total_messages includes system messages, and everybody's; message_count is of one "
        "person and leaves system messages out, so even the sum over all people is lower.",
    ),
    Lookalike(
        metric="message_stats",
        column="total_messages",
        other_metric="conversation_stats",
        other_column="message_count",
        reason="With for_conversation, total_messages is of the period; message_count is of all "
        "time before its end.",
    ),
    Lookalike(
        metric="user_activity",
        column="messages_read",
        other_metric="conversation_mix",
        other_column="reads",
        reason="messages_read leaves out receipts of the person's own messages; reads are all "
        "receipts, so even the sum of messages_read over all people is lower.",
    ),
    Lookalike(
        metric="conversation_stats",
        column="participant_count",
        other_metric="top_conversations",
        other_column="participant_count",
        reason="participant_count of conversation_stats is who is present, also in silence; that "
        "of top_conversations is who wrote in the period, also if they have left.",
    ),
    Lookalike(
        metric="conversation_stats",
        column="messages_per_day",
        other_metric="top_conversations",
        other_column="messages_per_day",
        reason="messages_per_day of conversation_stats divides by the age of the conversation; "
        "that of top_conversations divides by the length of the period.",
    ),
)


def lookalikes_of(metric: str) -> tuple[Lookalike, ...]:
    """The pairs that have a number of this metric."""
    return tuple(pair for pair in LOOKALIKES if metric in (pair.metric, pair.other_metric))
