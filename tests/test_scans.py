"""Scans: one pass over a fact counts it and finds what changed; what follows is looked up."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from etl import source as source_module
from etl.forms import expression, statement
from etl.scans import FactScanner
from etl.source import ALL_ROWS, SourceTransaction, Window
from olap import sqlfiles
from olap.days import EVERY_DAY, DaySet, days_of
from olap.mapping import read_mapping
from olap.tables import FACTS, MESSAGES, Fact
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.test_source import reading
from tests.world import World, at, uuid

RECEIPTS = next(fact for fact in FACTS if fact.name == "read_receipts")
MESSENGER = read_mapping("messenger")
CIRCLE = 2**32


def watermark_of(url: str) -> int:
    """From where on a next reading would read."""
    with reading(url) as source:
        return source.snapshot.xmin


def scanned(
    scanner: FactScanner, table: Fact, watermark: int, coverage: DaySet = EVERY_DAY
) -> list[tuple[Any, ...]]:
    """The keys of the rows that a scan finds, in order."""
    rows, _ = scanner.read(table, Window(watermark=watermark, coverage=coverage))
    found = rows.read_all().select(list(table.key)).to_pylist()
    return sorted(tuple(v.int if isinstance(v, UUID) else v for v in r.values()) for r in found)


def test_one_pass_counts_and_finds_what_changed(database: str) -> None:
    """The counts are those of `counts`; the places are those of new and changed rows."""
    with World(database) as world:
        world.message(1)
        world.message(2, created_at=at(days=1))
        world.message(3, created_at="infinity")
        watermark = watermark_of(database)
        world.message(4, created_at=at(days=1))
        world.execute("update messages set content = 'edited' where id = %s", uuid(1))
        with reading(database) as source:
            counts, places = source.survey(MESSAGES, watermark)
            assert counts == source.counts(MESSAGES)
            assert sorted(counts.values()) == [1, 1, 2]
            rows = source.rows_at(MESSAGES, places or []).read_all()
            assert set(rows["message_id"].to_pylist()) == {uuid(1), uuid(4)}
            assert source.survey(MESSAGES, source.snapshot.xmin)[1] == []


def test_a_scan_passes_over_a_fact_once(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ordinary cycle neither scans a fact for its rows, nor counts it in a pass of its own."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a second pass")

    whole = SourceTransaction.rows

    def only_dimensions(self: SourceTransaction, table: Any, window: Window) -> Any:
        return refuse() if isinstance(table, Fact) else whole(self, table, window)

    with World(pipeline.url) as world:
        world.message(1)
        world.receipt(1)
        pipeline.cycle()
        world.execute("update messages set conversation_id = %s", uuid(7))
        world.event(1)
        monkeypatch.setattr(SourceTransaction, "rows", only_dimensions)
        counts = SourceTransaction.counts
        monkeypatch.setattr(
            SourceTransaction,
            "counts",
            lambda self, table: refuse() if isinstance(table, Fact) else counts(self, table),
        )
        report = pipeline.cycle()
    read = {name: report.extract.tables[name].rows for name in ("messages", "events")}
    assert read == {"messages": 1, "events": 1}
    assert report.extract.tables["read_receipts"].rows == 1
    assert contents.offences(pipeline.published) == []


def test_very_many_changes_are_read_as_they_are_found(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit no place is kept: the counts are complete, and the same rows are read."""
    with World(pipeline.url) as world:
        world.message(0)
        pipeline.cycle()
        watermark = watermark_of(pipeline.url)
        for number in range(1, 6):
            world.message(number, created_at=at(days=number))
            world.receipt(number)
        monkeypatch.setattr(source_module, "CHANGES_MAX", 4)
        with reading(pipeline.url) as source:
            counts, places = source.survey(MESSAGES, watermark)
            assert (sum(counts.values()), len(counts), places) == (6, 6, None)
            assert source.touched_ids(RECEIPTS, watermark) is None
            scanner = FactScanner(source)
            assert scanned(scanner, MESSAGES, watermark) == [(n,) for n in range(1, 6)]
            assert scanned(scanner, RECEIPTS, watermark) == [(n, 2) for n in range(1, 6)]
        report = pipeline.cycle()
    assert report.manifest.tables["messages"].rows == 6
    assert report.manifest.tables["read_receipts"].rows == 5


def test_what_follows_a_message_outside_the_coverage_is_read(database: str) -> None:
    """A receipt of a covered day carries values of a message that is not read itself."""
    covered = days_of([at(days=1).date()])
    with World(database) as world:
        world.message(1)
        world.receipt(1, read_at=at(days=1))
        watermark = watermark_of(database)
        world.execute("update messages set conversation_id = %s", uuid(7))
        with reading(database) as source:
            scanner = FactScanner(source)
            assert scanned(scanner, MESSAGES, watermark, covered) == []
            assert scanned(scanner, RECEIPTS, watermark, covered) == [(1, 2)]


