"""Logging: one event name and key/value pairs per line, for people or for machines.

Every unit of work (a cycle, a publication) logs one line when it ends, with all its numbers. Times
are UTC.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog


def configure(log_format: Literal["console", "json"] = "console", level: str = "info") -> None:
    """Send log lines to standard error; standard output is for the command's result."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if log_format == "json":
        processors.append(structlog.processors.JSONRenderer())
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger that adds the name of the module to each line."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
