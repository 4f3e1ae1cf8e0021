"""Sends a client what is new until its connection ends; the same for streams and WebSockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from api import telemetry
from api.auth import Principal
from api.live.hub import End, Listener, Message
from olap.log import get_logger

log = get_logger(__name__)

BEAT_SECONDS = 15.0
OPEN_SECONDS = 3600.0


@asynccontextmanager
async def ending_with(
    client: Callable[[], Awaitable[End]], listener: Listener
) -> AsyncIterator[None]:
    """Within the block the connection also ends when the client ends it.

    Args:
        client: waits until the client does, and returns how.
    """

    async def finish() -> None:
        listener.finish(await client())

    waiting = asyncio.create_task(finish(), name="client of a stream")
    try:
        yield
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


async def deliver_until_end(
    listener: Listener,
    principal: Principal,
    *,
    kind: str,
    send: Callable[[Sequence[Message]], Awaitable[None]],
    beat: Callable[[], Awaitable[None]],
) -> End:
    """Send a client all that is new; returns why that ended, which is also logged.

    Args:
        kind: of the connection, for the log and the metrics.
        send: sends messages; it waits while the client does not read them.
        beat: sends something without a meaning, so that proxies keep the connection.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    left = principal.expires_at - time.time()
    last = begun + min(left, OPEN_SECONDS)
    at_last = End.EXPIRED if left < OPEN_SECONDS else End.COMPLETE
    next_beat = begun + BEAT_SECONDS
    with telemetry.STREAMS.labels(kind).track_inprogress():
        while listener.end is None:
            if news := listener.news():
                await send(news)
                continue
            now = loop.time()
            if now >= last:
                listener.finish(at_last)
            elif now >= next_beat:
                next_beat = now + BEAT_SECONDS
                await beat()
            else:
                await listener.wait(min(last, next_beat) - now)
    log.info(
        "stream.ended",
        kind=kind,
        role=principal.role.value,
        seconds=round(loop.time() - begun, 1),
        reason=listener.end.value,
    )
    return listener.end
