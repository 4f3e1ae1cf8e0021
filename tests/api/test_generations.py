"""Which generation serves: the newest when it is ready, and a pinned one while it is visible."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import duckdb
import msgspec
import pytest
import structlog
from httpx import Response

from api import warmup
from api.deployment import Deployment
from api.endpoints import NEEDED_METRICS
from api.endpoints.dashboard import dashboard
from api.generations import Generation, Generations
from api.query import Query
from api.service import AnalyticsService
from olap.errors import GenerationUnreadableError
from olap.ids import IdTypes
from olap.layout import Layout
from olap.manifest import Manifest
from olap.reader import Reader
from olap.secret import Secret
from olap.settings import Settings
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.api.fix_published import (
    BASE,
    BOB_HAS_LEFT,
    ONE_MORE_MESSAGE,
    Published,
    wait_for,
)
from tests.api.small_messenger import ALICE, BOB, DORA


def total(answer: Response) -> int:
    """The number of messages on a dashboard."""
    found: int = answer.json()["message_stats"]["total_messages"]
    return found


def test_a_new_generation_serves_from_the_cache_and_the_one_before_can_be_pinned(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """After a publication the dashboards of 1, 7 and 30 days are hits, and so are recent queries;
    the generation before returns its old bytes when it is pinned, and any other returns 410."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    admin = api.admin()
    before = admin.get("/dashboard")
    api.member(ALICE).get("/timeline", interval="hourly")
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    for days in (1, 7, 30):
        assert admin.get("/dashboard", days=days).headers["x-cache"] == "hit"
    recent = api.member(ALICE).get("/timeline", interval="hourly")
    assert (recent.headers["x-cache"], recent.json()["generation"]) == ("hit", 2)
    assert total(admin.get("/dashboard")) == total(before) + 1
    assert admin.get("/dashboard", generation=1).content == before.content
    assert admin.get("/dashboard", generation=2).content == admin.get("/dashboard").content
    published.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    assert admin.get("/dashboard", generation=2).json()["generation"] == 2
    for number in (1, 4):
        refused = admin.get("/dashboard", generation=number)
        assert refused.status_code == 410
        assert refused.json()["parameter"] == "generation"
        assert "there are 3 and 2" in refused.json()["detail"]


@pytest.mark.parametrize("is_dashboard", [True, False], ids=["dashboards", "recent"])
@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "fails"])
def test_a_generation_serves_although_its_cache_could_not_be_filled(
    published: Published,
    new_api: Callable[..., Api],
    monkeypatch: pytest.MonkeyPatch,
    is_dashboard: bool,
    hangs: bool,
) -> None:
    """Dashboards and recent queries that take too long or fail are skipped with one log line, and
    the new generation serves."""
    if hangs:
        limit = "_DASHBOARDS_SECONDS" if is_dashboard else "_RECENT_SECONDS"
        monkeypatch.setattr(warmup, limit, 0.5)
    published.publish(BASE)
    api = new_api(published.pipeline)
    api.admin().get("/timeline", interval="hourly")
    tried: list[bool] = []

    async def compute(_: AnalyticsService, query: Query, generation: Generation) -> None:
        tried.append(query.endpoint is dashboard)
        if tried[-1] is is_dashboard:
            if hangs:
                await asyncio.Event().wait()
            raise GenerationUnreadableError("it is torn", hint="")

    monkeypatch.setattr(AnalyticsService, "precompute", compute)
    with structlog.testing.capture_logs() as lines:
        published.publish(ONE_MORE_MESSAGE)
        wait_for(api, 2)
    assert is_dashboard in tried and (not is_dashboard or set(tried) == {True})
    logged = [line["event"] for line in lines if line["event"].startswith("generation.not")]
    assert logged == ["generation.not_all_warm" if hangs else "generation.not_warm"]
    assert api.admin().get("/dashboard").json()["generation"] == 2


