"""Reading generations: one in-memory DuckDB instance to which published files are attached.

A process that serves many queries opens each generation once and queries it from several threads.
The instance can read the files below `generations/` and nothing else: no other file, no network, no
extension, and its configuration is locked. All attached generations share one memory limit.

A macro of an attached file resolves its tables in the current database only, so each query runs on
a cursor of its own after `USE`. A released generation is detached when its last query ends.

The instance is replaced when a generation is attached and a thousand statements have run. DuckDB
2.0.0 keeps some 4 kB for each hash join, outside of `memory_limit`, until the instance is closed; a
loop of small joins levels off at 41 MB after some 30,000 of them. No setting and no statement that
was tried frees it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from olap import sqlfiles
from olap.commands import call
from olap.errors import (
    GenerationDamagedError,
    GenerationUnreadableError,
    StatementInterruptedError,
)
from olap.paths import literal

Rows = list[dict[str, Any]]
# What a wrong question raises, also one to an engine.
QueryError = duckdb.Error

_STATEMENTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class PublishedMetric:
    """One version of one metric, as `metrics.catalog` of a generation has it.

    Attributes:
        name: without the version.
        is_newest: whether the name without a version means it.
        definition, grain, scope, rules: what it means.
        parameters: with types and defaults.
        fingerprint: digest of what it computes.
        not_available: what is missing from it because the source lacks a table; None = nothing is.
    """

    name: str
    version: int
    is_newest: bool
    definition: str
    grain: str
    scope: str
    rules: str
    parameters: list[str]
    fingerprint: str
    not_available: str | None

    @property
    def macro(self) -> str:
        """The name of its macro in the schema `metrics`."""
        return f"{self.name}_v{self.version}"

    @property
    def statement(self) -> str:
        """The statement that gives its rows; each `$name` is the value of a parameter."""
        names = (re.split(r"[ :]", parameter)[0] for parameter in self.parameters)
        # `days` stands in place of `since`.
        return metric_statement(self.macro, tuple(name for name in names if name != "days"))


class _Instance:
    """An in-memory DuckDB instance, and how many cursors of it are open.

    Attributes:
        cursors: how many are open now.
        statements: how many were opened since it began.
    """

    def __init__(self, generations: Path, config: dict[str, Any]) -> None:
        self.connection = duckdb.connect(":memory:", config=config)
        sqlfiles.run(self.connection, "serving/lock_down", directories=[generations])
        self.cursors = 0
        self.statements = 0

    def attach(self, path: Path, name: str) -> None:
        """Attach a file, read-only."""
        self.connection.execute(
            f"attach $path as {_identifier(name)} (read_only)", {"path": literal(path)}
        )

    def detach(self, name: str) -> None:
        """Detach a file."""
        self.connection.execute(f"detach {_identifier(name)}")


class Reader:
    """A DuckDB instance with attached generations; its methods can be called from any thread."""

    def __init__(
        self, generations: Path, *, memory_limit: str, threads: int, spill_directory: Path
    ) -> None:
        """Create the instance.

        Args:
            generations: the directory of the files that can be attached.
            memory_limit: for all queries together, such as 800MB.
            threads: processor threads for all queries together.
            spill_directory: where DuckDB writes what does not fit in memory; not shared.
        """
        self._generations = generations
        self._spill_directory = spill_directory
        self._instances = 0
        self._config: dict[str, Any] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._instance = self._new_instance()
        self._lock = threading.Lock()
        self._paths: dict[str, Path] = {}
        self._uses: dict[str, int] = {}
        self._doomed: set[str] = set()

    def attach(self, path: Path, name: str) -> None:
        """Attach a generation under a name that the caller chooses.

        Args:
            name: letters, digits and underscores; never a value from outside.

        Raises:
            GenerationUnreadableError: the file cannot be opened.
        """
        with self._lock:
            if name in self._uses:
                self._doomed.discard(name)
                return
            if self._instance.statements >= _STATEMENTS_MAX:
                self._renew()
            try:
                self._instance.attach(path, name)
            except (duckdb.Error, OSError) as error:
                raise GenerationUnreadableError(
                    f"the generation {path} cannot be opened: {' '.join(str(error).split())}",
                    hint=f"Run `{call('publish')}` to make a new one.",
                ) from error
            self._paths[name] = path
            self._uses[name] = 0

    def catalog(self, name: str) -> tuple[PublishedMetric, ...]:
        """The metrics of a generation, by name and version.

        Raises:
            GenerationUnreadableError: its catalogue cannot be read.
        """
        try:
            with self.cursor(name) as cursor:
                return tuple(
                    PublishedMetric(*row) for row in sqlfiles.run(cursor, "serving/catalog")
                )
        except duckdb.Error as error:
            raise GenerationUnreadableError(
                f"the generation {name} cannot be read: {' '.join(str(error).split())}",
                hint=f"Run `{call('publish')}` to make a new one.",
            ) from error

    def detach(self, name: str) -> None:
        """Release a generation; running queries finish first."""
        with self._lock:
            if name in self._uses:
                self._doomed.add(name)
                self._let_go(name)

    def close(self) -> None:
        """Close the instance and end every query."""
        self._instance.connection.close()

    @contextmanager
    def cursor(self, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor with this generation as its current database."""
        with self._lock:
            if name not in self._uses:
                raise GenerationUnreadableError(
                    f"the generation {name} is closed", hint="Query the current one."
                )
            self._uses[name] += 1
            instance = self._instance
            instance.cursors += 1
            instance.statements += 1
            cursor = instance.connection.cursor()
        try:
            cursor.execute(f"use {_identifier(name)}")
            yield cursor
        finally:
            cursor.close()
            with self._lock:
                instance.cursors -= 1
                self._close_if_replaced(instance)
                self._uses[name] -= 1
                self._let_go(name)

    def _let_go(self, name: str) -> None:
        if name in self._doomed and not self._uses[name]:
            self._instance.detach(name)
            self._doomed.discard(name)
            del self._uses[name], self._paths[name]

    def _new_instance(self) -> _Instance:
        self._instances += 1
        # Two of them exist for a moment, and DuckDB does not share such a directory.
        spill = literal(self._spill_directory / str(self._instances))
        return _Instance(self._generations, {**self._config, "temp_directory": spill})

    def _renew(self) -> None:
        """Continue with a new instance; the old one is closed when its last query ends."""
        new = self._new_instance()
        try:
            for name, path in self._paths.items():
                new.attach(path, name)
        except (duckdb.Error, OSError):
            new.connection.close()  # a file is gone, and its generation will be detached soon
            return
        old, self._instance = self._instance, new
        self._close_if_replaced(old)

    def _close_if_replaced(self, instance: _Instance) -> None:
        if instance is not self._instance and not instance.cursors:
            instance.connection.close()


