"""The client for other programs: it never blocks, never raises, retries, and counts."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api.auth import Role
from api.client import (
    AnalyticsClient,
    AnalyticsEventType,
    BatchError,
    get_analytics_service,
    start_analytics_service,
)
from api.client import messenger_analytics as client_module
from api.events.event import EventType
from tests.api import small_messenger as messenger
from tests.api.servers import Server as RunningApi
from tests.api.tokens import token as token_of
from tests.own_servers import ApiProcess
from tests.tokens import SECRET, Signer

ROOT = Path(__file__).parents[1]
_WAIT_SECONDS = 300.0  # reached only if nothing happens
SENT = AnalyticsEventType.MESSAGE_SENT
CONVERSATION = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")


class Server:
    """An API that answers each batch as the test decides."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.answer: Callable[[list[dict[str, Any]]], tuple[int, dict[str, str]]]
        self.answer = lambda batch: (202, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                batch = json.loads(body)
                assert self.path == "/analytics/events"
                assert self.headers["Authorization"] == "Bearer token"
                outer.batches.append(batch)
                status, headers = outer.answer(batch)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/analytics"

    @property
    def users(self) -> list[int]:
        """The users of the received events, in order."""
        return [event["user_id"] for batch in self.batches for event in batch]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Such an API; clients retry quickly."""
    monkeypatch.setattr(client_module, "_FIRST_PAUSE_SECONDS", 0.01)
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()
    found.thread.join()


@pytest.mark.slow
def test_tracked_events_are_stored(database: str, valkey_url: str, tmp_path: Path) -> None:
    """Events of the client that the real API receives are in PostgreSQL as they were tracked."""
    environment = {"JWT_SECRET": SECRET, "DATABASE_URL": database, "REDIS_URL": valkey_url}
    api = ApiProcess(environment | {"DATA_DIR": str(tmp_path)})  # nothing is published there
    api.start()
    token = Signer.new("HS256").token(role="service", sub="messenger")
    client = start_analytics_service(api.url, token)
    try:
        assert get_analytics_service() is client
        for n in range(1200):
            client.track(SENT, n, CONVERSATION, {"n": n, "text": "schön\n"})
        asyncio.run(client.track_event("user.online", metadata={"device": None}))
        assert client.flush(_WAIT_SECONDS)
        assert client.stats == client_module.ClientStats(sent=1201, queued=0, dropped={})
        with psycopg.connect(database) as connection:
            rows = connection.execute(
                "select event_type, user_id, conversation_id, metadata from analytics_events"
                " order by user_id nulls last"
            ).fetchall()
        expected: list[Any] = [
            ("message.sent", n, CONVERSATION, {"n": n, "text": "schön\n"}) for n in range(1200)
        ]
        assert rows == [*expected, ("user.online", None, None, {"device": None})]
    finally:
        client.close()
        api.close()


def test_many_events_are_few_requests(server: Server) -> None:
    """A burst of events is sent in full batches, in order."""
    client = AnalyticsClient(server.url, "token", batch_seconds=_WAIT_SECONDS)
    for n in range(1000):
        client.track(SENT, n)
    assert client.flush(_WAIT_SECONDS)
    assert [len(batch) for batch in server.batches] == [500, 500]
    assert server.users == list(range(1000))
    client.close()


@pytest.mark.parametrize("status", [0, 429, 500, 503, 401])
def test_a_batch_is_repeated_with_the_same_uuids(server: Server, status: int) -> None:
    """After a lost answer, a 5xx, a 429 or a 401 the client sends the same bytes again."""
    answers = iter([status, status])
    server.answer = lambda batch: (next(answers, 202), {"Retry-After": "0"})
    client = AnalyticsClient(server.url, "token")
    for n in range(3):
        client.track(SENT, n)
    assert client.flush(_WAIT_SECONDS)
    first, *later = server.batches
    assert later[:2] == [first] * 2
    # A slow machine may send some of them in another batch, once.
    assert sum(map(len, later[1:])) == 3
    assert len({event["id"] for batch in later[1:] for event in batch}) == 3
    assert client.stats.sent == 3
    client.close()


def test_ids_are_sent_by_their_type(server: Server) -> None:
    """Numbers are sent as numbers, uuids and texts as strings; an event has the id that it is
    given, else a new uuid."""
    client = AnalyticsClient(server.url, "token")
    client.track(SENT, "@ann:example.org", -7, event_id=41)
    client.track(SENT, CONVERSATION, "a/b", event_id="$e:example.org")
    asyncio.run(client.track_event(SENT, event_id=CONVERSATION))
    client.track(SENT)
    assert client.flush(_WAIT_SECONDS)
    sent = [event for batch in server.batches for event in batch]
    assert [(e["id"], e["user_id"], e["conversation_id"]) for e in sent[:3]] == [
        (41, "@ann:example.org", -7),
        ("$e:example.org", str(CONVERSATION), "a/b"),
        (str(CONVERSATION), None, None),
    ]
    assert str(UUID(sent[3]["id"])) == sent[3]["id"]
    client.close()


def test_retry_after_is_respected(server: Server) -> None:
    """The client retries after `Retry-After` seconds and not before."""
    times: list[float] = []

    def answer(_: Any) -> tuple[int, dict[str, str]]:
        times.append(time.monotonic())
        return (503, {"Retry-After": "1"}) if len(times) == 1 else (202, {})

    server.answer = answer
    client = AnalyticsClient(server.url, "token")
    client.track(SENT)
    assert client.flush(_WAIT_SECONDS)
    assert times[1] - times[0] >= 1
    client.close()


def test_one_bad_event_does_not_drop_the_others(server: Server) -> None:
    """A refused batch is halved until the bad event is alone; only that event is dropped."""
    server.answer = lambda batch: (400 if any(e["user_id"] == 13 for e in batch) else 202, {})
    client = AnalyticsClient(server.url, "token")
    for n in range(100):
        client.track(SENT, n)
    assert client.flush(_WAIT_SECONDS)
    assert (client.stats.sent, client.stats.dropped) == (99, {"refused": 1})
    client.close()


def test_the_queue_is_bounded(server: Server) -> None:
    """While the API accepts nothing, the queue is filled and further events are counted as
    dropped."""
    server.answer = lambda batch: (503, {"Retry-After": "60"})
    client = AnalyticsClient(server.url, "token", queue_events=50, close_seconds=0)
    for n in range(80):
        client.track(SENT, n)
    assert (client.stats.queued, client.stats.dropped) == (50, {"full": 30})
    client.close()
    assert client.stats.dropped == {"full": 30, "closed": 50}
    client.track(SENT)
    assert client.stats.dropped["closed"] == 51


def test_an_old_batch_is_dropped(server: Server) -> None:
    """A batch that is not accepted is dropped after its time, and the next one has its own time."""
    server.answer = lambda batch: (503, {})
    client = AnalyticsClient(server.url, "token", retry_seconds=0.1)
    client.track(SENT, 1)
    assert client.flush(_WAIT_SECONDS)
    assert client.stats.dropped == {"retries": 1}
    server.answer = lambda batch: (202, {})
    client.track(SENT, 2)
    assert client.flush(_WAIT_SECONDS)
    assert client.stats.sent == 1
    client.close()


@pytest.mark.parametrize(
    "event",
    [
        ("message.seen",),
        (SENT, object()),
        (SENT, 7, CONVERSATION, {"at": object()}),
        (SENT, 7, CONVERSATION, {"x": float("nan")}),
        (SENT, 7, CONVERSATION, {"text": "ö" * 8192}),
        (SENT, 7, CONVERSATION, 5),
    ],
    ids=range(6),
)
def test_an_invalid_event_is_counted_and_not_raised(server: Server, event: tuple[Any, ...]) -> None:
    """An invalid event is dropped when it is tracked, so that the messenger does not fail."""
    client = AnalyticsClient(server.url, "token")
    client.track(*event)
    assert client.stats.dropped == {"unusable": 1}
    client.close()
    assert server.batches == []


def test_there_is_no_api(server: Server) -> None:
    """Without an API tracking returns at once, and closing ends at its time limit."""
    server.http.server_close()
    client = AnalyticsClient("http://127.0.0.1:1/analytics", "token", close_seconds=0.1)
    for _ in range(100):
        client.track(SENT)
    client.close()
    assert client.stats.dropped == {"closed": 100}


PROGRAM = """
import os, sys
from api.client import AnalyticsClient, AnalyticsEventType
client = AnalyticsClient(sys.argv[1], "token", close_seconds=300)
client.track(AnalyticsEventType.USER_ONLINE, 1)
if os.fork() == 0:
    client.track(AnalyticsEventType.USER_ONLINE, 2)
    client.close()
    os._exit(0)
os.wait()
"""


def test_the_end_of_a_program_sends_the_queue(server: Server) -> None:
    """At its end a program sends its queue; a forked child sends its own and not that of the
    parent."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM, server.url], cwd=ROOT, check=True, timeout=_WAIT_SECONDS
    )
    assert sorted(server.users) == [1, 2]


