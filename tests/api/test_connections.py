"""Which connection is closed when there are too many."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from api.connections import Connections


@dataclass(slots=True, eq=False)
class Client:
    """A connection without a request, unless it says otherwise."""

    has_request: bool = False
    has_sent: bool = False
    is_dropped: bool = False
    is_stream: bool = False

    def is_idle(self) -> bool:
        return not self.has_request and not self.has_sent

    def is_unread(self) -> bool:
        return self.has_sent

    def has_untaken_bytes(self) -> bool:
        return False

    def drop(self) -> None:
        self.is_dropped = True

    def end_wait(self, now: float) -> bool:
        return False


def come(connections: Connections, count: int, now: float) -> list[Client]:
    """Clients that come at the same time; room is made for each, where there is need."""
    clients = [Client() for _ in range(count)]
    for client in clients:
        assert not connections.is_full or connections.make_room(now)
        connections.add(client, now)
    return clients


def test_those_before_a_flood_outlast_it() -> None:
    """A flood that comes at once closes connections of its own, whatever its size."""
    connections = Connections(20)
    before = come(connections, 5, now=1.0)
    flood = come(connections, 1000, now=2.0)
    assert not any(client.is_dropped for client in before)
    assert sum(not client.is_dropped for client in flood) == 15


def test_the_newest_are_spared_for_a_moment() -> None:
    """One that has just come is not closed for the next one, while an older one can be."""
    connections = Connections(20)
    older = come(connections, 19, now=1.0)
    (just_come,) = come(connections, 1, now=2.0)
    come(connections, 1, now=2.01)
    assert not just_come.is_dropped
    assert [client.is_dropped for client in older] == [False] * 18 + [True]
    come(connections, 1, now=3.0)
    assert [client.is_dropped for client in older] == [False] * 18 + [True]


def test_an_older_one_is_not_closed_before_a_newer_one_is_read() -> None:
    """What a newer connection has sent may be no request, so it decides first."""
    connections = Connections(4)
    come(connections, 2, now=1.0)
    newer, newest = come(connections, 2, now=2.0)
    newer.has_sent = newest.has_sent = True
    assert connections.is_undecided(3.0)
    newest.has_sent, newest.has_request = False, True
    assert connections.is_undecided(3.0)
    newer.has_sent = False
    assert not connections.is_undecided(3.0)
    assert connections.make_room(3.0)
    assert newer.is_dropped


def test_requests_are_never_closed() -> None:
    """Where every connection has a request, there is no room to make, and nothing to wait for."""
    connections = Connections(4)
    for client in come(connections, 4, now=1.0):
        client.has_request = True
    assert not connections.is_undecided(2.0)
    assert not connections.make_room(2.0)


def test_a_silent_one_that_has_just_sent_something_decides_first() -> None:
    """The same of a connection whose first bytes have arrived in the same turn of the loop."""

    async def turn() -> tuple[bool, bool]:
        connections = Connections(1)
        accepted, client = socket.socketpair()
        with accepted, client:
            accepted.setblocking(False)
            connections.add_silent(accepted, lambda _: None)
            now = asyncio.get_running_loop().time()
            before = connections.is_undecided(now)
            client.send(b"G")
            after = connections.is_undecided(now)
            connections.remove_silent(accepted)
        return before, after

    assert asyncio.run(turn()) == (False, True)
