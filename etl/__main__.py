"""The command line of the pipeline: `python -m etl <command>`.

Exit codes: 0 done, 1 an error that says what to do next, 2 a wrong command or setting; `status`
exits with 0, 1 or 2 for OK, WARNING or CRITICAL. Ctrl-C, SIGTERM and SIGHUP stop a command in
order.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TextIO

import msgspec

from etl.backfill import backfill
from etl.check import check_source
from etl.commands import COMMANDS
from etl.cycle import CycleReport, publish_again, rebuild_warehouse, run_cycle
from etl.erase import erase, parse_user
from etl.feed.facts import feed_costs
from etl.feed.install import Site, apply, install_script, read_site, uninstall_script
from etl.report import (
    backfill_text,
    check_text,
    cycle_line,
    cycle_text,
    generation_text,
    installed_text,
    receipt_text,
    shown_progress,
    status_text,
    uninstalled_text,
    verification_text,
)
from etl.role import role_sql
from etl.sandbox.packages import import_sandbox
from etl.verify import verify
from etl.watchdog import abandoned_calls
from olap import commands
from olap import log as logs
from olap.days import DayRange
from olap.errors import AnalyticsError, SettingsError, SourceChangedError, SourceError
from olap.layout import Layout
from olap.log import LogFile, get_logger
from olap.manifest import Mode
from olap.mapping import SourceMapping, read_mapping
from olap.settings import Secret, Settings
from olap.status import status
from olap.terminal import show, show_error

log = get_logger(__name__)

SANDBOX_MAPPING = "messenger"
# Ctrl-C, a service manager, and a closed terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Run = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of the process."""
    return commands.run("python -m etl", COMMANDS, arguments)


def _logged_to(name: str) -> Callable[[Run], Run]:
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
                with _interruptible():
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
                        _show_log(options)
                    log_file.close()

        return command

    return decorate


@_logged_to("etl")
def run(settings: Settings, options: argparse.Namespace) -> int:
    """`etl`: one cycle, or one every few seconds."""
    if options.yes and not options.full:
        raise SettingsError(
            "--yes accepts what a full read finds to be gone at the source",
            hint="Give it together with --full, or omit it.",
        )
    with _source(settings) as url:
        if options.every is None:
            report = _cycle(settings, url, is_full=options.full, may_remove=options.yes)
            show(cycle_text(report, Layout(settings.data_dir)))
            return 0
        _show_log(options)
        with _stop_event() as stop:
            every = options.every or settings.interval_seconds
            _cycles(
                settings, url, every, stop, options, is_full=options.full, may_remove=options.yes
            )
    show("stopped", sys.stderr)
    return 0


@_logged_to("demo")
def demo(settings: Settings, options: argparse.Namespace) -> int:
    """`demo`"""
    live = import_sandbox("demo")
    settings = replace(settings, database_url=None)
    every = settings.demo_interval_seconds
    show(f"Starting the sandbox in {settings.sandbox_dir} ...")
    with _sandbox(settings) as url, _stop_event() as stop:
        if not Layout(settings.data_dir).pointer.is_symlink():
            show(f"Reading it into {settings.data_dir} ...")
            _cycle(settings, url, is_full=False)
        log = options.log_file.path
        with (
            live.demo_api(settings, url, log) as api,
            live.live_traffic(url, stop, api.post_events),
        ):
            show(
                f"\nOpen {api.link}\n\n"
                "To call the API, in another terminal:\n"
                f"  . {api.shell_file}\n"
                '  curl -H "$ADMIN" "$API/dashboard?days=7"\n'
                '  curl -H "$MEMBER" "$API/timeline?format=csv"\n\n'
                f"Users are active, and a cycle runs every {every} s. Ctrl-C stops everything."
            )
            _show_log(options)
            _cycles(settings, url, every, stop, options, is_full=False, may_remove=False)
    show("stopped", sys.stderr)
    return 0


def _cycles(
    settings: Settings,
    url: Secret,
    every: int,
    stop: threading.Event,
    options: argparse.Namespace,
    *,
    is_full: bool,
    may_remove: bool,
) -> None:
    """A cycle every `every` seconds until `stop`; the options are those of the first that succeeds.

    A cycle that fails leaves the last generation in place, and the next one tries again. Only a
    source that is not the one of last time ends the loop, because a retry cannot help.
    """
    while not stop.is_set():
        if abandoned_calls() and settings.database_url is not None:
            _replace_process(every, is_full=is_full, may_remove=may_remove)
        begun = time.monotonic()
        try:
            report = _cycle(settings, url, is_full=is_full, may_remove=may_remove)
            is_full = may_remove = False
            show(cycle_line(report))
        except SourceChangedError:
            raise
        except AnalyticsError as error:
            log.error("cycle.failed", error=error.message, hint=error.hint)
            if options.log_file is not None:
                show_error(error)
        stop.wait(max(0.0, every - (time.monotonic() - begun)))


