"""The WebSocket `/live` of real servers: what `/stream` tells, the token in its first frame."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.app import PREFIX
from api.auth import Role
from tests.api.fix_published import BASE, ONE_MORE_MESSAGE, Published
from tests.api.live_clients import logged, streaming, until
from tests.api.servers import Server, server
from tests.api.small_messenger import ALICE
from tests.api.test_stream import Start, ended, metric, start
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.tokens import Signer, expirations

pytestmark = pytest.mark.slow

__all__ = ["start"]  # the fixture

HANDSHAKE = (
    f"GET {PREFIX}/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def opened(
    running: Server, root: str = "", **options: Any
) -> AbstractContextManager[ClientConnection]:
    """A WebSocket that has sent nothing; the client has no limits that a slow machine reaches."""
    url = f"ws://127.0.0.1:{running.port}{root}{PREFIX}/live"
    made: AbstractContextManager[ClientConnection] = connect(
        url, open_timeout=300, close_timeout=300, ping_interval=None, **options
    )
    return made


@contextmanager
def told(
    running: Server, role: Role = Role.ADMIN, subject: object = "boss", **options: Any
) -> Iterator[ClientConnection]:
    """A WebSocket that has sent its token."""
    with opened(running, **options) as client:
        client.send(first(token(role, subject)))
        yield client


def first(bearer: str) -> str:
    """The first frame."""
    return json.dumps({"token": bearer})


def received(client: ClientConnection) -> Any:
    """The next frame."""
    return json.loads(client.recv(300))


def closed(client: ClientConnection) -> tuple[int, str]:
    """The code and the reason of the end; what comes before it is left out."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            client.recv(300)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


@pytest.mark.parametrize(("role", "subject"), [(Role.ADMIN, "boss"), (Role.MEMBER, ALICE)])
def test_a_socket_is_told_what_a_stream_is_told(
    small_server: Server, role: Role, subject: object
) -> None:
    """The frame has the event's name and the data that the stream has; nothing is compressed."""
    with streaming(small_server, role, subject) as stream, told(small_server, role, subject) as one:
        assert received(one) == {"event": "generation", "data": stream.next("generation")}
        assert one.response is not None
        assert "Sec-WebSocket-Extensions" not in one.response.headers
        assert one.response.headers["X-Request-ID"]


def test_a_socket_is_told_the_next_generation(start: Start, published: Published) -> None:
    """Every socket of two workers is told when the pointer moves."""
    published.publish(BASE)
    running = start("--workers", "2", data_dir=published.root)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(told(running, subject=f"boss {number}")) for number in range(8)
        ]
        assert {received(client)["data"]["generation"] for client in clients} == {BASE}
        published.publish(ONE_MORE_MESSAGE)
        for client in clients:
            assert received(client)["data"]["generation"] == ONE_MORE_MESSAGE


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (first("rubbish"), 401),
        (first(token(Role.SERVICE, "bot")), 403),
        ("rubbish", 400),
        ('{"token": 7}', 400),
        ('{"token": "a", "more": 1}', 400),
        (b"\xff", 400),
        (b"", 400),
    ],
)
def test_a_first_frame_that_is_refused(
    small_server: Server, frame: str | bytes, status: int
) -> None:
    """The client is told the problem document that HTTP would have, and 4000 and its status as the
    code; the reason never has the token."""
    with opened(small_server) as client:
        client.send(frame)
        found = received(client)
        assert (found["event"], found["data"]["status"]) == ("problem", status)
        assert "rubbish" not in found["data"]["detail"]
        code, reason = closed(client)
        assert code == 4000 + status
        assert reason and found["data"]["detail"].startswith(reason)


def test_a_frame_may_have_ten_kilobytes(small_server: Server) -> None:
    """A longer one ends the connection with the code of RFC 6455, whole or in pieces."""
    for frame in (first("x" * 20_000), ["x" * 6000, "x" * 6000]):
        with opened(small_server) as client:
            client.send(frame)
            assert closed(client)[0] == 1009


def test_the_token_must_come_in_time(start: Start) -> None:
    """A socket without its first frame is closed after the time for it."""
    running = start(TOKEN_SECONDS="0.2")
    with opened(running) as client:
        assert received(client)["data"]["status"] == 408
        assert closed(client)[0] == 4408


