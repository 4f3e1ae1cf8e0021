"""The rows of a source, a generation and a lake as multisets that tests compare.

The queries to the source are plain SQL written for this purpose, and use no file of `sql/`. Tables
of the warehouse are compared through external ids, because two loads may assign different keys.
Where the source holds texts for the ids of the tests, rows found here have the latter (`our_id`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from olap.paths import open_read_only, pattern
from tests.source_schemas import our_id

Rows = Counter[tuple[Any, ...]]

SOURCE = {
    "messages": """
        select created_at at time zone 'UTC', conversation_id, sender_id, message_type,
               char_length(content), updated_at at time zone 'UTC', deleted_at at time zone 'UTC'
        from messages""",
    "read_receipts": """
        select r.read_at at time zone 'UTC', m.conversation_id, r.user_id,
               m.created_at at time zone 'UTC'
        from message_read_receipts r left join messages m on m.id = r.message_id""",
    "events": """
        select created_at at time zone 'UTC', event_type, conversation_id, user_id
        from analytics_events""",
    "reactions": """
        select r.created_at at time zone 'UTC', m.conversation_id, r.user_id, r.emoji,
               m.created_at at time zone 'UTC'
        from message_reactions r left join messages m on m.id = r.message_id""",
    "users": """
        select id, username, is_bot, created_at at time zone 'UTC', deleted_at at time zone 'UTC'
        from users""",
    "conversations": """
        select id, type, title, created_at at time zone 'UTC' from conversations""",
    "participants": """
        select conversation_id, user_id, role, joined_at at time zone 'UTC',
               left_at at time zone 'UTC'
        from conversation_participants""",
}

SOURCE_IDS = {
    "messages": "select id from messages",
    "read_receipts": "select message_id, user_id from message_read_receipts",
    "events": "select id from analytics_events",
    "reactions": "select message_id, user_id, emoji from message_reactions",
}
LAKE_IDS = {
    "messages": "message_id",
    "read_receipts": "message_id, user_id",
    "events": "event_id",
    "reactions": "message_id, user_id, emoji",
}

# Subqueries that replace a key by its id.
_USER = "(select user_id from core.dim_users u where u.user_key = t.{}) as {}"
_ROOM = (
    "(select conversation_id from core.dim_conversations c where c.conversation_key = t.{}) as {}"
)
# The columns with ids, and what they identify.
_KINDS = {
    "user_id": "user",
    "sender_id": "user",
    "user_key": "user",
    "sender_key": "user",
    "conversation_id": "conversation",
    "conversation_key": "conversation",
    "message_id": "message",
    "event_id": "event",
}
# A column with a zone repeats the one before it, and cannot be fetched without the package pytz.
NAIVE = "columns(lambda name: not ends_with(name, '_tz'))"
# Tables and a view about the load itself, which differ between two loads.
LEDGER = {"batches", "table_states", "lake_files", "state", "proofs"}


def of_source(url: str) -> dict[str, Rows]:
    """The tables of the messenger, by plain SELECTs in one snapshot."""
    with psycopg.connect(url) as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        return {
            table: Counter(connection.execute(query.encode()).fetchall())
            for table, query in SOURCE.items()
        }


def of_views(generation: Path) -> dict[str, Rows]:
    """The views of a generation."""
    with open_read_only(generation) as connection:
        return {
            table: rows_of(connection.execute(f"select {NAIVE} from main.{table}"))
            for table in SOURCE
        }


def of_core(database: Path) -> dict[str, Rows]:
    """The tables of facts, dimensions and rollups, with external ids instead of keys."""
    with open_read_only(database) as connection:
        tables: dict[str, list[str]] = {}
        for table, column in connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where schema_name = 'core' order by table_name, column_index"
        ).fetchall():
            tables.setdefault(table, []).append(column)
        found: dict[str, Rows] = {}
        for table, columns in tables.items():
            if table in LEDGER:
                continue
            selected = ", ".join(_through_ids(table, column) for column in columns)
            # A placeholder stays when the facts with its id are gone.
            present = " where t.in_source" if "in_source" in columns else ""
            query = f"select {selected} from core.{table} t{present}"
            found[table] = rows_of(connection.execute(query))
        return found


def of_everything(database: Path) -> dict[str, Rows]:
    """Every table of a warehouse unchanged, including keys and ledger."""
    with open_read_only(database) as connection:
        names = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'core'"
        ).fetchall()
        return {
            name: Counter(
                tuple(map(repr, row))
                for row in connection.execute(f"select * from core.{name}").fetchall()
            )
            for (name,) in names
        }


def lake_ids(lake: Path, paths: dict[str, list[str]]) -> dict[str, Rows]:
    """The ids in the lake's day files, table by table."""
    found: dict[str, Rows] = {}
    for table, columns in LAKE_IDS.items():
        files = [pattern(lake / path) for path in paths.get(table, [])]
        if not files:
            found[table] = Counter()
            continue
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"select {columns} from read_parquet($files)", {"files": files}
            )
            found[table] = rows_of(rows)
    return found


def source_ids(url: str) -> dict[str, Rows]:
    """The ids at the source, table by table."""
    with psycopg.connect(url) as connection:
        return {
            table: Counter(connection.execute(query.encode()).fetchall())
            for table, query in SOURCE_IDS.items()
        }


def differences(found: dict[str, Rows], expected: dict[str, Rows]) -> dict[str, Any]:
    """A few rows per table that only one side has; empty when both are equal."""
    return {
        table: {
            "only found": list((found.get(table, Counter()) - rows).items())[:5],
            "only expected": list((rows - found.get(table, Counter())).items())[:5],
        }
        for table, rows in expected.items()
        if found.get(table) != rows
    }


def offences(database: Path) -> list[tuple[Any, ...]]:
    """The rows that the checks of `sql/checks` return."""
    from olap import proofs

    with open_read_only(database) as connection:
        return [(f"checks/{name}", *row) for name, row in proofs.offences(connection)]


def _through_ids(table: str, column: str) -> str:
    if column in ("user_key", "sender_key"):
        return "t.user_id" if table == "users" else _USER.format(column, column)
    if column == "conversation_key":
        return "t.conversation_id" if table == "conversations" else _ROOM.format(column, column)
    return f"t.{column}"


def rows_of(found: duckdb.DuckDBPyConnection) -> Rows:
    """The rows of a query, with the ids of the tests."""
    kinds = [_KINDS.get(column[0]) for column in found.description]
    return Counter(
        tuple(our_id(k, v) if k else v for k, v in zip(kinds, row, strict=True))
        for row in found.fetchall()
    )
