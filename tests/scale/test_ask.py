"""Asking a metric on an engine equals asking the published file, on data that a pipeline read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import pytest

from olap.__main__ import main
from olap.engine.ask import ask
from olap.engine.commands import printed
from tests.fix_pipeline import Pipeline
from tests.metrics.filled import plain
from tests.scale.fix_engine import OnEngine

# A period within the data of `busy`, which end on the first of March.
_PERIOD = {"since": "2026-02-10 10:07", "until": "2026-02-27"}
_QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("message_stats", _PERIOD),
    ("message_stats", {"days": 400, "include_bots": False}),
    ("message_timeline", _PERIOD | {"every": "hourly", "tz": "Europe/Berlin"}),
    ("message_timeline", {"days": 700, "every": "monthly", "tz": "Australia/Lord_Howe"}),
    ("engagement", _PERIOD),
    ("active_users", _PERIOD),
    ("event_counts", _PERIOD),
    ("top_senders", _PERIOD | {"top_n": 5}),
    ("top_conversations", _PERIOD | {"sort_by": "activity"}),
    ("top_reactions", _PERIOD),
    ("reply_times_by_conversation", {"days": 700}),
]


def _of_file(file: duckdb.DuckDBPyConnection, macro: str, given: Mapping[str, Any]) -> Any:
    named = ", ".join(f"{name} := ${name}" for name in given)
    return file.cursor().sql(f"from metrics.{macro}({named})", params=dict(given))


def _viewer(file: duckdb.DuckDBPyConnection) -> int:
    """Somebody who sees several conversations."""
    found = (
        file.cursor()
        .execute(
            "select user_id from core.dim_users join core.dim_participants using (user_key)"
            " where in_source and deleted_at is null group by all order by count(*) desc, 1 limit 1"
        )
        .fetchone()
    )
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize(("macro", "given"), _QUESTIONS, ids=str)
@pytest.mark.parametrize("is_viewer", [False, True], ids=["everybody", "viewer"])
@pytest.mark.scale
def test_an_answer_equals_that_of_the_file(
    busy_on_sail: OnEngine, macro: str, given: dict[str, Any], is_viewer: bool
) -> None:
    """Columns, types and rows, in their order, are those of the published file."""
    given = given | ({"visible_to": _viewer(busy_on_sail.file)} if is_viewer else {})
    expected = _of_file(busy_on_sail.file, macro, given)
    answer = ask(busy_on_sail.engine, busy_on_sail.generation, macro, given)
    assert (list(answer.columns), list(answer.types)) == (
        expected.columns,
        [str(kind) for kind in expected.types],
    )
    rows = expected.fetchall()
    assert [list(map(plain, row)) for row in answer.rows] == [list(map(plain, r)) for r in rows]
    assert rows


def test_ids_of_every_kind_find_what_they_name(busy_on_sail: OnEngine) -> None:
    """A conversation is found by its uuid, and a person by their number."""
    ((room, person),) = (
        busy_on_sail.file.cursor()
        .execute(
            "select conversation_id, user_id from core.message_days"
            " join core.dim_conversations using (conversation_key)"
            " join core.dim_users on user_key = sender_key"
            " order by message_count desc, 1, 2 limit 1"
        )
        .fetchall()
    )
    for given in ({"for_conversation": room}, {"for_user": person}):
        asked = {"days": 700, **given}
        (expected,) = _of_file(busy_on_sail.file, "message_stats", asked).fetchall()
        answer = ask(busy_on_sail.engine, busy_on_sail.generation, "message_stats", asked)
        assert answer.rows == [expected]
        assert expected[0] > 0


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_the_command_prints_what_duckdb_prints_of_the_file(
    busy: Pipeline,
    busy_on_sail: OnEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    """Each format of `engine metric` is byte for byte what DuckDB makes of the file's answer."""
    monkeypatch.setenv("DATA_DIR", str(busy.settings.data_dir))
    words = ["since=2026-02-10 10:07", "until=2026-02-27", "tz=Europe/Berlin"]
    assert main(["engine", "metric", "message_timeline", *words, "--format", form]) == 0
    given = dict(word.split("=") for word in words)
    expected = printed(_of_file(busy_on_sail.file, "message_timeline", given), form)
    assert capsys.readouterr().out == expected
    assert len(expected.splitlines()) > 17


def test_a_printed_answer_has_all_rows_and_nested_values(
    busy: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long answer is not cut, and CSV has a header, nulls and structs as DuckDB writes them."""
    monkeypatch.setenv("DATA_DIR", str(busy.settings.data_dir))
    assert main(["engine", "metric", "message_stats", "days=900", "--format", "csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith("total_messages,text_messages")
    assert "{'text': " in row
    assert main(["engine", "metric", "message_timeline", "days=300"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["message_stats", "days=3", "every=daily"], "has no parameter every"),
        (["message_timeline", "days=3", "every=yearly"], "unknown every: it is hourly, daily"),
        (["read_through"], "read marks are not available"),
        (["nothing"], "there is no metric nothing"),
    ],
)
def test_the_command_refuses_wrong_questions_without_an_engine(
    busy: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    """A wrong question is exit code 2 and the file's words, though no engine is there."""
    monkeypatch.setenv("DATA_DIR", str(busy.settings.data_dir))
    assert main(["engine", "metric", *words, "--engine", "sc://127.0.0.1:1"]) == 2
    assert said in capsys.readouterr().err


def test_the_command_says_that_an_engine_is_absent(
    busy: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A right question to an absent engine is exit code 1 and what to do next."""
    monkeypatch.setenv("DATA_DIR", str(busy.settings.data_dir))
    given = ["message_stats", "days=3", "--engine", "sc://127.0.0.1:1"]
    assert main(["engine", "metric", *given]) == 1
    said = capsys.readouterr().err
    assert "is not available" in said
    assert "Check that it runs" in said


@pytest.mark.parametrize("command", [["metric", "message_stats", "days=3"], ["rollups"]])
def test_the_commands_ask_the_engine_of_the_api(
    busy: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """Without `--engine` that of `ENGINE_URL` is asked, and with it the one that it names."""
    monkeypatch.setenv("DATA_DIR", str(busy.settings.data_dir))
    monkeypatch.setenv("ENGINE_URL", "sc://127.0.0.1:1")
    assert main(["engine", *command]) == 1
    assert "sc://127.0.0.1:1 is not available" in capsys.readouterr().err
    assert main(["engine", *command, "--engine", "sc://127.0.0.1:2"]) == 1
    assert "sc://127.0.0.1:2 is not available" in capsys.readouterr().err
