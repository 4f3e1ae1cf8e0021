"""Two workers while generations are published: every dashboard is of one generation, and no client
ever goes back to an older one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from api.app import PREFIX
from api.auth import Role
from tests.api import small_messenger as messenger
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.world import World

pytestmark = pytest.mark.slow

READERS = 4
DASHBOARDS = 400
GENERATIONS = 4
_DEADLINE_SECONDS = 900


class Watch:
    """Reads dashboards from several threads and records contradictions."""

    def __init__(self, port: int, bearer: str) -> None:
        self.port = port
        self.headers = {"Authorization": f"Bearer {bearer}"}
        self.lock = threading.Lock()
        self.newest = 0
        self.bodies: dict[int, set[str]] = {}
        self.read = 0
        self.faults: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        """Read until `stop` is set; each request has its own connection, so any worker may
        answer."""
        while not self.stop.is_set():
            with self.lock:
                floor = self.newest
            connection = HTTPConnection("127.0.0.1", self.port, timeout=_DEADLINE_SECONDS)
            connection.request("GET", f"{PREFIX}/dashboard", headers=self.headers)
            found = connection.getresponse()
            text = found.read().decode()
            connection.close()
            with self.lock:
                self.read += 1
                self.note(found.status, text, floor)

    def note(self, status: int, text: str, floor: int) -> None:
        """Record an answer; `floor` is the newest generation that was answered before the
        request."""
        if status != 200:
            self.faults.append(f"{status}: {text}")
            return
        body: dict[str, Any] = json.loads(text)
        generation = body["generation"]
        if generation < floor:
            self.faults.append(f"back from {floor} to {generation}")
        total = body["message_stats"]["total_messages"]
        if total != sum(bucket["count"] for bucket in body["message_timeline"]):
            self.faults.append(f"parts of {generation} contradict each other")
        self.bodies.setdefault(generation, set()).add(text)
        self.newest = max(self.newest, generation)


@pytest.mark.parametrize("with_redis", [True, False])
def test_dashboards_are_of_one_generation_and_never_go_back(
    database: str,
    new_pipeline: Callable[[str], Pipeline],
    valkey_url: str,
    tmp_path: Path,
    with_redis: bool,
) -> None:
    """Hundreds of dashboards from two workers while generations are published: each generation has
    the same bytes in both workers, the parts of a dashboard agree, and no later one is older."""
    pipeline = new_pipeline(database)
    pipeline.clock.now = messenger.NOW
    with World(database) as world:
        messenger.fill(world)
        pipeline.cycle()
        variables = {"REDIS_URL": valkey_url} if with_redis else {}
        with server(
            pipeline.layout.root, tmp_path / "log", "--workers", "2", **variables
        ) as running:
            watch = watch_publications(running, world, pipeline)
    assert watch.faults == []
    assert watch.read >= DASHBOARDS
    assert len(watch.bodies) >= GENERATIONS
    assert {
        generation: len(bodies) for generation, bodies in watch.bodies.items()
    } == dict.fromkeys(watch.bodies, 1)


def watch_publications(running: Server, world: World, pipeline: Pipeline) -> Watch:
    """Read while generations are published, each with one more message."""
    watch = Watch(running.port, token(Role.ADMIN, "boss"))
    threads = [threading.Thread(target=watch.run) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _DEADLINE_SECONDS
    number = 1_000
    try:
        while watch.read < DASHBOARDS or len(watch.bodies) < GENERATIONS:
            assert time.monotonic() < deadline, (watch.read, len(watch.bodies), watch.faults)
            world.message(number, conversation_id=messenger.TEAM, created_at=messenger.ago(hours=1))
            number += 1
            pipeline.cycle()
            time.sleep(0.1)
    finally:
        watch.stop.set()
        for thread in threads:
            thread.join()
    return watch
