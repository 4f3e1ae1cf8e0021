"""A generation is made by clone, delta or copy: the same bytes, and nobody's bytes change."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from olap import blocks, generation_file, leases
from olap.blocks import BLOCK_BYTES, HEAD_BYTES
from olap.collection import collect
from olap.damage import damage
from olap.errors import DiskFullError, PublishError
from olap.generation_file import Made, make
from olap.layout import Layout
from olap.manifest import MadeBy, Manifest
from olap.publish import publish
from olap.warehouse import Warehouse, open_warehouse
from tests import contents
from tests.crash_points import CrashPoint, crasher
from tests.fix_pipeline import Pipeline
from tests.source_schemas import SourceSchema
from tests.test_crashes import copied
from tests.world import World, at

SIZE = HEAD_BYTES + 40 * BLOCK_BYTES


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A DATA_DIR with a warehouse of random bytes, and a draft's directory."""
    layout = Layout(tmp_path / "data")
    layout.create()
    layout.warehouse.write_bytes(random.Random(1).randbytes(SIZE))
    (layout.generations / ".000009").mkdir()
    layout.spare.parent.mkdir()
    return layout


def draft(layout: Layout) -> Path:
    """The file that is made."""
    return layout.generations / ".000009" / "analytics.duckdb"


def with_spare(layout: Layout, content: bytes | bytearray) -> Path:
    """Make a spare with this content, of the mode of a generation."""
    layout.spare.write_bytes(content)
    layout.spare.chmod(0o444)
    return layout.spare


def changed_at(content: bytes, *offsets: int) -> bytes:
    """The content with other bytes at these offsets."""
    changed = bytearray(content)
    for offset in offsets:
        changed[offset] ^= 1
    return bytes(changed)


def block(number: int) -> int:
    """The offset of a block."""
    return HEAD_BYTES + number * BLOCK_BYTES


# What an older generation looks like beside the warehouse, and the bytes that a delta writes.
OLDER: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "equal": (lambda now: now, 0),
    "other headers": (lambda now: changed_at(now, 4100), HEAD_BYTES),
    "the first and the last byte of blocks": (
        lambda now: changed_at(now, block(3), block(7) - 1, SIZE - 1),
        3 * BLOCK_BYTES,
    ),
    "shorter": (lambda now: now[: block(38)], 2 * BLOCK_BYTES),
    "cut within a block": (lambda now: now[: block(39) + 5], BLOCK_BYTES),
    "longer": (lambda now: now + bytes(3 * BLOCK_BYTES), 0),
    "empty": (lambda now: b"", SIZE),
    "all other": (lambda now: bytes(SIZE), SIZE),
}


@pytest.mark.parametrize("name", OLDER)
def test_a_delta_is_equal_to_a_copy(layout: Layout, name: str) -> None:
    """Whatever the spare was, its file becomes equal byte for byte, and only blocks are written."""
    older, written = OLDER[name]
    inode = with_spare(layout, older(layout.warehouse.read_bytes())).stat().st_ino
    assert make(layout, draft(layout)) == Made(MadeBy.DELTA, written)
    assert draft(layout).read_bytes() == layout.warehouse.read_bytes()
    assert draft(layout).stat().st_ino == inode
    assert not layout.spare.exists()


def test_a_warehouse_that_ends_within_a_block_is_made_equal(layout: Layout) -> None:
    """The last range may be shorter than a block, in the warehouse and in the spare."""
    content = layout.warehouse.read_bytes()
    layout.warehouse.write_bytes(content[: block(20) + 77])
    with_spare(layout, changed_at(content, block(20) + 3))
    assert make(layout, draft(layout)) == Made(MadeBy.DELTA, 77)
    assert draft(layout).read_bytes() == layout.warehouse.read_bytes()


def test_without_a_spare_everything_is_copied(layout: Layout) -> None:
    """The first generations are copies."""
    assert make(layout, draft(layout)) == Made(MadeBy.COPY, SIZE)
    assert draft(layout).read_bytes() == layout.warehouse.read_bytes()


