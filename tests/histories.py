"""Histories: sequences of changes to a messenger, with cycles in between.

A history is a list of steps, and playing it is deterministic: a step names its connection, row and
day, and ids are counted. A history has several connections, and transactions stay open across
cycles. An action counts when it changed a row and its transaction committed; an action that met a
lock or a duplicate key is rolled back with its transaction and does not count.

Event times are around the source's present: in the last two days, on the days before, long ago, at
midnight, and in the future. Rows are also written while a cycle runs, before its second batch.

After each cycle the published generation is compared with a dump of the snapshot of the cycle's
last source transaction, and its rollups with a naive count of that dump.
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
from olap.errors import SourceError
from olap.extract import Extract
from olap.manifest import Mode
from olap.secret import Secret
from olap.settings import Settings
from tests import contents, naive_rollups
from tests.fix_feeds import install_feed
from tests.fix_pipeline import Pipeline
from tests.source_schemas import SourceSchema
from tests.world import uuid

CONNECTIONS = 4
CYCLES_LATE = 2
USERS = 5
ROOMS = 7
TABLES = (
    "message_read_receipts",
    "message_reactions",
    "analytics_events",
    "conversation_participants",
    "messages",
    "users",
    "conversations",
)

_NEW = "generate_series(%(new)s::int, %(new)s::int + 3) n"
_UUID = "lpad(to_hex(n), 32, '0')::uuid"


def _one(table: str, keys: str) -> str:
    """A condition that selects one row of a table by the step's number."""
    return (
        f"({keys}) = (select {keys} from {table} order by {keys} "
        f"offset %(row)s %% greatest((select count(*) from {table}), 1) limit 1)"
    )


_MESSAGE = _one("messages", "id")
_READ_MESSAGE = _one("messages where id in (select message_id from message_read_receipts)", "id")
_RECEIPT = _one("message_read_receipts", "message_id, user_id")
_REACTION = _one("message_reactions", "message_id, user_id, emoji")
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

# Changes of rows, by name.
ROW_ACTIONS = {
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
    "reactions": "insert into message_reactions (message_id, user_id, emoji, created_at) "
    "select id, %(new)s, chr(128512 + %(row)s), created_at + interval '2 hours' from messages "
    "order by id desc limit 9",
    "message after its receipts": "insert into messages "
    "(id, conversation_id, sender_id, content, created_at) "
    "select distinct message_id, %(room)s, %(user)s::int, 'hello', %(time)s "
    "from message_read_receipts where message_id not in (select id from messages) limit 3",
    "event": "insert into analytics_events (id, event_type, user_id, conversation_id, created_at) "
    f"select {_UUID}, 'message.sent', %(user)s, %(room)s, %(time)s from {_NEW}",
    # Users and conversations come from small pools, so that other rows often refer to them.
    "user": "insert into users (id, username, created_at) "
    f"select n, 'user ' || n, %(time)s from generate_series(%(user)s::int, {USERS} - 1) n "
    "on conflict do nothing",
    "conversation": "insert into conversations (id, type, title, created_at) "
    f"select {_UUID}, 'group', 'room ' || n, %(time)s "
    f"from generate_series(%(row)s %% {ROOMS}, {ROOMS} - 1) n on conflict do nothing",
    "membership": "insert into conversation_participants (conversation_id, user_id, joined_at) "
    "values (%(room)s, %(user)s, %(time)s) on conflict do nothing",
    # An outcome depends on messages and receipts less than a day away.
    "message a day later": "insert into messages "
    "(id, conversation_id, sender_id, content, created_at) "
    f"select {_UUID}, conversation_id, %(user)s, 'hello', "
    "created_at + interval '1 day' - (n %% 2) * interval '1 microsecond' "
    f"from messages cross join {_NEW} where {_MESSAGE}",
    "receipt a day later": "insert into message_read_receipts (message_id, user_id, read_at) "
    "select id, %(user)s, created_at + interval '1 day' - (%(row)s %% 2) "
    f"* interval '1 microsecond' from messages where {_MESSAGE} on conflict do nothing",
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
    "changed reaction time": "update message_reactions set created_at = created_at - "
    f"interval '3 days' where {_REACTION}",
    "reaction taken back": f"delete from message_reactions where {_REACTION}",
    "hard-deleted event": f"delete from analytics_events where {_EVENT}",
    "renamed user": f"update users set username = 'renamed ' || %(new)s where {_USER}",
    "bot or person": f"update users set is_bot = not is_bot where {_AUTHOR}",
    "other type": "update conversations set type = case type when 'group' then 'direct' "
    f"else 'group' end where {_TALKED_IN}",
    "hard-deleted user": f"delete from users where {_AUTHOR}",
    "hard-deleted conversation": f"delete from conversations where {_TALKED_IN}",
    "membership change": "update conversation_participants set role = 'role ' || %(new)s, "
    f"left_at = %(time)s where {_MEMBERSHIP}",
    "hard-deleted membership": f"delete from conversation_participants where {_MEMBERSHIP}",
}
# Actions on transactions and tables.
OTHER_ACTIONS = (
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
    "recreated column",
    "retyped column",
    "added column",
    "foreign xids",
    "feed installed",
)
ACTIONS = (*ROW_ACTIONS, *OTHER_ACTIONS)
# What must result from the actions: hard deletes leave no row to scan, only counts that differ, so
# that a second batch must find them; a feed tells them in the first.
EXPECTED = {
    Mode.SCAN: (*ACTIONS, "cycle of several batches", "write between two batches"),
    Mode.SLOT: (*ACTIONS, "batch by keys"),
    Mode.LOG: (*ACTIONS, "batch by keys"),
}
# The changes between two batches of a cycle, in turn.
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
# A column of each table; recreating it loses its values without writing a row version.
NULLABLE = {
    "analytics_events": "user_id",
    "conversation_participants": "left_at",
    "messages": "updated_at",
    "users": "username",
    "conversations": "title",
}
RETYPED = {
    "message_reactions": "emoji",
    "analytics_events": "event_type",
    "conversation_participants": "role",
    "messages": "message_type",
    "users": "username",
    "conversations": "title",
}


