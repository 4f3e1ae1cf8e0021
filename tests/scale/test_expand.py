"""A query without macros answers as the one with them."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pytest
from sqlglot import exp

from olap import sqlfiles
from olap.engine.expand import Macros, macros_of, parse
from olap.errors import TranslationError

MACROS = """
create or replace macro core.twice(amount, times := 2) as (amount * times);
create or replace macro core.quadruple(amount) as (core.twice(core.twice(amount)));
create or replace macro core.largest(rows) as ((select max(n) from query_table(rows)));
create or replace macro core.above(rows, least) as table
    with kept as (
        select *
        from query_table(rows)
        where n >= least
    )

    select kept.n
    from kept;
create or replace macro core.well_above(rows, least) as table
    with kept as (
        select n + 1 as n
        from query_table(rows)
    )

    select found.n
    from core.above(rows := kept, least := least + 1) as found
    union all
    select kept.n
    from kept;
create or replace macro core.few(least) as table
    with kept as (
        select unnest([1, 2, 3, 4]) as n
    )

    select found.n
    from core.well_above(kept, least) as found;
create or replace macro core.errors_of(condition) as table
    select checked.nothing
    from (
        select
            null as nothing,
            condition as is_right
    ) as checked
    where not checked.is_right;
"""


@pytest.fixture
def macros(monkeypatch: pytest.MonkeyPatch) -> Macros:
    """Those of MACROS."""
    monkeypatch.setattr(sqlfiles, "text", lambda name: MACROS)
    return Macros(["macros/some"])


@pytest.fixture
def connection() -> Iterable[duckdb.DuckDBPyConnection]:
    """A DuckDB that has them too."""
    with duckdb.connect() as connection:
        connection.execute(f"create schema core; {MACROS}")
        yield connection


@pytest.mark.parametrize(
    "query",
    [
        "select core.twice(3), core.twice(3, times := 5), core.twice(times := 5, amount := 1 + 2)",
        "select core.quadruple(1 + 1), core.quadruple(a) from (select 7 as a)",
        "from core.few(3) order by n",
        "select n from core.few(2) as few where few.n > core.twice(1) order by n",
        # The CTE of the query has the name of those of the macros.
        "with kept as (select unnest([5, 9]) as n), sent as (select n + 1 as n from kept)"
        " select (select max(n) from kept), core.largest(kept), n from core.above(kept, 6)"
        " union all select 0, core.largest(sent), found.n from core.well_above(sent, 1) as found"
        " order by all",
        "select a.n, b.n from core.few(4) as a inner join core.few(4) as b on a.n = b.n"
        " order by all",
        "select 1 as n union all by name select errors.nothing as n"
        " from core.errors_of(1 = 1) as errors order by n",
        "select errors.nothing as n from core.errors_of(1 = 1) as errors union all select 2"
        " union all select 3 order by n limit 1",
    ],
)
def test_it_answers_the_same(
    macros: Macros, connection: duckdb.DuckDBPyConnection, query: str
) -> None:
    """Defaults, names, macros of macros and CTEs of one name: all rows are equal."""
    expanded = macros.expand(parse(query, "some.sql"), file="some.sql").sql("duckdb")
    assert "core." not in expanded
    assert connection.execute(expanded).fetchall() == connection.execute(query).fetchall()


def test_each_cte_has_its_own_name(macros: Macros) -> None:
    """Engines have no second CTE of a name, even where only one of them is visible."""
    query = "with kept as (select 1 as n) from core.well_above(kept, 1), core.few(1) as few"
    tree = macros.expand(parse(query, "some.sql"), file="some.sql")
    names = [cte.alias for cte in tree.find_all(exp.CTE)]
    assert {*names} == {"kept", *(f"kept_{number}" for number in range(2, 7))}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select core.twice(1, thing := 2)", "core.twice an argument that it does not have"),
        ("select core.twice(1, 2, 3)", "core.twice an argument that it does not have"),
        ("select core.twice(times := 2)", "does not give core.twice its argument amount"),
        ("from numbers, core.few(numbers.n)", "core.few, which has a query, a column"),
        ("from core.above('kept', 1)", "reads no CTE by its name"),
        ("select (", "sqlglot"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(macros: Macros, query: str, said: str) -> None:
    """An error names the file and what is wrong with it."""
    with pytest.raises(TranslationError, match=f"^sql/some.sql.*{said}"):
        macros.expand(parse(query, "some.sql"), file="some.sql")


def test_a_file_of_macros_has_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another statement in a file of macros is an error."""
    monkeypatch.setattr(sqlfiles, "text", lambda name: "create table core.thing (a integer);")
    with pytest.raises(TranslationError, match=r"sql/macros/some\.sql has a statement that"):
        [*macros_of("macros/some")]
