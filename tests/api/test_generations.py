"""Which generation answers: the newest when it is ready, a pinned one while it may be shown."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
import structlog
from httpx import Response

from api import warmup
from api.desk import Desk
from api.generations import Generation, Generations
from api.questions import Asked
from api.recipes import DASHBOARD, NEEDED_METRICS
from etl.sandbox.postgres import create_database, drop_database
from olap.layout import Layout
from olap.reader import GenerationUnreadableError, Reader
from olap.settings import Secret, Settings
from tests.api import team
from tests.api.fix_api import Api
from tests.api.team import ALICE, BOB, DORA
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World

# What each generation of the history has that the one before it has not.
BASE, ONE_MORE_MESSAGE, BOB_HAS_LEFT = 1, 2, 3


@pytest.fixture(scope="module")
def history(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Three generations of the small messenger; tests take from it what they need."""
    name = f"test_{os.getpid()}_history"
    settings = Settings(data_dir=tmp_path_factory.mktemp("history") / "data", keep_generations=10)
    try:
        url = create_database(postgres_url, name, template=template_database)
        pipeline = Pipeline(url, settings, Clock(team.NOW))
        with World(url) as world:
            team.fill(world)
            pipeline.cycle()
            world.message(500, conversation_id=team.TEAM, created_at=team.ago(hours=1))
            pipeline.cycle()
            world.participant(
                team.ENGINEERS, BOB, joined_at=team.ago(days=15), left_at=team.ago(minutes=1)
            )
            pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)


@dataclass(slots=True)
class Shelf:
    """A DATA_DIR with generations of the history, put there as the ETL does it."""

    history: Pipeline
    root: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    @property
    def pipeline(self) -> Pipeline:
        """For `new_api`."""
        return Pipeline("", replace(self.history.settings, data_dir=self.root))

    def publish(self, number: int, name: int | None = None) -> None:
        """Put generation `number` here, under another number if one is given."""
        target = Layout(self.root)
        target.create()
        source, shown = self.history.layout, name or number
        content = source.generation_manifest(number).read_bytes()
        content = content.replace(b'"generation": %d' % number, b'"generation": %d' % shown)
        target.generation_manifest(shown).write_bytes(content)
        os.link(source.generation(number).resolve(), target.generation(shown))
        self.point(shown)

    def point(self, number: int) -> None:
        """Switch the symlink."""
        draft = self.root / ".draft"
        draft.symlink_to(Path("generations", self.layout.generation(number).name))
        draft.replace(self.layout.pointer)

    def remove(self, *numbers: int) -> None:
        """Collect generations."""
        for number in numbers:
            self.layout.generation(number).unlink()
            self.layout.generation_manifest(number).unlink()


@pytest.fixture
def shelf(history: Pipeline, tmp_path: Path) -> Shelf:
    """An empty DATA_DIR."""
    return Shelf(history, tmp_path / "shelf")


def wait_for(api: Api, number: int) -> None:
    """Until this generation answers."""
    deadline = time.monotonic() + 30
    while api.client.get("/health/ready").json()["generation"] != number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def total(answer: Response) -> int:
    """The messages that a dashboard counts."""
    found: int = answer.json()["message_stats"]["total_messages"]
    return found


def test_a_new_generation_answers_warm_and_the_one_before_can_be_pinned(
    shelf: Shelf, new_api: Callable[..., Api]
) -> None:
    """After a publication the dashboards of 1, 7 and 30 days are hits, and so is what was asked
    last; the generation before answers, pinned, the bytes it answered; others are 410."""
    shelf.publish(BASE)
    api = new_api(shelf.pipeline)
    admin = api.admin()
    before = admin.get("/dashboard")
    api.member(ALICE).get("/timeline", interval="hourly")
    shelf.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    for days in (1, 7, 30):
        assert admin.get("/dashboard", days=days).headers["x-cache"] == "hit"
    asked_before = api.member(ALICE).get("/timeline", interval="hourly")
    assert (asked_before.headers["x-cache"], asked_before.json()["generation"]) == ("hit", 2)
    assert total(admin.get("/dashboard")) == total(before) + 1
    assert admin.get("/dashboard", generation=1).content == before.content
    assert admin.get("/dashboard", generation=2).content == admin.get("/dashboard").content
    shelf.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    assert admin.get("/dashboard", generation=2).json()["generation"] == 2
    for number in (1, 4):
        refused = admin.get("/dashboard", generation=number)
        assert refused.status_code == 410
        assert refused.json()["parameter"] == "generation"
        assert "3 and 2 can be asked" in refused.json()["detail"]


