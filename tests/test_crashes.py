"""Killed at any step, the pipeline loses no row, doubles no row and leaves no file behind.

The steps are recorded from a run, so new steps are tested without a change here. SIGKILL ends a
process and keeps what the kernel holds; the test proves the order of the steps, and nothing about
a disk that loses its power.

`TORTURE=1` kills at every crash point that leaves different bytes on disk, with every recovery.
Otherwise seven scenarios, one of the second messenger, and a crash point of each are drawn, from a
seed that a failure names; `CRASH_SEED=` draws the same ones again.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.erase import erase
from olap.days import DayRange
from olap.delta.publishing import follow
from olap.generations import generation_numbers
from olap.layout import Layout
from olap.manifest import Manifest, read_manifest
from tests import contents
from tests.crash_points import (
    KEEP_GENERATIONS,
    NAME,
    PERSON,
    SIDES,
    Crasher,
    CrashPoint,
    Step,
    crasher,
    settings_for,
)
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import databases
from tests.scale.delta_tables import differences
from tests.source_schemas import MESSENGER, MIXED, SourceSchema, is_pseudonym
from tests.test_erase import traces
from tests.world import World, at

pytestmark = pytest.mark.slow

_OF_A_LOG = re.compile(r"\d{20}\.(json|checkpoint\.parquet)|_last_checkpoint")

EVERY_POINT = os.environ.get("TORTURE") == "1"
SEED = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
KINDS = {"fsync", "rename", "unlink", "switch", "COMMIT", "COPY"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A command, its DATA_DIR, and the required result.

    Attributes:
        start: the DATA_DIR before the command, never changed.
        old: what analysts see before it; None without a generation.
        new: what they must see after the command and a cycle.
        is_erasure: whether no trace of the person may be left in the end.
    """

    command: str
    start: Pipeline
    old: dict[str, contents.Rows] | None
    new: dict[str, contents.Rows]
    is_erasure: bool


