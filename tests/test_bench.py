"""The bench runs, its figures are what their names say, and goals are judged at their size alone.

No test asserts a time: the speed of the machine is not a property of the code.
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

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from etl.sandbox.traffic import TrafficPlan, load
from olap.errors import AnalyticsError
from olap.manifest import Mode
from olap.tables import ROLLUPS, TABLE_NAMES
from tests import contents
from tests.api.servers import server
from tests.bench import stopwatch
from tests.bench.__main__ import BY_DEFAULT, PEERS
from tests.bench.api_figures import percentile, response_times
from tests.bench.changes import CHANGES, make_changes, undo_changes
from tests.bench.clients import Clients, Response
from tests.bench.dlt_peer import DltLoad
from tests.bench.etl_run import FOLD_STEPS, EtlRun
from tests.bench.goals import GOALS, judge
from tests.bench.loads import Disk, Loads
from tests.bench.machine import describe_machine
from tests.bench.metric_calls import EVERY_METRIC, Scope
from tests.bench.metric_times import WINDOWS
from tests.bench.parts import Part, PartName
from tests.bench.peer_times import QUESTIONS
from tests.bench.peers import PeerMode, Peers
from tests.bench.report import Report, read_report
from tests.bench.server_copy import ServerCopy
from tests.bench.source import UNTIL, traffic_plan
from tests.bench.source_selects import selects, settings, startup_options
from tests.bench.workload import Workload, dashboard
from tests.page.fix_browser import chromium_path

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MESSAGES = 5_000


@dataclass(frozen=True, slots=True)
class Smoke:
    """The output and the files of a small bench."""

    text: str
    written: dict[str, Any]
    home: Path
    generated: dict[str, contents.Rows]
    read: dict[str, contents.Rows]

    def part(self, name: str) -> dict[str, Any]:
        """The only part of this name."""
        found: list[dict[str, Any]] = [p for p in self.written["parts"] if p["name"] == name]
        (part,) = found
        return part


@pytest.fixture(scope="module")
def smoke() -> Iterator[Smoke]:
    """A small bench with the installed peers, in a directory open to the server's account."""
    with tempfile.TemporaryDirectory(prefix="test-bench-") as directory:
        options = ["--messages", str(MESSAGES), "--rounds", "1", "--cycles", "1", "--times", "1"]
        options += ["--seconds", "2", "--peers", PeerMode.INSTALLED, "--only", "backfill"]
        options += ["--only", "soak", "--changes", "4"]
        options += [word for name in BY_DEFAULT for word in ("--only", name)]
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
            # The data of the part that ran last; every part loads the whole messenger.
            contents.of_core(home / "data" / "analytics.duckdb"),
        )


def test_both_messengers_are_loaded_and_compared(smoke: Smoke) -> None:
    """The JSON contains first loads of both messengers, with equal rows for every reader."""
    everything, messages_only = smoke.part("loads")["loads"]
    assert (everything["name"], messages_only["name"]) == ("everything", "messages only")
    assert everything["rows"]["messages"] == messages_only["rows"]["messages"] == MESSAGES
    assert everything["rows"]["read_receipts"] > 0 < everything["rows"]["events"]
    assert messages_only["rows"]["read_receipts"] == messages_only["rows"]["events"] == 0
    for loads in (everything, messages_only):
        (ours,), (copy,) = loads["ours"], loads["copies"]
        assert ours["rows_read"] == copy["rows"] == loads["rows"]
        assert [dlt["rows"] for dlt in loads["dlt"]] == [loads["rows"]] * Peers(PEERS).is_installed
        assert all(loads["disk"].values())


def test_a_part_reports_the_peer_it_was_measured_without(smoke: Smoke) -> None:
    """A part names its peer when this is not installed, in the JSON and in the printed head."""
    missing = {part["name"]: part["missing_peer"] for part in smoke.written["parts"]}
    is_missing = not Peers(PEERS).is_installed
    expected = {"loads": "dlt", "peers": "chDB"} if is_missing else {}
    assert {name: peer for name, peer in missing.items() if peer} == expected
    for peer in ("dlt", "chDB"):
        assert (f"; {peer} not measured" in smoke.text) == is_missing


