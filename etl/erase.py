"""Erase: after the messenger deleted or anonymised a person, nothing here identifies them either.

A random pseudonym replaces the id in every lake file and in the warehouse, and the name is removed;
keys, and so all totals, stay. The warehouse is rewritten (a plain copy keeps deleted bytes), a new
generation is published, and every older one is removed at once, with the lake files that only it
referenced. From then on `olap.erasures` recognises the id if the source still sends it. What they
kept in the API goes (`olap.kept`). Finally all of `DATA_DIR` and `STATE_DIR` is searched
(`etl.traces`), and a receipt reports what was searched.

Every step can be repeated: after a kill, the same command finishes the work. Copies that people
made of `DATA_DIR`, and disk blocks that have not been overwritten yet, are out of reach. So are ids
that a messenger or a mapping makes of a person's id, such as a conversation `dm:ann-bob`: another
one would be another conversation. The receipt counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec

from etl.traces import files_below, is_telling, raw_bytes, require_no_bytes, require_no_value
from olap import ledger
from olap.backfill_chunks import forget_chunk, read_chunks
from olap.collection import collect
from olap.delta.publishing import follow
from olap.delta.upkeep import remove_logs
from olap.erasures import read_erasures
from olap.errors import ErasureError
from olap.generations import generation_numbers
from olap.ids import Id, parse_id
from olap.kept import forget
from olap.lake import mask_day, write_dimension
from olap.layout import Layout, write_durably
from olap.manifest import LakeFile, Manifest
from olap.mapping import read_mapping
from olap.paths import literal
from olap.publish import publish
from olap.recovery import damage_named, recover
from olap.redis_keys import RedisKeys
from olap.redis_urls import FAULTS, blocking_redis, require_usable
from olap.settings import Settings
from olap.tables import DIMENSIONS, FACTS, Fact
from olap.warehouse import Warehouse, open_warehouse


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
    telling = set(filter(is_telling, texts))
    forgotten = forget(state, str(user_id), telling)
    found = require_no_value(layout, user_id, names)
    found.parts |= {text for text in texts if any(text in kept for kept in forgotten.rest)}
    telling -= found.parts
    everything = sorted({*files_below(layout.root), *files_below(state)})
    searched = require_no_bytes(everything, telling, raw_bytes(user_id))
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
