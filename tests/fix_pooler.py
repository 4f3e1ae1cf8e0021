"""A connection pooler in front of PostgreSQL, as PgBouncer in its session and transaction modes."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from urllib.parse import urlsplit

import pytest

from tests.fix_proxy import connect_to

_SSL_REQUEST, _CANCEL_REQUEST, _GSS_REQUEST = 80877103, 80877102, 80877104
# After these messages the server sends ReadyForQuery.
_ASKS = {b"Q", b"S", b"F"}
# What a session keeps for the client that gets it next.
_LEFT_BEHIND = (
    "select name from pg_settings where source = 'session' "
    # these are of a transaction, but stay in the view
    "and name not in ('transaction_isolation', 'transaction_read_only') "
    "union all select name from pg_prepared_statements "
    "union all select 'a lock' from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
)


class PoolMode(StrEnum):
    """For how long a client keeps its server connection."""

    SESSION = "session"
    TRANSACTION = "transaction"


class _ClosedError(Exception):
    """The other side closed the connection."""


class _Stream:
    """Messages of the wire protocol from a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._received = bytearray()

    def exactly(self, size: int) -> bytes:
        """The next bytes."""
        while len(self._received) < size:
            self.receive()
        found = bytes(self._received[:size])
        del self._received[:size]
        return found

    def receive(self) -> None:
        """Receive what is there."""
        data = self.socket.recv(65536)
        if not data:
            raise _ClosedError
        self._received += data

    def has_message(self) -> bool:
        """Whether a whole message has been received."""
        if len(self._received) < 5:
            return False
        length: int = struct.unpack_from("!i", self._received, 1)[0]
        return len(self._received) > length

    def message(self) -> tuple[bytes, bytes]:
        """The next message: its type, and its content."""
        kind, length = struct.unpack("!ci", self.exactly(5))
        return kind, self.exactly(length - 4)

    def send(self, kind: bytes, content: bytes) -> None:
        """Send a message."""
        self.socket.sendall(kind + struct.pack("!i", len(content) + 4) + content)


class _Server(_Stream):
    """A connection to PostgreSQL.

    Attributes:
        parameters: what it reported at its start, as ParameterStatus messages.
    """

    def __init__(self, upstream: str, startup: bytes) -> None:
        super().__init__(connect_to(upstream))
        self.socket.sendall(struct.pack("!i", len(startup) + 4) + startup)
        self.parameters: list[bytes] = []
        while (found := self.message())[0] != b"Z":
            assert found[0] != b"E", found[1]
            if found[0] == b"S":
                self.parameters.append(found[1])

    def ask(self, query: str) -> list[str]:
        """The first column of a query."""
        self.send(b"Q", query.encode() + b"\0")
        rows = []
        while (found := self.message())[0] != b"Z":
            if found[0] == b"D":
                rows.append(found[1][6:].decode())
        return rows


