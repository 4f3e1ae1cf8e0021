"""Facts and rollups as Spark SQL: each whole table as one SELECT.

The files of `sql/facts/keyed` and `sql/rollups` stay the one definition. One of a fact holds one
query. A file of `sql/rollups` derives parts of its rollup again: it deletes them and
inserts what a query finds. Here all parts are stale and nothing was there before, so that

* the conditions on what is asked for (`$days`, `$since`, `$until`) are left out;
* a join with the stale parts (`temp.stale_…`) keeps every row that has a part;
* a table that earlier statements fill is the query that fills it (`temp.counted_receipts`);
* of people all activity is looked at, which is what the first statement of `user_firsts` finds.

The order of the rows is the business of the code that stores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb
from sqlglot import exp

from olap import sqlfiles
from olap.engine.dialect import Columns, columns_of, spark_sql
from olap.engine.expand import parse
from olap.errors import TranslationError
from olap.tables import FACTS, ROLLUPS, Rollup

_HINT = "Write it as the other files do, or teach olap/engine/tables.py this construct."
# The statement that derives a rollup as if nothing of it was known, where it is not the INSERT.
_WHOLE = {"user_firsts": "found_firsts"}
# Files whose statements make the temporary tables that a rollup is made of.
_FILLED_BY = {"read_days": ("rollups/reads/of_days", "rollups/reads/own")}
_KEYED = "keyed_"
_STALE = "stale_"
_CASTS = {"INTEGER": "int", "BIGINT": "bigint", "UBIGINT": "bigint"}


def facts(tables: Columns) -> dict[str, str]:
    """The query of each fact, from the rows of its lake files (`lake_…`).

    Args:
        tables: the columns of every table of `core`.

    Raises:
        TranslationError: a file has a construct that no rule covers.
    """
    found = {}
    for fact in FACTS:
        name = f"facts/keyed/{fact.name}"
        query = _filling(name)[f"temp.{_KEYED}{fact.name}"]
        for table in [*query.find_all(exp.Table)]:
            if isinstance(table.this, exp.ReadParquet):
                table.replace(exp.to_table(f"lake_{fact.name}", alias=table.alias))
        found[name] = spark_sql(query, tables, file=f"{name}.sql")
    return found


def rollups(tables: Columns, types: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The query of each rollup, with its columns in their order; errors as those of `facts`.

    Args:
        tables: as that of `facts`.
        types: the type of each of these columns, of DuckDB.
    """
    return {
        f"rollups/{rollup.name}": _rollup(rollup, tables, types[rollup.name]) for rollup in ROLLUPS
    }


def _rollup(rollup: Rollup, tables: Columns, types: Mapping[str, str]) -> str:
    name = f"rollups/{rollup.name}"
    made: dict[str, exp.Query] = {}
    for file in (*_FILLED_BY.get(rollup.name, ()), name):
        made |= _filling(file)
    target = f"temp.{_WHOLE[rollup.name]}" if rollup.name in _WHOLE else f"core.{rollup.name}"
    query = made[target]
    query.set("order", None)
    query = _with_filled(query, made, f"{name}.sql")
    _leave_out_stale(query, f"{name}.sql")
    _leave_out_asked(query, f"{name}.sql")
    columns = columns_of(query, tables, f"{name}.sql")
    if set(columns) != set(types):
        raise TranslationError(f"sql/{name}.sql does not insert every column", hint=_HINT)
    whole = exp.select(*(_typed(column, type_) for column, type_ in types.items()))
    return spark_sql(_above_ctes(whole, query, rollup.name), tables, file=f"{name}.sql")


def _typed(column: str, type_: str) -> exp.Expr:
    of_rollup = exp.column(column)
    if type_ not in _CASTS:
        return of_rollup
    return exp.alias_(exp.cast(of_rollup, _CASTS[type_]), column)


