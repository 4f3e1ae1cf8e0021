"""The cache computes a key once, gives all waiting requests the same, and stays in its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api import cache as cache_module
from api.cache import Cache, Entry, Memory, NotStartedError, Source
from api.redis_cache import RedisCache
from olap.settings import Secret
from tests.api.fix_api import NO_REDIS

KEY = "analytics:1-ab:dashboard:site"


def entry(key: str = KEY, body: bytes = b"{}") -> Entry:
    """An answer of a key."""
    return Entry.of(key, 200, "application/json", body)


def run(story: Callable[[Cache], Awaitable[Any]], url: Secret = NO_REDIS) -> Any:
    """Run a story on a new cache."""

    async def with_cache() -> Any:
        redis = RedisCache(url, ttl_seconds=60)
        try:
            return await story(Cache(Memory(10**6), redis))
        finally:
            await redis.close()

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
            Cache(Memory(1000), one).get(key, compute),
            Cache(Memory(1000), other).get(key, compute),
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
    for key in ("analytics:1-ab:x", "analytics:12-cd:x"):
        memory.put(key, entry(key))
    memory.keep_only(("analytics:1-ab:",))
    assert memory.get("analytics:1-ab:x") is not None
    assert memory.get("analytics:12-cd:x") is None


@pytest.mark.parametrize(
    "stored",
    [
        entry().stored()[:-1],
        entry().stored() + b" ",
        entry("analytics:1-ab:dashboard:viewer=7").stored(),
        entry().stored().replace(b" 200 ", b" 404 "),
        entry().stored().replace(b"{}", b"[]"),
        b"",
        b"\xff\xfe rubbish\n{}",
        b"no line",
    ],
)
def test_a_value_that_is_not_the_answer_of_its_key_is_a_miss(stored: bytes) -> None:
    """A cut, lengthened, changed or foreign value, and the answer of another key, are misses."""
    assert Entry.read(KEY, entry().stored()) == entry()
    assert Entry.read(KEY, stored) is None
