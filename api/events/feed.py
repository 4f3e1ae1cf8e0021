"""The last 10,000 events, shown to administrators; nothing is computed from them.

The requirement's Redis list is a capped stream in the cache's Redis. It may be lost, and is filled
in the background, so that it delays no event. Its key begins with `analytics:`, so an erasure
removes it with the rest of the cache.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.events.event import Row
from olap.log import get_logger
from olap.settings import Secret

log = get_logger(__name__)

LENGTH = 10_000
_STREAM = "analytics:recent-events"
# One command for many events: packing a command takes redis-py 30 µs of the event loop.
_ADD = """
for _, event in ipairs(ARGV) do
    redis.call('XADD', KEYS[1], 'MAXLEN', %d, '*', 'event', event)
end
"""
_TIMEOUT_SECONDS = 0.5
_AWAY_SECONDS = 2.0
_GROUP = 500


class Feed:
    """The stream, and the newest of the events that have not been added to it yet."""

    def __init__(self, url: Secret) -> None:
        self._redis = Redis.from_url(
            url.reveal(),
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._new: deque[bytes] = deque(maxlen=2 * _GROUP)
        self._has_new = asyncio.Event()
        self._is_away = False

    def add(self, rows: list[Row]) -> None:
        """Add these events to the stream in the background."""
        self._new.extend(row.content for row in rows)
        self._has_new.set()

    async def newest(self, number: int) -> list[bytes] | None:
        """The newest events as JSON, newest first; None if Redis does not answer."""
        try:
            found = await self._redis.xrevrange(_STREAM, count=number)
        except (RedisError, OSError):
            return None
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        return [fields[b"event"] for _, fields in entries]

    async def run(self) -> None:
        """Add new events until cancelled."""
        while True:
            await self._has_new.wait()
            self._has_new.clear()
            while self._new and await self._add_some():
                pass
            if self._is_away:
                await asyncio.sleep(_AWAY_SECONDS)

    async def close(self) -> None:
        """Try once to add what is left, and disconnect."""
        if self._new and not self._is_away:
            await self._add_some()
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _add_some(self) -> bool:
        some = [self._new.popleft() for _ in range(min(len(self._new), _GROUP))]
        was_away = self._is_away
        try:
            await self._redis.eval(_ADD % LENGTH, 1, _STREAM, *some)
            self._is_away = False
        except (RedisError, OSError) as error:
            self._is_away = True
            if not was_away:
                log.warning("events.feed_has_gaps", reason=type(error).__name__)
        if was_away and not self._is_away:
            log.info("events.feed_continues")
        return not self._is_away
