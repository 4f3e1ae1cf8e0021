"""The command line as a person or a service runs it: real processes, exit codes, signals."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import duckdb
import pytest

from tests.world import World, at

ROOT = Path(__file__).parents[1]


class Command:
    """`python -m etl` with an environment of its own."""

    def __init__(self, data_dir: Path, url: str | None) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir.parent),
            "DATA_DIR": str(data_dir),
            "SANDBOX_DIR": str(data_dir.parent / "sandbox"),
            "SANDBOX_MESSAGES": "1000",
            **({"DATABASE_URL": url} if url else {}),
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [sys.executable, "-m", "etl", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    @contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Let it run; killed at the end of the block if it still does."""
        process = subprocess.Popen(
            [sys.executable, "-m", "etl", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def command(database: str, tmp_path: Path) -> Command:
    """The command line on a fresh database."""
    return Command(tmp_path / "data", database)


def _read_until(stream: IO[str] | None, word: str, *, lines: int = 200) -> str:
    """The first line that has `word` in it."""
    assert stream is not None
    for _ in range(lines):
        line = stream.readline()
        if word in line:
            return line
        if not line:
            break
    raise AssertionError(f"no line with {word!r}")


def test_one_cycle_prints_what_was_read_and_the_generation(command: Command, database: str) -> None:
    """`run` reads, publishes, says so and ends with 0; its log line is JSON when asked for."""
    with World(database) as world:
        world.user()
        world.message(1)
        world.message(2, created_at=at(days=-1))
    finished = command.run("run", LOG_FORMAT="json")
    assert finished.returncode == 0, finished.stderr
    assert "Generation 1:" in finished.stdout
    assert "2 messages on 2 days" in finished.stdout
    (line,) = [json.loads(text) for text in finished.stderr.splitlines()]
    assert line["event"] == "cycle"
    assert line["rows_read"]["messages"] == 2
    assert line["bytes_read"]["messages"] > 0
    assert set(line["read_ms"]) == set(line["rows_read"])
    assert {"read", "days", "facts", "rollups", "commit", "publish"} <= set(line["step_ms"])


def test_status_says_ok_warning_and_critical_with_its_exit_code(
    command: Command, database: str
) -> None:
    """`status` exits with 0 when all is well, 1 for a warning and 2 for what is critical."""
    before = command.run("status", "--json")
    assert (before.returncode, json.loads(before.stdout)["level"]) == (2, "CRITICAL")
    with World(database) as world:
        world.message()
        command.run("run")
        fresh = command.run("status", "--json")
        found = json.loads(fresh.stdout)
        assert (fresh.returncode, found["level"], found["generation"]) == (0, "OK", 1)
        world.execute("delete from messages")
        command.run("run")
    warned = command.run("status")
    assert (warned.returncode, warned.stdout.splitlines()[0]) == (1, "WARNING")
    time.sleep(7)
    stale = command.run("status", ETL_INTERVAL_SECONDS="1")
    assert (stale.returncode, stale.stdout.splitlines()[0]) == (2, "CRITICAL")


def test_a_backfill_says_how_far_it_is_and_what_is_covered(command: Command, database: str) -> None:
    """`backfill` shows lines where there is no terminal, `status` the coverage; later all of it."""
    with World(database) as world:
        world.message(1)
        world.message(2, created_at=at(days=-1))
    today = str(at().date())
    first = command.run("backfill", "--from", today, "--jobs", "1")
    assert first.returncode == 0, first.stderr
    assert "reading: 1 of 1 blocks (100 %), 1 rows" in first.stderr
    assert "1 messages on 1 days" in first.stdout
    assert f"coverage      from {today}\n" in command.run("status").stdout
    widened = command.run("backfill")
    assert "2 messages on 2 days" in widened.stdout
    assert "coverage      every day\n" in command.run("status").stdout
    again = command.run("backfill")
    assert again.stdout.startswith("All of these days are covered already.\nGeneration 2:")


def test_a_backfill_of_days_in_the_wrong_order_is_refused(command: Command) -> None:
    """`--from` after `--to` exits with 2 and names both."""
    finished = command.run("backfill", "--from", "2026-03-02", "--to", "2026-03-01")
    assert finished.returncode == 2
    assert finished.stderr.startswith("error: --from 2026-03-02 is after --to 2026-03-01")


def test_rebuild_needs_no_database(command: Command) -> None:
    """`rebuild` publishes the lake's state although PostgreSQL is out of reach."""
    command.run("run")
    finished = command.run("rebuild", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x")
    assert finished.returncode == 0, finished.stderr
    assert "Generation 2:" in finished.stdout


def test_publish_reads_nothing(command: Command) -> None:
    """`publish` makes the next generation of what is there, although PostgreSQL is out of reach;
    where nothing was loaded it says so."""
    empty = command.run("publish")
    assert empty.returncode == 1 and "is empty" in empty.stderr
    command.run("run")
    finished = command.run("publish", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x")
    assert finished.returncode == 0, finished.stderr
    assert "Generation 2" in finished.stdout


def test_rebuild_without_a_lake_names_the_way_out(command: Command) -> None:
    """`rebuild` on an empty DATA_DIR is one clear error and exit code 1."""
    finished = command.run("rebuild")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: the manifest")
    assert "Traceback" not in finished.stderr


def test_an_unreachable_database_is_one_clear_error(command: Command) -> None:
    """A wrong host gives exit code 1, names it, keeps the password, and leaves no traceback."""
    url = "postgresql://someone:hunter2@127.0.0.1:1/messenger"
    finished = command.run("run", DATABASE_URL=url)
    assert finished.returncode == 1
    assert "127.0.0.1" in finished.stderr and "DATABASE_URL" in finished.stderr
    assert "hunter2" not in finished.stderr + finished.stdout
    assert "Traceback" not in finished.stderr


def test_a_wrong_setting_is_named(command: Command) -> None:
    """An unusable value exits with 2 and names the variable."""
    finished = command.run("run", ETL_INTERVAL_SECONDS="soon")
    assert finished.returncode == 2
    assert "ETL_INTERVAL_SECONDS='soon'" in finished.stderr


def test_another_database_than_last_time_is_a_stop(
    command: Command, database: str, new_database: object
) -> None:
    """A DATABASE_URL that names another database stops, and `--full` accepts it."""
    assert callable(new_database)
    with World(database) as world:
        world.message(1)
    command.run("run")
    other = new_database()
    refused = command.run("run", DATABASE_URL=other)
    assert refused.returncode == 1
    assert "names another database" in refused.stderr and "--full" in refused.stderr
    accepted = command.run("run", "--full", DATABASE_URL=other)
    assert accepted.returncode == 0, accepted.stderr
    assert "0 messages on 0 days" in accepted.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_every_stops_in_order(number: int, command: Command) -> None:
    """`run --every` goes on until Ctrl-C or SIGTERM, ends its cycle and exits with 0."""
    with command.started("run", "--every", "1") as process:
        _read_until(process.stdout, "batch 2")
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert output.rstrip().endswith("stopped")


def test_run_every_outlives_a_source_that_is_away(command: Command, database: str) -> None:
    """A cycle that fails is logged with its hint, and the next one tries again."""
    with World(database) as world, command.started("run", "--every", "1") as process:
        _read_until(process.stdout, "batch 1")
        world.execute("alter table users rename to people")
        assert "hint" in _read_until(process.stdout, "cycle.failed")
        world.execute("alter table people rename to users")
        _read_until(process.stdout, "batch 2")


@pytest.mark.slow
def test_a_new_user_gets_a_filled_sandbox_and_leaves_no_process(tmp_path: Path) -> None:
    """Without DATABASE_URL `run` starts, fills and reads the sandbox, and ends without a trace."""
    command = Command(tmp_path / "data", None)
    finished = command.run("run")
    assert finished.returncode == 0, finished.stderr
    assert "1,000 messages" in finished.stdout
    assert _processes_below(tmp_path) == []
    again = command.run("run")
    assert "filling" not in again.stdout and "Nothing changed" in again.stdout
    assert (tmp_path / "data/.sandbox").exists()


def test_data_of_a_real_database_are_never_marked_as_the_sandboxs(
    command: Command, tmp_path: Path
) -> None:
    """`make clean` removes what is marked: not what came from DATABASE_URL, even if it is unset."""
    command.run("run")
    marker = tmp_path / "data/.sandbox"
    assert not marker.exists()
    forgotten = Command(tmp_path / "data", None).run("run")
    assert forgotten.returncode == 1 and "names another database" in forgotten.stderr
    assert not marker.exists()


@pytest.mark.slow
def test_the_demo_lives_and_stops_cleanly(tmp_path: Path) -> None:
    """The demo publishes what its live messenger writes, its three requests work as they are
    printed, and Ctrl-C stops every process."""
    command = Command(tmp_path / "data", None)
    with command.started("demo", DEMO_INTERVAL_SECONDS="2") as process:
        requests = [_read_until(process.stdout, "curl -H") for _ in range(3)]
        answers = [
            subprocess.run(
                [*shlex.split(request), "--silent", "--write-out", "%{http_code}"],
                capture_output=True,
                text=True,
            ).stdout[-3:]
            for request in requests
        ]
        assert answers == ["200", "200", "202"]
        _read_until(process.stdout, "batch 3")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert _processes_below(tmp_path) == []
    with duckdb.connect(str(tmp_path / "data/analytics.duckdb"), read_only=True) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
    assert row is not None and row[0] > 1_000


def _processes_below(directory: Path) -> list[str]:
    """The command lines of processes that name `directory`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found
