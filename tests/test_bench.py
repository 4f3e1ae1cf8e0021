"""The bench: it runs, its figures are what they are called, and its goals are judged honestly.

Nothing here asserts a time: how fast the machine is today is no property of the code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etl.sandbox.traffic import TrafficPlan, load
from olap.errors import AnalyticsError
from olap.tables import TABLES
from tests.bench import stopwatch
from tests.bench.changes import CHANGES, make_changes
from tests.bench.dlt_peer import DltLoad
from tests.bench.etl_run import FOLD_STEPS, EtlRun
from tests.bench.goals import judge
from tests.bench.loads import Disk, Loads
from tests.bench.server_copy import ServerCopy
from tests.bench.source import UNTIL

ROOT = Path(__file__).parents[1]
MESSAGES = 20_000


@dataclass(frozen=True, slots=True)
class Smoke:
    """What a small bench printed and wrote."""

    text: str
    written: dict[str, Any]


@pytest.fixture(scope="module")
def smoke() -> Iterator[Smoke]:
    """One small bench without peers, in a directory that the server's account can reach."""
    with tempfile.TemporaryDirectory(prefix="test-bench-") as directory:
        options = ["--messages", str(MESSAGES), "--rounds", "1", "--cycles", "1", "--no-peers"]
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.bench", *options, "--build", directory],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stderr
        written = json.loads((Path(directory) / "bench.json").read_bytes())
        yield Smoke(finished.stdout, written)


def test_both_messengers_are_loaded_and_compared(smoke: Smoke) -> None:
    """The JSON holds the first loads of both messengers, with the same rows for both readers."""
    everything, messages_only = smoke.written["loads"]
    assert everything["rows"]["messages"] == messages_only["rows"]["messages"] == MESSAGES
    assert everything["rows"]["read_receipts"] > 0 < everything["rows"]["events"]
    assert messages_only["rows"]["read_receipts"] == messages_only["rows"]["events"] == 0
    for loads in (everything, messages_only):
        (ours,), (copy,) = loads["ours"], loads["copies"]
        assert ours["rows_read"] == copy["rows"] == loads["rows"]
        assert loads["dlt"] == []
        assert all(loads["disk"].values())
    assert [speeds["messenger"] for speeds in smoke.written["speeds"]] == [
        "everything",
        "messages only",
    ]


def test_a_cycle_reads_the_changes_and_its_steps_are_apart(smoke: Smoke) -> None:
    """The cycle after the load reads at least the changed rows, not the whole messenger again."""
    (cycle,) = smoke.written["cycles"]
    read = sum(cycle["rows_read"].values())
    assert CHANGES <= read < sum(smoke.written["loads"][0]["rows"].values())
    assert cycle["rows_changed"] >= CHANGES
    assert {"read", *FOLD_STEPS, "publish"} <= set(cycle["steps_ms"])
    summary = smoke.written["cycle"]
    assert summary["read_ms"] == cycle["steps_ms"]["read"]
    assert summary["fold_ms"] == sum(cycle["steps_ms"][step] for step in FOLD_STEPS)


def test_no_goal_is_judged_at_a_size_it_does_not_name(smoke: Smoke) -> None:
    """At another size than the stated one every goal is written down as not measured."""
    assert len(smoke.written["verdicts"]) == 6
    for verdict in smoke.written["verdicts"]:
        assert (verdict["verdict"], verdict["measured"]) == ("not measured", None)
        assert verdict["at_messages"] == 5_000_000


def test_the_machine_is_described(smoke: Smoke) -> None:
    """The JSON says on what the figures were taken."""
    machine = smoke.written["machine"]
    assert machine["cores"] >= 1
    assert machine["memory_bytes"] > 0
    assert machine["python"] == ".".join(map(str, sys.version_info[:3]))
    assert machine["postgresql"].startswith("18.")
    assert {"duckdb", "polars"} <= set(machine["packages"])


def test_the_table_has_every_part(smoke: Smoke) -> None:
    """What is printed has a line for each reader, the cycle, the disk and every goal."""
    lines = smoke.text.splitlines()

    def count(start: str) -> int:
        return sum(line.startswith(start) for line in lines)

    for start in ("First load: ", "COPY to nowhere ", "python -m etl run ", "Disk, "):
        assert count(start) == 2, start
    for start in ("A cycle with 10,000 changes", "read ", "fold ", "publish "):
        assert count(start) == 1, start
    assert count("speed of a first load beside dlt ") == 2
    assert lines[-1].endswith("bench.json")


