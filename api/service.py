"""The service: answers queries from a generation, from the caches or by computing.

Four things are decided here and nowhere else: which generation answers (the current or a pinned
one), whether it is fresh enough for a member, that a member whom the messenger has deleted gets no
answer, also not a cached one, and that a member who pins an older generation sees nothing in it
that the newest one would hide.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from litestar.exceptions import TooManyRequestsException

from api.auth import Principal
from api.bounded import Bounded
from api.cache import Cache, Entry, NotStartedError, Source, TooManyAtOnceError
from api.csv_form import to_csv
from api.engine import Engine, window_of
from api.executor import Executor
from api.generations import Generation, Generations
from api.limits import Limits
from api.problems import MEDIA_TYPE, Problem, Reason, body_of, unavailable
from api.query import BoundQuery, Query
from api.schemas import Format, IdForm, to_json, with_text_ids
from olap import sqlfiles
from olap.ids import Id
from olap.reader import Rows

_REMEMBERED_BYTES_MAX = 4_000_000  # some 5,000 viewers in two generations
# Why a member gets no answer, by `serving/viewer.sql`.
_FATES = {
    "deleted": "Your account in the messenger has been deleted.",
    "gone": "Your account is not in the messenger any more.",
}


_AT_ONCE = nullcontext()


class TooManyComputationsError(NotStartedError):
    """The principal has used up their computations; others who wait for this answer have not."""


class Asked(Protocol):
    """What a request asks for, known without its parameters being read again: a query, or a batch.

    Attributes:
        key: of its answer in the cache, without the generation's prefix.
    """

    @property
    def key(self) -> str: ...

    @property
    def viewer(self) -> Id | None:
        """The user whose view applies; None sees the whole site."""

    @property
    def pin(self) -> int | None:
        """The number of the generation that must answer; None = the one that serves."""

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries that it consists of."""


@dataclass(frozen=True, slots=True)
class Turns:
    """For a request with several queries: as many turns as questions are answered at a time.

    What waits for its turn does not wait for a thread, which counts as time of a question. A query
    that the engine answers takes no turn of one that the generation's file answers.
    """

    of_file: asyncio.Semaphore
    of_engine: asyncio.Semaphore


