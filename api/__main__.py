"""The command line: `python -m api` serves, `python -m api token` prints a token.

Exit codes: 0 success, 1 an error with a hint, 2 a wrong command or setting.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from litestar import Litestar

from api.app import create_app, state_directory
from api.auth import Role, Verifier, make_token
from api.commands import COMMANDS
from api.engine_session import opener
from api.seal import secret_of
from api.server import serve
from api.telemetry import forward_logging
from olap import commands
from olap import log as logs
from olap.redis_urls import require_usable
from olap.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return commands.run("python -m api", COMMANDS, arguments)


def app() -> Litestar:
    """The application for this environment; each worker calls this."""
    settings = Settings.from_env(os.environ)
    _configure_logging(settings)
    return create_app(settings)


def _configure_logging(settings: Settings) -> None:
    logs.configure(settings.log_format, settings.log_level)
    forward_logging(settings.log_level)


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
    if options.root_path is not None:
        os.environ["ROOT_PATH"] = options.root_path  # the workers read it there
        Settings.from_env(os.environ)
    # Reported once, and not from every worker.
    Verifier.from_settings(settings)
    secret_of(settings)
    require_usable(settings)
    opener(settings)
    state_directory(settings)
    _configure_logging(settings)
    serve(
        "api.__main__:app",
        host=options.host,
        port=options.port,
        workers=options.workers,
        connections=settings.api_connections,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
