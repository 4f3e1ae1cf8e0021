"""A published file that is damaged in the middle, where opening it does not read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from olap.errors import GenerationDamagedError
from olap.reader import Reader, Rows, Statement
from tests.api.fix_api import Api
from tests.api.fix_published import BASE, ONE_MORE_MESSAGE, Published, wait_for

BLOCK_BYTES = 262_144
# What the warm-up of a generation asks, and opening its file does not read.
READS = "select count(*), sum(hash(m)) from core.fact_messages as m"


def damaged_copies(file: Path, copy: Path) -> Iterator[Path]:
    """The file with one block after the other overwritten."""
    whole = file.read_bytes()
    for offset in range(3 * 4096, len(whole), BLOCK_BYTES):
        spoiled = bytearray(whole)
        spoiled[offset + 1000 : offset + 1100] = b"\xff" * 100
        copy.unlink(missing_ok=True)
        copy.write_bytes(spoiled)
        yield copy


def is_readable(file: Path, query: str) -> bool:
    """Whether DuckDB opens the file and answers this query."""
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("from metrics.catalog").fetchall()
            connection.execute(query).fetchall()
    except duckdb.Error:
        return False
    return True


def damage(file: Path) -> None:
    """Damage a published file so that it can be opened, and its messages cannot be read."""
    copy = file.with_suffix(".copy")
    for spoiled in damaged_copies(file, copy):
        if is_readable(spoiled, "select 1") and not is_readable(spoiled, READS):
            shutil.copystat(file, spoiled)  # a disk that loses bits changes no time
            spoiled.replace(file)
            return
    raise AssertionError("every damage is noticed when the file is opened")


def test_a_damaged_block_has_its_own_error(published: Published, tmp_path: Path) -> None:
    """Reading a block whose checksum does not match is a `GenerationDamagedError`; a wrong query is
    not."""
    published.publish(BASE)
    file = published.layout.generation(1)
    damage(file)
    reader = Reader(
        file.parent, memory_limit="400MB", threads=1, spill_directory=tmp_path / "spill"
    )
    try:
        reader.attach(file, "g")
        with pytest.raises(GenerationDamagedError, match="the file of the generation is damaged"):
            Statement(reader, "g", READS, {}).run()
        with pytest.raises(duckdb.BinderException):
            Statement(reader, "g", "select nothing from core.fact_messages", {}).run()
    finally:
        reader.close()


def test_a_damaged_generation_does_not_begin_to_serve(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """The one before serves, `ready` says why, and the next whole one serves."""
    published.publish(ONE_MORE_MESSAGE)
    damage(published.layout.generation(2))
    published.publish(BASE)
    api = new_api(published.pipeline)
    published.point(2)
    deadline = time.monotonic() + 300
    while (ready := api.client.get("/health/ready").json())["refused"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ready["generation"] == 1
    assert "generation 2: the file of the generation is damaged" in ready["refused"]
    assert api.admin().get("/dashboard").json()["generation"] == 1
    published.publish(ONE_MORE_MESSAGE, 3)
    wait_for(api, 3)


def test_a_damaged_first_generation_does_not_serve(
    published: Published, new_api: Callable[..., Api]
) -> None:
    """Every request is 503, and so is `ready`, which says why."""
    published.publish(BASE)
    damage(published.layout.generation(1))
    api = new_api(published.pipeline)
    ready = api.client.get("/health/ready")
    assert ready.status_code == 503
    assert "the file of the generation is damaged" in ready.json()["refused"]
    assert api.admin().get("/dashboard").status_code == 503


def test_damage_that_shows_later_makes_it_not_ready(
    published: Published, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that meets the damage is 503, `ready` is 503 and says why, answers from the cache
    are still right, and the next generation is ready."""
    published.publish(BASE)
    api = new_api(published.pipeline)
    whole = Statement.run

    def damaged(self: Statement) -> Rows:
        if "event_counts" in self._statement:
            raise GenerationDamagedError("a block does not match", hint="publish")
        return whole(self)

    monkeypatch.setattr(Statement, "run", damaged)
    assert api.client.get("/health/ready").status_code == 200
    assert api.admin().get("/events/counts").status_code == 503
    ready: Any = api.client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert ready.json()["damage"] == "a block does not match"
    assert api.admin().get("/dashboard").headers["x-cache"] == "hit"
    published.publish(ONE_MORE_MESSAGE)
    wait_for(api, 2)
    assert api.client.get("/health/ready").json()["damage"] is None
