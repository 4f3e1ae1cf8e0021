"""Writes events in groups, and answers each request when its own events are on a disk.

A group is what arrived while the group before was being written, so no timer is needed: a single
event is written at once, and groups grow with the load. If the group before takes longer than
`_GROUP_SECONDS`, the next one begins anyway, on another connection.

When PostgreSQL fails, the group goes to the queue, and so do all that follow, without another try,
until `maintain` has found that the table accepts writes again. So only the first groups wait for a
time limit.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

from api import telemetry
from api.deployment import Deployment
from api.events.event import Row
from api.events.feed import Feed
from api.events.queue import NotStoredError, Queue, Waiting
from api.events.table import AwayError, EventTable, UnstorableError
from olap.log import get_logger
from olap.redis_keys import UNNAMED_WAITING, RedisKeys
from olap.secret import Secret

log = get_logger(__name__)

_GROUP_SECONDS = 0.02
_GROUPS_AT_ONCE = 4
_GROUP_EVENTS_MAX = 5_000
_GROUP_BYTES_MAX = 16_000_000
_PENDING_EVENTS_MAX = 20_000
_PENDING_BYTES_MAX = 64_000_000
# After this time a request gets 503, even if its events are written later.
_REQUEST_SECONDS = 8.0
_CLOSE_SECONDS = 10.0
_MAINTAIN_SECONDS = 0.5
_MOVE_EVENTS = 1_000


class UnavailableError(Exception):
    """503: the events could not be confirmed; they may be sent again."""


class RefusedError(Exception):
    """400: PostgreSQL cannot store one of the events."""


@dataclass(slots=True, eq=False)
class _Request:
    """The events of one request, and the future that its handler awaits."""

    rows: list[Row]
    size: int
    arrived: float
    confirmed: asyncio.Future[None]

    def fail(self, error: Exception) -> None:
        """Raise the error in the handler, if it still waits."""
        if not self.confirmed.done():
            self.confirmed.set_exception(error)


class Writer:
    """Writes the events of this process.

    Args:
        url: PostgreSQL; without it all events are refused.
        insert: the statement that inserts events; see `EventTable`.
        queue: where events wait while PostgreSQL is away; without it they are refused then.
        feed: receives confirmed events.
        deployment: whose streams the queue has.
        moves_unnamed: also move the events of an earlier version, which named no deployment.
    """

    def __init__(
        self,
        url: Secret | None,
        insert: str,
        queue: Queue | None,
        feed: Feed,
        deployment: Deployment,
        *,
        moves_unnamed: bool = False,
    ) -> None:
        self._tables = (
            [] if url is None else [EventTable(url, insert) for _ in range(_GROUPS_AT_ONCE)]
        )
        self._moving_table = None if url is None else EventTable(url, insert)
        self._queue = queue
        self._feed = feed
        self._deployment = deployment
        self._moves_unnamed = moves_unnamed
        self._unnamed = 0
        # What the database says that it is; the first generation says the same, and comes later.
        self._database_keys: RedisKeys | None = None
        self._is_away: bool | None = None  # not known yet, so it is tried
        self._queue_fault: str | None = "not checked yet"
        self._pending: deque[_Request] = deque()
        self._pending_events = 0
        self._pending_bytes = 0
        self._has_pending = asyncio.Event()
        self._groups: set[asyncio.Task[None]] = set()
        self._is_closing = False

    async def accept(self, rows: list[Row]) -> None:
        """Return when the rows are on a disk.

        Raises:
            UnavailableError: that is not certain.
            RefusedError: PostgreSQL will never store them.
        """
        size = sum(len(row.content) for row in rows)
        if not self._tables:
            raise UnavailableError("No database for events is set (EVENTS_DATABASE_URL).")
        if (
            self._is_closing
            or self._pending_events + len(rows) > _PENDING_EVENTS_MAX
            or self._pending_bytes + size > _PENDING_BYTES_MAX
        ):
            telemetry.EVENTS_REFUSED.labels("full").inc(len(rows))
            raise UnavailableError("Too many events are waiting to be written.")
        loop = asyncio.get_running_loop()
        request = _Request(rows, size, time.monotonic(), loop.create_future())
        self._pending.append(request)
        self._pending_events += len(rows)
        self._pending_bytes += size
        telemetry.EVENTS_PENDING.inc(len(rows))
        self._has_pending.set()
        try:
            await asyncio.wait_for(request.confirmed, _REQUEST_SECONDS)
        except TimeoutError:
            telemetry.EVENTS_REFUSED.labels("late").inc(len(rows))
            raise UnavailableError("The events were not confirmed in time.") from None

    async def run(self) -> None:
        """One round: wait for requests, and begin to write a group of them."""
        await self._has_pending.wait()
        if self._groups:
            left = self._pending[0].arrived + _GROUP_SECONDS - time.monotonic()
            await self._some_group_ends(timeout=max(left, 0))
        while len(self._groups) >= _GROUPS_AT_ONCE:
            await self._some_group_ends(timeout=None)
        task = asyncio.create_task(self._write(self._next_group()))
        self._groups.add(task)
        task.add_done_callback(self._groups.discard)

    async def close(self) -> None:
        """Accept no more events, and write the accepted ones."""
        self._is_closing = True
        deadline = time.monotonic() + _CLOSE_SECONDS
        while (self._pending or self._groups) and time.monotonic() < deadline:
            if self._groups:
                await self._some_group_ends(timeout=deadline - time.monotonic())
            else:
                await asyncio.sleep(0.001)

    async def disconnect(self) -> None:
        """Close the connections, when no round runs any more that could open one again."""
        for table in self._tables:
            await table.close()
        if self._moving_table is not None:
            await self._moving_table.close()

    async def _some_group_ends(self, timeout: float | None) -> None:
        await asyncio.wait(self._groups, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    def _next_group(self) -> list[_Request]:
        """The waiting requests, up to a size that PostgreSQL writes at once."""
        group: list[_Request] = []
        events = size = 0
        while self._pending:
            request = self._pending[0]
            events += len(request.rows)
            size += request.size
            if group and (events > _GROUP_EVENTS_MAX or size > _GROUP_BYTES_MAX):
                break
            group.append(self._pending.popleft())
            self._pending_events -= len(request.rows)
            self._pending_bytes -= request.size
            telemetry.EVENTS_PENDING.dec(len(request.rows))
        if not self._pending:
            self._has_pending.clear()
        return group

    async def _write(self, group: list[_Request]) -> None:
        """Write the events of a group, and give each request its result."""
        try:
            await self._confirm([row for request in group for row in request.rows])
        except RefusedError as error:
            if len(group) == 1:
                group[0].fail(error)
            else:
                # One bad event must not fail the other requests.
                for request in group:
                    await self._write([request])
        except Exception as error:
            if not isinstance(error, UnavailableError):
                log.error("events.not_written", exc_info=error)
            for request in group:
                request.fail(UnavailableError("The events could not be confirmed."))
            telemetry.EVENTS_REFUSED.labels("unavailable").inc(sum(len(r.rows) for r in group))
        else:
            for request in group:
                if not request.confirmed.done():
                    request.confirmed.set_result(None)

    async def _confirm(self, rows: list[Row]) -> None:
        if self._is_away is not True:
            with suppress(AwayError):
                await self._insert(rows)
                return
        if self._queue is None:
            raise UnavailableError
        try:
            keys = self._keys()
            with telemetry.EVENTS_COMMIT_SECONDS.labels("queue").time():
                await self._queue.append(keys, rows)
        except NotStoredError as error:
            self._note_queue(str(error))
            raise UnavailableError from None
        telemetry.EVENTS.labels("queue").inc(len(rows))
        self._feed.add(rows)

    async def _insert(self, rows: list[Row]) -> None:
        table = self._tables.pop()
        try:
            with telemetry.EVENTS_COMMIT_SECONDS.labels("database").time():
                new = await table.write(rows)
        except AwayError as error:
            self._note_away(str(error))
            raise
        except UnstorableError as error:
            log.warning("events.unstorable", reason=str(error))
            raise RefusedError(str(error)) from None
        finally:
            self._tables.append(table)
        telemetry.EVENTS.labels("database").inc(len(rows))
        telemetry.EVENTS_NEW.inc(len(new))
        self._feed.add([row for row in rows if row.id in new])

    async def maintain(self) -> None:
        """One round: check whether PostgreSQL is back, and move waiting events to it."""
        await self.maintain_once()
        await asyncio.sleep(_MAINTAIN_SECONDS)

    async def maintain_once(self) -> None:
        """The same without the pause."""
        await self._check()
        if self._moving_table is None or self._queue is None or self._queue_fault is not None:
            return
        queue = self._queue
        try:
            if self._is_away is False:
                for keys, stream in self._streams():
                    await self._move(self._moving_table, queue, keys, stream)
            depths = [await queue.depth(stream) for _, stream in self._streams()]
            telemetry.EVENTS_QUEUE_DEPTH.set(sum(depths))
            if not self._moves_unnamed:
                with suppress(NotStoredError):  # what is there is not ours, whatever it is
                    self._note_unnamed(await queue.depth(UNNAMED_WAITING))
        except NotStoredError as error:
            self._note_queue(str(error))
        except AwayError as error:
            self._note_away(str(error))

    def _keys(self) -> RedisKeys:
        """The names under which events wait.

        Raises:
            NotStoredError: they are not known yet.
        """
        keys = self._deployment.keys or self._database_keys
        if keys is None:
            raise NotStoredError(
                "whose events they are is not known: there is no generation yet, and PostgreSQL "
                "has not told; REDIS_PREFIX tells it at once"
            )
        return keys

    def _streams(self) -> list[tuple[RedisKeys, str]]:
        """The streams whose events are certainly for this database."""
        known = [keys for keys in (self._deployment.keys, self._database_keys) if keys is not None]
        found = [(keys, keys.waiting_events) for keys in dict.fromkeys(known)]
        if self._moves_unnamed and known:
            found.append((known[0], UNNAMED_WAITING))
        return found

    async def _check(self) -> None:
        """Check whether PostgreSQL, unless it is known to, and Redis accept events."""
        if self._moving_table is not None and self._is_away is not False:
            try:
                # No row is written, but the right and the lock to write are required.
                await self._moving_table.write([])
                database = await self._moving_table.database()
                if database is not None:
                    self._database_keys = self._deployment.keys_of(database)
                self._note_back()
            except AwayError as error:
                self._note_away(str(error))
        if self._queue is not None:
            try:
                await self._queue.require_durable()
                await self._queue.depth(self._keys().waiting_events)
                self._note_queue(None)
            except NotStoredError as error:
                self._note_queue(str(error))

    async def _move(self, table: EventTable, queue: Queue, keys: RedisKeys, stream: str) -> None:
        """Move waiting events to PostgreSQL, oldest first; the queue keeps them until then."""
        while waiting := await queue.oldest(stream, _MOVE_EVENTS):
            rows = [entry.row for entry in waiting if entry.row is not None]
            try:
                if len(rows) < len(waiting):
                    raise UnstorableError("an entry of the queue is no event")
                telemetry.EVENTS_NEW.inc(len(await table.write(rows)))
                await queue.remove(stream, waiting)
            except UnstorableError:
                await self._move_singly(table, queue, keys, stream, waiting)
            log.info("events.moved", events=len(waiting))

    async def _move_singly(
        self, table: EventTable, queue: Queue, keys: RedisKeys, stream: str, waiting: list[Waiting]
    ) -> None:
        for entry in waiting:
            try:
                if entry.row is None:
                    raise UnstorableError("it is no event")
                await table.write([entry.row])
            except UnstorableError as error:
                name = entry.row.id if entry.row is not None else entry.name.decode()
                log.error("events.moved_to_refused", id=name, reason=str(error))
                await queue.refuse(stream, entry, keys.refused_events)
            else:
                await queue.remove(stream, [entry])

    def _note_away(self, reason: str) -> None:
        if self._is_away is not True:
            log.warning("events.database_away", reason=reason)
        self._is_away = True
        telemetry.EVENTS_DATABASE_AWAY.set(1)

    def _note_back(self) -> None:
        if self._is_away:
            log.info("events.database_back")
        self._is_away = False
        telemetry.EVENTS_DATABASE_AWAY.set(0)

    def _note_queue(self, fault: str | None) -> None:
        if fault != self._queue_fault:
            if fault is None:
                log.info("events.queue_ready")
            else:
                log.warning("events.queue_unusable", reason=fault)
        self._queue_fault = fault

    def _note_unnamed(self, events: int) -> None:
        if events and not self._unnamed:
            log.warning(
                "events.unnamed",
                events=events,
                stream=UNNAMED_WAITING,
                hint="An earlier version left them. Set EVENTS_MOVE_UNNAMED=1 in the deployment "
                "that accepted them.",
            )
        self._unnamed = events
        telemetry.EVENTS_UNNAMED.set(events)