class Pooler:
    """Listens on loopback, and lends its server connections to clients, round robin.

    A client gets a connection with its first message. In transaction mode it gives it back at
    each ReadyForQuery outside of a transaction, so its next message reaches another session.

    Attributes:
        wait_seconds: how long a client waits for a connection (PgBouncer's query_wait_timeout).
        refusal: SQLSTATE and text with which new clients are refused; None to admit them.
        loans: how many times a connection was given to a client.
        left_behind: what clients left in a session that the next one gets.
    """

    def __init__(self, upstream: str, mode: PoolMode, size: int) -> None:
        self.upstream, self.mode = upstream, mode
        self.wait_seconds = 60.0
        self.refusal: tuple[str, str] | None = None
        self.loans = 0
        self.left_behind: set[str] = set()
        parts = urlsplit(upstream)
        self._names = (parts.username or "postgres", parts.path.removeprefix("/"))
        self._idle: deque[_Server] = deque(self._new_server() for _ in range(size))
        self._parameters = self._idle[0].parameters
        self._changed = threading.Condition()
        self._is_closed = False
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, **parameters: str) -> str:
        """The URL of the database through the pooler."""
        user, database = self._names
        port = self._listener.getsockname()[1]
        given = {"sslmode": "disable", **parameters}
        query = "&".join(f"{name}={value}" for name, value in given.items())
        return f"postgresql://{user}@127.0.0.1:{port}/{database}?{query}"

    def close(self) -> None:
        """Close all connections and end the threads."""
        self._is_closed = True
        # shutdown, because close alone does not wake a thread in accept, and a thread that is about
        # to wait for a closed socket would fail
        for one in (self._listener, *self._clients):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)
        self._listener.close()
        for server in self._idle:
            server.socket.close()

    def _new_server(self) -> _Server:
        user, database = self._names
        names = f"user\0{user}\0database\0{database}\0\0".encode()
        return _Server(self.upstream, struct.pack("!i", 0x30000) + names)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            # Messages are small and sent one by one, so each would wait for an acknowledgement.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.append(client)
            thread = threading.Thread(target=self._serve, args=(_Stream(client),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: _Stream) -> None:
        with suppress(_ClosedError, OSError):
            if self._admits(client):
                while True:
                    self._lend(client)
        client.socket.close()

    def _admits(self, client: _Stream) -> bool:
        """Answer the startup message; whether the client may go on."""
        while True:
            (length,) = struct.unpack("!i", client.exactly(4))
            startup = client.exactly(length - 4)
            (code,) = struct.unpack_from("!i", startup)
            if code in (_SSL_REQUEST, _GSS_REQUEST):
                client.socket.sendall(b"N")
            elif code == _CANCEL_REQUEST:
                return False
            else:
                break
        if b"options" in startup[4:].split(b"\0")[::2]:
            return self._refuse(client, "08P01", "unsupported startup parameter: options")
        if self.refusal is not None:
            return self._refuse(client, *self.refusal)
        client.send(b"R", struct.pack("!i", 0))
        for parameter in self._parameters:
            client.send(b"S", parameter)
        client.send(b"K", struct.pack("!ii", 0, 0))
        client.send(b"Z", b"I")
        return True

    def _refuse(self, client: _Stream, state: str, text: str) -> bool:
        client.send(b"E", f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode())
        return False

    def _lend(self, client: _Stream) -> None:
        """Relay a transaction, or everything until the client goes, on one server connection."""
        while not client.has_message():
            client.receive()
        server = self._taken(client)
        try:
            self._relay(client, server)
        except BaseException:
            # The client left it in the middle of a transaction, or had it for its whole session.
            server.socket.close()
            if not self._is_closed:
                self._give_back(self._new_server())
            raise
        self.left_behind |= set(server.ask(_LEFT_BEHIND))
        self._give_back(server)

    def _relay(self, client: _Stream, server: _Server) -> None:
        """Pass messages both ways until the server waits for a query outside of a transaction."""
        unanswered, is_asking = 0, False
        with selectors.DefaultSelector() as selector:
            for stream in (client, server):
                selector.register(stream.socket, selectors.EVENT_READ, stream)
            while True:
                while client.has_message():
                    kind, content = client.message()
                    if kind == b"X":
                        raise _ClosedError
                    server.send(kind, content)
                    unanswered += kind in _ASKS
                    is_asking = kind not in _ASKS
                while server.has_message():
                    kind, content = server.message()
                    client.send(kind, content)
                    unanswered -= kind == b"Z"
                    is_over = (kind, content, unanswered, is_asking) == (b"Z", b"I", 0, False)
                    if is_over and self.mode is PoolMode.TRANSACTION:
                        return
                for key, _ in selector.select():
                    key.data.receive()

    def _taken(self, client: _Stream) -> _Server:
        """The server connection that has been idle for longest."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._idle, self.wait_seconds):
                self._refuse(client, "08P01", "query_wait_timeout")
                raise _ClosedError
            self.loans += 1
            return self._idle.popleft()

    def _give_back(self, server: _Server) -> None:
        with self._changed:
            self._idle.append(server)
            self._changed.notify()


@pytest.fixture
def new_pooler() -> Iterator[Callable[..., Pooler]]:
    """Makes poolers in front of the server of a URL."""
    made: list[Pooler] = []

    def make(url: str, mode: PoolMode = PoolMode.TRANSACTION, size: int = 5) -> Pooler:
        made.append(Pooler(url, mode, size))
        return made[-1]

    yield make
    for pooler in made:
        pooler.close()