def test_nothing_more_is_expected(small_server: Server) -> None:
    """A second frame ends the socket."""
    with told(small_server) as client:
        assert received(client)["event"] == "generation"
        client.send(first(token(Role.ADMIN, "boss")))
        assert closed(client)[0] == 1008


def test_sockets_and_streams_share_the_limit(small_server: Server) -> None:
    """Six of one subject together: the next socket is 4429, and so is the next stream, 429; what a
    client leaves without a word is free again."""
    subject = "both"
    with ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(streaming(small_server, subject=subject))
            client.next("generation")
        sockets = [stack.enter_context(told(small_server, subject=subject)) for _ in range(3)]
        assert {received(one)["event"] for one in sockets} == {"generation"}
        with told(small_server, subject=subject) as one:
            assert received(one)["data"]["status"] == 429
            assert closed(one)[0] == 4429
        with streaming(small_server, subject=subject) as client:
            assert client.status == 429
        sockets[0].socket.shutdown(socket.SHUT_RDWR)  # no closing handshake

        def is_free() -> bool:
            with told(small_server, subject=subject) as one:
                return bool(received(one)["event"] == "generation")

        until(is_free)


def test_a_socket_ends_with_its_token(small_server: Server) -> None:
    """At `exp` the code is 4401."""
    for expires in expirations():
        with opened(small_server) as client:
            client.send(first(Signer.new("HS256").token(sub="boss", role="admin", exp=expires)))
            found = received(client)
            if found["event"] == "problem":
                assert found["data"]["status"] == 401
                continue
            assert found["event"] == "generation"
            assert closed(client) == (4401, "the token has expired")
            break
    assert datetime.now(UTC) >= expires


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_closes_sockets(start: Start, workers: str) -> None:
    """At SIGTERM every socket gets the code of a restart, also one that has sent no token."""
    running = start("--workers", workers)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(told(running, subject=f"boss {number}")) for number in range(10)
        ]
        assert {received(client)["event"] for client in clients} == {"generation"}
        clients.append(stack.enter_context(opened(running)))
        assert running.stop() == 0
        assert {closed(client)[0] for client in clients} == {1012}
    assert ended(running) == ["the server stops"] * 10
    assert "Traceback" not in running.log.read_text()


def test_what_is_no_handshake_is_426(small_server: Server) -> None:
    """A request for `/live` that is no whole handshake gets a problem that says what to do, with
    the headers of every answer; a token in the URL is no handshake either."""
    for changed in (
        "",
        HANDSHAKE.replace("Version: 13", "Version: 8"),
        HANDSHAKE.replace("AAAA==", "AAAA"),
        HANDSHAKE.replace("Upgrade: websocket\r\n", ""),
        HANDSHAKE.replace("Connection: Upgrade", "Connection: close"),
        HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0"),
        HANDSHAKE.replace("/live ", "/live?token=secret "),
    ):
        with socket.create_connection(("127.0.0.1", small_server.port), 300) as one:
            plain = f"GET {PREFIX}/live HTTP/1.1\r\nHost: x\r\n\r\n"
            one.sendall((changed or plain).encode())
            answer = answer_on(one).decode()
        assert answer.startswith("HTTP/1.1 426 "), changed
        assert "upgrade: websocket" in answer.lower()
        assert "x-content-type-options: nosniff" in answer and "x-request-id" in answer
        assert "Open a WebSocket (version 13) here" in answer
    assert not any("secret" in line["path"] for line in logged(small_server, "request"))


def test_elsewhere_an_upgrade_is_not_offered(small_server: Server) -> None:
    """A handshake at another path is a request like others."""
    with socket.create_connection(("127.0.0.1", small_server.port), 300) as one:
        one.sendall(HANDSHAKE.replace(f"{PREFIX}/live", "/health/live").encode())
        assert answer_on(one).endswith(b'{"status":"live"}')


def answer_on(connection: socket.socket) -> bytes:
    """An answer, which ends with a JSON object."""
    answer = b""
    while not answer.endswith(b"}"):
        some = connection.recv(65536)
        assert some, answer
        answer += some
    return answer


