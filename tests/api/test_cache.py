"""What the cache promises: one computation, the same for all who wait, within its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api import shared as shared_module
from api.cache import Cache, Entry, Memory, NotStartedError, Source
from api.shared import SharedCache
from olap.settings import Secret
from tests.api.fix_api import NOWHERE

KEY = "analytics:1-ab:dashboard:site"


def entry(key: str = KEY, body: bytes = b"{}") -> Entry:
    """An answer under a key."""
    return Entry.of(key, 200, "application/json", body)


def play(story: Callable[[Cache], Awaitable[Any]], url: Secret = NOWHERE) -> Any:
    """Run a story on a cache of its own."""

    async def run() -> Any:
        shared = SharedCache(url, ttl_seconds=60)
        try:
            return await story(Cache(Memory(10**6), shared))
        finally:
            await shared.close()

    return asyncio.run(run())


def test_one_key_is_computed_once_at_a_time() -> None:
    """Twenty who ask together wait for one computation and get the same entry."""
    computed: list[int] = []

    async def story(cache: Cache) -> None:
        async def compute() -> Entry:
            computed.append(1)
            await asyncio.sleep(0.01)
            return entry()

        found = await asyncio.gather(*(cache.get(KEY, compute) for _ in range(20)))
        assert {id(one) for one, _ in found} == {id(found[0][0])}
        assert (await cache.get(KEY, compute))[1] is Source.HIT

    play(story)
    assert computed == [1]


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    """All who wait get the error; whoever asks afterwards computes anew."""

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

    play(story)


def test_who_may_not_begin_takes_nothing_from_others() -> None:
    """One who has no computation left is refused alone; another who waits for him computes."""

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

    play(story)


def test_who_hangs_up_does_not_stop_the_others() -> None:
    """The first who asked is cancelled; the one who waits still gets the answer."""

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

    play(story)


def test_two_processes_compute_once_while_redis_answers(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process that asks while the first one computes waits for its answer in Redis."""
    monkeypatch.setattr(shared_module, "LIMIT_SECONDS", 5.0)
    key = f"{KEY}:two-processes"
    computed: list[int] = []

    async def story() -> None:
        async def compute() -> Entry:
            computed.append(1)
            await asyncio.sleep(0.05)
            return entry(key)

        one, other = (SharedCache(Secret(valkey_url), ttl_seconds=60) for _ in range(2))
        found = await asyncio.gather(
            Cache(Memory(1000), one).get(key, compute),
            Cache(Memory(1000), other).get(key, compute),
        )
        assert sorted(source for _, source in found) == [Source.HIT, Source.MISS]
        await one.close()
        await other.close()

    asyncio.run(story())
    assert computed == [1]


def test_memory_has_a_bound() -> None:
    """What was not asked for longest makes room; what is asked stays."""
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


def test_other_generations_are_forgotten() -> None:
    """Only answers of the generations that are kept stay in memory."""
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
def test_what_is_not_our_answer_is_none(stored: bytes) -> None:
    """A cut, lengthened, changed or foreign value, and another key's answer, are not believed."""
    assert Entry.read(KEY, entry().stored()) == entry()
    assert Entry.read(KEY, stored) is None
