"""Leaves out of an expanded query what its constants exclude.

A macro has a branch of a UNION ALL for each combination of its arguments, and DuckDB removes the
others when it plans a query. Where an argument is a constant of the SQL, this does it when the SQL
is generated: an engine plans a part of each CTE for each place that reads it, and plans of Spark
take seconds.

Only conditions are folded, and only by what is certain without types: whether a constant is null,
the branch of a CASE of a constant, and the logic of true and false.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp


def pruned(query: exp.Expr) -> exp.Expr:
    """The query without branches that have no rows, and without CTEs that nothing reads."""
    root = exp.Tuple(expressions=[query])
    for node in [*_post_order(query)]:
        made = _folded(node)
        if made is not node:
            node.replace(made)
    found: exp.Expr = root.expressions[0]
    found.pop()
    _leave_out_unread(found)
    return found


def _post_order(node: exp.Expr) -> Iterator[exp.Expr]:
    for child in node.iter_expressions():
        yield from _post_order(child)
    yield node


def _folded(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Is():
            return _is(node)
        case exp.Not():
            return _not(node)
        case exp.And():
            return _logic(node, dominant=False)
        case exp.Or():
            return _logic(node, dominant=True)
        case exp.EQ() | exp.NEQ():
            return _compared(node)
        case exp.Case():
            return _chosen(node)
        case exp.Coalesce():
            return _first(node)
        case exp.Where() if _is_boolean(node.this, True):
            node.pop()
        case exp.Union():
            return _with_rows(node)
        case exp.Paren() if isinstance(node.this, exp.Boolean | exp.Null | exp.Literal):
            return node.this.copy()
    return node


def _is_boolean(node: exp.Expr, value: bool) -> bool:
    return isinstance(node, exp.Boolean) and node.this is value


def _boolean(value: bool) -> exp.Boolean:
    return exp.Boolean(this=value)


def _is(node: exp.Is) -> exp.Expr:
    """`null is null`, `'daily' is null`."""
    if isinstance(node.expression, exp.Null):
        if isinstance(node.this, exp.Null):
            return _boolean(True)
        if isinstance(node.this, exp.Literal | exp.Boolean):
            return _boolean(False)
    return node


def _not(node: exp.Not) -> exp.Expr:
    return _boolean(not node.this.this) if isinstance(node.this, exp.Boolean) else node


def _logic(node: exp.And | exp.Or, *, dominant: bool) -> exp.Expr:
    """The side that decides, where the other one is true or false."""
    for side, other in ((node.this, node.expression), (node.expression, node.this)):
        if _is_boolean(side, dominant):
            return _boolean(dominant)
        if _is_boolean(side, not dominant):
            kept: exp.Expr = other.copy()
            return kept
    return node


def _compared(node: exp.EQ | exp.NEQ) -> exp.Expr:
    """Two texts of the SQL."""
    sides = (node.this, node.expression)
    if all(isinstance(side, exp.Literal) and side.is_string for side in sides):
        are_equal: bool = node.this.name == node.expression.name
        return _boolean(are_equal is isinstance(node, exp.EQ))
    return node


def _chosen(node: exp.Case) -> exp.Expr:
    """The branch of a CASE of a text of the SQL."""
    asked = node.this
    branches = node.args["ifs"]
    if not isinstance(asked, exp.Literal) or not asked.is_string:
        return node
    if not all(isinstance(branch.this, exp.Literal) for branch in branches):
        return node
    for branch in branches:
        if branch.this == asked:
            return _atom(branch.args["true"])
    default = node.args.get("default")
    return _atom(default) if default is not None else exp.null()


def _atom(node: exp.Expr) -> exp.Expr:
    return exp.paren(node.copy()) if isinstance(node, exp.Binary) else node.copy()


def _first(node: exp.Coalesce) -> exp.Expr:
    """`coalesce(null, data_through)`."""
    values = [value for value in (node.this, *node.expressions) if not isinstance(value, exp.Null)]
    if len(values) == 1 + len(node.expressions) or not values:
        return node
    if len(values) == 1:
        return _atom(values[0])
    return exp.Coalesce(this=values[0].copy(), expressions=[value.copy() for value in values[1:]])


def _with_rows(node: exp.Union) -> exp.Expr:
    """A UNION ALL without a side that has no rows; the first one gives the columns their names."""
    if node.args.get("distinct") or node.args.get("by_name"):
        return node
    left, right = node.this, node.expression
    if _is_empty(right):
        kept: exp.Expr = left.copy()
    elif _is_empty(left) and _names(left) == _names(right):
        kept = right.copy()
    else:
        return node
    for part in ("with_", "order", "limit", "offset"):
        if node.args.get(part):
            kept.set(part, node.args[part].copy())
    return kept


def _is_empty(side: exp.Expr) -> bool:
    if not isinstance(side, exp.Select) or not side.args.get("where"):
        return False
    has_one_row = not side.args.get("group") and any(
        item.find(exp.AggFunc) for item in side.expressions
    )
    return _is_boolean(side.args["where"].this, False) and not has_one_row


def _names(side: exp.Expr) -> list[str]:
    names = [item.alias_or_name for item in side.expressions]
    return ["*"] if names == ["*"] else names


def _leave_out_unread(query: exp.Expr) -> None:
    """Remove CTEs that nothing reads, and then those that only they read."""
    while True:
        read = {table.name for table in query.find_all(exp.Table) if not table.db}
        unread = [cte for cte in query.find_all(exp.CTE) if cte.alias not in read]
        if not unread:
            return
        for cte in unread:
            with_ = cte.parent
            cte.pop()
            if isinstance(with_, exp.With) and not with_.expressions:
                with_.pop()