@pytest.mark.parametrize("is_dashboard", [True, False], ids=["dashboards", "asked last"])
@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "fails"])
def test_what_cannot_be_made_warm_does_not_keep_a_generation_from_answering(
    shelf: Shelf,
    new_api: Callable[..., Api],
    monkeypatch: pytest.MonkeyPatch,
    is_dashboard: bool,
    hangs: bool,
) -> None:
    """Dashboards that take too long or fail, and other questions that do, are left; it is said in
    one line, and the new generation answers."""
    monkeypatch.setattr(warmup, "_DASHBOARDS_SECONDS", 0.5)
    monkeypatch.setattr(warmup, "_ASKED_LAST_SECONDS", 0.5)
    shelf.publish(BASE)
    api = new_api(shelf.pipeline)
    api.admin().get("/timeline", interval="hourly")
    tried: list[bool] = []

    async def compute(_: Desk, asked: Asked, generation: Generation) -> None:
        tried.append(asked.subject is DASHBOARD)
        if tried[-1] is is_dashboard:
            if hangs:
                await asyncio.Event().wait()
            raise GenerationUnreadableError("it is torn", hint="")

    monkeypatch.setattr(Desk, "compute_into_cache", compute)
    with structlog.testing.capture_logs() as lines:
        shelf.publish(ONE_MORE_MESSAGE)
        wait_for(api, 2)
    assert is_dashboard in tried and (not is_dashboard or set(tried) == {True})
    told = [line["event"] for line in lines if line["event"].startswith("generation.not")]
    assert told == ["generation.not_all_warm" if hangs else "generation.not_warm"]
    assert api.admin().get("/dashboard").json()["generation"] == 2


def test_an_erased_generation_cannot_be_pinned(shelf: Shelf, new_api: Callable[..., Api]) -> None:
    """What was removed from the disk is not answered from, though it is still open here."""
    shelf.publish(BASE)
    api = new_api(shelf.pipeline)
    shelf.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    assert api.admin().get("/dashboard", generation=1).status_code == 200
    shelf.remove(1)
    assert api.admin().get("/dashboard", generation=1).status_code == 410


def test_who_has_left_is_not_shown_by_an_older_generation(
    shelf: Shelf, new_api: Callable[..., Api]
) -> None:
    """A member may pin the generation before only while his circle there is that of the newest:
    not Bob, who has left, and not Alice, whom it would show Bob; Dora may, and an administrator."""
    shelf.publish(ONE_MORE_MESSAGE)
    api = new_api(shelf.pipeline)
    for user in (ALICE, BOB, DORA):
        assert api.member(user).get("/dashboard", generation=2).status_code == 200
    shelf.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    for user in (ALICE, BOB):
        refused = api.member(user).get("/dashboard", generation=2)
        assert refused.status_code == 410
        assert "who takes part in your conversations has changed" in refused.json()["detail"]
    assert api.member(DORA).get("/dashboard", generation=2).json()["generation"] == 2
    assert api.admin().get("/dashboard", generation=2).json()["generation"] == 2
    assert api.member(BOB).get(f"/conversation/{team.TEAM}").status_code == 404


def test_a_generation_without_a_metric_is_not_switched_to(
    shelf: Shelf, new_api: Callable[..., Api]
) -> None:
    """The old generation goes on answering, `ready` names what the new one lacks, and the next
    whole one is switched to."""
    shelf.publish(BASE)
    api = new_api(shelf.pipeline)
    shelf.publish(ONE_MORE_MESSAGE)
    file = shelf.layout.generation(2)
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    with duckdb.connect(str(file)) as connection:
        connection.execute("delete from metrics.catalog where metric = 'engagement'")
    deadline = time.monotonic() + 30
    while (ready := api.client.get("/health/ready").json())["refused"] is None:
        assert time.monotonic() < deadline and ready["generation"] == 1
        time.sleep(0.02)
    assert ready["generation"] == 1
    assert ready["refused"] == "generation 2: it lacks the metrics engagement_v1"
    assert api.admin().get("/dashboard").json()["generation"] == 1
    assert api.admin().get("/dashboard", generation=2).status_code == 410
    shelf.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    assert api.client.get("/health/ready").json()["refused"] is None


