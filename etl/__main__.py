"""The command line of the pipeline: `python -m etl <command>`.

Exit codes: 0 done, 1 an error that says what to do next, 2 a wrong command or setting; `status`
exits with 0, 1 or 2 for OK, WARNING or CRITICAL. Ctrl-C, SIGTERM and SIGHUP stop a command in
order.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import msgspec

from etl.backfill import backfill
from etl.commands import COMMANDS
from etl.cycle import CycleReport, publish_again, rebuild_warehouse, run_cycle
from etl.database import sandbox_database, source_database
from etl.erase import erase, parse_user
from etl.feed.facts import feed_costs
from etl.report.progress import shown_progress
from etl.report.results import (
    backfill_text,
    cycle_line,
    cycle_text,
    generation_text,
    receipt_text,
    verification_text,
)
from etl.report.status import status_text
from etl.running import logged_to, now, show_log, stop_event
from etl.sandbox.packages import import_sandbox
from etl.verify import verify
from etl.watchdog import abandoned_calls
from olap import commands
from olap.days import DayRange
from olap.errors import AnalyticsError, SettingsError, SourceChangedError
from olap.layout import Layout
from olap.log import get_logger
from olap.secret import Secret
from olap.settings import Settings
from olap.status import status
from olap.terminal import show, show_error

log = get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of the process."""
    return commands.run("python -m etl", COMMANDS, arguments)


@logged_to("etl")
def run(settings: Settings, options: argparse.Namespace) -> int:
    """`etl`: one cycle, or one every few seconds."""
    if options.yes and not options.full:
        raise SettingsError(
            "--yes accepts what a full read finds to be gone at the source",
            hint="Give it together with --full, or omit it.",
        )
    with source_database(settings) as url:
        if options.every is None:
            report = _cycle(settings, url, is_full=options.full, may_remove=options.yes)
            show(cycle_text(report, Layout(settings.data_dir)))
            return 0
        show_log(options)
        with stop_event() as stop:
            every = options.every or settings.interval_seconds
            _cycles(
                settings, url, every, stop, options, is_full=options.full, may_remove=options.yes
            )
    show("stopped", sys.stderr)
    return 0


@logged_to("demo")
def demo(settings: Settings, options: argparse.Namespace) -> int:
    """`demo`"""
    live = import_sandbox("demo")
    settings = replace(settings, database_url=None)
    every = settings.demo_interval_seconds
    show(f"Starting the sandbox in {settings.sandbox_dir} ...")
    with sandbox_database(settings) as url, stop_event() as stop:
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
            show_log(options)
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
    return run_cycle(settings, url, now, is_full=is_full, may_remove=may_remove)


@logged_to("etl")
def fill(settings: Settings, options: argparse.Namespace) -> int:
    """`backfill`"""
    days = _days(options)
    with (
        source_database(settings) as url,
        stop_event() as stop,
        shown_progress(sys.stderr) as progress,
    ):
        report = backfill(
            settings,
            url,
            now,
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


@logged_to("etl")
def compare(settings: Settings, options: argparse.Namespace) -> int:
    """`verify`"""
    days = _days(options)
    with source_database(settings) as url:
        found = verify(
            settings,
            url,
            now,
            days=days,
            repair=options.repair,
            may_remove=options.yes,
        )
    show(verification_text(found, Layout(settings.data_dir)))
    return 0 if found.reconciled.is_settled else 1


@logged_to("etl")
def forget(settings: Settings, options: argparse.Namespace) -> int:
    """`erase`"""
    show(
        receipt_text(
            erase(settings, parse_user(settings, options.user), now), Layout(settings.data_dir)
        )
    )
    return 0


@logged_to("etl")
def show_status(settings: Settings, options: argparse.Namespace) -> int:
    """`status`"""
    url = settings.database_url
    found = status(
        Layout(settings.data_dir),
        now(),
        interval_seconds=settings.interval_seconds,
        wanted_mode=settings.etl_mode,
        lake_format=settings.lake_format,
        feed=feed_costs(settings, url) if url is not None else None,
    )
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(status_text(found))
    return found.level.exit_code


@logged_to("etl")
def rebuild(settings: Settings, options: argparse.Namespace) -> int:
    """`rebuild`"""
    begun = time.monotonic()
    manifest = rebuild_warehouse(settings, now)
    rows = sum(state.rows for state in manifest.tables.values())
    rebuilt = f"{rows:,} rows rebuilt from the lake in {time.monotonic() - begun:.1f} s."
    show(f"{rebuilt}\n\n{generation_text(Layout(settings.data_dir))}")
    return 0


@logged_to("etl")
def publish(settings: Settings, options: argparse.Namespace) -> int:
    """`publish`"""
    publish_again(settings, now)
    show(generation_text(Layout(settings.data_dir)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
