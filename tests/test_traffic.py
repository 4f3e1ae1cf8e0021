"""The traffic generator: repeatable, complete, consistent, and loaded into exactly schema.sql."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import psycopg
import pytest
from etl.sandbox.echoes import EVENT_TYPES
from etl.sandbox.talk import TYPES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.sandbox import pgcopy
from etl.sandbox.load import TABLES, Chunk, Counts, create_schema
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
    """A plan with defaults that suit tests."""
    return TrafficPlan(messages=messages, days=days, seed=seed, until=until)


def tables(of: TrafficPlan) -> Tables:
    """All rows of a plan, by table, in the order of the heap."""
    parts: dict[str, list[pl.DataFrame]] = {table: [] for table in TABLES}
    for chunk in generate(of):
        parts[chunk.table].append(chunk.rows)
    return {table: pl.concat(frames) for table, frames in parts.items()}


def fingerprint(of: TrafficPlan) -> str:
    """A hash of every byte that would be copied, in its order."""
    digest = hashlib.sha256()
    for chunk in generate(of):
        digest.update(chunk.table.encode() + chunk.rows.write_csv().encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def made() -> Tables:
    """The tables of the default test plan."""
    return tables(plan())


@pytest.fixture(scope="module")
def talked(made: Tables) -> pl.DataFrame:
    """Receipts, each beside its message."""
    messages = made["messages"].rename({"id": "message_id"})
    return made["message_read_receipts"].join(messages, on="message_id", how="left")


def test_same_plan_gives_the_same_bytes() -> None:
    """Equal plans give equal bytes in equal order."""
    assert fingerprint(plan()) == fingerprint(plan())


@pytest.mark.parametrize(
    "other",
    [plan(seed=8), plan(messages=MESSAGES + 1), plan(days=61), plan(until=UNTIL + timedelta(1))],
)
def test_another_plan_gives_other_messages(made: Tables, other: TrafficPlan) -> None:
    """Each part of a plan matters: seed, size, days and end."""
    assert not tables(other)["messages"].equals(made["messages"])


def test_counts_are_as_planned(made: Tables) -> None:
    """Messages, users and conversations are exact; receipts and events near 1.5 and 1 each."""
    assert len(made["messages"]) == MESSAGES
    assert len(made["users"]) == plan().users
    assert len(made["conversations"]) == plan().conversations
    assert 1.2 < len(made["message_read_receipts"]) / MESSAGES < 1.8
    assert 0.9 < len(made["analytics_events"]) / MESSAGES < 1.4


def test_sizes_grow_more_slowly_than_messages() -> None:
    """100,000 messages have 2,000 users and 1,500 conversations; 5 million about 50,000 users."""
    assert (plan(messages=100_000).users, plan(messages=100_000).conversations) == (2_000, 1_500)
    assert 45_000 < plan(messages=5_000_000).users < 55_000


def test_keys_are_unique(made: Tables) -> None:
    """No primary key occurs twice, over all chunks."""
    for table, key in KEYS.items():
        assert not made[table].select(key).is_duplicated().any(), table


def test_ids_are_version_4(made: Tables) -> None:
    """Every uuid has version 4 and the RFC's variant."""
    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    for table in ("conversations", "messages", "analytics_events"):
        assert made[table]["id"].str.contains(pattern).all(), table


def test_every_kind_of_message_is_there(made: Tables) -> None:
    """All types, a rare unknown one included; contents null, empty, long and multi-byte."""
    messages = made["messages"]
    assert set(messages["message_type"].unique()) == set(TYPES)
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


def test_every_event_type_is_there(made: Tables) -> None:
    """All ten types; some events lack a user, some a conversation; metadata are JSON objects."""
    events = made["analytics_events"]
    assert set(events["event_type"].unique()) == set(EVENT_TYPES)
    assert len(EVENT_TYPES) == 10
    assert events["user_id"].null_count() > 0
    assert events["conversation_id"].null_count() > 0
    assert events["metadata"].str.contains(r"^\{.*\}$").all()
    assert (events["metadata"] == "{}").sum() > 0
    assert (events["metadata"] != "{}").sum() > 0


