"""What a published file says about itself: names, comments, types, and no constraints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from olap import ledger, sqlfiles
from olap.comments import Described, described
from olap.days import EVERY_DAY
from olap.errors import CatalogError
from olap.ids import IdType, IdTypes
from olap.layout import Layout
from olap.manifest import SourceShape
from olap.publish import publish
from olap.settings import Settings
from olap.tables import ROLLUPS, TABLE_NAMES, TABLES
from olap.warehouse import open_warehouse
from tests.factories import TIME, a_batch, a_table_state, an_identity

VIEWS = {
    "messages": [
        "created_at",
        "conversation_id",
        "sender_id",
        "message_type",
        "content_length",
        "edited_at",
        "deleted_at",
    ],
    "read_receipts": ["read_at", "conversation_id", "user_id", "message_created_at"],
    "read_marks": ["conversation_id", "user_id", "read_through_at", "marked_at"],
    "reactions": ["created_at", "conversation_id", "user_id", "emoji", "message_created_at"],
    "events": ["created_at", "event_type", "conversation_id", "user_id"],
    "users": ["user_id", "username", "is_bot", "created_at", "deleted_at"],
    "conversations": ["conversation_id", "type", "title", "created_at"],
    "participants": ["conversation_id", "user_id", "role", "joined_at", "left_at"],
    "generation": ["generation", "data_through", "generated_at"],
}
TIMES = ("_at", "data_through")
LEDGER = {"batches", "lake_files", "state", "table_states"}


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generation published from a warehouse that read an empty messenger."""
    layout = Layout(tmp_path_factory.mktemp("published"))
    with layout.locked(), open_warehouse(Settings(data_dir=layout.root)) as warehouse:
        ledger.record_batch(warehouse, a_batch(rows_read=0, rows_changed=0, days_rebuilt=0))
        for table in TABLE_NAMES:
            ledger.record_table(warehouse, table, a_table_state(source_rows=0, rows=0))
        ledger.record_state(
            warehouse,
            an_identity(),
            SourceShape(),
            EVERY_DAY,
            changed_in_batch=1,
            generation=0,
            generated_at=None,
            feed=None,
        )
        publish(warehouse, TIME)
    return layout.pointer


