"""The bench's questions to chDB, which is ClickHouse in the process.

    build/bench/venv/bin/python tests/bench/chdb_metrics.py '{"files": …}'

This script runs in the environment of the peers and imports nothing of the project. `peer_times`
starts it. It prints the rows of each question as JSON and the times in milliseconds.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from chdb import session  # type: ignore[import-not-found]

_TABLES = {
    "messages": """
        create table messages engine = MergeTree order by created_at as
        select created_at, conversation_key, sender_key, message_type, content_length, deleted_at
        from file({file}, Parquet)
    """,
    "read_receipts": """
        create table read_receipts engine = MergeTree order by read_at as
        select read_at, user_key, conversation_key, message_created_at from file({file}, Parquet)
    """,
    "users": """
        create table users engine = MergeTree order by user_key as
        select * from file({file}, Parquet)
    """,
    "conversations": """
        create table conversations engine = MergeTree order by conversation_key as
        select * from file({file}, Parquet)
    """,
}
# MergeTree does not sort by a nullable column, and Parquet columns are nullable by default.
_SETTINGS = "settings schema_inference_make_columns_nullable = 'auto'"


def main(order: dict[str, Any]) -> None:
    """Load the files `order["files"]`, then ask each of `order["questions"]` `times` times.

    Args:
        order: also `database` (a new directory), `times` and `threads`.
    """
    with session.Session(order["database"]) as database:
        database.query("create database if not exists bench engine = Atomic")
        database.query("use bench")
        for table, file in order["files"].items():
            quoted = "'" + file.replace("'", "\\'") + "'"
            database.query(f"{_TABLES[table].format(file=quoted)} {_SETTINGS}")
            database.query(f"optimize table {table} final")
        answers = [_answer(database, question, order) for question in order["questions"]]
    print(json.dumps(answers))


def _answer(database: Any, question: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    statement = f"{question['sql']} settings max_threads = {order['threads']}"
    ms, text = [], ""
    for _ in range(order["times"]):
        started = time.perf_counter()
        text = str(database.query(statement, "JSONCompact", params=question["values"]))
        ms.append((time.perf_counter() - started) * 1000)
    return {"rows": json.loads(text)["data"], "ms": ms}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
