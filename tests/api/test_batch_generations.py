"""Batches while generations change: never two in one answer, and none that a viewer may not see."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
import pytest

from api import warmup
from api.cache import Entry
from api.query import BoundQuery
from api.service import AnalyticsService
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api, Caller
from tests.api.fix_published import (
    BASE,
    BOB_HAS_LEFT,
    ONE_MORE_MESSAGE,
    Published,
    wait_for,
)
from tests.api.small_messenger import ALICE, BOB, DORA, GARDEN, TEAM
from tests.api.test_batch import answers_of, ask
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World

PAGES = 400
READERS = 4
CHANGES = 8
_DEADLINE_SECONDS = 900

# What a page of an administrator or a member asks: 22 answers, of which one is refused.
PAGE = [
    "/dashboard",
    "/messages?days=30",
    "/nothing/here",
    *(f"/timeline?days={days}" for days in (1, 7, 14, 30)),
    *(f"/engagement?days={days}" for days in (1, 7, 14, 30)),
    *(f"/top-senders?limit={limit}" for limit in (1, 5, 10)),
    *(f"/active-users?hours={hours}" for hours in (1, 24, 168)),
    "/top-conversations",
    "/events/counts",
    "/events/timeline",
    f"/conversation/{TEAM}",
    f"/conversation/{GARDEN}",
]
# The same without a refusal, so that a batch of it is kept in memory as a whole.
KEPT = [one for one in PAGE if one != "/nothing/here"]


def generations_in(batch: httpx.Response) -> set[int]:
    """The generations of a batch and of every answer in it that has one."""
    found = batch.json()
    bodies = [one["body"] for one in found["answers"] if one["status"] == 200]
    assert len(bodies) >= len(PAGE) - 2
    return {found["generation"], *(body["generation"] for body in bodies)}


class Readers:
    """Threads that show pages: each page asks which generation serves, and then only that one."""

    def __init__(self, api: Api) -> None:
        self._callers: list[Caller] = [api.admin(), api.member(DORA), api.admin("two"), api.admin()]
        self.pages = [0] * READERS
        self.generations: set[int] = set()
        self.faults: list[str] = []
        self._numbers = count()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Any:
        """Within the block, show one page after the other."""
        with ThreadPoolExecutor(READERS) as pool:
            running = [pool.submit(self._run, reader) for reader in range(READERS)]
            try:
                yield
            finally:
                self._stop.set()
            for one in running:
                one.result()

    def _run(self, reader: int) -> None:
        while not self._stop.is_set():
            self._show(self._callers[reader], is_pinned=self.pages[reader] % 3 > 0)
            self.pages[reader] += 1

    def _show(self, caller: Caller, *, is_pinned: bool) -> None:
        """Show one page; two of three pin what `/generation` says, the third takes what comes."""
        told: int = caller.get("/generation").json()["generation"]
        # Something new in some pages, so that generations begin while batches compute.
        new, is_new = divmod(next(self._numbers), 4)
        asks = KEPT if is_new else [f"/messages?days={1 + new % 365}", *PAGE]
        batch = ask(caller, *asks, generation=told if is_pinned else None)
        if batch.status_code != 200:
            self.faults.append(f"told {told}, then {batch.status_code}: {batch.text}")
            return
        found = generations_in(batch)
        if len(found) > 1 or (is_pinned and found != {told}) or min(found) < told:
            self.faults.append(f"told {told}, then {found}")
        self.generations |= found

    def wait_for_pages(self, more: int) -> None:
        """Wait until each thread has shown so many more pages."""
        wanted = [pages + more for pages in self.pages]
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while any(pages < want for pages, want in zip(self.pages, wanted, strict=True)):
            assert time.monotonic() < deadline and not self.faults, self.faults
            time.sleep(0.002)


@pytest.mark.slow
def test_hundreds_of_pages_while_generations_change(
    published: Published, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of pages of 22 answers, by four threads, while generations follow each other as fast
    as a page can follow them: every answer of a page is of one generation, the one that it was told
    if it pins it, which is never 410; and no page goes back."""
    # Nothing is computed beforehand, so that each change finds batches that compute.
    monkeypatch.setattr(warmup, "DASHBOARD_DAYS", ())
    monkeypatch.setattr(warmup, "_RECENT_MAX", 0)
    published.publish(BASE)
    api = new_api(published.pipeline, api_threads=2)
    readers, number = Readers(api), 1
    with readers.running():
        while sum(readers.pages) < PAGES or number <= CHANGES:
            # A page that was told the generation before is over when the next but one serves.
            readers.wait_for_pages(2)
            number += 1
            published.publish((BASE, ONE_MORE_MESSAGE)[number % 2], name=number)
            wait_for(api, number)
            if number > 3:
                published.remove(number - 3)
    assert readers.faults == []
    assert sum(readers.pages) >= PAGES
    assert len(readers.generations) >= CHANGES