def seen(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """What analysts see; the random id of an erased user is replaced by -1."""
    tables = contents.of_core(pipeline.published)
    erased = {row[0] for row in tables["dim_users"] if is_pseudonym(row[0])}
    return {
        table: Counter(tuple(-1 if v in erased else v for v in row) for row in rows.elements())
        for table, rows in tables.items()
    }


def copied(pipeline: Pipeline, name: str) -> Pipeline:
    """A pipeline with a copy of the DATA_DIR."""
    other = pipeline.beside(name)
    shutil.rmtree(other.settings.data_dir, ignore_errors=True)
    if pipeline.settings.data_dir.exists():
        shutil.copytree(pipeline.settings.data_dir, other.settings.data_dir, symlinks=True)
    return other


def fill(world: World) -> None:
    """Write a small messenger of three days."""
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
    """Write new rows, an edit, a late row and new names; delete a row and a whole day."""
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


def unpublished(pipeline: Pipeline, crasher: Crasher) -> None:
    """Leave a warehouse with its last commit only in the WAL, as after a crash."""
    other = copied(pipeline, "recorded cycle")
    directory, now = other.settings.data_dir, other.clock.now
    steps = crasher.record("cycle", directory, pipeline.url, now)
    number = next(
        n for n, step in enumerate(steps) if step.kind == "COMMIT" and ":transaction" in step.site
    )
    point = CrashPoint(number, "after", steps[number].kind, steps[number].site)
    crasher.kill("cycle", pipeline.settings.data_dir, pipeline.url, now, point)
    assert Path(f"{pipeline.layout.warehouse}.wal").exists()


def of_another_version(pipeline: Pipeline, crasher: Crasher) -> None:
    """Leave a warehouse that the SQL of another version made."""
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("update core.state set schema_fingerprint = 'of another version'")


def nothing_more(pipeline: Pipeline, crasher: Crasher) -> None:
    """Change nothing."""


def of_today_alone(pipeline: Pipeline, crasher: Crasher) -> None:
    """Backfill the last day and all later days alone."""
    pipeline.backfill(DayRange(at().date(), date.max))


def with_delta(pipeline: Pipeline, crasher: Crasher) -> None:
    """Publish the generation that there is, and those to come, as Delta tables."""
    pipeline.settings = replace(pipeline.settings, lake_format="delta")
    follow(pipeline.settings)


Preparation = Callable[[Pipeline, Crasher], None]
Recovery = Callable[[Pipeline], None]


def by_a_cycle(pipeline: Pipeline) -> None:
    """Do nothing, because every recovery ends with a cycle."""


def by_rebuild(pipeline: Pipeline) -> None:
    """Rebuild the warehouse, if there is a lake."""
    if pipeline.layout.lake_manifest.exists():
        pipeline.rebuild()


def by_erase(pipeline: Pipeline) -> None:
    """Run the erasure again."""
    erase(pipeline.settings, pipeline.schema.id("user", PERSON), pipeline.clock)


def by_erase_after_a_cycle(pipeline: Pipeline) -> None:
    """Run a cycle, and then the erasure again."""
    pipeline.cycle()
    by_erase(pipeline)


def by_backfill(pipeline: Pipeline) -> None:
    """Run the backfill again."""
    pipeline.backfill()


def by_backfill_after_a_cycle(pipeline: Pipeline) -> None:
    """Run a cycle, if something was loaded, and then the backfill again."""
    if pipeline.layout.lake_manifest.exists():
        pipeline.cycle()
    pipeline.backfill()


# The recoveries by command.
RECOVERIES: dict[str, tuple[Recovery, ...]] = {
    "erase": (by_erase, by_erase_after_a_cycle),
    "erase with delta": (by_erase, by_erase_after_a_cycle),
    "backfill": (by_backfill, by_backfill_after_a_cycle),
}
OTHER_RECOVERIES: tuple[Recovery, ...] = (by_a_cycle, by_rebuild)
# The command, the number of cycles before it, and a further preparation.
SCENARIOS: dict[str, tuple[str, int, Preparation]] = {
    "a cycle with a rewrite": ("cycle and rewrite", 3, nothing_more),
    "the first cycle": ("cycle", 0, nothing_more),
    "a rebuild": ("rebuild", 3, nothing_more),
    "a rebuild after a crash": ("rebuild", 3, unpublished),
    "a cycle after a crash": ("cycle", 3, unpublished),
    "a cycle of another version": ("cycle", 3, of_another_version),
    "a verify with repair": ("verify", 3, nothing_more),
    "an erasure": ("erase", 3, nothing_more),
    "an erasure after a crash": ("erase", 3, unpublished),
    "a cycle with Delta tables": ("cycle with delta", 3, with_delta),
    "the first cycle with Delta tables": ("cycle with delta", 0, with_delta),
    "an erasure with Delta tables": ("erase with delta", 3, with_delta),
    "a first backfill": ("backfill", 0, nothing_more),
    "a backfill that widens": ("backfill", 0, of_today_alone),
}

# Of the second messenger only what depends on ids and names: rows read, restored, masked, joined.
OF_SECOND = (
    "the first cycle",
    "a cycle with a rewrite",
    "a rebuild",
    "an erasure",
    "a first backfill",
)
NAMES = {MESSENGER: tuple(SCENARIOS), MIXED: OF_SECOND}
# A name, or the number of one that the test draws: every worker must collect the same tests.
CASES: list[tuple[SourceSchema, str | int]] = (
    [(schema, name) for schema, names in NAMES.items() for name in names]
    if EVERY_POINT
    else [*((MESSENGER, number) for number in range(7)), (MIXED, 0)]
)


def drawn(schema: SourceSchema, number: int) -> str:
    """The scenario of this number, in an order that the seed gives."""
    return random.Random(SEED).sample(NAMES[schema], len(NAMES[schema]))[number]


@pytest.fixture(scope="module")
def crash_process(
    tmp_path_factory: pytest.TempPathFactory, schema: SourceSchema
) -> Iterator[Crasher]:
    """The process that forks the commands to kill."""
    with crasher(tmp_path_factory.mktemp("crash") / "process", schema) as process:
        yield process


class Scenarios:
    """Makes scenarios; those with equal sources share them, because no command changes a source."""

    def __init__(
        self,
        new_database: Callable[[], str],
        directory: Path,
        crasher: Crasher,
        schema: SourceSchema,
    ) -> None:
        self._new_database = new_database
        self._directory = directory
        self._crasher = crasher
        self._schema = schema
        self._after: dict[int, Pipeline] = {}
        self._from_nothing: dict[tuple[int, bool], dict[str, contents.Rows]] = {}

    def make(self, name: str) -> Scenario:
        """The DATA_DIR of a scenario and its required result."""
        command, cycles, prepare = SCENARIOS[name]
        start = copied(self._after_cycles(cycles), f"start of {name}")
        start.clock = replace(start.clock)
        prepare(start, self._crasher)
        old = seen(start) if start.published.is_symlink() else None
        is_erasure = command.startswith("erase")
        return Scenario(command, start, old, self._expected(cycles, is_erasure), is_erasure)

    def _after_cycles(self, cycles: int) -> Pipeline:
        """A pipeline after some cycles; later changes are only in its source."""
        if cycles not in self._after:
            directory = self._directory / f"after {cycles} cycles"
            start = Pipeline(self._new_database(), settings_for(directory, self._schema.mapping))
            with World(start.url) as world:
                fill(world)
                for number in range(cycles):
                    world.message(20 + number, created_at=at(days=-number))
                    start.cycle()
                if cycles:
                    change(world)
            self._after[cycles] = start
        return self._after[cycles]

    def _expected(self, cycles: int, is_erasure: bool) -> dict[str, contents.Rows]:
        """What analysts see after a first load of the same source, and an erasure."""
        if (cycles, is_erasure) not in self._from_nothing:
            after = self._after_cycles(cycles)
            first = after.beside(f"first load, {cycles} {is_erasure}")
            first.clock = replace(after.clock)
            first.cycle()
            if is_erasure:
                by_erase_after_a_cycle(first)
            self._from_nothing[cycles, is_erasure] = seen(first)
        return self._from_nothing[cycles, is_erasure]


@pytest.fixture(scope="module")
def scenarios(
    postgres_url: str,
    template_databases: Callable[[SourceSchema], str],
    tmp_path_factory: pytest.TempPathFactory,
    crash_process: Crasher,
    schema: SourceSchema,
) -> Iterator[Scenarios]:
    """Makes the scenarios of this module."""
    with databases(postgres_url, template_databases(schema)) as make:
        yield Scenarios(make, tmp_path_factory.mktemp("scenarios"), crash_process, schema)


def crash_points(steps: list[Step]) -> list[CrashPoint]:
    """Every crash point, or one of them; each kind and site is as likely as another.

    A kill leaves the directory and nothing else, so crash points with the same bytes on disk are
    equivalent, and one of them is enough.
    """
    every = [CrashPoint(n, side, s.kind, s.site) for n, s in enumerate(steps) for side in SIDES]
    by_bytes = {getattr(steps[point.number], point.side): point for point in reversed(every)}
    different = sorted(by_bytes.values(), key=every.index)
    if EVERY_POINT:
        return different
    draw = random.Random(SEED)
    draw.shuffle(different)
    by_site = {(point.kind, point.site): point for point in different}
    return [draw.choice(list(by_site.values()))]


def litter(layout: Layout, manifests: list[Manifest]) -> list[str]:
    """Files in the directory that nothing names, and named files that are missing."""
    named = {f"lake/{file.path}" for manifest in manifests for file in manifest.files}
    named |= {str(f.relative_to(layout.root)) for f in (layout.lake_manifest, layout.lock)}
    named |= {"analytics.duckdb", "warehouse.duckdb"}
    if layout.backfill_lock.exists():
        named.add(layout.backfill_lock.name)
    if layout.spare.exists():
        named.add(str(layout.spare.relative_to(layout.root)))
    if (layout.lake / "erasures.json").exists():
        named.add("lake/erasures.json")
    for number in generation_numbers(layout):
        for path in (layout.generation(number), layout.generation_manifest(number)):
            named.add(str(path.relative_to(layout.root)))
    if (layout.lake / "README.md").exists():
        named.add("lake/README.md")
    logs = [path for path in layout.lake.glob("*/_delta_log/*") if _OF_A_LOG.fullmatch(path.name)]
    named |= {str(path.relative_to(layout.root)) for path in logs}
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
    now: Pipeline, scenario: Scenario, done: dict[str, contents.Rows], recover: Recovery
) -> Iterator[str]:
    """The faults of a DATA_DIR after a kill, and after its recovery.

    Args:
        done: what analysts see after a run that is not killed.
    """
    if now.published.is_symlink():
        if seen(now) not in (scenario.old, done):
            yield "the published state is neither the old nor the new one"
    elif scenario.old is not None:
        yield "the published file is gone"
    recover(now)
    now.cycle()
    wrong = contents.differences(seen(now), scenario.new)
    if wrong:
        yield f"after the next cycle: {wrong}"
    if scenario.is_erasure and (left := traces(now)):
        yield f"traces of the person: {left}"
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
    # A cycle without changes publishes nothing, but its batch is in the lake's manifest.
    lake = read_manifest(now.layout.lake_manifest)
    if (lake.generation, lake.files) != (manifest.generation, manifest.files):
        yield "the lake's manifest differs from the generation's"
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
    if now.settings.lake_format == "delta" and (other := differences(now.layout, manifest)):
        yield f"Delta tables: {other}"
    if found := litter(now.layout, kept):
        yield f"superfluous or missing: {found}"


