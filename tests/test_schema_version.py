"""The version of the warehouse: which edits of `sql/` rebuild its tables, and which do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from etl.cycle import publish_again
from olap import sqlfiles, warehouse
from olap.paths import open_read_only
from olap.warehouse import schema_fingerprint, shaping_files, views_fingerprint
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World

SQL = sqlfiles.SQL_DIR
EVERY_FILE = sorted(str(path.relative_to(SQL).with_suffix("")) for path in SQL.rglob("*.sql"))


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Give a file of `sql/` another text for the length of a test."""
    edited: dict[str, str] = {}
    written = cache(lambda name: (Path(SQL) / f"{name}.sql").read_text(encoding="utf-8"))
    monkeypatch.setattr(sqlfiles, "text", lambda name: edited.get(name) or written(name))
    return edited.__setitem__


def test_a_comment_rebuilds_nothing(edit: Callable[[str, str], None]) -> None:
    """Comments of every file can be edited, removed and added without a new version."""
    known = schema_fingerprint()
    for name in EVERY_FILE:
        text = sqlfiles.text(name)
        edit(name, "/* new */ " + text.replace("-- ", "-- edited ") + "-- the end\n")
    assert schema_fingerprint() == known


def test_a_statement_that_makes_tables_is_a_new_version(edit: Callable[[str, str], None]) -> None:
    """Each file that a table is made by has its part in the version, quotes included."""
    versions = {schema_fingerprint()}
    for name in shaping_files():
        edit(name, sqlfiles.text(name) + "select '-- not a comment';\n")
        versions.add(schema_fingerprint())
    assert len(versions) == len(shaping_files()) + 1


def storage_version(file: Path) -> str:
    """The storage version of a DuckDB file, as DuckDB tells it."""
    with open_read_only(file) as connection:
        (tags,) = connection.execute(
            "select tags['storage_version'] from duckdb_databases() where path is not null"
        ).fetchall()
    return str(tags[0])


@pytest.mark.parametrize("command", ["cycle", "publish"])
def test_a_warehouse_with_another_storage_version_is_rebuilt(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """After an upgrade to a lower storage version, which DuckDB cannot give a file, the next
    cycle or publication has the version and every row."""
    pipeline = replace(pipeline, starts_empty=True)
    with World(pipeline.url) as world:
        world.message(1)
        with monkeypatch.context() as earlier:
            earlier.setattr(warehouse, "STORAGE_VERSION", "v1.5.0")
            pipeline.cycle()
        assert storage_version(pipeline.published).startswith("v1.5")
        if command == "cycle":
            world.message(2)
            assert pipeline.cycle().is_published
        else:
            publish_again(pipeline.settings, pipeline.clock)
    assert storage_version(pipeline.published).startswith("v1.4")
    kept = sum(contents.of_views(pipeline.published)["messages"].values())
    assert kept == (2 if command == "cycle" else 1)


def test_what_makes_no_table_rebuilds_nothing(edit: Callable[[str, str], None]) -> None:
    """Files that erase, repair, check, prove and report are not part of the version."""
    known, others = schema_fingerprint(), set(EVERY_FILE) - set(shaping_files())
    for name in others:
        edit(name, "select 1;\n")
    assert schema_fingerprint() == known
    assert others >= {"facts/mask_day", "checks/row_counts", "metrics/message_stats_v1"}


def test_a_comment_renews_what_describes_the_file(edit: Callable[[str, str], None]) -> None:
    """Headers reach the published file, so an edited one renews views, metrics and comments."""
    seen = {views_fingerprint()}
    for name in ("schema/fact_messages", "views/users", "macros/scope", "metrics/message_stats_v1"):
        edit(name, sqlfiles.text(name).replace("-- ", "-- edited ", 1))
        seen.add(views_fingerprint())
    assert len(seen) == 5


def test_whatever_a_rebuild_runs_is_in_the_version(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file by which a rebuild writes is in the version; bookkeeping and views are not."""
    with World(pipeline.url) as world:
        world.message(1)
        world.receipt(1)
        pipeline.cycle()
    ran: set[str] = set()
    run = sqlfiles.run

    def recorded(connection: Any, name: str, *table: Any, **parameters: Any) -> Any:
        ran.add(name)
        return run(connection, name, *table, **parameters)

    monkeypatch.setattr(sqlfiles, "run", recorded)
    pipeline.rebuild()
    aside = {"ledger", "views", "catalog", "macros", "metrics"}
    writes = re.compile(r"\b(create|insert|update|delete)\b")
    made_by = {
        name
        for name in ran
        if name.partition("/")[0] not in aside
        and writes.search(sqlfiles.statements(sqlfiles.text(name)))
    }
    assert made_by - set(shaping_files()) == set()
    assert {"schema/fact_messages", "rollups/message_days"} < made_by
    assert {name.partition("/")[0] for name in made_by} >= {"facts", "dimensions"}


@pytest.mark.parametrize(
    ("text", "executed"),
    [
        ("select 1 -- a 'quote\n, 2", "select 1 , 2"),
        ("SELECT  'A -- b'\nFROM t", "select 'A -- b' from t"),
        ('select "X--y" /* c -- d */ + 1', 'select "X--y" + 1'),
        ("select $$A -- b$$, E'C\\'-- d'", "select $$A -- b$$ , E'C\\'-- d'"),
        ("select 'it''s -- ü', $Days -- ü\n", "select 'it''s -- ü' , $ days"),
        ("-- only a comment", ""),
        ("", ""),
    ],
)
def test_comments_are_told_from_quotes(text: str, executed: str) -> None:
    """What DuckDB executes of a text is all but comments, spacing, and case outside of quotes."""
    assert sqlfiles.statements(text) == executed
