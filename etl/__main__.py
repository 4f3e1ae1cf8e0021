"""The command line: `python -m etl run | backfill | status | verify | erase | rebuild | publish |
demo`.

Exit codes: 0 done, 1 an error that names the way out, 2 a wrong command or setting; `status` exits
with 0, 1 or 2 for OK, WARNING or CRITICAL.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import NoReturn

import msgspec

from etl.backfill import backfill
from etl.cycle import CycleReport, publish_again, rebuild_warehouse, run_cycle
from etl.erase import erase
from etl.progress import shown_progress
from etl.report import (
    backfill_text,
    cycle_text,
    generation_text,
    receipt_text,
    status_text,
    verification_text,
)
from etl.verify import verify
from etl.watchdog import abandoned_calls
from olap import log as logs
from olap.days import DayRange
from olap.errors import AnalyticsError, SettingsError, SourceChangedError
from olap.layout import Layout
from olap.log import get_logger
from olap.settings import Secret, Settings
from olap.status import status

log = get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_env(os.environ)
        logs.configure(settings.log_format, settings.log_level)
        command: Callable[[Settings, argparse.Namespace], int] = options.command
        return command(settings, options)
    except AnalyticsError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etl", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="run one cycle, or one every few seconds")
    run.add_argument(
        "--every", type=_seconds, nargs="?", const=0, metavar="SECONDS",
        help="go on, a cycle every SECONDS (default ETL_INTERVAL_SECONDS)",
    )  # fmt: skip
    run.add_argument(
        "--full", action="store_true",
        help="read every table whole, and accept another source than last time",
    )  # fmt: skip
    run.set_defaults(command=_run)
    fill = commands.add_parser("backfill", help="load, or add, days of a large messenger")
    fill.add_argument("--from", dest="first", type=_day, default=date.min, metavar="DAY",
        help="first UTC day to be kept (default: the first there is)",
    )  # fmt: skip
    fill.add_argument("--to", dest="last", type=_day, default=date.max, metavar="DAY",
        help="last UTC day to be kept, included (default: no end, so that new days come too)",
    )  # fmt: skip
    fill.add_argument("--jobs", type=_jobs, default=2, help="how many readers (default 2)")
    fill.add_argument("--pause-above-lag", type=_megabytes, metavar="MB",
        help="read nothing while a replica is more than so many MB of log behind",
    )  # fmt: skip
    fill.add_argument("--restart", action="store_true",
        help="throw away what an unfinished backfill has read",
    )  # fmt: skip
    fill.set_defaults(command=_backfill)
    show = commands.add_parser("status", help="how fresh and healthy the data are")
    show.add_argument("--json", action="store_true", help="as one JSON object")
    show.set_defaults(command=_status)
    check = commands.add_parser("verify", help="prove that what is here is what the source has")
    check.add_argument("--from", dest="first", type=_day, default=date.min, metavar="DAY",
        help="first UTC day, as 2026-11-01 (default: the first there is)",
    )  # fmt: skip
    check.add_argument("--to", dest="last", type=_day, default=date.max, metavar="DAY",
        help="last UTC day, included (default: the last there is)",
    )  # fmt: skip
    check.add_argument("--repair", action="store_true", help="read again what differs")
    check.add_argument(
        "--yes", action="store_true",
        help="let the repair remove more than REPAIR_MAX_PERCENT of a table",
    )  # fmt: skip
    check.set_defaults(command=_verify)
    forget = commands.add_parser("erase", help="leave nothing here of a person who was deleted")
    forget.add_argument("user", type=int, metavar="USER", help="the id of the user")
    forget.set_defaults(command=_erase)
    rebuild = commands.add_parser("rebuild", help="make the warehouse anew from the lake alone")
    rebuild.set_defaults(command=_rebuild)
    again = commands.add_parser("publish", help="publish again, with this version's metrics")
    again.set_defaults(command=_publish)
    demo = commands.add_parser("demo", help="a living messenger, a cycle every 15 seconds, the API")
    demo.set_defaults(command=_demo)
    return parser


def _seconds(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 86_400:
        raise argparse.ArgumentTypeError("must lie between 1 and 86400")
    return value


def _jobs(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError("must lie between 1 and 64")
    return value


def _megabytes(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _run(settings: Settings, options: argparse.Namespace) -> int:
    with _source(settings) as url:
        if options.every is None:
            print(cycle_text(_cycle(settings, url, options.full), Layout(settings.data_dir)))
            return 0
        _run_on(settings, url, options.every or settings.interval_seconds, is_full=options.full)
    return 0


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    from etl.sandbox.live import keep_alive
    from etl.sandbox.showcase import running_api

    settings = replace(settings, database_url=None)
    with _source(settings) as url, _stoppable() as stop:
        if not Layout(settings.data_dir).pointer.is_symlink():
            _cycle(settings, url, is_full=False)
        writer = threading.Thread(target=keep_alive, args=(url.reveal(), stop), name="live traffic")
        writer.start()
        try:
            with running_api(settings, url) as told:
                print(f"{told}\n\nThe messenger is alive; Ctrl-C stops everything.", flush=True)
                _cycles(settings, url, settings.demo_interval_seconds, stop, is_full=False)
        finally:
            stop.set()
            writer.join()
    print("stopped", file=sys.stderr)
    return 0


def _run_on(settings: Settings, url: Secret, every: int, *, is_full: bool) -> None:
    with _stoppable() as stop:
        _cycles(settings, url, every, stop, is_full=is_full)
    print("stopped", file=sys.stderr)


def _cycles(
    settings: Settings, url: Secret, every: int, stop: threading.Event, *, is_full: bool
) -> None:
    """A cycle every so many seconds until `stop`.

    A cycle that fails leaves the last generation as it is, and the next one tries again; only
    another source than last time ends the loop, because trying again cannot help.
    """
    layout = Layout(settings.data_dir)
    while not stop.is_set():
        if abandoned_calls() and settings.database_url is not None:
            _replace_process(every, is_full=is_full)
        begun = time.monotonic()
        try:
            report = _cycle(settings, url, is_full)
            is_full = False
            batch = report.manifest.last_batch
            print(
                f"{batch.data_through:%H:%M:%S}  batch {batch.batch}: {batch.rows_read:,} rows "
                f"read, {batch.rows_changed:,} changed, {batch.days_rebuilt} days rebuilt; "
                f"generation {report.manifest.generation} in {layout.pointer}",
                flush=True,
            )
        except SourceChangedError:
            raise
        except AnalyticsError as error:
            log.error("cycle.failed", error=error.message, hint=error.hint)
        stop.wait(max(0.0, every - (time.monotonic() - begun)))


def _replace_process(every: int, *, is_full: bool) -> NoReturn:
    """Continue in a new process image: a call that never returns keeps a thread and a connection.

    The process id stays the same, so a service manager does not notice.
    """
    log.warning("process.replaced", abandoned_calls=abandoned_calls())
    sys.stdout.flush()
    options = ["--every", str(every), *(["--full"] if is_full else [])]
    os.execv(sys.executable, [sys.executable, "-m", "etl", "run", *options])


def _cycle(settings: Settings, url: Secret, is_full: bool) -> CycleReport:
    return run_cycle(settings, url, _now, is_full=is_full)


def _backfill(settings: Settings, options: argparse.Namespace) -> int:
    days = _days(options)
    with _source(settings) as url, _stoppable() as stop, shown_progress(sys.stderr) as show:
        report = backfill(
            settings,
            url,
            _now,
            days=days,
            jobs=options.jobs,
            pause_above_lag_mb=options.pause_above_lag,
            restart=options.restart,
            show=show,
            stop=stop,
        )
    print(backfill_text(report, Layout(settings.data_dir)))
    return 0


def _days(options: argparse.Namespace) -> DayRange:
    """The days from `--from` to `--to`."""
    if options.first > options.last:
        raise SettingsError(
            f"--from {options.first} is after --to {options.last}",
            hint="Give the earlier day first.",
        )
    return DayRange(options.first, options.last)


def _verify(settings: Settings, options: argparse.Namespace) -> int:
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
    print(verification_text(found, Layout(settings.data_dir)))
    return 0 if found.reconciled.is_settled else 1


def _erase(settings: Settings, options: argparse.Namespace) -> int:
    receipt = erase(settings, options.user, _now)
    print(receipt_text(receipt, Layout(settings.data_dir)))
    return 0


def _status(settings: Settings, options: argparse.Namespace) -> int:
    found = status(Layout(settings.data_dir), _now(), interval_seconds=settings.interval_seconds)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(status_text(found))
    return found.level.exit_code


def _rebuild(settings: Settings, options: argparse.Namespace) -> int:
    layout = Layout(settings.data_dir)
    begun = time.monotonic()
    manifest = rebuild_warehouse(settings, _now)
    rows = sum(state.rows for state in manifest.tables.values())
    print(f"{rows:,} rows rebuilt from the lake in {time.monotonic() - begun:.1f} s.")
    print(generation_text(layout))
    return 0


def _publish(settings: Settings, options: argparse.Namespace) -> int:
    publish_again(settings, _now)
    print(generation_text(Layout(settings.data_dir)))
    return 0


@contextmanager
def _source(settings: Settings) -> Iterator[Secret]:
    """The database to read: the one that is set, or the sandbox's."""
    layout = Layout(settings.data_dir)
    layout.create()
    if settings.database_url is not None:
        layout.sandbox_marker.unlink(missing_ok=True)
        yield settings.database_url
        return
    # The sandbox is an optional extra: whoever has a database needs none of its packages.
    from etl.sandbox.messenger import sandbox_messenger

    def say(line: str) -> None:
        print(line, flush=True)

    with sandbox_messenger(settings, _now(), say) as url:
        if not layout.lake_manifest.exists():
            layout.sandbox_marker.touch()
        yield url


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set: what runs ends its cycle and stops in order."""
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
