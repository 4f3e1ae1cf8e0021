"""Rows that are gone or have moved leave their day files when a feed tells their keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olap.days import DayRange, DaySet, days_of
from olap.errors import SourceError
from olap.fold import Folded
from olap.manifest import SourceShape
from olap.mapping import read_mapping
from olap.proofs import miscounted_tables
from olap.tables import FACTS, MESSAGES
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.keyed_batches import Follower, Messenger, follower
from tests.world import at, uuid

DAYS = 4
RECEIPTS = next(fact for fact in FACTS if fact.name == "read_receipts")


def day(number: int) -> date:
    """The UTC day so many days before TIME_ZERO."""
    return at(days=-number).date()


def fill(messenger: Messenger) -> None:
    """Eight messages on four days, each with a receipt, a reaction and an event; four people."""
    for number in range(1, 5):
        messenger.put("users", user_id=number, username=f"user {number}", is_bot=False)
        messenger.put("conversations", conversation_id=number, title=f"room {number}")
        messenger.put("participants", conversation_id=number, user_id=number)
        messenger.put("read_marks", conversation_id=number, user_id=number)
    for number in range(1, 9):
        sent_at = at(days=-(number % DAYS), minutes=number)
        say(messenger, number, created_at=sent_at)
        messenger.put("read_receipts", message_id=number, user_id=2, read_at=sent_at)
        messenger.put("reactions", message_id=number, user_id=3, emoji="👍", created_at=sent_at)
        messenger.put("events", event_id=number, event_type="opened", user_id=1, created_at=sent_at)


def say(messenger: Messenger, number: int, **values: Any) -> None:
    """Write a message of user 1 in conversation 1."""
    messenger.put(
        "messages",
        message_id=number,
        **{"conversation_id": 1, "sender_id": 1, "content_length": number} | values,
    )


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Follower]:
    """A lake that has read the messenger of `fill`."""
    messenger = Messenger()
    fill(messenger)
    with follower(tmp_path, messenger) as loaded:
        loaded.load()
        yield loaded


def rebuilt(folded: Folded) -> dict[tuple[str, date], int]:
    """The days of facts that a fold rebuilt, with the number of rows that changed."""
    return {(change.fact.name, change.day): change.rows_changed for change in folded.days}


def test_a_deleted_row_leaves_its_day_and_no_other(loaded: Follower) -> None:
    """The day of the deleted event is rewritten without it; no other file changes."""
    loaded.messenger.delete("events", 3)
    folded = loaded.follow()
    assert rebuilt(folded) == {("events", day(3)): 1}
    loaded.require_equal()


def test_a_moved_row_is_on_its_new_day_only(loaded: Follower) -> None:
    """A row with another event time leaves the file of its old day and is in that of the new."""
    loaded.messenger.put("events", event_id=3, created_at=at(days=-1))
    folded = loaded.follow()
    assert rebuilt(folded) == {("events", day(3)): 1, ("events", day(1)): 1}
    loaded.require_equal()


def test_a_row_that_moves_to_a_new_day_leaves_its_old_one(loaded: Follower) -> None:
    """A day without a file is no reason not to look for the row elsewhere."""
    loaded.messenger.put("events", event_id=3, created_at=at(days=30))
    assert rebuilt(loaded.follow()) == {("events", day(3)): 1, ("events", day(-30)): 1}
    loaded.require_equal()


def test_a_row_that_moves_twice_is_on_its_last_day_only(loaded: Follower) -> None:
    """Moves within a batch and from batch to batch leave one row."""
    loaded.messenger.put("events", event_id=3, created_at=at(days=-1))
    loaded.messenger.put("events", event_id=3, created_at=at(days=-2))
    assert rebuilt(loaded.follow()) == {("events", day(3)): 1, ("events", day(2)): 1}
    loaded.require_equal()
    loaded.messenger.put("events", event_id=3, created_at=at(days=-3))
    assert rebuilt(loaded.follow()) == {("events", day(2)): 1, ("events", day(3)): 1}
    loaded.require_equal()


def test_a_day_without_a_row_has_no_file(loaded: Follower) -> None:
    """A day whose rows are all gone or moved loses its file."""
    loaded.messenger.delete("events", 3)
    loaded.messenger.put("events", event_id=7, created_at=at())
    loaded.follow()
    loaded.require_equal()
    assert loaded.manifest is not None
    assert loaded.manifest.file_of("events", day(3)) is None


def test_moved_edited_and_deleted_rows_of_all_facts_in_one_batch(loaded: Follower) -> None:
    """One batch applies every kind of change, and rows about deleted messages are read again."""
    messenger = loaded.messenger
    say(messenger, 1, content_length=99)
    say(messenger, 2, created_at=at(days=-3))
    say(messenger, 3, created_at=at(days=-9), conversation_id=2)
    say(messenger, 20, created_at=at(days=-1))
    messenger.delete("messages", 4)
    messenger.delete("messages", 8)
    messenger.delete("read_receipts", 4, 2)
    messenger.delete("reactions", 5, 3, "👍")
    messenger.put("reactions", message_id=6, user_id=3, emoji="👍", created_at=at(days=-3))
    messenger.put("reactions", message_id=6, user_id=3, emoji="🎉", created_at=at(days=-3))
    messenger.put("read_receipts", message_id=7, user_id=2, read_at=at(days=-8))
    messenger.delete("events", 1)
    loaded.follow()
    loaded.require_equal()
    orphans = [row for row in loaded.lake(RECEIPTS) if row[2] is None]
    assert len(orphans) == 1  # of message 8; the receipt of message 4 is gone too


def test_receipts_of_deleted_messages_are_read_again(loaded: Follower) -> None:
    """The brake's list of gone messages has those that a feed told and not those that moved."""
    loaded.messenger.delete("messages", 4)
    say(loaded.messenger, 2, created_at=at(days=-3))
    loaded.follow()
    rows = loaded.warehouse.connection.execute("from staging.gone_messages").fetchall()
    assert [int(id_) for (id_,) in rows] == [4]
    assert not loaded.gone["messages"].stays


