"""`GET /stream`: server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send

from api.auth import Principal, Role, authorization_of
from api.guards import only_for
from api.live.delivery import deliver_until_end, ending_with
from api.live.hub import End, Message
from api.live.service import Live
from api.openapi import problems_of

MEDIA_TYPE = "text/event-stream"
# A browser that is cut off tries again after so many milliseconds.
_BEGIN = b"retry: 3000\n\n"
_BEAT = b": still here\n\n"
_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx collects an answer otherwise
]
_PROBLEMS = {
    429: "Too many requests, or too many open streams: 6 of one subject; see `Retry-After`.",
    503: "No generation serves, or the server stops; see `Retry-After`.",
}
_ABOUT = """Server-sent events, for a page that follows the data. `generation`: the generation that
serves, at once and then whenever it changes: `{"generation":7,"data_through":"…Z"}`.

Administrators of a messenger that sends its events here get two more. `activity`, at once: the
events of the last 60 minutes by type, `{"minutes":[{"minute":"…Z","counts":{"message.sent":4}}],
"has_gap":false}`. `feed`: the events of a second after that, `{"second":"…Z","counts":{…},
"has_gap":false}`; a second may come in several parts, which add up. With `has_gap` some events
were not seen. Nothing is computed from them.

A comment comes every 15 seconds. The stream ends with the token and after an hour; then open the
next one. A slow client misses what has been replaced by something newer. The WebSocket `/live` is
the same: send `{"token":"…"}` first, and receive `{"event":"generation","data":{…}}`.
"""


class StreamEvent(msgspec.Struct):
    """One event of the stream; `data` is JSON."""

    event: Literal["generation", "activity", "feed"]
    data: str


@get(
    "/stream",
    guards=[only_for(Role.ADMIN, Role.MEMBER)],
    summary="What is new, as it happens",
    description=_ABOUT,
    security=[{"bearer": []}],
    responses={
        200: ResponseSpec(
            StreamEvent,
            description="Events, without an end.",
            media_type=MEDIA_TYPE,
            generate_examples=False,
        ),
        **problems_of(400, 401, 403, 429, 503, meanings=_PROBLEMS),
    },
    tags=["analytics"],
)
async def stream(
    request: Request[Principal, Any, Any], live: NamedDependency[Live]
) -> Response[Any]:
    """Send what is new until the client disconnects."""
    await live.require_generation(request.user)
    return _Stream(live)


class _Stream(Response[None]):
    """An answer that goes on."""

    def __init__(self, live: Live) -> None:
        super().__init__(content=None)
        self._live = live

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """The application that sends events."""
        return self._send_events

    async def _send_events(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Verified once more, so that no key is removed between this and the listening.
        principal = self._live.verified(authorization_of(scope))

        async def write(content: bytes) -> None:
            await send({"type": "http.response.body", "body": content, "more_body": True})

        async def send_news(news: Sequence[Message]) -> None:
            await write(b"".join([message.event for message in news]))

        async def beat() -> None:
            await write(_BEAT)

        with self._live.listening(principal) as listener:
            start: HTTPResponseStartEvent = {
                "type": "http.response.start",
                "status": 200,
                "headers": list(_HEADERS),
            }
            await send(start)
            await write(_BEGIN)
            async with ending_with(lambda: _end_of_client(receive), listener):
                end = await deliver_until_end(
                    listener, principal, kind="stream", send=send_news, beat=beat
                )
            if end is not End.GONE:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _end_of_client(receive: Receive) -> End:
    """Wait until the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return End.GONE
