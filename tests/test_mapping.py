"""Reading a mapping: what it declares, and the error for each thing that is wrong in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from olap.errors import MappingError, SourceError
from olap.ids import IdType, IdTypes
from olap.mapping import read_mapping, shipped_mappings
from olap.sqlfiles import SQL_DIR
from olap.tables import TABLES
from tests.fix_pipeline import Pipeline
from tests.source_schemas import MIXED
from tests.world import World

MESSENGER = SQL_DIR / "source" / "messenger"
FOLLOWS = 'follows = "messages"'
STRINGS = IdTypes(**dict.fromkeys(IdTypes.__struct_fields__, IdType.STRING))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the messenger's mapping."""
    return Path(shutil.copytree(MESSENGER, tmp_path / "mine"))


def declare(folder: Path, old: str, new: str) -> None:
    """Replace a text in `mapping.toml`."""
    path = folder / "mapping.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def touch(folder: Path, table: str, select: str) -> None:
    """Write `touched/<table>.sql`."""
    (folder / "touched").mkdir(exist_ok=True)
    (folder / "touched" / f"{table}.sql").write_text(select)


def test_each_shipped_mapping_can_be_read() -> None:
    """Each has the required tables, tables of ours only, and one statement in each file."""
    names = {table.name for table in TABLES}
    required = {table.name for table in TABLES if table.is_required}
    for name in shipped_mappings():
        mapping = read_mapping(name)
        assert (mapping.name, required <= mapping.tables.keys() <= names) == (name, True)
    assert "messenger" in shipped_mappings()


