"""The engine that answers long periods: the same bytes, and 503 for these questions alone.

The engine of these tests is DuckDB on the generation's own file, behind the API's `Session`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from prometheus_client import REGISTRY

import api.engine as engine_module
from api import engine_session
from api.app import PREFIX
from api.auth import Role
from api.endpoints import ENDPOINTS
from api.engine import Engine, EngineState, goes_to_engine
from api.executor import Executor
from api.generations import Generation
from api.periods import Window
from api.problems import Problem
from olap.days import EVERY_DAY, DayRange, DaySet, day_set
from olap.errors import (
    EngineError,
    EngineSessionEndedError,
    EngineUnavailableError,
    SettingsError,
)
from olap.reader import Rows
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.api.file_engine import FileEngine, at_once
from tests.api.fix_api import Api, Caller
from tests.api.fix_engine import ALWAYS
from tests.api.fix_published import BASE, BOB_HAS_LEFT, ONE_MORE_MESSAGE, Published, wait_for
from tests.api.servers import server
from tests.api.small_messenger import ALICE, DORA, GARDEN, LONER, TEAM
from tests.api.test_batch import answers_of, ask
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline

IDS = {"user_id": str(ALICE), "conversation_id": str(TEAM)}
# Where a period lies, and how it is cut.
PERIODS: tuple[dict[str, Any], ...] = (
    {},
    {"tz": "Europe/Berlin", "whole_days": "true", "include_bots": "false", "ids": "text"},
    {"tz": "Australia/Lord_Howe", "days": "1", "compare": "previous"},
    {"tz": "America/New_York", "days": "1", "compare": "year", "format": "csv"},
)


def period_paths(api: Api) -> list[str]:
    """Every path of the OpenAPI document whose answer has a period, with ids in it."""
    document = api.client.get("/docs/openapi.json").json()
    found = []
    for path, operations in document["paths"].items():
        names = {one["name"] for one in operations.get("get", {}).get("parameters", ())}
        if "days" in names:
            found.append(path.partition("/analytics")[2].format_map(IDS))
    assert len(found) > 20
    return found


@pytest.fixture(scope="module")
def paths(small_api: Api) -> list[str]:
    """`period_paths`."""
    return period_paths(small_api)


@pytest.fixture
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the engine is tried again at once."""
    monkeypatch.setattr("api.breaker._FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the engine is not tried again."""
    monkeypatch.setattr("api.breaker._FIRST_PAUSE_SECONDS", 1e6)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event for which an engine that hangs waits; it is set at the end."""
    event = threading.Event()
    yield event
    event.set()


def callers(api: Api) -> dict[str, Caller]:
    """An administrator, members of both groups, and one who sees nothing."""
    members = {f"member {user}": api.member(user) for user in (ALICE, DORA, LONER)}
    return {"administrator": api.admin(), **members}


def shown(answer: httpx.Response) -> tuple[int, bytes, str | None, str | None]:
    """What a client sees of an answer, besides where it came from."""
    headers = answer.headers
    return answer.status_code, answer.content, headers.get("etag"), headers.get("content-type")


def assert_refused(answer: httpx.Response) -> None:
    """It is 503 with `Retry-After` and a problem about the engine, and no cache may keep it."""
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "are answered by an engine" in answer.json()["detail"]


# Which questions it answers


def a_window(*, days: float, until: datetime = datetime(2026, 11, 20, tzinfo=UTC)) -> Window:
    """A window of so many days."""
    return Window(until - timedelta(days=days), until)


@pytest.mark.parametrize(
    ("window", "facts", "expected"),
    [
        (a_window(days=90), EVERY_DAY, False),
        (a_window(days=90 + 1 / 24), EVERY_DAY, False),  # an hour, by which a clock is set back
        (a_window(days=90 + 2 / 24), EVERY_DAY, True),
        (a_window(days=91), EVERY_DAY, True),
        (a_window(days=0), EVERY_DAY, False),
        (None, EVERY_DAY, False),
        # Of a file that has the facts of these days alone.
        (a_window(days=2), day_set(DayRange(date(2026, 11, 18), date(2026, 11, 19))), False),
        (a_window(days=2), day_set(DayRange(date(2026, 11, 19), date(2026, 11, 19))), True),
        (a_window(days=2), day_set(DayRange(date(2026, 11, 18), date(2026, 11, 18))), True),
        (a_window(days=0), DaySet(()), False),
        (None, day_set(DayRange(date(2026, 11, 18), date(2026, 11, 19))), True),
    ],
)
def test_long_periods_and_days_without_facts_go_to_the_engine(
    window: Window | None, facts: DaySet, expected: bool
) -> None:
    """A question goes to the engine if its window has more days than ENGINE_ABOVE_DAYS, or a day
    whose facts the file lacks; without an engine none does."""
    generation = cast("Generation", SimpleNamespace(facts=facts))
    with_engine = Settings(engine_url=Hidden("sail"), engine_above_days=90)
    assert goes_to_engine(window, generation, with_engine) is expected
    assert not goes_to_engine(window, generation, Settings(engine_above_days=90))


def test_short_periods_are_never_asked_of_the_engine(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    file_engine: FileEngine,
    paths: list[str],
) -> None:
    """Without a period, or with one of at most ENGINE_ABOVE_DAYS, no endpoint asks the engine, and
    it is not even opened; with a day more each endpoint does."""
    api = new_api(small_site, **ALWAYS | {"engine_above_days": 30})
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace(":str}", "}").format_map(IDS)
        periods: tuple[dict[str, Any], ...] = ({}, {"days": 30}, {"days": 1, "compare": "year"})
        for more in periods:
            api.admin().get(path, **more)
    assert (file_engine.opened, file_engine.asked) == ([], [])
    for path in paths:
        before = len(file_engine.asked)
        answer = api.admin().get(path, days=31)
        is_known = answer.status_code == 200
        assert (len(file_engine.asked) > before) is is_known, (path, answer.text)


def test_each_metric_of_a_query_goes_by_its_own_window(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    file_engine: FileEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a dashboard of 60 days the engine is asked all but the last 24 hours, and of a filter the
    check whether the conversation exists is not asked of it."""
    local = local_metrics(monkeypatch)
    api = new_api(small_site, **ALWAYS | {"engine_above_days": 30})
    local.clear()  # those of the warm-up
    assert api.admin().get("/dashboard", days=60).status_code == 200
    assert local == ["active_users_v1"]
    assert sorted(file_engine.asked) == [
        "engagement_v1", "message_stats_v1", "message_timeline_v2", "top_senders_v1",
    ]  # fmt: skip
    local.clear()
    assert api.admin().get("/messages", days=60, conversation_id=TEAM).status_code == 200
    assert (local, file_engine.asked[4:]) == (["conversation_stats_v1"], ["message_stats_v1"])


def local_metrics(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The metrics that the generation's own DuckDB is asked from now on."""
    found: list[str] = []
    whole = Executor.ask

    async def ask(
        self: Executor, generation: Generation, metric: str, parameters: dict[str, Any]
    ) -> Rows:
        found.append(metric)
        return await whole(self, generation, metric, parameters)

    monkeypatch.setattr(Executor, "ask", ask)
    return found


# The same answers


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: "&".join(period) or "default")
def test_every_answer_is_the_same_byte_by_byte(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    paths: list[str],
    period: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every endpoint with a period gives administrators and members the same status, bytes and ETag
    whether the engine or the file answers, in JSON and CSV, in other zones, compared."""
    with_engine = callers(new_api(small_site, **ALWAYS))
    answered = 0
    for name, caller in callers(small_api).items():
        for path in paths:
            expected = shown(caller.get(path, **period))
            before = len(file_engine.asked)
            found = with_engine[name].get(path, **period)
            assert shown(found) == expected, (name, path)
            if expected[0] == 200:
                assert len(file_engine.asked) > before, (name, path)
                answered += 1
            again = with_engine[name].get(path, **period)
            assert (shown(again), again.headers.get("x-cache")) == (expected, "hit"), (name, path)
    assert answered > len(paths)


def test_both_ways_share_one_key(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    file_engine: FileEngine,
    valkey_url: str,
) -> None:
    """A worker without an engine finds the answers of the engine in Redis, and the other way round:
    a key says what is asked, and not who answers."""
    url = Secret(valkey_url)
    one = new_api(small_site, redis_url=url, **ALWAYS)
    other = new_api(small_site, redis_url=url)
    for first, second, days in ((one, other, 41), (other, one, 42)):
        answer = first.admin().get("/engagement", days=days)
        assert answer.headers["x-cache"] == "miss"
        deadline = time.monotonic() + 300
        # Answers are stored in the background.
        while (found := second.admin().get("/engagement", days=days)).headers["x-cache"] != "hit":
            assert time.monotonic() < deadline
        assert shown(found) == shown(answer)
    assert file_engine.asked == ["engagement_v1"]


# Who may ask


def test_who_may_not_ask_is_refused_before_the_engine_is_asked(
    small_site: Pipeline, new_api: Callable[..., Api], file_engine: FileEngine
) -> None:
    """Roles without access, ids that are not visible, data that are too old for members, and a
    used-up limit of computations are refused as ever, and the engine is asked nothing."""
    api = new_api(small_site, **ALWAYS)
    service = Caller(api.client, api.token(Role.SERVICE, "bot"))
    assert service.get("/engagement").status_code == 403
    assert api.anonymous().get("/engagement").status_code == 401
    assert api.member(ALICE).get("/messages", conversation_id=GARDEN).status_code == 404
    assert api.member(ALICE).get("/messages", user_id_filter=DORA).status_code == 404
    old = new_api(small_site, **ALWAYS, scope_max_age_seconds=1)
    assert old.member(ALICE).get("/engagement").json()["reason"] == "too_old"
    assert file_engine.asked == []


def test_a_computation_of_the_engine_is_charged(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    file_engine: FileEngine,
    stopped_limits: None,
) -> None:
    """The second computation of a subject with a limit of one is 429, and what is cached is not."""
    api = new_api(small_site, **ALWAYS, compute_limit=1)
    assert api.admin().get("/engagement", days=20).status_code == 200
    assert api.admin().get("/engagement", days=21).status_code == 429
    assert api.admin().get("/engagement", days=20).status_code == 200
    assert file_engine.asked == ["engagement_v1"]


# An engine that is absent, hangs, fails or dies


def fail_unavailable(metric: str) -> None:
    """The engine cannot be reached."""
    raise EngineUnavailableError("nobody answers", hint="Start it.")


def fail_absent() -> None:
    """The engine cannot be reached when it is opened."""
    fail_unavailable("")


def test_an_absent_engine_is_503_for_its_questions_alone(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    paths: list[str],
    without_end: None,
) -> None:
    """While the engine cannot be opened, each of its questions is 503 and says so, JSON or CSV; all
    others have their answers, the API is ready, and its health shows the engine away."""
    api = new_api(small_site, **ALWAYS | {"engine_above_days": 30})
    assert api.client.get("/health/ready").json()["engine"] == "ok"
    file_engine.before_opening = fail_absent
    for path in paths:
        for more in cast("tuple[dict[str, Any], ...]", ({}, {"format": "csv"})):
            refused = api.admin().get(path, days=31, **more)
            expected = small_api.admin().get(path, days=31, **more)
            if expected.status_code == 200:
                assert_refused(refused)
            else:  # the messenger lacks a table
                assert shown(refused) == shown(expected)
            assert shown(api.admin().get(path, days=30, **more)) == shown(
                small_api.admin().get(path, days=30, **more)
            )
    # It was tried once; every other question was refused without it.
    assert file_engine.opened == [1]
    ready = api.client.get("/health/ready")
    assert (ready.status_code, ready.json()["engine"]) == (200, "away")
    assert small_api.client.get("/health/ready").json()["engine"] == "off"


def test_what_is_cached_is_answered_without_the_engine(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    file_engine: FileEngine,
    without_end: None,
) -> None:
    """While the engine is away, an answer that it gave before is a hit, and a problem never is."""
    api = new_api(small_site, **ALWAYS)
    answer = api.admin().get("/engagement", days=20)
    file_engine.before = fail_unavailable
    for _ in range(2):
        assert_refused(api.admin().get("/engagement", days=21))
        again = api.admin().get("/engagement", days=20)
        assert (again.content, again.headers["x-cache"]) == (answer.content, "hit")


def test_an_engine_that_hangs_costs_the_timeout_once_and_no_thread_of_others(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    released: threading.Event,
    without_end: None,
) -> None:
    """When more questions hang than the API has threads of either kind, each is 503, the answers of
    the file are given meanwhile, and the next question is refused without being asked."""
    api = new_api(
        small_site,
        **ALWAYS | {"engine_above_days": 30, "engine_timeout_seconds": 5, "engine_threads": 2},
        api_threads=1,
    )
    hanging = threading.Event()

    def hang(metric: str) -> None:
        hanging.set()
        released.wait()

    file_engine.before = hang
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda days: answers.append(api.admin().get("/engagement", days=days)),
            args=(days,),
        )
        for days in range(31, 36)
    ]
    for thread in threads:
        thread.start()
    assert hanging.wait(300)
    local = api.admin().get("/engagement", days=29)
    assert shown(local) == shown(small_api.admin().get("/engagement", days=29))
    for thread in threads:
        thread.join()
    for answer in answers:
        assert_refused(answer)
    asked = list(file_engine.asked)
    assert len(answers) == 5 and len(asked) <= 2
    assert_refused(api.admin().get("/engagement", days=40))
    assert file_engine.asked == asked


def test_after_the_pause_the_engine_is_tried_and_is_back(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    released: threading.Event,
    without_pause: None,
) -> None:
    """A hung engine is tried in a new session, though its threads still hang, and the first answer
    makes it well; nothing of the failures is cached."""
    api = new_api(small_site, **ALWAYS | {"engine_timeout_seconds": 3, "engine_threads": 1})

    def hang(metric: str) -> None:
        released.wait()

    file_engine.before = hang
    for _ in range(2):
        assert_refused(api.admin().get("/engagement", days=20))
    assert api.client.get("/health/ready").json()["engine"] == "away"
    assert file_engine.running == 2
    file_engine.before = at_once
    deadline = time.monotonic() + 300
    # A slow machine may need more than the timeout.
    while (answer := api.admin().get("/engagement", days=20)).status_code != 200:
        assert time.monotonic() < deadline
    assert shown(answer) == shown(small_api.admin().get("/engagement", days=20))
    assert api.client.get("/health/ready").json()["engine"] == "ok"
    assert len(file_engine.opened) >= 3 and file_engine.closed


def test_a_question_that_the_engine_cannot_answer_fails_alone(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    without_end: None,
) -> None:
    """A metric that the engine refuses is 503, and is asked again the next time; the others are
    answered, from the same session."""
    api = new_api(small_site, **ALWAYS)

    def refuse(metric: str) -> None:
        if metric == "engagement_v1":
            raise EngineError("no such function", hint="Another engine has it.")

    file_engine.before = refuse
    for _ in range(2):
        assert_refused(api.admin().get("/engagement"))
        assert_refused(api.admin().get("/dashboard"))
    found = api.admin().get("/top-senders")
    assert shown(found) == shown(small_api.admin().get("/top-senders"))
    assert api.client.get("/health/ready").json()["engine"] == "ok"
    assert (file_engine.asked.count("engagement_v1"), file_engine.opened) == (4, [1])
    file_engine.before = at_once
    assert shown(api.admin().get("/dashboard")) == shown(small_api.admin().get("/dashboard"))


def test_an_engine_that_was_started_again_is_opened_again(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session that is older than a minute and refuses a question is replaced: the engine may have
    lost its tables."""
    monkeypatch.setattr("api.engine_line._OLD_SECONDS", -1.0)
    api = new_api(small_site, **ALWAYS)
    assert api.admin().get("/engagement", days=20).status_code == 200

    def lost(metric: str) -> None:
        if len(file_engine.opened) == 1:
            raise EngineError("table core_fact_messages not found", hint="Prepare it.")

    file_engine.before = lost
    assert_refused(api.admin().get("/engagement", days=21))
    found = api.admin().get("/engagement", days=21)
    assert shown(found) == shown(small_api.admin().get("/engagement", days=21))
    assert (file_engine.opened, file_engine.prepared) == ([1, 1], [1, 1])


def test_a_session_that_the_engine_has_ended_is_opened_again(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    without_end: None,
) -> None:
    """An engine ends a session that nobody asks: all questions that meet this are
    answered in one other session, and the engine is not away."""
    api = new_api(small_site, **ALWAYS | {"engine_threads": 2})
    assert api.admin().get("/engagement", days=20).status_code == 200
    both = threading.Barrier(2)

    def ended(metric: str) -> None:
        if len(file_engine.opened) == 1:
            both.wait(300)
            raise EngineSessionEndedError("the session has ended", hint="Ask again.")

    file_engine.before = ended
    found = api.admin().get("/dashboard", days=21)
    assert shown(found) == shown(small_api.admin().get("/dashboard", days=21))
    assert (file_engine.opened, file_engine.prepared) == ([1, 1], [1, 1])
    assert api.client.get("/health/ready").json()["engine"] == "ok"


def test_an_engine_that_ends_every_session_is_away(
    small_site: Pipeline, new_api: Callable[..., Api], file_engine: FileEngine, without_end: None
) -> None:
    """A question opens one more session, and not a third."""
    api = new_api(small_site, **ALWAYS)

    def ended(metric: str) -> None:
        raise EngineSessionEndedError("the session has ended", hint="Ask again.")

    file_engine.before = ended
    assert_refused(api.admin().get("/engagement"))
    assert file_engine.opened == [1, 1]
    assert api.client.get("/health/ready").json()["engine"] == "away"


@pytest.mark.parametrize(
    "error",
    [EngineUnavailableError("the connection was lost", hint="Start it."), OSError("broken pipe")],
    ids=["unavailable", "defect"],
)
def test_an_engine_that_dies_midway_leaves_no_half_answer(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    without_pause: None,
    error: Exception,
) -> None:
    """If it dies after some metrics of a dashboard, the dashboard is 503 and is not kept; the next
    one is asked in a new session and is whole."""
    api = new_api(small_site, **ALWAYS | {"engine_threads": 1})

    def die(metric: str) -> None:
        if len(file_engine.asked) > 2:
            raise error

    file_engine.before = die
    assert_refused(api.admin().get("/dashboard"))
    assert len(file_engine.asked) == 3 and file_engine.opened == [1]
    file_engine.before = at_once
    found = api.admin().get("/dashboard")
    assert (found.headers["x-cache"], file_engine.opened) == ("bypass", [1, 1])
    assert shown(found) == shown(small_api.admin().get("/dashboard"))


@pytest.mark.parametrize("which", ["own", "earlier"])
def test_a_comparison_without_one_of_its_periods_is_no_answer(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    without_pause: None,
    which: str,
) -> None:
    """With `compare` a failure of either period is 503 for the whole, which is not kept."""
    api = new_api(small_site, **ALWAYS | {"engine_threads": 1})
    fails = {"own": 1, "earlier": 2}[which]

    def fail(metric: str) -> None:
        if len(file_engine.asked) == fails:
            raise EngineError("out of memory", hint="Give it more.")

    file_engine.before = fail
    asked: dict[str, Any] = {"days": 1, "compare": "previous"}
    assert_refused(api.admin().get("/engagement", **asked))
    found = api.admin().get("/engagement", **asked)
    assert found.json()["compared"] is not None
    assert shown(found) == shown(small_api.admin().get("/engagement", **asked))


def test_in_a_batch_the_questions_of_the_engine_fail_alone(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    without_pause: None,
) -> None:
    """While the engine is away, a batch has the answers of the file, and 503 with `retry_after` for
    each question of the engine; it is not kept, and is whole when the engine is back."""
    api = new_api(small_site, **ALWAYS | {"engine_above_days": 30})
    asks = ("/engagement?days=31", "/engagement?days=30", "/timeline?days=40", f"/user/{ALICE}")
    expected = answers_of(ask(small_api.admin(), *asks))
    file_engine.before = fail_unavailable
    for _ in range(2):
        refused = ask(api.admin(), *asks)
        found = answers_of(refused)
        assert [status for status, _ in found] == [503, 200, 503, 200]
        assert (found[1], found[3]) == (expected[1], expected[3])
        assert all(one["retry_after"] >= 1 for one in refused.json()["answers"][::2])
    file_engine.before = at_once
    assert api.admin().get("/engagement", days=50).status_code == 200  # the one that tries
    assert answers_of(ask(api.admin(), *asks)) == expected


def test_a_batch_asks_the_engine_in_turn_and_the_file_meanwhile(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    small_api: Api,
    file_engine: FileEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The questions of a batch that the engine answers wait for one another and not for its
    threads, and those of the file do not wait for them."""
    local = local_metrics(monkeypatch)
    api = new_api(
        small_site, **ALWAYS | {"engine_above_days": 30, "engine_threads": 1}, api_threads=1
    )
    local.clear()
    is_answered = threading.Event()

    def wait(metric: str) -> None:
        deadline = time.monotonic() + 300
        while "top_senders_v1" not in local:  # the last one of the batch
            assert time.monotonic() < deadline
            time.sleep(0.01)
        is_answered.set()

    file_engine.before = wait
    asks = (*(f"/engagement?days={days}" for days in range(31, 41)), "/top-senders?days=9")
    assert answers_of(ask(api.admin(), *asks)) == answers_of(ask(small_api.admin(), *asks))
    assert is_answered.is_set() and file_engine.most == 1 and len(file_engine.asked) == 10


# Generations


def test_tables_are_prepared_once_for_each_generation(
    published: Published, new_api: Callable[..., Api], file_engine: FileEngine
) -> None:
    """Each generation has one session, prepared once; a pinned one has its own, with its own
    numbers; the session of a generation that is neither the serving one nor the one before is
    closed, and no other is."""
    published.publish(BASE)
    api = new_api(published.pipeline, **ALWAYS)
    totals = {}

    def total(pin: int | None = None) -> int:
        answer = api.admin().get("/messages", days=20, generation=pin)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["total_messages"])

    totals[1] = total()
    assert api.admin().get("/timeline").status_code == 200
    assert (file_engine.opened, file_engine.prepared) == ([1], [1])
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    assert api.admin().get("/engagement", generation=1).json()["generation"] == 1
    totals[2] = total()
    assert totals[2] == totals[1] + 1
    assert (file_engine.opened, file_engine.closed) == ([1, 2], [])
    published.publish(BOB_HAS_LEFT)
    wait_for(api, 3)
    wait_until(lambda: file_engine.closed == [1])
    assert total(pin=2) == totals[2]
    assert api.admin().get("/messages", days=19).json()["generation"] == 3
    assert (file_engine.opened, file_engine.closed) == ([1, 2, 3], [1])


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_warm_up_asks_the_engine_nothing(
    published: Published, new_api: Callable[..., Api], file_engine: FileEngine
) -> None:
    """What the engine answered of one generation is not asked again before somebody asks: an engine
    that hangs would hold the next generation up."""
    published.publish(BASE)
    api = new_api(published.pipeline, **ALWAYS)
    assert api.admin().get("/engagement", days=20).status_code == 200
    file_engine.before = fail_unavailable
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    assert (file_engine.asked, file_engine.opened) == (["engagement_v1"], [1])


# The engine alone


def an_engine(open_session: Any, **changes: Any) -> Engine:
    """An engine with a timeout that no test reaches by accident."""
    given: dict[str, Any] = {"engine_url": Hidden("sail"), "engine_timeout_seconds": 600}
    return Engine(open_session, Settings(**given | changes))


def a_generation(number: int = 1) -> Generation:
    """As much of a generation as the engine reads."""
    return cast("Generation", SimpleNamespace(number=number, prefix=f"g{number}:"))


class Sessions:
    """Sessions whose questions wait until `release` is set, or until `close`."""

    def __init__(self, *, ends_at_close: bool = True) -> None:
        self.release = threading.Event()
        self.begun = threading.Semaphore(0)
        self.closed = threading.Event()
        self.running = 0
        self._ends_at_close = ends_at_close

    def __call__(self, generation: Generation) -> Sessions:
        return self

    def prepare(self) -> None:
        pass

    def ask(self, metric: str, parameters: Any) -> Rows:
        self.running += 1
        self.begun.release()
        if metric != "fast":
            self.release.wait()
        self.running -= 1
        if self.closed.is_set():
            raise EngineUnavailableError("the session is closed", hint="")
        return [{"metric": metric}]

    def close(self) -> None:
        self.closed.set()
        if self._ends_at_close:
            self.release.set()


async def begun(sessions: Sessions, number: int) -> None:
    """Wait until so many questions have begun."""
    for _ in range(number):
        await asyncio.to_thread(sessions.begun.acquire)


def test_at_most_so_many_questions_run_and_wait() -> None:
    """Of more questions than may run and wait, ENGINE_THREADS run, the others wait, and one more is
    refused at once."""
    sessions = Sessions()

    async def play() -> None:
        engine = an_engine(sessions, engine_threads=2)
        most = 2 * (1 + engine_module._WAITING_PER_THREAD)
        asked = [asyncio.create_task(engine.ask(a_generation(), f"m{n}", {})) for n in range(most)]
        await begun(sessions, 2)
        await asyncio.sleep(0)
        assert sessions.running == 2
        with pytest.raises(Problem, match="too many of them"):
            await engine.ask(a_generation(), "one more", {})
        sessions.release.set()
        assert await asyncio.gather(*asked) == [[{"metric": f"m{n}"}] for n in range(most)]
        await engine.stop()

    asyncio.run(play())


def test_a_question_that_is_merely_slow_does_not_make_the_engine_away() -> None:
    """If another question was answered while one had its time, only that one is 503; if none was,
    the engine is away, and what still runs is ended."""
    sessions = Sessions()

    async def play() -> None:
        engine = an_engine(sessions, engine_timeout_seconds=1.0, engine_threads=2)
        slow = asyncio.create_task(engine.ask(a_generation(), "slow", {}))
        await begun(sessions, 1)
        assert await engine.ask(a_generation(), "fast", {}) == [{"metric": "fast"}]
        with pytest.raises(Problem, match="within 1 seconds"):
            await slow
        assert (engine.state, sessions.closed.is_set()) == (EngineState.OK, False)
        with pytest.raises(Problem, match="within 1 seconds"):
            await engine.ask(a_generation(), "slow", {})
        assert engine.state is EngineState.AWAY
        assert await asyncio.to_thread(sessions.closed.wait, 300)
        await engine.stop()

    asyncio.run(play())


def test_the_pause_grows_and_one_question_tries() -> None:
    """While the engine is away, one question tries after each pause and the others are refused; the
    pause doubles from 5 seconds to a minute, and begins at 5 again after a success."""
    now, fails, pauses = [0.0], [True], []
    sessions = Sessions()

    def open_session(generation: Generation) -> Sessions:
        if fails[0]:
            fail_absent()
        return sessions

    async def play() -> None:
        settings = Settings(engine_url=Hidden("sail"), engine_timeout_seconds=600)
        engine = Engine(open_session, settings, clock=lambda: now[0])

        async def refusal() -> int:
            with pytest.raises(Problem, match="not available") as caught:
                await engine.ask(a_generation(), "any", {})
            return int((caught.value.headers or {})["Retry-After"])

        for _ in range(6):
            pauses.append(await refusal())
            now[0] += pauses[-1] - 1
            assert await refusal() == 1
            now[0] += 1
        fails[0] = False
        tries = asyncio.create_task(engine.ask(a_generation(), "slow", {}))
        await begun(sessions, 1)
        assert await refusal() == 1
        sessions.release.set()
        assert await tries == [{"metric": "slow"}]
        assert engine.state is EngineState.OK
        fails[0] = True
        engine.keep_only(())
        assert await refusal() == 5
        await engine.stop()

    asyncio.run(play())
    assert pauses == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize("ends_at_close", [True, False])
def test_a_stop_ends_what_runs(ends_at_close: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server stops, the session is closed, each question that runs or waits is 503 at
    once, also if the engine does not let its thread go, and no other is asked."""
    sessions = Sessions(ends_at_close=ends_at_close)

    async def play() -> None:
        engine = an_engine(sessions, engine_threads=1)
        asked = [asyncio.create_task(engine.ask(a_generation(), f"{n}", {})) for n in range(3)]
        await begun(sessions, 1)
        engine.close()
        for one in asked:
            with pytest.raises(Problem, match="not available"):
                await one
        await engine.stop()
        assert sessions.closed.is_set()
        with pytest.raises(Problem, match="the server stops"):
            await engine.ask(a_generation(), "another", {})
        assert engine.state is EngineState.OK  # it did not fail

    asyncio.run(play())
    sessions.release.set()


@pytest.mark.slow
def test_a_server_that_stops_does_not_wait_for_the_engine(
    small_site: Pipeline, tmp_path: Path
) -> None:
    """At SIGTERM a request that waits for an engine that hangs for ever gets its 503, and the
    process ends in order."""
    with server(
        small_site.layout.root,
        tmp_path / "log",
        program="tests.api.engine_app",
        HELD_DIR=str(tmp_path),
        ENGINE_URL="sail",
        ENGINE_ABOVE_DAYS="30",
        ENGINE_TIMEOUT_SECONDS="3600",
        API_DIR=str(tmp_path),
        STATE_DIR=str(tmp_path),
    ) as running:
        headers = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}"}
        url = f"{running.url}{PREFIX}/engagement"
        answers: list[httpx.Response] = []

        def wait() -> None:
            answers.append(httpx.get(url, params={"days": 31}, headers=headers, timeout=300))

        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until((tmp_path / "started").exists)
        assert httpx.get(url, params={"days": 30}, headers=headers).status_code == 200
        assert running.stop() == 0
        waiting.join()
        assert_refused(answers[0])
        log = running.log.read_text()
        assert "timeout graceful shutdown exceeded" not in log and "Traceback" not in log


def test_an_old_session_is_closed_when_its_last_question_ends() -> None:
    """A question about a generation that goes is answered, and its session is closed after that."""
    sessions = Sessions()

    async def play() -> None:
        engine = an_engine(sessions)
        asked = asyncio.create_task(engine.ask(a_generation(1), "slow", {}))
        await begun(sessions, 1)
        engine.keep_only(("g2:", "g3:"))
        assert not sessions.closed.is_set()
        sessions.release.set()
        assert await asked == [{"metric": "slow"}]
        assert await asyncio.to_thread(sessions.closed.wait, 300)
        await engine.stop()

    asyncio.run(play())


class Idle:
    """A session that the engine may have ended."""

    def __init__(self) -> None:
        self.has_ended = False
        self.is_closed = False

    def prepare(self) -> None:
        pass

    def ask(self, metric: str, parameters: Any) -> Rows:
        if self.has_ended:
            raise EngineSessionEndedError("the session has ended", hint="Ask again.")
        return [{"metric": metric}]

    def close(self) -> None:
        self.is_closed = True


def test_sessions_that_the_engine_has_ended_are_closed() -> None:
    """One at the next that ends, because a question may still read its rows; the last at a stop."""
    every: list[Idle] = []

    def open_session(generation: Generation) -> Idle:
        every.append(Idle())
        return every[-1]

    async def play() -> None:
        engine = an_engine(open_session)
        for closed in ([False], [False, False], [True, False, False]):
            assert await engine.ask(a_generation(), "fast", {}) == [{"metric": "fast"}]
            assert [one.is_closed for one in every] == closed
            every[-1].has_ended = True
        await engine.stop()
        assert [one.is_closed for one in every] == [True, True, True]

    asyncio.run(play())


def test_threads_that_an_engine_never_lets_go_are_bounded(without_pause: None) -> None:
    """An engine that keeps every thread, in closed sessions too, gets no more than eight times
    ENGINE_THREADS of them."""
    every: list[Sessions] = []

    def open_session(generation: Generation) -> Sessions:
        every.append(Sessions(ends_at_close=False))
        return every[-1]

    earlier = set(threading.enumerate())

    def threads() -> int:
        return sum(one.name == "engine" for one in set(threading.enumerate()) - earlier)

    async def play() -> None:
        engine = an_engine(open_session, engine_threads=1, engine_timeout_seconds=0.02)
        found = []
        for _ in range(3 * engine_module._STUCK_PER_THREAD):
            with pytest.raises(Problem):
                await engine.ask(a_generation(), "slow", {})
            found.append(threads())
        assert max(found) == engine_module._STUCK_PER_THREAD
        assert engine.state is EngineState.AWAY
        await engine.stop()

    asyncio.run(play())
    for sessions in every:
        sessions.release.set()


def test_questions_are_counted_by_how_they_ended(without_pause: None) -> None:
    """Prometheus has the questions by outcome, and the time of each metric."""
    sessions = Sessions()
    sessions.release.set()

    def count(outcome: str) -> float:
        name = "analytics_engine_questions_total"
        return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0

    before = {one: count(one) for one in engine_module.Outcome}

    async def play() -> None:
        engine = an_engine(sessions)
        await engine.ask(a_generation(), "fast", {})
        sessions.closed.set()
        with pytest.raises(Problem):
            await engine.ask(a_generation(), "fast", {})
        await engine.stop()
        with pytest.raises(Problem):
            await engine.ask(a_generation(), "fast", {})

    asyncio.run(play())
    added = {str(one): count(one) - before[one] for one in before}
    assert added == {"answered": 1, "failed": 0, "slow": 0, "unavailable": 1, "refused": 1}
    seconds = REGISTRY.get_sample_value(
        "analytics_engine_duration_seconds_count", {"metric": "fast"}
    )
    assert seconds is not None and seconds >= 2


# The settings


def test_an_engine_without_its_packages_refuses_to_start(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ENGINE_URL and without the extra `engine` the API does not start, and the hint says how
    it is installed; without ENGINE_URL it starts."""
    monkeypatch.setattr(engine_session, "find_spec", lambda name: None)
    for url in ("sail", "sc://127.0.0.1:1"):
        with pytest.raises(SettingsError, match="ENGINE_URL needs the package pyspark") as caught:
            new_api(small_site, engine_url=Hidden(url))
        assert "engine" in caught.value.hint and "Or unset ENGINE_URL." in caught.value.hint
    new_api(small_site)


@pytest.mark.parametrize("url", ["spark", "http://host:15002/;token=s3cr-et", "sc://", "sails"])
def test_a_wrong_url_is_refused_and_not_shown(
    small_site: Pipeline, new_api: Callable[..., Api], url: str
) -> None:
    """What is neither `sail` nor `sc://…` is an error at the start that does not show the value,
    which may have a token."""
    with pytest.raises(SettingsError, match="ENGINE_URL names no engine") as caught:
        new_api(small_site, engine_url=Hidden(url))
    assert "s3cr-et" not in f"{caught.value.message} {caught.value.hint}"
