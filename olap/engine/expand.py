"""Replaces the macros of `sql/macros` in a query by what they stand for.

Other engines have neither DuckDB's macros nor its `query_table`. A call becomes the body of the
macro with its arguments in the place of its parameters; a macro that a macro calls is replaced too.
Two rules of the SQL here make that exact: a parameter is never the name of a column, and what is
handed to a table macro is a constant, or the name of a CTE that the macro reads by `query_table`.

Names of CTEs are made different from each other, since the body of a macro stands where a CTE of
the same name may be visible.

Needs `sqlglot`, which only generating does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import duckdb
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from olap import sqlfiles
from olap.errors import TranslationError

_HEAD = re.compile(
    r"create or replace macro (?P<name>[a-z_0-9.]+)\((?P<parameters>.*?)\) as\b(?P<table> table\b)?"
    r"(?P<body>.*)",
    re.DOTALL,
)
# Macros of no row: a union has them to raise an error where a question is wrong.
_ERRORS = ("core.errors_of", "core.period_errors")
_HINT = "Write it as the other files do, or teach olap/engine/expand.py this construct."


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro.

    Attributes:
        name: with its schema.
        parameters: in their order, each with its default; None = it has none.
        types: the types of the parameters that declare one.
        body: a query, or the expression of a scalar macro.
        is_table: whether it stands in a FROM.
        file: below `sql`, for errors.
    """

    name: str
    parameters: Mapping[str, exp.Expr | None]
    types: Mapping[str, str]
    body: exp.Expr
    is_table: bool
    file: str


class Macros:
    """The macros of `sql/macros`, each expanded once.

    Raises:
        TranslationError: a file cannot be understood.
    """

    def __init__(self, files: Iterable[str] | None = None) -> None:
        names = sqlfiles.names("macros") if files is None else files
        self._macros = {macro.name: macro for name in names for macro in macros_of(name)}
        self._expanded: dict[str, exp.Expr] = {}
        self._count = 0

    def expand(self, query: exp.Expr, *, file: str) -> exp.Expr:
        """The query without a macro of ours, its CTEs numbered; changes the query.

        Args:
            file: names the query in errors.

        Raises:
            TranslationError: a call does not fit its macro.
        """
        tree = self._expand(_without_errors(query), frozenset(), file)
        # Its own CTEs too: no other has the same name when they get their last ones.
        self._rename_ctes(tree)
        return _renumbered(tree)

    def _expand(self, tree: exp.Expr, parameters: frozenset[str], file: str) -> exp.Expr:
        """The tree with every call replaced, inner ones first."""
        root = exp.Tuple(expressions=[tree])
        for node in [*_post_order(tree)]:
            name = _called(node)
            if name in self._macros:
                node.replace(self._body_for(node, name, parameters, file))
            elif name == "query_table" and isinstance(node, exp.Table):
                _read_cte(node, parameters, file)
        found: exp.Expr = root.expressions[0]
        found.pop()
        return found

    def _body_for(self, call: exp.Expr, name: str, outer: frozenset[str], file: str) -> exp.Expr:
        macro = self._macros[name]
        values = _values(macro, call, file)
        body = self._expanded_body(macro).copy()
        if macro.is_table or body.find(exp.Query):
            _check_constant(macro, values, outer, file)
        self._rename_ctes(body)
        body = _substituted(body, values)
        for node in [*body.find_all(exp.Table)]:
            if _called(node) == "query_table":
                _read_cte(node, outer, file)
        if not macro.is_table:
            return exp.Subquery(this=body) if isinstance(body, exp.Query) else exp.paren(body)
        alias = call.args.get("alias") or exp.TableAlias(this=exp.to_identifier(macro.name[5:]))
        subquery = exp.Subquery(this=body, alias=alias.copy())
        for part in ("joins", "laterals", "pivots", "sample"):
            if call.args.get(part):
                subquery.set(part, call.args[part])
        return subquery

    def _expanded_body(self, macro: Macro) -> exp.Expr:
        if macro.name not in self._expanded:
            tree = _without_errors(macro.body.copy())
            parameters = frozenset(macro.parameters)
            self._expanded[macro.name] = self._expand(tree, parameters, macro.file)
        return self._expanded[macro.name]

    def _rename_ctes(self, body: exp.Expr) -> None:
        """Give every CTE of a body a name that nothing has, and their readers an alias."""
        for cte in [*body.find_all(exp.CTE)]:
            self._count += 1
            _rename_cte(cte, f"{_base(cte)}__{self._count}")


