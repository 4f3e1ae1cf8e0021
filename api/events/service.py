"""The parts of the events together, and their lifetime: that of the application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from api.background import Supervisor
from api.deployment import Deployment
from api.events.event import read_events, rows_of
from api.events.feed import Feed
from api.events.queue import Queue
from api.events.writer import Writer
from api.seal import secret_of
from olap.ids import Id, parse_id
from olap.mapping import read_mapping
from olap.settings import Settings


class Events:
    """Receives events, and shows the most recent ones.

    Attributes:
        ids: the types of the messenger's ids.
    """

    def __init__(self, settings: Settings, deployment: Deployment) -> None:
        """Nothing is opened before `running`; the mapping must have a sink."""
        mapping = read_mapping(settings.source_mapping)
        assert mapping.events_sink is not None
        self.ids = mapping.ids
        url = settings.events_database_url or settings.database_url
        queue_url = settings.events_redis_url
        self._queue = None if queue_url is None else Queue(queue_url)
        self._feed = Feed(settings.redis_url, deployment, secret_of(settings))
        self._writer = Writer(
            url,
            mapping.events_sink,
            self._queue,
            self._feed,
            deployment,
            moves_unnamed=settings.events_move_unnamed,
        )

    async def receive(self, body: bytes, now: datetime) -> list[Id]:
        """Store the events of a request; returns their ids when they are on a disk.

        Args:
            now: the time of the events, aware.

        Raises:
            UnusableError: the body is not an event or a list of events.
            UnavailableError: it is not certain that they are stored.
            RefusedError: PostgreSQL will never store one of them.
        """
        rows = rows_of(read_events(body, self.ids), now)
        await self._writer.accept(rows)
        return [parse_id(self.ids.event, row.id) for row in rows]

    async def newest(self, number: int) -> list[bytes] | None:
        """The newest events as JSON, newest first; None if Redis does not answer."""
        return await self._feed.newest(number)

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Within the block events are received; at its end the received ones are written."""
        async with AsyncExitStack() as stack:
            if self._queue is not None:
                stack.push_async_callback(self._queue.close)
            stack.push_async_callback(self._feed.close)
            stack.push_async_callback(self._writer.disconnect)
            for name, work in (
                ("feed", self._feed.run),
                ("event queue", self._writer.maintain),
                ("event writer", self._writer.run),
            ):
                await stack.enter_async_context(supervisor.running(name, work))
            stack.push_async_callback(self._writer.close)
            yield
