"""Two deployments on one Redis: no answer, count, event or erasure of one reaches the other."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import redis
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.auth import Role
from etl.erase import erase
from etl.sandbox.postgres import create_database, drop_database
from olap.redis_keys import RedisKeys
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api, api_settings, wait_for_key
from tests.fix_pipeline import Clock, Pipeline
from tests.own_servers import OwnValkey
from tests.world import World

pytestmark = pytest.mark.slow

EVENT = {"event_type": "message.sent", "user_id": 7}


@dataclass(slots=True)
class Deployment:
    """A deployment with its own source, whose events go to the same database."""

    pipeline: Pipeline

    @property
    def keys(self) -> RedisKeys:
        """Its names in Redis."""
        return RedisKeys.of(None, self.pipeline.manifest().source)

    def events(self) -> list[int]:
        """The users of the stored events."""
        with psycopg.connect(self.pipeline.url) as connection:
            rows = connection.execute("select user_id from analytics_events order by 1").fetchall()
        return [user for (user,) in rows]


@pytest.fixture
def two(
    postgres_url: str, template_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Deployment, Deployment]]:
    """Two deployments that differ in nothing but the database."""
    monkeypatch.setattr("api.limits._SHARE_SECONDS", 0.01)
    names = [f"test_{os.getpid()}_deployment_{number}" for number in range(2)]
    made = []
    try:
        for name in names:
            url = create_database(postgres_url, name, template=template_database)
            with World(url) as world:
                messenger.fill(world)
            settings = Settings(data_dir=tmp_path / name)
            pipeline = Pipeline(url, settings, Clock(messenger.NOW))
            pipeline.cycle()
            with psycopg.connect(url) as connection:
                connection.execute("delete from analytics_events")
            made.append(Deployment(pipeline))
        yield made[0], made[1]
    finally:
        for name in names:
            drop_database(postgres_url, name)


@pytest.fixture
def server() -> Iterator[OwnValkey]:
    """A durable Valkey that both use for everything."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        own = OwnValkey(Path(directory))
        own.start()
        yield own
        own.end()


def settings_of(deployment: Deployment, server: OwnValkey, **changes: Any) -> Settings:
    """The settings of its API."""
    given: dict[str, Any] = {
        "redis_url": Secret(server.url),
        "events_redis_url": Secret(server.url),
        "events_database_url": Secret(deployment.pipeline.url),
    }
    return api_settings(deployment.pipeline, **given | changes)


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def use(api: Api, days: int) -> str:
    """Ask for an answer and post an event; returns where the answer came from."""
    found = api.admin().get("/dashboard", days=days)
    assert found.status_code == 200
    posted = api.client.post(
        f"{PREFIX}/events",
        json=EVENT,
        headers={"Authorization": f"Bearer {api.token(Role.SERVICE, 'bot')}"},
    )
    assert posted.status_code == 202
    return str(found.headers["x-cache"])


def until_counted(client: redis.Redis, keys: RedisKeys) -> None:
    """Wait until a deployment's requests are counted and its event is shown."""
    until(lambda: bool(names(client, keys.limits)) and client.xlen(keys.recent_events) == 1)


def names(client: redis.Redis, prefix: str = "") -> set[str]:
    """The keys that begin so."""
    return {key.decode() for key in cast("list[bytes]", client.keys(f"{prefix}*"))}


