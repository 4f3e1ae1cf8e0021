"""Killed at any step, the pipeline loses nothing, doubles nothing, and leaves nothing behind.

The steps are recorded from one run, not written down here. SIGKILL takes a process and leaves what
the kernel holds; it proves the order of the steps, and nothing about a disk that lost its power.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from olap.layout import Layout
from olap.manifest import Manifest, read_manifest
from olap.publish import generation_numbers
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.kills import KEEP_GENERATIONS, SIDES, Case, Killer, Step, killer, settings_for
from tests.world import World, at

EVERY_CASE = os.environ.get("TORTURE") == "1"
# So many cases of each scene, spread evenly, unless every case is wanted.
SAMPLE = 2
KINDS = {"fsync", "rename", "unlink", "switch", "COMMIT", "COPY"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What is done, to which DATA_DIR, and what it must come to.

    Attributes:
        start: the DATA_DIR before it, never changed.
        old: what analysts saw before it; None when there was nothing.
        new: what they must see in the end.
    """

    command: str
    start: Pipeline
    old: dict[str, contents.Rows] | None
    new: dict[str, contents.Rows]


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
    for number in (1, 2):
        world.conversation(number)
        world.participant(number, 1)
        world.participant(number, 2)
    for number in range(6):
        world.message(number, created_at=at(days=-(number % 3), minutes=-number))
        world.receipt(number, 2, read_at=at(days=-(number % 3)))
        world.event(number, created_at=at(days=-(number % 3)))


def change(world: World) -> None:
    """A new row, an edit, a late row, a new name, a row and a whole day that are deleted."""
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
    case = Case(number, "after")
    killed.kill("cycle", pipeline.settings.data_dir, pipeline.url, now, case)
    assert Path(f"{pipeline.layout.warehouse}.wal").exists()


def of_another_version(pipeline: Pipeline, killed: Killer) -> None:
    """Leave a warehouse that other SQL than this version's made."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.state set schema_fingerprint = 'of another version'")


def nothing_more(pipeline: Pipeline, killed: Killer) -> None:
    """Leave all as it is."""


Preparation = Callable[[Pipeline, Killer], None]
SCENES: dict[str, tuple[str, int, Preparation]] = {
    "a cycle with a rewrite": ("cycle and rewrite", 3, nothing_more),
    "the first cycle": ("cycle", 0, nothing_more),
    "a rebuild": ("rebuild", 3, nothing_more),
    "a rebuild after a crash": ("rebuild", 3, unpublished),
    "a cycle after a crash": ("cycle", 3, unpublished),
    "a cycle of another version": ("cycle", 3, of_another_version),
    "a verify with repair": ("verify", 3, nothing_more),
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
        old = contents.of_core(start.published) if cycles else None
        if cycles:
            change(world)
    prepare(start, killed)
    scratch = start.beside("from-nothing")
    scratch.cycle()
    return Scene(command, start, old, contents.of_core(scratch.published))


def cases_of(steps: list[Step]) -> list[Case]:
    """Where to kill: before and after every step with TORTURE=1, else an even sample.

    A kill leaves the directory and nothing else, so of two places with the same bytes on disk
    the sample takes one.
    """
    every = [Case(number, side) for number in range(len(steps)) for side in SIDES]
    if EVERY_CASE:
        return every
    by_bytes = {getattr(steps[case.number], case.side): case for case in reversed(every)}
    different = sorted(by_bytes.values(), key=every.index)
    return [different[len(different) * i // SAMPLE] for i in range(SAMPLE)]


def healed_by_rebuild(pipeline: Pipeline) -> None:
    """Rebuild, if there is something to rebuild from; it is not an error if there is not."""
    if pipeline.layout.lake_manifest.exists():
        pipeline.rebuild()


def litter(layout: Layout, manifests: list[Manifest]) -> list[str]:
    """What lies in the directory though nothing names it, and what is named but not there."""
    named = {f"lake/{file.path}" for manifest in manifests for file in manifest.files}
    named |= {str(f.relative_to(layout.root)) for f in (layout.lake_manifest, layout.lock)}
    named |= {"analytics.duckdb", "warehouse.duckdb"}
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


def faults(now: Pipeline, scene: Scene, heal: Callable[[Pipeline], None]) -> Iterator[str]:
    """What is wrong with a DATA_DIR whose process was killed, and with how it heals."""
    if now.published.is_symlink():
        if contents.of_core(now.published) not in (scene.old, scene.new):
            yield "what is published is neither the old nor the new state"
    elif scene.old is not None:
        yield "nothing is published any more"
    heal(now)
    now.cycle()
    wrong = contents.differences(contents.of_core(now.published), scene.new)
    if wrong:
        yield f"after the next cycle: {wrong}"
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
    cases = cases_of(steps)
    found: dict[str, list[str]] = {}
    for position, case in enumerate(cases):
        for heal in HEALS if EVERY_CASE else HEALS[position % 2 : position % 2 + 1]:
            now = copied(made.start, "now")
            try:
                killed.kill(made.command, now.settings.data_dir, database, clock.now, case)
                wrong = list(faults(now, made, heal))
            except Exception as error:
                wrong = [f"{type(error).__name__}: {error}"]
            if wrong:
                step = steps[case.number]
                label = f"{case.side} {case.number} {step.kind} {step.target} in {step.site}"
                found[f"{label}, {heal.__name__}"] = wrong
    kinds = Counter(step.kind for step in steps)
    print(f"{name}: {len(steps)} steps {dict(kinds)}, {len(cases)} of {2 * len(steps)} cases")
    assert found == {}
    assert set(kinds) >= KINDS - NOT_IN.get(name, set())


def healed_by_a_cycle(pipeline: Pipeline) -> None:
    """Do nothing: the cycle that follows anyway heals."""


HEALS = (healed_by_a_cycle, healed_by_rebuild)
# A rebuild writes no lake file.
# A rebuild copies nothing out; a first cycle and a verify find nothing to remove; what is left to
# put right after the crash are days that have lost all their rows: they get no new file.
NOT_IN = {
    "a cycle after a crash": {"COPY"},
    "a verify with repair": {"unlink"},
    "a rebuild": {"COPY"},
    "a rebuild after a crash": {"COPY"},
    "the first cycle": {"unlink"},
}
