"""What makes a source table the same as in the last cycle, and what it is not to be taken for.

Each of these situations published less, or other, than the source held, with exit code 0.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from etl.source import open_source
from olap.errors import MappingError, SourceChangedError, SourceError
from olap.mapping import MappedTable, read_mapping
from olap.secret import Secret
from olap.settings import Settings
from olap.sqlfiles import SQL_DIR
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import POSTGRES_VERSION, READER_PASSWORD
from tests.world import World, at, uuid

MESSENGER = SQL_DIR / "source" / "messenger"


def mapped(pipeline: Pipeline, folder: Path, **files: str) -> Pipeline:
    """The pipeline with the messenger's mapping, some of whose files have other texts."""
    folder.mkdir()
    for path in MESSENGER.rglob("*"):
        if path.is_file():
            copy = folder / path.relative_to(MESSENGER)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(path.read_text())
    for name, text in files.items():
        path = folder / (name if name.endswith(".toml") else f"{name}.sql")
        path.write_text(text)
    settings = replace(pipeline.settings, source_mapping=f"{folder}/")
    return replace(pipeline, settings=settings)


def as_reader(pipeline: Pipeline, reader: str) -> Pipeline:
    """The pipeline as this role."""
    url = make_conninfo(pipeline.url, user=reader, password=READER_PASSWORD)
    return replace(pipeline, url=url)


def few_rows(world: World) -> None:
    """Two users, a conversation with both, and two messages."""
    for number in (1, 2):
        world.user(number)
        world.participant(1, number)
        world.message(number, sender_id=number)
    world.conversation(1)


def hide_rows(world: World, table: str, policy: str | None = None) -> None:
    """Switch row-level security on, with or without a policy that shows some rows."""
    world.execute(f"alter table {table} enable row level security")
    if policy is not None:
        world.execute(f"create policy shown on {table} using ({policy})")


@pytest.mark.parametrize("policy", [None, "id <> 1", "true"])
@pytest.mark.parametrize("is_first", [True, False], ids=["first load", "later"])
def test_a_table_whose_rows_a_policy_may_hide_is_not_read(
    pipeline: Pipeline, reader: str, policy: str | None, is_first: bool
) -> None:
    """The cycle stops, names the table and the way out, and the last generation stays."""
    with World(pipeline.url) as world:
        few_rows(world)
        own = as_reader(pipeline, reader)
        if not is_first:
            own.cycle()
        hide_rows(world, "users", policy)
        with pytest.raises(SourceError, match='policy for table "users"') as caught:
            own.cycle()
        assert "bypassrls" in caught.value.hint and "SOURCE_ROW_SECURITY" in caught.value.hint
        if is_first:
            with pytest.raises(SourceError, match='policy for table "users"'):
                own.backfill()
        else:
            views = contents.of_views(own.published)
            assert {row[0] for row in views["users"]} == {1, 2}
            assert own.manifest().shape.row_security == "refused"


def test_a_role_that_bypasses_policies_reads_every_row(pipeline: Pipeline, reader: str) -> None:
    """With BYPASSRLS, which the error names, the cycle reads what the owner sees."""
    with World(pipeline.url) as world:
        few_rows(world)
        own = as_reader(pipeline, reader)
        hide_rows(world, "messages")
        world.execute(f"alter role {reader} bypassrls")
        own.cycle()
        world.execute(f"alter role {reader} nobypassrls")
    assert contents.of_views(own.published) == contents.of_source(pipeline.url)


def test_trusted_policies_are_recorded(pipeline: Pipeline, reader: str) -> None:
    """With the operator's word the table is read, and the generation says whose word it is."""
    with World(pipeline.url) as world:
        few_rows(world)
        trusting = replace(pipeline.settings, source_row_security="trusted")
        own = replace(as_reader(pipeline, reader), settings=trusting)
        hide_rows(world, "messages", "true")
        own.cycle()
    assert contents.of_views(own.published) == contents.of_source(pipeline.url)
    assert own.manifest().shape.row_security == "trusted"