def _is_damage(error: duckdb.Error) -> bool:
    """Whether DuckDB found bytes that do not match their checksum, or too few of them."""
    # A wrong checksum has a type in DuckDB and none in Python, where it is a bare `Error`.
    text = str(error)
    return text.startswith("Corrupt database file") or "Could not read enough bytes" in text


class Statement:
    """A statement that runs once and can be interrupted from another thread."""

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
        """Execute the statement; each row is a dict by column name, times are naive UTC.

        Raises:
            StatementInterruptedError: `interrupt` was called.
            GenerationDamagedError: a part of the file is not what was written.
            GenerationUnreadableError: the file can no longer be read.
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
                    "the query took too long and was interrupted", hint="Ask for a shorter period."
                ) from None
            except duckdb.Error as error:
                if _is_damage(error):
                    raise GenerationDamagedError(
                        f"the file of the generation is damaged: {' '.join(str(error).split())}",
                        hint=f"Run `{call('publish')}` to make a new one.",
                    ) from error
                if not isinstance(error, duckdb.IOException | duckdb.FatalException):
                    raise
                raise GenerationUnreadableError(
                    f"the generation {self._generation} cannot be read: {error}",
                    hint=f"Run `{call('publish')}` to make a new one.",
                ) from error
            finally:
                self._cursor = None

    def interrupt(self) -> None:
        """Interrupt the query; DuckDB ignores an interrupt that comes too early, so repeat it."""
        self._is_interrupted = True
        cursor = self._cursor
        if cursor is not None:
            cursor.interrupt()


@cache
def metric_statement(macro: str, parameters: tuple[str, ...]) -> str:
    """The statement that calls a macro of `metrics`; every parameter is bound by its name.

    Args:
        macro, parameters: names from this code, never values from outside.
    """
    bound = ", ".join(f"{_identifier(name)} := ${name}" for name in parameters)
    return f"from metrics.{_identifier(macro)}({bound})"


def _identifier(name: str) -> str:
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise ValueError(f"{name!r} is not a plain name")
    return name
