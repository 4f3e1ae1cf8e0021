"""`GET /stream` of real servers: what is told to whom, until when, and what it costs others."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import PREFIX
from api.auth import Role
from api.live.hub import STREAMS_OF_ACCOUNT_MAX
from tests.api.fix_published import BASE, ONE_MORE_MESSAGE, Published
from tests.api.live_clients import StreamClient, logged, streaming, until
from tests.api.servers import Server, server
from tests.api.small_messenger import ALICE
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.tokens import Signer, expirations, write_jwks

pytestmark = pytest.mark.slow

Start = Callable[..., Server]


@pytest.fixture
def start(small_site: Pipeline, tmp_path: Path) -> Iterator[Start]:
    """A function that starts an API with other times, on the small messenger by default."""
    with ExitStack() as stack:

        def make(*arguments: str, data_dir: Path | None = None, **variables: str) -> Server:
            number = len(list(tmp_path.glob("log*")))
            return stack.enter_context(
                server(
                    data_dir or small_site.layout.root,
                    tmp_path / f"log{number}",
                    *arguments,
                    program="tests.api.live_app",
                    **variables,
                )
            )

        yield make


def beats(client: StreamClient, number: int) -> list[str]:
    """The blocks until so many comments have come; the comments are left out."""
    blocks = []
    for block in client.blocks():
        number -= block.startswith(":")
        if not block.startswith(":"):
            blocks.append(block)
        if number == 0:
            return blocks
    raise AssertionError("the stream has ended")


@pytest.mark.parametrize(("role", "subject"), [(Role.ADMIN, "boss"), (Role.MEMBER, ALICE)])
def test_the_serving_generation_is_told_at_once(
    small_server: Server, role: Role, subject: object
) -> None:
    """Administrators and members are told the generation and the end of its data, in the same form
    as every answer has them, and no cache or proxy keeps or compresses the stream."""
    headers = {"Authorization": f"Bearer {token(role, subject)}"}
    about = httpx.get(f"{small_server.url}{PREFIX}/generation", headers=headers).json()
    more = "Accept-Encoding: zstd, gzip\r\nAccept: text/event-stream\r\n"
    with streaming(small_server, role, subject, more=more) as client:
        assert client.status == 200
        assert client.headers["content-type"] == "text/event-stream"
        assert client.headers["cache-control"] == "no-store"
        assert client.headers["x-accel-buffering"] == "no"
        assert client.headers["x-content-type-options"] == "nosniff"
        assert "content-encoding" not in client.headers
        assert next(client.blocks()) == "retry: 3000"
        told = client.next("generation")
        assert told == {name: about[name] for name in ("generation", "data_through")}


def test_who_may_not_listen(small_server: Server) -> None:
    """A service gets 403, a rubbish token 401, and an unknown parameter 400, as elsewhere."""
    with streaming(small_server, Role.SERVICE) as client:
        assert (client.status, client.body()["status"]) == (403, 403)
    with streaming(small_server, bearer="rubbish") as client:
        assert client.status == 401
    with streaming(small_server, path=f"{PREFIX}/stream?days=7") as client:
        assert (client.status, client.body()["parameter"]) == (400, "days")


def test_head_has_the_headers_of_a_stream_and_ends(small_server: Server) -> None:
    """`HEAD` is answered like every other one, and the connection can be used again."""
    with streaming(small_server, method="HEAD") as client:
        assert client.status == 200
        assert client.headers["content-type"] == "text/event-stream"
        client.connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.connection.recv(65536).endswith(b'{"status":"live"}')


def test_without_a_generation_there_is_no_stream(tmp_path: Path) -> None:
    """Like `/generation`, the stream is 503 with `Retry-After` where none is published."""
    (tmp_path / "empty").mkdir()
    empty = server(tmp_path / "empty", tmp_path / "log", wait_for="/health/live")
    with empty as running, streaming(running) as client:
        assert (client.status, client.headers["retry-after"]) == (503, "10")


def test_every_worker_tells_the_next_generation(start: Start, published: Published) -> None:
    """All clients of two workers are told the generation that the pointer names, once."""
    published.publish(BASE)
    running = start("--workers", "2", data_dir=published.root, BEAT_SECONDS="0.1")
    with ExitStack() as stack:
        clients = [
            stack.enter_context(streaming(running, subject=f"boss {number}"))
            for number in range(12)
        ]
        assert {client.next("generation")["generation"] for client in clients} == {BASE}
        published.publish(ONE_MORE_MESSAGE)
        for client in clients:
            assert client.next("generation")["generation"] == ONE_MORE_MESSAGE
            assert pointer(published)["generation"] == ONE_MORE_MESSAGE
            assert beats(client, 5) == []


def pointer(published: Published) -> Any:
    """The generation from which the workers answer."""
    return json.loads((published.root / "api" / "serving.json").read_bytes())


def test_no_generation_is_told_before_the_pointer(
    start: Start, published: Published, tmp_path: Path
) -> None:
    """A published generation is told when the answers that are computed first are ready, and the
    pointer has moved; until then nothing is said of it."""
    published.publish(BASE)
    running = start(data_dir=published.root, HELD_DIR=str(tmp_path), BEAT_SECONDS="0.1")
    with streaming(running) as client:
        assert client.next("generation")["generation"] == BASE
        (tmp_path / "hold").touch()
        published.publish(ONE_MORE_MESSAGE)
        until((tmp_path / "started").exists)
        assert beats(client, 30) == []
        assert pointer(published)["generation"] == BASE
        (tmp_path / "release").touch()
        assert client.next("generation")["generation"] == ONE_MORE_MESSAGE


def test_a_worker_that_nobody_asks_looks_at_the_pointer(
    start: Start, published: Published, tmp_path: Path
) -> None:
    """A worker that is still computing the first answers itself tells the generation to which
    another one has moved the pointer, although nobody asks it anything."""
    published.publish(BASE)
    busy = start(data_dir=published.root, HELD_DIR=str(tmp_path))
    with streaming(busy) as client:
        assert client.next("generation")["generation"] == BASE
        (tmp_path / "hold").touch()
        published.publish(ONE_MORE_MESSAGE)
        until((tmp_path / "started").exists)
        start(data_dir=published.root)
        assert client.next("generation")["generation"] == ONE_MORE_MESSAGE
        assert not (tmp_path / "release").exists()
    (tmp_path / "release").touch()


def test_a_stream_ends_with_its_token(small_server: Server) -> None:
    """At `exp` the stream is completed, and the same token then gets 401."""
    for expires in expirations():
        bearer = Signer.new("HS256").token(sub="boss", role="admin", exp=expires)
        with streaming(small_server, bearer=bearer) as client:
            if client.status == 401:
                continue
            assert [name for name, _ in client.events()][:1] == ["generation"]
            assert client.is_complete
            break
    assert datetime.now(UTC) >= expires
    with streaming(small_server, bearer=bearer) as client:
        assert client.status == 401
    assert "the token has expired" in ended(small_server)


def ended(running: Server) -> list[str]:
    """Why the streams of a server have ended."""
    return [line["reason"] for line in logged(running, "stream.ended")]


def test_a_stream_ends_after_an_hour(start: Start) -> None:
    """After the longest time the stream is completed, and the connection is kept."""
    running = start(OPEN_SECONDS="1")
    with streaming(running) as client:
        assert [name for name, _ in client.events()] == ["generation"]
        assert client.is_complete
        client.connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.connection.recv(65536).endswith(b'{"status":"live"}')
    assert ended(running) == ["it has been open for an hour"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_does_not_wait_for_streams(start: Start, workers: str) -> None:
    """At SIGTERM every stream is completed at once, nothing is cancelled, and a client that does
    not read delays nobody; the exit code is 0."""
    running = start("--workers", workers, BEAT_SECONDS="0.01", BEAT_BYTES="8000")
    with ExitStack() as stack:
        clients = [
            stack.enter_context(streaming(running, subject=f"boss {number}"))
            for number in range(20)
        ]
        silent = stack.enter_context(never_reading(running))
        for client in clients:
            client.next("generation")
        # They read on: a client that is behind at the stop has a second, however slow this is.
        readers = stack.enter_context(ThreadPoolExecutor(len(clients)))
        reading = [readers.submit(client.read_to_end) for client in clients]
        until(lambda: is_full(silent))
        assert running.stop() == 0
        for reader in reading:
            reader.result()
        assert all(client.is_complete for client in clients)
    assert set(ended(running)) <= {"the server stops", "the client has gone"}
    assert ended(running).count("the server stops") >= len(clients)
    assert "timeout graceful shutdown exceeded" not in running.log.read_text()
    assert "Traceback" not in running.log.read_text()


def never_reading(running: Server, subject: str = "silent") -> socket.socket:
    """A client of a stream that never reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", running.port))
    headers = f"Host: x\r\nAuthorization: Bearer {token(Role.ADMIN, subject)}\r\n\r\n"
    connection.sendall(f"GET {PREFIX}/stream HTTP/1.1\r\n{headers}".encode())
    return connection


