"""Killed at any step, the pipeline loses nothing, doubles nothing, and leaves nothing behind.

The steps are recorded from one run, not written down here. SIGKILL takes a process and leaves what
the kernel holds; it proves the order of the steps, and nothing about a disk that lost its power.

`TORTURE=1` kills at every place. Otherwise a few places of each scene are drawn from a seed that a
failure names; `KILL_SEED=` draws the same ones again.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.erase import erase
from olap.days import DayRange
from olap.layout import Layout
from olap.manifest import Manifest, read_manifest
from olap.publish import generation_numbers
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.kills import (
    KEEP_GENERATIONS,
    NAME,
    PERSON,
    SIDES,
    Case,
    Killer,
    Step,
    killer,
    settings_for,
)
from tests.test_erase import traces
from tests.world import World, at

EVERY_CASE = os.environ.get("TORTURE") == "1"
SEED = int(os.environ.get("KILL_SEED") or secrets.randbelow(10**6))
# So many places of each scene, unless every one is wanted.
SAMPLE = 2
KINDS = {"fsync", "rename", "unlink", "switch", "COMMIT", "COPY"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What is done, to which DATA_DIR, and what it must come to.

    Attributes:
        start: the DATA_DIR before it, never changed.
        old: what analysts saw before it; None when there was nothing.
        new: what they must see after it and a cycle.
        is_erasure: whether nothing of the person may be left in the end.
    """

    command: str
    start: Pipeline
    old: dict[str, contents.Rows] | None
    new: dict[str, contents.Rows]
    is_erasure: bool


