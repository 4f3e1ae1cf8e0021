"""The command line: `python -m api` serves; `python -m api token` prints a token.

Exit codes: 0 done, 1 an error that names the way out, 2 a wrong command or setting.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import uvicorn
from litestar import Litestar

from api.app import create_app, state_directory
from api.identity import Role, Verifier, make_token
from api.telemetry import forward_logging
from olap import log as logs
from olap.errors import AnalyticsError
from olap.settings import Settings

_GRACE_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
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
    """The application of the environment; each worker calls this."""
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_format, settings.log_level)
    forward_logging(settings.log_level)
    return create_app(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    parser.add_argument("--workers", type=_workers, default=1, help="processes (default 1)")
    parser.add_argument(
        "--root-path", default="", help="the path under which a proxy shows this, such as /chat"
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    token = commands.add_parser("token", help="print a token that is signed with JWT_SECRET")
    token.add_argument("--sub", required=True, help="who it is for: a member's is the user's id")
    token.add_argument("--role", type=Role, choices=list(Role), required=True)
    token.add_argument("--days", type=_days, default=30, help="days it is good for (default 30)")
    return parser


def _workers(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 256:
        raise argparse.ArgumentTypeError("must lie between 1 and 256")
    return value


def _days(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 3660:
        raise argparse.ArgumentTypeError("must lie between 1 and 3660")
    return value


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
    Verifier.from_settings(settings)  # says once, and not from every worker, that there is no key
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
    """Serve what a function makes, named as `module:function`, until told to stop."""
    # When it has stopped in order, uvicorn raises the signal once more, to end by it. That would
    # make a service that was stopped look like one that failed.
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