def test_a_key_that_is_nowhere_changes_nothing(loaded: Follower) -> None:
    """A row that was inserted and deleted since the last batch was never here."""
    say(loaded.messenger, 50, created_at=at())
    loaded.messenger.delete("messages", 50)
    assert rebuilt(loaded.follow()) == {}
    loaded.require_equal()


def test_a_key_that_is_deleted_and_inserted_again_leaves_its_old_day(loaded: Follower) -> None:
    """A reused key is not new: the old row with it goes."""
    loaded.messenger.delete("events", 3)
    loaded.messenger.put("events", event_id=3, event_type="closed", created_at=at(days=-1))
    assert rebuilt(loaded.follow()) == {("events", day(3)): 1, ("events", day(1)): 1}
    loaded.require_equal()


@pytest.mark.parametrize("changes", ["none", "inserted", "edited"])
def test_files_are_searched_only_for_a_reason(loaded: Follower, changes: str) -> None:
    """Without a change or with new rows no file is searched; edited rows open their days' only."""
    if changes == "inserted":
        say(loaded.messenger, 20, created_at=at(days=-2))
    if changes == "edited":
        say(loaded.messenger, 1, content_length=99)
    searched: list[date] = []
    run = Warehouse.run

    def noting(self: Warehouse, name: str, *table: Any, **values: Any) -> Any:
        if name == "facts/find_removed" and table == (MESSAGES,):
            searched.extend(values["days"])
        return run(self, name, *table, **values)

    with patch.object(Warehouse, "run", noting):
        folded = loaded.follow()
    loaded.require_equal()
    assert searched == ([day(1)] if changes == "edited" else [])
    changed_days = {"none": [], "inserted": [day(2)], "edited": [day(1)]}[changes]
    assert rebuilt(folded) == {("messages", changed): 1 for changed in changed_days}


def test_the_search_ends_when_every_key_is_found(loaded: Follower) -> None:
    """Files are searched from the latest on, a portion at a time."""
    loaded.messenger.delete("events", 1)
    searched: list[date] = []
    run = Warehouse.run

    def noting(self: Warehouse, name: str, *table: Any, **values: Any) -> Any:
        if name == "facts/find_removed":
            searched.extend(values["days"])
        return run(self, name, *table, **values)

    with patch("olap.removals.FILES_AT_FIRST", 1), patch.object(Warehouse, "run", noting):
        loaded.follow()
    loaded.require_equal()
    assert searched == [day(0), day(1), day(2)]


def test_rows_of_a_touched_id_that_are_not_read_are_gone(loaded: Follower) -> None:
    """Every row here with a touched id goes unless it is staged; rows of other ids stay."""
    messenger = loaded.messenger
    messenger.put("reactions", message_id=3, user_id=4, emoji="🎉", created_at=at(days=-1))
    messenger.put("reactions", message_id=3, user_id=4, emoji="👍", created_at=at(days=-2))
    loaded.follow()
    for user, emoji in ((3, "👍"), (4, "🎉")):
        messenger.delete("reactions", 3, user, emoji)
    messenger.changed["reactions"] = {(uuid(3), 4, "🎉")}
    messenger.put("reactions", message_id=3, user_id=4, emoji="👍", created_at=at(days=-2))
    folded = loaded.follow(touched={"reactions": [str(uuid(3))]})
    assert rebuilt(folded) == {("reactions", day(3)): 1, ("reactions", day(1)): 1}
    loaded.require_equal()