def test_the_settings_of_the_session_survive_the_connection_options(database: str) -> None:
    """A client that connects with the startup options reads every row of every table."""
    with psycopg.connect(make_conninfo(database, options=startup_options())) as connection:
        for name, value in settings().items():
            assert connection.execute("select current_setting(%s)", [name]).fetchone() == (value,)
        for select in selects().values():
            assert connection.execute(select.encode()).fetchall() == []


def test_a_backfill_reads_every_row(smoke: Smoke) -> None:
    """The JSON contains the backfill, with the rows of a first load."""
    (found,) = smoke.part("backfill")["backfills"]
    assert found["rows_read"]["messages"] == MESSAGES
    assert found["peak_bytes"] > 0 < found["seconds"]


def test_a_cycle_reads_the_changes_and_its_steps_are_apart(smoke: Smoke) -> None:
    """In each mode a cycle reads at least the changed rows, not the whole messenger again."""
    cycles = smoke.part("cycles")["cycles"]
    assert [cycle["mode"] for cycle in cycles] == list(Mode)
    for cycle in cycles:
        read = sum(cycle["rows_read"].values())
        assert CHANGES <= read < sum(smoke.part("loads")["loads"][0]["rows"].values())
        # A second edit of a message without a text writes a row version, and changes nothing.
        assert cycle["rows_changed"] > CHANGES - 100
        assert {"read", *FOLD_STEPS, "publish"} <= set(cycle["steps_ms"])


def test_a_verify_is_compared_with_the_server(smoke: Smoke) -> None:
    """The JSON contains the seconds of a verify, of a count and of an md5 sum of the same rows."""
    proofs = smoke.part("verify")["proofs"]
    assert proofs["rows"] == sum(smoke.part("loads")["loads"][0]["rows"].values())
    for reader in ("verify_seconds", "count_seconds", "md5_seconds"):
        (seconds,) = proofs[reader]
        assert seconds > 0


def test_every_metric_is_timed_in_every_scope(smoke: Smoke) -> None:
    """The JSON contains each call once for each window, with its times."""
    found = smoke.part("metrics")["metrics"]
    calls = Counter((t["scope"], t["about"], t["days"]) for t in found["times"])
    assert max(calls.values()) == 1
    for scope in (Scope.ADMINISTRATOR, Scope.MEMBER):
        assert {(scope, "message_stats", days) for days in WINDOWS} <= set(calls)
    assert {t["metric"] for t in found["times"]} >= set(EVERY_METRIC)
    assert all(len(t["ms"]) == 1 and t["ms"][0] > 0 for t in found["times"])
    assert all(len(t["processor_ms"]) == 1 for t in found["times"])


def test_each_table_of_the_generation_has_its_size(smoke: Smoke) -> None:
    """The JSON contains the bytes of every table, and a table with rows has some."""
    sizes = smoke.part("metrics")["metrics"]["table_bytes"]
    assert {f"fact_{name}" for name in ("messages", "read_receipts", "events")} <= set(sizes)
    assert {rollup.name for rollup in ROLLUPS} <= set(sizes)
    for table in sizes.keys() & smoke.generated.keys():
        assert bool(sizes[table]) == bool(smoke.generated[table]), table


def test_peers_answer_the_same_questions(smoke: Smoke) -> None:
    """PostgreSQL answers each question of the comparison, and chDB does where it is installed."""
    times = smoke.part("peers")["peers"]
    assert len(times) == len(QUESTIONS) * 3
    assert all(t["our_ms"] and t["postgresql_ms"] for t in times)
    assert {bool(t["chdb_ms"]) for t in times} == {Peers(PEERS).is_installed}


