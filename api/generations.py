"""Which generation answers, and how all workers change to the next one at the same instant.

The ETL publishes a generation by switching its symlink. A worker notices, opens the new file, makes
sure that it has every metric the API asks, computes the answers that everybody wants first, and
only then moves the **pointer file**. Every worker looks at that file (one `stat`) at each request
and answers from the generation it names; so two workers never answer from different ones after each
other, and no client ever goes back.

The pointer is moved under a lock, as a whole, and only forward: whichever worker is ready first
moves it for all. A pointer to a generation that is gone (collected, another DATA_DIR, a load from
scratch that begins at 1 again) binds nobody. A generation is recognised by its number *and* a
digest of its manifest, its **tag**: numbers begin anew when somebody empties DATA_DIR.

Nothing published yet, or a generation that lacks a metric, stops nobody: the old one answers, or a
problem says why none does, and `/health/ready` says it too.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import msgspec

from api.problems import Problem, unavailable
from olap.errors import AnalyticsError
from olap.layout import Layout, write_durably
from olap.log import get_logger
from olap.manifest import Manifest, read_manifest
from olap.publish import generation_numbers
from olap.reader import Reader

log = get_logger(__name__)

_POINTER = "serving.json"
_KEY_PREFIX = "analytics:"


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A published generation that is open here.

    Attributes:
        number: its number.
        tag: its number and a digest of its manifest: no two generations ever share it.
        data_through, generated_at: of its manifest, aware UTC.
        proved_at: since when every table has been proved equal to the source; None = not yet.
        missing: metrics the API asks that it lacks; it may not answer while there are any.
        prefix: how every key of an answer from it begins.
    """

    number: int
    tag: str
    data_through: datetime
    generated_at: datetime
    proved_at: datetime | None
    missing: tuple[str, ...]
    prefix: str

    @property
    def schema(self) -> str:
        """Its name inside the reader."""
        return _schema(self.tag)