def test_days_read_whole_beside_keys(loaded: Follower) -> None:
    """A day that is read whole is right when rows leave it, come into it, or are told gone."""
    messenger = loaded.messenger
    say(messenger, 2, created_at=at(days=-3))
    say(messenger, 3, created_at=at(days=-2))
    messenger.delete("messages", 6)
    loaded.follow(whole={"messages": days_of([day(2)])})
    loaded.require_equal()


def test_days_with_lost_files_beside_keys(loaded: Follower) -> None:
    """The file of a lost day is not opened; rows that left it or came into it are right."""
    messenger = loaded.messenger
    say(messenger, 2, created_at=at(days=-3))
    say(messenger, 3, created_at=at(days=-2))
    messenger.delete("messages", 6)
    assert loaded.manifest is not None
    file = loaded.manifest.file_of("messages", day(2))
    assert file is not None
    (loaded.warehouse.layout.lake / file.path).write_bytes(b"damaged")
    loaded.follow(lost=[("messages", day(2))])
    loaded.require_equal()


def test_what_a_proof_finds_gone_and_no_feed_told_stays_for_a_scan(loaded: Follower) -> None:
    """Rows that vanish without a word may be gone elsewhere too: only a scan can count them."""
    loaded.messenger.delete("messages", 6)
    loaded.follow(whole={"messages": days_of([day(2)])})
    assert not loaded.gone["messages"].stays
    loaded.messenger.delete("messages", 7)
    loaded.messenger.changed["messages"].clear()
    loaded.follow(whole={"messages": days_of([day(3)])})
    assert loaded.gone["messages"].stays


@pytest.mark.parametrize("gone", [3, 4])
def test_the_brake_counts_what_would_go_by_key(loaded: Follower, gone: int) -> None:
    """More than half of a table does not go unasked; rows that move do not count."""
    for number in range(1, gone + 1):
        loaded.messenger.delete("events", number)
    for number in range(gone + 1, 9):
        loaded.messenger.put("events", event_id=number, created_at=at(days=-20))
    with patch("tests.keyed_batches.MAX_PERCENT", 5):
        loaded.follow()
    assert (loaded.gone["events"].refused_rows, loaded.gone["events"].stays) == (
        (4, True) if gone == 4 else (0, False)
    )


def test_rows_of_dimensions_go_by_key(loaded: Follower) -> None:
    """People and conversations become placeholders, memberships and marks end."""
    messenger = loaded.messenger
    say(messenger, 30, sender_id=60, created_at=at())
    loaded.follow()
    messenger.delete("users", 1)
    messenger.put("users", user_id=2, username="renamed")
    messenger.delete("conversations", 1)
    messenger.delete("participants", 2, 2)
    messenger.delete("participants", 1, 1)
    messenger.delete("read_marks", 3, 3)
    messenger.put("users", user_id=60)
    messenger.delete("users", 60)
    folded = loaded.follow()
    loaded.require_equal()
    assert loaded.gone_rows == {"users": 1, "conversations": 1, "participants": 2, "read_marks": 1}
    assert folded.dimensions == {
        "users": 2,
        "conversations": 1,
        "participants": 2,
        "read_marks": 1,
    }
    here = loaded.warehouse.connection.execute(
        "select username, in_source from core.dim_users order by user_id limit 2"
    ).fetchall()
    assert here == [(None, False), ("renamed", True)]


def test_a_row_of_a_dimension_that_comes_back_is_not_gone(loaded: Follower) -> None:
    """A key that was deleted and inserted again has a staged row and stays."""
    loaded.messenger.delete("participants", 2, 2)
    loaded.messenger.put("participants", conversation_id=2, user_id=2, role="admin")
    loaded.follow()
    loaded.require_equal()
    assert loaded.gone_rows["participants"] == 0


@pytest.mark.parametrize("mapping", ["zulip", "mattermost"])
def test_keys_of_every_type_are_found(mapping: str, tmp_path: Path) -> None:
    """Numbers and texts are found as uuids are."""
    messenger = Messenger(SourceShape(mapping=mapping, ids=read_mapping(mapping).ids))
    fill(messenger)
    with follower(tmp_path, messenger) as loaded:
        loaded.load()
        messenger.delete("messages", 3)
        messenger.delete("reactions", 4, 3, "👍")
        messenger.put("read_receipts", message_id=5, user_id=2, read_at=at(days=-3))
        messenger.delete("participants", 2, 2)
        messenger.delete("users", 4)
        folded = loaded.follow()
        loaded.require_equal()
    assert len(rebuilt(folded)) >= 4


def test_a_key_of_another_type_is_an_error_of_the_mapping(loaded: Follower) -> None:
    """A text that is no uuid cannot be the id of a message here, and is not ignored."""
    loaded.messenger.changed["messages"].add(("7",))
    with pytest.raises(SourceError, match="keys of messages that are none here") as caught:
        loaded.follow()
    assert "`key`" in caught.value.hint


