"""`/kept`: what people keep, as HTTP.

A change names what it replaces: `If-None-Match: *` nothing, `If-Match` a version. Without either it
is 428, so that nobody overwrites what they have not seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, delete, get, put
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from api.auth import Principal, Role
from api.guards import only_for
from api.kept.document import OneThing, PutThing
from api.kept.store import THINGS_MAX, Store
from api.kept.templates import templates
from api.kept.things import BODY_BYTES_MAX, Template, Thing, read_thing
from api.openapi import problems_of
from api.problems import Problem, bad_parameter, unavailable
from api.service import AnalyticsService
from olap.errors import AnalyticsError, BusyError, DiskFullError
from olap.log import get_logger

log = get_logger(__name__)

T = TypeVar("T")

# Calls are short; two are enough where one waits for a lock.
_THREADS: Final = 2
_RETRY_SECONDS: Final = 2
_NO_STORE: Final = {"Cache-Control": "no-store"}


class Kept:
    """The store behind the event loop, for those whom the messenger still has.

    Args:
        directory: `STATE_DIR`.
    """

    def __init__(self, directory: Path, service: AnalyticsService) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="kept")
        self.store = Store(directory)

    def close(self) -> None:
        """Wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def run(self, principal: Principal, call: Callable[..., T], *arguments: Any) -> T:
        """What a method of the store returns for them.

        Raises:
            Problem: 403, the messenger has deleted them; what the method raises; or 503.
        """
        if principal.viewer is not None:
            await self._service.generation_for(principal.viewer, None)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, call, principal, *arguments)
        except AnalyticsError as error:
            log.error("kept.failed", error=error.message, hint=error.hint)
            raise _unavailable(error) from None


def _unavailable(error: AnalyticsError) -> Problem:
    """The error for those who can do nothing about it; the log has it for those who can."""
    match error:
        case BusyError():
            detail = "Others are saving at this moment: try again."
        case DiskFullError():
            detail = "It cannot be saved, because the disk of the server is full."
        case _:
            detail = "What people keep cannot be read or written; the log of the server says why."
    return unavailable(detail, retry_after=_RETRY_SECONDS)


class Things(msgspec.Struct, kw_only=True):
    """Views and dashboards."""

    things: list[Thing]


class Templates(msgspec.Struct, kw_only=True):
    """The dashboards that come with this version."""

    things: list[Template]


IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The version that is replaced or removed, in quotes: what ETag had.",
        pattern='^"[0-9]{1,15}"$',
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="`*` to keep a new thing.", pattern=r"^\*$"),
]
ThingId = Annotated[UUID, PathParameter(description="The thing.")]

_READS = only_for(Role.ADMIN, Role.MEMBER)
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
_MEANINGS: Final = {
    400: "A part of the body or a header cannot be used; `parameter` names it.",
    403: "The token's role does not allow this, or the messenger has deleted the member.",
    404: "It does not exist, or you may not see it.",
    409: f"There are {THINGS_MAX} things already.",
    412: "It has another version, or exists already.",
    413: f"The body is longer than {BODY_BYTES_MAX:,} bytes.",
    428: "Neither `If-Match` nor `If-None-Match` says what is replaced.",
}


@get(
    "/",
    guards=[_READS],
    summary="Your views and dashboards, and the shared ones",
    description="Your own first, each by name.",
    security=_SECURITY,
    responses=problems_of(400, 401, 403, 429, 503, meanings=_MEANINGS),
)
async def kept_things(
    request: Request[Principal, Any, Any], kept: NamedDependency[Kept]
) -> Response[Things]:
    """List the caller's things and those that are shared."""
    things = await kept.run(request.user, kept.store.visible)
    return Response(Things(things=things), headers=_NO_STORE)


