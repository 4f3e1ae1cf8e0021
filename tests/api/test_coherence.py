"""Two workers while generations are published: every dashboard and every page is of one generation,
and no client ever goes back to an older one."""

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
DASHBOARDS = 150
GENERATIONS = 4
PAGE = ["/messages", "/messages%3Fdays=200", "/engagement", "/timeline", "/top-senders"]
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
        self.rounds = [0] * READERS
        self.faults: list[str] = []
        self.stop = threading.Event()

    def run(self, reader: int) -> None:
        """Read until `stop` is set: a dashboard, and a page that pins the generation it is told."""
        while not self.stop.is_set():
            with self.lock:
                floor = self.newest
            status, text = self.get("/dashboard")
            with self.lock:
                self.read += 1
                self.note(status, text, floor)
            told = json.loads(self.get("/generation")[1])["generation"]
            asks = "".join(f"&ask={one}" for one in PAGE)
            status, text = self.get(f"/batch?generation={told}{asks}")
            with self.lock:
                self.note_page(status, text, told, floor)
                self.rounds[reader] += 1

    def get(self, request: str) -> tuple[int, str]:
        """The answer to a request on a connection of its own, so that any worker may answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_DEADLINE_SECONDS)
        try:
            connection.request("GET", PREFIX + request, headers=self.headers)
            found = connection.getresponse()
            return found.status, found.read().decode()
        finally:
            connection.close()

    def note_page(self, status: int, text: str, told: int, floor: int) -> None:
        """Record a page that was told a generation, and pinned it."""
        if status != 200:
            self.faults.append(f"told {told}: {status}: {text}")
            return
        body: dict[str, Any] = json.loads(text)
        found = {one["body"]["generation"] for one in body["answers"]} | {body["generation"]}
        if found != {told} or told < floor:
            self.faults.append(f"told {told}, then {found}, after {floor}")
        counts = {one["body"].get("total_messages") for one in body["answers"]} - {None}
        if len(counts) != 1:
            self.faults.append(f"parts of page {told} contradict each other: {counts}")

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
    """Hundreds of dashboards and pages from two workers while generations are published: each
    generation has the same bytes in both workers, the parts of a dashboard and of a page agree, no
    later one is older, and no page that pins what it is told is refused."""
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
    threads = [threading.Thread(target=watch.run, args=(reader,)) for reader in range(READERS)]
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
            # A page can be read until the next but one begins, so it must have ended by then.
            ended = [rounds + 2 for rounds in watch.rounds]
            while any(rounds < end for rounds, end in zip(watch.rounds, ended, strict=True)):
                assert time.monotonic() < deadline and not watch.faults, watch.faults
                time.sleep(0.01)
    finally:
        watch.stop.set()
        for thread in threads:
            thread.join()
    return watch
