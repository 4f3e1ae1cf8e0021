"""The WebSocket `/live`: the same as `/stream`, for clients that have WebSockets already.

A browser cannot send a header with a WebSocket, and a token in a URL would be in logs, so the token
is the first frame. Nothing more is expected from the client, but it is received: a WebSocket that
only sends does not notice that its client has gone.

A page of another origin may use a socket only if `CORS_ORIGINS` names it. Without cookies there is
nothing that a foreign page could use; but what such a page must not read by `fetch` it must not
read by a socket either, which no browser checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
from litestar import WebSocket, get, websocket
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.types import Send

from api import problems
from api.auth import PUBLIC, Role, require_role
from api.live.delivery import deliver_until_end, ending_with
from api.live.hub import End, Message
from api.live.service import Live
from api.problems import Problem

PATH = "/live"
# A token has at most 8,192 characters.
FRAME_BYTES_MAX = 10_000
TOKEN_SECONDS = 10.0
# The codes of a close, RFC 6455 and its registry. What HTTP answers with a status is 4000 + status.
_CODES = {
    End.UNWANTED: 1008,
    End.COMPLETE: 1000,
    End.STOPPING: 1012,
    End.EXPIRED: 4401,
    End.REVOKED: 4401,
}
_PROBLEM_CODES = 4000
_REASON_BYTES_MAX = 123


class _First(msgspec.Struct, forbid_unknown_fields=True):
    """The first frame."""

    token: str


_read_first = msgspec.json.Decoder(_First).decode


@get(PATH, opt={PUBLIC: True}, include_in_schema=False)
async def no_socket() -> NoReturn:
    """The answer to a request for `/live` that is no handshake."""
    raise Problem(
        HTTPStatus.UPGRADE_REQUIRED,
        "Open a WebSocket (version 13) here, without parameters, or ask for /stream.",
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )


@websocket(PATH, opt={PUBLIC: True})
async def live_socket(socket: WebSocket[Any, Any, Any], live: NamedDependency[Live]) -> None:
    """Send what is new until the client disconnects."""
    scope, send = socket.scope, socket.send
    if not live.may_open(scope):
        await _refuse_handshake(send, "CORS_ORIGINS does not name the origin of this page.")
        return
    await socket.accept()
    try:
        async with asyncio.timeout(TOKEN_SECONDS):
            token = _token_of(await socket.receive())
        if token is None:  # it has gone
            live.charge_anonymous(scope)
            return
        await _deliver(socket, live, token)
    except TimeoutError:
        late = Problem(HTTPStatus.REQUEST_TIMEOUT, 'Send {"token":"…"} within ten seconds.')
        await _refuse(send, live, scope, late)
    except HTTPException as error:
        await _refuse(send, live, scope, error)


async def _deliver(socket: WebSocket[Any, Any, Any], live: Live, token: str) -> None:
    send = socket.send
    authorization = f"Bearer {token}"
    principal = live.verified(authorization)
    live.charge_request(principal)
    require_role(principal, Role.ADMIN, Role.MEMBER)
    await live.require_generation(principal)
    principal = live.verified(authorization)

    async def send_news(news: Sequence[Message]) -> None:
        for message in news:
            await send({"type": "websocket.send", "text": message.frame, "bytes": None})

    async def beat() -> None:
        """Nothing: the server pings, and ends what does not answer."""

    with live.listening(principal) as listener:
        async with ending_with(lambda: _end_of_client(socket), listener):
            end = await deliver_until_end(
                listener, principal, kind="socket", send=send_news, beat=beat
            )
    if end is not End.GONE:
        await _close(send, _CODES[end], end)


def _token_of(message: Any) -> str | None:
    """The token of the first message; None if the client has gone.

    Raises:
        Problem: 400, it is something else.
    """
    if message["type"] == "websocket.disconnect":
        return None
    try:
        return _read_first(message.get("text") or message.get("bytes") or "").token
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(
            HTTPStatus.BAD_REQUEST, 'The first frame must be {"token":"…"} and nothing else.'
        ) from None


async def _end_of_client(socket: WebSocket[Any, Any, Any]) -> End:
    """Wait until the client has disconnected, or has sent another frame."""
    message = await socket.receive()
    return End.GONE if message["type"] == "websocket.disconnect" else End.UNWANTED


async def _refuse(send: Send, live: Live, scope: Any, error: HTTPException) -> None:
    """Tell a client why its socket is closed; one without a valid token is charged."""
    if error.status_code in (400, 401, 408):
        try:
            live.charge_anonymous(scope)
        except HTTPException as too_many:
            error = too_many
    problem = problems.problem_of(error, scope["path"])
    frame = b'{"event":"problem","data":%b}' % problems.body_of(problem)
    await send({"type": "websocket.send", "text": frame.decode(), "bytes": None})
    await _close(send, _PROBLEM_CODES + problem.status_code, problem.detail)


async def _close(send: Send, code: int, reason: str) -> None:
    short = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
    await send({"type": "websocket.close", "code": code, "reason": short})


async def _refuse_handshake(send: Send, detail: str) -> None:
    """Answer a handshake with 403 and a problem document."""
    problem = Problem(HTTPStatus.FORBIDDEN, detail)
    body = problems.body_of(problem)
    start: Any = {
        "type": "websocket.http.response.start",
        "status": problem.status_code,
        "headers": problems.headers_of(problem, body),
    }
    await send(start)
    end: Any = {"type": "websocket.http.response.body", "body": body, "more_body": False}
    await send(end)
