"""Clients that send nothing, too slowly or too much, or that do not read: others are answered."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import PREFIX
from api.auth import Role
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline

pytestmark = pytest.mark.slow

NEVER = "600"
LARGE = "/docs/openapi.json"


@pytest.fixture
def limited(small_site: Pipeline, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """A function that starts an API with these limits."""
    with ExitStack() as stack:

        def start(connections: int, *, client_seconds: str = NEVER, **variables: str) -> Server:
            return stack.enter_context(
                server(
                    small_site.layout.root,
                    tmp_path / "log",
                    program="tests.api.limited_app",
                    API_CONNECTIONS=str(connections),
                    CLIENT_SECONDS=client_seconds,
                    HELD_DIR=str(tmp_path),
                    EVENTS_DATABASE_URL=small_site.url,
                    **variables,
                )
            )

        yield start


@contextmanager
def connections(running: Server, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """Some connections, each with these bytes sent."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 300))
            one.sendall(sent)
            made.append(one)
        yield made


def is_open(connection: socket.socket) -> bool:
    """Whether the server has not closed it."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(300)


def received(connection: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    found = b""
    with suppress(ConnectionResetError):
        while some := connection.recv(65536):
            found += some
    return found


def problem(answer: bytes) -> dict[str, Any]:
    """The problem document of an answer of one's own bytes, with its headers."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["connection"] == "close"
    found: dict[str, Any] = json.loads(body)
    assert lines[0].split(" ", 2)[1] == str(found["status"])
    return headers | found


def ask(running: Server, path: str = f"{PREFIX}/engagement") -> httpx.Response:
    """GET as an administrator, on a connection of its own."""
    given = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}"}
    return httpx.get(running.url + path, headers=given, timeout=300)


def logged(running: Server, event: str) -> list[dict[str, Any]]:
    """The log lines of an event."""
    whole = running.log.read_text().rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def wait_for(condition: Callable[[], Any]) -> Any:
    """The value of a condition, once it is true."""
    deadline = time.monotonic() + 300
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_connections_without_a_request_make_room(
    limited: Callable[..., Server], sent: bytes
) -> None:
    """Beyond API_CONNECTIONS the newest connections without a whole request are closed for the next
    one, which is answered; those that came before the flood outlast it."""
    running = limited(20)
    with connections(running, 5) as before, connections(running, 60, sent) as flood:
        assert [ask(running).status_code for _ in range(5)] == [200] * 5
        assert all(map(is_open, before))
        assert sum(map(is_open, flood)) <= 15
        dropped = wait_for(lambda: logged(running, "connections.limited"))
        assert dropped[0]["dropped"] > 0
        assert [line for line in dropped if line["refused"]] == []


def test_a_low_limit_of_files_is_kept(limited: Callable[..., Server]) -> None:
    """Where the hard limit of open files is lower than API_CONNECTIONS, a worker keeps to it, says
    so with a hint, and answers beside more idle connections than it allows."""
    running = limited(1000, OPEN_FILES="64 128")
    (line,) = logged(running, "connections.fewer_than_set")
    assert line["connections"] == 128 - 96 and "ulimit -Hn" in line["hint"]
    with connections(running, 200) as idle:
        assert [ask(running).status_code for _ in range(5)] == [200] * 5
        assert sum(map(is_open, idle)) <= 32
    assert not any(line["accept_failed"] for line in logged(running, "connections.limited"))


def test_failures_of_accept_are_few_lines(limited: Callable[..., Server]) -> None:
    """When files run out all the same, idle connections are closed until there is one again, others
    are answered, and all failures of a second are one line."""
    running = limited(1000, OPEN_FILES="128 128", OTHER_FILES="-1000")
    with connections(running, 400):
        assert [ask(running).status_code for _ in range(5)] == [200] * 5
        lines = wait_for(
            lambda: [x for x in logged(running, "connections.limited") if x["accept_failed"]]
        )
    assert "Too many open files" in lines[0]["error"]
    seconds = {line["timestamp"][:19] for line in lines}
    assert len(lines) <= len(seconds) + 1
    assert logged(running, "socket.accept() out of system resource") == []


