"""Rate limits: no more than so many in any minute, told in headers, shared between processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from itertools import count

import pytest
import structlog
from litestar import Litestar, get
from litestar.exceptions import TooManyRequestsException
from litestar.testing import TestClient

from api import limits as limits_module
from api.auth import AuthenticationMiddleware, Verifier
from api.limits import LimitMiddleware, Limits, RateLimit
from olap.settings import Hidden, Secret, Settings
from tests.tokens import SECRET, Signer

NOON = 1_800_000_000.0 // 60 * 60


def a_limit(amount: int) -> RateLimit:
    """So many a minute."""
    return RateLimit("requests", amount)


def attempt(limit: RateLimit, subject: str, now: float) -> bool:
    """Whether one more was allowed."""
    try:
        limit.charge(subject, now)
    except TooManyRequestsException:
        return False
    return True


def test_so_many_and_no_more() -> None:
    """The limit's number of charges is allowed, the next is 429, and another subject is not hit."""
    limit = a_limit(600)
    assert [limit.charge("7", NOON).remaining for _ in range(600)] == list(range(599, -1, -1))
    for _ in range(3):
        with pytest.raises(TooManyRequestsException) as caught:
            limit.charge("7", NOON)
    assert caught.value.status_code == 429
    assert caught.value.headers is not None
    assert caught.value.headers["ratelimit-remaining"] == "0"
    assert "600 requests a minute" in caught.value.detail
    assert attempt(limit, "8", NOON)


def test_there_is_no_burst_around_a_full_minute() -> None:
    """A full load at the end of one minute leaves nothing for the start of the next."""
    limit = a_limit(100)
    assert sum(attempt(limit, "7", NOON + 59) for _ in range(200)) == 100
    assert sum(attempt(limit, "7", NOON + 60) for _ in range(200)) == 0
    assert sum(attempt(limit, "7", NOON + 90) for _ in range(200)) == 50
    assert sum(attempt(limit, "7", NOON + 300) for _ in range(200)) == 100


def test_what_is_refused_is_not_counted() -> None:
    """Who knocks ten times as often as allowed gets the rate that is allowed."""
    limit = a_limit(60)
    allowed = sum(attempt(limit, "7", NOON + tick / 10) for tick in range(10 * 60 * 10))
    assert 570 <= allowed <= 660


@pytest.mark.parametrize("seed", range(20))
def test_retry_after_is_when_it_goes_on(seed: int) -> None:
    """After the seconds of `Retry-After` one more is allowed, and not two seconds earlier."""
    draw = random.Random(seed)
    limit, now = a_limit(draw.choice([1, 2, 10, 60])), NOON + draw.uniform(0, 60)
    for _ in range(500):
        now += draw.choice([0, 0, 0, 0.1, draw.expovariate(0.05)])
        try:
            limit.charge("7", now)
        except TooManyRequestsException as refused:
            assert refused.headers is not None
            wait = int(refused.headers["Retry-After"])
            assert wait <= 2 * 60
            if wait > 2:
                assert not attempt(limit, "7", now + wait - 2)
            now += wait
            assert attempt(limit, "7", now)


def test_forgotten_when_idle() -> None:
    """Subjects that have not come for two minutes take no memory."""
    limit = a_limit(10)
    for number in range(1000):
        limit.charge(str(number), NOON)
    limit.charge("7", NOON + 120)
    limit._forget(int((NOON + 120) // 60) - 1)
    assert list(limit._counts) == ["7"]


_prefixes = count()


@pytest.fixture
def redis_url(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    """A Redis with counters of this test's own, looked at a hundred times a second."""
    monkeypatch.setattr(limits_module, "_KEY_PREFIX", f"test:limits:{next(_prefixes)}")
    monkeypatch.setattr(limits_module, "_SHARE_SECONDS", 0.01)
    monkeypatch.setattr(limits_module, "_AWAY_SECONDS", 0.01)
    yield Secret(valkey_url)


async def _learned(process: Limits, others: int) -> None:
    """Wait until this process knows that the others have counted so many."""
    async with asyncio.timeout(30):
        while process._requests._counts["7"].others != others:
            await asyncio.sleep(0.01)


def test_processes_share(redis_url: Secret) -> None:
    """What one process allowed, the other counts too, in this minute and the next."""
    now = NOON
    first, second = (Limits(100, 100, clock=lambda: now) for _ in range(2))

    def allowed(limits: Limits, wanted: int) -> int:
        return sum(attempt(limits._requests, "7", now) for _ in range(wanted))

    async def scenario() -> None:
        nonlocal now
        async with first.shared(redis_url), second.shared(redis_url):
            assert (allowed(first, 60), allowed(second, 10)) == (60, 10)
            # Whichever told Redis first has nothing to tell when it learns of the other.
            await _learned(first, 10)
            await _learned(second, 60)
            assert allowed(second, 100) == 30
            await _learned(first, 40)
            assert allowed(first, 100) == 0
            now += 90
            assert allowed(second, 100) == 50

    asyncio.run(scenario())


def test_without_redis_each_process_counts(redis_url: Secret) -> None:
    """A Redis that is not there changes no answer, and is said once."""
    limits = Limits(100, 100, clock=lambda: NOON)

    async def scenario() -> None:
        async with limits.shared(Secret("redis://127.0.0.1:1/0")):
            for _ in range(20):
                limits.charge_request("7")
                await asyncio.sleep(0.02)

    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    assert [line["event"] for line in lines] == ["rate limits are counted by process"]
    assert limits.charge_request("7").remaining == 79
    assert sum(attempt(limits._requests, "7", NOON) for _ in range(200)) == 79


@get("/")
async def hello() -> str:
    """Anything."""
    return "hello"


def test_the_middleware_tells() -> None:
    """Every answer says how the asker stands, and the one too many is 429 with `Retry-After`."""
    verifier = Verifier.from_settings(Settings(jwt_secret=Hidden(SECRET)))
    limits = Limits(3, 60, clock=lambda: NOON + 15)
    middleware = [AuthenticationMiddleware(verifier), LimitMiddleware(limits)]
    headers = {"Authorization": Signer.new("HS256").bearer()}
    with TestClient(Litestar([hello], middleware=middleware)) as client:
        answers = [client.get("/", headers=headers) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
        assert [answer.headers["RateLimit-Reset"] for answer in answers[:3]] == ["45"] * 3
        assert 45 < int(answers[3].headers["Retry-After"]) <= 105
        assert client.get("/").status_code == 401


def test_computations_have_a_limit_of_their_own() -> None:
    """Computations are counted apart from requests."""
    limits = Limits(1, 2, clock=lambda: NOON)
    limits.charge_request("7")
    limits.charge_computation("7")
    limits.charge_computation("7")
    with pytest.raises(TooManyRequestsException, match="2 computations a minute"):
        limits.charge_computation("7")
