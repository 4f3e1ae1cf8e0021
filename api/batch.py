"""`GET /batch`: up to 32 questions in one request, all answered from one generation.

A page with twenty numbers sends twenty requests, and a new generation may begin between them. A
batch takes the generation once, at its start, and every answer comes from it.

An **ask** is what follows the API's prefix in the URL of a request: `/timeline?days=30`. It is read
by the route of its endpoint, with the same guard and the same parameters, so it is answered or
refused as that request would be; a refusal is the answer to that ask and spoils no other. What is
read are queries, each with its own key in the cache: a batch fills it for single requests, and they
fill it for a batch. Answers are put together as bytes.

A batch whose asks are all answered is kept in memory as a whole, too, under the keys of its
queries, so that the fast path serves it like any other answer. It is not in Redis, which has its
parts.

An ask has no `generation`, because the batch has one, and no CSV, because the batch is JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from string import printable
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils import normalize_path

from api import openapi
from api.auth import Principal, Role
from api.cache import Entry, Source
from api.edge import QUERY_BYTES_MAX, too_long
from api.fast_path import EntryResponse, FastPath
from api.generations import Generation
from api.guards import only_for
from api.negotiation import read_headers
from api.parameters import ASKS_MAX, Asks, Pin
from api.paths import path_of
from api.problems import Problem, bad_parameter, body_of, problem_of
from api.query import Query
from api.schemas import Format, to_json
from api.service import AnalyticsService, Turns
from olap.ids import Id

PATH = "/batch"
# In the `opt` of a handler: a batch may ask it.
CAN_BE_ASKED = "can_be_asked"
# In the state of a request: receives its query, and nothing is answered.
_READ = "batch_read"
_KEPT = frozenset({HTTPStatus.OK, HTTPStatus.NOT_FOUND})


class BatchAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to one ask.

    Attributes:
        status: the status that the same request has on its own.
        retry_after: seconds after which an ask with the status 429 or 503 may succeed.
        body: the body that the same request has on its own, byte by byte.
    """

    status: int
    retry_after: int | None = None
    body: Any


