"""The events that administrators are told, through a real Redis: complete or with a gap, none that
is not ours, and none after an erasure."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import structlog

from api.app import PREFIX
from api.auth import Role
from api.deployment import Deployment
from api.events.event import Event, EventType, rows_of
from api.events.feed import LENGTH, open_seal
from api.live import watch
from api.live.hub import Hub, Listener
from api.live.recent import RecentEvents
from api.live.watch import Watch
from olap.redis_keys import RedisKeys
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.api.live_clients import streaming
from tests.api.servers import server
from tests.api.small_messenger import ALICE
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.own_servers import OwnValkey, talking_nonsense

pytestmark = pytest.mark.slow

STREAM_SECRET = b"a secret of these tests, of 32 bytes"
KEYS = RedisKeys("feed")
STREAM = KEYS.recent_events


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    """A Valkey of this test."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        own = OwnValkey(Path(directory))
        own.start()
        yield own
        own.end()


def sealed(kind: EventType = EventType.MESSAGE_SENT, *, at: float | None = None) -> bytes:
    """An event as the API keeps it; by default of this second."""
    when = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    (row,) = rows_of([Event(event_type=kind)], when)
    return open_seal(STREAM_SECRET).close(STREAM, row.content)


@dataclass
class Told:
    """What an administrator has been told.

    Attributes:
        hours: the contents of `activity`, in order.
        seconds: those of `feed`.
    """

    hours: list[Any]
    seconds: list[Any]

    @property
    def total(self) -> dict[str, int]:
        """The events by type, of the last hour that was told and the seconds after."""
        found: dict[str, int] = {}
        parts = [*self.hours[-1]["minutes"], *self.seconds] if self.hours else []
        for part in parts:
            for kind, count in part["counts"].items():
                found[kind] = found.get(kind, 0) + count
        return found

    def take(self, listener: Listener) -> None:
        """Take what is new."""
        for message in listener.news():
            found = json.loads(message.frame)
            if found["event"] == "activity":
                self.hours.append(found["data"])
                self.seconds.clear()
            else:
                self.seconds.append(found["data"])


Scenario = Callable[[redis.Redis, "Looking"], Awaitable[None]]


class Looking:
    """An administrator who listens, and what they have been told."""

    def __init__(self, hub: Hub, listener: Listener) -> None:
        self.hub = hub
        self._listener = listener
        self.told = Told([], [])

    async def until(self, condition: Callable[[Told], object]) -> None:
        """Wait until what was told is so."""
        deadline = time.monotonic() + 300
        while not condition(self.told):
            assert time.monotonic() < deadline, self.told
            await self._listener.wait(1)
            self.told.take(self._listener)


