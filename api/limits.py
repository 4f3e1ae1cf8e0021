"""Rate limits: counted in the process, and shared through Redis in the background.

Requests with a valid token are counted by role and subject, and so are the answers that are
computed for them. Requests without one are counted by the client's address, before a public handler
runs and after a token was refused: a valid token is never refused because of its address.

A limit holds in a sliding minute: what was counted in the last whole minute still counts in
proportion to the part of it that lies within the last sixty seconds, so there is no burst of twice
the limit around a full minute. Refused requests are not counted: a client that keeps trying gets
the rate and is not locked out.

Once a second each process adds what it has counted to Redis and reads the total, so several
processes count together and exceed a limit by what one second brings. While Redis is away each
process counts by itself. A counter that is none is replaced.

The number of counts is bounded, because strangers choose their addresses: beyond it the older half
is forgotten.

The library `limits` is not used: each of its strategies counts either in the process or in Redis,
where a cached answer would wait for Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import islice
from math import ceil, floor
from typing import NamedTuple

from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from redis.asyncio import Redis

from api.background import Supervisor
from olap.log import get_logger
from olap.redis_keys import RedisKeys
from olap.redis_urls import FAULTS, close_redis, open_redis
from olap.secret import Secret
from olap.settings import Settings

log = get_logger(__name__)

_WINDOW_SECONDS = 60
_SHARE_SECONDS = 1.0
_AWAY_SECONDS = 5.0
_REDIS_TIMEOUT_SECONDS = 0.5
_SHARED_AT_ONCE = 1000
_COUNTS_MAX = 20_000
_IPV6_NETWORK_BITS = 64  # what one customer of a provider has at least
# A longer name that is no address is cut.
_ADDRESS_LENGTH_MAX = 64
# One command for many counts: packing a command takes redis-py 30 µs of the event loop. What is no
# counter, or overflows, is replaced, because one such key would end the sharing of all others.
_ADD = """
local totals = {}
for place, key in ipairs(KEYS) do
    local total = redis.pcall('INCRBY', key, ARGV[place + 1])
    if type(total) ~= 'number' then
        redis.call('SET', key, ARGV[place + 1])
        total = tonumber(ARGV[place + 1])
    end
    redis.call('EXPIRE', key, ARGV[1])
    totals[place] = total
