"""The API beside the sandbox's messenger: started, with tokens and requests that work at once.

It is a process of its own, as anywhere else, with the sandbox's Valkey for a cache and a secret
that the sandbox makes for itself and keeps, so that a token of yesterday still opens the demo.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from etl.sandbox.server import valkey_server
from olap.errors import SandboxError
from olap.settings import Secret, Settings

_PORT = 8000
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_READS = "/api/v1/messenger/analytics"

# Somebody who takes part in much, so that there is something to see.
_MEMBER = """
select participants.user_id
from conversation_participants as participants
inner join users on participants.user_id = users.id
where participants.left_at is null and users.deleted_at is null and not users.is_bot
group by participants.user_id
order by count(*) desc, participants.user_id
limit 1
"""


@contextmanager
def running_api(settings: Settings, database: Secret) -> Iterator[str]:
    """The API on `DATA_DIR`; yields what to tell whoever wants to try it.

    Raises:
        SandboxError: it does not start.
    """
    secret = _secret(settings.sandbox_dir / "jwt-secret")
    member = _member(database)
    port = _free_port()
    with valkey_server(settings.sandbox_dir / "valkey") as cache:
        variables = {
            "DATABASE_URL": database.reveal(),
            "DATA_DIR": str(settings.data_dir),
            "REDIS_URL": cache,
            "JWT_SECRET": secret,
        }
        tokens = {
            role: _token(variables, role, subject)
            for role, subject in (("admin", "admin"), ("member", member))
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "--port", str(port)],
            env={**os.environ, "LOG_LEVEL": "warning", **variables},
            start_new_session=True,  # Ctrl-C is for the demo, which stops this one in order
        )
        try:
            _wait(process, port)
            yield _told(f"http://127.0.0.1:{port}", tokens, member)
        finally:
            _stop(process)


def _told(url: str, tokens: dict[str, str], member: str) -> str:
    admin, user = tokens["admin"], tokens["member"]
    event = '{"event_type": "file.uploaded", "metadata": {"file_type": "image"}}'
    return "\n".join(
        [
            f"The API: {url}{_READS}/dashboard, its documentation: {url}/docs",
            f"\nToken of an administrator:\n{admin}",
            f"\nToken of a member (user {member}):\n{user}",
            "\nTry:",
            f"curl -H 'Authorization: Bearer {admin}' '{url}{_READS}/dashboard?days=7'",
            f"curl -H 'Authorization: Bearer {user}' '{url}{_READS}/timeline?format=csv'",
            f"curl -H 'Authorization: Bearer {admin}' -H 'Content-Type: application/json' "
            f"-d '{event}' '{url}{_READS}/events'",
        ]
    )


def _secret(path: Path) -> str:
    """The sandbox's own secret; made once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
    return path.read_text()


def _member(database: Secret) -> str:
    with psycopg.connect(database.reveal()) as connection:
        row = connection.execute(_MEMBER.encode()).fetchone()
    return "1" if row is None else str(row[0])


def _token(variables: dict[str, str], role: str, subject: str) -> str:
    made = subprocess.run(
        [sys.executable, "-m", "api", "token", "--role", role, "--sub", subject],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        raise SandboxError(
            f"no token can be made: {made.stderr.strip()}", hint="Unset the JWT_… variables."
        )
    return made.stdout.strip()


def _free_port() -> int:
    """8000, or any other where somebody listens there."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", _PORT))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Until it listens; it does so only when it can answer."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SandboxError(
                "the API does not start",
                hint="Look at what it said above; `make serve` repeats it.",
            )
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