def test_a_block_with_an_unchanged_checksum_is_compared(layout: Layout) -> None:
    """Two counters that change together leave DuckDB's checksum of their block as it was."""
    layout.warehouse.unlink()
    files = []
    with duckdb.connect(str(layout.warehouse)) as connection:
        connection.execute("create table counts as select n as here, n as there from range(3) r(n)")
        for _ in range(4):
            connection.execute("update counts set here = here + 1, there = there + 1")
            connection.execute("force checkpoint")
            files.append(layout.warehouse.read_bytes())
    older = next(file for file in files[:-1] if has_other_block_of_equal_checksum(file, files[-1]))
    with_spare(layout, older)
    assert make(layout, draft(layout)).by is MadeBy.DELTA
    with duckdb.connect(str(draft(layout)), read_only=True) as connection:
        assert connection.execute("from counts").fetchall() == [(n, n) for n in (4, 5, 6)]


def has_other_block_of_equal_checksum(older: bytes, newer: bytes) -> bool:
    """Whether two files have a block with the same first eight bytes, and others after these."""
    starts = range(HEAD_BYTES, min(len(older), len(newer)), BLOCK_BYTES)
    pairs = ((older[at : at + BLOCK_BYTES], newer[at : at + BLOCK_BYTES]) for at in starts)
    return any(one != other and one[:8] == other[:8] for one, other in pairs)


def test_a_flipped_byte_in_the_spare_is_written_over(layout: Layout) -> None:
    """A block of the spare that does not have its checksum any more is no part of a generation."""
    layout.warehouse.unlink()
    with duckdb.connect(str(layout.warehouse)) as connection:
        connection.execute("create table numbers as from range(200_000) as r (n)")
    content = layout.warehouse.read_bytes()
    flipped = block(1) + BLOCK_BYTES // 2
    with_spare(layout, changed_at(content, flipped))
    with pytest.raises(duckdb.Error, match="Corrupt database file"):
        duckdb.connect(str(layout.spare), read_only=True).execute("select sum(n) from numbers")
    assert make(layout, draft(layout)) == Made(MadeBy.DELTA, BLOCK_BYTES)
    assert draft(layout).read_bytes() == content


# Each holds the file of argv[1] in another way, prints a digest of its bytes, waits, and prints it
# again. Without DuckDB's own descriptor nobody could see what DuckDB would read.
_HOLDS = {
    "open in DuckDB": """
import duckdb
connection = duckdb.connect(path, read_only=True)
connection.execute("select count(*) from core.dim_users").fetchone()
links = {int(fd): os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
         if os.path.lexists(f"/proc/self/fd/{fd}")}
opened, = [fd for fd, link in links.items() if link == path]
read = lambda: os.pread(opened, 1 << 30, 0)
""",
    "mapped, its descriptor closed": """
import mmap
opened = os.open(path, os.O_RDONLY)
mapped = mmap.mmap(opened, 0, prot=mmap.PROT_READ)
os.close(opened)
read = lambda: mapped[:]
""",
    "open through another link": """
os.link(path, sys.argv[2])
opened = os.open(sys.argv[2], os.O_RDONLY)
os.unlink(sys.argv[2])
read = lambda: os.pread(opened, 1 << 30, 0)
""",
}
_HOLDER = """
import hashlib, os, sys
path = sys.argv[1]
{hold}
digest = lambda: hashlib.sha256(read()).hexdigest()
print(digest(), flush=True)
sys.stdin.readline()
print(digest(), flush=True)
"""


@contextmanager
def holder(way: str, path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """A process that holds a file: the digest of its bytes, and a function that reads it again."""
    code = _HOLDER.format(hold=_HOLDS[way])
    command = [sys.executable, "-c", code, str(path), str(path.with_name("another name"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        try:
            first = process.stdout.readline().strip()
            stdin, stdout = process.stdin, process.stdout

            def again() -> str:
                stdin.write("\n")
                stdin.flush()
                return stdout.readline().strip()

            yield first, again
        finally:
            process.kill()


def publish_and_collect(warehouse: Warehouse, now: datetime) -> Manifest:
    """Publish once more and keep two generations, and the file of the one that goes."""
    manifest = publish(warehouse, now)
    collect(warehouse.layout, manifest, now, keep=2, grace_seconds=0, keeps_spare=True)
    return manifest


@pytest.fixture
def filled(pipeline: Pipeline) -> Pipeline:
    """A generation with some messages; two are kept."""
    pipeline.settings = replace(pipeline.settings, keep_generations=2, grace_seconds=0)
    with World(pipeline.url) as world:
        world.user(1)
        for number in range(20):
            world.message(number, created_at=at(days=-number))
        pipeline.cycle()
    return pipeline


@contextmanager
def opened(pipeline: Pipeline) -> Iterator[Warehouse]:
    """The warehouse of a pipeline, as a cycle has it."""
    with pipeline.layout.locked(), open_warehouse(pipeline.settings) as warehouse:
        yield warehouse


@pytest.mark.slow
def test_who_holds_an_old_generation_never_sees_other_bytes(filled: Pipeline) -> None:
    """Three processes hold the first generation, each in another way, while ten are published."""
    first = filled.published.resolve()
    before = hashlib.sha256(first.read_bytes()).hexdigest()
    with (
        holder("open in DuckDB", first) as (one, one_again),
        holder("mapped, its descriptor closed", first) as (two, two_again),
        holder("open through another link", first) as (three, three_again),
    ):
        assert {one, two, three} == {before}
        with opened(filled) as warehouse:
            ways = []
            for _ in range(10):
                file = publish_and_collect(warehouse, filled.clock()).file
                assert file is not None
                ways.append(str(file.made_by))
                assert generation_file.differs(filled.layout, filled.published.resolve()) == 0
        # The third would have been written into the first, which is then given up.
        assert ways == ["copy", "copy", "copy", *["delta"] * 7]
        assert (one_again(), two_again(), three_again()) == (before, before, before)
    assert not first.exists()


@pytest.mark.parametrize("way", [way for way in _HOLDS if "DuckDB" not in way])
def test_a_held_spare_is_not_written(layout: Layout, way: str) -> None:
    """A spare that one process holds is given up, and everything is copied."""
    spare = with_spare(layout, changed_at(layout.warehouse.read_bytes(), 5))
    with holder(way, spare) as (before, again):
        assert make(layout, draft(layout)) == Made(MadeBy.COPY, SIZE)
        assert again() == before
    assert draft(layout).read_bytes() == layout.warehouse.read_bytes()
    assert not layout.spare.exists()


def test_a_spare_with_another_name_is_not_written(layout: Layout, tmp_path: Path) -> None:
    """A hard link that nobody has open, such as a backup's, keeps its bytes."""
    older = changed_at(layout.warehouse.read_bytes(), 5)
    os.link(with_spare(layout, older), tmp_path / "backup")
    assert make(layout, draft(layout)) == Made(MadeBy.COPY, SIZE)
    assert (tmp_path / "backup").read_bytes() == older


def test_an_open_during_the_delta_is_noticed(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens the file while it is written waits for the lease; the file is not published."""
    with_spare(layout, bytes(SIZE))
    real = blocks.make_equal

    def opened_meanwhile(source: int, target: int) -> int:
        with pytest.raises(BlockingIOError):
            os.open(draft(layout), os.O_RDONLY | os.O_NONBLOCK)
        return real(source, target)

    monkeypatch.setattr(blocks, "make_equal", opened_meanwhile)
    inode = layout.spare.stat().st_ino
    assert make(layout, draft(layout)) == Made(MadeBy.COPY, SIZE)
    assert draft(layout).stat().st_ino != inode


@pytest.mark.parametrize(
    "number", [errno.EAGAIN, errno.EACCES, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP]
)
def test_a_refused_lease_falls_back_to_a_copy(
    layout: Layout, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that refuses leases, as NFS does, gets copies; the spare is not written."""
    spare = with_spare(layout, bytes(SIZE))
    opened_before = os.open(spare, os.O_RDONLY)
    real = fcntl.fcntl

    def refused(descriptor: int, command: int, argument: Any = 0) -> Any:
        if command == fcntl.F_SETLEASE:
            raise OSError(number, os.strerror(number))
        return real(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refused)
    assert make(layout, draft(layout)) == Made(MadeBy.COPY, SIZE)
    assert draft(layout).read_bytes() == layout.warehouse.read_bytes()
    assert os.pread(opened_before, SIZE, 0) == bytes(SIZE)
    os.close(opened_before)


def test_only_local_file_systems_are_asked(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where other machines may read the same file, a lease of this machine's kernel is no word."""
    assert leases.is_local(layout.root.stat().st_dev)
    assert not leases.is_local(Path("/proc").stat().st_dev)
    with_spare(layout, bytes(SIZE))
    monkeypatch.setattr(leases, "_LOCAL", {"nfs4"})
    assert make(layout, draft(layout)) == Made(MadeBy.COPY, SIZE)


def test_a_clone_needs_no_spare(filled: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system shares blocks, that is the way, and no file is kept for the next."""
    ioctl = fcntl.ioctl

    def clone(writer: Any, request: int, source: int = 0) -> int:
        if request != generation_file._FICLONE:
            return int(ioctl(writer, request, source))
        writer.write(os.pread(source, os.fstat(source).st_size, 0))
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    with opened(filled) as warehouse:
        for _ in range(3):
            manifest = publish_and_collect(warehouse, filled.clock())
    assert manifest.file is not None
    assert (manifest.file.made_by, manifest.file.written) == (MadeBy.CLONE, 0)
    assert not filled.layout.spare.parent.exists()


def test_a_delta_needs_space_only_for_what_the_file_grows(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk with room for two blocks a generation is made from a spare, and not copied."""
    usage = type("Usage", (), {"free": int(2.5 * BLOCK_BYTES)})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    content = layout.warehouse.read_bytes()
    with_spare(layout, content[: block(38)])
    assert make(layout, draft(layout)).by is MadeBy.DELTA
    with_spare(layout, content[: block(37)])
    with pytest.raises(DiskFullError, match="a generation needs 786,432"):
        make(layout, draft(layout))
    with pytest.raises(DiskFullError, match=f"a generation needs {SIZE:,}"):
        generation_file.copy(layout, draft(layout))


def test_the_manifest_and_the_log_say_the_way(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies first; once a generation is retired, the changed blocks are written into its file."""
    capsys.readouterr()
    with World(filled.url) as world:
        for number in range(3):
            world.message(100 + number)
            filled.cycle()
    files = [filled.layout.generation(number) for number in (3, 4)]
    assert [path.exists() for path in files] == [True, True]
    file = filled.manifest().file
    assert file is not None and file.made_by is MadeBy.DELTA
    assert HEAD_BYTES < file.written < file.bytes
    assert f"bytes_published={file.written} " in (said := capsys.readouterr().out)
    assert "published_by=delta" in said and "published_by=copy" in said
    assert files[1].stat().st_mode & 0o777 == 0o444
    expected = contents.of_source(filled.url)
    assert contents.differences(contents.of_views(filled.published), expected) == {}


def test_generations_are_not_reused_where_that_is_off(filled: Pipeline) -> None:
    """With REUSE_GENERATIONS=0 each generation is a copy, and no spare is kept."""
    filled.settings = replace(filled.settings, reuse_generations=False)
    with World(filled.url) as world:
        for number in range(3):
            world.message(100 + number)
            filled.cycle()
            file = filled.manifest().file
            assert file is not None and file.made_by is MadeBy.COPY
    assert not filled.layout.spare.parent.exists()


def test_the_newest_generation_that_goes_is_the_spare(filled: Pipeline) -> None:
    """Of several removed generations the newest is kept, in place of an older spare."""
    with opened(filled) as warehouse:
        manifests = [publish(warehouse, filled.clock()) for _ in range(5)]
        inodes = [filled.layout.generation(n).stat().st_ino for n in range(1, 7)]
        filled.layout.spare.parent.mkdir()
        filled.layout.spare.write_bytes(b"an older spare")

        def collected(*, keeps_spare: bool) -> int:
            layout, now = filled.layout, filled.clock()
            return collect(
                layout, manifests[-1], now, keep=2, grace_seconds=0, keeps_spare=keeps_spare
            )

        collected(keeps_spare=True)
        assert filled.generations() == [5, 6]
        assert filled.layout.spare.stat().st_ino == inodes[3]
        # Without anything new to remove it stays; and it goes when it is not wanted.
        collected(keeps_spare=True)
        assert filled.layout.spare.stat().st_ino == inodes[3]
        assert collected(keeps_spare=False) > 1_000_000
        assert not filled.layout.spare.parent.exists()


def flip(file: Path) -> None:
    """Change a byte in the last block of a file."""
    with file.open("r+b") as opened_file:
        opened_file.seek(-1000, os.SEEK_END)
        (before,) = opened_file.read(1)
        opened_file.seek(-1000, os.SEEK_END)
        opened_file.write(bytes([before ^ 1]))


def test_once_a_day_the_generation_is_compared_with_the_warehouse(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the disk returns differently is an error in the log, and the file is copied whole."""
    real = make

    def damaged(layout: Layout, target: Path) -> Made:
        made = real(layout, target)
        flip(target)
        return made

    def published(now: datetime, *, is_damaged: bool) -> tuple[MadeBy | None, datetime | None, int]:
        """How the next one is made, when one was compared, and how much differs in the end."""
        monkeypatch.setattr(generation_file, "make", damaged if is_damaged else real)
        with opened(filled) as warehouse:
            file = publish(warehouse, now, compare_hour=3).file
            assert file is not None
            left = generation_file.differs(filled.layout, filled.published.resolve())
        return file.made_by, file.compared_at, left

    first = filled.manifest().file
    assert first is not None and first.compared_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    late, early = datetime(2026, 3, 2, 2, 59, tzinfo=UTC), datetime(2026, 3, 2, 3, tzinfo=UTC)
    filled.layout.spare.parent.mkdir()
    filled.layout.spare.write_bytes(filled.published.read_bytes())
    # Not before the hour of the next day: the last one is carried on.
    assert published(late, is_damaged=False) == (MadeBy.DELTA, first.compared_at, 0)
    capsys.readouterr()
    filled.layout.spare.write_bytes(filled.published.read_bytes())
    assert published(early, is_damaged=True) == (MadeBy.COPY, early, 0)
    said = capsys.readouterr().out
    assert "generation.differs" in said and "made_by=delta" in said
    # Once a day is enough.
    monkeypatch.setattr(generation_file, "differs", lambda *_: pytest.fail("it was compared"))
    with opened(filled) as warehouse:
        again = publish(warehouse, at(days=1), compare_hour=3).file
    assert again is not None and again.compared_at == early


def test_a_disk_that_returns_other_bytes_publishes_nothing(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the full copy differs as well, the last generation stands and the error says why."""
    monkeypatch.setattr(generation_file, "differs", lambda *_: BLOCK_BYTES)
    filled.clock.advance(days=1)
    with opened(filled) as warehouse, pytest.raises(PublishError, match="does not return") as error:
        publish(warehouse, filled.clock(), compare_hour=3)
    assert "Check the disk" in error.value.hint
    assert filled.generations() == [1]
    assert filled.manifest().generation == 1


@pytest.mark.slow
def test_a_kill_at_any_step_of_a_delta_leaves_the_published_generation(
    filled: Pipeline, tmp_path: Path, schema: SourceSchema
) -> None:
    """SIGKILL before and after each step: the old or the new generation, and the next is right.

    A kept older generation never has other bytes, and nothing is left of the killed publication.
    """
    for _ in range(2):
        with opened(filled) as warehouse:
            publish_and_collect(warehouse, filled.clock())
    assert filled.layout.spare.exists() and filled.generations() == [2, 3]
    digests = {number: digest_of(filled, number) for number in filled.generations()}
    with crasher(tmp_path / "process", schema) as process:
        recorded = copied(filled, "recorded")
        arguments = (recorded.layout.root, recorded.url, recorded.clock.now)
        steps = process.record("publish", *arguments)
        kinds = [step.kind for step in steps]
        assert "pwrite" in kinds and "ftruncate" in kinds and "copyfile" not in kinds
        # What a step leaves is what the next one finds; the first written block stands for all of
        # them. tests/test_crashes.py has the steps after these.
        first_write = kinds.index("pwrite")
        delta = range(kinds.index("clone"), first_write + 1)
        sides = [*((number, "before") for number in delta), (first_write, "after")]
        points = [CrashPoint(n, side, kinds[n], steps[n].site) for n, side in sides]
        for point in points:
            killed = copied(filled, "killed")
            process.kill("publish", killed.layout.root, killed.url, killed.clock.now, point)
            manifest = killed.manifest()
            assert manifest.generation in (3, 4), point
            assert damage(killed.layout, manifest) is None, point
            for number in set(killed.generations()) & digests.keys():
                assert digest_of(killed, number) == digests[number], point
            with opened(killed) as warehouse:
                made = publish_and_collect(warehouse, killed.clock())
                assert generation_file.differs(killed.layout, killed.published.resolve()) == 0
            assert len(killed.generations()) == 2, point
            assert killed.generations()[-1] == made.generation, point
            left = {path.name for path in killed.layout.generations.glob(".*")}
            assert left == {".spare"}, point


def digest_of(pipeline: Pipeline, number: int) -> str:
    """A digest of the file of a generation."""
    return hashlib.sha256(pipeline.layout.generation(number).read_bytes()).hexdigest()
