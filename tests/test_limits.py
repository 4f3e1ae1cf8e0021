"""Rate limits: a maximum in any minute, shown in headers and shared between processes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import structlog
from litestar import Litestar, get
from litestar.exceptions import TooManyRequestsException
from litestar.testing import TestClient
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api import limits as limits_module
from api.auth import AuthenticationMiddleware, Verifier
from api.limits import LimitMiddleware, Limits, RateLimit
from olap.settings import Hidden, Secret, Settings
from tests.tokens import SECRET, Signer

NOON = 1_800_000_000.0 // 60 * 60


def a_limit(amount: int) -> RateLimit:
    """A limit per minute."""
    return RateLimit("requests", amount)


def attempt(limit: RateLimit, subject: str, now: float) -> bool:
    """Whether one more charge was allowed."""
    try:
        limit.charge(subject, now)
    except TooManyRequestsException:
        return False
    return True


def test_the_limit_is_reached_and_not_exceeded() -> None:
    """As many charges as the limit are allowed, the next returns 429, and other subjects are not
    affected."""
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
    """After a full load at the end of a minute nothing is allowed at the start of the next."""
    limit = a_limit(100)
    assert sum(attempt(limit, "7", NOON + 59) for _ in range(200)) == 100
    assert sum(attempt(limit, "7", NOON + 60) for _ in range(200)) == 0
    assert sum(attempt(limit, "7", NOON + 90) for _ in range(200)) == 50
    assert sum(attempt(limit, "7", NOON + 300) for _ in range(200)) == 100


def test_refused_requests_are_not_counted() -> None:
    """A client that sends ten times as many requests as allowed gets the allowed rate."""
    limit = a_limit(60)
    allowed = sum(attempt(limit, "7", NOON + tick / 10) for tick in range(10 * 60 * 10))
    assert 570 <= allowed <= 660


@pytest.mark.parametrize("seed", range(20))
def test_retry_after_is_when_the_next_request_is_allowed(seed: int) -> None:
    """After `Retry-After` seconds one more charge is allowed, and not two seconds earlier."""
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


def test_idle_subjects_are_dropped() -> None:
    """Subjects without a request for two minutes use no memory."""
    limit = a_limit(10)
    for number in range(1000):
        limit.charge(str(number), NOON)
    limit.charge("7", NOON + 120)
    limit._forget(int((NOON + 120) // 60) - 1)
    assert list(limit._counts) == ["7"]


_prefixes = count()


@pytest.fixture
def redis_url(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    """A Redis with counters of this test, read a hundred times a second."""
    monkeypatch.setattr(limits_module, "_KEY_PREFIX", f"test:limits:{next(_prefixes)}")
    monkeypatch.setattr(limits_module, "_SHARE_SECONDS", 0.01)
    monkeypatch.setattr(limits_module, "_AWAY_SECONDS", 0.01)
    yield Secret(valkey_url)


async def _learned(process: Limits, others: int) -> None:
    """Wait until this process has read so many charges of the others."""
    async with asyncio.timeout(300):
        while process._requests._counts["7"].others != others:
            await asyncio.sleep(0.01)


def test_processes_share(redis_url: Secret) -> None:
    """Charges in one process count in the other, in this minute and the next."""
    now = NOON
    first, second = (Limits(100, 100, clock=lambda: now) for _ in range(2))

    def allowed(limits: Limits, wanted: int) -> int:
        return sum(attempt(limits._requests, "7", now) for _ in range(wanted))

    async def scenario() -> None:
        nonlocal now
        async with first.shared(redis_url), second.shared(redis_url):
            assert (allowed(first, 60), allowed(second, 10)) == (60, 10)
            # The process that wrote to Redis first reads the charges of the other later.
            await _learned(first, 10)
            await _learned(second, 60)
            assert allowed(second, 100) == 30
            await _learned(first, 40)
            assert allowed(first, 100) == 0
            now += 90
            assert allowed(second, 100) == 50

    asyncio.run(scenario())


def test_without_redis_each_process_counts(
    redis_url: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis each process counts by itself, and one log line says so."""
    limits = Limits(100, 100, clock=lambda: NOON)
    failed = 0
    share = RateLimit.share

    async def counted(self: RateLimit, redis: Redis, now: float) -> None:
        nonlocal failed
        try:
            await share(self, redis, now)
        except RedisError:
            failed += 1
            raise

    async def scenario() -> None:
        async with limits.shared(Secret("redis://127.0.0.1:1/0")), asyncio.timeout(300):
            while failed < 3:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(RateLimit, "share", counted)
    for _ in range(20):
        limits.charge_request("7")
    with structlog.testing.capture_logs() as lines:
        asyncio.run(scenario())
    assert [line["event"] for line in lines] == ["limits.per_process"]
    assert limits.charge_request("7").remaining == 79
    assert sum(attempt(limits._requests, "7", NOON) for _ in range(200)) == 79


@get("/")
async def hello() -> str:
    """A handler."""
    return "hello"


def test_the_middleware_adds_headers() -> None:
    """Every answer has the headers of the limit, and beyond it the answer is 429 with
    `Retry-After`."""
    verifier = Verifier.from_settings(Settings(jwt_secret=Hidden(SECRET)))
    limits = Limits(3, 60, clock=lambda: NOON + 15)
    middleware: list[Any] = [AuthenticationMiddleware(verifier), LimitMiddleware(limits)]
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
    """Computations and requests are counted separately."""
    limits = Limits(1, 2, clock=lambda: NOON)
    limits.charge_request("7")
    limits.charge_computation("7")
    limits.charge_computation("7")
    with pytest.raises(TooManyRequestsException, match="2 computations a minute"):
        limits.charge_computation("7")