def macros_of(name: str) -> Iterator[Macro]:
    """The macros of `sql/<name>.sql`.

    Raises:
        TranslationError: a macro cannot be understood.
    """
    file = f"{name}.sql"
    with duckdb.connect() as connection:
        texts = [s.query for s in connection.extract_statements(sqlfiles.text(name))]
    for text in texts:
        found = _HEAD.search(re.sub(r"--[^\n]*", "", text).strip().removesuffix(";"))
        if found is None:
            raise TranslationError(f"sql/{file} has a statement that is no macro", hint=_HINT)
        parameters: dict[str, exp.Expr | None] = {}
        types: dict[str, str] = {}
        for declared in filter(None, map(str.strip, found["parameters"].split(","))):
            head, _, default = (part.strip() for part in declared.partition(":="))
            named, _, type_ = head.partition(" ")
            parameters[named] = parse(default, file) if default else None
            if type_:
                types[named] = type_
        body = parse(found["body"].strip(), file)
        if not found["table"]:
            body = body.unnest()
            body = body.this if isinstance(body, exp.Subquery) and not body.alias else body
        yield Macro(found["name"], parameters, types, body, bool(found["table"]), file)


def parse(text: str, file: str) -> exp.Expr:
    """The tree of one statement or expression of DuckDB.

    Raises:
        TranslationError: sqlglot does not understand it.
    """
    try:
        return parse_one(text, read="duckdb")
    except SqlglotError as error:
        raise TranslationError(f"sql/{file}: sqlglot: {error}", hint=_HINT) from error


def _called(node: exp.Expr) -> str | None:
    """The name of the function or macro that a node calls; None if it is no call of one."""
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous):
        return f"{node.db}.{node.this.name}".lower().removeprefix(".")
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Anonymous):
        return f"{node.this.name}.{node.expression.name}".lower()
    return None


def _post_order(tree: exp.Expr) -> Iterator[exp.Expr]:
    for child in tree.iter_expressions():
        yield from _post_order(child)
    yield tree


def _values(macro: Macro, call: exp.Expr, file: str) -> dict[str, exp.Expr]:
    """The value of each parameter in a call."""
    function = call.this if macro.is_table else call.args["expression"]
    names, values = [*macro.parameters], dict(macro.parameters)
    for place, argument in enumerate(function.expressions):
        if isinstance(argument, exp.PropertyEQ):
            name, value = argument.this.name.lower(), argument.expression
        elif place < len(names):
            name, value = names[place], argument
        else:
            name, value = "", argument
        if name not in values:
            raise TranslationError(
                f"sql/{file} gives {macro.name} an argument that it does not have: "
                f"{argument.sql('duckdb')}",
                hint=_HINT,
            )
        values[name] = value
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise TranslationError(
            f"sql/{file} does not give {macro.name} its argument {missing[0]}", hint=_HINT
        )
    return {name: value for name, value in values.items() if value is not None}


def _check_constant(
    macro: Macro, values: Mapping[str, exp.Expr], outer: frozenset[str], file: str
) -> None:
    """Refuse a column as an argument of a macro with a query: it would be looked up inside."""
    read = {
        node.expressions[0].name
        for node in macro.body.find_all(exp.Anonymous)
        if node.name == "query_table"
    }
    for name, value in values.items():
        for column in value.find_all(exp.Column):
            # The name of a CTE: as an argument of its own, or handed on to another macro.
            if column is value and not column.table:
                continue
            if column.table or (column.name not in outer and name not in read):
                shown = value.sql("duckdb")
                raise TranslationError(
                    f"sql/{file} gives {macro.name}, which has a query, a column: {shown}",
                    hint=_HINT,
                )


