"""The hub: the newest of each topic, and those who wait for something newer.

A topic keeps a fixed number of messages, mostly one, and how many there have been. A listener knows
how many of each topic it has received, and asks for the rest. It is only woken; nothing is queued
for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import msgspec

from api.problems import Problem, unavailable

STREAMS_OF_ACCOUNT_MAX = 6
STREAMS_MAX = 2000
_AGAIN_SECONDS = 30
_RESTART_SECONDS = 3
# Seconds of the feed that a client may fall behind before the feed reports a gap.
_FEED_MESSAGES = 60

_encode = msgspec.json.Encoder().encode


class End(StrEnum):
    """Why a connection ends."""

    GONE = "the client has gone"
    UNWANTED = "the client has sent what is not expected"
    EXPIRED = "the token has expired"
    REVOKED = "the keys have changed"
    COMPLETE = "it has been open for an hour"
    STOPPING = "the server stops"


@dataclass(frozen=True, slots=True)
class Message:
    """Something new, encoded once for all clients.

    Attributes:
        event: the block of a stream of server-sent events.
        frame: the text of a WebSocket's frame.
    """

    event: bytes = field(repr=False)
    frame: str

    @classmethod
    def of(cls, name: str, content: Any) -> Message:
        """The message of an event of this name; `content` becomes JSON."""
        data = _encode(content)
        frame = b'{"event":"%b","data":%b}' % (name.encode(), data)
        return cls(b"event: %b\ndata: %b\n\n" % (name.encode(), data), frame.decode())


class Topic:
    """The newest messages of one kind.

    Attributes:
        version: how many there have been.
    """

    def __init__(self, kept: int = 1) -> None:
        self._newest: deque[Message] = deque(maxlen=kept)
        self.version = 0

    def put(self, message: Message) -> None:
        """Add the newest message."""
        self._newest.append(message)
        self.version += 1

    def replace(self, message: Message) -> None:
        """Replace the newest message, for listeners that have not received it."""
        if self._newest:
            self._newest[-1] = message

    def clear(self) -> None:
        """Forget all messages."""
        self._newest.clear()

    def after(self, version: int) -> list[Message]:
        """The messages that came after a version, as far as they are kept."""
        number = min(self.version - version, len(self._newest))
        return list(self._newest)[len(self._newest) - number :]


class Listener:
    """A client that waits for something new.

    Attributes:
        end: why its connection ends; None while it is open.
    """

    def __init__(self, hub: Hub, account: str, *, has_feed: bool) -> None:
        self._hub = hub
        self.account = account
        self.has_feed = has_feed
        self.end: End | None = None
        self._generations = self._activities = self._feeds = 0
        self._woken = asyncio.Event()

    def news(self) -> list[Message]:
        """What it has not received, oldest first; from now on it counts as received."""
        hub = self._hub
        found = hub.generation.after(self._generations)
        self._generations = hub.generation.version
        if not self.has_feed:
            return found
        activities = hub.activity.after(self._activities)
        if activities:  # what has happened until now is in it
            self._feeds = hub.feed.version
        self._activities = hub.activity.version
        found += activities + hub.feed.after(self._feeds)
        self._feeds = hub.feed.version
        return found

    def wake(self) -> None:
        """There is something new."""
        self._woken.set()

    def finish(self, end: End) -> None:
        """End its connection, for the first reason that is given."""
        self.end = self.end or end
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there may be something new, its connection ends, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()


class Hub:
    """The topics of a worker, and its listeners.

    Attributes:
        generation: which one serves.
        activity: the events of the last hour, for administrators; it replaces all seconds before.
        feed: the events of the seconds after.
        is_watched: set while an administrator listens.
    """

    def __init__(self, streams_max: int) -> None:
        """Nothing is known, and nobody listens.

        Args:
            streams_max: how many may listen at the same time.
        """
        self._streams_max = streams_max
        self._listeners: set[Listener] = set()
        self._accounts: Counter[str] = Counter()
        self._watching = 0
        self._is_closed = False
        self.generation = Topic()
        self.activity = Topic()
        self.feed = Topic(kept=_FEED_MESSAGES)
        self.is_watched = asyncio.Event()

    @property
    def count(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @contextmanager
    def listening(self, account: str, *, has_feed: bool) -> Iterator[Listener]:
        """A listener, within the block.

        Raises:
            Problem: 429, too many listen already; 503, the server stops.
        """
        self._require_room(account)
        listener = Listener(self, account, has_feed=has_feed)
        self._listeners.add(listener)
        self._accounts[account] += 1
        self._watching += has_feed
        if has_feed:
            self.is_watched.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._accounts[account] -= 1
            if not self._accounts[account]:
                del self._accounts[account]
            self._watching -= has_feed
            if not self._watching:
                self.is_watched.clear()

    def wake_all(self) -> None:
        """Wake all listeners: there is something new."""
        for listener in self._listeners:
            listener.wake()

    def wake_administrators(self) -> None:
        """Wake the administrators."""
        for listener in self._listeners:
            if listener.has_feed:
                listener.wake()

    def end_all(self, end: End) -> None:
        """End the connections of all who listen now."""
        for listener in self._listeners:
            listener.finish(end)

    def close(self) -> None:
        """End all connections, and accept no more."""
        self._is_closed = True
        self.end_all(End.STOPPING)

    def _require_room(self, account: str) -> None:
        if self._is_closed:
            raise unavailable("The server stops: try again.", retry_after=_RESTART_SECONDS)
        for number, limit, whose in (
            (self._accounts[account], STREAMS_OF_ACCOUNT_MAX, "this subject has"),
            (self.count, self._streams_max, "this server has"),
        ):
            if number >= limit:
                raise Problem(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{whose[0].upper()}{whose[1:]} {limit} streams open already; close one, or "
                    f"ask for /generation instead and try again in {_AGAIN_SECONDS} s.",
                    retry_after=_AGAIN_SECONDS,
                )
