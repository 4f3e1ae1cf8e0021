"""A publication of Delta tables that is killed anywhere leaves nothing wrong, and is repeated.

`tests.crash_points` kills between calls of the product, of which one is a whole commit of a table.
Within a commit the library's own system calls are the steps: strace kills at each of them, where it
is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from olap.delta.publishing import follow
from olap.generations import current, generation_numbers
from olap.layout import Layout
from olap.manifest import read_manifest
from olap.settings import Settings
from tests.crash_points import SIDES, Crasher, CrashPoint, crasher
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import databases
from tests.scale.delta_tables import differences, files, files_in, fill, with_delta
from tests.source_schemas import MESSENGER, SourceSchema
from tests.world import World, at

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# The library writes a draft of an entry beside it: a commit is linked, and the draft removed; a
# checkpoint is renamed.
CALLS = ("linkat", "unlink", "rename")
CALL = re.compile(rf'\b({"|".join(CALLS)})\((?:AT_FDCWD, )?"([^"]+)".* = 0')


@dataclass(frozen=True, slots=True)
class Starts:
    """Copies of DATA_DIRs of which the newest generation is not published as Delta tables.

    Attributes:
        first: no generation is.
        later: those before are; the next commit of `messages` makes a checkpoint.
    """

    first: Path
    later: Path


@pytest.fixture(scope="module")
def starts(
    postgres_url: str,
    template_databases: Callable[[SourceSchema], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Starts]:
    """Both starts of a small messenger."""
    directory = tmp_path_factory.mktemp("starts")
    with databases(postgres_url, template_databases(MESSENGER)) as make:
        plain = Pipeline(make(), Settings(data_dir=directory / "data", grace_seconds=0))
        pipeline = with_delta(plain)
        with World(plain.url) as world:
            fill(world)
            plain.cycle()
            shutil.copytree(plain.layout.root, directory / "first", symlinks=True)
            for number in range(100, 119):
                world.message(number, created_at=at(minutes=number))
                pipeline.cycle()
            world.message(200, created_at=at(days=-1))
            world.user(9)
            world.execute("delete from message_read_receipts")
            replace(plain, settings=replace(plain.settings, repair_max_percent=100)).cycle()
        shutil.copytree(plain.layout.root, directory / "later", symlinks=True)
        yield Starts(directory / "first", directory / "later")


def faults(data_dir: Path) -> Iterator[str]:
    """What is wrong after a kill, and after the next publication."""
    layout = Layout(data_dir)
    for number in generation_numbers(layout):
        known = read_manifest(layout.generation_manifest(number))
        for table, version in known.delta.items():
            if files(layout, table, version) != files_in(known, table):
                yield f"after the kill: {table} of generation {number}"
    follow(Settings(data_dir=data_dir, lake_format="delta"))
    published = current(layout)
    assert published is not None
    if wrong := differences(layout, published):
        yield f"after the retry: {wrong}"
    left = [p.name for p in layout.lake.rglob("*") if "#" in p.name or p.name.endswith(".tmp")]
    if left:
        yield f"left: {left}"


@pytest.fixture(scope="module")
def crash_process(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Crasher]:
    """The process that forks the publications to kill."""
    with crasher(tmp_path_factory.mktemp("crash") / "process", MESSENGER) as process:
        yield process


@pytest.mark.parametrize("name", ["first", "later"])
def test_killed_at_every_step(
    starts: Starts, crash_process: Crasher, tmp_path: Path, name: str
) -> None:
    """Before and after every step of a publication, SIGKILL leaves all recorded versions with their
    files, and the next publication completes it.
    """
    start, data_dir = getattr(starts, name), tmp_path / "data"
    now = at(days=1)
    shutil.copytree(start, data_dir, symlinks=True)
    steps = crash_process.record("follow", data_dir, "", now)
    every = [CrashPoint(n, side, s.kind, s.site) for n, s in enumerate(steps) for side in SIDES]
    # Commits have times in them, so the digests of two runs differ; those of one run do not.
    different = {getattr(steps[point.number], point.side): point for point in every}
    found = {}
    for point in different.values():
        shutil.rmtree(data_dir)
        shutil.copytree(start, data_dir, symlinks=True)
        crash_process.kill("follow", data_dir, "", now, point)
        if wrong := list(faults(data_dir)):
            found[point] = wrong
    assert found == {}
    kinds = {step.kind for step in steps}
    assert {"delta", "fsync", "rename"} <= kinds and len(different) > (12 if name == "first" else 6)


@pytest.mark.scale
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("name", ["first", "later"])
def test_killed_within_a_commit(starts: Starts, tmp_path: Path, name: str) -> None:
    """SIGKILL at each call of the library that names an entry of a log, or removes its draft,
    leaves all recorded versions with their files, and the next publication completes it.
    """
    data_dir, trace = tmp_path / "data", tmp_path / "trace"
    shutil.copytree(getattr(starts, name), data_dir, symlinks=True)
    assert traced(data_dir, f"trace={','.join(CALLS)}", "-o", trace) == 0
    points = [
        (found[1], found[2])
        for found in map(CALL.search, trace.read_text().splitlines())
        if found is not None and found[2].startswith(str(data_dir))
    ]
    wrong = {}
    for call, path in points:
        shutil.rmtree(data_dir)
        shutil.copytree(getattr(starts, name), data_dir, symlinks=True)
        options = ("-P", path, "-e", f"inject={call}:signal=KILL", "-o", trace)
        assert traced(data_dir, f"trace={call}", *options) != 0, (call, path)
        if found := list(faults(data_dir)):
            wrong[call, path] = found
    assert wrong == {}
    logs = Counter(call for call, path in points if "_delta_log" in path)
    # Later: three tables, and the checkpoint of one with the pointer to it.
    wanted = (8, 8, 0) if name == "first" else (3, 3, 2)
    assert tuple(logs[call] for call in CALLS) == wanted


def traced(data_dir: Path, traced: str, *options: str | Path) -> int:
    """Publish below strace; return its exit code, which is that of the process."""
    command: list[str | Path] = ["strace", "-f", "-qq", "-e", traced, *options]
    publish: list[str | Path] = [sys.executable, "-m", "tests.scale.kills", data_dir]
    return subprocess.run([*command, *publish], cwd=ROOT, timeout=600).returncode
