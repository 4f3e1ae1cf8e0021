"""Answers questions: the one place where scope, generation, cache and recipes meet.

Three things are decided here and nowhere else: from which generation an answer comes (the current
one, or a pinned one), whether the generation is fresh enough for a member, and that a member who
pins an older one sees in it nothing that the newest would not show him.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from api.answers import Format, to_csv, to_json
from api.cache import Cache, Entry, Source
from api.generations import Generation, Generations
from api.ids import Id
from api.problems import MEDIA_TYPE, Problem, body_of, unavailable
from api.questions import Asked, Question
from api.recipes import Recipe
from api.runner import Runner
from olap import sqlfiles
from olap.reader import Rows

_CIRCLES_MAX = 10_000


class Desk:
    """Where questions are answered."""

    def __init__(
        self,
        generations: Generations,
        cache: Cache,
        runner: Runner,
        *,
        scope_max_age_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._generations = generations
        self._cache = cache
        self._runner = runner
        self._scope_max_age = scope_max_age_seconds
        self._clock = clock
        self._circles: dict[tuple[Id, str], str] = {}

    def remembered(self, asked: Asked) -> Entry | None:
        """The answer from memory, if it takes no waiting of any kind to know that it is right."""
        generation = self._generations.peek()
        if generation is None or self._is_too_old(generation, asked.viewer):
            return None
        return self._cache.remembered(generation.prefix + asked.key)

    async def answer(
        self, asked: Asked, *, pin: int | None = None, charge: Callable[[], None]
    ) -> tuple[Entry, Source]:
        """The answer and where it came from.

        Args:
            pin: the number of the generation that is wanted; the current one, if None.
            charge: called when something must be computed; may raise `NotStartedError`.

        Raises:
            Problem: there is no answer, and why.
        """
        question = asked.of(await self._generation(asked.viewer, pin))

        async def compute() -> Entry:
            charge()
            return await self._compute(question)

        return await self._cache.get(question.key, compute)

    async def compute_into_cache(self, asked: Asked, generation: Generation) -> None:
        """Compute an answer of a generation that does not serve yet."""
        question = asked.of(generation)
        await self._cache.get(question.key, lambda: self._compute(question))

    def asked_last(self, most: int) -> list[str]:
        """The keys of the questions that were asked last, without the generation's prefix."""
        serving = self._generations.serving
        return [] if serving is None else self._cache.recent(serving.prefix, most)

    async def _generation(self, viewer: Id | None, pin: int | None) -> Generation:
        current = await self._generations.current()
        if self._is_too_old(current, viewer):
            raise unavailable(
                "What members may see is not known freshly enough: the data are too old.",
                retry_after=60,
            )
        if pin is None or pin == current.number:
            return current
        pinned = await self._generations.pinned(pin)
        if viewer is not None and not await self._same_circle(viewer, current, pinned):
            raise Problem(
                HTTPStatus.GONE,
                "generation cannot be asked any more: who takes part in your conversations has "
                f"changed since; ask {current.number}.",
                parameter="generation",
            )
        return pinned

    def _is_too_old(self, generation: Generation, viewer: Id | None) -> bool:
        """Membership is authorization: an old generation does not know who has left."""
        if viewer is None:
            return False
        return self._clock() - generation.data_through.timestamp() > self._scope_max_age

    async def _same_circle(self, viewer: Id, one: Generation, other: Generation) -> bool:
        """Whether both show a viewer the same conversations and the same people in them."""
        return await self._circle(viewer, one) == await self._circle(viewer, other)

    async def _circle(self, viewer: Id, generation: Generation) -> str:
        key = (viewer, generation.tag)
        if key not in self._circles:
            if len(self._circles) >= _CIRCLES_MAX:
                self._circles.clear()
            statement = sqlfiles.text("serving/circle")
            rows = await self._runner.run(generation, "circle", statement, {"viewer": viewer})
            self._circles[key] = str(rows[0]["circle"])
        return self._circles[key]

    async def _compute(self, question: Question) -> Entry:
        recipe = question.asked.subject
        assert isinstance(recipe, Recipe)

        async def ask(metric: str, /, **parameters: Any) -> Rows:
            return await self._runner.ask(question.generation, metric, parameters)

        try:
            answer = await recipe.make(ask, question)
        except Problem as problem:
            if problem.status_code != HTTPStatus.NOT_FOUND:
                raise
            return Entry.of(question.key, 404, MEDIA_TYPE, body_of(problem))
        form = question.asked.form
        if form is Format.CSV:
            assert recipe.table is not None
            field, kind = recipe.table
            body = to_csv(kind, getattr(answer, field))
        else:
            body = to_json(answer)
        return Entry.of(question.key, 200, form.media_type, body)