def test_nothing_published_is_no_reason_not_to_start(
    shelf: Shelf, new_api: Callable[..., Api]
) -> None:
    """Before the first generation every question is 503 with a time to come back, and it lives;
    the first one is answered from as soon as it is there."""
    shelf.layout.create()
    api = new_api(shelf.pipeline)
    refused = api.admin().get("/dashboard")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert api.client.get("/health/live").status_code == 200
    assert api.client.get("/health/ready").status_code == 503
    shelf.publish(BASE)
    wait_for(api, 1)
    assert api.admin().get("/dashboard").status_code == 200


@pytest.mark.parametrize("pointer", [b"", b"\xff rubbish", b'{"generation": 9, "tag": "9-gone"}'])
def test_a_pointer_that_names_nothing_binds_nobody(
    shelf: Shelf, new_api: Callable[..., Api], pointer: bytes
) -> None:
    """With an empty, a strange, or another DATA_DIR's pointer file it starts, and answers."""
    shelf.publish(BASE)
    (shelf.root / "api").mkdir()
    (shelf.root / "api" / "serving.json").write_bytes(pointer)
    api = new_api(shelf.pipeline)
    assert api.admin().get("/dashboard").json()["generation"] == 1


def test_a_load_from_scratch_begins_at_1_again(
    shelf: Shelf, new_api: Callable[..., Api], valkey_url: str
) -> None:
    """DATA_DIR is emptied under a running API and filled anew: generation 1 answers again, and not
    what Redis still remembers of another generation 1."""
    shelf.publish(BASE)
    url = Secret(valkey_url)
    api = new_api(shelf.pipeline, redis_url=url)
    first = api.admin().get("/dashboard", days=13)
    shelf.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    shelf.remove(1, 2)
    shelf.publish(BOB_HAS_LEFT, name=1)
    wait_for(api, 1)
    again = api.admin().get("/dashboard", days=13)
    assert again.json()["generation"] == first.json()["generation"] == 1
    assert total(again) == total(first) + 1


def test_members_are_not_answered_when_membership_is_old(
    shelf: Shelf, new_api: Callable[..., Api]
) -> None:
    """Beyond SCOPE_MAX_AGE_SECONDS a member gets 503, also for what is in memory; not so the
    administrator."""
    shelf.publish(BASE)
    api = new_api(shelf.pipeline, scope_max_age_seconds=1)
    refused = api.member(ALICE).get("/dashboard")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert api.admin().get("/dashboard").status_code == 200


@asynccontextmanager
async def two_workers(shelf: Shelf, spill: Path) -> AsyncIterator[tuple[Generations, Generations]]:
    """The generations as two workers see them; both look only when told to."""
    reader = Reader(
        shelf.layout.generations, memory_limit="200MB", threads=1, spill_directory=spill
    )
    directory = shelf.root / "api"
    directory.mkdir()
    first, second = (
        Generations(shelf.layout, reader, NEEDED_METRICS, directory=directory, poll_seconds=3600)
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


def test_the_pointer_moves_when_the_generation_is_warm_and_never_back(
    shelf: Shelf, tmp_path: Path
) -> None:
    """While a generation is made warm the old one answers; a worker that is late with an older
    generation does not move the pointer back."""
    shelf.publish(BASE)

    async def play() -> None:
        async with two_workers(shelf, tmp_path / "spill") as (first, second):
            seen: list[tuple[int, int]] = []

            async def warm_up(generation: Generation) -> None:
                serving = await second.current()
                seen.append((generation.number, serving.number))

            first.warm_up = warm_up
            shelf.publish(ONE_MORE_MESSAGE)
            await first.look()
            assert seen == [(2, 1)]
            assert first.peek() is not None and first.peek() is first.serving
            assert second.peek() is None  # the pointer has moved: look first
            assert (await second.current()).number == 2
            shelf.point(1)
            await second.look()
            assert (await second.current()).number == (await first.current()).number == 2

    asyncio.run(play())


def test_all_who_ask_while_the_pointer_moves_go_on_at_once(shelf: Shelf, tmp_path: Path) -> None:
    """However many ask when the pointer has moved, one look is for all: they go on in the same turn
    of the event loop, not one after the other."""
    shelf.publish(BASE)

    async def play() -> None:
        async with two_workers(shelf, tmp_path / "spill") as (first, second):
            shelf.publish(ONE_MORE_MESSAGE)
            await first.look()
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
