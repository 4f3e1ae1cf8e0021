"""Record the durable steps of a command, and kill the command before or after one of them.

A step is a call that changes what a crash would leave on disk: an fsync, a rename, an unlink, a
COPY, a COMMIT. This module wraps these calls in a process of its own; the product does not know of
it. `python -m tests.crash_points` reads one request per line and forks a child for each, before any
library has started a thread. A child runs to its end and lists its steps, or kills itself before or
after one of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import adbc_driver_postgresql.dbapi
import deltalake.transaction
import duckdb
import polars  # noqa: F401
import psycopg  # noqa: F401
import pyarrow.parquet  # noqa: F401
from duckdb import StatementType

from etl.backfill import backfill
from etl.cycle import Clock, publish_again, rebuild_warehouse, run_cycle
from etl.erase import erase
from etl.verify import verify
from olap import warehouse as warehouse_module
from olap.days import DayRange
from olap.delta.publishing import follow
from olap.secret import Secret
from olap.settings import Settings
from tests.source_schemas import SourceSchema, schema_mapped_by

ROOT = Path(__file__).parents[1]
KEEP_GENERATIONS = 2
SIDES = ("before", "after")
# Functions of `os` that take a descriptor.
_OF_DESCRIPTORS = ("fsync", "ftruncate", "pwrite")
# The user to erase: an id and a name that nothing else contains.
PERSON, NAME = 7_345_678_901_234_567, "Wilhelmina Unmistakable"


def settings_for(data_dir: Path, mapping: str) -> Settings:
    """Settings with which a cycle removes files, and its steps have one order."""
    half_a_day_off = (datetime.now(UTC).hour + 12) % 24
    return Settings(
        data_dir=data_dir,
        source_mapping=mapping,
        threads=1,
        keep_generations=KEEP_GENERATIONS,
        grace_seconds=0,
        repair_max_percent=100,
        # Otherwise the daily proofs would start in some runs and not in others.
        verify_hour=half_a_day_off,
        redis_url=Secret("redis://127.0.0.1:1/0"),
    )


def _cycle(settings: Settings, url: Secret, clock: Clock) -> None:
    run_cycle(settings, url, clock)


def _cycle_with_delta(settings: Settings, url: Secret, clock: Clock) -> None:
    run_cycle(replace(settings, lake_format="delta"), url, clock)


def _erase_with_delta(settings: Settings, url: Secret, clock: Clock) -> None:
    _erase(replace(settings, lake_format="delta"), url, clock)


def _follow(settings: Settings, url: Secret, clock: Clock) -> None:
    follow(replace(settings, lake_format="delta"))


def _cycle_and_rewrite(settings: Settings, url: Secret, clock: Clock) -> None:
    warehouse_module.REWRITE_ABOVE = 0.0
    warehouse_module.REWRITE_BYTES_MIN = 0
    run_cycle(settings, url, clock)


def _verify(settings: Settings, url: Secret, clock: Clock) -> None:
    whole = DayRange(date.min, date.max)
    verify(settings, url, clock, days=whole, repair=True, may_remove=True)


def _rebuild(settings: Settings, url: Secret, clock: Clock) -> None:
    rebuild_warehouse(settings, clock)


def _erase(settings: Settings, url: Secret, clock: Clock) -> None:
    schema = schema_mapped_by(settings.source_mapping)
    erase(settings, schema.id("user", PERSON), clock)


def _publish(settings: Settings, url: Secret, clock: Clock) -> None:
    publish_again(settings, clock)


def _backfill(settings: Settings, url: Secret, clock: Clock) -> None:
    # One reader, because the order of the steps of two readers varies.
    backfill(settings, url, clock, days=DayRange(date.min, date.max), jobs=1)


# The commands that can be killed, by their names in a request.
COMMANDS: dict[str, Callable[[Settings, Secret, Clock], None]] = {
    "cycle": _cycle,
    "cycle with delta": _cycle_with_delta,
    "follow": _follow,
    "cycle and rewrite": _cycle_and_rewrite,
    "verify": _verify,
    "rebuild": _rebuild,
    "erase": _erase,
    "erase with delta": _erase_with_delta,
    "publish": _publish,
    "backfill": _backfill,
}


class Step(NamedTuple):
    """One step, with digests of the directory before and after it."""

    kind: str
    site: str
    target: str
    before: str
    after: str


class CrashPoint(NamedTuple):
    """A point to kill a command at: before or after the step of this number and kind."""

    number: int
    side: str
    kind: str
    site: str


class Steps:
    """Counts the steps of this process, and kills it at its crash point."""

    def __init__(self, data_dir: Path, point: CrashPoint | None) -> None:
        self.data_dir = data_dir
        self.point = point
        self.count = 0
        self.last_kind = ""
        self.found: list[Step] = []

    def take(self, kind: str, target: object, call: Callable[[], Any]) -> Any:
        """Make the call as a step.

        How many blocks differ from the spare varies, so what follows the first write is no step.
        """
        is_one_more, self.last_kind = kind == self.last_kind == "pwrite", kind
        if is_one_more:
            return call()
        number, site = self.count, _site()
        self.count += 1
        if self.point:
            if number == self.point.number:
                # Two runs from equal directories must take the same steps.
                assert (kind, site) == (self.point.kind, self.point.site), (number, kind, site)
            self._kill_at(number, "before")
        before = "" if self.point else self._digest(kind, number, "before")
        try:
            return call()
        finally:
            # A failing call is a step as well: not every file system can clone a file.
            if self.point:
                self._kill_at(number, "after")
            else:
                target = str(target).removeprefix(f"{self.data_dir}/")
                after = self._digest(kind, number, "after")
                self.found.append(Step(kind, site, target, before, after))

    def _digest(self, kind: str, number: int, side: str) -> str:
        """A digest of the directory; of a file that is written under a lease, the step's name.

        Opening the file would break the lease.
        """
        is_leased = kind in ("pwrite", "ftruncate")
        return f"{number} {side}" if is_leased else digest(self.data_dir)

    def _kill_at(self, number: int, side: str) -> None:
        if self.point and (number, side) == (self.point.number, self.point.side):
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self) -> None:
        """Replace the functions that the product calls by wrappers."""
        for kind in ("rename", "unlink", "symlink", "rmdir", "chmod", "mkdir", *_OF_DESCRIPTORS):
            setattr(os, kind, self._around(kind, getattr(os, kind)))
        replace, copyfile, ioctl = os.replace, shutil.copyfile, fcntl.ioctl
        write_bytes, connect = Path.write_bytes, duckdb.connect

        def step_replace(source: Any, target: Any) -> None:
            kind = "switch" if Path(target) == self.data_dir / "analytics.duckdb" else "rename"
            self.take(kind, target, lambda: replace(source, target))

        def step_copyfile(source: Any, target: Any) -> Any:
            return self.take("copyfile", target, lambda: copyfile(source, target))

        def step_ioctl(*arguments: Any) -> Any:
            return self.take("clone", "", lambda: ioctl(*arguments))

        def step_write_bytes(path: Path, data: bytes) -> int:
            return int(self.take("write", path, lambda: write_bytes(path, data)))

        def step_connect(*arguments: Any, **options: Any) -> Any:
            real = connect(*arguments, **options)
            return real if options.get("read_only") else Connection(self, real)

        # Each is one commit of a Delta table; kills within one are a matter of tests/scale.
        for commits, call in (
            (deltalake.DeltaTable, "create_write_transaction"),
            (deltalake.transaction, "create_table_with_add_actions"),
        ):
            setattr(commits, call, self._around("delta", getattr(commits, call)))

        replaced: dict[object, dict[str, object]] = {
            os: {"replace": step_replace},
            shutil: {"copyfile": step_copyfile},
            fcntl: {"ioctl": step_ioctl},
            Path: {"write_bytes": step_write_bytes},
            duckdb: {"connect": step_connect},
        }
        for owner, functions in replaced.items():
            for name, function in functions.items():
                setattr(owner, name, function)

    def _around(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(target: Any, *arguments: Any, **options: Any) -> Any:
            def call() -> Any:
                return real(target, *arguments, **options)

            # A call that finds nothing to do is not a step.
            is_path = isinstance(target, str | Path) and options.get("dir_fd") is None
            if kind == "unlink" and is_path and not os.path.lexists(target):
                return call()
            if kind == "mkdir" and is_path and os.path.lexists(target):
                return call()
            is_open = kind in _OF_DESCRIPTORS
            shown = Path(f"/proc/self/fd/{target}").readlink() if is_open else target
            return self.take(kind, shown, call)

        return step


class Connection:
    """A DuckDB connection whose durable statements are steps."""

    def __init__(self, steps: Steps, real: duckdb.DuckDBPyConnection) -> None:
        self._steps = steps
        self._real = real
        self._is_in_transaction = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cursor(self) -> Connection:
        """Return another connection to the same database."""
        return Connection(self._steps, self._real.cursor())

    def begin(self) -> None:
        """Begin a transaction; its statements are not steps."""
        self._real.begin()
        self._is_in_transaction = True

    def rollback(self) -> None:
        """Roll the transaction back."""
        self._real.rollback()
        self._is_in_transaction = False

    def commit(self) -> None:
        """Commit, which is a step."""
        self._steps.take("COMMIT", "transaction", self._real.commit)
        self._is_in_transaction = False

    def close(self) -> None:
        """Close, which is a step because it checkpoints."""
        self._steps.take("close", "", self._real.close)

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Execute a statement, as a step if it is durable when it ends."""
        parsed = statement
        if isinstance(statement, str):
            parsed = self._real.extract_statements(statement)[0]
        kind = self._kind(parsed)
        text = " ".join(parsed.query.split())[:60]
        if kind is None:
            return self._real.execute(statement, parameters)
        return self._steps.take(kind, text, lambda: self._real.execute(statement, parameters))

    def _kind(self, statement: Any) -> str | None:
        kind, text = statement.type, statement.query.lower()
        words = " ".join(line for line in text.splitlines() if not line.startswith("--")).split()
        first = words[0] if words else ""
        if first in ("copy", "attach", "detach", "checkpoint") or words[:2] == [
            "force",
            "checkpoint",
        ]:
            return {"copy": "COPY", "force": "checkpoint"}.get(first, first)
        reads = (StatementType.SELECT, StatementType.SET, StatementType.EXPLAIN)
        if kind in reads or self._is_in_transaction or first in ("use", "set", "pragma"):
            return None
        return None if any(word.startswith("staging.") for word in words[:8]) else "COMMIT"


