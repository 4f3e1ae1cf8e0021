"""Erase: after the messenger deleted or anonymised a person, nothing here identifies them either.

A random pseudonym replaces the id in every lake file and in the warehouse, and the name is removed;
keys, and so all totals, stay. The warehouse is rewritten (a plain copy keeps deleted bytes), a new
generation is published, and every older one is removed at once, with the lake files that only it
referenced. From then on `olap.erasures` recognises the id if the source still sends it. Finally all
of `DATA_DIR` is searched, decoded and byte by byte, and a receipt reports what was searched.

Every step can be repeated: after a kill, the same command finishes the work. Copies that people
made of `DATA_DIR`, and disk blocks that have not been overwritten yet, are out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import redis

from olap import ledger, sqlfiles
from olap.backfill_chunks import forget_chunk, read_chunks
from olap.erasures import read_erasures
from olap.errors import ErasureError
from olap.lake import mask_day, write_dimension
from olap.layout import Layout, write_durably
from olap.manifest import LakeFile, Manifest
from olap.paths import literal, open_read_only, pattern
from olap.publish import collect, generation_numbers, publish
from olap.recovery import damage_named, recover
from olap.settings import Settings
from olap.tables import DIMENSIONS, FACTS, PERSON_COLUMNS, Fact
from olap.warehouse import Warehouse, open_warehouse

CACHE_KEYS = "analytics:*"
# A shorter text occurs anywhere by chance; the decoded search finds it where it is a value.
RAW_BYTES_MIN = 6
OUR_WORDS = ("schema", "views")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What was done and what was searched.

    Attributes:
        lake_files: day files that were rewritten.
        chunks: ranges of an unfinished backfill that are read again.
        generation: the published one; all older ones were removed.
        generations_removed: how many.
        files_searched, bytes_searched: everything below `DATA_DIR`.
        values_searched: values of id and text columns, decoded, in Parquet and DuckDB files.
        plain_texts: how many texts are too short or too common for a search byte by byte.
        shared_names: how many names another user has too, so that they remain.
        cache: what happened to the cached answers.
    """

    lake_files: int
    chunks: int
    generation: int
    generations_removed: int
    files_searched: int
    bytes_searched: int
    values_searched: int
    plain_texts: int
    shared_names: int
    cache: str


def erase(settings: Settings, user_id: int, clock: Callable[[], datetime]) -> ErasureReceipt:
    """Remove the id and the names of a person from `DATA_DIR` and the cache.

    Raises:
        ErasureError: there are no data, or something of the person is left; it names the place.
    """
    layout = Layout(settings.data_dir)
    with (
        layout.backfill_locked(),
        layout.locked(),
        damage_named(settings, layout),
        open_warehouse(
            layout, memory_limit=settings.memory_limit, threads=settings.threads
        ) as warehouse,
    ):
        before = recover(warehouse)
        if before is None:
            raise ErasureError(
                f"there is nothing in {layout.root} to erase from",
                hint="Check DATA_DIR; this command does not change the messenger.",
            )
        names = _names(warehouse, before, user_id)
        erasures = read_erasures(layout)
        files = _mask(warehouse, before, user_id, erasures.begin(user_id))
        erasures.finish(user_id)
        chunks = _forget_chunks(warehouse, user_id)
        warehouse.rewrite()
        manifest = publish(warehouse, clock())
        older = len(generation_numbers(layout)) - 1
        collect(layout, manifest, clock(), keep=1, grace_seconds=0)
        shared = {row[0] for row in warehouse.run("erasure/shared_names", names=sorted(names))}
    cache = _forget_cached(settings)
    texts = {str(user_id), *names} - shared
    telling = {text for text in texts if _is_telling(text)}
    values = _require_no_value(layout, user_id, names - shared)
    searched = _require_no_bytes(layout, telling)
    return ErasureReceipt(
        lake_files=files,
        chunks=chunks,
        generation=manifest.generation,
        generations_removed=older,
        files_searched=len(searched),
        bytes_searched=sum(searched),
        values_searched=values,
        plain_texts=len(texts - telling),
        shared_names=len(shared),
        cache=cache,
    )


def _names(warehouse: Warehouse, manifest: Manifest, user_id: int) -> set[str]:
    """Every name of the person here: the present one and those in older lake files."""
    layout = warehouse.layout
    found = [row[0] for row in warehouse.run("erasure/names", user_id=user_id)]
    files = sorted((layout.lake / "users").glob("*.parquet"))
    if files:
        rows = warehouse.run("erasure/names_in_lake", user_id=user_id, files=files)
        found += [row[0] for row in rows]
    return {name for name in found if name}


