"""`POST /events` and `GET /events/recent`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from api.auth import Principal, Role, only_for
from api.events.event import EVENTS_MAX, METADATA_BYTES_MAX, EventType, UnusableError
from api.events.feed import LENGTH
from api.events.service import Events
from api.events.writer import RefusedError, UnavailableError
from api.openapi import problems_of
from api.problems import bad_parameter, unavailable
from olap.tables import MESSENGER_IDS, IdType

_BODY_BYTES_MAX = EVENTS_MAX * (METADATA_BYTES_MAX + 1024)
_RETRY_SECONDS = 2

_ID_SCHEMAS = {
    IdType.INTEGER: Schema(type=OpenAPIType.INTEGER, minimum=-(2**63), maximum=2**63 - 1),
    IdType.UUID: Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
    IdType.STRING: Schema(type=OpenAPIType.STRING, min_length=1, max_length=255),
}
_NULL = Schema(type=OpenAPIType.NULL)
EVENT_SCHEMA = Schema(
    title="Event",
    description="Something that happened in the messenger.",
    type=OpenAPIType.OBJECT,
    properties={
        "event_type": Schema(
            description="What happened.",
            type=OpenAPIType.STRING,
            enum=[kind.value for kind in EventType],
        ),
        "id": Schema(
            description="Set by the client, so that a retry is harmless; generated if missing.",
            one_of=[_ID_SCHEMAS[IdType.UUID], _NULL],
        ),
        "user_id": Schema(
            description="The user.", one_of=[_ID_SCHEMAS[MESSENGER_IDS["user"]], _NULL]
        ),
        "conversation_id": Schema(
            description="The conversation.",
            one_of=[_ID_SCHEMAS[MESSENGER_IDS["conversation"]], _NULL],
        ),
        "metadata": Schema(
            description=f"Details, at most {METADATA_BYTES_MAX} bytes of JSON.",
            type=OpenAPIType.OBJECT,
        ),
    },
    required=["event_type"],
    additional_properties=False,
)


@dataclass
class _PostEvents(Operation):
    """Describes the body, which `api.events.event` decodes instead of Litestar.

    Litestar would decode it twice, and return 500 for one that is nested too deeply.
    """

    def __post_init__(self) -> None:
        several = Schema(
            type=OpenAPIType.ARRAY, items=EVENT_SCHEMA, min_items=1, max_items=EVENTS_MAX
        )
        schema = Schema(one_of=[EVENT_SCHEMA, several])
        self.request_body = RequestBody(
            content={"application/json": OpenAPIMediaType(schema=schema)}, required=True
        )


class Accepted(msgspec.Struct):
    """The number of accepted events, and their uuids in the order of the request."""

    accepted: int
    ids: list[str]


class RecentEvents(msgspec.Struct):
    """The most recent events, newest first.

    Attributes:
        events: as they were sent, with `id` and `created_at`.
        available: false if Redis does not answer; `events` is then empty.
    """

    events: list[dict[str, Any]]
    available: bool


_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
_PROBLEMS = {
    400: "A part of the body or a parameter cannot be used; `parameter` names it.",
    503: "It is not certain that the events are stored; send the same ones again.",
}


@post(
    "/",
    status_code=HTTP_202_ACCEPTED,
    guards=[only_for(Role.ADMIN, Role.SERVICE)],
    request_max_body_size=_BODY_BYTES_MAX,
    operation_class=_PostEvents,
    summary="Track one event, or up to 1,000",
    description="Returns when the events are on a disk. An event that is sent again with its `id` "
    "is stored once. For the roles `service` and `admin`.",
    security=_SECURITY,
    responses=problems_of(400, 401, 403, 413, 429, 503, meanings=_PROBLEMS),
    tags=["events"],
)
async def post_events(
    request: Request[Principal, None, Any], events: NamedDependency[Events]
) -> Accepted:
    """Store the events of the body."""
    body = await request.body()
    try:
        ids = await events.receive(body, datetime.now(UTC))
    except UnusableError as error:
        raise bad_parameter(error.where, error.fault) from None
    except RefusedError:
        raise bad_parameter("body", "contains an event that the database cannot store") from None
    except UnavailableError as error:
        fault = f"{error} Send them again with the same ids."
        raise unavailable(fault, retry_after=_RETRY_SECONDS) from None
    return Accepted(len(ids), ids)


@get(
    "/recent",
    guards=[only_for(Role.ADMIN)],
    summary="The most recent events, newest first",
    description=f"From the last {LENGTH:,} events; for administrators. Nothing is computed from "
    "them.",
    security=_SECURITY,
    responses=problems_of(400, 401, 403, 429, meanings=_PROBLEMS),
    tags=["events"],
)
async def recent_events(
    events: NamedDependency[Events],
    limit: Annotated[
        int, QueryParameter(ge=1, le=LENGTH, description="Maximum number of events.")
    ] = 100,
) -> Response[RecentEvents]:
    """Show the most recent events."""
    newest = await events.newest(limit)
    # The events are encoded already.
    content = b'{"events":[%b],"available":%b}' % (
        b",".join(newest or ()),
        b"false" if newest is None else b"true",
    )
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})  # type: ignore[arg-type]


def events_router(events: Events) -> Router:
    """The handlers below `/events` that store and show events."""

    async def provide() -> Events:
        return events

    return Router(
        "/events",
        route_handlers=[post_events, recent_events],
        dependencies={"events": Provide(provide)},
        tags=["events"],
    )
