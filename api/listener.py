"""Accepting connections, without `asyncio.start_server`.

asyncio logs each failure of `accept` and schedules a further attempt for each: 1,150 idle
connections made 202,423 log lines. A connection is a bare socket until its client has sent
something, so a flood of silent ones costs little.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from api.connections import Connections, has_arrived
from api.problems import unavailable
from api.protocol import HttpProtocol, last_response

_ACCEPTED_AT_ONCE = 16
_ACCEPT_PAUSE_SECONDS = 0.1
_REFUSED_AT_ONCE = 32
_REFUSED_SECONDS = 1.0

_BUSY = last_response(
    unavailable("There are too many connections: send the request again later.", retry_after=1)
)


class Listener:
    """Accepts the connections of a socket; uvicorn closes it like a server of asyncio."""

    def __init__(
        self,
        listening: socket.socket,
        backlog: int,
        connections: Connections,
        make_protocol: Callable[[socket.socket], HttpProtocol],
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._starting: set[asyncio.Task[None]] = set()
        self._refused: set[_Refusal] = set()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        listening.listen(backlog)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._connections.close_all_silent()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: uvicorn waits for the connections."""

    def _accept(self) -> None:
        for number in range(_ACCEPTED_AT_ONCE):
            if self._connections.is_full and self._connections.is_undecided(self._loop.time()):
                return  # in a few turns it is not, and this socket reports the next client again
            try:
                accepted, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Without a file, `accept` fails even if no client waits. One does at first.
                if number == 0:
                    self._connections.note_accept_failed(error)
                    if not self._connections.make_room(self._loop.time()):
                        self._wait()
                return  # the file of a connection that was dropped is free in the next turn
            accepted.setblocking(False)
            if self._connections.is_full and not self._connections.make_room(self._loop.time()):
                self._connections.note_refused()
                self._start(_Refusal(self._refused), accepted)
            elif has_arrived(accepted):
                self._start(self._make_protocol(accepted), accepted)
            else:
                self._connections.add_silent(accepted, self._begin)

    def _begin(self, accepted: socket.socket) -> None:
        """The client has sent something, or has ended the connection."""
        self._connections.remove_silent(accepted)
        self._start(self._make_protocol(accepted), accepted)

    def _start(self, protocol: asyncio.Protocol, accepted: socket.socket) -> None:
        task = self._loop.create_task(self._connect(protocol, accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _connect(self, protocol: asyncio.Protocol, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError as error:
            accepted.close()
            if isinstance(protocol, HttpProtocol):
                self._connections.remove(protocol)
            self._connections.note_accept_failed(error)

    def _wait(self) -> None:
        """Accept nothing for a moment, since the socket reports the same connection at once."""
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(
            _ACCEPT_PAUSE_SECONDS, self._loop.add_reader, self._listening, self._accept
        )


class _Refusal(asyncio.Protocol):
    """A connection that gets 503 without being read.

    It stays open for a moment: closed before its request has been received, the system would reset
    it, and the client might not see the answer.
    """

    def __init__(self, others: set[_Refusal]) -> None:
        self._others = others

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio: answer."""
        transport.write(_BUSY)
        if len(self._others) >= _REFUSED_AT_ONCE:
            transport.close()
            return
        self._others.add(self)
        transport.write_eof()
        asyncio.get_running_loop().call_later(_REFUSED_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the client has read it, or was too slow."""
        self._others.discard(self)
