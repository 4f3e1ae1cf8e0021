"""Clients that post events until they are accepted, and a comparison with what is stored."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from uuid import uuid4

import httpx
import psycopg

from tests.tokens import Signer

_CLIENTS = 16
_BATCH = 5
# Longer than any answer may take, and than anything takes that a test waits for.
_LATE_SECONDS = 120.0
_MOVED_SECONDS = 300.0


class Load:
    """Clients of one API or several; each sends a batch until the answer is 202.

    Attributes:
        sent: the number of each event that was sent, by uuid.
        accepted: the uuids that were answered with 202.
        answers: the number of each status; `lost` is a connection that ended without one.
    """

    def __init__(self, *urls: str) -> None:
        self.urls = urls
        self.sent: dict[str, int] = {}
        self.accepted: set[str] = set()
        self.answers: Counter[int | str] = Counter()
        self._is_over = threading.Event()
        self._name = str(uuid4())

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Within the block the clients post; it begins after the first 202 answers."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        thread.start()
        try:
            self.go_on()
            yield self
            self.go_on()
        finally:
            self._is_over.set()
            thread.join()

    def go_on(self, more: int = 40 * _BATCH) -> None:
        """Wait until so many more events have been accepted."""
        goal, deadline = len(self.accepted) + more, time.monotonic() + _MOVED_SECONDS
        while len(self.accepted) < goal:
            assert time.monotonic() < deadline, f"no events are accepted: {self.answers}"
            time.sleep(0.01)

    def wait_for(self, answer: int | str, more: int = 10) -> None:
        """Wait until so many more answers of this kind have arrived."""
        goal, deadline = self.answers[answer] + more, time.monotonic() + _MOVED_SECONDS
        while self.answers[answer] < goal:
            assert time.monotonic() < deadline, f"no {answer}: {self.answers}"
            time.sleep(0.01)

    def require_stored(self, database: str) -> None:
        """Require that the table has every accepted event once, and no event that was not sent."""
        deadline = time.monotonic() + _MOVED_SECONDS
        while missing := self.accepted - set(stored := self._stored(database)):
            assert time.monotonic() < deadline, f"{len(missing)} of {len(self.accepted)} are lost"
            time.sleep(0.05)
        assert {identity: self.sent.get(identity) for identity in stored} == stored
        assert len(set(stored.values())) == len(stored)

    def _stored(self, database: str) -> dict[str, int]:
        with psycopg.connect(database) as connection:
            return dict(
                connection.execute(
                    "select id::text, (metadata ->> 'n')::integer from analytics_events"
                    " where metadata ->> 'load' = %s",
                    [self._name],
                ).fetchall()
            )

    async def _all(self) -> None:
        headers = {"Authorization": Signer.new("HS256").bearer(role="service", sub="load")}
        limits = httpx.Limits(max_connections=_CLIENTS)
        async with httpx.AsyncClient(
            headers=headers, timeout=_LATE_SECONDS, limits=limits
        ) as client:
            urls = islice(cycle(self.urls), _CLIENTS)
            await asyncio.gather(*(self._one(client, f"{url}/events") for url in urls))

    async def _one(self, client: httpx.AsyncClient, url: str) -> None:
        while not self._is_over.is_set():
            batch = {str(uuid4()): len(self.sent) + n for n in range(_BATCH)}
            self.sent |= batch
            events: list[dict[str, object]] = [
                {
                    "id": identity,
                    "event_type": "message.sent",
                    "metadata": {"n": n, "load": self._name},
                }
                for identity, n in batch.items()
            ]
            while await self._post(client, url, events) != 202:
                if self._is_over.is_set():
                    return
                await asyncio.sleep(0.02)
            self.accepted |= batch.keys()

    async def _post(
        self, client: httpx.AsyncClient, url: str, events: list[dict[str, object]]
    ) -> int | str:
        answer: int | str
        try:
            answer = (await client.post(url, json=events)).status_code
        except httpx.TimeoutException:
            answer = "late"
        except httpx.TransportError:
            answer = "lost"
        self.answers[answer] += 1
        return answer
