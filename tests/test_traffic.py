"""The traffic generator: reproducible, complete, consistent, and loaded by schema.sql."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.sandbox import pgcopy
from etl.sandbox.events import EVENT_TYPES
from etl.sandbox.load import TABLES, Counts, TableRows, create_schema
from etl.sandbox.messages import MESSAGE_TYPES
from etl.sandbox.postgres import create_database, drop_database
from etl.sandbox.traffic import TrafficPlan, generate, load
from olap.errors import SandboxError

UNTIL = datetime(2026, 3, 1, 9, 30, 0, 123_456, tzinfo=UTC)
MESSAGES = 20_000

KEYS = {
    "users": ["id"],
    "conversations": ["id"],
    "conversation_participants": ["conversation_id", "user_id"],
    "messages": ["id"],
    "message_read_receipts": ["message_id", "user_id"],
    "analytics_events": ["id"],
}

Tables = dict[str, pl.DataFrame]


def plan(
    messages: int = MESSAGES, days: int = 60, seed: int = 7, until: datetime = UNTIL
) -> TrafficPlan:
    """A plan with defaults for tests."""
    return TrafficPlan(messages=messages, days=days, seed=seed, until=until)


def tables(of: TrafficPlan) -> Tables:
    """All rows of a plan, by table, in the order in which they are written."""
    parts: dict[str, list[pl.DataFrame]] = {table: [] for table in TABLES}
    for part in generate(of):
        parts[part.table].append(part.rows)
    return {table: pl.concat(frames) for table, frames in parts.items()}


def fingerprint(of: TrafficPlan) -> str:
    """A hash of all rows, in the order in which they are written."""
    digest = hashlib.sha256()
    for part in generate(of):
        digest.update(part.table.encode() + part.rows.write_csv().encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def generated() -> Tables:
    """The tables of the default test plan."""
    return tables(plan())


@pytest.fixture(scope="module")
def read(generated: Tables) -> pl.DataFrame:
    """Receipts, each with its message."""
    messages = generated["messages"].rename({"id": "message_id"})
    return generated["message_read_receipts"].join(messages, on="message_id", how="left")


def test_same_plan_gives_the_same_bytes() -> None:
    """Equal plans give equal bytes in equal order."""
    assert fingerprint(plan()) == fingerprint(plan())


@pytest.mark.parametrize(
    "other",
    [plan(seed=8), plan(messages=MESSAGES + 1), plan(days=61), plan(until=UNTIL + timedelta(1))],
)
def test_another_plan_gives_other_messages(generated: Tables, other: TrafficPlan) -> None:
    """Each part of a plan changes the messages: seed, size, days and end."""
    assert not tables(other)["messages"].equals(generated["messages"])


def test_counts_are_as_planned(generated: Tables) -> None:
    """Messages, users and conversations are exact; receipts and events near 1.5 and 1 each."""
    assert len(generated["messages"]) == MESSAGES
    assert len(generated["users"]) == plan().users
    assert len(generated["conversations"]) == plan().conversations
    assert 1.2 < len(generated["message_read_receipts"]) / MESSAGES < 1.8
    assert 0.9 < len(generated["analytics_events"]) / MESSAGES < 1.4


def test_sizes_grow_more_slowly_than_messages() -> None:
    """100,000 messages have 2,000 users and 1,500 conversations; 5 million about 50,000 users."""
    assert (plan(messages=100_000).users, plan(messages=100_000).conversations) == (2_000, 1_500)
    assert 45_000 < plan(messages=5_000_000).users < 55_000


def test_keys_are_unique(generated: Tables) -> None:
    """No primary key occurs twice, over all chunks."""
    for table, key in KEYS.items():
        assert not generated[table].select(key).is_duplicated().any(), table


def test_ids_are_version_4(generated: Tables) -> None:
    """Every uuid has version 4 and the RFC's variant."""
    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    for table in ("conversations", "messages", "analytics_events"):
        assert generated[table]["id"].str.contains(pattern).all(), table


def test_every_message_type_is_generated(generated: Tables) -> None:
    """All types, including a rare unknown one; contents are null, empty, long and multi-byte."""
    messages = generated["messages"]
    assert set(messages["message_type"].unique()) == set(MESSAGE_TYPES)
    types = dict(messages["message_type"].value_counts().iter_rows())
    assert types["text"] > 0.8 * MESSAGES
    assert types["sticker"] < 0.01 * MESSAGES
    images = messages.filter(message_type="image")["content"]
    assert 0 < images.null_count() < len(images)
    text = messages.filter(message_type="text")["content"]
    assert text.null_count() == 0
    assert (text == "").sum() > 0
    assert (text.str.len_chars() > 200).sum() > 0
    assert text.str.contains("[\u0400-\u04ff]").sum() > 0
    assert text.str.contains("[\U0001f300-\U0001faff]").sum() > 0
    assert text.str.contains("\n").sum() > 0
    assert (text.str.len_bytes() != text.str.len_chars()).sum() > 0
    assert 20 < text.str.len_chars().median() < 60  # type: ignore[operator]


