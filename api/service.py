"""The service: answers queries from a generation, from the caches or by computing.

Three things are decided here and nowhere else: which generation answers (the current or a pinned
one), whether it is fresh enough for a member, and that a member who pins an older generation sees
nothing in it that the newest one would hide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar.exceptions import TooManyRequestsException

from api.auth import Principal
from api.cache import Cache, Entry, NotStartedError, Source
from api.executor import Executor
from api.generations import Generation, Generations
from api.limits import Limits
from api.problems import MEDIA_TYPE, Problem, body_of, unavailable
from api.query import BoundQuery, Query
from api.schemas import Format, to_csv, to_json
from olap import sqlfiles
from olap.ids import Id
from olap.reader import Rows

_VISIBILITIES_MAX = 10_000


class TooManyComputationsError(NotStartedError):
    """The principal has used up their computations; others who wait for this answer have not."""


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._generations = generations
        self._cache = cache
        self._executor = executor
        self._limits = limits
        self._scope_max_age = scope_max_age_seconds
        self._clock = clock
        self._visibilities: dict[tuple[Id, str], str] = {}

    def cached(self, query: Query) -> Entry | None:
        """The answer from memory, if it is known to be valid without waiting."""
        generation = self._generations.peek()
        if generation is None or self._is_too_old(generation, query.viewer):
            return None
        return self._cache.memory.get(generation.prefix + query.key)

    async def answer(self, query: Query, principal: Principal) -> tuple[Entry, Source]:
        """The answer and its source.

        Raises:
            Problem: there is no answer; it says why.
            TooManyRequestsException: it must be computed, and the principal has used up their
                computations.
        """
        bound = query.bind(await self._generation(query))

        async def compute() -> Entry:
            try:
                self._limits.charge_computation(principal.subject)
            except TooManyRequestsException as error:
                raise TooManyComputationsError from error
            return await self._compute(bound)

        try:
            return await self._cache.get(bound.key, compute)
        except TooManyComputationsError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None

    async def precompute(self, query: Query, generation: Generation) -> None:
        """Compute an answer of a generation that does not serve yet, and cache it."""
        bound = query.bind(generation)
        await self._cache.get(bound.key, lambda: self._compute(bound))

    def recent_keys(self, limit: int) -> list[str]:
        """The keys of the queries that were asked last, without the generation's prefix."""
        serving = self._generations.serving
        return [] if serving is None else self._cache.memory.recent(serving.prefix, limit)

    async def _generation(self, query: Query) -> Generation:
        """The generation that answers a query."""
        current = await self._generations.current()
        pin, viewer = query.parameters.generation, query.viewer
        if self._is_too_old(current, viewer):
            raise unavailable("The data are too old to tell what members may see.", retry_after=60)
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

    def _is_too_old(self, generation: Generation, viewer: Id | None) -> bool:
        """Membership is authorization: an old generation does not know who has left."""
        if viewer is None:
            return False
        return self._clock() - generation.data_through.timestamp() > self._scope_max_age

    async def _sees_the_same(self, viewer: Id, one: Generation, other: Generation) -> bool:
        """Whether a viewer sees the same conversations and people in both generations."""
        return await self._visibility(viewer, one) == await self._visibility(viewer, other)

    async def _visibility(self, viewer: Id, generation: Generation) -> str:
        """A digest of what a viewer sees in a generation."""
        key = (viewer, generation.tag)
        if key not in self._visibilities:
            if len(self._visibilities) >= _VISIBILITIES_MAX:
                self._visibilities.clear()
            statement = sqlfiles.text("serving/visibility")
            rows = await self._executor.run(generation, "visibility", statement, {"viewer": viewer})
            self._visibilities[key] = str(rows[0]["visibility"])
        return self._visibilities[key]

    async def _compute(self, bound: BoundQuery[Any]) -> Entry:
        endpoint, form = bound.query.endpoint, bound.query.parameters.format

        async def ask(metric: str, /, **parameters: Any) -> Rows:
            return await self._executor.ask(bound.generation, metric, parameters)

        try:
            _require_tables(bound)
            answer = await endpoint.compute(ask, bound)
        except Problem as problem:
            if problem.status_code != HTTPStatus.NOT_FOUND:
                raise
            return Entry.of(bound.key, 404, MEDIA_TYPE, body_of(problem))
        if form is Format.CSV:
            assert endpoint.rows is not None
            field, kind = endpoint.rows
            body = to_csv(kind, getattr(answer, field))
        else:
            body = to_json(answer)
        return Entry.of(bound.key, 200, form.media_type, body)


def _require_tables(bound: BoundQuery[Any]) -> None:
    """404 where an answer is about what the messenger does not keep: that is unknown, and not 0."""
    missing = bound.generation.missing
    for table in bound.query.endpoint.needs:
        if table in missing:
            reason = missing[table]
            raise Problem(HTTPStatus.NOT_FOUND, f"{reason[0].upper()}{reason[1:]}.")
