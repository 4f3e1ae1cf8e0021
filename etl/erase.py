"""Erase: after the messenger deleted or anonymised a person, nothing here identifies them either.

A random pseudonym replaces the id in every lake file and in the warehouse, and the name is removed;
keys, and so all totals, stay. The warehouse is rewritten (a plain copy keeps deleted bytes), a new
generation is published, and every older one is removed at once, with the lake files that only it
referenced. From then on `olap.erasures` recognises the id if the source still sends it. What they
kept in the API goes (`olap.kept`). Finally all of `DATA_DIR` and `STATE_DIR` is searched, decoded
and byte by byte, and a receipt reports what was searched.

Every step can be repeated: after a kill, the same command finishes the work. Copies that people
made of `DATA_DIR`, and disk blocks that have not been overwritten yet, are out of reach. So are ids
that a messenger or a mapping makes of a person's id, such as a conversation `dm:ann-bob`: another
one would be another conversation. The receipt counts them.

A text id such as `ann12` is also a part of `ann123`. Decoded values are compared as a whole; a text
that is a part of something else that stays is not searched for byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import msgspec

from olap import ledger, sqlfiles
from olap.backfill_chunks import forget_chunk, read_chunks
from olap.collection import collect
from olap.delta.publishing import follow
from olap.delta.readme import README
from olap.delta.table_log import is_in_log
from olap.delta.upkeep import remove_logs, values_in
from olap.erasures import read_erasures
from olap.errors import ErasureError
from olap.generations import generation_numbers
from olap.ids import Id, parse_id
from olap.kept import forget
from olap.lake import mask_day, write_dimension
from olap.layout import Layout, write_durably
from olap.manifest import LakeFile, Manifest
from olap.mapping import read_mapping
from olap.paths import literal, open_read_only, pattern
from olap.publish import publish
from olap.recovery import damage_named, recover
from olap.redis_keys import RedisKeys
from olap.redis_urls import FAULTS, blocking_redis, require_usable
from olap.settings import Settings
from olap.tables import DIMENSIONS, FACTS, PERSON_COLUMNS, Fact
from olap.warehouse import Warehouse, open_warehouse

# A shorter text occurs anywhere by chance; the decoded search finds it where it is a value.
RAW_BYTES_MIN = 6
# A text that is not a part of a longer word or number.
_WORD = r"(?<![^\W_]){}(?![^\W_])"
OUR_WORDS = ("schema", "views", "macros", "metrics", "catalog")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What was done and what was searched.

    Attributes:
        lake_files: day files that were rewritten.
        chunks: ranges of an unfinished backfill that are read again.
        generation: the published one; all older ones were removed.
        generations_removed: how many.
        things: views and dashboards of the person that were removed.
        renamed: those of others that had the id or a name of the person in their names.
        files_searched, bytes_searched: everything below `DATA_DIR` and `STATE_DIR`.
        values_searched: values of id and text columns, decoded, in Parquet and DuckDB files.
        plain_texts: how many texts are too short or too common for a search byte by byte, or a
            part of something that stays.
        made_ids: how many ids of conversations, messages and events contain the id or a name,
            between characters that are neither letters nor digits.
        shared_names: how many names another user has too, so that they remain.
        cache: what happened to the cached answers.
    """

    lake_files: int
    chunks: int
    generation: int
    generations_removed: int
    things: int
    renamed: int
    files_searched: int
    bytes_searched: int
    values_searched: int
    plain_texts: int
    made_ids: int
    shared_names: int
    cache: str


def parse_user(settings: Settings, text: str) -> Id:
    """The user id that `text` spells, by the mapping's type.

    Raises:
        ErasureError: it spells none.
    """
    mapping = read_mapping(settings.source_mapping)
    try:
        return parse_id(mapping.ids.user, text)
    except ValueError as error:
        raise ErasureError(
            f"{text!r} is no user id of the mapping {mapping.name}: it {error}",
            hint="Give the id as the messenger has it; `from main.users` shows ids and names.",
        ) from None


