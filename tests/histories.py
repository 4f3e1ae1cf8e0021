"""Histories: what happens to a messenger between cycles, written down as steps and played.

A history is a list of steps, and playing it is deterministic: who is drawn where is in the step,
and ids are counted. Several connections take part; transactions stay open across cycles. A deed
counts when it changed a row and its transaction committed; one that met a lock or a key is
rolled back with its transaction and does not count.

Event times lie around the source's own present: among the last two days, which each cycle adds up,
on the days before, long ago, at midnight, and in the future. While a cycle works, and before its
second batch, somebody writes.

After each cycle the published generation is compared with a dump that was taken inside the
snapshot of the cycle's last source transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import etl.extract
import etl.reconcile
from etl.extract import read_batch
from etl.source import SourceTransaction, open_source
from olap.extract import Extract
from olap.settings import Secret, Settings
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import uuid

CONNECTIONS = 4
CYCLES_LATE = 2
USERS = 5
ROOMS = 7
TABLES = (
    "message_read_receipts",
    "analytics_events",
    "conversation_participants",
    "messages",
    "users",
    "conversations",
)

_NEW = "generate_series(%(new)s::int, %(new)s::int + 3) n"
_UUID = "lpad(to_hex(n), 32, '0')::uuid"


def _one(table: str, keys: str) -> str:
    """A condition that picks one row of a table by the step's number."""
    return (
        f"({keys}) = (select {keys} from {table} order by {keys} "
        f"offset %(row)s %% greatest((select count(*) from {table}), 1) limit 1)"
    )


_MESSAGE = _one("messages", "id")
_READ_MESSAGE = _one("messages where id in (select message_id from message_read_receipts)", "id")
_RECEIPT = _one("message_read_receipts", "message_id, user_id")
_EVENT = _one("analytics_events", "id")
_USER = _one("users", "id")
_AUTHOR = _one("users where id in (select sender_id from messages)", "id")
_TALKED_IN = _one(
    "conversations where id in (select conversation_id from messages)",
    "id",
)
_MEMBERSHIP = _one("conversation_participants", "conversation_id, user_id")
_INSERT_MESSAGES = (
    "insert into messages (id, conversation_id, sender_id, content, created_at) "
    f"select {_UUID}, %(room)s, %(user)s, 'hello', %(time)s{{}} from {_NEW}"
)

