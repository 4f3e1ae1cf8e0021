"""The Delta tables of a DATA_DIR as tests see them: files, rows, differences to a manifest."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

from olap.delta.readme import README
from olap.layout import Layout
from olap.manifest import Manifest
from olap.paths import pattern
from olap.tables import FACT_NAMES, TABLE_NAMES
from tests.fix_pipeline import Pipeline
from tests.world import World, at

Files = dict[str, tuple[int, int]]


def with_delta(pipeline: Pipeline, **settings: Any) -> Pipeline:
    """The same pipeline with LAKE_FORMAT=delta."""
    return replace(pipeline, settings=replace(pipeline.settings, lake_format="delta", **settings))


def fill(world: World) -> None:
    """Write a small messenger of three days, without reactions."""
    for number in (1, 2, 3):
        world.user(number)
    world.conversation(1)
    for number in (1, 2):
        world.participant(1, number)
    for number in range(6):
        moment = at(days=-(number % 3), minutes=-number)
        world.message(number, created_at=moment, sender_id=1)
        world.receipt(number, 2, read_at=moment)
        world.event(number, created_at=moment, user_id=1)


def files(layout: Layout, table: str, version: int | None = None) -> Files:
    """Size and rows of each file in a version of a table; by default in the newest."""
    actions = pa.table(DeltaTable(layout.lake / table, version=version).get_add_actions())
    return {one["path"]: (one["size_bytes"], one["num_records"]) for one in actions.to_pylist()}


def files_in(manifest: Manifest, table: str) -> Files:
    """The same of a manifest."""
    return {
        file.path.removeprefix(f"{table}/"): (file.bytes, file.rows)
        for file in manifest.files
        if file.table == table
    }


def differences(layout: Layout, manifest: Manifest) -> list[str]:
    """The tables of which the version that a manifest names, or the newest, has other files."""
    if set(manifest.delta) != set(TABLE_NAMES):
        return [f"versions of {sorted(manifest.delta)}"]
    found = []
    for table, version in manifest.delta.items():
        wanted = files_in(manifest, table)
        for asked in (version, None):
            if files(layout, table, asked) != wanted:
                found.append(f"{table}, version {asked}")
    return found


def rows_in_lake(layout: Layout, manifest: Manifest, table: str) -> Counter[tuple[Any, ...]]:
    """The rows of a table in a manifest's files, uuids as bytes, the day last."""
    found: Counter[tuple[Any, ...]] = Counter()
    with duckdb.connect() as connection:
        for file in manifest.files:
            if file.table == table:
                path = pattern(layout.lake / file.path)
                relation = connection.read_parquet(path, hive_partitioning=False)
                for row in relation.fetchall():
                    values = tuple(getattr(value, "bytes", value) for value in row)
                    found[(*values, file.day) if table in FACT_NAMES else values] += 1
    return found


def rows_by_polars(layout: Layout, table: str, version: int) -> Counter[tuple[Any, ...]]:
    """The rows of a version of a table, as Polars reads it."""
    frame = pl.scan_delta(str(layout.lake / table), version=version).collect()
    return Counter(frame.rows())


def example(reader: str, data_dir: Path, version: int = 0) -> str:
    """The example of a reader in the lake's README, with a DATA_DIR and a version in place."""
    found = re.search(rf"^## {reader}\n.*?```\w+\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert found is not None, reader
    text = re.sub(r"(?<=['\"])/?data/", f"{data_dir}/", found[1])
    return text.replace("12", str(version))


def counts_by_day(layout: Layout, manifest: Manifest) -> list[tuple[Any, int]]:
    """Messages by day, as the examples of the README count them."""
    days = Counter[Any]()
    for file in manifest.files:
        if file.table == "messages":
            days[file.day] += file.rows
    return sorted(days.items())


def log_names(layout: Layout, table: str) -> set[str]:
    """The files of the log of a table."""
    return {path.name for path in (layout.lake / table / "_delta_log").iterdir()}


def entries_of(layout: Layout, table: str, version: int) -> list[dict[str, Any]]:
    """The actions of a commit."""
    path = layout.lake / table / "_delta_log" / f"{version:020}.json"
    return [json.loads(line) for line in path.read_text().splitlines()]
