"""A TCP proxy in front of PostgreSQL that passes, cuts or stalls connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum, auto
from urllib.parse import parse_qs, unquote, urlsplit

import pytest


class Then(Enum):
    """What happens to a connection after its last byte."""

    CUT = auto()
    STALL = auto()


class Proxy:
    """Listens on loopback and relays to a server, on its Unix socket or its TCP port.

    Attributes:
        passed: the number of bytes that came from the server.
        limit: how many bytes may come, over all connections; None = any number.
        then: what happens after the last byte.
        spares_others: whether later connections are served.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.limit: int | None = None
        self.then = Then.CUT
        self.spares_others = False
        self.passed = 0
        self._tripped = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self) -> str:
        """The URL of the database of `upstream` through the proxy."""
        parts = urlsplit(self.upstream)
        user = parts.username or "postgres"
        port = self._listener.getsockname()[1]
        return f"postgresql://{user}@127.0.0.1:{port}{parts.path}?sslmode=disable"

    def after(self, limit: int, then: Then, *, spares_others: bool = False) -> None:
        """Pass `limit` more bytes, and then cut or stall."""
        self.passed, self.then, self.spares_others = 0, then, spares_others
        self.limit = limit

    def restore(self) -> None:
        """Pass all bytes of new connections again; stalled connections stay stalled."""
        self.limit = None
        self._tripped.clear()

    @property
    def has_tripped(self) -> bool:
        """Whether the limit was reached."""
        return self._tripped.is_set()

    def close(self) -> None:
        """Close all connections and end the threads."""
        # shutdown, because close alone does not wake a thread in accept
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = connect_to(self.upstream)
            self._open += [client, server]
            # A connection after the limit is stalled as well, or spared.
            is_spared = self.spares_others and self.has_tripped
            for source, target, is_answer in ((client, server, False), (server, client, True)):
                thread = threading.Thread(
                    target=self._relay, args=(source, target, is_answer, is_spared), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _relay(
        self, source: socket.socket, target: socket.socket, is_answer: bool, is_spared: bool
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if is_answer and not is_spared:
                    left = len(data) if self.limit is None else max(self.limit - self.passed, 0)
                    data = data[:left]
                    self.passed += len(data)
                    if self.limit is not None and self.passed >= self.limit:
                        target.sendall(data)
                        self._tripped.set()
                        if self.then is Then.STALL:
                            return
                        break
                target.sendall(data)
            for one in (source, target):
                one.shutdown(socket.SHUT_RDWR)


def connect_to(url: str) -> socket.socket:
    """A connection to the server of a URL, on its Unix socket or its TCP port."""
    parts = urlsplit(url)
    directory = parse_qs(parts.query).get("host", [""])[0]
    if directory.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{unquote(directory)}/.s.PGSQL.5432")
        return server
    return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432))


@pytest.fixture
def new_proxy() -> Iterator[Callable[[str], Proxy]]:
    """Makes proxies in front of the server of a URL."""
    made: list[Proxy] = []

    def make(url: str) -> Proxy:
        made.append(Proxy(url))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
