"""Rate limits: a maximum in any minute, shown in headers and shared between processes."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from litestar import Litestar, get
from litestar.exceptions import TooManyRequestsException
from litestar.testing import TestClient
from litestar.types import Scope
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api import limits as limits_module
from api.auth import AuthenticationMiddleware, Principal, Role, Verifier
from api.background import Supervisor
from api.limits import LimitMiddleware, Limits, RateLimit, client_of
from olap.redis_keys import RedisKeys
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.own_servers import OwnValkey, talking_nonsense
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
def keys() -> RedisKeys:
    """The names of a deployment of this test."""
    return RedisKeys(f"test-limits-{next(_prefixes)}")


@pytest.fixture
def redis_url(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    """A Redis whose counters are read a hundred times a second."""
    monkeypatch.setattr(limits_module, "_SHARE_SECONDS", 0.01)
    monkeypatch.setattr(limits_module, "_AWAY_SECONDS", 0.01)
    yield Secret(valkey_url)


def sharing(
    limits: Limits, url: Secret, keys: RedisKeys | None
) -> AbstractAsyncContextManager[None]:
    """A process that shares its counts."""
    return limits.shared(url, lambda: keys, Supervisor())


async def _learned(process: Limits, others: int, charge: str | None = None) -> None:
    """Wait until this process has read so many charges of the others.

    Args:
        charge: an account that the process charges first, so that it asks for it.
    """
    account = charge or "7"
    if charge is not None:
        process.charge_request(charge)
    async with asyncio.timeout(300):
        while process._requests._counts[account].others != others:
            await asyncio.sleep(0.01)


async def _shared(process: Limits) -> None:
    """Wait until this process has written its charges."""
    async with asyncio.timeout(300):
        while (count := process._requests._counts["7"]).sent != count.own:
            await asyncio.sleep(0.01)


def test_processes_share(redis_url: Secret, keys: RedisKeys) -> None:
    """Charges in one process count in the other, in this minute and the next."""
    now = NOON
    first, second = (Limits(100, 100, 100, clock=lambda: now) for _ in range(2))

    def allowed(limits: Limits, wanted: int) -> int:
        return sum(attempt(limits._requests, "7", now) for _ in range(wanted))

    async def scenario() -> None:
        nonlocal now
        async with sharing(first, redis_url, keys), sharing(second, redis_url, keys):
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


RUBBISH: dict[str, Callable[[BlockingRedis, str], object]] = {
    "text": lambda redis, key: redis.set(key, "no number"),
    "bytes": lambda redis, key: redis.set(key, b"\xff\x00" * 1000),
    "greatest": lambda redis, key: redis.set(key, 2**63 - 1),
    "list": lambda redis, key: redis.rpush(key, "1"),
    "hash": lambda redis, key: redis.hset(key, "1", "1"),
    "stream": lambda redis, key: redis.xadd(key, {"1": "1"}),
}


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_rubbish_counter_does_not_end_the_sharing(
    redis_url: Secret, keys: RedisKeys, rubbish: str
) -> None:
    """What is no counter in Redis is replaced: its own count and all others are shared again, and
    no task fails."""
    first, second = (Limits(100, 100, 100, clock=lambda: NOON) for _ in range(2))
    window = int(NOON // 60)

    async def scenario() -> None:
        async with sharing(first, redis_url, keys), sharing(second, redis_url, keys):
            for account in ("7", "8"):
                for _ in range(3):
                    first.charge_request(account)
            await _learned(second, 3, charge="7")
            for account in ("7", "8"):
                first.charge_request(account)
            await _learned(second, 4, charge="8")

    with BlockingRedis.from_url(redis_url.reveal()) as redis:
        RUBBISH[rubbish](redis, f"{keys.limits}requests/{window}/7")
        with structlog.testing.capture_logs() as lines:
            asyncio.run(scenario())
    assert lines == []


def test_a_server_that_talks_nonsense_does_not_end_the_sharing(
    keys: RedisKeys, redis_url: Secret, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """While another server answers in place of Redis each process counts by itself, and when Redis
    is back they count together."""
    limits = Limits(100, 100, 100, clock=lambda: NOON)

    async def scenario(server: OwnValkey) -> None:
        async with sharing(limits, Secret(server.url), keys):
            with talking_nonsense(server.directory / "s"):
                async with asyncio.timeout(300):
                    while not limits.is_away:
                        await asyncio.sleep(0.01)
            server.start()
            async with asyncio.timeout(300):
                while limits.is_away:
                    await asyncio.sleep(0.01)

    limits.charge_request("7")
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnValkey(Path(directory))
        try:
            with structlog.testing.capture_logs() as lines:
                asyncio.run(scenario(server))
        finally:
            server.end()
    assert [line["event"] for line in lines] == ["limits.per_process", "limits.shared"]


def test_deployments_do_not_count_together(redis_url: Secret, keys: RedisKeys) -> None:
    """Charges in another deployment on the same Redis are not read."""
    ours, also_ours, theirs = (Limits(100, 100, 100, clock=lambda: NOON) for _ in range(3))
    others = RedisKeys(f"{keys.prefix}-other")

    async def scenario() -> None:
        async with (
            sharing(ours, redis_url, keys),
            sharing(also_ours, redis_url, keys),
            sharing(theirs, redis_url, others),
        ):
            for number, limits in enumerate((ours, also_ours, theirs)):
                for _ in range(10**number):
                    limits.charge_request("7")
            await _learned(ours, 10)
            await _learned(also_ours, 1)
            await _shared(theirs)

    asyncio.run(scenario())
    assert ours._requests._counts["7"].others == 10
    assert theirs._requests._counts["7"].others == 0


def test_nothing_is_shared_before_the_deployment_is_known(redis_url: Secret) -> None:
    """Without a prefix no counter is written: it would be everybody's."""
    limits = Limits(100, 100, 100, clock=lambda: NOON)
    limits.charge_request("7")

    async def scenario() -> None:
        async with sharing(limits, redis_url, None):
            await asyncio.sleep(0.1)

    asyncio.run(scenario())
    assert limits._requests._counts["7"].sent == 0