def test_a_folder_is_named_by_its_path(folder: Path) -> None:
    """A mapping of one's own may be anywhere; its name is that of the folder."""
    mapping = read_mapping(f"{folder}/")
    assert (mapping.name, mapping.ids) == ("mine", IdTypes())
    assert mapping.tables["read_receipts"].reads == ("message_read_receipts", "messages")
    assert mapping.tables["read_receipts"].places == ("message_read_receipts",)
    assert mapping.tables["reactions"].is_optional and not mapping.tables["users"].is_optional
    assert mapping.tables["read_receipts"].key == ("message_id", "user_id")
    assert mapping.tables["read_receipts"].follows == "messages"
    assert "analytics_events" in (mapping.events_sink or "")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no such folder": (shutil.rmtree, "cannot be read"),
    "no TOML": (lambda at: declare(at, "[ids]", "[ids"), "cannot be used"),
    "an unknown type": (lambda at: declare(at, '"integer"', '"number"'), "Invalid enum value"),
    "an unknown setting": (
        lambda at: declare(at, "optional = true", "options = true"),
        "unknown field `options`",
    ),
    "a required table is missing": (
        lambda at: declare(at, '[tables.users]\nreads = ["users"]\n', ""),
        r"no \[tables.users\]",
    ),
    "an unknown table": (
        lambda at: declare(at, "[tables.events]", "[tables.happenings]"),
        "declares happenings",
    ),
    "nothing is read": (
        lambda at: declare(at, '[tables.users]\nreads = ["users"]', "[tables.users]\nreads = []"),
        r"`reads` of \[tables.users\]",
    ),
    "a place that is not read": (
        lambda at: declare(at, 'reads = ["messages"]', 'reads = ["messages"]\nplaces = ["posts"]'),
        r"`reads` of \[tables.messages\]",
    ),
    "a file is missing": (lambda at: (at / "events.sql").unlink(), "events.sql cannot be read"),
    "two statements": (
        lambda at: (at / "events.sql").write_text("select 1; select 2"),
        "several statements",
    ),
    "a dimension is touched": (
        lambda at: touch(at, "users", "select 1"),
        "never read",
    ),
    "a key lacks a part": (
        lambda at: declare(at, 'key = ["message_id", "user_id"]', 'key = ["message_id"]'),
        r"`key` of \[tables.read_receipts\]",
    ),
    "a key of a table that is read whole": (
        lambda at: declare(at, "[tables.users]", "[tables.users]\nwhole = true"),
        r"`key` of \[tables.users\]",
    ),
    "another fact is followed": (
        lambda at: declare(at, FOLLOWS, 'follows = "events"'),
        "`follows` of .*events is not what its rows are about",
    ),
    "what is about no message follows": (
        lambda at: declare(at, "[tables.events]", f"[tables.events]\n{FOLLOWS}"),
        r"`follows` of \[tables.events\] .* not looked up by their message",
    ),
    "filtered messages are followed": (
        lambda at: declare(at, "[tables.messages]", "[tables.messages]\nfiltered = true"),
        "`follows` of .* not every row of the source's messages",
    ),
    "messages without a row version are followed": (
        lambda at: declare(
            at,
            '[tables.messages]\nreads = ["messages"]\nkey = ["id"]',
            '[tables.messages]\nreads = ["messages"]\nwhole = true',
        ),
        "`follows` of .* not every row of the source's messages",
    ),
    "what follows is touched too": (
        lambda at: touch(at, "reactions", "select 1"),
        r"reactions.sql is never read, because \[tables.reactions\] has `follows`",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_in_a_mapping_is_named(folder: Path, what: str) -> None:
    """The error names the file and says what to write."""
    spoil, message = WRONG[what]
    spoil(folder)
    with pytest.raises(MappingError, match=message) as caught:
        read_mapping(f"{folder}/")
    assert str(folder) in caught.value.message and caught.value.hint


def test_what_a_table_declares_about_keys_is_read(folder: Path) -> None:
    """A deleted row tells the key here if its key at the source has all of its columns."""
    receipts = read_mapping(f"{folder}/").tables["read_receipts"]
    assert receipts.key_positions(("message_id", "user_id")) == (0, 1)
    assert receipts.key_positions(("user_id", "shard", "message_id")) == (2, 0)
    assert receipts.key_positions(("id",)) is None
    assert replace(receipts, key=()).key_positions(("id",)) is None


PLACES = {
    "select xmin as row_version, ctid as place from t": True,
    "select t.xmin, t.CTID  AS\n place from t": True,
    "select xmin as row_version from t -- ctid as place": False,
    "select 'ctid as place' from t": False,
    "select ctid as replaced from t": False,
}


@pytest.mark.parametrize("select", PLACES)
def test_a_table_has_place_if_its_select_returns_them(folder: Path, select: str) -> None:
    """The SELECT of a dimension and `touched` may lack the place; a whole table has none."""
    (folder / "users.sql").write_text(select)
    declare(folder, f'key = ["message_id", "user_id"]\n{FOLLOWS}', "")
    touch(folder, "read_receipts", select)
    tables = read_mapping(f"{folder}/").tables
    found = tables["users"].has_place, tables["read_receipts"].touched_has_place
    assert found == (PLACES[select], PLACES[select])
    assert tables["messages"].touched_has_place
    assert not replace(tables["messages"], is_whole=True, key=()).has_place


TABLE_OF_NOW = '[tables.users]\nreads = ["users"]\nwhole = true'


def test_a_table_that_is_read_whole_may_shift(folder: Path) -> None:
    """What a SELECT computes of the present changes although no row of the source does."""
    assert not read_mapping(f"{folder}/").tables["users"].shifts
    declare(folder, '[tables.users]\nreads = ["users"]\nkey = ["id"]', TABLE_OF_NOW)
    (folder / "users.sql").write_text("select id, created_at < now() - interval '1 day' from users")
    assert read_mapping(f"{folder}/.").tables["users"].shifts


def test_semicolons_in_texts_and_comments_are_no_statements(folder: Path) -> None:
    """A semicolon ends a statement only where SQL reads it as one."""
    text = "-- a comment; with one\nselect ';' as kind /* ; */ from t;\n"
    (folder / "events.sql").write_text(text)
    assert read_mapping(f"{folder}/").tables["events"].select.endswith("from t")


def test_a_mapping_with_other_ids_is_refused(pipeline: Pipeline, folder: Path) -> None:
    """A DATA_DIR keeps the types of its ids; the error says which mapping it was loaded with."""
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    declare(folder, 'user = "integer"', 'user = "string"')
    other = replace(pipeline, settings=replace(pipeline.settings, source_mapping=f"{folder}/"))
    for attempt in (other.cycle, other.rebuild):
        with pytest.raises(MappingError, match="user ids are integer there and string in it"):
            attempt()
    pipeline.cycle()


def test_a_mapping_corrected_before_the_first_load_is_used(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """A first cycle that failed leaves an empty warehouse, which takes the ids of the next."""
    with psycopg.connect(empty_database) as connection:
        MIXED.create(connection)
    wrong = new_pipeline(empty_database)
    right = replace(wrong, settings=replace(wrong.settings, source_mapping=MIXED.mapping))
    with World(empty_database) as world:
        world.user(1)
        with pytest.raises(SourceError, match="users is not a table"):
            wrong.cycle()
        right.cycle()
    assert right.manifest().shape.ids == STRINGS
    with duckdb.connect(str(right.published), read_only=True) as connection:
        ids = connection.execute("select user_id from main.users").fetchall()
    assert ids == [(MIXED.id("user", 1),)]
