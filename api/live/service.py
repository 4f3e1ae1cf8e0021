"""Connects the hub with what it sends, and with who may receive it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from litestar.types import Scope

from api.auth import Principal, Role, Verifier
from api.background import Supervisor
from api.generations import Generation, Generations
from api.limits import Limits
from api.live.hub import STREAMS_MAX, End, Hub, Listener, Message
from api.live.recent import RecentEvents
from api.live.watch import Watch
from api.problems import Problem
from api.service import AnalyticsService

_LOOK_SECONDS = 1.0


class Live:
    """What the handlers and the server need of it.

    Attributes:
        socket_paths: where a WebSocket may be opened, as the bytes of a URL.
    """

    def __init__(
        self,
        generations: Generations,
        service: AnalyticsService,
        verifier: Verifier,
        limits: Limits,
        *,
        open_events: Callable[[], RecentEvents] | None,
        connections_max: int,
        origins: frozenset[str],
        socket_paths: frozenset[bytes],
    ) -> None:
        """Nobody listens.

        Args:
            open_events: opens the recent events; None = there are none.
            connections_max: how many connections a worker has.
            origins: of the other pages that may open a WebSocket; `*` is every one.
        """
        self._generations = generations
        self._service = service
        self._verifier = verifier
        self._limits = limits
        self._open_events = open_events
        self._origins = origins
        # The others are for requests: a page that hears of a generation then asks for it.
        self._hub = Hub(min(STREAMS_MAX, connections_max * 3 // 4))
        self._announced: Generation | None = None
        self._keys_version = verifier.keys_version
        self.socket_paths = socket_paths
        self.charge_anonymous = limits.charge_anonymous

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """Send clients what is new within the block; end their connections after it."""
        async with AsyncExitStack() as stack:
            stack.callback(self.close)
            await stack.enter_async_context(supervisor.running("live", self.look))
            if self._open_events is not None:
                watch = Watch(self._hub, self._open_events)
                await stack.enter_async_context(supervisor.running("live feed", watch.run))
            yield

    async def look(self) -> None:
        """One round: after a moment look at the pointer and at the keys."""
        await asyncio.sleep(_LOOK_SECONDS)
        self._verifier.check_keys()
        if self._verifier.keys_version != self._keys_version:
            self._keys_version = self._verifier.keys_version
            self._hub.end_all(End.REVOKED)
        try:
            await self._generations.current()
        except Problem:  # there is none yet
            return
        self.announce_generation()

    def announce_generation(self) -> None:
        """Send all clients the generation that serves, if it has changed."""
        serving = self._generations.serving
        if serving is None or serving is self._announced:
            return
        self._announced = serving
        content = {"generation": serving.number, "data_through": serving.data_through}
        self._hub.generation.put(Message.of("generation", content))
        self._hub.wake_all()

    def close(self) -> None:
        """End all connections, and accept no more: the server stops."""
        self._hub.close()

    def listening(self, principal: Principal) -> AbstractContextManager[Listener]:
        """A listener, within a block.

        Raises:
            Problem: 429, too many listen already; 503, the server stops.
        """
        return self._hub.listening(principal.account, has_feed=principal.role is Role.ADMIN)

    async def require_generation(self, principal: Principal) -> None:
        """Require what `/generation` requires: one serves, and the principal may read it.

        Raises:
            Problem: it is not so; it says why.
        """
        await self._service.generation_for(principal.viewer, None)
        self.announce_generation()

    def verified(self, authorization: str | None) -> Principal:
        """The principal of a header `Authorization`.

        Raises:
            NotAuthorizedException: 401.
        """
        return self._verifier.principal(authorization)

    def charge_request(self, principal: Principal) -> None:
        """Count a request.

        Raises:
            TooManyRequestsException: 429, there were too many.
        """
        self._limits.charge_request(principal.account)

    def may_open(self, scope: Scope) -> bool:
        """Whether a WebSocket may be opened from the page that wants it, if it is one.

        A page of the host that it asks may, at whatever scheme a proxy has.
        """
        given = {name: value for name, value in scope["headers"] if name in (b"origin", b"host")}
        origin = given.get(b"origin", b"").decode("latin-1")
        if not origin or "*" in self._origins or origin in self._origins:
            return True
        host = given.get(b"host", b"").decode("latin-1")
        return bool(host) and urlsplit(origin).netloc == host