class BatchAnswers(msgspec.Struct, kw_only=True):
    """`GET /batch`: the answers in the order of the asks."""

    generation: int
    data_through: datetime
    answers: list[BatchAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Queries of one viewer that are answered together; it is `Asked`."""

    queries: tuple[Query, ...]
    viewer: Id | None
    pin: int | None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.blake2b("\n".join(query.key for query in self.queries).encode())
        object.__setattr__(self, "key", f"batch:{digest.hexdigest()}")


@dataclass(frozen=True, slots=True)
class _Found:
    """The answer to one ask, as bytes; without a source where it is refused."""

    status: int
    body: bytes
    source: Source | None = None
    retry_after: int | None = None


class Batches:
    """Answers batches."""

    def __init__(self, service: AnalyticsService, fast_path: FastPath) -> None:
        self._service = service
        self._fast_path = fast_path

    async def answer(
        self, request: Request[Principal, Any, Any], asks: Sequence[str], pin: int | None
    ) -> tuple[Entry, Source]:
        """The answers to all asks.

        Args:
            pin: the number of the generation that must answer; None = the one that serves.

        Raises:
            Problem: no generation answers; it says why.
        """
        principal = request.user
        generation = await self._service.generation_for(principal.viewer, pin)
        asked = [await _read(request, ask) for ask in asks]
        whole = _whole(asked, principal.viewer, pin)
        if whole is not None:
            self._fast_path.put(request.scope, read_headers(request.scope)[0].format, whole)
            kept = self._service.kept(generation, whole)
            if kept is not None:
                return kept, Source.HIT
        found = await self._answers(generation, asked, principal)
        # In a thread, because it compresses.
        entry = await asyncio.to_thread(_entry_of, generation, found)
        if whole is not None and all(one.status in _KEPT for one in found):
            self._service.keep(generation, whole, entry)
        return entry, _source_of(found)

    async def _answers(
        self, generation: Generation, asked: Sequence[Query | Problem], principal: Principal
    ) -> list[_Found]:
        """The answers in the order of the asks; equal ones are asked once."""
        turns = self._service.turns()
        queries = {one.key: one for one in asked if isinstance(one, Query)}
        found = await asyncio.gather(
            *(self._answer(generation, one, principal, turns) for one in queries.values())
        )
        by_key = dict(zip(queries, found, strict=True))
        return [by_key[one.key] if isinstance(one, Query) else _refused(one) for one in asked]

    async def _answer(
        self,
        generation: Generation,
        query: Query,
        principal: Principal,
        turns: Turns,
    ) -> _Found:
        try:
            entry, source = await self._service.answer_from(generation, query, principal, turns)
        except Exception as error:
            return _refused(problem_of(error, query.endpoint.path))
        return _Found(entry.status, entry.body, source)


def _whole(asked: Sequence[Query | Problem], viewer: Id | None, pin: int | None) -> Batch | None:
    """The batch of these asks, if none is refused."""
    queries = tuple(one for one in asked if isinstance(one, Query))
    is_whole = len(queries) == len(asked)
    return Batch(queries=queries, viewer=viewer, pin=pin) if is_whole else None


def _refused(problem: Problem) -> _Found:
    after = (problem.headers or {}).get("Retry-After")
    return _Found(
        problem.status_code, body_of(problem), retry_after=None if after is None else int(after)
    )


def _entry_of(generation: Generation, found: Sequence[_Found]) -> Entry:
    """The answers put together as bytes, without reading them."""
    answers = BatchAnswers(
        generation=generation.number,
        data_through=generation.data_through,
        answers=[
            BatchAnswer(status=one.status, retry_after=one.retry_after, body=msgspec.Raw(one.body))
            for one in found
        ],
    )
    body = to_json(answers)
    return Entry.of(f"{generation.prefix}batch", 200, Format.JSON.media_type, body)


def _source_of(found: Sequence[_Found]) -> Source:
    """Where a batch came from: from a cache only if all answers did."""
    sources = {one.source for one in found} - {None}
    return next((one for one in (Source.BYPASS, Source.MISS) if one in sources), Source.HIT)


def handler(service: AnalyticsService, fast_path: FastPath) -> HTTPRouteHandler:
    """The handler of `GET /batch`."""
    batches = Batches(service, fast_path)

    @get(
        PATH,
        guards=[
            only_for(
                Role.ADMIN,
                Role.MEMBER,
                parameters=frozenset({"ask", "generation"}),
                repeated=frozenset({"ask"}),
            )
        ],
        summary="Several questions, answered from one generation",
        description=_DESCRIPTION,
        operation_class=openapi.ReadJson,
        responses=openapi.problems_of(400, 401, 403, 410, 429, 503),
        tags=["analytics"],
    )
    async def batch(
        request: Request[Principal, Any, Any], ask: Asks, generation: Pin = None
    ) -> EntryResponse[BatchAnswers]:
        accepts, known = read_headers(request.scope)
        entry, source = await batches.answer(request, ask, generation)
        return EntryResponse(entry, source, accepts.coding, known)

    return batch


_DESCRIPTION = f"""Up to {ASKS_MAX} questions in one request; all answers are of one generation.

`ask` is given once for each: what follows `/api/v1/messenger/analytics` in its URL, percent-encoded
as one value, such as `ask=/timeline?days%3D30%26interval%3Dweekly`. Each has the status and the
body that it has on its own, and one that fails spoils no other. An ask with `generation` or
`format=csv` is 400: the batch itself has `generation`, and is JSON.
"""


def is_read(scope: Scope, query: Query) -> bool:
    """Whether a batch only wants the query of this request; it has it then."""
    wanted: list[Query] | None = scope["state"].get(_READ)
    if wanted is None:
        return False
    wanted.append(query)
    return True


class _Nothing(Response[None]):
    """The response to a request that is only read."""

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """The application that sends nothing."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            return None

        return app


NOTHING = _Nothing(None)


async def _read(request: Request[Principal, Any, Any], ask: str) -> Query | Problem:
    """The query of an ask, or why it is refused."""
    path, _, query_string = ask.partition("?")
    try:
        query = await _query_of(request, _in_ascii(path), _in_ascii(query_string))
    except Exception as error:
        return problem_of(error, path)
    if query.pin is not None:
        return bad_parameter("generation", "is of the whole batch: give it beside `ask`")
    if query.parameters.form is not Format.JSON:
        return bad_parameter("format", "is json within a batch: ask for CSV on its own")
    return query


async def _query_of(
    request: Request[Principal, Any, Any], path: bytes, query_string: bytes
) -> Query:
    """The query of an ask, as the route of its endpoint reads it."""
    if len(query_string) > QUERY_BYTES_MAX:
        raise too_long("query string", QUERY_BYTES_MAX)
    prefix, wanted = request.scope["path"].removesuffix(PATH), list[Query]()
    try:
        _, handler, matched, parameters, template = request.app.asgi_router.handle_routing(
            path=normalize_path(prefix + path_of(path)), method="GET"
        )
    except HTTPException:
        raise NotFoundException from None
    if CAN_BE_ASKED not in handler.opt:
        raise NotFoundException
    (route,) = (one for one in request.app.routes if one.path_format == template)
    scope: Any = {
        **request.scope,
        "path": matched,
        "path_params": parameters,
        "query_string": query_string,
        "headers": [],
        "route_handler": handler,
        "state": {_READ: wanted},
    }
    await route.handle(scope, request.receive, _send_nothing)
    (query,) = wanted
    return query


async def _send_nothing(_: Message) -> None:
    return None


def _in_ascii(text: str) -> bytes:
    """A part of a URL, in which other characters are percent-encoded."""
    return quote(text, safe=printable).encode()
