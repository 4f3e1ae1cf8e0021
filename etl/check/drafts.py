"""The SELECTs of a mapping, planned but not executed: which columns they return, in which types.

A column that is missing, or has another type than is read, is named and replaced by null. So the
rest of the table can be tried, and one run names all that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from etl.check.findings import Finding, Findings, error
from etl.check.sources import Sources
from etl.relations import READ_AS, cast_to_write
from etl.survey import Survey
from olap.errors import SourceError
from olap.ids import IdType
from olap.mapping import MappedTable, SourceMapping
from olap.tables import ID_KINDS, Fact, Table, Type

_ID_TYPES = {
    **dict.fromkeys(("bigint", "integer", "smallint"), IdType.INTEGER),
    "uuid": IdType.UUID,
    **dict.fromkeys(("text", "character varying", "name"), IdType.STRING),
}


_IDENTIFIER = re.compile(r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[\w$]+))*')


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A table of the mapping as it can be tried.

    Attributes:
        mapped: with null in place of columns that are missing or have another type.
        names: of the columns that it returns, in order.
        found_ids: the types of its ids at the source, by column.
        replaced: the columns that are null for now.
        is_patched: whether a null stands for a column that the source lacks, somewhere.
    """

    table: Table
    mapped: MappedTable
    names: tuple[str, ...]
    found_ids: Mapping[str, str]
    replaced: frozenset[str]
    is_patched: bool

    def as_whole(self) -> Draft:
        """The same, read whole: for a source table whose rows have no version."""
        select = _completed(self.mapped.select, tuple(self.table.columns), {})
        mapped = replace(self.mapped, select=select, touched=None, is_whole=True)
        names = ("row_version", "place", *self.table.columns)
        return replace(self, mapped=mapped, names=names)


def drafted(
    survey: Survey, table: Table, mapping: SourceMapping, sources: Sources, found: Findings
) -> Draft | None:
    """Plan a SELECT and name what is wrong with its columns; None if it cannot be planned."""
    planned = _planned(survey, table, mapping, sources, found)
    if planned is None:
        return None
    mapped, names, is_patched = planned
    added, own_names = (names[:2], names[2:]) if mapped.is_whole else ([], names)
    types = table.types(mapping.ids)
    versions = ["row_version", *(["place"] if isinstance(table, Fact) else [])]
    expected = [*([] if mapped.is_whole else versions), *table.columns]
    if twice := [name for name in expected if own_names.count(name) > 1]:
        found.add(error(table, f"returns {', '.join(twice)} twice", "Keep one of them."))
        return None
    found.add(*_name_findings(table, mapped, own_names, expected, types))
    of_version = {"row_version": "xid", "place": "tid"}
    missing = {n: of_version.get(n) or types[n] for n in expected if n not in own_names}
    if set(own_names) != set(expected):
        mapped = replace(mapped, select=_completed(mapped.select, expected, missing))
    try:
        found_types = survey.types(table, replace(mapping, tables={table.name: mapped}))
    except SourceError as raised:
        if not is_patched:
            found.add(error(table, f"cannot be planned: {detail_of(raised)}", raised.hint))
        return None
    wrong = {
        name: found_types[name]
        for name, declared in types.items()
        if name not in missing and found_types[name] not in READ_AS[declared]
    }
    for name, type_ in wrong.items():
        is_replaced = is_patched and type_ == "text"
        if table.columns[name] not in ID_KINDS and not is_replaced:
            hint = f"Write {cast_to_write(name, type_, types[name])}."
            found.add(error(table, f"{name} is {type_}, not {types[name]}", hint))
    if wrong:
        nulls = {name: types[name] for name in wrong}
        mapped = replace(mapped, select=_completed(mapped.select, expected, nulls))
    return Draft(
        table=table,
        mapped=mapped,
        names=tuple(names) if mapped is mapping.tables[table.name] else (*added, *expected),
        found_ids={
            name: found_types[name]
            for name, kind in table.columns.items()
            if kind in ID_KINDS and name not in missing and not is_patched
        },
        replaced=frozenset({*missing, *wrong}),
        is_patched=is_patched,
    )