# What happens to rows, each kind by its name.
ROW_DEEDS = {
    "message": _INSERT_MESSAGES.format(""),
    "backdated message": _INSERT_MESSAGES.format(" - interval '400 days'"),
    "future message": _INSERT_MESSAGES.format(" + interval '9 days'"),
    "message at midnight": "insert into messages "
    "(id, conversation_id, sender_id, content, created_at) "
    f"select {_UUID}, %(room)s, %(user)s, 'hello', %(midnight)s - (n %% 2) "
    f"* interval '1 microsecond' from {_NEW}",
    "receipts": "insert into message_read_receipts (message_id, user_id, read_at) "
    "select id, %(new)s, created_at + interval '3 hours' from messages order by id limit 9",
    "receipt before its message": "insert into message_read_receipts "
    f"(message_id, user_id, read_at) select {_UUID}, %(user)s, %(time)s "
    "from generate_series(%(new)s::int + 8, %(new)s::int + 40) n "
    "on conflict do nothing",
    "message after its receipts": "insert into messages "
    "(id, conversation_id, sender_id, content, created_at) "
    "select distinct message_id, %(room)s, %(user)s::int, 'hello', %(time)s "
    "from message_read_receipts where message_id not in (select id from messages) limit 3",
    "event": "insert into analytics_events (id, event_type, user_id, conversation_id, created_at) "
    f"select {_UUID}, 'message.sent', %(user)s, %(room)s, %(time)s from {_NEW}",
    # People and rooms come from small pools, so that what hangs on them meets them.
    "user": "insert into users (id, username, created_at) "
    f"select n, 'user ' || n, %(time)s from generate_series(%(user)s::int, {USERS} - 1) n "
    "on conflict do nothing",
    "conversation": "insert into conversations (id, type, title, created_at) "
    f"select {_UUID}, 'group', 'room ' || n, %(time)s "
    f"from generate_series(%(row)s %% {ROOMS}, {ROOMS} - 1) n on conflict do nothing",
    "membership": "insert into conversation_participants (conversation_id, user_id, joined_at) "
    "values (%(room)s, %(user)s, %(time)s) on conflict do nothing",
    "edit without updated_at": "update messages set content = repeat('x', %(new)s) "
    f"where {_MESSAGE}",
    "soft delete": f"update messages set deleted_at = %(time)s where {_MESSAGE}",
    "revival": "update messages set deleted_at = null where id = "
    "(select min(id::text)::uuid from messages where deleted_at is not null)",
    "moved message": f"update messages set conversation_id = %(room)s where {_READ_MESSAGE} "
    "and conversation_id <> %(room)s",
    "changed message time": f"update messages set created_at = created_at - interval '3 days' "
    f"where {_MESSAGE}",
    "changed receipt time": "update message_read_receipts set read_at = read_at - "
    f"interval '3 days' where {_RECEIPT}",
    "changed event time": "update analytics_events set created_at = created_at - "
    f"interval '3 days' where {_EVENT}",
    "hard-deleted message": f"delete from messages where {_MESSAGE}",
    "hard-deleted receipt": f"delete from message_read_receipts where {_RECEIPT}",
    "hard-deleted event": f"delete from analytics_events where {_EVENT}",
    "renamed user": f"update users set username = 'renamed ' || %(new)s where {_USER}",
    "hard-deleted user": f"delete from users where {_AUTHOR}",
    "hard-deleted conversation": f"delete from conversations where {_TALKED_IN}",
    "membership change": "update conversation_participants set role = 'role ' || %(new)s, "
    f"left_at = %(time)s where {_MEMBERSHIP}",
    "hard-deleted membership": f"delete from conversation_participants where {_MEMBERSHIP}",
}
# What happens to transactions and tables.
OTHER_DEEDS = (
    "begin",
    "late commit",
    "savepoint",
    "savepoint rolled back",
    "rollback",
    "prepare",
    "prepared commit",
    "truncate",
    "vacuum full",
    "swapped table",
    "column made anew",
    "retyped column",
    "added column",
    "foreign xids",
)
DEEDS = (*ROW_DEEDS, *OTHER_DEEDS)
# What must have happened besides, by itself.
KINDS = (*DEEDS, "cycle of several batches", "write between two batches")
# What somebody does between two batches of a cycle, in turn.
BETWEEN = (
    "edit without updated_at",
    "message",
    "moved message",
    "hard-deleted message",
    "message after its receipts",
    "changed message time",
    "hard-deleted receipt",
    "membership change",
    "hard-deleted membership",
    "event",
)
# A column of each table whose values are lost when it is made anew, and no row version tells.
NULLABLE = {
    "analytics_events": ("user_id", "bigint"),
    "conversation_participants": ("left_at", "timestamptz"),
    "messages": ("updated_at", "timestamptz"),
    "users": ("username", "text"),
    "conversations": ("title", "text"),
}
RETYPED = {
    "analytics_events": "event_type",
    "conversation_participants": "role",
    "messages": "message_type",
    "users": "username",
    "conversations": "title",
}


class Step(msgspec.Struct, frozen=True):
    """A deed of a kind, or a cycle; the numbers choose the connection, the row and the day."""

    kind: str
    connection: int = 0
    row: int = 0
    day: int = 0


CYCLE = Step("cycle")


@dataclass(slots=True)
class Session:
    """One connection of the messenger, and what its open transaction has done so far."""

    connection: psycopg.Connection[Any]
    begun_in: int | None = None
    done: list[str] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.begun_in is not None

    def forget(self) -> None:
        """Be idle again."""
        self.begun_in, self.done, self.marks = None, [], []


@dataclass(slots=True)
class Dump:
    """What the source held in the snapshot of the last source transaction."""

    views: dict[str, contents.Rows] = field(default_factory=dict)
    ids: dict[str, contents.Rows] = field(default_factory=dict)
    taken: int = 0


