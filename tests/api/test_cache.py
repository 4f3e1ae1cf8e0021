"""The cache computes a key once, gives all waiting requests the same, and stays in its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from api import cache as cache_module
from api.cache import Cache, Entry, Memory, NotStartedError, Source, TooManyAtOnceError
from api.redis_cache import RedisCache
from api.seal import Seal, secret_of
from olap.errors import SettingsError
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.api.fix_api import NO_REDIS

KEY = "chat:answers:1-ab:dashboard:site"
SECRET = b"a secret of this deployment only"


def entry(key: str = KEY, body: bytes = b"{}") -> Entry:
    """An answer of a key."""
    return Entry.of(key, 200, "application/json", body)


def run(story: Callable[[Cache], Awaitable[Any]], url: Secret = NO_REDIS) -> Any:
    """Run a story on a new cache."""

    async def with_cache() -> Any:
        shared = RedisCache(url, ttl_seconds=60)
        try:
            return await story(Cache(Memory(10**6), shared, SECRET))
        finally:
            await shared.close()

    return asyncio.run(with_cache())


def test_one_key_is_computed_once_at_a_time() -> None:
    """Twenty requests at the same time wait for one computation and get the same entry."""
    computed: list[int] = []

    async def story(cache: Cache) -> None:
        async def compute() -> Entry:
            computed.append(1)
            await asyncio.sleep(0.01)
            return entry()

        found = await asyncio.gather(*(cache.get(KEY, compute) for _ in range(20)))
        assert {id(one) for one, _ in found} == {id(found[0][0])}
        assert (await cache.get(KEY, compute))[1] is Source.HIT

    run(story)
    assert computed == [1]


def test_an_error_goes_to_all_and_is_not_cached() -> None:
    """All waiting requests get the error; the next request computes again."""

    async def story(cache: Cache) -> None:
        async def fail() -> Entry:
            await asyncio.sleep(0.01)
            raise ValueError("no")

        async def compute() -> Entry:
            return entry()

        waiting = [cache.get(KEY, fail) for _ in range(3)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in found] == [ValueError] * 3
        assert (await cache.get(KEY, compute))[0] == entry()

    run(story)


def test_a_request_that_may_not_compute_fails_alone() -> None:
    """A request without computations left is refused; another one that waits for it computes."""

    async def story(cache: Cache) -> None:
        async def refused() -> Entry:
            raise NotStartedError

        async def compute() -> Entry:
            return entry()

        found = await asyncio.gather(
            cache.get(KEY, refused), cache.get(KEY, compute), return_exceptions=True
        )
        assert isinstance(found[0], NotStartedError)
        assert not isinstance(found[1], BaseException) and found[1][0] == entry()

    run(story)


def test_a_client_that_disconnects_does_not_stop_the_others() -> None:
    """When the first request is cancelled, the waiting one still gets the answer."""

    async def story(cache: Cache) -> None:
        async def compute() -> Entry:
            await asyncio.sleep(0.02)
            return entry()

        first = asyncio.create_task(cache.get(KEY, compute))
        await asyncio.sleep(0)
        second = asyncio.create_task(cache.get(KEY, compute))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second)[0] == entry()

    run(story)


def test_two_processes_compute_once_while_redis_answers(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process that asks while the first one computes waits for its answer in Redis."""
    monkeypatch.setattr(cache_module, "_LEAD_SECONDS", 60.0)
    key = f"{KEY}:two-processes"
    computed: list[int] = []

    async def story() -> None:
        async def compute() -> Entry:
            computed.append(1)
            await asyncio.sleep(0.05)
            return entry(key)

        one, other = (RedisCache(Secret(valkey_url), ttl_seconds=60) for _ in range(2))
        found = await asyncio.gather(
            Cache(Memory(1000), one, SECRET).get(key, compute),
            Cache(Memory(1000), other, SECRET).get(key, compute),
        )
        assert sorted(source for _, source in found) == [Source.HIT, Source.MISS]
        await one.close()
        await other.close()

    asyncio.run(story())
    assert computed == [1]


def test_memory_is_bounded() -> None:
    """The least recently used answers are dropped first."""
    memory = Memory(5 * 1100 + 100)
    for number in range(5):
        memory.put(f"{number}", entry(body=b"x" * 99))
    assert memory.get("0") is not None
    memory.put("5", entry(body=b"x" * 99))
    assert [memory.get(str(number)) is not None for number in range(6)] == [
        True,
        False,
        True,
        True,
        True,
        True,
    ]