def test_the_api_is_measured_cached_uncached_and_during_a_change(smoke: Smoke) -> None:
    """The JSON contains each round on both servers, every uncached dashboard, and responses from
    the generation that was published under load."""
    found = smoke.part("api")["api"]
    cached, switches = found["cached"], found["switches"]
    (ours,), (bare,) = cached["ours"], cached["bare"]
    assert min(one["throughput"]["requests"] for one in (ours, bare)) > 0
    assert [(some["days"], len(some["ms"])) for some in found["uncached"]] == [(7, 8), (30, 8)]
    page = found["page"]
    assert (page["answers"], len(page["uncached_ms"]), len(page["cached_ms"])) == (22, 8, 8)
    assert (switches["clients"], switches["keys"], switches["switches"]) == (64, 50, 1)
    groups = {(t["is_warmed"], t["is_around_switch"]): t for t in switches["times"]}
    # How many requests the second around the change holds depends on the machine's speed.
    assert set(groups) >= {(True, False), (False, False)}
    near = [group for (_, is_near), group in groups.items() if is_near]
    assert near
    for group in near:
        assert group["responses"] <= groups[group["is_warmed"], False]["responses"]
    lake = smoke.home / f"lake_{MESSAGES}" / "generations"
    assert [path.name for path in lake.iterdir()] == ["000001"]


def test_others_are_answered_beside_idle_connections(smoke: Smoke) -> None:
    """The JSON contains every request beside each kind of connections; at most one failed, and
    the log stays short."""
    cases = smoke.part("hostile")["hostile"]
    assert [case["connections"] for case in cases] == [0, 1150, 1150, 1150]
    for case in cases:
        # One that stalls between connecting and asking makes room like any idle connection.
        assert case["ms"] and case["failed"] <= 1
        assert case["log_lines"] < 100


def test_the_memory_is_sampled_over_changes_of_generation(smoke: Smoke) -> None:
    """The JSON contains the worker's memory during a soak."""
    soak = smoke.part("soak")["soak"]
    assert soak["changes"] == 4
    assert len(soak["resident_bytes"]) == 100 and min(soak["resident_bytes"]) > 10**7


def test_streams_are_told_and_stopped(smoke: Smoke) -> None:
    """The JSON contains when each of 500 streams was told of each generation, the rates with and
    without them, and what they cost while nothing happens."""
    live = smoke.part("live")["live"]
    assert [len(ms) for ms in live["told_ms"]] == [500]
    assert min(live["told_ms"][0]) > 0
    for name in ("per_second", "per_second_without", "processor_us", "processor_us_without"):
        assert len(live[name]) == 1 and live[name][0] > 0
    assert 0 <= live["idle_share"] < 1


def test_the_lake_is_published_as_delta_tables(smoke: Smoke) -> None:
    """Each publication is measured, and the logs of three years of days after each."""
    found = smoke.part("delta")["delta"]
    assert found["days"] == 1095
    assert len(found["processor_ms"]) == len(found["log_bytes"]) == 4
    assert found["log_bytes"] == sorted(found["log_bytes"])
    assert found["log_files"] > 8


@pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium")
def test_the_page_is_opened_in_a_browser(smoke: Smoke) -> None:
    """The JSON contains when the first chart and all of each view were seen, and what it asked."""
    views = smoke.part("page")["page"]["views"]
    assert len(views) == 1
    assert 0 < views[0]["first_chart"] <= views[0]["complete"]
    assert views[0]["work"] > 0
    assert views[0]["change"] > 0
    assert 5 <= views[0]["requests"] <= 12


def test_a_generated_lake_equals_one_from_a_server(smoke: Smoke) -> None:
    """A generated lake has the same rows as one that was read from PostgreSQL."""
    assert contents.differences(smoke.generated, smoke.read) == {}
    assert smoke.read["fact_messages"].total() == MESSAGES


def test_no_goal_is_judged_at_a_size_it_does_not_name(smoke: Smoke) -> None:
    """At a size that no goal names, every goal is not measured."""
    assert len(smoke.written["verdicts"]) == len(GOALS)
    for verdict in smoke.written["verdicts"]:
        assert (verdict["verdict"], verdict["measured"]) == ("not measured", None)
        assert verdict["at_messages"] != MESSAGES


