"""The connections of a worker: bounded in number, and none waits for its client for ever.

At each moment either the client waits for the API, or the API waits for the client: for the rest of
a request, or for the client to take its answer. Only the second is limited here (queries have
`QUERY_TIMEOUT_SECONDS`). A client that owes something has ten seconds:

* The head of a request must be complete, and a connection without a request is closed then.
* A body must make progress, and come at 500 bytes per second on average.
* An answer must be taken at the same pace; what is not taken occupies memory.

When `API_CONNECTIONS` or the limit of open files is reached, the newest connection without a
request is closed in favour of the next one, so those that came before a flood outlast it. The very
newest are spared for a moment, because their requests are under way: a quarter of all at most, else
a flood would be spared instead of those before it. If there is none without a request, a client
that does not take its answer is cut off, and if there is none either, the newest one gets 503.

A stream (`api.live`) has a request as long as it is open. A client that vanishes without a word
would keep it for an hour; the system is told to end a connection that confirms nothing.

`api.listener` accepts connections, `api.protocol` is one connection, and `api.socket_protocol` is
one that has become a WebSocket.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from heapq import merge
from typing import Protocol

from olap.log import get_logger

log = get_logger(__name__)

CLIENT_SECONDS = 10.0
BYTES_PER_SECOND_MIN = 500
_SPARED_SECONDS = 0.05
# How long a client of a stream may confirm nothing of what was sent.
_VANISHED_SECONDS = 60


class Connection(Protocol):
    """What is known of a connection."""

    @property
    def is_stream(self) -> bool:
        """Whether it has a request that does not end by itself."""

    def is_idle(self) -> bool:
        """Whether it has no request, and nothing has arrived that was not read yet."""

    def is_unread(self) -> bool:
        """Whether the next request, or a part of it, has arrived and was not read yet."""

    def has_untaken_bytes(self) -> bool:
        """Whether the client has not taken all of what was written."""

    def drop(self) -> None:
        """End it in favour of another connection."""

    def end_wait(self, now: float) -> bool:
        """End it after ten seconds, or wait on; whether a request or an answer was cut off."""


class Connections:
    """The connections of a worker, and which of them wait for their client."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Since when, in seconds of the loop's clock; the newest is the last.
        self._open: dict[Connection, float] = {}
        # The same for those that have sent nothing: they are sockets and no more.
        self._silent: dict[socket.socket, float] = {}
        self._counts = {"refused": 0, "dropped": 0, "too_slow": 0, "accept_failed": 0}
        self._error = ""
        # The same for the present wait.
        self._waiting: dict[Connection, float] = {}
        # When the newest ones came or began to send, and the one before these.
        self._newest: deque[float] = deque(maxlen=limit // 4 + 1)

    @property
    def is_full(self) -> bool:
        """Whether another one would exceed the limit."""
        return self._count >= self._limit

    @property
    def _count(self) -> int:
        return len(self._open) + len(self._silent)

    def add_silent(self, accepted: socket.socket, begin: Callable[[socket.socket], None]) -> None:
        """Count a connection that has sent nothing; `begin` receives it when it has."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._newest.append(now)
        self._silent[accepted] = now
        loop.add_reader(accepted, begin, accepted)

    def remove_silent(self, accepted: socket.socket) -> None:
        """Forget a connection that has sent something, or that is closed."""
        asyncio.get_running_loop().remove_reader(accepted)
        del self._silent[accepted]

    def add(self, connection: Connection, now: float) -> None:
        """Count a connection, which waits for its first request."""
        self._newest.append(now)
        self._open[connection] = now
        self._waiting[connection] = now

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)
        self._waiting.pop(connection, None)

    def wait_for_client(self, connection: Connection, now: float) -> None:
        """The client has ten seconds from now."""
        self._waiting.pop(connection, None)  # so that it becomes the last
        if connection in self._open:
            self._waiting[connection] = now

    def replace(self, connection: Connection, successor: Connection) -> None:
        """The connection speaks another protocol from now on."""
        since = self._open[connection]
        self.remove(connection)
        self._open[successor] = since

    def stop_waiting(self, connection: Connection) -> None:
        """The client owes nothing."""
        self._waiting.pop(connection, None)

    def is_undecided(self, now: float) -> bool:
        """Whether a connection that has sent something unread is next to be closed.

        Whether that is a request is known in a few turns of the loop.
        """
        for candidate in self._candidates(now):
            if isinstance(candidate, socket.socket):
                return has_arrived(candidate)
            if candidate.is_unread():
                return True
            if candidate.is_idle():
                return False
        return False

    def make_room(self, now: float) -> bool:
        """Close the newest connection without a request, else a client that takes no answer.

        Those that have just been accepted are spared while there are others.
        """
        for candidate in self._candidates(now):
            if isinstance(candidate, socket.socket):
                if not has_arrived(candidate):
                    self._close_silent(candidate)
                    self._counts["dropped"] += 1
                    return True
            elif candidate.is_idle():
                return self._drop(candidate)
        for connection in reversed(self._open):
            if connection.has_untaken_bytes():
                return self._drop(connection)
        return False

    def _candidates(self, now: float) -> Iterator[Connection | socket.socket]:
        """All connections from the newest to the oldest, but those that are spared come last."""
        spared_after = now - _SPARED_SECONDS
        if len(self._newest) == self._newest.maxlen:
            spared_after = max(spared_after, self._newest[0])
        for is_spared in (False, True):
            newest_first: Iterator[tuple[Connection | socket.socket, float]] = merge(
                reversed(self._open.items()),
                reversed(self._silent.items()),
                key=lambda entry: entry[1],
                reverse=True,
            )
            for candidate, since in newest_first:
                if (since > spared_after) is is_spared:
                    yield candidate

    def _drop(self, connection: Connection) -> bool:
        self.remove(connection)
        self._counts["dropped"] += 1
        connection.drop()
        return True

    def _close_silent(self, accepted: socket.socket) -> None:
        self.remove_silent(accepted)
        accepted.close()

    def close_all_silent(self) -> None:
        """Close every connection that has sent nothing."""
        for accepted in list(self._silent):
            self._close_silent(accepted)

    def cut_off_streams(self) -> None:
        """End the streams whose clients do not take what was written."""
        for connection in list(self._open):
            if connection.is_stream and connection.has_untaken_bytes():
                self._drop(connection)

    def note_refused(self) -> None:
        """Count a client that got 503."""
        self._counts["refused"] += 1

    def note_too_slow(self) -> None:
        """Count a request that was cut off."""
        self._counts["too_slow"] += 1

    def note_accept_failed(self, error: OSError) -> None:
        """Count a failure of `accept`."""
        self._counts["accept_failed"] += 1
        self._error = str(error)

    def check(self, now: float) -> None:
        """End what has waited too long, and log in one line what was refused since the last call.

        To be called once a second.
        """
        for accepted in [
            one for one, since in self._silent.items() if now - since > CLIENT_SECONDS
        ]:
            self._close_silent(accepted)
        late = []
        for connection, since in self._waiting.items():
            if now - since < CLIENT_SECONDS:
                break
            late.append(connection)
        for connection in late:
            self._counts["too_slow"] += connection.end_wait(now)
        if any(self._counts.values()):
            log.warning("connections.limited", **self._counts, open=self._count, error=self._error)
            self._counts = dict.fromkeys(self._counts, 0)
            self._error = ""


def notice_vanished(accepted: socket.socket) -> None:
    """End a connection whose client confirms nothing; elsewhere than on Linux it takes longer."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with suppress(OSError):  # it is no TCP, or has just ended
            accepted.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(_VANISHED_SECONDS * 1000)
            )


def has_arrived(accepted: socket.socket) -> bool:
    """Whether the client has sent something that was not read yet."""
    try:
        return len(accepted.recv(1, socket.MSG_PEEK)) > 0
    except OSError:  # nothing has arrived, or it has just ended
        return False
