"""A metric returns the same from rollups as from facts, for any period."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import duckdb

from olap.tables import FACTS, ROLLUPS
from tests.metrics.filled import Filled
from tests.metrics.question_grid import WINDOWS, questions
from tests.metrics.random_worlds import PARAMETERS

# What became of a message is no sum of facts that a ragged end could replace: these rows are read
# for every instant. `test_against_oracle` and `test_against_postgres` compare them with the facts.
NO_SUMS = ("message_outcomes", "user_firsts")


def writable(marked: Path, path: Path) -> duckdb.DuckDBPyConnection:
    """A copy of the generation that a test can change."""
    shutil.copyfile(marked, path)
    path.chmod(0o600)
    return duckdb.connect(str(path))


def test_rollup_is_raw(marked: Path, tmp_path: Path) -> None:
    """Every metric returns the same when rollups are empty and no day counts as whole."""
    with (
        closing(duckdb.connect(str(marked), read_only=True)) as published,
        closing(writable(marked, tmp_path / "raw.duckdb")) as raw,
    ):
        for rollup in ROLLUPS:
            if rollup.name in NO_SUMS:
                continue
            raw.execute(f"delete from core.{rollup.name}")
        for name, never in (("day", "date"), ("quarter_hour", "timestamp")):
            raw.execute(
                f"create or replace macro core.first_whole_{name}(since) as {never} 'infinity'"
            )
        asked = questions(Filled(published))
        nonzero = set()
        for metric, arguments in asked:
            answer = Filled(published).ask(metric, **arguments)
            assert Filled(raw).ask(metric, **arguments) == answer, (metric, arguments)
            if any(isinstance(value, int) and value > 1 for row in answer for _, value in row):
                nonzero.add(metric)
        assert nonzero == set(PARAMETERS)
        (days,) = published.execute(
            "select count(distinct cast(created_at as date)) from core.fact_messages"
            " where deleted_at is null and created_at between $since and $until",
            WINDOWS[0],
        ).fetchall()
        assert days[0] > 30


def test_whole_days_come_from_rollups(marked: Path, tmp_path: Path) -> None:
    """Over whole days counters and rankings read no fact, nor do timelines of a user or of a
    conversation by UTC days, weeks or months: they return the same without facts."""
    whole = {"message_stats", "top_senders", "user_activity", "active_users", "engagement"}
    whole |= {"top_conversations", "concentration", "event_counts"}
    with (
        closing(duckdb.connect(str(marked), read_only=True)) as published,
        closing(writable(marked, tmp_path / "rollups.duckdb")) as rollups,
    ):
        for fact in FACTS:
            rollups.execute(f"delete from core.{fact.core_name}")
        compared = set()
        for metric, arguments in questions(Filled(published)):
            is_by_utc_day = (
                metric == "message_timeline"
                and arguments.keys() & {"for_user", "for_conversation"}
                and "tz" not in arguments
            )
            if (metric in whole or is_by_utc_day) and arguments["since"] == WINDOWS[1]["since"]:
                answer = Filled(published).ask(metric, **arguments)
                assert Filled(rollups).ask(metric, **arguments) == answer, (metric, arguments)
                compared.add(metric)
        assert compared == whole | {"message_timeline"}