def _mask(warehouse: Warehouse, before: Manifest, user_id: int, pseudonym: int) -> int:
    """Replace the id by the pseudonym, in one commit; return how many day files changed."""
    number = before.last_batch.batch + 1
    root = warehouse.layout.lake
    replaced: list[tuple[str, date | None]] = []
    files: list[LakeFile] = []
    for fact in FACTS:
        known = {root / f.path: f for f in before.files if f.table == fact.name}
        for path in _mentioning(warehouse, fact, list(known), user_id):
            old = known[path]
            files.append(mask_day(warehouse, fact, old, number, user_id, pseudonym))
            replaced.append((old.table, old.day))
    day_files = len(files)
    batch = msgspec.structs.replace(
        before.last_batch,
        batch=number, rows_read=0, rows_changed=0, days_rebuilt=day_files, read_ms=0, fold_ms=0,
    )  # fmt: skip
    with warehouse.transaction():
        warehouse.run("dimensions/users/mask", user_id=user_id, pseudonym=pseudonym)
        users = next(dimension for dimension in DIMENSIONS if dimension.name == "users")
        old_users = before.file_of("users", None)
        if old_users is not None:
            proved_at = old_users.proved_at
            files.append(write_dimension(warehouse, users, number, proved_at=proved_at))
            replaced.append(("users", None))
        ledger.record_files(warehouse, replaced, files)
        ledger.record_batch(warehouse, batch)
        ledger.record_state(
            warehouse,
            before.source,
            before.coverage,
            changed_in_batch=number,
            generation=before.generation,
            generated_at=before.generated_at,
        )
    manifest = ledger.read(warehouse)
    assert manifest is not None
    write_durably(warehouse.layout.lake_manifest, manifest.to_json())
    return day_files


def _forget_chunks(warehouse: Warehouse, user_id: int) -> int:
    """Forget the chunks that mention the person, so that they are read again; return how many."""
    chunks = read_chunks(warehouse.layout)
    if chunks is None:
        return 0
    forgotten = 0
    for fact in FACTS:
        for path in _mentioning(warehouse, fact, chunks.files(fact.name), user_id):
            forget_chunk(chunks.home, path.stem)
            forgotten += 1
    return forgotten


def _mentioning(
    warehouse: Warehouse, fact: Fact, files: Sequence[Path], user_id: int
) -> list[Path]:
    """Which of these files mention the person."""
    if not files:
        return []
    by_name = {literal(path): path for path in files}
    rows = warehouse.run("facts/mentions", fact, files=list(files), user_id=user_id)
    return [by_name[name] for (name,) in rows]


def _forget_cached(settings: Settings) -> str:
    """Remove the cached answers; return what happened, in words."""
    try:
        client = redis.Redis.from_url(
            settings.redis_url.reveal(), socket_timeout=5, socket_connect_timeout=2
        )
        with client:
            keys = list(client.scan_iter(match=CACHE_KEYS, count=1000))
            for key in keys:
                client.unlink(key)
    except redis.RedisError:
        return "not reachable; what it holds expires within CACHE_TTL_SECONDS (300 s)"
    return f"{len(keys):,} entries removed"


def _require_no_value(layout: Layout, user_id: int, names: set[str]) -> int:
    """Search all Parquet and DuckDB files, decoded; return how many values were compared.

    Raises:
        ErasureError: a value is the id or a name.
    """
    looked_at = 0
    for path in _files(layout):
        with duckdb.connect() as connection:
            for where, relation in _relations(connection, path):
                for column, kind in zip(relation.columns, relation.types, strict=True):
                    is_person = column in PERSON_COLUMNS
                    is_text = str(kind) == "VARCHAR"
                    wanted: list[Any] = [user_id] if is_person else sorted(names) * is_text
                    if not wanted:
                        continue
                    values = [duckdb.ConstantExpression(value) for value in wanted]
                    found = len(relation.filter(duckdb.ColumnExpression(column).isin(*values)))
                    looked_at += len(relation)
                    if found:
                        raise ErasureError(
                            f"{path} still contains the person, {found} times in {where}{column}",
                            hint="Check that the messenger has anonymised them, then run it again.",
                        )
    return looked_at


def _relations(
    connection: duckdb.DuckDBPyConnection, path: Path
) -> Iterator[tuple[str, duckdb.DuckDBPyRelation]]:
    """The tables in a file, each with a prefix that tells where it is."""
    if path.suffix == ".parquet":
        yield "", connection.read_parquet(pattern(path), hive_partitioning=False)
    elif path.suffix == ".duckdb":
        with open_read_only(path) as opened:
            for (table,) in sqlfiles.run(opened, "erasure/tables"):
                yield f"core.{table}.", opened.table(f"core.{table}")


def _require_no_bytes(layout: Layout, texts: set[str]) -> list[int]:
    """Search every file byte by byte; return the sizes of the files.

    Raises:
        ErasureError: a file contains one of the texts.
    """
    sizes = []
    for path in _files(layout):
        content = path.read_bytes()
        sizes.append(len(content))
        if any(text.encode() in content for text in texts):
            raise ErasureError(
                f"{path} still contains the id or a name of the person, byte for byte",
                hint="Run a cycle, then this command again; if it fails again, remove the file.",
            )
    return sizes


def _is_telling(text: str) -> bool:
    """Whether finding the text proves anything: `deleted` is also a word of our own tables."""
    ours = (sqlfiles.text(name) for folder in OUR_WORDS for name in sqlfiles.names(folder))
    return len(text.encode()) >= RAW_BYTES_MIN and not any(text in words for words in ours)


def _files(layout: Layout) -> Iterator[Path]:
    """Every regular file below `DATA_DIR`."""
    for path in sorted(layout.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