def test_the_machine_is_described(smoke: Smoke) -> None:
    """The JSON describes the machine of each part."""
    for part in smoke.written["parts"]:
        machine = part["machine"]
        assert machine["cores"] >= 1
        assert machine["memory_bytes"] > 0
        assert machine["python"] == ".".join(map(str, sys.version_info[:3]))
        assert machine["postgresql"].startswith("18.")
        assert {"duckdb", "polars"} <= set(machine["packages"])


def test_the_table_has_every_part(smoke: Smoke) -> None:
    """The printed tables have lines for each reader, cycle, proofs, disk and every goal."""
    lines = smoke.text.splitlines()

    def count(start: str) -> int:
        return sum(line.startswith(start) for line in lines)

    for start in ("First load: ", "COPY to /dev/null ", "python -m etl run ", "Disk, "):
        assert count(start) == 2, start
    for start in ("A cycle with 10,000 changes", "read  ", "fold  ", "publish  ", "Full verify, "):
        assert count(start) == 1, start
    for start in ("Uncached, median of 1", "Tables of the gen", "Same answer, times ours "):
        assert count(start) == 1, start
    for start in ("Cached dashboard, ", "Uncached dashboard, ", "Page of 22 ", "64 clients "):
        assert count(start) == 1, start
    for start in ("Beside 1,150 connections ", "Changes of generation "):
        assert count(start) == 1, start
    for goal in GOALS:
        assert count(f"{goal.about} ") == 1, goal.about
    assert lines[-1].endswith("bench.json")


def a_part(name: PartName, *, messages: int = 5_000_000, seconds: float = 1.0) -> Part:
    """An empty part of that name and size, measured `seconds` after a fixed time."""
    return Part(
        name=name,
        messages=messages,
        shape="sample",
        measured_at=UNTIL + timedelta(seconds=seconds),
        machine=describe_machine("18.4"),
    )


