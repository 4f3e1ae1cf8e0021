"""Parts of Spark SQL as trees of sqlglot, for the rules that make them."""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

from olap.errors import TranslationError

# The functions of Spark that the rules call by their names.
KNOWN = frozenset(
    {
        "array_contains",
        "array_distinct",
        "array_intersect",
        "array_size",
        "bit_count",
        "collect_list",
        "collect_set",
        "date_sub",
        "day",
        "dayofweek",
        "flatten",
        "get",
        "make_dt_interval",
        "make_interval",
        "percentile_disc",
        "raise_error",
        "sequence",
        "shiftleft",
        "shiftright",
        "timestamp_micros",
        "unix_micros",
    }
)
_Node = TypeVar("_Node", bound=exp.Expr)
# Of a node that is Spark SQL already.
IS_SPARK = "is_spark"


def not_covered(node: exp.Expr) -> TranslationError:
    """The error that no rule translates a node."""
    return TranslationError(
        f"No rule translates {node.sql('duckdb')[:200]} to Spark SQL",
        hint="Write a rule in olap/engine/functions.py and its comparison in tests/scale.",
    )


def spark_call(name: str, *arguments: exp.Expr | int) -> exp.Anonymous:
    """A call of a function of Spark; its arguments are copied."""
    made = exp.Anonymous(
        this=name,
        expressions=[
            exp.Literal.number(argument) if isinstance(argument, int) else argument.copy()
            for argument in arguments
        ],
    )
    made.meta[IS_SPARK] = True
    return made


def marked(node: _Node) -> _Node:
    """A node that the rules leave alone from now on."""
    node.meta[IS_SPARK] = True
    return node


def wrapped(node: exp.Expr) -> exp.Expr:
    """A copy that can be a side of any operator."""
    return exp.paren(node.copy()) if isinstance(node, exp.Binary) else node.copy()


def cast(node: exp.Expr, to: str) -> exp.Cast:
    """A copy of a node as a value of a type, by sqlglot's name of it."""
    return exp.Cast(this=node.copy(), to=exp.DataType.build(to))


def where_any(amount: exp.Expr, then: exp.Expr) -> exp.Case:
    """The value where the amount is above 0, and null elsewhere."""
    return exp.Case(
        ifs=[exp.If(this=exp.GT(this=amount, expression=exp.Literal.number(0)), true=then)]
    )
