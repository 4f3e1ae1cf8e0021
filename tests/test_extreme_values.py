"""Extreme values of PostgreSQL are read exactly by a first load, a cycle and a verify."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest

from etl.sandbox.load import create_schema
from etl.sandbox.postgres import database_url, drop_database
from olap.errors import AnalyticsError
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World

BIGGEST, SMALLEST = 2**63 - 1, -(2**63)
LONG = "ü😀" * 5_000_000
# U+10FFFF, a family of four joined by zero-width joiners, right-to-left, a byte order mark,
# every control character that a text may hold, quotes of all kinds.
TEXTS = [
    "",
    " ",
    "\U0010ffff",
    "👨\u200d👩\u200d👧\u200d👦",
    "\u202eabc\u202c",
    "\ufeffx",
    "".join(map(chr, range(1, 32))),
    "'\"`$$\\|:-,;{}",
    "-",
    "null",
    "e\u0301é",
]

# Times outside the years 1 to 9999 are published as the nearest time within.
CLAMPED = """
    greatest(least(created_at, '9999-12-31 23:59:59.999999+00'), '0001-01-01 00:00:00+00')
"""


def of_source(url: str) -> dict[str, contents.Rows]:
    """Users, conversations, messages and events by plain SELECTs, with clamped times."""
    moment = f"to_char(({CLAMPED}) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    with psycopg.connect(url) as connection:
        return {
            table: Counter(connection.execute(query.encode()).fetchall())
            for table, query in {
                "users": f"select id, username, {moment} from users",
                "conversations": f"select id, title, {moment} from conversations",
                "messages": "select conversation_id, sender_id, message_type,"
                f" char_length(content), {moment} from messages",
                "events": f"select event_type, user_id, conversation_id, {moment}"
                " from analytics_events",
            }.items()
        }


def of_views(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """The same rows of the published file."""
    moment = "printf('%04d', year(created_at)) || strftime(created_at, '-%m-%d %H:%M:%S.%f')"
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        return {
            table: contents.rows_of(connection.execute(query))
            for table, query in {
                "users": f"select user_id, username, {moment} from users",
                "conversations": f"select conversation_id, title, {moment} from conversations",
                "messages": "select conversation_id, sender_id, message_type, content_length,"
                f" {moment} from messages",
                "events": f"select event_type, user_id, conversation_id, {moment} from events",
            }.items()
        }


def write(world: World, salt: int) -> None:
    """Write rows with every extreme value; another salt writes other rows with the same values."""
    for number, text in enumerate(TEXTS):
        key = 100 * salt + number
        world.user(key, username=text)
        world.conversation(key, title=text, type=text)
        world.message(key, message_type=text, content=text)
        world.event(key, event_type=text)
    # A double next to PostgreSQL's last microsecond is after it, and to_timestamp() refuses that.
    last = "294276-12-31 23:59:59" + ("" if world.schema.is_renamed else ".999999") + "+00"
    for number, moment in enumerate(
        ["infinity", "-infinity", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00",
         "4713-01-01 00:00:00+00 BC", last, "1970-01-01 00:00:00+00",
         "1969-12-31 23:59:59.999999+00", "2000-01-01 00:00:00+00"]
    ):  # fmt: skip
        key = 100 * salt + 50 + number
        world.user(key, created_at=moment)
        world.message(key, created_at=moment)
        world.event(key, created_at=moment)
    for number, user in enumerate([0, -1, BIGGEST - salt, SMALLEST + salt, None]):
        key = 100 * salt + 70 + number
        if user is not None:
            world.user(user, username=f"id {user}")
        world.message(key, sender_id=user)
        world.event(key, user_id=user)
    for number, room in enumerate([UUID(int=0), UUID(int=2**128 - 1 - salt)]):
        key = 100 * salt + 80 + number
        world.write("conversations", {"id": room, "type": "group", "title": "edge"})
        world.message(key, conversation_id=room)
    world.message(100 * salt + 90, content=LONG)
    world.message(100 * salt + 91, content=None)


@pytest.mark.both_schemas
def test_every_value_is_read_exactly(pipeline: Pipeline) -> None:
    """First load, incremental cycle and full read equal plain SELECTs, and verify agrees."""
    with World(pipeline.url) as world:
        for salt, is_full in ((1, False), (2, False), (2, True)):
            write(world, salt)
            pipeline.cycle(is_full=is_full)
            assert contents.differences(of_views(pipeline), of_source(pipeline.url)) == {}
            assert contents.offences(pipeline.published) == []
        found = pipeline.verify().reconciled
        assert found.is_settled and not found.differences and found.proved > 6
    days = {file.day for file in pipeline.manifest().files if file.table == "messages"}
    assert {date.min, date.max} < days


def test_the_length_of_a_long_content_is_counted_in_characters(pipeline: Pipeline) -> None:
    """Thirty megabytes of text are ten million characters, and they do not leave PostgreSQL."""
    with World(pipeline.url) as world:
        world.message(1, content=LONG)
    report = pipeline.cycle()
    assert report.extract.tables["messages"].bytes < 1_000
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        found = connection.execute("select content_length from messages").fetchall()
    assert found == [(len(LONG),)]


@pytest.mark.parametrize("spoiled", [b"\x00", b"\xed\xa0\x80", b"\xff", b"\xc0\xaf"])
def test_postgresql_refuses_nul_and_broken_text(pipeline: Pipeline, spoiled: bytes) -> None:
    """PostgreSQL refuses NUL, surrogates and invalid UTF-8, so no such value exists."""
    with World(pipeline.url) as world, pytest.raises(psycopg.errors.DataError):
        world.execute(
            "insert into users (id, username) values (1, convert_from(%s, 'UTF8'))", spoiled
        )


@pytest.fixture
def other_encoding(postgres_url: str, request: pytest.FixtureRequest) -> Any:
    """The URL of a database with the messenger's tables and another encoding than UTF-8."""
    name = f"test_encoding_{request.param.lower()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            f"create database {name} template template0 encoding '{request.param}'"
            " locale 'C'".encode()
        )
    url = database_url(postgres_url, name)
    with psycopg.connect(url) as connection:
        create_schema(connection)
    yield url
    drop_database(postgres_url, name)


@pytest.mark.parametrize("other_encoding", ["LATIN1"], indirect=True)
def test_a_database_in_another_encoding_is_read_as_text(
    other_encoding: str, new_pipeline: Any
) -> None:
    """PostgreSQL converts names from the encoding of the database."""
    pipeline = new_pipeline(other_encoding)
    with World(other_encoding) as world:
        world.user(1, username="Zoë Müller")
    pipeline.cycle()
    pipeline.verify()
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        assert connection.execute("select username from users").fetchall() == [("Zoë Müller",)]


@pytest.mark.parametrize("other_encoding", ["SQL_ASCII"], indirect=True)
def test_invalid_text_is_a_clear_error(other_encoding: str, new_pipeline: Any) -> None:
    """Invalid text of a database without an encoding stops the cycle with a clear error."""
    pipeline = new_pipeline(other_encoding)
    with World(other_encoding) as world:
        world.user(1, username="plain")
    pipeline.cycle()
    with psycopg.connect(other_encoding, autocommit=True) as connection:
        connection.execute(rb"insert into users (id, username) values (2, E'caf\xe9')")
    with pytest.raises(AnalyticsError, match=r"users.* invalid byte sequence") as caught:
        pipeline.cycle()
    assert "UTF8" in caught.value.hint
    assert pipeline.manifest().generation == 1