def test_another_table_of_the_same_name_is_not_read(pipeline: Pipeline, reader: str) -> None:
    """A schema named like the role, with an empty `users`, stops the cycle with the way out."""
    with World(pipeline.url) as world:
        few_rows(world)
        own = as_reader(pipeline, reader)
        own.cycle()
        world.execute(f"create schema {reader}")
        world.execute(f"create table {reader}.users (like public.users)")
        world.execute(f"grant usage on schema {reader} to {reader}")
        world.execute(f"grant select on {reader}.users to {reader}")
        with pytest.raises(SourceChangedError, match=rf"{reader}\.users") as caught:
            own.cycle()
        assert "search_path" in caught.value.hint
        assert own.manifest().tables["users"].rows == 2
        world.execute(f"drop schema {reader} cascade")
        own.cycle()


def test_a_table_that_moved_to_another_schema_is_accepted_once(pipeline: Pipeline) -> None:
    """`--full` accepts the new schema; the next cycle runs as always."""
    with World(pipeline.url) as world:
        few_rows(world)
        pipeline.cycle()
        world.execute("create schema chat")
        world.execute("alter table messages set schema chat")
        url = make_conninfo(pipeline.url, options="-c search_path=chat,public")
        moved = replace(pipeline, url=url)
        with pytest.raises(SourceChangedError, match=r"chat\.messages"):
            moved.cycle()
        moved.cycle(is_full=True)
        moved.cycle()
    assert moved.manifest().tables["messages"].rows == 2


def test_a_part_without_row_versions_stops_the_cycle(pipeline: Pipeline) -> None:
    """A partition that is a foreign table is named: its updates would never be read."""
    with World(pipeline.url) as world:
        columns = "id uuid, event_type text, user_id bigint, conversation_id uuid, created_at"
        world.execute("drop table analytics_events")
        world.execute(
            f"create table analytics_events ({columns} timestamptz) partition by range (created_at)"
        )
        world.execute("create foreign data wrapper elsewhere")
        world.execute("create server far foreign data wrapper elsewhere")
        world.execute(
            "create foreign table far_events partition of analytics_events"
            " for values from ('2025-01-01') to ('2026-01-01') server far"
        )
        with pytest.raises(SourceError, match="far_events") as caught:
            pipeline.cycle()
    assert "whole = true" in caught.value.hint


