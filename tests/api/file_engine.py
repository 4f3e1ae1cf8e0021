"""An engine for tests that is DuckDB: it opens the file of each generation for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from api.engine_line import OpenSession, Session
from api.generations import Generation
from olap.errors import EngineUnavailableError
from olap.layout import Layout
from olap.reader import Rows, metric_statement
from olap.settings import Settings


def at_once(metric: str) -> None:
    """Nothing precedes an answer."""


class FileEngine:
    """Opens sessions, and notes what is asked of them.

    Attributes:
        before: is called in the question's thread before each answer; it may wait, or raise.
        before_opening: the same before a session is opened.
        asked: the metrics, in the order of the questions.
        opened, prepared, closed: the numbers of the generations of these sessions.
        running, most: how many questions run now, and ran at most.
    """

    def __init__(self) -> None:
        self.before: Callable[[str], None] = at_once
        self.before_opening: Callable[[], None] = lambda: None
        self.asked: list[str] = []
        self.opened: list[int] = []
        self.prepared: list[int] = []
        self.closed: list[int] = []
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def opener(self, settings: Settings) -> OpenSession | None:
        """In place of `api.engine_session.opener`."""
        if settings.engine_url is None:
            return None
        layout = Layout(settings.data_dir)

        def open_session(generation: Generation) -> Session:
            self.opened.append(generation.number)
            self.before_opening()
            return _FileSession(self, generation.number, layout.generation(generation.number))

        return open_session

    def note(self, change: int) -> None:
        """Note that a question begins or ends."""
        with self._lock:
            self.running += change
            self.most = max(self.most, self.running)


class _FileSession:
    def __init__(self, engine: FileEngine, number: int, path: Path) -> None:
        self._engine = engine
        self._number = number
        self._path = path
        self._database: duckdb.DuckDBPyConnection | None = None
        self._is_closed = False

    def prepare(self) -> None:
        self._engine.prepared.append(self._number)
        # Under a path of its own: one process has a database open once.
        self._database = duckdb.connect()
        self._database.execute(f"attach '{self._path.resolve()}' as analytics (read_only)")

    def ask(self, metric: str, parameters: Mapping[str, Any]) -> Rows:
        self._engine.asked.append(metric)
        self._engine.note(1)
        try:
            self._engine.before(metric)
            if self._is_closed or self._database is None:
                raise EngineUnavailableError("the session is closed", hint="Ask again.")
            with self._database.cursor() as cursor:
                cursor.execute("use analytics")
                found = cursor.execute(metric_statement(metric, tuple(parameters)), parameters)
                names = [column[0] for column in found.description or ()]
                return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        finally:
            self._engine.note(-1)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._engine.closed.append(self._number)