def erase(settings: Settings, user_id: Id, clock: Callable[[], datetime]) -> ErasureReceipt:
    """Remove the id and the names of a person from `DATA_DIR`, `STATE_DIR` and the cache.

    Raises:
        ErasureError: there are no data, or something of the person is left; it names the place.
        StateError: what people keep cannot be read or written.
        SettingsError: `REDIS_URL` cannot be used.
    """
    layout = Layout(settings.data_dir)
    state = settings.state_dir or layout.state
    require_usable(settings)
    with (
        layout.backfill_locked(),
        layout.locked(),
        damage_named(settings, layout),
        open_warehouse(settings) as warehouse,
    ):
        before = recover(warehouse)
        if before is None:
            raise ErasureError(
                f"there is nothing in {layout.root} to erase from",
                hint="Check DATA_DIR; this command does not change the messenger.",
            )
        names = _names(warehouse, before, user_id)
        erasures = read_erasures(layout, warehouse.ids.user)
        files = _mask(warehouse, before, user_id, erasures.begin(user_id))
        erasures.finish(user_id)
        chunks = _forget_chunks(warehouse, user_id)
        warehouse.rewrite()
        manifest = publish(warehouse, clock())
        # Older versions go with their files, and with whatever another program wrote about these.
        remove_logs(layout)
        follow(settings)
        older = len(generation_numbers(layout)) - 1
        collect(layout, manifest, clock(), keep=1, grace_seconds=0)
        shared = {row[0] for row in warehouse.run("erasure/shared_names", names=sorted(names))}
    cache = _forget_cached(settings, RedisKeys.of(settings.redis_prefix, manifest.source))
    names -= shared
    texts = {str(user_id), *names}
    telling = set(filter(_is_telling, texts))
    forgotten = forget(state, str(user_id), telling)
    found = _require_no_value(layout, user_id, names)
    found.parts |= {text for text in texts if any(text in kept for kept in forgotten.rest)}
    telling -= found.parts
    everything = sorted({*_files(layout.root), *_files(state)})
    searched = _require_no_bytes(everything, telling, _raw(user_id))
    return ErasureReceipt(
        lake_files=files,
        chunks=chunks,
        generation=manifest.generation,
        generations_removed=older,
        things=forgotten.things,
        renamed=forgotten.renamed,
        files_searched=len(searched),
        bytes_searched=sum(searched),
        values_searched=found.values,
        plain_texts=len(texts - telling),
        made_ids=len(found.made_ids),
        shared_names=len(shared),
        cache=cache,
    )


def _names(warehouse: Warehouse, manifest: Manifest, user_id: Id) -> set[str]:
    """Every name of the person here: the present one and those in older lake files."""
    layout = warehouse.layout
    found = [row[0] for row in warehouse.run("erasure/names", user_id=user_id)]
    files = sorted((layout.lake / "users").glob("*.parquet"))
    if files:
        rows = warehouse.run("erasure/names_in_lake", user_id=user_id, files=files)
        found += [row[0] for row in rows]
    return {name for name in found if name}


def _mask(warehouse: Warehouse, before: Manifest, user_id: Id, pseudonym: Id) -> int:
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
            before.shape,
            before.coverage,
            changed_in_batch=number,
            generation=before.generation,
            generated_at=before.generated_at,
            feed=before.feed,
        )
    manifest = ledger.read(warehouse)
    assert manifest is not None
    write_durably(warehouse.layout.lake_manifest, manifest.to_json())
    return day_files


def _forget_chunks(warehouse: Warehouse, user_id: Id) -> int:
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


def _mentioning(warehouse: Warehouse, fact: Fact, files: Sequence[Path], user_id: Id) -> list[Path]:
    """Which of these files mention the person."""
    if not files:
        return []
    by_name = {literal(path): path for path in files}
    rows = warehouse.run("facts/mentions", fact, files=list(files), user_id=user_id)
    return [by_name[name] for (name,) in rows]


def _forget_cached(settings: Settings, keys: RedisKeys) -> str:
    """Remove what this deployment keeps in the cache; return what happened, in words."""
    removed = 0
    try:
        with blocking_redis(settings.redis_url, seconds=5, connect_seconds=2) as client:
            for pattern in keys.erasable:
                for key in list(client.scan_iter(match=pattern, count=1000)):
                    removed += int(client.unlink(key))
    except FAULTS:
        return (
            "not reachable; its answers expire within CACHE_TTL_SECONDS (300 s), and its recent "
            "events are removed when this is run again"
        )
    return f"{removed:,} entries removed"


@dataclass(slots=True)
class _Values:
    """What the decoded search saw besides what it looked for.

    Attributes:
        values: how many were compared.
        parts: the texts that are a part of a value that stays.
        made_ids: ids other than people's that contain one of the texts.
    """

    values: int = 0
    parts: set[str] = field(default_factory=set)
    made_ids: set[str] = field(default_factory=set)


