"""erase, for every type of user id: no trace, no return, and nobody else's id is taken for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.erase import ErasureReceipt, erase, parse_user
from olap.erasures import Erasures, read_erasures
from olap.errors import ErasureError
from olap.ids import Id, IdType
from olap.layout import Layout
from olap.secret import Secret
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.own_mapping import create_marks, user_id, write_mapping
from tests.world import World, at, uuid

PERSON, OTHER, NAME = 7_345_678_901, 2, "Wilhelmina Unmistakable"


@dataclass(slots=True)
class Erasing:
    """A messenger with a person to erase, and a pipeline whose user ids have one type."""

    pipeline: Pipeline
    world: World
    kind: IdType

    @property
    def person(self) -> Id:
        """The id of the person."""
        return user_id(self.kind, PERSON)

    def erase(self) -> ErasureReceipt:
        """Erase the person."""
        receipt = erase(self.pipeline.settings, self.person, self.pipeline.clock)
        self.pipeline.clock.advance(minutes=1)
        return receipt

    def ask(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query of the published file."""
        with duckdb.connect(str(self.pipeline.published), read_only=True) as connection:
            return connection.execute(query, values).fetchall()

    @property
    def pseudonym(self) -> Id:
        """The one user who is not one of the others."""
        others = [user_id(self.kind, number) for number in (OTHER, 10 * PERSON)]
        ((found,),) = self.ask(
            "select user_id from main.users where not list_contains($others, user_id)",
            others=others,
        )
        assert found != self.person
        return found  # type: ignore[no-any-return]

    def traces(self) -> list[str]:
        """Where the person is: in a file's bytes, a Parquet value, a value of a table."""
        wanted = {str(self.person).encode(), NAME.encode()}
        if isinstance(self.person, UUID):
            stored = (self.person.int ^ 1 << 127).to_bytes(16, "little")
            wanted |= {self.person.bytes, stored}
        found = []
        for path in sorted(p for p in self.pipeline.layout.root.rglob("*") if p.is_file()):
            content = path.read_bytes()
            found += [f"{path.name}: bytes" for text in wanted if text in content]
            if path.suffix == ".parquet":
                columns = pq.read_table(path).columns
                values = {v for column in columns for v in column.to_pylist()}
                found += [f"{path.name}: value" for v in values & {self.person, NAME}]
            if path.suffix == ".duckdb" and not path.is_symlink():
                with duckdb.connect(str(path), read_only=True) as connection:
                    rows = connection.execute("select user_id, username from core.dim_users")
                    values = {value for row in rows.fetchall() for value in row}
                found += [f"{path.name}: value" for v in values & {self.person, NAME}]
        return found


@pytest.fixture(params=list(IdType))
def erasing(
    request: pytest.FixtureRequest, pipeline: Pipeline, tmp_path: Path
) -> Iterator[Erasing]:
    """The person wrote, read, reacted, did something and has a mark; the messenger forgot them."""
    kind: IdType = request.param
    settings = replace(
        pipeline.settings,
        source_mapping=write_mapping(tmp_path / "mapping", kind),
        redis_url=Secret("redis://127.0.0.1:1/0"),
    )
    with World(pipeline.url) as world:
        create_marks(world)
        world.user(PERSON, username=NAME)
        world.user(OTHER)
        for room in (1, PERSON % 10**8):
            world.conversation(room)
            for user in (PERSON, OTHER):
                world.participant(room, user)
        world.execute("insert into marks values (%s, %s, %s)", uuid(1), PERSON, at(days=-1))
        for number in range(4):
            world.message(
                number, sender_id=(PERSON, OTHER)[number % 2], created_at=at(days=-number)
            )
            world.receipt(number, user=PERSON, read_at=at(days=-number, minutes=1))
            world.reaction(number, user=PERSON)
            world.event(number, user_id=PERSON, created_at=at(days=-number))
        found = replace(pipeline, settings=settings)
        found.cycle()
        world.user(PERSON, username="deleted", deleted_at=at(days=1))
        found.cycle()
        yield Erasing(found, world, kind)


