"""Questions to an engine are checked as the published file checks them, before it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID

import duckdb
import pytest

from olap.catalog import metrics
from olap.engine.ask import ask
from olap.engine.lake import EngineGeneration
from olap.engine.questions import EmptyGeneration, metric_named, values_of
from olap.errors import QuestionError
from olap.ids import IdTypes
from tests.fix_pipeline import Pipeline

_WRONG: list[tuple[str, dict[str, Any]]] = [
    ("message_stats", {}),
    ("message_stats", {"since": "never"}),
    ("message_stats", {"since": "2026-03-01", "until": "2026-02-01"}),
    ("message_stats", {"since": "9999-01-01"}),
    ("message_stats", {"since": "2026-02-01", "days": 3}),
    ("message_stats", {"since": "2026-02-01 10:00 Mars/Olympus"}),
    ("message_stats", {"days": 3, "for_conversation": "no uuid"}),
    ("message_stats", {"days": 3, "include_bots": "perhaps"}),
    ("message_timeline", {"days": 3, "every": "yearly"}),
    ("message_timeline", {"days": 3, "every": None}),
    ("message_timeline", {"days": 3, "tz": "Mars/Olympus"}),
    ("message_timeline", {"days": 3, "tz": None}),
    ("message_stats", {"days": 3, "visible_to": "somebody"}),
    ("message_stats", {"days": 3, "for_conversation": 7}),
    ("top_senders", {"days": 3, "top_n": -1}),
    ("top_senders", {"days": 3, "top_n": "few"}),
    ("message_timeline", {"days": 3, "tz": 3}),
    ("message_timeline_v1", {"days": 3, "every": "yearly"}),
    ("active_timeline", {"days": 3, "every": "hourly"}),
    ("retention", {"days": 3, "every": "hourly"}),
    ("top_conversations", {"days": 3, "sort_by": "beauty"}),
    ("message_heatmap", {"days": 3, "tz": "Nowhere"}),
    ("read_through", {}),
    ("unread", {"for_user": 7}),
]


class NoEngine:
    """An engine that must not be asked."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"the engine is asked: {name}")


@pytest.fixture(scope="module")
def generation(busy: Pipeline) -> Iterator[EngineGeneration]:
    """The published generation of `busy`, which has no read marks."""
    found = EngineGeneration.of(busy.manifest(), str(busy.settings.data_dir))
    yield found
    found.close()


def _of_file(busy: Pipeline, macro: str, given: Mapping[str, Any]) -> str:
    named = ", ".join(f"{name} := ${name}" for name in given)
    with duckdb.connect(str(busy.published), read_only=True) as file:
        try:
            file.execute(f"from metrics.{macro}({named})", dict(given)).fetchall()
        except duckdb.Error as error:
            return _said(error)
    return "it is answered"