def is_full(connection: socket.socket) -> bool:
    """Whether the system takes no more for a client that does not read, so the server must wait."""
    before = waiting_bytes(connection)
    time.sleep(0.2)
    return before > 100_000 and waiting_bytes(connection) == before


def waiting_bytes(connection: socket.socket) -> int:
    """How many bytes the system holds for a client."""
    port = connection.getsockname()[1]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = [int(one[4].partition(":")[0], 16) for one in lines if one[2].endswith(f":{port:04X}")]
    return max(own, default=0)


def test_a_client_that_never_reads_is_cut_off(start: Start) -> None:
    """What is sent to it stays below what its connection holds; it is cut off, as every client that
    does not take its answer is, and the others go on."""
    running = start(BEAT_SECONDS="0.01", BEAT_BYTES="20000", CLIENT_SECONDS="3")
    with streaming(running) as client, never_reading(running):
        assert beats(client, 1)[0] == "retry: 3000"
        # It reads all the time: beats come faster than a connection holds them for long.
        until(lambda: beats(client, 50) == [] and ended(running) == ["the client has gone"])
        assert sum(line["too_slow"] for line in logged(running, "connections.limited")) == 1
        assert beats(client, 100) == []


def test_a_subject_has_six_streams(small_server: Server) -> None:
    """The seventh is 429 with `Retry-After` and the reason; another subject has six of its own, and
    one that is closed makes room."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(streaming(small_server, Role.MEMBER, ALICE))
            for _ in range(STREAMS_OF_ACCOUNT_MAX)
        ]
        assert {client.next("generation")["generation"] for client in clients} == {1}
        with streaming(small_server, Role.MEMBER, ALICE) as client:
            assert (client.status, client.headers["retry-after"]) == (429, "30")
            assert client.body()["detail"].startswith("This subject has 6 streams open already")
        with streaming(small_server, Role.ADMIN, ALICE) as client:
            assert client.status == 200
        clients[0].close()
        until(lambda: opens(small_server, Role.MEMBER, ALICE))


def opens(running: Server, role: Role, subject: object) -> bool:
    """Whether a stream opens."""
    with streaming(running, role, subject) as client:
        return client.status == 200


def test_a_worker_keeps_connections_for_requests(start: Start) -> None:
    """Streams take three quarters of API_CONNECTIONS; the next one is 429, and a request is
    answered."""
    running = start(API_CONNECTIONS="8")
    with ExitStack() as stack:
        clients = [
            stack.enter_context(streaming(running, subject=f"boss {number}")) for number in range(6)
        ]
        assert {client.status for client in clients} == {200}
        with streaming(running, subject="one more") as client:
            assert client.status == 429
            assert client.body()["detail"].startswith("This server has 6 streams open already")
        assert httpx.get(f"{running.url}/health/live").status_code == 200


def test_a_stream_is_counted_once_when_it_begins(start: Start) -> None:
    """The log and the metrics have it while it is open, with the time until it began; its end adds
    nothing to them, and the gauge shows what is open."""
    running = start()
    route = f'method="GET",route="{PREFIX}/stream",status="200"'
    counted = f"analytics_request_duration_seconds_count{{{route}}}"
    open_streams = 'analytics_streams{kind="stream"}'
    with streaming(running) as client:
        client.next("generation")
        until(lambda: metric(running, counted) == 1)
        until(lambda: metric(running, open_streams) == 1)
    until(lambda: ended(running) == ["the client has gone"])
    until(lambda: metric(running, open_streams) == 0)
    assert metric(running, counted) == 1
    found = [line for line in logged(running, "request") if line["path"] == f"{PREFIX}/stream"]
    assert [(line["status"], line["role"]) for line in found] == [(200, "admin")]


def metric(running: Server, name: str) -> float | None:
    """The value of a metric."""
    for line in httpx.get(f"{running.url}/metrics", timeout=300).text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return None


def test_a_removed_key_ends_its_streams(start: Start, tmp_path: Path) -> None:
    """When the file of the keys changes, every stream ends; a token whose key is still there opens
    the next one, and the other one gets 401."""
    kept, removed = Signer.new("EdDSA", "kept"), Signer.new("EdDSA", "removed")
    keys = tmp_path / "keys.json"
    write_jwks(keys, kept, removed)
    running = start(JWT_JWKS_FILE=str(keys))
    bearers = [one.token(sub="boss", role="admin") for one in (kept, removed)]
    with ExitStack() as stack:
        clients = [stack.enter_context(streaming(running, bearer=one)) for one in bearers]
        assert {client.next("generation")["generation"] for client in clients} == {1}
        write_jwks(keys, kept)
        for client in clients:
            list(client.blocks())
            assert client.is_complete
    assert ended(running) == ["the keys have changed"] * 2
    statuses = []
    for bearer in bearers:
        with streaming(running, bearer=bearer) as client:
            statuses.append(client.status)
    assert statuses == [200, 401]
