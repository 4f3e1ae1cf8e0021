"""The fast path: requests whose answer is in memory are answered before Litestar's routing.

An open dashboard sends the same request again and again. What a URL asks, a query or a batch of
them, is kept by role, subject, URL and accepted format; from then on such a request costs two
dictionary lookups, and no parameter is parsed. Whether the answer is still valid is not kept but
checked each time: its key begins with the generation that serves at this moment.

It takes a third of the processor time that the same answer takes through Litestar's routing: 30 µs
instead of 95 µs, and with the HTTP server 200 µs instead of 275 µs. Authentication and rate limits
come before it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

from litestar import Response
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send

from api.auth import PUBLIC, Principal
from api.bounded import Bounded
from api.cache import SOURCE, Entry, Source
from api.negotiation import Coding, is_known, read_headers
from api.schemas import Format
from api.service import AnalyticsService, Asked

T = TypeVar("T")

_BYTES_MAX = 8_000_000  # some 6,000 requests of the usual length
_QUERY_BYTES = 500  # what a query takes besides its key

_Request = tuple[str, str, str, bytes, Format]


class FastPath:
    """What recent requests asked, bounded in bytes: clients choose what a URL contains."""

    def __init__(self) -> None:
        self._asked: Bounded[_Request, Asked] = Bounded(_BYTES_MAX, _weight)

    def get(self, scope: Scope, accepts: Format) -> Asked | None:
        """What a request asks, if the same request was answered before."""
        return self._asked.get(_request_of(scope, accepts))

    def put(self, scope: Scope, accepts: Format, asked: Asked) -> None:
        """Keep what a request asks."""
        self._asked.put(_request_of(scope, accepts), asked)

    def by_key(self) -> dict[str, Asked]:
        """What was asked, by the keys of the answers."""
        return {asked.key: asked for asked in self._asked.values()}


def _weight(request: _Request, asked: Asked) -> int:
    _, subject, path, query_string, _ = request
    queries = sum(len(query.key) + _QUERY_BYTES for query in asked.queries)
    return len(subject) + len(path) + len(query_string) + queries


def _request_of(scope: Scope, accepts: Format) -> _Request:
    principal: Principal = scope["user"]
    return principal.role, principal.subject, scope["path"], scope["query_string"], accepts


class FastPathMiddleware:
    """Answers from memory, or continues.

    It is not Litestar's `ASGIMiddleware`, which takes a microsecond to find what is excluded.
    """

    def __init__(self, fast_path: FastPath, service: AnalyticsService) -> None:
        self._fast_path = fast_path
        self._service = service

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """The application that passes to this one what is not in memory."""

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            if scope.get("method") == "GET" and PUBLIC not in scope["route_handler"].opt:
                accepts, known = read_headers(scope)
                asked = self._fast_path.get(scope, accepts.format)
                entry = None if asked is None else self._service.cached(asked)
                if entry is not None:
                    await send_entry(scope, send, entry, Source.HIT, accepts.coding, known)
                    return
            await app(scope, receive, send)

        return answered


class EntryResponse(Response[T]):
    """A cached or computed answer, as Litestar's handlers return it."""

    def __init__(self, entry: Entry, source: Source, coding: Coding, known: bytes) -> None:
        super().__init__(content=None, status_code=entry.status)  # type: ignore[arg-type]
        self._entry = entry
        self._source = source
        self._coding = coding
        self._known = known

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """The application that sends the bytes of the answer, and nothing else."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send_entry(scope, send, self._entry, self._source, self._coding, self._known)

        return app


async def send_entry(
    scope: Scope, send: Send, entry: Entry, source: Source, coding: Coding, known: bytes
) -> None:
    """Send an answer, or 304 if the client has it.

    Args:
        known: the value of `If-None-Match`; empty without one.
    """
    scope["state"][SOURCE] = source
    found = entry.representation(coding)
    status, headers, body = entry.status, found.headers, found.body
    if status == HTTPStatus.OK and known and is_known(found.tag, known):
        status, headers, body = HTTPStatus.NOT_MODIFIED.value, found.headers_unchanged, b""
    if source is not Source.HIT:
        headers = [pair for pair in headers if pair[0] != b"x-cache"]
        headers.append((b"x-cache", source.encode()))
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": status,
        "headers": headers,
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
