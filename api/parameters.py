"""The parameters of the endpoints, each declared once: its type, its limits, and its meaning.

Litestar validates them by these declarations and writes them into the OpenAPI document.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema
from litestar.params import PathParameter, QueryParameter

from api.schemas import Format, IdForm, IdOf
from olap.ids import Id

ASKS_MAX = 32


class Every(StrEnum):
    """The length of a timeline's buckets."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class EveryDays(StrEnum):
    """The length of the buckets of a number that hours make no sense for."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Ranking(StrEnum):
    """What conversations are ranked by."""

    MESSAGES = "messages"
    PARTICIPANTS = "participants"
    ACTIVITY = "activity"


class Comparison(StrEnum):
    """Which earlier window a period is compared with."""

    PREVIOUS = "previous"
    YEAR = "year"


class ConversationType(StrEnum):
    """The types of conversations."""

    DIRECT = "direct"
    GROUP = "group"
    CHANNEL = "channel"


class DashboardTable(StrEnum):
    """The tables of a dashboard."""

    SUMMARY = "summary"
    TOP_SENDERS = "top_senders"
    MESSAGE_TIMELINE = "message_timeline"


class CatalogTable(StrEnum):
    """The tables of the catalogue."""

    METRICS = "metrics"
    LOOKALIKES = "lookalikes"


_DATE_OR_INSTANT = {
    "any_of": [
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE),
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
    ]
}
Start = Annotated[
    str | None,
    QueryParameter(
        description="Start of the period: an instant with an offset (2026-11-01T08:00:00+01:00), "
        "or a date, which is local midnight in tz. Before the end, by no more than days may be, "
        "and in the years 2 to 9998. Excludes days.",
        schema_extra=_DATE_OR_INSTANT,
    ),
]
End = Annotated[
    str | None,
    QueryParameter(
        description="End of the period, which excludes it: an instant with an offset. A date "
        "includes that day. Default: data_through, which is also the latest end: is_cut of the "
        "answer says whether it was moved there.",
        schema_extra=_DATE_OR_INSTANT,
    ),
]
Tz = Annotated[
    str,
    QueryParameter(
        description="IANA time zone of dates and buckets, such as Europe/Berlin.",
        schema_extra={"format": "iana-time-zone"},
    ),
]
Bots = Annotated[bool, QueryParameter(description="Whether bots count as people.")]
PeopleOnly = Annotated[
    bool, QueryParameter(description="Changes nothing here: bots do not count as people.")
]
Pin = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=2**53,
        description="Number of the generation to read: the current one or the one before it. Any "
        "other number returns 410 Gone.",
    ),
]
Asks = Annotated[
    list[str],
    QueryParameter(
        min_items=1,
        max_items=ASKS_MAX,
        description="A path with its query, such as /timeline?days=30; given once for each "
        "question.",
    ),
]
Form = Annotated[
    Format | None,
    QueryParameter(
        name="format", description="JSON or CSV. Default: what Accept prefers, else JSON."
    ),
]
Bom = Annotated[
    bool,
    QueryParameter(description="Whether CSV begins with a byte order mark, for Excel."),
]
Ids = Annotated[
    IdForm,
    QueryParameter(
        description="How JSON has ids that are whole numbers: text keeps those beyond 2^53 in "
        "JavaScript, which rounds such numbers. Ids that are uuids or texts are the same in both."
    ),
]
Table = Annotated[
    DashboardTable,
    QueryParameter(
        description="What CSV shows: one row of all single numbers (summary), or a list. JSON "
        "shows everything.",
    ),
]
CatalogTables = Annotated[
    CatalogTable,
    QueryParameter(description="Which list CSV shows. JSON shows both."),
]


def _days(most: int, default: str) -> Any:
    return QueryParameter(
        ge=1,
        le=most,
        description=f"Length of the period in days of 24 hours, default {default}. With whole_days "
        "local days of tz. Excludes start.",
    )


Days7UpTo90 = Annotated[int | None, _days(90, "7")]
Days7UpTo365 = Annotated[int | None, _days(365, "7")]
Days30UpTo365 = Annotated[int | None, _days(365, "30")]
Days1UpTo365 = Annotated[int | None, _days(365, "1")]
Hours = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=8760,
        description="Length of the period in hours, default 24. Excludes days, start and "
        "whole_days.",
    ),
]
WholeDays = Annotated[
    bool,
    QueryParameter(
        description="Whether the period is only whole local days of tz: days=7 are then the last 7 "
        "local days that are over, and of a period with start and end the whole days within it. "
        "It must contain one."
    ),
]
Compare = Annotated[
    Comparison | None,
    QueryParameter(
        description="Adds compared, the answer for an earlier period. previous: moved back by its "
        "number of local days of tz, to the same local time of day, so 30 days to 21:59 are "
        "compared with the 30 days before to 21:59. year: to the same local dates one year "
        "earlier; weekdays are not aligned, and 29 February is 28 February."
    ),
]
Interval = Annotated[
    Every,
    QueryParameter(description="Length of a bucket in local time of tz; weeks begin on Monday."),
]
IntervalOfDays = Annotated[
    EveryDays,
    QueryParameter(description="Length of a bucket in local time of tz; weeks begin on Monday."),
]
Limit100 = Annotated[int, QueryParameter(ge=1, le=100, description="Maximum number of people.")]
Limit50 = Annotated[
    int, QueryParameter(ge=1, le=50, description="Maximum number of conversations.")
]
Limit1000 = Annotated[
    int, QueryParameter(ge=1, le=1000, description="Maximum number of pairs of people.")
]
SortBy = Annotated[
    Ranking,
    QueryParameter(
        description="Rank by messages, by people who wrote, or by messages per person (activity)."
    ),
]
TypeFilter = Annotated[
    ConversationType | None,
    QueryParameter(
        description="Only conversations of this type. Default: all, of any type or none."
    ),
]
System = Annotated[
    bool | None,
    QueryParameter(
        description="Whether system messages count. Default: they do, except in the timeline of a "
        "person, which so sums to messages_sent."
    ),
]
SystemInAll = Annotated[bool, QueryParameter(description="Whether system messages count.")]
# Ids arrive as text; `query.Parameters.resolved` validates them and replaces the text by the id.
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
