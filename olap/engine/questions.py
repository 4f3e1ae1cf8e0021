"""Questions to a metric: checked as the published file checks them, before an engine is asked.

An **empty generation** has the macros, the time zones, the period and the missing tables of a
generation, and no rows of facts. The metric's own macro is run on it, so that a wrong question
gets the very error of the file, and an engine is never asked one. What the macro returns there has
the columns and types of every answer.

What the macros make of texts, dates, times and days is computed there too: an engine gets instants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import duckdb

from olap import catalog, sqlfiles
from olap.catalog import Metric, metrics, missing_tables, newest
from olap.commands import call
from olap.errors import QuestionError
from olap.ids import IdType, IdTypes, parse_id
from olap.manifest import Manifest, naive_utc
from olap.staging import Staging
from olap.tables import TABLE_NAMES
from olap.warehouse import fill_tz_spans

_TIMES = ("since", "until")
_IDS = {"visible_to": "user", "for_user": "user", "for_conversation": "conversation"}
_SOME_ID: dict[IdType, Any] = {IdType.INTEGER: 0, IdType.UUID: UUID(int=0), IdType.STRING: "0"}
_DECLARED = re.compile(r"(?P<name>\w+)(?: \w+)?(?: := (?P<default>.+))?")
_INSTANTS = """
select
    cast(core.start_of(since := $since, until := $until, days := $days) as varchar),
    cast(core.instant_of($until) as varchar)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that the published file would answer.

    Attributes:
        arguments: the value of each marker that a metric on an engine may have.
        columns, types: those of the answer; the types as DuckDB writes them.
    """

    metric: Metric
    arguments: Mapping[str, Any]
    columns: tuple[str, ...]
    types: tuple[str, ...]


class EmptyGeneration:
    """A DuckDB with the metrics of this version over no facts; it can be used by any thread."""

    def __init__(self, manifest: Manifest) -> None:
        """Create it, in half a second.

        Args:
            manifest: of the generation whose period, ids and missing tables it has.
        """
        self.ids = manifest.shape.ids
        self.connection = duckdb.connect(config={"threads": 1})
        try:
            staging = Staging(self.connection, self.ids)
            self.connection.execute("set timezone = 'UTC'")
            self.connection.execute("create schema core")
            for name in sqlfiles.names("schema"):
                staging.run(name)
            staging.run(
                "engine/example_rows",
                user_id=_SOME_ID[self.ids.user],
                conversation_id=_SOME_ID[self.ids.conversation],
            )
            fill_tz_spans(staging)
            data_through = manifest.data_through
            catalog.set_period(self.connection, manifest.first_day, data_through)
            catalog.load_metrics(staging)
            missing = missing_tables(manifest)
            catalog.set_missing(staging, missing)
            staging.run("views/clock_changes")
        except BaseException:
            self.connection.close()
            raise
        data_from = catalog.data_from(manifest.first_day, data_through)
        self._constants: dict[str, Any] = {
            "data_from": _text_of(data_from),
            "data_through": _text_of(data_through),
            **{f"why_not_available_{table}": missing.get(table) for table in TABLE_NAMES},
        }

    def question(self, macro: str, given: Mapping[str, Any]) -> Question:
        """Check a question.

        Args:
            macro: the name of a metric, with or without its version.
            given: values of its parameters, as DuckDB would be given them; times of any type.

        Raises:
            QuestionError: there is no such metric, or it has no such parameter.
            duckdb.Error: the question is wrong; the error is that of the published file.
        """
        metric = metric_named(macro)
        _require_known(metric, given)
        named = ", ".join(f"{name} := ${name}" for name in given)
        cursor = self.connection.cursor()
        try:
            statement = f"from metrics.{macro}({named})"
            cursor.execute(statement, dict(given)).fetchall()
            described = cursor.execute(f"describe {statement}", dict(given)).fetchall()
            values = self._defaults(metric) | dict(given)
            if "since" in values or "until" in values:
                times = {name: values.get(name) for name in (*_TIMES, "days")}
                ((values["since"], values["until"]),) = cursor.execute(_INSTANTS, times).fetchall()
        finally:
            cursor.close()
        values.pop("days", None)
        arguments = {name: _as_argument(value) for name, value in values.items()}
        return Question(
            metric=metric,
            arguments=arguments | self._constants,
            columns=tuple(name for name, *_ in described),
            types=tuple(kind for _, kind, *_ in described),
        )

    def close(self) -> None:
        """Give its memory back."""
        self.connection.close()

    def _defaults(self, metric: Metric) -> dict[str, Any]:
        declared = (_DECLARED.fullmatch(parameter) for parameter in metric.parameters)
        return {found["name"]: _literal(found["default"]) for found in declared if found}


def metric_named(name: str) -> Metric:
    """The metric that a person names: a version of it, or the newest one.

    Raises:
        QuestionError: there is none.
    """
    by_macro = {metric.macro: metric for metric in metrics()}
    found = newest(metrics()).get(name) or by_macro.get(name)
    if found is None:
        raise QuestionError(
            f"there is no metric {name}",
            hint=f"`{call('catalog')}` prints all; they are {', '.join(newest(metrics()))}.",
        )
    return found


def values_of(metric: Metric, words: Iterable[str], ids: IdTypes) -> dict[str, Any]:
    """The values of parameters that are written as `name=value`.

    Args:
        ids: the types of the messenger's ids.

    Raises:
        QuestionError: a word is no such pair, a name is none or given twice, or a value is none.
    """
    kinds = {
        found["name"]: _parser(found["name"], found["default"], ids)
        for found in map(_DECLARED.fullmatch, metric.accepted)
        if found
    }
    values: dict[str, Any] = {}
    for word in words:
        name, separator, text = word.partition("=")
        if not separator:
            raise QuestionError(f"{word!r} is no parameter", hint="Write each as name=value.")
        _require_known(metric, [name])
        if name in values:
            raise QuestionError(f"{name} is given twice", hint="Give each parameter once.")
        try:
            values[name] = kinds[name](text)
        except ValueError as error:
            raise QuestionError(f"{name}={text} is wrong: {error}", hint=accepted(metric)) from None
    return values


def _require_known(metric: Metric, names: Iterable[str]) -> None:
    known = {found["name"] for found in map(_DECLARED.fullmatch, metric.accepted) if found}
    for name in names:
        if name not in known:
            raise QuestionError(f"{metric.macro} has no parameter {name}", hint=accepted(metric))


def accepted(metric: Metric) -> str:
    """A sentence: the parameters of a metric."""
    return f"Its parameters are: {', '.join(metric.accepted)}."


def _parser(name: str, default: str | None, ids: IdTypes) -> Callable[[str], Any]:
    """What makes a value of a parameter from its text."""
    if name in _TIMES:
        return str
    if name == "days":
        return _number
    if name in _IDS:
        return partial(parse_id, ids.of(_IDS[name]))
    if name.startswith("include_") or default in ("true", "false"):
        return _boolean
    return _whole if default is not None and default.lstrip("-").isdigit() else str


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        raise ValueError("must be a whole number")
    return int(text)


def _number(text: str) -> int | Decimal:
    if not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text, re.ASCII):
        raise ValueError("must be a number of days, such as 30 or 0.5")
    found = Decimal(text)
    return int(found) if found == found.to_integral_value() else found


def _literal(text: str | None) -> Any:
    """The value of a default, as a metric's file has it."""
    if text in (None, "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    return text[1:-1].replace("''", "'") if text.startswith("'") else int(text)


def _as_argument(value: Any) -> Any:
    """A value as an engine takes it: ids of uuid as text."""
    return str(value) if isinstance(value, UUID) else value


def _text_of(instant: datetime) -> str:
    return naive_utc(instant.astimezone(UTC)).isoformat(sep=" ")
