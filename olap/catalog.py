"""The catalogue of metrics: what each number means, written once and kept in each generation.

A metric is one file of `sql/metrics`: a DuckDB table macro with a version in its name. Its header
is its definition, in this order: a line `name_vN: what it is`, a line `grain:`, a line `scope:`
(the time each number is about), a line `needs:` if it uses a table that a source may lack, and
every rule that decides a number. Parameters are listed in the file only. The loader sets the header
as the comment of the macro, and lists every version in `metrics.catalog`.

The file computes with `since` and `until` as TIMESTAMP in UTC. People and tools have texts, dates
and times with a zone as well, so the loader creates the computation in the schema `core`, and in
`metrics` two macros that call it: one named by the version, and one by the bare name for the newest
version. Both have two lists of parameters. The one for TIMESTAMP adds nothing to a plan; the other
one converts the times (`sql/macros/instants.sql`), and takes `days` in place of `since`.

DuckDB looks up what a macro uses in the current database, not in the file of the macro. So where a
file is attached and not in use, the first name that a metric looks up is missing: that of its
computation. It is written so that the error says what to do.

What a source cannot tell is not 0. Without the table that a metric needs, the columns that its
header names are null; where it names none, the metric is an error. Publication records in each
generation which tables are missing (`set_missing`).

A version never changes its meaning. Its **fingerprint** is a digest of the macro and of every macro
of `sql/macros` that it uses, directly or not; spacing, case and comments do not count. The file
`sql/README.md` has the fingerprints, and a test fails when it is stale: a change of a macro
either keeps every number, or is a new version that is published beside the old one. A number that
becomes null because the source lacks its table was none before. Who may see a number is not what it
means: a corrected rule of scope holds for every version at once, because one that still showed what
it must not would be a way around the rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache

import duckdb

from olap import sqlfiles
from olap.comments import comment_on, load_comments
from olap.errors import CatalogError
from olap.manifest import Manifest, naive_utc
from olap.staging import Staging
from olap.tables import TABLE_NAMES, TABLES

# What stands in the error of DuckDB where the file is attached and not in use.
_INSTRUCTION = "first run: use analytics (or the name that it is attached as)"
_STEM = re.compile(r"(?P<name>[a-z_]+)_v(?P<version>[1-9][0-9]*)")
_HEADER = re.compile(
    r"-- (?P<stem>\w+): (?P<definition>[^\n]+)\n"
    r"-- grain: (?P<grain>[^\n]+)\n"
    r"-- scope: (?P<scope>[^\n]+)\n"
    r"(?:-- needs: (?P<needs>\w+)(?: for (?P<columns>[\w, ]+))?\n)?"
    r"(?P<rules>(?:--[^\n]*\n)+)"
    r"create or replace macro metrics\.(?P<macro>\w+)\((?P<parameters>[^)]*)\) as table\n"
)
_MACRO = re.compile(r"create or replace macro (?:core|metrics)\.(\w+)\(", re.IGNORECASE)
_USED = re.compile(r"\bcore\.(\w+)\s*\(")
# Made by each publication, not by a file.
_CONSTANTS = ("data_from", "data_through", "why_not_available")
_DATA_FROM = "start of the first UTC day with data, at most ten years before data_through"
_DATA_THROUGH = "clock of the source when it was read, UTC: as seen at, not complete to"
_LONGEST_DAYS = 3653
_MAY_BE_MISSING = frozenset(table.name for table in TABLES if not table.is_required)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A table that a metric uses and a source may lack.

    Attributes:
        table: its name.
        columns: what is null without it; empty = the metric is an error.
    """

    table: str
    columns: tuple[str, ...]

    @property
    def consequence(self) -> str:
        """What happens without the table, in words."""
        if not self.columns:
            return "the metric is an error"
        are = "are" if len(self.columns) > 1 else "is"
        *others, last = self.columns
        return f"{' and '.join([', '.join(others), last] if others else [last])} {are} null"

    def __str__(self) -> str:
        return f"Needs {self.table}; without them {self.consequence}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One version of one metric, as its file declares it.

    Attributes:
        name: without the version.
        definition, grain, scope, needs, rules: from the header.
        parameters: with types and defaults, as declared.
        fingerprint: digest of what it computes.
    """

    name: str
    version: int
    definition: str
    grain: str
    scope: str
    needs: Need | None
    rules: str
    parameters: tuple[str, ...]
    fingerprint: str

    @property
    def macro(self) -> str:
        """The name of its macro in the schema `metrics`."""
        return f"{self.name}_v{self.version}"

    @property
    def accepted(self) -> tuple[str, ...]:
        """Its parameters as people and tools may give them: times of any type, and `days`."""
        return _accepted(self.parameters)

    @property
    def comment(self) -> str:
        """The comment of its macro in a generation."""
        needs = f"{self.needs} " if self.needs else ""
        return f"{self.definition} Grain: {self.grain}. Scope: {self.scope}. {needs}{self.rules}"


@cache
def metrics() -> tuple[Metric, ...]:
    """Every version of every metric, by name and version.

    Raises:
        CatalogError: the header of a file is incomplete.
    """
    macros = _definitions(sqlfiles.names("macros"))
    found = (_metric(name, macros) for name in sqlfiles.names("metrics"))
    return tuple(sorted(found, key=lambda metric: (metric.name, metric.version)))


def newest(versions: Iterable[Metric]) -> dict[str, Metric]:
    """The newest version of each metric by its bare name."""
    return {metric.name: metric for metric in sorted(versions, key=lambda metric: metric.version)}


def load_metrics(staging: Staging) -> None:
    """Create every macro, the catalogue, and their comments; inside the caller's transaction.

    Macros that an earlier version created go.
    """
    _drop_macros(staging.connection)
    staging.run("catalog/create")
    # Publishing tells what is missing.
    set_missing(staging, {})
    for name in sqlfiles.names("macros"):
        staging.run(name)
    load_comments(staging, "catalog", "macros")
    bare = newest(metrics())
    for metric in metrics():
        _create(
            staging, metric, metric.macro, *([metric.name] if bare[metric.name] == metric else [])
        )
        staging.run(
            "catalog/add",
            metric=metric.name,
            version=metric.version,
            definition=metric.definition,
            grain=metric.grain,
            scope=metric.scope,
            rules=metric.rules,
            parameters=list(metric.accepted),
            fingerprint=metric.fingerprint,
            is_newest=bare[metric.name] == metric,
        )


def _create(staging: Staging, metric: Metric, *names: str) -> None:
    """Create the computation of a metric, and the macros in `metrics` that call it."""
    computation = _computation(metric.macro)
    text = sqlfiles.text(f"metrics/{metric.macro}")
    staging.connection.execute(text.replace(f"metrics.{metric.macro}(", f"{computation}(", 1))
    comment_on(staging, "macro table", computation, metric.comment)
    for name in names:
        called = _call(metric.macro, metric.parameters)
        staging.connection.execute(f"create or replace macro metrics.{name}{called}")
        comment_on(staging, "macro table", f"metrics.{name}", metric.comment)


def _computation(macro: str) -> str:
    return f'core."{macro}: {_INSTRUCTION}"'


def _call(macro: str, parameters: tuple[str, ...]) -> str:
    """The lists of parameters of a metric, each with its call of the computation."""
    given = {_name(parameter): _name(parameter) for parameter in parameters}
    lists = [(parameters, given)]
    if "since" in given:
        start = "core.start_of(since := since, until := until, days := days)"
        converted = {"since": start, "until": "core.instant_of(until)"}
        lists.append((_accepted(parameters), given | converted))
    elif "until" in given:
        # Without a default: a call without `until` would fit both lists.
        required = tuple("until" if _is_time(p) else p for p in parameters)
        lists.append((required, given | {"until": "core.instant_of(until)"}))
    return ", ".join(
        f"({', '.join(accepted)}) as table (from {_computation(macro)}("
        + ", ".join(f"{name} := {value}" for name, value in values.items())
        + "))"
        for accepted, values in lists
    )


def _accepted(parameters: tuple[str, ...]) -> tuple[str, ...]:
    untyped = tuple(f"{_name(p)} := null" if _is_time(p) else p for p in parameters)
    return (*untyped, "days := null") if "since := null" in untyped else untyped


def _name(parameter: str) -> str:
    return re.split("[ :]", parameter)[0]


def _is_time(parameter: str) -> bool:
    return " timestamp" in parameter


def set_period(
    connection: duckdb.DuckDBPyConnection, first_day: date | None, data_through: datetime
) -> None:
    """Make `core.data_from()` and `core.data_through()` return the period of the data.

    With constants, unlike with a query of the ledger, DuckDB prunes the parts of a table outside a
    period when it plans a query.

    Args:
        first_day: the first UTC day with data; None = there are none.
        data_through: the clock of the source, UTC.
    """
    begin = naive_utc(data_from(first_day, data_through))
    _set_instant(connection, "data_from", begin, _DATA_FROM)
    _set_instant(connection, "data_through", naive_utc(data_through), _DATA_THROUGH)


def data_from(first_day: date | None, data_through: datetime) -> datetime:
    """What `core.data_from()` returns: where a series of all data begins, aware UTC.

    Args:
        first_day, data_through: those of `set_period`.
    """
    last_day = naive_utc(data_through).date()
    # One wrong time must not make a chart of centuries.
    earliest = date.fromordinal(max(1, last_day.toordinal() - _LONGEST_DAYS))
    # A row may be of the future.
    first = max(earliest, min(first_day or last_day, last_day))
    return datetime.combine(first, time(), UTC)


def _set_instant(
    connection: duckdb.DuckDBPyConnection, name: str, instant: datetime, comment: str
) -> None:
    text = instant.isoformat(sep=" ")
    connection.execute(f"create or replace macro core.{name}() as timestamp '{text}'")
    connection.execute(f"comment on macro core.{name} is '{comment}'")


def missing_tables(manifest: Manifest) -> dict[str, str]:
    """Why tables are not available, by table, in words; empty where all are."""
    found = {}
    for table in sorted(_MAY_BE_MISSING):
        words, state = table.replace("_", " "), manifest.tables.get(table)
        if state is None:
            found[table] = f"{words} are not available: they have not been read yet"
        elif not state.is_available:
            found[table] = (
                f"{words} are not available: the source has none by its mapping, "
                f"{manifest.shape.mapping}"
            )
    return found


def set_missing(staging: Staging, missing: Mapping[str, str]) -> None:
    """Make `core.why_not_available(of_table)` and the catalogue tell which tables are missing.

    The macro is a constant, so that a metric of an available table is planned as if nothing could
    be missing.

    Args:
        missing: why, by table; see `missing_tables`.
    """
    reasons = {
        table: _quoted(missing[table]) if table in missing else "null" for table in TABLE_NAMES
    }
    cases = " ".join(f"when {_quoted(table)} then {why}" for table, why in reasons.items())
    unknown = _quoted(f"unknown of_table: it is one of {', '.join(TABLE_NAMES)}")
    staging.connection.execute(
        "create or replace macro core.why_not_available(of_table) as "
        f"(cast(case of_table {cases} else error({unknown}) end as varchar))"
    )
    comment = "why the source has no such table, in words; null = it has one"
    comment_on(staging, "macro", "core.why_not_available", comment)
    for metric in metrics():
        if metric.needs is not None:
            why = missing.get(metric.needs.table)
            staging.run(
                "catalog/set_not_available",
                metric=metric.name,
                version=metric.version,
                reason=f"{why}; {metric.needs.consequence}" if why else None,
            )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _drop_macros(connection: duckdb.DuckDBPyConnection) -> None:
    old = connection.execute(
        """
        select distinct
            if(function_type = 'table_macro', 'macro table', 'macro'),
            schema_name,
            function_name
        from duckdb_functions()
        where
            database_name = current_database()
            and not internal
            and schema_name in ('core', 'metrics')
        """
    ).fetchall()
    for kind, schema, name in old:
        if name not in _CONSTANTS:
            connection.execute(f'drop {kind} {schema}."{name}"')


def _metric(file: str, macros: Mapping[str, str]) -> Metric:
    text, stem = sqlfiles.text(file), file.rpartition("/")[2]
    header, named = _HEADER.match(text), _STEM.fullmatch(stem)
    if header is None or named is None or {header["stem"], header["macro"]} != {stem}:
        raise CatalogError(
            f"sql/{file}.sql does not begin with its name, grain, scope and macro",
            hint="Begin it as the other files of sql/metrics do; olap/catalog.py describes how.",
        )
    declared = (" ".join(line.split()) for line in header["parameters"].split(",\n"))
    parameters = tuple(parameter for parameter in declared if parameter)
    rules = " ".join(line.removeprefix("--").strip() for line in header["rules"].splitlines())
    return Metric(
        name=named["name"],
        version=int(named["version"]),
        definition=header["definition"],
        grain=header["grain"],
        scope=header["scope"],
        needs=_need(header["needs"], header["columns"], file),
        rules=rules,
        parameters=parameters,
        fingerprint=_fingerprint(f"{text}\n{_call(stem, parameters)}", macros),
    )


def _need(table: str | None, columns: str | None, file: str) -> Need | None:
    if table is None:
        return None
    if table not in _MAY_BE_MISSING:
        raise CatalogError(
            f"sql/{file}.sql needs {table}, which no source may lack",
            hint=f"After `needs:` stands one of {', '.join(sorted(_MAY_BE_MISSING))}.",
        )
    return Need(table=table, columns=tuple(re.split(r", | and ", columns)) if columns else ())


def _definitions(files: Iterable[str]) -> dict[str, str]:
    """The text of every macro in these files, by its name."""
    found: dict[str, str] = {}
    with duckdb.connect() as connection:
        for file in files:
            for statement in connection.extract_statements(sqlfiles.text(file)):
                named = _MACRO.search(statement.query)
                if named is not None:
                    found[named[1]] = statement.query
    return found


def _fingerprint(text: str, macros: Mapping[str, str]) -> str:
    """A digest of a macro and of every macro it uses."""
    used, waiting = {"": text}, [text]
    while waiting:
        for name in _USED.findall(waiting.pop()):
            if name in macros and name not in used:
                used[name] = macros[name]
                waiting.append(macros[name])
    digest = hashlib.sha256()
    for name in sorted(used):
        digest.update(f"{name}\0{sqlfiles.statements(used[name])}\0".encode())
    return digest.hexdigest()[:12]