def _planned(
    survey: Survey, table: Table, mapping: SourceMapping, sources: Sources, found: Findings
) -> tuple[MappedTable, list[str], bool] | None:
    """The SELECT with null in place of columns that the source lacks, and what it returns.

    The last is whether anything was replaced. None if the SELECT cannot be planned.
    """
    mapped, is_patched = mapping.tables[table.name], False
    while True:
        try:
            trial = replace(mapping, tables={table.name: mapped})
            return mapped, survey.columns(table, trial), is_patched
        except SourceError as raised:
            at = raised.position
            name = _IDENTIFIER.match(mapped.select, at) if at >= 0 else None
            number = mapped.select[: max(at, 0)].count("\n") + 1
            line = f" in line {number}" if at >= 0 else ""
            if raised.sqlstate != "42703" or name is None:
                if not is_patched:
                    message = f"cannot be planned{line}: {detail_of(raised)}"
                    found.add(error(table, message, raised.hint))
                return None
            hint = _columns_hint(name[0], sources.columns_of(mapped))
            found.add(error(table, f"the source has no column {name[0]}, read{line}", hint))
            is_patched = True
            select = mapped.select[:at] + "null" + mapped.select[name.end() :]
            mapped = replace(mapped, select=select)


def _name_findings(
    table: Table,
    mapped: MappedTable,
    names: Sequence[str],
    expected: Sequence[str],
    types: Mapping[str, Type],
) -> Iterator[Finding]:
    unused = [name for name in ("row_version", "place") if name in names and mapped.is_whole]
    if unused:
        yield error(
            table,
            f"returns {', '.join(unused)} although [tables.{table.name}] is `whole = true`",
            f"Remove {' and '.join(unused)} from the SELECT, or `whole = true` from mapping.toml.",
        )
    unknown = set(names) - set(expected)
    for name in expected:
        if name not in names:
            hint = _missing_hint(name, types.get(name), table, unknown)
            yield error(table, f"does not return {name}", hint)


def _completed(select: str, names: Sequence[str], nulls: Mapping[str, str]) -> str:
    """A SELECT of these columns, with null of a type in place of some."""
    columns = (f"null::{nulls[n]} as {n}" if n in nulls else f"given.{n}" for n in names)
    return "\n".join(("select", ", ".join(columns), "from (", select, ") as given"))


def _missing_hint(name: str, type_: Type | None, table: Table, unknown: set[str]) -> str:
    if name == "row_version":
        return (
            "Write `xmin as row_version`, with the alias of the table whose rows change; or set "
            f"`whole = true` for [tables.{table.name}]: it is then read whole in every cycle."
        )
    if name == "place":
        return "Write `ctid as place`, with the alias of the same table."
    near = get_close_matches(name, unknown, 1)
    is_needed = name in table.key or (isinstance(table, Fact) and name == table.time)
    if near:
        return f"It returns {near[0]}, which no table here has: write `as {name}`."
    if is_needed:
        return f"Write the source's column, `as {name}`: no row can be without it."
    return f"Write the source's column, `as {name}`; or, if there is none, `null::{type_}`."


def _columns_hint(name: str, columns: list[str]) -> str:
    last = name.split(".")[-1].strip().strip('"')
    if last in ("xmin", "ctid"):
        return f"Only a table has it: write `alias.{last}`, with the alias of the table."
    folded = {column.strip('"').lower(): column for column in columns}
    near = [folded[match] for match in get_close_matches(last.lower(), folded, 3, 0.5)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are {', '.join(columns[:12])}{' …' if len(columns) > 12 else ''}."


def detail_of(raised: SourceError) -> str:
    """PostgreSQL's own words, without the statement."""
    text = raised.message.partition(": ")[2]
    text = re.sub(r"^.*?ERROR: +", "", text)
    return re.split(r" LINE \d+: | Query was: |\. SQLSTATE", text)[0].strip()


def id_findings(mapping: SourceMapping, drafts: Sequence[Draft]) -> Iterator[Finding]:
    """Ids of another type: one finding if all tables agree on it, otherwise one for each column."""
    for kind in sorted(ID_KINDS):
        declared = mapping.ids.of(kind)
        found = [
            (draft.table, name, type_)
            for draft in drafts
            for name, type_ in draft.found_ids.items()
            if draft.table.columns[name] is kind
        ]
        others = [one for one in found if _ID_TYPES.get(one[2]) is not declared]
        types = {_ID_TYPES.get(type_) for _, _, type_ in found}
        if others and len(types) == 1 and (type_ := types.pop()) is not None:
            table, _, text = found[0]
            yield error(
                table,
                f"[ids] declares {kind} = {declared}, and every SELECT returns it as {text}",
                f'Write `{kind} = "{type_}"`.',
                file="mapping.toml",
            )
            continue
        for table, name, text in others:
            yield error(
                table,
                f"{name} is {text}; [ids] declares {kind} = {declared}",
                f"Write `{name}::{declared.sql}`, or correct [ids] in mapping.toml.",
            )
