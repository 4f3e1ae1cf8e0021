"""Commands, tables and SQL in the READMEs work as they are printed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.app import PREFIX, create_app
from api.background import Supervisor
from api.deployment import Deployment
from api.events.service import Events
from etl import __main__ as command_line
from etl.role import role_sql
from olap import sqlfiles
from olap.commands import call
from olap.mapping import read_mapping, shipped_mappings
from olap.secret import Hidden, Secret
from olap.settings import Program, Settings, settings_table
from olap.tables import TABLE_NAMES, TABLES, Fact
from tests.clients import chapter as clients
from tests.fix_duckdb import Shell
from tests.fix_pipeline import Pipeline
from tests.world import World, at

ROOT = Path(__file__).parents[1]
FOLDERS = ("", "etl/", "olap/", "api/", ".deploy/", "tests/bench/", "tests/synapse/")
READMES = {
    f"{folder}README.md": (ROOT / folder / "README.md").read_text(encoding="utf-8")
    for folder in FOLDERS
}
ROLE = "analytics_etl"
NOBODY = "redis://127.0.0.1:1/0"


def block(readme: str, name: str) -> str:
    """The text between `<!-- name -->` and `<!-- /name -->`."""
    found = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", READMES[readme], re.DOTALL)
    assert len(found) == 1, f"{name} is {len(found)} times in {readme}"
    return str(found[0])


def sql_of(text: str) -> bytes:
    """The statements of a block that contains nothing but SQL."""
    found = re.fullmatch(r"```sql\n(.*?)```\s*", text, re.DOTALL)
    assert found is not None
    return found[1].encode()


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner of the messenger's tables; the README's role is dropped afterwards."""
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute("select from pg_roles where rolname = %s", [ROLE]).fetchone()
        if found is not None:
            pytest.skip(f"this server has a role {ROLE} of its own")
        try:
            yield connection
        finally:
            connection.execute(f"drop owned by {ROLE}".encode())
            connection.execute(f"drop role {ROLE}".encode())


