"""Collection: remove what neither the warehouse nor a kept generation needs.

A process that has a removed file open continues to read it. The file of the newest generation that
goes is kept as the **spare** without a public name, because the next generation can be made from it
by writing only what has changed (`olap.generation_file`).

The logs of the Delta tables stand beside the files of the lake, and their checkpoints are Parquet
too. Nothing in a `_delta_log` is taken for a file of the lake: only entries that no kept generation
needs go (`olap.delta.upkeep`), with their generations.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from olap.delta.upkeep import trim_log
from olap.errors import LakeError
from olap.generations import generation_numbers
from olap.layout import Layout
from olap.leases import is_local
from olap.manifest import MadeBy, Manifest, Place, read_manifest


def collect(
    layout: Layout,
    manifest: Manifest,
    now: datetime,
    *,
    keep: int,
    grace_seconds: int,
    keeps_spare: bool = False,
    rebuilt: Collection[Place] | None = None,
) -> int:
    """Remove what is no longer needed.

    That is: generations beyond the newest `keep` that are older than the grace time; drafts of
    generations; lake files that neither `manifest` nor a kept generation references.

    Args:
        manifest: the state of the warehouse.
        keeps_spare: keep the file of one removed generation, if the next one could be made from it.
        rebuilt: where this cycle wrote files into the lake: only there, and where the removed
            generations had other files, can files be superfluous. None = look through the whole
            lake, in time proportional to its days, for what a crash or another command has left.

    Returns:
        Bytes freed.
    """
    kept, removed = _kept_and_removed(layout, now, keep, grace_seconds)
    named = {file.path for known in (manifest, *kept) for file in known.files}
    directories = _directories(layout, named, removed, rebuilt)
    freed = 0
    if keeps_spare and _is_spare_of_use(layout, kept):
        freed += _make_spare(layout, removed)
    elif layout.spare.parent.exists():
        freed += _remove_directory(layout.spare.parent)
    for number in removed:
        freed += _remove_directory(layout.generation_directory(number))
    for draft in layout.generations.glob(".[0-9]*"):
        freed += _remove_directory(draft)
    freed += _remove(_of_earlier_versions(layout))
    drafts = (".analytics*.tmp", "lake/.*.tmp", "generations/*/.*.tmp")
    freed += _remove(path for pattern in drafts for path in list(layout.root.glob(pattern)))
    freed += trim_log(layout, kept)
    return freed + _collect_lake(layout, named, directories)


def _kept_and_removed(
    layout: Layout, now: datetime, keep: int, grace_seconds: int
) -> tuple[list[Manifest], list[int]]:
    """The generations to keep, and the numbers of those to remove, newest first.

    The one that analysts open is never removed, also without its manifest.
    """
    kept: list[Manifest] = []
    removed: list[int] = []
    opened = layout.pointer.resolve() if layout.pointer.is_symlink() else None
    newest_first = sorted(generation_numbers(layout), reverse=True)
    for position, number in enumerate(newest_first):
        path = layout.generation(number)
        try:
            generation = read_manifest(layout.generation_manifest(number))
        except LakeError:
            generation = None
        if generation is not None and generation.generated_at is not None and path.exists():
            # One from the future was published before a clock was set back; it is not young.
            age = now - generation.generated_at
            is_young = timedelta(0) <= age < timedelta(seconds=grace_seconds)
            if position < keep or is_young or path.resolve() == opened:
                kept.append(generation)
                continue
        elif path.exists() and path.resolve() == opened:
            continue  # it still answers without its manifest, until the next publication
        removed.append(number)
    return kept, removed


def _is_spare_of_use(layout: Layout, kept: list[Manifest]) -> bool:
    """Whether the next generation could be made from a spare, and not by a clone."""
    is_cloned = bool(kept) and kept[0].file is not None and kept[0].file.made_by is MadeBy.CLONE
    return not is_cloned and is_local(layout.generations.stat().st_dev)


def _make_spare(layout: Layout, removed: list[int]) -> int:
    """Keep the newest removed file as the spare, in place of an older one; return bytes freed.

    The newest differs least from the next generation. The rename ends its public name: a
    process that opened it before keeps its bytes, because the spare is then not written.
    """
    files = [layout.generation(number) for number in removed]
    found = next((file for file in files if file.exists()), None)
    if found is None:
        return 0
    layout.spare.parent.mkdir(exist_ok=True)
    freed = layout.spare.stat().st_size if layout.spare.exists() else 0
    found.replace(layout.spare)
    return freed


def _directories(
    layout: Layout, named: Container[str], removed: list[int], rebuilt: Collection[Place] | None
) -> list[Path]:
    """The directories of the lake that may have files which no manifest references."""
    every = layout.lake.glob("*"), layout.lake.glob("*/day=*")
    if rebuilt is None:
        return list(chain(*every))
    places = set(rebuilt)
    for number in removed:
        try:
            old = read_manifest(layout.generation_manifest(number))
        except LakeError:
            return list(chain(*every))
        places.update((file.table, file.day) for file in old.files if file.path not in named)
    return [layout.lake_directory(table, day) for table, day in places]


def _collect_lake(layout: Layout, named: Container[str], directories: list[Path]) -> int:
    """Remove the files in these directories that no manifest references; return bytes freed."""
    freed = 0
    for directory in directories:
        # Not below it: the checkpoints of its Delta log are Parquet files as well.
        for path in list(directory.glob("*.parquet")):
            if str(path.relative_to(layout.lake)) not in named:
                freed += _remove([path])
        if directory.name.startswith("day=") and not any(directory.iterdir()):
            directory.rmdir()
    return freed


def _of_earlier_versions(layout: Layout) -> list[Path]:
    """The generations of versions before 0.2, which were files; not the one that is published."""
    opened = layout.pointer.resolve()
    found = [*layout.generations.glob("analytics-*"), *layout.generations.glob(".analytics-*")]
    return [path for path in found if path.with_suffix(".duckdb").resolve() != opened]


def _remove_directory(directory: Path) -> int:
    freed = _remove(directory.iterdir())
    directory.rmdir()
    return freed


def _remove(paths: Iterable[Path]) -> int:
    freed = 0
    for path in paths:
        if path.exists() or path.is_symlink():
            freed += path.lstat().st_size
            path.unlink()
    return freed
