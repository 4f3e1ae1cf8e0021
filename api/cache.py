"""Cached answers: in this process's memory, then in Redis, else computed once.

An answer is kept as the bytes that go over the wire, in each content coding, so a hit encodes no
JSON and compresses nothing. Redis has the plain bytes alone. The key contains
everything that an answer depends on, the generation first: there is nothing to invalidate, and the
time to live only limits the space. Litestar's own response cache is not used, because its key does
not contain the principal.

What Redis returns is used only if it bears our seal (`api.seal`); without a secret for it, Redis
is neither read nor written.

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
from api.seal import Seal

Headers = list[tuple[bytes, bytes]]

# The key of an answer's source in the request's state, for the log and the metrics.
SOURCE = "analytics_source"

_LEAD_SECONDS = 2.0
_RETRY_SECONDS = 0.02
_ENTRY_OVERHEAD_BYTES = 1000
# Each waits for a thread of the executor. These are many more than clients wait for.
_RUNNING_MAX = 1000


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
        """The entry as bytes."""
        head = _head(self.status, self.filename, self.media_type)
        return f"{self.etag} {head}\n".encode() + self.body

    @classmethod
    def read(cls, stored: bytes) -> Entry:
        """The entry in these bytes, which `stored` has made."""
        head, _, body = stored.partition(b"\n")
        etag, status, filename, media_type = head.decode().split(" ", 3)
        return cls(int(status), media_type, body, etag, filename)


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


class TooManyAtOnceError(NotStartedError):
    """So many answers are being computed that this one was not begun."""


class Cache:
    """Memory, then Redis, then the computation."""

    def __init__(self, memory: Memory, redis: RedisCache, secret: bytes | None) -> None:
        """Use `redis` with a seal from `secret`, and not at all without one."""
        self.memory = memory
        self._redis = redis
        self._seal = None if secret is None else Seal(secret, "answers")
        self._running: dict[str, asyncio.Task[tuple[Entry, Source]]] = {}

    async def get(self, key: str, compute: Callable[[], Awaitable[Entry]]) -> tuple[Entry, Source]:
        """The answer and its source.

        Raises:
            TooManyAtOnceError: too many other answers are being computed.
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
                if len(self._running) >= _RUNNING_MAX:
                    raise TooManyAtOnceError
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
        if self._seal is not None:
            self._redis.put(key, self._seal.close(key, entry.stored()))
        return entry, Source.MISS if is_redis_well else Source.BYPASS

    async def _from_redis(self, key: str) -> Entry | None:
        """The answer in Redis, also if another process is computing it now."""
        if self._seal is None:
            return None
        deadline = asyncio.get_running_loop().time() + _LEAD_SECONDS
        while True:
            stored = await self._redis.get(key)
            content = None if stored is None else self._seal.open(key, stored)
            if content is not None:
                return await asyncio.to_thread(Entry.read, content)  # it compresses
            if asyncio.get_running_loop().time() >= deadline:
                return None
            if await self._redis.lead(key, _LEAD_SECONDS):
                return None
            await asyncio.sleep(_RETRY_SECONDS)
