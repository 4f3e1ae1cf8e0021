"""The commands of the API, declared; `api.__main__` runs them."""

from __future__ import annotations

import argparse

from olap.commands import Command, whole

# As `api.auth.Role`, which is not imported only to print help.
ROLES = ("admin", "member", "service")


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument(
        "--workers", type=whole(1, 256), default=1, help="number of processes (default: 1)"
    )
    parser.add_argument("--root-path", metavar="PATH",
        help="path under which a proxy serves the API, such as /chat (default: ROOT_PATH)",
    )  # fmt: skip


def _token_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sub", required=True, help="the subject: for a member the user's id")
    parser.add_argument("--role", choices=ROLES, required=True, help="what the subject may do")
    parser.add_argument("--days", type=whole(1, 3660), default=30,
        help="days until it expires (default: 30)",
    )  # fmt: skip


COMMANDS = (
    Command(
        name="api",
        name_in_package="",
        about="answer requests over HTTP until Ctrl-C or SIGTERM",
        target="api.__main__:serve_until_stopped",
        arguments=_serve_arguments,
        examples={
            "--port 8000 --workers 2": "two processes on this machine",
            "--host 0.0.0.0 --root-path /chat": "for a proxy on another machine",
        },
    ),
    Command(
        name="token",
        about="print a token signed with JWT_SECRET",
        target="api.__main__:print_token",
        arguments=_token_arguments,
        examples={
            "--sub 7 --role member": "what user 7 may see",
            "--sub dashboard --role admin --days 365": "the whole site, for a year",
        },
    ),
)
