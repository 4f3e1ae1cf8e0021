"""Watches the recent events while an administrator listens, and puts what happened into the hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from api.live.activity import Activity
from api.live.hub import Hub, Message
from api.live.recent import RecentEvents
from olap.log import get_logger
from olap.redis_urls import FAULTS

log = get_logger(__name__)

_PAUSE_SECONDS = 1.0
_AWAY_SECONDS = 2.0
# A round reads no more than the stream holds, so that it comes to an end.
_READS_MAX = 40


class Watch:
    """From the recent events to the topics `activity` and `feed` of a hub."""

    def __init__(self, hub: Hub, open_events: Callable[[], RecentEvents]) -> None:
        """Nothing is connected; `open_events` is called when an administrator begins to listen."""
        self._hub = hub
        self._open_events = open_events
        self._activity = Activity()
        self._is_away = False

    async def run(self) -> None:
        """One round: wait for an administrator, and watch until none listens."""
        await self._hub.is_watched.wait()
        events = self._open_events()
        try:
            while self._hub.is_watched.is_set():
                await self._look(events)
                await asyncio.sleep(_AWAY_SECONDS if self._is_away else _PAUSE_SECONDS)
        finally:
            self._hub.activity.clear()
            self._hub.feed.clear()
            await events.close()

    async def _look(self, events: RecentEvents) -> None:
        was_away = self._is_away
        try:
            is_new = await self._read(events)
            self._is_away = False
        except FAULTS as error:
            self._is_away = True
            if not was_away:
                log.warning("live.feed_away", reason=type(error).__name__)
            return
        if was_away:
            # What was posted meanwhile may not have been added to the stream.
            self._activity.note_gap(int(time.time()))
            log.info("live.feed_is_back")
        self._publish(is_new=is_new)

    async def _read(self, events: RecentEvents) -> bool:
        """Count what is new; whether the stream was read from its beginning."""
        is_new = False
        for _ in range(_READS_MAX):
            found = await events.read()
            if found is None:
                break
            now = int(time.time())
            if found.is_new:
                is_new = True
                self._activity = Activity()
            for second, kind in found.events:
                self._activity.add(second, kind, now)
            if found.has_gap:
                self._activity.note_gap(found.events[0][0] if found.events else now)
            if found.is_all:
                break
        return is_new

    def _publish(self, *, is_new: bool) -> None:
        now = int(time.time())
        seconds = [Message.of("feed", one) for one in self._activity.over(now)]
        if not (is_new or seconds):
            return
        hour = Message.of("activity", self._activity.last_hour(now))
        if is_new:
            self._hub.activity.put(hour)
        else:
            self._hub.activity.replace(hour)
            for message in seconds:
                self._hub.feed.put(message)
        self._hub.wake_administrators()
