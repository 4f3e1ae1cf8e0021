"""Answers questions about long periods from an engine, in place of the generation's file.

A **question** is one metric of a query. `goes_to_engine` decides where it is answered; everything
else about a query is the same: who may ask it, its key in the caches, and every byte of its answer.

Questions for the engine run on threads of their own, `ENGINE_THREADS` at the same time, so a slow
engine takes no thread of other questions. A question that takes longer than
`ENGINE_TIMEOUT_SECONDS`, waiting for a thread included, is 503, and so is every question for an
engine that is absent or fails; nothing of that is cached. A failure makes the engine **away**: all
its sessions are closed, which ends what runs there, and questions are refused at once, except for
one try at a time, after a pause that grows from five seconds to one minute. A question that is
merely slow, because others were answered meanwhile, makes it no such thing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from enum import StrEnum
from typing import Any

from api import telemetry
from api.breaker import Breaker
from api.engine_line import Line, OpenSession
from api.generations import Generation
from api.periods import Window
from api.problems import Problem, unavailable
from olap.days import EVERY_DAY, DayRange, day_set
from olap.errors import AnalyticsError, EngineUnavailableError
from olap.log import get_logger
from olap.reader import QueryError, Rows
from olap.settings import Settings

log = get_logger(__name__)

_FAILED_RETRY_SECONDS = 30
# Questions that wait, for each thread. Other answers need room in the cache's list of what runs.
_WAITING_PER_THREAD = 16
# Threads that an engine does not let go, also not when its sessions are closed.
_STUCK_PER_THREAD = 8
_CLOSING_SECONDS = 5.0


class EngineState(StrEnum):
    """Whether there is an engine, and whether it is used."""

    OFF = "off"
    OK = "ok"
    AWAY = "away"


class Outcome(StrEnum):
    """How a question to the engine ended."""

    ANSWERED = "answered"
    FAILED = "failed"  # the engine could not answer this one
    SLOW = "slow"
    UNAVAILABLE = "unavailable"  # the engine could not be reached, or ended meanwhile
    REFUSED = "refused"  # it was not asked: it is away, or too many questions wait


def goes_to_engine(window: Window | None, generation: Generation, settings: Settings) -> bool:
    """Whether a question is answered by the engine and not from the generation's file.

    It is if there is an engine, and either

    * the window is longer than `ENGINE_ABOVE_DAYS`, counted as `period_days` counts: begun days
      are whole ones, and the hour by which a clock is set back makes no day; or
    * the generation's file has no facts for one of the window's UTC days (`Generation.facts`).
      Today every generation has the facts of all its days, so this decides nothing yet.

    A question without a window (`None`) is about all days, and an empty window about none.
    """
    if settings.engine_url is None:
        return False
    if window is None:
        return bool(EVERY_DAY - generation.facts)
    if window.since >= window.until:
        return False
    if window.days > settings.engine_above_days:
        return True
    last = window.until - window.until.resolution
    return bool(day_set(DayRange(window.since.date(), last.date())) - generation.facts)


def window_of(parameters: Mapping[str, Any]) -> Window | None:
    """The window of a question, by the parameters of its metric; None if it has none."""
    if "since" not in parameters:
        return None
    since, until = parameters["since"], parameters["until"]
    return Window(since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))


class Engine:
    """Asks the engine; for the event loop."""

    def __init__(
        self,
        open_session: OpenSession,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened before the first question.

        Args:
            open_session: is called in a thread; `prepare` follows.

        Attributes:
            threads: how many questions are asked at the same time.
        """
        self.threads = settings.engine_threads
        self._settings = settings
        self._open_session = open_session
        self._timeout = settings.engine_timeout_seconds
        days = settings.engine_above_days
        self._about = f"Periods of more than {days} days are answered by an engine"
        self._clock = clock
        self._breaker = Breaker(clock)
        self._line: Line | None = None
        self._running = 0
        self._answered_at: float | None = None
        self._closing: set[threading.Thread] = set()
        self._is_closed = False

    @property
    def state(self) -> EngineState:
        """Whether it is used."""
        return EngineState.AWAY if self._breaker.is_open else EngineState.OK

    def answers(self, window: Window | None, generation: Generation) -> bool:
        """Whether it answers a question about this window."""
        return goes_to_engine(window, generation, self._settings)

    async def ask(self, generation: Generation, metric: str, parameters: Mapping[str, Any]) -> Rows:
        """The rows of a metric.

        Raises:
            Problem: 503, the engine is away, too slow, or could not answer.
        """
        line = self._admit()
        is_try, begun = self._breaker.is_open, self._clock()
        question = asyncio.create_task(line.answer(generation, metric, parameters))
        line.questions += 1
        ends: set[asyncio.Future[Any]] = {question, line.broken}
        try:
            await asyncio.wait(ends, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            return self._outcome(line, generation, metric, question, begun)
        finally:
            line.questions -= 1
            question.cancel()
            if is_try:
                self._breaker.is_trying = False
            telemetry.ENGINE_SECONDS.labels(metric).observe(self._clock() - begun)

    def keep_only(self, prefixes: tuple[str, ...]) -> None:
        """Close the sessions of other generations than these; running questions finish first."""
        if self._line is not None:
            for prefix in set(self._line.sessions) - set(prefixes):
                self._line.drop(prefix)

    def close(self) -> None:
        """Ask nothing more, and end what runs: the server stops."""
        self._is_closed = True
        self._break_line()

    async def stop(self) -> None:
        """`close`, and wait some seconds until the sessions are closed."""
        self.close()
        deadline = self._clock() + _CLOSING_SECONDS
        for thread in list(self._closing):
            await asyncio.to_thread(thread.join, max(0.0, deadline - self._clock()))

    def _admit(self) -> Line:
        """What the next question waits in.

        Raises:
            Problem: it is not asked.
        """
        if self._is_closed:
            raise self._refused("which is not asked any more: the server stops.", 1)
        waiting = 0 if self._line is None else self._line.questions
        if waiting >= self.threads * (1 + _WAITING_PER_THREAD):
            raise self._refused("and too many of them are being answered.", 5)
        if self._running >= self.threads * _STUCK_PER_THREAD:
            raise self._refused("which does not answer at present.", _FAILED_RETRY_SECONDS)
        if not self._breaker.allows():
            raise self._refused("which is not available at present.", self._breaker.pause)
        if self._line is None:
            self._line = Line(
                self.threads, self._open_session, self._clock, self._count, self._failed
            )
        return self._line

    def _refused(self, why: str, seconds: float) -> Problem:
        return self._problem(Outcome.REFUSED, why, seconds)

    def _problem(self, outcome: Outcome, why: str, seconds: float) -> Problem:
        telemetry.ENGINE_QUESTIONS.labels(outcome.value).inc()
        return unavailable(
            f"{self._about}, {why} Ask again later, or for a shorter period.",
            retry_after=max(1, round(seconds)),
        )

    def _count(self, change: int) -> None:
        self._running += change

    def _outcome(
        self,
        line: Line,
        generation: Generation,
        metric: str,
        question: asyncio.Task[Rows],
        begun: float,
    ) -> Rows:
        """The rows of a question that has ended, or has had its time.

        Raises:
            Problem: there are none.
        """
        about = {"metric": metric, "generation": generation.number}
        if not question.done():
            if line.broken.done():
                raise self._unavailable()
            if self._answered_at is None or self._answered_at < begun:
                self._break(line, f"no answer to {metric} within {self._timeout:g} seconds")
            log.warning("engine.slow", seconds=self._timeout, **about)
            why = f"which did not answer within {self._timeout:g} seconds."
            raise self._problem(Outcome.SLOW, why, self._breaker.pause)
        try:
            rows = question.result()
        except QueryError:
            raise  # a defect of the question, which the file would refuse with the same error
        except Exception as error:
            if _is_fatal(error):
                raise self._unavailable() from None
            self._reached()
            log.error("engine.failed", error=str(error), **about)
            line.drop_old(generation.prefix)
            why = "which could not answer this question."
            raise self._problem(Outcome.FAILED, why, _FAILED_RETRY_SECONDS) from None
        self._reached()
        telemetry.ENGINE_QUESTIONS.labels(Outcome.ANSWERED.value).inc()
        return rows

    def _failed(self, line: Line, error: Exception) -> None:
        """Note that a question has ended with an error, before the next one begins."""
        if not _is_fatal(error):
            return
        if not isinstance(error, AnalyticsError):
            log.error("engine.defect", exc_info=error)
        self._break(line, str(error) or type(error).__name__)

    def _reached(self) -> None:
        """Note that the engine has answered, if only that it cannot."""
        self._answered_at = self._clock()
        self._breaker.succeeded()

    def _unavailable(self) -> Problem:
        return self._problem(
            Outcome.UNAVAILABLE, "which is not available at present.", self._breaker.pause
        )

    def _break(self, line: Line, error: str) -> None:
        """Do not ask for a while, unless another question has seen the same failure before."""
        if line is self._line and not self._is_closed:
            self._breaker.failed(error)
            self._break_line()

    def _break_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            self._closing = {one for one in self._closing if one.is_alive()} | line.end()


def _is_fatal(error: Exception) -> bool:
    """Whether an error is of the engine, and not of one question."""
    if isinstance(error, EngineUnavailableError):
        return True
    return not isinstance(error, AnalyticsError | QueryError)
