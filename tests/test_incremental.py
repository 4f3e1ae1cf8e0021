"""Law 1: dirty by arrival, rebuilt by event time, so incremental == rebuilt from scratch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests import contents
from tests.effort import examples
from tests.fix_pipeline import Pipeline
from tests.source_schemas import SourceSchema
from tests.world import World, at, uuid

pytestmark = pytest.mark.both_schemas

PEOPLE, ROOMS, MESSAGES = 5, 3, 24


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that happens at the messenger; `number` says to whom, `detail` how."""

    kind: str
    number: int
    detail: int

    def happen(self, world: World) -> None:
        """Do it."""
        getattr(self, f"_{self.kind}")(world)

    def _send(self, world: World) -> None:
        world.message(
            self.number,
            conversation_id=uuid(self.number % ROOMS),
            sender_id=self.number % PEOPLE or None,
            message_type=("text", "image", "system", "sticker")[self.number % 4],
            content=None if self.detail == 0 else "é" * self.detail,
            created_at=_sent_at(self.number),
        )

    def _edit(self, world: World) -> None:
        world.execute(
            "update messages set content = %s, updated_at = %s where id = %s",
            "x" * self.detail,
            at(minutes=self.detail),
            uuid(self.number),
        )

    def _edit_silently(self, world: World) -> None:
        world.execute(
            "update messages set content = %s where id = %s", "y" * self.detail, uuid(self.number)
        )

    def _delete(self, world: World) -> None:
        world.execute(
            "update messages set deleted_at = %s where id = %s",
            at(minutes=self.detail),
            uuid(self.number),
        )

    def _revive(self, world: World) -> None:
        world.execute("update messages set deleted_at = null where id = %s", uuid(self.number))

    def _move(self, world: World) -> None:
        world.execute(
            "update messages set conversation_id = %s where id = %s",
            uuid(self.detail % ROOMS),
            uuid(self.number),
        )

    def _remove_message(self, world: World) -> None:
        world.execute("delete from messages where id = %s", uuid(self.number))

    def _remove_receipts(self, world: World) -> None:
        world.execute("delete from message_read_receipts where message_id = %s", uuid(self.number))

    def _remove_event(self, world: World) -> None:
        world.execute("delete from analytics_events where id = %s", uuid(self.number))

    def _remove_member(self, world: World) -> None:
        world.execute(
            "delete from conversation_participants where conversation_id = %s and user_id = %s",
            uuid(self.number % ROOMS),
            self.detail % PEOPLE,
        )

    def _retime(self, world: World) -> None:
        table, key = (
            ("messages", "id"),
            ("analytics_events", "id"),
            ("message_read_receipts", "message_id"),
        )[self.detail % 3]
        column = "read_at" if key == "message_id" else "created_at"
        world.execute(
            f"update {table} set {column} = {column} - interval '1 day' where {key} = %s",
            uuid(self.number),
        )

    def _truncate(self, world: World) -> None:
        if self.number == 0:
            world.execute(f"truncate {world.table('messages')}")

    def _read(self, world: World) -> None:
        world.receipt(
            self.number,
            user=self.detail % PEOPLE,
            read_at=_sent_at(self.number) + timedelta(days=self.detail % 3, minutes=self.detail),
        )

    def _event(self, world: World) -> None:
        world.event(
            self.number,
            event_type=("message.sent", "user.online")[self.number % 2],
            user_id=self.number % PEOPLE or None,
            conversation_id=uuid(self.number % ROOMS) if self.number % 3 else None,
            created_at=_sent_at(self.number),
        )

    def _user(self, world: World) -> None:
        world.user(self.number % PEOPLE, username=f"name {self.detail}", is_bot=self.detail == 1)

    def _leave_service(self, world: World) -> None:
        world.user(self.number % PEOPLE, deleted_at=at(minutes=self.detail))

    def _room(self, world: World) -> None:
        world.conversation(self.number % ROOMS, title=f"title {self.detail}")

    def _join(self, world: World) -> None:
        world.participant(self.number % ROOMS, self.detail % PEOPLE, left_at=None)

    def _leave(self, world: World) -> None:
        world.participant(self.number % ROOMS, self.detail % PEOPLE, left_at=at(minutes=1))


KINDS = sorted(name[1:] for name in vars(Deed) if name[0] == "_" and name[1] != "_")