def test_beyond_the_limit_a_client_gets_503(limited: Callable[..., Server], tmp_path: Path) -> None:
    """While every connection has a request, the next one gets 503 with `Retry-After`, a problem
    document and the end of the connection, and those before it get their answers."""
    running = limited(1)
    (tmp_path / "hold").touch()
    found: list[int] = []
    first = threading.Thread(
        target=lambda: found.append(ask(running, f"{PREFIX}/engagement?days=59").status_code)
    )
    first.start()
    wait_for((tmp_path / "started").exists)
    refused = ask(running)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1" and refused.headers["connection"] == "close"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].startswith("There are too many connections")
    (tmp_path / "release").touch()
    first.join()
    assert found == [200]
    wait_for(lambda: ask(running).status_code == 200)


def test_a_head_must_be_complete_in_time(limited: Callable[..., Server]) -> None:
    """An unfinished head is 408 after the time for it, also if a byte comes now and then; without a
    byte the connection is closed, also after an answer."""
    running = limited(100, client_seconds="1")
    begun = b"GET /health/live HTTP/1.1\r\nhost: x\r\n"
    with connections(running, 1, begun) as (stopped,), connections(running, 1) as (silent,):
        assert received(silent) == b""
        assert problem(received(stopped))["status"] == 408
    with connections(running, 1, begun) as (dripping,), suppress(OSError):
        while is_open(dripping):
            dripping.sendall(b"x: y\r\n")
            time.sleep(0.1)
    with connections(running, 1, begun + b"\r\n") as (kept,):
        assert received(kept).startswith(b"HTTP/1.1 200")
    assert sum(x["too_slow"] for x in logged(running, "connections.limited")) >= 2


@pytest.mark.parametrize("sent", [b"", b"x"])
def test_a_body_must_make_progress(limited: Callable[..., Server], sent: bytes) -> None:
    """A body that stops, or of which a byte comes now and then, is 408; one that comes steadily is
    read to its end, however long it takes."""
    running = limited(100, client_seconds="3")
    head = (
        f"POST {PREFIX}/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token(Role.SERVICE, 'tracker')}\r\n"
    )
    with connections(running, 1, f"{head}content-length: 90000\r\n\r\n{{".encode()) as (slow,):
        answer = b""
        while not answer.endswith(b"}"):
            slow.setblocking(False)
            with suppress(BlockingIOError):
                answer += slow.recv(65536)
            with suppress(OSError):
                slow.send(sent)
            time.sleep(0.1)
        assert problem(answer)["status"] == 408
    steady = f"{head}connection: close\r\ncontent-length: 90001\r\n\r\n".encode()
    with connections(running, 1, steady) as (one,):
        for _ in range(50):  # five seconds
            one.sendall(b" " * 1800)
            time.sleep(0.1)
        one.sendall(b"{")
        assert received(one).startswith(b"HTTP/1.1 400")


def test_an_answer_must_be_taken(limited: Callable[..., Server]) -> None:
    """A client that does not take its answers is cut off and nothing is kept for it; one that reads
    slowly gets them all."""
    running = limited(100, client_seconds="3")
    count = 400
    request = f"GET {LARGE} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    last = request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    size = len(ask(running, LARGE).content)
    with connections(running, 1, request * (count - 1) + last) as (stopped,):
        wait_for(lambda: [x for x in logged(running, "connections.limited") if x["too_slow"]])
        assert len(received(stopped)) < count * size
    with connections(running, 1, request * (count - 1) + last) as (slow,):
        total = 0
        while some := slow.recv(262_144):
            total += len(some)
            time.sleep(0.002)
        assert total > count * size


def test_what_is_no_request_is_400(limited: Callable[..., Server]) -> None:
    """Bytes that are not HTTP, and a head of more than 32 kB, are a problem document."""
    running = limited(100)
    for sent in (b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"x" * 40_000):
        with connections(running, 1, sent) as (one,):
            assert problem(received(one))["status"] == 400
