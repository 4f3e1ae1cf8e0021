"""Reads the stream of recent events (`api.events.feed`) on from where it was read before.

The stream is capped: what comes faster than it is read passes by. That shows when the event that
was read last is not in it any more, and has others before it. The stream may also be removed by an
erasure, or replaced; its ids then begin again, and it is read from its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from api.deployment import Deployment
from api.events.event import EventType
from api.events.feed import LENGTH, open_seal
from olap.redis_urls import close_redis, open_redis
from olap.secret import Secret

_TIMEOUT_SECONDS = 0.5
# Some 5 ms of the event loop.
_AT_ONCE = 250
_BEGINNING = (0, 0)
# One command, so that nothing is added between its parts.
_READ = """
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local new = redis.call('XREAD', 'COUNT', ARGV[2], 'STREAMS', KEYS[1], ARGV[1])
return {
    redis.call('XLEN', KEYS[1]),
    first[1] and first[1][1] or '0-0',
    last[1] and last[1][1] or '0-0',
    new and new[1] and new[1][2] or {}
}
"""


class _Counted(msgspec.Struct):
    """What of an event is counted."""

    event_type: EventType
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Read:
    """What was read.

    Attributes:
        events: the second and the type of each event, in the order of the stream.
        has_gap: whether events before them were not seen.
        is_new: whether it is read from its beginning, so what was read before does not count.
        is_all: whether there is nothing more at present.
    """

    events: list[tuple[int, str]]
    has_gap: bool
    is_new: bool
    is_all: bool


class RecentEvents:
    """The stream of recent events; one connection, opened by the first `read`."""

    def __init__(self, url: Secret, deployment: Deployment, secret: bytes) -> None:
        self._redis = open_redis(url, seconds=_TIMEOUT_SECONDS)
        self._deployment = deployment
        self._seal = open_seal(secret)
        self._decode = msgspec.json.Decoder(_Counted).decode
        self._cursor = _BEGINNING
        self._is_begun = False

    async def read(self) -> Read | None:
        """Read on; None while the name of the stream is not known.

        Raises:
            FAULTS: Redis does not answer as Redis does.
        """
        keys = self._deployment.keys
        if keys is None:
            return None
        stream, before = keys.recent_events, self._cursor
        found: Any = await self._redis.eval(_READ, 1, stream, f"{before[0]}-{before[1]}", _AT_ONCE)
        length, first, last, entries = int(found[0]), _id(found[1]), _id(found[2]), found[3]
        if last < before:  # it was removed or replaced
            self._rewind()
            again = await self.read()
            return again and replace(again, has_gap=True)
        events = [event for _, fields in entries if (event := self._event(stream, fields))]
        if entries:
            self._cursor = _id(entries[-1][0])
        is_new, self._is_begun = not self._is_begun, True
        return Read(
            events,
            has_gap=length >= LENGTH if before == _BEGINNING else first > before,
            is_new=is_new,
            is_all=self._cursor >= last,
        )

    def _rewind(self) -> None:
        """Read it from its beginning."""
        self._cursor = _BEGINNING
        self._is_begun = False

    async def close(self) -> None:
        """Disconnect."""
        await close_redis(self._redis)

    def _event(self, stream: str, fields: list[bytes]) -> tuple[int, str] | None:
        """The second and the type of an event; None if it is not one of ours."""
        if len(fields) != 2 or fields[0] != b"event":
            return None
        content = self._seal.open(stream, fields[1])
        if content is None:
            return None
        try:
            event = self._decode(content)
        except msgspec.MsgspecError:  # of another version of the API
            return None
        return int(event.created_at.timestamp()), event.event_type.value


def _id(text: bytes) -> tuple[int, int]:
    """The two numbers of an id, by which ids are ordered."""
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)
