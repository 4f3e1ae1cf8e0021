"""Logging: one event name and key/value pairs per line, as text or as JSON.

Every unit of work (a cycle, a publication) logs one line when it ends, with everything that is
known about it. Times are UTC. A service logs to standard error; a command on a terminal logs to a
file, so that its own output stays readable.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog


@dataclass(eq=False)
class LogFile:
    """A log file, created by its first line; standard error where it cannot be created."""

    path: Path
    _stream: TextIO | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has lines of this process."""
        return self._stream not in (None, sys.stderr)

    def write(self, text: str) -> None:
        """Append a line."""
        if self._stream is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self.path.open("a", encoding="utf-8")
            except OSError:
                self._stream = sys.stderr
        self._stream.write(text)

    def flush(self) -> None:
        """Pass on what was written."""
        if self._stream is not None:
            self._stream.flush()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._stream is not None and self.is_open:
            self._stream.close()
        self._stream = None


def configure(
    log_format: Literal["console", "json"] = "console",
    level: str = "info",
    file: LogFile | None = None,
) -> None:
    """Send log lines to a file, or to standard error, apart from a command's output."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if log_format == "json":
        processors.append(structlog.processors.JSONRenderer())
    else:
        has_colors = file is None and sys.stderr.isatty()
        processors.append(structlog.dev.ConsoleRenderer(colors=has_colors))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=file or sys.stderr),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def cut(text: str, length_max: int = 500) -> str:
    """A text from outside, no longer than a line of the log needs."""
    return text if len(text) <= length_max else f"{text[:length_max]}… ({len(text)} characters)"


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger that adds the module's name to its lines."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


@dataclass(slots=True)
class Timer:
    """Milliseconds spent in each step of a unit of work, in order."""

    steps: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the duration of the block to the step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = round((time.perf_counter() - started) * 1000)
            self.steps[name] = self.steps.get(name, 0) + spent