def _substituted(body: exp.Expr, values: Mapping[str, exp.Expr]) -> exp.Expr:
    """The body with the values in the place of the parameters."""

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.name.lower() in values:
            value: exp.Expr = values[node.name.lower()].copy()
            is_atom = isinstance(
                value, exp.Literal | exp.Null | exp.Boolean | exp.Column | exp.Cast | exp.Paren
            )
            return value if is_atom else exp.paren(value)
        return node

    return body.transform(put)


def _read_cte(node: exp.Table, parameters: frozenset[str], file: str) -> None:
    """Make `query_table(sent)` the table `sent`, unless `sent` is a parameter yet to be given."""
    named = node.this.expressions[0]
    if not isinstance(named, exp.Column) or named.table:
        raise TranslationError(
            f"sql/{file} reads no CTE by its name: {node.sql('duckdb')}", hint=_HINT
        )
    if named.name not in parameters:
        node.set("this", exp.to_identifier(named.name))


def _without_errors(tree: exp.Expr) -> exp.Expr:
    """The tree without the parts of unions that only raise errors.

    Wrong questions are refused before an engine is asked (`olap.engine.questions`).
    """

    def drop(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Union):
            return node
        kept = [side for side in (node.this, node.expression) if not _raises(side)]
        if len(kept) == 2:
            return node
        left: exp.Expr = kept[0]
        is_first = isinstance(node.this, exp.Select) and left is node.expression
        if is_first and not node.args.get("by_name"):
            _name_as(left, node.this)
        for part in ("with_", "order", "limit", "offset"):
            if node.args.get(part):
                left.set(part, node.args[part])
        return left

    # Inner unions first.
    for node in [*_post_order(tree)]:
        replaced = drop(node)
        if replaced is not node:
            replaced.pop()
            if node is tree:
                tree = replaced
            else:
                node.replace(replaced)
    return tree


def _name_as(side: exp.Expr, first: exp.Select) -> None:
    """Give the columns of a side of a union the names of the first side, which is left out."""
    while isinstance(side, exp.Union):
        side = side.this
    named = [
        item if item.alias_or_name == name else exp.alias_(item.unalias(), name)
        for item, name in zip(side.expressions, first.named_selects, strict=True)
    ]
    side.set("expressions", named)


def _raises(side: exp.Expr) -> bool:
    source = side.args.get("from_")
    return isinstance(source, exp.From) and _called(source.this) in _ERRORS


def _base(cte: exp.CTE) -> str:
    return re.sub(r"__\d+$", "", cte.alias)


def _rename_cte(cte: exp.CTE, new: str) -> None:
    """Rename a CTE in the query that declares it; who reads it goes on to call it by its base."""
    old, base = cte.alias, _base(cte)
    declaring: exp.Expr | None = cte.parent.parent if cte.parent else None
    if declaring is None:
        return
    for table in declaring.find_all(exp.Table):
        if table.name == old and not table.db and isinstance(table.this, exp.Identifier):
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(base)))
            table.set("this", exp.to_identifier(new))
    cte.set("alias", exp.TableAlias(this=exp.to_identifier(new)))


def _renumbered(tree: exp.Expr) -> exp.Expr:
    """The tree with CTEs named after themselves: `sent`, `sent_2`, in their order."""
    seen: Counter[str] = Counter()
    for cte in [*tree.find_all(exp.CTE, bfs=False)]:
        base = _base(cte)
        seen[base] += 1
        _rename_cte(cte, base if seen[base] == 1 else f"{base}_{seen[base]}")
    return tree
