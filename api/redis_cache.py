"""The cache that all workers share, in Redis or Valkey, and the circuit breaker in front of it.

Redis may be absent, slow, full, restarted, or return rubbish; the API still answers. An operation
that takes longer than 50 ms is abandoned. After three failures in a row Redis is **away**: it is
not used any more except for one try at a time, first after one second and then at growing
intervals. Each change is one log line.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from olap.log import get_logger
from olap.redis_urls import FAULTS, close_redis, open_redis
from olap.secret import Secret

log = get_logger(__name__)

T = TypeVar("T")

TIMEOUT_SECONDS = 0.05
_FAILURES_TO_OPEN = 3
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_CONNECTIONS = 16


class State(StrEnum):
    """Whether Redis is used."""

    OK = "ok"
    AWAY = "away"


class Breaker:
    """Counts failures and decides whether to try. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = _FIRST_PAUSE_SECONDS
        self._retry_at = 0.0
        self.state = State.OK

    @property
    def is_well(self) -> bool:
        """Whether the last try succeeded, or there was none yet."""
        return self._failures == 0

    def allows(self) -> bool:
        """Whether to try now; while away, one try when the pause is over."""
        if self.state is State.OK:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause  # others wait for the outcome of this try
        return True

    def succeeded(self) -> None:
        """Record a success."""
        if self.state is State.AWAY:
            log.info("redis.back")
        self.state, self._failures, self._pause = State.OK, 0, _FIRST_PAUSE_SECONDS

    def failed(self, error: str) -> None:
        """Record a failure."""
        self._failures += 1
        if self.state is State.AWAY:
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
            self._retry_at = self._clock() + self._pause * random.uniform(0.8, 1.0)
        elif self._failures >= _FAILURES_TO_OPEN:
            log.warning("redis.away", error=error)
            self.state = State.AWAY
            self._retry_at = self._clock() + self._pause


class RedisCache:
    """Bytes by key, with a time to live; never raises."""

    def __init__(self, url: Secret, *, ttl_seconds: int) -> None:
        self._ttl = ttl_seconds
        self._breaker = Breaker()
        self._is_full = False
        self._writes: set[asyncio.Task[None]] = set()
        self._redis = open_redis(url, seconds=TIMEOUT_SECONDS)
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._url = url

    @property
    def state(self) -> State:
        """Whether Redis is used."""
        return self._breaker.state

    @property
    def is_well(self) -> bool:
        """Whether Redis answered the last operation."""
        return self._breaker.is_well

    async def close(self) -> None:
        """Let the last writes end, and disconnect."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=TIMEOUT_SECONDS)
        await close_redis(self._redis)

    async def get(self, key: str) -> bytes | None:
        """The value of the key; None also if Redis does not answer."""
        found = await self._try(lambda: self._redis.get(key))
        return found if isinstance(found, bytes) else None

    async def lead(self, key: str, seconds: float) -> bool:
        """Whether this process is to compute the answer; true also if Redis does not answer."""
        if self.state is State.AWAY:
            return True
        milliseconds = round(seconds * 1000)
        done = await self._try(
            lambda: self._redis.set(f"{key}:lead", b"1", nx=True, px=milliseconds), missing=False
        )
        return done is not None

    def put(self, key: str, value: bytes) -> None:
        """Store a value in the background."""
        if self.state is State.AWAY or len(self._writes) >= _CONNECTIONS:
            return
        task = asyncio.create_task(self._put(key, value))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _put(self, key: str, value: bytes) -> None:
        if await self._try(lambda: self._redis.set(key, value, ex=self._ttl)) and self._is_full:
            self._is_full = False
            log.info("redis.accepts")

    async def _try(self, operation: Callable[[], Awaitable[T]], *, missing: Any = None) -> Any:
        """The operation's result, or `missing` if Redis fails or is away."""
        if not self._breaker.allows():
            return missing
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._slots:
                result = await operation()
        except ResponseError as error:
            # Redis is there and refuses: it is full, loading, or a replica. Reading may go on.
            self._log_refusal(str(error))
            self._breaker.succeeded()
            return missing
        except FAULTS as error:
            self._breaker.failed(self._url.redact(f"{type(error).__name__}: {error}"))
            return missing
        self._breaker.succeeded()
        return result

    def _log_refusal(self, error: str) -> None:
        if not self._is_full:
            self._is_full = True
            log.warning("redis.refuses", error=self._url.redact(error))