def _sent_at(number: int) -> datetime:
    """Over six days, a few in the same microsecond, some a microsecond before midnight."""
    if number % 5 == 0:
        return at(days=-(number % 6), hours=12, microseconds=-1)
    return at(days=-(number % 6), minutes=number // 2)


deeds = st.builds(
    Deed,
    kind=st.sampled_from(KINDS),
    number=st.integers(0, MESSAGES),
    detail=st.integers(0, 9),
)
histories = st.lists(st.lists(deeds, max_size=25), min_size=2, max_size=4)


def test_incremental_equals_from_scratch_equals_rebuilt(
    new_database: Callable[[], str], new_pipeline: Callable[[str], Pipeline], schema: SourceSchema
) -> None:
    """After every cycle of a history the views are the source, and all tables what one load gives.

    Rows are removed for good, moved between conversations and in time, revived and truncated.
    """

    @settings(
        max_examples=examples(1 if schema.is_renamed else 6),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    @given(history=histories)
    def holds(history: list[list[Deed]]) -> None:
        pipeline = new_pipeline(new_database())
        # So small a world may lose most of its rows at once.
        pipeline.settings = replace(pipeline.settings, repair_max_percent=100)
        with World(pipeline.url) as world:
            for part in history:
                for deed in part:
                    deed.happen(world)
                assert pipeline.cycle().reconciled.is_settled
                expected = contents.of_source(pipeline.url)
                assert contents.differences(contents.of_views(pipeline.published), expected) == {}
        scratch = pipeline.beside(f"{pipeline.settings.data_dir.name}-scratch")
        scratch.cycle()

        found = contents.of_core(pipeline.published)
        assert contents.differences(found, contents.of_core(scratch.published)) == {}
        expected = contents.of_source(pipeline.url)
        assert contents.differences(contents.of_views(pipeline.published), expected) == {}

        before = contents.of_everything(pipeline.layout.warehouse)
        pipeline.rebuild()
        after = contents.of_everything(pipeline.layout.warehouse)
        for ledger in (before, after):
            ledger.pop("state")
        assert contents.differences(after, before) == {}
        assert contents.offences(pipeline.published) == []

    holds()


def test_a_change_rebuilds_its_day_and_no_other(pipeline: Pipeline) -> None:
    """An edit gives one new lake file; every other day keeps the file it had."""
    with World(pipeline.url) as world:
        for number in range(4):
            world.message(number, created_at=at(days=-number))
        pipeline.cycle()
        before = {file.day: file.path for file in pipeline.manifest().files if file.day}
        world.execute("update messages set content = 'longer' where id = %s", uuid(2))
        report = pipeline.cycle()
    after = {file.day: file.path for file in pipeline.manifest().files if file.day}
    assert {day for day in after if after[day] != before[day]} == {at(days=-2).date()}
    assert (report.days_rebuilt, report.rows_changed) == (1, 1)


def test_a_row_rewritten_without_a_difference_rebuilds_nothing(pipeline: Pipeline) -> None:
    """A new row version with the same values is read, compared and left."""
    with World(pipeline.url) as world:
        world.user()
        world.conversation()
        world.participant()
        world.message()
        pipeline.cycle()
        world.execute("update messages set content = content")
        world.execute("update users set username = username")
        world.execute("update conversations set title = title")
        world.execute("update conversation_participants set role = role")
        report = pipeline.cycle()
    assert report.extract.tables["messages"].rows == 1
    assert (report.days_rebuilt, report.rows_changed, report.is_published) == (0, 0, False)


def test_a_renamed_user_dirties_no_day(pipeline: Pipeline) -> None:
    """No name is in a rollup, so a rename touches the dimension alone."""
    with World(pipeline.url) as world:
        world.user(1, username="old")
        world.message(1)
        pipeline.cycle()
        world.user(1, username="new")
        report = pipeline.cycle()
    assert (report.days_rebuilt, report.rows_changed) == (0, 1)
    names = {row[1] for row in contents.of_views(pipeline.published)["users"]}
    assert names == {"new"}


@pytest.mark.parametrize("table", ["users", "conversations", "conversation_participants"])
def test_a_hard_deleted_dimension_row_goes_in_the_same_cycle(
    table: str, pipeline: Pipeline
) -> None:
    """A dimension row that the source removed is gone from the next generation; facts stay."""
    with World(pipeline.url) as world:
        for number in (1, 2):
            world.user(number)
            world.conversation(number)
            world.participant(number, number)
        world.message(1)
        pipeline.cycle()
        key = "user_id = 1" if table == "conversation_participants" else "true"
        world.execute(f"delete from {table} where {key}")
        pipeline.without_brake().cycle()
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert sum(contents.of_views(pipeline.published)["messages"].values()) == 1


def test_ids_without_a_row_of_their_own_are_kept_in_facts(pipeline: Pipeline) -> None:
    """Facts of users and conversations the source does not have keep their ids, unshown."""
    with World(pipeline.url) as world:
        world.message(1, sender_id=77, conversation_id=uuid(88))
        world.receipt(2, user=78)
        world.event(3, user_id=79, conversation_id=uuid(89))
        pipeline.cycle()
        views = contents.of_views(pipeline.published)
        assert contents.differences(views, contents.of_source(pipeline.url)) == {}
        assert not views["users"] and not views["conversations"]
        world.user(77, username="here at last")
        pipeline.cycle()
    views = contents.of_views(pipeline.published)
    assert contents.differences(views, contents.of_source(pipeline.url)) == {}
    assert sum(views["users"].values()) == 1


def test_receipts_follow_a_message_that_arrives_late_or_moves(pipeline: Pipeline) -> None:
    """A receipt whose message appears or changes conversation afterwards is read again."""
    with World(pipeline.url) as world:
        world.receipt(1, user=2)
        world.receipt(1, user=3, read_at=at(days=2))
        pipeline.cycle()
        world.message(1, conversation_id=uuid(1))
        pipeline.cycle()
        expected = contents.of_source(pipeline.url)
        assert contents.differences(contents.of_views(pipeline.published), expected) == {}
        world.execute("update messages set conversation_id = %s", uuid(2))
        report = pipeline.cycle()
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert report.days_rebuilt == 3


def test_a_full_read_drops_what_the_source_no_longer_has(pipeline: Pipeline) -> None:
    """`run --full --yes` replaces every table: hard-deleted facts go, their empty days too."""
    with World(pipeline.url) as world:
        for number in range(6):
            world.message(number, created_at=at(days=-(number // 2)))
        pipeline.cycle()
        world.execute("delete from messages where id in (%s, %s, %s)", *map(uuid, (0, 4, 5)))
        report = pipeline.cycle()
        assert report.manifest.tables["messages"].rows == 6
        assert report.manifest.tables["messages"].source_rows == 3
        report = pipeline.cycle(is_full=True, may_remove=True)
    assert report.days_rebuilt == 2
    assert pipeline.manifest().days("messages") == 2
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []
