"""Real chats: the corpus of the PyPI package `chitchat-dataset` as a messenger's tables.

258,145 messages that 1,315 people wrote in 7,168 conversations in 2018 (MIT license). They have
what no generator produces: real lengths, real pauses, and 89 messages in one second.

The corpus has senders, texts and times. The other columns are derived:

* users are numbered in the order of their first message in the file, and get generated names;
* a conversation and its memberships begin with its first message (the corpus's own `start` is not
  used: it is usually hours after the first message); its title is the corpus's prompt;
* every sender of a conversation is a member of it: two people, or one who got no answer;
* all times are shifted by the same interval, so that the newest message has the time asked for.

There are no receipts, events, edits or deletions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.sandbox.load import Counts, Progress, TableRows, load_rows
from etl.sandbox.packages import package_directory
from etl.sandbox.rng import TIME, random_stream, random_uuids
from etl.sandbox.texts import usernames
from olap.commands import how_to_install
from olap.errors import SandboxError


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The corpus as it is in the file.

    Attributes:
        messages: conversation_id, sender (a UUID), content, created_at (UTC); grouped by
            conversation, in the order of the file.
        titles: conversation_id and title; one row per conversation.
    """

    messages: pl.DataFrame
    titles: pl.DataFrame


def load(url: str, until: datetime, progress: Progress | None = None) -> Counts:
    """Create the messenger's tables in an empty database and fill them with the corpus.

    Args:
        until: the time of the newest message; an aware datetime.

    Raises:
        SandboxError: the package is not installed, or the database is not empty.
    """
    return load_rows(url, tables(read_corpus(), until), progress)


def read_corpus() -> Corpus:
    """Read the file in the package; the package's Python code is not used.

    Raises:
        SandboxError: the package is not installed.
    """
    package = package_directory("chitchat_dataset")
    if package is None:
        raise SandboxError(
            "The chitchat corpus comes from the package chitchat-dataset, which is not installed.",
            hint=how_to_install("chitchat"),
        )
    return _parse(package / "dataset.json")


def tables(corpus: Corpus, until: datetime) -> Iterator[TableRows]:
    """The corpus as rows of the messenger's tables."""
    messages = _numbered(corpus.messages, until)
    users = messages.group_by("sender_id").agg(created_at=pl.col("created_at").min())
    users = users.sort("sender_id")
    yield TableRows(
        "users",
        users.select(
            id="sender_id",
            username=pl.Series(usernames(random_stream(0, "chitchat users"), len(users))),
            created_at="created_at",
        ),
    )
    begins = messages.group_by("conversation_id").agg(created_at=pl.col("created_at").min())
    yield TableRows(
        "conversations",
        corpus.titles.join(begins, on="conversation_id")
        .select(pl.lit("direct").alias("type"), "title", "created_at", id="conversation_id")
        .sort("created_at", "id"),
    )
    members = messages.select("conversation_id", user_id="sender_id").unique()
    yield TableRows(
        "conversation_participants",
        members.join(begins, on="conversation_id")
        .rename({"created_at": "joined_at"})
        .sort("joined_at", "conversation_id", "user_id"),
    )
    yield TableRows("messages", messages.sort("created_at", maintain_order=True))


def _parse(path: Path) -> Corpus:
    # A conversation is a list of turns, and a turn is a list of messages of one sender.
    conversations: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
    written = [
        (name, message)
        for name, conversation in conversations.items()
        for turn in conversation["messages"]
        for message in turn
    ]
    messages = pl.DataFrame(
        {
            "conversation_id": [name for name, _ in written],
            "sender": [message["sender"] for _, message in written],
            "content": [message["text"] for _, message in written],
            "created_at": [message["timestamp"] for _, message in written],
        }
    )
    prompts = [conversation.get("prompt") for conversation in conversations.values()]
    return Corpus(
        messages=messages.with_columns(
            pl.col("created_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").cast(TIME)
        ),
        titles=pl.DataFrame({"conversation_id": list(conversations), "title": prompts}),
    )


def _numbered(messages: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """The rows of `messages`: with ids, numbered senders, and times that end at `until`."""
    numbers = messages.select(pl.col("sender").unique(maintain_order=True)).with_row_index(
        "sender_id", offset=1
    )
    newest = pl.col("created_at").max()
    return (
        messages.with_columns(
            random_uuids(random_stream(0, "chitchat messages"), len(messages)).alias("id")
        )
        .join(numbers, on="sender", how="left", maintain_order="left")
        .select(
            "id",
            "conversation_id",
            pl.col("sender_id").cast(pl.Int64),
            "content",
            pl.col("created_at") - newest + pl.lit(until, dtype=TIME),
        )
    )
