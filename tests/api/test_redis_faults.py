"""Redis stops, hangs, fills up, comes back or returns rubbish: the answers are right all the
same."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import structlog

from api import redis_cache
from api.redis_cache import Breaker, State
from olap.secret import Secret
from tests.api.fix_api import Api, Caller, wait_for_key
from tests.fix_pipeline import Pipeline
from tests.own_servers import OwnValkey, paused

pytestmark = pytest.mark.slow


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    """A Valkey that the test may stop; it keeps nothing."""
    with tempfile.TemporaryDirectory(prefix="test-cache-") as directory:
        own = OwnValkey(Path(directory), {"appendonly": "no"})
        own.start()
        yield own
        own.end(signal.SIGKILL)


class Client:
    """Sends requests that were not sent before, and compares the answers with the right ones."""

    def __init__(self, api: Api, right: Callable[[int], bytes]) -> None:
        self.caller: Caller = api.admin()
        self.right = right
        self.days = 0

    def ask(self, times: int) -> list[str]:
        """Send requests; the sources of the answers."""
        sources = []
        for _ in range(times):
            self.days += 1
            found = self.caller.get("/engagement", days=self.days)
            assert found.status_code == 200, found.text
            assert found.content == self.right(self.days)
            sources.append(found.headers["x-cache"])
        return sources


@pytest.fixture(scope="module")
def right(small_api: Api) -> Callable[[int], bytes]:
    """The right answers, from an application without Redis."""
    kept: dict[int, bytes] = {}

    def answer(days: int) -> bytes:
        if days not in kept:
            kept[days] = small_api.admin().get("/engagement", days=days).content
        return kept[days]

    return answer


@pytest.fixture
def client(
    new_api: Callable[..., Api],
    small_site: Pipeline,
    valkey: OwnValkey,
    right: Callable[[int], bytes],
) -> Client:
    """A client of an API on the test's own Valkey."""
    return Client(new_api(small_site, redis_url=Secret(valkey.url)), right)


def until_back(client: Client) -> None:
    """Send requests until Redis is used again: the breaker tries it from time to time."""
    deadline = time.monotonic() + 300
    while client.ask(1) != ["miss"]:
        assert time.monotonic() < deadline
        time.sleep(0.3)
        client.days = max(client.days % 80, 40)


def test_redis_stops_and_comes_back(client: Client, valkey: OwnValkey) -> None:
    """While Redis is stopped every answer is computed; after its restart it is used again."""
    assert client.ask(3) == ["miss"] * 3
    valkey.end(signal.SIGKILL)
    assert client.ask(5)[1:] == ["bypass"] * 4
    valkey.start()
    until_back(client)


def test_redis_hangs(client: Client, valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that does not answer is waited for three times, and then not used."""
    client.ask(1)
    with structlog.testing.capture_logs() as lines, paused(valkey.pid):
        monkeypatch.setattr(redis_cache, "TIMEOUT_SECONDS", 0.05)
        assert client.ask(8)[3:] == ["bypass"] * 5
        assert state(client) == "away"
    monkeypatch.undo()
    assert [line["event"] for line in lines if line["event"].startswith("redis")] == ["redis.away"]
    until_back(client)
    assert state(client) == "ok"


def state(client: Client) -> str:
    """The state of Redis, from `/health/ready`."""
    found: str = client.caller.client.get("/health/ready").json()["redis"]
    return found


def test_redis_is_full(client: Client, valkey: OwnValkey) -> None:
    """A Redis that refuses writes is logged once, and every answer is computed."""
    with redis.Redis.from_url(valkey.url) as own:
        own.config_set("maxmemory", "1")
        with structlog.testing.capture_logs() as lines:
            client.ask(4)
            assert state(client) == "ok"
            own.config_set("maxmemory", "0")
            client.ask(2)
            wait_for_key(own, f"*:engagement:*:site:{client.days}d~*")
    logged = [line["event"] for line in lines if line["event"].startswith("redis")]
    assert logged == ["redis.refuses", "redis.accepts"]


def test_redis_forgets(client: Client, valkey: OwnValkey) -> None:
    """After a restart without data Redis is filled again, and no answer changes."""
    client.ask(2)
    valkey.end()
    valkey.start()
    client.ask(4)


@pytest.mark.parametrize(
    "rubbish", [b"HTTP/1.1 200 OK\r\n\r\n", b"$9999999\r\nxx", b"\x00" * 64, b""]
)
def test_another_server_answers_in_place_of_redis(
    new_api: Callable[..., Api],
    small_site: Pipeline,
    right: Callable[[int], bytes],
    rubbish: bytes,
) -> None:
    """Whatever another server returns in place of Redis, the answers are right."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(rubbish)
                except OSError:
                    return

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        url = Secret(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        client = Client(new_api(small_site, redis_url=url), right)
        assert client.ask(6)[4:] == ["bypass"] * 2
        assert state(client) == "away"
        listener.shutdown(socket.SHUT_RDWR)


def test_the_breaker_opens_pauses_and_closes() -> None:
    """Three failures open the breaker; it then allows one try per pause, at growing intervals,
    until one succeeds."""
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(3):
        assert breaker.allows()
        breaker.failed("no")
    assert (breaker.state, breaker.allows()) == (State.AWAY, False)
    now[0] = 1.0
    assert breaker.allows()  # one try
    assert not breaker.allows()  # at a time
    breaker.failed("no")
    now[0] = 2.5
    assert not breaker.allows()
    now[0] = 3.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.state is State.OK and breaker.allows()
