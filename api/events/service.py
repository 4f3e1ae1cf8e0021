"""The events' parts put together, and how long they live: as long as the application serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from api.background import in_background
from api.events.event import read_events, rows_of
from api.events.feed import Feed
from api.events.queue import Queue
from api.events.writer import Writer
from olap.settings import Settings


class Events:
    """What the routes ask: to take events, and to show the last ones."""

    def __init__(self, settings: Settings) -> None:
        url = settings.events_database_url or settings.database_url
        queue_url = settings.events_redis_url
        self._queue = None if queue_url is None else Queue(queue_url)
        self._feed = Feed(settings.redis_url)
        self._writer = Writer(url, self._queue, self._feed)

    async def take(self, body: bytes, now: datetime) -> list[str]:
        """Read a request's events and return their uuids when they are on a disk.

        Args:
            now: the time they are stamped with, aware.

        Raises:
            UnusableError: the body is not what it should be.
            UnavailableError: it is not certain that they are kept.
            RefusedError: PostgreSQL will never store one of them.
        """
        rows = rows_of(read_events(body), now)
        await self._writer.accept(rows)
        return [row.id for row in rows]

    async def newest(self, number: int) -> list[bytes] | None:
        """The last events as JSON, the newest first; None when Redis does not answer."""
        return await self._feed.newest(number)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the block events are taken; at its end what was taken is written."""
        async with AsyncExitStack() as stack:
            if self._queue is not None:
                stack.push_async_callback(self._queue.close)
            stack.push_async_callback(self._feed.close)
            await stack.enter_async_context(in_background(self._feed.run()))
            await stack.enter_async_context(in_background(self._writer.tend()))
            await stack.enter_async_context(in_background(self._writer.run()))
            stack.push_async_callback(self._writer.close)
            yield