@pytest.fixture
def published(generation: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The generation, opened as an analyst opens it."""
    with duckdb.connect(str(generation), read_only=True) as connection:
        yield connection


def names(published: duckdb.DuckDBPyConnection, kind: str, schema: str) -> list[str]:
    """The names of the tables or views of one schema, without DuckDB's own."""
    return [
        name
        for (name,) in published.execute(
            f"select {kind}_name from duckdb_{kind}s() "
            "where schema_name = $schema and not internal order by all",
            {"schema": schema},
        ).fetchall()
    ]


def columns(published: duckdb.DuckDBPyConnection, schema: str, table: str) -> list[str]:
    """The columns of one table or view, in order."""
    return [
        name
        for (name,) in published.execute(
            "select column_name from duckdb_columns() where schema_name = $schema "
            "and table_name = $table and not internal order by column_index",
            {"schema": schema, "table": table},
        ).fetchall()
    ]


def test_the_schemas_are_core_main_and_metrics(published: duckdb.DuckDBPyConnection) -> None:
    """Tables are in `core`, except metrics.catalog; `core` has two views."""
    found = published.execute(
        "select distinct schema_name, 'table' from duckdb_tables() where not internal union "
        "select distinct schema_name, 'view' from duckdb_views() where not internal"
    ).fetchall()
    assert sorted(found) == [
        ("core", "table"),
        ("core", "view"),
        ("main", "view"),
        ("metrics", "table"),
        ("metrics", "view"),
    ]
    assert names(published, "table", "metrics") == ["catalog"]
    assert names(published, "view", "core") == ["clock_changes", "proofs"]


def test_main_has_exactly_the_views_analysts_know(published: duckdb.DuckDBPyConnection) -> None:
    """`main` has the documented views with their columns in order, then each time with its zone."""
    found = {view: columns(published, "main", view) for view in names(published, "view", "main")}
    assert found == {
        view: [*known, *(f"{name}_tz" for name in known if name.endswith(TIMES))]
        for view, known in VIEWS.items()
    }


def test_views_show_no_key(published: duckdb.DuckDBPyConnection) -> None:
    """Keys are internal: no column of a view in `main` ends in `_key`, unlike those of `core`."""
    found = {
        schema: published.execute(
            "select count(*) from duckdb_columns() "
            "where schema_name = $schema and not internal and ends_with(column_name, '_key')",
            {"schema": schema},
        ).fetchall()[0][0]
        for schema in ("main", "core")
    }
    assert found["main"] == 0
    assert found["core"] > 0


def test_every_view_answers(published: duckdb.DuckDBPyConnection) -> None:
    """Each view can be queried in the file alone; `generation` has its number and times."""
    counts = {
        view: published.execute(f"select count(*) from main.{view}").fetchall()[0][0]
        for view in VIEWS
    }
    assert counts == dict.fromkeys(VIEWS, 0) | {"generation": 1}
    naive = TIME.replace(tzinfo=None)
    columns = "generation, data_through, generated_at"
    assert published.execute(f"select {columns} from main.generation").fetchall() == [
        (1, naive, naive)
    ]


def test_core_has_exactly_the_declared_tables(published: duckdb.DuckDBPyConnection) -> None:
    """`core` has the declared facts, dimensions and rollups, the ledger, and the time zones."""
    declared = {table.core_name for table in TABLES} | {rollup.name for rollup in ROLLUPS}
    assert set(names(published, "table", "core")) == declared | LEDGER | {"tz_spans"}


def test_no_two_tables_or_views_have_the_same_name(published: duckdb.DuckDBPyConnection) -> None:
    """A tool that lists tables without their schema takes none for another."""
    found = [
        name
        for kind in ("table", "view")
        for schema in ("core", "main", "metrics")
        for name in names(published, kind, schema)
    ]
    assert len(found) > len(TABLES)
    assert sorted(found) == sorted(set(found))


COMMENTS = """
    select schema_name || '.' || table_name, comment from duckdb_tables() where not internal
    union all
    select schema_name || '.' || view_name, comment from duckdb_views() where not internal
    union all
    select schema_name || '.' || table_name || '.' || column_name, comment
    from duckdb_columns() where not internal
    union all
    select schema_name || '.' || function_name, comment
    from duckdb_functions() where not internal and schema_name in ('core', 'main', 'metrics')
"""


def test_everything_has_a_comment(published: duckdb.DuckDBPyConnection) -> None:
    """Every table, view, column and macro has a comment."""
    found = dict(published.execute(COMMENTS).fetchall())
    assert found.keys() >= {"core.fact_messages", "main.users.is_bot", "core.is_present"}
    assert found.keys() >= {"metrics.message_stats", "core.data_through", "metrics.catalog.rules"}
    assert [name for name, comment in found.items() if not (comment or "").strip()] == []


def test_comments_are_what_the_files_say(published: duckdb.DuckDBPyConnection) -> None:
    """The comments are the texts of the files that create the objects, quotes included."""
    found = dict(published.execute(COMMENTS).fetchall())
    expected: dict[str, str] = {}
    for folder in ("schema", "views", "views/metrics", "catalog", "macros"):
        for name in sqlfiles.names(folder):
            for item in described(sqlfiles.text(name)):
                expected[item.name] = item.comment
                expected |= {f"{item.name}.{c}": text for c, text in item.columns.items()}
    assert len(expected) > 200
    assert {name: found[name] for name in expected} == expected
    assert "the rows' other columns" in found["core.by_quarter_hour"]


def test_comments_of_tables_and_views_state_the_grain(
    published: duckdb.DuckDBPyConnection,
) -> None:
    """The comment of each table and view states what one row is."""
    found = published.execute(
        "select table_name, comment from duckdb_tables() where not internal union all "
        "select view_name, comment from duckdb_views() where not internal"
    ).fetchall()
    assert len(found) > len(VIEWS)
    assert [name for name, comment in found if "Grain: one row" not in comment] == []


def test_a_comment_block_is_read() -> None:
    """Definition, grain and rules become one comment; a column's comment is its own."""
    text = """-- core.things: What a row is about,
-- in two lines.
-- grain: one row per thing
-- A rule.
create table core.things (
    thing_key integer not null, -- the key; it's ours
    made_at timestamp -- when
);
"""
    assert list(described(text)) == [
        Described(
            kind="table",
            name="core.things",
            comment="What a row is about, in two lines. Grain: one row per thing. A rule.",
            columns={"thing_key": "the key; it's ours", "made_at": "when"},
        )
    ]


def test_an_object_without_a_comment_is_refused() -> None:
    """A file that creates something without a comment right above it is an error."""
    with pytest.raises(CatalogError, match="has no comment in: -- A file"):
        list(described("-- A file.\n\ncreate or replace macro core.f(x) as (\n    x\n);\n"))


def test_nothing_has_an_index(published: duckdb.DuckDBPyConnection) -> None:
    """No table has a key, a unique constraint or an index: replaying them has broken files."""
    constraints = published.execute(
        "select distinct constraint_type from duckdb_constraints()"
    ).fetchall()
    assert constraints == [("NOT NULL",)]
    assert published.execute("from duckdb_indexes()").fetchall() == []


def test_only_columns_named_so_have_a_zone(published: duckdb.DuckDBPyConnection) -> None:
    """Times are TIMESTAMP in UTC; a TIMESTAMPTZ is in a view, and its name ends in _tz."""
    found = dict(
        published.execute(
            "select data_type, list(schema_name || '.' || column_name) from duckdb_columns()"
            " where not internal and data_type like 'TIMESTAMP%' group by all"
        ).fetchall()
    )
    assert found.keys() == {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
    assert [name for name in found["TIMESTAMP"] if name.endswith("_tz")] == []
    with_zone = found["TIMESTAMP WITH TIME ZONE"]
    assert [n for n in with_zone if not n.endswith("_tz") or n.startswith("core.")] == []


def test_ids_have_the_types_that_the_mapping_declares(
    published: duckdb.DuckDBPyConnection,
) -> None:
    """Ids have the types in the file that the API validates them by."""
    types = {"BIGINT": IdType.INTEGER, "UUID": IdType.UUID, "VARCHAR": IdType.STRING}
    found = published.execute(
        "select column_name, data_type from duckdb_columns() where schema_name = 'core'"
        " and column_name in ('user_id', 'conversation_id')"
    ).fetchall()
    assert {name.removesuffix("_id"): types[kind] for name, kind in found} == {
        name: IdTypes().of(name) for name in ("user", "conversation")
    }