def test_percentiles_are_values_that_were_measured() -> None:
    """A percentile is one of the values: the smallest that the percentage does not exceed."""
    values = [float(value) for value in range(40, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [20, 38, 40, 40]
    assert percentile([7.0], 1) == 7.0


def test_responses_around_a_change_of_generation_are_a_group() -> None:
    """Requests within a second of a new generation's first response form groups of their own, by
    whether their key is warmed; the first generation is not a change."""
    workload = Workload(paths=("warmed", "other"), weights=(1.0, 0.5), warmed=1)
    responses = [
        Response(0, 0.1, 1.0, 200, True, 1),
        Response(1, 8.9, 2.0, 200, True, 1),
        Response(1, 9.5, 500.0, 200, False, 2),  # arrives at 10.0, which is the change
        Response(0, 10.5, 3.0, 200, True, 2),
        Response(1, 10.9, 4.0, 200, True, 2),
        Response(0, 11.1, 9.0, 200, True, 2),
        Response(1, 20.0, 10_000.0, 503, False, 0),  # has no generation, and is not a change
    ]
    found = {(t.is_around_switch, t.is_warmed): t for t in response_times(workload, responses)}
    shown = {
        key: (t.responses, t.hits, t.refused, t.p50_ms, t.worst_ms) for key, t in found.items()
    }
    assert shown == {
        (False, True): (3, 3, 0, 3.0, 9.0),
        (False, False): (4, 2, 1, 4.0, 10_000.0),
        (True, True): (1, 1, 0, 3.0, 3.0),
        (True, False): (2, 1, 0, 4.0, 500.0),
    }


def test_a_load_with_a_failed_response_is_an_error(tmp_path: Path) -> None:
    """A response other than 200 ends the bench, because a refusal is fast."""
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    with server(
        tmp_path, tmp_path / "log", program="tests.bench.bare", BARE_BODY=str(body)
    ) as bare:
        clients = Clients(bare.port, "none", count=2)
        with pytest.raises(AnalyticsError, match="404"), clients.requesting([dashboard(7), "/no"]):
            pass
        with clients.requesting([dashboard(7)] * 3) as load:
            pass
    assert sorted(response.path for response in load.responses) == [0, 1, 2]


def test_a_repeated_part_replaces_its_former_result_alone() -> None:
    """Other parts, and the same part at other sizes, stay in the report."""
    at_five, at_fifty = a_part(PartName.CYCLES), a_part(PartName.CYCLES, messages=50_000_000)
    verify, again = a_part(PartName.VERIFY), a_part(PartName.CYCLES, seconds=2.0)
    report = Report.of([])
    for part in (verify, at_fifty, at_five, again):
        report = report.with_part(part)
    assert report.parts == (again, at_fifty, verify)


def test_a_report_survives_its_json(tmp_path: Path) -> None:
    """The JSON can be read back completely; without a file the report is empty."""
    path = tmp_path / "bench.json"
    assert read_report(path) == Report.of([])
    report = Report.of([replace(a_part(PartName.LOADS), loads=(first_loads(),))])
    path.write_bytes(report.to_json())
    assert read_report(path) == report


def test_exactly_the_stated_rows_are_changed(empty_database: str) -> None:
    """A cycle changes 9,900 rows of the last two days and five on each of 20 older days alone."""
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
    """Each cycle makes the same number of changes and adds new messages."""
    load(empty_database, TrafficPlan(messages=5_000, until=UNTIL))
    counts: list[int] = []
    for cycle in (1, 2):
        assert make_changes(empty_database, cycle) == CHANGES
        with psycopg.connect(empty_database) as connection:
            counts += connection.execute("select count(*) from messages").fetchone() or ()
    assert 5_000 < counts[0] < counts[1]


def test_a_larger_messenger_is_older_and_not_denser() -> None:
    """From five million messages on, a day has about as many messages in each size."""
    per_day = [n / traffic_plan(n).days for n in (5_000_000, 10_000_000, 30_000_000, 50_000_000)]
    assert min(per_day) > 0.9 * max(per_day)


def test_changes_are_undone(empty_database: str) -> None:
    """Undoing removes exactly the rows that the cycles added, so that they can be made again."""
    load(empty_database, TrafficPlan(messages=5_000, until=UNTIL))

    def rows() -> list[tuple[int]]:
        counts = "select count(*) from messages union all select count(*) from %s"
        with psycopg.connect(empty_database) as connection:
            return connection.execute(counts.replace("%s", "message_read_receipts")).fetchall()

    before = rows()
    for cycle in (1, 2):
        make_changes(empty_database, cycle)
    after = rows()
    assert undo_changes(empty_database) == sum(n for (n,) in after) - sum(n for (n,) in before)
    assert rows() == before
    assert make_changes(empty_database, cycle=1) == CHANGES


def test_peak_memory_excludes_the_measuring_process() -> None:
    """A small program's peak does not include the memory of the process that measures it."""
    ballast = bytearray(300_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])  # resident, not only reserved
    measured = stopwatch.run([sys.executable, "-I", "-S", "-c", "print('done')"], {})
    assert measured.stdout == "done\n"
    assert measured.peak_bytes < 100_000_000 < len(ballast)


def test_peak_memory_grows_with_the_program() -> None:
    """The peak of a program with 200 MB is at least that many bytes."""
    measured = stopwatch.run([sys.executable, "-c", "x = b'x' * 200_000_000"], {})
    assert 200_000_000 <= measured.peak_bytes < 400_000_000


def test_a_failed_program_is_an_error_with_its_output() -> None:
    """A measured program that fails gives an error with the end of its output."""
    with pytest.raises(AnalyticsError, match="no such luck"):
        stopwatch.run([sys.executable, "-c", "raise SystemExit('no such luck')"], {})


def first_loads(
    *, messages: int = 5_000_000, seconds: float = 40.0, peak_bytes: int = 10**9, dlt: bool = True
) -> Loads:
    """First loads where COPY takes 10 s and dlt 100 s."""
    rows = {**dict.fromkeys(TABLE_NAMES, 0), "messages": messages}
    ours = EtlRun(
        seconds=seconds,
        processor_seconds=seconds * 1.5,
        server_seconds=seconds * 0.2,
        peak_bytes=peak_bytes,
        load_average=1.0,
        mode=Mode.SCAN,
        rows_read=rows,
        rows_changed=messages,
        days_rebuilt=1,
        steps_ms={"read": 1},
    )
    peer = DltLoad(seconds=100.0, peak_bytes=1, rows=rows, step_seconds={})
    return Loads(
        name="sample",
        rows=rows,
        ours=(ours,),
        copies=(ServerCopy(rows=rows, table_seconds={"messages": 10.0}),),
        dlt=(peer,) if dlt else (),
        disk=Disk(messages=messages, lake_bytes=1, warehouse_bytes=1, generation_bytes=1),
    )


def cycles(mode: Mode, *read_ms: int, publish_ms: int = 400) -> tuple[EtlRun, ...]:
    """Cycles with these times and a fold of 500 ms."""
    fold = dict.fromkeys(FOLD_STEPS, 100)
    return tuple(
        replace(
            first_loads().ours[0], mode=mode, steps_ms={"read": ms, **fold, "publish": publish_ms}
        )
        for ms in read_ms
    )


def part_of_cycles(messages: int, *runs: EtlRun) -> Part:
    """The cycles at one size."""
    return replace(a_part(PartName.CYCLES, messages=messages), cycles=runs)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        (
            first_loads(),
            [(0.25, "reached"), (2.5, "reached"), (0.85, "reached"), (1.0, "reached")],
        ),
        (
            first_loads(seconds=80.0, peak_bytes=1_500_000_000),
            [(0.125, "missed"), (1.25, "missed"), (0.85, "reached"), (1.5, "missed")],
        ),
        (
            first_loads(dlt=False),
            [(0.25, "reached"), (None, "not measured"), (0.85, "reached"), (1.0, "reached")],
        ),
    ],
    ids=["reached", "missed", "without dlt"],
)
def test_a_goal_of_a_load_needs_its_peer(
    loads: Loads, expected: list[tuple[float | None, str]]
) -> None:
    """A goal of a load is judged when its peer was measured, else it is not measured."""
    part = replace(a_part(PartName.LOADS), loads=(loads,))
    verdicts = [v for v in judge([part]) if v.about in {g.about for g in GOALS[:4]}]
    assert [(verdict.measured, verdict.verdict) for verdict in verdicts] == expected