class AnalyticsService:
    """Answers queries."""

    def __init__(
        self,
        generations: Generations,
        cache: Cache,
        executor: Executor,
        limits: Limits,
        *,
        scope_max_age_seconds: int,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._generations = generations
        self._cache = cache
        self._executor = executor
        self._limits = limits
        self._scope_max_age = scope_max_age_seconds
        self._clock = clock
        self._visibilities: Bounded[tuple[Id, str], str] = Bounded(_REMEMBERED_BYTES_MAX, _weight)
        self._fates: Bounded[tuple[Id, str], str] = Bounded(_REMEMBERED_BYTES_MAX, _weight)

    def cached(self, asked: Asked) -> Entry | None:
        """The answer from memory, if it is known to be valid without waiting."""
        generation = self._generations.peek()
        if generation is None or asked.pin not in (None, generation.number):
            return None
        viewer = asked.viewer
        if viewer is not None and (
            self._fates.get((viewer, generation.tag)) != "" or self._is_too_old(generation)
        ):
            return None
        return self.kept(generation, asked)

    def kept(self, generation: Generation, asked: Asked) -> Entry | None:
        """The answer of a generation from memory."""
        return self._cache.memory.get(generation.prefix + asked.key)

    def keep(self, generation: Generation, asked: Asked, entry: Entry) -> None:
        """Keep an answer in memory alone."""
        self._cache.memory.put(generation.prefix + asked.key, entry)

    def turns(self) -> Turns:
        """The turns of one request."""
        of_engine = 1 if self._engine is None else self._engine.threads
        return Turns(asyncio.Semaphore(self._executor.threads), asyncio.Semaphore(of_engine))

    async def answer(self, query: Query, principal: Principal) -> tuple[Entry, Source]:
        """The answer and its source.

        Raises:
            Problem: there is no answer; it says why.
            TooManyRequestsException: it must be computed, and the principal has used up their
                computations.
        """
        generation = await self.generation_for(query.viewer, query.pin)
        return await self.answer_from(generation, query, principal)

    async def answer_from(
        self,
        generation: Generation,
        query: Query,
        principal: Principal,
        turns: Turns | None = None,
    ) -> tuple[Entry, Source]:
        """The answer from a generation that `generation_for` has given for its viewer.

        Args:
            turns: one is taken while the answer is computed, if it must be.

        Raises:
            Problem: there is no answer; it says why.
            TooManyRequestsException: it must be computed, and the principal has used up their
                computations.
        """
        bound = query.bind(generation)
        turn = self._turn(turns, bound)

        async def compute() -> Entry:
            try:
                self._limits.charge_computation(principal.account)
            except TooManyRequestsException as error:
                raise TooManyComputationsError from error
            async with turn:
                return await self._compute(bound)

        try:
            return await self._cache.get(bound.key, compute)
        except TooManyComputationsError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        except TooManyAtOnceError:
            raise unavailable("Too many answers are being computed.", retry_after=5) from None

    async def precompute(self, query: Query, generation: Generation) -> None:
        """Compute an answer of a generation that does not serve yet, and cache it.

        Not those of the engine, which would otherwise get them with each generation, asked for or
        not; and while it is slow, the others would not be ready.
        """
        bound = query.bind(generation)
        if self._is_for_engine(bound):
            return
        await self._cache.get(bound.key, lambda: self._compute(bound))

    def recent_keys(self, limit: int) -> list[str]:
        """The keys of the queries that were asked last, without the generation's prefix."""
        serving = self._generations.serving
        return [] if serving is None else self._cache.memory.recent(serving.prefix, limit)

    async def generation_for(self, viewer: Id | None, pin: int | None) -> Generation:
        """The generation that answers a viewer: the one that serves, or the one that is pinned.

        Raises:
            Problem: there is none, or the viewer may not read it; it says why.
        """
        current = await self._generations.current()
        if viewer is not None:
            if self._is_too_old(current):
                raise unavailable(
                    "The data are too old to tell what members may see.",
                    reason=Reason.TOO_OLD,
                    retry_after=60,
                )
            if fate := await self._fate(viewer, current):
                raise Problem(HTTPStatus.FORBIDDEN, _FATES[fate])
        if pin is None or pin == current.number:
            return current
        pinned = await self._generations.pinned(pin)
        if viewer is not None and not await self._sees_the_same(viewer, current, pinned):
            raise Problem(
                HTTPStatus.GONE,
                "generation cannot be read any more: the participants of your conversations have "
                f"changed since; ask for {current.number}.",
                parameter="generation",
            )
        return pinned

    def _is_too_old(self, generation: Generation) -> bool:
        """Membership is authorization: an old generation does not know who has left."""
        return self._clock() - generation.data_through.timestamp() > self._scope_max_age

    async def _sees_the_same(self, viewer: Id, one: Generation, other: Generation) -> bool:
        """Whether a viewer sees the same conversations and people in both generations."""
        return await self._visibility(viewer, one) == await self._visibility(viewer, other)

    async def _visibility(self, viewer: Id, generation: Generation) -> str:
        """A digest of what a viewer sees in a generation."""
        key = (viewer, generation.tag)
        visibility = self._visibilities.get(key)
        if visibility is None:
            statement = sqlfiles.text("serving/visibility")
            rows = await self._executor.run(generation, "visibility", statement, {"viewer": viewer})
            visibility = str(rows[0]["visibility"])
            self._visibilities.put(key, visibility)
        return visibility

    async def _fate(self, viewer: Id, generation: Generation) -> str:
        """Why a viewer sees nothing in a generation; empty if they see what is theirs.

        So it is of a user who is not in the generation at all: they may be new.
        """
        key = (viewer, generation.tag)
        fate = self._fates.get(key)
        if fate is None:
            statement = sqlfiles.text("serving/viewer")
            rows = await self._executor.run(generation, "viewer", statement, {"viewer": viewer})
            fate = (rows[0]["fate"] or "") if rows else ""
            self._fates.put(key, fate)
        return fate

    def _is_for_engine(self, bound: BoundQuery[Any]) -> bool:
        """Whether the engine answers what a query asks about its period."""
        return (
            self._engine is not None
            and bound.window is not None
            and self._engine.answers(bound.window, bound.generation)
        )

    def _turn(
        self, turns: Turns | None, bound: BoundQuery[Any]
    ) -> AbstractAsyncContextManager[object]:
        if turns is None:
            return _AT_ONCE
        return turns.of_engine if self._is_for_engine(bound) else turns.of_file

    async def _compute(self, bound: BoundQuery[Any]) -> Entry:
        async def ask(metric: str, /, **parameters: Any) -> Rows:
            """Each metric by its own window, of which a query may have several."""
            generation, engine = bound.generation, self._engine
            if engine is not None and engine.answers(window_of(parameters), generation):
                return await engine.ask(generation, metric, parameters)
            return await self._executor.ask(generation, metric, parameters)

        try:
            _require_tables(bound)
            answer = await bound.answer(ask)
        except Problem as problem:
            if problem.status_code != HTTPStatus.NOT_FOUND:
                raise
            return Entry.of(bound.key, 404, MEDIA_TYPE, body_of(problem))
        # In a thread, because it compresses.
        return await asyncio.to_thread(_entry_of, bound, answer)


def _entry_of(bound: BoundQuery[Any], answer: msgspec.Struct) -> Entry:
    """An answer as bytes, in the format that the query asks for."""
    given = bound.query.parameters
    if given.form is Format.CSV:
        body = to_csv(answer, table=given.table, bom=given.bom)
        return Entry.of(bound.key, 200, Format.CSV.media_type, body, bound.filename)
    if given.ids is IdForm.TEXT:
        answer = with_text_ids(answer)
    return Entry.of(bound.key, 200, Format.JSON.media_type, to_json(answer))


def _weight(key: tuple[Id, str], value: str) -> int:
    viewer, tag = key
    return (len(viewer) if isinstance(viewer, str) else 0) + len(tag) + len(value)


def _require_tables(bound: BoundQuery[Any]) -> None:
    """404 where an answer is about what the messenger does not keep: that is unknown, and not 0."""
    missing = bound.generation.missing
    for table in bound.query.endpoint.needs:
        if table in missing:
            reason = missing[table]
            raise Problem(HTTPStatus.NOT_FOUND, f"{reason[0].upper()}{reason[1:]}.")
