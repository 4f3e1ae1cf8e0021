"""The parameters of the endpoints, each said once: its type, its limits, and what it means."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec.enums import OpenAPIFormat
from litestar.params import PathParameter, QueryParameter

from api import windows
from api.answers import Format
from api.ids import Id, parse_id
from api.problems import bad_parameter
from api.windows import Period
from olap.tables import MESSENGER_IDS


class Every(StrEnum):
    """How long the buckets of a timeline are."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Ranking(StrEnum):
    """What makes a conversation lively."""

    MESSAGES = "messages"
    PARTICIPANTS = "participants"
    ACTIVITY = "activity"


Start = Annotated[
    str | None,
    QueryParameter(
        description="First instant, with an offset (2026-11-01T08:00:00+01:00), or a date: local "
        "midnight in tz. Instead of days."
    ),
]
End = Annotated[
    str | None,
    QueryParameter(
        description="First instant after the period, with an offset, or a date, which is "
        "included. Through when there are data, unless given."
    ),
]
Tz = Annotated[
    str,
    QueryParameter(description="IANA time zone of dates and of buckets, such as Europe/Berlin."),
]
Bots = Annotated[bool, QueryParameter(description="Whether programs count as people.")]
Pin = Annotated[
    int | None,
    QueryParameter(
        ge=1,
        le=2**53,
        description="Number of the generation to ask: the current one or the one before. Any "
        "other is 410.",
    ),
]
Form = Annotated[Format, QueryParameter(name="format", description="JSON, or its rows as CSV.")]
Days90 = Annotated[
    int | None,
    QueryParameter(ge=1, le=90, description="Days of 24 hours back from the end; 7 unless given."),
]
Days365 = Annotated[
    int | None,
    QueryParameter(
        ge=1, le=365, description="Days of 24 hours back from the end; 30 unless given."
    ),
]


Hours = Annotated[
    int, QueryParameter(ge=1, le=8760, description="Hours before `data_through`, 8760 at most.")
]
Interval = Annotated[
    Every,
    QueryParameter(description="How long a bucket is, by the clock of tz; weeks from Monday."),
]
Limit100 = Annotated[int, QueryParameter(ge=1, le=100, description="How many people at most.")]
Limit50 = Annotated[int, QueryParameter(ge=1, le=50, description="How many conversations at most.")]
SortBy = Annotated[
    Ranking,
    QueryParameter(
        description="By messages, by people who wrote, or by messages per person (activity)."
    ),
]
# How ids look, for the document; `id_of` is what checks them.
_USER_ID = {"pattern": "^(0|-?[1-9][0-9]{0,17})$"}
_CONVERSATION_ID = {"format": OpenAPIFormat.UUID}
ConversationFilter = Annotated[
    str | None, QueryParameter(description="Only this conversation.", schema_extra=_CONVERSATION_ID)
]
UserFilter = Annotated[
    str | None, QueryParameter(description="Only what this person wrote.", schema_extra=_USER_ID)
]
ConversationPath = Annotated[
    str, PathParameter(description="The conversation.", schema_extra=_CONVERSATION_ID)
]
UserPath = Annotated[str, PathParameter(description="The person.", schema_extra=_USER_ID)]


def period_90(days: Days90 = None, start: Start = None, end: End = None, tz: Tz = "UTC") -> Period:
    """The period of an endpoint that looks back 7 days, and 90 at most."""
    return windows.period(days=days, start=start, end=end, tz=tz, default=7, days_max=90)


def period_365(
    days: Days365 = None, start: Start = None, end: End = None, tz: Tz = "UTC"
) -> Period:
    """The period of an endpoint that looks back 30 days, and 365 at most."""
    return windows.period(days=days, start=start, end=end, tz=tz, default=30, days_max=365)


def id_of(name: str, kind: str, text: str | None) -> Id | None:
    """The id that a parameter spells; None where it was not given.

    Raises:
        Problem: 400, it spells none.
    """
    if text is None:
        return None
    try:
        return parse_id(MESSENGER_IDS[kind], text)
    except ValueError as error:
        raise bad_parameter(name, str(error)) from None


def only_known_parameters(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard: a parameter that the endpoint does not have, or that is given twice, is an error.

    To ignore it would answer another question than the one that was asked.

    Raises:
        Problem: 400, names it.
    """
    known = _query_names(handler)
    given = Counter(name for name, _ in connection.query_params.multi_items())
    for name, times in given.items():
        if name not in known:
            raise bad_parameter(name, f"is no parameter here; there are {', '.join(sorted(known))}")
        if times > 1:
            raise bad_parameter(name, "is given more than once")


@cache
def _query_names(handler: BaseRouteHandler) -> frozenset[str]:
    """The query parameters of a handler and of what it depends on."""
    dependencies = handler.resolve_dependencies()
    names: set[str] = set()
    for parameter, field in handler.parsed_fn_signature.parameters.items():
        found = {parameter: field}
        if parameter in dependencies:
            found = dict(dependencies[parameter].parsed_fn_signature.parameters)
        for name, one in found.items():
            if isinstance(one.kwarg_definition, QueryParameter):
                names.add(one.kwarg_definition.name or name)
    return frozenset(names)
