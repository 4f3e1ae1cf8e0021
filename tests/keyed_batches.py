"""Batches by keys without PostgreSQL: a messenger in memory, and a lake that follows it.

The messenger notes the keys that a feed would tell: of every row that was inserted, updated or
deleted. A batch stages the rows that have these keys, and the rows about changed messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import msgspec
import pyarrow as pa

from etl.forms import schema_of
from olap import proofs
from olap.brake import Brake, Gone
from olap.days import EVERY_DAY, NO_DAY, DaySet
from olap.erasures import Erasures, read_erasures
from olap.extract import Extract, TableExtract
from olap.fold import Folded, fold
from olap.ids import Id, IdType
from olap.layout import Layout
from olap.log import Timer
from olap.manifest import Manifest, SourceShape
from olap.paths import pattern
from olap.removals import Key, count_gone, find_removed, stage_changed_keys
from olap.settings import Settings
from olap.tables import FACTS, MEMBERS, MESSAGES, TABLES, Dimension, Fact, Table
from olap.warehouse import Warehouse, open_warehouse
from tests.factories import an_identity
from tests.fix_pipeline import TIME_ZERO, empty_warehouse

Row = dict[str, Any]
Rows = Counter[tuple[Any, ...]]
BY_NAME = {table.name: table for table in TABLES}
MAX_PERCENT = 100  # nothing is refused
ABOUT_MESSAGES = tuple(fact for fact in FACTS if fact.is_about_message)


def an_id(kind: IdType, number: int) -> Id:
    """The id of a number."""
    ids: dict[IdType, Id] = {
        IdType.INTEGER: number,
        IdType.UUID: UUID(int=number),
        IdType.STRING: f"id {number}",
    }
    return ids[kind]


def naive(moment: datetime) -> datetime:
    """An instant as it is staged: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


@dataclass(slots=True)
class Messenger:
    """A messenger in memory, and the keys that changed since the last batch.

    Attributes:
        tables: the rows of each table by key, with the values of `Table.columns`.
        inserted, changed: as `stage_changed_keys` takes them, but not as texts.
    """

    shape: SourceShape = SourceShape()
    tables: dict[str, dict[tuple[Any, ...], Row]] = field(
        default_factory=lambda: {table.name: {} for table in TABLES}
    )
    inserted: dict[str, set[tuple[Any, ...]]] = field(
        default_factory=lambda: {table.name: set() for table in TABLES}
    )
    changed: dict[str, set[tuple[Any, ...]]] = field(
        default_factory=lambda: {table.name: set() for table in TABLES}
    )

    def put(self, name: str, **values: Any) -> None:
        """Insert a row, or update the row with the same key. Ids are numbers."""
        table = BY_NAME[name]
        row = {column: self._value(table, column, value) for column, value in values.items()}
        key = tuple(row[column] for column in table.key)
        if key in self.tables[name]:
            row = self.tables[name][key] | row
            if key not in self.inserted[name]:
                self.changed[name].add(key)
        elif key not in self.changed[name]:
            self.inserted[name].add(key)
        self.tables[name][key] = dict.fromkeys(table.columns) | row

    def delete(self, name: str, *numbers: Any) -> None:
        """Delete a row."""
        table = BY_NAME[name]
        key = tuple(self._value(table, c, n) for c, n in zip(table.key, numbers, strict=True))
        del self.tables[name][key]
        self.inserted[name].discard(key)
        self.changed[name].add(key)

    def rows(self, name: str) -> list[Row]:
        """The rows of a table; those about messages have their message's conversation and time."""
        return [self._joined(name, row) for row in self.tables[name].values()]

    def changed_rows(self, name: str, gone_messages: Collection[str]) -> list[Row]:
        """What a batch by keys reads of a table."""
        keys = self.inserted[name] | self.changed[name]
        found = {key: row for key, row in self.tables[name].items() if key in keys}
        if any(fact.name == name for fact in ABOUT_MESSAGES):
            messages = self.inserted[MESSAGES.name] | self.changed[MESSAGES.name]
            found |= {
                key: row
                for key, row in self.tables[name].items()
                if key[:1] in messages or str(key[0]) in gone_messages
            }
        return [self._joined(name, row) for row in found.values()]

    def forget_changes(self) -> None:
        """The changes have been read."""
        for keys in (*self.inserted.values(), *self.changed.values()):
            keys.clear()

    def _joined(self, name: str, row: Row) -> Row:
        if not any(fact.name == name for fact in ABOUT_MESSAGES):
            return row
        message = self.tables[MESSAGES.name].get((row["message_id"],), {})
        return row | {
            "conversation_id": message.get("conversation_id"),
            "message_created_at": message.get("created_at"),
        }

    def _value(self, table: Table, column: str, value: Any) -> Any:
        kind = table.columns[column].value
        if kind in ("user", "conversation", "message", "event") and isinstance(value, int):
            return an_id(self.shape.ids.of(kind), value)
        return naive(value) if isinstance(value, datetime) else value


