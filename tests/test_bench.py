"""The bench: it runs, its figures are what they are called, and its goals are judged honestly.

Nothing here asserts a time: how fast the machine is today is no property of the code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from etl.sandbox.traffic import TrafficPlan, generate, load
from olap.errors import AnalyticsError
from olap.tables import TABLE_NAMES
from tests import contents
from tests.api.servers import server
from tests.bench import stopwatch
from tests.bench.api_figures import crowd_times, percentile
from tests.bench.asked import EVERY_METRIC, Asker
from tests.bench.askers import Answer, Askers
from tests.bench.changes import CHANGES, make_changes
from tests.bench.crowd import Crowd, dashboard
from tests.bench.dlt_peer import DltLoad
from tests.bench.etl_run import FOLD_STEPS, EtlRun
from tests.bench.goals import GOALS, judge
from tests.bench.loads import Disk, Loads
from tests.bench.machine import describe_machine
from tests.bench.metric_times import WINDOWS
from tests.bench.parts import Part, PartName
from tests.bench.peer_questions import PEER_QUESTIONS
from tests.bench.report import Report, read_report
from tests.bench.server_copy import ServerCopy
from tests.bench.source import UNTIL, without_old_echoes

ROOT = Path(__file__).parents[1]
MESSAGES = 20_000


@dataclass(frozen=True, slots=True)
class Smoke:
    """What a small bench printed and wrote."""

    text: str
    written: dict[str, Any]
    home: Path
    generated: dict[str, contents.Rows]
    read: dict[str, contents.Rows]

    def part(self, name: str) -> dict[str, Any]:
        """The one part of this name."""
        found: list[dict[str, Any]] = [p for p in self.written["parts"] if p["name"] == name]
        (part,) = found
        return part


@pytest.fixture(scope="module")
def smoke() -> Iterator[Smoke]:
    """One small bench without peers, in a directory that the server's account can reach."""
    with tempfile.TemporaryDirectory(prefix="test-bench-") as directory:
        options = ["--messages", str(MESSAGES), "--rounds", "1", "--cycles", "1", "--times", "1"]
        options += ["--seconds", "1", "--no-peers"]
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.bench", *options, "--build", directory],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stderr
        written = json.loads((Path(directory) / "bench.json").read_bytes())
        home = Path(directory) / "bench"
        yield Smoke(
            finished.stdout,
            written,
            home,
            contents.of_core(home / f"lake_{MESSAGES}" / "analytics.duckdb"),
            # The last part of a run leaves the whole messenger as it was read.
            contents.of_core(home / "data" / "analytics.duckdb"),
        )


def test_both_messengers_are_loaded_and_compared(smoke: Smoke) -> None:
    """The JSON holds the first loads of both messengers, with the same rows for both readers."""
    everything, messages_only = smoke.part("loads")["loads"]
    assert (everything["name"], messages_only["name"]) == ("everything", "messages only")
    assert everything["rows"]["messages"] == messages_only["rows"]["messages"] == MESSAGES
    assert everything["rows"]["read_receipts"] > 0 < everything["rows"]["events"]
    assert messages_only["rows"]["read_receipts"] == messages_only["rows"]["events"] == 0
    for loads in (everything, messages_only):
        (ours,), (copy,) = loads["ours"], loads["copies"]
        assert ours["rows_read"] == copy["rows"] == loads["rows"]
        assert loads["dlt"] == []
        assert all(loads["disk"].values())


def test_a_cycle_reads_the_changes_and_its_steps_are_apart(smoke: Smoke) -> None:
    """The cycle after the load reads at least the changed rows, not the whole messenger again."""
    (cycle,) = smoke.part("cycles")["cycles"]
    read = sum(cycle["rows_read"].values())
    assert CHANGES <= read < sum(smoke.part("loads")["loads"][0]["rows"].values())
    assert cycle["rows_changed"] >= CHANGES
    assert {"read", *FOLD_STEPS, "publish"} <= set(cycle["steps_ms"])


