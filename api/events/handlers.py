"""`POST /events` and `GET /events/recent`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, NoReturn

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)
from litestar.params import QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED

from api.auth import Principal, Role
from api.events.event import (
    EVENTS_MAX,
    METADATA_BYTES_MAX,
    EventType,
    UnusableError,
    with_text_ids_of_event,
)
from api.events.feed import LENGTH
from api.events.service import Events
from api.events.writer import RefusedError, UnavailableError
from api.guards import only_for
from api.openapi import id_in_body, problems_of
from api.parameters import Ids
from api.problems import Problem, bad_parameter, unavailable
from api.schemas import EventId, IdForm
from olap.ids import IdType, IdTypes

_BODY_BYTES_MAX = EVENTS_MAX * (METADATA_BYTES_MAX + 1024)
_RETRY_SECONDS = 2


def event_schema(ids: IdTypes) -> Schema:
    """An event in a body, with ids of these types."""
    needs_id = ids.event is IdType.INTEGER
    missing = "required" if needs_id else "a uuid is generated if it is missing"
    return Schema(
        title="Event",
        description="Something that happened in the messenger.",
        type=OpenAPIType.OBJECT,
        properties={
            "event_type": Schema(
                description="What happened.",
                type=OpenAPIType.STRING,
                enum=[kind.value for kind in EventType],
            ),
            "id": id_in_body(
                ids.event, f"Set by the client, so that a retry is harmless; {missing}."
            ),
            "user_id": id_in_body(ids.user, "The user."),
            "conversation_id": id_in_body(ids.conversation, "The conversation."),
            "metadata": Schema(
                description=f"Details, at most {METADATA_BYTES_MAX} bytes of JSON without NUL.",
                type=OpenAPIType.OBJECT,
            ),
        },
        required=["event_type", "id"] if needs_id else ["event_type"],
        additional_properties=False,
    )


def _operation_of() -> type[Operation]:
    """Describes the body, which `api.events.event` decodes instead of Litestar.

    Litestar would decode it twice, and return 500 for one that is nested too deeply.
    """
    event = Reference("#/components/schemas/Event")
    several = Schema(type=OpenAPIType.ARRAY, items=event, min_items=1, max_items=EVENTS_MAX)
    content = {"application/json": OpenAPIMediaType(schema=Schema(one_of=[event, several]))}

    @dataclass
    class PostEvents(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(content=content, required=True)

    return PostEvents


class Accepted(msgspec.Struct):
    """The number of accepted events, and their ids in the order of the request."""

    accepted: int
    ids: list[EventId]


class RecentEvents(msgspec.Struct):
    """The most recent events, newest first.

    Attributes:
        events: as they were sent, with `id` and `created_at`.
        available: false if Redis does not answer; `events` is then empty.
    """

    events: list[dict[str, Any]]
    available: bool


_POSTS = only_for(Role.ADMIN, Role.SERVICE, parameters=frozenset({"ids"}))
_SEES_RECENT = only_for(Role.ADMIN, parameters=frozenset({"limit", "ids"}))
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
_PROBLEMS = {
    400: "A part of the body or a parameter cannot be used; `parameter` names it.",
    503: "It is not certain that the events are stored; send the same ones again.",
}


async def post_events(
    request: Request[Principal, None, Any],
    events: NamedDependency[Events],
    ids: Ids = IdForm.NUMBER,
) -> Accepted:
    """Store the events of the body."""
    body = await request.body()
    try:
        stored = await events.receive(body, datetime.now(UTC))
    except UnusableError as error:
        raise bad_parameter(error.where, error.fault) from None
    except RefusedError:
        raise bad_parameter("body", "contains an event that the database cannot store") from None
    except UnavailableError as error:
        fault = f"{error} Send them again with the same ids."
        raise unavailable(fault, retry_after=_RETRY_SECONDS) from None
    return Accepted(len(stored), [str(one) for one in stored] if ids is IdForm.TEXT else stored)


def _posting(ids: IdTypes) -> HTTPRouteHandler:
    return post(
        "/",
        status_code=HTTP_202_ACCEPTED,
        guards=[_POSTS],
        request_max_body_size=_BODY_BYTES_MAX,
        operation_class=_operation_of(),
        summary="Track one event, or up to 1,000",
        description="Returns when the events are on a disk. An event that is sent again with its "
        "`id` is stored once. For the roles `service` and `admin`.",
        security=_SECURITY,
        responses=problems_of(400, 401, 403, 413, 429, 503, meanings=_PROBLEMS),
        tags=["events"],
    )(post_events)


@get(
    "/recent",
    guards=[_SEES_RECENT],
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
    ids: Ids = IdForm.NUMBER,
) -> Response[RecentEvents]:
    """Show the most recent events."""
    newest = await events.newest(limit)
    if newest and ids is IdForm.TEXT:
        newest = [with_text_ids_of_event(event) for event in newest]
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
        route_handlers=[_posting(events.ids), recent_events],
        dependencies={"events": Provide(provide)},
        tags=["events"],
    )


def no_events_router(mapping: str) -> Router:
    """The same paths for a messenger that takes no events: 404 with the reason."""

    def refuse() -> NoReturn:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"This messenger takes no events: the mapping {mapping} has no sink/events.sql.",
        )

    @post("/", guards=[_POSTS])
    async def post_no_events() -> None:
        refuse()

    @get("/recent", guards=[_SEES_RECENT])
    async def no_recent_events() -> None:
        refuse()

    return Router(
        "/events", route_handlers=[post_no_events, no_recent_events], include_in_schema=False
    )
