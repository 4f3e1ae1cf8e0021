"""What the README says works as it stands there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest
from prometheus_client import REGISTRY, Metric
from psycopg.conninfo import make_conninfo

from api.app import PREFIX, create_app
from api.events.service import Events
from olap.settings import Hidden, Secret, Settings, settings_table
from tests.fix_pipeline import Pipeline
from tests.world import World

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
API_README = (ROOT / "api" / "README.md").read_text(encoding="utf-8")
ROLE = "analytics_etl"
NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner of the messenger's tables; the README's role is gone afterwards."""
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute("select from pg_roles where rolname = %s", [ROLE]).fetchone()
        if found is not None:
            pytest.skip(f"this server has a role {ROLE} of its own")
        try:
            yield connection
        finally:
            connection.execute(f"drop owned by {ROLE}".encode())
            connection.execute(f"drop role {ROLE}".encode())


def test_the_role_of_the_readme_can_run_cycles_and_write_nothing(
    owner: psycopg.Connection, pipeline: Pipeline
) -> None:
    """The grants in the README are enough for a cycle, and allow no change of the source."""
    block = re.search(r"<!-- role -->\n```sql\n(.*?)```", README, re.DOTALL)
    assert block is not None
    with World(pipeline.url) as world:
        world.message()
    owner.execute(block[1].encode())
    owner.execute(f"alter role {ROLE} password 'as-the-readme-says'".encode())
    pipeline.url = make_conninfo(pipeline.url, user=ROLE, password="as-the-readme-says")
    assert pipeline.cycle().manifest.tables["messages"].rows == 1
    assert pipeline.cycle().manifest.last_batch.batch == 2
    with psycopg.connect(pipeline.url, autocommit=True) as connection:
        for table in ("users", "messages", "message_read_receipts", "analytics_events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"delete from {table}".encode())


def test_the_writers_role_of_the_readme_can_write_events_and_nothing_else(database: str) -> None:
    """The second role is enough for `POST /events`, and reads no event's content."""
    block = re.search(r"<!-- events role -->\n```sql\n(.*?)```", API_README, re.DOTALL)
    assert block is not None
    role = "analytics_events_writer"
    with psycopg.connect(database, autocommit=True) as owner:
        if owner.execute("select from pg_roles where rolname = %s", [role]).fetchone() is not None:
            pytest.skip(f"this server has a role {role} of its own")
        try:
            owner.execute(block[1].encode())
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
    """Post the README's event, twice."""
    example = re.search(r'^ +{"id": "[^}]*}}$', API_README, re.MULTILINE)
    assert example is not None
    events = Events(settings)
    async with events.running():
        for _ in range(2):
            await events.receive(example[0].encode(), datetime.now(UTC))


def test_the_views_of_the_readme_are_those_of_a_generation(pipeline: Pipeline) -> None:
    """The README's table names exactly the views of a generation, with their columns in order."""
    pipeline.cycle()
    told = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|$", README, re.MULTILINE))
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        rows = connection.execute(
            "select table_name, string_agg(column_name, ', ' order by column_index)"
            " from duckdb_columns() where schema_name = 'main' and not internal"
            " group by table_name"
        ).fetchall()
    assert told == dict(rows)


def test_the_query_of_the_readme_runs(pipeline: Pipeline) -> None:
    """The first query an analyst copies gives an answer."""
    with World(pipeline.url) as world:
        world.message()
    pipeline.cycle()
    block = re.search(r"```sql\n(select .*?)```", README, re.DOTALL)
    assert block is not None
    with duckdb.connect(str(pipeline.published), read_only=True) as connection:
        ((_, messages, people),) = connection.execute(block[1]).fetchall()
    assert (messages, people) == (1, 1)


def test_every_make_target_of_the_readme_exists() -> None:
    """No `make` command is promised that the Makefile does not have, and the list has them all."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    promised = set(re.findall(r"(?:`|^    )make ([a-z-]+)", README, re.MULTILINE))
    assert promised and promised <= targets
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None and set(phony[1].split()) == targets


def test_every_block_that_is_filled_in_is_filled() -> None:
    """The README's measured and generated blocks are not empty."""
    for name in ("make etl", "settings", "disk", "bench"):
        block = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
        assert block is not None and len(block[1].strip()) > 100, name


def test_the_endpoints_of_the_readme_are_those_of_the_api(tmp_path: Path) -> None:
    """The table of the API's README names exactly the reads of the OpenAPI document, and each
    parameter in it is a parameter there."""
    settings = Settings(jwt_secret=Hidden("x" * 32), data_dir=tmp_path)
    document = create_app(settings).openapi_schema.to_schema()
    reads = {
        path.removeprefix(PREFIX): {one["name"] for one in methods["get"].get("parameters", ())}
        for path, methods in document["paths"].items()
        if path.startswith(PREFIX) and "get" in methods and not path.endswith("/recent")
    }
    told = dict(re.findall(r"^\| `(/[^`]+)` \| [^|]+ \|([^|]*)\|$", API_README, re.MULTILINE))
    assert set(told) == set(reads)
    for path, text in told.items():
        assert set(re.findall(r"`(\w+)`", text)) <= reads[path], path


def test_the_alerts_of_the_readme_are_about_numbers_there_are() -> None:
    """Every metric in the alert rules of the API's README is one that `/metrics` has."""
    block = re.search(r"<!-- alerts -->\n(.*?)<!-- /alerts -->", API_README, re.DOTALL)
    assert block is not None
    known = {sample for family in REGISTRY.collect() for sample in _names(family)}
    assert set(re.findall(r"\banalytics_\w+", block[1])) <= known


def _names(family: Metric) -> set[str]:
    endings = ("", "_total", "_count", "_bucket", "_sum")
    return {f"{family.name}{ending}" for ending in endings}


def test_the_settings_of_the_apis_readme_are_those_that_the_api_reads() -> None:
    """The table of the API's README has exactly the settings that modules of the API read, with
    their defaults."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "api").rglob("*.py"))
    read = {
        setting.metadata["variable"]
        for setting in fields(Settings)
        if re.search(rf"settings\.{setting.name}\b", code)
    }
    read = read - {"DATABASE_URL"} | {"REDIS_HOST", "REDIS_PORT", "REDIS_DB"}
    block = re.search(r"<!-- api settings -->\n(.*?)<!-- /api settings -->", API_README, re.DOTALL)
    assert block is not None
    row = r"^\| `(\w+)` \| ([^|]+) \|"
    told = dict(re.findall(row, block[1], re.MULTILINE))
    defaults = dict(re.findall(row, settings_table(), re.MULTILINE))
    assert told == {variable: defaults[variable] for variable in read}