def test_users_are_varied(made: Tables) -> None:
    """Bots, deleted and nameless users, names in other scripts, ids with gaps and beyond 2^31."""
    users = made["users"]
    assert 0 < users["is_bot"].sum() < 0.05 * len(users)
    assert 0 < users["deleted_at"].is_not_null().sum() < 0.05 * len(users)
    assert users["username"].null_count() > 0
    assert users["username"].drop_nulls().is_unique().all()
    assert users["username"].str.contains("[^\u0000-\u00ff]").sum() > 0
    assert 0 < (users["id"] > 2**31).sum() < len(users) / 2
    ordinary = users["id"].filter(users["id"] < 2**31)
    assert ordinary.max() > ordinary.min() + len(users)  # type: ignore[operator]
    assert (users["deleted_at"] > users["created_at"]).drop_nulls().all()


def test_conversations_are_varied(made: Tables) -> None:
    """All kinds; direct ones have two members and no title; sizes and traffic are skewed."""
    conversations = made["conversations"]
    assert set(conversations["type"].unique()) == {"direct", "group", "channel"}
    members = made["conversation_participants"]
    sizes = members.group_by("conversation_id").len("size").rename({"conversation_id": "id"})
    sized = conversations.join(sizes, on="id", how="left")
    assert sized["size"].null_count() == 0
    direct = sized.filter(type="direct")
    assert (direct["size"] == 2).all()
    assert direct["title"].null_count() == len(direct)
    assert conversations["title"].is_not_null().sum() > 0
    largest, typical = sized["size"].max(), sized["size"].median()
    assert largest > 10 * typical  # type: ignore[operator]
    traffic = made["messages"]["conversation_id"].value_counts()["count"].sort()
    assert traffic[-len(traffic) // 10 :].sum() > 0.4 * MESSAGES


def test_people_join_leave_and_come_back(made: Tables) -> None:
    """Memberships begin late, end, and begin again; all three roles occur."""
    members = made["conversation_participants"]
    begun = made["conversations"].select(conversation_id="id", begun="created_at")
    beside = members.join(begun, on="conversation_id")
    assert set(members["role"].unique()) == {"owner", "admin", "member"}
    assert (beside["joined_at"] >= beside["begun"]).all()
    assert (beside["joined_at"] > beside["begun"] + timedelta(days=1)).sum() > 0
    assert members["left_at"].is_not_null().sum() > 0
    assert (members["left_at"] > members["joined_at"]).drop_nulls().all()
    left = made["analytics_events"].filter(event_type="conversation.left")
    present = members.filter(pl.col("left_at").is_null())
    back = present.join(left, on=["conversation_id", "user_id"], how="semi")
    assert len(back) > 0


def test_edits_and_deletions(made: Tables) -> None:
    """Some messages are edited, some deleted, and both only after they were written."""
    messages = made["messages"]
    for moment, share in (("updated_at", 0.08), ("deleted_at", 0.05)):
        happened = messages.filter(pl.col(moment).is_not_null())
        assert 0 < len(happened) < share * MESSAGES, moment
        assert (happened[moment] > happened["created_at"]).all(), moment


def test_receipts_follow_their_message(talked: pl.DataFrame) -> None:
    """Everyone reads after the message was written, others' messages only, some days later."""
    assert talked["created_at"].null_count() == 0
    wait = talked["read_at"] - talked["created_at"]
    assert (wait > timedelta(0)).all()
    assert (wait < timedelta(minutes=5)).sum() > 0.5 * len(wait)
    assert (wait > timedelta(days=2)).sum() > 0
    assert (talked["user_id"] != talked["sender_id"]).drop_nulls().all()


def test_times_collide(made: Tables) -> None:
    """Some messages share their microsecond, some times have none, and most times have."""
    times = made["messages"]["created_at"]
    assert times.is_duplicated().sum() > 0
    whole = (times.dt.microsecond() == 0).sum()
    assert 0 < whole < 0.1 * MESSAGES


def test_heap_is_in_order_of_arrival(made: Tables) -> None:
    """Rows stand as they came; backdated imports stand days below where they would belong."""
    messages = made["messages"].with_columns(behind=pl.col("created_at").cum_max())
    behind = messages["behind"] - messages["created_at"]
    backdated = (behind > timedelta(days=1)).sum()
    assert 0 < backdated < 0.03 * MESSAGES
    assert (behind < timedelta(seconds=1)).sum() > 0.95 * MESSAGES
    assert made["message_read_receipts"]["read_at"].is_sorted()


def test_days_and_nights_and_weekends_differ(made: Tables) -> None:
    """Much is written in the evening, little at night, and less at weekends."""
    times = made["messages"]["created_at"]
    by_hour = dict(times.dt.hour().value_counts().iter_rows())
    assert by_hour[19] > 1.5 * by_hour[3]
    by_day = dict(times.dt.weekday().value_counts().iter_rows())
    assert by_day[2] > 1.3 * by_day[7]


def test_nothing_is_as_late_as_until(made: Tables) -> None:
    """Every time of every table lies before `until`, and messages in the plan's days."""
    for table, frame in made.items():
        for column in frame.select(pl.selectors.datetime()):
            latest = column.max()
            assert latest is None or latest < UNTIL, (table, column.name)  # type: ignore[operator]
    assert made["messages"]["created_at"].min() >= plan().start  # type: ignore[operator]


def test_references_resolve(made: Tables) -> None:
    """Ids point at rows that exist by then; only what is meant to be null is null."""
    users = made["users"].select(user_id="id", since="created_at", gone="deleted_at")
    for table, person, moment in (
        ("conversation_participants", "user_id", "joined_at"),
        ("messages", "sender_id", "created_at"),
        ("message_read_receipts", "user_id", "read_at"),
        ("analytics_events", "user_id", "created_at"),
    ):
        acting = made[table].filter(pl.col(person).is_not_null())
        known = acting.join(users, left_on=person, right_on="user_id", how="left")
        assert known["since"].null_count() == 0, table
        assert (known["since"] <= known[moment]).all(), table
    conversations = made["conversations"].select(conversation_id="id", since="created_at")
    for table in ("conversation_participants", "messages"):
        known = made[table].join(conversations, on="conversation_id", how="left")
        assert known["since"].null_count() == 0, table
    assert (known["since"] <= known["created_at"]).all()
    nameless = made["messages"].filter(pl.col("sender_id").is_null())
    assert set(nameless["message_type"].unique()) == {"system"}


def test_who_speaks_or_reads_belongs_to_the_conversation(
    made: Tables, talked: pl.DataFrame
) -> None:
    """Senders and readers are members, and nobody writes or reads after he was deleted."""
    members = made["conversation_participants"].select("conversation_id", "user_id")
    spoken = made["messages"].filter(pl.col("sender_id").is_not_null())
    on = ["conversation_id", "sender_id"]
    assert spoken.join(members, left_on=on, right_on=members.columns, how="anti").is_empty()
    assert talked.join(members, on=members.columns, how="anti").is_empty()
    gone = made["users"].select(user_id="id", gone="deleted_at").drop_nulls()
    wrote = spoken.join(gone, left_on="sender_id", right_on="user_id")
    assert (wrote["created_at"] < wrote["gone"]).all()
    was_read = talked.join(gone, on="user_id")
    assert (was_read["read_at"] < was_read["gone"]).all()


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
    """Whatever the size, the days and the time of day: exact counts, unique keys, no future."""
    until = UNTIL + timedelta(minutes=minutes)
    made = tables(plan(messages=messages, days=days, seed=seed, until=until))
    assert len(made["messages"]) == messages
    for table, key in KEYS.items():
        assert not made[table].select(key).is_duplicated().any(), table
        for column in made[table].select(pl.selectors.datetime()):
            latest = column.max()
            assert latest is None or latest < until  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [{"messages": 0}, {"days": 0}, {"until": datetime(2026, 3, 1)}])