def test_rows_of_an_erased_person_go_by_key(tmp_path: Path) -> None:
    """A feed tells the id of an erased person; here their rows have the pseudonym."""
    messenger = Messenger()
    fill(messenger)
    with follower(tmp_path, messenger) as loaded:
        pseudonym = loaded.erasures.begin(2)
        loaded.erasures.finish(2)
        loaded.load()
        messenger.delete("read_receipts", 3, 2)
        messenger.delete("users", 2)
        loaded.follow()
        here = {(int(row[0]), row[1]) for row in loaded.lake(RECEIPTS)}
    assert here == {(number, pseudonym) for number in range(1, 9) if number != 3}
    assert loaded.gone_rows["users"] == 1


def test_counts_that_do_not_match_are_told(loaded: Follower) -> None:
    """A table with more rows than before plus those added is named, with how many they are."""
    loaded.messenger.delete("events", 3)
    loaded.messenger.changed["events"].clear()
    loaded.follow()
    assert loaded.manifest is not None and loaded.extract is not None
    assert miscounted_tables(loaded.manifest, loaded.extract) == {"events": 1}
    state = loaded.manifest.tables["events"]
    assert (state.source_rows, state.rows) == (7, 8)


def test_a_table_whose_rows_nobody_can_count_is_not_compared(loaded: Follower) -> None:
    """Where inserts and deletes do not tell how many rows were added, nothing is told."""
    loaded.messenger.delete("events", 3)
    loaded.messenger.changed["events"].clear()
    loaded.messenger.put("events", event_id=20, created_at=at())
    loaded.messenger.put("events", event_id=21, created_at=at())
    loaded.follow(unknown=["events"])
    assert loaded.manifest is not None and loaded.extract is not None
    assert miscounted_tables(loaded.manifest, loaded.extract) == {}
    state = loaded.manifest.tables["events"]
    assert (state.source_rows, state.rows) == (10, 10)


def test_rows_outside_of_a_limited_coverage_are_what_is_not_here(tmp_path: Path) -> None:
    """Rows that were added are inside of the coverage if they are here, and else outside."""
    messenger = Messenger()
    fill(messenger)
    coverage = DaySet((DayRange(day(1), date.max),))
    with follower(tmp_path, messenger) as loaded:
        loaded.load(coverage)
        say(messenger, 20, created_at=at(days=-3))
        say(messenger, 21, created_at=at(days=-1))
        messenger.delete("messages", 2)
        say(messenger, 5, created_at=at(days=-2))
        loaded.follow()
        loaded.require_equal()
        assert loaded.manifest is not None
        state = loaded.manifest.tables["messages"]
    assert (state.source_rows, state.rows, state.outside_rows) == (4, 4, 5)


KINDS = st.sampled_from(["edit", "move", "delete", "put", "retime message", "rename"])
NUMBERS = st.integers(1, 10)
DEEDS = st.lists(st.tuples(KINDS, NUMBERS, st.integers(0, 5)), max_size=8)


def happen(messenger: Messenger, kind: str, number: int, detail: int) -> None:
    """Do one thing to a random row; a row that is not there is written or left."""
    facts = [fact for fact in FACTS if kind != "edit"]
    fact = facts[detail % len(facts)] if facts else MESSAGES
    keys = {key for key in messenger.tables[fact.name] if key[0] == uuid(number)}
    match kind:
        case "delete":
            for key in keys:
                messenger.delete(fact.name, *key)
        case "move":
            for key in keys:
                values = dict(zip(fact.key, key, strict=True))
                messenger.put(fact.name, **values, **{fact.time: at(days=-detail)})
        case "edit" | "retime message":
            moved = {"created_at": at(days=-detail)} if kind == "retime message" or not keys else {}
            say(messenger, number, content_length=detail, sender_id=detail % 3 + 1, **moved)
        case "put":
            values = {"message_id": number, "user_id": detail % 3 + 1}
            messenger.put("read_receipts", **values, read_at=at(days=-detail))
            messenger.put("reactions", **values, emoji="🎉", created_at=at(days=-detail))
        case "rename":
            messenger.put("users", user_id=number, username=f"name {detail}", is_bot=detail > 3)


@given(batches=st.lists(DEEDS, min_size=1, max_size=3))
@settings(max_examples=examples(6))
def test_a_lake_that_follows_keys_holds_what_the_messenger_has(
    batches: list[list[tuple[str, int, int]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever happens, every fact has exactly the messenger's rows, and every rollup follows."""
    messenger = Messenger()
    fill(messenger)
    with follower(tmp_path_factory.mktemp("followed"), messenger) as loaded:
        loaded.load()
        for deeds in batches:
            for deed in deeds:
                happen(messenger, *deed)
            loaded.follow()
        loaded.require_equal()
