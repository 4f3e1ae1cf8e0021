"""Hostile writers against a follower that knows keys from a feed and rows from a snapshot.

A shadow of two tables is kept by the keys that each batch is told, looked up under the batch's
snapshot, and compared with the tables under that snapshot. Rows are counted by the feed as well.

In each batch a commit hangs between its place in the log and its visibility, as synchronous
replication can let it. Without that, a cut at the wrong place passes.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from etl.feed.changes import Key, Reading
from etl.source import SourceTransaction
from tests.feed.follower import Follower

# The shadowed tables: how many of a row's columns are its key, and the row with its key as texts.
WIDTHS = {"messages": 1, "message_read_receipts": 2}
SELECTS = {
    "messages": "select id::text, length(content), created_at, updated_at from messages",
    "message_read_receipts": (
        "select message_id::text, user_id::text, read_at from message_read_receipts"
    ),
}
IDS = [UUID(int=number) for number in range(1, 200)]
WRITERS = 5
# Numbers of messages that nobody changes again start here.
HELD = 1_000_000

UPSERT = (
    "insert into messages (id, conversation_id, content) values (%s, %s, %s)"
    " on conflict (id) do update set content = excluded.content"
)
INSERT = "insert into messages (id, conversation_id, content) values (%s, gen_random_uuid(), 'x')"
EDIT = "update messages set content = content || 'y', updated_at = clock_timestamp() where id = %s"
MOVE = "update messages set created_at = created_at - interval '40 days' where id = %s"
CHANGE_KEY = (
    "update messages set id = %s where id = %s and not exists"
    " (select from messages as other where other.id = %s)"
)
DELETE = "delete from messages where id = %s"
READ = "insert into message_read_receipts values (%s, %s) on conflict do nothing"
UNREAD = "delete from message_read_receipts where message_id = %s and user_id = %s"
TRUNCATE = "truncate message_read_receipts"
ACTIONS = ("upsert", "read", "edit", "read", "delete", "upsert", "change key", "move", "unread")
ENDINGS = ("commit", "commit", "late commit", "rollback", "commit prepared", "rollback prepared")

EXPECTED = {*ACTIONS, *ENDINGS, "truncate", "savepoint", "rollback to savepoint", "held"}


@dataclass
class Outcome:
    """What a run found.

    Attributes:
        wrong: a line for each table and batch that was not as it is at the source.
        seen: how often what happened.
    """

    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


class Writer(threading.Thread):
    """Writes until it is stopped; every third one waits for a standby when it commits."""

    def __init__(self, url: str, number: int, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True, name=f"writer {number}")
        self.seen: Counter[str] = Counter()
        self._url, self._number, self._stopped = url, number, stop
        self._random = random.Random(seed * 100 + number)
        self._may_hang = number % 3 == 0

    def run(self) -> None:
        """Write transactions."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("set lock_timeout = '300ms'; set deadlock_timeout = '50ms'")
            level = "on" if self._may_hang else "off"
            connection.execute(f"set synchronous_commit = {level}".encode())
            number = self._number
            while not self._stopped.is_set():
                number += 1
                ending = ENDINGS[number % len(ENDINGS)]
                name = f"{self._number}_{number}"
                try:
                    connection.execute("begin")
                    self._write(connection, number)
                    self._end(connection, ending, name)
                    self.seen[ending] += 1
                except psycopg.Error:
                    self._give_up(connection, name)
                time.sleep(self._random.random() * 0.01)

    def _write(self, connection: psycopg.Connection[Any], number: int) -> None:
        for step in range(1 + number % 4):
            if (number + step) % 3:
                self._act(connection)
                continue
            connection.execute("savepoint tried")
            try:
                self._act(connection)
            except psycopg.Error:
                connection.execute("rollback to tried")
            else:
                if number % 2:
                    connection.execute("rollback to tried")
                    self.seen["rollback to savepoint"] += 1
                else:
                    self.seen["savepoint"] += 1

    def _act(self, connection: psycopg.Connection[Any]) -> None:
        message, user = self._random.choice(IDS), self._random.randrange(4)
        other = self._random.choice(IDS)
        action = ACTIONS[self._random.randrange(len(ACTIONS))]
        if action == "upsert":
            content = "x" * self._random.choice([3, 30, 9000])
            connection.execute(UPSERT, (message, message, content))
        elif action == "change key":
            connection.execute(CHANGE_KEY, (other, message, other))
        elif action in ("read", "unread"):
            connection.execute(READ if action == "read" else UNREAD, (message, user))
        else:
            statement = {"edit": EDIT, "move": MOVE, "delete": DELETE}[action]
            connection.execute(statement, (message,))
        self.seen[action] += 1

    def _end(self, connection: psycopg.Connection[Any], ending: str, name: str) -> None:
        if ending == "late commit":
            time.sleep(self._random.random() * 0.3)
        if ending.endswith("prepared"):
            connection.execute(f"prepare transaction '{name}'".encode())
            time.sleep(self._random.random() * 0.1)
            connection.execute(f"{ending} '{name}'".encode())
        else:
            connection.execute("rollback" if ending == "rollback" else "commit")

    def _give_up(self, connection: psycopg.Connection[Any], name: str) -> None:
        for statement in ("rollback", f"rollback prepared '{name}'"):
            with suppress(psycopg.Error):
                connection.execute(statement.encode())


