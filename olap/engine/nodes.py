"""What a query in Spark SQL may consist of: nodes of sqlglot, each with the parts it may have.

sqlglot writes every tree as some text, whether an engine takes it for the same or not. So a node
that no test has compared with DuckDB is refused here. Functions are refused by
`olap.engine.functions`.
"""

from __future__ import annotations

from sqlglot import exp

from olap.engine.functions import KNOWN
from olap.errors import TranslationError

HINT = "Write it as the other files do, or add a rule and its test to olap/engine."
_BINARY = ("this", "expression")
_NODES: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Add: _BINARY,
    exp.Alias: ("this", "alias"),
    exp.And: _BINARY,
    exp.BitwiseAnd: _BINARY,
    exp.BitwiseOr: _BINARY,
    exp.BitwiseXor: _BINARY,
    exp.Boolean: ("this",),
    exp.CTE: ("this", "alias"),
    exp.Column: ("this", "table"),
    exp.DataType: ("this", "expressions", "nested"),
    exp.DataTypeParam: ("this",),
    exp.Distinct: ("expressions",),
    exp.Div: _BINARY,
    exp.EQ: _BINARY,
    exp.Filter: _BINARY,
    exp.From: ("this",),
    exp.GT: _BINARY,
    exp.GTE: _BINARY,
    exp.Group: ("expressions",),
    exp.Having: ("this",),
    exp.Identifier: ("this", "quoted"),
    exp.IgnoreNulls: ("this",),
    exp.In: ("this", "expressions", "query"),
    exp.IntDiv: _BINARY,
    exp.Interval: ("this", "unit"),
    exp.Is: _BINARY,
    exp.Join: ("this", "kind", "side", "on"),
    exp.LT: _BINARY,
    exp.LTE: _BINARY,
    exp.Limit: ("expression",),
    exp.Literal: ("this", "is_string"),
    exp.Mod: _BINARY,
    exp.Mul: _BINARY,
    exp.NEQ: _BINARY,
    exp.Neg: ("this",),
    exp.Not: ("this",),
    exp.Null: (),
    exp.NullSafeEQ: _BINARY,
    exp.NullSafeNEQ: _BINARY,
    exp.Or: _BINARY,
    exp.Order: ("expressions",),
    exp.Ordered: ("this", "desc", "nulls_first"),
    exp.Paren: ("this",),
    exp.Placeholder: ("this",),
    exp.PropertyEQ: _BINARY,
    exp.Select: (
        *("with_", "distinct", "expressions", "from_", "joins", "where", "group", "having"),
        *("windows", "order", "limit"),
    ),
    exp.Star: (),
    exp.Sub: _BINARY,
    exp.Subquery: ("this", "alias"),
    exp.Table: ("this", "alias"),
    exp.TableAlias: ("this",),
    exp.Union: ("with_", "this", "expression", "distinct"),
    exp.Var: ("this",),
    exp.Where: ("this",),
    exp.Window: ("this", "partition_by", "order", "spec", "alias", "over"),
    exp.WindowSpec: ("kind", "start", "start_side", "end", "end_side"),
    exp.With: ("expressions",),
    exp.WithinGroup: _BINARY,
}
_JOINS = frozenset(
    {("INNER", ""), ("SEMI", ""), ("ANTI", ""), ("CROSS", ""), ("", "LEFT"), ("OUTER", "LEFT")}
)


def check(query: exp.Expr, file: str) -> None:
    """Refuse what no rule and no test knows.

    Raises:
        TranslationError: there is such a node, or a part of one.
    """
    for node in query.walk():
        if isinstance(node, exp.Anonymous):
            is_known = node.name.lower() in KNOWN
        elif isinstance(node, exp.Join) and _kind(node) not in _JOINS:
            is_known = False
        elif isinstance(node, exp.Func) and type(node) not in _NODES:
            is_known = True  # those of olap.engine.functions
        else:
            parts = {name for name, part in node.args.items() if part not in (None, [], False, "")}
            is_known = parts <= {*_NODES.get(type(node), ())} and type(node) in _NODES
        if not is_known:
            raise unknown(node, file)


def _kind(join: exp.Join) -> tuple[str, str]:
    return join.args.get("kind") or "", join.args.get("side") or ""


def unknown(node: exp.Expr, file: str) -> TranslationError:
    """The error about a node that no rule covers.

    Args:
        file: the file that has it, below `sql`.
    """
    return TranslationError(
        f"sql/{file} has what no rule writes as Spark SQL: {node.sql('duckdb')[:200]}", hint=HINT
    )