def _said(error: BaseException) -> str:
    """An error without its last line, which underlines a part of the statement."""
    return re.sub(r"\n *\^+$", "", f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(("macro", "given"), _WRONG, ids=str)
def test_a_wrong_question_gets_the_error_of_the_file(
    busy: Pipeline, generation: EngineGeneration, macro: str, given: dict[str, Any]
) -> None:
    """What the published file refuses is refused in its words, and the engine is not asked."""
    expected = _of_file(busy, macro, given)
    assert expected != "it is answered"
    with pytest.raises(duckdb.Error) as raised:
        ask(NoEngine(), generation, macro, given)
    assert _said(raised.value) == expected


@pytest.mark.parametrize(
    "macro", ["active_users", "event_counts", "message_timeline", "top_senders", "user_activity"]
)
def test_a_value_of_a_wrong_type_gets_the_error_of_the_file(
    busy: Pipeline, generation: EngineGeneration, macro: str
) -> None:
    """A text in place of an id, a number or a yes is refused in the words of the file."""
    refused = 0
    usual = {"for_user": 7} if macro == "user_activity" else {}
    for name in ("visible_to", "for_user", "for_conversation", "include_bots", "top_n"):
        if not any(p.startswith(name) for p in metric_named(macro).accepted):
            continue
        given = {"since": "2026-02-01", **usual, name: "somebody"}
        expected = _of_file(busy, macro, given)
        with pytest.raises(duckdb.Error) as raised:
            ask(NoEngine(), generation, macro, given)
        assert _said(raised.value) == expected
        refused += 1
    assert refused >= 2


@pytest.mark.parametrize("given", [{"nothing": 1}, {"visible": 1, "days": 3}])
def test_a_parameter_that_a_metric_has_not_is_refused(
    generation: EngineGeneration, given: dict[str, Any]
) -> None:
    """An unknown parameter is an error that lists those of the metric."""
    with pytest.raises(QuestionError, match="has no parameter") as raised:
        ask(NoEngine(), generation, "message_stats", given)
    assert "include_bots := true" in raised.value.hint


def test_a_metric_that_does_not_exist_is_refused(generation: EngineGeneration) -> None:
    """An unknown metric is an error that lists all."""
    with pytest.raises(QuestionError, match="no metric message_stat") as raised:
        ask(NoEngine(), generation, "message_stat", {})
    assert "message_stats" in raised.value.hint


@pytest.mark.parametrize(
    ("given", "instants"),
    [
        ({"since": "2026-02-01"}, ("2026-02-01 00:00:00", None)),
        ({"since": date(2026, 2, 1)}, ("2026-02-01 00:00:00", None)),
        ({"since": datetime(2026, 2, 1, 5)}, ("2026-02-01 05:00:00", None)),
        (
            {"since": datetime(2026, 2, 1, 5, tzinfo=timezone(timedelta(hours=2)))},
            ("2026-02-01 03:00:00", None),
        ),
        ({"since": "2026-02-01 10:00:00.000001+02"}, ("2026-02-01 08:00:00.000001", None)),
        (
            {"since": "2026-01-01", "until": "2026-02-01 00:00:00 Europe/Berlin"},
            ("2026-01-01 00:00:00", "2026-01-31 23:00:00"),
        ),
        ({"until": "2026-02-01", "days": 1}, ("2026-01-31 00:00:00", "2026-02-01 00:00:00")),
        (
            {"until": "2026-02-01", "days": Decimal("0.5")},
            ("2026-01-31 12:00:00", "2026-02-01 00:00:00"),
        ),
    ],
    ids=str,
)
def test_times_reach_an_engine_as_instants(
    generation: EngineGeneration, given: dict[str, Any], instants: tuple[str, str | None]
) -> None:
    """Texts, dates, zones and days become the instants that the file's macros make of them."""
    asked = generation.empty.question("message_stats", given)
    assert (asked.arguments["since"], asked.arguments["until"]) == instants
    assert "days" not in asked.arguments


def test_days_end_at_data_through(generation: EngineGeneration) -> None:
    """Without an end a period of days ends at the clock of the source."""
    through = generation.manifest.data_through.astimezone(UTC).replace(tzinfo=None)
    asked = generation.empty.question("message_stats", {"days": 2})
    assert datetime.fromisoformat(asked.arguments["since"]) == through - timedelta(days=2)
    assert datetime.fromisoformat(asked.arguments["data_through"]) == through


def test_every_metric_has_the_columns_of_the_file(
    busy: Pipeline, generation: EngineGeneration
) -> None:
    """Columns and types of an answer are those that the published file describes."""
    compared = 0
    with duckdb.connect(str(busy.published), read_only=True) as file:
        for metric in metrics():
            if metric.needs is not None and not metric.needs.columns:
                continue
            given: dict[str, Any] = {"days": 30} if "days := null" in metric.accepted else {}
            for name in ("for_user", "for_conversation"):
                if name in metric.parameters:
                    given[name] = None
            named = ", ".join(f"{name} := ${name}" for name in given)
            described = file.sql(f"from metrics.{metric.macro}({named})", params=given)
            asked = generation.empty.question(metric.macro, given)
            assert list(asked.columns) == described.columns
            assert list(asked.types) == [str(kind) for kind in described.types]
            compared += 1
    assert compared > 15


def test_words_become_values_of_the_types_of_the_parameters() -> None:
    """A word `name=value` has the type that the metric and the mapping declare."""
    words = [
        "since=2026-01-01",
        "days=1.5",
        "for_conversation=F47AC10B-58cc-4372-a567-0e02b2c3d479",
        "visible_to=-7",
        "include_bots=false",
        "include_system=true",
        "every=hourly",
        "for_type=a=b",
    ]
    assert values_of(metric_named("message_timeline"), words, IdTypes()) == {
        "since": "2026-01-01",
        "days": Decimal("1.5"),
        "for_conversation": UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        "visible_to": -7,
        "include_bots": False,
        "include_system": True,
        "every": "hourly",
        "for_type": "a=b",
    }
    assert values_of(metric_named("top_senders"), ["top_n=3"], IdTypes()) == {"top_n": 3}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("since", "no parameter"),
        ("ever=daily", "has no parameter ever"),
        ("days=few", "must be a number"),
        ("days=NaN", "must be a number"),
        ("days=1e400000", "must be a number"),
        ("visible_to=07", "whole number such as 7"),
        ("for_conversation=7", "uuid such as"),
        ("include_bots=yes", "true or false"),
    ],
)
def test_words_that_are_no_values_are_refused(word: str, said: str) -> None:
    """A word that is no value of its parameter is an error with the form."""
    with pytest.raises(QuestionError, match=said):
        values_of(metric_named("message_timeline"), [word], IdTypes())
    with pytest.raises(QuestionError, match="given twice"):
        values_of(metric_named("message_timeline"), ["tz=UTC", "tz=UTC"], IdTypes())


def test_a_generation_keeps_its_own_constants(busy: Pipeline) -> None:
    """What a source lacks reaches an engine as the reason of the file."""
    empty = EmptyGeneration(busy.manifest())
    try:
        asked = empty.question("message_stats", {"days": 1})
    finally:
        empty.close()
    assert asked.arguments["why_not_available_events"] is None
    assert "by its mapping" in asked.arguments["why_not_available_read_marks"]