def test_the_documented_role_can_run_cycles_and_write_nothing(
    owner: psycopg.Connection, pipeline: Pipeline
) -> None:
    """The printed grants suffice for a cycle and allow no change of the source."""
    with World(pipeline.url) as world:
        world.message()
    owner.execute(role_sql(read_mapping("messenger")).encode())
    owner.execute(f"alter role {ROLE} password 'as-the-readme-says'".encode())
    pipeline.url = make_conninfo(pipeline.url, user=ROLE, password="as-the-readme-says")
    assert pipeline.cycle().manifest.tables["messages"].rows == 1
    assert pipeline.cycle().manifest.last_batch.batch == 2
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        for table in ("users", "messages", "message_read_receipts", "analytics_events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"delete from {table}".encode())


def test_the_chapter_shows_the_mapping_of_the_example() -> None:
    """What the chapter quotes of the mapping is in its files."""
    folder = sqlfiles.SQL_DIR / "source" / "example"
    written = sql_of(block("etl/README.md", "messages")).decode()
    assert written == (folder / "messages.sql").read_text(encoding="utf-8")
    quoted = re.fullmatch(r"```toml\n(.*?)```\s*", block("etl/README.md", "mapping"), re.DOTALL)
    assert quoted is not None
    declared = tomllib.loads((folder / "mapping.toml").read_text(encoding="utf-8"))
    shown = tomllib.loads(quoted[1])
    assert shown["ids"] == declared["ids"]
    assert shown["tables"].items() <= declared["tables"].items()


def test_the_chapter_lists_all_columns() -> None:
    """The table of the files has every table with its columns, the key in bold, a fact marked."""
    text = READMES["etl/README.md"]
    rows = re.findall(r"^\| `(\w+)\.sql`( \*)? \| ([\w*, ]+) \| ([^|]*)\|$", text, re.MULTILINE)
    documented = {name: (star != "", columns, note) for name, star, columns, note in rows}
    assert set(documented) == set(TABLE_NAMES)
    for table in TABLES:
        is_fact, columns, note = documented[table.name]
        assert is_fact == isinstance(table, Fact)
        bold = [f"**{name}**" if name in table.key else name for name in table.columns]
        assert sorted(columns.split(", ")) == sorted(bold), table.name
        assert note.startswith("required") == table.is_required


def test_the_shipped_mappings_are_listed() -> None:
    """The chapter names each mapping of the repository once."""
    text = READMES["etl/README.md"].partition("### 1. Copy a mapping")[0]
    names = [
        name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in row.split(", ")
    ]
    assert sorted(names) == sorted(f"`{name}`" for name in (*shipped_mappings(), "SOURCE_MAPPING"))


def test_the_chapter_leads_to_a_published_file(
    empty_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Role, check, cycle and query work as printed, one after the other, on a copied mapping."""
    example = sqlfiles.SQL_DIR / "source" / "example"
    shutil.copytree(example, tmp_path / "chat")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {"SOURCE_MAPPING": "./chat", "LOG_LEVEL": "error"})

    def printed(*arguments: str, url: str = "") -> str:
        monkeypatch.setitem(os.environ, "DATABASE_URL", url)
        assert command_line.main(arguments) == 0
        return capsys.readouterr().out

    with psycopg.connect(empty_database, autocommit=True) as owner:
        if owner.execute("select from pg_roles where rolname = %s", [ROLE]).fetchone():
            pytest.skip(f"this server has a role {ROLE} of its own")
        owner.execute((example / "schema.sql").read_bytes())
        owner.execute((ROOT / "tests/mappings/example/schema.sql").read_bytes())
        owner.execute("vacuum analyze")
        role = sql_of(block("etl/README.md", "role"))
        assert printed("source", "role").encode() == role
        try:
            owner.execute(role)
            owner.execute(f"alter role {ROLE} password 'x'".encode())
            url = make_conninfo(empty_database, user=ROLE, password="x")
            checked = printed("source", "check", url=url)
            ran = printed("run", url=url)
        finally:
            owner.execute(f"drop owned by {ROLE}".encode())
            owner.execute(f"drop role {ROLE}".encode())
        name = owner.info.dbname
    checked = checked.replace(name, "chat")
    for part in _words_of("check-source", "messenger-analytics source check").split("..."):
        assert part in _words(checked)
    assert _words_of("etl", "messenger-analytics etl") == _words(ran)
    _, _, query = block("etl/README.md", "shell").partition("D ")
    statement, _, answer = query.partition("\n")
    with duckdb.connect("data/analytics.duckdb", read_only=True) as connection:
        assert _words(str(connection.sql(statement.rstrip("; ")))) == _words(answer)


def test_the_documented_slot_is_installed_and_taken_away(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both commands say what is printed, and nothing stays at the source."""
    mapping = sqlfiles.SQL_DIR / "source" / "example"
    environment = {"SOURCE_MAPPING": f"{mapping}", "DATABASE_URL": empty_database}
    monkeypatch.setattr("os.environ", environment)
    with psycopg.connect(empty_database, autocommit=True) as owner:
        if owner.execute("select from pg_roles where rolname = %s", [ROLE]).fetchone():
            pytest.skip(f"this server has a role {ROLE} of its own")
        owner.execute((mapping / "schema.sql").read_bytes())
        owner.execute(f"create role {ROLE}".encode())
        try:
            for name, arguments in {
                "install-slot": f"source install slot --apply --role {ROLE}",
                "uninstall-slot": "source uninstall slot --apply",
            }.items():
                assert command_line.main(arguments.split()) == 0
                documented = _words_of(name, f"messenger-analytics {arguments}")
                said = capsys.readouterr().out
                for command in ("status", "source uninstall slot"):
                    said = said.replace(call(command), f"messenger-analytics {command}")
                assert _words(said) == documented
        finally:
            owner.execute(f"drop role {ROLE}".encode())


def _words_of(name: str, command: str) -> str:
    """The words of a block after the command that prints them."""
    return _words(block("etl/README.md", name).partition(f"$ {command}\n")[2])


# Megabytes and milliseconds of a table, other decimals, the time of the snapshot, and estimates.
_VARYING = re.compile(r"\d+\.\d+ \d+(?= )|\d+\.\d+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|about \d+ s")


def _words(text: str) -> str:
    """A text without its layout, and without what differs from run to run."""
    return _VARYING.sub("#", " ".join(text.split()))


def test_the_documented_writer_can_write_events_and_nothing_else(database: str) -> None:
    """The writer's grants suffice for `POST /events` and do not allow it to read events."""
    role = "analytics_events_writer"
    with psycopg.connect(database, autocommit=True) as owner:
        if owner.execute("select from pg_roles where rolname = %s", [role]).fetchone() is not None:
            pytest.skip(f"this server has a role {role} of its own")
        try:
            owner.execute(sql_of(block("api/README.md", "events role")))
            owner.execute(f"alter role {role} password 'as-the-readme-says'".encode())
            url = make_conninfo(database, user=role, password="as-the-readme-says")
            settings = Settings(events_database_url=Secret(url), redis_url=Secret(NOBODY))
            asyncio.run(_post_an_event(settings))
            assert owner.execute("select count(*) from analytics_events").fetchone() == (1,)
            with psycopg.connect(url, autocommit=True) as writer:
                for statement in (
                    b"delete from analytics_events",
                    b"select from users",
                    b"select metadata from analytics_events",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        writer.execute(statement)
        finally:
            owner.execute(f"drop owned by {role}".encode())
            owner.execute(f"drop role {role}".encode())


async def _post_an_event(settings: Settings) -> None:
    """Post the documented event twice."""
    example = re.search(r'^ +{"id": "[^}]*}}$', READMES["api/README.md"], re.MULTILINE)
    assert example is not None
    events = Events(settings, Deployment(settings))
    async with events.running(Supervisor()):
        for _ in range(2):
            await events.receive(example[0].encode(), datetime.now(UTC))


def test_the_documented_views_are_those_of_a_generation(pipeline: Pipeline) -> None:
    """The tables name exactly the views of a generation, those of `main` with their columns."""
    pipeline.cycle()
    text = block("olap/README.md", "views")
    documented = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|$", text, re.MULTILINE))
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        rows = connection.execute(
            "select table_name, string_agg(column_name, ', ' order by column_index)"
            " from duckdb_columns() where schema_name = 'main' and not internal"
            " and not ends_with(column_name, '_tz') group by table_name"
        ).fetchall()
        found = connection.execute(
            "select 'metrics.' || view_name from duckdb_views() where schema_name = 'metrics'"
        ).fetchall()
    assert documented == dict(rows)
    listed = re.findall(r"^\| `(metrics\.\w+)` \|", READMES["olap/README.md"], re.MULTILINE)
    assert sorted(listed) == sorted(name for (name,) in found)


def test_the_documented_idioms_answer(marked: Path) -> None:
    """Each statement about times runs, and finds the messages in every time zone of the session."""
    answers = set()
    for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
        with duckdb.connect(str(marked), read_only=True) as connection:
            connection.execute(f"set timezone = '{zone}'")
            answers.add(str([connection.execute(one).fetchall() for one in idioms()]))
    (answer,) = answers
    assert answer.startswith("[[(")


@pytest.mark.slow
def test_the_documented_idioms_answer_in_older_versions(older_shell: Shell, marked: Path) -> None:
    """DuckDB 1.4 and 1.5 have as many rows as DuckDB 2 for each statement about times."""
    with duckdb.connect(str(marked), read_only=True) as connection:
        expected = [len(connection.execute(one).fetchall()) for one in idioms()]
    assert [len(rows) for rows in older_shell.ask(marked, idioms())] == expected


def idioms() -> list[str]:
    """The statements about times, without comments."""
    text = sql_of(block("olap/README.md", "idioms")).decode()
    return [one.query.rstrip("; \n") for one in duckdb.extract_statements(text)]


def test_the_first_query_runs(pipeline: Pipeline) -> None:
    """The first query that an analyst copies returns the right numbers."""
    with World(pipeline.url) as world:
        world.message()
    pipeline.cycle()
    query = re.search(r"```sql\n(select .*?)```", READMES["README.md"], re.DOTALL)
    assert query is not None
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        ((_, messages, people),) = connection.execute(query[1]).fetchall()
    assert (messages, people) == (1, 1)


def test_the_documented_metric_calls_run(pipeline: Pipeline) -> None:
    """Every metric call in the READMEs runs on a generation."""
    pipeline.cycle()
    text = "\n".join([block("README.md", "metrics"), READMES["olap/README.md"]])
    calls = re.findall(r"from\s+(metrics\.\w+(?:\((?:[^()…]|\([^()]*\))*\))?)[;\"`]", text)
    assert len(calls) > 4
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        for call in calls:
            connection.sql(f"from {call}").pl()


def test_two_generations_are_compared(pipeline: Pipeline, older_shell: Shell) -> None:
    """The printed comparison finds the day whose number changed, in every version of DuckDB."""
    with World(pipeline.url) as world:
        world.message(1)
        world.message(2, created_at=at(days=-1))
        pipeline.cycle()
        world.message(3, created_at=at(days=-1))
        pipeline.cycle()
    script = sql_of(block("olap/README.md", "two generations")).decode()
    script = script.replace("000121", "000001").replace("data/", f"{pipeline.layout.root}/")
    changed = [(date(2026, 2, 28), 1, 2)]
    with duckdb.connect() as connection:
        assert connection.execute(script).fetchall() == changed
    shown = older_shell.run(None, script)
    assert [tuple(row.values()) for row in json.loads(shown.stdout)] == [("2026-02-28", 1, 2)]


def test_the_database_is_called_analytics(pipeline: Pipeline, older_shell: Shell) -> None:
    """Every version names the database by the link and by the path it leads to alike."""
    pipeline.cycle()
    for path in (pipeline.published, pipeline.published.resolve()):
        with duckdb.connect(str(path), read_only=True) as connection:
            assert connection.execute("select current_database()").fetchone() == ("analytics",)
        assert older_shell.ask(path, ["select current_database() as name"]) == [
            [{"name": "analytics"}]
        ]


def test_the_chapter_names_the_versions_that_are_tried() -> None:
    """Each tool of "Connect your tool" has pins, and the versions that it names are among them."""
    assert set(clients.entries()) == set(clients.PINS)
    for name, entry in clients.entries().items():
        pins = {re.sub(r"\[.*?\]", "", pin) for pin in entry.pins}
        assert entry.versions and entry.versions <= pins, name


def test_every_documented_make_target_exists() -> None:
    """Each `make` command in the READMEs is a target, and .PHONY lists all targets."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    text = "\n".join(READMES.values())
    documented = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.MULTILINE))
    assert documented and documented <= targets
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None and set(phony[1].split()) == targets


@pytest.mark.parametrize("readme", READMES)
def test_every_marked_block_is_filled(readme: str) -> None:
    """Each block of output, figures or settings has an end and is not empty."""
    for name in re.findall(r"^<!-- ([a-z][\w ]*) -->$", READMES[readme], re.MULTILINE):
        assert len(block(readme, name).strip()) > 100, name


def test_the_readme_is_short_enough_to_be_read() -> None:
    """The top README has at most 200 lines; the others have the details."""
    assert len(READMES["README.md"].splitlines()) <= 200


@pytest.mark.parametrize("readme", READMES)
def test_every_link_leads_somewhere(readme: str) -> None:
    """Each relative link is in the project, and its fragment a heading of that file."""
    for target in re.findall(r"\]\(([^)]+)\)", READMES[readme]):
        if target.startswith("https://"):
            continue
        path, _, fragment = target.partition("#")
        file = (ROOT / readme).parent / path if path else ROOT / readme
        assert file.exists(), target
        if not fragment:
            continue
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert fragment in slugs, target


def test_the_documented_endpoints_are_those_of_the_api(tmp_path: Path) -> None:
    """The table has exactly the queries of the OpenAPI document, with parameters that exist."""
    settings = Settings(jwt_secret=Hidden("x" * 32), data_dir=tmp_path)
    document = create_app(settings).openapi_schema.to_schema()
    reads = {
        path.removeprefix(PREFIX): {one["name"] for one in methods["get"].get("parameters", ())}
        for path, methods in document["paths"].items()
        if path.startswith(PREFIX) and "get" in methods and not path.endswith("/recent")
    }
    table = block("api/README.md", "endpoints")
    documented = dict(re.findall(r"^\| `(/[^`]+)` \| [^|]+ \|([^|]*)\|$", table, re.MULTILINE))
    assert set(documented) == set(reads)
    for path, text in documented.items():
        assert set(re.findall(r"`(\w+)`", text)) <= reads[path], path


def test_the_settings_of_the_api_are_those_that_it_reads() -> None:
    """The API's table and the five settings it shares are exactly those that its modules read."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "api").rglob("*.py"))
    read = {
        setting.metadata["variable"]
        for setting in fields(Settings)
        if re.search(rf"settings\.{setting.name}\b", code)
    }
    shared = {"DATA_DIR", "SOURCE_MAPPING", "DUCKDB_THREADS", "LOG_FORMAT", "LOG_LEVEL"}
    documented = set(re.findall(r"^\| `(\w+)` \|", settings_table(Program.API), re.MULTILINE))
    assert documented | shared == read - {"DATABASE_URL"} | {"REDIS_HOST", "REDIS_PORT", "REDIS_DB"}