def test_senseless_plans_are_refused(wrong: dict[str, object]) -> None:
    """A plan without messages, days or a time zone cannot be made."""
    with pytest.raises(ValueError, match="must"):
        TrafficPlan(**{"until": UNTIL, **wrong})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def loaded(postgres_url: str) -> Iterator[tuple[str, Counts, list[int]]]:
    """A database filled by the default test plan, its counts, and the progress reported."""
    name = f"test_{os.getpid()}_traffic"
    url = create_database(postgres_url, name)
    progress: list[int] = []
    try:
        yield url, load(url, plan(), lambda counts: progress.append(counts.total)), progress
    finally:
        drop_database(postgres_url, name)


def test_loaded_rows_are_the_generated_ones(
    loaded: tuple[str, Counts, list[int]], made: Tables
) -> None:
    """PostgreSQL holds exactly the generated rows, in the order of the heap, and counts agree."""
    url, counts, progress = loaded
    assert counts.rows == {table: len(frame) for table, frame in made.items()}
    assert progress == sorted(progress)
    assert progress[-1] == counts.total
    with psycopg.connect(url) as connection:
        for table, frame in made.items():
            plain = [name for name in frame.columns if name != "metadata"]
            columns = ", ".join(
                f"{name}::text" if frame[name].dtype == pl.String else name for name in plain
            )
            found = connection.execute(f"select {columns} from {table} order by ctid".encode())
            assert found.fetchall() == frame.select(plain).rows(), table
        told = connection.execute("select metadata from analytics_events order by ctid").fetchall()
    expected = [json.loads(text) for text in made["analytics_events"]["metadata"]]
    assert [metadata for (metadata,) in told] == expected


