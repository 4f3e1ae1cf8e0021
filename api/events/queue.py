"""Where events wait while PostgreSQL is away: a stream in a Redis that loses nothing.

Most Redis servers are set up as caches: they evict, or lose everything at a restart. So before each
group this one must show that it does not: it has an append-only file, and `noeviction`. (A Redis
that was restarted with another configuration looks the same.) A group counts as stored only after
`WAITAOF`: the file is on the disk.

The keys do not begin with `analytics:`, so an erasure does not remove them with the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.events.event import Row
from olap.settings import Secret

_WAITING = "analytics-events:waiting"
_REFUSED = "analytics-events:refused"
# One command for many events: packing a command takes redis-py 30 µs of the event loop.
_ADD = """
for place = 1, #ARGV, 2 do
    redis.call('XADD', KEYS[1], '*', 'id', ARGV[place], 'content', ARGV[place + 1])
end
"""
# With `appendfsync everysec` the file is written after a second, on a busy disk later.
_FSYNC_MILLISECONDS = 4000
_TIMEOUT_SECONDS = 5.0
_CONNECT_SECONDS = 1.0


class NotStoredError(Exception):
    """Redis did not confirm that it has stored the events."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in the stream, with the name by which it is removed."""

    name: bytes
    row: Row


class Queue:
    """The stream; every failure is a `NotStoredError`, and no call takes more than some seconds."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._redis = Redis.from_url(
            url.reveal(),
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    async def require_durable(self) -> None:
        """Require that it is available and durable.

        Raises:
            NotStoredError: it is not; the message says why.
        """
        try:
            found = await self._redis.config_get("appendonly", "maxmemory-policy")
        except (RedisError, OSError) as error:
            raise self._not_stored(error) from None
        if found.get("appendonly") != "yes":
            raise NotStoredError("it has no append-only file (appendonly yes)")
        if found.get("maxmemory-policy") != "noeviction":
            raise NotStoredError("it may evict what it holds (maxmemory-policy noeviction)")

    async def append(self, rows: list[Row]) -> None:
        """Add the rows and wait until they are on its disk.

        Raises:
            NotStoredError: that is not certain.
        """
        await self.require_durable()
        words = [word for row in rows for word in (row.id, row.content)]
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.eval(_ADD, 1, _WAITING, *words)
                pipeline.execute_command("WAITAOF", 1, 0, _FSYNC_MILLISECONDS)
                answers = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise self._not_stored(error) from None
        written, _replicas = answers[-1]
        if written != 1:
            raise NotStoredError("its append-only file was not written in time")

    async def oldest(self, number: int) -> list[Waiting]:
        """The oldest of the waiting events.

        Raises:
            NotStoredError: it does not answer.
        """
        try:
            found = await self._redis.xrange(_WAITING, count=number)
        except (RedisError, OSError) as error:
            raise self._not_stored(error) from None
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        return [
            Waiting(name, Row(fields[b"id"].decode(), fields[b"content"]))
            for name, fields in entries
        ]

    async def remove(self, entries: list[Waiting], *, refused: bool = False) -> None:
        """Remove events that PostgreSQL has; `refused` ones go to the stream of refused events.

        Raises:
            NotStoredError: it does not answer; the events are then written again, which changes
                nothing.
        """
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for entry in entries if refused else ():
                    pipeline.xadd(_REFUSED, {"id": entry.row.id, "content": entry.row.content})
                pipeline.xdel(_WAITING, *[entry.name for entry in entries])
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise self._not_stored(error) from None

    async def depth(self) -> int:
        """The number of waiting events.

        Raises:
            NotStoredError: it does not answer.
        """
        try:
            return int(await self._redis.xlen(_WAITING))
        except (RedisError, OSError) as error:
            raise self._not_stored(error) from None

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    def _not_stored(self, error: Any) -> NotStoredError:
        return NotStoredError(self._url.redact(str(error) or type(error).__name__))
