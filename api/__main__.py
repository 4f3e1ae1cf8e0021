"""The command line: `python -m api` serves, `python -m api token` prints a token.

Exit codes: 0 success, 1 an error with a hint, 2 a wrong command or setting.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import uvicorn
from litestar import Litestar

from api.app import create_app, state_directory
from api.auth import Role, Verifier, make_token
from api.telemetry import forward_logging
from olap import log as logs
from olap.errors import AnalyticsError
from olap.settings import Settings

_GRACE_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_env(os.environ)
        if options.command == "token":
            return _token(settings, options)
        return _serve(settings, options)
    except AnalyticsError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code


def app() -> Litestar:
    """The application for this environment; each worker calls this."""
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_format, settings.log_level)
    forward_logging(settings.log_level)
    return create_app(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    parser.add_argument(
        "--workers", type=_between(1, 256), default=1, help="number of processes (default 1)"
    )
    parser.add_argument(
        "--root-path", default="", help="path under which a proxy serves the API, such as /chat"
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    token = commands.add_parser("token", help="print a token signed with JWT_SECRET")
    token.add_argument("--sub", required=True, help="the subject: for a member the user's id")
    token.add_argument("--role", type=Role, choices=list(Role), required=True)
    token.add_argument(
        "--days", type=_between(1, 3660), default=30, help="days until it expires (default 30)"
    )
    return parser


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be between {low} and {high}")
        return value

    return parse


def _token(settings: Settings, options: argparse.Namespace) -> int:
    print(
        make_token(
            settings,
            subject=options.sub,
            role=options.role,
            lifetime=timedelta(days=options.days),
            now=datetime.now(UTC),
        )
    )
    return 0


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    Verifier.from_settings(settings)  # reports a missing key once, not from every worker
    state_directory(settings)
    serve(
        "api.__main__:app",
        host=options.host,
        port=options.port,
        workers=options.workers,
        root_path=options.root_path,
    )
    return 0


def serve(
    factory: str, *, port: int, host: str = "127.0.0.1", workers: int = 1, root_path: str = ""
) -> None:
    """Serve the application that `module:function` returns, until SIGINT or SIGTERM."""
    # After an orderly stop uvicorn raises the signal again. The exit code would make a service that
    # was stopped look like one that failed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        factory,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        root_path=root_path,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


if __name__ == "__main__":
    sys.exit(main())