class Step(msgspec.Struct, frozen=True):
    """An action, or a cycle; the numbers choose the connection, the row and the day."""

    kind: str
    connection: int = 0
    row: int = 0
    day: int = 0


CYCLE = Step("cycle")


@dataclass(slots=True)
class Session:
    """One connection of the messenger, and the actions of its open transaction."""

    connection: psycopg.Connection[Any]
    begun_in: int | None = None
    done: list[str] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether a transaction is open."""
        return self.begun_in is not None

    def forget(self) -> None:
        """Forget the transaction, which has ended."""
        self.begun_in, self.done, self.marks = None, [], []


@dataclass(slots=True)
class Dump:
    """The content of the source in the snapshot of the last source transaction."""

    views: dict[str, contents.Rows] = field(default_factory=dict)
    ids: dict[str, contents.Rows] = field(default_factory=dict)
    taken: int = 0


class History:
    """Plays steps on one new database and checks every published generation."""

    def __init__(
        self,
        server: str,
        url: str,
        data_dir: Path,
        schema: SourceSchema,
        mode: Mode = Mode.SCAN,
    ) -> None:
        self.tally: Counter[str] = Counter()
        self.steps: list[Step] = []
        self._mode = mode
        settings = Settings(data_dir=data_dir, source_mapping=schema.mapping, etl_mode=mode.value)
        self.pipeline = Pipeline(url, replace(settings, repair_max_percent=100))
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
        """Roll back open transactions and close the connections."""
        for session in self._sessions:
            session.connection.execute("rollback")
        for name, _, _ in self._prepared:
            self._sessions[0].connection.execute(f"rollback prepared '{name}'".encode())
        for connection in [self._elsewhere, *(s.connection for s in self._sessions)]:
            connection.close()

    def play(self, step: Step) -> None:
        """Perform the step, if this is possible now."""
        self.steps.append(step)
        self._new += 4
        session = self._sessions[step.connection % CONNECTIONS]
        if step.kind == "cycle":
            self._cycle()
        elif step.kind in ROW_ACTIONS:
            self._row_action(session, step)
        else:
            getattr(self, "_" + step.kind.replace(" ", "_"))(session, step)

    def finish(self) -> None:
        """End with what every history has: late commits, savepoints, a prepared transaction."""
        for connection in range(1, CONNECTIONS):
            self.play(Step("begin", connection))
            self.play(Step("event", connection))
            # An edit, because row counts do not reveal a missed edit.
            self.play(Step("edit without updated_at", connection, row=connection))
        for kind in ("savepoint", "savepoint", "savepoint rolled back", "prepare"):
            self.play(Step(kind))
        late = [CYCLE] * CYCLES_LATE + [Step("late commit")] * CONNECTIONS
        for step in [*late, *[Step("prepared commit")] * len(self._prepared), CYCLE]:
            self.play(step)

    def _row_action(self, session: Session, step: Step) -> None:
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
            found = session.connection.execute(ROW_ACTIONS[step.kind].encode(), values)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation):
            session.connection.execute("rollback")
            session.forget()
            return
        if found.rowcount > 0 and session.is_open:
            session.done.append(step.kind)
        elif found.rowcount > 0:
            self.tally[step.kind] += 1

    def _begin(self, session: Session, step: Step) -> None:
        # One connection stays idle, so that tables can be truncated.
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
                # A savepoint gets its own xid only when it writes.
                self._new += 4
                self._row_action(other, Step("message", row=step.row, day=step.day))

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
        self._on_a_table(step, lambda table: f"truncate {self.pipeline.schema.table(table)}")

    def _vacuum_full(self, session: Session, step: Step) -> None:
        self._on_a_table(step, lambda table: f"vacuum full {self.pipeline.schema.table(table)}")

    def _swapped_table(self, session: Session, step: Step) -> None:
        """Replace the table by a copy from an earlier cycle, whose rows have old xmins."""

        def swap(table: str) -> str | None:
            if self._copied_in.get(table, self._cycles) == self._cycles:
                return None
            old, name = self.pipeline.schema.table(table), self.pipeline.schema.bare_table(table)
            return (
                f"begin; lock {old} in access exclusive mode; drop table {old}; "
                f"alter table {self._copy(table)} rename to {name}; commit"
            )

        self._copied_in.pop(self._on_a_table(step, swap), None)
        self._copy_tables(session, step)

    def _copy_tables(self, session: Session, step: Step) -> None:
        """Copy each table that has no copy."""
        for table in TABLES:
            if table not in self._copied_in:
                original, copy = self.pipeline.schema.table(table), self._copy(table)
                self._sessions[0].connection.execute(
                    f"create table {copy} (like {original} including all); "
                    f"insert into {copy} select * from {original}".encode()
                )
                self._copied_in[table] = self._cycles

    def _copy(self, table: str) -> str:
        return f"{self.pipeline.schema.namespace}.copy_of_{table}"

    def _recreated_column(self, session: Session, step: Step) -> None:
        def recreate(table: str) -> str | None:
            if table not in NULLABLE:
                return None
            name, kind = self.pipeline.schema.column(table, NULLABLE[table])
            changes = f"drop column {name}, add column {name} {kind}"
            return f"alter table {self.pipeline.schema.table(table)} {changes}"

        self._on_a_table(step, recreate)

    def _retyped_column(self, session: Session, step: Step) -> None:
        kind = ("text", "varchar(99)")[self._new // 4 % 2]

        def retype(table: str) -> str | None:
            if table not in RETYPED:
                return None
            name, _ = self.pipeline.schema.column(table, RETYPED[table])
            return (
                f"alter table {self.pipeline.schema.table(table)} alter column {name} type {kind}"
            )

        self._on_a_table(step, retype)

    def _added_column(self, session: Session, step: Step) -> None:
        """Add and drop a column that no SELECT reads."""
        self._on_a_table(
            step,
            lambda table: (
                f"alter table {self.pipeline.schema.table(table)} add column more int default 7; "
                f"alter table {self.pipeline.schema.table(table)} drop column more"
            ),
        )

    def _on_a_table(self, step: Step, statement: Callable[[str], str | None]) -> str:
        """Execute a statement for the first unlocked table, from the step's on, that has one.

        Returns:
            The table's name; the empty string when there is none.
        """
        connection = self._sessions[0].connection
        first = step.row % len(TABLES)
        for table in TABLES[first:] + TABLES[:first]:
            text = statement(table)
            if text is None:
                continue
            try:
                connection.execute(text.encode())
            except (psycopg.errors.LockNotAvailable, psycopg.errors.FeatureNotSupported):
                # Of a column that a publication lists, PostgreSQL refuses to change the type.
                connection.execute("rollback")
                continue
            self.tally[step.kind] += 1
            return table
        return ""

    def _feed_installed(self, session: Session, step: Step) -> None:
        """Install the feed, or let it follow tables that were swapped."""
        if self._mode is not Mode.SCAN:
            try:
                install_feed(self.pipeline, self._mode)
            except SourceError:
                return  # a table is locked by an open transaction
        self.tally["feed installed"] += 1

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
        self.tally["batch by keys"] += report.extract.mode is not Mode.SCAN
        assert report.reconciled.is_settled, report.reconciled
        published, manifest = self.pipeline.published, self.pipeline.manifest()
        assert contents.differences(contents.of_views(published), dump.views) == {}
        rollups = naive_rollups.of_source(dump.views)
        assert contents.differences(contents.of_core(published), rollups) == {}
        paths: dict[str, list[str]] = {}
        for file in manifest.files:
            paths.setdefault(file.table, []).append(file.path)
        lake = contents.lake_ids(self.pipeline.layout.lake, paths)
        assert contents.differences(lake, dump.ids) == {}
        assert contents.offences(published) == []

    def _read_batch_after_writes(self, dump: Dump) -> Callable[..., Extract]:
        """A `read_batch` that writes rows before its second call in a cycle."""

        def read(*arguments: Any) -> Extract:
            if dump.taken == 1:
                before = self.tally.total()
                for number in range(3):
                    turn = 3 * self._cycles + number
                    self._new += 4
                    kind = BETWEEN[turn % len(BETWEEN)]
                    self._row_action(self._sessions[0], Step(kind, row=turn, day=turn % 3))
                self.tally["write between two batches"] += self.tally.total() - before
            return read_batch(*arguments)

        return read


@contextmanager
def dumps_inside_snapshots() -> Iterator[Dump]:
    """Dump the tables in the snapshot of each source transaction; the last dump stays."""
    dump = Dump()

    @contextmanager
    def opened(url: Secret, *arguments: Any) -> Iterator[SourceTransaction]:
        with open_source(url, *arguments) as source:
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
    """Draws histories: every action once in some order, repeatedly, with cycles in between."""

    def __init__(self, history: History, tally: Counter[str]) -> None:
        super().__init__()
        self.history, self.tally = history, tally
        self.order: tuple[str, ...] = ACTIONS
        self.next = 0
        self.has_held = True

    @initialize(order=st.permutations(ACTIONS))
    def start(self, order: list[str]) -> None:
        """Fill the tables and read them once, and open the first transactions."""
        self.order = tuple(order)
        first = ("user", "conversation", "membership", "message", "event", "receipts")
        steps = [Step(kind, row=n, day=n) for n in range(3) for kind in first]
        steps += [Step("feed installed")]
        begins = [Step("begin", connection=c) for c in (1, 2, 3)]
        self._play(*steps, Step("copy tables"), CYCLE, *begins)

    @rule(
        numbers=st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 6)),
            min_size=6,
            max_size=12,
        )
    )
    def some_actions_and_a_cycle(self, numbers: list[tuple[int, int, int]]) -> None:
        """Play the next few actions in this history's order, then a cycle."""
        for connection, row, day in numbers:
            kind = self.order[self.next % len(self.order)]
            self.next += 1
            self._play(Step(kind, connection, row, day))
        self._play(CYCLE)

    def teardown(self) -> None:
        """Finish a history that has not failed, and count its actions."""
        try:
            if self.has_held:
                self.history.finish()
            self.has_held = True
        finally:
            self.tally.update(self.history.tally)
            self.history.close()

    def _play(self, *steps: Step) -> None:
        self.has_held = False
        for step in steps:
            self.history.play(step)
        self.has_held = True
