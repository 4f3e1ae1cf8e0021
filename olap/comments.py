"""Comments of tables, views, columns and macros, taken from the files of `sql/` that create them.

Each text is written once, where an analyst who opens the file reads it:

    -- core.things: What a row is about.
    -- grain: one row per thing
    -- Any rule that decides what is in it.
    create table core.things (
        thing_key integer not null, -- what the column is
    );

The comment block right above a statement describes the object; in a view a column is named by the
last word before its comment. A macro may have a block without a name or a grain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from olap import sqlfiles
from olap.errors import CatalogError
from olap.staging import Staging

_CREATED = re.compile(
    r"(?P<head>(?:^--[^\n]*\n)+)"
    r"create (?:or replace )?(?P<kind>table|view|macro) (?P<name>(?:core|main|metrics)\.\w+)"
    r"(?P<body>.*?);\n",
    re.MULTILINE | re.DOTALL,
)
_CREATE = re.compile(r"^create (?:or replace )?(?:table|view|macro) ", re.MULTILINE)
_COLUMN = {
    "table": re.compile(r"^    (\w+) [^\n]*? -- ([^\n]+)$", re.MULTILINE),
    "view": re.compile(r"(\w+),? -- ([^\n]+)$", re.MULTILINE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One object that a file creates.

    Attributes:
        kind: as `COMMENT ON` spells it: table, view, macro or macro table.
        name: with its schema.
        comment: definition, grain and rules.
        columns: the comment of each column of a table or view.
    """

    kind: str
    name: str
    comment: str
    columns: dict[str, str] = field(default_factory=dict)


def described(text: str) -> Iterator[Described]:
    """What a file creates, in its order.

    Raises:
        CatalogError: a statement that creates something has no comment block above it.
    """
    found = list(_CREATED.finditer(text))
    if len(found) != len(_CREATE.findall(text)):
        raise CatalogError(
            f"an object has no comment in: {text.splitlines()[0]}",
            hint="Write what it is in a comment right above its `create`; see olap/comments.py.",
        )
    for match in found:
        kind, body = match["kind"], match["body"]
        if kind == "macro" and re.search(r"\) as table\b", body):
            kind = "macro table"
        column = _COLUMN.get(kind)
        yield Described(
            kind=kind,
            name=match["name"],
            comment=_comment(match["head"], match["name"]),
            columns=dict(column.findall(body)) if column else {},
        )


def load_comments(staging: Staging, *folders: str) -> None:
    """Issue `COMMENT ON` for everything that the files of these folders create."""
    for folder in folders:
        for name in sqlfiles.names(folder):
            for item in described(sqlfiles.text(name)):
                comment_on(staging, item.kind, item.name, item.comment)
                for column, comment in item.columns.items():
                    comment_on(staging, "column", f"{item.name}.{column}", comment)


def comment_on(staging: Staging, kind: str, name: str, comment: str) -> None:
    """Set one comment; DuckDB takes no bound parameter there."""
    quoted = comment.replace("'", "''")
    staging.connection.execute(f"comment on {kind} {name} is '{quoted}'")


def _comment(head: str, name: str) -> str:
    lines = [line.removeprefix("--").strip() for line in head.splitlines()]
    lines[0] = re.sub(rf"^(?:{re.escape(name)}|{name.partition('.')[2]}): ", "", lines[0])
    for number, line in enumerate(lines):
        if line.startswith("grain: "):
            lines[number] = f"Grain: {line.removeprefix('grain: ')}."
    return " ".join(lines)
