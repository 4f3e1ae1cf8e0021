"""Where events wait while PostgreSQL is away: a stream in a Redis that loses nothing.

Most are set up as caches: they evict, or forget everything at a restart. So this one has to show
that it is not, before every group that it is given: an append-only file, and `noeviction`. (A Redis
that was restarted with another configuration looks the same from here.) And a group counts as kept
only after `WAITAOF`: the file has reached the disk.

The keys are not below `analytics:`, which is what an erasure removes as the cache.
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
# One command for many events: to pack one for each takes redis-py 30 µs, all of it on our loop.
_ADD = """
for place = 1, #ARGV, 2 do
    redis.call('XADD', KEYS[1], '*', 'id', ARGV[place], 'content', ARGV[place + 1])
end
"""
# With `appendfsync everysec` a second passes until the file is written, and a busy disk takes more.
_FSYNC_MILLISECONDS = 4000
_TIMEOUT_SECONDS = 5.0
_CONNECT_SECONDS = 1.0


class NotKeptError(Exception):
    """Redis did not confirm that it keeps the events."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in the stream, under the name by which it is removed."""

    name: bytes
    row: Row


class Queue:
    """The stream; every failure is a `NotKeptError`, and no call takes longer than some seconds."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._redis = Redis.from_url(
            url.reveal(),
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    async def prove(self) -> None:
        """Make sure that it is there and durable.

        Raises:
            NotKeptError: it is not, and why.
        """
        try:
            found = await self._redis.config_get("appendonly", "maxmemory-policy")
        except (RedisError, OSError) as error:
            raise self._not_kept(error) from None
        if found.get("appendonly") != "yes":
            raise NotKeptError("it has no append-only file (appendonly yes)")
        if found.get("maxmemory-policy") != "noeviction":
            raise NotKeptError("it may evict what it holds (maxmemory-policy noeviction)")

    async def keep(self, rows: list[Row]) -> None:
        """Add the rows and wait until they are on its disk.

        Raises:
            NotKeptError: that is not certain.
        """
        await self.prove()
        words = [word for row in rows for word in (row.id, row.content)]
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.eval(_ADD, 1, _WAITING, *words)
                pipeline.execute_command("WAITAOF", 1, 0, _FSYNC_MILLISECONDS)
                answers = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise self._not_kept(error) from None
        written, _replicas = answers[-1]
        if written != 1:
            raise NotKeptError("its append-only file was not written in time")

    async def oldest(self, number: int) -> list[Waiting]:
        """So many of the events that wait, from the oldest on.

        Raises:
            NotKeptError: it does not answer.
        """
        try:
            found = await self._redis.xrange(_WAITING, count=number)
        except (RedisError, OSError) as error:
            raise self._not_kept(error) from None
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
        return [
            Waiting(name, Row(fields[b"id"].decode(), fields[b"content"]))
            for name, fields in entries
        ]

    async def remove(self, entries: list[Waiting], *, refused: bool = False) -> None:
        """Take out what PostgreSQL has, or put aside what it has refused, for people to look at.

        Raises:
            NotKeptError: it does not answer; then they are written again, which changes nothing.
        """
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for entry in entries if refused else ():
                    pipeline.xadd(_REFUSED, {"id": entry.row.id, "content": entry.row.content})
                pipeline.xdel(_WAITING, *[entry.name for entry in entries])
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise self._not_kept(error) from None

    async def depth(self) -> int:
        """How many events wait.

        Raises:
            NotKeptError: it does not answer.
        """
        try:
            return int(await self._redis.xlen(_WAITING))
        except (RedisError, OSError) as error:
            raise self._not_kept(error) from None

    async def close(self) -> None:
        """Let the connections go."""
        await self._redis.aclose()

    def _not_kept(self, error: Any) -> NotKeptError:
        return NotKeptError(self._url.redact(str(error) or type(error).__name__))
