"""`GET /batch`: many questions in one request, each with the bytes that it has on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from api import batch as batch_module
from api.auth import Role
from api.cache import Entry
from api.edge import BATCH_QUERY_BYTES_MAX, QUERY_BYTES_MAX
from api.executor import Executor
from api.parameters import ASKS_MAX
from api.problems import unavailable
from api.query import BoundQuery
from api.service import AnalyticsService
from olap.errors import GenerationUnreadableError
from olap.reader import Rows
from olap.settings import Settings
from tests.api.fix_api import Api, Caller
from tests.api.small_messenger import ALICE, DORA, GARDEN, UNKNOWN_USER
from tests.fix_pipeline import Pipeline


class _RawAnswer(msgspec.Struct):
    status: int
    body: msgspec.Raw
    retry_after: int | None = None


class _RawBatch(msgspec.Struct):
    generation: int
    data_through: str
    answers: list[_RawAnswer]


def ask(
    caller: Caller, *asks: str, headers: dict[str, str] | None = None, generation: int | None = None
) -> httpx.Response:
    """A batch of these asks."""
    query = "&".join(f"ask={quote(one, safe='/')}" for one in asks)
    pin = "" if generation is None else f"&generation={generation}"
    return caller.get(f"/batch?{query}{pin}", headers)


def answers_of(response: httpx.Response) -> list[tuple[int, bytes]]:
    """The status and the bytes of each answer."""
    assert response.status_code == 200, response.text
    found = msgspec.json.decode(response.content, type=_RawBatch)
    return [(one.status, bytes(one.body)) for one in found.answers]


def alone(caller: Caller, request: str) -> tuple[int, bytes]:
    """The same request on its own."""
    answer = caller.get(request)
    return answer.status_code, answer.content


# Answers, what is not there, and what cannot be used: each as its own request.
ASKS = [
    "/dashboard",
    "/timeline?days=30&interval=weekly&tz=Europe/Berlin",
    "/timeline?start=2026-11-01T08:00:00%2B01:00&interval=hourly",
    "/top-senders?limit=1&ids=text",
    f"/conversation/{GARDEN}",
    f"/user/{ALICE}?days=7",
    f"/user/{UNKNOWN_USER}",
    f"/user/{ALICE}/unread",
    "/user/no-number",
    "/user/%C3%A4%2F%25",
    "/engagement?days=0",
    "/engagement?days=91",
    "/engagement?nonsense=1",
    "/engagement?days=1&days=2",
    "/engagement?tz=Nowhere",
    "/engagement?tz=%ff",
    "/messages?start=9000-01-01",
    "/nothing/here",
    "/health/ready",
    "/",
    "",
    "timeline",
    "//engagement//",
]


def test_each_answer_is_that_of_its_own_request(small_api: Api) -> None:
    """Status and bytes are those of single requests, in the order of the asks, for every viewer,
    whether the batch or the single requests come first."""
    for caller in (small_api.admin(), small_api.member(ALICE), small_api.member(DORA)):
        found = answers_of(ask(caller, *ASKS))
        for one, answer in zip(ASKS, found, strict=True):
            if one.startswith("/"):
                assert answer == alone(caller, one), one
        assert found[ASKS.index("")][0] == found[ASKS.index("timeline")][0] == 404
        assert answers_of(ask(caller, *reversed(ASKS))) == found[::-1]
        assert {status for status, _ in found} == {200, 400, 404}


def test_what_a_batch_does_not_answer_is_404(small_api: Api) -> None:
    """Another batch, events, and what is outside of the endpoints are unknown paths."""
    paths = ("/batch?ask=/engagement", "/events", "/events/recent", "/../../../health/live")
    assert {status for status, _ in answers_of(ask(small_api.admin(), *paths))} == {404}


@pytest.mark.parametrize(
    ("request_", "parameter"),
    [("/engagement?generation=1", "generation"), ("/engagement?format=csv", "format")],
)
def test_what_belongs_to_the_batch_is_400_in_an_ask(
    small_api: Api, request_: str, parameter: str
) -> None:
    """An ask cannot pin a generation of its own, and the batch has no CSV; `format=json` is no
    other question."""
    admin = small_api.admin()
    refused, same, plain = answers_of(
        ask(admin, request_, "/engagement?format=json", "/engagement")
    )
    assert refused[0] == 400
    assert msgspec.json.decode(refused[1])["parameter"] == parameter
    assert same == plain and plain[0] == 200
    accepts_csv = ask(admin, "/engagement", headers={"Accept": "text/csv"})
    assert answers_of(accepts_csv) == [plain]
    assert accepts_csv.headers["content-type"] == "application/json"


def test_the_parameters_of_a_batch(small_api: Api) -> None:
    """One to 32 asks, and nothing besides but a generation; roles and tokens as everywhere."""
    admin = small_api.admin()
    for query, parameter in (
        ("", "ask"),
        ("&".join(["ask=/engagement"] * (ASKS_MAX + 1)), "ask"),
        ("ask=/engagement&days=3", "days"),
        ("ask=/engagement&generation=1&generation=1", "generation"),
        ("ask=/engagement&generation=null", "generation"),
    ):
        refused = admin.get(f"/batch?{query}")
        assert (refused.status_code, refused.json()["parameter"]) == (400, parameter)
    assert len(answers_of(ask(admin, *["/engagement"] * ASKS_MAX))) == ASKS_MAX
    service = Caller(small_api.client, small_api.token(Role.SERVICE, "bot"))
    assert ask(service, "/engagement").status_code == 403
    assert ask(small_api.anonymous(), "/engagement").status_code == 401


def test_a_batch_may_be_long(small_api: Api) -> None:
    """Its query string has up to 8,000 bytes; an ask whose own is too long for its request is 414,
    and the others are answered."""
    admin = small_api.admin()
    whole = "ask=/engagement&ask="
    fitting = whole + "x" * (BATCH_QUERY_BYTES_MAX - len(whole))
    assert [status for status, _ in answers_of(admin.get(f"/batch?{fitting}"))] == [200, 404]
    assert admin.get(f"/batch?{fitting}x").status_code == 414
    assert admin.get(f"/engagement?{fitting}").status_code == 414
    too_long = "/engagement?tz=" + "x" * (QUERY_BYTES_MAX - 2)
    first, second = answers_of(ask(admin, too_long, "/engagement"))
    assert first == alone(admin, too_long) and first[0] == 414
    assert second[0] == 200


def test_a_batch_and_single_requests_share_their_answers(
    small_site: Pipeline, new_api: Callable[..., Api]
) -> None:
    """What a batch has computed is a hit for the single request, and the other way round; a batch
    is a hit if all its answers are."""
    admin = new_api(small_site).admin()
    first = ask(admin, "/engagement?days=11", "/engagement?days=12")
    assert first.headers["x-cache"] == "bypass"
    for days in (11, 12):
        assert admin.get(f"/engagement?days={days}").headers["x-cache"] == "hit"
    admin.get("/engagement?days=13")
    assert ask(admin, "/engagement?days=13", "/engagement?days=11").headers["x-cache"] == "hit"
    mixed = ask(admin, "/engagement?days=13", "/engagement?days=14")
    assert mixed.headers["x-cache"] == "bypass"


def test_equal_asks_are_computed_once(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asks that mean the same, however they are written, are one computation and one answer."""
    computed = watched(monkeypatch, lambda bound: None)
    admin = new_api(small_site).admin()
    computed.clear()
    asks = ("/timeline?days=9&interval=weekly", "/timeline?interval=weekly&days=9&tz=UTC")
    found = answers_of(ask(admin, *asks, "/timeline?days=9&interval=weekly&format=json"))
    assert len(computed) == 1
    assert len(set(found)) == 1 and found[0][0] == 200