def test_an_erased_generation_cannot_be_pinned(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """A generation that was removed from the disk returns 410, although the API has it open."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    assert api.admin().get("/dashboard", generation=1).status_code == 200
    published.remove(1)
    assert api.admin().get("/dashboard", generation=1).status_code == 410


def test_an_older_generation_shows_nobody_who_has_left(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """A member may pin the generation before only while they see the same in both: not Bob, who has
    left, and not Alice, who would see Bob; Dora and an administrator may."""
    published.publish(ONE_MORE_MESSAGE)
    api = new_api(published.pipeline)
    for user in (ALICE, BOB, DORA):
        assert api.member(user).get("/dashboard", generation=2).status_code == 200
    published.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    for user in (ALICE, BOB):
        refused = api.member(user).get("/dashboard", generation=2)
        assert refused.status_code == 410
        assert "the participants of your conversations have changed" in refused.json()["detail"]
    assert api.member(DORA).get("/dashboard", generation=2).json()["generation"] == 2
    assert api.admin().get("/dashboard", generation=2).json()["generation"] == 2
    assert api.member(BOB).get(f"/conversation/{messenger.TEAM}").status_code == 404


def unmark(layout: Layout, number: int) -> None:
    """Take from a manifest what describes the file, which the test changes."""
    path = layout.generation_manifest(number)
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.structs.replace(manifest, file=None).to_json())


def test_a_generation_that_was_changed_says_so(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """A changed generation does not begin to serve; one that serves goes on; `ready` names both."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    for number, answers in ((ONE_MORE_MESSAGE, BASE), (BOB_HAS_LEFT, BOB_HAS_LEFT)):
        published.place(number)
        if answers == number:
            published.point(number)
            wait_for(api, number)
            assert api.client.get("/health/ready").json()["refused"] is None
        log = published.layout.generation_directory(number) / "analytics.duckdb.wal"
        log.write_bytes(b"")
        published.point(number)
        refused = f"generation {number}: its file is not as it was published: a program opened it"
        deadline = time.monotonic() + 300
        while (ready := api.client.get("/health/ready").json())["refused"] is None:
            assert time.monotonic() < deadline and ready["generation"] == answers
            time.sleep(0.02)
        assert (ready["status"], ready["generation"]) == ("ready", answers)
        assert ready["refused"] == f"{refused} for writing and left {log.name}"
        assert api.admin().get("/dashboard").json()["generation"] == answers


def test_a_generation_that_lacks_a_metric_does_not_serve(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """The old generation keeps serving, `ready` names the missing metric, and the next complete
    generation serves."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    published.publish(ONE_MORE_MESSAGE)
    file = published.layout.generation(2)
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    with duckdb.connect(str(file)) as connection:
        connection.execute("delete from metrics.catalog where metric = 'engagement'")
    unmark(published.layout, 2)
    deadline = time.monotonic() + 300
    while (ready := api.client.get("/health/ready").json())["refused"] is None:
        assert time.monotonic() < deadline and ready["generation"] == 1
        time.sleep(0.02)
    assert ready["generation"] == 1
    assert ready["refused"] == "generation 2: it lacks the metrics engagement_v1"
    assert api.admin().get("/dashboard").json()["generation"] == 1
    assert api.admin().get("/dashboard", generation=2).status_code == 410
    published.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    assert api.client.get("/health/ready").json()["refused"] is None


def test_the_api_starts_before_anything_is_published(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """Before the first generation every request returns 503 with `Retry-After`, and the process is
    live; the first generation serves as soon as it is published."""
    published.layout.create()
    api = new_api(published.pipeline)
    refused = api.admin().get("/dashboard")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert refused.json()["reason"] == "nothing_published"
    assert "messenger-analytics run" in refused.json()["detail"]
    assert api.client.get("/health/live").status_code == 200
    assert api.client.get("/health/ready").status_code == 503
    published.publish(BASE)
    wait_for(api, 1)
    assert api.admin().get("/dashboard").status_code == 200


@pytest.mark.parametrize("pointer", [b"", b"\xff rubbish", b'{"generation": 9, "tag": "9-gone"}'])
def test_a_pointer_to_no_generation_is_ignored(
    published: Published, new_api: Callable[..., Api], pointer: bytes
) -> None:
    """With a pointer file that is empty, rubbish or of another DATA_DIR the API starts and
    answers."""
    published.publish(BASE)
    (published.root / "api").mkdir()
    (published.root / "api" / "serving.json").write_bytes(pointer)
    api = new_api(published.pipeline)
    assert api.admin().get("/dashboard").json()["generation"] == 1


def test_a_load_from_scratch_begins_at_1_again(
    published: Published, new_api: Callable[..., Api], valkey_url: str
) -> None:
    """When DATA_DIR is emptied under a running API and filled again, the new generation 1 serves,
    and not what Redis has of the old generation 1."""
    published.publish(BASE)
    url = Secret(valkey_url)
    api = new_api(published.pipeline, redis_url=url)
    first = api.admin().get("/dashboard", days=13)
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    published.remove(1, 2)
    published.publish(BOB_HAS_LEFT, name=1)
    wait_for(api, 1)
    again = api.admin().get("/dashboard", days=13)
    assert again.json()["generation"] == first.json()["generation"] == 1
    assert total(again) == total(first) + 1


def test_a_defect_of_the_warm_up_keeps_no_generation_from_serving(
    published: Published, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an answer cannot be computed beforehand, for whatever reason, the API starts, and the next
    generation serves."""

    async def broken(*_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(AnalyticsService, "precompute", broken)
    published.publish(BASE)
    with structlog.testing.capture_logs() as lines:
        api = new_api(published.pipeline)
        assert api.admin().get("/engagement").json()["generation"] == 1
        published.publish(ONE_MORE_MESSAGE)
        wait_for(api, 2)
    assert [line["event"] for line in lines].count("generation.not_warm") == 2


def test_members_get_503_when_the_data_are_old(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """Beyond SCOPE_MAX_AGE_SECONDS a member gets 503, also for what is in memory; an administrator
    does not."""
    published.publish(BASE)
    api = new_api(published.pipeline, scope_max_age_seconds=1)
    refused = api.member(ALICE).get("/dashboard")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert refused.json()["reason"] == "too_old"
    assert api.admin().get("/dashboard").status_code == 200


@asynccontextmanager
async def two_workers(
    published: Published, spill: Path
) -> AsyncIterator[tuple[Generations, Generations]]:
    """The generations as two workers see them; both check only when a test calls them."""
    reader = Reader(
        published.layout.generations, memory_limit="200MB", threads=1, spill_directory=spill
    )
    directory = published.root / "api"
    directory.mkdir()
    first, second = (
        Generations(
            published.layout,
            reader,
            NEEDED_METRICS,
            directory=directory,
            ids=IdTypes(),
            deployment=Deployment(Settings()),
            poll_seconds=3600,
        )
        for _ in range(2)
    )
    try:
        await first.start()
        await second.start()
        yield first, second
    finally:
        await first.stop()
        await second.stop()
        reader.close()


def test_the_pointer_moves_after_the_warm_up_and_never_back(
    published: Published, tmp_path: Path
) -> None:
    """During the warm-up the old generation serves; a worker that is late with an older generation
    does not move the pointer back."""
    published.publish(BASE)

    async def play() -> None:
        async with two_workers(published, tmp_path / "spill") as (first, second):
            seen: list[tuple[int, int]] = []

            async def warm_up(generation: Generation) -> None:
                serving = await second.current()
                seen.append((generation.number, serving.number))

            first.warm_up = warm_up
            published.publish(ONE_MORE_MESSAGE)
            await first.check()
            assert seen == [(2, 1)]
            assert first.peek() is not None and first.peek() is first.serving
            assert second.peek() is None  # the pointer has moved
            assert (await second.current()).number == 2
            published.point(1)
            await second.check()
            assert (await second.current()).number == (await first.current()).number == 2

    asyncio.run(play())


def test_requests_that_wait_for_the_pointer_continue_together(
    published: Published, tmp_path: Path
) -> None:
    """All requests that find the pointer moved wait for one read of it, and continue in the same
    turn of the event loop, not one after the other."""
    published.publish(BASE)

    async def play() -> None:
        async with two_workers(published, tmp_path / "spill") as (first, second):
            published.publish(ONE_MORE_MESSAGE)
            await first.check()
            turns = 0
            answered: list[tuple[int, int]] = []

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            async def ask() -> None:
                generation = await second.current()
                answered.append((generation.number, turns))

            counting = asyncio.create_task(count())
            await asyncio.gather(*(ask() for _ in range(64)))
            counting.cancel()
            numbers, at = zip(*answered, strict=True)
            assert numbers == (2,) * 64
            assert max(at) - min(at) <= 2

    asyncio.run(play())
