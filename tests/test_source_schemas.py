"""The messenger with other names, types and ids is one of its own, and holds what ours holds."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import psycopg
import pytest

from etl.sandbox.postgres import create_database, drop_database
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.source_schemas import MESSENGER, MIXED, SourceSchema, our_id
from tests.world import World, at, uuid


def fill(world: World) -> None:
    """A row of every table, with the values that are written in another way."""
    for number in (2, 3):
        world.user(number, is_bot=number == 2, created_at="infinity")
        world.conversation(number)
        world.participant(number, number, left_at=at(microseconds=1))
        world.message(number, sender_id=number, conversation_id=uuid(number), created_at=at(days=1))
        world.receipt(number, user=number, read_at=at(microseconds=-1))
        world.reaction(number, user=number)
        world.event(number, user_id=number, conversation_id=None, metadata='{"a": 1}')
    world.execute("update users set is_bot = not is_bot, deleted_at = '-infinity' where id = 3")
    world.execute("delete from messages where id = %s", uuid(3))


def test_views_read_back_what_is_written(
    postgres_url: str, template_databases: Callable[[SourceSchema], str]
) -> None:
    """After the same statements both messengers have the same rows, by their own SELECTs."""
    found = []
    for schema in (MESSENGER, MIXED):
        name = f"written_{schema}"
        url = create_database(postgres_url, name, template=template_databases(schema))
        with World(url) as world, psycopg.connect(url) as connection:
            fill(world)
            connection.execute("set time zone 'UTC'")
            queries = {
                **contents.SOURCE_IDS,
                "users": "select id, is_bot, deleted_at::text from users",
            }
            rows = {
                t: sorted(connection.execute(q.encode()).fetchall()) for t, q in queries.items()
            }
        found.append(rows)
        drop_database(postgres_url, name)
    assert found[0] == found[1]
    assert found[0]["users"] == [(2, True, None), (3, True, "-infinity")]
    assert found[0]["messages"] == [(uuid(2),)]


@pytest.mark.both_schemas
def test_a_generation_has_the_ids_of_the_source(pipeline: Pipeline) -> None:
    """Ids are published and kept as the source spells them, and the mapping is named."""
    with World(pipeline.url) as world:
        fill(world)
    pipeline.cycle()
    schema = pipeline.schema
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:

        def values(query: str) -> list[tuple[object, ...]]:
            return connection.execute(f"{query} order by all").fetchall()

        users = {(schema.id("user", number),) for number in (2, 3)}
        rooms = {(schema.id("conversation", number),) for number in (2, 3)}
        assert set(values("select user_id from main.users")) == users
        assert set(values("select conversation_id from main.conversations")) == rooms
        assert set(values("select user_id from main.reactions")) == users
        assert values("select sender_id from main.messages") == [(schema.id("user", 2),)]
        state = values("select mapping, user_ids, message_ids, len(inexact) from core.state")
    kinds = ("string", "string", 1) if schema is MIXED else ("integer", "uuid", 0)
    assert state == [(schema.name, *kinds)]
    files = [f.path for f in pipeline.manifest().files if f.table in ("messages", "events")]
    with duckdb.connect() as connection:
        lake = connection.read_parquet(
            [str(pipeline.layout.lake / path) for path in files], union_by_name=True
        )
        ids = lake.project("message_id, event_id").fetchall()
    assert set(ids) == {
        (schema.id("message", 2), None),
        (None, schema.id("event", 2)),
        (None, schema.id("event", 3)),
    }


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("user", "user:1", 1),
        ("user", "user:2", "user:2"),
        ("user", "User:1", "User:1"),
        ("user", "erased-abc", "erased-abc"),
        ("conversation", f"room {uuid(1)}", uuid(1)),
        ("message", f"room {uuid(1)}", f"room {uuid(1)}"),
        ("event", None, None),
        ("user", 7, 7),
    ],
)
def test_only_the_right_text_leads_back_to_an_id(kind: str, text: object, expected: object) -> None:
    """A text of another kind, or spelled otherwise, stays as it is and so differs."""
    assert our_id(kind, text) == expected