@get(
    "/templates",
    guards=[_READS],
    summary="The dashboards that come with this version",
    description="To copy: the body of a `PUT` has the same form.",
    security=_SECURITY,
    responses=problems_of(400, 401, 403, 429, meanings=_MEANINGS),
)
async def kept_templates(request: Request[Principal, Any, Any]) -> Response[Templates]:
    """Show the templates for one's role."""
    return Response(Templates(things=list(templates(request.user.role))), headers=_NO_STORE)


@get(
    "/{thing_id:str}",
    guards=[_READS],
    operation_class=OneThing,
    summary="One view or dashboard",
    description="Your own, or a shared one.",
    security=_SECURITY,
    responses=problems_of(400, 401, 403, 404, 429, 503, meanings=_MEANINGS),
)
async def kept_thing(
    request: Request[Principal, Any, Any], kept: NamedDependency[Kept], thing_id: ThingId
) -> Response[Thing]:
    """Show one thing."""
    return _answer(await kept.run(request.user, kept.store.find, thing_id), HTTP_200_OK)


@put(
    "/{thing_id:str}",
    guards=[_READS],
    operation_class=PutThing,
    request_max_body_size=BODY_BYTES_MAX,
    summary="Keep a view or a dashboard, or change it",
    description="`If-None-Match: *` keeps a new one, whose id is a uuid that the client makes; "
    "`If-Match` replaces one. Administrators share theirs with everybody, and change what is "
    "shared.",
    security=_SECURITY,
    responses={
        201: ResponseSpec(Thing, description="It is kept.", generate_examples=False),
        **problems_of(400, 401, 403, 404, 409, 412, 413, 428, 429, 503, meanings=_MEANINGS),
    },
)
async def put_thing(
    request: Request[Principal, None, Any],
    kept: NamedDependency[Kept],
    thing_id: ThingId,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Thing]:
    """Keep or change one thing."""
    version = _version(if_match, if_none_match)
    new, now = read_thing(await request.body()), datetime.now(UTC)
    if version is None:
        made = await kept.run(request.user, kept.store.create, thing_id, new, now)
        return _answer(made, HTTP_201_CREATED)
    changed = await kept.run(request.user, kept.store.change, thing_id, version, new, now)
    return _answer(changed, HTTP_200_OK)


@delete(
    "/{thing_id:str}",
    guards=[_READS],
    status_code=HTTP_204_NO_CONTENT,
    summary="Remove a view or a dashboard",
    description="`If-Match` says which version.",
    security=_SECURITY,
    responses=problems_of(400, 401, 403, 404, 412, 428, 429, 503, meanings=_MEANINGS),
)
async def delete_thing(
    request: Request[Principal, None, Any],
    kept: NamedDependency[Kept],
    thing_id: ThingId,
    if_match: IfMatch = None,
) -> None:
    """Remove one thing."""
    version = _version(if_match, None)
    await kept.run(request.user, kept.store.remove, thing_id, version)


def _version(if_match: str | None, if_none_match: str | None) -> int | None:
    """The version that a change may replace; None if there must be no such thing yet.

    Raises:
        Problem: 400 or 428, the headers do not say.
    """
    if if_match is None and if_none_match is None:
        raise Problem(
            HTTPStatus.PRECONDITION_REQUIRED,
            'Say what is replaced: If-Match: "<version>", or If-None-Match: * for a new thing.',
        )
    if if_match is not None and if_none_match is not None:
        raise bad_parameter("If-Match", "and If-None-Match exclude each other: give one of them")
    return None if if_match is None else int(if_match.strip('"'))


def _answer(thing: Thing, status: int) -> Response[Thing]:
    headers = {**_NO_STORE, "ETag": f'"{thing.version}"'}
    return Response(thing, status_code=status, headers=headers)


def kept_router(kept: Kept) -> Router:
    """The handlers below `/kept`."""

    async def provide() -> Kept:
        return kept

    return Router(
        "/kept",
        route_handlers=[kept_things, kept_templates, kept_thing, put_thing, delete_thing],
        dependencies={"kept": Provide(provide)},
        tags=["kept"],
    )
