"""The parameters of the endpoints, each said once: its type, its limits, and what it means."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from api import windows
from api.answers import Format
from api.ids import Id, parse_id
from api.problems import bad_parameter
from api.windows import Period
from olap.tables import MESSENGER_IDS

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