def test_a_verify_stands_beside_what_the_server_takes(smoke: Smoke) -> None:
    """The JSON holds the seconds of a verify, of a count and of an md5 sum of the same rows."""
    proofs = smoke.part("verify")["proofs"]
    assert proofs["rows"] == sum(smoke.part("loads")["loads"][0]["rows"].values())
    for reader in ("verify_seconds", "count_seconds", "md5_seconds"):
        (seconds,) = proofs[reader]
        assert seconds > 0


def test_every_metric_is_timed_for_everybody_who_asks(smoke: Smoke) -> None:
    """The JSON holds each question once, over each window, with the times that were taken."""
    found = smoke.part("metrics")["metrics"]
    asked = Counter((t["asker"], t["about"], t["days"]) for t in found["times"])
    assert max(asked.values()) == 1
    for asker in (Asker.ADMINISTRATOR, Asker.MEMBER):
        assert {(asker, "message_stats", days) for days in WINDOWS} <= set(asked)
    assert {t["metric"] for t in found["times"]} >= set(EVERY_METRIC)
    assert all(len(t["ms"]) == 1 and t["ms"][0] > 0 for t in found["times"])


def test_peers_answer_the_same_questions(smoke: Smoke) -> None:
    """Each question of the comparison was asked of PostgreSQL too; chDB is not there today."""
    times = smoke.part("peers")["peers"]
    assert len(times) == len(PEER_QUESTIONS) * 3
    assert all(t["our_ms"] and t["postgresql_ms"] and t["chdb_ms"] is None for t in times)


def test_the_api_is_asked_from_memory_uncached_and_through_a_change(smoke: Smoke) -> None:
    """The JSON holds each round on both servers, every uncached dashboard, and a crowd that was
    answered from the generation that was published meanwhile."""
    found = smoke.part("api")["api"]
    cached, crowd = found["cached"], found["crowd"]
    (ours,), (bare,) = cached["ours"], cached["bare"]
    assert min(one["throughput"]["requests"] for one in (ours, bare)) > cached["clients"]
    assert [(some["days"], len(some["ms"])) for some in found["uncached"]] == [(7, 8), (30, 8)]
    assert (crowd["clients"], crowd["keys"], crowd["switches"]) == (64, 50, 1)
    groups = {(t["is_warmed"], t["is_around_switch"]): t for t in crowd["times"]}
    assert len(groups) == 4
    for is_warmed in (True, False):
        near, always = groups[is_warmed, True], groups[is_warmed, False]
        assert 0 < near["answers"] < always["answers"]
        # What was asked before is computed before the change, so most or all of these are hits.
        assert 0 < near["hits"] <= near["answers"]
    lake = smoke.home / f"lake_{MESSAGES}" / "generations"
    assert [file.name for file in sorted(lake.glob("*.duckdb"))] == ["analytics-000001.duckdb"]


def test_a_generated_lake_is_what_a_server_would_have_given(smoke: Smoke) -> None:
    """The messenger that went through PostgreSQL and the one that did not hold the same rows."""
    assert contents.differences(smoke.generated, smoke.read) == {}
    assert smoke.read["messages"].total() == MESSAGES


def test_no_goal_is_judged_at_a_size_it_does_not_name(smoke: Smoke) -> None:
    """At another size than the stated one every goal is written down as not measured."""
    assert len(smoke.written["verdicts"]) == len(GOALS)
    for verdict in smoke.written["verdicts"]:
        assert (verdict["verdict"], verdict["measured"]) == ("not measured", None)
        assert verdict["at_messages"] >= 5_000_000


def test_the_machine_is_described(smoke: Smoke) -> None:
    """The JSON says, part by part, on what the figures were taken."""
    for part in smoke.written["parts"]:
        machine = part["machine"]
        assert machine["cores"] >= 1
        assert machine["memory_bytes"] > 0
        assert machine["python"] == ".".join(map(str, sys.version_info[:3]))
        assert machine["postgresql"].startswith("18.")
        assert {"duckdb", "polars"} <= set(machine["packages"])


