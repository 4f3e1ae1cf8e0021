"""erase: nothing of a person's id or name is left, totals stay, and they do not come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow.parquet as pq
import pytest
import redis

from etl.erase import ErasureReceipt, erase
from etl.report.results import receipt_text
from olap.erasures import Erasures, read_erasures
from olap.errors import ErasureError
from olap.ids import Id
from olap.kept import FILE, run, writing
from olap.mapping import read_mapping
from olap.redis_keys import RedisKeys
from olap.secret import Secret
from tests import contents
from tests.crash_points import NAME, PERSON
from tests.fix_pipeline import Pipeline
from tests.source_schemas import is_pseudonym
from tests.world import World, at

pytestmark = pytest.mark.both_schemas


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline without a cache to reach."""
    no_cache = Secret("redis://127.0.0.1:1/0")
    return replace(pipeline, settings=replace(pipeline.settings, redis_url=no_cache))


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """A person who wrote, read, did and took part, under two names; a few generations of it."""
    with World(pipeline.url) as world:
        world.user(PERSON, username=NAME)
        world.user(2)
        world.conversation(1)
        for user in (PERSON, 2):
            world.participant(1, user)
        for number in range(4):
            world.message(number, sender_id=(PERSON, 2)[number % 2], created_at=at(days=-number))
            world.receipt(number, user=PERSON, read_at=at(days=-number, minutes=1))
            world.event(number, user_id=PERSON, created_at=at(days=-number))
        pipeline.cycle()
        world.user(PERSON, username="Mina Unmistakable")
        pipeline.cycle()
        # The messenger anonymises the name, and keeps the id in what was written.
        world.user(PERSON, username="deleted", deleted_at=at(days=1))
        pipeline.cycle()
        yield world


def erased(pipeline: Pipeline) -> ErasureReceipt:
    """Erase the person."""
    receipt = erase(pipeline.settings, pipeline.schema.id("user", PERSON), pipeline.clock)
    pipeline.clock.advance(minutes=1)
    return receipt