@dataclass(slots=True)
class Follower:
    """A lake and a warehouse that follow a messenger by batches.

    Attributes:
        gone: what the brake said of each fact in the last batch.
        gone_rows: of each dimension, how many rows were gone in the last batch.
    """

    warehouse: Warehouse
    messenger: Messenger
    erasures: Erasures
    manifest: Manifest | None = None
    extract: Extract | None = None
    gone: dict[str, Gone] = field(default_factory=dict)
    gone_rows: dict[str, int] = field(default_factory=dict)
    _known_rows: dict[str, int] = field(default_factory=dict)

    def load(self, coverage: DaySet = EVERY_DAY) -> Folded:
        """Read every table whole."""
        self._begin()
        tables = {}
        for table in TABLES:
            rows = self.messenger.rows(table.name)
            counts = Counter(_day(table, row) for row in rows)
            covered = {d: n for d, n in counts.items() if d is None or d in coverage}
            kept = [row for row in rows if _day(table, row) in covered]
            self._stage(table, kept)
            tables[table.name] = _extract(
                rows=len(kept),
                counts=covered,
                outside_rows=len(rows) - len(kept),
                whole=EVERY_DAY,
            )
        return self._fold(tables, coverage)

    def follow(
        self,
        *,
        touched: Mapping[str, Collection[str]] | None = None,
        whole: Mapping[str, DaySet] | None = None,
        lost: Collection[tuple[str, date]] = (),
        unknown: Collection[str] = (),
    ) -> Folded:
        """Read what changed since the last batch, by keys.

        Args:
            touched: by fact, ids of which rows may be gone.
            whole: by fact, days to read whole besides.
            lost: days whose files cannot be used; they are read whole.
            unknown: tables of which nobody knows how many rows were added.
        """
        before, messenger = self.manifest, self.messenger
        assert before is not None
        self._begin()
        brake = Brake(
            warehouse=self.warehouse, before=before, lost=frozenset(lost), max_percent=MAX_PERCENT
        )
        gone_messages: set[str] = set()
        tables = {}
        for table in TABLES:
            name = table.name
            lost_days = frozenset(day for fact, day in lost if fact == name)
            days = (whole or {}).get(name, NO_DAY)
            rows = {
                tuple(row[c] for c in table.key): row
                for row in messenger.changed_rows(name, gone_messages)
                if _is_covered(table, row, before.coverage)
            }
            rows |= {
                tuple(row[c] for c in table.key): row
                for row in messenger.rows(name)
                if (day := _day(table, row)) is not None and (day in days or day in lost_days)
            }
            self._stage(table, list(rows.values()))
            stage_changed_keys(
                self.warehouse,
                table,
                self.erasures,
                changed=_texts(messenger.changed[name]),
                inserted=_texts(messenger.inserted[name]),
                touched=(touched or {}).get(name, ()),
            )
            removed: Mapping[date, int] = {}
            gone_rows = 0
            if isinstance(table, Fact):
                removed = find_removed(self.warehouse, table, before, lost=frozenset(lost))
                self.gone[name] = brake.gone(table, days, None, removed)
                if table == MESSAGES:
                    ((ids,),) = self.warehouse.run("facts/gone_message_ids")
                    gone_messages = set(msgspec.json.decode(ids, type=list[str]))
            else:
                gone_rows = self.gone_rows[name] = count_gone(self.warehouse, table)
            added = len(messenger.tables[name]) - self._known_rows[name]
            tables[name] = _extract(
                rows=len(rows),
                counts=None,
                added_rows=None if name in unknown else added,
                whole=days,
                lost=lost_days,
                removed=removed,
                gone_rows=gone_rows,
            )
        return self._fold(tables, before.coverage)

    def lake(self, fact: Fact) -> Rows:
        """The rows of a fact's day files; each file must hold its own day."""
        assert self.manifest is not None
        found: Rows = Counter()
        for file in self.manifest.files:
            if file.table != fact.name:
                continue
            path = pattern(self.warehouse.layout.lake / file.path)
            with duckdb.connect() as connection:
                query = "from read_parquet($path, hive_partitioning = false)"
                rows = connection.execute(query, {"path": path}).fetchall()
            at = list(fact.columns).index(fact.time)
            assert {row[at].date() for row in rows} == {file.day}
            assert len(rows) == file.rows
            found.update(rows)
        return found

    def _begin(self) -> None:
        self.warehouse.forget_staged()

    def _stage(self, table: Table, rows: list[Row]) -> None:
        schema = schema_of(table, self.warehouse.ids)
        staged = pa.RecordBatch.from_pylist([row | {"is_new": True} for row in rows], schema)
        masked = pa.Table.from_batches([self.erasures.mask(staged)])
        self.warehouse.stage("tables/stage", masked, table)

    def _fold(self, tables: dict[str, TableExtract], coverage: DaySet) -> Folded:
        for fact in FACTS:
            self.warehouse.run("facts/forget_is_new", fact)
        self.extract = Extract(
            source=an_identity(),
            shape=self.messenger.shape,
            coverage=coverage,
            snapshot="1:1:",
            watermark=1,
            data_through=TIME_ZERO,
            held_back_by=None,
            ms=0,
            tables=tables,
        )
        folded = fold(self.warehouse, self.manifest, self.extract, Timer(), workers=2)
        self.manifest = folded.manifest
        self._known_rows = {name: len(rows) for name, rows in self.messenger.tables.items()}
        self.messenger.forget_changes()
        return folded

    def require_equal(self) -> None:
        """Require that the lake holds the messenger's rows, and the warehouse the lake's."""
        assert self.manifest is not None and self.extract is not None
        for fact in FACTS:
            rows = self.messenger.rows(fact.name)
            expected = Counter(
                tuple(row[column] for column in fact.columns)
                for row in rows
                if _is_covered(fact, row, self.manifest.coverage)
            )
            assert self.lake(fact) == expected, fact.name
        for dimension in DIMENSION_ROWS:
            found = self.warehouse.connection.execute(DIMENSION_ROWS[dimension]).fetchall()
            assert Counter(found) == Counter(list(self.messenger.tables[dimension])), dimension
        proofs.require_agreement(self.warehouse, self.manifest, EVERY_DAY, is_thorough=True)
        assert proofs.miscounted_tables(self.manifest, self.extract) == {}