def _replace_process(every: int, *, is_full: bool, may_remove: bool) -> NoReturn:
    """Continue in a new process image: a call that never returns keeps a thread and a connection.

    The process id stays the same, so a service manager does not notice.
    """
    log.warning("process.replaced", abandoned_calls=abandoned_calls())
    sys.stdout.flush()
    given = {"--full": is_full, "--yes": may_remove}
    options = ["--every", str(every), *(name for name, is_given in given.items() if is_given)]
    # The interpreter and the program as they were started, and the command: `etl`, or `run`.
    started = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 2]
    os.execv(sys.executable, [sys.executable, *started[1:], *options])


def _cycle(
    settings: Settings, url: Secret, *, is_full: bool = False, may_remove: bool = False
) -> CycleReport:
    return run_cycle(settings, url, _now, is_full=is_full, may_remove=may_remove)


@_logged_to("etl")
def fill(settings: Settings, options: argparse.Namespace) -> int:
    """`backfill`"""
    days = _days(options)
    with _source(settings) as url, _stop_event() as stop, shown_progress(sys.stderr) as progress:
        report = backfill(
            settings,
            url,
            _now,
            days=days,
            jobs=options.jobs,
            pause_above_lag_mb=options.pause_above_lag,
            restart=options.restart,
            show=progress,
            stop=stop,
        )
    show(backfill_text(report, Layout(settings.data_dir)))
    return 0


def _days(options: argparse.Namespace) -> DayRange:
    """The days from `--from` to `--to`."""
    if options.first > options.last:
        raise SettingsError(
            f"--from {options.first} is after --to {options.last}",
            hint="Give the earlier day first.",
        )
    return DayRange(options.first, options.last)


@_logged_to("etl")
def compare(settings: Settings, options: argparse.Namespace) -> int:
    """`verify`"""
    days = _days(options)
    with _source(settings) as url:
        found = verify(
            settings,
            url,
            _now,
            days=days,
            repair=options.repair,
            may_remove=options.yes,
        )
    show(verification_text(found, Layout(settings.data_dir)))
    return 0 if found.reconciled.is_settled else 1


@_logged_to("etl")
def forget(settings: Settings, options: argparse.Namespace) -> int:
    """`erase`"""
    show(
        receipt_text(
            erase(settings, parse_user(settings, options.user), _now), Layout(settings.data_dir)
        )
    )
    return 0


@_logged_to("etl")
def show_status(settings: Settings, options: argparse.Namespace) -> int:
    """`status`"""
    url = settings.database_url
    found = status(
        Layout(settings.data_dir),
        _now(),
        interval_seconds=settings.interval_seconds,
        wanted_mode=settings.etl_mode,
        feed=feed_costs(settings, url) if url is not None else None,
    )
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(status_text(found))
    return found.level.exit_code


@_logged_to("etl")
def rebuild(settings: Settings, options: argparse.Namespace) -> int:
    """`rebuild`"""
    begun = time.monotonic()
    manifest = rebuild_warehouse(settings, _now)
    rows = sum(state.rows for state in manifest.tables.values())
    rebuilt = f"{rows:,} rows rebuilt from the lake in {time.monotonic() - begun:.1f} s."
    show(f"{rebuilt}\n\n{generation_text(Layout(settings.data_dir))}")
    return 0


@_logged_to("etl")
def publish(settings: Settings, options: argparse.Namespace) -> int:
    """`publish`"""
    publish_again(settings, _now)
    show(generation_text(Layout(settings.data_dir)))
    return 0


@_logged_to("etl")
def try_mapping(settings: Settings, options: argparse.Namespace) -> int:
    """`source check`"""
    read_mapping(settings.source_mapping)  # an error here needs no database
    with _source_as_it_is(settings, sys.stderr) as url:
        found = check_source(settings, url)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(check_text(found))
    return 1 if found.errors else 0


@_logged_to("etl")
def print_role(settings: Settings, options: argparse.Namespace) -> int:
    """`source role`"""
    show(role_sql(read_mapping(settings.source_mapping)))
    return 0