class History:
    """Plays steps against one fresh database and checks every published generation."""

    def __init__(self, server: str, url: str, data_dir: Path) -> None:
        self.tally: Counter[str] = Counter()
        self.steps: list[Step] = []
        self.pipeline = Pipeline(url, replace(Settings(data_dir=data_dir), repair_max_percent=100))
        self._sessions = [Session(_connect(url)) for _ in range(CONNECTIONS)]
        self._elsewhere = _connect(server)
        row = self._elsewhere.execute(
            "select date_trunc('day', now(), 'UTC') at time zone 'UTC'"
        ).fetchone()
        assert row is not None
        self._today: datetime = row[0].replace(tzinfo=UTC)
        self._copied_in: dict[str, int] = {}
        self._cycles = 0
        self._new = 1
        self._prepared: list[tuple[str, list[str], int]] = []

    def close(self) -> None:
        """Roll back what is open and close the connections."""
        for session in self._sessions:
            session.connection.execute("rollback")
        for name, _, _ in self._prepared:
            self._sessions[0].connection.execute(f"rollback prepared '{name}'".encode())
        for connection in [self._elsewhere, *(s.connection for s in self._sessions)]:
            connection.close()

    def play(self, step: Step) -> None:
        """Do what the step says, if it can be done now."""
        self.steps.append(step)
        self._new += 4
        session = self._sessions[step.connection % CONNECTIONS]
        if step.kind == "cycle":
            self._cycle()
        elif step.kind in ROW_DEEDS:
            self._row_deed(session, step)
        else:
            getattr(self, "_" + step.kind.replace(" ", "_"))(session, step)

    def finish(self) -> None:
        """End with what every history has: late commits, savepoints, a prepared transaction."""
        for connection in range(1, CONNECTIONS):
            self.play(Step("begin", connection))
            self.play(Step("event", connection))
            # An edit, not only news: the counts do not tell when it is missed.
            self.play(Step("edit without updated_at", connection, row=connection))
        for kind in ("savepoint", "savepoint", "savepoint rolled back", "prepare"):
            self.play(Step(kind))
        late = [CYCLE] * CYCLES_LATE + [Step("late commit")] * CONNECTIONS
        for step in [*late, *[Step("prepared commit")] * len(self._prepared), CYCLE]:
            self.play(step)

    def _row_deed(self, session: Session, step: Step) -> None:
        midnight = self._today - timedelta(days=step.day)
        values = {
            "row": step.row,
            "user": step.row % USERS,
            "room": uuid(step.row % ROOMS),
            "time": midnight + timedelta(hours=step.row % 24, microseconds=self._new),
            "midnight": midnight,
            "new": self._new,
        }
        try:
            found = session.connection.execute(ROW_DEEDS[step.kind].encode(), values)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation):
            session.connection.execute("rollback")
            session.forget()
            return
        if found.rowcount > 0 and session.is_open:
            session.done.append(step.kind)
        elif found.rowcount > 0:
            self.tally[step.kind] += 1

    def _begin(self, session: Session, step: Step) -> None:
        # One connection stays idle: somebody must be able to truncate.
        if session.is_open or session is self._sessions[0]:
            return
        session.connection.execute("begin")
        session.begun_in = self._cycles
        self.tally["begin"] += 1

    def _late_commit(self, session: Session, step: Step) -> None:
        for late in self._sessions:
            if late.begun_in is not None and self._cycles - late.begun_in >= CYCLES_LATE:
                late.connection.execute("commit")
                self.tally.update([*late.done, *(["late commit"] if late.done else [])])
                self.tally["savepoint"] += len(late.marks) if late.done else 0
                late.forget()
                return

    def _savepoint(self, session: Session, step: Step) -> None:
        for other in self._sessions:
            if other.is_open:
                other.connection.execute(f"savepoint s{len(other.marks)}".encode())
                other.marks.append(len(other.done))
                # A savepoint is a transaction of its own only once it has written.
                self._new += 4
                self._row_deed(other, Step("message", row=step.row, day=step.day))

    def _savepoint_rolled_back(self, session: Session, step: Step) -> None:
        for other in self._sessions:
            if other.marks and len(other.done) > other.marks[-1]:
                mark = other.marks.pop()
                other.connection.execute(f"rollback to savepoint s{len(other.marks)}".encode())
                del other.done[mark:]
                self.tally[step.kind] += 1
                return

    def _rollback(self, session: Session, step: Step) -> None:
        for other in self._sessions:
            if other.done:
                other.connection.execute("rollback")
                other.forget()
                self.tally["rollback"] += 1
                return

    def _prepare(self, session: Session, step: Step) -> None:
        for other in reversed(self._sessions):
            if other.done:
                database = other.connection.info.dbname
                name = f"{database} {len(self.steps)}"
                other.connection.execute(f"prepare transaction '{name}'".encode())
                savepoints = ["savepoint"] * len(other.marks)
                self._prepared.append((name, other.done + savepoints, self._cycles))
                other.forget()
                self.tally["prepare"] += 1
                return

    def _prepared_commit(self, session: Session, step: Step) -> None:
        if self._prepared and self._prepared[0][2] < self._cycles:
            name, done, _ = self._prepared.pop(0)
            self._sessions[0].connection.execute(f"commit prepared '{name}'".encode())
            self.tally.update([*done, "prepared commit"])

    def _truncate(self, session: Session, step: Step) -> None:
        self._on_a_table(step, lambda table: f"truncate {table}")

    def _vacuum_full(self, session: Session, step: Step) -> None:
        self._on_a_table(step, lambda table: f"vacuum full {table}")

    def _swapped_table(self, session: Session, step: Step) -> None:
        """Put a copy from an earlier cycle in the table's place: its rows have old xmins."""

        def swap(table: str) -> str | None:
            if self._copied_in.get(table, self._cycles) == self._cycles:
                return None
            return (
                f"begin; lock {table} in access exclusive mode; drop table {table}; "
                f"alter table copy_of_{table} rename to {table}; commit"
            )

        self._copied_in.pop(self._on_a_table(step, swap), None)
        self._copy_tables(session, step)

    def _copy_tables(self, session: Session, step: Step) -> None:
        """Copy each table that has no copy waiting."""
        for table in TABLES:
            if table not in self._copied_in:
                self._sessions[0].connection.execute(
                    f"create table copy_of_{table} (like {table} including all); "
                    f"insert into copy_of_{table} select * from {table}".encode()
                )
                self._copied_in[table] = self._cycles

    def _column_made_anew(self, session: Session, step: Step) -> None:
        def remake(table: str) -> str | None:
            if table not in NULLABLE:
                return None
            name, kind = NULLABLE[table]
            return f"alter table {table} drop column {name}, add column {name} {kind}"

        self._on_a_table(step, remake)

    def _retyped_column(self, session: Session, step: Step) -> None:
        kind = ("text", "varchar(99)")[self._new // 4 % 2]

        def retype(table: str) -> str | None:
            if table not in RETYPED:
                return None
            return f"alter table {table} alter column {RETYPED[table]} type {kind}"

        self._on_a_table(step, retype)

    def _added_column(self, session: Session, step: Step) -> None:
        """A column that is not read: it comes, and goes again."""
        self._on_a_table(
            step,
            lambda table: (
                f"alter table {table} add column more int default 7; "
                f"alter table {table} drop column more"
            ),
        )

    def _on_a_table(self, step: Step, statement: Callable[[str], str | None]) -> str:
        """Do it to the first table, from the step's on, that nobody holds and that it suits.

        Returns:
            The table's name; the empty text when there is none.
        """
        connection = self._sessions[0].connection
        first = step.row % len(TABLES)
        for table in TABLES[first:] + TABLES[:first]:
            deed = statement(table)
            if deed is None:
                continue
            try:
                connection.execute(deed.encode())
            except psycopg.errors.LockNotAvailable:
                connection.execute("rollback")
                continue
            self.tally[step.kind] += 1
            return table
        return ""

    def _foreign_xids(self, session: Session, step: Step) -> None:
        for _ in range(1 + step.row % 20):
            self._elsewhere.execute("select pg_current_xact_id()")
        self.tally["foreign xids"] += 1

    def _cycle(self) -> None:
        with (
            dumps_inside_snapshots() as dump,
            patch.object(etl.reconcile, "read_batch", self._read_batch_after_writes(dump)),
        ):
            report = self.pipeline.cycle()
        self._cycles += 1
        self.tally["cycle"] += 1
        self.tally["cycle of several batches"] += dump.taken > 1
        assert report.reconciled.is_settled, report.reconciled
        published, manifest = self.pipeline.published, self.pipeline.manifest()
        assert contents.differences(contents.of_views(published), dump.views) == {}
        paths: dict[str, list[str]] = {}
        for file in manifest.files:
            paths.setdefault(file.table, []).append(file.path)
        lake = contents.lake_ids(self.pipeline.layout.lake, paths)
        assert contents.differences(lake, dump.ids) == {}
        assert contents.offences(published) == []

    def _read_batch_after_writes(self, dump: Dump) -> Callable[..., Extract]:
        """`read_batch`, before whose second call of a cycle somebody writes."""

        def read(*arguments: Any) -> Extract:
            if dump.taken == 1:
                before = self.tally.total()
                for number in range(3):
                    turn = 3 * self._cycles + number
                    self._new += 4
                    kind = BETWEEN[turn % len(BETWEEN)]
                    self._row_deed(self._sessions[0], Step(kind, row=turn, day=turn % 3))
                self.tally["write between two batches"] += self.tally.total() - before
            return read_batch(*arguments)

        return read


@contextmanager
def dumps_inside_snapshots() -> Iterator[Dump]:
    """Dump the six tables in each source transaction's own snapshot; the last dump stays."""
    dump = Dump()

    @contextmanager
    def opened(url: Secret, **options: Any) -> Iterator[SourceTransaction]:
        with open_source(url, **options) as source:
            with source._connection.cursor() as cursor:
                cursor.execute("select pg_export_snapshot()")
                (name,) = cursor.fetchone() or ("",)
            with psycopg.connect(url.reveal()) as connection:
                connection.execute("set transaction isolation level repeatable read read only")
                connection.execute(f"set transaction snapshot '{name}'".encode())
                dump.views = _bags(connection, contents.SOURCE)
                dump.ids = _bags(connection, contents.SOURCE_IDS)
            dump.taken += 1
            yield source

    with patch.object(etl.extract, "open_source", opened):
        yield dump


def _bags(connection: psycopg.Connection[Any], queries: dict[str, str]) -> dict[str, contents.Rows]:
    return {t: Counter(connection.execute(q.encode()).fetchall()) for t, q in queries.items()}


def _connect(url: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("set lock_timeout = '5ms'")
    return connection


class HistoryMachine(RuleBasedStateMachine):
    """Draws histories: every kind once in some order, then again, with cycles in between."""

    def __init__(self, history: History, tally: Counter[str]) -> None:
        super().__init__()
        self.history, self.tally = history, tally
        self.order: tuple[str, ...] = DEEDS
        self.next = 0
        self.is_sound = True

    @initialize(order=st.permutations(DEEDS))
    def start(self, order: list[str]) -> None:
        """Fill the tables and read them once, and open the first transactions."""
        self.order = tuple(order)
        first = ("user", "conversation", "membership", "message", "event", "receipts")
        steps = [Step(kind, row=n, day=n) for n in range(3) for kind in first]
        begins = [Step("begin", connection=c) for c in (1, 2, 3)]
        self._play(*steps, Step("copy tables"), CYCLE, *begins)

    @rule(
        numbers=st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 6)),
            min_size=6,
            max_size=12,
        )
    )
    def some_deeds_and_a_cycle(self, numbers: list[tuple[int, int, int]]) -> None:
        """The next few kinds in this history's order, then a cycle."""
        for connection, row, day in numbers:
            kind = self.order[self.next % len(self.order)]
            self.next += 1
            self._play(Step(kind, connection, row, day))
        self._play(CYCLE)

    def teardown(self) -> None:
        """Finish a history that held so far, and count its deeds."""
        try:
            if self.is_sound:
                self.history.finish()
            self.is_sound = True
        finally:
            self.tally.update(self.history.tally)
            self.history.close()

    def _play(self, *steps: Step) -> None:
        self.is_sound = False
        for step in steps:
            self.history.play(step)
        self.is_sound = True
