"""Rate limits per subject: counted in the process, and shared through Redis in the background.

A limit holds in a sliding minute: what was counted in the last whole minute still counts in
proportion to the part of it that lies within the last sixty seconds, so there is no burst of twice
the limit around a full minute. Refused requests are not counted: a client that keeps trying gets
the rate and is not locked out.

Once a second each process adds what it has counted to Redis and reads the total, so several
processes count together and exceed a limit by what one second brings. While Redis is away each
process counts by itself.

The library `limits` is not used: each of its strategies counts either in the process or in Redis,
where a cached answer would wait for Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.auth import PUBLIC
from api.background import in_background
from olap.log import get_logger
from olap.settings import Secret, Settings

log = get_logger(__name__)

_WINDOW_SECONDS = 60
_SHARE_SECONDS = 1.0
_AWAY_SECONDS = 5.0
_REDIS_TIMEOUT_SECONDS = 0.5
# A subject is a person's id, so the keys match the pattern that an erasure removes.
_KEY_PREFIX = "analytics:limits"


class Standing(NamedTuple):
    """What is left of a limit after a request, and the seconds until it is full again."""

    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Count:
    """One subject's charges in one window, a minute of the clock.

    Attributes:
        own: charges in this process; of these, Redis has received `sent`.
        others: charges in other processes, according to Redis.
        previous: all charges of the window before.
    """

    window: int
    own: int = 0
    sent: int = 0
    others: int = 0
    previous: int = 0

    @property
    def total(self) -> int:
        """All charges of this window."""
        return self.own + self.others


class RateLimit:
    """A number of charges per minute for each subject."""

    def __init__(self, name: str, amount: int) -> None:
        self.name = name
        self.amount = amount
        self._counts: dict[str, _Count] = {}

    def charge(self, subject: str, now: float) -> Standing:
        """Count one charge for this subject.

        Args:
            now: seconds since 1970.

        Raises:
            TooManyRequestsException: 429, the limit is reached and nothing was counted; with
                `Retry-After` and the limit's headers.
        """
        window, into = divmod(now, _WINDOW_SECONDS)
        count = self._counts.get(subject)
        if count is None or count.window != window:
            count = self._counts[subject] = _next_window(count, int(window))
        share = 1 - into / _WINDOW_SECONDS
        left = self.amount - count.previous * share - count.total
        if left < 1:
            raise self._refusal(_wait(count, self.amount, share))
        count.own += 1
        return Standing(self.amount, floor(left - 1), ceil(_WINDOW_SECONDS - into))

    def _refusal(self, wait: int) -> TooManyRequestsException:
        standing = Standing(self.amount, 0, wait)
        headers = {key.decode(): value.decode() for key, value in headers_of(standing)}
        return TooManyRequestsException(
            f"The limit is {self.amount} {self.name} a minute; try again in {wait} s.",
            headers={"Retry-After": str(wait), **headers},
        )

    async def share(self, redis: Redis, now: float) -> None:
        """Add to Redis what was counted here since the last time, and read what others counted.

        Raises:
            RedisError, OSError: Redis does not answer.
        """
        self._forget(int(now // _WINDOW_SECONDS) - 1)
        counts = list(self._counts.items())
        if not counts:
            return
        new = [count.own - count.sent for _, count in counts]
        async with redis.pipeline(transaction=True) as pipeline:
            for (subject, count), charges in zip(counts, new, strict=True):
                key = f"{_KEY_PREFIX}:{self.name}/{count.window}/{subject}"
                pipeline.incrby(key, charges)
                pipeline.expire(key, 2 * _WINDOW_SECONDS)
            totals = (await pipeline.execute())[::2]
        for (_, count), charges, total in zip(counts, new, totals, strict=True):
            count.sent += charges
            # Redis may have lost or evicted the key in between.
            count.others = max(0, total - count.sent)

    def _forget(self, oldest: int) -> None:
        """Drop the counts of windows before this one."""
        for subject in [s for s, count in self._counts.items() if count.window < oldest]:
            del self._counts[subject]


def _next_window(count: _Count | None, window: int) -> _Count:
    follows = count is not None and count.window == window - 1
    return _Count(window, previous=count.total if count and follows else 0)


def _wait(count: _Count, amount: int, share: float) -> int:
    """The seconds until one more charge is allowed, if there are no others.

    Args:
        share: the part of the window before that still counts.
    """
    if count.total + 1 <= amount:
        # Enough of the window before must leave the minute.
        free = (amount - 1 - count.total) / count.previous
        return max(1, ceil((share - free) * _WINDOW_SECONDS))
    # This window becomes the window before, and enough of it must leave the minute.
    return max(1, ceil((share + 1 - (amount - 1) / count.total) * _WINDOW_SECONDS))


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """The headers of a limit, by draft-ietf-httpapi-ratelimit-headers-06.

    Litestar and most clients know the names of that draft; later drafts use structured fields,
    which few clients read.
    """
    return [
        (b"ratelimit-limit", b"%d" % standing.limit),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.reset),
    ]


class Limits:
    """The two limits of the API: requests, and computed answers."""

    def __init__(
        self, requests: int, computations: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._requests = RateLimit("requests", requests)
        self._computations = RateLimit("computations", computations)
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits of the settings."""
        return cls(settings.rate_limit, settings.compute_limit)

    def charge_request(self, subject: str) -> Standing:
        """Count a request.

        Raises:
            TooManyRequestsException: 429, there were too many.
        """
        return self._requests.charge(subject, self._clock())

    def charge_computation(self, subject: str) -> None:
        """Count a computation when it begins; answers from a cache are not counted.

        Raises:
            TooManyRequestsException: 429, there were too many.
        """
        self._computations.charge(subject, self._clock())

    @asynccontextmanager
    async def shared(self, redis_url: Secret) -> AsyncIterator[None]:
        """Within the block, share the counts with other processes through Redis."""
        redis = Redis.from_url(
            redis_url.reveal(),
            socket_timeout=_REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            async with in_background(self._share_on(redis)):
                yield
        finally:
            await redis.aclose()

    async def _share_on(self, redis: Redis) -> None:
        is_away = False
        while True:
            await asyncio.sleep(_AWAY_SECONDS if is_away else _SHARE_SECONDS)
            was_away = is_away
            try:
                for limit in (self._requests, self._computations):
                    await limit.share(redis, self._clock())
                is_away = False
            except (RedisError, OSError) as error:
                is_away = True
                if not was_away:
                    log.warning("limits.per_process", reason=type(error).__name__)
            if was_away and not is_away:
                log.info("limits.shared")


class LimitMiddleware(ASGIMiddleware):
    """Charges each request to its principal; comes after `AuthenticationMiddleware`."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = PUBLIC

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Charge the request, and add the limit's headers to the answer."""
        principal = scope.get("user")
        if principal is None:
            await next_app(scope, receive, send)
            return
        standing = self._limits.charge_request(principal.subject)

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers_of(standing)]
            await send(message)

        await next_app(scope, receive, send_with_standing)
