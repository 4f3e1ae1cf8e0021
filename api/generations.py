"""Which generation serves, and how all workers switch to the next one at the same instant.

The ETL publishes a generation by switching its symlink. A worker notices, opens the new file,
requires that it has every metric the API reads, computes the answers that will be asked for first,
and only then moves the **pointer file**. Every worker checks that file (one `stat`) on each request
and answers from the generation that it names, so two workers never answer from different
generations one after the other, and no client ever goes back.

The pointer is moved under a lock, atomically, and only forward: the worker that is ready first
moves it for all. A pointer to a generation that does not exist (collected, another DATA_DIR, a load
from scratch that begins at 1 again) is ignored. A generation is identified by its number *and* a
digest of its manifest, its **tag**, because numbers begin at 1 again when DATA_DIR is emptied.

If nothing is published yet, or a generation lacks a metric, has other types of ids than the mapping
or was changed after its publication, the old one serves, or a problem says why none does, and
`/health/ready` shows it too. A generation that is changed while it serves goes on serving, because
what a worker has read stays in its memory; it says so until the next one is published.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from api.deployment import Deployment
from api.problems import Problem, Reason, unavailable
from olap.catalog import data_from, missing_tables
from olap.damage import changed
from olap.days import EVERY_DAY, DayRange, DaySet, day_set
from olap.errors import AnalyticsError
from olap.generations import generation_numbers
from olap.ids import IdTypes
from olap.layout import Layout, write_durably
from olap.log import get_logger
from olap.manifest import FileMark, SourceIdentity, SourceShape, identity, read_manifest
from olap.reader import PublishedMetric, Reader

log = get_logger(__name__)

_POINTER = "serving.json"


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A published generation that this worker has open.

    Attributes:
        number: its number.
        tag: its number and a digest of its manifest: no two generations ever share it.
        data_from, data_through: from the first UTC day with data to the clock of the source, aware.
        generated_at: when it was published, aware UTC.
        coverage: the UTC days that are kept.
        proved_at: since when every table has been proved equal to the source; None = not yet.
        mark: by what its file is recognized; None = an earlier version published it.
        first_day: the first UTC day with data; None = there are none.
        shape: how the source was read.
        missing: why a table is not available, by its name; what it would tell is unknown, not 0.
        catalog: its metrics.
        fault: why it cannot serve; None if it can.
        source: the database that it was read from.
        prefix: the beginning of the cache keys of its answers.
        facts: the UTC days whose facts its file has; an engine has those of all days. Today every
            file has all of them.
    """

    number: int
    tag: str
    data_from: datetime
    data_through: datetime
    generated_at: datetime
    coverage: DaySet
    proved_at: datetime | None
    mark: FileMark | None
    first_day: date | None
    shape: SourceShape
    missing: Mapping[str, str]
    catalog: tuple[PublishedMetric, ...]
    fault: str | None
    source: SourceIdentity
    prefix: str
    facts: DaySet = EVERY_DAY

    def has(self, since: datetime, until: datetime) -> bool:
        """Whether a period does not begin before the data, and all its UTC days are kept.

        Both are facts about the whole site, for members too, whatever they may see of it.
        """
        last = max(since, until - datetime.resolution).date()
        days = day_set(DayRange(since.date(), last))
        return since >= self.data_from and not days - self.coverage

    @property
    def schema(self) -> str:
        """Its schema in the reader."""
        return _schema(self.tag)