def test_every_event_type_is_generated(generated: Tables) -> None:
    """All ten types; some events have no user, some no conversation; metadata are objects."""
    events = generated["analytics_events"]
    assert set(events["event_type"].unique()) == set(EVENT_TYPES)
    assert len(EVENT_TYPES) == 10
    assert events["user_id"].null_count() > 0
    assert events["conversation_id"].null_count() > 0
    assert events["metadata"].str.contains(r"^\{.*\}$").all()
    assert (events["metadata"] == "{}").sum() > 0
    assert (events["metadata"] != "{}").sum() > 0


def test_users_are_varied(generated: Tables) -> None:
    """Bots, deleted and unnamed users, names in many scripts, ids with gaps and beyond 2^31."""
    users = generated["users"]
    assert 0 < users["is_bot"].sum() < 0.05 * len(users)
    assert 0 < users["deleted_at"].is_not_null().sum() < 0.05 * len(users)
    assert users["username"].null_count() > 0
    assert users["username"].drop_nulls().is_unique().all()
    assert users["username"].str.contains("[^\u0000-\u00ff]").sum() > 0
    assert 0 < (users["id"] > 2**31).sum() < len(users) / 2
    ordinary = users["id"].filter(users["id"] < 2**31)
    assert ordinary.max() > ordinary.min() + len(users)  # type: ignore[operator]
    assert (users["deleted_at"] > users["created_at"]).drop_nulls().all()


def test_conversations_are_varied(generated: Tables) -> None:
    """All types; direct ones have two members and no title; sizes and traffic are skewed."""
    conversations = generated["conversations"]
    assert set(conversations["type"].unique()) == {"direct", "group", "channel"}
    members = generated["conversation_participants"]
    sizes = members.group_by("conversation_id").len("size").rename({"conversation_id": "id"})
    sized = conversations.join(sizes, on="id", how="left")
    assert sized["size"].null_count() == 0
    direct = sized.filter(type="direct")
    assert (direct["size"] == 2).all()
    assert direct["title"].null_count() == len(direct)
    assert conversations["title"].is_not_null().sum() > 0
    largest, typical = sized["size"].max(), sized["size"].median()
    assert largest > 10 * typical  # type: ignore[operator]
    traffic = generated["messages"]["conversation_id"].value_counts()["count"].sort()
    assert traffic[-len(traffic) // 10 :].sum() > 0.4 * MESSAGES


def test_members_join_leave_and_rejoin(generated: Tables) -> None:
    """Members join later, leave, and rejoin; all three roles occur."""
    members = generated["conversation_participants"]
    begins = generated["conversations"].select(conversation_id="id", begins="created_at")
    beside = members.join(begins, on="conversation_id")
    assert set(members["role"].unique()) == {"owner", "admin", "member"}
    assert (beside["joined_at"] >= beside["begins"]).all()
    assert (beside["joined_at"] > beside["begins"] + timedelta(days=1)).sum() > 0
    assert members["left_at"].is_not_null().sum() > 0
    assert (members["left_at"] > members["joined_at"]).drop_nulls().all()
    left = generated["analytics_events"].filter(event_type="conversation.left")
    present = members.filter(pl.col("left_at").is_null())
    back = present.join(left, on=["conversation_id", "user_id"], how="semi")
    assert len(back) > 0


def test_edits_and_deletions(generated: Tables) -> None:
    """Some messages are edited and some deleted, all after they were written."""
    messages = generated["messages"]
    for moment, share in (("updated_at", 0.08), ("deleted_at", 0.05)):
        happened = messages.filter(pl.col(moment).is_not_null())
        assert 0 < len(happened) < share * MESSAGES, moment
        assert (happened[moment] > happened["created_at"]).all(), moment


def test_receipts_follow_their_message(read: pl.DataFrame) -> None:
    """Receipts are later than the message, never the sender's, and some come days later."""
    assert read["created_at"].null_count() == 0
    wait = read["read_at"] - read["created_at"]
    assert (wait > timedelta(0)).all()
    assert (wait < timedelta(minutes=5)).sum() > 0.5 * len(wait)
    assert (wait > timedelta(days=2)).sum() > 0
    assert (read["user_id"] != read["sender_id"]).drop_nulls().all()


def test_some_times_are_shared_or_whole_seconds(generated: Tables) -> None:
    """Some messages share a microsecond, and a few times are whole seconds."""
    times = generated["messages"]["created_at"]
    assert times.is_duplicated().sum() > 0
    whole = (times.dt.microsecond() == 0).sum()
    assert 0 < whole < 0.1 * MESSAGES


def test_rows_are_in_order_of_arrival(generated: Tables) -> None:
    """Rows are in order of arrival, so backdated imports are days after their own times."""
    messages = generated["messages"].with_columns(behind=pl.col("created_at").cum_max())
    behind = messages["behind"] - messages["created_at"]
    backdated = (behind > timedelta(days=1)).sum()
    assert 0 < backdated < 0.03 * MESSAGES
    assert (behind < timedelta(seconds=1)).sum() > 0.95 * MESSAGES
    assert generated["message_read_receipts"]["read_at"].is_sorted()


def test_days_and_nights_and_weekends_differ(generated: Tables) -> None:
    """Most messages are written in the evening, few at night, and fewer at weekends."""
    times = generated["messages"]["created_at"]
    by_hour = dict(times.dt.hour().value_counts().iter_rows())
    assert by_hour[19] > 1.5 * by_hour[3]
    by_day = dict(times.dt.weekday().value_counts().iter_rows())
    assert by_day[2] > 1.3 * by_day[7]


def test_every_time_is_before_until(generated: Tables) -> None:
    """Every time of every table is before `until`, and messages are in the plan's days."""
    for table, frame in generated.items():
        for column in frame.select(pl.selectors.datetime()):
            latest = column.max()
            assert latest is None or latest < UNTIL, (table, column.name)  # type: ignore[operator]
    assert generated["messages"]["created_at"].min() >= plan().start  # type: ignore[operator]


def test_references_resolve(generated: Tables) -> None:
    """Ids refer to rows that exist by then; only senders of system messages are null."""
    users = generated["users"].select(user_id="id", since="created_at", deleted="deleted_at")
    for table, person, moment in (
        ("conversation_participants", "user_id", "joined_at"),
        ("messages", "sender_id", "created_at"),
        ("message_read_receipts", "user_id", "read_at"),
        ("analytics_events", "user_id", "created_at"),
    ):
        acting = generated[table].filter(pl.col(person).is_not_null())
        known = acting.join(users, left_on=person, right_on="user_id", how="left")
        assert known["since"].null_count() == 0, table
        assert (known["since"] <= known[moment]).all(), table
    conversations = generated["conversations"].select(conversation_id="id", since="created_at")
    for table in ("conversation_participants", "messages"):
        known = generated[table].join(conversations, on="conversation_id", how="left")
        assert known["since"].null_count() == 0, table
    assert (known["since"] <= known["created_at"]).all()
    senderless = generated["messages"].filter(pl.col("sender_id").is_null())
    assert set(senderless["message_type"].unique()) == {"system"}


def test_senders_and_readers_are_members(generated: Tables, read: pl.DataFrame) -> None:
    """Senders and readers are members, and deleted users neither write nor read."""
    members = generated["conversation_participants"].select("conversation_id", "user_id")
    sent = generated["messages"].filter(pl.col("sender_id").is_not_null())
    on = ["conversation_id", "sender_id"]
    assert sent.join(members, left_on=on, right_on=members.columns, how="anti").is_empty()
    assert read.join(members, on=members.columns, how="anti").is_empty()
    deleted = generated["users"].select(user_id="id", deleted="deleted_at").drop_nulls()
    wrote = sent.join(deleted, left_on="sender_id", right_on="user_id")
    assert (wrote["created_at"] < wrote["deleted"]).all()
    was_read = read.join(deleted, on="user_id")
    assert (was_read["read_at"] < was_read["deleted"]).all()


@settings(
    max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    messages=st.integers(1, 2_000),
    days=st.integers(1, 400),
    seed=st.integers(0, 2**32),
    minutes=st.integers(0, 400_000),
)
def test_any_small_plan_works(messages: int, days: int, seed: int, minutes: int) -> None:
    """Any size, days and time of day give exact counts, unique keys and no future times."""
    until = UNTIL + timedelta(minutes=minutes)
    generated = tables(plan(messages=messages, days=days, seed=seed, until=until))
    assert len(generated["messages"]) == messages
    for table, key in KEYS.items():
        assert not generated[table].select(key).is_duplicated().any(), table
        for column in generated[table].select(pl.selectors.datetime()):
            latest = column.max()
            assert latest is None or latest < until  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [{"messages": 0}, {"days": 0}, {"until": datetime(2026, 3, 1)}])
