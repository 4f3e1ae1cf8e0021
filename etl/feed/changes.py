"""What a feed tells about one batch, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from olap.manifest import FeedState, Mode

# The values of a key's columns, as PostgreSQL writes them as text.
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChanges:
    """What changed in one source table since the last batch.

    A key may be listed although its row did not change: what was read once is harmless to read
    again.

    Attributes:
        columns: the columns of the key (the replica identity), in order.
        keys: of every row that was inserted, updated or deleted; where an update changed the key,
            both of them.
        inserted: those of `keys` that, if they have a row now, had none at the last batch.
        passing: those of `keys` that, if they have no row now, had none at the last batch: they
            were inserted and deleted since.
        added_rows: inserts minus deletes of the transactions that this batch's snapshot sees and
            that of the last batch did not.
        is_truncated: whether the table was truncated; the keys are then not all that changed.
    """

    columns: tuple[str, ...]
    keys: frozenset[Key] = frozenset()
    inserted: frozenset[Key] = frozenset()
    passing: frozenset[Key] = frozenset()
    added_rows: int = 0
    is_truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a batch finds what changed.

    Attributes:
        mode: `scan`, or the mode of the feed that was read.
        reason: why a feed is not used, in words for `status`; None where none is wanted, or where
            one is used.
        changes: by source table, as the mapping's `reads` writes it; a table that the feed does not
            cover is absent, and is scanned. None in a scan.
        uncovered: why the feed does not cover a source table, in words.
        state: to record with the batch; None where no feed is installed.
    """

    mode: Mode
    reason: str | None = None
    changes: Mapping[str, TableChanges] | None = None
    uncovered: Mapping[str, str] = field(default_factory=dict)
    state: FeedState | None = None