@_logged_to("etl")
def install_feed(settings: Settings, options: argparse.Namespace) -> int:
    """`source install`"""
    mode, mapping = Mode(options.feed), read_mapping(settings.source_mapping)
    given = {"etl_role": options.role, "wal_limit": options.wal_limit}
    if not options.apply:
        print(install_script(mode, mapping, _site(settings, mode, mapping), **given).text)
        return 0
    with _source_as_it_is(settings, sys.stderr) as url:
        site = read_site(url, mode, mapping)
        script = install_script(mode, mapping, site, **given)
        apply(url, script)
    show(installed_text(mode, site, script))
    return 0


@_logged_to("etl")
def uninstall_feed(settings: Settings, options: argparse.Namespace) -> int:
    """`source uninstall`"""
    mode, mapping = Mode(options.feed), read_mapping(settings.source_mapping)
    if not options.apply:
        print(uninstall_script(mode, _site(settings, mode, mapping)).text)
        return 0
    with _source_as_it_is(settings, sys.stderr) as url:
        script = uninstall_script(mode, read_site(url, mode, mapping))
        apply(url, script)
    show(uninstalled_text(mode, script))
    return 0


def _site(settings: Settings, mode: Mode, mapping: SourceMapping) -> Site | None:
    """What the database says; None where none is named, or where it cannot be asked."""
    if settings.database_url is None:
        return None
    try:
        return read_site(settings.database_url, mode, mapping)
    except SourceError as error:
        show(f"warning: the database was not asked: {error.message}", sys.stderr)
        return None


@_logged_to("etl")
def copy_mapping(settings: Settings, options: argparse.Namespace) -> int:
    """`source copy`"""
    folder = Path(options.folder)
    if folder.exists():
        raise SettingsError(f"{folder} exists already", hint="Name a folder that does not.")
    shutil.copytree(read_mapping(options.mapping).folder, folder)
    path = options.folder if "/" in options.folder else f"./{folder}"
    show(
        f"Copied. Change the files in {folder}, set SOURCE_MAPPING={path} and run "
        f"`{commands.call('source check')}`."
    )
    return 0


@contextmanager
def _source_as_it_is(settings: Settings, stream: TextIO) -> Iterator[Secret]:
    """The database to read, without a DATA_DIR to write to."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    messenger = import_sandbox("messenger")

    def say(text: str) -> None:
        show(text, stream)

    say(f"DATABASE_URL is not set: reading the sandbox in {settings.sandbox_dir}.")
    with messenger.sandbox_messenger(settings, _now(), say) as url:
        yield url


@contextmanager
def _source(settings: Settings) -> Iterator[Secret]:
    """The database to read: `DATABASE_URL`, or the sandbox's."""
    layout = Layout(settings.data_dir)
    if settings.database_url is not None:
        layout.create()
        layout.sandbox_marker.unlink(missing_ok=True)
        yield settings.database_url
        return
    show(f"DATABASE_URL is not set: reading the sandbox in {settings.sandbox_dir}.")
    with _sandbox(settings) as url:
        show("")
        yield url


@contextmanager
def _sandbox(settings: Settings) -> Iterator[Secret]:
    """The sandbox's database, filled at the first use."""
    if settings.source_mapping != SANDBOX_MAPPING:
        raise SettingsError(
            f"SOURCE_MAPPING is {settings.source_mapping}, but the sandbox has the tables of "
            f"{SANDBOX_MAPPING}",
            hint="Set DATABASE_URL to the messenger's database, or unset SOURCE_MAPPING.",
        )
    messenger = import_sandbox("messenger")
    layout = Layout(settings.data_dir)
    layout.create()
    with messenger.sandbox_messenger(settings, _now(), show) as url:
        if not layout.lake_manifest.exists():
            layout.sandbox_marker.touch()
        yield url


def _log_file(settings: Settings, name: str) -> LogFile | None:
    """Where to log: a file for the demo and on a terminal, standard error for a service."""
    if name == "etl" and not sys.stderr.isatty():
        return None
    return LogFile(settings.sandbox_dir.parent / f"{name}.log")


def _show_log(options: argparse.Namespace) -> None:
    """Say once where the log is, if it is a file."""
    if options.log_file is not None:
        show(f"Log: {options.log_file.path}", sys.stderr)
    options.is_log_shown = True


@contextmanager
def _interruptible() -> Iterator[None]:
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
def _stop_event() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the running cycle ends first."""
    stop = threading.Event()
    previous = _on_first_signal(lambda _: stop.set())
    try:
        yield stop
    finally:
        if not stop.is_set():
            _restore(previous)


_Handlers = dict[signal.Signals, Any]


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


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