def test_a_table_that_is_read_whole_needs_no_row_version(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """With `whole = true` a view is read, and what changes in it without a version too."""
    toml = (MESSENGER / "mapping.toml").read_text()
    followed = 'reads = ["analytics_events"]\nkey = ["id"]'
    whole = toml.replace(followed, 'reads = ["seen_events"]\nwhole = true')
    select = "select * from seen_events"
    own = mapped(pipeline, tmp_path / "own", **{"mapping.toml": whole}, events=select)
    with World(pipeline.url) as world:
        world.execute("create table shown (event_type text)")
        world.execute("insert into shown values ('message.sent')")
        world.execute(
            "create view seen_events as select id as event_id, event_type, user_id,"
            " conversation_id, created_at from analytics_events join shown using (event_type)"
        )
        for number, event_type in ((1, "message.sent"), (2, "user.online")):
            world.event(number, event_type=event_type)
        own.cycle()
        first = contents.of_views(own.published)["events"]
        world.execute("insert into shown values ('user.online')")
        own.cycle()
        assert own.verify().reconciled.is_settled
        own.backfill()
    assert {row[1] for row in first} == {"message.sent"}
    views = contents.of_views(own.published)["events"]
    assert views == contents.of_source(pipeline.url)["events"]


CHANGES = {
    "a function": (
        ["create function kind_of(text) returns text language sql immutable as 'select $1'"],
        "kind_of(message_type)",
        "create or replace function kind_of(text) returns text language sql immutable"
        " as 'select upper($1)'",
        "TEXT",
    ),
    "a function of a function": (
        [
            "create function inner_kind(text) returns text language sql immutable as 'select $1'",
            "create function outer_kind(text) returns text language plpgsql immutable"
            " as 'begin return inner_kind($1); end'",
        ],
        "outer_kind(message_type)",
        "create or replace function inner_kind(text) returns text language sql immutable"
        " as 'select upper($1)'",
        "TEXT",
    ),
    "the label of an enum": (
        [
            "create type kind as enum ('text', 'image')",
            "alter table messages add column kind kind not null default 'text'",
        ],
        "kind::text",
        "alter type kind rename value 'text' to 'words'",
        "words",
    ),
}
if POSTGRES_VERSION >= 18:
    CHANGES["a virtual column"] = (
        [
            "alter table messages add column kind text"
            " generated always as (lower(message_type)) virtual"
        ],
        "kind",
        "alter table messages alter column kind set expression as (upper(message_type))",
        "TEXT",
    )


@pytest.mark.parametrize("change", CHANGES)
def test_a_value_that_changes_without_a_row_version_is_read(
    pipeline: Pipeline, tmp_path: Path, change: str
) -> None:
    """What the server computes for a SELECT is part of the table's identity."""
    prepare, expression, redefine, expected = CHANGES[change]
    select = (
        (MESSENGER / "messages.sql")
        .read_text()
        .replace("    message_type,", f"    {expression} as message_type,")
    )
    with World(pipeline.url) as world:
        for statement in prepare:
            world.execute(statement)
        own = mapped(pipeline, tmp_path / "own", messages=select)
        few_rows(world)
        own.cycle()
        before = {row[3] for row in contents.of_views(own.published)["messages"]}
        world.execute(redefine)
        own.cycle()
    after = {row[3] for row in contents.of_views(own.published)["messages"]}
    assert (before, after) == ({"text"}, {expected})


def test_a_changed_select_is_read_whole(pipeline: Pipeline, tmp_path: Path) -> None:
    """The SELECT itself is part of the table's identity; its comments are not."""
    with World(pipeline.url) as world:
        few_rows(world)
        text = (MESSENGER / "users.sql").read_text()
        own = mapped(pipeline, tmp_path / "one", users=text)
        own.cycle()
        commented = mapped(pipeline, tmp_path / "two", users=f"-- another comment\n{text}")
        assert not commented.cycle().extract.tables["users"].is_full
        shouting = text.replace("    username,", "    upper(username) as username,")
        loud = mapped(pipeline, tmp_path / "three", users=shouting)
        assert loud.cycle().extract.tables["users"].is_full
    assert {row[1] for row in contents.of_views(loud.published)["users"]} == {"USER 1", "USER 2"}


WORDS = [
    "now()",
    "current_timestamp",
    "random()",
    "CURRENT_USER",
    "age(created_at)",
    "date 'today'",
]


@pytest.mark.parametrize("word", [*WORDS, "'now'::timestamptz"])
def test_a_value_that_nothing_announces_is_refused(
    pipeline: Pipeline, tmp_path: Path, word: str
) -> None:
    """A SELECT that asks for the present, or for chance, is refused unless it is read whole."""
    text = (MESSENGER / "users.sql").read_text()
    asking = text.replace("    username,", f"    {word}::text as username,")
    own = mapped(pipeline, tmp_path / "own", users=asking)
    with pytest.raises(MappingError, match=r"users\.sql uses") as caught:
        own.cycle()
    assert "whole = true" in caught.value.hint


HIDDEN = {
    "a view": (
        "create view people as select *, xmin as version from users where created_at < now()"
    ),
    "a view of a view": (
        "create view lately as select *, xmin as version from users where created_at < now();"
        "create view people as select * from lately"
    ),
    "a function": (
        "create view people as select *, xmin as version from users;"
        "create function chance() returns boolean language plpgsql as"
        " $$ begin return random() < 2; end $$;"
        "create or replace view people as select *, xmin as version from users where chance()"
    ),
}


@pytest.mark.parametrize("where", HIDDEN)
def test_a_value_that_nothing_announces_is_found_in_definitions(
    pipeline: Pipeline, tmp_path: Path, where: str
) -> None:
    """A view or function that asks for the present is refused as the SELECT itself would be."""
    text = (MESSENGER / "users.sql").read_text()
    text = text.replace("xmin as", "version as").replace("from users", "from people")
    own = mapped(pipeline, tmp_path / "own", users=text)
    with World(pipeline.url) as world:
        world.execute(HIDDEN[where])
        with pytest.raises(SourceError, match="changes although no row does") as caught:
            own.cycle()
    assert "whole = true" in caught.value.hint


SHIFTING = {
    "true": False,
    "now() > created_at": True,
    "calm()": False,
    "chance()": True,
    "anybody()": True,
}


@pytest.mark.parametrize("is_bot", SHIFTING)
def test_a_table_that_is_read_whole_may_change_without_a_row(database: str, is_bot: str) -> None:
    """It shifts if what it computes, or a function that it calls, is not made of its rows alone."""
    select = (
        f"select id as user_id, username, {is_bot} as is_bot, created_at, deleted_at from users"
    )
    mapping = read_mapping("messenger")
    users = MappedTable(select=select, reads=("users",), places=("users",), is_whole=True)
    with psycopg.connect(database, autocommit=True) as connection:
        for name, body in (
            ("calm", "select true"),
            ("chance", "select random() < 2"),
            ("anybody", "select exists(select from messages)"),
        ):
            connection.execute(
                f"create function {name}() returns boolean language sql as '{body}'".encode()
            )
    mapping = replace(mapping, tables={**mapping.tables, "users": users})
    with open_source(Secret(database), Settings(), mapping) as source:
        assert source.relations["users"].shifts == SHIFTING[is_bot]
        assert not source.relations["messages"].shifts


def test_a_column_is_no_call_of_a_function(pipeline: Pipeline) -> None:
    """A function counts when it is called, not if a column only has its name."""
    with World(pipeline.url) as world:
        few_rows(world)
        world.execute(
            "create function username() returns text language sql as $$ select now()::text $$"
        )
        pipeline.cycle()
    assert pipeline.manifest().tables["users"].rows == 2


def test_quoted_names_are_no_calls(pipeline: Pipeline, tmp_path: Path) -> None:
    """A column may be named like the present."""
    text = (MESSENGER / "users.sql").read_text()
    text = text.replace("    username,", '    "current_date; now()" as username,')
    own = mapped(pipeline, tmp_path / "own", users=text)
    with World(pipeline.url) as world:
        world.execute('alter table users rename username to "current_date; now()"')
        own.cycle()
    assert own.manifest().tables["users"].is_available


def test_a_child_table_is_part_of_its_parent(pipeline: Pipeline) -> None:
    """A table that inherits is read with its parent, and with old rows when it begins to."""
    with World(pipeline.url) as world:
        few_rows(world)
        world.execute("create table old_messages (like messages including defaults)")
        world.execute(
            "insert into old_messages (id, conversation_id, sender_id, created_at)"
            " values (%s, %s, 1, %s)",
            uuid(3),
            uuid(1),
            at(days=-9),
        )
        pipeline.cycle()
        world.execute("alter table old_messages inherit messages")
        # A count would find these rows too, but not the updates of rows that it finds.
        assert pipeline.cycle().extract.tables["messages"].is_full
        assert contents.of_views(pipeline.published) == contents.of_source(pipeline.url)
        loaded = pipeline.beside("backfilled")
        loaded.backfill()
    assert contents.of_views(loaded.published) == contents.of_source(pipeline.url)