def traces(pipeline: Pipeline) -> list[str]:
    """Where the person is found: in any file's bytes, any Parquet value, any table's value."""
    wanted = {pipeline.schema.id("user", PERSON), NAME, "Mina Unmistakable"}
    found = []
    for path in sorted(p for p in pipeline.layout.root.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if any(text in content for text in (NAME.encode(), str(PERSON).encode(), b"Mina Unm")):
            found.append(f"{path.name}: bytes")
        if path.parent.name == "_delta_log" and path.suffix == ".parquet":
            text = repr(pq.read_table(path).to_pylist())
            found += [f"{path}: {value}" for value in wanted if str(value) in text]
        elif path.suffix == ".parquet":
            values = {v for c in pq.read_table(path).columns for v in c.to_pylist()}
            found += [f"{path}: {value}" for value in wanted & values]
        if path.suffix == ".duckdb" and not path.is_symlink():
            with duckdb.connect(str(path), read_only=True) as connection:
                rows = connection.execute("select user_id, username from core.dim_users").fetchall()
            found += [f"{path.name}: {v}" for row in rows for v in row if v in wanted]
    return found


def senders(pipeline: Pipeline) -> Counter[Id | None]:
    """How many messages each user sent."""
    messages = contents.of_views(pipeline.published)["messages"]
    return Counter(row[2] for row in messages.elements())


def pseudonyms(pipeline: Pipeline) -> list[int]:
    """How many messages each erased user sent."""
    return [count for sender, count in senders(pipeline).items() if is_pseudonym(sender)]


def test_nothing_is_left_and_totals_stay(pipeline: Pipeline, world: World) -> None:
    """No file holds the id or a name; every rollup and count is what it was."""
    assert traces(pipeline)
    before = contents.of_core(pipeline.published)
    receipt = erased(pipeline)
    assert traces(pipeline) == []
    assert pipeline.generations() == [receipt.generation]
    after = contents.of_core(pipeline.published)
    for table in before:
        if table in ("message_days", "user_days", "read_days"):
            numbers = [
                sorted(repr(r[-3:]) for r in rows.elements())
                for rows in (before[table], after[table])
            ]
            assert numbers[0] == numbers[1], table
        assert sum(before[table].values()) == sum(after[table].values()), table
    assert contents.offences(pipeline.published) == []
    assert (receipt.lake_files, receipt.generations_removed) == (10, 3)
    assert receipt.bytes_searched > 100_000 and "not reachable" in receipt.cache


def test_the_person_does_not_come_back(pipeline: Pipeline, world: World) -> None:
    """Cycles, a full read, a rebuild and a verification go on without the id, and agree."""
    erased(pipeline)
    world.message(50, sender_id=PERSON)
    world.execute("update users set username = 'back again' where id = %s", PERSON)
    pipeline.cycle()
    pipeline.cycle(is_full=True)
    pipeline.rebuild()
    found = pipeline.verify()
    assert found.reconciled.differences == ()
    assert found.reconciled.proved == len(pipeline.manifest().files)
    assert traces(pipeline) == []
    assert pseudonyms(pipeline) == [3]
    users = contents.of_views(pipeline.published)["users"]
    assert [row[1] for row in users if is_pseudonym(row[0])] == [None]


def keep(pipeline: Pipeline, *, subject: object, name: str, state: Path | None = None) -> None:
    """Keep a view."""
    with writing(state or pipeline.layout.state) as connection:
        run(
            connection, "kept/create", id=str(uuid4()), kind="view", role="member",
            subject=str(subject), name=name, is_shared=False, changed_at="", body="{}",
        )  # fmt: skip


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_what_the_person_kept_goes(
    pipeline: Pipeline, world: World, tmp_path: Path, is_elsewhere: bool
) -> None:
    """Their views go, and their names out of the names of others' views, wherever STATE_DIR is; it
    is searched like DATA_DIR."""
    state = tmp_path / "elsewhere" if is_elsewhere else pipeline.layout.state
    if is_elsewhere:
        pipeline.settings = replace(pipeline.settings, state_dir=state)
    person = pipeline.schema.id("user", PERSON)
    keep(pipeline, subject=person, name="my month", state=state)
    keep(pipeline, subject=2, name=f"with {NAME}", state=state)
    keep(pipeline, subject=2, name="nothing of theirs", state=state)
    receipt = erased(pipeline)
    assert (receipt.things, receipt.renamed) == (1, 1)
    assert "1 views and dashboards of the person's own" in receipt_text(receipt, pipeline.layout)
    content = (state / FILE).read_bytes()
    assert not any(text in content for text in (str(person).encode(), NAME.encode(), b"my month"))
    assert "with …".encode() in content and b"nothing of theirs" in content
    assert traces(pipeline) == []


@pytest.mark.our_schema("about texts that are a part of others")
def test_a_name_within_a_name_that_somebody_keeps_is_no_trace(
    pipeline: Pipeline, world: World
) -> None:
    """A view in whose name the person's is a part of a word stays, and the receipt says that their
    name was not searched for byte by byte, as it says of the name `deleted`."""
    keep(pipeline, subject="boss", name=f"{NAME}s' club")
    receipt = erased(pipeline)
    assert (receipt.renamed, receipt.plain_texts) == (0, 2)


@pytest.mark.our_schema("tests/test_erase_ids.py erases by other ids")
def test_it_can_be_done_again(pipeline: Pipeline, world: World) -> None:
    """A second run, as after a kill, finds nothing to change and gives its receipt."""
    first = erased(pipeline)
    second = erased(pipeline)
    assert (second.lake_files, second.generation) == (0, first.generation + 1)
    assert traces(pipeline) == []


@pytest.mark.our_schema("tests/test_erase_ids.py erases by other ids")
def test_an_erasure_that_was_killed_before_its_commit_makes_no_two_people_of_one(
    pipeline: Pipeline, world: World
) -> None:
    """Cycles after such a kill go on with the id; the same command then finds all of it."""
    kind = read_mapping(pipeline.settings.source_mapping).ids.user
    read_erasures(pipeline.layout, kind).begin(pipeline.schema.id("user", PERSON))
    world.message(70, sender_id=PERSON)
    world.user(PERSON, username="deleted again")
    pipeline.cycle()
    assert contents.offences(pipeline.published) == []
    erased(pipeline)
    world.message(71, sender_id=PERSON)
    pipeline.cycle()
    assert traces(pipeline) == []
    assert contents.offences(pipeline.published) == []
    assert pseudonyms(pipeline) == [4]


@pytest.mark.our_schema("tests/test_erase_ids.py erases by other ids")
def test_an_erasure_that_was_killed_after_its_commit_holds(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cycles after such a kill already mask the id, and so does a lake that is read again."""
    monkeypatch.setattr(Erasures, "finish", lambda *_: None)
    erased(pipeline)
    monkeypatch.undo()
    world.message(72, sender_id=PERSON)
    pipeline.cycle()
    pipeline.rebuild()
    pipeline.cycle(is_full=True)
    erased(pipeline)
    assert traces(pipeline) == []
    assert contents.offences(pipeline.published) == []


@pytest.mark.our_schema("about the file's mode")
def test_the_list_of_erased_people_is_private(pipeline: Pipeline, world: World) -> None:
    """The digests lie in a file that only the ETL may read, and in no generation."""
    erased(pipeline)
    path = pipeline.layout.lake / "erasures.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(PERSON) not in path.read_text()


@pytest.mark.our_schema("tests/test_erase_ids.py looks for other ids")
@pytest.mark.parametrize("is_in_state", [False, True])
def test_something_left_is_said(
    pipeline: Pipeline, world: World, tmp_path: Path, is_in_state: bool
) -> None:
    """Where a file of somebody's still contains the name, the command fails and names the file."""
    directory = tmp_path / "state" if is_in_state else pipeline.layout.root
    directory.mkdir(exist_ok=True)
    pipeline.settings = replace(pipeline.settings, state_dir=tmp_path / "state")
    (directory / "notes.txt").write_text(f"ask {NAME}")
    with pytest.raises(ErasureError, match=r"notes\.txt still contains"):
        erased(pipeline)


@pytest.mark.our_schema("about the command, not about rows")
def test_where_nothing_is_nothing_can_be_erased(pipeline: Pipeline) -> None:
    """Without a first load the command says so."""
    with pytest.raises(ErasureError, match="nothing in"):
        erased(pipeline)


@pytest.mark.our_schema("tests/test_erase_ids.py erases by other ids")
def test_a_message_of_nobody_is_nobodys(pipeline: Pipeline, world: World) -> None:
    """Rows without a user, and everybody else's, are as they were."""
    world.message(60, sender_id=None)
    pipeline.cycle()
    erased(pipeline)
    found = senders(pipeline)
    assert {sender: found[sender] for sender in found if not is_pseudonym(sender)} == {
        2: 2,
        None: 1,
    }


def test_a_name_that_others_have_stays_theirs(pipeline: Pipeline, world: World) -> None:
    """Somebody else of the same name keeps it, and the receipt says that it was not searched."""
    world.user(3, username=NAME)
    pipeline.cycle()
    receipt = erased(pipeline)
    assert receipt.shared_names == 1
    users = contents.of_views(pipeline.published)["users"]
    assert [row[0] for row in users if row[1] == NAME] == [3]


@pytest.mark.our_schema("a text is long enough to be looked for everywhere")
def test_a_small_id_is_looked_for_where_ids_stand(pipeline: Pipeline, world: World) -> None:
    """An id such as 2 is the value of many counts and is no trace of the person there."""
    receipt = erase(pipeline.settings, 2, pipeline.clock)
    assert receipt.plain_texts == 1
    assert senders(pipeline)[2] == 0


@pytest.mark.our_schema("about the cache, not about rows")
def test_the_cached_answers_go_and_nothing_else_of_the_cache(
    pipeline: Pipeline, world: World, valkey_url: str
) -> None:
    """Every answer in the cache may name the person, so all of them go; other keys stay."""
    url = f"{valkey_url}?db=9"  # the API's tests leave answers in the database that all share
    pipeline.settings = replace(pipeline.settings, redis_url=Secret(url))
    keys = RedisKeys.of(None, pipeline.manifest().source)
    with redis.Redis.from_url(url) as cache:
        for number in range(2_500):
            cache.set(f"{keys.answers}3:top_senders:{number}", NAME)
        cache.set(keys.waiting_events, "an event that must not be lost")
        cache.set("sessions:1", "somebody else's")
        receipt = erased(pipeline)
        assert receipt.cache == "2,500 entries removed"
        assert sorted(cache.scan_iter()) == [keys.waiting_events.encode(), b"sessions:1"]
        cache.flushdb()
