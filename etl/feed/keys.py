"""Keys as they are collected from a feed: what changed in one source table."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.feed.changes import Key, TableChanges

# Beyond, the keys would take more memory than the rest of a cycle, and a scan is not slower.
CHANGES_MAX = 1_000_000


@dataclass(slots=True)
class Collected:
    """What changed in one source table so far; see `TableChanges`.

    The order of a key's changes need not be known. As often as it was inserted more than deleted,
    so many rows more it has now than at the last batch, and it has one or none.

    Attributes:
        net: inserts minus deletes of each key that was inserted or deleted, by the transactions
            that this batch's snapshot sees and that of the last batch did not.
    """

    columns: tuple[str, ...]
    keys: set[Key] = field(default_factory=set)
    net: dict[Key, int] = field(default_factory=dict)
    is_truncated: bool = False

    def add(self, key: Key, rows: int) -> None:
        """Count rows with a key that were inserted (1) or deleted (-1)."""
        self.net[key] = self.net.get(key, 0) + rows

    def table_changes(self) -> TableChanges:
        """It, as the batch takes it."""
        return TableChanges(
            columns=self.columns,
            keys=frozenset(self.keys),
            inserted=frozenset(key for key, rows in self.net.items() if rows == 1),
            passing=frozenset(key for key, rows in self.net.items() if rows == 0),
            added_rows=sum(self.net.values()),
            is_truncated=self.is_truncated,
        )