def test_every_key_names_its_deployment_and_an_erasure_keeps_to_its_own(
    two: tuple[Deployment, Deployment], server: OwnValkey, new_api: Callable[..., Api]
) -> None:
    """Answers, marks, counters, recent and waiting events are under the deployment's prefix; an
    erasure removes all of its own but the waiting events, and nothing of the other one's."""
    ours, theirs = two
    assert ours.keys.prefix != theirs.keys.prefix
    with redis.Redis.from_url(server.url) as client:
        for deployment in two:
            settings = settings_of(deployment, server)
            with TestClient(create_app(settings)) as api:
                assert use(Api(api, settings), days=3) == "miss"
                wait_for_key(client, f"{deployment.keys.answers}*:site:3d~*")
                until_counted(client, deployment.keys)
            client.xadd(deployment.keys.waiting_events, {"id": "1", "content": "{}"})
            client.set(f"{deployment.keys.answers}x:lead", "1")
        for name in names(client):
            client.persist(name)  # so that only the erasure removes it
        of_ours, of_theirs = (names(client, f"{one.keys.prefix}:") for one in two)
        assert names(client) == of_ours | of_theirs
        assert {name.split(":")[1] for name in of_ours} == {
            "answers", "{limits}", "recent-events", "events",
        }  # fmt: skip
        receipt = erase(
            replace(ours.pipeline.settings, redis_url=Secret(server.url)),
            messenger.ALICE,
            ours.pipeline.clock,
        )
        assert receipt.cache == f"{len(of_ours) - 1} entries removed"
        assert names(client) == of_theirs | {ours.keys.waiting_events}


def test_a_deployment_reads_no_answer_of_another_one(
    two: tuple[Deployment, Deployment], server: OwnValkey, new_api: Callable[..., Api]
) -> None:
    """An answer that one has in Redis is computed by the other; two processes of one share it."""
    ours, theirs = (
        new_api(one.pipeline, redis_url=Secret(server.url), jwt_secret=Hidden("s" * 32))
        for one in two
    )
    assert ours.admin().get("/engagement", days=5).headers["x-cache"] == "miss"
    with redis.Redis.from_url(server.url) as client:
        wait_for_key(client, f"{two[0].keys.answers}*:engagement:*")
    assert theirs.admin().get("/engagement", days=5).headers["x-cache"] == "miss"
    again = new_api(two[0].pipeline, redis_url=Secret(server.url), jwt_secret=Hidden("s" * 32))
    assert again.admin().get("/engagement", days=5).headers["x-cache"] == "hit"


def test_events_reach_the_database_of_their_own_deployment(
    two: tuple[Deployment, Deployment], server: OwnValkey
) -> None:
    """Events that two deployments accept while PostgreSQL is away go to the database of each, also
    if only one of them runs when it is back."""
    away = Secret("postgresql://127.0.0.1:1/none")
    for deployment, user in zip(two, (1, 2), strict=True):
        settings = settings_of(deployment, server, events_database_url=away)
        with TestClient(create_app(settings)) as client:
            api = Api(client, settings)
            for _ in range(3):
                answer = client.post(
                    f"{PREFIX}/events",
                    json=[EVENT | {"user_id": user}] * 10,
                    headers={"Authorization": f"Bearer {api.token(Role.SERVICE, 'bot')}"},
                )
                assert answer.status_code == 202
    ours, theirs = two
    with redis.Redis.from_url(server.url) as client:
        with TestClient(create_app(settings_of(ours, server))):
            until(lambda: client.xlen(ours.keys.waiting_events) == 0)
        assert client.xlen(theirs.keys.waiting_events) == 30
        assert (ours.events(), theirs.events()) == ([1] * 30, [])
        with TestClient(create_app(settings_of(theirs, server))):
            until(lambda: client.xlen(theirs.keys.waiting_events) == 0)
    assert (ours.events(), theirs.events()) == ([1] * 30, [2] * 30)


def test_a_prefix_of_ones_own_is_used_for_everything(
    two: tuple[Deployment, Deployment], server: OwnValkey
) -> None:
    """REDIS_PREFIX takes the place of the source's identity, for the API and for the erasure."""
    ours, _ = two
    settings = settings_of(ours, server, redis_prefix="chat-2")
    keys = RedisKeys("chat-2")
    with redis.Redis.from_url(server.url) as client:
        with TestClient(create_app(settings)) as api:
            use(Api(api, settings), days=4)
            wait_for_key(client, f"{keys.answers}*:site:4d~*")
        assert {name.split(":")[0] for name in names(client)} == {"chat-2"}
        erase(
            replace(ours.pipeline.settings, redis_url=Secret(server.url), redis_prefix="chat-2"),
            messenger.ALICE,
            ours.pipeline.clock,
        )
        assert names(client) == set()
