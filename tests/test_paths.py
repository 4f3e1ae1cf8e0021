"""A DATA_DIR works whatever its name is, and nothing of another directory is read."""

from __future__ import annotations

import ast
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.erase import erase
from olap import sqlfiles
from olap.errors import SettingsError
from olap.paths import open_read_only, pattern
from olap.secret import Secret
from olap.settings import Settings
from tests import contents
from tests.api.fix_api import Api
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World, at

ROOT = Path(__file__).resolve().parent.parent
NO_REDIS = Secret("redis://127.0.0.1:1/0")

# A name, and a directory beside it that the name matches as a pattern, as a list or decoded.
NAMES = [
    ("a[b]c", "abc"),
    ("[!a]", "b"),
    ("a*c", "abc"),
    ("**", "any"),
    ("a[", "a"),
    ('it\'s {a,b} "c" x=1 %41 #{uuid}', 'it\'s a "c" x=1 A '),
    # A relative path begins with the name of another kind of database.
    ("md:", "md"),
]
# The same for runs of all commands, which take long.
HOMES = [("a[b]c/[!a]", "abc/b"), ("a*c/**", "abc/any"), *NAMES[4:]]


def fill(world: World) -> None:
    """Two people and a message of each on two days."""
    for user in (1001, 2):
        world.user(user, username=f"somebody {user}")
    world.conversation(1)
    for number in range(4):
        sender = (1001, 2)[number % 2]
        world.message(number, sender_id=sender, created_at=at(days=-(number // 2), hours=-number))
        world.receipt(number, user=2, read_at=at(minutes=1))


@pytest.fixture
def decoy(new_database: Callable[[], str], tmp_path: Path) -> Path:
    """A DATA_DIR of another messenger whose files have the names of ours."""
    url = new_database()
    with World(url) as world:
        fill(world)
        for number in range(10, 20):
            world.message(number, sender_id=2, created_at=at(hours=-1))
        other = Pipeline(url, Settings(data_dir=tmp_path / "decoy"), Clock())
        other.cycle()
    layout = other.layout
    layout.backfill.mkdir()
    day = next(layout.lake.glob("messages/*/*.parquet"))
    shutil.copy(day, layout.backfill / "messages-000000.parquet")
    return layout.root


def digest(directory: Path) -> str:
    """Names and contents of all files of a directory."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return hashlib.sha256(b"".join(bytes(path) + path.read_bytes() for path in files)).hexdigest()


def require_equal(pipeline: Pipeline) -> None:
    """The generation has the rows of the source."""
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sibling"), HOMES, ids=[name for name, _ in HOMES])
def test_every_command_works_in_a_directory_of_any_name(
    name: str,
    sibling: str,
    decoy: Path,
    database: str,
    new_api: Callable[..., Api],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Backfill, cycle, verify, rebuild, erase and the API see the rows of the source alone."""
    home = tmp_path / "home"
    shutil.copytree(decoy, home / sibling)
    before = digest(home / sibling)
    monkeypatch.chdir(home)
    settings = Settings(data_dir=Path(name), redis_url=NO_REDIS)
    pipeline = Pipeline(database, settings, Clock())
    with World(database) as world:
        fill(world)
        pipeline.backfill(jobs=1)
        require_equal(pipeline)
        world.message(0, sender_id=1001, created_at=at(), content="longer than before")
        world.message(5, sender_id=2, created_at=at(days=-1))
        pipeline.cycle()
        require_equal(pipeline)
        found = pipeline.verify()
        assert found.reconciled.differences == ()
        pipeline.rebuild()
        require_equal(pipeline)
        world.user(1001, username="deleted", deleted_at=at())
        pipeline.cycle()
    erase(pipeline.settings, 1001, pipeline.clock)
    pipeline.rebuild()
    with open_read_only(pipeline.published.resolve()) as connection:
        users = connection.execute("select user_id from core.dim_users order by user_id").fetchall()
    assert users[0][0] < 0 and users[1:] == [(2,)]
    api = new_api(replace(pipeline, settings=replace(settings, data_dir=home / name)))
    answer = api.admin().get("/top-senders", days=365).json()
    assert [sender["message_count"] for sender in answer["top_senders"]] == [3, 2]
    assert digest(home / sibling) == before


@pytest.mark.parametrize("name", ["relative", "link", "a[b]c"])
def test_a_truncated_warehouse_is_rebuilt_whatever_its_path(
    name: str, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB reports the real path of a damaged database, which may be written in another way."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    pipeline.settings = replace(pipeline.settings, data_dir=Path(name))
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        warehouse = pipeline.layout.warehouse
        warehouse.write_bytes(warehouse.read_bytes()[: warehouse.stat().st_size // 2])
        pipeline.cycle()
    require_equal(pipeline)


@pytest.mark.parametrize("name", ["a?b", "a\\b", "a?b\\c"])
def test_a_name_that_duckdb_cannot_write_to_is_refused(name: str, tmp_path: Path) -> None:
    """DuckDB has no escape for two characters in the path of a database; links are followed."""
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "link", tmp_path / "link" / "data"):
        with pytest.raises(SettingsError, match="DuckDB cannot write a database below"):
            Settings.from_env({"DATA_DIR": str(path)})


@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_a_pattern_matches_its_file_alone(name: str, tmp_path: Path) -> None:
    """The file is read, and DuckDB reports its path as it is; erase relies on that."""
    paths = [tmp_path / directory / "file.parquet" for directory in (name, *dict(NAMES).values())]
    with duckdb.connect() as connection:
        for number, path in enumerate(paths):
            path.parent.mkdir(exist_ok=True)
            connection.execute(
                f"copy (select {number} as number) to $path (format parquet)", {"path": str(path)}
            )
        found = connection.execute(
            "select number, filename from read_parquet($path, filename = true)",
            {"path": pattern(paths[0])},
        ).fetchall()
    assert found == [(0, str(paths[0]))]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("lake/read_through", {"files": "a.parquet"}),
        ("lake/read_through", {"files": ["a.parquet"]}),
        ("facts/write_chunk", {"path": "a.parquet"}),
    ],
)
def test_a_file_cannot_be_given_as_text(statement: str, parameters: dict[str, Any]) -> None:
    """A text is not taken literally, so it is no file; a `Path` is."""
    with duckdb.connect() as connection, pytest.raises(TypeError, match="is a file: bind a Path"):
        sqlfiles.run(connection, statement, **parameters)


def paths_given_to_duckdb(source: str) -> list[int]:
    """The lines that give DuckDB a path without `olap.paths`."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        function = ast.unparse(call.func)
        first = ast.unparse(call.args[0]) if call.args else "':memory:'"
        is_open = function == "duckdb.connect" and first not in ("':memory:'", "literal(path)")
        is_read = function.endswith("read_parquet") and not first.startswith("pattern(")
        if is_open or is_read:
            found.append(call.lineno)
    return found


def test_no_module_gives_duckdb_a_path_of_its_own() -> None:
    """Files are opened and read through `olap.paths` only."""
    modules = [path for part in ("olap", "etl", "api") for path in (ROOT / part).rglob("*.py")]
    assert {str(m): found for m in modules if (found := paths_given_to_duckdb(m.read_text()))} == {}


@pytest.mark.parametrize(
    "source", ["duckdb.connect(str(path))", "connection.read_parquet(str(path))"]
)
def test_a_path_of_its_own_is_detected(source: str) -> None:
    """The scan above finds both ways."""
    assert paths_given_to_duckdb(source) == [1]
