"""Erasure: after the messenger has deleted or anonymised a person, nothing here names them either.

The id gives way to a random pseudonym in every lake file and in the warehouse, and the name goes;
keys and so all totals stay. The warehouse is written anew (deleted bytes stay in a plain copy), one
new generation is published, and every older one, with the lake files only it named, is removed at
once. From then on `olap.erasures` recognises the id when the source still sends it. Last, all of
`DATA_DIR` is searched, decoded and byte by byte, and a receipt says what was searched.

Every step can be done again: after a kill, the same command finishes the work. What people copied
out of `DATA_DIR` before, and blocks that the disk has not yet overwritten, are out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from olap.publish import collect, generation_numbers, publish
from olap.recovery import damage_named, recover
from olap.settings import Settings
from olap.tables import DIMENSIONS, FACTS, PERSON_COLUMNS
from olap.warehouse import Warehouse, open_warehouse

CACHE_KEYS = "analytics:*"
# A shorter text is found anywhere by chance; the decoded search finds it where it is a value.
RAW_BYTES_MIN = 6
OUR_WORDS = ("schema", "views")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What was done, and where nothing was found any more.

    Attributes:
        lake_files: day files that were written anew.
        chunks: ranges of an unfinished backfill that it reads again.
        generation: the one that was published; all older ones were removed.
        generations_removed: how many.
        files_searched, bytes_searched: everything below `DATA_DIR`.
        values_searched: values of id and text columns, decoded, in Parquet and DuckDB files.
        plain_texts: how many texts were too short or too common to search for byte by byte.
        shared_names: how many names another user has too, so that they must be found.
        cache: what became of the cached answers.
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
    """Leave nothing of the id and the names of a person below `DATA_DIR` and in the cache.

    Raises:
        ErasureError: nothing is here, or something of the person is left; it names the place.
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
                hint="Check DATA_DIR; the messenger itself is not changed by this command.",
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
    """Every name that the person has had here: now, in older generations and in the lake."""
    layout = warehouse.layout
    found = [row[0] for row in warehouse.run("erasure/names", user_id=user_id)]
    files = sorted(str(path) for path in (layout.lake / "users").glob("*.parquet"))
    if files:
        rows = warehouse.run("erasure/names_in_lake", user_id=user_id, files=files)
        found += [row[0] for row in rows]
    return {name for name in found if name}


def _mask(warehouse: Warehouse, before: Manifest, user_id: int, pseudonym: int) -> int:
    """Put the pseudonym in the place of the id, in one commit; how many day files changed."""
    number = before.last_batch.batch + 1
    root = warehouse.layout.lake
    replaced: list[tuple[str, date | None]] = []
    files: list[LakeFile] = []
    for fact in FACTS:
        known = {str(root / f.path): f for f in before.files if f.table == fact.name}
        if not known:
            continue
        rows = warehouse.run("facts/mentions", fact, files=list(known), user_id=user_id)
        for (path,) in rows:
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
    """Have an unfinished backfill read again what mentions the person; how many ranges that is."""
    chunks = read_chunks(warehouse.layout)
    if chunks is None:
        return 0
    forgotten = 0
    for fact in FACTS:
        names = {path: Path(path).stem for path in chunks.files(fact.name)}
        if not names:
            continue
        rows = warehouse.run("facts/mentions", fact, files=list(names), user_id=user_id)
        for (path,) in rows:
            forget_chunk(chunks.home, names[path])
            forgotten += 1
    return forgotten


def _forget_cached(settings: Settings) -> str:
    """Remove the cached answers; what became of them, in words."""
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
    """Search all Parquet and DuckDB files, decoded; how many values were looked at.

    Raises:
        ErasureError: one of them is the id or a name.
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
                            f"{path} still holds the person, {found} times in {where}{column}",
                            hint="Has the messenger anonymised them? Then run it once more.",
                        )
    return looked_at


def _relations(
    connection: duckdb.DuckDBPyConnection, path: Path
) -> Iterator[tuple[str, duckdb.DuckDBPyRelation]]:
    """The tables that a file holds, each with a word for where it is."""
    if path.suffix == ".parquet":
        yield "", connection.read_parquet(str(path), hive_partitioning=False)
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as opened:
            for (table,) in sqlfiles.run(opened, "erasure/tables"):
                yield f"core.{table}.", opened.table(f"core.{table}")


def _require_no_bytes(layout: Layout, texts: set[str]) -> list[int]:
    """Search every file byte by byte; the sizes of the files.

    Raises:
        ErasureError: a file holds one of the texts.
    """
    sizes = []
    for path in _files(layout):
        content = path.read_bytes()
        sizes.append(len(content))
        if any(text.encode() in content for text in texts):
            raise ErasureError(
                f"{path} still holds the id or a name of the person, byte for byte",
                hint="Run a cycle, then the same command again; if it stays, remove the file.",
            )
    return sizes


def _is_telling(text: str) -> bool:
    """Whether finding the text somewhere says anything: `deleted` is a word of our own tables."""
    ours = (sqlfiles.text(name) for folder in OUR_WORDS for name in sqlfiles.names(folder))
    return len(text.encode()) >= RAW_BYTES_MIN and not any(text in words for words in ours)


def _files(layout: Layout) -> Iterator[Path]:
    """Every regular file below `DATA_DIR`."""
    for path in sorted(layout.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
