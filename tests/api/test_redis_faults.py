"""Redis goes, hangs, fills up, comes back or lies: the right answers come all the same."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from api import shared
from api.shared import Breaker, State
from olap.settings import Secret
from tests.api.fix_api import Api, Caller
from tests.fix_pipeline import Pipeline
from tests.own_servers import OwnValkey, paused

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may keep a Redis that is well from answering within 50 ms."""
    monkeypatch.setattr(shared, "LIMIT_SECONDS", 0.5)


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    """A Valkey that the test may stop; a cache, so it keeps nothing."""
    with tempfile.TemporaryDirectory(prefix="test-cache-") as directory:
        own = OwnValkey(Path(directory), {"appendonly": "no"})
        own.start()
        yield own
        own.end(signal.SIGKILL)


class Asking:
    """Asks one question after the other, each a new one, and compares with the right answers."""

    def __init__(self, api: Api, right: Callable[[int], bytes]) -> None:
        self.caller: Caller = api.admin()
        self.right = right
        self.days = 0

    def ask(self, times: int) -> list[str]:
        """Where the answers came from."""
        sources = []
        for _ in range(times):
            self.days += 1
            found = self.caller.get("/engagement", days=self.days)
            assert found.status_code == 200, found.text
            assert found.content == self.right(self.days)
            sources.append(found.headers["x-cache"])
        return sources


@pytest.fixture(scope="module")
def right(team_api: Api) -> Callable[[int], bytes]:
    """The right answers, from an application without Redis."""
    kept: dict[int, bytes] = {}

    def answer(days: int) -> bytes:
        if days not in kept:
            kept[days] = team_api.admin().get("/engagement", days=days).content
        return kept[days]

    return answer


@pytest.fixture
def asking(
    new_api: Callable[..., Api],
    team_site: Pipeline,
    valkey: OwnValkey,
    right: Callable[[int], bytes],
) -> Asking:
    """Somebody who asks an API on the test's own Valkey."""
    return Asking(new_api(team_site, redis_url=Secret(valkey.url)), right)


def until_back(asking: Asking) -> None:
    """Ask until an answer was shared again: the breaker lets a try through in time."""
    deadline = time.monotonic() + 20
    while asking.ask(1) != ["miss"]:
        assert time.monotonic() < deadline
        time.sleep(0.3)
        asking.days = max(asking.days % 80, 40)


def test_redis_stops_and_comes_back(asking: Asking, valkey: OwnValkey) -> None:
    """Stopped under load it costs nothing but the sharing; started again it is used again."""
    assert asking.ask(3) == ["miss"] * 3
    valkey.end(signal.SIGKILL)
    assert asking.ask(5)[1:] == ["bypass"] * 4
    valkey.start()
    until_back(asking)


def test_redis_hangs(asking: Asking, valkey: OwnValkey) -> None:
    """A Redis that says nothing is waited for three times, a moment each, and then no more."""
    asking.ask(1)
    with structlog.testing.capture_logs() as lines, paused(valkey.pid):
        assert asking.ask(8)[3:] == ["bypass"] * 5
        assert state(asking) == "open"
    assert [line["event"] for line in lines if line["event"].startswith("redis")] == ["redis.away"]
    until_back(asking)
    assert state(asking) == "closed"


def state(asking: Asking) -> str:
    """Of the breaker, as `ready` tells it."""
    found: str = asking.caller.client.get("/health/ready").json()["redis"]
    return found


def test_redis_is_full(asking: Asking, valkey: OwnValkey) -> None:
    """A Redis that takes nothing more is said once, and answers are computed."""
    import redis

    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "1")
        with structlog.testing.capture_logs() as lines:
            asking.ask(4)
            assert state(asking) == "closed"
            client.config_set("maxmemory", "0")
            asking.ask(2)
    told = [line["event"] for line in lines if line["event"].startswith("redis")]
    assert told == ["redis.refuses", "redis.accepts"]


def test_redis_forgets(asking: Asking, valkey: OwnValkey) -> None:
    """Restarted empty it is filled anew: nobody notices."""
    asking.ask(2)
    valkey.end()
    valkey.start()
    asking.ask(4)


@pytest.mark.parametrize(
    "rubbish", [b"HTTP/1.1 200 OK\r\n\r\n", b"$9999999\r\nxx", b"\x00" * 64, b""]
)
def test_something_else_listens_there(
    new_api: Callable[..., Api],
    team_site: Pipeline,
    right: Callable[[int], bytes],
    rubbish: bytes,
) -> None:
    """Whatever answers in place of Redis, and in whatever protocol, the answers are right."""
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
        asking = Asking(new_api(team_site, redis_url=url), right)
        assert asking.ask(6)[4:] == ["bypass"] * 2
        assert state(asking) == "open"
        listener.shutdown(socket.SHUT_RDWR)


def test_the_breaker_opens_pauses_and_closes() -> None:
    """Three failures open it; it then allows one try a pause, each longer, until one works."""
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(3):
        assert breaker.allows()
        breaker.failed("no")
    assert (breaker.state, breaker.allows()) == (State.OPEN, False)
    now[0] = 1.0
    assert breaker.allows()  # one try,
    assert not breaker.allows()  # and the others do not wait for it
    breaker.failed("no")
    now[0] = 2.5
    assert not breaker.allows()
    now[0] = 3.0
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.state is State.CLOSED and breaker.allows()
