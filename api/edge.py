"""The edge: what holds for every request before it is routed, and for every answer after.

It is outside of Litestar, so that it also covers what Litestar answers by itself (404, 405), and it
is one wrapper instead of several, because each costs a cached answer a microsecond.

* A URL that is too long is refused before anything reads, remembers or logs it.
* `HEAD` is `GET` without the body, for every route: inside, there is no `HEAD`.
* Every answer has the headers of `api.headers`, those for pages of other origins, and a request id.
* A client that hangs up is the client's doing: it is logged as 499, and never as an error.
* Every request is counted and logged, once: an answer in many pieces when the first is sent, so
  that the time for which a stream is open is not taken for the time of an answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from itertools import count
from secrets import token_hex
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from api.headers import CrossOrigin, Header, of_every_answer
from api.problems import ClientGoneError, Problem, send_problem
from api.telemetry import RequestRecord

# An id of 255 characters takes up to 3 KB in a path, where each byte may be three characters.
PATH_BYTES_MAX = 4096
QUERY_BYTES_MAX = 2048
# 32 asks of 256 bytes. Longer lines are refused by proxies: nginx has 8 KB by default.
BATCH_QUERY_BYTES_MAX = 8000
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# Ids need only be different: 12 random bytes for the process, and a number.
_PROCESS_ID = token_hex(12).encode()
_NUMBERS = count()


class Edge:
    """Wraps the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        record: RequestRecord,
        cross_origin: CrossOrigin | None,
        *,
        frame_ancestors: Sequence[str] = (),
        batch_path: str,
    ) -> None:
        """Wrap an application.

        Args:
            frame_ancestors: the origins whose pages may show the API's in a frame.
            batch_path: where it answers many questions at once.
        """
        self._app = app
        self._batch_path = batch_path
        self._record = record
        self._cross_origin = cross_origin
        self._headers = of_every_answer(
            has_cors=cross_origin is not None, frame_ancestors=frame_ancestors
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, complete the answer, then count and log both."""
        if scope["type"] != ScopeType.HTTP:
            await self._open_socket(scope, receive, send)
            return
        begun = time.perf_counter()
        method: str = scope["method"]
        path, query = scope.get("raw_path") or b"", scope["query_string"]
        is_head = method == "HEAD"
        # A copy: the server reads its own scope, and sends no body for HEAD.
        inner: Scope = {**scope, "method": "GET"} if is_head else scope
        request_id, origin = _read(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        headers = [*self._headers, (b"x-request-id", request_id)]
        if origin is not None and self._cross_origin is not None:
            headers += self._cross_origin.of_answer(origin)
        status, has_begun, is_gone = 500, False, False
        is_recorded = is_complete = False

        async def send_completed(message: Message) -> None:
            nonlocal status, has_begun, is_gone, is_recorded, is_complete
            if is_complete:
                return
            if message["type"] == "http.response.start":
                status, has_begun = message["status"], True
                given = message["headers"]
                if status == 405 or method == "OPTIONS":
                    given = [_with_head(pair) for pair in given]
                message["headers"] = [*given, *headers]
            elif is_head and message["type"] == "http.response.body":
                message["body"], message["more_body"] = b"", False
                is_complete = True  # also of a stream, which has no end of its own
            try:
                await send(message)
            except OSError:  # so a server says that the client has gone
                is_gone = True
            if message.get("more_body", False) and not (is_recorded or is_gone):
                is_recorded = True
                self._record(inner, method, status, time.perf_counter() - begun)

        async def receive_unless_gone() -> Any:
            nonlocal is_gone
            message = await receive()
            if message["type"] == "http.disconnect" and not has_begun:
                is_gone = True
                raise ClientGoneError
            return message

        try:
            if method == "OPTIONS" and origin is not None and self._is_preflight(scope):
                await self._answer_preflight(send_completed, origin)
            elif len(query) > QUERY_BYTES_MAX and len(query) > (limit := self._limit_of(scope)):
                await send_problem(send_completed, too_long("query string", limit))
            # A test's client puts the query behind the path.
            elif len(path) > PATH_BYTES_MAX and len(path.partition(b"?")[0]) > PATH_BYTES_MAX:
                await send_problem(send_completed, too_long("path", PATH_BYTES_MAX))
            else:
                await self._app(inner, receive_unless_gone, send_completed)
        finally:
            if is_gone:
                status = ClientGoneError.status_code
            if not is_recorded:
                self._record(inner, method, status, time.perf_counter() - begun)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket on; its handshake is counted and logged as a request."""
        begun = time.perf_counter()
        request_id, _ = _read(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        header = (b"x-request-id", request_id)

        async def send_completed(message: Any) -> None:
            kind = message["type"]
            if kind == "websocket.accept":
                message["headers"] = [*message.get("headers", ()), header]
                status = HTTPStatus.SWITCHING_PROTOCOLS.value
            elif kind == "websocket.http.response.start":
                message["headers"] = [*message["headers"], *self._headers, header]
                status = message["status"]
            else:
                await send(message)
                return
            await send(message)
            self._record(scope, "GET", status, time.perf_counter() - begun)

        await self._app(scope, receive, send_completed)

    def _limit_of(self, scope: Scope) -> int:
        """The bytes that the query string of a request may have."""
        is_batch = scope["path"].endswith(self._batch_path)  # behind the path of a proxy
        return BATCH_QUERY_BYTES_MAX if is_batch else QUERY_BYTES_MAX

    def _is_preflight(self, scope: Scope) -> bool:
        """Whether a browser asks what a page may send; without CORS there is nothing to ask."""
        return self._cross_origin is not None and any(
            name == b"access-control-request-method" for name, _ in scope["headers"]
        )

    async def _answer_preflight(self, send: Send, origin: bytes) -> None:
        assert self._cross_origin is not None
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": HTTPStatus.NO_CONTENT.value,
            "headers": list(self._cross_origin.of_preflight(origin)),
        }
        await send(start)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _read(scope: Scope) -> tuple[bytes, bytes | None]:
    """The id of a request, the client's own if it is well-formed, and the origin of its page."""
    request_id = origin = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value
        elif name == b"origin":
            origin = value
    return request_id or b"%b%08x" % (_PROCESS_ID, next(_NUMBERS)), origin


def too_long(part: str, bytes_max: int) -> Problem:
    """414: the URL is longer than any question needs."""
    return Problem(
        HTTPStatus.REQUEST_URI_TOO_LONG, f"The {part} of a URL has at most {bytes_max} bytes."
    )


def _with_head(pair: Header) -> Header:
    """`Allow` with HEAD, which is possible where GET is."""
    name, value = pair
    is_allow = name.lower() == b"allow" and b"HEAD" not in value
    return (name, value.replace(b"GET", b"GET, HEAD")) if is_allow else pair