def test_standard_library_only() -> None:
    """The client is one file that imports only the standard library, so it can be copied."""
    tree = ast.parse((ROOT / "api/client/messenger_analytics.py").read_text())
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= sys.stdlib_module_names | {"__future__"}


def test_an_invalid_url() -> None:
    """An invalid URL is refused when the client is created."""
    for url in ("chat.example", "ftp://chat.example", "http://"):
        with pytest.raises(ValueError, match="not a URL of the API"):
            AnalyticsClient(url, "token")


def test_client_and_server_are_separate() -> None:
    """No module of the server imports the client, and both have the same types of events."""
    for path in (ROOT / "api").rglob("*.py"):
        if "client" not in path.relative_to(ROOT).parts:
            assert "api.client" not in path.read_text(), path
    assert [kind.value for kind in AnalyticsEventType] == [kind.value for kind in EventType]
    assert [kind.name for kind in AnalyticsEventType] == [kind.name for kind in EventType]


def test_a_batch_is_read(small_server: RunningApi) -> None:
    """The client reads the answers of one generation in the order of its questions, a refusal in
    its place; what refuses the whole batch is raised."""
    url = f"{small_server.url}/api/v1/messenger/analytics"
    client = AnalyticsClient(url, token_of(Role.ADMIN, "boss"))
    asks = ["/messages?days=7&conversation_id=" + str(messenger.TEAM), "/user/none", "/top-senders"]
    for pin in (None, 1):
        found = client.batch(asks, pin)
        assert (found.generation, len(found.answers)) == (1, 3)
        assert abs((found.data_through - messenger.NOW).total_seconds()) < 3600
        assert [one.status for one in found.answers] == [200, 400, 200]
        assert found.answers[0].body["total_messages"] == 11
        assert found.answers[1].body["parameter"] == "user_id"
        assert found.answers[2].body["top_senders"][0]["username"] == "dora"
        assert {one.retry_after for one in found.answers} == {None}
    for bearer, pin, status in ((token_of(Role.ADMIN, "boss"), 7, 410), ("rubbish", None, 401)):
        with pytest.raises(BatchError) as refused:
            AnalyticsClient(url, bearer).batch(asks, pin)
        assert refused.value.status == status and str(refused.value).startswith(f"{status}: ")
    with pytest.raises(OSError, match="refused"):
        AnalyticsClient("http://127.0.0.1:1/analytics", "token").batch(asks)
