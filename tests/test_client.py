"""The client of other programs: it never waits, never raises, repeats itself, and counts."""

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

from api import client as client_module
from api.client import (
    AnalyticsClient,
    AnalyticsEventType,
    get_analytics_service,
    start_analytics_service,
)
from tests.own_servers import ApiProcess
from tests.tokens import SECRET, Signer

ROOT = Path(__file__).parents[1]
SENT = AnalyticsEventType.MESSAGE_SENT
CONVERSATION = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")


class Server:
    """An API that answers what the test says, to a batch."""

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
        """Whom the events that came concern, in order."""
        return [event["user_id"] for batch in self.batches for event in batch]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Such an API; clients repeat themselves quickly."""
    monkeypatch.setattr(client_module, "_FIRST_PAUSE_SECONDS", 0.01)
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()
    found.thread.join()


@pytest.mark.slow
def test_what_is_tracked_is_stored(database: str, valkey_url: str, tmp_path: Path) -> None:
    """Events of the real client, by the real API, are in PostgreSQL as they were tracked."""
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
        assert client.flush(20)
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
    """What is tracked in a burst goes out in batches, in order."""
    client = AnalyticsClient(server.url, "token")
    for n in range(1000):
        client.track(SENT, n)
    assert client.flush(10)
    assert len(server.batches) <= 10
    assert server.users == list(range(1000))
    client.close()


@pytest.mark.parametrize("status", [0, 429, 500, 503, 401])
def test_a_batch_is_repeated_with_the_same_uuids(server: Server, status: int) -> None:
    """A lost answer, a 5xx, a 429 and a 401 make the client send the same bytes again."""
    answers = iter([status, status])
    server.answer = lambda batch: (next(answers, 202), {"Retry-After": "0"})
    client = AnalyticsClient(server.url, "token")
    for n in range(3):
        client.track(SENT, n)
    assert client.flush(10)
    assert len(server.batches) == 3
    assert server.batches[0] == server.batches[1] == server.batches[2]
    assert len({event["id"] for event in server.batches[0]}) == 3
    assert client.stats.sent == 3
    client.close()


def test_retry_after_is_kept(server: Server) -> None:
    """The client comes back when it is told to, and not before."""
    came: list[float] = []

    def answer(_: Any) -> tuple[int, dict[str, str]]:
        came.append(time.monotonic())
        return (503, {"Retry-After": "1"}) if len(came) == 1 else (202, {})

    server.answer = answer
    client = AnalyticsClient(server.url, "token")
    client.track(SENT)
    assert client.flush(10)
    assert came[1] - came[0] >= 1
    client.close()


def test_one_bad_event_does_not_cost_the_others(server: Server) -> None:
    """A batch that is refused is halved until the bad event is alone; only that is dropped."""
    server.answer = lambda batch: (400 if any(e["user_id"] == 13 for e in batch) else 202, {})
    client = AnalyticsClient(server.url, "token")
    for n in range(100):
        client.track(SENT, n)
    assert client.flush(10)
    assert (client.stats.sent, client.stats.dropped) == (99, {"refused": 1})
    client.close()


def test_the_queue_is_bounded(server: Server) -> None:
    """While nothing gets through, so many events wait and the rest are counted as dropped."""
    server.answer = lambda batch: (503, {"Retry-After": "60"})
    client = AnalyticsClient(server.url, "token", queue_events=50, close_seconds=0)
    for n in range(80):
        client.track(SENT, n)
    assert (client.stats.queued, client.stats.dropped) == (50, {"full": 30})
    client.close()
    assert client.stats.dropped == {"full": 30, "closed": 50}
    client.track(SENT)
    assert client.stats.dropped["closed"] == 51


def test_what_is_old_is_given_up(server: Server) -> None:
    """A batch that nobody takes is dropped after its time, and the next one has its own."""
    server.answer = lambda batch: (503, {})
    client = AnalyticsClient(server.url, "token", retry_seconds=0.1)
    client.track(SENT, 1)
    assert client.flush(10)
    assert client.stats.dropped == {"retries": 1}
    server.answer = lambda batch: (202, {})
    client.track(SENT, 2)
    assert client.flush(10)
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
def test_nonsense_is_counted_and_not_raised(server: Server, event: tuple[Any, ...]) -> None:
    """What is no event is dropped where it is tracked: the messenger must not fail for it."""
    client = AnalyticsClient(server.url, "token")
    client.track(*event)
    assert client.stats.dropped == {"unusable": 1}
    client.close()
    assert server.batches == []


def test_nobody_listens(server: Server) -> None:
    """With no API at all tracking returns at once, and closing does not wait for ever."""
    server.http.server_close()
    client = AnalyticsClient("http://127.0.0.1:1/analytics", "token", close_seconds=0.1)
    for _ in range(100):
        client.track(SENT)
    client.close()
    assert client.stats.dropped == {"closed": 100}


PROGRAM = """
import os, sys
from api.client import AnalyticsClient, AnalyticsEventType
client = AnalyticsClient(sys.argv[1], "token")
client.track(AnalyticsEventType.USER_ONLINE, 1)
if os.fork() == 0:
    client.track(AnalyticsEventType.USER_ONLINE, 2)
    client.close()
    os._exit(0)
os.wait()
"""


def test_a_program_that_ends_sends_what_it_has(server: Server) -> None:
    """The end of a program sends its queue; a forked child sends its own, and not the parent's."""
    subprocess.run([sys.executable, "-c", PROGRAM, server.url], cwd=ROOT, check=True, timeout=30)
    assert sorted(server.users) == [1, 2]


def test_standard_library_only() -> None:
    """The file can be copied into any program: it imports nothing that Python does not bring."""
    tree = ast.parse((ROOT / "api/client.py").read_text())
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


def test_a_url_that_is_none() -> None:
    """A URL that cannot be one is refused when the client is made."""
    for url in ("chat.example", "ftp://chat.example", "http://"):
        with pytest.raises(ValueError, match="no URL of the API"):
            AnalyticsClient(url, "token")