def seen(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """What analysts see; an erased person's random id is -1."""
    return {
        table: Counter(
            tuple(-1 if isinstance(v, int) and v < -(2**60) else v for v in row)
            for row in rows.elements()
        )
        for table, rows in contents.of_core(pipeline.published).items()
    }


def copied(pipeline: Pipeline, name: str) -> Pipeline:
    """The pipeline with a copy of its DATA_DIR."""
    other = pipeline.beside(name)
    shutil.rmtree(other.settings.data_dir, ignore_errors=True)
    if pipeline.settings.data_dir.exists():
        shutil.copytree(pipeline.settings.data_dir, other.settings.data_dir, symlinks=True)
    return other


def fill(world: World) -> None:
    """A small messenger of three days."""
    for number in (1, 2, 3):
        world.user(number)
    world.user(PERSON, username=NAME)
    for number in (1, 2):
        world.conversation(number)
        world.participant(number, 1)
        world.participant(number, 2)
    world.participant(1, PERSON)
    for number in range(6):
        day, who = at(days=-(number % 3), minutes=-number), (1, PERSON)[number == 1]
        world.message(number, created_at=day, sender_id=who)
        world.receipt(number, (2, PERSON)[number == 2], read_at=at(days=-(number % 3)))
        world.event(number, created_at=at(days=-(number % 3)), user_id=who)


def change(world: World) -> None:
    """New rows, an edit, a late row, new names, a row and a whole day that are deleted."""
    world.message(12, sender_id=PERSON)
    world.user(PERSON, username="deleted", deleted_at=at(days=1))
    world.message(10, created_at=at(minutes=5))
    world.message(0, content="edited", created_at=at(), updated_at=at(minutes=6))
    world.message(11, created_at=at(days=-5))
    world.user(2, username="renamed")
    world.user(4)
    world.event(10, created_at=at(minutes=7), user_id=4)
    world.execute("delete from conversation_participants where user_id = 2")
    world.execute("delete from message_read_receipts")
    world.execute(
        "delete from messages where created_at < %s and created_at > %s",
        at(days=-1, hours=-12),
        at(days=-3),
    )


def unpublished(pipeline: Pipeline, killed: Killer) -> None:
    """Leave a warehouse whose last commit is only in its log, as a crash after it does."""
    scratch = copied(pipeline, "scratch")
    directory, now = scratch.settings.data_dir, scratch.clock.now
    steps = killed.record("cycle", directory, pipeline.url, now)
    number = next(
        n for n, step in enumerate(steps) if step.kind == "COMMIT" and ":transaction" in step.site
    )
    case = Case(number, "after", steps[number].kind, steps[number].site)
    killed.kill("cycle", pipeline.settings.data_dir, pipeline.url, now, case)
    assert Path(f"{pipeline.layout.warehouse}.wal").exists()


def of_another_version(pipeline: Pipeline, killed: Killer) -> None:
    """Leave a warehouse that other SQL than this version's made."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.state set schema_fingerprint = 'of another version'")


def nothing_more(pipeline: Pipeline, killed: Killer) -> None:
    """Leave all as it is."""


def of_today_alone(pipeline: Pipeline, killed: Killer) -> None:
    """Leave what a backfill of the last day and all later ones gives."""
    pipeline.backfill(DayRange(at().date(), date.max))


Preparation = Callable[[Pipeline, Killer], None]
Heal = Callable[[Pipeline], None]


def healed_by_a_cycle(pipeline: Pipeline) -> None:
    """Do nothing: the cycle that follows anyway heals."""


def healed_by_rebuild(pipeline: Pipeline) -> None:
    """Rebuild, if there is something to rebuild from; it is not an error if there is not."""
    if pipeline.layout.lake_manifest.exists():
        pipeline.rebuild()


def healed_by_erase(pipeline: Pipeline) -> None:
    """The same command again finishes the work."""
    erase(pipeline.settings, PERSON, pipeline.clock)


def healed_by_erase_after_a_cycle(pipeline: Pipeline) -> None:
    """The same command finishes the work also when the pipeline went on first."""
    pipeline.cycle()
    healed_by_erase(pipeline)


def healed_by_backfill(pipeline: Pipeline) -> None:
    """The same command goes on where it was."""
    pipeline.backfill()


def healed_by_backfill_after_a_cycle(pipeline: Pipeline) -> None:
    """The same command goes on also when the pipeline went on first, where something was loaded."""
    if pipeline.layout.lake_manifest.exists():
        pipeline.cycle()
    pipeline.backfill()


# What heals, by the command that was killed; for all others a cycle or a rebuild.
HEALS: dict[str, tuple[Heal, ...]] = {
    "erase": (healed_by_erase, healed_by_erase_after_a_cycle),
    "backfill": (healed_by_backfill, healed_by_backfill_after_a_cycle),
}
OTHER_HEALS: tuple[Heal, ...] = (healed_by_a_cycle, healed_by_rebuild)
# What is done, after how many cycles and what else.
SCENES: dict[str, tuple[str, int, Preparation]] = {
    "a cycle with a rewrite": ("cycle and rewrite", 3, nothing_more),
    "the first cycle": ("cycle", 0, nothing_more),
    "a rebuild": ("rebuild", 3, nothing_more),
    "a rebuild after a crash": ("rebuild", 3, unpublished),
    "a cycle after a crash": ("cycle", 3, unpublished),
    "a cycle of another version": ("cycle", 3, of_another_version),
    "a verify with repair": ("verify", 3, nothing_more),
    "an erasure": ("erase", 3, nothing_more),
    "an erasure after a crash": ("erase", 3, unpublished),
    "a first backfill": ("backfill", 0, nothing_more),
    "a backfill that widens": ("backfill", 0, of_today_alone),
}


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    """The process that forks what is killed."""
    with killer(tmp_path_factory.mktemp("kill") / "scratch") as process:
        yield process


def scene(name: str, url: str, directory: Path, killed: Killer) -> Scene:
    """Make the DATA_DIR of a scene, and what it must come to."""
    command, cycles, prepare = SCENES[name]
    start = Pipeline(url, settings_for(directory / "start"))
    with World(url) as world:
        fill(world)
        for number in range(cycles):
            world.message(20 + number, created_at=at(days=-number))
            start.cycle()
        if cycles:
            change(world)
    prepare(start, killed)
    old = seen(start) if start.published.is_symlink() else None
    scratch = start.beside("from-nothing")
    scratch.cycle()
    is_erasure = command == "erase"
    if is_erasure:
        healed_by_erase_after_a_cycle(scratch)
    return Scene(command, start, old, seen(scratch), is_erasure)


def cases_of(steps: list[Step]) -> list[Case]:
    """Where to kill: every place, or a sample of different (kind, site) pairs.

    A kill leaves the directory and nothing else, so of places with the same bytes on disk one is
    enough.
    """
    every = [Case(n, side, s.kind, s.site) for n, s in enumerate(steps) for side in SIDES]
    by_bytes = {getattr(steps[case.number], case.side): case for case in reversed(every)}
    different = sorted(by_bytes.values(), key=every.index)
    if EVERY_CASE:
        return different
    draw = random.Random(SEED)
    draw.shuffle(different)
    by_site = {(case.kind, case.site): case for case in different}
    return sorted(draw.sample(list(by_site.values()), SAMPLE), key=every.index)


def litter(layout: Layout, manifests: list[Manifest]) -> list[str]:
    """What lies in the directory though nothing names it, and what is named but not there."""
    named = {f"lake/{file.path}" for manifest in manifests for file in manifest.files}
    named |= {str(f.relative_to(layout.root)) for f in (layout.lake_manifest, layout.lock)}
    named |= {"analytics.duckdb", "warehouse.duckdb"}
    if layout.backfill_lock.exists():
        named.add(layout.backfill_lock.name)
    if (layout.lake / "erasures.json").exists():
        named.add("lake/erasures.json")
    for number in generation_numbers(layout):
        for path in (layout.generation(number), layout.generation_manifest(number)):
            named.add(str(path.relative_to(layout.root)))
    there = {
        str(path.relative_to(layout.root)) for path in layout.root.rglob("*") if not path.is_dir()
    }
    empty = {
        str(path.relative_to(layout.root))
        for path in layout.lake.glob("*/day=*")
        if not any(path.iterdir())
    }
    return sorted((there ^ named) | empty)


def faults(
    now: Pipeline, scene: Scene, done: dict[str, contents.Rows], heal: Heal
) -> Iterator[str]:
    """What is wrong with a DATA_DIR whose process was killed, and with how it heals.

    Args:
        done: what analysts see after a run that is not killed.
    """
    if now.published.is_symlink():
        if seen(now) not in (scene.old, done):
            yield "what is published is neither the old nor the new state"
    elif scene.old is not None:
        yield "nothing is published any more"
    heal(now)
    now.cycle()
    wrong = contents.differences(seen(now), scene.new)
    if wrong:
        yield f"after the next cycle: {wrong}"
    if scene.is_erasure and (left := traces(now)):
        yield f"left of the person: {left}"
    if offences := contents.offences(now.published):
        yield f"offences: {offences}"
    manifest = now.manifest()
    kept = [
        read_manifest(now.layout.generation_manifest(number))
        for number in generation_numbers(now.layout)
    ]
    numbers = [batch.batch for batch in manifest.batches]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"batches {numbers}"
    # A cycle that finds no news publishes nothing, but its batch is in the lake's manifest.
    lake = read_manifest(now.layout.lake_manifest)
    if (lake.generation, lake.files) != (manifest.generation, manifest.files):
        yield "the lake's manifest is not the generation's"
    if len(kept) > KEEP_GENERATIONS or manifest not in kept:
        yield f"generations {generation_numbers(now.layout)} are kept"
    paths: dict[str, list[str]] = {}
    for file in manifest.files:
        paths.setdefault(file.table, []).append(file.path)
    lost = contents.differences(
        contents.lake_ids(now.layout.lake, paths), contents.source_ids(now.url)
    )
    if lost:
        yield f"the lake: {lost}"
    if found := litter(now.layout, kept):
        yield f"lies about, or is missing: {found}"


@pytest.mark.parametrize("name", SCENES)
def test_a_kill_at_any_step_heals(name: str, database: str, tmp_path: Path, killed: Killer) -> None:
    """Whatever step a kill hits, the old or the new state opens and the next run heals it all."""
    made = scene(name, database, tmp_path, killed)
    clock = made.start.clock
    recorded = copied(made.start, "recorded")
    steps = killed.record(made.command, recorded.settings.data_dir, database, clock.now)
    done, cases = seen(recorded), cases_of(steps)
    heals = HEALS.get(made.command, OTHER_HEALS)
    found: dict[str, list[str]] = {}
    for position, case in enumerate(cases):
        for heal in heals if EVERY_CASE else heals[(SEED + position) % 2 :][:1]:
            now = copied(made.start, "now")
            try:
                killed.kill(made.command, now.settings.data_dir, database, clock.now, case)
                wrong = list(faults(now, made, done, heal))
            except Exception as error:
                wrong = [f"{type(error).__name__}: {error}"]
            if wrong:
                target = steps[case.number].target
                label = f"{case.side} {case.number} {case.kind} {target} in {case.site}"
                found[f"{label}, {heal.__name__}"] = wrong
    kinds = Counter(step.kind for step in steps)
    print(f"{name}: {len(steps)} steps {dict(kinds)}, {len(cases)} of {2 * len(steps)} cases")
    assert found == {}, f"KILL_SEED={SEED}"
    assert set(kinds) >= KINDS - NOT_IN.get(name, set())


# A rebuild copies nothing out; a first cycle and a verify find nothing to remove; what is left to
# put right after the crash are days that have lost all their rows: they get no new file.
NOT_IN = {
    "a cycle after a crash": {"COPY"},
    "a verify with repair": {"unlink"},
    "a rebuild": {"COPY"},
    "a rebuild after a crash": {"COPY"},
    "the first cycle": {"unlink"},
    "a first backfill": {"unlink"},
}
