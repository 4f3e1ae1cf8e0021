"""The chitchat corpus in PostgreSQL: every message of it, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec

import psycopg
import pytest

from etl.sandbox import packages
from etl.sandbox.chitchat import Corpus, load, read_corpus, tables
from etl.sandbox.load import Counts
from etl.sandbox.packages import package_directory
from etl.sandbox.postgres import create_database, drop_database
from olap.errors import SandboxError

pytestmark = pytest.mark.slow

UNTIL = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

installed = pytest.mark.skipif(
    package_directory("chitchat_dataset") is None,
    reason="the optional group `chitchat` is not installed",
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """The corpus as it is in the file."""
    return read_corpus()


@pytest.fixture(scope="module")
def corpus_database(postgres_url: str) -> Iterator[tuple[str, Counts]]:
    """A database with the corpus, and the counts that the load returned."""
    name = f"test_{os.getpid()}_chitchat"
    url = create_database(postgres_url, name)
    try:
        yield url, load(url, UNTIL)
    finally:
        drop_database(postgres_url, name)


@installed
def test_corpus_is_complete(corpus_database: tuple[str, Counts]) -> None:
    """All messages, users and conversations are loaded; receipts and events are empty."""
    url, counts = corpus_database
    expected = {
        "users": 1_315,
        "conversations": 7_168,
        "conversation_participants": 2 * 4_018 + 3_150,
        "messages": 258_145,
        "message_read_receipts": 0,
        "analytics_events": 0,
    }
    assert counts.rows == expected
    assert {table: one(url, f"select count(*) from {table}") for table in expected} == expected


@installed
def test_messages_are_those_of_the_file(corpus_database: tuple[str, Counts]) -> None:
    """Per conversation, the texts, their order and the pauses are those of the file."""
    url, _ = corpus_database
    package = package_directory("chitchat_dataset")
    assert package is not None
    corpus = json.loads((package / "dataset.json").read_bytes())
    expected = {}
    for name, conversation in corpus.items():
        written = [message for turn in conversation["messages"] for message in turn]
        moments = [datetime.fromisoformat(message["timestamp"]) for message in written]
        expected[name] = [
            (message["text"], moment - moments[0])
            for message, moment in zip(written, moments, strict=True)
        ]
    found: dict[str, list[tuple[object, object]]] = {}
    with psycopg.connect(url) as connection:
        for name, text, pause in connection.execute(
            "select conversation_id::text, content,"
            " created_at - min(created_at) over (partition by conversation_id)"
            " from messages order by ctid"
        ):
            found.setdefault(name, []).append((text, pause))
    assert found == expected


@installed
def test_times_end_at_until(corpus_database: tuple[str, Counts]) -> None:
    """The newest message is at `until`, and 89 messages share one second, as in the corpus."""
    url, _ = corpus_database
    assert one(url, "select max(created_at) from messages") == UNTIL
    crowded = "select max(n) from (select count(*) n from messages group by created_at) counts"
    assert one(url, crowded) == 89


@installed
def test_references_resolve(corpus_database: tuple[str, Counts]) -> None:
    """Every sender is a user and a member, and no message is older than what it refers to."""
    url, _ = corpus_database
    unresolved = """
        select count(*) from messages m
        left join users u on u.id = m.sender_id and u.created_at <= m.created_at
        left join conversations c
            on c.id = m.conversation_id and c.created_at <= m.created_at and c.type = 'direct'
        left join conversation_participants p
            on p.conversation_id = m.conversation_id and p.user_id = m.sender_id
            and p.joined_at <= m.created_at
        where u.id is null or c.id is null or p.user_id is null
    """
    assert one(url, unresolved) == 0


@installed
def test_numbers_follow_first_appearance(corpus: Corpus) -> None:
    """Users are numbered from 1 by first appearance in the file, and have distinct names."""
    chunks = {chunk.table: chunk.rows for chunk in tables(corpus, UNTIL)}
    users = chunks["users"]
    assert users["id"].to_list() == list(range(1, 1_316))
    assert users["username"].n_unique() == 1_315
    first = corpus.messages.row(0, named=True)
    opening = chunks["messages"].filter(conversation_id=first["conversation_id"]).row(0, named=True)
    assert (opening["content"], opening["sender_id"]) == (first["content"], 1)


@installed
def test_same_corpus_gives_the_same_rows(corpus: Corpus) -> None:
    """Two reads give the same rows, ids included, and every id is unique."""
    reads = [{c.table: c.rows for c in tables(corpus, UNTIL)} for _ in range(2)]
    for table, rows in reads[0].items():
        assert rows.equals(reads[1][table]), table
    assert reads[0]["messages"]["id"].is_unique().all()


def test_missing_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error names the extra that has it."""

    def not_found(name: str, _package: str | None = None) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(packages, "find_spec", not_found)
    with pytest.raises(SandboxError, match="chitchat-dataset") as caught:
        read_corpus()
    assert "`chitchat`" in caught.value.hint


def one(url: str, query: str) -> object:
    """The single value of a query."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]