@pytest.mark.parametrize(
    ("part", "about", "expected"),
    [
        (
            part_of_cycles(50_000_000, *cycles(Mode.SLOT, 450, 490, 9_000)),
            "read in slot mode",
            (0.49, "reached"),
        ),
        (
            part_of_cycles(50_000_000, *cycles(Mode.SLOT, 2_200), *cycles(Mode.SCAN, 1)),
            "whole cycle in slot mode",
            (3.1, "missed"),
        ),
        (
            part_of_cycles(5_000_000, *cycles(Mode.SLOT, 1)),
            "read in slot mode",
            (None, "not measured"),
        ),
        (
            part_of_cycles(50_000_000, *cycles(Mode.SCAN, 1)),
            "publish in slot mode",
            (None, "not measured"),
        ),
        (
            replace(a_part(PartName.BACKFILL, messages=20_000_000), backfills=first_loads().ours),
            "peak memory of a backfill",
            (1.0, "reached"),
        ),
    ],
    ids=["the median", "missed", "another size", "another mode", "a backfill"],
)
def test_a_goal_is_judged_at_its_size_alone(
    part: Part, about: str, expected: tuple[float | None, str]
) -> None:
    """A goal is judged at the size it names, else it is not measured."""
    (verdict,) = [verdict for verdict in judge([part]) if verdict.about == about]
    assert (verdict.measured, verdict.verdict) == expected


def test_a_goal_beside_another_size_needs_both() -> None:
    """The read of a large messenger is divided by that of a small one, if both were measured."""
    large = part_of_cycles(50_000_000, *cycles(Mode.SLOT, 480))
    small = part_of_cycles(2_000_000, *cycles(Mode.SLOT, 400), *cycles(Mode.SCAN, 4_000))
    about = "growth of that read from 2,000,000 messages"
    for parts, expected in (
        ([small, large], (1.2, "reached")),
        ([large], (None, "not measured")),
        ([small], (None, "not measured")),
    ):
        (found,) = [verdict for verdict in judge(parts) if verdict.about == about]
        assert (found.measured, found.verdict) == expected