FORMS = {
    IdType.INTEGER: r"-\d{19}",
    IdType.UUID: r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    IdType.STRING: r"erased-[\w-]{22}",
}
COUNTS = """
    select
        (select count(*) from main.messages where sender_id = $id),
        (select count(*) from main.read_receipts where user_id = $id),
        (select count(*) from main.events where user_id = $id),
        (select count(*) from main.reactions where user_id = $id),
        (select count(*) from main.participants where user_id = $id),
        (select count(*) from main.read_marks where user_id = $id),
        (select count(*) from main.users where user_id = $id and username is null)
"""


def test_nothing_is_left_and_nothing_returns(erasing: Erasing) -> None:
    """No file has the id or the name, whatever is read again; all that they did has the same
    pseudonym, a second erasure too."""
    assert erasing.traces()
    assert erasing.ask(COUNTS, id=erasing.person) == [(2, 4, 4, 4, 2, 1, 0)]
    erasing.erase()
    assert erasing.traces() == []
    pseudonym = erasing.pseudonym
    assert erasing.ask(
        "select regexp_full_match($id, $form)", id=str(pseudonym), form=FORMS[erasing.kind]
    ) == [(True,)]
    assert erasing.ask(COUNTS, id=pseudonym) == [(2, 4, 4, 4, 2, 1, 1)]
    erasing.world.message(50, sender_id=PERSON)
    erasing.world.execute("update users set username = %s where id = %s", NAME, PERSON)
    erasing.world.execute("update marks set read_through_at = %s", at(days=1))
    erasing.pipeline.cycle()
    erasing.pipeline.cycle(is_full=True)
    erasing.pipeline.rebuild()
    assert erasing.pipeline.verify().reconciled.differences == ()
    assert erasing.traces() == []
    assert erasing.ask(COUNTS, id=pseudonym) == [(3, 4, 4, 4, 2, 1, 1)]
    assert erasing.erase().lake_files == 0
    assert erasing.pseudonym == pseudonym
    assert contents.offences(erasing.pipeline.published) == []


