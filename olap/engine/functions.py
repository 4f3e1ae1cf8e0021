"""Functions, operators, types and casts of DuckDB in Spark SQL, as rules on trees of sqlglot.

`function_rules` rewrites a node whose children have been rewritten already, and `translated` all
nodes of a query. They leave alone what sqlglot writes correctly by itself (`_SAME`), rewrite what
it does not, and raise `TranslationError` for everything else: a function that nobody compared by
value does not reach an engine. `tests/scale/test_functions.py` compares each with DuckDB.

HUGEINT becomes DECIMAL(38, 0), and `//` becomes `div`: both round toward 0. A sum of integers is a
HUGEINT in DuckDB and a BIGINT here: 9.2e18 at most. Spark refuses a larger one; Sail 0.7 does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types

from olap.engine import bits, times
from olap.engine.spark import IS_SPARK, KNOWN, cast, not_covered, spark_call, where_any

__all__ = ["KNOWN", "function_rules", "translated"]

_TYPES = {
    exp.DataType.Type.BIGINT: "bigint",
    exp.DataType.Type.BOOLEAN: "boolean",
    exp.DataType.Type.DATE: "date",
    exp.DataType.Type.DOUBLE: "double",
    exp.DataType.Type.INT: "int",
    exp.DataType.Type.INT128: "decimal(38, 0)",
    exp.DataType.Type.SMALLINT: "int",
    exp.DataType.Type.TEXT: "text",
    exp.DataType.Type.TIMESTAMP: "timestamptz",
    exp.DataType.Type.TIMESTAMPNTZ: "timestamptz",
    exp.DataType.Type.TIMESTAMPTZ: "timestamptz",
    exp.DataType.Type.TINYINT: "int",
    exp.DataType.Type.UBIGINT: "bigint",
    exp.DataType.Type.UINT: "bigint",
    exp.DataType.Type.USMALLINT: "int",
    exp.DataType.Type.UTINYINT: "int",
}
# What sqlglot writes so that Spark and Sail give what DuckDB gives.
_SAME = (
    exp.Add,
    exp.And,
    exp.AnyValue,
    exp.Array,
    exp.Between,
    exp.Cast,
    exp.Coalesce,
    exp.Count,
    exp.Div,
    exp.Dot,
    exp.EQ,
    exp.Exists,
    exp.Explode,
    exp.FirstValue,
    exp.GT,
    exp.GTE,
    exp.Greatest,
    exp.Hour,
    exp.If,
    exp.IntDiv,
    exp.Is,
    exp.LT,
    exp.LTE,
    exp.Lag,
    exp.Lead,
    exp.Least,
    exp.LogicalOr,
    exp.Max,
    exp.Min,
    exp.Minute,
    exp.Mod,
    exp.Mul,
    exp.NEQ,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.Nullif,
    exp.Or,
    exp.PropertyEQ,
    exp.RowNumber,
    exp.Struct,
    exp.Sub,
    exp.Sum,
)


def translated(query: exp.Expr) -> exp.Expr:
    """A query with the rules applied to every node, children first; changes the query.

    Raises:
        TranslationError: for a function, an operator or a type that no rule covers.
    """
    root = exp.Tuple(expressions=[query])
    for node in [*_post_order(query)]:
        made = function_rules(node)
        if made is not node:
            node.replace(made)
    found: exp.Expr = root.expressions[0]
    found.pop()
    return found


def _post_order(node: exp.Expr) -> Iterator[exp.Expr]:
    for child in node.iter_expressions():
        yield from _post_order(child)
    yield node


def function_rules(node: exp.Expr) -> exp.Expr:
    """A node in Spark SQL, whose children are translated; the node itself if nothing changes.

    Raises:
        TranslationError: for a function, an operator or a type that no rule covers.
    """
    if node.meta.get(IS_SPARK):
        return node
    if isinstance(node, exp.Anonymous):
        rule = _NAMED.get(node.name.lower())
    else:
        rule = _RULES.get(type(node))
    if rule is not None:
        return rule(node)
    if isinstance(node, (exp.Func, exp.Binary)) and not isinstance(node, _SAME):
        raise not_covered(node)
    return node


def _type(node: exp.Expr) -> exp.Expr:
    assert isinstance(node, exp.DataType)
    if node.this in (exp.DataType.Type.DECIMAL, exp.DataType.Type.ARRAY) and node.expressions:
        return node
    name = _TYPES.get(node.this)
    if name is None:
        raise not_covered(node)
    return exp.DataType.build(name)


def _element(node: exp.Expr) -> exp.Expr:
    """An element of a list, null where it has none.

    sqlglot has made the index count from 0, as `get` does, if it knows that it is a whole number.
    """
    (index,) = node.expressions
    if not annotate_types(index.copy(), dialect="duckdb").is_type(*exp.DataType.INTEGER_TYPES):
        raise not_covered(node)
    return spark_call("get", node.this, index)


def _quantile(node: exp.Expr) -> exp.Expr:
    """The discrete quantiles of whole numbers."""
    asked = node.expression
    if isinstance(asked, exp.Array):
        found = exp.array(*(_one_quantile(node.this, share) for share in asked.expressions))
        return where_any(exp.Count(this=node.this.copy()), found)
    return _one_quantile(node.this, asked)


def _one_quantile(value: exp.Expr, share: exp.Expr) -> exp.Expr:
    if not isinstance(share, exp.Literal):
        raise not_covered(share)
    found = exp.WithinGroup(
        this=spark_call("percentile_disc", share),
        expression=exp.Order(expressions=[exp.Ordered(this=value.copy(), nulls_first=True)]),
    )
    return cast(found, "bigint")


def _error(node: exp.Expr) -> exp.Expr:
    return spark_call("raise_error", *node.expressions)


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.BitwiseAnd: bits.bitwise_and,
    exp.BitwiseLeftShift: bits.shift,
    exp.BitwiseOr: bits.bitwise_or,
    exp.BitwiseOrAgg: bits.union,
    exp.BitwiseRightShift: bits.shift,
    exp.BitwiseXor: bits.xor,
    exp.Bracket: _element,
    exp.Case: times.case,
    exp.DataType: _type,
    exp.DateBin: times.bucket,
    exp.DateDiff: times.difference,
    exp.DayOfWeekIso: times.weekday,
    exp.GenerateSeries: times.series,
    exp.Getbit: bits.get_bit,
    exp.Interval: times.interval,
    exp.PercentileDisc: _quantile,
    exp.TimestampTrunc: times.truncated,
    exp.ToDays: times.days,
    exp.Window: bits.window,
}
_NAMED: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "bit_count": bits.count_bits,
    "bitstring_agg": bits.bitstring,
    "epoch_us": times.epoch,
    "error": _error,
    "to_minutes": times.minutes,
}
