"""Generated SQL has no branch that its constants exclude, and keeps every other one."""

from __future__ import annotations

import duckdb
import pytest
from sqlglot import exp, parse_one

from olap.engine.prune import pruned

_GIVEN = (
    "create table given as select * from (values (1, 'a'), (2, null), (2, 'b')) as given (n, w)"
)

LEFT_OUT = (
    ("select n from given where null is null and n > 1", "select n from given where n > 1"),
    ("select n from given where not 'daily' is null", "select n from given"),
    ("select n from given where n > 1 or (null is null and 'a' = 'a')", "select n from given"),
    ("select n from given union all select n from given where 'a' <> 'a'", "select n from given"),
    (
        "select n from given where (false) union all select n from given as scoped where true",
        "select n from given as scoped",
    ),
    ("select case 'weekly' when 'monthly' then 64 when 'weekly' then 16 else 4 end", "select 16"),
    ("select coalesce(null, n) from given", "select n from given"),
    (
        "with a as (select n from given), b as (select n from a) select n from given"
        " union all select n from b where null is not null",
        "select n from given",
    ),
)
KEPT = (
    "select count(*) as n from given where false union all select n from given",
    "select n from given where w = 'a' and null",
    "select n from given where not (w = 'a' or null)",
    "select n from given where false union select n from given",
    "select n as m from given where false union all select n from given",
    "with a as (select n from given) select n from a where n in (select n from a)",
    "select case w when 'a' then 1 end from given",
    "select coalesce(w, 'c') from given",
)


@pytest.mark.parametrize(("query", "expected"), LEFT_OUT)
def test_what_constants_exclude(query: str, expected: str) -> None:
    """Conditions of constants, branches without rows and CTEs without readers are left out."""
    assert _pruned(query) == parse_one(expected, read="duckdb").sql("duckdb")


@pytest.mark.parametrize("query", [*KEPT, *(query for query, _ in LEFT_OUT)])
def test_the_answer_stays(query: str) -> None:
    """A query has the same rows as before."""
    with duckdb.connect() as connection:
        connection.execute(_GIVEN)
        before = sorted(map(repr, connection.execute(query).fetchall()))
        assert sorted(map(repr, connection.execute(_pruned(query)).fetchall())) == before


def _pruned(query: str) -> str:
    tree = parse_one(query, read="duckdb")
    assert isinstance(tree, exp.Expr)
    return pruned(tree).sql("duckdb")
