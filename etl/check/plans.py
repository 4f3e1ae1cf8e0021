"""PostgreSQL's plans: which tables a form reads, how, and which of their columns it returns.

A plan is what `explain (verbose, format json)` returns: a tree of nodes, each with a type, the
table that it scans, its conditions and the expressions that it puts out. Nothing here asks the
server.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Node: TypeAlias = Mapping[str, Any]

# The part of `fact_rows` that asks which rows other tables have touched.
TOUCHED = "CTE touched_now"

_NAME = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_COLUMN = re.compile(rf"({_NAME})\.({_NAME})")
_LENGTH = re.compile(r"\b(?:char_length|character_length|length|octet_length|bit_length)\(")
_CONDITION = re.compile(r"\bWHEN (?:(?!\bWHEN\b|\bTHEN\b).)* THEN\b", re.DOTALL)
_NOT_NULL = re.compile(rf"\(({_NAME}\.)?{_NAME} IS NOT NULL\)")
_HASHED = re.compile(r"\bhashed SubPlan (\d+)")
# Before version 17 the value of an InitPlan is a parameter: $0.
_SUBPLAN = re.compile(r"(\b(?:SubPlan|InitPlan) \d+|\$\d+)\)?(?:\.col(\d+))?")


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """A column of a source table.

    Attributes:
        relation: schema and name of the table, or of a partition, without quotes.
    """

    relation: str
    name: str


def nodes(plan: Node, *, without: Collection[str] = ()) -> Iterator[Node]:
    """The nodes of a plan, without the subplans of these names."""
    yield plan
    for child in plan.get("Plans", ()):
        if child.get("Subplan Name") not in without:
            yield from nodes(child, without=without)


def scans(plan: Node, *, without: Collection[str] = ()) -> Iterator[Node]:
    """The nodes that read a table."""
    return (node for node in nodes(plan, without=without) if "Relation Name" in node)


def hashed(plan: Node) -> frozenset[str]:
    """The names of the subplans that are computed once, for all rows."""
    texts = (text for node in nodes(plan) for text in _expressions(node))
    return frozenset(f"SubPlan {n}" for text in texts for n in _HASHED.findall(text))


def _expressions(node: Node) -> Iterator[str]:
    for value in node.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (text for text in value if isinstance(text, str))


def subplan(plan: Node, name: str) -> Node | None:
    """The part of a plan with this name."""
    return next((node for node in nodes(plan) if node.get("Subplan Name") == name), None)


def relation(scan: Node) -> str:
    """Schema and name of the table that a node scans, without quotes."""
    return f"{scan['Schema']}.{scan['Relation Name']}"


def relations(plan: Node) -> frozenset[str]:
    """The tables that a plan reads; partitions under their own names."""
    return frozenset(relation(scan) for scan in scans(plan))


def filters_versions(scan: Node) -> bool:
    """Whether a scan itself drops the rows that are older than the watermark."""
    return "age(" in scan.get("Filter", "") and "xmin" in scan["Filter"]


def is_of_a_range(scan: Node) -> bool:
    """Whether a scan reads a range of blocks alone."""
    return bool(scan["Node Type"] == "Tid Range Scan")


def is_whole(scan: Node) -> bool:
    """Whether a scan reads its table from the first row to the last, or may have to."""
    conditions = (scan.get(kind, "") for kind in ("Index Cond", "Recheck Cond", "TID Cond"))
    # A minimum or maximum is looked for in the order of an index.
    return not any(text and not _NOT_NULL.fullmatch(text) for text in conditions)


def looks_up_ids(scan: Node) -> bool:
    """Whether a scan finds the rows of given ids in an index."""
    condition = scan.get("Index Cond") or scan.get("Recheck Cond") or ""
    return "ANY (" in condition or "= (touched_now" in condition


def is_streamed(plan: Node) -> bool:
    """Whether the first rows come before the last ones are read: nothing is sorted or grouped."""
    blocking = {
        "Sort",
        "Incremental Sort",
        "Aggregate",
        "WindowAgg",
        "Unique",
        "SetOp",
        "HashSetOp",
    }
    on_the_way = [plan]
    while on_the_way:
        node = on_the_way.pop()
        if node["Node Type"] in blocking:
            return False
        on_the_way += [
            child
            for child in node.get("Plans", ())
            if child.get("Parent Relationship") in ("Outer", "Member", "Subquery")
        ]
    return True


def outputs(plan: Node) -> tuple[str, ...]:
    """The expression of each column that a plan returns, with those of its subqueries in place."""
    inner: dict[str, Node] = {}
    for node in nodes(plan):
        name, _, parameter = node.get("Subplan Name", "").partition(" (returns ")
        inner |= {name: node, parameter.rstrip(")"): node}

    def of_node(node: Node) -> tuple[str, ...]:
        own = tuple(node.get("Output", ()))
        below = [
            of_node(child)
            for child in node.get("Plans", ())
            if child.get("Parent Relationship") in ("Outer", "Member", "Subquery")
        ]
        if below and "Join" not in node["Node Type"] and node["Node Type"] != "Nested Loop":
            same = [found for found in below if len(found) == len(own)]
            if node["Node Type"] in _PASSING and len(same) == len(below):
                return tuple(" | ".join(parts) for parts in zip(*same, strict=True))
        return tuple(with_subplans(text) for text in own)

    def with_subplans(text: str) -> str:
        def found(match: re.Match[str]) -> str:
            # Further columns of a subquery are those by which it sorts.
            node, column = inner.pop(match[1], None), int(match[2] or 1)
            return match[0] if node is None else of_node(node)[column - 1]

        return _SUBPLAN.sub(found, text)

    return of_node(plan)


# Nodes that return the columns of the nodes below in the same order.
_PASSING = frozenset(
    {
        "Append",
        "Gather",
        "Gather Merge",
        "Limit",
        "Merge Append",
        "Result",
        "Sort",
        "Subquery Scan",
        "Unique",
    }
)


def measured(expression: str, plan: Node) -> frozenset[Column]:
    """The columns of which an expression uses the length."""
    return frozenset(
        column for inside in _lengths(expression) for column in passed_on(inside, plan)
    )


def passed_on(expression: str, plan: Node) -> frozenset[Column]:
    """The columns whose values an expression returns, or values made of them.

    Lengths, the conditions of a CASE and what is extracted from JSON are none.
    """
    for inside in (*_lengths(expression), *_documents(expression)):
        expression = expression.replace(inside, "")
    while (shorter := _CONDITION.sub("", expression)) != expression:
        expression = shorter
    return _columns(expression, plan)


def _lengths(expression: str) -> list[str]:
    """What stands within the parentheses of functions that measure a text."""
    found = []
    for match in _LENGTH.finditer(expression):
        depth, end = 1, match.end()
        while depth and end < len(expression):
            depth += {"(": 1, ")": -1}.get(expression[end], 0)
            end += 1
        found.append(expression[match.end() : end - 1])
    return found


def _documents(expression: str) -> list[str]:
    """What is cast to JSON, from which something is extracted then."""
    found = []
    for match in re.finditer(r"::jsonb?\b", expression):
        depth = 0
        for start in range(match.start() - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(expression[start], 0)
            if depth <= 0 and (expression[start] in "( ,"):
                break
        found.append(expression[start : match.start()] if match.start() else "")
    return [part for part in found if part]


def _columns(expression: str, plan: Node) -> frozenset[Column]:
    aliases = {_unquoted(scan["Alias"]): relation(scan) for scan in scans(plan)}
    return frozenset(
        Column(aliases[_unquoted(alias)], _unquoted(name))
        for alias, name in _COLUMN.findall(expression)
        if _unquoted(alias) in aliases
    )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