def test_a_killed_erasure_makes_no_two_people_of_one(
    erasing: Erasing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its commit it has no effect until it is repeated; killed after it, it has."""
    pipeline = erasing.pipeline
    begun = read_erasures(pipeline.layout, erasing.kind).begin(erasing.person)
    erasing.world.message(70, sender_id=PERSON)
    pipeline.cycle()
    assert erasing.ask(COUNTS, id=erasing.person)[0][0] == 3
    monkeypatch.setattr(Erasures, "finish", lambda *_: None)
    erasing.erase()
    monkeypatch.undo()
    erasing.world.message(71, sender_id=PERSON)
    pipeline.cycle()
    pipeline.cycle(is_full=True)
    assert erasing.traces() == []
    erasing.erase()
    assert erasing.pseudonym == begun
    assert erasing.ask(COUNTS, id=begun) == [(4, 4, 4, 4, 2, 1, 1)]


def test_an_id_that_contains_it_is_not_it(erasing: Erasing) -> None:
    """Somebody whose id begins with the person's is not found, and conversations that are made of
    the id are counted."""
    erasing.world.user(10 * PERSON, username=str(user_id(erasing.kind, 10 * PERSON)))
    erasing.world.message(60, sender_id=10 * PERSON)
    erasing.pipeline.cycle()
    receipt = erasing.erase()
    longer = user_id(erasing.kind, 10 * PERSON)
    assert erasing.ask(
        "select user_id, username from main.users where user_id = $id", id=longer
    ) == [(longer, str(longer))]
    is_text = erasing.kind is IdType.STRING
    is_part = is_text or erasing.kind is IdType.INTEGER  # of the name, which has the same digits
    assert (receipt.plain_texts, receipt.made_ids) == (1 + is_part, 0)


@pytest.mark.parametrize("erasing", [IdType.STRING], indirect=True)
def test_ids_made_of_the_id_are_counted(erasing: Erasing) -> None:
    """A conversation id that contains the id stays, and the receipt tells how many there are."""
    erasing.world.user(5, username="somebody")
    for room in (5, 51):
        erasing.world.conversation(room)
        erasing.world.message(room, sender_id=5, conversation_id=uuid(room))
    erasing.pipeline.cycle()
    receipt = erase(erasing.pipeline.settings, "person-5", erasing.pipeline.clock)
    assert receipt.made_ids == 1
    assert erasing.ask(
        "select count(*) from main.messages where conversation_id = 'dm:person-5:room'"
    ) == [(1,)]


def test_the_id_in_another_file_is_said(erasing: Erasing) -> None:
    """A file that still has the id, as a text or as the bytes of a uuid, is named."""
    person = erasing.person
    contained = [str(person).encode()]
    if isinstance(person, UUID):
        contained += [person.bytes, (person.int ^ 1 << 127).to_bytes(16, "little")]
    for content in contained:
        left = erasing.pipeline.layout.root / "notes.bin"
        left.write_bytes(b"ask " + content + b".")
        with pytest.raises(ErasureError, match=r"notes\.bin still contains the id"):
            erasing.erase()


def test_a_title_with_the_id_is_said(erasing: Erasing) -> None:
    """A title in which the id is a word is a trace; one that has it in a longer word is none."""
    erasing.world.conversation(1, title=f"{erasing.person}0 and friends")
    erasing.pipeline.cycle()
    erasing.erase()
    erasing.world.conversation(1, title=f"ask {erasing.person}!")
    erasing.pipeline.cycle()
    with pytest.raises(ErasureError, match=r"still contains the person, 1 times in .*title"):
        erasing.erase()


def test_an_id_of_another_type_is_refused(erasing: Erasing) -> None:
    """The command says what form an id has in this messenger."""
    wrong = {IdType.INTEGER: "ann", IdType.UUID: "7", IdType.STRING: ""}[erasing.kind]
    with pytest.raises(ErasureError, match="is no user id of the mapping mapping: it must"):
        parse_user(erasing.pipeline.settings, wrong)
    assert parse_user(erasing.pipeline.settings, str(erasing.person)) == erasing.person


def test_a_list_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Integer pseudonyms that an earlier version recorded are used as they are."""
    layout = Layout(tmp_path)
    layout.create()
    digest = "0f3e1d9a4c2b"
    record = {"salt": "s", "people": {}, "begun": {digest: -5}}
    (layout.lake / "erasures.json").write_text(json.dumps(record))
    erasures = read_erasures(layout, IdType.INTEGER)
    assert erasures.begun == ["-5"]
    assert bool(erasures.with_committed([-5])) and not erasures.with_committed([-6])


@pytest.mark.parametrize("kind", IdType)
def test_batches_are_masked_by_type(kind: IdType, tmp_path: Path) -> None:
    """Ids of each type are replaced, names with them; null and other ids stay, types too."""
    layout = Layout(tmp_path)
    layout.create()
    erasures = read_erasures(layout, kind)
    pseudonym = erasures.begin(user_id(kind, 1))
    erasures.finish(user_id(kind, 1))
    type_ = {IdType.INTEGER: pa.int64(), IdType.UUID: pa.uuid(), IdType.STRING: pa.string()}[kind]
    ids = [user_id(kind, 1), None, user_id(kind, 11), user_id(kind, 1)]
    batch = pa.record_batch({"user_id": pa.array(ids, type_), "username": ["a", "b", "c", None]})
    masked = read_erasures(layout, kind).mask(batch)
    assert masked.schema == batch.schema
    assert masked.to_pydict() == {
        "user_id": [pseudonym, None, user_id(kind, 11), pseudonym],
        "username": [None, "b", "c", None],
    }
    assert read_erasures(layout, kind).begin(user_id(kind, 1)) == pseudonym
