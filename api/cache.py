"""Cached answers: in this process's memory, then in Redis, else computed once.

An answer is kept as the bytes that go over the wire, in each content coding, so a hit encodes no
JSON and compresses nothing. Redis has the plain bytes alone. The key contains
everything that an answer depends on, the generation first: there is nothing to invalidate, and the
time to live only limits the space. Litestar's own response cache is not used, because its key does
not contain the principal.

Within a process one key is computed once at a time; other requests for it wait for the same result
or the same error. Across processes a mark in Redis (`SET NX`) asks the others to wait. The mark is
a hint: a process that finds no answer in time computes it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from api.compression import codings_of
from api.negotiation import Coding
from api.redis_cache import RedisCache

Headers = list[tuple[bytes, bytes]]

# The key of an answer's source in the request's state, for the log and the metrics.
SOURCE = "analytics_source"

_LEAD_SECONDS = 2.0
_RETRY_SECONDS = 0.02
_ENTRY_OVERHEAD_BYTES = 1000


class Source(StrEnum):
    """Where an answer came from; the header `X-Cache`."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"  # computed while Redis was not available


@dataclass(frozen=True, slots=True)
class Representation:
    """An answer in one content coding.

    Attributes:
        tag: its `ETag`.
        headers, headers_unchanged: those of an answer from a cache, with the body and for 304.
    """

    body: bytes
    tag: bytes
    headers: Headers
    headers_unchanged: Headers


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer as bytes.

    Attributes:
        status: 200, or 404: that something is not visible is an answer as well.
        media_type: of the body.
        body: without a content coding.
        etag: of the body, with its quotes; a digest of the key and the bytes.
        filename: under which a browser saves the answer; empty if it shows the answer instead.
        representations: the answer in the codings that make it shorter, and as it is.
    """

    status: int
    media_type: str
    body: bytes
    etag: str
    filename: str = ""
    representations: Mapping[Coding, Representation] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codings = codings_of(self.body)
        made = {coding: self._representation(coding, body) for coding, body in codings.items()}
        object.__setattr__(self, "representations", made)

    def _representation(self, coding: Coding, body: bytes) -> Representation:
        is_coded = coding is not Coding.IDENTITY
        # Other bytes are another representation, so they have a tag of their own (RFC 9110, 8.8.3).
        tag = (f'{self.etag[:-1]}-{coding}"' if is_coded else self.etag).encode()
        same = [(b"cache-control", b"private"), (b"x-cache", b"hit")]
        if self.status == 200:
            same.append((b"etag", tag))
        whole = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if is_coded:
            whole.append((b"content-encoding", coding.encode()))
        if self.filename:
            disposition = f'attachment; filename="{self.filename}"'
            whole.append((b"content-disposition", disposition.encode()))
        return Representation(body, tag, whole + same, same)

    def representation(self, coding: Coding) -> Representation:
        """The answer in a coding, or as it is if that is not shorter."""
        return self.representations.get(coding) or self.representations[Coding.IDENTITY]

    @property
    def size(self) -> int:
        """The bytes of all bodies."""
        return sum(len(one.body) for one in self.representations.values())

    @classmethod
    def of(cls, key: str, status: int, media_type: str, body: bytes, filename: str = "") -> Entry:
        """An entry with its digest."""
        digest = _digest(key, _head(status, filename, media_type), body)
        return cls(status, media_type, body, f'"{digest}"', filename)

    def stored(self) -> bytes:
        """The entry as Redis stores it."""
        head = _head(self.status, self.filename, self.media_type)
        return f"{self.etag[1:-1]} {head}\n".encode() + self.body

    @classmethod
    def read(cls, key: str, stored: bytes) -> Entry | None:
        """The entry in these bytes; None if they are not an entry of this key."""
        head, _, body = stored.partition(b"\n")
        try:
            digest, status, filename, media_type = head.decode("ascii").split(" ", 3)
            if digest != _digest(key, _head(int(status), filename, media_type), body):
                return None
            return cls(int(status), media_type, body, f'"{digest}"', filename)
        except ValueError:
            return None


def _head(status: int, filename: str, media_type: str) -> str:
    return f"{status} {filename} {media_type}"


def _digest(key: str, head: str, body: bytes) -> str:
    return hashlib.blake2b(f"{key}\n{head}\n".encode() + body, digest_size=16).hexdigest()


class Memory:
    """The answers that were used last, in this process, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> Entry | None:
        """The answer of a key."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Keep an answer; the least recently used ones are dropped for it."""
        self._drop(key)
        self._entries[key] = entry
        self._size += _weight(key, entry)
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def recent(self, prefix: str, limit: int) -> list[str]:
        """The keys with this prefix that were used last, newest first, without the prefix."""
        keys = (key for key in reversed(self._entries) if key.startswith(prefix))
        return [key.removeprefix(prefix) for key in islice(keys, limit)]

    def keep_only(self, prefixes: tuple[str, ...]) -> None:
        """Drop the answers of other generations than these."""
        for key in [key for key in self._entries if not key.startswith(prefixes)]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= _weight(key, entry)


def _weight(key: str, entry: Entry) -> int:
    return entry.size + len(key) + _ENTRY_OVERHEAD_BYTES


class NotStartedError(Exception):
    """The computation was not started, for a reason that concerns only this request."""


class Cache:
    """Memory, then Redis, then the computation."""

    def __init__(self, memory: Memory, redis: RedisCache) -> None:
        self.memory = memory
        self._redis = redis
        self._running: dict[str, asyncio.Task[tuple[Entry, Source]]] = {}

    async def get(self, key: str, compute: Callable[[], Awaitable[Entry]]) -> tuple[Entry, Source]:
        """The answer and its source.

        Raises:
            Exception: what `compute` raises; all requests that wait for it get the same. Only a
                `NotStartedError` goes to its own request alone: the others start themselves.
        """
        while True:
            entry = self.memory.get(key)
            if entry is not None:
                return entry, Source.HIT
            task = self._running.get(key)
            is_ours = task is None
            if task is None:
                task = asyncio.create_task(self._load(key, compute))
                self._running[key] = task
                task.add_done_callback(lambda done: self._ended(key, done))
            try:
                # Shielded: a client that disconnects does not take the answer from the others.
                return await asyncio.shield(task)
            except NotStartedError:
                if is_ours:
                    raise

    def _ended(self, key: str, task: asyncio.Task[tuple[Entry, Source]]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # retrieve the exception so that asyncio does not warn

    async def _load(
        self, key: str, compute: Callable[[], Awaitable[Entry]]
    ) -> tuple[Entry, Source]:
        entry = await self._from_redis(key)
        if entry is not None:
            self.memory.put(key, entry)
            return entry, Source.HIT
        is_redis_well = self._redis.is_well
        entry = await compute()
        self.memory.put(key, entry)
        self._redis.put(key, entry.stored())
        return entry, Source.MISS if is_redis_well else Source.BYPASS

    async def _from_redis(self, key: str) -> Entry | None:
        """The answer in Redis, also if another process is computing it now."""
        deadline = asyncio.get_running_loop().time() + _LEAD_SECONDS
        while True:
            stored = await self._redis.get(key)
            entry = None
            if stored is not None:  # in a thread, because it compresses
                entry = await asyncio.to_thread(Entry.read, key, stored)
            if entry is not None:
                return entry
            if asyncio.get_running_loop().time() >= deadline:
                return None
            if await self._redis.lead(key, _LEAD_SECONDS):
                return None
            await asyncio.sleep(_RETRY_SECONDS)