def test_the_table_has_every_part(smoke: Smoke) -> None:
    """What is printed has lines for each reader, cycle, proofs, disk and every goal."""
    lines = smoke.text.splitlines()

    def count(start: str) -> int:
        return sum(line.startswith(start) for line in lines)

    for start in ("First load: ", "COPY to nowhere ", "python -m etl run ", "Disk, "):
        assert count(start) == 2, start
    for start in ("A cycle with 10,000 changes", "read  ", "fold  ", "publish  ", "Full verify, "):
        assert count(start) == 1, start
    for start in ("Uncached, median of 1", "Same answer, times ours "):
        assert count(start) == 1, start
    for start in ("Cached dashboard, ", "Uncached dashboard, ", "64 clients "):
        assert count(start) == 1, start
    for goal in GOALS:
        assert count(f"{goal.about} ") == 1, goal.about
    assert lines[-1].endswith("bench.json")


def a_part(name: PartName, *, messages: int = 5_000_000, seconds: float = 1.0) -> Part:
    """A part of that name and size, with nothing in it; `seconds` tell one from another."""
    return Part(
        name=name,
        messages=messages,
        shape="made up",
        measured_at=UNTIL + timedelta(seconds=seconds),
        machine=describe_machine("18.4"),
    )


def test_percentiles_are_values_that_were_measured() -> None:
    """A percentile is the smallest value that so many percent do not exceed; never made up."""
    values = [float(value) for value in range(40, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [20, 38, 40, 40]
    assert percentile([7.0], 1) == 7.0


def test_answers_around_a_change_of_generation_are_judged_apart() -> None:
    """What is asked within a second of a new generation's first answer is counted by itself, by
    whether its key had been warmed; the first generation is no change."""
    crowd = Crowd(paths=("warmed", "other"), weights=(1.0, 0.5), warmed=1)
    answers = [
        Answer(0, 0.1, 1.0, 200, True, 1),
        Answer(1, 8.9, 2.0, 200, True, 1),
        Answer(1, 9.5, 500.0, 200, False, 2),  # arrives at 10.0: that is the change
        Answer(0, 10.5, 3.0, 200, True, 2),
        Answer(1, 10.9, 4.0, 200, True, 2),
        Answer(0, 11.1, 9.0, 200, True, 2),
        Answer(1, 20.0, 10_000.0, 503, False, 0),  # says no generation, and is no change to one
    ]
    found = {(t.is_around_switch, t.is_warmed): t for t in crowd_times(crowd, answers)}
    shown = {key: (t.answers, t.hits, t.refused, t.p50_ms, t.worst_ms) for key, t in found.items()}
    assert shown == {
        (False, True): (3, 3, 0, 3.0, 9.0),
        (False, False): (4, 2, 1, 4.0, 10_000.0),
        (True, True): (1, 1, 0, 3.0, 3.0),
        (True, False): (2, 1, 0, 4.0, 500.0),
    }


def test_a_load_that_is_not_answered_well_is_no_figure(tmp_path: Path) -> None:
    """An answer other than 200 ends the bench: a refusal is quick, and would look like speed."""
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    with server(
        tmp_path, tmp_path / "log", program="tests.bench.bare", BARE_BODY=str(body)
    ) as bare:
        askers = Askers(bare.port, "none", clients=2)
        with pytest.raises(AnalyticsError, match="404"), askers.asking([dashboard(7), "/no"]):
            pass
        with askers.asking([dashboard(7)] * 3) as load:
            pass
    assert sorted(answer.path for answer in load.answers) == [0, 1, 2]


def test_a_part_that_is_repeated_replaces_its_like_alone() -> None:
    """What other parts, and the same part at other sizes, have found stays in the report."""
    at_five, at_fifty = a_part(PartName.CYCLES), a_part(PartName.CYCLES, messages=50_000_000)
    verify, again = a_part(PartName.VERIFY), a_part(PartName.CYCLES, seconds=2.0)
    report = Report.of([])
    for part in (verify, at_fifty, at_five, again):
        report = report.with_part(part)
    assert report.parts == (again, at_fifty, verify)


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """The JSON can be read back whole, and where there is none the report is empty."""
    path = tmp_path / "bench.json"
    assert read_report(path) == Report.of([])
    report = Report.of([replace(a_part(PartName.LOADS), loads=(first_loads(),))])
    path.write_bytes(report.to_json())
    assert read_report(path) == report


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


def test_a_large_messenger_keeps_receipts_and_events_of_the_last_days_alone() -> None:
    """Of receipts and events only what is younger than 60 days is kept; all messages are."""
    large = TrafficPlan(messages=3_000, days=200, until=UNTIL)
    everything, kept = list(generate(large)), list(without_old_echoes(generate(large)))
    kept_from = UNTIL - timedelta(days=60)
    for table, time in (("message_read_receipts", "read_at"), ("analytics_events", "created_at")):
        made = pl.concat(chunk.rows for chunk in everything if chunk.table == table)
        left = pl.concat(chunk.rows for chunk in kept if chunk.table == table)
        assert left.equals(made.filter(pl.col(time) >= kept_from))
        assert 0 < len(left) < len(made)
    others = [c.rows for c in everything if c.table == "messages"]
    assert pl.concat(c.rows for c in kept if c.table == "messages").equals(pl.concat(others))


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
    rows = {**dict.fromkeys(TABLE_NAMES, 0), "messages": messages}
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


def cycle(*, fold_ms: int, publish_ms: int) -> EtlRun:
    """A cycle that took so long."""
    steps = {**dict.fromkeys(FOLD_STEPS, 0), "days": fold_ms, "publish": publish_ms}
    return replace(first_loads().ours[0], steps_ms=steps)


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
    ],
    ids=["reached", "missed", "without dlt"],
)
def test_a_goal_of_a_load_is_judged_with_its_peer_alone(
    loads: Loads, expected: list[tuple[float | None, str]]
) -> None:
    """A goal of a load is reached or missed when its peer was measured, else not measured."""
    part = replace(a_part(PartName.LOADS), loads=(loads,))
    verdicts = [v for v in judge([part]) if v.about in {g.about for g in GOALS[:3]}]
    assert [(verdict.measured, verdict.verdict) for verdict in verdicts] == expected


