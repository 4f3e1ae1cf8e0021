"""The reader continues with a new DuckDB instance, and no query notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from olap import reader as module
from olap.reader import Reader
from tests.fix_pipeline import Pipeline


@pytest.fixture
def reader(
    small_site: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    """A reader that renews its instance after three statements, with a generation as `one`."""
    monkeypatch.setattr(module, "_STATEMENTS_MAX", 3)
    made = Reader(
        small_site.layout.generations, memory_limit="100MB", threads=1, spill_directory=tmp_path
    )
    made.attach(small_site.layout.generation(1), "one")
    yield made
    made.close()


def users(reader: Reader, name: str) -> int:
    """How many users a generation has, by a query of its own."""
    with reader.cursor(name) as cursor:
        return len(cursor.execute("select user_id from users").fetchall())


def test_an_instance_is_renewed_when_a_generation_is_attached(
    small_site: Pipeline, reader: Reader
) -> None:
    """After enough statements the next generation and those before it are in a new instance; a
    query that is running ends in the old one, which is closed then."""
    old = reader._instance
    expected = users(reader, "one")
    assert expected > 0
    users(reader, "one")
    with reader.cursor("one") as running:
        reader.attach(small_site.layout.generation(1), "two")
        assert reader._instance is not old
        assert len(running.execute("select user_id from users").fetchall()) == expected
        assert users(reader, "one") == users(reader, "two") == expected
        old.connection.execute("select 1")
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        old.connection.execute("select 1")
    reader.detach("one")
    assert users(reader, "two") == expected


def test_an_instance_stays_while_a_file_is_gone(
    small_site: Pipeline, reader: Reader, tmp_path: Path
) -> None:
    """While the file of an attached generation has been removed, nothing is renewed, and every
    generation can still be read; it is renewed once that generation is detached."""
    gone = small_site.layout.generations / "gone.duckdb"
    gone.hardlink_to(small_site.layout.generation(1))
    reader.attach(gone, "gone")
    gone.unlink()
    for _ in range(3):
        users(reader, "gone")
    old = reader._instance
    reader.attach(small_site.layout.generation(1), "two")
    assert reader._instance is old
    assert users(reader, "one") == users(reader, "two") == users(reader, "gone")
    reader.detach("gone")
    reader.attach(small_site.layout.generation(1), "three")
    assert reader._instance is not old
    assert users(reader, "one") == users(reader, "three")


def test_few_statements_keep_the_instance(small_site: Pipeline, reader: Reader) -> None:
    """Below the number of statements a generation is attached to the same instance."""
    old = reader._instance
    users(reader, "one")
    reader.attach(small_site.layout.generation(1), "two")
    assert reader._instance is old
