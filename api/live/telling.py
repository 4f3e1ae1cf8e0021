"""Telling a client what is new until it ends: the same for a stream and for a WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from api import telemetry
from api.auth import Principal
from api.live.hub import End, Listener, Message
from olap.log import get_logger

log = get_logger(__name__)

BEAT_SECONDS = 15.0
OPEN_SECONDS = 3600.0


async def tell_until_end(
    listener: Listener,
    principal: Principal,
    *,
    kind: str,
    tell: Callable[[Sequence[Message]], Awaitable[None]],
    beat: Callable[[], Awaitable[None]],
) -> End:
    """Tell a client all that is new; returns why that ended, which is logged.

    Args:
        kind: of the connection, for the log and the metrics.
        tell: sends messages; while the client does not take them, it waits.
        beat: sends something without a meaning, after a while without a message.
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
                await tell(news)
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
