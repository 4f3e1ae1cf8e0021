"""The command line: output, exit codes, signals, the sandbox and the demo."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb
import httpx
import pytest

from etl import __main__ as command_line
from etl import running
from etl.sandbox import demo
from olap.commands import call
from olap.errors import SandboxError
from olap.secret import Secret
from tests.world import World, at

ROOT = Path(__file__).parents[1]
PREFIX = "/api/v1/messenger/analytics"
UNREACHABLE = "postgresql://nobody@127.0.0.1:1/x"

Run = Callable[..., "Finished"]


@dataclass
class Finished:
    """What a command printed, and its exit code."""

    code: int
    output: str
    errors: str


def environment(directory: Path, url: str | None = None) -> dict[str, str]:
    """Settings of a command that works below one directory."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "DATA_DIR": str(directory / "data"),
        "SANDBOX_DIR": str(directory / "sandbox"),
        "SANDBOX_MESSAGES": "1000",
        "DEMO_INTERVAL_SECONDS": "1",
        **({"DATABASE_URL": url} if url else {}),
    }


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that the server's account can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="test-cli-") as directory:
        yield Path(directory)


@pytest.fixture
def run(
    database: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command in this process, on a fresh database unless a variable names another."""

    def run(*arguments: str, **variables: str) -> Finished:
        monkeypatch.setattr(os, "environ", environment(home, database) | variables)
        code = command_line.main(arguments)
        return Finished(code, *capsys.readouterr())

    return run


@contextmanager
def started(*arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, with standard error in its output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments],
        cwd=ROOT,
        env=env,
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


def read_until(stream: IO[str] | None, word: str) -> list[str]:
    """The lines up to the first that contains `word`."""
    assert stream is not None
    lines: list[str] = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if word in line:
            return lines
    raise AssertionError(f"no line with {word!r} in {lines}")


def processes_below(directory: Path) -> list[str]:
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


def test_run_prints_what_was_read_and_the_generation(database: str, tmp_path: Path) -> None:
    """`run` is a process that prints a report, logs one JSON line to standard error, and exits
    with 0."""
    with World(database) as world:
        world.user()
        world.message(1)
        world.message(2, created_at=at(days=-1))
    finished = subprocess.run(
        [sys.executable, "-m", "etl", "run"],
        cwd=ROOT,
        env=environment(tmp_path, database) | {"LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert "Generation 1 in" in finished.stdout
    assert "2 messages on 2 days" in finished.stdout
    (line,) = [json.loads(text) for text in finished.stderr.splitlines()]
    assert line["event"] == "cycle"
    assert line["rows_read"]["messages"] == 2
    assert line["bytes_read"]["messages"] > 0
    assert set(line["read_ms"]) == set(line["rows_read"])
    assert {"read", "days", "facts", "rollups", "commit", "publish"} <= set(line["step_ms"])


def test_a_terminal_gets_short_lines_and_the_log_goes_to_a_file(database: str, home: Path) -> None:
    """On a terminal of 80 columns no line is longer, and the path of the log is printed once."""
    with World(database) as world:
        world.message()
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "etl", "run"],
        cwd=ROOT,
        env=environment(home, database) | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=end,
        stderr=end,
    )
    os.close(end)
    output = b""
    while True:
        try:
            output += os.read(terminal, 65_536)
        except OSError:  # the process has ended
            break
    os.close(terminal)
    assert process.wait() == 0
    lines = output.decode().replace(str(home), "build").splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if "batch=" in line] == []
    assert [line for line in lines if "etl.log" in line] == ["Log: build/etl.log"]
    assert (home / "etl.log").read_text().count(" cycle ") == 1


def test_status_exits_with_its_level(run: Run, database: str) -> None:
    """`status` exits with 0 for OK and 2 for CRITICAL: all rows gone, until accepted."""
    before = run("status", "--json")
    assert (before.code, json.loads(before.output)["level"]) == (2, "CRITICAL")
    with World(database) as world:
        world.message()
        run("run")
        found = run("status", "--json")
        status = json.loads(found.output)
        assert (found.code, status["level"], status["generation"]) == (0, "OK", 1)
        world.execute("delete from messages")
        kept = run("run")
    refusal = "1 of 1 rows of messages are gone at the source and stay here"
    assert refusal in kept.output
    told = run("status")
    assert (told.code, told.output.splitlines()[0]) == (2, "CRITICAL")
    assert refusal in told.output and call("etl --full --yes") in told.output
    assert run("run", "--yes").code == 2
    assert refusal in run("run", "--full").output
    assert "0 messages on 0 days" in run("run", "--full", "--yes").output
    assert run("status").code == 0


def test_backfill_prints_its_progress_and_status_the_coverage(run: Run, database: str) -> None:
    """Without a terminal `backfill` prints lines of progress; `status` shows the coverage."""
    with World(database) as world:
        world.message(1)
        world.message(2, created_at=at(days=-1))
    today = str(at().date())
    first = run("backfill", "--from", today, "--jobs", "1")
    assert first.code == 0, first.errors
    assert "reading: 1 of 1 blocks (100 %), 1 rows" in first.errors
    assert "1 messages on 1 days" in first.output
    assert f"coverage      from {today}\n" in run("status").output
    assert "2 messages on 2 days" in run("backfill").output
    assert "coverage      every day\n" in run("status").output
    again = run("backfill")
    assert again.output.startswith("All of these days are covered already.\n\nGeneration 2 in")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ("backfill", "--from", "2026-03-02", "--to", "2026-03-01"),
            "error: --from 2026-03-02 is after --to 2026-03-01\n",
            id="days in the wrong order",
        ),
        pytest.param(("verify", "--from", "monday"), "must be a day", id="not a day"),
        pytest.param(("backfill", "--jobs", "65"), "must be between 1 and 64", id="too many"),
        pytest.param(("backfill", "--pause-above-lag", "-1"), "must be 0 or more", id="negative"),
        pytest.param((), "the following arguments are required", id="no command"),
    ],
)
def test_wrong_arguments_exit_with_2(
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong argument is named, and the exit code is 2."""
    monkeypatch.setattr(os, "environ", environment(tmp_path))
    try:
        code: int | str | None = command_line.main(arguments)
    except SystemExit as argparse_exit:
        code = argparse_exit.code
    assert code == 2
    assert message in capsys.readouterr().err


def test_rebuild_and_publish_read_nothing_from_postgresql(run: Run) -> None:
    """Both publish a generation from what is in DATA_DIR while PostgreSQL cannot be reached."""
    assert run("run").code == 0
    for number, verb in ((2, "rebuild"), (3, "publish")):
        finished = run(verb, DATABASE_URL=UNREACHABLE)
        assert finished.code == 0, finished.errors
        assert f"Generation {number} in" in finished.output


@pytest.mark.parametrize(
    ("verb", "message"), [("rebuild", "error: the manifest"), ("publish", "is empty")]
)
def test_commands_on_an_empty_data_dir_are_clear_errors(run: Run, verb: str, message: str) -> None:
    """`rebuild` and `publish` without data print an error and exit with 1."""
    finished = run(verb)
    assert finished.code == 1
    assert message in finished.errors


def test_an_unreachable_database_is_a_clear_error(run: Run) -> None:
    """The error names the host and the variable, hides the password, and exits with 1."""
    finished = run("run", DATABASE_URL="postgresql://someone:hunter2@127.0.0.1:1/messenger")
    assert finished.code == 1
    assert finished.errors.startswith("error: cannot connect")
    assert "127.0.0.1" in finished.errors and "DATABASE_URL" in finished.errors
    assert "hunter2" not in finished.errors + finished.output


def test_a_wrong_setting_is_named(run: Run) -> None:
    """An unusable value is an error that names the variable; the exit code is 2."""
    finished = run("run", ETL_INTERVAL_SECONDS="soon")
    assert finished.code == 2
    assert "ETL_INTERVAL_SECONDS='soon'" in finished.errors


def test_another_database_than_last_time_is_refused(
    run: Run, database: str, new_database: Callable[[], str]
) -> None:
    """A DATABASE_URL that names another database is an error; `--full --yes` accepts it, empty."""
    with World(database) as world:
        world.message(1)
    run("run")
    other = new_database()
    refused = run("run", DATABASE_URL=other)
    assert refused.code == 1
    assert "names another database" in refused.errors and call("etl --full") in refused.errors
    accepted = run("run", "--full", "--yes", DATABASE_URL=other)
    assert accepted.code == 0, accepted.errors
    assert "0 messages on 0 days" in accepted.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_run_every_after_its_cycle(
    number: int, database: str, tmp_path: Path
) -> None:
    """`run --every` repeats until Ctrl-C or SIGTERM, ends its cycle and exits with 0."""
    with started("run", "--every", "1", env=environment(tmp_path, database)) as process:
        read_until(process.stdout, "batch=1")
        process.send_signal(number)
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert output.rstrip().endswith("stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_running_cycle_end(number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal set an event; before that nothing is left changed."""
    before = signal.getsignal(number)
    with running.stop_event() as stop:
        pass
    assert not stop.is_set() and signal.getsignal(number) is before
    with running.interruptible(), running.stop_event() as stop:
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


def test_only_the_first_signal_counts() -> None:
    """Ctrl-C interrupts a command; a second one does not interrupt the cleanup."""
    before = signal.getsignal(signal.SIGINT)
    cleaned = False
    with pytest.raises(KeyboardInterrupt), running.interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert signal.getsignal(signal.SIGINT) is before


def test_run_every_continues_after_a_failed_cycle(database: str, tmp_path: Path) -> None:
    """A cycle that fails is logged with its hint, and the next one tries again."""
    env = environment(tmp_path, database)
    with World(database) as world, started("run", "--every", "1", env=env) as process:
        read_until(process.stdout, "batch=1")
        world.execute("alter table users rename to people")
        assert "hint" in read_until(process.stdout, "cycle.failed")[-1]
        world.execute("alter table people rename to users")
        read_until(process.stdout, "batch=2")


@pytest.mark.slow
def test_without_a_database_the_sandbox_is_read(home: Path) -> None:
    """`run` fills and reads the sandbox and stops its servers; `make clean` may remove the data."""
    with started("run", env=environment(home)) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "1,000 messages" in output
    assert processes_below(home) == []
    assert (home / "data/.sandbox").exists()
    with started("run", env=environment(home)) as process:
        again, _ = process.communicate()
    assert "Generating" not in again and "Nothing changed" in again


def test_a_signal_while_the_sandbox_is_filled_stops_its_server(home: Path) -> None:
    """SIGTERM interrupts a load, stops PostgreSQL and exits with 143."""
    env = environment(home) | {"SANDBOX_MESSAGES": "300000"}
    with started("run", env=env) as process:
        read_until(process.stdout, "Generating")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
    assert process.returncode == 143, output
    assert output.rstrip().endswith("stopped")
    assert processes_below(home) == []


def test_the_sandbox_is_not_read_by_another_mapping(run: Run) -> None:
    """Without DATABASE_URL, a mapping of another messenger is an error that says what to set."""
    refused = run("run", DATABASE_URL="", SOURCE_MAPPING="somebody/elses")
    assert refused.code == 2
    assert "the sandbox has the tables of messenger" in refused.errors
    assert "Set DATABASE_URL" in refused.errors


def test_data_of_a_real_database_are_not_marked_as_the_sandboxs(run: Run, home: Path) -> None:
    """`make clean` removes marked data: not those of DATABASE_URL, even if it is unset later."""
    run("run")
    marker = home / "data/.sandbox"
    assert not marker.exists()
    unset = run("run", DATABASE_URL="")
    assert unset.code == 1 and "names another database" in unset.errors
    assert not marker.exists()


@pytest.mark.slow
def test_the_demo_works_as_printed_and_leaves_nothing(home: Path) -> None:
    """The printed link opens the page, the printed commands work in a shell, and the traffic posts
    events. Killed, the demo takes the API with it, and the next demo works. Ctrl-C stops every
    process and removes the tokens."""
    env = environment(home)
    with started("demo", env=env) as process:
        printed = read_until(process.stdout, "demo.log")
        commands = [line.strip() for line in printed if line.startswith("  ")]
        assert len(commands) == 3
        link = next(line for line in printed if line.startswith("Open ")).split()[1]
        url, _, bearer = link.partition("/#token=")
        page = httpx.get(f"{url}/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        given = {"Authorization": f"Bearer {bearer}"}
        answer = httpx.get(f"{url}{PREFIX}/generation", headers=given)
        assert answer.status_code == 200
        # Of live traffic and this one the database may be too slow for once.
        post = 'curl --retry 10 -H "$ADMIN" -H "Content-Type: application/json" "$API/events"'
        commands.append(post + """ -d '{"event_type": "file.uploaded"}'""")
        codes = shell("\n".join(commands).replace("curl", "curl -sw '\\n%{http_code}\\n'"))
        assert [line for line in codes if line in ("200", "202")] == ["200", "200", "202"]
        read_until(process.stdout, "generation 3")
        recent = f"{url}{PREFIX}/events/recent?limit=100"
        await_true(lambda: len(types_of(httpx.get(recent, headers=given))) > 1)  # live traffic
        port = url.rpartition(":")[2]
        process.kill()
    await_true(lambda: not listens(int(port)))
    with started("demo", env=env) as process:
        read_until(process.stdout, "generation")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert processes_below(home) == []
    assert not (home / "demo.env").exists()
    with duckdb.connect(str(home / "data/analytics.duckdb"), read_only=True) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
    assert row is not None and row[0] > 1_000


def test_the_demo_ends_with_its_parent(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When `make` is killed, the demo has another parent process and stops."""
    stop, parents = threading.Event(), iter((1, 1, 2))
    monkeypatch.setattr(os, "getppid", lambda: next(parents, 2))
    monkeypatch.setattr("etl.sandbox.live._TICK_SECONDS", 0)
    with demo.live_traffic(Secret(database), stop, lambda _: None):
        assert stop.wait(60)


def test_a_demo_without_its_database_says_so() -> None:
    """Live traffic that fails stops the demo, and is its error."""
    stop = threading.Event()
    with (
        pytest.raises(SandboxError, match="live traffic failed"),
        demo.live_traffic(Secret(UNREACHABLE), stop, lambda _: None),
    ):
        assert stop.wait(60)


def shell(script: str) -> list[str]:
    """The lines that a shell prints."""
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout.splitlines()


def listens(port: int) -> bool:
    """Whether a server accepts connections on this port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def types_of(recent: httpx.Response) -> set[str]:
    """The types of the recent events of an answer."""
    return {event["event_type"] for event in recent.json()["events"]}


def await_true(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that must come to hold."""
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