def _above_ctes(whole: exp.Select, query: exp.Query, name: str) -> exp.Select:
    """A query of a query, the CTEs of which come first."""
    with_ = query.args.get("with_")
    query.set("with_", None)
    found = whole.from_(query.subquery(f"every_{name}"))
    found.set("with_", with_)
    return found


def _filling(name: str) -> dict[str, exp.Query]:
    """The query that fills each table or view of a file, the last one of several, by its name."""
    found: dict[str, exp.Query] = {}
    with duckdb.connect() as connection:
        statements = connection.extract_statements(sqlfiles.text(name))
    for statement in statements:
        tree = parse(statement.query, f"{name}.sql")
        query = tree.args.get("expression")
        if isinstance(tree, exp.Create | exp.Insert) and isinstance(query, exp.Query):
            if tree.args.get("with_"):
                query.set("with_", tree.args["with_"])
            target = tree.find(exp.Table)
            assert target is not None
            found[f"{target.db}.{target.name}"] = query
    return found


def _with_filled(query: exp.Query, made: Mapping[str, exp.Query], file: str) -> exp.Query:
    """The query with keyed facts as facts, and filled tables as CTEs of the same name."""
    filled: dict[str, exp.Query] = {}
    _read_filled(query, made, filled, file)
    ctes = [
        exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name)))
        for name, body in filled.items()
    ]
    if ctes:
        query.set("with_", exp.With(expressions=[*ctes, *query.ctes]))
    return query


def _read_filled(
    query: exp.Query, made: Mapping[str, exp.Query], filled: dict[str, exp.Query], file: str
) -> None:
    """Find what a query reads of temporary tables; what a filled one reads comes before it."""
    for table in [*query.find_all(exp.Table)]:
        name = table.name
        if table.db != "temp" or name.startswith(_STALE):
            continue
        if name.startswith(_KEYED):
            table.set("db", exp.to_identifier("core"))
            table.set("this", exp.to_identifier(f"fact_{name.removeprefix(_KEYED)}"))
        elif (body := made.get(f"temp.{name}")) is not None:
            table.set("db", None)
            if name not in filled:
                _read_filled(body, made, filled, file)
                filled[name] = body
        else:
            raise TranslationError(f"sql/{file} reads {table.sql()}", hint=_HINT)


def _leave_out_stale(query: exp.Query, file: str) -> None:
    """Keep every row that has a part, where those of stale parts are asked for."""
    names = set()
    for cte in [*query.find_all(exp.CTE)]:
        if any(_is_stale(table) for table in cte.find_all(exp.Table)):
            names.add(cte.alias)
            cte.pop()
    for join in [*query.find_all(exp.Join)]:
        if join.this.name not in names and not _is_stale(join.this):
            continue
        select = join.parent
        if join.args.get("kind") != "SEMI" or not isinstance(select, exp.Select):
            raise TranslationError(f"sql/{file} has {join.sql('duckdb')}", hint=_HINT)
        for part in _conjuncts(join.args["on"]):
            if isinstance(part, exp.EQ):
                select.where(part.this.copy().is_(exp.null()).not_(), copy=False)
            elif not isinstance(part, exp.NullSafeEQ):
                raise TranslationError(f"sql/{file} has {join.sql('duckdb')}", hint=_HINT)
        join.pop()


def _is_stale(table: exp.Expr) -> bool:
    return isinstance(table, exp.Table) and table.db == "temp" and table.name.startswith(_STALE)


def _leave_out_asked(query: exp.Query, file: str) -> None:
    """Leave out the conditions that tell what is asked for."""
    for where in [*query.find_all(exp.Where)]:
        parts = [*_conjuncts(where.this)]
        kept = [part for part in parts if not part.find(exp.Placeholder)]
        if any(isinstance(part.unnest(), exp.Or) for part in parts if part not in kept):
            raise TranslationError(f"sql/{file} has {where.sql('duckdb')}", hint=_HINT)
        if kept:
            where.set("this", exp.and_(*kept, copy=False))
        else:
            where.pop()


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(condition, exp.And):
        yield from condition.flatten()
    else:
        yield condition