end
return totals
"""


class Standing(NamedTuple):
    """What is left of a limit after a request, and the seconds until it is full again."""

    limit: int
    remaining: int
    reset: int


@dataclass(slots=True)
class _Count:
    """The charges of one name in one window, a minute of the clock.

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
    """A number of charges per minute for each name: an account, or an address."""

    def __init__(self, kind: str, amount: int) -> None:
        """`kind` says what is counted, in the plural."""
        self.kind = kind
        self.amount = amount
        self._counts: dict[str, _Count] = {}

    def charge(self, name: str, now: float) -> Standing:
        """Count one charge for this name.

        Args:
            now: seconds since 1970.

        Raises:
            TooManyRequestsException: 429, the limit is reached and nothing was counted; with
                `Retry-After` and the limit's headers.
        """
        window, into = divmod(now, _WINDOW_SECONDS)
        count = self._counts.get(name)
        if count is None or count.window != window:
            if count is None and len(self._counts) >= _COUNTS_MAX:
                self._forget_half()
            count = self._counts[name] = _next_window(count, int(window))
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
            f"The limit is {self.amount} {self.kind} a minute; try again in {wait} s.",
            headers={"Retry-After": str(wait), **headers},
        )

    async def share(self, redis: Redis, keys: RedisKeys, now: float) -> None:
        """Add to Redis what was counted here since the last time, and read what others counted.

        Raises:
            FAULTS: Redis does not answer as Redis does.
        """
        self._forget(int(now // _WINDOW_SECONDS) - 1)
        counts = list(self._counts.items())
        for start in range(0, len(counts), _SHARED_AT_ONCE):
            some = counts[start : start + _SHARED_AT_ONCE]
            names = [f"{keys.limits}{self.kind}/{c.window}/{name}" for name, c in some]
            new = [count.own - count.sent for _, count in some]
            totals = await redis.eval(_ADD, len(names), *names, 2 * _WINDOW_SECONDS, *new)
            for (_, count), charges, total in zip(some, new, totals, strict=True):
                count.sent += charges
                # Redis may have lost or evicted the key in between.
                count.others = max(0, int(total) - count.sent)

    def _forget(self, oldest: int) -> None:
        """Drop the counts of windows before this one."""
        for name in [name for name, count in self._counts.items() if count.window < oldest]:
            del self._counts[name]

    def _forget_half(self) -> None:
        for name in list(islice(self._counts, len(self._counts) // 2)):
            del self._counts[name]


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
    """The limits of the API: requests, computed answers, and requests without a token."""

    def __init__(
        self,
        requests: int,
        computations: int,
        anonymous: int,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Each is a number per minute.

        Attributes:
            is_away: whether Redis did not answer when the counts were shared last.
        """
        self._requests = RateLimit("requests", requests)
        self._computations = RateLimit("computations", computations)
        self._anonymous = RateLimit("requests without a valid token", anonymous)
        self._clock = clock
        self.is_away = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits of the settings."""
        return cls(settings.rate_limit, settings.compute_limit, settings.anonymous_limit)

    def charge_request(self, account: str) -> Standing:
        """Count a request.

        Raises:
            TooManyRequestsException: 429, there were too many.
        """
        return self._requests.charge(account, self._clock())

    def charge_computation(self, account: str) -> None:
        """Count a computation when it begins; answers from a cache are not counted.

        Raises:
            TooManyRequestsException: 429, there were too many.
        """
        self._computations.charge(account, self._clock())

    def charge_anonymous(self, scope: Scope) -> Standing:
        """Count a request without a valid token to the client's address.

        Raises:
            TooManyRequestsException: 429, there were too many.
        """
        return self._anonymous.charge(client_of(scope), self._clock())

    @asynccontextmanager
    async def shared(
        self, redis_url: Secret, keys: Callable[[], RedisKeys | None], supervisor: Supervisor
    ) -> AsyncIterator[None]:
        """Within the block, share the counts with other processes through Redis.

        Args:
            keys: the deployment's names in Redis; None = not known yet, so nothing is shared.
        """
        redis = open_redis(redis_url, seconds=_REDIS_TIMEOUT_SECONDS)

        async def share() -> None:
            await asyncio.sleep(_AWAY_SECONDS if self.is_away else _SHARE_SECONDS)
            known = keys()
            if known is not None:
                await self._share_on(redis, known)

        try:
            async with supervisor.running("limits", share):
                yield
        finally:
            await close_redis(redis)

    async def _share_on(self, redis: Redis, keys: RedisKeys) -> None:
        was_away = self.is_away
        try:
            for limit in (self._requests, self._computations, self._anonymous):
                await limit.share(redis, keys, self._clock())
            self.is_away = False
        except FAULTS as error:
            self.is_away = True
            if not was_away:
                log.warning("limits.per_process", reason=type(error).__name__)
        if was_away and not self.is_away:
            log.info("limits.shared")


def client_of(scope: Scope) -> str:
    """The client's address; of IPv6 its network, because one client has all addresses in it.

    Behind a proxy that `FORWARDED_ALLOW_IPS` names, the server has put the client's own address in
    place of the proxy's. All clients of a Unix socket without such a proxy are one.
    """
    client = scope.get("client")
    text = client[0] if client else ""
    try:
        address = ip_address(text)
    except ValueError:
        return text[:_ADDRESS_LENGTH_MAX]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _IPV6_NETWORK_BITS), strict=False))


class LimitMiddleware:
    """Charges each request to its account or its address; after `AuthenticationMiddleware`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """The application that charges a request before this one answers it."""

        async def charged(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.WEBSOCKET:  # its token is in its first frame
                await app(scope, receive, send)
                return
            principal = scope.get("user")
            if principal is None:
                self._limits.charge_anonymous(scope)
                await app(scope, receive, send)
                return
            standing = self._limits.charge_request(principal.account)

            async def send_with_standing(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], *headers_of(standing)]
                await send(message)

            await app(scope, receive, send_with_standing)

        return charged