@pytest.fixture
def play(valkey: OwnValkey, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario], None]:
    """A function that plays a scenario while an administrator listens."""
    monkeypatch.setattr(watch, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(watch, "_AWAY_SECONDS", 0.02)
    settings = Settings(jwt_secret=Hidden("x" * 32), redis_prefix=KEYS.prefix)

    async def run(scenario: Scenario, client: redis.Redis) -> None:
        hub = Hub(10)
        url = Secret(valkey.url)
        watching = Watch(hub, lambda: RecentEvents(url, Deployment(settings), STREAM_SECRET))
        task = asyncio.create_task(watching.run())
        with hub.listening("boss", has_feed=True) as listener:
            await scenario(client, Looking(hub, listener))
            assert not task.done()
        await task
        assert (hub.activity.after(0), hub.feed.after(0)) == ([], [])

    def played(scenario: Scenario) -> None:
        with redis.Redis.from_url(valkey.url) as client:
            asyncio.run(run(scenario, client))

    return played


def add(client: redis.Redis, *events: bytes) -> None:
    """Add events as the API adds them."""
    with client.pipeline(transaction=False) as pipeline:
        for event in events:
            pipeline.xadd(STREAM, {"event": event}, maxlen=LENGTH, approximate=False)
        pipeline.execute()


def test_the_hour_and_then_each_second(play: Callable[[Scenario], None]) -> None:
    """At once the events of the last hour by minute and type; then those that come, each once."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        now = time.time()
        add(client, *(sealed(at=now - 600) for _ in range(3)), sealed(at=now - 7200))
        await admin.until(lambda told: told.hours)
        assert admin.told.total == {"message.sent": 3}
        assert admin.told.hours[0]["has_gap"] is False
        add(client, sealed(EventType.USER_ONLINE), sealed(), sealed())
        await admin.until(lambda told: told.total == {"message.sent": 5, "user.online": 1})
        assert len(admin.told.hours) == 1
        assert {one["has_gap"] for one in admin.told.seconds} == {False}

    play(scenario)


def test_the_next_administrator_has_the_seconds_before(play: Callable[[Scenario], None]) -> None:
    """The hour that is told at once contains the seconds that were told to others, and both are
    told the same from then on."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        await admin.until(lambda told: told.hours)
        add(client, sealed(), sealed())
        await admin.until(lambda told: told.total == {"message.sent": 2})
        with admin.hub.listening("another", has_feed=True) as listener:
            other = Looking(admin.hub, listener)
            await other.until(lambda told: told.hours)
            assert (other.told.total, other.told.seconds) == ({"message.sent": 2}, [])
            add(client, sealed(EventType.USER_ONLINE))
            for one in (admin, other):
                await one.until(lambda told: told.total == {"message.sent": 2, "user.online": 1})

    play(scenario)


def test_without_events_the_hour_is_empty_and_told_once(
    play: Callable[[Scenario], None],
) -> None:
    """Where nothing has been sent yet, that is told, and then what comes."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        await admin.until(lambda told: told.hours)
        assert admin.told.hours == [{"minutes": [], "has_gap": False}]
        await asyncio.sleep(0.2)
        add(client, sealed())
        await admin.until(lambda told: told.seconds)
        assert (len(admin.told.hours), admin.told.total) == (1, {"message.sent": 1})

    play(scenario)


def test_what_the_cap_has_removed_is_a_gap(play: Callable[[Scenario], None]) -> None:
    """When more has come than the stream holds, the next second says so, and the hour of the next
    administrator too; a stream that is full at the beginning has a gap in its hour."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        add(client, sealed())
        await admin.until(lambda told: told.hours)
        add(client, *[sealed()] * (LENGTH + 500))
        await admin.until(lambda told: any(one["has_gap"] for one in told.seconds))
        assert [one["has_gap"] for one in admin.told.seconds].count(True) == 1

    async def of_the_next(_: redis.Redis, admin: Looking) -> None:
        await admin.until(lambda told: told.hours)
        assert admin.told.hours[0]["has_gap"] is True

    play(scenario)
    play(of_the_next)


def test_an_erasure_removes_it_from_the_memory(play: Callable[[Scenario], None]) -> None:
    """When the stream has been removed, the hour is told again without what was in it; so it is
    when it was replaced by one whose ids are lower."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        add(client, sealed(), sealed())
        await admin.until(lambda told: told.total == {"message.sent": 2})
        client.delete(STREAM)
        await admin.until(lambda told: len(told.hours) == 2)
        assert admin.told.hours[1] == {"minutes": [], "has_gap": True}
        client.xadd(STREAM, {"event": sealed()}, "1-1")
        await admin.until(lambda told: told.total == {"message.sent": 1})
        client.xadd(STREAM, {"event": b"rubbish"}, f"{2**64 - 1}-1")
        client.xadd(STREAM, {"event": sealed()}, f"{2**64 - 1}-2")
        await admin.until(lambda told: told.total == {"message.sent": 2})
        client.delete(STREAM)
        add(client, sealed(EventType.USER_ONLINE))
        await admin.until(lambda told: told.total == {"user.online": 1})

    play(scenario)


def test_what_is_not_ours_is_not_counted(play: Callable[[Scenario], None]) -> None:
    """Without our seal, under another name, in other fields, of another version, or later than now:
    none of it is counted, and what is ours is."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        foreign = open_seal(b"another secret, that is long enough")
        content = sealed()[32:]
        client.xadd(STREAM, {"event": content})
        client.xadd(STREAM, {"event": foreign.close(STREAM, content)})
        client.xadd(STREAM, {"event": open_seal(STREAM_SECRET).close("other", content)})
        client.xadd(STREAM, {"event": open_seal(STREAM_SECRET).close(STREAM, b"rubbish")})
        unknown = content.replace(b"message.sent", b"message.seen")
        client.xadd(STREAM, {"event": open_seal(STREAM_SECRET).close(STREAM, unknown)})
        client.xadd(STREAM, {"event": sealed(at=time.time() + 7200)})
        client.xadd(STREAM, {"other": sealed()})
        client.xadd(STREAM, {"event": sealed(), "more": b"x"})
        add(client, sealed(EventType.USER_ONLINE))
        await admin.until(lambda told: told.total)
        assert admin.told.total == {"user.online": 1}

    play(scenario)


def test_redis_is_read_only_while_an_administrator_listens(
    play: Callable[[Scenario], None], valkey: OwnValkey
) -> None:
    """Over one connection, opened when the first one listens, and closed when none does."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        assert connections_of(client) == 1  # ours
        await admin.until(lambda told: told.hours)
        add(client, sealed())
        await admin.until(lambda told: told.seconds)
        assert connections_of(client) == 2

    play(scenario)
    with redis.Redis.from_url(valkey.url) as client:
        assert connections_of(client) == 1


def connections_of(client: redis.Redis) -> int:
    """How many connections Redis has."""
    found: Any = client.client_list()
    return len(found)


@pytest.mark.parametrize("value", ["text", "list", "nonsense", "away"])
def test_the_feed_goes_on_when_redis_does(
    play: Callable[[Scenario], None], valkey: OwnValkey, value: str
) -> None:
    """While the name holds something else, or Redis is away or talks nonsense, nothing is told and
    the log says it once; afterwards the events that come are told, with a gap."""

    async def scenario(client: redis.Redis, admin: Looking) -> None:
        add(client, sealed())
        await admin.until(lambda told: told.total == {"message.sent": 1})
        stack = ExitStack()
        if value in ("text", "list"):
            client.delete(STREAM)
            client.set(STREAM, "x") if value == "text" else client.rpush(STREAM, "x")
        else:
            valkey.end()
        if value == "nonsense":
            stack.enter_context(talking_nonsense(valkey.directory / "s"))
        with structlog.testing.capture_logs() as lines:
            while not [line for line in lines if line["event"] == "live.feed_away"]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
        assert [line["event"] for line in lines] == ["live.feed_away"]
        stack.close()
        if value in ("text", "list"):
            client.delete(STREAM)
        else:
            valkey.start()
        with redis.Redis.from_url(valkey.url) as again:
            add(again, sealed(EventType.FILE_UPLOADED))
        await admin.until(lambda told: told.total.get("file.uploaded") == 1)
        told = [*admin.told.hours[-1:], *admin.told.seconds]
        assert [one["has_gap"] for one in told].count(True) == 1

    play(scenario)


def test_administrators_are_told_what_is_posted_and_members_are_not(
    small_site: Pipeline, database: str, valkey: OwnValkey, tmp_path: Path
) -> None:
    """Of two open streams of a server the administrator's has every event that is posted, and the
    member's has none."""
    with server(
        small_site.layout.root,
        tmp_path / "log",
        program="tests.api.live_app",
        REDIS_URL=valkey.url,
        EVENTS_DATABASE_URL=database,
        BEAT_SECONDS="0.1",
    ) as running:
        events = [{"event_type": "message.sent"}] * 20 + [{"event_type": "user.online"}] * 2
        headers = {"Authorization": f"Bearer {token(Role.SERVICE, 'bot')}"}
        with (
            streaming(running, Role.MEMBER, ALICE) as member,
            streaming(running) as admin,
        ):
            assert admin.next("activity") == {"minutes": [], "has_gap": False}
            url = f"{running.url}{PREFIX}/events"
            assert httpx.post(url, json=events, headers=headers, timeout=300).status_code == 202
            told = Told([{"minutes": []}], [])
            while told.total != {"message.sent": 20, "user.online": 2}:
                told.seconds.append(admin.next("feed"))
            blocks = member.blocks()
            seen = [next(blocks) for _ in range(30)]
            assert {one.partition("\n")[0] for one in seen} == {
                "retry: 3000", "event: generation", ": still here"
            }  # fmt: skip