def test_answers_of_other_generations_are_dropped() -> None:
    """Only answers of kept generations stay in memory."""
    memory = Memory(10**6)
    for key in ("chat:answers:1-ab:x", "chat:answers:12-cd:x"):
        memory.put(key, entry(key))
    memory.keep_only(("chat:answers:1-ab:",))
    assert memory.get("chat:answers:1-ab:x") is not None
    assert memory.get("chat:answers:12-cd:x") is None


def sealed(content: bytes, name: str = KEY, secret: bytes = SECRET) -> bytes:
    """Content as this deployment seals it."""
    return Seal(secret, "answers").close(name, content)


def forged() -> bytes:
    """Another body with everything that can be made without the secret: the digest of the key and
    the bytes."""
    return entry(body=b"[]").stored()


GOOD = entry().stored()
FORGERIES = {
    "cut": sealed(GOOD)[:-1],
    "lengthened": sealed(GOOD) + b" ",
    "changed": sealed(GOOD).replace(b"{}", b"[]"),
    "another status": sealed(GOOD).replace(b" 200 ", b" 404 "),
    "of another key": sealed(GOOD, "chat:answers:1-ab:dashboard:viewer=7"),
    "of another deployment": sealed(GOOD, secret=b"the secret of another deployment"),
    "of another purpose": Seal(SECRET, "recent events").close(KEY, GOOD),
    "with a digest alone": forged(),
    "with an empty seal": bytes(32) + forged(),
    "with a seal of the wrong length": sealed(GOOD)[1:],
    "empty": b"",
    "rubbish": b"\xff\xfe rubbish\n{}",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_not_sealed_here_is_a_miss(valkey_url: str, forgery: str) -> None:
    """What others write to Redis is a miss; what the API has sealed is a hit."""

    async def ask(stored: bytes) -> tuple[Entry, Source]:
        async def compute() -> Entry:
            return entry()

        shared = RedisCache(Secret(valkey_url), ttl_seconds=60)
        with redis.Redis.from_url(valkey_url) as client:
            client.set(KEY, stored)
            client.delete(f"{KEY}:lead")
        try:
            return await Cache(Memory(10**6), shared, SECRET).get(KEY, compute)
        finally:
            await shared.close()

    assert asyncio.run(ask(FORGERIES[forgery])) == (entry(), Source.MISS)
    assert asyncio.run(ask(sealed(GOOD))) == (entry(), Source.HIT)


def test_without_a_secret_redis_is_neither_read_nor_written(valkey_url: str) -> None:
    """Without a secret for seals an answer is computed, and no key is written."""
    key = f"{KEY}:no-secret"

    async def story() -> Source:
        async def compute() -> Entry:
            return entry(key)

        shared = RedisCache(Secret(valkey_url), ttl_seconds=60)
        try:
            return (await Cache(Memory(10**6), shared, None).get(key, compute))[1]
        finally:
            await shared.close()

    with redis.Redis.from_url(valkey_url) as client:
        client.set(key, Seal(b"", "answers").close(key, GOOD))
        before = client.get(key)
        assert asyncio.run(story()) is Source.MISS
        assert client.get(key) == before
        assert client.exists(f"{key}:lead") == 0


def test_a_secret_that_is_too_short_is_refused() -> None:
    """CACHE_SECRET has at least 32 bytes, and the error does not show it."""
    with pytest.raises(SettingsError, match="CACHE_SECRET is shorter") as caught:
        secret_of(Settings(cache_secret=Hidden("hunter2")))
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert secret_of(Settings()) is None
    assert secret_of(Settings(jwt_secret=Hidden("j" * 32))) == b"j" * 32
    both = Settings(jwt_secret=Hidden("j" * 32), cache_secret=Hidden("c" * 32))
    assert secret_of(both) == b"c" * 32


def test_too_many_computations_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of answers that are being computed another one is refused at once, and one
    that is being computed can still be waited for."""
    monkeypatch.setattr(cache_module, "_RUNNING_MAX", 2)

    async def story(cache: Cache) -> None:
        release = asyncio.Event()

        async def compute() -> Entry:
            await release.wait()
            return entry()

        keys = [f"{KEY}:{number}" for number in (1, 2, 2)]
        waiting = [asyncio.create_task(cache.get(key, compute)) for key in keys]
        await asyncio.sleep(0)
        with pytest.raises(TooManyAtOnceError):
            await cache.get(f"{KEY}:3", compute)
        release.set()
        assert [found for found, _ in await asyncio.gather(*waiting)] == [entry()] * 3
        assert cache._running == {}

    run(story)
