"""Reading generations: one DuckDB instance in memory, in which published files are attached.

A process that serves many questions opens each generation once and asks it from several threads.
The instance may read the files below `generations/` and nothing else: no other file, no network,
no extension, and its configuration is locked. All generations in it share one memory limit.

A macro in an attached file finds its tables only where one stands, so every question is asked on a
cursor of its own after `USE`. A generation that is let go is detached when its last question ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from olap import sqlfiles
from olap.errors import AnalyticsError

Rows = list[dict[str, Any]]


class StatementInterruptedError(AnalyticsError):
    """A question was told to end before it had its answer."""


class GenerationUnreadableError(AnalyticsError):
    """A published file cannot be opened or read."""


class Reader:
    """One instance; its methods may be called from any thread."""

    def __init__(
        self, generations: Path, *, memory_limit: str, threads: int, spill_directory: Path
    ) -> None:
        """Make the instance.

        Args:
            generations: the directory whose files may be attached.
            memory_limit: of all questions together, such as 800MB.
            threads: processor threads of all questions together.
            spill_directory: where DuckDB writes what does not fit; nobody else's.
        """
        self._instance = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(spill_directory),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        sqlfiles.run(self._instance, "serving/lock_down", directories=[str(generations.resolve())])
        self._lock = threading.Lock()
        self._uses: dict[str, int] = {}
        self._doomed: set[str] = set()

    def attach(self, path: Path, name: str) -> None:
        """Open a generation under a name of the caller's making.

        Args:
            name: letters, digits and underscores; never anything that came from outside.

        Raises:
            GenerationUnreadableError: it is no file that can be read.
        """
        with self._lock:
            if name in self._uses:
                self._doomed.discard(name)
                return
            try:
                self._instance.execute(
                    f"attach $path as {_identifier(name)} (read_only)",
                    {"path": str(path.resolve())},
                )
            except (duckdb.Error, OSError) as error:
                raise GenerationUnreadableError(
                    f"the generation {path} cannot be opened: {' '.join(str(error).split())}",
                    hint="Run `python -m etl publish` to make a new one.",
                ) from error
            self._uses[name] = 0

    def metrics(self, name: str) -> frozenset[str]:
        """The metrics that a generation has, by the names of their macros.

        Raises:
            GenerationUnreadableError: it has no catalogue that can be read.
        """
        try:
            with self.cursor(name) as cursor:
                return frozenset(macro for (macro,) in sqlfiles.run(cursor, "serving/macros"))
        except duckdb.Error as error:
            raise GenerationUnreadableError(
                f"the generation {name} cannot be read: {' '.join(str(error).split())}",
                hint="Run `python -m etl publish` to make a new one.",
            ) from error

    def detach(self, name: str) -> None:
        """Let a generation go; who is asking it goes on to the end."""
        with self._lock:
            if name in self._uses:
                self._doomed.add(name)
                self._let_go(name)

    def close(self) -> None:
        """End the instance and every question."""
        self._instance.close()

    @contextmanager
    def cursor(self, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that stands in the generation of this name."""
        with self._lock:
            if name not in self._uses:
                raise GenerationUnreadableError(
                    f"the generation {name} is closed", hint="Ask the current one."
                )
            self._uses[name] += 1
        cursor = self._instance.cursor()
        try:
            cursor.execute(f"use {_identifier(name)}")
            yield cursor
        finally:
            cursor.close()
            with self._lock:
                self._uses[name] -= 1
                self._let_go(name)

    def _let_go(self, name: str) -> None:
        if name in self._doomed and not self._uses[name]:
            self._instance.execute(f"detach {_identifier(name)}")
            self._doomed.discard(name)
            del self._uses[name]


class Statement:
    """A statement that can be interrupted from another thread, asked once."""

    def __init__(
        self, reader: Reader, generation: str, statement: str, parameters: Mapping[str, Any]
    ) -> None:
        self._reader = reader
        self._generation = generation
        self._statement = statement
        self._parameters = dict(parameters)
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._is_interrupted = False

    def run(self) -> Rows:
        """The rows, each by the names of its columns; times are naive UTC.

        Raises:
            StatementInterruptedError: `interrupt` was called.
            GenerationUnreadableError: the file cannot be read any more.
        """
        with self._reader.cursor(self._generation) as cursor:
            self._cursor = cursor
            try:
                if self._is_interrupted:
                    raise duckdb.InterruptException("before it began")
                result = cursor.execute(self._statement, self._parameters or None)
                names = [column[0] for column in result.description or ()]
                return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
            except duckdb.InterruptException:
                raise StatementInterruptedError(
                    "the question took too long and was ended", hint="Ask for a shorter period."
                ) from None
            except (duckdb.IOException, duckdb.FatalException) as error:
                raise GenerationUnreadableError(
                    f"the generation {self._generation} cannot be read: {error}",
                    hint="Run `python -m etl publish` to make a new one.",
                ) from error
            finally:
                self._cursor = None

    def interrupt(self) -> None:
        """Tell it to end; an interrupt may come before DuckDB listens, so repeat it."""
        self._is_interrupted = True
        cursor = self._cursor
        if cursor is not None:
            cursor.interrupt()


@cache
def metric_statement(macro: str, parameters: tuple[str, ...]) -> str:
    """The statement that asks a macro of `metrics`; every parameter is bound by its name.

    Args:
        macro, parameters: names that stand in our code, never anything that came from outside.
    """
    bound = ", ".join(f"{_identifier(name)} := ${name}" for name in parameters)
    return f"from metrics.{_identifier(macro)}({bound})"


def _identifier(name: str) -> str:
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise ValueError(f"{name!r} is no plain name")
    return name