def test_strangers_do_not_fill_the_memory() -> None:
    """However many addresses there are, the number of counts is bounded, and the newest stay."""
    limit = a_limit(10)
    for number in range(3 * limits_module._COUNTS_MAX):
        limit.charge(str(number), NOON)
    assert len(limit._counts) <= limits_module._COUNTS_MAX
    assert list(limit._counts)[-1] == str(3 * limits_module._COUNTS_MAX - 1)


def test_every_subject_is_an_account_of_bounded_length() -> None:
    """An account has a bounded length and bytes that Redis can keep; two long subjects are two."""
    found = [Principal("x" * 8000 + end, Role.ADMIN).account for end in "ab"]
    assert found[0] != found[1]
    assert max(map(len, found)) < 200
    assert Principal("7", Role.ADMIN).account != Principal("7", Role.MEMBER).account
    assert Principal("\ud800", Role.ADMIN).account.encode() == b"admin:?"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("x" * 64 + "a", "x" * 64 + "b", True),
        (None, None, True),
    ],
)
def test_an_address_is_that_of_a_client(one: str | None, other: str | None, is_same: bool) -> None:
    """IPv6 counts by its /64, IPv4 within IPv6 as IPv4, and what is no address is cut."""
    found = [
        client_of(cast("Scope", {"client": None if text is None else (text, 1)}))
        for text in (one, other)
    ]
    assert (found[0] == found[1]) is is_same
    assert len(found[0]) <= 64


def test_without_redis_each_process_counts(
    redis_url: Secret, keys: RedisKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis each process counts by itself, and one log line says so."""
    limits = Limits(100, 100, 100, clock=lambda: NOON)
    failed = 0
    share = RateLimit.share

    async def counted(self: RateLimit, redis: Redis, keys: RedisKeys, now: float) -> None:
        nonlocal failed
        try:
            await share(self, redis, keys, now)
        except RedisError:
            failed += 1
            raise

    async def scenario() -> None:
        nobody = Secret("redis://127.0.0.1:1/0")
        async with sharing(limits, nobody, keys), asyncio.timeout(300):
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
    limits = Limits(3, 60, 60, clock=lambda: NOON + 15)
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
    limits = Limits(1, 2, 1, clock=lambda: NOON)
    limits.charge_request("7")
    limits.charge_computation("7")
    limits.charge_computation("7")
    with pytest.raises(TooManyRequestsException, match="2 computations a minute"):
        limits.charge_computation("7")