@pytest.mark.parametrize(("schema", "case"), CASES, indirect=["schema"], ids=str, scope="module")
def test_a_kill_at_any_step_is_recovered(
    schema: SourceSchema, case: str | int, scenarios: Scenarios, crash_process: Crasher
) -> None:
    """After a kill at any step the old or the new state opens, and the next run recovers."""
    name = case if isinstance(case, str) else drawn(schema, case)
    made = scenarios.make(name)
    database = made.start.url
    clock = made.start.clock
    recorded = copied(made.start, f"{name}, recorded")
    steps = crash_process.record(made.command, recorded.settings.data_dir, database, clock.now)
    done, points = seen(recorded), crash_points(steps)
    recoveries = RECOVERIES.get(made.command, OTHER_RECOVERIES)
    found: dict[str, list[str]] = {}
    for point in points:
        chosen = recoveries if EVERY_POINT else recoveries[SEED % 2 :][:1]
        for recover in chosen:
            now = copied(made.start, f"{name}, killed")
            try:
                crash_process.kill(made.command, now.settings.data_dir, database, clock.now, point)
                wrong = list(faults(now, made, done, recover))
            except Exception as error:
                wrong = [f"{type(error).__name__}: {error}"]
            if wrong:
                target = steps[point.number].target
                label = f"{point.side} {point.number} {point.kind} {target} in {point.site}"
                found[f"{label}, {recover.__name__}"] = wrong
    kinds = Counter(step.kind for step in steps)
    print(
        f"{name}: {len(steps)} steps {dict(kinds)}, {len(points)} of {2 * len(steps)} crash points"
    )
    assert found == {}, f"CRASH_SEED={SEED}"
    assert set(kinds) >= KINDS - NOT_IN.get(name, set())


# A rebuild writes no file; a first cycle and a verify have nothing to remove; after the crash only
# days without rows remain to be written, and they get no file.
NOT_IN = {
    "a cycle after a crash": {"COPY"},
    "a verify with repair": {"unlink"},
    "a rebuild": {"COPY"},
    "a rebuild after a crash": {"COPY"},
    "the first cycle": {"unlink"},
    "the first cycle with Delta tables": {"unlink"},
    "a first backfill": {"unlink"},
}
