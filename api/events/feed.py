"""The last 10,000 events, shown to administrators; nothing is computed from them.

The requirement's Redis list is a capped stream in the cache's Redis. It may be lost, and is filled
in the background, so that it delays no event. Each event bears our seal (`api.seal`), and what does
not is not shown; without a secret for seals there is no feed. An erasure removes it with the cache.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from api.deployment import Deployment
from api.events.event import Row
from api.seal import Seal
from olap.log import get_logger
from olap.redis_urls import FAULTS, close_redis, open_redis
from olap.secret import Secret

log = get_logger(__name__)

LENGTH = 10_000
# After so long without a new event the stream is removed, also that of a deployment that is gone.
_KEEP_SECONDS = 30 * 86_400
# One command for many events: packing a command takes redis-py 30 µs of the event loop. What is no
# stream, or one whose last id is the greatest, would end the feed and is replaced.
_ADD = """
for place = 3, #ARGV do
    local event = ARGV[place]
    local reason = redis.pcall('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'event', event).err or ''
    if string.find(reason, 'WRONGTYPE') or string.find(reason, 'exhausted') then
        redis.call('DEL', KEYS[1])
        redis.call('XADD', KEYS[1], '*', 'event', event)
    elseif reason ~= '' then
        return redis.error_reply(reason)
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
_TIMEOUT_SECONDS = 0.5
_AWAY_SECONDS = 2.0
_UNNAMED_SECONDS = 0.5
_GROUP = 500


def open_seal(secret: bytes) -> Seal:
    """The seal of the events in the stream."""
    return Seal(secret, "recent events")


class Feed:
    """The stream, and the newest of the events that have not been added to it yet."""

    def __init__(self, url: Secret, deployment: Deployment, secret: bytes | None) -> None:
        """Nothing is connected.

        Args:
            secret: seals the events; without it none are kept.
        """
        self._redis = open_redis(url, seconds=_TIMEOUT_SECONDS)
        self._deployment = deployment
        self._seal = None if secret is None else open_seal(secret)
        self._new: deque[bytes] = deque(maxlen=2 * _GROUP)
        self._has_new = asyncio.Event()
        self._is_away = False

    def add(self, rows: list[Row]) -> None:
        """Add these events to the stream in the background."""
        if self._seal is not None:
            self._new.extend(row.content for row in rows)
            self._has_new.set()

    async def newest(self, number: int) -> list[bytes] | None:
        """The newest events as JSON, newest first; None if they are not available."""
        keys, seal = self._deployment.keys, self._seal
        if keys is None or seal is None:
            return None
        stream = keys.recent_events
        try:
            found: Any = await self._redis.xrevrange(stream, count=number)
            sealed = [fields.get(b"event", b"") for _, fields in found]
            opened = [seal.open(stream, one) for one in sealed]
        except FAULTS:
            return None
        return [event for event in opened if event is not None]

    async def run(self) -> None:
        """One round: wait for new events, and add them."""
        await self._has_new.wait()
        keys, seal = self._deployment.keys, self._seal
        if keys is None or seal is None:
            await asyncio.sleep(_UNNAMED_SECONDS)
            return
        self._has_new.clear()
        while self._new and await self._add_some(keys.recent_events, seal):
            pass
        if self._is_away:
            await asyncio.sleep(_AWAY_SECONDS)

    async def close(self) -> None:
        """Try once to add what is left, and disconnect."""
        keys = self._deployment.keys
        if self._new and keys is not None and self._seal is not None and not self._is_away:
            await self._add_some(keys.recent_events, self._seal)
        await close_redis(self._redis)

    async def _add_some(self, stream: str, seal: Seal) -> bool:
        some = [self._new.popleft() for _ in range(min(len(self._new), _GROUP))]
        was_away = self._is_away
        try:
            sealed = [seal.close(stream, one) for one in some]
            await self._redis.eval(_ADD, 1, stream, LENGTH, _KEEP_SECONDS, *sealed)
            self._is_away = False
        except FAULTS as error:
            self._is_away = True
            if not was_away:
                log.warning("events.feed_has_gaps", reason=type(error).__name__)
        if was_away and not self._is_away:
            log.info("events.feed_continues")
        return not self._is_away
