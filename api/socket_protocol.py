"""A connection that has become a WebSocket: uvicorn's protocol, with bounded waits and memory.

What a client owes here is to take what it is told, and to answer pings, which uvicorn demands. The
time for its first frame is that of the application (`api.live.socket`).
"""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from api.connections import BYTES_PER_SECOND_MIN, CLIENT_SECONDS, Connections

# The library logs each frame at the level debug, and the first has a token; uvicorn logs each
# handshake, which is logged as a request already.
_LOGGER = logging.getLogger("uvicorn.sockets")
_LOGGER.setLevel(logging.WARNING)


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket; it tells `Connections` when it waits for its client.

    Attributes:
        is_stream: true; it does not end by itself.
    """

    is_stream = True

    def __init__(
        self,
        counted: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        """A WebSocket whose handshake follows; `counted` knows it already."""
        super().__init__(config, server_state, app_state)
        self._counted = counted
        self._untaken_bytes = 0
        self._has_sent = False
        self.logger = _LOGGER
        self.conn.logger = _LOGGER

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection has ended."""
        super().connection_lost(exc)
        self._counted.remove(self)

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read as fast as the server writes."""
        super().pause_writing()
        self._settle(self.loop.time())

    def resume_writing(self) -> None:
        """Called by asyncio: the client has taken most of what was written."""
        super().resume_writing()
        self._counted.stop_waiting(self)

    def handle_ping(self) -> None:
        """Called by uvicorn: answer a ping, unless the client takes no answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def is_idle(self) -> bool:
        """Whether nothing was sent to it: its token has not come, or is not valid."""
        return not self._has_sent

    def is_unread(self) -> bool:
        """A WebSocket has no next request."""
        return False

    def has_untaken_bytes(self) -> bool:
        """Whether the client has not taken all of what was written."""
        return self.transport.get_write_buffer_size() > 0

    def drop(self) -> None:
        """End it in favour of another connection."""
        self.transport.abort()

    def end_wait(self, now: float) -> bool:
        """End it if the client has taken too little in ten seconds; whether it was."""
        untaken = self.transport.get_write_buffer_size()
        if self._untaken_bytes - untaken < CLIENT_SECONDS * BYTES_PER_SECOND_MIN:
            self.transport.abort()
            return True
        self._settle(now)
        return False

    async def send(self, message: Any) -> None:
        """Called by the application."""
        self._has_sent |= message["type"] == "websocket.send"
        await super().send(message)

    def _settle(self, now: float) -> None:
        self._untaken_bytes = self.transport.get_write_buffer_size()
        self._counted.wait_for_client(self, now)
