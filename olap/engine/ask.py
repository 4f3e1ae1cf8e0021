"""Asking a metric on an engine: the rows that the published file would return, in its order.

The file is asked `from metrics.<macro>(…)`, an engine the text of `sql/spark/metrics/<macro>.sql`,
which is generated from the same file. The question is checked first (`olap.engine.questions`), and
DuckDB gives what the engine returns the types of the file's answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from olap import sqlfiles
from olap.engine.lake import EngineGeneration
from olap.engine.questions import Question
from olap.engine.session import Engine
from olap.errors import EngineError

_MARKER = re.compile(r"(?<![:\w]):(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a metric returns.

    Attributes:
        columns, types: of its rows; the types as DuckDB writes them.
        rows: as DuckDB's `fetchall` returns them.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(
    engine: Engine, generation: EngineGeneration, macro: str, parameters: Mapping[str, Any]
) -> Answer:
    """Ask a metric; the answer equals `from metrics.<macro>(…)` on that generation.

    Args:
        engine: a session that was prepared for the generation (`olap.engine.lake.prepare`).
        macro: the name of a metric, with or without its version.
        parameters: values by name, as DuckDB would be given them.

    Raises:
        QuestionError: there is no such metric, or it has no such parameter.
        duckdb.Error: the question is wrong; the error is that of the published file, and the engine
            was not asked.
        EngineError: the engine refuses the query, or returns other columns.
        EngineUnavailableError: it is absent or too slow.
    """
    question = generation.empty.question(macro, parameters)
    with asked(engine, question) as rows:
        return Answer(columns=question.columns, types=question.types, rows=rows.fetchall())


@contextmanager
def asked(engine: Engine, question: Question) -> Iterator[duckdb.DuckDBPyRelation]:
    """The rows of a question, as a relation of DuckDB that lives as long as the block."""
    text = sqlfiles.text(f"spark/metrics/{question.metric.macro}")
    found = engine.query(text, {name: question.arguments[name] for name in markers(text)})
    if tuple(found.column_names) != question.columns:
        raise EngineError(
            f"the engine returns the columns {', '.join(found.column_names)} of "
            f"{question.metric.macro} instead of {', '.join(question.columns)}",
            hint="Report this: sql/spark and sql/metrics disagree.",
        )
    columns = zip(question.columns, question.types, strict=True)
    casts = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in columns)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("found", found)
        yield connection.sql(f"select {casts} from found")  # noqa: S608 names of our own macros


def markers(text: str) -> set[str]:
    """The names of the parameter markers of a text of `sql/spark`."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return set(_MARKER.findall(re.sub(r"'[^']*'", "''", code)))
