"""The command line: `python -m api` serves, `python -m api token` prints a token.

Exit codes: 0 success, 1 an error with a hint, 2 a wrong command or setting.
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
from api.auth import Role, Verifier, make_token
from api.commands import COMMANDS
from api.telemetry import forward_logging
from olap import commands
from olap import log as logs
from olap.settings import Settings

_GRACE_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return commands.run("python -m api", COMMANDS, arguments)


def app() -> Litestar:
    """The application for this environment; each worker calls this."""
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_format, settings.log_level)
    forward_logging(settings.log_level)
    return create_app(settings)


def print_token(settings: Settings, options: argparse.Namespace) -> int:
    """`token`"""
    print(
        make_token(
            settings,
            subject=options.sub,
            role=Role(options.role),
            lifetime=timedelta(days=options.days),
            now=datetime.now(UTC),
        )
    )
    return 0


def serve_until_stopped(settings: Settings, options: argparse.Namespace) -> int:
    """`api`"""
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
