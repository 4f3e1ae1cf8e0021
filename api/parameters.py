"""The parameters of the endpoints, each declared once: its type, its limits, and its meaning.

Litestar validates them by these declarations and writes them into the OpenAPI document.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from litestar.params import PathParameter, QueryParameter

from api.schemas import Format, IdOf
from olap.ids import Id


class Every(StrEnum):
    """The length of a timeline's buckets."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Ranking(StrEnum):
    """What conversations are ranked by."""

    MESSAGES = "messages"
    PARTICIPANTS = "participants"
    ACTIVITY = "activity"


Start = Annotated[
    str | None,
    QueryParameter(
        description="Start of the period, instead of days: an instant with an offset "
        "(2026-11-01T08:00:00+01:00), or a date, which is local midnight in tz."
    ),
]
End = Annotated[
    str | None,
    QueryParameter(
        description="End of the period, which excludes it: an instant with an offset. A date "
        "includes that day. Default: data_through."
    ),
]
Tz = Annotated[
    str,
    QueryParameter(description="IANA time zone of dates and buckets, such as Europe/Berlin."),
]
Bots = Annotated[bool, QueryParameter(description="Whether bots count as people.")]
Pin = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=2**53,
        description="Number of the generation to read: the current one or the one before it. Any "
        "other number returns 410 Gone.",
    ),
]
Form = Annotated[Format, QueryParameter(name="format", description="JSON, or the rows as CSV.")]
Days90 = Annotated[
    int | None,
    QueryParameter(ge=1, le=90, description="Length of the period in days of 24 hours, default 7."),
]
Days365 = Annotated[
    int | None,
    QueryParameter(
        ge=1, le=365, description="Length of the period in days of 24 hours, default 30."
    ),
]
Hours = Annotated[
    int, QueryParameter(ge=1, le=8760, description="Hours before data_through, at most 8760.")
]
Interval = Annotated[
    Every,
    QueryParameter(description="Length of a bucket in local time of tz; weeks begin on Monday."),
]
Limit100 = Annotated[int, QueryParameter(ge=1, le=100, description="Maximum number of people.")]
Limit50 = Annotated[
    int, QueryParameter(ge=1, le=50, description="Maximum number of conversations.")
]
SortBy = Annotated[
    Ranking,
    QueryParameter(
        description="Rank by messages, by people who wrote, or by messages per person (activity)."
    ),
]
# Ids arrive as text; `query.Parameters.with_ids` validates them and replaces the text by the id.
if TYPE_CHECKING:
    ConversationFilter = Id | None
    UserFilter = Id | None
    ConversationPath = Id
    UserPath = Id
else:
    _USER_ID = IdOf("user", is_text=True)
    _CONVERSATION_ID = IdOf("conversation", is_text=True)
    ConversationFilter = Annotated[
        Any, QueryParameter(description="Only this conversation."), _CONVERSATION_ID
    ]
    UserFilter = Annotated[
        Any, QueryParameter(description="Only messages from this person."), _USER_ID
    ]
    ConversationPath = Annotated[
        Any, PathParameter(description="The conversation."), _CONVERSATION_ID
    ]
    UserPath = Annotated[Any, PathParameter(description="The person."), _USER_ID]