class Pointer(msgspec.Struct, frozen=True):
    """The content of the pointer file."""

    generation: int
    tag: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the newest generation does not serve."""

    number: int
    reason: str


async def _warm_nothing(_: Generation) -> None:
    return None


class Generations:
    """The generations that this worker has open: the current one and, if pinned, one more."""

    def __init__(
        self,
        layout: Layout,
        reader: Reader,
        needed: frozenset[str],
        *,
        directory: Path,
        ids: IdTypes,
        deployment: Deployment,
        poll_seconds: float = 1.0,
    ) -> None:
        """Nothing is opened before `start`.

        Args:
            needed: the metrics that the API reads.
            directory: the directory of the pointer file, which all workers share.
            ids: the types of ids that the API reads and writes.
            deployment: is told which source the newest generation was read from.
            poll_seconds: how often the ETL's symlink is checked.

        Attributes:
            warm_up: computes answers before a generation serves; limits its own time.
            on_switch: receives the key prefixes of the generations that are kept.
            refused: why the newest generation does not serve; None if it does.
        """
        self._layout = layout
        self._reader = reader
        self._needed = needed
        self._ids = ids
        self._pointer = directory / _POINTER
        self._deployment = deployment
        self._poll_seconds = poll_seconds
        self._open: dict[str, Generation] = {}
        self._current: Generation | None = None
        self._pointer_version: tuple[int, int] | None = None
        self._damage: dict[str, str] = {}
        self._opening = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.warm_up: Callable[[Generation], Awaitable[None]] = _warm_nothing
        self.on_switch: Callable[[tuple[str, ...]], None] = lambda prefixes: None
        self.refused: Refused | None = None

    async def start(self) -> None:
        """Open the generation that the pointer names, else the newest."""
        await self._follow()
        if self._current is not None:
            await self.warm_up(self._current)
        await self.check()

    async def stop(self) -> None:
        """Wait until the generations that are being closed are."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def serving(self) -> Generation | None:
        """The generation that serves, as of the last request; None before the first."""
        return self._current

    @property
    def damage(self) -> str | None:
        """How it showed that the file of the generation that serves is damaged; None = it is not.

        Answers that need a damaged part are 503, and the others are right.
        """
        return None if self._current is None else self._damage.get(self._current.tag)

    def report_damage(self, generation: Generation, reason: str) -> None:
        """Note that the file of a generation is damaged: it does not begin to serve any more."""
        if generation.tag not in self._damage:
            log.error("generation.damaged", generation=generation.number, reason=reason)
        self._damage[generation.tag] = reason

    def peek(self) -> Generation | None:
        """The generation that serves; None if the pointer has moved and `current` must follow it.

        One `stat` and no more: this is called for every request.
        """
        return self._current if _file_version(self._pointer) == self._pointer_version else None

    async def current(self) -> Generation:
        """The generation that serves.

        Raises:
            Problem: 503, there is none yet.
        """
        # Twice at most: a read of the pointer that is under way may have begun before the pointer
        # moved once more. The next one begins after it.
        for _ in range(2):
            if self.peek() is None:
                await self._follow_together()
        if self._current is None:
            if self.refused is not None:
                raise unavailable("No generation can be used.", retry_after=10)
            raise unavailable(
                "No generation is published yet: run a cycle, with `messenger-analytics run`.",
                reason=Reason.NOTHING_PUBLISHED,
                retry_after=10,
            )
        return self._current

    async def pinned(self, number: int) -> Generation:
        """The current generation or the one before it, by its number.

        Raises:
            Problem: 410, it is another one, or has been removed.
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
        if generation.fault is not None:
            raise gone(current, None)
        return generation

    async def check(self) -> None:
        """If the ETL has published another generation, prepare it and move the pointer."""
        number = self._layout.published
        if number is None:
            return
        try:
            newest = await self._opened(number)
        except AnalyticsError as error:
            self._refuse(number, error.message)
            return
        self._deployment.reads(newest.source)
        fault = newest.fault or self._tampered(newest)
        if self._current is not None and newest.tag == self._current.tag:
            if fault is None:
                self.refused = None
            else:
                self._refuse(number, fault)
            await asyncio.to_thread(self._move, newest)  # the pointer may have been removed
            await self._follow(again=True)
            return
        if fault is not None:
            self._refuse(number, fault)
            return
        if newest.tag not in self._damage:
            await self.warm_up(newest)
        if newest.tag in self._damage:
            self._refuse(number, self._damage[newest.tag])
            return
        await asyncio.to_thread(self._move, newest)
        await self._follow(again=True)
        self.refused = None

    async def watch(self) -> None:
        """One round of watching for the next generation."""
        await asyncio.sleep(self._poll_seconds)
        await self.check()

    def _refuse(self, number: int, reason: str) -> None:
        if self.refused is None or self.refused.number != number:
            log.error("generation.refused", generation=number, reason=reason)
        self.refused = Refused(number, reason)

    async def _follow_together(self) -> None:
        """Follow the pointer once for all requests that wait for it.

        One after the other through the lock, one request per turn of the event loop would continue.
        While a new generation receives all first requests a turn takes tens of milliseconds, and
        the last of 64 clients waited for seconds.
        """
        if self._following is None:
            self._following = asyncio.create_task(self._follow(), name="follow")
            self._following.add_done_callback(self._followed)
        await asyncio.shield(self._following)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._following = None
        if not task.cancelled():
            task.exception()  # retrieve the exception so that asyncio does not warn

    async def _follow(self, *, again: bool = False) -> None:
        """Serve what the pointer names; `again`: also if it could not be opened before."""
        async with self._opening:
            version = _file_version(self._pointer)
            if version == self._pointer_version and self._current is not None and not again:
                return
            pointer = await asyncio.to_thread(self._read_pointer)
            if pointer is None or (self._current and pointer.tag == self._current.tag):
                self._pointer_version = version
                return
            try:
                generation = await self._open_one(pointer.generation)
            except AnalyticsError as error:
                # It has been removed, so the worker that moved the pointer there will move it on.
                log.warning("generation.pointer_unusable", reason=error.message)
                self._pointer_version = version
                return
            if generation.tag == pointer.tag and generation.fault is None:
                self._switch(generation)
            self._pointer_version = version

    async def _close(self, tag: str) -> None:
        """Close a generation in the background, unless it was opened again."""
        async with self._opening:
            if tag not in self._open:
                await asyncio.to_thread(self._reader.detach, _schema(tag))

    def _switch(self, generation: Generation) -> None:
        before, self._current = self._current, generation
        self._deployment.reads(generation.source)
        kept = {generation.tag} | ({before.tag} if before else set())
        for tag in set(self._open) - kept:
            del self._open[tag]
            closing = asyncio.create_task(self._close(tag), name="close")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._damage = {tag: how for tag, how in self._damage.items() if tag in self._open}
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
            catalog = self._reader.catalog(_schema(tag))
        except BaseException:
            self._reader.detach(_schema(tag))
            raise
        assert manifest.generated_at is not None
        return Generation(
            number=number,
            tag=tag,
            data_from=data_from(manifest.first_day, manifest.data_through),
            data_through=manifest.data_through,
            generated_at=manifest.generated_at,
            coverage=manifest.coverage,
            proved_at=manifest.proved_at,
            mark=manifest.file,
            first_day=manifest.first_day,
            shape=manifest.shape,
            missing=missing_tables(manifest),
            catalog=catalog,
            fault=self._fault(manifest.shape, frozenset(metric.macro for metric in catalog)),
            source=manifest.source,
            prefix=f"{self._deployment.keys_of(manifest.source).answers}{tag}:",
        )

    def _fault(self, shape: SourceShape, metrics: frozenset[str]) -> str | None:
        """Why a generation of this shape and with these metrics cannot serve."""
        if shape.ids != self._ids:
            return (
                f"its ids are {_described(shape.ids)} (mapping {shape.mapping}), and those of the "
                f"API are {_described(self._ids)}: set SOURCE_MAPPING as the pipeline has it"
            )
        if missing := sorted(self._needed - metrics):
            return f"it lacks the metrics {', '.join(missing)}"
        return None

    def _tampered(self, generation: Generation) -> str | None:
        """What was done to the file of a generation after its publication."""
        if generation.mark is None:
            return None
        reason = changed(self._layout.generation(generation.number), generation.mark)
        return None if reason is None else f"its file is not as it was published: {reason}"

    def _tag(self, number: int) -> str:
        return tag_of(self._layout, number)

    def _read_pointer(self) -> Pointer | None:
        try:
            return msgspec.json.decode(self._pointer.read_bytes(), type=Pointer)
        except (OSError, msgspec.DecodeError):
            return None

    def _move(self, generation: Generation) -> None:
        """Move the pointer to a generation, unless it names an existing one that is not older."""
        with self._pointer.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            named = self._read_pointer()
            exists = (
                named is not None
                and named.tag == self._tag(named.generation)
                and self._layout.generation(named.generation).exists()
            )
            if named is not None and exists and named.generation >= generation.number:
                return
            content = msgspec.json.encode(Pointer(generation.number, generation.tag))
            write_durably(self._pointer, content)


def tag_of(layout: Layout, number: int) -> str:
    """The tag of the generation that has this number now."""
    try:
        content = layout.generation_manifest(number).read_bytes()
    except OSError:
        return f"{number}-gone"
    return f"{number}-{hashlib.blake2b(identity(content), digest_size=6).hexdigest()}"


def gone(current: Generation, before: int | None) -> Problem:
    """410: the pinned generation cannot be read any more."""
    others = "" if before is None else f" and {before}"
    return Problem(
        HTTPStatus.GONE,
        f"generation does not exist any more; there are {current.number}{others}.",
        parameter="generation",
    )


def _described(ids: IdTypes) -> str:
    return ", ".join(f"{kind} {type_}" for kind, type_ in asdict(ids).items())


def _schema(tag: str) -> str:
    return f"g{tag.replace('-', '_')}"


def _file_version(path: Path) -> tuple[int, int] | None:
    """What distinguishes one version of a file from another; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as Path.stat, and on every request
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