@pytest.mark.parametrize(
    ("part", "about", "expected"),
    [
        (
            replace(
                a_part(PartName.CYCLES, messages=50_000_000),
                cycles=tuple(cycle(fold_ms=ms, publish_ms=500) for ms in (1_000, 1_400, 9_000)),
            ),
            "fold and publish of a cycle",
            (1.9, "reached"),
        ),
        (
            replace(
                a_part(PartName.CYCLES, messages=50_000_000),
                cycles=(cycle(fold_ms=1_500, publish_ms=500),),
            ),
            "fold and publish of a cycle",
            (2.0, "missed"),
        ),
        (
            replace(a_part(PartName.CYCLES), cycles=(cycle(fold_ms=1, publish_ms=1),)),
            "fold and publish of a cycle",
            (None, "not measured"),
        ),
        (
            replace(a_part(PartName.BACKFILL, messages=20_000_000), backfills=first_loads().ours),
            "peak memory of a backfill",
            (1.0, "reached"),
        ),
    ],
    ids=["the median", "missed", "another size", "a backfill"],
)
def test_a_goal_is_judged_at_its_size_alone(
    part: Part, about: str, expected: tuple[float | None, str]
) -> None:
    """A goal is reached or missed at the size it names, else not measured."""
    (verdict,) = [verdict for verdict in judge([part]) if verdict.about == about]
    assert (verdict.measured, verdict.verdict) == expected
