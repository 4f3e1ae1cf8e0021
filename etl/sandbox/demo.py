"""The demo beside its cycles: live traffic on the sandbox's messenger, and the API.

The traffic posts its events to the API, as a messenger does.

The API is a process of its own, with the sandbox's Valkey as its cache and a secret that the
sandbox generates once and keeps, so tokens remain valid over restarts of the demo.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from etl.sandbox.action_context import Event
from etl.sandbox.live import LiveTraffic, utc_now
from etl.sandbox.valkey import valkey_server
from olap.errors import SandboxError
from olap.secret import Secret
from olap.settings import Settings

_PORT = 8000
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_POST_SECONDS = 5.0
_PREFIX = "/api/v1/messenger/analytics"

# The API in a process that stops when its standard input closes, so it ends with the demo even
# when the demo is killed.
_API = """
import os, runpy, signal, sys, threading
def stop_with_parent():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=stop_with_parent, daemon=True).start()
runpy.run_module("api", run_name="__main__", alter_sys=True)
"""

# The user in most conversations, so that there is something to see.
_MEMBER = """
select participants.user_id
from conversation_participants as participants
inner join users on participants.user_id = users.id
where participants.left_at is null and users.deleted_at is null and not users.is_bot
group by participants.user_id
order by count(*) desc, participants.user_id
limit 1
"""


@dataclass(frozen=True, slots=True)
class DemoApi:
    """The running API: a link to its page, and a file of shell variables to call it with.

    The file sets API (the URL of the endpoints), ADMIN and MEMBER (a request header each, with a
    token of that role), TOKEN (the administrator's token) and USER_ID (the member's user).

    Attributes:
        link: opens the page, signed in as an administrator.
        events_url, events_token: where the messenger posts events, and with which token.
    """

    link: str
    shell_file: Path
    events_url: str
    events_token: str

    def post_events(self, events: list[Event]) -> None:
        """Post events as the messenger's server does, so that the page shows them as they happen.

        While the API does not answer they are lost, as those of a messenger that does not retry.
        """
        request = urllib.request.Request(
            self.events_url,
            json.dumps(events).encode(),
            {"Authorization": f"Bearer {self.events_token}", "Content-Type": "application/json"},
        )
        with suppress(OSError), urllib.request.urlopen(request, timeout=_POST_SECONDS):
            pass


@contextmanager
def live_traffic(
    database: Secret, stop: threading.Event, post: Callable[[list[Event]], None]
) -> Iterator[None]:
    """Live traffic on `database` during the block; its events are posted.

    It sets `stop` when it fails, and when the parent process has ended (a killed `make`).

    Raises:
        SandboxError: the traffic failed.
    """
    failures: list[psycopg.Error] = []
    parent = os.getppid()

    def stop_with_parent(_: object) -> None:
        if os.getppid() != parent:
            stop.set()

    def run() -> None:
        traffic = LiveTraffic(database.reveal(), seed=int(utc_now().timestamp()), post=post)
        try:
            traffic.run(stop, stop_with_parent)
        except psycopg.Error as error:
            failures.append(error)
            stop.set()

    thread = threading.Thread(target=run, name="live traffic")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise SandboxError(
            f"The live traffic failed: {failures[0]}",
            hint="Start the demo again; without SANDBOX_DIR it starts with a new sandbox.",
        )


@contextmanager
def demo_api(settings: Settings, database: Secret, log: Path) -> Iterator[DemoApi]:
    """The API on `DATA_DIR` during the block; its output goes to the file `log`.

    Raises:
        SandboxError: it does not start.
    """
    user = _most_active_member(database)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    shell_file = settings.sandbox_dir.parent / "demo.env"
    with valkey_server(settings.sandbox_dir / "valkey") as cache:
        variables = {
            # With -P: a folder `api` in the working directory is not ours.
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "DATABASE_URL": database.reveal(),
            "DATA_DIR": str(settings.data_dir),
            "REDIS_URL": cache,
            "JWT_SECRET": _secret(settings.sandbox_dir / "jwt-secret"),
        }
        log.touch()
        start = log.stat().st_size
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _API, "--port", str(port)],
                env={**os.environ, **variables},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the demo, which stops the API
            )
        try:
            admin, member, service = _tokens(variables, user)
            _write_private(
                shell_file,
                f"API='{url}{_PREFIX}'\n"
                f"ADMIN='Authorization: Bearer {admin}'\n"
                f"MEMBER='Authorization: Bearer {member}'\n"
                f"TOKEN='{admin}'\n"
                f"USER_ID='{user}'\n",
            )
            if not _listens(process, port):
                raise SandboxError(
                    "The API does not start:\n" + log.read_bytes()[start:].decode(errors="replace"),
                    hint="Correct this, and start the demo again.",
                )
            yield DemoApi(f"{url}/#token={admin}", shell_file, f"{url}{_PREFIX}/events", service)
        finally:
            _stop(process)
            shell_file.unlink(missing_ok=True)


def _secret(path: Path) -> str:
    """The sandbox's secret; generated once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(path, secrets.token_urlsafe(48))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _most_active_member(database: Secret) -> str:
    with psycopg.connect(database.reveal()) as connection:
        row = connection.execute(_MEMBER.encode()).fetchone()
    return "1" if row is None else str(row[0])


def _tokens(variables: Mapping[str, str], user: str) -> list[str]:
    """Tokens of an administrator, a member and the messenger, generated at the same time."""
    commands = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "api", "token", "--role", role, "--sub", subject],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role, subject in (("admin", "admin"), ("member", user), ("service", "messenger"))
    ]
    outputs = [command.communicate() for command in commands]
    for command, (_, errors) in zip(commands, outputs, strict=True):
        if command.returncode != 0:
            raise SandboxError(
                f"No token could be generated: {errors.strip()}",
                hint="Unset the variables JWT_..., and start the demo again.",
            )
    return [output.strip() for output, _ in outputs]


def _free_port() -> int:
    """Port 8000, or another one when it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _PORT))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the API listens, which it does once it can answer; false when it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(_POLL_SECONDS)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