class Gate:
    """Lets commits hang: each waits for a standby that does not exist, until they are released."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._url = url

    def close(self) -> None:
        """Release all commits."""
        self._set(None)
        self._connection.close()

    @contextmanager
    def held(self, number: int) -> Iterator[None]:
        """In the block, the commit of a message that nobody changes later hangs."""
        self._set("nobody")
        pids: queue.SimpleQueue[int] = queue.SimpleQueue()
        is_released = threading.Event()

        def write() -> None:
            message = UUID(int=HELD + number)
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute("set synchronous_commit = on")
                pids.put(connection.info.backend_pid)
                # Until the server has taken up the setting, a commit does not hang.
                while not is_released.is_set():
                    connection.execute(UPSERT, (message, message, "held"))

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        self._await(pids.get())
        try:
            yield
        finally:
            is_released.set()
            self._set(None)
            writer.join()

    @contextmanager
    def hanging(self, statement: str) -> Iterator[None]:
        """In the block, which is within `held`, the commit of the statement hangs too."""
        pids: queue.SimpleQueue[int] = queue.SimpleQueue()

        def write() -> None:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute("set synchronous_commit = on")
                pids.put(connection.info.backend_pid)
                connection.execute(statement.encode())

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        self._await(pids.get())
        yield

    def _await(self, pid: int) -> None:
        """Wait until the commit of a session hangs."""
        waits = "select wait_event = 'SyncRep' from pg_stat_activity where pid = %s"
        while self._connection.execute(waits, (pid,)).fetchone() != (True,):
            time.sleep(0.005)

    def log_end(self) -> int:
        """The end of the log, as a number."""
        row = self._connection.execute(
            "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def commit(self, number: int) -> None:
        """Commit a message that nobody changes later."""
        self._connection.execute(INSERT, (UUID(int=2 * HELD + number),))

    def truncate(self) -> None:
        """Truncate the receipts between two that are written in the same transaction."""
        with self._connection.transaction():
            self._connection.execute(READ, (IDS[0], 1))
            self._connection.execute(TRUNCATE)
            self._connection.execute(READ, (IDS[0], 2))

    def _set(self, standby: str | None) -> None:
        value = "''" if standby is None else f"'{standby}'"
        self._connection.execute(f"alter system set synchronous_standby_names = {value}".encode())
        self._connection.execute("select pg_reload_conf()")


def play(
    follower: Follower, *, seed: int, batches: int, is_cut_before_snapshot: bool = False
) -> Outcome:
    """Let writers write while the follower reads, and compare in each batch.

    Args:
        is_cut_before_snapshot: the next batch begins where the log ended before the snapshot was
            taken, which is wrong.
    """
    outcome = Outcome()
    chance = random.Random(seed)
    gate, stop = Gate(follower.url), threading.Event()
    shadow = Shadow(outcome)
    writers = [Writer(follower.url, number, seed, stop) for number in range(WRITERS)]
    try:
        # A slot is not made while a commit hangs, because it waits for all that runs.
        with follower.batch() as (source, reading):
            shadow.take(source, reading)
        for writer in writers:
            writer.start()
        for number in range(batches):
            with gate.held(number):
                before = gate.log_end() if is_cut_before_snapshot else None
                gate.commit(number)
                advances = is_cut_before_snapshot or chance.random() < 0.7
                with follower.batch(advances=advances, position=before) as (source, reading):
                    shadow.take(source, reading)
                outcome.seen["held"] += 1
            if number % 3 == 1:
                gate.truncate()
                outcome.seen["truncate"] += 1
    finally:
        stop.set()
        gate.close()
        for writer in writers:
            if writer.ident is not None:
                writer.join()
            outcome.seen += writer.seen
    with follower.batch() as (source, reading):
        shadow.take(source, reading)
    return outcome


class Shadow:
    """The tables as the batches tell them."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._rows: dict[str, dict[Key, Any]] = {}
        self._counts: dict[str, int] = {}
        self._batches = 0

    def take(self, source: SourceTransaction, reading: Reading) -> None:
        """Take what a batch was told, and compare with the source under its snapshot."""
        self._batches += 1
        self._outcome.seen[reading.mode] += 1
        truth = tables_seen_by(source)
        for table, rows in truth.items():
            told = (reading.changes or {}).get(table)
            if told is None or told.is_truncated:
                self._outcome.seen["scan of a table"] += 1
                self._rows[table], self._counts[table] = dict(rows), len(rows)
                continue
            self._counts[table] += told.added_rows
            for key in told.keys:
                self._rows[table].pop(key, None)
                if key in rows:
                    self._rows[table][key] = rows[key]
            self._compare(table, rows)

    def _compare(self, table: str, rows: dict[Key, Any]) -> None:
        found = self._rows[table]
        if found != rows:
            wrong = {k for k in found.keys() | rows.keys() if found.get(k) != rows.get(k)}
            self._outcome.wrong.append(f"batch {self._batches}: {table} differs at {wrong}")
            self._rows[table] = dict(rows)
        if self._counts[table] != len(rows):
            self._outcome.wrong.append(
                f"batch {self._batches}: {table} has {len(rows)} rows, not {self._counts[table]}"
            )
            self._counts[table] = len(rows)


def tables_seen_by(source: SourceTransaction) -> dict[str, dict[Key, Any]]:
    """The rows of the shadowed tables by key, under the batch's snapshot."""
    name = source.export_snapshot()
    with psycopg.connect(source._url.reveal(), autocommit=True) as connection:
        connection.execute("begin isolation level repeatable read")
        connection.execute(f"set transaction snapshot '{name}'".encode())
        return {
            table: {row[: WIDTHS[table]]: row for row in connection.execute(select.encode())}
            for table, select in SELECTS.items()
        }