_MEMBER_KEYS = """
    select c.conversation_id, u.user_id from core.dim_{} m
    join core.dim_conversations c using (conversation_key)
    join core.dim_users u using (user_key)"""
DIMENSION_ROWS = {
    "users": "select user_id from core.dim_users where in_source",
    "conversations": "select conversation_id from core.dim_conversations where in_source",
    **{table.name: _MEMBER_KEYS.format(table.name) for table in MEMBERS},
}


@contextmanager
def follower(directory: Path, messenger: Messenger) -> Iterator[Follower]:
    """A new DATA_DIR in `directory`, opened for batches."""
    settings = Settings(data_dir=directory / "data", source_mapping=messenger.shape.mapping)
    layout = Layout(settings.data_dir)
    layout.create()
    layout.warehouse.write_bytes(empty_warehouse(settings.source_mapping))
    with layout.locked(), open_warehouse(settings) as warehouse:
        yield Follower(warehouse, messenger, read_erasures(layout, messenger.shape.ids.user))


def _extract(**values: Any) -> TableExtract:
    defaults: dict[str, Any] = {
        "relation": "1",
        "columns": "1",
        "outside_rows": 0,
        "is_available": True,
        "bytes": 0,
        "ms": 0,
    }
    return TableExtract(**(defaults | values))


def _day(table: Dimension | Fact, row: Row) -> date | None:
    if isinstance(table, Dimension):
        return None
    moment: datetime = row[table.time]
    return moment.date()


def _is_covered(table: Dimension | Fact, row: Row, coverage: DaySet) -> bool:
    day = _day(table, row)
    return day is None or day in coverage


def _texts(keys: Collection[tuple[Any, ...]]) -> list[Key]:
    return [tuple(map(str, key)) for key in keys]