def test_schema_after_a_load_is_schema_sql(
    loaded: tuple[str, Counts, list[int]], empty_database: str
) -> None:
    """Columns, defaults, constraints and indexes are those of a plain run of schema.sql."""
    with psycopg.connect(empty_database) as connection:
        create_schema(connection)
    plain = catalogue(empty_database)
    assert catalogue(loaded[0]) == plain
    kinds = [row[0] for row in plain]
    assert (kinds.count("column"), kinds.count("index")) == (31, 9)


def test_loaded_tables_are_vacuumed_and_analysed(loaded: tuple[str, Counts, list[int]]) -> None:
    """Statistics and visibility are there, as on a server that has lived."""
    with psycopg.connect(loaded[0]) as connection:
        found = connection.execute(
            "select relname, relallvisible = relpages, reltuples::bigint from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind = 'r'"
        ).fetchall()
    assert {name: tuples for name, _, tuples in found} == loaded[1].rows
    assert all(visible for _, visible, _ in found)


def test_a_batch_may_have_a_column_of_nulls_alone() -> None:
    """The rows at the end of a chunk may all lack a time: each is encoded as a null."""
    rows = pl.DataFrame({"deleted_at": pl.Series([None, None], dtype=pl.Datetime("us", "UTC"))})
    row = bytes([0, 1]) + b"\xff" * 4  # one field, of length -1
    assert pgcopy.encode(rows, {"deleted_at": "timestamp with time zone"}) == row * 2


def test_a_filled_database_is_refused(database: str) -> None:
    """Loading into a database that has tables is an error that names them, and changes nothing."""
    with pytest.raises(SandboxError, match="is not empty: it has analytics_events") as caught:
        load(database, plan(messages=10))
    assert "new database" in caught.value.hint
    with psycopg.connect(database) as connection:
        assert connection.execute("select from messages").fetchall() == []


def test_a_failed_load_leaves_nothing(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rows break off half way, the database stays empty and can be loaded later."""

    def breaking(of: TrafficPlan) -> Iterator[Chunk]:
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