def digest(data_dir: Path) -> str:
    """A digest of the directory: names, modes, targets of links, bytes."""
    found = hashlib.sha256()
    for path in sorted(data_dir.rglob("*")):
        if path.suffix == ".lock" or any(part.startswith("spill") for part in path.parts):
            continue
        found.update(f"{path.relative_to(data_dir)}\0{path.lstat().st_mode:o}\0".encode())
        if path.is_symlink():
            found.update(str(path.readlink()).encode())
        elif path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _site() -> str:
    """The innermost running function of the product."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.parent != ROOT / "tests":
            return f"{path.relative_to(ROOT)}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"


def _child(request: dict[str, Any]) -> None:
    """Serve one request, and write the list of steps to the file that it names."""
    data_dir = Path(request["data_dir"])
    point = CrashPoint(*request["point"]) if request["point"] else None
    with Path(request["log"]).open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    steps = Steps(data_dir, point)
    steps.wrap()
    now = datetime.fromisoformat(request["now"])
    settings = settings_for(data_dir, request["mapping"])
    COMMANDS[request["command"]](settings, Secret(request["url"]), lambda: now)
    Path(request["steps"]).write_text(json.dumps(steps.found))


def serve() -> None:
    """Fork a child for each request, and print its exit code."""
    assert adbc_driver_postgresql.dbapi
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 0
            try:
                _child(json.loads(line))
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


class Crasher:
    """The forking process, as the tests use it."""

    def __init__(
        self, process: subprocess.Popen[str], directory: Path, schema: SourceSchema
    ) -> None:
        self._process = process
        self._directory = directory
        self._schema = schema

    def record(self, command: str, data_dir: Path, url: str, now: datetime) -> list[Step]:
        """Run a command to its end and return its steps."""
        code = self._request(command, data_dir, url, now, None)
        assert code == 0, self._log()
        found = json.loads((self._directory / "steps").read_text())
        return [Step(*step) for step in found]

    def kill(
        self, command: str, data_dir: Path, url: str, now: datetime, point: CrashPoint
    ) -> None:
        """Run a command up to the crash point."""
        code = self._request(command, data_dir, url, now, point)
        assert code == -signal.SIGKILL, (code, point, self._log())

    def _request(
        self, command: str, data_dir: Path, url: str, now: datetime, point: CrashPoint | None
    ) -> int:
        request = {
            "command": command,
            "data_dir": str(data_dir),
            "url": url,
            "mapping": self._schema.mapping,
            "now": now.isoformat(),
            "point": point,
            "log": str(self._directory / "log"),
            "steps": str(self._directory / "steps"),
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def _log(self) -> str:
        return (self._directory / "log").read_text()[-3000:]


@contextmanager
def crasher(directory: Path, schema: SourceSchema) -> Iterator[Crasher]:
    """Start the forking process; its files are below `directory`."""
    directory.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash_points"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Crasher(process, directory, schema)
        assert process.stdin
        process.stdin.close()


if __name__ == "__main__":
    serve()