def test_messages_that_were_read_from_a_later_watermark_do_not_lead(database: str) -> None:
    """What changed between two watermarks is found where the older one applies."""
    with World(database) as world:
        world.message(1)
        world.receipt(1)
        older = watermark_of(database)
        world.execute("update messages set conversation_id = %s", uuid(7))
        later = watermark_of(database)
        with reading(database) as source:
            scanner = FactScanner(source)
            assert scanned(scanner, MESSAGES, later) == []
            assert scanned(scanner, RECEIPTS, older) == [(1, 2)]
            assert scanned(scanner, MESSAGES, older) == [(1,)]
            assert scanned(scanner, RECEIPTS, older) == [(1, 2)]
            assert scanned(FactScanner(source), RECEIPTS, older) == [(1, 2)]


def test_a_mapping_may_touch_without_places(pipeline: Pipeline, tmp_path: Path) -> None:
    """Where `touched` returns no place, the touched rows are found while the fact is scanned."""
    folder = Path(shutil.copytree(MESSENGER.folder, tmp_path / "mine"))
    declared = folder / "mapping.toml"
    declared.write_text(declared.read_text().replace('follows = "messages"\n', ""))
    (folder / "touched").mkdir()
    touched = "select xmin as row_version, id as message_id from messages"
    (folder / "touched" / "read_receipts.sql").write_text(touched)
    settings = replace(pipeline.settings, source_mapping=str(folder))
    mine = replace(pipeline, settings=settings)
    with World(pipeline.url) as world:
        world.message(1)
        world.receipt(1)
        mine.cycle()
        world.execute("update messages set conversation_id = %s", uuid(7))
        report = mine.cycle()
    assert report.extract.tables["read_receipts"].rows == 1


def is_between(xid: int, first: int, until: int) -> bool:
    """Whether an xid is in [first, until) on the circle of 32 bits."""
    return (xid - first) % CIRCLE < (until - first) % CIRCLE


def test_the_condition_on_versions_goes_round_the_circle(database: str) -> None:
    """From the watermark to the snapshot's xmax, across 2^31 and 2^32 too, and nothing else."""
    corners = [3, 4, 2**31 - 1, 2**31, 2**31 + 1, CIRCLE - 2, CIRCLE - 1]
    query = sql.SQL(
        "select xid::text::bigint, {} from (select n::text::xid as row_version,"
        " n::text::xid as xid from unnest(%s::bigint[]) as n) as rows"
    ).format(sql.SQL(expression("source/changed")))
    with psycopg.connect(database) as connection:
        for first, until in itertools.product(corners, corners):
            psycopg.RawCursor(connection).execute(
                sqlfiles.text("source/set_versions").encode(), (str(first), str(until))
            )
            found: dict[int, bool] = dict(connection.execute(query, [corners]).fetchall())
            assert found == {xid: is_between(xid, first, until) for xid in corners}, (first, until)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_parallel_workers_count_and_find(database: str, fact: Fact) -> None:
    """Where a table is large, workers scan and aggregate it; only groups come together."""
    with psycopg.connect(database) as connection:
        for cost in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            connection.execute(f"set {cost} = 0".encode())
        (name,) = MESSENGER.tables[fact.name].places
        connection.execute(f"insert into {name} {ROWS[fact.name]}".encode())
        connection.execute(f"analyze {name}".encode())
        raw = psycopg.RawCursor(connection)
        raw.execute(sqlfiles.text("source/set_window").encode(), (*ALL_ROWS.settings, "", ""))
        raw.execute(sqlfiles.text("source/set_versions").encode(), ("3", "5"))
        text = f"explain {statement('fact_survey', fact, MESSENGER)}"
        plan = [row[0] for row in connection.execute(text.encode())]
    scan = next(number for number, line in enumerate(plan) if f"Seq Scan on {name}" in line)
    assert "Parallel" in plan[scan]
    assert any("Partial HashAggregate" in line for line in plan[:scan])


_ID = "lpad(to_hex(n), 32, '0')::uuid"
_SERIES = "from generate_series(1, 3000) n"
ROWS = {
    "messages": f"(id, conversation_id) select {_ID}, {_ID} {_SERIES}",
    "read_receipts": f"(message_id, user_id) select {_ID}, n {_SERIES}",
    "events": f"(id, event_type) select {_ID}, 'x' {_SERIES}",
    "reactions": f"(message_id, user_id, emoji) select {_ID}, n, 'x' {_SERIES}",
}
