"""A metric states its meaning, and a change of its SQL is noticed."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from olap import catalog, sqlfiles
from olap.__main__ import catalog_text
from olap.errors import CatalogError
from olap.warehouse import STORAGE_VERSION, Warehouse
from tests.metrics.filled import called
from tests.metrics.random_worlds import PARAMETERS

SQL = Path(__file__).parents[2] / "sql"
HEAD = "-- thing_v1: What it is.\n-- grain: one row\n-- scope: the period\n-- and more\n"
BODY = (
    "create or replace macro metrics.thing_v1(\n    since timestamp,\n    top_n := 10\n) as table\n"
)
MACROS = {
    "used": "create macro core.used(a) as (core.inner(a));",
    "inner": "create macro core.inner(a) as (a + 1);",
    "other": "create macro core.other(a) as (a + 2);",
}
QUERY = "select core.used(1) as x;\n"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> object:
    """Parse the text of a metric file."""

    def read(text: str, file: str = "metrics/thing_v1") -> catalog.Metric:
        monkeypatch.setattr(sqlfiles, "text", lambda name: text)
        return catalog._metric(file, MACROS)

    return read


def test_name_header_and_macro_agree() -> None:
    """Each file of sql/metrics is one metric named as the file; the tests know all of them."""
    files = {path.stem for path in (SQL / "metrics").glob("*.sql")}
    assert {metric.macro for metric in catalog.metrics()} == files
    assert {called(metric) for metric in catalog.metrics()} == set(PARAMETERS)
    for metric in catalog.metrics():
        names = tuple(re.split(r"[ :]", parameter)[0] for parameter in metric.parameters)
        assert names == tuple(sorted(names, key=names.index))
        assert set(names) == set(PARAMETERS[called(metric)]), metric.macro


def test_a_header_is_read(read) -> None:  # type: ignore[no-untyped-def]
    """Definition, grain, scope, rules over several lines, and parameters are parsed."""
    metric = read(HEAD + BODY + QUERY)
    assert (metric.name, metric.version) == ("thing", 1)
    assert (metric.definition, metric.grain) == ("What it is.", "one row")
    assert (metric.scope, metric.rules) == ("the period", "and more")
    assert metric.parameters == ("since timestamp", "top_n := 10")
    assert metric.comment == "What it is. Grain: one row. Scope: the period. and more"


def test_what_a_metric_needs_is_read(read) -> None:  # type: ignore[no-untyped-def]
    """The table that a source may lack, and what is null without it, are in the header."""
    need = "-- needs: events for one, other_one and last\n"
    metric = read(HEAD.replace("-- and more", f"{need}-- and more") + BODY + QUERY)
    assert metric.needs == catalog.Need(table="events", columns=("one", "other_one", "last"))
    assert metric.comment == (
        "What it is. Grain: one row. Scope: the period. "
        "Needs events; without them one, other_one and last are null. and more"
    )
    whole = read(HEAD.replace("-- and more", "-- needs: events\n-- and more") + BODY + QUERY)
    assert str(whole.needs) == "Needs events; without them the metric is an error."
    with pytest.raises(CatalogError, match="needs messages, which no source may lack"):
        read(HEAD.replace("-- and more", "-- needs: messages\n-- and more") + BODY + QUERY)


def test_a_metric_that_reads_a_table_says_so() -> None:
    """A metric names the table that a source may lack exactly if its macros ask for it."""
    macros = catalog._definitions(sqlfiles.names("macros"))
    asked = re.compile(r"core\.is_(?:available|there)\('(\w+)'\)")
    for metric in catalog.metrics():
        text = sqlfiles.text(f"metrics/{metric.macro}")
        used, waiting = {text}, [text]
        while waiting:
            for name in set(re.findall(r"\bcore\.(\w+)\(", waiting.pop())) & macros.keys():
                if macros[name] not in used:
                    used.add(macros[name])
                    waiting.append(macros[name])
        needed = {table for part in used for table in asked.findall(part)}
        assert needed == ({metric.needs.table} if metric.needs else set()), metric.name


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (HEAD.replace("-- thing_v1: What it is.\n", "") + BODY, "metrics/thing_v1"),
        (HEAD.replace("What it is.", "") + BODY, "metrics/thing_v1"),
        (HEAD.replace("-- grain: one row\n", "") + BODY, "metrics/thing_v1"),
        (HEAD.replace("-- scope: the period\n", "") + BODY, "metrics/thing_v1"),
        (HEAD.replace("thing_v1", "thing_v2") + BODY, "metrics/thing_v1"),
        (HEAD + BODY.replace("thing_v1", "think_v1"), "metrics/thing_v1"),
        (HEAD + BODY, "metrics/thing_v2"),
        (HEAD.replace("_v1", "") + BODY.replace("_v1", ""), "metrics/thing"),
        (HEAD, "metrics/thing_v1"),
    ],
    ids=["name", "definition", "grain", "scope", "header", "macro", "file", "version", "body"],
)
def test_a_metric_without_meaning_is_refused(text: str, file: str, read) -> None:  # type: ignore[no-untyped-def]
    """A file without name, definition, grain or scope, or with two names, is refused."""
    with pytest.raises(CatalogError, match="does not begin with its name"):
        read(text + QUERY, file)


def test_a_fingerprint_is_of_what_is_computed() -> None:
    """Comments, spacing and case do not change it; the text and any macro used do."""
    text = BODY + QUERY
    known = catalog._fingerprint(text, MACROS)
    for same in (
        HEAD + text,
        text.replace("select", "SELECT\n   "),
        text + "-- the end\n",
    ):
        assert catalog._fingerprint(same, MACROS) == known
    assert catalog._fingerprint(text, MACROS | {"other": "create macro core.other() as (0);"}) == (
        known
    )
    changed = {
        catalog._fingerprint(text.replace("(1)", "(2)"), MACROS),
        catalog._fingerprint(text, MACROS | {"used": MACROS["used"].replace("(a)", "(a + a)")}),
        catalog._fingerprint(text, MACROS | {"inner": MACROS["inner"].replace("+ 1", "- 1")}),
    }
    assert len(changed | {known}) == 4


def test_a_fingerprint_covers_every_macro() -> None:
    """Every macro of sql/macros is part of the fingerprint of a metric, or of a view."""
    macros = catalog._definitions(sqlfiles.names("macros"))
    whole = "\n".join(path.read_text() for path in (SQL / "macros").glob("*.sql"))
    assert set(macros) == set(re.findall(r"^create or replace macro core\.(\w+)", whole, re.M))
    texts = [
        sqlfiles.text(f"metrics/{metric.macro}") + catalog._call(metric.macro, metric.parameters)
        for metric in catalog.metrics()
    ]
    texts += [path.read_text(encoding="utf-8") for path in (SQL / "views").rglob("*.sql")]
    for name, definition in macros.items():
        body = definition.replace(" as ", " as other ", 1)
        changed = macros | {name: body}
        assert any(
            catalog._fingerprint(t, macros) != catalog._fingerprint(t, changed) for t in texts
        ), name


def test_no_parameter_is_a_column(empty_warehouse: Warehouse) -> None:
    """No macro has a parameter named as a column, which it would replace inside the macro."""
    connection = empty_warehouse.connection
    parameters = {
        (macro, name)
        for macro, names in connection.execute(
            "select function_name, parameters from duckdb_functions() where not internal"
            " and database_name = 'warehouse' and schema_name in ('core', 'metrics')"
        ).fetchall()
        for name in names
    }
    columns = {
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = 'warehouse'"
        ).fetchall()
    }
    assert {name for _, name in parameters} >= {"since", "until", "visible_to"}
    assert {"user_id", "event_type", "day"} <= columns
    assert sorted(pair for pair in parameters if pair[1] in columns) == []


def test_no_macro_has_a_hint_that_a_file_loses(tmp_path: Path) -> None:
    """A file of our storage version forgets whether a CTE is materialized, so no macro says it: it
    would be planned in one way here and in another one where it is read."""
    path = tmp_path / "kept.duckdb"
    with closing(duckdb.connect()) as connection:
        connection.execute(f"attach '{path}' as kept (storage_version '{STORAGE_VERSION}')")
        connection.execute(
            "create macro kept.hinted() as table (with a as materialized (select 1) from a)"
        )
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        ((kept,),) = connection.execute(
            "select macro_definition from duckdb_functions() where function_name = 'hinted'"
        ).fetchall()
    assert "with a as (" in kept.lower()
    texts = {
        name: sqlfiles.text(name)
        for folder in ("macros", "metrics", "views", "views/metrics")
        for name in sqlfiles.names(folder)
    }
    assert [name for name, text in texts.items() if "materialized (" in text] == []


def test_the_catalogue_lists_every_metric(empty_warehouse: Warehouse) -> None:
    """metrics.catalog and the comments of the macros equal the files, bare names included; of two
    versions the newer one has the bare name."""
    bare = catalog.newest(catalog.metrics())
    connection = empty_warehouse.connection
    listed = connection.execute(
        "select metric, version, is_newest, definition, grain, scope, rules, parameters,"
        " fingerprint from metrics.catalog order by all"
    ).fetchall()
    assert listed == sorted(
        (
            m.name,
            m.version,
            m == bare[m.name],
            m.definition,
            m.grain,
            m.scope,
            m.rules,
            list(m.accepted),
            m.fingerprint,
        )
        for m in catalog.metrics()
    )
    comments = dict(
        connection.execute(
            "select function_name, comment from duckdb_functions() where schema_name = 'metrics'"
            " and database_name = 'warehouse'"
        ).fetchall()
    )
    wanted = {m.macro: m.comment for m in catalog.metrics()}
    wanted |= {name: m.comment for name, m in bare.items()}
    assert wanted["message_timeline"] == wanted["message_timeline_v2"]
    assert wanted["message_timeline"] != wanted["message_timeline_v1"]
    assert comments == wanted


def test_macros_of_an_earlier_version_are_dropped(empty_warehouse: Warehouse) -> None:
    """Loading the metrics removes macros that no file of sql/ creates any more."""
    connection = empty_warehouse.connection
    connection.begin()
    try:
        connection.execute("create macro core.old(x) as (x)")
        connection.execute("create macro metrics.old_v1(x) as table select x as y")
        catalog.load_metrics(empty_warehouse)
        found = connection.execute(
            "select function_name from duckdb_functions() where not internal"
            " and schema_name in ('core', 'metrics')"
        ).fetchall()
    finally:
        connection.rollback()
    names = {name for (name,) in found}
    assert not names & {"old", "old_v1"}
    assert names >= {"is_present", "rows_in_scope", "message_stats", "data_through"}


def test_the_newest_version_has_the_bare_name() -> None:
    """Of versions 1, 2 and 10 the bare name is version 10."""
    first = catalog.metrics()[0]
    versions = [
        catalog.Metric(
            name="thing",
            version=version,
            definition="",
            grain="",
            scope="",
            needs=None,
            rules="",
            parameters=(),
            fingerprint=first.fingerprint,
        )
        for version in (2, 10, 1)
    ]
    assert {n: m.version for n, m in catalog.newest(versions).items()} == {"thing": 10}


def test_the_catalogue_in_the_repository_is_the_present_one() -> None:
    """`sql/README.md` is what `make catalog` prints: no definition or fingerprint has changed."""
    written = (sqlfiles.SQL_DIR / "README.md").read_text(encoding="utf-8")
    assert written == catalog_text()
