"""Where events wait while PostgreSQL is away: streams in a Redis that loses nothing.

Most Redis servers are set up as caches: they evict, or lose everything at a restart. So before each
group this one must show that it does not: it has an append-only file, and `noeviction`. (A Redis
that was restarted with another configuration looks the same.) A group counts as stored only after
`WAITAOF`: the file is on the disk. It must be one server: a failover promotes a replica that may
lack what the old one had confirmed.

Streams are named by the deployment, so that no other one moves its events into its own PostgreSQL.
An erasure does not remove them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from api.events.event import Row
from olap.redis_keys import RedisKeys
from olap.redis_urls import FAULTS, close_redis, open_redis
from olap.secret import Secret

# One command for many events: packing a command takes redis-py 30 µs of the event loop.
_ADD = """
for place = 1, #ARGV, 2 do
    redis.call('XADD', KEYS[1], '*', 'id', ARGV[place], 'content', ARGV[place + 1])
end
"""
# A script ends with its first error; a transaction would go on, and remove what was not kept.
_REFUSE = """
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
redis.call('XDEL', KEYS[1], ARGV[1])
"""
# With `appendfsync everysec` the file is written after a second, on a busy disk later.
_FSYNC_MILLISECONDS = 4000
_TIMEOUT_SECONDS = 5.0
# The packet that opens a connection is sent again after one second if it is lost.
_CONNECT_SECONDS = 2.0


class NotStoredError(Exception):
    """Redis did not confirm that it has stored the events."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in a stream, with the name by which it is removed.

    Attributes:
        fields: as Redis has them.
        row: None if the entry is no event.
    """

    name: bytes
    fields: dict[bytes, bytes]
    row: Row | None


class Queue:
    """The streams; every failure is a `NotStoredError`, after some seconds at most."""

    def __init__(self, url: Secret) -> None:
        """Nothing is connected."""
        self._url = url
        self._redis = open_redis(
            url,
            seconds=_TIMEOUT_SECONDS,
            connect_seconds=_CONNECT_SECONDS,
            variable="EVENTS_REDIS_URL",
        )

    async def require_durable(self) -> None:
        """Require that it is available and durable.

        Raises:
            NotStoredError: it is not; the message says why.
        """
        try:
            found = await self._redis.config_get("appendonly", "maxmemory-policy")
            is_durable = found.get("appendonly") == "yes"
            may_evict = found.get("maxmemory-policy") != "noeviction"
        except FAULTS as error:
            raise self._not_stored(error) from None
        if not is_durable:
            raise NotStoredError("it has no append-only file (appendonly yes)")
        if may_evict:
            raise NotStoredError("it may evict what it holds (maxmemory-policy noeviction)")

    async def append(self, keys: RedisKeys, rows: list[Row]) -> None:
        """Add the rows to the deployment's stream and wait until they are on its disk.

        Raises:
            NotStoredError: that is not certain.
        """
        await self.require_durable()
        words = [word for row in rows for word in (row.id, row.content)]
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.eval(_ADD, 1, keys.waiting_events, *words)
                pipeline.execute_command("WAITAOF", 1, 0, _FSYNC_MILLISECONDS)
                answers = await pipeline.execute()
            written, _replicas = answers[-1]
        except FAULTS as error:
            raise self._not_stored(error) from None
        if written != 1:
            raise NotStoredError("its append-only file was not written in time")

    async def oldest(self, stream: str, number: int) -> list[Waiting]:
        """The oldest of the events that wait in a stream.

        Raises:
            NotStoredError: it does not answer.
        """
        try:
            found = await self._redis.xrange(stream, count=number)
            entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
            return [Waiting(name, fields, _row_of(fields)) for name, fields in entries]
        except FAULTS as error:
            raise self._not_stored(error) from None

    async def remove(self, stream: str, entries: list[Waiting]) -> None:
        """Remove events that PostgreSQL has.

        Raises:
            NotStoredError: it does not answer; the events are then written again, which changes
                nothing.
        """
        try:
            await self._redis.xdel(stream, *[entry.name for entry in entries])
        except FAULTS as error:
            raise self._not_stored(error) from None

    async def refuse(self, stream: str, entry: Waiting, refused: str) -> None:
        """Move an event that PostgreSQL can never store to the stream of the refused ones.

        Raises:
            NotStoredError: it does not answer, or the event cannot be there; it stays.
        """
        words = [word for field in entry.fields.items() for word in field]
        try:
            await self._redis.eval(_REFUSE, 2, stream, refused, entry.name, *words)
        except FAULTS as error:
            raise self._not_stored(error) from None

    async def depth(self, stream: str) -> int:
        """The number of events that wait in a stream.

        Raises:
            NotStoredError: it does not answer.
        """
        try:
            return int(await self._redis.xlen(stream))
        except FAULTS as error:
            raise self._not_stored(error) from None

    async def close(self) -> None:
        """Disconnect."""
        await close_redis(self._redis)

    def _not_stored(self, error: Any) -> NotStoredError:
        return NotStoredError(self._url.redact(str(error) or type(error).__name__))


def _row_of(fields: dict[bytes, bytes]) -> Row | None:
    """The event in these fields; None if there is none."""
    try:
        return Row(fields[b"id"].decode(), fields[b"content"])
    except (KeyError, UnicodeDecodeError):
        return None
