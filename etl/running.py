"""How a command of the pipeline runs: its log, its errors, and the signals that stop it.

Ctrl-C, SIGTERM and SIGHUP stop a command in order.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from olap import log as logs
from olap.errors import AnalyticsError
from olap.log import LogFile
from olap.settings import Settings
from olap.terminal import show, show_error

# Ctrl-C, a service manager, and a closed terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Run = Callable[[Settings, argparse.Namespace], int]
_Handlers = dict[signal.Signals, Any]


def logged_to(name: str) -> Callable[[Run], Run]:
    """What all commands share: the log, errors and signals.

    Args:
        name: of the log file.
    """

    def decorate(run: Run) -> Run:
        @wraps(run)
        def command(settings: Settings, options: argparse.Namespace) -> int:
            log_file = options.log_file = _log_file(settings, name)
            options.is_log_shown = False
            logs.configure(settings.log_format, settings.log_level, log_file)
            try:
                with interruptible():
                    return run(settings, options)
            except AnalyticsError as error:
                show_error(error)
                return error.exit_code
            except KeyboardInterrupt as interrupt:
                show("stopped", sys.stderr)
                return 128 + int(interrupt.args[0]) if interrupt.args else 130
            finally:
                if log_file is not None:
                    if log_file.is_open and not options.is_log_shown:
                        show_log(options)
                    log_file.close()

        return command

    return decorate


def _log_file(settings: Settings, name: str) -> LogFile | None:
    """Where to log: a file for the demo and on a terminal, standard error for a service."""
    if name == "etl" and not sys.stderr.isatty():
        return None
    return LogFile(settings.sandbox_dir.parent / f"{name}.log")


def show_log(options: argparse.Namespace) -> None:
    """Say once where the log is, if it is a file."""
    if options.log_file is not None:
        show(f"Log: {options.log_file.path}", sys.stderr)
    options.is_log_shown = True


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, once.

    A second Ctrl-C is ignored, so it does not interrupt the cleanup that stops the sandbox.
    """

    def interrupt(number: int) -> None:
        raise KeyboardInterrupt(number)

    previous = _on_first_signal(interrupt)
    try:
        yield
    finally:
        _restore(previous)


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the running cycle ends first."""
    stop = threading.Event()
    previous = _on_first_signal(lambda _: stop.set())
    try:
        yield stop
    finally:
        if not stop.is_set():
            _restore(previous)


def _on_first_signal(react: Callable[[int], None]) -> _Handlers:
    """Call `react` at the first Ctrl-C or SIGTERM; returns the handlers before."""

    def handle(number: int, _: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, lambda *_: None)
        react(number)

    return {
        each: signal.signal(each, handle)
        for each in _SIGNALS
        if signal.getsignal(each) is not signal.SIG_IGN  # started with nohup
    }


def _restore(handlers: _Handlers) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def now() -> datetime:
    return datetime.now(UTC)
