"""Rate limits per subject: counted in the process, shared through Redis in the background.

A limit holds over a sliding minute: what the last whole minute had counts in proportion to how
much of it still lies within sixty seconds, so there is no burst of twice the limit around a full
minute. What is refused is not counted: whoever keeps knocking gets the rate, and not nothing.

Each charge is a few additions. The library `limits` defines the limits and keeps the shared
counters; its own in-process storage is not used, for a charge and its headers took 20 µs there and
it starts a thread every 10 ms. Once a second each process adds what it counted to Redis and learns
what the others did, for every subject that came to it in this minute, so several processes together
overshoot by what one second brings. A Redis that is away costs that knowledge and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil, floor
from typing import NamedTuple

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.background import in_background
from api.identity import FOR_ANYBODY
from olap.log import get_logger
from olap.settings import Secret, Settings

log = get_logger(__name__)

_SHARE_SECONDS = 1.0
_AWAY_SECONDS = 5.0
_REDIS_TIMEOUT_SECONDS = 0.5
# Below erase's pattern: a subject is a person's id. They end with their window anyway.
_KEY_PREFIX = "analytics:limits"


class Standing(NamedTuple):
    """How a subject stands after a charge: what is left, and in how many seconds it is renewed."""

    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Count:
    """One subject's charges in one window (a minute of the clock)."""

    window: int
    own: int = 0
    # How many of `own` Redis has been told, and how many it has from other processes.
    sent: int = 0
    others: int = 0
    # What the window before had, ours and others'.
    previous: int = 0

    def learn(self, total: int) -> None:
        """Take over what Redis has counted in this window, ours included."""
        # Redis may have lost the key in between, or evicted it.
        self.others = max(0, total - self.sent)


@dataclass(slots=True)
class RateLimit:
    """So many charges a window for each subject."""

    name: str
    item: RateLimitItem
    _counts: dict[str, _Count] = field(default_factory=dict)

    def charge(self, subject: str, now: float) -> Standing:
        """Count one for this subject.

        Args:
            now: seconds since 1970.

        Raises:
            TooManyRequestsException: the limit is reached (429), with `Retry-After` and the headers
                of the limit; nothing was counted.
        """
        seconds = self.item.get_expiry()
        window, into = divmod(now, seconds)
        count = self._counts.get(subject)
        if count is None or count.window != window:
            count = self._counts[subject] = _next_window(count, int(window))
        lasting = 1 - into / seconds
        used = count.previous * lasting + count.own + count.others
        left = self.item.amount - used
        if left < 1:
            raise self._refusal(_wait(count, self.item.amount, lasting, seconds))
        count.own += 1
        return Standing(self.item.amount, floor(left - 1), ceil(seconds - into))

    def _refusal(self, wait: int) -> TooManyRequestsException:
        standing = Standing(self.item.amount, 0, wait)
        headers = {key.decode(): value.decode() for key, value in headers_of(standing)}
        return TooManyRequestsException(
            f"No more than {self.item.amount} {self.name} a minute; go on in {wait} s.",
            headers={"Retry-After": str(wait), **headers},
        )

    async def share(self, storage: RedisStorage, client: Redis, now: float) -> None:
        """Tell Redis what was counted here since the last time, and learn what others counted.

        Args:
            storage: the counters, of which each is told and asked in one step.
            client: the same Redis, for the subjects of whom there is nothing to tell: all of them
                are asked for at once.
            now: seconds since 1970.

        Raises:
            RedisError, OSError: it does not answer.
        """
        seconds = self.item.get_expiry()
        self._forget(int(now // seconds) - 1)
        quiet: list[tuple[str, _Count]] = []
        for subject, count in list(self._counts.items()):
            key = f"{self.name}/{count.window}/{subject}"
            new = count.own - count.sent
            if new:
                total = await storage.incr(key, 2 * seconds, new)
                count.sent += new
                count.learn(total)
            else:
                # So the storage spells its keys.
                quiet.append((f"{_KEY_PREFIX}:{key}", count))
        if quiet:
            totals = await client.mget([key for key, _ in quiet])
            for (_, count), counted in zip(quiet, totals, strict=True):
                count.learn(int(counted or 0))

    def _forget(self, oldest: int) -> None:
        for subject in [s for s, count in self._counts.items() if count.window < oldest]:
            del self._counts[subject]


def _next_window(count: _Count | None, window: int) -> _Count:
    follows = count is not None and count.window == window - 1
    return _Count(window, previous=count.own + count.others if count and follows else 0)


def _wait(count: _Count, amount: int, lasting: float, seconds: int) -> int:
    """In how many seconds one more is allowed, when nothing else comes."""
    current = count.own + count.others
    if current + 1 <= amount:
        # Enough of the window before must have slid out of the minute.
        free = (amount - 1 - current) / count.previous
        return max(1, ceil((lasting - free) * seconds))
    # This window becomes the one before, and enough of it must slide out in turn.
    return max(1, ceil((lasting + 1 - (amount - 1) / current) * seconds))


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """The headers that tell how a subject stands (draft-ietf-httpapi-ratelimit-headers-06).

    That draft's names are what Litestar and most clients know; the later ones are structured
    fields that hardly any client reads.
    """
    return [
        (b"ratelimit-limit", b"%d" % standing.limit),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.reset),
    ]


class Limits:
    """The two limits of the API: requests, and answers that have to be computed."""

    def __init__(
        self, requests: int, computations: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._requests = RateLimit("requests", RateLimitItemPerMinute(requests))
        self._computations = RateLimit("computations", RateLimitItemPerMinute(computations))
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits that the settings ask for."""
        return cls(settings.rate_limit, settings.compute_limit)

    def charge_request(self, subject: str) -> Standing:
        """Count a request.

        Raises:
            TooManyRequestsException: there were too many (429).
        """
        return self._requests.charge(subject, self._clock())

    def charge_computation(self, subject: str) -> None:
        """Count a computation; to be called when it begins, not for what a cache answers.

        Raises:
            TooManyRequestsException: there were too many (429).
        """
        self._computations.charge(subject, self._clock())

    @asynccontextmanager
    async def shared(self, redis_url: Secret) -> AsyncIterator[None]:
        """Within the block, share the counts with other processes through Redis."""
        client = Redis.from_url(
            redis_url.reveal(),
            socket_timeout=_REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            async with in_background(self._share_on(client)):
                yield
        finally:
            await client.aclose()

    async def _share_on(self, client: Redis) -> None:
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=_KEY_PREFIX,
            connection_pool=client.connection_pool,  # type: ignore[arg-type]
        )
        is_away = False
        while True:
            await asyncio.sleep(_AWAY_SECONDS if is_away else _SHARE_SECONDS)
            was_away = is_away
            try:
                for limit in (self._requests, self._computations):
                    await limit.share(storage, client, self._clock())
                is_away = False
            except (RedisError, OSError) as error:
                is_away = True
                if not was_away:
                    log.warning("rate limits are counted by process", reason=type(error).__name__)
            if was_away and not is_away:
                log.info("rate limits are shared again")


class LimitMiddleware(ASGIMiddleware):
    """Charges each request to its asker; comes after `IdentityMiddleware`."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = FOR_ANYBODY

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Charge, go on, and tell the asker how they stand."""
        asker = scope.get("user")
        if asker is None:
            await next_app(scope, receive, send)
            return
        standing = self._limits.charge_request(asker.subject)

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers_of(standing)]
            await send(message)

        await next_app(scope, receive, send_with_standing)
