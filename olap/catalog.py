"""The catalogue of metrics: what each number means, written once, in each generation.

A metric is one file in `sql/metrics`: a DuckDB table macro with a version in its name. Its header
is its definition, in this order: a line `name_vN: what it is`, a line `grain:`, a line `scope:` (of
which time each number is), and every rule that decides a number. Parameters stand in the file once;
nothing is said twice. The loader gives the newest version the bare name as well, puts the
header on both as a comment, and lists all of them in `metrics.catalog`.

The meaning of a version is frozen by its **fingerprint**: a digest of the macro and of every macro
of `sql/macros` that it uses, directly or not; spacing, case and comments do not count. The file
`sql/README.md` is made from all this, and a test fails when a fingerprint changes: a new meaning is
a new file with the next version, and both are published.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import duckdb

from olap import sqlfiles
from olap.errors import CatalogError
from olap.manifest import naive_utc
from olap.staging import Staging

FOLDERS = ("macros", "metrics")
_STEM = re.compile(r"(?P<name>[a-z_]+)_v(?P<version>[1-9][0-9]*)")
_HEADER = re.compile(
    r"-- (?P<stem>\w+): (?P<definition>[^\n]+)\n"
    r"-- grain: (?P<grain>[^\n]+)\n"
    r"-- scope: (?P<scope>[^\n]+)\n(?P<rules>(?:--[^\n]*\n)+)"
    r"create or replace macro metrics\.(?P<macro>\w+)\((?P<parameters>[^)]*)\) as table\n"
)
_MACRO = re.compile(r"create or replace macro (?:core|metrics)\.(\w+)\(", re.IGNORECASE)
_USED = re.compile(r"\bcore\.(\w+)\s*\(")
_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One version of one metric, as its file says it.

    Attributes:
        name: without the version.
        definition, grain, scope, rules: of the header.
        parameters: with types and defaults, as declared.
        fingerprint: of what it computes.
    """

    name: str
    version: int
    definition: str
    grain: str
    scope: str
    rules: str
    parameters: tuple[str, ...]
    fingerprint: str

    @property
    def macro(self) -> str:
        """The name of its macro in the schema `metrics`."""
        return f"{self.name}_v{self.version}"

    @property
    def comment(self) -> str:
        """What an analyst reads of it in the engine's own catalogue."""
        return f"{self.definition} Grain: {self.grain}. Scope: {self.scope}. {self.rules}"


@cache
def metrics() -> tuple[Metric, ...]:
    """Every version of every metric, by name and version.

    Raises:
        CatalogError: a file's header is not as it must be.
    """
    windows = _definitions(sqlfiles.names("macros"))
    found = (_metric(name, windows) for name in sqlfiles.names("metrics"))
    return tuple(sorted(found, key=lambda metric: (metric.name, metric.version)))


def newest(versions: Iterable[Metric]) -> dict[str, Metric]:
    """The newest version of each metric by its bare name."""
    return {metric.name: metric for metric in sorted(versions, key=lambda metric: metric.version)}


def load_metrics(staging: Staging) -> None:
    """Make every macro, its comment and the catalogue; inside a transaction of the caller's."""
    connection = staging.connection
    for name in (*sqlfiles.names("macros"), *sqlfiles.names("metrics")):
        staging.run(name)
    connection.execute("delete from metrics.catalog")
    bare = newest(metrics())
    for metric in metrics():
        _comment(connection, metric.macro, metric.comment)
        staging.run(
            "catalog/add",
            metric=metric.name,
            version=metric.version,
            definition=metric.definition,
            grain=metric.grain,
            scope=metric.scope,
            rules=metric.rules,
            parameters=list(metric.parameters),
            fingerprint=metric.fingerprint,
            is_newest=bare[metric.name] == metric,
        )
    for name, metric in bare.items():
        text = sqlfiles.text(f"metrics/{metric.macro}")
        connection.execute(text.replace(f"metrics.{metric.macro}(", f"metrics.{name}(", 1))
        _comment(connection, name, metric.comment)


def set_data_through(connection: duckdb.DuckDBPyConnection, instant: datetime) -> None:
    """Make `core.data_through()` say this instant, as a constant.

    A constant, and not a query of the ledger: so DuckDB can tell before it begins which parts of a
    table a window meets.
    """
    text = naive_utc(instant).isoformat(sep=" ")
    connection.execute(f"create or replace macro core.data_through() as timestamp '{text}'")


def _metric(file: str, windows: Mapping[str, str]) -> Metric:
    text, stem = sqlfiles.text(file), file.rpartition("/")[2]
    header, named = _HEADER.match(text), _STEM.fullmatch(stem)
    if header is None or named is None or {header["stem"], header["macro"]} != {stem}:
        raise CatalogError(
            f"sql/{file}.sql does not begin with its name, grain, scope and macro",
            hint="Begin it as the other files of sql/metrics do; olap/catalog.py says how.",
        )
    declared = (" ".join(line.split()) for line in header["parameters"].split(",\n"))
    rules = " ".join(line.removeprefix("--").strip() for line in header["rules"].splitlines())
    return Metric(
        name=named["name"],
        version=int(named["version"]),
        definition=header["definition"],
        grain=header["grain"],
        scope=header["scope"],
        rules=rules,
        parameters=tuple(parameter for parameter in declared if parameter),
        fingerprint=_fingerprint(text, windows),
    )


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


def _fingerprint(text: str, windows: Mapping[str, str]) -> str:
    """A digest of a macro and of all it uses, whatever their spacing, case and comments."""
    used, waiting = {"": text}, [text]
    while waiting:
        for name in _USED.findall(waiting.pop()):
            if name in windows and name not in used:
                used[name] = windows[name]
                waiting.append(windows[name])
    digest = hashlib.sha256()
    for name in sorted(used):
        normal = " ".join(_COMMENT.sub("", used[name]).lower().split())
        digest.update(f"{name}\0{normal}\0".encode())
    return digest.hexdigest()[:12]


def _comment(connection: duckdb.DuckDBPyConnection, macro: str, text: str) -> None:
    quoted = text.replace("'", "''")
    connection.execute(f"comment on macro table metrics.{macro} is '{quoted}'")