def _require_no_value(layout: Layout, user_id: Id, names: set[str]) -> _Values:
    """Search all Parquet and DuckDB files, decoded.

    Raises:
        ErasureError: a value is the id or a name, or a title has one of them as a word.
    """
    seen, texts = _Values(), {str(user_id), *names}
    for path in _files(layout.root):
        with duckdb.connect() as connection:
            for where, relation in _relations(connection, path):
                for column, kind in zip(relation.columns, relation.types, strict=True):
                    found = 0
                    if column in PERSON_COLUMNS:
                        seen.values += len(relation)
                        found += len(relation.filter(_is_any(column, [user_id])))
                    if str(kind) == "VARCHAR":
                        seen.values += len(relation) * (column not in PERSON_COLUMNS)
                        found += _find_texts(relation, column, names, texts, seen)
                    if found:
                        raise ErasureError(
                            f"{path} still contains the person, {found} times in {where}{column}",
                            hint="Check that the messenger has anonymised them, then run it again.",
                        )
    return seen


def _find_texts(
    relation: duckdb.DuckDBPyRelation,
    column: str,
    names: set[str],
    texts: set[str],
    seen: _Values,
) -> int:
    """How many values of a text column name the person; what only contains a text is noted."""
    found = 0
    if column not in PERSON_COLUMNS and names:
        found += len(relation.filter(_is_any(column, sorted(names))))
    for text in sorted(texts):
        holders = relation.filter(_test("contains", column, text))
        if not len(holders):
            continue
        is_word = _test("regexp_matches", column, _as_word(text))
        if column == "title" and _is_telling(text):
            found = max(found, len(holders.filter(is_word)))
            holders = holders.filter(~is_word)
        elif column.endswith("_id") and column not in PERSON_COLUMNS:
            made = holders.filter(is_word).project(column).distinct().fetchall()
            seen.made_ids |= {id_ for (id_,) in made}
        if len(holders):
            seen.parts.add(text)
    return found


def _is_any(column: str, values: list[Any]) -> duckdb.Expression:
    """Whether a column has one of these values."""
    wanted = [duckdb.ConstantExpression(value) for value in values]
    return duckdb.ColumnExpression(column).isin(*wanted)


def _test(function: str, column: str, value: str) -> duckdb.Expression:
    """What a function of DuckDB says of a column and a value."""
    return duckdb.FunctionExpression(
        function, duckdb.ColumnExpression(column), duckdb.ConstantExpression(value)
    )


def _as_word(text: str) -> str:
    """A pattern for a text between characters that are neither letters nor digits."""
    return rf"(^|[^\pL\pN]){re.escape(text)}([^\pL\pN]|$)"


def _raw(user_id: Id) -> set[bytes]:
    """The bytes of a uuid in Parquet and in DuckDB, which keeps it as a number of 128 bits."""
    if not isinstance(user_id, UUID):
        return set()
    return {user_id.bytes, (user_id.int ^ 1 << 127).to_bytes(16, "little")}


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


def _require_no_bytes(files: Iterable[Path], texts: set[str], raw: set[bytes]) -> list[int]:
    """Search files byte by byte, and logs of Delta tables value by value; return their sizes.

    A log has many numbers, which may have the digits of an id in them, and checkpoints are
    compressed.

    Raises:
        ErasureError: a file contains one of these.
    """
    sizes = []
    for path in files:
        content = path.read_bytes()
        sizes.append(len(content))
        wanted, found_as_word = raw | {text.encode() for text in texts}, False
        if is_in_log(path) and (values := values_in(path)) is not None:
            wanted = raw
            found_as_word = any(
                re.search(_WORD.format(re.escape(t)), v) for t in texts for v in values
            )
        if found_as_word or any(found in content for found in wanted):
            raise ErasureError(
                f"{path} still contains the id or a name of the person, byte for byte",
                hint="Run a cycle, then this command again; if it fails again, remove the file.",
            )
    return sizes


def _is_telling(text: str) -> bool:
    """Whether finding the text proves anything: `deleted` is also a word of our own tables."""
    ours = [sqlfiles.text(name) for folder in OUR_WORDS for name in sqlfiles.names(folder)]
    ours.append(README)
    return len(text.encode()) >= RAW_BYTES_MIN and not any(text in words for words in ours)


def _files(directory: Path) -> Iterator[Path]:
    """Every regular file below a directory."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
