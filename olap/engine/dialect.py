"""Writes a query of DuckDB as Spark SQL.

The query has no macros any more (`olap.engine.expand`). What differs in structure is a rule here,
what differs in functions and types is one of `olap.engine.functions`, and sqlglot writes the rest.
A construct that nobody has looked at is refused: the tree may consist of the nodes and functions
that are listed here, each of which a test compares with DuckDB.

What is constant in a question or in a generation is a named parameter marker, `:since`; it is cast
to its type, since a null has none. Ids are compared as text, so that one text of SQL serves
messengers with numbers, UUIDs and texts as ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import ErrorLevel, exp
from sqlglot.errors import UnsupportedError

from olap.engine.functions import translated
from olap.engine.nodes import HINT, check, unknown
from olap.engine.prune import pruned
from olap.errors import TranslationError

Columns = Mapping[str, tuple[str, ...]]

_IDS = ("for_user", "for_conversation", "visible_to")
# By the name of a parameter whose default is null.
_TYPES = {"for_type": "text", "include_system": "boolean"}
# By the name of a column that is null in a side of a union: Sail adds up no column without a type.
_NULLS = {
    **dict.fromkeys(("cohort", "message_created_at"), "timestamp"),
    **dict.fromkeys(("conversation_type",), "text"),
    **dict.fromkeys(("is_answered",), "boolean"),
    **dict.fromkeys(("answered_count", "message_count", "own_read_count"), "bigint"),
    **dict.fromkeys(("pause_count", "read_count", "soon_count"), "bigint"),
    **dict.fromkeys(("half_seconds", "nine_tenths_seconds"), "bigint"),
}
_WHY_NOT = "why_not_available"
# Names that a parser of Spark SQL takes for a keyword.
_RESERVED = frozenset({"within"})
# The largest LIMIT: that of a question without one.
_NO_LIMIT = 2**31 - 1


def marked(tree: exp.Expr, parameters: Mapping[str, str], *, file: str) -> exp.Expr:
    """The tree with a marker of its type in the place of each parameter.

    Args:
        parameters: the type of each, of DuckDB; see `types_of`.
    """

    def put(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and not node.table and node.name in parameters:
            return _marker(node.name, parameters[node.name])
        return node

    return tree.transform(put)


def types_of(
    parameters: Mapping[str, exp.Expr | None], declared: Mapping[str, str], *, file: str
) -> dict[str, str]:
    """The type of each parameter of a metric, by its declaration, its default or its name.

    Raises:
        TranslationError: nothing tells it.
    """
    found = {}
    for name, default in parameters.items():
        if name in declared:
            found[name] = declared[name]
        elif name in _IDS:
            found[name] = "text"
        elif isinstance(default, exp.Boolean):
            found[name] = "boolean"
        elif isinstance(default, exp.Literal):
            found[name] = "text" if default.is_string else "integer"
        elif name in _TYPES:
            found[name] = _TYPES[name]
        else:
            raise TranslationError(
                f"sql/{file}: the type of the parameter {name} is unknown",
                hint="Declare it in the macro, or add its name to olap/engine/dialect.py.",
            )
    return found


def spark_sql(tree: exp.Expr, tables: Columns, *, file: str) -> str:
    """The text of a query in Spark SQL; changes the tree.

    Args:
        tree: of DuckDB, without macros, with markers for parameters.
        tables: the columns of every table of `core`, by its name without the schema.
        file: names the query in errors, below `sql`.

    Raises:
        TranslationError: no rule covers a construct of the query.
    """
    query = _constants(tree)
    for rule in (
        _expand_stars,
        _group_by_all,
        _align_unions,
        _type_nulls,
        _name_sources,
        _filter_by_join,
        _nearest_before,
    ):
        query = rule(query, tables, file)
    query = pruned(query).transform(_structure)
    try:
        query = translated(query)
    except TranslationError as error:
        raise TranslationError(f"sql/{file}: {error}", hint=error.hint) from error
    check(query, file)
    try:
        return query.sql("spark", pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise TranslationError(f"sql/{file}: {error}", hint=HINT) from error


def _marker(name: str, type_: str) -> exp.Cast:
    return exp.Cast(this=exp.Placeholder(this=name), to=exp.DataType.build(type_, dialect="duckdb"))


def _constants(tree: exp.Expr) -> exp.Expr:
    """Markers in the place of the macros that a publication makes."""

    def put(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Dot) or not isinstance(node.expression, exp.Anonymous):
            return node
        name = node.expression.name.lower()
        if name in ("data_from", "data_through"):
            return _marker(name, "timestamp")
        if name == _WHY_NOT:
            return _marker(f"{_WHY_NOT}_{node.expression.expressions[0].name}", "text")
        return node

    return tree.transform(put)


def _expand_stars(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """`found.* exclude (a)` as the names of the columns; Sail has no such star."""
    for select in [*query.find_all(exp.Select)]:
        if any(item.is_star and _is_more_than_all(item) for item in select.expressions):
            found = [
                part for item in select.expressions for part in _star(item, select, tables, file)
            ]
            select.set("expressions", found)
    return query


def _is_more_than_all(item: exp.Expr) -> bool:
    star = item.this if isinstance(item, exp.Column) else item
    return any(star.args.values())


def _excluded(item: exp.Expr) -> list[str]:
    star = item.this if isinstance(item, exp.Column) else item
    if not isinstance(star, exp.Star):
        return []
    return [column.name for column in star.args.get("except_") or ()]


def _star(item: exp.Expr, select: exp.Select, tables: Columns, file: str) -> Iterator[exp.Expr]:
    if not item.is_star:
        yield item
        return
    star = item.this if isinstance(item, exp.Column) else item
    if star.args.get("replace") or star.args.get("rename"):
        raise unknown(item, file)
    of = item.table if isinstance(item, exp.Column) else ""
    for source in _sources(select):
        if of in ("", source.alias_or_name):
            for name in _columns_of_source(source, tables, file):
                if name not in _excluded(item):
                    yield exp.column(name, table=source.alias_or_name)


def _sources(select: exp.Select) -> list[exp.Expr]:
    begin = select.args.get("from_")
    joined = [
        join.this
        for join in select.args.get("joins") or ()
        if join.args.get("kind") not in ("SEMI", "ANTI")
    ]
    return [*([begin.this] if begin else []), *joined]


def columns_of(query: exp.Expr, tables: Columns, file: str) -> tuple[str, ...]:
    """The names of the columns of a query.

    Raises:
        TranslationError: they cannot be told.
    """
    while isinstance(query, exp.Union | exp.Subquery):
        query = query.this
    if not isinstance(query, exp.Select):
        raise unknown(query, file)
    found = []
    for item in query.expressions:
        if item.is_star:
            found += [part.name for part in _star(item, query, tables, file)]
        elif item.alias_or_name:
            found.append(item.alias_or_name)
        else:
            raise unknown(item, file)
    return tuple(found)


def _columns_of_source(source: exp.Expr, tables: Columns, file: str) -> tuple[str, ...]:
    if isinstance(source, exp.Subquery):
        return columns_of(source.this, tables, file)
    if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
        if source.db == "core" and source.name in tables:
            return tables[source.name]
        node: exp.Expr | None = source.parent
        while node is not None:
            for cte in node.ctes if isinstance(node, exp.Query) else ():
                if cte.alias == source.name:
                    return columns_of(cte.this, tables, file)
            node = node.parent
    raise unknown(source, file)


def _group_by_all(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """`group by all` as what is grouped by."""
    for select in [*query.find_all(exp.Select)]:
        group = select.args.get("group")
        if group and group.args.get("all"):
            plain = [item for item in select.expressions if not item.find(exp.AggFunc)]
            if any(item.is_star for item in plain):
                plain = [part for item in plain for part in _star(item, select, tables, file)]
            select.set("group", exp.Group(expressions=[item.unalias().copy() for item in plain]))
    return query


def _align_unions(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """`union all by name` by place: each side has every column, null where it has none."""
    for union in [*query.find_all(exp.Union)]:
        if not union.args.get("by_name"):
            continue
        sides = [*_sides(union)]
        names = [*dict.fromkeys(name for side in sides for name in columns_of(side, tables, file))]
        for side in sides:
            if not isinstance(side, exp.Select):
                raise unknown(side, file)
            parts = [part for item in side.expressions for part in _star(item, side, tables, file)]
            own = {part.alias_or_name: part for part in parts}
            side.set("expressions", [own.get(name, exp.alias_(exp.null(), name)) for name in names])
        for part in union.find_all(exp.Union):
            part.set("by_name", False)
    return query


def _sides(union: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(union, exp.Union):
        yield from _sides(union.this)
        yield from _sides(union.expression)
    else:
        yield union


def _type_nulls(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """`null as read_count` with its type."""
    for alias in [*query.find_all(exp.Alias)]:
        if isinstance(alias.this, exp.Null):
            if alias.alias not in _NULLS:
                raise unknown(alias, file)
            alias.set("this", exp.cast(exp.null(), _NULLS[alias.alias]))
    return query


def _name_sources(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """`having sum(cohort_size)` with the table: a column of the SELECT may have the same name."""
    for having in [*query.find_all(exp.Having)]:
        sources = _sources(having.parent) if isinstance(having.parent, exp.Select) else []
        for column in [c for f in having.find_all(exp.AggFunc) for c in f.find_all(exp.Column)]:
            if not column.table and len(sources) == 1:
                column.set("table", exp.to_identifier(sources[0].alias_or_name))
    return query


def _filter_by_join(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """`count(*) filter (where a in (select …))` as a join; Sail has no query in a FILTER."""
    for number, found in enumerate([*query.find_all(exp.In)], 1):
        asked, select = found.args.get("query"), found.find_ancestor(exp.Select)
        if asked is None or select is None or not isinstance(found.parent, exp.Where):
            continue
        if not isinstance(found.parent.parent, exp.Filter):
            continue
        (name,) = columns_of(asked, tables, file)
        alias = f"matched_{number}"
        rows = exp.select(name).distinct().from_(asked.this.subquery("matched"))
        match = exp.EQ(this=found.this.copy(), expression=exp.column(name, table=alias))
        select.append("joins", exp.Join(this=rows.subquery(alias), side="LEFT", on=match))
        is_null = exp.Is(this=exp.column(name, table=alias), expression=exp.null())
        found.replace(exp.Not(this=is_null))
    return query


def _nearest_before(query: exp.Expr, tables: Columns, file: str) -> exp.Expr:
    """An ASOF join as a join with the time until which a row is the nearest one before."""
    for join in [*query.find_all(exp.Join)]:
        if join.args.get("method") != "ASOF":
            continue
        of = join.this.alias_or_name
        equal, place = [], None
        for part in (
            join.args["on"].flatten()
            if isinstance(join.args["on"], exp.And)
            else (join.args["on"],)
        ):
            if isinstance(part, exp.EQ):
                equal.append(part)
            elif isinstance(part, exp.GTE) and place is None and part.expression.table == of:
                place = part
            else:
                raise unknown(join, file)
        if place is None or equal or join.args.get("side") or join.args.get("kind") != "INNER":
            raise unknown(join, file)
        begin = place.expression.name
        followed = exp.select(
            "*",
            exp.alias_(
                exp.Window(
                    this=exp.Lead(this=exp.column(begin)),
                    order=exp.Order(expressions=[exp.Ordered(this=exp.column(begin))]),
                ),
                "followed_by",
            ),
        ).from_(_without_alias(join.this))
        until = exp.column("followed_by", table=of)
        join.set("method", None)
        join.set("this", followed.subquery(of))
        join.set(
            "on",
            exp.and_(
                place.copy(),
                exp.or_(
                    exp.LT(this=place.this.copy(), expression=until),
                    exp.Is(this=until.copy(), expression=exp.null()),
                ),
            ),
        )
    return query


def _without_alias(source: exp.Expr) -> exp.Expr:
    found = source.copy()
    if isinstance(found, exp.Table):
        found.set("alias", None)
    return found


def _structure(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Identifier) and node.name in _RESERVED:
        return exp.to_identifier(node.name, quoted=True)
    if isinstance(node, exp.Table) and node.db in ("core", "temp"):
        table = exp.to_identifier(f"{node.db}_{node.name}")
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(node.name))
        return exp.Table(this=table, alias=alias, joins=node.args.get("joins"))
    if isinstance(node, exp.EQ) and any(map(_is_id, (node.this, node.expression))):
        return exp.EQ(this=_as_text(node.this), expression=_as_text(node.expression))
    if isinstance(node, exp.Limit) and isinstance(node.expression, exp.Cast):
        limit = exp.Coalesce(this=node.expression, expressions=[exp.Literal.number(_NO_LIMIT)])
        return exp.Limit(expression=limit)
    return node


def _is_id(node: exp.Expr) -> bool:
    return (
        isinstance(node, exp.Cast)
        and isinstance(node.this, exp.Placeholder)
        and node.this.name in _IDS
    )


def _as_text(node: exp.Expr) -> exp.Expr:
    return node if _is_id(node) else exp.cast(node, "text")
