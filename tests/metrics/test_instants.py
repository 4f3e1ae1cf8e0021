"""What people and tools write for a period means the same, whatever its type and the session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from olap.catalog import Metric, _computation, metrics
from olap.warehouse import Warehouse
from tests.fix_duckdb import Shell
from tests.metrics.filled import Filled, called, filled_with
from tests.metrics.random_worlds import arguments_of
from tests.metrics.test_availability import LONG_AGO, WORLD

SESSIONS = ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]
# 2026-01-09 00:00 UTC in every way in which SQL can say it.
MIDNIGHT = [
    "timestamp '2026-01-09'",
    "date '2026-01-09'",
    "'2026-01-09'",
    "'2026-01-09 00:00:00'",
    "'2026-01-09T00:00:00.000000'",
    "'2026-01-09T00:00:00Z'",
    "'2026-01-09T02:00:00+02:00'",
    "'2026-01-08 19:00:00-05'",
    "'2026-01-09 05:45:00+0545'",
    "'2026-01-09 01:00:00 Europe/Berlin'",
    "timestamptz '2026-01-09 02:00:00+02'",
    "timestamp_ns '2026-01-09'",
    "timestamp_s '2026-01-09'",
]
TIMED = [m for m in metrics() if any("timestamp" in p for p in m.parameters)]
SINCE = [m for m in TIMED if "since timestamp" in m.parameters]


@pytest.fixture(params=SESSIONS)
def filled(request: pytest.FixtureRequest, empty_warehouse: Warehouse) -> Iterator[Filled]:
    """A small messenger, asked in a session with this time zone."""
    with filled_with(empty_warehouse, WORLD) as filled:
        filled.connection.execute(f"set timezone = '{request.param}'")
        try:
            yield filled
        finally:
            filled.connection.execute("reset timezone")


def counted(filled: Filled, period: str) -> int:
    """How many messages a period has."""
    call = f"select total_messages from metrics.message_stats({period})"
    return int(filled.connection.execute(call).fetchall()[0][0])


@pytest.mark.parametrize("written", MIDNIGHT)
def test_a_time_of_any_type_is_the_same_instant(written: str, filled: Filled) -> None:
    """As since it includes the message of that instant, as until it does not."""
    found = filled.connection.execute(
        f"select core.instant_of({written}), core.instant_of({written}) + interval 1 microsecond"
    ).fetchall()
    assert found == [(datetime(2026, 1, 9), datetime(2026, 1, 9, 0, 0, 0, 1))]
    assert counted(filled, f"since := {written}") == 1
    assert counted(filled, f"since := '2026-01-01', until := {written}") == 0
    assert counted(filled, f"{written}, {written}") == 0


@pytest.mark.parametrize(
    "bound",
    [
        datetime(2026, 1, 9),
        datetime(2026, 1, 9, tzinfo=UTC),
        datetime(2026, 1, 9, 5, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(2026, 1, 9).date(),
        "2026-01-09",
    ],
)
def test_a_bound_time_of_any_type_is_the_same_instant(bound: Any, filled: Filled) -> None:
    """A value that Python binds counts as a literal of its type does."""
    ((message,),) = filled.connection.execute(
        "select total_messages from metrics.message_stats(since := $bound)", {"bound": bound}
    ).fetchall()
    ((none,),) = filled.connection.execute(
        "select total_messages from metrics.message_stats(since := '2026-01-01', until := $bound)",
        {"bound": bound},
    ).fetchall()
    assert (message, none) == (1, 0)


@pytest.mark.parametrize("metric", SINCE, ids=lambda m: m.macro)
def test_every_metric_takes_texts_and_days(metric: Metric, filled: Filled) -> None:
    """By its version and by its bare name, as text and as days, the rows are those of TIMESTAMP."""
    through = WORLD.data_through
    arguments = arguments_of(called(metric), {"since": through - timedelta(days=60)})
    expected = filled.ask(metric.macro, **arguments)
    others = {name: value for name, value in arguments.items() if name != "since"}
    for name in {called(metric), metric.macro}:
        assert filled.ask(name, **others, since=str(arguments["since"])) == expected
        assert filled.ask(name, **others, days=60) == expected
        assert filled.ask(name, **others, days=60, until=f"{through}+00") == expected
        assert filled.ask(name, **others, days=59.5, until=through - timedelta(hours=12)) == (
            filled.ask(metric.macro, **arguments, until=through - timedelta(hours=12))
        )


def test_a_metric_with_an_end_only_takes_texts(filled: Filled) -> None:
    """`conversation_stats` has until and no since, and takes it as text and with a zone."""
    arguments = arguments_of("conversation_stats", {"since": LONG_AGO})
    (stats,) = filled.ask("conversation_stats", **arguments, until=datetime(2026, 1, 9))
    assert filled.ask("conversation_stats", **arguments, until="2026-01-09T01:00:00+01") == [stats]
    (later,) = filled.ask("conversation_stats", **arguments)
    assert (dict(stats)["message_count"], dict(later)["message_count"]) == (0, 1)


@pytest.mark.parametrize(
    ("period", "error"),
    [
        ("", "since is missing: give since := '2026-11-01' (UTC) or days := 30"),
        ("since := null", "since is missing: give since := '2026-11-01' (UTC) or days := 30"),
        (
            "until := '2026-01-09'",
            "since is missing: give since := '2026-11-01' (UTC) or days := 30",
        ),
        ("'2026-01-09', days := 30", "since and days are given: give one of them"),
        ("days := -1", "since is after until"),
        ("'2026-01-09', until := '2026-01-08'", "since is after until"),
        ("'yesterday'", 'invalid timestamp field format: "yesterday"'),
    ],
)
def test_a_period_that_cannot_be_is_an_error_that_says_so(
    period: str, error: str, empty_warehouse: Warehouse
) -> None:
    """The error says what to write."""
    with filled_with(empty_warehouse, WORLD) as filled, pytest.raises(duckdb.Error) as caught:
        counted(filled, period)
    assert error in str(caught.value)


def plan(connection: duckdb.DuckDBPyConnection, call: str, arguments: dict[str, Any]) -> str:
    """The plan of a call, without the numbers that the binder gives to what it has seen."""
    found = connection.execute(f"explain (format json) from {call}", arguments).fetchall()[0][1]
    return re.sub(r'(Index": "|cte_)\d+', r"\1", found)


@pytest.mark.parametrize("metric", metrics(), ids=lambda m: m.macro)
def test_a_period_of_any_type_is_planned_alike(metric: Metric, marked: Path) -> None:
    """By any name and with times of any type, a metric has the plan of its computation."""
    with closing(duckdb.connect(str(marked), read_only=True)) as connection:
        connection.execute("set timezone = 'Asia/Kathmandu'")
        ((person,),) = connection.execute("select min(user_id) from users").fetchall()
        given = {"since": datetime(2026, 2, 1, 5), "for_user": person}
        arguments = arguments_of(called(metric), given)
        if "until timestamp := null" in metric.parameters:
            arguments["until"] = datetime(2026, 2, 21, 5)
        texts = {n: f"{v}Z" if isinstance(v, datetime) else v for n, v in arguments.items()}
        aware = {
            n: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for n, v in arguments.items()
        }
        named = ", ".join(f"{name} := ${name}" for name in arguments)
        expected = plan(connection, f"{_computation(metric.macro)}({named})", arguments)
        for name in {called(metric), metric.macro}:
            for values in (arguments, texts, aware):
                assert plan(connection, f"metrics.{name}({named})", values) == expected
        if metric in SINCE:
            days = {name: value for name, value in texts.items() if name != "since"} | {"days": 20}
            named = ", ".join(f"{name} := ${name}" for name in days)
            assert plan(connection, f"metrics.{called(metric)}({named})", days) == expected


INSTRUCTION = "first run: use analytics (or the name that it is attached as)"


def test_a_file_that_is_only_attached_says_what_to_run(marked: Path) -> None:
    """Every metric of a file that is not in use is an error with the way out."""
    with closing(duckdb.connect()) as connection:
        connection.execute(f"attach '{marked}' as analytics (read_only)")
        for metric in metrics():
            arguments = arguments_of(called(metric), {"since": LONG_AGO})
            named = ", ".join(f"{name} := ${name}" for name in arguments)
            for name in {called(metric), metric.macro}:
                with pytest.raises(duckdb.CatalogException) as caught:
                    connection.execute(f"from analytics.metrics.{name}({named})", arguments)
                assert INSTRUCTION in str(caught.value)
                assert f'Did you mean "analytics.core.{metric.macro}' in str(caught.value)
        connection.execute("use analytics")
        assert connection.execute("from metrics.message_stats(days := 30)").fetchall()


@pytest.mark.slow
def test_older_shells_say_what_to_run_and_take_every_time(older_shell: Shell, marked: Path) -> None:
    """DuckDB 1.4 and 1.5 have the same error, and the same instants in every zone."""
    attach = f"attach '{marked}' as analytics (read_only);"
    for call in ("message_stats('2026-01-01')", "top_senders(days := 30)", "unread(1)"):
        failed = older_shell.run(None, f"{attach} from analytics.metrics.{call};")
        assert failed.returncode != 0 and INSTRUCTION in failed.stderr
    asked = ", ".join(f"epoch_us(core.instant_of({w})) as at_{n}" for n, w in enumerate(MIDNIGHT))
    zones = [q for zone in SESSIONS for q in (f"set timezone = '{zone}'", f"select {asked}")]
    found = older_shell.ask(marked, zones)[1::2]
    midnight = int(datetime(2026, 1, 9, tzinfo=UTC).timestamp()) * 1_000_000
    assert [set(row.values()) for (row,) in found] == [{midnight}] * len(SESSIONS)
    (rows,) = older_shell.ask(
        marked, ["from metrics.top_senders(days := 30, until := '2026-03-01')"]
    )
    with closing(duckdb.connect(str(marked), read_only=True)) as connection:
        expected = connection.execute(
            "from metrics.top_senders(timestamp '2026-01-30', timestamp '2026-03-01')"
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == expected


def test_a_time_with_its_zone_is_the_same_instant(filled: Filled) -> None:
    """Every microsecond of the years 1 to 9999 keeps its instant, in every zone of the session."""
    different = filled.connection.execute(
        """
        with times as (
            select make_timestamp(spread.middle + micro.offset_us) as instant
            from (
                select unnest(
                    generate_series(-62135596800000000, 253402300799000000, 86399999313131)
                )
                union all select unnest([-2000000000000000, -1000000, 0, 2000000000000000])
            ) as spread(middle)
            cross join (select unnest(generate_series(0, 9))) as micro(offset_us)
        )
        select count(*), count(*) filter (
            where core.with_zone(instant) is distinct from make_timestamptz(epoch_us(instant))
        )
        from times
        """
    ).fetchone()
    assert different is not None and different[0] > 30_000 and different[1] == 0
