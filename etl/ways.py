"""Ways: how a batch reads each table, as follows from what the feed tells.

A table is read by keys where the feed tells everything that a scan would find. Where it does not,
this table is scanned, and the others need not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etl.feed.changes import Key, TableChanges
from olap.manifest import TableState
from olap.mapping import MappedTable
from olap.tables import Fact, Table

# Looking up this share of a table costs about as much as scanning it; of a small table, and of a
# very large one, these numbers.
KEYS_MAX_PERCENT = 2
KEYS_ALWAYS = 10_000
KEYS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Unchanged:
    """None of the source tables has changed: nothing is read."""


@dataclass(frozen=True, slots=True)
class KeysToFind:
    """Keys of a source table, and the columns that they are of."""

    columns: tuple[str, ...]
    keys: frozenset[Key]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByKeys:
    """The rows with these keys are looked up.

    Attributes:
        own: the keys to look up in each table whose rows have the places.
        others: those in the other tables that the SELECT reads, where they touch rows.
        updated: keys here of rows that were updated or deleted: if they are not read now, they are
            gone.
        inserted: keys here of rows that are new.
        is_only_new: whether every row that is read is new here, so that none can be elsewhere.
    """

    own: Mapping[str, KeysToFind]
    others: Mapping[str, KeysToFind]
    updated: frozenset[Key]
    inserted: frozenset[Key]
    is_only_new: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """The table is scanned from its watermark on, or whole; `reason` is for the log."""

    reason: str | None = None


Way = Unchanged | ByKeys | Scan


def way_to_read(
    table: Table,
    mapped: MappedTable,
    changes: Mapping[str, TableChanges],
    state: TableState,
    *,
    is_touched: bool = False,
) -> Way:
    """How to read a table.

    Args:
        mapped: how it is read from the source.
        changes: what the feed tells, by source table.
        state: what is known of the table from the last batch.
        is_touched: whether messages are gone whose values its rows carry.
    """
    read = {name: changes[name] for name in mapped.reads if name in changes}
    if missing := [name for name in mapped.reads if name not in read]:
        return Scan(f"the feed does not cover {missing[0]}")
    if emptied := [name for name, found in read.items() if found.is_truncated]:
        return Scan(f"{emptied[0]} was truncated")
    changed = {name: found for name, found in read.items() if found.keys}
    if mapped.is_whole:
        return Scan() if changed or mapped.shifts else Unchanged()
    own = {name: found for name, found in changed.items() if name in mapped.places}
    # A change of another table reaches a row only by touching it, as in a scan.
    touches = isinstance(table, Fact) and bool(mapped.touched or mapped.follows)
    others = {name: found for name, found in changed.items() if touches and name not in own}
    if state.refused_rows:
        return Scan("rows of it are kept that are gone at the source")
    if state.source_rows != state.rows:
        return Scan("its number of rows differs from the source")
    if not own and not others and not is_touched:
        return Unchanged()
    if not mapped.has_place or (others and not mapped.touched_has_place):
        return Scan("its SELECT returns no place")
    if _count(own) + _count(others) > keys_max(state.rows):
        return Scan(f"more than {keys_max(state.rows):,} keys changed")
    updated: set[Key] = set()
    inserted: set[Key] = set()
    passing: set[Key] = set()
    for found in own.values():
        positions = mapped.key_positions(found.columns)
        if positions is None:
            return _way_without_key(own, others, is_touched=is_touched)
        for key in found.keys:
            here = tuple(key[position] for position in positions)
            if key in found.inserted:
                inserted.add(here)
            else:
                (passing if key in found.passing else updated).add(here)
    # A row of one table may appear here when that of another with the same key goes.
    everywhere = KeysToFind(mapped.key, frozenset(updated | inserted | passing))
    is_one = len(mapped.places) == 1
    return ByKeys(
        own=_to_find(own) if is_one else dict.fromkeys(mapped.places, everywhere),
        others=_to_find(others),
        updated=frozenset(updated),
        inserted=frozenset(inserted - updated),
    )


def _way_without_key(
    own: Mapping[str, TableChanges], others: Mapping[str, TableChanges], *, is_touched: bool
) -> Way:
    """The way where a key of the source does not tell the key here: only new rows are certain."""
    if others or is_touched or any(found.keys - found.inserted for found in own.values()):
        return Scan("rows were updated or deleted, and its `key` does not tell which")
    none: frozenset[Key] = frozenset()
    return ByKeys(own=_to_find(own), others={}, updated=none, inserted=none, is_only_new=True)


def keys_max(rows: int) -> int:
    """How many keys are looked up in a table of so many rows; for more, a scan is faster."""
    return min(KEYS_MAX, max(KEYS_ALWAYS, rows * KEYS_MAX_PERCENT // 100))


def added_rows(mapped: MappedTable, changes: Mapping[str, TableChanges]) -> int | None:
    """How many rows more the table has than at the last batch; None = it cannot be told."""
    if mapped.is_filtered or mapped.is_whole:
        return None
    return sum(changes[name].added_rows for name in mapped.places)


def _to_find(changes: Mapping[str, TableChanges]) -> dict[str, KeysToFind]:
    return {name: KeysToFind(found.columns, found.keys) for name, found in changes.items()}


def _count(changes: Mapping[str, TableChanges]) -> int:
    return sum(len(found.keys) for found in changes.values())
