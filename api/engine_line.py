"""The sessions on an engine, and the threads in which questions wait for it.

There is a session for each generation, opened by the first question about it and closed when
neither the serving nor the previous generation needs it. The threads are daemons, because one that
waits for an engine must not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from api.generations import Generation
from olap.errors import EngineSessionEndedError, EngineUnavailableError
from olap.log import get_logger
from olap.reader import Rows

log = get_logger(__name__)

# After a question that failed, a session of this age is replaced: an engine that was started again
# has lost its tables. A younger one is kept, so that a wrong question does not cost a session each.
_OLD_SECONDS = 60.0


class Session(Protocol):
    """One generation on an engine; the methods are called from any thread, also at a time."""

    def prepare(self) -> None:
        """Make the generation's tables known to the engine; called once, before all questions.

        Raises:
            EngineError: the engine refused.
            EngineUnavailableError: it cannot be reached.
        """

    def ask(self, metric: str, parameters: Mapping[str, Any]) -> Rows:
        """The rows of a metric, as the generation's file gives them.

        Raises:
            EngineError: the engine could not answer.
            EngineUnavailableError: it cannot be reached.
            EngineSessionEndedError: it has ended the session.
        """

    def close(self) -> None:
        """End what runs, which then raises, and drop the tables; it may be called twice."""


OpenSession = Callable[[Generation], Session]


class Line:
    """The sessions that are open and the questions that wait for them, until one fails.

    Attributes:
        sessions: by the key prefix of their generations.
        broken: done when it has ended; what waits then gives up.
        questions: how many wait or run.
    """

    def __init__(
        self,
        threads: int,
        open_session: OpenSession,
        clock: Callable[[], float],
        count: Callable[[int], None],
        failed: Callable[[Line, Exception], None],
    ) -> None:
        """Wait for the first question.

        Args:
            count: receives 1 for each thread that begins and -1 when it ends.
            failed: receives the error of a question that somebody waits for.
        """
        self._failed = failed
        self._turns = asyncio.Semaphore(threads)
        self._open_session = open_session
        self._clock = clock
        self._count = count
        self._closing: set[threading.Thread] = set()
        self.sessions: dict[str, _Opened] = {}
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.questions = 0

    async def answer(
        self, generation: Generation, metric: str, parameters: Mapping[str, Any]
    ) -> Rows:
        """The rows of a metric; a cancellation leaves its thread to end by itself."""
        await self._turns.acquire()
        if self.broken.done():
            raise _closed()
        loop = asyncio.get_running_loop()
        rows: asyncio.Future[Rows] = loop.create_future()
        opened = self._opened(generation)
        opened.questions += 1
        self._count(1)

        def end(found: Rows | None, error: Exception | None) -> None:
            opened.questions -= 1
            self._count(-1)
            if error is not None and not rows.done():
                self._failed(self, error)  # first, so that the next one in turn is not begun
            self._turns.release()
            self._close_if_unused(opened)
            if rows.done():
                return
            if error is not None:
                rows.set_exception(error)
            else:
                rows.set_result(found or [])

        def work() -> None:
            found, error = None, None
            try:
                found = opened.ask(metric, parameters)
            except Exception as raised:
                error = raised
            with suppress(RuntimeError):  # the event loop has ended
                loop.call_soon_threadsafe(end, found, error)

        try:
            threading.Thread(target=work, name="engine", daemon=True).start()
        except RuntimeError as error:  # the system has no thread left
            end(None, error)
        return await rows

    def drop(self, prefix: str) -> None:
        """Close the session of a generation when its last question ends."""
        opened = self.sessions.pop(prefix)
        opened.is_dropped = True
        self._close_if_unused(opened)

    def drop_old(self, prefix: str) -> None:
        """The same, if it is not of this minute."""
        opened = self.sessions.get(prefix)
        if opened is not None and self._clock() - opened.since > _OLD_SECONDS:
            self.drop(prefix)

    def end(self) -> set[threading.Thread]:
        """Close all sessions, whatever runs; the threads that do it."""
        self.broken.set_result(None)
        for opened in self.sessions.values():
            self._close(opened)
        self.sessions.clear()
        return self._closing

    def _opened(self, generation: Generation) -> _Opened:
        opened = self.sessions.get(generation.prefix)
        if opened is None:
            opened = _Opened(lambda: self._open_session(generation), self._clock())
            self.sessions[generation.prefix] = opened
        return opened

    def _close_if_unused(self, opened: _Opened) -> None:
        if opened.is_dropped and not opened.questions:
            self._close(opened)

    def _close(self, opened: _Opened) -> None:
        thread = threading.Thread(target=opened.close, name="engine-close", daemon=True)
        self._closing = {one for one in self._closing if one.is_alive()} | {thread}
        thread.start()


class _Opened:
    """A session that the first question opens and prepares, while others wait for it.

    Attributes:
        since: when it was begun, by the clock of the engine.
        questions: how many run.
        is_dropped: whether it is closed when the last one ends.
    """

    def __init__(self, open_session: Callable[[], Session], since: float) -> None:
        self._open_session = open_session
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._ended: Session | None = None
        self._error: Exception | None = None
        self._is_closed = False
        self.since = since
        self.questions = 0
        self.is_dropped = False

    def ask(self, metric: str, parameters: Mapping[str, Any]) -> Rows:
        """The rows of a metric; a session that the engine has ended is opened again once."""
        session = self._prepared()
        try:
            return session.ask(metric, parameters)
        except EngineSessionEndedError:
            self._forget(session)
        return self._prepared().ask(metric, parameters)

    def close(self) -> None:
        """End what runs; `_prepared` closes what it is opening meanwhile."""
        self._is_closed = True
        for session in (self._session, self._ended):
            if session is not None:
                _close_quietly(session)

    def _forget(self, session: Session) -> None:
        """Let the next question open another session, unless one of several has already done so.

        The ended one is closed when the next has ended: a question may still read its rows.
        """
        with self._lock:
            if self._session is not session:
                return
            self._session = None
            before, self._ended = self._ended, session
        if before is not None:
            _close_quietly(before)

    def _prepared(self) -> Session:
        with self._lock:
            if self._session is None and self._error is None and not self._is_closed:
                try:
                    self._session = self._open_session()
                    if not self._is_closed:
                        self._session.prepare()
                except Exception as error:
                    self._error = error
            if self._is_closed and self._session is not None:
                _close_quietly(self._session)
            if self._error is not None:
                raise self._error
            if self._is_closed or self._session is None:
                raise _closed()
            return self._session


def _closed() -> EngineUnavailableError:
    return EngineUnavailableError(
        "the session was closed", hint="Ask again: there will be another one."
    )


def _close_quietly(session: Session) -> None:
    try:
        session.close()
    except Exception as error:
        log.warning("engine.not_closed", error=str(error))
