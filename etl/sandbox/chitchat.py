"""Real chats: the corpus of the PyPI package `chitchat-dataset` as a messenger's tables.

258,145 messages that 1,315 people wrote in 7,168 conversations in 2018 (MIT license). They
have what no generator invents: real lengths, real pauses, and 89 messages in one second.

The corpus knows senders, texts and times. What else the tables need follows from these:

* people are numbered as they first appear in the file, and get made-up names;
* a conversation and its members begin with its first message (the corpus's own `start` is
  not used: it mostly lies hours after the first message), its title is the corpus's prompt;
* whoever speaks in a conversation belongs to it: two people, or one who got no answer;
* all times move by the same amount, so that the newest message is as late as asked for.

Nothing is invented beyond that: there are no receipts, events, edits or deletions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.sandbox.draws import TIME, stream, uuids
from etl.sandbox.load import Chunk, Counts, Progress, load_chunks
from etl.sandbox.wheels import find_wheel
from etl.sandbox.wording import usernames
from olap.errors import SandboxError


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The corpus as it stands in the file.

    Attributes:
        messages: conversation_id, sender (its uuid), content, created_at (UTC); grouped by
            conversation, in the order of the file.
        titles: conversation_id and title, one row per conversation.
    """

    messages: pl.DataFrame
    titles: pl.DataFrame


def load(url: str, until: datetime, progress: Progress | None = None) -> Counts:
    """Make the messenger's tables in an empty database and fill them with the corpus.

    Args:
        until: the time that the newest message gets; aware.

    Raises:
        SandboxError: the package is not installed, or the database is not empty.
    """
    return load_chunks(url, tables(read_corpus(), until), progress)


def read_corpus() -> Corpus:
    """Read the file that ships in the package; its Python code is not needed.

    Raises:
        SandboxError: the package is not installed.
    """
    package = find_wheel("chitchat_dataset")
    if package is None:
        raise SandboxError(
            "The chitchat corpus comes from the package chitchat-dataset, which is not installed.",
            hint="Install the optional dependency group `chitchat` of this project.",
        )
    return _parse(package / "dataset.json")


def tables(corpus: Corpus, until: datetime) -> Iterator[Chunk]:
    """The corpus as rows of the messenger's tables; pure."""
    messages = _numbered(corpus.messages, until)
    people = messages.group_by("sender_id").agg(created_at=pl.col("created_at").min())
    people = people.sort("sender_id")
    yield Chunk(
        "users",
        people.select(
            id="sender_id",
            username=pl.Series(usernames(stream(0, "chitchat users"), len(people))),
            created_at="created_at",
        ),
    )
    begun = messages.group_by("conversation_id").agg(created_at=pl.col("created_at").min())
    yield Chunk(
        "conversations",
        corpus.titles.join(begun, on="conversation_id")
        .select(pl.lit("direct").alias("type"), "title", "created_at", id="conversation_id")
        .sort("created_at", "id"),
    )
    members = messages.select("conversation_id", user_id="sender_id").unique()
    yield Chunk(
        "conversation_participants",
        members.join(begun, on="conversation_id")
        .rename({"created_at": "joined_at"})
        .sort("joined_at", "conversation_id", "user_id"),
    )
    yield Chunk("messages", messages.sort("created_at", maintain_order=True))


def _parse(path: Path) -> Corpus:
    # Conversations are lists of turns, and a turn is a list of messages of one person.
    conversations: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
    said = [
        (name, message)
        for name, conversation in conversations.items()
        for turn in conversation["messages"]
        for message in turn
    ]
    messages = pl.DataFrame(
        {
            "conversation_id": [name for name, _ in said],
            "sender": [message["sender"] for _, message in said],
            "content": [message["text"] for _, message in said],
            "created_at": [message["timestamp"] for _, message in said],
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
    """Rows of `messages` with ids, senders as numbers, and times that end at `until`."""
    numbers = messages.select(pl.col("sender").unique(maintain_order=True)).with_row_index(
        "sender_id", offset=1
    )
    newest = pl.col("created_at").max()
    return (
        messages.with_columns(uuids(stream(0, "chitchat messages"), len(messages)).alias("id"))
        .join(numbers, on="sender", how="left", maintain_order="left")
        .select(
            "id",
            "conversation_id",
            pl.col("sender_id").cast(pl.Int64),
            "content",
            pl.col("created_at") - newest + pl.lit(until, dtype=TIME),
        )
    )