def watched(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[BoundQuery[Any]], object]
) -> list[str]:
    """The paths of the answers that are computed from now on; `before` each, this is called."""
    compute = AnalyticsService._compute
    computed: list[str] = []

    async def noted(self: AnalyticsService, bound: BoundQuery[Any]) -> Entry:
        before(bound)
        computed.append(bound.query.endpoint.path)
        return await compute(self, bound)

    monkeypatch.setattr(AnalyticsService, "_compute", noted)
    return computed


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        (unavailable("This took too long.", retry_after=5), 503, 5),
        (GenerationUnreadableError("the file is gone", hint="Look for it."), 503, 5),
        (KeyError("a defect"), 500, None),
    ],
    ids=["slow", "unreadable", "defect"],
)
def test_one_failure_spoils_no_other(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    after: int | None,
) -> None:
    """An ask that cannot be answered has its problem in its place, as its own request has, with
    `retry_after`; the others have their answers, and it is asked again the next time."""
    answering = Executor.ask
    is_broken = True

    async def broken(self: Executor, generation: Any, metric: str, parameters: Any) -> Rows:
        if is_broken and metric == "engagement_v1" and parameters["visible_to"] == ALICE:
            raise error
        return await answering(self, generation, metric, parameters)

    monkeypatch.setattr(Executor, "ask", broken)
    alice = new_api(small_site).member(ALICE)
    asks = ("/messages", "/engagement", "/top-senders")
    response = ask(alice, *asks)
    expected = [alone(alice, one) for one in asks]
    assert answers_of(response) == expected
    assert [one for one, _ in expected] == [200, status, 200]
    failed = response.json()["answers"][1]
    assert (failed.get("retry_after"), failed["body"]["status"]) == (after, status)
    assert "retry_after" not in response.json()["answers"][0]
    is_broken = False
    assert {one for one, _ in answers_of(ask(alice, *asks))} == {200}


def test_computations_are_limited_within_a_batch(
    small_site: Pipeline, new_api: Callable[..., Api], stopped_limits: None
) -> None:
    """Each computed answer counts as one computation: beyond the limit the asks that are left are
    429 with the seconds to wait, and what is cached is answered."""
    api = new_api(small_site, compute_limit=3)
    one = api.admin("one")
    asks = [f"/engagement?days={days}" for days in range(21, 26)]
    for _ in range(2):
        found = ask(one, *asks).json()["answers"]
        assert [answer["status"] for answer in found] == [200, 200, 200, 429, 429]
        assert all(answer["retry_after"] >= 1 for answer in found[3:])
    assert {status for status, _ in answers_of(ask(api.admin("two"), *asks))} == {200}
    assert {status for status, _ in answers_of(ask(one, *asks))} == {200}


