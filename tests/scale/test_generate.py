"""`sql/spark` is what the DuckDB files say, and what no rule covers is refused."""

from __future__ import annotations

import pytest

from olap.catalog import metrics
from olap.engine import generate
from olap.engine.dialect import spark_sql
from olap.engine.expand import Macros, parse
from olap.errors import TranslationError


def spark(query: str) -> str:
    """A query of DuckDB as Spark SQL, on one line."""
    tree = Macros().expand(parse(query, "thing.sql"), file="thing.sql")
    return " ".join(spark_sql(tree, generate.core_columns(), file="thing.sql").split())


def test_the_files_are_not_stale() -> None:
    """`make catalog` would change nothing in sql/spark."""
    folder = generate.FOLDER
    found = {str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("*.sql")}
    assert found == generate.files()


def test_every_metric_has_a_file() -> None:
    """Each version of each metric is among the generated files."""
    files = generate.files()
    assert {f"metrics/{metric.macro}.sql" for metric in metrics()} <= set(files)


@pytest.mark.parametrize(
    "query",
    [
        "select * from core.dim_users positional join core.dim_conversations",
        "select soundex(username) from core.dim_users",
        "select username from core.dim_users asof left join core.user_firsts"
        " on dim_users.created_at >= user_firsts.first_at",
        "select * replace (1 as user_key) from core.dim_users",
        "select * from core.dim_users using sample 10",
        "select user_key from core.dim_users qualify row_number() over () = 1",
        "select user_key from core.dim_users, lateral (select 1) as one",
        "select core.unheard_of(user_key) from core.dim_users",
        "pivot core.dim_users on is_bot using count(*)",
    ],
)
def test_what_no_rule_covers_is_refused(query: str) -> None:
    """A construct that nobody has compared is an error that names the file."""
    with pytest.raises(TranslationError, match=r"sql/thing\.sql"):
        spark(query)