@pytest.fixture(scope="module")
def below_chat(small_site: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API below /chat, for a page of another origin, with everything in its log."""
    log = tmp_path_factory.mktemp("below_chat") / "log"
    with server(
        small_site.layout.root,
        log,
        ROOT_PATH="/chat",
        CORS_ORIGINS="https://chat.example",
        LOG_LEVEL="debug",
    ) as running:
        yield running


@pytest.mark.parametrize("root", ["", "/chat"], ids=["stripped", "kept"])
def test_a_proxy_may_keep_or_strip_the_root_path(below_chat: Server, root: str) -> None:
    """Below ROOT_PATH the socket opens with and without it."""
    with opened(below_chat, root) as client:
        client.send(first(token(Role.ADMIN, "boss")))
        assert received(client)["event"] == "generation"


def test_which_pages_may_open_a_socket(below_chat: Server) -> None:
    """A page of the same host or of CORS_ORIGINS may, and a program that names no page; another
    page gets 403 with the reason, whatever token it has."""
    own = f"https://127.0.0.1:{below_chat.port}"
    for allowed in (None, "https://chat.example", own, own.replace("https", "http")):
        with told(below_chat, origin=allowed) as client:
            assert received(client)["event"] == "generation"
    for refused in ("https://evil.example", "https://chat.example.evil.example", "null", "http://"):
        with pytest.raises(InvalidStatus) as caught, opened(below_chat, origin=refused):
            pass
        answer = caught.value.response
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert b"CORS_ORIGINS" in (answer.body or b"")


def test_the_log_has_each_handshake_once_and_no_token(below_chat: Server) -> None:
    """At the level debug neither the frames nor the token are logged; the handshake is one line of
    a request, with 101, and one in the metrics."""
    given = token(Role.ADMIN, "of the log")
    before = len([one for one in logged(below_chat, "request") if one["status"] == 101])
    with opened(below_chat) as client:
        client.send(first(given))
        assert received(client)["event"] == "generation"
        until(lambda: metric(below_chat, 'analytics_streams{kind="socket"}') == 1)
    until(lambda: metric(below_chat, 'analytics_streams{kind="socket"}') == 0)
    found = [line for line in logged(below_chat, "request") if line["status"] == 101]
    assert len(found) == before + 1 and found[-1]["path"].endswith("/live")
    text = below_chat.log.read_text()
    assert given not in text and given.rpartition(".")[2] not in text
    assert "WebSocket" not in text


def test_tokens_that_are_refused_are_charged_to_the_address(start: Start) -> None:
    """Beyond the limit of an address the reason is that, and a valid token is told all the same."""
    running = start(ANONYMOUS_LIMIT_PER_MINUTE="5")
    found = []
    for _ in range(12):
        with opened(running) as client:
            client.send(first("rubbish"))
            found.append(received(client)["data"]["status"])
    assert found[0] == 401 and found[-1] == 429
    with told(running) as client:
        assert received(client)["event"] == "generation"


def test_a_socket_without_a_token_makes_room(start: Start) -> None:
    """When every connection is taken, one that has been told nothing is closed for the next one,
    and one that has been told is not."""
    running = start(API_CONNECTIONS="4", TOKEN_SECONDS="600")
    with ExitStack() as stack:
        strangers = [stack.enter_context(opened(running)) for _ in range(3)]
        valid = stack.enter_context(told(running))
        assert received(valid)["event"] == "generation"
        assert httpx.get(f"{running.url}/health/live").status_code == 200
        until(lambda: any(one.close_code for one in strangers))
        assert [one.close_code for one in strangers if one.close_code] == [1006]
        valid.ping().wait(300)


def test_pings_of_a_client_that_does_not_read(start: Start) -> None:
    """Answers to pings are not collected for it: it is cut off when its system holds no more, and
    not after the ten seconds in which a client must take what is written."""
    running = start()
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", running.port))
        one.sendall(HANDSHAKE.encode())
        ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
        with pytest.raises(OSError):
            while True:
                one.sendall(ping * 1000)
    assert logged(running, "connections.limited") == []
    assert httpx.get(f"{running.url}/health/live").status_code == 200
