"""Answers that are kept: as bytes in this process, then in Redis, then computed, once.

What is kept is the answer as it goes over the wire, so a hit touches no JSON. The key says all that
an answer depends on, the generation first: there is nothing to invalidate, and the time to live is
only hygiene. Litestar's own response cache is not used: its key does not know who asks.

One key is computed once at a time in this process; others who want it wait for the same result, or
the same error. Across processes a mark in Redis (`SET NX`) asks the others to wait; it is a hint,
and whoever finds no answer in time computes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from api.shared import SharedCache

Headers = list[tuple[bytes, bytes]]

_LEAD_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.02


class Source(StrEnum):
    """Where an answer came from; the header `X-Cache`."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"  # computed while Redis could not be asked


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer as bytes.

    Attributes:
        status: 200, or 404: that something is not to be seen is an answer, too.
        media_type: of the body.
        etag: with its quotes; a digest of the key and the bytes.
    """

    status: int
    media_type: str
    body: bytes
    etag: str
    headers: Headers = field(init=False, repr=False)
    headers_unchanged: Headers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        same = [
            (b"cache-control", b"private"),
            (b"vary", b"Authorization"),
            (b"x-cache", b"hit"),
        ]
        if self.status == 200:
            same.append((b"etag", self.etag.encode()))
        whole = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
        ]
        object.__setattr__(self, "headers", whole + same)
        object.__setattr__(self, "headers_unchanged", same)

    @classmethod
    def of(cls, key: str, status: int, media_type: str, body: bytes) -> Entry:
        """An entry, with its digest."""
        return cls(status, media_type, body, f'"{_digest(key, status, media_type, body)}"')

    def stored(self) -> bytes:
        """What is put into Redis."""
        return f"{self.etag[1:-1]} {self.status} {self.media_type}\n".encode() + self.body

    @classmethod
    def read(cls, key: str, stored: bytes) -> Entry | None:
        """The entry, if these bytes are one and belong to this key."""
        head, _, body = stored.partition(b"\n")
        try:
            digest, status, media_type = head.decode("ascii").split(" ", 2)
            entry = cls.of(key, int(status), media_type, body)
        except ValueError:
            return None
        return entry if entry.etag == f'"{digest}"' else None


def _digest(key: str, status: int, media_type: str, body: bytes) -> str:
    head = f"{key}\n{status} {media_type}\n".encode()
    return hashlib.blake2b(head + body, digest_size=16).hexdigest()


class Memory:
    """The hottest answers, in this process, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> Entry | None:
        """The answer that is kept under a key."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Keep an answer; those that were not asked for longest make room."""
        self._drop(key)
        self._entries[key] = entry
        self._size += _weight(key, entry)
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def recent(self, prefix: str, most: int) -> list[str]:
        """The keys that begin so and were asked last, the latest first, without the prefix."""
        keys = (key for key in reversed(self._entries) if key.startswith(prefix))
        return [key.removeprefix(prefix) for key in islice(keys, most)]

    def keep_only(self, prefixes: tuple[str, ...]) -> None:
        """Forget what belongs to other generations than these."""
        for key in [key for key in self._entries if not key.startswith(prefixes)]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= _weight(key, entry)


def _weight(key: str, entry: Entry) -> int:
    return len(entry.body) + len(key) + 1000  # the objects around them


class NotStartedError(Exception):
    """Computing was not begun, for a reason that concerns only who wanted to begin."""


class Cache:
    """Memory, then Redis, then whatever computes the answer."""

    def __init__(self, memory: Memory, shared: SharedCache) -> None:
        self._memory = memory
        self._shared = shared
        self._flights: dict[str, asyncio.Task[tuple[Entry, Source]]] = {}

    def recent(self, prefix: str, most: int) -> list[str]:
        """What of a generation was asked last of memory; see `Memory.recent`."""
        return self._memory.recent(prefix, most)

    def keep_only(self, prefixes: tuple[str, ...]) -> None:
        """Forget in memory what belongs to other generations than these."""
        self._memory.keep_only(prefixes)

    def remembered(self, key: str) -> Entry | None:
        """What this process has in memory; no waiting, no Redis."""
        return self._memory.get(key)

    async def get(self, key: str, compute: Callable[[], Awaitable[Entry]]) -> tuple[Entry, Source]:
        """The answer, and where it came from.

        Raises:
            Exception: whatever `compute` raises; all who wait for it get the same. Only a
                `NotStartedError` is for who began alone: the others begin themselves.
        """
        while True:
            entry = self._memory.get(key)
            if entry is not None:
                return entry, Source.HIT
            flight = self._flights.get(key)
            is_ours = flight is None
            if flight is None:
                flight = asyncio.create_task(self._fly(key, compute))
                self._flights[key] = flight
                flight.add_done_callback(lambda done: self._landed(key, done))
            try:
                # Shielded: who hangs up does not take the answer from the others.
                return await asyncio.shield(flight)
            except NotStartedError:
                if is_ours:
                    raise

    def _landed(self, key: str, flight: asyncio.Task[tuple[Entry, Source]]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # looked at, so that nobody says it was not

    async def _fly(self, key: str, compute: Callable[[], Awaitable[Entry]]) -> tuple[Entry, Source]:
        entry = await self._from_others(key)
        if entry is not None:
            self._memory.put(key, entry)
            return entry, Source.HIT
        is_shared = self._shared.is_well
        entry = await compute()
        self._memory.put(key, entry)
        self._shared.put(key, entry.stored())
        return entry, Source.MISS if is_shared else Source.BYPASS

    async def _from_others(self, key: str) -> Entry | None:
        """What Redis has, or gets from another process that is computing it just now."""
        deadline = asyncio.get_running_loop().time() + _LEAD_SECONDS
        while True:
            stored = await self._shared.get(key)
            entry = None if stored is None else Entry.read(key, stored)
            if entry is not None:
                return entry
            if asyncio.get_running_loop().time() >= deadline:
                return None
            if await self._shared.lead(key, _LEAD_SECONDS):
                return None
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