class Pointer(msgspec.Struct, frozen=True):
    """What the pointer file says."""

    generation: int
    tag: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the newest generation is not answered from."""

    number: int
    reason: str


async def _warm_nothing(_: Generation) -> None:
    return None


class Generations:
    """The generations this worker has open: the current one and, when somebody pins it, another."""

    def __init__(
        self,
        layout: Layout,
        reader: Reader,
        needed: frozenset[str],
        *,
        directory: Path,
        poll_seconds: float = 1.0,
    ) -> None:
        """Nothing is opened before `start`.

        Args:
            needed: the metrics that the API asks.
            directory: where the pointer file lies; all workers share it.
            poll_seconds: how often the ETL's symlink is looked at.

        Attributes:
            warm_up: computes what everybody wants before a generation answers; bounds itself.
            on_switch: told the keys' prefixes of the generations that are kept.
            refused: why the newest generation is not answered from; None when it is.
        """
        self._layout = layout
        self._reader = reader
        self._needed = needed
        self._pointer = directory / _POINTER
        self._poll_seconds = poll_seconds
        self._open: dict[str, Generation] = {}
        self._current: Generation | None = None
        self._seen: tuple[int, int] | None = None
        self._opening = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self.warm_up: Callable[[Generation], Awaitable[None]] = _warm_nothing
        self.on_switch: Callable[[tuple[str, ...]], None] = lambda prefixes: None
        self.refused: Refused | None = None

    async def start(self) -> None:
        """Open what the pointer names, or else the newest, and watch for the next one."""
        await self._follow()
        if self._current is not None:
            await self.warm_up(self._current)
        await self.look()
        self._watcher = asyncio.create_task(self._watch(), name="generations")

    async def stop(self) -> None:
        """Watch no longer."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def serving(self) -> Generation | None:
        """The generation that answered last; None before the first."""
        return self._current

    def peek(self) -> Generation | None:
        """The generation that answers now; None when the pointer has moved and `current` must look.

        One `stat`, no more: this is called for every request.
        """
        return self._current if _look_at(self._pointer) == self._seen else None

    async def current(self) -> Generation:
        """The generation that answers now.

        Raises:
            Problem: 503, there is none yet.
        """
        # Twice at most: the look that is under way may have begun before the pointer moved once
        # more. The next one has not.
        for _ in range(2):
            if self.peek() is None:
                await self._follow_together()
        if self._current is None:
            reason = "is published yet" if self.refused is None else "can be used"
            raise unavailable(f"No generation {reason}.", retry_after=10)
        return self._current

    async def pinned(self, number: int) -> Generation:
        """The current generation or the one before it, by its number.

        Raises:
            Problem: 410, it is another one, or no longer there.
        """
        current = await self.current()
        if number == current.number:
            return current
        numbers = await asyncio.to_thread(generation_numbers, self._layout)
        before = max((one for one in numbers if one < current.number), default=None)
        if number != before:
            raise gone(current, before)
        try:
            generation = await self._opened(number)
        except AnalyticsError:
            raise gone(current, None) from None
        if generation.missing:
            raise gone(current, None)
        return generation

    async def look(self) -> None:
        """If the ETL has published another generation, make it ready and move the pointer."""
        number = await asyncio.to_thread(self._published)
        if number is None:
            return
        try:
            newest = await self._opened(number)
        except AnalyticsError as error:
            self._refuse(number, error.message)
            return
        if self._current is not None and newest.tag == self._current.tag:
            self.refused = None
            await asyncio.to_thread(self._move, newest)  # somebody may have removed the pointer
            await self._follow(again=True)
            return
        if newest.missing:
            self._refuse(number, f"it lacks the metrics {', '.join(newest.missing)}")
            return
        await self.warm_up(newest)
        await asyncio.to_thread(self._move, newest)
        await self._follow(again=True)
        self.refused = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.look()
            except Exception as error:  # the next look may go better; the old one answers
                log.error("generation.watch_failed", exc_info=error)

    def _refuse(self, number: int, reason: str) -> None:
        if self.refused is None or self.refused.number != number:
            log.error("generation.refused", generation=number, reason=reason)
        self.refused = Refused(number, reason)

    async def _follow_together(self) -> None:
        """Follow the pointer once for all who ask meanwhile.

        One after the other through the lock they would go on one per turn of the event loop. While
        a new generation is asked everything at once a turn takes tens of milliseconds, and the last
        of 64 clients waited for seconds.
        """
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="follow")
            self._following.add_done_callback(self._followed)
        await asyncio.shield(self._following)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._following = None
        if not task.cancelled():
            task.exception()  # looked at, also when all who waited have hung up

    async def _follow(self, *, again: bool = False) -> None:
        """Answer from what the pointer names; `again`: also if it could not be opened before."""
        async with self._opening:
            seen = _look_at(self._pointer)
            if seen == self._seen and self._current is not None and not again:
                return
            pointer = await asyncio.to_thread(self._read_pointer)
            if pointer is None or (self._current and pointer.tag == self._current.tag):
                self._seen = seen
                return
            try:
                generation = await self._open_one(pointer.generation)
            except AnalyticsError as error:
                # It is gone, so whoever moved the pointer there will move it on. We answer from
                # what we have.
                log.warning("generation.pointer_unusable", reason=error.message)
                self._seen = seen
                return
            if generation.tag == pointer.tag and not generation.missing:
                self._switch(generation)
            self._seen = seen

    async def _close(self, tag: str) -> None:
        """Let a generation go, while others are answered; unless it was opened again."""
        async with self._opening:
            if tag not in self._open:
                await asyncio.to_thread(self._reader.detach, _schema(tag))

    def _switch(self, generation: Generation) -> None:
        before, self._current = self._current, generation
        kept = {generation.tag} | ({before.tag} if before else set())
        for tag in set(self._open) - kept:
            del self._open[tag]
            closing = asyncio.create_task(self._close(tag), name="close")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self.on_switch(tuple(one.prefix for one in self._open.values()))
        log.info(
            "generation.serves",
            generation=generation.number,
            before=before.number if before else None,
            data_through=generation.data_through.isoformat(),
        )

    async def _opened(self, number: int) -> Generation:
        async with self._opening:
            return await self._open_one(number)

    async def _open_one(self, number: int) -> Generation:
        generation = await asyncio.to_thread(self._open_file, number)
        self._open[generation.tag] = generation
        return generation

    def _open_file(self, number: int) -> Generation:
        tag = self._tag(number)
        if tag in self._open:
            return self._open[tag]
        manifest = read_manifest(self._layout.generation_manifest(number))
        self._reader.attach(self._layout.generation(number), _schema(tag))
        try:
            has = self._reader.metrics(_schema(tag))
        except BaseException:
            self._reader.detach(_schema(tag))
            raise
        assert manifest.generated_at is not None
        return Generation(
            number=number,
            tag=tag,
            data_through=manifest.data_through,
            generated_at=manifest.generated_at,
            proved_at=_proved_at(manifest),
            missing=tuple(sorted(self._needed - has)),
            prefix=f"{_KEY_PREFIX}{tag}:",
        )

    def _tag(self, number: int) -> str:
        try:
            content = self._layout.generation_manifest(number).read_bytes()
        except OSError:
            return f"{number}-gone"
        return f"{number}-{hashlib.blake2b(content, digest_size=6).hexdigest()}"

    def _published(self) -> int | None:
        """The number that the ETL's symlink names."""
        try:
            return int(self._layout.pointer.readlink().stem.rpartition("-")[2])
        except (OSError, ValueError):
            return None

    def _read_pointer(self) -> Pointer | None:
        try:
            return msgspec.json.decode(self._pointer.read_bytes(), type=Pointer)
        except (OSError, msgspec.DecodeError):
            return None

    def _move(self, generation: Generation) -> None:
        """Point at a generation, unless the pointer names one that is there and no older."""
        with self._pointer.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            named = self._read_pointer()
            is_there = (
                named is not None
                and named.tag == self._tag(named.generation)
                and self._layout.generation(named.generation).exists()
            )
            if named is not None and is_there and named.generation >= generation.number:
                return
            content = msgspec.json.encode(Pointer(generation.number, generation.tag))
            write_durably(self._pointer, content)


def gone(current: Generation, before: int | None) -> Problem:
    """410: what is pinned cannot be answered any more."""
    others = "" if before is None else f" and {before}"
    return Problem(
        HTTPStatus.GONE,
        f"generation is not there any more: {current.number}{others} can be asked.",
        parameter="generation",
    )


def _proved_at(manifest: Manifest) -> datetime | None:
    times = [manifest.proof(table).proved_at for table in manifest.tables]
    proved = [at for at in times if at is not None]
    return min(proved) if proved and len(proved) == len(times) else None


def _schema(tag: str) -> str:
    return f"g{tag.replace('-', '_')}"


def _look_at(path: Path) -> tuple[int, int] | None:
    """What tells one version of a file from another; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as Path.stat, and on every request
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
