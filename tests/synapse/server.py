"""Synapse in an environment of its own, on loopback, without federation."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from olap.errors import SandboxError
from tests.api.servers import free_port
from tests.environments import Environment

REQUIREMENTS = Path(__file__).with_name("requirements.lock")
SERVER_NAME = "messenger.test"
# The names of the accounts that belong to the application service begin with it.
BRIDGED = "bridged-"

_START_SECONDS = 120
_STOP_SECONDS = 60
_POLL_SECONDS = 0.1
_UNLIMITED = {"per_second": 1_000_000, "burst_count": 1_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Synapse:
    """A running Synapse.

    Attributes:
        version: of the package.
        url: where its API answers.
        registration_secret: with which anybody may register.
        bridge_token: of an application service that may act as everybody, at any time.
        log: the file of its log.
    """

    version: str
    url: str
    registration_secret: str
    bridge_token: str
    log: Path


@contextmanager
def synapse_server(home: Path, database: str) -> Iterator[Synapse]:
    """A new Synapse on an empty database with encoding UTF8 and locale C.

    Args:
        home: the directory of its environment, configuration and log.
        database: the URL of the database.

    Raises:
        AnalyticsError: Synapse cannot be installed, or does not start.
    """
    environment = Environment(home / "venv", REQUIREMENTS)
    environment.install()
    synapse = Synapse(
        version=_version(environment),
        url=f"http://127.0.0.1:{free_port()}",
        registration_secret=secrets.token_urlsafe(),
        bridge_token=secrets.token_urlsafe(),
        log=home / "synapse.log",
    )
    configuration = _configure(synapse, home, database)
    command: list[str | Path] = [environment.python]
    command += ["-m", "synapse.app.homeserver", "-c", configuration]
    # A session of its own: Ctrl-C in the terminal reaches this process alone, which ends Synapse.
    with (
        synapse.log.open("wb") as log,
        subprocess.Popen(
            command, cwd=home, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            _wait(synapse, process, database)
            yield synapse
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _configure(synapse: Synapse, home: Path, database: str) -> Path:
    """Write the configuration, as JSON, which is YAML too; returns the path of its first file."""
    connection = conninfo_to_dict(database)
    bridge = {
        "id": "bridge",
        "url": None,  # nothing is sent to it
        "as_token": synapse.bridge_token,
        "hs_token": secrets.token_urlsafe(),
        "sender_localpart": "bridge",
        "rate_limited": False,
        "namespaces": {
            "users": [
                {"regex": f"@{BRIDGED}.*", "exclusive": True},  # the first that matches counts
                {"regex": "@.*", "exclusive": False},
            ]
        },
    }
    url = httpx.URL(synapse.url)
    homeserver = {
        "server_name": SERVER_NAME,
        "listeners": [
            {
                "type": "http",
                "port": url.port,
                "bind_addresses": [url.host],
                "resources": [{"names": ["client"]}],
            }
        ],
        "database": {
            "name": "psycopg2",
            "args": {
                "host": connection["host"],
                "port": connection["port"],
                "user": connection["user"],
                "dbname": connection["dbname"],
            },
        },
        "bcrypt_rounds": 4,  # the least: the driver registers many people
        "registration_shared_secret": synapse.registration_secret,
        "macaroon_secret_key": secrets.token_urlsafe(),
        "form_secret": secrets.token_urlsafe(),
        "signing_key": f"ed25519 1 {_signing_seed()}",
        "media_store_path": str(home / "media"),
        "app_service_config_files": [str(home / "bridge.yaml")],
        # Nothing leaves the machine.
        "federation_domain_whitelist": [],
        "trusted_key_servers": [],
        "report_stats": False,
        **_rate_limits(),
    }
    files = {"homeserver.yaml": homeserver, "bridge.yaml": bridge}
    for name, content in files.items():
        path = home / name
        path.touch(mode=0o600)
        path.write_text(json.dumps(content, indent=1))
    return home / "homeserver.yaml"


def _rate_limits() -> dict[str, Any]:
    """Limits that the driver never reaches; a refused request would be a missing action."""
    return {
        **{f"rc_{action}": _UNLIMITED for action in ("message", "registration", "room_creation")},
        "rc_admin_redaction": _UNLIMITED,
        "rc_joins_per_room": _UNLIMITED,
        "rc_joins": dict.fromkeys(("local", "remote"), _UNLIMITED),
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _UNLIMITED),
    }


def _signing_seed() -> str:
    """A key of 32 random bytes in base64 without padding, as Synapse reads it."""
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def _version(environment: Environment) -> str:
    """The version of Synapse that is installed."""
    (site,) = (environment.directory / "lib").glob("python*/site-packages")
    (metadata,) = site.glob("matrix_synapse-*.dist-info")
    return Distribution.at(metadata).version


def _wait(synapse: Synapse, process: subprocess.Popen[bytes], database: str) -> None:
    """Wait until it answers and has finished the updates of its new schema."""
    deadline = time.monotonic() + _START_SECONDS
    while not (_answers(synapse) and _is_up_to_date(database)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SandboxError(
                "Synapse does not start",
                hint=f"Read {synapse.log}.",
            )
        time.sleep(_POLL_SECONDS)


def _answers(synapse: Synapse) -> bool:
    try:
        return httpx.get(f"{synapse.url}/_matrix/client/versions", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _is_up_to_date(database: str) -> bool:
    with psycopg.connect(database) as connection:
        return connection.execute("select from background_updates").fetchone() is None
