"""What comes before Litestar's machinery: requests whose answer is in memory.

A dashboard that is open on a wall asks the same thing again and again. Which `Asked` a URL means is
worked out once per URL and role and subject; from then on a request costs a look into two maps, and
nothing of its parameters is parsed. Whether the answer is still right is not remembered but asked
each time: the key begins with the generation that answers at this moment.

The caller's identity and limits have been checked when a request comes here.
"""

from __future__ import annotations

from http import HTTPStatus

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send

from api.cache import Entry, Source
from api.desk import Desk
from api.identity import Asker
from api.questions import Asked

_URLS_MAX = 8192
SOURCE = "analytics_source"

Url = tuple[str, str, str, bytes]


class Front:
    """Which question a URL means, for whom; bounded."""

    def __init__(self) -> None:
        self._asked: dict[Url, Asked] = {}

    def get(self, scope: Scope) -> Asked | None:
        """The question of a request that was answered before."""
        return self._asked.get(_url_of(scope))

    def by_key(self) -> dict[str, Asked]:
        """The questions that are remembered, by their keys."""
        return {asked.key: asked for asked in self._asked.values()}

    def put(self, scope: Scope, asked: Asked) -> None:
        """Remember what a request asked."""
        if len(self._asked) >= _URLS_MAX:
            self._asked.clear()  # rare, and cheaper than to keep an order at each hit
        self._asked[_url_of(scope)] = asked


def _url_of(scope: Scope) -> Url:
    asker: Asker = scope["user"]
    return asker.role, asker.subject, scope["path"], scope["query_string"]


class FrontMiddleware(ASGIMiddleware):
    """Answers from memory, or goes on."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = "for_anybody"

    def __init__(self, front: Front, desk: Desk) -> None:
        self._front = front
        self._desk = desk

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Answer, or let Litestar do it."""
        asked = self._front.get(scope) if scope.get("method") == "GET" else None
        entry = None if asked is None else self._desk.remembered(asked)
        if entry is None:
            await next_app(scope, receive, send)
            return
        await send_entry(scope, send, entry, Source.HIT)


async def send_entry(scope: Scope, send: Send, entry: Entry, source: Source) -> None:
    """Send an answer, or 304 where the asker has it."""
    scope["state"][SOURCE] = source
    status, headers, body = entry.status, entry.headers, entry.body
    if _has(scope, entry):
        status, headers, body = HTTPStatus.NOT_MODIFIED.value, entry.headers_unchanged, b""
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


def _has(scope: Scope, entry: Entry) -> bool:
    """Whether `If-None-Match` names this answer."""
    if entry.status != HTTPStatus.OK:
        return False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            tags = {tag.strip().removeprefix("W/") for tag in value.decode("latin-1").split(",")}
            return entry.etag in tags or "*" in tags
    return False
