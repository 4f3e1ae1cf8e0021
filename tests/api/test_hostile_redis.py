"""Whatever Redis holds or says, every answer is right, no request is an error of ours, and no
background task ends."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import psycopg
import pytest
import redis
import structlog
from litestar.testing import TestClient

from api import background
from api.app import PREFIX, create_app
from api.auth import Role
from api.events.feed import Feed
from api.events.writer import Writer
from api.generations import Generations
from api.limits import Limits
from api.live.service import Live
from olap.redis_keys import UNNAMED_WAITING, RedisKeys
from olap.secret import Secret
from tests.api.fix_api import Api, api_settings
from tests.fix_pipeline import Pipeline
from tests.own_servers import OwnValkey, talking_nonsense
from tests.tokens import Signer

pytestmark = pytest.mark.slow

EVENT = {"event_type": "message.sent", "user_id": 7}
KEYS = RedisKeys("hostile")
TASKS = {
    "limits",
    "feed",
    "event queue",
    "event writer",
    "generations",
    "gauges",
    "live",
    "live feed",
}


@pytest.fixture
def server() -> Iterator[OwnValkey]:
    """A durable Valkey of this test, for everything."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        own = OwnValkey(Path(directory))
        own.start()
        yield own
        own.end()


@pytest.fixture
def api(
    small_site: Pipeline, database: str, server: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Api]:
    """The application with everything in that Valkey; its tasks work at once."""
    # An answer that never ends is waited for by each request for recent events.
    monkeypatch.setattr("api.events.feed._TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("api.live.recent._TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("api.limits._REDIS_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("api.events.queue._TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr("api.limits._SHARE_SECONDS", 0.01)
    monkeypatch.setattr("api.limits._AWAY_SECONDS", 0.01)
    monkeypatch.setattr("api.events.writer._MAINTAIN_SECONDS", 0.01)
    monkeypatch.setattr("api.events.feed._AWAY_SECONDS", 0.01)
    monkeypatch.setattr("api.app._GAUGES_SECONDS", 0.01)
    monkeypatch.setattr("api.live.service._LOOK_SECONDS", 0.01)
    monkeypatch.setattr(background, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(background, "_LONGEST_PAUSE_SECONDS", 0.01)
    settings = replace(
        api_settings(small_site, redis_url=Secret(server.url)),
        events_database_url=Secret(database),
        events_redis_url=Secret(server.url),
        redis_prefix=KEYS.prefix,
    )
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(api: Api, days: int) -> httpx.Response:
    """An answer that was not asked for before."""
    return api.admin().get("/engagement", days=days)


def post(api: Api) -> httpx.Response:
    """Post an event."""
    headers = {"Authorization": f"Bearer {api.token(Role.SERVICE, 'bot')}"}
    return api.client.post(f"{PREFIX}/events", json=EVENT, headers=headers)


def tasks(api: Api) -> dict[str, str]:
    """The tasks that `/health/ready` shows."""
    found: dict[str, str] = api.client.get("/health/ready").json()["tasks"]
    return found


VALUES: dict[str, Callable[[redis.Redis, str], object]] = {
    "text": lambda client, key: client.set(key, "rubbish"),
    "foreign bytes": lambda client, key: client.set(key, bytes(range(256)) * 100),
    "empty": lambda client, key: client.set(key, b""),
    "huge": lambda client, key: client.set(key, b"x" * 50_000_000),
    "list": lambda client, key: client.rpush(key, "rubbish"),
    "hash": lambda client, key: client.hset(key, "rubbish", "rubbish"),
    "set": lambda client, key: client.sadd(key, "rubbish"),
    "sorted set": lambda client, key: client.zadd(key, {"rubbish": 1}),
    "stream": lambda client, key: client.xadd(key, {b"\xff": b"\xfe"}),
    "stream at its end": lambda client, key: client.xadd(key, {"a": "b"}, f"{2**64 - 1}-1"),
}


@pytest.mark.parametrize("value", VALUES)
def test_every_key_holds_something_else(api: Api, server: OwnValkey, value: str) -> None:
    """With this value under every name that was used, answers are right and events are stored."""
    right = ask(api, 3).json()
    assert post(api).status_code == 202
    with redis.Redis.from_url(server.url) as client:
        until(lambda: len(list(client.scan_iter(f"{KEYS.limits}*"))) >= 2)
        until(lambda: client.xlen(KEYS.recent_events) == 1)
        known = {key.decode() for key in cast("list[bytes]", client.keys())}
        # The same keys for periods and windows that come next.
        again = {key.replace(":3d~", f":{days}d~") for key in known for days in (4, 5)}
        for key in known | again | {KEYS.waiting_events, KEYS.refused_events, UNNAMED_WAITING}:
            # At once: a task may write the key between the two.
            with client.pipeline() as transaction:
                transaction.delete(key)
                VALUES[value](transaction, key)
                transaction.execute()
        for days in (3, 4, 5):
            found = ask(api, days)
            assert found.status_code == 200
            assert found.json().keys() == right.keys()
            assert post(api).status_code == 202
            recent = api.admin().get("/events/recent")
            assert recent.status_code == 200
            assert {event["user_id"] for event in recent.json()["events"]} <= {7}
        assert post(api).status_code == 202
        until(lambda: client.type(KEYS.recent_events) == b"stream")
        until(lambda: bool(api.admin().get("/events/recent").json()["events"]))
    assert tasks(api) == dict.fromkeys(TASKS, "ok")
    assert api.settings.events_database_url is not None
    with psycopg.connect(api.settings.events_database_url.reveal()) as connection:
        assert connection.execute("select count(*) from analytics_events").fetchone() == (5,)


NONSENSE = [
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"$9999999999\r\nxx",
    b"$-7\r\n",
    b"*-5\r\n",
    b"*2\r\n:1\r\n",
    b":notanumber\r\n",
    b"*1\r\n*1\r\n*1\r\n:1\r\n" * 9,
    b"%1\r\n+a\r\n+b\r\n",
    b">2\r\n+a\r\n+b\r\n",
    b"-MOVED 1 nowhere:1\r\n" * 9,
    b"+OK\r\n" * 50,
    b"_\r\n" * 50,
    b"\x00" * 64,
    b"\xff\xfe\r\n" * 9,
    b"",
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
def test_another_server_talks_nonsense(api: Api, server: OwnValkey, nonsense: bytes) -> None:
    """While another server answers so in place of Redis, requests are answered; afterwards Redis
    is used again by every task."""
    server.end()
    with talking_nonsense(server.directory / "s", nonsense):
        for days in range(10, 16):
            assert ask(api, days).status_code == 200
            assert post(api).status_code == 202
            assert api.admin().get("/events/recent").status_code == 200
        assert api.client.get("/health/ready").status_code == 200
        assert api.client.get("/metrics").status_code == 200
    server.start()
    with redis.Redis.from_url(server.url) as client:
        until(lambda: bool(post(api)) and client.exists(KEYS.recent_events) == 1)
        until(lambda: ask(api, 3) is not None and bool(list(client.scan_iter(f"{KEYS.limits}*"))))
    until(lambda: tasks(api) == dict.fromkeys(TASKS, "ok"))


# The round of each task, where it may fail.
ROUNDS: dict[str, tuple[Any, str]] = {
    "limits": (Limits, "_share_on"),
    "feed": (Feed, "_add_some"),
    "event queue": (Writer, "maintain_once"),
    "event writer": (Writer, "_next_group"),
    "generations": (Generations, "check"),
    "live": (Live, "announce_generation"),
}


@pytest.mark.parametrize("task", [*ROUNDS, "gauges"])
def test_no_task_ends_with_an_error(api: Api, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task in which anything is raised is shown as failing by the health and the metrics, and
    goes on when the cause has gone."""

    def broken(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    where = ROUNDS.get(task)
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as lines:
        if where is None:
            patch.setattr("api.app.refresh_gauges", broken)
        else:
            patch.setattr(*where, broken)
        if task == "event writer":
            patch.setattr("api.events.writer._REQUEST_SECONDS", 2.0)
            assert post(api).status_code == 503
        else:
            assert post(api).status_code == 202
        until(lambda: tasks(api)[task] == "failing")
        assert {name for name, state in tasks(api).items() if state == "failing"} == {task}
    failed = [line for line in lines if line["event"] == "task.failed"]
    assert {line["task"] for line in failed} == {task}
    if task == "feed":  # it waits for an event
        assert post(api).status_code == 202
    until(lambda: tasks(api)[task] == "ok")
    assert post(api).status_code == 202
    for name in ("analytics_task_failing", "analytics_task_failures_total"):
        until(lambda: f'\n{name}{{task="{task}"}}' in api.client.get("/metrics").text)  # noqa: B023


def test_health_shows_redis_the_cache_and_the_tasks(api: Api) -> None:
    """Redis is `ok`, the shared cache is on, and all tasks are there."""
    found = api.client.get("/health/ready").json()
    assert (found["redis"], found["shared_cache"]) == ("ok", "on")
    assert found["tasks"] == dict.fromkeys(TASKS, "ok")


def test_with_public_keys_alone_redis_holds_no_answer(
    small_site: Pipeline, server: OwnValkey
) -> None:
    """Without a secret nothing is read from the cache or written to it, which the log says once and
    the health shows; the state of Redis is still known."""
    signer = Signer.new("EdDSA")
    settings = api_settings(
        small_site, redis_url=Secret(server.url), jwt_secret=None, jwt_public_key=signer.pem
    )
    with structlog.testing.capture_logs() as lines, TestClient(create_app(settings)) as client:
        headers = {"Authorization": signer.bearer(role="admin")}
        for _ in range(3):
            found = client.get(f"{PREFIX}/engagement?days=3", headers=headers)
            assert found.status_code == 200
        ready = client.get("/health/ready").json()
        assert (ready["redis"], ready["shared_cache"]) == ("ok", "off")
        server.end()
        until(lambda: client.get("/health/ready").json()["redis"] == "away")
    assert [line["event"] for line in lines].count("redis.cache_not_used") == 1
    server.start()
    with redis.Redis.from_url(server.url) as redis_client:
        assert [key for key in redis_client.scan_iter() if b":answers:" in key] == []
