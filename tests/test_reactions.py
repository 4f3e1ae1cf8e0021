"""Reactions: a fact that a source may lack, declared in one place and treated like the others."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from olap.commands import call
from olap.errors import SourceError
from olap.manifest import read_manifest
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World, at, uuid


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline with tables so small that a repair may remove all of their rows."""
    return replace(pipeline, settings=replace(pipeline.settings, repair_max_percent=100))


def is_exact(pipeline: Pipeline) -> bool:
    """Whether the published file is what the source holds, and adds up."""
    found, expected = contents.of_views(pipeline.published), contents.of_source(pipeline.url)
    assert contents.differences(found, expected) == {}
    assert contents.offences(pipeline.published) == []
    return True


def reactions(pipeline: Pipeline) -> list[tuple[int, str]]:
    """Who reacted with what, as published."""
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        return connection.execute(
            "select user_id, emoji from main.reactions order by all"
        ).fetchall()


def test_reactions_follow_the_source(pipeline: Pipeline) -> None:
    """New, changed, moved and taken-back reactions are published by the next cycle."""
    with World(pipeline.url) as world:
        for number in (1, 2):
            world.message(number, created_at=at(days=-number))
            world.reaction(number, user=2, emoji="👍", created_at=at(days=1 - number))
        world.reaction(1, user=3, emoji=":party-parrot:")
        pipeline.cycle()
        assert is_exact(pipeline)
        assert reactions(pipeline) == [(2, "👍"), (2, "👍"), (3, ":party-parrot:")]
        world.reaction(2, user=4, emoji="👍")
        world.reaction(1, user=2, emoji="👍", created_at=at(days=-3))
        world.execute("delete from message_reactions where user_id = 3")
        world.execute("update messages set conversation_id = %s where id = %s", uuid(9), uuid(2))
        pipeline.cycle()
    assert is_exact(pipeline)
    assert reactions(pipeline) == [(2, "👍"), (2, "👍"), (4, "👍")]
    assert pipeline.verify().reconciled.is_settled


def why_not(pipeline: Pipeline) -> str:
    """Why the published file has no reactions; the view and the metric give the same error."""
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        ((told,),) = connection.execute(
            "select not_available from metrics.catalog where metric = 'top_reactions'"
        ).fetchall()
        why = str(told).removesuffix("; the metric is an error")
        for query in ("main.reactions", "metrics.top_reactions(timestamp '2026-01-01')"):
            with pytest.raises(duckdb.InvalidInputException, match=why):
                connection.execute(f"from {query}")
    return why


def test_a_source_without_reactions_is_read_without_them(pipeline: Pipeline) -> None:
    """Without the table reactions are an error and the rest is read; once there, it is read."""
    with World(pipeline.url) as world:
        world.execute("alter table message_reactions rename to message_reactions_later")
        world.message(1)
        pipeline.cycle()
        assert why_not(pipeline) == (
            "reactions are not available: the source has none by its mapping, messenger"
        )
        assert pipeline.manifest().tables["messages"].rows == 1
        assert pipeline.verify().reconciled.is_settled
        world.execute("alter table message_reactions_later rename to message_reactions")
        world.reaction(1, user=2, emoji="👍")
        pipeline.cycle()
    assert is_exact(pipeline)
    assert reactions(pipeline) == [(2, "👍")]


def test_reactions_that_vanish_with_their_table_are_not_removed(pipeline: Pipeline) -> None:
    """A table that was read and is gone, or may not be read, stops the cycle; --full accepts it."""
    with World(pipeline.url) as world:
        world.message(1)
        world.reaction(1, user=2, emoji="👍")
        pipeline.cycle()
        world.execute("alter table message_reactions rename to elsewhere")
        with pytest.raises(SourceError, match="no longer has the table that reactions") as caught:
            pipeline.cycle()
        assert call("etl --full --yes") in caught.value.hint
        assert reactions(pipeline) == [(2, "👍")]
        pipeline.cycle(is_full=True)
        assert "the source has none" in why_not(pipeline)


def test_a_role_that_may_not_read_reactions_reads_the_rest(pipeline: Pipeline) -> None:
    """An optional table without a grant is treated as absent, not as an error."""
    with psycopg.connect(pipeline.url, autocommit=True) as owner:
        owner.execute("create role plain_reader login password 'reader'")
        try:
            owner.execute("grant select on all tables in schema public to plain_reader")
            owner.execute("revoke select on message_reactions from plain_reader")
            with World(pipeline.url) as world:
                world.message(1)
                world.reaction(1)
            url = make_conninfo(pipeline.url, user="plain_reader", password="reader")
            replace(pipeline, url=url).cycle()
            assert "the source has none" in why_not(pipeline)
        finally:
            owner.execute("drop owned by plain_reader")
            owner.execute("drop role plain_reader")


def test_a_lake_of_a_version_without_reactions_is_completed(pipeline: Pipeline) -> None:
    """A lake that lacks the table is published as it is; the next cycle reads the table whole."""
    with World(pipeline.url) as world:
        world.message(1)
        world.reaction(1, user=2, emoji="👍")
        pipeline.cycle()
    manifest = read_manifest(pipeline.layout.lake_manifest)
    without = msgspec.structs.replace(
        manifest,
        files=tuple(file for file in manifest.files if file.table != "reactions"),
        tables={name: state for name, state in manifest.tables.items() if name != "reactions"},
    )
    pipeline.layout.lake_manifest.write_bytes(without.to_json())
    pipeline.rebuild()
    assert why_not(pipeline) == "reactions are not available: they have not been read yet"
    pipeline.cycle()
    assert reactions(pipeline) == [(2, "👍")]
    assert is_exact(pipeline)
