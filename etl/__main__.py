"""The command line of the pipeline: `python -m etl <command>`.

Exit codes: 0 done, 1 an error that says what to do next, 2 a wrong command or setting; `status`
exits with 0, 1 or 2 for OK, WARNING or CRITICAL. Ctrl-C, SIGTERM and SIGHUP stop a command in
order.
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
from typing import Any, NoReturn, TextIO

import msgspec

from etl.backfill import backfill
from etl.check import check_source
from etl.cycle import CycleReport, publish_again, rebuild_warehouse, run_cycle
from etl.erase import erase, parse_user
from etl.report import (
    backfill_text,
    check_text,
    cycle_line,
    cycle_text,
    error_text,
    generation_text,
    receipt_text,
    show,
    shown_progress,
    status_text,
    verification_text,
)
from etl.role import role_sql
from etl.verify import verify
from etl.watchdog import abandoned_calls
from olap import log as logs
from olap.days import DayRange
from olap.errors import AnalyticsError, SettingsError, SourceChangedError
from olap.layout import Layout
from olap.log import LogFile, get_logger
from olap.mapping import read_mapping
from olap.settings import Secret, Settings
from olap.status import status

log = get_logger(__name__)

SANDBOX_MAPPING = "messenger"
# Ctrl-C, a service manager, and a closed terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of the process."""
    options = _parser().parse_args(arguments)
    log_file, options.is_log_shown = None, False
    try:
        with _interruptible():
            settings = Settings.from_env(os.environ)
            log_file = options.log_file = _log_file(settings, options)
            logs.configure(settings.log_format, settings.log_level, log_file)
            command: Callable[[Settings, argparse.Namespace], int] = options.command
            return command(settings, options)
    except AnalyticsError as error:
        show(error_text(error), sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        show("stopped", sys.stderr)
        return 128 + int(interrupt.args[0]) if interrupt.args else 130
    finally:
        if log_file is not None:
            if log_file.is_open and not options.is_log_shown:
                _show_log(options)
            log_file.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m etl", description="Analytics of a messenger: from PostgreSQL to DuckDB."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(
        name: str, run: Callable[[Settings, argparse.Namespace], int], about: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        added.set_defaults(command=run)
        return added

    run = command("run", _run, "run one cycle, or a cycle every few seconds")
    run.add_argument("--every", type=_whole(1, 86_400), nargs="?", const=0, metavar="SECONDS",
        help="repeat the cycle (default: every ETL_INTERVAL_SECONDS)",
    )  # fmt: skip
    run.add_argument("--full", action="store_true",
        help="read every table in full, and accept another source than last time",
    )  # fmt: skip
    run.add_argument("--yes", action="store_true",
        help="with --full: remove what is gone at the source, however much it is",
    )  # fmt: skip
    fill = command("backfill", _backfill, "load a large messenger, or more of its days")
    _add_days(fill, "to keep (default: no end)")
    fill.add_argument("--jobs", type=_whole(1, 64), default=2, help="number of readers (default 2)")
    fill.add_argument("--pause-above-lag", type=_whole(0), metavar="MB",
        help="pause while a replica is further behind than this",
    )  # fmt: skip
    fill.add_argument("--restart", action="store_true", help="discard an unfinished backfill first")
    health = command("status", _status, "show how fresh and healthy the data are")
    health.add_argument("--json", action="store_true", help="as one JSON object")
    check = command("verify", _verify, "compare the data with the source")
    _add_days(check, "to compare (default: the last)")
    check.add_argument("--repair", action="store_true", help="read again what differs")
    check.add_argument("--yes", action="store_true",
        help="allow the repair to remove more than REPAIR_MAX_PERCENT of a table",
    )  # fmt: skip
    forget = command("erase", _erase, "remove every trace of a deleted user")
    forget.add_argument("user", metavar="USER", help="the id of the user")
    source = command(
        "source", _source_check, "check the mapping, or print the SQL of a role for it"
    )
    parts = source.add_subparsers(required=True, metavar="part")
    tried = parts.add_parser("check", help="try the mapping on the source; writes nothing")
    tried.set_defaults(command=_source_check)
    tried.add_argument("--json", action="store_true", help="as one JSON object")
    role = parts.add_parser("role", help="print the SQL of a role that can read the source")
    role.set_defaults(command=_source_role)
    command("rebuild", _rebuild, "rebuild the warehouse from the lake alone")
    command("publish", _publish, "publish again, with the metrics of this version")
    command("demo", _demo, "run a live sandbox, a cycle every 15 seconds, and the API")
    return parser


def _add_days(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument("--from", dest="first", type=_day, default=date.min, metavar="DAY",
        help="first UTC day (default: the first with data)",
    )  # fmt: skip
    parser.add_argument("--to", dest="last", type=_day, default=date.max, metavar="DAY",
        help=f"last UTC day {purpose}",
    )  # fmt: skip


def _whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if maximum is not None and not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"must be between {minimum} and {maximum}")
        if value < minimum:
            raise argparse.ArgumentTypeError(f"must be {minimum} or more")
        return value

    return number


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day, such as 2026-11-01") from None


def _run(settings: Settings, options: argparse.Namespace) -> int:
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


def _demo(settings: Settings, options: argparse.Namespace) -> int:
    from etl.sandbox.demo import demo_api, live_traffic

    settings = replace(settings, database_url=None)
    every = settings.demo_interval_seconds
    show(f"Starting the sandbox in {settings.sandbox_dir} ...")
    with _sandbox(settings) as url, _stop_event() as stop:
        if not Layout(settings.data_dir).pointer.is_symlink():
            show(f"Reading it into {settings.data_dir} ...")
            _cycle(settings, url, is_full=False)
        with live_traffic(url, stop), demo_api(settings, url, options.log_file.path) as api:
            show(
                f"\nOpen {api.url}/docs\n\n"
                "To call the API, in another terminal:\n"
                f"  . {api.shell_file}\n"
                '  curl -H "$ADMIN" "$API/dashboard?days=7"\n'
                '  curl -H "$MEMBER" "$API/timeline?format=csv"\n'
                '  echo "$TOKEN"  # for the forms of that page\n\n'
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
                show(error_text(error), sys.stderr)
        stop.wait(max(0.0, every - (time.monotonic() - begun)))


def _replace_process(every: int, *, is_full: bool, may_remove: bool) -> NoReturn:
    """Continue in a new process image: a call that never returns keeps a thread and a connection.

    The process id stays the same, so a service manager does not notice.
    """
    log.warning("process.replaced", abandoned_calls=abandoned_calls())
    sys.stdout.flush()
    given = {"--full": is_full, "--yes": may_remove}
    options = ["--every", str(every), *(name for name, is_given in given.items() if is_given)]
    os.execv(sys.executable, [sys.executable, "-m", "etl", "run", *options])


def _cycle(
    settings: Settings, url: Secret, *, is_full: bool = False, may_remove: bool = False
) -> CycleReport:
    return run_cycle(settings, url, _now, is_full=is_full, may_remove=may_remove)


def _backfill(settings: Settings, options: argparse.Namespace) -> int:
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
    show(verification_text(found, Layout(settings.data_dir)))
    return 0 if found.reconciled.is_settled else 1


def _erase(settings: Settings, options: argparse.Namespace) -> int:
    show(
        receipt_text(
            erase(settings, parse_user(settings, options.user), _now), Layout(settings.data_dir)
        )
    )
    return 0


def _status(settings: Settings, options: argparse.Namespace) -> int:
    found = status(Layout(settings.data_dir), _now(), interval_seconds=settings.interval_seconds)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(status_text(found))
    return found.level.exit_code


def _rebuild(settings: Settings, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    manifest = rebuild_warehouse(settings, _now)
    rows = sum(state.rows for state in manifest.tables.values())
    rebuilt = f"{rows:,} rows rebuilt from the lake in {time.monotonic() - begun:.1f} s."
    show(f"{rebuilt}\n\n{generation_text(Layout(settings.data_dir))}")
    return 0


def _publish(settings: Settings, options: argparse.Namespace) -> int:
    publish_again(settings, _now)
    show(generation_text(Layout(settings.data_dir)))
    return 0


def _source_check(settings: Settings, options: argparse.Namespace) -> int:
    read_mapping(settings.source_mapping)  # an error here needs no database
    with _source_as_it_is(settings, sys.stderr) as url:
        found = check_source(settings, url)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        show(check_text(found))
    return 1 if found.errors else 0


def _source_role(settings: Settings, options: argparse.Namespace) -> int:
    show(role_sql(read_mapping(settings.source_mapping)))
    return 0


@contextmanager
def _source_as_it_is(settings: Settings, stream: TextIO) -> Iterator[Secret]:
    """The database to read, without a DATA_DIR to write to."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    from etl.sandbox.messenger import sandbox_messenger

    def say(text: str) -> None:
        show(text, stream)

    say(f"DATABASE_URL is not set: reading the sandbox in {settings.sandbox_dir}.")
    with sandbox_messenger(settings, _now(), say) as url:
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
    # The sandbox is an optional extra: reading a real database needs none of its packages.
    from etl.sandbox.messenger import sandbox_messenger

    if settings.source_mapping != SANDBOX_MAPPING:
        raise SettingsError(
            f"SOURCE_MAPPING is {settings.source_mapping}, but the sandbox has the tables of "
            f"{SANDBOX_MAPPING}",
            hint="Set DATABASE_URL to the messenger's database, or unset SOURCE_MAPPING.",
        )
    layout = Layout(settings.data_dir)
    layout.create()
    with sandbox_messenger(settings, _now(), show) as url:
        if not layout.lake_manifest.exists():
            layout.sandbox_marker.touch()
        yield url


def _log_file(settings: Settings, options: argparse.Namespace) -> LogFile | None:
    """Where to log: a file for the demo and on a terminal, standard error for a service."""
    name = "demo" if options.command is _demo else "etl"
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
