"""A metric says what it means, and cannot change its meaning in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from olap import catalog, sqlfiles
from olap.__main__ import catalog_text
from olap.errors import CatalogError
from olap.warehouse import Warehouse
from tests.metrics.random_worlds import PARAMETERS

SQL = Path(__file__).parents[2] / "sql"
HEAD = "-- thing_v1: What it is.\n-- grain: one row\n-- scope: the period\n-- and more\n"
BODY = (
    "create or replace macro metrics.thing_v1(\n    since timestamp,\n    top_n := 10\n) as table\n"
)
WINDOWS = {
    "used": "create macro core.used(a) as (core.inner(a));",
    "inner": "create macro core.inner(a) as (a + 1);",
    "other": "create macro core.other(a) as (a + 2);",
}
QUERY = "select core.used(1) as x;\n"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> object:
    """Read a made-up metric file."""

    def read(text: str, file: str = "metrics/thing_v1") -> catalog.Metric:
        monkeypatch.setattr(sqlfiles, "text", lambda name: text)
        return catalog._metric(file, WINDOWS)

    return read


def test_name_header_and_macro_agree() -> None:
    """Each file of sql/metrics is one metric, which bears the file's name, and there are ten."""
    files = {path.stem for path in (SQL / "metrics").glob("*.sql")}
    assert {metric.macro for metric in catalog.metrics()} == files
    assert {metric.name for metric in catalog.metrics()} == set(PARAMETERS)
    for metric in catalog.metrics():
        names = tuple(re.split(r"[ :]", parameter)[0] for parameter in metric.parameters)
        assert names == tuple(sorted(names, key=names.index))
        assert set(names) == set(PARAMETERS[metric.name]), metric.name


def said(metric: catalog.Metric) -> tuple[str, str, str, str]:
    """What the header of a metric says of it."""
    return (metric.definition, metric.grain, metric.scope, metric.rules)


def test_a_header_is_read(read) -> None:  # type: ignore[no-untyped-def]
    """Definition, grain, scope, rules over several lines, and parameters are what the file says."""
    metric = read(HEAD + BODY + QUERY)
    assert (metric.name, metric.version) == ("thing", 1)
    assert (metric.definition, metric.grain) == ("What it is.", "one row")
    assert (metric.scope, metric.rules) == ("the period", "and more")
    assert metric.parameters == ("since timestamp", "top_n := 10")
    assert metric.comment == "What it is. Grain: one row. Scope: the period. and more"


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
    """A file without name, definition, grain or scope, or with two names, is no metric."""
    with pytest.raises(CatalogError, match="does not begin with its name"):
        read(text + QUERY, file)


def test_a_fingerprint_is_of_what_is_computed() -> None:
    """Comments, spacing and case leave it; the text, and any window macro used, change it."""
    text = BODY + QUERY
    known = catalog._fingerprint(text, WINDOWS)
    for same in (
        HEAD + text,
        text.replace("select", "SELECT\n   "),
        text + "-- the end\n",
    ):
        assert catalog._fingerprint(same, WINDOWS) == known
    assert catalog._fingerprint(text, WINDOWS | {"other": "create macro core.other() as (0);"}) == (
        known
    )
    changed = {
        catalog._fingerprint(text.replace("(1)", "(2)"), WINDOWS),
        catalog._fingerprint(text, WINDOWS | {"used": WINDOWS["used"].replace("(a)", "(a + a)")}),
        catalog._fingerprint(text, WINDOWS | {"inner": WINDOWS["inner"].replace("+ 1", "- 1")}),
    }
    assert len(changed | {known}) == 4


def test_a_fingerprint_is_of_all_its_windows() -> None:
    """Every macro of sql/macros is used by a metric, and is in the text that is digested."""
    windows = catalog._definitions(sqlfiles.names("macros"))
    whole = "\n".join(path.read_text() for path in (SQL / "macros").glob("*.sql"))
    assert set(windows) == set(re.findall(r"^create or replace macro core\.(\w+)", whole, re.M))
    texts = [sqlfiles.text(f"metrics/{metric.macro}") for metric in catalog.metrics()]
    for name, definition in windows.items():
        body = definition.replace(" as ", " as other ", 1)
        changed = windows | {name: body}
        assert any(
            catalog._fingerprint(t, windows) != catalog._fingerprint(t, changed) for t in texts
        ), name


def test_no_parameter_is_a_column(empty_warehouse: Warehouse) -> None:
    """A parameter that were a column's name would be replaced inside the macro, unseen."""
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


def test_the_catalogue_lists_every_metric(empty_warehouse: Warehouse) -> None:
    """metrics.catalog and the macros' comments say what the files say, the bare name included."""
    connection = empty_warehouse.connection
    listed = connection.execute(
        "select metric, version, is_newest, definition, grain, scope, rules, parameters,"
        " fingerprint from metrics.catalog order by all"
    ).fetchall()
    assert listed == sorted(
        (
            m.name,
            m.version,
            True,
            m.definition,
            m.grain,
            m.scope,
            m.rules,
            list(m.parameters),
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
    wanted |= {m.name: m.comment for m in catalog.metrics()}
    assert comments == wanted


def test_the_newest_version_has_the_bare_name() -> None:
    """Of versions 1, 2 and 10 the bare name means 10."""
    first = catalog.metrics()[0]
    versions = [
        catalog.Metric(
            name="thing",
            version=version,
            definition="",
            grain="",
            scope="",
            rules="",
            parameters=(),
            fingerprint=first.fingerprint,
        )
        for version in (2, 10, 1)
    ]
    assert {n: m.version for n, m in catalog.newest(versions).items()} == {"thing": 10}


def test_the_catalogue_in_the_repository_is_the_present_one() -> None:
    """`sql/README.md` is what `make catalog` makes: no meaning, and no fingerprint, has changed."""
    written = (sqlfiles.SQL_DIR / "README.md").read_text(encoding="utf-8")
    assert written == catalog_text()
