"""Bits of DuckDB as rules to Spark SQL: masks of quarter-hours, and sets of people.

A mask is a UBIGINT and becomes a BIGINT: it has 48 bits. A set (`sql/macros/sets.sql`) becomes an
array of integers. DuckDB has the same functions for both, so which column is a set follows from
where it is made (`_sets`).
"""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

from olap.engine.spark import cast, marked, not_covered, spark_call, where_any, wrapped
from olap.errors import TranslationError

_Node = TypeVar("_Node", bound=exp.Expr)
_IS_SET = "is_set"


def shift(node: exp.Expr) -> exp.Expr:
    """A shift by an INT: the functions of Spark take no BIGINT."""
    name = "shiftleft" if isinstance(node, exp.BitwiseLeftShift) else "shiftright"
    return spark_call(name, node.this, cast(node.expression, "int"))


def xor(node: exp.Expr) -> exp.Expr:
    """xor of two masks, in parentheses: `^` binds less than arithmetic."""
    made = marked(exp.BitwiseXor(this=wrapped(node.this), expression=wrapped(node.expression)))
    return exp.paren(made, copy=False)


def bitstring(node: exp.Expr) -> exp.Expr:
    """bitstring_agg: the set of the numbers, null where there is none."""
    value = node.expressions[0]
    return _set(where_any(exp.Count(this=value.copy()), spark_call("collect_set", value)))


def _set(node: _Node) -> _Node:
    node.meta[_IS_SET] = True
    return node


def _sets(root: exp.Expr) -> frozenset[str]:
    """The columns of a query that hold sets: those that are made of sets, by their names.

    Raises:
        TranslationError: a column of one name holds a set here and another value there.
    """
    aliases = list(root.find_all(exp.Alias))
    names: frozenset[str] = frozenset()
    while True:
        found = names | {alias.alias for alias in aliases if _is_set(alias.this, names)}
        if found == names:
            break
        names = found
    for alias in aliases:
        if alias.alias in names and not _is_set(alias.this, names | _no_value(alias)):
            raise TranslationError(
                f"The column {alias.alias} is a set of people in one place and a value in another",
                hint="Give them different names, by which Spark SQL can tell them apart.",
            )
    return names


def _no_value(alias: exp.Alias) -> frozenset[str]:
    return frozenset({alias.alias}) if isinstance(alias.this, exp.Column) else frozenset()


def _is_set(node: exp.Expr, names: frozenset[str]) -> bool:
    if node.meta.get(_IS_SET):
        return True
    if isinstance(node, exp.Column):
        return node.name in names
    if isinstance(node, exp.BitwiseAnd):
        return _is_set(node.this, names) and _is_set(node.expression, names)
    if isinstance(node, (exp.BitwiseOrAgg, exp.Paren, exp.Window)):
        return _is_set(node.this, names)
    return isinstance(node, exp.Anonymous) and node.name.lower() == "bitstring_agg"


def bitwise_and(node: exp.Expr) -> exp.Expr:
    """The numbers in two sets, or the bits in two masks."""
    names = _sets(node.root())
    both = [_is_set(side, names) for side in (node.this, node.expression)]
    if all(both):
        return _set(spark_call("array_intersect", node.this, node.expression))
    if any(both):
        raise not_covered(node)
    return node


def bitwise_or(node: exp.Expr) -> exp.Expr:
    """The bits of two masks; of two sets there is no rule."""
    if any(_is_set(side, _sets(node.root())) for side in (node.this, node.expression)):
        raise not_covered(node)
    return node


def count_bits(node: exp.Expr) -> exp.Expr:
    """bit_count: how many bits a mask has, or how many people a set."""
    (value,) = node.expressions
    if _is_set(value, _sets(node.root())):
        return spark_call("array_size", value)
    return marked(node)


def union(node: exp.Expr) -> exp.Expr:
    """bit_or as an aggregate: of masks, or of sets; `window` has the one over a window."""
    if isinstance(node.parent, exp.Window) or not _is_set(node.this, _sets(node.root())):
        return node
    if isinstance(node.parent, exp.Filter):
        raise not_covered(node.parent)
    joined = spark_call(
        "array_distinct", spark_call("flatten", spark_call("collect_list", node.this))
    )
    return _set(where_any(exp.Count(this=node.this.copy()), joined))


def window(node: exp.Expr) -> exp.Expr:
    """bit_or of sets over a window. collect_list of Sail keeps nulls there."""
    union = node.this
    if not isinstance(union, exp.BitwiseOrAgg) or not _is_set(union.this, _sets(node.root())):
        return node
    nothing = cast(exp.array(), "array<int>")
    lists = spark_call("collect_list", exp.Coalesce(this=union.this.copy(), expressions=[nothing]))
    counts, collects = node.copy(), node.copy()
    counts.set("this", exp.Count(this=union.this.copy()))
    collects.set("this", lists)
    joined = spark_call("array_distinct", spark_call("flatten", marked(collects)))
    return _set(where_any(marked(counts), joined))


def get_bit(node: exp.Expr) -> exp.Expr:
    """get_bit: 1 if somebody is in a set, else 0."""
    return cast(spark_call("array_contains", node.this, node.expression), "int")