def test_a_generation_that_begins_meanwhile_changes_no_batch(
    published: Published, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that began in generation 1 ends in it, also with what is computed when generation 2
    serves; the next batch is of generation 2."""
    published.publish(BASE)
    api = new_api(published.pipeline, api_threads=1)
    compute = AnalyticsService._compute
    started, released = threading.Event(), threading.Event()
    computed: list[tuple[int, int | None]] = []

    async def held(self: AnalyticsService, bound: BoundQuery[Any]) -> Entry:
        if bound.generation.number == 1:
            started.set()
            while not released.is_set():
                await asyncio.sleep(0.01)
            serving = self._generations.serving
            computed.append((1, None if serving is None else serving.number))
        return await compute(self, bound)

    monkeypatch.setattr(AnalyticsService, "_compute", held)
    admin = api.admin()
    with ThreadPoolExecutor(1) as pool:
        batch = pool.submit(ask, admin, *PAGE)
        assert started.wait(_DEADLINE_SECONDS)
        published.publish(ONE_MORE_MESSAGE)
        wait_for(api, 2)
        released.set()
        assert generations_in(batch.result()) == {1}
    assert set(computed) == {(1, 2)} and len(computed) > 10
    assert generations_in(ask(admin, *PAGE)) == {2}


def test_a_batch_pins_its_generation(published: Published, new_api: Callable[..., Api]) -> None:
    """The generation before has its old bytes when a batch pins it, and the one that serves its
    own, for a URL that was asked before as well; any other is 410 for the whole batch."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    admin = api.admin()
    first = ask(admin, *KEPT, generation=1)
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    second = ask(admin, *KEPT)
    assert (generations_in(first), generations_in(second)) == ({1}, {2})
    for _ in range(2):
        assert ask(admin, *KEPT, generation=1).content == first.content
        assert ask(admin, *KEPT, generation=2).content == second.content
        assert admin.get("/messages?days=30", generation=1).json()["generation"] == 1
        assert admin.get("/messages?days=30", generation=2).json()["generation"] == 2
    refused = ask(admin, *KEPT, generation=7)
    assert (refused.status_code, refused.json()["parameter"]) == (410, "generation")


def test_a_pinned_request_is_answered_from_memory_at_once(
    published: Published, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that pins the generation that serves is not read again, like one without a pin."""
    published.publish(BASE)
    admin = new_api(published.pipeline).admin()
    first = admin.get("/messages", generation=1)

    async def answered(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(AnalyticsService, "answer", answered)
    assert admin.get("/messages", generation=1).content == first.content


def test_the_answers_of_recent_batches_are_computed_before_a_generation_serves(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """What was asked in a batch is a hit in the next generation, alone and in the same batch."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    alice = api.member(ALICE)
    ask(alice, "/timeline?interval=hourly", "/engagement?days=17")
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    assert alice.get("/engagement?days=17").headers["x-cache"] == "hit"
    batch = ask(alice, "/timeline?interval=hourly", "/engagement?days=17")
    assert batch.headers["x-cache"] == "hit"
    assert batch.json()["generation"] == 2


def test_a_pinned_batch_shows_nobody_who_has_left(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """Whose participants have changed gets 410 for the whole batch in the generation before, also
    if it is in memory: not Bob, who has left, and not Alice, who would see Bob; Dora may."""
    published.publish(ONE_MORE_MESSAGE)
    api = new_api(published.pipeline)
    for user in (ALICE, BOB, DORA):
        assert generations_in(ask(api.member(user), *KEPT, generation=2)) == {2}
    published.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    for user in (ALICE, BOB):
        refused = ask(api.member(user), *KEPT, generation=2)
        assert refused.status_code == 410
        assert "the participants of your conversations have changed" in refused.json()["detail"]
        assert b'"answers"' not in refused.content
    assert generations_in(ask(api.member(DORA), *KEPT, generation=2)) == {2}
    left = dict(zip(KEPT, answers_of(ask(api.member(BOB), *KEPT)), strict=True))
    assert left[f"/conversation/{TEAM}"][0] == 404


def test_a_deleted_member_gets_no_batch(pipeline: Pipeline, new_api: Callable[..., Api]) -> None:
    """A member whom the messenger deletes gets 403 for the whole batch from the first generation
    that knows of it, whatever is in memory, and for the generation before as well."""
    pipeline.clock = Clock(messenger.NOW)
    with World(pipeline.url) as world:
        messenger.fill(world)
        pipeline.cycle()
        api = new_api(pipeline)
        alice = api.member(ALICE)
        for pin in (None, 1):
            assert generations_in(ask(alice, *KEPT, generation=pin)) == {1}
        world.execute("update users set deleted_at = now() where id = %s", ALICE)
        pipeline.cycle()
    wait_for(api, 2)
    for pin in (None, 1, 2):
        refused = ask(alice, *KEPT, generation=pin)
        assert refused.status_code == 403
        assert "has been deleted" in refused.json()["detail"]
    assert generations_in(ask(api.member(BOB), *KEPT)) == {2}


def test_a_member_gets_no_batch_of_old_data(
    published: Published, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the data become too old to tell what members may see, a batch that is in memory is 503
    for its member; an administrator's is not."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    callers = (api.member(ALICE), api.admin())
    for caller in callers:
        assert generations_in(ask(caller, *KEPT)) == {1}
    monkeypatch.setattr(AnalyticsService, "_is_too_old", lambda *_: True)
    refused, answered = (ask(caller, *KEPT) for caller in callers)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert (answered.status_code, answered.headers["x-cache"]) == (200, "hit")
