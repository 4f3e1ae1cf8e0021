"""Ways: a table is read by keys exactly where the feed tells everything that a scan would find."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from etl.feed.changes import TableChanges
from etl.ways import (
    KEYS_ALWAYS,
    KEYS_MAX,
    ByKeys,
    KeysToFind,
    Scan,
    Unchanged,
    added_rows,
    keys_max,
    way_to_read,
)
from olap.manifest import TableState
from olap.mapping import MappedTable
from olap.tables import FACTS, MESSAGES, PARTICIPANTS, Table

RECEIPTS = next(fact for fact in FACTS if fact.name == "read_receipts")


def mapped(**given: Any) -> MappedTable:
    """Messages, read from `posts`."""
    made = MappedTable(
        select="select ctid as place from posts", reads=("posts",), places=("posts",), key=("id",)
    )
    return replace(made, **given)


def changed(
    *updated: str,
    inserted: tuple[str, ...] = (),
    columns: tuple[str, ...] = ("id",),
    **given: Any,
) -> TableChanges:
    """Changes of a table whose key has one column that counts."""
    new = frozenset((key,) for key in inserted)
    made = TableChanges(
        columns=columns, keys=frozenset((key,) for key in updated) | new, inserted=new
    )
    return replace(made, **given)


def state(**given: Any) -> TableState:
    """A table of a hundred rows that is as the source has it."""
    made = {"watermark": 1, "relation": "", "columns": "", "source_rows": 100, "rows": 100}
    return TableState(**{**made, **given})


def way(table: Table = MESSAGES, **given: Any) -> object:
    """The way to read messages of which one was updated."""
    values = {"mapped": mapped(), "changes": {"posts": changed("a")}, "state": state(), **given}
    return way_to_read(table, **values)


def test_rows_that_changed_are_looked_up() -> None:
    """Updated and inserted keys are looked up, and only updated ones may be gone."""
    assert way(changes={"posts": changed("a", inserted=("b",))}) == ByKeys(
        own={"posts": KeysToFind(("id",), frozenset({("a",), ("b",)}))},
        others={},
        updated=frozenset({("a",)}),
        inserted=frozenset({("b",)}),
    )


def test_a_row_that_came_and_went_is_not_gone() -> None:
    """Its key is looked up, because it may be back; but no row here can have had it."""
    passing = frozenset({("b",)})
    assert way(changes={"posts": changed("a", "b", passing=passing)}) == ByKeys(
        own={"posts": KeysToFind(("id",), frozenset({("a",), ("b",)}))},
        others={},
        updated=frozenset({("a",)}),
        inserted=frozenset(),
    )


def test_what_has_not_changed_is_not_read() -> None:
    """Without a key nothing is read, also of a table that is read whole."""
    assert way(changes={"posts": changed()}) == Unchanged()
    assert way(mapped=mapped(is_whole=True), changes={"posts": changed()}) == Unchanged()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"changes": {}}, "the feed does not cover posts"),
        ({"changes": {"posts": changed(is_truncated=True)}}, "posts was truncated"),
        ({"state": state(refused_rows=1)}, "rows of it are kept that are gone at the source"),
        ({"state": state(source_rows=99)}, "its number of rows differs from the source"),
        ({"mapped": mapped(select="select id from posts")}, "its SELECT returns no place"),
        (
            {"mapped": mapped(key=())},
            "rows were updated or deleted, and its `key` does not tell which",
        ),
        (
            {"changes": {"posts": changed("a", columns=("other",))}},
            "rows were updated or deleted, and its `key` does not tell which",
        ),
        ({"mapped": mapped(is_whole=True)}, None),
        (
            {
                "mapped": mapped(is_whole=True, select="select now() from posts"),
                "changes": {"posts": changed()},
            },
            None,
        ),
    ],
)
def test_a_table_is_scanned_where_keys_are_not_enough(
    given: dict[str, Any], reason: str | None
) -> None:
    """Each thing that a lookup by keys would miss makes the table a scan, with its reason."""
    assert way(MESSAGES, **given) == Scan(reason)


def test_more_keys_than_a_scan_is_worth() -> None:
    """From one key above the limit on the table is scanned."""
    keys = [str(number) for number in range(KEYS_ALWAYS)]
    assert isinstance(way(changes={"posts": changed(*keys)}), ByKeys)
    assert way(changes={"posts": changed(*keys, "one more")}) == Scan(
        f"more than {KEYS_ALWAYS:,} keys changed"
    )
    assert [keys_max(rows) for rows in (0, 500_000, 1_000_000, 10**9)] == [
        KEYS_ALWAYS,
        KEYS_ALWAYS,
        20_000,
        KEYS_MAX,
    ]


def test_a_table_without_key_is_looked_up_while_rows_are_only_inserted() -> None:
    """A new row is not gone, and was not elsewhere; whatever else changed needs a scan."""
    new = {"posts": changed(inserted=("a",))}
    found = way(mapped=mapped(key=()), changes=new)
    assert isinstance(found, ByKeys) and found.is_only_new and not found.updated
    assert isinstance(way(mapped=mapped(key=()), changes=new, is_touched=True), Scan)


def test_a_change_of_another_table_counts_only_where_it_touches_rows() -> None:
    """A row of a second table reaches a fact through `touched`, and a dimension never."""
    reads = ("posts", "files")
    changes = {"posts": changed(), "files": changed("f")}
    plain = mapped(reads=reads)
    touched = replace(plain, touched="select ctid as place from files")
    assert way(mapped=plain, changes=changes) == Unchanged()
    assert way(PARTICIPANTS, mapped=touched, changes=changes) == Unchanged()
    found = way(mapped=touched, changes=changes)
    assert isinstance(found, ByKeys)
    assert found.others == {"files": KeysToFind(("id",), frozenset({("f",)}))}
    without_place = replace(plain, touched="select id from files")
    assert way(mapped=without_place, changes=changes) == Scan("its SELECT returns no place")


def test_rows_about_messages_that_are_gone_are_read_again() -> None:
    """Receipts of which none changed are read if a message is gone whose values they carry."""
    unchanged = {"posts": changed()}
    follows = mapped(follows="messages")
    assert way(RECEIPTS, mapped=follows, changes=unchanged) == Unchanged()
    assert isinstance(way(RECEIPTS, mapped=follows, changes=unchanged, is_touched=True), ByKeys)


def test_a_row_may_move_between_two_tables() -> None:
    """Where several tables have the places, each is asked for all keys, because a row of one shows
    when that of another goes."""
    both = mapped(reads=("posts", "archive"), places=("posts", "archive"))
    archive = changed("c", inserted=("b",), passing=frozenset({("c",)}))
    found = way(mapped=both, changes={"posts": changed("a"), "archive": archive})
    assert isinstance(found, ByKeys)
    everywhere = KeysToFind(("id",), frozenset({("a",), ("b",), ("c",)}))
    assert found.own == {"posts": everywhere, "archive": everywhere}


def test_a_key_is_part_of_the_source_s_key_in_any_order() -> None:
    """The key here is taken from the columns that it names, and not from their positions."""
    keys = frozenset({("2026", "u", "m")})
    changes = {"posts": TableChanges(columns=("day", "user", "message"), keys=keys)}
    found = way(mapped=mapped(key=("message", "user")), changes=changes)
    assert isinstance(found, ByKeys)
    assert found.updated == frozenset({("m", "u")})


def test_rows_are_counted_by_inserts_minus_deletes() -> None:
    """The tables with the places count; where rows are left out, nothing is known."""
    changes = {"posts": changed(added_rows=3), "files": changed(added_rows=5)}
    assert added_rows(mapped(reads=("posts", "files")), changes) == 3
    assert added_rows(mapped(is_filtered=True), changes) is None
    assert added_rows(mapped(is_whole=True), changes) is None