def test_exactly_the_stated_rows_are_changed(empty_database: str) -> None:
    """A cycle changes 9,900 rows of the last two days, five on each of 20 older days, no others."""
    load(empty_database, TrafficPlan(messages=5_000, until=UNTIL))
    with psycopg.connect(empty_database, autocommit=True) as connection:
        (base,) = connection.execute("select txid_current()").fetchall()[0]
        assert make_changes(empty_database, cycle=1) == CHANGES
        changed = connection.execute(
            "select (time at time zone 'utc')::date, sum(rows)::int from ("
            " select created_at as time, 1 as rows from messages"
            " where age(xmin) < age(%(base)s::text::xid)"
            " union all select read_at, 1 from message_read_receipts"
            " where age(xmin) < age(%(base)s::text::xid)) as found group by 1",
            {"base": base},
        ).fetchall()
    recent = (UNTIL - timedelta(days=2)).date()
    old = {day: rows for day, rows in changed if day < recent}
    assert len(old) == 20
    assert set(old.values()) == {5}
    assert sum(rows for day, rows in changed if recent <= day < UNTIL.date()) == CHANGES - 100
    assert all(day < UNTIL.date() for day, _ in changed)


def test_another_cycle_changes_other_rows(empty_database: str) -> None:
    """Each cycle makes as many changes as the first, and adds messages that are new."""
    load(empty_database, TrafficPlan(messages=5_000, until=UNTIL))
    counts: list[int] = []
    for cycle in (1, 2):
        assert make_changes(empty_database, cycle) == CHANGES
        with psycopg.connect(empty_database) as connection:
            counts += connection.execute("select count(*) from messages").fetchone() or ()
    assert 5_000 < counts[0] < counts[1]


def test_peak_memory_is_the_program_s_own() -> None:
    """A small program's peak stays small, whatever the process that measures it holds."""
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])  # really held, not only promised
    measured = stopwatch.run([sys.executable, "-I", "-S", "-c", "print('done')"], {})
    assert measured.stdout == "done\n"
    assert measured.peak_bytes < 100_000_000 < len(ballast)


def test_peak_memory_grows_with_what_the_program_holds() -> None:
    """A program that holds 200 MB shows at least these, in bytes."""
    measured = stopwatch.run([sys.executable, "-c", "x = b'x' * 200_000_000"], {})
    assert 200_000_000 <= measured.peak_bytes < 400_000_000


def test_a_program_that_fails_is_an_error_with_its_last_words() -> None:
    """A measured program that fails yields no figure but an error that shows what it wrote."""
    with pytest.raises(AnalyticsError, match="no such luck"):
        stopwatch.run([sys.executable, "-c", "raise SystemExit('no such luck')"], {})


def first_loads(
    *, messages: int = 5_000_000, seconds: float = 40.0, peak_bytes: int = 10**9, dlt: bool = True
) -> Loads:
    """First loads in which COPY takes 10 s and dlt 100 s."""
    rows = {**dict.fromkeys(TABLES, 0), "messages": messages}
    ours = EtlRun(
        seconds=seconds,
        peak_bytes=peak_bytes,
        rows_read=rows,
        rows_changed=messages,
        days_rebuilt=1,
        steps_ms={"read": 1},
    )
    peer = DltLoad(seconds=100.0, peak_bytes=1, rows=rows, step_seconds={})
    return Loads(
        name="made up",
        rows=rows,
        ours=(ours,),
        copies=(ServerCopy(rows=rows, table_seconds={"messages": 10.0}),),
        dlt=(peer,) if dlt else (),
        disk=Disk(messages=messages, lake_bytes=1, warehouse_bytes=1, generation_bytes=1),
    )


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        (first_loads(), [(0.25, "reached"), (2.5, "reached"), (1.0, "reached")]),
        (
            first_loads(seconds=80.0, peak_bytes=1_500_000_000),
            [(0.125, "missed"), (1.25, "missed"), (1.5, "missed")],
        ),
        (
            first_loads(dlt=False),
            [(0.25, "reached"), (None, "not measured"), (1.0, "reached")],
        ),
        (first_loads(messages=4_999_999), [(None, "not measured")] * 3),
    ],
    ids=["reached", "missed", "without dlt", "another size"],
)
def test_a_goal_is_judged_at_its_size_alone(
    loads: Loads, expected: list[tuple[float | None, str]]
) -> None:
    """A goal is reached or missed at the size it names and with its peer, else not measured."""
    assert [(verdict.measured, verdict.verdict) for verdict in judge(loads)] == expected