VIEW = 22  # the answers of a page
_WAIT_SECONDS = 300.0  # reached only if nothing happens


def test_ten_fresh_views_of_a_page_pass_in_a_minute_and_an_abuser_is_bounded(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    monkeypatch: pytest.MonkeyPatch,
    stopped_limits: None,
) -> None:
    """With the limits that operators start with, ten views of 22 new answers are computed in one
    minute; who goes on gets no more computed answers than the limit says, whether they are asked
    for alone or in batches, and no more batches than requests."""

    async def computed(_: AnalyticsService, bound: BoundQuery[Any]) -> Entry:
        return Entry.of(bound.key, 200, "application/json", b"{}")

    defaults = Settings()
    api = new_api(small_site, compute_limit=defaults.compute_limit, rate_limit=defaults.rate_limit)
    monkeypatch.setattr(AnalyticsService, "_compute", computed)
    caller, minutes = api.admin("one"), iter(range(10_000))

    def fresh(number: int) -> list[str]:
        starts = (f"2026-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"
                  for minute in minutes)  # fmt: skip
        return [f"/messages?start={next(starts)}" for _ in range(number)]

    for _ in range(10):
        assert [status for status, _ in answers_of(ask(caller, *fresh(VIEW)))] == [200] * VIEW
    statuses = [
        status for _ in range(20) for status, _ in answers_of(ask(caller, *fresh(ASKS_MAX)))
    ]
    assert 10 * VIEW + statuses.count(200) == defaults.compute_limit
    assert statuses.count(429) == len(statuses) - statuses.count(200)
    assert caller.get(fresh(1)[0]).status_code == 429
    last = ask(caller, *fresh(ASKS_MAX))
    assert int(last.headers["ratelimit-remaining"]) == defaults.rate_limit - 32
    answered = sum(ask(caller, "/messages").status_code == 200 for _ in range(defaults.rate_limit))
    assert answered == defaults.rate_limit - 32


def test_answers_are_computed_at_the_same_time_and_within_bounds(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two threads for queries, two answers of a batch are computed at a time, and a third one
    waits for its turn, outside of the time limit of a query."""
    api = new_api(small_site, api_threads=2)
    running: list[int] = []
    now, both = 0, asyncio.Event()

    async def computed(_: AnalyticsService, bound: BoundQuery[Any]) -> Entry:
        nonlocal now
        now += 1
        running.append(now)
        if now == 2:
            both.set()
        async with asyncio.timeout(_WAIT_SECONDS):
            await both.wait()
        await asyncio.sleep(0)
        now -= 1
        return Entry.of(bound.key, 200, "application/json", b"{}")

    monkeypatch.setattr(AnalyticsService, "_compute", computed)
    found = answers_of(ask(api.admin(), *(f"/messages?days={days}" for days in range(1, 10))))
    assert found == [(200, b"{}")] * 9
    assert max(running) == 2 and len(running) == 9


def test_a_batch_that_was_asked_before_is_not_read_again(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two equal batches is answered from memory as a whole, also where it pins the
    generation that serves, with the same bytes and tag; the tag of a coding is another one."""
    admin = new_api(small_site).admin()
    first = ask(admin, "/dashboard", "/timeline", "/top-senders")
    pinned = ask(admin, "/dashboard", "/timeline", "/top-senders", generation=1)

    async def unread(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(batch_module, "_read", unread)
    again = ask(admin, "/dashboard", "/timeline", "/top-senders")
    assert again.content == first.content == pinned.content
    assert again.headers["etag"] == first.headers["etag"] == pinned.headers["etag"]
    assert (again.headers["x-cache"], pinned.headers["x-cache"]) == ("hit", "hit")
    for pin in (None, 1):
        same = ask(
            admin, "/dashboard", "/timeline", "/top-senders",
            headers={"If-None-Match": first.headers["etag"]}, generation=pin,
        )  # fmt: skip
        assert (same.status_code, same.content) == (HTTPStatus.NOT_MODIFIED, b"")
    plain = ask(
        admin, "/dashboard", "/timeline", "/top-senders", headers={"Accept-Encoding": "identity"}
    )
    assert plain.content == first.content
    assert "content-encoding" in first.headers and "content-encoding" not in plain.headers
    assert plain.headers["etag"] != first.headers["etag"]


def test_the_order_of_asks_is_another_batch(small_api: Api) -> None:
    """Batches of the same asks in another order, or of some of them, have bytes of their own."""
    admin = small_api.admin()
    found = [
        ask(admin, *asks)
        for asks in (
            ("/messages", "/engagement"),
            ("/engagement", "/messages"),
            ("/messages",),
            ("/messages", "/messages"),
        )
    ]
    assert len({one.headers["etag"] for one in found}) == 4
    assert [len(one.json()["answers"]) for one in found] == [2, 2, 1, 2]