def test_impossible_plans_are_refused(wrong: dict[str, object]) -> None:
    """A plan without messages, days or a time zone is an error."""
    with pytest.raises(ValueError, match="must"):
        TrafficPlan(**{"until": UNTIL, **wrong})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def loaded(postgres_url: str) -> Iterator[tuple[str, Counts, list[int]]]:
    """A database filled by the default plan, its counts, and the reported progress."""
    name = f"test_{os.getpid()}_traffic"
    url = create_database(postgres_url, name)
    progress: list[int] = []
    try:
        yield url, load(url, plan(), lambda counts: progress.append(counts.total)), progress
    finally:
        drop_database(postgres_url, name)


def test_loaded_rows_are_the_generated_ones(
    loaded: tuple[str, Counts, list[int]], generated: Tables
) -> None:
    """PostgreSQL has exactly the generated rows, in their order, and the counts agree."""
    url, counts, progress = loaded
    assert counts.rows == {table: len(frame) for table, frame in generated.items()}
    assert progress == sorted(progress)
    assert progress[-1] == counts.total
    with psycopg.connect(url) as connection:
        for table, frame in generated.items():
            plain = [name for name in frame.columns if name != "metadata"]
            columns = ", ".join(
                f"{name}::text" if frame[name].dtype == pl.String else name for name in plain
            )
            found = connection.execute(f"select {columns} from {table} order by ctid".encode())
            assert found.fetchall() == frame.select(plain).rows(), table
        metadata = connection.execute(
            "select metadata from analytics_events order by ctid"
        ).fetchall()
    expected = [json.loads(text) for text in generated["analytics_events"]["metadata"]]
    assert [found for (found,) in metadata] == expected


def test_schema_after_a_load_is_schema_sql(
    loaded: tuple[str, Counts, list[int]], empty_database: str
) -> None:
    """Columns, defaults, constraints and indexes are those of schema.sql."""
    with psycopg.connect(empty_database) as connection:
        create_schema(connection)
    plain = catalogue(empty_database)
    assert catalogue(loaded[0]) == plain
    kinds = [row[0] for row in plain]
    assert (kinds.count("column"), kinds.count("index")) == (35, 10)


def test_loaded_tables_are_vacuumed_and_analysed(loaded: tuple[str, Counts, list[int]]) -> None:
    """Statistics and visibility maps exist, as on a real server."""
    with psycopg.connect(loaded[0]) as connection:
        found = connection.execute(
            "select relname, relallvisible = relpages, reltuples::bigint from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind = 'r'"
        ).fetchall()
    assert {name: tuples for name, _, tuples in found if name in TABLES} == loaded[1].rows
    assert all(visible for _, visible, _ in found)


def test_a_column_of_nulls_is_encoded() -> None:
    """Each value of a column without any value is encoded as a null."""
    rows = pl.DataFrame({"deleted_at": pl.Series([None, None], dtype=pl.Datetime("us", "UTC"))})
    row = bytes([0, 1]) + b"\xff" * 4  # one field, of length -1
    assert pgcopy.encode(rows, {"deleted_at": "timestamp with time zone"}) == row * 2


def test_a_filled_database_is_refused(database: str) -> None:
    """A load into a database with tables is an error that names them, and changes nothing."""
    with pytest.raises(SandboxError, match="is not empty: it has analytics_events") as caught:
        load(database, plan(messages=10))
    assert "new database" in caught.value.hint
    with psycopg.connect(database) as connection:
        assert connection.execute("select from messages").fetchall() == []


def test_a_failed_load_leaves_the_database_empty(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the load fails half way, the database is empty and can be loaded later."""

    def breaking(of: TrafficPlan) -> Iterator[TableRows]:
        yield from list(generate(of))[:4]
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr("etl.sandbox.traffic.generate", breaking)
        with pytest.raises(InterruptedError):
            load(empty_database, plan(messages=1_000))
    assert catalogue(empty_database) == []
    assert load(empty_database, plan(messages=1_000))["messages"] == 1_000


def catalogue(url: str) -> list[tuple[object, ...]]:
    """Columns, constraints and indexes of a database's tables, as the server describes them."""
    query = """
        select 'column', c.relname || '.' || a.attname,
            concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod),
                a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        union all
        select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
        from pg_constraint
        where connamespace = 'public'::regnamespace
        union all
        select 'index', tablename || '.' || indexname, indexdef
        from pg_indexes where schemaname = 'public'
        order by 1, 2
    """
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()
